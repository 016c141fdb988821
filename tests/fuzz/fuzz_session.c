/*
 * A whole connection against the fake target: the input is what a client sends, in pieces of any size, the guest
 * runs when it wants to, and the client may vanish at any byte. Whatever came, all that goes out is well formed, and
 * the next client gets its answer. The first byte chooses the target and, with the second, how the rest is cut.
 */
#include <stdlib.h>
#include <string.h>

#include "fake_target.h"
#include "rsp_frame.h"
#include "winstub/stub.h"

#define CHECK(what)                                                                                \
    do {                                                                                           \
        if (!(what))                                                                               \
            abort();                                                                               \
    } while (0)

#define INPUT_MAX 0x10000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fixture {
    struct fake_target *target;
    struct stub *stub;
    struct rsp_frame *frame; /* for reading what the stub sends */
    uint32_t dice;
};

static uint32_t roll(struct fixture *x)
{
    x->dice = x->dice * 1664525u + 1013904223u;
    return x->dice >> 16;
}

/* Take what comes; how many packets it held. */
static unsigned drain(struct fixture *x)
{
    unsigned packets = 0;
    const uint8_t *out;
    size_t len;

    while (out = stub_output(x->stub, &len), len) {
        enum rsp_event event;
        size_t taken = rsp_frame_feed(x->frame, out, len, &event);

        stub_sent(x->stub, taken);
        CHECK(event != RSP_INTERRUPT);
        if (event != RSP_PACKET)
            continue;
        CHECK(x->frame->sum_ok && !x->frame->fault);
        packets++;
    }
    return packets;
}

/* An interrupt may come before the run that it is meant for, or while nothing runs. */
static void let_it_run(struct fixture *x)
{
    while (stub_wants_run(x->stub)) {
        if (roll(x) % 4 == 0)
            stub_feed(x->stub, "\x03", 1);
        stub_run(x->stub);
        (void)drain(x);
    }
}

static void play(struct fixture *x, const uint8_t *data, size_t size)
{
    while (size && stub_state(x->stub) == STUB_GOES_ON) {
        size_t len = roll(x) % 4 ? 1 + roll(x) % 512 : 1;

        if (len > size)
            len = size;
        stub_feed(x->stub, data, len);
        if (roll(x) % 8)
            (void)drain(x);
        let_it_run(x);
        data += len;
        size -= len;
    }
}

/* The client is gone; the next one must find the server as it should be. */
static void next_client(struct fixture *x)
{
    static const char hello[] = "+$qSupported:swbreak+#8b+$?#3f";

    stub_disconnect(x->stub);
    stub_connect(x->stub);
    rsp_frame_init(x->frame);
    stub_feed(x->stub, hello, sizeof hello - 1);
    let_it_run(x);
    CHECK(drain(x) >= 2);
    CHECK(stub_state(x->stub) == STUB_GOES_ON);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fixture x = {0};
    struct target target;

    if (size < 2 || size > INPUT_MAX)
        return 0;
    x.dice = data[0] + 256u * data[1];
    x.target = fake_target_new(data[0] & 1 ? TARGET_I386 : TARGET_AMD64);
    x.target->budget = 200;
    target = fake_target_ref(x.target);
    CHECK(!stub_new(&target, &x.stub));
    stub_set_launcher(x.stub, fake_launch, x.target);
    x.frame = malloc(sizeof *x.frame);
    CHECK(x.frame);
    rsp_frame_init(x.frame);
    play(&x, data + 2, size - 2);
    next_client(&x);
    stub_free(x.stub);
    fake_target_free(x.target);
    free(x.frame);
    return 0;
}
