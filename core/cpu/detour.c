/*
 * One instruction whose memory operands lie in scratch pages instead of the guest's memory. That is how an instruction
 * reaches a device (its bytes are asked of the device before and handed to it after, each operand whole, whatever the
 * instruction is), how a hook hears of a value before it is stored, and why an instruction that a device refuses
 * halfway has had no effect: what it did is thrown away.
 *
 * It decides the order of things: every page is checked, hooks hear of reads, operands are loaded, hooks hear of
 * writes, the instruction runs, devices take their bytes, memory takes the rest. What the instruction touches is
 * dis.h's to say; engine and steps are exec.c's.
 */
#include "cpu/cpu_priv.h"

#include <stdlib.h>
#include <string.h>

#include "winstub/foreign.h"

/* A part of an operand that lies in one device, or in none. */
struct piece {
    gva_t addr;
    size_t len;
    size_t at; /* from the operand's start */
    bool device;
};

/* The instruction being executed and its operands' bytes as they were loaded. */
struct work {
    struct cpu *cpu;
    gva_t pc;
    struct dis_insn insn;
    bool device; /* an operand touches one */
    uint8_t loaded[DIS_MAX_ACCESSES][DETOUR_MOST];
};

/* ---- Scratch pages --------------------------------------------------------------------------- */

/* The scratch page that stands for a page; NULL when none does. */
static const struct detour_page *scratch_of(const struct cpu *cpu, gva_t page)
{
    for (size_t i = 0; i < cpu->detour.count; i++) {
        if (cpu->detour.pages[i].page == page)
            return &cpu->detour.pages[i];
    }
    return NULL;
}

/* Let a scratch page stand for a page of the guest's. ERR_NOMEM. */
static enum err add_scratch(struct cpu *cpu, gva_t page)
{
    struct detour *d = &cpu->detour;

    if (scratch_of(cpu, page))
        return ERR_OK;
    if (d->count == d->made) {
        if (vm_frame_new(cpu->vm, &d->pages[d->made].offset) != STATUS_SUCCESS)
            return ERR_NOMEM;
        d->made++;
    }
    d->pages[d->count++].page = page;
    return ERR_OK;
}

uint8_t *detour_bytes(const struct cpu *cpu, gva_t addr)
{
    const struct detour_page *p = scratch_of(cpu, PAGE_OF(addr));

    return p ? cpu->arena + p->offset + OFFSET_OF(addr) : NULL;
}

bool detour_fill(struct cpu *cpu, gva_t page, enum vm_access want, struct vm_fill *out)
{
    const struct detour_page *p = scratch_of(cpu, page);

    if (!p || want == VM_EXEC)
        return false;
    *out = (struct vm_fill){p->offset, VM_READ | VM_WRITE};
    return true;
}

void detour_fini(struct cpu *cpu)
{
    for (size_t i = 0; i < cpu->detour.made; i++)
        vm_frame_free(cpu->vm, cpu->detour.pages[i].offset);
    engine_context_free(cpu->detour.before);
    engine_context_free(cpu->detour.after);
    cpu->detour = (struct detour){0};
}

/* Copy an operand's bytes to its scratch pages, or from there. */
static void put(struct cpu *cpu, gva_t addr, const uint8_t *from, size_t len)
{
    for (size_t i = 0; i < len; i++)
        *detour_bytes(cpu, addr + i) = from[i];
}

static void get(const struct cpu *cpu, gva_t addr, uint8_t *to, size_t len)
{
    for (size_t i = 0; i < len; i++)
        to[i] = *detour_bytes(cpu, addr + i);
}

/* ---- Operands -------------------------------------------------------------------------------- */

/* Decode what stands at pc. False: it has no operands that anybody knows of, or one too large. */
static bool decode(struct work *w)
{
    uint8_t bytes[DIS_MAX_LENGTH];
    size_t len = vm_debug_read(w->cpu->vm, w->pc, bytes, sizeof bytes);

    w->device = false;
    w->insn = (struct dis_insn){0};
    if (!dis_decode(w->cpu->dis, w->cpu, w->pc, bytes, len, &w->insn))
        return false;
    for (size_t i = 0; i < w->insn.access_count; i++) {
        if (w->insn.accesses[i].size > DETOUR_MOST)
            return false;
    }
    return true;
}

/* The next piece of an operand, which starts out zeroed; false behind the last. */
static bool next_piece(const struct cpu *cpu, const struct dis_access *a, struct piece *p)
{
    struct vm_region r = {0};
    gva_t end;

    p->at += p->len;
    if (p->at == a->size)
        return false;
    p->addr = a->address + p->at;
    p->len = a->size - p->at;
    p->device = vm_query(cpu->vm, p->addr, &r) == STATUS_SUCCESS && r.device;
    end = p->device ? r.allocation_base + r.allocation_size : r.base + r.size;
    if (end - p->addr < p->len)
        p->len = (size_t)(end - p->addr);
    return true;
}

