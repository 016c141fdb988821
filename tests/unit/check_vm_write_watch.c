/*
 * core/vm/write_watch.c, pageset.c and the part of copy.c for system services, against rules W01..W11, A40, P20, G08..G10 of
 * NT-MEMORY-RULES, named by row.
 */
#include <check.h>
#include <string.h>

#include "alloc_fail.h"
#include "suite.h"
#include "vm/space.h"
#include "vm_fixture.h"

#define A     UINT64_C(0x200000)
#define PLAIN UINT64_C(0x300000)
#define RC    (MEM_RESERVE | MEM_COMMIT)
#define RW    PAGE_READWRITE
#define RESET WRITE_WATCH_FLAG_RESET

static void setup(void)
{
    vm_setup();
    build_memory(vm, A, 0x10000, RC | MEM_WRITE_WATCH, RW);
    build_committed(vm, PLAIN, 0x10000);
}

static void guest_writes(gva_t page)
{
    struct vm_fill fill;

    ck_assert_int_eq(vm_fill(vm, page, VM_WRITE, &fill), VM_FAULT_NONE);
    ck_assert(fill.access & VM_WRITE);
}

/* The listing of [base, base + size): how many, and which are the pages of mask, bit 0 for base. */
static void ck_written(uint32_t flags, gva_t base, uint64_t size, unsigned mask)
{
    gva_t got[16];
    uint64_t count = 16;
    uint32_t granularity = 0;
    uint64_t at = 0;

    ck_succeeds(vm_get_write_watch(vm, flags, base, size, got, &count, &granularity));
    ck_assert_uint_eq(granularity, VM_PAGE_SIZE);
    for (unsigned i = 0; i < 16; i++) {
        if (mask >> i & 1)
            ck_assert_uint_eq(got[at++], base + i * VM_PAGE_SIZE);
    }
    ck_assert_uint_eq(count, at);
}

START_TEST(A40_watch_works_after_protect)
{
    gva_t base = build_memory(vm, 0, 0x10000, MEM_RESERVE | MEM_WRITE_WATCH, PAGE_NOACCESS);

    ck_succeeds(try_allocate(vm, base, 0x4000, MEM_COMMIT, PAGE_NOACCESS));
    ck_succeeds(try_protect(vm, base, 0x4000, RW));
    guest_writes(base + 0x2000);
    ck_written(0, base, 0x10000, 1u << 2);
}
END_TEST

START_TEST(W01_one_page)
{
    ck_written(0, A, 0x10000, 0);
    guest_writes(A + 0x3000);
    ck_written(0, A, 0x10000, 1u << 3);
    ck_written(0, A, 0x10000, 1u << 3);
}
END_TEST

START_TEST(a_read_grants_no_write)
{
    struct vm_fill fill;

    ck_assert_int_eq(vm_fill(vm, A, VM_READ, &fill), VM_FAULT_NONE);
    ck_assert_uint_eq(fill.access, VM_READ);
    ck_written(0, A, 0x10000, 0);
    guest_writes(A);
    ck_assert_int_eq(vm_fill(vm, A, VM_READ, &fill), VM_FAULT_NONE);
    ck_assert_uint_eq(fill.access, VM_READ | VM_WRITE);
}
END_TEST

START_TEST(W02_reset_after_listing)
{
    guest_writes(A + 0x3000);
    ck_written(RESET, A, 0x10000, 1u << 3);
    ck_written(0, A, 0x10000, 0);
    guest_writes(A + 0x3000);
    ck_written(0, A, 0x10000, 1u << 3);
}
END_TEST

START_TEST(W03_sub_range)
{
    guest_writes(A);
    guest_writes(A + 0x5000);
    ck_written(0, A + 0x4000, 0x2000, 1u << 1);
    ck_written(0, A + 0x1000, 0x4000, 0);
}
END_TEST

