/*
 * A hash table from a 64-bit key (a page or an address) to a 64-bit value: open addressing, no
 * order. The caller places it; all zero is an empty table.
 */
#ifndef WINSTUB_CORE_CPU_PAGEMAP_H
#define WINSTUB_CORE_CPU_PAGEMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pagemap {
    struct pagemap_slot *slots;
    size_t capacity; /* power of two, or 0 */
    size_t count;
};

void pagemap_fini(struct pagemap *m);

/* The value of key; NULL when it has none. Valid until the next pagemap_put or pagemap_remove. */
uint64_t *pagemap_get(const struct pagemap *m, uint64_t key);
/* Give key a value; false when memory is short. Never fails for a key that is there. */
bool pagemap_put(struct pagemap *m, uint64_t key, uint64_t value);
void pagemap_remove(struct pagemap *m, uint64_t key);
/* Forget every key. */
void pagemap_clear(struct pagemap *m);
/*
 * Walk the table: the next used slot from *at on; false at the end. Nothing may be added
 * meanwhile.
 */
bool pagemap_next(const struct pagemap *m, size_t *at, uint64_t *key, uint64_t *value);

#endif
