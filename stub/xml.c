/* XML escapes. Follows XML 1.0, "Characters" and "Character Data and Markup". */
#include "xml.h"

#include <stdint.h>

#include "utf8.h"

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
