/*
 * The break- and watchpoints that the client has set, remembered so that they can be removed when it
 * leaves. The target decides what a point does.
 */
#ifndef STUB_POINTS_H
#define STUB_POINTS_H

#include <stdbool.h>
#include <stddef.h>

#include "winstub/target.h"

#define POINTS_MAX 0x100000u /* of one client */

struct point {
    enum point_kind kind;
    gva_t addr;
    size_t len;
};

struct points {
    struct point *list; /* ascending by address, kind, length; no two equal */
    size_t count;
    size_t cap;
};

void points_init(struct points *p);
void points_fini(struct points *p);

/*
 * Set a point in the target and remember it, or clear it and forget it. Setting twice is setting once.
 * ERR_LIMIT: POINTS_MAX are set. ERR_NOMEM. Else what the target says.
 */
MUST_USE enum err points_set(struct points *p, const struct target *t, const struct point *point);
MUST_USE enum err points_clear(struct points *p, const struct target *t, const struct point *point);
/* Clear every point that is remembered. */
void points_clear_all(struct points *p, const struct target *t);

#endif