START_TEST(W04_short_array)
{
    gva_t got[2];
    uint64_t count = 2;
    uint32_t granularity;

    for (gva_t page = A; page < A + 0x5000; page += VM_PAGE_SIZE)
        guest_writes(page);
    ck_succeeds(vm_get_write_watch(vm, RESET, A, 0x10000, got, &count, &granularity));
    ck_assert_uint_eq(count, 2);
    ck_assert_uint_eq(got[1], A + 0x1000);
    ck_written(0, A, 0x10000, 0x1C);
}
END_TEST

START_TEST(W06_reset_of_a_sub_range)
{
    guest_writes(A + 0x1000);
    guest_writes(A + 0x2000);
    ck_succeeds(vm_reset_write_watch(vm, A + 0x1000, 0x1000));
    ck_written(0, A, 0x10000, 1u << 2);
}
END_TEST

START_TEST(W07_P20_protect_keeps_records)
{
    guest_writes(A + 0x1000);
    ck_succeeds(try_protect(vm, A, 0x4000, PAGE_READONLY));
    ck_succeeds(try_protect(vm, A, 0x4000, RW));
    ck_written(0, A, 0x10000, 1u << 1);
}
END_TEST

START_TEST(W08_decommit_keeps_records)
{
    guest_writes(A + 0x1000);
    ck_succeeds(try_release(vm, A, 0x4000, MEM_DECOMMIT));
    ck_written(0, A, 0x10000, 1u << 1);
    ck_succeeds(try_allocate(vm, A, 0x4000, MEM_COMMIT, RW));
    ck_written(0, A, 0x10000, 1u << 1);
}
END_TEST

START_TEST(W09_bad_arguments)
{
    gva_t got[4];
    uint64_t count = 0;
    uint32_t granularity = 7;

    ck_refused(vm_get_write_watch(vm, 0, A, 0x1000, got, &count, &granularity),
               STATUS_INVALID_PARAMETER);
    count = 4;
    ck_refused(vm_get_write_watch(vm, 2, A, 0x1000, got, &count, &granularity),
               STATUS_INVALID_PARAMETER);
    ck_refused(vm_get_write_watch(vm, 0, A, 0, got, &count, &granularity),
               STATUS_INVALID_PARAMETER);
    ck_refused(vm_get_write_watch(vm, 0, A, 0x10001, got, &count, &granularity),
               STATUS_INVALID_PARAMETER);
    ck_refused(vm_get_write_watch(vm, 0, PLAIN, 0x1000, got, &count, &granularity),
               STATUS_INVALID_PARAMETER);
    ck_refused(vm_get_write_watch(vm, 0, UINT64_MAX, 1, got, &count, &granularity),
               STATUS_INVALID_PARAMETER);
    ck_assert_uint_eq(count, 4);
    ck_assert_uint_eq(granularity, 7);
    ck_refused(vm_reset_write_watch(vm, A, 0), STATUS_INVALID_PARAMETER);
    ck_refused(vm_reset_write_watch(vm, A, 0x10001), STATUS_INVALID_PARAMETER);
    ck_refused(vm_reset_write_watch(vm, PLAIN, 0x1000), STATUS_INVALID_PARAMETER);
}
END_TEST

START_TEST(W10_null_pointers)
{
    gva_t got[4];
    uint64_t count = 4;
    uint32_t granularity;

    ck_status(vm_get_write_watch(vm, 0, A, 0x1000, NULL, &count, &granularity),
              STATUS_ACCESS_VIOLATION);
    ck_status(vm_get_write_watch(vm, 0, A, 0x1000, got, NULL, &granularity),
              STATUS_ACCESS_VIOLATION);
    ck_status(vm_get_write_watch(vm, 0, A, 0x1000, got, &count, NULL), STATUS_ACCESS_VIOLATION);
}
END_TEST

START_TEST(W05_across_a_page_boundary)
{
    ck_succeeds(vm_write(vm, A + 0x1FFF, "ab", 2));
    ck_written(0, A, 0x10000, 0x6);
}
END_TEST

START_TEST(W11_services_are_recorded)
{
    ck_succeeds(vm_write(vm, A + 0x3010, "ab", 2));
    ck_written(0, A, 0x10000, 0x8);
}
END_TEST

