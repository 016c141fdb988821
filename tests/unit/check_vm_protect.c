/* core/vm/protect.c and protection.c against rules P01..P20, G04..G13, M24..M27 of NT-MEMORY-RULES, named by row. */
#include <check.h>
#include <string.h>

#include "suite.h"
#include "vm/protection.h"
#include "vm_fixture.h"

#define A     UINT64_C(0x200000)
#define IMAGE UINT64_C(0x140000000)
#define DATA  (IMAGE + 0x2000)
#define RC    (MEM_RESERVE | MEM_COMMIT)
#define RW    PAGE_READWRITE

static void setup(void)
{
    vm_setup();
    build_committed(vm, A, 0x10000);
}

/* Protect one page or more; returns the old protection. */
static uint32_t protect(gva_t base, uint64_t size, uint32_t value)
{
    uint32_t old = 0;

    ck_succeeds(vm_protect(vm, &base, &size, value, &old));
    return old;
}

static uint32_t shown(gva_t addr)
{
    return region_at(vm, addr).protect;
}

static void write_as_guest(gva_t page)
{
    struct vm_fill fill;

    ck_assert_int_eq(vm_fill(vm, page, VM_WRITE, &fill), VM_FAULT_NONE);
}

START_TEST(P01_single_protections)
{
    static const uint32_t values[] = {1, 2, 4, 0x10, 0x20, 0x40};

    ck_assert_uint_eq(protect(A, 0x1000, values[_i]), RW);
    ck_assert_uint_eq(shown(A), values[_i]);
    ck_assert_uint_eq(shown(A + 0x1000), RW);
}
END_TEST

START_TEST(P02_invalid_values)
{
    static const uint32_t values[] = {0, 6, 0x18, 0x84, 0xA0, PAGE_GUARD, 0x104 | 0x200, 0x1004};

    ck_refused(try_protect(vm, A, 0x1000, values[_i]), STATUS_INVALID_PAGE_PROTECTION);
}
END_TEST

START_TEST(P03_writecopy_on_private)
{
    ck_refused(try_protect(vm, A, 0x1000, PAGE_WRITECOPY), STATUS_INVALID_PARAMETER_4);
    ck_refused(try_protect(vm, A, 0x1000, PAGE_EXECUTE_WRITECOPY), STATUS_INVALID_PARAMETER_4);
}
END_TEST

START_TEST(P04_no_place_for_old)
{
    gva_t base = A + 1;
    uint64_t size = 1;

    ck_refused(vm_protect(vm, &base, &size, PAGE_READONLY, NULL), STATUS_ACCESS_VIOLATION);
    ck_assert_uint_eq(base, A + 1);
    ck_assert_uint_eq(size, 1);
}
END_TEST

START_TEST(P05_size_0)
{
    ck_refused(try_protect(vm, A, 0, PAGE_READONLY), STATUS_INVALID_PARAMETER_3);
    ck_refused(try_protect(vm, A, UINT64_MAX, PAGE_READONLY), STATUS_INVALID_PARAMETER_3);
}
END_TEST

START_TEST(P06_above_the_top)
{
    ck_refused(try_protect(vm, VM_USER_LIMIT_64, 1, PAGE_READONLY), STATUS_INVALID_PARAMETER_2);
}
END_TEST

START_TEST(P07_free)
{
    ck_refused(try_protect(vm, A + 0x10000, 1, PAGE_READONLY), STATUS_CONFLICTING_ADDRESSES);
}
END_TEST

START_TEST(P08_leaves_the_allocation)
{
    ck_refused(try_protect(vm, A + 0xF000, 0x1001, PAGE_READONLY), STATUS_CONFLICTING_ADDRESSES);
}
END_TEST

START_TEST(P09_crosses_two_allocations)
{
    build_committed(vm, A + 0x10000, 0x10000);
    ck_refused(try_protect(vm, A + 0xF000, 0x2000, PAGE_READONLY), STATUS_CONFLICTING_ADDRESSES);
}
END_TEST

