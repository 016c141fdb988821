/*
 * Where pages get their frames: on demand, zeroed, and copied when a write meets sharing. What fills of the
 * CPU and copies of the host have in common.
 */
#ifndef VM_PAGES_H
#define VM_PAGES_H

#include <stdbool.h>
#include <stddef.h>

#include "vm/section.h"

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

/* Does a write to this page of a view make it private? */
bool pages_part_on_write(const struct place *at);

/*
 * Make a page of a view, whose bytes are those of a section's frame (FRAME_NONE: zeros), private: it has an entry of its
 * own and shows what a write makes of its protection (M24). at->run ends. False, nothing changed: out of memory.
 */
MUST_USE bool pages_part(struct vm *vm, const struct place *at, frame_t from, pte_t *out);

/*
 * The bytes that a committed page of a shows, in the host; NULL: zeros. Pages of files are read at the first time.
 * False: that cannot be done, or the page is a device's.
 */
MUST_USE bool pages_shown(const struct vm *vm, const struct allocation *a, gva_t page,
                          const uint8_t **bytes);

/* The part of [addr, addr + len) that lies in addr's page. */
size_t pages_within(gva_t addr, size_t len);

#endif
