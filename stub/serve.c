/*
 * The life of the server: accept, talk, run the guest, lose the client, accept again. What the bytes mean is
 * the stub's matter, what running means the target's.
 */
#include "serve.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "watch.h"
#include "winstub/log.h"

struct server {
    struct stub *stub;
    const struct target *target;
    const struct net_listener *listener; /* NULL: standard input and output */
    struct watch *watch;
    int in; /* -1: no client */
    int out;
    bool left_alone;         /* in extended mode: the guest runs for nobody, the client is there */
    atomic_bool lost;        /* the client went away */
    pthread_mutex_t sending; /* while the guest runs, by its thread or the watch's */
};

#define INPUT_SIZE 65536u

/* Bytes that have arrived; none: the client is gone. */
static void feed(struct server *s, const uint8_t *data, size_t len)
{
    if (len)
        stub_feed(s->stub, data, len);
    else
        s->lost = true;
}

/* Take what has arrived; notes when the client is gone. */
static void take_input(struct server *s)
{
    uint8_t data[INPUT_SIZE];

    feed(s, data, net_receive(s->in, data, sizeof data));
}

/* Wait for the client. Meanwhile others are refused: it is silent, so still there. */
static void wait_for_input(struct server *s)
{
    uint8_t data[INPUT_SIZE];
    size_t got;

    if (net_receive_now(s->in, data, sizeof data, &got)) {
        feed(s, data, got);
        return;
    }
    while (!(net_wait(s->in, s->listener ? s->listener->fd : -1) & 1)) {
        if (s->listener)
            net_refuse(s->listener);
    }
    take_input(s);
}

/* Send a piece of what waits; false when there is nothing left, or nobody to send it to. */
static bool send_piece(struct server *s)
{
    uint8_t data[NET_LITTLE];
    size_t len = s->lost ? 0 : stub_take(s->stub, data, sizeof data);

    if (len && !net_send(s->out, data, len)) {
        s->lost = true;
        s->target->ops->interrupt(s->target->ctx);
    }
    return len > 0;
}

/* In the guest's thread: it prints much, and waits until the client has taken it. */
static void send_all(void *ctx)
{
    struct server *s = ctx;

    (void)pthread_mutex_lock(&s->sending);
    while (send_piece(s))
        continue;
    (void)pthread_mutex_unlock(&s->sending);
}

/* In the watch's thread: it has to listen too, and must not wait. */
static void send_little(struct server *s)
{
    if (pthread_mutex_trylock(&s->sending))
        return;
    while (net_writable(s->out) && send_piece(s))
        continue;
    (void)pthread_mutex_unlock(&s->sending);
}

/* While the guest runs. Left alone, it is stopped by who connects, or by what a client of extended mode sends. */
static void tick(void *ctx)
{
    struct server *s = ctx;

    if (s->in < 0 || s->left_alone) {
        if (s->in >= 0 ? net_readable(s->in) : s->listener && net_readable(s->listener->fd))
            s->target->ops->interrupt(s->target->ctx);
        return;
    }
    if (s->lost)
        return;
    if (net_readable(s->in)) {
        take_input(s);
        if (s->lost)
            s->target->ops->interrupt(s->target->ctx);
    } else if (s->listener) {
        net_refuse(s->listener);
    }
    send_little(s);
}

/* Send all of it. While the client does not take more, others are refused. */
static bool send_patiently(struct server *s, const uint8_t *data, size_t len)
{
    size_t put;

    while (net_send_now(s->out, data, len, &put)) {
        data += put;
        len -= put;
        if (!len)
            return true;
        if (net_wait_to_send(s->out, s->listener ? s->listener->fd : -1) & 2)
            net_refuse(s->listener);
    }
    return false;
}

static void flush(struct server *s)
{
    const uint8_t *data;
    size_t len;

    while (!s->lost && (data = stub_output(s->stub, &len), len)) {
        if (!send_patiently(s, data, len))
            s->lost = true;
        stub_sent(s->stub, len); /* may handle packets that had to wait, which have answers too */
    }
}

