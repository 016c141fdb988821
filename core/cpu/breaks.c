/*
 * Where the CPU stops before an instruction. User breaks and marks (instructions that the engine
 * must not run as they are, found when their block is translated) live in one bitmap per page.
 * Only those that lie in translated blocks are armed: hooked one by one while few; past the limit
 * one block hook, and a block that holds any is left for single steps. So a break in code that
 * never runs costs nothing, and each block is looked at once.
 */
#include "cpu/cpu_priv.h"

#include <stdlib.h>
#include <string.h>

#define WORDS (VM_PAGE_SIZE / 64)

struct break_page {
    uint64_t user[WORDS];   /* cpu_break_add */
    uint64_t marked[WORDS]; /* the engine must not run it */
    uint64_t armed[WORDS];  /* hooked, or inside the block hook's range and translated */
};

static bool bit_get(const uint64_t *bits, gva_t addr)
{
    return bits[OFFSET_OF(addr) / 64] >> (addr & 63) & 1;
}

static void bit_set(uint64_t *bits, gva_t addr, bool on)
{
    uint64_t bit = UINT64_C(1) << (addr & 63);

    if (on)
        bits[OFFSET_OF(addr) / 64] |= bit;
    else
        bits[OFFSET_OF(addr) / 64] &= ~bit;
}

static struct break_page *page_at(const struct cpu *cpu, gva_t addr)
{
    const uint64_t *p = pagemap_get(&cpu->break_pages, PAGE_OF(addr));

    return p ? (struct break_page *)(uintptr_t)*p : NULL;
}

static struct break_page *page_make(struct cpu *cpu, gva_t addr)
{
    struct break_page *page = page_at(cpu, addr);

    if (page)
        return page;
    page = calloc(1, sizeof *page);
    if (page && !pagemap_put(&cpu->break_pages, PAGE_OF(addr), (uintptr_t)page)) {
        free(page);
        page = NULL;
    }
    return page;
}

static void page_drop_if_empty(struct cpu *cpu, gva_t addr, struct break_page *page)
{
    for (size_t i = 0; i < WORDS; i++) {
        if (page->user[i] | page->marked[i] | page->armed[i])
            return;
    }
    pagemap_remove(&cpu->break_pages, PAGE_OF(addr));
    free(page);
}

void breaks_fini(struct cpu *cpu)
{
    size_t at = 0;
    uint64_t key, value;

    while (pagemap_next(&cpu->break_pages, &at, &key, &value))
        free((struct break_page *)(uintptr_t)value);
    pagemap_fini(&cpu->break_pages);
    pagemap_fini(&cpu->hooks);
}

bool breaks_user_at(const struct cpu *cpu, gva_t addr)
{
    const struct break_page *page = page_at(cpu, addr);

    return page && bit_get(page->user, addr);
}

/* ---- Arming ---------------------------------------------------------------------------------- */

/* The bits of a word that lie in [from, to) of its page, for word number w. */
static uint64_t word_mask(size_t w, uint32_t from, uint32_t to)
{
    uint32_t low = (uint32_t)w * 64;
    uint64_t mask = UINT64_MAX;

    if (from > low)
        mask &= UINT64_MAX << (from - low);
    if (to < low + 64)
        mask &= UINT64_MAX >> (low + 64 - to);
    return mask;
}

/*
 * Does the part [addr, end) of one page hold a break or mark, or with unarmed one that is not
 * armed?
 */
static bool page_holds(const struct cpu *cpu, gva_t addr, gva_t end, bool unarmed)
{
    const struct break_page *page = page_at(cpu, addr);
    uint32_t from = OFFSET_OF(addr);
    uint32_t to = from + (uint32_t)(end - addr);

    if (!page)
        return false;
    for (size_t w = from / 64; w * 64 < to; w++) {
        uint64_t bits = page->user[w] | page->marked[w];

        if (unarmed)
            bits &= ~page->armed[w];
        if (bits & word_mask(w, from, to))
            return true;
    }
    return false;
}

static gva_t page_end(gva_t addr, gva_t end)
{
    gva_t next = PAGE_OF(addr) + VM_PAGE_SIZE;

    return end - addr < next - addr ? end : next;
}

static bool holds(const struct cpu *cpu, gva_t addr, gva_t end, bool unarmed)
{
    while (addr != end) {
        gva_t stop = page_end(addr, end);

        if (page_holds(cpu, addr, stop, unarmed))
            return true;
        addr = stop;
    }
    return false;
}

/* The lowest and highest page that holds anything. */
static void hull(const struct cpu *cpu, gva_t *first, gva_t *last)
{
    size_t at = 0;
    uint64_t page, unused;

    *first = UINT64_MAX;
    *last = 0;
    while (pagemap_next(&cpu->break_pages, &at, &page, &unused)) {
        *first = page < *first ? page : *first;
        *last = page + PAGE_MASK > *last ? page + PAGE_MASK : *last;
    }
}

static void unhook_all(struct cpu *cpu)
{
    size_t at = 0;
    uint64_t addr, hook;

    while (pagemap_next(&cpu->hooks, &at, &addr, &hook))
        engine_unhook(cpu->engine, (size_t)hook);
    pagemap_clear(&cpu->hooks);
}

