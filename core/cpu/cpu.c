/*
 * Making a CPU, its scalar registers and its contexts. Engine and policy live in the files that
 * cpu_priv.h lists.
 */
#include "cpu/cpu_priv.h"

#include <stdlib.h>
#include <string.h>

#include "winstub/log.h"

/* CF PF AF ZF SF TF DF OF AC ID may be set freely; bit 1 and IF always are. */
#define EFLAGS_FREE  UINT64_C(0x240dd5)
#define EFLAGS_FIXED UINT64_C(0x202)

#define MXCSR_DEFAULT 0x1f80
#define FCW_WINDOWS   0x27f

static enum err open_engine(struct cpu *cpu, struct diag *why)
{
    struct engine_hooks hooks = {
        .ctx = cpu,
        .fill = memory_on_fill,
        .interrupt = exec_on_interrupt,
        .syscall = exec_on_syscall,
        .cpuid = cpu_on_cpuid,
        .tsc = exec_on_tsc,
        .translated = breaks_on_translated,
        .code = breaks_on_code,
        .block = breaks_on_block,
        .store = writes_on_store,
        .guarded = guard_on_store,
    };
    enum err e = engine_open(cpu->arena, cpu->arena_size, &hooks, &cpu->engine, why);

    if (e)
        return e;
    cpu->meter = engine_meter(cpu->engine);
    cpu->scratch = engine_context_new(cpu->engine);
    cpu->dis = dis_new();
    if (!cpu->scratch || !cpu->dis)
        return diag_set(why, ERR_NOMEM, "no memory for the CPU");
    return ERR_OK;
}

static void reset_registers(struct cpu *cpu)
{
    for (int reg = CPU_RAX; reg <= CPU_RIP; reg++)
        engine_set(cpu->engine, (enum cpu_reg)reg, 0);
    engine_set(cpu->engine, CPU_EFLAGS, EFLAGS_FIXED);
    engine_set(cpu->engine, CPU_MXCSR, MXCSR_DEFAULT);
    engine_set(cpu->engine, CPU_FCW, FCW_WINDOWS);
}

enum err cpu_new(struct vm *vm, enum cpu_arch arch, struct cpu **out, struct diag *why)
{
    struct cpu *cpu = calloc(1, sizeof *cpu);
    enum err e;

    if (!cpu)
        return diag_set(why, ERR_NOMEM, "no memory for the CPU");
    cpu->vm = vm;
    cpu->arch = arch;
    cpu->hook_limit = CPU_HOOK_LIMIT;
    cpu->work_limit = UINT64_MAX;
    e = memory_init(cpu);
    if (e)
        (void)diag_set(why, e, "no memory for the CPU's frame table");
    else
        e = open_engine(cpu, why);
    if (!e)
        e = segments_init(cpu, why);
    if (!e)
        e = probe_engine(cpu, why);
    if (!e && !engine_async_stop()) {
        e = breaks_filter(cpu);
        if (e)
            (void)diag_set(why, e, "no memory for the CPU's hooks");
    }
    if (e) {
        cpu_free(cpu);
        return e;
    }
    reset_registers(cpu);
    *out = cpu;
    return ERR_OK;
}

void cpu_free(struct cpu *cpu)
{
    if (!cpu)
        return;
    if (cpu->engine) {
        engine_context_free(cpu->scratch);
        detour_fini(cpu);
    }
    engine_close(cpu->engine);
    dis_free(cpu->dis);
    breaks_fini(cpu);
    segments_fini(cpu);
    writes_fini(cpu);
    hooks_fini(cpu);
    memory_fini(cpu);
    free(cpu);
}

const char *cpu_engine_version(void)
{
    return engine_version();
}

enum cpu_arch cpu_get_arch(const struct cpu *cpu)
{
    return cpu->arch;
}

bool cpu_is_code64(const struct cpu *cpu)
{
    return engine_get(cpu->engine, CPU_CS) == 0x33;
}

/* ---- Registers ------------------------------------------------------------------------------- */

/* Registers that i386 code and its debuggers see as 32 bits wide. */
static bool is_narrow(const struct cpu *cpu, enum cpu_reg reg)
{
    return cpu->arch == CPU_I386 &&
           (reg <= CPU_RSP || reg == CPU_RIP || reg == CPU_FS_BASE || reg == CPU_GS_BASE);
}

