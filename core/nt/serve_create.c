/*
 * NtCreateUserProcess: what is asked for, which handles the child gets, and what the caller is told. How a process is built is
 * process.c's. Follows NT as "Windows Internals" and the documentation of PS_ATTRIBUTE_LIST's users have it; PS_CREATE_INFO is not
 * looked at: callers in Wine's DLLs leave it as the stack had it.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "image/pe_format.h"
#include "nt/files.h"
#include "nt/machine.h"
#include "nt/parameters.h"
#include "nt/processes.h"
#include "nt/services.h"
#include "winstub/log.h"

/* Process flags, thread flags. */
enum { PROCESS_INHERITS = 0x4, PROCESS_SUSPENDED = 0x200 };
enum { THREAD_SUSPENDED = 0x1, THREAD_HIDDEN = 0x4 };

/* PS_ATTRIBUTE: its number is the low half, the other says who may give it. */
enum {
    ATTRIBUTE_PARENT = 0,
    ATTRIBUTE_DEBUG_OBJECT = 1,
    ATTRIBUTE_CLIENT_ID = 3,
    ATTRIBUTE_TEB = 4,
    ATTRIBUTE_IMAGE_NAME = 5,
    ATTRIBUTE_IMAGE_INFORMATION = 6,
    ATTRIBUTE_STREAMS = 10,
    ATTRIBUTE_HANDLES = 11,
    ATTRIBUTE_JOBS = 19,
    ATTRIBUTE_COUNT = 32 /* of those that Windows knows */
};
#define ATTRIBUTE_NUMBER 0xffffu

/* PS_STD_HANDLE_STATE: when the child gets the standard handles that it does not inherit. */
enum { STREAMS_NEVER, STREAMS_OF_SUBSYSTEM, STREAMS_ALWAYS, STREAMS_MASK = 3 };

/* What stands in place of a console's handle when there shall be a new one: as Wine has it, shown or not, and as Windows has it. */
enum { CONSOLE_OF_WINE = -1, CONSOLE_HIDDEN_OF_WINE = -2, CONSOLE_OF_WINDOWS = -2 };

struct attribute {
    gva_t value, length_at; /* where its length goes, 0: nowhere */
    uint64_t size;
};

struct creation {
    struct call *call;
    struct attribute given[ATTRIBUTE_COUNT]; /* value 0: not given */
    struct process *parent;
    struct file *file;
    struct parameters parameters;
    bool console; /* it is to have one of its own */
    struct program program;
    struct process *child;
};

/* ---- What is asked for ------------------------------------------------------------------------ */

/* One PS_ATTRIBUTE: attribute, size, value, where the length goes. */
static nt_status read_attribute(struct creation *c, gva_t at)
{
    struct process *p = c->call->process;
    uint32_t pointer = nt_pointer(p->arch);
    struct attribute attribute = {0};
    uint64_t which = 0;
    nt_status st = guest_get_pointer(p, at, &which);

    if (!st)
        st = guest_get_pointer(p, at + pointer, &attribute.size);
    if (!st)
        st = guest_get_pointer(p, at + 2 * (gva_t)pointer, &attribute.value);
    if (!st)
        st = guest_get_pointer(p, at + 3 * (gva_t)pointer, &attribute.length_at);
    if (st)
        return st;
    which &= ATTRIBUTE_NUMBER;
    if (which >= ATTRIBUTE_COUNT || c->given[which].value)
        return STATUS_INVALID_PARAMETER;
    c->given[which] = attribute;
    return STATUS_SUCCESS;
}

/* A program's name is the least that is asked for. */
static nt_status read_attributes(struct creation *c, gva_t list)
{
    uint32_t pointer = nt_pointer(c->call->process->arch), each = 4 * pointer;
    uint64_t bytes = 0;
    nt_status st = guest_get_pointer(c->call->process, list, &bytes);

    if (!st && (bytes < pointer || (bytes - pointer) % each ||
                bytes > pointer + (uint64_t)ATTRIBUTE_COUNT * each))
        st = STATUS_INVALID_PARAMETER;
    for (uint64_t at = pointer; !st && at < bytes; at += each)
        st = read_attribute(c, list + at);
    if (!st && !c->given[ATTRIBUTE_IMAGE_NAME].value)
        st = STATUS_INVALID_PARAMETER;
    return st;
}

