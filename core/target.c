/*
 * target_ops over a process: the one place where core meets the seam. Nothing is decided here; each op
 * hands over to vm, cpu, process or run.
 */
#include "winstub/run.h"

#include <stdio.h>

#include "run/caught.h"
#include "run/others.h"
#include "winstub/buf.h"

_Static_assert(TARGET_FILE_WRITE == (int)PROCESS_FILE_WRITE &&
                   TARGET_FILE_CREATE == (int)PROCESS_FILE_CREATE &&
                   TARGET_FILE_NEW == (int)PROCESS_FILE_NEW &&
                   TARGET_FILE_EMPTY == (int)PROCESS_FILE_EMPTY,
               "the seam and the process number these alike");
_Static_assert(TARGET_I386 == (int)CPU_I386 && TARGET_AMD64 == (int)CPU_AMD64,
               "the seam and the CPU number architectures alike");

static struct session *session_of(void *ctx)
{
    return ctx;
}

static struct run *run_of(void *ctx)
{
    return session_of(ctx)->debugged;
}

static void op_info(void *ctx, struct target_info *out)
{
    struct run *run = run_of(ctx);
    const struct process_module *program = NULL;

    if (process_has_image(run->process))
        program = process_module(run->process, 0);
    *out = (struct target_info){
        .arch = (enum target_arch)cpu_get_arch(run->cpu),
        .pid = process_pid(run->process),
        .exec_path = program ? program->path : "",
        .exec_base = program ? program->base : 0,
        .exec_size = program ? program->size : 0,
        .exec_first_section = program ? program->first_section : 0,
    };
}

static enum err op_read(void *ctx, gva_t addr, void *dst, size_t len, size_t *got)
{
    *got = vm_debug_read(process_vm(run_of(ctx)->process), addr, dst, len);
    return *got || !len ? ERR_OK : ERR_FAULT;
}

static enum err op_write(void *ctx, gva_t addr, const void *src, size_t len)
{
    return vm_debug_write(process_vm(run_of(ctx)->process), addr, src, len) ? ERR_OK : ERR_FAULT;
}

static enum err op_region(void *ctx, gva_t addr, struct target_region *out)
{
    struct vm_region r;

    if (vm_query(process_vm(run_of(ctx)->process), addr, &r))
        return ERR_RANGE;
    *out = (struct target_region){
        .base = r.base,
        .size = r.size,
        .allocation_base = r.allocation_base,
        .allocation_protect = r.allocation_protect,
        .state = r.state,
        .protect = r.protect,
        .type = r.type,
        .label = r.label,
        .path = r.path,
    };
    return ERR_OK;
}

static nt_status allocate(struct vm *vm, struct target_memory *m, uint32_t type)
{
    struct vm_request request = {
        .base = m->base, .size = m->size, .type = type, .protect = m->protect, .label = "debugger"};

    return vm_allocate(vm, &request, &m->base, &m->size);
}

static uint32_t op_memory(void *ctx, struct target_memory *m)
{
    struct vm *vm = process_vm(run_of(ctx)->process);

    switch (m->kind) {
    case MEMORY_RESERVE:
        return allocate(vm, m, MEM_RESERVE);
    case MEMORY_COMMIT:
        return allocate(vm, m, MEM_COMMIT);
    case MEMORY_RESET:
        m->protect = PAGE_NOACCESS; /* any valid one: it is ignored */
        return allocate(vm, m, MEM_RESET);
    case MEMORY_PROTECT:
        return vm_protect(vm, &m->base, &m->size, m->protect, &m->protect);
    case MEMORY_DECOMMIT:
        return vm_release(vm, &m->base, &m->size, MEM_DECOMMIT);
    case MEMORY_RELEASE:
        return vm_release(vm, &m->base, &m->size, MEM_RELEASE);
    }
    return STATUS_INVALID_PARAMETER;
}

static const struct target_reg *op_regs(void *ctx, size_t *count)
{
    return cpu_regs(cpu_get_arch(run_of(ctx)->cpu), count);
}

static enum err op_reg_read(void *ctx, uint32_t tid, size_t reg, void *dst, size_t len)
{
    struct run *run = run_of(ctx);

    return process_select(run->process, tid) ? cpu_reg_read(run->cpu, reg, dst, len)
                                             : ERR_NOT_FOUND;
}

static enum err op_reg_write(void *ctx, uint32_t tid, size_t reg, const void *src, size_t len)
{
    struct run *run = run_of(ctx);

    return process_select(run->process, tid) ? cpu_reg_write(run->cpu, reg, src, len)
                                             : ERR_NOT_FOUND;
}

static enum err op_process(void *ctx, size_t i, struct target_process *out)
{
    const struct run *run = run_of(ctx);
    struct process *process = process_next(run->process, NULL);
    struct process_about about;

