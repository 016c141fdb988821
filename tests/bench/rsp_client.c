/* The client of rsp_client.h. */
#include "rsp_client.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

_Noreturn void die(const char *what)
{
    fprintf(stderr, "bench_rsp: %s\n", what);
    exit(EXIT_FAILURE);
}

double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

pid_t spawn(void)
{
    pid_t pid = fork();

    if (pid < 0)
        die("cannot fork");
    return pid;
}

/* ---- a client ------------------------------------------------------------------------------ */

void send_all(int fd, const char *data, size_t len)
{
    while (len) {
        ssize_t put = write(fd, data, len);

        if (put <= 0)
            die("the connection broke while sending");
        data += put;
        len -= (size_t)put;
    }
}

void send_packet(struct client *c, const char *body, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    char *frame = malloc(len + 4);
    uint8_t sum = 0;

    if (!frame)
        die("out of memory");
    for (size_t i = 0; i < len; i++)
        sum = (uint8_t)(sum + (uint8_t)body[i]);
    frame[0] = '$';
    memcpy(frame + 1, body, len);
    frame[len + 1] = '#';
    frame[len + 2] = digits[sum >> 4];
    frame[len + 3] = digits[sum & 15];
    send_all(c->fd, frame, len + 4);
    free(frame);
}

const char *receive_packet(struct client *c, size_t *len)
{
    memmove(c->data, c->data + c->used, c->len - c->used);
    c->len -= c->used;
    c->used = 0;
    for (;;) {
        char *start = memchr(c->data, '$', c->len);
        char *end = start ? memchr(start, '#', c->len - (size_t)(start - c->data)) : NULL;
        ssize_t got;

        if (end && end + 2 < c->data + c->len) {
            c->used = (size_t)(end + 3 - c->data);
            *len = (size_t)(end - start);
            return start;
        }
        if (c->len == BUFFER_SIZE)
            die("a packet is too long");
        got = read(c->fd, c->data + c->len, BUFFER_SIZE - c->len);
        if (got <= 0)
            die("the connection broke while receiving");
        c->len += (size_t)got;
    }
}

size_t ask(struct client *c, const char *body, size_t body_len, const char *kinds)
{
    size_t len;
    const char *answer;

    send_packet(c, body, body_len);
    answer = receive_packet(c, &len);
    if (!c->no_acks)
        send_all(c->fd, "+", 1);
    if (len < 2 || !strchr(kinds, answer[1])) {
        fprintf(stderr, "bench_rsp: %.32s was answered %.*s\n", body, (int)(len < 64 ? len : 64),
                answer);
        exit(EXIT_FAILURE);
    }
    return len - 1;
}

void ask_text(struct client *c, const char *body, const char *kinds)
{
    ask(c, body, strlen(body), kinds);
}

void stop_acks(struct client *c)
{
    ask_text(c, "QStartNoAckMode", "O");
    c->no_acks = true;
}

struct client client_on(int fd, pid_t pid)
{
    struct client c = {.fd = fd, .pid = pid, .data = malloc(BUFFER_SIZE)};

    if (!c.data)
        die("out of memory");
    return c;
}

void client_close(struct client *c)
{
    if (c->pid) {
        kill(c->pid, SIGKILL);
        waitpid(c->pid, NULL, 0);
    }
    close(c->fd);
    free(c->data);
}

struct client client_connect(unsigned port, pid_t pid)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int on = 1;

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (int tries = 0; tries < 250; tries++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);

        if (fd < 0)
            break;
        if (!connect(fd, (struct sockaddr *)&to, sizeof to)) {
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            return client_on(fd, pid);
        }
        close(fd);
        usleep(20000);
    }
    die("cannot connect");
}
