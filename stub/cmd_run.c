/*
 * Why it stopped, and letting it run: ?, c, C, s, S, vCont, QPassSignals. A signal means that the pending exception is the
 * guest's, to be given to its handlers; which signal does not matter. Follows the GDB manual, "Packets".
 */
#include <string.h>

#include "handlers.h"
#include "stop_reply.h"
#include "thread_id.h"

enum verdict cmd_why(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    (void)in;
    return stop_reply(s, out);
}

/* What `monitor step` has asked for makes of the steps in acts; it counts for one resumption. */
static void bend_steps(struct stub *s, struct target_action *acts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (acts[i].kind != ACTION_STEP && acts[i].kind != ACTION_RANGE)
            continue;
        if (s->next_step == NEXT_STEP_OUT)
            acts[i].kind = ACTION_OUT;
        acts[i].over = s->next_step == NEXT_STEP_OVER;
    }
    s->next_step = NEXT_STEP_IN;
}

static enum verdict resume(struct stub *s, struct reply *out, struct target_action *acts,
                           size_t count)
{
    enum err e;

    bend_steps(s, acts, count);
    e = s->target.ops->resume(s->target.ctx, acts, count);
    if (e)
        return reply_result(out, e);
    s->wants_registers = s->wrote_registers;
    s->wrote_registers = false;
    memcpy(s->actions, acts, count * sizeof *acts);
    s->action_count = count;
    return RESUMED;
}

/* The list replaces the one before. */
enum verdict cmd_pass_signals(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    bool passed[SESSION_SIGNALS] = {false};

    while (rsp_left(in)) {
        uint32_t signal = rsp_hex_u32(in);

        if (rsp_left(in))
            rsp_expect(in, ';');
        if (in->bad || signal >= SESSION_SIGNALS)
            return reply_error(out, RSP_EINVAL);
        passed[signal] = true;
    }
    memcpy(s->passed, passed, sizeof s->passed);
    return reply_ok(out);
}

/* The old packets say "go on at this address"; write it to the program counter. */
static enum err set_pc(struct stub *s, uint32_t tid, gva_t addr)
{
    size_t count;
    const struct target_reg *regs;

    if (!s->target.ops->regs || !s->target.ops->reg_write)
        return ERR_UNSUPPORTED;
    regs = session_regs(s, &count);
    for (size_t i = 0; i < count; i++) {
        uint8_t value[8];

        if (strcmp(regs[i].name, "rip") != 0 && strcmp(regs[i].name, "eip") != 0)
            continue;
        put_u64(value, addr);
        return s->target.ops->reg_write(s->target.ctx, tid, i, value, regs[i].bits / 8u);
    }
    return ERR_UNSUPPORTED;
}

/* c and s: Hc chose the threads, a step without a choice is the current thread's. */
static enum verdict old_resume(struct stub *s, struct rsp_reader *in, struct reply *out,
                               enum target_action_kind kind, bool pass)
{
    struct target_action act = {.kind = kind, .tid = s->continue_tid, .pass = pass};
    uint32_t tid = act.tid ? act.tid : session_current_thread(s);
    bool has_addr = rsp_left(in) > 0;
    gva_t addr = has_addr ? rsp_hex_u64(in) : 0;
    enum err e = ERR_OK;

    if (!rsp_end(in))
        return reply_error(out, RSP_EINVAL);
    if (kind == ACTION_STEP)
        act.tid = tid;
    if (has_addr)
        e = set_pc(s, tid, addr);
    return e ? reply_result(out, e) : resume(s, out, &act, 1);
}

enum verdict cmd_continue(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    return old_resume(s, in, out, ACTION_CONTINUE, false);
}

enum verdict cmd_step(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    return old_resume(s, in, out, ACTION_STEP, false);
}

/* sig[;addr] */
static enum verdict old_resume_signal(struct stub *s, struct rsp_reader *in, struct reply *out,
                                      enum target_action_kind kind)
{
    bool pass = rsp_hex_byte(in) != 0;

    if (rsp_left(in)) {
        rsp_expect(in, ';');
        if (!rsp_left(in))
            (void)rsp_fail(in);
    }
    return old_resume(s, in, out, kind, pass);
}

enum verdict cmd_continue_signal(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    return old_resume_signal(s, in, out, ACTION_CONTINUE);
}

enum verdict cmd_step_signal(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    return old_resume_signal(s, in, out, ACTION_STEP);
}

/* GDB uses vCont only when both c and C are listed. */
enum verdict cmd_vcont_ask(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    (void)s;
    (void)in;
    return reply_text(out, "vCont;c;C;s;S;t;r");
}

/* The letter of an action and what belongs to it. */
static void read_action(struct rsp_reader *in, struct target_action *act)
{
    if (rsp_accept(in, 'c')) {
        act->kind = ACTION_CONTINUE;
    } else if (rsp_accept(in, 'C')) {
        act->kind = ACTION_CONTINUE;
        act->pass = rsp_hex_byte(in) != 0;
    } else if (rsp_accept(in, 's')) {
        act->kind = ACTION_STEP;
    } else if (rsp_accept(in, 'S')) {
        act->kind = ACTION_STEP;
        act->pass = rsp_hex_byte(in) != 0;
    } else if (rsp_accept(in, 't')) {
        act->kind = ACTION_HALT;
    } else {
        rsp_expect(in, 'r');
        act->kind = ACTION_RANGE;
        act->lo = rsp_hex_u64(in);
        rsp_expect(in, ',');
        act->hi = rsp_hex_u64(in);
    }
}

/* Whose action it is. A step that names nobody is the current thread's. */
static enum err read_action_thread(struct stub *s, struct rsp_reader *in, struct target_action *act)
{
    struct thread_id id = {.which = THREAD_ALL};

    if (rsp_accept(in, ':'))
        id = thread_id_read(s, in);
    if (id.foreign)
        return ERR_NOT_FOUND;
    if (id.which == THREAD_ONE)
        act->tid = id.tid;
    else if (id.which == THREAD_ANY || act->kind == ACTION_STEP || act->kind == ACTION_RANGE)
        act->tid = session_current_thread(s);
    return ERR_OK;
}

/* Only vCont;t: every thread stays where it is, so the stop goes on. */
static bool nothing_moves(const struct target_action *acts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (acts[i].kind != ACTION_HALT)
            return false;
    }
    return true;
}

enum verdict cmd_vcont(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    struct target_action acts[SESSION_ACTIONS_MAX];
    size_t count = 0;

    do {
        enum err e;

        if (count == SESSION_ACTIONS_MAX)
            return reply_error(out, RSP_E2BIG);
        acts[count] = (struct target_action){0};
        read_action(in, &acts[count]);
        e = read_action_thread(s, in, &acts[count]);
        if (in->bad)
            return reply_error(out, RSP_EINVAL);
        if (e)
            return reply_result(out, e);
        count++;
    } while (rsp_accept(in, ';'));
    if (!rsp_end(in))
        return reply_error(out, RSP_EINVAL);
    if (nothing_moves(acts, count))
        return stop_reply(s, out);
    return resume(s, out, acts, count);
}
