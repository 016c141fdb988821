/* core/nt/pipes.c, serve_pipe.c: names, ends, their states and what is told of them, by the services that a guest calls, in both widths. */
#include <check.h>

#include "nt/files.h"
#include "pipe_caller.h"
#include "suite.h"
#include "vm_builder.h"
#include "winstub/bytes.h"

static struct caller c;

static void setup_64(void)
{
    pipes_begin(&c, CPU_AMD64);
}

static void setup_32(void)
{
    pipes_begin(&c, CPU_I386);
}

static void teardown(void)
{
    pipes_end(&c);
}

/* ---- Names ------------------------------------------------------------------------------------ */

START_TEST(servers_are_refused_that_cannot_be)
{
    static const struct {
        struct server server;
        nt_status status;
    } cases[] = {
        {{0, DISPOSE_CREATE, 0, 0, 0, 0, 1}, STATUS_INVALID_PARAMETER},
        {{8, DISPOSE_CREATE, 0, 0, 0, 0, 1}, STATUS_INVALID_PARAMETER},
        {{BOTH, DISPOSE_OVERWRITE_IF, 0, 0, 0, 0, 1}, STATUS_INVALID_PARAMETER},
        {{BOTH, DISPOSE_SUPERSEDE, 0, 0, 0, 0, 1}, STATUS_INVALID_PARAMETER},
        {{BOTH, DISPOSE_OPEN, 0, 0, 0, 0, 1}, STATUS_OBJECT_NAME_NOT_FOUND},
        {{BOTH, DISPOSE_CREATE, 0, 4, 0, 0, 1}, STATUS_INVALID_PARAMETER},
        {{BOTH, DISPOSE_CREATE, 0, 0, 1, 0, 1}, STATUS_INVALID_PARAMETER},
        {{BOTH, DISPOSE_CREATE, 0, 1, 1, 2, 1}, STATUS_INVALID_PARAMETER},
        {{BOTH, DISPOSE_CREATE, 0, 0, 0, 0, 0}, STATUS_INVALID_PARAMETER},
        {{BOTH, DISPOSE_CREATE, OPTION_SYNC | OPTION_SYNC_ALERT, 0, 0, 0, 1},
         STATUS_INVALID_PARAMETER},
    };
    uint64_t handle;

    for (size_t i = 0; i < COUNT_OF(cases); i++)
        ck_status(try_server(&c, 0, "\\??\\pipe\\one", &cases[i].server, &handle), cases[i].status);
    ck_status(try_server(&c, 0, "\\Device\\NamedPipe", &bytes, &handle),
              STATUS_OBJECT_NAME_INVALID);
    ck_status(try_server(&c, 0, "\\??\\pipe\\", &bytes, &handle), STATUS_OBJECT_NAME_INVALID);
    ck_status(try_server(&c, 0, "\\??\\pipes\\one", &bytes, &handle), STATUS_OBJECT_NAME_INVALID);
}
END_TEST

START_TEST(instances_share_a_name)
{
    struct server two = {BOTH, DISPOSE_OPEN_IF, 0, 0, 0, 0, 2}, other = two;
    uint64_t first = make_server(&c, &two), second, third;

    expect_iosb(&c, IOSB, STATUS_SUCCESS, FILE_WAS_CREATED);
    other.disposition = DISPOSE_CREATE;
    ck_status(try_server(&c, 0, "\\??\\pipe\\one", &other, &third), STATUS_ACCESS_DENIED);
    other = (struct server){SHARE_READ, DISPOSE_OPEN, 0, 0, 0, 0, 2};
    ck_status(try_server(&c, 0, "\\??\\pipe\\one", &other, &third), STATUS_ACCESS_DENIED);
    second = make_server(&c, &two);
    expect_iosb(&c, IOSB, STATUS_SUCCESS, FILE_WAS_OPENED);
    ck_status(try_server(&c, 0, "\\??\\pipe\\One", &two, &third), STATUS_INSTANCE_NOT_AVAILABLE);
    (void)make_client(&c);
    (void)make_client(&c);
    ck_assert_int_eq(end_of(&c, first)->state, PIPE_CONNECTED);
    ck_assert_int_eq(end_of(&c, second)->state, PIPE_CONNECTED);
    ck_status(try_client(&c, 0, "\\??\\pipe\\one", ALL, 0, &third), STATUS_PIPE_NOT_AVAILABLE);
    close_handle(&c, first);
    close_handle(&c, second);
    ck_status(try_client(&c, 0, "\\??\\pipe\\one", ALL, 0, &third), STATUS_OBJECT_NAME_NOT_FOUND);
}
END_TEST

