/* The reader of packet bodies: the only place that turns bytes of a packet into numbers. */
#include "rsp_reader.h"

#include <string.h>

int rsp_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

void rsp_reader_init(struct rsp_reader *r, const void *data, size_t len)
{
    r->at = data;
    r->end = r->at + len;
    r->bad = false;
}

int rsp_fail(struct rsp_reader *r)
{
    r->bad = true;
    return 0;
}

size_t rsp_left(const struct rsp_reader *r)
{
    return r->bad ? 0 : (size_t)(r->end - r->at);
}

bool rsp_end(const struct rsp_reader *r)
{
    return !r->bad && r->at == r->end;
}

bool rsp_accept(struct rsp_reader *r, char c)
{
    if (!rsp_left(r) || *r->at != (uint8_t)c)
        return false;
    r->at++;
    return true;
}

void rsp_expect(struct rsp_reader *r, char c)
{
    if (!rsp_accept(r, c))
        rsp_fail(r);
}

bool rsp_accept_text(struct rsp_reader *r, const char *text)
{
    size_t len = strlen(text);

    if (rsp_left(r) < len || memcmp(r->at, text, len) != 0)
        return false;
    r->at += len;
    return true;
}

uint64_t rsp_hex_u64(struct rsp_reader *r)
{
    uint64_t value = 0;
    bool any = false;

    while (rsp_left(r)) {
        int digit = rsp_digit(*r->at);

        if (digit < 0)
            break;
        if (value >> 60)
            return (uint64_t)rsp_fail(r);
        value = value << 4 | (uint64_t)digit;
        any = true;
        r->at++;
    }
    return any ? value : (uint64_t)rsp_fail(r);
}

uint32_t rsp_hex_u32(struct rsp_reader *r)
{
    uint64_t value = rsp_hex_u64(r);

    return value > UINT32_MAX ? (uint32_t)rsp_fail(r) : (uint32_t)value;
}

uint8_t rsp_hex_byte(struct rsp_reader *r)
{
    int high, low;

    if (rsp_left(r) < 2)
        return (uint8_t)rsp_fail(r);
    high = rsp_digit(r->at[0]);
    low = rsp_digit(r->at[1]);
    if (high < 0 || low < 0)
        return (uint8_t)rsp_fail(r);
    r->at += 2;
    return (uint8_t)(high << 4 | low);
}

void rsp_hex_bytes(struct rsp_reader *r, void *dst, size_t len)
{
    uint8_t *out = dst;

    for (size_t i = 0; i < len && !r->bad; i++)
        out[i] = rsp_hex_byte(r);
}

struct bytes rsp_take(struct rsp_reader *r, size_t len)
{
    struct bytes taken = {0};

    if (rsp_left(r) < len) {
        rsp_fail(r);
        return taken;
    }
    taken = (struct bytes){r->at, len};
    r->at += len;
    return taken;
}

struct bytes rsp_until(struct rsp_reader *r, char stop)
{
    size_t left = rsp_left(r);
    const uint8_t *found = left ? memchr(r->at, stop, left) : NULL;
    struct bytes taken = rsp_take(r, found ? (size_t)(found - r->at) : left);

    if (found)
        r->at++;
    return taken;
}

bool bytes_is_text(struct bytes b, const char *text)
{
    return b.len == strlen(text) && (!b.len || memcmp(b.data, text, b.len) == 0);
}
