/*
 * Stream to packets. Decides where a frame starts and ends, whether its checksum holds and what its
 * escapes mean; leaves acknowledging to rsp_link.c and the meaning of a body to packets.c.
 * Follows the GDB manual, "Remote Protocol", "Overview".
 */
#include "rsp_frame.h"

#include <string.h>

#include "rsp_reader.h"
#include "words.h"

void rsp_frame_init(struct rsp_frame *f)
{
    f->state = RSP_IDLE;
    f->fault = RSP_WELL_FORMED;
    f->escaped = false;
    f->sum_ok = false;
    f->sum = 0;
    f->digit = 0;
    f->on_wire = 0;
    f->len = 0;
}

static void frame_start(struct rsp_frame *f)
{
    rsp_frame_init(f);
    f->state = RSP_BODY;
}

/* A byte between packets. What means nothing there is skipped, as GDB skips it. */
static enum rsp_event idle_byte(struct rsp_frame *f, uint8_t c)
{
    switch (c) {
    case '$':
        frame_start(f);
        return RSP_NOTHING;
    case '+':
        return RSP_ACK;
    case '-':
        return RSP_NAK;
    case 0x03:
        return RSP_INTERRUPT;
    default:
        return RSP_NOTHING;
    }
}

static void body_byte(struct rsp_frame *f, uint8_t c)
{
    if (c == '$') { /* always escaped inside a body: the end of the frame before it got lost */
        frame_start(f);
        return;
    }
    if (c == '#') {
        if (f->escaped && !f->fault)
            f->fault = RSP_BAD_ESCAPE;
        f->state = RSP_SUM_HIGH;
        return;
    }
    f->sum = (uint8_t)(f->sum + c);
    if (++f->on_wire > STUB_PACKET_MAX) {
        f->fault = RSP_TOO_LONG;
        f->len = 0;
    } else if (c == '}' && !f->escaped) {
        f->escaped = true;
    } else {
        f->body[f->len++] = f->escaped ? c ^ 0x20 : c;
        f->escaped = false;
    }
}

size_t rsp_frame_feed(struct rsp_frame *f, const uint8_t *data, size_t len, enum rsp_event *event)
{
    *event = RSP_NOTHING;
    for (size_t i = 0; i < len; i++) {
        int digit;

        switch (f->state) {
        case RSP_IDLE:
            *event = idle_byte(f, data[i]);
            if (*event)
                return i + 1;
            break;
        case RSP_BODY:
            body_byte(f, data[i]);
            break;
        case RSP_SUM_HIGH:
        case RSP_SUM_LOW:
            digit = rsp_digit(data[i]);
            if (f->state == RSP_SUM_HIGH && digit >= 0) {
                f->digit = (uint8_t)digit;
                f->state = RSP_SUM_LOW;
                break;
            }
            f->sum_ok = digit >= 0 && (f->digit << 4 | digit) == f->sum;
            f->state = RSP_IDLE;
            *event = RSP_PACKET;
            return data[i] == '$' ? i : i + 1; /* a '$' here starts the next frame */
        }
    }
    return len;
}

/* The sum of up to SUM_BLOCK bytes, eight at a time: in each of four lanes of 16 bits it stays below 2 * 255 * 128. */
#define SUM_BLOCK 1024u
static uint8_t sum_block(const uint8_t *data, size_t len)
{
    const uint64_t even = UINT64_C(0x00ff00ff00ff00ff);
    uint64_t lanes = 0, sum;

    for (; len >= 8; len -= 8, data += 8) {
        uint64_t bytes = word_load(data);

        lanes += (bytes & even) + (bytes >> 8 & even);
    }
    sum = lanes + (lanes >> 16) + (lanes >> 32) + (lanes >> 48);
    for (; len; len--)
        sum += *data++;
    return (uint8_t)sum;
}

static uint8_t checksum(const uint8_t *data, size_t len)
{
    unsigned sum = 0;

    for (size_t at = 0; at < len; at += SUM_BLOCK)
        sum += sum_block(data + at, len - at < SUM_BLOCK ? len - at : SUM_BLOCK);
    return (uint8_t)sum;
}

bool rsp_frame_encode(struct buf *out, const uint8_t *body, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t *at = buf_extend(out, len + 4);
    uint8_t sum = checksum(body, len);

    if (!at)
        return false;
    *at++ = '$';
    if (len)
        memcpy(at, body, len);
    at[len] = '#';
    at[len + 1] = (uint8_t)digits[sum >> 4];
    at[len + 2] = (uint8_t)digits[sum & 15];
    return true;
}
