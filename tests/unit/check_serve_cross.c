/*
 * Services upon another process as a whole, called as a guest calls them. _i counts the widths of both: the caller's in
 * bit 0, the other's in bit 1. What each service does to the caller's own is in the suites of the families; code, threads and
 * registers of others are in check_serve_context.c.
 */
#include <check.h>
#include <string.h>

#include "cross_fixture.h"
#include "nt/guest.h"
#include "nt/threads.h"
#include "process_builder.h"
#include "suite.h"
#include "vm_builder.h"

#define NOBODY UINT64_C(0x7ffffff0)

enum { HANDLE, NEEDED, NAME, TEXT, INFO, RAW }; /* slots */
enum { CREATE_SUSPENDED = 1 };

static struct caller c;
static struct process *other;
static struct thread *theirs;    /* the other's first thread */
static uint64_t process, thread; /* handles to them */

static void setup(int i)
{
    other = cross_init(&c, i);
    theirs = other->threads.on_cpu;
    process = cross_handle(&c, &other->object->object, CROSS_ALL);
    thread = cross_handle(&c, &theirs->object, CROSS_ALL);
}

static void teardown(void)
{
    caller_fini(&c);
}

/* ---- Finding ---------------------------------------------------------------------------------- */

static nt_status open(const char *service, uint64_t pid, uint64_t tid)
{
    ck_succeeds(guest_put_pointer(c.p, caller_slot(&c, RAW), pid));
    ck_succeeds(guest_put_pointer(c.p, caller_slot(&c, RAW) + nt_pointer(c.p->arch), tid));
    return CALL(&c, service, caller_slot(&c, HANDLE), 0x400,
                caller_attributes(&c, NAME, 0, NULL, 2), caller_slot(&c, RAW));
}

static nt_status next(const char *service, uint64_t before, uint32_t flags)
{
    if (strcmp(service, "NtGetNextThread") == 0)
        return CALL(&c, service, process, before, CROSS_ALL, 0, flags, caller_slot(&c, HANDLE));
    return CALL(&c, service, before, CROSS_ALL, 0, flags, caller_slot(&c, HANDLE));
}

START_TEST(processes_are_opened_by_their_numbers)
{
    uint32_t pid, tid;
    const struct handle *entry;

    setup(_i);
    pid = process_pid(other);
    tid = theirs->info.tid;
    ck_succeeds(open("NtOpenProcess", pid, 0));
    entry = handles_entry(&c.kernel.handles, caller_get(&c, HANDLE));
    ck_assert_ptr_eq(entry->object, &other->object->object);
    ck_assert_uint_eq(entry->access, 0x1400); /* who may ask may ask the little things */
    ck_assert_uint_eq(entry->attributes, OBJ_INHERIT);
    ck_succeeds(open("NtOpenProcess", 0, tid));
    ck_assert_ptr_eq(cross_behind(&c, caller_get(&c, HANDLE)), &other->object->object);
    ck_succeeds(open("NtOpenProcess", pid + 3, 0)); /* the two lowest bits do not count */
    ck_succeeds(open("NtOpenProcess", pid, tid));
    ck_status(open("NtOpenProcess", process_pid(c.p), tid), STATUS_INVALID_CID);
    ck_status(open("NtOpenProcess", pid, NOBODY), STATUS_INVALID_CID);
    ck_status(open("NtOpenProcess", NOBODY, 0), STATUS_INVALID_CID);
    ck_status(open("NtOpenProcess", 0, 0), STATUS_INVALID_CID);
}
END_TEST

