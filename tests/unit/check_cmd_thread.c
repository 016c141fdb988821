/* Thread lists that no single answer holds, and threads without names. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stub_client.h"
#include "suite.h"

#define MANY 20000u

static struct stub_client *client;

static enum err many_threads(void *ctx, size_t i, struct target_thread *out)
{
    (void)ctx;
    if (i >= MANY)
        return ERR_RANGE;
    *out = (struct target_thread){.tid = 0x10000000u + (uint32_t)i, .name = "", .state = ""};
    return ERR_OK;
}

static void setup(void)
{
    client = stub_client_new(TARGET_AMD64);
    client->target->ops.thread = many_threads;
}

static void teardown(void)
{
    stub_client_free(client);
}

START_TEST(a_long_list_comes_in_pieces)
{
    const char *answer = stub_client_ask(client, "qfThreadInfo");
    unsigned threads = 0, answers = 0;

    while (*answer == 'm') {
        ck_assert_uint_le(client->answer.len, STUB_PACKET_MAX);
        for (const char *at = answer; at; at = strchr(at + 1, ',')) {
            ck_assert_uint_eq(strtoul(at + 1, NULL, 16), 0x10000000u + threads);
            threads++;
        }
        answers++;
        answer = stub_client_ask(client, "qsThreadInfo");
    }
    ck_assert_str_eq(answer, "l");
    ck_assert_uint_eq(threads, MANY);
    ck_assert_uint_gt(answers, 1);
    ck_assert_int_eq(*stub_client_ask(client, "qfThreadInfo"), 'm');
}
END_TEST

START_TEST(a_thread_without_words)
{
    ck_assert_str_eq(stub_client_ask(client, "qThreadExtraInfo,10000001"), "20");
    ck_assert_str_eq(stub_client_ask(client, "qGetTIBAddr:10000001"), "E03");
}
END_TEST

/* "Any" means the current thread, which need not be the first. */
START_TEST(any_thread)
{
    stub_client_ask(client, "qSupported:multiprocess+");
    client->target->stop.tid = 0x10000005;
    stub_connect(client->stub);
    ck_assert_str_eq(stub_client_ask(client, "T0"), "OK");
    ck_assert_str_eq(stub_client_ask(client, "T-1"), "OK");
    ck_assert_str_eq(stub_client_ask(client, "qC"), "QC10000005");
    ck_assert_str_eq(stub_client_ask(client, "qThreadExtraInfo,0"), "20");
}
END_TEST

static bool events_wanted;

static void thread_events(void *ctx, bool on)
{
    (void)ctx;
    events_wanted = on;
}

START_TEST(events_of_threads_are_asked_for)
{
    client->target->ops.thread_events = thread_events;
    ck_assert_str_eq(stub_client_ask(client, "QThreadEvents:1"), "OK");
    ck_assert(events_wanted);
    ck_assert_str_eq(stub_client_ask(client, "QThreadEvents:2"), "E16");
    ck_assert_str_eq(stub_client_ask(client, "QThreadEvents:"), "E16");
    ck_assert(events_wanted);
    ck_assert_str_eq(stub_client_ask(client, "QThreadEvents:0"), "OK");
    ck_assert(!events_wanted);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cmd_thread");
    TCase *tc = tcase_create("lists");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_long_list_comes_in_pieces);
    tcase_add_test(tc, a_thread_without_words);
    tcase_add_test(tc, any_thread);
    tcase_add_test(tc, events_of_threads_are_asked_for);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
