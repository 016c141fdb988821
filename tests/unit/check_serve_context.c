/*
 * Services upon the threads of another process: code written for them, remote threads, calls, registers; called as a guest calls
 * them. _i counts the widths of both: the caller's in bit 0, the other's in bit 1.
 */
#include <check.h>
#include <string.h>

#include "cross_fixture.h"
#include "nt/context.h"
#include "nt/guest.h"
#include "nt/threads.h"
#include "process_builder.h"
#include "suite.h"
#include "vm_builder.h"

#define ARGUMENT UINT64_C(0x5678)

enum { HANDLE, NEEDED, INFO, RAW }; /* slots */
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

/* ---- Code and threads in it ------------------------------------------------------------------- */

START_TEST(a_remote_thread_runs_what_was_written_there)
{
    /* i386: mov eax, [esp]; x64: mov rax, rcx; then ret; the argument is the exit code */
    static const uint8_t code[][4] = {{0x89, 0xd8, 0xc3}, {0x48, 0x89, 0xc8, 0xc3}};
    struct thread *remote;
    gva_t at;

    setup(_i);
    theirs->suspended = 1;
    at = cross_put(&c, process, code[other->arch], sizeof *code);
    ck_succeeds(CALL(&c, "NtCreateThreadEx", caller_slot(&c, HANDLE), CROSS_ALL, 0, process, at,
                     ARGUMENT, CREATE_SUSPENDED, 0, 0, 0, 0));
    remote = other->threads.list[1];
    ck_assert_ptr_eq(cross_behind(&c, caller_get(&c, HANDLE)), &remote->object);
    ck_assert_ptr_eq(other->threads.on_cpu, theirs);
    ck_assert_uint_eq(region_at(other->vm, remote->info.teb).state, MEM_COMMIT);
    ck_assert_uint_ne(remote->stack_bottom, theirs->stack_bottom);
    cross_run(&c);
    ck_assert(!other->ended);
    ck_succeeds(CALL(&c, "NtResumeThread", caller_get(&c, HANDLE), 0));
    cross_run(&c);
    ck_assert(other->ended);
    ck_assert_uint_eq(other->object->exit_code, ARGUMENT);
}
END_TEST

/* What that code returns when the other's CPU executes it. */
static uint64_t executed(gva_t at)
{
    struct cpu_event event;

    cpu_set(other->cpu, CPU_RIP, at);
    ck_assert_int_eq(cpu_run(other->cpu, false, &event), ERR_OK);
    ck_assert_int_eq(event.kind, CPU_EVENT_EXCEPTION);
    return cpu_get(other->cpu, CPU_RAX);
}

START_TEST(code_that_was_executed_is_written_over)
{
    static const uint8_t code[] = {0xb8, 5, 0, 0, 0, 0xcc}; /* mov eax, 5; int3 */
    gva_t at;

    setup(_i);
    at = cross_put(&c, process, code, sizeof code);
    ck_assert_uint_eq(executed(at), 5);
    for (uint8_t value = 6; value < 10; value++) {
        ck_assert(vm_debug_write(c.vm, caller_slot(&c, INFO), &value, 1));
        ck_succeeds(CALL(&c, "NtWriteVirtualMemory", process, at + 1, caller_slot(&c, INFO), 1, 0));
        ck_assert_uint_eq(executed(at), value);
    }
}
END_TEST

/* What the other's thread gets from a wait that such a call of the caller's ends. */
static nt_status woken_by(const char *service, uint64_t special)
{
    const struct wait wait = {.kind = WAIT_OBJECTS, .alertable = !special, .until = WAIT_FOREVER};
    nt_status result = STATUS_SUCCESS;

    ck_assert(!wait_begin(theirs, &wait, &result));
    if (strcmp(service, "NtQueueApcThreadEx") == 0)
        ck_succeeds(CALL(&c, service, thread, special, 0x1000, 1, 2, 3));
    else
        ck_succeeds(CALL(&c, service, thread, 0x1000, 1, 2, 3));
    ck_assert_int_eq(theirs->wait.kind, WAIT_NOTHING);
    return theirs->result;
}

