/* Names of pipes, their server ends and clients; the contract is in pipes.h. */
#include "nt/pipes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "nt/files.h"
#include "nt/kernel.h"
#include "nt/machine.h"
#include "nt/parts.h"
#include "nt/requests.h"
#include "nt/threads.h"

#define REJECT_REMOTE 2u /* a flag of NamedPipeType; there are no remote clients */

struct pipe_wait {
    struct pipe_wait *next, **link;
    struct request *request;
    char *name;
    uint64_t until; /* guest time, 100 ns */
};

/* ---- Names ------------------------------------------------------------------------------------ */

static struct pipe *find_name(const struct pipes *pipes, const char *name)
{
    struct pipe *pipe = pipes->names;

    while (pipe && strcasecmp(pipe->name, name) != 0)
        pipe = pipe->next;
    return pipe;
}

static void list_name(struct pipe *pipe)
{
    pipe->next = pipe->pipes->names;
    pipe->link = &pipe->pipes->names;
    if (pipe->next)
        pipe->next->link = &pipe->next;
    pipe->pipes->names = pipe;
}

static void unlist_name(struct pipe *pipe)
{
    if (!pipe->link)
        return;
    *pipe->link = pipe->next;
    if (pipe->next)
        pipe->next->link = pipe->link;
    pipe->link = NULL;
}

static void unref(struct pipe *pipe)
{
    if (--pipe->references)
        return;
    free(pipe->name);
    free(pipe);
}

static nt_status new_name(struct pipes *pipes, const char *name, const struct pipe_request *r,
                          struct pipe **out)
{
    struct pipe *pipe;

    if (r->disposition == DISPOSE_OPEN)
        return STATUS_OBJECT_NAME_NOT_FOUND;
    if (!r->has_timeout || !r->most)
        return STATUS_INVALID_PARAMETER;
    pipe = calloc(1, sizeof *pipe);
    if (!pipe)
        return STATUS_NO_MEMORY;
    *pipe = (struct pipe){.pipes = pipes,
                          .name = strdup(name),
                          .type = r->type & ~REJECT_REMOTE,
                          .configuration = r->share == SHARE_READ    ? PIPE_OUTBOUND
                                           : r->share == SHARE_WRITE ? PIPE_INBOUND
                                                                     : PIPE_DUPLEX,
                          .most = r->most,
                          .timeout = r->timeout};
    if (!pipe->name) {
        free(pipe);
        return STATUS_NO_MEMORY;
    }
    *out = pipe;
    return STATUS_SUCCESS;
}

/* May there be one more instance, and does it go with the others? The type is the first one's. */
static nt_status check_instance(const struct pipe *pipe, const struct pipe_request *r)
{
    uint32_t share = pipe->configuration == PIPE_OUTBOUND  ? SHARE_READ
                     : pipe->configuration == PIPE_INBOUND ? SHARE_WRITE
                                                           : SHARE_READ | SHARE_WRITE;

    if (pipe->count >= pipe->most)
        return STATUS_INSTANCE_NOT_AVAILABLE;
    if (r->disposition == DISPOSE_CREATE || r->share != share)
        return STATUS_ACCESS_DENIED;
    if (r->read_mode > pipe->type)
        return STATUS_INVALID_PARAMETER;
    return STATUS_SUCCESS;
}

/* ---- Ends ------------------------------------------------------------------------------------- */

/* An end and its file. */
static nt_status new_end(struct pipe *pipe, uint32_t access, uint32_t options, struct file **out)
{
    struct pipe_end *end = calloc(1, sizeof *end);
    struct file *file;
    char *path;

    if (!end)
        return STATUS_NO_MEMORY;
    if (asprintf(&path, PIPES_FOLDER "%s", pipe->name) < 0)
        path = NULL;
    file = files_new(FILE_PIPE, -1, path);
    if (!file) {
        free(end);
        return STATUS_NO_MEMORY;
    }
    file->access = files_map_access(access, true);
    file->options = options;
    file->pipe = end;
    end->file = file;
    end->pipe = pipe;
    end->last = &end->first;
    pipe->references++;
    *out = file;
    return STATUS_SUCCESS;
}

static nt_status check_request(const struct pipe_request *r)
{
    uint32_t type = r->type & ~REJECT_REMOTE;

    if (r->disposition < DISPOSE_OPEN || r->disposition > DISPOSE_OPEN_IF || !r->share ||
        r->share & ~(uint32_t)(SHARE_READ | SHARE_WRITE) || type > PIPE_MESSAGES ||
        r->read_mode > type || r->completion_mode > 1 ||
        (r->options & OPTION_SYNC && r->options & OPTION_SYNC_ALERT))
        return STATUS_INVALID_PARAMETER;
    return STATUS_SUCCESS;
}

