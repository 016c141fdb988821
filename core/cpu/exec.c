/*
 * Running and stepping. Every run begins with one instruction under TF and goes on from inside the
 * engine: that passes a break at the start, and by then the engine has forgotten stops asked for
 * too early, so another thread's stop cannot be lost. Everything that changes maps or hooks
 * happens here, outside the engine.
 */
#include "cpu/cpu_priv.h"

#include <time.h>

#include "winstub/log.h"

/* So many turns at one place without an instruction done mean that the engine and we disagree. */
#define TURNS_LIMIT 1000

#define STOP_NAP_NS       10000
#define STOP_NAP_LIMIT_NS 10000000

/* ---- Callbacks ------------------------------------------------------------------------------- */

/* The first note wins: what comes after it in the same instruction follows from it. */
void exec_note(struct cpu *cpu, enum note_kind kind, gva_t address, gva_t end)
{
    if (cpu->note.kind == NOTE_NONE)
        cpu->note = (struct note){kind, cpu->note.vector, address, end};
    engine_stop(cpu->engine);
}

/* The first instruction is done; from here the run is an ordinary one that cpu_stop can end. */
static void run_has_started(struct cpu *cpu)
{
    cpu->starting = false;
    engine_set(cpu->engine, CPU_EFLAGS, engine_get(cpu->engine, CPU_EFLAGS) & ~CPU_TF);
    if (engine_async_stop() && !cpu->polls) /* in the middle of a block nothing could be counted */
        atomic_store(&cpu->running, true);
    if (atomic_load(&cpu->stop))
        engine_stop(cpu->engine);
}

void exec_on_interrupt(void *ctx, uint32_t vector)
{
    struct cpu *cpu = ctx;

    if (vector == CPU_VEC_DB && cpu->starting && cpu->note.kind == NOTE_NONE) {
        run_has_started(cpu);
        return;
    }
    if (cpu->note.kind == NOTE_NONE)
        cpu->note.vector = vector;
    exec_note(cpu, NOTE_INTERRUPT, 0, 0);
}

void exec_on_syscall(void *ctx)
{
    struct cpu *cpu = ctx;

    exec_note(cpu, NOTE_SYSCALL, engine_get(cpu->engine, CPU_RIP), 0);
}

void exec_on_tsc(void *ctx, bool with_aux)
{
    struct cpu *cpu = ctx;
    uint64_t tsc = cpu->tsc ? cpu->tsc(cpu->tsc_ctx) : ++cpu->tsc_reads;

    engine_set(cpu->engine, CPU_RAX, (uint32_t)tsc);
    engine_set(cpu->engine, CPU_RDX, tsc >> 32);
    if (with_aux)
        engine_set(cpu->engine, CPU_RCX, 0);
}

/*
 * The engine clears its exit flag and looks at its exit request without a barrier in between, so
 * that another thread's request can be overwritten. It is repeated until the run has ended, or
 * long after it would have.
 */
void cpu_stop(struct cpu *cpu)
{
    struct timespec nap = {0, STOP_NAP_NS};

    atomic_store(&cpu->stop, true);
    while (atomic_load(&cpu->running) && nap.tv_nsec < STOP_NAP_LIMIT_NS) {
        engine_stop(cpu->engine);
        (void)nanosleep(&nap, NULL);
        nap.tv_nsec *= 2;
    }
}

/* ---- One turn of the engine ------------------------------------------------------------------ */

enum engine_exit exec_engine(struct cpu *cpu, enum fill_mode mode)
{
    uint64_t before = work_begun(cpu);
    enum engine_exit exit;

    memory_settle(cpu);
    work_grant(cpu);
    cpu->note = (struct note){.kind = NOTE_NONE};
    cpu->fill_mode = mode;
    exit = engine_run(cpu->engine);
    cpu->fill_mode = FILL_NOTHING;
    if (mode == FILL_GUEST)
        work_settle(cpu);
    else
        work_forget(cpu, before);
    return exit;
}

