/*
 * Guest memory as the kernel touches it on behalf of a system service: as the guest itself would be allowed to.
 * What a refusal means (a status, a stack that grows) is decided in core/nt.
 */
#include <string.h>

#include "vm/space.h"

/* The part of len bytes at addr that lies in addr's page. */
static size_t within_page(gva_t addr, uint64_t len)
{
    uint64_t room = VM_PAGE_SIZE - addr % VM_PAGE_SIZE;

    return (size_t)(len < room ? len : room);
}

/* The host's bytes of one page, ready for this access; a frame that the CPU may have cached is revoked. */
static enum vm_fault open_page(struct vm *vm, gva_t addr, enum vm_access want, uint8_t **bytes)
{
    gva_t page = page_down(addr);
    bool shared = false;
    pte_t before = page < vm->allocs.limit ? pt_get(&vm->pages, page_number(page), &shared) : 0;
    struct vm_fill fill;
    enum vm_fault fault = vm_fill(vm, page, want, &fill);

    if (fault)
        return fault;
    if (before && (uint64_t)pte_frame(before) * FRAME_SIZE != fill.offset)
        space_revoke(vm, (struct range){page, page + VM_PAGE_SIZE});
    *bytes = vm->frames.arena + fill.offset + addr % VM_PAGE_SIZE;
    return VM_FAULT_NONE;
}

static enum vm_fault refuse(enum vm_fault fault, gva_t addr, gva_t *at)
{
    if (at)
        *at = addr;
    return fault;
}

enum vm_fault vm_copy_in(struct vm *vm, void *dst, gva_t src, size_t len, gva_t *at)
{
    uint8_t *to = dst;

    while (len) {
        size_t part = within_page(src, len);
        uint8_t *from;
        enum vm_fault fault = open_page(vm, src, VM_READ, &from);

        if (fault)
            return refuse(fault, src, at);
        memcpy(to, from, part);
        to += part;
        src += part;
        len -= part;
    }
    return VM_FAULT_NONE;
}

enum vm_fault vm_copy_out(struct vm *vm, gva_t dst, const void *src, size_t len, gva_t *at)
{
    const uint8_t *from = src;

    while (len) {
        size_t part = within_page(dst, len);
        uint8_t *to;
        enum vm_fault fault = open_page(vm, dst, VM_WRITE, &to);

        if (fault)
            return refuse(fault, dst, at);
        memcpy(to, from, part);
        space_frame_changed(vm, (frame_t)((uint64_t)(to - vm->frames.arena) / FRAME_SIZE));
        from += part;
        dst += part;
        len -= part;
    }
    return VM_FAULT_NONE;
}

enum vm_fault vm_probe(struct vm *vm, gva_t addr, uint64_t len, enum vm_access want, gva_t *at)
{
    while (len) {
        size_t part = within_page(addr, len);
        uint8_t *bytes;
        enum vm_fault fault = open_page(vm, addr, want, &bytes);

        if (fault)
            return refuse(fault, addr, at);
        addr += part;
        len -= part;
    }
    return VM_FAULT_NONE;
}
