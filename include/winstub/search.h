/*
 * Search of guest memory for bytes, with wildcards and masks. Protection does not count; what is free, reserved
 * or has no bytes of its own is skipped. A hit may lie across allocations that touch, and hits may overlap.
 */
#ifndef WINSTUB_SEARCH_H
#define WINSTUB_SEARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "winstub/err.h"
#include "winstub/gva.h"
#include "winstub/vm.h"

#define VM_PATTERN_MAX 65536u /* bytes of a pattern */

struct vm_pattern; /* what to look for; never changes, so several searches may share one */

/*
 * Look for len bytes. Only the bits set in mask count; mask NULL: all of them. Both are copied.
 * ERR_INVALID  len is 0, or no bit counts; ERR_LIMIT  len is above VM_PATTERN_MAX; ERR_NOMEM
 */
MUST_USE enum err vm_pattern_new(const uint8_t *value, const uint8_t *mask, size_t len,
                                 struct vm_pattern **out, struct diag *why);

/*
 * The same from text: bytes of two hexadecimal digits, where ? stands for any digit, with or without blanks between
 * them; a ? between blanks is a whole byte. "48 8b ?? c3", "488b??c3", "e8 ? ? ? ? 4? c3".
 * ERR_FORMAT  something else; why names it and its place; ERR_INVALID, ERR_LIMIT and ERR_NOMEM as above
 */
MUST_USE enum err vm_pattern_parse(const char *text, struct vm_pattern **out, struct diag *why);

void vm_pattern_free(struct vm_pattern *pattern);         /* takes NULL */
size_t vm_pattern_size(const struct vm_pattern *pattern); /* bytes */

/* Called with the address of each hit, ascending; must not change the vm. False ends the search. */
typedef bool vm_hit_fn(void *ctx, gva_t addr);

/*
 * Report the hits that lie wholly in [start, end); end 0 means the user limit, so that 0, 0 is everything.
 * ERR_OK       also when there is no hit, or hit ended the search
 * ERR_INVALID  start is not below end
 * ERR_NOMEM
 *
 * Literal bytes are found at the speed of memmem; so are others by their longest stretch without a wildcard. Memory
 * that was committed and never touched costs O(log pages) and stays untouched.
 */
MUST_USE enum err vm_search(const struct vm *vm, const struct vm_pattern *pattern, gva_t start,
                            gva_t end, vm_hit_fn *hit, void *ctx, struct diag *why);

/*
 * Store the first hits, at most cap of them, in hits; *count is how many, at most cap. Ask for one more than you
 * want to learn whether there are more. Results as vm_search's.
 */
MUST_USE enum err vm_search_list(const struct vm *vm, const struct vm_pattern *pattern, gva_t start,
                                 gva_t end, gva_t *hits, size_t cap, size_t *count,
                                 struct diag *why);

#endif
