/* The fake target of the stub's tests; the header says what its machine can do. */
#include "fake_target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "winstub/bytes.h"
#include "winstub/cpu.h"
#include "winstub/nt.h"

#define CORE "org.gnu.gdb.i386.core"
#define SSE  "org.gnu.gdb.i386.sse"

/* As few registers as can show each kind; real GDBs want all of a feature. */
static const struct target_reg amd64_regs[] = {
    {"rax", CORE, "int64", 64, true},
    {"rbx", CORE, "int64", 64, true},
    {"rcx", CORE, "int64", 64, true},
    {"rsp", CORE, "data_ptr", 64, true},
    {"rip", CORE, "code_ptr", 64, true},
    {"eflags", CORE, "i386_eflags", 32, true},
    {"st0", CORE, "i387_ext", 80, false},
    {"xmm0", SSE, "vec128", 128, false},
    {"mxcsr", SSE, "i386_mxcsr", 32, false},
    {"fs_base", "org.gnu.gdb.i386.segments", "int", 64, false},
    {"orig_rax", "org.gnu.gdb.i386.linux", "int64", 64, false},
};

static const struct target_reg i386_regs[] = {
    {"eax", CORE, "int32", 32, true},
    {"ecx", CORE, "int32", 32, true},
    {"esp", CORE, "data_ptr", 32, true},
    {"eip", CORE, "code_ptr", 32, true},
    {"eflags", CORE, "i386_eflags", 32, true},
    {"fs_base", "org.winstub.segments", "int", 32, false},
};

static const struct target_reg *reg_table(const struct fake_target *f, size_t *count)
{
    if (f->real_registers)
        return cpu_regs(CPU_AMD64, count);
    if (f->arch == TARGET_AMD64) {
        *count = sizeof amd64_regs / sizeof *amd64_regs;
        return amd64_regs;
    }
    *count = sizeof i386_regs / sizeof *i386_regs;
    return i386_regs;
}

static struct fake_thread *thread_of(struct fake_target *f, uint32_t tid)
{
    for (size_t i = 0; i < 2; i++) {
        if (f->threads[i].tid == tid && f->stop.kind != STOP_EXIT)
            return &f->threads[i];
    }
    return NULL;
}

/* Index of a register by the name it has on amd64 or, with 'e' for 'r', on i386. */
static size_t reg_index(const struct fake_target *f, const char *name, size_t *size)
{
    size_t count;
    const struct target_reg *regs = reg_table(f, &count);

    for (size_t i = 0; i < count; i++) {
        *size = regs[i].bits / 8u;
        if (strcmp(regs[i].name + (*name == 'r'), name + (*name == 'r')) == 0)
            return i;
    }
    abort();
}

static uint64_t reg_get(struct fake_target *f, struct fake_thread *t, const char *name)
{
    size_t size;
    size_t i = reg_index(f, name, &size);

    return size == 4 ? get_u32(t->regs[i]) : get_u64(t->regs[i]);
}

static void reg_set(struct fake_target *f, struct fake_thread *t, const char *name, uint64_t value)
{
    size_t size;
    size_t i = reg_index(f, name, &size);

    if (size == 4)
        put_u32(t->regs[i], (uint32_t)value);
    else
        put_u64(t->regs[i], value);
}

uint64_t fake_target_reg(struct fake_target *f, const char *name)
{
    return reg_get(f, &f->threads[0], name);
}

void fake_target_set_reg(struct fake_target *f, const char *name, uint64_t value)
{
    reg_set(f, &f->threads[0], name, value);
}

/* ---- info, memory, registers ---- */

static void fake_info(void *ctx, struct target_info *out)
{
    struct fake_target *f = ctx;

    *out = (struct target_info){.arch = f->arch,
                                .pid = FAKE_PID,
                                .exec_path = f->program_path,
                                .exec_base = 0x400000,
                                .exec_size = 0x3000,
                                .exec_first_section = f->program_path[0] ? 0x401000 : 0};
}

