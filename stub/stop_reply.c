/*
 * Stop replies. Decides which signal an NT exception becomes and which fields a client gets to see;
 * follows the GDB manual, "Stop Reply Packets", and for the signals what native gdb does on Windows
 * (gdb/nat/windows-nat.c, handle_exception), except that a guard page is a SIGSEGV here.
 */
#include "stop_reply.h"

#include <string.h>

#include "thread_id.h"
#include "winstub/nt.h"

/* GDB's own numbers (include/gdb/signals.def), not the host's. */
enum gdb_signal {
    GDB_SIGNAL_0 = 0,
    GDB_SIGNAL_INT = 2,
    GDB_SIGNAL_ILL = 4,
    GDB_SIGNAL_TRAP = 5,
    GDB_SIGNAL_ABRT = 6,
    GDB_SIGNAL_FPE = 8,
    GDB_SIGNAL_BUS = 10,
    GDB_SIGNAL_SEGV = 11,
    GDB_SIGNAL_SYS = 12,
    GDB_SIGNAL_UNKNOWN = STOP_SIGNAL_UNKNOWN,
};

static const struct {
    nt_status first, last; /* inclusive */
    enum gdb_signal signal;
} exception_signals[] = {
    {0x4000001E, 0x4000001F, GDB_SIGNAL_TRAP}, /* WX86_SINGLE_STEP, WX86_BREAKPOINT */
    {0x40010005, 0x40010005, GDB_SIGNAL_INT},  /* DBG_CONTROL_C */
    {0x40010008, 0x40010008, GDB_SIGNAL_INT},  /* DBG_CONTROL_BREAK */
    {STATUS_GUARD_PAGE_VIOLATION, STATUS_GUARD_PAGE_VIOLATION, GDB_SIGNAL_SEGV},
    {STATUS_DATATYPE_MISALIGNMENT, STATUS_DATATYPE_MISALIGNMENT, GDB_SIGNAL_BUS},
    {STATUS_BREAKPOINT, STATUS_SINGLE_STEP, GDB_SIGNAL_TRAP},
    {STATUS_ACCESS_VIOLATION, STATUS_ACCESS_VIOLATION, GDB_SIGNAL_SEGV},
    {STATUS_IN_PAGE_ERROR, STATUS_IN_PAGE_ERROR, GDB_SIGNAL_BUS},
    {STATUS_ILLEGAL_INSTRUCTION, STATUS_ILLEGAL_INSTRUCTION, GDB_SIGNAL_ILL},
    {STATUS_NONCONTINUABLE_EXCEPTION, STATUS_NONCONTINUABLE_EXCEPTION, GDB_SIGNAL_ILL},
    /* STATUS_ARRAY_BOUNDS_EXCEEDED, the STATUS_FLOAT_ ones, STATUS_INTEGER_ ones */
    {0xC000008C, STATUS_INTEGER_OVERFLOW, GDB_SIGNAL_FPE},
    {STATUS_PRIVILEGED_INSTRUCTION, STATUS_PRIVILEGED_INSTRUCTION, GDB_SIGNAL_ILL},
    {STATUS_STACK_OVERFLOW, STATUS_STACK_OVERFLOW, GDB_SIGNAL_SEGV},
};

static enum gdb_signal exception_signal(nt_status code)
{
    for (size_t i = 0; i < sizeof exception_signals / sizeof *exception_signals; i++) {
        if (code >= exception_signals[i].first && code <= exception_signals[i].last)
            return exception_signals[i].signal;
    }
    return GDB_SIGNAL_UNKNOWN;
}

