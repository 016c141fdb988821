/*
 * Asynchronous procedure calls: functions that other threads and timers ask a thread to call when it waits alertably, and the frame
 * by which ntdll's KiUserApcDispatcher calls them. Follows NT-PROCESS section 6.
 */
#ifndef CORE_NT_APCS_H
#define CORE_NT_APCS_H

#include <stdbool.h>
#include <stdint.h>

#include "winstub/err.h"
#include "winstub/gva.h"
#include "winstub/nt.h"

struct thread;
struct timer;

#define APCS_MAX 65536u /* of one thread */

struct apc_call {
    gva_t routine;
    uint64_t arg[3];
};

/*
 * Queue a call; an alertable wait ends by it. special: it need not wait for one. STATUS_NO_MEMORY,
 * STATUS_INSUFFICIENT_RESOURCES
 */
MUST_USE nt_status apcs_queue(struct thread *thread, const struct apc_call *call, bool special);
/* The call of a timer: at most one of each is queued. Lost when memory is short. */
void apcs_queue_timer(struct thread *thread, const struct apc_call *call,
                      const struct timer *timer);
/* The timer is cancelled or gone: so is its call. */
void apcs_cancel_timer(struct thread *thread, const struct timer *timer);
void apcs_drop(struct thread *thread);
/* Is a special one waiting? */
bool apcs_urgent(const struct thread *thread);

/*
 * Make the thread, whose registers are on the CPU, call the oldest one; the registers as they are become the CONTEXT to which it comes back.
 * Without a call, or without room on its stack, nothing happens.
 */
void apcs_deliver(struct thread *thread);

#endif