static enum outcome event_at(struct cpu *cpu, enum cpu_event_kind kind, struct cpu_event *out)
{
    *out = (struct cpu_event){.kind = kind, .pc = engine_get(cpu->engine, CPU_RIP)};
    return OUTCOME_EVENT;
}

/* Has a hook said of this very refusal that its cause is mended, and is it still there? */
static bool was_mended(const struct cpu *cpu, const struct cpu_event *event)
{
    const struct cpu_event *m = &cpu->mended;

    return m->kind == CPU_EVENT_FAULT && m->pc == event->pc && m->address == event->address &&
           m->access == event->access && m->fault == event->fault;
}

/* Do hooks on refused accesses mend the cause of this one? */
static bool is_mended(struct cpu *cpu, const struct cpu_event *event)
{
    uint8_t value[DETOUR_MOST];
    struct cpu_access access = {.pc = event->pc,
                                .address = event->address,
                                .size = event->size,
                                .access = event->access,
                                .fault = event->fault};

    if (cpu->detour.active || !hooks_concern(cpu, &access) || was_mended(cpu, event))
        return false;
    if (access.access == VM_WRITE &&
        detour_value(cpu, event->pc, event->address, value, &access.value_at))
        access.value = value;
    if (!hooks_call(cpu, &access))
        return false;
    cpu->mended = *event;
    return true;
}

enum outcome exec_refused(struct cpu *cpu, gva_t pc, struct cpu_event *out)
{
    fault_describe(cpu, pc, out);
    return out->kind == CPU_EVENT_FAULT && is_mended(cpu, out) ? OUTCOME_AGAIN : OUTCOME_EVENT;
}

/*
 * The engine refused an access. single: it ran one instruction, else a block that may have begun
 * earlier.
 */
static enum outcome after_refusal(struct cpu *cpu, bool single, struct cpu_event *out)
{
    gva_t pc = engine_get(cpu->engine, CPU_RIP);

    switch (cpu->refused.why) {
    case REFUSED_AGAIN:
        cpu->flush = true;
        return OUTCOME_AGAIN;
    case REFUSED_FLIP:
        memory_flip(cpu, pc);
        return OUTCOME_AGAIN;
    case REFUSED_LENT:
        return memory_map_lent(cpu) ? OUTCOME_NOMEM : OUTCOME_AGAIN;
    case REFUSED_GDT:
        if (fault_is_segment_load(cpu, pc)) {
            cpu->gdt_open = true;
            return OUTCOME_AGAIN;
        }
        cpu->refused.why = REFUSED_FAULT;
        cpu->refused.fault = VM_FAULT_KERNEL;
        break;
    case REFUSED_PRIVATE:
        return OUTCOME_BROKEN;
    default:
        break;
    }
    if (cpu->refused.want == VM_EXEC && !single && PAGE_OF(pc) != cpu->refused.page) {
        /* Translation ran on into the page; whether execution gets there is not known yet. */
        cpu->walk_first = pc;
        cpu->walk_end = cpu->refused.page;
        return OUTCOME_AGAIN;
    }
    if (cpu->refused.want == VM_EXEC && !single && breaks_user_at(cpu, pc))
        return OUTCOME_AGAIN; /* a break in a page that cannot be executed is still a break */
    if (cpu->refused.why == REFUSED_WRITTEN) {
        writes_told(cpu);
        *out =
            (struct cpu_event){.kind = CPU_EVENT_WRITTEN, .pc = pc, .address = cpu->refused.page};
        return OUTCOME_EVENT;
    }
    if (cpu->refused.why == REFUSED_DETOUR)
        return detour_run(cpu, pc, out);
    return exec_refused(cpu, pc, out);
}

static enum outcome after_syscall(struct cpu *cpu, struct cpu_event *out)
{
    struct scan_insn insn = {.length = 2};
    gva_t at = cpu->note.address;

    (void)fault_scan(cpu, at, &insn);
    engine_set(cpu->engine, CPU_RIP, at + insn.length);
    return event_at(cpu, CPU_EVENT_SYSCALL, out);
}

