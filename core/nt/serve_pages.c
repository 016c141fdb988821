/*
 * Services about the pages of memory that is there: which were written (write watch), and hints. The rules of write
 * watches are core/vm's (W01..W11); those of hints are what Wine's tests and Microsoft's documentation of
 * PrefetchVirtualMemory say.
 */
#include <stdlib.h>

#include "nt/services.h"

/* VIRTUAL_MEMORY_INFORMATION_CLASS */
enum { VM_PREFETCH = 0 };

#define PREFETCH_FLAGS_SIZE 4u

/* ---- Write watch ------------------------------------------------------------------------------ */

/* Pages to list at most: no more than the range can have, however much room the caller says there is. */
static uint64_t most_pages(const struct vm *vm, gva_t base, uint64_t size, uint64_t room)
{
    struct vm_region region;
    uint64_t pages;

    if (vm_query(vm, base, &region) || size > region.allocation_size)
        return room != 0; /* an error that vm_get_write_watch names */
    pages = size / VM_PAGE_SIZE + 2;
    return room < pages ? room : pages;
}

static nt_status put_pages(struct process *p, gva_t at, const gva_t *pages, uint64_t count)
{
    nt_status st = STATUS_SUCCESS;

    for (uint64_t i = 0; !st && i < count; i++)
        st = guest_put_pointer(p, at + i * nt_pointer(p->arch), pages[i]);
    return st;
}

nt_status serve_NtGetWriteWatch(struct call *call)
{
    struct process *p = call->process, *target;
    uint64_t count = 0, room;
    uint32_t granularity = 0;
    gva_t *pages;
    nt_status st = service_process(call, call->arg[0], PROCESS_RIGHT_VM_OPERATION, &target);

    if (!st)
        st = guest_get_pointer(p, call->arg[5], &count);
    if (st)
        return st;
    room = most_pages(target->vm, call->arg[2], call->arg[3], count);
    /* Nothing is forgotten before it is known that the answer has a place. */
    st = guest_probe(p, call->arg[4], room * nt_pointer(p->arch), VM_WRITE);
    if (st)
        return st;
    pages = calloc(room ? (size_t)room : 1, sizeof *pages);
    if (!pages)
        return STATUS_NO_MEMORY;
    st = vm_get_write_watch(target->vm, (uint32_t)call->arg[1], call->arg[2], call->arg[3], pages,
                            &room, &granularity);
    if (!st)
        st = put_pages(p, call->arg[4], pages, room);
    if (!st)
        st = guest_put_pointer(p, call->arg[5], room);
    if (!st)
        st = guest_put_number(p, call->arg[6], 4, granularity);
    free(pages);
    return st;
}

nt_status serve_NtResetWriteWatch(struct call *call)
{
    struct process *target;
    nt_status st = service_process(call, call->arg[0], PROCESS_RIGHT_VM_OPERATION, &target);

    return st ? st : vm_reset_write_watch(target->vm, call->arg[1], call->arg[2]);
}

/* ---- Hints ------------------------------------------------------------------------------------ */

/* Memory is never paged out, so that ranges to prefetch are only checked: an empty one is an error. */
static nt_status check_ranges(struct process *p, gva_t at, uint64_t count)
{
    uint32_t width = nt_pointer(p->arch);
    nt_status st = STATUS_SUCCESS;

    for (uint64_t i = 0; !st && i < count; i++) {
        uint64_t size = 0;

        st = guest_get_pointer(p, at + i * 2 * width + width, &size);
        if (!st && !size)
            st = STATUS_INVALID_PARAMETER_4;
    }
    return st;
}

nt_status serve_NtSetInformationVirtualMemory(struct call *call)
{
    struct process *target;
    nt_status st = service_process(call, call->arg[0], PROCESS_RIGHT_VM_OPERATION, &target);

    if (st)
        return st;
    if (call->arg[1] != VM_PREFETCH)
        return STATUS_INVALID_PARAMETER_2;
    if (!call->arg[4])
        return STATUS_INVALID_PARAMETER_5;
    if (call->arg[5] != PREFETCH_FLAGS_SIZE)
        return STATUS_INVALID_PARAMETER_6;
    if (!call->arg[2])
        return STATUS_INVALID_PARAMETER_3;
    return check_ranges(call->process, call->arg[3], call->arg[2]);
}
