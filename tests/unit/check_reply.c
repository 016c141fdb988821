/* The reply builder: it knows its room, escapes what must be, and has one form for each error. */
#include <check.h>
#include <stdio.h>
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

/* Bytes of which every third or so needs an escape, or none does. */
static void fill(uint8_t *bytes, size_t len, bool special)
{
    static const uint8_t some[] = {'#', 0x80, '$',  '}',  'a',  0xff,
                                   '*', '+',  0x7c, 0x22, 0x00, 0xaa};
    uint32_t dice = 1;

    for (size_t i = 0; i < len; i++) {
        dice = dice * 1664525u + 1013904223u;
        bytes[i] = special ? some[(dice >> 16) % sizeof some] : (uint8_t)(0x80 | i);
    }
}

/* Byte by byte, and how many of them fit. */
static size_t escape_slowly(uint8_t *to, size_t room, const uint8_t *bytes, size_t len,
                            size_t *out_len)
{
    size_t i = 0;

    for (*out_len = 0; i < len; i++) {
        bool special = strchr("#$}*", bytes[i]) && bytes[i];

        if (*out_len + 1 + special > room)
            break;
        if (special)
            to[(*out_len)++] = '}';
        to[(*out_len)++] = special ? bytes[i] ^ 0x20 : bytes[i];
    }
    return i;
}

START_TEST(long_binary_is_as_byte_by_byte)
{
    uint8_t bytes[100], room[256], slow[256];

    fill(bytes, sizeof bytes, _i);
    for (size_t len = 0; len <= sizeof bytes; len++) {
        for (size_t cap = 0; cap <= 2 * len + 2; cap++) {
            size_t slow_len, taken = escape_slowly(slow, cap, bytes, len, &slow_len);

            memset(room, '!', sizeof room);
            reply_init(&out, room, cap, false);
            ck_assert_uint_eq(reply_binary(&out, (struct bytes){bytes, len}), taken);
            ck_assert_uint_eq(out.len, slow_len);
            ck_assert(memcmp(room, slow, slow_len) == 0);
            ck_assert_uint_eq(room[cap], '!');
        }
    }
}
END_TEST

START_TEST(long_hex_is_as_byte_by_byte)
{
    uint8_t bytes[256], room[520];
    char slow[520];

    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)(37 * i);
        (void)sprintf(slow + 2 * i, "%02x", bytes[i]);
    }
    for (size_t len = 0; len <= sizeof bytes; len++) {
        memset(room, '!', sizeof room);
        reply_init(&out, room, 2 * len, false);
        reply_hex(&out, bytes, len);
        ck_assert_uint_eq(out.len, 2 * len);
        ck_assert(memcmp(room, slow, 2 * len) == 0);
        ck_assert_uint_eq(room[2 * len], '!');
    }
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
    tcase_add_loop_test(tc, long_binary_is_as_byte_by_byte, 0, 2);
    tcase_add_test(tc, long_hex_is_as_byte_by_byte);
    tcase_add_test(tc, errors_replace_what_was_written);
    tcase_add_test(tc, errors_in_words);
    tcase_add_loop_test(tc, result, 0, COUNT_OF(results));
    tcase_add_test(tc, unsupported_is_empty);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
