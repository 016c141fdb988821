/*
 * Questions about ranges of an address space, and memory by name. For harnesses and debuggers; Windows'
 * own operations are in vm.h. Addresses and sizes are in bytes, ends are exclusive. A range that runs past the
 * user limit, or past 2^64, ends in addresses that nothing can occupy; a range of 0 bytes holds nothing.
 */
#ifndef WINSTUB_EXTENT_H
#define WINSTUB_EXTENT_H

#include <stdbool.h>
#include <stdint.h>

#include "winstub/err.h"
#include "winstub/gva.h"
#include "winstub/nt.h"
#include "winstub/vm.h"

struct vm_extent {
    gva_t base;
    uint64_t size;
};

/* Where the guest's addresses end, exclusive (vm_config.user_limit). */
gva_t vm_user_limit(const struct vm *vm);

/*
 * Where bottom-up searches for free space begin that name no lowest address; when nothing fits above it they begin at
 * VM_LOWEST, which it is at first. False: base is no multiple of 64 KiB from VM_LOWEST up to the user limit.
 */
gva_t vm_default_base(const struct vm *vm);
bool vm_set_default_base(struct vm *vm, gva_t base);

/*
 * May all of [addr, addr + size) be allocated: is no byte of it reserved, committed or beyond the user limit?
 * taken  may be NULL; on false, the first byte that is. O(log allocations).
 */
bool vm_is_free(const struct vm *vm, gva_t addr, uint64_t size, gva_t *taken);

/*
 * Is any byte of [addr, addr + size) reserved or committed?
 * taken  may be NULL; on true, the first byte that is. O(log allocations).
 */
bool vm_overlaps(const struct vm *vm, gva_t addr, uint64_t size, gva_t *taken);

/*
 * Is every byte of [addr, addr + size) committed, be it by one allocation or by several that touch?
 * missing  may be NULL; on false, the first byte that is not. O(runs in the range, log allocations each).
 */
bool vm_is_mapped(const struct vm *vm, gva_t addr, uint64_t size, gva_t *missing);

enum vm_kind {
    VM_KIND_FREE, /* also beyond the user limit */
    VM_KIND_PRIVATE,
    VM_KIND_PAGEFILE_VIEW, /* a view of a section that no file backs */
    VM_KIND_FILE_VIEW,
    VM_KIND_IMAGE,
    VM_KIND_DEVICE, /* vm_map_device */
    VM_KIND_LENT,   /* vm_map_host */
};

/* What occupies addr, reserved or committed. O(log allocations). */
enum vm_kind vm_kind_at(const struct vm *vm, gva_t addr);

/* "free", "private", "pagefile view", "file view", "image", "device", "lent". Static; "unknown" for a number outside the list. */
const char *vm_kind_text(enum vm_kind kind);

/*
 * Reserve and commit size bytes at the lowest free place under a label (NULL: none); *base receives it. Thin over
 * vm_allocate, whose statuses these are and whose request also takes bounds, an alignment and MEM_TOP_DOWN.
 */
MUST_USE nt_status vm_commit_anywhere(struct vm *vm, uint64_t size, uint32_t protect,
                                      const char *label, gva_t *base);

/*
 * Take away what is mapped in [addr, addr + size), whole pages: of private memory exactly that, of views, devices and lent
 * memory all that reaches into it. What was free stays so. STATUS_NO_MEMORY: some of it, from below, may be gone.
 */
MUST_USE nt_status vm_unmap_range(struct vm *vm, gva_t addr, uint64_t size);

/* value rounded to a multiple of alignment, a power of two; up wraps to 0 past the last multiple. */
static inline uint64_t vm_align_down(uint64_t value, uint64_t alignment)
{
    return value & ~(alignment - 1);
}

static inline uint64_t vm_align_up(uint64_t value, uint64_t alignment)
{
    return vm_align_down(value + (alignment - 1), alignment);
}

/*
 * The first allocation at or above `from` with this label, or the first run of pages with a label of its own
 * ("hello.exe .text"); *out is what the label covers. Continue from out->base + out->size.
 * False: there is none. O(allocations + runs).
 */
bool vm_find_label(const struct vm *vm, const char *label, gva_t from, struct vm_extent *out);

/*
 * The first image or file view at or above `from` that was mapped from a file of this name ("kernel32.dll", no
 * folder, ASCII case ignored); its label counts when it has no path. False: there is none. O(allocations).
 */
bool vm_find_module(const struct vm *vm, const char *file_name, gva_t from, struct vm_extent *out);

#endif
