/*
 * Stops that the user asks for by name (struct target_catch): functions of modules that come and go, system services,
 * modules, bytes, pages that were written. This is the list and where its addresses are; when the run loop stops is
 * caught.c's matter.
 */
#ifndef CORE_RUN_CATCHES_H
#define CORE_RUN_CATCHES_H

#include <stdbool.h>
#include <stddef.h>

#include "winstub/process.h"
#include "winstub/target.h"

struct catch
{
    struct target_catch what; /* its pattern is this catch's own */
};

/* An address that a catch stands at. */
struct catch_place {
    gva_t addr;
    unsigned id;
    char *name; /* "kernel32!WinExec"; NULL for a plain address */
};

struct catches {
    struct catch *list; /* by id */
    size_t count, cap;
    unsigned last_id;
    struct catch_place *places; /* by address, then by id */
    size_t place_count, place_cap;
};

void catches_fini(struct catches *catches);

/* Append a catch, without its places; what->id is the least number that it may get. *out is valid until the list changes. ERR_NOMEM */
MUST_USE enum err catches_add(struct catches *catches, const struct target_catch *what,
                              struct catch **out);
/* The catch with that number, or NULL. */
struct catch *catches_find(const struct catches *catches, unsigned id);
/* Take a catch, which has no places any more, from the list. */
void catches_drop(struct catches *catches, struct catch *c);

/* Index of the first place at or above addr. */
size_t catches_places(const struct catches *catches, gva_t addr);
/* Does any catch stand at addr? */
bool catches_at(const struct catches *catches, gva_t addr);
/* Put a place in; twice is once. *fresh: no other catch stood at addr. ERR_NOMEM */
MUST_USE enum err catches_place(struct catches *catches, struct catch *c, gva_t addr,
                                const char *name, bool *fresh);
/* Take place i out. */
void catches_unplace(struct catches *catches, size_t i);

#endif