START_TEST(anonymous_pipes_are_opened_through_their_server)
{
    uint64_t root, device, server, client;

    ck_succeeds(try_client(&c, 0, "\\Device\\NamedPipe\\", ALL, 0, &root));
    ck_succeeds(try_client(&c, 0, "\\Device\\NamedPipe", ALL, 0, &device));
    ck_status(try_server(&c, device, "", &bytes, &server), STATUS_OBJECT_NAME_INVALID);
    ck_succeeds(try_server(&c, root, "", &bytes, &server));
    ck_status(try_client(&c, server, "a", ALL, 0, &client), STATUS_OBJECT_NAME_INVALID);
    ck_succeeds(try_client(&c, server, "", ALL, 0, &client));
    ck_status(try_client(&c, server, "", ALL, 0, &client), STATUS_PIPE_NOT_AVAILABLE);
    ck_succeeds(try_server(&c, root, "one", &bytes, &server));
    (void)make_client(&c);
    ck_status(read_some(&c, root, 1), STATUS_INVALID_PARAMETER);
    ck_status(control(&c, root, LISTEN), STATUS_ILLEGAL_FUNCTION);
}
END_TEST

START_TEST(clients_go_only_the_ways_that_the_server_has)
{
    struct server in = {SHARE_WRITE, DISPOSE_OPEN_IF, 0, 0, 0, 0, 1};
    uint64_t server = make_server(&c, &in), client;

    ck_status(try_client(&c, 0, "\\??\\pipe\\one", 0x80000000u, 0, &client), STATUS_ACCESS_DENIED);
    ck_succeeds(try_client(&c, 0, "\\??\\pipe\\one", 0x40000000u, 0, &client));
    ck_status(read_some(&c, client, 1), STATUS_ACCESS_DENIED);
    ck_succeeds(write_text(&c, client, "a"));
    ck_succeeds(read_some(&c, server, 9));
    expect_read(&c, "a", STATUS_SUCCESS);
}
END_TEST

/* ---- States ----------------------------------------------------------------------------------- */

START_TEST(a_server_listens_until_a_client_comes)
{
    uint64_t server = make_server(&c, &bytes), client;

    ck_status(read_some(&c, server, 1), STATUS_PIPE_LISTENING);
    ck_status(write_text(&c, server, "a"), STATUS_PIPE_LISTENING);
    ck_status(control(&c, server, DISCONNECT), STATUS_PIPE_LISTENING);
    ck_status(control(&c, server, LISTEN), STATUS_PENDING);
    client = make_client(&c);
    expect_iosb(&c, IOSB, STATUS_SUCCESS, FILE_WAS_OPENED); /* the client's own */
    ck_status(control(&c, server, LISTEN), STATUS_PIPE_CONNECTED);
    ck_status(control(&c, client, LISTEN), STATUS_ILLEGAL_FUNCTION);
    ck_status(control(&c, client, DISCONNECT), STATUS_ILLEGAL_FUNCTION);
    close_handle(&c, client);
    ck_status(control(&c, server, LISTEN), STATUS_PIPE_CLOSING);
    ck_succeeds(control(&c, server, DISCONNECT));
    ck_status(control(&c, server, DISCONNECT), STATUS_PIPE_DISCONNECTED);
    ck_status(read_some(&c, server, 1), STATUS_PIPE_DISCONNECTED);
    ck_status(control(&c, server, LISTEN), STATUS_PENDING);
    ck_assert_int_eq(end_of(&c, server)->state, PIPE_LISTENING);
}
END_TEST

START_TEST(what_was_written_survives_its_writer)
{
    uint64_t server = make_server(&c, &bytes), client = make_client(&c);

    ck_succeeds(write_text(&c, client, "0123456789"));
    ck_status(write_text(&c, client, "abcdefgh"), STATUS_PENDING);
    ck_status(read_some(&c, client, 4), STATUS_PENDING);
    close_handle(&c, client);
    expect_iosb(&c, IOSB, STATUS_PIPE_BROKEN, 0);
    expect_iosb(&c, IOSB2, STATUS_PIPE_BROKEN, 0);
    ck_status(write_text(&c, server, "x"), STATUS_PIPE_CLOSING);
    ck_succeeds(read_some(&c, server, 60));
    expect_read(&c, "0123456789abcdefgh", STATUS_SUCCESS);
    ck_status(read_some(&c, server, 1), STATUS_PIPE_BROKEN);
}
END_TEST