START_TEST(a_process_that_has_ended_is_found_while_somebody_has_a_handle)
{
    uint32_t pid;

    setup(_i);
    pid = process_pid(other);
    process_end(other, 0);
    process_keep(other, false);
    processes_reap(c.machine);
    ck_succeeds(open("NtOpenProcess", pid, 0));
    ck_succeeds(next("NtGetNextProcess", 0, 1));
    ck_assert_ptr_eq(cross_behind(&c, caller_get(&c, HANDLE)), cross_behind(&c, process));
    for (uint64_t handle = 4; handles_entry(&c.kernel.handles, handle); handle += 4)
        ck_succeeds(CALL(&c, "NtClose", handle));
    ck_status(open("NtOpenProcess", pid, 0), STATUS_INVALID_CID);
    ck_succeeds(next("NtGetNextProcess", 0, 1));
    ck_assert_ptr_eq(cross_behind(&c, caller_get(&c, HANDLE)), &c.p->object->object);
}
END_TEST

START_TEST(processes_have_no_names)
{
    setup(_i);
    REFUSED(&c, STATUS_INVALID_PARAMETER_MIX, "NtOpenProcess", caller_slot(&c, HANDLE), CROSS_ALL,
            caller_attributes(&c, NAME, 0, "it", 0), caller_slot(&c, RAW));
    REFUSED(&c, STATUS_INVALID_PARAMETER_MIX, "NtOpenThread", caller_slot(&c, HANDLE), CROSS_ALL,
            caller_attributes(&c, NAME, 0, NULL, 0), 0);
}
END_TEST

START_TEST(threads_of_others_are_opened_by_their_numbers)
{
    setup(_i);
    ck_succeeds(open("NtOpenThread", 0, theirs->info.tid));
    ck_assert_ptr_eq(cross_behind(&c, caller_get(&c, HANDLE)), &theirs->object);
    ck_succeeds(open("NtOpenThread", process_pid(other), theirs->info.tid + 1));
    ck_status(open("NtOpenThread", process_pid(c.p), theirs->info.tid), STATUS_INVALID_CID);
    ck_status(open("NtOpenThread", process_pid(other), 0), STATUS_INVALID_CID);
}
END_TEST

START_TEST(processes_and_threads_are_listed)
{
    setup(_i);
    ck_succeeds(next("NtGetNextProcess", 0, 0));
    ck_assert_ptr_eq(cross_behind(&c, caller_get(&c, HANDLE)), &c.p->object->object);
    ck_succeeds(next("NtGetNextProcess", caller_get(&c, HANDLE), 0));
    ck_assert_ptr_eq(cross_behind(&c, caller_get(&c, HANDLE)), &other->object->object);
    ck_status(next("NtGetNextProcess", process, 0), STATUS_NO_MORE_ENTRIES);
    ck_succeeds(next("NtGetNextProcess", 0, 1)); /* backwards */
    ck_assert_ptr_eq(cross_behind(&c, caller_get(&c, HANDLE)), &other->object->object);
    ck_succeeds(next("NtGetNextProcess", process, 1));
    ck_assert_ptr_eq(cross_behind(&c, caller_get(&c, HANDLE)), &c.p->object->object);
    ck_status(next("NtGetNextProcess", caller_get(&c, HANDLE), 1), STATUS_NO_MORE_ENTRIES);
    ck_status(next("NtGetNextProcess", 0, 2), STATUS_INVALID_PARAMETER);
    ck_status(next("NtGetNextProcess", thread, 0), STATUS_OBJECT_TYPE_MISMATCH);
    ck_succeeds(next("NtGetNextThread", 0, 0));
    ck_assert_ptr_eq(cross_behind(&c, caller_get(&c, HANDLE)), &theirs->object);
    ck_status(next("NtGetNextThread", thread, 0), STATUS_NO_MORE_ENTRIES);
}
END_TEST

/* ---- Rights ----------------------------------------------------------------------------------- */

