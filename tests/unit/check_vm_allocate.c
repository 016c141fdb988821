/*
 * core/vm/allocate.c against rules A01..A66 of NT-MEMORY-RULES, each test named by its row; those about
 * special kinds of requests are in check_vm_special.c.
 */
#include <check.h>
#include <string.h>

#include "suite.h"
#include "vm_fixture.h"

#define A  UINT64_C(0x200000)
#define RC (MEM_RESERVE | MEM_COMMIT)
#define RW PAGE_READWRITE

static nt_status allocate(struct vm_request req, gva_t *base, uint64_t *size)
{
    return vm_allocate(vm, &req, base, size);
}

/* ---- Where and how large --------------------------------------------------------------------- */

START_TEST(A01_anywhere)
{
    struct vm_request req = {.size = 0x1000, .type = RC, .protect = PAGE_EXECUTE_READWRITE};
    struct vm_region r;
    uint64_t size;
    gva_t base;

    ck_succeeds(allocate(req, &base, &size));
    ck_assert(base % VM_GRANULARITY == 0 && base >= VM_LOWEST);
    ck_assert_uint_eq(size, 0x1000);
    r = region_at(vm, base);
    ck_assert_uint_eq(r.size, 0x1000);
    ck_assert_uint_eq(r.protect, PAGE_EXECUTE_READWRITE);
}
END_TEST

START_TEST(A02_reserved_has_no_protection)
{
    struct vm_request req = {.size = 0xFFFC, .type = MEM_RESERVE, .protect = PAGE_NOACCESS};
    struct vm_region r;
    uint64_t size;
    gva_t base;

    ck_succeeds(allocate(req, &base, &size));
    ck_assert_uint_eq(size, 0x10000);
    r = region_at(vm, base);
    ck_assert_uint_eq(r.state, MEM_RESERVE);
    ck_assert_uint_eq(r.protect, 0);
    ck_assert_uint_eq(r.allocation_protect, PAGE_NOACCESS);
    ck_assert_uint_eq(r.type, MEM_PRIVATE);
}
END_TEST

START_TEST(A03_reserve_rounds_to_granularity)
{
    struct vm_request req = {
        .base = A + 0x1234, .size = 0x1000, .type = MEM_RESERVE, .protect = RW};
    uint64_t size;
    gva_t base;

    ck_succeeds(allocate(req, &base, &size));
    ck_assert_uint_eq(base, A);
    ck_assert_uint_eq(size, 0x3000);
}
END_TEST

START_TEST(A04_reserve_commit_rounds_into_neighbour)
{
    build_committed(vm, A, 0x1000);
    ck_refused(try_allocate(vm, A + 0x1000, 0x1000, RC, RW), STATUS_CONFLICTING_ADDRESSES);
}
END_TEST

START_TEST(A06_size_0)
{
    ck_refused(try_allocate(vm, 0, 0, RC, RW), STATUS_INVALID_PARAMETER_4);
    ck_refused(try_allocate(vm, A, 0, MEM_RESERVE, RW), STATUS_INVALID_PARAMETER_4);
    ck_refused(try_allocate(vm, A, 0, MEM_COMMIT, RW), STATUS_INVALID_PARAMETER_4);
}
END_TEST

START_TEST(A07_commit_anywhere_reserves)
{
    struct vm_request req = {.size = 1, .type = MEM_COMMIT, .protect = RW};
    gva_t base;

    ck_succeeds(allocate(req, &base, NULL));
    ck_assert_uint_eq(region_at(vm, base).state, MEM_COMMIT);
    ck_assert_uint_eq(region_at(vm, base).allocation_size, 0x1000);
}
END_TEST

START_TEST(A16_reserve_over_part_of_an_allocation)
{
    build_reserved(vm, A, 0x20000);
    ck_refused(try_allocate(vm, A, 0x20000, MEM_RESERVE, RW), STATUS_CONFLICTING_ADDRESSES);
    ck_refused(try_allocate(vm, A + 0x10000, 0x1000, MEM_RESERVE, RW),
               STATUS_CONFLICTING_ADDRESSES);
    ck_refused(try_allocate(vm, A - 0x10000, 0x10001, MEM_RESERVE, RW),
               STATUS_CONFLICTING_ADDRESSES);
    ck_refused(try_allocate(vm, A - 0x10000, 0x1000000, RC, RW), STATUS_CONFLICTING_ADDRESSES);
}
END_TEST

