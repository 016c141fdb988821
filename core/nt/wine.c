/*
 * What only Wine's DLLs want: their ntdll calls a Unix side through a pointer. We aim it at a stub that makes a system
 * call of ours; of the calls, the precise time and debug lines are answered. And what they leave to their kernel that
 * Windows' DLLs decide themselves. Follows NT-PROCESS section 1.
 */
#include <string.h>
#include <strings.h>

#include "nt/kernel.h"
#include "nt/parts.h"
#include "nt/services.h"
#include "nt/shared.h"
#include "winstub/log.h"

#define UNWIND_CODE                                                                                \
    1 /* of ntdll's Unix calls, in every version: unwind a frame of a Unix library */
#define CODE_LOOK      64u /* bytes of a function in which its call's code is loaded */
#define NO_CODE        UINT32_MAX
#define LINE_MAX_BYTES 1000u

struct wine_exports {
    uint32_t dispatcher, time, write; /* RVAs; 0: none */
};

static bool on_export(void *ctx, const struct pe_export *export)
{
    struct wine_exports *found = ctx;

    if (!export->name)
        return true;
    if (strcmp(export->name, "__wine_unix_call_dispatcher") == 0)
        found->dispatcher = export->rva;
    else if (strcmp(export->name, "RtlGetSystemTimePrecise") == 0)
        found->time = export->rva;
    else if (strcmp(export->name, "__wine_dbg_write") == 0)
        found->write = export->rva;
    return true;
}

/* The number that the function at rva first puts where its call's code goes: edx, in 32-bit code [esp + 8]. */
static uint32_t find_code(enum cpu_arch arch, struct bytes mapped, uint32_t rva)
{
    static const uint8_t stores[] = {0xc7, 0x44, 0x24, 0x08}, loads[] = {0xba};
    const uint8_t *opcode = arch == CPU_AMD64 ? loads : stores;
    size_t len = arch == CPU_AMD64 ? sizeof loads : sizeof stores;
    struct bytes code = bytes_slice(mapped, rva, CODE_LOOK);

    for (size_t i = 0; rva && i + len + 4 <= code.len; i++) {
        uint32_t value = get_u32(code.data + i + len);

        if (memcmp(code.data + i, opcode, len) == 0 && value < 0x100)
            return value;
    }
    return NO_CODE;
}

enum err wine_prepare(struct process *p, const struct pe_image *ntdll, struct bytes mapped,
                      struct diag *why)
{
    struct kernel *k = p->kernel;
    struct wine_exports found = {0};
    uint8_t raw[8];
    gva_t stub = 0;
    enum err e = pe_exports(ntdll, mapped, on_export, &found, why);

    if (e || !found.dispatcher)
        return e;
    k->wine = true;
    k->wine_time = find_code(p->arch, mapped, found.time);
    k->wine_write = find_code(p->arch, mapped, found.write);
    e = gate_unix_call(p, &stub, why);
    put_u64(raw, stub);
    if (!e && !vm_debug_write(p->vm, k->ntdll + found.dispatcher, raw, nt_pointer(p->arch)))
        e = diag_set(why, ERR_FORMAT, "ntdll.dll: its Unix call dispatcher is no pointer in it");
    return e;
}

/* ---- What Wine's DLLs leave to their kernel ---------------------------------------------------- */

/*
 * VirtualFree wants no size with MEM_RELEASE. Windows' kernelbase refuses one itself, and so does Wine's from some
 * version after 8 on; before, it relied on a kernel that never releases parts, as NT does (F13 to F15) and we do. Such
 * a call is known by who made it: kernelbase hands on no other size with a plain MEM_RELEASE.
 */
bool wine_hands_on_release(const struct call *call, uint64_t size, uint32_t type)
{
    const struct module *caller;

    if (!call->kernel->wine || type != MEM_RELEASE || !size)
        return false;
    caller = modules_at(call->process, gate_caller(call->process));
    return caller && strcasecmp(caller->name, "kernelbase.dll") == 0;
}

/* ---- The calls -------------------------------------------------------------------------------- */

/* Log one of Wine's own lines. */
static nt_status write_line(struct process *p, gva_t text, uint64_t size)
{
    char line[LINE_MAX_BYTES + 1];
    size_t len = size < LINE_MAX_BYTES ? (size_t)size : LINE_MAX_BYTES;
    nt_status st = guest_read(p, text, line, len);

    if (st)
        return st;
    while (len && (line[len - 1] == '\n' || line[len - 1] == '\r'))
        len--;
    line[len] = 0;
    LOG(nt, "wine: %s", line);
    return (nt_status)size;
}

nt_status serve___wine_dbg_write(struct call *call)
{
    return write_line(call->process, call->arg[0], call->arg[1]);
}

/*
 * There are no Unix parts. ntdll can do without, and gets along with 0 for its handle; DLLs such as ws2_32 refuse to
 * load without one: theirs is good for nothing, so that their functions fail and not the program.
 */
nt_status wine_unix_handle(struct call *call)
{
    if (call->arg[1] == call->kernel->ntdll)
        return STATUS_DLL_NOT_FOUND;
    if (call->arg[4] < 8)
        return STATUS_INFO_LENGTH_MISMATCH;
    return guest_put_number(call->process, call->arg[3], 8, call->arg[1]);
}

nt_status serve___wine_unix_call(struct call *call)
{
    const struct kernel *k = call->kernel;
    uint64_t text = 0, size = 0;
    nt_status st;

    if (call->arg[0]) /* another DLL's: see above */
        return STATUS_NOT_IMPLEMENTED;
    if (call->arg[1] == k->wine_time)
        return guest_put_number(call->process, call->arg[2], 8,
                                clock_now(call->process->clock).system);
    if (call->arg[1] == UNWIND_CODE)
        return STATUS_UNSUCCESSFUL; /* no Unix library knows the address: ntdll takes it for a leaf's */
    if (call->arg[1] != k->wine_write)
        return STATUS_NOT_IMPLEMENTED;
    st = guest_get_pointer(call->process, call->arg[2], &text);
    if (!st)
        st = guest_get_number(call->process, call->arg[2] + nt_pointer(call->process->arch), 4,
                              &size);
    return st ? st : write_line(call->process, text, size);
}
