/*
 * One emulated Windows process: an image or raw code, TEB, PEB, parameters, shared user data, a stack; and either
 * real DLLs whose system calls are served, or, in bare mode, made-up modules whose functions stop in the debugger.
 */
#ifndef WINSTUB_PROCESS_H
#define WINSTUB_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "winstub/cpu.h"
#include "winstub/err.h"
#include "winstub/gva.h"
#include "winstub/vm.h"

struct buf;
struct process;

struct process_options {
    const char *path; /* host path of the program or code file */
    /* argc entries; argv[0] is the program as the guest sees it: it lies there when that is of the form
     * C:\folder\file, else on the drive that holds it, else in the root of C: or of the first drive that is free */
    const char *const *argv;
    size_t argc;
    /* "NAME=value", the last of a name holds; env_count entries, beside the built-in ones. "NAME" alone takes one away. */
    const char *const *env;
    size_t env_count;
    const char *
        cwd; /* guest path, C:\folder; NULL: the root of the first drive given, else the program's folder */
    /* "X=FOLDER": host folders that are drives of the guest's, which may change them; with DLLs only. drive_count entries */
    const char *const *drives;
    size_t drive_count;
    const char *
        registry; /* host path of a .reg file that furnishes the registry, NULL: none; with DLLs only */
    bool raw;     /* the file is code, not a PE */
    enum cpu_arch arch; /* raw only */
    /* Where to place it; 0: the image's preferred base, or a fixed "random" one when it says DYNAMIC_BASE and
     * has relocations; for raw code 0x10000000. Images lie at multiples of 64 KiB. */
    gva_t base;
    gva_t entry; /* raw only; offset from base */
    /* 0: what may be placed anywhere is at the same address in every run; else somewhere else for each number. */
    uint32_t placement;
    /* The folder with the DLLs: a Windows tree or Wine's layout. NULL: the first of roots (NULL-terminated, or NULL)
     * that holds them, else bare mode. Raw code runs in bare mode. */
    const char *root;
    const char *const *roots;
    /* The guest's clock is the host's, and nothing is counted while one thread runs; else it follows from what was executed. */
    bool host_time;
    /* Host descriptors behind the guest's standard input, output and errors, -1 for none; NULL: this process's. */
    const int *streams;
};

/*
 * Load the program and stand at its entry point, as if BaseThreadInitThunk had just called it: the return address is
 * an exit stub in kernel32 (process_is_exit), the argument is the PEB (x64: rcx; i386: on the stack and in ebx), rdx
 * is the entry point. A DLL is entered as DllMain(base, DLL_PROCESS_ATTACH, 1). Raw code is entered like a program.
 * As on Windows, a 32-bit image that is not marked NX_COMPAT may execute its data.
 * Static TLS data is set up; TLS callbacks and DLL entry points do not run.
 *
 * The clock starts with four hours of uptime, at 2026-01-01 12:00 UTC or the host's time. Addresses are the same in every run,
 * and so are time and the order in which threads run, unless the clock is the host's.
 * ERR_EXISTS   the base is taken or impossible, or the image cannot move away from a base that is
 * ERR_INVALID  an option; ERR_RANGE the entry of raw code; ERR_UNSUPPORTED no entry point, or cpu_new's
 * buf_read_file's, pe_parse's, pe_imports' and image_map's errors, and ERR_NOMEM
 * Every error is explained in why in one sentence that begins with the file's path.
 */
MUST_USE enum err process_new(const struct process_options *options, struct process **out,
                              struct diag *why);
/* It, and every process that was made in its machine, of which this is the first one. Takes NULL. */
void process_free(struct process *process);

struct vm *process_vm(struct process *process);
struct cpu *process_cpu(struct process *process);
/* A multiple of four that no process of the host can have. */
uint32_t process_pid(const struct process *process);

struct process_module {
    const char *name; /* "kernel32.dll" */
    const char *path; /* guest path */
    gva_t base;
    uint64_t size;
    gva_t entry;         /* 0: none */
    gva_t first_section; /* base + RVA of the first section */
    gva_t preferred;     /* ImageBase in its file */
    bool made_up;        /* bare mode's stand-in for a DLL that is not there */
};
/*
 * Module i in load order, the program first; NULL past the last. Raw code has no module of its own: a made-up
 * program stands first, so that code which counts finds ntdll second and kernel32 third, as in any process.
 */
const struct process_module *process_module(const struct process *process, size_t i);
/* Is module 0 the program itself? Not for raw code. */
bool process_has_image(const struct process *process);

