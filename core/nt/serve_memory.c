/* Virtual memory services: arguments and answers; every rule about memory itself is core/vm's. */
#include <inttypes.h>
#include <string.h>

#include "image/pe_format.h"
#include "nt/services.h"
#include "nt/stack_growth.h"
#include "nt/text.h"

/* MEMORY_INFORMATION_CLASS */
enum { MEMORY_BASIC = 0, MEMORY_MAPPED_NAME = 2, MEMORY_REGION = 3 };

#define WINE_UNIX_FUNCTIONS 1000 /* asks for a handle of the Unix part of a DLL */
#define ZERO_BITS_COUNT     31u  /* above it zero_bits is a mask */
#define ZERO_BITS_MOST      21u
#define COPY_CHUNK          0x1000u
#define REGION_PRIVATE      1u

/* After a commit or protect of [base, base + size) in target: what it means for the caller's stack (S06, S07). */
static void follow_guard(struct call *call, const struct process *target, gva_t base, uint64_t size,
                         uint32_t protect)
{
    if (protect & PAGE_GUARD && target == call->process)
        stack_guard_set(call->process, &call->thread->info, base, base + size);
}

/* A base and a size as the caller gave them, through pointers that were checked. */
static nt_status read_pair(struct call *call, gva_t base_at, gva_t *base, gva_t size_at,
                           uint64_t *size)
{
    nt_status st = guest_get_pointer(call->process, base_at, base);

    return st ? st : guest_get_pointer(call->process, size_at, size);
}

static nt_status write_pair(struct call *call, gva_t base_at, gva_t base, gva_t size_at,
                            uint64_t size)
{
    nt_status st = guest_put_pointer(call->process, base_at, base);

    return st ? st : guest_put_pointer(call->process, size_at, size);
}

nt_status service_zero_bits(const struct call *call, uint64_t zero_bits)
{
    bool mask = zero_bits > ZERO_BITS_COUNT;

    if (mask && call->process->arch == CPU_I386)
        return STATUS_INVALID_PARAMETER_3; /* our 32-bit processes are no WOW64 ones (A26) */
    return !mask && zero_bits > ZERO_BITS_MOST ? STATUS_INVALID_PARAMETER_3 : STATUS_SUCCESS;
}

nt_status serve_NtAllocateVirtualMemory(struct call *call)
{
    struct vm_request req = {.zero_bits = call->arg[2],
                             .type = (uint32_t)call->arg[4],
                             .protect = (uint32_t)call->arg[5]};
    struct process *target;
    gva_t base = 0;
    uint64_t size = 0;
    nt_status st = service_process(call, call->arg[0], PROCESS_RIGHT_VM_OPERATION, &target);

    if (!st)
        st = service_zero_bits(call, req.zero_bits);
    if (!st)
        st = read_pair(call, call->arg[1], &req.base, call->arg[3], &req.size);
    if (!st)
        st = vm_allocate(target->vm, &req, &base, &size);
    if (!st)
        follow_guard(call, target, base, size, req.protect);
    return st ? st : write_pair(call, call->arg[1], base, call->arg[3], size);
}

/* ---- Extended parameters ---------------------------------------------------------------------- */

/* MEM_EXTENDED_PARAMETER_TYPE */
enum { PARAMETER_REQUIREMENTS = 1, PARAMETER_NODE = 2, PARAMETER_ATTRIBUTES = 5 };

#define PARAMETER_SIZE      16u
#define PARAMETER_TYPE_MASK 0xffu

/* MEM_ADDRESS_REQUIREMENTS: three pointer-sized numbers. */
static nt_status read_requirements(struct process *p, gva_t at, struct vm_request *req)
{
    uint32_t width = nt_pointer(p->arch);
    nt_status st = guest_get_pointer(p, at, &req->lowest);

    if (!st)
        st = guest_get_pointer(p, at + width, &req->highest);
    return st ? st : guest_get_pointer(p, at + 2 * width, &req->alignment);
}

