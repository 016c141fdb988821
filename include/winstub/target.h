/*
 * The seam: all that the stub ever sees of a process. It speaks of memory, registers, threads, points and
 * stops, never of packets or of the CPU engine. The stub calls these; core/target.c implements them over a
 * process, tests/support/fake_target.c over nothing.
 *
 * An op that is NULL is unsupported: the stub does not advertise it and answers empty. Always there are
 * info, thread, interrupt and last_stop. Strings and tables returned by an op belong to the target and stay
 * valid until the next call of run.
 */
#ifndef WINSTUB_TARGET_H
#define WINSTUB_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "winstub/buf.h"
#include "winstub/bytes.h"
#include "winstub/err.h"
#include "winstub/gva.h"
#include "winstub/reg.h"

enum target_arch { TARGET_I386, TARGET_AMD64 };

struct target_info {
    enum target_arch arch;
    uint32_t pid;
    const char *exec_path; /* guest path of the program, "" when it has none (raw code) */
    gva_t exec_base;       /* load base; 0 when there is no image */
    uint64_t exec_size;    /* bytes */
    gva_t
        exec_first_section; /* base + RVA of the first section: GDB's TextSeg; 0 when there is no image */
};

struct target_thread {
    uint32_t tid;      /* Windows TID, never 0 */
    const char *name;  /* "main"; "" if none */
    const char *state; /* "running", "waiting for event 0x44"; "" if unknown */
    gva_t teb;
};

/* One of the guest's processes: the one that is debugged, or one that runs along with it. */
struct target_process {
    uint32_t pid;
    uint32_t parent;     /* 0: it is the first one */
    const char *state;   /* "debugged", "running", "suspended" */
    const char *program; /* guest path; "" if it has none (raw code) */
    const char *command; /* line, as it was started with */
};

struct target_library {
    const char *path; /* guest path: "C:\\Windows\\System32\\ntdll.dll" */
    gva_t base;
    uint64_t size;
    gva_t
        first_section; /* base + RVA of its first section: what GDB wants as the segment address */
    gva_t preferred;   /* where its file says that it should lie: ImageBase */
};

/* One run of like pages; free runs included. Windows' words (winstub/nt.h has the values). */
struct target_region {
    gva_t base;
    uint64_t size; /* bytes; base + size is the next region, the last one ends at the user limit */
    gva_t allocation_base;
    uint32_t allocation_protect;
    uint32_t state;    /* MEM_FREE, MEM_RESERVE, MEM_COMMIT */
    uint32_t protect;  /* PAGE_*; 0 unless committed */
    uint32_t type;     /* MEM_PRIVATE, MEM_MAPPED, MEM_IMAGE, 0 */
    const char *label; /* "" if none */
    const char *path;
};

/* What the guest could have asked its kernel for (NtAllocateVirtualMemory and its kin). */
enum target_memory_kind {
    MEMORY_RESERVE,
    MEMORY_COMMIT, /* at base 0: reserve anywhere, and commit */
    MEMORY_RESET,
    MEMORY_PROTECT,
    MEMORY_DECOMMIT,
    MEMORY_RELEASE, /* size 0: the allocation that begins at base */
};

struct target_memory {
    enum target_memory_kind kind;
    gva_t base; /* 0: anywhere, where that makes sense */
    uint64_t size;
    uint32_t protect; /* PAGE_*; of RESERVE, COMMIT and PROTECT */
};

/* How a file is opened: for reading only, or */
enum {
    TARGET_FILE_WRITE = 1,
    TARGET_FILE_CREATE = 2, /* when it is not there */
    TARGET_FILE_NEW = 4,    /* with CREATE: it must not be there */
    TARGET_FILE_EMPTY = 8,  /* what was in it goes */
};

struct target_handle {
    uint64_t value;
    uint32_t access;  /* the rights that it carries */
    const char *type; /* "File", "Key", "Section" */
    char name[512];   /* path of a file or key; "" if none, or a longer one */
};

enum point_kind {
    POINT_BREAK_SW, /* Z0 */
    POINT_BREAK_HW, /* Z1 */
    POINT_WRITE,    /* Z2 */
    POINT_READ,     /* Z3 */
    POINT_ACCESS,   /* Z4 */
};
#define POINT_BIT(kind) (1u << (kind))

