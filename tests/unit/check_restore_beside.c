/* core/vm/save.c and view.c: a moment of one address space is restored while others beside it show the same sections. */
#include <check.h>

#include "spaces_fixture.h"
#include "suite.h"

#define A  SPACES_VIEW
#define B  UINT64_C(0x400000)
#define RW PAGE_READWRITE

START_TEST(a_restored_section_is_set_back_for_all)
{
    struct vm_saved *saved;

    shared = build_section(vms[0], 0x10000, RW, SEC_COMMIT);
    show_everywhere(RW);
    build_committed(vms[1], B, 0x1000);
    store_byte(vms[1], A, 1);
    store_byte(vms[1], B, 1);
    saved = vm_save(vms[0]);
    for (size_t i = 0; i < SPACES; i++)
        ck_assert_uint_ge(heard[i].revoked, 1); /* what may be written is the moment's, too */
    store_byte(vms[1], A, 2);
    store_byte(vms[1], B, 2);
    ck_assert_uint_eq(byte_at(vms[0], A), 2);
    heard[1].revoked = heard[2].revoked = 0;
    ck_assert(vm_restore(vms[0], saved));
    for (size_t i = 0; i < SPACES; i++)
        ck_assert_uint_eq(byte_at(vms[i], A), 1);
    ck_assert_uint_eq(byte_at(vms[1], B), 2);
    ck_assert_uint_ge(heard[1].revoked, 1);
    ck_assert_uint_ge(heard[2].revoked, 1);
    store_byte(vms[2], A, 3);
    ck_assert_uint_eq(byte_at(vms[0], A), 3);
    ck_assert(vm_restore(vms[0], saved));
    ck_assert_uint_eq(byte_at(vms[2], A), 1);
    vm_saved_free(saved);
}
END_TEST

START_TEST(sections_of_other_spaces_are_not_in_a_moment)
{
    struct vm_saved *saved;

    shared = build_section(vms[0], 0x10000, RW, SEC_COMMIT);
    build_view(vms[1], shared, A, 0, 0, RW);
    store_byte(vms[1], A, 1);
    saved = vm_save(vms[0]);
    store_byte(vms[1], A, 2);
    ck_assert(vm_restore(vms[0], saved));
    ck_assert_uint_eq(byte_at(vms[1], A), 2);
    vm_saved_free(saved);
    ck_succeeds(vm_unmap_view(vms[1], A));
    saved = vm_save(vms[0]); /* nobody shows it now */
    build_view(vms[1], shared, A, 0, 0, RW);
    store_byte(vms[1], A, 3);
    ck_assert(vm_restore(vms[0], saved));
    ck_assert_uint_eq(byte_at(vms[1], A), 2);
    vm_saved_free(saved);
}
END_TEST

/* A section of eight reserved pages, of which page 1 is committed in a first moment and 1, 2 and 5 in a second. */
static struct vm_saved *first, *second;

static void save_two_moments(void)
{
    shared = build_section(vms[0], 0x8000, RW, SEC_RESERVE);
    show_everywhere(RW);
    build_view(vms[1], shared, B, 0, 0, PAGE_WRITECOPY);
    ck_succeeds(try_allocate(vms[0], A + 0x1000, 0x1000, MEM_COMMIT, RW));
    store_byte(vms[0], A + 0x1000, 1);
    first = vm_save(vms[0]);
    ck_succeeds(try_allocate(vms[1], A + 0x2000, 0x1000, MEM_COMMIT, RW));
    ck_succeeds(try_allocate(vms[2], A + 0x5000, 0x1000, MEM_COMMIT, RW));
    store_byte(vms[2], A + 0x5000, 5);
    second = vm_save(vms[0]);
    store_byte(vms[1], B + 0x1000, 7); /* copies, which are no moment's */
    store_byte(vms[1], B + 0x5000, 8);
    ck_assert_uint_eq(stats(1).own, 0x3000);
}

