/* Hit counters; the contract is in counts.h. */
#include "run/counts.h"

#include <stdlib.h>
#include <string.h>

void counts_fini(struct counts *counts)
{
    free(counts->list);
    *counts = (struct counts){0};
}

/* Room for one more. */
static bool grow(struct counts *counts)
{
    size_t cap = counts->cap ? 2 * counts->cap : 16;
    struct target_hits *grown;

    if (counts->count < counts->cap)
        return true;
    grown = realloc(counts->list, cap * sizeof *grown);
    if (!grown)
        return false;
    counts->list = grown;
    counts->cap = cap;
    return true;
}

void counts_hit(struct counts *counts, gva_t addr, bool counted)
{
    size_t lo = 0;
    size_t hi = counts->count;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (counts->list[mid].addr < addr)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo == counts->count || counts->list[lo].addr != addr) {
        if (!grow(counts))
            return;
        memmove(counts->list + lo + 1, counts->list + lo,
                (counts->count - lo) * sizeof *counts->list);
        counts->list[lo] = (struct target_hits){.addr = addr};
        counts->count++;
    }
    counts->list[lo].reached++;
    counts->list[lo].counted += counted;
}
