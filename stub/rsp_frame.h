/*
 * The byte stream of a client, cut into packets, acknowledgements and interrupts; and the other way
 * round, one body made into a frame. Follows the GDB manual, "Remote Protocol", "Overview".
 *
 * Bodies come out unescaped, as pointer and length: they may hold any byte. A client never sends run
 * lengths, so a '*' is a '*'.
 */
#ifndef STUB_RSP_FRAME_H
#define STUB_RSP_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "winstub/buf.h"
#include "winstub/stub.h"

enum rsp_event {
    RSP_NOTHING, /* all bytes are consumed, none completed anything */
    RSP_PACKET,  /* body, len, fault and sum_ok say what arrived */
    RSP_ACK,
    RSP_NAK,
    RSP_INTERRUPT, /* 0x03 between packets */
};

enum rsp_fault {
    RSP_WELL_FORMED,
    RSP_TOO_LONG,   /* more than STUB_PACKET_MAX bytes; the body is not kept */
    RSP_BAD_ESCAPE, /* '}' was the last byte */
};

enum rsp_state { RSP_IDLE, RSP_BODY, RSP_SUM_HIGH, RSP_SUM_LOW };

struct rsp_frame {
    enum rsp_state state;
    enum rsp_fault fault;
    bool escaped;   /* the last byte was '}' */
    bool sum_ok;    /* the checksum sent is the sum of the bytes */
    uint8_t sum;    /* of the bytes so far */
    uint8_t digit;  /* first digit of the checksum */
    size_t on_wire; /* bytes of the body as sent, escapes included */
    size_t len;     /* bytes of the body, unescaped */
    uint8_t body[STUB_PACKET_MAX];
};

void rsp_frame_init(struct rsp_frame *f);

/*
 * Take bytes until one of them completes an event; returns how many were taken (all of them for
 * RSP_NOTHING). What a packet left in f is valid until the next call.
 */
size_t rsp_frame_feed(struct rsp_frame *f, const uint8_t *data, size_t len, enum rsp_event *event);

/* Append "$body#sum" to out. The body is sent as it is: replies escape what must be (reply.h). */
bool rsp_frame_encode(struct buf *out, const uint8_t *body, size_t len);

#endif
