/*
 * NtSetInformationProcess. Stacks of new threads are made through it (Wine's ntdll); what is only a wish about priority,
 * paging or error boxes is taken, because there is nothing here that it would change; the rest is refused.
 */
#include "nt/services.h"

/* PROCESSINFOCLASS */
enum {
    SET_BASE_PRIORITY = 5,
    SET_ERROR_MODE = 12,
    SET_PRIORITY_CLASS = 18,
    SET_AFFINITY = 21,
    SET_PRIORITY_BOOST = 22,
    SET_EXECUTE_FLAGS = 34,
    SET_IO_PRIORITY = 33,
    SET_PAGE_PRIORITY = 39,
    SET_STACK_ALLOCATION = 41,
    SET_POWER_THROTTLING = 77,
};

/* PROCESS_STACK_ALLOCATION_INFORMATION is three pointer-sized numbers; the newer form has four u32 before them. */
#define STACK_NEWER_PREFIX 16u

/* Reserve the stack of a thread to be; its base goes to the third number. */
static nt_status allocate_stack(struct call *call)
{
    struct process *p = call->process;
    uint32_t width = nt_pointer(p->arch);
    gva_t at = call->arg[2], base = 0;
    struct vm_request req = {.type = MEM_RESERVE, .protect = PAGE_READWRITE, .label = "stack"};
    nt_status st;

    if (call->arg[3] == STACK_NEWER_PREFIX + 3 * width)
        at += STACK_NEWER_PREFIX;
    else if (call->arg[3] != 3 * width)
        return STATUS_INFO_LENGTH_MISMATCH;
    st = guest_get_pointer(p, at, &req.size);
    if (!st)
        st = guest_get_pointer(p, at + width, &req.zero_bits);
    if (!st)
        st = guest_probe(p, at + 2 * width, width, VM_WRITE);
    if (!st)
        st = vm_allocate(p->vm, &req, &base, NULL);
    return st ? st : guest_put_pointer(p, at + 2 * width, base);
}

nt_status serve_NtSetInformationProcess(struct call *call)
{
    nt_status st = service_own_process(call, call->arg[0]);

    if (st)
        return st;
    switch (call->arg[1]) {
    case SET_STACK_ALLOCATION:
        return allocate_stack(call);
    case SET_BASE_PRIORITY:
    case SET_ERROR_MODE:
    case SET_PRIORITY_CLASS:
    case SET_AFFINITY:
    case SET_PRIORITY_BOOST:
    case SET_EXECUTE_FLAGS:
    case SET_IO_PRIORITY:
    case SET_PAGE_PRIORITY:
    case SET_POWER_THROTTLING:
        return guest_probe(call->process, call->arg[2], call->arg[3], VM_READ);
    default:
        return STATUS_INVALID_INFO_CLASS;
    }
}
