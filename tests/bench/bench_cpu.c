/*
 * How fast guest code runs under our CPU, as ratios within one run: against the bare engine in the
 * same virtual-TLB mode with no hooks, against one uc_mem_map per region, and with thousands of
 * breaks, a watch, coverage, hooks or devices elsewhere. And single steps per second, and what an access costs that a
 * device or a hook serves. Rounds are interleaved, timed in CPU time, and
 * medians taken, since the machine is noisy. Argument: rounds (default 7).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "machines.h"
#include "winstub/foreign.h"
#include "winstub/hook.h"

#define OTHER        UINT64_C(0x150000000) /* small functions that hold the breaks */
#define OTHER_N      10000u
#define OTHER_SIZE   (OTHER_N * 16 / 0x1000 * 0x1000 + 0x1000)
#define DEVICE       UINT64_C(0x400000000)
#define HOOKED_DATA  UINT64_C(0x500000000)
#define WATCHED_DATA UINT64_C(0x600000000)

/* xorshift */
static const uint8_t alu[] = {0x48, 0x89, 0xc2, 0x48, 0xc1, 0xe2, 0x0d, 0x48, 0x31,
                              0xd0, 0x48, 0x89, 0xc2, 0x48, 0xc1, 0xea, 0x07, 0x48,
                              0x31, 0xd0, 0x48, 0x89, 0xc2, 0x48, 0xc1, 0xe2, 0x11,
                              0x48, 0x31, 0xd0, 0x48, 0xff, 0xc9, 0x75, 0xdd, 0xf4};

/* copy 64 KiB by qwords */
static const uint8_t copy[] = {0x48, 0x31, 0xd2, 0x48, 0x8b, 0x04, 0xd6, 0x48, 0x89, 0x04,
                               0xd7, 0x48, 0xff, 0xc2, 0x48, 0x81, 0xfa, 0x00, 0x20, 0x00,
                               0x00, 0x75, 0xec, 0x48, 0xff, 0xc9, 0x75, 0xe4, 0xf4};

/* fib(20), recursively */
static const uint8_t call[] = {0x48, 0xc7, 0xc7, 0x14, 0x00, 0x00, 0x00, 0xe8, 0x08, 0x00, 0x00,
                               0x00, 0x48, 0xff, 0xc9, 0x75, 0xef, 0xf4, 0x90, 0x90, 0x48, 0x83,
                               0xff, 0x02, 0x73, 0x04, 0x48, 0x89, 0xf8, 0xc3, 0x57, 0x48, 0xff,
                               0xcf, 0xe8, 0xed, 0xff, 0xff, 0xff, 0x5f, 0x50, 0x48, 0x83, 0xef,
                               0x02, 0xe8, 0xe2, 0xff, 0xff, 0xff, 0x5a, 0x48, 0x01, 0xd0, 0xc3};

/* add 1 to random qwords of 64 MiB */
static const uint8_t scatter[] = {0x48, 0x69, 0xc0, 0x0d, 0x66, 0x19, 0x00, 0x48, 0x05, 0x5f,
                                  0xf3, 0x6e, 0x3c, 0x48, 0x89, 0xc2, 0x48, 0xc1, 0xea, 0x10,
                                  0x81, 0xe2, 0xf8, 0xff, 0xff, 0x03, 0x48, 0x83, 0x04, 0x16,
                                  0x01, 0x48, 0xff, 0xc9, 0x75, 0xdc, 0xf4};

static const struct loop loops[] = {
    {"alu", alu, sizeof alu, 16000000},
    {"copy", copy, sizeof copy, 3000},
    {"call", call, sizeof call, 300},
    {"scatter", scatter, sizeof scatter, 2000000},
};
#define LOOPS (sizeof loops / sizeof *loops)

/* ---- Our CPU, and what is set elsewhere ---------------------------------------------------------- */

/* OTHER_N functions "jmp next", the last one hlt; all run once, so that they are translated. */
static void make_others(struct ours *o)
{
    static const uint8_t jump[] = {0xeb, 0x0e};
    const uint8_t hlt = 0xf4;
    struct cpu_event event;

    ours_map(o, OTHER, OTHER_SIZE, PAGE_EXECUTE_READ);
    for (uint64_t i = 0; i + 1 < OTHER_N; i++) {
        if (!vm_debug_write(o->vm, OTHER + 16 * i, jump, sizeof jump))
            die("vm_debug_write");
    }
    if (!vm_debug_write(o->vm, OTHER + 16 * (OTHER_N - 1), &hlt, 1))
        die("vm_debug_write");
    cpu_set(o->cpu, CPU_RIP, OTHER);
    if (cpu_run(o->cpu, false, &event) || event.kind != CPU_EVENT_EXCEPTION)
        die("cpu_run");
}

