/*
 * The guest's stack, through the CPU's stack pointer, in the width of the code that the CPU is in: words of 8 bytes
 * in 64-bit code, of 4 bytes and a 32-bit stack pointer in 32-bit code, whatever the CPU's architecture. Memory is
 * reached as in transfer.h: protection does not count, and a call that fails has changed nothing, the stack pointer
 * included. denial may be NULL.
 */
#ifndef WINSTUB_STACK_H
#define WINSTUB_STACK_H

#include <stdint.h>

#include "winstub/cpu.h"
#include "winstub/err.h"
#include "winstub/transfer.h"

/* Bytes of a stack word: 8 or 4. */
unsigned cpu_stack_word(const struct cpu *cpu);

/*
 * Move the stack pointer down by a word and store value there.
 * ERR_RANGE  value does not fit into a word; ERR_FAULT; ERR_NOMEM
 */
MUST_USE enum err cpu_stack_push(struct cpu *cpu, uint64_t value, struct vm_denial *denial);

/* Read the word at the stack pointer and move it up by a word. ERR_FAULT. */
MUST_USE enum err cpu_stack_pop(struct cpu *cpu, uint64_t *value, struct vm_denial *denial);

/* Read or write the word `offset` bytes from the stack pointer, which stays. Results as pop's and push's. */
MUST_USE enum err cpu_stack_read(const struct cpu *cpu, int64_t offset, uint64_t *value,
                                 struct vm_denial *denial);
MUST_USE enum err cpu_stack_write(struct cpu *cpu, int64_t offset, uint64_t value,
                                  struct vm_denial *denial);

#endif