/* A function that a module exports; texts are valid during the callback. */
struct process_export {
    const char *name; /* NULL: ordinal only */
    uint32_t ordinal;
    gva_t addr;            /* 0 for a forwarder */
    const char *forwarder; /* "NTDLL.RtlAllocateHeap"; NULL */
};
/* false ends the walk */
typedef bool process_export_fn(void *ctx, const struct process_export *export);
/*
 * Walk the exports of module i as they are in the guest's memory now; those of a damaged directory as far as it goes.
 * ERR_RANGE: there is no module i; ERR_NOMEM. O(size of the image).
 */
MUST_USE enum err process_exports(const struct process *process, size_t i, process_export_fn *fn,
                                  void *ctx);
/* Where a forwarder leads to; 0 when that is not loaded, or no such function. O(size of the images). */
gva_t process_forwarded(const struct process *process, const char *forwarder);

/* Tables by which code finds modules and functions without asking anybody. */
enum process_table_kind {
    PROCESS_TABLE_PEB,
    PROCESS_TABLE_LDR,        /* PEB_LDR_DATA */
    PROCESS_TABLE_ENTRY,      /* LDR_DATA_TABLE_ENTRY of a module */
    PROCESS_TABLE_ENTRY_NAME, /* the text of its name */
    PROCESS_TABLE_EXPORTS,    /* IMAGE_EXPORT_DIRECTORY of a module */
    PROCESS_TABLE_EXPORT_FUNCTIONS,
    PROCESS_TABLE_EXPORT_NAMES,    /* pointers to the names, */
    PROCESS_TABLE_EXPORT_ORDINALS, /* and what belongs to them */
};
struct process_table {
    enum process_table_kind kind;
    gva_t addr;
    uint64_t len;    /* bytes, not 0 */
    char module[64]; /* whose it is, cut at 63 bytes; "" for the process's own */
};
/* Call fn for each table as it lies in the guest's memory now, which is not trusted. */
void process_tables(const struct process *process,
                    void (*fn)(void *ctx, const struct process_table *table), void *ctx);
/* Append what is at addr, which lies in table: "PEB.Ldr", "kernel32.dll export names, 1031 entries". */
void process_table_text(const struct process *process, const struct process_table *table,
                        gva_t addr, struct buf *out);

/*
 * A file by its guest path (either separator, any case), as a debugger wants it: a module's own file, made-up ones as they
 * lie in memory, or any file that the guest could open. Writing obeys the same rules as the guest's.
 */
struct process_file;
enum {
    PROCESS_FILE_WRITE = 1,
    PROCESS_FILE_CREATE = 2, /* when it is not there */
    PROCESS_FILE_NEW = 4,    /* with CREATE: it must not be there */
    PROCESS_FILE_EMPTY = 8,  /* what was in it goes */
};
/*
 * *out is the caller's; it must be closed before the process goes. ERR_NOT_FOUND; ERR_EXISTS; ERR_INVALID: a folder, or no path of
 * a file; ERR_STATE: the guest may not do that there; ERR_IO, ERR_NOMEM
 */
MUST_USE enum err process_file_open(struct process *process, const char *path, unsigned flags,
                                    struct process_file **out);
void process_file_close(struct process_file *file); /* takes NULL */
/* Up to len bytes from offset, *got says how many; *size is the file's. ERR_IO */
MUST_USE enum err process_file_read(const struct process_file *file, uint64_t offset, void *dst,
                                    size_t len, size_t *got, uint64_t *size);
/* All of it, or ERR_IO; ERR_STATE: not opened for that. */
MUST_USE enum err process_file_write(struct process_file *file, uint64_t offset, const void *src,
                                     size_t len);
/* The errors of process_file_open. */
MUST_USE enum err process_file_remove(struct process *process, const char *path);

/* The host's name of a module's file. ERR_NOT_FOUND: it has none (a made-up module), or a longer one. ERR_NOMEM. */
MUST_USE enum err process_host_path(struct process *process, const char *path, char *out,
                                    size_t size);

struct process_handle {
    uint64_t value;
    uint32_t access;
    const char *type; /* "File" */
};
/*
 * The handle that follows `after`, 0 for the first, and in name (NULL: not wanted) the path of what it names. False past
 * the last, and always in bare mode.
 */
bool process_handle(const struct process *process, uint64_t after, struct process_handle *out,
                    struct buf *name);

/*
 * Does the process run on DLLs? Then it stands at ntdll's LdrInitializeThunk after process_new, exit and imports are
 * the DLLs' business, and its modules come and go.
 */
bool process_has_dlls(const struct process *process);
/* Why not, when `roots` were looked through in vain: one sentence that says what helps; "" otherwise. */
const char *process_missing_dlls(const struct process *process);
/*
 * Where the program's own code begins: in bare mode where it stands, with DLLs where the loader will call it. Until the first thread has
 * begun (PROCESS_LOADER), others may send it elsewhere: another process that replaces the program does.
 */
