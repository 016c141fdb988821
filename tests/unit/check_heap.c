/* core/vm/heap.c: pieces never overlap, freed ones are found again and joined, and failures change nothing. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "alloc_fail.h"
#include "suite.h"
#include "vm_builder.h"
#include "winstub/heap.h"

#define ROOM 0x20000u

static struct vm *vm;
static struct vm_heap *heap;

static void setup(void)
{
    vm = build_vm(0);
    ck_assert_int_eq(vm_heap_new(vm, ROOM, PAGE_READWRITE, &heap), ERR_OK);
}

static void teardown(void)
{
    vm_heap_free(heap);
    ck_assert(vm_valid(vm));
    vm_free(vm);
}

static uint64_t committed(void)
{
    struct vm_stats stats;

    vm_get_stats(vm, &stats);
    return stats.committed;
}

START_TEST(pieces_follow_each_other)
{
    gva_t a = vm_heap_take(heap, 1), b = vm_heap_take(heap, 17), c = vm_heap_take(heap, 0x1000);

    ck_assert_uint_ne(a, 0);
    ck_assert_uint_eq(b, a + 16);
    ck_assert_uint_eq(c, b + 32);
    ck_assert_uint_eq(vm_heap_size(heap, b), 32);
    ck_assert_uint_eq(vm_heap_size(heap, b + 16), 0);
    ck_assert_str_eq(region_at(vm, a).label, "heap");
    ck_assert_uint_eq(committed(), 0x2000);
    ck_assert(vm_debug_write(vm, c + 0xfff, "x", 1));
}
END_TEST

START_TEST(the_best_fit_is_taken_again)
{
    gva_t large = vm_heap_take(heap, 0x300), a = vm_heap_take(heap, 16);
    gva_t small = vm_heap_take(heap, 0x100), b = vm_heap_take(heap, 16);

    ck_assert(vm_heap_give(heap, large));
    ck_assert(vm_heap_give(heap, small));
    ck_assert(!vm_heap_give(heap, small));
    ck_assert(!vm_heap_give(heap, a + 1));
    ck_assert_uint_eq(vm_heap_take(heap, 0x80), small);
    ck_assert_uint_eq(vm_heap_take(heap, 0x80), small + 0x80);
    ck_assert_uint_eq(vm_heap_take(heap, 0x80), large);
    ck_assert(vm_heap_give(heap, a)); /* joins with what is left of the large one */
    ck_assert_uint_eq(vm_heap_take(heap, 0x290), large + 0x80);
    ck_assert_uint_eq(vm_heap_size(heap, b), 16);
}
END_TEST

START_TEST(a_full_heap_says_so)
{
    gva_t a = vm_heap_take(heap, ROOM - 16);

    ck_assert_uint_ne(a, 0);
    ck_assert_uint_eq(vm_heap_take(heap, 17), 0);
    ck_assert_uint_ne(vm_heap_take(heap, 16), 0);
    ck_assert_uint_eq(vm_heap_take(heap, 1), 0);
    ck_assert_uint_eq(vm_heap_take(heap, 0), 0);
    ck_assert_uint_eq(vm_heap_take(heap, UINT64_MAX), 0);
    vm_heap_clear(heap);
    ck_assert_uint_eq(committed(), 0);
    ck_assert_uint_eq(vm_heap_size(heap, a), 0);
    ck_assert_uint_eq(vm_heap_take(heap, ROOM), a);
}
END_TEST

START_TEST(a_copy_goes_with_a_moment)
{
    gva_t a = vm_heap_take(heap, 100);
    struct vm_saved *saved = vm_save(vm);
    struct vm_heap *copy = vm_heap_copy(heap);

    ck_assert_ptr_nonnull(copy);
    (void)vm_heap_take(heap, 0x5000);
    ck_assert(vm_heap_give(heap, a));
    ck_assert(vm_restore(vm, saved));
    ck_assert(vm_heap_restore(heap, copy));
    ck_assert_uint_eq(vm_heap_size(heap, a), 112);
    ck_assert_uint_eq(vm_heap_take(heap, 0x5000), a + 112);
    ck_assert(vm_debug_write(vm, a + 112 + 0x4fff, "x", 1));
    vm_heap_free(copy);
    vm_saved_free(saved);
}
END_TEST

START_TEST(what_cannot_be_a_heap)
{
    struct vm_heap *other = NULL;

    ck_assert_int_eq(vm_heap_new(vm, 0, PAGE_READWRITE, &other), ERR_INVALID);
    ck_assert_int_eq(vm_heap_new(vm, 0x1000, 0, &other), ERR_INVALID);
    ck_assert_int_eq(vm_heap_new(vm, VM_USER_LIMIT_64 - 0x10000, PAGE_READWRITE, &other),
                     ERR_NOMEM);
    ck_assert_ptr_null(other);
    vm_heap_free(NULL);
}
END_TEST

START_TEST(no_memory)
{
    bool failed = true;

    for (unsigned long n = 1; failed; n++) {
        gva_t piece;

        alloc_fail_at(n);
        piece = vm_heap_take(heap, 64);
        failed = alloc_fail_stop();
        ck_assert_int_eq(piece == 0, failed);
    }
    alloc_fail_at(1);
    ck_assert_ptr_null(vm_heap_copy(heap));
    ck_assert(alloc_fail_stop());
}
END_TEST

struct taken {
    gva_t start;
    uint64_t size;
};

/* Nothing that is taken overlaps, whatever comes and goes. */
START_TEST(at_random)
{
    struct taken taken[64] = {{0, 0}};
    unsigned seed = 1;

    for (int i = 0; i < 5000; i++) {
        struct taken *t = &taken[(size_t)rand_r(&seed) % COUNT_OF(taken)];

        if (t->start) {
            if (!vm_heap_give(heap, t->start))
                ck_abort_msg("0x%" PRIx64 " was not there", t->start);
            t->start = 0;
            continue;
        }
        t->size = (uint64_t)rand_r(&seed) % 0x800 + 1;
        t->start = vm_heap_take(heap, t->size);
        for (size_t k = 0; t->start && k < COUNT_OF(taken); k++) {
            if (&taken[k] != t && taken[k].start && taken[k].start < t->start + t->size &&
                t->start < taken[k].start + taken[k].size)
                ck_abort_msg("0x%" PRIx64 " is there twice", t->start);
        }
    }
    for (size_t k = 0; k < COUNT_OF(taken); k++)
        ck_assert(!taken[k].start || vm_heap_give(heap, taken[k].start));
    ck_assert_uint_ne(vm_heap_take(heap, ROOM), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("heap");
    TCase *tc = tcase_create("pieces");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, pieces_follow_each_other);
    tcase_add_test(tc, the_best_fit_is_taken_again);
    tcase_add_test(tc, a_full_heap_says_so);
    tcase_add_test(tc, a_copy_goes_with_a_moment);
    tcase_add_test(tc, what_cannot_be_a_heap);
    tcase_add_test(tc, no_memory);
    tcase_add_test(tc, at_random);
    suite_add_tcase(s, tc);
    return suite_main(s);
}
