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

/* A write is about to happen that has consequences for the layout or the records: let them happen. */
static bool note_write(struct vm *vm, gva_t page, pte_t *e)
{
    struct allocation *a = allocs_find(&vm->allocs, page);
    struct range r = {page, page + VM_PAGE_SIZE};

    if (space_prepare(vm, r, false) != STATUS_SUCCESS)
        return false;
    if (*e & PTE_WATCH) {
        pageset_set(a->writes, page, true);
        space_forget_saved(vm);
        pt_change(&vm->pages, page_number(page), page_number(page) + 1, PTE_WATCH, 0);
    }
    if (protection_is_copy(pte_protect(*e))) {
        pages_mark_written(vm, a, page);
        space_changed(vm);
    }
    *e = pte_make(pte_frame(*e), protection_after_write(pte_protect(*e)));
    return true;
}

/* An allowed access to a page that has a frame. */
static enum vm_fault fill_present(struct vm *vm, gva_t page, enum vm_access want, pte_t e,
                                  bool shared, struct vm_fill *out)
{
    bool noted = !(e & PTE_WATCH) && !protection_is_copy(pte_protect(e));

    if (want == VM_WRITE && shared) {
        if (!pages_unshare(vm, page, &e))
            return VM_FAULT_NOMEM;
        shared = false;
    }
    if (want == VM_WRITE && !noted && !note_write(vm, page, &e))
        return VM_FAULT_NOMEM;
    answer(vm, e, shared, out);
    return VM_FAULT_NONE;
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
    if (!pages_touch(vm, &at, &e))
        return VM_FAULT_NOMEM;
    return fill_present(vm, page, want, e, false, out);
}

void vm_set_dep(struct vm *vm, bool on)
{
    vm->dep = on;
    space_revoke(vm, (struct range){0, vm->allocs.limit});
}
