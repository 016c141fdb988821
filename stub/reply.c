/*
 * The reply builder. Decides how bytes, numbers and errors look on the wire; packets.c decides when
 * they are sent. Follows the GDB manual, "Remote Protocol", "Overview" and "Standard Replies".
 */
#include "reply.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

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

enum verdict reply_hex(struct reply *out, const void *data, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *in = data;
    uint8_t *at;

    if (len > reply_hex_room(out)) {
        out->over = true;
        return ANSWER;
    }
    at = reply_extend(out, len * 2);
    for (size_t i = 0; i < len; i++) {
        *at++ = (uint8_t)digits[in[i] >> 4];
        *at++ = (uint8_t)digits[in[i] & 15];
    }
    return ANSWER;
}

static bool needs_escape(uint8_t c)
{
    return c == '#' || c == '$' || c == '}' || c == '*';
}

size_t reply_binary(struct reply *out, struct bytes data)
{
    for (size_t i = 0; i < data.len; i++) {
        uint8_t c = data.data[i];
        size_t need = needs_escape(c) ? 2 : 1;

        if (need > out->cap - out->len)
            return i;
        if (need == 2) {
            out->data[out->len++] = '}';
            c ^= 0x20;
        }
        out->data[out->len++] = c;
    }
    return data.len;
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
