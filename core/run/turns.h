/* Turns: the part of a run in which the threads of the debugged process do what the debugger wants, and others run beside them. */
#ifndef CORE_RUN_TURNS_H
#define CORE_RUN_TURNS_H

#include "run/run.h"

/* Turn by turn, until something stops the process; run->stop says what. */
MUST_USE enum err turns_take(struct run *run);
/*
 * One turn of the thread that process_schedule has put on the CPU of the run's process. *stopped: it has stopped, and run->stop says why.
 */
MUST_USE enum err turns_one(struct run *run, bool *stopped);
/* No process can go on: make that the stop. */
void turns_stuck(const struct process *any, struct target_stop *stop);
/*
 * The same, while the thread whose turn it is goes on from where it stands, whatever it shall do. Afterwards run->thread is
 * whoever the stop is about.
 */
MUST_USE enum err turns_continue(struct run *run);

#endif