START_TEST(P10_reserved)
{
    build_reserved(vm, A + 0x100000, 0x10000);
    ck_refused(try_protect(vm, A + 0x100000, 1, PAGE_READONLY), STATUS_NOT_COMMITTED);
}
END_TEST

START_TEST(P11_partly_reserved)
{
    ck_succeeds(try_release(vm, A + 0x4000, 0x1000, MEM_DECOMMIT));
    ck_refused(try_protect(vm, A + 0x3000, 0x2000, PAGE_READONLY), STATUS_NOT_COMMITTED);
    ck_refused(try_protect(vm, A, 0x10000, PAGE_READONLY), STATUS_NOT_COMMITTED);
}
END_TEST

START_TEST(P12_touches_both_pages)
{
    gva_t base = A + 0xFFF;
    uint64_t size = 2;
    uint32_t old;

    ck_succeeds(vm_protect(vm, &base, &size, PAGE_READONLY, &old));
    ck_assert_uint_eq(base, A);
    ck_assert_uint_eq(size, 0x2000);
    ck_assert_uint_eq(old, RW);
    ck_assert_uint_eq(region_at(vm, A).size, 0x2000);
}
END_TEST

START_TEST(P13_old_is_the_first_page)
{
    protect(A + 0x1000, 0x1000, PAGE_NOACCESS);
    ck_assert_uint_eq(protect(A, 0x3000, PAGE_READONLY), RW);
    ck_assert_uint_eq(protect(A + 0x1000, 0x1000, RW), PAGE_READONLY);
}
END_TEST

START_TEST(P14_nocache_sticks)
{
    gva_t n = build_memory(vm, 0, 0x1000, RC, RW | PAGE_NOCACHE);

    ck_assert_uint_eq(protect(n, 0x1000, RW), 0x204);
    ck_assert_uint_eq(shown(n), 0x204);
    protect(n, 0x1000, PAGE_READONLY);
    ck_assert_uint_eq(shown(n), PAGE_READONLY | PAGE_NOCACHE);
}
END_TEST

START_TEST(P15_nocache_ignored_per_page)
{
    protect(A, 0x1000, PAGE_READONLY | PAGE_NOCACHE);
    ck_assert_uint_eq(shown(A), PAGE_READONLY);
}
END_TEST

START_TEST(P16_P17_guard_on_and_off)
{
    ck_assert_uint_eq(protect(A, 0x1000, RW | PAGE_GUARD), RW);
    ck_assert_uint_eq(shown(A), 0x104);
    ck_assert_uint_eq(protect(A, 0x1000, RW), 0x104);
    ck_assert_uint_eq(shown(A), RW);
    ck_assert_uint_eq(region_at(vm, A).size, 0x10000);
}
END_TEST

START_TEST(P18_targets_no_update)
{
    protect(A, 0x1000, PAGE_EXECUTE_READ | PAGE_TARGETS_INVALID);
    ck_assert_uint_eq(shown(A), PAGE_EXECUTE_READ);
}
END_TEST

/* Each fails behind pages that could have been changed. */
START_TEST(P19_failure_changes_no_page)
{
    static const struct {
        gva_t base;
        uint64_t size;
        uint32_t protect;
        nt_status st;
    } rows[] = {
        {A, 0x2000, PAGE_READONLY | RW, STATUS_INVALID_PAGE_PROTECTION},
        {A, 0x2000, PAGE_WRITECOPY, STATUS_INVALID_PARAMETER_4},
        {A, 0, PAGE_READONLY, STATUS_INVALID_PARAMETER_3},
        {A, UINT64_MAX, PAGE_READONLY, STATUS_INVALID_PARAMETER_3},
        {A, 0x11000, PAGE_READONLY, STATUS_CONFLICTING_ADDRESSES},
        {A + 0x20000, 0x1000, PAGE_READONLY, STATUS_CONFLICTING_ADDRESSES},
        {A, 0x6000, PAGE_READONLY, STATUS_NOT_COMMITTED},
    };

    protect(A + 0x1000, 0x1000, PAGE_EXECUTE_READ);
    protect(A + 0x2000, 0x1000, RW | PAGE_GUARD);
    ck_assert(vm_debug_write(vm, A, "kept", 4));
    ck_succeeds(try_release(vm, A + 0x5000, 0x1000, MEM_DECOMMIT));
    ck_refused(try_protect(vm, rows[_i].base, rows[_i].size, rows[_i].protect), rows[_i].st);
}
END_TEST

