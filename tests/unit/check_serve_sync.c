/*
 * Services about events, mutants, semaphores and timers, and about names, called as a guest calls them. _i is the
 * architecture. Who wakes in which order is check_waits.c's.
 */
#include <check.h>

#include "nt/guest.h"
#include "nt/sync.h"
#include "process_builder.h"
#include "service_caller.h"
#include "suite.h"
#include "vm_builder.h"

#define ALL         0x1f0003u
#define SYNCHRONIZE 0x100000u
#define OBJ_OPENIF  0x80u
#define MS          INT64_C(10000) /* in units of 100 ns */
#define NO_HANDLE   UINT64_C(0x400)

enum { NOTIFICATION, SYNCHRONIZATION };                  /* EVENT_TYPE, TIMER_TYPE */
enum { HANDLE, BEFORE, TIME, INFO, NEEDED, NAME, TEXT }; /* slots */

static struct caller c;

static void setup(int arch)
{
    caller_init(&c, (enum cpu_arch)arch, NULL, 0);
}

static void teardown(void)
{
    caller_fini(&c);
}

/* A LARGE_INTEGER. */
static gva_t time_at(unsigned slot, int64_t value)
{
    ck_succeeds(guest_put_number(c.p, caller_slot(&c, slot), 8, (uint64_t)value));
    return caller_slot(&c, slot);
}

static uint32_t before(void)
{
    return guest_u32(c.p, caller_slot(&c, BEFORE));
}

static uint32_t info(unsigned i)
{
    return guest_u32(c.p, caller_slot(&c, INFO) + 4 * i);
}

static uint64_t new_event(uint32_t type, bool signaled)
{
    ck_succeeds(CALL(&c, "NtCreateEvent", caller_slot(&c, HANDLE), ALL, 0, type, signaled));
    return caller_get(&c, HANDLE);
}

static uint64_t new_mutant(bool owned)
{
    ck_succeeds(CALL(&c, "NtCreateMutant", caller_slot(&c, HANDLE), ALL, 0, owned));
    return caller_get(&c, HANDLE);
}

static uint64_t new_timer(uint32_t type)
{
    ck_succeeds(CALL(&c, "NtCreateTimer", caller_slot(&c, HANDLE), ALL, 0, type));
    return caller_get(&c, HANDLE);
}

static nt_status new_semaphore(uint32_t count, uint32_t maximum)
{
    return CALL(&c, "NtCreateSemaphore", caller_slot(&c, HANDLE), ALL, 0, count, maximum);
}

static nt_status query(const char *service, uint64_t handle, uint32_t length)
{
    return CALL(&c, service, handle, 0, caller_slot(&c, INFO), length, caller_slot(&c, NEEDED));
}

/* A wait that does not wait. */
static nt_status poll(uint64_t handle)
{
    return CALL(&c, "NtWaitForSingleObject", handle, 0, time_at(TIME, 0));
}

/* ---- Events ----------------------------------------------------------------------------------- */

START_TEST(events_say_what_they_were)
{
    uint64_t event;

    setup(_i);
    event = new_event(NOTIFICATION, false);
    ck_succeeds(CALL(&c, "NtSetEvent", event, caller_slot(&c, BEFORE)));
    ck_assert_uint_eq(before(), 0);
    ck_succeeds(CALL(&c, "NtSetEvent", event, caller_slot(&c, BEFORE)));
    ck_assert_uint_eq(before(), 1);
    ck_succeeds(CALL(&c, "NtResetEvent", event, caller_slot(&c, BEFORE)));
    ck_assert_uint_eq(before(), 1);
    ck_status(poll(event), STATUS_TIMEOUT);
    ck_succeeds(CALL(&c, "NtSetEvent", event, 0));
    ck_succeeds(CALL(&c, "NtClearEvent", event));
    ck_status(poll(event), STATUS_TIMEOUT);
    ck_succeeds(CALL(&c, "NtPulseEvent", event, caller_slot(&c, BEFORE)));
    ck_assert_uint_eq(before(), 0);
    ck_status(poll(event), STATUS_TIMEOUT);
}
END_TEST