/* One parameter. A node is a preference without a meaning here, and attributes change nothing either. */
static nt_status read_parameter(struct process *p, gva_t at, uint32_t *seen, struct vm_request *req)
{
    uint64_t type = 0;
    gva_t pointer = 0;
    nt_status st = guest_get_number(p, at, 8, &type);

    if (!st)
        st = guest_get_pointer(p, at + 8, &pointer);
    if (st)
        return st;
    type &= PARAMETER_TYPE_MASK;
    if (type != PARAMETER_REQUIREMENTS && type != PARAMETER_NODE && type != PARAMETER_ATTRIBUTES)
        return STATUS_INVALID_PARAMETER;
    if (*seen & 1u << type)
        return STATUS_INVALID_PARAMETER;
    *seen |= 1u << type;
    return type == PARAMETER_REQUIREMENTS ? read_requirements(p, pointer, req) : STATUS_SUCCESS;
}

nt_status service_parameters(struct call *call, gva_t at, uint32_t count, struct vm_request *req)
{
    uint32_t seen = 0;
    nt_status st = count && !at ? STATUS_INVALID_PARAMETER : STATUS_SUCCESS;

    for (uint32_t i = 0; !st && i < count; i++)
        st = read_parameter(call->process, at + (gva_t)i * PARAMETER_SIZE, &seen, req);
    return st;
}

nt_status serve_NtAllocateVirtualMemoryEx(struct call *call)
{
    struct vm_request req = {
        .type = (uint32_t)call->arg[3], .protect = (uint32_t)call->arg[4], .extended = true};
    struct process *target;
    gva_t base = 0;
    uint64_t size = 0;
    nt_status st = service_process(call, call->arg[0], PROCESS_RIGHT_VM_OPERATION, &target);

    if (!st)
        st = service_parameters(call, call->arg[5], (uint32_t)call->arg[6], &req);
    if (!st)
        st = read_pair(call, call->arg[1], &req.base, call->arg[2], &req.size);
    if (!st)
        st = vm_allocate(target->vm, &req, &base, &size);
    if (!st)
        follow_guard(call, target, base, size, req.protect);
    return st ? st : write_pair(call, call->arg[1], base, call->arg[2], size);
}

nt_status serve_NtFreeVirtualMemory(struct call *call)
{
    struct process *target;
    gva_t base = 0;
    uint64_t size = 0;
    nt_status st = service_process(call, call->arg[0], PROCESS_RIGHT_VM_OPERATION, &target);

    if (!st)
        st = read_pair(call, call->arg[1], &base, call->arg[2], &size);
    if (!st && wine_hands_on_release(call, size, (uint32_t)call->arg[3]))
        st = STATUS_INVALID_PARAMETER;
    if (!st)
        st = vm_release(target->vm, &base, &size, (uint32_t)call->arg[3]);
    return st ? st : write_pair(call, call->arg[1], base, call->arg[2], size);
}

nt_status serve_NtProtectVirtualMemory(struct call *call)
{
    struct process *target;
    gva_t base = 0;
    uint64_t size = 0;
    uint32_t old = 0;
    nt_status st = service_process(call, call->arg[0], PROCESS_RIGHT_VM_OPERATION, &target);

    if (!st)
        st = read_pair(call, call->arg[1], &base, call->arg[2], &size);
    if (!st)
        st = vm_protect(target->vm, &base, &size, (uint32_t)call->arg[3], &old);
    if (!st)
        follow_guard(call, target, base, size, (uint32_t)call->arg[3]);
    if (!st)
        st = write_pair(call, call->arg[1], base, call->arg[2], size);
    return st ? st : guest_put_number(call->process, call->arg[4], 4, old);
}

/* ---- Queries ---------------------------------------------------------------------------------- */

static void put_basic(struct nt_block *out, const struct vm_region *r)
{
    (void)nt_block_take(out, nt_size(out->arch, NT_STRUCT_MEMORY));
    nt_put(out, 0, NT_MEMORY_BASE, r->base);
    nt_put(out, 0, NT_MEMORY_ALLOCATION, r->allocation_base);
    nt_put(out, 0, NT_MEMORY_ALLOCATION_PROTECT, r->allocation_protect);
    nt_put(out, 0, NT_MEMORY_SIZE, r->size);
    nt_put(out, 0, NT_MEMORY_STATE, r->state);
    nt_put(out, 0, NT_MEMORY_PROTECT, r->protect);
    nt_put(out, 0, NT_MEMORY_TYPE, r->type);
}

