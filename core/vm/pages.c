/* How pages get their frames; see pages.h. */
#include "vm/pages.h"

bool pages_find(const struct vm *vm, gva_t addr, struct place *out, enum vm_fault *why)
{
    struct allocation *a;
    struct run *run;

    *why = VM_FAULT_KERNEL;
    if (addr >= vm->allocs.limit)
        return false;
    a = allocs_find(&vm->allocs, addr);
    run = a ? runs_find(&a->runs, addr) : NULL;
    *why = run ? VM_FAULT_RESERVED : VM_FAULT_FREE;
    if (!run || !run->protect)
        return false;
    *out = (struct place){page_down(addr), a, run};
    *why = VM_FAULT_NONE;
    return true;
}

/* Enter a new frame for a page. The frame is ours on failure too: it is given back. */
static bool enter(struct vm *vm, gva_t page, pte_t e)
{
    if (pt_put(&vm->pages, page_number(page), e))
        return true;
    frames_unref(&vm->frames, pte_frame(e));
    return false;
}

bool pages_touch(struct vm *vm, const struct place *at, pte_t *out)
{
    bool watch = at->a->writes && !pageset_has(at->a->writes, at->page);
    frame_t frame;
    pte_t e;

    if (!frames_new(&vm->frames, &frame))
        return false;
    e = pte_make(frame, at->run->protect | (watch ? PTE_WATCH : 0));
    if (!enter(vm, at->page, e))
        return false;
    *out = e;
    return true;
}

bool pages_unshare(struct vm *vm, gva_t page, pte_t *e)
{
    frame_t frame;
    pte_t own;

    if (!frames_copy(&vm->frames, pte_frame(*e), &frame))
        return false;
    own = pte_make(frame, (uint32_t)*e & (PTE_PROTECT | PTE_WATCH));
    if (!enter(vm, page, own))
        return false;
    *e = own;
    return true;
}

void pages_mark_written(struct vm *vm, struct allocation *a, gva_t page)
{
    struct range r = {page, page + VM_PAGE_SIZE};
    struct run *run = space_cut(vm, a, runs_find(&a->runs, page), r);

    run->written = true;
    space_set_protect(vm, run, protection_after_write(run->protect));
    space_join(vm, a, run, r);
}

size_t pages_within(gva_t addr, size_t len)
{
    size_t room = VM_PAGE_SIZE - (size_t)(addr % VM_PAGE_SIZE);

    return len < room ? len : room;
}

uint8_t *pages_bytes(const struct vm *vm, pte_t e, gva_t addr)
{
    return frames_bytes(&vm->frames, pte_frame(e)) + addr % VM_PAGE_SIZE;
}