START_TEST(a_wait_takes_the_signal_of_a_synchronization_event)
{
    uint64_t event;

    setup(_i);
    event = new_event(SYNCHRONIZATION, true);
    ck_succeeds(query("NtQueryEvent", event, 8));
    ck_assert_uint_eq(info(0), SYNCHRONIZATION);
    ck_assert_uint_eq(info(1), 1);
    ck_succeeds(poll(event));
    ck_status(poll(event), STATUS_TIMEOUT);
    event = new_event(NOTIFICATION, true);
    ck_succeeds(poll(event));
    ck_succeeds(poll(event));
    ck_succeeds(query("NtQueryEvent", event, 8));
    ck_assert_uint_eq(info(0), NOTIFICATION);
}
END_TEST

START_TEST(what_events_refuse)
{
    uint64_t event, only_wait;

    setup(_i);
    REFUSED(&c, STATUS_INVALID_PARAMETER, "NtCreateEvent", caller_slot(&c, HANDLE), ALL, 0, 2, 0);
    REFUSED(&c, STATUS_ACCESS_VIOLATION, "NtCreateEvent", 0, ALL, 0, 0, 0);
    REFUSED(&c, STATUS_INVALID_HANDLE, "NtSetEvent", NO_HANDLE, 0);
    REFUSED(&c, STATUS_OBJECT_TYPE_MISMATCH, "NtSetEvent", new_mutant(false), 0);
    event = new_event(NOTIFICATION, false);
    REFUSED(&c, STATUS_ACCESS_VIOLATION, "NtSetEvent", event, 8);
    ck_status(poll(event), STATUS_TIMEOUT); /* it was not set */
    ck_succeeds(CALL(&c, "NtCreateEvent", caller_slot(&c, HANDLE), SYNCHRONIZE, 0, 0, 0));
    only_wait = caller_get(&c, HANDLE);
    REFUSED(&c, STATUS_ACCESS_DENIED, "NtSetEvent", only_wait, 0);
    REFUSED(&c, STATUS_ACCESS_DENIED, "NtQueryEvent", only_wait, 0, caller_slot(&c, INFO), 8, 0);
    ck_succeeds(CALL(&c, "NtCreateEvent", caller_slot(&c, HANDLE), 2, 0, 0, 1));
    ck_status(poll(caller_get(&c, HANDLE)), STATUS_ACCESS_DENIED);
}
END_TEST

static const struct {
    const char *service;
    uint32_t length;
} queries[] = {
    {"NtQueryEvent", 8}, {"NtQueryMutant", 8}, {"NtQuerySemaphore", 8}, {"NtQueryTimer", 16}};

START_TEST(queries_want_their_class_and_exact_length)
{
    uint64_t handles[COUNT_OF(queries)];

    setup(_i);
    handles[0] = new_event(0, false);
    handles[1] = new_mutant(false);
    ck_succeeds(new_semaphore(1, 1));
    handles[2] = caller_get(&c, HANDLE);
    handles[3] = new_timer(0);
    for (size_t i = 0; i < COUNT_OF(queries); i++) {
        const char *service = queries[i].service;
        uint32_t length = queries[i].length;

        ck_succeeds(query(service, handles[i], length));
        ck_assert_uint_eq(guest_u32(c.p, caller_slot(&c, NEEDED)), length);
        ck_status(query(service, handles[i], length - 1), STATUS_INFO_LENGTH_MISMATCH);
        ck_status(query(service, handles[i], length + 1), STATUS_INFO_LENGTH_MISMATCH);
        REFUSED(&c, STATUS_INVALID_INFO_CLASS, service, handles[i], 1, caller_slot(&c, INFO),
                length, 0);
        ck_status(query(service, handles[(i + 1) % COUNT_OF(queries)], length),
                  STATUS_OBJECT_TYPE_MISMATCH);
        ck_status(CALL(&c, service, handles[i], 0, 0, length, 0), STATUS_ACCESS_VIOLATION);
    }
}
END_TEST

/* ---- Mutants ---------------------------------------------------------------------------------- */

