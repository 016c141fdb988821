/* core/vm/section.c: how long sections live, when files are read and written, what is shared with saved moments. */
#include <check.h>
#include <string.h>

#include "alloc_fail.h"
#include "suite.h"
#include "vm/section.h"
#include "vm_builder.h"

#define A  UINT64_C(0x200000)
#define B  UINT64_C(0x400000)
#define RW PAGE_READWRITE

static struct vm *vm;
static struct vm_section *s;
static struct memory_file file;

static void setup(void)
{
    vm = build_vm(64);
    memset(file.bytes, 'f', sizeof file.bytes);
}

static void teardown(void)
{
    ck_assert(vm_valid(vm));
    vm_section_unref(s);
    ck_assert(vm_valid(vm));
    vm_free(vm);
}

static enum vm_fault fill(gva_t page, enum vm_access want, struct vm_fill *out)
{
    return vm_fill(vm, page, want, out);
}

static struct vm_stats stats(void)
{
    struct vm_stats st;

    vm_get_stats(vm, &st);
    return st;
}

/* ---- Making ------------------------------------------------------------------------------------ */

static nt_status make(struct vm_section_config c)
{
    return vm_section_new(vm, &c, &s);
}

START_TEST(M19_sizes_are_whole_pages)
{
    s = build_section(vm, 4090, RW, SEC_COMMIT);
    ck_assert_uint_eq(vm_section_size(s), 4096);
    build_view(vm, s, A, 0, 0, RW);
    ck_assert_uint_eq(region_at(vm, A).size, 4096);
}
END_TEST

START_TEST(M20_noaccess_and_execute_alone)
{
    static const uint32_t wrong[] = {PAGE_NOACCESS,      PAGE_EXECUTE,    0,
                                     RW | PAGE_READONLY, RW | PAGE_GUARD, RW | PAGE_NOCACHE,
                                     0x40000000u | RW};

    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        ck_refused(make((struct vm_section_config){
                       .size = 1, .protect = wrong[i], .attributes = SEC_COMMIT}),
                   STATUS_INVALID_PAGE_PROTECTION);
}
END_TEST

START_TEST(M21_readwrite_of_a_readonly_file)
{
    struct vm_backing backing = memory_backing(&file, false);

    ck_refused(
        make((struct vm_section_config){.protect = RW, .attributes = SEC_COMMIT, .file = &backing}),
        STATUS_ACCESS_DENIED);
    ck_refused(make((struct vm_section_config){
                   .protect = PAGE_EXECUTE_READWRITE, .attributes = SEC_COMMIT, .file = &backing}),
               STATUS_ACCESS_DENIED);
    ck_succeeds(make((struct vm_section_config){
        .protect = PAGE_WRITECOPY, .attributes = SEC_COMMIT, .file = &backing}));
}
END_TEST

START_TEST(M29_larger_than_the_file)
{
    struct vm_backing backing = memory_backing(&file, false);

    ck_refused(make((struct vm_section_config){.size = sizeof file.bytes + 1,
                                               .protect = PAGE_READONLY,
                                               .attributes = SEC_COMMIT,
                                               .file = &backing}),
               STATUS_SECTION_TOO_BIG);
}
END_TEST

START_TEST(M30_empty_file)
{
    struct vm_backing backing = memory_backing(&file, false);

    backing.size = 0;
    ck_refused(make((struct vm_section_config){
                   .protect = PAGE_READONLY, .attributes = SEC_COMMIT, .file = &backing}),
               STATUS_MAPPED_FILE_SIZE_ZERO);
    ck_assert_uint_eq(file.releases, 0);
}
END_TEST

