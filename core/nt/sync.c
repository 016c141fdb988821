/* Events, mutants, semaphores, timers, keyed events; the contract is in sync.h. */
#include "nt/sync.h"

#include <stdlib.h>

#include "nt/apcs.h"
#include "nt/kernel.h"
#include "nt/machine.h"
#include "nt/parts.h"
#include "nt/threads.h"

static void free_object(struct object *object)
{
    free(object);
}

/* ---- Events ----------------------------------------------------------------------------------- */

static bool event_signaled(struct object *object, const struct thread *by)
{
    (void)by;
    return ((struct event *)object)->signaled;
}

static nt_status event_take(struct object *object, struct thread *by)
{
    struct event *event = (struct event *)object;

    (void)by;
    event->signaled = event->manual;
    return STATUS_SUCCESS;
}

const struct object_class event_class = {
    .name = "Event",
    .free = free_object,
    .signaled = event_signaled,
    .take = event_take,
    .rights = {0x020001, 0x020002, 0x120000, 0x1f0003},
};

/* ---- Mutants ---------------------------------------------------------------------------------- */

static void disown(struct mutant *mutant)
{
    struct mutant **at = &mutant->owner->mutants;

    while (*at != mutant)
        at = &(*at)->next;
    *at = mutant->next;
    mutant->next = NULL;
    mutant->owner = NULL;
    mutant->count = 1;
}

static void free_mutant(struct object *object)
{
    struct mutant *mutant = (struct mutant *)object;

    if (mutant->owner)
        disown(mutant);
    free(mutant);
}

static bool mutant_signaled(struct object *object, const struct thread *by)
{
    const struct mutant *mutant = (struct mutant *)object;

    return !mutant->owner || mutant->owner == by;
}

void mutant_own(struct mutant *mutant, struct thread *owner)
{
    mutant->owner = owner;
    mutant->count = 0;
    mutant->next = owner->mutants;
    owner->mutants = mutant;
}

static nt_status mutant_take(struct object *object, struct thread *by)
{
    struct mutant *mutant = (struct mutant *)object;
    bool abandoned = mutant->abandoned;

    if (mutant->count == INT32_MIN)
        return STATUS_MUTANT_LIMIT_EXCEEDED;
    mutant->abandoned = false;
    if (!mutant->owner)
        mutant_own(mutant, by);
    else
        mutant->count--;
    return abandoned ? STATUS_ABANDONED_WAIT_0 : STATUS_SUCCESS;
}

const struct object_class mutant_class = {
    .name = "Mutant",
    .free = free_mutant,
    .signaled = mutant_signaled,
    .take = mutant_take,
    .rights = {0x020001, 0x020000, 0x120000, 0x1f0001},
};

nt_status mutant_release(struct process *p, struct mutant *mutant, struct thread *by,
                         int32_t *before)
{
    if (mutant->owner != by)
        return STATUS_MUTANT_NOT_OWNED;
    *before = mutant->count;
    if (++mutant->count == 1) {
        disown(mutant);
        waits_signal(p, &mutant->object);
    }
    return STATUS_SUCCESS;
}

void mutants_abandon(struct thread *thread)
{
    while (thread->mutants) {
        struct mutant *mutant = thread->mutants;

        disown(mutant);
        mutant->abandoned = true;
        waits_signal(thread->process, &mutant->object);
    }
}

void mutants_forget(struct thread *thread)
{
    while (thread->mutants)
        disown(thread->mutants);
}

/* ---- Semaphores ------------------------------------------------------------------------------- */

static bool semaphore_signaled(struct object *object, const struct thread *by)
{
    (void)by;
    return ((struct semaphore *)object)->count > 0;
}

static nt_status semaphore_take(struct object *object, struct thread *by)
{
    (void)by;
    ((struct semaphore *)object)->count--;
    return STATUS_SUCCESS;
}

const struct object_class semaphore_class = {
    .name = "Semaphore",
    .free = free_object,
    .signaled = semaphore_signaled,
    .take = semaphore_take,
    .rights = {0x020001, 0x020002, 0x120000, 0x1f0003},
};

/* ---- Timers ----------------------------------------------------------------------------------- */

