/* core/nt/pipes.c, pipe_data.c, serve_pipe.c and requests.c, by the services that a guest calls, in both widths. */
#include <check.h>
#include <string.h>

#include "nt/files.h"
#include "nt/pipes.h"
#include "nt/ports.h"
#include "nt/requests.h"
#include "service_caller.h"
#include "suite.h"
#include "vm_builder.h"
#include "winstub/bytes.h"

/* Slots of the caller's memory. */
enum { NAME, TEXT, ATTRIBUTES, HANDLE, IOSB, IOSB2, IN, OUT, TIMEOUT, INFO = 12 };

enum {
    LISTEN = 0x110008,
    DISCONNECT = 0x110004,
    PEEK = 0x11400c,
    TRANSCEIVE = 0x11c017,
    WAIT = 0x110018,
};
#define BOTH      (SHARE_READ | SHARE_WRITE)
#define ALL       0x10000000u /* GENERIC_ALL */
#define UNTOUCHED 0x55555555u
#define QUOTA     16u

static struct caller c;

static void setup_64(void)
{
    caller_init(&c, CPU_AMD64, NULL, 0);
}

static void setup_32(void)
{
    caller_init(&c, CPU_I386, NULL, 0);
}

static void teardown(void)
{
    if (c.p)
        requests_drop_all(c.p->threads.list[0]);
    handles_fini(&c.kernel.handles);
    ck_assert_ptr_null(c.kernel.pipes.names);
    ck_assert_uint_eq(c.kernel.pipes.bytes, 0);
    ck_assert_uint_eq(c.kernel.requests, 0);
    caller_fini(&c);
}

/* ---- Calls ------------------------------------------------------------------------------------ */

static void put(unsigned slot, enum nt_field field, uint64_t value)
{
    ck_assert(nt_write(c.vm, c.p->arch, caller_slot(&c, slot), field, value));
}

static uint64_t get(unsigned slot, enum nt_field field)
{
    uint64_t value = 0;

    ck_assert(nt_read(c.vm, c.p->arch, caller_slot(&c, slot), field, &value));
    return value;
}

/* OBJECT_ATTRIBUTES of that name below that folder; a name has 31 letters at most. */
static gva_t attributes(uint64_t root, const char *name)
{
    uint8_t text[CALLER_SLOT_SIZE] = {0};
    size_t len = strlen(name);

    for (size_t i = 0; i < len; i++)
        text[2 * i] = (uint8_t)name[i];
    ck_assert_uint_le(2 * len, sizeof text);
    ck_assert(vm_debug_write(c.vm, caller_slot(&c, TEXT), text, sizeof text));
    put(NAME, NT_STRING_LENGTH, 2 * len);
    put(NAME, NT_STRING_ROOM, 2 * len);
    put(NAME, NT_STRING_BUFFER, caller_slot(&c, TEXT));
    put(ATTRIBUTES, NT_ATTRIBUTES_LENGTH, nt_size(c.p->arch, NT_STRUCT_ATTRIBUTES));
    put(ATTRIBUTES, NT_ATTRIBUTES_ROOT, root);
    put(ATTRIBUTES, NT_ATTRIBUTES_NAME, caller_slot(&c, NAME));
    put(ATTRIBUTES, NT_ATTRIBUTES_FLAGS, 0x40);
    return caller_slot(&c, ATTRIBUTES);
}

/* What NtCreateNamedPipeFile takes, apart from the name. */
struct server {
    uint64_t share, disposition, options, type, read_mode, completion_mode, most;
};
static const struct server bytes = {BOTH, DISPOSE_OPEN_IF, 0, 0, 0, 0, 3};
static const struct server messages = {BOTH, DISPOSE_OPEN_IF, 0, 1, 1, 0, 3};

