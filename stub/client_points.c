/* The points of one client: an ordered array, because GDB removes and inserts all of them at each stop. */
#include "client_points.h"

#include <stdlib.h>
#include <string.h>

#include "winstub/log.h"

void client_points_init(struct client_points *p)
{
    *p = (struct client_points){0};
}

void client_points_fini(struct client_points *p)
{
    free(p->list);
    client_points_init(p);
}

static int point_order(const struct point *a, const struct point *b)
{
    if (a->addr != b->addr)
        return a->addr < b->addr ? -1 : 1;
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    if (a->len != b->len)
        return a->len < b->len ? -1 : 1;
    return 0;
}

/* Where the point is, or where it belongs. */
static size_t point_index(const struct client_points *p, const struct point *point, bool *found)
{
    size_t low = 0;
    size_t high = p->count;

    *found = false;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int order = point_order(&p->list[mid], point);

        if (order == 0) {
            *found = true;
            return mid;
        }
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static enum err client_points_grow(struct client_points *p)
{
    size_t cap = p->cap ? p->cap * 2 : 16;
    struct point *list;

    if (p->count < p->cap)
        return ERR_OK;
    if (p->count >= POINTS_MAX)
        return ERR_LIMIT;
    list = realloc(p->list, cap * sizeof *list);
    if (!list)
        return ERR_NOMEM;
    p->list = list;
    p->cap = cap;
    return ERR_OK;
}

static enum err point_tell(const struct target *t, const struct point *point, bool on)
{
    return t->ops->point(t->ctx, point->kind, point->addr, point->len, on);
}

/* Tell the target what a point that is set does when hit, unless that is, and was, nothing. */
static enum err point_tell_agent(const struct target *t, struct point *point,
                                 const struct target_agent *agent, struct diag *why)
{
    bool some = agent->condition_count || agent->command_count;
    enum err e;

    if (!some && !point->agent)
        return ERR_OK;
    e = t->ops->point_agent(t->ctx, point->kind, point->addr, agent, why);
    if (!e)
        point->agent = some;
    return e;
}

static enum err client_points_add(struct client_points *p, const struct target *t, size_t at,
                                  const struct point *point, const struct target_agent *agent,
                                  struct diag *why)
{
    struct point fresh = *point;
    enum err e = client_points_grow(p);

    if (e)
        return e;
    e = point_tell(t, &fresh, true);
    if (e)
        return e;
    fresh.agent = false;
    e = point_tell_agent(t, &fresh, agent, why);
    if (e) {
        (void)point_tell(t, &fresh, false);
        return e;
    }
    memmove(p->list + at + 1, p->list + at, (p->count - at) * sizeof *p->list);
    p->list[at] = fresh;
    p->count++;
    return ERR_OK;
}

enum err client_points_set(struct client_points *p, const struct target *t,
                           const struct point *point, const struct target_agent *agent,
                           struct diag *why)
{
    bool found;
    size_t at = point_index(p, point, &found);
    enum err e;

    if (!found)
        return client_points_add(p, t, at, point, agent, why);
    e = point_tell_agent(t, &p->list[at], agent, why);
    if (!e)
        p->list[at].persist = point->persist;
    return e;
}

enum err client_points_clear(struct client_points *p, const struct target *t,
                             const struct point *point)
{
    bool found;
    size_t at = point_index(p, point, &found);
    enum err e;

    if (!found)
        return ERR_OK;
    e = point_tell(t, point, false);
    if (e)
        return e;
    p->count--;
    memmove(p->list + at, p->list + at + 1, (p->count - at) * sizeof *p->list);
    return ERR_OK;
}

void client_points_clear_all(struct client_points *p, const struct target *t, bool keep)
{
    size_t kept = 0;

    for (size_t i = 0; i < p->count; i++) {
        enum err e;

        if (keep && p->list[i].persist) {
            p->list[kept++] = p->list[i];
            continue;
        }
        e = point_tell(t, &p->list[i], false);
        if (e)
            LOG(bp, "the point at 0x%" PRIx64 " stays: %s", p->list[i].addr, err_text(e));
    }
    p->count = kept;
}

void client_points_forget(struct client_points *p)
{
    p->count = 0;
}
