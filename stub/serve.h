/* One server: clients come and go one after the other, the guest lives through them. */
#ifndef STUB_SERVE_H
#define STUB_SERVE_H

#include "net.h"
#include "winstub/err.h"
#include "winstub/stub.h"
#include "winstub/target.h"

/*
 * Serve clients until the guest is killed or ends. listener NULL: one client on standard input and output.
 * *last is why the guest stands still at the end. ERR_NOMEM, ERR_IO (the listener broke).
 */
MUST_USE enum err serve(struct stub *stub, const struct target *target,
                        const struct net_listener *listener, struct target_stop *last);

#endif