START_TEST(many_alternate_pages)
{
    gva_t base = build_committed(vm, 0, 4000 * VM_PAGE_SIZE);

    for (gva_t page = base; page < base + 4000 * VM_PAGE_SIZE; page += 2 * VM_PAGE_SIZE)
        protect(page, VM_PAGE_SIZE, PAGE_READONLY);
    for (unsigned i = 0; i < 4000; i++)
        ck_assert_uint_eq(region_at(vm, base + i * VM_PAGE_SIZE).size, VM_PAGE_SIZE);
    protect(base, 4000 * VM_PAGE_SIZE, RW);
    ck_assert_uint_eq(region_at(vm, base).size, 4000 * VM_PAGE_SIZE);
}
END_TEST

/* ---- Guards ---------------------------------------------------------------------------------- */

START_TEST(G04_one_guard_is_cleared_once)
{
    gva_t g = build_memory(vm, 0, 0x2000, RC, RW | PAGE_GUARD);

    ck_assert(vm_clear_guard(vm, g + 0x10));
    ck_assert_uint_eq(shown(g), RW);
    ck_assert_uint_eq(region_at(vm, g).allocation_protect, 0x104);
    ck_assert(!vm_clear_guard(vm, g));
    ck_assert(!vm_clear_guard(vm, A));
    ck_assert(!vm_clear_guard(vm, A + 0x10000));
    ck_assert(!vm_clear_guard(vm, UINT64_MAX));
}
END_TEST

static enum vm_fault touch(gva_t page, enum vm_access want)
{
    struct vm_fill fill;

    return vm_fill(vm, page, want, &fill);
}

START_TEST(G05_the_other_guard_stays)
{
    gva_t g = build_memory(vm, 0, 0x2000, RC, RW | PAGE_GUARD);

    ck_assert(vm_clear_guard(vm, g));
    ck_assert_int_eq(touch(g, VM_WRITE), VM_FAULT_NONE);
    ck_assert_uint_eq(shown(g), RW);
    ck_assert_uint_eq(shown(g + 0x1000), 0x104);
    ck_assert_int_eq(touch(g + 0x1000, VM_WRITE), VM_FAULT_GUARD);
}
END_TEST

START_TEST(G07_guard_comes_before_read_only)
{
    gva_t g = build_memory(vm, 0, 0x1000, RC, PAGE_READONLY | PAGE_GUARD);

    ck_assert_int_eq(touch(g, VM_WRITE), VM_FAULT_GUARD);
    ck_assert(vm_clear_guard(vm, g));
    ck_assert_int_eq(touch(g, VM_WRITE), VM_FAULT_READONLY);
    ck_assert_uint_eq(shown(g), PAGE_READONLY);
}
END_TEST

START_TEST(G13_noaccess_stays)
{
    protect(A, 0x1000, PAGE_NOACCESS);
    for (unsigned want = VM_READ; want <= VM_EXEC; want *= 2) {
        ck_assert_int_eq(touch(A, (enum vm_access)want), VM_FAULT_NOACCESS);
        ck_assert_int_eq(touch(A, (enum vm_access)want), VM_FAULT_NOACCESS);
    }
    ck_assert_uint_eq(shown(A), PAGE_NOACCESS);
}
END_TEST

