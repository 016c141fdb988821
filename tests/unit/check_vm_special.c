/*
 * Zero bits, address requirements, placeholders, physical and large pages: rules A05, A22..A25, A48..A64 of
 * NT-MEMORY-RULES, named by row. A26 is about 32-bit Windows itself, which we are not.
 */
#include <check.h>

/*
 * Rows with weak or no evidence, what we answer, and why:
 *   A23  NO_MEMORY            no address is that low: the search fails by itself
 *   A24  INVALID_PARAMETER_3  the older of the two answers, naming the argument
 *   A26  not tested           a rule of 32-bit Windows itself; we are a 64-bit one or its WOW64
 *   A38  refused              the flag means nothing without execution
 *   A48  PRIVILEGE_NOT_HELD   for a well-formed request: physical pages are not emulated
 *   F13  the base moves       ReactOS; the rest must be releasable by what a query shows
 *   P03  INVALID_PARAMETER_4  ReactOS; the Win32 error is the same either way
 *   open reserving below 64 KiB by address: INVALID_PARAMETER_2, as above the top
 *   open MEM_RESET of unaligned ranges: rounded outwards, as a commit; contents stay
 *   open coalescing, or preserving part of, what are not placeholders: CONFLICTING_ADDRESSES
 */

#include "alloc_fail.h"
#include "suite.h"
#include "vm_fixture.h"

#define A  UINT64_C(0x200000)
#define RC (MEM_RESERVE | MEM_COMMIT)
#define RW PAGE_READWRITE

static nt_status allocate(struct vm_request req, gva_t *base, uint64_t *size)
{
    return vm_allocate(vm, &req, base, size);
}

/* ---- Zero bits ------------------------------------------------------------------------------- */

static nt_status with_zero_bits(uint64_t zero_bits, gva_t base, uint32_t type, gva_t *out)
{
    struct vm_request req = {
        .base = base, .size = 0x1000, .type = type, .protect = RW, .zero_bits = zero_bits};

    return vm_allocate(vm, &req, out, NULL);
}

START_TEST(A05_rounds_into_the_neighbour)
{
    build_committed(vm, A, 0x1000);
    ck_refused(with_zero_bits(12, A + 0x1000, RC, NULL), STATUS_CONFLICTING_ADDRESSES);
}
END_TEST

START_TEST(A22_top_down_below)
{
    gva_t end = UINT64_C(1) << (32 - _i);
    gva_t base;
    nt_status st = with_zero_bits((uint64_t)_i, 0, RC | MEM_TOP_DOWN, &base);

    if (end < 2 * VM_GRANULARITY) {
        ck_status(st, STATUS_NO_MEMORY);
        return;
    }
    ck_succeeds(st);
    ck_assert_uint_lt(base, end);
    ck_assert_uint_ge(base, end / 2);
}
END_TEST

START_TEST(A23_21_bits)
{
    ck_refused(with_zero_bits(21, 0, RC, NULL), STATUS_NO_MEMORY);
}
END_TEST

START_TEST(A24_22_to_31_bits)
{
    ck_refused(with_zero_bits((uint64_t)_i, 0, RC, NULL), STATUS_INVALID_PARAMETER_3);
}
END_TEST

START_TEST(A25_mask)
{
    gva_t base;

    ck_succeeds(with_zero_bits(0x1aaaaaaa, 0, RC | MEM_TOP_DOWN, &base));
    ck_assert_uint_lt(base, 0x20000000);
    ck_assert_uint_ge(base, 0x10000000);
    ck_succeeds(with_zero_bits(UINT64_MAX, 0, RC | MEM_TOP_DOWN, &base));
    ck_assert_uint_eq(base, VM_USER_LIMIT_64 - VM_GRANULARITY);
}
END_TEST

/* ---- Physical and large pages ---------------------------------------------------------------- */

