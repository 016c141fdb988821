/*
 * The B+ tree of ranges.h. Full nodes are split on the way down, so an insertion is one pass; a node that
 * got sparse is joined with a neighbour on the way up. Every slot describes all that lies below it, so that
 * no change ever has to look at a neighbouring leaf.
 */
#include "vm/ranges.h"

#include <assert.h>
#include <string.h>

#include "winstub/vm.h"

/* Two neighbours that together have no more than this are joined. Less than full, so that they do not split at once. */
#define JOIN_MOST (RANGES_FANOUT * 3 / 4)

#define LINE_SLOTS 8u /* 64-bit slots in one cache line */

/* The way from the root to a leaf: the slot taken in each node. */
struct step {
    struct ranges_node *node;
    unsigned slot;
};

struct path {
    struct step step[RANGES_LEVELS];
    unsigned depth;
};

void ranges_init(struct ranges *t, struct pool *nodes)
{
    *t = (struct ranges){.nodes = nodes};
}

uint64_t ranges_gap(uint64_t end, uint64_t start)
{
    uint64_t from = (end + VM_GRANULARITY - 1) & ~(uint64_t)(VM_GRANULARITY - 1);

    return from < start ? start - from : 0;
}

/* An insertion may split a node of every level and add a level, which the next one may split too. */
bool ranges_reserve(const struct ranges *t, unsigned n)
{
    unsigned levels = t->root ? t->root->level + 1 : 0;

    return pool_reserve(t->nodes, (size_t)n * (levels + n));
}

bool ranges_reserve_ascending(const struct ranges *t, size_t n)
{
    size_t nodes = RANGES_LEVELS;

    /* each level fills its nodes but for one slot, and has one that is not full yet */
    for (size_t slots = n; slots > RANGES_FANOUT; slots = slots / (RANGES_FANOUT - 1) + 1)
        nodes += slots / (RANGES_FANOUT - 1) + 1;
    return pool_reserve(t->nodes, nodes);
}

/*
 * How many of n's slots start at or below addr: first in which line of keys the answer lies, then where in it. No step
 * depends on a comparison's outcome, so that the host neither mispredicts nor waits for one before the next.
 */
static unsigned rank(const struct ranges_node *n, uint64_t addr)
{
    const uint64_t *line = n->start;
    unsigned lines = 0;
    unsigned slots = 0;

    for (unsigned i = LINE_SLOTS - 1; i < RANGES_FANOUT - 1; i += LINE_SLOTS)
        lines += n->start[i] <= addr;
    line += (size_t)lines * LINE_SLOTS;
    for (unsigned i = 0; i < LINE_SLOTS; i++)
        slots += line[i] <= addr;
    return lines * LINE_SLOTS + slots;
}

/* The slot of an inner node below which addr belongs. */
static unsigned child_slot(const struct ranges_node *n, uint64_t addr)
{
    unsigned r = rank(n, addr);

    return r ? r - 1 : 0;
}

/* Let slot i of n say what lies below it. Did it say something else? */
static bool describe(struct ranges_node *n, unsigned i)
{
    const struct ranges_node *child = n->slot[i];
    uint64_t gap = child->level ? child->gap[0] : 0;

    for (unsigned k = 1; k < child->count; k++) {
        uint64_t between = ranges_gap(child->end[k - 1], child->start[k]);

        gap = between > gap ? between : gap;
        if (child->level)
            gap = child->gap[k] > gap ? child->gap[k] : gap;
    }
    if (n->start[i] == child->start[0] && n->end[i] == child->end[child->count - 1] &&
        n->gap[i] == gap)
        return false;
    n->start[i] = child->start[0];
    n->end[i] = child->end[child->count - 1];
    n->gap[i] = gap;
    return true;
}

/* Keys behind the last slot are above every address: rank looks at them too. */
static void end_keys(struct ranges_node *n)
{
    for (unsigned i = n->count; i < RANGES_FANOUT; i++)
        n->start[i] = UINT64_MAX;
}

/* Move the slots of n from `from` on to `to`: open or close a gap. */
static void move_slots(struct ranges_node *n, unsigned from, unsigned to)
{
    size_t len = n->count - from;

    memmove(&n->start[to], &n->start[from], len * sizeof *n->start);
    memmove(&n->end[to], &n->end[from], len * sizeof *n->end);
    memmove(&n->gap[to], &n->gap[from], len * sizeof *n->gap);
    memmove(&n->slot[to], &n->slot[from], len * sizeof *n->slot);
    n->count = n->count + to - from;
    end_keys(n);
}

static void put_range(struct ranges_node *n, unsigned i, uint64_t start, uint64_t end, void *value)
{
    move_slots(n, i, i + 1);
    n->start[i] = start;
    n->end[i] = end;
    n->gap[i] = 0;
    n->slot[i] = value;
}

