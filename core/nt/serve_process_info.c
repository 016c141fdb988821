/* What services tell and change about processes, the caller's own and others, and those that have ended. */
#include <stdlib.h>

#include "nt/machine.h"
#include "nt/processes.h"
#include "nt/services.h"
#include "winstub/utf.h"

/* PROCESSINFOCLASS */
enum {
    PROCESS_BASIC = 0,
    PROCESS_VM_COUNTERS = 3,
    PROCESS_TIMES = 4,
    PROCESS_DEBUG_PORT = 7,
    PROCESS_DEFAULT_ERRORS = 12,
    PROCESS_PRIORITY_CLASS = 18,
    PROCESS_HANDLE_COUNT = 20,
    PROCESS_AFFINITY = 21,
    PROCESS_SESSION = 24,
    PROCESS_WOW64 = 26,
    PROCESS_IMAGE_NAME = 27,
    PROCESS_DEBUG_OBJECT = 30,
    PROCESS_DEBUG_FLAGS = 31,
    PROCESS_EXECUTE_FLAGS = 34,
    PROCESS_COOKIE = 36,
    PROCESS_IMAGE_INFORMATION = 37,
    PROCESS_STACK_ALLOCATION = 41,
    PROCESS_IMAGE_NAME_WIN32 = 43,
    PROCESS_COMMAND_LINE = 60,
};

#define STILL_ACTIVE 0x103
#define COOKIE       0x6b8b4567
#define SESSION      1
#define COUNT_OF(a)  (sizeof(a) / sizeof *(a))

#define PRIORITY_CLASS_MAX 6
#define STACK_EXTRA        16u /* bytes that the longer form of a stack's description begins with */

/* ---- Asking ----------------------------------------------------------------------------------- */

/* A process that is asked about; p is NULL when it has ended. */
struct subject {
    const struct process_object *object;
    const struct process *p;
};

/* A pointer that a caller of that width can have; else 0. */
static gva_t pointer_for(const struct nt_block *out, gva_t at)
{
    return out->arch == CPU_AMD64 || at <= UINT32_MAX ? at : 0;
}

static nt_status put_basic(struct call *call, const struct subject *s, struct nt_block *out)
{
    (void)call;
    (void)nt_block_take(out, nt_size(out->arch, NT_STRUCT_PROCESS));
    nt_put(out, 0, NT_PROCESS_EXIT_STATUS, s->p ? STILL_ACTIVE : s->object->exit_code);
    nt_put(out, 0, NT_PROCESS_PEB, pointer_for(out, s->object->peb));
    nt_put(out, 0, NT_PROCESS_AFFINITY, 1);
    nt_put(out, 0, NT_PROCESS_PRIORITY, process_priority(s->object));
    nt_put(out, 0, NT_PROCESS_ID, s->object->pid);
    nt_put(out, 0, NT_PROCESS_PARENT, s->object->parent);
    return STATUS_SUCCESS;
}

/* VM_COUNTERS_EX, whose last member may be left out. */
static nt_status put_memory(struct call *call, const struct subject *s, struct nt_block *out)
{
    struct vm_stats stats = {0};

    if (s->p)
        vm_get_stats(s->p->vm, &stats);
    (void)nt_block_take(out, nt_size(out->arch, NT_STRUCT_VM));
    nt_put(out, 0, NT_VM_VIRTUAL_PEAK, stats.reserved);
    nt_put(out, 0, NT_VM_VIRTUAL, stats.reserved);
    nt_put(out, 0, NT_VM_WORKING_PEAK, stats.own);
    nt_put(out, 0, NT_VM_WORKING, stats.own);
    nt_put(out, 0, NT_VM_PAGEFILE, stats.own);
    nt_put(out, 0, NT_VM_PAGEFILE_PEAK, stats.own);
    nt_put(out, 0, NT_VM_PRIVATE, stats.own);
    if (call->arg[3] < out->bytes.len && call->arg[3] >= nt_offset(out->arch, NT_VM_PRIVATE))
        out->bytes.len = nt_offset(out->arch, NT_VM_PRIVATE);
    return STATUS_SUCCESS;
}

/* KERNEL_USER_TIMES: made, ended, in the kernel, in user code. */
static nt_status put_times(struct call *call, const struct subject *s, struct nt_block *out)
{
    (void)call;
    service_put(out, 8, s->object->created);
    service_put(out, 8, s->object->ended);
    service_put(out, 8, 0);
    service_put(out, 8, s->p ? clock_used(s->p->clock) : s->object->used);
    return STATUS_SUCCESS;
}

static nt_status put_priority_class(struct call *call, const struct subject *s,
                                    struct nt_block *out)
{
    (void)call;
    service_put(out, 1, 0); /* not in the foreground */
    service_put(out, 1, s->object->priority_class);
    return STATUS_SUCCESS;
}

static nt_status put_handle_count(struct call *call, const struct subject *s, struct nt_block *out)
{
    (void)call;
    service_put(out, 4, s->p ? s->p->kernel->handles.used : 0);
    return STATUS_SUCCESS;
}

