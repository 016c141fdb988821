/*
 * Most suites of the run loop: one process in bare mode with a target over it, driven through target_ops as the stub
 * drives it, and what its last run said. _i of a loop test is the architecture.
 */
#ifndef TESTS_TARGET_FIXTURE_H
#define TESTS_TARGET_FIXTURE_H

#include <stddef.h>
#include <stdint.h>

#include "process_builder.h"
#include "winstub/buf.h"
#include "winstub/run.h"

#define BASE UINT64_C(0x10000000) /* where raw code lies */

extern struct process *process;
extern struct target target;
extern struct target_stop stop; /* of the last run */
extern struct buf console;      /* what has been printed since the start */

/* Put a target over a process, or over raw code at BASE. teardown takes both away; it may be called without. */
void adopt(struct process *p);
void start(int arch, const void *code, size_t len);
#define START(bytes) start(_i, bytes, sizeof(bytes) - 1)
void teardown(void);

/* Resume the current thread, and run until the next stop. */
void go(struct target_action action);
void go_on(void);

gva_t pc(void);
/* The last run ended the process with this code. */
void ends_with(uint32_t code);

#endif
