/*
 * The engine of engine.h on Unicorn: the only file that includes unicorn.h. It decides how Unicorn
 * is configured and called, and nothing about what a stop means. Follows facts/UNICORN.md: virtual
 * TLB, one region over the whole arena, memory hooks only on demand, no count, no timeout, and an empty exit
 * set instead of an `until` address (a block that is an exit is translated again on every start,
 * and address 0 is a place where guests jump to by mistake).
 */
#include "cpu/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <unicorn/unicorn.h>

#include "cpu/meter.h"

#define OLDEST_ENGINE     UC_MAKE_VERSION_PATCH(2, 1, 1)
#define EXACT_STOP_ENGINE UC_MAKE_VERSION_PATCH(2, 1, 4)
/* uc_version puts the patch level into bits 8 to 15. */
#define UC_MAKE_VERSION_PATCH(major, minor, patch)                                                 \
    (((unsigned)(major) << 24) + ((unsigned)(minor) << 16) + ((unsigned)(patch) << 8))

#define TCG_BUFFER_SIZE (32u << 20) /* 2.1.1 takes seconds to flush its default of 1 GiB */

struct engine {
    uc_engine *uc;
    struct engine_hooks hooks;
    struct meter *meter;
    uint8_t *arena;
    uint64_t arena_size;
    bool traps_tsc;
    uc_err error;
};

struct engine_reg_id {
    int id;
    uint8_t bytes;
};

static const struct engine_reg_id reg_ids[ENGINE_REG_COUNT] = {
    [CPU_RAX] = {UC_X86_REG_RAX, 8},
    [CPU_RBX] = {UC_X86_REG_RBX, 8},
    [CPU_RCX] = {UC_X86_REG_RCX, 8},
    [CPU_RDX] = {UC_X86_REG_RDX, 8},
    [CPU_RSI] = {UC_X86_REG_RSI, 8},
    [CPU_RDI] = {UC_X86_REG_RDI, 8},
    [CPU_RBP] = {UC_X86_REG_RBP, 8},
    [CPU_RSP] = {UC_X86_REG_RSP, 8},
    [CPU_R8] = {UC_X86_REG_R8, 8},
    [CPU_R9] = {UC_X86_REG_R9, 8},
    [CPU_R10] = {UC_X86_REG_R10, 8},
    [CPU_R11] = {UC_X86_REG_R11, 8},
    [CPU_R12] = {UC_X86_REG_R12, 8},
    [CPU_R13] = {UC_X86_REG_R13, 8},
    [CPU_R14] = {UC_X86_REG_R14, 8},
    [CPU_R15] = {UC_X86_REG_R15, 8},
    [CPU_RIP] = {UC_X86_REG_RIP, 8},
    [CPU_EFLAGS] = {UC_X86_REG_EFLAGS, 4},
    [CPU_CS] = {UC_X86_REG_CS, 2},
    [CPU_SS] = {UC_X86_REG_SS, 2},
    [CPU_DS] = {UC_X86_REG_DS, 2},
    [CPU_ES] = {UC_X86_REG_ES, 2},
    [CPU_FS] = {UC_X86_REG_FS, 2},
    [CPU_GS] = {UC_X86_REG_GS, 2},
    [CPU_FS_BASE] = {UC_X86_REG_FS_BASE, 8},
    [CPU_GS_BASE] = {UC_X86_REG_GS_BASE, 8},
    [CPU_MXCSR] = {UC_X86_REG_MXCSR, 4},
    [CPU_FCW] = {UC_X86_REG_FPCW, 2},
    [ENGINE_FSTAT] = {UC_X86_REG_FPSW, 2},
    [ENGINE_FTAG] = {UC_X86_REG_FPTAG, 2},
    [ENGINE_FISEG] = {UC_X86_REG_FCS, 2},
    [ENGINE_FIOFF] = {UC_X86_REG_FIP, 8},
    [ENGINE_FOSEG] = {UC_X86_REG_FDS, 2},
    [ENGINE_FOOFF] = {UC_X86_REG_FDP, 8},
    [ENGINE_FOP] = {UC_X86_REG_FOP, 2},
    [ENGINE_ST0] = {UC_X86_REG_ST0, 10},
    [ENGINE_ST0 + 1] = {UC_X86_REG_ST1, 10},
    [ENGINE_ST0 + 2] = {UC_X86_REG_ST2, 10},
    [ENGINE_ST0 + 3] = {UC_X86_REG_ST3, 10},
    [ENGINE_ST0 + 4] = {UC_X86_REG_ST4, 10},
    [ENGINE_ST0 + 5] = {UC_X86_REG_ST5, 10},
    [ENGINE_ST0 + 6] = {UC_X86_REG_ST6, 10},
    [ENGINE_ST0 + 7] = {UC_X86_REG_ST7, 10},
    [ENGINE_XMM0] = {UC_X86_REG_XMM0, 16},
    [ENGINE_XMM0 + 1] = {UC_X86_REG_XMM1, 16},
    [ENGINE_XMM0 + 2] = {UC_X86_REG_XMM2, 16},
    [ENGINE_XMM0 + 3] = {UC_X86_REG_XMM3, 16},
    [ENGINE_XMM0 + 4] = {UC_X86_REG_XMM4, 16},
    [ENGINE_XMM0 + 5] = {UC_X86_REG_XMM5, 16},
    [ENGINE_XMM0 + 6] = {UC_X86_REG_XMM6, 16},
    [ENGINE_XMM0 + 7] = {UC_X86_REG_XMM7, 16},
    [ENGINE_XMM0 + 8] = {UC_X86_REG_XMM8, 16},
    [ENGINE_XMM0 + 9] = {UC_X86_REG_XMM9, 16},
    [ENGINE_XMM0 + 10] = {UC_X86_REG_XMM10, 16},
    [ENGINE_XMM0 + 11] = {UC_X86_REG_XMM11, 16},
    [ENGINE_XMM0 + 12] = {UC_X86_REG_XMM12, 16},
    [ENGINE_XMM0 + 13] = {UC_X86_REG_XMM13, 16},
    [ENGINE_XMM0 + 14] = {UC_X86_REG_XMM14, 16},
    [ENGINE_XMM0 + 15] = {UC_X86_REG_XMM15, 16},
};

