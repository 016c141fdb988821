/* core/vm/pagetable.c: entries far apart, sharing a root as a checkpoint does, changing either side, failing. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "alloc_fail.h"
#include "suite.h"
#include "vm/pagetable.h"
#include "winstub/nt.h"

#define FAR (PT_PAGES - 1)

static struct frames frames;
static struct pt_space space;
static struct pagetable pt;

static void setup(void)
{
    ck_assert_int_eq(frames_init(&frames, 4096u * FRAME_SIZE), ERR_OK);
    pt_space_init(&space, &frames);
    pt_init(&pt, &space);
}

/* Nothing leaks: every node and frame is back once the table is gone. */
static void teardown(void)
{
    ck_assert(pt_valid(&pt));
    pt_fini(&pt);
    ck_assert_uint_eq(space.entries, 0);
    ck_assert_uint_eq(frames.in_use, 0);
    pt_space_fini(&space);
    frames_fini(&frames);
}

/* Give a page a frame that holds `value`. */
static void put(struct pagetable *t, uint64_t page, uint8_t value)
{
    frame_t f;

    ck_assert(frames_new(&frames, &f));
    frames_bytes(&frames, f)[0] = value;
    ck_assert(pt_put(t, page, pte_make(f, PAGE_READWRITE)));
}

/* The value at a page, -1 without an entry. */
static int value_at(const struct pagetable *t, uint64_t page)
{
    bool shared;
    pte_t e = pt_get(t, page, &shared);

    return e ? frames_bytes(&frames, pte_frame(e))[0] : -1;
}

static bool is_shared(const struct pagetable *t, uint64_t page)
{
    bool shared = false;

    ck_assert(pt_get(t, page, &shared) != 0);
    return shared;
}

START_TEST(entries_far_apart)
{
    static const uint64_t pages[] = {0, 1, 63, 64, 4095, 4096, UINT64_C(1) << 30, FAR};
    uint64_t at = 0;
    pte_t e;

    for (int i = 0; i < 8; i++)
        put(&pt, pages[i], (uint8_t)(i + 1));
    for (int i = 0; i < 8; i++) {
        ck_assert_int_eq(value_at(&pt, pages[i]), i + 1);
        ck_assert(pt_next(&pt, &at, PT_PAGES, &e));
        ck_assert_uint_eq(at++, pages[i]);
    }
    ck_assert(!pt_next(&pt, &at, PT_PAGES, &e));
    ck_assert_int_eq(value_at(&pt, 2), -1);
    ck_assert_uint_eq(space.entries, 8);
}
END_TEST

START_TEST(next_stops_at_the_end)
{
    uint64_t at = 5;
    pte_t e;

    put(&pt, 100, 1);
    ck_assert(!pt_next(&pt, &at, 100, &e));
    at = 5;
    ck_assert(pt_next(&pt, &at, 101, &e));
    ck_assert_uint_eq(at, 100);
    at = 101;
    ck_assert(!pt_next(&pt, &at, PT_PAGES, &e));
}
END_TEST

START_TEST(replacing_frees_the_old_frame)
{
    put(&pt, 7, 1);
    put(&pt, 7, 2);
    ck_assert_int_eq(value_at(&pt, 7), 2);
    ck_assert_uint_eq(frames.in_use, 1);
    ck_assert_uint_eq(space.entries, 1);
}
END_TEST

START_TEST(protect_changes_only_the_range)
{
    bool shared;

    for (uint64_t page = 0; page < 200; page++)
        put(&pt, page, 1);
    ck_assert(pt_own(&pt, 60, 130, false));
    pt_change(&pt, 60, 130, PTE_PROTECT, PAGE_READONLY);
    for (uint64_t page = 0; page < 200; page++)
        ck_assert_uint_eq(pte_protect(pt_get(&pt, page, &shared)),
                          page >= 60 && page < 130 ? PAGE_READONLY : PAGE_READWRITE);
}
END_TEST

