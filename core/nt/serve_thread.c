/* Services about threads: making, ending, suspending, calling and asking them. Their registers are serve_context.c's. */
#include <stdlib.h>
#include <string.h>

#include "nt/apcs.h"
#include "nt/processes.h"
#include "nt/serve_context.h"
#include "nt/services.h"
#include "nt/threads.h"
#include "winstub/utf.h"

/* THREADINFOCLASS */
enum {
    THREAD_BASIC = 0,
    THREAD_TIMES = 1,
    THREAD_PRIORITY = 2,
    THREAD_BASE_PRIORITY = 3,
    THREAD_AFFINITY = 4,
    THREAD_IMPERSONATION = 5,
    THREAD_START_ADDRESS = 9,
    THREAD_IS_LAST = 12,
    THREAD_IO_PENDING = 16,
    THREAD_HIDE = 17,
    THREAD_IS_TERMINATED = 20,
    THREAD_WOW64_CONTEXT = 29,
    THREAD_GROUP = 30,
    THREAD_SUSPEND_COUNT = 35,
    THREAD_NAME = 38,
};

/* CreateFlags of NtCreateThreadEx; PS_ATTRIBUTE_LIST */
enum { CREATE_SUSPENDED = 1 };
enum { ATTRIBUTE_CLIENT_ID = 0x10003, ATTRIBUTE_TEB = 0x10004 };
enum { QUEUE_SPECIAL = 1 };

#define STILL_ACTIVE    0x103
#define PRIORITY_NORMAL 8u
#define ATTRIBUTES_MAX  64u

/* ---- Making ----------------------------------------------------------------------------------- */

static nt_status put_client_id(struct call *call, gva_t at, const struct thread *thread)
{
    nt_status st = guest_put_pointer(call->process, at, process_pid(thread->process));

    return st ? st
              : guest_put_pointer(call->process, at + nt_pointer(call->process->arch),
                                  thread->info.tid);
}

/* One PS_ATTRIBUTE: attribute, size, value, where the length goes. */
static nt_status answer_attribute(struct call *call, gva_t at, const struct thread *thread)
{
    uint32_t pointer = nt_pointer(call->process->arch);
    uint64_t attribute = 0, value = 0;
    nt_status st = guest_get_pointer(call->process, at, &attribute);

    if (!st)
        st = guest_get_pointer(call->process, at + 2 * (gva_t)pointer, &value);
    if (!st && attribute == ATTRIBUTE_CLIENT_ID)
        st = put_client_id(call, value, thread);
    if (!st && attribute == ATTRIBUTE_TEB)
        st = guest_put_pointer(call->process, value, thread->info.teb);
    return st;
}

static nt_status answer_attributes(struct call *call, gva_t list, const struct thread *thread)
{
    uint32_t pointer = nt_pointer(call->process->arch), each = 4 * pointer;
    uint64_t bytes = 0;
    nt_status st;

    if (!list)
        return STATUS_SUCCESS;
    st = guest_get_pointer(call->process, list, &bytes);
    if (!st && (bytes < pointer || bytes > ATTRIBUTES_MAX * each))
        st = STATUS_INVALID_PARAMETER;
    for (uint64_t at = pointer; !st && at + each <= bytes; at += each)
        st = answer_attribute(call, list + at, thread);
    return st;
}

/* Stack, TEB, and the registers from which the loader will call arg 4 with arg 5. */
static nt_status equip(const struct call *call, struct thread *thread)
{
    struct process *p = thread->process;
    struct stack_sizes sizes = {.reserve = call->arg[9],
                                .commit = call->arg[8],
                                .least = start_commit(p->kernel),
                                .zero_bits = call->arg[7]};
    struct thread *before = p->threads.on_cpu;
    struct diag why;
    enum err e;

    if (!sizes.reserve)
        sizes.reserve = p->kernel->program.stack_reserve;
    if (!sizes.commit)
        sizes.commit = p->kernel->program.stack_commit;
    e = thread_stack(thread, sizes, &why);
    if (!e)
        e = thread_teb(thread, 0, &why);
    if (e)
        return STATUS_NO_MEMORY;
    threads_load(thread);
    cpu_context_load(p->cpu, p->threads.fresh);
    start_enter(thread, call->arg[4], call->arg[5]);
    threads_restore(p, before);
    return STATUS_SUCCESS;
}

