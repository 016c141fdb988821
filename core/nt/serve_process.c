/* Services about the process and its user. */
#include <stdlib.h>

#include "nt/processes.h"
#include "nt/services.h"
#include "nt/token.h"

/* PROCESSINFOCLASS, TOKEN_INFORMATION_CLASS */
enum {
    PROCESS_BASIC = 0,
    PROCESS_DEBUG_PORT = 7,
    PROCESS_DEFAULT_ERRORS = 12,
    PROCESS_WOW64 = 26,
    PROCESS_DEBUG_OBJECT = 30,
    PROCESS_DEBUG_FLAGS = 31,
    PROCESS_EXECUTE_FLAGS = 34,
    PROCESS_IMAGE_INFORMATION = 37,
    PROCESS_STACK_ALLOCATION = 41,
    PROCESS_COOKIE = 36,
};
enum { TOKEN_USER = 1, TOKEN_SESSION = 12, TOKEN_ELEVATION_TYPE = 18, TOKEN_ELEVATION = 20 };

#define STILL_ACTIVE 0x103
#define COOKIE       0x6b8b4567
#define STACK_EXTRA  16u /* bytes that the longer form of a stack's description begins with */

static void free_token(struct object *object)
{
    free(object);
}

const struct object_class token_class = {.name = "Token", .free = free_token};

/* ---- The process ------------------------------------------------------------------------------ */

static void put_process(struct nt_block *out, const struct process *p)
{
    (void)nt_block_take(out, nt_size(out->arch, NT_STRUCT_PROCESS));
    nt_put(out, 0, NT_PROCESS_EXIT_STATUS, STILL_ACTIVE);
    nt_put(out, 0, NT_PROCESS_PEB, p->peb);
    nt_put(out, 0, NT_PROCESS_AFFINITY, 1);
    nt_put(out, 0, NT_PROCESS_PRIORITY, 8);
    nt_put(out, 0, NT_PROCESS_ID, process_pid(p));
}

void service_put_image(struct nt_block *out, const struct process *p)
{
    const struct program_facts *facts = &p->kernel->program;

    (void)nt_block_take(out, nt_size(out->arch, NT_STRUCT_IMAGE));
    nt_put(out, 0, NT_IMAGE_ENTRY, p->kernel->program_entry);
    nt_put(out, 0, NT_IMAGE_STACK_RESERVE, facts->stack_reserve);
    nt_put(out, 0, NT_IMAGE_STACK_COMMIT, facts->stack_commit);
    nt_put(out, 0, NT_IMAGE_SUBSYSTEM, facts->subsystem);
    nt_put(out, 0, NT_IMAGE_SUBSYSTEM_MAJOR, 6);
    nt_put(out, 0, NT_IMAGE_CHARACTERISTICS, facts->characteristics);
    nt_put(out, 0, NT_IMAGE_DLL_CHARACTERISTICS, facts->dll_characteristics);
    nt_put(out, 0, NT_IMAGE_MACHINE, facts->machine);
    nt_put(out, 0, NT_IMAGE_HAS_CODE, 1);
}

static nt_status query_process(struct call *call, struct nt_block *out)
{
    uint32_t pointer = nt_pointer(out->arch);
    struct process *p;
    nt_status st = service_process(call, call->arg[0], PROCESS_RIGHT_QUERY_LIMITED, &p);

    if (st)
        return st;
    switch (call->arg[1]) {
    case PROCESS_BASIC:
        put_process(out, p);
        return STATUS_SUCCESS;
    case PROCESS_DEBUG_PORT:
    case PROCESS_WOW64:
        service_put(out, pointer, 0);
        return STATUS_SUCCESS;
    case PROCESS_DEFAULT_ERRORS:
        service_put(out, 4, 1);
        return STATUS_SUCCESS;
    case PROCESS_DEBUG_OBJECT:
        return STATUS_PORT_NOT_SET;
    case PROCESS_DEBUG_FLAGS:
        service_put(out, 4, 1); /* "not inherited": no debugger */
        return STATUS_SUCCESS;
    case PROCESS_EXECUTE_FLAGS:
        service_put(out, 4, p->kernel->execute_flags);
        return STATUS_SUCCESS;
    case PROCESS_COOKIE:
        service_put(out, 4, COOKIE);
        return STATUS_SUCCESS;
    case PROCESS_IMAGE_INFORMATION:
        service_put_image(out, p);
        return STATUS_SUCCESS;
    default:
        return STATUS_INVALID_INFO_CLASS;
    }
}

