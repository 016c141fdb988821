/*
 * NtAllocateVirtualMemory: the order of its checks, where it rounds to 64 KiB, and what reserve, commit
 * and reset do. NT-MEMORY-RULES A01..A66; the order of the checks is ReactOS' and the rules'.
 */
#include <assert.h>

#include "vm/space.h"
#include "winstub/log.h"

#define TYPES_KNOWN                                                                                \
    (MEM_COMMIT | MEM_RESERVE | MEM_RESET | MEM_TOP_DOWN | MEM_WRITE_WATCH | MEM_PHYSICAL |        \
     MEM_LARGE_PAGES)

/* A request after its checks: type complete, range rounded (start 0: anywhere). */
struct plan {
    uint32_t type;
    uint32_t protect;
    struct range range;
};

static bool has_requirements(const struct vm_request *req)
{
    return req->lowest || req->highest || req->alignment;
}

/* MEM_ADDRESS_REQUIREMENTS: A53..A62. */
static nt_status check_requirements(const struct vm *vm, const struct vm_request *req)
{
    if (!has_requirements(req))
        return STATUS_SUCCESS;
    if (req->base || (req->type & (MEM_COMMIT | MEM_RESERVE)) == MEM_COMMIT)
        return STATUS_INVALID_PARAMETER;
    if (req->lowest % VM_GRANULARITY || req->lowest >= vm->allocs.limit)
        return STATUS_INVALID_PARAMETER;
    if (req->highest && ((req->highest + 1) % VM_PAGE_SIZE || req->highest >= vm->allocs.limit ||
                         req->highest <= req->lowest))
        return STATUS_INVALID_PARAMETER;
    if (req->alignment &&
        (req->alignment < VM_GRANULARITY || req->alignment & (req->alignment - 1)))
        return STATUS_INVALID_PARAMETER;
    return STATUS_SUCCESS;
}

/* A18..A20, A39, A44, A48, A49. */
static nt_status check_type(uint32_t type)
{
    if (type & ~TYPES_KNOWN || !(type & (MEM_COMMIT | MEM_RESERVE | MEM_RESET)))
        return STATUS_INVALID_PARAMETER_5;
    if (type & MEM_RESET && type != MEM_RESET)
        return STATUS_INVALID_PARAMETER_5;
    if (type & (MEM_WRITE_WATCH | MEM_PHYSICAL) && !(type & MEM_RESERVE))
        return STATUS_INVALID_PARAMETER_5;
    if (type & MEM_PHYSICAL && type & MEM_COMMIT)
        return STATUS_INVALID_PARAMETER_5;
    return STATUS_SUCCESS;
}

/* A06, A27, A28. */
static nt_status check_range(const struct vm *vm, gva_t base, uint64_t size)
{
    if (base >= vm->allocs.limit)
        return STATUS_INVALID_PARAMETER_2;
    if (!size || size > vm->allocs.limit - base)
        return STATUS_INVALID_PARAMETER_4;
    return STATUS_SUCCESS;
}

static nt_status check(const struct vm *vm, const struct vm_request *req)
{
    nt_status st = check_requirements(vm, req);

    if (st == STATUS_SUCCESS)
        st = check_type(req->type);
    if (st != STATUS_SUCCESS)
        return st;
    if (!protection_valid(req->protect, true) || protection_is_copy(req->protect))
        return STATUS_INVALID_PAGE_PROTECTION;
    return check_range(vm, req->base, req->size);
}

nt_status vm_find_free(const struct vm *vm, const struct vm_request *req, gva_t *base)
{
    struct room room = {
        .size = page_up(req->size),
        .lowest = req->lowest > VM_LOWEST ? req->lowest : VM_LOWEST,
        .end = req->highest ? req->highest + 1 : vm->allocs.limit,
        .alignment = req->alignment ? req->alignment : VM_GRANULARITY,
        .top_down = req->type & MEM_TOP_DOWN,
    };
    nt_status st = check_requirements(vm, req);

    if (st == STATUS_SUCCESS)
        st = check_range(vm, 0, req->size);
    if (st == STATUS_SUCCESS && !allocs_find_room(&vm->allocs, &room, base))
        st = STATUS_NO_MEMORY;
    return st;
}

