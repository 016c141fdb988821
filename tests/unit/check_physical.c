/*
 * core/vm/physical.c: address spaces beside each other. Sections are seen in all of them, commitment and frames are common,
 * each observer hears what concerns it, and nothing depends on which of them goes first.
 */
#include <check.h>
#include <string.h>

#include "spaces_fixture.h"
#include "suite.h"
#include "vm/section.h"
#include "winstub/foreign.h"

#define A     SPACES_VIEW
#define B     UINT64_C(0x400000)
#define IMAGE UINT64_C(0x140000000)
#define RW    PAGE_READWRITE

/* ---- Sections --------------------------------------------------------------------------------- */

START_TEST(a_section_shows_the_same_bytes_in_all)
{
    shared = build_section(vms[0], 0x20000, RW, SEC_COMMIT);
    show_everywhere(RW);
    build_view(vms[1], shared, B, 0x10000, 0, RW);
    store_byte(vms[0], A, 1);
    store_byte(vms[1], A + 1, 2);
    store_byte(vms[2], A + 0x10002, 3);
    for (size_t i = 0; i < SPACES; i++) {
        ck_assert_uint_eq(byte_at(vms[i], A), 1);
        ck_assert_uint_eq(byte_at(vms[i], A + 1), 2);
        ck_assert_uint_eq(byte_at(vms[i], A + 0x10002), 3);
        ck_assert_uint_eq(offset_of(i, A, VM_READ), offset_of(0, A, VM_WRITE));
    }
    ck_assert_uint_eq(byte_at(vms[1], B + 2), 3);
    ck_succeeds(vm_write(vms[1], A + 0x1000, "abc", 3));
    ck_assert_uint_eq(byte_at(vms[0], A + 0x1001), 'b');
    ck_assert(vm_debug_write(vms[2], A + 0x1000, "xyz", 3));
    ck_assert_uint_eq(byte_at(vms[0], A + 0x1001), 'y');
}
END_TEST

START_TEST(private_memory_is_of_one_space)
{
    build_committed(vms[0], A, 0x1000);
    store_byte(vms[0], A, 1);
    ck_assert_uint_eq(region_at(vms[1], A).state, MEM_FREE);
    build_committed(vms[1], A, 0x1000);
    ck_assert_uint_eq(byte_at(vms[1], A), 0);
    ck_assert_uint_ne(offset_of(0, A, VM_READ), offset_of(1, A, VM_READ));
}
END_TEST

START_TEST(M12_a_commit_through_one_is_seen_by_all)
{
    uint64_t layout[SPACES];

    shared = build_section(vms[0], 0x4000, RW, SEC_RESERVE);
    show_everywhere(RW);
    build_view(vms[2], shared, B, 0, 0, PAGE_READONLY);
    for (size_t i = 0; i < SPACES; i++)
        layout[i] = vm_layout_version(vms[i]);
    ck_succeeds(try_allocate(vms[1], A + 0x1000, 0x1000, MEM_COMMIT, PAGE_READONLY));
    ck_assert_uint_eq(region_at(vms[0], A + 0x1000).protect, RW);
    ck_assert_uint_eq(region_at(vms[1], A + 0x1000).protect, PAGE_READONLY);
    ck_assert_uint_eq(region_at(vms[2], A + 0x1000).protect, RW);
    ck_assert_uint_eq(region_at(vms[2], B + 0x1000).protect, PAGE_READONLY);
    for (size_t i = 0; i < SPACES; i++) {
        ck_assert_uint_eq(region_at(vms[i], A).state, MEM_RESERVE);
        ck_assert_uint_eq(region_at(vms[i], A + 0x2000).state, MEM_RESERVE);
        ck_assert_uint_gt(vm_layout_version(vms[i]), layout[i]);
        ck_assert(vm_valid(vms[i]));
        ck_assert_uint_eq(stats(i).own, 0);
        ck_assert_uint_eq(stats(i).committed, 0x1000);
    }
    store_byte(vms[2], A + 0x1000, 7);
    ck_assert_uint_eq(byte_at(vms[0], A + 0x1000), 7);
}
END_TEST

