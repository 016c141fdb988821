/* UTF-8 as in RFC 3629, without the characters that XML 1.0 forbids. */
#include "utf8.h"

size_t utf8_len(const uint8_t *p)
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
