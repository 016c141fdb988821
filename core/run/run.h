/* The run loop: what one process does between a resume and a stop. */
#ifndef CORE_RUN_RUN_H
#define CORE_RUN_RUN_H

#include <stdatomic.h>
#include <stdbool.h>

#include "run/actions.h"
#include "run/points.h"
#include "run/watches.h"
#include "winstub/cpu.h"
#include "winstub/dis.h"
#include "winstub/process.h"
#include "winstub/target.h"

struct run {
    struct process *process; /* the caller's */
    struct cpu *cpu;
    struct dis *dis;
    struct points points;
    struct watches watches;
    struct actions actions; /* of the threads; valid while resumed */
    bool resumed;
    bool ended; /* the process has exited or was killed */
    /* Why the process stands still now; while it runs, of the thread whose turn it is. */
    struct target_stop stop;
    struct run_thread *thread; /* whose turn it is; while it runs */
    bool starting;             /* on the way to where the debugger begins */
    atomic_bool interrupted;
    void (*console)(void *ctx, const char *text, size_t len); /* NULL: nobody listens */
    void *console_ctx;
};

MUST_USE enum err run_init(struct run *run, struct process *process);
void run_fini(struct run *run);

/* target_ops.resume and run, see winstub/target.h. */
MUST_USE enum err run_resume(struct run *run, const struct target_action *acts, size_t n);
MUST_USE enum err run_go(struct run *run, struct target_stop *why);

/* See target_start in winstub/run.h. */
MUST_USE enum err run_to(struct run *run, gva_t place, struct target_stop *why);

/* From any thread. */
void run_interrupt(struct run *run);
/* The process is over, with this exit code. */
void run_end(struct run *run, uint32_t exit_code);

MUST_USE enum err run_point(struct run *run, enum point_kind kind, gva_t addr, uint64_t len,
                            bool on);
/* target_ops.point_agent, see winstub/target.h. */
MUST_USE enum err run_point_agent(struct run *run, enum point_kind kind, gva_t addr,
                                  const struct target_agent *agent, struct diag *why);

/* The machine as conditions and commands see it. */
struct agent_env run_agent_env(struct run *run);
/* The break at pc is hit. True: that is a stop, and run->stop says which; false: the guest goes on. */
bool run_hit(struct run *run, gva_t pc);

#endif
