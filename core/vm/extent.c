/*
 * Questions about ranges, and memory by name; see extent.h. What is where is asked of vm_query; only labels are
 * looked up inside, because vm_query shows a run's label in place of its allocation's.
 */
#include "winstub/extent.h"

#include <string.h>
#include <strings.h>

#include "vm/section.h"

/* The last byte of a range that is not empty and may run past 2^64. */
static gva_t last_of(gva_t addr, uint64_t size)
{
    return size - 1 > UINT64_MAX - addr ? UINT64_MAX : addr + (size - 1);
}

/* Store addr for a caller who wants to know; returns result. */
static bool tell(gva_t *out, gva_t addr, bool result)
{
    if (out)
        *out = addr;
    return result;
}

gva_t vm_user_limit(const struct vm *vm)
{
    return vm->allocs.limit;
}

gva_t vm_default_base(const struct vm *vm)
{
    return vm->default_base;
}

bool vm_set_default_base(struct vm *vm, gva_t base)
{
    if (base < VM_LOWEST || base >= vm->allocs.limit || base % VM_GRANULARITY)
        return false;
    vm->default_base = base;
    return true;
}

bool vm_overlaps(const struct vm *vm, gva_t addr, uint64_t size, gva_t *taken)
{
    struct vm_region r;
    gva_t next;

    if (!size || vm_query(vm, addr, &r) != STATUS_SUCCESS)
        return false;
    if (r.state != MEM_FREE)
        return tell(taken, addr, true);
    next = r.base + r.size;
    return next <= last_of(addr, size) && next < vm_user_limit(vm) && tell(taken, next, true);
}

bool vm_is_free(const struct vm *vm, gva_t addr, uint64_t size, gva_t *taken)
{
    gva_t limit = vm_user_limit(vm);

    if (!size)
        return true;
    if (vm_overlaps(vm, addr, size, taken))
        return false;
    return last_of(addr, size) < limit || tell(taken, addr < limit ? limit : addr, false);
}

bool vm_is_mapped(const struct vm *vm, gva_t addr, uint64_t size, gva_t *missing)
{
    gva_t at = addr;

    while (size && at <= last_of(addr, size)) {
        struct vm_region r;

        if (vm_query(vm, at, &r) != STATUS_SUCCESS || r.state != MEM_COMMIT)
            return tell(missing, at, false);
        at = r.base + r.size;
    }
    return true;
}

enum vm_kind vm_kind_at(const struct vm *vm, gva_t addr)
{
    struct vm_region r;

    if (vm_query(vm, addr, &r) != STATUS_SUCCESS)
        return VM_KIND_FREE;
    switch (r.type) {
    case MEM_PRIVATE:
        return VM_KIND_PRIVATE;
    case MEM_MAPPED:
        if (r.device || r.lent)
            return r.device ? VM_KIND_DEVICE : VM_KIND_LENT;
        return *r.path ? VM_KIND_FILE_VIEW : VM_KIND_PAGEFILE_VIEW;
    case MEM_IMAGE:
        return VM_KIND_IMAGE;
    default:
        return VM_KIND_FREE;
    }
}

const char *vm_kind_text(enum vm_kind kind)
{
    switch (kind) {
    case VM_KIND_FREE:
        return "free";
    case VM_KIND_PRIVATE:
        return "private";
    case VM_KIND_PAGEFILE_VIEW:
        return "pagefile view";
    case VM_KIND_FILE_VIEW:
        return "file view";
    case VM_KIND_IMAGE:
        return "image";
    case VM_KIND_DEVICE:
        return "device";
    case VM_KIND_LENT:
        return "lent";
    }
    return "unknown";
}

nt_status vm_commit_anywhere(struct vm *vm, uint64_t size, uint32_t protect, const char *label,
                             gva_t *base)
{
    struct vm_request req = {
        .size = size, .type = MEM_RESERVE | MEM_COMMIT, .protect = protect, .label = label};

    return vm_allocate(vm, &req, base, NULL);
}

nt_status vm_unmap_range(struct vm *vm, gva_t addr, uint64_t size)
{
    gva_t at = page_down(addr), end;
    struct vm_region r;

    if (!size || addr >= vm_user_limit(vm))
        return STATUS_SUCCESS;
    end = last_of(addr, size) < vm_user_limit(vm) ? page_up(last_of(addr, size) + 1)
                                                  : vm_user_limit(vm);
    while (at < end && vm_query(vm, at, &r) == STATUS_SUCCESS) {
        gva_t next = r.state == MEM_FREE ? r.base + r.size : r.allocation_base + r.allocation_size;
        uint64_t part = (next < end ? next : end) - at;
        nt_status st = STATUS_SUCCESS;

        if (r.type == MEM_PRIVATE)
            st = vm_release(vm, &at, &part, MEM_RELEASE);
        else if (r.state != MEM_FREE)
            st = vm_unmap_view(vm, at);
        if (st != STATUS_SUCCESS)
            return st;
        at = next;
    }
    return STATUS_SUCCESS;
}

/* ---- By name --------------------------------------------------------------------------------- */

/* The first allocation that starts at or above from. */
static struct allocation *first_from(const struct vm *vm, gva_t from)
{
    return allocs_above(&vm->allocs, from ? from - 1 : 0);
}

static struct allocation *next_of(const struct vm *vm, const struct allocation *a)
{
    return allocs_above(&vm->allocs, a->end - 1);
}

static struct vm_extent extent_of(const struct vm *vm, const struct allocation *a)
{
    struct vm_extent x = {0};
    struct vm_region r;

    if (vm_query(vm, a->end - 1, &r) == STATUS_SUCCESS)
        x = (struct vm_extent){r.allocation_base, r.allocation_size};
    return x;
}

/* The first run of a that starts at or above from and carries the label, and those like it behind it. */
static bool find_run(const struct vm *vm, const struct allocation *a, const char *label, gva_t from,
                     struct vm_extent *out)
{
    const struct run *run = runs_find(&a->runs, extent_of(vm, a).base);

    while (run && (run_start(run) < from || strcmp(label_text(run->label), label) != 0))
        run = run_next(run);
    if (!run)
        return false;
    *out = (struct vm_extent){run_start(run), 0};
    for (; run && strcmp(label_text(run->label), label) == 0; run = run_next(run))
        out->size = run->end - out->base;
    return true;
}

bool vm_find_label(const struct vm *vm, const char *label, gva_t from, struct vm_extent *out)
{
    const struct allocation *a = allocs_find(&vm->allocs, from);

    if (!*label)
        return false;
    if (a && find_run(vm, a, label, from, out))
        return true;
    for (a = first_from(vm, from); a; a = next_of(vm, a)) {
        if (strcmp(label_text(a->label), label) == 0) {
            *out = extent_of(vm, a);
            return true;
        }
        if (find_run(vm, a, label, from, out))
            return true;
    }
    return false;
}

/* The part behind the last separator. */
static const char *last_part(const char *path)
{
    const char *part = path;

    for (; *path; path++) {
        if (*path == '\\' || *path == '/')
            part = path + 1;
    }
    return part;
}

bool vm_find_module(const struct vm *vm, const char *file_name, gva_t from, struct vm_extent *out)
{
    for (const struct allocation *a = first_from(vm, from); a; a = next_of(vm, a)) {
        const char *path = view_path(a->view);
        const char *name = *path ? path : label_text(a->label);

        if (!a->view || strcasecmp(last_part(name), file_name) != 0)
            continue;
        *out = extent_of(vm, a);
        return true;
    }
    return false;
}
