/*
 * CONTEXT: the registers of a thread as NT lays them out for user code, in both widths; to and from the CPU.
 * Offsets: winnt.h (mingw-w64).
 */
#ifndef CORE_NT_CONTEXT_H
#define CORE_NT_CONTEXT_H

#include <stddef.h>
#include <stdint.h>

#include "winstub/cpu.h"

#define CONTEXT_MAX 0x4d0 /* bytes of the larger one */

/* ContextFlags, without the bit that says which CPU. */
enum {
    CONTEXT_CONTROL = 0x01,
    CONTEXT_INTEGER = 0x02,
    CONTEXT_SEGMENTS = 0x04,
    CONTEXT_FLOATING = 0x08,
    CONTEXT_DEBUG = 0x10,
    CONTEXT_EXTENDED = 0x20, /* i386: the FXSAVE area */
    CONTEXT_PARTS = 0x3f,
};

/* Bytes of a CONTEXT without extensions. */
size_t context_size(enum cpu_arch arch);
/* Fill raw, context_size bytes, with everything the CPU has. */
void context_save(const struct cpu *cpu, uint8_t *raw);
/*
 * Fill the parts that ContextFlags in raw, a CONTEXT of that width, names; false, and nothing changed, when they are another CPU's.
 * The wider CONTEXT shows a 32-bit CPU too, whose upper registers are 0.
 */
bool context_fill(const struct cpu *cpu, enum cpu_arch width, uint8_t *raw);
/*
 * Load the parts that ContextFlags in raw names, otherwise as context_fill. User code cannot leave ring 3 by it: segments that it may
 * not have are left as they are.
 */
bool context_load(struct cpu *cpu, enum cpu_arch width, const uint8_t *raw);

/* One of the general registers in raw. */
uint64_t context_get(enum cpu_arch arch, const uint8_t *raw, enum cpu_reg reg);
void context_put(enum cpu_arch arch, uint8_t *raw, enum cpu_reg reg, uint64_t value);

#endif
