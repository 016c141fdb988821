/* Services about handles of any kind. */
#include "winstub/utf.h"
#include "nt/files.h"
#include "nt/pipes.h"
#include "nt/processes.h"
#include "nt/services.h"
#include "nt/text.h"

/* DuplicateHandle's options; OBJECT_INFORMATION_CLASS */
enum { DUPLICATE_CLOSE_SOURCE = 1, DUPLICATE_SAME_ACCESS = 2, DUPLICATE_SAME_ATTRIBUTES = 4 };
enum { OBJECT_BASIC = 0, OBJECT_NAME = 1, OBJECT_TYPE = 2, OBJECT_FLAGS = 4 };

/* Closing a pseudo handle has no effect. */
static nt_status close_handle(struct process *p, uint64_t handle)
{
    if (handle >= HANDLE_EITHER_TOKEN)
        return STATUS_SUCCESS;
    return handles_close(&p->kernel->handles, handle);
}

nt_status serve_NtClose(struct call *call)
{
    return close_handle(call->process, call->arg[0]);
}

/* ---- Duplicating ------------------------------------------------------------------------------ */

/* A handle and whose it is; pseudo handles mean that process, and the calling thread. */
struct source {
    struct process *process;
    struct object *object;
    uint32_t access, attributes;
};

static nt_status find_source(const struct call *call, struct source *out)
{
    uint64_t handle = call->arg[1];
    const struct handle *entry;
    nt_status st = service_process(call, call->arg[0], PROCESS_RIGHT_DUPLICATE, &out->process);

    if (st)
        return st;
    out->access = GENERIC_ALL; /* a pseudo handle may do everything */
    out->attributes = 0;
    if (handle == HANDLE_CURRENT_PROCESS || handle == HANDLE_CURRENT_THREAD) {
        out->object =
            handle == HANDLE_CURRENT_THREAD ? &call->thread->object : &out->process->object->object;
        return STATUS_SUCCESS;
    }
    entry = handles_entry(&out->process->kernel->handles, handle);
    if (!entry)
        return STATUS_INVALID_HANDLE;
    out->object = entry->object;
    out->access = entry->access;
    out->attributes = entry->attributes;
    return STATUS_SUCCESS;
}

/* Give the target a handle, whose value is told to the caller. */
static nt_status duplicate(const struct call *call, const struct source *source)
{
    uint32_t options = (uint32_t)call->arg[6], access = (uint32_t)call->arg[4];
    uint32_t flags = (uint32_t)call->arg[5] & OBJ_HANDLE;
    struct process *target;
    uint64_t handle = 0;
    nt_status st = service_process(call, call->arg[2], PROCESS_RIGHT_DUPLICATE, &target);

    if (st)
        return st;
    if (options & DUPLICATE_SAME_ACCESS)
        access = source->access;
    st = handles_add(&target->kernel->handles, source->object, access, &handle);
    if (st)
        return st;
    handles_entry(&target->kernel->handles, handle)->attributes =
        options & DUPLICATE_SAME_ATTRIBUTES ? source->attributes : flags;
    return call->arg[3] ? guest_put_pointer(call->process, call->arg[3], handle) : STATUS_SUCCESS;
}

/*
 * arg: 0 source process, 1 handle, 2 target process, 3 where the new handle goes, 4 access, 5 attributes, 6 options. Without a
 * target the source is only closed; it is closed whatever becomes of the rest.
 */
nt_status serve_NtDuplicateObject(struct call *call)
{
    struct source source;
    nt_status st = find_source(call, &source);

    if (st)
        return st;
    if (call->arg[2])
        st = duplicate(call, &source);
    if (call->arg[6] & DUPLICATE_CLOSE_SOURCE)
        (void)close_handle(source.process, call->arg[1]);
    return st;
}

/* ---- Asking and marking ----------------------------------------------------------------------- */

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

    buf_init(&text, 2u * NT_STRING_MAX);
    if (entry->object->class == &file_class && *file->path) {
        (void)utf16_append(&text, *file->path == '\\' ? "" : "\\??\\");
        (void)utf16_append(&text, file->path);
    }
    if (text.len)
        service_put_string(out, at, &text);
    else
        (void)nt_block_take(out, nt_size(out->arch, NT_STRUCT_STRING));
    buf_fini(&text);
}

/* OBJECT_HANDLE_FLAG_INFORMATION: two BOOLEANs. */
static void put_flags(struct nt_block *out, const struct handle *entry)
{
    const uint8_t raw[2] = {(entry->attributes & OBJ_INHERIT) != 0,
                            (entry->attributes & OBJ_PROTECT_CLOSE) != 0};

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
        entry->attributes = (raw[0] ? OBJ_INHERIT : 0u) | (raw[1] ? OBJ_PROTECT_CLOSE : 0u);
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
