/* What $_siginfo shows: the exception that a thread is stopped at. */
#ifndef STUB_SIGINFO_H
#define STUB_SIGINFO_H

#include "session.h"

/* A document_make (session.h). ERR_NOT_FOUND: the selected thread is not stopped at an exception. */
enum err document_siginfo(struct stub *s, struct bytes annex, struct buf *doc);

#endif
