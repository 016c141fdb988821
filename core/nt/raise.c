/*
 * Exceptions on their way to user code: the frame that NT lays on the stack for KiUserExceptionDispatcher, and the
 * services by which user code comes back. Follows NT-PROCESS section 6; the records are winnt.h's (mingw-w64).
 */
#include <inttypes.h>
#include <string.h>

#include "nt/apcs.h"
#include "nt/context.h"
#include "nt/services.h"
#include "nt/stack_growth.h"
#include "winstub/log.h"

/*
 * What lies at the stack pointer when KiUserExceptionDispatcher begins; by enum cpu_arch. It finds the record and the
 * CONTEXT behind each other in 64-bit processes, and by two pointers, which come first, in 32-bit ones.
 */
static const struct frame {
    uint16_t context, context_ex, record, machine, size;
    uint16_t spare; /* bytes below the stack pointer that stay untouched */
} frames[] = {
    [CPU_I386] = {.context = 0x08, .context_ex = 0x2d4, .record = 0x2ec, .size = 0x340},
    [CPU_AMD64] =
        {.context_ex = 0x4d0, .record = 0x4f0, .machine = 0x590, .size = 0x5c0, .spare = 0x100},
};

#define CONTEXT_EX_SIZE 0x18
#define EFLAGS_RESUME   0x10000u

enum { EXCEPTION_NONCONTINUABLE = 1 };

/* ---- EXCEPTION_RECORD ------------------------------------------------------------------------- */

static gva_t information_at(enum cpu_arch arch, gva_t record, size_t i)
{
    return record + nt_offset(arch, NT_RECORD_INFORMATION) + i * nt_pointer(arch);
}

static bool write_record(struct process *p, gva_t at, const struct process_exception *e)
{
    nt_status st = guest_put(p, at, NT_RECORD_CODE, e->code);

    if (!st)
        st = guest_put(p, at, NT_RECORD_FLAGS, e->flags);
    if (!st)
        st = guest_put(p, at, NT_RECORD_NEXT, e->next);
    if (!st)
        st = guest_put(p, at, NT_RECORD_ADDRESS, e->address);
    if (!st)
        st = guest_put(p, at, NT_RECORD_COUNT, e->count);
    for (size_t i = 0; i < e->count && !st; i++)
        st = guest_put_pointer(p, information_at(p->arch, at, i), e->info[i]);
    return !st;
}

static nt_status read_record(struct process *p, gva_t at, struct process_exception *out)
{
    uint64_t code = 0, flags = 0, count = 0;
    nt_status st = guest_get(p, at, NT_RECORD_CODE, &code);

    if (!st)
        st = guest_get(p, at, NT_RECORD_FLAGS, &flags);
    if (!st)
        st = guest_get(p, at, NT_RECORD_NEXT, &out->next);
    if (!st)
        st = guest_get(p, at, NT_RECORD_ADDRESS, &out->address);
    if (!st)
        st = guest_get(p, at, NT_RECORD_COUNT, &count);
    if (st)
        return st;
    if (count > sizeof out->info / sizeof *out->info)
        return STATUS_INVALID_PARAMETER;
    out->code = (uint32_t)code;
    out->flags = (uint32_t)flags;
    out->count = (uint32_t)count;
    for (size_t i = 0; i < count && !st; i++)
        st = guest_get_pointer(p, information_at(p->arch, at, i), &out->info[i]);
    return st;
}

/* ---- To user code ----------------------------------------------------------------------------- */

/* CONTEXT_EX: offsets from itself and sizes of the whole, of the CONTEXT, of the extended state (none). */
static void fill_context_ex(enum cpu_arch arch, uint8_t raw[CONTEXT_EX_SIZE])
{
    uint32_t size = (uint32_t)context_size(arch);

    put_u32(raw, -size);
    put_u32(raw + 4, size + CONTEXT_EX_SIZE);
    put_u32(raw + 8, -size);
    put_u32(raw + 12, size);
    put_u32(raw + 16, CONTEXT_EX_SIZE + 1);
    put_u32(raw + 20, 0);
}

/* i386: where the record and the CONTEXT are. */
static bool write_pointers(struct process *p, const struct frame *frame, gva_t at)
{
    return !guest_put_number(p, at, 4, at + frame->record) &&
           !guest_put_number(p, at + 4, 4, at + frame->context);
}

