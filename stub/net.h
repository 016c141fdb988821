/* Sockets and pipes: listen, accept, send, receive. Knows no protocol. */
#ifndef STUB_NET_H
#define STUB_NET_H

#include <stdbool.h>
#include <stddef.h>

#include "winstub/err.h"

struct net_listener {
    int fd; /* -1: none */
    char host[64];
    unsigned port;
    bool loopback;
};

/*
 * Listen on "[HOST:]PORT" (HOST defaults to 127.0.0.1, an IPv6 address stands in brackets, PORT 0 lets the
 * system pick). out->port is the port in use.
 * ERR_FORMAT  not of that form; ERR_EXISTS  the port is taken; ERR_IO  anything else. why says what to do.
 */
MUST_USE enum err net_listen(const char *spec, struct net_listener *out, struct diag *why);
void net_close(int fd); /* takes -1 */

/* Wait for a client; -1 when the listener is broken. */
int net_accept(const struct net_listener *listener);
/* Turn away whoever is waiting to connect. Does not block. */
void net_refuse(const struct net_listener *listener);

/* Is there something to read (or an end of stream) on fd right now? */
bool net_readable(int fd);
/* Would sending a little on fd (up to NET_LITTLE bytes) not have to wait? */
#define NET_LITTLE 4096
bool net_writable(int fd);
/* Wait until fd or, when it is not -1, other is readable: 1 for fd, 2 for other, 3 for both. */
unsigned net_wait(int fd, int other);

/* The same until fd takes bytes. */
unsigned net_wait_to_send(int fd, int other);

/* Bytes received; 0 at the end of the stream or when the connection broke. */
size_t net_receive(int fd, void *data, size_t len);
/*
 * The same without waiting, and in one call of the system where readable and receive are two; *got as above. False when
 * nothing is there yet, and always for what is no socket.
 */
bool net_receive_now(int fd, void *data, size_t len, size_t *got);
/* Send everything; false when the connection broke. */
bool net_send(int fd, const void *data, size_t len);
/* Send what is taken without waiting, *put bytes; all of it to what is no socket. False when the connection broke. */
bool net_send_now(int fd, const void *data, size_t len, size_t *put);

#endif
