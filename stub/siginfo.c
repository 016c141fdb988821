/*
 * The exception as bytes: EXCEPTION_RECORD, in the guest's width, which is what a GDB that knows Windows takes
 * siginfo for (gdb/windows-tdep.c). Follows winnt.h, EXCEPTION_RECORD64 and EXCEPTION_RECORD32.
 */
#include "siginfo.h"

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

enum err document_siginfo(struct stub *s, struct bytes annex, struct buf *doc)
{
    struct target_info info;

    if (annex.len || s->stop.kind != STOP_EXCEPTION || session_general_thread(s) != s->stop.tid)
        return ERR_NOT_FOUND;
    s->target.ops->info(s->target.ctx, &info);
    if (info.arch == TARGET_AMD64)
        record64(&s->stop, doc);
    else
        record32(&s->stop, doc);
    return ERR_OK;
}
