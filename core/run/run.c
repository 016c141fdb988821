/*
 * The run loop. It turns CPU events into stops: breakpoints, steps, ranges, imports of bare mode, exit,
 * exceptions, interrupts. It never looks at packets, and leaves how the CPU stops to core/cpu and what a
 * fault means to Windows to exception.c.
 */
#include "run/run.h"

#include <string.h>

#include "run/caught.h"
#include "run/exception.h"
#include "run/over.h"
#include "run/watched.h"
#include "winstub/buf.h"
#include "winstub/log.h"
#include "winstub/nt.h"

#define MAIN_THREAD 0 /* index of the only thread that bare mode has */

enum err run_init(struct run *run, struct process *process)
{
    *run = (struct run){.process = process, .cpu = process_cpu(process)};
    atomic_init(&run->interrupted, false);
    run->stop.kind = STOP_STEP;
    run->stop.tid = process_thread(process, MAIN_THREAD)->tid;
    run->dis = dis_new();
    cpu_on_served(run->cpu, watched_by_service, run);
    return run->dis ? ERR_OK : ERR_NOMEM;
}

void run_fini(struct run *run)
{
    if (run->coverage)
        coverage_stop(run->coverage);
    coverage_free(run->coverage);
    cpu_on_served(run->cpu, NULL, NULL);
    points_fini(&run->points);
    watches_fini(&run->watches);
    counts_fini(&run->counts);
    tracing_fini(&run->tracing);
    caught_fini(run);
    dis_free(run->dis);
}

void run_interrupt(struct run *run)
{
    atomic_store(&run->interrupted, true);
    cpu_stop(run->cpu);
}

/* Save the coverage if that was asked for, and say so where the client still hears it. */
static void save_coverage(struct run *run)
{
    const char *file = NULL;
    struct diag why;
    struct buf line;
    enum err e = run->coverage ? coverage_end(run->coverage, &file, &why) : ERR_OK;

    if (!file)
        return;
    buf_init(&line, 1024);
    if (e)
        (void)buf_printf(&line, "coverage: %s\n", why.text);
    else
        (void)buf_printf(&line, "coverage saved in %s\n", file);
    run_print(run, buf_str(&line), line.len);
    buf_fini(&line);
}

void run_end(struct run *run, uint32_t exit_code)
{
    uint32_t tid = run->stop.tid;

    if (!run->ended)
        save_coverage(run);
    run->ended = true;
    run->resumed = false;
    run->stop = (struct target_stop){.kind = STOP_EXIT, .tid = tid, .exit_code = exit_code};
}

void run_release_break(struct run *run, gva_t addr)
{
    if (!run_breaks_at(run, addr) && !(run->ret.set && run->ret.addr == addr) &&
        addr != process_raise_point(run->process))
        cpu_break_remove(run->cpu, addr);
}

static enum err set_break(struct run *run, enum point_kind kind, gva_t addr, bool on)
{
    bool fresh;
    enum err e;

    if (!on) {
        if (points_remove(&run->points, addr, POINT_BIT(kind)))
            run_release_break(run, addr);
        return ERR_OK;
    }
    e = points_add(&run->points, addr, POINT_BIT(kind), &fresh);
    if (e || !fresh)
        return e;
    e = cpu_break_add(run->cpu, addr);
    if (e)
        (void)points_remove(&run->points, addr, POINT_BIT(kind));
    return e;
}

enum err run_point(struct run *run, enum point_kind kind, gva_t addr, uint64_t len, bool on)
{
    struct watch_range range = {.addr = addr, .len = len, .kind = kind};

    if (kind == POINT_BREAK_SW || kind == POINT_BREAK_HW)
        return set_break(run, kind, addr, on);
    return watches_set(&run->watches, run->cpu, &range, on);
}

enum err run_resume(struct run *run, const struct target_action *acts, size_t n)
{
    uint32_t tid = process_thread(run->process, MAIN_THREAD)->tid;
    const struct target_action *mine = NULL;

    if (run->ended)
        return ERR_STATE;
    for (size_t i = 0; i < n; i++) {
        if (acts[i].tid && acts[i].tid != tid)
            return ERR_NOT_FOUND;
        if (!mine)
            mine = &acts[i];
    }
    if (!mine)
        return ERR_INVALID;
    run->action = *mine;
    run->resumed = true;
    atomic_store(&run->interrupted, false);
    return ERR_OK;
}

void run_stop(struct run *run, enum target_stop_kind kind, const struct buf *text)
{
    struct target_stop *stop = &run->stop;
    size_t len = text->len < sizeof stop->note ? text->len : sizeof stop->note - 1;

    stop->kind = kind;
    memcpy(stop->note, buf_str(text), len);
    stop->note[len] = 0;
}

