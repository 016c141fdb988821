/*
 * Calls that a thread is asked to make: their order, their limit, which end a wait, and the frame from which each ntdll's
 * KiUserApcDispatcher takes routine, arguments and the registers to come back to. _i is the architecture.
 */
#include <check.h>

#include "alloc_fail.h"
#include "nt/apcs.h"
#include "nt/context.h"
#include "nt/sync.h"
#include "nt/threads.h"
#include "process_builder.h"
#include "service_caller.h"
#include "suite.h"
#include "vm_builder.h"

#define DISPATCHER UINT64_C(0x123450)
#define OLD_PC     UINT64_C(0x334455)

static struct caller c;
static struct thread *thread;
static gva_t stack_top;

static void setup(int arch)
{
    caller_init(&c, (enum cpu_arch)arch, NULL, 0);
    thread = c.p->threads.on_cpu;
    c.kernel.entry_points.apc = DISPATCHER;
    stack_top = cpu_get(c.p->cpu, CPU_RSP);
    cpu_set(c.p->cpu, CPU_RIP, OLD_PC);
    cpu_set(c.p->cpu, CPU_RBX, 0x77);
}

static void teardown(void)
{
    caller_fini(&c);
}

static struct apc_call call_number(uint64_t n)
{
    return (struct apc_call){.routine = 0x1000 * n, .arg = {n, n + 1, n + 2}};
}

static void queue(uint64_t n, bool special)
{
    struct apc_call call = call_number(n);

    ck_succeeds(apcs_queue(thread, &call, special));
}

static uint64_t word(gva_t at, unsigned i)
{
    return guest_word(c.p, at + i * (c.p->arch == CPU_AMD64 ? 8u : 4u));
}

/* A register in the CONTEXT at that address. */
static uint64_t saved(gva_t at, enum cpu_reg reg)
{
    uint8_t raw[CONTEXT_MAX];

    ck_assert_uint_eq(vm_debug_read(c.vm, at, raw, context_size(c.p->arch)),
                      context_size(c.p->arch));
    return context_get(c.p->arch, raw, reg);
}

static void ck_context(gva_t at)
{
    ck_assert_uint_eq(saved(at, CPU_RIP), OLD_PC);
    ck_assert_uint_eq(saved(at, CPU_RSP), stack_top);
    ck_assert_uint_eq(saved(at, CPU_RBX), 0x77);
}

START_TEST(the_dispatcher_finds_routine_arguments_and_context)
{
    gva_t sp;

    setup(_i);
    queue(5, false);
    apcs_deliver(thread);
    ck_assert_ptr_null(thread->apcs);
    ck_assert_uint_eq(cpu_get(c.p->cpu, CPU_RIP), DISPATCHER);
    sp = cpu_get(c.p->cpu, CPU_RSP);
    ck_assert_uint_lt(sp, stack_top);
    if (_i == CPU_AMD64) { /* CONTEXT at rsp; its homes hold arguments and routine */
        ck_assert_uint_eq(sp % 16, 0);
        for (unsigned i = 0; i < 3; i++)
            ck_assert_uint_eq(word(sp, i), 5 + i);
        ck_assert_uint_eq(word(sp, 3), 0x5000);
        ck_context(sp);
        ck_assert_uint_eq(word(sp + 0x4d0, 0), OLD_PC); /* what debuggers unwind by */
        ck_assert_uint_eq(word(sp + 0x4d0, 3), stack_top);
    } else { /* routine, arguments, a flag, CONTEXT */
        ck_assert_uint_eq(word(sp, 0), 0x5000);
        for (unsigned i = 0; i < 3; i++)
            ck_assert_uint_eq(word(sp, 1 + i), 5 + i);
        ck_context(sp + 0x14);
    }
}
END_TEST

START_TEST(older_wines_dispatcher_is_a_function)
{
    gva_t sp;

    setup(_i);
    c.kernel.apc_takes_arguments = true;
    queue(5, false);
    apcs_deliver(thread);
    sp = cpu_get(c.p->cpu, CPU_RSP);
    if (_i == CPU_AMD64) { /* context, three arguments, routine */
        ck_context(cpu_get(c.p->cpu, CPU_RCX));
        ck_assert_uint_eq(cpu_get(c.p->cpu, CPU_RDX), 5);
        ck_assert_uint_eq(cpu_get(c.p->cpu, CPU_R8), 6);
        ck_assert_uint_eq(cpu_get(c.p->cpu, CPU_R9), 7);
        ck_assert_uint_eq(word(sp, 5), 0x5000);
        ck_assert_uint_eq(sp % 16, 8);
    } else {
        ck_context(word(sp, 1));
        for (unsigned i = 0; i < 3; i++)
            ck_assert_uint_eq(word(sp, 2 + i), 5 + i);
        ck_assert_uint_eq(word(sp, 5), 0x5000);
    }
}
END_TEST

