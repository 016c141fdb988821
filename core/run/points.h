/* The set of breakpoints: which kinds stand at which address, in ascending order of address. */
#ifndef CORE_RUN_POINTS_H
#define CORE_RUN_POINTS_H

#include <stdbool.h>
#include <stddef.h>

#include "winstub/err.h"
#include "winstub/gva.h"

struct point {
    gva_t addr;
    unsigned kinds; /* POINT_BIT(kind) of target.h, never 0 */
};

struct points {
    struct point *list;
    size_t count;
    size_t cap;
};

/* Kinds that stand at addr; 0 for none. O(log count). */
unsigned points_at(const struct points *points, gva_t addr);

/* Add kind bits at addr; *fresh says whether the address had none before. ERR_NOMEM. O(count). */
MUST_USE enum err points_add(struct points *points, gva_t addr, unsigned kinds, bool *fresh);

/* Take kind bits away from addr; true when that left the address with none. O(count). */
bool points_remove(struct points *points, gva_t addr, unsigned kinds);

void points_fini(struct points *points);

#endif