START_TEST(attributes_and_sizes)
{
    static const uint32_t wrong[] = {0, SEC_COMMIT | SEC_RESERVE, SEC_COMMIT | SEC_IMAGE,
                                     SEC_NOCACHE, SEC_COMMIT | SEC_NOCACHE | SEC_WRITECOMBINE};

    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        ck_refused(
            make((struct vm_section_config){.size = 1, .protect = RW, .attributes = wrong[i]}),
            STATUS_INVALID_PARAMETER_6);
    ck_refused(make((struct vm_section_config){.protect = RW, .attributes = SEC_COMMIT}),
               STATUS_INVALID_PARAMETER_4);
    ck_refused(make((struct vm_section_config){
                   .size = UINT64_MAX, .protect = RW, .attributes = SEC_COMMIT}),
               STATUS_SECTION_TOO_BIG);
    ck_refused(make((struct vm_section_config){
                   .size = 65 * 4096, .protect = RW, .attributes = SEC_COMMIT}),
               STATUS_COMMITMENT_LIMIT);
    ck_succeeds(make(
        (struct vm_section_config){.size = 65 * 4096, .protect = RW, .attributes = SEC_RESERVE}));
}
END_TEST

START_TEST(no_section_without_memory)
{
    for (unsigned long n = 1;; n++) {
        nt_status st;

        alloc_fail_at(n);
        st = make((struct vm_section_config){
            .size = 1, .protect = RW, .attributes = SEC_RESERVE, .path = "C:\\a"});
        if (!alloc_fail_stop())
            break;
        ck_status(st, STATUS_NO_MEMORY);
        ck_assert(vm_valid(vm));
    }
    ck_assert_ptr_nonnull(s);
}
END_TEST

/* ---- Life -------------------------------------------------------------------------------------- */

START_TEST(M18_views_outlive_handles)
{
    struct vm_section *section = build_section(vm, 0x3000, RW, SEC_COMMIT);

    build_view(vm, section, A, 0, 0, RW);
    vm_section_unref(section);
    store_byte(vm, A + 0x1234, 7);
    ck_assert_uint_eq(byte_at(vm, A + 0x1234), 7);
    ck_assert_uint_eq(stats().committed, 0x3000);
    ck_succeeds(vm_unmap_view(vm, A));
    ck_assert_uint_eq(stats().committed, 0);
    ck_assert_uint_eq(stats().resident, 0);
    ck_assert_ptr_null(vm->physical->sections);
}
END_TEST

START_TEST(a_section_is_charged_once)
{
    s = build_section(vm, 0x3000, RW, SEC_COMMIT);
    ck_assert_uint_eq(stats().committed, 0x3000);
    build_view(vm, s, A, 0, 0, RW);
    build_view(vm, s, B, 0, 0, PAGE_READONLY);
    ck_assert_uint_eq(stats().committed, 0x3000);
    build_view(vm, s, 0, 0, 0, PAGE_WRITECOPY); /* may need pages of its own */
    ck_assert_uint_eq(stats().committed, 0x6000);
}
END_TEST

START_TEST(shared_bytes)
{
    s = build_section(vm, 0x20000, RW, SEC_COMMIT);
    build_view(vm, s, A, 0, 0x10000, RW);
    store_byte(vm, A, 1);
    store_byte(vm, A + 0x5000, 1);
    ck_assert_uint_eq(stats().shared, 0);
    build_view(vm, s, B, 0, 0x1000, RW);
    ck_assert_uint_eq(stats().resident, 0x2000);
    ck_assert_uint_eq(stats().shared, 0x1000);
    ck_succeeds(vm_unmap_view(vm, A));
    ck_assert_uint_eq(stats().shared, 0);
}
END_TEST

/* ---- Files -------------------------------------------------------------------------------------- */

START_TEST(files_are_read_when_touched)
{
    struct vm_fill f;

    s = build_file_section(vm, &file, PAGE_READONLY);
    build_view(vm, s, A, 0, 0, PAGE_READONLY);
    ck_assert_uint_eq(file.reads, 0);
    ck_assert_int_eq(fill(A + 0x12000, VM_READ, &f), VM_FAULT_NONE);
    ck_assert_uint_eq(file.reads, 1);
    ck_assert_uint_eq(byte_at(vm, A + 0x127ff), 'f');
    ck_assert_uint_eq(byte_at(vm, A + 0x12800), 0); /* behind the end */
    ck_assert_uint_eq(file.reads, 1);
    ck_assert_uint_eq(byte_at(vm, A + 0x4000), 'f'); /* a debugger reads too */
    ck_assert_uint_eq(file.reads, 2);
    ck_assert_uint_eq(region_at(vm, A).size, 0x13000);
    ck_assert_str_eq(region_at(vm, A).path, "C:\\data.bin");
}
END_TEST

