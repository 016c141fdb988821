/*
 * Whose turn it is: the order of turns, how long one lasts, time that nobody uses, threads that cannot run, and what the
 * debugger holds. Threads here have no code; the clock is counted, and stands while nobody runs.
 */
#include <check.h>
#include <string.h>

#include "nt/threads.h"
#include "service_caller.h"
#include "suite.h"
#include "vm_builder.h"
#include "winstub/buf.h"

#define MS   10000u /* in units of 100 ns */
#define CREW 4      /* with the first thread */

static struct caller c;
static struct thread *crew[CREW];
static struct threads *t;
static uint64_t start;

static void setup(void)
{
    caller_init(&c, CPU_AMD64, NULL, 0);
    t = &c.p->threads;
    crew[0] = t->on_cpu;
    for (size_t i = 1; i < CREW; i++)
        crew[i] = caller_thread(&c);
    start = clock_now(c.p->clock).interrupt;
}

static void teardown(void)
{
    caller_fini(&c);
}

/* Whose turn comes, the slice of the one before being over or not. */
static size_t next_turn(bool over)
{
    if (over)
        c.machine->slice_end = 0;
    ck_assert_int_eq(process_schedule(c.p), PROCESS_TURN_RUNS);
    for (size_t i = 0; i < CREW; i++) {
        if (t->on_cpu == crew[i])
            return i;
    }
    ck_abort_msg("nobody's turn");
    return 0;
}

static void sleeps(struct thread *thread, uint64_t until)
{
    nt_status result;

    ck_assert(!wait_begin(thread, &(struct wait){.kind = WAIT_OBJECTS, .until = until}, &result));
}

START_TEST(turns_go_round_in_the_order_of_creation)
{
    for (size_t round = 0; round < 2; round++) {
        for (size_t i = 1; i <= CREW; i++)
            ck_assert_uint_eq(next_turn(true), i % CREW);
    }
    ck_assert_uint_eq(process_current(c.p), crew[0]->info.tid);
}
END_TEST

START_TEST(a_turn_lasts_for_its_slice)
{
    ck_assert_uint_eq(next_turn(true), 1);
    ck_assert_uint_eq(c.machine->slice_end, start + MS);
    ck_assert_uint_eq(next_turn(false), 1);
    ck_assert_uint_eq(next_turn(false), 1);
    ck_assert(threads_yield(c.machine));
    ck_assert_uint_eq(next_turn(false), 2);
}
END_TEST

START_TEST(who_cannot_run_is_passed_over)
{
    unsigned before;

    sleeps(crew[1], WAIT_FOREVER);
    ck_succeeds(threads_suspend(crew[2], &before));
    ck_assert_uint_eq(next_turn(true), 3);
    ck_assert_uint_eq(next_turn(true), 0);
    ck_assert_uint_eq(next_turn(true), 3);
    process_hold(c.p, crew[3]->info.tid, true);
    ck_assert_uint_eq(next_turn(false), 0); /* at once, though its slice is not over */
    ck_assert(!threads_others_ready(c.machine));
    ck_assert(!threads_yield(c.machine));
    process_hold(c.p, crew[3]->info.tid, false);
    ck_assert_uint_eq(threads_resume(crew[2]), 1);
    ck_assert_uint_eq(next_turn(true), 2);
    ck_assert_uint_eq(next_turn(true), 3);
}
END_TEST

START_TEST(time_that_nobody_uses_is_skipped)
{
    for (size_t i = 0; i < CREW; i++)
        sleeps(crew[i], start + (i + 1) * 100 * MS);
    ck_assert_uint_eq(next_turn(false), 0);
    ck_assert_uint_eq(clock_now(c.p->clock).interrupt, start + 100 * MS);
    sleeps(crew[0], WAIT_FOREVER);
    ck_assert_uint_eq(next_turn(false), 1);
    ck_assert_uint_eq(clock_now(c.p->clock).interrupt, start + 200 * MS);
}
END_TEST

START_TEST(a_sleeper_is_woken_though_others_run)
{
    sleeps(crew[2], start + 5 * MS);
    ck_assert_uint_eq(next_turn(true), 1);
    ck_assert_uint_eq(c.machine->next_due, start + 5 * MS);
    ck_assert(clock_idle(c.p->clock, start + 5 * MS));
    ck_assert_uint_eq(next_turn(true), 2);
    ck_assert_int_eq(crew[2]->wait.kind, WAIT_NOTHING);
}
END_TEST

