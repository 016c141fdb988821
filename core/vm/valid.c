/*
 * vm_valid: what is true of an address space between two operations. Each layer states its own
 * invariants; here are those between the layers.
 */
#include "vm/section.h"

/* Does every page of the run have an entry of its own? */
static bool has_entries(const struct vm *vm, const struct run *run)
{
    for (gva_t page = run_start(run); page < run->end; page += VM_PAGE_SIZE) {
        bool shared;

        if (!pt_get(&vm->pages, page_number(page), &shared))
            return false;
    }
    return true;
}

/* Views say what their section does about commitment, and nothing is written that has no page of its own. */
static bool view_valid(const struct vm *vm, const struct allocation *a)
{
    for (const struct run *run = runs_first(&a->runs); run; run = run_next(run)) {
        if (run->written && (protection_is_copy(run->protect) || !has_entries(vm, run)))
            return false;
        for (gva_t page = run_start(run); page < run->end; page += VM_PAGE_SIZE) {
            if (section_is_committed(a->view->section, view_page(a->view, page)) != !!run->protect)
                return false;
        }
    }
    return a->view->a == a && a->view->vm == vm && a->view->section->users && !a->writes;
}

/* Trees, sums, and that every run says what its allocation's type allows. */
static bool allocations_valid(const struct vm *vm)
{
    uint64_t reserved = 0;
    uint64_t committed = 0;

    if (!allocs_valid(&vm->allocs))
        return false;
    for (const struct allocation *a = allocs_above(&vm->allocs, 0); a;
         a = allocs_above(&vm->allocs, a->base)) {
        struct range all = {a->base, a->end};

        if (!runs_valid(&a->runs, all.start, all.end) || all.start % VM_PAGE_SIZE ||
            all.end % VM_PAGE_SIZE || (a->type == MEM_PRIVATE) == (a->view || a->foreign) ||
            (a->view && !view_valid(vm, a)) || (a->placeholder && (a->writes || a->replaced)))
            return false;
        reserved += all.end - all.start;
        if (space_is_charged(a))
            committed += space_committed(runs_first(&a->runs), all);
    }
    return reserved == vm->reserved && committed == vm->committed;
}

/* Does a page with a frame lie in a committed run that says the same about it? */
static bool entry_valid(const struct vm *vm, uint64_t page, pte_t e)
{
    const struct allocation *a = allocs_find(&vm->allocs, page * VM_PAGE_SIZE);
    const struct run *run = a ? runs_find(&a->runs, page * VM_PAGE_SIZE) : NULL;
    bool watched = a && a->writes && !pageset_has(a->writes, page * VM_PAGE_SIZE);

    return run && run->protect == pte_protect(e) && watched == !!(e & PTE_WATCH) &&
           (!a->view || run->written);
}

static bool entries_valid(const struct vm *vm)
{
    uint64_t page = 0;
    pte_t e;

    for (; pt_next(&vm->pages, &page, PT_PAGES, &e); page++) {
        if (!entry_valid(vm, page, e))
            return false;
    }
    return true;
}

bool vm_valid(const struct vm *vm)
{
    return pt_valid(&vm->pages) && physical_valid(vm->physical) && allocations_valid(vm) &&
           foreigns_valid(vm) && entries_valid(vm);
}
