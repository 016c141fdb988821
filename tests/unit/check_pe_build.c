/* The made-up DLL: it parses as a file, its exports are found, and its code is what was promised. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "alloc_fail.h"
#include "image/pe_build.h"
#include "suite.h"
#include "winstub/image.h"

#define BASE UINT64_C(0x180000000)

static const struct pe_dll_export exports[] = {
    {"VirtualAlloc", 0}, {"CreateFileA", 0},    {NULL, 115},
    {"ExitProcess", 7},  {"GetProcAddress", 0}, {"createfilea", 0},
};
enum { EXPORT_COUNT = sizeof exports / sizeof *exports };

struct seen {
    size_t count, names;
    char last[64];
    uint32_t rvas[EXPORT_COUNT];
    uint32_t ordinals[EXPORT_COUNT];
    bool sorted;
};

static bool note(void *ctx, const struct pe_export *export)
{
    struct seen *seen = ctx;

    seen->count++;
    for (size_t i = 0; i < EXPORT_COUNT; i++) {
        bool same = exports[i].name && export->name ? strcmp(exports[i].name, export->name) == 0
                                                    : exports[i].name == export->name;

        if (same) {
            seen->rvas[i] = export->rva;
            seen->ordinals[i] = export->ordinal;
        }
    }
    if (export->name) {
        if (seen->names++ && strcmp(seen->last, export->name) >= 0)
            seen->sorted = false;
        strncpy(seen->last, export->name, sizeof seen->last - 1);
    }
    return true;
}

static const enum cpu_arch archs[] = {CPU_I386, CPU_AMD64};

START_TEST(builds_what_the_parser_reads)
{
    enum cpu_arch arch = archs[_i];
    gva_t base = arch == CPU_AMD64 ? BASE : 0x76000000;
    const struct pe_dll_spec spec = {arch, "kernel32.dll", exports, EXPORT_COUNT};
    struct seen seen = {.sorted = true};
    struct pe_image *image = NULL;
    struct pe_built built = {0};
    struct diag why = {{0}};
    uint8_t *mapped = NULL;
    struct buf file;

    buf_init(&file, 1 << 20);
    ck_assert_int_eq(pe_build_dll(&spec, base, &file, &built), ERR_OK);
    ck_assert_uint_eq(file.len, built.image_size);
    ck_assert_msg(pe_parse((struct bytes){file.data, file.len}, &image, &why) == ERR_OK, "%s",
                  why.text);
    ck_assert_int_eq(image->arch, arch);
    ck_assert_uint_eq(image->image_base, base);
    ck_assert_uint_eq(image->section_count, 2);
    ck_assert_str_eq(image->sections[0].name, ".text");
    ck_assert_str_eq(image->sections[1].name, ".rdata");
    ck_assert_uint_eq(image->sections[0].flags, 0x60000020);
    ck_assert_uint_eq(image->sections[1].flags, 0x40000040);
    ck_assert_uint_eq(pe_first_section(image), built.text_rva);

    ck_assert_int_eq(pe_layout(image, base, &mapped, &why), ERR_OK);
    ck_assert_msg(memcmp(mapped, file.data, file.len) == 0, "as mapped and as a file differ");
    ck_assert_int_eq(
        pe_exports(image, (struct bytes){mapped, image->image_size}, note, &seen, &why), ERR_OK);
    ck_assert_uint_eq(seen.count, EXPORT_COUNT);
    ck_assert(seen.sorted);
    for (size_t i = 0; i < EXPORT_COUNT; i++) {
        ck_assert_uint_eq(seen.rvas[i], built.text_rva + PE_STUB_SIZE * i);
        ck_assert_uint_eq(mapped[seen.rvas[i]], 0xC3);
        ck_assert_uint_eq(mapped[seen.rvas[i] + 1], 0xCC);
        ck_assert_uint_eq(mapped[seen.rvas[i] + 15], 0xCC);
        if (exports[i].ordinal)
            ck_assert_uint_eq(seen.ordinals[i], exports[i].ordinal);
    }
    free(mapped);
    pe_free(image);
    buf_fini(&file);
}
END_TEST

START_TEST(builds_without_exports)
{
    const struct pe_dll_spec spec = {archs[_i], "empty.dll", NULL, 0};
    struct pe_image *image = NULL;
    struct pe_built built;
    struct seen seen = {0};
    struct diag why;
    struct buf file;

    buf_init(&file, 1 << 20);
    ck_assert_int_eq(pe_build_dll(&spec, 0x10000000, &file, &built), ERR_OK);
    ck_assert_int_eq(pe_parse((struct bytes){file.data, file.len}, &image, &why), ERR_OK);
    ck_assert_int_eq(pe_exports(image, image->file, note, &seen, &why), ERR_OK);
    ck_assert_uint_eq(seen.count, 0);
    pe_free(image);
    buf_fini(&file);
}
END_TEST

START_TEST(refuses_what_cannot_be)
{
    static const struct pe_dll_export twice[] = {{"a", 5}, {"b", 0}, {"c", 5}};
    static const struct pe_dll_export high[] = {{"a", 65535}, {"b", 0}};
    const struct pe_dll_spec same = {CPU_AMD64, "x.dll", twice, 3};
    const struct pe_dll_spec past = {CPU_AMD64, "x.dll", high, 2};
    struct pe_built built;
    struct buf file;

    buf_init(&file, 1 << 20);
    ck_assert_int_eq(pe_build_dll(&same, BASE, &file, &built), ERR_INVALID);
    ck_assert_int_eq(pe_build_dll(&past, BASE, &file, &built), ERR_INVALID);
    ck_assert_int_eq(
        pe_build_dll(&(struct pe_dll_spec){CPU_AMD64, "x.dll", high, 65536}, BASE, &file, &built),
        ERR_INVALID);
    ck_assert_uint_eq(file.len, 0);
    file.limit = 0x1000;
    ck_assert_int_eq(
        pe_build_dll(&(struct pe_dll_spec){CPU_I386, "x.dll", exports, 3}, 0x10000, &file, &built),
        ERR_NOMEM);
    buf_fini(&file);
}
END_TEST

START_TEST(no_memory)
{
    const struct pe_dll_spec spec = {CPU_AMD64, "kernel32.dll", exports, EXPORT_COUNT};
    struct pe_built built;
    struct buf file;
    enum err e;

    buf_init(&file, 1 << 20);
    ALLOC_FAIL_EACH(e, (buf_fini(&file), pe_build_dll(&spec, BASE, &file, &built)), ERR_NOMEM,
                    ERR_OK);
    ck_assert_uint_eq(file.len, built.image_size);
    buf_fini(&file);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("pe_build");
    TCase *tc = tcase_create("pe_build");

    tcase_add_loop_test(tc, builds_what_the_parser_reads, 0, 2);
    tcase_add_loop_test(tc, builds_without_exports, 0, 2);
    tcase_add_test(tc, refuses_what_cannot_be);
    tcase_add_test(tc, no_memory);
    suite_add_tcase(s, tc);
    return suite_main(s);
}
