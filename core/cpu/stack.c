/* The guest's stack for a host that wants to push and pop; see stack.h. */
#include "winstub/stack.h"

#include "cpu/cpu_priv.h"

unsigned cpu_stack_word(const struct cpu *cpu)
{
    return cpu_is_code64(cpu) ? 8 : 4;
}

/* The address `offset` bytes from the stack pointer, which wraps at the code's width. */
static gva_t slot(const struct cpu *cpu, int64_t offset)
{
    gva_t at = cpu_get(cpu, CPU_RSP) + (uint64_t)offset;

    return cpu_is_code64(cpu) ? at : (uint32_t)at;
}

enum err cpu_stack_read(const struct cpu *cpu, int64_t offset, uint64_t *value,
                        struct vm_denial *denial)
{
    return vm_read_unsigned(cpu->vm, slot(cpu, offset), cpu_stack_word(cpu), value, denial);
}

enum err cpu_stack_write(struct cpu *cpu, int64_t offset, uint64_t value, struct vm_denial *denial)
{
    return vm_write_unsigned(cpu->vm, slot(cpu, offset), cpu_stack_word(cpu), value, denial);
}

enum err cpu_stack_push(struct cpu *cpu, uint64_t value, struct vm_denial *denial)
{
    int64_t word = cpu_stack_word(cpu);
    enum err e = cpu_stack_write(cpu, -word, value, denial);

    if (!e)
        cpu_set(cpu, CPU_RSP, slot(cpu, -word));
    return e;
}

enum err cpu_stack_pop(struct cpu *cpu, uint64_t *value, struct vm_denial *denial)
{
    enum err e = cpu_stack_read(cpu, 0, value, denial);

    if (!e)
        cpu_set(cpu, CPU_RSP, slot(cpu, cpu_stack_word(cpu)));
    return e;
}
