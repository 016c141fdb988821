/*
 * A harness's heap; see winstub/heap.h. Pieces lie one behind the other from the heap's start to its top, each taken or
 * free, two free ones never side by side and none at the top.
 */
#include "winstub/heap.h"

#include <stdlib.h>
#include <string.h>

struct piece {
    gva_t start;
    uint64_t size;
    bool taken;
};

struct vm_heap {
    struct vm *vm;
    gva_t start;
    gva_t end;       /* of the reservation */
    gva_t committed; /* pages are committed up to here */
    uint32_t protect;
    struct piece *pieces;
    size_t count;
    size_t cap;
};

static gva_t top_of(const struct vm_heap *h)
{
    return h->count ? h->pieces[h->count - 1].start + h->pieces[h->count - 1].size : h->start;
}

enum err vm_heap_new(struct vm *vm, uint64_t room, uint32_t protect, struct vm_heap **out)
{
    struct vm_request req = {
        .size = room, .type = MEM_RESERVE, .protect = protect, .label = "heap"};
    struct vm_heap *h = calloc(1, sizeof *h);
    uint64_t size;
    nt_status st;

    if (!h)
        return ERR_NOMEM;
    st = vm_allocate(vm, &req, &h->start, &size);
    if (st != STATUS_SUCCESS) {
        free(h);
        return st == STATUS_NO_MEMORY ? ERR_NOMEM : ERR_INVALID;
    }
    h->vm = vm;
    h->end = h->start + size;
    h->committed = h->start;
    h->protect = protect;
    *out = h;
    return ERR_OK;
}

void vm_heap_free(struct vm_heap *heap)
{
    if (!heap)
        return;
    free(heap->pieces);
    free(heap);
}

/* ---- Pieces ---------------------------------------------------------------------------------- */

/* Room for one more piece; false when memory is short. */
static bool reserve(struct vm_heap *h)
{
    size_t cap = h->cap ? 2 * h->cap : 16;
    struct piece *pieces;

    if (h->count < h->cap)
        return true;
    pieces = realloc(h->pieces, cap * sizeof *pieces);
    if (!pieces)
        return false;
    h->pieces = pieces;
    h->cap = cap;
    return true;
}

static void insert(struct vm_heap *h, size_t at, struct piece piece)
{
    memmove(h->pieces + at + 1, h->pieces + at, (h->count - at) * sizeof *h->pieces);
    h->pieces[at] = piece;
    h->count++;
}

static void drop(struct vm_heap *h, size_t at)
{
    h->count--;
    memmove(h->pieces + at, h->pieces + at + 1, (h->count - at) * sizeof *h->pieces);
}

/* The taken piece that starts at addr; count when there is none. */
static size_t find(const struct vm_heap *h, gva_t addr)
{
    size_t low = 0, high = h->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (h->pieces[middle].start < addr)
            low = middle + 1;
        else
            high = middle;
    }
    return low < h->count && h->pieces[low].start == addr && h->pieces[low].taken ? low : h->count;
}

/* The smallest free piece of at least size bytes; count when there is none. */
static size_t best_fit(const struct vm_heap *h, uint64_t size)
{
    size_t best = h->count;

    for (size_t i = 0; i < h->count; i++) {
        const struct piece *p = &h->pieces[i];

        if (!p->taken && p->size >= size && (best == h->count || p->size < h->pieces[best].size))
            best = i;
    }
    return best;
}

/* Have pages up to end; false when there is no memory for them. */
static bool commit(struct vm_heap *h, gva_t end)
{
    struct vm_request req = {.base = h->committed, .type = MEM_COMMIT, .protect = h->protect};
    uint64_t size;

    if (end <= h->committed)
        return true;
    req.size = end - h->committed;
    if (vm_allocate(h->vm, &req, NULL, &size) != STATUS_SUCCESS)
        return false;
    h->committed += size;
    return true;
}

/* ---- Taking and giving ----------------------------------------------------------------------- */

/* Take size bytes of the free piece at `at`; there is room for one more piece. */
static gva_t take_part(struct vm_heap *h, size_t at, uint64_t size)
{
    struct piece rest = h->pieces[at];

    h->pieces[at] = (struct piece){rest.start, size, true};
    if (rest.size > size)
        insert(h, at + 1, (struct piece){rest.start + size, rest.size - size, false});
    return rest.start;
}

gva_t vm_heap_take(struct vm_heap *heap, uint64_t size)
{
    gva_t top = top_of(heap);
    size_t at;

    if (!size || size > heap->end - heap->start || !reserve(heap))
        return 0;
    size = (size + VM_HEAP_ALIGNMENT - 1) & ~(uint64_t)(VM_HEAP_ALIGNMENT - 1);
    at = best_fit(heap, size);
    if (at < heap->count)
        return take_part(heap, at, size);
    if (size > heap->end - top || !commit(heap, top + size))
        return 0;
    insert(heap, heap->count, (struct piece){top, size, true});
    return top;
}

/* Join the free piece at `at` with the one behind it, if that is free too. */
static void join(struct vm_heap *h, size_t at)
{
    if (at + 1 >= h->count || h->pieces[at].taken || h->pieces[at + 1].taken)
        return;
    h->pieces[at].size += h->pieces[at + 1].size;
    drop(h, at + 1);
}

bool vm_heap_give(struct vm_heap *heap, gva_t addr)
{
    size_t at = find(heap, addr);

    if (at == heap->count)
        return false;
    heap->pieces[at].taken = false;
    join(heap, at);
    if (at)
        join(heap, at - 1);
    if (heap->count && !heap->pieces[heap->count - 1].taken)
        heap->count--;
    return true;
}

uint64_t vm_heap_size(const struct vm_heap *heap, gva_t addr)
{
    size_t at = find(heap, addr);

    return at < heap->count ? heap->pieces[at].size : 0;
}

void vm_heap_clear(struct vm_heap *heap)
{
    gva_t base = heap->start;
    uint64_t size = heap->committed - heap->start;

    heap->count = 0;
    if (size && vm_release(heap->vm, &base, &size, MEM_DECOMMIT) == STATUS_SUCCESS)
        heap->committed = heap->start;
}

/* ---- Copies ---------------------------------------------------------------------------------- */

struct vm_heap *vm_heap_copy(const struct vm_heap *heap)
{
    struct vm_heap *copy = calloc(1, sizeof *copy);

    if (copy && vm_heap_restore(copy, heap))
        return copy;
    free(copy);
    return NULL;
}

bool vm_heap_restore(struct vm_heap *heap, const struct vm_heap *copy)
{
    struct piece *pieces = malloc((copy->count + 1) * sizeof *pieces);

    if (!pieces)
        return false;
    if (copy->count)
        memcpy(pieces, copy->pieces, copy->count * sizeof *pieces);
    free(heap->pieces);
    *heap = *copy;
    heap->pieces = pieces;
    heap->cap = copy->count + 1;
    return true;
}
