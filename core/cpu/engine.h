/*
 * What core/cpu knows of the emulation engine: one x86-64 processor in virtual-TLB mode over one
 * arena. No engine type shows here; cpu_unicorn.c is the only implementation. Policy (what a page
 * may do, what a stop means) is decided by the callbacks' owner.
 *
 * Callbacks run inside engine_run, fill also inside engine_remove_code. They may call engine_stop,
 * engine_get and engine_set, nothing else of this header. Nothing here is thread-safe but
 * engine_stop, and that from another thread only when engine_async_stop says so.
 */
#ifndef WINSTUB_CORE_CPU_ENGINE_H
#define WINSTUB_CORE_CPU_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "winstub/cpu.h"

struct engine;
struct meter;

/* Registers beyond enum cpu_reg, which comes first and has the same numbers; the engine has no debug registers. */
enum engine_reg {
    ENGINE_FSTAT = CPU_DR7 + 1,
    ENGINE_FTAG,
    ENGINE_FISEG,
    ENGINE_FIOFF,
    ENGINE_FOSEG,
    ENGINE_FOOFF,
    ENGINE_FOP,
    ENGINE_ST0,
    ENGINE_XMM0 = ENGINE_ST0 + 8,
    ENGINE_REG_COUNT = ENGINE_XMM0 + 16
};

#define ENGINE_REG_BYTES 16 /* the largest register */

struct engine_hooks {
    void *ctx;
    /*
     * A TLB miss at page. False refuses: engine_run ends before the instruction with
     * ENGINE_REFUSED.
     */
    bool (*fill)(void *ctx, gva_t page, enum vm_access want, struct vm_fill *out);
    /*
     * An exception or a software interrupt; rip is behind a software interrupt, else at the
     * instruction.
     */
    void (*interrupt)(void *ctx, uint32_t vector);
    void (*syscall)(void *ctx);            /* rip is at it */
    void (*cpuid)(void *ctx);              /* sets eax ebx ecx edx */
    void (*tsc)(void *ctx, bool with_aux); /* sets eax edx, with_aux (rdtscp) also ecx */
    /* A block was translated and is about to run; engine_stop stops before it. */
    void (*translated)(void *ctx, gva_t address, uint32_t size);
    void (*code)(void *ctx, gva_t address);                 /* see engine_hook_code */
    void (*block)(void *ctx, gva_t address, uint32_t size); /* see engine_hook_blocks */
    /* size bytes at this offset of the arena are stored; see engine_hook_stores */
    void (*store)(void *ctx, uint64_t offset, uint32_t size);
    /*
     * A store into guarded memory: value's low size bytes, at this offset of the arena; what reaches into the
     * next page comes again, byte by byte. True: it is done now. False refuses, as fill does.
     */
    bool (*guarded)(void *ctx, uint64_t offset, uint32_t size, uint64_t value);
};

enum engine_exit {
    ENGINE_STOPPED, /* engine_stop was called */
    ENGINE_REFUSED, /* the last fill that was refused ended the run */
    ENGINE_INVALID, /* the instruction at rip is none that the engine knows */
    ENGINE_FAILED   /* anything else; engine_error has its text */
};

/*
 * Open an engine over arena, which stays mapped until engine_close: ring 0, 64-bit mode, registers
 * at reset. The hooks are copied. ERR_UNSUPPORTED: the library is too old; why says so. ERR_NOMEM,
 * ERR_ENGINE.
 */
MUST_USE enum err engine_open(uint8_t *arena, uint64_t arena_size, const struct engine_hooks *hooks,
                              struct engine **out, struct diag *why);
void engine_close(struct engine *e); /* takes NULL */

/*
 * Show the guest size bytes of host memory at this offset behind the arena, or no more. Whole pages. ERR_NOMEM. Between
 * runs only.
 */
MUST_USE enum err engine_map(struct engine *e, uint64_t offset, uint64_t size, uint8_t *bytes);
void engine_unmap(struct engine *e, uint64_t offset, uint64_t size);

/*
 * Added to an offset of the arena in the answer to a fill: loads are as ever, each store calls hooks.guarded. The
 * stores of instructions under SCAN_STORES_UNSEEN must be refused by fill instead: the engine goes on behind them.
 */
#define ENGINE_GUARDED (UINT64_C(1) << 50)
/* Make that possible. ERR_UNSUPPORTED: not in this version of the engine. ERR_NOMEM. Between runs only. */
MUST_USE enum err engine_guard(struct engine *e);

const char *engine_version(void);             /* "Unicorn 2.1.4". Static. */
bool engine_async_stop(void);                 /* may another thread call engine_stop? */
bool engine_traps_tsc(const struct engine *); /* does it call hooks.tsc? */

struct meter *
engine_meter(const struct engine *e); /* the engine's; written between runs and by hooks.block */

/* Run from rip until a callback stops it or something refuses. */
enum engine_exit engine_run(struct engine *e);
void engine_stop(struct engine *e);
/* The text of the last ENGINE_FAILED. Static. */
const char *engine_error(const struct engine *e);

uint64_t engine_get(const struct engine *e, enum cpu_reg reg);
void engine_set(struct engine *e, enum cpu_reg reg, uint64_t value);
/*
 * Any register as bytes, little-endian, its natural size (at most ENGINE_REG_BYTES; the rest is
 * zero).
 */
void engine_reg_read(const struct engine *e, unsigned reg, uint8_t *bytes);
void engine_reg_write(struct engine *e, unsigned reg, const uint8_t *bytes);

/* All registers. The bytes are the engine's own layout, the same for every context of a process. */
struct engine_context;
struct engine_context *engine_context_new(const struct engine *e); /* NULL when memory is short */
void engine_context_free(struct engine_context *c);
void engine_context_save(const struct engine *e, struct engine_context *c);
void engine_context_load(struct engine *e, const struct engine_context *c);
uint8_t *engine_context_bytes(const struct engine *e, struct engine_context *c, size_t *len);

void engine_flush_tlb(struct engine *e);
void engine_flush_code(struct engine *e); /* drop every translated block */
/*
 * Drop the blocks that hold any byte of [va, va + len), one page; asks fill for that page to
 * execute.
 */
void engine_remove_code(struct engine *e, gva_t va, uint32_t len);

/*
 * Call hooks.code before the instruction at va runs, in blocks translated from now on. 0 when
 * memory is short.
 */
size_t engine_hook_code(struct engine *e, gva_t va);
/*
 * Before each block that starts in [first, last], in blocks translated from now on: write it into the meter, take its size
 * from what is left there, and call hooks.block when that makes it negative.
 */
size_t engine_hook_blocks(struct engine *e, gva_t first, gva_t last);
/*
 * Call hooks.store for each store, in blocks translated from now on: about 25 ns each, and as slow for
 * loads. rip is at the storing instruction from 2.1.4 on, before that at one before it in the same block.
 */
size_t engine_hook_stores(struct engine *e);
/* Remove any of these; blocks that call it are dropped. The TLB must be flushed after hooks of stores. */
void engine_unhook(struct engine *e, size_t hook);

#endif
