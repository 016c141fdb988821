/*
 * Whose turn it is. Threads take turns in the order of their creation, each for one slice of guest time or until it
 * waits; priorities decide nothing. When nobody can run, time goes on to the next moment at which somebody can; when there is no such
 * moment, the process is stuck. All of this depends on guest time only, so that counted time gives the same turns in
 * every run.
 */
#include <string.h>

#include "nt/apcs.h"
#include "nt/parts.h"
#include "nt/threads.h"
#include "winstub/buf.h"

#define SLICE        10000u /* 100 ns; also how often shared user data is renewed */
#define HOST_WAIT_MS 10     /* how soon an interrupt is noticed */

bool threads_is_ready(const struct thread *thread)
{
    return !thread->wait.kind && !thread->suspended && !thread->held;
}

bool threads_others_ready(const struct process *p)
{
    for (size_t i = 0; i < p->threads.count; i++) {
        if (p->threads.list[i] != p->threads.on_cpu && threads_is_ready(p->threads.list[i]))
            return true;
    }
    return false;
}

int threads_host_wait(const struct process *p)
{
    return threads_others_ready(p) ? 0 : HOST_WAIT_MS;
}

bool threads_yield(struct process *p)
{
    if (!threads_others_ready(p))
        return false;
    p->threads.slice_end = 0;
    return true;
}

/* ---- Choosing --------------------------------------------------------------------------------- */

/* The first that is ready, from list[from] on and around; those that wait for the host only when asked for. */
static bool find_ready(const struct threads *t, size_t from, bool patient, size_t *at)
{
    for (size_t i = 0; i < t->count; i++) {
        size_t candidate = (from + i) % t->count;

        if (threads_is_ready(t->list[candidate]) && (!t->list[candidate]->asks_again || patient)) {
            *at = candidate;
            return true;
        }
    }
    return false;
}

/* Who has waited for the host may look again. */
static void end_patience(struct threads *t)
{
    for (size_t i = 0; i < t->count; i++)
        t->list[i]->asks_again = false;
}

/* Begin a slice, with the next one when the last is over. False: nobody is ready. */
static bool choose(struct threads *t, uint64_t now)
{
    bool over = now >= t->slice_end;
    size_t at;

    if (over)
        end_patience(t);
    if (!find_ready(t, over ? t->turn + 1 : t->turn, false, &at) &&
        !find_ready(t, t->turn, true, &at))
        return false;
    if (over || at != t->turn)
        t->slice_end = now + SLICE;
    t->turn = at;
    return true;
}

/* Put the chosen thread on the CPU until its slice is over, or something is due. */
static void run_turn(struct process *p)
{
    struct threads *t = &p->threads;
    struct thread *thread = t->list[t->turn];

    thread->asks_again = false;
    threads_load(thread);
    if (apcs_urgent(thread))
        apcs_deliver(thread);
    clock_alarm(p->clock, t->slice_end < t->next_due ? t->slice_end : t->next_due,
                t->next_due != WAIT_FOREVER || threads_others_ready(p));
}

/* Could anybody run whom only the debugger keeps? */
static bool somebody_is_held(const struct threads *t)
{
    for (size_t i = 0; i < t->count; i++) {
        if (t->list[i]->held)
            return true;
    }
    return false;
}

enum process_turn process_schedule(struct process *p)
{
    struct threads *t = &p->threads;

    for (;;) {
        uint64_t now = clock_now(p->clock).interrupt;

        if (now >= t->next_due)
            t->next_due = waits_expire(p, now);
        if (choose(t, now)) {
            run_turn(p);
            return PROCESS_TURN_RUNS;
        }
        if (t->next_due == WAIT_FOREVER)
            return somebody_is_held(t) ? PROCESS_TURN_HELD : PROCESS_TURN_STUCK;
        if (!clock_idle(p->clock, t->next_due))
            return PROCESS_TURN_IDLE;
    }
}

/* ---- What the debugger sees and wants --------------------------------------------------------- */

uint32_t process_current(const struct process *p)
{
    const struct threads *t = &p->threads;

    return t->count ? t->list[t->turn]->info.tid : 0;
}

bool process_select(struct process *p, uint32_t tid)
{
    struct thread *thread = threads_find(p, tid);

    if (thread)
        threads_load(thread);
    return thread != NULL;
}

bool process_has_thread(const struct process *p, uint32_t tid)
{
    return threads_find(p, tid) != NULL;
}

bool process_is_ready(const struct process *p, uint32_t tid)
{
    const struct thread *thread = threads_find(p, tid);

    return thread && threads_is_ready(thread);
}

void process_hold(struct process *p, uint32_t tid, bool held)
{
    struct thread *thread = threads_find(p, tid);

    if (thread)
        thread->held = held;
}

void process_hold_new(struct process *p, bool held)
{
    p->threads.hold_new = held;
}

void process_prefer(struct process *p, uint32_t tid)
{
    struct threads *t = &p->threads;

    for (size_t i = 0; i < t->count; i++) {
        if (t->list[i]->info.tid == tid && threads_is_ready(t->list[i]))
            t->turn = i;
    }
}

static void describe(const struct thread *thread, struct buf *out)
{
    if (thread->suspended)
        (void)buf_printf(out, "suspended (%u)%s", thread->suspended, thread->wait.kind ? ", " : "");
    wait_describe(thread, out);
    if (!out->len)
        (void)buf_text(out, thread->asks_again ? "waiting for input" : "running");
}

const char *process_thread_state(const struct process *p, size_t i)
{
    struct thread *thread = p->threads.list[i];
    struct buf text;

    buf_init(&text, sizeof thread->state - 1);
    describe(thread, &text);
    memcpy(thread->state, buf_str(&text), text.len + 1);
    buf_fini(&text);
    return thread->state;
}

void process_stuck(const struct process *p, struct buf *out)
{
    (void)buf_text(out, "no thread can go on:");
    for (size_t i = 0; i < p->threads.count; i++)
        (void)buf_printf(out, "%s thread %" PRIu32 " %s", i ? ";" : "",
                         p->threads.list[i]->info.tid, process_thread_state(p, i));
}