static uint8_t *byte_at(struct fake_target *f, gva_t addr)
{
    for (size_t i = 0; i < f->region_count; i++) {
        struct fake_region *region = &f->regions[i];

        if (region->r.state == MEM_COMMIT && addr - region->r.base < region->r.size)
            return &region->bytes[addr - region->r.base];
    }
    return NULL;
}

static enum err fake_read(void *ctx, gva_t addr, void *dst, size_t len, size_t *got)
{
    uint8_t *out = dst;
    const uint8_t *byte;

    for (*got = 0; *got < len && (byte = byte_at(ctx, addr + *got)); ++*got)
        out[*got] = *byte;
    return *got || !len ? ERR_OK : ERR_FAULT;
}

static enum err fake_write(void *ctx, gva_t addr, const void *src, size_t len)
{
    const uint8_t *in = src;

    for (size_t i = 0; i < len; i++) {
        if (!byte_at(ctx, addr + i))
            return ERR_FAULT;
    }
    for (size_t i = 0; i < len; i++)
        *byte_at(ctx, addr + i) = in[i];
    return ERR_OK;
}

void fake_target_poke(struct fake_target *f, gva_t addr, const void *data, size_t len)
{
    if (fake_write(f, addr, data, len))
        abort();
}

static enum err fake_region_at(void *ctx, gva_t addr, struct target_region *out)
{
    struct fake_target *f = ctx;
    gva_t from = 0;

    if (addr >= FAKE_USER_LIMIT)
        return ERR_RANGE;
    for (size_t i = 0; i < f->region_count; i++) {
        const struct target_region *r = &f->regions[i].r;

        if (addr < r->base)
            break;
        if (addr - r->base < r->size) {
            *out = *r;
            return ERR_OK;
        }
        from = r->base + r->size;
    }
    *out = (struct target_region){.base = from, .state = MEM_FREE, .label = "", .path = ""};
    out->size = FAKE_USER_LIMIT - from;
    for (size_t i = f->region_count; i-- > 0;) {
        if (f->regions[i].r.base > addr)
            out->size = f->regions[i].r.base - from;
    }
    return ERR_OK;
}

static const struct target_reg *fake_regs(void *ctx, size_t *count)
{
    return reg_table(ctx, count);
}

static enum err fake_reg_at(struct fake_target *f, uint32_t tid, size_t reg, uint8_t **out)
{
    struct fake_thread *t = thread_of(f, tid);
    size_t count;

    (void)reg_table(f, &count);
    if (!t)
        return ERR_NOT_FOUND;
    if (reg >= count)
        return ERR_RANGE;
    *out = t->regs[reg];
    return ERR_OK;
}

static enum err fake_reg_read(void *ctx, uint32_t tid, size_t reg, void *dst, size_t len)
{
    uint8_t *value;
    enum err e = fake_reg_at(ctx, tid, reg, &value);

    if (!e)
        memcpy(dst, value, len);
    return e;
}

static enum err fake_reg_write(void *ctx, uint32_t tid, size_t reg, const void *src, size_t len)
{
    uint8_t *value;
    enum err e = fake_reg_at(ctx, tid, reg, &value);

    if (!e)
        memcpy(value, src, len);
    return e;
}

/* ---- threads, libraries, points ---- */

static enum err fake_thread_at(void *ctx, size_t i, struct target_thread *out)
{
    static const struct target_thread threads[] = {
        {FAKE_TID, "main", "running", 0x11000},
        {FAKE_TID2, "worker", "waiting for event 0x44", 0x11800},
    };
    struct fake_target *f = ctx;

    if (i >= 2 || f->stop.kind == STOP_EXIT)
        return ERR_RANGE;
    *out = threads[i];
    return ERR_OK;
}

static enum err fake_library(void *ctx, size_t i, struct target_library *out)
{
    static const struct target_library libraries[] = {
        {"C:\\Windows\\System32\\ntdll.dll", 0x70000000, 0x10000, 0x70001000, 0x10000000},
        {"C:\\app\\R&D <new>.dll", 0x71000000, 0x10000, 0x71001000, 0x71000000},
    };
    struct fake_target *f = ctx;

