/* core/vm/release.c against rules F01..F24 and M16, M17 of NT-MEMORY-RULES, each test named by its row. */
#include <check.h>
#include <string.h>

#include "suite.h"
#include "vm_fixture.h"

#define A     UINT64_C(0x200000)
#define IMAGE UINT64_C(0x140000000)

static void setup(void)
{
    vm_setup();
    build_committed(vm, A, 0x10000);
}

/* The outputs of a refused call stay as they were. */
#define ck_release_refused(base_, size_, type, status)                                             \
    do {                                                                                           \
        gva_t base = base_;                                                                        \
        uint64_t size = size_;                                                                     \
        ck_refused(vm_release(vm, &base, &size, type), status);                                    \
        ck_assert_uint_eq(base, base_);                                                            \
        ck_assert_uint_eq(size, size_);                                                            \
    } while (0)

START_TEST(F01_type_0)
{
    ck_release_refused(A, 0, 0, STATUS_INVALID_PARAMETER_4);
}
END_TEST

START_TEST(F02_type_free)
{
    ck_release_refused(A, 0, MEM_FREE, STATUS_INVALID_PARAMETER_4);
}
END_TEST

START_TEST(F03_release_and_decommit)
{
    ck_release_refused(A, 0, MEM_RELEASE | MEM_DECOMMIT, STATUS_INVALID_PARAMETER_4);
}
END_TEST

START_TEST(F04_above_the_top)
{
    ck_release_refused(VM_USER_LIMIT_64, 0, MEM_RELEASE, STATUS_INVALID_PARAMETER_2);
    ck_release_refused(UINT64_MAX, 1, MEM_DECOMMIT, STATUS_INVALID_PARAMETER_2);
    ck_release_refused(A, UINT64_MAX, MEM_RELEASE, STATUS_INVALID_PARAMETER_3);
    ck_release_refused(A, VM_USER_LIMIT_64, MEM_DECOMMIT, STATUS_INVALID_PARAMETER_3);
}
END_TEST

START_TEST(F05_not_allocated)
{
    ck_release_refused(A + 0x10000, 0, MEM_RELEASE, STATUS_MEMORY_NOT_ALLOCATED);
    ck_release_refused(A - 1, 0x1000, MEM_DECOMMIT, STATUS_MEMORY_NOT_ALLOCATED);
    ck_release_refused(UINT64_C(0), 0, MEM_RELEASE, STATUS_MEMORY_NOT_ALLOCATED);
}
END_TEST

START_TEST(F06_twice)
{
    ck_succeeds(try_release(vm, A, 0, MEM_RELEASE));
    ck_release_refused(A, 0, MEM_RELEASE, STATUS_MEMORY_NOT_ALLOCATED);
}
END_TEST

START_TEST(F07_past_the_end)
{
    build_committed(vm, A + 0x10000, 0x10000);
    ck_release_refused(A, 0x10001, MEM_RELEASE, STATUS_UNABLE_TO_FREE_VM);
    ck_release_refused(A + 0xF000, 0x1001, MEM_DECOMMIT, STATUS_UNABLE_TO_FREE_VM);
}
END_TEST

START_TEST(F08_image)
{
    ck_succeeds(build_image(vm, IMAGE));
    ck_release_refused(IMAGE, 0, MEM_RELEASE, STATUS_UNABLE_TO_DELETE_SECTION);
    ck_release_refused(IMAGE + 0x1000, 0x1000, MEM_DECOMMIT, STATUS_UNABLE_TO_DELETE_SECTION);
}
END_TEST

START_TEST(F10_whole_from_within_the_first_page)
{
    gva_t base = A + 0xFFF;
    uint64_t size = 0;

    ck_succeeds(vm_release(vm, &base, &size, MEM_RELEASE));
    ck_assert_uint_eq(base, A);
    ck_assert_uint_eq(size, 0x10000);
}
END_TEST

START_TEST(F11_whole_from_the_second_page)
{
    ck_release_refused(A + 0x1001, 0, MEM_RELEASE, STATUS_FREE_VM_NOT_AT_BASE);
}
END_TEST

START_TEST(F12_whole_by_size)
{
    ck_succeeds(try_release(vm, A, 0x10000, MEM_RELEASE));
    ck_assert_uint_eq(region_at(vm, A).state, MEM_FREE);
}
END_TEST

START_TEST(F13_head)
{
    struct vm_region r;

    ck_assert(vm_debug_write(vm, A + 0x3000, "kept", 5));
    ck_succeeds(try_release(vm, A, 0x3000, MEM_RELEASE));
    ck_assert_uint_eq(region_at(vm, A).state, MEM_FREE);
    r = region_at(vm, A + 0x3000);
    ck_assert_uint_eq(r.allocation_base, A + 0x3000);
    ck_assert_uint_eq(r.allocation_size, 0xD000);
    ck_assert_uint_eq(r.size, 0xD000);
    ck_succeeds(try_release(vm, A + 0x3000, 0, MEM_RELEASE));
}
END_TEST

