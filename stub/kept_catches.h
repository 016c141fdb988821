/*
 * The stops that a user has asked for by name (`monitor break` and its kin), from one process to the next: they stay, as
 * gdb's breakpoints do, with their numbers. Names are looked for anew in the new process, addresses are taken as they are.
 */
#ifndef STUB_KEPT_CATCHES_H
#define STUB_KEPT_CATCHES_H

#include "session.h"

struct kept_catches {
    struct target_catch *list; /* their patterns are their own */
    size_t count;
};

/* Copy those of the target, which may then go. ERR_NOMEM; *kept is to be let go in any case. */
MUST_USE enum err kept_catches_take(struct kept_catches *kept, const struct target *target);
/* Set them in the stub's target, which has none yet; what cannot be set is said to the user. */
void kept_catches_set(const struct kept_catches *kept, struct stub *s);
void kept_catches_fini(struct kept_catches *kept);

#endif
