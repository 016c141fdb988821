/*
 * Threads: qC, H, T, qfThreadInfo, qsThreadInfo, qThreadExtraInfo, QThreadEvents. Ids are Windows' own. Follows the GDB
 * manual, "Packets" and "General Query Packets".
 */
#include <string.h>

#include "handlers.h"
#include "thread_id.h"

enum verdict cmd_current_thread(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    (void)in;
    reply_text(out, "QC");
    thread_id_write(s, out, session_current_thread(s));
    return ANSWER;
}

/* An id that must name a thread which exists; false after writing the answer. */
static bool read_thread(struct stub *s, struct rsp_reader *in, struct reply *out,
                        struct target_thread *thread)
{
    struct thread_id id = thread_id_read(s, in);

    if (!rsp_end(in)) {
        reply_error(out, RSP_EINVAL);
        return false;
    }
    if (id.which != THREAD_ONE)
        id.tid = session_current_thread(s);
    if (id.foreign || session_thread(s, id.tid, thread)) {
        reply_error(out, RSP_ESRCH);
        return false;
    }
    return true;
}

/* Hg, Hc: "any" and "all" are always there, also when the process has ended. */
enum verdict cmd_select_thread(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    bool general = rsp_accept(in, 'g');
    struct target_thread thread;
    struct thread_id id;

    if (!general)
        rsp_expect(in, 'c');
    id = thread_id_read(s, in);
    if (!rsp_end(in))
        return reply_error(out, RSP_EINVAL);
    if (id.foreign || (id.which == THREAD_ONE && session_thread(s, id.tid, &thread)))
        return reply_error(out, RSP_ESRCH);
    *(general ? &s->general_tid : &s->continue_tid) = id.which == THREAD_ONE ? id.tid : 0;
    return reply_ok(out);
}

enum verdict cmd_thread_alive(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    struct target_thread thread;

    return read_thread(s, in, out, &thread) ? reply_ok(out) : ANSWER;
}

/* As many ids as fit; the rest is for the next packet. */
static enum verdict list_threads(struct stub *s, struct reply *out)
{
    static const size_t id_room = 24; /* ",p", two numbers, "." */
    struct target_thread thread;
    char before = 'm';

    while (!s->target.ops->thread(s->target.ctx, s->next_thread, &thread)) {
        if (out->cap - out->len < id_room)
            return ANSWER;
        reply_byte(out, before);
        thread_id_write(s, out, thread.tid);
        before = ',';
        s->next_thread++;
    }
    return out->len ? ANSWER : reply_text(out, "l");
}

enum verdict cmd_threads_first(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    (void)in;
    s->next_thread = 0;
    return list_threads(s, out);
}

enum verdict cmd_threads_next(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    (void)in;
    return list_threads(s, out);
}

/* "name: state", in hex. */
enum verdict cmd_thread_extra(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    struct target_thread thread;

    if (!read_thread(s, in, out, &thread))
        return ANSWER;
    reply_hex(out, thread.name, strlen(thread.name));
    if (thread.name[0] && thread.state[0])
        reply_hex(out, ": ", 2);
    reply_hex(out, thread.state, strlen(thread.state));
    if (!out->len) /* nothing to say, which is not "unsupported" */
        reply_hex(out, " ", 1);
    return ANSWER;
}

/* 1: the client wants to be told of each thread that begins and ends. */
enum verdict cmd_thread_events(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    bool on = rsp_accept(in, '1');

    if (!on)
        rsp_expect(in, '0');
    if (!rsp_end(in))
        return reply_error(out, RSP_EINVAL);
    s->target.ops->thread_events(s->target.ctx, on);
    return reply_ok(out);
}
