/*
 * Threads as LLDB wants them: named at the end of register packets, all of them in one JSON text, with what each stopped
 * for; registers saved and restored around the calls of an expression. Follows LLDB's
 * docs/resources/lldbgdbremote.md.
 */
#include <stdlib.h>
#include <string.h>

#include "handlers.h"
#include "json.h"
#include "stop_reply.h"
#include "thread_id.h"

#define INFO_MAX (1u << 20)
#define STACK_BYTES                                                                                \
    128u /* of each thread, from its stack pointer: the frame that LLDB reads next */

enum verdict cmd_thread_suffix(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    (void)in;
    s->features.thread_suffix = true;
    return reply_ok(out);
}

enum verdict cmd_list_threads(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    (void)in;
    s->features.list_threads = true;
    return reply_ok(out);
}

/* ---- jThreadsInfo ---- */

static void hex_text(struct buf *doc, const uint8_t *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        buf_printf(doc, "%02x", data[i]);
}

static bool is_stack_pointer(const struct target_reg *reg)
{
    return strcmp(reg->name, "rsp") == 0 || strcmp(reg->name, "esp") == 0;
}

/* The general registers, by number; the stack pointer is given back. */
static gva_t registers_json(const struct stub *s, struct buf *doc, uint32_t tid)
{
    size_t count;
    const struct target_reg *regs = session_regs(s, &count);
    const char *comma = "";
    gva_t sp = 0;

    for (size_t i = 0; i < count; i++) {
        uint8_t value[TARGET_REG_MAX_BYTES] = {0};
        size_t size = regs[i].bits / 8u;

        if (!regs[i].expedite || s->target.ops->reg_read(s->target.ctx, tid, i, value, size))
            continue;
        if (is_stack_pointer(&regs[i]))
            sp = get_u64(value);
        buf_printf(doc, "%s\"%zu\":\"", comma, i);
        hex_text(doc, value, size);
        buf_text(doc, "\"");
        comma = ",";
    }
    return sp;
}

static void stack_json(const struct stub *s, struct buf *doc, gva_t sp)
{
    uint8_t bytes[STACK_BYTES];
    size_t got = 0;

    if (!s->target.ops->read || s->target.ops->read(s->target.ctx, sp, bytes, sizeof bytes, &got) ||
        !got)
        return;
    buf_printf(doc, ",\"memory\":[{\"address\":%" PRIu64 ",\"bytes\":\"", sp);
    hex_text(doc, bytes, got);
    buf_text(doc, "\"}]");
}

static void thread_json(const struct stub *s, struct buf *doc, const struct target_thread *thread)
{
    bool current = thread->tid == session_current_thread(s);
    gva_t sp;

    buf_printf(doc, "{\"tid\":%u,\"name\":", (unsigned)thread->tid);
    json_text(doc, thread->name);
    if (current)
        buf_printf(doc, ",\"reason\":\"%s\",\"signal\":%u", stop_word_lldb(s->stop.kind),
                   stop_signal(&s->stop));
    if (current && s->stop.note[0]) {
        buf_text(doc, ",\"description\":");
        json_text(doc, s->stop.note);
    }
    buf_text(doc, ",\"registers\":{");
    sp = registers_json(s, doc, thread->tid);
    buf_text(doc, "}");
    stack_json(s, doc, sp);
    buf_text(doc, "}");
}

enum verdict cmd_threads_info(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    struct target_thread thread;
    struct buf doc;

    (void)in;
    buf_init(&doc, INFO_MAX);
    buf_text(&doc, "[");
    for (size_t i = 0; !s->target.ops->thread(s->target.ctx, i, &thread); i++) {
        buf_text(&doc, i ? "," : "");
        thread_json(s, &doc, &thread);
    }
    buf_text(&doc, "]");
    if (doc.failed || reply_binary(out, (struct bytes){doc.data, doc.len}) != doc.len)
        reply_error(out, RSP_E2BIG); /* LLDB then asks thread by thread */
    buf_fini(&doc);
    return ANSWER;
}

enum verdict cmd_thread_stop_info(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    struct thread_id id = thread_id_read(s, in);
    struct target_thread thread;

    if (!rsp_end(in))
        return reply_error(out, RSP_EINVAL);
    if (id.foreign || id.which != THREAD_ONE || session_thread(s, id.tid, &thread))
        return reply_error(out, RSP_ESRCH);
    return stop_reply_thread(s, out, id.tid);
}

/* ---- Saved registers ---- */

/* All registers of a thread in one piece, or back from it. */
static enum err move_registers(struct stub *s, uint32_t tid, uint8_t *bytes, bool save)
{
    const struct target_ops *ops = s->target.ops;
    size_t count;
    const struct target_reg *regs = session_regs(s, &count);

    for (size_t i = 0; i < count; i++) {
        size_t size = regs[i].bits / 8u;
        enum err e = save ? ops->reg_read(s->target.ctx, tid, i, bytes, size)
                          : ops->reg_write(s->target.ctx, tid, i, bytes, size);

        if (e)
            return e;
        bytes += size;
    }
    return ERR_OK;
}

static size_t registers_size(const struct stub *s)
{
    size_t count, total = 0;
    const struct target_reg *regs = session_regs(s, &count);

    for (size_t i = 0; i < count; i++)
        total += regs[i].bits / 8u;
    return total;
}

/* The answer is a number to restore by; 0 would be none. */
enum verdict cmd_save_registers(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    uint32_t tid = session_suffix_thread(s, in);
    size_t i = 0;
    uint8_t *bytes;
    enum err e;

    if (!rsp_end(in))
        return reply_error(out, RSP_EINVAL);
    while (i < SESSION_SAVED && s->saved[i].bytes)
        i++;
    bytes = i < SESSION_SAVED ? malloc(registers_size(s)) : NULL;
    if (!bytes)
        return reply_error(out, RSP_ENOMEM);
    e = move_registers(s, tid, bytes, true);
    if (e) {
        free(bytes);
        return reply_result(out, e);
    }
    s->saved[i] = (struct saved_registers){.bytes = bytes, .tid = tid};
    return reply_printf(out, "%zu", i + 1);
}

enum verdict cmd_restore_registers(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    uint32_t number = rsp_hex_u32(in); /* LLDB writes it in decimal; it has one digit */
    uint32_t tid = session_suffix_thread(s, in);
    struct saved_registers *saved;
    enum err e;

    if (!rsp_end(in) || !number || number > SESSION_SAVED)
        return reply_error(out, RSP_EINVAL);
    saved = &s->saved[number - 1];
    if (!saved->bytes || saved->tid != tid)
        return reply_error(out, RSP_ENOENT);
    e = move_registers(s, tid, saved->bytes, false);
    free(saved->bytes);
    *saved = (struct saved_registers){0};
    return reply_result(out, e);
}
