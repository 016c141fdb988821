/* The list of processes, their objects and their ends; the contract is in processes.h. */
#include "nt/processes.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nt/kernel.h"
#include "nt/layout.h"
#include "nt/machine.h"
#include "nt/parts.h"
#include "nt/requests.h"
#include "nt/services.h"
#include "winstub/bytes.h"
#include "winstub/log.h"
#include "winstub/utf.h"

#define PRIORITY_CLASS_NORMAL 2

/* ---- Objects ---------------------------------------------------------------------------------- */

static void free_process(struct object *object)
{
    struct process_object *process = (struct process_object *)object;
    struct process_object **at = &process->machine->objects;

    while (*at != process)
        at = &(*at)->next;
    *at = process->next;
    free(process->image_path);
    free(process->command_line);
    free(process);
}

static bool process_signaled(struct object *object, const struct thread *by)
{
    (void)by;
    return !((const struct process_object *)object)->process;
}

const struct object_class process_class = {
    .name = "Process",
    .free = free_process,
    .signaled = process_signaled,
    .rights = {0x020410, 0x020bea, 0x121001, 0x1fffff},
    .implied = {{PROCESS_RIGHT_QUERY, PROCESS_RIGHT_QUERY_LIMITED},
                {PROCESS_RIGHT_SET, PROCESS_RIGHT_SET_LIMITED}},
};

uint32_t process_pid(const struct process *p)
{
    return p->object->pid;
}

/* ---- The list --------------------------------------------------------------------------------- */

enum err processes_add(struct machine *m, struct process *p, const struct process *parent)
{
    struct process_object *object, **last = &m->objects;
    struct process **at = &m->processes;
    size_t count = 0;

    for (; *at; at = &(*at)->next)
        count++;
    if (count >= PROCESSES_MAX)
        return ERR_LIMIT;
    object = calloc(1, sizeof *object);
    if (!object)
        return ERR_NOMEM;
    object_init(&object->object, &process_class);
    object->process = p;
    object->machine = m;
    object->pid = machine_id(m);
    object->parent = parent ? process_pid(parent) : 0;
    p->object = object;
    p->machine = m;
    *at = p;
    while (*last)
        last = &(*last)->next;
    *last = object;
    if (!m->running)
        m->running = p;
    return ERR_OK;
}

static void unlist(struct process *p)
{
    struct process **at = &p->machine->processes;

    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
}

struct process_object *processes_find(const struct machine *m, uint32_t pid)
{
    struct process_object *object = m->objects;

    while (object && object->pid != pid)
        object = object->next;
    return object;
}

struct thread *processes_thread(const struct machine *m, uint32_t tid)
{
    struct thread *found = NULL;

    for (const struct process *p = m->processes; p && !found; p = p->next)
        found = threads_find(p, tid);
    return found;
}

/* ---- Events ----------------------------------------------------------------------------------- */

static void keep_event(struct machine *m, const struct process_object *object, bool begun)
{
    struct process_event event = {.begun = begun,
                                  .pid = object->pid,
                                  .parent = object->parent,
                                  .exit_code = object->exit_code};

    (void)snprintf(event.path, sizeof event.path, "%s",
                   object->image_path ? object->image_path : "");
    events_keep(&m->events, &event, sizeof event);
}

void process_refused(const struct process *parent, const char *path, const struct diag *why)
{
    struct process_event event = {.parent = process_pid(parent), .why = *why};

    LOG(nt, "%s cannot run: %s", path, why->text);
    (void)snprintf(event.path, sizeof event.path, "%s", path);
    events_keep(&parent->machine->events, &event, sizeof event);
}

void process_watch_processes(struct process *p, bool on)
{
    events_watch(&p->machine->events, on);
}

bool process_event(struct process *p, struct process_event *out)
{
    return events_take(&p->machine->events, out, sizeof *out);
}

/* ---- Beginning and ending --------------------------------------------------------------------- */

/* A number of the guest's, read without a trace; 0 where nothing is. */
static uint64_t peek(const struct process *p, gva_t at, enum nt_field field, size_t size)
{
    uint8_t raw[8] = {0};

    (void)vm_debug_read(p->vm, at + nt_offset(p->arch, field), raw, size);
    return get_u64(raw);
}

