/*
 * Stores into trapped pages that need not stop. A page of which only some bytes are trapped is answered as guarded
 * memory when a store asks for it: the engine then asks here about each store, which is done on the spot or, when it
 * touches a trapped byte, refused as the page would have been. Loads of such a page are as fast as ever; traps of
 * loads, and whole pages, are memory.c's alone. It needs an engine that can guard (engine_guard).
 */
#include "cpu/cpu_priv.h"

#include <stdlib.h>
#include <string.h>

/*
 * A store that comes over from the page before would have stored there already when it is refused here. It reaches
 * this far at most: the engine stores 8 bytes at a time.
 */
#define REACH 7

static struct cpu_trap_bytes *narrow_of(const struct cpu *cpu, gva_t page)
{
    const uint64_t *p = pagemap_get(&cpu->narrow, page);

    return p ? (struct cpu_trap_bytes *)(uintptr_t)*p : NULL;
}

void guard_forget(struct cpu *cpu, gva_t page)
{
    free(narrow_of(cpu, page));
    pagemap_remove(&cpu->narrow, page);
}

void guard_fini(struct cpu *cpu)
{
    size_t at = 0;
    uint64_t page, bytes;

    while (pagemap_next(&cpu->narrow, &at, &page, &bytes))
        free((struct cpu_trap_bytes *)(uintptr_t)bytes);
    pagemap_fini(&cpu->narrow);
    pagemap_fini(&cpu->guarded);
}

/* From the first time on, blocks are translated with marks for what cannot be guarded. */
static bool can_guard(struct cpu *cpu)
{
    if (!cpu->guards && !engine_guard(cpu->engine)) {
        cpu->guards = true;
        memory_flush_code(cpu);
    }
    return cpu->guards;
}

void cpu_trap_narrow(struct cpu *cpu, gva_t page, const struct cpu_trap_bytes *stores)
{
    struct cpu_trap_bytes *copy;

    guard_forget(cpu, PAGE_OF(page));
    if ((stores->bits[0] & ((1u << REACH) - 1)) || !can_guard(cpu))
        return;
    copy = malloc(sizeof *copy);
    if (!copy)
        return;
    *copy = *stores;
    if (!pagemap_put(&cpu->narrow, PAGE_OF(page), (uintptr_t)copy))
        free(copy);
}

bool guard_serves(const struct cpu *cpu, gva_t page)
{
    return !cpu->unguarded && !cpu->detour.active && !cpu->both_count && narrow_of(cpu, page);
}

bool guard_answer(struct cpu *cpu, gva_t page, struct vm_fill *fill)
{
    const uint64_t *other = pagemap_get(&cpu->guarded, fill->offset);

    if (fill->offset >= cpu->arena_size || (other && *other != page) ||
        !pagemap_put(&cpu->guarded, fill->offset, page))
        return false;
    fill->access = (fill->access | VM_WRITE) & ~(unsigned)VM_EXEC;
    fill->offset |= ENGINE_GUARDED;
    return true;
}

static bool touches(const struct cpu_trap_bytes *bytes, uint32_t from, uint32_t to)
{
    for (uint32_t at = from; at < to; at++) {
        if (bytes->bits[at / 64] >> (at & 63) & 1)
            return true;
    }
    return false;
}

bool guard_on_store(void *ctx, uint64_t offset, uint32_t size, uint64_t value)
{
    struct cpu *cpu = ctx;
    const uint64_t *page = pagemap_get(&cpu->guarded, offset & ~PAGE_MASK);
    const struct cpu_trap_bytes *bytes = page ? narrow_of(cpu, *page) : NULL;
    uint32_t from = OFFSET_OF(offset);

    if (!bytes)
        return memory_refuse(cpu, REFUSED_AGAIN, 0, VM_WRITE); /* an answer from before a flush */
    if (!cpu->open && (from + size > VM_PAGE_SIZE || touches(bytes, from, from + size)))
        return memory_refuse(cpu, REFUSED_TRAP, *page, VM_WRITE);
    if (from + size <= VM_PAGE_SIZE)
        memcpy(cpu->arena + offset, &value, size);
    return true;
}
