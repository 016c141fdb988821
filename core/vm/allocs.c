/*
 * Which ranges are taken, and the search for room. Gaps count from a multiple of 64 KiB, because no
 * allocation may start elsewhere (A03); the gaps before the first and behind the last one are not in the tree.
 */
#include "vm/allocs.h"

#include <assert.h>
#include <stddef.h>

#include "vm/brief.h"
#include "winstub/vm.h"

void allocs_init(struct allocs *as, struct pool *nodes, gva_t limit)
{
    ranges_init(&as->tree, nodes);
    as->limit = limit;
}

struct allocation *allocs_floor(const struct allocs *as, gva_t addr)
{
    return ranges_floor(&as->tree, addr);
}

struct allocation *allocs_find(const struct allocs *as, gva_t addr)
{
    struct allocation *a = allocs_floor(as, addr);

    return a && addr < a->end ? a : NULL;
}

struct allocation *allocs_above(const struct allocs *as, gva_t addr)
{
    return ranges_above(&as->tree, addr);
}

void allocs_update(struct allocs *as, struct allocation *a)
{
    uint64_t brief = brief_of(a);

    if (brief == a->brief)
        return;
    a->brief = brief;
    ranges_set_note(&as->tree, a->base, brief);
}

bool allocs_look(const struct allocs *as, gva_t addr, struct ranges_found *out)
{
    return ranges_look(&as->tree, addr, out) && addr < out->end;
}

bool allocs_is_free(const struct allocs *as, gva_t start, gva_t end)
{
    return ranges_is_free(&as->tree, start, end);
}

bool allocs_reserve(const struct allocs *as, unsigned n)
{
    return ranges_reserve(&as->tree, n);
}

bool allocs_reserve_ascending(const struct allocs *as, size_t n)
{
    return ranges_reserve_ascending(&as->tree, n);
}

void allocs_insert(struct allocs *as, struct allocation *a)
{
    assert(VM_LOWEST <= a->base && a->base < a->end && a->end <= as->limit);
    assert(allocs_is_free(as, a->base, a->end));
    ranges_insert(&as->tree, a->base, a->end, a);
    a->brief = 0;
    allocs_update(as, a);
}

void allocs_remove(struct allocs *as, struct allocation *a)
{
    ranges_remove(&as->tree, a->base);
}

void allocs_shrink(struct allocs *as, struct allocation *a, gva_t base, gva_t end)
{
    assert(a->base <= base && base < end && end <= a->end);
    ranges_shrink(&as->tree, a->base, base, end);
    a->base = base;
    a->end = end;
    allocs_update(as, a);
}

/* The place for room in the free range [start, end). */
static bool place(const struct room *room, gva_t start, gva_t end, gva_t *base)
{
    uint64_t mask = room->alignment - 1;
    gva_t lowest;

    start = start > room->lowest ? start : room->lowest;
    end = end < room->end ? end : room->end;
    lowest = (start + mask) & ~mask;
    if (lowest < start || end < lowest || end - lowest < room->size)
        return false;
    *base = room->top_down ? (end - room->size) & ~mask : lowest;
    return true;
}

/* Between slot i of n and the one before it. */
static bool between(const struct ranges_node *n, unsigned i, const struct room *room, gva_t *base)
{
    return i > 0 && ranges_gap(n->end[i - 1], n->start[i]) >= room->size &&
           place(room, n->end[i - 1], n->start[i], base);
}

/* The lowest place between the ranges below n. */
static bool lowest_in(const struct ranges_node *n, const struct room *room, gva_t *base)
{
    for (unsigned i = 0; i < n->count; i++) {
        if (between(n, i, room, base))
            return true;
        if (n->start[i] >= room->end)
            return false;
        if (n->level && n->gap[i] >= room->size && n->end[i] > room->lowest &&
            lowest_in(n->slot[i], room, base))
            return true;
    }
    return false;
}

/* The highest place between the ranges below n. */
static bool highest_in(const struct ranges_node *n, const struct room *room, gva_t *base)
{
    for (unsigned i = n->count; i-- > 0;) {
        if (n->level && n->gap[i] >= room->size && n->start[i] < room->end &&
            highest_in(n->slot[i], room, base))
            return true;
        if (n->end[i] <= room->lowest)
            return false;
        if (between(n, i, room, base))
            return true;
    }
    return false;
}

bool allocs_find_room(const struct allocs *as, const struct room *room, gva_t *base)
{
    const struct ranges_node *root = as->tree.root;
    gva_t first = root ? root->start[0] : as->limit;
    gva_t last = root ? root->end[root->count - 1] : as->limit;

    if (room->top_down)
        return place(room, last, as->limit, base) || (root && highest_in(root, room, base)) ||
               place(room, VM_LOWEST, first, base);
    return place(room, VM_LOWEST, first, base) || (root && lowest_in(root, room, base)) ||
           place(room, last, as->limit, base);
}

/* Do a and the tree agree on what a is and where it ends, and does the next one start behind it? */
static bool end_valid(const struct allocs *as, const struct allocation *a,
                      const struct allocation *next)
{
    struct ranges_found found;

    if (!ranges_look(&as->tree, a->base, &found) || found.note != a->brief ||
        a->brief != brief_of(a))
        return false;
    if (allocs_is_free(as, a->base, a->base + 1) || allocs_is_free(as, a->end - 1, a->end))
        return false;
    if (next && next->base <= a->end)
        return next->base == a->end;
    return a->end <= as->limit && allocs_is_free(as, a->end, a->end + 1);
}

bool allocs_valid(const struct allocs *as)
{
    const struct allocation *a;

    if (!ranges_valid(&as->tree))
        return false;
    a = allocs_above(as, 0);
    if (a && a->base < VM_LOWEST)
        return false;
    while (a) {
        const struct allocation *next = allocs_above(as, a->base);

        if (allocs_floor(as, a->base) != a || !end_valid(as, a, next))
            return false;
        a = next;
    }
    return true;
}
