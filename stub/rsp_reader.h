/*
 * A cursor over one packet body: two pointers and a sticky `bad`. Each read checks the end; the first
 * failure sticks, later reads return nothing, and rsp_end asks at the end whether all went well.
 */
#ifndef STUB_RSP_READER_H
#define STUB_RSP_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "winstub/bytes.h"

struct rsp_reader {
    const uint8_t *at;
    const uint8_t *end;
    bool bad;
};

/* Value of one hexadecimal digit, -1 when c is none. */
int rsp_digit(uint8_t c);

void rsp_reader_init(struct rsp_reader *r, const void *data, size_t len);
/* Bytes not read yet; 0 once bad. */
size_t rsp_left(const struct rsp_reader *r);
/* Mark the packet as malformed. Returns 0, so that "return rsp_fail(r)" reads well. */
int rsp_fail(struct rsp_reader *r);
/* All well, nothing left over? */
bool rsp_end(const struct rsp_reader *r);

/* The next byte must be c. */
void rsp_expect(struct rsp_reader *r, char c);
/* Skip the next byte, or the given text, if it is there; says whether it was. */
bool rsp_accept(struct rsp_reader *r, char c);
bool rsp_accept_text(struct rsp_reader *r, const char *text);

/* A number in hexadecimal: at least one digit, no overflow; ends at the first other byte. */
uint64_t rsp_hex_u64(struct rsp_reader *r);
uint32_t rsp_hex_u32(struct rsp_reader *r);
/* Exactly two digits. */
uint8_t rsp_hex_byte(struct rsp_reader *r);
/* Exactly len bytes as pairs of digits into dst. */
void rsp_hex_bytes(struct rsp_reader *r, void *dst, size_t len);
/* Exactly len raw bytes; empty when they are not there. */
struct bytes rsp_take(struct rsp_reader *r, size_t len);
/* What comes before the next `stop`, which is skipped; without a `stop` all that is left. */
struct bytes rsp_until(struct rsp_reader *r, char stop);

/* Is b this text? */
bool bytes_is_text(struct bytes b, const char *text);

#endif
