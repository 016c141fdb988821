/*
 * Pipes: names, their instances, the two ends of one and what has been written and not yet read. A name lives as long as one of its
 * server ends; anonymous pipes have none of their own. Ends are files (files.h), what waits at one are requests (requests.h). Follows
 * Microsoft's documentation of named pipes and of NtCreateNamedPipeFile; states and statuses as Wine's tests of pipes found them on Windows.
 */
#ifndef CORE_NT_PIPES_H
#define CORE_NT_PIPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "winstub/err.h"
#include "winstub/nt.h"

struct file;
struct machine;
struct request;

/* What all pipes of a machine may hold, in bytes. */
#define PIPES_BYTES_MAX (UINT64_C(256) << 20)
#define PIPES_FOLDER    "\\Device\\NamedPipe\\"

/* FILE_PIPE_*_STATE */
enum pipe_state { PIPE_DISCONNECTED = 1, PIPE_LISTENING, PIPE_CONNECTED, PIPE_CLOSING };
/* NamedPipeType and ReadMode; NamedPipeConfiguration: where data goes. */
enum { PIPE_BYTES, PIPE_MESSAGES };
enum { PIPE_INBOUND, PIPE_OUTBOUND, PIPE_DUPLEX };

/* What was written at once. */
struct pipe_message {
    struct pipe_message *next;
    struct request *writer; /* pending until there is room for it; NULL: has gone on */
    size_t size, taken;     /* bytes; taken: read already */
    uint8_t data[];
};

/* What the instances of a name have in common. */
struct pipe {
    struct pipes *pipes;
    struct pipe *next, **link; /* of the machine's names; link NULL: not listed (any more) */
    unsigned references;       /* ends */
    char *name;                /* UTF-8, below PIPES_FOLDER; "": anonymous */
    uint32_t type, configuration;
    uint32_t most, count;     /* server ends */
    uint64_t timeout;         /* LARGE_INTEGER: how long to wait for one, by default */
    struct pipe_end *servers; /* oldest first */
};

struct pipe_end {
    struct pipe *pipe; /* referenced */
    struct file *file; /* that it is; NULL: closed */
    struct pipe_end *peer;
    struct pipe_end *next_server;
    bool server;
    enum pipe_state state;
    uint32_t read_mode;
    bool at_once;               /* FILE_PIPE_COMPLETE_OPERATION: nothing is waited for */
    uint32_t inbound, outbound; /* bytes that may lie unread on their way to and from the server */
    struct pipe_message *first,
        **last;                 /* that this end is to read; last: where the next one goes */
    uint32_t messages, writers; /* how many; how many with a writer */
    uint64_t unread;            /* bytes */
};

struct pipe_wait; /* somebody waits for an instance */

struct pipes {
    struct pipe *names;
    struct pipe_wait *waits;
    uint64_t bytes; /* that all messages take */
};

/* ---- pipes.c: names and ends ------------------------------------------------------------------ */

/* NtCreateNamedPipeFile's arguments. */
struct pipe_request {
    uint32_t access, share, disposition, options;
    uint32_t type, read_mode, completion_mode, most, inbound, outbound;
    bool has_timeout;
    uint64_t timeout;
};

/*
 * Make a server end; name "": of an anonymous pipe. *out has one reference, *how is FILE_WAS_CREATED for the first of its name.
 * STATUS_INVALID_PARAMETER, STATUS_OBJECT_NAME_NOT_FOUND, STATUS_INSTANCE_NOT_AVAILABLE, STATUS_ACCESS_DENIED, STATUS_NO_MEMORY
 */
MUST_USE nt_status pipes_create(struct pipes *pipes, const char *name,
                                const struct pipe_request *request, struct file **out,
                                uint32_t *how);
/* A listening server end of that name. STATUS_OBJECT_NAME_NOT_FOUND, STATUS_PIPE_NOT_AVAILABLE */
MUST_USE nt_status pipes_find(const struct pipes *pipes, const char *name, struct pipe_end **out);
/*
 * Connect a client end to that server end. *out has one reference. STATUS_PIPE_NOT_AVAILABLE (it does not listen),
 * STATUS_ACCESS_DENIED, STATUS_NO_MEMORY
 */
MUST_USE nt_status pipe_connect(struct pipe_end *server, uint32_t access, uint32_t options,
                                struct file **out);
/* The end's last handle is closed: what waits at either end, and can end no other way, ends. */
void pipe_close(struct pipe_end *end);
void pipe_free(struct pipe_end *end); /* takes NULL */

/* Wait for a client: end the request or keep it. */
void pipe_listen(struct pipe_end *end, struct request *r);
/* STATUS_ILLEGAL_FUNCTION (a client), STATUS_PIPE_LISTENING, STATUS_PIPE_DISCONNECTED */
MUST_USE nt_status pipe_disconnect(struct pipe_end *end);

/*
 * Wait until a server end of that name listens, timeout (LARGE_INTEGER; has_timeout false: the pipe's own) long at most: end
 * the request, with STATUS_IO_TIMEOUT for one, or keep it.
 */
void pipes_wait(struct pipes *pipes, struct request *r, const char *name, bool has_timeout,
                uint64_t timeout);
/* Time has come to `now`: end the waits that it ends. When to look again, or due, if that is earlier. */
uint64_t pipes_expire(struct machine *machine, uint64_t now, uint64_t due);

/* ---- pipe_data.c: reading and writing ---------------------------------------------------------- */

/* Each ends the request or keeps it. */
void pipe_read(struct pipe_end *end, struct request *r);
void pipe_write(struct pipe_end *end, struct request *r); /* r->buffer, r->size: what */
/* Write size bytes at guest address from as a message, and read the answer into the request's buffer. */
void pipe_transceive(struct pipe_end *end, struct request *r, uint64_t from, uint64_t size);
/* Wait until the other end has read everything. */
void pipe_flush(struct pipe_end *end, struct request *r);

/* Copy what is unread, room bytes at most, of a pipe of messages only from the first one; how many. */
size_t pipe_peek(const struct pipe_end *end, void *to, size_t room);
/* Unread bytes of the first message; 0: there is none. */
size_t pipe_next_size(const struct pipe_end *end);
/* Bytes that the end may write before the other one reads. */
uint64_t pipe_room(const struct pipe_end *end);

/* End what waits at the end, and drop what it has not read: its writers get the status too. */
void pipe_break(struct pipe_end *end, nt_status st);

#endif
