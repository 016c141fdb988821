/*
 * Guest memory as a system service touches it: pointers that the caller gave, checked, with the caller's rights; a
 * stack grows under it as under the guest itself. Structures are read and written field by field in the process's
 * width (layout.h). Every function answers STATUS_ACCESS_VIOLATION or STATUS_GUARD_PAGE_VIOLATION for a bad pointer.
 */
#ifndef CORE_NT_GUEST_H
#define CORE_NT_GUEST_H

#include <stddef.h>
#include <stdint.h>

#include "nt/layout.h"
#include "winstub/buf.h"
#include "winstub/nt.h"
#include "winstub/process.h"

MUST_USE nt_status guest_read(struct process *p, gva_t from, void *to, size_t len);
MUST_USE nt_status guest_write(struct process *p, gva_t to, const void *from, size_t len);
/* Could the caller do that to all of [addr, addr + len)? */
MUST_USE nt_status guest_probe(struct process *p, gva_t addr, uint64_t len, enum vm_access want);

/* One number of the structure at `at`. */
MUST_USE nt_status guest_get(struct process *p, gva_t at, enum nt_field field, uint64_t *value);
MUST_USE nt_status guest_put(struct process *p, gva_t at, enum nt_field field, uint64_t value);

/* One number of `size` bytes (1, 2, 4, 8); one pointer-sized number. */
MUST_USE nt_status guest_get_number(struct process *p, gva_t at, uint32_t size, uint64_t *value);
MUST_USE nt_status guest_put_number(struct process *p, gva_t at, uint32_t size, uint64_t value);
MUST_USE nt_status guest_get_pointer(struct process *p, gva_t at, uint64_t *value);
MUST_USE nt_status guest_put_pointer(struct process *p, gva_t at, uint64_t value);

/* rip, cs, eflags as they shall be shown, rsp and ss as an interrupt pushes them on x64: debuggers unwind by it. */
MUST_USE nt_status guest_put_machine_frame(struct process *p, gva_t at, uint64_t eflags);

/* An IO_STATUS_BLOCK. */
MUST_USE nt_status guest_put_iosb(struct process *p, gva_t at, nt_status status,
                                  uint64_t information);

/* Append size bytes from `at`. STATUS_ACCESS_VIOLATION, STATUS_NO_MEMORY: out has grown all the same. */
MUST_USE nt_status guest_append(struct process *p, gva_t at, size_t size, struct buf *out);

/*
 * The structure of `structure`'s size at offset 0 of the block, and what was put behind it, to guest address `at` as a
 * query's answer of at most `room` bytes; its length to *needed (a guest address, 0: nowhere).
 * STATUS_INFO_LENGTH_MISMATCH when it does not fit; STATUS_NO_MEMORY when the block failed
 */
MUST_USE nt_status guest_answer(struct process *p, const struct nt_block *block, gva_t at,
                                uint64_t room, gva_t needed);

#endif
