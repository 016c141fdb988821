/* Searches and checksums over more memory than one read holds, and over more than can be done in time. */
#include <check.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "stub_client.h"
#include "suite.h"

#define PIECE 0x10000u /* as cmd_search.c reads */

static struct stub_client *client;
static gva_t needle;    /* where the pattern is */
static long slow_ns;    /* how long a read takes */
static unsigned counts; /* reads */

static void setup(void)
{
    client = stub_client_new(TARGET_AMD64);
    needle = 0;
    slow_ns = 0;
    counts = 0;
}

static void teardown(void)
{
    stub_client_free(client);
}

/* Endless zeros, with one text somewhere. */
static enum err read_zeros(void *ctx, gva_t addr, void *dst, size_t len, size_t *got)
{
    static const char text[] = "needle";
    uint8_t *out = dst;

    (void)ctx;
    counts++;
    memset(out, 0, len);
    for (size_t i = 0; i < sizeof text - 1; i++) {
        if (needle + i - addr < len)
            out[needle + i - addr] = (uint8_t)text[i];
    }
    if (slow_ns)
        (void)nanosleep(&(struct timespec){.tv_nsec = slow_ns}, NULL);
    *got = len;
    return ERR_OK;
}

/* Where the needle lies: about the boundary between two reads. */
static const int offsets[] = {-7, -6, -5, -3, -1, 0, 1};

START_TEST(found_across_reads)
{
    char wanted[32];

    client->target->ops.read = read_zeros;
    needle = (gva_t)(0x1000 + 2 * (int)PIECE + offsets[_i]);
    (void)snprintf(wanted, sizeof wanted, "1,%" PRIx64, needle);
    ck_assert_str_eq(stub_client_ask(client, "qSearch:memory:1000;100000;needle"), wanted);
    ck_assert_str_eq(stub_client_ask(client, "qSearch:memory:1000;8000;needle"), "0");
}
END_TEST

START_TEST(what_takes_too_long_is_an_error)
{
    client->target->ops.read = read_zeros;
    slow_ns = 400000000;
    ck_assert_str_eq(stub_client_ask(client, "qSearch:memory:1000;ffffffffffff;needle"), "E07");
    ck_assert_uint_le(counts, 5);
    counts = 0;
    ck_assert_str_eq(stub_client_ask(client, "qCRC:1000,ffffffffffff"), "E07");
    ck_assert_uint_le(counts, 5);
}
END_TEST

START_TEST(memory_without_a_map)
{
    client->target->ops.region = NULL;
    ck_assert_str_eq(stub_client_ask(client, "qSearch:memory:0;20000;needle"), "0");
    ck_assert_str_eq(stub_client_ask(client, "qCRC:0,10"), "E0e");
}
END_TEST

START_TEST(long_patterns)
{
    char body[0x12000] = "qSearch:memory:10000;2000;";
    size_t head = strlen(body);

    memset(body + head, 'a', sizeof body - head);
    ck_assert_str_eq(stub_client_ask_bytes(client, body, sizeof body), "E16");
    ck_assert_str_eq(stub_client_ask_bytes(client, body, head + 0x10000), "0");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cmd_search");
    TCase *tc = tcase_create("search");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, found_across_reads, 0, sizeof offsets / sizeof *offsets);
    tcase_add_test(tc, what_takes_too_long_is_an_error);
    tcase_add_test(tc, memory_without_a_map);
    tcase_add_test(tc, long_patterns);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