/* Bytes of the allocation that are committed. */
static uint64_t committed_bytes(const struct vm *vm, const struct vm_region *r)
{
    gva_t at = r->allocation_base, end = at + r->allocation_size;
    uint64_t sum = 0;

    while (at < end) {
        struct vm_region part;

        if (vm_query(vm, at, &part))
            break;
        if (part.state == MEM_COMMIT)
            sum += part.size;
        at = part.base + part.size;
    }
    return sum;
}

static nt_status put_region(struct nt_block *out, const struct vm *vm, const struct vm_region *r)
{
    if (r->state == MEM_FREE)
        return STATUS_INVALID_ADDRESS;
    (void)nt_block_take(out, nt_size(out->arch, NT_STRUCT_REGION));
    nt_put(out, 0, NT_REGION_ALLOCATION, r->allocation_base);
    nt_put(out, 0, NT_REGION_ALLOCATION_PROTECT, r->allocation_protect);
    nt_put(out, 0, NT_REGION_SIZE, r->allocation_size);
    nt_put(out, 0, NT_REGION_COMMITTED, committed_bytes(vm, r));
    return STATUS_SUCCESS;
}

/* A UNICODE_STRING with its text behind it; the name is that of the device, not of the drive. */
static nt_status put_mapped_name(struct nt_block *out, gva_t at, const struct vm_region *r)
{
    if (!*r->path || !text_is_dos_path(r->path))
        return STATUS_INVALID_ADDRESS;
    service_put_device_path(out, at, r->path);
    return STATUS_SUCCESS;
}

/* *least: how much of the answer must fit: all, or what the class began with. */
static nt_status query(struct call *call, const struct vm *vm, struct nt_block *out,
                       uint64_t *least)
{
    struct vm_region region;
    nt_status st = vm_query(vm, call->arg[1], &region);

    if (st)
        return st;
    switch (call->arg[2]) {
    case MEMORY_BASIC:
        put_basic(out, &region);
        return STATUS_SUCCESS;
    case MEMORY_MAPPED_NAME:
        return put_mapped_name(out, call->arg[3], &region);
    case MEMORY_REGION:
        *least =
            nt_offset(out->arch, NT_REGION_COMMITTED); /* newer members may be left out (Q08) */
        return put_region(out, vm, &region);
    default:
        return STATUS_INVALID_INFO_CLASS;
    }
}

nt_status serve_NtQueryVirtualMemory(struct call *call)
{
    struct process *p = call->process, *target;
    struct nt_block out;
    uint64_t least = UINT64_MAX;
    nt_status st;

    if (call->kernel->wine && call->arg[2] == WINE_UNIX_FUNCTIONS)
        return wine_unix_handle(call);
    st = service_process(call, call->arg[0], PROCESS_RIGHT_QUERY, &target);
    if (st)
        return st;
    nt_block_init(&out, p->arch, 0, NT_STRING_MAX + 64);
    st = query(call, target->vm, &out, &least);
    if (!st && call->arg[4] < out.bytes.len && call->arg[4] < least)
        st = STATUS_INFO_LENGTH_MISMATCH;
    if (!st && call->arg[4] < out.bytes.len)
        out.bytes.len = (size_t)call->arg[4];
    if (!st)
        st = guest_answer(p, &out, call->arg[3], call->arg[4], 0);
    if (!st && call->arg[5])
        st = guest_put_pointer(p, call->arg[5], out.bytes.len);
    nt_block_fini(&out);
    return st;
}

/* ---- Copying ---------------------------------------------------------------------------------- */

/* One end of a copy: bytes of the caller's, or of the process that it reads or writes. */
struct end {
    struct process *process;
    gva_t at;
};

/* The caller's stack grows, another process's memory is only looked at. */
static nt_status copy_part(const struct call *call, const struct end *from, const struct end *to,
                           uint64_t done, size_t len, nt_status *written)
{
    uint8_t chunk[COPY_CHUNK];
    nt_status st = from->process == call->process
                       ? guest_read(from->process, from->at + done, chunk, len)
                       : vm_read(from->process->vm, from->at + done, chunk, len);

    if (!st)
        *written = to->process == call->process
                       ? guest_write(to->process, to->at + done, chunk, len)
                       : vm_write(to->process->vm, to->at + done, chunk, len);
    return st;
}

