/* core/vm/runs.c against an array of pages; label.c and pageset.c, which runs and allocations point to. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "alloc_fail.h"
#include "suite.h"
#include "vm/runs.h"
#include "vm/pageset.h"
#include "winstub/vm.h"

#define PAGES 200u
#define BASE  UINT64_C(0x10000)
#define END   (BASE + PAGES * VM_PAGE_SIZE)

static struct pool pool;
static struct runs runs;

static void setup(void)
{
    pool_init(&pool, sizeof(struct runs_chunk));
    runs_init(&runs, BASE, END);
}

static void teardown(void)
{
    ck_assert(runs_valid(&runs, BASE, END));
    runs_fini(&runs, &pool);
    ck_assert_uint_eq(runs.count, 0);
    pool_fini(&pool);
}

static gva_t page_at(unsigned page)
{
    return BASE + (gva_t)page * VM_PAGE_SIZE;
}

/* Give pages [first, end) a protection. */
static void set(unsigned first, unsigned end, uint32_t protect)
{
    struct run *at = runs_find(&runs, page_at(first));
    struct run *cut;

    ck_assert(pool_reserve(&pool, 2));
    cut = runs_cut(&runs, &pool, at, page_at(first), page_at(end));
    for (struct run *r = cut; r && run_start(r) < page_at(end); r = run_next(r))
        r->protect = protect;
    runs_join(&runs, &pool, cut, page_at(end));
}

START_TEST(random_protections)
{
    uint32_t wanted[PAGES] = {0};

    srand(5);
    for (int n = 0; n < 2000; n++) {
        unsigned first = (unsigned)rand() % PAGES;
        unsigned end = first + 1 + (unsigned)rand() % (PAGES - first);
        uint32_t protect = (uint32_t)rand() % 4;

        set(first, end, protect);
        for (unsigned i = first; i < end; i++)
            wanted[i] = protect;
        ck_assert(runs_valid(&runs, BASE, END));
        for (unsigned i = 0; i < PAGES; i++)
            ck_assert_uint_eq(runs_find(&runs, page_at(i))->protect, wanted[i]);
    }
}
END_TEST

START_TEST(equal_neighbours_are_one)
{
    set(10, 20, 4);
    set(20, 30, 4);
    set(5, 10, 4);
    ck_assert_uint_eq(runs.count, 3);
    ck_assert_uint_eq(run_start(runs_find(&runs, page_at(15))), page_at(5));
    set(0, PAGES, 4);
    ck_assert_uint_eq(runs.count, 1);
}
END_TEST

START_TEST(labels_and_written_pages_stay_apart)
{
    struct run *r;

    set(0, PAGES, 4);
    ck_assert(pool_reserve(&pool, 2));
    r = runs_cut(&runs, &pool, runs_first(&runs), page_at(7), page_at(8));
    r->written = true;
    runs_join(&runs, &pool, r, page_at(8));
    ck_assert_uint_eq(runs.count, 3);
    ck_assert(runs_look_alike(r, run_next(r)));
    r->written = false;
    ck_assert(label_new(".text", &r->label));
    runs_join(&runs, &pool, r, page_at(8));
    ck_assert_uint_eq(runs.count, 3);
}
END_TEST

START_TEST(moving_the_tail)
{
    struct runs tail;

    set(50, 60, 2);
    set(70, 80, 4);
    runs_move_tail(&runs, &pool, runs_find(&runs, page_at(60)), &tail);
    ck_assert(runs_valid(&runs, BASE, page_at(60)));
    ck_assert(runs_valid(&tail, page_at(60), END));
    ck_assert_uint_eq(tail.count, 3);
    runs_fini(&tail, &pool);
    runs_fini(&runs, &pool);
    runs_init(&runs, BASE, END);
}
END_TEST

