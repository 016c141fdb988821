/* Services about events, mutants, semaphores and timers, and about the names of objects. */
#include <stdlib.h>
#include <string.h>

#include "nt/directory.h"
#include "nt/machine.h"
#include "nt/services.h"
#include "nt/sync.h"
#include "nt/threads.h"

#define OBJ_ANY_CASE 0x40u
#define OBJ_OPENIF   0x80u

/* Rights beside those that are common to all objects. */
enum { RIGHT_QUERY_STATE = 1, RIGHT_MODIFY_STATE = 2 };
/* EVENT_TYPE, TIMER_TYPE */
enum { TYPE_NOTIFICATION = 0, TYPE_SYNCHRONIZATION = 1 };

/* ---- Names ------------------------------------------------------------------------------------ */

/* The full name of OBJECT_ATTRIBUTES at a guest address; *out NULL: it has none. */
static nt_status full_name(struct call *call, gva_t at, uint32_t *flags, char **out)
{
    struct attributes attributes;
    struct object *root = NULL;
    nt_status st;

    *out = NULL;
    *flags = 0;
    if (!at)
        return STATUS_SUCCESS;
    st = attributes_read(call->process, at, &attributes);
    if (st)
        return st;
    *flags = attributes.flags;
    if (attributes.root)
        st = service_object(call, attributes.root, &folder_class, 0, &root);
    if (!st && root && *attributes.name == '\\')
        st = STATUS_OBJECT_PATH_SYNTAX_BAD;
    if (!st && !root && *attributes.name && *attributes.name != '\\')
        st = STATUS_OBJECT_PATH_SYNTAX_BAD;
    if (!st && *attributes.name) {
        *out = root ? directory_path(((struct folder *)root)->path, attributes.name)
                    : strdup(attributes.name);
        st = *out ? STATUS_SUCCESS : STATUS_NO_MEMORY;
    }
    attributes_fini(&attributes);
    return st;
}

nt_status service_flags(const struct call *call, gva_t at, uint32_t *flags)
{
    uint64_t value = 0;
    nt_status st = at ? guest_get(call->process, at, NT_ATTRIBUTES_FLAGS, &value) : STATUS_SUCCESS;

    *flags = (uint32_t)value;
    return st;
}

nt_status service_add(struct call *call, gva_t out, struct object *object, uint32_t access,
                      uint32_t flags)
{
    struct handles *handles = &call->kernel->handles;
    uint64_t handle = 0;
    nt_status st = handles_add(handles, object, access, &handle);

    if (st)
        return st;
    handles_entry(handles, handle)->attributes = flags & OBJ_HANDLE;
    return guest_put_pointer(call->process, out, handle);
}

/* The object of that name that there is already, in place of a fresh one. */
static nt_status create_existing(struct call *call, struct object *old, const struct object *fresh,
                                 uint32_t flags)
{
    nt_status st;

    if (!(flags & OBJ_OPENIF))
        return STATUS_OBJECT_NAME_COLLISION;
    if (old->class != fresh->class)
        return STATUS_OBJECT_TYPE_MISMATCH;
    st = service_add(call, call->arg[0], old, (uint32_t)call->arg[1], flags);
    return st ? st : STATUS_OBJECT_NAME_EXISTS;
}

nt_status service_create(struct call *call, struct object *fresh)
{
    struct object *old = NULL;
    char *name = NULL;
    uint32_t flags;
    nt_status st;

    if (!fresh)
        return STATUS_NO_MEMORY;
    st = full_name(call, call->arg[2], &flags, &name);
    if (!st && name)
        old = directory_find(&call->process->machine->directory, name, flags & OBJ_ANY_CASE);
    if (!st && old) {
        st = create_existing(call, old, fresh, flags);
    } else if (!st) {
        if (name)
            st = directory_add(&call->process->machine->directory, name, fresh);
        if (!st)
            st = service_add(call, call->arg[0], fresh, (uint32_t)call->arg[1], flags);
    }
    free(name);
    object_unref(fresh);
    return st;
}

