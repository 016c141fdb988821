/* Laying an image out: where its bytes go, what relocation changes, and which tables are refused. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "alloc_fail.h"
#include "pe_builder.h"
#include "suite.h"
#include "winstub/bytes.h"
#include "winstub/image.h"

#define COUNT_OF(a) (sizeof(a) / sizeof *(a))

static struct pe_builder b;
static struct buf file;
static struct pe_image *image;
static uint8_t *mapped;
static struct diag why;

static void setup(void)
{
    pe_builder_init(&b, CPU_AMD64);
    buf_init(&file, 1 << 20);
    image = NULL;
    mapped = NULL;
    why.text[0] = 0;
}

static void teardown(void)
{
    free(mapped);
    pe_free(image);
    buf_fini(&file);
}

/* Lay out what b says now, delta away from its preferred base. */
static enum err layout(int64_t delta)
{
    free(mapped);
    mapped = NULL;
    pe_free(image);
    image = NULL;
    buf_clear(&file);
    pe_builder_write(&b, &file);
    ck_assert_msg(pe_parse((struct bytes){file.data, file.len}, &image, &why) == ERR_OK, "%s",
                  why.text);
    return pe_layout(image, image->image_base + (uint64_t)delta, &mapped, &why);
}

#define ck_lays_out(delta) ck_assert_msg(layout(delta) == ERR_OK, "%s", why.text)
#define ck_refuses(delta, e, words)                                                                \
    do {                                                                                           \
        ck_assert_msg(layout(delta) == (e), "%s: not refused with %s", words, #e);                 \
        ck_assert_msg(strstr(why.text, words), "'%s' lacks '%s'", why.text, words);                \
        ck_assert_ptr_null(mapped);                                                                \
    } while (0)

static uint64_t word(uint32_t rva)
{
    return b.arch == CPU_AMD64 ? get_u64(mapped + rva) : get_u32(mapped + rva);
}

static bool is_zero(uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++) {
        if (mapped[i])
            return false;
    }
    return true;
}

static const enum cpu_arch archs[] = {CPU_I386, CPU_AMD64};

START_TEST(at_its_own_base)
{
    pe_builder_init(&b, archs[_i]);
    memset(b.sections[2].data + 0x100, 0x5A, 0x100);
    ck_lays_out(0);
    ck_assert(memcmp(mapped, file.data, 0x400) == 0);
    ck_assert(is_zero(0x400, 0x1000));
    ck_assert(memcmp(mapped + PB_TEXT, file.data + 0x400, 0x200) == 0);
    ck_assert(is_zero(PB_TEXT + 0x200, PB_RDATA));
    ck_assert(memcmp(mapped + PB_DATA, file.data + 0xA00, 0x200) == 0);
    ck_assert_uint_eq(mapped[PB_DATA + 0x1FF], 0x5A);
    ck_assert(is_zero(PB_DATA + 0x200, PB_RELOC));
    ck_assert_uint_eq(word(PB_POINTER), b.image_base + PB_TEXT);
}
END_TEST

START_TEST(moved)
{
    static const int64_t deltas[] = {0x10000, -0x10000, 0x1230000};

    for (size_t i = 0; i < COUNT_OF(deltas); i++) {
        uint64_t base;

        pe_builder_init(&b, archs[_i]);
        base = b.image_base + (uint64_t)deltas[i];
        ck_lays_out(deltas[i]);
        ck_assert_uint_eq(word(PB_POINTER), base + PB_TEXT);
        ck_assert_uint_eq(word(PB_CALLBACKS), base + PB_TEXT + 0x10);
        if (b.arch == CPU_AMD64)
            ck_assert_uint_eq(get_u64(mapped + pe_builder_optional(&b) + 24), base);
        else
            ck_assert_uint_eq(get_u32(mapped + pe_builder_optional(&b) + 28), base);
        ck_assert_uint_eq(get_u32(mapped + pe_builder_optional(&b) + 16), PB_TEXT);
        ck_assert(memcmp(mapped + PB_TEXT, file.data + 0x400, 0x200) == 0);
    }
}
END_TEST

/* The four kinds of entry; HIGH and LOW are halves of a 32-bit address. */
START_TEST(entry_kinds)
{
    b.arch = CPU_AMD64;
    pe_builder_u32(&b, PB_RELOC + 0x14, 0x12);
    b.dirs[5].size = 0x22;
    pe_builder_u16(&b, PB_RELOC + 0x18, 0x1000 | 0x40);
    pe_builder_u16(&b, PB_RELOC + 0x1A, 0x2000 | 0x48);
    pe_builder_u16(&b, PB_RELOC + 0x1C, 0x3000 | 0x50);
    pe_builder_u16(&b, PB_RELOC + 0x1E, 0xA000 | 0x58);
    pe_builder_u16(&b, PB_RELOC + 0x20, 0x0000);
    memset(b.sections[2].data + 0x40, 0xFF, 0x20);
    ck_lays_out(0x12340000);
    ck_assert_uint_eq(get_u32(mapped + PB_DATA + 0x40), 0xFFFF1233);
    ck_assert_uint_eq(get_u32(mapped + PB_DATA + 0x48), 0xFFFFFFFF);
    ck_assert_uint_eq(get_u64(mapped + PB_DATA + 0x50), UINT64_C(0xFFFFFFFF1233FFFF));
    ck_assert_uint_eq(get_u64(mapped + PB_DATA + 0x58), 0x1233FFFF);
}
END_TEST