static nt_status try_create(uint64_t root, const char *name, const struct server *s, uint64_t *out)
{
    uint8_t timeout[8];
    nt_status st;

    put_u64(timeout, (uint64_t)-500000);
    ck_assert(vm_debug_write(c.vm, caller_slot(&c, TIMEOUT), timeout, sizeof timeout));
    st = CALL(&c, "NtCreateNamedPipeFile", caller_slot(&c, HANDLE), ALL, attributes(root, name),
              caller_slot(&c, IOSB), s->share, s->disposition, s->options, s->type, s->read_mode,
              s->completion_mode, s->most, QUOTA, QUOTA, caller_slot(&c, TIMEOUT));
    *out = caller_get(&c, HANDLE);
    return st;
}

static uint64_t create(const struct server *s)
{
    uint64_t handle;

    ck_succeeds(try_create(0, "\\??\\pipe\\one", s, &handle));
    return handle;
}

static nt_status try_open(uint64_t root, const char *name, uint64_t access, uint64_t options,
                          uint64_t *out)
{
    nt_status st = CALL(&c, "NtOpenFile", caller_slot(&c, HANDLE), access, attributes(root, name),
                        caller_slot(&c, IOSB), BOTH, options);

    *out = caller_get(&c, HANDLE);
    return st;
}

static uint64_t connect(void)
{
    uint64_t handle;

    ck_succeeds(try_open(0, "\\Device\\NamedPipe\\ONE", ALL, 0, &handle));
    return handle;
}

static void close_handle(uint64_t handle)
{
    ck_succeeds(CALL(&c, "NtClose", handle));
}

/* IO_STATUS_BLOCK as nobody has written it. */
static gva_t fresh_iosb(unsigned slot)
{
    put(slot, NT_IO_STATUS, UNTOUCHED);
    put(slot, NT_IO_INFORMATION, UNTOUCHED);
    return caller_slot(&c, slot);
}

static nt_status write_told(uint64_t handle, const char *text, uint64_t event, uint64_t context)
{
    ck_assert(vm_debug_write(c.vm, caller_slot(&c, OUT), text, strlen(text)));
    return CALL(&c, "NtWriteFile", handle, event, 0, context, fresh_iosb(IOSB2),
                caller_slot(&c, OUT), strlen(text), 0, 0);
}

static nt_status write_text(uint64_t handle, const char *text)
{
    return write_told(handle, text, 0, 0);
}

static nt_status read_told(uint64_t handle, uint64_t size, uint64_t event, uint64_t context)
{
    static const uint8_t zeros[CALLER_SLOT_SIZE];

    ck_assert(vm_debug_write(c.vm, caller_slot(&c, IN), zeros, sizeof zeros));
    return CALL(&c, "NtReadFile", handle, event, 0, context, fresh_iosb(IOSB), caller_slot(&c, IN),
                size, 0, 0);
}

static nt_status read_some(uint64_t handle, uint64_t size)
{
    return read_told(handle, size, 0, 0);
}

/* What has been read, as the IO_STATUS_BLOCK says. */
static void expect_read(const char *text, nt_status status)
{
    char got[CALLER_SLOT_SIZE] = {0};
    uint64_t size = get(IOSB, NT_IO_INFORMATION);

    ck_status((nt_status)get(IOSB, NT_IO_STATUS), status);
    ck_assert_uint_eq(size, strlen(text));
    ck_assert(!size || vm_debug_read(c.vm, caller_slot(&c, IN), got, (size_t)size));
    ck_assert_str_eq(got, text);
}

static nt_status control(uint64_t handle, uint32_t code)
{
    return CALL(&c, "NtFsControlFile", handle, 0, 0, 0, fresh_iosb(IOSB), code, 0, 0, 0, 0);
}

static void expect_iosb(unsigned slot, nt_status status, uint64_t information)
{
    ck_status((nt_status)get(slot, NT_IO_STATUS), status);
    ck_assert_uint_eq(get(slot, NT_IO_INFORMATION), information);
}

static uint64_t make_event(void)
{
    ck_succeeds(CALL(&c, "NtCreateEvent", caller_slot(&c, HANDLE), 0x1f0003, 0, 0, 1));
    return caller_get(&c, HANDLE);
}

