/* The set of breakpoints, against a plain table of every address. */
#include <check.h>
#include <stdlib.h>

#include "suite.h"
#include "run/points.h"
#include "winstub/target.h"

#define ADDRESSES 64

START_TEST(kinds_at_one_address_are_counted_once)
{
    struct points p = {0};
    bool fresh;

    ck_assert_int_eq(points_add(&p, 0x1000, POINT_BIT(POINT_BREAK_SW), &fresh), ERR_OK);
    ck_assert(fresh);
    ck_assert_int_eq(points_add(&p, 0x1000, POINT_BIT(POINT_BREAK_HW), &fresh), ERR_OK);
    ck_assert(!fresh);
    ck_assert(!points_remove(&p, 0x1000, POINT_BIT(POINT_BREAK_SW)));
    ck_assert_uint_eq(points_at(&p, 0x1000), POINT_BIT(POINT_BREAK_HW));
    ck_assert(points_remove(&p, 0x1000, POINT_BIT(POINT_BREAK_HW)));
    ck_assert(!points_remove(&p, 0x1000, POINT_BIT(POINT_BREAK_HW)));
    ck_assert_uint_eq(points_at(&p, 0x1000), 0);
    points_fini(&p);
}
END_TEST

START_TEST(random_changes_agree_with_a_table)
{
    unsigned table[ADDRESSES] = {0};
    struct points p = {0};
    uint32_t random = 1;
    bool fresh;

    for (int i = 0; i < 20000; i++) {
        unsigned at, kind;

        random = random * 1664525u + 1013904223u;
        at = (random >> 8) % ADDRESSES;
        kind = 1u << ((random >> 16) & 1);
        if (random >> 31) {
            ck_assert_int_eq(points_add(&p, at, kind, &fresh), ERR_OK);
            ck_assert_int_eq(fresh, !table[at]);
            table[at] |= kind;
        } else {
            bool last = table[at] && !(table[at] & ~kind);

            ck_assert_int_eq(points_remove(&p, at, kind), last);
            table[at] &= ~kind;
        }
    }
    for (unsigned at = 0; at < ADDRESSES; at++)
        ck_assert_uint_eq(points_at(&p, at), table[at]);
    points_fini(&p);
}
END_TEST

/* A hit_agent of one condition. */
static struct hit_agent *agent_new(void)
{
    static const uint8_t code[] = {0x22, 1, 0x27};
    static const struct bytes condition = {code, sizeof code};
    const struct target_agent from = {.conditions = &condition, .condition_count = 1};
    struct hit_agent *agent = NULL;

    ck_assert_int_eq(hit_agent_new(&from, NULL, 0, &agent, NULL), ERR_OK);
    return agent;
}

START_TEST(what_is_done_goes_with_the_kind)
{
    struct hit_agent *agent = agent_new();
    struct points p = {0};
    bool fresh;

    ck_assert_int_eq(points_set_agent(&p, 0x1000, POINT_BREAK_SW, agent), ERR_NOT_FOUND);
    ck_assert_int_eq(points_add(&p, 0x1000, POINT_BIT(POINT_BREAK_SW), &fresh), ERR_OK);
    ck_assert_int_eq(points_set_agent(&p, 0x1000, POINT_BREAK_HW, agent), ERR_NOT_FOUND);
    ck_assert_int_eq(points_set_agent(&p, 0x1000, POINT_BREAK_SW, agent), ERR_OK);
    for (gva_t addr = 0x800; addr < 0x900; addr++) /* the array grows and moves */
        ck_assert_int_eq(points_add(&p, addr, POINT_BIT(POINT_BREAK_HW), &fresh), ERR_OK);
    ck_assert_ptr_eq(points_find(&p, 0x1000)->agents[POINT_BREAK_SW], agent);
    ck_assert_int_eq(points_add(&p, 0x1000, POINT_BIT(POINT_BREAK_HW), &fresh), ERR_OK);
    ck_assert(!points_remove(&p, 0x1000, POINT_BIT(POINT_BREAK_SW)));
    ck_assert_ptr_null(points_find(&p, 0x1000)->agents[POINT_BREAK_SW]);
    ck_assert_int_eq(points_set_agent(&p, 0x1000, POINT_BREAK_HW, agent_new()), ERR_OK);
    ck_assert_ptr_null(points_find(&p, 0x1001));
    points_fini(&p);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("points");
    TCase *tc = tcase_create("points");

    tcase_add_test(tc, kinds_at_one_address_are_counted_once);
    tcase_add_test(tc, random_changes_agree_with_a_table);
    tcase_add_test(tc, what_is_done_goes_with_the_kind);
    suite_add_tcase(s, tc);
    return suite_main(s);
}
