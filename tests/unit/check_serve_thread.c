/*
 * Services about threads, called as a guest calls them: making, ending, opening, suspending, alerting, registers, what
 * each information class tells. _i is the architecture. The list itself is check_threads.c's.
 */
#include <check.h>

#include "nt/apcs.h"
#include "nt/context.h"
#include "nt/guest.h"
#include "nt/threads.h"
#include "process_builder.h"
#include "service_caller.h"
#include "suite.h"
#include "vm_builder.h"

#define ALL       0x1fffffu
#define NO_HANDLE UINT64_C(0x400)
#define START     UINT64_C(0x12340)
#define ARGUMENT  UINT64_C(0x5678)
#define LOADER    UINT64_C(0x41000)

#define THREAD_START (LOADER + 0x100)

enum { SUSPENDED = 1 }; /* CREATE_SUSPENDED */
enum { HANDLE, BEFORE, NEEDED, INFO, TEXT = INFO + 1, TIME, RAW, LAST = RAW + 10 };
enum {
    BASIC = 0,
    BASE_PRIORITY = 3,
    START_ADDRESS = 9,
    IS_LAST = 12,
    IS_TERMINATED = 20,
    SUSPEND_COUNT = 35,
    NAME = 38,
};

static struct caller c;
static struct thread *first;

static void setup(int arch)
{
    caller_init(&c, (enum cpu_arch)arch, NULL, 0);
    c.kernel.entry_points.start = LOADER;
    c.kernel.entry_points.thread = THREAD_START;
    first = c.p->threads.on_cpu;
}

static void teardown(void)
{
    caller_fini(&c);
}

static nt_status create(uint32_t flags, uint64_t commit, uint64_t reserve, gva_t attributes)
{
    return CALL(&c, "NtCreateThreadEx", caller_slot(&c, HANDLE), ALL, 0, THIS_PROCESS, START,
                ARGUMENT, flags, 0, commit, reserve, attributes);
}

/* A thread of the guest's. */
static struct thread *made(uint32_t flags)
{
    ck_succeeds(create(flags, 0, 0, 0));
    return c.p->threads.list[c.p->threads.count - 1];
}

static uint64_t handle_to(struct thread *thread, uint32_t access)
{
    uint64_t handle = 0;

    ck_succeeds(handles_add(&c.kernel.handles, &thread->object, access, &handle));
    return handle;
}

static nt_status query(uint64_t handle, uint32_t class, uint32_t length)
{
    return CALL(&c, "NtQueryInformationThread", handle, class, caller_slot(&c, INFO), length,
                caller_slot(&c, NEEDED));
}

static uint32_t before(void)
{
    return guest_u32(c.p, caller_slot(&c, BEFORE));
}

/* ---- Making and ending ------------------------------------------------------------------------ */

START_TEST(a_thread_gets_stack_and_teb_and_begins_in_the_loader)
{
    struct thread *thread;
    struct vm_region stack;

    setup(_i);
    thread = made(0);
    ck_assert(threads_is_ready(thread));
    ck_assert_uint_ne(thread->info.teb, first->info.teb);
    threads_load(thread);
    ck_assert_uint_eq(cpu_get(c.p->cpu, CPU_RIP), THREAD_START); /* what others see */
    ck_assert(thread->begins);
    ck_assert(start_begin(thread));
    ck_assert_uint_eq(cpu_get(c.p->cpu, CPU_RIP), LOADER);
    stack = region_at(c.vm, cpu_get(c.p->cpu, CPU_RSP));
    ck_assert_uint_eq(stack.state, MEM_COMMIT);
    ck_assert_uint_eq(stack.allocation_base, thread->stack_bottom);
    threads_load(first);
    ck_succeeds(query(caller_get(&c, HANDLE), START_ADDRESS, nt_pointer(c.p->arch)));
    ck_assert_uint_eq(caller_get(&c, INFO), START);
}
END_TEST

