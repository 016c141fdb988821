/*
 * A whole connection to a whole process: the input is what a client sends, in pieces of any size, to the stub over a real
 * target: 64-bit or 32-bit code, a program in bare mode, or one with threads, exceptions and services on the smallest ntdll.
 * Pieces come while the guest stands and while it runs, the client may vanish at any byte, and the next one must find
 * the guest. The first byte chooses the process, the second what the client is told; the next two, and nothing else,
 * decide about pieces and interrupts. Checksums of packets are mended, so that a mutated packet is still one.
 *
 * The guest runs as long as it may by counted time: the linker leads process_schedule through here (see the Makefile).
 */
#include <stdlib.h>
#include <string.h>

#include "rsp_frame.h"
#include "winstub/log.h"
#include "winstub/process.h"
#include "winstub/run.h"
#include "winstub/stub.h"

#define CHECK(what)                                                                                \
    do {                                                                                           \
        if (!(what))                                                                               \
            abort();                                                                               \
    } while (0)

#define GUESTS    TEST_BUILD "/guests"
#define HEADER    4u
#define INPUT_MAX 0x4000u
/* How far the guest comes before a run is interrupted, and in the whole session: in turns and in counted work, of which a slice has 4,000,000. */
#define TURNS_AT_ONCE 60u
#define TURNS         150u
#define WORK_AT_ONCE  6000000u
#define WORK          24000000u
#define LONGEST_WATCH (1u << 22)
#define STARTS_MAX    4u /* processes that a session may have */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct session {
    struct process *process;
    struct target real;   /* of the process */
    struct target target; /* what the stub sees: the same, without the host's files */
    struct target_ops ops;
    struct stub *stub;
    struct rsp_frame *frame; /* for reading what the stub sends */
    const uint8_t *data;     /* what is still to be sent */
    size_t size;
    uint8_t kind;
    uint32_t dice;
    unsigned starts, turns;
    uint64_t work;         /* done in runs that are over */
    unsigned turns_before; /* at the beginning of this run */
    uint64_t work_before;
    bool runs;  /* the guest does */
    bool alone; /* it runs for nobody */
    bool gone;  /* the client is */
};

/* The one that is played, for those who are called without it. */
static struct session *playing;

static uint32_t roll(struct session *s)
{
    s->dice = s->dice * 1664525u + 1013904223u;
    return s->dice >> 16;
}

/* ---- The process ------------------------------------------------------------------------------ */

/* A client may have coverage saved in files of the host's. */
static enum err no_file(void *ctx, const char *file, struct diag *why)
{
    (void)ctx;
    (void)file;
    return diag_set(why, ERR_IO, "there is no disk");
}

static enum err coverage_without_file(void *ctx, bool on, const char *at_end, struct diag *why)
{
    (void)at_end;
    return playing->real.ops->coverage(ctx, on, NULL, why);
}

/* Watches of gigabytes take up to a second each: with many of them an input would only be slow. */
static enum err point(void *ctx, enum point_kind kind, gva_t addr, size_t len, bool on)
{
    if (len > LONGEST_WATCH)
        return ERR_RANGE;
    return playing->real.ops->point(ctx, kind, addr, len, on);
}

static enum err catch_add(void *ctx, const struct target_catch *what, unsigned *id,
                          struct diag *why)
{
    if (what->kind == CATCH_WATCH && what->len > LONGEST_WATCH)
        return diag_set(why, ERR_RANGE, "this is too long for a fuzzer");
    return playing->real.ops->catch_add(ctx, what, id, why);
}

/* Only now may a client send, not while a process is made ready for it. */
static enum err run(void *ctx, struct target_stop *why)
{
    struct cpu *cpu = process_cpu(playing->process);
    enum err e;

    playing->turns_before = playing->turns;
    playing->work_before = cpu_work(cpu);
    playing->runs = true;
    e = playing->real.ops->run(ctx, why);
    playing->runs = false;
    playing->work += cpu_work(cpu) - playing->work_before;
    return e;
}

