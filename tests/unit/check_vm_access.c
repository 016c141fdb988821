/*
 * core/vm/access.c and image.c: what the CPU gets, what the debugger sees and may write, what the observer
 * is told. Rules G05..G15 and M24 of NT-MEMORY-RULES where they concern memory alone.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "suite.h"
#include "vm/space.h"
#include "vm_fixture.h"

#define A     UINT64_C(0x200000)
#define IMAGE UINT64_C(0x140000000)
#define RC    (MEM_RESERVE | MEM_COMMIT)
#define RW    PAGE_READWRITE

/* What the observer heard last, and how often. */
static struct {
    unsigned revoked;
    gva_t start, end;
    unsigned frames;
    uint64_t offset;
} heard;

static void on_revoked(void *ctx, gva_t start, gva_t end)
{
    ck_assert_ptr_eq(ctx, &heard);
    heard.revoked++;
    heard.start = start;
    heard.end = end;
}

static void on_frame_changed(void *ctx, uint64_t offset)
{
    ck_assert_ptr_eq(ctx, &heard);
    heard.frames++;
    heard.offset = offset;
}

static void listen_again(void)
{
    memset(&heard, 0, sizeof heard);
}

static void setup(void)
{
    struct vm_observer observer = {
        .ctx = &heard, .revoked = on_revoked, .frame_changed = on_frame_changed};

    vm_setup();
    vm_set_observer(vm, &observer);
    listen_again();
}

static enum vm_fault fault(gva_t page, enum vm_access want)
{
    struct vm_fill fill;

    return vm_fill(vm, page, want, &fill);
}

static struct vm_fill filled(gva_t page, enum vm_access want)
{
    struct vm_fill fill;

    ck_assert_int_eq(vm_fill(vm, page, want, &fill), VM_FAULT_NONE);
    return fill;
}

static uint8_t *bytes_at(uint64_t offset)
{
    uint64_t size;
    uint8_t *arena = vm_arena(vm, &size);

    ck_assert_uint_lt(offset, size);
    return arena + offset;
}

/* ---- vm_fill --------------------------------------------------------------------------------- */

START_TEST(grants_what_the_protection_allows)
{
    static const struct {
        uint32_t protect;
        enum vm_access want;
        unsigned access;
        enum vm_fault fault;
    } rows[] = {
        {PAGE_READONLY, VM_READ, VM_READ, VM_FAULT_NONE},
        {PAGE_READONLY, VM_WRITE, 0, VM_FAULT_READONLY},
        {PAGE_READONLY, VM_EXEC, 0, VM_FAULT_NOEXEC},
        {PAGE_READWRITE, VM_READ, VM_READ | VM_WRITE, VM_FAULT_NONE},
        {PAGE_READWRITE, VM_WRITE, VM_READ | VM_WRITE, VM_FAULT_NONE},
        {PAGE_READWRITE, VM_EXEC, 0, VM_FAULT_NOEXEC},
        {PAGE_EXECUTE, VM_READ, VM_READ | VM_EXEC, VM_FAULT_NONE},
        {PAGE_EXECUTE_READ, VM_EXEC, VM_READ | VM_EXEC, VM_FAULT_NONE},
        {PAGE_EXECUTE_READ, VM_WRITE, 0, VM_FAULT_READONLY},
        {PAGE_EXECUTE_READWRITE, VM_READ, VM_READ | VM_WRITE | VM_EXEC, VM_FAULT_NONE},
        {PAGE_NOACCESS, VM_READ, 0, VM_FAULT_NOACCESS},
        {PAGE_NOACCESS, VM_WRITE, 0, VM_FAULT_NOACCESS},
        {PAGE_NOACCESS, VM_EXEC, 0, VM_FAULT_NOACCESS},
        {PAGE_READWRITE | PAGE_GUARD, VM_READ, 0, VM_FAULT_GUARD},
        {PAGE_READONLY | PAGE_GUARD, VM_WRITE, 0, VM_FAULT_GUARD}, /* G07 */
    };
    struct vm_fill fill;

    build_memory(vm, A, 0x1000, RC, rows[_i].protect);
    ck_assert_int_eq(vm_fill(vm, A, rows[_i].want, &fill), rows[_i].fault);
    if (!rows[_i].fault)
        ck_assert_uint_eq(fill.access, rows[_i].access);
    ck_assert_uint_eq(region_at(vm, A).protect, rows[_i].protect);
    ck_assert_uint_eq(heard.revoked + heard.frames, 0);
}
END_TEST

