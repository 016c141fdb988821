/* Images and plain code in a guest: protections and labels as Windows shows them, contents, refusals. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "alloc_fail.h"
#include "image/pe_build.h"
#include "pe_builder.h"
#include "suite.h"
#include "winstub/buf.h"
#include "winstub/bytes.h"
#include "winstub/image.h"
#include "winstub/vm.h"

static struct pe_builder b;
static struct buf file, map;
static struct pe_image *image;
static struct vm *vm;
static struct diag why;

static void setup(void)
{
    static const struct vm_config config = {.arena_size = 64u << 20};

    pe_builder_init(&b, CPU_AMD64);
    buf_init(&file, 1 << 20);
    buf_init(&map, 1 << 20);
    image = NULL;
    why.text[0] = 0;
    ck_assert_int_eq(vm_new(&config, &vm), ERR_OK);
}

static void teardown(void)
{
    vm_free(vm);
    pe_free(image);
    buf_fini(&file);
    buf_fini(&map);
}

static enum err map_at(gva_t base)
{
    pe_free(image);
    image = NULL;
    buf_clear(&file);
    pe_builder_write(&b, &file);
    ck_assert_msg(pe_parse((struct bytes){file.data, file.len}, &image, &why) == ERR_OK, "%s",
                  why.text);
    return image_map(vm, image, base, "hello.exe", "C:\\hello.exe", &why);
}

/* The runs of the allocation at base as VirtualQuery has them: offset, size, protection, label of its start. */
static const char *shown(gva_t base)
{
    struct vm_region r;
    gva_t at = base;

    buf_clear(&map);
    while (vm_query(vm, at, &r) == STATUS_SUCCESS && r.allocation_base == base) {
        ck_assert_uint_eq(r.state, MEM_COMMIT);
        ck_assert(buf_printf(&map, "%" PRIx64 " %" PRIx64 " %x %s\n", at - base, r.size, r.protect,
                             r.label));
        at += r.size;
    }
    return buf_str(&map);
}

START_TEST(as_windows_shows_it)
{
    struct vm_region r;

    ck_assert_msg(map_at(b.image_base) == ERR_OK, "%s", why.text);
    ck_assert_str_eq(shown(b.image_base), "0 1000 2 hello.exe headers\n"
                                          "1000 1000 20 hello.exe .text\n"
                                          "2000 1000 2 hello.exe .rdata\n"
                                          "3000 3000 8 hello.exe .data\n" /* and .bss */
                                          "6000 1000 2 hello.exe .reloc\n");
    ck_assert_uint_eq(vm_query(vm, b.image_base, &r), STATUS_SUCCESS);
    ck_assert_uint_eq(r.type, MEM_IMAGE);
    ck_assert_uint_eq(r.allocation_protect, PAGE_EXECUTE_WRITECOPY);
    ck_assert_uint_eq(r.allocation_size, PB_IMAGE_SIZE);
    ck_assert_str_eq(r.path, "C:\\hello.exe");
    ck_assert_uint_eq(vm_query(vm, b.image_base + PB_BSS, &r), STATUS_SUCCESS);
    ck_assert_str_eq(r.label, "hello.exe .bss");
}
END_TEST

START_TEST(contents_and_relocation)
{
    gva_t base = b.image_base + 0x30000;
    uint8_t bytes[16];

    ck_assert_msg(map_at(base) == ERR_OK, "%s", why.text);
    ck_assert_uint_eq(vm_debug_read(vm, base + PB_POINTER, bytes, 8), 8);
    ck_assert_uint_eq(get_u64(bytes), base + PB_TEXT);
    ck_assert_uint_eq(vm_debug_read(vm, base, bytes, 2), 2);
    ck_assert_uint_eq(get_u16(bytes), 0x5A4D);
    ck_assert_uint_eq(vm_debug_read(vm, base + PB_TEXT, bytes, 1), 1);
    ck_assert_uint_eq(bytes[0], 0xC3);
    ck_assert_uint_eq(vm_debug_read(vm, base + pe_builder_optional(&b) + 24, bytes, 8), 8);
    ck_assert_uint_eq(get_u64(bytes), base);
    ck_assert_uint_eq(vm_debug_read(vm, base + PB_BSS, bytes, 8), 8);
    ck_assert_uint_eq(get_u64(bytes), 0);
}
END_TEST

START_TEST(each_protection)
{
    static const struct {
        uint32_t flags;
        uint32_t protect;
    } cases[] = {
        {0x00000000, PAGE_NOACCESS},          {0x40000000, PAGE_READONLY},
        {0x20000000, PAGE_EXECUTE},           {0x60000000, PAGE_EXECUTE_READ},
        {0x80000000, PAGE_WRITECOPY},         {0xC0000000, PAGE_WRITECOPY},
        {0xA0000000, PAGE_EXECUTE_WRITECOPY}, {0xE0000000, PAGE_EXECUTE_WRITECOPY},
        {0xD0000000, PAGE_WRITECOPY},
    };
    struct vm_region r;

    b.sections[1].flags = cases[_i].flags;
    ck_assert_msg(map_at(b.image_base) == ERR_OK, "%s", why.text);
    ck_assert_uint_eq(vm_query(vm, b.image_base + PB_RDATA, &r), STATUS_SUCCESS);
    ck_assert_uint_eq(r.protect, cases[_i].protect);
    ck_assert_uint_eq(vm_query(vm, b.image_base + PB_TEXT, &r), STATUS_SUCCESS);
    ck_assert_uint_eq(r.protect, PAGE_EXECUTE_READ);
}
END_TEST

