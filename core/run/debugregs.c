/* The guest's hardware breakpoints; the contract is in debugregs.h. */
#include "run/debugregs.h"

#define REGS     4
#define DR6_STEP UINT64_C(0x4000) /* BS */

/* The two bits of DR7 that say what register n is for, and the two that say how much. */
enum { USE_EXECUTE = 0, USE_WRITE = 1, USE_IO = 2, USE_ACCESS = 3 };

static bool enabled(uint64_t dr7, unsigned n)
{
    return dr7 >> (2 * n) & 3;
}

static unsigned use_of(uint64_t dr7, unsigned n)
{
    return (unsigned)(dr7 >> (16 + 4 * n)) & 3;
}

static uint64_t length_of(uint64_t dr7, unsigned n)
{
    static const uint64_t lengths[] = {1, 2, 8, 4};

    return lengths[dr7 >> (18 + 4 * n) & 3];
}

static gva_t address_of(const struct run *run, unsigned n)
{
    return cpu_get(run->cpu, (enum cpu_reg)(CPU_DR0 + n));
}

static bool breaks(const struct debugregs *d, unsigned n)
{
    return enabled(d->control, n) && use_of(d->control, n) == USE_EXECUTE;
}

static bool watches(const struct debugregs *d, unsigned n)
{
    return enabled(d->control, n) &&
           (use_of(d->control, n) == USE_WRITE || use_of(d->control, n) == USE_ACCESS);
}

static struct watch_range range_of(const struct debugregs *d, unsigned n)
{
    uint64_t len = length_of(d->control, n);

    return (struct watch_range){
        .addr = d->addr[n] & ~(len - 1), /* as the processor takes it */
        .len = len,
        .kind = use_of(d->control, n) == USE_WRITE ? POINT_WRITE : POINT_ACCESS,
        .owner = WATCH_GUEST + n,
        .unchanged = true,
    };
}

static enum err set(struct run *run, unsigned n)
{
    struct watch_range range = range_of(&run->debugregs, n);

    if (watches(&run->debugregs, n))
        return watches_set(&run->watches, run->cpu, &range, true);
    return breaks(&run->debugregs, n) ? cpu_break_add(run->cpu, run->debugregs.addr[n]) : ERR_OK;
}

/* Take away what register n was set for; the new values are in place already. */
static enum err clear(struct run *run, const struct debugregs *before, unsigned n)
{
    struct watch_range range = range_of(before, n);

    if (watches(before, n))
        return watches_set(&run->watches, run->cpu, &range, false);
    if (breaks(before, n))
        run_release_break(run, before->addr[n]);
    return ERR_OK;
}

static bool is_same(const struct run *run)
{
    uint64_t control = cpu_get(run->cpu, CPU_DR7);

    if (control != run->debugregs.control)
        return false;
    for (unsigned n = 0; control && n < REGS; n++) {
        if (address_of(run, n) != run->debugregs.addr[n])
            return false;
    }
    return true;
}

enum err debugregs_arm(struct run *run)
{
    struct debugregs before = run->debugregs;
    enum err e = ERR_OK;

    if (is_same(run))
        return ERR_OK;
    run->debugregs = (struct debugregs){.control = cpu_get(run->cpu, CPU_DR7)};
    for (unsigned n = 0; n < REGS; n++)
        run->debugregs.addr[n] = address_of(run, n);
    for (unsigned n = 0; n < REGS && !e; n++)
        e = clear(run, &before, n);
    for (unsigned n = 0; n < REGS && !e; n++)
        e = set(run, n);
    return e;
}

bool debugregs_at(const struct run *run, gva_t addr)
{
    for (unsigned n = 0; run->debugregs.control && n < REGS; n++) {
        if (breaks(&run->debugregs, n) && run->debugregs.addr[n] == addr)
            return true;
    }
    return false;
}

static void report(struct run *run, uint64_t bits)
{
    cpu_set(run->cpu, CPU_DR6, cpu_get(run->cpu, CPU_DR6) | bits);
}

bool debugregs_break(struct run *run, gva_t pc)
{
    struct run_thread *thread = run->thread;
    bool told = thread->debug_pc == pc;

    if (!debugregs_at(run, pc))
        return false;
    thread->debug_pc = told ? 0 : pc;
    if (told) { /* as the resume flag has it, which the kernel sets in the CONTEXT */
        thread->passes = true;
        thread->pass_pc = pc;
        return false;
    }
    for (unsigned n = 0; n < REGS; n++) {
        if (breaks(&run->debugregs, n) && run->debugregs.addr[n] == pc)
            report(run, UINT64_C(1) << n);
    }
    return true;
}

void debugregs_returned(struct run *run, gva_t pc)
{
    gva_t now = cpu_get(run->cpu, CPU_RIP);

    if (now != pc && now != run->thread->debug_pc)
        run->thread->debug_pc = 0;
}

void debugregs_access(struct run *run, unsigned n)
{
    report(run, UINT64_C(1) << n);
}

void debugregs_step(struct run *run)
{
    report(run, DR6_STEP);
}
