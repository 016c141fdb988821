/*
 * Waiting: who wakes in which order, what a wait takes, what ends it beside its objects, and when time does. Threads
 * here have no code: they are made to wait, and looked at.
 */
#include <check.h>
#include <stdlib.h>

#include "nt/apcs.h"
#include "nt/ports.h"
#include "nt/sync.h"
#include "nt/threads.h"
#include "service_caller.h"
#include "suite.h"
#include "vm_builder.h"
#include "winstub/buf.h"

#define MS   10000u /* in units of 100 ns */
#define CREW 4

static struct caller c;
static struct thread *crew[CREW];
static struct object *objects[3]; /* of the wait that is made next */
static uint64_t start;

static void setup(void)
{
    caller_init(&c, CPU_AMD64, NULL, 0);
    for (size_t i = 0; i < CREW; i++)
        crew[i] = caller_thread(&c);
    start = clock_now(c.p->clock).interrupt;
    c.machine->slice_end = WAIT_FOREVER;
}

static void teardown(void)
{
    caller_fini(&c);
}

static struct event *new_event(bool manual, bool signaled)
{
    struct event *event = calloc(1, sizeof *event);

    ck_assert_ptr_nonnull(event);
    object_init(&event->object, &event_class);
    event->manual = manual;
    event->signaled = signaled;
    return event;
}

static struct semaphore *new_semaphore(uint32_t count)
{
    struct semaphore *semaphore = calloc(1, sizeof *semaphore);

    ck_assert_ptr_nonnull(semaphore);
    object_init(&semaphore->object, &semaphore_class);
    semaphore->count = count;
    semaphore->maximum = 100;
    return semaphore;
}

static struct mutant *new_mutant(struct thread *owner)
{
    struct mutant *mutant = calloc(1, sizeof *mutant);

    ck_assert_ptr_nonnull(mutant);
    object_init(&mutant->object, &mutant_class);
    mutant->count = 1;
    if (owner)
        mutant_own(mutant, owner);
    return mutant;
}

/* A wait for the first `count` of objects. */
static struct wait wait_for(size_t count, bool all)
{
    struct wait wait = {.kind = WAIT_OBJECTS, .count = count, .all = all, .until = WAIT_FOREVER};

    for (size_t i = 0; i < count; i++)
        wait.objects[i] = objects[i];
    return wait;
}

static void begins(struct thread *thread, const struct wait *wait)
{
    nt_status result;

    ck_assert(!wait_begin(thread, wait, &result));
    ck_assert(thread->wait.kind);
}

/* The thread waits for that object alone. */
static void waits(struct thread *thread, struct object *object)
{
    struct wait wait;

    objects[0] = object;
    wait = wait_for(1, false);
    begins(thread, &wait);
}

static void ck_woke(struct thread *thread, nt_status result)
{
    ck_status(caller_result(&c, thread), result);
}

static void ck_waits(struct thread *thread)
{
    ck_assert(thread->wait.kind != WAIT_NOTHING);
}

static void set(struct event *event)
{
    event->signaled = true;
    waits_signal(c.p, &event->object);
}

START_TEST(a_manual_event_wakes_everybody_and_stays)
{
    struct event *event = new_event(true, false);

    for (size_t i = 0; i < CREW; i++)
        waits(crew[i], &event->object);
    ck_assert_uint_eq(event->object.waiters, CREW);
    set(event);
    for (size_t i = 0; i < CREW; i++)
        ck_woke(crew[i], STATUS_SUCCESS);
    ck_assert(event->signaled);
    ck_assert_uint_eq(event->object.waiters, 0);
    object_unref(&event->object);
}
END_TEST

START_TEST(an_automatic_event_wakes_the_first_who_came)
{
    static const size_t order[CREW] = {2, 0, 3, 1};
    struct event *event = new_event(false, false);

    for (size_t i = 0; i < CREW; i++)
        waits(crew[order[i]], &event->object);
    for (size_t i = 0; i < CREW; i++) {
        set(event);
        ck_assert(!event->signaled);
        ck_woke(crew[order[i]], STATUS_SUCCESS);
        if (i + 1 < CREW)
            ck_waits(crew[order[i + 1]]);
    }
    set(event);
    ck_assert(event->signaled); /* for who comes next */
    object_unref(&event->object);
}
END_TEST

