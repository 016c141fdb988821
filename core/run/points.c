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

unsigned points_at(const struct points *points, gva_t addr)
{
    size_t i = lower_bound(points, addr);

    return found(points, i, addr) ? points->list[i].kinds : 0;
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
    points->list[i] = (struct point){addr, kinds};
    points->count++;
    return ERR_OK;
}

bool points_remove(struct points *points, gva_t addr, unsigned kinds)
{
    size_t i = lower_bound(points, addr);

    if (!found(points, i, addr))
        return false;
    points->list[i].kinds &= ~kinds;
    if (points->list[i].kinds)
        return false;
    points->count--;
    memmove(points->list + i, points->list + i + 1, (points->count - i) * sizeof *points->list);
    return true;
}

void points_fini(struct points *points)
{
    free(points->list);
    *points = (struct points){0};
}