START_TEST(what_was_written_is_written_back_once)
{
    s = build_file_section(vm, &file, RW);
    build_view(vm, s, A, 0, 0, RW);
    ck_assert_uint_eq(byte_at(vm, A), 'f');
    store_byte(vm, A + 0x12000, 'x');
    ck_assert(vm_debug_write(vm, A + 0x3000, "yy", 2));
    ck_succeeds(vm_section_flush(vm, A, 0x3000));
    ck_assert_uint_eq(file.writes, 0);
    ck_succeeds(vm_section_flush(vm, A + 0x3001, 0));
    ck_assert_uint_eq(file.writes, 2);
    ck_assert_uint_eq(file.bytes[0x12000], 'x');
    ck_assert_uint_eq(file.bytes[0x3001], 'y');
    ck_succeeds(vm_section_flush(vm, A, 0));
    ck_assert_uint_eq(file.writes, 2);
    ck_status(vm_section_flush(vm, A, 0x14000), STATUS_NOT_MAPPED_VIEW);
    ck_status(vm_section_flush(vm, B, 1), STATUS_NOT_MAPPED_VIEW);
}
END_TEST

START_TEST(a_write_after_a_flush_is_noticed)
{
    struct vm_fill f;

    s = build_file_section(vm, &file, RW);
    build_view(vm, s, A, 0, 0, RW);
    store_byte(vm, A, 'x');
    ck_succeeds(vm_section_flush(vm, A, 0));
    ck_assert_int_eq(fill(A, VM_READ, &f), VM_FAULT_NONE);
    ck_assert_uint_eq(f.access, VM_READ);
    store_byte(vm, A, 'y');
    ck_succeeds(vm_section_flush(vm, A, 0));
    ck_assert_uint_eq(file.bytes[0], 'y');
}
END_TEST

START_TEST(what_was_written_is_seen_by_other_readers)
{
    s = build_file_section(vm, &file, RW);
    build_view(vm, s, A, 0x10000, 0, RW);
    store_byte(vm, A + 0x1000, 'x');
    store_byte(vm, A + 0x2000, 'y');
    ck_succeeds(vm_section_write_back(s, 0, 0x11000));
    ck_assert_uint_eq(file.writes, 0);
    ck_succeeds(vm_section_write_back(s, 0x11fff, 1));
    ck_assert_uint_eq(file.writes, 1);
    ck_assert_uint_eq(file.bytes[0x11000], 'x');
    ck_succeeds(vm_section_write_back(s, 0x1000, UINT64_MAX));
    ck_assert_uint_eq(file.bytes[0x12000], 'y');
    ck_succeeds(vm_section_write_back(s, UINT64_MAX, UINT64_MAX));
    store_byte(vm, A + 0x1000, 'z');
    file.broken = true;
    ck_status(vm_section_write_back(s, 0x11000, 1), STATUS_IN_PAGE_ERROR);
    file.broken = false;
}
END_TEST

START_TEST(what_others_wrote_is_seen)
{
    s = build_file_section(vm, &file, RW);
    build_view(vm, s, A, 0, 0, RW);
    build_view(vm, s, B, 0, 0, PAGE_WRITECOPY);
    store_byte(vm, B, 'p'); /* private from now on */
    store_byte(vm, A + 0x2000, 'd');
    ck_assert_uint_eq(byte_at(vm, A + 0x1000), 'f');
    memset(file.bytes, 'g', 0x3000);
    ck_succeeds(vm_section_reread(s, 0x10, 0x2ff0));
    ck_assert_uint_eq(byte_at(vm, A), 'g');
    ck_assert_uint_eq(byte_at(vm, A + 0x1000), 'g');
    ck_assert_uint_eq(byte_at(vm, B), 'p');
    ck_assert_uint_eq(byte_at(vm, B + 0x1000), 'g');
    ck_assert_uint_eq(byte_at(vm, A + 0x2000), 'd'); /* is still to be written back */
    ck_succeeds(vm_section_reread(s, UINT64_MAX, UINT64_MAX));
    ck_succeeds(vm_section_flush(vm, A, 0));
    ck_assert_uint_eq(file.bytes[0x2000], 'd');
}
END_TEST

