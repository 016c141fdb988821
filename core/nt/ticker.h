/*
 * Time of the host for a guest that runs by it: it advances only between start and stop, and a thread of its own
 * stores it in shared user data about every millisecond meanwhile, so that a guest that only spins sees time pass. The same thread
 * ends runs of the CPU when their time is over.
 *
 * Start and stop cost about a tenth of a microsecond together; single steps call them. After stop the page
 * does not change. Nothing wakes while nothing runs.
 */
#ifndef CORE_NT_TICKER_H
#define CORE_NT_TICKER_H

#include <stdint.h>

#include "nt/shared.h"
#include "winstub/cpu.h"
#include "winstub/err.h"

struct ticker;

#define TICKER_NEVER UINT64_MAX

/* A stopped one that shows now. cpu may be NULL: then no run is ended. ERR_NOMEM: no memory, or no thread. */
MUST_USE enum err ticker_new(const struct shared_time *now, struct cpu *cpu, struct ticker **out,
                             struct diag *why);
void ticker_free(struct ticker *ticker); /* stops it; takes NULL */

/* Let time pass, and store it in the page at this host address; NULL: nowhere. Balanced by ticker_stop. */
void ticker_start(struct ticker *ticker, uint8_t *page);
void ticker_stop(struct ticker *ticker);

/* ns since ticker_new, without those that it stood still. */
uint64_t ticker_ns(struct ticker *ticker);
/* It is `ns` now; stopped. */
void ticker_set(struct ticker *ticker, uint64_t ns);
/* End the CPU's run when ticker_ns is `ns`, at most two milliseconds later. */
void ticker_alarm(struct ticker *ticker, uint64_t ns);

#endif
