/*
 * The CPU: x86 in ring 3 over a vm, 64-bit or 32-bit compatibility mode. This header names no
 * engine.
 *
 * Only cpu_stop may be called from another thread. Everything else is called between runs, never
 * from inside one.
 */
#ifndef WINSTUB_CPU_H
#define WINSTUB_CPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "winstub/err.h"
#include "winstub/gva.h"
#include "winstub/reg.h"
#include "winstub/vm.h"

struct cpu;

enum cpu_arch { CPU_I386, CPU_AMD64 };

/* Registers by name for core code. On i386 RAX means EAX and so on, upper halves read as 0. */
enum cpu_reg {
    CPU_RAX,
    CPU_RBX,
    CPU_RCX,
    CPU_RDX,
    CPU_RSI,
    CPU_RDI,
    CPU_RBP,
    CPU_RSP,
    CPU_R8,
    CPU_R9,
    CPU_R10,
    CPU_R11,
    CPU_R12,
    CPU_R13,
    CPU_R14,
    CPU_R15,
    CPU_RIP,
    CPU_EFLAGS,
    CPU_CS,
    CPU_SS,
    CPU_DS,
    CPU_ES,
    CPU_FS,
    CPU_GS,
    CPU_FS_BASE,
    CPU_GS_BASE,
    CPU_MXCSR,
    CPU_FCW,
    /* Debug registers, as a thread's CONTEXT has them. The CPU keeps them; who runs it acts on them. */
    CPU_DR0,
    CPU_DR1,
    CPU_DR2,
    CPU_DR3,
    CPU_DR6,
    CPU_DR7,
};
#define CPU_DEBUG_REGS (CPU_DR7 - CPU_DR0 + 1)

/*
 * Make a CPU over vm, which must outlive it: ring 3, flat segments (0x33/0x2b/0x53 or
 * 0x23/0x2b/0x53), EFLAGS 0x202, MXCSR 0x1f80, x87 control word 0x27f, everything else 0. Becomes
 * vm's observer.
 * ERR_UNSUPPORTED  the engine is too old or behaves otherwise than we rely on; why says which
 *                  version was found and what to do
 * ERR_NOMEM, ERR_ENGINE
 * About 2 ms, most of it the engine's own start; the self-probe is a few instructions.
 */
MUST_USE enum err cpu_new(struct vm *vm, enum cpu_arch arch, struct cpu **out, struct diag *why);
void cpu_free(struct cpu *cpu); /* takes NULL */

/* "Unicorn 2.1.4", "Capstone 4.0.2". Static. */
const char *cpu_engine_version(void);
enum cpu_arch cpu_get_arch(const struct cpu *cpu);

/* ---- Registers ------------------------------------------------------------------------------- */

uint64_t cpu_get(const struct cpu *cpu, enum cpu_reg reg);
void cpu_set(struct cpu *cpu, enum cpu_reg reg, uint64_t value);

/* The register table of an architecture, in GDB's order. Static. */
const struct target_reg *cpu_regs(enum cpu_arch arch, size_t *count);
/* Read or write register `index` of that table; little-endian, exactly bits / 8 bytes.
 * ERR_RANGE: no such register; ERR_INVALID: len is not its size. */
MUST_USE enum err cpu_reg_read(const struct cpu *cpu, size_t index, void *dst, size_t len);
MUST_USE enum err cpu_reg_write(struct cpu *cpu, size_t index, const void *src, size_t len);

/* A copy of every register (5.5 KB; save and load about 50 ns each). */
struct cpu_context;
struct cpu_context *cpu_context_new(const struct cpu *cpu); /* NULL when memory is short */
void cpu_context_free(struct cpu_context *context);
void cpu_context_save(const struct cpu *cpu, struct cpu_context *context);
void cpu_context_load(struct cpu *cpu, const struct cpu_context *context);

/*
 * Where rdtsc and rdtscp read: called from inside a run, on the running thread. Without it they
 * count themselves.
 */
void cpu_set_tsc(struct cpu *cpu, uint64_t (*read)(void *ctx), void *ctx);

/* ---- Running --------------------------------------------------------------------------------- */

