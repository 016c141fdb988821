/*
 * Pipes as a guest uses them, for tests: the services about them with their arguments in slots of the caller's memory (service_caller.h).
 */
#ifndef TESTS_PIPE_CALLER_H
#define TESTS_PIPE_CALLER_H

#include <stdbool.h>
#include <stdint.h>

#include "nt/pipes.h"
#include "service_caller.h"

/* Slots: what is read comes to IN, with its IO_STATUS_BLOCK in IOSB; that of a write is in IOSB2. INFO is the test's own. */
enum { NAME, TEXT, ATTRIBUTES, HANDLE, IOSB, IOSB2, IN, OUT, TIMEOUT, INFO = 12 };

enum {
    LISTEN = 0x110008,
    DISCONNECT = 0x110004,
    PEEK = 0x11400c,
    TRANSCEIVE = 0x11c017,
    WAIT = 0x110018,
};
#define BOTH      (SHARE_READ | SHARE_WRITE)
#define ALL       0x10000000u /* GENERIC_ALL */
#define UNTOUCHED 0x55555555u
#define QUOTA     16u /* of either way */

/* What NtCreateNamedPipeFile takes, apart from the name. */
struct server {
    uint64_t share, disposition, options, type, read_mode, completion_mode, most;
};
extern const struct server bytes, messages;

/* A caller without services so far; both end the test when something is left over. */
void pipes_begin(struct caller *c, enum cpu_arch arch);
void pipes_end(struct caller *c);

/* A server end of that name below that folder (0: of none). */
nt_status try_server(struct caller *c, uint64_t root, const char *name, const struct server *s,
                     uint64_t *out);
/* One of the pipe "one". */
uint64_t make_server(struct caller *c, const struct server *s);
/* NtOpenFile of whatever has that name. */
nt_status try_client(struct caller *c, uint64_t root, const char *name, uint64_t access,
                     uint64_t options, uint64_t *out);
/* A client of the pipe "one". */
uint64_t make_client(struct caller *c);
void close_handle(struct caller *c, uint64_t handle);
/* The IO_STATUS_BLOCK as nobody has written it. */
gva_t fresh_iosb(struct caller *c, unsigned slot);
nt_status write_told(struct caller *c, uint64_t handle, const char *text, uint64_t event,
                     uint64_t context);
nt_status write_text(struct caller *c, uint64_t handle, const char *text);
nt_status read_told(struct caller *c, uint64_t handle, uint64_t size, uint64_t event,
                    uint64_t context);
nt_status read_some(struct caller *c, uint64_t handle, uint64_t size);
/* What has been read, as the IO_STATUS_BLOCK says. */
void expect_read(struct caller *c, const char *text, nt_status status);
/* A control code without input and output. */
nt_status control(struct caller *c, uint64_t handle, uint32_t code);
void expect_iosb(struct caller *c, unsigned slot, nt_status status, uint64_t information);
uint64_t make_event(struct caller *c);
bool is_signaled(struct caller *c, uint64_t handle);
struct pipe_end *end_of(struct caller *c, uint64_t handle);

#endif
