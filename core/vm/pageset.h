/*
 * A set of pages: one bit for each page of a range. Pages that write watch has recorded, whose records survive
 * protect and decommit (W07, W08) and are shared by the pieces of one allocation; committed pages of a section.
 */
#ifndef VM_PAGESET_H
#define VM_PAGESET_H

#include <stdbool.h>
#include <stdint.h>

#include "winstub/gva.h"

struct pageset;

/* A set of pages in [start, end), empty, with one reference. NULL when the host is out of memory. */
struct pageset *pageset_new(gva_t start, gva_t end);
/* The same set with one reference of its own. NULL when the host is out of memory. */
struct pageset *pageset_copy(const struct pageset *s);
struct pageset *pageset_ref(struct pageset *s); /* returns s; takes NULL */
void pageset_unref(struct pageset *s);          /* takes NULL */
/* Let *s, of which the caller has one reference, be nobody else's, for a change. False when the host is out of memory. */
bool pageset_own(struct pageset **s);

bool pageset_has(const struct pageset *s, gva_t addr);
void pageset_set(struct pageset *s, gva_t addr, bool in);

#endif