/* A hook over the blocks that reach into [first, last]; 0 when memory is short. */
static size_t hook_blocks(struct cpu *cpu, gva_t first, gva_t last)
{
    /* a block may begin in the page before */
    return engine_hook_blocks(cpu->engine, first >= VM_PAGE_SIZE ? first - VM_PAGE_SIZE : 0, last);
}

/* One block hook, over the blocks that reach into [first, last], in place of the one that there is. */
static enum err set_block_hook(struct cpu *cpu, gva_t first, gva_t last)
{
    size_t hook = hook_blocks(cpu, first, last);

    if (!hook)
        return ERR_NOMEM;
    if (cpu->block_hook)
        engine_unhook(cpu->engine, cpu->block_hook);
    cpu->block_hook = hook;
    cpu->filter_first = first;
    cpu->filter_last = last;
    memory_flush_code(cpu);
    return ERR_OK;
}

/* Filter per block from now on, everything that holds breaks, in place of what is hooked now. */
static enum err filter_blocks(struct cpu *cpu)
{
    gva_t first, last;

    hull(cpu, &first, &last);
    if (!cpu->polls && set_block_hook(cpu, first, last))
        return ERR_NOMEM;
    unhook_all(cpu);
    cpu->filters = true;
    return ERR_OK;
}

enum err breaks_poll(struct cpu *cpu)
{
    if (cpu->polls)
        return ERR_OK;
    if (set_block_hook(cpu, 0, UINT64_MAX))
        return ERR_NOMEM;
    cpu->polls = true;
    return ERR_OK;
}

enum err breaks_filter(struct cpu *cpu)
{
    enum err e = breaks_poll(cpu);

    cpu->filters = !e;
    return e;
}

/*
 * One bit for many pages: most blocks are known to hold nothing armed without a look into the
 * table.
 */
static bool may_be_armed(const struct cpu *cpu, gva_t addr)
{
    uint64_t page = addr / VM_PAGE_SIZE;

    return cpu->armed_bits[page / 64 % CPU_ARMED_WORDS] >> (page & 63) & 1;
}

static void set_armed(struct cpu *cpu, struct break_page *page, gva_t addr)
{
    uint64_t number = addr / VM_PAGE_SIZE;

    bit_set(page->armed, addr, true);
    cpu->armed_bits[number / 64 % CPU_ARMED_WORDS] |= UINT64_C(1) << (number & 63);
    cpu->armed_count++;
}

/* Make the engine stop before addr. */
static enum err arm_one(struct cpu *cpu, struct break_page *page, gva_t addr)
{
    size_t hook;

    if (!cpu->filters && cpu->armed_count < cpu->hook_limit) {
        hook = engine_hook_code(cpu->engine, addr);
        if (!hook)
            return ERR_NOMEM;
        if (!pagemap_put(&cpu->hooks, addr, hook)) {
            engine_unhook(cpu->engine, hook);
            return ERR_NOMEM;
        }
        memory_drop_code(cpu, addr, 1);
    } else if (!cpu->filters || addr < cpu->filter_first || addr > cpu->filter_last) {
        if (filter_blocks(cpu))
            return ERR_NOMEM;
    }
    set_armed(cpu, page, addr);
    return ERR_OK;
}

enum err breaks_arm(struct cpu *cpu, const struct note *note)
{
    for (gva_t addr = note->address; addr != note->end; addr++) {
        struct break_page *page = page_at(cpu, addr);
        enum err e;

        if (!page || bit_get(page->armed, addr))
            continue;
        if (!bit_get(page->user, addr) && !bit_get(page->marked, addr))
            continue;
        e = arm_one(cpu, page, addr);
        if (e)
            return e;
    }
    return ERR_OK;
}

/*
 * Back from the block hook to single hooks: blocks are translated anew, and arm again what they
 * hold.
 */
static void leave_filter(struct cpu *cpu)
{
    size_t at = 0;
    uint64_t key, value;

    if (!cpu->polls) {
        engine_unhook(cpu->engine, cpu->block_hook);
        cpu->block_hook = 0;
    }
    cpu->filters = false;
    while (pagemap_next(&cpu->break_pages, &at, &key, &value)) {
        struct break_page *page = (struct break_page *)(uintptr_t)value;

        for (size_t i = 0; i < WORDS; i++)
            page->armed[i] = 0;
    }
    cpu->armed_count = 0;
    memset(cpu->armed_bits, 0, sizeof cpu->armed_bits);
    memory_flush_code(cpu);
}

static void disarm(struct cpu *cpu, struct break_page *page, gva_t addr)
{
    const uint64_t *hook = pagemap_get(&cpu->hooks, addr);

    if (!bit_get(page->armed, addr))
        return;
    bit_set(page->armed, addr, false);
    if (--cpu->armed_count == 0)
        memset(cpu->armed_bits, 0, sizeof cpu->armed_bits);
    if (hook) {
        engine_unhook(cpu->engine, (size_t)*hook);
        pagemap_remove(&cpu->hooks, addr);
        memory_drop_code(cpu, addr, 1);
    } else if (cpu->filters && engine_async_stop() && cpu->armed_count <= cpu->hook_limit / 2) {
        leave_filter(cpu);
    }
}