START_TEST(a_mutant_counts_its_owners_waits)
{
    uint64_t mutant;

    setup(_i);
    mutant = new_mutant(true);
    ck_succeeds(poll(mutant));
    ck_succeeds(query("NtQueryMutant", mutant, 8));
    ck_assert_int_eq((int32_t)info(0), -1);
    ck_assert_uint_eq(info(1), 1); /* owned by the caller, not abandoned */
    ck_succeeds(CALL(&c, "NtReleaseMutant", mutant, caller_slot(&c, BEFORE)));
    ck_assert_int_eq((int32_t)before(), -1);
    ck_succeeds(CALL(&c, "NtReleaseMutant", mutant, caller_slot(&c, BEFORE)));
    ck_assert_int_eq((int32_t)before(), 0);
    REFUSED(&c, STATUS_MUTANT_NOT_OWNED, "NtReleaseMutant", mutant, caller_slot(&c, BEFORE));
    ck_succeeds(query("NtQueryMutant", mutant, 8));
    ck_assert_int_eq((int32_t)info(0), 1);
    ck_assert_uint_eq(info(1), 0);
}
END_TEST

START_TEST(only_its_owner_releases_a_mutant)
{
    struct thread *first, *other;
    uint64_t mutant;

    setup(_i);
    first = c.p->threads.on_cpu;
    other = caller_thread(&c);
    mutant = new_mutant(true);
    caller_as(&c, other);
    REFUSED(&c, STATUS_MUTANT_NOT_OWNED, "NtReleaseMutant", mutant, 0);
    ck_status(poll(mutant), STATUS_TIMEOUT);
    ck_succeeds(query("NtQueryMutant", mutant, 8));
    ck_assert_uint_eq(info(1), 0); /* owned, but not by the caller */
    caller_as(&c, first);
    ck_succeeds(CALL(&c, "NtReleaseMutant", mutant, 0));
    caller_as(&c, other);
    ck_succeeds(poll(mutant));
}
END_TEST

START_TEST(an_abandoned_mutant_is_told_once)
{
    struct thread *other;
    uint64_t mutant;

    setup(_i);
    other = caller_thread(&c);
    mutant = new_mutant(false);
    caller_as(&c, other);
    ck_succeeds(poll(mutant));
    caller_as(&c, c.p->threads.list[0]);
    threads_end(other, 0);
    ck_succeeds(query("NtQueryMutant", mutant, 8));
    ck_assert_int_eq((int32_t)info(0), 1);
    ck_assert_uint_eq(info(1), 0x100); /* AbandonedState */
    ck_status(poll(mutant), STATUS_ABANDONED_WAIT_0);
    ck_succeeds(poll(mutant));
    ck_succeeds(query("NtQueryMutant", mutant, 8));
    ck_assert_int_eq((int32_t)info(0), -1);
}
END_TEST

/* Windows' least count; one wait more would be the mutant's release. */
START_TEST(a_mutant_has_a_lowest_count)
{
    struct object *object = NULL;
    uint64_t mutant;

    setup(_i);
    mutant = new_mutant(true);
    ck_succeeds(handles_get(&c.kernel.handles, mutant, &mutant_class, &object));
    ((struct mutant *)object)->count = INT32_MIN + 1;
    ck_succeeds(poll(mutant));
    ck_status(poll(mutant), STATUS_MUTANT_LIMIT_EXCEEDED);
    ck_succeeds(query("NtQueryMutant", mutant, 8));
    ck_assert_int_eq((int32_t)info(0), INT32_MIN);
}
END_TEST

/* ---- Semaphores ------------------------------------------------------------------------------- */

static const struct {
    uint32_t count, maximum;
    nt_status status;
} semaphores[] = {
    {0, 1, STATUS_SUCCESS},
    {1, 1, STATUS_SUCCESS},
    {INT32_MAX, INT32_MAX, STATUS_SUCCESS},
    {0, 0, STATUS_INVALID_PARAMETER},
    {2, 1, STATUS_INVALID_PARAMETER},
    {UINT32_MAX, 1, STATUS_INVALID_PARAMETER},
    {0, UINT32_MAX, STATUS_INVALID_PARAMETER},
};

START_TEST(what_counts_a_semaphore_may_have)
{
    setup(CPU_AMD64);
    ck_status(new_semaphore(semaphores[_i].count, semaphores[_i].maximum), semaphores[_i].status);
}
END_TEST

