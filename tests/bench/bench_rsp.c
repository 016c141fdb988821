/*
 * The protocol end to end, as a client sees it over loopback: single steps per second against an echo that
 * does nothing (and against gdbserver when it is installed), memory throughput, and how long it takes from exec to the
 * first stop reply. `bench_rsp [STEPS]`; one line per figure: name value unit. Rates are the best of several
 * rounds, with the compared ones taken in turn, so that a busy machine disturbs both alike.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS      5
#define STARTS      15
#define CODE_SIZE   (1u << 20)
#define CODE_BASE   "20000000"
#define CHUNK       0xf000u /* guest bytes per memory packet */
#define BUFFER_SIZE (256u << 10)

struct client {
    int fd;
    pid_t pid; /* who is at the other end; 0: nobody of ours */
    char *data;
    size_t len; /* bytes in data, of which the first `used` were handed out */
    size_t used;
    bool no_acks;
};

static void die(const char *what)
{
    fprintf(stderr, "bench_rsp: %s\n", what);
    exit(EXIT_FAILURE);
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static pid_t spawn(void)
{
    pid_t pid = fork();

    if (pid < 0)
        die("cannot fork");
    return pid;
}

/* ---- a client ------------------------------------------------------------------------------ */

static void send_all(int fd, const char *data, size_t len)
{
    while (len) {
        ssize_t put = write(fd, data, len);

        if (put <= 0)
            die("the connection broke while sending");
        data += put;
        len -= (size_t)put;
    }
}

static void send_packet(struct client *c, const char *body, size_t len)
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

/* The next whole packet, from its '$'; acknowledgements before it are dropped. */
static const char *receive_packet(struct client *c, size_t *len)
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

/* Send and wait for an answer that begins with one of `kinds`. */
static void ask(struct client *c, const char *body, size_t body_len, const char *kinds)
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
}

static void ask_text(struct client *c, const char *body, const char *kinds)
{
    ask(c, body, strlen(body), kinds);
}

static void stop_acks(struct client *c)
{
    ask_text(c, "QStartNoAckMode", "O");
    c->no_acks = true;
}

static struct client client_on(int fd, pid_t pid)
{
    struct client c = {.fd = fd, .pid = pid, .data = malloc(BUFFER_SIZE)};

    if (!c.data)
        die("out of memory");
    return c;
}

static void client_close(struct client *c)
{
    if (c->pid) {
        kill(c->pid, SIGKILL);
        waitpid(c->pid, NULL, 0);
    }
    close(c->fd);
    free(c->data);
}

static struct client client_connect(unsigned port, pid_t pid)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to))
        die("cannot connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return client_on(fd, pid);
}

/* ---- servers ------------------------------------------------------------------------------- */

/* Start a server that says its port on standard error as "...WORDS PORT...". */
static struct client server_start(char *const argv[], const char *words)
{
    char text[4096];
    size_t len = 0;
    int said[2];
    pid_t pid;

    if (pipe(said))
        die("no pipe");
    pid = spawn();
    if (!pid) {
        dup2(said[1], STDERR_FILENO);
        dup2(said[1], STDOUT_FILENO);
        execvp(argv[0], argv);
        _exit(127);
    }
    close(said[1]);
    for (;;) {
        ssize_t got = read(said[0], text + len, sizeof text - 1 - len);
        const char *at;

        if (got <= 0)
            die("the server did not say its port");
        len += (size_t)got;
        text[len] = 0;
        at = strstr(text, words);
        if (at && strchr(at, '\n')) /* the pipe stays open: the server may say more */
            return client_connect((unsigned)strtoul(at + strlen(words), NULL, 10), pid);
    }
}

static struct client winstub_start(char *file)
{
    char *argv[] = {TEST_BUILD "/winstub", "--gdb", "0", "--raw", "--arch", "x86-64", "--base",
                    "0x" CODE_BASE,        file,    NULL};
    struct client c = server_start(argv, "waiting for gdb on 127.0.0.1:");

    stop_acks(&c);
    ask_text(&c, "vCont?", "v");
    return c;
}

/* gdbserver with a program of this machine; false when it is not installed. */
static bool gdbserver_start(struct client *out)
{
    char *argv[] = {"gdbserver", "127.0.0.1:0", "/bin/true", NULL};

    if (system("command -v gdbserver >/dev/null"))
        return false;
    *out = server_start(argv, "Listening on port ");
    ask_text(out, "qSupported:swbreak+;hwbreak+;vContSupported+", "PS");
    stop_acks(out);
    ask_text(out, "?", "T");
    return true;
}

/* Answer each packet with the same bytes, without looking at it. */
static void echo_serve(int listener, const char *answer, size_t answer_len)
{
    int on = 1;
    int fd = accept(listener, NULL, NULL);
    struct client c = client_on(fd, 0);

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    for (;;) {
        size_t len;

        (void)receive_packet(&c, &len);
        send_packet(&c, answer, answer_len);
    }
}

static struct client echo_start(const char *answer, size_t answer_len)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t len = sizeof at;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    pid_t pid;

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (listener < 0 || bind(listener, (struct sockaddr *)&at, sizeof at) || listen(listener, 1) ||
        getsockname(listener, (struct sockaddr *)&at, &len))
        die("cannot listen");
    pid = spawn();
    if (!pid)
        echo_serve(listener, answer, answer_len);
    close(listener);
    return client_connect(ntohs(at.sin_port), pid);
}

/*
 * All on one CPU, the children too. Across CPUs a round trip takes four times as long or not, as the scheduler
 * pleases, and the ratios tell about that instead.
 */