    if (i >= f->library_count || i >= sizeof libraries / sizeof *libraries)
        return ERR_RANGE;
    *out = libraries[i];
    return ERR_OK;
}

static unsigned fake_points(void *ctx)
{
    return ((struct fake_target *)ctx)->point_bits;
}

static enum err fake_point(void *ctx, enum point_kind kind, gva_t addr, size_t len, bool on)
{
    struct fake_target *f = ctx;
    size_t i = 0;

    buf_printf(&f->log, "%s %d 0x%" PRIx64 " %zu\n", on ? "set" : "clear", (int)kind, addr, len);
    if (!(f->point_bits & POINT_BIT(kind)))
        return ERR_UNSUPPORTED;
    while (i < f->point_count && (f->points[i].kind != kind || f->points[i].addr != addr))
        i++;
    if (on && i == FAKE_POINTS_MAX)
        return ERR_NOMEM;
    if (on) {
        f->points[i] = (struct fake_point){.kind = kind, .addr = addr, .len = len};
        f->point_count += i == f->point_count;
    } else if (i < f->point_count) {
        f->points[i] = f->points[--f->point_count];
    }
    return ERR_OK;
}

static bool holds(struct bytes condition)
{
    for (size_t i = 0; i < condition.len; i++) {
        if (condition.data[i])
            return true;
    }
    return false;
}

static enum err refuse(struct bytes code, struct diag *why)
{
    if (!code.len || code.data[0] == 0xff)
        return diag_set(why, ERR_FORMAT, "the expression of %zu bytes is refused", code.len);
    return code.len > FAKE_TEXT_MAX ? ERR_LIMIT : ERR_OK;
}

static enum err set_agent(struct fake_point *p, const struct target_agent *agent, struct diag *why)
{
    struct fake_point with = *p;
    enum err e = ERR_OK;

    with.conditions = agent->condition_count;
    with.commands = agent->command_count;
    with.holds = false;
    with.text_len = 0;
    for (size_t i = 0; !e && i < agent->condition_count; i++) {
        e = refuse(agent->conditions[i], why);
        with.holds |= holds(agent->conditions[i]);
    }
    for (size_t i = 0; !e && i < agent->command_count; i++) {
        struct bytes text = agent->commands[i];

        e = refuse(text, why);
        if (!e && text.len > sizeof with.text - with.text_len)
            e = ERR_LIMIT;
        if (e)
            break;
        memcpy(with.text + with.text_len, text.data, text.len);
        with.text_len += text.len;
    }
    if (!e)
        *p = with;
    return e;
}

static enum err fake_point_agent(void *ctx, enum point_kind kind, gva_t addr,
                                 const struct target_agent *agent, struct diag *why)
{
    struct fake_target *f = ctx;

    buf_printf(&f->log, "agent %d 0x%" PRIx64 " %zu %zu\n", (int)kind, addr, agent->condition_count,
               agent->command_count);
    for (size_t i = 0; i < f->point_count; i++) {
        if (f->points[i].kind == kind && f->points[i].addr == addr)
            return set_agent(&f->points[i], agent, why);
    }
    return ERR_NOT_FOUND;
}

static void fake_set_console(void *ctx, void (*write)(void *arg, const char *text, size_t len),
                             void *arg)
{
    struct fake_target *f = ctx;

    f->console = write;
    f->console_arg = arg;
}

/* ---- running ---- */

static enum err fake_resume(void *ctx, const struct target_action *acts, size_t n)
{
    static const char *const kinds[] = {"continue", "step", "range", "out", "halt"};
    struct fake_target *f = ctx;