static void enter_server(struct pipe *pipe, struct pipe_end *server)
{
    struct pipe_end **at = &pipe->servers;

    while (*at)
        at = &(*at)->next_server;
    *at = server;
    pipe->count++;
}

static void leave_server(struct pipe *pipe, struct pipe_end *server)
{
    struct pipe_end **at = &pipe->servers;

    while (*at != server)
        at = &(*at)->next_server;
    *at = server->next_server;
    pipe->count--;
}

/* End the waits for instances of that name. */
static void end_waits(struct pipes *pipes, const char *name, nt_status st);

nt_status pipes_create(struct pipes *pipes, const char *name, const struct pipe_request *r,
                       struct file **out, uint32_t *how)
{
    struct pipe *pipe = *name ? find_name(pipes, name) : NULL;
    bool first = !pipe;
    struct pipe_end *end;
    nt_status st = check_request(r);

    if (!st)
        st = first ? new_name(pipes, name, r, &pipe) : check_instance(pipe, r);
    if (st)
        return st;
    pipe->references++; /* until the end has one */
    st = new_end(pipe, r->access, r->options, out);
    if (!st) {
        end = (*out)->pipe;
        end->server = true;
        end->state = PIPE_LISTENING;
        end->read_mode = r->read_mode;
        end->at_once = r->completion_mode;
        end->inbound = r->inbound;
        end->outbound = r->outbound;
        if (first && *name)
            list_name(pipe);
        enter_server(pipe, end);
        end_waits(pipes, name, STATUS_SUCCESS);
        *how = first ? FILE_WAS_CREATED : FILE_WAS_OPENED;
    }
    unref(pipe);
    return st;
}

nt_status pipes_find(const struct pipes *pipes, const char *name, struct pipe_end **out)
{
    const struct pipe *pipe = find_name(pipes, name);
    struct pipe_end *server = pipe ? pipe->servers : NULL;

    if (!pipe)
        return STATUS_OBJECT_NAME_NOT_FOUND;
    while (server && server->state != PIPE_LISTENING)
        server = server->next_server;
    *out = server;
    return server ? STATUS_SUCCESS : STATUS_PIPE_NOT_AVAILABLE;
}

/* End the requests of a kind that wait at an end. */
static void end_kind(struct pipe_end *end, enum request_kind kind, nt_status st)
{
    struct request *next;

    for (struct request *r = end->file->requests; r; r = next) {
        next = r->next;
        if (r->kind == kind)
            request_end(r, st);
    }
}

nt_status pipe_connect(struct pipe_end *server, uint32_t access, uint32_t options,
                       struct file **out)
{
    uint32_t mapped = files_map_access(access, true), way = server->pipe->configuration;
    struct pipe_end *client;
    nt_status st;

    if ((mapped & ACCESS_READ_DATA && way == PIPE_INBOUND) ||
        (mapped & ACCESS_WRITE_DATA && way == PIPE_OUTBOUND))
        return STATUS_ACCESS_DENIED;
    if (!server->server || server->state != PIPE_LISTENING)
        return STATUS_PIPE_NOT_AVAILABLE;
    st = new_end(server->pipe, access, options, out);
    if (st)
        return st;
    client = (*out)->pipe;
    client->inbound = server->inbound;
    client->outbound = server->outbound;
    client->peer = server;
    server->peer = client;
    client->state = server->state = PIPE_CONNECTED;
    end_kind(server, REQUEST_LISTEN, STATUS_SUCCESS);
    return STATUS_SUCCESS;
}

/* The two ends have nothing to do with each other any more. */
static void part(struct pipe_end *end)
{
    if (end->peer)
        end->peer->peer = NULL;
    end->peer = NULL;
}

/* Its name goes with the last server end; who waits for an instance waits for nothing. */
static void close_server(struct pipe_end *server)
{
    struct pipe *pipe = server->pipe;

    leave_server(pipe, server);
    if (pipe->count)
        return;
    unlist_name(pipe);
    end_waits(pipe->pipes, pipe->name, STATUS_OBJECT_NAME_NOT_FOUND);
}

void pipe_close(struct pipe_end *end)
{
    struct pipe_end *peer = end->peer;

    pipe_break(end, STATUS_PIPE_BROKEN);
    part(end);
    if (peer) {
        peer->state = PIPE_CLOSING;
        end_kind(peer, REQUEST_READ,
                 STATUS_PIPE_BROKEN); /* there is nothing to read, if one waits */
        end_kind(peer, REQUEST_TRANSCEIVE, STATUS_PIPE_BROKEN);
        end_kind(peer, REQUEST_FLUSH, STATUS_PIPE_BROKEN);
    }
    if (end->server)
        close_server(end);
    end->file = NULL;
}

