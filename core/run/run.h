/* The run loop: what one process does between a resume and a stop. */
#ifndef CORE_RUN_RUN_H
#define CORE_RUN_RUN_H

#include <stdbool.h>

#include "run/actions.h"
#include "run/catches.h"
#include "run/counts.h"
#include "run/coverage.h"
#include "run/points.h"
#include "run/session.h"
#include "run/tracing.h"
#include "run/watches.h"
#include "winstub/cpu.h"
#include "winstub/dis.h"
#include "winstub/process.h"
#include "winstub/target.h"

#define RUN_SERVED_MAX 8 /* watched places that one system service may touch and be noticed */

#define RUN_OUTSIDE                                                                                \
    1u /* in cpu_set_who's number, as tids are multiples of four: a thread of another process */

/* What of the guest's debug registers breaks and watches were set for. */
struct debugregs {
    uint64_t control; /* DR7 */
    gva_t addr[4];
};

/* A call that is being stepped over: it is done when its thread is back at addr with the stack above. */
struct return_point {
    bool set, reached;
    uint32_t tid;
    gva_t addr, stack;
};

struct run {
    struct session *session;
    struct run *next;        /* of the session's */
    struct process *process; /* the caller's, or the guest's */
    struct cpu *cpu;
    struct dis *dis;
    struct points points;
    struct watches watches;
    struct counts counts;
    struct catches catches;
    struct tracing tracing;
    struct coverage *coverage; /* NULL: never begun */
    struct return_point ret;
    struct debugregs debugregs;
    gva_t *known; /* bases of the modules that catches know */
    size_t known_count;
    bool load_caught; /* a module was: load_note is the next stop's */
    char load_note[sizeof((struct target_stop *)0)->note];
    struct {
        struct watch_range watch;
        gva_t addr;
        enum vm_access access;
    } served[RUN_SERVED_MAX]; /* by the present system service */
    size_t served_count;
    uint32_t
        beside; /* pid of the process whose turn it is instead, and whose services those are; 0: none */
    struct actions actions; /* of the threads; valid while resumed */
    bool resumed;
    bool ended; /* the process has exited or was killed */
    /* Why the process stands still now; while it runs, of the thread whose turn it is. */
    struct target_stop stop;
    struct run_thread *thread; /* whose turn it is; while it runs */
    bool called;   /* the last step was a system call: it may have changed who can run, and when */
    bool starting; /* on the way to where the debugger begins */
    struct target_stop
        passed; /* of a process that is not debugged: its last exception, which went to its handlers */
};

/* ERR_NOMEM: there is nothing to run_fini. */
MUST_USE enum err run_init(struct run *run, struct session *session, struct process *process);
void run_fini(struct run *run);
/* Is its process the one that is debugged? */
bool run_is_debugged(const struct run *run);

/* target_ops.resume and run, see winstub/target.h. */
MUST_USE enum err run_resume(struct run *run, const struct target_action *acts, size_t n);
MUST_USE enum err run_go(struct run *run, struct target_stop *why);

/* See target_start in winstub/run.h. */
MUST_USE enum err run_to(struct run *run, gva_t place, struct target_stop *why);

/* The process is over, with this exit code. */
void run_end(struct run *run, uint32_t exit_code);

MUST_USE enum err run_point(struct run *run, enum point_kind kind, gva_t addr, uint64_t len,
                            bool on);
/* target_ops.point_agent, see winstub/target.h. */
MUST_USE enum err run_point_agent(struct run *run, enum point_kind kind, gva_t addr,
                                  const struct target_agent *agent, struct diag *why);

/* ---- For the other files of core/run ------------------------------------------------------------- */

/* One instruction, breaks ignored; *stopped says whether that made a stop, which run->stop describes. */
MUST_USE enum err run_step(struct run *run, bool *stopped);
/*
 * The same with traps open for it, and looking at watched bytes only. thread->stepped says whether it was executed: not
 * when a stack grew under it, or when a system call will ask again.
 */
MUST_USE enum err run_step_open(struct run *run, bool *stopped);
/* Turn an event into the stop; false when the guest just goes on. */
bool run_stopped_by(struct run *run, const struct cpu_event *event);
/* Does the guest raise an exception at pc? Then that is the stop. */
bool run_raises_at(struct run *run, gva_t pc);
/* Has the guest a breakpoint of its own at the pc, that was not just reported? Then that is the stop. */
bool run_debug_break(struct run *run);
/* Was a watchpoint of the guest's own hit, that it was not told of yet? Then that is the stop. */
bool run_debug_pending(struct run *run);
/* Was an interrupt asked for? Then it is the stop. */
bool run_interrupted(struct run *run);
/* Nobody may want the break at addr any more: take it from the CPU then. */
void run_release_break(struct run *run, gva_t addr);
/* Make this the stop, with text as its note, cut at its size. */
void run_stop(struct run *run, enum target_stop_kind kind, const struct buf *text);
/* The engine failed with e: make that the stop. ERR_OK */
MUST_USE enum err run_broken(struct run *run, enum err e);

/* The machine as conditions and commands see it. */
struct agent_env run_agent_env(struct run *run);
/* Does anything stop at pc, conditions aside? */
bool run_breaks_at(const struct run *run, gva_t pc);
/* The break at pc is hit. True: that is a stop, and run->stop says which; false: the guest goes on. */
bool run_hit(struct run *run, gva_t pc);

#endif
