/*
 * The way from the TEB to the process parameters, through memory that the guest may have overwritten: every
 * read is checked, every length bounded. Offsets as in winternl.h and the symbols that Microsoft publishes.
 */
#include "guest_params.h"

#include "peek.h"
#include "winstub/utf.h"

#define TEXT_UNITS        0x4000u /* of one string */
#define ENVIRONMENT_UNITS 0x8000u

/* Where things are, by width: index 0 is 32 bits. */
static const struct {
    unsigned peb, params, cwd, command_line, environment, buffer;
} offsets[2] = {
    {0x30, 0x10, 0x24, 0x40, 0x48, 4},
    {0x60, 0x20, 0x38, 0x70, 0x80, 8},
};

gva_t guest_peb(const struct stub *s)
{
    struct target_thread thread;

    if (s->target.ops->thread(s->target.ctx, 0, &thread))
        return 0;
    return peek_pointer(s, thread.teb + offsets[peek_width(s)].peb);
}

static gva_t parameters(const struct stub *s)
{
    gva_t peb = guest_peb(s);

    return peb ? peek_pointer(s, peb + offsets[peek_width(s)].params) : 0;
}

void guest_text(struct stub *s, enum guest_text which, struct buf *out)
{
    unsigned w = peek_width(s);
    gva_t params = parameters(s);
    uint8_t head[2];
    gva_t at;
    size_t count;

    if (!params)
        return;
    at = params + (which == GUEST_CWD ? offsets[w].cwd : offsets[w].command_line);
    if (!peek(s, at, head, sizeof head))
        return;
    count = get_u16(head) / 2u;
    if (count > TEXT_UNITS ||
        !peek(s, peek_pointer(s, at + offsets[w].buffer), s->scratch, 2 * count))
        return;
    (void)utf8_append_utf16(out, s->scratch, count); /* what failed shows in out */
}

/* Where the text of units that begins at i ends, its NUL included. */
static size_t after_text(const uint8_t *units, size_t count, size_t i)
{
    while (i < count && get_u16(units + 2 * i))
        i++;
    return i < count ? i + 1 : i;
}

void guest_environment(struct stub *s, struct buf *out)
{
    gva_t params = parameters(s);
    gva_t at = params ? peek_pointer(s, params + offsets[peek_width(s)].environment) : 0;
    size_t got = 0, count;

    if (!at || s->target.ops->read(s->target.ctx, at, s->scratch, 2 * ENVIRONMENT_UNITS, &got))
        return;
    count = got / 2;
    for (size_t i = 0; i < count && get_u16(s->scratch + 2 * i);) {
        size_t end = after_text(s->scratch, count, i);

        (void)utf8_append_utf16(out, s->scratch + 2 * i, end - i);
        i = end;
    }
}
