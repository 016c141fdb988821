/*
 * What all processes of one winstub share: files, registry, names of objects, pipes, timers, time, numbers; and the list of them.
 * What is a process's own is parts.h's and kernel.h's. Every process has a machine; in bare mode nothing of the guest's is in it.
 */
#ifndef CORE_NT_MACHINE_H
#define CORE_NT_MACHINE_H

#include "nt/directory.h"
#include "nt/events.h"
#include "nt/files.h"
#include "nt/pipes.h"
#include "nt/registry.h"
#include "nt/root.h"
#include "nt/shared.h"
#include "nt/sync.h"
#include "winstub/process.h"

#define MACHINE_WIDTHS 2 /* enum cpu_arch */

struct machine {
    struct process *processes; /* in the order of their creation */
    struct process_object
        *objects; /* theirs and of those that have ended, in the order of their numbers */
    struct process *running;  /* whose turn it is, or was last: its clock has the time */
    unsigned gone;            /* processes that have ended and whose memory is still to be freed */
    uint32_t last_id;         /* of a process or thread */
    uint64_t drawn;           /* random numbers */
    uint64_t slice_end;       /* when others get their turn; guest time, 100 ns */
    uint64_t next_due;        /* no wait and no timer ends before; guest time */
    uint64_t waits_begun;     /* orders waits */
    struct shared_time began; /* the time at which every clock of it starts */
    bool host_time;
    uint32_t placement;   /* of images, as the options have it */
    int streams[3];       /* host descriptors behind standard input, output and errors; -1: none */
    bool clock_runs;      /* process_clock_start */
    struct events events; /* struct process_event */
    struct {
        struct root root;
        enum err e; /* why there is none, */
        struct diag why;
    } dlls[MACHINE_WIDTHS]; /* for programs of that width */
    struct volumes volumes;
    struct registry *registry;
    struct directory directory;
    struct pipes pipes;
    struct timer *timers;
    struct keyed_event keyed;                                /* the one that handle 0 means */
    void (*output)(void *ctx, const char *text, size_t len); /* process_set_output */
    void *output_ctx;
};

/* One without anything in it, at the time that its first process begins at. ERR_NOMEM */
MUST_USE enum err machine_new(const struct process_options *options, struct machine **out,
                              struct diag *why);
/* Look for DLLs of either width where the options say; machine_root tells which are there. */
void machine_find_dlls(struct machine *machine, const struct process_options *options);
/* The DLLs for programs of that width; root_open's errors, and why says what helps. */
MUST_USE enum err machine_root(const struct machine *machine, enum cpu_arch arch,
                               const struct root **out, struct diag *why);
/*
 * Open what the guest finds: the drives that the options name, a System32 for each width that there are DLLs for, and a
 * registry furnished with their file. why says what is wrong with which.
 */
MUST_USE enum err machine_furnish(struct machine *machine, const struct process_options *options,
                                  struct diag *why);
void machine_free(struct machine *machine); /* after its processes; takes NULL */

/* The guest's time now. */
struct shared_time machine_now(const struct machine *machine);
/* A number for a process or a thread. */
uint32_t machine_id(struct machine *machine);
/* Any number: the same row of them in every run that begins at the same time. No secret. */
uint64_t machine_random(struct machine *machine);

#endif
