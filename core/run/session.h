/*
 * What the runs of a machine's processes have in common: which one is debugged, whose CPU an interrupt stops, who hears what. Every
 * process that takes turns has a run: the debugged one that of the target, the others one that others.c gives turns.
 */
#ifndef CORE_RUN_SESSION_H
#define CORE_RUN_SESSION_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "winstub/process.h"
#include "winstub/run.h"

struct run;

struct session {
    struct process *process; /* the caller's: one that outlives the session */
    struct run *debugged;    /* NULL: nobody is, until there is a process that was asked for */
    struct run *runs;        /* of processes that have not gone */
    atomic_bool interrupted;
    pthread_mutex_t lock; /* of cpu, for an interrupt from another thread */
    struct cpu *cpu;      /* that runs, or ran last; NULL: it has gone */
    void (*console)(void *ctx, const char *text, size_t len); /* NULL: nobody listens */
    void *console_ctx;
    void (*child)(void *ctx, const struct target_child *child); /* NULL: nobody listens */
    void *child_ctx;
    const char *wanted; /* name of the program that is to be debugged; NULL: none is waited for */
    uint32_t found;     /* pid of the first process that has it; 0: none yet */
    bool ending;        /* the session ends, and its processes with it */
};

/* With a run for that process, which is debugged. ERR_NOMEM */
MUST_USE enum err session_new(struct process *process, struct session **out);
/* Processes beside the debugged one end. Takes NULL. */
void session_free(struct session *session);

/* The process's run, made when it has none; NULL when memory is short. It goes with its process. */
struct run *session_run(struct session *session, struct process *process);

/* From any thread: stop who runs, or is to run next. */
void session_interrupt(struct session *session);
/* That run's CPU is about to run. True: there is an interrupt, of which only another CPU may know. */
bool session_enter(struct session *session, const struct run *run);
/* To whoever listens to commands of breakpoints. */
void session_print(const struct session *session, const char *text, size_t len);

/* Tell what has become of processes beside the debugged one since this was last called. */
void session_tell(struct session *session);
/* End the processes beside the debugged one, and tell that. */
void session_end_others(struct session *session);

#endif