/*
 * pc is where rip is, in every event. A #DB after an instruction under the guest's own TF is the
 * one exception whose pc is behind the instruction that caused it. A break comes before a fault or
 * trap of fetching the same instruction. Accesses to addresses that are not canonical are faults
 * too (VM_FAULT_KERNEL). A read-modify-write that may not read is a faulting write, as on a
 * processor.
 */
enum cpu_event_kind {
    CPU_EVENT_STOP,      /* cpu_stop was called */
    CPU_EVENT_LIMIT,     /* as much was executed as cpu_set_limit allows */
    CPU_EVENT_BREAK,     /* the instruction at pc, not yet executed, has a break */
    CPU_EVENT_STEP,      /* cpu_step: one instruction was executed (one iteration of a rep) */
    CPU_EVENT_FAULT,     /* an access was refused by vm; the instruction had no effect */
    CPU_EVENT_TRAP,      /* an access fell on a page under cpu_trap_set; no effect yet */
    CPU_EVENT_HOOK,      /* a hook (hook.h) stopped the run before an access; no effect yet */
    CPU_EVENT_EXCEPTION, /* CPU exception or int n: vector; pc is at the instruction */
    CPU_EVENT_SYSCALL,   /* syscall or int 2eh; pc is behind it (sysenter is a #GP) */
    CPU_EVENT_WRITTEN, /* cpu_writes_begin: the page at address is about to be executed; told once */
};

/* x86 exception vectors used in cpu_event. */
enum {
    CPU_VEC_DE = 0,
    CPU_VEC_DB = 1,
    CPU_VEC_BP = 3,
    CPU_VEC_OF = 4,
    CPU_VEC_BR = 5,
    CPU_VEC_UD = 6,
    CPU_VEC_GP = 13,
    CPU_VEC_MF = 16,
    CPU_VEC_XM = 19,
    CPU_VEC_SERVICE = 0x2e, /* NT's interrupt for system services */
};

struct cpu_event {
    enum cpu_event_kind kind;
    gva_t pc;
    /* FAULT, TRAP: the first accessed byte that was refused; HOOK: the operand; WRITTEN: the page */
    gva_t address;
    enum vm_access access; /* FAULT, TRAP, HOOK */
    unsigned size;         /* FAULT, TRAP, HOOK: bytes of that operand; 0 unknown */
    enum vm_fault fault;   /* FAULT */
    uint8_t vector;        /* EXCEPTION: CPU_VEC_*, or n of int n */
    uint8_t length;        /* EXCEPTION by int3, int n, icebp: the instruction's length; else 0 */
};

/*
 * Run until something happens. With pass_break the break at the current pc, if there is one, does
 * not stop the first instruction. A cpu_stop that came before is honoured at once.
 * ERR_ENGINE  the engine broke a promise; the guest's state is as the engine left it
 * ERR_NOMEM   for hooks behind breaks; the guest's state is good
 */
MUST_USE enum err cpu_run(struct cpu *cpu, bool pass_break, struct cpu_event *out);

/*
 * Execute one instruction, breaks ignored. With open, traps do not apply to it. Events as for
 * cpu_run, and CPU_EVENT_STEP. The guest's own TF and a pushed EFLAGS are what they would be
 * without us.
 */
MUST_USE enum err cpu_step(struct cpu *cpu, bool open, struct cpu_event *out);

/* Would cpu_run end at once, because of cpu_stop or the limit? For loops of steps. */
bool cpu_due(const struct cpu *cpu);

/*
 * From now on cpu_stop ends runs only between blocks, never in the middle of one, 10 microseconds to 1 ms later. What counts
 * does that anyway, at the same cost. ERR_NOMEM
 */
MUST_USE enum err cpu_stop_between_blocks(struct cpu *cpu);

/*
 * Count from now on what is executed: one unit for each byte of each instruction that was completed, each iteration of
 * a rep for itself, and once more for what finds its counter at the end. It does not depend on how code is divided
 * into blocks, runs and steps. Costs about 1 ns for each block of code; bench_cpu has the ratios. ERR_NOMEM
 */