static bool is_signaled(uint64_t handle)
{
    static const uint8_t now[8];

    ck_assert(vm_debug_write(c.vm, caller_slot(&c, TIMEOUT), now, sizeof now));
    return CALL(&c, "NtWaitForSingleObject", handle, 0, caller_slot(&c, TIMEOUT)) == STATUS_SUCCESS;
}

static struct pipe_end *end_of(uint64_t handle)
{
    struct file *file = NULL;

    ck_succeeds(files_get(&c.kernel.handles, handle, &file));
    return file->pipe;
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
        ck_status(try_create(0, "\\??\\pipe\\one", &cases[i].server, &handle), cases[i].status);
    ck_status(try_create(0, "\\Device\\NamedPipe", &bytes, &handle), STATUS_OBJECT_NAME_INVALID);
    ck_status(try_create(0, "\\??\\pipe\\", &bytes, &handle), STATUS_OBJECT_NAME_INVALID);
    ck_status(try_create(0, "\\??\\pipes\\one", &bytes, &handle), STATUS_OBJECT_NAME_INVALID);
}
END_TEST

START_TEST(instances_share_a_name)
{
    struct server two = {BOTH, DISPOSE_OPEN_IF, 0, 0, 0, 0, 2}, other = two;
    uint64_t first = create(&two), second, third;

    expect_iosb(IOSB, STATUS_SUCCESS, FILE_WAS_CREATED);
    other.disposition = DISPOSE_CREATE;
    ck_status(try_create(0, "\\??\\pipe\\one", &other, &third), STATUS_ACCESS_DENIED);
    other = (struct server){SHARE_READ, DISPOSE_OPEN, 0, 0, 0, 0, 2};
    ck_status(try_create(0, "\\??\\pipe\\one", &other, &third), STATUS_ACCESS_DENIED);
    second = create(&two);
    expect_iosb(IOSB, STATUS_SUCCESS, FILE_WAS_OPENED);
    ck_status(try_create(0, "\\??\\pipe\\One", &two, &third), STATUS_INSTANCE_NOT_AVAILABLE);
    (void)connect();
    (void)connect();
    ck_assert_int_eq(end_of(first)->state, PIPE_CONNECTED);
    ck_assert_int_eq(end_of(second)->state, PIPE_CONNECTED);
    ck_status(try_open(0, "\\??\\pipe\\one", ALL, 0, &third), STATUS_PIPE_NOT_AVAILABLE);
    close_handle(first);
    close_handle(second);
    ck_status(try_open(0, "\\??\\pipe\\one", ALL, 0, &third), STATUS_OBJECT_NAME_NOT_FOUND);
}
END_TEST

START_TEST(anonymous_pipes_are_opened_through_their_server)
{
    uint64_t root, device, server, client;

    ck_succeeds(try_open(0, "\\Device\\NamedPipe\\", ALL, 0, &root));
    ck_succeeds(try_open(0, "\\Device\\NamedPipe", ALL, 0, &device));
    ck_status(try_create(device, "", &bytes, &server), STATUS_OBJECT_NAME_INVALID);
    ck_succeeds(try_create(root, "", &bytes, &server));
    ck_status(try_open(server, "a", ALL, 0, &client), STATUS_OBJECT_NAME_INVALID);
    ck_succeeds(try_open(server, "", ALL, 0, &client));
    ck_status(try_open(server, "", ALL, 0, &client), STATUS_PIPE_NOT_AVAILABLE);
    ck_succeeds(try_create(root, "one", &bytes, &server));
    (void)connect();
    ck_status(read_some(root, 1), STATUS_INVALID_PARAMETER);
    ck_status(control(root, LISTEN), STATUS_ILLEGAL_FUNCTION);
}
END_TEST

START_TEST(clients_go_only_the_ways_that_the_server_has)
{
    struct server in = {SHARE_WRITE, DISPOSE_OPEN_IF, 0, 0, 0, 0, 1};
    uint64_t server = create(&in), client;

    ck_status(try_open(0, "\\??\\pipe\\one", 0x80000000u, 0, &client), STATUS_ACCESS_DENIED);
    ck_succeeds(try_open(0, "\\??\\pipe\\one", 0x40000000u, 0, &client));
    ck_status(read_some(client, 1), STATUS_ACCESS_DENIED);
    ck_succeeds(write_text(client, "a"));
    ck_succeeds(read_some(server, 9));
    expect_read("a", STATUS_SUCCESS);
}
END_TEST

