/* The client's points: set twice is set once, and all of them go when the client goes. */
#include <check.h>
#include <stdlib.h>

#include "client_points.h"
#include "fake_target.h"
#include "suite.h"

static struct fake_target *fake;
static struct target target;
static struct client_points points;

static void setup(void)
{
    fake = fake_target_new(TARGET_AMD64);
    target = fake_target_ref(fake);
    client_points_init(&points);
}

static void teardown(void)
{
    client_points_fini(&points);
    fake_target_free(fake);
}

static enum err set(enum point_kind kind, gva_t addr, size_t len)
{
    return client_points_set(&points, &target, &(struct point){kind, addr, len});
}

static enum err clear(enum point_kind kind, gva_t addr, size_t len)
{
    return client_points_clear(&points, &target, &(struct point){kind, addr, len});
}

START_TEST(set_twice_is_set_once)
{
    ck_assert_int_eq(set(POINT_BREAK_SW, 0x1000, 1), ERR_OK);
    ck_assert_int_eq(set(POINT_BREAK_SW, 0x1000, 1), ERR_OK);
    ck_assert_str_eq(buf_str(&fake->log), "set 0 0x1000 1\n");
    ck_assert_int_eq(clear(POINT_BREAK_SW, 0x1000, 1), ERR_OK);
    ck_assert_int_eq(clear(POINT_BREAK_SW, 0x1000, 1), ERR_OK);
    ck_assert_str_eq(buf_str(&fake->log), "set 0 0x1000 1\nclear 0 0x1000 1\n");
}
END_TEST

START_TEST(kinds_and_lengths_are_apart)
{
    ck_assert_int_eq(set(POINT_BREAK_SW, 0x1000, 1), ERR_OK);
    ck_assert_int_eq(set(POINT_BREAK_HW, 0x1000, 1), ERR_OK);
    ck_assert_int_eq(set(POINT_WRITE, 0x1000, 4), ERR_OK);
    ck_assert_int_eq(set(POINT_WRITE, 0x1000, 8), ERR_OK);
    ck_assert_uint_eq(points.count, 4);
    ck_assert_int_eq(clear(POINT_WRITE, 0x1000, 4), ERR_OK);
    ck_assert_uint_eq(points.count, 3);
}
END_TEST

START_TEST(what_the_target_refuses_is_not_remembered)
{
    fake->point_bits = 0;
    ck_assert_int_eq(set(POINT_BREAK_SW, 0x1000, 1), ERR_UNSUPPORTED);
    ck_assert_uint_eq(points.count, 0);
    client_points_clear_all(&points, &target);
    ck_assert_str_eq(buf_str(&fake->log), "set 0 0x1000 1\n");
}
END_TEST

START_TEST(all_are_cleared)
{
    for (gva_t addr = 40; addr > 0; addr--)
        ck_assert_int_eq(set(POINT_BREAK_SW, addr * 7 % 41, 1), ERR_OK);
    for (size_t i = 1; i < points.count; i++)
        ck_assert_uint_lt(points.list[i - 1].addr, points.list[i].addr);
    ck_assert_uint_eq(fake->point_count, 40);
    client_points_clear_all(&points, &target);
    ck_assert_uint_eq(fake->point_count, 0);
    ck_assert_uint_eq(points.count, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("client_points");
    TCase *tc = tcase_create("points");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, set_twice_is_set_once);
    tcase_add_test(tc, kinds_and_lengths_are_apart);
    tcase_add_test(tc, what_the_target_refuses_is_not_remembered);
    tcase_add_test(tc, all_are_cleared);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
