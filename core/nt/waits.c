/* Waiting; the contract is in waits.h. */
#include "nt/waits.h"

#include "nt/apcs.h"
#include "nt/files.h"
#include "nt/guest.h"
#include "nt/kernel.h"
#include "nt/machine.h"
#include "nt/parts.h"
#include "nt/pipes.h"
#include "nt/ports.h"
#include "nt/requests.h"
#include "nt/sync.h"
#include "nt/threads.h"
#include "winstub/buf.h"

/* ---- When it is over -------------------------------------------------------------------------- */

static bool is_signaled(struct object *object, const struct thread *by)
{
    return object->class->signaled(object, by);
}

static nt_status take(struct object *object, struct thread *by)
{
    return object->class->take ? object->class->take(object, by) : STATUS_SUCCESS;
}

/* Any: the first one that is signaled, which alone is taken. */
static bool try_any(struct thread *thread, const struct wait *wait, nt_status *result)
{
    for (size_t i = 0; i < wait->count; i++) {
        if (is_signaled(wait->objects[i], thread)) {
            *result = take(wait->objects[i], thread);
            if (NT_SUCCESS(*result))
                *result += (nt_status)i;
            return true;
        }
    }
    return false;
}

/* All: nothing is taken before everything is there. What is told of one of them does not say which. */
static bool try_all(struct thread *thread, const struct wait *wait, nt_status *result)
{
    for (size_t i = 0; i < wait->count; i++) {
        if (!is_signaled(wait->objects[i], thread))
            return false;
    }
    *result = STATUS_SUCCESS;
    for (size_t i = 0; i < wait->count; i++) {
        nt_status st = take(wait->objects[i], thread);

        if (st && !*result)
            *result = st;
    }
    return true;
}

static bool try_end(struct thread *thread, const struct wait *wait, nt_status *result)
{
    if (wait->kind == WAIT_PORT)
        return port_take(thread, wait, result);
    if (wait->kind == WAIT_TURN)
        return !((const struct file *)wait->objects[0])->requests;
    if (wait->kind != WAIT_OBJECTS || !wait->count)
        return false;
    return wait->all ? try_all(thread, wait, result) : try_any(thread, wait, result);
}

static bool ended_by_alert(struct thread *thread, const struct wait *wait, nt_status *result)
{
    if (!wait->alertable)
        return false;
    if (thread->alerted) {
        thread->alerted = false;
        *result = STATUS_ALERTED;
        return true;
    }
    *result = STATUS_USER_APC;
    return thread->apcs != NULL;
}

/* The time is over: a wait for time only has what it wanted. */
static nt_status time_over(const struct wait *wait)
{
    return wait->kind == WAIT_OBJECTS && !wait->count ? STATUS_SUCCESS : STATUS_TIMEOUT;
}

bool wait_begin(struct thread *thread, const struct wait *wait, nt_status *result)
{
    struct machine *m = thread->process->machine;
    uint64_t now = machine_now(m).interrupt;

    if (wait->alertable)
        timers_queue_apcs(m, now);
    if (try_end(thread, wait, result) || ended_by_alert(thread, wait, result))
        return true;
    *result = time_over(wait);
    if (wait->until <= now)
        return true;
    thread->wait = *wait;
    thread->wait.order = ++m->waits_begun;
    for (size_t i = 0; i < wait->count; i++) {
        object_ref(wait->objects[i]);
        wait->objects[i]->waiters++;
    }
    m->next_due = 0;
    return false;
}

/* What an alert makes of a wait: a request is cancelled by it. */
static nt_status result_of_alert(struct thread *thread, nt_status result)
{
    if (result != STATUS_USER_APC && result != STATUS_ALERTED)
        return result;
    thread->apc_due = result == STATUS_USER_APC;
    return STATUS_CANCELLED;
}

void wait_end(struct thread *thread, nt_status result)
{
    struct wait *wait = &thread->wait;
    enum wait_kind kind = wait->kind;
    struct request *request = wait->request;
    size_t count = wait->count;

    wait->kind = WAIT_NOTHING;
    wait->request = NULL;
    wait->count = 0;
    if (request) {
        request_drop(request);
        result = result_of_alert(thread, result);
    }
    for (size_t i = 0; i < count; i++) {
        wait->objects[i]->waiters--;
        object_unref(wait->objects[i]);
    }
    if (kind != WAIT_TURN)
        threads_answer(thread, result);
}

bool wait_is_alertable(const struct thread *thread)
{
    return thread->wait.kind && thread->wait.alertable;
}

/* ---- What ends waits -------------------------------------------------------------------------- */

static bool waits_for(const struct thread *thread, const struct object *object)
{
    for (size_t i = 0; i < thread->wait.count; i++) {
        if (thread->wait.objects[i] == object)
            return true;
    }
    return false;
}

/* The thread whose wait for the object began first after `order`. */
static struct thread *next_waiter(const struct machine *m, const struct object *object,
                                  uint64_t order)
{
    struct thread *found = NULL;

    for (const struct process *p = m->processes; p; p = p->next) {
        for (size_t i = 0; i < p->threads.count; i++) {
            struct thread *thread = p->threads.list[i];

            if (thread->wait.kind && thread->wait.order > order && waits_for(thread, object) &&
                (!found || thread->wait.order < found->wait.order))
                found = thread;
        }
    }
    return found;
}

