/* Turns of threads: the part of a run in which the threads do what the debugger wants of them. */
#ifndef CORE_RUN_TURNS_H
#define CORE_RUN_TURNS_H

#include "run/run.h"

/* Turn by turn, until something stops the process; run->stop says what. */
MUST_USE enum err turns_take(struct run *run);
/*
 * The same, while the thread whose turn it is goes on from where it stands, whatever it shall do. Afterwards run->thread is
 * whoever the stop is about.
 */
MUST_USE enum err turns_continue(struct run *run);

#endif