    if (f->stop.kind == STOP_EXIT)
        return ERR_STATE;
    for (size_t i = 0; i < n; i++) {
        if (acts[i].tid && !thread_of(f, acts[i].tid))
            return ERR_NOT_FOUND;
    }
    buf_text(&f->log, "resume");
    for (size_t i = n; i-- > 0;) {
        buf_printf(&f->log, " %s:%x", kinds[acts[i].kind], acts[i].tid);
        if (acts[i].kind == ACTION_RANGE)
            buf_printf(&f->log, ":%" PRIx64 "-%" PRIx64, acts[i].lo, acts[i].hi);
        if (acts[i].over)
            buf_text(&f->log, ":over");
        if (acts[i].pass)
            buf_text(&f->log, ":pass");
        if (acts[i].kind != ACTION_HALT)
            f->act = acts[i]; /* the first that moves is the one that runs */
    }
    buf_text(&f->log, "\n");
    f->resumed = true;
    atomic_store(&f->interrupted, false);
    return ERR_OK;
}

static void note(struct target_stop *stop, const char *text)
{
    strncpy(stop->note, text, sizeof stop->note - 1);
}

static bool raise_exception(struct target_stop *stop, uint32_t code, gva_t pc)
{
    stop->kind = STOP_EXCEPTION;
    stop->code = code;
    stop->first_chance = code == FAKE_THROW;
    stop->addr = pc;
    return true;
}

static bool watched(struct fake_target *f, struct target_stop *stop, gva_t addr)
{
    for (size_t i = 0; i < f->point_count; i++) {
        const struct fake_point *p = &f->points[i];

        if ((p->kind == POINT_WRITE || p->kind == POINT_ACCESS) && addr - p->addr < p->len) {
            stop->kind = STOP_WATCH;
            stop->watch = p->kind;
            stop->addr = addr;
            return true;
        }
    }
    return false;
}

static bool store(struct fake_target *f, struct fake_thread *t, struct target_stop *stop, gva_t pc)
{
    gva_t to = reg_get(f, t, "rcx");
    uint8_t *byte = byte_at(f, to);

    if (!byte) {
        reg_set(f, t, "rip", pc);
        stop->info[0] = 1;
        stop->info[1] = to;
        stop->info_count = 2;
        note(stop, "write of free memory");
        return raise_exception(stop, STATUS_ACCESS_VIOLATION, pc);
    }
    *byte = (uint8_t)reg_get(f, t, "rax");
    reg_set(f, t, "rcx", to + 1);
    return watched(f, stop, to);
}

/* Instructions that stop; pc stays at the faulting ones. */
static bool execute_fault(struct fake_target *f, struct fake_thread *t, struct target_stop *stop,
                          uint8_t op, gva_t pc)
{
    static const struct {
        uint8_t op;
        uint32_t code;
    } faults[] = {
        {0xcc, STATUS_BREAKPOINT},
        {0x0f, STATUS_ILLEGAL_INSTRUCTION},
        {0xf4, STATUS_PRIVILEGED_INSTRUCTION},
        {0xf6, STATUS_INTEGER_DIVIDE_BY_ZERO},
        {0xa0, STATUS_ACCESS_VIOLATION},
        {0xed, FAKE_THROW},
    };

    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        if (op != faults[i].op)
            continue;
        reg_set(f, t, "rip", pc);
        if (op == 0xa0) {
            stop->info[1] = reg_get(f, t, "rcx");
            stop->info_count = 2;
            note(stop, "main at 0x1000 reads free memory");
        }
        return raise_exception(stop, faults[i].code, pc);
    }
    return false;
}

/* One instruction; true when it stops the run. */
static bool execute(struct fake_target *f, struct fake_thread *t, struct target_stop *stop)
{
    gva_t pc = reg_get(f, t, "rip");
    const uint8_t *op = byte_at(f, pc);

    if (!op) {
        stop->info[0] = 8;
        stop->info[1] = pc;
        stop->info_count = 2;
        return raise_exception(stop, STATUS_ACCESS_VIOLATION, pc);
    }
    reg_set(f, t, "rip", pc + 1);
    switch (*op) {
    case 0xc3:
        stop->kind = STOP_EXIT;
        stop->exit_code = (uint32_t)reg_get(f, t, "rax");
        return true;
    case 0xeb:
        reg_set(f, t, "rip", pc);
        return false;
    case 0x75:
        reg_set(f, t, "rcx", reg_get(f, t, "rcx") - 1);
        if (reg_get(f, t, "rcx"))
            reg_set(f, t, "rip", pc - 1);
        return false;
    case 0xaa:
        return store(f, t, stop, pc);
    case 0xe8:
        f->library_count++;
        stop->kind = STOP_LIBRARY;
        return true;
    case 0xff:
        stop->kind = STOP_IMPORT;
        note(stop, "KERNEL32!CreateFileA called from 0x1000: run without DLLs");
        return true;
    case 0x06:
        stop->kind = STOP_ENGINE;
        note(stop, "the engine gave up");
        return true;
    default:
        return execute_fault(f, t, stop, *op, pc);
    }
}

