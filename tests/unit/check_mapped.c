/* core/nt/mapped.c: one set of pages for all sections of a file, and for who reads and writes it otherwise. */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nt/machine.h"
#include "nt/mapped.h"
#include "nt/parts.h"
#include "nt/sections.h"
#include "suite.h"
#include "vm_builder.h"

#define RW PAGE_READWRITE

static struct machine machine;
static struct process p;
static char path[64];
static struct file files[2]; /* the same one, opened to read and write, and to read */
static struct section *sections[2];
static struct vm *vm; /* p's */

static void open_file(struct file *file, int flags)
{
    static char name[] = "C:\\data.bin";
    struct stat host;

    *file = (struct file){.kind = FILE_REGULAR,
                          .fd = open(path, flags | O_CLOEXEC),
                          .path = name,
                          .writable = flags == O_RDWR,
                          .volumes = &machine.volumes};
    ck_assert_int_eq(fstat(file->fd, &host), 0);
    file->device = host.st_dev;
    file->inode = host.st_ino;
}

static void setup(void)
{
    int fd;

    vm = build_vm(0);
    machine = (struct machine){0};
    p = (struct process){.vm = vm, .arch = CPU_AMD64, .machine = &machine};
    (void)snprintf(path, sizeof path, "/tmp/winstub-mapped-XXXXXX");
    fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ftruncate(fd, 0x1800), 0);
    ck_assert_int_eq(pwrite(fd, "first page", 10, 0), 10);
    (void)close(fd);
    open_file(&files[0], O_RDWR);
    open_file(&files[1], O_RDONLY);
    sections[0] = sections[1] = NULL;
}

static void close_section(unsigned i)
{
    if (sections[i])
        object_unref(&sections[i]->object);
    sections[i] = NULL;
}

static void teardown(void)
{
    close_section(0);
    close_section(1);
    ck_assert(vm_valid(vm));
    vm_free(vm);
    for (unsigned i = 0; i < 2; i++)
        (void)close(files[i].fd);
    (void)unlink(path);
}

static nt_status make(unsigned i, uint64_t size, uint32_t protect)
{
    struct section_request request = {size, protect, SEC_COMMIT, &files[i]};

    return section_new(&p, &request, &sections[i]);
}

static nt_status try_map(unsigned i, uint32_t protect, uint64_t size, gva_t *base)
{
    struct vm_view_request request = {.protect = protect, .size = size};

    return section_map(&p, sections[i], &request, base, &size);
}

static gva_t map(unsigned i, uint32_t protect)
{
    gva_t base;

    ck_succeeds(try_map(i, protect, 0, &base));
    return base;
}

static char byte_of_file(off_t at)
{
    char b = 0;

    ck_assert_int_eq(pread(files[1].fd, &b, 1, at), 1);
    return b;
}

START_TEST(sections_of_one_file_share_its_pages)
{
    gva_t a, b;

    ck_succeeds(make(0, 0, RW));
    ck_succeeds(make(1, 0, PAGE_READONLY));
    a = map(0, RW);
    b = map(1, PAGE_READONLY);
    store_byte(vm, a + 3, 'X');
    ck_assert_uint_eq(byte_at(vm, b + 3), 'X');
    ck_assert_int_eq(byte_of_file(3), 's');
    close_section(0);
    ck_succeeds(vm_unmap_view(vm, a));
    ck_assert_uint_eq(byte_at(vm, b + 3), 'X'); /* and the file is still shown */
    close_section(1);
    ck_assert_ptr_nonnull(machine.volumes.mapped);
    ck_succeeds(vm_unmap_view(vm, b));
    ck_assert_int_eq(byte_of_file(3), 'X');
    ck_assert_ptr_null(machine.volumes.mapped);
}
END_TEST

START_TEST(who_only_reads_may_come_first)
{
    gva_t a, b;

    ck_succeeds(make(1, 0, PAGE_READONLY));
    b = map(1, PAGE_READONLY);
    ck_assert_uint_eq(byte_at(vm, b), 'f');
    ck_succeeds(make(0, 0, RW));
    a = map(0, RW);
    store_byte(vm, a, 'F');
    ck_succeeds(vm_section_flush(vm, a, 0));
    ck_assert_int_eq(byte_of_file(0), 'F');
    ck_assert_uint_eq(byte_at(vm, b), 'F');
}
END_TEST