START_TEST(a_semaphore_wakes_as_many_as_it_counts)
{
    struct semaphore *semaphore = new_semaphore(0);

    for (size_t i = 0; i < CREW; i++)
        waits(crew[i], &semaphore->object);
    semaphore->count = 2;
    waits_signal(c.p, &semaphore->object);
    ck_woke(crew[0], STATUS_SUCCESS);
    ck_woke(crew[1], STATUS_SUCCESS);
    ck_waits(crew[2]);
    ck_assert_uint_eq(semaphore->count, 0);
    object_unref(&semaphore->object);
}
END_TEST

START_TEST(any_takes_the_lowest_only)
{
    struct event *a = new_event(false, false), *b = new_event(false, true),
                 *d = new_event(false, true);
    struct wait wait;
    nt_status result;

    objects[0] = &a->object;
    objects[1] = &b->object;
    objects[2] = &d->object;
    wait = wait_for(3, false);
    ck_assert(wait_begin(crew[0], &wait, &result));
    ck_assert_uint_eq(result, 1);
    ck_assert(!b->signaled && d->signaled);
    wait = wait_for(1, false);
    begins(crew[0], &wait);
    object_unref(&a->object);
    object_unref(&b->object);
    object_unref(&d->object);
}
END_TEST

/* One who waits for all takes nothing before all is there, so that others get it meanwhile. */
START_TEST(all_takes_everything_or_nothing)
{
    struct event *a = new_event(false, true), *b = new_event(false, false);
    struct semaphore *s = new_semaphore(1);
    struct wait wait;
    nt_status result;

    objects[0] = &a->object;
    objects[1] = &s->object;
    objects[2] = &b->object;
    wait = wait_for(3, true);
    begins(crew[0], &wait);
    ck_assert(a->signaled);
    ck_assert_uint_eq(s->count, 1);
    wait = wait_for(1, false);
    ck_assert(wait_begin(crew[1], &wait, &result)); /* takes a away */
    set(b);
    ck_waits(crew[0]);
    ck_assert(b->signaled);
    set(a);
    ck_woke(crew[0], STATUS_SUCCESS);
    ck_assert(!a->signaled && !b->signaled);
    ck_assert_uint_eq(s->count, 0);
    object_unref(&a->object);
    object_unref(&b->object);
    object_unref(&s->object);
}
END_TEST

START_TEST(a_mutant_goes_to_the_next_owner)
{
    struct mutant *mutant = new_mutant(crew[0]);
    int32_t before;

    waits(crew[1], &mutant->object);
    waits(crew[2], &mutant->object);
    ck_succeeds(mutant_release(c.p, mutant, crew[0], &before));
    ck_woke(crew[1], STATUS_SUCCESS);
    ck_assert_ptr_eq(mutant->owner, crew[1]);
    ck_waits(crew[2]);
    threads_end(crew[1], 0);
    ck_woke(crew[2], STATUS_ABANDONED_WAIT_0);
    ck_assert_ptr_eq(mutant->owner, crew[2]);
    ck_assert(!mutant->abandoned);
    object_unref(&mutant->object);
}
END_TEST

START_TEST(an_abandoned_mutant_says_which_it_was_unless_all_are_waited_for)
{
    struct event *event = new_event(true, false);
    struct mutant *mutant = new_mutant(crew[3]);
    struct wait wait;

    objects[0] = &event->object;
    objects[1] = &mutant->object;
    wait = wait_for(2, false);
    begins(crew[0], &wait);
    threads_end(crew[3], 0);
    ck_woke(crew[0], STATUS_ABANDONED_WAIT_0 + 1);
    wait = wait_for(2, true);
    begins(crew[1], &wait);
    threads_end(crew[0], 0);
    ck_waits(crew[1]);
    set(event);
    ck_woke(crew[1], STATUS_ABANDONED_WAIT_0);
    object_unref(&event->object);
    object_unref(&mutant->object);
}
END_TEST

START_TEST(a_thread_is_signaled_by_its_end)
{
    waits(crew[0], &crew[1]->object);
    threads_end(crew[1], 7);
    ck_woke(crew[0], STATUS_SUCCESS);
}
END_TEST

/* ---- Time ------------------------------------------------------------------------------------- */

