/*
 * The stub as its users see it: bytes in, bytes out, and the run in between. Decides when a packet may be
 * handled and when the guest is interrupted; packets.c handles and answers, rsp_frame.c and rsp_link.c know
 * the wire. Follows the GDB manual, "Remote Protocol", "Interrupts" and "Packet Acknowledgment".
 */
#include "winstub/stub.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "packets.h"
#include "rsp_log.h"
#include "session.h"
#include "stop_reply.h"
#include "winstub/log.h"

#define INBOX_MAX      (4u * STUB_PACKET_MAX) /* packets that came too early */
#define OUT_ENOUGH     (8u * STUB_PACKET_MAX) /* that much waits for the client: handle nothing more */
#define DOCUMENT_MAX   (16u * 1024 * 1024)    /* one qXfer document */
#define LAUNCH_MAX     (1u << 20)             /* environment of the next start */
#define CONSOLE_MAX    (16u * 1024 * 1024)    /* text before one answer */
#define CONSOLE_ENOUGH 4096u /* that much text of a running guest is worth sending at once */

/* What stands before each packet in the inbox. */
struct inbox_head {
    size_t len;
    enum rsp_fault fault;
};

/* Does the register table fit replies and buffers? */
static bool registers_fit(const struct target *t)
{
    const struct target_reg *regs;
    size_t count = 0, total = 0;

    if (!t->ops->regs)
        return true;
    regs = t->ops->regs(t->ctx, &count);
    for (size_t i = 0; i < count; i++) {
        if (regs[i].bits % 8 || regs[i].bits / 8 > TARGET_REG_MAX_BYTES)
            return false;
        total += regs[i].bits / 8u;
    }
    return count <= 256 && total <= STUB_PACKET_MAX / 4;
}

enum err stub_new(const struct target *target, struct stub **out)
{
    const struct target_ops *ops = target->ops;
    struct stub *s;

    if (!ops->info || !ops->thread || !ops->last_stop || !ops->interrupt || !registers_fit(target))
        return ERR_INVALID;
    s = calloc(1, sizeof *s);
    if (!s)
        return ERR_NOMEM;
    if (pthread_mutex_init(&s->lock, NULL)) {
        free(s);
        return ERR_NOMEM;
    }
    s->target = *target;
    s->version = "winstub";
    client_points_init(&s->points);
    rsp_link_init(&s->link);
    buf_init(&s->inbox, INBOX_MAX);
    buf_init(&s->console, CONSOLE_MAX);
    buf_init(&s->launch.env, LAUNCH_MAX);
    buf_init(&s->launch.cwd, VFILE_PATH);
    buf_init(&s->document.annex, STUB_PACKET_MAX);
    buf_init(&s->document.text, DOCUMENT_MAX);
    stub_connect(s);
    *out = s;
    return ERR_OK;
}

