/* What each thread shall do: whose action is whose, and what is remembered of a thread. */
#include <check.h>

#include "run/actions.h"
#include "service_caller.h"
#include "suite.h"
#include "vm_builder.h"

static struct actions actions;
static struct caller c;

static void teardown(void)
{
    actions_fini(&actions);
    caller_fini(&c);
}

START_TEST(the_first_action_that_fits_counts)
{
    static const struct target_action list[] = {
        {.kind = ACTION_STEP, .tid = 8},
        {.kind = ACTION_HALT, .tid = 12},
        {.kind = ACTION_CONTINUE, .tid = 8},
        {.kind = ACTION_CONTINUE},
    };

    ck_assert_int_eq(actions_set(&actions, list, 4), ERR_OK);
    ck_assert_int_eq(actions_of(&actions, 8)->kind, ACTION_STEP);
    ck_assert_ptr_null(actions_of(&actions, 12));
    ck_assert_int_eq(actions_of(&actions, 16)->kind, ACTION_CONTINUE);
    ck_assert_int_eq(actions_set(&actions, list, 2), ERR_OK);
    ck_assert_ptr_null(actions_of(&actions, 16));
}
END_TEST

START_TEST(threads_are_remembered_until_they_are_gone)
{
    uint32_t tids[20];

    caller_init(&c, CPU_AMD64, NULL, 0);
    for (uint32_t i = 0; i < COUNT_OF(tids); i++) {
        tids[i] = caller_thread(&c)->info.tid;
        actions_thread(&actions, c.p, tids[i])->out_stack = i;
    }
    ck_assert_uint_eq(actions.thread_count, COUNT_OF(tids));
    ck_assert_uint_eq(actions_thread(&actions, c.p, tids[10])->out_stack, 10);
    ck_assert_uint_eq(actions.thread_count, COUNT_OF(tids));
    actions_thread(&actions, c.p, tids[11])->excepted = true;
    actions_begin(&actions);
    ck_assert_uint_eq(actions_thread(&actions, c.p, tids[10])->out_stack, 0);
    ck_assert(actions_thread(&actions, c.p, tids[11])->excepted);
    actions_prune(&actions, c.p);
    ck_assert_uint_eq(actions.thread_count, COUNT_OF(tids));
}
END_TEST

/* However many threads a process makes and ends in one run. */
START_TEST(who_has_ended_takes_no_room)
{
    uint32_t first;

    caller_init(&c, CPU_AMD64, NULL, 0);
    first = process_current(c.p);
    actions_thread(&actions, c.p, first)->excepted = true;
    for (uint32_t tid = 4; tid <= 40000; tid += 4) /* they were there once */
        ck_assert_ptr_nonnull(actions_thread(&actions, c.p, tid));
    ck_assert_uint_le(actions.thread_room, 8);
    ck_assert(actions_thread(&actions, c.p, first)->excepted);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("actions");
    TCase *tc = tcase_create("actions");

    tcase_add_checked_fixture(tc, NULL, teardown);
    tcase_add_test(tc, the_first_action_that_fits_counts);
    tcase_add_test(tc, threads_are_remembered_until_they_are_gone);
    tcase_add_test(tc, who_has_ended_takes_no_room);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