START_TEST(pages_of_no_section)
{
    b.section_alignment = 0x2000;
    b.image_size = 0xC000;
    for (uint32_t i = 0; i < b.section_count; i++)
        b.sections[i].rva = 0x2000 * (i + 1);
    b.sections[3].virtual_size = 0;
    b.sections[1].name = "";
    b.entry = 0x2000;
    ck_assert_msg(map_at(b.image_base) == ERR_OK, "%s", why.text);
    ck_assert_str_eq(shown(b.image_base), "0 1000 2 hello.exe headers\n"
                                          "1000 1000 1 hello.exe\n"
                                          "2000 1000 20 hello.exe .text\n"
                                          "3000 1000 1 hello.exe\n"
                                          "4000 1000 2 hello.exe (section without name)\n"
                                          "5000 1000 1 hello.exe\n"
                                          "6000 2000 8 hello.exe .data\n"
                                          "8000 2000 1 hello.exe\n"
                                          "a000 1000 2 hello.exe .reloc\n"
                                          "b000 1000 1 hello.exe\n");
}
END_TEST

START_TEST(flat)
{
    b.section_alignment = b.file_alignment = 0x20;
    b.section_count = 2;
    b.sections[0].rva = b.sections[0].file_offset;
    b.sections[1].rva = b.sections[1].file_offset;
    b.entry = 0x400;
    ck_assert_msg(map_at(b.image_base) == ERR_OK, "%s", why.text);
    ck_assert_str_eq(shown(b.image_base), "0 7000 80 hello.exe image\n");
}
END_TEST

START_TEST(base_refused)
{
    struct vm_request req = {
        .base = b.image_base, .size = 0x1000, .type = MEM_RESERVE, .protect = PAGE_READWRITE};

    ck_assert_int_eq(map_at(b.image_base + 0x1000), ERR_RANGE);
    ck_assert_msg(strstr(why.text, "STATUS_MAPPED_ALIGNMENT"), "%s", why.text);
    ck_assert_int_eq(map_at(0), ERR_RANGE);
    ck_assert_uint_eq(vm_allocate(vm, &req, NULL, NULL), STATUS_SUCCESS);
    ck_assert_int_eq(map_at(b.image_base), ERR_EXISTS);
    ck_assert_str_eq(why.text, "an image of 0x7000 bytes cannot be at 0x140000000: part of that "
                               "range is taken");
    b.characteristics |= 1;
    ck_assert_int_eq(map_at(b.image_base + 0x10000), ERR_UNSUPPORTED);
}
END_TEST

START_TEST(no_memory)
{
    static const struct vm_config small = {.arena_size = 4 * VM_PAGE_SIZE};

    vm_free(vm);
    vm = NULL;
    ck_assert_int_eq(vm_new(&small, &vm), ERR_OK);
    ck_assert_int_eq(map_at(b.image_base), ERR_NOMEM);
    ck_assert_str_eq(why.text, "no memory is left for an image of 0x7000 bytes");
    ck_assert_str_eq(shown(b.image_base), "");
}
END_TEST

START_TEST(no_host_memory)
{
    enum err e;

    ck_assert_msg(map_at(b.image_base) == ERR_OK, "%s", why.text);
    ALLOC_FAIL_EACH(e, image_map(vm, image, b.image_base + 0x10000, "a.exe", "C:\\a.exe", &why),
                    ERR_NOMEM, ERR_OK);
    ALLOC_FAIL_EACH(e, raw_map(vm, (struct bytes){(const uint8_t *)"\xC3", 1}, 0x10000, &why),
                    ERR_NOMEM, ERR_OK);
}
END_TEST

START_TEST(made_up_dll)
{
    static const struct pe_dll_export exports[] = {{"Beep", 0}, {"ExitProcess", 0}};
    const struct pe_dll_spec spec = {CPU_AMD64, "kernel32.dll", exports, 2};
    const gva_t base = UINT64_C(0x7FF800000000);
    struct pe_built built;
    uint8_t code[17];

    ck_assert_int_eq(pe_build_dll(&spec, base, &file, &built), ERR_OK);
    ck_assert_int_eq(pe_parse((struct bytes){file.data, file.len}, &image, &why), ERR_OK);
    ck_assert_msg(image_map(vm, image, base, "kernel32.dll", "", &why) == ERR_OK, "%s", why.text);
    ck_assert_str_eq(shown(base), "0 1000 2 kernel32.dll headers\n"
                                  "1000 1000 20 kernel32.dll .text\n"
                                  "2000 1000 2 kernel32.dll .rdata\n");
    ck_assert_uint_eq(vm_debug_read(vm, base + built.text_rva, code, 17), 17);
    ck_assert(memcmp(code, "\xC3\xCC\xCC\xCC\xCC\xCC\xCC\xCC\xCC\xCC\xCC\xCC\xCC\xCC\xCC\xCC\xC3",
                     17) == 0);
}
END_TEST

