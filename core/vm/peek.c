/* Walking over committed memory in place; see peek.h. */
#include "vm/peek.h"

#include "vm/space.h"

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

/* The piece is [p->at, stop). */
static bool deliver(struct peek *p, gva_t stop)
{
    p->addr = p->at;
    p->len = (size_t)(stop - p->at);
    p->at = stop;
    return true;
}

bool peek_next(struct peek *p)
{
    uint64_t first, page, end, offset;
    gva_t stop;
    pte_t e;

    if (p->at >= p->committed && !find_committed(p))
        return false;
    p->bytes = foreign_bytes(&p->vm->foreign, p->at, &offset);
    if (p->bytes)
        return deliver(p, p->committed);
    first = page = page_number(p->at);
    end = page_number(page_up(p->committed));
    if (!pt_next(&p->vm->pages, &page, end, &e)) {
        page = end;
    } else if (page == first) {
        p->bytes = frames_bytes(&p->vm->frames, pte_frame(e)) + p->at % VM_PAGE_SIZE;
        page = end_of_row(p->vm, first, pte_frame(e), end);
    }
    stop = page * VM_PAGE_SIZE;
    return deliver(p, stop < p->committed ? stop : p->committed);
}
