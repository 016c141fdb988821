/*
 * The way out: frames, who has acknowledged them, and what is sent again. Follows the GDB manual,
 * "Remote Protocol", "Packet Acknowledgment".
 *
 * With acknowledgements on, one frame is on its way at a time and the others wait. A client that sends its
 * next packet without having acknowledged the last reply does not acknowledge at all; for it, and in
 * no-ack mode, nothing waits.
 */
#ifndef STUB_RSP_LINK_H
#define STUB_RSP_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "winstub/buf.h"

struct rsp_link {
    struct buf out;     /* bytes for the client */
    struct buf last;    /* the frame on its way, kept for a '-' */
    struct buf waiting; /* frames behind it, from waiting_at on */
    size_t waiting_at;
    bool no_ack;      /* no-ack mode is on */
    bool no_ack_next; /* it starts when the frame on its way has arrived */
    bool lax;         /* the client does not acknowledge */
};

void rsp_link_init(struct rsp_link *l);
void rsp_link_fini(struct rsp_link *l);
void rsp_link_reset(struct rsp_link *l); /* a new client */

/* A packet came: acknowledge it, and forget what was on its way. sum_ok false asks for it again. */
void rsp_link_received(struct rsp_link *l, bool sum_ok);
void rsp_link_acked(struct rsp_link *l);
void rsp_link_nakked(struct rsp_link *l);
/* After the next frame has arrived, acknowledge no more (QStartNoAckMode). */
void rsp_link_start_no_ack(struct rsp_link *l);

/* Would a frame that is queued now go out at once? */
bool rsp_link_idle(const struct rsp_link *l);
/* Queue one frame. Without host memory it is lost, which is logged. */
void rsp_link_send(struct rsp_link *l, const uint8_t *body, size_t len);

#endif
