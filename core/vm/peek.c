/* Walking over committed memory in place; see peek.h. */
#include "vm/peek.h"

#include "vm/pages.h"

void peek_init(struct peek *p, const struct vm *vm, gva_t start, gva_t end)
{
    gva_t limit = vm->allocs.limit;

    *p = (struct peek){.vm = vm, .at = start, .end = end < limit ? end : limit, .committed = start};
}

/* Move on to the next address that is committed, and see how far that goes. */
static bool find_committed(struct peek *p)
{
    while (p->at < p->end) {
        struct vm_region r;

        if (vm_query(p->vm, p->at, &r) != STATUS_SUCCESS)
            return false;
        if (r.state == MEM_COMMIT && !r.device) {
            p->a = allocs_find(&p->vm->allocs, p->at);
            p->committed = r.base + r.size < p->end ? r.base + r.size : p->end;
            return true;
        }
        p->at = r.base + r.size;
    }
    return false;
}

/* The page behind those from first on, which has that frame, whose frames lie in a row, up to end. */
static uint64_t end_of_row(const struct vm *vm, uint64_t first, frame_t frame, uint64_t end)
{
    uint64_t page = first + 1, next = page;
    pte_t e;

    while (pt_next(&vm->pages, &next, end, &e) && next == page &&
           pte_frame(e) == frame + (page - first)) {
        page++;
        next = page;
    }
    return page;
}

/* The page behind those of private memory, from first on, that lie together. *bytes: where; NULL: nowhere. */
static uint64_t end_of_private(const struct vm *vm, uint64_t first, uint64_t end,
                               const uint8_t **bytes)
{
    uint64_t page = first;
    pte_t e;

    *bytes = NULL;
    if (!pt_next(&vm->pages, &page, end, &e))
        return end;
    if (page > first)
        return page;
    *bytes = frames_bytes(&vm->physical->frames, pte_frame(e));
    return end_of_row(vm, first, pte_frame(e), end);
}

/* The same for other memory; at least one page. *shown: false if that one cannot be read. */
static uint64_t end_of_shown(const struct peek *p, uint64_t first, uint64_t end,
                             const uint8_t **bytes, bool *shown)
{
    uint64_t page = first + 1;
    const uint8_t *next;

    *shown = pages_shown(p->vm, p->a, first * VM_PAGE_SIZE, bytes);
    while (*shown && page < end && pages_shown(p->vm, p->a, page * VM_PAGE_SIZE, &next) &&
           next == (*bytes ? *bytes + (page - first) * VM_PAGE_SIZE : NULL))
        page++;
    return page;
}

bool peek_next(struct peek *p)
{
    bool shown = true;

    do {
        uint64_t first, end, stop;

        if (p->at >= p->committed && !find_committed(p))
            return false;
        first = page_number(p->at);
        end = page_number(page_up(p->committed));
        stop = p->a->type == MEM_PRIVATE ? end_of_private(p->vm, first, end, &p->bytes)
                                         : end_of_shown(p, first, end, &p->bytes, &shown);
        p->addr = p->at;
        p->at = stop * VM_PAGE_SIZE < p->committed ? stop * VM_PAGE_SIZE : p->committed;
    } while (!shown);
    p->len = (size_t)(p->at - p->addr);
    if (p->bytes)
        p->bytes += p->addr % VM_PAGE_SIZE;
    return true;
}