START_TEST(time_ends_waits_in_their_order)
{
    struct event *event = new_event(true, false);
    struct wait wait;

    objects[0] = &event->object;
    wait = wait_for(1, false);
    wait.until = start + 20 * MS;
    begins(crew[0], &wait);
    wait.until = start + 10 * MS;
    begins(crew[1], &wait);
    ck_assert_uint_eq(waits_expire(c.machine, start), start + 10 * MS);
    ck_waits(crew[1]);
    ck_assert_uint_eq(waits_expire(c.machine, start + 10 * MS), start + 20 * MS);
    ck_woke(crew[1], STATUS_TIMEOUT);
    ck_waits(crew[0]);
    ck_assert_uint_eq(waits_expire(c.machine, start + 25 * MS), WAIT_FOREVER);
    ck_woke(crew[0], STATUS_TIMEOUT);
    ck_assert_uint_eq(event->object.references, 1);
    object_unref(&event->object);
}
END_TEST

START_TEST(a_wait_that_is_too_late_looks_first)
{
    struct event *event = new_event(false, true);
    struct wait wait;
    nt_status result;

    objects[0] = &event->object;
    wait = wait_for(1, false);
    wait.until = start;
    ck_assert(wait_begin(crew[0], &wait, &result));
    ck_succeeds(result);
    ck_assert(wait_begin(crew[0], &wait, &result));
    ck_status(result, STATUS_TIMEOUT);
    wait.count = 0; /* a delay has what it wanted */
    ck_assert(wait_begin(crew[0], &wait, &result));
    ck_succeeds(result);
    wait.until = start + MS;
    begins(crew[0], &wait);
    (void)waits_expire(c.machine, start + MS);
    ck_woke(crew[0], STATUS_SUCCESS);
    object_unref(&event->object);
}
END_TEST

static const struct {
    int64_t given;
    bool relative_to_system;
    uint64_t left;
} deadlines[] = {
    {-(int64_t)MS, false, MS},        {0, false, 0},          {1, false, 0},
    {INT64_MIN, false, WAIT_FOREVER}, {5 * MS, true, 5 * MS}, {-5 * (int64_t)MS, true, 0},
    {INT64_MAX, false, WAIT_FOREVER},
};

START_TEST(deadlines_are_relative_or_absolute)
{
    struct shared_time now = clock_now(c.p->clock);
    uint64_t given = (uint64_t)deadlines[_i].given, until = 0, left;

    if (deadlines[_i].relative_to_system)
        given += now.system;
    ck_succeeds(wait_deadline(c.p, caller_set(&c, 0, given), &until));
    left = until == WAIT_FOREVER ? until : until - now.interrupt;
    if (deadlines[_i].left == WAIT_FOREVER)
        ck_assert_uint_gt(left, INT64_MAX / 2);
    else
        ck_assert_uint_eq(left, deadlines[_i].left);
    ck_succeeds(wait_deadline(c.p, 0, &until));
    ck_assert_uint_eq(until, WAIT_FOREVER);
    ck_status(wait_deadline(c.p, 8, &until), STATUS_ACCESS_VIOLATION);
}
END_TEST

/* ---- Timers ----------------------------------------------------------------------------------- */

static struct timer *new_timer(bool manual, uint64_t due, uint64_t period)
{
    struct timer *timer = timer_new(c.machine, manual);

    ck_assert_ptr_nonnull(timer);
    timer->armed = true;
    timer->due = due;
    timer->period = period;
    return timer;
}

/* The timer calls a function of the thread's. */
static void calls(struct timer *timer, struct thread *owner)
{
    object_ref(&owner->object);
    timer->owner = owner;
    timer->routine = 0x1000;
}

START_TEST(a_timer_wakes_who_waits)
{
    struct timer *timer = new_timer(false, start + 10 * MS, 10 * MS);

    ck_assert_uint_eq(timers_next(c.machine, WAIT_FOREVER), WAIT_FOREVER); /* nobody waits */
    waits(crew[0], &timer->object);
    waits(crew[1], &timer->object);
    ck_assert_uint_eq(timers_next(c.machine, WAIT_FOREVER), start + 10 * MS);
    ck_assert_uint_eq(waits_expire(c.machine, start + 10 * MS), start + 20 * MS);
    ck_woke(crew[0], STATUS_SUCCESS);
    ck_waits(crew[1]);
    ck_assert_uint_eq(waits_expire(c.machine, start + 45 * MS), WAIT_FOREVER);
    ck_woke(crew[1], STATUS_SUCCESS);
    ck_assert_uint_eq(timer->due, start + 50 * MS); /* its beat, though it was looked at late */
    object_unref(&timer->object);
}
END_TEST