static struct process_options choose(const struct session *s)
{
    static const int streams[3] = {-1, -1, -1};
    static const char *const programs[2][4] = {
        {"/shell_peb32.bin", "/imports32.exe", "/small/crew32.exe", "/small/crew32.exe"},
        {"/shell_peb64.bin", "/imports64.exe", "/small/crew64.exe", "/small/crew64.exe"}};
    static char path[sizeof GUESTS + 32];
    static const char *argv[] = {"C:\\program.exe", "argument"};
    unsigned which = s->kind >> 1 & 3;
    struct process_options o = {.path = path,
                                .argv = argv,
                                .argc = 2,
                                .raw = which == 0,
                                .arch = s->kind & 1 ? CPU_AMD64 : CPU_I386,
                                .root = which > 1 ? GUESTS "/small" : NULL,
                                .placement = s->starts,
                                .streams = streams};

    strcpy(path, GUESTS);
    strcat(path, programs[s->kind & 1][which]);
    return o;
}

/* A process that stands where its debugger first sees it. */
static enum err process_begin(struct session *s, struct process **process, struct target *target,
                              struct diag *why)
{
    struct process_options o = choose(s);
    struct target_stop stop;
    enum err e = process_new(&o, process, why);

    if (e)
        return e;
    CHECK(!target_init(target, *process));
    CHECK(!target_start(target, s->kind & 8 ? PLACE_LOADER : PLACE_ENTRY, &stop));
    return ERR_OK;
}

static void take_process(struct session *s, struct process *process, const struct target *target)
{
    s->process = process;
    s->real = *target;
    s->ops = *target->ops;
    s->ops.run = run;
    s->ops.point = point;
    s->ops.catch_add = catch_add;
    s->ops.coverage = coverage_without_file;
    s->ops.coverage_save = no_file;
    s->target = (struct target){&s->ops, target->ctx};
}

static void session_end(struct session *s)
{
    target_fini(&s->real);
    process_free(s->process);
}

/* stub_launcher */
static enum err start_anew(void *ctx, const struct stub_launch *what, struct target *out,
                           struct diag *why)
{
    struct session *s = ctx;
    struct process *process;
    struct target target;
    enum err e;

    (void)what;
    if (s->starts == STARTS_MAX)
        return diag_set(why, ERR_LIMIT, "enough");
    s->starts++;
    e = process_begin(s, &process, &target, why);
    if (e)
        return e;
    session_end(s);
    take_process(s, process, &target);
    *out = s->target;
    return ERR_OK;
}

/* ---- The client ------------------------------------------------------------------------------- */

/* Look at what the stub sent; how many packets it held. */
static unsigned receive(struct session *s, const uint8_t *out, size_t len)
{
    unsigned packets = 0;

    for (size_t at = 0; at < len;) {
        enum rsp_event event;

        at += rsp_frame_feed(s->frame, out + at, len - at, &event);
        CHECK(event != RSP_INTERRUPT);
        if (event != RSP_PACKET)
            continue;
        CHECK(s->frame->sum_ok && !s->frame->fault);
        packets++;
    }
    return packets;
}

static unsigned drain(struct session *s)
{
    unsigned packets = 0;
    const uint8_t *out;
    size_t len;

    while (out = stub_output(s->stub, &len), len) {
        packets += receive(s, out, len);
        stub_sent(s->stub, len);
    }
    return packets;
}

/* Send the next piece. */
static void send(struct session *s)
{
    size_t len = roll(s) % 4 ? 1 + roll(s) % 512 : 1 + roll(s) % 4;

    if (len > s->size)
        len = s->size;
    stub_feed(s->stub, s->data, len);
    s->data += len;
    s->size -= len;
}

enum process_turn __real_process_schedule(struct process *process);
enum process_turn __wrap_process_schedule(struct process *process);

/* A client sends, receives, interrupts, or goes. */
static void meanwhile(struct session *s)
{
    uint8_t piece[300];

    switch (roll(s) % 8) {
    case 0:
        if (s->size)
            send(s);
        break;
    case 1:
        (void)receive(s, piece, stub_take(s->stub, piece, sizeof piece));
        break;
    case 2:
        stub_feed(s->stub, "\x03", 1);
        break;
    case 3:
        s->gone = roll(s) % 16 == 0;
        break;
    default:
        break;
    }
}

/* Has it run for long enough? */
static bool is_tired(const struct session *s)
{
    uint64_t work = cpu_work(process_cpu(s->process)) - s->work_before;

    return s->turns >= TURNS || s->turns - s->turns_before >= TURNS_AT_ONCE ||
           s->work + work >= WORK || work >= WORK_AT_ONCE;
}

