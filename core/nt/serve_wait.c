/* Services that wait: for objects, for time, for alerts, at keyed events. */
#include <stdlib.h>

#include "nt/machine.h"
#include "nt/processes.h"
#include "nt/services.h"
#include "nt/sync.h"
#include "nt/threads.h"

#define SYNCHRONIZE 0x100000u
enum { WAIT_TYPE_ALL = 0, WAIT_TYPE_ANY = 1 };

nt_status service_wait(struct call *call, const struct wait *wait)
{
    nt_status result = STATUS_PENDING;

    if (!wait_begin(call->thread, wait, &result))
        call->end = CALL_WAITS;
    return result;
}

/* ---- Objects ---------------------------------------------------------------------------------- */

static nt_status add_object(struct call *call, struct wait *wait, uint64_t handle)
{
    struct object *object = NULL;
    nt_status st = service_object(call, handle, NULL, SYNCHRONIZE, &object);

    if (!st && !object->class->signaled)
        st = STATUS_OBJECT_TYPE_MISMATCH;
    if (!st)
        wait->objects[wait->count++] = object;
    return st;
}

nt_status serve_NtWaitForSingleObject(struct call *call)
{
    struct wait wait = {.kind = WAIT_OBJECTS, .alertable = call->arg[1]};
    nt_status st = wait_deadline(call->process, call->arg[2], &wait.until);

    if (!st)
        st = add_object(call, &wait, call->arg[0]);
    return st ? st : service_wait(call, &wait);
}

/* Waiting for all of them twice for the same one could never end. */
static bool has_twins(const struct wait *wait)
{
    for (size_t i = 0; i < wait->count; i++) {
        for (size_t j = 0; j < i; j++) {
            if (wait->objects[i] == wait->objects[j])
                return true;
        }
    }
    return false;
}

/* arg: 0 count, 1 handles, 2 all or any, 3 alertable, 4 timeout. */
nt_status serve_NtWaitForMultipleObjects(struct call *call)
{
    struct wait wait = {
        .kind = WAIT_OBJECTS, .all = call->arg[2] == WAIT_TYPE_ALL, .alertable = call->arg[3]};
    nt_status st;

    if (!call->arg[0] || call->arg[0] > WAIT_OBJECTS_MAX)
        return STATUS_INVALID_PARAMETER_1;
    if (call->arg[2] > WAIT_TYPE_ANY)
        return STATUS_INVALID_PARAMETER_3;
    st = wait_deadline(call->process, call->arg[4], &wait.until);
    for (size_t i = 0; i < call->arg[0] && !st; i++) {
        uint64_t handle = 0;

        st = guest_get_pointer(call->process, call->arg[1] + i * nt_pointer(call->process->arch),
                               &handle);
        if (!st && call->process->arch == CPU_I386) /* pseudo handles are negative */
            handle = (uint64_t)(int64_t)(int32_t)handle;
        if (!st)
            st = add_object(call, &wait, handle);
    }
    if (!st && wait.all && has_twins(&wait))
        st = STATUS_INVALID_PARAMETER_MIX;
    return st ? st : service_wait(call, &wait);
}

/* Signal an event, mutant or semaphore as its own service does. */
static nt_status signal_object(struct call *call, uint64_t handle)
{
    struct call set = {
        .process = call->process, .kernel = call->kernel, .thread = call->thread, .arg = {handle}};
    struct object *object = NULL;
    nt_status st = service_object(call, handle, NULL, 0, &object);

    if (st)
        return st;
    if (object->class == &event_class)
        return serve_NtSetEvent(&set);
    if (object->class == &mutant_class)
        return serve_NtReleaseMutant(&set);
    if (object->class != &semaphore_class)
        return STATUS_OBJECT_TYPE_MISMATCH;
    set.arg[1] = 1;
    return serve_NtReleaseSemaphore(&set);
}

nt_status serve_NtSignalAndWaitForSingleObject(struct call *call)
{
    struct wait wait = {.kind = WAIT_OBJECTS, .alertable = call->arg[2]};
    nt_status st = wait_deadline(call->process, call->arg[3], &wait.until);

    if (!st)
        st = add_object(call, &wait, call->arg[1]);
    if (!st)
        st = signal_object(call, call->arg[0]);
    return st ? st : service_wait(call, &wait);
}

