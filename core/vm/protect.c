/* NtProtectVirtualMemory, and the one-shot guard. NT-MEMORY-RULES P01..P20, M23..M27. */
#include "vm/space.h"
#include "winstub/log.h"

static nt_status check(const struct vm *vm, gva_t base, uint64_t size, uint32_t protect,
                       const uint32_t *old)
{
    if (!protection_valid(protect, false))
        return STATUS_INVALID_PAGE_PROTECTION;
    if (!old)
        return STATUS_ACCESS_VIOLATION;
    if (base >= vm->allocs.limit)
        return STATUS_INVALID_PARAMETER_2;
    if (!size || size > vm->allocs.limit - base)
        return STATUS_INVALID_PARAMETER_3;
    return STATUS_SUCCESS;
}

static nt_status protect_range(struct vm *vm, struct range r, uint32_t protect, uint32_t *old)
{
    struct allocation *a = allocs_find(&vm->allocs, r.start);
    struct run *at;

    if (!a || r.end > a->end)
        return STATUS_CONFLICTING_ADDRESSES;
    if ((a->type == MEM_PRIVATE || a->foreign) && protection_is_copy(protect))
        return STATUS_INVALID_PARAMETER_4;
    if (a->view && a->type == MEM_MAPPED && !protection_fits(protect, a->protect))
        return STATUS_SECTION_PROTECTION;
    at = runs_find(&a->runs, r.start);
    if (space_committed(at, r) != r.end - r.start)
        return STATUS_NOT_COMMITTED;
    if (space_prepare(vm, r, false) != STATUS_SUCCESS)
        return STATUS_NO_MEMORY;
    *old = at->protect;
    space_protect(vm, a, at, r, protect);
    return STATUS_SUCCESS;
}

nt_status vm_protect(struct vm *vm, gva_t *base, uint64_t *size, uint32_t protect, uint32_t *old)
{
    nt_status st = check(vm, *base, *size, protect, old);
    struct range r = {0, 0};

    if (st == STATUS_SUCCESS) {
        r = range_of_pages(*base, *size);
        st = protect_range(vm, r, protect, old);
    }
    LOG(vm, "protect 0x%" PRIx64 "+0x%" PRIx64 " to 0x%x -> %s", *base, *size, protect,
        nt_text(st));
    if (st != STATUS_SUCCESS)
        return st;
    space_changed(vm);
    *base = r.start;
    *size = r.end - r.start;
    return st;
}

bool vm_clear_guard(struct vm *vm, gva_t addr)
{
    struct range r = {page_down(addr), page_down(addr) + VM_PAGE_SIZE};
    struct allocation *a = addr < vm->allocs.limit ? allocs_find(&vm->allocs, addr) : NULL;
    struct run *run = a ? runs_find(&a->runs, addr) : NULL;

    if (!run || !(run->protect & PAGE_GUARD) || space_prepare(vm, r, false) != STATUS_SUCCESS)
        return false;
    run = space_cut(vm, a, run, r);
    space_set_protect(vm, run,
                      protection_for_page(run->protect & ~(uint32_t)PAGE_GUARD, a->protect));
    space_join(vm, a, run, r);
    LOG(vm, "guard page 0x%" PRIx64 " touched", r.start);
    space_changed(vm);
    return true;
}
