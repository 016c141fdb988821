/*
 * What PAGE_* values mean: which are valid where, what they let the guest do, how they change. The one
 * place that knows; everything is a table or a mask. NT-MEMORY-RULES A30..A38, P01..P18, M24..M27.
 */
#ifndef VM_PROTECTION_H
#define VM_PROTECTION_H

#include <stdbool.h>
#include <stdint.h>

/* Attributes of an allocation that its pages show and cannot change (P14, P15). */
#define PROTECT_CACHING (PAGE_NOCACHE | PAGE_WRITECOMBINE)

/* Strip PAGE_TARGETS_INVALID, which is a request and not part of the value (A37, P18). */
uint32_t protection_value(uint32_t protect);

/*
 * One base protection and modifiers that fit it. for_new: PAGE_TARGETS_INVALID needs execution (A38), while
 * a protect accepts it as PAGE_TARGETS_NO_UPDATE everywhere.
 */
bool protection_valid(uint32_t protect, bool for_new);

/* PAGE_WRITECOPY or PAGE_EXECUTE_WRITECOPY: for views only (A32, P03). */
bool protection_is_copy(uint32_t protect);

/* May a view that was mapped as `allowed`, or of a section made so, show `wanted` (M22, M23)? */
bool protection_fits(uint32_t wanted, uint32_t allowed);

/* vm_access bits that a committed page with this value allows; none while it is a guard page. */
unsigned protection_access(uint32_t protect, bool dep);

/* The value that a page shows after `wanted` was set in an allocation made with `initial`. */
uint32_t protection_for_page(uint32_t wanted, uint32_t initial);

/* WRITECOPY values to what the first write makes of them; others unchanged (M24). */
uint32_t protection_after_write(uint32_t protect);
/* Writable values to their WRITECOPY forms; others unchanged (M27). */
uint32_t protection_before_write(uint32_t protect);

#endif
