/*
 * The run loop. It turns CPU events into stops: breakpoints, steps, ranges, imports of bare mode, exit,
 * exceptions, interrupts. It never looks at packets, and leaves how the CPU stops to core/cpu and what a
 * fault means to Windows to exception.c.
 */
#include "run/run.h"

#include <string.h>

#include "run/exception.h"
#include "winstub/buf.h"
#include "winstub/log.h"
#include "winstub/nt.h"

enum err run_init(struct run *run, struct process *process)
{
    *run = (struct run){.process = process, .cpu = process_cpu(process)};
    atomic_init(&run->interrupted, false);
    run->stop.kind = STOP_STEP;
    run->stop.tid = process_current(process);
    run->dis = dis_new();
    return run->dis ? ERR_OK : ERR_NOMEM;
}

void run_fini(struct run *run)
{
    actions_fini(&run->actions);
    points_fini(&run->points);
    watches_fini(&run->watches);
    dis_free(run->dis);
}

void run_interrupt(struct run *run)
{
    atomic_store(&run->interrupted, true);
    cpu_stop(run->cpu);
}

void run_end(struct run *run, uint32_t exit_code)
{
    uint32_t tid = run->stop.tid;

    run->ended = true;
    run->resumed = false;
    run->stop = (struct target_stop){.kind = STOP_EXIT, .tid = tid, .exit_code = exit_code};
}

static enum err set_break(struct run *run, enum point_kind kind, gva_t addr, bool on)
{
    bool fresh;
    enum err e;

