/* Turns of processes that nobody debugs; the contract is in others.h. */
#include "run/others.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "run/turns.h"

/* ---- One turn --------------------------------------------------------------------------------- */

/* The run of the process whose turn it is: it goes on, and its exceptions are its own. */
static enum err find_run(struct session *s, struct run **out)
{
    static const struct target_action go_on = {.kind = ACTION_CONTINUE, .pass = true};
    struct run *run = session_run(s, process_running(s->process));

    *out = run;
    if (!run)
        return ERR_NOMEM;
    return run->actions.count ? ERR_OK : actions_set(&run->actions, &go_on, 1);
}

/* A stop that only the user can do something about. */
static void hand_on(const struct run *run, struct target_stop *stop)
{
    stop->kind = STOP_ENGINE;
    (void)snprintf(stop->note, sizeof stop->note, "process %" PRIu32 ": %.400s",
                   process_pid(run->process), run->stop.note);
}

/* Deal with what has stopped the process. True: it is the session's stop. */
static bool settle(struct run *run, struct target_stop *stop)
{
    switch (run->stop.kind) {
    case STOP_EXCEPTION:
        run->passed = run->stop; /* the next turn gives it to the handlers */
        return false;
    case STOP_EXIT:
        process_end(run->process, run->stop.exit_code);
        return false;
    case STOP_INTERRUPT:
        stop->kind = STOP_INTERRUPT;
        return true;
    default:
        hand_on(run, stop);
        return true;
    }
}

enum err others_turn(struct session *s, struct target_stop *stop, bool *stopped)
{
    struct run *run;
    enum err e = find_run(s, &run);

    if (e)
        return e;
    if (s->debugged) /* whose memory its services may write */
        cpu_set_who(s->debugged->cpu, process_current(run->process) | RUN_OUTSIDE);
    e = turns_one(run, stopped);
    if (e) {
        e = run_broken(run, e);
        *stopped = true;
    }
    if (*stopped)
        *stopped = settle(run, stop);
    session_tell(s);
    return e;
}

/* ---- Without a debugged process --------------------------------------------------------------- */

static enum err one_turn(struct session *s, struct target_stop *stop, bool *stopped)
{
    switch (process_schedule(s->process)) {
    case PROCESS_TURN_RUNS:
        return others_turn(s, stop, stopped);
    case PROCESS_TURN_IDLE:
        *stopped = atomic_load(&s->interrupted);
        if (*stopped)
            stop->kind = STOP_INTERRUPT;
        return ERR_OK;
    case PROCESS_TURN_HELD:
    case PROCESS_TURN_STUCK:
        turns_stuck(s->process, stop);
        *stopped = true;
        break;
    }
    return ERR_OK;
}

/* Turn by turn, until all processes have ended, the one that is wanted has begun, or something stops them, which *stop says. */
static enum err take_turns(struct session *s, struct target_stop *stop)
{
    bool stopped = false;
    enum err e = ERR_OK;

    process_clock_start(s->process);
    while (!e && !stopped && !s->found && process_next(s->process, NULL))
        e = one_turn(s, stop, &stopped);
    process_clock_stop(s->process);
    if (stopped && stop->kind == STOP_INTERRUPT)
        atomic_store(&s->interrupted, false);
    return e;
}

enum err others_finish(struct session *s, struct target_stop *stop)
{
    struct run *first = s->debugged;

    if (!first->ended)
        return ERR_STATE;
    *stop = first->stop;
    process_end(first->process, first->stop.exit_code);
    session_tell(s);
    return take_turns(s, stop);
}

/* ---- The process that is wanted --------------------------------------------------------------- */

/* It is the one to debug from here on: nobody else's turn frees it, and nothing of it has run. */
static enum err debug(struct session *s, uint32_t pid)
{
    struct process *process = process_next(s->process, NULL);
    struct run *run;

    while (process_pid(process) != pid)
        process = process_next(s->process, process);
    run = session_run(s, process);
    if (!run)
        return ERR_NOMEM;
    process_keep(process, true);
    s->debugged = run;
    return ERR_OK;
}

/* It was not made. */
static enum err give_up(struct run *first, const char *name, struct target_stop *stop,
                        struct diag *why)
{
    const char *ending = stop->kind == STOP_STEP    ? "all processes have ended"
                         : stop->kind == STOP_STUCK ? "no process can go on"
                                                    : "the processes were stopped";
    bool any = strcmp(name, "*") == 0;
    uint32_t exit_code;

    if (!first->ended && process_has_ended(first->process, &exit_code))
        run_end(first, exit_code);
    if (stop->kind == STOP_STEP)
        *stop = first->stop;
    return diag_set(why, ERR_NOT_FOUND, "no child process%s%.200s was made: %s",
                    any ? "" : " whose program is ", any ? "" : name, ending);
}

enum err others_follow(struct session *s, const char *name, struct target_stop *stop,
                       struct diag *why)
{
    struct run *first = s->debugged;
    enum err e;

    *stop = first->stop;
    s->debugged = NULL;
    s->wanted = name;
    e = take_turns(s, stop);
    s->wanted = NULL;
    s->debugged = first;
    if (!e && s->found)
        e = debug(s, s->found);
    else if (!e)
        return give_up(first, name, stop, why);
    s->found = 0;
    *stop = s->debugged->stop;
    return e ? diag_set(why, e, "the host is out of memory") : ERR_OK;
}
