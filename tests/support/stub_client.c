/* The client of the stub's tests: frames, acknowledges, and sorts answers from console output. */
#include "stub_client.h"

#include <stdlib.h>
#include <string.h>

#include "reply.h"
#include "rsp_reader.h"

struct stub_client *stub_client_over(const struct target *target)
{
    struct stub_client *c = calloc(1, sizeof *c);

    if (!c || stub_new(target, &c->stub))
        abort();
    rsp_frame_init(&c->frame);
    buf_init(&c->answer, STUB_PACKET_MAX);
    buf_init(&c->console, 1u << 26);
    return c;
}

struct stub_client *stub_client_new(enum target_arch arch)
{
    struct fake_target *f = fake_target_new(arch);
    struct target target = fake_target_ref(f);
    struct stub_client *c = stub_client_over(&target);

    c->target = f;
    return c;
}

void stub_client_free(struct stub_client *c)
{
    stub_free(c->stub);
    if (c->target)
        fake_target_free(c->target);
    buf_fini(&c->answer);
    buf_fini(&c->console);
    free(c);
}

static void take_packet(struct stub_client *c)
{
    const struct rsp_frame *f = &c->frame;
    struct rsp_reader text;

    if (f->len < 2 || f->body[0] != 'O' || f->body[1] == 'K') {
        c->answers++;
        buf_clear(&c->answer);
        buf_append(&c->answer, f->body, f->len);
        return;
    }
    rsp_reader_init(&text, f->body + 1, f->len - 1);
    while (rsp_left(&text))
        buf_byte(&c->console, rsp_hex_byte(&text));
}

/* One event of the stub's output; says whether it was a packet. */
static bool take_event(struct stub_client *c, enum rsp_event event)
{
    c->acks += event == RSP_ACK;
    c->naks += event == RSP_NAK;
    if (event == RSP_PACKET)
        take_packet(c);
    return event == RSP_PACKET;
}

void stub_client_receive(struct stub_client *c)
{
    const uint8_t *out;
    size_t len;

    while (out = stub_output(c->stub, &len), len) {
        size_t packets = 0;

        for (size_t at = 0; at < len;) {
            enum rsp_event event;

            at += rsp_frame_feed(&c->frame, out + at, len - at, &event);
            packets += take_event(c, event);
        }
        stub_sent(c->stub, len);
        while (packets--)
            stub_feed(c->stub, "+", 1);
    }
}

void stub_client_send(struct stub_client *c, const void *data, size_t len)
{
    c->answers = c->acks = c->naks = 0;
    buf_clear(&c->answer);
    buf_clear(&c->console);
    stub_feed(c->stub, data, len);
    stub_client_receive(c);
    while (stub_wants_run(c->stub)) {
        stub_run(c->stub);
        stub_client_receive(c);
    }
}

const char *stub_client_ask_bytes(struct stub_client *c, const void *body, size_t len)
{
    size_t cap = 2 * len;
    uint8_t *escaped = malloc(cap + 1);
    struct reply out;
    struct buf frame;

    if (!escaped)
        abort();
    reply_init(&out, escaped, cap, false);
    buf_init(&frame, cap + 4);
    if (reply_binary(&out, (struct bytes){body, len}) != len ||
        !rsp_frame_encode(&frame, out.data, out.len))
        abort();
    stub_client_send(c, frame.data, frame.len);
    buf_fini(&frame);
    free(escaped);
    return buf_str(&c->answer);
}

const char *stub_client_ask(struct stub_client *c, const char *body)
{
    return stub_client_ask_bytes(c, body, strlen(body));
}
