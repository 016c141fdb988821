/*
 * printf on the target's side: each conversion, flag and escape against what C's printf prints, strings that the
 * guest's memory holds or does not hold, and formats that are refused.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "run/agent_format.h"
#include "suite.h"

#define COUNT_OF(a) (sizeof(a) / sizeof *(a))

#define BASE      0x10000u /* one page of strings; the next one is not there */
#define PAGE      4096u
#define AT(off)   (BASE + (off))
#define TEXT_AT   0x20u
#define WIDE_AT   0x100u
#define RAW_AT    0x200u
#define LONG_AT   0x400u
#define LONG_LEN  2000u
#define BROKEN_AT (PAGE - 3u)

static uint8_t page[PAGE];

static void setup(void)
{
    static const uint16_t wide[] = {'W', 0xe9, 0x20ac, 0xd83d, 0xde00, 0xd83d, 'x', 0xdc00, 7, 0};

    memcpy(page + TEXT_AT, "guest", 6);
    for (size_t i = 0; i < COUNT_OF(wide); i++)
        put_u16(page + WIDE_AT + 2 * i, wide[i]);
    memcpy(page + RAW_AT, "a\x1b[2J\x7f\r\n\t\xc3\xa9", 12);
    memset(page + LONG_AT, 'l', LONG_LEN);
    memset(page + BROKEN_AT, 'b', 3);
}

static bool env_read(void *ctx, gva_t addr, void *dst, size_t len)
{
    (void)ctx;
    if (addr < BASE || addr - BASE > PAGE || len > BASE + PAGE - addr)
        return false;
    memcpy(dst, page + (addr - BASE), len);
    return true;
}

static const struct agent_env env = {.read = env_read};

static enum err parse(const char *format, size_t args, struct agent_format **out, struct diag *why)
{
    return agent_format_parse((struct bytes){(const uint8_t *)format, strlen(format)}, args, out,
                              why);
}

static void print(const char *format, const uint64_t *args, size_t count, struct buf *out)
{
    struct agent_format *f = NULL;
    struct diag why = {{0}};

    ck_assert_msg(parse(format, count, &f, &why) == ERR_OK, "'%s': %s", format, why.text);
    agent_format_print(f, args, &env, out);
    agent_format_free(f);
}

