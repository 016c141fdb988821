/* What reaches the target when a client resumes it: one action for a range, signals as `pass`, limits. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "stub_client.h"
#include "suite.h"

#define COUNT_OF(a) (sizeof(a) / sizeof *(a))

static struct stub_client *client;

static void setup(void)
{
    client = stub_client_new(TARGET_AMD64);
    client->target->budget = 10;
    stub_client_ask(client, "qSupported:multiprocess+");
}

static void teardown(void)
{
    stub_client_free(client);
}

static const struct {
    const char *packet, *log;
} cases[] = {
    {"c", "resume continue:0\n"},
    {"C05", "resume continue:0:pass\n"},
    {"C00", "resume continue:0\n"},
    {"s", "resume step:4c\n"},
    {"S0b", "resume step:4c:pass\n"},
    {"vCont;c", "resume continue:0\n"},
    {"vCont;c:p1234.-1", "resume continue:0\n"},
    {"vCont;C0b:p1234.4c;c", "resume continue:0 continue:4c:pass\n"},
    {"vCont;C00:p1234.4c", "resume continue:4c\n"},
    {"vCont;s:p1234.50", "resume step:50\n"},
    {"vCont;S05:p1234.50", "resume step:50:pass\n"},
    {"vCont;s:p1234.4c;c:p1234.-1", "resume continue:0 step:4c\n"},
    {"vCont;r1000,1010:p1234.4c", "resume range:4c:1000-1010\n"},
    {"vCont;r1000,1010", "resume range:4c:1000-1010\n"},
    {"vCont;s:p1234.50;t", "resume halt:0 step:50\n"},
    {"vCont;t:p1234.4c;c", "resume continue:0 halt:4c\n"},
    {"vCont;t", ""},
};

START_TEST(actions)
{
    stub_client_ask(client, cases[_i].packet);
    ck_assert_uint_eq(client->answers, 1);
    ck_assert_int_eq(buf_str(&client->answer)[0], 'T');
    ck_assert_msg(strcmp(buf_str(&client->target->log), cases[_i].log) == 0,
                  "%s: wanted %s, got %s", cases[_i].packet, cases[_i].log,
                  buf_str(&client->target->log));
}
END_TEST

START_TEST(many_actions)
{
    char packet[3000] = "vCont";

    for (int i = 0; i < 256; i++)
        strcat(packet, ";s:p1234.4c");
    ck_assert_int_eq(stub_client_ask(client, packet)[0], 'T');
    strcat(packet, ";c");
    ck_assert_str_eq(stub_client_ask(client, packet), "E07");
    ck_assert(!stub_wants_run(client->stub));
}
END_TEST

START_TEST(a_target_without_a_program_counter)
{
    client->target->ops.regs = NULL;
    ck_assert_str_eq(stub_client_ask(client, "c1000"), "");
    ck_assert_str_eq(buf_str(&client->target->log), "");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cmd_run");
    TCase *tc = tcase_create("actions");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, actions, 0, COUNT_OF(cases));
    tcase_add_test(tc, many_actions);
    tcase_add_test(tc, a_target_without_a_program_counter);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
