/* core/nt/sections.c: the host's files and images behind sections of core/vm. Rules M18, M21, M24, M28..M30, M32. */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nt/kernel.h"
#include "nt/parts.h"
#include "nt/sections.h"
#include "pe_builder.h"
#include "suite.h"
#include "vm_builder.h"
#include "winstub/buf.h"

#define RW PAGE_READWRITE

static struct kernel kernel;
static struct process p;
static char path[64];
static struct file file;
static struct section *section;
static struct vm *vm; /* p's */

/* The file of this test: size bytes of data. */
static void write_file(const void *data, size_t size)
{
    ck_assert_int_eq(ftruncate(file.fd, 0), 0);
    ck_assert_int_eq(pwrite(file.fd, data, size, 0), (ssize_t)size);
}

static void write_image(struct pe_builder *b)
{
    struct buf bytes;

    pe_builder_init(b, CPU_AMD64);
    b->dll_characteristics = 0; /* it goes where its header says */
    buf_init(&bytes, 1u << 20);
    pe_builder_write(b, &bytes);
    write_file(bytes.data, bytes.len);
    buf_fini(&bytes);
}

static void setup(void)
{
    static char name[] = "C:\\data.bin";

    vm = build_vm(0);
    kernel = (struct kernel){0};
    p = (struct process){
        .vm = vm, .arch = CPU_AMD64, .kernel = &kernel, .plan.dlls = UINT64_C(0x7fefffffffff)};
    (void)snprintf(path, sizeof path, "/tmp/winstub-sections-XXXXXX");
    file = (struct file){.kind = FILE_REGULAR, .fd = mkstemp(path), .path = name, .writable = true};
    ck_assert_int_ge(file.fd, 0);
    section = NULL;
}

static void teardown(void)
{
    if (section)
        object_unref(&section->object);
    for (size_t i = 0; i < p.module_count; i++) {
        free(p.modules[i].path);
        free(p.modules[i].name);
    }
    free(p.modules);
    ck_assert(vm_valid(vm));
    vm_free(vm);
    (void)close(file.fd);
    (void)unlink(path);
}

static nt_status make(uint64_t size, uint32_t protect, uint32_t attributes)
{
    struct section_request request = {size, protect, attributes, &file};

    return section_new(&p, &request, &section);
}

static gva_t map(uint32_t protect)
{
    struct vm_view_request request = {.protect = protect};
    uint64_t size;
    gva_t base;

    ck_succeeds(section_map(&p, section, &request, &base, &size));
    return base;
}

static uint8_t byte_of_file(off_t at)
{
    uint8_t b = 0;

    ck_assert_int_eq(pread(file.fd, &b, 1, at), 1);
    return b;
}

START_TEST(M18_M24_files_behind_views)
{
    gva_t shared, other, copy;

    write_file("contents of a file", 18);
    ck_succeeds(make(0, RW, SEC_COMMIT));
    ck_assert_uint_eq(section_size(section), 18);
    shared = map(RW);
    other = map(PAGE_READONLY);
    copy = map(PAGE_WRITECOPY);
    object_unref(&section->object);
    section = NULL;
    store_byte(vm, copy, 'K');
    store_byte(vm, shared + 1, 'O');
    ck_assert_uint_eq(byte_at(vm, other + 1), 'O');
    ck_assert_uint_eq(byte_at(vm, other), 'c');
    ck_assert_uint_eq(byte_at(vm, other + 18), 0);
    ck_assert_str_eq(region_at(vm, other).label, "view of data.bin");
    ck_assert_str_eq(region_at(vm, other).path, "C:\\data.bin");
    ck_assert_uint_eq(byte_of_file(1), 'o');
    ck_succeeds(vm_section_flush(vm, shared, 0));
    ck_assert_uint_eq(byte_of_file(1), 'O');
    store_byte(vm, shared + 2, 'N');
    ck_succeeds(section_unmap(&p, shared, false));
    ck_succeeds(section_unmap(&p, other, false));
    ck_succeeds(section_unmap(&p, copy, false));
    ck_assert_uint_eq(byte_of_file(0), 'c');
    ck_assert_uint_eq(byte_of_file(2), 'N');
    ck_assert_int_eq(lseek(file.fd, 0, SEEK_END), 18);
}
END_TEST

START_TEST(M21_readwrite_of_a_readonly_file)
{
    write_file("x", 1);
    file.writable = false;
    ck_status(make(0, RW, SEC_COMMIT), STATUS_ACCESS_DENIED);
    ck_succeeds(make(0, PAGE_WRITECOPY, SEC_COMMIT));
}
END_TEST