static void pin_to_one_cpu(void)
{
    cpu_set_t one;
    int cpu = sched_getcpu();

    CPU_ZERO(&one);
    CPU_SET(cpu < 0 ? 0 : (size_t)cpu, &one);
    if (sched_setaffinity(0, sizeof one, &one))
        die("cannot stay on one CPU");
}

/* ---- what is measured ---------------------------------------------------------------------- */

static double step_rate(struct client *c, unsigned steps)
{
    double start = now();

    for (unsigned i = 0; i < steps; i++)
        ask_text(c, "vCont;s", "T");
    return steps / (now() - start);
}

static double best(double a, double b)
{
    return a > b ? a : b;
}

static void measure_steps(struct client *winstub, unsigned steps)
{
    struct client echo, gdbserver;
    bool has_gdbserver = gdbserver_start(&gdbserver);
    double rate[3] = {0, 0, 0};
    size_t len;
    const char *stop_reply;

    send_packet(winstub, "?", 1);
    stop_reply = receive_packet(winstub, &len);
    echo = echo_start(stop_reply + 1, len - 1);
    for (int i = 0; i < ROUNDS; i++) {
        rate[0] = best(rate[0], step_rate(&echo, steps));
        rate[1] = best(rate[1], step_rate(winstub, steps));
        if (has_gdbserver)
            rate[2] = best(rate[2], step_rate(&gdbserver, steps / 10));
    }
    printf("rsp_echo_round_trips %.0f /s\n", rate[0]);
    printf("rsp_step_round_trips %.0f /s\n", rate[1]);
    printf("rsp_step_to_echo %.3f ratio\n", rate[1] / rate[0]);
    if (has_gdbserver) {
        printf("rsp_gdbserver_step_round_trips %.0f /s\n", rate[2]);
        printf("rsp_step_to_gdbserver %.3f ratio\n", rate[1] / rate[2]);
        client_close(&gdbserver);
    }
    client_close(&echo);
}

static unsigned chunk_address(unsigned i)
{
    return (unsigned)strtoul(CODE_BASE, NULL, 16) + i % (CODE_SIZE / CHUNK) * CHUNK;
}

static double read_rate(struct client *c, unsigned packets)
{
    double start = now();
    char body[64];

    for (unsigned i = 0; i < packets; i++) {
        int len = snprintf(body, sizeof body, "m%x,%x", chunk_address(i), CHUNK);

        ask(c, body, (size_t)len, "0123456789abcdef");
    }
    return packets * (CHUNK / 1e6) / (now() - start);
}

static double write_rate(struct client *c, unsigned packets)
{
    char *body = malloc(CHUNK + 64);
    double start = now();

    if (!body)
        die("out of memory");
    for (unsigned i = 0; i < packets; i++) {
        int head = snprintf(body, 64, "X%x,%x:", chunk_address(i), CHUNK);

        for (unsigned k = 0; k < CHUNK; k++)
            body[(unsigned)head + k] = (char)('0' + k % 64); /* nothing that needs an escape */
        ask(c, body, (unsigned)head + CHUNK, "O");
    }
    free(body);
    return packets * (CHUNK / 1e6) / (now() - start);
}

static void measure_memory(struct client *winstub)
{
    double rate[2] = {0, 0};

    for (int i = 0; i < ROUNDS; i++) {
        rate[0] = best(rate[0], read_rate(winstub, 200));
        rate[1] = best(rate[1], write_rate(winstub, 200));
    }
    printf("rsp_m_throughput %.1f MB/s\n", rate[0]);
    printf("rsp_X_throughput %.1f MB/s\n", rate[1]);
}

/* From fork to the answer of '?', over pipes. */
static double start_time(void)
{
    int down[2];
    int up[2];
    struct client c;
    double start = now();
    size_t len;
    pid_t pid;

    if (pipe(down) || pipe(up))
        die("no pipe");
    pid = spawn();
    if (!pid) {
        dup2(down[0], STDIN_FILENO);
        dup2(up[1], STDOUT_FILENO);
        close(STDERR_FILENO);
        execl(TEST_BUILD "/winstub", "winstub", "--stdio", TEST_BUILD "/guests/debuggee64.exe",
              (char *)NULL);
        _exit(127);
    }
    close(down[0]);
    close(up[1]);
    c = client_on(up[0], pid);
    send_all(down[1], "$?#3f", 5);
    if (receive_packet(&c, &len)[1] != 'T')
        die("the first answer is no stop reply");
    start = now() - start;
    close(down[1]);
    client_close(&c);
    return start;
}

static void measure_start(void)
{
    double least = start_time();

    for (int i = 1; i < STARTS; i++) {
        double t = start_time();

        least = t < least ? t : least;
    }
    printf("rsp_exec_to_first_stop %.2f ms\n", least * 1e3);
}

/* inc rax; jmp back: something to step through for ever, in a file as long as the memory tests need. */
static void write_code(const char *path)
{
    static const unsigned char loop[] = {0x48, 0xff, 0xc0, 0xeb, 0xfb};
    FILE *file = fopen(path, "wb");

    if (!file || fwrite(loop, sizeof loop, 1, file) != 1)
        die("cannot write the code");
    for (unsigned i = sizeof loop; i < CODE_SIZE; i++)
        fputc((int)((i * 2654435761u) >> 24), file);
    if (fclose(file))
        die("cannot write the code");
}

int main(int argc, char **argv)
{
    unsigned steps = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 0) : 20000;
    char path[] = TEST_BUILD "/bench_rsp.code";
    struct client winstub;

    signal(SIGPIPE, SIG_IGN);
    pin_to_one_cpu();
    write_code(path);
    winstub = winstub_start(path);
    measure_steps(&winstub, steps);
    measure_memory(&winstub);
    client_close(&winstub);
    measure_start();
    remove(path);
    return 0;
}
