/*
 * The list of threads and what can be done to one from outside: registers in and out, suspending, ending. Whose turn it
 * is turns.c decides.
 */
#include "nt/threads.h"

#include <stdlib.h>
#include <string.h>

#include "nt/apcs.h"
#include "nt/machine.h"
#include "nt/parts.h"
#include "nt/requests.h"
#include "nt/sync.h"
#include "winstub/log.h"

static void free_thread(struct object *object)
{
    struct thread *thread = (struct thread *)object;

    apcs_drop(thread);
    cpu_context_free(thread->registers);
    free(thread);
}

static bool thread_signaled(struct object *object, const struct thread *by)
{
    (void)by;
    return ((const struct thread *)object)->ended;
}

const struct object_class thread_class = {
    .name = "Thread",
    .free = free_thread,
    .signaled = thread_signaled,
    .rights = {0x020048, 0x020437, 0x121800, 0x1fffff},
    .implied = {{THREAD_RIGHT_QUERY, THREAD_RIGHT_QUERY_LIMITED},
                {THREAD_RIGHT_SET, THREAD_RIGHT_SET_LIMITED}},
};

/* ---- The list --------------------------------------------------------------------------------- */

static bool have_room(struct threads *t)
{
    size_t room = t->room ? 2 * t->room : 8;
    struct thread **grown;

    if (t->count < t->room)
        return true;
    grown = reallocarray(t->list, room, sizeof *grown);
    if (!grown)
        return false;
    t->list = grown;
    t->room = room;
    return true;
}

nt_status threads_new(struct process *p, struct thread **out)
{
    struct threads *t = &p->threads;
    struct thread *thread;

    if (t->count >= THREADS_MAX)
        return STATUS_INSUFFICIENT_RESOURCES;
    if (!t->fresh)
        t->fresh = cpu_context_new(p->cpu);
    if (!t->fresh)
        return STATUS_NO_MEMORY;
    thread = calloc(1, sizeof *thread);
    if (!thread || !have_room(t)) {
        free(thread);
        return STATUS_NO_MEMORY;
    }
    object_init(&thread->object, &thread_class);
    thread->process = p;
    thread->registers = cpu_context_new(p->cpu);
    if (!thread->registers) {
        free(thread);
        return STATUS_NO_MEMORY;
    }
    thread->pid = process_pid(p);
    thread->info.tid = machine_id(p->machine);
    t->made++;
    thread->info.name = thread->name;
    thread->held = t->hold_new;
    t->list[t->count++] = thread;
    *out = thread;
    return STATUS_SUCCESS;
}

void process_watch_threads(struct process *p, bool on)
{
    events_watch(&p->threads.events, on);
}

bool process_thread_event(struct process *p, struct process_thread_event *out)
{
    return events_take(&p->threads.events, out, sizeof *out);
}

void threads_begun(struct thread *thread)
{
    const struct process_thread_event event = {.begun = true, .tid = thread->info.tid};

    events_keep(&thread->process->threads.events, &event, sizeof event);
}

void threads_name(struct thread *thread, const char *name)
{
    size_t len = strlen(name);

    if (len >= THREAD_NAME_MAX)
        len = THREAD_NAME_MAX - 1;
    while (len && ((unsigned char)name[len] & 0xc0) == 0x80) /* not in the middle of a character */
        len--;
    memcpy(thread->name, name, len);
    thread->name[len] = 0;
}

void process_name_thread(struct process *p, uint32_t tid, const char *name)
{
    struct thread *thread = threads_find(p, tid);

    if (thread)
        threads_name(thread, name);
}

static void unlist(struct thread *thread)
{
    struct threads *t = &thread->process->threads;
    size_t at = 0;

    while (t->list[at] != thread)
        at++;
    for (size_t i = at + 1; i < t->count; i++)
        t->list[i - 1] = t->list[i];
    t->count--;
    if (t->on_cpu == thread)
        t->on_cpu = NULL;
    if (at < t->turn || (at == t->turn && t->turn == t->count))
        t->turn = t->turn ? t->turn - 1 : 0;
}