static bool at_breakpoint(struct fake_target *f, struct target_stop *stop, gva_t pc)
{
    for (size_t i = 0; i < f->point_count; i++) {
        const struct fake_point *p = &f->points[i];

        if (p->addr != pc || (p->kind != POINT_BREAK_SW && p->kind != POINT_BREAK_HW))
            continue;
        if (p->conditions && !p->holds)
            continue;
        if (p->commands) {
            if (f->console)
                f->console(f->console_arg, p->text, p->text_len);
            continue;
        }
        stop->kind = p->kind == POINT_BREAK_SW ? STOP_BREAK_SW : STOP_BREAK_HW;
        return true;
    }
    return false;
}

/* Is a step or a range step at its end? */
static bool action_done(const struct target_action *act, struct target_stop *stop, gva_t pc)
{
    if (act->kind == ACTION_CONTINUE)
        return false;
    stop->kind = STOP_STEP;
    return act->kind == ACTION_STEP || pc < act->lo || pc >= act->hi;
}

/* What happens to the exception that the last run stopped at; true when it ends the process. */
static bool settle_exception(struct fake_target *f, struct fake_thread *t, struct target_stop *stop)
{
    if (f->stop.kind != STOP_EXCEPTION || f->stop.tid != t->tid)
        return false;
    if (f->act.pass && f->stop.code == FAKE_THROW) {
        reg_set(f, t, "rip", f->stop.addr + 1);
        return false;
    }
    if (f->act.pass) {
        stop->kind = STOP_EXIT;
        stop->exit_code = f->stop.code;
        return true;
    }
    if (f->stop.code == STATUS_BREAKPOINT && reg_get(f, t, "rip") == f->stop.addr)
        reg_set(f, t, "rip", f->stop.addr + 1);
    return false;
}

static void run_thread(struct fake_target *f, struct fake_thread *t, struct target_stop *stop)
{
    if (settle_exception(f, t, stop))
        return;
    for (uint64_t done = 0;; done++) {
        if (atomic_load(&f->interrupted) || (f->budget && done == f->budget)) {
            stop->kind = STOP_INTERRUPT;
            return;
        }
        if (done && at_breakpoint(f, stop, reg_get(f, t, "rip")))
            return;
        if (execute(f, t, stop) || action_done(&f->act, stop, reg_get(f, t, "rip")))
            return;
    }
}

static enum err fake_run(void *ctx, struct target_stop *why)
{
    struct fake_target *f = ctx;
    struct target_stop stop = {0};
    struct fake_thread *t;

    if (f->run_result)
        return f->run_result;
    if (!f->resumed)
        return ERR_STATE;
    f->resumed = false;
    t = thread_of(f, f->act.tid);
    if (!t)
        t = thread_of(f, f->stop.tid);
    stop.tid = t->tid;
    atomic_store(&f->running, true);
    run_thread(f, t, &stop);
    atomic_store(&f->running, false);
    f->stop = stop;
    *why = stop;
    return ERR_OK;
}

static void fake_interrupt(void *ctx)
{
    atomic_store(&((struct fake_target *)ctx)->interrupted, true);
}

static void fake_last_stop(void *ctx, struct target_stop *out)
{
    *out = ((struct fake_target *)ctx)->stop;
}

static void fake_kill(void *ctx)
{
    struct fake_target *f = ctx;

    buf_text(&f->log, "kill\n");
    f->stop = (struct target_stop){.kind = STOP_EXIT, .exit_code = 1};
}