/* A view that copies is charged where it is. */
START_TEST(M12_a_commit_charges_every_view_that_copies)
{
    shared = build_section(vms[0], 0x4000, RW, SEC_RESERVE);
    build_view(vms[0], shared, A, 0, 0, RW);
    build_view(vms[1], shared, A, 0, 0, PAGE_WRITECOPY);
    ck_succeeds(try_allocate(vms[0], A, 0x2000, MEM_COMMIT, RW));
    ck_assert_uint_eq(stats(0).own, 0);
    ck_assert_uint_eq(stats(1).own, 0x2000);
    ck_assert_uint_eq(stats(2).own, 0);
    ck_assert_uint_eq(stats(2).committed, 0x4000);
    store_byte(vms[1], A, 5);
    ck_assert_uint_eq(byte_at(vms[0], A), 0);
}
END_TEST

START_TEST(a_protection_is_of_one_view)
{
    shared = build_section(vms[0], 0x10000, RW, SEC_COMMIT);
    show_everywhere(RW);
    (void)offset_of(0, A, VM_WRITE);
    ck_succeeds(try_protect(vms[0], A, 0x1000, PAGE_READONLY));
    ck_assert_uint_eq(heard[0].revoked, 1);
    ck_assert_uint_eq(heard[1].revoked, 0);
    ck_assert_uint_eq(region_at(vms[1], A).protect, RW);
    store_byte(vms[1], A, 4);
    ck_assert_uint_eq(byte_at(vms[0], A), 4);
}
END_TEST

/* An image whose section is mapped in every space. */
static void show_image_everywhere(void)
{
    struct vm_view_request req = {.base = IMAGE};

    ck_succeeds(build_image(vms[0], IMAGE));
    shared = vm_section_ref(vms[0]->physical->sections);
    for (size_t i = 1; i < SPACES; i++)
        ck_succeeds(vm_section_map(vms[i], shared, &req, NULL, NULL));
}

START_TEST(M24_pages_of_images_become_private_to_each)
{
    gva_t data = IMAGE + 0x2000, text = IMAGE + 0x1000;
    uint8_t was;

    show_image_everywhere();
    was = byte_at(vms[0], data);
    ck_assert_uint_eq(offset_of(1, text, VM_EXEC), offset_of(0, text, VM_EXEC));
    store_byte(vms[1], data, (uint8_t)(was + 1));
    ck_assert_uint_eq(byte_at(vms[0], data), was);
    ck_assert_uint_eq(byte_at(vms[2], data), was);
    ck_assert(vm_debug_write(vms[2], text, "\x17", 1));
    ck_assert_uint_ne(byte_at(vms[0], text), 0x17);
    ck_assert_uint_eq(region_at(vms[1], data).protect, RW);
    ck_assert_uint_eq(region_at(vms[0], data).protect, PAGE_WRITECOPY);
}
END_TEST

START_TEST(what_becomes_private_is_revoked_there_alone)
{
    show_image_everywhere();
    ck_assert(vm_debug_write(vms[2], IMAGE + 0x1000, "\xcc", 1));
    ck_assert_uint_eq(heard[0].revoked, 0);
    ck_assert_uint_eq(heard[1].revoked, 0);
    ck_assert_uint_eq(heard[2].revoked, 1);
    ck_assert_uint_eq(heard[2].start, IMAGE + 0x1000);
}
END_TEST

START_TEST(a_file_is_written_back_after_its_maker_is_gone)
{
    shared = build_file_section(vms[0], &shared_file, RW);
    show_everywhere(RW);
    store_byte(vms[0], A + 0x1000, 'p');
    drop_space(0);
    store_byte(vms[1], A + 0x2000, 'c');
    ck_assert_uint_eq(byte_at(vms[2], A + 0x1000), 'p');
    ck_succeeds(vm_section_flush(vms[2], A, 0));
    ck_assert_uint_eq(shared_file.bytes[0x1000], 'p');
    ck_assert_uint_eq(shared_file.bytes[0x2000], 'c');
    ck_assert_uint_eq(shared_file.writes, 2);
}
END_TEST

/* After a write back each write is to be noted, whichever space it comes from. */
START_TEST(a_write_back_is_told_to_all)
{
    shared = build_file_section(vms[0], &shared_file, RW);
    show_everywhere(RW);
    store_byte(vms[0], A, 'p');
    ck_succeeds(vm_section_flush(vms[1], A, 0));
    for (size_t i = 0; i < SPACES; i++) {
        struct vm_fill fill;

        ck_assert_uint_eq(heard[i].revoked, 1);
        ck_assert_int_eq(vm_fill(vms[i], A, VM_READ, &fill), VM_FAULT_NONE);
        ck_assert(!(fill.access & VM_WRITE));
    }
    store_byte(vms[2], A, 'q');
    ck_succeeds(vm_section_write_back(shared, 0, 0x1000));
    ck_assert_uint_eq(shared_file.bytes[0], 'q');
}
END_TEST