START_TEST(cannot_move)
{
    b.characteristics |= 1;
    ck_lays_out(0);
    ck_refuses(0x10000, ERR_UNSUPPORTED,
               "its relocations are stripped, so it runs only at "
               "0x140000000");
    b.characteristics &= 0xFFFE;
    b.dirs[5].rva = b.dirs[5].size = 0; /* nothing to change, which is not the same */
    ck_lays_out(0x10000);
    ck_assert_uint_eq(word(PB_POINTER), b.image_base + PB_TEXT);
}
END_TEST

START_TEST(no_room_at_base)
{
    ck_lays_out(0);
    free(mapped);
    mapped = NULL;
    ck_assert_int_eq(pe_layout(image, UINT64_MAX - 0xFFFF, &mapped, &why), ERR_RANGE);
    ck_assert_int_eq(pe_layout(image, VM_USER_LIMIT_64 - 0x1000, &mapped, &why), ERR_RANGE);
    pe_builder_init(&b, CPU_I386);
    ck_refuses(0x100000000 - 0x400000, ERR_RANGE, "does not fit at 0x100000000");
}
END_TEST

START_TEST(no_memory)
{
    enum err e;

    ck_lays_out(0);
    free(mapped);
    ALLOC_FAIL_EACH(e, pe_layout(image, image->image_base, &mapped, &why), ERR_NOMEM, ERR_OK);
}
END_TEST

/* ---- Damaged relocation tables ------------------------------------------------------------------ */

START_TEST(directory_outside)
{
    b.dirs[5].rva = PB_IMAGE_SIZE - 8;
    ck_refuses(0x10000, ERR_FORMAT, "the relocation directory spans RVA 0x6ff8, size 0x1c");
    b.dirs[5].rva = UINT32_MAX;
    b.dirs[5].size = UINT32_MAX;
    ck_refuses(0x10000, ERR_FORMAT, "RVA 0xffffffff, size 0xffffffff");
    ck_lays_out(0); /* where it is not needed it is not read, as on Windows */
}
END_TEST

START_TEST(block_sizes)
{
    static const struct {
        uint32_t size;
        bool fine;
    } cases[] = {{0, true},   {1, false},   {7, false},          {8, true},          {9, true},
                 {0xC, true}, {0xD, false}, {0x80000000, false}, {UINT32_MAX, false}};

    pe_builder_u32(&b, PB_RELOC + 0x14, cases[_i].size);
    if (cases[_i].fine)
        ck_lays_out(0x10000);
    else
        ck_refuses(0x10000, ERR_FORMAT, "the relocation block at RVA 0x6010 has SizeOfBlock");
}
END_TEST

START_TEST(entries_outside)
{
    pe_builder_u32(&b, PB_RELOC + 0x10, PB_IMAGE_SIZE - 0x10); /* the pointer's 8 bytes just fit */
    pe_builder_u16(&b, PB_RELOC + 0x18, 0xA008);
    ck_lays_out(0x10000);
    pe_builder_u16(&b, PB_RELOC + 0x18, 0xA009);
    ck_refuses(0x10000, ERR_FORMAT, "a relocation names RVA 0x6ff9, past the image's end");
    pe_builder_u32(&b, PB_RELOC + 0x10, 0xFFFFF000);
    ck_refuses(0x10000, ERR_FORMAT, "a relocation names RVA 0xfffff009");
    pe_builder_u16(&b, PB_RELOC + 0x18, 0x0009); /* padding is not looked at */
    ck_lays_out(0x10000);
}
END_TEST

START_TEST(unknown_kinds)
{
    static const uint8_t kinds[] = {4, 5, 6, 7, 8, 9, 11, 15};

    pe_builder_u16(&b, PB_RELOC + 0x18, (uint16_t)(kinds[_i] << 12 | 0x10));
    ck_refuses(0x10000, ERR_FORMAT, "the relocation of RVA 0x3010 has type");
}
END_TEST

/* A table that relocates itself stays inside what was checked. */
START_TEST(relocates_itself)
{
    for (uint16_t at = 0; at < 0x1C; at++) {
        for (int64_t delta = -0x10000; delta <= 0x10000; delta += 0x20000) {
            enum err e;

            pe_builder_init(&b, CPU_AMD64);
            pe_builder_u32(&b, PB_RELOC, PB_RELOC);
            pe_builder_u16(&b, PB_RELOC + 8, (uint16_t)(0xA000 | at));
            e = layout(delta);
            ck_assert_msg(e == ERR_OK || e == ERR_FORMAT, "%d", e);
        }
    }
}
END_TEST

