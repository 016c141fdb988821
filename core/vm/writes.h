/*
 * Write watch: which pages of an allocation made with MEM_WRITE_WATCH were written. Records survive protect
 * and decommit (W07, W08), so they are kept apart from the pages. Pieces of one allocation share them.
 */
#ifndef VM_WRITES_H
#define VM_WRITES_H

#include <stdbool.h>
#include <stdint.h>

#include "winstub/gva.h"

struct writes; /* NULL: the allocation is not watched */

/* Records for the pages in [start, end), none written, with one reference. NULL when the host is out of memory. */
struct writes *writes_new(gva_t start, gva_t end);
/* The same records with one reference. NULL when the host is out of memory. */
struct writes *writes_copy(const struct writes *w);
struct writes *writes_ref(struct writes *w); /* returns w; takes NULL */
void writes_unref(struct writes *w);         /* takes NULL */

bool writes_has(const struct writes *w, gva_t addr);
void writes_set(struct writes *w, gva_t addr, bool written);

#endif
