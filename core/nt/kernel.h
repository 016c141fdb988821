/*
 * What a process has beside bare mode's parts when DLLs run on system services: the kernel's side of it. What it shares with
 * other processes is machine.h's.
 */
#ifndef CORE_NT_KERNEL_H
#define CORE_NT_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nt/handles.h"
#include "nt/numbers.h"
#include "nt/root.h"
#include "winstub/image.h"
#include "winstub/process.h"

/* ntdll's functions that the kernel calls. 0: this ntdll has none. */
struct entry_points {
    gva_t start;     /* LdrInitializeThunk */
    gva_t thread;    /* RtlUserThreadStart */
    gva_t exception; /* KiUserExceptionDispatcher */
    gva_t apc;       /* KiUserApcDispatcher */
    gva_t raise;     /* RtlRaiseException, in 64-bit processes */
};

/* What the program's header says and services repeat. */
struct program_facts {
    uint64_t stack_reserve, stack_commit;
    uint16_t subsystem, characteristics, dll_characteristics, machine;
};

struct kernel {
    const struct root *root; /* the machine's */
    struct handles handles;
    struct numbers numbers;
    struct entry_points entry_points;
    bool apc_takes_arguments; /* older Wine: KiUserApcDispatcher is a function of five arguments */
    uint32_t requests;        /* that are pending */
    gva_t ntdll;
    gva_t gate; /* code of ours by which 32-bit DLLs enter the kernel; 0: not there yet */
    bool wine;  /* ntdll is Wine's; its codes for what only Wine's Unix side does follow */
    uint32_t wine_time, wine_write;
    gva_t program_entry;             /* where the program's own code begins, as its file says */
    gva_t program_start;             /* process_entry */
    gva_t program_main, program_tls; /* process_place; 0: not known */
    struct program_facts program;
    uint32_t execute_flags; /* EXECUTE_* */
    bool modules_changed;   /* since the debugger was last told */
};

#define GENERIC_ALL 0x10000000u

/* ProcessExecuteFlags: may data be executed? The last one is for good, and without the kernel's knowledge of ATL's thunks. */
enum {
    EXECUTE_CODE_ONLY = 1,
    EXECUTE_DATA = 2,
    EXECUTE_PERMANENT = 8,
    EXECUTE_NEVER_DATA = 0x0d,
};

/* ---- kernel.c --------------------------------------------------------------------------------- */

/* Begin with the DLLs that the machine has for the process's width. machine_root's errors, ERR_NOMEM */
MUST_USE enum err kernel_new(struct process *p, struct diag *why);
/* Handles for the machine's standard streams, which children inherit: HANDLE_STDIN and so on in a process without any. ERR_NOMEM */
MUST_USE enum err kernel_streams(struct process *p, struct diag *why);
/* The same for any process: handles receives them. STATUS_NO_MEMORY, STATUS_INSUFFICIENT_RESOURCES */
MUST_USE nt_status kernel_add_streams(struct process *p, uint64_t handles[3]);
void kernel_free(struct kernel *kernel); /* takes NULL */

/* ---- start.c ---------------------------------------------------------------------------------- */

struct program;

/*
 * Map ntdll, make the tables and the first thread, which has not begun. Needs the program in its place.
 */
MUST_USE enum err start_make(struct process *p, struct program *program, struct diag *why);

/*
 * Give a thread on the CPU that has stack and TEB the registers from which ntdll will call start(argument). It has not begun:
 * whoever looks at its registers sees these, and whoever changes them says where it goes when the loader is done.
 */
void start_enter(struct thread *thread, gva_t start, uint64_t argument);
/*
 * A thread on the CPU begins: its registers become a CONTEXT on its stack, and it stands at LdrInitializeThunk. False: it has
 * no stack there, and stands where its registers are.
 */
bool start_begin(struct thread *thread);
/* Bytes of stack that a thread needs committed until it begins. */
uint64_t start_commit(const struct kernel *kernel);

/* ---- images.c --------------------------------------------------------------------------------- */

/*
 * Map a view of an image where it wants to be or, when it may move, where Windows would put it, and list it as a module.
 * STATUS_SUCCESS; STATUS_IMAGE_NOT_AT_BASE (also a success); STATUS_CONFLICTING_ADDRESSES; STATUS_NO_MEMORY;
 * STATUS_INVALID_IMAGE_FORMAT  the relocations are damaged. want 0: anywhere.
 */
MUST_USE nt_status images_map(struct process *p, struct image_views *views,
                              const struct pe_image *image, const char *path, gva_t want,
                              gva_t *base);
/* List what is mapped there already. ERR_NOMEM */
MUST_USE enum err images_list(struct process *p, const struct pe_image *image, const char *path,
                              gva_t base);
/* The view at base is gone: take it from the list. */
void images_forget(struct process *p, gva_t base);

/* ---- gate.c ----------------------------------------------------------------------------------- */

/*
 * Learn the services of a DLL that lies at base, laid out in `mapped` as it does there, and open its way to them.
 * *count: how many it has. ERR_NOMEM, and pe_exports' errors; ERR_FORMAT when its way into the kernel is none we know.
 */
MUST_USE enum err gate_open(struct process *p, const struct pe_image *dll, gva_t base,
                            struct bytes mapped, size_t *count, struct diag *why);
/*
 * The CPU is behind a system call: if that was made in the gate, go on behind the gate's caller, in a DLL, from where a
 * debugger knows the way.
 */
void gate_leave(struct process *p);
/*
 * Behind gate_leave: where the function of ntdll that made the system call will return to; 0 when that is not to be
 * read. A program that makes the call itself puts there what it likes.
 */
gva_t gate_caller(struct process *p);
/* *at: guest address of code that makes a system call of a call of Wine's Unix side. ERR_NOMEM */
MUST_USE enum err gate_unix_call(struct process *p, gva_t *at, struct diag *why);

/* ---- wine.c ----------------------------------------------------------------------------------- */

/* Prepare a mapped ntdll of Wine's: its calls of Unix code go to a service of ours. Others are left alone. */
MUST_USE enum err wine_prepare(struct process *p, const struct pe_image *ntdll, struct bytes mapped,
                               struct diag *why);

#endif
