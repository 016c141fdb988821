/* JSON strings. Follows RFC 8259, "Strings". */
#include "json.h"

#include "utf8.h"

void json_text(struct buf *doc, const char *text)
{
    const uint8_t *p = (const uint8_t *)text;

    buf_byte(doc, '"');
    while (*p) {
        size_t len = utf8_len(p);

        if (*p == '"' || *p == '\\')
            buf_printf(doc, "\\%c", *p);
        else if (!len)
            buf_byte(doc, '?');
        else if (*p < 0x20 || *p == 0x7f)
            buf_printf(doc, "\\u%04x", *p);
        else
            buf_append(doc, p, len);
        p += len ? len : 1;
    }
    buf_byte(doc, '"');
}