START_TEST(a_semaphore_gives_as_many_as_it_has)
{
    uint64_t semaphore;

    setup(_i);
    ck_succeeds(new_semaphore(1, 3));
    semaphore = caller_get(&c, HANDLE);
    ck_succeeds(poll(semaphore));
    ck_status(poll(semaphore), STATUS_TIMEOUT);
    ck_succeeds(CALL(&c, "NtReleaseSemaphore", semaphore, 2, caller_slot(&c, BEFORE)));
    ck_assert_uint_eq(before(), 0);
    REFUSED(&c, STATUS_SEMAPHORE_LIMIT_EXCEEDED, "NtReleaseSemaphore", semaphore, 2,
            caller_slot(&c, BEFORE));
    REFUSED(&c, STATUS_SEMAPHORE_LIMIT_EXCEEDED, "NtReleaseSemaphore", semaphore, INT32_MAX, 0);
    REFUSED(&c, STATUS_INVALID_PARAMETER, "NtReleaseSemaphore", semaphore, 0, 0);
    REFUSED(&c, STATUS_INVALID_PARAMETER, "NtReleaseSemaphore", semaphore, UINT32_MAX, 0);
    ck_succeeds(query("NtQuerySemaphore", semaphore, 8));
    ck_assert_uint_eq(info(0), 2);
    ck_assert_uint_eq(info(1), 3);
    ck_succeeds(poll(semaphore));
    ck_succeeds(poll(semaphore));
    ck_status(poll(semaphore), STATUS_TIMEOUT);
}
END_TEST

/* ---- Timers ----------------------------------------------------------------------------------- */

static nt_status set_timer(uint64_t timer, int64_t due, uint32_t period)
{
    return CALL(&c, "NtSetTimer", timer, time_at(TIME, due), 0, 0, 0, period,
                caller_slot(&c, BEFORE));
}

/* Guest time goes on until the timer is due. */
static void sleep_for(int64_t time)
{
    (void)CALL(&c, "NtDelayExecution", 0, time_at(TIME, -time));
    ck_assert_int_eq(process_schedule(c.p), PROCESS_TURN_RUNS);
    ck_succeeds(caller_result(&c, c.p->threads.on_cpu));
}

START_TEST(a_timer_is_signaled_at_its_time)
{
    uint64_t timer;

    setup(_i);
    timer = new_timer(NOTIFICATION);
    ck_status(poll(timer), STATUS_TIMEOUT);
    ck_succeeds(set_timer(timer, -5 * MS, 0));
    ck_status(poll(timer), STATUS_TIMEOUT);
    ck_succeeds(query("NtQueryTimer", timer, 16));
    ck_assert_uint_eq(info(0), 5 * MS);
    ck_assert_uint_eq(info(2), 0);
    sleep_for(6 * MS);
    ck_succeeds(poll(timer));
    ck_succeeds(poll(timer));
    ck_succeeds(query("NtQueryTimer", timer, 16));
    ck_assert_uint_eq(info(0), 0);
    ck_assert_uint_eq(info(2), 1);
    ck_succeeds(set_timer(timer, -5 * MS, 0));
    ck_assert_uint_eq(before() & 0xff, 1);
    ck_status(poll(timer), STATUS_TIMEOUT); /* setting takes the signal away */
}
END_TEST

START_TEST(a_periodic_timer_keeps_its_beat)
{
    uint64_t timer;

    setup(_i);
    timer = new_timer(SYNCHRONIZATION);
    ck_succeeds(set_timer(timer, -10 * MS, 20));
    sleep_for(11 * MS);
    ck_succeeds(poll(timer));
    ck_status(poll(timer), STATUS_TIMEOUT);
    ck_succeeds(query("NtQueryTimer", timer, 16));
    ck_assert_uint_eq(info(0), 19 * MS);
    sleep_for(69 * MS); /* three beats, of which one is kept; now at 80 */
    ck_succeeds(poll(timer));
    ck_status(poll(timer), STATUS_TIMEOUT);
    ck_succeeds(query("NtQueryTimer", timer, 16));
    ck_assert_uint_eq(info(0), 10 * MS);
}
END_TEST