START_TEST(the_debugger_is_not)
{
    ck_assert(vm_debug_write(vm, A, "x", 1));
    ck_written(0, A, 0x10000, 0);
}
END_TEST

START_TEST(G10_guard_first)
{
    struct vm_fill fill;

    ck_succeeds(try_protect(vm, A, 0x1000, RW | PAGE_GUARD));
    ck_assert_int_eq(vm_fill(vm, A, VM_WRITE, &fill), VM_FAULT_GUARD);
    ck_written(0, A, 0x10000, 0);
    ck_assert(vm_clear_guard(vm, A));
    guest_writes(A);
    ck_written(0, A, 0x10000, 1);
}
END_TEST

START_TEST(pieces_keep_their_records)
{
    guest_writes(A + 0x1000);
    guest_writes(A + 0x9000);
    ck_succeeds(try_release(vm, A + 0x4000, 0x4000, MEM_RELEASE));
    ck_written(0, A, 0x4000, 1u << 1);
    ck_written(RESET, A + 0x8000, 0x8000, 1u << 1);
    ck_written(0, A, 0x4000, 1u << 1);
    ck_succeeds(try_release(vm, A, 0, MEM_RELEASE));
    ck_written(0, A + 0x8000, 0x8000, 0);
}
END_TEST

START_TEST(a_placeholder_has_no_records)
{
    struct vm_request req = {.base = A,
                             .size = 0x10000,
                             .type = MEM_RESERVE | MEM_RESERVE_PLACEHOLDER,
                             .protect = PAGE_NOACCESS,
                             .extended = true};
    gva_t page;
    uint64_t count = 1;
    uint32_t granularity;

    ck_succeeds(try_release(vm, A, 0, MEM_RELEASE));
    ck_succeeds(vm_allocate(vm, &req, NULL, NULL));
    req.type = RC | MEM_REPLACE_PLACEHOLDER | MEM_WRITE_WATCH;
    req.protect = RW;
    ck_succeeds(vm_allocate(vm, &req, NULL, NULL));
    guest_writes(A);
    ck_written(0, A, 0x10000, 1);
    ck_succeeds(try_release(vm, A, 0x10000, MEM_RELEASE | MEM_PRESERVE_PLACEHOLDER));
    ck_assert(vm_valid(vm));
    ck_status(vm_get_write_watch(vm, 0, A, 0x10000, &page, &count, &granularity),
              STATUS_INVALID_PARAMETER);
}
END_TEST

START_TEST(no_memory)
{
    struct vm_request req = {
        .size = 0x10000, .type = MEM_RESERVE | MEM_WRITE_WATCH, .protect = RW, .label = "watched"};
    nt_status st;

    ALLOC_FAIL_EACH(st, vm_allocate(vm, &req, NULL, NULL), STATUS_NO_MEMORY, STATUS_SUCCESS);
}
END_TEST

/* A checkpoint shares the page: a reset must not lose the next write, nor touch the checkpoint's copy. */
START_TEST(with_a_checkpoint)
{
    struct pagetable checkpoint;

    guest_writes(A);
    pt_share(&vm->pages, &checkpoint);
    ck_succeeds(vm_reset_write_watch(vm, A, 0x1000));
    ck_written(0, A, 0x10000, 0);
    guest_writes(A);
    ck_written(0, A, 0x10000, 1);
    pt_fini(&checkpoint);
}
END_TEST

/* ---- System services ------------------------------------------------------------------------- */

