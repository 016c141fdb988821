/*
 * Flags and counts that the engine's own ways would spoil: TF that is ours or the guest's, rep,
 * conditions stored into watched pages, and system calls under TF. Each says how it fails without
 * its answer.
 */
#include <check.h>

#include "guest_suite.h"

#define TF          0x100u
#define COUNT_OF(a) (sizeof(a) / sizeof *(a))

/* Without TF's own rules for rep, a step would do all iterations, or one more than there are. */
START_TEST(a_step_does_one_iteration_of_rep)
{
    GUEST_CODE_AT(&g, GUEST_CODE, 0xf3, 0xaa, 0x90); /* rep stosb */
    cpu_set(g.cpu, CPU_RCX, 3);
    cpu_set(g.cpu, CPU_RDI, GUEST_DATA);
    cpu_set(g.cpu, CPU_RAX, 0x41);
    guest_step(&g, CPU_EVENT_STEP, GUEST_CODE);
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_RCX), 2);
    guest_step(&g, CPU_EVENT_STEP, GUEST_CODE);
    guest_step(&g, CPU_EVENT_STEP, GUEST_CODE + 2);
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_RCX), 0);
    ck_assert_uint_eq(guest_read(&g, GUEST_DATA, 4), 0x414141);
}
END_TEST

/*
 * Without the clean-up the pushed image has TF set, by a step and by the first instruction of a
 * run.
 */
START_TEST(pushed_flags_never_show_our_tf)
{
    /* pushf; pop eax; pushf; pop ecx; int3 */
    GUEST_CODE_AT(&g, GUEST_CODE, 0x9c, 0x58, 0x66, 0x9c, 0x66, 0x59, 0xcc);
    guest_step(&g, CPU_EVENT_STEP, GUEST_CODE + 1);
    guest_step(&g, CPU_EVENT_STEP, GUEST_CODE + 2);
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_RAX) & TF, 0);
    guest_run(&g, CPU_EVENT_EXCEPTION, GUEST_CODE + 6);
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_RCX) & TF, 0);
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_RCX) & 0x202, 0x202);
    cpu_set(g.cpu, CPU_RIP, GUEST_CODE);
    guest_run(&g, CPU_EVENT_EXCEPTION, GUEST_CODE + 6);
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_RAX) & TF, 0);
}
END_TEST

/*
 * No trap comes behind a load of ss, so one step executes pushf as well: without a look at the second instruction our TF
 * shows, which is what some programs look for.
 */
START_TEST(pushed_flags_behind_a_load_of_ss_never_show_our_tf)
{
    /* mov ss, edx; pushf; pop eax; int3 */
    GUEST_CODE_AT(&g, GUEST_CODE, 0x8e, 0xd2, 0x9c, 0x58, 0xcc);
    cpu_set(g.cpu, CPU_RDX, cpu_get(g.cpu, CPU_SS));
    guest_run(&g, CPU_EVENT_EXCEPTION, GUEST_CODE + 4);
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_RAX) & TF, 0);
    cpu_set(g.cpu, CPU_RAX, 0);
    cpu_set(g.cpu, CPU_RIP, GUEST_CODE);
    guest_step(&g, CPU_EVENT_STEP, GUEST_CODE + 3);
    guest_step(&g, CPU_EVENT_STEP, GUEST_CODE + 4);
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_RAX) & (TF | 0x202), 0x202);
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_EFLAGS) & TF, 0);
}
END_TEST

/* Without telling our TF from the guest's, its trap is lost or comes after every step. */
START_TEST(the_guests_own_tf_traps)
{
    /* 0: pushf; 1: or dword [esp], 0x100; 8: popf; 9: nop; a: nop; b: int3 */
    GUEST_CODE_AT(&g, GUEST_CODE, 0x9c, 0x81, 0x0c, 0x24, 0x00, 0x01, 0x00, 0x00, 0x9d, 0x90, 0x90,
                  0xcc);
    for (int stepping = 0; stepping < 2; stepping++) {
        cpu_set(g.cpu, CPU_EFLAGS, 0x202);
        cpu_set(g.cpu, CPU_RIP, GUEST_CODE);
        if (stepping) {
            guest_step(&g, CPU_EVENT_STEP, GUEST_CODE + 1);
            guest_step(&g, CPU_EVENT_STEP, GUEST_CODE + 8);
            guest_step(&g, CPU_EVENT_STEP, GUEST_CODE + 9);
            guest_step(&g, CPU_EVENT_EXCEPTION, GUEST_CODE + 10);
        } else {
            guest_run(&g, CPU_EVENT_EXCEPTION, GUEST_CODE + 10);
        }
        ck_assert_uint_eq(g.event.vector, CPU_VEC_DB);
        ck_assert_uint_eq(g.event.length, 0);
        ck_assert_uint_eq(cpu_get(g.cpu, CPU_EFLAGS) & TF, TF);
        guest_run(&g, CPU_EVENT_EXCEPTION, GUEST_CODE + 11);
        ck_assert_uint_eq(g.event.vector, CPU_VEC_DB);
    }
}
END_TEST

/*
 * Without executing it alone, a trapped setcc or rcl in the middle of a block loses the flags that
 * it reads: the engine has overwritten them when the access is refused.
 */
