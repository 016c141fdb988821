/* Eight bytes of a packet at a time, as numbers whose lowest byte comes first: what is sent by the megabyte is made of these. */
#ifndef STUB_WORDS_H
#define STUB_WORDS_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

#define EACH_BYTE UINT64_C(0x0101010101010101)

static inline uint64_t word_load(const uint8_t *at)
{
    uint64_t word;

    memcpy(&word, at, sizeof word);
    return le64toh(word);
}

static inline void word_store(uint8_t *at, uint64_t word)
{
    word = htole64(word);
    memcpy(at, &word, sizeof word);
}

#endif