/* ---- Callbacks from the engine --------------------------------------------------------------- */

static enum vm_access access_of(uc_mem_type type)
{
    switch (type) {
    case UC_MEM_WRITE:
        return VM_WRITE;
    case UC_MEM_FETCH:
        return VM_EXEC;
    default:
        return VM_READ;
    }
}

static bool on_fill(uc_engine *uc, uint64_t page, uc_mem_type type, uc_tlb_entry *out, void *user)
{
    struct engine *e = user;
    struct vm_fill fill;

    (void)uc;
    if (!e->hooks.fill(e->hooks.ctx, page, access_of(type), &fill))
        return false;
    out->paddr = fill.offset;
    out->perms = (fill.access & VM_READ ? UC_PROT_READ : 0) |
                 (fill.access & VM_WRITE ? UC_PROT_WRITE : 0) |
                 (fill.access & VM_EXEC ? UC_PROT_EXEC : 0);
    return true;
}

static void on_interrupt(uc_engine *uc, uint32_t vector, void *user)
{
    struct engine *e = user;

    (void)uc;
    e->hooks.interrupt(e->hooks.ctx, vector);
}

static void on_syscall(uc_engine *uc, void *user)
{
    struct engine *e = user;

    (void)uc;
    e->hooks.syscall(e->hooks.ctx);
}

/* The hooks of cpuid, rdtsc and rdtscp answer "do not execute it, all is done". */
static int on_cpuid(uc_engine *uc, void *user)
{
    struct engine *e = user;

    (void)uc;
    e->hooks.cpuid(e->hooks.ctx);
    return 1;
}

static int on_rdtsc(uc_engine *uc, void *user)
{
    struct engine *e = user;

    (void)uc;
    e->hooks.tsc(e->hooks.ctx, false);
    return 1;
}

static int on_rdtscp(uc_engine *uc, void *user)
{
    struct engine *e = user;

    (void)uc;
    e->hooks.tsc(e->hooks.ctx, true);
    return 1;
}