START_TEST(F14_tail)
{
    struct vm_region r;

    ck_succeeds(try_release(vm, A + 0xC000, 0x4000, MEM_RELEASE));
    ck_assert_uint_eq(region_at(vm, A + 0xC000).state, MEM_FREE);
    r = region_at(vm, A);
    ck_assert_uint_eq(r.allocation_base, A);
    ck_assert_uint_eq(r.allocation_size, 0xC000);
}
END_TEST

START_TEST(F15_middle)
{
    struct vm_region r;
    char text[5] = "";

    ck_assert(vm_set_label(vm, A, "both", false));
    ck_assert(vm_debug_write(vm, A + 0x8000, "kept", 5));
    ck_succeeds(try_protect(vm, A + 0xA000, 0x1000, PAGE_READONLY));
    ck_succeeds(try_release(vm, A + 0x4000, 0x4000, MEM_RELEASE));
    ck_assert_uint_eq(region_at(vm, A).allocation_size, 0x4000);
    ck_assert_uint_eq(region_at(vm, A + 0x4000).size, 0x4000);
    r = region_at(vm, A + 0x8000);
    ck_assert_uint_eq(r.allocation_base, A + 0x8000);
    ck_assert_uint_eq(r.allocation_size, 0x8000);
    ck_assert_uint_eq(r.allocation_protect, PAGE_READWRITE);
    ck_assert_str_eq(r.label, "both");
    ck_assert_uint_eq(region_at(vm, A + 0xA000).protect, PAGE_READONLY);
    ck_assert_uint_eq(vm_debug_read(vm, A + 0x8000, text, 5), 5);
    ck_assert_str_eq(text, "kept");
    ck_succeeds(try_release(vm, A, 0, MEM_RELEASE));
    ck_succeeds(try_release(vm, A + 0x8000, 0, MEM_RELEASE));
}
END_TEST

START_TEST(F16_mixed)
{
    build_reserved(vm, A + 0x100000, 0x10000);
    ck_succeeds(try_allocate(vm, A + 0x103000, 0x1000, MEM_COMMIT, PAGE_READWRITE));
    ck_succeeds(try_release(vm, A + 0x100000, 0, MEM_RELEASE));
}
END_TEST

START_TEST(F17_decommit_touches_both_pages)
{
    gva_t base = A + 0x1FFF;
    uint64_t size = 2;

    ck_succeeds(vm_release(vm, &base, &size, MEM_DECOMMIT));
    ck_assert_uint_eq(base, A + 0x1000);
    ck_assert_uint_eq(size, 0x2000);
    ck_assert_uint_eq(region_at(vm, A + 0x1000).size, 0x2000);
}
END_TEST

START_TEST(F18_decommit_of_everything)
{
    gva_t base = A + 0xFFE;
    uint64_t size = 0;

    ck_succeeds(vm_release(vm, &base, &size, MEM_DECOMMIT));
    ck_assert_uint_eq(base, A);
    ck_assert_uint_eq(size, 0);
    ck_assert_uint_eq(region_at(vm, A).state, MEM_RESERVE);
    ck_assert_uint_eq(region_at(vm, A).size, 0x10000);
}
END_TEST

START_TEST(F19_decommit_of_everything_from_the_second_page)
{
    ck_release_refused(A + 0x1001, 0, MEM_DECOMMIT, STATUS_FREE_VM_NOT_AT_BASE);
}
END_TEST

START_TEST(F20_decommit_of_reserved_pages)
{
    ck_succeeds(try_release(vm, A, 0x4000, MEM_DECOMMIT));
    ck_succeeds(try_release(vm, A, 0x8000, MEM_DECOMMIT));
    ck_assert_uint_eq(region_at(vm, A).size, 0x8000);
}
END_TEST

START_TEST(F21_decommitted_is_reserved)
{
    ck_succeeds(try_release(vm, A, 0x4000, MEM_DECOMMIT));
    ck_assert_uint_eq(region_at(vm, A).state, MEM_RESERVE);
    ck_assert_uint_eq(region_at(vm, A).protect, 0);
    ck_assert_uint_eq(region_at(vm, A).allocation_protect, PAGE_READWRITE);
}
END_TEST

START_TEST(F24_released_is_free)
{
    ck_succeeds(try_release(vm, A, 0, MEM_RELEASE));
    ck_assert_uint_eq(region_at(vm, A).state, MEM_FREE);
    ck_assert_uint_eq(region_at(vm, A).allocation_base, 0);
}
END_TEST