/* What a service needs of its first handle, or of its fourth, all else being in order. */
static const struct {
    const char *service;
    uint32_t right;
    bool thread; /* the handle is a thread's */
    unsigned at; /* which argument */
    uint32_t class;
} rights[] = {
    {"NtTerminateProcess", 0x1, false, 0, 0},
    {"NtCreateThreadEx", 0x2, false, 3, 0},
    {"NtAllocateVirtualMemory", 0x8, false, 0, 0},
    {"NtFreeVirtualMemory", 0x8, false, 0, 0},
    {"NtProtectVirtualMemory", 0x8, false, 0, 0},
    {"NtReadVirtualMemory", 0x10, false, 0, 0},
    {"NtWriteVirtualMemory", 0x20, false, 0, 0},
    {"NtQueryVirtualMemory", 0x400, false, 0, 0},
    {"NtDuplicateObject", 0x40, false, 0, 0},
    {"NtSetInformationProcess", 0x200, false, 0, 12},
    {"NtQueryInformationProcess", 0x1000, false, 0, 0},
    {"NtQueryInformationProcess", 0x400, false, 0, 7},
    {"NtSuspendProcess", 0x800, false, 0, 0},
    {"NtResumeProcess", 0x800, false, 0, 0},
    {"NtGetNextThread", 0x400, false, 0, 0},
    {"NtDebugActiveProcess", 0x800, false, 0, 0},
    {"NtTerminateThread", 0x1, true, 0, 0},
    {"NtSuspendThread", 0x2, true, 0, 0},
    {"NtResumeThread", 0x2, true, 0, 0},
    {"NtAlertThread", 0x4, true, 0, 0},
    {"NtGetContextThread", 0x8, true, 0, 0},
    {"NtSetContextThread", 0x10, true, 0, 0},
    {"NtQueueApcThread", 0x10, true, 0, 0},
    {"NtQueryInformationThread", 0x800, true, 0, 0},
    {"NtQueryInformationThread", 0x40, true, 0, 9},
    {"NtSetInformationThread", 0x400, true, 0, 3},
    {"NtSetInformationThread", 0x20, true, 0, 4},
};

/* Every right but the needed one, and those that it comes with, is of no use. */
START_TEST(each_right_is_asked_for)
{
    for (int widths = 0; widths < 4; widths++) {
        uint32_t without = 0x1fffffu & ~rights[_i].right;
        uint64_t args[11] = {0};

        setup(widths);
        if (rights[_i].right == (rights[_i].thread ? 0x800u : 0x1000u))
            without &= rights[_i].thread ? ~0x40u : ~0x400u;
        if (rights[_i].thread && rights[_i].right == 0x400)
            without &= ~0x20u;
        for (size_t i = 0; i < COUNT_OF(args); i++)
            args[i] = caller_slot(&c, RAW); /* pointers that are checked first are good */
        args[1] = rights[_i].class ? rights[_i].class : args[1];
        if (strcmp(rights[_i].service, "NtQueryInformationProcess") == 0 ||
            strcmp(rights[_i].service, "NtQueryInformationThread") == 0)
            args[1] = rights[_i].class;
        args[rights[_i].at] =
            cross_handle(&c, rights[_i].thread ? &theirs->object : &other->object->object, without);
        caller_refused(&c, rights[_i].service, args, COUNT_OF(args), STATUS_ACCESS_DENIED);
        ck_assert(!other->ended);
        ck_assert_uint_eq(theirs->suspended, 0);
        teardown();
    }
}
END_TEST

/* ---- Ending ----------------------------------------------------------------------------------- */

static nt_status query(uint64_t handle, uint32_t class, uint32_t length)
{
    return CALL(&c, "NtQueryInformationProcess", handle, class, caller_slot(&c, RAW), length,
                caller_slot(&c, NEEDED));
}

static uint64_t in_basic(enum nt_field field)
{
    uint64_t value = 0;

    ck_succeeds(query(process, 0, nt_size(c.p->arch, NT_STRUCT_PROCESS)));
    ck_succeeds(guest_get(c.p, caller_slot(&c, RAW), field, &value));
    return value;
}