static nt_status put_affinity(struct call *call, const struct subject *s, struct nt_block *out)
{
    (void)call;
    (void)s;
    service_put(out, nt_pointer(out->arch), 1);
    return STATUS_SUCCESS;
}

static nt_status put_session(struct call *call, const struct subject *s, struct nt_block *out)
{
    (void)call;
    (void)s;
    service_put(out, 4, SESSION);
    return STATUS_SUCCESS;
}

/* The 32-bit PEB; 0: there is none beside that of the system's width. */
static nt_status put_wow64(struct call *call, const struct subject *s, struct nt_block *out)
{
    (void)call;
    service_put(out, nt_pointer(out->arch), s->object->wow64 ? s->object->peb : 0);
    return STATUS_SUCCESS;
}

static nt_status put_image_name(struct call *call, const struct subject *s, struct nt_block *out)
{
    service_put_device_path(out, call->arg[2], s->object->image_path);
    return STATUS_SUCCESS;
}

static nt_status put_text(struct call *call, struct nt_block *out, const char *text)
{
    struct buf utf16;

    buf_init(&utf16, NT_STRING_MAX);
    (void)utf16_append(&utf16, text);
    service_put_string(out, call->arg[2], &utf16);
    buf_fini(&utf16);
    return STATUS_SUCCESS;
}

/* The file is let go with the address space, and its name with it. */
static nt_status put_win32_name(struct call *call, const struct subject *s, struct nt_block *out)
{
    return s->p ? put_text(call, out, s->object->image_path) : STATUS_UNSUCCESSFUL;
}

static nt_status put_command_line(struct call *call, const struct subject *s, struct nt_block *out)
{
    char *line = processes_command_line(s->p);
    nt_status st = line ? put_text(call, out, line) : STATUS_NO_MEMORY;

    free(line);
    return st;
}

/* Nobody in the guest debugs it. */
static nt_status put_debug_port(struct call *call, const struct subject *s, struct nt_block *out)
{
    (void)call;
    (void)s;
    service_put(out, nt_pointer(out->arch), 0);
    return STATUS_SUCCESS;
}

static nt_status put_debug_object(struct call *call, const struct subject *s, struct nt_block *out)
{
    (void)call;
    (void)s;
    (void)out;
    return STATUS_PORT_NOT_SET;
}

/* Debug flags: a debugger's would not be inherited. Error mode: as Windows begins with. */
static nt_status put_one(struct call *call, const struct subject *s, struct nt_block *out)
{
    (void)call;
    (void)s;
    service_put(out, 4, 1);
    return STATUS_SUCCESS;
}

static nt_status put_execute_flags(struct call *call, const struct subject *s, struct nt_block *out)
{
    (void)call;
    service_put(out, 4, s->p->kernel->execute_flags);
    return STATUS_SUCCESS;
}

/* A process is told its own only. */
static nt_status put_cookie(struct call *call, const struct subject *s, struct nt_block *out)
{
    if (s->p != call->process)
        return STATUS_INVALID_PARAMETER;
    service_put(out, 4, COOKIE);
    return STATUS_SUCCESS;
}

void service_put_image(struct nt_block *out, const struct process *p)
{
    const struct kernel *k = p->kernel;

    (void)nt_block_take(out, nt_size(out->arch, NT_STRUCT_IMAGE));
    nt_put(out, 0, NT_IMAGE_ENTRY, pointer_for(out, k->program_entry));
    nt_put(out, 0, NT_IMAGE_STACK_RESERVE, k->program.stack_reserve);
    nt_put(out, 0, NT_IMAGE_STACK_COMMIT, k->program.stack_commit);
    nt_put(out, 0, NT_IMAGE_SUBSYSTEM, k->program.subsystem);
    nt_put(out, 0, NT_IMAGE_SUBSYSTEM_MAJOR, 6);
    nt_put(out, 0, NT_IMAGE_CHARACTERISTICS, k->program.characteristics);
    nt_put(out, 0, NT_IMAGE_DLL_CHARACTERISTICS, k->program.dll_characteristics);
    nt_put(out, 0, NT_IMAGE_MACHINE, k->program.machine);
    nt_put(out, 0, NT_IMAGE_HAS_CODE, 1);
}

static nt_status put_image(struct call *call, const struct subject *s, struct nt_block *out)
{
    (void)call;
    service_put_image(out, s->p);
    return STATUS_SUCCESS;
}

