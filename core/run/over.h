/*
 * Stepping over calls and out of functions without a round trip: a call runs at full speed to its return, everything else
 * is stepped. That needs no symbols and no unwind tables, so it works in code that has neither.
 */
#ifndef CORE_RUN_OVER_H
#define CORE_RUN_OVER_H

#include "run/run.h"

/* One instruction; a call runs until it has returned. *stopped: something stopped before that. */
MUST_USE enum err over_step(struct run *run, bool *stopped);
/* Is the instruction at the pc one that returns from a function? */
bool over_at_return(const struct run *run);

#endif