static enum outcome after_interrupt(struct cpu *cpu, struct cpu_event *out)
{
    fault_interrupt(cpu, cpu->note.vector, out);
    if (out->vector != CPU_VEC_SERVICE || !out->length)
        return OUTCOME_EVENT;
    engine_set(cpu->engine, CPU_RIP, out->pc + out->length);
    return event_at(cpu, CPU_EVENT_SYSCALL, out);
}

static enum outcome after_note(struct cpu *cpu, struct cpu_event *out)
{
    switch (cpu->note.kind) {
    case NOTE_INTERRUPT:
        return after_interrupt(cpu, out);
    case NOTE_SYSCALL:
        return after_syscall(cpu, out);
    case NOTE_WALK:
        cpu->walk_first = cpu->note.address;
        cpu->walk_end = cpu->note.end;
        return OUTCOME_AGAIN;
    case NOTE_ARM:
        return breaks_arm(cpu, &cpu->note) ? OUTCOME_NOMEM : OUTCOME_AGAIN;
    default: /* a break, which the run loop finds by itself, or cpu_stop */
        return OUTCOME_AGAIN;
    }
}

static enum outcome after_engine(struct cpu *cpu, enum engine_exit exit, bool single,
                                 struct cpu_event *out)
{
    switch (exit) {
    case ENGINE_STOPPED:
        return after_note(cpu, out);
    case ENGINE_REFUSED:
        return after_refusal(cpu, single, out);
    case ENGINE_INVALID:
        fault_invalid(cpu, out);
        return OUTCOME_EVENT;
    default:
        LOG(cpu, "engine failed at 0x%" PRIx64 ": %s", engine_get(cpu->engine, CPU_RIP),
            engine_error(cpu->engine));
        return OUTCOME_BROKEN;
    }
}

/* ---- One instruction ------------------------------------------------------------------------- */

/* Our TF is in the image that pushf has just pushed; take it out. */
static void clean_pushed_flags(struct cpu *cpu)
{
    gva_t tf_byte = cpu_get(cpu, CPU_RSP) + 1;
    uint8_t *scratch = cpu->detour.active ? detour_bytes(cpu, tf_byte) : NULL;
    struct vm_fill fill;

    if (scratch)
        *scratch &= (uint8_t) ~(CPU_TF >> 8);
    else if (vm_fill(cpu->vm, PAGE_OF(tf_byte), VM_WRITE, &fill) == VM_FAULT_NONE)
        cpu->arena[fill.offset + OFFSET_OF(tf_byte)] &= (uint8_t) ~(CPU_TF >> 8);
}

static enum outcome stepped(struct cpu *cpu, bool own_tf, struct cpu_event *out)
{
    if (!own_tf)
        return OUTCOME_STEPPED;
    (void)event_at(cpu, CPU_EVENT_EXCEPTION, out);
    out->vector = CPU_VEC_DB;
    return OUTCOME_EVENT;
}

/* Do what the engine must not: insn is at pc. */
static enum outcome step_marked(struct cpu *cpu, const struct scan_insn *insn, bool own_tf,
                                struct cpu_event *out)
{
    gva_t pc = engine_get(cpu->engine, CPU_RIP);
    uint8_t last = 0;

    if (insn->traits & SCAN_TSC) {
        (void)vm_debug_read(cpu->vm, pc + insn->length - 1, &last, 1);
        exec_on_tsc(cpu, last == 0xf9);
        engine_set(cpu->engine, CPU_RIP, pc + insn->length);
        return stepped(cpu, own_tf, out);
    }
    (void)event_at(cpu, CPU_EVENT_EXCEPTION, out);
    out->vector = insn->traits & SCAN_ILLEGAL ? CPU_VEC_UD : CPU_VEC_GP;
    return OUTCOME_EVENT;
}

/* Give EFLAGS.TF back to the guest after a step of insn. */
static void restore_tf(struct cpu *cpu, const struct scan_insn *insn, bool done, bool own_tf)
{
    uint64_t flags = engine_get(cpu->engine, CPU_EFLAGS);

    if (own_tf)
        return;
    if (!done || !(insn->traits & SCAN_LOADS_FLAGS))
        engine_set(cpu->engine, CPU_EFLAGS, flags & ~CPU_TF);
    if (done && (insn->traits & SCAN_PUSHES_FLAGS))
        clean_pushed_flags(cpu);
}