START_TEST(another_process_is_ended_and_who_waits_wakes)
{
    struct thread *first, *second;

    setup(_i);
    first = c.p->threads.on_cpu;
    second = caller_thread(&c);
    caller_as(&c, second);
    (void)CALL(&c, "NtWaitForSingleObject", process, 0, 0);
    ck_assert_int_eq(second->wait.kind, WAIT_OBJECTS);
    caller_as(&c, first);
    ck_assert_uint_eq(in_basic(NT_PROCESS_EXIT_STATUS), 0x103);
    ck_assert_uint_eq(in_basic(NT_PROCESS_PARENT), process_pid(c.p));
    ck_succeeds(CALL(&c, "NtTerminateProcess", process, 77));
    ck_assert(other->ended);
    ck_assert(!c.p->ended);
    ck_status(caller_result(&c, second), STATUS_SUCCESS);
    caller_as(&c, first);
    ck_assert_uint_eq(in_basic(NT_PROCESS_EXIT_STATUS), 77);
    ck_assert_uint_eq(in_basic(NT_PROCESS_ID), other->object->pid);
    ck_status(CALL(&c, "NtTerminateProcess", process, 78), STATUS_PROCESS_IS_TERMINATING);
    ck_assert_uint_eq(in_basic(NT_PROCESS_EXIT_STATUS), 77);
}
END_TEST

START_TEST(the_end_of_its_last_thread_is_the_end_of_another_process)
{
    uint64_t second;

    setup(_i);
    ck_succeeds(CALL(&c, "NtCreateThreadEx", caller_slot(&c, HANDLE), CROSS_ALL, 0, process, 0x1000,
                     0, 0, 0, 0, 0, 0));
    second = caller_get(&c, HANDLE);
    ck_succeeds(CALL(&c, "NtTerminateThread", thread, 5));
    ck_assert(!other->ended);
    ck_assert_uint_eq(other->threads.count, 1);
    ck_succeeds(CALL(&c, "NtTerminateThread", second, 6));
    ck_assert(other->ended);
    ck_assert(!c.p->ended);
    ck_assert_uint_eq(other->object->exit_code, 6);
}
END_TEST

/* Nothing can be done to a process that has ended, but it can be asked about. */
START_TEST(what_is_left_of_a_process_that_has_ended)
{
    static const struct {
        uint32_t class, length[2];
        nt_status status;
    } cases[] = {
        {4, {32, 32}, STATUS_SUCCESS},
        {3, {0x2c, 0x58}, STATUS_SUCCESS},
        {18, {2, 2}, STATUS_SUCCESS},
        {20, {4, 4}, STATUS_SUCCESS},
        {26, {4, 8}, STATUS_SUCCESS},
        {27, {256, 256}, STATUS_SUCCESS},
        {34, {4, 4}, STATUS_PROCESS_IS_TERMINATING},
        {37, {0x30, 0x40}, STATUS_PROCESS_IS_TERMINATING},
        {43, {256, 256}, STATUS_UNSUCCESSFUL},
        {60, {256, 256}, STATUS_PROCESS_IS_TERMINATING},
    };
    gva_t raw;

    setup(_i);
    raw = caller_slot(&c, RAW);
    process_end(other, 3);
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        ck_status(query(process, cases[i].class, cases[i].length[c.p->arch]), cases[i].status);
    ck_succeeds(query(process, 4, 32));
    ck_assert_uint_eq(guest_word(c.p, raw + 8),
                      (size_t)other->object->ended & (c.p->arch == CPU_I386 ? UINT32_MAX : ~0ull));
    REFUSED(&c, STATUS_PROCESS_IS_TERMINATING, "NtReadVirtualMemory", process, 0x1000, raw, 1, 0);
    REFUSED(&c, STATUS_PROCESS_IS_TERMINATING, "NtSuspendProcess", process);
    REFUSED(&c, STATUS_PROCESS_IS_TERMINATING, "NtGetNextThread", process, 0, CROSS_ALL, 0, 0, raw);
    REFUSED(&c, STATUS_PROCESS_IS_TERMINATING, "NtCreateThreadEx", raw, CROSS_ALL, 0, process,
            0x1000, 0, 0, 0, 0, 0, 0);
    REFUSED(&c, STATUS_PROCESS_IS_TERMINATING, "NtDuplicateObject", process, 4, THIS_PROCESS, raw,
            0, 0, 2);
    REFUSED(&c, STATUS_THREAD_IS_TERMINATING, "NtSuspendThread", thread, 0);
    REFUSED(&c, STATUS_UNSUCCESSFUL, "NtGetContextThread", thread, raw);
    REFUSED(&c, STATUS_UNSUCCESSFUL, "NtQueueApcThread", thread, 0x1000, 0, 0, 0);
}
END_TEST