START_TEST(faults_outside_committed_memory)
{
    build_reserved(vm, A, 0x10000);
    ck_assert_int_eq(fault(A, VM_READ), VM_FAULT_RESERVED);
    ck_assert_int_eq(fault(A + 0x10000, VM_READ), VM_FAULT_FREE);
    ck_assert_int_eq(fault(0, VM_EXEC), VM_FAULT_FREE);
    ck_assert_int_eq(fault(VM_USER_LIMIT_64, VM_READ), VM_FAULT_KERNEL);
    ck_assert_int_eq(fault(UINT64_C(0xfffffffffffff000), VM_READ), VM_FAULT_KERNEL);
}
END_TEST

START_TEST(same_frame_every_time)
{
    struct vm_fill first;

    build_committed(vm, A, 0x2000);
    first = filled(A, VM_READ);
    ck_assert_uint_eq(filled(A, VM_WRITE).offset, first.offset);
    ck_assert_uint_ne(filled(A + 0x1000, VM_READ).offset, first.offset);
}
END_TEST

START_TEST(only_touched_pages_take_memory)
{
    struct vm_stats stats;

    build_committed(vm, A, UINT64_C(1) << 30);
    filled(A + 0x1234000, VM_READ);
    vm_get_stats(vm, &stats);
    ck_assert_uint_eq(stats.committed, UINT64_C(1) << 30);
    ck_assert_uint_eq(stats.resident, VM_PAGE_SIZE);
}
END_TEST

START_TEST(G14_dep_off)
{
    build_committed(vm, A, 0x2000);
    ck_assert_int_eq(fault(A, VM_EXEC), VM_FAULT_NOEXEC);
    vm_set_dep(vm, false);
    ck_assert_uint_eq(heard.revoked, 1);
    ck_assert_uint_eq(filled(A, VM_EXEC).access, VM_READ | VM_WRITE | VM_EXEC);
    vm_set_dep(vm, true);
    ck_assert_int_eq(fault(A, VM_EXEC), VM_FAULT_NOEXEC);
}
END_TEST

START_TEST(full_arena)
{
    vm_free(vm);
    vm = build_vm(4);
    build_committed(vm, A, 0x4000);
    for (gva_t page = A; page < A + 0x4000; page += VM_PAGE_SIZE)
        filled(page, VM_WRITE);
    ck_succeeds(try_release(vm, A, 0x1000, MEM_DECOMMIT));
    ck_succeeds(try_allocate(vm, A, 0x1000, MEM_COMMIT, RW));
    filled(A, VM_WRITE);
    vm_free(vm);
    vm = NULL;
    {
        struct vm_config config = {.arena_size = 0x1000, .commit_limit = 0x10000};

        ck_assert_int_eq(vm_new(&config, &vm), ERR_OK);
    }
    build_committed(vm, A, 0x2000);
    filled(A, VM_WRITE);
    ck_assert_int_eq(fault(A + 0x1000, VM_READ), VM_FAULT_NOMEM);
    ck_assert(!vm_debug_write(vm, A + 0x1000, "x", 1));
}
END_TEST

START_TEST(first_write_to_writecopy)
{
    struct vm_fill before;
    uint64_t version;

    ck_succeeds(build_image(vm, IMAGE));
    before = filled(IMAGE + 0x2000, VM_READ);
    ck_assert_uint_eq(before.access, VM_READ);
    version = vm_layout_version(vm);
    ck_assert_uint_eq(filled(IMAGE + 0x2000, VM_WRITE).access, VM_READ | VM_WRITE);
    ck_assert_uint_gt(vm_layout_version(vm), version);
    ck_assert_uint_ne(filled(IMAGE + 0x2000, VM_READ).offset, before.offset);       /* its own */
    ck_assert_uint_eq(filled(IMAGE + 0x3000, VM_WRITE).access, VM_READ | VM_WRITE); /* zero page */
    ck_assert_uint_eq(heard.revoked, 0);
}
END_TEST