START_TEST(A48_physical)
{
    ck_refused(try_allocate(vm, 0, 0x1000, MEM_COMMIT | MEM_PHYSICAL, RW),
               STATUS_INVALID_PARAMETER_5);
    ck_refused(try_allocate(vm, 0, 0x1000, RC | MEM_PHYSICAL, RW), STATUS_INVALID_PARAMETER_5);
    ck_refused(try_allocate(vm, 0, 0x1000, MEM_RESERVE | MEM_PHYSICAL, PAGE_READONLY),
               STATUS_INVALID_PARAMETER_6);
    ck_refused(try_allocate(vm, 0, 0x1000, MEM_RESERVE | MEM_PHYSICAL, RW),
               STATUS_PRIVILEGE_NOT_HELD);
}
END_TEST

START_TEST(A49_large_pages)
{
    ck_refused(try_allocate(vm, 0, 0x200000, MEM_RESERVE | MEM_LARGE_PAGES, RW),
               STATUS_INVALID_PARAMETER_5);
    ck_refused(try_allocate(vm, 0, 0x201000, RC | MEM_LARGE_PAGES, RW), STATUS_INVALID_PARAMETER_4);
    ck_refused(try_allocate(vm, 0, 0x200000, RC | MEM_LARGE_PAGES, RW), STATUS_PRIVILEGE_NOT_HELD);
}
END_TEST

/* ---- Placeholders ---------------------------------------------------------------------------- */

static nt_status extended(gva_t base, uint64_t size, uint32_t type, uint32_t protect)
{
    struct vm_request req = {
        .base = base, .size = size, .type = type, .protect = protect, .extended = true};

    return vm_allocate(vm, &req, NULL, NULL);
}

static void build_placeholder(gva_t base, uint64_t size)
{
    ck_succeeds(extended(base, size, MEM_RESERVE | MEM_RESERVE_PLACEHOLDER, PAGE_NOACCESS));
}

static nt_status preserve(gva_t base, uint64_t size)
{
    return try_release(vm, base, size, MEM_RELEASE | MEM_PRESERVE_PLACEHOLDER);
}

static nt_status coalesce(gva_t base, uint64_t size)
{
    return try_release(vm, base, size, MEM_RELEASE | MEM_COALESCE_PLACEHOLDERS);
}

static void ck_alone(gva_t base, uint64_t size)
{
    ck_assert_uint_eq(region_at(vm, base).allocation_base, base);
    ck_assert_uint_eq(region_at(vm, base).allocation_size, size);
    ck_assert_uint_eq(region_at(vm, base).state, MEM_RESERVE);
    ck_assert_uint_eq(region_at(vm, base).protect, 0);
    ck_assert_uint_eq(region_at(vm, base).allocation_protect, PAGE_NOACCESS);
}

START_TEST(A50_not_extended)
{
    ck_refused(try_allocate(vm, 0, 0x1000, MEM_RESERVE | MEM_RESERVE_PLACEHOLDER, PAGE_NOACCESS),
               STATUS_INVALID_PARAMETER);
    ck_refused(try_allocate(vm, A, 0x1000, MEM_RESERVE | MEM_REPLACE_PLACEHOLDER, RW),
               STATUS_INVALID_PARAMETER);
}
END_TEST

START_TEST(A63_middle_quarter)
{
    build_placeholder(A, 0x10000);
    ck_succeeds(preserve(A + 0x8000, 0x4000));
    ck_alone(A, 0x8000);
    ck_alone(A + 0x8000, 0x4000);
    ck_alone(A + 0xC000, 0x4000);
    ck_succeeds(try_release(vm, A, 0, MEM_RELEASE));
    ck_succeeds(try_release(vm, A + 0x8000, 0, MEM_RELEASE));
    ck_succeeds(try_release(vm, A + 0xC000, 0, MEM_RELEASE));
    ck_assert_uint_eq(region_at(vm, 0).size, VM_USER_LIMIT_64);
}
END_TEST

