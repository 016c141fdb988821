/* Cutting and joining runs; see runs.h. What a run means is decided by those who set its fields. */
#include "vm/runs.h"

#include <stddef.h>

struct run *run_of(struct tree_node *node)
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

void runs_init(struct tree *runs, struct pool *pool, gva_t start, gva_t end)
{
    struct run *r = pool_take(pool);

    *r = (struct run){.node.key = start, .end = end};
    *runs = (struct tree){0};
    tree_insert(runs, &r->node);
}

static void release(struct tree *runs, struct pool *pool, struct run *r)
{
    tree_remove(runs, &r->node);
    label_unref(r->label);
    pool_give(pool, r);
}

void runs_fini(struct tree *runs, struct pool *pool)
{
    while (runs->root)
        release(runs, pool, run_of(runs->root));
}

struct run *runs_find(const struct tree *runs, gva_t addr)
{
    return run_of(tree_floor(runs, addr));
}

struct run *runs_cut(struct tree *runs, struct pool *pool, gva_t addr)
{
    struct run *r = runs_find(runs, addr);
    struct run *tail;

    if (run_start(r) == addr)
        return r;
    if (r->end == addr)
        return NULL;
    tail = pool_take(pool);
    *tail = *r;
    tail->node.key = addr;
    label_ref(tail->label);
    r->end = addr;
    tree_insert(runs, &tail->node);
    return tail;
}

bool runs_look_alike(const struct run *a, const struct run *b)
{
    return a->protect == b->protect;
}

static bool equal(const struct run *a, const struct run *b)
{
    return runs_look_alike(a, b) && a->written == b->written && a->label == b->label;
}

void runs_join(struct tree *runs, struct pool *pool, gva_t start, gva_t end)
{
    struct run *r = runs_find(runs, start);

    if (run_start(r) == start && run_prev(r))
        r = run_prev(r);
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

void runs_drop(struct tree *runs, struct pool *pool, gva_t start, gva_t end)
{
    struct run *r = runs_find(runs, start);

    while (r && run_start(r) < end) {
        struct run *next = run_next(r);

        release(runs, pool, r);
        r = next;
    }
}

void runs_move_tail(struct tree *runs, gva_t addr, struct tree *to)
{
    struct run *r = runs_find(runs, addr);

    while (r) {
        struct run *next = run_next(r);

        tree_remove(runs, &r->node);
        tree_insert(to, &r->node);
        r = next;
    }
}

bool runs_valid(const struct tree *runs, gva_t start, gva_t end)
{
    const struct run *last = NULL;
    gva_t at = start;

    if (!tree_valid(runs))
        return false;
    for (const struct run *r = run_of(tree_first(runs)); r; r = run_next(r)) {
        if (run_start(r) != at || r->end <= at || (last && equal(last, r)))
            return false;
        at = r->end;
        last = r;
    }
    return at == end;
}
