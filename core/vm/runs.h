/*
 * Runs: the pages of one allocation, cut into pieces whose pages are alike. They cover the allocation
 * without gaps, ascending, and two neighbours always differ in something.
 */
#ifndef VM_RUNS_H
#define VM_RUNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vm/label.h"
#include "vm/pool.h"
#include "vm/tree.h"
#include "winstub/gva.h"

#define RUNS_AT_HOME  3u  /* as many need no memory of their own: a guard page inside a stack */
#define RUNS_IN_CHUNK 30u /* one KiB, and a search among thousands of runs visits few chunks */
#define RUNS_CUT_MOST 2u  /* objects that one runs_cut may take from the pool */

struct run {
    gva_t start;
    gva_t end;
    struct label *label; /* NULL: the allocation's */
    uint32_t protect;    /* PAGE_*; 0: reserved, not committed */
    bool written;        /* a page of an image or file view that has become private */
    uint8_t index;       /* in the array that holds it: runs.c's, as the next two */
    bool last;           /* of that array */
    bool home;           /* that array is the home of its struct runs */
};
_Static_assert(sizeof(struct run) == 32, "two runs are a cache line");

/* Neighbouring runs of an allocation that has many. The pool that the functions below take is of these. */
struct runs_chunk {
    struct tree_node node; /* key: where its first run starts */
    uint32_t count;        /* at least one */
    uint32_t recent; /* index of a run that was cut off last; what it holds may have changed */
    struct run run[RUNS_IN_CHUNK];
};

/*
 * The runs of one allocation: beside what leads to them while they are few, else in chunks. A run moves when runs
 * are cut, joined, dropped or moved, and when the struct does; pointers are good until then.
 */
struct runs {
    size_t count;
    struct tree chunks;        /* of struct runs_chunk; empty: the runs are at home */
    struct runs_chunk *recent; /* where a run was cut last; NULL: not known */
    struct run home[RUNS_AT_HOME];
};

static inline gva_t run_start(const struct run *r)
{
    return r->start;
}

struct run *run_next(const struct run *r); /* NULL after the last */
struct run *run_prev(const struct run *r);

/* Start with one reserved run over [start, end). */
void runs_init(struct runs *runs, gva_t start, gva_t end);
void runs_fini(struct runs *runs, struct pool *pool);

struct run *runs_first(const struct runs *runs);

/* The run that holds addr, which lies inside the allocation. O(log runs). */
struct run *runs_find(const struct runs *runs, gva_t addr);

/*
 * Make sure that runs start at start and at end: the first of the runs between. `at` holds start. The pool has
 * RUNS_CUT_MOST objects to spare. O(log runs + runs between).
 */
struct run *runs_cut(struct runs *runs, struct pool *pool, struct run *at, gva_t start, gva_t end);

/* Join equal neighbours, from the one before `first` to the one that starts at end. */
void runs_join(struct runs *runs, struct pool *pool, struct run *first, gva_t end);

/* Are the pages of two runs alike to NtQueryVirtualMemory? */
bool runs_look_alike(const struct run *a, const struct run *b);

/* Put a copy of r, with a reference to its label, behind the last run. */
void runs_append(struct runs *runs, struct pool *pool, const struct run *r);
/* How many objects of the pool it takes to append so many runs, one after the other, to none. */
size_t runs_append_cost(size_t count);

/*
 * Forget the runs from first to end, which is a cut: the allocation shrinks. Returns the run behind them, NULL when
 * there is none.
 */
struct run *runs_drop(struct runs *runs, struct pool *pool, struct run *first, gva_t end);
/*
 * Move the runs from first on, which is not the first of all, to `to`, which becomes what they are in. The pool has
 * an object to spare.
 */
void runs_move_tail(struct runs *runs, struct pool *pool, struct run *first, struct runs *to);

/* Order, cover of exactly [start, end), no equal neighbours, chunks. O(runs). */
bool runs_valid(const struct runs *runs, gva_t start, gva_t end);

#endif