START_TEST(A64_quarter_and_half)
{
    build_placeholder(A, 0x10000);
    ck_succeeds(preserve(A, 0x4000));
    ck_alone(A, 0x4000);
    ck_alone(A + 0x4000, 0xC000);
    build_placeholder(2 * A, 0x10000);
    ck_succeeds(preserve(2 * A + 0x8000, 0x8000));
    ck_alone(2 * A, 0x8000);
    ck_alone(2 * A + 0x8000, 0x8000);
}
END_TEST

START_TEST(placeholders_are_not_committed)
{
    build_placeholder(A, 0x10000);
    ck_refused(try_allocate(vm, A, 0x1000, MEM_COMMIT, RW), STATUS_CONFLICTING_ADDRESSES);
    ck_refused(extended(0, 0x1000, MEM_RESERVE | MEM_RESERVE_PLACEHOLDER, RW),
               STATUS_INVALID_PARAMETER);
    ck_refused(extended(0, 0x1000, RC | MEM_RESERVE_PLACEHOLDER, PAGE_NOACCESS),
               STATUS_INVALID_PARAMETER);
}
END_TEST

START_TEST(replace_and_back)
{
    build_placeholder(A, 0x10000);
    ck_succeeds(preserve(A + 0x1000, 0x1000));
    ck_refused(extended(A, 0x2000, RC | MEM_REPLACE_PLACEHOLDER, RW), STATUS_CONFLICTING_ADDRESSES);
    ck_refused(extended(0, 0x1000, RC | MEM_REPLACE_PLACEHOLDER, RW), STATUS_INVALID_PARAMETER);
    ck_succeeds(extended(A + 0x1000, 0x1000, RC | MEM_REPLACE_PLACEHOLDER, RW));
    ck_assert_uint_eq(region_at(vm, A + 0x1000).state, MEM_COMMIT);
    ck_assert_uint_eq(region_at(vm, A + 0x1000).allocation_base, A + 0x1000);
    ck_assert(vm_debug_write(vm, A + 0x1000, "x", 1));
    ck_refused(coalesce(A, 0x10000), STATUS_CONFLICTING_ADDRESSES);
    ck_succeeds(preserve(A + 0x1000, 0x1000));
    ck_assert_uint_eq(region_at(vm, A + 0x1000).state, MEM_RESERVE);
    ck_succeeds(coalesce(A, 0x10000));
    ck_alone(A, 0x10000);
}
END_TEST

START_TEST(coalesce_wants_whole_neighbours)
{
    build_placeholder(A, 0x10000);
    ck_refused(coalesce(A, 0x10000), STATUS_CONFLICTING_ADDRESSES);
    ck_succeeds(preserve(A + 0x4000, 0x4000));
    ck_refused(coalesce(A, 0x9000), STATUS_CONFLICTING_ADDRESSES);
    ck_refused(coalesce(A + 0x1000, 0x7000), STATUS_CONFLICTING_ADDRESSES);
    ck_refused(coalesce(A, 0x11000), STATUS_CONFLICTING_ADDRESSES);
    ck_succeeds(coalesce(A, 0x8000));
    ck_alone(A, 0x8000);
    ck_alone(A + 0x8000, 0x8000);
}
END_TEST

START_TEST(preserve_of_part_of_an_allocation)
{
    build_committed(vm, A, 0x10000);
    ck_refused(preserve(A, 0x1000), STATUS_CONFLICTING_ADDRESSES);
    ck_refused(preserve(A + 0x10000, 0x1000), STATUS_MEMORY_NOT_ALLOCATED);
    ck_refused(preserve(A, 0x11000), STATUS_UNABLE_TO_FREE_VM);
}
END_TEST

START_TEST(preserve_of_what_was_none)
{
    build_committed(vm, A, 0x10000);
    ck_refused(preserve(A, 0x10000), STATUS_CONFLICTING_ADDRESSES);
    build_placeholder(2 * A, 0x10000);
    ck_succeeds(extended(2 * A, 0x10000, RC | MEM_REPLACE_PLACEHOLDER, RW));
    ck_succeeds(try_release(vm, 2 * A, 0x10000, MEM_RELEASE));
    build_committed(vm, 2 * A, 0x10000);
    ck_refused(preserve(2 * A, 0x10000), STATUS_CONFLICTING_ADDRESSES);
}
END_TEST

