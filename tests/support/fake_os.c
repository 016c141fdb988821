/* What the fake target's operating system is asked: memory, handles. */
#include "fake_target.h"
#include "winstub/nt.h"

/* Only says what it was asked, and that it is done; what is not at a page's start is refused. */
uint32_t fake_memory(void *ctx, struct target_memory *m)
{
    struct fake_target *f = ctx;

    buf_printf(&f->log, "memory %d 0x%" PRIx64 " 0x%" PRIx64 " 0x%x\n", (int)m->kind, m->base,
               m->size, (unsigned)m->protect);
    if (m->base % 0x1000)
        return STATUS_INVALID_PARAMETER;
    if (!m->base)
        m->base = FAKE_MADE;
    m->size = (m->size + 0xfff) & ~UINT64_C(0xfff);
    if (m->kind == MEMORY_PROTECT)
        m->protect = PAGE_READWRITE;
    return STATUS_SUCCESS;
}

enum err fake_handle(void *ctx, uint64_t after, struct target_handle *out)
{
    static const struct target_handle handles[] = {
        {4, 0x100020, "File", "C:\\app\\"},
        {12, 0xf003f, "Key", "\\REGISTRY\\MACHINE"},
    };

    (void)ctx;
    for (size_t i = 0; i < sizeof handles / sizeof *handles; i++) {
        if (handles[i].value > after) {
            *out = handles[i];
            return ERR_OK;
        }
    }
    return ERR_RANGE;
}