/* Run the guest as often as the client's packets ask for it. */
static void run_guest(struct server *s)
{
    while (!s->lost && stub_wants_run(s->stub)) {
        watch_begin(s->watch);
        stub_run(s->stub);
        watch_end(s->watch);
        flush(s);
    }
}

bool serve_passes(const struct target_stop *stop)
{
    return stop->kind == STOP_LIBRARY || (stop->kind == STOP_EXCEPTION && stop->first_chance);
}

/* What breakpoints print that a client has left behind. */
static void print_detached(void *arg, const char *text, size_t len)
{
    (void)arg;
    (void)fwrite(text, 1, len, stderr);
}

static void listen_to_guest(const struct server *s, bool on)
{
    if (s->target->ops->set_console)
        s->target->ops->set_console(s->target->ctx, on ? print_detached : NULL, NULL);
}

/* Run on without a client until the guest ends, fails, or somebody connects. What it can settle itself is its own. */
static void run_detached(struct server *s)
{
    struct target_action on = {.kind = ACTION_CONTINUE};
    struct target_stop why;
    enum err e;

    listen_to_guest(s, true);
    watch_begin(s->watch);
    do {
        e = s->target->ops->resume(s->target->ctx, &on, 1);
        if (!e)
            e = s->target->ops->run(s->target->ctx, &why);
        on.pass = !e && why.kind == STOP_EXCEPTION;
    } while (!e && serve_passes(&why));
    watch_end(s->watch);
    listen_to_guest(s, false);
    if (!e && why.note[0])
        (void)fprintf(stderr, "winstub: %s\n", why.note);
}

/* The client of extended mode has detached, and may come back to it. */
static void run_alone(struct server *s)
{
    s->left_alone = true;
    run_detached(s);
    s->left_alone = false;
}

/* Talk with the connected client until it leaves; how it left. */
static enum stub_end converse(struct server *s)
{
    s->lost = false;
    stub_connect(s->stub);
    while (!s->lost) {
        wait_for_input(s);
        flush(s);
        run_guest(s);
        if (stub_left_alone(s->stub))
            run_alone(s);
        if (stub_state(s->stub) != STUB_GOES_ON)
            return stub_state(s->stub);
    }
    return STUB_GOES_ON;
}

static bool connect_client(struct server *s)
{
    if (s->listener) {
        s->in = s->out = net_accept(s->listener);
        return s->in >= 0;
    }
    s->in = STDIN_FILENO;
    s->out = STDOUT_FILENO;
    return true;
}

static void drop_client(struct server *s)
{
    stub_disconnect(s->stub);
    if (s->listener)
        net_close(s->in);
    s->in = s->out = -1;
}

static bool guest_ended(const struct server *s, struct target_stop *last)
{
    s->target->ops->last_stop(s->target->ctx, last);
    return last->kind == STOP_EXIT;
}

static enum err serve_clients(struct server *s, struct target_stop *last)
{
    enum stub_end end = STUB_GOES_ON;

    while (stub_extended(s->stub) || (!guest_ended(s, last) && end != STUB_KILLED)) {
        if (!connect_client(s))
            return ERR_IO;
        LOG(net, "a client connected");
        end = converse(s);
        drop_client(s);
        LOG(net, "the client %s", end == STUB_GOES_ON ? "is gone" : "took its leave");
        if (end == STUB_DETACHED || stub_left_alone(s->stub))
            run_detached(s);
        if (!s->listener)
            break;
    }
    return ERR_OK;
}

enum err serve(struct stub *stub, const struct target *target, const struct net_listener *listener,
               bool running, struct target_stop *last)
{
    struct server s = {.stub = stub, .target = target, .listener = listener, .in = -1, .out = -1};
    enum err e = watch_new(tick, &s, &s.watch);

    if (e)
        return e;
    (void)pthread_mutex_init(&s.sending, NULL);
    stub_set_flush(stub, send_all, &s);
    if (running)
        run_detached(&s);
    e = serve_clients(&s, last);
    stub_set_flush(stub, NULL, NULL);
    watch_free(s.watch);
    (void)pthread_mutex_destroy(&s.sending);
    return e;
}
