/* Saying why a transfer failed: the sentences of struct vm_denial. Every function takes a NULL denial. */
#ifndef VM_DENY_H
#define VM_DENY_H

#include "winstub/transfer.h"

/* "cannot read 8 bytes at 0x20ffc: 0x21000 is free, ..."; access is VM_READ or VM_WRITE. Returns ERR_FAULT. */
enum err deny_access(const struct vm *vm, enum vm_access access, gva_t addr, uint64_t len,
                     gva_t missing, struct vm_denial *denial);

/* A failure of another kind at that address. Returns e. */
enum err deny(struct vm_denial *denial, enum err e, gva_t addr, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

#endif
