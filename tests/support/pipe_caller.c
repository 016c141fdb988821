/* Calls about pipes for tests; the contract is in pipe_caller.h. */
#include "pipe_caller.h"

#include <check.h>
#include <string.h>

#include "nt/files.h"
#include "nt/requests.h"
#include "vm_builder.h"
#include "winstub/bytes.h"

void pipes_begin(struct caller *c, enum cpu_arch arch)
{
    caller_init(c, arch, NULL, 0);
}

void pipes_end(struct caller *c)
{
    if (c->p)
        requests_drop_all(c->p->threads.list[0]);
    handles_fini(&c->kernel.handles);
    ck_assert_ptr_null(c->machine->pipes.names);
    ck_assert_uint_eq(c->machine->pipes.bytes, 0);
    ck_assert_uint_eq(c->kernel.requests, 0);
    caller_fini(c);
}

static void put(struct caller *c, unsigned slot, enum nt_field field, uint64_t value)
{
    ck_assert(nt_write(c->vm, c->p->arch, caller_slot(c, slot), field, value));
}

static uint64_t get(struct caller *c, unsigned slot, enum nt_field field)
{
    uint64_t value = 0;

    ck_assert(nt_read(c->vm, c->p->arch, caller_slot(c, slot), field, &value));
    return value;
}

/* OBJECT_ATTRIBUTES of that name below that folder; a name has 31 letters at most. */
static gva_t attributes(struct caller *c, uint64_t root, const char *name)
{
    uint8_t text[CALLER_SLOT_SIZE] = {0};
    size_t len = strlen(name);

    for (size_t i = 0; i < len; i++)
        text[2 * i] = (uint8_t)name[i];
    ck_assert_uint_le(2 * len, sizeof text);
    ck_assert(vm_debug_write(c->vm, caller_slot(c, TEXT), text, sizeof text));
    put(c, NAME, NT_STRING_LENGTH, 2 * len);
    put(c, NAME, NT_STRING_ROOM, 2 * len);
    put(c, NAME, NT_STRING_BUFFER, caller_slot(c, TEXT));
    put(c, ATTRIBUTES, NT_ATTRIBUTES_LENGTH, nt_size(c->p->arch, NT_STRUCT_ATTRIBUTES));
    put(c, ATTRIBUTES, NT_ATTRIBUTES_ROOT, root);
    put(c, ATTRIBUTES, NT_ATTRIBUTES_NAME, caller_slot(c, NAME));
    put(c, ATTRIBUTES, NT_ATTRIBUTES_FLAGS, 0x40);
    return caller_slot(c, ATTRIBUTES);
}

const struct server bytes = {BOTH, DISPOSE_OPEN_IF, 0, 0, 0, 0, 3};
const struct server messages = {BOTH, DISPOSE_OPEN_IF, 0, 1, 1, 0, 3};

nt_status try_server(struct caller *c, uint64_t root, const char *name, const struct server *s,
                     uint64_t *out)
{
    uint8_t timeout[8];
    nt_status st;

    put_u64(timeout, (uint64_t)-500000);
    ck_assert(vm_debug_write(c->vm, caller_slot(c, TIMEOUT), timeout, sizeof timeout));
    st = CALL(c, "NtCreateNamedPipeFile", caller_slot(c, HANDLE), ALL, attributes(c, root, name),
              caller_slot(c, IOSB), s->share, s->disposition, s->options, s->type, s->read_mode,
              s->completion_mode, s->most, QUOTA, QUOTA, caller_slot(c, TIMEOUT));
    *out = caller_get(c, HANDLE);
    return st;
}

uint64_t make_server(struct caller *c, const struct server *s)
{
    uint64_t handle;

    ck_succeeds(try_server(c, 0, "\\??\\pipe\\one", s, &handle));
    return handle;
}

