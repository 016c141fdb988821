/* A run of pages in Windows' words, for `monitor map` and for error sentences. */
#ifndef STUB_REGION_TEXT_H
#define STUB_REGION_TEXT_H

#include <stddef.h>

#include "winstub/target.h"

/* "FREE", "RESERVE", "COMMIT"; "?" for a number that is none of them. */
const char *region_state(uint32_t state);
/* "PRIVATE", "MAPPED", "IMAGE", "" for free space. */
const char *region_type(uint32_t type);
/* "READWRITE", "EXECUTE_READ|GUARD", "" for 0. Writes at most size bytes, the NUL included. */
void region_protect(uint32_t protect, char *out, size_t size);
/* What a guest may do with such pages: "", "r", "rw", "rx", "rwx" or "x"; nothing on a guard page. */
const char *region_permissions(uint32_t protect);
/* "reserved, not committed", "committed READWRITE|GUARD": the end of a sentence. */
void region_words(const struct target_region *region, char *out, size_t size);

#endif
