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
    struct tree_node node; /* key: the first address; weight unused */
    gva_t end;
    uint32_t protect;    /* PAGE_*; 0: reserved, not committed */
    bool written;        /* a page of an image or file view that has become private */
    struct label *label; /* NULL: the allocation's */
};

struct run *run_of(struct tree_node *node); /* takes NULL */
gva_t run_start(const struct run *r);
struct run *run_next(const struct run *r); /* NULL after the last */
struct run *run_prev(const struct run *r);

/* Start with one reserved run over [start, end). The pool has an object to spare. */
void runs_init(struct tree *runs, struct pool *pool, gva_t start, gva_t end);
void runs_fini(struct tree *runs, struct pool *pool);

/* The run that holds addr, which lies inside the allocation. */
struct run *runs_find(const struct tree *runs, gva_t addr);

/*
 * Make sure that a run starts at addr (inside the allocation, or its end). The pool has an object to spare.
 * Returns that run, NULL at the end.
 */
struct run *runs_cut(struct tree *runs, struct pool *pool, gva_t addr);

/* Join equal neighbours among the runs that touch [start, end], edges included. */
void runs_join(struct tree *runs, struct pool *pool, gva_t start, gva_t end);

/* Are the pages of two runs alike to NtQueryVirtualMemory? */
bool runs_look_alike(const struct run *a, const struct run *b);

/* Forget the runs in [start, end), which begin and end at cuts: the allocation shrinks. */
void runs_drop(struct tree *runs, struct pool *pool, gva_t start, gva_t end);
/* Move the runs from addr on, which is a cut, to the empty tree `to`. */
void runs_move_tail(struct tree *runs, gva_t addr, struct tree *to);

/* Order, cover of exactly [start, end), no equal neighbours. O(runs). */
bool runs_valid(const struct tree *runs, gva_t start, gva_t end);

#endif
