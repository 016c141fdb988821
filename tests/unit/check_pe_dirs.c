/* Walking imports, exports and TLS callbacks: what an ordinary image says, and that no damage leads outside. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "pe_builder.h"
#include "suite.h"
#include "winstub/buf.h"
#include "winstub/bytes.h"
#include "winstub/image.h"

#define COUNT_OF(a) (sizeof(a) / sizeof *(a))

static struct pe_builder b;
static struct buf file, seen;
static struct pe_image *image;
static uint8_t *mapped;
static struct diag why;
static size_t stop_after; /* entries, 0: never */

static void setup(void)
{
    pe_builder_init(&b, CPU_AMD64);
    buf_init(&file, 1 << 20);
    buf_init(&seen, 1 << 22);
    image = NULL;
    mapped = NULL;
    why.text[0] = 0;
    stop_after = 0;
}

static void teardown(void)
{
    free(mapped);
    pe_free(image);
    buf_fini(&file);
    buf_fini(&seen);
}

static void layout(void)
{
    free(mapped);
    mapped = NULL;
    pe_free(image);
    image = NULL;
    buf_clear(&file);
    pe_builder_write(&b, &file);
    ck_assert_msg(pe_parse((struct bytes){file.data, file.len}, &image, &why) == ERR_OK, "%s",
                  why.text);
    ck_assert_int_eq(pe_layout(image, image->image_base, &mapped, &why), ERR_OK);
    why.text[0] = 0;
    buf_clear(&seen);
}

static bool more(void)
{
    return !stop_after || --stop_after;
}

static bool see_import(void *ctx, const struct pe_import *import)
{
    ck_assert_ptr_eq(ctx, &seen);
    ck_assert_msg(buf_printf(&seen, "%s %s %u @%x\n", import->dll,
                             import->name ? import->name : "#", import->ordinal, import->slot_rva),
                  "too many");
    return more();
}

static bool see_export(void *ctx, const struct pe_export *export)
{
    ck_assert_ptr_eq(ctx, &seen);
    ck_assert(buf_printf(&seen, "%u %s @%x %s\n", export->ordinal,
                         export->name ? export->name : "#", export->rva,
                         export->forwarder ? export->forwarder : "-"));
    return more();
}

static struct bytes view(void)
{
    return (struct bytes){mapped, image->image_size};
}

static enum err imports(void)
{
    layout();
    return pe_imports(image, view(), see_import, &seen, &why);
}

static enum err exports(void)
{
    layout();
    return pe_exports(image, view(), see_export, &seen, &why);
}

