/*
 * What the engine is told on a TLB miss. The vm decides what a page is; this file adds the traps
 * and keeps each frame either writable or executable, in every page that shows it, because the
 * engine misses stores to translated code that come through another address (and, in 2.1.1, any
 * but the first). Follows DESIGN.md section 2.
 */
#include "cpu/cpu_priv.h"

#include <string.h>
#include <sys/mman.h>

#include "winstub/foreign.h"

/* Where FILL_WINDOW shows the arena. */
#define WINDOW_BASE UINT64_C(0xFFFFA00000000000)

#define TLB_START_SIZE 256u /* entries of a new TLB */
#define TLB_GROW_LIMIT                                                                             \
    0x10000u /* 256 MiB of pages; past it a larger table misses the host's caches */

enum frame_state {
    FRAME_NEITHER, /* no answer has let the guest write or execute it */
    FRAME_WRITABLE,
    FRAME_CODE, /* blocks translated from it may exist */
    FRAME_STALE /* the same, and a CPU of a space beside may have written to it since */
};

static void on_revoked(void *ctx, gva_t start, gva_t end)
{
    struct cpu *cpu = ctx;

    (void)start;
    (void)end;
    cpu->flush = true;
}

/* Drop the blocks of one frame's bytes. */
static void drop_frame_code(struct cpu *cpu, uint64_t offset, uint32_t at, uint32_t len)
{
    cpu->fill_mode = FILL_WINDOW;
    engine_remove_code(cpu->engine, WINDOW_BASE + offset + at, len);
    cpu->fill_mode = FILL_NOTHING;
    cpu->flush = true; /* the window's entry must go before the guest could use it */
}

static void on_frame_changed(void *ctx, uint64_t offset)
{
    struct cpu *cpu = ctx;
    uint8_t *state = &cpu->frame_states[offset / VM_PAGE_SIZE];

    if (*state != FRAME_CODE && *state != FRAME_STALE)
        return;
    drop_frame_code(cpu, offset, 0, VM_PAGE_SIZE);
    *state = FRAME_NEITHER;
}

static void on_frame_freed(void *ctx, uint64_t offset)
{
    struct cpu *cpu = ctx;
    uint8_t *state = &cpu->frame_states[offset / VM_PAGE_SIZE];

    on_frame_changed(cpu, offset);
    /* Most frames were never this CPU's: no write, and so no host memory, for their states. */
    if (*state != FRAME_NEITHER)
        *state = FRAME_NEITHER;
    writes_on_freed(cpu, offset);
}

/*
 * Over one frame, one CPU's stores and another one's blocks: whoever runs code takes the right to write away from the others,
 * who then ask for it again when they store, and so say that the code may be another one. Blocks are dropped when
 * the CPU that has them is next to run.
 */
static void on_used_beside(void *ctx, uint64_t offset, enum vm_access access)
{
    struct cpu *cpu = ctx;
    uint8_t *state = &cpu->frame_states[offset / VM_PAGE_SIZE];

    if (access == VM_EXEC && *state == FRAME_WRITABLE) {
        *state = FRAME_NEITHER;
        cpu->flush = true;
    }
    if (access == VM_WRITE && *state == FRAME_CODE) {
        *state = FRAME_STALE;
        cpu->stale_count++;
        (void)pagemap_put(&cpu->stale, offset, 0); /* without memory it is looked for */
    }
}

/* Frames that there can be: of the arena, and of lent memory behind it. */
static uint64_t frame_count(const struct cpu *cpu)
{
    return (cpu->arena_size + VM_LENT_SPACE) / VM_PAGE_SIZE;
}

static void on_lent_gone(void *ctx, uint64_t offset, uint64_t size)
{
    struct cpu *cpu = ctx;

    if (!pagemap_get(&cpu->lent, offset))
        return;
    for (uint64_t at = offset; at < offset + size; at += VM_PAGE_SIZE) {
        on_frame_changed(cpu, at);
        cpu->frame_states[at / VM_PAGE_SIZE] = FRAME_NEITHER;
    }
    engine_unmap(cpu->engine, offset, size);
    pagemap_remove(&cpu->lent, offset);
    cpu->flush = true;
}

enum err memory_init(struct cpu *cpu)
{
    struct vm_observer observer = {.ctx = cpu,
                                   .revoked = on_revoked,
                                   .frame_changed = on_frame_changed,
                                   .frame_freed = on_frame_freed,
                                   .lent_gone = on_lent_gone,
                                   .used_beside = on_used_beside,
                                   .served = writes_on_served};
    void *states;

