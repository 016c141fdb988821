/* The PE parser: what an ordinary file says, what each wrong field is answered, and that no truncation hurts. */
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
static struct diag why;

static void setup(void)
{
    pe_builder_init(&b, CPU_AMD64);
    buf_init(&file, 1 << 20);
    image = NULL;
    why.text[0] = 0;
}

static void teardown(void)
{
    pe_free(image);
    buf_fini(&file);
}

static struct bytes whole(void)
{
    return (struct bytes){file.data, file.len};
}

/* Parse what b says now. */
static enum err parse(void)
{
    pe_free(image);
    image = NULL;
    buf_clear(&file);
    pe_builder_write(&b, &file);
    return pe_parse(whole(), &image, &why);
}

#define ck_parses() ck_assert_msg(parse() == ERR_OK, "%s", why.text)
#define ck_refuses(e, words)                                                                       \
    do {                                                                                           \
        ck_assert_msg(parse() == (e), "%s: not refused with %s (%s)", words, #e, why.text);        \
        ck_assert_msg(strstr(why.text, words), "'%s' lacks '%s'", why.text, words);                \
        ck_assert_ptr_null(image);                                                                 \
    } while (0)

static const enum cpu_arch archs[] = {CPU_I386, CPU_AMD64};

START_TEST(ordinary)
{
    enum cpu_arch arch = archs[_i];

    pe_builder_init(&b, arch);
    ck_parses();
    ck_assert_uint_eq(file.len, PB_FILE_SIZE);
    ck_assert_int_eq(image->arch, arch);
    ck_assert_uint_eq(image->machine, b.machine);
    ck_assert_uint_eq(image->characteristics, b.characteristics);
    ck_assert_uint_eq(image->dll_characteristics, b.dll_characteristics);
    ck_assert_uint_eq(image->subsystem, 3);
    ck_assert_uint_eq(image->timestamp, 0x12345678);
    ck_assert_uint_eq(image->checksum, 0xABCD);
    ck_assert_uint_eq(image->image_base, b.image_base);
    ck_assert_uint_eq(image->entry_rva, PB_TEXT);
    ck_assert_uint_eq(image->image_size, PB_IMAGE_SIZE);
    ck_assert_uint_eq(image->headers_size, 0x400);
    ck_assert_uint_eq(image->stack_reserve, 0x200000);
    ck_assert_uint_eq(image->stack_commit, 0x1000);
    ck_assert_uint_eq(image->heap_reserve, 0x100000);
    ck_assert_uint_eq(image->heap_commit, 0x2000);
    ck_assert_uint_eq(image->dirs[1].rva, PB_IMPORTS);
    ck_assert_uint_eq(image->dirs[0].size, PB_EXPORTS_SIZE);
    ck_assert(!image->flat);
    ck_assert_uint_eq(image->section_count, 5);
    ck_assert_str_eq(image->sections[2].name, ".data");
    ck_assert_uint_eq(image->sections[2].rva, PB_DATA);
    ck_assert_uint_eq(image->sections[2].virtual_size, 0x1800);
    ck_assert_uint_eq(image->sections[2].file_offset, 0xA00);
    ck_assert_uint_eq(image->sections[2].file_size, 0x200);
    ck_assert_uint_eq(image->sections[2].flags, 0xC0000040);
    ck_assert_uint_eq(image->sections[3].file_size, 0);
    ck_assert_uint_eq(pe_first_section(image), PB_TEXT);
}
END_TEST

/* Every cut of the file is refused as truncated (or as no program at all), with a sentence. */
START_TEST(truncation_at_every_offset)
{
    pe_builder_init(&b, archs[_i]);
    ck_parses();
    for (size_t len = 0; len < file.len; len++) {
        uint8_t *copy = malloc(len + 1); /* of its own, so that the sanitizer sees a read past it */
        struct pe_image *cut = NULL;
        enum err e;

        ck_assert_ptr_nonnull(copy);
        memcpy(copy, file.data, len);
        why.text[0] = 0;
        e = pe_parse((struct bytes){copy, len}, &cut, &why);
        if (len <= PB_FILE_SIZE - 0x200)
            ck_assert_msg(e == (len < 2 ? ERR_FORMAT : ERR_TRUNCATED), "cut at 0x%zx: %d %s", len,
                          e, why.text);
        else
            ck_assert_msg(e == ERR_OK, "cut at 0x%zx, inside the last sector: %s", len, why.text);
        ck_assert(!e == !why.text[0]);
        pe_free(cut);
        free(copy);
    }
}
END_TEST

/* ---- One field wrong at a time ------------------------------------------------------------------ */

START_TEST(wrong_machine)
{
    static const struct {
        uint16_t machine;
        enum err e;
        const char *words;
    } cases[] = {
        {0xAA64, ERR_UNSUPPORTED, "ARM64 (Machine 0xaa64 at file offset 0x84)"},
        {0x01C4, ERR_UNSUPPORTED, "ARM Thumb-2"},
        {0x0200, ERR_UNSUPPORTED, "Itanium"},
        {0x5064, ERR_UNSUPPORTED, "RISC-V 64"},
        {0, ERR_FORMAT, "0x0000, which names no CPU"},
        {0x014C, ERR_FORMAT, "Magic at file offset 0x98 is 0x020b"},
    };

    b.machine = cases[_i].machine;
    ck_refuses(cases[_i].e, cases[_i].words);
}
END_TEST

START_TEST(not_finished_by_the_linker)
{
    b.characteristics = 0x20;
    ck_refuses(ERR_FORMAT, "Characteristics at file offset 0x96 is 0x0020");
}
END_TEST

START_TEST(wrong_alignment)
{
    static const struct {
        uint32_t section, file;
        const char *words;
    } cases[] = {
        {0, 0x200, "SectionAlignment at file offset 0xb8 is 0x0"},
        {0x1800, 0x200, "SectionAlignment at file offset 0xb8 is 0x1800"},
        {0x1000, 0, "FileAlignment at file offset 0xbc is 0x0"},
        {0x1000, 0x300, "FileAlignment at file offset 0xbc is 0x300"},
        {0x1000, 0x2000, "at most SectionAlignment"},
        {0x1000, 0x100, "expected a multiple of 0x200"},
    };

    b.section_alignment = cases[_i].section;
    b.file_alignment = cases[_i].file;
    ck_refuses(ERR_FORMAT, cases[_i].words);
}
END_TEST

START_TEST(wrong_sizes)
{
    b.image_size = 0;
    ck_refuses(ERR_FORMAT, "SizeOfImage 0x0");
    b.image_size = 0x40000001;
    ck_refuses(ERR_LIMIT, "SizeOfImage at file offset 0xd0 is 0x40000001");
    b.image_size = UINT32_MAX;
    ck_refuses(ERR_LIMIT, "0xffffffff");
    b.image_size = PB_IMAGE_SIZE - 0x1000;
    ck_refuses(ERR_FORMAT, "section 5 (.reloc");
    b.image_size = PB_IMAGE_SIZE - 0xFFF; /* rounded up to pages */
    ck_parses();
    ck_assert_uint_eq(image->image_size, PB_IMAGE_SIZE);
    b.entry = PB_IMAGE_SIZE;
    ck_refuses(ERR_FORMAT, "AddressOfEntryPoint at file offset 0xa8 is 0x7000");
    b.entry = 0;
    ck_parses();
    ck_assert_uint_eq(image->entry_rva, 0);
    b.image_base += 0x1000;
    ck_refuses(ERR_FORMAT, "ImageBase at file offset 0xb0 is 0x140001000");
}
END_TEST

/* SizeOfHeaders is no measure of what is mapped, unless it runs into the first section. */
START_TEST(odd_header_sizes)
{
    buf_clear(&file);
    pe_builder_write(&b, &file);
    put_u32(file.data + pe_builder_optional(&b) + 60, 0);
    ck_assert_msg(pe_parse(whole(), &image, &why) == ERR_OK, "%s", why.text);
    ck_assert_uint_eq(image->headers_size, pe_builder_table(&b) + 5 * 40);
    put_u32(file.data + pe_builder_optional(&b) + 60, 0x1001);
    pe_free(image);
    image = NULL;
    ck_assert_int_eq(pe_parse(whole(), &image, &why), ERR_OK); /* no more than the file has */
    ck_assert_uint_eq(image->headers_size, PB_FILE_SIZE);
    put_u32(file.data + pe_builder_optional(&b) + 60, PB_IMAGE_SIZE + 1);
    pe_free(image);
    image = NULL;
    ck_assert_int_eq(pe_parse(whole(), &image, &why), ERR_FORMAT);
    ck_assert_msg(strstr(why.text, "SizeOfHeaders at file offset 0xd4 is 0x7001"), "%s", why.text);
}
END_TEST

START_TEST(headers_run_into_the_first_section)
{
    b.headers_size = 0x1200;
    for (size_t i = 0; i < b.section_count; i++)
        b.sections[i].file_offset += b.sections[i].file_offset ? 0x1000 : 0;
    ck_refuses(ERR_FORMAT, "section 1 (.text) has VirtualAddress 0x1000");
}
END_TEST

START_TEST(few_and_many_directories)
{
    b.dir_count = 2;
    ck_parses();
    ck_assert_uint_eq(image->dirs[1].rva, PB_IMPORTS);
    ck_assert_uint_eq(image->dirs[5].rva, 0);
    b.dir_count = UINT32_MAX;
    ck_parses();
    ck_assert_uint_eq(image->dirs[9].rva, PB_TLS);
}
END_TEST

START_TEST(over_the_limit)
{
    uint8_t one = 'M'; /* no more is looked at */

    ck_assert_int_eq(pe_parse((struct bytes){&one, PE_FILE_MAX + 1u}, &image, &why), ERR_LIMIT);
    ck_assert_str_eq(why.text, "the file has 0x20000001 bytes; the limit is 0x20000000");
}
END_TEST

START_TEST(no_memory)
{
    enum err e;

    ck_parses();
    pe_free(image);
    ALLOC_FAIL_EACH(e, pe_parse(whole(), &image, &why), ERR_NOMEM, ERR_OK);
}
END_TEST

/* ---- Sections ----------------------------------------------------------------------------------- */

START_TEST(section_out_of_place)
{
    b.sections[1].rva = 0x2200;
    ck_refuses(ERR_FORMAT, "section 2 (.rdata) has VirtualAddress 0x2200 at file offset 0x1bc; "
                           "expected a multiple of SectionAlignment (0x1000)");
    b.sections[1].rva = PB_TEXT;
    ck_refuses(ERR_FORMAT, "inside what comes before it, which ends at 0x2000");
    b.sections[1].rva = 0;
    ck_refuses(ERR_FORMAT, "inside what comes before it");
    b.sections[1].rva = 0xFFFFF000;
    ck_refuses(ERR_FORMAT, "spans RVA 0xfffff000");
    b.sections[1].rva = PB_RDATA;
    b.sections[1].virtual_size = UINT32_MAX;
    ck_refuses(ERR_FORMAT, "size 0xffffffff");
    b.sections[1].virtual_size = 0x1001;
    ck_refuses(ERR_FORMAT, "section 3 (.data) has VirtualAddress 0x3000");
}
END_TEST

START_TEST(section_data_outside_the_file)
{
    b.sections[4].virtual_size = 0x1000;
    ck_parses();
    put_u32(file.data + pe_builder_table(&b) + 4 * 40 + 20, 0xFFFFFFFF);
    pe_free(image);
    image = NULL;
    ck_assert_int_eq(pe_parse(whole(), &image, &why), ERR_TRUNCATED);
    ck_assert_msg(strstr(why.text, "PointerToRawData 0xffffffff"), "%s", why.text);
    put_u32(file.data + pe_builder_table(&b) + 4 * 40 + 20, 0xC00);
    put_u32(file.data + pe_builder_table(&b) + 4 * 40 + 16, 0xFFFFFFFF);
    ck_assert_int_eq(pe_parse(whole(), &image, &why), ERR_TRUNCATED);
    put_u32(file.data + pe_builder_table(&b) + 4 * 40 + 16, 0x201);
    ck_assert_int_eq(pe_parse(whole(), &image, &why), ERR_TRUNCATED);
}
END_TEST

/* The raw size may pass the virtual size: what the pages hold is read, the rest is not needed. */
START_TEST(section_data_larger_than_its_pages)
{
    b.sections[0].file_size = 0x2000;
    b.sections[0].file_offset = 0xE00;
    ck_parses();
    ck_assert_uint_eq(image->sections[0].file_size, 0x1000);
    ck_assert_uint_eq(image->sections[0].virtual_size, 0x30);
}
END_TEST

START_TEST(section_without_virtual_size)
{
    b.sections[1].virtual_size = 0;
    ck_parses();
    ck_assert_uint_eq(image->sections[1].virtual_size, 0x400);
    b.sections[3].virtual_size = 0; /* neither: an empty section, which takes no room */
    ck_parses();
    ck_assert_uint_eq(image->sections[3].virtual_size, 0);
}
END_TEST

/* NT reads from the sector that holds PointerToRawData, whatever FileAlignment is. */
START_TEST(section_data_begins_inside_a_sector)
{
    b.sections[0].file_offset = 0x410;
    b.sections[0].file_size = 0x1F0;
    ck_parses();
    ck_assert_uint_eq(image->sections[0].file_offset, 0x400);
    ck_assert_uint_eq(image->sections[0].file_size, 0x200);
    b.sections[0].file_size = 0x200; /* reaches into the next sector: both are read */
    ck_parses();
    ck_assert_uint_eq(image->sections[0].file_size, 0x400);
    b.sections[0].file_offset = 0x10; /* the headers' own sector */
    b.sections[0].file_size = 0x10;
    ck_parses();
    ck_assert_uint_eq(image->sections[0].file_offset, 0);
    ck_assert_uint_eq(image->sections[0].file_size, 0x200);
}
END_TEST

START_TEST(section_names_are_printable)
{
    b.sections[0].name = "a\n\x1b%s\xC3 z";
    ck_parses();
    ck_assert_str_eq(image->sections[0].name, "a??%s??z");
    b.sections[0].name = "";
    ck_parses();
    ck_assert_str_eq(image->sections[0].name, "");
}
END_TEST

START_TEST(section_count_beyond_the_file)
{
    ck_parses();
    put_u16(file.data + b.lfanew + 6, 0xFFFF);
    pe_free(image);
    image = NULL;
    ck_assert_int_eq(pe_parse(whole(), &image, &why), ERR_TRUNCATED);
    ck_assert_msg(strstr(why.text, "of 65535 entries (NumberOfSections at file offset 0x86)"), "%s",
                  why.text);
}
END_TEST

START_TEST(no_sections)
{
    b.section_count = 0;
    ck_parses();
    ck_assert_uint_eq(pe_first_section(image), 0x1000);
    b.image_size = 0x1000;
    b.entry = 0;
    b.optional_size = 0x1FFF; /* puts the table, of no entries, past the image's end */
    b.headers_size = 0x400;
    ck_assert_int_eq(parse(), ERR_TRUNCATED);
    b.headers_size = 0x1000;
    (void)!parse();
    ck_assert(buf_extend(&file, 0x2000));
    ck_assert_msg(pe_parse(whole(), &image, &why) == ERR_OK, "%s", why.text);
    ck_assert_uint_eq(image->headers_size, 0x1000);
}
END_TEST

/* ---- Images with less than a page of SectionAlignment -------------------------------------------- */

static void make_flat(void)
{
    b.section_alignment = 0x200;
    for (size_t i = 0; i < b.section_count; i++)
        b.sections[i].rva = b.sections[i].file_offset;
    b.section_count = 2;
    b.entry = 0x400;
}

START_TEST(flat)
{
    make_flat();
    ck_parses();
    ck_assert(image->flat);
    ck_assert_uint_eq(pe_first_section(image), 0x400);
    b.sections[1].rva = 0x800;
    ck_refuses(ERR_FORMAT, "Windows takes equal numbers only");
    b.sections[1].rva = 0x600;
    b.section_alignment = b.file_alignment = 0x10;
    ck_parses();
    ck_assert(image->flat);
    put_u32(file.data + pe_builder_table(&b) + 40 + 16, 0x401);
    pe_free(image);
    image = NULL;
    ck_assert_int_eq(pe_parse(whole(), &image, &why), ERR_TRUNCATED);
    put_u32(file.data + pe_builder_table(&b) + 40 + 16, 0x400);
    file.len -= 0x10; /* inside the last sector: the rest of it is zeros */
    ck_assert_msg(pe_parse(whole(), &image, &why) == ERR_OK, "%s", why.text);
    ck_assert_uint_eq(image->sections[1].file_size, 0x3F0);
}
END_TEST

/* ---- Files of other kinds ------------------------------------------------------------------------ */

START_TEST(other_formats)
{
    static const struct {
        const char *bytes;
        size_t len;
        const char *words;
    } cases[] = {
        {"", 0, "the file is empty"},
        {"\x7F"
         "ELF\2\1\1",
         7, "an ELF program"},
        {"\xCF\xFA\xED\xFE", 4, "Mach-O"},
        {"MDMP\x93\xA7", 6, "minidump"},
        {"PK\3\4", 4, "ZIP"},
        {"!<arch>\n", 8, "library"},
        {"#!/bin/sh\n", 10, "a script"},
        {"\x48\x31\xC0\xC3", 4, "--raw --arch x86-64"},
        {"M", 1, "does not begin with MZ"},
    };

    ck_assert_int_eq(
        pe_parse((struct bytes){(const uint8_t *)cases[_i].bytes, cases[_i].len}, &image, &why),
        ERR_FORMAT);
    ck_assert_msg(strstr(why.text, cases[_i].words), "'%s' lacks '%s'", why.text, cases[_i].words);
}
END_TEST

START_TEST(older_programs)
{
    static const struct {
        const char *magic;
        const char *words;
    } cases[] = {
        {"NE", "16-bit program for Windows 3.x"},
        {"LE", "DOS extender"},
        {"LX", "OS/2"},
        {"xy", "a DOS program"},
    };

    ck_parses();
    pe_free(image);
    image = NULL;
    memcpy(file.data + b.lfanew, cases[_i].magic, 2);
    ck_assert_int_eq(pe_parse(whole(), &image, &why), ERR_FORMAT);
    ck_assert_msg(strstr(why.text, cases[_i].words), "'%s' lacks '%s'", why.text, cases[_i].words);
    put_u16(file.data + 0x18, 0x1C); /* relocation table where only DOS programs have it */
    put_u32(file.data + 0x3C, 0x12345678);
    ck_assert_int_eq(pe_parse(whole(), &image, &why), ERR_FORMAT);
    ck_assert_msg(strstr(why.text, "a DOS program"), "%s", why.text);
}
END_TEST

START_TEST(unaligned_signature)
{
    b.lfanew = 0x82;
    ck_refuses(ERR_FORMAT, "e_lfanew at file offset 0x3c is 0x82");
}
END_TEST

START_TEST(il_only)
{
    b.dirs[14].rva = PB_RDATA + 0x380;
    b.dirs[14].size = 72;
    ck_parses();
    pe_builder_u32(&b, PB_RDATA + 0x380 + 16, 1);
    ck_refuses(ERR_UNSUPPORTED, ".NET program without machine code (ILONLY in the flags at file "
                                "offset 0x990)");
    pe_builder_u32(&b, PB_RDATA + 0x380 + 16, 2);
    ck_parses();
    b.dirs[14].rva = UINT32_MAX;
    ck_parses();
}
END_TEST

START_TEST(arm64ec)
{
    b.dirs[10].rva = PB_RDATA + 0x300; /* over the TLS directory, which the parser does not read */
    b.dirs[10].size = 0x40;            /* not used: what the structure itself says counts */
    pe_builder_u32(&b, PB_RDATA + 0x300, 0xD0);
    ck_parses();
    pe_builder_u32(&b, PB_RDATA + 0x3C8, 0x1234);
    ck_refuses(ERR_UNSUPPORTED, "a Windows program for ARM64EC (CHPEMetadataPointer at file offset "
                                "0x9c8)");
    pe_builder_u32(&b, PB_RDATA + 0x300, 0xCF); /* an older structure ends before it */
    ck_parses();
    pe_builder_u32(&b, PB_RDATA + 0x300, 0xD0);
    b.dirs[10].rva = PB_RDATA + 0x400 - 0xCF;
    ck_parses();
    pe_builder_init(&b, CPU_I386);
    b.dirs[10].rva = PB_RDATA + 0x300;
    pe_builder_u32(&b, PB_RDATA + 0x300, 0xD0);
    pe_builder_u32(&b, PB_RDATA + 0x3C8, 0x1234);
    ck_parses();
}
END_TEST

/* Each byte of the headers set to each of a few values: an answer, never a crash or a silence. */
START_TEST(every_header_byte_corrupted)
{
    static const uint8_t values[] = {0x00, 0x01, 0x7F, 0x80, 0xFF};

    pe_builder_init(&b, archs[_i]);
    ck_parses();
    for (size_t at = 0; at < 0x400; at++) {
        uint8_t old = file.data[at];

        for (size_t v = 0; v < COUNT_OF(values); v++) {
            struct pe_image *odd = NULL;
            enum err e;

            file.data[at] = values[v];
            why.text[0] = 0;
            e = pe_parse(whole(), &odd, &why);
            ck_assert_msg(!e == !why.text[0], "byte 0x%zx = 0x%x: %d '%s'", at, values[v], e,
                          why.text);
            ck_assert(!e == !!odd);
            pe_free(odd);
        }
        file.data[at] = old;
    }
}
END_TEST

static Suite *pe_parse_suite(void)
{
    Suite *s = suite_create("pe_parse");
    TCase *fields = tcase_create("fields"), *sections = tcase_create("sections"),
          *others = tcase_create("other kinds");

    tcase_add_checked_fixture(fields, setup, teardown);
    tcase_add_checked_fixture(sections, setup, teardown);
    tcase_add_checked_fixture(others, setup, teardown);
    tcase_add_loop_test(fields, ordinary, 0, 2);
    tcase_add_loop_test(fields, truncation_at_every_offset, 0, 2);
    tcase_add_loop_test(fields, wrong_machine, 0, 6);
    tcase_add_test(fields, not_finished_by_the_linker);
    tcase_add_loop_test(fields, wrong_alignment, 0, 6);
    tcase_add_test(fields, wrong_sizes);
    tcase_add_test(fields, odd_header_sizes);
    tcase_add_test(fields, headers_run_into_the_first_section);
    tcase_add_test(fields, few_and_many_directories);
    tcase_add_test(fields, over_the_limit);
    tcase_add_test(fields, no_memory);
    tcase_add_loop_test(fields, every_header_byte_corrupted, 0, 2);
    tcase_add_test(sections, section_out_of_place);
    tcase_add_test(sections, section_data_outside_the_file);
    tcase_add_test(sections, section_data_larger_than_its_pages);
    tcase_add_test(sections, section_without_virtual_size);
    tcase_add_test(sections, section_data_begins_inside_a_sector);
    tcase_add_test(sections, section_names_are_printable);
    tcase_add_test(sections, section_count_beyond_the_file);
    tcase_add_test(sections, no_sections);
    tcase_add_test(sections, flat);
    tcase_add_loop_test(others, other_formats, 0, 9);
    tcase_add_loop_test(others, older_programs, 0, 4);
    tcase_add_test(others, unaligned_signature);
    tcase_add_test(others, il_only);
    tcase_add_test(others, arm64ec);
    suite_add_tcase(s, fields);
    suite_add_tcase(s, sections);
    suite_add_tcase(s, others);
    return s;
}

int main(void)
{
    return suite_main(pe_parse_suite());
}
