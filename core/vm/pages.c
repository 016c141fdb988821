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
    frames_unref(&vm->physical->frames, pte_frame(e));
    return false;
}

bool pages_touch(struct vm *vm, const struct place *at, pte_t *out)
{
    bool watch = at->a->writes && !pageset_has(at->a->writes, at->page);
    frame_t frame;
    pte_t e;

    if (!frames_new(&vm->physical->frames, &frame))
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

    if (!frames_copy(&vm->physical->frames, pte_frame(*e), &frame))
        return false;
    own = pte_make(frame, (uint32_t)*e & (PTE_PROTECT | PTE_WATCH));
    if (!enter(vm, page, own))
        return false;
    *e = own;
    return true;
}

bool pages_part_on_write(const struct place *at)
{
    return at->a->view && !at->run->written && !view_shares_writes(at->a->view, at->run);
}

/* The page is private from now on. Two run objects are spare, and its entry is this table's own. */
static void mark_written(struct vm *vm, const struct place *at)
{
    struct range r = {at->page, at->page + VM_PAGE_SIZE};
    struct run *run = space_cut(vm, at->a, at->run, r);

    run->written = true;
    space_set_protect(vm, run, protection_after_write(run->protect));
    space_join(vm, at->a, run, r);
}

bool pages_part(struct vm *vm, const struct place *at, frame_t from, pte_t *out)
{
    uint32_t protect = at->run->protect;
    frame_t frame;
    bool made;

    if (!pool_reserve(&vm->run_pool, 2))
        return false;
    made = from == FRAME_NONE ? frames_new(&vm->physical->frames, &frame)
                              : frames_copy(&vm->physical->frames, from, &frame);
    if (!made || !enter(vm, at->page, pte_make(frame, protect)))
        return false;
    mark_written(vm, at);
    *out = pte_make(frame, protection_after_write(protect));
    return true;
}

bool pages_shown(const struct vm *vm, const struct allocation *a, gva_t page, const uint8_t **bytes)
{
    bool shared;
    pte_t e = pt_get(&vm->pages, page_number(page), &shared);
    frame_t frame = e ? pte_frame(e) : FRAME_NONE;
    uint64_t offset;

    if (a->foreign) {
        *bytes = foreign_bytes(&vm->foreign, page, &offset);
        return *bytes;
    }
    if (!e && a->view && section_look(a->view->section, view_page(a->view, page), &frame))
        return false;
    *bytes = frame == FRAME_NONE ? NULL : frames_bytes(&vm->physical->frames, frame);
    return true;
}

size_t pages_within(gva_t addr, size_t len)
{
    size_t room = VM_PAGE_SIZE - (size_t)(addr % VM_PAGE_SIZE);

    return len < room ? len : room;
}
