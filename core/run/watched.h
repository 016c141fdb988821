/*
 * What an access of watched bytes means: the debugger's watchpoint stops, a catch decides by itself, a traced table is
 * reported. Which accesses count is watches.c's matter.
 */
#ifndef CORE_RUN_WATCHED_H
#define CORE_RUN_WATCHED_H

#include "run/run.h"

/* An access of the instruction that has just run counts. True: that is a stop, which run->stop describes. */
bool watched_hit(struct run *run, const struct watch_probe *probe, const struct watch_hit *hit);

/* A system service accesses memory: note what it is about to do to watched bytes. For cpu_on_served; ctx is the run. */
void watched_by_service(void *ctx, const struct vm_served *access);
/* What was noted since run->served_count was 0. True: that is a stop. */
bool watched_served(struct run *run);

#endif
