/* UTF-8, as XML and JSON want it checked. */
#ifndef STUB_UTF8_H
#define STUB_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of the UTF-8 character at p, 0 when p holds none that XML knows. Ends at the NUL by itself. */
size_t utf8_len(const uint8_t *p);

#endif
