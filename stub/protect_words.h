/* Protections as a person types them. */
#ifndef STUB_PROTECT_WORDS_H
#define STUB_PROTECT_WORDS_H

#include <stdbool.h>
#include <stdint.h>

#include "winstub/bytes.h"

/*
 * PAGE_* from "rw", "rx+guard", "READWRITE|GUARD", "page_noaccess"; in any case. False for anything else. Whether the
 * combination makes sense is for the memory manager to say.
 */
bool protect_from_words(struct bytes text, uint32_t *out);

#endif
