/*
 * Objects that threads agree by: events, mutants, semaphores, timers, keyed events. What a wait takes of them is here;
 * who waits is waits.h's.
 */
#ifndef CORE_NT_SYNC_H
#define CORE_NT_SYNC_H

#include <stdbool.h>
#include <stdint.h>

#include "nt/handles.h"
#include "winstub/gva.h"

struct machine;
struct process;
struct thread;

struct event {
    struct object object;
    bool manual; /* NotificationEvent: waits leave it signaled */
    bool signaled;
};

struct mutant {
    struct object object;
    struct thread *owner; /* NULL: free */
    int32_t count;        /* 1 when it is free; each wait of the owner takes one, also below 0 */
    bool abandoned;       /* its owner has ended with it, and nobody has been told */
    struct mutant *next;  /* of the owner's */
};

struct semaphore {
    struct object object;
    uint32_t count, maximum;
};

struct timer {
    struct object object;
    struct machine *machine;
    struct timer *next, **link; /* of the machine's */
    bool manual, signaled, armed;
    uint64_t due;         /* guest time, 100 ns; while armed */
    uint64_t period;      /* 100 ns; 0: once */
    struct thread *owner; /* referenced; who gets the APC, NULL: none */
    gva_t routine, context;
};

struct keyed_event {
    struct object object;
};

extern const struct object_class event_class, mutant_class, semaphore_class, timer_class,
    keyed_event_class;

/* Give a mutant that is free to a thread. */
void mutant_own(struct mutant *mutant, struct thread *owner);
/* STATUS_MUTANT_NOT_OWNED; *before: its count, 1 minus the waits of the owner. */
MUST_USE nt_status mutant_release(struct process *p, struct mutant *mutant, struct thread *by,
                                  int32_t *before);
/* The thread ends: its mutants are free, and who gets one is told. */
void mutants_abandon(struct thread *thread);
/* The same without telling anybody: the process ends. */
void mutants_forget(struct thread *thread);

/* A timer, not armed; NULL when memory is short. */
struct timer *timer_new(struct machine *machine, bool manual);
void timer_disarm(struct timer *timer);

/* Timers whose time has come by now: signaled, who waits wakes. */
void timers_expire(struct machine *machine, uint64_t now);
/* Queue the APCs of timers whose time has come. */
void timers_queue_apcs(struct machine *machine, uint64_t now);
/* The earliest time at which a timer matters to somebody who waits; or `due`, if that is earlier. */
uint64_t timers_next(const struct machine *machine, uint64_t due);

#endif