/* Where the function at the current pc was called from: the return address on the stack. */
static gva_t caller(struct run *run)
{
    size_t width = cpu_get_arch(run->cpu) == CPU_AMD64 ? 8 : 4;
    gva_t ret = 0;

    (void)vm_debug_read(process_vm(run->process), cpu_get(run->cpu, CPU_RSP), &ret, width);
    return ret;
}

/* Is the pc at a made-up function? Then make that the stop. */
static bool stop_at_import(struct run *run)
{
    gva_t ret;
    struct buf text;
    bool is_import;

    buf_init(&text, sizeof run->stop.note - 1);
    is_import = process_import_at(run->process, cpu_get(run->cpu, CPU_RIP), &text);
    if (is_import) {
        ret = caller(run);
        (void)buf_printf(&text, " called from 0x%" PRIx64 " (", ret);
        process_where(run->process, ret, &text);
        (void)buf_text(&text, "): run without DLLs");
        run_stop(run, STOP_IMPORT, &text);
    }
    buf_fini(&text);
    return is_import;
}

static bool stop_at_exit(struct run *run)
{
    if (!process_is_exit(run->process, cpu_get(run->cpu, CPU_RIP)))
        return false;
    run_end(run, (uint32_t)cpu_get(run->cpu, CPU_RAX));
    return true;
}

static void stop_as(struct run *run, enum target_stop_kind kind)
{
    run->stop.kind = kind;
}

/* Bare mode has no services. */
static void stop_without_services(struct run *run, const struct cpu_event *event)
{
    struct buf text;

    buf_init(&text, sizeof run->stop.note - 1);
    (void)buf_printf(&text, "system service 0x%" PRIx64 " called, returning to 0x%" PRIx64 " (",
                     cpu_get(run->cpu, CPU_RAX), event->pc);
    process_where(run->process, event->pc, &text);
    (void)buf_text(&text, "): run without DLLs, so there are no services");
    run_stop(run, STOP_IMPORT, &text);
    buf_fini(&text);
}

/* run->stop describes the exception behind event: keep what resuming will need of it. */
static void remember_exception(struct run *run, const struct cpu_event *event)
{
    run->exception = *event;
    run->raised = exception_of(&run->stop);
    run->stop.first_chance = process_has_dlls(run->process);
}

/*
 * What NT does about a guard page before anybody hears of it: a stack grows and the guest goes on (false), any
 * other guard is gone once it has fired.
 */
static bool stop_at_guard(struct run *run, const struct cpu_event *event)
{
    enum process_guard guard;

    exception_describe(run->process, run->dis, event,
                       &run->stop); /* while the guard is still there */
    guard = process_guard_hit(run->process, event->address);
    if (guard == PROCESS_GUARD_GROWN) {
        run->stop = (struct target_stop){.kind = STOP_STEP, .tid = run->stop.tid};
        return false;
    }
    if (guard == PROCESS_GUARD_OVERFLOW)
        exception_rename(&run->stop, STATUS_STACK_OVERFLOW);
    else
        (void)vm_clear_guard(process_vm(run->process), event->address);
    remember_exception(run, event);
    return true;
}

static bool stop_at_exception(struct run *run, const struct cpu_event *event)
{
    bool fault = event->kind == CPU_EVENT_FAULT;

    if (fault && event->fault == VM_FAULT_GUARD)
        return stop_at_guard(run, event);
    exception_describe(run->process, run->dis, event, &run->stop);
    remember_exception(run, event);
    if (fault && event->fault == VM_FAULT_NOMEM)
        stop_as(run, STOP_ENGINE);
    return true;
}

/* An exception that the guest raised by a service: as if the CPU had, at the registers' pc. */
static void stop_at_raised(struct run *run)
{
    run->exception = (struct cpu_event){.kind = CPU_EVENT_FAULT, .pc = cpu_get(run->cpu, CPU_RIP)};
    exception_describe_raised(run->process, &run->raised, &run->stop);
}

/* Does the guest raise an exception here? */
static bool stop_at_raise_point(struct run *run, gva_t pc)
{
    if (!pc || pc != process_raise_point(run->process) ||
        !process_raise_called(run->process, &run->raised))
        return false;
    stop_at_raised(run);
    return true;
}

static bool stop_at_break(struct run *run, gva_t pc)
{
    return run_hit(run, pc) || stop_at_raise_point(run, pc);
}

/* Modules have come or gone, or may have. */
static bool stop_at_modules(struct run *run)
{
    if (!process_modules_changed(run->process))
        return false;
    if (run->coverage)
        coverage_modules(run->coverage);
    caught_modules(run);
    if (run->starting)
        return false;
    stop_as(run, STOP_LIBRARY);
    return true;
}