char *processes_command_line(const struct process *p)
{
    size_t pointer = nt_pointer(p->arch), len;
    gva_t at = peek(p, p->peb, NT_PEB_PARAMETERS, pointer);
    struct buf utf16, utf8;
    char *line = NULL;

    at += nt_offset(p->arch, NT_PARAMETERS_COMMAND_LINE);
    len = (size_t)peek(p, at, NT_STRING_LENGTH, 2);
    at = peek(p, at, NT_STRING_BUFFER, pointer);
    buf_init(&utf16, NT_STRING_MAX + 2);
    buf_init(&utf8, 3u * NT_STRING_MAX / 2 + 1);
    if (buf_extend(&utf16, len + 2)) {
        len = vm_debug_read(p->vm, at, utf16.data, len);
        if (utf8_append_utf16(&utf8, utf16.data, len / 2))
            line = strdup(buf_str(&utf8));
    }
    buf_fini(&utf16);
    buf_fini(&utf8);
    return line;
}

enum err processes_name(struct process *p)
{
    struct process_object *object = p->object;

    object->peb = p->peb;
    object->wow64 = p->arch == CPU_I386 && p->machine->processes->arch == CPU_AMD64;
    object->priority_class = PRIORITY_CLASS_NORMAL;
    object->image_path = strdup(p->image_path);
    object->command_line = processes_command_line(p);
    return object->image_path && object->command_line ? ERR_OK : ERR_NOMEM;
}

unsigned process_priority(const struct process_object *object)
{
    static const uint8_t priorities[] = {8, 4, 8, 13, 24, 6, 10};

    return priorities[object->priority_class];
}

void process_begin(struct process *p)
{
    struct process_object *object = p->object;

    p->begun = true;
    object->created = machine_now(p->machine).system;
    LOG(nt, "process %" PRIu32 " begins: %s", object->pid, p->image_path);
    keep_event(p->machine, object, true);
}

void process_end(struct process *p, uint32_t exit_code)
{
    struct process_object *object = p->object;

    if (p->ended)
        return;
    LOG(nt, "process %" PRIu32 " ends with 0x%" PRIx32, object->pid, exit_code);
    p->ended = true;
    object->exit_code = exit_code;
    object->ended = machine_now(p->machine).system;
    object->used = clock_used(p->clock);
    threads_end_all(p, exit_code);
    if (p->kernel)
        handles_fini(&p->kernel->handles);
    object->process = NULL;
    waits_signal(p, &object->object);
    p->machine->gone++;
    keep_event(p->machine, object, false);
}

void process_discard(struct process *p)
{
    p->object->process = NULL;
    threads_end_all(p, 0);
    unlist(p);
    object_unref(&p->object->object);
    process_dismantle(p);
}

/* It was the turn of a process that goes: whoever comes behind it is next. */
static void leave_turn(struct process *p)
{
    struct process *before = p->machine->processes; /* the first one stays */

    while (before->next != p)
        before = before->next;
    turns_hand_over(before);
    p->machine->slice_end = 0;
}

void processes_reap(struct machine *m)
{
    struct process *next;

    m->gone = 0;
    for (struct process *p = m->processes; p; p = next) {
        next = p->next;
        if (!p->ended || p->kept)
            continue;
        if (m->running == p)
            leave_turn(p);
        unlist(p);
        object_unref(&p->object->object);
        process_dismantle(p);
    }
}

void processes_free(struct machine *m)
{
    struct process *p;

    if (!m)
        return;
    for (p = m->processes; p; p = p->next)
        threads_fini(p);
    for (p = m->processes; p; p = p->next) {
        if (p->kernel)
            handles_fini(&p->kernel->handles);
    }
    while ((p = m->processes) != NULL) {
        m->processes = p->next;
        object_unref(&p->object->object);
        process_dismantle(p);
    }
    machine_free(m);
}

/* ---- For who runs them ------------------------------------------------------------------------ */

bool process_has_ended(const struct process *p, uint32_t *exit_code)
{
    if (p->ended)
        *exit_code = p->object->exit_code;
    return p->ended;
}

struct process *process_running(const struct process *p)
{
    return p->machine->running;
}

struct process *process_next(const struct process *p, const struct process *after)
{
    struct process *next = after ? after->next : p->machine->processes;

    while (next && (next->ended || !next->begun))
        next = next->next;
    return next;
}

static bool is_suspended(const struct process *p)
{
    size_t i = 0;

    while (i < p->threads.count && p->threads.list[i]->suspended)
        i++;
    return i && i == p->threads.count;
}

void process_about(const struct process *p, struct process_about *out)
{
    const struct process_object *object = p->object;

    *out = (struct process_about){.pid = object->pid,
                                  .parent = object->parent,
                                  .path = object->image_path ? object->image_path : "",
                                  .command_line = object->command_line ? object->command_line : "",
                                  .thread_count = p->threads.count,
                                  .suspended = is_suspended(p)};
}

void process_attach(struct process *p, void *data, void (*gone)(void *data))
{
    p->attached = data;
    p->gone = gone;
}

void *process_attached(const struct process *p)
{
    return p->attached;
}

void process_keep(struct process *p, bool kept)
{
    p->kept = kept;
}
