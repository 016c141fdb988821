/* Ranges and numbers in and out of guest memory; see transfer.h. */
#include "winstub/transfer.h"

#include <stdarg.h>
#include <stdio.h>

#include "vm/deny.h"
#include "winstub/bytes.h"
#include "winstub/extent.h"

/* ---- Denials --------------------------------------------------------------------------------- */

enum err deny_access(const struct vm *vm, enum vm_access access, gva_t addr, uint64_t len,
                     gva_t missing, struct vm_denial *denial)
{
    struct buf what;

    if (!denial)
        return ERR_FAULT;
    denial->address = missing;
    buf_init(&what, sizeof denial->why.text);
    vm_explain(vm, missing, access, &what);
    (void)diag_set(&denial->why, ERR_FAULT,
                   "cannot %s %" PRIu64 " bytes at 0x%" PRIx64 ": 0x%" PRIx64 " is %s",
                   access == VM_READ ? "read" : "write", len, addr, missing, buf_str(&what));
    buf_fini(&what);
    return ERR_FAULT;
}

enum err deny(struct vm_denial *denial, enum err e, gva_t addr, const char *fmt, ...)
{
    va_list args;

    if (!denial)
        return e;
    denial->address = addr;
    va_start(args, fmt);
    (void)vsnprintf(denial->why.text, sizeof denial->why.text, fmt, args);
    va_end(args);
    return e;
}

/* ---- Ranges ---------------------------------------------------------------------------------- */

/* Is every byte committed and no device's? *missing is the first that is not. */
static bool is_reachable(const struct vm *vm, gva_t addr, size_t len, gva_t *missing)
{
    gva_t at = addr;

    if (!vm_is_mapped(vm, addr, len, missing))
        return false;
    while (at - addr < len) {
        struct vm_region r;

        *missing = at;
        if (vm_query(vm, at, &r) != STATUS_SUCCESS || r.device)
            return false;
        at = r.base + r.size;
    }
    return true;
}

enum err vm_read_bytes(const struct vm *vm, gva_t addr, void *dst, size_t len,
                       struct vm_denial *denial)
{
    gva_t missing;
    size_t got;

    if (!is_reachable(vm, addr, len, &missing))
        return deny_access(vm, VM_READ, addr, len, missing, denial);
    got = vm_debug_read(vm, addr, dst, len);
    return got == len ? ERR_OK : deny_access(vm, VM_READ, addr, len, addr + got, denial);
}

enum err vm_write_bytes(struct vm *vm, gva_t addr, const void *src, size_t len,
                        struct vm_denial *denial)
{
    gva_t missing;

    if (!is_reachable(vm, addr, len, &missing))
        return deny_access(vm, VM_WRITE, addr, len, missing, denial);
    if (!vm_debug_write(vm, addr, src, len))
        return deny(denial, ERR_NOMEM, addr,
                    "cannot write %zu bytes at 0x%" PRIx64
                    ": no memory for them; give the vm a larger arena, or the host more memory",
                    len, addr);
    return ERR_OK;
}

/* ---- Numbers --------------------------------------------------------------------------------- */

unsigned vm_pointer_size(const struct vm *vm)
{
    return vm_user_limit(vm) > UINT32_MAX ? 8 : 4;
}

/* Turn VM_POINTER into the size it stands for. ERR_INVALID. */
static enum err check_size(const struct vm *vm, gva_t addr, unsigned *size,
                           struct vm_denial *denial)
{
    if (*size == VM_POINTER)
        *size = vm_pointer_size(vm);
    if (*size == 1 || *size == 2 || *size == 4 || *size == 8)
        return ERR_OK;
    return deny(denial, ERR_INVALID, addr, "a number of %u bytes: only 1, 2, 4 and 8 are possible",
                *size);
}

enum err vm_read_unsigned(const struct vm *vm, gva_t addr, unsigned size, uint64_t *out,
                          struct vm_denial *denial)
{
    enum err e = check_size(vm, addr, &size, denial);
    uint8_t raw[8] = {0};

    if (!e)
        e = vm_read_bytes(vm, addr, raw, size, denial);
    if (!e)
        *out = get_u64(raw);
    return e;
}

enum err vm_read_signed(const struct vm *vm, gva_t addr, unsigned size, int64_t *out,
                        struct vm_denial *denial)
{
    enum err e = check_size(vm, addr, &size, denial);
    uint64_t value, sign;

    if (!e)
        e = vm_read_unsigned(vm, addr, size, &value, denial);
    if (e)
        return e;
    sign = UINT64_C(1) << (8 * size - 1);
    *out = (int64_t)((value ^ sign) - sign);
    return ERR_OK;
}

static enum err write_number(struct vm *vm, gva_t addr, unsigned size, uint64_t value,
                             struct vm_denial *denial)
{
    uint8_t raw[8];

    put_u64(raw, value);
    return vm_write_bytes(vm, addr, raw, size, denial);
}

enum err vm_write_unsigned(struct vm *vm, gva_t addr, unsigned size, uint64_t value,
                           struct vm_denial *denial)
{
    enum err e = check_size(vm, addr, &size, denial);

    if (e)
        return e;
    if (size < 8 && value >> (8 * size))
        return deny(denial, ERR_RANGE, addr, "0x%" PRIx64 " does not fit into %u bytes", value,
                    size);
    return write_number(vm, addr, size, value, denial);
}

enum err vm_write_signed(struct vm *vm, gva_t addr, unsigned size, int64_t value,
                         struct vm_denial *denial)
{
    enum err e = check_size(vm, addr, &size, denial);
    int64_t most;

    if (e)
        return e;
    most = (int64_t)(UINT64_MAX >> (65 - 8 * size));
    if (value > most || value < -most - 1)
        return deny(denial, ERR_RANGE, addr, "%" PRId64 " does not fit into %u bytes", value, size);
    return write_number(vm, addr, size, (uint64_t)value, denial);
}