/* The classes: what a handle must be good for, and whether the process must live. */
static const struct class
{
    uint32_t number, access;
    bool lives;
    nt_status (*put)(struct call *call, const struct subject *s, struct nt_block *out);
} classes[] = {
    {PROCESS_BASIC, PROCESS_RIGHT_QUERY_LIMITED, false, put_basic},
    {PROCESS_VM_COUNTERS, PROCESS_RIGHT_QUERY_LIMITED, false, put_memory},
    {PROCESS_TIMES, PROCESS_RIGHT_QUERY_LIMITED, false, put_times},
    {PROCESS_DEBUG_PORT, PROCESS_RIGHT_QUERY, false, put_debug_port},
    {PROCESS_DEFAULT_ERRORS, PROCESS_RIGHT_QUERY, false, put_one},
    {PROCESS_PRIORITY_CLASS, PROCESS_RIGHT_QUERY_LIMITED, false, put_priority_class},
    {PROCESS_HANDLE_COUNT, PROCESS_RIGHT_QUERY_LIMITED, false, put_handle_count},
    {PROCESS_AFFINITY, PROCESS_RIGHT_QUERY_LIMITED, false, put_affinity},
    {PROCESS_SESSION, PROCESS_RIGHT_QUERY_LIMITED, false, put_session},
    {PROCESS_WOW64, PROCESS_RIGHT_QUERY_LIMITED, false, put_wow64},
    {PROCESS_IMAGE_NAME, PROCESS_RIGHT_QUERY_LIMITED, false, put_image_name},
    {PROCESS_DEBUG_OBJECT, PROCESS_RIGHT_QUERY, false, put_debug_object},
    {PROCESS_DEBUG_FLAGS, PROCESS_RIGHT_QUERY, false, put_one},
    {PROCESS_EXECUTE_FLAGS, PROCESS_RIGHT_QUERY, true, put_execute_flags},
    {PROCESS_COOKIE, PROCESS_RIGHT_QUERY, true, put_cookie},
    {PROCESS_IMAGE_INFORMATION, PROCESS_RIGHT_QUERY_LIMITED, true, put_image},
    {PROCESS_IMAGE_NAME_WIN32, PROCESS_RIGHT_QUERY_LIMITED, false, put_win32_name},
    {PROCESS_COMMAND_LINE, PROCESS_RIGHT_QUERY_LIMITED, true, put_command_line},
};

static nt_status query(struct call *call, struct nt_block *out)
{
    const struct class *class = classes;
    struct object *object;
    struct subject s;
    nt_status st;

    while (class < classes + COUNT_OF(classes) && class->number != call->arg[1])
        class ++;
    if (class == classes + COUNT_OF(classes))
        return STATUS_INVALID_INFO_CLASS;
    st = service_object(call, call->arg[0], &process_class, class->access, &object);
    if (st)
        return st;
    s.object = (const struct process_object *)object;
    s.p = s.object->process;
    if (class->lives && !s.p)
        return STATUS_PROCESS_IS_TERMINATING;
    return class->put(call, &s, out);
}

nt_status serve_NtQueryInformationProcess(struct call *call)
{
    return service_query(call, query);
}

/* ---- Changing --------------------------------------------------------------------------------- */

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

/* A process says of itself whether its data may be executed, by one of the two flags for that, until it says so for good. */
static nt_status set_execute_flags(struct call *call, const struct process *target)
{
    uint64_t flags = 0;
    nt_status st = call->arg[3] == 4 ? guest_get_number(call->process, call->arg[2], 4, &flags)
                                     : STATUS_INFO_LENGTH_MISMATCH;

    if (st)
        return st;
    if (target != call->process)
        return STATUS_INVALID_PARAMETER;
    if (target->kernel->execute_flags & EXECUTE_PERMANENT)
        return STATUS_ACCESS_DENIED;
    if (!(flags & EXECUTE_CODE_ONLY) == !(flags & EXECUTE_DATA))
        return STATUS_INVALID_PARAMETER;
    target->kernel->execute_flags = (uint32_t)flags;
    vm_set_dep(target->vm, flags & EXECUTE_CODE_ONLY);
    return STATUS_SUCCESS;
}

/* PROCESS_PRIORITY_CLASS: in the foreground?, and the class. */
static nt_status set_priority_class(struct call *call, const struct process *target)
{
    uint8_t raw[2] = {0};
    nt_status st = call->arg[3] == sizeof raw
                       ? guest_read(call->process, call->arg[2], raw, sizeof raw)
                       : STATUS_INFO_LENGTH_MISMATCH;

    if (!st && (!raw[1] || raw[1] > PRIORITY_CLASS_MAX))
        st = STATUS_INVALID_PARAMETER;
    if (!st)
        target->object->priority_class = raw[1];
    return st;
}

nt_status serve_NtSetInformationProcess(struct call *call)
{
    struct process *target;
    nt_status st = service_process(call, call->arg[0], PROCESS_RIGHT_SET, &target);

    if (st)
        return st;
    switch (call->arg[1]) {
    case PROCESS_STACK_ALLOCATION:
        return reserve_stack(call, target);
    case PROCESS_EXECUTE_FLAGS:
        return set_execute_flags(call, target);
    case PROCESS_PRIORITY_CLASS:
        return set_priority_class(call, target);
    default: /* error mode, boosts, affinity: taken, and without consequence here */
        return guest_probe(call->process, call->arg[2], call->arg[3], VM_READ);
    }
}
