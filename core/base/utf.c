/* UTF-8 (RFC 3629: no overlong forms, no surrogates, up to U+10FFFF) and UTF-16 (RFC 2781). */
#include "winstub/utf.h"

#include "winstub/bytes.h"

/* How many bytes a sequence with this first byte has; 0: none begins so. Its payload bits in *bits. */
static size_t sequence_length(uint8_t first, uint32_t *bits)
{
    if (first < 0x80) {
        *bits = first;
        return 1;
    }
    if (first >= 0xc2 && first < 0xe0) {
        *bits = first & 0x1fu;
        return 2;
    }
    if (first >= 0xe0 && first < 0xf0) {
        *bits = first & 0x0fu;
        return 3;
    }
    if (first >= 0xf0 && first < 0xf5) {
        *bits = first & 0x07u;
        return 4;
    }
    return 0;
}

uint32_t utf8_next(const char **text)
{
    static const uint32_t lowest[] = {0, 0, 0x80, 0x800, 0x10000};
    const uint8_t *p = (const uint8_t *)*text;
    uint32_t c = 0;
    size_t len = sequence_length(p[0], &c);

    *text += 1;
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return UTF_REPLACEMENT;
        c = c << 6 | (p[i] & 0x3fu);
    }
    if (!len || c < lowest[len] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
        return UTF_REPLACEMENT;
    *text += len - 1;
    return c;
}

static bool append_unit(struct buf *out, uint32_t unit)
{
    uint8_t raw[2];

    put_u16(raw, (uint16_t)unit);
    return buf_append(out, raw, sizeof raw);
}

bool utf16_append(struct buf *out, const char *utf8)
{
    while (*utf8) {
        uint32_t c = utf8_next(&utf8);

        if (c >= 0x10000) {
            (void)append_unit(out, 0xd800 + ((c - 0x10000) >> 10));
            c = 0xdc00 + ((c - 0x10000) & 0x3ff);
        }
        (void)append_unit(out, c);
    }
    return !out->failed;
}

bool utf8_append_char(struct buf *out, uint32_t c)
{
    uint8_t tail[] = {(uint8_t)(0x80 | (c >> 12 & 0x3f)), (uint8_t)(0x80 | (c >> 6 & 0x3f)),
                      (uint8_t)(0x80 | (c & 0x3f))};

    if (c < 0x80)
        return buf_byte(out, (uint8_t)c);
    if (c < 0x800)
        return buf_byte(out, (uint8_t)(0xc0 | c >> 6)) && buf_append(out, tail + 2, 1);
    if (c < 0x10000)
        return buf_byte(out, (uint8_t)(0xe0 | c >> 12)) && buf_append(out, tail + 1, 2);
    return buf_byte(out, (uint8_t)(0xf0 | c >> 18)) && buf_append(out, tail, 3);
}

static bool is_high(uint32_t unit)
{
    return (unit & 0xfc00) == 0xd800;
}

static bool is_low(uint32_t unit)
{
    return (unit & 0xfc00) == 0xdc00;
}

bool utf8_append_utf16(struct buf *out, const uint8_t *units, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t c = get_u16(units + 2 * i);

        if (is_high(c) && i + 1 < count && is_low(get_u16(units + 2 * i + 2))) {
            c = 0x10000 + ((c & 0x3ff) << 10) + (get_u16(units + 2 * i + 2) & 0x3ffu);
            i++;
        } else if (is_high(c) || is_low(c)) {
            c = UTF_REPLACEMENT;
        }
        (void)utf8_append_char(out, c);
    }
    return !out->failed;
}