    cpu->arena = vm_arena(cpu->vm, &cpu->arena_size);
    cpu->tlb_size = TLB_START_SIZE;
    states = mmap(NULL, frame_count(cpu), PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (states == MAP_FAILED)
        return ERR_NOMEM;
    cpu->frame_states = states;
    vm_set_observer(cpu->vm, &observer);
    return ERR_OK;
}

void memory_fini(struct cpu *cpu)
{
    if (cpu->frame_states) {
        vm_set_observer(cpu->vm, NULL);
        (void)munmap(cpu->frame_states, frame_count(cpu));
    }
    pagemap_fini(&cpu->lent);
    pagemap_fini(&cpu->stale);
    pagemap_fini(&cpu->traps);
    guard_fini(cpu);
    pagemap_fini(&cpu->executed);
}

/* ---- Answering ------------------------------------------------------------------------------- */

bool memory_refuse(struct cpu *cpu, enum refusal why, gva_t page, enum vm_access want)
{
    cpu->refused = (struct refused){.why = why, .page = page, .want = want};
    return false;
}

static bool is_both(const struct cpu *cpu, uint64_t offset)
{
    for (size_t i = 0; i < cpu->both_count; i++) {
        if (cpu->both[i] == offset)
            return true;
    }
    return false;
}

/* The state that a frame takes by being accessed so in a page that allows this much. */
static enum frame_state state_for(enum vm_access want, unsigned allowed)
{
    if (want == VM_EXEC)
        return FRAME_CODE;
    if (want == VM_WRITE)
        return FRAME_WRITABLE;
    switch (allowed & (VM_WRITE | VM_EXEC)) {
    case VM_WRITE:
        return FRAME_WRITABLE;
    case VM_EXEC:
        return FRAME_CODE;
    default:
        return FRAME_NEITHER;
    }
}

static void set_state(struct cpu *cpu, uint64_t offset, enum frame_state state)
{
    cpu->frame_states[offset / VM_PAGE_SIZE] = (uint8_t)state;
    if (state == FRAME_WRITABLE || state == FRAME_CODE)
        vm_tell_use(cpu->vm, offset, state == FRAME_CODE ? VM_EXEC : VM_WRITE);
}

/* Cut fill's access down to what the frame's state permits; false when that leaves out want. */
static bool admit(struct cpu *cpu, struct vm_fill *fill, enum vm_access want)
{
    const uint8_t *state = &cpu->frame_states[fill->offset / VM_PAGE_SIZE];

    if (is_both(cpu, fill->offset))
        return true;
    if (*state == FRAME_NEITHER)
        set_state(cpu, fill->offset, state_for(want, fill->access));
    if (*state != FRAME_CODE)
        fill->access &= ~(unsigned)VM_EXEC;
    if (*state != FRAME_WRITABLE)
        fill->access &= ~(unsigned)VM_WRITE;
    return fill->access & want;
}

static void note_executed(struct cpu *cpu, gva_t page, uint64_t offset)
{
    uint64_t *known = pagemap_get(&cpu->executed, page);

    if (known)
        *known = offset | ((*known & 1) | (PAGE_OF(*known) != offset));
    else if (!pagemap_put(&cpu->executed, page, offset))
        cpu->executed_all = true;
}

/* The engine's TLB doubles when it is flushed while well filled, and only then. */
static bool wants_growth(struct cpu *cpu)
{
    return cpu->fills >= 2 * cpu->tlb_size && cpu->tlb_size < TLB_GROW_LIMIT;
}

/*
 * Does the answer put another frame in the place of one that was executed here? Then a copy was
 * made on this store, and the running block belongs to the old frame: it must start again from the
 * new one.
 */
static bool replaces_code(struct cpu *cpu, gva_t page, uint64_t offset)
{
    const uint64_t *known = pagemap_get(&cpu->executed, page);

    if (!known || PAGE_OF(*known) == offset)
        return false;
    note_executed(cpu, page, offset);
    return true;
}

/* Does the engine know the frame at this offset? It knows the arena, and lent memory once it was told. */
static bool is_known(const struct cpu *cpu, uint64_t offset)
{
    struct vm_lent lent;

    return offset < cpu->arena_size ||
           (vm_lent_at(cpu->vm, offset, &lent) && pagemap_get(&cpu->lent, lent.offset));
}

enum err memory_map_lent(struct cpu *cpu)
{
    struct vm_lent lent;