/* Two timers of which only a wait is left: the end of the wait by one frees both while the list is walked. */
START_TEST(timers_may_go_while_they_expire)
{
    struct timer *behind = new_timer(true, start + 50 * MS, 0),
                 *in_front = new_timer(true, start + 10 * MS, 0);
    struct wait wait;

    objects[0] = &in_front->object;
    objects[1] = &behind->object;
    wait = wait_for(2, false);
    begins(crew[0], &wait);
    object_unref(&behind->object);
    object_unref(&in_front->object);
    ck_assert_uint_eq(waits_expire(c.machine, start + 10 * MS), WAIT_FOREVER);
    ck_woke(crew[0], STATUS_SUCCESS);
    ck_assert_ptr_null(c.machine->timers);
}
END_TEST

START_TEST(a_timers_call_ends_an_alertable_wait)
{
    struct event *event = new_event(true, false);
    struct timer *timer = new_timer(true, start + 10 * MS, 0);
    struct wait wait;

    calls(timer, crew[0]);
    objects[0] = &event->object;
    wait = wait_for(1, false);
    wait.alertable = true;
    begins(crew[0], &wait);
    ck_assert_uint_eq(timers_next(c.machine, WAIT_FOREVER), start + 10 * MS);
    (void)waits_expire(c.machine, start + 10 * MS);
    ck_woke(crew[0], STATUS_USER_APC);
    ck_assert_ptr_nonnull(crew[0]->apcs);
    timer_disarm(timer);
    ck_assert_ptr_null(crew[0]->apcs); /* a cancelled timer takes its call back */
    object_unref(&timer->object);
    object_unref(&event->object);
}
END_TEST

/* The timer is due, and nobody has looked yet, when another of the objects is signaled. */
START_TEST(looking_at_a_timer_does_not_end_a_wait_half_way)
{
    struct event *event = new_event(false, false), *never = new_event(false, false);
    struct timer *timer = new_timer(true, start, 0);
    struct wait wait;

    objects[0] = &event->object;
    objects[1] = &never->object;
    objects[2] = &timer->object;
    wait = wait_for(3, true);
    wait.alertable = true;
    begins(crew[0], &wait);
    calls(timer, crew[0]);
    never->signaled = true;
    timer->signaled = false;
    timer->armed = true;
    set(event);
    ck_woke(crew[0], STATUS_SUCCESS);
    ck_assert(!event->signaled && !never->signaled);
    object_unref(&timer->object);
    object_unref(&event->object);
    object_unref(&never->object);
}
END_TEST

START_TEST(a_call_that_looking_queued_ends_the_wait_afterwards)
{
    struct event *event = new_event(false, false), *never = new_event(false, false);
    struct timer *timer = new_timer(true, start + 10 * MS, 0);
    struct wait wait;

    objects[0] = &timer->object;
    objects[1] = &event->object;
    objects[2] = &never->object;
    wait = wait_for(3, true);
    wait.alertable = true;
    begins(crew[0], &wait);
    calls(timer, crew[0]);
    timer->due = start;
    set(event);
    ck_woke(crew[0], STATUS_USER_APC);
    ck_assert(event->signaled); /* nothing was taken */
    object_unref(&timer->object);
    object_unref(&event->object);
    object_unref(&never->object);
}
END_TEST

/* ---- Alerts, calls, ends ---------------------------------------------------------------------- */

START_TEST(only_an_alertable_wait_is_ended_by_a_call)
{
    static const struct apc_call call = {.routine = 0x1000};
    struct event *event = new_event(true, false);
    struct wait wait;
    nt_status result;

    waits(crew[0], &event->object);
    ck_succeeds(apcs_queue(crew[0], &call, false));
    ck_waits(crew[0]);
    ck_succeeds(apcs_queue(crew[0], &call, true));
    ck_woke(crew[0], STATUS_USER_APC); /* a special one waits for nothing */
    objects[0] = &event->object;
    wait = wait_for(1, false);
    wait.alertable = true;
    ck_assert(wait_begin(crew[0], &wait, &result));
    ck_status(result, STATUS_USER_APC);
    event->signaled = true;
    ck_assert(wait_begin(crew[0], &wait, &result)); /* the object comes first */
    ck_succeeds(result);
    event->signaled = false;
    crew[1]->alerted = true;
    ck_succeeds(apcs_queue(crew[1], &call, false));
    ck_assert(wait_begin(crew[1], &wait, &result));
    ck_status(result, STATUS_ALERTED);
    ck_assert(!crew[1]->alerted);
    object_unref(&event->object);
}
END_TEST

