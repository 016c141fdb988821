/*
 * Allocations: which address ranges are taken, by what, and where there is room. Ordered by base in a
 * tree that keeps the largest usable gap of every subtree, so that room is found in O(log n).
 */
#ifndef VM_ALLOCS_H
#define VM_ALLOCS_H

#include <stdbool.h>
#include <stdint.h>

#include "vm/label.h"
#include "vm/ranges.h"
#include "vm/runs.h"
#include "vm/pageset.h"
#include "winstub/gva.h"

struct view; /* section.h */

struct allocation {
    gva_t base;
    gva_t end;
    uint32_t type;          /* MEM_PRIVATE, MEM_MAPPED, MEM_IMAGE */
    uint16_t protect;       /* AllocationProtect */
    bool placeholder : 1;   /* reserved for a later replacement, and for nothing else */
    bool replaced : 1;      /* took a placeholder's place, and may become one again */
    bool foreign;           /* its memory is not the vm's: see foreign.h */
    struct pageset *writes; /* NULL unless made with MEM_WRITE_WATCH */
    struct label *label;
    struct view *view; /* NULL: private memory */
    struct runs runs;
    uint64_t brief; /* as the tree has it */
};
_Static_assert(sizeof(struct allocation) <= 192, "three cache lines");

struct allocs {
    struct ranges tree;
    gva_t limit; /* allocations end at or below it */
};

/* Where new room may lie: [lowest, end), at multiples of alignment. */
struct room {
    uint64_t size;
    gva_t lowest;
    gva_t end;
    uint64_t alignment; /* power of two, at least 64 KiB */
    bool top_down;
};

void allocs_init(struct allocs *as, struct pool *nodes, gva_t limit);

/* The allocation that holds addr, NULL when it is free. */
struct allocation *allocs_find(const struct allocs *as, gva_t addr);
/* The last allocation that starts at or below addr, NULL when none does. */
struct allocation *allocs_floor(const struct allocs *as, gva_t addr);
/* The first allocation that starts above addr, NULL when none does. */
struct allocation *allocs_above(const struct allocs *as, gva_t addr);
/*
 * The allocation that holds addr: its range, its brief (0: it has none) and itself, which has not been looked at.
 * False when addr is free.
 */
bool allocs_look(const struct allocs *as, gva_t addr, struct ranges_found *out);
/* The runs or the names of a, which is entered, have changed. O(log n) when its brief has, too. */
void allocs_update(struct allocs *as, struct allocation *a);
/* Is all of [start, end) free? */
bool allocs_is_free(const struct allocs *as, gva_t start, gva_t end);

/* Make sure that the next n allocs_insert cannot fail. False when the host is out of memory. */
bool allocs_reserve(const struct allocs *as, unsigned n);
/* The same for n insertions in ascending order, once the tree is empty. */
bool allocs_reserve_ascending(const struct allocs *as, size_t n);
/* Enter a, whose range is free. After allocs_reserve. */
void allocs_insert(struct allocs *as, struct allocation *a);
void allocs_remove(struct allocs *as, struct allocation *a);
/* Shrink a to [base, end), which lies inside it and is not empty. */
void allocs_shrink(struct allocs *as, struct allocation *a, gva_t base, gva_t end);

/*
 * The lowest (top_down: highest) place for room. False when there is none. O(log n) at 64 KiB alignment; larger
 * alignments also visit the gaps that are large enough but hold no aligned place.
 */
bool allocs_find_room(const struct allocs *as, const struct room *room, gva_t *base);

/* Order, no overlap, gaps. Runs are not looked at. O(n). */
bool allocs_valid(const struct allocs *as);

#endif