START_TEST(threads_of_others_are_called_and_alerted)
{
    setup(_i);
    ck_assert(start_begin(theirs));
    ck_status(woken_by("NtAlertThread", 0), STATUS_ALERTED);
    ck_status(woken_by("NtQueueApcThread", 0), STATUS_USER_APC);
    ck_assert_uint_eq(cpu_get(other->cpu, CPU_RIP), TINY_BASE + TINY_APC);
    ck_status(woken_by("NtQueueApcThreadEx", 1), STATUS_USER_APC);
    REFUSED(&c, STATUS_ACCESS_DENIED, "NtAlertThreadByThreadId", theirs->info.tid);
}
END_TEST

/* ---- Registers -------------------------------------------------------------------------------- */

/* A CONTEXT of that width in the raw slots, with these parts. */
static gva_t context_at(enum cpu_arch width, uint32_t parts)
{
    gva_t at = caller_slot(&c, RAW);
    uint32_t cpu = width == CPU_AMD64 ? 0x100000u : 0x10000u;

    ck_succeeds(guest_put_number(c.p, at + (width == CPU_AMD64 ? 0x30 : 0), 4, parts | cpu));
    return at;
}

static uint64_t in_context(enum cpu_arch width, enum cpu_reg reg)
{
    uint8_t raw[CONTEXT_MAX];

    ck_assert_uint_eq(vm_debug_read(c.vm, caller_slot(&c, RAW), raw, context_size(width)),
                      context_size(width));
    return context_get(width, raw, reg);
}

static void change_context(enum cpu_arch width, enum cpu_reg reg, uint64_t value)
{
    uint8_t raw[CONTEXT_MAX];

    ck_assert_uint_eq(vm_debug_read(c.vm, caller_slot(&c, RAW), raw, context_size(width)),
                      context_size(width));
    context_put(width, raw, reg, value);
    ck_assert(vm_debug_write(c.vm, caller_slot(&c, RAW), raw, context_size(width)));
}

static enum cpu_reg start_register(void)
{
    return other->arch == CPU_AMD64 ? CPU_RCX : CPU_RAX;
}

/* A caller cannot see the registers of a CPU that is wider than itself. */
static bool sees(void)
{
    return c.p->arch == CPU_AMD64 || other->arch == CPU_I386;
}

/* Process hollowing: the thread has not begun, and is sent elsewhere. */
START_TEST(a_thread_that_has_not_begun_is_sent_elsewhere)
{
    static const uint8_t code[] = {0xb8, 99, 0, 0, 0, 0xc3}; /* mov eax, 99; ret */
    enum cpu_arch width;
    gva_t at;

    setup(_i);
    width = c.p->arch;
    theirs->suspended = 1;
    at = context_at(width, CONTEXT_CONTROL | CONTEXT_INTEGER);
    if (!sees()) {
        REFUSED(&c, STATUS_INVALID_PARAMETER, "NtGetContextThread", thread, at);
        REFUSED(&c, STATUS_INVALID_PARAMETER, "NtSetContextThread", thread, at);
        return;
    }
    ck_succeeds(CALL(&c, "NtGetContextThread", thread, at));
    ck_assert_uint_eq(in_context(width, CPU_RIP), TINY_BASE + TINY_START);
    ck_assert_uint_eq(in_context(width, start_register()), other->kernel->program_entry);
    ck_assert_uint_eq(in_context(width, other->arch == CPU_AMD64 ? CPU_RDX : CPU_RBX), other->peb);
    change_context(width, start_register(), cross_put(&c, process, code, sizeof code));
    ck_succeeds(CALL(&c, "NtSetContextThread", thread, at));
    ck_assert_ptr_eq(c.p->threads.on_cpu, c.p->threads.list[0]);
    ck_succeeds(CALL(&c, "NtResumeThread", thread, 0));
    cross_run(&c);
    ck_assert(other->ended);
    ck_assert_uint_eq(other->object->exit_code, 99);
}
END_TEST