    if (!vm_lent_at(cpu->vm, cpu->refused.offset, &lent) || pagemap_get(&cpu->lent, lent.offset))
        return ERR_OK;
    if (!pagemap_put(&cpu->lent, lent.offset, lent.size))
        return ERR_NOMEM;
    return engine_map(cpu->engine, lent.offset, lent.size, lent.bytes);
}

/* The vm refuses the access, or leaves it to a device. */
static bool refuse_fault(struct cpu *cpu, gva_t page, enum vm_access want, enum vm_fault fault)
{
    bool device = fault == VM_FAULT_DEVICE && !cpu->detour.active;

    (void)memory_refuse(cpu, device ? REFUSED_DETOUR : REFUSED_FAULT, page, want);
    cpu->refused.fault = fault;
    return false;
}

static bool refuse_frame(struct cpu *cpu, enum refusal why, gva_t page, enum vm_access want,
                         uint64_t offset)
{
    (void)memory_refuse(cpu, why, page, want);
    cpu->refused.offset = offset;
    return false;
}

static bool fill_guest(struct cpu *cpu, gva_t page, enum vm_access want, struct vm_fill *out)
{
    const uint64_t *trap = pagemap_get(&cpu->traps, page);
    unsigned trapped = trap ? (unsigned)*trap : 0;
    unsigned hooked = cpu->detour.active ? 0 : hooks_on_page(cpu, page);
    bool guards = !cpu->open && want == VM_WRITE && (trapped & want) && guard_serves(cpu, page);
    enum vm_fault fault;

    if (cpu->detour.active && detour_fill(cpu, page, want, out))
        return true;
    if (page == GDT_PAGE && !cpu->gdt_open)
        return memory_refuse(cpu, REFUSED_GDT, page, want);
    if (page == GDT_PAGE) {
        *out = (struct vm_fill){cpu->private_offset, VM_READ};
        return want == VM_READ || memory_refuse(cpu, REFUSED_FAULT, page, want);
    }
    cpu->fills++;
    if (!cpu->open && (trapped & want) && !guards)
        return memory_refuse(cpu, REFUSED_TRAP, page, want);
    if (hooked & want)
        return memory_refuse(cpu, REFUSED_DETOUR, page, want);
    if (want == VM_READ && wants_growth(cpu)) /* a store may be a setcc: see SCAN_LOSES_FLAGS */
        return memory_refuse(cpu, REFUSED_AGAIN, page, want);
    fault = vm_fill(cpu->vm, page, want, out);
    if (fault != VM_FAULT_NONE)
        return refuse_fault(cpu, page, want, fault);
    if (!is_known(cpu, out->offset))
        return refuse_frame(cpu, REFUSED_LENT, page, want, out->offset);
    if (want == VM_WRITE && replaces_code(cpu, page, out->offset))
        return memory_refuse(cpu, REFUSED_AGAIN, page, want);
    if (!admit(cpu, out, want))
        return refuse_frame(cpu, REFUSED_FLIP, page, want, out->offset);
    out->access &= ~hooked;
    if (cpu->detour.active && detour_bytes(cpu, page))
        out->access = VM_EXEC; /* data comes from the scratch page */
    if (cpu->writes && !writes_admit(cpu, page, want, out))
        return memory_refuse(cpu, REFUSED_WRITTEN, page, want);
    if (trapped && cpu->open)
        cpu->flush = true; /* this answer must not outlive the step */
    else
        out->access &= ~trapped;
    if (guards && !guard_answer(cpu, page, out))
        return memory_refuse(cpu, REFUSED_TRAP, page, want);
    if (want == VM_EXEC)
        note_executed(cpu, page, out->offset);
    return true;
}

static bool fill_private(struct cpu *cpu, gva_t page, enum vm_access want, struct vm_fill *out)
{
    if (want == VM_WRITE || (page != PRIVATE_PAGE && page != GDT_PAGE))
        return memory_refuse(cpu, REFUSED_PRIVATE, page, want);
    *out = (struct vm_fill){cpu->private_offset, VM_READ | VM_EXEC};
    return true;
}

bool memory_on_fill(void *ctx, gva_t page, enum vm_access want, struct vm_fill *out)
{
    struct cpu *cpu = ctx;

    switch (cpu->fill_mode) {
    case FILL_GUEST:
        return fill_guest(cpu, page, want, out);
    case FILL_PRIVATE:
        return fill_private(cpu, page, want, out);
    case FILL_WINDOW:
        *out = (struct vm_fill){page - WINDOW_BASE, VM_READ | VM_EXEC};
        return page - WINDOW_BASE < cpu->arena_size + VM_LENT_SPACE;
    default:
        return false;
    }
}

/* ---- Between runs ---------------------------------------------------------------------------- */

void memory_be_careful(struct cpu *cpu)
{
    if (!cpu->careful)
        memory_flush_code(cpu);
    cpu->careful = true;
}

/* Drop the blocks that other CPUs' stores may have made wrong. */
static void drop_stale(struct cpu *cpu)
{
    bool listed = cpu->stale.count == cpu->stale_count;
    uint64_t offset, value;
    size_t at = 0;

    while (pagemap_next(&cpu->stale, &at, &offset, &value))
        on_frame_changed(cpu, offset);
    for (uint64_t frame = 0; !listed && frame < frame_count(cpu); frame++) {
        if (cpu->frame_states[frame] == FRAME_STALE)
            on_frame_changed(cpu, frame * VM_PAGE_SIZE);
    }
    pagemap_clear(&cpu->stale);
    cpu->stale_count = 0;
}

void memory_settle(struct cpu *cpu)
{
    if (cpu->stale_count)
        drop_stale(cpu);
    if (vm_has_devices(cpu->vm))
        memory_be_careful(cpu);
    if (!cpu->flush)
        return;
    engine_flush_tlb(cpu->engine);
    if (10 * cpu->fills > 7 * cpu->tlb_size && cpu->tlb_size < TLB_GROW_LIMIT)
        cpu->tlb_size *= 2; /* as the engine does */
    else if (10 * cpu->fills < 3 * cpu->tlb_size && cpu->tlb_size > TLB_START_SIZE)
        cpu->tlb_size /= 2; /* as it may do, after a while */
    cpu->fills = 0;
    cpu->flush = false;
    pagemap_clear(&cpu->guarded);
}

bool memory_was_executed(const struct cpu *cpu, gva_t page)
{
    return cpu->executed_all || pagemap_get(&cpu->executed, page);
}

void memory_flush_code(struct cpu *cpu)
{
    engine_flush_code(cpu->engine);
    pagemap_clear(&cpu->executed);
    cpu->executed_all = false;
    cpu->flush = true; /* so that executed fills again */
}

void memory_drop_code(struct cpu *cpu, gva_t addr, uint32_t len)
{
    const uint64_t *frame = pagemap_get(&cpu->executed, PAGE_OF(addr));

    if (cpu->executed_all || (frame && (*frame & 1)))
        memory_flush_code(cpu);
    else if (frame)
        drop_frame_code(cpu, *frame, OFFSET_OF(addr), len);
}

/* Is frame what the instruction at pc runs from? An instruction may lie in two pages. */
static bool runs_from(const struct cpu *cpu, gva_t pc, uint64_t frame)
{
    const uint64_t *first = pagemap_get(&cpu->executed, PAGE_OF(pc));
    const uint64_t *second = pagemap_get(&cpu->executed, PAGE_OF(pc + DIS_MAX_LENGTH - 1));

    return cpu->executed_all || (first && PAGE_OF(*first) == frame) ||
           (second && PAGE_OF(*second) == frame);
}

void memory_flip(struct cpu *cpu, gva_t pc)
{
    uint64_t frame = cpu->refused.offset;

    cpu->flush = true;
    if (cpu->refused.want == VM_EXEC) {
        set_state(cpu, frame, FRAME_CODE);
        return;
    }
    if (runs_from(cpu, pc, frame) && cpu->both_count < sizeof cpu->both / sizeof *cpu->both) {
        cpu->both[cpu->both_count++] = frame;
        vm_tell_use(cpu->vm, frame, VM_WRITE);
        return;
    }
    drop_frame_code(cpu, frame, 0, VM_PAGE_SIZE);
    set_state(cpu, frame, FRAME_WRITABLE);
}

void memory_close_both(struct cpu *cpu)
{
    for (size_t i = 0; i < cpu->both_count; i++) {
        drop_frame_code(cpu, cpu->both[i], 0, VM_PAGE_SIZE);
        cpu->frame_states[cpu->both[i] / VM_PAGE_SIZE] = FRAME_NEITHER;
    }
    cpu->both_count = 0;
}

enum err cpu_trap_set(struct cpu *cpu, gva_t page, unsigned access)
{
    bool was = cpu_trap_get(cpu, page) & ~(unsigned)VM_EXEC;
    bool is = access & ~(unsigned)VM_EXEC;

    cpu->flush = true;
    guard_forget(cpu, PAGE_OF(page));
    if (!access)
        pagemap_remove(&cpu->traps, PAGE_OF(page));
    else if (!pagemap_put(&cpu->traps, PAGE_OF(page), access))
        return ERR_NOMEM;
    if (is && !was && cpu->data_traps++ == 0)
        memory_flush_code(cpu); /* more is marked from now on: SCAN_ALONE */
    if (was && !is)
        cpu->data_traps--;
    return ERR_OK;
}

unsigned cpu_trap_get(const struct cpu *cpu, gva_t page)
{
    const uint64_t *access = pagemap_get(&cpu->traps, PAGE_OF(page));

    return access ? (unsigned)*access : 0;
}
