/*
 * What a guest's breakpoints print while it runs: taken by another thread, pushed when there is much, as fast as
 * the client acknowledges, and before the stop reply in any case.
 */
#include <check.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reply.h"
#include "rsp_reader.h"
#include "stub_client.h"
#include "suite.h"

#define LINE_LEN 20

static struct stub_client *client;
static struct rsp_frame frame;
static struct buf text;  /* of all O packets */
static unsigned texts;   /* O packets */
static unsigned others;  /* other packets */
static bool acknowledge; /* each packet, when it comes */
static unsigned flushes;
static bool said;

static void setup(void)
{
    client = stub_client_new(TARGET_AMD64);
    rsp_frame_init(&frame);
    buf_init(&text, 1u << 26);
    texts = others = flushes = 0;
    said = false;
    acknowledge = true;
}

static void teardown(void)
{
    stub_client_free(client);
    buf_fini(&text);
}

static void packet_came(void)
{
    struct rsp_reader hex;

    if (acknowledge)
        stub_feed(client->stub, "+", 1);
    if (frame.len < 2 || frame.body[0] != 'O' || frame.body[1] == 'K') {
        others++;
        return;
    }
    ck_assert_uint_eq(others, 0); /* text never comes behind the stop reply */
    texts++;
    rsp_reader_init(&hex, frame.body + 1, frame.len - 1);
    while (rsp_left(&hex))
        buf_byte(&text, rsp_hex_byte(&hex));
}

/* What stub_take has; false when it has nothing. */
static bool take(void)
{
    uint8_t data[1000];
    size_t len = stub_take(client->stub, data, sizeof data);

    for (size_t at = 0; at < len;) {
        enum rsp_event event;

        at += rsp_frame_feed(&frame, data + at, len - at, &event);
        if (event == RSP_PACKET)
            packet_came();
    }
    return len > 0;
}

static void take_all(void *unused)
{
    (void)unused;
    flushes++;
    while (take())
        continue;
}

/* A loop of `turns` hits, each of which prints a line of LINE_LEN bytes. turns 0: for ever. */
static void resume_printing(uint64_t turns, bool no_ack)
{
    char packet[128];
    static const char line[] = "a line of 20 bytes.\n";
    struct reply out;
    uint8_t hex[2 * LINE_LEN];

    if (no_ack)
        stub_client_ask(client, "QStartNoAckMode");
    fake_target_poke(client->target, FAKE_CODE, "\x90\x75\xc3", 3);
    fake_target_set_reg(client->target, "rcx", turns);
    fake_target_set_reg(client->target, "rip", FAKE_CODE + 1); /* the nop is hit turns - 1 times */
    reply_init(&out, hex, sizeof hex, false);
    reply_hex(&out, line, LINE_LEN);
    ck_assert_int_lt(snprintf(packet, sizeof packet, "Z0,1000,1;cmds:0,X%x,%.*s", LINE_LEN,
                              (int)out.len, (const char *)hex),
                     (int)sizeof packet);
    ck_assert_str_eq(stub_client_ask(client, packet), "OK");
    stub_feed(client->stub, "$c#63", 5);
    ck_assert(stub_wants_run(client->stub));
}

static void check_lines(uint64_t lines)
{
    ck_assert_uint_eq(text.len, lines * LINE_LEN);
    for (size_t at = 0; at < text.len; at += LINE_LEN)
        ck_assert_int_eq(memcmp(text.data + at, "a line of 20 bytes.\n", LINE_LEN), 0);
}

START_TEST(text_that_nobody_takes_comes_with_the_stop)
{
    resume_printing(4, _i);
    stub_run(client->stub);
    take_all(NULL);
    check_lines(3);
    ck_assert_uint_eq(texts, 1);
    ck_assert_uint_eq(others, 1);
}
END_TEST

START_TEST(much_text_is_pushed)
{
    resume_printing(10001, true);
    stub_set_flush(client->stub, take_all, NULL);
    stub_run(client->stub);
    ck_assert_uint_gt(flushes, 10000 * LINE_LEN / 4096 - 2);
    ck_assert_uint_lt(flushes, 10000 * LINE_LEN / 4096 + 2);
    ck_assert_uint_gt(text.len, 10000 * LINE_LEN - 4096);
    take_all(NULL);
    check_lines(10000);
    ck_assert_uint_eq(others, 1);
}
END_TEST

/* In the midst of what the guest prints. */
static void say_and_take(void *unused)
{
    if (!said) {
        said = true;
        ck_assert(stub_print(client->stub, "a line of 20 bytes.\n"));
    }
    take_all(unused);
}

START_TEST(what_the_server_says_comes_in_its_place)
{
    resume_printing(1001, true);
    ck_assert(!stub_print(client->stub, "nobody hears it\n"));
    stub_set_flush(client->stub, say_and_take, NULL);
    stub_run(client->stub);
    take_all(NULL);
    check_lines(1001);
    ck_assert(!stub_print(client->stub, "nobody hears it\n"));
    ck_assert_uint_eq(others, 1);
}
END_TEST

/* One frame is on its way at a time; what comes meanwhile shares the next ones. */
START_TEST(a_client_that_acknowledges_late)
{
    resume_printing(10001, false);
    take(); /* the acknowledgement of c */
    acknowledge = false;
    stub_set_flush(client->stub, take_all, NULL);
    stub_run(client->stub);
    ck_assert_uint_eq(texts, 1);
    for (unsigned i = 0; i < 1000 && !others; i++) {
        stub_feed(client->stub, "+", 1);
        take();
        while (take())
            continue;
    }
    check_lines(10000);
    ck_assert_uint_lt(texts, 60);
}
END_TEST

START_TEST(too_much_text_is_cut)
{
    const struct buf *console = &client->console;

    resume_printing(1000001, true);
    stub_run(client->stub);
    stub_client_receive(client);
    ck_assert_uint_gt(console->len, 15u << 20);
    ck_assert_uint_lt(console->len, 17u << 20);
    ck_assert(strstr(buf_str(console) + console->len - 100, "cut here") != NULL);
    ck_assert_int_eq(strncmp(buf_str(&client->answer), "W", 1), 0);
}
END_TEST

static void *run_main(void *stub)
{
    stub_run(stub);
    return NULL;
}

/* The text arrives while the guest runs on. */
START_TEST(another_thread_takes_the_text)
{
    pthread_t thread;

    resume_printing(0, _i);
    ck_assert_int_eq(pthread_create(&thread, NULL, run_main, client->stub), 0);
    while (text.len < 100000) {
        if (!take())
            sched_yield();
    }
    ck_assert_uint_eq(others, 0);
    stub_feed(client->stub, "\x03", 1);
    while (atomic_load(&client->target->running))
        (void)take();
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    take_all(NULL);
    ck_assert_uint_eq(others, 1);
    check_lines(text.len / LINE_LEN);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("stub_text");
    TCase *tc = tcase_create("text");

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, text_that_nobody_takes_comes_with_the_stop, 0, 2);
    tcase_add_test(tc, much_text_is_pushed);
    tcase_add_test(tc, what_the_server_says_comes_in_its_place);
    tcase_add_test(tc, a_client_that_acknowledges_late);
    tcase_add_test(tc, too_much_text_is_cut);
    tcase_add_loop_test(tc, another_thread_takes_the_text, 0, 2);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
