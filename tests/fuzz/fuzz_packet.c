/*
 * One packet against the fake target: exactly one answer comes, all frames are well formed, and the session
 * goes on. The first byte of the input chooses what was negotiated and the state of the guest.
 */
#include <stdlib.h>
#include <string.h>

#include "fake_target.h"
#include "reply.h"
#include "rsp_frame.h"
#include "winstub/stub.h"

#define CHECK(what)                                                                                \
    do {                                                                                           \
        if (!(what))                                                                               \
            abort();                                                                               \
    } while (0)

enum choice {
    CHOICE_GDB = 1 << 0,           /* multiprocess, swbreak, hwbreak */
    CHOICE_ERROR_MESSAGE = 1 << 1, /* errors are sentences */
    CHOICE_LLDB = 1 << 2,
    CHOICE_I386 = 1 << 3,
    CHOICE_EXITED = 1 << 4,
    CHOICE_FAULT = 1 << 5, /* stopped at an exception */
    CHOICE_BARE = 1 << 6,  /* a target without optional ops */
    CHOICE_NO_ACK = 1 << 7,
};

struct fixture {
    struct fake_target *target;
    struct stub *stub;
    struct rsp_frame *frame; /* for reading what the stub sends */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void send_packet(struct fixture *x, const uint8_t *body, size_t len)
{
    static uint8_t escaped[2 * STUB_PACKET_MAX];
    struct reply out;
    struct buf frame;

    reply_init(&out, escaped, sizeof escaped, false);
    CHECK(reply_binary(&out, (struct bytes){body, len}) == len);
    buf_init(&frame, sizeof escaped + 4);
    CHECK(rsp_frame_encode(&frame, out.data, out.len));
    stub_feed(x->stub, frame.data, frame.len);
    buf_fini(&frame);
    while (stub_wants_run(x->stub))
        stub_run(x->stub);
}

/* Acknowledge and count what comes back: answers, without console output. */
static unsigned count_answers(struct fixture *x)
{
    unsigned answers = 0;
    const uint8_t *out;
    size_t len;

    while (out = stub_output(x->stub, &len), len) {
        enum rsp_event event;
        size_t taken = rsp_frame_feed(x->frame, out, len, &event);

        stub_sent(x->stub, taken);
        CHECK(event != RSP_NAK && event != RSP_INTERRUPT);
        if (event != RSP_PACKET)
            continue;
        CHECK(x->frame->sum_ok && !x->frame->fault);
        stub_feed(x->stub, "+", 1);
        if (x->frame->len < 2 || x->frame->body[0] != 'O' || x->frame->body[1] == 'K')
            answers++;
    }
    return answers;
}

static void exchange(struct fixture *x, const char *text)
{
    send_packet(x, (const uint8_t *)text, strlen(text));
    CHECK(count_answers(x) == 1);
}

static void take_ops_away(struct fake_target *f)
{
    f->ops.read = NULL;
    f->ops.write = NULL;
    f->ops.region = NULL;
    f->ops.file_open = NULL;
    f->ops.file_remove = NULL;
    f->ops.memory = NULL;
    f->ops.handle = NULL;
    f->ops.regs = NULL;
    f->ops.library = NULL;
    f->ops.points = NULL;
    f->ops.point_agent = NULL;
    f->ops.kill = NULL;
    f->program_path = "";
}

static void set_up(struct fixture *x, unsigned choice)
{
    struct target target;

    x->target = fake_target_new(choice & CHOICE_I386 ? TARGET_I386 : TARGET_AMD64);
    x->target->budget = 1000;
    if (choice & CHOICE_BARE)
        take_ops_away(x->target);
    target = fake_target_ref(x->target);
    CHECK(!stub_new(&target, &x->stub));
    stub_set_launcher(x->stub, fake_launch, x->target);
    x->frame = malloc(sizeof *x->frame);
    CHECK(x->frame);
    rsp_frame_init(x->frame);
    if (choice & CHOICE_NO_ACK)
        exchange(x, "QStartNoAckMode");
    if (choice & CHOICE_LLDB)
        exchange(x, "qSupported:xmlRegisters=i386,arm,mips,arc;multiprocess+");
    else if (choice & CHOICE_GDB)
        exchange(x, "qSupported:multiprocess+;swbreak+;hwbreak+");
    else if (choice & CHOICE_ERROR_MESSAGE)
        exchange(x, "qSupported:error-message+");
    fake_target_poke(x->target, FAKE_CODE,
                     choice & CHOICE_EXITED  ? "\xc3"
                     : choice & CHOICE_FAULT ? "\xa0"
                                             : "\x90",
                     1);
    if (choice & (CHOICE_EXITED | CHOICE_FAULT))
        exchange(x, "c");
}

static void tear_down(struct fixture *x)
{
    stub_free(x->stub);
    fake_target_free(x->target);
    free(x->frame);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fixture x;
    unsigned answers;

    if (!size || size > STUB_PACKET_MAX / 2)
        return 0;
    set_up(&x, data[0]);
    send_packet(&x, data + 1, size - 1);
    answers = count_answers(&x);
    if (stub_state(x.stub) == STUB_KILLED)
        CHECK(answers <= 1); /* k has no answer */
    else
        CHECK(answers == 1);
    if (stub_state(x.stub) == STUB_GOES_ON)
        exchange(&x, "?");
    tear_down(&x);
    return 0;
}
