/* Growable bytes with a limit: how they grow, and how a file gets into them. */
#include "winstub/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

void buf_init(struct buf *b, size_t limit)
{
    *b = (struct buf){.limit = limit};
}

void buf_fini(struct buf *b)
{
    free(b->data);
    buf_init(b, b->limit);
}

void buf_clear(struct buf *b)
{
    b->len = 0;
    b->failed = false;
    if (b->data)
        b->data[0] = 0;
}

/* Room for extra more bytes and the NUL. */
static bool buf_reserve(struct buf *b, size_t extra)
{
    size_t cap = b->cap ? b->cap : 64;
    uint8_t *grown;

    if (b->failed || extra > b->limit - b->len) {
        b->failed = true;
        return false;
    }
    if (b->data && b->len + extra < b->cap)
        return true;
    while (cap <= b->len + extra)
        cap *= 2;
    grown = realloc(b->data, cap);
    if (!grown) {
        b->failed = true;
        return false;
    }
    b->data = grown;
    b->cap = cap;
    return true;
}

uint8_t *buf_extend(struct buf *b, size_t len)
{
    uint8_t *at;

    if (!buf_reserve(b, len))
        return NULL;
    at = b->data + b->len;
    memset(at, 0, len + 1);
    b->len += len;
    return at;
}

bool buf_append(struct buf *b, const void *data, size_t len)
{
    if (!buf_reserve(b, len))
        return false;
    if (len)
        memcpy(b->data + b->len, data, len);
    b->len += len;
    b->data[b->len] = 0;
    return true;
}

bool buf_byte(struct buf *b, uint8_t byte)
{
    return buf_append(b, &byte, 1);
}

bool buf_text(struct buf *b, const char *text)
{
    return buf_append(b, text, strlen(text));
}

bool buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list args;
    int len;

    va_start(args, fmt);
    len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (len < 0 || !buf_reserve(b, (size_t)len)) {
        b->failed = true;
        return false;
    }
    va_start(args, fmt);
    (void)vsnprintf((char *)b->data + b->len, (size_t)len + 1, fmt, args);
    va_end(args);
    b->len += (size_t)len;
    return true;
}

void buf_consume(struct buf *b, size_t n)
{
    if (!n)
        return;
    memmove(b->data, b->data + n, b->len - n + 1);
    b->len -= n;
}

const char *buf_str(const struct buf *b)
{
    return b->data ? (const char *)b->data : "";
}

/* Append what the open file holds, up to the limit. */
static enum err read_all(struct buf *b, FILE *f, const char *path, struct diag *why)
{
    uint8_t chunk[65536];
    size_t got;

    while ((got = fread(chunk, 1, sizeof chunk, f)) > 0) {
        if (got > b->limit - b->len)
            return diag_set(why, ERR_LIMIT, "%s: larger than the limit of %zu bytes", path,
                            b->limit);
        if (!buf_append(b, chunk, got))
            return diag_set(why, ERR_NOMEM, "%s: the host is out of memory", path);
    }
    if (ferror(f))
        return diag_set(why, ERR_IO, "%s: cannot be read: %s", path, strerror(errno));
    return ERR_OK;
}

enum err buf_read_file(struct buf *b, const char *path, struct diag *why)
{
    struct stat st;
    FILE *f;
    enum err e;

    f = fopen(path, "rb");
    if (!f)
        return diag_set(why, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "%s: %s", path,
                        strerror(errno));
    if (fstat(fileno(f), &st) == 0 && S_ISDIR(st.st_mode))
        e = diag_set(why, ERR_IO, "%s: is a directory", path);
    else
        e = read_all(b, f, path, why);
    (void)fclose(f);
    return e;
}
