/* Registers that cannot be read or written, which the fake target's always can: g, G, p, P. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "stub_client.h"
#include "suite.h"

#define FS_BASE 9 /* the last register of the fake target */

static struct stub_client *client;
static enum err (*real_read)(void *ctx, uint32_t tid, size_t reg, void *dst, size_t len);
static enum err (*real_write)(void *ctx, uint32_t tid, size_t reg, const void *src, size_t len);

static void setup(void)
{
    client = stub_client_new(TARGET_AMD64);
    real_read = client->target->ops.reg_read;
    real_write = client->target->ops.reg_write;
}

static void teardown(void)
{
    stub_client_free(client);
}

static const char *ask(const char *body)
{
    return stub_client_ask(client, body);
}

static enum err read_all_but_one(void *ctx, uint32_t tid, size_t reg, void *dst, size_t len)
{
    return reg == FS_BASE ? ERR_ENGINE : real_read(ctx, tid, reg, dst, len);
}

static enum err write_all_but_one(void *ctx, uint32_t tid, size_t reg, const void *src, size_t len)
{
    return reg == FS_BASE ? ERR_STATE : real_write(ctx, tid, reg, src, len);
}

static enum err read_nothing(void *ctx, uint32_t tid, size_t reg, void *dst, size_t len)
{
    (void)ctx, (void)tid, (void)reg, (void)dst, (void)len;
    return ERR_NOT_FOUND;
}

START_TEST(an_unreadable_register)
{
    size_t len;

    client->target->ops.reg_read = read_all_but_one;
    len = strlen(ask("g"));
    ck_assert_str_eq(buf_str(&client->answer) + len - 40,
                     "00000000xxxxxxxxxxxxxxxx0000000000000000");
    ck_assert_str_eq(ask("p9"), "E05");
    ck_assert_str_eq(ask("p0"), "0000000000000000");
}
END_TEST

START_TEST(an_unwritable_register)
{
    char packet[200] = "";

    client->target->ops.reg_write = write_all_but_one;
    ck_assert_str_eq(ask("P9=0000000000000000"), "E01");
    packet[0] = 'G';
    strcat(packet, ask("g"));
    ck_assert_str_eq(ask(packet), "E01");
}
END_TEST

START_TEST(a_thread_that_is_gone)
{
    client->target->ops.reg_read = read_nothing;
    ck_assert_str_eq(ask("g"), "E03");
    ck_assert_str_eq(ask("p0"), "E03");
    ck_assert_str_eq(ask("?"), "T05thread:4c;"); /* a stop reply goes without what cannot be read */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cmd_reg");
    TCase *tc = tcase_create("failures");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, an_unreadable_register);
    tcase_add_test(tc, an_unwritable_register);
    tcase_add_test(tc, a_thread_that_is_gone);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