/* Where a reservation goes: the place asked for, in whole granules from below (A03), or any. */
static nt_status place_reserve(const struct vm *vm, const struct vm_request *req, struct range *out)
{
    gva_t base = req->base & ~(gva_t)(VM_GRANULARITY - 1);
    nt_status st;

    if (!req->base) {
        st = vm_find_free(vm, req, &base);
        *out = (struct range){base, st == STATUS_SUCCESS ? base + page_up(req->size) : 0};
        return st;
    }
    if (base < VM_LOWEST)
        return STATUS_INVALID_PARAMETER_2;
    *out = (struct range){base, page_up(req->base + req->size)};
    return allocs_is_free(&vm->allocs, out->start, out->end) ? STATUS_SUCCESS
                                                             : STATUS_CONFLICTING_ADDRESSES;
}

static bool may_commit(const struct vm *vm, uint64_t bytes)
{
    return bytes <= vm->commit_limit - vm->committed;
}

static nt_status reserve(struct vm *vm, const struct vm_request *req, struct range r)
{
    uint32_t protect = protection_value(req->protect);
    bool commit = req->type & MEM_COMMIT;
    struct allocation *a;

    if (commit && !may_commit(vm, r.end - r.start))
        return STATUS_COMMITMENT_LIMIT;
    a = space_new_allocation(vm, r, req->label, NULL);
    if (!a)
        return STATUS_NO_MEMORY;
    a->type = MEM_PRIVATE;
    a->protect = protect;
    if (commit)
        runs_first(&a->runs)->protect = protect;
    space_enter(vm, a);
    return STATUS_SUCCESS;
}

static nt_status commit(struct vm *vm, struct allocation *a, struct range r, uint32_t protect)
{
    struct run *at = runs_find(&a->runs, r.start);
    uint64_t added = r.end - r.start - space_committed(at, r);
    uint32_t shown = protection_for_page(protect, a->protect);
    struct run *first;

    if (!may_commit(vm, added))
        return STATUS_COMMITMENT_LIMIT;
    if (space_prepare(vm, r, false) != STATUS_SUCCESS)
        return STATUS_NO_MEMORY;
    first = space_cut(vm, a, at, r);
    for (struct run *run = first; run && run_start(run) < r.end; run = run_next(run))
        space_set_protect(vm, run, shown);
    space_join(vm, a, first, r);
    vm->committed += added;
    return STATUS_SUCCESS;
}

/* Commit or reset inside an existing allocation: A08..A12, A41..A43, M14. */
static nt_status change(struct vm *vm, const struct vm_request *req, struct range *out)
{
    struct range r = range_of_pages(req->base, req->size);
    struct allocation *a = allocs_find(&vm->allocs, r.start);
    nt_status st = STATUS_SUCCESS;

    if (!a || r.end > a->end)
        return STATUS_CONFLICTING_ADDRESSES;
    if (a->type != MEM_PRIVATE)
        return STATUS_ALREADY_COMMITTED;
    if (!(req->type & MEM_RESET)) /* a reset may keep the contents, and so it does */
        st = commit(vm, a, r, req->protect);
    *out = r;
    return st;
}

static nt_status allocate(struct vm *vm, const struct vm_request *req, struct range *out)
{
    bool anywhere = !req->base && req->type & MEM_COMMIT;
    nt_status st = check(vm, req);

    if (st != STATUS_SUCCESS)
        return st;
    if (!(req->type & MEM_RESERVE) && !anywhere)
        return change(vm, req, out);
    st = place_reserve(vm, req, out);
    return st == STATUS_SUCCESS ? reserve(vm, req, *out) : st;
}

nt_status vm_allocate(struct vm *vm, const struct vm_request *req, gva_t *base, uint64_t *size)
{
    struct range r = {0, 0};
    nt_status st = allocate(vm, req, &r);

    LOG(vm, "allocate 0x%" PRIx64 "+0x%" PRIx64 " type 0x%x protect 0x%x -> 0x%" PRIx64 " %s",
        req->base, req->size, req->type, req->protect, r.start, nt_text(st));
    if (st != STATUS_SUCCESS)
        return st;
    space_changed(vm);
    if (base)
        *base = r.start;
    if (size)
        *size = r.end - r.start;
    return st;
}