unsigned stop_signal(const struct target_stop *stop)
{
    switch (stop->kind) {
    case STOP_EXCEPTION:
        return exception_signal(stop->code);
    case STOP_INTERRUPT:
    case STOP_STUCK:
        return GDB_SIGNAL_INT;
    case STOP_ENGINE:
        return GDB_SIGNAL_ABRT;
    case STOP_EXIT:
    case STOP_ENDED:
    case STOP_NOBODY:
        return GDB_SIGNAL_0;
    case STOP_STEP:
    case STOP_BREAK_SW:
    case STOP_BREAK_HW:
    case STOP_WATCH:
    case STOP_LIBRARY:
    case STOP_BEGUN:
        break;
    case STOP_CATCH: /* GDB has no breakpoint there: a trap would be ignored by its next and finish */
        return GDB_SIGNAL_0;
    case STOP_IMPORT: /* not a trap, which GDB's next and finish would run through */
        return GDB_SIGNAL_SYS;
    }
    return GDB_SIGNAL_TRAP;
}

static const char *watch_field(enum point_kind kind)
{
    switch (kind) {
    case POINT_READ:
        return "rwatch";
    case POINT_ACCESS:
        return "awatch";
    default:
        return "watch";
    }
}

/* The reason, when it has a field. swbreak and hwbreak are errors for a client that did not ask. */
static void write_reason(const struct stub *s, struct reply *out)
{
    const struct target_stop *stop = &s->stop;

    if (stop->kind == STOP_BREAK_SW && s->features.swbreak)
        reply_text(out, "swbreak:;");
    if (stop->kind == STOP_BREAK_HW && s->features.hwbreak)
        reply_text(out, "hwbreak:;");
    if (stop->kind == STOP_WATCH)
        reply_printf(out, "%s:%" PRIx64 ";", watch_field(stop->watch), stop->addr);
    if (stop->kind == STOP_LIBRARY)
        reply_text(out, "library:;");
    if (stop->kind == STOP_BEGUN)
        reply_text(out, "create:;");
}

const char *stop_word_lldb(enum target_stop_kind kind)
{
    switch (kind) {
    case STOP_STEP:
        return "trace";
    case STOP_BREAK_SW:
    case STOP_BREAK_HW:
        return "breakpoint";
    case STOP_WATCH:
        return "watchpoint";
    case STOP_EXCEPTION:
        return "exception";
    default:
        return "signal";
    }
}

/*
 * A value in hexadecimal, its upper zeros as a run length: GDB reads what comes through a pipe byte by byte, at two
 * system calls each. '#' and '$' are no run lengths.
 */
static void write_value(struct reply *out, const uint8_t *value, size_t size)
{
    size_t used = size;

    while (used && !value[used - 1])
        used--;
    if (size - used == 4)
        used++;
    if (size - used < 2)
        used = size;
    reply_hex(out, value, used);
    if (used == size)
        return;
    reply_text(out, "0*");
    reply_byte(out, (char)(2 * (size - used) - 1 + 29));
}

/*
 * The general registers, so that the client need not ask for them; all of them when it wrote some before it let the guest
 * run. That is how GDB calls a function, and afterwards it writes back each register that it does not know to be right.
 */
static void write_registers(const struct stub *s, struct reply *out, uint32_t tid)
{
    const struct target_ops *ops = s->target.ops;
    const struct target_reg *regs;
    size_t count = 0;

    if (!ops->regs || !ops->reg_read)
        return;
    regs = session_regs(s, &count);
    for (size_t i = 0; i < count; i++) {
        uint8_t value[TARGET_REG_MAX_BYTES];
        uint8_t number = (uint8_t)i; /* stub_new has seen to it that this is enough */
        size_t size = regs[i].bits / 8u;

        if ((!regs[i].expedite && !s->wants_registers) ||
            ops->reg_read(s->target.ctx, tid, i, value, size))
            continue;
        reply_hex(out, &number, 1); /* printf would be a tenth of the cost of a step */
        reply_byte(out, ':');
        write_value(out, value, size);
        reply_byte(out, ';');
    }
}