START_TEST(own_frames)
{
    uint64_t offset;
    struct vm_stats stats;

    ck_succeeds(vm_frame_new(vm, &offset));
    ck_assert_uint_eq(offset % VM_PAGE_SIZE, 0);
    ck_assert_uint_eq(bytes_at(offset)[4095], 0);
    vm_get_stats(vm, &stats);
    ck_assert_uint_eq(stats.resident, VM_PAGE_SIZE);
    ck_assert(vm_valid(vm));
    vm_frame_free(vm, offset);
    ck_assert_uint_eq(heard.frames, 1);
    ck_assert_uint_eq(heard.offset, offset);
}
END_TEST

/* ---- The debugger ---------------------------------------------------------------------------- */

START_TEST(reads_stop_at_what_is_not_committed)
{
    char got[0x3000];

    build_committed(vm, A, 0x1000);
    build_memory(vm, A + 0x10000, 0x1000, RC, PAGE_NOACCESS);
    ck_assert(vm_debug_write(vm, A + 0xffc, "tail", 4));
    memset(got, 1, sizeof got);
    ck_assert_uint_eq(vm_debug_read(vm, A + 0xffc, got, sizeof got), 4);
    ck_assert(memcmp(got, "tail", 4) == 0);
    ck_assert_int_eq(got[4], 1);
    ck_assert_uint_eq(vm_debug_read(vm, A + 0x1000, got, 1), 0);
    ck_assert_uint_eq(vm_debug_read(vm, A + 0x10000, got, 8), 8); /* protection does not matter */
    ck_assert_uint_eq(vm_debug_read(vm, UINT64_MAX - 3, got, 8), 0);
    ck_assert_uint_eq(vm_debug_read(vm, A, got, 0), 0);
}
END_TEST

START_TEST(reads_go_across_adjacent_allocations)
{
    char got[8] = "";

    build_committed(vm, A, 0x10000);
    build_committed(vm, A + 0x10000, 0x10000);
    ck_assert(vm_debug_write(vm, A + 0xfffc, "across", 7));
    ck_assert_uint_eq(vm_debug_read(vm, A + 0xfffc, got, 7), 7);
    ck_assert_str_eq(got, "across");
    build_committed(vm, VM_USER_LIMIT_64 - 0x10000, 0x10000);
    ck_assert_uint_eq(vm_debug_read(vm, VM_USER_LIMIT_64 - 4, got, 8), 4);
}
END_TEST

START_TEST(writes_are_all_or_nothing)
{
    build_committed(vm, A, 0x1000);
    build_reserved(vm, A + 0x10000, 0x10000);
    ck_refused(vm_debug_write(vm, A + 0xffe, "abcd", 4) ? STATUS_SUCCESS : STATUS_UNSUCCESSFUL,
               STATUS_UNSUCCESSFUL);
    ck_assert(!vm_debug_write(vm, A + 0x10000, "a", 1));
    ck_assert(!vm_debug_write(vm, UINT64_MAX, "ab", 2));
    ck_assert(!vm_debug_write(vm, VM_USER_LIMIT_64, "a", 1));
    ck_assert(vm_debug_write(vm, A + 0x10001, "", 0));
}
END_TEST

START_TEST(writes_ignore_protection_and_tell_the_cpu)
{
    struct vm_fill fill;

    build_memory(vm, A, 0x2000, RC, PAGE_EXECUTE_READ);
    fill = filled(A, VM_EXEC);
    ck_assert(vm_debug_write(vm, A + 0xfff, "\xcc\xcc", 2));
    ck_assert_uint_eq(heard.frames, 2);
    ck_assert_uint_eq(heard.revoked, 0);
    ck_assert_uint_eq(bytes_at(fill.offset)[0xfff], 0xcc);
    ck_assert_uint_eq(region_at(vm, A).protect, PAGE_EXECUTE_READ);
    ck_assert_uint_eq(region_at(vm, A).size, 0x2000);
}
END_TEST

START_TEST(G15_guards_stay)
{
    char got[4];

    build_memory(vm, A, 0x1000, RC, RW | PAGE_GUARD);
    ck_assert_uint_eq(vm_debug_read(vm, A, got, 4), 4);
    ck_assert(vm_debug_write(vm, A, "abc", 4));
    ck_assert_int_eq(fault(A, VM_READ), VM_FAULT_GUARD);
    ck_assert_uint_eq(region_at(vm, A).protect, 0x104);
}
END_TEST

