/*
 * Counting what is executed, and ending runs by it. The unit is one byte of an instruction, since the engine tells the
 * size of a block for nothing when it enters it: one addition each. A block is counted when it begins; what of it was
 * not executed is taken back where the engine stops. So the sum is the same however code is divided into blocks, runs and steps.
 */
#include "cpu/cpu_priv.h"

bool work_begin(struct cpu *cpu, gva_t address, uint32_t size)
{
    if (cpu->fill_mode != FILL_GUEST)
        return true;
    if (cpu->work + size > cpu->work_limit && !cpu->stepping && !cpu->starting) {
        cpu->block = cpu->block_end = 0; /* the one before was executed to its end */
        exec_note(cpu, NOTE_WALK, address, address + size);
        return false;
    }
    cpu->work += size;
    cpu->block = address;
    cpu->block_end = address + size;
    return true;
}

void work_undo(struct cpu *cpu)
{
    cpu->work -= cpu->block_end - cpu->block;
    cpu->block = cpu->block_end = 0;
}

/* How much of the block that was counted last lies before the engine. */
static uint64_t left(const struct cpu *cpu)
{
    gva_t pc = engine_get(cpu->engine, CPU_RIP);

    return pc - cpu->block < cpu->block_end - cpu->block ? cpu->block_end - pc : 0;
}

void work_settle(struct cpu *cpu)
{
    bool executed = cpu->note.kind == NOTE_SYSCALL ||
                    (cpu->note.kind == NOTE_INTERRUPT && cpu->note.vector == CPU_VEC_DB);

    if (!executed)
        cpu->work -= left(cpu);
    cpu->block = cpu->block_end = 0;
}

enum err cpu_stop_between_blocks(struct cpu *cpu)
{
    return breaks_poll(cpu);
}

enum err cpu_count(struct cpu *cpu)
{
    enum err e = breaks_poll(cpu);

    if (!e)
        cpu->counts = true;
    return e;
}

uint64_t cpu_work(const struct cpu *cpu)
{
    return cpu->work - left(cpu);
}

void cpu_set_limit(struct cpu *cpu, uint64_t work)
{
    cpu->work_limit = work;
}

bool cpu_due(const struct cpu *cpu)
{
    return atomic_load(&cpu->stop) || cpu->work >= cpu->work_limit;
}
