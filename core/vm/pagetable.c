/*
 * The radix tree behind pagetable.h. Level 0 is the leaf. A node is owned by a table when its reference
 * count and those of all nodes above it are 1; only owned nodes are written. DESIGN.md section 3.
 */
#include "vm/pagetable.h"

#include <assert.h>
#include <string.h>

struct pt_node {
    uint32_t refs;
    uint32_t used; /* slots that are not 0 */
    union {
        struct pt_node *child[PT_FANOUT];
        pte_t entry[PT_FANOUT];
    };
};

/* A half-open range of pages, or what of it lies below one node. */
struct span {
    uint64_t start;
    uint64_t end;
};

void pt_space_init(struct pt_space *s, struct frames *frames)
{
    *s = (struct pt_space){.frames = frames};
    pool_init(&s->nodes, sizeof(struct pt_node));
}

void pt_space_fini(struct pt_space *s)
{
    pool_fini(&s->nodes);
}

void pt_init(struct pagetable *pt, struct pt_space *space)
{
    *pt = (struct pagetable){.space = space};
}

pte_t pte_make(frame_t frame, uint32_t protect)
{
    assert(protect & PTE_PROTECT && !(protect & ~(PTE_PROTECT | PTE_WATCH)));
    return (pte_t)frame << 16 | protect;
}

frame_t pte_frame(pte_t e)
{
    return (frame_t)(e >> 16);
}

uint32_t pte_protect(pte_t e)
{
    return (uint32_t)e & PTE_PROTECT;
}

static unsigned slot_of(uint64_t page, unsigned level)
{
    return (unsigned)(page >> (PT_BITS * level)) % PT_FANOUT;
}

/* Pages below one slot of a node of that level. */
static uint64_t slot_pages(unsigned level)
{
    return UINT64_C(1) << (PT_BITS * level);
}

static void node_free(struct pt_space *s, struct pt_node *n, unsigned level);

/* Drop one reference of a node; what it alone held goes with it. */
static void node_unref(struct pt_space *s, struct pt_node *n, unsigned level)
{
    if (--n->refs == 0)
        node_free(s, n, level);
}

static void node_free(struct pt_space *s, struct pt_node *n, unsigned level)
{
    for (unsigned i = 0; i < PT_FANOUT; i++) {
        if (level && n->child[i]) {
            node_unref(s, n->child[i], level - 1);
        } else if (!level && n->entry[i]) {
            frames_unref(s->frames, pte_frame(n->entry[i]));
            s->entries--;
        }
    }
    pool_give(&s->nodes, n);
}

void pt_fini(struct pagetable *pt)
{
    if (pt->root)
        node_unref(pt->space, pt->root, PT_LEVELS - 1);
    pt->root = NULL;
}

void pt_share(const struct pagetable *pt, struct pagetable *out)
{
    *out = *pt;
    if (out->root)
        out->root->refs++;
}

pte_t pt_get(const struct pagetable *pt, uint64_t page, bool *shared)
{
    const struct pt_node *n = pt->root;
    bool seen = false;
    pte_t e;

    assert(page < PT_PAGES);
    for (unsigned level = PT_LEVELS - 1; n && level > 0; level--) {
        seen |= n->refs > 1;
        n = n->child[slot_of(page, level)];
    }
    if (!n)
        return 0;
    e = n->entry[slot_of(page, 0)];
    if (e)
        *shared = seen || n->refs > 1 || frames_refs(pt->space->frames, pte_frame(e)) > 1;
    return e;
}

static bool node_next(const struct pt_node *n, unsigned level, uint64_t *page, uint64_t end,
                      pte_t *out)
{
    for (unsigned i = slot_of(*page, level); i < PT_FANOUT && *page < end; i++) {
        uint64_t after = (*page / slot_pages(level) + 1) * slot_pages(level);

        if (level && n->child[i] && node_next(n->child[i], level - 1, page, end, out))
            return true;
        if (!level && n->entry[i]) {
            *out = n->entry[i];
            return true;
        }
        *page = after;
    }
    return false;
}

