/* Work: counted alike however code is divided, and runs that end by it at the exact instruction. */
#include <check.h>
#include <pthread.h>
#include <time.h>

#include "cpu/cpu_priv.h"
#include "guest.h"
#include "suite.h"
#include "winstub/hook.h"

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

#define REP_DATA (GUEST_DATA + 0x20)

/* Each ends in int3, and runs with rsi and rdi at the data; the seventh byte from there is 7, all others are 0. */
static const struct {
    uint8_t code[16];
    uint64_t rcx;
} reps[] = {
    {{0x90, 0xf3, 0xa4, 0x90, 0xcc}, 5},                /* nop; rep movsb; nop */
    {{0x90, 0xf3, 0xa4, 0x90, 0xcc}, 1},                /* the first is the last */
    {{0x90, 0xf3, 0xa4, 0x90, 0xcc}, 0},                /* there is none */
    {{0xf3, 0x48, 0xab, 0xcc}, 3},                      /* rep stosq, with nothing before it */
    {{0xf3, 0x67, 0xaa, 0xcc}, UINT64_C(0xff00000003)}, /* rep stosb by ecx */
    {{0x31, 0xc0, 0xf3, 0xae, 0xcc}, 20},            /* xor eax, eax; repe scasb: ends at the 7 */
    {{0x31, 0xc0, 0xf3, 0xae, 0xcc}, 7},             /* and with it the count */
    {{0x31, 0xc0, 0xf3, 0xae, 0xcc}, 6},             /* the count ends before it */
    {{0xb0, 0x07, 0xf2, 0xae, 0xcc}, 7},             /* mov al, 7; repne scasb */
    {{0xb0, 0x09, 0xf2, 0xae, 0xcc}, 4},             /* not there */
    {{0x39, 0xc0, 0xf3, 0xa6, 0xf3, 0xaa, 0xcc}, 3}, /* cmp eax, eax; repe cmpsb; rep stosb */
    {{0xfd, 0xf3, 0xa4, 0xfc, 0x90, 0xcc}, 2},       /* std; rep movsb; cld */
};

static void start_rep(int i)
{
    uint8_t data[0x40] = {[6] = 7};

    guest_write(&g, REP_DATA, data, sizeof data);
    cpu_set(g.cpu, CPU_RCX, reps[i].rcx);
    cpu_set(g.cpu, CPU_RSI, REP_DATA);
    cpu_set(g.cpu, CPU_RDI, REP_DATA);
    cpu_set(g.cpu, CPU_RIP, GUEST_CODE);
}

/* Where something has come to, since `began`. */
struct place {
    gva_t pc;
    uint64_t rcx, work;
};

static struct place place_now(uint64_t began)
{
    return (struct place){cpu_get(g.cpu, CPU_RIP), cpu_get(g.cpu, CPU_RCX),
                          cpu_work(g.cpu) - began};
}

/* Run a rep in one of several ways until so much was executed, or to its end. */
enum way { RUN, STEP, STEP_AND_RUN, WAYS };

static struct place go(int i, enum way way, uint64_t limit)
{
    uint64_t began = cpu_work(g.cpu);
    struct cpu_event event = {0};

    start_rep(i);
    cpu_set_limit(g.cpu, began + limit);
    if (way == STEP_AND_RUN)
        ck_assert_int_eq(cpu_step(g.cpu, false, &event), ERR_OK);
    while (!cpu_due(g.cpu) && event.kind != CPU_EVENT_EXCEPTION)
        ck_assert_int_eq(
            way == STEP ? cpu_step(g.cpu, false, &event) : cpu_run(g.cpu, false, &event), ERR_OK);
    return place_now(began);
}

START_TEST(a_rep_counts_and_ends_alike_run_or_stepped)
{
    struct place end;

    guest_code(&g, GUEST_CODE, reps[_i].code, sizeof reps[_i].code);
    end = go(_i, RUN, 1000);
    for (uint64_t limit = 1; limit <= end.work + 1; limit++) {
        struct place run = go(_i, RUN, limit);

        for (enum way way = STEP; way < WAYS; way++) {
            struct place other = go(_i, way, limit);

            ck_assert_uint_eq(other.work, run.work);
            ck_assert_uint_eq(other.pc, run.pc);
            ck_assert_uint_eq(other.rcx, run.rcx);
        }
    }
}
END_TEST

/* As what a hook hears of a write makes the instruction be tried out. */
static bool allow(void *ctx, struct cpu *cpu, const struct cpu_access *access)
{
    (void)cpu;
    (void)access;
    ++*(int *)ctx;
    return true;
}

