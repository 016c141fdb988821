/* One bit per page; the host gives zeroed memory and only for the bits that are touched. See writes.h. */
#include "vm/writes.h"

#include <stdlib.h>
#include <string.h>

#include "winstub/vm.h"

struct writes {
    unsigned refs;
    gva_t start;
    size_t size; /* of bits, in bytes */
    uint8_t bits[];
};

struct writes *writes_new(gva_t start, gva_t end)
{
    size_t size = (size_t)((end - start) / VM_PAGE_SIZE + 7) / 8;
    struct writes *w = calloc(1, sizeof *w + size);

    if (w) {
        w->refs = 1;
        w->start = start;
        w->size = size;
    }
    return w;
}

struct writes *writes_copy(const struct writes *w)
{
    struct writes *copy = malloc(sizeof *copy + w->size);

    if (copy) {
        memcpy(copy, w, sizeof *copy + w->size);
        copy->refs = 1;
    }
    return copy;
}

struct writes *writes_ref(struct writes *w)
{
    if (w)
        w->refs++;
    return w;
}

void writes_unref(struct writes *w)
{
    if (w && --w->refs == 0)
        free(w);
}

bool writes_has(const struct writes *w, gva_t addr)
{
    uint64_t page = (addr - w->start) / VM_PAGE_SIZE;

    return w->bits[page / 8] >> page % 8 & 1;
}

void writes_set(struct writes *w, gva_t addr, bool written)
{
    uint64_t page = (addr - w->start) / VM_PAGE_SIZE;
    uint8_t bit = (uint8_t)(1u << page % 8);

    if (written)
        w->bits[page / 8] |= bit;
    else
        w->bits[page / 8] &= (uint8_t)~bit;
}
