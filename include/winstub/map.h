/*
 * The map of an address space: as rows, as text for people, as JSON for programs. A row is a piece of one
 * allocation whose pages are alike and carry one label.
 */
#ifndef WINSTUB_MAP_H
#define WINSTUB_MAP_H

#include <stdbool.h>

#include "winstub/buf.h"
#include "winstub/vm.h"

/*
 * The row that holds `from`, which starts there, or else the first one above it: out->base and out->size are the
 * row's; the other members are those of vm_query. False: nothing is allocated at or above `from`. O(runs in the row).
 */
bool vm_map_next(const struct vm *vm, gva_t from, struct vm_region *out);

#define VM_PERM_SIZE 12 /* bytes that vm_perm_text writes at most, the NUL included */

/*
 * "rw-": what the pages allow; followed by c where a write makes a private copy (PAGE_WRITECOPY) and g for a guard
 * page; "reserved" where nothing is committed, "free" where nothing is.
 */
void vm_perm_text(const struct vm_region *region, char out[VM_PERM_SIZE]);

/*
 * Append one line for each row, below a line of titles: Start, End (exclusive), Perm, Label, Image (the guest path of
 * the file). Addresses are hexadecimal; memory without a label shows its kind: "[private]". Labels come from files
 * that nobody checked: control characters and what is no UTF-8 are replaced. False as buf_append. O(runs).
 */
bool vm_map_text(const struct vm *vm, struct buf *out);

/*
 * Append the rows as a JSON array (RFC 8259) of objects, one a line: start, end, size, allocation_base (numbers), kind
 * and state ("commit", "reserve"), perm as in vm_map_text, protect and allocation_protect (PAGE_* as numbers), label,
 * path. False as buf_append. O(runs).
 */
bool vm_map_json(const struct vm *vm, struct buf *out);

#endif