static bool in_user_space(const struct end *end, uint64_t size)
{
    return end->at <= end->process->user_limit && size <= end->process->user_limit - end->at;
}

/* Bytes up to the next page of either. */
static size_t to_page_end(const struct end *from, const struct end *to, uint64_t done)
{
    uint64_t a = COPY_CHUNK - (from->at + done) % COPY_CHUNK;
    uint64_t b = COPY_CHUNK - (to->at + done) % COPY_CHUNK;

    return (size_t)(a < b ? a : b);
}

/*
 * Copy size bytes, page by page. Where the other side's memory ends it is a partial copy, where the caller's own does,
 * an access violation (R01..R03).
 */
static nt_status copy(const struct call *call, const struct end *from, const struct end *to,
                      bool reading, uint64_t *done)
{
    uint64_t size = call->arg[3];

    *done = 0;
    if (!in_user_space(from, size) || !in_user_space(to, size))
        return STATUS_ACCESS_VIOLATION;
    while (*done < size) {
        uint64_t left = size - *done, room = to_page_end(from, to, *done);
        size_t part = (size_t)(left < room ? left : room);
        nt_status written = STATUS_SUCCESS;

        if (copy_part(call, from, to, *done, part, &written))
            return reading ? STATUS_PARTIAL_COPY : STATUS_ACCESS_VIOLATION;
        if (written)
            return reading ? STATUS_ACCESS_VIOLATION : STATUS_PARTIAL_COPY;
        *done += part;
    }
    return STATUS_SUCCESS;
}

/* arg: 0 process, 1 address in it, 2 the caller's buffer, 3 size, 4 where the number of bytes goes. */
static nt_status copy_memory(struct call *call, uint32_t access, bool reading)
{
    struct end own = {call->process, call->arg[2]}, other = {NULL, call->arg[1]};
    uint64_t done = 0;
    nt_status st = service_process(call, call->arg[0], access, &other.process);
    nt_status written = STATUS_SUCCESS;

    if (!st)
        st = copy(call, reading ? &other : &own, reading ? &own : &other, reading, &done);
    if (call->arg[4])
        written = guest_put_pointer(call->process, call->arg[4],
                                    st == STATUS_ACCESS_VIOLATION ? 0 : done);
    return st ? st : written;
}

nt_status serve_NtReadVirtualMemory(struct call *call)
{
    return copy_memory(call, PROCESS_RIGHT_VM_READ, true);
}

nt_status serve_NtWriteVirtualMemory(struct call *call)
{
    return copy_memory(call, PROCESS_RIGHT_VM_WRITE, false);
}

/* ---- Locking: nothing is ever paged out ------------------------------------------------------- */

static nt_status lock(struct call *call, bool touch)
{
    struct process *target;
    gva_t base = 0, end;
    uint64_t size = 0;
    nt_status st = service_process(call, call->arg[0], PROCESS_RIGHT_VM_OPERATION, &target);

    if (!st)
        st = read_pair(call, call->arg[1], &base, call->arg[2], &size);
    if (st)
        return st;
    end = base + size;
    if (!size || end < base)
        return STATUS_INVALID_PARAMETER;
    base -= base % VM_PAGE_SIZE;
    end = round_up(end, VM_PAGE_SIZE);
    if (touch)
        st = target == call->process ? guest_probe(target, base, end - base, VM_READ)
                                     : vm_probe(target->vm, base, end - base, VM_READ);
    return st ? st : write_pair(call, call->arg[1], base, call->arg[2], end - base);
}

nt_status serve_NtLockVirtualMemory(struct call *call)
{
    return lock(call, true);
}

nt_status serve_NtUnlockVirtualMemory(struct call *call)
{
    return lock(call, false);
}

nt_status serve_NtFlushInstructionCache(struct call *call)
{
    struct process *target; /* code that was written to is seen at once */

    return service_process(call, call->arg[0], PROCESS_RIGHT_VM_WRITE, &target);
}
