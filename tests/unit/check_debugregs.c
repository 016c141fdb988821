/*
 * The guest's own hardware breakpoints, with and without the debugger's beside them. Bare mode: every exception stops in
 * the debugger. _i is the architecture throughout.
 */
#include <check.h>
#include <string.h>

#include "suite.h"
#include "target_fixture.h"
#include "winstub/nt.h"

#define DATA (BASE + 0x1008)

/*
 * 0: mov edi, DATA; 5: mov ecx, 3; 10: nop; 11: mov [edi], ecx; 13: mov eax, [edi]; 15: dec ecx; 17: jnz 10;
 * 19: xor eax, eax; 21: ret
 */
#define NOP   (BASE + 10)
#define STORE (BASE + 11)
#define LOAD  (BASE + 13)
#define DEC   (BASE + 15)
static const char program[0x1100] = "\xbf\x08\x10\x00\x10\xb9\x03\x00\x00\x00\x90\x89\x0f\x8b\x07"
                                    "\xff\xc9\x75\xf7\x31\xc0\xc3";

/* DR7: register n enabled, for an instruction, or for writes or accesses of four bytes. */
#define EXECUTE(n) (UINT64_C(1) << 2 * (n))
#define WRITES(n)  (EXECUTE(n) | UINT64_C(0xd) << (16 + 4 * (n)))
#define ACCESS(n)  (EXECUTE(n) | UINT64_C(0xf) << (16 + 4 * (n)))

static struct cpu *cpu;

static void start_program(int arch)
{
    start(arch, program, sizeof program);
    cpu = process_cpu(process);
}

static void stops_as(enum target_stop_kind kind, gva_t pc)
{
    ck_assert_msg(stop.kind == kind && cpu_get(cpu, CPU_RIP) == pc, "stop %d at 0x%llx: %s",
                  (int)stop.kind, (unsigned long long)cpu_get(cpu, CPU_RIP), stop.note);
}

static void steps_singly(gva_t pc, uint64_t dr6)
{
    stops_as(STOP_EXCEPTION, pc);
    ck_assert_uint_eq(stop.code, STATUS_SINGLE_STEP);
    ck_assert_uint_eq(stop.addr, pc);
    ck_assert_uint_eq(cpu_get(cpu, CPU_DR6), dr6);
    cpu_set(cpu, CPU_DR6, 0);
}

static void ends(void)
{
    go_on();
    ends_with(0);
}

START_TEST(a_breakpoint_of_the_guest_comes_before_its_instruction)
{
    start_program(_i);
    cpu_set(cpu, CPU_DR1, NOP);
    cpu_set(cpu, CPU_DR7, EXECUTE(1));
    for (unsigned turn = 0; turn < 3; turn++) {
        go_on();
        steps_singly(NOP, 2);
    }
    ends();
}
END_TEST

START_TEST(a_watchpoint_of_the_guest_comes_behind_each_write)
{
    start_program(_i);
    cpu_set(cpu, CPU_DR0, DATA);
    cpu_set(cpu, CPU_DR7, WRITES(0));
    for (unsigned turn = 0; turn < 3; turn++) {
        go_on();
        steps_singly(LOAD, 1);
    }
    ends();
}
END_TEST

START_TEST(accesses_are_reads_and_writes)
{
    start_program(_i);
    cpu_set(cpu, CPU_DR3, DATA + 3); /* the processor rounds it down */
    cpu_set(cpu, CPU_DR7, ACCESS(3));
    go_on();
    steps_singly(LOAD, 8);
    go_on();
    steps_singly(DEC, 8);
    cpu_set(cpu, CPU_DR7, 0);
    ends();
}
END_TEST

START_TEST(the_debuggers_breakpoint_at_the_same_place_is_first)
{
    start_program(_i);
    cpu_set(cpu, CPU_DR0, NOP);
    cpu_set(cpu, CPU_DR7, EXECUTE(0));
    ck_assert_int_eq(target.ops->point(target.ctx, POINT_BREAK_SW, NOP, 1, true), ERR_OK);
    for (unsigned turn = 0; turn < 3; turn++) {
        go_on();
        stops_as(STOP_BREAK_SW, NOP);
        go_on();
        steps_singly(NOP, 1);
    }
    ck_assert_int_eq(target.ops->point(target.ctx, POINT_BREAK_SW, NOP, 1, false), ERR_OK);
    ends();
}
END_TEST