/* ---- construction ---- */

static const struct target_region layout[] = {
    {FAKE_CODE, 0x1000, FAKE_CODE, PAGE_EXECUTE_READWRITE, MEM_COMMIT, PAGE_EXECUTE_READ,
     MEM_PRIVATE, "code", ""},
    {FAKE_DATA, 0x2000, FAKE_DATA, PAGE_READWRITE, MEM_COMMIT, PAGE_READWRITE, MEM_PRIVATE, "heap",
     ""},
    {0x12000, 0xe000, FAKE_DATA, PAGE_READWRITE, MEM_RESERVE, 0, MEM_PRIVATE, "heap", ""},
    {0x30000, 0x1000, 0x30000, PAGE_READWRITE, MEM_COMMIT, PAGE_READWRITE | PAGE_GUARD, MEM_PRIVATE,
     "stack 4c", ""},
    {0x31000, 0x1000, 0x30000, PAGE_READWRITE, MEM_COMMIT, PAGE_READWRITE, MEM_PRIVATE, "stack 4c",
     ""},
    {0x400000, 0x1000, 0x400000, PAGE_EXECUTE_WRITECOPY, MEM_COMMIT, PAGE_READONLY, MEM_IMAGE,
     "headers", "C:\\app\\prog.exe"},
    {0x401000, 0x2000, 0x400000, PAGE_EXECUTE_WRITECOPY, MEM_COMMIT, PAGE_EXECUTE_READ, MEM_IMAGE,
     ".text", "C:\\app\\prog.exe"},
};

static const struct target_ops fake_ops = {
    .info = fake_info,
    .read = fake_read,
    .write = fake_write,
    .region = fake_region_at,
    .memory = fake_memory,
    .regs = fake_regs,
    .reg_read = fake_reg_read,
    .reg_write = fake_reg_write,
    .thread = fake_thread_at,
    .library = fake_library,
    .process = fake_process,
    .handle = fake_handle,
    .file_open = fake_file_open,
    .file_close = fake_file_close,
    .file_read = fake_file_read,
    .file_write = fake_file_write,
    .file_remove = fake_file_remove,
    .points = fake_points,
    .point = fake_point,
    .point_agent = fake_point_agent,
    .set_console = fake_set_console,
    .catch_add = fake_catch_add,
    .catch_remove = fake_catch_remove,
    .catch_at = fake_catch_at,
    .hits = fake_hits,
    .writer = fake_writer,
    .trace = fake_trace,
    .coverage = fake_coverage,
    .coverage_save = fake_coverage_save,
    .where = fake_where,
    .resume = fake_resume,
    .run = fake_run,
    .interrupt = fake_interrupt,
    .last_stop = fake_last_stop,
    .kill = fake_kill,
};

struct fake_target *fake_target_new(enum target_arch arch)
{
    struct fake_target *f = calloc(1, sizeof *f);

    if (!f)
        abort();
    f->arch = arch;
    f->ops = fake_ops;
    f->program_path = "C:\\app\\prog.exe";
    f->point_bits = 31;
    f->library_count = 1;
    f->region_count = sizeof layout / sizeof *layout;
    for (size_t i = 0; i < f->region_count; i++)
        f->regions[i].r = layout[i];
    f->threads[0].tid = FAKE_TID;
    f->threads[1].tid = FAKE_TID2;
    for (size_t i = 0; i < 2; i++) {
        reg_set(f, &f->threads[i], "rip", FAKE_CODE);
        reg_set(f, &f->threads[i], "rsp", 0x31800);
        reg_set(f, &f->threads[i], "eflags", 0x202);
    }
    f->stop = (struct target_stop){.kind = STOP_STEP, .tid = FAKE_TID};
    buf_init(&f->log, 1u << 20);
    fake_files_init(f);
    return f;
}

void fake_target_free(struct fake_target *f)
{
    buf_fini(&f->log);
    free(f);
}

struct target fake_target_ref(struct fake_target *f)
{
    return (struct target){&f->ops, f};
}