/* Note in cpu->refused that one access of the operand to a page is not to be. */
static bool refuse(struct work *w, enum refusal why, gva_t addr, enum vm_access want,
                   enum vm_fault fault)
{
    w->cpu->refused =
        (struct refused){.why = why, .page = PAGE_OF(addr), .want = want, .fault = fault};
    return false;
}

/* May the operand's page be accessed so? */
static bool allow_page(struct work *w, gva_t page, enum vm_access want)
{
    struct vm_fill unused;
    enum vm_fault fault;

    if (!w->cpu->open && (cpu_trap_get(w->cpu, page) & want))
        return refuse(w, REFUSED_TRAP, page, want, VM_FAULT_NONE);
    fault = vm_fill(w->cpu->vm, page, want, &unused);
    if (fault == VM_FAULT_DEVICE)
        w->device = true;
    else if (fault != VM_FAULT_NONE)
        return refuse(w, REFUSED_FAULT, page, want, fault);
    return true;
}

/* May every page of every operand be accessed as the instruction will? Nothing was asked of a device yet. */
static bool allow_all(struct work *w)
{
    for (size_t i = 0; i < w->insn.access_count; i++) {
        const struct dis_access *a = &w->insn.accesses[i];
        gva_t last = PAGE_OF(a->address + a->size - 1);

        for (gva_t page = PAGE_OF(a->address);; page += VM_PAGE_SIZE) {
            if ((a->access & VM_READ) && !allow_page(w, page, VM_READ))
                return false;
            if ((a->access & VM_WRITE) && !allow_page(w, page, VM_WRITE))
                return false;
            if (page == last)
                break;
        }
    }
    return true;
}

/* Have scratch pages for every operand. ERR_NOMEM. */
static enum err open_scratch(struct work *w)
{
    struct cpu *cpu = w->cpu;
    enum err e = ERR_OK;

    cpu->detour.count = 0;
    if (!cpu->detour.before)
        cpu->detour.before = engine_context_new(cpu->engine);
    if (!cpu->detour.after)
        cpu->detour.after = engine_context_new(cpu->engine);
    if (!cpu->detour.before || !cpu->detour.after)
        return ERR_NOMEM;
    for (size_t i = 0; !e && i < w->insn.access_count; i++) {
        const struct dis_access *a = &w->insn.accesses[i];

        e = add_scratch(cpu, PAGE_OF(a->address));
        if (!e)
            e = add_scratch(cpu, PAGE_OF(a->address + a->size - 1));
    }
    return e;
}

/*
 * Load one operand: memory as it is, what is read of a device by asking it when ask is set, else as it was loaded
 * before. unknown: may be NULL; set when some of what is read can not be known.
 */
static bool load_one(struct work *w, size_t i, bool ask, bool *unknown)
{
    const struct dis_access *a = &w->insn.accesses[i];
    struct piece p = {0};

    while (next_piece(w->cpu, a, &p)) {
        uint8_t *to = w->loaded[i] + p.at;
        bool reads = a->access & VM_READ || w->insn.partial;

        if (!p.device) {
            if (vm_debug_read(w->cpu->vm, p.addr, to, p.len) != p.len && reads && unknown)
                *unknown = true;
        } else if (!ask) {
            if (reads && unknown)
                *unknown = true;
        } else if (reads && vm_device_read(w->cpu->vm, p.addr, to, p.len) != p.len) {
            return refuse(w, REFUSED_FAULT, p.addr, VM_READ, VM_FAULT_DEVICE);
        }
    }
    return true;
}

static bool load_all(struct work *w, bool ask, bool *unknown)
{
    for (size_t i = 0; i < w->insn.access_count; i++) {
        if (!load_one(w, i, ask, unknown))
            return false;
    }
    return true;
}

/* Load everything, and let what callbacks do to registers be lost. */
static bool load_for_good(struct work *w)
{
    bool loaded;

    engine_context_save(w->cpu->engine, w->cpu->detour.before);
    loaded = load_all(w, true, NULL);
    engine_context_load(w->cpu->engine, w->cpu->detour.before);
    return loaded;
}

/* ---- Execution ------------------------------------------------------------------------------- */

/*
 * Put what was loaded into the scratch pages. Where operands overlap, what is read counts: what is only written was
 * loaded for the bytes that the instruction leaves alone.
 */
static void put_all(const struct work *w)
{
    for (int reads = 0; reads < 2; reads++) {
        for (size_t i = 0; i < w->insn.access_count; i++) {
            const struct dis_access *a = &w->insn.accesses[i];

            if (!(a->access & VM_READ) == !reads)
                put(w->cpu, a->address, w->loaded[i], a->size);
        }
    }
}

