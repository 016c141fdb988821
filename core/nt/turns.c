/*
 * Whose turn it is. Processes take turns in the order of their creation, in each turn of a process its next thread that
 * can run, for one slice of guest time or until it waits; priorities decide nothing. When nobody can run, time goes on to the next
 * moment at which somebody can; when there is no such moment, all are stuck. All of this depends on guest time only, so
 * that counted time gives the same turns in every run.
 *
 * Each process has a CPU and a clock of its own. Only the clock of the process whose turn it is goes; the next one's begins
 * where that one has come to.
 */
#include <string.h>

#include "nt/apcs.h"
#include "nt/kernel.h"
#include "nt/machine.h"
#include "nt/parts.h"
#include "nt/processes.h"
#include "nt/threads.h"
#include "winstub/buf.h"

#define SLICE        10000u /* 100 ns; also how often shared user data is renewed */
#define HOST_WAIT_MS 10     /* how soon an interrupt is noticed */

bool threads_is_ready(const struct thread *thread)
{
    return !thread->wait.kind && !thread->suspended && !thread->held;
}

static bool has_ready(const struct process *p, const struct thread *but)
{
    const struct threads *t = &p->threads;

    for (size_t i = 0; p->begun && i < t->count; i++) {
        if (t->list[i] != but && threads_is_ready(t->list[i]))
            return true;
    }
    return false;
}

bool threads_others_ready(const struct machine *m)
{
    for (const struct process *p = m->processes; p; p = p->next) {
        if (has_ready(p, p == m->running ? p->threads.on_cpu : NULL))
            return true;
    }
    return false;
}

int threads_host_wait(const struct machine *m)
{
    return threads_others_ready(m) ? 0 : HOST_WAIT_MS;
}

bool threads_yield(struct machine *m)
{
    if (!threads_others_ready(m))
        return false;
    m->slice_end = 0;
    return true;
}

/* ---- Choosing --------------------------------------------------------------------------------- */

struct choice {
    struct process *process;
    size_t thread;
};

/* The first that is ready, from list[from] on and around; those that wait for the host only when asked for. */
static bool find_ready(struct process *p, size_t from, bool patient, struct choice *out)
{
    const struct threads *t = &p->threads;

    for (size_t i = 0; p->begun && i < t->count; i++) {
        size_t candidate = (from + i) % t->count;

        if (threads_is_ready(t->list[candidate]) && (!t->list[candidate]->asks_again || patient)) {
            *out = (struct choice){p, candidate};
            return true;
        }
    }
    return false;
}

/* The first of the other processes, behind the one that has run and around. */
static bool find_other(const struct machine *m, bool patient, struct choice *out)
{
    struct process *p = m->running->next ? m->running->next : m->processes;

    while (p != m->running) {
        if (find_ready(p, p->threads.turn + 1, patient, out))
            return true;
        p = p->next ? p->next : m->processes;
    }
    return false;
}

/* Can the thread that runs go on without waiting for the host? */
static bool goes_on(const struct threads *t)
{
    return t->count && threads_is_ready(t->list[t->turn]) && !t->list[t->turn]->asks_again;
}

/* Who has waited for the host may look again. */
static void end_patience(struct machine *m)
{
    for (struct process *p = m->processes; p; p = p->next) {
        for (size_t i = 0; i < p->threads.count; i++)
            p->threads.list[i]->asks_again = false;
    }
}

/* Whose slice begins when the last one is over, or who ran cannot go on. */
static bool find_next(const struct machine *m, bool over, struct choice *out)
{
    size_t turn = m->running->threads.turn;

    return find_other(m, false, out) || find_ready(m->running, turn + over, false, out) ||
           find_ready(m->running, turn, true, out) || find_other(m, true, out);
}

void turns_hand_over(struct process *p)
{
    struct machine *m = p->machine;
    struct process *before = m->running;

    if (p == before)
        return;
    if (m->clock_runs)
        clock_stop(before->clock);
    clock_follow(p->clock, before->clock);
    m->running = p;
    if (m->clock_runs)
        clock_start(p->clock, process_shared_page(p));
}

/* Begin a slice, with the next one when the last is over. False: nobody is ready. */
static bool choose(struct machine *m, uint64_t now)
{
    bool over = now >= m->slice_end;
    struct choice next = {m->running, m->running->threads.turn};

    if (over)
        end_patience(m);
    if ((over || !goes_on(&next.process->threads)) && !find_next(m, over, &next))
        return false;
    if (over || next.process != m->running || next.thread != next.process->threads.turn)
        m->slice_end = now + SLICE;
    next.process->threads.turn = next.thread;
    turns_hand_over(next.process);
    return true;
}

/* Put the chosen thread on its CPU until its slice is over, or something is due. */
static void run_turn(struct machine *m)
{
    struct process *p = m->running;
    struct thread *thread = p->threads.list[p->threads.turn];

    thread->asks_again = false;
    threads_load(thread);
    if (thread->begins)
        (void)start_begin(thread);
    if (apcs_urgent(thread))
        apcs_deliver(thread);
    clock_alarm(p->clock, m->slice_end < m->next_due ? m->slice_end : m->next_due,
                m->next_due != WAIT_FOREVER || threads_others_ready(m));
}

/* Could anybody run whom only the debugger keeps? */
static bool somebody_is_held(const struct machine *m)
{
    for (const struct process *p = m->processes; p; p = p->next) {
        for (size_t i = 0; i < p->threads.count; i++) {
            if (p->threads.list[i]->held)
                return true;
        }
    }
    return false;
}

enum process_turn process_schedule(struct process *any)
{
    struct machine *m = any->machine;

    if (m->gone)
        processes_reap(m);
    for (;;) {
        uint64_t now = machine_now(m).interrupt;

        if (now >= m->next_due)
            m->next_due = waits_expire(m, now);
        if (choose(m, now)) {
            run_turn(m);
            return PROCESS_TURN_RUNS;
        }
        if (m->next_due == WAIT_FOREVER)
            return somebody_is_held(m) ? PROCESS_TURN_HELD : PROCESS_TURN_STUCK;
        if (!clock_idle(m->running->clock, m->next_due))
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
        if (t->list[i]->info.tid != tid || !threads_is_ready(t->list[i]))
            continue;
        t->turn = i;
        turns_hand_over(p);
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

void process_stuck(const struct process *any, struct buf *out)
{
    const struct process *first = process_next(any, NULL);
    const char *before = "";

    (void)buf_text(out, "no thread can go on:");
    for (const struct process *p = first; p; p = process_next(p, p)) {
        for (size_t i = 0; i < p->threads.count; i++) {
            (void)buf_printf(out, "%s", before);
            if (process_next(first, first)) /* there are several */
                (void)buf_printf(out, " process %" PRIu32, process_pid(p));
            (void)buf_printf(out, " thread %" PRIu32 " %s", p->threads.list[i]->info.tid,
                             process_thread_state(p, i));
            before = ";";
        }
    }
}