START_TEST(nobody_ever_again)
{
    struct buf out;

    for (size_t i = 0; i < CREW; i++)
        sleeps(crew[i], WAIT_FOREVER);
    ck_assert_int_eq(process_schedule(c.p), PROCESS_TURN_STUCK);
    buf_init(&out, 1000);
    process_stuck(c.p, &out);
    ck_assert_ptr_nonnull(strstr(buf_str(&out), "no thread can go on: thread "));
    ck_assert_ptr_nonnull(strstr(buf_str(&out), " sleeping; thread "));
    buf_fini(&out);
    crew[1]->held = true;
    ck_assert_int_eq(process_schedule(c.p), PROCESS_TURN_HELD);
}
END_TEST

/* A thread that waits for the host is asked again only when no other has anything to do, or after a slice. */
START_TEST(who_waits_for_the_host_lets_others_go_first)
{
    ck_assert_int_eq(threads_host_wait(c.machine), 0);
    crew[0]->asks_again = true;
    c.machine->slice_end = start + MS;
    ck_assert_uint_eq(next_turn(false), 1);
    for (size_t i = 1; i < CREW; i++)
        sleeps(crew[i], WAIT_FOREVER);
    ck_assert_uint_eq(next_turn(false), 0);
    ck_assert(!crew[0]->asks_again);
    ck_assert_int_gt(threads_host_wait(c.machine), 0);
}
END_TEST

START_TEST(the_debugger_prefers_a_thread)
{
    process_prefer(c.p, crew[2]->info.tid);
    c.machine->slice_end = start + MS;
    ck_assert_uint_eq(next_turn(false), 2);
    sleeps(crew[3], WAIT_FOREVER);
    process_prefer(c.p, crew[3]->info.tid); /* cannot run */
    ck_assert_uint_eq(next_turn(false), 2);
    process_prefer(c.p, 12345); /* is not there */
    ck_assert_uint_eq(next_turn(false), 2);
    ck_assert(process_is_ready(c.p, crew[0]->info.tid));
    ck_assert(!process_is_ready(c.p, crew[3]->info.tid));
    ck_assert(!process_is_ready(c.p, 12345));
}
END_TEST

START_TEST(new_threads_can_be_held)
{
    struct thread *late;

    process_hold_new(c.p, true);
    late = caller_thread(&c);
    ck_assert(late->held);
    process_hold_new(c.p, false);
    ck_assert(!caller_thread(&c)->held);
}
END_TEST

START_TEST(the_end_of_a_thread_moves_no_turn)
{
    ck_assert_uint_eq(next_turn(true), 1);
    ck_assert_uint_eq(next_turn(true), 2);
    threads_end(crew[0], 0); /* before it in the list */
    ck_assert_uint_eq(next_turn(false), 2);
    threads_end(crew[2], 0); /* the one whose turn it is */
    ck_assert_uint_eq(next_turn(false), 3);
    threads_end(crew[3], 0); /* and the last of the list */
    ck_assert_uint_eq(next_turn(false), 1);
}
END_TEST

START_TEST(what_a_thread_does_in_words)
{
    unsigned before;

    ck_assert_str_eq(process_thread_state(c.p, 0), "running");
    crew[0]->asks_again = true;
    ck_assert_str_eq(process_thread_state(c.p, 0), "waiting for input");
    ck_succeeds(threads_suspend(crew[1], &before));
    ck_assert_str_eq(process_thread_state(c.p, 1), "suspended (1)");
    sleeps(crew[1], start + 3 * MS);
    ck_assert_str_eq(process_thread_state(c.p, 1), "suspended (1), sleeping, 3 ms left");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("turns");
    TCase *tc = tcase_create("turns");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, turns_go_round_in_the_order_of_creation);
    tcase_add_test(tc, a_turn_lasts_for_its_slice);
    tcase_add_test(tc, who_cannot_run_is_passed_over);
    tcase_add_test(tc, time_that_nobody_uses_is_skipped);
    tcase_add_test(tc, a_sleeper_is_woken_though_others_run);
    tcase_add_test(tc, nobody_ever_again);
    tcase_add_test(tc, who_waits_for_the_host_lets_others_go_first);
    tcase_add_test(tc, the_debugger_prefers_a_thread);
    tcase_add_test(tc, new_threads_can_be_held);
    tcase_add_test(tc, the_end_of_a_thread_moves_no_turn);
    tcase_add_test(tc, what_a_thread_does_in_words);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
