/*
 * Where pages get their frames: on demand, zeroed, and copied when a write meets sharing. What fills of the
 * CPU and copies of the host have in common.
 */
#ifndef VM_PAGES_H
#define VM_PAGES_H

#include <stdbool.h>
#include <stddef.h>

#include "vm/space.h"

/* A committed page: whose it is. */
struct place {
    gva_t page;
    struct allocation *a;
    struct run *run;
};

/* The committed page that holds addr; else false and why. */
bool pages_find(const struct vm *vm, gva_t addr, struct place *out, enum vm_fault *why);

/* Give a page its first frame. False, nothing changed: out of frames or nodes. */
MUST_USE bool pages_touch(struct vm *vm, const struct place *at, pte_t *out);

/* Give a page whose frame is shared a copy of its own. False, nothing changed: out of frames or nodes. */
MUST_USE bool pages_unshare(struct vm *vm, gva_t page, pte_t *e);

/*
 * The page of a view is private from now on: WRITECOPY becomes what a write makes of it (M24). Two run
 * objects are spare, and the entry, if there is one, is this table's own.
 */
void pages_mark_written(struct vm *vm, struct allocation *a, gva_t page);

/* The part of [addr, addr + len) that lies in addr's page. */
size_t pages_within(gva_t addr, size_t len);

/* The host's view of the byte at addr, whose page has this entry. */
uint8_t *pages_bytes(const struct vm *vm, pte_t e, gva_t addr);

#endif