/* ---- Data ------------------------------------------------------------------------------------- */

START_TEST(bytes_have_no_borders)
{
    uint64_t server = create(&bytes), client = connect();

    ck_succeeds(write_text(client, "abc"));
    ck_succeeds(write_text(client, "defg"));
    ck_succeeds(write_text(client, ""));
    ck_succeeds(read_some(server, 5));
    expect_read("abcde", STATUS_SUCCESS);
    ck_succeeds(read_some(server, 5));
    expect_read("fg", STATUS_SUCCESS);
    ck_succeeds(write_text(server, "back"));
    ck_succeeds(read_some(client, 9));
    expect_read("back", STATUS_SUCCESS);
}
END_TEST

START_TEST(messages_are_read_one_by_one)
{
    uint64_t server = create(&messages), client = connect();

    ck_succeeds(write_text(client, "abcd"));
    ck_succeeds(write_text(client, ""));
    ck_succeeds(write_text(client, "ef"));
    ck_status(read_some(server, 3), STATUS_BUFFER_OVERFLOW);
    expect_read("abc", STATUS_BUFFER_OVERFLOW);
    ck_succeeds(read_some(server, 3));
    expect_read("d", STATUS_SUCCESS);
    ck_succeeds(read_some(server, 3));
    expect_read("", STATUS_SUCCESS);
    ck_succeeds(read_some(server, 3));
    expect_read("ef", STATUS_SUCCESS);
    ck_succeeds(write_text(server, "12"));
    ck_succeeds(write_text(server, "34"));
    ck_succeeds(read_some(client, 9)); /* which reads bytes */
    expect_read("1234", STATUS_SUCCESS);
}
END_TEST

START_TEST(peeking_leaves_everything_there)
{
    uint64_t server = create(&messages), client = connect();
    uint8_t raw[24];

    ck_succeeds(write_text(client, "abcd"));
    ck_succeeds(write_text(client, "ef"));
    ck_status(CALL(&c, "NtFsControlFile", server, 0, 0, 0, fresh_iosb(IOSB), PEEK, 0, 0,
                   caller_slot(&c, INFO), 15),
              STATUS_INFO_LENGTH_MISMATCH);
    ck_status(CALL(&c, "NtFsControlFile", server, 0, 0, 0, fresh_iosb(IOSB), PEEK, 0, 0,
                   caller_slot(&c, INFO), 19),
              STATUS_BUFFER_OVERFLOW);
    expect_iosb(IOSB, STATUS_BUFFER_OVERFLOW, 19);
    ck_succeeds(CALL(&c, "NtFsControlFile", server, 0, 0, 0, fresh_iosb(IOSB), PEEK, 0, 0,
                     caller_slot(&c, INFO), sizeof raw));
    expect_iosb(IOSB, STATUS_SUCCESS, 20);
    ck_assert(vm_debug_read(c.vm, caller_slot(&c, INFO), raw, sizeof raw));
    ck_assert_uint_eq(get_u32(raw), PIPE_CONNECTED);
    ck_assert_uint_eq(get_u32(raw + 4), 6);
    ck_assert_uint_eq(get_u32(raw + 8), 2);
    ck_assert_uint_eq(get_u32(raw + 12), 4);
    ck_assert_mem_eq(raw + 16, "abcd", 4);
    ck_succeeds(read_some(server, 9));
    expect_read("abcd", STATUS_SUCCESS);
}
END_TEST