static void on_translated(uc_engine *uc, uc_tb *block, uc_tb *previous, void *user)
{
    struct engine *e = user;

    (void)uc;
    (void)previous;
    e->hooks.translated(e->hooks.ctx, block->pc, block->size);
}

static void on_code(uc_engine *uc, uint64_t address, uint32_t size, void *user)
{
    struct engine *e = user;

    (void)uc;
    (void)size;
    e->hooks.code(e->hooks.ctx, address);
}

/* A meter_fn: the meter is spent. */
static void on_block(void *uc, uint64_t address, uint32_t size, void *meter)
{
    struct engine *e = ((struct meter *)meter)->owner;

    (void)uc;
    e->hooks.block(e->hooks.ctx, address, size);
}

static void on_store(uc_engine *uc, uc_mem_type type, uint64_t address, int size, int64_t value,
                     void *user)
{
    struct engine *e = user;

    (void)uc;
    (void)type;
    (void)value;
    e->hooks.store(e->hooks.ctx, address & ~ENGINE_GUARDED, (uint32_t)size);
}

static bool on_guarded(uc_engine *uc, uc_mem_type type, uint64_t address, int size, int64_t value,
                       void *user)
{
    struct engine *e = user;

    (void)uc;
    (void)type;
    return e->hooks.guarded(e->hooks.ctx, address & ~ENGINE_GUARDED, (uint32_t)size,
                            (uint64_t)value);
}

/* uc_hook_add takes callbacks as void pointers, which ISO C cannot convert function pointers to. */
union callback {
    uc_cb_tlbevent_t fill;
    uc_cb_hookintr_t interrupt;
    uc_cb_insn_syscall_t syscall;
    int (*replace)(uc_engine *, void *);
    uc_hook_edge_gen_t translated;
    uc_cb_hookcode_t code;
    meter_fn *block;
    uc_cb_hookmem_t store;
    uc_cb_eventmem_t guarded;
    void *pointer;
};

static uc_err add_hook(struct engine *e, int type, union callback callback)
{
    uc_hook hook;

    return uc_hook_add(e->uc, &hook, type, callback.pointer, e, 1, 0);
}

static uc_err add_insn_hook(struct engine *e, int insn, union callback callback)
{
    uc_hook hook;

    return uc_hook_add(e->uc, &hook, UC_HOOK_INSN, callback.pointer, e, 1, 0, insn);
}

static uc_err add_hooks(struct engine *e)
{
    uc_err u = add_hook(e, UC_HOOK_TLB_FILL, (union callback){.fill = on_fill});

    if (!u)
        u = add_hook(e, UC_HOOK_INTR, (union callback){.interrupt = on_interrupt});
    if (!u)
        u = add_hook(e, UC_HOOK_EDGE_GENERATED, (union callback){.translated = on_translated});
    if (!u)
        u = add_insn_hook(e, UC_X86_INS_SYSCALL, (union callback){.syscall = on_syscall});
    if (!u)
        u = add_insn_hook(e, UC_X86_INS_CPUID, (union callback){.replace = on_cpuid});
    if (u)
        return u;
    /* Possible from 2.1.2 on. */
    e->traps_tsc =
        add_insn_hook(e, UC_X86_INS_RDTSC, (union callback){.replace = on_rdtsc}) == UC_ERR_OK &&
        add_insn_hook(e, UC_X86_INS_RDTSCP, (union callback){.replace = on_rdtscp}) == UC_ERR_OK;
    return UC_ERR_OK;
}

/* ---- Opening and closing --------------------------------------------------------------------- */

static unsigned library_version(void)
{
    return uc_version(NULL, NULL) & 0xffffff00u;
}

const char *engine_version(void)
{
    static const char *const names[] = {"Unicorn 2.1.1", "Unicorn 2.1.2", "Unicorn 2.1.3",
                                        "Unicorn 2.1.4"};
    unsigned version = library_version();

    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        if (version == UC_MAKE_VERSION_PATCH(2, 1, 1 + i))
            return names[i];
    }
    return version < OLDEST_ENGINE ? "Unicorn before 2.1.1" : "Unicorn after 2.1.4";
}