/* Guest debuggers and jobs are not there to be given to. */
static nt_status find_parent(struct creation *c)
{
    uint64_t parent = c->given[ATTRIBUTE_PARENT].value;

    c->parent = c->call->process;
    if (c->parent->arch == CPU_I386) /* pseudo handles are negative */
        parent = (uint64_t)(int64_t)(int32_t)parent;
    if (c->given[ATTRIBUTE_DEBUG_OBJECT].value || c->given[ATTRIBUTE_JOBS].value)
        return STATUS_NOT_SUPPORTED;
    return parent ? service_process(c->call, parent, PROCESS_RIGHT_CREATE_PROCESS, &c->parent)
                  : STATUS_SUCCESS;
}

/* Does the caller name standard handles for it? */
static bool has_streams(const struct creation *c)
{
    for (int i = PARAMETERS_STDIN; i <= PARAMETERS_STDERR; i++) {
        if (handles_entry(&c->parent->kernel->handles, c->parameters.number[i]))
            return true;
    }
    return false;
}

/* What it is started with. Wine's DLLs are not asked to make a console: none of theirs can be made here. */
static nt_status read_parameters(struct creation *c)
{
    bool wine = c->call->kernel->wine;
    uint64_t *console = &c->parameters.number[PARAMETERS_CONSOLE];
    nt_status st = parameters_from_guest(&c->parameters, c->call->process, c->call->arg[8]);
    int32_t mark = (int32_t)*console;

    if (st)
        return st;
    c->console = mark == (wine ? CONSOLE_OF_WINE : CONSOLE_OF_WINDOWS) && !has_streams(c);
    if (wine && (mark == CONSOLE_OF_WINE || mark == CONSOLE_HIDDEN_OF_WINE))
        *console = 0;
    return STATUS_SUCCESS;
}

/* ---- The program ------------------------------------------------------------------------------ */

static nt_status open_program(struct creation *c)
{
    const struct file_request request = {
        .width = c->call->process->arch,
        .access = ACCESS_EXECUTE | ACCESS_READ_DATA | ACCESS_SYNCHRONIZE,
        .share = SHARE_READ | SHARE_DELETE,
        .disposition = DISPOSE_OPEN,
        .options = OPTION_SYNC | OPTION_NO_DIRECTORY,
    };
    const struct attribute *name = &c->given[ATTRIBUTE_IMAGE_NAME];
    char *path;
    uint32_t how;
    nt_status st = service_text_at(c->call->process, name->value, name->size, &path);

    if (st)
        return st;
    st = files_create(&c->parent->machine->volumes, path, &request, &c->file, &how);
    LOG(nt, "the program is %s: %s", path, nt_text(st));
    free(path);
    return st;
}

/* May it run, and on which DLLs? */
static nt_status check_program(const struct creation *c)
{
    const struct pe_image *image = c->program.image;
    const struct root *root;
    struct diag why;

    if (image->characteristics & IMAGE_FILE_DLL || !image->entry_rva)
        return STATUS_INVALID_IMAGE_FORMAT;
    if (!machine_root(c->parent->machine, image->arch, &root, &why))
        return STATUS_SUCCESS;
    process_refused(c->parent, c->file->path, &why);
    return image->arch == CPU_AMD64 ? STATUS_INVALID_IMAGE_WIN_64 : STATUS_INVALID_IMAGE_FORMAT;
}

static nt_status read_program(struct creation *c)
{
    nt_status st = open_program(c);

    if (!st)
        st = program_read(&c->program, c->file);
    return st ? st : check_program(c);
}

static nt_status status_of(enum err e)
{
    switch (e) {
    case ERR_OK:
        return STATUS_SUCCESS;
    case ERR_EXISTS:
        return STATUS_CONFLICTING_ADDRESSES;
    case ERR_LIMIT:
        return STATUS_INSUFFICIENT_RESOURCES;
    case ERR_NOMEM:
        return STATUS_NO_MEMORY;
    default:
        return STATUS_INVALID_IMAGE_FORMAT;
    }
}

/* Build it, not yet begun. */
static nt_status build(struct creation *c)
{
    struct diag why;
    enum err e;

    c->program.parameters = &c->parameters;
    e = process_new_beside(c->parent, &c->program, &c->child, &why);
    if (e)
        LOG(nt, "%s", why.text);
    return status_of(e);
}

