/*
 * The services that wait, called as a guest calls them: what they refuse, alerts by thread id, keyed events, giving the
 * turn away. What ends a wait is check_waits.c's. _i is the architecture.
 */
#include <check.h>

#include "nt/guest.h"
#include "nt/sync.h"
#include "nt/threads.h"
#include "process_builder.h"
#include "service_caller.h"
#include "suite.h"
#include "vm_builder.h"

#define ALL       0x1f0003u
#define KEYED_ALL 0x1f0003u
#define MS        INT64_C(10000) /* in units of 100 ns */
#define NO_HANDLE UINT64_C(0x400)

enum { WAIT_ALL, WAIT_ANY };                        /* WAIT_TYPE */
enum { HANDLE, TIME, LIST, NAME = LIST + 5, TEXT }; /* slots; the list takes five */

static struct caller c;
static struct thread *first, *other;

static void setup(int arch)
{
    caller_init(&c, (enum cpu_arch)arch, NULL, 0);
    first = c.p->threads.on_cpu;
    other = caller_thread(&c);
    c.machine->slice_end = WAIT_FOREVER;
}

static void teardown(void)
{
    caller_fini(&c);
}

static gva_t timeout(int64_t value)
{
    ck_succeeds(guest_put_number(c.p, caller_slot(&c, TIME), 8, (uint64_t)value));
    return caller_slot(&c, TIME);
}

static uint64_t new_event(uint32_t access, bool automatic, bool signaled)
{
    ck_succeeds(CALL(&c, "NtCreateEvent", caller_slot(&c, HANDLE), access, 0, automatic, signaled));
    return caller_get(&c, HANDLE);
}

/* A handle in the list. */
static gva_t list(unsigned i, uint64_t handle)
{
    ck_succeeds(
        guest_put_pointer(c.p, caller_slot(&c, LIST) + (gva_t)i * nt_pointer(c.p->arch), handle));
    return caller_slot(&c, LIST);
}

/* Who is on the CPU calls, and has to wait. */
#define WAITS(service, ...)                                                                        \
    do {                                                                                           \
        (void)CALL(&c, service, __VA_ARGS__);                                                      \
        ck_assert(c.p->threads.on_cpu->wait.kind != WAIT_NOTHING);                                 \
    } while (0)

START_TEST(what_a_wait_for_one_refuses)
{
    setup(_i);
    REFUSED(&c, STATUS_INVALID_HANDLE, "NtWaitForSingleObject", NO_HANDLE, 0, 0);
    REFUSED(&c, STATUS_ACCESS_DENIED, "NtWaitForSingleObject", new_event(3, false, true), 0, 0);
    REFUSED(&c, STATUS_ACCESS_VIOLATION, "NtWaitForSingleObject", new_event(ALL, false, true), 0,
            8);
    ck_succeeds(guest_put_number(c.p, caller_slot(&c, NAME), 8, 0x1000));
    ck_succeeds(CALL(&c, "NtCreateSection", caller_slot(&c, HANDLE), UINT32_MAX, 0,
                     caller_slot(&c, NAME), PAGE_READWRITE, SEC_COMMIT, 0));
    REFUSED(&c, STATUS_OBJECT_TYPE_MISMATCH, "NtWaitForSingleObject", caller_get(&c, HANDLE), 0, 0);
    ck_succeeds(CALL(&c, "NtWaitForSingleObject", new_event(0x100000, false, true), 0, 0));
}
END_TEST

