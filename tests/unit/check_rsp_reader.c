/* The cursor over packet bodies: every number is checked, the first failure sticks. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "rsp_reader.h"
#include "suite.h"

#define COUNT_OF(a) (sizeof(a) / sizeof *(a))

static struct rsp_reader in;

static void start(const char *text)
{
    rsp_reader_init(&in, text, strlen(text));
}

static const struct {
    const char *text;
    bool good;
    uint64_t value;
    size_t left;
} hex_cases[] = {
    {"0", true, 0, 0},
    {"1f", true, 0x1f, 0},
    {"ABCDEF", true, 0xabcdef, 0},
    {"ffffffffffffffff", true, UINT64_MAX, 0},
    {"00000000000000000001", true, 1, 0},
    {"10000000000000000", false, 0, 0},
    {"", false, 0, 0},
    {",1", false, 0, 0},
    {"-1", false, 0, 0},
    {" 1", false, 0, 0},
    {"0x1", true, 0, 2},
    {"12,34", true, 0x12, 3},
    {"1g", true, 1, 1},
};

START_TEST(hex_u64)
{
    uint64_t value;

    start(hex_cases[_i].text);
    value = rsp_hex_u64(&in);
    ck_assert_msg(in.bad == !hex_cases[_i].good, "'%s': bad is %d", hex_cases[_i].text, in.bad);
    ck_assert_msg(value == hex_cases[_i].value, "'%s' read as %lx", hex_cases[_i].text,
                  (unsigned long)value);
    ck_assert_uint_eq(rsp_left(&in), hex_cases[_i].left);
}
END_TEST

START_TEST(hex_u32)
{
    start("ffffffff");
    ck_assert_uint_eq(rsp_hex_u32(&in), UINT32_MAX);
    ck_assert(rsp_end(&in));
    start("100000000");
    ck_assert_uint_eq(rsp_hex_u32(&in), 0);
    ck_assert(in.bad);
}
END_TEST

START_TEST(hex_bytes)
{
    uint8_t bytes[3] = {0};

    start("0aFF10");
    rsp_hex_bytes(&in, bytes, 3);
    ck_assert(rsp_end(&in));
    ck_assert_mem_eq(bytes, "\x0a\xff\x10", 3);

    start("0aF");
    rsp_hex_bytes(&in, bytes, 2);
    ck_assert(in.bad);

    start("0ax1");
    rsp_hex_bytes(&in, bytes, 2);
    ck_assert(in.bad);
}
END_TEST

START_TEST(failure_sticks)
{
    start("zz12");
    ck_assert_uint_eq(rsp_hex_byte(&in), 0);
    ck_assert(in.bad);
    ck_assert_uint_eq(rsp_left(&in), 0);
    ck_assert(!rsp_accept(&in, 'z'));
    ck_assert_uint_eq(rsp_hex_u64(&in), 0);
    ck_assert_uint_eq(rsp_take(&in, 1).len, 0);
    ck_assert_uint_eq(rsp_until(&in, '1').len, 0);
    ck_assert(!rsp_end(&in));
}
END_TEST

START_TEST(leftovers)
{
    start("12,");
    (void)rsp_hex_u64(&in);
    ck_assert(!rsp_end(&in));
    rsp_expect(&in, ',');
    ck_assert(rsp_end(&in));
    rsp_expect(&in, ',');
    ck_assert(in.bad);
}
END_TEST

START_TEST(pieces)
{
    struct bytes piece;

    start("a:bc:");
    piece = rsp_until(&in, ':');
    ck_assert(bytes_is_text(piece, "a"));
    piece = rsp_until(&in, ';');
    ck_assert(bytes_is_text(piece, "bc:"));
    ck_assert(rsp_end(&in));
    piece = rsp_until(&in, ':');
    ck_assert_uint_eq(piece.len, 0);
    ck_assert(rsp_end(&in));

    start("abcd");
    ck_assert(bytes_is_text(rsp_take(&in, 4), "abcd"));
    start("abcd");
    ck_assert_uint_eq(rsp_take(&in, 5).len, 0);
    ck_assert(in.bad);
}
END_TEST

START_TEST(words)
{
    start("-1.x");
    ck_assert(!rsp_accept_text(&in, "-1.xy"));
    ck_assert(rsp_accept_text(&in, "-1"));
    ck_assert(!rsp_accept(&in, 'x'));
    ck_assert(rsp_accept(&in, '.'));
    ck_assert_uint_eq(rsp_left(&in), 1);
    ck_assert(!bytes_is_text((struct bytes){(const uint8_t *)"ab", 2}, "abc"));
    ck_assert(!bytes_is_text((struct bytes){(const uint8_t *)"abc", 3}, "ab"));
    ck_assert(bytes_is_text((struct bytes){0}, ""));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("rsp_reader");
    TCase *tc = tcase_create("cursor");

    tcase_add_loop_test(tc, hex_u64, 0, COUNT_OF(hex_cases));
    tcase_add_test(tc, hex_u32);
    tcase_add_test(tc, hex_bytes);
    tcase_add_test(tc, failure_sticks);
    tcase_add_test(tc, leftovers);
    tcase_add_test(tc, pieces);
    tcase_add_test(tc, words);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