START_TEST(a_file_that_changed_is_shown_by_all)
{
    shared = build_file_section(vms[0], &shared_file, RW);
    show_everywhere(RW);
    for (size_t i = 0; i < SPACES; i++)
        ck_assert_uint_eq(byte_at(vms[i], A), 'f');
    shared_file.bytes[0] = 'g';
    ck_succeeds(vm_section_reread(shared, 0, 0x1000));
    for (size_t i = 0; i < SPACES; i++) {
        ck_assert_uint_eq(heard[i].revoked, 1);
        ck_assert_uint_eq(byte_at(vms[i], A), 'g');
    }
}
END_TEST

/* ---- Who goes first --------------------------------------------------------------------------- */

START_TEST(a_section_outlives_its_maker)
{
    shared = build_section(vms[0], 0x10000, RW, SEC_COMMIT);
    build_view(vms[0], shared, A, 0, 0, RW);
    build_view(vms[1], shared, B, 0, 0, RW);
    store_byte(vms[0], A, 9);
    drop_space(0);
    ck_assert_uint_eq(byte_at(vms[1], B), 9);
    vm_section_unref(shared);
    shared = NULL;
    ck_assert_uint_eq(byte_at(vms[1], B), 9);
    ck_assert_uint_eq(stats(1).committed, 0x10000);
    ck_succeeds(vm_unmap_view(vms[1], B));
    ck_assert_uint_eq(stats(1).committed, 0);
    ck_assert_uint_eq(stats(1).resident, 0);
}
END_TEST

START_TEST(a_section_outlives_all_spaces)
{
    shared = build_file_section(vms[1], &shared_file, RW);
    build_view(vms[1], shared, A, 0, 0, RW);
    store_byte(vms[1], A, 'w');
    for (size_t i = 0; i < SPACES; i++)
        drop_space(i);
    vm_section_unref(shared);
    shared = NULL;
    ck_assert_uint_eq(shared_file.bytes[0], 'w');
    ck_assert_uint_eq(shared_file.releases, 1);
}
END_TEST

START_TEST(what_a_space_had_goes_with_it)
{
    build_committed(vms[0], A, 0x8000);
    for (gva_t page = A; page < A + 0x8000; page += VM_PAGE_SIZE)
        store_byte(vms[0], page, 1);
    build_committed(vms[1], A, 0x1000);
    store_byte(vms[1], A, 2);
    ck_assert_uint_eq(stats(1).committed, 0x9000);
    ck_assert_uint_eq(stats(1).resident, 0x9000);
    drop_space(0);
    ck_assert_uint_eq(stats(1).committed, 0x1000);
    ck_assert_uint_eq(stats(1).resident, 0x1000);
    ck_assert_uint_eq(heard[1].freed, 8);
    ck_assert_uint_eq(byte_at(vms[1], A), 2);
}
END_TEST

/* ---- What is common --------------------------------------------------------------------------- */

START_TEST(the_commit_limit_is_common)
{
    struct vm_config config = {.arena_size = 0x100000, .commit_limit = 0x30000};
    struct vm *first, *second;

    ck_assert_int_eq(vm_new(&config, &first), ERR_OK);
    second = space_beside(first);
    build_committed(first, A, 0x20000);
    ck_status(try_allocate(second, A, 0x20000, MEM_RESERVE | MEM_COMMIT, RW),
              STATUS_COMMITMENT_LIMIT);
    build_committed(second, A, 0x10000);
    ck_status(try_allocate(first, B, 0x1000, MEM_RESERVE | MEM_COMMIT, RW),
              STATUS_COMMITMENT_LIMIT);
    vm_free(first);
    build_committed(second, B, 0x20000);
    vm_free(second);
}
END_TEST