static const struct print_case {
    const char *format;
    uint64_t value;
    const char *text;
} prints[] = {
    {"%d", 5, "5"},
    {"%i", (uint64_t)-5, "-5"},
    {"%d", 0, "0"},
    {"%d", 0x1ffffffff, "-1"}, /* 32 bits */
    {"%hd", 0x18000, "-32768"},
    {"%hhd", 0x1ff, "-1"},
    {"%ld", (uint64_t)INT64_MIN, "-9223372036854775808"},
    {"%lld", (uint64_t)INT64_MAX, "9223372036854775807"},
    {"%jd", (uint64_t)-7, "-7"},
    {"%td", (uint64_t)-7, "-7"},
    {"%zu", UINT64_MAX, "18446744073709551615"},
    {"%u", UINT64_MAX, "4294967295"},
    {"%hu", UINT64_MAX, "65535"},
    {"%hhu", UINT64_MAX, "255"},
    {"%x", 0xdeadbeef, "deadbeef"},
    {"%X", 0xdeadbeef, "DEADBEEF"},
    {"%#x", 0xbeef, "0xbeef"},
    {"%#X", 0xbeef, "0XBEEF"},
    {"%#x", 0, "0"},
    {"%lx", 0x7ff712345678, "7ff712345678"},
    {"%llx", UINT64_MAX, "ffffffffffffffff"},
    {"%o", 8, "10"},
    {"%#o", 8, "010"},
    {"%lo", UINT64_MAX, "1777777777777777777777"},
    {"%5d|", 42, "   42|"},
    {"%-5d|", 42, "42   |"},
    {"%05d|", 42, "00042|"},
    {"%05d|", (uint64_t)-42, "-0042|"},
    {"%-05d|", 42, "42   |"},
    {"%+d", 42, "+42"},
    {"% d", 42, " 42"},
    {"%+5d|", 42, "  +42|"},
    {"%.4d", 42, "0042"},
    {"%8.4d|", (uint64_t)-42, "   -0042|"},
    {"%08.4d|", 42, "    0042|"},
    {"%.0d|", 0, "|"},
    {"%.d|", 0, "|"},
    {"%#010x", 0xbeef, "0x0000beef"},
    {"%1d", 12345, "12345"},
    {"%p", 0x1234, "0x1234"},
    {"%p", 0, "(nil)"},
    {"%10p|", 0x1234, "    0x1234|"},
    {"%c", 'A', "A"},
    {"%c", 0x141, "A"},
    {"%3c|", 'A', "  A|"},
    {"%-3c|", 'A', "A  |"},
    {"%c", 0x1b, "?"},
    {"%c", '\n', "\n"},
    {"%lc", 'A', "A"},
    {"%lc", 0xe9, "\xc3\xa9"},
    {"%lc", 0x20ac, "\xe2\x82\xac"},
    {"%lc", 0xd800, "?"},
    {"%s", AT(TEXT_AT), "guest"},
    {"%8s|", AT(TEXT_AT), "   guest|"},
    {"%-8s|", AT(TEXT_AT), "guest   |"},
    {"%.3s|", AT(TEXT_AT), "gue|"},
    {"%.0s|", AT(TEXT_AT), "|"},
    {"%.s|", AT(TEXT_AT), "|"},
    {"%6.2s|", AT(TEXT_AT), "    gu|"},
    {"%s", 0, "(null)"},
    {"%ls", 0, "(null)"},
    {"%s", 0x5000, "<no memory at 0x5000>"},
    {"%ls", 0x5000, "<no memory at 0x5000>"},
    {"%.0s|", 0x5000, "|"},
    {"%.0ls|", 0x5000, "|"},
    {"%.3s|", AT(BROKEN_AT), "bbb|"},
    {"%s", AT(BROKEN_AT), "bbb<no memory at 0x11000>"},
    {"%s", AT(RAW_AT), "a?[2J??\n\t\xc3\xa9"},
    {"%ls", AT(WIDE_AT), "W\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80?x??"},
    {"%.2ls", AT(WIDE_AT), "W\xc3\xa9"},
    {"%.4ls", AT(WIDE_AT), "W\xc3\xa9\xe2\x82\xac?"}, /* half a pair */
    {"%.5ls", AT(WIDE_AT), "W\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"},
    {"%8.1ls|", AT(WIDE_AT), "       W|"},
    {"100%% of %d\\n", 3, "100% of 3\n"},
    {"\\t\\\"\\\\\\'\\a\\b\\f\\r\\v\\e%d", 3,
     "\t\"\\'\a\b\f\r\v\033"
     "3"},
    {"\\101\\60\\0601%d", 3, "A0013"},
    {"x%dy", 7, "x7y"},
};

START_TEST(conversion)
{
    const struct print_case *c = &prints[_i];
    struct buf out;

    buf_init(&out, 65536);
    print(c->format, &c->value, 1, &out);
    ck_assert_msg(strcmp(buf_str(&out), c->text) == 0, "'%s' of 0x%llx: wanted '%s', got '%s'",
                  c->format, (unsigned long long)c->value, c->text, buf_str(&out));
    buf_fini(&out);
}
END_TEST

START_TEST(text_alone_and_many_values)
{
    const uint64_t args[] = {1, AT(TEXT_AT), 0xab};
    struct buf out;

    buf_init(&out, 65536);
    print("", NULL, 0, &out);
    ck_assert_uint_eq(out.len, 0);
    print("plain\\n", NULL, 0, &out);
    print("%d%s%x%%", args, 3, &out);
    ck_assert_str_eq(buf_str(&out), "plain\n1guestab%");
    buf_fini(&out);
}
END_TEST