START_TEST(what_a_wait_for_many_refuses)
{
    uint64_t event;
    gva_t page;

    setup(_i);
    event = new_event(ALL, false, true);
    (void)list(0, event);
    (void)list(1, event);
    REFUSED(&c, STATUS_INVALID_PARAMETER_1, "NtWaitForMultipleObjects", 0, list(0, event), WAIT_ANY,
            0, 0);
    REFUSED(&c, STATUS_INVALID_PARAMETER_1, "NtWaitForMultipleObjects", WAIT_OBJECTS_MAX + 1,
            list(0, event), WAIT_ANY, 0, 0);
    REFUSED(&c, STATUS_INVALID_PARAMETER_3, "NtWaitForMultipleObjects", 1, list(0, event), 2, 0, 0);
    REFUSED(&c, STATUS_INVALID_PARAMETER_MIX, "NtWaitForMultipleObjects", 2, list(0, event),
            WAIT_ALL, 0, 0);
    ck_succeeds(CALL(&c, "NtWaitForMultipleObjects", 2, list(0, event), WAIT_ANY, 0, 0));
    REFUSED(&c, STATUS_INVALID_HANDLE, "NtWaitForMultipleObjects", 2, list(1, NO_HANDLE), WAIT_ANY,
            0, 0);
    page = build_committed(c.vm, 0, 0x1000);
    ck_succeeds(try_allocate(c.vm, page + 0x10000, 0x1000, MEM_RESERVE, PAGE_NOACCESS));
    REFUSED(&c, STATUS_ACCESS_VIOLATION, "NtWaitForMultipleObjects", 1, page + 0x10000, WAIT_ANY, 0,
            0);
}
END_TEST

START_TEST(as_many_as_windows_allows)
{
    uint64_t last = 0;

    setup(_i);
    for (unsigned i = 0; i < WAIT_OBJECTS_MAX; i++) {
        last = new_event(ALL, true, i + 1 == WAIT_OBJECTS_MAX);
        (void)list(i, last);
    }
    ck_assert_uint_eq(
        CALL(&c, "NtWaitForMultipleObjects", WAIT_OBJECTS_MAX, list(0, 4), WAIT_ANY, 0, timeout(0)),
        WAIT_OBJECTS_MAX - 1);
    ck_status(
        CALL(&c, "NtWaitForMultipleObjects", WAIT_OBJECTS_MAX, list(0, 4), WAIT_ANY, 0, timeout(0)),
        STATUS_TIMEOUT);
}
END_TEST

START_TEST(pseudo_handles_can_be_waited_for)
{
    setup(_i);
    ck_status(CALL(&c, "NtWaitForSingleObject", HANDLE_CURRENT_THREAD, 0, timeout(0)),
              STATUS_TIMEOUT);
    ck_status(CALL(&c, "NtWaitForMultipleObjects", 1, list(0, HANDLE_CURRENT_THREAD), WAIT_ANY, 0,
                   timeout(0)),
              STATUS_TIMEOUT);
    ck_status(CALL(&c, "NtWaitForSingleObject", HANDLE_CURRENT_PROCESS, 0, timeout(0)),
              STATUS_TIMEOUT);
}
END_TEST

START_TEST(signal_and_wait_is_one_step)
{
    uint64_t wake, wait, semaphore;

    setup(_i);
    wake = new_event(ALL, true, false);
    wait = new_event(ALL, true, false);
    caller_as(&c, other);
    WAITS("NtWaitForSingleObject", wake, 0, 0);
    caller_as(&c, first);
    WAITS("NtSignalAndWaitForSingleObject", wake, wait, 0, 0);
    ck_succeeds(caller_result(&c, other));
    ck_succeeds(CALL(&c, "NtSetEvent", wait, 0));
    ck_succeeds(caller_result(&c, first));
    ck_succeeds(CALL(&c, "NtCreateSemaphore", caller_slot(&c, HANDLE), ALL, 0, 1, 1));
    semaphore = caller_get(&c, HANDLE);
    REFUSED(&c, STATUS_SEMAPHORE_LIMIT_EXCEEDED, "NtSignalAndWaitForSingleObject", semaphore, wait,
            0, 0);
    ck_succeeds(CALL(&c, "NtCreateTimer", caller_slot(&c, HANDLE), ALL, 0, 0));
    REFUSED(&c, STATUS_OBJECT_TYPE_MISMATCH, "NtSignalAndWaitForSingleObject",
            caller_get(&c, HANDLE), wait, 0, 0);
    REFUSED(&c, STATUS_INVALID_HANDLE, "NtSignalAndWaitForSingleObject", wake, NO_HANDLE, 0, 0);
    ck_status(CALL(&c, "NtWaitForSingleObject", wake, 0, timeout(0)), STATUS_TIMEOUT);
    ck_succeeds(CALL(&c, "NtCreateMutant", caller_slot(&c, HANDLE), ALL, 0, 0));
    REFUSED(&c, STATUS_MUTANT_NOT_OWNED, "NtSignalAndWaitForSingleObject", caller_get(&c, HANDLE),
            wait, 0, 0);
}
END_TEST

