/* How often breakpoints were reached, by address: counters that outlive the breakpoints. A sorted array. */
#ifndef CORE_RUN_COUNTS_H
#define CORE_RUN_COUNTS_H

#include <stdbool.h>
#include <stddef.h>

#include "winstub/target.h"

struct counts {
    struct target_hits *list; /* by address */
    size_t count, cap;
};

void counts_fini(struct counts *counts);
/* One more at addr; counted: the hit counts. Without memory a new address is not counted. O(log count), O(count) when new. */
void counts_hit(struct counts *counts, gva_t addr, bool counted);

#endif
