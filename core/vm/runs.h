/*
 * Runs: the pages of one allocation, cut into pieces whose pages are alike. They cover the allocation
 * without gaps, ascending, and two neighbours always differ in something.
 */
#ifndef VM_RUNS_H
#define VM_RUNS_H

#include <stdbool.h>
#include <stdint.h>

#include "vm/label.h"
#include "vm/pool.h"
#include "vm/tree.h"
#include "winstub/gva.h"

struct run {
    struct tree_node node; /* key: the first address */
    gva_t end;
    uint32_t protect;    /* PAGE_*; 0: reserved, not committed */
    bool written;        /* a page of an image or file view that has become private */
    struct label *label; /* NULL: the allocation's */
};

/*
 * The runs of one allocation. Most allocations have a single run: it lives here, beside what leads to it. The
 * struct stays where it is while it has runs.
 */
struct runs {
    struct tree tree;
    struct run home; /* the first run that was made */
};

gva_t run_start(const struct run *r);
struct run *run_next(const struct run *r); /* NULL after the last */
struct run *run_prev(const struct run *r);

/* Start with one reserved run over [start, end). */
void runs_init(struct runs *runs, gva_t start, gva_t end);
void runs_fini(struct runs *runs, struct pool *pool);

struct run *runs_first(const struct runs *runs);

/* The run that holds addr, which lies inside the allocation. */
struct run *runs_find(const struct runs *runs, gva_t addr);

/*
 * Make sure that runs start at start and at end: the first of the runs between. `at` holds start. The pool has
 * two objects to spare.
 */
struct run *runs_cut(struct runs *runs, struct pool *pool, struct run *at, gva_t start, gva_t end);

/* Join equal neighbours, from the one before `first` to the one that starts at end. first may vanish. */
void runs_join(struct runs *runs, struct pool *pool, struct run *first, gva_t end);

/* Are the pages of two runs alike to NtQueryVirtualMemory? */
bool runs_look_alike(const struct run *a, const struct run *b);

/* Forget the runs from first to end, which is a cut: the allocation shrinks. Returns the run behind them. */
struct run *runs_drop(struct runs *runs, struct pool *pool, struct run *first, gva_t end);
/* Move the runs from first on, which is not the first of all, to `to`, which becomes what they are in. */
void runs_move_tail(struct runs *runs, struct run *first, struct runs *to);

/* Order, cover of exactly [start, end), no equal neighbours. O(runs). */
bool runs_valid(const struct runs *runs, gva_t start, gva_t end);

#endif