/* ---- Time ------------------------------------------------------------------------------------- */

START_TEST(a_delay_passes_and_says_so)
{
    uint64_t start;

    setup(_i);
    start = clock_now(c.p->clock).interrupt;
    threads_end(other, 0);
    WAITS("NtDelayExecution", 0, timeout(-30 * MS));
    ck_assert_int_eq(process_schedule(c.p), PROCESS_TURN_RUNS);
    ck_succeeds(caller_result(&c, first));
    ck_assert_uint_ge(clock_now(c.p->clock).interrupt, start + 30 * MS);
    ck_succeeds(CALL(&c, "NtDelayExecution", 0, timeout(0)));
    REFUSED(&c, STATUS_ACCESS_VIOLATION, "NtDelayExecution", 0, 8);
}
END_TEST

START_TEST(an_alertable_delay_is_ended_by_an_alert)
{
    setup(_i);
    WAITS("NtDelayExecution", 1, 0);
    caller_as(&c, other);
    ck_succeeds(CALL(&c, "NtCreateEvent", caller_slot(&c, HANDLE), ALL, 0, 0, 0));
    ck_succeeds(handles_put(&c.kernel.handles, &first->object, UINT32_MAX, 0x80));
    ck_succeeds(CALL(&c, "NtAlertThread", 0x80));
    ck_status(caller_result(&c, first), STATUS_ALERTED);
    ck_succeeds(CALL(&c, "NtAlertThread", 0x80)); /* kept for the next alertable wait */
    caller_as(&c, first);
    ck_status(CALL(&c, "NtDelayExecution", 1, timeout(-MS)), STATUS_ALERTED);
}
END_TEST

START_TEST(yielding_says_whether_anybody_wants_the_turn)
{
    setup(_i);
    ck_succeeds(CALL(&c, "NtYieldExecution"));
    ck_assert_uint_eq(c.machine->slice_end, 0);
    other->suspended = 1;
    ck_status(CALL(&c, "NtYieldExecution"), STATUS_NO_YIELD_PERFORMED);
}
END_TEST

/* ---- Alerts by thread id ---------------------------------------------------------------------- */

START_TEST(one_alert_is_remembered)
{
    setup(_i);
    ck_status(CALL(&c, "NtAlertThreadByThreadId", 12345), STATUS_INVALID_CID);
    ck_succeeds(CALL(&c, "NtAlertThreadByThreadId", first->info.tid));
    ck_succeeds(CALL(&c, "NtAlertThreadByThreadId", first->info.tid));
    ck_status(CALL(&c, "NtWaitForAlertByThreadId", 0x1234, timeout(0)), STATUS_ALERTED);
    ck_status(CALL(&c, "NtWaitForAlertByThreadId", 0x1234, timeout(0)), STATUS_TIMEOUT);
    WAITS("NtWaitForAlertByThreadId", 0x1234, 0);
    caller_as(&c, other);
    ck_succeeds(CALL(&c, "NtAlertThreadByThreadId", first->info.tid));
    ck_status(caller_result(&c, first), STATUS_ALERTED);
    ck_status(CALL(&c, "NtWaitForAlertByThreadId", 0x1234, timeout(0)), STATUS_TIMEOUT);
}
END_TEST

/* ---- Keyed events ----------------------------------------------------------------------------- */

