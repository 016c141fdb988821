/*
 * Registers: g, G, p, P. Order and sizes are those of the target's register table, the same that
 * target_xml.c describes; LLDB names the thread at the end of the packet. Follows the GDB manual, "Packets".
 */
#include <string.h>

#include "handlers.h"

static size_t reg_size(const struct target_reg *reg)
{
    return reg->bits / 8u;
}

static const struct target_reg *reg_table(const struct stub *s, size_t *count)
{
    return session_regs(s, count);
}

/* A register that cannot be read is sent as 'x' digits, which GDB shows as unavailable. */
static void write_unavailable(struct reply *out, size_t size)
{
    for (size_t i = 0; i < size; i++)
        reply_text(out, "xx");
}

enum verdict cmd_regs_read(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    uint32_t tid = session_suffix_thread(s, in);
    size_t count;
    const struct target_reg *regs = reg_table(s, &count);

    if (!rsp_end(in))
        return reply_error(out, RSP_EINVAL);
    for (size_t i = 0; i < count; i++) {
        uint8_t value[TARGET_REG_MAX_BYTES];
        enum err e = s->target.ops->reg_read(s->target.ctx, tid, i, value, reg_size(&regs[i]));

        if (e == ERR_NOT_FOUND)
            return reply_error(out, RSP_ESRCH);
        if (e)
            write_unavailable(out, reg_size(&regs[i]));
        else
            reply_hex(out, value, reg_size(&regs[i]));
    }
    return ANSWER;
}

/* All or nothing as far as the packet goes: its whole length is checked before the first write. */
enum verdict cmd_regs_write(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    size_t count, total = 0;
    const struct target_reg *regs = reg_table(s, &count);
    const uint8_t *value = s->scratch;
    uint32_t tid;

    for (size_t i = 0; i < count; i++)
        total += reg_size(&regs[i]);
    rsp_hex_bytes(in, s->scratch, total);
    tid = session_suffix_thread(s, in);
    if (!rsp_end(in))
        return reply_error(out, RSP_EINVAL);
    for (size_t i = 0; i < count; i++) {
        enum err e = s->target.ops->reg_write(s->target.ctx, tid, i, value, reg_size(&regs[i]));

        if (e)
            return reply_result(out, e);
        value += reg_size(&regs[i]);
    }
    return reply_ok(out);
}

enum verdict cmd_reg_read(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    uint8_t value[TARGET_REG_MAX_BYTES];
    uint64_t number = rsp_hex_u64(in);
    uint32_t tid = session_suffix_thread(s, in);
    size_t count;
    const struct target_reg *regs = reg_table(s, &count);
    enum err e;

    if (!rsp_end(in) || number >= count)
        return reply_error(out, RSP_EINVAL);
    e = s->target.ops->reg_read(s->target.ctx, tid, (size_t)number, value, reg_size(&regs[number]));
    if (e)
        return reply_result(out, e);
    return reply_hex(out, value, reg_size(&regs[number]));
}

enum verdict cmd_reg_write(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    uint8_t value[TARGET_REG_MAX_BYTES];
    uint64_t number = rsp_hex_u64(in);
    size_t count;
    const struct target_reg *regs = reg_table(s, &count);
    uint32_t tid;

    rsp_expect(in, '=');
    if (number >= count)
        return reply_error(out, RSP_EINVAL);
    rsp_hex_bytes(in, value, reg_size(&regs[number]));
    tid = session_suffix_thread(s, in);
    if (!rsp_end(in))
        return reply_error(out, RSP_EINVAL);
    s->wrote_registers = true;
    return reply_result(out, s->target.ops->reg_write(s->target.ctx, tid, (size_t)number, value,
                                                      reg_size(&regs[number])));
}
