/* The CPU's everyday life: registers, running, stepping, breaks, both widths. */
#include <check.h>
#include <string.h>

#include "guest_suite.h"

START_TEST(a_new_cpu_looks_as_windows_starts_a_thread)
{
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_CS), cpu_get_arch(g.cpu) == CPU_AMD64 ? 0x33 : 0x23);
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_SS), 0x2b);
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_DS), 0x2b);
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_FS), 0x53);
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_EFLAGS), 0x202);
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_MXCSR), 0x1f80);
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_FCW), 0x27f);
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_RAX), 0);
}
END_TEST

START_TEST(a_step_executes_one_instruction)
{
    /* add eax, 2; add eax, 3 */
    GUEST_CODE_AT(&g, GUEST_CODE, 0x83, 0xc0, 2, 0x83, 0xc0, 3);
    guest_step(&g, CPU_EVENT_STEP, GUEST_CODE + 3);
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_RAX), 2);
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_EFLAGS) & 0x100, 0);
    guest_step(&g, CPU_EVENT_STEP, GUEST_CODE + 6);
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_RAX), 5);
}
END_TEST

START_TEST(a_break_stops_before_its_instruction_and_is_passed_once)
{
    /* 0: inc via add eax, 1; 3: jmp 0 */
    GUEST_CODE_AT(&g, GUEST_CODE, 0x83, 0xc0, 1, 0xeb, 0xfb);
    ck_assert_int_eq(cpu_break_add(g.cpu, GUEST_CODE + 3), ERR_OK);
    guest_run(&g, CPU_EVENT_BREAK, GUEST_CODE + 3);
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_RAX), 1);
    guest_run(&g, CPU_EVENT_BREAK, GUEST_CODE + 3);
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_RAX), 1);
    guest_run_on(&g, CPU_EVENT_BREAK, GUEST_CODE + 3);
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_RAX), 2);
    cpu_break_remove(g.cpu, GUEST_CODE + 3);
    ck_assert_int_eq(cpu_break_add(g.cpu, GUEST_CODE), ERR_OK);
    guest_run(&g, CPU_EVENT_BREAK, GUEST_CODE);
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_RAX), 2);
}
END_TEST

START_TEST(a_read_of_free_memory_faults_before_it_has_any_effect)
{
    /* add eax, 1; mov ecx, [ebx] */
    GUEST_CODE_AT(&g, GUEST_CODE, 0x83, 0xc0, 1, 0x8b, 0x0b);
    cpu_set(g.cpu, CPU_RBX, GUEST_DATA + 0x1fff);
    guest_run(&g, CPU_EVENT_FAULT, GUEST_CODE + 3);
    ck_assert_uint_eq(g.event.address, GUEST_DATA + 0x2000);
    ck_assert_uint_eq(g.event.size, 4);
    ck_assert_int_eq(g.event.access, VM_READ);
    ck_assert_int_eq(g.event.fault, VM_FAULT_FREE);
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_RAX), 1);
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_RCX), 0);
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_EFLAGS) & 0x100, 0);
}
END_TEST

START_TEST(a_wild_jump_faults_at_its_target)
{
    /* jmp eax */
    static const gva_t targets[] = {0, 0x12345678, 0x7fff0000};

    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        GUEST_CODE_AT(&g, GUEST_CODE, 0xff, 0xe0);
        cpu_set(g.cpu, CPU_RAX, targets[i]);
        guest_run(&g, CPU_EVENT_FAULT, targets[i]);
        ck_assert_int_eq(g.event.access, VM_EXEC);
        ck_assert_uint_eq(g.event.address, targets[i]);
        guest_step(&g, CPU_EVENT_FAULT, targets[i]);
    }
}
END_TEST

START_TEST(syscall_stops_behind_it_and_int3_at_it)
{
    GUEST_CODE_AT(&g, GUEST_CODE, 0x90, 0x0f, 0x05, 0x90, 0xcc, 0x90, 0xcd, 0x2d, 0x90);
    guest_run(&g, CPU_EVENT_SYSCALL, GUEST_CODE + 3);
    guest_run(&g, CPU_EVENT_EXCEPTION, GUEST_CODE + 4);
    ck_assert_uint_eq(g.event.vector, CPU_VEC_BP);
    ck_assert_uint_eq(g.event.length, 1);
    cpu_set(g.cpu, CPU_RIP, GUEST_CODE + 5);
    guest_run(&g, CPU_EVENT_EXCEPTION, GUEST_CODE + 6);
    ck_assert_uint_eq(g.event.vector, 0x2d);
    ck_assert_uint_eq(g.event.length, 2);
}
END_TEST

START_TEST(the_service_interrupt_is_a_system_call)
{
    GUEST_CODE_AT(&g, GUEST_CODE, 0x90, 0xcd, 0x2e, 0xcd, 0x2e, 0x90);
    guest_run(&g, CPU_EVENT_SYSCALL, GUEST_CODE + 3);
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_RIP), GUEST_CODE + 3);
    guest_step(&g, CPU_EVENT_SYSCALL, GUEST_CODE + 5);
}
END_TEST

START_TEST(a_context_brings_every_register_back)
{
    struct cpu_context *context;

    cpu_set(g.cpu, CPU_RAX, 0x1234);
    cpu_set(g.cpu, CPU_FS_BASE, GUEST_DATA);
    context = cpu_context_new(g.cpu);
    ck_assert_ptr_nonnull(context);
    cpu_set(g.cpu, CPU_RAX, 1);
    cpu_set(g.cpu, CPU_FS_BASE, 2);
    cpu_context_load(g.cpu, context);
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_RAX), 0x1234);
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_FS_BASE), GUEST_DATA);
    cpu_context_free(context);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, a_new_cpu_looks_as_windows_starts_a_thread);
    tcase_add_test(tc, a_step_executes_one_instruction);
    tcase_add_test(tc, a_break_stops_before_its_instruction_and_is_passed_once);
    tcase_add_test(tc, a_read_of_free_memory_faults_before_it_has_any_effect);
    tcase_add_test(tc, a_wild_jump_faults_at_its_target);
    tcase_add_test(tc, syscall_stops_behind_it_and_int3_at_it);
    tcase_add_test(tc, the_service_interrupt_is_a_system_call);
    tcase_add_test(tc, a_context_brings_every_register_back);
}

int main(void)
{
    return guest_suite("cpu", add_tests, add_tests);
}