bool pt_next(const struct pagetable *pt, uint64_t *page, uint64_t end, pte_t *out)
{
    return pt->root && node_next(pt->root, PT_LEVELS - 1, page, end, out);
}

static struct pt_node *node_new(struct pt_space *s)
{
    struct pt_node *n = pool_new(&s->nodes);

    if (n) {
        memset(n, 0, sizeof *n);
        n->refs = 1;
    }
    return n;
}

/* Give a copy of n, at that level, references to all that n holds. */
static void adopt_slots(struct pt_space *s, const struct pt_node *n, unsigned level)
{
    for (unsigned i = 0; i < PT_FANOUT; i++) {
        if (level && n->child[i]) {
            n->child[i]->refs++;
        } else if (!level && n->entry[i]) {
            frames_ref(s->frames, pte_frame(n->entry[i]));
            s->entries++;
        }
    }
}

/* Make the node in *slot, whose parent is owned, owned too. False: out of memory, nothing changed. */
static bool node_own(struct pt_space *s, struct pt_node **slot, unsigned level)
{
    struct pt_node *shared = *slot;
    struct pt_node *own;

    if (shared->refs == 1)
        return true;
    own = node_new(s);
    if (!own)
        return false;
    memcpy(own, shared, sizeof *own);
    own->refs = 1;
    shared->refs--;
    adopt_slots(s, own, level);
    *slot = own;
    return true;
}

/* The owned leaf of page, made if need be. Nodes for the whole path were reserved. */
static struct pt_node *leaf_for(struct pagetable *pt, uint64_t page)
{
    struct pt_node **slot = &pt->root;
    struct pt_node *parent = NULL;

    for (unsigned level = PT_LEVELS - 1;; level--) {
        bool made =
            *slot ? node_own(pt->space, slot, level) : (*slot = node_new(pt->space)) != NULL;

        assert(made);
        (void)made;
        if (parent && (*slot)->used == 0)
            parent->used++;
        if (!level)
            return *slot;
        parent = *slot;
        slot = &parent->child[slot_of(page, level)];
    }
}

bool pt_put(struct pagetable *pt, uint64_t page, pte_t e)
{
    struct pt_node *leaf;
    pte_t *slot;

    assert(page < PT_PAGES && e);
    if (!pool_reserve(&pt->space->nodes, PT_LEVELS))
        return false;
    leaf = leaf_for(pt, page);
    slot = &leaf->entry[slot_of(page, 0)];
    if (*slot && pte_frame(*slot) != pte_frame(e))
        frames_unref(pt->space->frames, pte_frame(*slot));
    if (!*slot) {
        leaf->used++;
        pt->space->entries++;
    }
    *slot = e;
    return true;
}

/* The part of range below slot i of a node that starts at page base. */
static struct span slot_span(struct span range, uint64_t base, unsigned i, unsigned level)
{
    uint64_t start = base + i * slot_pages(level);
    uint64_t end = start + slot_pages(level);

    return (struct span){start > range.start ? start : range.start,
                         end < range.end ? end : range.end};
}

static bool span_is_whole(struct span part, unsigned level)
{
    return part.end - part.start == slot_pages(level);
}

/* The slots of a node at base that range touches: [first, last]. The range touches the node. */
static unsigned first_slot(struct span range, uint64_t base, unsigned level)
{
    return range.start <= base ? 0 : (unsigned)((range.start - base) / slot_pages(level));
}

static unsigned last_slot(struct span range, uint64_t base, unsigned level)
{
    uint64_t last = (range.end - 1 - base) / slot_pages(level);

    return last < PT_FANOUT ? (unsigned)last : PT_FANOUT - 1;
}

static bool own_below(struct pt_space *s, struct pt_node **slot, unsigned level, uint64_t base,
                      struct span range, bool edges)
{
    struct pt_node *n;

