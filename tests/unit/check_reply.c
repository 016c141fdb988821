/* The reply builder: it knows its room, escapes what must be, and has one form for each error. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "reply.h"
#include "suite.h"

#define COUNT_OF(a) (sizeof(a) / sizeof *(a))

static uint8_t data[64];
static struct reply out;

static void setup(void)
{
    memset(data, '!', sizeof data);
    reply_init(&out, data, 16, false);
}

static void says(const char *text)
{
    ck_assert_msg(out.len == strlen(text) && memcmp(out.data, text, out.len) == 0,
                  "wanted '%s', got '%.*s'", text, (int)out.len, (const char *)out.data);
}

START_TEST(appends)
{
    reply_byte(&out, 'Q');
    reply_text(&out, "C");
    reply_printf(&out, "p%x.%x", 0x12, 0x34);
    reply_hex(&out, "\x00\xff", 2);
    says("QCp12.3400ff");
    ck_assert(!out.over);
    ck_assert_uint_eq(reply_hex_room(&out), 2);
}
END_TEST

START_TEST(what_does_not_fit_is_not_written)
{
    reply_text(&out, "123456789012345");
    reply_hex(&out, "x", 1);
    ck_assert(out.over);
    says("123456789012345");
    reply_byte(&out, '6');
    says("1234567890123456");
    reply_byte(&out, '7');
    reply_text(&out, "7");
    reply_printf(&out, "%d", 7);
    says("1234567890123456");
    ck_assert_uint_eq(data[16], '!');
}
END_TEST

START_TEST(a_printf_longer_than_its_line)
{
    reply_printf(&out, "%300d", 1);
    ck_assert(out.over);
    says("");
}
END_TEST

START_TEST(binary_is_escaped)
{
    static const uint8_t bytes[] = {0, '#', '$', '}', '*', 3};

    ck_assert_uint_eq(reply_binary(&out, (struct bytes){bytes, sizeof bytes}), sizeof bytes);
    ck_assert_uint_eq(out.len, 10);
    ck_assert_mem_eq(out.data, "\0}\x03}\x04}]}\x0a\x03", 10);
}
END_TEST

START_TEST(binary_stops_between_bytes)
{
    reply_text(&out, "123456789012345");
    ck_assert_uint_eq(reply_binary(&out, (struct bytes){(const uint8_t *)"#a", 2}), 0);
    ck_assert_uint_eq(reply_binary(&out, (struct bytes){(const uint8_t *)"ab", 2}), 1);
    ck_assert(!out.over);
    says("123456789012345a");
}
END_TEST

START_TEST(errors_replace_what_was_written)
{
    reply_text(&out, "1234567890123456789");
    ck_assert_int_eq(reply_error(&out, RSP_EFAULT), ANSWER);
    ck_assert(!out.over);
    says("E0e");
    ck_assert_int_eq(reply_ok(&out), ANSWER);
    says("OK");
}
END_TEST

START_TEST(errors_in_words)
{
    reply_init(&out, data, sizeof data, true);
    reply_error(&out, RSP_EINVAL);
    says("E.malformed packet");
    reply_error_text(&out, RSP_EFAULT, "a#b");
    says("E.a}\x03"
         "b");
}
END_TEST

static const struct {
    enum err e;
    const char *answer;
} results[] = {
    {ERR_OK, "OK"},      {ERR_NOMEM, "E0c"},     {ERR_INVALID, "E16"}, {ERR_RANGE, "E16"},
    {ERR_FAULT, "E0e"},  {ERR_NOT_FOUND, "E03"}, {ERR_LIMIT, "E0c"},   {ERR_STATE, "E01"},
    {ERR_ENGINE, "E05"}, {ERR_IO, "E05"},
};

START_TEST(result)
{
    ck_assert_int_eq(reply_result(&out, results[_i].e), ANSWER);
    says(results[_i].answer);
}
END_TEST

START_TEST(unsupported_is_empty)
{
    ck_assert_int_eq(reply_result(&out, ERR_UNSUPPORTED), UNSUPPORTED);
    says("");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("reply");
    TCase *tc = tcase_create("builder");

    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_test(tc, appends);
    tcase_add_test(tc, what_does_not_fit_is_not_written);
    tcase_add_test(tc, a_printf_longer_than_its_line);
    tcase_add_test(tc, binary_is_escaped);
    tcase_add_test(tc, binary_stops_between_bytes);
    tcase_add_test(tc, errors_replace_what_was_written);
    tcase_add_test(tc, errors_in_words);
    tcase_add_loop_test(tc, result, 0, COUNT_OF(results));
    tcase_add_test(tc, unsupported_is_empty);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
