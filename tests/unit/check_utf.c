/* core/base/utf.c: tables of texts in both forms, and every character there is and back. */
#include <check.h>
#include <string.h>

#include "winstub/utf.h"
#include "suite.h"
#include "winstub/bytes.h"

#define COUNT_OF(a) (sizeof(a) / sizeof *(a))

static const struct {
    const char *utf8;
    uint16_t units[8];
    size_t count;
} conversions[] = {
    {"", {0}, 0},
    {"aB\\", {'a', 'B', '\\'}, 3},
    {"\xc3\xa9\xe2\x82\xac", {0xe9, 0x20ac}, 2},
    {"\xf0\x9f\x98\x80!", {0xd83d, 0xde00, '!'}, 3},
    {"\xff"
     "a",
     {0xfffd, 'a'},
     2},
    {"\xc0\xaf", {0xfffd, 0xfffd}, 2},                         /* overlong '/' */
    {"\xed\xa0\x80", {0xfffd, 0xfffd, 0xfffd}, 3},             /* a surrogate */
    {"\xf4\x90\x80\x80", {0xfffd, 0xfffd, 0xfffd, 0xfffd}, 4}, /* above U+10FFFF */
    {"\xe2\x82", {0xfffd, 0xfffd}, 2},                         /* cut short */
};

START_TEST(utf8_becomes_utf16)
{
    struct buf out;

    buf_init(&out, 100);
    ck_assert(utf16_append(&out, conversions[_i].utf8));
    ck_assert_msg(out.len == 2 * conversions[_i].count, "case %d: %zu bytes", _i, out.len);
    for (size_t i = 0; i < conversions[_i].count; i++)
        ck_assert_uint_eq(get_u16(out.data + 2 * i), conversions[_i].units[i]);
    buf_fini(&out);
}
END_TEST

static const struct {
    uint16_t units[4];
    size_t count;
    const char *utf8;
} backwards[] = {
    {{0}, 0, ""},
    {{'a', 0x7f}, 2, "a\x7f"},
    {{0x80, 0x7ff}, 2, "\xc2\x80\xdf\xbf"},
    {{0x800, 0xffff}, 2, "\xe0\xa0\x80\xef\xbf\xbf"},
    {{0xd83d, 0xde00}, 2, "\xf0\x9f\x98\x80"},
    {{0xd83d}, 1, "\xef\xbf\xbd"},                     /* the text ends inside a pair */
    {{0xd83d, 'a'}, 2, "\xef\xbf\xbd\x61"},            /* high without low */
    {{0xde00, 0xd83d}, 2, "\xef\xbf\xbd\xef\xbf\xbd"}, /* the wrong way round */
    {{0xd83d, 0xd83d, 0xde00}, 3, "\xef\xbf\xbd\xf0\x9f\x98\x80"},
};

START_TEST(utf16_becomes_utf8)
{
    uint8_t units[8];
    struct buf out;

    for (size_t i = 0; i < backwards[_i].count; i++)
        put_u16(units + 2 * i, backwards[_i].units[i]);
    buf_init(&out, 100);
    ck_assert(utf8_append_utf16(&out, units, backwards[_i].count));
    ck_assert_str_eq(buf_str(&out), backwards[_i].utf8);
    buf_fini(&out);
}
END_TEST

/* To UTF-8, to UTF-16, to UTF-8 and back; the buffers are reused. */
static uint32_t there_and_back(uint32_t c, struct buf *narrow, struct buf *wide)
{
    const char *text;

    buf_clear(narrow);
    buf_clear(wide);
    if (!utf8_append_char(narrow, c) || !utf16_append(wide, buf_str(narrow)))
        return 0;
    buf_clear(narrow);
    if (!utf8_append_utf16(narrow, wide->data, wide->len / 2))
        return 0;
    text = buf_str(narrow);
    c = utf8_next(&text);
    return *text ? 0 : c;
}

START_TEST(every_character_survives_both_ways)
{
    struct buf narrow, wide;

    buf_init(&narrow, 100);
    buf_init(&wide, 100);
    for (uint32_t c = 1; c <= 0x10ffff; c++) {
        if (c == 0xd800)
            c = 0xe000;
        if (there_and_back(c, &narrow, &wide) != c) /* a million ck_asserts would take minutes */
            ck_abort_msg("U+%04X", (unsigned)c);
    }
    buf_fini(&narrow);
    buf_fini(&wide);
}
END_TEST

START_TEST(a_full_buffer_is_told)
{
    const uint8_t unit[2] = {0xac, 0x20};
    struct buf out;

    buf_init(&out, 2);
    ck_assert(!utf8_append_utf16(&out, unit, 1));
    buf_clear(&out);
    ck_assert(!utf16_append(&out, "ab"));
    buf_fini(&out);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("utf");
    TCase *tc = tcase_create("utf");

    tcase_add_loop_test(tc, utf8_becomes_utf16, 0, COUNT_OF(conversions));
    tcase_add_loop_test(tc, utf16_becomes_utf8, 0, COUNT_OF(backwards));
    tcase_add_test(tc, every_character_survives_both_ways);
    tcase_add_test(tc, a_full_buffer_is_told);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
