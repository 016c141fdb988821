/* UTF-8 and UTF-16 into each other. What is neither becomes U+FFFD, so that no text is refused. */
#ifndef WINSTUB_UTF_H
#define WINSTUB_UTF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "winstub/buf.h"

#define UTF_REPLACEMENT 0xFFFDu

/* Decode the character at *text, which is not at its NUL, and step over it; over one byte when it is no UTF-8. */
uint32_t utf8_next(const char **text);

/* Append one character up to U+10FFFF, no surrogate, as UTF-8. False as buf_append. */
bool utf8_append_char(struct buf *out, uint32_t c);

/* Append UTF-8 text as UTF-16LE without a NUL; every byte that is no UTF-8 becomes U+FFFD. False as buf_append. */
bool utf16_append(struct buf *out, const char *utf8);

/* Append count units of UTF-16LE as UTF-8; a surrogate without its other half becomes U+FFFD. False as buf_append. */
bool utf8_append_utf16(struct buf *out, const uint8_t *units, size_t count);

#endif
