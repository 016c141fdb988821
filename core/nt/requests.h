/*
 * Requests of input and output that may stay pending (NT's IRPs): who asked, how each one ends and who is told of it.
 * What a request waits for is the business of whoever keeps it pending (pipes.h, notices.h). Follows NtReadFile's and
 * NtCancelIoFileEx's documentation.
 */
#ifndef CORE_NT_REQUESTS_H
#define CORE_NT_REQUESTS_H

#include <stdbool.h>
#include <stdint.h>

#include "winstub/err.h"
#include "winstub/gva.h"
#include "winstub/nt.h"

struct buf;
struct call;
struct file;
struct object;
struct process;
struct thread;

#define REQUESTS_MAX 16384u /* of one process, pending at a time */

enum request_kind {
    REQUEST_READ,
    REQUEST_WRITE,
    REQUEST_TRANSCEIVE, /* has written, and waits for the answer */
    REQUEST_FLUSH,
    REQUEST_LISTEN,
    REQUEST_WAIT_PIPE, /* for an instance of a pipe */
    REQUEST_NOTIFY,    /* for a change in a folder */
};

/* How the end is told; guest addresses and what the guest gave with them, 0: not that way. */
struct request_told {
    gva_t iosb;
    struct object *event; /* referenced */
    gva_t routine;        /* called in the thread that asked, as an APC */
    uint64_t context;     /* the routine's; without one, what a completion port's packet says */
};

struct request {
    struct request *next, **link; /* of its file's, oldest first */
    struct request *thread_next,
        **thread_link;       /* of its thread's, newest first, or of those left */
    struct file *file;       /* referenced */
    struct thread *thread;   /* referenced; who asked, */
    struct process *process; /* and its process, which outlives the request */
    enum request_kind kind;
    struct request_told told;
    gva_t buffer;
    uint64_t size, done; /* bytes */
    enum {
        REQUEST_SERVED, /* the service that asks is still at work */
        REQUEST_OVER,   /* the same, and it has ended already */
        REQUEST_PENDING,
        REQUEST_WAITED, /* the thread waits for it in the service */
    } state;
    nt_status status; /* REQUEST_OVER */
    /* Of who keeps it: called when the request goes without having been served, which own is for. NULL: nothing to do. */
    void (*withdraw)(struct request *r);
    void *own;
};

/* Does a file's kind of opening make each request wait for its end? */
bool file_is_synchronous(const struct file *file);

/*
 * Only one request of a synchronously opened file is served at a time. True: the caller must wait for its turn and make
 * the call again; the service returns.
 */
bool request_waits_its_turn(struct call *call, struct file *file);

/*
 * A request of the calling thread that is told as the arguments 1 to 4 say (event, routine, context, IO_STATUS_BLOCK);
 * size bytes at buffer are its memory. The event is reset. Ended by request_end, then handed to request_finish.
 * STATUS_INVALID_HANDLE and its kin (event), STATUS_NO_MEMORY, STATUS_INSUFFICIENT_RESOURCES
 */
MUST_USE nt_status request_new(struct call *call, struct file *file, enum request_kind kind,
                               struct request **out);
/* The same that the caller always waits for, told by an IO_STATUS_BLOCK only. */
MUST_USE nt_status request_new_waited(struct call *call, struct file *file, enum request_kind kind,
                                      gva_t iosb, struct request **out);
/* What the service answers: the status, STATUS_PENDING, or the thread waits. */
MUST_USE nt_status request_finish(struct call *call, struct request *r);
/* The same, and nobody waits, however the file was opened. */
MUST_USE nt_status request_leave(struct request *r);

/* It has ended: r->done bytes. Whoever is to be told is told; r is gone, unless its service is still at work. */
void request_end(struct request *r, nt_status st);
/* It goes, and nobody is told. */
void request_drop(struct request *r);

/*
 * Cancel requests of the file: those of one thread (NULL: of any), with one IO_STATUS_BLOCK (0: any). STATUS_NOT_FOUND:
 * there was none.
 */
nt_status requests_cancel(struct file *file, const struct thread *thread, gva_t iosb);
/* Cancel the one that the thread waits for, if it has that IO_STATUS_BLOCK (0: any). STATUS_NOT_FOUND */
nt_status requests_cancel_waited(struct thread *thread, gva_t iosb);
/* The thread ends: its requests are cancelled, but for those that a completion port is told of, which are left to its process. */
void requests_cancel_all(struct thread *thread);
/* Everything ends. */
void requests_drop_all(struct thread *thread);
/* The process ends: what its threads have left is cancelled, */
void requests_cancel_left(struct process *p);
/* or goes with everything else. */
void requests_drop_left(struct process *p);

/* Tell of a request that was served at once, as arguments 1 to 3 and iosb say; st, or why it cannot be told. */
MUST_USE nt_status request_served(struct call *call, struct file *file, gva_t iosb, nt_status st,
                                  uint64_t done);

/* Append what it does: "reading from". */
void request_describe(const struct request *r, struct buf *out);

#endif