START_TEST(a_write_by_others_revokes_what_was_answered)
{
    struct vm_fill before, after;
    struct vm_saved *saved;

    s = build_file_section(vm, &file, RW);
    build_view(vm, s, A, 0, 0, RW);
    ck_assert_int_eq(fill(A, VM_READ, &before), VM_FAULT_NONE);
    saved = vm_save(vm);
    file.bytes[0] = 'g';
    ck_succeeds(vm_section_reread(s, 0, 1));
    ck_assert_int_eq(fill(A, VM_READ, &after), VM_FAULT_NONE);
    ck_assert_uint_ne(after.offset, before.offset);
    ck_assert_uint_eq(byte_at(vm, A), 'g');
    ck_assert(vm_restore(vm, saved));
    ck_assert_uint_eq(byte_at(vm, A), 'f');
    vm_saved_free(saved);
}
END_TEST

START_TEST(no_memory_to_see_what_others_wrote)
{
    struct vm_saved *saved;
    nt_status st;

    s = build_file_section(vm, &file, RW);
    build_view(vm, s, A, 0, 0, RW);
    ck_assert_uint_eq(byte_at(vm, A), 'f');
    saved = vm_save(vm);
    file.bytes[0] = 'g';
    while (vm->physical->tables.nodes.spare)
        (void)pool_take(&vm->physical->tables.nodes);
    alloc_fail_at(1);
    st = vm_section_reread(s, 0, 1);
    ck_assert(alloc_fail_stop());
    ck_status(st, STATUS_NO_MEMORY);
    ck_assert_uint_eq(byte_at(vm, A), 'f');
    ck_succeeds(vm_section_reread(s, 0, 1));
    ck_assert_uint_eq(byte_at(vm, A), 'g');
    vm_saved_free(saved);
}
END_TEST

START_TEST(a_section_grows_with_its_file)
{
    struct vm_backing backing = memory_backing(&file, true);
    struct vm_section *paged = build_section(vm, 0x1000, RW, SEC_COMMIT);

    ck_succeeds(make((struct vm_section_config){
        .size = 0x2800, .protect = RW, .attributes = SEC_COMMIT, .file = &backing}));
    build_view(vm, s, A, 0, 0, RW);
    store_byte(vm, A + 0x2000, 'x');
    ck_status(try_view(vm, s, B, 0x10000, 0, RW), STATUS_INVALID_VIEW_SIZE);
    vm_section_grow(s, 0x12800);
    vm_section_grow(s, 0x1000); /* never smaller */
    ck_assert_uint_eq(vm_section_size(s), 0x12800);
    build_view(vm, s, B, 0x10000, 0, RW);
    ck_assert_uint_eq(byte_at(vm, B), 'f');
    ck_succeeds(vm_section_flush(vm, A, 0));
    ck_assert_uint_eq(file.bytes[0x2000], 'x');
    ck_assert_uint_eq(region_at(vm, A).size, 0x3000);
    vm_section_grow(paged, 0x5000);
    ck_assert_uint_eq(vm_section_size(paged), 0x1000);
    vm_section_unref(paged);
}
END_TEST

START_TEST(the_end_writes_back)
{
    struct vm_section *section = build_file_section(vm, &file, RW);

    build_view(vm, section, A, 0, 0, RW);
    store_byte(vm, A + 5, 'y');
    vm_section_unref(section);
    ck_assert_uint_eq(file.writes + file.releases, 0);
    ck_succeeds(vm_unmap_view(vm, A + 0x12000));
    ck_assert_uint_eq(file.bytes[5], 'y');
    ck_assert_uint_eq(file.releases, 1);
}
END_TEST

