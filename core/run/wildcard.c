/* Matching of names; the contract is in wildcard.h. */
#include "run/wildcard.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

static bool same(char a, char b)
{
    return a == '?' || tolower((unsigned char)a) == tolower((unsigned char)b);
}

bool wildcard_matches(const char *pattern, size_t len, const char *name)
{
    size_t at = 0, star = len;
    const char *after_star = NULL;

    while (*name) {
        if (at < len && pattern[at] == '*') {
            star = at++;
            after_star = name;
        } else if (at < len && same(pattern[at], *name)) {
            at++;
            name++;
        } else if (after_star) { /* the last star takes one more */
            at = star + 1;
            name = ++after_star;
        } else {
            return false;
        }
    }
    while (at < len && pattern[at] == '*')
        at++;
    return at == len;
}

static bool matches_module(const char *pattern, size_t len, const char *module)
{
    char bare[256];
    size_t own = strlen(module);

    if (wildcard_matches(pattern, len, module))
        return true;
    if (own < 4 || own - 4 >= sizeof bare || strcasecmp(module + own - 4, ".dll") != 0)
        return false;
    memcpy(bare, module, own - 4);
    bare[own - 4] = 0;
    return wildcard_matches(pattern, len, bare);
}

bool wildcard_matches_export(const char *pattern, const char *module, const char *name)
{
    const char *bang = strchr(pattern, '!');

    if (!bang)
        return wildcard_matches(pattern, strlen(pattern), name);
    return matches_module(pattern, (size_t)(bang - pattern), module) &&
           wildcard_matches(bang + 1, strlen(bang + 1), name);
}
