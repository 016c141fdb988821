/* What each thread shall do: whose action is whose, and what is remembered of a thread. */
#include <check.h>

#include "run/actions.h"
#include "suite.h"

static struct actions actions;

static void teardown(void)
{
    actions_fini(&actions);
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
    for (uint32_t tid = 4; tid <= 400; tid += 4)
        actions_thread(&actions, tid)->out_stack = tid;
    ck_assert_uint_eq(actions.thread_count, 100);
    ck_assert_uint_eq(actions_thread(&actions, 40)->out_stack, 40);
    ck_assert_uint_eq(actions.thread_count, 100);
    actions_thread(&actions, 44)->excepted = true;
    actions_begin(&actions);
    ck_assert_uint_eq(actions_thread(&actions, 40)->out_stack, 0);
    ck_assert(actions_thread(&actions, 44)->excepted);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("actions");
    TCase *tc = tcase_create("actions");

    tcase_add_checked_fixture(tc, NULL, teardown);
    tcase_add_test(tc, the_first_action_that_fits_counts);
    tcase_add_test(tc, threads_are_remembered_until_they_are_gone);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