/*
 * No trap comes between a load of ss and the instruction behind it: one step under TF executes both. Give insn, which
 * was at pc, the second one's dealings with the flags as well when that has happened.
 */
static void join_shadow(const struct cpu *cpu, gva_t pc, struct scan_insn *insn)
{
    gva_t next = pc + insn->length;
    struct scan_insn second;

    if ((insn->traits & SCAN_LOADS_SEGMENT) && fault_scan(cpu, next, &second) &&
        engine_get(cpu->engine, CPU_RIP) == next + second.length)
        insn->traits |= second.traits & (SCAN_PUSHES_FLAGS | SCAN_LOADS_FLAGS);
}

static enum outcome step_engine(struct cpu *cpu, struct scan_insn *insn, uint64_t flags,
                                struct cpu_event *out)
{
    gva_t pc = engine_get(cpu->engine, CPU_RIP);
    bool repeats = insn->counter && work_counter(cpu, insn);
    bool own_tf = flags & CPU_TF;
    enum engine_exit exit;
    bool done;

    if (!own_tf)
        engine_set(cpu->engine, CPU_EFLAGS, flags | CPU_TF);
    cpu->stepping = true;
    cpu->unguarded = insn->traits & SCAN_STORES_UNSEEN;
    if (cpu->unguarded && cpu->guarded.count)
        cpu->flush = true;
    exit = exec_engine(cpu, FILL_GUEST);
    cpu->stepping = cpu->unguarded = false;
    done = exit == ENGINE_STOPPED && cpu->note.kind == NOTE_INTERRUPT &&
           cpu->note.vector == CPU_VEC_DB && !(insn->traits & SCAN_INT1);
    if (done)
        join_shadow(cpu, pc, insn);
    if (done && repeats)
        work_finish_rep(cpu, pc, insn);
    restore_tf(cpu, insn, done, own_tf);
    cpu->done = done;
    return done ? stepped(cpu, own_tf, out) : after_engine(cpu, exit, true, out);
}

static enum outcome step_once(struct cpu *cpu, struct cpu_event *out)
{
    gva_t pc = engine_get(cpu->engine, CPU_RIP);
    uint64_t flags = engine_get(cpu->engine, CPU_EFLAGS);
    struct scan_insn insn = {0};
    enum outcome outcome;

    cpu->done = false;
    if (breaks_marked_at(cpu, pc, &insn) && !(insn.traits & SCAN_ALONE)) {
        if (!cpu->detour.active && hooks_on_page(cpu, PAGE_OF(pc)) & VM_EXEC)
            return detour_run(cpu, pc, out); /* no fetch will be refused */
        outcome = step_marked(cpu, &insn, flags & CPU_TF, out);
    } else {
        (void)fault_scan(cpu, pc, &insn);
        outcome = step_engine(cpu, &insn, flags, out);
    }
    if (outcome != OUTCOME_AGAIN) {
        memory_close_both(cpu);
        cpu->gdt_open = false;
    }
    if (outcome == OUTCOME_STEPPED)
        cpu->mended = (struct cpu_event){0};
    return outcome;
}

enum outcome exec_one(struct cpu *cpu, struct cpu_event *out)
{
    gva_t pc = engine_get(cpu->engine, CPU_RIP);
    enum outcome outcome;
    unsigned turns = 0;

    do {
        outcome = step_once(cpu, out);
        if (outcome == OUTCOME_AGAIN && engine_get(cpu->engine, CPU_RIP) != pc)
            return OUTCOME_STEPPED; /* a hook has left it out */
    } while (outcome == OUTCOME_AGAIN && ++turns < TURNS_LIMIT);
    return outcome;
}

/* ---- Running --------------------------------------------------------------------------------- */