static void put_child(struct ranges_node *n, unsigned i, struct ranges_node *child)
{
    move_slots(n, i, i + 1);
    n->slot[i] = child;
    (void)describe(n, i);
}

/* Append the slots of `from`, from slot i on. */
static void append_slots(struct ranges_node *to, const struct ranges_node *from, unsigned i)
{
    size_t len = from->count - i;

    memcpy(&to->start[to->count], &from->start[i], len * sizeof *to->start);
    memcpy(&to->end[to->count], &from->end[i], len * sizeof *to->end);
    memcpy(&to->gap[to->count], &from->gap[i], len * sizeof *to->gap);
    memcpy(&to->slot[to->count], &from->slot[i], len * sizeof *to->slot);
    to->count += (uint32_t)len;
}

static struct ranges_node *node_new(struct ranges *t, unsigned level)
{
    struct ranges_node *n = pool_take(t->nodes);

    n->level = level;
    n->count = 0;
    end_keys(n);
    return n;
}

/* Split the full child at slot i of n. Ranges that arrive in ascending order leave full nodes behind. */
static void split_child(struct ranges *t, struct ranges_node *n, unsigned i, uint64_t start)
{
    struct ranges_node *child = n->slot[i];
    struct ranges_node *right = node_new(t, child->level);
    bool ascending = start > child->start[RANGES_FANOUT - 1];
    unsigned keep = ascending ? RANGES_FANOUT - 1 : RANGES_FANOUT / 2;

    append_slots(right, child, keep);
    child->count = keep;
    end_keys(child);
    (void)describe(n, i);
    put_child(n, i + 1, right);
}

/* A root above the root, so that a full one can be split. */
static void grow(struct ranges *t)
{
    struct ranges_node *root = node_new(t, t->root->level + 1);

    put_child(root, 0, t->root);
    t->root = root;
}

/* Bring the slots above the node at that depth of the path up to date. */
static void describe_above(const struct path *path, unsigned depth)
{
    while (depth-- > 0 && describe(path->step[depth].node, path->step[depth].slot))
        continue;
}

void ranges_insert(struct ranges *t, uint64_t start, uint64_t end, void *value)
{
    struct path path = {.depth = 0};
    struct ranges_node *n;

    if (!t->root)
        t->root = node_new(t, 0);
    if (t->root->count == RANGES_FANOUT)
        grow(t);
    n = t->root;
    while (n->level) {
        unsigned i = child_slot(n, start);

        if (((struct ranges_node *)n->slot[i])->count == RANGES_FANOUT) {
            split_child(t, n, i, start);
            i = child_slot(n, start);
        }
        path.step[path.depth++] = (struct step){n, i};
        n = n->slot[i];
    }
    put_range(n, rank(n, start), start, end, value);
    t->count++;
    describe_above(&path, path.depth);
}

/* The way to a range that is there. */
static void walk_to(const struct ranges *t, uint64_t start, struct path *path)
{
    struct ranges_node *n = t->root;

    path->depth = 0;
    for (;; n = n->slot[path->step[path->depth++].slot]) {
        path->step[path->depth] = (struct step){n, child_slot(n, start)};
        if (!n->level)
            break;
    }
    assert(n->start[path->step[path->depth].slot] == start);
}

void ranges_set_note(struct ranges *t, uint64_t start, uint64_t note)
{
    struct ranges_node *n = t->root;

    while (n->level)
        n = n->slot[child_slot(n, start)];
    assert(n->start[child_slot(n, start)] == start);
    n->gap[child_slot(n, start)] = note;
}

void ranges_shrink(struct ranges *t, uint64_t old_start, uint64_t start, uint64_t end)
{
    struct path path;
    struct step *leaf;

    walk_to(t, old_start, &path);
    leaf = &path.step[path.depth];
    leaf->node->start[leaf->slot] = start;
    leaf->node->end[leaf->slot] = end;
    describe_above(&path, path.depth);
}

/* Join the children at slots i and i + 1 of n when they fit into one. */
static bool join_children(struct ranges *t, struct ranges_node *n, unsigned i)
{
    struct ranges_node *left;
    struct ranges_node *right;

    if (i + 1 >= n->count)
        return false;
    left = n->slot[i];
    right = n->slot[i + 1];
    if (left->count + right->count > JOIN_MOST)
        return false;
    append_slots(left, right, 0);
    move_slots(n, i + 2, i + 1);
    (void)describe(n, i);
    pool_give(t->nodes, right);
    return true;
}

/*
 * The child at that slot of n lost something: drop it when it is empty, join it when it is sparse. Is n another one
 * for those above it?
 */