static bool stop_at_syscall(struct run *run, const struct cpu_event *event)
{
    uint32_t exit_code = 0;

    if (caught_call(run))
        return true;
    run->served_count = 0;
    switch (process_syscall(run->process, &exit_code, &run->raised)) {
    case PROCESS_SYSCALL_NONE:
        stop_without_services(run, event);
        return true;
    case PROCESS_SYSCALL_EXIT:
        run_end(run, exit_code);
        return true;
    case PROCESS_SYSCALL_RAISE:
        stop_at_raised(run);
        return true;
    case PROCESS_SYSCALL_WAITS:
        run->told = (struct told_call){.tid = run->stop.tid, .pc = event->pc};
        if (!atomic_load(&run->interrupted))
            return false;
        stop_as(run, STOP_INTERRUPT);
        return true;
    case PROCESS_SYSCALL_DONE:
        break;
    }
    return watched_served(run) || stop_at_modules(run);
}

/* Turn one event into the stop; false when the guest just goes on. */
static bool stopped_by(struct run *run, const struct cpu_event *event)
{
    switch (event->kind) {
    case CPU_EVENT_STOP:
        if (!atomic_load(&run->interrupted))
            return false; /* left over from an interrupt that came as another stop was made */
        stop_as(run, STOP_INTERRUPT);
        return true;
    case CPU_EVENT_BREAK:
        return stop_at_break(run, event->pc);
    case CPU_EVENT_HOOK: /* a harness's */
        stop_as(run, STOP_INTERRUPT);
        return true;
    case CPU_EVENT_STEP:
        return false;
    case CPU_EVENT_TRAP:
        return event->access == VM_EXEC && (stop_at_exit(run) || stop_at_import(run));
    case CPU_EVENT_SYSCALL:
        return stop_at_syscall(run, event);
    case CPU_EVENT_WRITTEN:
        return caught_written(run, event->pc, event->address);
    case CPU_EVENT_FAULT:
    case CPU_EVENT_EXCEPTION:
        return stop_at_exception(run, event);
    }
    return false;
}

/* The engine failed: the guest stands where it is and the user is told. */
static enum err stop_broken(struct run *run, enum err e)
{
    struct diag why;

    (void)diag_set(&why, e, "the CPU engine (%s) cannot go on at 0x%" PRIx64 ": %s",
                   cpu_engine_version(), cpu_get(run->cpu, CPU_RIP), err_text(e));
    stop_as(run, STOP_ENGINE);
    memcpy(run->stop.note, why.text, sizeof why.text);
    return ERR_OK;
}

/* Was the instruction at pc done? A system call is when it was served, and not when the guest shall ask again. */
static bool step_is_done(const struct run *run, const struct cpu_event *event, gva_t pc)
{
    return event->kind == CPU_EVENT_STEP ||
           (event->kind == CPU_EVENT_SYSCALL && cpu_get(run->cpu, CPU_RIP) != pc);
}

/* One instruction with traps open: what it does to watched bytes is looked at before and after. */
static enum err step_open(struct run *run, bool *stopped)
{
    gva_t pc = cpu_get(run->cpu, CPU_RIP);
    struct vm *vm = process_vm(run->process);
    struct watch_probe probe; /* large: only its count is cleared */
    struct cpu_event event;
    enum err e;

    probe.count = 0;
    if (run->watches.count)
        watches_probe(&run->watches, vm, run->cpu, run->dis, &probe);
    do {
        e = cpu_step(run->cpu, true, &event);
        if (e)
            return e;
        *stopped = stopped_by(run, &event);
    } while (!*stopped && !step_is_done(run, &event, pc));
    for (size_t i = 0; i < probe.count && run->stop.kind == STOP_STEP; i++) {
        if (watches_count(&probe, vm, i))
            *stopped = watched_hit(run, &probe, &probe.hits[i]) || *stopped;
    }
    return ERR_OK;
}

/* Execute one instruction on the debugger's behalf; *stopped says whether that made a stop. */
enum err run_step(struct run *run, bool *stopped)
{
    enum err e = step_open(run, stopped);

    if (!e && !*stopped)
        *stopped = stop_at_exit(run) || stop_at_import(run);
    return e;
}

static enum err step_action(struct run *run, bool *stopped)
{
    return run->action.over ? over_step(run, stopped) : run_step(run, stopped);
}

static enum err go_step(struct run *run)
{
    bool stopped;
    enum err e = step_action(run, &stopped);

    if (!e && !stopped)
        stop_as(run, STOP_STEP);
    return e;
}