START_TEST(clear_frees_frames_and_nodes)
{
    for (uint64_t page = 0; page < 300; page++)
        put(&pt, page * 3, 1);
    ck_assert(pt_own(&pt, 30, 700, true));
    pt_clear(&pt, 30, 700);
    for (uint64_t page = 0; page < 900; page++)
        ck_assert_int_eq(value_at(&pt, page), page % 3 == 0 && (page < 30 || page >= 700) ? 1 : -1);
    ck_assert(pt_valid(&pt));
    ck_assert(pt_own(&pt, 0, PT_PAGES, true));
    pt_clear(&pt, 0, PT_PAGES);
    ck_assert_ptr_null(pt.root);
    ck_assert_uint_eq(frames.in_use, 0);
}
END_TEST

START_TEST(sharing_is_one_reference)
{
    struct pagetable other;

    for (uint64_t page = 0; page < 1000; page++)
        put(&pt, page * 100, 1);
    alloc_fail_at(1); /* nothing is allocated */
    pt_share(&pt, &other);
    ck_assert(!alloc_fail_stop());
    ck_assert(is_shared(&pt, 0) && is_shared(&other, 99900));
    ck_assert_uint_eq(frames.shared, 0); /* the nodes are shared, not yet the frames */
    pt_fini(&other);
    ck_assert(!is_shared(&pt, 0));
}
END_TEST

START_TEST(a_change_of_one_side_is_its_own)
{
    struct pagetable other;
    struct pagetable *left = _i ? &other : &pt; /* the side that changes */
    struct pagetable *right = _i ? &pt : &other;

    for (uint64_t page = 0; page < 130; page++)
        put(&pt, page, 1);
    put(&pt, FAR, 9);
    pt_share(&pt, &other);
    put(left, 5, 2);
    ck_assert_int_eq(value_at(left, 5), 2);
    ck_assert_int_eq(value_at(right, 5), 1);
    ck_assert(!is_shared(left, 5));
    ck_assert(is_shared(left, 6)); /* its leaf is left's own now, its frame is not */
    ck_assert_uint_eq(frames.shared, 63);
    put(left, 1000, 3);
    ck_assert_int_eq(value_at(right, 1000), -1);
    ck_assert(pt_own(left, 64, 200, false));
    pt_change(left, 64, 200, PTE_PROTECT, PAGE_NOACCESS);
    ck_assert(pt_own(left, 10, 90, true));
    pt_clear(left, 10, 90);
    ck_assert(pt_valid(left) && pt_valid(right));
    for (uint64_t page = 0; page < 130; page++) {
        bool shared;

        ck_assert_int_eq(value_at(right, page), 1);
        ck_assert_uint_eq(pte_protect(pt_get(right, page, &shared)), PAGE_READWRITE);
        ck_assert_int_eq(value_at(left, page), page >= 10 && page < 90 ? -1 : page == 5 ? 2 : 1);
    }
    pt_fini(left);
    ck_assert_int_eq(value_at(right, 64), 1);
    ck_assert_int_eq(value_at(right, FAR), 9);
    pt_fini(right);
}
END_TEST

START_TEST(clearing_a_shared_whole_copies_no_inner_node)
{
    struct pagetable other;
    bool ok;

    for (uint64_t page = 0; page < 64 * 64; page += 8)
        put(&pt, page, 1);
    pt_share(&pt, &other);
    ck_assert(pool_reserve(&space.nodes, 2 * PT_LEVELS));
    alloc_fail_at(1);
    ok = pt_own(&pt, 0, 64 * 64, true);
    ck_assert(!alloc_fail_stop());
    ck_assert(ok);
    pt_clear(&pt, 0, 64 * 64);
    ck_assert_int_eq(value_at(&other, 8), 1);
    pt_fini(&other);
    ck_assert_uint_eq(frames.in_use, 0);
}
END_TEST

