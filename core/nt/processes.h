/*
 * The processes of a machine: the list of them, the objects by which others know them, and their ends. An object outlives its
 * process, with exit code and times, while somebody has a handle to it. How a process is built is process.c's.
 */
#ifndef CORE_NT_PROCESSES_H
#define CORE_NT_PROCESSES_H

#include <stdbool.h>
#include <stdint.h>

#include "nt/handles.h"
#include "winstub/gva.h"
#include "winstub/process.h"

struct machine;
struct thread;

/* How many can live at a time: each has an engine of its own. */
#define PROCESSES_MAX 64u

struct process_object {
    struct object object; /* signaled when the process has ended; the process has one reference */
    struct process_object *next; /* of the machine's */
    struct machine *machine;
    struct process *process; /* NULL: it has ended */
    uint32_t pid, parent;    /* parent 0: none */
    uint32_t exit_code;      /* when it has ended */
    uint64_t created, ended; /* system time, 100 ns; 0: not yet */
    uint64_t used;           /* time that it ran, 100 ns, when it has ended */
    gva_t peb;
    bool wow64;             /* a 32-bit one, of a machine whose first process is a 64-bit one */
    uint8_t priority_class; /* PROCESS_PRIORITY_CLASS_*; nothing follows from it */
    char *image_path;       /* guest path of the program */
    char *command_line;     /* as it was when the process began */
};

extern const struct object_class process_class;

/*
 * Put a process into the machine's list, behind the others, with an object and a number. parent NULL: it is the first one.
 * ERR_NOMEM;
 * ERR_LIMIT: there are PROCESSES_MAX
 */
MUST_USE enum err processes_add(struct machine *machine, struct process *p,
                                const struct process *parent);
/* The object of that number, also of a process that has ended while somebody has a handle to it; NULL. */
struct process_object *processes_find(const struct machine *machine, uint32_t pid);
/* The thread of that number, of whichever process; NULL. */
struct thread *processes_thread(const struct machine *machine, uint32_t tid);

/* The command line that the guest has now, "" when none can be read; NULL when memory is short. malloc'd. */
char *processes_command_line(const struct process *p);
/* The base priority of its threads, as its class says. */
unsigned process_priority(const struct process_object *object);
/* The process is built: its object takes over what is asked about it later. ERR_NOMEM */
MUST_USE enum err processes_name(struct process *p);
/* Its threads take their turns from here on, and who watches processes is told. */
void process_begin(struct process *p);
/*
 * Services that end another process call process_end (winstub/process.h); one that ends the caller's own returns CALL_ENDS
 * instead, and whoever runs the process ends it then. Its memory goes when the machine next chooses whose turn it is.
 */

/* A process that has never begun goes, and nobody is told. */
void process_discard(struct process *p);
/* Tell who watches processes that there are no DLLs for a program that parent wants to start. */
void process_refused(const struct process *parent, const char *path, const struct diag *why);

/* Free what processes that have ended left, those that somebody keeps aside. Between runs of a CPU. */
void processes_reap(struct machine *machine);
/* All of them go, and the machine. */
void processes_free(struct machine *machine); /* takes NULL */

#endif