    for (; process && i; i--)
        process = process_next(run->process, process);
    if (!process)
        return ERR_RANGE;
    process_about(process, &about);
    *out = (struct target_process){
        .pid = about.pid,
        .parent = about.parent,
        .state = process == run->process ? "debugged"
                 : about.suspended       ? "suspended"
                                         : "running",
        .program = about.path,
        .command = about.command_line,
    };
    return ERR_OK;
}

static enum err op_thread(void *ctx, size_t i, struct target_thread *out)
{
    struct run *run = run_of(ctx);
    const struct process_thread *thread = run->ended ? NULL : process_thread(run->process, i);

    if (!thread)
        return ERR_RANGE;
    *out = (struct target_thread){
        .tid = thread->tid,
        .name = thread->name,
        .state = process_thread_state(run->process, i),
        .teb = thread->teb,
    };
    return ERR_OK;
}

static enum err op_library(void *ctx, size_t i, struct target_library *out)
{
    struct run *run = run_of(ctx);
    size_t first = process_has_image(run->process) ? 1 : 0;
    const struct process_module *module = process_module(run->process, first + i);

    if (!module)
        return ERR_RANGE;
    *out = (struct target_library){.path = module->path,
                                   .base = module->base,
                                   .size = module->size,
                                   .first_section = module->first_section,
                                   .preferred = module->preferred};
    return ERR_OK;
}

static enum err op_handle(void *ctx, uint64_t after, struct target_handle *out)
{
    struct process_handle handle;
    struct buf name;

    buf_init(&name, sizeof out->name - 1);
    if (!process_handle(run_of(ctx)->process, after, &handle, &name)) {
        buf_fini(&name);
        return ERR_RANGE;
    }
    *out =
        (struct target_handle){.value = handle.value, .access = handle.access, .type = handle.type};
    (void)snprintf(out->name, sizeof out->name, "%s", buf_str(&name));
    buf_fini(&name);
    return ERR_OK;
}

static enum err op_file_open(void *ctx, const char *path, unsigned flags, void **file)
{
    struct process_file *opened;
    enum err e = process_file_open(run_of(ctx)->process, path, flags, &opened);

    if (!e)
        *file = opened;
    return e;
}

static void op_file_close(void *ctx, void *file)
{
    (void)ctx;
    process_file_close(file);
}

static enum err op_file_read(void *ctx, void *file, uint64_t offset, void *dst, size_t len,
                             size_t *got, uint64_t *size)
{
    (void)ctx;
    return process_file_read(file, offset, dst, len, got, size);
}

static enum err op_file_write(void *ctx, void *file, uint64_t offset, const void *src, size_t len)
{
    (void)ctx;
    return process_file_write(file, offset, src, len);
}

static enum err op_file_remove(void *ctx, const char *path)
{
    return process_file_remove(run_of(ctx)->process, path);
}

static enum err op_host_path(void *ctx, const char *path, char *out, size_t size)
{
    return process_host_path(run_of(ctx)->process, path, out, size);
}

static unsigned op_points(void *ctx)
{
    (void)ctx;
    return POINT_BIT(POINT_BREAK_SW) | POINT_BIT(POINT_BREAK_HW) | POINT_BIT(POINT_WRITE) |
           POINT_BIT(POINT_READ) | POINT_BIT(POINT_ACCESS);
}

static enum err op_point(void *ctx, enum point_kind kind, gva_t addr, size_t len, bool on)
{
    return run_point(run_of(ctx), kind, addr, len, on);
}

static enum err op_point_agent(void *ctx, enum point_kind kind, gva_t addr,
                               const struct target_agent *agent, struct diag *why)
{
    return run_point_agent(run_of(ctx), kind, addr, agent, why);
}

static void op_set_console(void *ctx, void (*write)(void *arg, const char *text, size_t len),
                           void *arg)
{
    session_of(ctx)->console = write;
    session_of(ctx)->console_ctx = arg;
}

static enum err op_catch_add(void *ctx, const struct target_catch *what, unsigned *id,
                             struct diag *why)
{
    return caught_add(run_of(ctx), what, id, why);
}

static enum err op_catch_remove(void *ctx, unsigned id)
{
    return caught_remove(run_of(ctx), id);
}

static enum err op_catch_at(void *ctx, size_t i, struct target_catch *out)
{
    return caught_list(run_of(ctx), i, out);
}

static enum err op_hits(void *ctx, size_t i, struct target_hits *out)
{
    const struct counts *counts = &run_of(ctx)->counts;

    if (i >= counts->count)
        return ERR_RANGE;
    *out = counts->list[i];
    return ERR_OK;
}

static enum err op_writer(void *ctx, size_t i, struct target_writer *out)
{
    return caught_writer(run_of(ctx), i, out);
}

static enum err op_trace(void *ctx, unsigned tables)
{
    struct run *run = run_of(ctx);

    return tracing_set(&run->tracing, &run->watches, run->process, run->cpu, tables);
}

static enum err op_coverage(void *ctx, bool on, const char *at_end, struct diag *why)
{
    struct run *run = run_of(ctx);
    struct coverage *fresh = NULL;

