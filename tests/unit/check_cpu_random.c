/*
 * Random programs, stepped on one CPU and run on another: events, registers and memory must be the
 * same. The code is writable, so it changes itself as well. Arithmetic flags are left out where
 * they are compared: instructions leave some undefined, and the engine leaves them as it computed
 * them.
 */
#include <check.h>
#include <string.h>

#include "guest.h"
#include "suite.h"
#include "winstub/dis.h"

#define PROGRAMS     2500
#define STEPS        400 /* programs that loop longer are skipped */
#define CODE         UINT64_C(0x400000)
#define AREA_SIZE    (3 * VM_PAGE_SIZE)
#define PROGRAM_SIZE 64u
#define ARITHMETIC   0x8d5u

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Fill program with instructions that Capstone knows, and int3 behind them. */
static void make_program(uint64_t *state, struct dis *dis, const struct guest *g, uint8_t *program)
{
    size_t at = 0;

    while (at < PROGRAM_SIZE - 16) {
        uint8_t bytes[DIS_MAX_LENGTH];
        struct dis_insn insn;

        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = (uint8_t)next_random(state);
        if ((next_random(state) & 3) == 0)
            bytes[0] = 0x0f;
        if (!dis_decode(dis, g->cpu, CODE + at, bytes, sizeof bytes, &insn))
            continue;
        if (strncmp(insn.text, "rdtsc", 5) == 0)
            continue; /* counts its uses */
        memcpy(program + at, bytes, insn.length);
        at += insn.length;
    }
    memset(program + at, 0xcc, PROGRAM_SIZE - at);
}

static uint64_t random_value(uint64_t *state)
{
    uint64_t r = next_random(state);

    switch (r & 3) {
    case 0:
        return next_random(state);
    case 1:
        return GUEST_DATA + (r >> 8) % AREA_SIZE;
    case 2:
        return r >> 8 & 0xff;
    default:
        return CODE + (r >> 8) % AREA_SIZE;
    }
}

/* Everything that a program starts from; the same for both when state is. */
static void start(struct guest *g, const struct cpu_context *fresh, uint64_t state,
                  const uint8_t *program)
{
    uint8_t area[AREA_SIZE];
    gva_t base = CODE + (next_random(&state) & 7 ? VM_PAGE_SIZE : VM_PAGE_SIZE - 32);

    for (size_t i = 0; i < sizeof area; i++)
        area[i] = (uint8_t)next_random(&state);
    cpu_context_load(g->cpu, fresh);
    guest_write(g, GUEST_DATA, area, 2 * VM_PAGE_SIZE);
    guest_write(g, GUEST_STACK, area, 2 * VM_PAGE_SIZE);
    guest_write(g, CODE, area, sizeof area);
    for (int reg = CPU_RAX; reg <= CPU_R15; reg++)
        cpu_set(g->cpu, (enum cpu_reg)reg, random_value(&state));
    cpu_set(g->cpu, CPU_RSP, GUEST_STACK + 0x800);
    base += next_random(&state) & 63;
    guest_code(g, base, program, PROGRAM_SIZE);
}

/* Step until something else happens; false when that takes too long. */
static bool step_to_event(struct guest *g)
{
    for (int i = 0; i < STEPS; i++) {
        ck_assert_int_eq(cpu_step(g->cpu, true, &g->event), ERR_OK);
        if (g->event.kind != CPU_EVENT_STEP)
            return true;
    }
    return false;
}

static void compare_memory(const struct guest *a, const struct guest *b, gva_t base, size_t len,
                           int program)
{
    uint8_t x[AREA_SIZE], y[AREA_SIZE];

    ck_assert_uint_eq(vm_debug_read(a->vm, base, x, len), len);
    ck_assert_uint_eq(vm_debug_read(b->vm, base, y, len), len);
    ck_assert_msg(memcmp(x, y, len) == 0, "program %d: memory at 0x%" PRIx64, program, base);
}

static void compare(const struct guest *a, const struct guest *b, int program)
{
    size_t count;
    const struct target_reg *regs = cpu_regs(cpu_get_arch(a->cpu), &count);

    ck_assert_msg(a->event.kind == b->event.kind && a->event.pc == b->event.pc &&
                      a->event.address == b->event.address && a->event.size == b->event.size &&
                      a->event.vector == b->event.vector && a->event.access == b->event.access,
                  "program %d: stepped to event %d at 0x%" PRIx64 ", ran to %d at 0x%" PRIx64,
                  program, (int)a->event.kind, a->event.pc, (int)b->event.kind, b->event.pc);
    for (size_t i = 0; i < count; i++) {
        uint8_t x[TARGET_REG_MAX_BYTES], y[TARGET_REG_MAX_BYTES];
        size_t len = regs[i].bits / 8u;

        ck_assert_int_eq(cpu_reg_read(a->cpu, i, x, len), ERR_OK);
        ck_assert_int_eq(cpu_reg_read(b->cpu, i, y, len), ERR_OK);
        ck_assert_msg(memcmp(x, y, len) == 0 || strcmp(regs[i].name, "eflags") == 0,
                      "program %d: %s", program, regs[i].name);
    }
    ck_assert_uint_eq(cpu_get(a->cpu, CPU_EFLAGS) & ~(uint64_t)(ARITHMETIC | 8),
                      cpu_get(b->cpu, CPU_EFLAGS) & ~(uint64_t)(ARITHMETIC | 8));
    compare_memory(a, b, GUEST_DATA, 2 * VM_PAGE_SIZE, program);
    compare_memory(a, b, GUEST_STACK, 2 * VM_PAGE_SIZE, program);
    compare_memory(a, b, CODE, AREA_SIZE, program);
}

static void run_programs(enum cpu_arch arch)
{
    struct guest g[2];
    struct cpu_context *fresh[2];
    struct dis *dis = dis_new();
    uint64_t state = 424242;
    unsigned compared = 0;

    ck_assert_ptr_nonnull(dis);
    for (int i = 0; i < 2; i++) {
        guest_init(&g[i], arch);
        guest_map(&g[i], CODE, AREA_SIZE, PAGE_EXECUTE_READWRITE);
        fresh[i] = cpu_context_new(g[i].cpu);
        ck_assert_ptr_nonnull(fresh[i]);
    }
    for (int program = 0; program < PROGRAMS; program++) {
        uint8_t code[PROGRAM_SIZE];

        cpu_context_load(g[0].cpu, fresh[0]);
        make_program(&state, dis, &g[0], code);
        for (int i = 0; i < 2; i++)
            start(&g[i], fresh[i], state, code);
        if (!step_to_event(&g[0]))
            continue;
        ck_assert_int_eq(cpu_run(g[1].cpu, false, &g[1].event), ERR_OK);
        compare(&g[0], &g[1], program);
        compared++;
    }
    ck_assert_uint_gt(compared, PROGRAMS * 9 / 10);
    for (int i = 0; i < 2; i++) {
        cpu_context_free(fresh[i]);
        guest_fini(&g[i]);
    }
    dis_free(dis);
}

START_TEST(stepping_and_running_agree_in_64_bit_code)
{
    run_programs(CPU_AMD64);
}
END_TEST

START_TEST(stepping_and_running_agree_in_32_bit_code)
{
    run_programs(CPU_I386);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cpu random");
    TCase *tc = tcase_create("random");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, stepping_and_running_agree_in_64_bit_code);
    tcase_add_test(tc, stepping_and_running_agree_in_32_bit_code);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