bool run_interrupted(struct run *run)
{
    if (!atomic_load(&run->interrupted))
        return false;
    stop_as(run, STOP_INTERRUPT);
    return true;
}

static enum err go_range(struct run *run)
{
    for (;;) {
        bool stopped;
        enum err e = step_action(run, &stopped);
        gva_t pc;

        if (e || stopped)
            return e;
        pc = cpu_get(run->cpu, CPU_RIP);
        if (pc < run->action.lo || pc >= run->action.hi) {
            stop_as(run, STOP_STEP);
            return ERR_OK;
        }
        if ((run_breaks_at(run, pc) && run_hit(run, pc)) || run_interrupted(run))
            return ERR_OK;
    }
}

/* A made-up function that was reported runs on (its code returns) instead of being reported again. */
enum err run_continue(struct run *run, bool leave_import)
{
    struct cpu_event event;
    bool stopped = false;
    bool pass_break = true;
    enum err e;

    if (leave_import) {
        e = run_step(run, &stopped);
        if (e || stopped)
            return e;
        pass_break = false;
    }
    for (;;) {
        gva_t before = cpu_get(run->cpu, CPU_RIP);

        e = cpu_run(run->cpu, pass_break, &event);
        if (e || stopped_by(run, &event))
            return e;
        if (event.kind == CPU_EVENT_TRAP) {
            e = step_open(run, &stopped);
            if (e || stopped)
                return e;
        }
        /* A hit that does not stop is passed like the break where the run began. */
        pass_break =
            event.kind == CPU_EVENT_BREAK || (pass_break && cpu_get(run->cpu, CPU_RIP) == before);
    }
}

/* Settle the exception that the process is stopped at; true when the process ended by it. */
static bool settle_exception(struct run *run)
{
    gva_t pc = cpu_get(run->cpu, CPU_RIP);
    uint32_t code = run->stop.code;

    if (run->stop.kind != STOP_EXCEPTION)
        return false;
    if (run->action.pass && process_raise(run->process, &run->raised))
        return false;
    if (run->action.pass) {
        run_end(run, code);
        return true;
    }
    if (pc == run->exception.pc)
        cpu_set(run->cpu, CPU_RIP, exception_continue_pc(&run->exception));
    return false;
}

static enum err go(struct run *run)
{
    bool at_import = run->stop.kind == STOP_IMPORT;
    uint32_t tid = run->stop.tid;

    if (settle_exception(run))
        return ERR_OK;
    run->stop = (struct target_stop){.kind = STOP_STEP, .tid = tid};
    cpu_set_who(run->cpu, tid);
    if (caught_load(run))
        return ERR_OK;
    if (run->tracing.tables &&
        tracing_set(&run->tracing, &run->watches, run->process, run->cpu, run->tracing.tables))
        LOG(bp, "not every table is traced: %s", err_text(ERR_NOMEM));
    if (run->action.kind != ACTION_HALT && stop_at_raise_point(run, cpu_get(run->cpu, CPU_RIP)))
        return ERR_OK;
    switch (run->action.kind) {
    case ACTION_STEP:
        return go_step(run);
    case ACTION_RANGE:
        return go_range(run);
    case ACTION_OUT:
        return over_out(run);
    case ACTION_CONTINUE:
        return run_continue(run, at_import);
    case ACTION_HALT:
        break;
    }
    return ERR_OK;
}

enum err run_go(struct run *run, struct target_stop *why)
{
    enum err e;

    if (!run->resumed)
        return ERR_STATE;
    run->resumed = false;
    process_clock_start(run->process);
    e = go(run);
    process_clock_stop(run->process);
    if (e)
        e = stop_broken(run, e);
    *why = run->stop;
    LOG(cpu, "stop %d at 0x%" PRIx64 " %s", (int)why->kind, cpu_get(run->cpu, CPU_RIP), why->note);
    return e;
}

enum err run_to(struct run *run, gva_t place, struct target_stop *why)
{
    const struct target_action on = {.kind = ACTION_CONTINUE};
    enum err e = run_point(run, POINT_BREAK_HW, place, 1, true);

    if (!e)
        e = run_resume(run, &on, 1);
    if (e)
        return e;
    run->starting = true;
    e = run_go(run, why);
    run->starting = false;
    (void)process_modules_changed(run->process); /* whoever connects reads the whole list */
    if (!e)
        e = run_point(run, POINT_BREAK_HW, place, 1, false);
    if (why->kind == STOP_BREAK_HW && cpu_get(run->cpu, CPU_RIP) == place)
        run->stop = *why = (struct target_stop){.kind = STOP_STEP, .tid = why->tid};
    return e;
}
