/* Thread ids on the wire: "-1", "0", "TID", "pPID", "pPID.TID", all in hexadecimal. */
#ifndef STUB_THREAD_ID_H
#define STUB_THREAD_ID_H

#include "session.h"

enum thread_which { THREAD_ANY, THREAD_ALL, THREAD_ONE };

struct thread_id {
    enum thread_which which;
    uint32_t tid; /* THREAD_ONE */
    bool foreign; /* names a process that is not ours */
};

/* Read one; malformed ids make the reader bad. Whether the thread exists is another question. */
struct thread_id thread_id_read(const struct stub *s, struct rsp_reader *in);
/* Append one, as pPID.TID when that was negotiated. */
void thread_id_write(const struct stub *s, struct reply *out, uint32_t tid);
/* The same into a document. */
void thread_id_print(const struct stub *s, struct buf *out, uint32_t tid);

#endif
