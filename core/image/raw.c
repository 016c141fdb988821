/*
 * Plain machine code, as shellcode is handed around: bytes without headers, to be placed where the user
 * says. Which CPU they are for and where they are entered is decided by whoever starts the process.
 */
#include "image/refuse.h"
#include "winstub/image.h"
#include "winstub/log.h"

enum err raw_map(struct vm *vm, struct bytes code, gva_t base, struct diag *why)
{
    struct vm_request req = {.base = base,
                             .size = code.len,
                             .type = MEM_RESERVE | MEM_COMMIT,
                             .protect = PAGE_EXECUTE_READWRITE,
                             .label = "code"};
    uint64_t size = 0;
    gva_t start = 0;
    nt_status st;

    if (!code.len)
        return diag_set(why, ERR_FORMAT, "the file is empty: there is no code to run");
    if (code.len > RAW_CODE_MAX)
        return diag_set(why, ERR_LIMIT, "the code has 0x%zx bytes; the limit is 0x%x", code.len,
                        RAW_CODE_MAX);
    if (base < VM_LOWEST)
        return diag_set(why, ERR_RANGE, "code cannot be at 0x%" PRIx64 "; addresses begin at 0x%x",
                        base, VM_LOWEST);
    st = vm_allocate(vm, &req, &start, &size);
    if (st != STATUS_SUCCESS)
        return map_result(st, "code", base, code.len, why);
    if (vm_debug_write(vm, base, code.data, code.len))
        return ERR_OK;
    size = 0;
    st = vm_release(vm, &start, &size, MEM_RELEASE);
    if (st != STATUS_SUCCESS)
        LOG(pe, "code at 0x%" PRIx64 " stays half written: %s", base, nt_text(st));
    return map_result(STATUS_NO_MEMORY, "code", base, code.len, why);
}
