/*
 * NtAllocateVirtualMemory: the order of its checks, where it rounds to 64 KiB, and what reserve, commit
 * and reset do. NT-MEMORY-RULES A01..A66; the order of the checks is ReactOS' and the rules'.
 */
#include <assert.h>

#include "vm/section.h"
#include "winstub/log.h"

#define RESETS (MEM_RESET | MEM_RESET_UNDO)
#define TYPES_KNOWN                                                                                \
    (MEM_COMMIT | MEM_RESERVE | RESETS | MEM_TOP_DOWN | MEM_WRITE_WATCH | MEM_PHYSICAL |           \
     MEM_LARGE_PAGES)
#define LARGE_PAGE 0x200000u

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

/* MEM_PHYSICAL (A48) and MEM_LARGE_PAGES (A49), for which the process has no privilege. */
static nt_status check_special(const struct vm_request *req)
{
    uint32_t rc = MEM_RESERVE | MEM_COMMIT;

    if (req->type & MEM_PHYSICAL) {
        if ((req->type & rc) != MEM_RESERVE)
            return STATUS_INVALID_PARAMETER_5;
        if (req->protect != PAGE_READWRITE)
            return STATUS_INVALID_PARAMETER_6;
        return STATUS_PRIVILEGE_NOT_HELD;
    }
    if (req->type & MEM_LARGE_PAGES) {
        if ((req->type & rc) != rc)
            return STATUS_INVALID_PARAMETER_5;
        if (req->size % LARGE_PAGE || req->base % LARGE_PAGE)
            return STATUS_INVALID_PARAMETER_4;
        return STATUS_PRIVILEGE_NOT_HELD;
    }
    return STATUS_SUCCESS;
}

/* A18..A20, A39, A44, A50. */
static nt_status check_type(const struct vm_request *req)
{
    uint32_t type = req->type;
    uint32_t placeholder = type & (MEM_RESERVE_PLACEHOLDER | MEM_REPLACE_PLACEHOLDER);

    if (placeholder && !req->extended)
        return STATUS_INVALID_PARAMETER;
    if ((type & ~placeholder) & ~TYPES_KNOWN || !(type & (MEM_COMMIT | MEM_RESERVE | RESETS)))
        return STATUS_INVALID_PARAMETER_5;
    if (type & RESETS && type != MEM_RESET && type != MEM_RESET_UNDO)
        return STATUS_INVALID_PARAMETER_5;
    if (type & MEM_WRITE_WATCH && !(type & MEM_RESERVE))
        return STATUS_INVALID_PARAMETER_5;
    return check_special(req);
}

/* What makes a reservation a placeholder, or puts one in a placeholder's place. */
static nt_status check_placeholder(const struct vm_request *req)
{
    bool make = req->type & MEM_RESERVE_PLACEHOLDER;
    bool replace = req->type & MEM_REPLACE_PLACEHOLDER;

    if (make && (req->type & ~(uint32_t)MEM_TOP_DOWN) != (MEM_RESERVE | MEM_RESERVE_PLACEHOLDER))
        return STATUS_INVALID_PARAMETER;
    if (make && req->protect != PAGE_NOACCESS)
        return STATUS_INVALID_PARAMETER;
    if (replace && (!req->base || !(req->type & MEM_RESERVE)))
        return STATUS_INVALID_PARAMETER;
    return STATUS_SUCCESS;
}