bool engine_async_stop(void)
{
    return library_version() >= EXACT_STOP_ENGINE;
}

bool engine_traps_tsc(const struct engine *e)
{
    return e->traps_tsc;
}

static uc_err configure(struct engine *e, uint8_t *arena, uint64_t arena_size)
{
    uc_err u = uc_ctl_set_cpu_model(e->uc, UC_CPU_X86_HASWELL);

    if (!u)
        u = uc_ctl_set_tcg_buffer_size(e->uc, TCG_BUFFER_SIZE);
    if (!u)
        u = uc_ctl_tlb_mode(e->uc, UC_TLB_VIRTUAL);
    if (!u)
        u = uc_ctl_exits_enable(e->uc);
    if (!u)
        u = uc_mem_map_ptr(e->uc, 0, arena_size, UC_PROT_ALL, arena);
    return u ? u : add_hooks(e);
}

static uc_err add_meter(struct engine *e)
{
    e->meter = meter_new();
    if (!e->meter)
        return UC_ERR_NOMEM;
    e->meter->spent = on_block;
    e->meter->owner = e;
    return UC_ERR_OK;
}

enum err engine_open(uint8_t *arena, uint64_t arena_size, const struct engine_hooks *hooks,
                     struct engine **out, struct diag *why)
{
    struct engine *e;
    uc_err u;

    if (library_version() < OLDEST_ENGINE)
        return diag_set(
            why, ERR_UNSUPPORTED,
            "the Unicorn library found is version %u.%u.%u, but 2.1.1 is the oldest that "
            "works; run `make deps` to get a newer one",
            uc_version(NULL, NULL) >> 24, uc_version(NULL, NULL) >> 16 & 255u,
            uc_version(NULL, NULL) >> 8 & 255u);
    e = calloc(1, sizeof *e);
    if (!e)
        return diag_set(why, ERR_NOMEM, "no memory for the CPU engine");
    e->hooks = *hooks;
    e->arena = arena;
    e->arena_size = arena_size;
    u = uc_open(UC_ARCH_X86, UC_MODE_64, &e->uc);
    if (!u)
        u = configure(e, arena, arena_size);
    if (!u)
        u = add_meter(e);
    if (u) {
        engine_close(e);
        return diag_set(why, u == UC_ERR_NOMEM ? ERR_NOMEM : ERR_ENGINE, "%s cannot be started: %s",
                        engine_version(), uc_strerror(u));
    }
    *out = e;
    return ERR_OK;
}

void engine_close(struct engine *e)
{
    if (!e)
        return;
    if (e->uc)
        (void)uc_close(e->uc);
    meter_free(e->meter);
    free(e);
}

enum err engine_map(struct engine *e, uint64_t offset, uint64_t size, uint8_t *bytes)
{
    return uc_mem_map_ptr(e->uc, offset, size, UC_PROT_ALL, bytes) ? ERR_NOMEM : ERR_OK;
}

void engine_unmap(struct engine *e, uint64_t offset, uint64_t size)
{
    (void)uc_mem_unmap(e->uc, offset, size);
}

/*
 * The arena once more, read-only: the engine asks about stores there, one by one, with rip exact and before anything
 * has happened. Only from 2.1.4 on does a refusal leave the instruction undone.
 */
enum err engine_guard(struct engine *e)
{
    union callback callback = {.guarded = on_guarded};
    uint64_t last = ENGINE_GUARDED + e->arena_size - 1;
    uc_hook hook;
    uc_err u;

    if (library_version() < EXACT_STOP_ENGINE)
        return ERR_UNSUPPORTED;
    u = uc_mem_map_ptr(e->uc, ENGINE_GUARDED, e->arena_size, UC_PROT_READ | UC_PROT_WRITE,
                       e->arena);
    if (!u)
        u = uc_mem_protect(e->uc, ENGINE_GUARDED, e->arena_size, UC_PROT_READ);
    if (!u) /* without bounds every store into any page would be slow */
        u = uc_hook_add(e->uc, &hook, UC_HOOK_MEM_WRITE_PROT, callback.pointer, e, ENGINE_GUARDED,
                        last);
    return u ? ERR_NOMEM : ERR_OK;
}