START_TEST(writes_make_image_pages_private)
{
    ck_succeeds(build_image(vm, IMAGE));
    ck_assert(vm_debug_write(vm, IMAGE + 0x1ffe, "abcd", 4));
    ck_assert_uint_eq(region_at(vm, IMAGE + 0x1000).protect, PAGE_EXECUTE_READ);
    ck_assert_uint_eq(region_at(vm, IMAGE + 0x2000).protect, RW);
    ck_succeeds(try_protect(vm, IMAGE + 0x1000, 0x1000, PAGE_EXECUTE_READWRITE));
    ck_assert_uint_eq(region_at(vm, IMAGE + 0x1000).protect, PAGE_EXECUTE_READWRITE);
    ck_assert_str_eq(region_at(vm, IMAGE + 0x1000).label, "demo.exe .text");
}
END_TEST

/* ---- The observer ---------------------------------------------------------------------------- */

START_TEST(less_is_revoked_more_is_not)
{
    build_committed(vm, A, 0x10000);
    filled(A + 0x1000, VM_WRITE);
    ck_succeeds(try_protect(vm, A + 0x1000, 0x1000, PAGE_READONLY));
    ck_assert_uint_eq(heard.revoked, 1);
    ck_assert(heard.start <= A + 0x1000 && heard.end >= A + 0x2000);
    ck_succeeds(try_protect(vm, A + 0x1000, 0x1000, PAGE_EXECUTE_READ));
    ck_succeeds(try_protect(vm, A + 0x1000, 0x1000, PAGE_EXECUTE_READWRITE));
    ck_assert_uint_eq(heard.revoked, 1);
    ck_succeeds(try_protect(vm, A + 0x1000, 0x1000, PAGE_EXECUTE_READWRITE | PAGE_GUARD));
    ck_assert_uint_eq(heard.revoked, 2);
    ck_assert(vm_clear_guard(vm, A + 0x1000));
    ck_assert_uint_eq(heard.revoked, 2);
    ck_succeeds(try_allocate(vm, A, 0x10000, MEM_COMMIT, PAGE_READONLY));
    ck_assert_uint_gt(heard.revoked, 2);
}
END_TEST

START_TEST(freed_frames_are_told)
{
    uint64_t offset;

    build_committed(vm, A, 0x10000);
    offset = filled(A + 0x3000, VM_WRITE).offset;
    ck_succeeds(try_release(vm, A + 0x2000, 0x4000, MEM_DECOMMIT));
    ck_assert_uint_eq(heard.revoked, 1);
    ck_assert(heard.start <= A + 0x3000 && heard.end >= A + 0x4000);
    ck_assert_uint_eq(heard.frames, 1);
    ck_assert_uint_eq(heard.offset, offset);
    filled(A, VM_READ);
    ck_succeeds(try_release(vm, A, 0, MEM_RELEASE));
    ck_assert_uint_eq(heard.frames, 2);
    ck_succeeds(build_image(vm, IMAGE));
    listen_again();
    ck_succeeds(vm_unmap_view(vm, IMAGE));
    ck_assert_uint_eq(heard.revoked, 1);
    ck_assert_uint_eq(heard.frames, 3);
}
END_TEST

START_TEST(no_observer)
{
    vm_set_observer(vm, NULL);
    build_committed(vm, A, 0x1000);
    ck_assert(vm_debug_write(vm, A, "x", 1));
    ck_succeeds(try_release(vm, A, 0, MEM_RELEASE));
    ck_assert_uint_eq(heard.revoked + heard.frames, 0);
}
END_TEST

/* ---- Sharing, as a checkpoint does it -------------------------------------------------------- */

