/* The packet table, its lookup, and the one place that answers. */
#ifndef STUB_PACKETS_H
#define STUB_PACKETS_H

#include "reply.h"
#include "rsp_frame.h"
#include "rsp_reader.h"
#include "session.h"

enum packet_match { P_EXACT, P_PREFIX };

enum packet_when {
    WHEN_STOPPED, /* the process lives, and is stopped; once it has ended the answer is an error */
    WHEN_ANY,     /* also when the process has ended */
};

/* in starts behind the name; out is empty. */
typedef enum verdict (*packet_handler)(struct stub *s, struct rsp_reader *in, struct reply *out);

struct packet {
    const char *name;
    enum packet_match match;
    packet_handler handler;
    enum packet_when allowed;
    bool (*has)(const struct stub *s); /* can this target do it? NULL: every target can */
    const char *supported;             /* its words in the qSupported answer, or NULL */
};

/* Row i of the table; NULL behind the last one. */
const struct packet *packets_row(size_t i);
/* The row that answers this body: the longest name that matches; NULL when none does. */
const struct packet *packets_find(const uint8_t *body, size_t len);
/* Can the target do what the row needs, and is it not disabled? */
bool packets_has(const struct stub *s, const struct packet *p);
/* Take the rows with that name away: a packet, or what it begins with up to a punctuation mark. False: there is none. */
bool packets_disable(struct stub *s, const char *name);

/* Queue what there is to say, as O packets. */
void packets_say(struct stub *s);
/* Handle one packet and queue its answer. */
void packets_answer(struct stub *s, const uint8_t *body, size_t len);
/* The answer to a packet that cannot be read. */
void packets_refuse(struct stub *s, enum rsp_errno code);
/* The answer to the packet that resumed the guest, which has stopped. */
void packets_answer_stop(struct stub *s);

#endif
