/* The client's points: set twice is set once, and all of them go when the client goes. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

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
    static const struct target_agent none;
    const struct point point = {.kind = kind, .addr = addr, .len = len};

    return client_points_set(&points, &target, &point, &none, NULL);
}

static enum err clear(enum point_kind kind, gva_t addr, size_t len)
{
    const struct point point = {.kind = kind, .addr = addr, .len = len};

    return client_points_clear(&points, &target, &point);
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
    client_points_clear_all(&points, &target, false);
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
    client_points_clear_all(&points, &target, false);
    ck_assert_uint_eq(fake->point_count, 0);
    ck_assert_uint_eq(points.count, 0);
}
END_TEST

/* A breakpoint at 0x1000 with a condition and a command, or, where that is NULL, without. */
static enum err set_agent(const char *condition, const char *command, bool persist)
{
    const struct point point = {
        .kind = POINT_BREAK_SW, .addr = 0x1000, .len = 1, .persist = persist};
    const struct bytes c = {(const uint8_t *)condition, condition ? strlen(condition) : 0};
    const struct bytes d = {(const uint8_t *)command, command ? strlen(command) : 0};
    const struct target_agent agent = {.conditions = &c,
                                       .condition_count = condition != NULL,
                                       .commands = &d,
                                       .command_count = command != NULL};
    struct diag why = {{0}};
    enum err e = client_points_set(&points, &target, &point, &agent, &why);

    ck_assert_int_eq(!e, !why.text[0]);
    return e;
}

START_TEST(what_a_point_does_is_replaced)
{
    ck_assert_int_eq(set_agent("1", "text", false), ERR_OK);
    ck_assert_int_eq(set_agent(NULL, "other", false), ERR_OK);
    ck_assert_uint_eq(points.count, 1);
    ck_assert_uint_eq(fake->points[0].conditions, 0);
    ck_assert_int_eq(strncmp(fake->points[0].text, "other", 5), 0);
    ck_assert_int_eq(set_agent(NULL, NULL, false), ERR_OK);
    ck_assert_uint_eq(fake->points[0].commands, 0);
    ck_assert_int_eq(set_agent(NULL, NULL, false), ERR_OK);
    ck_assert_str_eq(buf_str(&fake->log), "set 0 0x1000 1\nagent 0 0x1000 1 1\nagent 0 0x1000 0 1\n"
                                          "agent 0 0x1000 0 0\n");
}
END_TEST

START_TEST(what_a_point_shall_do_can_be_refused)
{
    ck_assert_int_eq(set_agent("\xff", NULL, false), ERR_FORMAT);
    ck_assert_uint_eq(points.count, 0);
    ck_assert_uint_eq(fake->point_count, 0);
    ck_assert_int_eq(set_agent("1", NULL, false), ERR_OK);
    ck_assert_int_eq(set_agent(NULL, "\xff", true), ERR_FORMAT);
    ck_assert_uint_eq(points.count, 1);
    ck_assert(!points.list[0].persist);
    ck_assert_uint_eq(fake->points[0].conditions, 1);
}
END_TEST

START_TEST(those_that_persist_are_kept)
{
    ck_assert_int_eq(set(POINT_BREAK_SW, 0x900, 1), ERR_OK);
    ck_assert_int_eq(set_agent(NULL, "text", true), ERR_OK);
    ck_assert_int_eq(set(POINT_BREAK_SW, 0x1100, 1), ERR_OK);
    client_points_clear_all(&points, &target, true);
    ck_assert_uint_eq(points.count, 1);
    ck_assert_uint_eq(fake->point_count, 1);
    ck_assert_uint_eq(fake->points[0].addr, 0x1000);
    client_points_clear_all(&points, &target, false);
    ck_assert_uint_eq(fake->point_count, 0);
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
    tcase_add_test(tc, what_a_point_does_is_replaced);
    tcase_add_test(tc, what_a_point_shall_do_can_be_refused);
    tcase_add_test(tc, those_that_persist_are_kept);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
