/* A client of a stub over the fake target, for tests: ask, and get the answer's body. */
#ifndef SUPPORT_STUB_CLIENT_H
#define SUPPORT_STUB_CLIENT_H

#include "fake_target.h"
#include "rsp_frame.h"
#include "winstub/stub.h"

struct stub_client {
    struct fake_target *target;
    struct stub *stub;
    struct rsp_frame frame; /* for what the stub sends */
    struct buf answer;      /* body of the last answer */
    struct buf console;     /* text of all O packets since the last question */
    unsigned answers;       /* answers to the last question */
    unsigned acks, naks;    /* since the last question */
};

/* All of these abort on host failure; no-ack mode is off, every frame is acknowledged. */
struct stub_client *stub_client_new(enum target_arch arch);
/* Over a target that the caller has; it stays the caller's. */
struct stub_client *stub_client_over(const struct target *target);
void stub_client_free(struct stub_client *c);

/* Send raw bytes, let the guest run while it is resumed, and take in what comes back. */
void stub_client_send(struct stub_client *c, const void *data, size_t len);
/* Send one packet and return the body of its answer, "" also when there was none. */
const char *stub_client_ask(struct stub_client *c, const char *body);
const char *stub_client_ask_bytes(struct stub_client *c, const void *body, size_t len);
/* Take in what the stub has to say, without running. */
void stub_client_receive(struct stub_client *c);

#endif
