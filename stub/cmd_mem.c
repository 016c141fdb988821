/*
 * Memory: m, x, M, X. The debugger's own access path of the target, without side effects on the guest. A read
 * may come back short; a write is all or nothing. Follows the GDB manual, "Packets".
 */
#include <stdio.h>

#include "handlers.h"
#include "region_text.h"

/* Does [addr, addr + len) pass the end of the address space? */
static bool wraps(gva_t addr, uint64_t len)
{
    return len && addr + (len - 1) < addr;
}

/* For clients that can show a sentence: say what is at the address. */
static enum verdict fault(struct stub *s, struct reply *out, gva_t addr)
{
    struct target_region region;
    char words[128], text[256];

    if (!s->target.ops->region || s->target.ops->region(s->target.ctx, addr, &region))
        return reply_error(out, RSP_EFAULT);
    region_words(&region, words, sizeof words);
    (void)snprintf(text, sizeof text, "0x%" PRIx64 " cannot be accessed: it is %s", addr, words);
    return reply_error_text(out, RSP_EFAULT, text);
}

/* Read into scratch at most room bytes, an answer may be short. 0: not even the first byte is there. */
static size_t mem_read(struct stub *s, gva_t addr, uint64_t len, size_t room)
{
    size_t got = 0;

    if (wraps(addr, len))
        len = 0 - addr; /* up to the end of the address space */
    if (len > room)
        len = room;
    return s->target.ops->read(s->target.ctx, addr, s->scratch, (size_t)len, &got) ? 0 : got;
}

enum verdict cmd_mem_read(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    gva_t addr = rsp_hex_u64(in);
    rsp_expect(in, ',');
    uint64_t len = rsp_hex_u64(in);
    size_t got;

    if (!rsp_end(in) || !len) /* the answer to a read of nothing would look like "unsupported" */
        return reply_error(out, RSP_EINVAL);
    got = mem_read(s, addr, len, reply_hex_room(out));
    return got ? reply_hex(out, s->scratch, got) : fault(s, out, addr);
}

/*
 * x has two dialects. GDB (16 and later) wants a 'b' before the bytes, LLDB the bytes alone, and it asks for
 * none of them to hear whether x is known.
 */
enum verdict cmd_mem_read_binary(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    gva_t addr = rsp_hex_u64(in);
    rsp_expect(in, ',');
    uint64_t len = rsp_hex_u64(in);
    size_t got;

    if (!rsp_end(in))
        return reply_error(out, RSP_EINVAL);
    if (!len)
        return reply_text(out, s->features.lldb ? "OK" : "b");
    got = mem_read(s, addr, len, sizeof s->scratch);
    if (!got)
        return fault(s, out, addr);
    if (!s->features.lldb)
        reply_byte(out, 'b');
    (void)reply_binary(out, (struct bytes){s->scratch, got}); /* what does not fit is left out */
    return ANSWER;
}

static enum verdict mem_write(struct stub *s, struct reply *out, gva_t addr, struct bytes data)
{
    enum err e;

    if (!data.len) /* GDB asks this way whether X is known */
        return reply_ok(out);
    e = s->target.ops->write(s->target.ctx, addr, data.data, data.len);
    return e == ERR_FAULT ? fault(s, out, addr) : reply_result(out, e);
}

enum verdict cmd_mem_write_hex(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    gva_t addr = rsp_hex_u64(in);
    rsp_expect(in, ',');
    uint64_t len = rsp_hex_u64(in);
    rsp_expect(in, ':');

    if (len != rsp_left(in) / 2 || wraps(addr, len))
        return reply_error(out, RSP_EINVAL);
    rsp_hex_bytes(in, s->scratch, (size_t)len);
    if (!rsp_end(in))
        return reply_error(out, RSP_EINVAL);
    return mem_write(s, out, addr, (struct bytes){s->scratch, (size_t)len});
}

enum verdict cmd_mem_write_binary(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    gva_t addr = rsp_hex_u64(in);
    rsp_expect(in, ',');
    uint64_t len = rsp_hex_u64(in);
    rsp_expect(in, ':');
    struct bytes data = rsp_take(in, rsp_left(in));

    if (!rsp_end(in) || data.len != len || wraps(addr, len))
        return reply_error(out, RSP_EINVAL);
    return mem_write(s, out, addr, data);
}
