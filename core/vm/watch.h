/*
 * Write watch: which pages of an allocation made with MEM_WRITE_WATCH were written. Records survive protect
 * and decommit (W07, W08), so they are kept apart from the pages. Pieces of one allocation share them.
 */
#ifndef VM_WATCH_H
#define VM_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "winstub/gva.h"

struct watch; /* NULL: the allocation is not watched */

/* Records for the pages in [start, end), none written, with one reference. NULL when the host is out of memory. */
struct watch *watch_new(gva_t start, gva_t end);
struct watch *watch_ref(struct watch *w); /* returns w; takes NULL */
void watch_unref(struct watch *w);        /* takes NULL */

bool watch_written(const struct watch *w, gva_t addr);
void watch_set(struct watch *w, gva_t addr, bool written);

#endif
