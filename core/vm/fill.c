/*
 * vm_fill: the CPU's way to memory, asked at every TLB miss. It decides what is refused and why, and what
 * may be granted in advance; what a fault then does to the guest is decided by core/nt.
 */
#include "vm/pages.h"

/* Why a committed page with this protection refuses an access. */
static enum vm_fault refusal(const struct vm *vm, uint32_t protect, enum vm_access want)
{
    unsigned access = protection_access(protect, vm->dep);

    if (access & want)
        return VM_FAULT_NONE;
    if (want == VM_WRITE && protection_access(protection_after_write(protect), vm->dep) & VM_WRITE)
        return VM_FAULT_NONE;
    if (protect & PAGE_GUARD)
        return VM_FAULT_GUARD;
    if (!access)
        return VM_FAULT_NOACCESS;
    return want == VM_WRITE ? VM_FAULT_READONLY : VM_FAULT_NOEXEC;
}

/* What the CPU may do without asking again: not write where a write has consequences. */
static void answer(const struct vm *vm, pte_t e, bool shared, struct vm_fill *out)
{
    unsigned access = protection_access(pte_protect(e), vm->dep);

    out->offset = (uint64_t)pte_frame(e) * FRAME_SIZE;
    out->access = shared || e & PTE_WATCH ? access & ~(unsigned)VM_WRITE : access;
}

/* A watched page is about to be written: record it. */
static bool note_write(struct vm *vm, gva_t page, pte_t *e)
{
    struct allocation *a = allocs_find(&vm->allocs, page);

    if (!pt_own(&vm->pages, page_number(page), page_number(page) + 1, false))
        return false;
    pageset_set(a->writes, page, true);
    space_forget_saved(vm);
    pt_change(&vm->pages, page_number(page), page_number(page) + 1, PTE_WATCH, 0);
    *e &= ~(pte_t)PTE_WATCH;
    return true;
}

/* An allowed access to a page that has a frame. */
static enum vm_fault fill_present(struct vm *vm, gva_t page, enum vm_access want, pte_t e,
                                  bool shared, struct vm_fill *out)
{
    if (want == VM_WRITE && shared) {
        if (!pages_unshare(vm, page, &e))
            return VM_FAULT_NOMEM;
        shared = false;
    }
    if (want == VM_WRITE && e & PTE_WATCH && !note_write(vm, page, &e))
        return VM_FAULT_NOMEM;
    answer(vm, e, shared, out);
    return VM_FAULT_NONE;
}

/* An allowed access to memory that is not the vm's. */
static enum vm_fault fill_foreign(const struct vm *vm, const struct place *at, enum vm_access want,
                                  struct vm_fill *out)
{
    uint64_t offset;

    if (!foreign_bytes(&vm->foreign, at->page, &offset))
        return want == VM_EXEC ? VM_FAULT_NOEXEC : VM_FAULT_DEVICE;
    *out = (struct vm_fill){offset, protection_access(at->run->protect, vm->dep)};
    return VM_FAULT_NONE;
}

/* An allowed write that makes a page of a view private. */
static enum vm_fault fill_part(struct vm *vm, const struct place *at, struct vm_fill *out)
{
    const struct view *v = at->a->view;
    frame_t from;
    enum vm_fault fault = section_look(v->section, view_page(v, at->page), &from);
    pte_t e;

    if (fault)
        return fault;
    if (!pages_part(vm, at, from, &e))
        return VM_FAULT_NOMEM;
    space_changed(vm);
    answer(vm, e, false, out);
    return VM_FAULT_NONE;
}

/* An allowed access to a page that a view shows of its section. */
static enum vm_fault fill_view(struct vm *vm, const struct place *at, enum vm_access want,
                               struct vm_fill *out)
{
    const struct view *v = at->a->view;
    enum vm_fault fault;
    pte_t e;

    if (want == VM_WRITE && pages_part_on_write(at))
        return fill_part(vm, at, out);
    fault = section_touch(v->section, view_page(v, at->page), want == VM_WRITE, &e);
    if (!fault)
        answer(vm, pte_make(pte_frame(e), at->run->protect | ((uint32_t)e & PTE_WATCH)), false,
               out);
    return fault;
}

enum vm_fault vm_fill(struct vm *vm, gva_t page, enum vm_access want, struct vm_fill *out)
{
    enum vm_fault fault;
    struct place at;
    bool shared = false;
    pte_t e;

    if (page >= vm->allocs.limit)
        return VM_FAULT_KERNEL;
    e = pt_get(&vm->pages, page_number(page), &shared);
    if (e) {
        fault = refusal(vm, pte_protect(e), want);
        return fault ? fault : fill_present(vm, page, want, e, shared, out);
    }
    if (!pages_find(vm, page, &at, &fault))
        return fault;
    fault = refusal(vm, at.run->protect, want);
    if (fault)
        return fault;
    if (at.a->foreign)
        return fill_foreign(vm, &at, want, out);
    if (at.a->view)
        return fill_view(vm, &at, want, out);
    if (!pages_touch(vm, &at, &e))
        return VM_FAULT_NOMEM;
    return fill_present(vm, page, want, e, false, out);
}

void vm_set_dep(struct vm *vm, bool on)
{
    vm->dep = on;
    space_revoke(vm, (struct range){0, vm->allocs.limit});
}
