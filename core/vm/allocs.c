/*
 * The tree of allocations and the search for room. Gaps count from a multiple of 64 KiB, because no
 * allocation may start elsewhere (A03); the gap behind the last one is not in the tree.
 */
#include "vm/allocs.h"

#include <assert.h>
#include <stddef.h>

#include "winstub/vm.h"

struct allocation *allocation_of(struct tree_node *node)
{
    return node ? (struct allocation *)((char *)node - offsetof(struct allocation, node)) : NULL;
}

gva_t allocation_base(const struct allocation *a)
{
    return a->node.key;
}

struct allocation *allocation_next(const struct allocation *a)
{
    return allocation_of(tree_next(&a->node));
}

struct allocation *allocation_prev(const struct allocation *a)
{
    return allocation_of(tree_prev(&a->node));
}

struct allocation *allocs_floor(const struct allocs *as, gva_t addr)
{
    return allocation_of(tree_floor(&as->tree, addr));
}

struct allocation *allocs_find(const struct allocs *as, gva_t addr)
{
    struct allocation *a = allocs_floor(as, addr);

    return a && addr < a->end ? a : NULL;
}

struct allocation *allocs_above(const struct allocs *as, gva_t addr)
{
    struct allocation *a = allocs_floor(as, addr);

    return a ? allocation_next(a) : allocation_of(tree_first(&as->tree));
}

bool allocs_is_free(const struct allocs *as, gva_t start, gva_t end)
{
    const struct allocation *a = allocs_floor(as, end - 1);

    return !a || a->end <= start;
}

static gva_t granule_up(gva_t addr)
{
    return (addr + VM_GRANULARITY - 1) & ~(gva_t)(VM_GRANULARITY - 1);
}

/* Where room behind a may start; a may be NULL: the lowest address. */
static gva_t room_behind(const struct allocation *a)
{
    return a ? granule_up(a->end) : VM_LOWEST;
}

static uint64_t gap_before(const struct allocation *a)
{
    gva_t start = room_behind(allocation_prev(a));

    return start < allocation_base(a) ? allocation_base(a) - start : 0;
}

static void update_gap(struct allocs *as, struct allocation *a)
{
    if (a)
        tree_set_weight(&as->tree, &a->node, gap_before(a));
}

void allocs_insert(struct allocs *as, struct allocation *a)
{
    assert(allocation_base(a) < a->end && a->end <= as->limit);
    assert(allocs_is_free(as, allocation_base(a), a->end));
    a->node.weight = 0;
    tree_insert(&as->tree, &a->node);
    update_gap(as, a);
    update_gap(as, allocation_next(a));
}

void allocs_remove(struct allocs *as, struct allocation *a)
{
    struct allocation *next = allocation_next(a);

    tree_remove(&as->tree, &a->node);
    update_gap(as, next);
}

void allocs_shrink(struct allocs *as, struct allocation *a, gva_t base, gva_t end)
{
    assert(allocation_base(a) <= base && base < end && end <= a->end);
    a->node.key = base;
    a->end = end;
    update_gap(as, a);
    update_gap(as, allocation_next(a));
}

/* The place for room in the free range [start, end). */
static bool place(const struct room *room, gva_t start, gva_t end, gva_t *base)
{
    uint64_t mask = room->alignment - 1;
    gva_t lowest;
    gva_t at;

    if (start < room->lowest)
        start = room->lowest;
    if (end > room->end)
        end = room->end;
    lowest = (start + mask) & ~mask;
    if (lowest < start || end < lowest || end - lowest < room->size)
        return false;
    at = room->top_down ? (end - room->size) & ~mask : lowest;
    *base = at;
    return true;
}

/* The lowest place in the gaps below n. */
static bool lowest_in(const struct tree_node *n, const struct room *room, gva_t *base)
{
    while (n && n->max >= room->size) {
        if (n->key > room->lowest &&
            (lowest_in(n->child[0], room, base) || place(room, n->key - n->weight, n->key, base)))
            return true;
        if (n->key >= room->end)
            return false;
        n = n->child[1];
    }
    return false;
}

/* The highest place in the gaps below n. */
static bool highest_in(const struct tree_node *n, const struct room *room, gva_t *base)
{
    while (n && n->max >= room->size) {
        if (n->key < room->end && highest_in(n->child[1], room, base))
            return true;
        if (n->key <= room->lowest)
            return false;
        if (place(room, n->key - n->weight, n->key, base))
            return true;
        n = n->child[0];
    }
    return false;
}

bool allocs_find_room(const struct allocs *as, const struct room *room, gva_t *base)
{
    gva_t behind = room_behind(allocation_of(tree_last(&as->tree)));

    if (room->top_down)
        return place(room, behind, as->limit, base) || highest_in(as->tree.root, room, base);
    return lowest_in(as->tree.root, room, base) || place(room, behind, as->limit, base);
}

bool allocs_valid(const struct allocs *as)
{
    gva_t end = VM_LOWEST;

    if (!tree_valid(&as->tree))
        return false;
    for (const struct allocation *a = allocation_of(tree_first(&as->tree)); a;
         a = allocation_next(a)) {
        if (allocation_base(a) < end || a->end <= allocation_base(a) || a->end > as->limit ||
            a->node.weight != gap_before(a))
            return false;
        end = a->end;
    }
    return true;
}