START_TEST(A17_again_at_a_released_base)
{
    build_committed(vm, A, 0x10000);
    ck_succeeds(try_release(vm, A, 0, MEM_RELEASE));
    ck_succeeds(try_allocate(vm, A, 0x10000, RC, RW));
    ck_assert_uint_eq(region_at(vm, A).state, MEM_COMMIT);
}
END_TEST

START_TEST(A21_top_down)
{
    struct vm_request req = {.size = 0x11000, .type = MEM_RESERVE | MEM_TOP_DOWN, .protect = RW};
    gva_t base;

    ck_succeeds(allocate(req, &base, NULL));
    ck_assert_uint_eq(base, VM_USER_LIMIT_64 - 0x20000);
    req.size = 0x10000;
    ck_succeeds(allocate(req, &base, NULL));
    ck_assert_uint_eq(base, VM_USER_LIMIT_64 - 0x30000);
}
END_TEST

START_TEST(A27_base_above_the_user_range)
{
    ck_refused(try_allocate(vm, VM_USER_LIMIT_64, 0x1000, RC, RW), STATUS_INVALID_PARAMETER_2);
    ck_refused(try_allocate(vm, UINT64_MAX, 0x1000, RC, RW), STATUS_INVALID_PARAMETER_2);
    ck_refused(try_allocate(vm, VM_USER_LIMIT_64 + A, 1, MEM_COMMIT, RW),
               STATUS_INVALID_PARAMETER_2);
}
END_TEST

START_TEST(A28_range_passes_the_top)
{
    ck_refused(try_allocate(vm, A, UINT64_MAX, RC, RW), STATUS_INVALID_PARAMETER_4);
    ck_refused(try_allocate(vm, A, UINT64_MAX - A + 1, RC, RW), STATUS_INVALID_PARAMETER_4);
    ck_refused(try_allocate(vm, VM_USER_LIMIT_64 - 0x10000, 0x10001, RC, RW),
               STATUS_INVALID_PARAMETER_4);
    ck_succeeds(try_allocate(vm, VM_USER_LIMIT_64 - 0x10000, 0x10000, RC, RW));
}
END_TEST

START_TEST(A65_no_room)
{
    ck_refused(try_allocate(vm, 0, VM_USER_LIMIT_64, MEM_RESERVE, RW), STATUS_NO_MEMORY);
    ck_succeeds(try_allocate(vm, 0, VM_USER_LIMIT_64 - VM_LOWEST, MEM_RESERVE, RW));
    ck_refused(try_allocate(vm, 0, 1, MEM_RESERVE, RW), STATUS_NO_MEMORY);
    ck_refused(try_allocate(vm, 0, 1, MEM_RESERVE | MEM_TOP_DOWN, RW), STATUS_NO_MEMORY);
}
END_TEST

START_TEST(A66_commit_limit)
{
    struct vm_config config = {.arena_size = 0x100000, .commit_limit = 0x20000};

    vm_free(vm);
    ck_assert_int_eq(vm_new(&config, &vm), ERR_OK);
    build_committed(vm, A, 0x10000);
    build_reserved(vm, A + 0x100000, 0x20000);
    ck_refused(try_allocate(vm, A + 0x100000, 0x11000, MEM_COMMIT, RW), STATUS_COMMITMENT_LIMIT);
    ck_refused(try_allocate(vm, 0, 0x11000, RC, RW), STATUS_COMMITMENT_LIMIT);
    ck_succeeds(try_allocate(vm, A + 0x100000, 0x10000, MEM_COMMIT, RW));
    ck_succeeds(try_allocate(vm, A + 0x100000, 0x10000, MEM_COMMIT, PAGE_READONLY));
    ck_refused(try_allocate(vm, 0, 1, RC, RW), STATUS_COMMITMENT_LIMIT);
    ck_succeeds(try_release(vm, A, 0x1000, MEM_DECOMMIT));
    ck_succeeds(try_allocate(vm, 0, 1, RC, RW));
}
END_TEST

