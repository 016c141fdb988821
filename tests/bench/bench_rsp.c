/*
 * The protocol end to end, as a client sees it over loopback, beside gdbserver and QEMU's stub: single steps against an
 * echo that does nothing, memory reads against the loopback's own bulk rate, and how long it takes from exec to the first
 * stop reply. `bench_rsp [STEPS]`; one line per figure: name value unit, and whether a goal is met. What is compared
 * is measured in turn in each of several rounds; a ratio is the median of the rounds' ratios, so that a busy machine
 * disturbs both sides alike.
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <math.h>
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

#include "rsp_client.h"

#define ROUNDS    9
#define STARTS    15
#define CODE_SIZE (1u << 20)
#define CODE_BASE UINT64_C(0x20000000)
/* What the others run, linked where it is known, and how much of its code there is at least. */
#define NATIVE      TEST_BUILD "/bench_rsp.native"
#define NATIVE_CODE UINT64_C(0x401000)
#define NATIVE_SIZE 0x40000u
#define CHUNK                                                                                      \
    0xf000u /* guest bytes per packet of hex: nearly two digits each in a packet of 128 KiB */
#define BULK 0x20000u

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
    char base[32];
    char *argv[] = {TEST_BUILD "/winstub",
                    "--gdb",
                    "0",
                    "--raw",
                    "--arch",
                    "x86-64",
                    "--base",
                    base,
                    file,
                    NULL};
    struct client c;

    (void)snprintf(base, sizeof base, "%#" PRIx64, CODE_BASE);
    c = server_start(argv, "waiting for gdb on 127.0.0.1:");

    stop_acks(&c);
    ask_text(&c, "vCont?", "v");
    return c;
}

static bool is_installed(const char *program)
{
    char command[128];

    (void)snprintf(command, sizeof command, "command -v %s >/dev/null", program);
    return !system(command);
}

/* A program of this machine. */
static bool native_make(void)
{
    return !system("gcc -static -no-pie -o " NATIVE " " TEST_DIR "/bench/beside.c");
}

/* gdbserver with the native program; false when it is not installed. */
static bool gdbserver_start(struct client *out)
{
    char *argv[] = {"gdbserver", "127.0.0.1:0", NATIVE, NULL};

    if (!is_installed(argv[0]))
        return false;
    *out = server_start(argv, "Listening on port ");
    ask_text(out, "qSupported:swbreak+;hwbreak+;vContSupported+", "PS");
    stop_acks(out);
    ask_text(out, "?", "T");
    return true;
}

/* A port that nobody listens on. */
static unsigned free_port(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) ||
        getsockname(fd, (struct sockaddr *)&at, &len))
        die("no free port");
    close(fd);
    return ntohs(at.sin_port);
}

/* QEMU's user mode with the same program. It does not say when it listens, and knows no mode without acks. */
static bool qemu_start(struct client *out)
{
    unsigned port = free_port();
    char text[16];
    char *argv[] = {"qemu-x86_64", "-g", text, NATIVE, NULL};
    pid_t pid;

    if (!is_installed(argv[0]))
        return false;
    (void)snprintf(text, sizeof text, "%u", port);
    pid = spawn();
    if (!pid) {
        execvp(argv[0], argv);
        _exit(127);
    }
    *out = client_connect(port, pid);
    ask_text(out, "qSupported:swbreak+;hwbreak+;vContSupported+", "PS");
    ask_text(out, "?", "T");
    return true;
}

/* Answer each packet with the same bytes, without looking at it. */
static void echo_serve(int fd, const char *answer, size_t answer_len)
{
    struct client c = client_on(fd, 0);

    for (;;) {
        size_t len;

        (void)receive_packet(&c, &len);
        send_packet(&c, answer, answer_len);
    }
}

/* Send as much as the other end takes. */
static void bulk_serve(int fd, const char *data, size_t len)
{
    for (;;)
        send_all(fd, data, len);
}