/*
 * What a breakpoint decides and does by itself when it is hit, as GDB's bytecode (the GDB manual, "The GDB Agent
 * Expression Mechanism"; registers have the numbers of regs()). A hit counts when there is no condition or one of
 * them is not 0. One that counts runs the commands and goes on, or, without commands, stops.
 */
struct target_agent {
    const struct bytes *conditions;
    size_t condition_count;
    const struct bytes *commands;
    size_t command_count;
};

/*
 * A stop that the user asks for by name; it stays until it is removed, whoever connects. Patterns ignore case, * and
 * ? are wildcards.
 */
enum target_catch_kind {
    CATCH_ADDRESS, /* the instruction at addr */
    CATCH_EXPORT, /* functions that modules export: pattern MODULE!NAME, or NAME in any; also of modules to come */
    CATCH_SYSCALL, /* before system services: pattern of the name, or "unknown" for those that winstub lacks */
    CATCH_LOAD,    /* a module was mapped: pattern of its file name */
    CATCH_WATCH,   /* behind accesses of [addr, addr + len) as access says */
    CATCH_WRITTEN, /* before the first execution of a page that the guest has written; at most one */
};

struct target_catch {
    enum target_catch_kind kind;
    const char *pattern; /* "" where the kind has none */
    gva_t addr;
    uint64_t len;
    enum point_kind access;
    bool unchanged; /* WATCH: also writes that leave the bytes as they were */
    bool
        last; /* WRITTEN: know who wrote a page last, not first; each store costs about 25 ns then */
    uint32_t types; /* WRITTEN: MEM_IMAGE, MEM_PRIVATE, MEM_MAPPED bits of the pages meant; 0 all */
    bool log;       /* say so on the console and go on */
    unsigned id;    /* the target's; asking, the least that it may be */
    /* What the target says, not asks: */
    uint64_t hits;
    size_t places; /* ADDRESS, EXPORT: how many addresses it stands at now */
};

/* How often a breakpoint's address was reached; outlives the breakpoint, which GDB takes out at every stop. */
struct target_hits {
    gva_t addr;
    uint64_t reached;
    uint64_t counted; /* with a condition that was true, or none */
};

/* Who wrote a page, while there is a CATCH_WRITTEN. */
struct target_writer {
    gva_t page;
    gva_t
        pc; /* of the store; behind the system call when a service wrote, 0 when another process called it */
    uint32_t tid;
    bool service;
};

/* Tables whose reads by the program's own code can be traced: bits of target_ops.trace. */
enum {
    TRACE_PEB = 1,
    TRACE_LDR = 2,    /* PEB_LDR_DATA and the entries of its lists */
    TRACE_EXPORTS = 4 /* the export directories of the modules */
};

enum target_action_kind {
    ACTION_CONTINUE,
    ACTION_STEP,
    ACTION_RANGE, /* step until the pc is outside [lo, hi); at least once */
    ACTION_OUT,   /* step over until the function has returned to its caller */
    ACTION_HALT,  /* the thread stays where it is */
};

/* What a resumed thread shall do. Threads that no action names stay halted. */
struct target_action {
    enum target_action_kind kind;
    uint32_t tid; /* 0: every thread that no earlier action names */
    bool pass;    /* the pending exception is the guest's: dispatch it to its handlers */
    bool over;    /* STEP, RANGE: a call runs to its return and is one instruction */
    gva_t lo, hi; /* ACTION_RANGE; hi exclusive */
};

enum target_stop_kind {
    STOP_STEP,     /* a step or range step is done */
    STOP_BREAK_SW, /* pc is at a POINT_BREAK_SW */
    STOP_BREAK_HW,
    STOP_WATCH,     /* addr was accessed as `watch` says; pc is behind the access */
    STOP_EXCEPTION, /* code, addr: an EXCEPTION_RECORD; pc is at the instruction */
    STOP_INTERRUPT, /* target_ops.interrupt */
    STOP_LIBRARY,   /* the library list changed */
    STOP_IMPORT,    /* bare mode: a function of a DLL that is not there was called */
    STOP_EXIT,      /* the process ended with exit_code; nothing more can run */
    STOP_CATCH,     /* a target_catch; note says which and what */
    STOP_ENGINE,    /* the engine cannot go on; note says why */
    STOP_BEGUN,     /* thread tid was made; only after thread_events */
    STOP_ENDED,     /* thread tid has ended with exit_code; only after thread_events */
    STOP_NOBODY,    /* every thread that was resumed has ended */
    STOP_STUCK, /* all threads that may run wait, and nothing will end that; note says for what */
};