START_TEST(what_is_only_tried_out_does_not_count)
{
    int calls = 0;
    struct cpu_hook hook = {.access = VM_WRITE,
                            .first = GUEST_DATA,
                            .last = GUEST_DATA + 7,
                            .fn = allow,
                            .ctx = &calls};
    unsigned id;

    ck_assert_int_eq(cpu_hook_add(g.cpu, &hook, &id), ERR_OK);
    cpu_set(g.cpu, CPU_RDI, GUEST_DATA);
    GUEST_CODE_AT(&g, GUEST_CODE, 0x90, 0x89, 0x07, 0x90, 0xcc); /* mov [rdi], eax */
    guest_run(&g, CPU_EVENT_EXCEPTION, GUEST_CODE + 4);
    ck_assert_int_eq(calls, 1);
    ck_assert_uint_eq(cpu_work(g.cpu), 5);
}
END_TEST

/* Much longer than what is granted at once. */
START_TEST(long_runs_count_alike)
{
    /* mov ecx, 1000000; again: dec ecx; jnz again; int3 */
    GUEST_CODE_AT(&g, GUEST_CODE, 0xb9, 0x40, 0x42, 0x0f, 0x00, 0xff, 0xc9, 0x75, 0xfc, 0xcc);
    cpu_set_limit(g.cpu, 2000002);
    guest_run(&g, CPU_EVENT_LIMIT, GUEST_CODE + 7);
    ck_assert_uint_eq(cpu_work(g.cpu), 5 + 4 * 499999 + 2);
    cpu_set_limit(g.cpu, UINT64_MAX);
    guest_run(&g, CPU_EVENT_EXCEPTION, GUEST_CODE + 9);
    ck_assert_uint_eq(cpu_work(g.cpu), 5 + 4 * 1000000 + 1);
}
END_TEST

START_TEST(what_more_breaks_than_can_be_hooked_do_changes_nothing)
{
    GUEST_CODE_AT(&g, GUEST_CODE, LOOP);
    g.cpu->hook_limit = 1;
    ck_assert_int_eq(cpu_break_add(g.cpu, GUEST_CODE + 8), ERR_OK);
    ck_assert_int_eq(cpu_break_add(g.cpu, GUEST_CODE + 10), ERR_OK);
    guest_run(&g, CPU_EVENT_BREAK, GUEST_CODE + 8);
    for (uint64_t i = 1; i < 1000; i++) {
        guest_run_on(&g, CPU_EVENT_BREAK, GUEST_CODE + 10);
        ck_assert_uint_eq(cpu_work(g.cpu), 10 + 7 * (i - 1));
        guest_run_on(&g, CPU_EVENT_BREAK, GUEST_CODE + 8);
        ck_assert_uint_eq(cpu_work(g.cpu), 8 + 7 * i);
    }
    cpu_break_remove(g.cpu, GUEST_CODE + 8);
    cpu_break_remove(g.cpu, GUEST_CODE + 10);
    guest_run(&g, CPU_EVENT_EXCEPTION, LOOP_INT3);
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

static void *stop_soon(void *cpu)
{
    struct timespec t = {.tv_nsec = 20000000};

    (void)nanosleep(&t, NULL);
    cpu_stop(cpu);
    return NULL;
}

START_TEST(another_thread_ends_a_counting_run)
{
    pthread_t thread;

    GUEST_CODE_AT(&g, GUEST_CODE, 0xeb, 0xfe);
    ck_assert_int_eq(pthread_create(&thread, NULL, stop_soon, g.cpu), 0);
    guest_run(&g, CPU_EVENT_STOP, GUEST_CODE);
    pthread_join(thread, NULL);
    ck_assert_uint_gt(cpu_work(g.cpu), 100000);
    ck_assert_uint_eq(cpu_work(g.cpu) % 2, 0);
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
    tcase_add_loop_test(tc, a_rep_counts_and_ends_alike_run_or_stepped, 0,
                        sizeof reps / sizeof *reps);
    tcase_add_test(tc, what_is_only_tried_out_does_not_count);
    tcase_add_test(tc, long_runs_count_alike);
    tcase_add_test(tc, what_more_breaks_than_can_be_hooked_do_changes_nothing);
    tcase_add_test(tc, cpu_stop_ends_a_counting_run);
    tcase_add_test(tc, another_thread_ends_a_counting_run);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
