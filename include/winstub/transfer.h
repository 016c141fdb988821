/*
 * Values in and out of guest memory, as a harness or a debugger moves them: ranges of bytes, numbers, pointers and
 * texts. Protection does not count, as for vm_debug_read and vm_debug_write in vm.h, on which all this stands; only
 * committed memory can be reached. Every call is all or nothing: when it fails, no byte of the guest's, of *out or of
 * the caller's buffer has changed. Guests are little-endian.
 *
 * Shared results: ERR_FAULT when a byte is not committed. ERR_NOMEM when the host or the arena has no memory.
 */
#ifndef WINSTUB_TRANSFER_H
#define WINSTUB_TRANSFER_H

#include <stddef.h>
#include <stdint.h>

#include "winstub/buf.h"
#include "winstub/err.h"
#include "winstub/vm.h"

/*
 * Why a transfer failed. Every function takes NULL in its place: then the call is a try, and costs no sentence.
 */
struct vm_denial {
    gva_t address;   /* the first byte that cannot be reached or is not allowed for */
    struct diag why; /* one sentence, with what lies at that address */
};

/* Copy len bytes from the guest, or to it. ERR_FAULT, ERR_NOMEM (write). O(runs in the range + len). */
MUST_USE enum err vm_read_bytes(const struct vm *vm, gva_t addr, void *dst, size_t len,
                                struct vm_denial *denial);
MUST_USE enum err vm_write_bytes(struct vm *vm, gva_t addr, const void *src, size_t len,
                                 struct vm_denial *denial);

/* ---- Numbers --------------------------------------------------------------------------------- */

#define VM_POINTER 0u /* as a size: that of the guest's pointers */

/* 4 when the user limit is within 4 GiB, else 8. A CPU in 32-bit code over a larger vm uses 4 all the same. */
unsigned vm_pointer_size(const struct vm *vm);

/*
 * Read or write a number of 1, 2, 4 or 8 bytes, or of VM_POINTER; addr need not be aligned.
 * ERR_INVALID  another size; ERR_RANGE  value does not fit into size bytes; ERR_FAULT; ERR_NOMEM
 */
MUST_USE enum err vm_read_unsigned(const struct vm *vm, gva_t addr, unsigned size, uint64_t *out,
                                   struct vm_denial *denial);
MUST_USE enum err vm_read_signed(const struct vm *vm, gva_t addr, unsigned size, int64_t *out,
                                 struct vm_denial *denial);
MUST_USE enum err vm_write_unsigned(struct vm *vm, gva_t addr, unsigned size, uint64_t value,
                                    struct vm_denial *denial);
MUST_USE enum err vm_write_signed(struct vm *vm, gva_t addr, unsigned size, int64_t value,
                                  struct vm_denial *denial);

/* ---- Texts ----------------------------------------------------------------------------------- */

/*
 * Append the bytes before the first NUL to out, as they are.
 * limit  bytes that are looked at, the NUL among them
 * ERR_LIMIT  none of them is NUL (denial->address is the first byte behind them), or out is full; ERR_FAULT; ERR_NOMEM
 */
MUST_USE enum err vm_read_string(const struct vm *vm, gva_t addr, size_t limit, struct buf *out,
                                 struct vm_denial *denial);

/* The same for UTF-16, appended as UTF-8; half a surrogate pair becomes U+FFFD. limit counts units of two bytes. */
MUST_USE enum err vm_read_string16(const struct vm *vm, gva_t addr, size_t limit, struct buf *out,
                                   struct vm_denial *denial);

/*
 * Write text and its NUL.
 * room  bytes that may be written, the NUL among them
 * ERR_LIMIT  more are needed (denial->address is the first byte behind them); ERR_FAULT; ERR_NOMEM
 */
MUST_USE enum err vm_write_string(struct vm *vm, gva_t addr, const char *text, size_t room,
                                  struct vm_denial *denial);

/* The same from UTF-8 to UTF-16; what is no UTF-8 becomes U+FFFD. room counts units of two bytes. */
MUST_USE enum err vm_write_string16(struct vm *vm, gva_t addr, const char *text, size_t room,
                                    struct vm_denial *denial);

#endif