void threads_discard(struct thread *thread)
{
    unlist(thread);
    thread_release(thread);
    object_unref(&thread->object);
}

/* It waits no more: what it has asked for is cancelled. */
static void stop_waiting(struct thread *thread)
{
    if (thread->wait.kind && requests_cancel_waited(thread, 0))
        wait_end(thread, STATUS_SUCCESS);
}

void threads_end(struct thread *thread, uint32_t exit_code)
{
    struct process *p = thread->process;
    const struct process_thread_event event = {.tid = thread->info.tid, .exit_code = exit_code};

    events_keep(&p->threads.events, &event, sizeof event);
    LOG(nt, "thread %" PRIu32 " ends with 0x%" PRIx32, thread->info.tid, exit_code);
    stop_waiting(thread);
    unlist(thread);
    thread->ended = true;
    thread->exit_code = exit_code;
    thread->finished = machine_now(p->machine).system;
    mutants_abandon(thread);
    requests_cancel_all(thread);
    apcs_drop(thread);
    thread_release(thread);
    cpu_context_free(thread->registers);
    thread->registers = NULL;
    thread->process = NULL;
    waits_signal(p, &thread->object);
    object_unref(&thread->object);
}

void threads_end_all(struct process *p, uint32_t exit_code)
{
    struct threads *t = &p->threads;

    for (size_t i = 0; i < t->count; i++) /* lest one takes what another gives up */
        stop_waiting(t->list[i]);
    while (t->count)
        threads_end(t->list[0], exit_code);
    requests_cancel_left(p);
    threads_fini(p);
}

void threads_fini(struct process *p)
{
    for (size_t i = 0; i < p->threads.count; i++) {
        struct thread *thread = p->threads.list[i];

        if (thread->wait.kind)
            wait_end(thread, STATUS_SUCCESS);
        mutants_forget(thread);
        requests_drop_all(thread);
        object_unref(&thread->object);
    }
    requests_drop_left(p);
    free(p->threads.list);
    events_watch(&p->threads.events, false);
    cpu_context_free(p->threads.fresh);
    p->threads = (struct threads){0};
}

struct thread *threads_find(const struct process *p, uint32_t tid)
{
    for (size_t i = 0; i < p->threads.count; i++) {
        if (p->threads.list[i]->info.tid == tid)
            return p->threads.list[i];
    }
    return NULL;
}

/* ---- Registers -------------------------------------------------------------------------------- */

/* What the service that the thread waited in answers. */
static void take_result(struct thread *thread)
{
    thread->has_result = false;
    cpu_set(thread->process->cpu, CPU_RAX, thread->result);
    if (thread->result == STATUS_USER_APC || thread->apc_due)
        apcs_deliver(thread);
    thread->apc_due = false;
}

void threads_load(struct thread *thread)
{
    struct process *p = thread->process;
    struct thread *before = p->threads.on_cpu;

    if (before != thread) {
        if (before)
            cpu_context_save(p->cpu, before->registers);
        cpu_context_load(p->cpu, thread->registers);
        p->threads.on_cpu = thread;
    }
    if (thread->has_result)
        take_result(thread);
}

void threads_restore(struct process *p, struct thread *before)
{
    if (before && before != p->threads.on_cpu)
        threads_load(before);
}

void threads_answer(struct thread *thread, nt_status result)
{
    thread->result = result;
    thread->has_result = true;
    if (thread->process->threads.on_cpu == thread)
        take_result(thread);
}

/* ---- Suspending ------------------------------------------------------------------------------- */

nt_status threads_suspend(struct thread *thread, unsigned *before)
{
    if (thread->ended)
        return STATUS_THREAD_IS_TERMINATING;
    if (thread->suspended >= SUSPEND_MAX)
        return STATUS_SUSPEND_COUNT_EXCEEDED;
    *before = thread->suspended++;
    return STATUS_SUCCESS;
}

unsigned threads_resume(struct thread *thread)
{
    return thread->suspended ? thread->suspended-- : 0;
}
