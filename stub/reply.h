/*
 * The builder of one reply, and the verdicts by which a handler says what shall be answered. A reply
 * knows its room; what does not fit is not written and sets `over`, and then the one place that
 * answers (packets.c) sends an error instead. Nothing here touches the wire.
 */
#ifndef STUB_REPLY_H
#define STUB_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "winstub/bytes.h"
#include "winstub/err.h"

enum verdict {
    ANSWER,      /* what the reply holds */
    UNSUPPORTED, /* the empty answer */
    RESUMED,     /* the guest runs; its stop reply will be the answer */
    SILENT,      /* no answer: `k` has none */
};

/* Enn, in hex on the wire; values as in Linux' errno.h, which is what gdbserver sends. */
enum rsp_errno {
    RSP_EPERM = 0x01,
    RSP_ENOENT = 0x02,
    RSP_ESRCH = 0x03, /* no such thread or process */
    RSP_EIO = 0x05,
    RSP_E2BIG = 0x07, /* the packet is longer than PacketSize */
    RSP_ENOMEM = 0x0c,
    RSP_EFAULT = 0x0e, /* that memory is not there */
    RSP_EINVAL = 0x16, /* the packet is malformed */
};

struct reply {
    uint8_t *data;
    size_t len;
    size_t cap;
    bool over;      /* something did not fit */
    bool texts;     /* the client reads E.text (feature error-message) */
    bool hex_texts; /* the client reads Enn;text in hex (LLDB, QEnableErrorStrings) */
};

void reply_init(struct reply *out, uint8_t *data, size_t cap, bool texts);

/*
 * Append; the result is ANSWER, so that a handler's last append can be what it returns. The text must
 * not hold bytes that need escapes: reply_binary escapes.
 */
enum verdict reply_byte(struct reply *out, char c);
enum verdict reply_text(struct reply *out, const char *text);
enum verdict reply_printf(struct reply *out, const char *fmt, ...) PRINTF_LIKE(2, 3);
enum verdict reply_hex(struct reply *out, const void *data, size_t len);
/* Escaped bytes, as many as fit; returns how many did. Does not set `over`. */
size_t reply_binary(struct reply *out, struct bytes data);
/* How many bytes can still be written as hex. */
size_t reply_hex_room(const struct reply *out);

/* Whole answers; what was written before is dropped. */
enum verdict reply_ok(struct reply *out);
enum verdict reply_error(struct reply *out, enum rsp_errno code);
/* With a sentence of its own for clients that can show it. */
enum verdict reply_error_text(struct reply *out, enum rsp_errno code, const char *text);
/* What a failed operation of the target means on the wire; ERR_OK is OK. */
enum verdict reply_result(struct reply *out, enum err e);

#endif