START_TEST(flags_survive_a_trapped_store_of_a_condition)
{
    static const uint8_t codes[][4] = {{0x0f, 0x9a, 0x03, 0xcc},  /* setp [ebx] */
                                       {0x0f, 0x90, 0x03, 0xcc},  /* seto */
                                       {0x0f, 0x97, 0x03, 0xcc},  /* seta */
                                       {0x0f, 0x9c, 0x03, 0xcc},  /* setl */
                                       {0xd0, 0x13, 0x90, 0xcc}}; /* rcl byte [ebx], 1 */

    ck_assert_int_eq(cpu_trap_set(g.cpu, GUEST_DATA, VM_READ | VM_WRITE), ERR_OK);
    for (size_t i = 0; i < COUNT_OF(codes); i++) {
        uint64_t flags[2];

        for (int stepping = 0; stepping < 2; stepping++) {
            /* 0: xor eax, edx; 2: add eax, ecx; 4: the instruction */
            GUEST_CODE_AT(&g, GUEST_CODE, 0x31, 0xd0, 0x01, 0xc8);
            guest_write(&g, GUEST_CODE + 4, codes[i], 4);
            cpu_set(g.cpu, CPU_RAX, 0x1234);
            cpu_set(g.cpu, CPU_RDX, 0x8000f003);
            cpu_set(g.cpu, CPU_RCX, 0x80000075);
            cpu_set(g.cpu, CPU_RBX, GUEST_DATA);
            if (stepping) {
                guest_step(&g, CPU_EVENT_STEP, GUEST_CODE + 2);
                guest_step(&g, CPU_EVENT_STEP, GUEST_CODE + 4);
            }
            guest_run(&g, CPU_EVENT_TRAP, GUEST_CODE + 4);
            flags[stepping] = cpu_get(g.cpu, CPU_EFLAGS);
            ck_assert_int_eq(cpu_step(g.cpu, true, &g.event), ERR_OK);
        }
        ck_assert_msg(flags[0] == flags[1], "case %zu: 0x%" PRIx64 ", stepped 0x%" PRIx64, i,
                      flags[0], flags[1]);
    }
}
END_TEST

/*
 * Without the first note winning, a run that begins at it forgets to move rip; 2.1.1 loses rip at
 * sysenter, which is no way into a 64-bit kernel.
 */
START_TEST(system_calls_are_found_wherever_a_run_begins)
{
    for (unsigned sysenter = 0; sysenter < 2; sysenter++) {
        enum cpu_event_kind kind = sysenter ? CPU_EVENT_EXCEPTION : CPU_EVENT_SYSCALL;

        GUEST_CODE_AT(&g, GUEST_CODE, 0x90, 0x90, 0x0f, sysenter ? 0x34 : 0x05, 0xcc);
        for (gva_t from = 0; from < 3; from++) {
            cpu_set(g.cpu, CPU_RIP, GUEST_CODE + from);
            guest_run(&g, kind, GUEST_CODE + (sysenter ? 2 : 4));
        }
        cpu_set(g.cpu, CPU_RIP, GUEST_CODE + 2);
        guest_step(&g, kind, GUEST_CODE + (sysenter ? 2 : 4));
        ck_assert_uint_eq(g.event.vector, sysenter ? CPU_VEC_GP : 0);
        ck_assert_uint_eq(cpu_get(g.cpu, CPU_EFLAGS) & TF, 0);
    }
}
END_TEST

/* Without executing it alone, its flags come from operands of another instruction in its block. */
START_TEST(flags_survive_a_cmpxchg8b)
{
    /* 0: nop; 1: cmp al, al; 3: add al, cl; 5: cmpxchg8b [ebx]; 8: int3 */
    GUEST_CODE_AT(&g, GUEST_CODE, 0x90, 0x38, 0xc0, 0x00, 0xc8, 0x0f, 0xc7, 0x0b, 0xcc);
    for (unsigned equal = 0; equal < 2; equal++) {
        guest_write(&g, GUEST_DATA, equal ? "\x7f\0\0" : "\1\2\3", 3);
        cpu_set(g.cpu, CPU_RAX, 0x80);
        cpu_set(g.cpu, CPU_RCX, 0xff);
        cpu_set(g.cpu, CPU_RDX, 0);
        cpu_set(g.cpu, CPU_RBX, GUEST_DATA);
        cpu_set(g.cpu, CPU_RIP, GUEST_CODE);
        guest_run(&g, CPU_EVENT_EXCEPTION, GUEST_CODE + 8);
        ck_assert_uint_eq(cpu_get(g.cpu, CPU_EFLAGS), equal ? 0xa43 : 0xa03);
    }
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, flags_survive_a_cmpxchg8b);
    tcase_add_test(tc, a_step_does_one_iteration_of_rep);
    tcase_add_test(tc, pushed_flags_never_show_our_tf);
    tcase_add_test(tc, pushed_flags_behind_a_load_of_ss_never_show_our_tf);
    tcase_add_test(tc, the_guests_own_tf_traps);
    tcase_add_test(tc, flags_survive_a_trapped_store_of_a_condition);
    tcase_add_test(tc, system_calls_are_found_wherever_a_run_begins);
}

int main(void)
{
    return guest_suite("cpu flags", add_tests, add_tests);
}