/*
 * arg: 0 handle, 1 access, 2 attributes, 3 process, 4 start, 5 argument, 6 flags, 7 zero bits, 8 stack commit,
 * 9 stack reserve, 10 attribute list.
 */
nt_status serve_NtCreateThreadEx(struct call *call)
{
    struct process *target;
    struct thread *thread;
    uint32_t flags = 0;
    nt_status st = service_process(call, call->arg[3], PROCESS_RIGHT_CREATE_THREAD, &target);

    if (!st)
        st = service_flags(call, call->arg[2], &flags);
    if (!st)
        st = service_zero_bits(call, call->arg[7]);
    if (!st)
        st = threads_new(target, &thread);
    if (st)
        return st;
    thread->created = clock_now(call->process->clock).system;
    thread->suspended = call->arg[6] & CREATE_SUSPENDED;
    st = equip(call, thread);
    if (!st)
        st = answer_attributes(call, call->arg[10], thread);
    if (!st)
        st = service_add(call, call->arg[0], &thread->object, (uint32_t)call->arg[1], flags);
    if (st)
        threads_discard(thread);
    else
        threads_begun(thread);
    return st;
}

/* ---- Ending ----------------------------------------------------------------------------------- */

/* Handle 0 is the caller's own thread. The end of the last thread is the process's. */
nt_status serve_NtTerminateThread(struct call *call)
{
    struct thread *thread = call->thread;
    nt_status st = STATUS_SUCCESS;

    if (call->arg[0])
        st = service_thread(call, call->arg[0], THREAD_RIGHT_TERMINATE, &thread);
    if (st || thread->ended)
        return st;
    if (thread->process->threads.count == 1) {
        service_end(call, thread->process, (uint32_t)call->arg[1]);
        return STATUS_SUCCESS;
    }
    if (thread == call->thread)
        call->end = CALL_GONE;
    threads_end(thread, (uint32_t)call->arg[1]);
    return STATUS_SUCCESS;
}

/* ---- Opening ---------------------------------------------------------------------------------- */

/* arg: 0 handle, 1 access, 2 attributes, 3 CLIENT_ID, whose process may be 0. */
nt_status serve_NtOpenThread(struct call *call)
{
    struct client_id id;
    struct thread *thread;
    uint32_t flags = 0;
    nt_status st = service_client_id(call, &id, &flags);

    if (st)
        return st;
    thread = processes_thread(call->process->machine, id.thread);
    if (!thread || (id.process && id.process != thread->pid))
        return STATUS_INVALID_CID;
    return service_add(call, call->arg[0], &thread->object, (uint32_t)call->arg[1], flags);
}

/* The thread behind `after`, which may have ended; the first one when after is NULL. */
static struct thread *next_thread(const struct process *p, const struct thread *after)
{
    for (size_t i = 0; i < p->threads.count; i++) {
        if (!after || p->threads.list[i]->info.tid > after->info.tid)
            return p->threads.list[i];
    }
    return NULL;
}

/* arg: 0 process, 1 thread before, 2 access, 3 attributes, 4 flags, 5 handle. */
nt_status serve_NtGetNextThread(struct call *call)
{
    struct process *target;
    struct thread *thread = NULL;
    nt_status st = service_process(call, call->arg[0], PROCESS_RIGHT_QUERY, &target);

    if (!st && call->arg[1])
        st = service_thread(call, call->arg[1], 0, &thread);
    if (st)
        return st;
    thread = next_thread(target, thread);
    if (!thread)
        return STATUS_NO_MORE_ENTRIES;
    return service_add(call, call->arg[5], &thread->object, (uint32_t)call->arg[2],
                       (uint32_t)call->arg[3]);
}

/* ---- Suspending and alerting ------------------------------------------------------------------ */

static nt_status put_count(struct call *call, unsigned count)
{
    return call->arg[1] ? guest_put_number(call->process, call->arg[1], 4, count) : STATUS_SUCCESS;
}

nt_status serve_NtSuspendThread(struct call *call)
{
    struct thread *thread;
    unsigned before = 0;
    nt_status st = service_thread(call, call->arg[0], THREAD_RIGHT_SUSPEND, &thread);

    if (!st)
        st = threads_suspend(thread, &before);
    return st ? st : put_count(call, before);
}

nt_status serve_NtResumeThread(struct call *call)
{
    struct thread *thread;
    nt_status st = service_thread(call, call->arg[0], THREAD_RIGHT_SUSPEND, &thread);

    return st ? st : put_count(call, threads_resume(thread));
}