START_TEST(no_memory)
{
    nt_status st;

    build_placeholder(A, 0x100000);
    for (int i = 0; i < 50; i++) /* enough to split nodes of the tree */
        build_placeholder(2 * A + (gva_t)i * 0x100000, 0x10000);
    for (int i = 0; i < 50; i++) {
        gva_t base = 2 * A + (gva_t)i * 0x100000;

        ALLOC_FAIL_EACH(st, preserve(base + 0x8000, 0x4000), STATUS_NO_MEMORY, STATUS_SUCCESS);
        ck_alone(base, 0x8000);
        ck_alone(base + 0xC000, 0x4000);
    }
    for (int i = 0; i < 50; i++)
        ck_succeeds(coalesce(2 * A + (gva_t)i * 0x100000, 0x10000));
}
END_TEST

/* ---- MEM_ADDRESS_REQUIREMENTS ---------------------------------------------------------------- */

static struct vm_request within(gva_t lowest, gva_t highest, uint64_t alignment)
{
    return (struct vm_request){.size = 0x10000,
                               .type = MEM_RESERVE,
                               .protect = RW,
                               .lowest = lowest,
                               .highest = highest,
                               .alignment = alignment};
}

START_TEST(A53_all_zero)
{
    gva_t base;

    ck_succeeds(allocate(within(0, 0, 0), &base, NULL));
    ck_assert_uint_eq(base, VM_LOWEST);
}
END_TEST

START_TEST(A55_highest_not_at_a_page_end)
{
    static const gva_t bad[] = {0x20001001, 0x20000FFE, 0x200007FF};

    ck_refused(allocate(within(0, bad[_i], 0), NULL, NULL), STATUS_INVALID_PARAMETER);
}
END_TEST

START_TEST(A56_highest_above_the_user_range)
{
    ck_refused(allocate(within(0, VM_USER_LIMIT_64 + 0xFFF, 0), NULL, NULL),
               STATUS_INVALID_PARAMETER);
    ck_succeeds(allocate(within(0, VM_USER_LIMIT_64 - 1, 0), NULL, NULL));
}
END_TEST

START_TEST(A57_highest)
{
    struct vm_request req = within(0, 0x20000FFF, 0);
    gva_t base;

    req.size = 0x40000;
    req.type |= MEM_TOP_DOWN;
    ck_succeeds(allocate(req, &base, NULL));
    ck_assert_uint_eq(base % VM_GRANULARITY, 0);
    ck_assert_uint_le(base + 0x40000, 0x20001000);
    ck_assert_uint_eq(base, 0x1FFC0000);
}
END_TEST

START_TEST(A58_with_a_base)
{
    struct vm_request req = within(0, 0x20000FFF, 0);

    req.base = A;
    ck_refused(allocate(req, NULL, NULL), STATUS_INVALID_PARAMETER);
    req.highest = 0;
    ck_succeeds(allocate(req, NULL, NULL));
}
END_TEST

START_TEST(A59_with_commit_only)
{
    struct vm_request req = within(0, 0x20000FFF, 0);

    req.type = MEM_COMMIT;
    ck_refused(allocate(req, NULL, NULL), STATUS_INVALID_PARAMETER);
}
END_TEST

START_TEST(A60_bad_alignment)
{
    ck_refused(allocate(within(0, 0, 0x8000), NULL, NULL), STATUS_INVALID_PARAMETER);
    ck_refused(allocate(within(0, 0, 0x30000), NULL, NULL), STATUS_INVALID_PARAMETER);
}
END_TEST

START_TEST(A61_alignment)
{
    gva_t base;

    for (int i = 0; i < 4; i++) {
        ck_succeeds(allocate(within(0, 0, 0x40000), &base, NULL));
        ck_assert_uint_eq(base % 0x40000, 0);
    }
}
END_TEST

