/*
 * What the parts of the stub share: the stub itself, the state of its client's session, and the
 * questions that several handlers ask of them. stub.c owns it; handlers read and change it while the
 * guest is stopped, with the lock held.
 */
#ifndef STUB_SESSION_H
#define STUB_SESSION_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client_points.h"
#include "reply.h"
#include "rsp_frame.h"
#include "rsp_link.h"
#include "rsp_reader.h"
#include "vfile.h"
#include "winstub/buf.h"
#include "winstub/stub.h"
#include "winstub/target.h"

#define SESSION_ACTIONS_MAX 256 /* of one vCont; GDB sends one or two */
#define SESSION_SIGNALS     256 /* GDB's signal numbers are below */
#define SESSION_PACKETS     128 /* rows of the packet table, at most */

/* What client and stub have agreed on in qSupported. */
struct features {
    bool multiprocess;  /* thread ids are pPID.TID */
    bool swbreak;       /* stop replies may say swbreak */
    bool hwbreak;       /* ... and hwbreak */
    bool no_resumed;    /* a stop reply may be N: nobody is left that was resumed */
    bool error_message; /* errors may be E.text */
    bool error_strings; /* errors may have a text in hex behind them */
    bool thread_suffix; /* g, G, p, P may name their thread at the end */
    bool list_threads;  /* stop replies tell of all threads */
    bool lldb;          /* the client is LLDB: other library list, W with two digits */
};

enum guest_state {
    GUEST_STOPPED,
    GUEST_RESUMED, /* a packet resumed it; stub_run has not been called yet */
    GUEST_RUNNING, /* inside stub_run */
};

/* What the next step means (`monitor step`). */
enum next_step {
    NEXT_STEP_IN, /* one instruction, wherever that leads */
    NEXT_STEP_OVER,
    NEXT_STEP_OUT
};

struct stub;

/*
 * Make a whole qXfer document; annex as the client sent it. ERR_NOT_FOUND: there is no such document; what
 * did not fit or found no memory shows in doc->failed.
 */
typedef enum err (*document_make)(struct stub *s, struct bytes annex, struct buf *doc);

/* The qXfer document being read in pieces; kept until the guest runs. */
struct document {
    document_make make; /* which one; NULL: none */
    struct buf annex;
    struct buf text;
};

/* What a client has said about how the program is to be started; kept from one start to the next. */
struct launch {
    struct buf env; /* texts with a NUL behind each */
    struct buf cwd; /* "": as at first */
    bool elsewhere; /* QDisableRandomization:0 */
    bool has_begun; /* the client has started the process that there is */
};

#define SESSION_SAVED                                                                              \
    9u /* register sets that a client can have saved: their numbers have one digit */

struct saved_registers {
    uint8_t *bytes; /* as in g; NULL: free */
    uint32_t tid;
};

struct stub {
    struct target target;
    uint32_t pid;
    pthread_mutex_t lock; /* stub_feed and stub_run, which may be on two threads */

    /* of the guest */
    enum guest_state guest;
    struct target_stop stop;                           /* why it is stopped */
    struct target_action actions[SESSION_ACTIONS_MAX]; /* by which it was last resumed */
    size_t action_count;
    bool interrupted; /* 0x03 came while it ran */

    /* of the client */
    enum stub_end end;
    struct features features;
    bool wrote_registers; /* since the guest stopped */
    bool
        wants_registers; /* all of them with the stop reply: it will put back what it wrote before */
    uint32_t general_tid;  /* Hg; 0 any */
    uint32_t continue_tid; /* Hc; 0 all */
    enum next_step next_step;
    unsigned traced;    /* TRACE_ bits */
    bool asked_tib;     /* qGetTIBAddr, as only a GDB that knows Windows does */
    bool asked_svr4;    /* libraries-svr4, as only one does that takes the guest for Linux */
    size_t next_thread; /* where qsThreadInfo goes on */
    bool passed
        [SESSION_SIGNALS]; /* QPassSignals: the guest gets these, the client does not see them */
    bool stops_at_private; /* also at exceptions that no signal stands for, such as C++'s */
    struct client_points points;
    struct document document;
    struct vfiles files;
    struct buf console; /* text to show: before the next answer, or while the guest runs */

    bool extended;   /* ! */
    bool left_alone; /* D in extended mode: the guest is on its own, the client is still there */
    struct launch launch;
    struct saved_registers saved[SESSION_SAVED];

    /* of the server */
    stub_launcher launcher; /* may be NULL */
    void *launcher_ctx;
    bool stays; /* a client has used extended mode */
    enum stub_map map;
    enum stub_persona persona;
    const char *version;            /* of the program */
    bool disabled[SESSION_PACKETS]; /* rows of the packet table that are not known */
    struct features withheld;       /* what is not agreed on even if the client offers it */
    bool no_agent;                  /* conditions and commands are not evaluated here */
    bool shows_output;              /* what the guest prints goes to the client's console */
    void (*flush)(void *ctx);       /* may be NULL */
    void *flush_ctx;

    /* bytes */
    struct rsp_frame frame;
    struct rsp_link link;
    struct buf inbox; /* packets that came too early: length, then body */
    uint8_t reply[STUB_PACKET_MAX];
    uint8_t scratch[STUB_PACKET_MAX];
};

/* Has the process ended? */
bool session_exited(const struct stub *s);
/* Module i, the program first: path, base and size; false behind the last. The program's path may be empty. */
bool session_module(const struct stub *s, size_t i, struct target_library *out);
/* Can breakpoints have conditions and commands? */
bool session_has_agent(const struct stub *s);
/* May the client take the guest for a Linux process, and does it? */
bool session_offers_linux(const struct stub *s);
bool session_is_linux(const struct stub *s);
/* The registers that the client is told of, in order: the target's, Linux' only where they are offered. */
const struct target_reg *session_regs(const struct stub *s, size_t *count);
/* The thread that the last stop was about, or the first one; 0 when there is none. */
uint32_t session_current_thread(const struct stub *s);
/* The thread that g, p and the like mean: Hg, else the current one. */
uint32_t session_general_thread(const struct stub *s);
/* Skip LLDB's ";thread:ID;" at the end of a packet, when it may be there, and say whose it is: else as above. */
uint32_t session_suffix_thread(const struct stub *s, struct rsp_reader *in);
/* Forget the registers that were saved. */
void session_drop_saved(struct stub *s);
/* Find a thread. ERR_NOT_FOUND. */
MUST_USE enum err session_thread(const struct stub *s, uint32_t tid, struct target_thread *out);
/* Go from one run of pages to the next; false behind the last one. *run starts as region(0). */
bool session_next_region(const struct stub *s, struct target_region *run);
/* Text for the user, shown before the answer; control characters become '?'. */
void session_say(struct stub *s, const char *text);
void session_sayf(struct stub *s, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Forget the document being read: what it described may have changed. */
void session_drop_document(struct stub *s);

#endif