static void alert(struct thread *thread)
{
    if (wait_is_alertable(thread))
        wait_end(thread, STATUS_ALERTED);
    else
        thread->alerted = true;
}

nt_status serve_NtAlertThread(struct call *call)
{
    struct thread *thread;
    nt_status st = service_thread(call, call->arg[0], THREAD_RIGHT_ALERT, &thread);

    if (!st)
        alert(thread);
    return st;
}

nt_status serve_NtAlertResumeThread(struct call *call)
{
    struct thread *thread;
    nt_status st = service_thread(call, call->arg[0], THREAD_RIGHT_SUSPEND, &thread);

    if (st)
        return st;
    alert(thread);
    return put_count(call, threads_resume(thread));
}

nt_status serve_NtTestAlert(struct call *call)
{
    if (call->thread->alerted) {
        call->thread->alerted = false;
        return STATUS_ALERTED;
    }
    return call->thread->apcs ? STATUS_USER_APC : STATUS_SUCCESS;
}

static nt_status queue_apc(struct call *call, unsigned first, bool special)
{
    const struct apc_call apc = {
        call->arg[first], {call->arg[first + 1], call->arg[first + 2], call->arg[first + 3]}};
    struct thread *thread;
    nt_status st = service_thread(call, call->arg[0], THREAD_RIGHT_SET_CONTEXT, &thread);

    if (!st && thread->ended)
        st = STATUS_UNSUCCESSFUL;
    return st ? st : apcs_queue(thread, &apc, special);
}

nt_status serve_NtQueueApcThread(struct call *call)
{
    return queue_apc(call, 1, false);
}

/* arg 1 is flags or a reserved object's handle. */
nt_status serve_NtQueueApcThreadEx(struct call *call)
{
    return queue_apc(call, 2, call->arg[1] == QUEUE_SPECIAL);
}

/* ---- Asking ----------------------------------------------------------------------------------- */

static void put_basic(struct nt_block *out, const struct thread *thread)
{
    (void)nt_block_take(out, nt_size(out->arch, NT_STRUCT_THREAD));
    nt_put(out, 0, NT_THREAD_EXIT_STATUS, thread->ended ? thread->exit_code : STILL_ACTIVE);
    nt_put(out, 0, NT_THREAD_TEB, thread->info.teb);
    nt_put(out, 0, NT_THREAD_PROCESS_ID, thread->pid);
    nt_put(out, 0, NT_THREAD_ID, thread->info.tid);
    nt_put(out, 0, NT_THREAD_AFFINITY, 1);
    nt_put(out, 0, NT_THREAD_PRIORITY, PRIORITY_NORMAL + thread->priority);
    nt_put(out, 0, NT_THREAD_BASE_PRIORITY, thread->priority);
}

/* KERNEL_USER_TIMES: made, ended, in the kernel, in user code. What each thread used is not kept. */
static void put_times(struct nt_block *out, const struct thread *thread)
{
    service_put(out, 8, thread->created);
    service_put(out, 8, thread->finished);
    service_put(out, 8, 0);
    service_put(out, 8, 0);
}

/* GROUP_AFFINITY: the one processor, of group 0. */
static void put_group(struct nt_block *out)
{
    service_put(out, nt_pointer(out->arch), 1);
    service_put(out, 8, 0);
}

/* THREAD_NAME_INFORMATION: a UNICODE_STRING and its text. */
static nt_status put_name(struct nt_block *out, const struct thread *thread)
{
    struct buf text;
    size_t at;

    buf_init(&text, 2 * THREAD_NAME_MAX);
    (void)utf16_append(&text, thread->name);
    (void)nt_block_take(out, nt_size(out->arch, NT_STRUCT_STRING));
    at = out->bytes.len;
    (void)buf_append(&out->bytes, text.data, text.len);
    nt_put(out, 0, NT_STRING_LENGTH, text.len);
    nt_put(out, 0, NT_STRING_ROOM, text.len);
    nt_put(out, 0, NT_STRING_BUFFER, text.len ? out->base + at : 0);
    buf_fini(&text);
    return STATUS_SUCCESS;
}

/* What a handle must be good for that is asked about this. */
static uint32_t right_to_ask(uint64_t class)
{
    switch (class) {
    case THREAD_BASIC:
    case THREAD_TIMES:
    case THREAD_IS_TERMINATED:
    case THREAD_GROUP:
    case THREAD_SUSPEND_COUNT:
    case THREAD_NAME:
        return THREAD_RIGHT_QUERY_LIMITED;
    default:
        return THREAD_RIGHT_QUERY;
    }
}

