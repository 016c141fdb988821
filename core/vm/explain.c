/* What a refused access ran into, in a user's words. */
#include "vm/section.h"
#include "winstub/buf.h"

#define NEAR (UINT64_C(1) << 20) /* allocations farther away explain nothing */

static bool is_device(const struct vm *vm, const struct allocation *a)
{
    return foreign_is_device(foreigns_find(&vm->foreign, a->base)->memory);
}

static const char *type_name(const struct vm *vm, const struct allocation *a)
{
    if (a->foreign)
        return is_device(vm, a) ? "device" : "lent memory";
    if (!a->view)
        return "private allocation";
    if (a->type == MEM_IMAGE)
        return "image";
    return view_has_file(a->view) ? "file view" : "pagefile view";
}

/* "private allocation 0x20000 (heap)"; run may be NULL. */
static void name_allocation(const struct vm *vm, const struct allocation *a, const struct run *run,
                            struct buf *out)
{
    const struct label *label = run && run->label ? run->label : a->label;

    buf_printf(out, "%s 0x%" PRIx64, type_name(vm, a), a->base);
    if (label)
        buf_printf(out, " (%s)", label_text(label));
}

static void explain_free(const struct vm *vm, gva_t addr, struct buf *out)
{
    const struct allocation *below = allocs_floor(&vm->allocs, addr);
    const struct allocation *above = allocs_above(&vm->allocs, addr);
    uint64_t past = below ? addr - below->end : UINT64_MAX;
    uint64_t before = above ? above->base - addr : UINT64_MAX;

    if (addr < VM_LOWEST) {
        buf_printf(out, "free, 0x%" PRIx64 " above the null pointer", addr);
    } else if (past < NEAR && past <= before) {
        buf_printf(out, "free, 0x%" PRIx64 " past the end of ", past);
        name_allocation(vm, below, NULL, out);
    } else if (before < NEAR) {
        buf_printf(out, "free, 0x%" PRIx64 " before the start of ", before);
        name_allocation(vm, above, NULL, out);
    } else {
        buf_text(out, "free, with no allocation near");
    }
}

/* What stands in the way on a committed page, up to the name of its allocation. */
static const char *obstacle(const struct vm *vm, const struct allocation *a, uint32_t protect,
                            enum vm_access access)
{
    bool device = a->foreign && is_device(vm, a);
    unsigned allowed = protection_access(protect, vm->dep);

    if (protect & PAGE_GUARD)
        return "a guard page of ";
    if (!allowed)
        return "a page without access in ";
    if (device && (allowed & access || access == VM_EXEC))
        return access == VM_EXEC ? "not for code, being " : "a register of ";
    if (allowed & access || (access == VM_WRITE && protection_is_copy(protect)))
        return "accessible memory in ";
    return access == VM_WRITE ? "read-only memory in " : "memory that is not executable in ";
}

void vm_explain(const struct vm *vm, gva_t addr, enum vm_access access, struct buf *out)
{
    const struct allocation *a;
    const struct run *run;

    if (addr >= vm->allocs.limit) {
        buf_printf(out, "above the user range, which ends at 0x%" PRIx64, vm->allocs.limit);
        return;
    }
    a = allocs_find(&vm->allocs, addr);
    if (!a) {
        explain_free(vm, addr, out);
        return;
    }
    run = runs_find(&a->runs, addr);
    buf_text(out,
             run->protect ? obstacle(vm, a, run->protect, access) : "reserved, not committed, in ");
    name_allocation(vm, a, run, out);
}