    if (!node_own(s, slot, level))
        return false;
    n = *slot;
    if (!level)
        return true;
    for (unsigned i = first_slot(range, base, level); i <= last_slot(range, base, level); i++) {
        struct span part = slot_span(range, base, i, level);

        if (!n->child[i] || (edges && span_is_whole(part, level)))
            continue;
        if (!own_below(s, &n->child[i], level - 1, base + i * slot_pages(level), part, edges))
            return false;
    }
    return true;
}

bool pt_own(struct pagetable *pt, uint64_t start, uint64_t end, bool edges)
{
    struct span range = {start, end};

    assert(start < end && end <= PT_PAGES);
    return !pt->root || own_below(pt->space, &pt->root, PT_LEVELS - 1, 0, range, edges);
}

/* Bits of an entry to clear and to set. */
struct change {
    pte_t clear;
    pte_t set;
};

static void change_below(struct pt_node *n, unsigned level, uint64_t base, struct span range,
                         struct change c)
{
    assert(n->refs == 1);
    for (unsigned i = first_slot(range, base, level); i <= last_slot(range, base, level); i++) {
        if (level && n->child[i])
            change_below(n->child[i], level - 1, base + i * slot_pages(level),
                         slot_span(range, base, i, level), c);
        else if (!level && n->entry[i])
            n->entry[i] = (n->entry[i] & ~c.clear) | c.set;
    }
}

void pt_change(struct pagetable *pt, uint64_t start, uint64_t end, pte_t clear, pte_t set)
{
    assert(start < end && end <= PT_PAGES);
    if (pt->root)
        change_below(pt->root, PT_LEVELS - 1, 0, (struct span){start, end},
                     (struct change){clear, set});
}

static void clear_entry(struct pt_space *s, struct pt_node *leaf, unsigned i)
{
    frames_unref(s->frames, pte_frame(leaf->entry[i]));
    s->entries--;
    leaf->entry[i] = 0;
    leaf->used--;
}

static void clear_below(struct pt_space *s, struct pt_node *n, unsigned level, uint64_t base,
                        struct span range);

/* Clear what of range lies below child i, and drop the child when nothing is left in it. */
static void clear_child(struct pt_space *s, struct pt_node *n, unsigned level, uint64_t base,
                        unsigned i, struct span part)
{
    struct pt_node *child = n->child[i];

    if (!span_is_whole(part, level)) {
        clear_below(s, child, level - 1, base + i * slot_pages(level), part);
        if (child->used)
            return;
    }
    node_unref(s, child, level - 1);
    n->child[i] = NULL;
    n->used--;
}

static void clear_below(struct pt_space *s, struct pt_node *n, unsigned level, uint64_t base,
                        struct span range)
{
    assert(n->refs == 1);
    for (unsigned i = first_slot(range, base, level); i <= last_slot(range, base, level); i++) {
        if (level && n->child[i])
            clear_child(s, n, level, base, i, slot_span(range, base, i, level));
        else if (!level && n->entry[i])
            clear_entry(s, n, i);
    }
}

void pt_clear(struct pagetable *pt, uint64_t start, uint64_t end)
{
    assert(start < end && end <= PT_PAGES);
    if (!pt->root)
        return;
    clear_below(pt->space, pt->root, PT_LEVELS - 1, 0, (struct span){start, end});
    if (pt->root->used)
        return;
    node_unref(pt->space, pt->root, PT_LEVELS - 1);
    pt->root = NULL;
}

static bool node_valid(const struct pt_space *s, const struct pt_node *n, unsigned level)
{
    uint32_t used = 0;

    for (unsigned i = 0; i < PT_FANOUT; i++) {
        if (level && n->child[i]) {
            used++;
            if (!node_valid(s, n->child[i], level - 1))
                return false;
        } else if (!level && n->entry[i]) {
            used++;
            if (!pte_protect(n->entry[i]) || !frames_refs(s->frames, pte_frame(n->entry[i])))
                return false;
        }
    }
    return n->refs > 0 && used > 0 && used == n->used;
}

bool pt_valid(const struct pagetable *pt)
{
    return !pt->root || node_valid(pt->space, pt->root, PT_LEVELS - 1);
}