/* Run the instruction on what was loaded; *done says whether it was executed. */
static enum outcome execute(struct work *w, bool *done, struct cpu_event *out)
{
    struct cpu *cpu = w->cpu;
    enum outcome outcome;

    if (cpu->detour.count)
        put_all(w);
    cpu->flush = true;
    cpu->detour.active = true;
    outcome = exec_one(cpu, out);
    cpu->detour.active = false;
    cpu->flush = true; /* the answers must not outlive the instruction */
    *done = cpu->done;
    return outcome;
}

/* What every operand that is written will hold, into w->loaded; nothing else happens. */
static bool try_out(struct work *w)
{
    uint64_t before = work_begun(w->cpu);
    struct cpu_event unused;
    bool done;

    engine_context_save(w->cpu->engine, w->cpu->detour.before);
    (void)execute(w, &done, &unused);
    engine_context_load(w->cpu->engine, w->cpu->detour.before);
    work_forget(w->cpu, before);
    return done;
}

static bool is_written(const struct work *w, size_t i)
{
    return w->insn.accesses[i].access & VM_WRITE;
}

/* Give written bytes to the devices, or else to memory. False: refused. */
static bool store(struct work *w, bool device)
{
    uint8_t bytes[DETOUR_MOST];

    for (size_t i = 0; i < w->insn.access_count; i++) {
        const struct dis_access *a = &w->insn.accesses[i];
        struct piece p = {0};

        while (is_written(w, i) && next_piece(w->cpu, a, &p)) {
            if (p.device != device)
                continue;
            get(w->cpu, p.addr, bytes, p.len);
            if (device ? vm_device_write(w->cpu->vm, p.addr, bytes, p.len) != p.len
                       : vm_write(w->cpu->vm, p.addr, bytes, p.len) != STATUS_SUCCESS)
                return refuse(w, REFUSED_FAULT, p.addr, VM_WRITE,
                              device ? VM_FAULT_DEVICE : VM_FAULT_NOACCESS);
        }
    }
    return true;
}

/* Execute for good. Devices take their bytes while the CPU still stands at the instruction. */
static enum outcome commit(struct work *w, struct cpu_event *out)
{
    struct engine *engine = w->cpu->engine;
    const struct detour *d = &w->cpu->detour;
    uint64_t before = work_begun(w->cpu);
    enum outcome outcome;
    bool done, stored;

    engine_context_save(engine, d->before);
    outcome = execute(w, &done, out);
    if (!done)
        return outcome;
    engine_context_save(engine, d->after);
    engine_context_load(engine, d->before);
    w->cpu->detour.storing = true;
    stored = store(w, true) && store(w, false);
    w->cpu->detour.storing = false;
    if (!stored) {
        engine_context_load(engine, d->before);
        work_forget(w->cpu, before);
        return exec_refused(w->cpu, w->pc, out);
    }
    engine_context_load(engine, d->after);
    return outcome;
}

/* ---- Hooks ----------------------------------------------------------------------------------- */

/* What hooks hear of operand i, or, past the last, of the instruction itself. */
static struct cpu_access access_of(const struct work *w, size_t i, enum vm_access access)
{
    const struct dis_access *a = &w->insn.accesses[i];

    if (access == VM_EXEC)
        return (struct cpu_access){
            .pc = w->pc, .address = w->pc, .size = w->insn.length, .access = VM_EXEC};
    return (struct cpu_access){
        .pc = w->pc, .address = a->address, .size = a->size, .access = access};
}

/* Does a hook hear of an operand being accessed so? */
static bool is_hooked(const struct work *w, enum vm_access access)
{
    for (size_t i = 0; i < w->insn.access_count; i++) {
        struct cpu_access x = access_of(w, i, access);

        if ((w->insn.accesses[i].access & access) && hooks_concern(w->cpu, &x))
            return true;
    }
    return false;
}

/* A hook has said stop. */
static enum outcome stop_at(const struct cpu_access *x, struct cpu_event *out)
{
    *out = (struct cpu_event){.kind = CPU_EVENT_HOOK,
                              .pc = x->pc,
                              .address = x->address,
                              .access = x->access,
                              .size = x->access == VM_EXEC ? 0 : x->size};
    return OUTCOME_EVENT;
}

/* Tell hooks of every operand that is accessed so, or of the instruction. STEPPED: they let it go on. */
static enum outcome tell(const struct work *w, enum vm_access access, struct cpu_event *out)
{
    size_t count = access == VM_EXEC ? 1 : w->insn.access_count;
    struct cpu_access told[DIS_MAX_ACCESSES + 1];

