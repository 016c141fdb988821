/* The documents behind qXfer, each made whole into a buffer; cmd_xfer.c sends the pieces. */
#ifndef STUB_DOCUMENTS_H
#define STUB_DOCUMENTS_H

#include "session.h"

/* Each is a document_make (session.h). */
enum err document_features(struct stub *s, struct bytes annex, struct buf *doc);
enum err document_threads(struct stub *s, struct bytes annex, struct buf *doc);
enum err document_libraries(struct stub *s, struct bytes annex, struct buf *doc);
enum err document_libraries_svr4(struct stub *s, struct bytes annex, struct buf *doc);
enum err document_auxv(struct stub *s, struct bytes annex, struct buf *doc);
enum err document_exec_file(struct stub *s, struct bytes annex, struct buf *doc);
enum err document_memory_map(struct stub *s, struct bytes annex, struct buf *doc);

#endif
