/* Patterns: from bytes and from text, and how one is compared with memory; see search.h. */
#include "vm/pattern.h"

#include <stdlib.h>
#include <string.h>

/* ---- Making ---------------------------------------------------------------------------------- */

/* Could the stretch [at, at + len) be a better anchor than the one there is? Zeros are all over memory. */
static bool better(const struct vm_pattern *p, size_t at, size_t len, bool *anchor_is_zero)
{
    bool zero = true;

    for (size_t i = at; i < at + len && zero; i++)
        zero = p->value[i] == 0;
    if (p->anchor_len && (zero != *anchor_is_zero ? zero : len <= p->anchor_len))
        return false;
    *anchor_is_zero = zero;
    return true;
}

static void find_anchor(struct vm_pattern *p)
{
    bool anchor_is_zero = true;
    size_t len;

    for (size_t at = 0; at < p->len; at += len + 1) {
        len = 0;
        while (at + len < p->len && p->mask[at + len] == 0xff)
            len++;
        if (!len || !better(p, at, len, &anchor_is_zero))
            continue;
        p->anchor = at;
        p->anchor_len = len;
    }
}

static bool all_zero(const uint8_t *bytes, size_t len)
{
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, len - 1) == 0;
}

enum err vm_pattern_new(const uint8_t *value, const uint8_t *mask, size_t len,
                        struct vm_pattern **out, struct diag *why)
{
    struct vm_pattern *p;

    if (!len || (mask && all_zero(mask, len)))
        return diag_set(why, ERR_INVALID,
                        "the pattern matches everything: give a byte that counts");
    if (len > VM_PATTERN_MAX)
        return diag_set(why, ERR_LIMIT, "the pattern has %zu bytes; a search takes up to %u", len,
                        VM_PATTERN_MAX);
    p = calloc(1, sizeof *p + 2 * len);
    if (!p)
        return diag_set(why, ERR_NOMEM, "no memory for a pattern of %zu bytes", len);
    p->len = len;
    p->mask = p->value + len;
    for (size_t i = 0; i < len; i++) {
        p->mask[i] = mask ? mask[i] : 0xff;
        p->value[i] = value[i] & p->mask[i];
    }
    p->zero = all_zero(p->value, len);
    find_anchor(p);
    *out = p;
    return ERR_OK;
}

void vm_pattern_free(struct vm_pattern *pattern)
{
    free(pattern);
}

size_t vm_pattern_size(const struct vm_pattern *pattern)
{
    return pattern->len;
}

/* ---- Text ------------------------------------------------------------------------------------ */

/* One digit, or ? for any. False when it is neither. */
static bool digit(char c, unsigned *value, unsigned *mask)
{
    *value = 0;
    *mask = c == '?' ? 0 : 0xf;
    if (c == '?')
        return true;
    if (c >= '0' && c <= '9')
        *value = (unsigned)(c - '0');
    else if (c >= 'a' && c <= 'f')
        *value = (unsigned)(c - 'a' + 10);
    else if (c >= 'A' && c <= 'F')
        *value = (unsigned)(c - 'A' + 10);
    else
        return false;
    return true;
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* One byte at *text, which is stepped over. False when there is none. */
static bool parse_byte(const char *start, const char **text, uint8_t *value, uint8_t *mask)
{
    const char *at = *text;
    bool first = at == start || is_blank(at[-1]);
    unsigned v[2], m[2];

    if (at[0] == '?' && first && (!at[1] || is_blank(at[1]))) {
        *value = *mask = 0;
        *text += 1;
        return true;
    }
    if (!digit(at[0], &v[0], &m[0]) || !digit(at[1], &v[1], &m[1]))
        return false;
    *value = (uint8_t)(v[0] << 4 | v[1]);
    *mask = (uint8_t)(m[0] << 4 | m[1]);
    *text += 2;
    return true;
}

/* Why the text cannot be read on at `at`. */
static enum err refuse(const char *text, const char *at, struct diag *why)
{
    return diag_set(why, ERR_FORMAT,
                    "pattern: no byte at character %zu, '%.8s': write two hexadecimal digits, "
                    "? for any digit",
                    (size_t)(at - text) + 1, at);
}

enum err vm_pattern_parse(const char *text, struct vm_pattern **out, struct diag *why)
{
    size_t room = strlen(text), len = 0;
    uint8_t *bytes = malloc(2 * room + 1); /* values, then masks: never more than characters */
    enum err e = ERR_OK;

    if (!bytes)
        return diag_set(why, ERR_NOMEM, "no memory for a pattern of %zu characters", room);
    for (const char *at = text; *at && !e;) {
        if (is_blank(*at))
            at++;
        else if (parse_byte(text, &at, bytes + len, bytes + room + len))
            len++;
        else
            e = refuse(text, at, why);
    }
    if (!e)
        e = vm_pattern_new(bytes, bytes + room, len, out, why);
    free(bytes);
    return e;
}

/* ---- Comparing ------------------------------------------------------------------------------- */

size_t pattern_candidate(const struct vm_pattern *p, const uint8_t *bytes, size_t from, size_t last)
{
    const uint8_t *anchor = p->value + p->anchor;
    const uint8_t *at = bytes + from + p->anchor;
    const uint8_t *found;

    /* memmem sets up tables at each call: where hits are dense, do without */
    if (!p->anchor_len || memcmp(at, anchor, p->anchor_len) == 0)
        return from;
    found = memmem(at, last - from + p->anchor_len, anchor, p->anchor_len);
    return found ? (size_t)(found - bytes) - p->anchor : last + 1;
}

bool pattern_matches(const struct vm_pattern *p, const uint8_t *bytes)
{
    size_t i = 0;

    if (p->anchor_len == p->len)
        return true;
    for (; i + 8 <= p->len; i += 8) {
        uint64_t b, v, m;

        memcpy(&b, bytes + i, sizeof b);
        memcpy(&v, p->value + i, sizeof v);
        memcpy(&m, p->mask + i, sizeof m);
        if ((b & m) != v)
            return false;
    }
    for (; i < p->len; i++) {
        if ((bytes[i] & p->mask[i]) != p->value[i])
            return false;
    }
    return true;
}
