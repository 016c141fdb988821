/* XML escapes. Follows XML 1.0, "Characters" and "Character Data and Markup"; UTF-8 as in RFC 3629. */
#include "xml.h"

#include <stddef.h>
#include <stdint.h>

/* Bytes of the UTF-8 character at p, 0 when p holds none. Ends at the NUL by itself. */
static size_t utf8_len(const uint8_t *p)
{
    size_t len;
    uint32_t c;

    if (p[0] < 0x80)
        return 1;
    if (p[0] >= 0xc2 && p[0] < 0xe0)
        len = 2;
    else if (p[0] >= 0xe0 && p[0] < 0xf0)
        len = 3;
    else if (p[0] >= 0xf0 && p[0] < 0xf5)
        len = 4;
    else
        return 0;
    c = p[0] & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (p[i] & 0x3f);
    }
    if ((len == 3 && c < 0x800) || (len == 4 && (c < 0x10000 || c > 0x10ffff)))
        return 0;
    return (c >= 0xd800 && c < 0xe000) || c == 0xfffe || c == 0xffff ? 0 : len;
}

static const char *entity(uint8_t c)
{
    switch (c) {
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '&':
        return "&amp;";
    case '"':
        return "&quot;";
    case '\'':
        return "&apos;";
    default:
        return NULL;
    }
}

void xml_text(struct buf *doc, const char *text)
{
    const uint8_t *p = (const uint8_t *)text;

    while (*p) {
        size_t len = utf8_len(p);
        const char *escaped = entity(*p);

        if (escaped)
            buf_text(doc, escaped);
        else if (!len || *p < 0x20 || *p == 0x7f)
            buf_byte(doc, '?');
        else
            buf_append(doc, p, len);
        p += len ? len : 1;
    }
}
