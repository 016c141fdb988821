/*
 * The way from the TEB to the process parameters, through memory that the guest may have overwritten: every
 * read is checked, every length bounded. Offsets as in winternl.h and the symbols that Microsoft publishes.
 */
#include "guest_params.h"

#define TEXT_UNITS        0x4000u /* of one string */
#define ENVIRONMENT_UNITS 0x8000u

/* Where things are, by width: index 0 is 32 bits. */
static const struct {
    unsigned pointer, peb, params, cwd, command_line, environment, buffer;
} offsets[2] = {
    {4, 0x30, 0x10, 0x24, 0x40, 0x48, 4},
    {8, 0x60, 0x20, 0x38, 0x70, 0x80, 8},
};

static unsigned width_of(const struct stub *s)
{
    struct target_info info;

    s->target.ops->info(s->target.ctx, &info);
    return info.arch == TARGET_AMD64;
}

static bool read_all(const struct stub *s, gva_t addr, void *dst, size_t len)
{
    size_t got = 0;

    return s->target.ops->read && !s->target.ops->read(s->target.ctx, addr, dst, len, &got) &&
           got == len;
}

/* The pointer at addr; 0 when it is not there. */
static gva_t read_pointer(const struct stub *s, gva_t addr)
{
    uint8_t value[8] = {0};

    return read_all(s, addr, value, offsets[width_of(s)].pointer) ? get_u64(value) : 0;
}

static gva_t parameters(const struct stub *s)
{
    unsigned w = width_of(s);
    struct target_thread thread;
    gva_t peb;

    if (s->target.ops->thread(s->target.ctx, 0, &thread))
        return 0;
    peb = read_pointer(s, thread.teb + offsets[w].peb);
    return peb ? read_pointer(s, peb + offsets[w].params) : 0;
}

static void put_utf8(struct buf *out, uint32_t c)
{
    if (c < 0x80) {
        buf_byte(out, (uint8_t)c);
        return;
    }
    if (c < 0x800) {
        buf_byte(out, (uint8_t)(0xc0 | c >> 6));
    } else {
        if (c < 0x10000) {
            buf_byte(out, (uint8_t)(0xe0 | c >> 12));
        } else {
            buf_byte(out, (uint8_t)(0xf0 | c >> 18));
            buf_byte(out, (uint8_t)(0x80 | (c >> 12 & 0x3f)));
        }
        buf_byte(out, (uint8_t)(0x80 | (c >> 6 & 0x3f)));
    }
    buf_byte(out, (uint8_t)(0x80 | (c & 0x3f)));
}

/* One character of UTF-16 from units[*i]; half a pair becomes U+FFFD. */
static uint32_t take_utf16(const uint8_t *units, size_t count, size_t *i)
{
    uint32_t c = get_u16(units + 2 * (*i)++);
    uint32_t low = *i < count ? get_u16(units + 2 * *i) : 0;

    if (c < 0xd800 || c >= 0xe000)
        return c;
    if (c >= 0xdc00 || low < 0xdc00 || low >= 0xe000)
        return 0xfffd;
    ++*i;
    return 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
}

void guest_text(struct stub *s, enum guest_text which, struct buf *out)
{
    unsigned w = width_of(s);
    gva_t params = parameters(s);
    uint8_t head[2];
    gva_t at;
    size_t count;

    if (!params)
        return;
    at = params + (which == GUEST_CWD ? offsets[w].cwd : offsets[w].command_line);
    if (!read_all(s, at, head, sizeof head))
        return;
    count = get_u16(head) / 2u;
    if (count > TEXT_UNITS ||
        !read_all(s, read_pointer(s, at + offsets[w].buffer), s->scratch, 2 * count))
        return;
    for (size_t i = 0; i < count;)
        put_utf8(out, take_utf16(s->scratch, count, &i));
}

void guest_environment(struct stub *s, struct buf *out)
{
    gva_t params = parameters(s);
    gva_t at = params ? read_pointer(s, params + offsets[width_of(s)].environment) : 0;
    size_t got = 0, count;

    if (!at || s->target.ops->read(s->target.ctx, at, s->scratch, 2 * ENVIRONMENT_UNITS, &got))
        return;
    count = got / 2;
    for (size_t i = 0; i < count && get_u16(s->scratch + 2 * i);) {
        uint32_t c;

        do {
            c = take_utf16(s->scratch, count, &i);
            put_utf8(out, c);
        } while (c && i < count);
    }
}