START_TEST(a_suspended_one_waits_to_be_resumed)
{
    struct thread *thread;

    setup(_i);
    thread = made(SUSPENDED);
    ck_assert(!threads_is_ready(thread));
    ck_succeeds(query(caller_get(&c, HANDLE), SUSPEND_COUNT, 4));
    ck_assert_uint_eq(guest_u32(c.p, caller_slot(&c, INFO)), 1);
    ck_succeeds(CALL(&c, "NtResumeThread", caller_get(&c, HANDLE), caller_slot(&c, BEFORE)));
    ck_assert_uint_eq(before(), 1);
    ck_assert(threads_is_ready(thread));
}
END_TEST

/* PS_ATTRIBUTE_LIST: its length, then attribute, size, value, where the length goes. */
START_TEST(its_ids_are_told_to_who_asks)
{
    uint32_t pointer;
    gva_t list;

    setup(_i);
    pointer = nt_pointer(c.p->arch);
    list = caller_slot(&c, RAW);
    ck_succeeds(guest_put_pointer(c.p, list, 5 * pointer));
    ck_succeeds(guest_put_pointer(c.p, list + pointer, 0x10003));
    ck_succeeds(guest_put_pointer(c.p, list + 3 * pointer, caller_slot(&c, INFO)));
    ck_succeeds(create(0, 0, 0, list));
    ck_assert_uint_eq(guest_word(c.p, caller_slot(&c, INFO)), process_pid(c.p));
    ck_assert_uint_eq(guest_word(c.p, caller_slot(&c, INFO) + pointer), first->info.tid + 4);
    ck_succeeds(guest_put_pointer(c.p, list + 3 * pointer, 8));
    ck_status(create(0, 0, 0, list), STATUS_ACCESS_VIOLATION);
    ck_succeeds(guest_put_pointer(c.p, list, UINT32_MAX));
    ck_status(create(0, 0, 0, list), STATUS_INVALID_PARAMETER);
    ck_assert_uint_eq(c.p->threads.count, 2); /* what failed has left nothing */
}
END_TEST

START_TEST(what_cannot_be_made)
{
    setup(_i);
    REFUSED(&c, STATUS_ACCESS_VIOLATION, "NtCreateThreadEx", 8, ALL, 0, THIS_PROCESS, START, 0, 0,
            0, 0, 0, 0);
    REFUSED(&c, STATUS_INVALID_HANDLE, "NtCreateThreadEx", caller_slot(&c, HANDLE), ALL, 0,
            NO_HANDLE, START, 0, 0, 0, 0, 0, 0);
    REFUSED(&c, STATUS_OBJECT_TYPE_MISMATCH, "NtCreateThreadEx", caller_slot(&c, HANDLE), ALL, 0,
            HANDLE_CURRENT_THREAD, START, 0, 0, 0, 0, 0, 0);
    ck_status(create(0, 0, _i == CPU_AMD64 ? UINT64_C(1) << 50 : UINT32_MAX, 0), STATUS_NO_MEMORY);
    ck_assert_uint_eq(c.p->threads.count, 1);
    ck_assert_ptr_eq(c.p->threads.on_cpu, first);
}
END_TEST

START_TEST(the_end_of_a_thread_frees_its_memory_and_its_handle_says_how)
{
    struct thread *thread;
    uint64_t handle;
    gva_t teb;

    setup(_i);
    thread = made(0);
    handle = caller_get(&c, HANDLE);
    teb = thread->info.teb;
    ck_succeeds(query(handle, BASIC, nt_size(c.p->arch, NT_STRUCT_THREAD)));
    ck_assert_uint_eq(guest_u32(c.p, caller_slot(&c, INFO)), 0x103); /* STILL_ACTIVE */
    ck_succeeds(query(handle, IS_LAST, 4));
    ck_assert_uint_eq(guest_u32(c.p, caller_slot(&c, INFO)), 0);
    ck_succeeds(CALL(&c, "NtTerminateThread", handle, 42));
    ck_assert_uint_eq(region_at(c.vm, teb).state, MEM_FREE);
    ck_succeeds(query(handle, BASIC, nt_size(c.p->arch, NT_STRUCT_THREAD)));
    ck_assert_uint_eq(guest_u32(c.p, caller_slot(&c, INFO)), 42);
    ck_succeeds(query(handle, IS_TERMINATED, 4));
    ck_assert_uint_eq(guest_u32(c.p, caller_slot(&c, INFO)), 1);
    ck_succeeds(query(HANDLE_CURRENT_THREAD, IS_LAST, 4));
    ck_assert_uint_eq(guest_u32(c.p, caller_slot(&c, INFO)), 1);
    ck_succeeds(CALL(&c, "NtTerminateThread", handle, 43)); /* it stays as it was */
    ck_succeeds(query(handle, BASIC, nt_size(c.p->arch, NT_STRUCT_THREAD)));
    ck_assert_uint_eq(guest_u32(c.p, caller_slot(&c, INFO)), 42);
    REFUSED(&c, STATUS_THREAD_IS_TERMINATING, "NtSuspendThread", handle, 0);
    REFUSED(&c, STATUS_UNSUCCESSFUL, "NtQueueApcThread", handle, START, 0, 0, 0);
    REFUSED(&c, STATUS_UNSUCCESSFUL, "NtGetContextThread", handle, caller_slot(&c, RAW));
    ck_status(query(handle, 99, 4), STATUS_INVALID_INFO_CLASS);
}
END_TEST

