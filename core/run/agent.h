/*
 * Agent expressions: GDB's bytecode for breakpoint conditions and for printing on the target's side. An
 * expression is checked and decoded once, when it arrives, and then evaluated at each hit; what passed the
 * check cannot leave its stack or its code. Follows the GDB manual, "The GDB Agent Expression Mechanism".
 */
#ifndef CORE_RUN_AGENT_H
#define CORE_RUN_AGENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "winstub/bytes.h"
#include "winstub/err.h"
#include "winstub/gva.h"
#include "winstub/reg.h"

#define AGENT_CODE_MAX  0x10000u /* bytes of one expression: jumps have 16 bits */
#define AGENT_STACK_MAX 128u     /* values */
#define AGENT_STEPS_MAX 100000u  /* instructions of one evaluation: jumps may go back */
#define AGENT_TEXT_MAX  0x10000u /* bytes that one evaluation may print */
#define AGENT_FIELD_MAX 1024u    /* bytes of one string, and of one width or precision */

enum agent_use {
    AGENT_CONDITION, /* must leave a value */
    AGENT_COMMAND
};

struct agent;

/*
 * Check and decode an expression. regs is the register table that its numbers mean.
 * ERR_FORMAT       an unknown opcode, an operand that is cut off, a jump that leads nowhere, a stack that
 *                  runs dry or whose height is not the same on all ways to a place, no end
 * ERR_UNSUPPORTED  trace state variables, floating point, a register that is no integer, a conversion of
 *                  printf that is not of integers, characters, strings
 * ERR_LIMIT        over one of the limits above; ERR_NOMEM
 * why names the offset and the instruction. O(code).
 */
MUST_USE enum err agent_compile(struct bytes code, enum agent_use use,
                                const struct target_reg *regs, size_t reg_count, struct agent **out,
                                struct diag *why);
void agent_free(struct agent *agent); /* takes NULL */

/* The machine that an expression looks at. */
struct agent_env {
    void *ctx;
    bool (*reg)(void *ctx, unsigned reg, uint64_t *value);
    bool (*read)(void *ctx, gva_t addr, void *dst, size_t len); /* all of it or nothing */
    void (*print)(void *ctx, const char *text, size_t len);
};

/*
 * Evaluate. *value is what lies on top of the stack at the end, 0 when that is empty.
 * ERR_INVALID  division by zero; ERR_FAULT  memory or a register cannot be read; ERR_LIMIT  over AGENT_STEPS_MAX or
 * AGENT_TEXT_MAX, or the text found no host memory. why says which, without a place. *value is untouched then.
 */
MUST_USE enum err agent_eval(const struct agent *agent, const struct agent_env *env, int64_t *value,
                             struct diag *why);

#endif