START_TEST(guard_of_a_nocache_allocation)
{
    gva_t n = build_memory(vm, 0, 0x1000, RC, RW | PAGE_NOCACHE);

    protect(n, 0x1000, RW | PAGE_GUARD);
    ck_assert_uint_eq(shown(n), 0x104);
    ck_assert(vm_clear_guard(vm, n));
    ck_assert_uint_eq(shown(n), 0x204);
}
END_TEST

/* ---- Images ---------------------------------------------------------------------------------- */

START_TEST(M24_first_write_of_a_writecopy_page)
{
    ck_succeeds(build_image(vm, IMAGE));
    ck_assert_uint_eq(shown(DATA), PAGE_WRITECOPY);
    write_as_guest(DATA);
    ck_assert_uint_eq(shown(DATA), RW);
    ck_assert_uint_eq(shown(DATA + 0x1000), PAGE_WRITECOPY);
    protect(IMAGE + 0x1000, 0x1000, PAGE_EXECUTE_WRITECOPY);
    write_as_guest(IMAGE + 0x1000);
    ck_assert_uint_eq(shown(IMAGE + 0x1000), PAGE_EXECUTE_READWRITE);
}
END_TEST

START_TEST(M25_writecopy_of_a_written_page)
{
    ck_succeeds(build_image(vm, IMAGE));
    write_as_guest(DATA);
    protect(DATA, 0x1000, PAGE_WRITECOPY);
    ck_assert_uint_eq(shown(DATA), RW);
}
END_TEST

START_TEST(M26_image_view)
{
    ck_succeeds(build_image(vm, IMAGE));
    ck_assert_uint_eq(region_at(vm, IMAGE).type, MEM_IMAGE);
    ck_assert_uint_eq(region_at(vm, IMAGE).allocation_protect, PAGE_EXECUTE_WRITECOPY);
    ck_assert_uint_eq(shown(IMAGE), PAGE_READONLY);
}
END_TEST

START_TEST(M27_writable_is_writecopy_until_written)
{
    ck_succeeds(build_image(vm, IMAGE));
    protect(IMAGE, 0x4000, PAGE_EXECUTE_READWRITE);
    ck_assert_uint_eq(shown(IMAGE), PAGE_EXECUTE_WRITECOPY);
    protect(IMAGE, 0x1000, RW);
    ck_assert_uint_eq(shown(IMAGE), PAGE_WRITECOPY);
    write_as_guest(IMAGE);
    ck_assert_uint_eq(shown(IMAGE), RW);
    protect(IMAGE, 0x4000, PAGE_READONLY);
    protect(IMAGE, 0x4000, RW);
    ck_assert_uint_eq(shown(IMAGE), RW);
    ck_assert_uint_eq(shown(IMAGE + 0x1000), PAGE_WRITECOPY);
}
END_TEST

/* ---- The tables ------------------------------------------------------------------------------ */

START_TEST(access_of_every_value)
{
    static const struct {
        uint32_t protect;
        unsigned access;
    } rows[] = {
        {PAGE_NOACCESS, 0},
        {PAGE_READONLY, VM_READ},
        {PAGE_READWRITE, VM_READ | VM_WRITE},
        {PAGE_WRITECOPY, VM_READ},
        {PAGE_EXECUTE, VM_READ | VM_EXEC},
        {PAGE_EXECUTE_READ, VM_READ | VM_EXEC},
        {PAGE_EXECUTE_READWRITE, VM_READ | VM_WRITE | VM_EXEC},
        {PAGE_EXECUTE_WRITECOPY, VM_READ | VM_EXEC},
        {PAGE_READWRITE | PAGE_NOCACHE, VM_READ | VM_WRITE},
        {PAGE_READWRITE | PAGE_GUARD, 0},
        {0, 0},
    };

    ck_assert_uint_eq(protection_access(rows[_i].protect, true), rows[_i].access);
    ck_assert_uint_eq(protection_access(rows[_i].protect, false),
                      rows[_i].access ? rows[_i].access | VM_EXEC : 0);
}
END_TEST