MUST_USE enum err cpu_count(struct cpu *cpu);
/* What was executed since; also from inside the function of cpu_set_tsc. */
uint64_t cpu_work(const struct cpu *cpu);
/*
 * While counting: end runs (CPU_EVENT_LIMIT) at the first instruction before which cpu_work is at least `work`;
 * UINT64_MAX: never. Steps are not ended.
 */
void cpu_set_limit(struct cpu *cpu, uint64_t work);

/*
 * Stop the current or the next run; steps are not stopped. From any thread, also before the run.
 * Async-signal-safe. Returns when the run has ended, microseconds later, or after 20 ms at most.
 */
void cpu_stop(struct cpu *cpu);

/*
 * Breaks: stop before the instruction at addr; guest memory is never written. Unlimited; breaks
 * in code that does not run cost nothing. Adding one twice is one break. O(1) plus retranslation of
 * its block. ERR_NOMEM
 */
MUST_USE enum err cpu_break_add(struct cpu *cpu, gva_t addr);
void cpu_break_remove(struct cpu *cpu, gva_t addr);

/*
 * Traps: accesses of these kinds (vm_access bits) to a page, mapped or not, stop with
 * CPU_EVENT_TRAP; 0 removes. Other pages pay nothing. Both bare-mode imports (exec) and
 * watchpoints stand on this. ERR_NOMEM
 */
MUST_USE enum err cpu_trap_set(struct cpu *cpu, gva_t page, unsigned access);
/*
 * Of a page's stores only those that touch these bytes need stop: bit n for byte n. The others then take some 0.1 us
 * instead of 10, where the engine can do it. Until the page's next cpu_trap_set. May be without effect.
 */
struct cpu_trap_bytes {
    uint64_t bits[VM_PAGE_SIZE / 64];
};
void cpu_trap_narrow(struct cpu *cpu, gva_t page, const struct cpu_trap_bytes *stores);
/* The accesses that are trapped on a page; 0 for none. */
unsigned cpu_trap_get(const struct cpu *cpu, gva_t page);

/* ---- Looking on ------------------------------------------------------------------------------ */

/*
 * Tell fn of each block of code right before it runs for the first time, or for the first time since its bytes
 * changed or since this call; NULL ends it. fn is called from inside a run and may only read the vm. What runs
 * in blocks that are known already pays nothing.
 */
void cpu_on_block(struct cpu *cpu, void (*fn)(void *ctx, gva_t address, uint32_t size), void *ctx);

/* Tell fn of each access by a system service, before it happens; NULL ends it. fn may only read the vm. */
void cpu_on_served(struct cpu *cpu, void (*fn)(void *ctx, const struct vm_served *access),
                   void *ctx);

/*
 * Keep record of which pages the guest writes, itself or through system services, and report the first execution
 * of each afterwards as CPU_EVENT_WRITTEN.
 */
enum cpu_writes {
    CPU_WRITES_OFF,
    CPU_WRITES_FIRST, /* who wrote each page first; costs nothing but TLB misses */
    CPU_WRITES_LAST   /* who wrote it last: every store is looked at, about 25 ns each */
};
struct cpu_writer {
    gva_t page;
    gva_t pc;     /* of the store, or behind the system call; before Unicorn 2.1.4 in its block */
    uint32_t who; /* cpu_set_who's */
    bool service; /* a system service wrote it */
};
/* Begin anew. ERR_NOMEM: no record is kept. */
MUST_USE enum err cpu_writes_begin(struct cpu *cpu, enum cpu_writes how);
/* Keep no record any more, and forget what there is. */
void cpu_writes_end(struct cpu *cpu);
/* Whom records name from here on: the thread that runs. */
void cpu_set_who(struct cpu *cpu, uint32_t who);
/* Who wrote the page that holds addr. False: nobody since cpu_writes_begin. */
bool cpu_writer_at(const struct cpu *cpu, gva_t addr, struct cpu_writer *out);
/* Record i, in no order; false behind the last one. *at is 0 at first. */
bool cpu_writer_next(const struct cpu *cpu, size_t *at, struct cpu_writer *out);

#endif