static bool build_frame(struct process *p, const struct process_exception *exception, gva_t at)
{
    const struct frame *frame = &frames[p->arch];
    uint64_t eflags = cpu_get(p->cpu, CPU_EFLAGS) | (exception->fault ? EFLAGS_RESUME : 0);
    uint8_t raw[CONTEXT_MAX], ex[CONTEXT_EX_SIZE];

    context_save(p->cpu, raw);
    context_put(p->arch, raw, CPU_EFLAGS, eflags);
    fill_context_ex(p->arch, ex);
    if (guest_write(p, at + frame->context, raw, context_size(p->arch)) ||
        guest_write(p, at + frame->context_ex, ex, sizeof ex) ||
        !write_record(p, at + frame->record, exception))
        return false;
    return p->arch == CPU_AMD64 ? !guest_put_machine_frame(p, at + frame->machine, eflags)
                                : write_pointers(p, frame, at);
}

bool process_raise(struct process *p, const struct process_exception *exception)
{
    const struct frame *frame = &frames[p->arch];
    gva_t at = ((cpu_get(p->cpu, CPU_RSP) - frame->spare) & ~(gva_t)15) - frame->size;

    if (!p->kernel || exception->last_chance || !build_frame(p, exception, at))
        return false;
    LOG(nt, "exception 0x%08" PRIx32 " at 0x%" PRIx64 " goes to the guest's handlers",
        exception->code, exception->address);
    cpu_set(p->cpu, CPU_RSP, at);
    cpu_set(p->cpu, CPU_RIP, p->kernel->entry_points.exception);
    cpu_set(p->cpu, CPU_EFLAGS, cpu_get(p->cpu, CPU_EFLAGS) & ~(uint64_t)0x40500); /* TF, DF, AC */
    return true;
}

/* ---- From user code --------------------------------------------------------------------------- */

/* Load the CONTEXT at a guest address. */
static nt_status continue_at(struct call *call, gva_t context)
{
    struct process *p = call->process;
    uint8_t raw[CONTEXT_MAX];
    nt_status st = guest_read(p, context, raw, context_size(p->arch));

    if (st)
        return st;
    if (!context_load(p->cpu, p->arch, raw))
        return STATUS_INVALID_PARAMETER;
    call->end = CALL_CONTINUES;
    return STATUS_SUCCESS;
}

/* The loader is done: from here on the thread's stack is what Windows would have given it. */
static void begin_thread(struct thread *thread)
{
    struct process *p = thread->process;

    if (!thread->stack_commit || cpu_get(p->cpu, CPU_RIP) != p->kernel->entry_points.thread)
        return;
    stack_trim(p, &thread->info, thread->stack_commit);
    thread->stack_commit = 0;
}

/* Continue, and with alertable first call what waits to be called. */
static nt_status continue_alertably(struct call *call, bool alertable)
{
    nt_status st = continue_at(call, call->arg[0]);

    if (!st)
        begin_thread(call->thread);
    if (!st && alertable)
        apcs_deliver(call->thread);
    return st;
}

nt_status serve_NtContinue(struct call *call)
{
    return continue_alertably(call, call->arg[1]);
}

/* The second argument is a BOOLEAN, or the address of a KCONTINUE_ARGUMENT: a type, then flags. */
nt_status serve_NtContinueEx(struct call *call)
{
    enum { FLAGS = 4, TEST_ALERT = 1 };
    uint64_t flags = call->arg[1];
    nt_status st = STATUS_SUCCESS;

    if (flags > UINT8_MAX)
        st = guest_get_number(call->process, flags + FLAGS, 4, &flags);
    return st ? st : continue_alertably(call, flags & TEST_ALERT);
}

nt_status serve_NtRaiseException(struct call *call)
{
    struct process_exception exception = {.last_chance = !call->arg[2]};
    nt_status st = read_record(call->process, call->arg[0], &exception);

    if (!st)
        st = continue_at(call, call->arg[1]);
    if (st)
        return st;
    call->exception = exception;
    call->end = CALL_RAISES;
    return STATUS_SUCCESS;
}

/* ---- Without a system call -------------------------------------------------------------------- */

gva_t process_raise_point(const struct process *p)
{
    return p->kernel ? p->kernel->entry_points.raise : 0;
}

bool process_raise_called(struct process *p, struct process_exception *exception)
{
    gva_t sp = cpu_get(p->cpu, CPU_RSP), record = cpu_get(p->cpu, CPU_RCX), caller = 0;

    *exception = (struct process_exception){0};
    if (guest_get_pointer(p, sp, &caller) || guest_put(p, record, NT_RECORD_ADDRESS, caller) ||
        read_record(p, record, exception))
        return false;
    cpu_set(p->cpu, CPU_RSP, sp + nt_pointer(p->arch));
    cpu_set(p->cpu, CPU_RIP, caller);
    return true;
}
