/*
 * Services about the process and its end, called as a guest calls them: handles, classes and their lengths,
 * what ends whom. _i is the architecture.
 */
#include <check.h>

#include "nt/guest.h"
#include "nt/threads.h"
#include "process_builder.h"
#include "service_caller.h"
#include "suite.h"
#include "vm_builder.h"

#define NO_HANDLE UINT64_C(0x400)

enum { HANDLE, NEEDED, INFO, ID = INFO + 2, NAME }; /* slots */

static struct caller c;

static void setup(int arch)
{
    caller_init(&c, (enum cpu_arch)arch, NULL, 0);
}

static void teardown(void)
{
    caller_fini(&c);
}

static nt_status query(const char *service, uint64_t handle, uint32_t class, uint32_t length)
{
    return CALL(&c, service, handle, class, caller_slot(&c, INFO), length, caller_slot(&c, NEEDED));
}

static uint32_t info(unsigned i)
{
    return guest_u32(c.p, caller_slot(&c, INFO) + 4 * i);
}

static uint32_t needed(void)
{
    return guest_u32(c.p, caller_slot(&c, NEEDED));
}

static const struct {
    uint32_t class, length_64, length_32, first;
} classes[] = {
    {0, 0x30, 0x18, 0x103}, /* basic: STILL_ACTIVE */
    {7, 8, 4, 0},           /* debug port */
    {12, 4, 4, 1},          /* default error mode */
    {26, 8, 4, 0},          /* WOW64 */
    {31, 4, 4, 1},          /* debug flags: nobody debugs it */
    {34, 4, 4, 0x32},       /* execute flags: as the kernel keeps them */
};

START_TEST(each_class_has_its_length)
{
    for (int arch = 0; arch < 2; arch++) {
        uint32_t length = arch == CPU_AMD64 ? classes[_i].length_64 : classes[_i].length_32;

        setup(arch);
        c.kernel.execute_flags = 0x32;
        ck_succeeds(query("NtQueryInformationProcess", THIS_PROCESS, classes[_i].class, length));
        ck_assert_uint_eq(needed(), length);
        ck_assert_uint_eq(info(0), classes[_i].first);
        ck_status(query("NtQueryInformationProcess", THIS_PROCESS, classes[_i].class, length - 1),
                  STATUS_INFO_LENGTH_MISMATCH);
        REFUSED(&c, STATUS_ACCESS_VIOLATION, "NtQueryInformationProcess", THIS_PROCESS,
                classes[_i].class, 8, length, 0);
        teardown();
    }
}
END_TEST

START_TEST(what_a_process_refuses_to_tell)
{
    setup(_i);
    ck_status(query("NtQueryInformationProcess", THIS_PROCESS, 30, 8), STATUS_PORT_NOT_SET);
    ck_status(query("NtQueryInformationProcess", THIS_PROCESS, 999, 8), STATUS_INVALID_INFO_CLASS);
    ck_status(query("NtQueryInformationProcess", NO_HANDLE, 0, 8), STATUS_INVALID_HANDLE);
    ck_status(query("NtQueryInformationProcess", HANDLE_CURRENT_THREAD, 0, 8),
              STATUS_OBJECT_TYPE_MISMATCH);
    REFUSED(&c, STATUS_ACCESS_VIOLATION, "NtSetInformationProcess", THIS_PROCESS, 12, 8, 4);
}
END_TEST

/* ---- Opening ---------------------------------------------------------------------------------- */

static nt_status open_process(uint64_t id)
{
    ck_succeeds(guest_put_pointer(c.p, caller_slot(&c, ID), id));
    return CALL(&c, "NtOpenProcess", caller_slot(&c, HANDLE), 0x1fffff,
                caller_attributes(&c, NAME, 0, NULL, 0), caller_slot(&c, ID));
}

START_TEST(a_process_finds_itself_only)
{
    setup(_i);
    ck_succeeds(open_process(process_pid(c.p)));
    ck_succeeds(query("NtQueryInformationProcess", caller_get(&c, HANDLE), 12, 4));
    ck_status(open_process(process_pid(c.p) + 4), STATUS_INVALID_CID);
    ck_status(open_process(0), STATUS_INVALID_CID);
    REFUSED(&c, STATUS_ACCESS_VIOLATION, "NtOpenProcess", caller_slot(&c, HANDLE), 0x1fffff,
            caller_attributes(&c, NAME, 0, NULL, 0), 8);
}
END_TEST