/* ---- Running --------------------------------------------------------------------------------- */

struct meter *engine_meter(const struct engine *e)
{
    return e->meter;
}

enum engine_exit engine_run(struct engine *e)
{
    e->error = uc_emu_start(e->uc, engine_get(e, CPU_RIP), 0, 0, 0);
    switch (e->error) {
    case UC_ERR_OK:
        return ENGINE_STOPPED;
    case UC_ERR_EXCEPTION:
    case UC_ERR_WRITE_PROT:
        return ENGINE_REFUSED;
    case UC_ERR_INSN_INVALID:
        return ENGINE_INVALID;
    default:
        return ENGINE_FAILED;
    }
}

void engine_stop(struct engine *e)
{
    (void)uc_emu_stop(e->uc);
}

const char *engine_error(const struct engine *e)
{
    return uc_strerror(e->error);
}

/* ---- Registers ------------------------------------------------------------------------------- */

uint64_t engine_get(const struct engine *e, enum cpu_reg reg)
{
    uint64_t value = 0;

    (void)uc_reg_read(e->uc, reg_ids[reg].id, &value);
    return value;
}

void engine_set(struct engine *e, enum cpu_reg reg, uint64_t value)
{
    (void)uc_reg_write(e->uc, reg_ids[reg].id, &value);
}

void engine_reg_read(const struct engine *e, unsigned reg, uint8_t *bytes)
{
    memset(bytes, 0, ENGINE_REG_BYTES);
    (void)uc_reg_read(e->uc, reg_ids[reg].id, bytes);
}

void engine_reg_write(struct engine *e, unsigned reg, const uint8_t *bytes)
{
    (void)uc_reg_write(e->uc, reg_ids[reg].id, bytes);
}

/* A context is the engine's own struct; engine_context is only its name here. */
static uc_context *uc_of(const struct engine_context *c)
{
    return (uc_context *)(uintptr_t)c;
}

struct engine_context *engine_context_new(const struct engine *e)
{
    uc_context *c = NULL;

    if (uc_context_alloc(e->uc, &c))
        return NULL;
    return (struct engine_context *)c;
}

void engine_context_free(struct engine_context *c)
{
    if (c)
        (void)uc_context_free(uc_of(c));
}

void engine_context_save(const struct engine *e, struct engine_context *c)
{
    (void)uc_context_save(e->uc, uc_of(c));
}

void engine_context_load(struct engine *e, const struct engine_context *c)
{
    (void)uc_context_restore(e->uc, uc_of(c));
}

uint8_t *engine_context_bytes(const struct engine *e, struct engine_context *c, size_t *len)
{
    *len = uc_context_size(e->uc);
    return (uint8_t *)c;
}

/* ---- Translated code ------------------------------------------------------------------------- */

void engine_flush_tlb(struct engine *e)
{
    (void)uc_ctl_flush_tlb(e->uc);
}

void engine_flush_code(struct engine *e)
{
    (void)uc_ctl_flush_tb(e->uc);
}

void engine_remove_code(struct engine *e, gva_t va, uint32_t len)
{
    (void)uc_ctl_remove_cache(e->uc, va, va + len);
}

size_t engine_hook_code(struct engine *e, gva_t va)
{
    union callback callback = {.code = on_code};
    uc_hook hook = 0;

    return uc_hook_add(e->uc, &hook, UC_HOOK_CODE, callback.pointer, e, va, va) ? 0 : hook;
}

size_t engine_hook_blocks(struct engine *e, gva_t first, gva_t last)
{
    union callback callback = {.block = e->meter->function};
    uc_hook hook = 0;

    return uc_hook_add(e->uc, &hook, UC_HOOK_BLOCK, callback.pointer, e->meter, first, last) ? 0
                                                                                             : hook;
}

size_t engine_hook_stores(struct engine *e)
{
    union callback callback = {.store = on_store};
    uc_hook hook = 0;

    return uc_hook_add(e->uc, &hook, UC_HOOK_MEM_WRITE, callback.pointer, e, 1, 0) ? 0 : hook;
}

void engine_unhook(struct engine *e, size_t hook)
{
    (void)uc_hook_del(e->uc, hook);
}
