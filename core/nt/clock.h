/*
 * The guest's clock. Counted time, the usual one, follows from what the CPU has executed: the same in every run, and
 * time in which nobody runs is skipped. Host time is the host's, while the guest runs. Either is shown in shared user data.
 */
#ifndef CORE_NT_CLOCK_H
#define CORE_NT_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "nt/shared.h"
#include "winstub/cpu.h"
#include "winstub/err.h"

struct clock;

#define CLOCK_NEVER UINT64_MAX

/*
 * A stopped clock that shows now; it also answers the CPU's rdtsc. host: the host's time instead of counted time. The
 * CPU must outlive it. ERR_NOMEM: no memory, or no thread.
 */
MUST_USE enum err clock_new(const struct shared_time *now, struct cpu *cpu, bool host,
                            struct clock **out, struct diag *why);
void clock_free(struct clock *clock); /* stops it; takes NULL */

/* Let time pass, and store it in the page at this host address; NULL: nowhere. Balanced by clock_stop. */
void clock_start(struct clock *clock, uint8_t *page);
void clock_stop(struct clock *clock);

/* It is as late as by another one, of the same beginning and kind, that is not behind it. Both are stopped. */
void clock_follow(struct clock *clock, const struct clock *other);

/* The guest's time now. */
struct shared_time clock_now(struct clock *clock);

/* Guest time for which its CPU has run, 100 ns; the host's time says nothing of that: then all time since it was made. */
uint64_t clock_used(const struct clock *clock);

/*
 * End the CPU's run when interrupt time is `at` (CPU_EVENT_LIMIT, which also comes earlier, each time that counted time
 * must be shown; in host time CPU_EVENT_STOP, some ms later), and show the time. needed: somebody waits for that; without it host time ends no run.
 */
void clock_alarm(struct clock *clock, uint64_t at, bool needed);
/*
 * Nothing runs before interrupt time `until`: let time go on. False: it is not there yet; some milliseconds of the
 * host's have passed.
 */
bool clock_idle(struct clock *clock, uint64_t until);
/* The guest has waited for the host this many ms; host time knows that itself. */
void clock_waited(struct clock *clock, unsigned ms);

#endif
