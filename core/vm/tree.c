/* AVL balancing; see tree.h for what it promises. */
#include "vm/tree.h"

#include <assert.h>

static struct tree_node *outermost(struct tree_node *n, int side)
{
    while (n && n->child[side])
        n = n->child[side];
    return n;
}

static int height_of(const struct tree_node *n)
{
    return n ? n->height : 0;
}

static int height_from_children(const struct tree_node *n)
{
    int a = height_of(n->child[0]);
    int b = height_of(n->child[1]);

    return (a > b ? a : b) + 1;
}

/* Recompute n's height; did it change? */
static bool refresh(struct tree_node *n)
{
    int height = height_from_children(n);
    bool changed = height != n->height;

    n->height = height;
    return changed;
}

/* Put `with` (may be NULL) where n hangs. */
static void replace(struct tree *t, struct tree_node *n, struct tree_node *with)
{
    struct tree_node *parent = n->parent;

    if (!parent)
        t->root = with;
    else
        parent->child[parent->child[1] == n] = with;
    if (with)
        with->parent = parent;
}

static void set_child(struct tree_node *n, int side, struct tree_node *child)
{
    n->child[side] = child;
    if (child)
        child->parent = n;
}

/* Lift n's child of that side into n's place; returns it. */
static struct tree_node *rotate(struct tree *t, struct tree_node *n, int side)
{
    struct tree_node *up = n->child[side];

    replace(t, n, up);
    set_child(n, side, up->child[!side]);
    set_child(up, !side, n);
    refresh(n);
    refresh(up);
    return up;
}

static int lean_of(const struct tree_node *n)
{
    return height_of(n->child[1]) - height_of(n->child[0]);
}

/* Restore the balance of n, whose subtrees differ by at most two. */
static bool rebalance(struct tree *t, struct tree_node *n)
{
    int lean = lean_of(n);
    int side = lean > 0;

    if (lean >= -1 && lean <= 1)
        return false;
    if (height_of(n->child[side]->child[!side]) > height_of(n->child[side]->child[side]))
        rotate(t, n->child[side], !side);
    rotate(t, n, side);
    return true;
}

/* Something below n changed: bring n and what is above it up to date. */
static void fix_upwards(struct tree *t, struct tree_node *n)
{
    while (n) {
        struct tree_node *parent = n->parent;
        bool changed = refresh(n);

        if (!rebalance(t, n) && !changed)
            return;
        n = parent;
    }
}

void tree_insert(struct tree *t, struct tree_node *before, struct tree_node *node)
{
    struct tree_node *above = before ? before->child[1] : t->root;
    struct tree_node *parent = above ? outermost(above, 0) : before;
    int side = !above;

    assert(!before || before->key < node->key);
    *node = (struct tree_node){.parent = parent, .key = node->key, .height = 1};
    if (parent)
        parent->child[side] = node;
    else
        t->root = node;
    t->count++;
    fix_upwards(t, parent);
}

/* Take node, which has two children, out by putting its successor in its place. */
static void remove_inner(struct tree *t, struct tree_node *node)
{
    struct tree_node *heir = tree_next(node);
    struct tree_node *below = heir->parent == node ? heir : heir->parent;

    replace(t, heir, heir->child[1]);
    set_child(heir, 0, node->child[0]);
    set_child(heir, 1, node->child[1]);
    replace(t, node, heir);
    heir->height = node->height;
    fix_upwards(t, below);
}

void tree_remove(struct tree *t, struct tree_node *node)
{
    t->count--;
    if (node->child[0] && node->child[1]) {
        remove_inner(t, node);
        return;
    }
    replace(t, node, node->child[0] ? node->child[0] : node->child[1]);
    fix_upwards(t, node->parent);
}

struct tree_node *tree_floor(const struct tree *t, uint64_t key)
{
    struct tree_node *best = NULL;
    struct tree_node *at = t->root;

    while (at) {
        bool above = at->key > key;

        best = above ? best : at;
        at = at->child[!above];
    }
    return best;
}

struct tree_node *tree_first(const struct tree *t)
{
    return outermost(t->root, 0);
}

struct tree_node *tree_last(const struct tree *t)
{
    return outermost(t->root, 1);
}

/* The neighbour of n on that side. */
static struct tree_node *neighbour(const struct tree_node *n, int side)
{
    if (n->child[side])
        return outermost(n->child[side], !side);
    while (n->parent && n->parent->child[side] == n)
        n = n->parent;
    return n->parent;
}

struct tree_node *tree_next(const struct tree_node *node)
{
    return neighbour(node, 1);
}

struct tree_node *tree_prev(const struct tree_node *node)
{
    return neighbour(node, 0);
}

static bool node_valid(const struct tree_node *n)
{
    int lean = lean_of(n);

    for (int side = 0; side < 2; side++) {
        const struct tree_node *child = n->child[side];

        if (child && (child->parent != n || (child->key > n->key) != side || child->key == n->key))
            return false;
    }
    return lean >= -1 && lean <= 1 && n->height == height_from_children(n);
}

bool tree_valid(const struct tree *t)
{
    const struct tree_node *last = NULL;
    size_t count = 0;

    if (t->root && t->root->parent)
        return false;
    for (const struct tree_node *n = tree_first(t); n; n = tree_next(n)) {
        if (!node_valid(n) || (last && last->key >= n->key) || ++count > t->count)
            return false;
        last = n;
    }
    return count == t->count;
}
