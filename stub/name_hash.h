/*
 * The hashes by which code without imports looks up modules and functions. All have 32 bits and take a byte at a time, so one
 * can go on where another text ended. What is hashed (case, width, the end of the text) is the caller's.
 */
#ifndef STUB_NAME_HASH_H
#define STUB_NAME_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "winstub/bytes.h"

enum name_hash_kind {
    HASH_ROTATE_ADD, /* rotated right by factor bits before each byte is added */
    HASH_ADD_ROTATE,
    HASH_ROTATE_XOR,
    HASH_XOR_ROTATE,
    HASH_MULTIPLY_ADD, /* multiplied by factor before each byte is added */
    HASH_MULTIPLY_XOR,
    HASH_XOR_MULTIPLY,
    HASH_CRC, /* factor is the polynomial, reflected */
};

struct name_hash {
    enum name_hash_kind kind;
    uint32_t factor;
    uint32_t start; /* the state before the first byte */
    uint32_t last;  /* what the state is XORed with behind the last one */
};

#define NAME_HASH_COUNT 134u
#define NAME_HASH_WORDS 32u /* of a description, its end included */

/* Algorithm i, below NAME_HASH_COUNT, and its description: "ror 13, add", "FNV-1a". */
struct name_hash name_hash_at(size_t i);
void name_hash_describe(size_t i, char out[NAME_HASH_WORDS]);
/* The state after text; the value is the state ^ last. */
uint32_t name_hash_feed(const struct name_hash *hash, uint32_t state, struct bytes text);

#endif