/* ---- Time ------------------------------------------------------------------------------------- */

/* No time at all gives the turn away. */
nt_status serve_NtDelayExecution(struct call *call)
{
    struct wait wait = {.kind = WAIT_OBJECTS, .alertable = call->arg[0]};
    nt_status st = wait_deadline(call->process, call->arg[1], &wait.until);

    if (!st)
        st = service_wait(call, &wait);
    if (!st)
        (void)threads_yield(call->process->machine);
    return st;
}

nt_status serve_NtYieldExecution(struct call *call)
{
    return threads_yield(call->process->machine) ? STATUS_SUCCESS : STATUS_NO_YIELD_PERFORMED;
}

/* ---- Alerts by thread id ---------------------------------------------------------------------- */

/* One alert is remembered; the address is only a hint. */
nt_status serve_NtWaitForAlertByThreadId(struct call *call)
{
    struct wait wait = {.kind = WAIT_ALERT, .key = call->arg[0]};
    nt_status st = wait_deadline(call->process, call->arg[1], &wait.until);

    if (st)
        return st;
    if (!call->thread->alerted_by_id)
        return service_wait(call, &wait);
    call->thread->alerted_by_id = false;
    return STATUS_ALERTED;
}

nt_status serve_NtAlertThreadByThreadId(struct call *call)
{
    struct thread *thread = processes_thread(call->process->machine, (uint32_t)call->arg[0]);

    if (!thread)
        return STATUS_INVALID_CID;
    if (thread->process != call->process)
        return STATUS_ACCESS_DENIED;
    if (thread->wait.kind == WAIT_ALERT)
        wait_end(thread, STATUS_ALERTED);
    else
        thread->alerted_by_id = true;
    return STATUS_SUCCESS;
}

/* ---- Keyed events ----------------------------------------------------------------------------- */

nt_status serve_NtCreateKeyedEvent(struct call *call)
{
    struct keyed_event *event;

    if (call->arg[3])
        return STATUS_INVALID_PARAMETER_4;
    event = calloc(1, sizeof *event);
    if (!event)
        return STATUS_NO_MEMORY;
    object_init(&event->object, &keyed_event_class);
    return service_create(call, &event->object);
}

nt_status serve_NtOpenKeyedEvent(struct call *call)
{
    return service_open(call, &keyed_event_class);
}

/* Who waits on the other side of the event with this key; the first who came. Keys are addresses of one process's. */
static struct thread *find_partner(const struct process *p, const struct object *event, gva_t key,
                                   enum wait_kind kind)
{
    struct thread *found = NULL;

    for (size_t i = 0; i < p->threads.count; i++) {
        struct thread *thread = p->threads.list[i];

        if (thread->wait.kind == kind && thread->wait.key == key &&
            thread->wait.objects[0] == event && (!found || thread->wait.order < found->wait.order))
            found = thread;
    }
    return found;
}

/* One who waits and one who releases meet; whoever comes first waits. Handle 0 is the process's own event. */
static nt_status meet(struct call *call, enum wait_kind mine, enum wait_kind other, uint32_t access)
{
    struct wait wait = {.kind = mine, .key = call->arg[1], .alertable = call->arg[2], .count = 1};
    struct object *event = &call->process->machine->keyed.object;
    struct thread *partner;
    nt_status st = call->arg[1] & 1 ? STATUS_INVALID_PARAMETER_1 : STATUS_SUCCESS;

    if (!st && call->arg[0])
        st = service_object(call, call->arg[0], &keyed_event_class, access, &event);
    if (!st)
        st = wait_deadline(call->process, call->arg[3], &wait.until);
    if (st)
        return st;
    wait.objects[0] = event;
    partner = find_partner(call->process, event, call->arg[1], other);
    if (!partner)
        return service_wait(call, &wait);
    wait_end(partner, STATUS_SUCCESS);
    return STATUS_SUCCESS;
}

nt_status serve_NtWaitForKeyedEvent(struct call *call)
{
    return meet(call, WAIT_KEYED, WAIT_RELEASE, 1);
}

nt_status serve_NtReleaseKeyedEvent(struct call *call)
{
    return meet(call, WAIT_RELEASE, WAIT_KEYED, 2);
}
