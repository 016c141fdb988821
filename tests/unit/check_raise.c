/*
 * Exceptions that go to user code and come back: when there is no room for the frame, what NtContinue and
 * NtRaiseException take and refuse. The frame's contents are check_exception.c's. _i is the architecture.
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

#define DISPATCHER UINT64_C(0x45670)
#define TARGET     UINT64_C(0x12340)

enum { CONTEXT, RECORD = CONTEXT + 10, ARGUMENT = RECORD + 2 };

static struct caller c;

static void setup(int arch)
{
    caller_init(&c, (enum cpu_arch)arch, NULL, 0);
    c.kernel.entry_points.exception = DISPATCHER;
    c.kernel.entry_points.apc = DISPATCHER + 0x10;
}

static void teardown(void)
{
    caller_fini(&c);
}

/* A CONTEXT of the registers as they are, but for the pc. */
static gva_t context_to(gva_t pc)
{
    uint8_t raw[CONTEXT_MAX];
    gva_t at = caller_slot(&c, CONTEXT);

    context_save(c.p->cpu, raw);
    context_put(c.p->arch, raw, CPU_RIP, pc);
    ck_assert(vm_debug_write(c.vm, at, raw, context_size(c.p->arch)));
    return at;
}

static gva_t record(uint32_t code, uint32_t count)
{
    gva_t at = caller_slot(&c, RECORD);

    ck_succeeds(guest_put(c.p, at, NT_RECORD_CODE, code));
    ck_succeeds(guest_put(c.p, at, NT_RECORD_COUNT, count));
    ck_succeeds(guest_put_pointer(c.p, at + nt_offset(c.p->arch, NT_RECORD_INFORMATION), 0x77));
    return at;
}

static gva_t pc(void)
{
    return cpu_get(c.p->cpu, CPU_RIP);
}

START_TEST(without_room_or_chance_nothing_is_raised)
{
    struct process_exception e = {.code = STATUS_ACCESS_VIOLATION};
    gva_t before, sp;

    setup(_i);
    before = pc();
    sp = cpu_get(c.p->cpu, CPU_RSP);
    e.last_chance = true;
    ck_assert(!process_raise(c.p, &e));
    e.last_chance = false;
    cpu_set(c.p->cpu, CPU_RSP, 0x2000);
    ck_assert(!process_raise(c.p, &e));
    ck_assert_uint_eq(cpu_get(c.p->cpu, CPU_RSP), 0x2000);
    ck_assert_uint_eq(pc(), before);
    cpu_set(c.p->cpu, CPU_RSP, sp);
    cpu_set(c.p->cpu, CPU_EFLAGS, cpu_get(c.p->cpu, CPU_EFLAGS) | 0x400); /* direction: down */
    ck_assert(process_raise(c.p, &e));
    ck_assert_uint_eq(pc(), DISPATCHER);
    ck_assert_uint_eq(cpu_get(c.p->cpu, CPU_EFLAGS) & 0x400, 0);
}
END_TEST

START_TEST(continue_goes_where_the_context_says)
{
    setup(_i);
    (void)CALL(&c, "NtContinue", context_to(TARGET), 0);
    ck_assert_uint_eq(pc(), TARGET);
    REFUSED(&c, STATUS_ACCESS_VIOLATION, "NtContinue", 8, 0);
    (void)context_to(TARGET);
    ck_succeeds(guest_put_number(c.p, caller_slot(&c, CONTEXT) + (_i == CPU_AMD64 ? 0x30 : 0), 4,
                                 _i == CPU_AMD64 ? 0x10007u : 0x100007u));
    REFUSED(&c, STATUS_INVALID_PARAMETER, "NtContinue", caller_slot(&c, CONTEXT), 0);
}
END_TEST

START_TEST(continue_calls_what_waits_when_it_is_alertable)
{
    static const struct apc_call call = {.routine = 0x1000};
    struct thread *thread;

    setup(_i);
    thread = c.p->threads.on_cpu;
    ck_succeeds(apcs_queue(thread, &call, false));
    (void)CALL(&c, "NtContinue", context_to(TARGET), 0);
    ck_assert_uint_eq(pc(), TARGET);
    ck_assert_ptr_nonnull(thread->apcs);
    (void)CALL(&c, "NtContinue", context_to(TARGET), 1);
    ck_assert_uint_eq(pc(), DISPATCHER + 0x10);
    ck_assert_ptr_null(thread->apcs);
    ck_succeeds(apcs_queue(thread, &call, false));
    ck_succeeds(guest_put_number(c.p, caller_slot(&c, ARGUMENT) + 4, 4, 0)); /* ContinueFlags */
    (void)CALL(&c, "NtContinueEx", context_to(TARGET), caller_slot(&c, ARGUMENT));
    ck_assert_uint_eq(pc(), TARGET);
    ck_succeeds(guest_put_number(c.p, caller_slot(&c, ARGUMENT) + 4, 4, 1)); /* test for alerts */
    (void)CALL(&c, "NtContinueEx", context_to(TARGET), caller_slot(&c, ARGUMENT));
    ck_assert_uint_eq(pc(), DISPATCHER + 0x10);
    REFUSED(&c, STATUS_ACCESS_VIOLATION, "NtContinueEx", context_to(TARGET), 0x1000);
}
END_TEST

