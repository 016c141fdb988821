/*
 * What one thread does in its turn, by its action; and turn after turn. Whose turn it is the process decides
 * (process_schedule), what an event means run.c. A turn ends when the thread waits, has ended, or when others get theirs.
 */
#include "run/turns.h"

#include <string.h>

#include "run/debugregs.h"
#include "run/exception.h"
#include "run/others.h"
#include "run/over.h"
#include "run/watched.h"
#include "winstub/buf.h"

/* Could the thread whose turn it is go on at once? */
static bool is_ready(const struct run *run)
{
    return process_is_ready(run->process, run->thread->tid);
}

static bool keeps_turn(const struct run *run)
{
    return is_ready(run) && !cpu_due(run->cpu);
}

/* One step of the thread, unless it comes back from the system call that was its step. */
static enum err step(struct run *run, const struct target_action *action, bool *stopped)
{
    bool over = (action->over || action->kind == ACTION_OUT) && !run->ret.set;

    if (run->thread->stepped)
        return ERR_OK;
    return over ? over_step(run, stopped) : run_step(run, stopped);
}

static enum err turn_step(struct run *run, const struct target_action *action, bool *stopped)
{
    enum err e = step(run, action, stopped);

    if (!e && !*stopped && run->thread->stepped && is_ready(run))
        *stopped = true; /* as a STOP_STEP */
    return e;
}

/* Where a step has come to: is that a stop by itself? */
static bool stops_here(struct run *run)
{
    gva_t pc = cpu_get(run->cpu, CPU_RIP);

    return (run_breaks_at(run, pc) && run_hit(run, pc)) || run_interrupted(run);
}

/* Is the thread where its action ends? */
static bool has_arrived(const struct run *run, const struct target_action *action)
{
    gva_t pc = cpu_get(run->cpu, CPU_RIP);

    if (action->kind == ACTION_RANGE)
        return pc < action->lo || pc >= action->hi;
    return run->thread->at_return && cpu_get(run->cpu, CPU_RSP) > run->thread->out_stack;
}

/* Steps until the thread has left a range of addresses, or the function that it was in. */
static enum err turn_steps(struct run *run, const struct target_action *action, bool *stopped)
{
    do {
        enum err e;

        if (!run->thread->stepped)
            run->thread->at_return = over_at_return(run);
        e = step(run, action, stopped);
        if (e || *stopped || !is_ready(run))
            return e;
        if (run->thread->stepped && (has_arrived(run, action) || stops_here(run))) {
            *stopped = true;
            return ERR_OK;
        }
        run->thread->stepped = false;
    } while (keeps_turn(run) && !run->called);
    return ERR_OK;
}

/* What the CPU did since `pc` and `work`: does the thread still stand at the break that it may pass? */
static void renew_pass(struct run *run, const struct cpu_event *event, gva_t pc, uint64_t work)
{
    struct run_thread *thread = run->thread;

    if (event->kind == CPU_EVENT_BREAK) { /* a hit that does not stop is passed */
        thread->passes = true;
        thread->pass_pc = event->pc;
    } else if (cpu_get(run->cpu, CPU_RIP) != pc || cpu_work(run->cpu) != work) {
        thread->passes = false;
    }
}

/* A made-up function that was reported runs on (its code returns) instead of being reported again. */
static enum err leave_import(struct run *run, bool *stopped)
{
    run->thread->leaves_import = run->thread->passes = false;
    return run_step(run, stopped);
}

/* A system call may have changed who can run; a stop that is no interrupt is the clock's. */
static bool ends_turn(const struct cpu_event *event)
{
    return event->kind == CPU_EVENT_SYSCALL || event->kind == CPU_EVENT_STOP;
}

static enum err turn_continue(struct run *run, bool *stopped)
{
    struct run_thread *thread = run->thread;
    struct cpu_event event;
    enum err e = ERR_OK;

    if (thread->leaves_import)
        e = leave_import(run, stopped);
    if (!e && !*stopped)
        e = debugregs_arm(run);
    if (!e && !*stopped)
        *stopped = run_debug_break(run);
    if (e || *stopped)
        return e;
    do {
        gva_t pc = cpu_get(run->cpu, CPU_RIP);
        uint64_t work = cpu_work(run->cpu);

        e = cpu_run(run->cpu, thread->passes && thread->pass_pc == pc, &event);
        if (e)
            return e;
        renew_pass(run, &event, pc, work);
        *stopped = run_stopped_by(run, &event);
        if (!*stopped && event.kind == CPU_EVENT_TRAP)
            e = run_step_open(run, stopped);
    } while (!e && !*stopped && !ends_turn(&event) && keeps_turn(run));
    return e;
}

/* Settle the exception that the thread is stopped at; true when the process ended by it. */
static bool settle_exception(struct run *run, bool pass)
{
    struct run_thread *thread = run->thread;
    gva_t pc = cpu_get(run->cpu, CPU_RIP);

    if (!thread->excepted)
        return false;
    thread->excepted = false;
    if (pass && process_raise(run->process, &thread->raised))
        return false;
    if (pass) {
        run_end(run, thread->raised.code);
        return true;
    }
    if (pc == thread->exception.pc)
        cpu_set(run->cpu, CPU_RIP, exception_continue_pc(&thread->exception));
    return false;
}

