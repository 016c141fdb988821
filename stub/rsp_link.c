/*
 * Acknowledgements. Decides what is sent when, and what is sent again; leaves framing to rsp_frame.c.
 * Follows the GDB manual, "Remote Protocol", "Packet Acknowledgment".
 */
#include "rsp_link.h"

#include <string.h>

#include "rsp_frame.h"
#include "rsp_log.h"
#include "winstub/log.h"

/* One frame, and bytes that wait for the client: console output may be many frames. */
#define FRAME_MAX (STUB_PACKET_MAX + 4)
#define OUT_MAX   (512u * STUB_PACKET_MAX)

void rsp_link_init(struct rsp_link *l)
{
    *l = (struct rsp_link){0};
    buf_init(&l->out, OUT_MAX);
    buf_init(&l->last, FRAME_MAX);
    buf_init(&l->waiting, OUT_MAX);
}

void rsp_link_fini(struct rsp_link *l)
{
    buf_fini(&l->out);
    buf_fini(&l->last);
    buf_fini(&l->waiting);
}

void rsp_link_reset(struct rsp_link *l)
{
    rsp_link_fini(l);
    rsp_link_init(l);
}

static void link_put(struct rsp_link *l, const uint8_t *data, size_t len)
{
    if (buf_append(&l->out, data, len))
        return;
    l->out.failed = false; /* what is there is still good */
    LOG(rsp, "%zu bytes for the client are lost: %zu wait for it already", len, l->out.len);
}

/* Does a frame wait for its '+'? */
static bool link_busy(const struct rsp_link *l)
{
    return l->last.len > 0 && !l->lax && !l->no_ack;
}

static bool link_waits(const struct rsp_link *l)
{
    return l->waiting_at < l->waiting.len;
}

bool rsp_link_idle(const struct rsp_link *l)
{
    return !link_busy(l) && !link_waits(l);
}

/* A frame goes out; it is kept while it may be asked for again. */
static void link_go(struct rsp_link *l, const uint8_t *frame, size_t len)
{
    link_put(l, frame, len);
    buf_clear(&l->last);
    if (!l->no_ack)
        buf_append(&l->last, frame, len);
}

/* The first of the waiting frames goes out; all of them when nobody acknowledges. */
static void link_next(struct rsp_link *l)
{
    while (link_waits(l) && !link_busy(l)) {
        const uint8_t *at = l->waiting.data + l->waiting_at;
        const uint8_t *end = memchr(at, '#', l->waiting.len - l->waiting_at); /* in no body */
        size_t len = (size_t)(end - at) + 3;

        link_go(l, at, len);
        l->waiting_at += len;
    }
    if (!link_waits(l)) {
        buf_clear(&l->waiting);
        l->waiting_at = 0;
    }
}

/* The frame on its way has arrived. */
static void link_arrived(struct rsp_link *l)
{
    buf_clear(&l->last);
    if (l->no_ack_next)
        l->no_ack = true;
    link_next(l);
}

void rsp_link_acked(struct rsp_link *l)
{
    if (!l->no_ack && l->last.len)
        link_arrived(l);
}

void rsp_link_nakked(struct rsp_link *l)
{
    if (!l->no_ack && l->last.len)
        link_put(l, l->last.data, l->last.len);
}

void rsp_link_received(struct rsp_link *l, bool sum_ok)
{
    if (!l->no_ack && l->last.len) {
        l->lax = true;
        link_arrived(l);
    }
    if (!l->no_ack)
        link_put(l, (const uint8_t *)(sum_ok ? "+" : "-"), 1);
}

void rsp_link_start_no_ack(struct rsp_link *l)
{
    l->no_ack_next = true;
}

void rsp_link_send(struct rsp_link *l, const uint8_t *body, size_t len)
{
    struct buf *to = l->no_ack && !link_waits(l) ? &l->out : &l->waiting;

    rsp_log_line('r', body, len);
    if (!rsp_frame_encode(to, body, len)) {
        to->failed = false; /* what is there is still good */
        LOG(rsp, "a reply of %zu bytes is lost: %zu wait already", len, to->len);
    }
    link_next(l);
}