nt_status serve_NtQueryInformationProcess(struct call *call)
{
    return service_query(call, query_process);
}

/*
 * PROCESS_STACK_ALLOCATION_INFORMATION, alone or behind four numbers: reserve a stack for RtlCreateUserStack, which asks
 * for the size and the zero bits, and is told where it is (S10).
 */
static nt_status reserve_stack(struct call *call, const struct process *target)
{
    struct process *p = call->process;
    struct vm_request req = {.type = MEM_RESERVE, .protect = PAGE_READWRITE, .label = "stack"};
    uint32_t width = nt_pointer(p->arch);
    uint64_t extra = call->arg[3] - 3 * (uint64_t)width;
    gva_t at = call->arg[2] + extra, base = 0;
    nt_status st;

    if (extra && extra != STACK_EXTRA)
        return STATUS_INFO_LENGTH_MISMATCH;
    st = guest_get_pointer(p, at, &req.size);
    if (!st)
        st = guest_get_pointer(p, at + width, &req.zero_bits);
    if (!st)
        st = service_zero_bits(call, req.zero_bits);
    if (!st)
        st = guest_probe(p, at + 2 * width, width, VM_WRITE);
    if (!st)
        st = vm_allocate(target->vm, &req, &base, NULL);
    return st ? st : guest_put_pointer(p, at + 2 * width, base);
}

/* One of the two that say whether data may be executed must be there, until it is said for good. */
static nt_status set_execute_flags(struct call *call, const struct process *target)
{
    uint64_t flags = 0;
    nt_status st = call->arg[3] == 4 ? guest_get_number(call->process, call->arg[2], 4, &flags)
                                     : STATUS_INFO_LENGTH_MISMATCH;

    if (st)
        return st;
    if (target->kernel->execute_flags & EXECUTE_PERMANENT)
        return STATUS_ACCESS_DENIED;
    if (!(flags & EXECUTE_CODE_ONLY) == !(flags & EXECUTE_DATA))
        return STATUS_INVALID_PARAMETER;
    target->kernel->execute_flags = (uint32_t)flags;
    vm_set_dep(target->vm, flags & EXECUTE_CODE_ONLY);
    return STATUS_SUCCESS;
}

nt_status serve_NtSetInformationProcess(struct call *call)
{
    struct process *target;
    nt_status st = service_process(call, call->arg[0], PROCESS_RIGHT_SET, &target);

    if (st)
        return st;
    if (call->arg[1] == PROCESS_STACK_ALLOCATION)
        return reserve_stack(call, target);
    if (call->arg[1] == PROCESS_EXECUTE_FLAGS)
        return set_execute_flags(call, target);
    /* Error mode, priorities: taken, and without consequence here. */
    return guest_probe(call->process, call->arg[2], call->arg[3], VM_READ);
}

/* Every thread but the caller. */
static void end_others(struct call *call)
{
    struct threads *t = &call->process->threads;

    while (t->count > 1)
        threads_end(t->list[t->list[0] == call->thread], (uint32_t)call->arg[1]);
}

nt_status serve_NtOpenProcess(struct call *call)
{
    uint64_t id = 0;
    uint32_t flags = 0;
    nt_status st = guest_get_pointer(call->process, call->arg[3], &id);

    if (!st)
        st = service_flags(call, call->arg[2], &flags);
    if (!st && id != process_pid(call->process))
        st = STATUS_INVALID_CID;
    return st ? st
              : service_add(call, call->arg[0], &call->process->object->object,
                            (uint32_t)call->arg[1], flags);
}

nt_status serve_NtFlushProcessWriteBuffers(struct call *call)
{
    (void)call;
    return STATUS_SUCCESS; /* one thread at a time sees all that others have written */
}