START_TEST(write_forms_of_every_value)
{
    static const uint32_t rows[][3] = {
        /* value, after a write, before one */
        {PAGE_NOACCESS, PAGE_NOACCESS, PAGE_NOACCESS},
        {PAGE_READONLY, PAGE_READONLY, PAGE_READONLY},
        {PAGE_READWRITE, PAGE_READWRITE, PAGE_WRITECOPY},
        {PAGE_WRITECOPY, PAGE_READWRITE, PAGE_WRITECOPY},
        {PAGE_EXECUTE, PAGE_EXECUTE, PAGE_EXECUTE},
        {PAGE_EXECUTE_READ, PAGE_EXECUTE_READ, PAGE_EXECUTE_READ},
        {PAGE_EXECUTE_READWRITE, PAGE_EXECUTE_READWRITE, PAGE_EXECUTE_WRITECOPY},
        {PAGE_EXECUTE_WRITECOPY, PAGE_EXECUTE_READWRITE, PAGE_EXECUTE_WRITECOPY},
        {PAGE_WRITECOPY | PAGE_GUARD, PAGE_READWRITE | PAGE_GUARD, PAGE_WRITECOPY | PAGE_GUARD},
    };

    ck_assert_uint_eq(protection_after_write(rows[_i][0]), rows[_i][1]);
    ck_assert_uint_eq(protection_before_write(rows[_i][0]), rows[_i][2]);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("vm_protect");
    TCase *rules = tcase_create("rules");
    TCase *tables = tcase_create("tables");

    tcase_add_checked_fixture(rules, setup, vm_teardown);
    tcase_add_loop_test(rules, P01_single_protections, 0, 6);
    tcase_add_loop_test(rules, P02_invalid_values, 0, 8);
    tcase_add_test(rules, P03_writecopy_on_private);
    tcase_add_test(rules, P04_no_place_for_old);
    tcase_add_test(rules, P05_size_0);
    tcase_add_test(rules, P06_above_the_top);
    tcase_add_test(rules, P07_free);
    tcase_add_test(rules, P08_leaves_the_allocation);
    tcase_add_test(rules, P09_crosses_two_allocations);
    tcase_add_test(rules, P10_reserved);
    tcase_add_test(rules, P11_partly_reserved);
    tcase_add_test(rules, P12_touches_both_pages);
    tcase_add_test(rules, P13_old_is_the_first_page);
    tcase_add_test(rules, P14_nocache_sticks);
    tcase_add_test(rules, P15_nocache_ignored_per_page);
    tcase_add_test(rules, P16_P17_guard_on_and_off);
    tcase_add_test(rules, P18_targets_no_update);
    tcase_add_loop_test(rules, P19_failure_changes_no_page, 0, 7);
    tcase_add_test(rules, many_alternate_pages);
    tcase_add_test(rules, G04_one_guard_is_cleared_once);
    tcase_add_test(rules, G05_the_other_guard_stays);
    tcase_add_test(rules, G07_guard_comes_before_read_only);
    tcase_add_test(rules, G13_noaccess_stays);
    tcase_add_test(rules, guard_of_a_nocache_allocation);
    tcase_add_test(rules, M24_first_write_of_a_writecopy_page);
    tcase_add_test(rules, M25_writecopy_of_a_written_page);
    tcase_add_test(rules, M26_image_view);
    tcase_add_test(rules, M27_writable_is_writecopy_until_written);
    tcase_add_loop_test(tables, access_of_every_value, 0, 11);
    tcase_add_loop_test(tables, write_forms_of_every_value, 0, 9);
    suite_add_tcase(s, rules);
    suite_add_tcase(s, tables);
    return suite_main(s);
}