/* ---- Suspending ------------------------------------------------------------------------------- */

START_TEST(all_threads_of_a_process_are_suspended_and_resumed)
{
    setup(_i);
    ck_succeeds(CALL(&c, "NtCreateThreadEx", caller_slot(&c, HANDLE), CROSS_ALL, 0, process, 0x1000,
                     0, CREATE_SUSPENDED, 0, 0, 0, 0));
    ck_succeeds(CALL(&c, "NtSuspendProcess", process));
    ck_assert_uint_eq(theirs->suspended, 1);
    ck_assert_uint_eq(other->threads.list[1]->suspended, 2);
    ck_assert_uint_eq(c.p->threads.list[0]->suspended, 0);
    ck_succeeds(CALL(&c, "NtResumeProcess", process));
    ck_assert_uint_eq(theirs->suspended, 0);
    ck_assert_uint_eq(other->threads.list[1]->suspended, 1);
    ck_succeeds(CALL(&c, "NtSuspendThread", thread, caller_slot(&c, INFO)));
    ck_assert_uint_eq(guest_u32(c.p, caller_slot(&c, INFO)), 0);
    ck_succeeds(CALL(&c, "NtResumeThread", thread, caller_slot(&c, INFO)));
    ck_assert_uint_eq(guest_u32(c.p, caller_slot(&c, INFO)), 1);
}
END_TEST

/* ---- Handles ---------------------------------------------------------------------------------- */

static nt_status duplicate(uint64_t from, uint64_t handle, uint64_t to, uint32_t options)
{
    return CALL(&c, "NtDuplicateObject", from, handle, to, caller_slot(&c, HANDLE), 0, OBJ_INHERIT,
                options);
}

START_TEST(handles_go_from_process_to_process)
{
    const struct handle *entry;
    uint64_t there;

    setup(_i);
    ck_succeeds(duplicate(THIS_PROCESS, HANDLE_CURRENT_THREAD, process, 2));
    there = caller_get(&c, HANDLE);
    entry = handles_entry(&other->kernel->handles, there);
    ck_assert_ptr_eq(entry->object, &c.p->threads.on_cpu->object);
    ck_assert_uint_eq(entry->attributes, OBJ_INHERIT);
    ck_succeeds(duplicate(process, there, THIS_PROCESS, 3)); /* and closed there */
    ck_assert_ptr_null(handles_entry(&other->kernel->handles, there));
    ck_assert_ptr_eq(cross_behind(&c, caller_get(&c, HANDLE)), &c.p->threads.on_cpu->object);
    ck_succeeds(duplicate(process, HANDLE_CURRENT_PROCESS, THIS_PROCESS, 2)); /* its own */
    ck_assert_ptr_eq(cross_behind(&c, caller_get(&c, HANDLE)), &other->object->object);
    ck_status(duplicate(process, 0x400, THIS_PROCESS, 2), STATUS_INVALID_HANDLE);
    ck_succeeds(CALL(&c, "NtDuplicateObject", THIS_PROCESS, thread, process, 0, 0, 0, 2));
    ck_assert_uint_eq(other->kernel->handles.used, 1);
    REFUSED(&c, STATUS_ACCESS_DENIED, "NtDuplicateObject", THIS_PROCESS, thread,
            cross_handle(&c, &other->object->object, CROSS_ALL & ~0x40u), caller_slot(&c, HANDLE),
            0, 0, 2);
}
END_TEST

