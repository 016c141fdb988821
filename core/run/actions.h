/*
 * What the debugger wants each thread to do, and what the run loop remembers of each: the exception that it stands at, the break that it
 * may pass, a step that is done but for the wait at its end.
 */
#ifndef CORE_RUN_ACTIONS_H
#define CORE_RUN_ACTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "winstub/cpu.h"
#include "winstub/process.h"
#include "winstub/target.h"

struct run_thread {
    uint32_t tid;
    bool passes; /* it may execute the instruction at pass_pc although there is a break */
    gva_t pass_pc;
    bool stepped; /* its step's instruction was executed; a system call may not have returned yet */
    bool at_return;     /* that instruction is one that returns */
    gva_t out_stack;    /* ACTION_OUT: the stack pointer at its beginning; 0: not begun */
    bool continues;     /* it runs to the end of a call that it steps over */
    bool leaves_import; /* the made-up function at which it stands was reported */
    gva_t told_pc;      /* behind a system call that a catch reported, to be served now; 0: none */
    gva_t debug_pc;     /* a breakpoint of its own that was reported, to be passed once; 0: none */
    bool debug_pending; /* a watchpoint of its own was hit, and it was not told yet */
    bool excepted;      /* it was stopped at an exception: */
    struct cpu_event exception;      /* how that came, */
    struct process_exception raised; /* and what the guest's handlers would be given */
};

struct actions {
    struct target_action *list;
    size_t count;
    struct run_thread *threads;
    size_t thread_count, thread_room;
};

void actions_fini(struct actions *actions);
/* Take over what a resume says. ERR_NOMEM */
MUST_USE enum err actions_set(struct actions *actions, const struct target_action *list,
                              size_t count);
/* What the thread shall do; NULL: stay where it is. */
const struct target_action *actions_of(const struct actions *actions, uint32_t tid);

/*
 * What is remembered of the process's thread, nothing to begin with; NULL when memory is short. Valid until the next call. Threads that
 * have ended are forgotten in between.
 */
struct run_thread *actions_thread(struct actions *actions, const struct process *process,
                                  uint32_t tid);
/* The same of a thread of which something is remembered already, else NULL. What actions_thread returned stays valid. */
struct run_thread *actions_known(const struct actions *actions, uint32_t tid);
/* A run begins: nothing of the last one's actions goes on. */
void actions_begin(struct actions *actions);
/* Forget the threads that are no more. */
void actions_prune(struct actions *actions, const struct process *process);

#endif
