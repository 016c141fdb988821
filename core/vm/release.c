/* NtFreeVirtualMemory: decommit, and release of a whole allocation or a part. NT-MEMORY-RULES F01..F24. */
#include <assert.h>

#include "vm/space.h"
#include "winstub/log.h"

/* The allocation and the pages that the arguments name: F01..F08, F10..F11, F17..F19. */
static nt_status find_range(const struct vm *vm, gva_t base, uint64_t size, uint32_t type,
                            struct allocation **a, struct range *r)
{
    bool placeholders = type == (MEM_RELEASE | MEM_PRESERVE_PLACEHOLDER) ||
                        type == (MEM_RELEASE | MEM_COALESCE_PLACEHOLDERS);

    if (type != MEM_DECOMMIT && type != MEM_RELEASE && !placeholders)
        return STATUS_INVALID_PARAMETER_4;
    if (base >= vm->allocs.limit)
        return STATUS_INVALID_PARAMETER_2;
    if (size > vm->allocs.limit - base)
        return STATUS_INVALID_PARAMETER_3;
    *r = range_of_pages(base, size);
    *a = allocs_find(&vm->allocs, r->start);
    if (!*a)
        return STATUS_MEMORY_NOT_ALLOCATED;
    if (r->end > (*a)->end && !(type & MEM_COALESCE_PLACEHOLDERS))
        return STATUS_UNABLE_TO_FREE_VM;
    if ((*a)->type != MEM_PRIVATE)
        return STATUS_UNABLE_TO_DELETE_SECTION;
    if (size)
        return STATUS_SUCCESS;
    r->end = (*a)->end;
    return r->start == (*a)->base ? STATUS_SUCCESS : STATUS_FREE_VM_NOT_AT_BASE;
}

static nt_status decommit(struct vm *vm, struct allocation *a, struct range r)
{
    struct run *at = runs_find(&a->runs, r.start);
    struct run *first;

    if (space_prepare(vm, r, true) != STATUS_SUCCESS)
        return STATUS_NO_MEMORY;
    space_discharge(vm, space_committed(at, r));
    space_clear(vm, r);
    first = space_cut(vm, a, at, r);
    for (struct run *run = first; run && run_start(run) < r.end; run = run_next(run))
        run->protect = 0;
    space_join(vm, a, first, r);
    return STATUS_SUCCESS;
}

/* A second allocation with what a has from first on; a is left too long. Everything was reserved. */
static struct allocation *split_tail(struct vm *vm, struct allocation *a, struct run *first)
{
    struct allocation *tail = pool_take(&vm->allocation_pool);

    *tail = *a;
    tail->base = run_start(first);
    label_ref(tail->label);
    pageset_ref(tail->writes);
    runs_move_tail(&a->runs, &vm->run_pool, first, &tail->runs);
    return tail;
}

/* Release r, a part of a: its head, tail or middle (F13..F15). */
static nt_status release_part(struct vm *vm, struct allocation *a, struct range r)
{
    struct run *at = runs_find(&a->runs, r.start);
    struct allocation *tail = NULL;

    if (!pool_reserve(&vm->allocation_pool, 1) || !allocs_reserve(&vm->allocs, 1) ||
        space_prepare(vm, r, true) != STATUS_SUCCESS)
        return STATUS_NO_MEMORY;
    space_discharge(vm, space_committed(at, r));
    vm->reserved -= r.end - r.start;
    space_clear(vm, r);
    at = runs_drop(&a->runs, &vm->run_pool, space_cut(vm, a, at, r), r.end);
    if (r.start == a->base) {
        allocs_shrink(&vm->allocs, a, r.end, a->end);
        return STATUS_SUCCESS;
    }
    if (at)
        tail = split_tail(vm, a, at);
    allocs_shrink(&vm->allocs, a, a->base, r.start);
    if (tail)
        allocs_insert(&vm->allocs, tail);
    return STATUS_SUCCESS;
}

static nt_status release_whole(struct vm *vm, struct allocation *a)
{
    struct range r = {a->base, a->end};

    if (space_prepare(vm, r, true) != STATUS_SUCCESS)
        return STATUS_NO_MEMORY;
    space_clear(vm, r);
    space_drop(vm, a);
    return STATUS_SUCCESS;
}

/* Make what a has from addr on an allocation of its own. Everything was reserved. */
static void split(struct vm *vm, struct allocation *a, gva_t addr)
{
    struct range behind = {addr, a->end};
    struct run *first = space_cut(vm, a, runs_find(&a->runs, addr), behind);
    struct allocation *tail = split_tail(vm, a, first);

    allocs_shrink(&vm->allocs, a, a->base, addr);
    allocs_insert(&vm->allocs, tail);
}

/*
 * MEM_PRESERVE_PLACEHOLDER: cut r out of a placeholder (A63, A64), or turn a whole allocation that took a placeholder's
 * place back into one.
 */
