/*
 * struct vm and what the files that implement winstub/vm.h share: rounding, accounting, telling the
 * observer, and setting the protection of a run in both places that know it.
 */
#ifndef VM_SPACE_H
#define VM_SPACE_H

#include <stdbool.h>
#include <stdint.h>

#include "vm/allocs.h"
#include "vm/foreign.h"
#include "vm/pagetable.h"
#include "vm/physical.h"
#include "vm/pool.h"
#include "vm/protection.h"
#include "vm/runs.h"
#include "winstub/vm.h"

struct vm {
    struct physical *physical; /* with those beside it */
    struct vm *next_space;     /* of the same physical memory */
    struct pagetable pages;
    struct allocs allocs;
    struct foreigns foreign;
    struct pool index_pool; /* nodes of the tree of allocations */
    struct pool allocation_pool;
    struct pool run_pool;
    uint64_t committed; /* bytes charged for allocations, as part of what physical memory has */
    uint64_t reserved;
    uint64_t own_frames; /* handed out by vm_frame_new */
    bool dep;
    gva_t default_base; /* where find-free starts */
    struct vm_observer observer;
    uint64_t layout;
    struct layout *known; /* the saved copy that says what holds now; NULL: none does */
};

/* A range of guest addresses, whole pages, end exclusive. */
struct range {
    gva_t start;
    gva_t end;
};

static inline gva_t page_down(gva_t addr)
{
    return addr & ~(gva_t)(VM_PAGE_SIZE - 1);
}

/* Does not wrap for addresses up to the user limit. */
static inline gva_t page_up(gva_t addr)
{
    return page_down(addr + VM_PAGE_SIZE - 1);
}

static inline uint64_t page_number(gva_t addr)
{
    return addr / VM_PAGE_SIZE;
}

/* The pages that [base, base + size) touches; the caller has checked that it ends within the user range. */
struct range range_of_pages(gva_t base, uint64_t size);

/* The layout is another now: count it, and in debug builds check every invariant. */
void space_changed(struct vm *vm);
/* No saved copy describes what holds now: for changes that no reader of the map sees. space_changed includes it. */
void space_forget_saved(struct vm *vm);

/* Tell the observer: answers for r are void. */
void space_revoke(const struct vm *vm, struct range r);

/*
 * The highest address that zero_bits allow (A22..A25), the top of the user range for 0.
 * STATUS_INVALID_PARAMETER_3
 */
MUST_USE nt_status space_zero_bits(const struct vm *vm, uint64_t zero_bits, gva_t *highest);

/* Charge vm for so many bytes, and the reverse. */
void space_charge(struct vm *vm, uint64_t bytes);
void space_discharge(struct vm *vm, uint64_t bytes);
/* Does each committed page of a count against the limit: of all but views that share what is written? */
bool space_is_charged(const struct allocation *a);

/* Bytes of r that are committed; at is the run that holds r.start. */
uint64_t space_committed(const struct run *at, struct range r);

/* Prepare changes of the runs and entries in r: a cut, the move of a tail, own nodes. STATUS_NO_MEMORY, nothing changed. */
MUST_USE nt_status space_prepare(struct vm *vm, struct range r, bool clear);

/* Cut a's runs at both ends of r, where `at` holds r.start; returns the first run in r. After space_prepare. */
struct run *space_cut(struct vm *vm, struct allocation *a, struct run *at, struct range r);
/* Join what became alike after a space_cut whose result was first. */
void space_join(struct vm *vm, struct allocation *a, struct run *first, struct range r);

/* Give a run another protection, in its pages too; revokes when it allows less. After space_prepare. */
void space_set_protect(struct vm *vm, struct run *run, uint32_t protect);

/*
 * Give the pages of r, whose first run is at, what a protect or commit with that value makes them show: views keep
 * "not yet written" visible (M25, M27). After space_prepare.
 */
void space_protect(struct vm *vm, struct allocation *a, struct run *at, struct range r,
                   uint32_t protect);

/* Take the frames of r away. After space_prepare. */
void space_clear(struct vm *vm, struct range r);

/*
 * A new allocation over r with one reserved run, not yet entered. NULL when memory is short. Freed with
 * space_discard, which also takes its runs, labels and view; the entries of its pages are the caller's business.
 */
struct allocation *space_new_allocation(struct vm *vm, struct range r, const char *label);
void space_discard(struct vm *vm, struct allocation *a);
/* Enter a, count it, and the reverse. */
void space_enter(struct vm *vm, struct allocation *a);
void space_leave(struct vm *vm, struct allocation *a);
/* Both: a leaves and is discarded. */
void space_drop(struct vm *vm, struct allocation *a);
/* The placeholder that takes exactly r, for something else to take its place; NULL: there is none. */
struct allocation *space_placeholder(const struct vm *vm, struct range r);
/* Every allocation leaves and is discarded; the entries of their pages are the caller's business. */
void space_discard_all(struct vm *vm);

#endif
