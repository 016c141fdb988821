/*
 * What all processes of one winstub share: files, registry, names of objects, pipes, timers. What is a process's own is kernel.h's.
 */
#ifndef CORE_NT_MACHINE_H
#define CORE_NT_MACHINE_H

#include "nt/directory.h"
#include "nt/files.h"
#include "nt/pipes.h"
#include "nt/registry.h"
#include "nt/sync.h"
#include "winstub/process.h"

struct machine {
    struct volumes volumes;
    struct registry *registry;
    struct directory directory;
    struct pipes pipes;
    struct timer *timers;
    struct keyed_event keyed;                                /* the one that handle 0 means */
    void (*output)(void *ctx, const char *text, size_t len); /* process_set_output */
    void *output_ctx;
};

/* Open what the options name for the guest: drives, and a registry furnished with their file. why says what is wrong with which. */
MUST_USE enum err machine_new(const struct process_options *options, struct machine **out,
                              struct diag *why);
void machine_free(struct machine *machine); /* after its processes; takes NULL */

#endif