START_TEST(registers_of_others_stay_where_they_are)
{
    struct thread *second;
    gva_t at;

    setup(_i);
    if (!sees())
        return;
    ck_succeeds(CALL(&c, "NtCreateThreadEx", caller_slot(&c, HANDLE), CROSS_ALL, 0, process, 0x1000,
                     0, CREATE_SUSPENDED, 0, 0, 0, 0));
    second = other->threads.list[1];
    cpu_set(other->cpu, CPU_RSI, 0x1111); /* of the one that is on the CPU */
    cpu_set(c.p->cpu, CPU_RSI, 0x2222);
    at = context_at(c.p->arch, CONTEXT_INTEGER);
    ck_succeeds(CALL(&c, "NtGetContextThread", caller_get(&c, HANDLE), at));
    change_context(c.p->arch, CPU_RSI, 0x3333);
    ck_succeeds(CALL(&c, "NtSetContextThread", caller_get(&c, HANDLE), at));
    ck_assert_ptr_eq(other->threads.on_cpu, theirs);
    ck_assert_uint_eq(cpu_get(other->cpu, CPU_RSI), 0x1111);
    ck_assert_uint_eq(cpu_get(c.p->cpu, CPU_RSI), 0x2222);
    threads_load(second);
    ck_assert_uint_eq(cpu_get(other->cpu, CPU_RSI), 0x3333);
}
END_TEST

/* ThreadWow64Context, of 32-bit threads on a 64-bit system. */
START_TEST(narrow_threads_have_a_narrow_context)
{
    bool wow64;
    uint32_t size = (uint32_t)context_size(CPU_I386);
    gva_t at;

    setup(_i);
    wow64 = c.p->arch == CPU_AMD64 && other->arch == CPU_I386;
    at = context_at(CPU_I386, CONTEXT_CONTROL | CONTEXT_INTEGER);
    if (!wow64) {
        REFUSED(&c, STATUS_INVALID_PARAMETER, "NtQueryInformationThread", thread, 29, at, size, 0);
        REFUSED(&c, STATUS_INVALID_PARAMETER, "NtSetInformationThread", thread, 29, at, size);
        return;
    }
    ck_succeeds(
        CALL(&c, "NtQueryInformationThread", thread, 29, at, size, caller_slot(&c, NEEDED)));
    ck_assert_uint_eq(guest_u32(c.p, caller_slot(&c, NEEDED)), size);
    ck_assert_uint_eq(in_context(CPU_I386, CPU_RIP), TINY_BASE + TINY_START);
    change_context(CPU_I386, CPU_RSI, 0x4444);
    ck_succeeds(CALL(&c, "NtSetInformationThread", thread, 29, at, size));
    ck_assert_uint_eq(cpu_get(other->cpu, CPU_RSI), 0x4444);
    REFUSED(&c, STATUS_INFO_LENGTH_MISMATCH, "NtQueryInformationThread", thread, 29, at, size + 4,
            0);
    REFUSED(&c, STATUS_ACCESS_VIOLATION, "NtQueryInformationThread", thread, 29, 8, size, 0);
    REFUSED(&c, STATUS_ACCESS_DENIED, "NtQueryInformationThread",
            cross_handle(&c, &theirs->object, 0x40), 29, at, size, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("serve_context");
    TCase *tc = tcase_create("serve_context");

    tcase_add_checked_fixture(tc, NULL, teardown);
    tcase_add_loop_test(tc, a_remote_thread_runs_what_was_written_there, 0, 4);
    tcase_add_loop_test(tc, code_that_was_executed_is_written_over, 0, 4);
    tcase_add_loop_test(tc, threads_of_others_are_called_and_alerted, 0, 4);
    tcase_add_loop_test(tc, a_thread_that_has_not_begun_is_sent_elsewhere, 0, 4);
    tcase_add_loop_test(tc, registers_of_others_stay_where_they_are, 0, 4);
    tcase_add_loop_test(tc, narrow_threads_have_a_narrow_context, 0, 4);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
