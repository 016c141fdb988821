/*
 * A heap of a harness's own in guest memory: where to put strings, structures and code for the guest to use. It is no heap
 * of Windows', and what it knows lies outside of the guest, which can neither see nor spoil it.
 */
#ifndef WINSTUB_HEAP_H
#define WINSTUB_HEAP_H

#include <stdbool.h>
#include <stdint.h>

#include "winstub/err.h"
#include "winstub/vm.h"

#define VM_HEAP_ALIGNMENT 16u

struct vm_heap;

/*
 * Reserve room for a heap, labelled "heap"; pages are committed when they are first used.
 * room     bytes, the most that the heap will hold
 * protect  PAGE_*, of its pages
 * ERR_NOMEM  no address space, or no host memory; ERR_INVALID  room is 0, or protect cannot be
 */
MUST_USE enum err vm_heap_new(struct vm *vm, uint64_t room, uint32_t protect, struct vm_heap **out);
/* Forget the heap, before its vm; what it allocated stays in the guest. Takes NULL. */
void vm_heap_free(struct vm_heap *heap);

/*
 * size bytes at a multiple of VM_HEAP_ALIGNMENT: the smallest freed piece that is large enough, or new ones. 0 when the
 * heap is full, memory is short, or size is 0. Contents are zero at first use, else what they were. O(pieces).
 */
gva_t vm_heap_take(struct vm_heap *heap, uint64_t size);
/* Give a piece back. False: no piece starts at addr. O(pieces). */
bool vm_heap_give(struct vm_heap *heap, gva_t addr);
/* Bytes of the piece that starts at addr, rounded up to the alignment; 0: none does. O(log pieces). */
uint64_t vm_heap_size(const struct vm_heap *heap, gva_t addr);
/* Give everything back, and its pages to the vm. */
void vm_heap_clear(struct vm_heap *heap);

/*
 * Moments of the vm (vm_save) hold the heap's pages, not what the heap knows of them: copy that beside them, and put it back
 * beside vm_restore. NULL, false: memory is short, nothing changed. A copy is freed like a heap.
 */
struct vm_heap *vm_heap_copy(const struct vm_heap *heap);
MUST_USE bool vm_heap_restore(struct vm_heap *heap, const struct vm_heap *copy);

#endif
