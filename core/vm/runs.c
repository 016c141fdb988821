/* Cutting and joining runs; see runs.h. What a run means is decided by those who set its fields. */
#include "vm/runs.h"

#include <stddef.h>

static struct run *run_of(struct tree_node *node)
{
    return node ? (struct run *)((char *)node - offsetof(struct run, node)) : NULL;
}

gva_t run_start(const struct run *r)
{
    return r->node.key;
}

struct run *run_next(const struct run *r)
{
    return run_of(tree_next(&r->node));
}

struct run *run_prev(const struct run *r)
{
    return run_of(tree_prev(&r->node));
}

void runs_init(struct runs *runs, gva_t start, gva_t end)
{
    *runs = (struct runs){.home = {.node.key = start, .end = end}};
    tree_insert(&runs->tree, NULL, &runs->home.node);
}

static void release(struct runs *runs, struct pool *pool, struct run *r)
{
    tree_remove(&runs->tree, &r->node);
    label_unref(r->label);
    if (r != &runs->home)
        pool_give(pool, r);
}

struct run *runs_first(const struct runs *runs)
{
    return run_of(tree_first(&runs->tree));
}

void runs_fini(struct runs *runs, struct pool *pool)
{
    while (runs->tree.root)
        release(runs, pool, run_of(runs->tree.root));
}

struct run *runs_find(const struct runs *runs, gva_t addr)
{
    return run_of(tree_floor(&runs->tree, addr));
}

/* Cut r in two at addr, strictly inside it; returns the upper part. */
static struct run *split(struct runs *runs, struct pool *pool, struct run *r, gva_t addr)
{
    struct run *upper = pool_take(pool);

    *upper = *r;
    upper->node.key = addr;
    label_ref(upper->label);
    r->end = addr;
    tree_insert(&runs->tree, &r->node, &upper->node);
    return upper;
}

struct run *runs_cut(struct runs *runs, struct pool *pool, struct run *at, gva_t start, gva_t end)
{
    struct run *first = run_start(at) < start ? split(runs, pool, at, start) : at;
    struct run *last = first;

    while (last->end < end)
        last = run_next(last);
    if (last->end > end)
        (void)split(runs, pool, last, end);
    return first;
}

bool runs_look_alike(const struct run *a, const struct run *b)
{
    return a->protect == b->protect;
}

static bool equal(const struct run *a, const struct run *b)
{
    return runs_look_alike(a, b) && a->written == b->written && a->label == b->label;
}

void runs_join(struct runs *runs, struct pool *pool, struct run *first, gva_t end)
{
    struct run *r = run_prev(first);

    r = r ? r : first;
    for (;;) {
        struct run *next = run_next(r);

        if (!next || run_start(next) > end)
            return;
        if (!equal(r, next)) {
            r = next;
            continue;
        }
        r->end = next->end;
        release(runs, pool, next);
    }
}

struct run *runs_drop(struct runs *runs, struct pool *pool, struct run *first, gva_t end)
{
    while (first && run_start(first) < end) {
        struct run *next = run_next(first);

        release(runs, pool, first);
        first = next;
    }
    return first;
}

void runs_move_tail(struct runs *runs, struct run *first, struct runs *to)
{
    struct run *last = NULL;

    *to = (struct runs){0};
    while (first) {
        struct run *next = run_next(first);

        tree_remove(&runs->tree, &first->node);
        tree_insert(&to->tree, last ? &last->node : NULL, &first->node);
        last = first;
        first = next;
    }
}

bool runs_valid(const struct runs *runs, gva_t start, gva_t end)
{
    const struct run *last = NULL;
    gva_t at = start;

    if (!tree_valid(&runs->tree))
        return false;
    for (const struct run *r = runs_first(runs); r; r = run_next(r)) {
        if (run_start(r) != at || r->end <= at || (last && equal(last, r)))
            return false;
        at = r->end;
        last = r;
    }
    return at == end;
}