static void set_breaks(struct ours *o, unsigned count)
{
    for (uint64_t i = 0; i < count; i++) {
        if (cpu_break_add(o->cpu, OTHER + 16 * i))
            die("cpu_break_add");
    }
}

/* A device, a hook on writes to it, and one on refused accesses: nothing that the loops touch. */
static bool serve_read(void *ctx, uint64_t offset, void *bytes, size_t len)
{
    (void)ctx;
    memset(bytes, (int)offset, len);
    return true;
}

static bool serve_write(void *ctx, uint64_t offset, const void *bytes, size_t len)
{
    (void)ctx;
    (void)offset;
    (void)bytes;
    (void)len;
    return true;
}

static bool serve_hook(void *ctx, struct cpu *cpu, const struct cpu_access *access)
{
    (void)ctx;
    (void)cpu;
    (void)access;
    return true;
}

static void set_hooks(struct ours *o)
{
    struct vm_device device = {.read = serve_read, .write = serve_write};
    struct cpu_hook hook = {.access = VM_READ | VM_WRITE | VM_EXEC,
                            .first = HOOKED_DATA,
                            .last = HOOKED_DATA + 0xffff,
                            .fn = serve_hook};
    unsigned id;

    ours_map(o, HOOKED_DATA, 0x10000, PAGE_READWRITE);
    if (vm_map_device(o->vm, DEVICE, 0x10000, &device, NULL, NULL) ||
        cpu_hook_add(o->cpu, &hook, &id))
        die("hooks");
    hook.refused = true;
    if (cpu_hook_add(o->cpu, &hook, &id))
        die("hooks");
}

/* ---- Measuring ------------------------------------------------------------------------------- */

enum variant {
    VIRTUAL,
    REGIONS,
    OURS,
    BREAKS_1000,
    BREAKS_10000,
    WATCH_ELSEWHERE, /* a data trap on a page that no loop touches */
    COVERAGE,        /* blocks are told of */
    WRITERS,         /* who wrote each page first is recorded */
    HOOKED,          /* hooks and devices elsewhere */
    COUNTED,         /* work is counted */
    VARIANTS
};
#define OURS_N (VARIANTS - OURS)

struct bench {
    struct bare virtual, regions;
    struct ours ours[OURS_N]; /* by variant - OURS */
    int rounds;
};

/* What each variant shall reach of the bare engine; 0: nothing was promised. */
static const double goals[VARIANTS] = {[BREAKS_1000] = 0.95,
                                       [BREAKS_10000] = 0.95,
                                       [WATCH_ELSEWHERE] = 0.95,
                                       [COVERAGE] = 0.5,
                                       [COUNTED] = 0.6};

static double run_variant(struct bench *b, enum variant variant, const struct loop *loop)
{
    switch (variant) {
    case VIRTUAL:
        return bare_run(&b->virtual, loop);
    case REGIONS:
        return bare_run(&b->regions, loop);
    default:
        return ours_run(&b->ours[variant - OURS], loop);
    }
}

static void measure_loop(struct bench *b, const struct loop *loop)
{
    static const char *const names[VARIANTS] = {"bare",        "region_maps",  "none",
                                                "breaks_1000", "breaks_10000", "watch_elsewhere",
                                                "coverage",    "writers",      "hooks_elsewhere",
                                                "counted"};
    double times[VARIANTS][ROUNDS_MAX];
    double best[VARIANTS];

    bare_load(&b->virtual, loop);
    bare_load(&b->regions, loop);
    for (int i = 0; i < OURS_N; i++)
        ours_load(&b->ours[i], loop);
    for (int round = -1; round < b->rounds; round++) { /* the first warms up */
        for (int v = 0; v < VARIANTS; v++) {
            double t = run_variant(b, (enum variant)v, loop);

            if (round >= 0)
                times[v][round] = t;
        }
    }
    for (int v = 0; v < VARIANTS; v++)
        best[v] = median(times[v], b->rounds);
    printf("cpu_%s %.2f ms\n", loop->name, best[OURS] * 1e3);
    printf("cpu_%s_vs_%s %.3f ratio\n", loop->name, names[VIRTUAL], best[VIRTUAL] / best[OURS]);
    printf("cpu_%s_vs_%s %.3f ratio\n", loop->name, names[REGIONS], best[REGIONS] / best[OURS]);
    for (int v = BREAKS_1000; v < VARIANTS; v++) {
        double ratio = best[VIRTUAL] / best[v];

        printf("cpu_%s_%s_vs_none %.3f ratio\n", loop->name, names[v], best[OURS] / best[v]);
        printf("cpu_%s_%s_vs_bare %.3f ratio", loop->name, names[v], ratio);
        if (goals[v] > 0)
            printf(" (goal %.2f: %s)", goals[v], ratio >= goals[v] ? "met" : "missed");
        printf("\n");
    }
}

