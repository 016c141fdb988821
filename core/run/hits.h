/*
 * What becomes of a breakpoint that is hit: the conditions and commands that stand at it. See struct target_agent
 * in winstub/target.h.
 */
#ifndef CORE_RUN_HITS_H
#define CORE_RUN_HITS_H

#include "run/agent.h"
#include "winstub/target.h"

/* The expressions of one breakpoint, compiled. */
struct hit_agent {
    struct agent **list; /* conditions, then commands */
    size_t condition_count;
    size_t command_count;
};

/*
 * Compile. *out is NULL when there is nothing to compile. Errors as of target_ops.point_agent; why names the
 * expression.
 */
MUST_USE enum err hit_agent_new(const struct target_agent *from, const struct target_reg *regs,
                                size_t reg_count, struct hit_agent **out, struct diag *why);
void hit_agent_free(struct hit_agent *agent); /* takes NULL */

enum hit_result {
    HIT_STOPS,   /* why is set when it is because a condition could not be evaluated, else empty */
    HIT_GOES_ON, /* why is set when a condition or a command failed, else empty */
    HIT_IGNORED, /* no condition holds */
};

/* Evaluate the conditions and, when one holds, the commands. agent NULL: a plain breakpoint, which stops. */
enum hit_result hit_agent_run(const struct hit_agent *agent, const struct agent_env *env,
                              struct diag *why);

#endif
