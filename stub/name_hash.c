/*
 * The algorithms: rotations by every distance, as shellcode and loaders vary the first known one (ror 13), and those
 * that have a name. FNV: RFC 9923; CRC-32: IEEE 802.3; djb2, sdbm and BKDR by their usual constants.
 */
#include "name_hash.h"

#include <stdio.h>

#define DISTANCES 31u /* of a rotation: 1 to 31 */
#define ROTATIONS (4u * DISTANCES)

static const struct {
    const char *name;
    struct name_hash hash;
} named[] = {
    {"djb2", {HASH_MULTIPLY_ADD, 33, 5381, 0}},
    {"djb2, XOR", {HASH_MULTIPLY_XOR, 33, 5381, 0}},
    {"times 33, add", {HASH_MULTIPLY_ADD, 33, 0, 0}},
    {"times 31, add", {HASH_MULTIPLY_ADD, 31, 0, 0}},
    {"BKDR (times 131, add)", {HASH_MULTIPLY_ADD, 131, 0, 0}},
    {"sdbm (times 65599, add)", {HASH_MULTIPLY_ADD, 65599, 0, 0}},
    {"FNV-1", {HASH_MULTIPLY_XOR, 0x01000193, 0x811c9dc5, 0}},
    {"FNV-1a", {HASH_XOR_MULTIPLY, 0x01000193, 0x811c9dc5, 0}},
    {"CRC-32", {HASH_CRC, 0xedb88320, UINT32_MAX, UINT32_MAX}},
    {"CRC-32C", {HASH_CRC, 0x82f63b78, UINT32_MAX, UINT32_MAX}},
};

_Static_assert(ROTATIONS + sizeof named / sizeof *named == NAME_HASH_COUNT,
               "the count is the header's");

struct name_hash name_hash_at(size_t i)
{
    if (i >= ROTATIONS)
        return named[i - ROTATIONS].hash;
    return (struct name_hash){(enum name_hash_kind)(i / DISTANCES), (uint32_t)(i % DISTANCES) + 1,
                              0, 0};
}

void name_hash_describe(size_t i, char out[NAME_HASH_WORDS])
{
    static const char *const forms[] = {"ro%c %u, add", "add, ro%c %u", "ro%c %u, XOR",
                                        "XOR, ro%c %u"};
    struct name_hash hash = name_hash_at(i);
    bool right = hash.factor <= 16;

    if (i >= ROTATIONS)
        (void)snprintf(out, NAME_HASH_WORDS, "%s", named[i - ROTATIONS].name);
    else
        (void)snprintf(out, NAME_HASH_WORDS, forms[hash.kind], right ? 'r' : 'l',
                       right ? hash.factor : 32 - hash.factor);
}

static uint32_t rotate(uint32_t v, uint32_t right)
{
    return v >> right | v << (32 - right);
}

static uint32_t crc_step(uint32_t state, uint8_t byte, uint32_t polynomial)
{
    state ^= byte;
    for (int bit = 0; bit < 8; bit++)
        state = state >> 1 ^ (state & 1 ? polynomial : 0);
    return state;
}

static uint32_t step(const struct name_hash *hash, uint32_t state, uint8_t byte)
{
    switch (hash->kind) {
    case HASH_ROTATE_ADD:
        return rotate(state, hash->factor) + byte;
    case HASH_ADD_ROTATE:
        return rotate(state + byte, hash->factor);
    case HASH_ROTATE_XOR:
        return rotate(state, hash->factor) ^ byte;
    case HASH_XOR_ROTATE:
        return rotate(state ^ byte, hash->factor);
    case HASH_MULTIPLY_ADD:
        return state * hash->factor + byte;
    case HASH_MULTIPLY_XOR:
        return state * hash->factor ^ byte;
    case HASH_XOR_MULTIPLY:
        return (state ^ byte) * hash->factor;
    case HASH_CRC:
        break;
    }
    return crc_step(state, byte, hash->factor);
}

uint32_t name_hash_feed(const struct name_hash *hash, uint32_t state, struct bytes text)
{
    for (size_t i = 0; i < text.len; i++)
        state = step(hash, state, text.data[i]);
    return state;
}