START_TEST(a_shared_page_is_copied_by_its_first_write)
{
    struct pagetable checkpoint;
    struct vm_fill old;
    struct vm_fill new;

    build_committed(vm, A, 0x2000);
    ck_assert(vm_debug_write(vm, A, "before", 7));
    old = filled(A, VM_READ);
    pt_share(&vm->pages, &checkpoint);
    ck_assert_uint_eq(filled(A, VM_READ).access, VM_READ); /* a write must ask */
    ck_assert_uint_eq(filled(A, VM_READ).offset, old.offset);
    new = filled(A, VM_WRITE);
    ck_assert_uint_ne(new.offset, old.offset);
    ck_assert_uint_eq(new.access, VM_READ | VM_WRITE);
    memcpy(bytes_at(new.offset), "after!", 7);
    ck_assert_str_eq((char *)bytes_at(old.offset), "before");
    ck_assert(vm_valid(vm));
    pt_fini(&checkpoint);
    ck_assert_uint_eq(heard.offset, old.offset); /* freed with the checkpoint */
}
END_TEST

START_TEST(a_host_write_to_a_shared_page_moves_it)
{
    struct pagetable checkpoint;
    uint64_t old;

    build_committed(vm, A, 0x1000);
    old = filled(A, VM_WRITE).offset;
    pt_share(&vm->pages, &checkpoint);
    listen_again();
    ck_assert(vm_debug_write(vm, A, "x", 1));
    ck_assert_uint_eq(heard.revoked, 1);
    ck_assert_uint_eq(heard.start, A);
    ck_assert_uint_ne(heard.offset, old);
    ck_assert_uint_eq(bytes_at(old)[0], 0);
    pt_fini(&checkpoint);
}
END_TEST

/* ---- Images ---------------------------------------------------------------------------------- */

START_TEST(image_contents_and_gaps)
{
    char got[4];
    struct vm_stats stats;

    ck_succeeds(build_image(vm, IMAGE));
    ck_assert_uint_eq(vm_debug_read(vm, IMAGE + 0x1ffe, got, 4), 4);
    ck_assert(memcmp(got,
                     "\xcc\xcc"
                     "dd",
                     4) == 0);
    ck_assert_str_eq(region_at(vm, IMAGE).path, "C:\\demo.exe");
    vm_get_stats(vm, &stats);
    ck_assert_uint_eq(stats.resident, 0x3000); /* the zero page takes none */
}
END_TEST

START_TEST(image_refusals)
{
    static const struct {
        gva_t base;
        uint64_t size;
        struct vm_image_run runs[2];
        nt_status status;
    } rows[] = {
        {IMAGE + 0x1000,
         0x2000,
         {{0, 0x1000, 2, ""}, {0x1000, 0x1000, 2, ""}},
         STATUS_MAPPED_ALIGNMENT},
        {0, 0x2000, {{0, 0x1000, 2, ""}, {0x1000, 0x1000, 2, ""}}, STATUS_INVALID_PARAMETER},
        {IMAGE, 0, {{0, 0x1000, 2, ""}, {0x1000, 0x1000, 2, ""}}, STATUS_INVALID_PARAMETER},
        {VM_USER_LIMIT_64,
         0x2000,
         {{0, 0x1000, 2, ""}, {0x1000, 0x1000, 2, ""}},
         STATUS_INVALID_PARAMETER_3},
        {IMAGE,
         UINT64_MAX,
         {{0, 0x1000, 2, ""}, {0x1000, 0x1000, 2, ""}},
         STATUS_INVALID_PARAMETER},
        {IMAGE, 0x2000, {{0x1000, 0x1000, 2, ""}, {0, 0x1000, 2, ""}}, STATUS_INVALID_PARAMETER},
        {IMAGE, 0x2000, {{0, 0x2000, 2, ""}, {0x1000, 0x1000, 2, ""}}, STATUS_INVALID_PARAMETER},
        {IMAGE, 0x2000, {{0, 0x1000, 2, ""}, {0x1000, 0x2000, 2, ""}}, STATUS_INVALID_PARAMETER},
        {IMAGE, 0x2000, {{0, 0x1000, 2, ""}, {0x2000, 0x1000, 2, ""}}, STATUS_INVALID_PARAMETER},
        {IMAGE, 0x2000, {{0, 0x1000, 2, ""}, {0x1000, 0, 2, ""}}, STATUS_INVALID_PARAMETER},
        {IMAGE, 0x2000, {{0, 0x1000, 2, ""}, {0x1800, 0x800, 2, ""}}, STATUS_INVALID_PARAMETER},
        {IMAGE, 0x2000, {{0, 0x1000, 2, ""}, {0x1000, 0x1000, 0, ""}}, STATUS_INVALID_PARAMETER},
        {IMAGE,
         0x2000,
         {{0, 0x1000, 2, ""}, {0x1000, UINT64_MAX - 0xfff, 2, ""}},
         STATUS_INVALID_PARAMETER},
        {A, 0x2000, {{0, 0x1000, 2, ""}, {0x1000, 0x1000, 2, ""}}, STATUS_CONFLICTING_ADDRESSES},
    };
    static const uint8_t bytes[0x2000];
    struct vm_image image = {.base = rows[_i].base,
                             .size = rows[_i].size,
                             .bytes = bytes,
                             .runs = rows[_i].runs,
                             .run_count = 2};

    build_committed(vm, A + 0x1000, 0x1000);
    ck_refused(vm_map_image(vm, &image), rows[_i].status);
}
END_TEST