void pipe_free(struct pipe_end *end)
{
    if (!end)
        return;
    unref(end->pipe);
    free(end);
}

/* ---- States ----------------------------------------------------------------------------------- */

/* A server end is ready for a client: again, if it was disconnected. */
static nt_status listen(struct pipe_end *end)
{
    bool again = end->state == PIPE_DISCONNECTED;

    end->state = PIPE_LISTENING;
    if (again)
        end_waits(end->pipe->pipes, end->pipe->name, STATUS_SUCCESS);
    if (!end->at_once)
        return STATUS_PENDING;
    return again ? STATUS_SUCCESS : STATUS_PIPE_LISTENING;
}

void pipe_listen(struct pipe_end *end, struct request *r)
{
    nt_status st;

    if (!end->server)
        st = STATUS_ILLEGAL_FUNCTION;
    else if (end->state == PIPE_CONNECTED)
        st = STATUS_PIPE_CONNECTED;
    else if (end->state == PIPE_CLOSING)
        st = STATUS_PIPE_CLOSING;
    else
        st = listen(end);
    if (st != STATUS_PENDING)
        request_end(r, st);
}

nt_status pipe_disconnect(struct pipe_end *end)
{
    struct pipe_end *peer = end->peer;

    if (!end->server)
        return STATUS_ILLEGAL_FUNCTION;
    if (end->state == PIPE_LISTENING || end->state == PIPE_DISCONNECTED)
        return end->state == PIPE_LISTENING ? STATUS_PIPE_LISTENING : STATUS_PIPE_DISCONNECTED;
    pipe_break(end, STATUS_PIPE_DISCONNECTED);
    if (peer) {
        pipe_break(peer, STATUS_PIPE_DISCONNECTED);
        peer->state = PIPE_DISCONNECTED;
    }
    part(end);
    end->state = PIPE_DISCONNECTED;
    return STATUS_SUCCESS;
}

/* ---- Waiting for an instance ------------------------------------------------------------------ */

static void remove_wait(struct request *r)
{
    struct pipe_wait *wait = r->own;

    *wait->link = wait->next;
    if (wait->next)
        wait->next->link = wait->link;
    r->own = NULL;
    r->withdraw = NULL;
    free(wait->name);
    free(wait);
}

static void end_wait(struct pipe_wait *wait, nt_status st)
{
    struct request *r = wait->request;

    remove_wait(r);
    request_end(r, st);
}

static void end_waits(struct pipes *pipes, const char *name, nt_status st)
{
    struct pipe_wait *next;

    for (struct pipe_wait *wait = pipes->waits; wait; wait = next) {
        next = wait->next;
        if (strcasecmp(wait->name, name) == 0)
            end_wait(wait, st);
    }
}

/* Keep the request until then. */
static nt_status add_wait(struct pipes *pipes, struct request *r, const char *name, uint64_t until)
{
    struct pipe_wait *wait = calloc(1, sizeof *wait);
    char *copy = strdup(name);

    if (!wait || !copy) {
        free(wait);
        free(copy);
        return STATUS_NO_MEMORY;
    }
    *wait = (struct pipe_wait){
        .next = pipes->waits, .link = &pipes->waits, .request = r, .name = copy, .until = until};
    if (wait->next)
        wait->next->link = &wait->next;
    pipes->waits = wait;
    r->own = wait;
    r->withdraw = remove_wait;
    r->process->machine->next_due = 0;
    return STATUS_PENDING;
}

void pipes_wait(struct pipes *pipes, struct request *r, const char *name, bool has_timeout,
                uint64_t timeout)
{
    const struct pipe *pipe = find_name(pipes, name);
    struct pipe_end *server;
    nt_status st = pipes_find(pipes, name, &server);

    if (st == STATUS_PIPE_NOT_AVAILABLE) {
        uint64_t until = wait_until(r->process, has_timeout ? timeout : pipe->timeout);

        st = add_wait(pipes, r, name, until);
    }
    if (st != STATUS_PENDING)
        request_end(r, st);
}

uint64_t pipes_expire(struct machine *m, uint64_t now, uint64_t due)
{
    struct pipe_wait *next;

    for (struct pipe_wait *wait = m->pipes.waits; wait; wait = next) {
        next = wait->next;
        if (wait->until <= now)
            end_wait(wait, STATUS_IO_TIMEOUT);
        else if (wait->until < due)
            due = wait->until;
    }
    return due;
}
