/*
 * What happens when a catch (catches.h) meets what it waits for: counting, one line that says what was met, and
 * either a stop or going on. Called by the run loop alone.
 */
#ifndef CORE_RUN_CAUGHT_H
#define CORE_RUN_CAUGHT_H

#include "run/run.h"

/* target_ops.catch_add, catch_remove, catch_at, writer; see winstub/target.h. */
MUST_USE enum err caught_add(struct run *run, const struct target_catch *what, unsigned *id,
                             struct diag *why);
MUST_USE enum err caught_remove(struct run *run, unsigned id);
MUST_USE enum err caught_list(const struct run *run, size_t i, struct target_catch *out);
MUST_USE enum err caught_writer(const struct run *run, size_t i, struct target_writer *out);
void caught_fini(struct run *run);

/* The pc is at an address where catches stand. True: that is a stop, which run->stop describes. */
bool caught_at(struct run *run, gva_t pc);
/*
 * The CPU is behind a system call that is not served yet. True: that is a stop, and the CPU is back at the
 * instruction; the next time it is served. again: the call was asked to wait and comes back.
 */
bool caught_call(struct run *run);
/* The list of modules has changed: places move, modules may be caught (see caught_load). */
void caught_modules(struct run *run);
/* Was a module caught since? True: that is a stop. */
bool caught_load(struct run *run);
/* A written page is about to be executed. True: that is a stop. */
bool caught_written(struct run *run, gva_t pc, gva_t page);
/* An instruction has accessed a catch's bytes. True: that is a stop. */
bool caught_watch(struct run *run, const struct watch_probe *probe, const struct watch_hit *hit);
/* The same by a system service that has just been served. */
bool caught_service(struct run *run, const struct watch_range *w, gva_t addr,
                    enum vm_access access);

#endif
