/* NtQueryVirtualMemory and the names in a map. NT-MEMORY-RULES Q01..Q13. */
#include "vm/brief.h"
#include "vm/section.h"

static void describe_free(const struct vm *vm, gva_t page, struct vm_region *out)
{
    const struct allocation *next = allocs_above(&vm->allocs, page);

    *out = (struct vm_region){
        .base = page,
        .size = (next ? next->base : vm->allocs.limit) - page,
        .state = MEM_FREE,
        .protect = PAGE_NOACCESS,
        .label = "",
        .path = "",
    };
}

/* Where the pages that are like run's end (Q01): labels do not count. */
static gva_t end_of_alike(const struct run *run)
{
    const struct run *next = run_next(run);

    while (next && runs_look_alike(run, next)) {
        run = next;
        next = run_next(run);
    }
    return run->end;
}

/* What the tree of allocations itself knows about the page. */
static void describe_brief(const struct ranges_found *at, gva_t page, struct vm_region *out)
{
    struct brief b = brief_read(at->note, at->start, at->end, page);

    *out = (struct vm_region){
        .base = page,
        .size = b.end - page,
        .label_size = b.end - page,
        .allocation_base = at->start,
        .allocation_size = at->end - at->start,
        .allocation_protect = b.allocation_protect,
        .state = b.protect ? MEM_COMMIT : MEM_RESERVE,
        .protect = b.protect,
        .type = MEM_PRIVATE,
        .label = "",
        .path = "",
    };
}

static void describe(const struct vm *vm, const struct allocation *a, gva_t page,
                     struct vm_region *out)
{
    const struct run *run = runs_find(&a->runs, page);

    *out = (struct vm_region){
        .base = page,
        .size = end_of_alike(run) - page,
        .label_size = run->end - page,
        .allocation_base = a->base,
        .allocation_size = a->end - a->base,
        .allocation_protect = a->protect,
        .state = run->protect ? MEM_COMMIT : MEM_RESERVE,
        .protect = run->protect,
        .type = a->type,
        .device = a->foreign && foreign_is_device(foreigns_find(&vm->foreign, page)->memory),
        .lent = a->foreign && !foreign_is_device(foreigns_find(&vm->foreign, page)->memory),
        .label = label_text(run->label ? run->label : a->label),
        .path = view_path(a->view),
    };
}

nt_status vm_query(const struct vm *vm, gva_t addr, struct vm_region *out)
{
    gva_t page = page_down(addr);
    struct ranges_found at;

    if (addr >= vm->allocs.limit)
        return STATUS_INVALID_PARAMETER;
    if (!allocs_look(&vm->allocs, addr, &at))
        describe_free(vm, page, out);
    else if (at.note)
        describe_brief(&at, page, out);
    else
        describe(vm, at.value, page, out);
    return STATUS_SUCCESS;
}

bool vm_set_label(struct vm *vm, gva_t addr, const char *label, bool whole_run)
{
    struct allocation *a = addr < vm->allocs.limit ? allocs_find(&vm->allocs, addr) : NULL;
    struct run *run;
    struct label **slot;
    struct label *text;

    if (!a || !label_new(label, &text))
        return false;
    run = runs_find(&a->runs, addr);
    slot = whole_run ? &run->label : &a->label;
    label_unref(*slot);
    *slot = text;
    runs_join(&a->runs, &vm->run_pool, run, run->end);
    allocs_update(&vm->allocs, a);
    space_changed(vm);
    return true;
}
