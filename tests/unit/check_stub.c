/* The stub as its server sees it: connections, runs, interrupts from another thread, and too much of everything. */
#include <check.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "stub_client.h"
#include "suite.h"

static struct stub_client *client;

static void setup(void)
{
    client = stub_client_new(TARGET_AMD64);
}

static void teardown(void)
{
    stub_client_free(client);
}

static const char *ask(const char *body)
{
    return stub_client_ask(client, body);
}

static void feed(const char *text)
{
    stub_feed(client->stub, text, strlen(text));
}

START_TEST(unfit_targets)
{
    struct target target = fake_target_ref(client->target);
    struct stub *stub = NULL;

    client->target->ops.thread = NULL;
    ck_assert_int_eq(stub_new(&target, &stub), ERR_INVALID);
    ck_assert(stub == NULL);
    stub_free(stub);
}
END_TEST

START_TEST(a_new_client_starts_afresh)
{
    ask("qSupported:multiprocess+;swbreak+");
    ask("QStartNoAckMode");
    ask("Hg50");
    ask("Hc50");
    ask("Z0,1002,1");
    ask("Z2,10000,4");
    feed("$m1000,4#8e$M1000,1:c"); /* a frame is left half way */
    stub_disconnect(client->stub);
    ck_assert_uint_eq(client->target->point_count, 0);
    stub_connect(client->stub);
    ck_assert_str_eq(ask("qC"), "QC4c");
    ck_assert_uint_eq(client->acks, 1);
    ck_assert_int_eq(strncmp(ask("?"), "T05thread:4c;", 13), 0);
    ask("c1000");
    ck_assert_str_eq(buf_str(&client->target->log),
                     "set 0 0x1002 1\nset 2 0x10000 4\nclear 0 0x1002 1\nclear 2 0x10000 4\n"
                     "resume continue:0\n");
}
END_TEST

START_TEST(a_client_finds_the_guest_as_it_was_left)
{
    fake_target_poke(client->target, FAKE_CODE, "\xa0", 1);
    ask("c1000");
    stub_disconnect(client->stub);
    stub_connect(client->stub);
    ck_assert_int_eq(strncmp(ask("?"), "T0bthread:4c;", 13), 0);
    ck_assert_str_eq(buf_str(&client->console), "");
    fake_target_poke(client->target, FAKE_CODE, "\xc3", 1);
    ck_assert_str_eq(ask("c1000"), "W00");
    stub_disconnect(client->stub);
    stub_connect(client->stub);
    ck_assert_str_eq(ask("?"), "W00");
}
END_TEST

START_TEST(ends)
{
    ck_assert_int_eq(stub_state(client->stub), STUB_GOES_ON);
    ask("Z0,1002,1");
    ck_assert_str_eq(ask("D"), "OK");
    ck_assert_int_eq(stub_state(client->stub), STUB_DETACHED);
    ck_assert_uint_eq(client->target->point_count, 0);
    ck_assert(!stub_wants_run(client->stub));
    stub_connect(client->stub);
    ck_assert_int_eq(stub_state(client->stub), STUB_GOES_ON);
    ck_assert_str_eq(ask("k"), "");
    ck_assert_uint_eq(client->answers, 0);
    ck_assert_int_eq(stub_state(client->stub), STUB_KILLED);
    stub_connect(client->stub);
    ck_assert_str_eq(ask("?"), "W01");
    ck_assert_str_eq(ask("vKill;1"), "OK");
    ck_assert_int_eq(stub_state(client->stub), STUB_KILLED);
    ck_assert_str_eq(buf_str(&client->target->log), "set 0 0x1002 1\nclear 0 0x1002 1\nkill\n");
}
END_TEST

START_TEST(a_run_that_fails)
{
    client->target->run_result = ERR_ENGINE;
    ck_assert_int_eq(strncmp(ask("c"), "T06thread:4c;", 13), 0);
    ck_assert_str_eq(buf_str(&client->console), "the guest cannot run: the CPU engine failed\n");
    client->target->run_result = ERR_OK;
    ck_assert_int_eq(strncmp(ask("s"), "T05thread:4c;", 13), 0);
}
END_TEST

START_TEST(a_late_interrupt_is_forgotten)
{
    client->target->ops.interrupt(client->target); /* meant for a run that is over */
    fake_target_poke(client->target, FAKE_CODE, "\x90\x90\xa0", 3);
    ck_assert_int_eq(strncmp(ask("c"), "T0b", 3), 0);
}
END_TEST

START_TEST(a_stopped_guest_is_not_interrupted)
{
    feed("\x03\x03");
    ck_assert(!atomic_load(&client->target->interrupted));
    feed("$c#63\x03");
    ck_assert(atomic_load(&client->target->interrupted));
}
END_TEST