/* Must the instruction at pc be executed alone? */
static bool needs_step(struct cpu *cpu, gva_t pc)
{
    struct scan_insn insn;

    if (cpu->both_count || cpu->gdt_open)
        return true;
    if (pc - cpu->walk_first < cpu->walk_end - cpu->walk_first)
        return true;
    cpu->walk_first = cpu->walk_end = 0;
    if (engine_get(cpu->engine, CPU_EFLAGS) & CPU_TF)
        return true;
    if (breaks_marked_at(cpu, pc, &insn))
        return true;
    if (!fault_scan(cpu, pc, &insn))
        return false;
    if (insn.counter && work_counter(cpu, &insn) == 1)
        return true; /* see work_finish_rep */
    return insn.traits & (SCAN_PUSHES_FLAGS | SCAN_LOADS_FLAGS | SCAN_LOADS_SEGMENT | SCAN_INT1);
}

/* Run freely from rip; *progress tells whether at least one instruction was executed. */
static enum outcome run_free(struct cpu *cpu, bool *progress, struct cpu_event *out)
{
    enum engine_exit exit;

    engine_set(cpu->engine, CPU_EFLAGS, engine_get(cpu->engine, CPU_EFLAGS) | CPU_TF);
    cpu->starting = true;
    exit = exec_engine(cpu, FILL_GUEST);
    atomic_store(&cpu->running, false);
    *progress = !cpu->starting;
    cpu->starting = false;
    if (!*progress)
        engine_set(cpu->engine, CPU_EFLAGS, engine_get(cpu->engine, CPU_EFLAGS) & ~CPU_TF);
    else
        cpu->mended = (struct cpu_event){0};
    return after_engine(cpu, exit, !*progress, out);
}

/* One turn of cpu_run. */
static enum outcome turn(struct cpu *cpu, bool pass_break, bool *progress, struct cpu_event *out)
{
    gva_t pc = engine_get(cpu->engine, CPU_RIP);
    enum outcome outcome;

    *progress = false;
    if (atomic_exchange(&cpu->stop, false))
        return event_at(cpu, CPU_EVENT_STOP, out);
    if (work_begun(cpu) >= cpu->work_limit)
        return event_at(cpu, CPU_EVENT_LIMIT, out);
    if (!pass_break && breaks_user_at(cpu, pc))
        return event_at(cpu, CPU_EVENT_BREAK, out);
    outcome = needs_step(cpu, pc) ? step_once(cpu, out) : run_free(cpu, progress, out);
    if (outcome == OUTCOME_AGAIN && engine_get(cpu->engine, CPU_RIP) != pc)
        *progress = true; /* a hook has left the instruction out */
    if (outcome == OUTCOME_STEPPED) {
        *progress = true;
        outcome = OUTCOME_AGAIN;
    }
    return outcome;
}

static enum err result_of(enum outcome outcome)
{
    if (outcome == OUTCOME_NOMEM)
        return ERR_NOMEM;
    return outcome == OUTCOME_BROKEN || outcome == OUTCOME_AGAIN ? ERR_ENGINE : ERR_OK;
}

enum err cpu_run(struct cpu *cpu, bool pass_break, struct cpu_event *out)
{
    enum outcome outcome;
    unsigned turns = 0;
    bool progress;

    cpu->walk_first = cpu->walk_end = 0;
    cpu->mended = (struct cpu_event){0};
    do {
        outcome = turn(cpu, pass_break, &progress, out);
        turns = progress ? 0 : turns + 1;
        pass_break = pass_break && !progress;
    } while (outcome == OUTCOME_AGAIN && turns < TURNS_LIMIT);
    return result_of(outcome);
}

enum err cpu_step(struct cpu *cpu, bool open, struct cpu_event *out)
{
    enum outcome outcome;

    cpu->mended = (struct cpu_event){0};
    cpu->open = open;
    outcome = exec_one(cpu, out);
    cpu->open = false;
    if (outcome == OUTCOME_STEPPED)
        (void)event_at(cpu, CPU_EVENT_STEP, out);
    return result_of(outcome);
}
