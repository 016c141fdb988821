/* Bounded little-endian reads and writes: the only place that knows the byte order. */
#include "winstub/bytes.h"

bool bytes_has(struct bytes b, uint64_t off, uint64_t len)
{
    return off <= b.len && len <= b.len - off;
}

struct bytes bytes_slice(struct bytes b, uint64_t off, uint64_t len)
{
    if (!bytes_has(b, off, len))
        return (struct bytes){0};
    return (struct bytes){b.data + off, (size_t)len};
}

uint16_t get_u16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

uint32_t get_u32(const uint8_t *p)
{
    return (uint32_t)get_u16(p) | (uint32_t)get_u16(p + 2) << 16;
}

uint64_t get_u64(const uint8_t *p)
{
    return (uint64_t)get_u32(p) | (uint64_t)get_u32(p + 4) << 32;
}

void put_u16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

void put_u32(uint8_t *p, uint32_t v)
{
    put_u16(p, (uint16_t)v);
    put_u16(p + 2, (uint16_t)(v >> 16));
}

void put_u64(uint8_t *p, uint64_t v)
{
    put_u32(p, (uint32_t)v);
    put_u32(p + 4, (uint32_t)(v >> 32));
}

bool bytes_u8(struct bytes b, uint64_t off, uint8_t *out)
{
    if (!bytes_has(b, off, 1))
        return false;
    *out = b.data[off];
    return true;
}

bool bytes_u16(struct bytes b, uint64_t off, uint16_t *out)
{
    if (!bytes_has(b, off, 2))
        return false;
    *out = get_u16(b.data + off);
    return true;
}

bool bytes_u32(struct bytes b, uint64_t off, uint32_t *out)
{
    if (!bytes_has(b, off, 4))
        return false;
    *out = get_u32(b.data + off);
    return true;
}

bool bytes_u64(struct bytes b, uint64_t off, uint64_t *out)
{
    if (!bytes_has(b, off, 8))
        return false;
    *out = get_u64(b.data + off);
    return true;
}