/* Has its time come? Then it is signaled, its APC is on the way, and a periodic one is armed again. */
static void timer_update(struct timer *timer, uint64_t now)
{
    uint64_t due = timer->due;

    if (!timer->armed || due > now)
        return;
    timer->signaled = true;
    timer->armed = timer->period != 0;
    if (timer->armed)
        timer->due += (now - due) / timer->period * timer->period + timer->period;
    if (timer->owner && !timer->owner->ended) {
        uint64_t system = machine_now(timer->machine).system - (now - due);
        const struct apc_call call = {timer->routine,
                                      {timer->context, (uint32_t)system, system >> 32}};

        apcs_queue_timer(timer->owner, &call, timer);
    }
}

static bool timer_signaled(struct object *object, const struct thread *by)
{
    struct timer *timer = (struct timer *)object;

    (void)by;
    timer_update(timer, machine_now(timer->machine).interrupt);
    return timer->signaled;
}

static nt_status timer_take(struct object *object, struct thread *by)
{
    struct timer *timer = (struct timer *)object;

    (void)by;
    timer->signaled = timer->manual;
    return STATUS_SUCCESS;
}

void timer_disarm(struct timer *timer)
{
    if (timer->owner) {
        apcs_cancel_timer(timer->owner, timer);
        object_unref(&timer->owner->object);
    }
    timer->owner = NULL;
    timer->armed = false;
}

static void free_timer(struct object *object)
{
    struct timer *timer = (struct timer *)object;

    timer_disarm(timer);
    *timer->link = timer->next;
    if (timer->next)
        timer->next->link = timer->link;
    free(timer);
}

const struct object_class timer_class = {
    .name = "Timer",
    .free = free_timer,
    .signaled = timer_signaled,
    .take = timer_take,
    .rights = {0x020001, 0x020002, 0x120000, 0x1f0003},
};

struct timer *timer_new(struct machine *m, bool manual)
{
    struct timer *timer = calloc(1, sizeof *timer);

    if (!timer)
        return NULL;
    object_init(&timer->object, &timer_class);
    timer->machine = m;
    timer->manual = manual;
    timer->next = m->timers;
    timer->link = &m->timers;
    if (timer->next)
        timer->next->link = &timer->next;
    m->timers = timer;
    return timer;
}

/* The timer behind this one, to which the caller has a reference, which moves on with it. */
static struct timer *step(struct timer *timer)
{
    struct timer *next = timer->next;

    if (next)
        object_ref(&next->object);
    object_unref(&timer->object);
    return next;
}

/* The first timer, with a reference: a wait that ends here may have held the last one of any of them. */
static struct timer *first(const struct machine *m)
{
    struct timer *timer = m->timers;

    if (timer)
        object_ref(&timer->object);
    return timer;
}

void timers_expire(struct machine *m, uint64_t now)
{
    for (struct timer *timer = first(m); timer; timer = step(timer)) {
        bool before = timer->signaled;

        timer_update(timer, now);
        if (timer->signaled && !before)
            waits_signal(m->running, &timer->object);
    }
}

void timers_queue_apcs(struct machine *m, uint64_t now)
{
    for (struct timer *timer = first(m); timer; timer = step(timer)) {
        if (timer->owner)
            timer_update(timer, now);
    }
}

uint64_t timers_next(const struct machine *m, uint64_t due)
{
    for (const struct timer *timer = m->timers; timer; timer = timer->next) {
        bool matters = timer->object.waiters || (timer->owner && wait_is_alertable(timer->owner));

        if (timer->armed && matters && timer->due < due)
            due = timer->due;
    }
    return due;
}

/* ---- Keyed events ----------------------------------------------------------------------------- */

/* Threads wait for its keys; the object itself is always signaled, as on Windows. */
static bool keyed_signaled(struct object *object, const struct thread *by)
{
    (void)object;
    (void)by;
    return true;
}

const struct object_class keyed_event_class = {
    .name = "KeyedEvent",
    .free = free_object,
    .signaled = keyed_signaled,
    .rights = {0x020001, 0x020002, 0x020000, 0x0f0003},
};
