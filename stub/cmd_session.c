/*
 * How a session begins and ends: what both sides can do, no-ack mode, detach, kill. Follows the GDB manual,
 * "General Query Packets" (qSupported, QStartNoAckMode, qAttached) and "Packets" (D, k, vKill).
 */
#include <string.h>

#include "handlers.h"
#include "thread_id.h"

/* What a client offers and the stub uses; the answer repeats it. */
static const struct {
    const char *name;
    size_t flag;
} offers[] = {
    {"multiprocess+", offsetof(struct features, multiprocess)},
    {"swbreak+", offsetof(struct features, swbreak)},
    {"hwbreak+", offsetof(struct features, hwbreak)},
    {"no-resumed+", offsetof(struct features, no_resumed)},
    {"error-message+", offsetof(struct features, error_message)},
};

#define OFFER_COUNT (sizeof offers / sizeof *offers)

static bool *offer_flag(struct features *f, size_t i)
{
    return (bool *)((char *)f + offers[i].flag);
}

/* Only LLDB names these architectures in its first words (lldb 14 to 20). */
static bool is_lldb(struct bytes word)
{
    static const char start[] = "xmlRegisters=i386,arm";

    return word.len >= sizeof start - 1 && memcmp(word.data, start, sizeof start - 1) == 0;
}

static void read_offers(struct stub *s, struct rsp_reader *in)
{
    struct features *f = &s->features;

    *f = (struct features){0};
    while (rsp_left(in)) {
        struct bytes word = rsp_until(in, ';');

        for (size_t i = 0; i < OFFER_COUNT; i++) {
            if (bytes_is_text(word, offers[i].name) && !*offer_flag(&s->withheld, i))
                *offer_flag(f, i) = true;
        }
        if (is_lldb(word))
            f->lldb = true;
    }
}

enum err stub_disable(struct stub *s, const char *name)
{
    size_t len = strlen(name);

    for (size_t i = 0; i < OFFER_COUNT; i++) {
        if (strlen(offers[i].name) == len + 1 && strncmp(offers[i].name, name, len) == 0) {
            *offer_flag(&s->withheld, i) = true;
            return ERR_OK;
        }
    }
    if (strcmp(name, "ConditionalBreakpoints") == 0 || strcmp(name, "BreakpointCommands") == 0) {
        s->no_agent = true;
        return ERR_OK;
    }
    return packets_disable(s, name) ? ERR_OK : ERR_NOT_FOUND;
}

enum verdict cmd_supported(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    const struct packet *p;

    read_offers(s, in);
    reply_printf(out, "PacketSize=%x", STUB_PACKET_MAX);
    for (size_t i = 0; i < OFFER_COUNT; i++) {
        if (*offer_flag(&s->features, i))
            reply_printf(out, ";%s", offers[i].name);
    }
    for (size_t i = 0; (p = packets_row(i)); i++) {
        if (p->supported && packets_has(s, p))
            reply_printf(out, ";%s", p->supported);
    }
    if (session_has_agent(s))
        reply_text(out, ";ConditionalBreakpoints+;BreakpointCommands+");
    if (s->features.lldb)
        reply_text(out, ";SupportedWatchpointTypes=x86_64");
    return ANSWER;
}

enum verdict cmd_start_no_ack(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    (void)in;
    rsp_link_start_no_ack(&s->link);
    return reply_ok(out);
}

/* A process id that must be ours; without multiprocess, clients make one up. */
static bool read_pid(const struct stub *s, struct rsp_reader *in)
{
    uint32_t pid = rsp_hex_u32(in);

    return !s->features.multiprocess || pid == s->pid;
}

/* "Attached" unless the client has started it: a client that quits then leaves the guest alone. */
enum verdict cmd_attached(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    bool ours = !rsp_left(in) || read_pid(s, in);

    if (!rsp_end(in))
        return reply_error(out, RSP_EINVAL);
    return ours ? reply_text(out, s->launch.has_begun ? "0" : "1") : reply_error(out, RSP_ESRCH);
}

/* The points go but for those that persist; resuming the guest is left to the server, which has to run it anyway. */
enum verdict cmd_detach(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    (void)in;
    client_points_clear_all(&s->points, &s->target, true);
    if (s->extended)
        s->left_alone = true;
    else
        s->end = STUB_DETACHED;
    return reply_ok(out);
}

enum verdict cmd_detach_stopped(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    (void)in;
    s->end = STUB_LEFT;
    return reply_ok(out);
}

enum verdict cmd_detach_pid(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    bool ours = read_pid(s, in);

    if (!rsp_end(in))
        return reply_error(out, RSP_EINVAL);
    return ours ? cmd_detach(s, in, out) : reply_error(out, RSP_ESRCH);
}

static void end_process(struct stub *s)
{
    client_points_clear_all(&s->points, &s->target, false);
    if (!session_exited(s)) /* else its own exit code stands */
        s->target.ops->kill(s->target.ctx);
    s->target.ops->last_stop(s->target.ctx, &s->stop);
    s->left_alone = false;
    if (!s->extended)
        s->end = STUB_KILLED;
}

/* GDB waits for no answer, LLDB complains when there is none. */
enum verdict cmd_kill(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    (void)in;
    end_process(s);
    return s->features.lldb ? reply_text(out, "X09") : SILENT;
}

enum verdict cmd_vkill(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    bool ours = read_pid(s, in);

    if (!rsp_end(in))
        return reply_error(out, RSP_EINVAL);
    if (!ours)
        return reply_error(out, RSP_ESRCH);
    end_process(s);
    return reply_ok(out);
}
