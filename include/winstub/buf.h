/*
 * A growable byte buffer with a fixed limit. Past the limit, or when the host has no memory, an
 * append fails, the buffer keeps what it had, and `failed` stays set: a writer may append many
 * times and ask once at the end.
 */
#ifndef WINSTUB_BUF_H
#define WINSTUB_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "winstub/err.h"

struct buf {
    uint8_t *data; /* len bytes, and one NUL behind them once anything was appended */
    size_t len;
    size_t cap;
    size_t limit;
    bool failed;
};

/* An empty buffer that will hold at most limit bytes. Allocates nothing. */
void buf_init(struct buf *b, size_t limit);
/* Release the memory; b is empty and usable again, with the same limit. */
void buf_fini(struct buf *b);
/* Forget the contents and the failure, keep the memory. */
void buf_clear(struct buf *b);

/* Append; false when it would pass the limit or memory is short (sticky in b->failed). */
bool buf_append(struct buf *b, const void *data, size_t len);
bool buf_byte(struct buf *b, uint8_t byte);
bool buf_text(struct buf *b, const char *text);
bool buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Append len zero bytes and return where they are (valid until the next append), NULL on failure. */
uint8_t *buf_extend(struct buf *b, size_t len);
/* Drop the first n bytes (n <= len). O(len). */
void buf_consume(struct buf *b, size_t n);
/* The contents as text, "" when empty. Valid until the next change. */
const char *buf_str(const struct buf *b);

/*
 * Append a whole regular file.
 * ERR_NOT_FOUND no such file; ERR_IO it cannot be read (or is a directory); ERR_LIMIT it is larger
 * than the buffer's limit; ERR_NOMEM. why names the path.
 */
MUST_USE enum err buf_read_file(struct buf *b, const char *path, struct diag *why);

#endif