/* W. LLDB reads two digits only. */
static enum verdict exit_reply(const struct stub *s, struct reply *out)
{
    reply_printf(out, "W%02x", s->features.lldb ? s->stop.exit_code & 0xff : s->stop.exit_code);
    if (s->features.multiprocess)
        reply_printf(out, ";process:%x", s->pid);
    return ANSWER;
}

/* w: only to a client that has asked for it (QThreadEvents). */
static enum verdict thread_exit_reply(const struct stub *s, struct reply *out)
{
    reply_printf(out, "w%x;", s->stop.exit_code);
    thread_id_write(s, out, s->stop.tid);
    return ANSWER;
}

void stop_say(struct stub *s)
{
    if (s->stop.note[0])
        session_sayf(s, "%s\n", s->stop.note);
    if (s->stop.kind == STOP_EXIT && s->features.lldb && s->stop.exit_code > 0xff)
        session_sayf(s, "the process exited with code 0x%x\n", s->stop.exit_code);
}

/* What LLDB reads beside the fields that GDB knows; GDB would skip them. */
static void write_for_lldb(const struct stub *s, struct reply *out, uint32_t tid)
{
    struct target_thread thread;

    reply_printf(out, "reason:%s;", stop_word_lldb(s->stop.kind));
    if (s->stop.note[0]) {
        reply_text(out, "description:");
        reply_hex(out, s->stop.note, strlen(s->stop.note));
        reply_byte(out, ';');
    }
    if (!session_thread(s, tid, &thread) && thread.name[0]) {
        reply_text(out, "hexname:");
        reply_hex(out, thread.name, strlen(thread.name));
        reply_byte(out, ';');
    }
}

static gva_t thread_pc(const struct stub *s, uint32_t tid)
{
    uint8_t value[8] = {0};
    size_t count;
    const struct target_reg *regs = session_regs(s, &count);

    for (size_t i = 0; i < count; i++) {
        if (strcmp(regs[i].name, "rip") == 0 || strcmp(regs[i].name, "eip") == 0)
            (void)s->target.ops->reg_read(s->target.ctx, tid, i, value, regs[i].bits / 8u);
    }
    return get_u64(value);
}

/* threads and thread-pcs: each a list, in the same order. */
static void write_all_threads(const struct stub *s, struct reply *out)
{
    struct target_thread thread;

    for (size_t i = 0; !s->target.ops->thread(s->target.ctx, i, &thread); i++) {
        reply_text(out, i ? "," : "threads:");
        reply_printf(out, "%x", (unsigned)thread.tid);
    }
    reply_byte(out, ';');
    if (!s->target.ops->regs || !s->target.ops->reg_read)
        return;
    for (size_t i = 0; !s->target.ops->thread(s->target.ctx, i, &thread); i++) {
        reply_text(out, i ? "," : "thread-pcs:");
        reply_printf(out, "%" PRIx64, thread_pc(s, thread.tid));
    }
    reply_byte(out, ';');
}

enum verdict stop_reply(const struct stub *s, struct reply *out)
{
    uint32_t tid = session_current_thread(s);

    switch (s->stop.kind) {
    case STOP_EXIT:
        return exit_reply(s, out);
    case STOP_ENDED:
        return thread_exit_reply(s, out);
    case STOP_NOBODY:
        if (s->features.no_resumed)
            return reply_text(out, "N");
        break;
    default:
        break;
    }
    return stop_reply_thread(s, out, tid);
}

enum verdict stop_reply_thread(const struct stub *s, struct reply *out, uint32_t tid)
{
    bool current = tid == session_current_thread(s);

    reply_printf(out, "T%02x", current ? stop_signal(&s->stop) : GDB_SIGNAL_0);
    if (current)
        write_reason(s, out);
    if (tid) {
        reply_text(out, "thread:");
        thread_id_write(s, out, tid);
        reply_byte(out, ';');
    }
    if (s->features.lldb && current)
        write_for_lldb(s, out, tid);
    if (s->features.list_threads)
        write_all_threads(s, out);
    write_registers(s, out, tid);
    return ANSWER;
}
