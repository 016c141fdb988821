/*
 * Breakpoints that are hit: when a hit counts, and what it does. What an expression means is agent_eval.c's
 * matter, how the guest goes on run.c's. Follows the GDB manual, "Packets" (Z0).
 */
#include "run/hits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run/caught.h"
#include "run/debugregs.h"

static enum err compile(const struct bytes *codes, size_t count, enum agent_use use,
                        const struct target_reg *regs, size_t reg_count, struct agent **list,
                        struct diag *why)
{
    for (size_t i = 0; i < count; i++) {
        struct diag inner = {{0}};
        enum err e = agent_compile(codes[i], use, regs, reg_count, &list[i], &inner);

        if (e)
            return diag_set(why, e, "%s %zu: %s", use == AGENT_CONDITION ? "condition" : "command",
                            i + 1, inner.text);
    }
    return ERR_OK;
}

enum err hit_agent_new(const struct target_agent *from, const struct target_reg *regs,
                       size_t reg_count, struct hit_agent **out, struct diag *why)
{
    size_t count = from->condition_count + from->command_count;
    struct hit_agent *a;
    enum err e = ERR_NOMEM;

    *out = NULL;
    if (!count)
        return ERR_OK;
    a = calloc(1, sizeof *a);
    if (!a)
        return ERR_NOMEM;
    a->condition_count = from->condition_count;
    a->command_count = from->command_count;
    a->list = calloc(count, sizeof(struct agent *));
    if (a->list)
        e = compile(from->conditions, from->condition_count, AGENT_CONDITION, regs, reg_count,
                    a->list, why);
    if (!e)
        e = compile(from->commands, from->command_count, AGENT_COMMAND, regs, reg_count,
                    a->list + from->condition_count, why);
    if (e) {
        hit_agent_free(a);
        return e;
    }
    *out = a;
    return ERR_OK;
}

void hit_agent_free(struct hit_agent *agent)
{
    if (!agent)
        return;
    for (size_t i = 0; agent->list && i < agent->condition_count + agent->command_count; i++)
        agent_free(agent->list[i]);
    free(agent->list);
    free(agent);
}

/* A hit counts when a condition holds, or cannot be judged: better a stop too many than one too few. */
static bool counts(const struct hit_agent *a, const struct agent_env *env, struct diag *why)
{
    struct diag inner;

    for (size_t i = 0; i < a->condition_count; i++) {
        int64_t value;
        enum err e = agent_eval(a->list[i], env, &value, &inner);

        if (e) {
            (void)diag_set(why, e, "the condition cannot be evaluated: %s", inner.text);
            return true;
        }
        if (value)
            return true;
    }
    return !a->condition_count;
}

enum hit_result hit_agent_run(const struct hit_agent *agent, const struct agent_env *env,
                              struct diag *why)
{
    struct diag inner;

    why->text[0] = 0;
    if (!agent)
        return HIT_STOPS;
    if (!counts(agent, env, why))
        return HIT_IGNORED;
    if (!agent->command_count)
        return HIT_STOPS;
    for (size_t i = 0; i < agent->command_count; i++) {
        int64_t unused;
        enum err e = agent_eval(agent->list[agent->condition_count + i], env, &unused, &inner);

        if (e)
            (void)diag_set(why, e, "the command cannot be carried out: %s", inner.text);
    }
    return HIT_GOES_ON;
}

/* ---- The process that hits --------------------------------------------------------------------------- */

static bool env_reg(void *ctx, unsigned reg, uint64_t *value)
{
    const struct run *run = ctx;
    size_t count;
    const struct target_reg *regs = cpu_regs(cpu_get_arch(run->cpu), &count);
    uint8_t raw[TARGET_REG_MAX_BYTES] = {0};

    if (reg >= count || cpu_reg_read(run->cpu, reg, raw, regs[reg].bits / 8u))
        return false;
    *value = get_u64(raw);
    return true;
}

/* Addresses of a 32-bit program end at 4 GiB, however wide its values are here. */
static bool env_read(void *ctx, gva_t addr, void *dst, size_t len)
{
    const struct run *run = ctx;

    if (cpu_get_arch(run->cpu) == CPU_I386)
        addr = (uint32_t)addr;
    return vm_debug_read(process_vm(run->process), addr, dst, len) == len;
}

static void env_print(void *ctx, const char *text, size_t len)
{
    const struct run *run = ctx;

    session_print(run->session, text, len);
}

struct agent_env run_agent_env(struct run *run)
{
    return (struct agent_env){.ctx = run, .reg = env_reg, .read = env_read, .print = env_print};
}

enum err run_point_agent(struct run *run, enum point_kind kind, gva_t addr,
                         const struct target_agent *agent, struct diag *why)
{
    size_t count;
    const struct target_reg *regs = cpu_regs(cpu_get_arch(run->cpu), &count);
    struct hit_agent *compiled;
    enum err e = hit_agent_new(agent, regs, count, &compiled, why);

    if (e)
        return e;
    e = kind < POINT_BREAK_KINDS ? points_set_agent(&run->points, addr, kind, compiled)
                                 : ERR_NOT_FOUND;
    if (!e)
        return ERR_OK;
    hit_agent_free(compiled);
    return diag_set(why, e, "there is no breakpoint at 0x%" PRIx64, addr);
}

static void complain(struct run *run, gva_t pc, const struct diag *why)
{
    char text[sizeof why->text + 64];
    int len =
        snprintf(text, sizeof text, "[winstub: breakpoint at 0x%" PRIx64 ": %s]\n", pc, why->text);

    session_print(run->session, text, (size_t)len);
}

/* Of both kinds at one address each does its work; the stop is the first one's that stops. */
static bool hit_point(struct run *run, const struct point *point, gva_t pc)
{
    static const enum target_stop_kind stops[POINT_BREAK_KINDS] = {STOP_BREAK_SW, STOP_BREAK_HW};
    const struct agent_env env = run_agent_env(run);
    bool stopped = false;
    bool counted = false;

    for (unsigned kind = 0; kind < POINT_BREAK_KINDS; kind++) {
        struct diag why;
        enum hit_result result;

        if (!(point->kinds & POINT_BIT(kind)))
            continue;
        result = hit_agent_run(point->agents[kind], &env, &why);
        counted = counted || result != HIT_IGNORED;
        if (result != HIT_STOPS) {
            if (why.text[0])
                complain(run, pc, &why);
        } else if (!stopped) {
            stopped = true;
            run->stop.kind = stops[kind];
            memcpy(run->stop.note, why.text, sizeof why.text);
        }
    }
    counts_hit(&run->counts, pc, counted);
    return stopped;
}

/* The call that is stepped over has returned. Recursion comes by with a deeper stack. */
static bool hit_return(struct run *run, gva_t pc)
{
    if (!run->ret.set || pc != run->ret.addr || run->stop.tid != run->ret.tid ||
        cpu_get(run->cpu, CPU_RSP) < run->ret.stack)
        return false;
    run->ret.reached = true;
    return true;
}

bool run_breaks_at(const struct run *run, gva_t pc)
{
    return points_at(&run->points, pc) || catches_at(&run->catches, pc) || debugregs_at(run, pc);
}

bool run_hit(struct run *run, gva_t pc)
{
    const struct point *point = points_find(&run->points, pc);
    bool stopped = point && hit_point(run, point, pc);

    if (catches_at(&run->catches, pc))
        stopped = caught_at(run, pc) || stopped;
    return hit_return(run, pc) || stopped;
}