#define TARGET_INFO_MAX 15 /* EXCEPTION_MAXIMUM_PARAMETERS */

struct target_stop {
    enum target_stop_kind kind;
    uint32_t tid;
    uint32_t exit_code; /* STOP_EXIT, STOP_ENDED */
    uint32_t code;      /* STOP_EXCEPTION: an NTSTATUS such as STATUS_ACCESS_VIOLATION */
    /* STOP_EXCEPTION: ExceptionInformation; of an access violation 0 read, 1 write, 8 execute; address. */
    uint64_t info[TARGET_INFO_MAX];
    uint32_t info_count; /* how many of them the exception has: NumberParameters */
    bool
        first_chance; /* STOP_EXCEPTION: `pass` shows it to handlers of the guest that have not seen it */
    gva_t addr;       /* STOP_WATCH: the accessed address; STOP_EXCEPTION: ExceptionAddress */
    enum point_kind watch; /* STOP_WATCH */
    char note
        [512]; /* one line for the user: who, where, what, how; "" when there is nothing to say */
};

struct target_ops {
    void (*info)(void *ctx, struct target_info *out);

    /*
     * Debugger access: ignores protection, no side effect on the guest. read: copies up to len bytes, *got says
     * how many; ERR_FAULT when not even the first byte is there. write: all or nothing, ERR_FAULT.
     */
    enum err (*read)(void *ctx, gva_t addr, void *dst, size_t len, size_t *got);
    enum err (*write)(void *ctx, gva_t addr, const void *src, size_t len);
    /* The run of like pages that holds addr. ERR_RANGE: addr is above the user range. */
    enum err (*region)(void *ctx, gva_t addr, struct target_region *out);

    /*
     * Change the guest's memory by the rules that hold for its own calls; an NTSTATUS. On success base and size
     * are the range that was changed, and protect what PROTECT replaced.
     */
    uint32_t (*memory)(void *ctx, struct target_memory *change);

    const struct target_reg *(*regs)(void *ctx, size_t *count); /* in GDB's order; never changes */
    /* Register `reg` of that table, exactly its size. ERR_NOT_FOUND: no such thread; ERR_RANGE: no such register. */
    enum err (*reg_read)(void *ctx, uint32_t tid, size_t reg, void *dst, size_t len);
    enum err (*reg_write)(void *ctx, uint32_t tid, size_t reg, const void *src, size_t len);

    /* Process number i of those that live, in the order in which they were made; ERR_RANGE past the last one. */
    enum err (*process)(void *ctx, size_t i, struct target_process *out);
    /* Thread number i, counting from 0; ERR_RANGE past the last one. */
    enum err (*thread)(void *ctx, size_t i, struct target_thread *out);
    /* Library number i, without the program itself; ERR_RANGE past the last one. */
    enum err (*library)(void *ctx, size_t i, struct target_library *out);

    /* The handle that follows `after` in the process's table, 0 for the first; ERR_RANGE past the last one. */
    enum err (*handle)(void *ctx, uint64_t after, struct target_handle *out);

    /*
     * Files by their guest paths: those of the program and its libraries, and whatever else the guest could open.
     * flags: TARGET_FILE_*. An open file is closed before the target goes. ERR_NOT_FOUND; ERR_EXISTS; ERR_INVALID: no file, a
     * folder; ERR_STATE: not to be written; ERR_IO, ERR_NOMEM.
     */
    enum err (*file_open)(void *ctx, const char *path, unsigned flags, void **file);
    void (*file_close)(void *ctx, void *file);
    /* Up to len bytes from offset, *got says how many; *size is the file's, in bytes. ERR_IO. */
    enum err (*file_read)(void *ctx, void *file, uint64_t offset, void *dst, size_t len,
                          size_t *got, uint64_t *size);
    enum err (*file_write)(void *ctx, void *file, uint64_t offset, const void *src, size_t len);
    enum err (*file_remove)(void *ctx, const char *path);

    /* Where the host has the file of a library, by its guest path. ERR_NOT_FOUND: nowhere, or the name does not fit. */
    enum err (*host_path)(void *ctx, const char *path, char *out, size_t size);

    /* Bits POINT_BIT(kind) that point() accepts. */
    unsigned (*points)(void *ctx);
    /* Set or clear a point of len bytes. Setting twice is setting once; clearing an absent one succeeds. ERR_NOMEM, ERR_UNSUPPORTED. */
    enum err (*point)(void *ctx, enum point_kind kind, gva_t addr, size_t len, bool on);

