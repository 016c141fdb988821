/*
 * The break- and watchpoints that the client has set, remembered so that they can be removed when it
 * leaves. The target decides what a point does.
 */
#ifndef STUB_CLIENT_POINTS_H
#define STUB_CLIENT_POINTS_H

#include <stdbool.h>
#include <stddef.h>

#include "winstub/target.h"

#define POINTS_MAX 0x100000u /* of one client */

struct point {
    enum point_kind kind;
    gva_t addr;
    size_t len;
    bool persist; /* its commands go on while no client is there */
    bool agent;   /* it has conditions or commands; set here */
};

struct client_points {
    struct point *list; /* ascending by address, kind, length; no two equal */
    size_t count;
    size_t cap;
};

void client_points_init(struct client_points *p);
void client_points_fini(struct client_points *p);

/*
 * Set a point in the target and remember it, or clear it and forget it. Setting twice is setting once; what
 * the point does when hit (agent; not empty only for a breakpoint of a target that has point_agent) is replaced.
 * ERR_LIMIT: POINTS_MAX are set. ERR_NOMEM. Else what the target says; why too when it refuses agent.
 */
MUST_USE enum err client_points_set(struct client_points *p, const struct target *t,
                                    const struct point *point, const struct target_agent *agent,
                                    struct diag *why);
MUST_USE enum err client_points_clear(struct client_points *p, const struct target *t,
                                      const struct point *point);
/* Clear every point that is remembered; with keep all but those that persist. */
void client_points_clear_all(struct client_points *p, const struct target *t, bool keep);
/* The target that had them is gone. */
void client_points_forget(struct client_points *p);

#endif
