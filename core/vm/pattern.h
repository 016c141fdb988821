/* What a search looks for, inside: value and mask, and the part of it that a fast search can stand on. */
#ifndef VM_PATTERN_H
#define VM_PATTERN_H

#include "winstub/search.h"

struct vm_pattern {
    size_t len;
    size_t anchor;     /* offset of the longest stretch in which every bit counts */
    size_t anchor_len; /* its bytes; 0: there is none */
    bool zero;         /* does memory of zeros match? */
    uint8_t *mask;     /* len bytes */
    uint8_t value[];   /* len bytes, 0 where the mask is; the mask lies behind them */
};

/*
 * The first place in [from, last] where the pattern may start, last + 1 when there is none. The bytes hold the
 * whole pattern at `last`. What is returned matches at the anchor.
 */
size_t pattern_candidate(const struct vm_pattern *p, const uint8_t *bytes, size_t from,
                         size_t last);

/* Does the pattern match here, where its anchor does? */
bool pattern_matches(const struct vm_pattern *p, const uint8_t *bytes);

#endif
