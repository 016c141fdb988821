/* Events that are kept until they are asked for. */
#include "nt/events.h"
#include "suite.h"

START_TEST(the_oldest_comes_first)
{
    struct events events = {0};
    int out = 0;

    events_keep(&events, &(int){1}, sizeof out);
    ck_assert(!events_take(&events, &out, sizeof out)); /* nobody wants them */
    events_watch(&events, true);
    for (int i = 2; i < 5; i++)
        events_keep(&events, &i, sizeof i);
    for (int i = 2; i < 5; i++) {
        ck_assert(events_take(&events, &out, sizeof out));
        ck_assert_int_eq(out, i);
    }
    ck_assert(!events_take(&events, &out, sizeof out));
    events_keep(&events, &out, sizeof out);
    events_watch(&events, false);
    ck_assert(!events_take(&events, &out, sizeof out));
}
END_TEST

START_TEST(what_is_lost_keeps_out_no_others)
{
    struct events events = {0};
    int out[1024] = {0}, count = 0;

    events_watch(&events, true);
    for (; out[0] < 1000; out[0]++)
        events_keep(&events, out, sizeof out);
    for (; events_take(&events, out, sizeof out); count++)
        ck_assert_int_eq(out[0], count);
    ck_assert_int_gt(count, 100);
    ck_assert_int_lt(count, 1000);
    events_keep(&events, &count, sizeof count);
    ck_assert(events_take(&events, out, sizeof count));
    ck_assert_int_eq(out[0], count);
    events_watch(&events, false);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("events");
    TCase *tc = tcase_create("events");

    tcase_add_test(tc, the_oldest_comes_first);
    tcase_add_test(tc, what_is_lost_keeps_out_no_others);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
