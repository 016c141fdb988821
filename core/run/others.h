/*
 * Turns of the processes that nobody debugs: what they raise goes to their handlers, what nobody takes ends them, and only an
 * interrupt, or an engine that cannot go on, stops the session in one of them.
 */
#ifndef CORE_RUN_OTHERS_H
#define CORE_RUN_OTHERS_H

#include "run/run.h"
#include "run/session.h"

/*
 * It is the turn of a process that is not debugged. *stopped: that is the session's stop, of which kind and note are in *stop.
 * ERR_NOMEM
 */
MUST_USE enum err others_turn(struct session *session, struct target_stop *stop, bool *stopped);

/* See winstub/run.h. */
MUST_USE enum err others_follow(struct session *session, const char *name, struct target_stop *stop,
                                struct diag *why);
MUST_USE enum err others_finish(struct session *session, struct target_stop *stop);

#endif