/* ---- Opening ---------------------------------------------------------------------------------- */

static gva_t client_id(uint64_t process, uint64_t thread)
{
    ck_succeeds(guest_put_pointer(c.p, caller_slot(&c, RAW), process));
    ck_succeeds(guest_put_pointer(c.p, caller_slot(&c, RAW) + nt_pointer(c.p->arch), thread));
    return caller_slot(&c, RAW);
}

static nt_status open(uint64_t process, uint64_t thread)
{
    return CALL(&c, "NtOpenThread", caller_slot(&c, HANDLE), 0x40,
                caller_attributes(&c, INFO, 0, NULL, 0), client_id(process, thread));
}

START_TEST(threads_are_opened_by_their_ids)
{
    setup(_i);
    ck_succeeds(open(0, first->info.tid));
    ck_succeeds(open(process_pid(c.p), first->info.tid));
    ck_assert_uint_eq(handles_entry(&c.kernel.handles, caller_get(&c, HANDLE))->access, 0x840);
    ck_status(open(0, 12345), STATUS_INVALID_CID);
    ck_status(open(12345, first->info.tid), STATUS_INVALID_CID);
    REFUSED(&c, STATUS_ACCESS_VIOLATION, "NtOpenThread", caller_slot(&c, HANDLE), 0x40,
            caller_attributes(&c, INFO, 0, NULL, 0), 8);
}
END_TEST

START_TEST(threads_are_listed_one_behind_the_other)
{
    struct thread *second, *third;

    setup(_i);
    second = made(SUSPENDED);
    third = made(SUSPENDED);
    ck_succeeds(CALL(&c, "NtGetNextThread", THIS_PROCESS, 0, ALL, 0, 0, caller_slot(&c, HANDLE)));
    ck_assert_ptr_eq(handles_entry(&c.kernel.handles, caller_get(&c, HANDLE))->object,
                     &first->object);
    object_ref(&second->object);
    ck_succeeds(CALL(&c, "NtGetNextThread", THIS_PROCESS, caller_get(&c, HANDLE), ALL, 0, 0,
                     caller_slot(&c, HANDLE)));
    threads_end(second, 0); /* listed on from one that has ended */
    ck_succeeds(CALL(&c, "NtGetNextThread", THIS_PROCESS, caller_get(&c, HANDLE), ALL, 0, 0,
                     caller_slot(&c, HANDLE)));
    ck_assert_ptr_eq(handles_entry(&c.kernel.handles, caller_get(&c, HANDLE))->object,
                     &third->object);
    ck_status(CALL(&c, "NtGetNextThread", THIS_PROCESS, caller_get(&c, HANDLE), ALL, 0, 0,
                   caller_slot(&c, HANDLE)),
              STATUS_NO_MORE_ENTRIES);
    object_unref(&second->object);
}
END_TEST

/* ---- Suspending, alerting, calling ------------------------------------------------------------ */