/* The guest runs. */
static void take_turn(struct session *s)
{
    if (!s->alone)
        meanwhile(s);
    s->turns++;
    if (s->gone || is_tired(s))
        s->real.ops->interrupt(s->real.ctx);
}

enum process_turn __wrap_process_schedule(struct process *process)
{
    if (playing && playing->runs)
        take_turn(playing);
    return __real_process_schedule(process);
}

/* An interrupt may come before the run that it is meant for, or while nothing runs. */
static void let_it_run(struct session *s)
{
    while (!s->gone && stub_wants_run(s->stub)) {
        if (roll(s) % 8 == 0)
            stub_feed(s->stub, "\x03", 1);
        stub_run(s->stub);
        (void)drain(s);
    }
}

/* It goes on without a client, for a little while. */
static void run_detached(struct session *s)
{
    struct target_action on = {.kind = ACTION_CONTINUE};
    struct target_stop why;

    s->alone = true;
    if (!s->ops.resume(s->target.ctx, &on, 1))
        (void)s->ops.run(s->target.ctx, &why);
    s->alone = false;
}

static void play(struct session *s)
{
    while (s->size && !s->gone && stub_state(s->stub) == STUB_GOES_ON) {
        send(s);
        if (roll(s) % 8)
            (void)drain(s);
        let_it_run(s);
        if (!s->gone && stub_left_alone(s->stub))
            run_detached(s);
    }
    if (stub_state(s->stub) == STUB_DETACHED)
        run_detached(s);
}

/* The program ends with the process, unless a client of extended mode may want another one. */
static bool server_ends(const struct session *s)
{
    struct target_stop last;

    s->ops.last_stop(s->target.ctx, &last);
    return !stub_extended(s->stub) &&
           (last.kind == STOP_EXIT || stub_state(s->stub) == STUB_KILLED);
}

/* The client is gone; the next one must find server and guest as they should be. */
static void next_client(struct session *s)
{
    static const char hello[] = "+$qSupported:swbreak+#8b+$?#3f";

    if (server_ends(s))
        return;
    stub_disconnect(s->stub);
    stub_connect(s->stub);
    rsp_frame_init(s->frame);
    s->gone = false;
    stub_feed(s->stub, hello, sizeof hello - 1);
    let_it_run(s);
    CHECK(drain(s) >= 2);
    CHECK(stub_state(s->stub) == STUB_GOES_ON);
}

/* ---- The input -------------------------------------------------------------------------------- */

/* Give each packet the checksum that it should have. */
static void mend(uint8_t *data, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t sum = 0;

    for (size_t i = 0; i + 2 < size; i++) {
        if (data[i] == '$') {
            sum = 0;
        } else if (data[i] == '#') {
            data[i + 1] = (uint8_t)digits[sum >> 4];
            data[i + 2] = (uint8_t)digits[sum & 15];
        } else {
            sum = (uint8_t)(sum + data[i]);
        }
    }
}

static void session_open(struct session *s, uint8_t told)
{
    struct process *process;
    struct target target;
    struct diag why;

    CHECK(!process_begin(s, &process, &target, &why));
    take_process(s, process, &target);
    CHECK(!stub_new(&s->target, &s->stub));
    stub_set_launcher(s->stub, start_anew, s);
    stub_set_map(s->stub, told % 3);
    stub_set_persona(s->stub, told / 3 % 3);
    stub_set_output(s->stub, told & 128);
    s->frame = malloc(sizeof *s->frame);
    CHECK(s->frame);
    rsp_frame_init(s->frame);
    stub_connect(s->stub);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct session s = {0};
    uint8_t *sent;

    if (size < HEADER || size > INPUT_MAX)
        return 0;
    sent = malloc(size - HEADER + 1);
    CHECK(sent);
    memcpy(sent, data + HEADER, size - HEADER);
    if (!(data[0] & 0x80))
        mend(sent, size - HEADER);
    s.kind = data[0];
    s.dice = data[2] + 256u * data[3];
    s.data = sent;
    s.size = size - HEADER;
    playing = &s;
    session_open(&s, data[1]);
    play(&s);
    next_client(&s);
    stub_free(s.stub);
    session_end(&s);
    playing = NULL;
    log_mask = 0; /* a client may have asked for it */
    free(s.frame);
    free(sent);
    return 0;
}
