/* Symbols of an image's own table: short and long names, what is no function of the program, and any damage. */
#include <check.h>
#include <string.h>

#include "pe_builder.h"
#include "suite.h"
#include "winstub/bytes.h"
#include "winstub/image.h"

enum { TABLE_POINTER = PB_LFANEW + 12, TABLE_COUNT = PB_LFANEW + 16, SYMBOL = 18 };

static struct pe_builder b;
static struct buf file;
static struct pe_image *image;

/* Append one symbol: its name's eight bytes, value, section, storage class, and how many records follow it. */
static void add(const void *name, uint32_t value, uint16_t section, uint8_t class, uint8_t aux)
{
    uint8_t raw[SYMBOL] = {0};

    memcpy(raw, name, 8);
    put_u32(raw + 8, value);
    put_u16(raw + 12, section);
    raw[16] = class;
    raw[17] = aux;
    ck_assert(buf_append(&file, raw, sizeof raw));
}

static void setup(void)
{
    static const char strings[] = "\x18\0\0\0xx\0a_long_function\0";
    uint32_t at;

    pe_builder_init(&b, CPU_AMD64);
    buf_init(&file, 1 << 20);
    pe_builder_write(&b, &file);
    at = (uint32_t)file.len;
    add("main\0\0\0\0", 0x99, 1, 3,
        1); /* a static function with the same name, with a record behind it */
    add("main\0\0\0\0", 0, 0, 2, 0); /* which looks like a symbol */
    add("absolute", 4, 0xffff, 2, 0);
    add("outside\0", 0x7fffffff, 1, 2, 0);
    add("main\0\0\0\0", 0x10, 1, 2, 0);
    add("\0\0\0\0\x07\0\0\0", 0x20, 1, 2, 0);
    put_u32(file.data + TABLE_POINTER, at);
    put_u32(file.data + TABLE_COUNT, 6);
    ck_assert(buf_append(&file, strings, sizeof strings - 1));
    ck_assert_int_eq(pe_parse((struct bytes){file.data, file.len}, &image, NULL), ERR_OK);
}

static void teardown(void)
{
    pe_free(image);
    buf_fini(&file);
}

START_TEST(functions_are_found_by_name)
{
    uint32_t rva = 0;

    ck_assert(pe_symbol(image, "main", &rva));
    ck_assert_uint_eq(rva, PB_TEXT + 0x10);
    ck_assert(pe_symbol(image, "a_long_function", &rva));
    ck_assert_uint_eq(rva, PB_TEXT + 0x20);
}
END_TEST

START_TEST(what_lies_in_no_section_is_not_there)
{
    uint32_t rva = 7;

    ck_assert(!pe_symbol(image, "absolute", &rva));
    ck_assert(!pe_symbol(image, "outside", &rva));
    ck_assert(!pe_symbol(image, "a_long_functio", &rva));
    ck_assert(!pe_symbol(image, "a_long_function2", &rva));
    ck_assert(!pe_symbol(image, "mai", &rva));
    ck_assert_uint_eq(rva, 7);
}
END_TEST

START_TEST(a_table_cut_short_ends_the_search)
{
    uint32_t rva = 0;
    size_t whole = image->file.len;

    for (size_t len = PB_FILE_SIZE; len < whole; len++) {
        image->file.len = len;
        ck_assert(!pe_symbol(image, "no such name", &rva));
    }
    image->file.len = whole;
    put_u32(file.data + TABLE_COUNT, UINT32_MAX);
    ck_assert(!pe_symbol(image, "no such name", &rva));
    put_u32(file.data + TABLE_POINTER, UINT32_MAX);
    ck_assert(!pe_symbol(image, "main", &rva));
    put_u32(file.data + TABLE_POINTER, 0);
    ck_assert(!pe_symbol(image, "main", &rva));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pe_symbols");
    TCase *tc = tcase_create("symbols");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, functions_are_found_by_name);
    tcase_add_test(tc, what_lies_in_no_section_is_not_there);
    tcase_add_test(tc, a_table_cut_short_ends_the_search);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
