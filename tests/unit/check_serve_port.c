/*
 * Completion ports through their services: packets in their order, one or many at a time, who waits for them, and what
 * is refused. _i is the architecture.
 */
#include <check.h>

#include "alloc_fail.h"
#include "nt/guest.h"
#include "nt/ports.h"
#include "nt/threads.h"
#include "process_builder.h"
#include "service_caller.h"
#include "suite.h"
#include "vm_builder.h"

#define ALL       0x1f0003u
#define NO_HANDLE UINT64_C(0x400)

enum { HANDLE, TIME, KEY, VALUE, IO, TAKEN, INFO, ENTRIES, NAME = ENTRIES + 2 };

static struct caller c;
static uint64_t port;

static void setup(int arch)
{
    caller_init(&c, (enum cpu_arch)arch, NULL, 0);
    ck_succeeds(CALL(&c, "NtCreateIoCompletion", caller_slot(&c, HANDLE), ALL, 0, 0));
    port = caller_get(&c, HANDLE);
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

static nt_status post(uint64_t key)
{
    return CALL(&c, "NtSetIoCompletion", port, key, key + 1, 0x80000005u, key + 2);
}

static nt_status take(gva_t until)
{
    return CALL(&c, "NtRemoveIoCompletion", port, caller_slot(&c, KEY), caller_slot(&c, VALUE),
                caller_slot(&c, IO), until);
}

static nt_status take_many(gva_t list, uint32_t room, gva_t until, bool alertable)
{
    return CALL(&c, "NtRemoveIoCompletionEx", port, list, room, caller_slot(&c, TAKEN), until,
                alertable);
}

static void ck_one(uint64_t key)
{
    ck_assert_uint_eq(caller_get(&c, KEY), key);
    ck_assert_uint_eq(caller_get(&c, VALUE), key + 1);
    ck_assert_uint_eq(guest_u32(c.p, caller_slot(&c, IO)), 0x80000005u);
    ck_assert_uint_eq(guest_word(c.p, caller_slot(&c, IO) + nt_pointer(c.p->arch)), key + 2);
}

/* FILE_IO_COMPLETION_INFORMATION number i of the list. */
static void ck_entry(unsigned i, uint64_t key)
{
    gva_t pointer = nt_pointer(c.p->arch), at = caller_slot(&c, ENTRIES) + 4 * pointer * i;

    ck_assert_uint_eq(guest_word(c.p, at), key);
    ck_assert_uint_eq(guest_word(c.p, at + pointer), key + 1);
    ck_assert_uint_eq(guest_u32(c.p, at + 2 * pointer), 0x80000005u);
    ck_assert_uint_eq(guest_word(c.p, at + 3 * pointer), key + 2);
}

START_TEST(packets_come_in_their_order)
{
    setup(_i);
    ck_succeeds(post(10));
    ck_succeeds(post(20));
    ck_succeeds(CALL(&c, "NtQueryIoCompletion", port, 0, caller_slot(&c, INFO), 4, 0));
    ck_assert_uint_eq(guest_u32(c.p, caller_slot(&c, INFO)), 2);
    ck_succeeds(take(timeout(0)));
    ck_one(10);
    ck_succeeds(take(timeout(0)));
    ck_one(20);
    ck_status(take(timeout(0)), STATUS_TIMEOUT);
    ck_succeeds(post(30));
    ck_succeeds(take(0));
    ck_one(30);
}
END_TEST

START_TEST(many_are_taken_at_once_as_far_as_there_is_room)
{
    setup(_i);
    for (uint64_t i = 1; i <= 5; i++)
        ck_succeeds(post(10 * i));
    ck_succeeds(take_many(caller_slot(&c, ENTRIES), 3, 0, false));
    ck_assert_uint_eq(guest_u32(c.p, caller_slot(&c, TAKEN)), 3);
    for (unsigned i = 0; i < 3; i++)
        ck_entry(i, 10 * (i + 1));
    ck_succeeds(take_many(caller_slot(&c, ENTRIES), 8, 0, false));
    ck_assert_uint_eq(guest_u32(c.p, caller_slot(&c, TAKEN)), 2);
    ck_entry(1, 50);
    ck_status(take_many(caller_slot(&c, ENTRIES), 8, timeout(0), false), STATUS_TIMEOUT);
}
END_TEST

START_TEST(each_packet_wakes_one_who_waits)
{
    struct thread *first, *other;

    setup(_i);
    first = c.p->threads.on_cpu;
    other = caller_thread(&c);
    caller_as(&c, other);
    (void)take(0);
    ck_assert_int_eq(other->wait.kind, WAIT_PORT);
    caller_as(&c, first);
    ck_succeeds(post(10));
    ck_succeeds(caller_result(&c, other));
    ck_one(10);
    ck_status(CALL(&c, "NtWaitForSingleObject", port, 0, timeout(0)), STATUS_TIMEOUT);
    caller_as(&c, first);
    ck_succeeds(CALL(&c, "NtSetIoCompletionEx", port, 0, 10, 11, 0x80000005u, 12));
    ck_succeeds(CALL(&c, "NtWaitForSingleObject", port, 0, timeout(0)));
    ck_succeeds(take(timeout(0)));
    ck_one(10);
}
END_TEST

START_TEST(an_alertable_wait_for_packets_is_ended_by_an_alert)
{
    struct thread *first;

    setup(_i);
    first = c.p->threads.on_cpu;
    first->alerted = true;
    ck_status(take_many(caller_slot(&c, ENTRIES), 1, 0, true), STATUS_ALERTED);
    first->alerted = true;
    ck_status(take_many(caller_slot(&c, ENTRIES), 1, timeout(0), false), STATUS_TIMEOUT);
    ck_assert(first->alerted);
}
END_TEST

START_TEST(a_port_that_is_full_says_so)
{
    nt_status st = STATUS_SUCCESS;
    unsigned n = 0;

    setup(_i);
    while (!st) {
        st = post(n);
        n++;
    }
    ck_status(st, STATUS_INSUFFICIENT_RESOURCES);
    ck_assert_uint_eq(n - 1, PORT_PACKETS_MAX);
    ck_succeeds(take(timeout(0)));
    ck_succeeds(post(n));
}
END_TEST

START_TEST(without_memory_there_is_no_packet)
{
    static const struct packet packet = {.key = 1};
    struct object *object = NULL;
    nt_status st;

    setup(CPU_AMD64);
    ck_succeeds(handles_get(&c.kernel.handles, port, &port_class, &object));
    ALLOC_FAIL_EACH(st, port_post(c.p, (struct port *)object, &packet), STATUS_NO_MEMORY,
                    STATUS_SUCCESS);
    ck_assert_uint_eq(((struct port *)object)->count, 1);
}
END_TEST

START_TEST(what_ports_refuse)
{
    gva_t gone;

    setup(_i);
    gone = build_memory(c.vm, 0, 0x1000, MEM_RESERVE, PAGE_NOACCESS);
    ck_succeeds(post(10));
    REFUSED(&c, STATUS_INVALID_HANDLE, "NtSetIoCompletion", NO_HANDLE, 1, 2, 3, 4);
    REFUSED(&c, STATUS_ACCESS_VIOLATION, "NtRemoveIoCompletion", port, gone, caller_slot(&c, VALUE),
            caller_slot(&c, IO), 0);
    REFUSED(&c, STATUS_ACCESS_VIOLATION, "NtRemoveIoCompletion", port, caller_slot(&c, KEY),
            caller_slot(&c, VALUE), gone, 0);
    REFUSED(&c, STATUS_ACCESS_VIOLATION, "NtRemoveIoCompletionEx", port, gone, 1,
            caller_slot(&c, TAKEN), 0, 0);
    REFUSED(&c, STATUS_INVALID_PARAMETER, "NtRemoveIoCompletionEx", port, caller_slot(&c, ENTRIES),
            0, caller_slot(&c, TAKEN), 0, 0);
    REFUSED(&c, STATUS_INVALID_PARAMETER, "NtRemoveIoCompletionEx", port, 0, 1,
            caller_slot(&c, TAKEN), 0, 0);
    REFUSED(&c, STATUS_ACCESS_VIOLATION, "NtRemoveIoCompletionEx", port, caller_slot(&c, ENTRIES),
            UINT32_MAX, caller_slot(&c, TAKEN), 0, 0);
    REFUSED(&c, STATUS_INVALID_INFO_CLASS, "NtQueryIoCompletion", port, 1, caller_slot(&c, INFO), 4,
            0);
    REFUSED(&c, STATUS_INFO_LENGTH_MISMATCH, "NtQueryIoCompletion", port, 0, caller_slot(&c, INFO),
            3, 0);
    ck_succeeds(take(timeout(0))); /* the packet is still there */
    ck_one(10);
    ck_succeeds(CALL(&c, "NtCreateIoCompletion", caller_slot(&c, HANDLE), 1,
                     caller_attributes(&c, NAME, 0, "\\BaseNamedObjects\\p", 0), 0));
    REFUSED(&c, STATUS_ACCESS_DENIED, "NtSetIoCompletion", caller_get(&c, HANDLE), 1, 2, 3, 4);
    ck_succeeds(
        CALL(&c, "NtOpenIoCompletion", caller_slot(&c, HANDLE), ALL, caller_slot(&c, NAME)));
    ck_succeeds(CALL(&c, "NtSetIoCompletion", caller_get(&c, HANDLE), 1, 2, 3, 4));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("serve_port");
    TCase *tc = tcase_create("serve_port");

    tcase_add_checked_fixture(tc, NULL, teardown);
    tcase_add_loop_test(tc, packets_come_in_their_order, 0, 2);
    tcase_add_loop_test(tc, many_are_taken_at_once_as_far_as_there_is_room, 0, 2);
    tcase_add_loop_test(tc, each_packet_wakes_one_who_waits, 0, 2);
    tcase_add_loop_test(tc, an_alertable_wait_for_packets_is_ended_by_an_alert, 0, 2);
    tcase_add_loop_test(tc, a_port_that_is_full_says_so, 0, 2);
    tcase_add_test(tc, without_memory_there_is_no_packet);
    tcase_add_loop_test(tc, what_ports_refuse, 0, 2);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
