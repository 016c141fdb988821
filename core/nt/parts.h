/*
 * The inside of a process, and the steps that build one; shared by the files of core/nt and by nobody else.
 * process.c runs the steps in order; each step says what it needs from the ones before.
 */
#ifndef CORE_NT_PARTS_H
#define CORE_NT_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nt/clock.h"
#include "nt/threads.h"
#include "winstub/buf.h"
#include "winstub/image.h"
#include "winstub/nt.h"
#include "winstub/process.h"

/* One function of a made-up module. Its code lies PE_STUB_SIZE bytes behind the one before. */
struct stub {
    uint32_t name;    /* offset in the module's names; 0: it has only an ordinal */
    uint16_t ordinal; /* when it has no name */
    uint8_t args;     /* bytes of arguments that it pops, in 32-bit code */
};

struct file;           /* files.h */
struct kernel;         /* kernel.h */
struct machine;        /* machine.h */
struct parameters;     /* parameters.h */
struct process_object; /* processes.h */

struct module {
    struct process_module info; /* its texts are name and path below */
    char *name;                 /* "kernel32.dll" */
    char *path;                 /* "C:\Windows\System32\KERNEL32.DLL" */
    uint32_t timestamp;
    bool has_tls;
    struct buf names; /* NUL-terminated, the empty one first */
    struct stub *stubs;
    size_t stub_count;
    gva_t stubs_at; /* where stub 0 is */
};

/* Where things go when nothing says otherwise: the lowest address to try, for DLLs the highest. */
struct plan {
    gva_t program, dlls, stack, teb, heap;
};

struct process {
    struct vm *vm;
    struct cpu *cpu;
    struct clock *clock;
    enum cpu_arch arch;
    struct plan plan;
    gva_t user_limit;       /* where its addresses end */
    struct module *modules; /* in load order */
    size_t module_count;
    bool has_image;
    char *image_path; /* guest path of the program, or of the made-up one that runs raw code */
    char *host_path;  /* where the program's file is */
    char *directory;  /* current directory, ends with '\' */
    gva_t peb;
    gva_t exit_stub;
    struct threads threads;
    struct kernel *kernel; /* NULL: bare mode */
    struct machine *machine;
    struct process *next; /* of the machine's */
    struct process_object *object;
    bool begun, ended; /* processes.h */
    bool kept;         /* somebody looks at it although it has ended: it is not freed */
    void *attached;    /* process_attach */
    void (*gone)(void *attached);
    struct diag missing; /* why, when DLLs were looked for and not found */
};

/* The handles that console programs are started with. Nothing answers to them in bare mode. */
enum { HANDLE_STDIN = 0x50, HANDLE_STDOUT = 0x54, HANDLE_STDERR = 0x58 };

/* What a process is made of, while it is built. */
struct program {
    const struct process_options *options; /* the user's; NULL: a guest makes a child */
    const struct file *from;               /* of this file, */
    const struct parameters *parameters;   /* started with these */
    struct buf file;                       /* what is in it */
    struct pe_image *image;                /* NULL: raw code */
    uint8_t *mapped;                       /* image_size bytes as pe_layout made them */
    gva_t base;
    gva_t entry;
};

/* ---- process.c -------------------------------------------------------------------------------- */

/*
 * Build a child of a process, in its machine: its own address space, CPU and handles, of which it has none, and DLLs of its width; its
 * time is the machine's. Nothing of it runs before process_begin. program: one that program_read has read, with parameters;
 * each makes one process.
 * machine_root's errors: there are no DLLs of its width; ERR_UNSUPPORTED: also without an entry point; ERR_EXISTS: there is no
 * room for the image; ERR_LIMIT: there are PROCESSES_MAX; ERR_FORMAT, ERR_NOMEM. why begins with the program's guest path.
 */
MUST_USE enum err process_new_beside(struct process *parent, struct program *program,
                                     struct process **out, struct diag *why);
/* Everything of a process goes but its object. */
void process_dismantle(struct process *p);
/* Where shared user data lies in the host now; NULL: nowhere. */
uint8_t *process_shared_page(struct process *p);

/* ---- place.c: address space and the program in it --------------------------------------------- */

/*
 * Begin a child's program: read and parse a file that a guest has opened, which has to stay. section_read_image's statuses.
 * program_fini is due in any case.
 */
MUST_USE nt_status program_read(struct program *program, const struct file *file);
/* The same for the file that the options name. ERR_RANGE: the entry of raw code; buf_read_file's and pe_parse's errors */
MUST_USE enum err program_open(struct program *program, const struct process_options *options,
                               struct diag *why);
void program_fini(struct program *program);
/* The host's, or for a child the guest's name of the file, for messages. */
const char *program_path(const struct program *program);
/* Width, paths and folder of the process, as the program says. ERR_UNSUPPORTED: it has no entry point; ERR_INVALID, ERR_NOMEM */
MUST_USE enum err program_name(struct process *p, const struct program *program, struct diag *why);
/* Windows 10 is set to "opt in": 32-bit programs have data execution prevention when they say so, others always. */
bool program_wants_dep(const struct program *program);
/* Make the address space that suits the program, with shared user data at time now. */
MUST_USE enum err process_space(struct process *p, const struct program *program,
                                const struct shared_time *now, struct diag *why);
/* Map the program and set its base and entry. */
MUST_USE enum err program_place(struct process *p, struct program *program, struct diag *why);
/* A free place for size bytes at or above lowest; anywhere when there is none. */
MUST_USE enum err process_find(const struct process *p, gva_t lowest, uint64_t size, gva_t *base,
                               struct diag *why);

/* ---- modules.c -------------------------------------------------------------------------------- */

/* List the program, make up and map the DLLs, bind the program's imports to them. */
MUST_USE enum err modules_make(struct process *p, struct program *program, struct diag *why);
/* Stop the CPU at every stub. */
MUST_USE enum err modules_trap(struct process *p, struct diag *why);
void modules_free(struct process *p);
/* Address of the named stub of module `dll`; 0 when there is none. */
gva_t modules_find(const struct process *p, const char *dll, const char *name);

/* ---- where.c ---------------------------------------------------------------------------------- */

/* The module that holds addr; NULL when none does. O(modules). */
const struct module *modules_at(const struct process *p, gva_t addr);

/* ---- exports.c -------------------------------------------------------------------------------- */

/* The export directory as the module's headers in memory say, inside the module; false when there is none. */
bool exports_directory(const struct process *p, const struct process_module *m, uint32_t *rva,
                       uint32_t *size);

/* ---- tables.c, loader.c: what user code reads ------------------------------------------------- */

/*
 * PEB, process parameters, environment, and in bare mode what ntdll would make: loader data, heap header. Needs the
 * modules. api_set: guest address of the API set map, 0 for none.
 */
MUST_USE enum err tables_make(struct process *p, const struct program *program, gva_t api_set,
                              struct diag *why);
/* PEB_LDR_DATA and its lists; *out is its address. */
MUST_USE enum err loader_make(struct process *p, gva_t *out, struct diag *why);

/* ---- thread.c --------------------------------------------------------------------------------- */

/* The first thread, with a stack as the image asks for it; it is on the CPU. Needs the CPU. */
MUST_USE enum err thread_first(struct process *p, const struct pe_image *image, uint64_t least,
                               struct thread **out, struct diag *why);
/* Stack, TEB, TLS block and registers of the first thread. Needs the PEB and the CPU. */
MUST_USE enum err thread_make(struct process *p, const struct program *program, struct diag *why);

#endif