START_TEST(a_long_string_is_cut)
{
    const uint64_t value = AT(LONG_AT);
    struct buf out;

    buf_init(&out, 65536);
    print("%s|", &value, 1, &out);
    ck_assert_uint_eq(out.len, AGENT_FIELD_MAX + 4);
    ck_assert_str_eq(buf_str(&out) + AGENT_FIELD_MAX, "...|");
    buf_clear(&out);
    print("%ls|", &value, 1, &out); /* 0x6c6c: three bytes each */
    ck_assert_uint_le(out.len, AGENT_FIELD_MAX + 8);
    ck_assert_ptr_nonnull(strstr(buf_str(&out), "...|"));
    buf_clear(&out);
    print("%.1024s|", &value, 1, &out);
    ck_assert_uint_eq(out.len, AGENT_FIELD_MAX + 1);
    buf_fini(&out);
}
END_TEST

START_TEST(a_buffer_that_is_full)
{
    const uint64_t value = 7;
    struct buf out;

    buf_init(&out, 100);
    print("a lot: %1000d", &value, 1, &out);
    ck_assert(out.failed);
    ck_assert_uint_le(out.len, 100);
    buf_fini(&out);
}
END_TEST

static const struct refused_case {
    const char *format;
    size_t args;
    enum err result;
    const char *text;
} refused[] = {
    {"%", 1, ERR_FORMAT, "ends in a %"},
    {"abc%", 1, ERR_FORMAT, "ends in a %"},
    {"%l", 1, ERR_FORMAT, "ends in a %"},
    {"%5", 1, ERR_FORMAT, "ends in a %"},
    {"%5.", 1, ERR_FORMAT, "ends in a %"},
    {"%f", 1, ERR_UNSUPPORTED, "%f"},
    {"%lg", 1, ERR_UNSUPPORTED, "%g"},
    {"%n", 1, ERR_UNSUPPORTED, "%n"},
    {"%*d", 2, ERR_UNSUPPORTED, "%*"},
    {"%1$d", 1, ERR_UNSUPPORTED, "%$"},
    {"%V", 1, ERR_UNSUPPORTED, "%V"},
    {"%1025d", 1, ERR_LIMIT, "over 1024"},
    {"%.1025d", 1, ERR_LIMIT, "over 1024"},
    {"%99999999999999999999d", 1, ERR_LIMIT, "over 1024"},
    {"\\", 0, ERR_FORMAT, "escape"},
    {"\\q", 0, ERR_FORMAT, "escape"},
    {"\\400", 0, ERR_FORMAT, "escape"},
    {"%d", 0, ERR_FORMAT, "takes 1 values, and there are 0"},
    {"%d", 2, ERR_FORMAT, "takes 1 values, and there are 2"},
    {"%%", 1, ERR_FORMAT, "takes 0 values"},
};

START_TEST(refusal)
{
    const struct refused_case *c = &refused[_i];
    struct agent_format *f = NULL;
    struct diag why = {{0}};
    enum err e = parse(c->format, c->args, &f, &why);

    ck_assert_msg(e == c->result, "'%s': wanted %s, got %s", c->format, err_text(c->result),
                  err_text(e));
    ck_assert_msg(strstr(why.text, c->text) != NULL, "'%s': '%s'", c->format, why.text);
    ck_assert_ptr_null(f);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("agent_format");
    TCase *tc = tcase_create("format");

    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_loop_test(tc, conversion, 0, COUNT_OF(prints));
    tcase_add_test(tc, text_alone_and_many_values);
    tcase_add_test(tc, a_long_string_is_cut);
    tcase_add_test(tc, a_buffer_that_is_full);
    tcase_add_loop_test(tc, refusal, 0, COUNT_OF(refused));
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
