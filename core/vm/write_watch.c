/* NtGetWriteWatch and NtResetWriteWatch. NT-MEMORY-RULES W01..W11. */
#include "vm/space.h"

/* The watched allocation that holds all of [base, base + size), and the pages. */
static struct allocation *find_watched(const struct vm *vm, gva_t base, uint64_t size,
                                       struct range *r)
{
    struct allocation *a;

    if (base >= vm->allocs.limit || !size || size > vm->allocs.limit - base)
        return NULL;
    *r = range_of_pages(base, size);
    a = allocs_find(&vm->allocs, r->start);
    return a && a->writes && r->end <= a->end ? a : NULL;
}

/* Forget that the pages of r were written; the next write to each asks again. After space_prepare. */
static void forget(struct vm *vm, struct allocation *a, struct range r)
{
    for (gva_t page = r.start; page < r.end; page += VM_PAGE_SIZE)
        pageset_set(a->writes, page, false);
    pt_change(&vm->pages, page_number(r.start), page_number(r.end), 0, PTE_WATCH);
    space_revoke(vm, r);
    space_forget_saved(vm);
}

/* List written pages of r; returns the first page that was not looked at. */
static gva_t list(const struct allocation *a, struct range r, gva_t *addresses, uint64_t *count)
{
    uint64_t found = 0;
    gva_t page = r.start;

    for (; page < r.end && found < *count; page += VM_PAGE_SIZE) {
        if (pageset_has(a->writes, page))
            addresses[found++] = page;
    }
    *count = found;
    return page;
}

nt_status vm_get_write_watch(struct vm *vm, uint32_t flags, gva_t base, uint64_t size,
                             gva_t *addresses, uint64_t *count, uint32_t *granularity)
{
    struct allocation *a;
    struct range r;

    if (!addresses || !count || !granularity)
        return STATUS_ACCESS_VIOLATION;
    if (flags & ~WRITE_WATCH_FLAG_RESET || !*count)
        return STATUS_INVALID_PARAMETER;
    a = find_watched(vm, base, size, &r);
    if (!a)
        return STATUS_INVALID_PARAMETER;
    if (flags && space_prepare(vm, r, false) != STATUS_SUCCESS)
        return STATUS_NO_MEMORY;
    r.end = list(a, r, addresses, count);
    *granularity = VM_PAGE_SIZE;
    if (flags && *count)
        forget(vm, a, r);
    return STATUS_SUCCESS;
}

nt_status vm_reset_write_watch(struct vm *vm, gva_t base, uint64_t size)
{
    struct range r;
    struct allocation *a = find_watched(vm, base, size, &r);

    if (!a)
        return STATUS_INVALID_PARAMETER;
    if (space_prepare(vm, r, false) != STATUS_SUCCESS)
        return STATUS_NO_MEMORY;
    forget(vm, a, r);
    return STATUS_SUCCESS;
}
