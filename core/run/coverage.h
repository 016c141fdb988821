/*
 * Which blocks of code have run, as drcov reports it (target_ops.coverage). The CPU tells of a block when it is about to
 * run for the first time, so that recording costs nothing afterwards. Blocks belong to the module that was there when
 * they ran; code outside modules to its allocation.
 */
#ifndef CORE_RUN_COVERAGE_H
#define CORE_RUN_COVERAGE_H

#include "winstub/buf.h"
#include "winstub/process.h"

struct coverage;

/* Begin; at_end, unless NULL, is the file that coverage_end makes. coverage_free ends it; takes NULL. */
MUST_USE enum err coverage_new(struct process *process, const char *at_end, struct coverage **out,
                               struct diag *why);
void coverage_free(struct coverage *coverage);
/* The process is over: save when that was asked for. *file is its name, NULL when nothing was asked. */
MUST_USE enum err coverage_end(const struct coverage *coverage, const char **file,
                               struct diag *why);
/* Stop recording and keep what there is. */
void coverage_stop(struct coverage *coverage);
/* The list of modules has changed. */
void coverage_modules(struct coverage *coverage);
/* Append it all in drcov's format, version 2. ERR_NOMEM, also when recording ran short of it; ERR_LIMIT as out says. */
MUST_USE enum err coverage_write(const struct coverage *coverage, struct buf *out);

/* Write it into a new file of that name in the current directory. Errors as of target_ops.coverage_save. */
MUST_USE enum err coverage_save(const struct coverage *coverage, const char *file,
                                struct diag *why);

#endif
