/*
 * A second pair of eyes while the guest runs: a thread that calls tick about every 2 ms between watch_begin
 * and watch_end, and sleeps otherwise. It is how an interrupt or a lost client is noticed without a
 * round trip or a hook in the guest.
 */
#ifndef STUB_WATCH_H
#define STUB_WATCH_H

#include "winstub/err.h"

struct watch;

/* tick runs in the watch's thread, never after watch_end has returned. ERR_NOMEM: no thread to be had. */
MUST_USE enum err watch_new(void (*tick)(void *ctx), void *ctx, struct watch **out);
void watch_free(struct watch *watch); /* takes NULL */

/* Cost well under a microsecond each: a single step must not pay for a thread switch. */
void watch_begin(struct watch *watch);
void watch_end(struct watch *watch);

#endif
