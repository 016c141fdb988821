/*
 * Events of one kind that are kept for whoever runs a guest until he asks for them, oldest first. Whoever does not want
 * them has none kept for him.
 */
#ifndef CORE_NT_EVENTS_H
#define CORE_NT_EVENTS_H

#include <stdbool.h>
#include <stddef.h>

#include "winstub/buf.h"

struct events {
    struct buf kept; /* one behind the other; all zero: they are not wanted */
};

/* Forget what is kept; keep them from now on, or no more. */
void events_watch(struct events *events, bool on);
/* size is the kind's. Beyond a megabyte of them, or without memory, it is lost. */
void events_keep(struct events *events, const void *event, size_t size);
/* Take the oldest one; false when there is none. */
bool events_take(struct events *events, void *out, size_t size);

#endif