/* Not in the rules: Windows reserves nothing below 64 KiB for a program that asks for it by address. */
START_TEST(open_below_64_KiB)
{
    ck_refused(try_allocate(vm, 1, 0x1000, RC, RW), STATUS_INVALID_PARAMETER_2);
    ck_refused(try_allocate(vm, 0xFFFF, 0x20000, MEM_RESERVE, RW), STATUS_INVALID_PARAMETER_2);
}
END_TEST

/* ---- Commit and reset ------------------------------------------------------------------------ */

START_TEST(A08_commit_of_free_space)
{
    ck_refused(try_allocate(vm, A, 0x1000, MEM_COMMIT, RW), STATUS_CONFLICTING_ADDRESSES);
}
END_TEST

START_TEST(A09_commit_past_the_end)
{
    build_reserved(vm, A, 0x10000);
    ck_refused(try_allocate(vm, A + 0xF000, 0x2000, MEM_COMMIT, RW), STATUS_CONFLICTING_ADDRESSES);
}
END_TEST

START_TEST(A10_commit_across_two_reservations)
{
    build_reserved(vm, A, 0x10000);
    build_reserved(vm, A + 0x10000, 0x10000);
    ck_refused(try_allocate(vm, A + 0xF000, 0x2000, MEM_COMMIT, RW), STATUS_CONFLICTING_ADDRESSES);
}
END_TEST

START_TEST(A11_commit_touches_both_pages)
{
    struct vm_request req = {.base = A + 0xFFF, .size = 2, .type = MEM_COMMIT, .protect = RW};
    uint64_t size;
    gva_t base;

    build_reserved(vm, A, 0x10000);
    ck_succeeds(allocate(req, &base, &size));
    ck_assert_uint_eq(base, A);
    ck_assert_uint_eq(size, 0x2000);
    ck_assert_uint_eq(region_at(vm, A).size, 0x2000);
    ck_assert_uint_eq(region_at(vm, A).state, MEM_COMMIT);
}
END_TEST

START_TEST(A12_commit_again_changes_the_protection)
{
    char text[5] = "";

    build_committed(vm, A, 0x10000);
    ck_assert(vm_debug_write(vm, A + 0x1000, "kept", 5));
    ck_succeeds(try_allocate(vm, A + 0x1000, 0x1000, MEM_COMMIT, PAGE_READONLY));
    ck_assert_uint_eq(region_at(vm, A + 0x1000).protect, PAGE_READONLY);
    ck_assert_uint_eq(region_at(vm, A).protect, RW);
    ck_assert_uint_eq(vm_debug_read(vm, A + 0x1000, text, 5), 5);
    ck_assert_str_eq(text, "kept");
}
END_TEST

static bool is_zero(gva_t addr, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        uint8_t byte = 1;

        if (vm_debug_read(vm, addr + i, &byte, 1) != 1 || byte)
            return false;
    }
    return true;
}

START_TEST(A13_first_commit_is_zero)
{
    build_committed(vm, A, 0x2000);
    ck_assert(is_zero(A, 0x2000));
}
END_TEST

START_TEST(A14_commit_after_decommit_is_zero)
{
    struct vm_fill fill;
    uint64_t size;

    build_committed(vm, A, 0x2000);
    ck_assert(vm_debug_write(vm, A + 0x800, "old contents", 12));
    ck_succeeds(try_release(vm, A, 0x1000, MEM_DECOMMIT));
    ck_succeeds(try_allocate(vm, A, 0x1000, MEM_COMMIT, RW));
    ck_assert(is_zero(A, 0x1000));
    ck_assert_int_eq(vm_fill(vm, A, VM_READ, &fill), VM_FAULT_NONE);
    ck_assert_uint_eq(vm_arena(vm, &size)[fill.offset + 0x800], 0);
}
END_TEST