START_TEST(a_file_that_fails)
{
    struct vm_fill f;
    uint8_t b;

    s = build_file_section(vm, &file, RW);
    build_view(vm, s, A, 0, 0, RW);
    store_byte(vm, A + 0x1000, 'z');
    file.broken = true;
    ck_assert_int_eq(fill(A, VM_READ, &f), VM_FAULT_IN_PAGE);
    ck_status(vm_read(vm, A, &b, 1), STATUS_IN_PAGE_ERROR);
    ck_status(vm_write(vm, A, "b", 1), STATUS_IN_PAGE_ERROR);
    ck_assert_uint_eq(vm_debug_read(vm, A, &b, 1), 0);
    ck_assert(!vm_debug_write(vm, A, "b", 1));
    ck_assert_uint_eq(byte_at(vm, A + 0x1000), 'z');
    ck_status(vm_section_flush(vm, A, 0), STATUS_IN_PAGE_ERROR);
    file.broken = false;
    ck_succeeds(vm_section_flush(vm, A, 0));
    ck_assert_uint_eq(file.bytes[0x1000], 'z');
    ck_assert_uint_eq(byte_at(vm, A), 'f');
}
END_TEST

/* ---- Moments ------------------------------------------------------------------------------------ */

START_TEST(contents_and_commitment_come_back)
{
    struct vm_saved *saved;

    s = build_section(vm, 0x20000, RW, SEC_RESERVE);
    build_view(vm, s, A, 0, 0, RW);
    build_view(vm, s, B, 0x10000, 0, RW);
    ck_succeeds(try_allocate(vm, A + 0x10000, 0x1000, MEM_COMMIT, RW));
    store_byte(vm, A + 0x10000, 1);
    saved = vm_save(vm);
    store_byte(vm, B, 2);
    ck_assert_uint_eq(byte_at(vm, A + 0x10000), 2);
    ck_succeeds(try_allocate(vm, B + 0x1000, 0x2000, MEM_COMMIT, RW));
    ck_assert_uint_eq(stats().committed, 0x3000);
    for (int i = 0; i < 2; i++) {
        ck_assert(vm_restore(vm, saved));
        ck_assert_uint_eq(byte_at(vm, A + 0x10000), 1);
        ck_assert_uint_eq(byte_at(vm, B), 1);
        ck_assert_uint_eq(stats().committed, 0x1000);
        ck_assert_uint_eq(region_at(vm, A + 0x11000).state, MEM_RESERVE);
        store_byte(vm, A + 0x10000, 3);
        ck_assert_uint_eq(byte_at(vm, B), 3);
    }
    vm_saved_free(saved);
}
END_TEST

START_TEST(a_moment_brings_a_section_back)
{
    struct vm_section *section = build_section(vm, 0x3000, RW, SEC_COMMIT);
    struct vm_saved *saved;

    build_view(vm, section, A, 0, 0, RW);
    vm_section_unref(section);
    store_byte(vm, A, 5);
    saved = vm_save(vm);
    store_byte(vm, A, 6);
    ck_succeeds(vm_unmap_view(vm, A));
    ck_assert_uint_eq(stats().committed, 0);
    build_committed(vm, A, 0x1000);
    ck_assert(vm_valid(vm));
    ck_assert(vm_restore(vm, saved));
    ck_assert_uint_eq(byte_at(vm, A), 5);
    ck_assert_uint_eq(stats().committed, 0x3000);
    vm_saved_free(saved);
    store_byte(vm, A, 7);
    ck_assert_uint_eq(byte_at(vm, A), 7);
}
END_TEST

START_TEST(a_later_section_keeps_what_it_holds)
{
    struct vm_saved *saved = vm_save(vm);

    s = build_section(vm, 0x3000, RW, SEC_COMMIT);
    build_view(vm, s, A, 0, 0, RW);
    store_byte(vm, A, 5);
    ck_assert(vm_restore(vm, saved));
    vm_saved_free(saved);
    ck_assert_uint_eq(region_at(vm, A).state, MEM_FREE);
    build_view(vm, s, B, 0, 0, RW);
    ck_assert_uint_eq(byte_at(vm, B), 5);
}
END_TEST

