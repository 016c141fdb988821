/* NtQueryVirtualMemory and the names in a map. NT-MEMORY-RULES Q01..Q13. */
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

nt_status vm_query(const struct vm *vm, gva_t addr, struct vm_region *out)
{
    const struct allocation *a;
    const struct run *run;
    gva_t page = page_down(addr);

    if (addr >= vm->allocs.limit)
        return STATUS_INVALID_PARAMETER;
    a = allocs_find(&vm->allocs, addr);
    if (!a) {
        describe_free(vm, page, out);
        return STATUS_SUCCESS;
    }
    run = runs_find(&a->runs, addr);
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
        .device = a->foreign && foreign_is_device(foreigns_find(&vm->foreign, addr)->memory),
        .lent = a->foreign && !foreign_is_device(foreigns_find(&vm->foreign, addr)->memory),
        .label = label_text(run->label ? run->label : a->label),
        .path = view_path(a->view),
    };
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
    space_changed(vm);
    return true;
}
