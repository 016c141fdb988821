/* Services about handles of any kind. */
#include "winstub/utf.h"
#include "nt/files.h"
#include "nt/pipes.h"
#include "nt/services.h"
#include "nt/text.h"

/* DuplicateHandle's options; OBJECT_INFORMATION_CLASS */
enum { DUPLICATE_CLOSE_SOURCE = 1, DUPLICATE_SAME_ACCESS = 2 };
enum { OBJECT_BASIC = 0, OBJECT_NAME = 1, OBJECT_TYPE = 2, OBJECT_FLAGS = 4 };

/* A handle's flags, as GetHandleInformation and handles.h have them. */
enum { FLAG_INHERIT = 1, FLAG_PROTECT = 2 };

/* Closing a pseudo handle has no effect. */
static nt_status close_handle(struct call *call, uint64_t handle)
{
    if (handle >= HANDLE_EITHER_TOKEN)
        return STATUS_SUCCESS;
    return handles_close(&call->kernel->handles, handle);
}

nt_status serve_NtClose(struct call *call)
{
    return close_handle(call, call->arg[0]);
}

nt_status serve_NtDuplicateObject(struct call *call)
{
    const struct handle *entry = handles_entry(&call->kernel->handles, call->arg[1]);
    uint32_t access = (uint32_t)call->arg[4];
    struct object *object = NULL;
    nt_status st = service_own_process(call, call->arg[0]);

    if (!st)
        st = service_object(call, call->arg[1], NULL, 0, &object);
    if (!st && call->arg[2])
        st = service_own_process(call, call->arg[2]);
    if (st)
        return st;
    if (call->arg[6] & DUPLICATE_SAME_ACCESS)
        access = entry ? entry->access : GENERIC_ALL; /* a pseudo handle may do everything */
    if (call->arg[2] && call->arg[3])
        st = service_add(call, call->arg[3], object, access);
    if (!st && call->arg[6] & DUPLICATE_CLOSE_SOURCE)
        st = close_handle(call, call->arg[1]);
    return st;
}

/* OBJECT_BASIC_INFORMATION: Attributes, GrantedAccess, HandleCount, PointerCount, then sizes and times. */
static void put_basic(struct nt_block *out, const struct handle *entry)
{
    enum { SIZE = 0x38 };
    size_t at = nt_block_take(out, SIZE);

    if (out->bytes.failed)
        return;
    put_u32(out->bytes.data + at, entry->attributes);
    put_u32(out->bytes.data + at + 4, entry->access);
    put_u32(out->bytes.data + at + 8, entry->object->handles);
    put_u32(out->bytes.data + at + 12, entry->object->references);
}

/* OBJECT_TYPE_INFORMATION: the type's name, and figures that nobody reads. */
static void put_type(struct nt_block *out, gva_t at, const struct handle *entry)
{
    enum { FIGURES = 0x58 };
    struct buf text;
    size_t where;

    buf_init(&text, 64);
    (void)utf16_append(&text, entry->object->class->name);
    (void)nt_block_take(out, nt_size(out->arch, NT_STRUCT_STRING) + FIGURES);
    where = nt_block_text(out, &text);
    nt_put(out, 0, NT_STRING_LENGTH, text.len);
    nt_put(out, 0, NT_STRING_ROOM, text.len + 2);
    nt_put(out, 0, NT_STRING_BUFFER, at + where);
    buf_fini(&text);
}

/* OBJECT_NAME_INFORMATION: a UNICODE_STRING and its text; of a file the path by which it can be opened. */
static void put_name(struct nt_block *out, gva_t at, const struct handle *entry)
{
    const struct file *file = (const struct file *)entry->object;
    struct buf text;
    size_t where;

    buf_init(&text, 2u * NT_STRING_MAX);
    if (entry->object->class == &file_class && *file->path) {
        (void)utf16_append(&text, *file->path == '\\' ? "" : "\\??\\");
        (void)utf16_append(&text, file->path);
    }
    (void)nt_block_take(out, nt_size(out->arch, NT_STRUCT_STRING));
    if (text.len) {
        where = nt_block_text(out, &text);
        nt_put(out, 0, NT_STRING_LENGTH, text.len);
        nt_put(out, 0, NT_STRING_ROOM, text.len + 2);
        nt_put(out, 0, NT_STRING_BUFFER, at + where);
    }
    buf_fini(&text);
}

/* OBJECT_HANDLE_FLAG_INFORMATION: two BOOLEANs. */
static void put_flags(struct nt_block *out, const struct handle *entry)
{
    const uint8_t raw[2] = {(entry->attributes & FLAG_INHERIT) != 0,
                            (entry->attributes & FLAG_PROTECT) != 0};

    (void)buf_append(&out->bytes, raw, sizeof raw);
}

nt_status serve_NtSetInformationObject(struct call *call)
{
    struct handle *entry = handles_entry(&call->kernel->handles, call->arg[0]);
    uint8_t raw[2] = {0};
    nt_status st;

    if (call->arg[1] != OBJECT_FLAGS)
        return STATUS_INVALID_INFO_CLASS;
    if (call->arg[3] != sizeof raw)
        return STATUS_INFO_LENGTH_MISMATCH;
    if (!entry)
        return STATUS_INVALID_HANDLE;
    st = guest_read(call->process, call->arg[2], raw, sizeof raw);
    if (!st)
        entry->attributes = (raw[0] ? FLAG_INHERIT : 0u) | (raw[1] ? FLAG_PROTECT : 0u);
    return st;
}

/* Is it an end of a pipe that has no name? */
static bool is_anonymous(const struct object *object)
{
    const struct file *file = (const struct file *)object;

    return object->class == &file_class && file->pipe && !*file->pipe->pipe->name;
}

nt_status serve_NtQueryObject(struct call *call)
{
    const struct handle *entry = handles_entry(&call->kernel->handles, call->arg[0]);
    struct nt_block out;
    nt_status st;

    if (!entry)
        return STATUS_INVALID_HANDLE;
    if (call->arg[1] == OBJECT_NAME && is_anonymous(entry->object))
        return STATUS_OBJECT_PATH_INVALID;
    if (call->arg[1] > OBJECT_TYPE && call->arg[1] != OBJECT_FLAGS)
        return STATUS_INVALID_INFO_CLASS;
    nt_block_init(&out, call->process->arch, 0, 3u * NT_STRING_MAX);
    if (call->arg[1] == OBJECT_BASIC)
        put_basic(&out, entry);
    else if (call->arg[1] == OBJECT_NAME)
        put_name(&out, call->arg[2], entry);
    else if (call->arg[1] == OBJECT_FLAGS)
        put_flags(&out, entry);
    else
        put_type(&out, call->arg[2], entry);
    st = guest_answer(call->process, &out, call->arg[2], call->arg[3], call->arg[4]);
    nt_block_fini(&out);
    return st;
}
