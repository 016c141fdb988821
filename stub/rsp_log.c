/* Packets as log lines. Follows GDB's gdb/serial.c, which writes `set remotelogfile`. */
#include "rsp_log.h"

#include "winstub/log.h"

#define LOG_BYTES 800 /* of one packet; the rest is counted */

static const char *letter(uint8_t c)
{
    switch (c) {
    case '\b':
        return "\\b";
    case '\f':
        return "\\f";
    case '\n':
        return "\\n";
    case '\r':
        return "\\r";
    case '\t':
        return "\\t";
    case '\v':
        return "\\v";
    default:
        return NULL;
    }
}

void rsp_log_print(struct buf *out, const uint8_t *data, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        const char *named = letter(data[i]);

        if (named)
            buf_text(out, named);
        else if (data[i] >= 0x20 && data[i] < 0x7f)
            buf_byte(out, data[i]);
        else
            buf_printf(out, "\\x%02x", data[i]);
    }
}

void rsp_log_line(char who, const uint8_t *data, size_t len)
{
    size_t shown = len < LOG_BYTES ? len : LOG_BYTES;
    struct buf text;

    if (!(log_mask & (1u << LOG_rsp)))
        return;
    buf_init(&text, LOG_BYTES * 4 + 1);
    rsp_log_print(&text, data, shown);
    if (shown < len)
        LOG(rsp, "%c %s... (%zu bytes)", who, buf_str(&text), len);
    else
        LOG(rsp, "%c %s", who, buf_str(&text));
    buf_fini(&text);
}