START_TEST(A15_commit_in_the_middle)
{
    build_reserved(vm, A, 0x10000);
    ck_succeeds(try_allocate(vm, A + 0x4000, 0x1000, MEM_COMMIT, RW));
    ck_assert_uint_eq(region_at(vm, A).size, 0x4000);
    ck_assert_uint_eq(region_at(vm, A).state, MEM_RESERVE);
    ck_assert_uint_eq(region_at(vm, A + 0x4000).size, 0x1000);
    ck_assert_uint_eq(region_at(vm, A + 0x4000).state, MEM_COMMIT);
    ck_assert_uint_eq(region_at(vm, A + 0x5000).size, 0xB000);
    ck_assert_uint_eq(region_at(vm, A + 0x5000).state, MEM_RESERVE);
}
END_TEST

START_TEST(A41_reset_keeps_state)
{
    struct vm_request req = {
        .base = A, .size = 0x1000, .type = MEM_RESET, .protect = PAGE_NOACCESS};
    gva_t base;

    build_committed(vm, A, 0x10000);
    ck_succeeds(allocate(req, &base, NULL));
    ck_assert_uint_eq(base, A);
    ck_assert_uint_eq(region_at(vm, A).state, MEM_COMMIT);
    ck_assert_uint_eq(region_at(vm, A).protect, RW);
    ck_assert_uint_eq(region_at(vm, A).size, 0x10000);
}
END_TEST

START_TEST(A42_reset_of_reserved_pages)
{
    build_reserved(vm, A, 0x10000);
    ck_succeeds(try_allocate(vm, A, 0x1000, MEM_RESET, RW));
    ck_assert_uint_eq(region_at(vm, A).state, MEM_RESERVE);
}
END_TEST

START_TEST(A43_reset_past_the_end)
{
    build_committed(vm, A, 0x10000);
    ck_refused(try_allocate(vm, A, 0x10001, MEM_RESET, RW), STATUS_CONFLICTING_ADDRESSES);
    ck_refused(try_allocate(vm, A + 0x10000, 0x1000, MEM_RESET, RW), STATUS_CONFLICTING_ADDRESSES);
    ck_refused(try_allocate(vm, 0, 0x1000, MEM_RESET, RW), STATUS_CONFLICTING_ADDRESSES);
}
END_TEST

START_TEST(A41_a_reset_is_undone)
{
    char text[4];

    build_committed(vm, A, 0x10000);
    ck_assert(vm_debug_write(vm, A, "kept", 4));
    ck_succeeds(try_allocate(vm, A, 0x1000, MEM_RESET, RW));
    ck_succeeds(try_allocate(vm, A, 0x1000, MEM_RESET_UNDO, RW));
    ck_assert_uint_eq(region_at(vm, A).size, 0x10000);
    ck_assert_uint_eq(vm_debug_read(vm, A, text, sizeof text), sizeof text);
    ck_assert_mem_eq(text, "kept", sizeof text);
    ck_refused(try_allocate(vm, A, 0x10001, MEM_RESET_UNDO, RW), STATUS_CONFLICTING_ADDRESSES);
    ck_refused(try_allocate(vm, A, 0x1000, MEM_RESET_UNDO | MEM_RESET, RW),
               STATUS_INVALID_PARAMETER_5);
    ck_refused(try_allocate(vm, A, 0x1000, MEM_RESET_UNDO | MEM_COMMIT, RW),
               STATUS_INVALID_PARAMETER_5);
}
END_TEST

START_TEST(A44_reset_with_another_type)
{
    static const uint32_t others[] = {MEM_COMMIT, MEM_RESERVE, MEM_TOP_DOWN, MEM_WRITE_WATCH};

    build_committed(vm, A, 0x10000);
    ck_refused(try_allocate(vm, A, 0x1000, MEM_RESET | others[_i], RW), STATUS_INVALID_PARAMETER_5);
}
END_TEST

START_TEST(A45_reset_with_protection_0)
{
    build_committed(vm, A, 0x10000);
    ck_refused(try_allocate(vm, A, 0x1000, MEM_RESET, 0), STATUS_INVALID_PAGE_PROTECTION);
}
END_TEST

/* ---- Types and protections ------------------------------------------------------------------- */

