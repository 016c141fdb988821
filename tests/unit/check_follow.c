/*
 * Which process is debugged, when it is not the first one, and what becomes of the others when it has ended. Loops count the
 * widths: of the first process in bit 0 of _i, of the other in bit 1.
 */
#include <check.h>

#include "peers.h"
#include "suite.h"

/* ---- Following -------------------------------------------------------------------------------- */

START_TEST(the_process_that_is_wanted_is_debugged_from_its_first_instruction)
{
    struct target_info info;
    struct process *other;
    struct diag why;

    peers_start(mine(_i), peer_works(4, 7), false);
    other = peer_new(theirs(_i), peer_works(2, 42));
    ck_assert_int_eq(target_follow(&target, "CHILD.exe", &stop, &why), ERR_OK);
    target.ops->info(target.ctx, &info);
    ck_assert_uint_eq(info.pid, process_pid(other));
    ck_assert_uint_eq(cpu_get(process_cpu(other), CPU_RIP), TINY_BASE + TINY_START);
    ck_assert_uint_eq(cpu_work(process_cpu(other)), 0);
    ck_assert_int_eq(target_start(&target, PLACE_ENTRY, &stop), ERR_OK);
    ck_assert_int_eq(stop.kind, STOP_STEP);
    ck_assert_uint_eq(cpu_get(process_cpu(other), CPU_RIP), process_entry(other));
    go_on();
    ends_with(42);
    ck_assert_uint_eq(told_count, 1);
    target_fini(&target);
    told_end(1, process_pid(process), 1, true);
}
END_TEST

START_TEST(the_first_process_may_end_before_the_one_that_is_debugged)
{
    struct diag why;

    peers_start(mine(_i), peer_works(2, 7), false);
    (void)peer_new(theirs(_i), peer_works(5, 42));
    ck_assert_int_eq(target_follow(&target, "*", &stop, &why), ERR_OK);
    go_on();
    ends_with(42);
    ck_assert_uint_eq(told_count, 2);
    told_end(1, process_pid(process), 7, false);
}
END_TEST

START_TEST(a_process_that_is_never_made_is_not_debugged)
{
    struct diag why;

    peers_start(mine(_i), peer_works(2, 7), false);
    (void)peer_new(theirs(_i), peer_works(3, 42));
    ck_assert_int_eq(target_follow(&target, "else.exe", &stop, &why), ERR_NOT_FOUND);
    ck_assert_str_eq(
        why.text, "no child process whose program is else.exe was made: all processes have ended");
    ends_with(7);
    ck_assert_uint_eq(told_count, 3);
}
END_TEST

START_TEST(following_ends_when_nobody_can_go_on)
{
    struct diag why;

    peers_start(CPU_AMD64, peer_waits, false);
    peer_awaits(process, peer_build(CPU_AMD64, peer_spins)); /* which never begins */
    ck_assert_int_eq(target_follow(&target, "else.exe", &stop, &why), ERR_NOT_FOUND);
    ck_assert_int_eq(stop.kind, STOP_STUCK);
    ck_assert_str_eq(why.text,
                     "no child process whose program is else.exe was made: no process can go on");
}
END_TEST

/* ---- Finishing -------------------------------------------------------------------------------- */

START_TEST(others_run_on_to_their_ends)
{
    struct process *other;
    uint32_t pid;

    peers_start(mine(_i), peer_works(2, 7), false);
    ck_assert_int_eq(target_run_others(&target, &stop), ERR_STATE);
    other = peer_new(theirs(_i), peer_works(5, 42));
    pid = process_pid(other);
    go_on();
    ends_with(7);
    ck_assert_uint_eq(told_count, 1);
    ck_assert_int_eq(target_run_others(&target, &stop), ERR_OK);
    ends_with(7);
    ck_assert_uint_eq(told_count, 2);
    told_end(1, pid, 42, false);
    ck_assert_int_eq(target_run_others(&target, &stop), ERR_OK);
    ends_with(7);
}
END_TEST

START_TEST(the_end_of_the_first_wakes_who_waits_for_it)
{
    struct process *other;

    peers_start(mine(_i), peer_works(2, 7), false);
    other = peer_build(CPU_AMD64, peer_waits);
    peer_awaits(other, process);
    process_begin(other);
    go_on();
    ends_with(7);
    ck_assert_int_eq(target_run_others(&target, &stop), ERR_OK);
    ends_with(7);
    ck_assert_uint_eq(told_count, 2);
    ck_assert_uint_eq(told[1].exit_code, STATUS_SUCCESS);
}
END_TEST

START_TEST(an_interrupt_stops_others_that_run_on)
{
    peers_start(mine(_i), peer_works(1, 7), false);
    (void)peer_new(theirs(_i), peer_spins);
    go_on();
    ends_with(7);
    target.ops->interrupt(target.ctx);
    ck_assert_int_eq(target_run_others(&target, &stop), ERR_OK);
    ck_assert_int_eq(stop.kind, STOP_INTERRUPT);
}
END_TEST

static void add_all(Suite *suite)
{
    TCase *tc = tcase_create("follow");

    tcase_add_checked_fixture(tc, NULL, peers_teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, the_process_that_is_wanted_is_debugged_from_its_first_instruction, 0,
                        4);
    tcase_add_loop_test(tc, the_first_process_may_end_before_the_one_that_is_debugged, 0, 4);
    tcase_add_loop_test(tc, a_process_that_is_never_made_is_not_debugged, 0, 4);
    tcase_add_test(tc, following_ends_when_nobody_can_go_on);
    tcase_add_loop_test(tc, others_run_on_to_their_ends, 0, 4);
    tcase_add_loop_test(tc, the_end_of_the_first_wakes_who_waits_for_it, 0, 2);
    tcase_add_loop_test(tc, an_interrupt_stops_others_that_run_on, 0, 4);
    suite_add_tcase(suite, tc);
}

int main(void)
{
    Suite *suite = suite_create("follow");

    add_all(suite);
    return suite_main(suite);
}