/* Clear a bit of page's user or marked bits, and what hangs on it. */
static void forget(struct cpu *cpu, struct break_page *page, uint64_t *bits, gva_t addr)
{
    bit_set(bits, addr, false);
    if (!bit_get(page->user, addr) && !bit_get(page->marked, addr))
        disarm(cpu, page, addr);
    page_drop_if_empty(cpu, addr, page);
}

enum err cpu_break_add(struct cpu *cpu, gva_t addr)
{
    struct break_page *page = page_make(cpu, addr);

    if (!page)
        return ERR_NOMEM;
    if (bit_get(page->user, addr))
        return ERR_OK;
    bit_set(page->user, addr, true);
    if (!bit_get(page->armed, addr) && memory_was_executed(cpu, PAGE_OF(addr)))
        memory_drop_code(cpu, addr, 1);
    return ERR_OK;
}

void cpu_break_remove(struct cpu *cpu, gva_t addr)
{
    struct break_page *page = page_at(cpu, addr);

    if (page && bit_get(page->user, addr))
        forget(cpu, page, page->user, addr);
}

/* ---- Marks ----------------------------------------------------------------------------------- */

/* What the engine must not run, for this engine. */
static unsigned forbidden(const struct cpu *cpu)
{
    unsigned traits =
        SCAN_ILLEGAL | SCAN_PRIVILEGED | SCAN_SYSENTER | SCAN_ROTATES_CARRY | SCAN_KEEPS_FLAGS;

    if (!engine_traps_tsc(cpu->engine))
        traits |= SCAN_TSC;
    if (cpu->data_traps || cpu->careful)
        traits |= SCAN_STORES_CONDITION; /* too common to pay for while nothing is watched */
    if (cpu->data_traps && cpu->guards)
        traits |= SCAN_STORES_UNSEEN;
    return traits;
}

bool breaks_marked_at(struct cpu *cpu, gva_t pc, struct scan_insn *insn)
{
    struct break_page *page = page_at(cpu, pc);

    if (!page || !bit_get(page->marked, pc))
        return false;
    if (fault_scan(cpu, pc, insn) && (insn->traits & forbidden(cpu)))
        return true;
    forget(cpu, page, page->marked, pc); /* other code is there now */
    return false;
}

/*
 * Mark what is forbidden in the block. It runs in order, so nothing behind an instruction that
 * faults matters.
 */
static void mark_block(struct cpu *cpu, gva_t address, uint32_t size)
{
    uint8_t bytes[VM_PAGE_SIZE + DIS_MAX_LENGTH];
    size_t got = vm_debug_read(cpu->vm, address, bytes, size < sizeof bytes ? size : sizeof bytes);
    bool code64 = cpu_is_code64(cpu);
    struct scan_insn insn;

    for (size_t at = 0; at < got && scan_insn(bytes + at, got - at, code64, &insn);
         at += insn.length) {
        struct break_page *page;

        if (!(insn.traits & forbidden(cpu)))
            continue;
        page = page_make(cpu, address + at);
        if (page)
            bit_set(page->marked, address + at, true);
        if (!(insn.traits & (SCAN_TSC | SCAN_ALONE)))
            return;
    }
}

void breaks_on_translated(void *ctx, gva_t address, uint32_t size)
{
    struct cpu *cpu = ctx;
    gva_t end = address + size;

    if (cpu->fill_mode != FILL_GUEST || !size)
        return;
    if (cpu->on_block)
        cpu->on_block(cpu->on_block_ctx, address, size);
    mark_block(cpu, address, size);
    if (cpu->break_pages.count && holds(cpu, address, end, true))
        exec_note(cpu, NOTE_ARM, address, end);
}

void breaks_on_code(void *ctx, gva_t address)
{
    struct cpu *cpu = ctx;

    if (!cpu->stepping && !cpu->starting)
        exec_note(cpu, NOTE_CODE, address, address);
}

/* Does the block hold what the engine is to stop at? */
static bool stops_in(const struct cpu *cpu, gva_t address, uint32_t size)
{
    return cpu->filters && cpu->armed_count &&
           (may_be_armed(cpu, address) || may_be_armed(cpu, address + size - 1)) &&
           holds(cpu, address, address + size, false);
}

void breaks_on_block(void *ctx, gva_t address, uint32_t size)
{
    struct cpu *cpu = ctx;

    /* cpu_stop and limits are about runs: a step that is stopped would be repeated for ever */
    if (cpu->fill_mode != FILL_GUEST || cpu->stepping || cpu->starting)
        return;
    if (atomic_load_explicit(&cpu->stop, memory_order_relaxed)) {
        work_undo(cpu);
        engine_stop(cpu->engine);
    } else if (work_begun(cpu) > cpu->work_limit || stops_in(cpu, address, size)) {
        work_undo(cpu);
        exec_note(cpu, NOTE_WALK, address, address + size);
    } else {
        work_grant(cpu);
    }
}
