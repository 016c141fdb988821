/*
 * An ordered map from disjoint address ranges to pointers that knows the largest free gap below each of
 * its nodes: a B+ tree. Nodes of 32 ranges keep a search among 100,000 to four places in memory, where a
 * binary tree visits seventeen.
 */
#ifndef VM_RANGES_H
#define VM_RANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vm/pool.h"

#define RANGES_FANOUT 32u
#define RANGES_LEVELS                                                                              \
    16u /* two neighbouring nodes share more than 24 slots: far more than memory can fill */

struct ranges_node {
    uint32_t level; /* 0 for a leaf */
    uint32_t count;
    uint64_t start
        [RANGES_FANOUT]; /* of the range; in inner nodes of the first one below the slot; behind the last slot UINT64_MAX */
    uint64_t end[RANGES_FANOUT]; /* exclusive, of the range; in inner nodes of the last one */
    uint64_t gap
        [RANGES_FANOUT]; /* the largest gap between ranges below the slot; in leaves the range's note */
    void *slot[RANGES_FANOUT]; /* what is stored; in inner nodes the node below */
};

struct ranges {
    struct ranges_node *root; /* NULL when empty */
    struct pool *nodes;       /* of struct ranges_node */
    size_t count;
};

void ranges_init(struct ranges *t, struct pool *nodes);

/*
 * The usable gap between a range that ends at `end` and one that starts at `start`: it begins at a multiple of
 * 64 KiB, because no allocation starts elsewhere (A03).
 */
uint64_t ranges_gap(uint64_t end, uint64_t start);

/* Make sure that the next n ranges_insert cannot fail. False when the host is out of memory. */
bool ranges_reserve(const struct ranges *t, unsigned n);
/* The same for n insertions in ascending order into an empty tree: far fewer nodes. */
bool ranges_reserve_ascending(const struct ranges *t, size_t n);
/* Add a range that overlaps none; value is not NULL. Its note is 0. After ranges_reserve. O(log n). */
void ranges_insert(struct ranges *t, uint64_t start, uint64_t end, void *value);
/* A word of the caller's beside the range that starts at start, so that a look at it needs no other place in memory. O(log n). */
void ranges_set_note(struct ranges *t, uint64_t start, uint64_t note);
/* Remove the range that starts at start. O(log n). */
void ranges_remove(struct ranges *t, uint64_t start);
/* Let the range that starts at old_start be [start, end), inside what it was. O(log n). */
void ranges_shrink(struct ranges *t, uint64_t old_start, uint64_t start, uint64_t end);

/* What is stored for the last range that starts at or below addr, and for the first above it; NULL if none. O(log n). */
void *ranges_floor(const struct ranges *t, uint64_t addr);
void *ranges_above(const struct ranges *t, uint64_t addr);
/* The last range that starts at or below addr, and its note. False when there is none. O(log n). */
struct ranges_found {
    uint64_t start;
    uint64_t end;
    uint64_t note;
    void *value;
};
bool ranges_look(const struct ranges *t, uint64_t addr, struct ranges_found *out);
/* Is all of [start, end), which is not empty, outside every range? O(log n). */
bool ranges_is_free(const struct ranges *t, uint64_t start, uint64_t end);

/* Order, levels, bounds, gaps, counts. O(n). */
bool ranges_valid(const struct ranges *t);

#endif