START_TEST(every_right_is_asked_for)
{
    uint64_t query_only;

    setup(_i);
    query_only = handle_to(first, 0x40);
    REFUSED(&c, STATUS_ACCESS_DENIED, "NtSuspendThread", query_only, 0);
    REFUSED(&c, STATUS_ACCESS_DENIED, "NtResumeThread", query_only, 0);
    REFUSED(&c, STATUS_ACCESS_DENIED, "NtAlertThread", query_only);
    REFUSED(&c, STATUS_ACCESS_DENIED, "NtTerminateThread", query_only, 0);
    REFUSED(&c, STATUS_ACCESS_DENIED, "NtQueueApcThread", query_only, START, 0, 0, 0);
    REFUSED(&c, STATUS_ACCESS_DENIED, "NtGetContextThread", query_only, caller_slot(&c, RAW));
    REFUSED(&c, STATUS_ACCESS_DENIED, "NtSetContextThread", query_only, caller_slot(&c, RAW));
    REFUSED(&c, STATUS_ACCESS_DENIED, "NtSetInformationThread", query_only, BASE_PRIORITY,
            caller_slot(&c, INFO), 4);
    REFUSED(&c, STATUS_ACCESS_DENIED, "NtQueryInformationThread", handle_to(first, 2), BASIC,
            caller_slot(&c, INFO), 0x30, 0);
    REFUSED(&c, STATUS_INVALID_HANDLE, "NtSuspendThread", NO_HANDLE, 0);
    REFUSED(&c, STATUS_OBJECT_TYPE_MISMATCH, "NtSuspendThread", HANDLE_CURRENT_PROCESS, 0);
}
END_TEST

START_TEST(an_alert_comes_before_a_call)
{
    setup(_i);
    ck_succeeds(CALL(&c, "NtTestAlert"));
    ck_succeeds(CALL(&c, "NtAlertThread", HANDLE_CURRENT_THREAD));
    ck_succeeds(CALL(&c, "NtQueueApcThread", HANDLE_CURRENT_THREAD, START, 1, 2, 3));
    ck_status(CALL(&c, "NtTestAlert"), STATUS_ALERTED);
    ck_status(CALL(&c, "NtTestAlert"), STATUS_USER_APC);
}
END_TEST

START_TEST(alert_and_resume_does_both)
{
    struct thread *thread;
    nt_status result;

    setup(_i);
    thread = made(SUSPENDED);
    ck_assert(!wait_begin(
        thread, &(struct wait){.kind = WAIT_OBJECTS, .alertable = true, .until = WAIT_FOREVER},
        &result));
    ck_succeeds(CALL(&c, "NtAlertResumeThread", caller_get(&c, HANDLE), caller_slot(&c, BEFORE)));
    ck_assert_uint_eq(before(), 1);
    ck_assert_uint_eq(thread->suspended, 0);
    ck_status(caller_result(&c, thread), STATUS_ALERTED);
}
END_TEST

START_TEST(a_special_call_ends_any_wait)
{
    struct thread *thread;
    nt_status result;

    setup(_i);
    thread = made(0);
    ck_assert(
        !wait_begin(thread, &(struct wait){.kind = WAIT_OBJECTS, .until = WAIT_FOREVER}, &result));
    ck_succeeds(CALL(&c, "NtQueueApcThreadEx", caller_get(&c, HANDLE), 0, START, 1, 2, 3));
    ck_assert_int_eq(thread->wait.kind, WAIT_OBJECTS);
    ck_succeeds(CALL(&c, "NtQueueApcThreadEx", caller_get(&c, HANDLE), 1, START, 1, 2, 3));
    ck_status(caller_result(&c, thread), STATUS_USER_APC);
}
END_TEST

/* ---- Registers -------------------------------------------------------------------------------- */

/* A CONTEXT in the raw slots with these ContextFlags. */
static gva_t context_at(uint32_t parts)
{
    gva_t at = caller_slot(&c, RAW);
    uint32_t cpu = c.p->arch == CPU_AMD64 ? 0x100000u : 0x10000u;

    ck_succeeds(guest_put_number(c.p, at + (c.p->arch == CPU_AMD64 ? 0x30 : 0), 4, parts | cpu));
    return at;
}

