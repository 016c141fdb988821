/* Why the guest stopped, as a stop reply: T or W. */
#ifndef STUB_STOP_REPLY_H
#define STUB_STOP_REPLY_H

#include "session.h"

/* Write the stop reply for s->stop. */
enum verdict stop_reply(const struct stub *s, struct reply *out);
/* The same of one thread, which need not be the one that it is about. */
enum verdict stop_reply_thread(const struct stub *s, struct reply *out, uint32_t tid);
/* LLDB's word for a reason. */
const char *stop_word_lldb(enum target_stop_kind kind);
/* Tell the user what the stop reply cannot: the target's note, an exit code that LLDB would cut. */
void stop_say(struct stub *s);

#define STOP_SIGNAL_UNKNOWN 143u /* of exceptions that no signal stands for */

/* GDB's signal number for a stop. */
unsigned stop_signal(const struct target_stop *stop);

#endif