    if (!on) {
        if (points_remove(&run->points, addr, POINT_BIT(kind)) &&
            addr != process_raise_point(run->process))
            cpu_break_remove(run->cpu, addr);
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
    const struct process_thread *thread;
    const struct target_action *others = actions_of(&run->actions, 0);

    for (size_t i = 0; (thread = process_thread(run->process, i)) != NULL; i++)
        process_hold(run->process, thread->tid, !actions_of(&run->actions, thread->tid));
    process_hold_new(run->process, !others || others->kind != ACTION_CONTINUE);
    for (size_t i = run->actions.count; i-- > 0;) {
        const struct target_action *action = &run->actions.list[i];

        if (action->kind == ACTION_STEP || action->kind == ACTION_RANGE)
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
    thread = actions_thread(&run->actions, run->stop.tid);
    e = thread ? actions_set(&run->actions, acts, n) : ERR_NOMEM;
    if (e)
        return e;
    /* The break at which the debugger was told that the thread stands is not told again. */
    thread->passes = process_select(run->process, run->stop.tid);
    thread->pass_pc = cpu_get(run->cpu, CPU_RIP);
    take_actions(run);
    run->resumed = true;
    atomic_store(&run->interrupted, false);
    return ERR_OK;
}

static void say(struct target_stop *stop, const struct buf *text)
{
    size_t len = text->len < sizeof stop->note ? text->len : sizeof stop->note - 1;

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
        run->stop.kind = STOP_IMPORT;
        run->thread->leaves_import = true;
        say(&run->stop, &text);
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
    stop_as(run, STOP_IMPORT);
    say(&run->stop, &text);
    buf_fini(&text);
}

/* run->stop describes the exception behind event: keep what resuming will need of it. */
static void remember_exception(struct run *run, const struct cpu_event *event)
{
    run->thread->excepted = true;
    run->thread->exception = *event;
    run->thread->raised = exception_of(&run->stop);
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

/*
 * An exception that the guest raised by itself: as if the CPU had, at the registers' pc. False when it is the guest's
 * business, which goes on in its handlers.
 */
static bool stop_at_raised(struct run *run)
{
    if (exception_is_routine(&run->thread->raised) &&
        process_raise(run->process, &run->thread->raised))
        return false;
    run->thread->excepted = true;
    run->thread->exception =
        (struct cpu_event){.kind = CPU_EVENT_FAULT, .pc = cpu_get(run->cpu, CPU_RIP)};
    exception_describe_raised(run->process, &run->thread->raised, &run->stop);
    return true;
}

/* Does the guest raise an exception here that is a stop? */
static bool stop_at_raise_point(struct run *run, gva_t pc)
{
    return pc && pc == process_raise_point(run->process) &&
           process_raise_called(run->process, &run->thread->raised) && stop_at_raised(run);
}

static bool stop_at_break(struct run *run, gva_t pc)
{
    return (points_at(&run->points, pc) && run_hit(run, pc)) || stop_at_raise_point(run, pc);
}

static bool stop_at_syscall(struct run *run, const struct cpu_event *event)
{
    uint32_t exit_code = 0;

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
        if (!atomic_load(&run->interrupted))
            return false;
        stop_as(run, STOP_INTERRUPT);
        return true;
    case PROCESS_SYSCALL_DONE:
        break;
    }
    if (!process_modules_changed(run->process) || run->starting)
        return false;
    stop_as(run, STOP_LIBRARY);
    return true;
}

/* Turn one event into the stop; false when the guest just goes on. */
static bool stopped_by(struct run *run, const struct cpu_event *event)
{
    switch (event->kind) {
    case CPU_EVENT_STOP:
        if (!atomic_load(&run->interrupted))
            return false; /* the turn is over, or an interrupt came as another stop was made */
        stop_as(run, STOP_INTERRUPT);
        return true;
    case CPU_EVENT_BREAK:
        return stop_at_break(run, event->pc);
    case CPU_EVENT_STEP:
    case CPU_EVENT_LIMIT:
        return false;
    case CPU_EVENT_TRAP:
        return event->access == VM_EXEC && (stop_at_exit(run) || stop_at_import(run));
    case CPU_EVENT_SYSCALL:
        return stop_at_syscall(run, event);
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

/*
 * One instruction with traps open: what it does to watched bytes is looked at before and after. thread->stepped says
 * whether it was executed: not when a stack grew under it, or when a system call will ask again.
 */
static enum err step_open(struct run *run, bool *stopped)
{
    struct vm *vm = process_vm(run->process);
    struct watch_probe probe; /* large: only its count is cleared */
    gva_t pc = cpu_get(run->cpu, CPU_RIP);
    struct cpu_event event;
    enum err e;

    probe.count = 0;
    if (run->watches.count)
        watches_probe(&run->watches, vm, run->cpu, run->dis, &probe);
    e = cpu_step(run->cpu, true, &event);
    if (e)
        return e;
    *stopped = stopped_by(run, &event);
    run->thread->stepped = event.kind == CPU_EVENT_STEP ||
                           (event.kind == CPU_EVENT_SYSCALL && cpu_get(run->cpu, CPU_RIP) != pc);
    if (!*stopped && watches_hit(&probe, vm, &run->stop.watch, &run->stop.addr)) {
        stop_as(run, STOP_WATCH);
        *stopped = true;
    }
    return ERR_OK;
}

/* Execute one instruction on the debugger's behalf; *stopped says whether that made a stop. */
static enum err step_one(struct run *run, bool *stopped)
{
    enum err e = step_open(run, stopped);

    if (!e && !*stopped)
        *stopped = stop_at_exit(run) || stop_at_import(run);
    return e;
}

/* Could the thread whose turn it is go on at once? Not when it waits, has ended, or others get their turn. */
static bool keeps_turn(struct run *run)
{
    return process_is_ready(run->process, run->thread->tid) && !cpu_due(run->cpu);
}

static enum err turn_step(struct run *run, bool *stopped)
{
    enum err e = ERR_OK;

    *stopped = false;
    if (!run->thread->stepped)
        e = step_one(run, stopped);
    if (e || *stopped || !run->thread->stepped || !process_is_ready(run->process, run->thread->tid))
        return e;
    stop_as(run, STOP_STEP);
    *stopped = true;
    return ERR_OK;
}

/* Where a step of a range has come to: is that a stop? */
static bool range_stops(struct run *run, const struct target_action *action)
{
    gva_t pc = cpu_get(run->cpu, CPU_RIP);

    if (pc < action->lo || pc >= action->hi) {
        stop_as(run, STOP_STEP);
        return true;
    }
    if (stop_at_break(run, pc))
        return true;
    if (atomic_load(&run->interrupted)) {
        stop_as(run, STOP_INTERRUPT);
        return true;
    }
    return false;
}

static enum err turn_range(struct run *run, const struct target_action *action, bool *stopped)
{
    *stopped = false;
    do {
        enum err e = ERR_OK;

        if (!run->thread->stepped)
            e = step_one(run, stopped);
        if (e || *stopped || !process_is_ready(run->process, run->thread->tid))
            return e;
        if (run->thread->stepped && range_stops(run, action)) {
            *stopped = true;
            return ERR_OK;
        }
        run->thread->stepped = false;
    } while (keeps_turn(run));
    return ERR_OK;
}

/* What the CPU did since `pc` and `work`: does the thread still stand at the break that it may pass? */
static void renew_pass(struct run *run, const struct cpu_event *event, gva_t pc, uint64_t work)
{
    struct run_thread *thread = run->thread;

    if (event->kind == CPU_EVENT_BREAK) { /* a hit that does not stop is passed */
        thread->passes = true;
        thread->pass_pc = event->pc;
    } else if (cpu_get(run->cpu, CPU_RIP) != pc || cpu_work(run->cpu) != work) {
        thread->passes = false;
    }
}

/* A made-up function that was reported runs on (its code returns) instead of being reported again. */
static enum err turn_continue(struct run *run, bool *stopped)
{
    struct run_thread *thread = run->thread;
    struct cpu_event event;

    *stopped = false;
    if (thread->leaves_import) {
        enum err e;

        thread->leaves_import = thread->passes = false;
        e = step_one(run, stopped);
        if (e || *stopped)
            return e;
    }
    do {
        gva_t pc = cpu_get(run->cpu, CPU_RIP);
        uint64_t work = cpu_work(run->cpu);
        enum err e = cpu_run(run->cpu, thread->passes && thread->pass_pc == pc, &event);

        if (e)
            return e;
        renew_pass(run, &event, pc, work);
        *stopped = stopped_by(run, &event);
        if (!*stopped && event.kind == CPU_EVENT_TRAP)
            e = step_open(run, stopped);
        if (e || *stopped)
            return e;
    } while (event.kind != CPU_EVENT_SYSCALL && event.kind != CPU_EVENT_STOP && keeps_turn(run));
    return ERR_OK;
}

/* Settle the exception that the thread is stopped at; true when the process ended by it. */
static bool settle_exception(struct run *run, bool pass)
{
    struct run_thread *thread = run->thread;
    gva_t pc = cpu_get(run->cpu, CPU_RIP);

    if (!thread->excepted)
        return false;
    thread->excepted = false;
    if (pass && process_raise(run->process, &thread->raised))
        return false;
    if (pass) {
        run_end(run, thread->raised.code);
        return true;
    }
    if (pc == thread->exception.pc)
        cpu_set(run->cpu, CPU_RIP, exception_continue_pc(&thread->exception));
    return false;
}

/* The raise point as a thread leaves it that stands there: behind a breakpoint, or by a step, no break stops there. */
static bool leaves_raise_point(struct run *run, enum target_action_kind kind)
{
    const struct run_thread *thread = run->thread;
    gva_t pc = cpu_get(run->cpu, CPU_RIP);
    bool steps = kind == ACTION_STEP || kind == ACTION_RANGE;

    return (steps || (thread->passes && thread->pass_pc == pc)) && stop_at_raise_point(run, pc);
}

/* Nobody can run. */
static void stop_stuck(struct run *run)
{
    struct buf text;

    buf_init(&text, sizeof run->stop.note - 1);
    process_stuck(run->process, &text);
    stop_as(run, STOP_STUCK);
    say(&run->stop, &text);
    buf_fini(&text);
}

/* The thread on the CPU does what it shall until it stops or its turn is over. */
static enum err take_turn(struct run *run, bool *stopped)
{
    uint32_t tid = process_current(run->process);
    const struct target_action *action = actions_of(&run->actions, tid);

    run->stop = (struct target_stop){.kind = STOP_STEP, .tid = tid};
    run->thread = actions_thread(&run->actions, tid);
    if (!run->thread)
        return ERR_NOMEM;
    *stopped = settle_exception(run, action->pass) || leaves_raise_point(run, action->kind);
    if (*stopped)
        return ERR_OK;
    switch (action->kind) {
    case ACTION_STEP:
        return turn_step(run, stopped);
    case ACTION_RANGE:
        return turn_range(run, action, stopped);
    case ACTION_CONTINUE:
    case ACTION_HALT:
        break;
    }
    return turn_continue(run, stopped);
}

/* Turn by turn, until something stops the process. */
static enum err go(struct run *run)
{
    bool stopped = false;

    while (!stopped) {
        enum err e = ERR_OK;

        switch (process_schedule(run->process)) {
        case PROCESS_TURN_RUNS:
            e = take_turn(run, &stopped);
            break;
        case PROCESS_TURN_IDLE:
            stopped = atomic_load(&run->interrupted);
            if (stopped)
                stop_as(run, STOP_INTERRUPT);
            break;
        case PROCESS_TURN_HELD:
        case PROCESS_TURN_STUCK:
            stop_stuck(run);
            return ERR_OK;
        }
        if (e)
            return e;
    }
    return ERR_OK;
}

/* What a resume begins anew. */
static void begin(struct run *run)
{
    uint32_t tid = run->stop.tid;

    for (size_t i = 0; i < run->actions.thread_count; i++)
        run->actions.threads[i].stepped = false;
    if (!process_has_thread(run->process, tid))
        tid = process_current(run->process);
    run->stop = (struct target_stop){.kind = STOP_STEP, .tid = tid};
}

enum err run_go(struct run *run, struct target_stop *why)
{
    enum err e;

    if (!run->resumed)
        return ERR_STATE;
    run->resumed = false;
    begin(run);
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
