/*
 * Pools of equal objects: slabs from the host, doubling from one object to 2 MiB, kept until the pool
 * ends. Small first slabs keep small address spaces small and let tests see every failure; the large ones are the
 * host's huge pages, because at 100,000 allocations most of a search is misses of the host's TLB.
 */
#include "vm/pool.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/mman.h>

#define POOL_ALIGN 64u
#define POOL_HEAD  128u /* of a slab; two lines, which the host fetches together */
#define POOL_HUGE  (2u << 20)

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

/* Memory for a slab; the host is asked to use huge pages for large ones, and may decline. */
static void *slab_new(size_t size)
{
    void *slab = aligned_alloc(size == POOL_HUGE ? POOL_HUGE : POOL_HEAD, size);

    if (slab && size == POOL_HUGE)
        (void)madvise(slab, size, MADV_HUGEPAGE);
    return slab;
}

static bool add_slab(struct pool *p)
{
    size_t size = POOL_HEAD + p->growth * p->object_size;
    unsigned char *bytes;
    struct link *slab;

    size = size < POOL_HUGE ? (size + POOL_HEAD - 1) / POOL_HEAD * POOL_HEAD : POOL_HUGE;
    bytes = slab_new(size);
    slab = (struct link *)(void *)bytes;
    if (!slab)
        return false;
    slab->next = p->slabs;
    p->slabs = slab;
    for (size_t i = (size - POOL_HEAD) / p->object_size; i-- > 0;)
        pool_give(p, bytes + POOL_HEAD + i * p->object_size);
    if (size < POOL_HUGE)
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