START_TEST(disconnecting_loses_what_was_not_read)
{
    uint64_t server = make_server(&c, &bytes), client = make_client(&c);

    ck_succeeds(write_text(&c, server, "0123456789"));
    ck_status(write_text(&c, server, "abcdefgh"), STATUS_PENDING);
    ck_status(read_some(&c, server, 4), STATUS_PENDING);
    ck_succeeds(
        CALL(&c, "NtFsControlFile", server, 0, 0, 0, fresh_iosb(&c, INFO), DISCONNECT, 0, 0, 0, 0));
    expect_iosb(&c, IOSB, STATUS_PIPE_DISCONNECTED, 0);
    expect_iosb(&c, IOSB2, STATUS_PIPE_DISCONNECTED, 0);
    ck_status(read_some(&c, client, 1), STATUS_PIPE_DISCONNECTED);
    ck_status(write_text(&c, client, "x"), STATUS_PIPE_DISCONNECTED);
    ck_status(control(&c, server, LISTEN), STATUS_PENDING);
    (void)make_client(&c);
    close_handle(&c, server);
    ck_status(read_some(&c, client, 1), STATUS_PIPE_DISCONNECTED);
}
END_TEST

START_TEST(a_pipe_ends_with_its_last_handle)
{
    uint64_t server = make_server(&c, &bytes), client = make_client(&c), copy;

    ck_status(read_some(&c, server, 4), STATUS_PENDING);
    ck_succeeds(CALL(&c, "NtDuplicateObject", THIS_PROCESS, client, THIS_PROCESS,
                     caller_slot(&c, HANDLE), 0, 0, 2));
    copy = caller_get(&c, HANDLE);
    close_handle(&c, client);
    expect_iosb(&c, IOSB, UNTOUCHED, UNTOUCHED);
    close_handle(&c, copy);
    expect_iosb(&c, IOSB, STATUS_PIPE_BROKEN, 0);
}
END_TEST

START_TEST(modes_and_figures)
{
    uint64_t server = make_server(&c, &messages), client = make_client(&c);
    uint8_t raw[40] = {0};

    ck_succeeds(write_text(&c, client, "abc"));
    ck_succeeds(CALL(&c, "NtQueryInformationFile", server, caller_slot(&c, IOSB),
                     caller_slot(&c, INFO), sizeof raw, 24));
    ck_assert(vm_debug_read(c.vm, caller_slot(&c, INFO), raw, sizeof raw));
    static const uint32_t want[] = {1, PIPE_DUPLEX, 3, 1, QUOTA, 3, QUOTA, QUOTA, 3, 1};
    for (size_t i = 0; i < COUNT_OF(want); i++)
        ck_assert_uint_eq(get_u32(raw + 4 * i), want[i]);
    put_u32(raw, 1);
    put_u32(raw + 4, 1);
    ck_assert(vm_debug_write(c.vm, caller_slot(&c, INFO), raw, 8));
    ck_succeeds(CALL(&c, "NtSetInformationFile", client, caller_slot(&c, IOSB),
                     caller_slot(&c, INFO), 8, 23));
    ck_status(read_some(&c, client, 4), STATUS_PIPE_EMPTY);
    put_u32(raw, 2);
    ck_assert(vm_debug_write(c.vm, caller_slot(&c, INFO), raw, 8));
    ck_status(CALL(&c, "NtSetInformationFile", client, caller_slot(&c, IOSB), caller_slot(&c, INFO),
                   8, 23),
              STATUS_INVALID_PARAMETER);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        servers_are_refused_that_cannot_be,
        instances_share_a_name,
        anonymous_pipes_are_opened_through_their_server,
        clients_go_only_the_ways_that_the_server_has,
        a_server_listens_until_a_client_comes,
        what_was_written_survives_its_writer,
        disconnecting_loses_what_was_not_read,
        a_pipe_ends_with_its_last_handle,
        modes_and_figures,
    };
    Suite *s = suite_create("pipes");
    TCase *wide = tcase_create("64 bits"), *narrow = tcase_create("32 bits");

    tcase_add_checked_fixture(wide, setup_64, teardown);
    tcase_add_checked_fixture(narrow, setup_32, teardown);
    for (size_t i = 0; i < COUNT_OF(tests); i++) {
        tcase_add_test(wide, tests[i]);
        tcase_add_test(narrow, tests[i]);
    }
    suite_add_tcase(s, wide);
    suite_add_tcase(s, narrow);
    return suite_main(s);
}
