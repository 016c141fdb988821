/* Files by the guest's paths: the program's own, made-up DLLs as they lie in memory, and what the guest could open. */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "alloc_fail.h"
#include "process_builder.h"
#include "suite.h"

#define ROOT    TEST_BUILD "/guests/small"
#define PROGRAM ROOT "/crew64.exe"

static struct process *p;
static char folder[64];
static struct process_file *file;
static uint8_t data[64];
static size_t got;
static uint64_t size;

/* A process with DLLs: its program from C:\app, and a drive D: that it may change. */
static void setup(void)
{
    static const int streams[3] = {-1, -1, -1};
    const char *argv[] = {"C:\\app\\crew.exe"};
    const char *drives[1];
    char drive[80];
    struct process_options options = {.path = PROGRAM,
                                      .argv = argv,
                                      .argc = 1,
                                      .drives = drives,
                                      .drive_count = 1,
                                      .root = ROOT,
                                      .streams = streams};
    struct diag why = {{0}};

    strcpy(folder, "/tmp/winstub-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    (void)snprintf(drive, sizeof drive, "D=%s", folder);
    drives[0] = drive;
    ck_assert_msg(process_new(&options, &p, &why) == ERR_OK, "%s", why.text);
}

static void teardown(void)
{
    char command[100];

    process_free(p);
    p = NULL;
    (void)snprintf(command, sizeof command, "rm -r %s", folder);
    ck_assert_int_eq(system(command), 0);
}

static void setup_bare(void)
{
    struct pe_builder b;

    pe_builder_init(&b, CPU_AMD64);
    p = build_program(&b, NULL);
}

static void teardown_bare(void)
{
    process_free(p);
    p = NULL;
}

static enum err open_file(const char *path, unsigned flags)
{
    return process_file_open(p, path, flags, &file);
}

static void opens(const char *path, unsigned flags)
{
    ck_assert_msg(open_file(path, flags) == ERR_OK, "%s", path);
}

static void reads(uint64_t offset, const char *text)
{
    ck_assert_int_eq(process_file_read(file, offset, data, sizeof data, &got, &size), ERR_OK);
    ck_assert_msg(got == strlen(text) && memcmp(data, text, got) == 0, "read '%.*s'", (int)got,
                  (const char *)data);
}

/* A file of the guest's with this text. */
static void writes(const char *path, const char *text)
{
    opens(path, PROCESS_FILE_WRITE | PROCESS_FILE_CREATE | PROCESS_FILE_EMPTY);
    ck_assert_int_eq(process_file_write(file, 0, text, strlen(text)), ERR_OK);
    process_file_close(file);
}

START_TEST(the_program_is_its_file_on_the_host)
{
    static const char *const names[] = {"C:\\app\\crew.exe", "c:/APP/CREW.EXE"};
    struct stat st;

    ck_assert_int_eq(stat(PROGRAM, &st), 0);
    for (size_t i = 0; i < 2; i++) {
        opens(names[i], 0);
        ck_assert_int_eq(process_file_read(file, 0, data, 2, &got, &size), ERR_OK);
        ck_assert(got == 2 && memcmp(data, "MZ", 2) == 0);
        ck_assert_uint_eq(size, (uint64_t)st.st_size);
        ck_assert_int_eq(process_file_write(file, 0, "x", 1), ERR_STATE);
        process_file_close(file);
    }
    ck_assert_int_eq(open_file(names[0], PROCESS_FILE_WRITE), ERR_STATE);
    ck_assert_int_eq(process_file_remove(p, names[0]), ERR_STATE);
    ck_assert_int_eq(open_file("C:\\app\\crew.ex", 0), ERR_NOT_FOUND);
}
END_TEST

START_TEST(what_the_guest_could_open)
{
    writes("D:\\a.txt", "hello");
    opens("d:/A.TXT", 0);
    reads(1, "ello");
    ck_assert_uint_eq(size, 5);
    reads(5, "");
    ck_assert_int_eq(process_file_read(file, UINT64_MAX, data, 1, &got, &size), ERR_IO);
    ck_assert_int_eq(process_file_write(file, 0, "x", 1), ERR_STATE);
    process_file_close(file);
    ck_assert_int_eq(open_file("D:\\b.txt", 0), ERR_NOT_FOUND);
    ck_assert_int_eq(open_file("D:\\no\\b.txt", 0), ERR_NOT_FOUND);
    ck_assert_int_eq(open_file("D:\\", 0), ERR_INVALID);
    ck_assert_int_eq(open_file("D:\\..\\etc\\passwd", 0), ERR_INVALID);
    ck_assert_int_ne(open_file("", 0), ERR_OK);
}
END_TEST

START_TEST(writing_as_the_flags_say)
{
    const unsigned make = PROCESS_FILE_WRITE | PROCESS_FILE_CREATE;

    ck_assert_int_eq(open_file("D:\\a.txt", PROCESS_FILE_WRITE), ERR_NOT_FOUND);
    writes("D:\\a.txt", "hello");
    ck_assert_int_eq(open_file("D:\\a.txt", make | PROCESS_FILE_NEW), ERR_EXISTS);
    opens("D:\\a.txt", PROCESS_FILE_WRITE);
    ck_assert_int_eq(process_file_write(file, 3, "p!", 2), ERR_OK);
    ck_assert_int_eq(process_file_write(file, INT64_MAX, "xx", 2), ERR_IO);
    reads(0, "help!");
    process_file_close(file);
    opens("D:\\a.txt", make);
    reads(0, "help!");
    process_file_close(file);
    opens("D:\\a.txt", PROCESS_FILE_WRITE | PROCESS_FILE_EMPTY);
    reads(0, "");
    process_file_close(file);
    ck_assert_int_eq(open_file("C:\\Windows\\System32\\new.txt", make), ERR_STATE);
}
END_TEST

START_TEST(removing)
{
    writes("D:\\a.txt", "hello");
    ck_assert_int_eq(process_file_remove(p, "D:\\a.txt"), ERR_OK);
    ck_assert_int_eq(process_file_remove(p, "D:\\a.txt"), ERR_NOT_FOUND);
    ck_assert_int_eq(process_file_remove(p, "C:\\Windows\\System32\\ntdll.dll"), ERR_STATE);
    ck_assert_int_eq(process_file_remove(p, "C:\\Windows\\System32\\locale.nls"), ERR_STATE);
}
END_TEST

START_TEST(where_the_host_has_a_library)
{
    char path[4096], wanted[4096];

    ck_assert_ptr_nonnull(realpath(ROOT "/Windows/System32/ntdll.dll", wanted));
    ck_assert_int_eq(process_host_path(p, "c:/windows/system32/NTDLL.dll", path, sizeof path),
                     ERR_OK);
    ck_assert_str_eq(path, wanted);
    ck_assert_int_eq(process_host_path(p, "C:\\Windows\\System32\\ntdll.dll", path, strlen(wanted)),
                     ERR_NOT_FOUND);
    ck_assert_int_eq(
        process_host_path(p, "C:\\Windows\\System32\\ntdll.dll", path, strlen(wanted) + 1), ERR_OK);
    ck_assert_int_eq(process_host_path(p, "C:\\none.dll", path, sizeof path), ERR_NOT_FOUND);
}
END_TEST

START_TEST(no_memory)
{
    enum err e;

    writes("D:\\a.txt", "hello");
    ALLOC_FAIL_EACH(e, open_file("D:\\a.txt", 0), ERR_NOMEM, ERR_OK);
    process_file_close(file);
    ALLOC_FAIL_EACH(e, process_file_remove(p, "D:\\a.txt"), ERR_NOMEM, ERR_OK);
}
END_TEST

START_TEST(a_made_up_library_is_what_lies_in_memory)
{
    const struct process_module *m = process_module(p, 1);
    uint8_t page[VM_PAGE_SIZE], all_zero[VM_PAGE_SIZE] = {0};
    gva_t base = m->base + VM_PAGE_SIZE;
    uint64_t length = VM_PAGE_SIZE;
    uint32_t old;
    char path[256];

    opens(m->path, 0);
    ck_assert_int_eq(process_file_read(file, 0, data, 2, &got, &size), ERR_OK);
    ck_assert(got == 2 && memcmp(data, "MZ", 2) == 0);
    ck_assert_uint_eq(size, m->size);
    ck_assert_int_eq(process_file_read(file, m->size - 3, data, sizeof data, &got, &size), ERR_OK);
    ck_assert_uint_eq(got, 3);
    ck_assert_int_eq(process_file_read(file, UINT64_MAX, data, sizeof data, &got, &size), ERR_OK);
    ck_assert_uint_eq(got, 0);
    /* protection is no matter */
    ck_assert_uint_eq(vm_protect(process_vm(p), &base, &length, PAGE_NOACCESS, &old),
                      STATUS_SUCCESS);
    ck_assert_int_eq(process_file_read(file, VM_PAGE_SIZE, page, sizeof page, &got, &size), ERR_OK);
    ck_assert_uint_eq(got, sizeof page);
    ck_assert_mem_ne(page, all_zero, sizeof page);
    ck_assert_int_eq(process_file_write(file, 0, "x", 1), ERR_STATE);
    process_file_close(file);
    ck_assert_int_eq(open_file(m->path, PROCESS_FILE_WRITE), ERR_STATE);
    ck_assert_int_eq(process_file_remove(p, m->path), ERR_STATE);
    ck_assert_int_eq(process_host_path(p, m->path, path, sizeof path), ERR_NOT_FOUND);
}
END_TEST

/* What is not there any more reads as zeros. */
START_TEST(a_library_that_was_unmapped_is_zeros)
{
    const struct process_module *m = process_module(p, 1);
    uint8_t zero[2] = {0};

    opens(m->path, 0);
    vm_unmap_all(process_vm(p));
    ck_assert_int_eq(process_file_read(file, 0, data, 2, &got, &size), ERR_OK);
    ck_assert_uint_eq(got, 2);
    ck_assert_mem_eq(data, zero, 2);
    process_file_close(file);
}
END_TEST

START_TEST(bare_mode_has_no_other_files)
{
    ck_assert_int_eq(open_file("C:\\Windows\\win.ini", 0), ERR_NOT_FOUND);
    ck_assert_int_eq(open_file("D:\\new", PROCESS_FILE_WRITE | PROCESS_FILE_CREATE), ERR_NOT_FOUND);
    process_file_close(NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("module_file");
    TCase *dlls = tcase_create("dlls");
    TCase *bare = tcase_create("bare");

    tcase_add_checked_fixture(dlls, setup, teardown);
    tcase_add_test(dlls, the_program_is_its_file_on_the_host);
    tcase_add_test(dlls, what_the_guest_could_open);
    tcase_add_test(dlls, writing_as_the_flags_say);
    tcase_add_test(dlls, removing);
    tcase_add_test(dlls, where_the_host_has_a_library);
    tcase_add_test(dlls, no_memory);
    suite_add_tcase(suite, dlls);
    tcase_add_checked_fixture(bare, setup_bare, teardown_bare);
    tcase_add_test(bare, a_made_up_library_is_what_lies_in_memory);
    tcase_add_test(bare, a_library_that_was_unmapped_is_zeros);
    tcase_add_test(bare, bare_mode_has_no_other_files);
    suite_add_tcase(suite, bare);
    return suite_main(suite);
}