/* A process that serves one client like this, over loopback. */
static struct client helper_start(void (*serve)(int fd, const char *data, size_t len),
                                  const char *data, size_t len)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t at_len = sizeof at;
    int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    pid_t pid;

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (listener < 0 || bind(listener, (struct sockaddr *)&at, sizeof at) || listen(listener, 1) ||
        getsockname(listener, (struct sockaddr *)&at, &at_len))
        die("cannot listen");
    pid = spawn();
    if (!pid) {
        int fd = accept(listener, NULL, NULL);

        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        serve(fd, data, len);
    }
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

/* What was measured of somebody, round by round. */
struct rates {
    double of[ROUNDS];
};

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(const struct rates *r)
{
    struct rates sorted = *r;

    qsort(sorted.of, ROUNDS, sizeof *sorted.of, by_size);
    return sorted.of[ROUNDS / 2];
}

/* The median of the ratios in each round; goal 0: there is none. */
static void print_ratio(const char *name, const struct rates *ours, const struct rates *theirs,
                        double goal)
{
    struct rates ratio;

    for (int i = 0; i < ROUNDS; i++)
        ratio.of[i] = ours->of[i] / theirs->of[i];
    printf("%s %.3g ratio", name, median(&ratio));
    if (goal > 0)
        printf(" (goal %g: %s)", goal, median(&ratio) >= goal ? "met" : "missed");
    printf("\n");
}

/* Everybody who is there, for one run. */
struct peers {
    struct client winstub, gdbserver, qemu;
    bool has_gdbserver, has_qemu;
};

static double step_rate(struct client *c, unsigned steps)
{
    double start = now();

    for (unsigned i = 0; i < steps; i++)
        ask_text(c, "vCont;s", "T");
    return steps / (now() - start);
}

static void measure_steps(struct peers *p, unsigned steps)
{
    struct rates echo_rate, ours, gdbserver, qemu;
    struct client echo;
    size_t len;
    const char *stop_reply;

    send_packet(&p->winstub, "?", 1);
    stop_reply = receive_packet(&p->winstub, &len);
    echo = helper_start(echo_serve, stop_reply + 1, len - 1);
    for (int i = 0; i < ROUNDS; i++) {
        echo_rate.of[i] = step_rate(&echo, steps);
        ours.of[i] = step_rate(&p->winstub, steps);
        gdbserver.of[i] = p->has_gdbserver ? step_rate(&p->gdbserver, steps / 10) : NAN;
        qemu.of[i] = p->has_qemu ? step_rate(&p->qemu, steps / 10) : NAN;
    }
    client_close(&echo);
    printf("rsp_echo_round_trips %.0f /s\n", median(&echo_rate));
    printf("rsp_step_round_trips %.0f /s\n", median(&ours));
    print_ratio("rsp_step_to_echo", &ours, &echo_rate, 0.85);
    if (p->has_gdbserver)
        print_ratio("rsp_gdbserver_step_to_echo", &gdbserver, &echo_rate, 0);
    if (p->has_qemu)
        print_ratio("rsp_qemu_step_to_echo", &qemu, &echo_rate, 0);
}

/* The guest's bytes in MB/s: `packets` reads of at most `chunk` bytes by this packet, m or x, from somewhere in size bytes. */
static double read_rate(struct client *c, char packet, uint64_t from, unsigned size, unsigned chunk,
                        unsigned packets)
{
    double start = now();
    size_t got = 0;

    for (unsigned i = 0; i < packets; i++) {
        char body[64];
        int len = snprintf(body, sizeof body, "%c%" PRIx64 ",%x", packet,
                           from + i % (size / chunk) * chunk, chunk);

        got += ask(c, body, (size_t)len, packet == 'x' ? "b" : "0123456789abcdef");
    }
    return (double)got / (packet == 'x' ? 1e6 : 2e6) / (now() - start);
}