START_TEST(a_cancelled_timer_never_comes)
{
    uint64_t timer;

    setup(_i);
    timer = new_timer(NOTIFICATION);
    ck_succeeds(set_timer(timer, -5 * MS, 5));
    ck_succeeds(CALL(&c, "NtCancelTimer", timer, caller_slot(&c, BEFORE)));
    ck_assert_uint_eq(before() & 0xff, 0);
    sleep_for(20 * MS);
    ck_status(poll(timer), STATUS_TIMEOUT);
    ck_succeeds(set_timer(timer, 0, 0)); /* long ago */
    ck_succeeds(CALL(&c, "NtCancelTimer", timer, caller_slot(&c, BEFORE)));
    ck_assert_uint_eq(before() & 0xff, 1);
    ck_succeeds(poll(timer)); /* cancelling leaves the signal */
}
END_TEST

START_TEST(what_timers_refuse)
{
    uint64_t timer;

    setup(_i);
    REFUSED(&c, STATUS_INVALID_PARAMETER_4, "NtCreateTimer", caller_slot(&c, HANDLE), ALL, 0, 2);
    timer = new_timer(NOTIFICATION);
    REFUSED(&c, STATUS_INVALID_PARAMETER_6, "NtSetTimer", timer, time_at(TIME, 0), 0, 0, 0,
            0x80000000u, 0);
    REFUSED(&c, STATUS_ACCESS_VIOLATION, "NtSetTimer", timer, 0, 0, 0, 0, 0, 0);
    REFUSED(&c, STATUS_ACCESS_VIOLATION, "NtCancelTimer", timer, 8);
    REFUSED(&c, STATUS_INVALID_HANDLE, "NtCancelTimer", NO_HANDLE, 0);
}
END_TEST

/* ---- Names ------------------------------------------------------------------------------------ */

#define PLACE "\\BaseNamedObjects\\"

static gva_t named(const char *name, uint32_t flags)
{
    return caller_attributes(&c, NAME, 0, name, flags);
}

static nt_status create_named(const char *name, uint32_t flags)
{
    return CALL(&c, "NtCreateEvent", caller_slot(&c, HANDLE), ALL, named(name, flags), 0, 1);
}

/* A name of so many bytes, which lies so far behind where it should. */
static nt_status create_crooked(uint64_t length, gva_t shift)
{
    gva_t at = caller_attributes(&c, NAME, 0, "\\BaseNamedObjects\\n", 0), text = 0;
    gva_t string = caller_slot(&c, NAME + 1);

    ck_succeeds(guest_get(c.p, string, NT_STRING_BUFFER, &text));
    ck_succeeds(guest_put(c.p, string, NT_STRING_BUFFER, text + shift));
    ck_succeeds(guest_put(c.p, string, NT_STRING_LENGTH, length));
    return CALL(&c, "NtCreateEvent", caller_slot(&c, HANDLE), ALL, at, 0, 0);
}

START_TEST(names_that_are_none)
{
    setup(_i);
    ck_status(create_crooked(39, 0), STATUS_OBJECT_NAME_INVALID);
    ck_status(create_crooked(39, 1), STATUS_DATATYPE_MISALIGNMENT);
    ck_status(create_crooked(38, 1), STATUS_DATATYPE_MISALIGNMENT);
    ck_succeeds(create_crooked(0, 1)); /* it is not read */
    ck_succeeds(create_crooked(38, 0));
}
END_TEST

START_TEST(one_object_has_a_name)
{
    uint64_t first;

    setup(_i);
    ck_succeeds(create_named(PLACE "n", 0));
    first = caller_get(&c, HANDLE);
    ck_status(create_named(PLACE "n", 0), STATUS_OBJECT_NAME_COLLISION);
    ck_status(create_named(PLACE "n", OBJ_OPENIF), STATUS_OBJECT_NAME_EXISTS);
    ck_assert_uint_ne(caller_get(&c, HANDLE), first);
    ck_succeeds(CALL(&c, "NtResetEvent", caller_get(&c, HANDLE), 0));
    ck_status(poll(first), STATUS_TIMEOUT);
    ck_succeeds(CALL(&c, "NtOpenEvent", caller_slot(&c, HANDLE), ALL, named(PLACE "n", 0)));
    ck_status(CALL(&c, "NtOpenMutant", caller_slot(&c, HANDLE), ALL, named(PLACE "n", 0)),
              STATUS_OBJECT_TYPE_MISMATCH);
    ck_status(CALL(&c, "NtCreateSemaphore", caller_slot(&c, HANDLE), ALL,
                   named(PLACE "n", OBJ_OPENIF), 0, 1),
              STATUS_OBJECT_TYPE_MISMATCH);
}
END_TEST

