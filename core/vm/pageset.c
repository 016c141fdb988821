/* One bit per page; the host gives zeroed memory and only for the bits that are touched. See pageset.h. */
#include "vm/pageset.h"

#include <stdlib.h>
#include <string.h>

#include "winstub/vm.h"

struct pageset {
    unsigned refs;
    gva_t start;
    size_t size; /* of bits, in bytes */
    uint8_t bits[];
};

struct pageset *pageset_new(gva_t start, gva_t end)
{
    size_t size = (size_t)((end - start) / VM_PAGE_SIZE + 7) / 8;
    struct pageset *s = calloc(1, sizeof *s + size);

    if (s) {
        s->refs = 1;
        s->start = start;
        s->size = size;
    }
    return s;
}

struct pageset *pageset_copy(const struct pageset *s)
{
    struct pageset *copy = malloc(sizeof *copy + s->size);

    if (copy) {
        memcpy(copy, s, sizeof *copy + s->size);
        copy->refs = 1;
    }
    return copy;
}

struct pageset *pageset_ref(struct pageset *s)
{
    if (s)
        s->refs++;
    return s;
}

void pageset_unref(struct pageset *s)
{
    if (s && --s->refs == 0)
        free(s);
}

bool pageset_own(struct pageset **s)
{
    struct pageset *own;

    if ((*s)->refs == 1)
        return true;
    own = pageset_copy(*s);
    if (!own)
        return false;
    pageset_unref(*s);
    *s = own;
    return true;
}

bool pageset_has(const struct pageset *s, gva_t addr)
{
    uint64_t page = (addr - s->start) / VM_PAGE_SIZE;

    return s->bits[page / 8] >> page % 8 & 1;
}

void pageset_set(struct pageset *s, gva_t addr, bool in)
{
    uint64_t page = (addr - s->start) / VM_PAGE_SIZE;
    uint8_t bit = (uint8_t)(1u << page % 8);

    if (in)
        s->bits[page / 8] |= bit;
    else
        s->bits[page / 8] &= (uint8_t)~bit;
}