/* ---- Asking ----------------------------------------------------------------------------------- */

static const char *answered_text(void)
{
    static char text[512];

    return guest_string(c.p, caller_slot(&c, RAW), text);
}

START_TEST(what_others_are_told_about_a_process)
{
    uint32_t pointer;

    setup(_i);
    pointer = nt_pointer(c.p->arch);
    ck_succeeds(query(process, 27, 256));
    ck_assert_str_eq(answered_text(), "\\Device\\HarddiskVolume1\\child.exe");
    ck_status(query(process, 43, 8), STATUS_INFO_LENGTH_MISMATCH);
    ck_succeeds(query(process, 43, guest_u32(c.p, caller_slot(&c, NEEDED))));
    ck_assert_str_eq(answered_text(), "C:\\child.exe");
    ck_succeeds(query(process, 60, 256));
    ck_assert_str_eq(answered_text(), other->object->command_line);
    ck_succeeds(query(process, 20, 4));
    ck_assert_uint_eq(guest_u32(c.p, caller_slot(&c, RAW)), 0);
    (void)caller_set(&c, INFO, 0x0601); /* above normal, in the foreground */
    ck_succeeds(CALL(&c, "NtSetInformationProcess", process, 18, caller_slot(&c, INFO), 2));
    ck_succeeds(query(process, 18, 2));
    ck_assert_uint_eq(guest_u16(c.p, caller_slot(&c, RAW)), 0x0600);
    ck_assert_uint_eq(in_basic(NT_PROCESS_PRIORITY), 10);
    (void)caller_set(&c, INFO, 0x0701);
    ck_status(CALL(&c, "NtSetInformationProcess", process, 18, caller_slot(&c, INFO), 2),
              STATUS_INVALID_PARAMETER);
    ck_succeeds(query(process, 26, pointer));
    ck_assert_uint_eq(caller_get(&c, RAW),
                      c.p->arch == CPU_AMD64 && other->arch == CPU_I386 ? other->peb : 0);
    ck_status(query(process, 36, 4), STATUS_INVALID_PARAMETER); /* its cookie is its own */
    ck_status(
        CALL(&c, "NtSetInformationProcess", process, 34, caller_set(&c, INFO, EXECUTE_DATA), 4),
        STATUS_INVALID_PARAMETER);
    ck_succeeds(query(process, 3, c.p->arch == CPU_AMD64 ? 0x60 : 0x30));
    ck_succeeds(query(process, 3, c.p->arch == CPU_AMD64 ? 0x58 : 0x2c));
    ck_status(query(process, 3, 4), STATUS_INFO_LENGTH_MISMATCH);
}
END_TEST

/* One number of the list of processes. */
static uint64_t listed(gva_t at, enum nt_field field)
{
    uint64_t value = 0;

    ck_succeeds(guest_get(c.p, at, field, &value));
    return value;
}