START_TEST(a_name_goes_with_the_last_handle)
{
    uint64_t first;

    setup(_i);
    ck_succeeds(create_named(PLACE "n", 0));
    first = caller_get(&c, HANDLE);
    ck_succeeds(CALL(&c, "NtOpenEvent", caller_slot(&c, HANDLE), ALL, named(PLACE "n", 0)));
    ck_succeeds(CALL(&c, "NtClose", first));
    ck_succeeds(CALL(&c, "NtClose", caller_get(&c, HANDLE)));
    ck_status(CALL(&c, "NtOpenEvent", caller_slot(&c, HANDLE), ALL, named(PLACE "n", 0)),
              STATUS_OBJECT_NAME_NOT_FOUND);
}
END_TEST

START_TEST(what_is_no_name)
{
    setup(_i);
    ck_status(create_named("relative", 0), STATUS_OBJECT_PATH_SYNTAX_BAD);
    ck_status(CALL(&c, "NtOpenEvent", caller_slot(&c, HANDLE), ALL, named(NULL, 0)),
              STATUS_OBJECT_PATH_SYNTAX_BAD);
    ck_status(CALL(&c, "NtCreateEvent", caller_slot(&c, HANDLE), ALL,
                   caller_attributes(&c, NAME, NO_HANDLE, "n", 0), 0, 1),
              STATUS_INVALID_HANDLE);
    ck_succeeds(guest_put_number(c.p, named(PLACE "n", 0), 4, 1)); /* Length */
    ck_status(CALL(&c, "NtCreateEvent", caller_slot(&c, HANDLE), ALL, caller_slot(&c, NAME), 0, 1),
              STATUS_INVALID_PARAMETER);
    REFUSED(&c, STATUS_ACCESS_VIOLATION, "NtCreateEvent", caller_slot(&c, HANDLE), ALL, 8, 0, 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("serve_sync");
    TCase *tc = tcase_create("serve_sync");

    tcase_add_checked_fixture(tc, NULL, teardown);
    tcase_add_loop_test(tc, events_say_what_they_were, 0, 2);
    tcase_add_loop_test(tc, a_wait_takes_the_signal_of_a_synchronization_event, 0, 2);
    tcase_add_loop_test(tc, what_events_refuse, 0, 2);
    tcase_add_loop_test(tc, queries_want_their_class_and_exact_length, 0, 2);
    tcase_add_loop_test(tc, a_mutant_counts_its_owners_waits, 0, 2);
    tcase_add_loop_test(tc, only_its_owner_releases_a_mutant, 0, 2);
    tcase_add_loop_test(tc, an_abandoned_mutant_is_told_once, 0, 2);
    tcase_add_loop_test(tc, a_mutant_has_a_lowest_count, 0, 2);
    tcase_add_loop_test(tc, what_counts_a_semaphore_may_have, 0, COUNT_OF(semaphores));
    tcase_add_loop_test(tc, a_semaphore_gives_as_many_as_it_has, 0, 2);
    tcase_add_loop_test(tc, a_timer_is_signaled_at_its_time, 0, 2);
    tcase_add_loop_test(tc, a_periodic_timer_keeps_its_beat, 0, 2);
    tcase_add_loop_test(tc, a_cancelled_timer_never_comes, 0, 2);
    tcase_add_loop_test(tc, what_timers_refuse, 0, 2);
    tcase_add_loop_test(tc, one_object_has_a_name, 0, 2);
    tcase_add_loop_test(tc, a_name_goes_with_the_last_handle, 0, 2);
    tcase_add_loop_test(tc, what_is_no_name, 0, 2);
    tcase_add_loop_test(tc, names_that_are_none, 0, 2);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
