/*
 * The guest's clock: it advances only between start and stop, and a thread of its own stores it in shared
 * user data about every millisecond meanwhile, so that a guest that only spins sees time pass.
 *
 * Start and stop cost about a tenth of a microsecond together; single steps call them. After stop the page
 * does not change. Nothing wakes while nothing runs.
 */
#ifndef CORE_NT_CLOCK_H
#define CORE_NT_CLOCK_H

#include <stdint.h>

#include "nt/shared.h"
#include "winstub/err.h"

struct clock;

/* A stopped clock that shows now. ERR_NOMEM: no memory, or no thread. */
MUST_USE enum err clock_new(const struct shared_time *now, struct clock **out, struct diag *why);
void clock_free(struct clock *clock); /* stops it; takes NULL */

/* Let time pass, and store it in the page at this host address; NULL: nowhere. Balanced by clock_stop. */
void clock_start(struct clock *clock, uint8_t *page);
void clock_stop(struct clock *clock);

/* The guest's time now. */
struct shared_time clock_now(struct clock *clock);

#endif