static bool is_last(const struct thread *thread)
{
    return thread->process && thread->process->threads.count == 1;
}

static nt_status query(struct call *call, struct nt_block *out)
{
    struct thread *thread;
    nt_status st = service_thread(call, call->arg[0], right_to_ask(call->arg[1]), &thread);

    if (st)
        return st;
    switch (call->arg[1]) {
    case THREAD_BASIC:
        put_basic(out, thread);
        return STATUS_SUCCESS;
    case THREAD_TIMES:
        put_times(out, thread);
        return STATUS_SUCCESS;
    case THREAD_START_ADDRESS:
        service_put(out, nt_pointer(out->arch), thread->start);
        return STATUS_SUCCESS;
    case THREAD_IS_LAST:
        service_put(out, 4, is_last(thread));
        return STATUS_SUCCESS;
    case THREAD_IO_PENDING:
        service_put(out, 4, 0);
        return STATUS_SUCCESS;
    case THREAD_IS_TERMINATED:
        service_put(out, 4, thread->ended);
        return STATUS_SUCCESS;
    case THREAD_GROUP:
        put_group(out);
        return STATUS_SUCCESS;
    case THREAD_SUSPEND_COUNT:
        service_put(out, 4, thread->suspended);
        return STATUS_SUCCESS;
    case THREAD_NAME:
        return put_name(out, thread);
    default:
        return STATUS_INVALID_INFO_CLASS;
    }
}

nt_status serve_NtQueryInformationThread(struct call *call)
{
    nt_status st;

    if (call->arg[1] == THREAD_WOW64_CONTEXT)
        return wow64_context_get(call);
    st = service_query(call, query);
    return st == STATUS_INFO_LENGTH_MISMATCH && call->arg[1] == THREAD_NAME
               ? STATUS_BUFFER_TOO_SMALL
               : st;
}

/* ---- Changing --------------------------------------------------------------------------------- */

/* The UNICODE_STRING at arg 2; what does not fit is left off. */
static nt_status set_name(struct call *call, struct thread *thread)
{
    char *name;
    nt_status st;

    if (call->arg[3] != nt_size(call->process->arch, NT_STRUCT_STRING))
        return STATUS_INFO_LENGTH_MISMATCH;
    st = service_text(call->process, call->arg[2], &name);
    if (st)
        return st;
    threads_name(thread, name);
    free(name);
    return STATUS_SUCCESS;
}

/* THREAD_PRIORITY_LOWEST to HIGHEST, IDLE and TIME_CRITICAL. */
static bool is_priority(int32_t priority)
{
    return (priority >= -2 && priority <= 2) || priority == -15 || priority == 15;
}

static nt_status set_priority(struct call *call, struct thread *thread)
{
    uint64_t priority = 0;
    nt_status st;

    if (call->arg[3] != 4)
        return STATUS_INFO_LENGTH_MISMATCH;
    st = guest_get_number(call->process, call->arg[2], 4, &priority);
    if (!st && !is_priority((int32_t)priority))
        st = STATUS_INVALID_PARAMETER;
    if (!st)
        thread->priority = (uint32_t)priority;
    return st;
}

static uint32_t right_to_change(uint64_t class)
{
    switch (class) {
    case THREAD_IMPERSONATION:
        return THREAD_RIGHT_SET_TOKEN;
    case THREAD_AFFINITY:
    case THREAD_HIDE:
        return THREAD_RIGHT_SET;
    default:
        return THREAD_RIGHT_SET_LIMITED;
    }
}

nt_status serve_NtSetInformationThread(struct call *call)
{
    struct thread *thread;
    nt_status st;

    if (call->arg[1] == THREAD_WOW64_CONTEXT)
        return wow64_context_set(call);
    st = service_thread(call, call->arg[0], right_to_change(call->arg[1]), &thread);
    if (st)
        return st;
    switch (call->arg[1]) {
    case THREAD_NAME:
        return set_name(call, thread);
    case THREAD_BASE_PRIORITY:
        return set_priority(call, thread);
    default: /* affinity, hiding, boosts, impersonation: taken, and without consequence here */
        return guest_probe(call->process, call->arg[2], call->arg[3], VM_READ);
    }
}

nt_status serve_NtGetCurrentProcessorNumber(struct call *call)
{
    (void)call;
    return 0;
}
