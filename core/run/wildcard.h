/* Names as users write them: ASCII case ignored, * any text, ? any character. */
#ifndef CORE_RUN_WILDCARD_H
#define CORE_RUN_WILDCARD_H

#include <stdbool.h>
#include <stddef.h>

/* Does the whole of name match the whole pattern, of that length? O(both lengths multiplied), without recursion. */
bool wildcard_matches(const char *pattern, size_t len, const char *name);

/* MODULE!NAME against a function of a module ("kernel32.dll"; a pattern may leave ".dll" out), or NAME in any module. */
bool wildcard_matches_export(const char *pattern, const char *module, const char *name);

#endif