static uint64_t in_context(enum cpu_reg reg)
{
    uint8_t raw[CONTEXT_MAX];

    ck_assert_uint_eq(vm_debug_read(c.vm, caller_slot(&c, RAW), raw, context_size(c.p->arch)),
                      context_size(c.p->arch));
    return context_get(c.p->arch, raw, reg);
}

START_TEST(another_threads_registers_are_read_and_written)
{
    struct thread *thread;
    uint8_t raw[CONTEXT_MAX];
    uint64_t handle;
    gva_t at;

    setup(_i);
    thread = made(SUSPENDED);
    handle = caller_get(&c, HANDLE);
    ck_succeeds(
        CALL(&c, "NtGetContextThread", handle, context_at(CONTEXT_CONTROL | CONTEXT_INTEGER)));
    ck_assert_uint_eq(in_context(CPU_RIP), THREAD_START);
    at = caller_slot(&c, RAW);
    ck_assert_uint_ne(vm_debug_read(c.vm, at, raw, sizeof raw), 0);
    context_put(c.p->arch, raw, CPU_RIP, 0x99990);
    context_put(c.p->arch, raw, CPU_RBX, 0x55);
    ck_assert(vm_debug_write(c.vm, at, raw, context_size(c.p->arch)));
    (void)context_at(CONTEXT_CONTROL); /* the integers stay */
    ck_succeeds(CALL(&c, "NtSetContextThread", handle, at));
    ck_assert_ptr_eq(c.p->threads.on_cpu, first);
    threads_load(thread);
    ck_assert_uint_eq(cpu_get(c.p->cpu, CPU_RIP), 0x99990);
    ck_assert_uint_ne(cpu_get(c.p->cpu, CPU_RBX), 0x55);
}
END_TEST

START_TEST(a_context_of_another_cpu_is_refused)
{
    gva_t at;

    setup(_i);
    at = context_at(CONTEXT_CONTROL);
    ck_succeeds(guest_put_number(c.p, at + (_i == CPU_AMD64 ? 0x30 : 0), 4,
                                 _i == CPU_AMD64 ? 0x10001u : 0x100001u));
    REFUSED(&c, STATUS_INVALID_PARAMETER, "NtGetContextThread", HANDLE_CURRENT_THREAD, at);
    REFUSED(&c, STATUS_INVALID_PARAMETER, "NtSetContextThread", HANDLE_CURRENT_THREAD, at);
    REFUSED(&c, STATUS_ACCESS_VIOLATION, "NtGetContextThread", HANDLE_CURRENT_THREAD, 8);
    REFUSED(&c, STATUS_ACCESS_VIOLATION, "NtSetContextThread", HANDLE_CURRENT_THREAD, 8);
}
END_TEST

/* ---- Information ------------------------------------------------------------------------------ */

START_TEST(a_name_is_kept)
{
    char text[512];
    uint32_t size;

    setup(_i);
    size = nt_size(c.p->arch, NT_STRUCT_STRING);
    ck_succeeds(CALL(&c, "NtSetInformationThread", HANDLE_CURRENT_THREAD, NAME,
                     caller_text(&c, TEXT, "worker 1"), size));
    ck_assert_str_eq(first->name, "worker 1");
    ck_succeeds(query(HANDLE_CURRENT_THREAD, NAME, CALLER_SLOT_SIZE));
    ck_assert_str_eq(guest_string(c.p, caller_slot(&c, INFO), text), "worker 1");
    ck_status(query(HANDLE_CURRENT_THREAD, NAME, size + 15), STATUS_BUFFER_TOO_SMALL);
    ck_assert_uint_eq(guest_u32(c.p, caller_slot(&c, NEEDED)), size + 16);
    REFUSED(&c, STATUS_INFO_LENGTH_MISMATCH, "NtSetInformationThread", HANDLE_CURRENT_THREAD, NAME,
            caller_slot(&c, TEXT), size - 1);
    REFUSED(&c, STATUS_ACCESS_VIOLATION, "NtSetInformationThread", HANDLE_CURRENT_THREAD, NAME, 8,
            size);
    ck_assert_str_eq(first->name, "worker 1");
}
END_TEST