/* ---- Its handles ------------------------------------------------------------------------------ */

/* Those that are listed, each of which must be there to be inherited. A 0 among them stands for none at all. */
static nt_status inherit_listed(const struct creation *c, const struct attribute *list)
{
    struct process *p = c->call->process;
    uint32_t pointer = nt_pointer(p->arch);
    const struct handles *from = &c->parent->kernel->handles;
    struct handles *to = &c->child->kernel->handles;
    uint64_t handle = 0;
    nt_status st = STATUS_SUCCESS;

    if (list->size > (uint64_t)HANDLES_MAX * pointer)
        return STATUS_INVALID_PARAMETER;
    for (uint64_t at = 0; !st && at + pointer <= list->size; at += pointer) {
        const struct handle *entry;

        st = guest_get_pointer(p, list->value + at, &handle);
        if (st || !handle) {
            handles_fini(to);
            return st;
        }
        entry = handles_entry(from, handle);
        if (!entry || !(entry->attributes & OBJ_INHERIT))
            return STATUS_INVALID_PARAMETER;
        if (!handles_entry(to, handle))
            st = handles_copy(to, from, handle);
    }
    return st;
}

/* When does the child get the standard handles? Without a word about it, Windows does not give them; Wine's kernel does. */
static nt_status wants_streams(const struct creation *c, bool *wanted)
{
    const struct attribute *streams = &c->given[ATTRIBUTE_STREAMS];
    uint64_t flags = 0, subsystem = 0;
    nt_status st;

    *wanted = c->call->kernel->wine;
    if (!streams->value)
        return STATUS_SUCCESS;
    st = guest_get_number(c->call->process, streams->value, 4, &flags);
    if (!st)
        st = guest_get_number(c->call->process, streams->value + 4, 4, &subsystem);
    *wanted = (flags & STREAMS_MASK) == STREAMS_ALWAYS ||
              ((flags & STREAMS_MASK) == STREAMS_OF_SUBSYSTEM &&
               subsystem == c->program.image->subsystem);
    return st;
}

/* The standard handles that the child has not got, at the values that its parameters name. */
static nt_status give_streams(const struct creation *c, bool inheritable_only)
{
    const struct handles *from = &c->parent->kernel->handles;
    struct handles *to = &c->child->kernel->handles;
    bool wanted;
    nt_status st = wants_streams(c, &wanted);

    for (int i = PARAMETERS_STDIN; !st && wanted && i <= PARAMETERS_STDERR; i++) {
        uint64_t handle = c->parameters.number[i];
        const struct handle *entry = handles_entry(from, handle);

        if (!entry || handles_entry(to, handle) ||
            (inheritable_only && !(entry->attributes & OBJ_INHERIT)))
            continue;
        st = handles_copy(to, from, handle);
        if (!st)
            handles_entry(to, handle)->attributes |= OBJ_INHERIT;
    }
    return st;
}

/* All consoles are the user's terminal: its streams are the standard handles. */
static nt_status give_console(const struct creation *c)
{
    static const enum nt_field fields[] = {NT_PARAMETERS_STDIN, NT_PARAMETERS_STDOUT,
                                           NT_PARAMETERS_STDERR};
    struct process *child = c->child;
    uint64_t handles[3];
    gva_t at = 0;
    nt_status st = kernel_add_streams(child, handles);

    if (!st && !nt_read(child->vm, child->arch, child->peb, NT_PEB_PARAMETERS, &at))
        st = STATUS_NO_MEMORY;
    for (size_t i = 0; !st && i < 3; i++) {
        if (!nt_write(child->vm, child->arch, at, fields[i], handles[i]))
            st = STATUS_NO_MEMORY;
    }
    return st;
}

static nt_status inherit(const struct creation *c)
{
    const struct attribute *list = &c->given[ATTRIBUTE_HANDLES];
    nt_status st;

    if (!(c->call->arg[6] & PROCESS_INHERITS))
        return give_streams(c, false);
    if (!list->value)
        return handles_inherit(&c->child->kernel->handles, &c->parent->kernel->handles);
    st = inherit_listed(c, list);
    return st ? st : give_streams(c, true);
}

static nt_status give_handles(const struct creation *c)
{
    nt_status st = inherit(c);

    return st || !c->console ? st : give_console(c);
}

/* ---- What the caller is told ------------------------------------------------------------------ */

