/*
 * Pools of equal objects: slabs from the host, doubling from one object to 4 MiB, kept until the pool
 * ends. Small first slabs keep small address spaces small and let tests see every failure; the large ones are the
 * host's huge pages, because at 100,000 allocations most of a search is misses of the host's TLB.
 */
#include "vm/pool.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#define POOL_ALIGN 64u
#define POOL_LINES 128u       /* two lines, which the host fetches together: where objects start */
#define POOL_MOST  (4u << 20) /* bytes of a slab: holds an aligned huge page wherever it lies */

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

/* The first address at or behind at that is a multiple of align. */
static unsigned char *align_up(unsigned char *at, uintptr_t align)
{
    return at + (align - (uintptr_t)at % align) % align;
}

/* Ask the host for huge pages; it may decline. */
static void advise_huge(unsigned char *slab, size_t size)
{
    unsigned char *start = align_up(slab, 4096);

    (void)madvise(start, (size_t)(slab + size - start), MADV_HUGEPAGE);
}

/* Objects that were never taken join the others. */
static void give_fresh(struct pool *p)
{
    while (p->fresh_count) {
        p->fresh_count--;
        p->spare--;
        pool_give(p, p->fresh + p->fresh_count * p->object_size);
    }
}

static bool add_slab(struct pool *p)
{
    size_t size = sizeof(struct link) + POOL_LINES + p->growth * p->object_size;
    unsigned char *bytes = malloc(size);
    unsigned char *first;
    struct link *slab = (struct link *)(void *)bytes;

    if (!slab)
        return false;
    if (size >= POOL_MOST)
        advise_huge(bytes, size);
    slab->next = p->slabs;
    p->slabs = slab;
    first = align_up(bytes + sizeof *slab, POOL_LINES);
    give_fresh(p);
    p->fresh = first;
    p->fresh_count = p->growth;
    p->spare += p->growth;
    if (size < POOL_MOST)
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
    void *fresh = p->fresh;

    assert(p->spare > 0);
    p->spare--;
    if (object) {
        p->free = object->next;
        return object;
    }
    p->fresh += p->object_size;
    p->fresh_count--;
    return fresh;
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
