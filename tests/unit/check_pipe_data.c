/* core/nt/pipe_data.c and requests.c: what goes through pipes, who waits for it and who is told, in both widths. */
#include <check.h>
#include <string.h>

#include "nt/files.h"
#include "nt/ports.h"
#include "nt/requests.h"
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

/* ---- Data ------------------------------------------------------------------------------------- */

START_TEST(bytes_have_no_borders)
{
    uint64_t server = make_server(&c, &bytes), client = make_client(&c);

    ck_succeeds(write_text(&c, client, "abc"));
    ck_succeeds(write_text(&c, client, "defg"));
    ck_succeeds(write_text(&c, client, ""));
    ck_succeeds(read_some(&c, server, 5));
    expect_read(&c, "abcde", STATUS_SUCCESS);
    ck_succeeds(read_some(&c, server, 5));
    expect_read(&c, "fg", STATUS_SUCCESS);
    ck_succeeds(write_text(&c, server, "back"));
    ck_succeeds(read_some(&c, client, 9));
    expect_read(&c, "back", STATUS_SUCCESS);
}
END_TEST

START_TEST(messages_are_read_one_by_one)
{
    uint64_t server = make_server(&c, &messages), client = make_client(&c);

    ck_succeeds(write_text(&c, client, "abcd"));
    ck_succeeds(write_text(&c, client, ""));
    ck_succeeds(write_text(&c, client, "ef"));
    ck_status(read_some(&c, server, 3), STATUS_BUFFER_OVERFLOW);
    expect_read(&c, "abc", STATUS_BUFFER_OVERFLOW);
    ck_succeeds(read_some(&c, server, 3));
    expect_read(&c, "d", STATUS_SUCCESS);
    ck_succeeds(read_some(&c, server, 3));
    expect_read(&c, "", STATUS_SUCCESS);
    ck_succeeds(read_some(&c, server, 3));
    expect_read(&c, "ef", STATUS_SUCCESS);
    ck_succeeds(write_text(&c, server, "12"));
    ck_succeeds(write_text(&c, server, "34"));
    ck_succeeds(read_some(&c, client, 9)); /* which reads bytes */
    expect_read(&c, "1234", STATUS_SUCCESS);
}
END_TEST

START_TEST(peeking_leaves_everything_there)
{
    uint64_t server = make_server(&c, &messages), client = make_client(&c);
    uint8_t raw[24];

    ck_succeeds(write_text(&c, client, "abcd"));
    ck_succeeds(write_text(&c, client, "ef"));
    ck_status(CALL(&c, "NtFsControlFile", server, 0, 0, 0, fresh_iosb(&c, IOSB), PEEK, 0, 0,
                   caller_slot(&c, INFO), 15),
              STATUS_INFO_LENGTH_MISMATCH);
    ck_status(CALL(&c, "NtFsControlFile", server, 0, 0, 0, fresh_iosb(&c, IOSB), PEEK, 0, 0,
                   caller_slot(&c, INFO), 19),
              STATUS_BUFFER_OVERFLOW);
    expect_iosb(&c, IOSB, STATUS_BUFFER_OVERFLOW, 19);
    ck_succeeds(CALL(&c, "NtFsControlFile", server, 0, 0, 0, fresh_iosb(&c, IOSB), PEEK, 0, 0,
                     caller_slot(&c, INFO), sizeof raw));
    expect_iosb(&c, IOSB, STATUS_SUCCESS, 20);
    ck_assert(vm_debug_read(c.vm, caller_slot(&c, INFO), raw, sizeof raw));
    ck_assert_uint_eq(get_u32(raw), PIPE_CONNECTED);
    ck_assert_uint_eq(get_u32(raw + 4), 6);
    ck_assert_uint_eq(get_u32(raw + 8), 2);
    ck_assert_uint_eq(get_u32(raw + 12), 4);
    ck_assert_mem_eq(raw + 16, "abcd", 4);
    ck_succeeds(read_some(&c, server, 9));
    expect_read(&c, "abcd", STATUS_SUCCESS);
}
END_TEST

