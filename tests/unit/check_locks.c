/* Locked ranges of two openings of one file: who keeps whom out. */
#include <check.h>

#include "nt/files.h"
#include "nt/locks.h"
#include "suite.h"

static struct volumes volumes;
static struct file one, two, other;

static void setup(void)
{
    volumes = (struct volumes){.open = &one};
    one = (struct file){.volumes = &volumes, .inode = 5, .next = &two};
    two = (struct file){.volumes = &volumes, .inode = 5, .next = &other};
    other = (struct file){.volumes = &volumes, .inode = 6};
}

static void teardown(void)
{
    locks_free(one.locks);
    locks_free(two.locks);
    locks_free(other.locks);
}

START_TEST(exclusive_locks_keep_others_out)
{
    ck_assert_uint_eq(locks_add(&one, 10, 10, 0, true), STATUS_SUCCESS);
    ck_assert_uint_eq(locks_add(&two, 19, 1, 0, false), STATUS_LOCK_NOT_GRANTED);
    ck_assert_uint_eq(locks_add(&one, 19, 1, 0, true), STATUS_LOCK_NOT_GRANTED);
    ck_assert_uint_eq(locks_add(&two, 20, 1, 0, true), STATUS_SUCCESS);
    ck_assert_uint_eq(locks_add(&other, 10, 10, 0, true), STATUS_SUCCESS);
    ck_assert_uint_eq(locks_check(&two, 0, 10, 0, true), STATUS_SUCCESS);
    ck_assert_uint_eq(locks_check(&two, 0, 11, 0, false), STATUS_FILE_LOCK_CONFLICT);
    ck_assert_uint_eq(locks_check(&one, 10, 10, 0, true), STATUS_SUCCESS);
    ck_assert_uint_eq(locks_check(&one, 10, 10, 1, true), STATUS_FILE_LOCK_CONFLICT);
}
END_TEST

START_TEST(shared_locks_keep_everybody_from_writing)
{
    ck_assert_uint_eq(locks_add(&one, 0, 10, 0, false), STATUS_SUCCESS);
    ck_assert_uint_eq(locks_add(&two, 5, 10, 0, false), STATUS_SUCCESS);
    ck_assert_uint_eq(locks_add(&two, 5, 1, 0, true), STATUS_LOCK_NOT_GRANTED);
    ck_assert_uint_eq(locks_check(&two, 0, 10, 0, false), STATUS_SUCCESS);
    ck_assert_uint_eq(locks_check(&one, 0, 1, 0, true), STATUS_FILE_LOCK_CONFLICT);
}
END_TEST

START_TEST(only_the_same_range_unlocks)
{
    ck_assert_uint_eq(locks_add(&one, 0, 10, 3, true), STATUS_SUCCESS);
    ck_assert_uint_eq(locks_remove(&one, 0, 9, 3), STATUS_RANGE_NOT_LOCKED);
    ck_assert_uint_eq(locks_remove(&one, 0, 10, 0), STATUS_RANGE_NOT_LOCKED);
    ck_assert_uint_eq(locks_remove(&two, 0, 10, 3), STATUS_RANGE_NOT_LOCKED);
    ck_assert_uint_eq(locks_remove(&one, 0, 10, 3), STATUS_SUCCESS);
    ck_assert_uint_eq(locks_add(&two, 0, 10, 0, true), STATUS_SUCCESS);
}
END_TEST

START_TEST(ranges_do_not_wrap)
{
    ck_assert_uint_eq(locks_add(&one, UINT64_MAX, 2, 0, true), STATUS_INVALID_LOCK_RANGE);
    ck_assert_uint_eq(locks_add(&one, UINT64_MAX, 1, 0, true), STATUS_SUCCESS);
    ck_assert_uint_eq(locks_add(&one, 0, 0, 0, true), STATUS_SUCCESS);
    ck_assert_uint_eq(locks_add(&two, 0, 0, 0, true), STATUS_SUCCESS);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("locks");
    TCase *tc = tcase_create("locks");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, exclusive_locks_keep_others_out);
    tcase_add_test(tc, shared_locks_keep_everybody_from_writing);
    tcase_add_test(tc, only_the_same_range_unlocks);
    tcase_add_test(tc, ranges_do_not_wrap);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