/* Each with the largest request that its PacketSize allows: 0x47ff and 0x1000. */
static void measure_hex_reads(struct peers *p)
{
    struct rates ours, gdbserver, qemu;

    for (int i = 0; i < ROUNDS; i++) {
        ours.of[i] = read_rate(&p->winstub, 'm', CODE_BASE, CODE_SIZE, CHUNK, 400);
        gdbserver.of[i] = p->has_gdbserver
                              ? read_rate(&p->gdbserver, 'm', NATIVE_CODE, NATIVE_SIZE, 0x2300, 200)
                              : NAN;
        qemu.of[i] =
            p->has_qemu ? read_rate(&p->qemu, 'm', NATIVE_CODE, NATIVE_SIZE, 0x7f0, 400) : NAN;
    }
    printf("rsp_m_throughput %.1f MB/s\n", median(&ours));
    if (p->has_gdbserver) {
        printf("rsp_gdbserver_m_throughput %.1f MB/s\n", median(&gdbserver));
        print_ratio("rsp_m_to_gdbserver", &ours, &gdbserver, 10);
    }
    if (p->has_qemu) {
        printf("rsp_qemu_m_throughput %.1f MB/s\n", median(&qemu));
        print_ratio("rsp_m_to_qemu", &ours, &qemu, 0);
    }
}

/* MB/s of what is sent without being asked for. */
static double bulk_rate(struct client *c, size_t len)
{
    double start = now();
    size_t got = 0;

    while (got < len) {
        ssize_t n = read(c->fd, c->data, BUFFER_SIZE);

        if (n <= 0)
            die("the loopback broke");
        got += (size_t)n;
    }
    return (double)got / 1e6 / (now() - start);
}

static void measure_binary_reads(struct peers *p)
{
    char *data = calloc(1, BULK);
    struct rates ours, bulk;
    struct client stream;

    if (!data)
        die("out of memory");
    stream = helper_start(bulk_serve, data, BULK);
    for (int i = 0; i < ROUNDS; i++) {
        bulk.of[i] = bulk_rate(&stream, (size_t)512 * BULK);
        ours.of[i] = read_rate(&p->winstub, 'x', CODE_BASE, CODE_SIZE, BULK, 512);
    }
    client_close(&stream);
    free(data);
    printf("rsp_x_throughput %.1f MB/s\n", median(&ours));
    printf("rsp_loopback_bulk %.1f MB/s\n", median(&bulk));
    print_ratio("rsp_x_to_bulk", &ours, &bulk, 0.5);
}

static double write_rate(struct client *c, unsigned packets)
{
    char *body = malloc(CHUNK + 64);
    double start = now();

    if (!body)
        die("out of memory");
    for (unsigned i = 0; i < packets; i++) {
        int head = snprintf(body, 64,
                            "X%" PRIx64 ",%x:", CODE_BASE + i % (CODE_SIZE / CHUNK) * CHUNK, CHUNK);

        for (unsigned k = 0; k < CHUNK; k++)
            body[(unsigned)head + k] = (char)('0' + k % 64); /* nothing that needs an escape */
        ask(c, body, (unsigned)head + CHUNK, "O");
    }
    free(body);
    return packets * (CHUNK / 1e6) / (now() - start);
}

static void measure_writes(struct peers *p)
{
    struct rates ours;

    for (int i = 0; i < ROUNDS; i++)
        ours.of[i] = write_rate(&p->winstub, 200);
    printf("rsp_X_throughput %.1f MB/s\n", median(&ours));
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

static void measure_beside(char *path, unsigned steps)
{
    struct peers p = {.winstub = winstub_start(path)};

    bool native = native_make();

    p.has_gdbserver = native && gdbserver_start(&p.gdbserver);
    p.has_qemu = native && qemu_start(&p.qemu);
    measure_steps(&p, steps);
    measure_hex_reads(&p);
    measure_binary_reads(&p);
    measure_writes(&p);
    client_close(&p.winstub);
    if (p.has_gdbserver)
        client_close(&p.gdbserver);
    if (p.has_qemu)
        client_close(&p.qemu);
}

int main(int argc, char **argv)
{
    unsigned steps = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 0) : 10000;
    char path[] = TEST_BUILD "/bench_rsp.code";

    signal(SIGPIPE, SIG_IGN);
    pin_to_one_cpu();
    write_code(path);
    measure_beside(path, steps);
    measure_start();
    remove(path);
    remove(NATIVE);
    return 0;
}