/* Appending is how a restore makes runs: it takes what it says, and no more. */
START_TEST(appending)
{
    struct runs made = {0};
    struct pool exact;

    for (unsigned n = 1; n < 100; n++) {
        pool_init(&exact, sizeof(struct runs_chunk));
        ck_assert(pool_reserve(&exact, runs_append_cost(n)));
        while (exact.spare > runs_append_cost(n))
            (void)pool_take(&exact);
        for (unsigned i = 0; i < n; i++) {
            struct run r = {.start = page_at(i), .end = page_at(i + 1), .protect = 1 + i % 2};

            runs_append(&made, &exact, &r);
        }
        ck_assert(runs_valid(&made, BASE, page_at(n)));
        ck_assert_uint_eq(made.count, n);
        ck_assert_uint_eq(exact.spare, 0);
        runs_fini(&made, &exact);
        pool_fini(&exact);
    }
}
END_TEST

/* A cut takes no more objects than it may, whatever is full, and what becomes alike again gives them back. */
START_TEST(cuts_take_two_objects_at_most)
{
    for (unsigned i = 0; i + 2 < PAGES; i += 2) {
        unsigned first = i * 37 % (PAGES - 2) / 2 * 2;
        size_t spare;

        ck_assert(pool_reserve(&pool, RUNS_CUT_MOST));
        spare = pool.spare;
        set(first, first + 1, 1 + first % 5);
        ck_assert_uint_le(spare, pool.spare + RUNS_CUT_MOST);
        ck_assert(runs_valid(&runs, BASE, END));
    }
    ck_assert_uint_gt(runs.count, RUNS_IN_CHUNK);
    set(1, PAGES - 1, 0);
    ck_assert_uint_le(runs.count, RUNS_AT_HOME);
    ck_assert_ptr_null(runs.chunks.root);
}
END_TEST

START_TEST(dropping_pages)
{
    struct run *cut;

    set(10, 30, 2);
    ck_assert(pool_reserve(&pool, 2));
    cut = runs_cut(&runs, &pool, runs_first(&runs), BASE, page_at(20));
    cut = runs_drop(&runs, &pool, cut, page_at(20));
    ck_assert_uint_eq(run_start(cut), page_at(20));
    ck_assert(runs_valid(&runs, page_at(20), END));
    runs_fini(&runs, &pool);
    runs_init(&runs, BASE, END);
}
END_TEST

START_TEST(labels_are_counted)
{
    struct label *l;
    struct label *none;
    bool made;

    ck_assert(label_new("heap", &l));
    ck_assert_str_eq(label_text(l), "heap");
    label_unref(label_ref(l));
    ck_assert_str_eq(label_text(l), "heap");
    label_unref(l);
    ck_assert(label_new("", &none));
    ck_assert_ptr_null(none);
    ck_assert(label_new(NULL, &none));
    ck_assert_str_eq(label_text(none), "");
    label_unref(label_ref(NULL));
    alloc_fail_at(1);
    made = label_new("heap", &l);
    ck_assert(alloc_fail_stop() && !made);
}
END_TEST

START_TEST(written_pages)
{
    struct pageset *w = pageset_new(BASE, END);
    struct pageset *copy;

    for (unsigned i = 0; i < PAGES; i += 3)
        pageset_set(w, page_at(i), true);
    copy = pageset_copy(w);
    pageset_set(w, page_at(3), false);
    for (unsigned i = 0; i < PAGES; i++) {
        ck_assert_int_eq(pageset_has(w, page_at(i) + 5), i % 3 == 0 && i != 3);
        ck_assert_int_eq(pageset_has(copy, page_at(i)), i % 3 == 0);
    }
    pageset_unref(pageset_ref(w));
    ck_assert(pageset_has(w, BASE));
    pageset_unref(w);
    pageset_unref(copy);
    pageset_unref(NULL);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("runs");
    TCase *tc = tcase_create("runs");
    TCase *beside = tcase_create("beside them");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, random_protections);
    tcase_add_test(tc, equal_neighbours_are_one);
    tcase_add_test(tc, labels_and_written_pages_stay_apart);
    tcase_add_test(tc, moving_the_tail);
    tcase_add_test(tc, dropping_pages);
    tcase_add_test(tc, appending);
    tcase_add_test(tc, cuts_take_two_objects_at_most);
    tcase_add_test(beside, labels_are_counted);
    tcase_add_test(beside, written_pages);
    suite_add_tcase(s, tc);
    suite_add_tcase(s, beside);
    return suite_main(s);
}