static void measure_steps(struct bench *b)
{
    const int count = 200000;
    double rates[ROUNDS_MAX];

    ours_load(&b->ours[0], &loops[0]);
    for (int round = 0; round < b->rounds; round++) {
        struct cpu_event event;
        double start;

        ours_start(&b->ours[0], &loops[0]);
        start = now();
        for (int i = 0; i < count; i++) {
            if (cpu_step(b->ours[0].cpu, true, &event) || event.kind != CPU_EVENT_STEP)
                die("cpu_step");
        }
        rates[round] = count / (now() - start);
    }
    printf("cpu_steps %.0f steps/s (goal 100000: %s)\n", median(rates, b->rounds),
           median(rates, b->rounds) >= 100000 ? "met" : "missed");
}

/* Loads and stores in turn at one address, each served outside, or the stores looked at. */
static void measure_served(struct bench *b, int which, const char *name, gva_t at)
{
    /* next: mov eax, [rsi]; mov [rsi], eax; dec rcx; jnz next; hlt */
    static const uint8_t code[] = {0x8b, 0x06, 0x89, 0x06, 0x48, 0xff, 0xc9, 0x75, 0xf7, 0xf4};
    static const struct loop loop = {"served", code, sizeof code, 20000};
    struct ours *o = &b->ours[which - OURS];
    double times[ROUNDS_MAX];

    ours_load(o, &loop);
    for (int round = 0; round < b->rounds; round++) {
        struct cpu_event event;
        double start;

        ours_start(o, &loop);
        cpu_set(o->cpu, CPU_RSI, at);
        start = now();
        do {
            if (cpu_run(o->cpu, false, &event))
                die("cpu_run");
        } while (event.kind == CPU_EVENT_TRAP && !cpu_step(o->cpu, true, &event));
        if (event.kind != CPU_EVENT_EXCEPTION)
            die("a loop over memory");
        times[round] = now() - start;
    }
    printf("cpu_%s_access %.2f us\n", name,
           median(times, b->rounds) * 1e6 / (2 * (double)loop.iterations));
}

static void measure_breaks(struct bench *b)
{
    double start = now();

    set_breaks(&b->ours[BREAKS_1000 - OURS], 1000);
    printf("cpu_break_add_1000 %.2f us_each\n", (now() - start) * 1e6 / 1000);
    start = now();
    set_breaks(&b->ours[BREAKS_10000 - OURS], OTHER_N);
    printf("cpu_break_add_10000 %.2f us_each\n", (now() - start) * 1e6 / OTHER_N);
}

static void on_block(void *ctx, gva_t address, uint32_t size)
{
    (void)address;
    *(uint64_t *)ctx += size;
}

/* A page whose accesses are all trapped, and one with a few bytes whose stores are, as watch sets it. */
static void set_watches(struct ours *o)
{
    const struct cpu_trap_bytes bytes = {{0xff00}};

    ours_map(o, WATCHED_DATA, 0x10000, PAGE_READWRITE);
    if (cpu_trap_set(o->cpu, OTHER, VM_READ | VM_WRITE) ||
        cpu_trap_set(o->cpu, WATCHED_DATA, VM_WRITE))
        die("cpu_trap_set");
    cpu_trap_narrow(o->cpu, WATCHED_DATA, &bytes);
}

static void prepare_others(struct bench *b, uint64_t *covered)
{
    set_watches(&b->ours[WATCH_ELSEWHERE - OURS]);
    if (cpu_writes_begin(b->ours[WRITERS - OURS].cpu, CPU_WRITES_FIRST))
        die("preparing");
    cpu_on_block(b->ours[COVERAGE - OURS].cpu, on_block, covered);
}

int main(int argc, char **argv)
{
    uint64_t covered = 0;
    struct bench b = {.rounds = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 7};

    if (b.rounds < 1 || b.rounds > ROUNDS_MAX)
        die("the number of rounds (1 to 99)");
    bare_open_virtual(&b.virtual);
    bare_open_regions(&b.regions);
    for (int i = 0; i < OURS_N; i++) {
        ours_open(&b.ours[i]);
        make_others(&b.ours[i]);
    }
    measure_breaks(&b);
    prepare_others(&b, &covered);
    set_hooks(&b.ours[HOOKED - OURS]);
    if (cpu_count(b.ours[COUNTED - OURS].cpu))
        die("cpu_count");
    for (size_t i = 0; i < LOOPS; i++)
        measure_loop(&b, &loops[i]);
    measure_steps(&b);
    measure_served(&b, HOOKED, "device", DEVICE);
    measure_served(&b, HOOKED, "hooked", HOOKED_DATA);
    measure_served(&b, WATCH_ELSEWHERE, "beside_watched", WATCHED_DATA + 0x100);
    for (int i = 0; i < OURS_N; i++)
        ours_close(&b.ours[i]);
    bare_close(&b.virtual);
    bare_close(&b.regions);
    return 0;
}
