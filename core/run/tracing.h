/*
 * Tracing who reads the tables by which code finds modules and functions on its own (target_ops.trace): watches
 * over them that print and never stop. Reads by the DLLs are their daily business and not shown; each place in the
 * program's code is shown once for each table.
 */
#ifndef CORE_RUN_TRACING_H
#define CORE_RUN_TRACING_H

#include "cpu/pagemap.h"
#include "run/watches.h"
#include "winstub/process.h"

struct tracing {
    unsigned tables; /* TRACE_ bits; 0: off */
    struct process_table *list;
    size_t count, cap;
    struct pagemap seen; /* pc and table: shown already */
    bool failed;         /* memory was short while the tables were listed */
};

void tracing_fini(struct tracing *tracing);

/* Watch these tables as they lie in memory now, in place of those before. ERR_NOMEM: those found until then. */
MUST_USE enum err tracing_set(struct tracing *tracing, struct watches *watches,
                              const struct process *process, struct cpu *cpu, unsigned tables);

/* An access by the instruction at pc to addr: append one line about it, or nothing when nobody wants to know. */
void tracing_line(struct tracing *tracing, const struct process *process, struct dis *dis, gva_t pc,
                  gva_t addr, struct buf *out);

#endif
