/*
 * The cost of a breakpoint whose condition is false, hit in every turn of a loop, and of watchpoints on the page that a
 * loop writes: `bench_agent [HITS]`. One line per case: name value unit. The same loop with nothing set, in the same
 * run, is what it is compared with.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "winstub/run.h"

#define BASE   UINT64_C(0x10000000)
#define TARGET (BASE + 12)     /* the nop */
#define DATA   (BASE + 0x1000) /* what the other loop writes */

/* Conditions: a register, and a variable in the stack frame. Neither is ever true. */
static const uint8_t on_register[] = {0x26, 0, 2, 0x24, 0xff, 0xff, 0xff, 0xff, 0x13, 0x27};
static const uint8_t on_memory[] = {0x26, 0,  7,    0x22, 8,    0x03, 0x19,
                                    0x16, 32, 0x22, 77,   0x13, 0x27};

struct bench {
    struct process *process;
    struct target target;
    uint32_t turns;
};

static void fail(const char *what)
{
    (void)fprintf(stderr, "bench_agent: %s\n", what);
    exit(EXIT_FAILURE);
}

/* mov rcx, turns; dec rcx; nop...; jnz; ret */
static const uint8_t nops[] = {0x48, 0xc7, 0xc1, 0,    0,    0,    0,    0x48,
                               0xff, 0xc9, 0x66, 0x90, 0x90, 0x75, 0xf8, 0xc3};
/* mov rcx, turns; dec rcx; mov [DATA], ecx; jnz; ret */
static const uint8_t stores[] = {0x48, 0xc7, 0xc1, 0,    0,    0,    0,    0x48, 0xff, 0xc9,
                                 0x89, 0x0d, 0xf0, 0x0f, 0x00, 0x00, 0x75, 0xf5, 0xc3};

/* Start a process from such a loop in a file; the page behind it is there as well. */
static void start(struct bench *b, const uint8_t *loop, size_t len)
{
    uint8_t code[0x1010] = {0};
    char path[] = "/tmp/bench_agent.XXXXXX";
    const char *argv[] = {path};
    struct process_options options = {
        .path = path, .argv = argv, .argc = 1, .raw = true, .arch = CPU_AMD64, .base = BASE};
    struct diag why = {{0}};
    int fd = mkstemp(path);

    memcpy(code, loop, len);
    memcpy(code + 3, &b->turns, sizeof b->turns);
    if (fd < 0 || write(fd, code, sizeof code) != (ssize_t)sizeof code)
        fail("no temporary file");
    (void)close(fd);
    if (process_new(&options, &b->process, &why) || target_init(&b->target, b->process))
        fail(why.text);
    (void)unlink(path);
}

static void finish(struct bench *b)
{
    target_fini(&b->target);
    process_free(b->process);
}

static double seconds(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Nanoseconds of one turn of the loop, run to the end of the program. */
static double per_turn(struct bench *b)
{
    const struct target_action on = {.kind = ACTION_CONTINUE};
    const struct target_ops *ops = b->target.ops;
    struct target_stop stop;
    double from = seconds();

    if (ops->resume(b->target.ctx, &on, 1) || ops->run(b->target.ctx, &stop) ||
        stop.kind != STOP_EXIT)
        fail("the loop did not run to its end");
    return (seconds() - from) * 1e9 / b->turns;
}

static double bare(uint32_t turns, const uint8_t *loop, size_t len)
{
    struct bench b = {.turns = turns};
    double result;

    start(&b, loop, len);
    result = per_turn(&b);
    finish(&b);
    return result;
}

static double conditional(uint32_t turns, const uint8_t *code, size_t len)
{
    const struct bytes condition = {code, len};
    const struct target_agent agent = {.conditions = &condition, .condition_count = 1};
    struct bench b = {.turns = turns};
    struct diag why = {{0}};
    double result;

    start(&b, nops, sizeof nops);
    if (b.target.ops->point(b.target.ctx, POINT_BREAK_SW, TARGET, 1, true) ||
        b.target.ops->point_agent(b.target.ctx, POINT_BREAK_SW, TARGET, &agent, &why))
        fail(why.text);
    result = per_turn(&b);
    finish(&b);
    return result;
}

static void report(const char *name, double hit, double turn)
{
    printf("%s %.0f ns/hit\n", name, hit);
    printf("%s_ratio %.1f times_a_bare_turn\n", name, hit / turn);
}

static void drop(void *arg, const char *text, size_t len)
{
    (void)text;
    *(size_t *)arg += len;
}

/* The loop that stores, with a watch on 4 bytes at DATA + off. log: monitor's, which prints each hit and goes on. */
static double watched(uint32_t turns, unsigned off, bool log)
{
    const struct target_catch what = {.kind = CATCH_WATCH,
                                      .pattern = "",
                                      .addr = DATA + off,
                                      .len = 4,
                                      .access = POINT_WRITE,
                                      .log = true};
    struct bench b = {.turns = turns};
    struct diag why = {{0}};
    size_t text = 0;
    unsigned id;
    double result;

    start(&b, stores, sizeof stores);
    b.target.ops->set_console(b.target.ctx, drop, &text);
    if (log ? b.target.ops->catch_add(b.target.ctx, &what, &id, &why)
            : b.target.ops->point(b.target.ctx, POINT_WRITE, DATA + off, 4, true))
        fail("the watch is refused");
    result = per_turn(&b);
    finish(&b);
    return result;
}

int main(int argc, char **argv)
{
    uint32_t turns = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 0) : 1000000;
    double turn = bare(100 * (turns ? turns : 1), nops, sizeof nops);
    double store = bare(100 * (turns ? turns : 1), stores, sizeof stores);

    if (!turns)
        fail("how many hits?");
    printf("agent_bare_loop %.2f ns/turn\n", turn);
    report("agent_false_register_condition", conditional(turns, on_register, sizeof on_register),
           turn);
    report("agent_false_memory_condition", conditional(turns, on_memory, sizeof on_memory), turn);
    printf("watch_bare_loop %.2f ns/turn\n", store);
    report("watch_next_to_hot_data", watched(turns, 8, false), store);
    report("watch_that_logs", watched(turns / 4 + 1, 0, true), store);
    return EXIT_SUCCESS;
}
