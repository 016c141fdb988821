/* One server: clients come and go one after the other, the guest lives through them. */
#ifndef STUB_SERVE_H
#define STUB_SERVE_H

#include <stdbool.h>

#include "net.h"
#include "winstub/err.h"
#include "winstub/stub.h"
#include "winstub/target.h"

/*
 * Serve clients until the guest is killed or ends, or, once one has used extended mode, for ever.
 * listener NULL: one client on standard input and output.
 * running: the guest runs on before the first one comes, which stops it.
 * *last is why the guest stands still at the end. ERR_NOMEM, ERR_IO (the listener broke).
 */
MUST_USE enum err serve(struct stub *stub, const struct target *target,
                        const struct net_listener *listener, bool running,
                        struct target_stop *last);

/* Is it a stop that only a debugger would care about: an exception that the guest may handle, a library? */
bool serve_passes(const struct target_stop *stop);

#endif
