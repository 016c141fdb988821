/* Services about processes as wholes: opening, listing, stopping and ending them. */
#include "nt/machine.h"
#include "nt/processes.h"
#include "nt/services.h"
#include "winstub/log.h"

enum { NEXT_BACKWARDS = 1 }; /* flag of NtGetNextProcess */

/* ---- Finding one ------------------------------------------------------------------------------ */

/* The process that a CLIENT_ID means: by a thread of it when there is one in it. */
static struct process_object *find(const struct machine *m, const struct client_id *id)
{
    struct thread *thread;

    if (!id->thread)
        return processes_find(m, id->process);
    thread = processes_thread(m, id->thread);
    return thread && (!id->process || id->process == thread->pid) ? thread->process->object : NULL;
}

/* arg: 0 handle, 1 access, 2 attributes, 3 CLIENT_ID. */
nt_status serve_NtOpenProcess(struct call *call)
{
    struct process_object *found;
    struct client_id id;
    uint32_t flags = 0;
    nt_status st = service_client_id(call, &id, &flags);

    if (st)
        return st;
    found = find(call->process->machine, &id);
    if (!found)
        return STATUS_INVALID_CID;
    return service_add(call, call->arg[0], &found->object, (uint32_t)call->arg[1], flags);
}

/* The one behind that of number `after`, 0 for the first; or before it, 0 for the last. Who has not begun is left out. */
static struct process_object *next_process(const struct machine *m, uint32_t after, bool backwards)
{
    struct process_object *found = NULL;

    for (struct process_object *at = m->objects; at; at = at->next) {
        if (at->process && !at->process->begun)
            continue;
        if (!backwards && at->pid > after)
            return at;
        if (backwards && (!after || at->pid < after))
            found = at;
    }
    return found;
}

/* arg: 0 process before, 1 access, 2 attributes of the handle, 3 flags, 4 handle. */
nt_status serve_NtGetNextProcess(struct call *call)
{
    struct process_object *found;
    struct object *object = NULL;
    uint32_t after = 0;
    nt_status st =
        call->arg[3] & ~(uint64_t)NEXT_BACKWARDS ? STATUS_INVALID_PARAMETER : STATUS_SUCCESS;

    if (!st && call->arg[0])
        st = service_object(call, call->arg[0], &process_class, 0, &object);
    if (st)
        return st;
    if (object)
        after = ((const struct process_object *)object)->pid;
    found = next_process(call->process->machine, after, call->arg[3]);
    if (!found)
        return STATUS_NO_MORE_ENTRIES;
    return service_add(call, call->arg[4], &found->object, (uint32_t)call->arg[1],
                       (uint32_t)call->arg[2]);
}

/* ---- Stopping and ending one ------------------------------------------------------------------ */

/* When a thread is suspended as often as it can be, those behind it are left alone. */
nt_status serve_NtSuspendProcess(struct call *call)
{
    struct process *target;
    unsigned before;
    nt_status st = service_process(call, call->arg[0], PROCESS_RIGHT_SUSPEND, &target);

    for (size_t i = 0; !st && i < target->threads.count; i++)
        st = threads_suspend(target->threads.list[i], &before);
    return st;
}

nt_status serve_NtResumeProcess(struct call *call)
{
    struct process *target;
    nt_status st = service_process(call, call->arg[0], PROCESS_RIGHT_SUSPEND, &target);

    for (size_t i = 0; !st && i < target->threads.count; i++)
        (void)threads_resume(target->threads.list[i]);
    return st;
}

/* Every thread but the caller. */
static void end_others(struct call *call)
{
    struct threads *t = &call->process->threads;

    while (t->count > 1)
        threads_end(t->list[t->list[0] == call->thread], (uint32_t)call->arg[1]);
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
    if (!st)
        service_end(call, target, (uint32_t)call->arg[1]);
    return st;
}

nt_status serve_NtFlushProcessWriteBuffers(struct call *call)
{
    (void)call;
    return STATUS_SUCCESS; /* one thread at a time sees all that others have written */
}

/* ---- Debugging one: nobody in the guest can --------------------------------------------------- */

nt_status serve_NtCreateDebugObject(struct call *call)
{
    (void)call;
    LOG(nt, "guests cannot debug each other: winstub's client is the debugger");
    return STATUS_NOT_SUPPORTED;
}

/* There are no debug objects. */
nt_status serve_NtDebugActiveProcess(struct call *call)
{
    struct process *target;
    struct object *object;
    nt_status st = service_process(call, call->arg[0], PROCESS_RIGHT_SUSPEND, &target);

    if (!st)
        st = service_object(call, call->arg[1], NULL, 0, &object);
    return st ? st : STATUS_OBJECT_TYPE_MISMATCH;
}

nt_status serve_NtRemoveProcessDebug(struct call *call)
{
    struct process *target;
    nt_status st = service_process(call, call->arg[0], PROCESS_RIGHT_SUSPEND, &target);

    return st ? st : STATUS_PORT_NOT_SET;
}
