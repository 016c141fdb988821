/* Sockets: where winstub listens and how bytes come and go. Loopback unless the user names another host. */
#include "net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "winstub/log.h"

#define DEFAULT_HOST "127.0.0.1"

/* Split "[HOST:]PORT"; false when it is not of that form. */
static bool split_spec(const char *spec, struct net_listener *out)
{
    const char *colon = strrchr(spec, ':');
    const char *digits = colon ? colon + 1 : spec;
    const char *host = colon && colon > spec ? spec : DEFAULT_HOST;
    size_t len = host == spec ? (size_t)(colon - spec) : sizeof DEFAULT_HOST - 1;
    unsigned port = 0;

    if (len > 2 && host[0] == '[' && host[len - 1] == ']') {
        host++;
        len -= 2;
    }
    if (len >= sizeof out->host || !*digits)
        return false;
    for (; *digits; digits++) {
        if (*digits < '0' || *digits > '9')
            return false;
        port = port * 10 + (unsigned)(*digits - '0');
        if (port > UINT16_MAX)
            return false;
    }
    memcpy(out->host, host, len);
    out->host[len] = 0;
    out->port = port;
    return true;
}

static bool is_loopback(const struct sockaddr *addr)
{
    if (addr->sa_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)(const void *)addr)->sin_addr.s_addr) >> 24 ==
               127;
    if (addr->sa_family == AF_INET6)
        return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)addr)->sin6_addr);
    return false;
}

static unsigned bound_port(int fd)
{
    struct sockaddr_storage addr;
    socklen_t len = sizeof addr;

    if (getsockname(fd, (struct sockaddr *)&addr, &len))
        return 0;
    if (addr.ss_family == AF_INET6)
        return ntohs(((struct sockaddr_in6 *)(void *)&addr)->sin6_port);
    return ntohs(((struct sockaddr_in *)(void *)&addr)->sin_port);
}

/* A socket that listens at one address, or -1 with errno set. */
static int listen_at(const struct addrinfo *at)
{
    int on = 1;
    int fd = socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, at->ai_protocol);

    if (fd < 0)
        return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, at->ai_addr, at->ai_addrlen) || listen(fd, 4)) {
        int saved = errno;

        (void)close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

static enum err listen_failed(const struct net_listener *l, struct diag *why)
{
    if (errno == EADDRINUSE)
        return diag_set(
            why, ERR_EXISTS,
            "port %u on %s is taken; choose another with --gdb PORT, or let the system pick "
            "one with --gdb 0",
            l->port, l->host);
    return diag_set(why, ERR_IO, "cannot listen on %s port %u: %s", l->host, l->port,
                    strerror(errno));
}

enum err net_listen(const char *spec, struct net_listener *out, struct diag *why)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *at;
    char port[8];
    int fail;

    out->fd = -1;
    if (!split_spec(spec, out))
        return diag_set(why, ERR_FORMAT, "'%s' is no [HOST:]PORT with a port from 0 to 65535",
                        spec);
    (void)snprintf(port, sizeof port, "%u", out->port);
    fail = getaddrinfo(out->host, port, &hints, &at);
    if (fail)
        return diag_set(why, ERR_IO, "no address for host '%s': %s", out->host, gai_strerror(fail));
    out->loopback = is_loopback(at->ai_addr);
    out->fd = listen_at(at);
    freeaddrinfo(at);
    if (out->fd < 0)
        return listen_failed(out, why);
    out->port = bound_port(out->fd);
    return ERR_OK;
}

void net_close(int fd)
{
    if (fd >= 0)
        (void)close(fd);
}

int net_accept(const struct net_listener *listener)
{
    int on = 1;
    int fd;

    do {
        fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC);
    } while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
    if (fd >= 0)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

void net_refuse(const struct net_listener *listener)
{
    while (net_readable(listener->fd)) {
        int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC);

        if (fd < 0)
            return;
        LOG(net, "a second client was refused");
        (void)close(fd);
    }
}

bool net_readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    return poll(&p, 1, 0) > 0;
}

/* A pipe that is writable takes PIPE_BUF bytes, which is NET_LITTLE on Linux; a socket takes more. */
bool net_writable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};

    return poll(&p, 1, 0) > 0;
}

unsigned net_wait(int fd, int other)
{
    struct pollfd p[2] = {{.fd = fd, .events = POLLIN}, {.fd = other, .events = POLLIN}};

    (void)poll(p, 2, -1);
    return (p[0].revents ? 1u : 0) | (p[1].revents ? 2u : 0);
}

unsigned net_wait_to_send(int fd, int other)
{
    struct pollfd p[2] = {{.fd = fd, .events = POLLOUT}, {.fd = other, .events = POLLIN}};

    (void)poll(p, 2, -1);
    return (p[0].revents ? 1u : 0) | (p[1].revents ? 2u : 0);
}

size_t net_receive(int fd, void *data, size_t len)
{
    ssize_t got;

    do {
        got = read(fd, data, len < SSIZE_MAX ? len : SSIZE_MAX);
    } while (got < 0 && errno == EINTR);
    return got > 0 ? (size_t)got : 0;
}

bool net_receive_now(int fd, void *data, size_t len, size_t *got)
{
    ssize_t n = recv(fd, data, len, MSG_DONTWAIT);

    *got = n > 0 ? (size_t)n : 0;
    return n >= 0 || (errno != EAGAIN && errno != EINTR && errno != ENOTSOCK);
}

bool net_send(int fd, const void *data, size_t len)
{
    const uint8_t *at = data;

    while (len) {
        ssize_t put = write(fd, at, len);

        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return false;
        at += put;
        len -= (size_t)put;
    }
    return true;
}

bool net_send_now(int fd, const void *data, size_t len, size_t *put)
{
    ssize_t n = send(fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (n < 0 && errno == ENOTSOCK) {
        *put = len;
        return net_send(fd, data, len);
    }
    *put = n > 0 ? (size_t)n : 0;
    return n >= 0 || errno == EAGAIN || errno == EINTR;
}
