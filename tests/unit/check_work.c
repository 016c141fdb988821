/* Work: counted alike however code is divided, and runs that end by it at the exact instruction. */
#include <check.h>

#include "guest.h"
#include "suite.h"

static struct guest g;

static void setup(void)
{
    guest_init(&g, CPU_AMD64);
    ck_assert_int_eq(cpu_count(g.cpu), ERR_OK);
    ck_assert_uint_eq(cpu_work(g.cpu), 0);
}

static void teardown(void)
{
    guest_fini(&g);
}

/* mov ecx, 1000; again: add eax, ecx (3 bytes); dec ecx; jnz again; push rax; pop rax; int3: 5 + 1000 * 7 + 2 bytes. */
#define LOOP                                                                                       \
    0xb9, 0xe8, 0x03, 0x00, 0x00, 0x48, 0x01, 0xc8, 0xff, 0xc9, 0x75, 0xf9, 0x50, 0x58, 0xcc
#define LOOP_WORK (5 + 1000 * 7 + 2)
#define LOOP_INT3 (GUEST_CODE + 14)

START_TEST(every_byte_of_every_instruction_counts)
{
    GUEST_CODE_AT(&g, GUEST_CODE, LOOP);
    guest_run(&g, CPU_EVENT_EXCEPTION, LOOP_INT3);
    ck_assert_uint_eq(cpu_work(g.cpu), LOOP_WORK + 1);
}
END_TEST

START_TEST(steps_count_as_runs_do)
{
    struct cpu_event event = {0};

    GUEST_CODE_AT(&g, GUEST_CODE, LOOP);
    do {
        ck_assert_int_eq(cpu_step(g.cpu, false, &event), ERR_OK);
    } while (event.kind == CPU_EVENT_STEP);
    ck_assert_int_eq(event.kind, CPU_EVENT_EXCEPTION);
    ck_assert_uint_eq(cpu_work(g.cpu), LOOP_WORK + 1);
}
END_TEST

START_TEST(breaks_in_the_middle_of_blocks_change_nothing)
{
    GUEST_CODE_AT(&g, GUEST_CODE, LOOP);
    ck_assert_int_eq(cpu_break_add(g.cpu, GUEST_CODE + 8), ERR_OK);
    guest_run(&g, CPU_EVENT_BREAK, GUEST_CODE + 8);
    ck_assert_uint_eq(cpu_work(g.cpu), 8);
    for (uint64_t i = 1; i < 1000; i++) {
        guest_run_on(&g, CPU_EVENT_BREAK, GUEST_CODE + 8);
        ck_assert_uint_eq(cpu_work(g.cpu), 8 + 7 * i);
    }
    guest_run_on(&g, CPU_EVENT_EXCEPTION, LOOP_INT3);
    ck_assert_uint_eq(cpu_work(g.cpu), LOOP_WORK + 1);
}
END_TEST

START_TEST(what_a_fault_leaves_undone_does_not_count)
{
    /* nop; mov rax, [0x500000]; nop */
    GUEST_CODE_AT(&g, GUEST_CODE, 0x90, 0x48, 0x8b, 0x04, 0x25, 0x00, 0x00, 0x50, 0x00, 0x90, 0xcc);
    guest_run(&g, CPU_EVENT_FAULT, GUEST_CODE + 1);
    ck_assert_uint_eq(cpu_work(g.cpu), 1);
    guest_step(&g, CPU_EVENT_FAULT, GUEST_CODE + 1);
    ck_assert_uint_eq(cpu_work(g.cpu), 1);
    guest_map(&g, 0x500000, 0x1000, PAGE_READWRITE);
    guest_run(&g, CPU_EVENT_EXCEPTION, GUEST_CODE + 10);
    ck_assert_uint_eq(cpu_work(g.cpu), 11);
}
END_TEST

START_TEST(a_jump_to_itself_counts)
{
    GUEST_CODE_AT(&g, GUEST_CODE, 0xeb, 0xfe);
    for (uint64_t i = 1; i <= 5; i++) {
        guest_step(&g, CPU_EVENT_STEP, GUEST_CODE);
        ck_assert_uint_eq(cpu_work(g.cpu), 2 * i);
    }
    cpu_set_limit(g.cpu, 1000);
    guest_run(&g, CPU_EVENT_LIMIT, GUEST_CODE);
    ck_assert_uint_eq(cpu_work(g.cpu), 1000);
}
END_TEST

/* Limits everywhere: each run ends at the first instruction before which so much was done, never in one. */
START_TEST(runs_end_at_the_exact_instruction)
{
    static const gva_t first[] = {0, 5, 8, 10};
    struct cpu_event event = {0};

    GUEST_CODE_AT(&g, GUEST_CODE, LOOP);
    for (uint64_t limit = 1; event.kind != CPU_EVENT_EXCEPTION; limit++) {
        uint64_t in_loop, work;

        cpu_set_limit(g.cpu, limit);
        ck_assert_int_eq(cpu_run(g.cpu, false, &event), ERR_OK);
        work = cpu_work(g.cpu);
        if (event.kind == CPU_EVENT_EXCEPTION || work > 5 + 7 * 1000)
            continue;
        ck_assert_int_eq(event.kind, CPU_EVENT_LIMIT);
        ck_assert_uint_ge(work, limit);
        ck_assert_uint_lt(work, limit + 5);
        in_loop = work < 5 ? 0 : (work - 5) % 7;
        if (work < 5 + 7 * 1000)
            ck_assert_uint_eq(event.pc, GUEST_CODE + (work ? 5 : first[0]) + in_loop);
    }
    ck_assert_uint_eq(cpu_work(g.cpu), LOOP_WORK + 1);
}
END_TEST

START_TEST(cpu_stop_ends_a_counting_run)
{
    GUEST_CODE_AT(&g, GUEST_CODE, 0xeb, 0xfe);
    cpu_stop(g.cpu);
    ck_assert(cpu_due(g.cpu));
    guest_run(&g, CPU_EVENT_STOP, GUEST_CODE);
    ck_assert(!cpu_due(g.cpu));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("work");
    TCase *tc = tcase_create("work");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, every_byte_of_every_instruction_counts);
    tcase_add_test(tc, steps_count_as_runs_do);
    tcase_add_test(tc, breaks_in_the_middle_of_blocks_change_nothing);
    tcase_add_test(tc, what_a_fault_leaves_undone_does_not_count);
    tcase_add_test(tc, a_jump_to_itself_counts);
    tcase_add_test(tc, runs_end_at_the_exact_instruction);
    tcase_add_test(tc, cpu_stop_ends_a_counting_run);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
