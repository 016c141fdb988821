/*
 * The guest's own hardware breakpoints: what it puts into DR0 to DR3 and DR7 by way of a CONTEXT becomes breaks and
 * watches of the CPU, and their hits STATUS_SINGLE_STEP with DR6, as on a processor. They are each thread's own. Follows Intel's
 * SDM volume 3, "Debug Registers".
 */
#ifndef CORE_RUN_DEBUGREGS_H
#define CORE_RUN_DEBUGREGS_H

#include "run/run.h"

/* Bring breaks and watches in line with the debug registers; before every run of the CPU. ERR_NOMEM, ERR_RANGE. */
MUST_USE enum err debugregs_arm(struct run *run);
/* Does a register stop at addr? */
bool debugregs_at(const struct run *run, gva_t addr);
/* The instruction at pc is about to run: is it a breakpoint's, and not the one that was just reported? DR6 says which then. */
bool debugregs_break(struct run *run, gva_t pc);
/*
 * A service was served that was called right before pc. When it went on elsewhere (NtContinue), a breakpoint that was
 * reported is passed there alone: so the resume flag has it.
 */
void debugregs_returned(struct run *run, gva_t pc);
/* An access has hit the watch of register n: DR6 says so. */
void debugregs_access(struct run *run, unsigned n);
/* An instruction was executed under the guest's own trap flag. */
void debugregs_step(struct run *run);

#endif