gva_t process_entry(const struct process *process);
/* Places in the program that a debugger may want to stop at first. */
enum process_place {
    PROCESS_MAIN,   /* C's main or wmain, from the symbol table in the file */
    PROCESS_TLS,    /* the first TLS callback */
    PROCESS_LOADER, /* where threads begin, in ntdll */
};
/* 0: the program has none, or nothing says where it is, as in bare mode. */
gva_t process_place(const struct process *process, enum process_place place);
/* Have modules come or gone since this was last asked? */
bool process_modules_changed(struct process *process);

/* EXCEPTION_RECORD. */
struct process_exception {
    uint32_t code;
    uint32_t flags;
    gva_t next; /* guest address of the record that led to this one; 0: none */
    gva_t address;
    uint32_t count; /* of info */
    uint64_t info[15];
    bool last_chance; /* nobody in the guest wanted it */
    bool
        fault; /* by the instruction at the pc: its CONTEXT has the resume flag, as on a processor */
};

enum process_syscall {
    PROCESS_SYSCALL_NONE,  /* there are no services: bare mode */
    PROCESS_SYSCALL_DONE,  /* served; the guest goes on */
    PROCESS_SYSCALL_WAITS, /* not done yet: the guest will ask again */
    PROCESS_SYSCALL_EXIT,  /* the process is over, with *exit_code */
    PROCESS_SYSCALL_RAISE, /* *exception is to be dispatched; registers are as it says */
};
/* Serve the system call that the CPU has stopped behind. */
enum process_syscall process_syscall(struct process *process, uint32_t *exit_code,
                                     struct process_exception *exception);
/*
 * Give an exception to the guest's handlers: the registers as they are become its CONTEXT, and the guest goes on in
 * ntdll. False when it cannot be: bare mode, a last chance, or no room on the stack.
 */
bool process_raise(struct process *process, const struct process_exception *exception);

/* A system call that the CPU has stopped behind, not served yet. */
struct process_call {
    const char *name; /* "NtCreateFile"; NULL: no service has this number */
    uint32_t number;
    bool known; /* winstub has that service */
    size_t arg_count;
    uint64_t arg[17];
};
/* False in bare mode, which has no services. */
bool process_call(const struct process *process, struct process_call *out);

/*
 * Where 64-bit user code raises exceptions of its own (ntdll's RtlRaiseException); 0: nowhere. Without a debugger in
 * the guest's sight it does so without asking the kernel, which therefore must look: this is a break of the CPU.
 */
gva_t process_raise_point(const struct process *process);
/*
 * The CPU stands there: do what NtRaiseException would. *exception is to be dispatched; registers are those behind the
 * call. False, and nothing has happened: the record cannot be read.
 */
bool process_raise_called(struct process *process, struct process_exception *exception);

struct process_thread {
    uint32_t tid;
    gva_t teb;
    gva_t stack_base, stack_limit; /* high end, low end of the committed part */
    const char *name;
};
const struct process_thread *process_thread(const struct process *process,
                                            size_t i); /* NULL past the last */
/* What thread i does: "running", "waiting for Event (handle 0x44), 20 ms left". Valid until it is asked again. */
const char *process_thread_state(const struct process *process, size_t i);

/* A thread was made, or has ended with exit_code. */
struct process_thread_event {
    bool begun;
    uint32_t tid;
    uint32_t exit_code;
};
/* Keep such events from now on, or no more. */
void process_watch_threads(struct process *process, bool on);
/* Take the oldest one; false when there is none. */
bool process_thread_event(struct process *process, struct process_thread_event *out);
/* Name a thread as SetThreadDescription does, cut at what is kept; UTF-8. */
void process_name_thread(struct process *process, uint32_t tid, const char *name);

/* ---- The processes of a machine --------------------------------------------------------------- */

/*
 * A process may make others: they live in the same machine and take turns with it. In what follows `any` is any
 * process of a machine. Those that have ended go when process_schedule is called next, but for the first one and
 * those that are kept.
 */
struct process_about {
    uint32_t pid, parent;     /* parent 0: it is the first one */
    const char *path;         /* guest path of its program, "" unknown */
    const char *command_line; /* as it was given at the start */
    size_t thread_count;
    bool suspended; /* every thread of it is */
};
/* The process that was made after `after`, the first one when that is NULL, of those that live; NULL past the last. */
struct process *process_next(const struct process *any, const struct process *after);
/* Texts are valid as long as the process. */
void process_about(const struct process *process, struct process_about *out);
/* The process whose turn it is or was last. */
struct process *process_running(const struct process *any);
/* Has it ended? Then *exit_code is what with. */
bool process_has_ended(const struct process *process, uint32_t *exit_code);
/*
 * End it with this code: its threads and handles go, who waits for it wakes. Nothing happens to one that has ended.
 * Between runs of the CPU.
 */
