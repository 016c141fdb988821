/* A client of remote stubs over sockets, for benches: as fast as one can be that only looks at what it must. */
#ifndef BENCH_RSP_CLIENT_H
#define BENCH_RSP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define BUFFER_SIZE (512u << 10)

struct client {
    int fd;
    pid_t pid; /* who is at the other end; 0: nobody of ours */
    char *data;
    size_t len; /* bytes in data, of which the first `used` were handed out */
    size_t used;
    bool no_acks;
};

/* All of these end the bench when they fail. */
_Noreturn void die(const char *what);
pid_t spawn(void);
double now(void); /* seconds */

struct client client_on(int fd, pid_t pid);
/* Over loopback. Who listens there may still be starting: tried for five seconds. */
struct client client_connect(unsigned port, pid_t pid);
void client_close(struct client *c);

void send_all(int fd, const char *data, size_t len);
void send_packet(struct client *c, const char *body, size_t len);
/* The next whole packet, from its '$', with the length of that and the body; acknowledgements before it are dropped. */
const char *receive_packet(struct client *c, size_t *len);
/* Send and wait for an answer that begins with one of `kinds`; the length of its body. */
size_t ask(struct client *c, const char *body, size_t body_len, const char *kinds);
void ask_text(struct client *c, const char *body, const char *kinds);
void stop_acks(struct client *c);

#endif