static void *run_main(void *stub)
{
    stub_run(stub);
    return NULL;
}

/* One thread runs the guest, another feeds: packets wait, the interrupt works, and one stop reply comes. */
START_TEST(an_interrupt_from_another_thread)
{
    pthread_t thread;

    fake_target_poke(client->target, FAKE_CODE, "\xeb", 1);
    feed("$QStartNoAckMode#b0+$vCont;c#a8");
    stub_client_receive(client);
    ck_assert(stub_wants_run(client->stub));
    ck_assert_int_eq(pthread_create(&thread, NULL, run_main, client->stub), 0);
    while (!atomic_load(&client->target->running))
        sched_yield();
    feed("$qC#b4$m10");
    feed("00,1#8b\x03");
    feed("\x03");
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    client->answers = 0;
    stub_client_receive(client);
    ck_assert_uint_eq(client->answers, 3); /* the stop, qC, m */
    ck_assert_str_eq(buf_str(&client->answer), "eb");
    ck_assert(!stub_wants_run(client->stub));
}
END_TEST

/* Many commands at once, with no client that reads: handling stops, nothing is lost, all is answered. */
START_TEST(output_that_nobody_reads)
{
    static const char packet[] = "$m10000,2000#4e";
    const unsigned count = 400;

    feed("$QStartNoAckMode#b0+");
    stub_client_receive(client);
    client->answers = 0;
    for (unsigned i = 0; i < count; i++)
        feed(packet);
    stub_client_receive(client);
    ck_assert_uint_eq(client->answers, count);
}
END_TEST

/* While the guest runs only so many packets are kept; an acknowledging client is asked to repeat the rest. */
START_TEST(packets_that_nobody_handles)
{
    struct buf packet;
    unsigned naks;

    buf_init(&packet, STUB_PACKET_MAX);
    buf_byte(&packet, '$');
    memset(buf_extend(&packet, 50000), 'a', 50000);
    buf_printf(&packet, "#%02x", 'a' * 50000u % 256);
    feed("$c#63");
    client->target->budget = 10;
    for (int i = 0; i < 20; i++)
        stub_feed(client->stub, packet.data, packet.len);
    stub_client_receive(client);
    naks = client->naks;
    ck_assert_uint_gt(naks, 5);
    ck_assert_uint_lt(naks, 15);
    client->answers = 0;
    stub_run(client->stub);
    stub_client_receive(client);
    ck_assert_uint_eq(client->answers, 1 + 20 - naks);
    ck_assert_str_eq(ask("qC"), "QC4c");
    buf_fini(&packet);
}
END_TEST

START_TEST(long_console_output)
{
    ask("QStartNoAckMode");
    client->target->regions[0].r.label = "a label with # and $ and } and *";
    ck_assert_str_eq(ask("qRcmd,6d6170"), "OK");
    ck_assert(strstr(buf_str(&client->console), "a label with # and $ and } and *\n") != NULL);
    ck_assert_uint_eq(client->answers, 1);
}
END_TEST

/* Bytes of any kind, in any split, never end the session. */
START_TEST(noise)
{
    uint32_t seed = 1;

    for (int i = 0; i < 200000; i++) {
        static const char alphabet[] = "$#+-}:;,mMgXpqvCont0123456789abcdef\x03";
        uint8_t byte;

        seed = seed * 1664525 + 1013904223;
        byte = seed >> 30 ? (uint8_t)alphabet[(seed >> 8) % (sizeof alphabet - 1)]
                          : (uint8_t)(seed >> 16);
        client->target->budget = 10;
        stub_client_send(client, &byte, 1);
        if (stub_state(client->stub) != STUB_GOES_ON)
            stub_connect(client->stub);
    }
    stub_connect(client->stub);
    rsp_frame_init(&client->frame);
    ask("?");
    ck_assert_uint_eq(client->answers, 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("stub");
    TCase *tc = tcase_create("sessions");

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, unfit_targets);
    tcase_add_test(tc, a_new_client_starts_afresh);
    tcase_add_test(tc, a_client_finds_the_guest_as_it_was_left);
    tcase_add_test(tc, ends);
    tcase_add_test(tc, a_run_that_fails);
    tcase_add_test(tc, a_late_interrupt_is_forgotten);
    tcase_add_test(tc, a_stopped_guest_is_not_interrupted);
    tcase_add_test(tc, an_interrupt_from_another_thread);
    tcase_add_test(tc, output_that_nobody_reads);
    tcase_add_test(tc, packets_that_nobody_handles);
    tcase_add_test(tc, long_console_output);
    tcase_add_test(tc, noise);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