static void free_moments(void)
{
    vm_saved_free(first);
    vm_saved_free(second);
}

static void check_committed(const struct vm *vm, gva_t base, unsigned bits)
{
    for (unsigned i = 0; i < 8; i++)
        ck_assert_uint_eq(region_at(vm, base + i * VM_PAGE_SIZE).state,
                          bits >> i & 1 ? MEM_COMMIT : MEM_RESERVE);
}

static void check_all_committed(unsigned bits)
{
    for (size_t i = 0; i < SPACES; i++) {
        check_committed(vms[i], A, bits);
        ck_assert(vm_valid(vms[i]));
    }
    check_committed(vms[1], B, bits);
}

START_TEST(views_beside_follow_what_is_committed)
{
    uint64_t layout;

    save_two_moments();
    layout = vm_layout_version(vms[2]);
    ck_assert(vm_restore(vms[0], first));
    check_all_committed(0x02);
    ck_assert_uint_gt(vm_layout_version(vms[2]), layout);
    ck_assert_uint_eq(stats(1).own, 0x1000);
    ck_assert_uint_eq(stats(0).committed, 0x2000);
    ck_assert_uint_eq(byte_at(vms[1], B + 0x1000), 7);
    ck_assert(vm_restore(vms[0], second));
    check_all_committed(0x26);
    ck_assert_uint_eq(stats(1).own, 0x3000);
    ck_assert_uint_eq(stats(0).committed, 0x6000);
    ck_assert_uint_eq(byte_at(vms[1], B + 0x5000), 5); /* the copy went */
    ck_assert_uint_eq(byte_at(vms[2], A + 0x5000), 5);
    free_moments();
}
END_TEST

/* Each space has a moment; they come back one after the other. */
START_TEST(several_spaces_are_saved_and_restored)
{
    struct vm_saved *saved[SPACES];

    save_two_moments();
    for (size_t i = 0; i < SPACES; i++)
        saved[i] = vm_save(vms[i]);
    ck_succeeds(try_allocate(vms[2], A + 0x6000, 0x2000, MEM_COMMIT, RW));
    store_byte(vms[2], A + 0x1000, 9);
    store_byte(vms[1], B + 0x6000, 9);
    ck_succeeds(vm_unmap_view(vms[0], A));
    build_committed(vms[2], B, 0x4000);
    for (size_t i = 0; i < SPACES; i++)
        ck_assert(vm_restore(vms[i], saved[i]));
    check_all_committed(0x26);
    ck_assert_uint_eq(byte_at(vms[0], A + 0x1000), 1);
    ck_assert_uint_eq(byte_at(vms[1], B + 0x1000), 7);
    ck_assert_uint_eq(byte_at(vms[1], B + 0x5000), 8);
    ck_assert_uint_eq(region_at(vms[2], B).state, MEM_FREE);
    for (size_t i = 0; i < SPACES; i++)
        vm_saved_free(saved[i]);
    free_moments();
}
END_TEST

START_TEST(views_beside_follow_or_nothing_changes)
{
    save_two_moments();
    EACH_WITHOUT_MEMORY(vm_restore(vms[0], first) ? STATUS_SUCCESS : STATUS_NO_MEMORY);
    check_all_committed(0x02);
    EACH_WITHOUT_MEMORY(vm_restore(vms[0], second) ? STATUS_SUCCESS : STATUS_NO_MEMORY);
    check_all_committed(0x26);
    free_moments();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("restore_beside");
    TCase *tc = tcase_create("moments");

    tcase_add_checked_fixture(tc, spaces_setup, spaces_teardown);
    tcase_add_test(tc, a_restored_section_is_set_back_for_all);
    tcase_add_test(tc, sections_of_other_spaces_are_not_in_a_moment);
    tcase_add_test(tc, views_beside_follow_what_is_committed);
    tcase_add_test(tc, several_spaces_are_saved_and_restored);
    tcase_add_test(tc, views_beside_follow_or_nothing_changes);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
