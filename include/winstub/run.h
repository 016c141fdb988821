/*
 * Running a process under a debugger: points, steps, ranges, exceptions as stops.
 */
#ifndef WINSTUB_RUN_H
#define WINSTUB_RUN_H

#include "winstub/err.h"
#include "winstub/process.h"
#include "winstub/target.h"

/*
 * The process as the stub sees it. process must outlive the target; *out holds ops and ctx until
 * target_fini. ERR_NOMEM.
 */
MUST_USE enum err target_init(struct target *out, struct process *process);
void target_fini(struct target *target);

/*
 * Let the loader work until the program's entry point is reached; nothing when the process stands there already, as in
 * bare mode. *why is why it stopped: a STOP_STEP at the entry point, or what came before it (an exit, an exception).
 */
MUST_USE enum err target_to_entry(struct target *target, struct target_stop *why);

#endif
