/*
 * vm_valid: what is true of an address space between two operations. Each layer states its own
 * invariants; here are those between the layers.
 */
#include <string.h>
#include <sys/mman.h>

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
    return a->view->a == a && a->view->section->users && !a->writes;
}

static bool sections_valid(const struct vm *vm, uint64_t *charge)
{
    *charge = 0;
    for (const struct vm_section *s = vm->sections; s; s = s->next) {
        if (s->vm != vm || !section_valid(s))
            return false;
        *charge += s->charge;
    }
    return true;
}

/* Trees, sums, and that every run says what its allocation's type allows. */
static bool allocations_valid(const struct vm *vm)
{
    uint64_t reserved = 0;
    uint64_t committed;

    if (!allocs_valid(&vm->allocs) || !sections_valid(vm, &committed))
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

/* uses[frame] counts the entries of each frame in pt, *count all of them. */
static bool count_uses(const struct vm *vm, const struct pagetable *pt, uint32_t *uses,
                       uint64_t *count)
{
    uint64_t page = 0;
    pte_t e;

    for (; pt_next(pt, &page, PT_PAGES, &e); page++, ++*count) {
        if (pte_frame(e) >= vm->frames.fresh)
            return false;
        uses[pte_frame(e)]++;
    }
    return true;
}

/* Every entry is valid; uses and *count cover the pages of sections too. */
static bool entries_valid(const struct vm *vm, uint32_t *uses, uint64_t *count)
{
    uint64_t page = 0;
    pte_t e;

    *count = 0;
    for (; pt_next(&vm->pages, &page, PT_PAGES, &e); page++) {
        if (!entry_valid(vm, page, e))
            return false;
    }
    for (const struct vm_section *s = vm->sections; s; s = s->next) {
        if (!count_uses(vm, &s->pages, uses, count))
            return false;
    }
    return count_uses(vm, &vm->pages, uses, count);
}

/* No frame is used more often than its references say, and none but vm_frame_new's has references left. */
static bool references_valid(const struct vm *vm, const uint32_t *uses, uint64_t count)
{
    uint64_t unused = 0;

    for (frame_t i = 0; i < vm->frames.fresh; i++) {
        if (uses[i] > frames_refs(&vm->frames, i))
            return false;
        unused += frames_refs(&vm->frames, i) - uses[i];
    }
    if (vm->frames.references != vm->pt_space.entries + vm->own_frames)
        return false;
    return count < vm->pt_space.entries || unused == vm->own_frames;
}

/* The counters live in a mapping of their own, so that a check never disturbs a test of failing allocations. */
static bool pages_valid(const struct vm *vm)
{
    size_t size = ((size_t)vm->frames.fresh + 1) * sizeof(uint32_t);
    uint32_t *uses = mmap(NULL, size, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    uint64_t count;
    bool ok;

    if (uses == MAP_FAILED)
        return true;
    ok = entries_valid(vm, uses, &count) && references_valid(vm, uses, count);
    (void)munmap(uses, size);
    return ok;
}

bool vm_valid(const struct vm *vm)
{
    return frames_valid(&vm->frames) && pt_valid(&vm->pages) && allocations_valid(vm) &&
           foreigns_valid(vm) && pages_valid(vm);
}
