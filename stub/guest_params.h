/* What the guest's own RTL_USER_PROCESS_PARAMETERS say now: its command line, directory and environment. */
#ifndef STUB_GUEST_PARAMS_H
#define STUB_GUEST_PARAMS_H

#include "session.h"

/* The process environment block, by the first thread's TEB; 0 when it is not there. */
gva_t guest_peb(const struct stub *s);

enum guest_text { GUEST_CWD, GUEST_COMMAND_LINE };

/* Append the text in UTF-8; nothing when the guest has destroyed it. */
void guest_text(struct stub *s, enum guest_text which, struct buf *out);
/* Append NAME=VALUE, each with a NUL behind it. */
void guest_environment(struct stub *s, struct buf *out);

#endif