/* The length that was wanted at the most, and that there is. */
static nt_status answer(struct creation *c, int which, const struct nt_block *block)
{
    const struct attribute *attribute = &c->given[which];
    struct process *p = c->call->process;
    size_t len = block->bytes.len < attribute->size ? block->bytes.len : (size_t)attribute->size;
    nt_status st = block->bytes.failed ? STATUS_NO_MEMORY
                                       : guest_write(p, attribute->value, block->bytes.data, len);

    return st || !attribute->length_at ? st : guest_put_pointer(p, attribute->length_at, len);
}

static void put_client_id(struct nt_block *out, const struct process *child)
{
    service_put(out, nt_pointer(out->arch), process_pid(child));
    service_put(out, nt_pointer(out->arch), child->threads.list[0]->info.tid);
}

static void put_teb(struct nt_block *out, const struct process *child)
{
    service_put(out, nt_pointer(out->arch), child->threads.list[0]->info.teb);
}

static nt_status answer_attributes(struct creation *c)
{
    static const struct {
        int which;
        void (*put)(struct nt_block *out, const struct process *child);
    } answers[] = {
        {ATTRIBUTE_CLIENT_ID, put_client_id},
        {ATTRIBUTE_TEB, put_teb},
        {ATTRIBUTE_IMAGE_INFORMATION, service_put_image},
    };
    nt_status st = STATUS_SUCCESS;

    for (size_t i = 0; !st && i < sizeof answers / sizeof *answers; i++) {
        struct nt_block block;

        if (!c->given[answers[i].which].value)
            continue;
        nt_block_init(&block, c->call->process->arch, 0, 256);
        answers[i].put(&block, c->child);
        st = answer(c, answers[i].which, &block);
        nt_block_fini(&block);
    }
    return st;
}

/* arg: 0 and 1 handles of process and thread, 2 and 3 access, 4 and 5 OBJECT_ATTRIBUTES. */
static nt_status answer_handles(struct creation *c)
{
    struct call *call = c->call;
    struct object *objects[] = {&c->child->object->object, &c->child->threads.list[0]->object};
    uint64_t handle[2] = {0};
    nt_status st = STATUS_SUCCESS;

    for (size_t i = 0; !st && i < 2; i++) {
        uint32_t flags = 0;

        st = service_flags(call, call->arg[4 + i], &flags);
        if (!st)
            st = service_add(call, call->arg[i], objects[i], (uint32_t)call->arg[2 + i], flags);
        if (!st)
            st = guest_get_pointer(call->process, call->arg[i], &handle[i]);
    }
    if (st && handle[0])
        handles_entry(&call->kernel->handles, handle[0])->attributes = 0;
    if (st && handle[0] && handles_close(&call->kernel->handles, handle[0]))
        LOG(nt, "handle 0x%" PRIx64 " of a process that is not made is gone", handle[0]);
    return st;
}

/* ---- The service ------------------------------------------------------------------------------ */

/* The child, complete but for its beginning. */
static nt_status create(struct creation *c)
{
    nt_status st = read_attributes(c, c->call->arg[10]);

    if (!st)
        st = find_parent(c);
    if (!st)
        st = read_parameters(c);
    if (!st)
        st = read_program(c);
    if (!st)
        st = build(c);
    if (!st)
        st = give_handles(c);
    if (!st)
        st = answer_attributes(c);
    return st ? st : answer_handles(c);
}

/*
 * arg: 0 and 1 handles of process and thread, 2 and 3 access, 4 and 5 OBJECT_ATTRIBUTES, 6 process flags, 7 thread flags,
 * 8 parameters, 9 PS_CREATE_INFO, 10 attribute list.
 */
nt_status serve_NtCreateUserProcess(struct call *call)
{
    struct creation c = {.call = call};
    nt_status st;

    if (call->arg[7] & THREAD_HIDDEN)
        return STATUS_INVALID_PARAMETER;
    parameters_init(&c.parameters);
    st = create(&c);
    if (!st) {
        c.child->threads.list[0]->suspended =
            call->arg[7] & THREAD_SUSPENDED || call->arg[6] & PROCESS_SUSPENDED;
        process_begin(c.child);
    } else if (c.child) {
        process_discard(c.child);
    }
    program_fini(&c.program);
    parameters_fini(&c.parameters);
    object_unref(c.file ? &c.file->object : NULL);
    return st;
}
