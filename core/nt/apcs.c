/* APCs; the contract is in apcs.h. */
#include "nt/apcs.h"

#include <stdlib.h>

#include "nt/context.h"
#include "nt/guest.h"
#include "nt/kernel.h"
#include "nt/parts.h"
#include "nt/threads.h"
#include "winstub/log.h"

struct apc {
    struct apc *next;
    struct apc_call call;
    bool special;
    const struct timer *timer; /* that it belongs to; NULL: none */
};

static nt_status queue(struct thread *thread, const struct apc_call *call, bool special,
                       const struct timer *timer)
{
    struct apc *apc;

    if (thread->apc_count >= APCS_MAX)
        return STATUS_INSUFFICIENT_RESOURCES;
    apc = calloc(1, sizeof *apc);
    if (!apc)
        return STATUS_NO_MEMORY;
    *apc = (struct apc){.call = *call, .special = special, .timer = timer};
    *(thread->apcs ? thread->last_apc : &thread->apcs) = apc;
    thread->last_apc = &apc->next;
    thread->apc_count++;
    if (wait_is_alertable(thread) || (special && thread->wait.kind))
        wait_end(thread, STATUS_USER_APC);
    return STATUS_SUCCESS;
}

nt_status apcs_queue(struct thread *thread, const struct apc_call *call, bool special)
{
    return queue(thread, call, special, NULL);
}

void apcs_queue_timer(struct thread *thread, const struct apc_call *call, const struct timer *timer)
{
    for (const struct apc *apc = thread->apcs; apc; apc = apc->next) {
        if (apc->timer == timer)
            return;
    }
    if (queue(thread, call, false, timer))
        LOG(nt, "thread %" PRIu32 ": a timer's call is lost", thread->info.tid);
}

/* at: where the list has it. */
static void drop(struct thread *thread, struct apc **at)
{
    struct apc *apc = *at;

    *at = apc->next;
    if (!apc->next)
        thread->last_apc = at;
    thread->apc_count--;
    free(apc);
}

void apcs_cancel_timer(struct thread *thread, const struct timer *timer)
{
    struct apc **at = &thread->apcs;

    while (*at) {
        if ((*at)->timer == timer)
            drop(thread, at);
        else
            at = &(*at)->next;
    }
}

void apcs_drop(struct thread *thread)
{
    while (thread->apcs)
        drop(thread, &thread->apcs);
}

bool apcs_urgent(const struct thread *thread)
{
    return thread->apcs && thread->apcs->special;
}

/* ---- The frame -------------------------------------------------------------------------------- */

enum {
    MACHINE_FRAME = 0x4d0, /* x64: behind the CONTEXT, for debuggers to unwind by */
    FRAME_64 = 0x500,
    HEAD_64_OLD = 0x30, /* before the CONTEXT: return address, four homes, the routine */
    HEAD_32 = 0x14,     /* routine, three arguments, a flag */
    HEAD_32_OLD = 0x18, /* return address, CONTEXT, three arguments, routine */
    SPARE = 0x20,       /* bytes below the stack pointer that the dispatcher may write */
};

static bool put(struct process *p, gva_t at, unsigned index, uint64_t value)
{
    return !guest_put_number(p, at + index * nt_pointer(p->arch), nt_pointer(p->arch), value);
}

/* Windows, Wine 9 and newer: CONTEXT at rsp, with arguments and routine in its first four slots. */
static bool frame_64(struct process *p, const struct apc_call *call, uint8_t *context, gva_t *sp)
{
    gva_t at = ((cpu_get(p->cpu, CPU_RSP) - SPARE) & ~(gva_t)15) - FRAME_64;

    for (unsigned i = 0; i < 3; i++)
        put_u64(context + 8 * i, call->arg[i]);
    put_u64(context + 24, call->routine);
    *sp = at;
    return !guest_write(p, at, context, context_size(p->arch)) &&
           !guest_put_machine_frame(p, at + MACHINE_FRAME, cpu_get(p->cpu, CPU_EFLAGS));
}

/* Older Wine: a function of five arguments, CONTEXT first and the routine last. */
static bool frame_64_old(struct process *p, const struct apc_call *call, const uint8_t *context,
                         gva_t *sp)
{
    gva_t at = ((cpu_get(p->cpu, CPU_RSP) - SPARE) & ~(gva_t)15) - context_size(p->arch);

    *sp = at - HEAD_64_OLD - 8;
    if (guest_write(p, at, context, context_size(p->arch)) || !put(p, *sp, 5, call->routine))
        return false;
    cpu_set(p->cpu, CPU_RCX, at);
    cpu_set(p->cpu, CPU_RDX, call->arg[0]);
    cpu_set(p->cpu, CPU_R8, call->arg[1]);
    cpu_set(p->cpu, CPU_R9, call->arg[2]);
    return true;
}

static bool frame_32(struct process *p, const struct apc_call *call, const uint8_t *context,
                     gva_t *sp)
{
    bool old = p->kernel->apc_takes_arguments;
    gva_t at = ((cpu_get(p->cpu, CPU_RSP) - SPARE) & ~(gva_t)15) - context_size(p->arch);
    unsigned first = old ? 2 : 1;

    *sp = at - (old ? HEAD_32_OLD : HEAD_32);
    if (guest_write(p, at, context, context_size(p->arch)))
        return false;
    for (unsigned i = 0; i < 3; i++) {
        if (!put(p, *sp, first + i, call->arg[i]))
            return false;
    }
    if (old)
        return put(p, *sp, 1, at) && put(p, *sp, 5, call->routine);
    return put(p, *sp, 0, call->routine) && put(p, *sp, 4, 1);
}

static bool build_frame(struct process *p, const struct apc_call *call, gva_t *sp)
{
    uint8_t context[CONTEXT_MAX];

    context_save(p->cpu, context);
    if (p->arch == CPU_I386)
        return frame_32(p, call, context, sp);
    if (p->kernel->apc_takes_arguments)
        return frame_64_old(p, call, context, sp);
    return frame_64(p, call, context, sp);
}

void apcs_deliver(struct thread *thread)
{
    struct process *p = thread->process;
    struct apc_call call;
    gva_t sp;

    if (!thread->apcs || !p->kernel->entry_points.apc)
        return;
    call = thread->apcs->call;
    if (!build_frame(p, &call, &sp))
        return;
    drop(thread, &thread->apcs);
    LOG(nt, "thread %" PRIu32 " calls the APC 0x%" PRIx64, thread->info.tid, call.routine);
    cpu_set(p->cpu, CPU_RSP, sp);
    cpu_set(p->cpu, CPU_RIP, p->kernel->entry_points.apc);
}