START_TEST(readers_wait_and_are_told)
{
    uint64_t server = create(&bytes), client = connect(), event = make_event();

    ck_assert(is_signaled(server));
    ck_status(read_told(server, 4, event, 0), STATUS_PENDING);
    expect_iosb(IOSB, UNTOUCHED, UNTOUCHED);
    ck_assert(!is_signaled(event) && !is_signaled(server));
    ck_succeeds(write_text(client, "abcdef"));
    expect_read("abcd", STATUS_SUCCESS);
    ck_assert(is_signaled(event) && !is_signaled(server));
    ck_succeeds(read_told(server, 4, event, 0));
    expect_read("ef", STATUS_SUCCESS);
    ck_status(read_some(server, 4), STATUS_PENDING);
    ck_succeeds(write_text(client, "g"));
    ck_assert(is_signaled(server));
    ck_status(read_told(server, 4, 0x1234, 0), STATUS_INVALID_HANDLE);
}
END_TEST

START_TEST(ports_are_told)
{
    uint64_t server = create(&bytes), client = connect(), port;
    const struct port *object;

    ck_succeeds(CALL(&c, "NtCreateIoCompletion", caller_slot(&c, HANDLE), 0x1f0003, 0, 0));
    port = caller_get(&c, HANDLE);
    caller_set(&c, INFO, port);
    ck_assert(nt_write(c.vm, c.p->arch, caller_slot(&c, INFO), NT_IO_INFORMATION, 77));
    ck_succeeds(CALL(&c, "NtSetInformationFile", server, caller_slot(&c, IOSB2),
                     caller_slot(&c, INFO), 2 * nt_pointer(c.p->arch), 30));
    object = (struct port *)handles_entry(&c.kernel.handles, port)->object;
    ck_status(read_told(server, 4, 0, 99), STATUS_PENDING);
    ck_assert_uint_eq(object->count, 0);
    ck_succeeds(write_text(client, "abc"));
    ck_assert_uint_eq(object->count, 1);
    ck_assert_uint_eq(object->first->key, 77);
    ck_assert_uint_eq(object->first->value, 99);
    ck_assert_uint_eq(object->first->information, 3);
    ck_status(object->first->status, STATUS_SUCCESS);
}
END_TEST

START_TEST(writers_wait_for_room)
{
    uint64_t server = create(&bytes), client = connect();

    ck_succeeds(write_text(client, "0123456789"));
    ck_status(write_text(client, "abcdefg"), STATUS_PENDING);
    ck_succeeds(read_some(server, 1));
    expect_iosb(IOSB2, STATUS_SUCCESS, 7);
    ck_status(write_text(client, "x"), STATUS_PENDING);
    ck_succeeds(CALL(&c, "NtCancelIoFile", client, caller_slot(&c, INFO)));
    expect_iosb(IOSB2, STATUS_CANCELLED, 0);
    ck_succeeds(read_some(server, 60));
    expect_read("123456789abcdefg", STATUS_SUCCESS);
}
END_TEST

START_TEST(who_does_not_wait_gets_what_is_there)
{
    struct server at_once = bytes;
    uint64_t server, client;

    at_once.completion_mode = 1;
    server = create(&at_once);
    ck_status(control(server, LISTEN), STATUS_PIPE_LISTENING);
    client = connect();
    ck_status(read_some(server, 4), STATUS_PIPE_EMPTY);
    ck_succeeds(write_text(server, "0123456789"));
    ck_succeeds(write_text(server, "abcdefgh"));
    expect_iosb(IOSB2, STATUS_SUCCESS, QUOTA - 10);
    ck_succeeds(write_text(server, "x"));
    expect_iosb(IOSB2, STATUS_SUCCESS, 0);
    ck_succeeds(read_some(client, 60));
    expect_read("0123456789abcdef", STATUS_SUCCESS);
}
END_TEST

START_TEST(a_message_is_never_cut_by_who_does_not_wait)
{
    struct server at_once = messages;
    uint64_t server, client;

    at_once.completion_mode = 1;
    server = create(&at_once);
    client = connect();
    ck_succeeds(write_text(server, "0123456789"));
    ck_succeeds(write_text(server, "abcdefgh"));
    expect_iosb(IOSB2, STATUS_SUCCESS, 0);
    ck_succeeds(read_some(client, 60));
    ck_status(read_some(client, 20), STATUS_PENDING);
    ck_succeeds(write_text(server, "0123456789abcdefghi")); /* it goes through as a whole */
    expect_read("0123456789abcdefghi", STATUS_SUCCESS);
}
END_TEST