START_TEST(A62_no_aligned_place)
{
    ck_refused(allocate(within(0, 0x20000FFF, 0x20000000), NULL, NULL), STATUS_NO_MEMORY);
}
END_TEST

START_TEST(lowest)
{
    gva_t base;

    ck_succeeds(allocate(within(0x30000000, 0, 0), &base, NULL));
    ck_assert_uint_eq(base, 0x30000000);
    ck_succeeds(allocate(within(0x30000000, 0x3001FFFF, 0), &base, NULL));
    ck_assert_uint_eq(base, 0x30010000);
    ck_refused(allocate(within(0x30000000, 0x3001FFFF, 0), NULL, NULL), STATUS_NO_MEMORY);
    ck_refused(allocate(within(0x30001000, 0, 0), NULL, NULL), STATUS_INVALID_PARAMETER);
    ck_refused(allocate(within(0x30000000, 0x2FFFFFFF, 0), NULL, NULL), STATUS_INVALID_PARAMETER);
    ck_refused(allocate(within(VM_USER_LIMIT_64, 0, 0), NULL, NULL), STATUS_INVALID_PARAMETER);
}
END_TEST

START_TEST(find_free_says_where)
{
    struct vm_request req = within(0, 0, 0);
    gva_t where;
    gva_t base;

    build_committed(vm, VM_LOWEST, 0x5000);
    for (int i = 0; i < 2; i++) {
        ck_succeeds(vm_find_free(vm, &req, &where));
        ck_succeeds(allocate(req, &base, NULL));
        ck_assert_uint_eq(where, base);
        req.type |= MEM_TOP_DOWN;
    }
    req.size = 0;
    ck_status(vm_find_free(vm, &req, &where), STATUS_INVALID_PARAMETER_4);
    req.size = VM_USER_LIMIT_64 - VM_LOWEST;
    ck_status(vm_find_free(vm, &req, &where), STATUS_NO_MEMORY);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("vm_special");
    TCase *types = tcase_create("types");
    TCase *holders = tcase_create("placeholders");
    TCase *where = tcase_create("address requirements");

    tcase_add_checked_fixture(types, vm_setup, vm_teardown);
    tcase_add_checked_fixture(holders, vm_setup, vm_teardown);
    tcase_add_checked_fixture(where, vm_setup, vm_teardown);
    tcase_add_test(types, A05_rounds_into_the_neighbour);
    tcase_add_loop_test(types, A22_top_down_below, 1, 21);
    tcase_add_test(types, A23_21_bits);
    tcase_add_loop_test(types, A24_22_to_31_bits, 22, 32);
    tcase_add_test(types, A25_mask);
    tcase_add_test(types, A48_physical);
    tcase_add_test(types, A49_large_pages);
    tcase_add_test(holders, A50_not_extended);
    tcase_add_test(holders, A63_middle_quarter);
    tcase_add_test(holders, A64_quarter_and_half);
    tcase_add_test(holders, placeholders_are_not_committed);
    tcase_add_test(holders, replace_and_back);
    tcase_add_test(holders, coalesce_wants_whole_neighbours);
    tcase_add_test(holders, preserve_of_what_was_none);
    tcase_add_test(holders, preserve_of_part_of_an_allocation);
    tcase_add_test(holders, no_memory);
    tcase_add_test(where, A53_all_zero);
    tcase_add_loop_test(where, A55_highest_not_at_a_page_end, 0, 3);
    tcase_add_test(where, A56_highest_above_the_user_range);
    tcase_add_test(where, A57_highest);
    tcase_add_test(where, A58_with_a_base);
    tcase_add_test(where, A59_with_commit_only);
    tcase_add_test(where, A60_bad_alignment);
    tcase_add_test(where, A61_alignment);
    tcase_add_test(where, A62_no_aligned_place);
    tcase_add_test(where, lowest);
    tcase_add_test(where, find_free_says_where);
    suite_add_tcase(s, types);
    suite_add_tcase(s, holders);
    suite_add_tcase(s, where);
    return suite_main(s);
}
