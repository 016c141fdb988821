/*
 * The session; the contract is in session.h. The CPU that runs changes with turns, and those of processes that have ended
 * are freed: the lock keeps an interrupt from stopping one that is not there any more.
 */
#include "run/session.h"

#include <stdlib.h>
#include <string.h>

#include "nt/text.h"
#include "run/run.h"
#include "run/wildcard.h"

#define EXIT_ENDED 1 /* of a process that the debugger ends */

/* ---- Runs ------------------------------------------------------------------------------------- */

static void set_cpu(struct session *s, struct cpu *cpu)
{
    (void)pthread_mutex_lock(&s->lock);
    s->cpu = cpu;
    (void)pthread_mutex_unlock(&s->lock);
}

static void free_run(struct session *s, struct run *run)
{
    struct run **at = &s->runs;

    while (*at != run)
        at = &(*at)->next;
    *at = run->next;
    if (s->cpu == run->cpu)
        set_cpu(s, NULL);
    run_fini(run);
    free(run);
}

/* For process_attach: a process goes. */
static void process_gone(void *data)
{
    struct run *run = data;

    free_run(run->session, run);
}

struct run *session_run(struct session *s, struct process *process)
{
    struct run *run = process_attached(process);

    if (run)
        return run;
    run = malloc(sizeof *run);
    if (!run || run_init(run, s, process)) {
        free(run);
        return NULL;
    }
    run->next = s->runs;
    s->runs = run;
    process_attach(process, run, process_gone);
    return run;
}

enum err session_new(struct process *process, struct session **out)
{
    struct session *s = calloc(1, sizeof *s);

    if (!s)
        return ERR_NOMEM;
    s->process = process;
    s->debugged = session_run(s, process);
    if (!s->debugged) {
        free(s);
        return ERR_NOMEM;
    }
    s->cpu = s->debugged->cpu;
    atomic_init(&s->interrupted, false);
    (void)pthread_mutex_init(&s->lock, NULL);
    process_watch_processes(process, true);
    *out = s;
    return ERR_OK;
}

void session_free(struct session *s)
{
    if (!s)
        return;
    session_end_others(s);
    process_watch_processes(s->process, false);
    if (s->debugged->process != s->process)
        process_keep(s->debugged->process, false);
    while (s->runs) {
        process_attach(s->runs->process, NULL, NULL);
        free_run(s, s->runs);
    }
    (void)pthread_mutex_destroy(&s->lock);
    free(s);
}

/* ---- Interrupts ------------------------------------------------------------------------------- */

void session_interrupt(struct session *s)
{
    atomic_store(&s->interrupted, true);
    (void)pthread_mutex_lock(&s->lock);
    if (s->cpu)
        cpu_stop(s->cpu);
    (void)pthread_mutex_unlock(&s->lock);
}

bool session_enter(struct session *s, const struct run *run)
{
    if (s->cpu == run->cpu)
        return false;
    set_cpu(s, run->cpu);
    return atomic_load(&s->interrupted);
}

/* ---- Telling ---------------------------------------------------------------------------------- */

void session_print(const struct session *s, const char *text, size_t len)
{
    if (s->console)
        s->console(s->console_ctx, text, len);
}

/* The run of the process that an event is about; NULL: it has had no turn. */
static const struct run *run_of(const struct session *s, uint32_t pid)
{
    const struct run *run = s->runs;

    while (run && process_pid(run->process) != pid)
        run = run->next;
    return run;
}

/* Why a process was not made, or what is known of the exception that has ended it; "" when none did. */
static const char *note_of(const struct run *run, const struct process_event *event)
{
    if (!event->pid)
        return event->why.text;
    return !event->begun && run && run->passed.kind == STOP_EXCEPTION &&
                   run->passed.code == event->exit_code
               ? run->passed.note
               : "";
}

/* What a process that has begun was started with; "" when it is not there any more. */
static const char *command_line_of(const struct session *s, uint32_t pid)
{
    const struct process *p = process_next(s->process, NULL);
    struct process_about about;

    while (p && process_pid(p) != pid)
        p = process_next(s->process, p);
    if (!p)
        return "";
    process_about(p, &about);
    return about.command_line;
}

static void tell(struct session *s, const struct process_event *event)
{
    const struct target_child child = {.begun = event->begun,
                                       .pid = event->pid,
                                       .parent = event->parent,
                                       .path = event->path,
                                       .command_line =
                                           event->begun ? command_line_of(s, event->pid) : "",
                                       .exit_code = event->exit_code,
                                       .left = !event->begun && s->ending,
                                       .note = note_of(run_of(s, event->pid), event)};

    if (s->debugged && process_pid(s->debugged->process) == event->pid)
        return; /* its end is a stop */
    if (s->child)
        s->child(s->child_ctx, &child);
}

static bool is_wanted(const struct session *s, const struct process_event *event)
{
    return s->wanted && !s->found && event->begun &&
           wildcard_matches(s->wanted, strlen(s->wanted), text_base_name(event->path));
}

void session_tell(struct session *s)
{
    struct process_event event;

    while (process_event(s->process, &event)) {
        if (is_wanted(s, &event))
            s->found = event.pid;
        tell(s, &event);
    }
}

void session_end_others(struct session *s)
{
    struct process *next;

    session_tell(s);
    s->ending = true;
    for (struct process *p = process_next(s->process, NULL); p; p = next) {
        next = process_next(s->process, p);
        if (p != s->debugged->process)
            process_end(p, EXIT_ENDED);
    }
    session_tell(s);
    s->ending = false;
}