    for (size_t i = 0; i < count; i++)
        told[i] = access_of(w, i, access);
    for (size_t i = 0; i < count; i++) {
        bool concerned = access == VM_EXEC || (w->insn.accesses[i].access & access);

        if (access == VM_WRITE) {
            told[i].value = w->loaded[i];
            told[i].value_at = told[i].address;
        }
        if (concerned && !hooks_call(w->cpu, &told[i]))
            return stop_at(&told[i], out);
        if (engine_get(w->cpu->engine, CPU_RIP) != w->pc)
            return OUTCOME_AGAIN; /* the instruction is left out */
    }
    return OUTCOME_STEPPED;
}

/* Hooks were called: is the instruction still what it was, and allowed? */
static bool still_holds(struct work *w)
{
    struct dis_insn before = w->insn;

    return decode(w) && w->insn.access_count == before.access_count &&
           memcmp(w->insn.accesses, before.accesses,
                  before.access_count * sizeof *before.accesses) == 0 &&
           allow_all(w);
}

/* Hooks on reads and on the instruction itself. */
static enum outcome tell_before(struct work *w, struct cpu_event *out)
{
    struct cpu_access x = access_of(w, 0, VM_EXEC);
    enum outcome outcome = OUTCOME_STEPPED;
    bool exec = hooks_concern(w->cpu, &x);
    bool read = is_hooked(w, VM_READ);

    if (exec)
        outcome = tell(w, VM_EXEC, out);
    if (read && outcome == OUTCOME_STEPPED)
        outcome = tell(w, VM_READ, out);
    if ((exec || read) && outcome == OUTCOME_STEPPED && !still_holds(w))
        return OUTCOME_AGAIN;
    return outcome;
}

/* Hooks on writes, which hear of the value: the instruction is tried out for it. */
static enum outcome tell_writes(struct work *w, struct cpu_event *out)
{
    uint8_t loaded[DIS_MAX_ACCESSES][DETOUR_MOST];
    enum outcome outcome;

    memcpy(loaded, w->loaded, sizeof loaded);
    if (!try_out(w))
        return OUTCOME_STEPPED; /* it does not get as far as writing */
    for (size_t i = 0; i < w->insn.access_count; i++)
        get(w->cpu, w->insn.accesses[i].address, w->loaded[i], w->insn.accesses[i].size);
    outcome = tell(w, VM_WRITE, out);
    memcpy(w->loaded, loaded, sizeof loaded);
    if (outcome == OUTCOME_STEPPED && !still_holds(w))
        return OUTCOME_AGAIN;
    (void)load_all(w, false, NULL); /* memory may hold something else now */
    return outcome;
}

/* ---- The whole ------------------------------------------------------------------------------- */

/* Only what is known about the instruction itself: it runs in the open, on the guest's own memory. */
static enum outcome plainly(struct work *w, struct cpu_event *out)
{
    bool done;

    w->cpu->detour.count = 0;
    return execute(w, &done, out);
}

static enum outcome detour(struct work *w, struct cpu_event *out)
{
    enum outcome outcome;

    if (!decode(w))
        return plainly(w, out);
    if (!allow_all(w))
        return exec_refused(w->cpu, w->pc, out);
    outcome = tell_before(w, out);
    if (outcome != OUTCOME_STEPPED)
        return outcome;
    if (!w->device && !is_hooked(w, VM_WRITE))
        return plainly(w, out);
    if (open_scratch(w))
        return OUTCOME_NOMEM;
    if (!load_for_good(w))
        return exec_refused(w->cpu, w->pc, out);
    if (is_hooked(w, VM_WRITE))
        outcome = tell_writes(w, out);
    return outcome == OUTCOME_STEPPED ? commit(w, out) : outcome;
}

enum outcome detour_run(struct cpu *cpu, gva_t pc, struct cpu_event *out)
{
    struct work *w = calloc(1, sizeof *w);
    enum outcome outcome;

    if (!w)
        return OUTCOME_NOMEM;
    w->cpu = cpu;
    w->pc = pc;
    outcome = detour(w, out);
    cpu->detour.count = 0;
    free(w);
    return outcome;
}

size_t detour_value(struct cpu *cpu, gva_t pc, gva_t addr, uint8_t value[DETOUR_MOST], gva_t *first)
{
    struct work *w = calloc(1, sizeof *w);
    bool unknown = false;
    size_t len = 0;

    if (!w)
        return 0;
    w->cpu = cpu;
    w->pc = pc;
    if (decode(w) && !open_scratch(w) && load_all(w, false, &unknown) && !unknown && try_out(w)) {
        for (size_t i = 0; !len && i < w->insn.access_count; i++) {
            const struct dis_access *a = &w->insn.accesses[i];

            if (!is_written(w, i) || addr - a->address >= a->size)
                continue;
            *first = a->address;
            len = a->size;
            get(cpu, *first, value, len);
        }
    }
    cpu->detour.count = 0;
    free(w);
    return len;
}
