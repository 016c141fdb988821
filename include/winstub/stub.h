/*
 * The protocol engine: bytes of one client in, bytes out; no sockets, no threads of its own.
 *
 * Life of a connection: stub_connect, then stub_feed what arrives and send what stub_output holds. When
 * stub_wants_run says so, call stub_run: it blocks in the target until the guest stops, and queues the stop
 * reply. While one thread is in stub_run, one other may call stub_feed: it only frames packets, queues
 * them, and interrupts the target on 0x03; that other thread may also call stub_take. These calls must have
 * returned before anything else is called; everything else belongs to the thread that calls stub_run.
 */
#ifndef WINSTUB_STUB_H
#define WINSTUB_STUB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "winstub/err.h"
#include "winstub/target.h"

/* Longest packet body accepted, in bytes; announced as PacketSize in hex. */
#define STUB_PACKET_MAX 0x20000u

struct stub;

/* What the client is told of the memory map (qXfer:memory-map). */
enum stub_map {
    STUB_MAP_WIDE, /* the whole user range, cut where allocations begin and end */
    STUB_MAP_EXACT, /* what is committed when it is asked for; GDB then refuses all the rest, for good */
    STUB_MAP_NONE,
};

/* For which system the client may take the guest. */
enum stub_persona {
    STUB_PERSONA_AUTO, /* as the client does: a GDB without Windows support gets what Linux has */
    STUB_PERSONA_WINDOWS, /* nothing of Linux is offered */
    STUB_PERSONA_LINUX,   /* paths and siginfo are as on Linux, whatever the client asks */
};

/*
 * target is copied; its ctx must outlive the stub. ERR_NOMEM; ERR_INVALID: an op that every target has is
 * missing, or its registers are too large or too many.
 */
MUST_USE enum err stub_new(const struct target *target, struct stub **out);
void stub_free(struct stub *stub); /* takes NULL */

/* These hold for all clients; at first STUB_MAP_WIDE, STUB_PERSONA_AUTO, everything. */
void stub_set_map(struct stub *stub, enum stub_map map);
void stub_set_persona(struct stub *stub, enum stub_persona persona);
/* How a client wants the program started anew. Strings live as long as the call. */
struct stub_launch {
    const char *const
        *args; /* without the program itself; arg_count, 0: those it was first started with */
    size_t arg_count;
    const char *const *env; /* "NAME=value" beside the first ones, "NAME" alone takes one away */
    size_t env_count;
    const char *cwd; /* guest path; "": the first one */
    bool elsewhere;  /* images need not be where they were */
};
/*
 * Who starts the program anew; without one there is no extended mode. launch replaces the process by a new one, which
 * stands where the first one did, and describes it in *out; the old target is then gone. A failure changes nothing.
 */
typedef enum err (*stub_launcher)(void *ctx, const struct stub_launch *what, struct target *out,
                                  struct diag *why);
void stub_set_launcher(struct stub *stub, stub_launcher launch, void *ctx);

/* What the client hears when it asks what it talks to; kept, not copied. At first "winstub". */
void stub_set_version(struct stub *stub, const char *version);
/*
 * Pretend not to know a packet ("vCont", "X", "qXfer:threads:read"; what continues the name behind a
 * punctuation mark goes with it) or a feature of qSupported ("swbreak"). ERR_NOT_FOUND: there is no such thing.
 */
MUST_USE enum err stub_disable(struct stub *stub, const char *name);
/*
 * Text of the server's own, whole lines, for the client's console. Only inside stub_run, from the thread that is in it. False: it is
 * not called for anybody now, and nobody hears it.
 */
bool stub_print(struct stub *stub, const char *text);
/* What the guest prints: to the client's console while it runs, or (at first) where it went when it was started. */
void stub_set_output(struct stub *stub, bool to_client);

/* A new client: every per-connection state (no-ack, features, selected threads, points, last reply) starts afresh. */
void stub_connect(struct stub *stub);
/*
 * The client is gone without a word: its points are removed, the guest stays stopped. If a run is under
 * way it must have ended first (interrupt the target).
 */
void stub_disconnect(struct stub *stub);

/* Bytes from the client. Any bytes, any split. */
void stub_feed(struct stub *stub, const void *data, size_t len);
/*
 * Bytes for the client. Valid until the next call on this stub; stub_sent drops the first n of them, and may
 * then handle packets that had to wait because too much output did: ask again until there is none.
 */
const uint8_t *stub_output(const struct stub *stub, size_t *len);
void stub_sent(struct stub *stub, size_t n);

/*
 * Move up to cap bytes of output to dst and return how many. Also while the guest runs: then output is what its
 * breakpoints print, and acknowledgements.
 */
size_t stub_take(struct stub *stub, void *dst, size_t cap);
/*
 * flush (NULL: nobody) is called inside stub_run when much text waits; it should send what stub_take gives,
 * and may block. What nobody takes during a run comes before its stop reply, the surplus cut.
 */
void stub_set_flush(struct stub *stub, void (*flush)(void *ctx), void *ctx);

/* Has a packet resumed the guest? Then stub_run must be called. */
bool stub_wants_run(const struct stub *stub);
/*
 * Run the guest until it stops, then queue the stop reply and handle packets that came meanwhile.
 */
void stub_run(struct stub *stub);

/* What the client asked of the server. */
enum stub_end {
    STUB_GOES_ON,
    STUB_DETACHED, /* D: the guest should run on without a client; the caller resumes it */
    STUB_LEFT,     /* D1: the client is gone, the guest stays stopped */
    STUB_KILLED,   /* k, vKill: the process is over */
};
/* After stub_output has been sent. */
enum stub_end stub_state(const struct stub *stub);

/*
 * Extended mode: the client stays when the process ends or is left alone, and may start it anew. Has one client used it,
 * the server should outlive the process.
 */
bool stub_extended(const struct stub *stub);
/* Has the client of extended mode left the guest alone? Then it should run until the client sends something. */
bool stub_left_alone(const struct stub *stub);

#endif