START_TEST(questions_and_answers)
{
    uint64_t server = create(&messages), client = connect();

    ck_assert(vm_debug_write(c.vm, caller_slot(&c, OUT), "ask", 3));
    ck_status(CALL(&c, "NtFsControlFile", client, 0, 0, 0, fresh_iosb(IOSB2), TRANSCEIVE,
                   caller_slot(&c, OUT), 3, caller_slot(&c, INFO), 9),
              STATUS_INVALID_READ_MODE);
    ck_status(CALL(&c, "NtFsControlFile", server, 0, 0, 0, fresh_iosb(IOSB2), TRANSCEIVE,
                   caller_slot(&c, OUT), 3, caller_slot(&c, INFO), 9),
              STATUS_PENDING);
    ck_succeeds(read_some(client, 9));
    expect_read("ask", STATUS_SUCCESS);
    ck_succeeds(write_text(client, "told"));
    ck_succeeds(write_text(client, "more"));
    ck_status(CALL(&c, "NtFsControlFile", server, 0, 0, 0, fresh_iosb(IOSB2), TRANSCEIVE,
                   caller_slot(&c, OUT), 3, caller_slot(&c, INFO), 9),
              STATUS_PIPE_BUSY);
}
END_TEST

START_TEST(more_than_pipes_may_hold_is_refused)
{
    uint64_t server = create(&bytes), client = connect();

    (void)server;
    c.kernel.pipes.bytes += PIPES_BYTES_MAX;
    ck_status(write_text(client, "a"), STATUS_INSUFFICIENT_RESOURCES);
    c.kernel.pipes.bytes -= PIPES_BYTES_MAX;
    c.kernel.requests += REQUESTS_MAX;
    ck_status(write_text(client, "a"), STATUS_INSUFFICIENT_RESOURCES);
    c.kernel.requests -= REQUESTS_MAX;
    ck_succeeds(write_text(client, "a"));
}
END_TEST

START_TEST(memory_that_goes_while_a_reader_waits_ends_it)
{
    uint64_t server = create(&bytes), client = connect();
    gva_t page = build_committed(c.vm, 0, 0x1000);

    ck_status(CALL(&c, "NtReadFile", server, 0, 0, 0, fresh_iosb(IOSB), page, 8, 0, 0),
              STATUS_PENDING);
    ck_succeeds(try_release(c.vm, page, 0, MEM_RELEASE));
    ck_succeeds(write_text(client, "abc"));
    expect_iosb(IOSB, STATUS_ACCESS_VIOLATION, 0);
}
END_TEST

/* ---- States ----------------------------------------------------------------------------------- */

START_TEST(a_server_listens_until_a_client_comes)
{
    uint64_t server = create(&bytes), client;

    ck_status(read_some(server, 1), STATUS_PIPE_LISTENING);
    ck_status(write_text(server, "a"), STATUS_PIPE_LISTENING);
    ck_status(control(server, DISCONNECT), STATUS_PIPE_LISTENING);
    ck_status(control(server, LISTEN), STATUS_PENDING);
    client = connect();
    expect_iosb(IOSB, STATUS_SUCCESS, FILE_WAS_OPENED); /* the client's own */
    ck_status(control(server, LISTEN), STATUS_PIPE_CONNECTED);
    ck_status(control(client, LISTEN), STATUS_ILLEGAL_FUNCTION);
    ck_status(control(client, DISCONNECT), STATUS_ILLEGAL_FUNCTION);
    close_handle(client);
    ck_status(control(server, LISTEN), STATUS_PIPE_CLOSING);
    ck_succeeds(control(server, DISCONNECT));
    ck_status(control(server, DISCONNECT), STATUS_PIPE_DISCONNECTED);
    ck_status(read_some(server, 1), STATUS_PIPE_DISCONNECTED);
    ck_status(control(server, LISTEN), STATUS_PENDING);
    ck_assert_int_eq(end_of(server)->state, PIPE_LISTENING);
}
END_TEST