/* ---- The end ---------------------------------------------------------------------------------- */

START_TEST(handle_0_ends_all_the_others)
{
    struct thread *first, *others[3];

    setup(_i);
    first = c.p->threads.on_cpu;
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        others[i] = caller_thread(&c);
        object_ref(&others[i]->object);
    }
    ck_succeeds(CALL(&c, "NtTerminateProcess", 0, 9));
    ck_assert_uint_eq(c.p->threads.count, 1);
    ck_assert_ptr_eq(c.p->threads.list[0], first);
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        ck_assert(others[i]->ended);
        ck_assert_uint_eq(others[i]->exit_code, 9);
        object_unref(&others[i]->object);
    }
    REFUSED(&c, STATUS_INVALID_HANDLE, "NtTerminateProcess", NO_HANDLE, 9);
    REFUSED(&c, STATUS_OBJECT_TYPE_MISMATCH, "NtTerminateProcess", HANDLE_CURRENT_THREAD, 9);
}
END_TEST

/* Call a service by the two arguments that ends the process. */
static uint32_t ends(const char *service, uint64_t handle, uint32_t code)
{
    struct process_exception exception;
    uint32_t exit_code = 0, number = caller_number(&c, service);
    gva_t sp = cpu_get(c.p->cpu, CPU_RSP);

    cpu_set(c.p->cpu, CPU_RAX, number);
    cpu_set(c.p->cpu, CPU_R10, handle);
    cpu_set(c.p->cpu, CPU_RDX, code);
    if (c.p->arch == CPU_I386) {
        ck_succeeds(guest_put_pointer(c.p, sp + 8, handle));
        ck_succeeds(guest_put_pointer(c.p, sp + 12, code));
        cpu_set(c.p->cpu, CPU_RDX, sp + 8);
    }
    ck_assert_int_eq(process_syscall(c.p, &exit_code, &exception), PROCESS_SYSCALL_EXIT);
    return exit_code;
}

START_TEST(the_end_has_a_code)
{
    setup(_i);
    ck_assert_uint_eq(ends("NtTerminateProcess", THIS_PROCESS, 0xc0000005), 0xc0000005);
    ck_assert_uint_eq(ends("NtTerminateThread", 0, 77), 77); /* the last thread */
    ck_assert_uint_eq(ends("NtTerminateThread", HANDLE_CURRENT_THREAD, 78), 78);
}
END_TEST

/* Whether data may be executed: one of two answers, until one is given for good. */
START_TEST(execute_flags_can_be_made_final)
{
    static const struct {
        uint32_t flags;
        nt_status status;
    } cases[] = {
        {0, STATUS_INVALID_PARAMETER},
        {EXECUTE_CODE_ONLY | EXECUTE_DATA, STATUS_INVALID_PARAMETER},
        {EXECUTE_DATA, STATUS_SUCCESS},
        {EXECUTE_CODE_ONLY | EXECUTE_PERMANENT, STATUS_SUCCESS},
        {EXECUTE_DATA, STATUS_ACCESS_DENIED},
    };

    setup(_i);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        gva_t at = caller_set(&c, 0, cases[i].flags);

        ck_status(CALL(&c, "NtSetInformationProcess", THIS_PROCESS, 34, at, 4), cases[i].status);
    }
    ck_assert_uint_eq(c.kernel.execute_flags, EXECUTE_CODE_ONLY | EXECUTE_PERMANENT);
    ck_status(CALL(&c, "NtSetInformationProcess", THIS_PROCESS, 34, caller_slot(&c, 0), 8),
              STATUS_INFO_LENGTH_MISMATCH);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("serve_process");
    TCase *tc = tcase_create("serve_process");

    tcase_add_checked_fixture(tc, NULL, teardown);
    tcase_add_loop_test(tc, each_class_has_its_length, 0, COUNT_OF(classes));
    tcase_add_loop_test(tc, what_a_process_refuses_to_tell, 0, 2);
    tcase_add_loop_test(tc, a_process_finds_itself_only, 0, 2);
    tcase_add_loop_test(tc, execute_flags_can_be_made_final, 0, 2);
    tcase_add_loop_test(tc, handle_0_ends_all_the_others, 0, 2);
    tcase_add_loop_test(tc, the_end_has_a_code, 0, 2);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
