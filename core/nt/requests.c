/* Requests from their beginning to their end; the contract is in requests.h. */
#include "nt/requests.h"

#include <stdlib.h>

#include "nt/apcs.h"
#include "nt/files.h"
#include "nt/ports.h"
#include "nt/services.h"
#include "nt/sync.h"
#include "nt/threads.h"

/* NT_ERROR */
static bool is_error(nt_status st)
{
    return st >> 30 == 3;
}

bool file_is_synchronous(const struct file *file)
{
    return file->options & (OPTION_SYNC | OPTION_SYNC_ALERT);
}

/* ---- Telling ---------------------------------------------------------------------------------- */

static nt_status find_event(const struct call *call, uint64_t handle, struct object **out)
{
    *out = NULL;
    return handle ? service_object(call, handle, &event_class, 0, out) : STATUS_SUCCESS;
}

/* The file itself is signaled when no event is in its place; that of a synchronous one always. */
static void signal_objects(struct request *r)
{
    struct process *p = r->process;
    struct event *event = (struct event *)r->told.event;

    if (event) {
        event->signaled = true;
        waits_signal(p, &event->object);
    }
    if ((!event || file_is_synchronous(r->file)) && !(r->file->notification & NOTIFY_NOT_EVENT)) {
        r->file->signaled = true;
        waits_signal(p, &r->file->object);
    }
}

/* The request's context is the packet's value; a request without one is not told of. */
static nt_status tell_port(const struct request *r, nt_status st, bool at_once)
{
    const struct file *file = r->file;
    const struct packet packet = {
        .key = file->port_key, .value = r->told.context, .status = st, .information = r->done};

    if (!file->port || !r->told.context || r->told.routine ||
        (at_once && file->notification & NOTIFY_NOT_PORT))
        return STATUS_SUCCESS;
    return port_post(r->process, file->port, &packet);
}

/* Tell whoever is to know. Of a failure the caller's own status tells while it waits for that. */
static nt_status tell(struct request *r, nt_status st)
{
    bool at_once = r->state != REQUEST_PENDING;
    nt_status told = STATUS_SUCCESS;

    if (at_once && is_error(st))
        return STATUS_SUCCESS;
    if (r->told.iosb)
        told = guest_put_iosb(r->process, r->told.iosb, st, r->done);
    signal_objects(r);
    if (!told && r->told.routine && !r->thread->ended) {
        const struct apc_call call = {r->told.routine, {r->told.context, r->told.iosb, 0}};

        told = apcs_queue(r->thread, &call, false);
    }
    return told ? told : tell_port(r, st, at_once);
}

nt_status request_served(struct call *call, struct file *file, gva_t iosb, nt_status st,
                         uint64_t done)
{
    struct request r = {.file = file,
                        .thread = call->thread,
                        .process = call->process,
                        .told = {iosb, NULL, call->arg[2], call->arg[3]},
                        .done = done};
    nt_status told = find_event(call, call->arg[1], &r.told.event);

    if (!told)
        told = tell(&r, st);
    return told ? told : st;
}

/* ---- Beginning -------------------------------------------------------------------------------- */

static void enter_file(struct request *r)
{
    struct request **at = &r->file->requests;

    while (*at)
        at = &(*at)->next;
    *at = r;
    r->link = at;
    object_ref(&r->file->object);
}

static void enter_thread(struct request *r)
{
    r->thread_link = &r->thread->requests;
    r->thread_next = r->thread->requests;
    if (r->thread_next)
        r->thread_next->thread_link = &r->thread_next;
    r->thread->requests = r;
    object_ref(&r->thread->object);
}

static nt_status make(struct call *call, struct file *file, enum request_kind kind,
                      const struct request_told *told, struct request **out)
{
    struct request *r;

    if (call->kernel->requests >= REQUESTS_MAX)
        return STATUS_INSUFFICIENT_RESOURCES;
    r = calloc(1, sizeof *r);
    if (!r)
        return STATUS_NO_MEMORY;
    *r = (struct request){.file = file,
                          .thread = call->thread,
                          .process = call->process,
                          .kind = kind,
                          .told = *told};
    enter_file(r);
    enter_thread(r);
    if (told->event) {
        object_ref(told->event);
        ((struct event *)told->event)->signaled = false;
    }
    file->signaled = false;
    call->kernel->requests++;
    *out = r;
    return STATUS_SUCCESS;
}

nt_status request_new(struct call *call, struct file *file, enum request_kind kind,
                      struct request **out)
{
    struct request_told told = {call->arg[4], NULL, call->arg[2], call->arg[3]};
    nt_status st = find_event(call, call->arg[1], &told.event);

    return st ? st : make(call, file, kind, &told, out);
}

nt_status request_new_waited(struct call *call, struct file *file, enum request_kind kind,
                             gva_t iosb, struct request **out)
{
    nt_status st = make(call, file, kind, &(struct request_told){.iosb = iosb}, out);

    if (!st)
        (*out)->state = REQUEST_WAITED;
    return st;
}

/* ---- Ending ----------------------------------------------------------------------------------- */

/* Out of both lists; who waits for its turn with the file may look again. */
static void unlist(struct request *r)
{
    struct process *p = r->process;

    *r->link = r->next;
    if (r->next)
        r->next->link = r->link;
    *r->thread_link = r->thread_next;
    if (r->thread_next)
        r->thread_next->thread_link = r->thread_link;
    p->kernel->requests--;
    waits_signal(p, &r->file->object);
}