/* Each byte of the table set to each of a few values. */
START_TEST(every_table_byte_corrupted)
{
    static const uint8_t values[] = {0x00, 0x01, 0x7F, 0x80, 0xFF};

    pe_builder_init(&b, archs[_i]);
    for (uint32_t at = 0; at < 0x1C; at++) {
        for (size_t v = 0; v < COUNT_OF(values); v++) {
            uint8_t old = b.sections[4].data[at];
            enum err e;

            b.sections[4].data[at] = values[v];
            why.text[0] = 0;
            e = layout(0x10000);
            ck_assert(!e == !why.text[0]);
            b.sections[4].data[at] = old;
        }
    }
}
END_TEST

/* ---- Odd layouts -------------------------------------------------------------------------------- */

START_TEST(data_larger_than_virtual_size)
{
    b.sections[0].file_size = 0x2000;
    b.sections[0].file_offset = 0xE00;
    memset(b.sections[0].data, 0x90, PB_DATA_MAX);
    ck_lays_out(0);
    ck_assert_uint_eq(mapped[PB_TEXT + PB_DATA_MAX - 1], 0x90); /* past VirtualSize, in its page */
    ck_assert(memcmp(mapped + PB_RDATA, file.data + 0x600, 0x400) == 0);
}
END_TEST

/* The bytes before PointerToRawData in its sector come along. */
START_TEST(data_begins_inside_a_sector)
{
    b.sections[0].file_offset = 0x410;
    b.sections[0].file_size = 0x1F0;
    memset(b.sections[0].data, 0x90, 0x1F0);
    ck_lays_out(0);
    ck_assert_uint_eq(mapped[PB_TEXT], 0);
    ck_assert_uint_eq(mapped[PB_TEXT + 0xF], 0);
    ck_assert_uint_eq(mapped[PB_TEXT + 0x10], 0x90);
    ck_assert_uint_eq(mapped[PB_TEXT + 0x1FF], 0x90);
}
END_TEST

START_TEST(wide_alignment)
{
    b.section_alignment = 0x10000;
    b.image_size = 0x60000;
    for (uint32_t i = 0; i < b.section_count; i++)
        b.sections[i].rva = 0x10000 * (i + 1);
    b.entry = 0x10000;
    b.dirs[5].rva = 0x50000;
    pe_builder_u32(&b, 0x50000, 0x20000);
    pe_builder_u32(&b, 0x50010, 0x30000);
    ck_lays_out(0x10000);
    ck_assert_uint_eq(mapped[0x10000], 0xC3);
    ck_assert_uint_eq(word(0x30010), b.image_base + 0x10000 + PB_TEXT);
}
END_TEST

START_TEST(flat)
{
    b.section_alignment = b.file_alignment = 0x20;
    b.section_count = 2;
    b.sections[0].rva = b.sections[0].file_offset;
    b.sections[1].rva = b.sections[1].file_offset;
    b.entry = 0x400;
    b.dirs[5].rva = b.dirs[5].size = 0;
    ck_lays_out(0x10000);
    ck_assert_uint_eq(get_u64(mapped + pe_builder_optional(&b) + 24), b.image_base + 0x10000);
    put_u64(file.data + pe_builder_optional(&b) + 24, b.image_base + 0x10000);
    ck_assert(memcmp(mapped, file.data, file.len) == 0);
    ck_assert(is_zero((uint32_t)file.len, PB_IMAGE_SIZE));
    b.image_size = 0x1000; /* smaller than the file: the rest of it stays out */
    b.headers_size = 0x200;
    ck_lays_out(0);
    ck_assert_uint_eq(mapped[0x400], 0xC3);
    b.section_count = 0;
    b.lfanew = 0x2000; /* ImageBase itself lies past what is mapped */
    ck_lays_out(0x10000);
    ck_assert(memcmp(mapped, file.data, 0x1000) == 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("pe_layout");
    TCase *tc = tcase_create("placement"), *relocs = tcase_create("relocation"),
          *odd = tcase_create("odd layouts");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_checked_fixture(relocs, setup, teardown);
    tcase_add_checked_fixture(odd, setup, teardown);
    tcase_add_loop_test(tc, at_its_own_base, 0, 2);
    tcase_add_loop_test(tc, moved, 0, 2);
    tcase_add_test(tc, entry_kinds);
    tcase_add_test(tc, cannot_move);
    tcase_add_test(tc, no_room_at_base);
    tcase_add_test(tc, no_memory);
    tcase_add_test(relocs, directory_outside);
    tcase_add_loop_test(relocs, block_sizes, 0, 9);
    tcase_add_test(relocs, entries_outside);
    tcase_add_loop_test(relocs, unknown_kinds, 0, 8);
    tcase_add_test(relocs, relocates_itself);
    tcase_add_loop_test(relocs, every_table_byte_corrupted, 0, 2);
    tcase_add_test(odd, data_larger_than_virtual_size);
    tcase_add_test(odd, data_begins_inside_a_sector);
    tcase_add_test(odd, wide_alignment);
    tcase_add_test(odd, flat);
    suite_add_tcase(s, tc);
    suite_add_tcase(s, relocs);
    suite_add_tcase(s, odd);
    return suite_main(s);
}
