/*
 * The threads of a process: what each one is, which one's registers the CPU holds, and whose turn it is. Waiting is
 * waits.h's, what a thread is given at its start thread.c's. Threads switch only between runs of the CPU.
 */
#ifndef CORE_NT_THREADS_H
#define CORE_NT_THREADS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nt/events.h"
#include "nt/handles.h"
#include "nt/waits.h"
#include "winstub/cpu.h"
#include "winstub/err.h"
#include "winstub/process.h"

/* How many threads can live at a time: a guest cannot eat the host's memory. */
#define THREADS_MAX 8192u
/* The largest suspend count. */
#define SUSPEND_MAX 127u
/* Bytes of a thread's name that are kept. */
#define THREAD_NAME_MAX 256u

struct machine;
struct mutant;
struct apc;
struct request;

struct thread {
    struct object
        object; /* signaled when the thread has ended; the process has one reference while it lives */
    struct process *process; /* NULL: it has ended */
    uint32_t pid;
    struct process_thread info;
    gva_t stack_bottom;            /* of the reserve */
    uint64_t stack_commit;         /* bytes that stay committed when the thread begins; 0: all */
    gva_t start;                   /* the function that it was made for */
    struct cpu_context *registers; /* while the CPU holds another's */
    bool begins;                   /* it has not run yet: start_begin */
    bool ended;
    uint32_t exit_code;
    unsigned suspended; /* NtSuspendThread's count */
    bool held;          /* the debugger keeps it where it is */
    bool asks_again;    /* it waits for the host: others first */
    bool has_result;    /* result is still to be put into its registers */
    nt_status result;
    struct wait wait;
    struct apc *apcs;      /* oldest first */
    struct apc **last_apc; /* where the next one goes, while there is one */
    unsigned apc_count;
    bool apc_due;             /* one is called when the thread goes on, whatever the result */
    struct request *requests; /* that it has asked for and that are pending */
    bool alerted;             /* NtAlertThread, not yet noticed */
    bool alerted_by_id;       /* NtAlertThreadByThreadId, not yet consumed */
    struct mutant *mutants;   /* that it owns */
    uint32_t priority; /* as the guest set it, relative to the process's; nothing follows from it */
    char name[THREAD_NAME_MAX]; /* UTF-8 */
    char state[160];            /* as process_thread_state last said it */
    uint64_t created, finished; /* system time, 100 ns; finished 0: it lives */
};

extern const struct object_class thread_class;

/* THREAD_* rights of winnt.h. */
enum {
    THREAD_RIGHT_TERMINATE = 0x0001,
    THREAD_RIGHT_SUSPEND = 0x0002,
    THREAD_RIGHT_ALERT = 0x0004,
    THREAD_RIGHT_GET_CONTEXT = 0x0008,
    THREAD_RIGHT_SET_CONTEXT = 0x0010,
    THREAD_RIGHT_SET = 0x0020,
    THREAD_RIGHT_QUERY = 0x0040,
    THREAD_RIGHT_SET_TOKEN = 0x0080,
    THREAD_RIGHT_SET_LIMITED = 0x0400,
    THREAD_RIGHT_QUERY_LIMITED = 0x0800,
};

/* The threads, and whose turn it is. */
struct threads {
    struct thread **list; /* in the order of their creation */
    size_t count, room;
    struct thread *on_cpu; /* whose registers the CPU holds; NULL: nobody's */
    size_t turn;   /* in the list: who runs or ran last, or came behind it when it has ended */
    uint32_t made; /* threads so far */
    struct request *left;      /* that threads have left pending which have ended */
    struct cpu_context *fresh; /* registers of a thread that has not begun */
    bool hold_new;             /* threads that begin are held */
    struct events events;      /* struct process_thread_event */
};

/* ---- threads.c -------------------------------------------------------------------------------- */

/*
 * A thread without stack, TEB and start; the registers are those that the CPU had when the first one was made. Listed, with one reference.
 * STATUS_NO_MEMORY, STATUS_INSUFFICIENT_RESOURCES
 */
MUST_USE nt_status threads_new(struct process *p, struct thread **out);
/* Take a thread away whose start failed. */
void threads_discard(struct thread *thread);
/* All threads of the process have ended, and what they have left is gone. */
void threads_end_all(struct process *p, uint32_t exit_code);
/* The thread has ended: who waits for it wakes, what it owns is abandoned, its stack and TEB go. */
void threads_end(struct thread *thread, uint32_t exit_code);
void threads_fini(struct process *p);

/* Tell who watches threads that this one has begun. */
void threads_begun(struct thread *thread);
/* Name it; what does not fit is left off. */
void threads_name(struct thread *thread, const char *name);
/* NULL: there is none. */
struct thread *threads_find(const struct process *p, uint32_t tid);
/* Put this thread's registers on the CPU. */
void threads_load(struct thread *thread);
/* Put back whose registers were on the CPU of p before another's were loaded; NULL: nobody's were. */
void threads_restore(struct process *p, struct thread *before);
/* A wait or service of a thread that is not on the CPU, or may not be, has this result. */
void threads_answer(struct thread *thread, nt_status result);

MUST_USE nt_status threads_suspend(struct thread *thread, unsigned *before);
unsigned threads_resume(struct thread *thread);

/* ---- turns.c ---------------------------------------------------------------------------------- */

/* Could it run if it were its turn? */
bool threads_is_ready(const struct thread *thread);
/* Has anybody but the thread that runs something to do, in any process? */
bool threads_others_ready(const struct machine *machine);
/* For how many ms the thread that runs may keep everybody waiting for the host before it answers CALL_AGAIN. */
int threads_host_wait(const struct machine *machine);
/* The thread that runs gives its turn away. False: nobody else wants it. */
bool threads_yield(struct machine *machine);
/* It is the turn of that process from now on: time goes on where it stands. */
void turns_hand_over(struct process *p);

/* ---- thread.c --------------------------------------------------------------------------------- */

struct stack_sizes {
    uint64_t reserve, commit; /* bytes; 0: as the program's header, or Windows, has it */
    uint64_t least;     /* bytes to be committed until the thread begins, if the reserve has them */
    uint64_t zero_bits; /* where the stack may lie, as in struct vm_request */
};
/* Give the thread a stack. ERR_LIMIT, ERR_NOMEM */
MUST_USE enum err thread_stack(struct thread *thread, struct stack_sizes sizes, struct diag *why);
/* Give it a TEB; tls: its ThreadLocalStoragePointer. Needs the stack and the PEB. */
MUST_USE enum err thread_teb(struct thread *thread, gva_t tls, struct diag *why);
/* Take both away. */
void thread_release(struct thread *thread);

#endif