#define ck_walk(walk, e, want)                                                                     \
    do {                                                                                           \
        ck_assert_msg(walk() == (e), "expected %s: %s", #e, why.text);                             \
        ck_assert_str_eq(buf_str(&seen), want);                                                    \
    } while (0)
#define ck_says(words) ck_assert_msg(strstr(why.text, words), "'%s' lacks '%s'", why.text, words)

static const enum cpu_arch archs[] = {CPU_I386, CPU_AMD64};

/* ---- Imports ------------------------------------------------------------------------------------ */

#define FIRST  "KERNEL32.dll ExitProcess 5 @2080\n"
#define SECOND "KERNEL32.dll GetStdHandle 6 @2088\n"
#define THIRD  "WS2_32.dll # 115 @20a0\n"

START_TEST(ordinary_imports)
{
    pe_builder_init(&b, archs[_i]);
    ck_walk(imports, ERR_OK,
            archs[_i] == CPU_AMD64 ? FIRST SECOND THIRD
                                   : FIRST "KERNEL32.dll GetStdHandle 6 @2084\n" THIRD);
}
END_TEST

START_TEST(no_imports)
{
    b.dirs[1].rva = 0;
    ck_walk(imports, ERR_OK, "");
}
END_TEST

/* Once bound, the address table holds addresses; the lookup table still has the names. */
START_TEST(bound_imports)
{
    pe_builder_word(&b, PB_SLOTS, UINT64_C(0x7FF812345678));
    pe_builder_word(&b, PB_SLOTS + 8, UINT64_C(0x7FF812345688));
    pe_builder_u32(&b, PB_IMPORTS + 4, 0xFFFFFFFF); /* TimeDateStamp: bound */
    ck_walk(imports, ERR_OK, FIRST SECOND THIRD);
}
END_TEST

/* What NT takes for a missing lookup table: 0, something inside the headers, something outside. */
START_TEST(missing_lookup_table)
{
    static const uint32_t odd[] = {0, 0x10, 0x3FF, PB_IMAGE_SIZE, 0xFFFFFFFF};

    pe_builder_u32(&b, PB_IMPORTS, odd[_i]);
    ck_walk(imports, ERR_OK, FIRST SECOND THIRD);
}
END_TEST

START_TEST(ended_by_the_callback)
{
    stop_after = 1;
    ck_walk(imports, ERR_OK, FIRST);
    stop_after = 2;
    ck_walk(imports, ERR_OK, FIRST SECOND);
}
END_TEST

/* The directory's size is no limit and no end: Windows goes by the descriptors. */
START_TEST(directory_size_is_not_used)
{
    b.dirs[1].size = 1;
    ck_walk(imports, ERR_OK, FIRST SECOND THIRD);
    b.dirs[1].size = UINT32_MAX;
    ck_walk(imports, ERR_OK, FIRST SECOND THIRD);
    pe_builder_u32(&b, PB_IMPORTS + 20 + 16, 0); /* a descriptor without slots ends the list */
    ck_walk(imports, ERR_OK, FIRST SECOND);
}
END_TEST

START_TEST(import_directory_outside)
{
    static const uint32_t odd[] = {PB_IMAGE_SIZE - 19, PB_IMAGE_SIZE, 0xFFFFFFFF};

    b.dirs[1].rva = odd[_i];
    ck_walk(imports, ERR_FORMAT, "");
    ck_says("the import directory at RVA 0x");
}
END_TEST

START_TEST(import_directory_without_end)
{
    b.dirs[1].rva = PB_IMAGE_SIZE - 40;
    b.sections[4].file_size = 0x1000;
    b.sections[4].virtual_size = 0x1000;
    layout();
    memcpy(mapped + PB_IMAGE_SIZE - 40, mapped + PB_IMPORTS, 40);
    ck_assert_int_eq(pe_imports(image, view(), see_import, &seen, &why), ERR_FORMAT);
    ck_assert_str_eq(buf_str(&seen), FIRST SECOND THIRD);
    ck_says("has no end inside the image");
}
END_TEST

START_TEST(dll_name_damaged)
{
    pe_builder_u32(&b, PB_IMPORTS + 20 + 12, 0xFFFFFFFF);
    ck_walk(imports, ERR_FORMAT, FIRST SECOND);
    ck_says("the import descriptor at RVA 0x2014 has its DLL's name at RVA 0xffffffff");
    pe_builder_u32(&b, PB_IMPORTS + 20 + 12, PB_IMAGE_SIZE);
    ck_walk(imports, ERR_FORMAT, FIRST SECOND);
    pe_builder_u32(&b, PB_IMPORTS + 20 + 12, PB_NAMES + 0x10);
    layout();
    memset(mapped + PB_BSS, 'A', 0x1000);
    put_u32(mapped + PB_IMPORTS + 12, PB_BSS); /* text of more than 255 bytes */
    ck_assert_int_eq(pe_imports(image, view(), see_import, &seen, &why), ERR_FORMAT);
    memset(mapped + PB_IMAGE_SIZE - 100, 'A', 100);
    put_u32(mapped + PB_IMPORTS + 12, PB_IMAGE_SIZE - 100); /* text that runs off the image */
    ck_assert_int_eq(pe_imports(image, view(), see_import, &seen, &why), ERR_FORMAT);
    mapped[PB_BSS + 255] = 0;
    put_u32(mapped + PB_IMPORTS + 12, PB_BSS);
    ck_assert_int_eq(pe_imports(image, view(), see_import, &seen, &why), ERR_OK);
}
END_TEST

START_TEST(function_name_damaged)
{
    static const uint64_t odd[] = {PB_IMAGE_SIZE, PB_IMAGE_SIZE - 1,  PB_IMAGE_SIZE - 2,
                                   0xFFFFFFFF,    0x7FFFFFFFFFFFFFFF, 0x7FFFFFFFFFFFFFFE};

    pe_builder_word(&b, PB_LOOKUP + 8, odd[_i]);
    ck_walk(imports, ERR_FORMAT, FIRST);
    ck_says("an import from KERNEL32.dll (slot at RVA 0x2088) has its name at RVA");
}
END_TEST

START_TEST(lookup_table_without_end)
{
    layout();
    for (uint32_t at = PB_RELOC; at < PB_IMAGE_SIZE; at += 8)
        put_u64(mapped + at, PB_NAMES + 0x20);
    put_u32(mapped + PB_IMPORTS, PB_RELOC);
    ck_assert_int_eq(pe_imports(image, view(), see_import, &seen, &why), ERR_FORMAT);
    ck_says("the import lookup table of KERNEL32.dll at RVA 0x6000 has no end");
}
END_TEST

START_TEST(slots_outside)
{
    pe_builder_u32(&b, PB_IMPORTS + 16, PB_IMAGE_SIZE - 8); /* one slot fits */
    ck_walk(imports, ERR_FORMAT, "KERNEL32.dll ExitProcess 5 @6ff8\n");
    ck_says("the import address table of KERNEL32.dll leaves the image at RVA 0x7000");
    pe_builder_u32(&b, PB_IMPORTS + 16, 0xFFFFFFFF);
    ck_walk(imports, ERR_FORMAT, "");
}
END_TEST

static bool count_import(void *ctx, const struct pe_import *import)
{
    ck_assert_ptr_nonnull(import->dll);
    ++*(size_t *)ctx;
    return true;
}

/* Many descriptors that share one long table: the total is limited, not only each part. */
START_TEST(import_tables_that_overlap)
{
    size_t count = 0;

    b.image_size = PB_IMAGE_SIZE + 0x100000;
    b.sections[4].virtual_size = 0x1000;
    layout();
    for (uint32_t at = PB_IMAGE_SIZE; at < PB_IMAGE_SIZE + 0x80000; at += 8)
        put_u64(mapped + at, UINT64_C(1) << 63 | 1);
    for (uint32_t at = PB_IMAGE_SIZE + 0x90000; at < PB_IMAGE_SIZE + 0xF0000; at += 20) {
        put_u32(mapped + at, PB_IMAGE_SIZE);
        put_u32(mapped + at + 12, PB_NAMES);
        put_u32(mapped + at + 16, PB_IMAGE_SIZE);
    }
    image->dirs[1].rva = PB_IMAGE_SIZE + 0x90000;
    ck_assert_int_eq(pe_imports(image, view(), count_import, &count, &why), ERR_LIMIT);
    ck_assert_uint_eq(count, 1 << 18);
}
END_TEST

/* ---- Exports ------------------------------------------------------------------------------------ */

#define NAMED    "7 alpha @1010 -\n10 fwd @0 NTDLL.RtlFoo\n"
#define NAMELESS "9 # @1020 -\n"

enum { FUNCTIONS = PB_EXPORTS + 0x28, NAMES = FUNCTIONS + 16, NAME_ORDINALS = NAMES + 8 };

START_TEST(ordinary_exports)
{
    pe_builder_init(&b, archs[_i]);
    ck_walk(exports, ERR_OK, NAMED NAMELESS);
}
END_TEST

START_TEST(no_exports)
{
    b.dirs[0].rva = 0;
    ck_walk(exports, ERR_OK, "");
    b.dirs[0].rva = PB_EXPORTS;
    pe_builder_u32(&b, PB_EXPORTS + 20, 0);
    pe_builder_u32(&b, PB_EXPORTS + 24, 0);
    pe_builder_u32(&b, PB_EXPORTS + 28, 0xFFFFFFFF); /* tables of no entries may be anywhere */
    pe_builder_u32(&b, PB_EXPORTS + 32, 0xFFFFFFFF);
    pe_builder_u32(&b, PB_EXPORTS + 36, 0xFFFFFFFF);
    ck_walk(exports, ERR_OK, "");
}
END_TEST

START_TEST(exports_ended_by_the_callback)
{
    stop_after = 2;
    ck_walk(exports, ERR_OK, NAMED);
}
END_TEST

START_TEST(two_names_for_one_function)
{
    pe_builder_u16(&b, NAME_ORDINALS + 2, 0);
    ck_walk(exports, ERR_OK, "7 alpha @1010 -\n7 fwd @1010 -\n" NAMELESS "10 # @0 NTDLL.RtlFoo\n");
}
END_TEST

START_TEST(export_directory_outside)
{
    static const uint32_t odd[] = {PB_IMAGE_SIZE - 39, PB_IMAGE_SIZE, 0xFFFFFFFF};

    b.dirs[0].rva = odd[_i];
    ck_walk(exports, ERR_FORMAT, "");
    ck_says("the export directory at RVA 0x");
}
END_TEST

START_TEST(export_tables_outside)
{
    static const struct {
        uint32_t at, value;
        const char *words;
    } cases[] = {
        {28, PB_IMAGE_SIZE - 15, "a table of the export directory at RVA 0x2200 leaves"},
        {28, 0xFFFFFFFF, "a table of the export directory"},
        {32, PB_IMAGE_SIZE - 7, "a table of the export directory"},
        {36, PB_IMAGE_SIZE - 3, "a table of the export directory"},
        {20, 0x10000, "a table of the export directory"},
        {20, 0x10001, "counts 0x10001 functions"},
        {20, 0xFFFFFFFF, "counts 0xffffffff functions and 0x2 names"},
        {24, 0xFFFFFFFF, "counts 0x4 functions and 0xffffffff names"},
        {24, 0x10000, "a table of the export directory"},
    };

    pe_builder_u32(&b, PB_EXPORTS + cases[_i].at, cases[_i].value);
    ck_walk(exports, ERR_FORMAT, "");
    ck_says(cases[_i].words);
}
END_TEST

START_TEST(export_entries_damaged)
{
    pe_builder_u16(&b, NAME_ORDINALS + 2, 4);
    ck_walk(exports, ERR_FORMAT, "7 alpha @1010 -\n");
    ck_says("export name 1 of 2 (text at RVA 0x225c, function 4 of 4) points outside");
    pe_builder_u16(&b, NAME_ORDINALS + 2, 3);
    pe_builder_u32(&b, NAMES + 4, PB_IMAGE_SIZE);
    ck_walk(exports, ERR_FORMAT, "7 alpha @1010 -\n");
    pe_builder_u32(&b, NAMES + 4, NAME_ORDINALS + 4 + 0x18);
    pe_builder_u32(&b, FUNCTIONS + 8, PB_IMAGE_SIZE);
    ck_assert_int_eq(exports(), ERR_FORMAT);
    ck_says("export ordinal 9 is at RVA 0x7000, past the image's end");
}
END_TEST

START_TEST(forwarder_without_end)
{
    layout();
    image->dirs[0].size = PB_IMAGE_SIZE - PB_EXPORTS;
    put_u32(mapped + FUNCTIONS + 12, PB_IMAGE_SIZE - 4);
    memset(mapped + PB_IMAGE_SIZE - 4, 'A', 4);
    ck_assert_int_eq(pe_exports(image, view(), see_export, &seen, &why), ERR_FORMAT);
    ck_says("the forwarder of export ordinal 10 at RVA 0x6ffc");
}
END_TEST

/* ---- TLS ---------------------------------------------------------------------------------------- */

START_TEST(ordinary_callbacks)
{
    uint32_t rvas[4] = {0};
    gva_t base;

    pe_builder_init(&b, archs[_i]);
    layout();
    ck_assert_uint_eq(pe_tls_callbacks(image, view(), b.image_base, rvas, 4), 2);
    ck_assert_uint_eq(rvas[0], PB_TEXT + 0x10);
    ck_assert_uint_eq(rvas[1], PB_TEXT + 0x20);
    rvas[1] = 0;
    ck_assert_uint_eq(pe_tls_callbacks(image, view(), b.image_base, rvas, 1), 2);
    ck_assert_uint_eq(rvas[1], 0);
    free(mapped);
    mapped = NULL;
    base = b.image_base + 0x20000;
    ck_assert_int_eq(pe_layout(image, base, &mapped, &why), ERR_OK);
    ck_assert_uint_eq(pe_tls_callbacks(image, view(), base, rvas, 4), 2);
    ck_assert_uint_eq(rvas[1], PB_TEXT + 0x20);
}
END_TEST

START_TEST(damaged_callbacks)
{
    uint32_t rvas[4] = {0};

    layout();
    image->dirs[9].rva = PB_IMAGE_SIZE - 31;
    ck_assert_uint_eq(pe_tls_callbacks(image, view(), b.image_base, rvas, 4), 0);
    image->dirs[9].rva = 0xFFFFFFFF;
    ck_assert_uint_eq(pe_tls_callbacks(image, view(), b.image_base, rvas, 4), 0);
    image->dirs[9].rva = 0;
    ck_assert_uint_eq(pe_tls_callbacks(image, view(), b.image_base, rvas, 4), 0);
    image->dirs[9].rva = PB_TLS;
    put_u64(mapped + PB_CALLBACKS + 8, b.image_base + PB_IMAGE_SIZE);
    ck_assert_uint_eq(pe_tls_callbacks(image, view(), b.image_base, rvas, 4), 0);
    put_u64(mapped + PB_CALLBACKS + 8, b.image_base - 1);
    ck_assert_uint_eq(pe_tls_callbacks(image, view(), b.image_base, rvas, 4), 0);
    put_u64(mapped + PB_TLS + 24, b.image_base + PB_IMAGE_SIZE - 4);
    ck_assert_uint_eq(pe_tls_callbacks(image, view(), b.image_base, rvas, 4), 0);
    put_u64(mapped + PB_TLS + 24, b.image_base - 8);
    ck_assert_uint_eq(pe_tls_callbacks(image, view(), b.image_base, rvas, 4), 0);
    put_u64(mapped + PB_TLS + 24, 0);
    ck_assert_uint_eq(pe_tls_callbacks(image, view(), b.image_base, rvas, 4), 0);
    for (uint32_t at = PB_BSS; at < PB_IMAGE_SIZE; at += 8)
        put_u64(mapped + at, b.image_base + PB_TEXT);
    put_u64(mapped + PB_TLS + 24, b.image_base + PB_BSS); /* a list without end */
    ck_assert_uint_eq(pe_tls_callbacks(image, view(), b.image_base, rvas, 4), 0);
}
END_TEST

/* Each byte that the walks read set to each of a few values, and the view cut short at each length. */
START_TEST(every_byte_corrupted)
{
    static const uint8_t values[] = {0x00, 0x01, 0x20, 0x7F, 0x80, 0xFF};
    uint32_t rvas[4];

    pe_builder_init(&b, archs[_i]);
    layout();
    for (uint32_t at = PB_RDATA; at < PB_RDATA + 0x400; at++) {
        uint8_t old = mapped[at];

        for (size_t v = 0; v < COUNT_OF(values); v++) {
            size_t n;

            mapped[at] = values[v];
            why.text[0] = 0;
            buf_clear(&seen);
            ck_assert(!pe_imports(image, view(), see_import, &seen, &why) == !why.text[0]);
            why.text[0] = 0;
            ck_assert(!pe_exports(image, view(), see_export, &seen, &why) == !why.text[0]);
            n = pe_tls_callbacks(image, view(), b.image_base, rvas, 4);
            for (size_t i = 0; i < n && i < 4; i++)
                ck_assert_uint_lt(rvas[i], image->image_size);
        }
        mapped[at] = old;
    }
}
END_TEST

START_TEST(view_cut_short)
{
    uint32_t rvas[4];

    pe_builder_init(&b, archs[_i]);
    layout();
    for (size_t len = 0; len < PB_RDATA + 0x400; len += len < PB_RDATA - 8 ? 0x1FF : 1) {
        uint8_t *copy = malloc(len + 1);

        ck_assert_ptr_nonnull(copy);
        memcpy(copy, mapped, len);
        buf_clear(&seen);
        (void)!pe_imports(image, (struct bytes){copy, len}, see_import, &seen, &why);
        (void)!pe_exports(image, (struct bytes){copy, len}, see_export, &seen, &why);
        (void)pe_tls_callbacks(image, (struct bytes){copy, len}, b.image_base, rvas, 4);
        free(copy);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("pe_dirs");
    TCase *in = tcase_create("imports"), *out = tcase_create("exports"), *tls = tcase_create("tls"),
          *hostile = tcase_create("hostile");

    tcase_add_checked_fixture(in, setup, teardown);
    tcase_add_checked_fixture(out, setup, teardown);
    tcase_add_checked_fixture(tls, setup, teardown);
    tcase_add_checked_fixture(hostile, setup, teardown);
    tcase_add_loop_test(in, ordinary_imports, 0, 2);
    tcase_add_test(in, no_imports);
    tcase_add_test(in, bound_imports);
    tcase_add_loop_test(in, missing_lookup_table, 0, 5);
    tcase_add_test(in, ended_by_the_callback);
    tcase_add_test(in, directory_size_is_not_used);
    tcase_add_loop_test(in, import_directory_outside, 0, 3);
    tcase_add_test(in, import_directory_without_end);
    tcase_add_test(in, dll_name_damaged);
    tcase_add_loop_test(in, function_name_damaged, 0, 6);
    tcase_add_test(in, lookup_table_without_end);
    tcase_add_test(in, slots_outside);
    tcase_add_test(in, import_tables_that_overlap);
    tcase_add_loop_test(out, ordinary_exports, 0, 2);
    tcase_add_test(out, no_exports);
    tcase_add_test(out, exports_ended_by_the_callback);
    tcase_add_test(out, two_names_for_one_function);
    tcase_add_loop_test(out, export_directory_outside, 0, 3);
    tcase_add_loop_test(out, export_tables_outside, 0, 9);
    tcase_add_test(out, export_entries_damaged);
    tcase_add_test(out, forwarder_without_end);
    tcase_add_loop_test(tls, ordinary_callbacks, 0, 2);
    tcase_add_test(tls, damaged_callbacks);
    tcase_add_loop_test(hostile, every_byte_corrupted, 0, 2);
    tcase_add_loop_test(hostile, view_cut_short, 0, 2);
    suite_add_tcase(s, in);
    suite_add_tcase(s, out);
    suite_add_tcase(s, tls);
    suite_add_tcase(s, hostile);
    return suite_main(s);
}