START_TEST(what_was_written_survives_its_writer)
{
    uint64_t server = create(&bytes), client = connect();

    ck_succeeds(write_text(client, "0123456789"));
    ck_status(write_text(client, "abcdefgh"), STATUS_PENDING);
    ck_status(read_some(client, 4), STATUS_PENDING);
    close_handle(client);
    expect_iosb(IOSB, STATUS_PIPE_BROKEN, 0);
    expect_iosb(IOSB2, STATUS_PIPE_BROKEN, 0);
    ck_status(write_text(server, "x"), STATUS_PIPE_CLOSING);
    ck_succeeds(read_some(server, 60));
    expect_read("0123456789abcdefgh", STATUS_SUCCESS);
    ck_status(read_some(server, 1), STATUS_PIPE_BROKEN);
}
END_TEST

START_TEST(disconnecting_loses_what_was_not_read)
{
    uint64_t server = create(&bytes), client = connect();

    ck_succeeds(write_text(server, "0123456789"));
    ck_status(write_text(server, "abcdefgh"), STATUS_PENDING);
    ck_status(read_some(server, 4), STATUS_PENDING);
    ck_succeeds(
        CALL(&c, "NtFsControlFile", server, 0, 0, 0, fresh_iosb(INFO), DISCONNECT, 0, 0, 0, 0));
    expect_iosb(IOSB, STATUS_PIPE_DISCONNECTED, 0);
    expect_iosb(IOSB2, STATUS_PIPE_DISCONNECTED, 0);
    ck_status(read_some(client, 1), STATUS_PIPE_DISCONNECTED);
    ck_status(write_text(client, "x"), STATUS_PIPE_DISCONNECTED);
    ck_status(control(server, LISTEN), STATUS_PENDING);
    (void)connect();
    close_handle(server);
    ck_status(read_some(client, 1), STATUS_PIPE_DISCONNECTED);
}
END_TEST

START_TEST(a_pipe_ends_with_its_last_handle)
{
    uint64_t server = create(&bytes), client = connect(), copy;

    ck_status(read_some(server, 4), STATUS_PENDING);
    ck_succeeds(CALL(&c, "NtDuplicateObject", THIS_PROCESS, client, THIS_PROCESS,
                     caller_slot(&c, HANDLE), 0, 0, 2));
    copy = caller_get(&c, HANDLE);
    close_handle(client);
    expect_iosb(IOSB, UNTOUCHED, UNTOUCHED);
    close_handle(copy);
    expect_iosb(IOSB, STATUS_PIPE_BROKEN, 0);
}
END_TEST

START_TEST(modes_and_figures)
{
    uint64_t server = create(&messages), client = connect();
    uint8_t raw[40] = {0};

    ck_succeeds(write_text(client, "abc"));
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
    ck_status(read_some(client, 4), STATUS_PIPE_EMPTY);
    put_u32(raw, 2);
    ck_assert(vm_debug_write(c.vm, caller_slot(&c, INFO), raw, 8));
    ck_status(CALL(&c, "NtSetInformationFile", client, caller_slot(&c, IOSB), caller_slot(&c, INFO),
                   8, 23),
              STATUS_INVALID_PARAMETER);
}
END_TEST

/* ---- Cancelling and waiting ------------------------------------------------------------------- */