nt_status serve_NtTerminateProcess(struct call *call)
{
    struct process *target;
    nt_status st;

    if (!call->arg[0]) {
        end_others(call);
        return STATUS_SUCCESS;
    }
    st = service_process(call, call->arg[0], PROCESS_RIGHT_TERMINATE, &target);
    if (st)
        return st;
    call->end = CALL_ENDS;
    call->exit_code = (uint32_t)call->arg[1];
    return STATUS_SUCCESS;
}

/* ---- The user --------------------------------------------------------------------------------- */

static nt_status open_token(struct call *call, gva_t out)
{
    struct object *token = malloc(sizeof *token);
    uint64_t handle = 0;
    nt_status st;

    if (!token)
        return STATUS_NO_MEMORY;
    object_init(token, &token_class);
    st = handles_add(&call->kernel->handles, token, (uint32_t)call->arg[1], &handle);
    object_unref(token);
    return st ? st : guest_put_pointer(call->process, out, handle);
}

nt_status serve_NtOpenProcessToken(struct call *call)
{
    struct process *target;
    nt_status st = service_process(call, call->arg[0], PROCESS_RIGHT_QUERY_LIMITED, &target);

    return st ? st : open_token(call, call->arg[2]);
}

nt_status serve_NtOpenProcessTokenEx(struct call *call)
{
    struct process *target;
    nt_status st = service_process(call, call->arg[0], PROCESS_RIGHT_QUERY_LIMITED, &target);

    return st ? st : open_token(call, call->arg[3]);
}

/* No thread acts for another user. */
nt_status serve_NtOpenThreadToken(struct call *call)
{
    struct thread *thread;
    nt_status st = service_thread(call, call->arg[0], THREAD_RIGHT_QUERY_LIMITED, &thread);

    return st ? st : STATUS_NO_TOKEN;
}

nt_status serve_NtOpenThreadTokenEx(struct call *call)
{
    return serve_NtOpenThreadToken(call);
}

/* TOKEN_USER and the SID behind it: revision, count of parts, authority, parts. */
static void put_user(struct nt_block *out, gva_t at)
{
    static const struct {
        uint8_t count;
        uint32_t parts[5];
    } sid = {TOKEN_SID_PARTS};
    size_t head = nt_size(out->arch, NT_STRUCT_SID_AND_ATTRIBUTES);
    uint8_t raw[8 + 4 * 5] = {1, sid.count, 0, 0, 0, 0, 0, 5};

    for (size_t i = 0; i < sid.count; i++)
        put_u32(raw + 8 + 4 * i, sid.parts[i]);
    (void)nt_block_take(out, head);
    nt_put(out, 0, NT_SID_AND_ATTRIBUTES_SID, at + head);
    (void)buf_append(&out->bytes, raw, sizeof raw);
}

static nt_status query_token(struct call *call, struct nt_block *out)
{
    switch (call->arg[1]) {
    case TOKEN_USER:
        put_user(out, call->arg[2]);
        return STATUS_SUCCESS;
    case TOKEN_SESSION:
    case TOKEN_ELEVATION_TYPE:
        service_put(out, 4, 1);
        return STATUS_SUCCESS;
    case TOKEN_ELEVATION:
        service_put(out, 4, 0);
        return STATUS_SUCCESS;
    default:
        return STATUS_INVALID_INFO_CLASS;
    }
}

static bool is_token(const struct call *call, uint64_t handle)
{
    struct object *object;

    return handle == HANDLE_PROCESS_TOKEN || handle == HANDLE_EITHER_TOKEN ||
           !handles_get(&call->kernel->handles, handle, &token_class, &object);
}

nt_status serve_NtQueryInformationToken(struct call *call)
{
    nt_status st;

    if (!is_token(call, call->arg[0]))
        return call->arg[0] == HANDLE_THREAD_TOKEN ? STATUS_NO_TOKEN : STATUS_INVALID_HANDLE;
    st = service_query(call, query_token);
    return st == STATUS_INFO_LENGTH_MISMATCH ? STATUS_BUFFER_TOO_SMALL : st;
}