START_TEST(A18_no_type)
{
    ck_refused(try_allocate(vm, 0, 0x1000, 0, RW), STATUS_INVALID_PARAMETER_5);
    ck_refused(try_allocate(vm, 0, 0x1000, MEM_TOP_DOWN, RW), STATUS_INVALID_PARAMETER_5);
}
END_TEST

START_TEST(A19_unknown_type)
{
    static const uint32_t unknown[] = {1,        0x800,       0x200,     MEM_RELEASE,
                                       MEM_FREE, MEM_PRIVATE, 0x80000000};

    ck_refused(try_allocate(vm, 0, 0x1000, RC | unknown[_i], RW), STATUS_INVALID_PARAMETER_5);
}
END_TEST

START_TEST(A20_at_round_to_page)
{
    ck_refused(try_allocate(vm, 0, 0x1000, RC | 0x40000000, RW), STATUS_INVALID_PARAMETER_5);
}
END_TEST

START_TEST(A30_single_protections)
{
    static const uint32_t protect[] = {1, 2, 4, 0x10, 0x20, 0x40};
    gva_t base = build_memory(vm, 0, 0x1000, RC, protect[_i]);

    ck_assert_uint_eq(region_at(vm, base).protect, protect[_i]);
    ck_assert_uint_eq(region_at(vm, base).allocation_protect, protect[_i]);
}
END_TEST

START_TEST(A31_no_or_two_protections)
{
    ck_refused(try_allocate(vm, 0, 0x1000, RC, 0), STATUS_INVALID_PAGE_PROTECTION);
    ck_refused(try_allocate(vm, 0, 0x1000, RC, PAGE_GUARD), STATUS_INVALID_PAGE_PROTECTION);
    for (unsigned a = 0; a < 8; a++) {
        for (unsigned b = a + 1; b < 8; b++)
            ck_status(try_allocate(vm, 0, 0x1000, RC, 1u << a | 1u << b),
                      STATUS_INVALID_PAGE_PROTECTION);
    }
    ck_refused(try_allocate(vm, 0, 0x1000, RC, RW | 0x800), STATUS_INVALID_PAGE_PROTECTION);
    ck_refused(try_allocate(vm, 0, 0x1000, RC, RW | 0x80000000), STATUS_INVALID_PAGE_PROTECTION);
}
END_TEST

START_TEST(A32_writecopy_on_private)
{
    ck_refused(try_allocate(vm, 0, 0x1000, RC, PAGE_WRITECOPY), STATUS_INVALID_PAGE_PROTECTION);
    ck_refused(try_allocate(vm, 0, 0x1000, RC, PAGE_EXECUTE_WRITECOPY),
               STATUS_INVALID_PAGE_PROTECTION);
}
END_TEST

START_TEST(A33_guard)
{
    gva_t base = build_memory(vm, 0, 0x1000, RC, PAGE_GUARD | RW);

    ck_assert_uint_eq(region_at(vm, base).protect, 0x104);
    ck_assert_uint_eq(region_at(vm, base).allocation_protect, 0x104);
}
END_TEST

START_TEST(A34_guard_noaccess)
{
    ck_refused(try_allocate(vm, 0, 0x1000, RC, PAGE_GUARD | PAGE_NOACCESS),
               STATUS_INVALID_PAGE_PROTECTION);
}
END_TEST

START_TEST(A35_caching_with_others)
{
    static const uint32_t bad[] = {PAGE_NOCACHE | PAGE_NOACCESS, PAGE_NOCACHE | PAGE_GUARD | RW,
                                   PAGE_WRITECOMBINE | PAGE_NOACCESS,
                                   PAGE_WRITECOMBINE | PAGE_GUARD | RW,
                                   PAGE_WRITECOMBINE | PAGE_NOCACHE | RW};

    ck_refused(try_allocate(vm, 0, 0x1000, RC, bad[_i]), STATUS_INVALID_PAGE_PROTECTION);
}
END_TEST

START_TEST(A36_nocache)
{
    gva_t base = build_memory(vm, 0, 0x1000, RC, PAGE_NOCACHE | RW);

    ck_assert_uint_eq(region_at(vm, base).protect, 0x204);
    ck_assert_uint_eq(region_at(vm, base).allocation_protect, 0x204);
}
END_TEST