START_TEST(readers_wait_and_are_told)
{
    uint64_t server = make_server(&c, &bytes), client = make_client(&c), event = make_event(&c);

    ck_assert(is_signaled(&c, server));
    ck_status(read_told(&c, server, 4, event, 0), STATUS_PENDING);
    expect_iosb(&c, IOSB, UNTOUCHED, UNTOUCHED);
    ck_assert(!is_signaled(&c, event) && !is_signaled(&c, server));
    ck_succeeds(write_text(&c, client, "abcdef"));
    expect_read(&c, "abcd", STATUS_SUCCESS);
    ck_assert(is_signaled(&c, event) && !is_signaled(&c, server));
    ck_succeeds(read_told(&c, server, 4, event, 0));
    expect_read(&c, "ef", STATUS_SUCCESS);
    ck_status(read_some(&c, server, 4), STATUS_PENDING);
    ck_succeeds(write_text(&c, client, "g"));
    ck_assert(is_signaled(&c, server));
    ck_status(read_told(&c, server, 4, 0x1234, 0), STATUS_INVALID_HANDLE);
}
END_TEST

START_TEST(ports_are_told)
{
    uint64_t server = make_server(&c, &bytes), client = make_client(&c), port;
    const struct port *object;

    ck_succeeds(CALL(&c, "NtCreateIoCompletion", caller_slot(&c, HANDLE), 0x1f0003, 0, 0));
    port = caller_get(&c, HANDLE);
    caller_set(&c, INFO, port);
    ck_assert(nt_write(c.vm, c.p->arch, caller_slot(&c, INFO), NT_IO_INFORMATION, 77));
    ck_succeeds(CALL(&c, "NtSetInformationFile", server, caller_slot(&c, IOSB2),
                     caller_slot(&c, INFO), 2 * nt_pointer(c.p->arch), 30));
    object = (struct port *)handles_entry(&c.kernel.handles, port)->object;
    ck_status(read_told(&c, server, 4, 0, 99), STATUS_PENDING);
    ck_assert_uint_eq(object->count, 0);
    ck_succeeds(write_text(&c, client, "abc"));
    ck_assert_uint_eq(object->count, 1);
    ck_assert_uint_eq(object->first->key, 77);
    ck_assert_uint_eq(object->first->value, 99);
    ck_assert_uint_eq(object->first->information, 3);
    ck_status(object->first->status, STATUS_SUCCESS);
}
END_TEST

START_TEST(writers_wait_for_room)
{
    uint64_t server = make_server(&c, &bytes), client = make_client(&c);

    ck_succeeds(write_text(&c, client, "0123456789"));
    ck_status(write_text(&c, client, "abcdefg"), STATUS_PENDING);
    ck_succeeds(read_some(&c, server, 1));
    expect_iosb(&c, IOSB2, STATUS_SUCCESS, 7);
    ck_status(write_text(&c, client, "x"), STATUS_PENDING);
    ck_succeeds(CALL(&c, "NtCancelIoFile", client, caller_slot(&c, INFO)));
    expect_iosb(&c, IOSB2, STATUS_CANCELLED, 0);
    ck_succeeds(read_some(&c, server, 60));
    expect_read(&c, "123456789abcdefg", STATUS_SUCCESS);
}
END_TEST

START_TEST(who_does_not_wait_gets_what_is_there)
{
    struct server at_once = bytes;
    uint64_t server, client;

    at_once.completion_mode = 1;
    server = make_server(&c, &at_once);
    ck_status(control(&c, server, LISTEN), STATUS_PIPE_LISTENING);
    client = make_client(&c);
    ck_status(read_some(&c, server, 4), STATUS_PIPE_EMPTY);
    ck_succeeds(write_text(&c, server, "0123456789"));
    ck_succeeds(write_text(&c, server, "abcdefgh"));
    expect_iosb(&c, IOSB2, STATUS_SUCCESS, QUOTA - 10);
    ck_succeeds(write_text(&c, server, "x"));
    expect_iosb(&c, IOSB2, STATUS_SUCCESS, 0);
    ck_succeeds(read_some(&c, client, 60));
    expect_read(&c, "0123456789abcdef", STATUS_SUCCESS);
}
END_TEST

START_TEST(a_message_is_never_cut_by_who_does_not_wait)
{
    struct server at_once = messages;
    uint64_t server, client;

    at_once.completion_mode = 1;
    server = make_server(&c, &at_once);
    client = make_client(&c);
    ck_succeeds(write_text(&c, server, "0123456789"));
    ck_succeeds(write_text(&c, server, "abcdefgh"));
    expect_iosb(&c, IOSB2, STATUS_SUCCESS, 0);
    ck_succeeds(read_some(&c, client, 60));
    ck_status(read_some(&c, client, 20), STATUS_PENDING);
    ck_succeeds(write_text(&c, server, "0123456789abcdefghi")); /* it goes through as a whole */
    expect_read(&c, "0123456789abcdefghi", STATUS_SUCCESS);
}
END_TEST

