/*
 * The reply builder. Decides how bytes, numbers and errors look on the wire; packets.c decides when
 * they are sent. Follows the GDB manual, "Remote Protocol", "Overview" and "Standard Replies".
 */
#include "reply.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "words.h"

void reply_init(struct reply *out, uint8_t *data, size_t cap, bool texts)
{
    *out = (struct reply){.data = data, .cap = cap, .texts = texts};
}

/* Room for len more bytes, all or nothing. */
static uint8_t *reply_extend(struct reply *out, size_t len)
{
    uint8_t *at = out->data + out->len;

    if (len > out->cap - out->len) {
        out->over = true;
        return NULL;
    }
    out->len += len;
    return at;
}

enum verdict reply_byte(struct reply *out, char c)
{
    uint8_t *at = reply_extend(out, 1);

    if (at)
        *at = (uint8_t)c;
    return ANSWER;
}

enum verdict reply_text(struct reply *out, const char *text)
{
    size_t len = strlen(text);
    uint8_t *at = reply_extend(out, len);

    if (at && len)
        memcpy(at, text, len);
    return ANSWER;
}

enum verdict reply_printf(struct reply *out, const char *fmt, ...)
{
    char text[256];
    va_list args;
    int len;

    va_start(args, fmt);
    len = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (len < 0 || (size_t)len >= sizeof text)
        out->over = true;
    else
        reply_text(out, text);
    return ANSWER;
}

/* The lower-case digit of 0 to 15, computed: compilers then do many at once. */
static uint8_t hex_digit(unsigned value)
{
    return (uint8_t)(value + '0' + (value > 9 ? 'a' - '0' - 10 : 0));
}

#define HEX_BLOCK 16

static void hex_block(uint8_t *restrict at, const uint8_t *restrict in)
{
    for (size_t i = 0; i < HEX_BLOCK; i++) {
        at[2 * i] = hex_digit(in[i] >> 4);
        at[2 * i + 1] = hex_digit(in[i] & 15);
    }
}

enum verdict reply_hex(struct reply *out, const void *data, size_t len)
{
    const uint8_t *in = data;
    uint8_t *at;

    if (len > reply_hex_room(out)) {
        out->over = true;
        return ANSWER;
    }
    at = reply_extend(out, len * 2);
    for (; len >= HEX_BLOCK; len -= HEX_BLOCK, in += HEX_BLOCK, at += 2 * HEX_BLOCK)
        hex_block(at, in);
    for (; len; len--, in++) {
        *at++ = hex_digit(*in >> 4);
        *at++ = hex_digit(*in & 15);
    }
    return ANSWER;
}

static bool needs_escape(uint8_t c)
{
    return c == '#' || c == '$' || c == '}' || c == '*';
}

/* The highest bit of the first of eight bytes that is c; bits above it may be set by mistake, none below. */
static uint64_t find_byte(uint64_t bytes, uint8_t c)
{
    uint64_t zero_where = bytes ^ c * EACH_BYTE;

    return (zero_where - EACH_BYTE) & ~zero_where & 0x80 * EACH_BYTE;
}

/* How many of eight bytes need no escape, from the first on. */
static size_t plain_bytes(uint64_t bytes)
{
    uint64_t special = find_byte(bytes, '#') | find_byte(bytes, '$') | find_byte(bytes, '}') |
                       find_byte(bytes, '*');

    return special ? (size_t)__builtin_ctzll(special) / 8 : 8;
}

static uint8_t *escape(uint8_t *at, uint8_t c)
{
    *at++ = '}';
    *at++ = c ^ 0x20;
    return at;
}

size_t reply_binary(struct reply *out, struct bytes data)
{
    uint8_t *at = out->data + out->len, *end = out->data + out->cap;
    const uint8_t *in = data.data;
    size_t i = 0;

    while (data.len - i >= 8 && end - at >= 10) {
        uint64_t bytes = word_load(in + i);
        size_t plain = plain_bytes(bytes);

        word_store(at, bytes);
        at += plain;
        i += plain;
        if (plain < 8)
            at = escape(at, in[i++]);
    }
    for (; i < data.len && end - at >= 1 + needs_escape(in[i]); i++) {
        if (needs_escape(in[i]))
            at = escape(at, in[i]);
        else
            *at++ = in[i];
    }
    out->len = (size_t)(at - out->data);
    return i;
}

size_t reply_hex_room(const struct reply *out)
{
    return (out->cap - out->len) / 2;
}

static void reply_clear(struct reply *out)
{
    out->len = 0;
    out->over = false;
}

enum verdict reply_ok(struct reply *out)
{
    reply_clear(out);
    return reply_text(out, "OK");
}

enum verdict reply_error_text(struct reply *out, enum rsp_errno code, const char *text)
{
    reply_clear(out);
    if (out->texts) {
        struct bytes body = {(const uint8_t *)text, strlen(text)};

        reply_text(out, "E.");
        (void)reply_binary(out, body);
    } else {
        reply_printf(out, "E%02x", (unsigned)code);
    }
    if (out->hex_texts) {
        reply_byte(out, ';');
        reply_hex(out, text, strlen(text));
    }
    return ANSWER;
}

static const char *errno_text(enum rsp_errno code)
{
    switch (code) {
    case RSP_EPERM:
        return "not possible in this state";
    case RSP_ENOENT:
        return "no such object";
    case RSP_ESRCH:
        return "no such thread, or the process has ended";
    case RSP_EIO:
        return "the target failed";
    case RSP_E2BIG:
        return "the packet or its answer is too long";
    case RSP_ENOMEM:
        return "the host is out of memory";
    case RSP_EFAULT:
        return "that memory cannot be accessed";
    case RSP_EINVAL:
        return "malformed packet";
    }
    return "error";
}

enum verdict reply_error(struct reply *out, enum rsp_errno code)
{
    return reply_error_text(out, code, errno_text(code));
}

enum verdict reply_result(struct reply *out, enum err e)
{
    switch (e) {
    case ERR_OK:
        return reply_ok(out);
    case ERR_UNSUPPORTED:
        return UNSUPPORTED;
    case ERR_NOMEM:
    case ERR_LIMIT:
        return reply_error(out, RSP_ENOMEM);
    case ERR_FAULT:
        return reply_error(out, RSP_EFAULT);
    case ERR_NOT_FOUND:
        return reply_error(out, RSP_ESRCH);
    case ERR_STATE:
        return reply_error(out, RSP_EPERM);
    case ERR_INVALID:
    case ERR_RANGE:
        return reply_error(out, RSP_EINVAL);
    default:
        return reply_error(out, RSP_EIO);
    }
}
