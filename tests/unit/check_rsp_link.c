/* Acknowledgements: what is sent when, what is sent again. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "rsp_link.h"
#include "suite.h"
#include "winstub/stub.h"

static struct rsp_link l;

static void setup(void)
{
    rsp_link_init(&l);
}

static void teardown(void)
{
    rsp_link_fini(&l);
}

static void send(const char *body)
{
    rsp_link_send(&l, (const uint8_t *)body, strlen(body));
}

/* What has gone out since the last time. */
static void went(const char *text)
{
    ck_assert_str_eq(buf_str(&l.out), text);
    buf_clear(&l.out);
}

START_TEST(one_frame_at_a_time)
{
    send("a");
    send("b");
    send("c");
    went("$a#61");
    rsp_link_acked(&l);
    went("$b#62");
    rsp_link_acked(&l);
    rsp_link_acked(&l);
    went("$c#63");
    rsp_link_acked(&l);
    went("");
}
END_TEST

START_TEST(a_nak_repeats_the_frame_on_its_way)
{
    rsp_link_nakked(&l);
    went("");
    send("a");
    send("b");
    went("$a#61");
    rsp_link_nakked(&l);
    rsp_link_nakked(&l);
    went("$a#61$a#61");
    rsp_link_acked(&l);
    went("$b#62");
    rsp_link_nakked(&l);
    went("$b#62");
    rsp_link_acked(&l);
    rsp_link_nakked(&l);
    went("");
}
END_TEST

START_TEST(packets_are_acknowledged)
{
    rsp_link_received(&l, true);
    went("+");
    rsp_link_received(&l, false);
    went("-");
}
END_TEST

START_TEST(a_new_packet_ends_the_wait)
{
    send("a");
    send("b");
    went("$a#61");
    rsp_link_received(&l, true);
    went("$b#62+");
    send("c");
    send("d");
    went("$c#63$d#64");
    rsp_link_nakked(&l);
    went("$d#64");
}
END_TEST

START_TEST(no_ack_begins_behind_its_own_answer)
{
    rsp_link_received(&l, true);
    rsp_link_start_no_ack(&l);
    send("OK");
    went("+$OK#9a");
    rsp_link_nakked(&l);
    went("$OK#9a");
    rsp_link_acked(&l);
    ck_assert(l.no_ack);
    rsp_link_received(&l, true);
    send("a");
    send("b");
    rsp_link_nakked(&l);
    went("$a#61$b#62");
}
END_TEST

START_TEST(no_ack_begins_with_the_next_packet_at_the_latest)
{
    rsp_link_start_no_ack(&l);
    send("OK");
    went("$OK#9a");
    rsp_link_received(&l, true);
    went("");
    ck_assert(l.no_ack);
}
END_TEST

START_TEST(a_reset_forgets)
{
    rsp_link_start_no_ack(&l);
    send("OK");
    rsp_link_acked(&l);
    send("a");
    rsp_link_reset(&l);
    went("");
    rsp_link_nakked(&l);
    went("");
    rsp_link_received(&l, true);
    went("+");
}
END_TEST

/* Past its limit output is lost frame by frame: what remains can still be read. */
START_TEST(too_much_output_is_cut_between_frames)
{
    static uint8_t big[STUB_PACKET_MAX];
    size_t frames = 0;

    memset(big, 'x', sizeof big);
    l.no_ack = true;
    for (int i = 0; i < 600; i++)
        rsp_link_send(&l, big, sizeof big);
    ck_assert_uint_eq(l.out.len % (STUB_PACKET_MAX + 4), 0);
    frames = l.out.len / (STUB_PACKET_MAX + 4);
    ck_assert_uint_lt(frames, 600);
    ck_assert_uint_gt(frames, 500);
    buf_clear(&l.out);
    send("a");
    went("$a#61");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("rsp_link");
    TCase *tc = tcase_create("acknowledgements");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, one_frame_at_a_time);
    tcase_add_test(tc, a_nak_repeats_the_frame_on_its_way);
    tcase_add_test(tc, packets_are_acknowledged);
    tcase_add_test(tc, a_new_packet_ends_the_wait);
    tcase_add_test(tc, no_ack_begins_behind_its_own_answer);
    tcase_add_test(tc, no_ack_begins_with_the_next_packet_at_the_latest);
    tcase_add_test(tc, a_reset_forgets);
    tcase_add_test(tc, too_much_output_is_cut_between_frames);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
