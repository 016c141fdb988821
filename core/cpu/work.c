/*
 * Counting what is executed, and ending runs by it. The unit is one byte of an instruction, since the engine tells the
 * size of a block for nothing when it enters it. A block is counted when it begins, by the meter; what of it was not executed
 * is taken back where the engine stops. So the sum is the same however code is divided into blocks, runs and steps. The
 * meter runs ahead for as long as nothing can happen that depends on what is executed.
 */
#include "cpu/cpu_priv.h"

#define ZF UINT64_C(0x40) /* in EFLAGS */

/* So much runs between two looks at cpu_stop: some 10 microseconds of ordinary code, up to 1 ms of a rep that misses caches. */
#define POLL_WORK 65536u

uint64_t work_begun(const struct cpu *cpu)
{
    return cpu->granted - (uint64_t)cpu->meter->left;
}

static void set_left(struct cpu *cpu, uint64_t left)
{
    cpu->granted = work_begun(cpu) + left;
    cpu->meter->left = (int64_t)left;
}

void work_grant(struct cpu *cpu)
{
    uint64_t begun = work_begun(cpu);
    uint64_t most = cpu->work_limit > begun ? cpu->work_limit - begun : 0;

    if (cpu->filters && cpu->armed_count)
        most = 0; /* there may be something in any block */
    set_left(cpu, most < POLL_WORK ? most : POLL_WORK);
}

void work_undo(struct cpu *cpu)
{
    cpu->meter->left += cpu->meter->size;
    cpu->meter->size = 0;
}

/* How much of the block that began last lies before the engine. */
static uint32_t undone(const struct cpu *cpu)
{
    const struct meter *m = cpu->meter;
    uint64_t done = m->size ? engine_get(cpu->engine, CPU_RIP) - m->block : 0;

    return done < m->size ? m->size - (uint32_t)done : 0;
}

void work_settle(struct cpu *cpu)
{
    bool executed = cpu->note.kind == NOTE_SYSCALL ||
                    (cpu->note.kind == NOTE_INTERRUPT && cpu->note.vector == CPU_VEC_DB);

    if (!executed)
        cpu->meter->left += undone(cpu);
    cpu->meter->size = 0;
}

void work_forget(struct cpu *cpu, uint64_t before)
{
    cpu->granted = before + (uint64_t)cpu->meter->left;
    cpu->meter->size = 0;
}

/* ---- Repeated string instructions ------------------------------------------------------------ */

uint64_t work_counter(const struct cpu *cpu, const struct scan_insn *insn)
{
    uint64_t rcx = engine_get(cpu->engine, CPU_RCX);

    return rcx & UINT64_MAX >> (64 - 8 * insn->counter);
}

/* Would the rep that was just executed go on if its counter were not at its end? */
static bool ran_out(const struct cpu *cpu, const struct scan_insn *insn)
{
    bool equal = engine_get(cpu->engine, CPU_EFLAGS) & ZF;

    if (work_counter(cpu, insn))
        return false;
    return !(insn->traits & (equal ? SCAN_WHILE_UNEQUAL : SCAN_WHILE_EQUAL));
}

void work_finish_rep(struct cpu *cpu, gva_t pc, const struct scan_insn *insn)
{
    if (!cpu->counts || !ran_out(cpu, insn))
        return;
    if (work_begun(cpu) >= cpu->work_limit)
        engine_set(cpu->engine, CPU_RIP, pc);
    else
        cpu->meter->left -= insn->length;
}

/* ---- What others see ------------------------------------------------------------------------- */

enum err cpu_stop_between_blocks(struct cpu *cpu)
{
    return breaks_poll(cpu);
}

enum err cpu_count(struct cpu *cpu)
{
    enum err e = breaks_poll(cpu);

    if (!e && !cpu->counts) {
        cpu->counts = true;
        work_forget(cpu, 0);
    }
    return e;
}

uint64_t cpu_work(const struct cpu *cpu)
{
    return cpu->counts ? work_begun(cpu) - undone(cpu) : 0;
}

void cpu_set_limit(struct cpu *cpu, uint64_t work)
{
    cpu->work_limit = work;
}

bool cpu_due(const struct cpu *cpu)
{
    return atomic_load(&cpu->stop) || work_begun(cpu) >= cpu->work_limit;
}
