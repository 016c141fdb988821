/*
 * The ways of DLLs into the kernel. 64-bit ones have a syscall instruction of their own. 32-bit ones jump through a
 * pointer that a kernel fills (Wine's __wine_syscall_dispatcher, Windows' Wow64Transition; each DLL has one): it gets
 * the address of a few instructions of ours. Wine's DLLs of both widths call their Unix side through one more pointer.
 * Follows NT-PROCESS section 1 and 7.
 */
#include <inttypes.h>
#include <string.h>

#include "nt/guest.h"
#include "nt/kernel.h"
#include "nt/parts.h"

#define UNIX_CALL_NUMBER 0xfffu /* no ntdll has as many services */
#define SERVICE_NAME     "__wine_unix_call"
#define NUMBER_BYTES     UNIX_CALL_NUMBER & 0xff, UNIX_CALL_NUMBER >> 8, 0, 0

/* The gate: where its parts begin. Services come first: TEBs name the gate itself. */
enum { GATE_SERVICE = 0x00, GATE_SERVED = 0x06, GATE_UNIX = 0x10, GATE_SIZE = 0x20 };

/* i386: lea edx, [esp + 8] (the arguments, behind two return addresses); int 2eh; ret */
static const uint8_t service_32[] = {0x8d, 0x54, 0x24, 0x08, 0xcd, 0x2e, 0xc3};
/* mov eax, NUMBER; lea edx, [esp + 4]; int 2eh; ret 16 */
static const uint8_t unix_32[] = {0xb8, NUMBER_BYTES, 0x8d, 0x54, 0x24, 0x04,
                                  0xcd, 0x2e,         0xc2, 0x10, 0x00};
/* x64: mov r10, rcx; mov eax, NUMBER; syscall; ret */
static const uint8_t unix_64[] = {0x4c, 0x8b, 0xd1, 0xb8, NUMBER_BYTES, 0x0f, 0x05, 0xc3};

static enum err make_gate(struct process *p, struct diag *why)
{
    struct vm_request req = {.size = VM_PAGE_SIZE,
                             .type = MEM_RESERVE | MEM_COMMIT,
                             .protect = PAGE_EXECUTE_READ,
                             .label = "system call gate"};
    uint8_t code[GATE_SIZE] = {0};
    enum err e = ERR_OK;

    if (p->kernel->gate)
        return ERR_OK;
    if (p->arch == CPU_AMD64) {
        memcpy(code + GATE_UNIX, unix_64, sizeof unix_64);
    } else {
        memcpy(code + GATE_SERVICE, service_32, sizeof service_32);
        memcpy(code + GATE_UNIX, unix_32, sizeof unix_32);
    }
    e = process_find(p, p->plan.heap, req.size, &req.base, why);
    if (e)
        return e;
    if (!NT_SUCCESS(vm_allocate(p->vm, &req, NULL, NULL)) ||
        !vm_debug_write(p->vm, req.base, code, sizeof code))
        return diag_set(why, ERR_NOMEM, "no memory for the system call gate");
    p->kernel->gate = req.base;
    return ERR_OK;
}

enum err gate_unix_call(struct process *p, gva_t *at, struct diag *why)
{
    enum err e = make_gate(p, why);

    *at = p->kernel->gate + GATE_UNIX;
    if (!e && numbers_add(&p->kernel->numbers, UNIX_CALL_NUMBER, SERVICE_NAME))
        e = diag_set(why, ERR_NOMEM, "the host is out of memory");
    return e;
}

void gate_leave(struct process *p)
{
    gva_t sp = cpu_get(p->cpu, CPU_RSP), caller;

    if (p->arch != CPU_I386 || cpu_get(p->cpu, CPU_RIP) != p->kernel->gate + GATE_SERVED ||
        guest_get_pointer(p, sp, &caller))
        return;
    cpu_set(p->cpu, CPU_RSP, sp + 4);
    cpu_set(p->cpu, CPU_RIP, caller);
}

gva_t gate_caller(struct process *p)
{
    gva_t at = p->arch == CPU_AMD64 ? cpu_get(p->cpu, CPU_RSP) : cpu_get(p->cpu, CPU_RDX) - 4;
    gva_t caller = 0;

    return guest_get_pointer(p, at, &caller) ? 0 : caller;
}

/* Aim the pointer that the thunk jumps through (jmp dword ptr [POINTER]) at the gate. */
static enum err patch(struct process *p, gva_t base, struct bytes mapped, uint32_t thunk,
                      struct diag *why)
{
    struct bytes code = bytes_slice(mapped, thunk - base, 6);
    uint32_t pointer;
    uint8_t raw[4];
    enum err e;

    if (!code.data || code.data[0] != 0xff || code.data[1] != 0x25)
        return diag_set(
            why, ERR_FORMAT,
            "its system calls go through code at 0x%" PRIx32 " that winstub does not know", thunk);
    pointer = get_u32(code.data + 2);
    if (!bytes_has(mapped, pointer - base, sizeof raw))
        return diag_set(why, ERR_FORMAT,
                        "its system calls go through a pointer at 0x%" PRIx32 ", outside the image",
                        pointer);
    e = make_gate(p, why);
    put_u32(raw, (uint32_t)(p->kernel->gate + GATE_SERVICE));
    if (!e && !vm_debug_write(p->vm, pointer, raw, sizeof raw))
        e = diag_set(why, ERR_NOMEM, "the guest's memory is full");
    return e;
}

enum err gate_open(struct process *p, const struct pe_image *dll, gva_t base, struct bytes mapped,
                   size_t *count, struct diag *why)
{
    struct numbers_found found;
    enum err e = numbers_scan(&p->kernel->numbers, dll, mapped, &found, why);

    *count = found.count;
    if (!e && found.count && p->arch == CPU_I386) /* its address goes into every TEB as well */
        e = make_gate(p, why);
    if (!e && found.has_thunk)
        e = patch(p, base, mapped, found.thunk, why);
    return e;
}
