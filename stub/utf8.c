/* UTF-8 as winstub/utf.h reads it, without the two characters that XML 1.0 forbids. */
#include "utf8.h"

#include "winstub/utf.h"

size_t utf8_len(const uint8_t *p)
{
    const char *end = (const char *)p;
    uint32_t c = utf8_next(&end);
    size_t len = (size_t)(end - (const char *)p);

    if (c == 0xfffe || c == 0xffff || (c == UTF_REPLACEMENT && len == 1))
        return 0;
    return len;
}
