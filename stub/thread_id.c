/* Thread ids. Follows the GDB manual, "Remote Protocol", "Packets", thread-id syntax. */
#include "thread_id.h"

/* A number that may also be -1 (all) or 0 (any). */
static struct thread_id id_read(struct rsp_reader *in)
{
    struct thread_id id = {.which = THREAD_ONE};

    if (rsp_accept_text(in, "-1")) {
        id.which = THREAD_ALL;
        return id;
    }
    id.tid = rsp_hex_u32(in);
    if (!id.tid)
        id.which = THREAD_ANY;
    return id;
}

struct thread_id thread_id_read(const struct stub *s, struct rsp_reader *in)
{
    struct thread_id process, id;

    if (!rsp_accept(in, 'p'))
        return id_read(in);
    process = id_read(in);
    id = (struct thread_id){.which = THREAD_ALL};
    if (rsp_accept(in, '.'))
        id = id_read(in);
    id.foreign = process.which == THREAD_ONE && process.tid != s->pid;
    return id;
}

void thread_id_write(const struct stub *s, struct reply *out, uint32_t tid)
{
    if (s->features.multiprocess)
        reply_printf(out, "p%x.", s->pid);
    reply_printf(out, "%x", tid);
}

void thread_id_print(const struct stub *s, struct buf *out, uint32_t tid)
{
    if (s->features.multiprocess)
        buf_printf(out, "p%x.", s->pid);
    buf_printf(out, "%x", tid);
}