START_TEST(the_oldest_comes_first)
{
    setup(_i);
    queue(1, false);
    queue(2, false);
    queue(3, false);
    for (uint64_t n = 1; n <= 3; n++) {
        gva_t sp;

        apcs_deliver(thread);
        sp = cpu_get(c.p->cpu, CPU_RSP);
        ck_assert_uint_eq(word(sp, _i == CPU_AMD64 ? 3 : 0), 0x1000 * n);
        cpu_set(c.p->cpu, CPU_RSP, stack_top);
    }
    cpu_set(c.p->cpu, CPU_RIP, OLD_PC);
    apcs_deliver(thread); /* there is none left */
    ck_assert_uint_eq(cpu_get(c.p->cpu, CPU_RIP), OLD_PC);
}
END_TEST

START_TEST(without_room_or_dispatcher_nothing_happens)
{
    setup(_i);
    queue(1, false);
    c.kernel.entry_points.apc = 0;
    apcs_deliver(thread);
    ck_assert_uint_eq(cpu_get(c.p->cpu, CPU_RIP), OLD_PC);
    c.kernel.entry_points.apc = DISPATCHER;
    cpu_set(c.p->cpu, CPU_RSP, 0x1000);
    apcs_deliver(thread);
    ck_assert_uint_eq(cpu_get(c.p->cpu, CPU_RIP), OLD_PC);
    ck_assert_uint_eq(cpu_get(c.p->cpu, CPU_RSP), 0x1000);
    ck_assert_ptr_nonnull(thread->apcs);
    cpu_set(c.p->cpu, CPU_RSP, stack_top);
    apcs_deliver(thread);
    ck_assert_ptr_null(thread->apcs);
}
END_TEST

START_TEST(a_special_one_is_urgent_when_it_is_its_turn)
{
    setup(CPU_AMD64);
    ck_assert(!apcs_urgent(thread));
    queue(1, false);
    queue(2, true);
    ck_assert(!apcs_urgent(thread));
    apcs_deliver(thread);
    ck_assert(apcs_urgent(thread));
}
END_TEST

START_TEST(a_timer_has_one_call_at_a_time)
{
    struct timer *one, *two;
    struct apc_call call = call_number(1);

    setup(CPU_AMD64);
    one = timer_new(c.machine, false);
    two = timer_new(c.machine, false);
    apcs_queue_timer(thread, &call, one);
    apcs_queue_timer(thread, &call, one);
    queue(7, false);
    apcs_queue_timer(thread, &call, two);
    apcs_cancel_timer(thread, one);
    apcs_cancel_timer(thread, two); /* the last one; the next takes its place */
    queue(8, false);
    for (uint64_t n = 7; n <= 8; n++) {
        apcs_deliver(thread);
        ck_assert_uint_eq(word(cpu_get(c.p->cpu, CPU_RSP), 3), 0x1000 * n);
    }
    ck_assert_ptr_null(thread->apcs);
    object_unref(&one->object);
    object_unref(&two->object);
}
END_TEST

START_TEST(a_thread_has_a_most)
{
    struct apc_call call = call_number(1);
    nt_status st = STATUS_SUCCESS;

    setup(CPU_AMD64);
    ALLOC_FAIL_EACH(st, apcs_queue(thread, &call, false), STATUS_NO_MEMORY, STATUS_SUCCESS);
    for (unsigned n = 1; n < APCS_MAX; n++)
        ck_succeeds(apcs_queue(thread, &call, false));
    ck_status(apcs_queue(thread, &call, false), STATUS_INSUFFICIENT_RESOURCES);
    apcs_deliver(thread);
    ck_succeeds(apcs_queue(thread, &call, true));
    apcs_drop(thread);
    ck_assert_ptr_null(thread->apcs);
    queue(1, true);
    ck_assert(apcs_urgent(thread));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("apcs");
    TCase *tc = tcase_create("apcs");

    tcase_add_checked_fixture(tc, NULL, teardown);
    tcase_add_loop_test(tc, the_dispatcher_finds_routine_arguments_and_context, 0, 2);
    tcase_add_loop_test(tc, older_wines_dispatcher_is_a_function, 0, 2);
    tcase_add_loop_test(tc, the_oldest_comes_first, 0, 2);
    tcase_add_loop_test(tc, without_room_or_dispatcher_nothing_happens, 0, 2);
    tcase_add_test(tc, a_special_one_is_urgent_when_it_is_its_turn);
    tcase_add_test(tc, a_timer_has_one_call_at_a_time);
    tcase_add_test(tc, a_thread_has_a_most);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
