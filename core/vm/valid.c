/*
 * vm_valid: what is true of an address space between two operations. Each layer states its own
 * invariants; here are those between the layers.
 */
#include <string.h>
#include <sys/mman.h>

#include "vm/space.h"

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
            all.end % VM_PAGE_SIZE)
            return false;
        reserved += all.end - all.start;
        committed += space_committed(runs_first(&a->runs), all);
    }
    return reserved == vm->reserved && committed == vm->committed && committed <= vm->commit_limit;
}

/* Does a page with a frame lie in a committed run that says the same about it? */
static bool entry_valid(const struct vm *vm, uint64_t page, pte_t e)
{
    const struct allocation *a = allocs_find(&vm->allocs, page * VM_PAGE_SIZE);

    bool watched = a && a->writes && !pageset_has(a->writes, page * VM_PAGE_SIZE);

    return a && runs_find(&a->runs, page * VM_PAGE_SIZE)->protect == pte_protect(e) &&
           watched == !!(e & PTE_WATCH);
}

/* Every entry is valid; uses[frame] counts the entries of each frame. */
static bool entries_valid(const struct vm *vm, uint32_t *uses, uint64_t *count)
{
    uint64_t page = 0;
    pte_t e;

    for (*count = 0; pt_next(&vm->pages, &page, PT_PAGES, &e); page++, ++*count) {
        if (pte_frame(e) >= vm->frames.fresh || !entry_valid(vm, page, e))
            return false;
        uses[pte_frame(e)]++;
    }
    return true;
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
           pages_valid(vm);
}