START_TEST(after_a_save_no_answer_names_a_frame_that_a_write_replaces)
{
    struct vm_saved *saved;
    struct vm_fill read, written;

    s = build_section(vm, 0x1000, RW, SEC_COMMIT);
    build_view(vm, s, A, 0, 0, RW);
    build_view(vm, s, B, 0, 0, PAGE_READONLY);
    store_byte(vm, A, 1);
    saved = vm_save(vm);
    ck_assert_int_eq(fill(B, VM_READ, &read), VM_FAULT_NONE);
    ck_assert_int_eq(fill(A, VM_WRITE, &written), VM_FAULT_NONE);
    ck_assert_uint_eq(read.offset, written.offset);
    ck_assert(vm_debug_write(vm, A, "x", 1));
    ck_assert_uint_eq(byte_at(vm, B), 'x');
    ck_assert(vm_restore(vm, saved));
    ck_assert_uint_eq(byte_at(vm, B), 1);
    vm_saved_free(saved);
}
END_TEST

START_TEST(invariants)
{
    s = build_section(vm, 0x3000, RW, SEC_RESERVE);
    build_view(vm, s, A, 0, 0, RW);
    ck_succeeds(try_allocate(vm, A, 0x1000, MEM_COMMIT, RW));
    store_byte(vm, A, 1);
    ck_assert(vm_valid(vm));
    s->charge += VM_PAGE_SIZE;
    ck_assert(!vm_valid(vm));
    s->charge -= VM_PAGE_SIZE;
    pageset_set(s->committed, 0x1000, true); /* the view's run says reserved */
    ck_assert(!vm_valid(vm));
    pageset_set(s->committed, 0x1000, false);
    s->views->first = 1;
    ck_assert(!vm_valid(vm));
    s->views->first = 0;
    s->users = 0;
    ck_assert(!vm_valid(vm));
    s->users = 2;
    runs_first(&s->views->a->runs)->written = true; /* without a page of its own */
    ck_assert(!vm_valid(vm));
    runs_first(&s->views->a->runs)->written = false;
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("section");
    TCase *tc = tcase_create("sections");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, M19_sizes_are_whole_pages);
    tcase_add_test(tc, M20_noaccess_and_execute_alone);
    tcase_add_test(tc, M21_readwrite_of_a_readonly_file);
    tcase_add_test(tc, M29_larger_than_the_file);
    tcase_add_test(tc, M30_empty_file);
    tcase_add_test(tc, attributes_and_sizes);
    tcase_add_test(tc, no_section_without_memory);
    tcase_add_test(tc, M18_views_outlive_handles);
    tcase_add_test(tc, a_section_is_charged_once);
    tcase_add_test(tc, shared_bytes);
    tcase_add_test(tc, files_are_read_when_touched);
    tcase_add_test(tc, what_was_written_is_written_back_once);
    tcase_add_test(tc, a_write_after_a_flush_is_noticed);
    tcase_add_test(tc, what_was_written_is_seen_by_other_readers);
    tcase_add_test(tc, what_others_wrote_is_seen);
    tcase_add_test(tc, a_write_by_others_revokes_what_was_answered);
    tcase_add_test(tc, no_memory_to_see_what_others_wrote);
    tcase_add_test(tc, a_section_grows_with_its_file);
    tcase_add_test(tc, the_end_writes_back);
    tcase_add_test(tc, a_file_that_fails);
    tcase_add_test(tc, contents_and_commitment_come_back);
    tcase_add_test(tc, a_moment_brings_a_section_back);
    tcase_add_test(tc, a_later_section_keeps_what_it_holds);
    tcase_add_test(tc, after_a_save_no_answer_names_a_frame_that_a_write_replaces);
    tcase_add_test(tc, invariants);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