void process_end(struct process *process, uint32_t exit_code);
/* Do not free it when it has ended, or do. The first one is kept until process_free. */
void process_keep(struct process *process, bool kept);

/* A process was made, or has ended with exit_code, or was not made for want of DLLs of its width. */
struct process_event {
    bool begun;
    uint32_t pid, parent; /* pid 0: it was not made, which parent wanted */
    uint32_t exit_code;
    char path[260];  /* of its program, cut at what fits */
    struct diag why; /* it was not made: where DLLs were looked for, and what helps */
};
/* Keep such events from now on, or no more. */
void process_watch_processes(struct process *any, bool on);
/* Take the oldest one; false when there is none. */
bool process_event(struct process *any, struct process_event *out);

/* Something of the caller's that belongs to a process; gone (or NULL) is called right before CPU and memory go. */
void process_attach(struct process *process, void *data, void (*gone)(void *data));
void *process_attached(const struct process *process); /* NULL: nothing */

/* ---- Whose turn it is ------------------------------------------------------------------------ */

enum process_turn {
    PROCESS_TURN_RUNS, /* a thread is on the CPU of process_running: run it until CPU_EVENT_LIMIT or CPU_EVENT_STOP, then ask again */
    PROCESS_TURN_IDLE, /* nobody can run now; some milliseconds have passed: ask again */
    PROCESS_TURN_HELD, /* nobody can run of those that are not held */
    PROCESS_TURN_STUCK /* every thread waits, and nothing will end that */
};
/*
 * Choose the process and thread whose turn it is, and put the thread on its process's CPU; what has ended goes. Between the
 * ends of events in which a CPU stops; O(threads), about 0.2 us when the turn goes over.
 */
enum process_turn process_schedule(struct process *any);
/* The thread whose turn it is or was last. */
uint32_t process_current(const struct process *process);
/* Put this thread's registers on the CPU, for looking; process_schedule decides who runs. False: no such thread. */
bool process_select(struct process *process, uint32_t tid);
bool process_has_thread(const struct process *process, uint32_t tid);
/* Could it run, if it were its turn? */
bool process_is_ready(const struct process *process, uint32_t tid);
/* Keep a thread where it is, or no more; the same for threads that begin from now on. */
void process_hold(struct process *process, uint32_t tid, bool held);
void process_hold_new(struct process *process, bool held);
/* It is this thread's turn, and so its process's, if it can run. */
void process_prefer(struct process *process, uint32_t tid);
/* Append who waits for what, when all processes are stuck. */
void process_stuck(const struct process *any, struct buf *out);

/* What the guest ran into when it touched a guard page (VM_FAULT_GUARD). */
enum process_guard {
    PROCESS_GUARD_OTHER, /* no stack's guard page; it is still armed: STATUS_GUARD_PAGE_VIOLATION */
    PROCESS_GUARD_GROWN, /* the stack has grown as on Windows; run the instruction again */
    PROCESS_GUARD_OVERFLOW /* the stack is exhausted, its last pages are committed: STATUS_STACK_OVERFLOW */
};
enum process_guard process_guard_hit(struct process *process, gva_t addr);

/*
 * The made-up function whose stub starts at addr, as "KERNEL32!CreateFileA" or "WS2_32!#115".
 * False when addr is no such stub. Stubs are traps (cpu_trap_set, exec); the code behind them returns to the caller.
 */
bool process_import_at(const struct process *process, gva_t addr, struct buf *name);
/* Is addr where the entry point returns to? Reaching it ends the process with EAX as exit code. */
bool process_is_exit(const struct process *process, gva_t addr);

/* Append "hello.exe+0x1234" or "KERNEL32!CreateFileA" or, outside modules, the allocation's label; nothing when unknown. */
void process_where(const struct process *process, gva_t addr, struct buf *out);

/* What the guest prints goes to write instead of the host's descriptors; NULL: to those. Called inside process_syscall. */
void process_set_output(struct process *process,
                        void (*write)(void *ctx, const char *text, size_t len), void *ctx);

/*
 * The guest's clock, one for all processes, runs only between these two, which come in pairs; shared user data advances meanwhile, also in a
 * guest that only spins, provided that process_schedule is asked at each CPU_EVENT_LIMIT. Both together cost about
 * 0.15 us.
 */
void process_clock_start(struct process *process);
void process_clock_stop(struct process *process);

#endif