START_TEST(A37_targets_invalid_with_execute)
{
    gva_t base = build_memory(vm, 0, 0x1000, RC, PAGE_EXECUTE_READ | PAGE_TARGETS_INVALID);

    ck_assert_uint_eq(region_at(vm, base).protect, PAGE_EXECUTE_READ);
    ck_assert_uint_eq(region_at(vm, base).allocation_protect, PAGE_EXECUTE_READ);
}
END_TEST

START_TEST(A38_targets_invalid_without_execute)
{
    ck_refused(try_allocate(vm, 0, 0x1000, RC, RW | PAGE_TARGETS_INVALID),
               STATUS_INVALID_PAGE_PROTECTION);
}
END_TEST

START_TEST(A39_write_watch_without_reserve)
{
    build_reserved(vm, A, 0x10000);
    ck_refused(try_allocate(vm, A, 0x1000, MEM_COMMIT | MEM_WRITE_WATCH, RW),
               STATUS_INVALID_PARAMETER_5);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("vm_allocate");
    TCase *place = tcase_create("place");
    TCase *commit = tcase_create("commit");
    TCase *values = tcase_create("types and protections");

    tcase_add_checked_fixture(place, vm_setup, vm_teardown);
    tcase_add_checked_fixture(commit, vm_setup, vm_teardown);
    tcase_add_checked_fixture(values, vm_setup, vm_teardown);
    tcase_add_test(place, A01_anywhere);
    tcase_add_test(place, A02_reserved_has_no_protection);
    tcase_add_test(place, A03_reserve_rounds_to_granularity);
    tcase_add_test(place, A04_reserve_commit_rounds_into_neighbour);
    tcase_add_test(place, A06_size_0);
    tcase_add_test(place, A07_commit_anywhere_reserves);
    tcase_add_test(place, A16_reserve_over_part_of_an_allocation);
    tcase_add_test(place, A17_again_at_a_released_base);
    tcase_add_test(place, A21_top_down);
    tcase_add_test(place, A27_base_above_the_user_range);
    tcase_add_test(place, A28_range_passes_the_top);
    tcase_add_test(place, A65_no_room);
    tcase_add_test(place, A66_commit_limit);
    tcase_add_test(place, open_below_64_KiB);
    tcase_add_test(commit, A08_commit_of_free_space);
    tcase_add_test(commit, A09_commit_past_the_end);
    tcase_add_test(commit, A10_commit_across_two_reservations);
    tcase_add_test(commit, A11_commit_touches_both_pages);
    tcase_add_test(commit, A12_commit_again_changes_the_protection);
    tcase_add_test(commit, A13_first_commit_is_zero);
    tcase_add_test(commit, A14_commit_after_decommit_is_zero);
    tcase_add_test(commit, A15_commit_in_the_middle);
    tcase_add_test(commit, A41_reset_keeps_state);
    tcase_add_test(commit, A41_a_reset_is_undone);
    tcase_add_test(commit, A42_reset_of_reserved_pages);
    tcase_add_test(commit, A43_reset_past_the_end);
    tcase_add_loop_test(commit, A44_reset_with_another_type, 0, 4);
    tcase_add_test(commit, A45_reset_with_protection_0);
    tcase_add_test(values, A18_no_type);
    tcase_add_loop_test(values, A19_unknown_type, 0, 7);
    tcase_add_test(values, A20_at_round_to_page);
    tcase_add_loop_test(values, A30_single_protections, 0, 6);
    tcase_add_test(values, A31_no_or_two_protections);
    tcase_add_test(values, A32_writecopy_on_private);
    tcase_add_test(values, A33_guard);
    tcase_add_test(values, A34_guard_noaccess);
    tcase_add_loop_test(values, A35_caching_with_others, 0, 5);
    tcase_add_test(values, A36_nocache);
    tcase_add_test(values, A37_targets_invalid_with_execute);
    tcase_add_test(values, A38_targets_invalid_without_execute);
    tcase_add_test(values, A39_write_watch_without_reserve);
    suite_add_tcase(s, place);
    suite_add_tcase(s, commit);
    suite_add_tcase(s, values);
    return suite_main(s);
}