nt_status space_zero_bits(const struct vm *vm, uint64_t zero_bits, gva_t *highest)
{
    *highest = vm->allocs.limit - 1;
    if (zero_bits > 21 && zero_bits < 32)
        return STATUS_INVALID_PARAMETER_3;
    if (zero_bits && zero_bits < 32)
        zero_bits = UINT32_MAX >> zero_bits;
    if (zero_bits) { /* all ones below the highest one */
        gva_t most = UINT64_MAX >> __builtin_clzll(zero_bits);

        *highest = most < *highest ? most : *highest;
    }
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

/* Is it a change of pages of a view, which may be copied when written? */
static bool names_view(const struct vm *vm, const struct vm_request *req)
{
    const struct allocation *a = NULL;

    if (!(req->type & MEM_RESERVE) && req->base && req->base < vm->allocs.limit)
        a = allocs_find(&vm->allocs, req->base);
    return a && a->view;
}

static nt_status check(const struct vm *vm, const struct vm_request *req)
{
    gva_t highest;
    nt_status st = check_requirements(vm, req);

    if (st == STATUS_SUCCESS)
        st = space_zero_bits(vm, req->zero_bits, &highest);
    if (st == STATUS_SUCCESS)
        st = check_type(req);
    if (st == STATUS_SUCCESS)
        st = check_placeholder(req);
    if (st != STATUS_SUCCESS)
        return st;
    if (!protection_valid(req->protect, true) ||
        (protection_is_copy(req->protect) && !names_view(vm, req)))
        return STATUS_INVALID_PAGE_PROTECTION;
    return check_range(vm, req->base, req->size);
}

nt_status vm_find_free(const struct vm *vm, const struct vm_request *req, gva_t *base)
{
    struct room room = {
        .size = page_up(req->size),
        .lowest = req->lowest > VM_LOWEST ? req->lowest : VM_LOWEST,
        .alignment = req->alignment ? req->alignment : VM_GRANULARITY,
        .top_down = req->type & MEM_TOP_DOWN,
    };
    gva_t highest;
    nt_status st = check_requirements(vm, req);

    if (st == STATUS_SUCCESS)
        st = space_zero_bits(vm, req->zero_bits, &highest);
    if (st == STATUS_SUCCESS)
        st = check_range(vm, 0, req->size);
    if (st != STATUS_SUCCESS)
        return st;
    room.end = (req->highest && req->highest < highest ? req->highest : highest) + 1;
    if (!req->lowest && !room.top_down) {
        room.lowest = vm->default_base;
        if (allocs_find_room(&vm->allocs, &room, base))
            return STATUS_SUCCESS;
        room.lowest = VM_LOWEST;
    }
    return allocs_find_room(&vm->allocs, &room, base) ? STATUS_SUCCESS : STATUS_NO_MEMORY;
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
    if (req->type & MEM_REPLACE_PLACEHOLDER) {
        *out = range_of_pages(req->base, req->size);
        return space_placeholder(vm, *out) ? STATUS_SUCCESS : STATUS_CONFLICTING_ADDRESSES;
    }
    if (base < VM_LOWEST)
        return STATUS_INVALID_PARAMETER_2;
    *out = (struct range){base, page_up(req->base + req->size)};
    return allocs_is_free(&vm->allocs, out->start, out->end) ? STATUS_SUCCESS
                                                             : STATUS_CONFLICTING_ADDRESSES;
}

/* An allocation as the request describes it, not yet entered; NULL when memory is short. */
static struct allocation *make(struct vm *vm, const struct vm_request *req, struct range r)
{
    struct allocation *a = space_new_allocation(vm, r, req->label);

    if (!a)
        return NULL;
    a->type = MEM_PRIVATE;
    a->protect = (uint16_t)protection_value(req->protect);
    a->placeholder = req->type & MEM_RESERVE_PLACEHOLDER;
    a->replaced = req->type & MEM_REPLACE_PLACEHOLDER;
    if (req->type & MEM_COMMIT)
        runs_first(&a->runs)->protect = a->protect;
    if (req->type & MEM_WRITE_WATCH) {
        a->writes = pageset_new(r.start, r.end);
        if (!a->writes) {
            space_discard(vm, a);
            return NULL;
        }
    }
    return a;
}

static nt_status reserve(struct vm *vm, const struct vm_request *req, struct range r)
{
    struct allocation *a;

    if (req->type & MEM_COMMIT && !physical_may_commit(vm->physical, r.end - r.start))
        return STATUS_COMMITMENT_LIMIT;
    a = make(vm, req, r);
    if (!a)
        return STATUS_NO_MEMORY;
    if (a->replaced)
        space_drop(vm, space_placeholder(vm, r));
    space_enter(vm, a);
    return STATUS_SUCCESS;
}

static nt_status commit(struct vm *vm, struct allocation *a, struct range r, uint32_t protect)
{
    struct run *at = runs_find(&a->runs, r.start);
    uint64_t added = r.end - r.start - space_committed(at, r);

    if (!physical_may_commit(vm->physical, added))
        return STATUS_COMMITMENT_LIMIT;
    if (space_prepare(vm, r, false) != STATUS_SUCCESS)
        return STATUS_NO_MEMORY;
    space_protect(vm, a, at, r, protect);
    space_charge(vm, added);
    return STATUS_SUCCESS;
}

/* MEM_RESET: the contents may go, and stay, so that MEM_RESET_UNDO has nothing to do. A41..A43, A46, A47. */
static nt_status reset(const struct allocation *a)
{
    return a->view && view_has_file(a->view) ? STATUS_USER_MAPPED_FILE : STATUS_SUCCESS;
}

/* Commit or reset inside an existing allocation: A08..A12, A41..A43, M12..M14. */
static nt_status change(struct vm *vm, const struct vm_request *req, struct range *out)
{
    struct range r = range_of_pages(req->base, req->size);
    struct allocation *a = allocs_find(&vm->allocs, r.start);
    nt_status st;

    if (!a || r.end > a->end || a->placeholder)
        return STATUS_CONFLICTING_ADDRESSES;
    if (a->foreign)
        return STATUS_ALREADY_COMMITTED;
    if (req->type & RESETS)
        st = reset(a);
    else if (a->view)
        st = view_commit(vm, a, r, req->protect);
    else
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
