/* Reading numbers from the guest by the debugger's own path. */
#include "peek.h"

unsigned peek_width(const struct stub *s)
{
    struct target_info info;

    s->target.ops->info(s->target.ctx, &info);
    return info.arch == TARGET_AMD64;
}

bool peek(const struct stub *s, gva_t addr, void *dst, size_t len)
{
    size_t got = 0;

    return s->target.ops->read && !s->target.ops->read(s->target.ctx, addr, dst, len, &got) &&
           got == len;
}

uint64_t peek_number(const struct stub *s, gva_t addr, size_t len)
{
    uint8_t value[8] = {0};

    return peek(s, addr, value, len) ? get_u64(value) : 0;
}

gva_t peek_pointer(const struct stub *s, gva_t addr)
{
    return peek_number(s, addr, peek_width(s) ? 8 : 4);
}