START_TEST(requests_are_cancelled_by_who_asked_or_by_name)
{
    uint64_t server = create(&bytes);

    (void)connect();
    ck_status(read_some(server, 4), STATUS_PENDING);
    ck_status(CALL(&c, "NtCancelIoFileEx", server, caller_slot(&c, IOSB2), caller_slot(&c, INFO)),
              STATUS_NOT_FOUND);
    expect_iosb(IOSB, UNTOUCHED, UNTOUCHED);
    ck_succeeds(CALL(&c, "NtCancelIoFileEx", server, caller_slot(&c, IOSB), caller_slot(&c, INFO)));
    expect_iosb(IOSB, STATUS_CANCELLED, 0);
    ck_status(read_some(server, 4), STATUS_PENDING);
    ck_succeeds(CALL(&c, "NtCancelIoFileEx", server, 0, caller_slot(&c, INFO)));
    expect_iosb(IOSB, STATUS_CANCELLED, 0);
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
    server = create(&waits);
    (void)connect();
    (void)read_some(server, 4);
    ck_assert_int_eq(thread->wait.kind, WAIT_REQUEST);
    buf_init(&text, 200);
    wait_describe(thread, &text);
    ck_assert_str_eq(buf_str(&text), "reading from File \\Device\\NamedPipe\\one (handle 0x4)");
    buf_fini(&text);
    ck_status(requests_cancel_waited(thread, 1), STATUS_NOT_FOUND);
    ck_succeeds(requests_cancel_waited(thread, 0));
    ck_assert_int_eq(thread->wait.kind, WAIT_NOTHING);
    ck_status((nt_status)cpu_get(c.p->cpu, CPU_RAX), STATUS_CANCELLED);
    expect_iosb(IOSB, UNTOUCHED, UNTOUCHED);
}
END_TEST

START_TEST(flushing_waits_for_the_reader)
{
    uint64_t server = create(&bytes), client = connect();
    struct thread *thread = c.p->threads.list[0];

    ck_succeeds(CALL(&c, "NtFlushBuffersFile", client, fresh_iosb(IOSB2)));
    ck_succeeds(write_text(client, "abc"));
    (void)CALL(&c, "NtFlushBuffersFile", client, fresh_iosb(INFO));
    ck_assert_int_eq(thread->wait.kind, WAIT_REQUEST);
    ck_succeeds(read_some(server, 60));
    ck_assert_int_eq(thread->wait.kind, WAIT_NOTHING);
    expect_iosb(INFO, STATUS_SUCCESS, 0);
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
    return CALL(&c, "NtFsControlFile", root, 0, 0, 0, fresh_iosb(IOSB2), WAIT,
                caller_slot(&c, INFO), sizeof raw, 0, 0);
}

START_TEST(clients_wait_for_an_instance)
{
    uint64_t root, server, client;

    ck_succeeds(try_open(0, "\\??\\pipe\\", ALL, 0, &root));
    ck_status(wait_for_one(root), STATUS_OBJECT_NAME_NOT_FOUND);
    server = create(&bytes);
    ck_succeeds(wait_for_one(root));
    client = connect();
    ck_status(wait_for_one(root), STATUS_PENDING);
    ck_assert_uint_lt(pipes_expire(c.p, 0, WAIT_FOREVER), WAIT_FOREVER);
    expect_iosb(IOSB2, UNTOUCHED, UNTOUCHED);
    ck_assert_uint_eq(pipes_expire(c.p, UINT64_MAX - 1, WAIT_FOREVER), WAIT_FOREVER);
    expect_iosb(IOSB2, STATUS_IO_TIMEOUT, 0);
    ck_status(wait_for_one(root), STATUS_PENDING);
    close_handle(client);
    ck_succeeds(control(server, DISCONNECT));
    expect_iosb(IOSB2, UNTOUCHED, UNTOUCHED);
    ck_status(control(server, LISTEN), STATUS_PENDING);
    expect_iosb(IOSB2, STATUS_SUCCESS, 0);
    (void)connect();
    ck_status(wait_for_one(root), STATUS_PENDING);
    close_handle(server);
    expect_iosb(IOSB2, STATUS_OBJECT_NAME_NOT_FOUND, 0);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        servers_are_refused_that_cannot_be,
        instances_share_a_name,
        anonymous_pipes_are_opened_through_their_server,
        clients_go_only_the_ways_that_the_server_has,
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
        a_server_listens_until_a_client_comes,
        what_was_written_survives_its_writer,
        disconnecting_loses_what_was_not_read,
        a_pipe_ends_with_its_last_handle,
        modes_and_figures,
        requests_are_cancelled_by_who_asked_or_by_name,
        a_synchronous_file_makes_its_caller_wait,
        flushing_waits_for_the_reader,
        clients_wait_for_an_instance,
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
