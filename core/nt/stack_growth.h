/*
 * How a stack grows through its guard page, and shrinks when the guest sets one. What the stack is, the TEB says, as it
 * does to Windows' kernel: a guest may have moved it (S09).
 */
#ifndef CORE_NT_STACK_GROWTH_H
#define CORE_NT_STACK_GROWTH_H

#include "nt/parts.h"

/* Commit pages inside a stack's reserve. */
MUST_USE nt_status stack_commit(struct process *p, gva_t base, uint64_t size, uint32_t protect);

/*
 * thread touched a guard page. Its StackLimit, and what thread says of it, follow (S04, S05).
 */
enum process_guard stack_guard_hit(struct process *p, struct process_thread *thread, gva_t addr);

/* Does an access to addr touch the guard page that ends the committed part of thread's stack? */
bool stack_at_guard(const struct process *p, const struct process_thread *thread, gva_t addr);

/*
 * The guest has made [start, end) guard pages: when they lie in the committed part of thread's stack, that ends above
 * them from now on (S06, S07).
 */
void stack_guard_set(struct process *p, struct process_thread *thread, gva_t start, gva_t end);

/*
 * The thread begins: of its stack only the uppermost `commit` bytes stay committed, with a guard page below. Nothing happens
 * to a smaller one.
 */
void stack_trim(struct process *p, struct process_thread *thread, uint64_t commit);

#endif