/* What the kernel leaves of a value that user code gives a debug register: no address of its own, no bit without effect. */
static uint64_t tame_debug(enum cpu_reg reg, uint64_t value)
{
    if (reg == CPU_DR6)
        return value & 0xe00f;
    if (reg == CPU_DR7)
        return value & 0xffff0355;
    return value < VM_USER_LIMIT_64 ? value : 0;
}

uint64_t cpu_get(const struct cpu *cpu, enum cpu_reg reg)
{
    uint64_t value;

    if (reg >= CPU_DR0)
        return cpu->debug[reg - CPU_DR0];
    value = engine_get(cpu->engine, reg);
    return is_narrow(cpu, reg) ? (uint32_t)value : value;
}

enum err cpu_set_checked(struct cpu *cpu, enum cpu_reg reg, uint64_t value)
{
    if (reg >= CPU_CS && reg <= CPU_GS) {
        if (value > UINT16_MAX || !segments_valid(reg, (uint16_t)value))
            return ERR_INVALID;
        if (value == engine_get(cpu->engine, reg))
            return ERR_OK;
        return segments_load(cpu, reg, (uint16_t)value);
    }
    if (reg >= CPU_DR0) {
        cpu->debug[reg - CPU_DR0] = tame_debug(reg, value);
        return ERR_OK;
    }
    if (is_narrow(cpu, reg))
        value = (uint32_t)value;
    if (reg == CPU_EFLAGS)
        value = (value & EFLAGS_FREE) | EFLAGS_FIXED;
    if (reg == CPU_FS_BASE && cpu->arch == CPU_I386)
        segments_set_teb(cpu, (uint32_t)value);
    engine_set(cpu->engine, reg, value);
    return ERR_OK;
}

void cpu_set(struct cpu *cpu, enum cpu_reg reg, uint64_t value)
{
    if (cpu_set_checked(cpu, reg, value))
        LOG(cpu, "register %d does not take 0x%" PRIx64, (int)reg, value);
}

void cpu_set_tsc(struct cpu *cpu, uint64_t (*read)(void *ctx), void *ctx)
{
    cpu->tsc = read;
    cpu->tsc_ctx = ctx;
}

void cpu_set_who(struct cpu *cpu, uint32_t who)
{
    cpu->who = who;
}

void cpu_on_served(struct cpu *cpu, void (*fn)(void *ctx, const struct vm_served *access),
                   void *ctx)
{
    cpu->on_served = fn;
    cpu->on_served_ctx = ctx;
}

void cpu_on_block(struct cpu *cpu, void (*fn)(void *ctx, gva_t address, uint32_t size), void *ctx)
{
    cpu->on_block = fn;
    cpu->on_block_ctx = ctx;
    if (fn)
        memory_flush_code(cpu);
}

/* ---- Contexts -------------------------------------------------------------------------------- */

struct cpu_context {
    struct engine_context *engine;
    uint32_t teb_base;
    uint64_t debug[CPU_DEBUG_REGS];
};

struct cpu_context *cpu_context_new(const struct cpu *cpu)
{
    struct cpu_context *context = calloc(1, sizeof *context);

    if (!context)
        return NULL;
    context->engine = engine_context_new(cpu->engine);
    if (!context->engine) {
        free(context);
        return NULL;
    }
    cpu_context_save(cpu, context);
    return context;
}

void cpu_context_free(struct cpu_context *context)
{
    if (!context)
        return;
    engine_context_free(context->engine);
    free(context);
}

void cpu_context_save(const struct cpu *cpu, struct cpu_context *context)
{
    engine_context_save(cpu->engine, context->engine);
    context->teb_base = cpu->teb_base;
    memcpy(context->debug, cpu->debug, sizeof cpu->debug);
}

void cpu_context_load(struct cpu *cpu, const struct cpu_context *context)
{
    engine_context_load(cpu->engine, context->engine);
    segments_set_teb(cpu, context->teb_base);
    memcpy(cpu->debug, context->debug, sizeof cpu->debug);
}