/* The raise point as a thread leaves it that stands there: behind a breakpoint, or by a step, no break stops there. */
static bool leaves_raise_point(struct run *run, enum target_action_kind kind)
{
    const struct run_thread *thread = run->thread;
    gva_t pc = cpu_get(run->cpu, CPU_RIP);
    bool passes = thread->passes && thread->pass_pc == pc;

    return (passes || kind != ACTION_CONTINUE) && run_raises_at(run, pc);
}

enum err turns_one(struct run *run, bool *stopped)
{
    uint32_t tid = process_current(run->process);
    const struct target_action *action = actions_of(&run->actions, tid);

    run->stop = (struct target_stop){.kind = STOP_STEP, .tid = tid};
    run->thread = actions_thread(&run->actions, tid);
    if (!run->thread)
        return ERR_NOMEM;
    cpu_set_who(run->cpu, tid);
    *stopped = (session_enter(run->session, run) && run_interrupted(run)) ||
               settle_exception(run, action->pass) || leaves_raise_point(run, action->kind) ||
               run_debug_pending(run);
    if (*stopped)
        return ERR_OK;
    if (action->kind == ACTION_CONTINUE || run->thread->continues)
        return turn_continue(run, stopped);
    if (action->kind == ACTION_STEP)
        return turn_step(run, action, stopped);
    if (!run->thread->out_stack)
        run->thread->out_stack = cpu_get(run->cpu, CPU_RSP);
    return turn_steps(run, action, stopped);
}

/* Is anybody left whom the debugger lets run? */
static bool somebody_may(const struct run *run)
{
    const struct process_thread *thread;

    for (size_t i = 0; (thread = process_thread(run->process, i)) != NULL; i++) {
        if (actions_of(&run->actions, thread->tid))
            return true;
    }
    return false;
}

void turns_stuck(const struct process *any, struct target_stop *stop)
{
    struct buf text;

    buf_init(&text, sizeof stop->note - 1);
    process_stuck(any, &text);
    stop->kind = STOP_STUCK;
    memcpy(stop->note, buf_str(&text), text.len + 1);
    buf_fini(&text);
}

/* The stop is about the process as such, or about no thread of it. */
static void stop_at_process(struct run *run, enum target_stop_kind kind)
{
    run->stop = (struct target_stop){.kind = kind, .tid = process_current(run->process)};
}

/* Nobody can run. */
static void stop_stuck(struct run *run)
{
    stop_at_process(run, STOP_NOBODY);
    if (somebody_may(run))
        turns_stuck(run->process, &run->stop);
}

/* Has a thread begun or ended, and does the debugger want to know? */
static bool thread_event(struct run *run)
{
    struct process_thread_event event;

    if (!process_thread_event(run->process, &event))
        return false;
    run->stop = (struct target_stop){.kind = event.begun ? STOP_BEGUN : STOP_ENDED,
                                     .tid = event.tid,
                                     .exit_code = event.exit_code};
    return true;
}

/* Has another process ended this one? */
static bool ended_by_others(struct run *run)
{
    uint32_t exit_code;

    if (!process_has_ended(run->process, &exit_code))
        return false;
    run_end(run, exit_code);
    return true;
}

/* Another process takes its turn. What its services do to watched bytes is noticed, what it stores into shared ones is not, as on a processor. */
static enum err turn_beside(struct run *run, bool *stopped)
{
    enum err e;

    stop_at_process(run, STOP_NOBODY);
    *stopped = !somebody_may(run); /* the debugger waits for nobody any more */
    if (*stopped)
        return ERR_OK;
    run->stop.kind = STOP_STEP;
    run->beside = process_pid(process_running(run->process));
    e = others_turn(run->session, &run->stop, stopped);
    if (!e && !*stopped)
        *stopped = watched_served(run);
    run->beside = 0;
    return e;
}

static enum err take_turn(struct run *run, bool *stopped)
{
    enum err e;

    if (process_running(run->process) != run->process)
        return turn_beside(run, stopped);
    e = turns_one(run, stopped);
    session_tell(run->session);
    return e;
}

enum err turns_take(struct run *run)
{
    bool stopped = false;
    enum err e = ERR_OK;

    while (!e && !stopped) {
        stopped = thread_event(run) || ended_by_others(run);
        if (stopped)
            break;
        switch (process_schedule(run->process)) {
        case PROCESS_TURN_RUNS:
            e = take_turn(run, &stopped);
            break;
        case PROCESS_TURN_IDLE:
            stopped = run_interrupted(run);
            if (stopped)
                stop_at_process(run, STOP_INTERRUPT); /* its last thread may have ended */
            break;
        case PROCESS_TURN_HELD:
        case PROCESS_TURN_STUCK:
            stop_stuck(run);
            stopped = true;
            break;
        }
    }
    return e;
}

enum err turns_continue(struct run *run)
{
    uint32_t tid = run->thread->tid;
    struct run_thread *thread = run->thread;
    enum err e;

    thread->continues = thread->passes = true;
    thread->pass_pc = cpu_get(run->cpu, CPU_RIP);
    e = turns_take(run);
    thread = actions_thread(&run->actions, tid); /* it is in the list: this cannot fail */
    thread->continues = false;
    return e;
}