START_TEST(the_arena_is_common)
{
    struct vm_fill fill;
    uint64_t size, same;

    ck_assert_ptr_eq(vm_arena(vms[0], &size), vm_arena(vms[2], &same));
    ck_assert_uint_eq(size, same);
    shared = build_section(vms[0], VM_PAGE_SIZE, RW, SEC_COMMIT);
    show_everywhere(RW);
    build_committed(vms[1], B, 63 * VM_PAGE_SIZE);
    for (gva_t page = B; page < B + 63 * VM_PAGE_SIZE; page += VM_PAGE_SIZE)
        store_byte(vms[1], page, 1);
    (void)offset_of(2, A, VM_WRITE); /* the last one */
    for (size_t i = 0; i < SPACES; i++)
        (void)offset_of(i, A, VM_WRITE);
    vm_section_unref(shared);
    shared = NULL;
    ck_succeeds(try_release(vms[1], B, 0x1000, MEM_DECOMMIT));
    build_committed(vms[0], B, 2 * VM_PAGE_SIZE);
    (void)offset_of(0, B, VM_WRITE);
    ck_assert_int_eq(vm_fill(vms[0], B + VM_PAGE_SIZE, VM_WRITE, &fill), VM_FAULT_NOMEM);
    vm_unmap_all(vms[1]);
    ck_assert_int_eq(vm_fill(vms[0], B + VM_PAGE_SIZE, VM_WRITE, &fill), VM_FAULT_NONE);
}
END_TEST

START_TEST(frames_that_are_freed_are_told_to_all)
{
    uint64_t offset;

    build_committed(vms[1], A, 0x1000);
    offset = offset_of(1, A, VM_WRITE);
    ck_succeeds(try_release(vms[1], A, 0x1000, MEM_DECOMMIT));
    for (size_t i = 0; i < SPACES; i++) {
        ck_assert_uint_eq(heard[i].freed, 1);
        ck_assert_uint_eq(heard[i].offset, offset);
        ck_assert_uint_eq(heard[i].revoked, i == 1);
    }
}
END_TEST

START_TEST(bytes_that_the_host_changes_are_told_to_all)
{
    shared = build_section(vms[0], 0x10000, PAGE_EXECUTE_READWRITE, SEC_COMMIT);
    show_everywhere(PAGE_EXECUTE_READWRITE);
    ck_assert(vm_debug_write(vms[0], A, "\x90", 1));
    for (size_t i = 0; i < SPACES; i++) {
        ck_assert_uint_eq(heard[i].changed, 1);
        ck_assert_uint_eq(heard[i].offset, offset_of(2, A, VM_READ));
    }
    ck_succeeds(vm_write(vms[1], A, "\xc3", 1));
    ck_assert_uint_eq(heard[0].changed, 2);
    ck_assert_uint_eq(heard[2].changed, 2);
}
END_TEST

START_TEST(lent_memory_has_one_offset_everywhere)
{
    static _Alignas(VM_PAGE_SIZE) uint8_t lent[2 * VM_PAGE_SIZE];
    uint64_t offset;

    ck_succeeds(vm_map_host(vms[0], A, sizeof lent, lent, RW, NULL, NULL));
    ck_succeeds(vm_map_host(vms[1], B, VM_PAGE_SIZE, lent + VM_PAGE_SIZE, RW, NULL, NULL));
    offset = offset_of(0, A + VM_PAGE_SIZE, VM_WRITE);
    ck_assert_uint_eq(offset_of(1, B, VM_READ), offset);
    vm_lent_changed(vms[1], B, 1);
    ck_assert_uint_eq(heard[0].changed, 1);
    ck_assert_uint_eq(heard[0].offset, offset);
    drop_space(0);
    ck_assert(!vm_lent_is_gone(vms[2], lent, 1));
    ck_assert_uint_eq(heard[1].lent_gone, 0);
    ck_succeeds(vm_unmap_view(vms[1], B));
    ck_assert(vm_lent_is_gone(vms[2], lent, sizeof lent));
    ck_assert_uint_eq(heard[1].lent_gone, 1);
    ck_assert_uint_eq(heard[2].lent_gone, 1);
    ck_assert_uint_eq(heard[2].offset, offset - VM_PAGE_SIZE);
}
END_TEST

/* ---- Without memory --------------------------------------------------------------------------- */

START_TEST(a_space_beside_without_memory)
{
    struct vm_config config = {.beside = vms[0], .arena_size = UINT64_MAX};
    struct vm *another;
    enum err e;

    ALLOC_FAIL_EACH(e, vm_new(&config, &another), ERR_NOMEM, ERR_OK);
    ck_assert(vm_valid(vms[0]));
    vm_free(another);
}
END_TEST

