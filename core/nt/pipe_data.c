/*
 * What goes through pipes: messages that one end has written and the other has not read. Each end has the queue of what it is to read; a
 * writer's request stays pending while more lies before it than the end's quota, a reader's while nothing is there. After every change
 * settle brings the two together. The contract is in pipes.h.
 */
#include <stdlib.h>
#include <string.h>

#include "nt/files.h"
#include "nt/guest.h"
#include "nt/kernel.h"
#include "nt/pipes.h"
#include "nt/requests.h"
#include "nt/threads.h"

/* ---- Messages --------------------------------------------------------------------------------- */

static uint64_t cost(const struct pipe_message *m)
{
    return sizeof *m + m->size;
}

static nt_status message_new(struct pipe_end *to, struct process *p, gva_t from, uint64_t size,
                             struct pipe_message **out)
{
    struct pipes *pipes = to->pipe->pipes;
    struct pipe_message *m;
    nt_status st;

    if (size > PIPES_BYTES_MAX || pipes->bytes + sizeof *m + size > PIPES_BYTES_MAX)
        return STATUS_INSUFFICIENT_RESOURCES;
    m = malloc(sizeof *m + size);
    if (!m)
        return STATUS_NO_MEMORY;
    *m = (struct pipe_message){.size = (size_t)size};
    st = guest_read(p, from, m->data, m->size);
    if (st) {
        free(m);
        return st;
    }
    *out = m;
    return STATUS_SUCCESS;
}

static void append(struct pipe_end *to, struct pipe_message *m)
{
    *to->last = m;
    to->last = &m->next;
    to->messages++;
    to->unread += m->size;
    to->pipe->pipes->bytes += cost(m);
}

/* The writer of a message need not wait for it any more. */
static struct request *release_writer(struct pipe_end *to, struct pipe_message *m)
{
    struct request *writer = m->writer;

    if (!writer)
        return NULL;
    m->writer = NULL;
    writer->own = NULL;
    writer->withdraw = NULL;
    to->writers--;
    return writer;
}

static void end_writer(struct pipe_end *to, struct pipe_message *m, nt_status st)
{
    struct request *writer = release_writer(to, m);

    if (!writer)
        return;
    writer->done = st ? 0 : m->size;
    request_end(writer, st);
}

/* Take a message out of the queue of those that `to` is to read. */
static void remove_message(struct pipe_end *to, struct pipe_message **at)
{
    struct pipe_message *m = *at;

    *at = m->next;
    if (!m->next)
        to->last = at;
    to->messages--;
    to->unread -= m->size - m->taken;
    to->pipe->pipes->bytes -= cost(m);
    free(m);
}

/* ---- Bringing readers and writers together ---------------------------------------------------- */

static bool reads(const struct request *r)
{
    return r->kind == REQUEST_READ || r->kind == REQUEST_TRANSCEIVE;
}

/* The first request for data; NULL when nobody waits for any. */
static struct request *first_reader(const struct pipe_end *end)
{
    struct request *r = end->file ? end->file->requests : NULL;

    while (r && !reads(r))
        r = r->next;
    return r;
}

/* Give the reader what it still has room for of the first message, which goes when nothing is left of it. */
static nt_status take_of_first(struct pipe_end *end, struct request *reader)
{
    struct pipe_message *m = end->first;
    uint64_t left = m->size - m->taken, room = reader->size - reader->done;
    size_t part = (size_t)(left < room ? left : room);
    nt_status st =
        guest_write(reader->process, reader->buffer + reader->done, m->data + m->taken, part);

    if (st)
        return st;
    m->taken += part;
    reader->done += part;
    end->unread -= part;
    if (m->taken < m->size)
        return STATUS_BUFFER_OVERFLOW;
    end_writer(end, m, STATUS_SUCCESS);
    remove_message(end, &end->first);
    return STATUS_SUCCESS;
}

/* A reader of messages gets one, a reader of bytes all that it has room for; a message of no bytes ends either's reading. */
static void hand_over(struct pipe_end *end, struct request *reader)
{
    bool empty = !pipe_next_size(end);
    nt_status st = take_of_first(end, reader);

    while (!st && !empty && end->read_mode == PIPE_BYTES && reader->done < reader->size &&
           pipe_next_size(end))
        st = take_of_first(end, reader);
    if (st == STATUS_BUFFER_OVERFLOW && end->read_mode == PIPE_BYTES)
        st = STATUS_SUCCESS;
    request_end(reader, st);
}

/* Let the writers go on whose data is within the quota now. */
static void release_writers(struct pipe_end *to)
{
    uint64_t quota = to->server ? to->inbound : to->outbound, before = 0;

    for (struct pipe_message *m = to->first; m && to->writers; m = m->next) {
        before += m->size - m->taken;
        if (before > quota)
            return;
        end_writer(to, m, STATUS_SUCCESS);
    }
}

/* Whoever waits until all is read goes on. */
static void end_flushes(struct pipe_end *writer, nt_status st)
{
    struct request *next;

    for (struct request *r = writer->file ? writer->file->requests : NULL; r; r = next) {
        next = r->next;
        if (r->kind == REQUEST_FLUSH)
            request_end(r, st);
    }
}

static void settle(struct pipe_end *end)
{
    struct request *reader;

    while (end->first && (reader = first_reader(end)) != NULL)
        hand_over(end, reader);
    release_writers(end);
    if (!end->first && end->peer)
        end_flushes(end->peer, STATUS_SUCCESS);
}

