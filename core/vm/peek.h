/*
 * Committed guest memory in place, for readers that look at much of it: pieces of host memory instead of
 * copies, and whole stretches of pages that were never touched as what they are, zeros. Nothing is changed by
 * looking: no page gets a frame, no guard is cleared, but pages of files are read.
 */
#ifndef VM_PEEK_H
#define VM_PEEK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vm/allocs.h"
#include "winstub/vm.h"

/* A walk over the committed memory of a range, and the piece it has reached. */
struct peek {
    const struct vm *vm;
    gva_t at;                   /* where the walk goes on */
    gva_t end;                  /* and where it ends */
    gva_t committed;            /* [at, committed) is known to be committed, */
    const struct allocation *a; /* in this allocation */
    gva_t addr;                 /* the piece: where it lies, */
    size_t len;                 /* its bytes, never 0, */
    const uint8_t *bytes;       /* and what they are: NULL for zeros. Valid until the vm changes */
};

/* Start a walk over [start, end); ends at the user limit at the latest. The piece is not set. */
void peek_init(struct peek *p, const struct vm *vm, gva_t start, gva_t end);

/*
 * Find the next piece: ascending, each as large as it lies together in host memory. False: no more.
 * O(log allocations + pages with a frame in the piece, or pages of a view in it).
 */
bool peek_next(struct peek *p);

#endif