/* ---- Plain code --------------------------------------------------------------------------------- */

static enum err raw_at(const void *code, size_t len, gva_t base)
{
    return raw_map(vm, (struct bytes){code, len}, base, &why);
}

START_TEST(code)
{
    struct vm_region r;
    uint8_t back[4];

    ck_assert_msg(raw_at("\x90\xCC\xC3", 3, 0x10000000) == ERR_OK, "%s", why.text);
    ck_assert_uint_eq(vm_debug_read(vm, 0x10000000, back, 4), 4);
    ck_assert(memcmp(back, "\x90\xCC\xC3\0", 4) == 0);
    ck_assert_uint_eq(vm_query(vm, 0x10000000, &r), STATUS_SUCCESS);
    ck_assert_uint_eq(r.protect, PAGE_EXECUTE_READWRITE);
    ck_assert_uint_eq(r.type, MEM_PRIVATE);
    ck_assert_str_eq(r.label, "code");
    ck_assert_int_eq(raw_at("\x90", 1, 0x10000010), ERR_EXISTS);
    ck_assert_str_eq(why.text, "code of 0x1 bytes cannot be at 0x10000010: part of that range is "
                               "taken");
}
END_TEST

/* Two pages are needed when the code crosses into the second. */
START_TEST(code_at_any_address)
{
    uint8_t back[3];
    struct vm_region r;

    ck_assert_msg(raw_at("\x90\xCC\xC3", 3, 0x20001FFE) == ERR_OK, "%s", why.text);
    ck_assert_uint_eq(vm_debug_read(vm, 0x20001FFE, back, 3), 3);
    ck_assert(memcmp(back, "\x90\xCC\xC3", 3) == 0);
    ck_assert_uint_eq(vm_query(vm, 0x20001FFE, &r), STATUS_SUCCESS);
    ck_assert_uint_eq(r.allocation_base, 0x20000000);
    ck_assert_uint_eq(r.allocation_size, 0x3000);
}
END_TEST

START_TEST(code_refused)
{
    static const uint8_t one[1] = {0xC3};

    ck_assert_int_eq(raw_at("", 0, 0x10000000), ERR_FORMAT);
    ck_assert_int_eq(raw_at(one, RAW_CODE_MAX + 1u, 0x10000000), ERR_LIMIT);
    ck_assert_int_eq(raw_at(one, 1, 0),
                     ERR_RANGE); /* and not "anywhere", which 0 means elsewhere */
    ck_assert_int_eq(raw_at(one, 1, 0xFFFF), ERR_RANGE);
    ck_assert_int_eq(raw_at(one, 1, VM_USER_LIMIT_64), ERR_RANGE);
    ck_assert_int_eq(raw_at(one, 1, UINT64_MAX), ERR_RANGE);
    ck_assert_int_eq(raw_at(one, 1, VM_LOWEST), ERR_OK);
}
END_TEST

START_TEST(code_without_memory)
{
    static const struct vm_config small = {.arena_size = 2 * VM_PAGE_SIZE,
                                           .commit_limit = 16 * VM_PAGE_SIZE};
    static uint8_t big[8 * VM_PAGE_SIZE];
    struct vm_region r;

    vm_free(vm);
    vm = NULL;
    ck_assert_int_eq(vm_new(&small, &vm), ERR_OK);
    memset(big, 0x90, sizeof big);
    ck_assert_int_eq(raw_at(big, sizeof big, 0x10000000), ERR_NOMEM);
    ck_assert_uint_eq(vm_query(vm, 0x10000000, &r), STATUS_SUCCESS);
    ck_assert_uint_eq(r.state, MEM_FREE);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("image_map");
    TCase *tc = tcase_create("images"), *raw = tcase_create("plain code");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_checked_fixture(raw, setup, teardown);
    tcase_add_test(tc, as_windows_shows_it);
    tcase_add_test(tc, contents_and_relocation);
    tcase_add_loop_test(tc, each_protection, 0, 9);
    tcase_add_test(tc, pages_of_no_section);
    tcase_add_test(tc, flat);
    tcase_add_test(tc, base_refused);
    tcase_add_test(tc, no_memory);
    tcase_add_test(tc, no_host_memory);
    tcase_add_test(tc, made_up_dll);
    tcase_add_test(raw, code);
    tcase_add_test(raw, code_at_any_address);
    tcase_add_test(raw, code_refused);
    tcase_add_test(raw, code_without_memory);
    suite_add_tcase(s, tc);
    suite_add_tcase(s, raw);
    return suite_main(s);
}