START_TEST(a_thread_that_ends_while_it_waits_leaves_no_trace)
{
    struct event *event = new_event(false, false);

    waits(crew[0], &event->object);
    waits(crew[1], &event->object);
    threads_end(crew[0], 0);
    ck_assert_uint_eq(event->object.waiters, 1);
    ck_assert_uint_eq(event->object.references, 2);
    set(event);
    ck_woke(crew[1], STATUS_SUCCESS);
    object_unref(&event->object);
}
END_TEST

START_TEST(the_user_is_told_what_for)
{
    static const struct {
        enum wait_kind kind;
        bool all;
        size_t count;
        const char *text;
    } cases[] = {
        {WAIT_NOTHING, false, 0, ""},
        {WAIT_OBJECTS, false, 0, "sleeping, 7 ms left"},
        {WAIT_OBJECTS, false, 1, "waiting for Event (handle 0x4), 7 ms left"},
        {WAIT_OBJECTS, true, 2, "waiting for all of 2: Event (handle 0x4), Semaphore, 7 ms left"},
        {WAIT_OBJECTS, false, 2, "waiting for any of 2: Event (handle 0x4), Semaphore, 7 ms left"},
        {WAIT_ALERT, false, 0, "waiting at address 0x1234, 7 ms left"},
        {WAIT_KEYED, false, 1, "waiting for key 0x1234 of Event (handle 0x4), 7 ms left"},
        {WAIT_RELEASE, false, 1, "releasing key 0x1234 of Event (handle 0x4), 7 ms left"},
        {WAIT_PORT, false, 1, "waiting for a packet of Event (handle 0x4), 7 ms left"},
    };
    struct event *event = new_event(true, false);
    struct semaphore *semaphore = new_semaphore(0);
    uint64_t handle;
    struct buf out;

    ck_succeeds(handles_add(&c.kernel.handles, &event->object, 0, &handle));
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct wait *wait = &crew[0]->wait;

        objects[0] = &event->object;
        objects[1] = &semaphore->object;
        *wait = wait_for(cases[i].count, cases[i].all);
        wait->kind = cases[i].kind;
        wait->key = 0x1234;
        wait->until = start + 7 * MS;
        buf_init(&out, 200);
        wait_describe(crew[0], &out);
        ck_assert_str_eq(buf_str(&out), cases[i].text);
        buf_fini(&out);
        *wait = (struct wait){0};
    }
    object_unref(&event->object);
    object_unref(&semaphore->object);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("waits");
    TCase *tc = tcase_create("waits");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_manual_event_wakes_everybody_and_stays);
    tcase_add_test(tc, an_automatic_event_wakes_the_first_who_came);
    tcase_add_test(tc, a_semaphore_wakes_as_many_as_it_counts);
    tcase_add_test(tc, any_takes_the_lowest_only);
    tcase_add_test(tc, all_takes_everything_or_nothing);
    tcase_add_test(tc, a_mutant_goes_to_the_next_owner);
    tcase_add_test(tc, an_abandoned_mutant_says_which_it_was_unless_all_are_waited_for);
    tcase_add_test(tc, a_thread_is_signaled_by_its_end);
    tcase_add_test(tc, time_ends_waits_in_their_order);
    tcase_add_test(tc, a_wait_that_is_too_late_looks_first);
    tcase_add_loop_test(tc, deadlines_are_relative_or_absolute, 0, COUNT_OF(deadlines));
    tcase_add_test(tc, a_timer_wakes_who_waits);
    tcase_add_test(tc, timers_may_go_while_they_expire);
    tcase_add_test(tc, a_timers_call_ends_an_alertable_wait);
    tcase_add_test(tc, looking_at_a_timer_does_not_end_a_wait_half_way);
    tcase_add_test(tc, a_call_that_looking_queued_ends_the_wait_afterwards);
    tcase_add_test(tc, only_an_alertable_wait_is_ended_by_a_call);
    tcase_add_test(tc, a_thread_that_ends_while_it_waits_leaves_no_trace);
    tcase_add_test(tc, the_user_is_told_what_for);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