/* Look whether the wait can end. A timer that is looked at may queue a call, which ends it only afterwards. */
static void look_again(struct thread *thread)
{
    bool alertable = thread->wait.alertable;
    nt_status result;

    thread->wait.alertable = false;
    if (try_end(thread, &thread->wait, &result)) {
        wait_end(thread, result);
        return;
    }
    thread->wait.alertable = alertable;
    if (alertable && thread->apcs)
        wait_end(thread, STATUS_USER_APC);
}

void waits_signal(struct process *p, struct object *object)
{
    struct thread *thread;
    uint64_t order = 0;

    object_ref(object);
    while (object->waiters && (thread = next_waiter(p->machine, object, order)) != NULL) {
        order = thread->wait.order;
        look_again(thread);
    }
    object_unref(object);
}

/* The same for the threads of one process; when to look again, or due, if that is earlier. */
static uint64_t expire(const struct process *p, uint64_t now, uint64_t due)
{
    for (size_t i = 0; i < p->threads.count; i++) {
        struct thread *thread = p->threads.list[i];

        if (thread->wait.kind && thread->wait.until <= now)
            wait_end(thread, time_over(&thread->wait));
        if (thread->wait.kind && thread->wait.until < due)
            due = thread->wait.until;
    }
    return due;
}

uint64_t waits_expire(struct machine *m, uint64_t now)
{
    uint64_t due = WAIT_FOREVER;

    timers_expire(m, now);
    for (const struct process *p = m->processes; p; p = p->next)
        due = expire(p, now, due);
    return timers_next(m, pipes_expire(m, now, due));
}

uint64_t wait_until(struct process *p, uint64_t timeout)
{
    struct shared_time now = machine_now(p->machine);
    uint64_t left;

    if (timeout == (uint64_t)INT64_MIN)
        return WAIT_FOREVER;
    if ((int64_t)timeout < 0)
        left = 0 - timeout;
    else
        left = timeout > now.system ? timeout - now.system : 0;
    return left < WAIT_FOREVER - now.interrupt ? now.interrupt + left : WAIT_FOREVER;
}

nt_status wait_deadline(struct process *p, gva_t at, uint64_t *until)
{
    uint64_t raw = 0;
    nt_status st;

    *until = WAIT_FOREVER;
    if (!at)
        return STATUS_SUCCESS;
    st = guest_get_number(p, at, 8, &raw);
    if (!st)
        *until = wait_until(p, raw);
    return st;
}

/* ---- For the user ----------------------------------------------------------------------------- */

/* The lowest handle to the object; 0: it has none. */
static uint64_t handle_of(const struct handles *handles, const struct object *object)
{
    for (size_t i = 0; i < handles->count; i++) {
        if (handles->list[i].object == object)
            return 4 * (i + 1);
    }
    return 0;
}

static void describe_object(const struct thread *thread, const struct object *object,
                            struct buf *out)
{
    uint64_t handle = handle_of(&thread->process->kernel->handles, object);

    if (object->class == &thread_class)
        (void)buf_printf(out, " Thread %" PRIu32, ((const struct thread *)object)->info.tid);
    else
        (void)buf_printf(out, " %s", object->class->name);
    if (object->class == &file_class && *((const struct file *)object)->path)
        (void)buf_printf(out, " %s", ((const struct file *)object)->path);
    if (handle)
        (void)buf_printf(out, " (handle 0x%" PRIx64 ")", handle);
}

static void describe_until(const struct thread *thread, struct buf *out)
{
    uint64_t now = machine_now(thread->process->machine).interrupt, until = thread->wait.until;

    if (until != WAIT_FOREVER)
        (void)buf_printf(out, ", %" PRIu64 " ms left", until > now ? (until - now) / 10000 : 0);
}

void wait_describe(const struct thread *thread, struct buf *out)
{
    const struct wait *wait = &thread->wait;

    switch (wait->kind) {
    case WAIT_NOTHING:
        return;
    case WAIT_OBJECTS:
        (void)buf_text(out, wait->count ? "waiting for" : "sleeping");
        if (wait->count > 1)
            (void)buf_printf(out, " %s of %zu:", wait->all ? "all" : "any", wait->count);
        break;
    case WAIT_ALERT:
        (void)buf_printf(out, "waiting at address 0x%" PRIx64, wait->key);
        break;
    case WAIT_KEYED:
    case WAIT_RELEASE:
        (void)buf_printf(out, "%s key 0x%" PRIx64 " of",
                         wait->kind == WAIT_KEYED ? "waiting for" : "releasing", wait->key);
        break;
    case WAIT_PORT:
        (void)buf_text(out, "waiting for a packet of");
        break;
    case WAIT_REQUEST:
        request_describe(wait->request, out);
        break;
    case WAIT_TURN:
        (void)buf_text(out, "waiting for its turn with");
        break;
    }
    for (size_t i = 0; i < wait->count; i++) {
        (void)buf_text(out, i ? "," : "");
        describe_object(thread, wait->objects[i], out);
    }
    describe_until(thread, out);
}