START_TEST(each_section_has_its_own_limits)
{
    gva_t base;

    ck_succeeds(make(0, 0x1800, RW));
    ck_succeeds(make(1, 0x800, PAGE_READONLY));
    ck_assert_uint_eq(section_size(sections[1]), 0x800);
    ck_status(try_map(1, RW, 0, &base), STATUS_SECTION_PROTECTION);
    ck_status(try_map(1, PAGE_EXECUTE_READ, 0, &base), STATUS_SECTION_PROTECTION);
    ck_status(try_map(1, PAGE_READONLY, 0x801, &base), STATUS_INVALID_VIEW_SIZE);
    ck_assert_uint_eq(region_at(vm, map(1, PAGE_READONLY)).size, 0x1000);
    ck_assert_uint_eq(region_at(vm, map(0, RW)).size, 0x2000);
    ck_status(make(1, 0x1801, PAGE_READONLY), STATUS_SECTION_TOO_BIG);
    ck_status(make(1, 0, RW), STATUS_ACCESS_DENIED);
}
END_TEST

START_TEST(a_larger_section_makes_the_file_grow_for_all)
{
    gva_t a, b;

    ck_succeeds(make(1, 0, PAGE_READONLY));
    ck_succeeds(make(0, 0x5000, RW));
    a = map(0, RW);
    b = map(1, PAGE_READONLY);
    store_byte(vm, a + 0x1900, 'n');
    ck_assert_uint_eq(byte_at(vm, b + 0x1900), 'n'); /* in the last page of the smaller one */
    store_byte(vm, a + 0x4fff, 'e');
    ck_succeeds(vm_section_flush(vm, a, 0));
    ck_assert_int_eq(byte_of_file(0x4fff), 'e');
    ck_assert_uint_eq(region_at(vm, b).size, 0x2000);
}
END_TEST

START_TEST(readers_and_writers_meet_what_views_hold)
{
    gva_t a;

    ck_succeeds(make(0, 0, RW));
    a = map(0, RW);
    store_byte(vm, a, 'v');
    ck_succeeds(mapped_about_to_use(&files[1], 1, 2));
    ck_assert_int_eq(byte_of_file(0), 'v');
    ck_assert_int_eq(pwrite(files[0].fd, "W", 1, 1), 1);
    ck_succeeds(mapped_was_written(&files[0], 1, 1));
    ck_assert_uint_eq(byte_at(vm, a), 'v');
    ck_assert_uint_eq(byte_at(vm, a + 1), 'W');
}
END_TEST

START_TEST(a_file_that_is_shown_is_not_cut)
{
    gva_t a;

    ck_assert(mapped_may_be_cut(&files[0], 0));
    ck_succeeds(make(0, 0, RW));
    a = map(0, RW);
    ck_assert(!mapped_may_be_cut(&files[1], 0x17ff));
    ck_assert(mapped_may_be_cut(&files[1], 0x1800));
    close_section(0);
    ck_assert(!mapped_may_be_cut(&files[0], 0));
    ck_succeeds(vm_unmap_view(vm, a));
    ck_assert(mapped_may_be_cut(&files[0], 0));
}
END_TEST

START_TEST(views_outlive_the_list)
{
    gva_t a;

    ck_succeeds(make(0, 0, RW));
    ck_succeeds(make(1, 0, PAGE_READONLY));
    a = map(0, RW);
    store_byte(vm, a, 'l');
    mapped_forget(&machine.volumes);
    ck_assert_ptr_null(machine.volumes.mapped);
    ck_succeeds(mapped_about_to_use(&files[0], 0, 1)); /* knows of nobody */
    ck_assert_int_eq(byte_of_file(0), 'f');
    close_section(0);
    close_section(1);
    ck_succeeds(vm_unmap_view(vm, a));
    ck_assert_int_eq(byte_of_file(0), 'l');
}
END_TEST

int main(void)
{
    Suite *s = suite_create("mapped");
    TCase *tc = tcase_create("mapped");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, sections_of_one_file_share_its_pages);
    tcase_add_test(tc, who_only_reads_may_come_first);
    tcase_add_test(tc, each_section_has_its_own_limits);
    tcase_add_test(tc, a_larger_section_makes_the_file_grow_for_all);
    tcase_add_test(tc, readers_and_writers_meet_what_views_hold);
    tcase_add_test(tc, a_file_that_is_shown_is_not_cut);
    tcase_add_test(tc, views_outlive_the_list);
    suite_add_tcase(s, tc);
    return suite_main(s);
}