nt_status try_client(struct caller *c, uint64_t root, const char *name, uint64_t access,
                     uint64_t options, uint64_t *out)
{
    nt_status st = CALL(c, "NtOpenFile", caller_slot(c, HANDLE), access, attributes(c, root, name),
                        caller_slot(c, IOSB), BOTH, options);

    *out = caller_get(c, HANDLE);
    return st;
}

uint64_t make_client(struct caller *c)
{
    uint64_t handle;

    ck_succeeds(try_client(c, 0, "\\Device\\NamedPipe\\ONE", ALL, 0, &handle));
    return handle;
}

void close_handle(struct caller *c, uint64_t handle)
{
    ck_succeeds(CALL(c, "NtClose", handle));
}

/* IO_STATUS_BLOCK as nobody has written it. */
gva_t fresh_iosb(struct caller *c, unsigned slot)
{
    put(c, slot, NT_IO_STATUS, UNTOUCHED);
    put(c, slot, NT_IO_INFORMATION, UNTOUCHED);
    return caller_slot(c, slot);
}

nt_status write_told(struct caller *c, uint64_t handle, const char *text, uint64_t event,
                     uint64_t context)
{
    ck_assert(vm_debug_write(c->vm, caller_slot(c, OUT), text, strlen(text)));
    return CALL(c, "NtWriteFile", handle, event, 0, context, fresh_iosb(c, IOSB2),
                caller_slot(c, OUT), strlen(text), 0, 0);
}

nt_status write_text(struct caller *c, uint64_t handle, const char *text)
{
    return write_told(c, handle, text, 0, 0);
}

nt_status read_told(struct caller *c, uint64_t handle, uint64_t size, uint64_t event,
                    uint64_t context)
{
    static const uint8_t zeros[CALLER_SLOT_SIZE];

    ck_assert(vm_debug_write(c->vm, caller_slot(c, IN), zeros, sizeof zeros));
    return CALL(c, "NtReadFile", handle, event, 0, context, fresh_iosb(c, IOSB), caller_slot(c, IN),
                size, 0, 0);
}

nt_status read_some(struct caller *c, uint64_t handle, uint64_t size)
{
    return read_told(c, handle, size, 0, 0);
}

/* What has been read, as the IO_STATUS_BLOCK says. */
void expect_read(struct caller *c, const char *text, nt_status status)
{
    char got[CALLER_SLOT_SIZE] = {0};
    uint64_t size = get(c, IOSB, NT_IO_INFORMATION);

    ck_status((nt_status)get(c, IOSB, NT_IO_STATUS), status);
    ck_assert_uint_eq(size, strlen(text));
    ck_assert(!size || vm_debug_read(c->vm, caller_slot(c, IN), got, (size_t)size));
    ck_assert_str_eq(got, text);
}

nt_status control(struct caller *c, uint64_t handle, uint32_t code)
{
    return CALL(c, "NtFsControlFile", handle, 0, 0, 0, fresh_iosb(c, IOSB), code, 0, 0, 0, 0);
}

void expect_iosb(struct caller *c, unsigned slot, nt_status status, uint64_t information)
{
    ck_status((nt_status)get(c, slot, NT_IO_STATUS), status);
    ck_assert_uint_eq(get(c, slot, NT_IO_INFORMATION), information);
}

uint64_t make_event(struct caller *c)
{
    ck_succeeds(CALL(c, "NtCreateEvent", caller_slot(c, HANDLE), 0x1f0003, 0, 0, 1));
    return caller_get(c, HANDLE);
}

bool is_signaled(struct caller *c, uint64_t handle)
{
    static const uint8_t now[8];

    ck_assert(vm_debug_write(c->vm, caller_slot(c, TIMEOUT), now, sizeof now));
    return CALL(c, "NtWaitForSingleObject", handle, 0, caller_slot(c, TIMEOUT)) == STATUS_SUCCESS;
}

struct pipe_end *end_of(struct caller *c, uint64_t handle)
{
    struct file *file = NULL;

    ck_succeeds(files_get(&c->p->kernel->handles, handle, &file));
    return file->pipe;
}
