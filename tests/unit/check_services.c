/*
 * The way from a system call to its service and back: which bits of an argument count, which pointers are looked at
 * first, numbers that mean nothing, texts and attributes that every service reads alike. _i is the architecture.
 */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "nt/guest.h"
#include "nt/services.h"
#include "process_builder.h"
#include "service_caller.h"
#include "suite.h"
#include "vm_builder.h"
#include "winstub/log.h"

#define ALL  0x1f0003u
#define JUNK UINT64_C(0xdeadbeef00000000)

enum { HANDLE, INFO, NAME, TEXT };

static struct caller c;

static void setup(int arch)
{
    caller_init(&c, (enum cpu_arch)arch, NULL, 0);
}

static void teardown(void)
{
    log_mask = 0;
    caller_fini(&c);
}

static uint32_t info(unsigned i)
{
    return guest_u32(c.p, caller_slot(&c, INFO) + 4 * i);
}

/* ULONG and BOOLEAN: what lies above them in a register or slot is garbage. */
START_TEST(only_the_bits_of_an_argument_count)
{
    setup(CPU_AMD64);
    ck_succeeds(
        CALL(&c, "NtCreateEvent", caller_slot(&c, HANDLE), JUNK | ALL, 0, JUNK | 1, 0xffffff00));
    ck_assert_uint_eq(handles_entry(&c.kernel.handles, caller_get(&c, HANDLE))->access, ALL);
    ck_succeeds(
        CALL(&c, "NtQueryEvent", caller_get(&c, HANDLE), JUNK, caller_slot(&c, INFO), JUNK | 8, 0));
    ck_assert_uint_eq(info(0), 1); /* a synchronization event */
    ck_assert_uint_eq(info(1), 0); /* that is not signaled */
}
END_TEST

/* Pseudo handles are negative in both widths. */
START_TEST(handles_of_32_bits_have_a_sign)
{
    setup(_i);
    ck_succeeds(CALL(&c, "NtDuplicateObject", _i == CPU_AMD64 ? THIS_PROCESS : 0xffffffff,
                     _i == CPU_AMD64 ? HANDLE_CURRENT_THREAD : 0xfffffffe,
                     _i == CPU_AMD64 ? THIS_PROCESS : 0xffffffff, caller_slot(&c, HANDLE), 0, 0,
                     2));
}
END_TEST

START_TEST(arguments_that_cannot_be_read)
{
    uint32_t number;

    setup(_i);
    number = caller_number(&c, "NtCreateEvent");
    cpu_set(c.p->cpu, _i == CPU_AMD64 ? CPU_RSP : CPU_RDX, 0x10);
    cpu_set(c.p->cpu, CPU_R10, caller_slot(&c, HANDLE));
    cpu_set(c.p->cpu, CPU_R8, 0);
    cpu_set(c.p->cpu, CPU_R9, 0);
    ck_status(caller_serve(&c, number), STATUS_ACCESS_VIOLATION);
    ck_assert_uint_eq(c.kernel.handles.used, 0);
}
END_TEST

START_TEST(pointers_are_looked_at_before_the_service_begins)
{
    gva_t only_read, edge;

    setup(_i);
    only_read = build_memory(c.vm, 0, 0x1000, MEM_RESERVE | MEM_COMMIT, PAGE_READONLY);
    edge = build_memory(c.vm, 0, 0x20000, MEM_RESERVE, PAGE_NOACCESS);
    ck_succeeds(try_allocate(c.vm, edge, 0x1000, MEM_COMMIT, PAGE_READWRITE));
    REFUSED(&c, STATUS_ACCESS_VIOLATION, "NtCreateEvent", only_read, ALL, 0, 0, 0);
    REFUSED(&c, STATUS_ACCESS_VIOLATION, "NtCreateEvent", edge + 0x1000 - nt_pointer(c.p->arch) + 1,
            ALL, 0, 0, 0);
    ck_assert_uint_eq(c.kernel.handles.used, 0);
    ck_succeeds(CALL(&c, "NtCreateEvent", edge + 0x1000 - nt_pointer(c.p->arch), ALL, 0, 0, 0));
    REFUSED(&c, STATUS_ACCESS_VIOLATION, "NtQuerySystemTime", edge + 0xffc);
    REFUSED(&c, STATUS_ACCESS_VIOLATION, "NtQuerySystemTime", 0); /* not optional */
    ck_succeeds(CALL(&c, "NtQueryPerformanceCounter", edge, 0));  /* optional */
}
END_TEST

/* What standard error holds after a call of fn. */
static void logged(void (*fn)(void), char *text, size_t size)
{
    FILE *file = tmpfile(), *saved = stderr;
    size_t len;

    ck_assert_ptr_nonnull(file);
    stderr = file;
    fn();
    stderr = saved;
    rewind(file);
    len = fread(text, 1, size - 1, file);
    text[len] = 0;
    (void)fclose(file);
}

