/*
 * Where things are: qOffsets relocates the program for a GDB without Windows support, qGetTIBAddr for one
 * with it (through TEB and PEB). Follows the GDB manual, "General Query Packets".
 */
#include "handlers.h"
#include "thread_id.h"

enum verdict cmd_offsets(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    struct target_info info;

    (void)in;
    s->target.ops->info(s->target.ctx, &info);
    return reply_printf(out, "TextSeg=%" PRIx64, info.exec_first_section);
}

enum verdict cmd_tib(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    struct thread_id id = thread_id_read(s, in);
    struct target_thread thread;

    if (!rsp_end(in))
        return reply_error(out, RSP_EINVAL);
    s->asked_tib = true;
    if (id.which != THREAD_ONE)
        id.tid = session_current_thread(s);
    if (id.foreign || session_thread(s, id.tid, &thread) || !thread.teb)
        return reply_error(out, RSP_ESRCH);
    return reply_printf(out, "%" PRIx64, thread.teb);
}
