/*
 * Objects of one size, taken and given back. What a change will need is reserved before it starts, so
 * that the change itself cannot run out of memory half-way.
 */
#ifndef VM_POOL_H
#define VM_POOL_H

#include <stdbool.h>
#include <stddef.h>

struct pool {
    size_t object_size;
    void *free;           /* spare objects, each holding the next one */
    unsigned char *fresh; /* those of the last slab that were never taken, in a row */
    size_t fresh_count;   /* how many: their memory is the host's until they are taken */
    size_t spare;         /* all of both kinds */
    void *slabs;          /* what malloc gave, each holding the next one */
    size_t growth;        /* objects in the next slab */
};

/* An empty pool; objects are aligned to 64 bytes, those of 128 bytes to 128. Allocates nothing. */
void pool_init(struct pool *p, size_t object_size);
/* Release every object, also those not given back. */
void pool_fini(struct pool *p);

/* Have at least n spare objects. False when the host is out of memory. */
bool pool_reserve(struct pool *p, size_t n);
/* One spare object, its contents undefined. One must have been reserved. */
void *pool_take(struct pool *p);
/* Reserve and take one; NULL when the host is out of memory. */
void *pool_new(struct pool *p);
void pool_give(struct pool *p, void *object);

#endif