nt_status service_open(struct call *call, const struct object_class *class)
{
    struct object *object = NULL;
    char *name = NULL;
    uint32_t flags;
    nt_status st = full_name(call, call->arg[2], &flags, &name);

    if (!st && !name)
        st = STATUS_OBJECT_PATH_SYNTAX_BAD;
    if (!st)
        object = directory_find(&call->process->machine->directory, name, flags & OBJ_ANY_CASE);
    free(name);
    if (!st && !object)
        st = STATUS_OBJECT_NAME_NOT_FOUND;
    if (!st && object->class != class)
        st = STATUS_OBJECT_TYPE_MISMATCH;
    return st ? st : service_add(call, call->arg[0], object, (uint32_t)call->arg[1], flags);
}

nt_status serve_NtOpenDirectoryObject(struct call *call)
{
    struct folder *folder = NULL;
    char *name = NULL;
    uint32_t flags;
    nt_status st = full_name(call, call->arg[2], &flags, &name);

    if (!st)
        st = name ? directory_open(name, &folder) : STATUS_OBJECT_PATH_SYNTAX_BAD;
    free(name);
    if (st)
        return st;
    st = service_add(call, call->arg[0], &folder->object, (uint32_t)call->arg[1], flags);
    object_unref(&folder->object);
    return st;
}

/* Every folder that user code may have is there already. */
nt_status serve_NtCreateDirectoryObject(struct call *call)
{
    nt_status st = serve_NtOpenDirectoryObject(call);

    return st == STATUS_OBJECT_NAME_NOT_FOUND ? STATUS_ACCESS_DENIED : st;
}

/* ---- What the families share ------------------------------------------------------------------ */

/* The object behind arg 0. */
static nt_status use(struct call *call, const struct object_class *class, uint32_t access,
                     void *out)
{
    struct object *object = NULL;
    nt_status st = service_object(call, call->arg[0], class, access, &object);

    if (!st)
        memcpy(out, &object, sizeof object); /* the object is the first member of every kind */
    return st;
}

/* Write what was before to an optional ULONG. */
static nt_status put_before(struct call *call, gva_t at, uint32_t before)
{
    return at ? guest_put_number(call->process, at, 4, before) : STATUS_SUCCESS;
}

/* Queries of these have class 0 only, and want the exact size. */
static nt_status query_exactly(struct call *call, uint32_t size,
                               nt_status (*query)(struct call *, struct nt_block *))
{
    if (call->arg[1])
        return STATUS_INVALID_INFO_CLASS;
    return call->arg[3] != size ? STATUS_INFO_LENGTH_MISMATCH : service_query(call, query);
}

/* ---- Events ----------------------------------------------------------------------------------- */

nt_status serve_NtCreateEvent(struct call *call)
{
    struct event *event;

    if (call->arg[3] > TYPE_SYNCHRONIZATION)
        return STATUS_INVALID_PARAMETER;
    event = calloc(1, sizeof *event);
    if (!event)
        return STATUS_NO_MEMORY;
    object_init(&event->object, &event_class);
    event->manual = call->arg[3] == TYPE_NOTIFICATION;
    event->signaled = call->arg[4] != 0;
    return service_create(call, &event->object);
}

nt_status serve_NtOpenEvent(struct call *call)
{
    return service_open(call, &event_class);
}

/* Set the event behind arg 0; those who wait for it look when it becomes signaled. */
static nt_status change_event(struct call *call, bool signaled, bool pulse)
{
    struct event *event;
    bool before;
    nt_status st = use(call, &event_class, RIGHT_MODIFY_STATE, &event);

    if (st)
        return st;
    before = event->signaled;
    event->signaled = signaled;
    if (signaled)
        waits_signal(call->process, &event->object);
    if (pulse)
        event->signaled = false;
    return put_before(call, call->arg[1], before);
}