START_TEST(questions_and_answers)
{
    uint64_t server = make_server(&c, &messages), client = make_client(&c);

    ck_assert(vm_debug_write(c.vm, caller_slot(&c, OUT), "ask", 3));
    ck_status(CALL(&c, "NtFsControlFile", client, 0, 0, 0, fresh_iosb(&c, IOSB2), TRANSCEIVE,
                   caller_slot(&c, OUT), 3, caller_slot(&c, INFO), 9),
              STATUS_INVALID_READ_MODE);
    ck_status(CALL(&c, "NtFsControlFile", server, 0, 0, 0, fresh_iosb(&c, IOSB2), TRANSCEIVE,
                   caller_slot(&c, OUT), 3, caller_slot(&c, INFO), 9),
              STATUS_PENDING);
    ck_succeeds(read_some(&c, client, 9));
    expect_read(&c, "ask", STATUS_SUCCESS);
    ck_succeeds(write_text(&c, client, "told"));
    ck_succeeds(write_text(&c, client, "more"));
    ck_status(CALL(&c, "NtFsControlFile", server, 0, 0, 0, fresh_iosb(&c, IOSB2), TRANSCEIVE,
                   caller_slot(&c, OUT), 3, caller_slot(&c, INFO), 9),
              STATUS_PIPE_BUSY);
}
END_TEST

START_TEST(more_than_pipes_may_hold_is_refused)
{
    uint64_t server = make_server(&c, &bytes), client = make_client(&c);

    (void)server;
    c.machine->pipes.bytes += PIPES_BYTES_MAX;
    ck_status(write_text(&c, client, "a"), STATUS_INSUFFICIENT_RESOURCES);
    c.machine->pipes.bytes -= PIPES_BYTES_MAX;
    c.kernel.requests += REQUESTS_MAX;
    ck_status(write_text(&c, client, "a"), STATUS_INSUFFICIENT_RESOURCES);
    c.kernel.requests -= REQUESTS_MAX;
    ck_succeeds(write_text(&c, client, "a"));
}
END_TEST

START_TEST(memory_that_goes_while_a_reader_waits_ends_it)
{
    uint64_t server = make_server(&c, &bytes), client = make_client(&c);
    gva_t page = build_committed(c.vm, 0, 0x1000);

    ck_status(CALL(&c, "NtReadFile", server, 0, 0, 0, fresh_iosb(&c, IOSB), page, 8, 0, 0),
              STATUS_PENDING);
    ck_succeeds(try_release(c.vm, page, 0, MEM_RELEASE));
    ck_succeeds(write_text(&c, client, "abc"));
    expect_iosb(&c, IOSB, STATUS_ACCESS_VIOLATION, 0);
}
END_TEST

/* ---- Cancelling and waiting ------------------------------------------------------------------- */

START_TEST(requests_are_cancelled_by_who_asked_or_by_name)
{
    uint64_t server = make_server(&c, &bytes);

    (void)make_client(&c);
    ck_status(read_some(&c, server, 4), STATUS_PENDING);
    ck_status(CALL(&c, "NtCancelIoFileEx", server, caller_slot(&c, IOSB2), caller_slot(&c, INFO)),
              STATUS_NOT_FOUND);
    expect_iosb(&c, IOSB, UNTOUCHED, UNTOUCHED);
    ck_succeeds(CALL(&c, "NtCancelIoFileEx", server, caller_slot(&c, IOSB), caller_slot(&c, INFO)));
    expect_iosb(&c, IOSB, STATUS_CANCELLED, 0);
    ck_status(read_some(&c, server, 4), STATUS_PENDING);
    ck_succeeds(CALL(&c, "NtCancelIoFileEx", server, 0, caller_slot(&c, INFO)));
    expect_iosb(&c, IOSB, STATUS_CANCELLED, 0);
    ck_status(CALL(&c, "NtCancelSynchronousIoFile", UINT64_MAX - 1, 0, caller_slot(&c, INFO)),
              STATUS_NOT_FOUND);
}
END_TEST