START_TEST(services_obey_protection)
{
    char got[8] = "";

    ck_succeeds(vm_write(vm, PLAIN + 0xFFE, "text", 5));
    ck_succeeds(vm_read(vm, PLAIN + 0xFFE, got, 5));
    ck_assert_str_eq(got, "text");
    ck_succeeds(try_protect(vm, PLAIN + 0x1000, 0x1000, PAGE_READONLY));
    ck_status(vm_write(vm, PLAIN + 0xFFE, "gone", 5), STATUS_ACCESS_VIOLATION);
    ck_succeeds(vm_read(vm, PLAIN + 0xFFE, got, 5));
    ck_assert_str_eq(got, "text");
    ck_succeeds(try_protect(vm, PLAIN + 0x1000, 0x1000, PAGE_NOACCESS));
    ck_status(vm_read(vm, PLAIN + 0xFFE, got, 5), STATUS_ACCESS_VIOLATION);
    ck_status(vm_read(vm, PLAIN + 0xFFFF, got, 2), STATUS_ACCESS_VIOLATION);
    ck_status(vm_read(vm, UINT64_MAX, got, 2), STATUS_ACCESS_VIOLATION);
    ck_status(vm_read(vm, VM_USER_LIMIT_64, got, 1), STATUS_ACCESS_VIOLATION);
    ck_succeeds(vm_read(vm, UINT64_MAX, got, 0));
}
END_TEST

START_TEST(G09_guard_in_a_buffer)
{
    ck_succeeds(try_protect(vm, PLAIN + 0x1000, 0x1000, RW | PAGE_GUARD));
    ck_status(vm_write(vm, PLAIN + 0xFFE, "text", 5), STATUS_GUARD_PAGE_VIOLATION);
    ck_assert_uint_eq(region_at(vm, PLAIN + 0x1000).protect, RW);
    ck_succeeds(vm_write(vm, PLAIN + 0xFFE, "text", 5));
}
END_TEST

START_TEST(G08_locking_a_guard_page)
{
    ck_succeeds(try_protect(vm, PLAIN, 0x1000, RW | PAGE_GUARD));
    ck_status(vm_probe(vm, PLAIN, 1, VM_READ), STATUS_GUARD_PAGE_VIOLATION);
    ck_succeeds(vm_probe(vm, PLAIN, 1, VM_READ));
}
END_TEST

START_TEST(a_service_breaks_sharing)
{
    struct pagetable checkpoint;
    struct vm_fill old;
    struct vm_fill new;

    guest_writes(PLAIN);
    ck_assert_int_eq(vm_fill(vm, PLAIN, VM_READ, &old), VM_FAULT_NONE);
    pt_share(&vm->pages, &checkpoint);
    ck_succeeds(vm_write(vm, PLAIN, "new", 3));
    ck_assert_int_eq(vm_fill(vm, PLAIN, VM_READ, &new), VM_FAULT_NONE);
    ck_assert_uint_ne(old.offset, new.offset);
    pt_fini(&checkpoint);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("vm_write_watch");
    TCase *tc = tcase_create("records");
    TCase *services = tcase_create("services");

    tcase_add_checked_fixture(tc, setup, vm_teardown);
    tcase_add_checked_fixture(services, setup, vm_teardown);
    tcase_add_test(tc, A40_watch_works_after_protect);
    tcase_add_test(tc, W01_one_page);
    tcase_add_test(tc, a_read_grants_no_write);
    tcase_add_test(tc, W02_reset_after_listing);
    tcase_add_test(tc, W03_sub_range);
    tcase_add_test(tc, W04_short_array);
    tcase_add_test(tc, W05_across_a_page_boundary);
    tcase_add_test(tc, W06_reset_of_a_sub_range);
    tcase_add_test(tc, W07_P20_protect_keeps_records);
    tcase_add_test(tc, W08_decommit_keeps_records);
    tcase_add_test(tc, W09_bad_arguments);
    tcase_add_test(tc, W10_null_pointers);
    tcase_add_test(tc, W11_services_are_recorded);
    tcase_add_test(tc, the_debugger_is_not);
    tcase_add_test(tc, G10_guard_first);
    tcase_add_test(tc, pieces_keep_their_records);
    tcase_add_test(tc, a_placeholder_has_no_records);
    tcase_add_test(tc, no_memory);
    tcase_add_test(tc, with_a_checkpoint);
    tcase_add_test(services, services_obey_protection);
    tcase_add_test(services, G09_guard_in_a_buffer);
    tcase_add_test(services, G08_locking_a_guard_page);
    tcase_add_test(services, a_service_breaks_sharing);
    suite_add_tcase(s, tc);
    suite_add_tcase(s, services);
    return suite_main(s);
}