/* ---- Reading ---------------------------------------------------------------------------------- */

void pipe_read(struct pipe_end *end, struct request *r)
{
    if (end->state == PIPE_DISCONNECTED)
        request_end(r, STATUS_PIPE_DISCONNECTED);
    else if (end->state == PIPE_LISTENING)
        request_end(r, STATUS_PIPE_LISTENING);
    else if (end->first)
        settle(end);
    else if (end->state == PIPE_CLOSING)
        request_end(r, STATUS_PIPE_BROKEN);
    else if (end->at_once)
        request_end(r, STATUS_PIPE_EMPTY);
}

size_t pipe_next_size(const struct pipe_end *end)
{
    return end->first ? end->first->size - end->first->taken : 0;
}

size_t pipe_peek(const struct pipe_end *end, void *to, size_t room)
{
    uint8_t *at = to;
    size_t done = 0;

    for (const struct pipe_message *m = end->first; m && done < room; m = m->next) {
        size_t left = m->size - m->taken, part = left < room - done ? left : room - done;

        memcpy(at + done, m->data + m->taken, part);
        done += part;
        if (end->pipe->type == PIPE_MESSAGES)
            break;
    }
    return done;
}

/* ---- Writing ---------------------------------------------------------------------------------- */

uint64_t pipe_room(const struct pipe_end *end)
{
    uint64_t quota = end->server ? end->outbound : end->inbound;
    uint64_t unread = end->peer ? end->peer->unread : 0;

    return unread < quota ? quota - unread : 0;
}

/* A request to write is cancelled: what of it was not read yet is not written. */
static void withdraw_write(struct request *r)
{
    struct pipe_message *m = r->own;
    struct pipe_end *to = r->file->pipe->peer;
    struct pipe_message **at = &to->first;

    while (*at != m)
        at = &(*at)->next;
    (void)release_writer(to, m);
    remove_message(to, at);
    settle(to);
}

/* How much of it can be written without waiting: the readers that wait have room, and what may lie unread is. */
static uint64_t room_at_once(const struct pipe_end *end)
{
    uint64_t room = pipe_room(end);
    const struct request *r = end->peer->file->requests;

    for (; r && !end->peer->first; r = r->next)
        room += reads(r) ? r->size : 0;
    return room;
}

/* The status that an end in this state has for who writes. */
static nt_status check_writable(const struct pipe_end *end)
{
    switch (end->state) {
    case PIPE_DISCONNECTED:
        return STATUS_PIPE_DISCONNECTED;
    case PIPE_LISTENING:
        return STATUS_PIPE_LISTENING;
    case PIPE_CLOSING:
        return STATUS_PIPE_CLOSING;
    case PIPE_CONNECTED:
        break;
    }
    return STATUS_SUCCESS;
}

void pipe_write(struct pipe_end *end, struct request *r)
{
    nt_status st = check_writable(end);
    uint64_t size = r->size, room = !st && end->at_once ? room_at_once(end) : size;
    struct pipe_message *m = NULL;

    if (size > room) /* a message is never cut */
        size = end->pipe->type == PIPE_MESSAGES ? 0 : room;
    if (st || !(size || (!r->size && end->pipe->type == PIPE_MESSAGES))) {
        request_end(r, st);
        return;
    }
    st = message_new(end->peer, r->process, r->buffer, size, &m);
    if (st) {
        request_end(r, st);
        return;
    }
    append(end->peer, m);
    if (size) {
        m->writer = r;
        r->own = m;
        r->withdraw = withdraw_write;
        end->peer->writers++;
    } else { /* nothing is never too much */
        request_end(r, STATUS_SUCCESS);
    }
    settle(end->peer);
}

/* Why the end cannot write a message and read the answer now. */
static nt_status check_transceive(const struct pipe_end *end)
{
    if (end->state == PIPE_DISCONNECTED && !end->server)
        return STATUS_PIPE_DISCONNECTED;
    if (end->state != PIPE_CONNECTED || end->pipe->configuration != PIPE_DUPLEX)
        return STATUS_INVALID_PIPE_STATE;
    if (end->read_mode != PIPE_MESSAGES)
        return STATUS_INVALID_READ_MODE;
    return end->first ? STATUS_PIPE_BUSY : STATUS_SUCCESS;
}

void pipe_transceive(struct pipe_end *end, struct request *r, uint64_t from, uint64_t size)
{
    struct pipe_message *m = NULL;
    nt_status st = check_transceive(end);

    if (!st)
        st = message_new(end->peer, r->process, from, size, &m);
    if (st) {
        request_end(r, st);
        return;
    }
    append(end->peer, m);
    settle(end->peer);
}

void pipe_flush(struct pipe_end *end, struct request *r)
{
    if (end->state == PIPE_DISCONNECTED && !end->server)
        request_end(r, STATUS_PIPE_DISCONNECTED);
    else if (!end->peer || !end->peer->first)
        request_end(r, STATUS_SUCCESS);
}

/* ---- The end of it ---------------------------------------------------------------------------- */

void pipe_break(struct pipe_end *end, nt_status st)
{
    struct request *r;

    while (end->file && (r = end->file->requests) != NULL) {
        if (r->own) /* its message may still be read, though nobody waits for that */
            (void)release_writer(end->peer, r->own);
        request_end(r, st);
    }
    while (end->first) {
        end_writer(end, end->first, st);
        remove_message(end, &end->first);
    }
}