START_TEST(all_processes_and_threads_are_in_the_list)
{
    enum { PROCESSES = 5 };
    gva_t first, second, threads;
    char text[512];
    uint32_t needed;

    setup(_i);
    first = caller_slot(&c, RAW);
    theirs->suspended = 1;
    ck_status(CALL(&c, "NtQuerySystemInformation", PROCESSES, first, 4, caller_slot(&c, NEEDED)),
              STATUS_INFO_LENGTH_MISMATCH);
    needed = guest_u32(c.p, caller_slot(&c, NEEDED));
    ck_assert_uint_le(needed, 11 * CALLER_SLOT_SIZE);
    ck_succeeds(CALL(&c, "NtQuerySystemInformation", PROCESSES, first, needed, 0));
    ck_assert_uint_eq(listed(first, NT_LISTED_ID), process_pid(c.p));
    ck_assert_uint_eq(listed(first, NT_LISTED_PARENT), 0);
    threads = first + nt_size(c.p->arch, NT_STRUCT_LISTED);
    ck_assert_uint_eq(listed(threads, NT_LISTED_THREAD_STATE), 2); /* it runs */
    second = first + listed(first, NT_LISTED_NEXT);
    ck_assert_uint_eq(second % 8, 0);
    ck_assert_uint_eq(listed(second, NT_LISTED_NEXT), 0);
    ck_assert_uint_eq(listed(second, NT_LISTED_ID), process_pid(other));
    ck_assert_uint_eq(listed(second, NT_LISTED_PARENT), process_pid(c.p));
    ck_assert_uint_eq(listed(second, NT_LISTED_THREADS), 1);
    ck_assert_str_eq(guest_string(c.p, second + nt_offset(c.p->arch, NT_LISTED_NAME), text),
                     "child.exe");
    threads = second + nt_size(c.p->arch, NT_STRUCT_LISTED);
    ck_assert_uint_eq(listed(threads, NT_LISTED_THREAD_PROCESS), process_pid(other));
    ck_assert_uint_eq(listed(threads, NT_LISTED_THREAD_ID), theirs->info.tid);
    ck_assert_uint_eq(listed(threads, NT_LISTED_THREAD_STATE), 5);
    ck_assert_uint_eq(listed(threads, NT_LISTED_THREAD_REASON), 5); /* suspended */
    process_end(other, 0);
    ck_succeeds(CALL(&c, "NtQuerySystemInformation", PROCESSES, first, needed, 0));
    ck_assert_uint_eq(listed(first, NT_LISTED_NEXT), 0);
}
END_TEST

/* ---- What is refused -------------------------------------------------------------------------- */

START_TEST(guests_do_not_debug_each_other)
{
    setup(_i);
    REFUSED(&c, STATUS_NOT_SUPPORTED, "NtCreateDebugObject", caller_slot(&c, HANDLE), CROSS_ALL, 0,
            0);
    REFUSED(&c, STATUS_INVALID_HANDLE, "NtDebugActiveProcess", process, 0x400);
    REFUSED(&c, STATUS_OBJECT_TYPE_MISMATCH, "NtDebugActiveProcess", process, thread);
    REFUSED(&c, STATUS_PORT_NOT_SET, "NtRemoveProcessDebug", process, thread);
    ck_succeeds(query(process, 7, nt_pointer(c.p->arch)));
    ck_assert_uint_eq(caller_get(&c, RAW), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("serve_cross");
    TCase *tc = tcase_create("serve_cross");

    tcase_add_checked_fixture(tc, NULL, teardown);
    tcase_add_loop_test(tc, processes_are_opened_by_their_numbers, 0, 4);
    tcase_add_loop_test(tc, a_process_that_has_ended_is_found_while_somebody_has_a_handle, 0, 4);
    tcase_add_loop_test(tc, processes_have_no_names, 0, 4);
    tcase_add_loop_test(tc, threads_of_others_are_opened_by_their_numbers, 0, 4);
    tcase_add_loop_test(tc, processes_and_threads_are_listed, 0, 4);
    tcase_add_loop_test(tc, each_right_is_asked_for, 0, COUNT_OF(rights));
    tcase_add_loop_test(tc, another_process_is_ended_and_who_waits_wakes, 0, 4);
    tcase_add_loop_test(tc, the_end_of_its_last_thread_is_the_end_of_another_process, 0, 4);
    tcase_add_loop_test(tc, what_is_left_of_a_process_that_has_ended, 0, 4);
    tcase_add_loop_test(tc, all_threads_of_a_process_are_suspended_and_resumed, 0, 4);
    tcase_add_loop_test(tc, handles_go_from_process_to_process, 0, 4);
    tcase_add_loop_test(tc, what_others_are_told_about_a_process, 0, 4);
    tcase_add_loop_test(tc, all_processes_and_threads_are_in_the_list, 0, 4);
    tcase_add_loop_test(tc, guests_do_not_debug_each_other, 0, 4);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
