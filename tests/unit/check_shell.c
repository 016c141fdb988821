/* Guests that find functions by themselves: shellcode of either width runs in bare mode up to the stub it wanted. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "process_builder.h"
#include "suite.h"

static const enum cpu_arch archs[] = {CPU_I386, CPU_AMD64};
static struct process *p;

static void teardown(void)
{
    process_free(p);
    p = NULL;
}

static struct process *start_shell(int i)
{
    struct process_options options = {.raw = true, .arch = archs[i]};
    struct process *process = NULL;
    struct diag why = {{0}};

    options.path = i ? TEST_BUILD "/guests/shell_peb64.bin" : TEST_BUILD "/guests/shell_peb32.bin";
    ck_assert_msg(process_new(&options, &process, &why) == ERR_OK, "%s", why.text);
    return process;
}

/* Run to the next trap and return where it is. */
static gva_t run_to_trap(void)
{
    struct cpu_event event;

    process_clock_start(p);
    do {
        ck_assert_int_eq(process_schedule(p), PROCESS_TURN_RUNS);
        ck_assert_int_eq(cpu_run(process_cpu(p), false, &event), ERR_OK);
    } while (event.kind == CPU_EVENT_LIMIT);
    process_clock_stop(p);
    ck_assert_msg(event.kind == CPU_EVENT_TRAP, "event %d at 0x%llx", (int)event.kind,
                  (unsigned long long)event.pc);
    ck_assert_int_eq(event.access, VM_EXEC);
    ck_assert_uint_eq(event.pc, cpu_get(process_cpu(p), CPU_RIP));
    return event.pc;
}

START_TEST(shellcode_finds_winexec_by_hash)
{
    struct buf name;
    struct cpu *cpu;
    char command[9];
    gva_t stub, arg;

    p = start_shell(_i);
    cpu = process_cpu(p);
    stub = run_to_trap();
    buf_init(&name, 100);
    ck_assert(process_import_at(p, stub, &name));
    ck_assert_str_eq(buf_str(&name), "KERNEL32!WinExec");
    buf_fini(&name);
    arg = _i ? cpu_get(cpu, CPU_RCX) : guest_u32(p, cpu_get(cpu, CPU_RSP) + 4);
    ck_assert_uint_eq(vm_debug_read(process_vm(p), arg, command, sizeof command), sizeof command);
    ck_assert_str_eq(command, "calc.exe");
}
END_TEST

START_TEST(after_the_stub_the_shellcode_goes_on_to_the_exit)
{
    struct cpu_event event;
    struct cpu *cpu;
    gva_t sp;

    p = start_shell(_i);
    cpu = process_cpu(p);
    sp = cpu_get(cpu, CPU_RSP);
    (void)run_to_trap();
    cpu_set(cpu, CPU_RAX, 33); /* what the user answers for WinExec */
    ck_assert_int_eq(cpu_step(cpu, true, &event), ERR_OK);
    ck_assert_int_eq(event.kind, CPU_EVENT_STEP);
    ck_assert(process_is_exit(p, run_to_trap()));
    ck_assert_uint_eq(cpu_get(cpu, CPU_RAX), 33);
    ck_assert_uint_eq(cpu_get(cpu, CPU_RSP), sp + (_i ? 8 : 4));
}
END_TEST

/* spin: mov ecx,[7ffe0320]; loop until it changes: TickCount, every 15.6 ms of guest time */
static const uint8_t spin[] = {
    0x8b, 0x0c, 0x25, 0x20, 0x03, 0xfe, 0x7f, /* mov ecx, [0x7ffe0320] (SIB form: both widths) */
    0x8b, 0x14, 0x25, 0x20, 0x03, 0xfe, 0x7f, /* mov edx, [0x7ffe0320] */
    0x39, 0xca,                               /* cmp edx, ecx */
    0x74, 0xf5,                               /* je back to the second mov */
    0x29, 0xca,                               /* sub edx, ecx */
    0x89, 0xd0,                               /* mov eax, edx */
    0xc3,
};

START_TEST(a_guest_that_only_spins_sees_the_clock)
{
    p = build_code(archs[_i], spin, sizeof spin, NULL);
    ck_assert(process_is_exit(p, run_to_trap()));
    ck_assert_uint_ge(cpu_get(process_cpu(p), CPU_RAX), 1);
    ck_assert_uint_le(cpu_get(process_cpu(p), CPU_RAX), 1000);
}
END_TEST

/* Push until the stack is exhausted: loop: push eax; jmp loop */
static const uint8_t push_forever[] = {0x50, 0xeb, 0xfd};

START_TEST(a_stack_grows_under_the_guest)
{
    struct cpu_event event;
    int grown = 0;

    p = build_code(archs[_i], push_forever, sizeof push_forever, NULL);
    for (;;) {
        enum process_guard g;

        ck_assert_int_eq(cpu_run(process_cpu(p), false, &event), ERR_OK);
        ck_assert_int_eq(event.kind, CPU_EVENT_FAULT);
        if (event.fault != VM_FAULT_GUARD)
            break;
        g = process_guard_hit(p, event.address);
        ck_assert_int_ne(g, PROCESS_GUARD_OTHER);
        grown += g == PROCESS_GUARD_GROWN;
        if (g == PROCESS_GUARD_OVERFLOW)
            break;
    }
    ck_assert_int_eq(event.fault, VM_FAULT_GUARD);
    ck_assert_int_eq(grown, 256 - 6);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("shell");
    TCase *tc = tcase_create("shell");

    tcase_set_timeout(tc, 30);
    tcase_add_checked_fixture(tc, NULL, teardown);
    tcase_add_loop_test(tc, shellcode_finds_winexec_by_hash, 0, 2);
    tcase_add_loop_test(tc, after_the_stub_the_shellcode_goes_on_to_the_exit, 0, 2);
    tcase_add_loop_test(tc, a_guest_that_only_spins_sees_the_clock, 0, 2);
    tcase_add_loop_test(tc, a_stack_grows_under_the_guest, 0, 2);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
