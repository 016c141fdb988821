/* Frames: any split gives the same packets; whatever the bytes, the parser goes on. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rsp_frame.h"
#include "suite.h"

#define COUNT_OF(a) (sizeof(a) / sizeof *(a))

static struct rsp_frame *frame;

static void setup(void)
{
    frame = malloc(sizeof *frame);
    ck_assert(frame != NULL);
    rsp_frame_init(frame);
}

static void teardown(void)
{
    free(frame);
}

/* One letter per event, and the bodies: "+-!" acks, naks, interrupts; "[body]" good, "(body)" bad sum, '^' too long, '%' bad escape. */
static void describe(struct buf *out, const void *data, size_t len, size_t piece)
{
    const uint8_t *at = data;

    while (len) {
        size_t now = piece < len ? piece : len;
        enum rsp_event event;
        size_t taken = rsp_frame_feed(frame, at, now, &event);

        ck_assert_uint_le(taken, now);
        at += taken;
        len -= taken;
        if (event == RSP_PACKET) {
            buf_byte(out, frame->sum_ok ? '[' : '(');
            if (frame->fault)
                buf_byte(out, frame->fault == RSP_TOO_LONG ? '^' : '%');
            else
                buf_append(out, frame->body, frame->len);
            buf_byte(out, frame->sum_ok ? ']' : ')');
        } else if (event != RSP_NOTHING) {
            buf_byte(out, event == RSP_ACK ? '+' : event == RSP_NAK ? '-' : '!');
        }
    }
}

#define BYTES(text) text, sizeof text - 1
static const struct {
    const char *name, *data;
    size_t len;
    const char *events;
} streams[] = {
    {"a packet", BYTES("$g#67"), "[g]"},
    {"upper-case checksum", BYTES("$m1,2#FC"), "[m1,2]"},
    {"acks around packets", BYTES("+$g#67-+$?#3f"), "+[g]-+[?]"},
    {"an empty packet", BYTES("$#00"), "[]"},
    {"a wrong checksum", BYTES("$g#68"), "(g)"},
    {"checksum with no digits", BYTES("$g#zz$g#67"), "(g)[g]"},
    {"a frame instead of a checksum", BYTES("$g#$?#3f"), "(g)[?]"},
    {"a frame after one digit", BYTES("$g#6$?#3f"), "(g)[?]"},
    {"a frame inside a frame", BYTES("$m1$g#67"), "[g]"},
    {"an interrupt between packets", BYTES("\x03$g#67\x03"), "![g]!"},
    {"0x03 inside a packet is data", BYTES("$X\x03#5b"), "[X\x03]"},
    {"escapes", BYTES("$X}\x03}\x04}]#33"), "[X#$}]"},
    {"an escaped brace before the end", BYTES("$}]#da"), "[}]"},
    {"a truncated escape", BYTES("$X}#d5$g#67"), "[%][g]"},
    {"a star is no run length", BYTES("$0* #7a"), "[0* ]"},
    {"noise", BYTES("abc\xff\r\n$g#67#67"), "[g]"},
};

START_TEST(stream)
{
    for (size_t piece = 1; piece <= streams[_i].len; piece++) {
        struct buf got;

        buf_init(&got, 1000);
        rsp_frame_init(frame);
        describe(&got, streams[_i].data, streams[_i].len, piece);
        ck_assert_msg(strcmp(buf_str(&got), streams[_i].events) == 0,
                      "%s, in pieces of %zu: wanted %s, got %s", streams[_i].name, piece,
                      streams[_i].events, buf_str(&got));
        buf_fini(&got);
    }
}
END_TEST

START_TEST(zero_bytes_are_data)
{
    static const uint8_t bytes[] = {'$', 'X', 0, 0, '#', '5', '8'};
    enum rsp_event event;

    ck_assert_uint_eq(rsp_frame_feed(frame, bytes, sizeof bytes, &event), sizeof bytes);
    ck_assert_int_eq(event, RSP_PACKET);
    ck_assert(frame->sum_ok);
    ck_assert_uint_eq(frame->len, 3);
    ck_assert_mem_eq(frame->body, "X\0\0", 3);
}
END_TEST

