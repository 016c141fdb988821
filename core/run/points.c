/*
 * Breakpoints as the debugger set them: a sorted array. It decides nothing about how they stop the
 * guest; core/cpu does.
 */
#include "run/points.h"

#include <stdlib.h>
#include <string.h>

/* Index of the first point at or above addr. */
static size_t lower_bound(const struct points *points, gva_t addr)
{
    size_t lo = 0;
    size_t hi = points->count;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (points->list[mid].addr < addr)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static bool found(const struct points *points, size_t i, gva_t addr)
{
    return i < points->count && points->list[i].addr == addr;
}

const struct point *points_find(const struct points *points, gva_t addr)
{
    size_t i = lower_bound(points, addr);

    return found(points, i, addr) ? &points->list[i] : NULL;
}

unsigned points_at(const struct points *points, gva_t addr)
{
    const struct point *point = points_find(points, addr);

    return point ? point->kinds : 0;
}

/* Replace the agents of these kinds. */
static void replace_agents(struct point *point, unsigned kinds, struct hit_agent *agent)
{
    for (unsigned kind = 0; kind < POINT_BREAK_KINDS; kind++) {
        if (!(kinds & POINT_BIT(kind)))
            continue;
        hit_agent_free(point->agents[kind]);
        point->agents[kind] = agent;
    }
}

enum err points_set_agent(struct points *points, gva_t addr, enum point_kind kind,
                          struct hit_agent *agent)
{
    size_t i = lower_bound(points, addr);

    if (!found(points, i, addr) || !(points->list[i].kinds & POINT_BIT(kind)))
        return ERR_NOT_FOUND;
    replace_agents(&points->list[i], POINT_BIT(kind), agent);
    return ERR_OK;
}

enum err points_add(struct points *points, gva_t addr, unsigned kinds, bool *fresh)
{
    size_t i = lower_bound(points, addr);

    *fresh = !found(points, i, addr);
    if (!*fresh) {
        points->list[i].kinds |= kinds;
        return ERR_OK;
    }
    if (points->count == points->cap) {
        size_t cap = points->cap ? points->cap * 2 : 16;
        struct point *grown = realloc(points->list, cap * sizeof *grown);

        if (!grown)
            return ERR_NOMEM;
        points->list = grown;
        points->cap = cap;
    }
    memmove(points->list + i + 1, points->list + i, (points->count - i) * sizeof *points->list);
    points->list[i] = (struct point){.addr = addr, .kinds = kinds};
    points->count++;
    return ERR_OK;
}

bool points_remove(struct points *points, gva_t addr, unsigned kinds)
{
    size_t i = lower_bound(points, addr);

    if (!found(points, i, addr))
        return false;
    replace_agents(&points->list[i], kinds, NULL);
    points->list[i].kinds &= ~kinds;
    if (points->list[i].kinds)
        return false;
    points->count--;
    memmove(points->list + i, points->list + i + 1, (points->count - i) * sizeof *points->list);
    return true;
}

void points_fini(struct points *points)
{
    for (size_t i = 0; i < points->count; i++)
        replace_agents(&points->list[i], points->list[i].kinds, NULL);
    free(points->list);
    *points = (struct points){0};
}
