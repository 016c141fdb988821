/*
 * The run loop. It turns CPU events into stops: breakpoints, steps, ranges, imports of bare mode, exit,
 * exceptions, interrupts. It never looks at packets, and leaves how the CPU stops to core/cpu and what a
 * fault means to Windows to exception.c.
 */
#include "run/run.h"

#include <string.h>

#include "run/caught.h"
#include "run/debugregs.h"
#include "run/exception.h"
#include "run/turns.h"
#include "run/watched.h"
#include "winstub/buf.h"
#include "winstub/log.h"
#include "winstub/nt.h"
#include "winstub/utf.h"

/* Exceptions by which a program speaks to its debugger; DBG_PRINTEXCEPTION_C and its kin. */
#define DEBUG_PRINT      0x40010006u
#define DEBUG_PRINT_WIDE 0x4001000au
#define DEBUG_NAME       0x406d1388u
#define DEBUG_PRINT_MAX  0x1000u /* of either unit */

enum err run_init(struct run *run, struct session *session, struct process *process)
{
    *run = (struct run){.session = session, .process = process, .cpu = process_cpu(process)};
    run->stop.kind = STOP_STEP;
    run->stop.tid = process_current(process);
    run->dis = dis_new();
    if (!run->dis)
        return ERR_NOMEM;
    cpu_on_served(run->cpu, watched_by_service, run);
    return ERR_OK;
}

bool run_is_debugged(const struct run *run)
{
    return run->session->debugged == run;
}

