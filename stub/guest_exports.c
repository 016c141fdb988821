/* What modules export, see guest_exports.h. What is said of them is the caller's. */
#include "guest_exports.h"

#include <ctype.h>

#include "peek.h"

#define EXPORTS_MAX 0x10000u

/* Where the export directory is, by the headers in memory. */
static bool find_directory(const struct stub *s, struct guest_exports *e)
{
    gva_t header = e->base + peek_number(s, e->base + 0x3c, 4);
    bool wide = peek_number(s, header + 24, 2) == 0x20b;
    gva_t entry = header + 24 + (wide ? 112 : 96);

    if (peek_number(s, e->base, 2) != 0x5a4d || peek_number(s, header, 4) != 0x4550)
        return false;
    e->at = (uint32_t)peek_number(s, entry, 4);
    e->size = (uint32_t)peek_number(s, entry + 4, 4);
    return e->at && e->size >= 40;
}

static bool read_table(const struct stub *s, struct guest_exports *e, uint32_t rva, size_t bytes)
{
    size_t from = e->tables.len;

    if (!bytes)
        return true;
    return buf_extend(&e->tables, bytes) && peek(s, e->base + rva, e->tables.data + from, bytes);
}

bool guest_exports_read(const struct stub *s, gva_t base, struct guest_exports *out)
{
    uint8_t head[40];
    size_t functions, names;

    *out = (struct guest_exports){.base = base};
    buf_init(&out->tables, 10u * EXPORTS_MAX);
    if (!find_directory(s, out) || !peek(s, base + out->at, head, sizeof head))
        return false;
    out->ordinal_base = get_u32(head + 16);
    out->count = get_u32(head + 20);
    out->names = get_u32(head + 24);
    if (!out->count || out->count > EXPORTS_MAX || out->names > EXPORTS_MAX)
        return false;
    functions = out->count * 4u;
    names = out->names * 4u;
    if (!read_table(s, out, get_u32(head + 28), functions) ||
        !read_table(s, out, get_u32(head + 32), names) ||
        !read_table(s, out, get_u32(head + 36), out->names * 2u))
        return false;
    /* at the end, because the buffer moves while it grows */
    out->functions = out->tables.data;
    out->name_rvas = out->tables.data + functions;
    out->ordinals = out->tables.data + functions + names;
    return true;
}

void guest_exports_free(struct guest_exports *e)
{
    buf_fini(&e->tables);
}

static uint32_t rva_of(const struct guest_exports *e, uint32_t index)
{
    return get_u32(e->functions + 4u * index);
}

/* An address inside the directory is the text that says where the function is. */
static bool is_forward(const struct guest_exports *e, uint32_t index)
{
    return rva_of(e, index) - e->at < e->size;
}

gva_t guest_export_address(const struct guest_exports *e, uint32_t index)
{
    return is_forward(e, index) ? 0 : e->base + rva_of(e, index);
}

bool guest_export_used(const struct guest_exports *e, uint32_t index)
{
    return rva_of(e, index) != 0;
}

/* A NUL-terminated text of printable characters; "" when it is not there. */
static void read_name(const struct stub *s, gva_t addr, char out[EXPORT_NAME_BYTES])
{
    size_t got = 0;

    if (s->target.ops->read(s->target.ctx, addr, out, EXPORT_NAME_BYTES - 1, &got))
        got = 0;
    out[got] = 0;
    for (char *c = out; *c; c++) {
        if (!isprint((unsigned char)*c))
            *c = '?';
    }
}

bool guest_export_name(const struct stub *s, const struct guest_exports *e, uint32_t i,
                       char name[EXPORT_NAME_BYTES], uint32_t *index)
{
    *index = get_u16(e->ordinals + 2u * i);
    if (*index >= e->count)
        return false;
    read_name(s, e->base + get_u32(e->name_rvas + 4u * i), name);
    return true;
}

void guest_export_forward(const struct stub *s, const struct guest_exports *e, uint32_t index,
                          char out[EXPORT_NAME_BYTES])
{
    out[0] = 0;
    if (is_forward(e, index))
        read_name(s, e->base + rva_of(e, index), out);
}
