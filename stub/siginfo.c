/*
 * The exception as bytes: EXCEPTION_RECORD, in the guest's width, which is what a GDB that knows Windows takes
 * siginfo for (gdb/windows-tdep.c), or Linux' siginfo_t for one that takes the guest for a Linux process. Follows
 * winnt.h, EXCEPTION_RECORD64 and EXCEPTION_RECORD32, and Linux' asm-generic/siginfo.h.
 */
#include "siginfo.h"

#include "stop_reply.h"
#include "winstub/nt.h"

#define LINUX_BYTES 128 /* of siginfo_t, in both widths */

/* Code, flags, record, address, count and, in 64 bits, padding. */
static void record64(const struct target_stop *stop, struct buf *doc)
{
    uint8_t *at = buf_extend(doc, 0x98);

    if (!at)
        return;
    put_u32(at, stop->code);
    put_u64(at + 0x10, stop->addr);
    put_u32(at + 0x18, stop->info_count);
    for (size_t i = 0; i < TARGET_INFO_MAX; i++)
        put_u64(at + 0x20 + 8 * i, stop->info[i]);
}

static void record32(const struct target_stop *stop, struct buf *doc)
{
    uint8_t *at = buf_extend(doc, 0x50);

    if (!at)
        return;
    put_u32(at, stop->code);
    put_u32(at + 0xc, (uint32_t)stop->addr);
    put_u32(at + 0x10, stop->info_count);
    for (size_t i = 0; i < TARGET_INFO_MAX; i++)
        put_u32(at + 0x14 + 4 * i, (uint32_t)stop->info[i]);
}

/* si_code: what of its kind it was; the numbers count from 1 for each signal. */
static uint32_t linux_code(const struct stub *s)
{
    struct target_region region;

    switch (s->stop.code) {
    case STATUS_ACCESS_VIOLATION: /* SEGV_MAPERR, SEGV_ACCERR */
        return s->target.ops->region &&
                       !s->target.ops->region(s->target.ctx, s->stop.info[1], &region) &&
                       region.state == MEM_COMMIT
                   ? 2
                   : 1;
    case STATUS_GUARD_PAGE_VIOLATION: /* SEGV_ACCERR, TRAP_TRACE */
    case STATUS_SINGLE_STEP:
        return 2;
    default: /* ILL_ILLOPC, FPE_INTDIV, TRAP_BRKPT */
        return 1;
    }
}

static void linux_siginfo(const struct stub *s, struct buf *doc, bool wide)
{
    uint8_t *at = buf_extend(doc, LINUX_BYTES);
    unsigned page_fault = s->stop.code == STATUS_IN_PAGE_ERROR ? 3 : 2; /* parameters of one */
    gva_t address = s->stop.info_count == page_fault ? s->stop.info[1] : s->stop.addr;

    if (!at)
        return;
    put_u32(at, stop_signal(&s->stop) == 10
                    ? 7
                    : stop_signal(&s->stop)); /* GDB's SIGBUS is not Linux' */
    put_u32(at + 8, linux_code(s));
    if (wide)
        put_u64(at + 16, address);
    else
        put_u32(at + 12, (uint32_t)address);
}

enum err document_siginfo(struct stub *s, struct bytes annex, struct buf *doc)
{
    struct target_info info;

    if (annex.len || s->stop.kind != STOP_EXCEPTION || session_general_thread(s) != s->stop.tid)
        return ERR_NOT_FOUND;
    s->target.ops->info(s->target.ctx, &info);
    if (session_is_linux(s))
        linux_siginfo(s, doc, info.arch == TARGET_AMD64);
    else if (info.arch == TARGET_AMD64)
        record64(&s->stop, doc);
    else
        record32(&s->stop, doc);
    return ERR_OK;
}