nt_status serve_NtSetEvent(struct call *call)
{
    return change_event(call, true, false);
}

nt_status serve_NtResetEvent(struct call *call)
{
    return change_event(call, false, false);
}

nt_status serve_NtClearEvent(struct call *call)
{
    call->arg[1] = 0;
    return change_event(call, false, false);
}

nt_status serve_NtPulseEvent(struct call *call)
{
    return change_event(call, true, true);
}

/* EVENT_BASIC_INFORMATION */
static nt_status query_event(struct call *call, struct nt_block *out)
{
    struct event *event;
    nt_status st = use(call, &event_class, RIGHT_QUERY_STATE, &event);

    if (st)
        return st;
    service_put(out, 4, event->manual ? TYPE_NOTIFICATION : TYPE_SYNCHRONIZATION);
    service_put(out, 4, event->signaled);
    return STATUS_SUCCESS;
}

nt_status serve_NtQueryEvent(struct call *call)
{
    return query_exactly(call, 8, query_event);
}

/* ---- Mutants ---------------------------------------------------------------------------------- */

nt_status serve_NtCreateMutant(struct call *call)
{
    struct mutant *mutant = calloc(1, sizeof *mutant);

    if (!mutant)
        return STATUS_NO_MEMORY;
    object_init(&mutant->object, &mutant_class);
    mutant->count = 1;
    if (call->arg[3])
        mutant_own(mutant, call->thread);
    return service_create(call, &mutant->object);
}

nt_status serve_NtOpenMutant(struct call *call)
{
    return service_open(call, &mutant_class);
}

nt_status serve_NtReleaseMutant(struct call *call)
{
    struct mutant *mutant;
    int32_t before = 0;
    nt_status st = use(call, &mutant_class, 0, &mutant);

    if (!st)
        st = mutant_release(call->process, mutant, call->thread, &before);
    return st ? st : put_before(call, call->arg[1], (uint32_t)before);
}

/* MUTANT_BASIC_INFORMATION */
static nt_status query_mutant(struct call *call, struct nt_block *out)
{
    struct mutant *mutant;
    nt_status st = use(call, &mutant_class, RIGHT_QUERY_STATE, &mutant);

    if (st)
        return st;
    service_put(out, 4, (uint32_t)mutant->count);
    service_put(out, 1, mutant->owner == call->thread);
    service_put(out, 1, mutant->abandoned);
    service_put(out, 2, 0);
    return STATUS_SUCCESS;
}

nt_status serve_NtQueryMutant(struct call *call)
{
    return query_exactly(call, 8, query_mutant);
}

/* ---- Semaphores ------------------------------------------------------------------------------- */

nt_status serve_NtCreateSemaphore(struct call *call)
{
    int32_t count = (int32_t)call->arg[3], maximum = (int32_t)call->arg[4];
    struct semaphore *semaphore;

    if (count < 0 || maximum <= 0 || count > maximum)
        return STATUS_INVALID_PARAMETER;
    semaphore = calloc(1, sizeof *semaphore);
    if (!semaphore)
        return STATUS_NO_MEMORY;
    object_init(&semaphore->object, &semaphore_class);
    semaphore->count = (uint32_t)count;
    semaphore->maximum = (uint32_t)maximum;
    return service_create(call, &semaphore->object);
}

nt_status serve_NtOpenSemaphore(struct call *call)
{
    return service_open(call, &semaphore_class);
}

nt_status serve_NtReleaseSemaphore(struct call *call)
{
    struct semaphore *semaphore;
    uint32_t count = (uint32_t)call->arg[1], before;
    nt_status st = use(call, &semaphore_class, RIGHT_MODIFY_STATE, &semaphore);

    if (st)
        return st;
    if ((int32_t)count <= 0)
        return STATUS_INVALID_PARAMETER;
    before = semaphore->count;
    if (count > semaphore->maximum - before)
        return STATUS_SEMAPHORE_LIMIT_EXCEEDED;
    semaphore->count += count;
    waits_signal(call->process, &semaphore->object);
    return put_before(call, call->arg[2], before);
}