void stub_free(struct stub *s)
{
    if (!s)
        return;
    client_points_fini(&s->points);
    session_drop_saved(s);
    rsp_link_fini(&s->link);
    vfiles_close_all(&s->files, &s->target);
    buf_fini(&s->inbox);
    buf_fini(&s->console);
    buf_fini(&s->launch.env);
    buf_fini(&s->launch.cwd);
    buf_fini(&s->document.annex);
    buf_fini(&s->document.text);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

void stub_set_map(struct stub *s, enum stub_map map)
{
    s->map = map;
}

void stub_set_version(struct stub *s, const char *version)
{
    s->version = version;
}

void stub_set_persona(struct stub *s, enum stub_persona persona)
{
    s->persona = persona;
}

void stub_connect(struct stub *s)
{
    struct target_info info;

    client_points_clear_all(&s->points, &s->target, false);
    s->target.ops->info(s->target.ctx, &info);
    s->target.ops->last_stop(s->target.ctx, &s->stop);
    s->pid = info.pid;
    s->guest = GUEST_STOPPED;
    s->end = STUB_GOES_ON;
    s->features = (struct features){0};
    s->general_tid = 0;
    s->continue_tid = 0;
    session_drop_saved(s);
    s->stops_at_private = false;
    s->wrote_registers = false;
    s->wants_registers = false;
    s->extended = false;
    s->left_alone = false;
    buf_clear(&s->launch.env);
    buf_clear(&s->launch.cwd);
    s->launch.elsewhere = false;
    s->launch.has_begun = false;
    s->asked_tib = false;
    s->next_step = NEXT_STEP_IN;
    s->asked_svr4 = false;
    s->next_thread = 0;
    memset(s->passed, 0, sizeof s->passed);
    session_drop_document(s);
    vfiles_close_all(&s->files, &s->target);
    buf_clear(&s->console);
    buf_clear(&s->inbox);
    rsp_frame_init(&s->frame);
    rsp_link_reset(&s->link);
}

void stub_disconnect(struct stub *s)
{
    assert(s->guest != GUEST_RUNNING);
    if (s->target.ops->thread_events) /* the next client has not asked for them */
        s->target.ops->thread_events(s->target.ctx, false);
    client_points_clear_all(&s->points, &s->target, true);
    vfiles_close_all(&s->files, &s->target);
    s->guest = GUEST_STOPPED;
}

/* May a packet be handled now, or must it wait in the inbox? */
static bool ready(const struct stub *s)
{
    return s->guest == GUEST_STOPPED && s->end == STUB_GOES_ON && s->link.out.len < OUT_ENOUGH;
}

static void handle(struct stub *s, const uint8_t *body, size_t len, enum rsp_fault fault)
{
    if (s->left_alone) /* it has run since */
        s->target.ops->last_stop(s->target.ctx, &s->stop);
    switch (fault) {
    case RSP_WELL_FORMED:
        packets_answer(s, body, len);
        break;
    case RSP_TOO_LONG:
        packets_refuse(s, RSP_E2BIG);
        break;
    case RSP_BAD_ESCAPE:
        packets_refuse(s, RSP_EINVAL);
        break;
    }
}

/* Packets that came too early, as long as they may be handled. */
static void drain_inbox(struct stub *s)
{
    size_t at = 0;

    while (at < s->inbox.len && ready(s)) {
        struct inbox_head head;

        memcpy(&head, s->inbox.data + at, sizeof head);
        at += sizeof head;
        handle(s, s->inbox.data + at, head.len, head.fault);
        at += head.len;
    }
    buf_consume(&s->inbox, at);
}

/* Keep a packet for later. Without room it is lost, as on a bad line: an acknowledging client repeats it. */
static bool keep_packet(struct stub *s, const struct rsp_frame *f)
{
    struct inbox_head head = {.len = f->len, .fault = f->fault};
    size_t before = s->inbox.len;

    if (buf_append(&s->inbox, &head, sizeof head) && buf_append(&s->inbox, f->body, f->len))
        return true;
    s->inbox.len = before;
    s->inbox.failed = false;
    return false;
}

/* A packet has arrived. Without acknowledgements a wrong checksum could not be complained about. */
static void packet_arrived(struct stub *s, const struct rsp_frame *f)
{
    bool good = f->sum_ok || s->link.no_ack || s->link.no_ack_next;
    bool now = good && ready(s) && !s->inbox.len;

    rsp_log_line('w', f->body, f->len);
    if (good && !now && !keep_packet(s, f)) {
        LOG(rsp, "a packet is lost: %zu bytes wait to be handled", s->inbox.len);
        good = false;
    }
    rsp_link_received(&s->link, good);
    if (now)
        handle(s, f->body, f->len, f->fault);
}

/* 0x03 stops a guest that runs; a stopped one has nothing to stop. */
static void interrupt_arrived(struct stub *s)
{
    if (s->guest == GUEST_STOPPED)
        return;
    s->interrupted = true;
    s->target.ops->interrupt(s->target.ctx);
}

static void handle_event(struct stub *s, enum rsp_event event)
{
    switch (event) {
    case RSP_NOTHING:
        break;
    case RSP_PACKET:
        packet_arrived(s, &s->frame);
        break;
    case RSP_ACK:
        rsp_link_acked(&s->link);
        break;
    case RSP_NAK:
        rsp_link_nakked(&s->link);
        break;
    case RSP_INTERRUPT:
        interrupt_arrived(s);
        break;
    }
}

void stub_feed(struct stub *s, const void *data, size_t len)
{
    const uint8_t *at = data;

    pthread_mutex_lock(&s->lock);
    while (len) {
        enum rsp_event event;
        size_t taken = rsp_frame_feed(&s->frame, at, len, &event);

        at += taken;
        len -= taken;
        handle_event(s, event);
    }
    pthread_mutex_unlock(&s->lock);
}

const uint8_t *stub_output(const struct stub *s, size_t *len)
{
    *len = s->link.out.len;
    return s->link.out.data;
}

void stub_sent(struct stub *s, size_t n)
{
    buf_consume(&s->link.out, n);
    drain_inbox(s);
}

/* Text of a running guest becomes packets only as fast as the client takes them. */
size_t stub_take(struct stub *s, void *dst, size_t cap)
{
    size_t len;

    pthread_mutex_lock(&s->lock);
    if (s->guest == GUEST_RUNNING && s->console.len && rsp_link_idle(&s->link))
        packets_say(s);
    len = s->link.out.len < cap ? s->link.out.len : cap;
    if (len)
        memcpy(dst, s->link.out.data, len);
    buf_consume(&s->link.out, len);
    pthread_mutex_unlock(&s->lock);
    return len;
}

void stub_set_flush(struct stub *s, void (*flush)(void *ctx), void *ctx)
{
    s->flush = flush;
    s->flush_ctx = ctx;
}

/* A breakpoint of the running guest prints, or the guest itself. */
static void text_arrived(void *arg, const char *text, size_t len)
{
    struct stub *s = arg;
    bool much;

    pthread_mutex_lock(&s->lock);
    (void)buf_append(&s->console, text,
                     len); /* past its limit the client is told that text is missing */
    much = s->console.len >= CONSOLE_ENOUGH;
    pthread_mutex_unlock(&s->lock);
    if (much && s->flush)
        s->flush(s->flush_ctx);
}

bool stub_print(struct stub *s, const char *text)
{
    if (s->guest != GUEST_RUNNING)
        return false;
    text_arrived(s, text, strlen(text));
    return true;
}

/* Who gets the text that the guest and its breakpoints print. */
static void listen_to_guest(struct stub *s, bool on)
{
    if (s->target.ops->set_console)
        s->target.ops->set_console(s->target.ctx, on ? text_arrived : NULL, s);
    if (s->target.ops->set_output)
        s->target.ops->set_output(s->target.ctx, on && s->shows_output ? text_arrived : NULL, s);
}

void stub_set_output(struct stub *s, bool to_client)
{
    s->shows_output = to_client;
}

bool stub_wants_run(const struct stub *s)
{
    return s->guest == GUEST_RESUMED;
}

/* The target could not run: say so, and stay where we were. */
static void run_failed(struct stub *s, enum err e)
{
    s->target.ops->last_stop(s->target.ctx, &s->stop);
    if (s->stop.kind == STOP_EXIT)
        return;
    s->stop.kind = STOP_ENGINE;
    (void)snprintf(s->stop.note, sizeof s->stop.note, "the guest cannot run: %s", err_text(e));
}

/* An exception of the program's own making, a C++ throw for one: no signal stands for it, and it has handlers. */
static bool is_private(const struct target_stop *why)
{
    return why->first_chance && stop_signal(why) == STOP_SIGNAL_UNKNOWN;
}

/*
 * Is it an exception that the client does not want to be told of (QPassSignals, monitor exception)? Then the guest is
 * resumed with it, as it was before. An interrupt that came meanwhile must not be forgotten by that.
 */
static bool passed_on(struct stub *s, const struct target_stop *why)
{
    if (why->kind != STOP_EXCEPTION)
        return false;
    if (!s->passed[stop_signal(why)] && (s->stops_at_private || !is_private(why)))
        return false;
    for (size_t i = 0; i < s->action_count; i++)
        s->actions[i].pass = true;
    if (s->target.ops->resume(s->target.ctx, s->actions, s->action_count))
        return false;
    if (s->interrupted)
        s->target.ops->interrupt(s->target.ctx);
    return true;
}

void stub_run(struct stub *s)
{
    struct target_stop why;
    enum err e;

    pthread_mutex_lock(&s->lock);
    s->guest = GUEST_RUNNING;
    do {
        pthread_mutex_unlock(&s->lock);
        listen_to_guest(s, true);
        e = s->target.ops->run(s->target.ctx, &why);
        listen_to_guest(s, false);
        pthread_mutex_lock(&s->lock);
    } while (!e && passed_on(s, &why));
    s->guest = GUEST_STOPPED;
    s->interrupted = false;
    s->general_tid = 0; /* GDB takes the thread of the stop reply for its current one */
    if (e)
        run_failed(s, e);
    else
        s->stop = why;
    packets_answer_stop(s);
    drain_inbox(s);
    pthread_mutex_unlock(&s->lock);
}

enum stub_end stub_state(const struct stub *s)
{
    return s->end;
}
