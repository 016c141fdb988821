/* The watching thread: it ticks while something runs, and only then. */
#include <check.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "suite.h"
#include "watch.h"

static void count_tick(void *ctx)
{
    atomic_fetch_add((atomic_uint *)ctx, 1);
}

static void sleep_ms(long ms)
{
    (void)nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

/* Wait, for five seconds at most, until ticks passes limit. */
static void wait_past(atomic_uint *ticks, unsigned limit)
{
    for (int i = 0; i < 5000 && atomic_load(ticks) <= limit; i++)
        sleep_ms(1);
    ck_assert_uint_gt(atomic_load(ticks), limit);
}

START_TEST(ticks_only_between_begin_and_end)
{
    atomic_uint ticks = 0;
    struct watch *w;
    unsigned at_end;

    ck_assert_int_eq(watch_new(count_tick, &ticks, &w), ERR_OK);
    watch_begin(w);
    wait_past(&ticks, 2);
    watch_end(w);
    at_end = atomic_load(&ticks);
    sleep_ms(20);
    ck_assert_uint_eq(atomic_load(&ticks), at_end);
    watch_free(w);
}
END_TEST

START_TEST(wakes_up_after_a_long_pause)
{
    atomic_uint ticks = 0;
    struct watch *w;

    ck_assert_int_eq(watch_new(count_tick, &ticks, &w), ERR_OK);
    sleep_ms(250); /* longer than the thread stays awake without work */
    watch_begin(w);
    wait_past(&ticks, 0);
    watch_end(w);
    watch_free(w);
}
END_TEST

START_TEST(free_takes_null)
{
    watch_free(NULL);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("watch");
    TCase *tc = tcase_create("watch");

    tcase_add_test(tc, ticks_only_between_begin_and_end);
    tcase_add_test(tc, wakes_up_after_a_long_pause);
    tcase_add_test(tc, free_takes_null);
    suite_add_tcase(s, tc);
    return suite_main(s);
}