static void call_missing(void)
{
    log_mask = 1u << LOG_nt;
    for (int i = 0; i < 3; i++)
        ck_status(CALL(&c, "NtLoadDriver", 0), STATUS_NOT_IMPLEMENTED);
    ck_status(caller_serve(&c, 0xfff), STATUS_INVALID_SYSTEM_SERVICE);
    ck_status(caller_serve(&c, 0x1fff), STATUS_INVALID_SYSTEM_SERVICE);
    ck_status(caller_serve(&c, UINT32_MAX), STATUS_INVALID_SYSTEM_SERVICE);
    log_mask = 0;
}

START_TEST(what_is_missing_is_named_once)
{
    char text[1000];
    const char *first;

    setup(_i);
    logged(call_missing, text, sizeof text);
    first = strstr(text, "NtLoadDriver: winstub has no such service");
    ck_assert_ptr_nonnull(first);
    ck_assert_ptr_null(strstr(first + 1, "NtLoadDriver"));
    ck_assert_ptr_nonnull(strstr(text, "system call 0xfff: no such service in ntdll or win32u"));
}
END_TEST

START_TEST(a_call_is_described_before_it_is_served)
{
    struct process_call call;

    setup(CPU_AMD64);
    cpu_set(c.p->cpu, CPU_RAX, caller_number(&c, "NtSetEvent"));
    cpu_set(c.p->cpu, CPU_R10, 0x44);
    cpu_set(c.p->cpu, CPU_RDX, 0x1234);
    ck_assert(process_call(c.p, &call));
    ck_assert_str_eq(call.name, "NtSetEvent");
    ck_assert(call.known);
    ck_assert_uint_eq(call.arg_count, 2);
    ck_assert_uint_eq(call.arg[0], 0x44);
    ck_assert_uint_eq(call.arg[1], 0x1234);
    cpu_set(c.p->cpu, CPU_RAX, caller_number(&c, "NtLoadDriver"));
    ck_assert(process_call(c.p, &call));
    ck_assert_str_eq(call.name, "NtLoadDriver");
    ck_assert(!call.known);
    cpu_set(c.p->cpu, CPU_RAX, 0xfff);
    ck_assert(process_call(c.p, &call));
    ck_assert_ptr_null(call.name);
    c.p->kernel = NULL;
    ck_assert(!process_call(c.p, &call));
    c.p->kernel = &c.kernel;
}
END_TEST

/* ---- Texts and attributes --------------------------------------------------------------------- */

static nt_status open_it(void)
{
    return CALL(&c, "NtOpenEvent", caller_slot(&c, HANDLE), ALL, caller_slot(&c, NAME));
}

START_TEST(names_are_read_with_suspicion)
{
    gva_t string, text;

    setup(_i);
    (void)caller_attributes(&c, NAME, 0, "\\BaseNamedObjects\\x", 0);
    string = caller_slot(&c, TEXT);
    text = string + nt_size(c.p->arch, NT_STRUCT_STRING);
    ck_status(open_it(), STATUS_OBJECT_NAME_NOT_FOUND);
    ck_succeeds(guest_put_number(c.p, text + 6, 2, 0));
    ck_status(open_it(), STATUS_OBJECT_NAME_INVALID); /* a NUL in it */
    ck_succeeds(guest_put_number(c.p, text + 6, 2, 0xd800));
    ck_status(open_it(), STATUS_OBJECT_NAME_NOT_FOUND); /* half a character */
    ck_succeeds(guest_put(c.p, string, NT_STRING_LENGTH, 3));
    ck_status(open_it(), STATUS_OBJECT_NAME_INVALID);
    ck_succeeds(guest_put(c.p, string, NT_STRING_LENGTH, 0xfffe));
    ck_succeeds(guest_put(c.p, string, NT_STRING_BUFFER, 0x10));
    ck_status(open_it(), STATUS_ACCESS_VIOLATION);
    ck_succeeds(guest_put(c.p, caller_slot(&c, NAME), NT_ATTRIBUTES_NAME, 8));
    ck_status(open_it(), STATUS_ACCESS_VIOLATION);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("services");
    TCase *tc = tcase_create("services");

    tcase_add_checked_fixture(tc, NULL, teardown);
    tcase_add_test(tc, only_the_bits_of_an_argument_count);
    tcase_add_loop_test(tc, handles_of_32_bits_have_a_sign, 0, 2);
    tcase_add_loop_test(tc, arguments_that_cannot_be_read, 0, 2);
    tcase_add_loop_test(tc, pointers_are_looked_at_before_the_service_begins, 0, 2);
    tcase_add_loop_test(tc, what_is_missing_is_named_once, 0, 2);
    tcase_add_test(tc, a_call_is_described_before_it_is_served);
    tcase_add_loop_test(tc, names_are_read_with_suspicion, 0, 2);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
