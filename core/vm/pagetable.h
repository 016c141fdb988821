/*
 * The page table: page number to (frame, NT protection, flags), only for pages that have a frame. A
 * radix tree of six levels with 64 entries each; nodes are reference counted and copied when a shared one
 * is changed, so that a second table with the same contents is one reference (pt_share).
 * An entry owns one reference of its frame; a leaf that two tables share owns it once for both.
 */
#ifndef VM_PAGETABLE_H
#define VM_PAGETABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "vm/frames.h"
#include "vm/pool.h"

#define PT_BITS   6u
#define PT_FANOUT (1u << PT_BITS)
#define PT_LEVELS 6u
#define PT_PAGES  (UINT64_C(1) << (PT_BITS * PT_LEVELS)) /* page numbers are below this */

/* An entry: frame << 16 | flags | protection. 0 is "no frame": every protection has a bit set. */
typedef uint64_t pte_t;

#define PTE_PROTECT 0x07FFu /* PAGE_* */
#define PTE_WATCH   0x0800u /* the next write is to be recorded: not granted in advance */

struct pt_node; /* in pagetable.c */

/* What tables that may share nodes have in common. */
struct pt_space {
    struct frames *frames;
    struct pool nodes;
    uint64_t entries; /* in all nodes, a shared node counted once */
};

struct pagetable {
    struct pt_space *space;
    struct pt_node *root; /* NULL when empty */
};

void pt_space_init(struct pt_space *s, struct frames *frames);
void pt_space_fini(struct pt_space *s); /* after all its tables */

void pt_init(struct pagetable *pt, struct pt_space *space);
void pt_fini(struct pagetable *pt); /* drops every frame; pt is empty and usable again */
/* Make *out, which is not initialised, a table with pt's contents. O(1), cannot fail. */
void pt_share(const struct pagetable *pt, struct pagetable *out);

pte_t pte_make(frame_t frame, uint32_t protect); /* PTE_WATCH may be set in protect */
frame_t pte_frame(pte_t e);
uint32_t pte_protect(pte_t e);

/* The entry of a page, 0 when it has none. *shared: somebody else sees its frame too, a write must copy it. */
pte_t pt_get(const struct pagetable *pt, uint64_t page, bool *shared);

/* The first page in [page, end) with an entry; false when there is none. */
bool pt_next(const struct pagetable *pt, uint64_t *page, uint64_t end, pte_t *out);

/*
 * Set the entry of a page. When the frame is new to the page, the table takes over one reference of it and
 * the former entry's frame loses one. False, and no change at all, when the host is out of memory.
 */
MUST_USE bool pt_put(struct pagetable *pt, uint64_t page, pte_t e);

/*
 * Make the nodes that hold entries of [start, end) this table's own; those wholly inside may stay shared
 * when only a pt_clear follows (edges). Contents stay. False when the host is out of memory.
 */
MUST_USE bool pt_own(struct pagetable *pt, uint64_t start, uint64_t end, bool edges);

/*
 * Clear and then set these bits in every entry of [start, end): PTE_PROTECT and what replaces it, PTE_WATCH.
 * After a pt_own of it.
 */
void pt_change(struct pagetable *pt, uint64_t start, uint64_t end, pte_t clear, pte_t set);
/* Drop every entry in [start, end). After a pt_own of it. */
void pt_clear(struct pagetable *pt, uint64_t start, uint64_t end);

/* Counts, references and frames of every node reachable from pt. O(nodes). */
bool pt_valid(const struct pagetable *pt);

#endif