    /*
     * Give the POINT_BREAK_SW or _HW at addr these expressions in place of those it had; without any it is a
     * plain breakpoint. They are copied, and go with the point. A condition that cannot be evaluated
     * (memory that is not there, division by 0) counts as true, and the stop's note says so.
     * ERR_NOT_FOUND: there is no such point. ERR_FORMAT, ERR_UNSUPPORTED, ERR_LIMIT: an expression is
     * refused; why says where and what for. ERR_NOMEM. A failure changes nothing.
     */
    enum err (*point_agent)(void *ctx, enum point_kind kind, gva_t addr,
                            const struct target_agent *agent, struct diag *why);
    /*
     * Where the text of commands goes: write is called from inside run. Without it (NULL) the text is dropped.
     * Control characters that come from the guest's memory are replaced. Comes together with point_agent.
     */
    void (*set_console)(void *ctx, void (*write)(void *arg, const char *text, size_t len),
                        void *arg);

    /* The same for what the guest itself prints, byte for byte; NULL: where it went when it was started. */
    void (*set_output)(void *ctx, void (*write)(void *arg, const char *text, size_t len),
                       void *arg);

    /*
     * Add a catch; *id is its number, from 1 on and higher than any before. ERR_INVALID, ERR_RANGE: why says what is wrong with it;
     * ERR_EXISTS: there is a CATCH_WRITTEN; ERR_UNSUPPORTED: this process has no such thing; ERR_NOMEM.
     */
    enum err (*catch_add)(void *ctx, const struct target_catch *what, unsigned *id,
                          struct diag *why);
    /* Remove a catch, or all of them for id 0. ERR_NOT_FOUND. Comes together with catch_add. */
    enum err (*catch_remove)(void *ctx, unsigned id);
    /* Catch number i, counting from 0; ERR_RANGE past the last one. Comes together with catch_add. */
    enum err (*catch_at)(void *ctx, size_t i, struct target_catch *out);
    /* Hit counter i in order of address; ERR_RANGE past the last one. */
    enum err (*hits)(void *ctx, size_t i, struct target_hits *out);
    /* Written page i in no order; ERR_RANGE past the last one. */
    enum err (*writer)(void *ctx, size_t i, struct target_writer *out);
    /* Trace reads of these tables from here on, on the console, each place once; 0 ends it. ERR_NOMEM */
    enum err (*trace)(void *ctx, unsigned tables);
    /*
     * Record which blocks of code run; `on` begins anew, and saves at the process's end when at_end is a name, not NULL.
     * What was recorded stays after the end, and can be saved in drcov's format, version 2, as a new file of this name
     * in the host's current directory: any client may ask, so a name with a folder in it, a hidden one, or one that is
     * taken is refused. ERR_STATE: there was no coverage; ERR_INVALID, ERR_EXISTS, ERR_IO, ERR_NOMEM; why says what and
     * where.
     */
    enum err (*coverage)(void *ctx, bool on, const char *at_end, struct diag *why);
    enum err (*coverage_save)(void *ctx, const char *file, struct diag *why);
    /* Append what is at addr: "hello.exe+0x1234", "KERNEL32!CreateFileA", an allocation's label; nothing if unknown. */
    void (*where)(void *ctx, gva_t addr, struct buf *out);

    /*
     * Note what the next run shall do; nothing moves yet. An interrupt from before is forgotten: it was meant
     * for a run that is over. ERR_NOT_FOUND: a tid does not exist; ERR_STATE: the process has ended. */
    enum err (*resume)(void *ctx, const struct target_action *acts, size_t n);
    /* Stop when a thread begins or ends, too; or no more. */
    void (*thread_events)(void *ctx, bool on);
    /* Run until something stops it. ERR_STATE: nothing was resumed. */
    enum err (*run)(void *ctx, struct target_stop *why);
    /* Stop the current or next run soon (within 10 ms). The one op that another thread may call. */
    void (*interrupt)(void *ctx);
    /* Why the process is stopped now; before the first run a STOP_STEP. */
    void (*last_stop)(void *ctx, struct target_stop *out);
    /* End the process. */
    void (*kill)(void *ctx);
};

/* A target as the stub holds it. */
struct target {
    const struct target_ops *ops;
    void *ctx;
};

#endif