static nt_status preserve(struct vm *vm, struct allocation *a, struct range r)
{
    bool back = a->replaced && r.start == a->base && r.end == a->end;

    if (!a->placeholder && !back)
        return STATUS_CONFLICTING_ADDRESSES;
    if (!pool_reserve(&vm->allocation_pool, 2) || !allocs_reserve(&vm->allocs, 2))
        return STATUS_NO_MEMORY;
    if (!a->placeholder) {
        nt_status st = decommit(vm, a, r);

        if (st == STATUS_SUCCESS) {
            a->placeholder = true;
            a->replaced = false;
            pageset_unref(a->writes); /* nobody can write to it any more */
            a->writes = NULL;
        }
        return st;
    }
    if (space_prepare(vm, r, true) != STATUS_SUCCESS)
        return STATUS_NO_MEMORY;
    if (r.end < a->end)
        split(vm, a, r.end);
    if (r.start > a->base)
        split(vm, a, r.start);
    return STATUS_SUCCESS;
}

/* Is r made of two or more whole placeholders, the first of which is a? */
static bool is_placeholders(const struct vm *vm, const struct allocation *a, struct range r)
{
    if (a->base != r.start || a->end == r.end)
        return false;
    while (a && a->placeholder && a->end < r.end) {
        const struct allocation *next = allocs_above(&vm->allocs, a->base);

        a = next && next->base == a->end ? next : NULL;
    }
    return a && a->placeholder && a->end == r.end;
}

/* MEM_COALESCE_PLACEHOLDERS: make r one placeholder again. */
static nt_status coalesce(struct vm *vm, struct allocation *a, struct range r)
{
    if (!is_placeholders(vm, a, r))
        return STATUS_CONFLICTING_ADDRESSES;
    if (!allocs_reserve(&vm->allocs, 1))
        return STATUS_NO_MEMORY;
    while (a->end < r.end) {
        struct allocation *next = allocs_above(&vm->allocs, a->base);

        space_leave(vm, next);
        vm->reserved += next->end - next->base;
        allocs_remove(&vm->allocs, a);
        a->end = next->end;
        runs_first(&a->runs)->end = a->end;
        allocs_insert(&vm->allocs, a);
        space_discard(vm, next);
    }
    return STATUS_SUCCESS;
}

static nt_status release(struct vm *vm, struct allocation *a, struct range r, uint32_t type)
{
    if (type == MEM_DECOMMIT)
        return decommit(vm, a, r);
    if (type & MEM_PRESERVE_PLACEHOLDER)
        return preserve(vm, a, r);
    if (type & MEM_COALESCE_PLACEHOLDERS)
        return coalesce(vm, a, r);
    if (r.start == a->base && r.end == a->end)
        return release_whole(vm, a);
    return release_part(vm, a, r);
}

nt_status vm_release(struct vm *vm, gva_t *base, uint64_t *size, uint32_t type)
{
    struct allocation *a;
    struct range r;
    nt_status st = find_range(vm, *base, *size, type, &a, &r);

    if (st == STATUS_SUCCESS)
        st = release(vm, a, r, type);
    LOG(vm, "free 0x%" PRIx64 "+0x%" PRIx64 " type 0x%x -> %s", *base, *size, type, nt_text(st));
    if (st != STATUS_SUCCESS)
        return st;
    space_changed(vm);
    *base = r.start;
    if (type != MEM_DECOMMIT || *size) /* a decommit of everything keeps its size 0: F18 */
        *size = r.end - r.start;
    return st;
}

/* A placeholder in the place of the view a. */
static nt_status exchange(struct vm *vm, struct allocation *a)
{
    struct range r = {a->base, a->end};
    struct allocation *placeholder;

    if (!a->replaced)
        return STATUS_CONFLICTING_ADDRESSES;
    placeholder = space_new_allocation(vm, r, "");
    if (!placeholder)
        return STATUS_NO_MEMORY;
    placeholder->type = MEM_PRIVATE;
    placeholder->protect = PAGE_NOACCESS;
    placeholder->placeholder = true;
    if (release_whole(vm, a) != STATUS_SUCCESS) {
        space_discard(vm, placeholder);
        return STATUS_NO_MEMORY;
    }
    space_enter(vm, placeholder);
    return STATUS_SUCCESS;
}

static nt_status unmap(struct vm *vm, gva_t addr, const char *into,
                       nt_status (*take)(struct vm *vm, struct allocation *a))
{
    struct allocation *a = addr < vm->allocs.limit ? allocs_find(&vm->allocs, addr) : NULL;
    nt_status st = STATUS_NOT_MAPPED_VIEW;

    if (a && a->type != MEM_PRIVATE)
        st = take(vm, a);
    LOG(vm, "unmap 0x%" PRIx64 "%s -> %s", addr, into, nt_text(st));
    if (st == STATUS_SUCCESS)
        space_changed(vm);
    return st;
}

nt_status vm_unmap_view(struct vm *vm, gva_t addr)
{
    return unmap(vm, addr, "", release_whole);
}

nt_status vm_unmap_to_placeholder(struct vm *vm, gva_t addr)
{
    return unmap(vm, addr, " to a placeholder", exchange);
}

void vm_unmap_all(struct vm *vm)
{
    LOG(vm, "unmap all %zu allocations", vm->allocs.tree.count);
    space_revoke(vm, (struct range){0, vm->allocs.limit});
    space_discard_all(vm);
    pt_fini(&vm->pages);
    space_changed(vm);
}