START_TEST(a_view_beside_without_memory)
{
    shared = build_section(vms[0], 0x4000, RW, SEC_RESERVE);
    build_view(vms[0], shared, A, 0, 0, RW);
    ck_succeeds(try_allocate(vms[0], A + 0x1000, 0x1000, MEM_COMMIT, RW));
    EACH_WITHOUT_MEMORY(try_view(vms[1], shared, A, 0, 0, RW));
}
END_TEST

START_TEST(a_commit_for_all_without_memory)
{
    shared = build_section(vms[0], 0x20000, RW, SEC_RESERVE);
    show_everywhere(RW);
    build_view(vms[1], shared, B, 0, 0, PAGE_WRITECOPY);
    for (uint64_t at = 0; at < 0x20000; at += 0x3000)
        EACH_WITHOUT_MEMORY(try_allocate(vms[2], A + at, 0x1000, MEM_COMMIT, RW));
}
END_TEST

/* ---- Validity --------------------------------------------------------------------------------- */

/* Change a field for a moment: no space is valid meanwhile. */
#define ck_breaks(field, value)                                                                    \
    do {                                                                                           \
        __typeof__(field) was = (field);                                                           \
        (field) = (value);                                                                         \
        ck_assert_msg(!vm_valid(vms[1]), "%shared = %shared is not noticed", #field, #value);      \
        (field) = was;                                                                             \
        ck_assert(vm_valid(vms[1]));                                                               \
    } while (0)

START_TEST(what_is_common_is_checked)
{
    struct physical *p = vms[0]->physical;

    shared = build_section(vms[0], 0x10000, RW, SEC_COMMIT);
    build_view(vms[0], shared, A, 0, 0, RW);
    build_view(vms[1], shared, A, 0, 0, RW);
    store_byte(vms[0], A, 1);
    ck_breaks(p->users, p->users + 1);
    ck_breaks(p->committed, p->committed + VM_PAGE_SIZE);
    ck_breaks(p->frames.in_use, 0);
    ck_breaks(vms[0]->committed, VM_PAGE_SIZE);
    ck_breaks(vms[0]->own_frames, 1);
    ck_breaks(vms[2]->physical, NULL);
    ck_breaks(shared->physical, NULL);
    ck_breaks(shared->views->vm, vms[2]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("physical");
    TCase *sections = tcase_create("sections");
    TCase *life = tcase_create("who goes first");
    TCase *common = tcase_create("what is common");
    TCase *torture = tcase_create("no memory");

    tcase_add_checked_fixture(sections, spaces_setup, spaces_teardown);
    tcase_add_checked_fixture(life, spaces_setup, spaces_teardown);
    tcase_add_checked_fixture(common, spaces_setup, spaces_teardown);
    tcase_add_checked_fixture(torture, spaces_setup, spaces_teardown);
    tcase_add_test(sections, a_section_shows_the_same_bytes_in_all);
    tcase_add_test(sections, private_memory_is_of_one_space);
    tcase_add_test(sections, M12_a_commit_through_one_is_seen_by_all);
    tcase_add_test(sections, M12_a_commit_charges_every_view_that_copies);
    tcase_add_test(sections, a_protection_is_of_one_view);
    tcase_add_test(sections, M24_pages_of_images_become_private_to_each);
    tcase_add_test(sections, what_becomes_private_is_revoked_there_alone);
    tcase_add_test(sections, a_file_is_written_back_after_its_maker_is_gone);
    tcase_add_test(sections, a_write_back_is_told_to_all);
    tcase_add_test(sections, a_file_that_changed_is_shown_by_all);
    tcase_add_test(life, a_section_outlives_its_maker);
    tcase_add_test(life, a_section_outlives_all_spaces);
    tcase_add_test(life, what_a_space_had_goes_with_it);
    tcase_add_test(common, the_commit_limit_is_common);
    tcase_add_test(common, the_arena_is_common);
    tcase_add_test(common, frames_that_are_freed_are_told_to_all);
    tcase_add_test(common, bytes_that_the_host_changes_are_told_to_all);
    tcase_add_test(common, lent_memory_has_one_offset_everywhere);
    tcase_add_test(common, what_is_common_is_checked);
    tcase_add_test(torture, a_space_beside_without_memory);
    tcase_add_test(torture, a_view_beside_without_memory);
    tcase_add_test(torture, a_commit_for_all_without_memory);
    suite_add_tcase(suite, sections);
    suite_add_tcase(suite, life);
    suite_add_tcase(suite, common);
    suite_add_tcase(suite, torture);
    return suite_main(suite);
}
