/* The set of breakpoints: which kinds stand at which address, in ascending order of address, and what each does when hit. */
#ifndef CORE_RUN_POINTS_H
#define CORE_RUN_POINTS_H

#include <stdbool.h>
#include <stddef.h>

#include "run/hits.h"

/* Kinds of breakpoint: POINT_BREAK_SW and POINT_BREAK_HW. */
#define POINT_BREAK_KINDS 2

struct point {
    gva_t addr;
    unsigned kinds;                              /* POINT_BIT(kind) of target.h, never 0 */
    struct hit_agent *agents[POINT_BREAK_KINDS]; /* by kind; NULL: a plain breakpoint */
};

struct points {
    struct point *list;
    size_t count;
    size_t cap;
};

/* Kinds that stand at addr; 0 for none. O(log count). */
unsigned points_at(const struct points *points, gva_t addr);

/* The point at addr, valid until the set changes; NULL when there is none. O(log count). */
const struct point *points_find(const struct points *points, gva_t addr);

/* Make agent (NULL: none) what the point of that kind at addr does; it is the set's from here. ERR_NOT_FOUND. */
MUST_USE enum err points_set_agent(struct points *points, gva_t addr, enum point_kind kind,
                                   struct hit_agent *agent);

/* Add kind bits at addr; *fresh says whether the address had none before. ERR_NOMEM. O(count). */
MUST_USE enum err points_add(struct points *points, gva_t addr, unsigned kinds, bool *fresh);

/* Take kind bits away from addr, with what they did; true when that left the address with none. O(count). */
bool points_remove(struct points *points, gva_t addr, unsigned kinds);

void points_fini(struct points *points);

#endif
