/*
 * Memory that is not the vm's own: devices, whose bytes are made by callbacks (memory-mapped I/O), and memory of the
 * caller's, which the guest and the caller then share. Both are allocations like others (MEM_MAPPED, committed) that
 * vm_query, vm_protect and the maps know, and that vm_unmap_view takes away. They count as committed, are never
 * copied on a write, and record no write watch.
 *
 * What a device is asked (measured and tested with core/cpu; Unicorn's own I/O regions would split what is wider than
 * 4 bytes and read around what is unaligned, so they are not used):
 *   - every memory operand of an instruction is one call with its full width: 1, 2, 4 or 8 bytes for integers, 16 for
 *     SSE and cmpxchg16b, 10 for x87, up to 576 for fxsave and xsave; first all reads, then all writes, each in the
 *     order in which a processor performs them;
 *   - add, xchg, cmpxchg, bts and their kin are a read and then a write of the same bytes; cmpxchg always writes;
 *   - a rep string instruction is one call for each iteration (movs between devices: a read, then a write);
 *   - push and call write, pop and ret read; pusha is eight writes;
 *   - an operand that crosses the end of a device is split there: the device gets its part in one call, memory or
 *     another device the rest. Page boundaries inside a device split nothing. Before any callback is called, every
 *     other page that the instruction touches was found to allow its access;
 *   - maskmovq, maskmovdqu and fxsave, which leave bytes alone, write the bytes in between as they were read;
 *   - a callback that answers false makes the access a fault of the guest's (STATUS_ACCESS_VIOLATION with the
 *     operand's address and kind; VM_FAULT_DEVICE in a cpu_event): registers and memory are as before the
 *     instruction. What earlier calls for the same instruction did to a device is done;
 *   - code cannot run in a device: VM_FAULT_NOEXEC.
 * Callbacks run between instructions, on the thread that runs the CPU, with the CPU at the instruction. They may use
 * the vm and the CPU in every way but running it; what they set in registers is lost.
 * A debugger's reads (vm_debug_read, searches, strings) never ask a device: they end there, or pass over it. A system
 * service's pointer into a device is STATUS_ACCESS_VIOLATION.
 */
#ifndef WINSTUB_FOREIGN_H
#define WINSTUB_FOREIGN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "winstub/vm.h"

struct vm_device {
    void *ctx;
    /*
     * Give or take len bytes (little-endian numbers) at offset, in bytes from the device's start; all lie inside the
     * device. False: the access faults, and bytes do not matter. NULL: every such access does.
     */
    bool (*read)(void *ctx, uint64_t offset, void *bytes, size_t len);
    bool (*write)(void *ctx, uint64_t offset, const void *bytes, size_t len);
    /* The device is unmapped and no saved moment holds it any more. May be NULL. */
    void (*gone)(void *ctx);
};

/*
 * Map a device.
 * base   multiple of 64 KiB, 0: the lowest free place; *out (may be NULL) receives it
 * size   whole pages
 * label  copied; NULL: none
 * Its pages are PAGE_READWRITE, PAGE_READONLY when write is NULL, with PAGE_NOCACHE; vm_protect may change that.
 * STATUS_MAPPED_ALIGNMENT        base
 * STATUS_INVALID_PARAMETER       size, a range beyond the user limit, or no callback at all
 * STATUS_CONFLICTING_ADDRESSES   something lives there
 * STATUS_COMMITMENT_LIMIT, STATUS_NO_MEMORY
 * An access costs some microseconds; pages without a device pay nothing.
 */
MUST_USE nt_status vm_map_device(struct vm *vm, gva_t base, uint64_t size,
                                 const struct vm_device *device, const char *label, gva_t *out);

/*
 * Let the guest see memory of the caller's, and the caller what the guest writes there, at once and at the speed of
 * any other memory.
 * memory   page-aligned, size bytes; stays the caller's, and must stay until vm_lent_is_gone: an unmapped range may
 *          still be held by a saved moment
 * protect  PAGE_*, not a WRITECOPY one
 * The rest and the statuses as for vm_map_device; STATUS_INVALID_PAGE_PROTECTION; STATUS_INVALID_PARAMETER also for
 * memory that is not aligned; STATUS_NO_MEMORY when more than 64 GiB are lent at once. O(allocations of this kind).
 * Memory may be shown several times, wholly or a part; to overlap what is lent without lying inside it is
 * STATUS_CONFLICTING_ADDRESSES.
 * Saved moments keep the mapping and never the bytes: what is in the memory is its owner's business.
 */
MUST_USE nt_status vm_map_host(struct vm *vm, gva_t base, uint64_t size, void *memory,
                               uint32_t protect, const char *label, gva_t *out);

/* Is there any device? O(1). */
bool vm_has_devices(const struct vm *vm);

/* Is no part of [memory, memory + size) lent to vm or one beside it, or held by a saved moment? Then it may be freed. */
bool vm_lent_is_gone(const struct vm *vm, const void *memory, uint64_t size);

/*
 * The caller has written to lent memory where guest code may have run: tell the CPU. Data needs no telling.
 * O(pages in the range).
 */
void vm_lent_changed(struct vm *vm, gva_t addr, uint64_t size);

/*
 * Ask a device, as an instruction of the guest's would; protection does not count. Returns how many bytes it
 * gave or took, short at the device's end; 0 when it refused or there is no device at addr.
 */
size_t vm_device_read(const struct vm *vm, gva_t addr, void *dst, size_t len);
size_t vm_device_write(const struct vm *vm, gva_t addr, const void *src, size_t len);

/* ---- For the CPU ----------------------------------------------------------------------------- */

/* Offsets of vm_fill at or above the arena's size, and below it plus this, are of lent memory. */
#define VM_LENT_SPACE (UINT64_C(64) << 30)

struct vm_lent {
    uint64_t offset; /* as vm_fill counts */
    uint64_t size;
    uint8_t *bytes;
};

/* The lent memory that this offset lies in; false: none does. */
bool vm_lent_at(const struct vm *vm, uint64_t offset, struct vm_lent *out);

#endif