    if (on) {
        enum err e = coverage_new(run->process, at_end, &fresh, why);

        if (e)
            return e;
        coverage_free(run->coverage);
        run->coverage = fresh;
    } else if (run->coverage) {
        coverage_stop(run->coverage);
    }
    return ERR_OK;
}

static enum err op_coverage_save(void *ctx, const char *file, struct diag *why)
{
    const struct run *run = run_of(ctx);

    if (!run->coverage)
        return diag_set(why, ERR_STATE, "there is no coverage: it was never started");
    return coverage_save(run->coverage, file, why);
}

static void op_where(void *ctx, gva_t addr, struct buf *out)
{
    process_where(run_of(ctx)->process, addr, out);
}

static void op_set_output(void *ctx, void (*write)(void *arg, const char *text, size_t len),
                          void *arg)
{
    process_set_output(run_of(ctx)->process, write, arg);
}

static enum err op_resume(void *ctx, const struct target_action *acts, size_t n)
{
    return run_resume(run_of(ctx), acts, n);
}

static void op_thread_events(void *ctx, bool on)
{
    process_watch_threads(run_of(ctx)->process, on);
}

static enum err op_run(void *ctx, struct target_stop *why)
{
    return run_go(run_of(ctx), why);
}

static void op_interrupt(void *ctx)
{
    session_interrupt(session_of(ctx));
}

static void op_last_stop(void *ctx, struct target_stop *out)
{
    *out = run_of(ctx)->stop;
}

static void op_kill(void *ctx)
{
    run_end(run_of(ctx), 1);
    session_end_others(session_of(ctx));
}

static const struct target_ops process_ops = {
    .info = op_info,
    .read = op_read,
    .write = op_write,
    .region = op_region,
    .memory = op_memory,
    .regs = op_regs,
    .reg_read = op_reg_read,
    .reg_write = op_reg_write,
    .process = op_process,
    .thread = op_thread,
    .library = op_library,
    .handle = op_handle,
    .file_open = op_file_open,
    .file_close = op_file_close,
    .file_read = op_file_read,
    .file_write = op_file_write,
    .file_remove = op_file_remove,
    .host_path = op_host_path,
    .points = op_points,
    .point = op_point,
    .point_agent = op_point_agent,
    .set_console = op_set_console,
    .catch_add = op_catch_add,
    .catch_remove = op_catch_remove,
    .catch_at = op_catch_at,
    .hits = op_hits,
    .writer = op_writer,
    .trace = op_trace,
    .coverage = op_coverage,
    .coverage_save = op_coverage_save,
    .where = op_where,
    .set_output = op_set_output,
    .resume = op_resume,
    .thread_events = op_thread_events,
    .run = op_run,
    .interrupt = op_interrupt,
    .last_stop = op_last_stop,
    .kill = op_kill,
};

enum err target_init(struct target *out, struct process *process)
{
    struct session *session;
    enum err e = session_new(process, &session);

    if (!e)
        *out = (struct target){.ops = &process_ops, .ctx = session};
    return e;
}

void target_fini(struct target *target)
{
    session_free(target->ctx);
    *target = (struct target){0};
}

void target_watch_children(struct target *target,
                           void (*fn)(void *ctx, const struct target_child *child), void *ctx)
{
    session_of(target->ctx)->child = fn;
    session_of(target->ctx)->child_ctx = ctx;
}

enum err target_follow(struct target *target, const char *name, struct target_stop *stop,
                       struct diag *why)
{
    return others_follow(session_of(target->ctx), name, stop, why);
}

enum err target_run_others(struct target *target, struct target_stop *stop)
{
    return others_finish(session_of(target->ctx), stop);
}

static gva_t address_of(const struct process *process, enum target_place place)
{
    static const enum process_place places[] = {
        [PLACE_LOADER] = PROCESS_LOADER, [PLACE_TLS] = PROCESS_TLS, [PLACE_MAIN] = PROCESS_MAIN};

    return place == PLACE_ENTRY ? process_entry(process) : process_place(process, places[place]);
}

/* A child that others made has not begun yet, and may be made to begin elsewhere. */
static enum err begin(struct run *run, struct target_stop *why)
{
    gva_t loader = process_place(run->process, PROCESS_LOADER);

    return cpu_get(run->cpu, CPU_RIP) == loader ? ERR_OK : run_to(run, loader, why);
}

enum err target_start(struct target *target, enum target_place place, struct target_stop *why)
{
    struct run *run = run_of(target->ctx);
    bool dlls = process_has_dlls(run->process);
    enum err e;

    *why = run->stop;
    if (!dlls && (place == PLACE_LOADER || place == PLACE_ENTRY))
        return ERR_OK;
    if (!address_of(run->process, place))
        return ERR_NOT_FOUND;
    e = begin(run, why);
    if (e || place == PLACE_LOADER || why->kind != STOP_STEP)
        return e;
    return run_to(run, address_of(run->process, place), why);
}