START_TEST(M16_unmap_from_inside)
{
    ck_succeeds(build_image(vm, IMAGE));
    ck_succeeds(vm_unmap_view(vm, IMAGE + 0x2345));
    ck_assert_uint_eq(region_at(vm, IMAGE).state, MEM_FREE);
}
END_TEST

START_TEST(M17_nothing_to_unmap)
{
    ck_succeeds(build_image(vm, IMAGE));
    ck_succeeds(vm_unmap_view(vm, IMAGE));
    ck_refused(vm_unmap_view(vm, IMAGE), STATUS_NOT_MAPPED_VIEW);
    ck_refused(vm_unmap_view(vm, A), STATUS_NOT_MAPPED_VIEW);
    ck_refused(vm_unmap_view(vm, UINT64_MAX), STATUS_NOT_MAPPED_VIEW);
}
END_TEST

START_TEST(frames_return)
{
    struct vm_stats stats;

    for (gva_t page = A; page < A + 0x10000; page += VM_PAGE_SIZE)
        ck_assert(vm_debug_write(vm, page, "x", 1));
    vm_get_stats(vm, &stats);
    ck_assert_uint_eq(stats.resident, 0x10000);
    ck_succeeds(try_release(vm, A, 0x4000, MEM_DECOMMIT));
    ck_succeeds(try_release(vm, A + 0x8000, 0x4000, MEM_RELEASE));
    vm_get_stats(vm, &stats);
    ck_assert_uint_eq(stats.resident, 0x8000);
    ck_assert_uint_eq(stats.committed, 0x8000);
    ck_assert_uint_eq(stats.reserved, 0xC000);
    ck_assert_uint_eq(stats.allocations, 2);
}
END_TEST

START_TEST(everything_is_unmapped)
{
    struct vm_saved *saved = vm_save(vm);
    uint64_t version = vm_layout_version(vm);
    uint64_t own;
    struct vm_stats stats;

    ck_succeeds(vm_frame_new(vm, &own));
    ck_succeeds(build_image(vm, IMAGE));
    ck_assert(vm_debug_write(vm, A, "x", 1));
    vm_unmap_all(vm);
    ck_assert_uint_eq(region_at(vm, 0).size, VM_USER_LIMIT_64);
    vm_get_stats(vm, &stats);
    ck_assert_uint_eq(stats.allocations, 0);
    ck_assert_uint_eq(stats.reserved, 0);
    ck_assert_uint_eq(stats.committed, 0);
    ck_assert_uint_eq(stats.resident, VM_PAGE_SIZE); /* the frame of our own */
    ck_assert_uint_gt(vm_layout_version(vm), version);
    build_committed(vm, A, 0x20000);
    ck_assert(vm_restore(vm, saved));
    ck_assert_uint_eq(region_at(vm, A).allocation_size, 0x10000);
    ck_assert_uint_eq(region_at(vm, IMAGE).state, MEM_FREE);
    vm_saved_free(saved);
    vm_frame_free(vm, own);
}
END_TEST

START_TEST(nothing_is_unmapped_twice)
{
    vm_unmap_all(vm);
    vm_unmap_all(vm);
    ck_assert_uint_eq(region_at(vm, 0).size, VM_USER_LIMIT_64);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("vm_release");
    TCase *tc = tcase_create("rules");

    tcase_add_checked_fixture(tc, setup, vm_teardown);
    tcase_add_test(tc, F01_type_0);
    tcase_add_test(tc, F02_type_free);
    tcase_add_test(tc, F03_release_and_decommit);
    tcase_add_test(tc, F04_above_the_top);
    tcase_add_test(tc, F05_not_allocated);
    tcase_add_test(tc, F06_twice);
    tcase_add_test(tc, F07_past_the_end);
    tcase_add_test(tc, F08_image);
    tcase_add_test(tc, F10_whole_from_within_the_first_page);
    tcase_add_test(tc, F11_whole_from_the_second_page);
    tcase_add_test(tc, F12_whole_by_size);
    tcase_add_test(tc, F13_head);
    tcase_add_test(tc, F14_tail);
    tcase_add_test(tc, F15_middle);
    tcase_add_test(tc, F16_mixed);
    tcase_add_test(tc, F17_decommit_touches_both_pages);
    tcase_add_test(tc, F18_decommit_of_everything);
    tcase_add_test(tc, F19_decommit_of_everything_from_the_second_page);
    tcase_add_test(tc, F20_decommit_of_reserved_pages);
    tcase_add_test(tc, F21_decommitted_is_reserved);
    tcase_add_test(tc, F24_released_is_free);
    tcase_add_test(tc, M16_unmap_from_inside);
    tcase_add_test(tc, M17_nothing_to_unmap);
    tcase_add_test(tc, frames_return);
    tcase_add_test(tc, everything_is_unmapped);
    tcase_add_test(tc, nothing_is_unmapped_twice);
    suite_add_tcase(s, tc);
    return suite_main(s);
}