START_TEST(user_code_cannot_leave_ring_3)
{
    uint8_t raw[CONTEXT_MAX];
    uint64_t cs;

    setup(_i);
    cs = cpu_get(c.p->cpu, CPU_CS);
    context_save(c.p->cpu, raw);
    context_put(c.p->arch, raw, CPU_RIP, TARGET);
    context_put(c.p->arch, raw, CPU_CS, 0x10);
    context_put(c.p->arch, raw, CPU_EFLAGS, 0x3002); /* IOPL 3 */
    ck_assert(vm_debug_write(c.vm, caller_slot(&c, CONTEXT), raw, context_size(c.p->arch)));
    (void)CALL(&c, "NtContinue", caller_slot(&c, CONTEXT), 0);
    ck_assert_uint_eq(pc(), TARGET);
    ck_assert_uint_eq(cpu_get(c.p->cpu, CPU_CS), cs);
    ck_assert_uint_eq(cpu_get(c.p->cpu, CPU_EFLAGS) & 0x3000, 0);
}
END_TEST

static void raise_it(gva_t at, uint64_t first_chance, struct process_exception *exception)
{
    uint32_t exit_code, number = caller_number(&c, "NtRaiseException");
    gva_t context = context_to(TARGET), sp = cpu_get(c.p->cpu, CPU_RSP);

    cpu_set(c.p->cpu, CPU_RAX, number);
    if (c.p->arch == CPU_AMD64) {
        cpu_set(c.p->cpu, CPU_R10, at);
        cpu_set(c.p->cpu, CPU_RDX, context);
        cpu_set(c.p->cpu, CPU_R8, first_chance);
    } else {
        ck_succeeds(guest_put_pointer(c.p, sp + 8, at));
        ck_succeeds(guest_put_pointer(c.p, sp + 12, context));
        ck_succeeds(guest_put_pointer(c.p, sp + 16, first_chance));
        cpu_set(c.p->cpu, CPU_RDX, sp + 8);
    }
    ck_assert_int_eq(process_syscall(c.p, &exit_code, exception), PROCESS_SYSCALL_RAISE);
    ck_assert_uint_eq(pc(), TARGET);
}

START_TEST(a_raised_exception_has_its_record)
{
    struct process_exception e;

    setup(_i);
    raise_it(record(0xe0001234, 1), 1, &e);
    ck_assert_uint_eq(e.code, 0xe0001234);
    ck_assert_uint_eq(e.count, 1);
    ck_assert_uint_eq(e.info[0], 0x77);
    ck_assert(!e.last_chance);
    raise_it(record(0xe0001234, 0), 0, &e);
    ck_assert(e.last_chance);
}
END_TEST

START_TEST(records_that_are_none)
{
    gva_t before;

    setup(_i);
    before = pc();
    REFUSED(&c, STATUS_ACCESS_VIOLATION, "NtRaiseException", 8, context_to(TARGET), 1);
    REFUSED(&c, STATUS_INVALID_PARAMETER, "NtRaiseException", record(1, 16), context_to(TARGET), 1);
    REFUSED(&c, STATUS_INVALID_PARAMETER, "NtRaiseException", record(1, UINT32_MAX),
            context_to(TARGET), 1);
    REFUSED(&c, STATUS_ACCESS_VIOLATION, "NtRaiseException", record(1, 0), 8, 1);
    ck_assert_uint_eq(pc(), before);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("raise");
    TCase *tc = tcase_create("raise");

    tcase_add_checked_fixture(tc, NULL, teardown);
    tcase_add_loop_test(tc, without_room_or_chance_nothing_is_raised, 0, 2);
    tcase_add_loop_test(tc, continue_goes_where_the_context_says, 0, 2);
    tcase_add_loop_test(tc, continue_calls_what_waits_when_it_is_alertable, 0, 2);
    tcase_add_loop_test(tc, user_code_cannot_leave_ring_3, 0, 2);
    tcase_add_loop_test(tc, a_raised_exception_has_its_record, 0, 2);
    tcase_add_loop_test(tc, records_that_are_none, 0, 2);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