START_TEST(M28_an_image_that_is_none)
{
    static const struct {
        char signature[4];
        nt_status status;
    } kinds[] = {{{'P', 'E'}, STATUS_INVALID_IMAGE_FORMAT},
                 {{'N', 'E'}, STATUS_INVALID_IMAGE_WIN_16},
                 {{'L', 'E'}, STATUS_INVALID_IMAGE_LE_FORMAT},
                 {{0}, STATUS_INVALID_IMAGE_PROTECT}};

    ck_status(make(0, PAGE_READONLY, SEC_IMAGE), STATUS_INVALID_FILE_FOR_SECTION);
    write_file("no program", 10);
    ck_status(make(0, PAGE_READONLY, SEC_IMAGE), STATUS_INVALID_IMAGE_NOT_MZ);
    write_file("MZ, but no more", 15);
    ck_status(make(0, PAGE_READONLY, SEC_IMAGE), STATUS_INVALID_IMAGE_NOT_MZ);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        uint8_t bytes[0x48] = {'M', 'Z', [0x3c] = 0x40};

        memcpy(bytes + 0x40, kinds[i].signature, 4);
        write_file((const char *)bytes, sizeof bytes);
        ck_status(make(0, PAGE_READONLY, SEC_IMAGE), kinds[i].status);
    }
    file.kind = FILE_FOLDER;
    ck_status(make(0, PAGE_READONLY, SEC_IMAGE), STATUS_INVALID_FILE_FOR_SECTION);
}
END_TEST

START_TEST(M29_larger_than_the_file)
{
    write_file("x", 1);
    ck_status(make(0x2000, PAGE_READONLY, SEC_COMMIT), STATUS_SECTION_TOO_BIG);
    ck_succeeds(make(0x2000, RW, SEC_COMMIT)); /* a writable one grows */
    ck_assert_int_eq(lseek(file.fd, 0, SEEK_END), 0x2000);
}
END_TEST

START_TEST(M30_empty_file)
{
    ck_status(make(0, PAGE_READONLY, SEC_COMMIT), STATUS_MAPPED_FILE_SIZE_ZERO);
    ck_status(make(0, RW, SEC_COMMIT), STATUS_MAPPED_FILE_SIZE_ZERO);
}
END_TEST

START_TEST(M32_an_image_away_from_its_base)
{
    struct vm_view_request request = {0};
    struct pe_builder b;
    uint64_t size;
    gva_t first, second;
    struct vm_fill at_first, at_second;

    write_image(&b);
    ck_succeeds(make(0, PAGE_READONLY, SEC_IMAGE));
    ck_status(section_map(&p, section, &request, &first, &size), STATUS_SUCCESS);
    ck_assert_uint_eq(first, b.image_base);
    ck_assert_uint_eq(size, PB_IMAGE_SIZE);
    ck_status(section_map(&p, section, &request, &second, &size), STATUS_IMAGE_NOT_AT_BASE);
    ck_assert_uint_ne(second, first);
    ck_assert_int_eq(vm_fill(vm, first + PB_TEXT, VM_EXEC, &at_first), VM_FAULT_NONE);
    ck_assert_int_eq(vm_fill(vm, second + PB_TEXT, VM_EXEC, &at_second), VM_FAULT_NONE);
    ck_assert_uint_eq(at_first.offset, at_second.offset); /* one frame for both */
    ck_assert_uint_eq(byte_at(vm, first + PB_POINTER + 2), (first + PB_TEXT) >> 16 & 0xff);
    ck_assert_uint_eq(byte_at(vm, second + PB_POINTER + 2), (second + PB_TEXT) >> 16 & 0xff);
    ck_assert_uint_eq(region_at(vm, second + PB_DATA).protect, PAGE_WRITECOPY); /* not written */
    ck_assert_uint_eq(p.module_count, 2);
    ck_succeeds(section_unmap(&p, second + PB_TEXT, false));
    ck_assert_uint_eq(p.module_count, 1);
    ck_status(section_unmap(&p, second, false), STATUS_NOT_MAPPED_VIEW);
}
END_TEST

START_TEST(bytes_of_the_kernels)
{
    gva_t base;

    ck_succeeds(
        section_of_bytes(&p, "c_437.nls", (struct bytes){(const uint8_t *)"nls", 3}, &section));
    ck_assert_uint_eq(section_size(section), 3);
    base = map(PAGE_READONLY);
    ck_assert_uint_eq(byte_at(vm, base + 2), 's');
    ck_assert_uint_eq(byte_at(vm, base + 3), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("sections");
    TCase *tc = tcase_create("sections");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, M18_M24_files_behind_views);
    tcase_add_test(tc, M21_readwrite_of_a_readonly_file);
    tcase_add_test(tc, M28_an_image_that_is_none);
    tcase_add_test(tc, M29_larger_than_the_file);
    tcase_add_test(tc, M30_empty_file);
    tcase_add_test(tc, M32_an_image_away_from_its_base);
    tcase_add_test(tc, bytes_of_the_kernels);
    suite_add_tcase(s, tc);
    return suite_main(s);
}
