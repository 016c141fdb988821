/*
 * Briefs: what a query says about an allocation of private memory without names that has few runs, in one
 * word. The tree of allocations keeps it beside its keys: at 100,000 allocations, going to the allocation would cost
 * as much as the whole search.
 */
#ifndef VM_BRIEF_H
#define VM_BRIEF_H

#include <stdint.h>

#include "winstub/gva.h"

struct allocation;

struct brief {
    uint32_t allocation_protect;
    uint32_t protect; /* of the pages asked for; 0: reserved */
    gva_t end;        /* where pages that are like them end */
};

/* The brief of a; 0 when a word cannot hold it. */
uint64_t brief_of(const struct allocation *a);
/* What a brief, not 0, of the allocation [base, end) says about addr inside it. */
struct brief brief_read(uint64_t brief, gva_t base, gva_t end, gva_t addr);

#endif
