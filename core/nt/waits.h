/*
 * Waiting: for objects, for time, for alerts, for the other side of a keyed event, for packets of a port, for files. A wait that
 * is not over at once takes the thread out of turn; what ends it is looked at when an object's state changes and when
 * time has come. Follows the NT documentation of the Wait services; order of waking is first come, first served.
 */
#ifndef CORE_NT_WAITS_H
#define CORE_NT_WAITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nt/handles.h"
#include "winstub/gva.h"

struct machine;
struct process;
struct request;
struct thread;

#define WAIT_OBJECTS_MAX 64u /* MAXIMUM_WAIT_OBJECTS */
#define WAIT_FOREVER     UINT64_MAX

enum wait_kind {
    WAIT_NOTHING, /* does not wait */
    WAIT_OBJECTS, /* for objects; none of them: for time only */
    WAIT_ALERT,   /* NtWaitForAlertByThreadId */
    WAIT_KEYED,   /* NtWaitForKeyedEvent */
    WAIT_RELEASE, /* NtReleaseKeyedEvent */
    WAIT_PORT,    /* NtRemoveIoCompletion(Ex) */
    WAIT_REQUEST, /* for the end of a request of its own, of the file objects[0] */
    WAIT_TURN,    /* until nobody uses the file objects[0]; then the call is made again */
};

/* Where NtRemoveIoCompletion(Ex) leaves its packets: guest addresses. */
struct wait_packets {
    gva_t key, value, io; /* of one packet */
    gva_t list, taken;    /* of many; list 0: of one */
    uint32_t room;
};

struct wait {
    enum wait_kind kind;
    bool all;       /* every object, not any */
    bool alertable; /* APCs and alerts end it */
    size_t count;
    struct object *objects[WAIT_OBJECTS_MAX]; /* referenced */
    uint64_t until;                           /* guest time, 100 ns */
    uint64_t order;                           /* who began first */
    gva_t key; /* WAIT_KEYED, WAIT_RELEASE: of the event; WAIT_ALERT: the address, for the user */
    struct wait_packets packets; /* WAIT_PORT */
    struct request *request;     /* WAIT_REQUEST */
};

/*
 * Begin the wait of the thread, of which all but order is filled in. True: it is
 * over already, with *result. False: the thread waits; its result comes by threads_answer. The objects are referenced.
 */
bool wait_begin(struct thread *thread, const struct wait *wait, nt_status *result);
/* End a wait from outside. A request that is waited for goes with it. */
void wait_end(struct thread *thread, nt_status result);
/* Would an alert or an APC end it? */
bool wait_is_alertable(const struct thread *thread);

/* The object's state has changed: end the waits that can end now, of whichever process of p's machine. */
void waits_signal(struct process *p, struct object *object);
/* Time has come to `now`: end the waits that it ends, in every process. Returns when to look again. */
uint64_t waits_expire(struct machine *machine, uint64_t now);

/* A LARGE_INTEGER timeout as guest time: negative is relative, the least of all for ever, else an absolute system time. */
uint64_t wait_until(struct process *p, uint64_t timeout);
/*
 * A LARGE_INTEGER timeout at guest address `at` as guest time; 0: WAIT_FOREVER.
 */
MUST_USE nt_status wait_deadline(struct process *p, gva_t at, uint64_t *until);

/* Append "waiting for Event 0x44" or the like. */
struct buf;
void wait_describe(const struct thread *thread, struct buf *out);

#endif