START_TEST(the_debuggers_watchpoint_of_the_same_bytes_is_first)
{
    start_program(_i);
    cpu_set(cpu, CPU_DR0, DATA);
    cpu_set(cpu, CPU_DR7, WRITES(0));
    ck_assert_int_eq(target.ops->point(target.ctx, POINT_WRITE, DATA, 4, true), ERR_OK);
    for (unsigned turn = 0; turn < 3; turn++) {
        go_on();
        stops_as(STOP_WATCH, LOAD);
        go_on();
        steps_singly(LOAD, 1);
    }
    ends();
}
END_TEST

START_TEST(steps_of_the_debugger_meet_them_and_leave_no_trace)
{
    start_program(_i);
    cpu_set(cpu, CPU_DR0, STORE);
    cpu_set(cpu, CPU_DR7, EXECUTE(0));
    for (int i = 0; i < 3; i++)
        go((struct target_action){.kind = ACTION_STEP});
    stops_as(STOP_STEP, STORE);
    ck_assert_uint_eq(cpu_get(cpu, CPU_DR6), 0);
    go((struct target_action){.kind = ACTION_STEP});
    steps_singly(STORE, 1);
    go((struct target_action){.kind = ACTION_STEP});
    stops_as(STOP_STEP, LOAD);
    ck_assert_uint_eq(cpu_get(cpu, CPU_DR6), 0);
}
END_TEST

START_TEST(removing_the_debuggers_leaves_the_guests)
{
    start_program(_i);
    ck_assert_int_eq(target.ops->point(target.ctx, POINT_BREAK_SW, NOP, 1, true), ERR_OK);
    cpu_set(cpu, CPU_DR0, NOP);
    cpu_set(cpu, CPU_DR7, EXECUTE(0));
    go_on();
    stops_as(STOP_BREAK_SW, NOP);
    ck_assert_int_eq(target.ops->point(target.ctx, POINT_BREAK_SW, NOP, 1, false), ERR_OK);
    go_on();
    steps_singly(NOP, 1);
    cpu_set(cpu, CPU_DR7, 0);
    ck_assert_int_eq(target.ops->point(target.ctx, POINT_BREAK_SW, NOP, 1, true), ERR_OK);
    go_on();
    stops_as(STOP_BREAK_SW, NOP);
}
END_TEST

START_TEST(a_step_under_the_guests_own_flag_says_so_in_dr6)
{
    start_program(_i);
    cpu_set(cpu, CPU_EFLAGS, cpu_get(cpu, CPU_EFLAGS) | 0x100);
    go_on();
    steps_singly(BASE + 5, 0x4000);
}
END_TEST

START_TEST(values_without_meaning_do_not_stay)
{
    start_program(_i);
    cpu_set(cpu, CPU_DR0, UINT64_C(0xffff800000000000));
    cpu_set(cpu, CPU_DR6, UINT64_MAX);
    cpu_set(cpu, CPU_DR7, UINT64_MAX);
    ck_assert_uint_eq(cpu_get(cpu, CPU_DR0), 0);
    ck_assert_uint_eq(cpu_get(cpu, CPU_DR6), 0xe00f);
    ck_assert_uint_eq(cpu_get(cpu, CPU_DR7), 0xffff0355);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        a_breakpoint_of_the_guest_comes_before_its_instruction,
        a_watchpoint_of_the_guest_comes_behind_each_write,
        accesses_are_reads_and_writes,
        the_debuggers_breakpoint_at_the_same_place_is_first,
        the_debuggers_watchpoint_of_the_same_bytes_is_first,
        steps_of_the_debugger_meet_them_and_leave_no_trace,
        removing_the_debuggers_leaves_the_guests,
        a_step_under_the_guests_own_flag_says_so_in_dr6,
        values_without_meaning_do_not_stay,
    };
    Suite *s = suite_create("debug registers");
    TCase *tc = tcase_create("hits");

    tcase_add_checked_fixture(tc, NULL, teardown);
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        tcase_add_loop_test(tc, tests[i], CPU_I386, CPU_AMD64 + 1);
    suite_add_tcase(s, tc);
    return suite_main(s);
}