static bool child_shrank(struct ranges *t, struct ranges_node *n, unsigned i)
{
    struct ranges_node *child = n->slot[i];
    bool changed;

    if (!child->count) {
        move_slots(n, i + 1, i);
        pool_give(t->nodes, child);
        return true;
    }
    changed = describe(n, i);
    if (child->count > RANGES_FANOUT / 2)
        return changed;
    changed = join_children(t, n, i) || changed;
    return (i > 0 && join_children(t, n, i - 1)) || changed;
}

/* Drop root nodes that decide nothing. */
static void lower_root(struct ranges *t)
{
    while (t->root && (t->root->count == 0 || (t->root->level && t->root->count == 1))) {
        struct ranges_node *old = t->root;

        t->root = old->count ? old->slot[0] : NULL;
        pool_give(t->nodes, old);
    }
}

void ranges_remove(struct ranges *t, uint64_t start)
{
    struct path path;
    struct step *leaf;

    walk_to(t, start, &path);
    leaf = &path.step[path.depth];
    move_slots(leaf->node, leaf->slot + 1, leaf->slot);
    for (unsigned d = path.depth; d-- > 0;) {
        if (!child_shrank(t, path.step[d].node, path.step[d].slot))
            break;
    }
    lower_root(t);
    t->count--;
}

/*
 * Ask for the keys of n, all at once: one wait for memory instead of one per step of the search. At 100,000
 * allocations this halves the cost of a query.
 */
static void prefetch(const struct ranges_node *n)
{
    for (unsigned i = 0; i < RANGES_FANOUT; i += LINE_SLOTS)
        __builtin_prefetch(&n->start[i]);
}

/* The leaf and slot of the last range that starts at or below addr; NULL when there is none. */
static const struct ranges_node *floor_slot(const struct ranges *t, uint64_t addr, unsigned *slot)
{
    const struct ranges_node *n = t->root;

    while (n) {
        unsigned r = rank(n, addr);

        if (!r)
            return NULL;
        *slot = r - 1;
        if (!n->level)
            return n;
        n = n->slot[r - 1];
        prefetch(n);
    }
    return NULL;
}

void *ranges_floor(const struct ranges *t, uint64_t addr)
{
    unsigned slot;
    const struct ranges_node *n = floor_slot(t, addr, &slot);

    return n ? n->slot[slot] : NULL;
}

bool ranges_look(const struct ranges *t, uint64_t addr, struct ranges_found *out)
{
    unsigned slot;
    const struct ranges_node *n = floor_slot(t, addr, &slot);

    if (!n)
        return false;
    *out = (struct ranges_found){n->start[slot], n->end[slot], n->gap[slot], n->slot[slot]};
    return true;
}

bool ranges_is_free(const struct ranges *t, uint64_t start, uint64_t end)
{
    unsigned slot;
    const struct ranges_node *n = floor_slot(t, end - 1, &slot);

    return !n || n->end[slot] <= start;
}

void *ranges_above(const struct ranges *t, uint64_t addr)
{
    const struct ranges_node *n = t->root;
    const struct ranges_node *right = NULL; /* the nearest slot above those still searched */
    unsigned right_slot = 0;

    while (n) {
        unsigned r = rank(n, addr);

        if (r < n->count) {
            right = n;
            right_slot = r;
        }
        n = n->level && r ? n->slot[r - 1] : NULL;
    }
    while (right && right->level) {
        right = right->slot[right_slot];
        right_slot = 0;
    }
    return right ? right->slot[right_slot] : NULL;
}

/* Does slot i of n say what lies below it? */
static bool slot_valid(const struct ranges_node *n, unsigned i)
{
    struct ranges_node copy = *n;
    const struct ranges_node *child = n->slot[i];

    if (!n->level)
        return true;
    if (child->level != n->level - 1 || !child->count || child->count > RANGES_FANOUT)
        return false;
    return !describe(&copy, i);
}

static bool node_valid(const struct ranges_node *n, size_t *count)
{
    for (unsigned i = 0; i < n->count; i++) {
        if (!n->slot[i] || n->start[i] >= n->end[i] || (i && n->start[i] < n->end[i - 1]) ||
            !slot_valid(n, i))
            return false;
        if (n->level && !node_valid(n->slot[i], count))
            return false;
        *count += !n->level;
    }
    for (unsigned i = n->count; i < RANGES_FANOUT; i++) {
        if (n->start[i] != UINT64_MAX)
            return false;
    }
    return n->count > 0;
}

bool ranges_valid(const struct ranges *t)
{
    size_t count = 0;

    return (!t->root || node_valid(t->root, &count)) && count == t->count;
}