static const struct {
    int32_t priority;
    nt_status status;
} priorities[] = {
    {0, STATUS_SUCCESS},
    {2, STATUS_SUCCESS},
    {-2, STATUS_SUCCESS},
    {15, STATUS_SUCCESS},
    {-15, STATUS_SUCCESS},
    {3, STATUS_INVALID_PARAMETER},
    {-3, STATUS_INVALID_PARAMETER},
    {16, STATUS_INVALID_PARAMETER},
    {INT32_MIN, STATUS_INVALID_PARAMETER},
};

START_TEST(which_priorities_there_are)
{
    setup(CPU_AMD64);
    first->priority = 1;
    ck_succeeds(guest_put_number(c.p, caller_slot(&c, INFO), 4, (uint32_t)priorities[_i].priority));
    ck_status(CALL(&c, "NtSetInformationThread", HANDLE_CURRENT_THREAD, BASE_PRIORITY,
                   caller_slot(&c, INFO), 4),
              priorities[_i].status);
    ck_assert_int_eq((int32_t)first->priority, priorities[_i].status ? 1 : priorities[_i].priority);
    REFUSED(&c, STATUS_INFO_LENGTH_MISMATCH, "NtSetInformationThread", HANDLE_CURRENT_THREAD,
            BASE_PRIORITY, caller_slot(&c, INFO), 3);
}
END_TEST

static const struct {
    uint32_t class, length_64, length_32;
} classes[] = {{BASIC, 0x30, 0x1c}, {1, 32, 32}, {START_ADDRESS, 8, 4}, {IS_LAST, 4, 4},
               {16, 4, 4},          {20, 4, 4},  {30, 16, 12},          {SUSPEND_COUNT, 4, 4}};

START_TEST(each_class_has_its_length)
{
    uint32_t length;

    for (int arch = 0; arch < 2; arch++) {
        setup(arch);
        length = arch == CPU_AMD64 ? classes[_i].length_64 : classes[_i].length_32;
        ck_succeeds(query(HANDLE_CURRENT_THREAD, classes[_i].class, length));
        ck_assert_uint_eq(guest_u32(c.p, caller_slot(&c, NEEDED)), length);
        ck_status(query(HANDLE_CURRENT_THREAD, classes[_i].class, length - 1),
                  STATUS_INFO_LENGTH_MISMATCH);
        REFUSED(&c, STATUS_ACCESS_VIOLATION, "NtQueryInformationThread", HANDLE_CURRENT_THREAD,
                classes[_i].class, 8, length, 0);
        teardown();
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("serve_thread");
    TCase *tc = tcase_create("serve_thread");

    tcase_add_checked_fixture(tc, NULL, teardown);
    tcase_add_loop_test(tc, a_thread_gets_stack_and_teb_and_begins_in_the_loader, 0, 2);
    tcase_add_loop_test(tc, a_suspended_one_waits_to_be_resumed, 0, 2);
    tcase_add_loop_test(tc, its_ids_are_told_to_who_asks, 0, 2);
    tcase_add_loop_test(tc, what_cannot_be_made, 0, 2);
    tcase_add_loop_test(tc, the_end_of_a_thread_frees_its_memory_and_its_handle_says_how, 0, 2);
    tcase_add_loop_test(tc, threads_are_opened_by_their_ids, 0, 2);
    tcase_add_loop_test(tc, threads_are_listed_one_behind_the_other, 0, 2);
    tcase_add_loop_test(tc, every_right_is_asked_for, 0, 2);
    tcase_add_loop_test(tc, an_alert_comes_before_a_call, 0, 2);
    tcase_add_loop_test(tc, alert_and_resume_does_both, 0, 2);
    tcase_add_loop_test(tc, a_special_call_ends_any_wait, 0, 2);
    tcase_add_loop_test(tc, another_threads_registers_are_read_and_written, 0, 2);
    tcase_add_loop_test(tc, a_context_of_another_cpu_is_refused, 0, 2);
    tcase_add_loop_test(tc, a_name_is_kept, 0, 2);
    tcase_add_loop_test(tc, which_priorities_there_are, 0, COUNT_OF(priorities));
    tcase_add_loop_test(tc, each_class_has_its_length, 0, COUNT_OF(classes));
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
