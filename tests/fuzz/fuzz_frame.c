/*
 * The frame stream: however the bytes are split, the same events come out, and nothing is read or written
 * outside. The first byte of the input seeds the splitting.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "rsp_frame.h"

#define CHECK(what)                                                                                \
    do {                                                                                           \
        if (!(what))                                                                               \
            abort();                                                                               \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The next event, reading pieces of at most `most` bytes; what was read goes off *data and *size. */
static enum rsp_event next_event(struct rsp_frame *f, const uint8_t **data, size_t *size,
                                 size_t most)
{
    enum rsp_event event = RSP_NOTHING;

    while (*size && !event) {
        size_t piece = most < *size ? most : *size;
        size_t taken = rsp_frame_feed(f, *data, piece, &event);

        CHECK(taken <= piece);
        CHECK(taken == piece || event);
        *data += taken;
        *size -= taken;
    }
    return event;
}

static bool same_packet(const struct rsp_frame *a, const struct rsp_frame *b)
{
    return a->fault == b->fault && a->sum_ok == b->sum_ok && a->len == b->len &&
           (!a->len || memcmp(a->body, b->body, a->len) == 0);
}

/* A body that is framed again, with its escapes, must come back as it was. */
static void check_round_trip(const struct rsp_frame *packet, struct rsp_frame *f)
{
    struct buf body, frame;
    enum rsp_event event;

    buf_init(&body, 2 * STUB_PACKET_MAX);
    buf_init(&frame, 2 * STUB_PACKET_MAX + 4);
    for (size_t i = 0; i < packet->len; i++) {
        uint8_t c = packet->body[i];

        if (memchr("#$}*", c, 4)) {
            buf_byte(&body, '}');
            c ^= 0x20;
        }
        buf_byte(&body, c);
    }
    if (body.len <= STUB_PACKET_MAX) {
        CHECK(rsp_frame_encode(&frame, body.data, body.len));
        rsp_frame_init(f);
        CHECK(rsp_frame_feed(f, frame.data, frame.len, &event) == frame.len);
        CHECK(event == RSP_PACKET && f->sum_ok && !f->fault);
        CHECK(f->len == packet->len && (!f->len || memcmp(f->body, packet->body, f->len) == 0));
    }
    buf_fini(&body);
    buf_fini(&frame);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rsp_frame *whole = malloc(sizeof *whole);
    struct rsp_frame *split = malloc(sizeof *split);
    struct rsp_frame *again = malloc(sizeof *again);
    const uint8_t *split_data;
    size_t split_size, most;
    enum rsp_event event;

    if (!size || !whole || !split || !again)
        goto out;
    most = 1 + *data++ % 7u;
    split_data = data;
    split_size = --size;
    rsp_frame_init(whole);
    rsp_frame_init(split);
    do {
        event = next_event(whole, &data, &size, SIZE_MAX);
        CHECK(next_event(split, &split_data, &split_size, most) == event);
        CHECK(split_size == size);
        if (event == RSP_PACKET) {
            CHECK(same_packet(whole, split));
            if (!whole->fault)
                check_round_trip(whole, again);
        }
    } while (event);
out:
    free(whole);
    free(split);
    free(again);
    return 0;
}