/* SEMAPHORE_BASIC_INFORMATION */
static nt_status query_semaphore(struct call *call, struct nt_block *out)
{
    struct semaphore *semaphore;
    nt_status st = use(call, &semaphore_class, RIGHT_QUERY_STATE, &semaphore);

    if (st)
        return st;
    service_put(out, 4, semaphore->count);
    service_put(out, 4, semaphore->maximum);
    return STATUS_SUCCESS;
}

nt_status serve_NtQuerySemaphore(struct call *call)
{
    return query_exactly(call, 8, query_semaphore);
}

/* ---- Timers ----------------------------------------------------------------------------------- */

nt_status serve_NtCreateTimer(struct call *call)
{
    struct timer *timer;

    if (call->arg[3] > TYPE_SYNCHRONIZATION)
        return STATUS_INVALID_PARAMETER_4;
    timer = timer_new(call->process->machine, call->arg[3] == TYPE_NOTIFICATION);
    return service_create(call, timer ? &timer->object : NULL);
}

nt_status serve_NtOpenTimer(struct call *call)
{
    return service_open(call, &timer_class);
}

/* Write the state of a timer to an optional BOOLEAN. */
static nt_status put_state(struct call *call, gva_t at, bool signaled)
{
    return at ? guest_put_number(call->process, at, 1, signaled) : STATUS_SUCCESS;
}

static bool is_signaled(struct timer *timer, const struct thread *by)
{
    return timer->object.class->signaled(&timer->object, by);
}

/* arg: 0 timer, 1 due time, 2 APC routine, 3 its context, 4 resume, 5 period in ms, 6 previous state. */
nt_status serve_NtSetTimer(struct call *call)
{
    struct timer *timer;
    uint64_t due;
    bool before;
    nt_status st;

    if ((int32_t)call->arg[5] < 0)
        return STATUS_INVALID_PARAMETER_6;
    st = use(call, &timer_class, RIGHT_MODIFY_STATE, &timer);
    if (!st)
        st = wait_deadline(call->process, call->arg[1], &due);
    if (st)
        return st;
    before = is_signaled(timer, call->thread);
    timer_disarm(timer);
    timer->signaled = false;
    timer->armed = true;
    timer->due = due;
    timer->period = call->arg[5] * 10000;
    if (call->arg[2]) {
        object_ref(&call->thread->object);
        timer->owner = call->thread;
        timer->routine = call->arg[2];
        timer->context = call->arg[3];
    }
    call->process->machine->next_due = 0;
    return put_state(call, call->arg[6], before);
}

nt_status serve_NtCancelTimer(struct call *call)
{
    struct timer *timer;
    bool before;
    nt_status st = use(call, &timer_class, RIGHT_MODIFY_STATE, &timer);

    if (st)
        return st;
    before = is_signaled(timer, call->thread);
    timer_disarm(timer);
    return put_state(call, call->arg[1], before);
}

/* TIMER_BASIC_INFORMATION */
static nt_status query_timer(struct call *call, struct nt_block *out)
{
    uint64_t now = clock_now(call->process->clock).interrupt;
    struct timer *timer;
    bool signaled;
    nt_status st = use(call, &timer_class, RIGHT_QUERY_STATE, &timer);

    if (st)
        return st;
    signaled = is_signaled(timer, call->thread);
    service_put(out, 8, timer->armed && timer->due > now ? timer->due - now : 0);
    service_put(out, 8, signaled);
    return STATUS_SUCCESS;
}

nt_status serve_NtQueryTimer(struct call *call)
{
    return query_exactly(call, 16, query_timer);
}
