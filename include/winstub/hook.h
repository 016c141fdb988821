/*
 * Hooks of a harness on the guest's memory: called before an access in a range, or when one is refused. Without hooks
 * nothing is paid; with them, accesses to the pages that a hook's range touches cost some microseconds each, all
 * others nothing. Breaks (cpu_break_add) are the better way to stop at single addresses of code, traps (cpu_trap_set)
 * to stop at pages, and events of cpu_run tell faults without any hook.
 *
 * A hook runs between instructions, on the thread that runs the CPU, with the CPU at the instruction and nothing of it
 * done. It may change memory, protections, the map, registers and hooks, and may not run the CPU or free it:
 *   - when it moves rip, the instruction is left out;
 *   - when it changes what the instruction will access, the hooks are asked again;
 *   - else the instruction is executed, with what the hook has made of registers and memory.
 */
#ifndef WINSTUB_HOOK_H
#define WINSTUB_HOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "winstub/cpu.h"

/* One memory operand of an instruction, or the instruction itself. */
struct cpu_access {
    gva_t pc;
    /* Of the operand's first byte, also when only later ones lie in the hook's range; EXEC: pc. A refused access:
     * the first byte that is refused, as in a cpu_event. */
    gva_t address;
    unsigned size; /* bytes of the operand; EXEC: of the instruction; 0: unknown */
    enum vm_access access;
    enum vm_fault fault; /* why it was refused; VM_FAULT_NONE when it was not */
    /*
     * A write: what the operand will hold, size bytes little-endian from its first byte, also when address is a later
     * one (then value_at is that first byte). NULL: unknown (no write; no decoding; or it depends on what cannot be read).
     */
    const uint8_t *value;
    gva_t value_at;
};

/*
 * Called for each operand that reads (before it is read), each that writes (with its value; add and its kin do both),
 * each instruction in the range (its first byte counts); a rep string instruction is heard of at each iteration.
 * True: go on. False: stop: cpu_run and cpu_step return CPU_EVENT_HOOK with the access, nothing of it done; running on
 * asks again.
 *
 * A hook on refused accesses: true says that the cause is mended, the instruction is tried again. When the same access
 * is refused again at once, or the hook says false, CPU_EVENT_FAULT is returned. Executions are refused too. Guard
 * pages are still armed when it is called.
 */
typedef bool cpu_hook_fn(void *ctx, struct cpu *cpu, const struct cpu_access *access);

struct cpu_hook {
    unsigned access; /* vm_access bits */
    bool refused;    /* those that are refused, instead of those that are allowed */
    gva_t first;     /* the range; 0 and UINT64_MAX: everywhere */
    gva_t last;      /* inclusive */
    cpu_hook_fn *fn;
    void *ctx;
};

/*
 * Add a hook (copied). Hooks are called in the order in which they were added; of those on a refused access the first that
 * says true ends the round. *id is never 0 and never used again.
 * ERR_INVALID  no access, no function, or first above last; ERR_NOMEM
 */
MUST_USE enum err cpu_hook_add(struct cpu *cpu, const struct cpu_hook *hook, unsigned *id);
/* Remove one, nothing when there is none of that id; or all. */
void cpu_hook_remove(struct cpu *cpu, unsigned id);
void cpu_hook_clear(struct cpu *cpu);

#endif
