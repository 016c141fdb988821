/*
 * Services about the registers of threads, whichever process they belong to: the caller's CONTEXT is of its own width, which may
 * be the wider one. Of a thread that has not begun they are those that its code will begin with.
 */
#include "nt/serve_context.h"

#include "nt/context.h"
#include "nt/processes.h"
#include "nt/threads.h"

/* Read the CONTEXT at a guest address of the caller's, and fill the parts that it names, or take the registers from them. */
static nt_status exchange(struct call *call, struct thread *thread, enum cpu_arch width, gva_t at,
                          bool take, uint8_t raw[CONTEXT_MAX])
{
    struct process *p = thread->process;
    struct thread *before;
    bool done;
    nt_status st = guest_read(call->process, at, raw, context_size(width));

    if (st || thread->ended)
        return st ? st : STATUS_UNSUCCESSFUL;
    before = p->threads.on_cpu;
    threads_load(thread);
    done = take ? context_load(p->cpu, width, raw) : context_fill(p->cpu, width, raw);
    threads_restore(p, before);
    return done ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER;
}

static nt_status get_context(struct call *call, struct thread *thread, enum cpu_arch width,
                             gva_t at)
{
    uint8_t raw[CONTEXT_MAX];
    nt_status st = exchange(call, thread, width, at, false, raw);

    return st ? st : guest_write(call->process, at, raw, context_size(width));
}

static nt_status set_context(struct call *call, struct thread *thread, enum cpu_arch width,
                             gva_t at)
{
    uint8_t raw[CONTEXT_MAX];
    nt_status st = exchange(call, thread, width, at, true, raw);

    if (!st && thread == call->thread)
        call->end = CALL_CONTINUES;
    return st;
}

nt_status serve_NtGetContextThread(struct call *call)
{
    struct thread *thread;
    nt_status st = service_thread(call, call->arg[0], THREAD_RIGHT_GET_CONTEXT, &thread);

    return st ? st : get_context(call, thread, call->process->arch, call->arg[1]);
}

nt_status serve_NtSetContextThread(struct call *call)
{
    struct thread *thread;
    nt_status st = service_thread(call, call->arg[0], THREAD_RIGHT_SET_CONTEXT, &thread);

    return st ? st : set_context(call, thread, call->process->arch, call->arg[1]);
}

/* arg: 0 thread, 1 class, 2 CONTEXT, 3 length. */
static nt_status find_wow64(struct call *call, uint32_t access, struct thread **out)
{
    nt_status st;

    if (call->arg[3] != context_size(CPU_I386))
        return STATUS_INFO_LENGTH_MISMATCH;
    st = service_thread(call, call->arg[0], access, out);
    if (st || (*out)->ended)
        return st ? st : STATUS_UNSUCCESSFUL;
    return (*out)->process->object->wow64 ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER;
}

nt_status wow64_context_get(struct call *call)
{
    struct thread *thread;
    nt_status st = find_wow64(call, THREAD_RIGHT_GET_CONTEXT, &thread);

    if (!st)
        st = get_context(call, thread, CPU_I386, call->arg[2]);
    if (!st && call->arg[4])
        st = guest_put_number(call->process, call->arg[4], 4, context_size(CPU_I386));
    return st;
}

nt_status wow64_context_set(struct call *call)
{
    struct thread *thread;
    nt_status st = find_wow64(call, THREAD_RIGHT_SET_CONTEXT, &thread);

    return st ? st : set_context(call, thread, CPU_I386, call->arg[2]);
}