START_TEST(a_synchronous_file_makes_its_caller_wait)
{
    struct server waits = bytes;
    struct thread *thread = c.p->threads.list[0];
    struct buf text;
    uint64_t server;

    waits.options = OPTION_SYNC;
    server = make_server(&c, &waits);
    (void)make_client(&c);
    (void)read_some(&c, server, 4);
    ck_assert_int_eq(thread->wait.kind, WAIT_REQUEST);
    buf_init(&text, 200);
    wait_describe(thread, &text);
    ck_assert_str_eq(buf_str(&text), "reading from File \\Device\\NamedPipe\\one (handle 0x4)");
    buf_fini(&text);
    ck_status(requests_cancel_waited(thread, 1), STATUS_NOT_FOUND);
    ck_succeeds(requests_cancel_waited(thread, 0));
    ck_assert_int_eq(thread->wait.kind, WAIT_NOTHING);
    ck_status((nt_status)cpu_get(c.p->cpu, CPU_RAX), STATUS_CANCELLED);
    expect_iosb(&c, IOSB, UNTOUCHED, UNTOUCHED);
}
END_TEST

START_TEST(flushing_waits_for_the_reader)
{
    uint64_t server = make_server(&c, &bytes), client = make_client(&c);
    struct thread *thread = c.p->threads.list[0];

    ck_succeeds(CALL(&c, "NtFlushBuffersFile", client, fresh_iosb(&c, IOSB2)));
    ck_succeeds(write_text(&c, client, "abc"));
    (void)CALL(&c, "NtFlushBuffersFile", client, fresh_iosb(&c, INFO));
    ck_assert_int_eq(thread->wait.kind, WAIT_REQUEST);
    ck_succeeds(read_some(&c, server, 60));
    ck_assert_int_eq(thread->wait.kind, WAIT_NOTHING);
    expect_iosb(&c, INFO, STATUS_SUCCESS, 0);
}
END_TEST

/* Wait for an instance of "one", 1 ms. */
static nt_status wait_for_one(uint64_t root)
{
    uint8_t raw[20] = {0};

    put_u64(raw, (uint64_t)-10000);
    put_u32(raw + 8, 6);
    raw[12] = 1;
    for (size_t i = 0; i < 3; i++)
        raw[14 + 2 * i] = (uint8_t) "one"[i];
    ck_assert(vm_debug_write(c.vm, caller_slot(&c, INFO), raw, sizeof raw));
    return CALL(&c, "NtFsControlFile", root, 0, 0, 0, fresh_iosb(&c, IOSB2), WAIT,
                caller_slot(&c, INFO), sizeof raw, 0, 0);
}

START_TEST(clients_wait_for_an_instance)
{
    uint64_t root, server, client;

    ck_succeeds(try_client(&c, 0, "\\??\\pipe\\", ALL, 0, &root));
    ck_status(wait_for_one(root), STATUS_OBJECT_NAME_NOT_FOUND);
    server = make_server(&c, &bytes);
    ck_succeeds(wait_for_one(root));
    client = make_client(&c);
    ck_status(wait_for_one(root), STATUS_PENDING);
    ck_assert_uint_lt(pipes_expire(c.machine, 0, WAIT_FOREVER), WAIT_FOREVER);
    expect_iosb(&c, IOSB2, UNTOUCHED, UNTOUCHED);
    ck_assert_uint_eq(pipes_expire(c.machine, UINT64_MAX - 1, WAIT_FOREVER), WAIT_FOREVER);
    expect_iosb(&c, IOSB2, STATUS_IO_TIMEOUT, 0);
    ck_status(wait_for_one(root), STATUS_PENDING);
    close_handle(&c, client);
    ck_succeeds(control(&c, server, DISCONNECT));
    expect_iosb(&c, IOSB2, UNTOUCHED, UNTOUCHED);
    ck_status(control(&c, server, LISTEN), STATUS_PENDING);
    expect_iosb(&c, IOSB2, STATUS_SUCCESS, 0);
    (void)make_client(&c);
    ck_status(wait_for_one(root), STATUS_PENDING);
    close_handle(&c, server);
    expect_iosb(&c, IOSB2, STATUS_OBJECT_NAME_NOT_FOUND, 0);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        bytes_have_no_borders,
        messages_are_read_one_by_one,
        peeking_leaves_everything_there,
        readers_wait_and_are_told,
        ports_are_told,
        writers_wait_for_room,
        who_does_not_wait_gets_what_is_there,
        a_message_is_never_cut_by_who_does_not_wait,
        questions_and_answers,
        more_than_pipes_may_hold_is_refused,
        memory_that_goes_while_a_reader_waits_ends_it,
        requests_are_cancelled_by_who_asked_or_by_name,
        a_synchronous_file_makes_its_caller_wait,
        flushing_waits_for_the_reader,
        clients_wait_for_an_instance,
    };
    Suite *s = suite_create("pipe_data");
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