static void free_request(struct request *r)
{
    object_unref(r->told.event);
    object_unref(&r->file->object);
    object_unref(&r->thread->object);
    free(r);
}

/* Is its thread waiting for it in the service? */
static bool is_waited_for(const struct request *r)
{
    return r->thread->wait.request == r;
}

void request_end(struct request *r, nt_status st)
{
    struct thread *thread = r->thread;

    unlist(r);
    if (r->state == REQUEST_SERVED || (r->state == REQUEST_WAITED && !is_waited_for(r))) {
        r->state = REQUEST_OVER;
        r->status = st;
        return;
    }
    if (is_waited_for(r)) { /* before an APC of its own could end the wait */
        thread->wait.request = NULL;
        wait_end(thread, st);
    }
    (void)tell(r, st); /* memory that is not there any more is told of nothing */
    free_request(r);
}

void request_drop(struct request *r)
{
    if (r->withdraw)
        r->withdraw(r);
    unlist(r);
    free_request(r);
}

static nt_status wait_for_end(struct call *call, struct request *r)
{
    struct wait wait = {.kind = WAIT_REQUEST,
                        .alertable = r->file->options & OPTION_SYNC_ALERT,
                        .count = 1,
                        .objects = {&r->file->object},
                        .until = WAIT_FOREVER,
                        .request = r};
    nt_status st;

    r->state = REQUEST_WAITED;
    st = service_wait(call, &wait);
    if (call->end == CALL_WAITS)
        return st;
    call->thread->apc_due = st == STATUS_USER_APC; /* which was there before */
    request_drop(r);
    return STATUS_CANCELLED;
}

nt_status request_leave(struct request *r)
{
    nt_status st = r->status, told;

    if (r->state != REQUEST_OVER) {
        r->state = REQUEST_PENDING;
        return STATUS_PENDING;
    }
    told = tell(r, st);
    free_request(r);
    return told ? told : st;
}

nt_status request_finish(struct call *call, struct request *r)
{
    bool waits = r->state == REQUEST_WAITED || file_is_synchronous(r->file);

    return waits && r->state != REQUEST_OVER ? wait_for_end(call, r) : request_leave(r);
}

bool request_waits_its_turn(struct call *call, struct file *file)
{
    const struct wait wait = {
        .kind = WAIT_TURN, .count = 1, .objects = {&file->object}, .until = WAIT_FOREVER};
    nt_status unused;

    if (!file_is_synchronous(file) || !file->requests)
        return false;
    if (wait_begin(call->thread, &wait, &unused))
        return false;
    call->end = CALL_RETRIES;
    return true;
}

/* ---- Cancelling ------------------------------------------------------------------------------- */

static void cancel(struct request *r)
{
    if (r->withdraw)
        r->withdraw(r);
    r->done = 0;
    request_end(r, STATUS_CANCELLED);
}

static bool is_meant(const struct request *r, const struct thread *thread, gva_t iosb)
{
    return (!thread || r->thread == thread) && (!iosb || r->told.iosb == iosb);
}

nt_status requests_cancel(struct file *file, const struct thread *thread, gva_t iosb)
{
    nt_status st = STATUS_NOT_FOUND;
    struct request *r = file->requests;

    while (r) {
        if (!is_meant(r, thread, iosb)) {
            r = r->next;
            continue;
        }
        cancel(r);
        st = STATUS_SUCCESS;
        r = file->requests; /* whatever its end led to */
    }
    return st;
}

nt_status requests_cancel_waited(struct thread *thread, gva_t iosb)
{
    struct request *r = thread->wait.request;

    if (!r || !is_meant(r, thread, iosb))
        return STATUS_NOT_FOUND;
    cancel(r);
    return STATUS_SUCCESS;
}

/* What is still pending is the process's from here on. */
static void leave_all(struct thread *thread)
{
    struct request *first = thread->requests, *last = first;
    struct request **left = &thread->process->threads.left;

    if (!first)
        return;
    while (last->thread_next)
        last = last->thread_next;
    last->thread_next = *left;
    if (*left)
        (*left)->thread_link = &last->thread_next;
    first->thread_link = left;
    *left = first;
    thread->requests = NULL;
}

void requests_cancel_all(struct thread *thread)
{
    struct request *r = thread->requests;

    while (r) {
        if (r->file->port) {
            r = r->thread_next;
            continue;
        }
        cancel(r);
        r = thread->requests;
    }
    leave_all(thread);
}

void requests_cancel_left(struct process *p)
{
    while (p->threads.left)
        cancel(p->threads.left);
}

void requests_drop_all(struct thread *thread)
{
    while (thread->requests)
        request_drop(thread->requests);
}

void requests_drop_left(struct process *p)
{
    while (p->threads.left)
        request_drop(p->threads.left);
}

/* ---- For the user ----------------------------------------------------------------------------- */

void request_describe(const struct request *r, struct buf *out)
{
    static const char *const doing[] = {
        [REQUEST_READ] = "reading from",
        [REQUEST_WRITE] = "writing to",
        [REQUEST_TRANSCEIVE] = "waiting for an answer from",
        [REQUEST_FLUSH] = "waiting until all is read of",
        [REQUEST_LISTEN] = "waiting for a client of",
        [REQUEST_NOTIFY] = "waiting for a change in",
        [REQUEST_WAIT_PIPE] = "waiting for an instance of a pipe of",
    };

    (void)buf_text(out, doing[r->kind]);
}