START_TEST(three_tables)
{
    struct pagetable second;
    struct pagetable third;

    put(&pt, 1, 1);
    pt_share(&pt, &second);
    put(&pt, 1, 2);
    pt_share(&pt, &third);
    put(&pt, 1, 3);
    ck_assert_int_eq(value_at(&second, 1), 1);
    ck_assert_int_eq(value_at(&third, 1), 2);
    pt_fini(&second);
    ck_assert_int_eq(value_at(&third, 1), 2);
    pt_fini(&pt);
    ck_assert_int_eq(value_at(&third, 1), 2);
    pt_fini(&third);
}
END_TEST

START_TEST(no_memory)
{
    struct pagetable other;
    frame_t f;
    bool ok;

    for (uint64_t page = 0; page < 300; page += 50)
        put(&pt, page, 1);
    pt_share(&pt, &other);
    ck_assert(frames_new(&frames, &f));
    ALLOC_FAIL_EACH(ok, pt_put(&pt, 0, pte_make(f, PAGE_READWRITE)), false, true);
    ck_assert_int_eq(value_at(&other, 0), 1);
    ALLOC_FAIL_EACH(ok, pt_own(&pt, 0, 300, false), false, true);
    ck_assert(pt_valid(&pt) && pt_valid(&other));
    for (uint64_t page = 50; page < 300; page += 50) {
        ck_assert_int_eq(value_at(&pt, page), 1);
        ck_assert_int_eq(value_at(&other, page), 1);
    }
    pt_fini(&other);
}
END_TEST

START_TEST(random_shares)
{
    struct pagetable tables[4];
    static int wanted[4][512];

    srand(3);
    pt_fini(&pt);
    for (int t = 0; t < 4; t++) {
        pt_init(&tables[t], &space);
        memset(wanted[t], -1, sizeof wanted[t]);
    }
    for (int n = 0; n < 4000; n++) {
        int t = rand() % 4;
        int page = rand() % 512;
        int end = page + rand() % (513 - page);

        if (n % 100 == 99) {
            int from = (t + 1) % 4;

            pt_fini(&tables[t]);
            pt_share(&tables[from], &tables[t]);
            memcpy(wanted[t], wanted[from], sizeof wanted[t]);
        } else if (n % 10 == 9 && end > page) {
            ck_assert(pt_own(&tables[t], (uint64_t)page, (uint64_t)end, true));
            pt_clear(&tables[t], (uint64_t)page, (uint64_t)end);
            memset(&wanted[t][page], -1, (size_t)(end - page) * sizeof wanted[t][0]);
        } else {
            put(&tables[t], (uint64_t)page, (uint8_t)n);
            wanted[t][page] = (uint8_t)n;
        }
    }
    for (int t = 0; t < 4; t++) {
        ck_assert(pt_valid(&tables[t]));
        for (int page = 0; page < 512; page++)
            ck_assert_int_eq(value_at(&tables[t], (uint64_t)page), wanted[t][page]);
        pt_fini(&tables[t]);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("pagetable");
    TCase *tc = tcase_create("entries");
    TCase *shares = tcase_create("sharing");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_checked_fixture(shares, setup, teardown);
    tcase_add_test(tc, entries_far_apart);
    tcase_add_test(tc, next_stops_at_the_end);
    tcase_add_test(tc, replacing_frees_the_old_frame);
    tcase_add_test(tc, protect_changes_only_the_range);
    tcase_add_test(tc, clear_frees_frames_and_nodes);
    tcase_add_test(shares, sharing_is_one_reference);
    tcase_add_loop_test(shares, a_change_of_one_side_is_its_own, 0, 2);
    tcase_add_test(shares, clearing_a_shared_whole_copies_no_inner_node);
    tcase_add_test(shares, three_tables);
    tcase_add_test(shares, no_memory);
    tcase_add_test(shares, random_shares);
    suite_add_tcase(s, tc);
    suite_add_tcase(s, shares);
    return suite_main(s);
}
