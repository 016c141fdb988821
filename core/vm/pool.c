/*
 * Pools of equal objects: slabs from the host, doubling from one object to 64 per slab, kept until
 * the pool ends. Small first slabs keep small address spaces small and let tests see every failure.
 */
#include "vm/pool.h"

#include <assert.h>
#include <stdlib.h>

#define POOL_ALIGN     64u
#define POOL_SLAB_MOST 64u

/* The head of a spare object or of a slab. */
struct link {
    struct link *next;
};

void pool_init(struct pool *p, size_t object_size)
{
    size_t rounded = (object_size + POOL_ALIGN - 1) / POOL_ALIGN * POOL_ALIGN;

    *p = (struct pool){.object_size = rounded, .growth = 1};
}

void pool_fini(struct pool *p)
{
    struct link *slab = p->slabs;

    while (slab) {
        struct link *next = slab->next;

        free(slab);
        slab = next;
    }
    pool_init(p, p->object_size);
}

static bool add_slab(struct pool *p)
{
    unsigned char *bytes = aligned_alloc(POOL_ALIGN, POOL_ALIGN + p->growth * p->object_size);
    struct link *slab = (struct link *)(void *)bytes;

    if (!slab)
        return false;
    slab->next = p->slabs;
    p->slabs = slab;
    for (size_t i = p->growth; i-- > 0;)
        pool_give(p, bytes + POOL_ALIGN + i * p->object_size);
    if (p->growth < POOL_SLAB_MOST)
        p->growth *= 2;
    return true;
}

bool pool_reserve(struct pool *p, size_t n)
{
    while (p->spare < n) {
        if (!add_slab(p))
            return false;
    }
    return true;
}

void *pool_take(struct pool *p)
{
    struct link *object = p->free;

    assert(p->spare > 0);
    p->free = object->next;
    p->spare--;
    return object;
}

void *pool_new(struct pool *p)
{
    return pool_reserve(p, 1) ? pool_take(p) : NULL;
}

void pool_give(struct pool *p, void *object)
{
    struct link *spare = object;

    spare->next = p->free;
    p->free = spare;
    p->spare++;
}