void run_fini(struct run *run)
{
    if (run->coverage)
        coverage_stop(run->coverage);
    coverage_free(run->coverage);
    cpu_on_served(run->cpu, NULL, NULL);
    actions_fini(&run->actions);
    points_fini(&run->points);
    watches_fini(&run->watches);
    counts_fini(&run->counts);
    tracing_fini(&run->tracing);
    caught_fini(run);
    dis_free(run->dis);
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
    session_print(run->session, buf_str(&line), line.len);
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

/* Let those run that shall; who steps comes first, as the debugger waits for that one. */
static void take_actions(struct run *run)
{
    const struct target_action *others = actions_of(&run->actions, 0);
    const struct process_thread *thread;

    for (size_t i = 0; (thread = process_thread(run->process, i)) != NULL; i++)
        process_hold(run->process, thread->tid, !actions_of(&run->actions, thread->tid));
    process_hold_new(run->process, !others || others->kind != ACTION_CONTINUE);
    for (size_t i = run->actions.count; i-- > 0;) {
        const struct target_action *action = &run->actions.list[i];

        if (action->kind != ACTION_CONTINUE && action->kind != ACTION_HALT)
            process_prefer(run->process, action->tid);
    }
}

enum err run_resume(struct run *run, const struct target_action *acts, size_t n)
{
    struct run_thread *thread;
    enum err e;

    if (run->ended)
        return ERR_STATE;
    for (size_t i = 0; i < n; i++) {
        if (acts[i].tid && !process_has_thread(run->process, acts[i].tid))
            return ERR_NOT_FOUND;
    }
    if (!n)
        return ERR_INVALID;
    actions_prune(&run->actions, run->process);
    thread = actions_thread(&run->actions, run->process, run->stop.tid);
    e = thread ? actions_set(&run->actions, acts, n) : ERR_NOMEM;
    if (e)
        return e;
    /* The break at which the debugger was told that the thread stands is not told again. */
    thread->passes = process_select(run->process, run->stop.tid);
    thread->pass_pc = cpu_get(run->cpu, CPU_RIP);
    thread->leaves_import = run->stop.kind == STOP_IMPORT;
    take_actions(run);
    run->resumed = true;
    atomic_store(&run->session->interrupted, false);
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
    run->thread->excepted = true;
    run->thread->exception = *event;
    run->thread->raised = exception_of(&run->stop);
    run->thread->raised.fault = exception_is_fault(event);
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

    if (!fault && event->vector == CPU_VEC_DB && !event->length)
        debugregs_step(run);
    if (fault && event->fault == VM_FAULT_GUARD)
        return stop_at_guard(run, event);
    exception_describe(run->process, run->dis, event, &run->stop);
    remember_exception(run, event);
    if (fault && event->fault == VM_FAULT_NOMEM)
        stop_as(run, STOP_ENGINE);
    return true;
}

/*
 * Text that the guest gives to its debugger: OutputDebugString's length and address, in bytes or UTF-16 units. A process that nobody
 * debugs has its handlers take it all the same, which is false.
 */
static bool print_for_guest(struct run *run, const struct process_exception *raised)
{
    bool wide = raised->code == DEBUG_PRINT_WIDE;
    size_t len = (size_t)(raised->info[0] < DEBUG_PRINT_MAX ? raised->info[0] : DEBUG_PRINT_MAX);
    uint8_t raw[2 * DEBUG_PRINT_MAX];
    struct buf text;

    if (!run->session->console || raised->count < 2 || (!wide && raised->code != DEBUG_PRINT))
        return false;
    len = vm_debug_read(process_vm(run->process), raised->info[1], raw, wide ? 2 * len : len);
    buf_init(&text, 3 * DEBUG_PRINT_MAX + 32);
    if (!run_is_debugged(run))
        (void)buf_printf(&text, "process %" PRIu32 ": ", process_pid(run->process));
    if (wide)
        (void)utf8_append_utf16(&text, raw, len / 2);
    else
        (void)buf_append(&text, raw, len);
    while (text.len && !text.data[text.len - 1]) /* the length counts the NUL */
        text.len--;
    session_print(run->session, buf_str(&text), text.len);
    buf_fini(&text);
    return run_is_debugged(run);
}

/* The older way to name a thread (Microsoft, "How to set a thread name"): 0x1000, name, thread id. */
static bool name_for_guest(struct run *run, const struct process_exception *raised)
{
    char name[64] = {0};
    uint32_t tid = (uint32_t)raised->info[2];

    if (raised->code != DEBUG_NAME || raised->count < 3 || (uint32_t)raised->info[0] != 0x1000)
        return false;
    (void)vm_debug_read(process_vm(run->process), raised->info[1], name, sizeof name - 1);
    process_name_thread(run->process, tid == UINT32_MAX ? run->stop.tid : tid, name);
    return run->session->console && run_is_debugged(run);
}

/*
 * An exception that the guest raised by itself: as if the CPU had, at the registers' pc. False when it was meant for the
 * debugger, who has taken it, or when it is the guest's business, which goes on in its handlers.
 */
static bool stop_at_raised(struct run *run)
{
    const struct process_exception *raised = &run->thread->raised;

    if (print_for_guest(run, raised) || name_for_guest(run, raised) ||
        (exception_is_routine(raised) && process_raise(run->process, raised)))
        return false;
    run->thread->excepted = true;
    run->thread->exception =
        (struct cpu_event){.kind = CPU_EVENT_FAULT, .pc = cpu_get(run->cpu, CPU_RIP)};
    exception_describe_raised(run->process, &run->thread->raised, &run->stop);
    return true;
}

bool run_raises_at(struct run *run, gva_t pc)
{
    return pc && pc == process_raise_point(run->process) &&
           process_raise_called(run->process, &run->thread->raised) && stop_at_raised(run);
}

/* A breakpoint or watchpoint of the guest's own, which is for its handlers. */
static bool stop_at_debug(struct run *run)
{
    const struct cpu_event event = {
        .kind = CPU_EVENT_EXCEPTION, .pc = cpu_get(run->cpu, CPU_RIP), .vector = CPU_VEC_DB};

    exception_describe(run->process, run->dis, &event, &run->stop);
    remember_exception(run, &event);
    return true;
}

bool run_debug_break(struct run *run)
{
    if (!debugregs_break(run, cpu_get(run->cpu, CPU_RIP)))
        return false;
    run->thread->raised.fault = stop_at_debug(run);
    return true;
}

bool run_debug_pending(struct run *run)
{
    if (!run->thread->debug_pending)
        return false;
    run->thread->debug_pending = false;
    return stop_at_debug(run);
}

static bool stop_at_break(struct run *run, gva_t pc)
{
    return run_hit(run, pc) || run_raises_at(run, pc) || run_debug_break(run);
}

/* Modules have come or gone, or may have. */
static bool stop_at_modules(struct run *run)
{
    if (!process_modules_changed(run->process))
        return false;
    if (run->coverage)
        coverage_modules(run->coverage);
    caught_modules(run);
    if (run->starting || !run_is_debugged(run))
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
    switch (process_syscall(run->process, &exit_code, &run->thread->raised)) {
    case PROCESS_SYSCALL_NONE:
        stop_without_services(run, event);
        return true;
    case PROCESS_SYSCALL_EXIT:
        run_end(run, exit_code);
        return true;
    case PROCESS_SYSCALL_RAISE:
        return stop_at_raised(run);
    case PROCESS_SYSCALL_WAITS:
        run->thread->told_pc = event->pc;
        if (!atomic_load(&run->session->interrupted))
            return false;
        stop_as(run, STOP_INTERRUPT);
        return true;
    case PROCESS_SYSCALL_DONE:
        break;
    }
    debugregs_returned(run, event->pc);
    return watched_served(run) || stop_at_modules(run);
}

/* Turn one event into the stop; false when the guest just goes on. */
bool run_stopped_by(struct run *run, const struct cpu_event *event)
{
    switch (event->kind) {
    case CPU_EVENT_STOP:
        if (!atomic_load(&run->session->interrupted))
            return false; /* the turn is over, or an interrupt came as another stop was made */
        stop_as(run, STOP_INTERRUPT);
        return true;
    case CPU_EVENT_BREAK:
        return stop_at_break(run, event->pc);
    case CPU_EVENT_HOOK: /* a harness's */
        stop_as(run, STOP_INTERRUPT);
        return true;
    case CPU_EVENT_STEP:
    case CPU_EVENT_LIMIT:
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

/* The guest stands where it is and the user is told. */
enum err run_broken(struct run *run, enum err e)
{
    struct diag why;

    (void)diag_set(&why, e, "the CPU engine (%s) cannot go on at 0x%" PRIx64 ": %s",
                   cpu_engine_version(), cpu_get(run->cpu, CPU_RIP), err_text(e));
    stop_as(run, STOP_ENGINE);
    memcpy(run->stop.note, why.text, sizeof why.text);
    return ERR_OK;
}

enum err run_step_open(struct run *run, bool *stopped)
{
    gva_t pc = cpu_get(run->cpu, CPU_RIP);
    struct vm *vm = process_vm(run->process);
    struct watch_probe probe; /* large: only its count is cleared */
    struct cpu_event event;
    enum err e;

    probe.count = 0;
    if (run->watches.count)
        watches_probe(&run->watches, vm, run->cpu, run->dis, &probe);
    e = cpu_step(run->cpu, true, &event);
    if (e)
        return e;
    run->called = event.kind == CPU_EVENT_SYSCALL;
    *stopped = run_stopped_by(run, &event);
    run->thread->stepped = event.kind == CPU_EVENT_STEP ||
                           (event.kind == CPU_EVENT_SYSCALL && cpu_get(run->cpu, CPU_RIP) != pc);
    for (size_t i = 0; i < probe.count; i++) {
        if (watches_count(&probe, vm, i))
            *stopped = watched_hit(run, &probe, &probe.hits[i]) || *stopped;
    }
    *stopped = *stopped || run_debug_pending(run); /* or that waits for the next run */
    return ERR_OK;
}

/* Execute one instruction on the debugger's behalf; *stopped says whether that made a stop. */
enum err run_step(struct run *run, bool *stopped)
{
    enum err e = debugregs_arm(run);

    *stopped = !e && run_debug_break(run);
    if (e || *stopped)
        return e;
    e = run_step_open(run, stopped);
    if (!e && !*stopped)
        *stopped = stop_at_exit(run) || stop_at_import(run);
    return e;
}

bool run_interrupted(struct run *run)
{
    if (!atomic_load(&run->session->interrupted))
        return false;
    stop_as(run, STOP_INTERRUPT);
    return true;
}

/* What a resume begins anew. True: there is a stop already. */
static bool begin(struct run *run)
{
    uint32_t tid = run->stop.tid;

    actions_begin(&run->actions);
    if (!process_has_thread(run->process, tid))
        tid = process_current(run->process);
    run->stop = (struct target_stop){.kind = STOP_STEP, .tid = tid};
    if (caught_load(run))
        return true;
    if (run->tracing.tables &&
        tracing_set(&run->tracing, &run->watches, run->process, run->cpu, run->tracing.tables))
        LOG(bp, "not every table is traced: %s", err_text(ERR_NOMEM));
    return false;
}

enum err run_go(struct run *run, struct target_stop *why)
{
    enum err e = ERR_OK;

    if (!run->resumed)
        return ERR_STATE;
    run->resumed = false;
    process_clock_start(run->process);
    if (!begin(run))
        e = turns_take(run);
    process_clock_stop(run->process);
    if (e)
        e = run_broken(run, e);
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