/* A packet of n bytes 'a', or of escaped bytes. */
static void make_packet(struct buf *out, size_t n, bool escaped)
{
    uint8_t sum = 0;

    buf_clear(out);
    buf_byte(out, '$');
    for (size_t i = 0; i < n; i++) {
        uint8_t c = escaped ? (uint8_t)(i % 2 ? 0x03 : '}') : 'a';

        sum = (uint8_t)(sum + c);
        buf_byte(out, c);
    }
    buf_printf(out, "#%02x", sum);
}

START_TEST(longest)
{
    struct buf packet;
    enum rsp_event event;

    buf_init(&packet, STUB_PACKET_MAX + 100);
    make_packet(&packet, STUB_PACKET_MAX, false);
    ck_assert_uint_eq(rsp_frame_feed(frame, packet.data, packet.len, &event), packet.len);
    ck_assert_int_eq(event, RSP_PACKET);
    ck_assert_int_eq(frame->fault, RSP_WELL_FORMED);
    ck_assert_uint_eq(frame->len, STUB_PACKET_MAX);

    make_packet(&packet, STUB_PACKET_MAX, true);
    ck_assert_uint_eq(rsp_frame_feed(frame, packet.data, packet.len, &event), packet.len);
    ck_assert_int_eq(frame->fault, RSP_WELL_FORMED);
    ck_assert_uint_eq(frame->len, STUB_PACKET_MAX / 2);

    make_packet(&packet, STUB_PACKET_MAX + 1, false);
    ck_assert_uint_eq(rsp_frame_feed(frame, packet.data, packet.len, &event), packet.len);
    ck_assert_int_eq(event, RSP_PACKET);
    ck_assert_int_eq(frame->fault, RSP_TOO_LONG);
    ck_assert(frame->sum_ok);

    ck_assert_uint_eq(rsp_frame_feed(frame, (const uint8_t *)"$g#67", 5, &event), 5);
    ck_assert_int_eq(frame->fault, RSP_WELL_FORMED);
    buf_fini(&packet);
}
END_TEST

START_TEST(a_sum_is_that_of_every_byte)
{
    static uint8_t body[5000];
    char sum[3];
    struct buf out;
    unsigned slow = 0;

    memset(body, _i, sizeof body);
    body[4096] = 0x5a;
    buf_init(&out, sizeof body + 4);
    for (size_t len = 0; len < sizeof body; slow += body[len++]) {
        if (len % 97 && len > 40 && len < 4090)
            continue;
        buf_clear(&out);
        ck_assert(rsp_frame_encode(&out, body, len));
        (void)snprintf(sum, sizeof sum, "%02x", slow & 0xff);
        ck_assert_uint_eq(out.len, len + 4);
        ck_assert(memcmp(out.data + 1, body, len) == 0);
        ck_assert(memcmp(out.data + len + 2, sum, 2) == 0);
    }
    buf_fini(&out);
}
END_TEST

START_TEST(encode)
{
    struct buf out;

    buf_init(&out, 10);
    ck_assert(rsp_frame_encode(&out, (const uint8_t *)"OK", 2));
    ck_assert_str_eq(buf_str(&out), "$OK#9a");
    ck_assert(rsp_frame_encode(&out, NULL, 0));
    ck_assert_str_eq(buf_str(&out), "$OK#9a$#00");
    ck_assert(!rsp_frame_encode(&out, NULL, 0));
    ck_assert_str_eq(buf_str(&out), "$OK#9a$#00");
    buf_fini(&out);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("rsp_frame");
    TCase *tc = tcase_create("frames");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, stream, 0, COUNT_OF(streams));
    tcase_add_test(tc, zero_bytes_are_data);
    tcase_add_test(tc, longest);
    tcase_add_loop_test(tc, a_sum_is_that_of_every_byte, 0xfd, 0x100);
    tcase_add_test(tc, encode);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