START_TEST(image_with_holes_and_a_short_end)
{
    static const struct vm_image_run runs[] = {{0x1000, 0x1000, PAGE_READWRITE, "shared"}};
    uint8_t bytes[0x2801];
    uint8_t got = 0;
    struct vm_image image = {
        .base = IMAGE, .size = sizeof bytes, .bytes = bytes, .runs = runs, .run_count = 1};

    memset(bytes, 7, sizeof bytes);
    ck_succeeds(vm_map_image(vm, &image));
    ck_assert_uint_eq(region_at(vm, IMAGE).allocation_size, 0x3000);
    ck_assert_uint_eq(region_at(vm, IMAGE).protect, PAGE_NOACCESS);
    ck_assert_uint_eq(region_at(vm, IMAGE + 0x1000).protect, PAGE_READWRITE);
    ck_assert_uint_eq(region_at(vm, IMAGE + 0x2000).protect, PAGE_NOACCESS);
    ck_assert_uint_eq(vm_debug_read(vm, IMAGE + 0x2800, &got, 1), 1);
    ck_assert_uint_eq(got, 7);
    ck_assert_uint_eq(vm_debug_read(vm, IMAGE + 0x2801, &got, 1), 1);
    ck_assert_uint_eq(got, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("vm_access");
    TCase *fill = tcase_create("fill");
    TCase *debug = tcase_create("debugger");
    TCase *tell = tcase_create("observer");
    TCase *image = tcase_create("images");

    tcase_add_checked_fixture(fill, setup, vm_teardown);
    tcase_add_checked_fixture(debug, setup, vm_teardown);
    tcase_add_checked_fixture(tell, setup, vm_teardown);
    tcase_add_checked_fixture(image, setup, vm_teardown);
    tcase_add_loop_test(fill, grants_what_the_protection_allows, 0, 15);
    tcase_add_test(fill, faults_outside_committed_memory);
    tcase_add_test(fill, same_frame_every_time);
    tcase_add_test(fill, only_touched_pages_take_memory);
    tcase_add_test(fill, G14_dep_off);
    tcase_add_test(fill, full_arena);
    tcase_add_test(fill, first_write_to_writecopy);
    tcase_add_test(fill, own_frames);
    tcase_add_test(debug, reads_stop_at_what_is_not_committed);
    tcase_add_test(debug, reads_go_across_adjacent_allocations);
    tcase_add_test(debug, writes_are_all_or_nothing);
    tcase_add_test(debug, writes_ignore_protection_and_tell_the_cpu);
    tcase_add_test(debug, G15_guards_stay);
    tcase_add_test(debug, writes_make_image_pages_private);
    tcase_add_test(tell, less_is_revoked_more_is_not);
    tcase_add_test(tell, freed_frames_are_told);
    tcase_add_test(tell, no_observer);
    tcase_add_test(tell, a_shared_page_is_copied_by_its_first_write);
    tcase_add_test(tell, a_host_write_to_a_shared_page_moves_it);
    tcase_add_test(image, image_contents_and_gaps);
    tcase_add_loop_test(image, image_refusals, 0, 14);
    tcase_add_test(image, image_with_holes_and_a_short_end);
    suite_add_tcase(s, fill);
    suite_add_tcase(s, debug);
    suite_add_tcase(s, tell);
    suite_add_tcase(s, image);
    return suite_main(s);
}
