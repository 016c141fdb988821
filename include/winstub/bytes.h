/*
 * Little-endian numbers at offsets of untrusted bytes. Each read checks its bounds; no read touches
 * memory outside [data, data + len). Offsets may be any 64-bit number: sums cannot wrap.
 */
#ifndef WINSTUB_BYTES_H
#define WINSTUB_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A view of bytes that somebody else owns. */
struct bytes {
    const uint8_t *data;
    size_t len;
};

/* Does [off, off + len) lie inside b? */
bool bytes_has(struct bytes b, uint64_t off, uint64_t len);

/* Read the number at off; false (and *out untouched) when it does not lie inside b. */
bool bytes_u8(struct bytes b, uint64_t off, uint8_t *out);
bool bytes_u16(struct bytes b, uint64_t off, uint16_t *out);
bool bytes_u32(struct bytes b, uint64_t off, uint32_t *out);
bool bytes_u64(struct bytes b, uint64_t off, uint64_t *out);

/* [off, off + len) of b; empty with data NULL when it does not lie inside. */
struct bytes bytes_slice(struct bytes b, uint64_t off, uint64_t len);

/* CRC-32 (IEEE 802.3, as zlib's) of all of b. */
uint32_t crc32_of(struct bytes b);

/* Store a number, little-endian, at p, which has room for it. */
void put_u16(uint8_t *p, uint16_t v);
void put_u32(uint8_t *p, uint32_t v);
void put_u64(uint8_t *p, uint64_t v);

/* Load a number, little-endian, from p, which holds that many bytes. */
uint16_t get_u16(const uint8_t *p);
uint32_t get_u32(const uint8_t *p);
uint64_t get_u64(const uint8_t *p);

#endif
