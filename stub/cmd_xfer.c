/*
 * qXfer: pieces of documents, by offset and length. A document is made when its first piece is asked for and
 * kept until the guest runs, so that its pieces fit together. Follows the GDB manual, "General Query
 * Packets", qXfer.
 */
#include <string.h>

#include "documents.h"
#include "handlers.h"
#include "siginfo.h"
#include "tables.h"

/* Is it the document that is being read? */
static bool is_current(const struct stub *s, document_make make, struct bytes annex)
{
    const struct document *d = &s->document;

    return d->make == make && d->annex.len == annex.len &&
           (!annex.len || memcmp(d->annex.data, annex.data, annex.len) == 0);
}

static enum err make_document(struct stub *s, document_make make, struct bytes annex)
{
    struct document *d = &s->document;
    enum err e;

    d->make = NULL;
    buf_clear(&d->annex);
    buf_clear(&d->text);
    e = make(s, annex, &d->text);
    if (e)
        return e;
    if (!buf_append(&d->annex, annex.data, annex.len) || d->text.failed)
        return ERR_NOMEM;
    d->make = make;
    return ERR_OK;
}

/* m and a piece, or l and the last piece. Offset and length count bytes before escaping. */
static enum verdict send_piece(struct reply *out, struct bytes text, uint64_t offset, uint64_t len)
{
    struct bytes piece;
    size_t sent;

    if (offset > text.len)
        return reply_error(out, RSP_EINVAL);
    if (len > text.len - offset)
        len = text.len - offset;
    piece = (struct bytes){text.data + offset, (size_t)len};
    reply_byte(out, 'm');
    sent = reply_binary(out, piece);
    if (offset + sent == text.len)
        out->data[0] = 'l';
    return ANSWER;
}

static enum verdict xfer(struct stub *s, struct rsp_reader *in, struct reply *out,
                         document_make make)
{
    struct bytes annex = rsp_until(in, ':');
    uint64_t offset = rsp_hex_u64(in);
    rsp_expect(in, ',');
    uint64_t len = rsp_hex_u64(in);
    enum err e = ERR_OK;

    if (!rsp_end(in))
        return reply_error(out, RSP_EINVAL);
    if (!offset || !is_current(s, make, annex))
        e = make_document(s, make, annex);
    if (e == ERR_NOT_FOUND)
        return reply_error(out, RSP_ENOENT);
    if (e)
        return reply_result(out, e);
    return send_piece(out, (struct bytes){s->document.text.data, s->document.text.len}, offset,
                      len);
}

enum verdict xfer_features(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    return xfer(s, in, out, document_features);
}

enum verdict xfer_threads(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    return xfer(s, in, out, document_threads);
}

enum verdict xfer_libraries(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    return xfer(s, in, out, document_libraries);
}

enum verdict xfer_libraries_svr4(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    return xfer(s, in, out, document_libraries_svr4);
}

enum verdict xfer_auxv(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    return xfer(s, in, out, document_auxv);
}

enum verdict xfer_exec_file(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    return xfer(s, in, out, document_exec_file);
}

enum verdict xfer_memory_map(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    return xfer(s, in, out, document_memory_map);
}

enum verdict xfer_siginfo(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    return xfer(s, in, out, document_siginfo);
}

enum verdict xfer_osdata(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    return xfer(s, in, out, document_osdata);
}