START_TEST(who_waits_and_who_releases_meet_by_key)
{
    uint64_t event;

    setup(_i);
    ck_succeeds(CALL(&c, "NtCreateKeyedEvent", caller_slot(&c, HANDLE), KEYED_ALL, 0, 0));
    event = caller_get(&c, HANDLE);
    WAITS("NtWaitForKeyedEvent", event, 0x100, 0, 0);
    caller_as(&c, other);
    ck_status(CALL(&c, "NtReleaseKeyedEvent", event, 0x102, 0, timeout(0)), STATUS_TIMEOUT);
    ck_status(CALL(&c, "NtReleaseKeyedEvent", 0, 0x100, 0, timeout(0)), STATUS_TIMEOUT);
    ck_succeeds(CALL(&c, "NtReleaseKeyedEvent", event, 0x100, 0, 0));
    ck_succeeds(caller_result(&c, first));
    WAITS("NtReleaseKeyedEvent", 0, 0x200, 0, 0); /* the process's own */
    caller_as(&c, other);
    ck_succeeds(CALL(&c, "NtWaitForKeyedEvent", 0, 0x200, 0, 0));
    ck_succeeds(caller_result(&c, first));
}
END_TEST

START_TEST(what_keyed_events_refuse)
{
    setup(_i);
    REFUSED(&c, STATUS_INVALID_PARAMETER_4, "NtCreateKeyedEvent", caller_slot(&c, HANDLE),
            KEYED_ALL, 0, 1);
    REFUSED(&c, STATUS_INVALID_PARAMETER_1, "NtWaitForKeyedEvent", 0, 0x101, 0, 0);
    REFUSED(&c, STATUS_INVALID_PARAMETER_1, "NtReleaseKeyedEvent", NO_HANDLE, 0x101, 0, 0);
    REFUSED(&c, STATUS_INVALID_HANDLE, "NtReleaseKeyedEvent", NO_HANDLE, 0x100, 0, 0);
    REFUSED(&c, STATUS_OBJECT_TYPE_MISMATCH, "NtWaitForKeyedEvent", new_event(ALL, false, false),
            0x100, 0, 0);
    ck_succeeds(CALL(&c, "NtCreateKeyedEvent", caller_slot(&c, HANDLE), 1, 0, 0));
    REFUSED(&c, STATUS_ACCESS_DENIED, "NtReleaseKeyedEvent", caller_get(&c, HANDLE), 0x100, 0, 0);
    REFUSED(&c, STATUS_ACCESS_VIOLATION, "NtWaitForKeyedEvent", 0, 0x100, 0, 8);
    ck_succeeds(CALL(&c, "NtCreateKeyedEvent", caller_slot(&c, HANDLE), KEYED_ALL,
                     caller_attributes(&c, NAME, 0, "\\KernelObjects\\k", 0), 0));
    ck_succeeds(CALL(&c, "NtWaitForSingleObject", caller_get(&c, HANDLE), 0, 0));
    ck_succeeds(
        CALL(&c, "NtOpenKeyedEvent", caller_slot(&c, HANDLE), KEYED_ALL, caller_slot(&c, NAME)));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("serve_wait");
    TCase *tc = tcase_create("serve_wait");

    tcase_add_checked_fixture(tc, NULL, teardown);
    tcase_add_loop_test(tc, what_a_wait_for_one_refuses, 0, 2);
    tcase_add_loop_test(tc, what_a_wait_for_many_refuses, 0, 2);
    tcase_add_loop_test(tc, as_many_as_windows_allows, 0, 2);
    tcase_add_loop_test(tc, pseudo_handles_can_be_waited_for, 0, 2);
    tcase_add_loop_test(tc, signal_and_wait_is_one_step, 0, 2);
    tcase_add_loop_test(tc, a_delay_passes_and_says_so, 0, 2);
    tcase_add_loop_test(tc, an_alertable_delay_is_ended_by_an_alert, 0, 2);
    tcase_add_loop_test(tc, yielding_says_whether_anybody_wants_the_turn, 0, 2);
    tcase_add_loop_test(tc, one_alert_is_remembered, 0, 2);
    tcase_add_loop_test(tc, who_waits_and_who_releases_meet_by_key, 0, 2);
    tcase_add_loop_test(tc, what_keyed_events_refuse, 0, 2);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
