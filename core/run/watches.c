/*
 * Which bytes are watched and what an instruction does to them. How the CPU stops at a page is core/cpu's
 * matter, when to step is run.c's.
 */
#include "run/watches.h"

#include <stdlib.h>
#include <string.h>

static unsigned kind_access(enum point_kind kind)
{
    return kind == POINT_WRITE ? VM_WRITE : kind == POINT_READ ? VM_READ : VM_READ | VM_WRITE;
}

static gva_t page_of(gva_t addr)
{
    return addr & ~(gva_t)(VM_PAGE_SIZE - 1);
}

static bool overlap(gva_t a, uint64_t a_len, gva_t b, uint64_t b_len)
{
    return a < b + b_len && b < a + a_len;
}

/* What the watches want trapped on a page. */
static unsigned page_access(const struct watches *watches, gva_t page)
{
    unsigned access = 0;

    for (size_t i = 0; i < watches->count; i++) {
        const struct watch_range *w = &watches->list[i];

        if (overlap(w->addr, w->len, page, VM_PAGE_SIZE))
            access |= kind_access(w->kind);
    }
    return access;
}

/* The bytes of a page whose stores the watches want trapped. */
static void page_stores(const struct watches *watches, gva_t page, struct cpu_trap_bytes *out)
{
    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < watches->count; i++) {
        const struct watch_range *w = &watches->list[i];
        gva_t from = w->addr > page ? w->addr : page;
        gva_t end = w->addr + w->len < page + VM_PAGE_SIZE ? w->addr + w->len : page + VM_PAGE_SIZE;

        for (; (kind_access(w->kind) & VM_WRITE) && from < end; from++)
            out->bits[(from - page) / 64] |= UINT64_C(1) << (from & 63);
    }
}

/* Is every store to the page watched by one of them? */
static bool watches_whole(const struct watches *watches, gva_t page)
{
    for (size_t i = 0; i < watches->count; i++) {
        const struct watch_range *w = &watches->list[i];

        if ((kind_access(w->kind) & VM_WRITE) && w->addr <= page &&
            w->addr + w->len - page >= VM_PAGE_SIZE)
            return true;
    }
    return false;
}

/* Trap on one page what the watches want. A watch may have a million pages: only its ends are looked at byte by byte. */
static enum err set_trap(const struct watches *watches, struct cpu *cpu, gva_t page)
{
    unsigned access = page_access(watches, page);
    struct cpu_trap_bytes stores;
    enum err e = cpu_trap_set(cpu, page, access | (cpu_trap_get(cpu, page) & VM_EXEC));

    if (e || !(access & VM_WRITE) || watches_whole(watches, page))
        return e;
    page_stores(watches, page, &stores);
    cpu_trap_narrow(cpu, page, &stores);
    return ERR_OK;
}

/* Bring the CPU's data traps on the pages of a range in line with the watches; execution traps are not ours. */
static enum err set_traps(const struct watches *watches, struct cpu *cpu,
                          const struct watch_range *range)
{
    for (gva_t page = page_of(range->addr); page < range->addr + range->len; page += VM_PAGE_SIZE) {
        enum err e = set_trap(watches, cpu, page);

        if (e)
            return e;
    }
    return ERR_OK;
}

static size_t find(const struct watches *watches, const struct watch_range *range)
{
    size_t i = 0;

    while (i < watches->count &&
           (watches->list[i].addr != range->addr || watches->list[i].len != range->len ||
            watches->list[i].kind != range->kind || watches->list[i].owner != range->owner))
        i++;
    return i;
}

static enum err append(struct watches *watches, const struct watch_range *range)
{
    if (watches->count == watches->cap) {
        size_t cap = watches->cap ? watches->cap * 2 : 8;
        struct watch_range *grown = realloc(watches->list, cap * sizeof *grown);

        if (!grown)
            return ERR_NOMEM;
        watches->list = grown;
        watches->cap = cap;
    }
    watches->list[watches->count++] = *range;
    return ERR_OK;
}

enum err watches_set(struct watches *watches, struct cpu *cpu, const struct watch_range *range,
                     bool on)
{
    size_t i = find(watches, range);
    enum err e;

    if (!range->len || range->len > WATCH_MAX || range->addr + range->len < range->addr)
        return ERR_RANGE;
    if ((i < watches->count) == on)
        return ERR_OK;
    if (!on) {
        watches->list[i] = watches->list[--watches->count];
        return set_traps(watches, cpu, range);
    }
    e = append(watches, range);
    if (e)
        return e;
    e = set_traps(watches, cpu, range);
    if (e) {
        watches->count--;
        (void)set_traps(watches, cpu, range); /* takes traps away, which needs no memory */
    }
    return e;
}

void watches_fini(struct watches *watches)
{
    free(watches->list);
    *watches = (struct watches){0};
}

/* Note what access does to watch, when it does anything. */
static void probe_one(const struct vm *vm, const struct watch_range *w,
                      const struct dis_access *access, struct watch_probe *out)
{
    gva_t from = access->address > w->addr ? access->address : w->addr;
    gva_t to = access->address + access->size < w->addr + w->len ? access->address + access->size
                                                                 : w->addr + w->len;
    size_t len = (size_t)(to - from);

    if (!(access->access & kind_access(w->kind)) || out->count == WATCH_HITS_MAX ||
        !overlap(access->address, access->size, w->addr, w->len) ||
        out->old_len + len > sizeof out->old)
        return;
    out->hits[out->count++] = (struct watch_hit){
        .watch = *w, .addr = from, .len = len, .access = access->access, .old_at = out->old_len};
    if (vm_debug_read(vm, from, out->old + out->old_len, len) != len)
        memset(out->old + out->old_len, 0, len);
    out->old_len += len;
}

void watches_probe(const struct watches *watches, const struct vm *vm, const struct cpu *cpu,
                   struct dis *dis, struct watch_probe *out)
{
    uint8_t bytes[DIS_MAX_LENGTH];
    gva_t pc = cpu_get(cpu, CPU_RIP);
    size_t len = vm_debug_read(vm, pc, bytes, sizeof bytes);
    struct dis_insn insn;

    out->pc = pc;
    out->count = 0;
    out->old_len = 0;
    if (!dis_decode(dis, cpu, pc, bytes, len, &insn))
        return;
    for (size_t a = 0; a < insn.access_count; a++) {
        for (size_t i = 0; i < watches->count; i++)
            probe_one(vm, &watches->list[i], &insn.accesses[a], out);
    }
}

bool watches_count(const struct watch_probe *probe, const struct vm *vm, size_t i)
{
    const struct watch_hit *hit = &probe->hits[i];
    uint8_t now[WATCH_BYTES_MAX];
    size_t len = hit->len < sizeof now ? hit->len : sizeof now;

    if (hit->watch.kind != POINT_WRITE || hit->watch.unchanged)
        return true;
    return vm_debug_read(vm, hit->addr, now, len) != len ||
           memcmp(now, probe->old + hit->old_at, len) != 0;
}

bool watches_served(const struct watch_range *w, const struct vm *vm,
                    const struct vm_served *access, gva_t *addr)
{
    gva_t end = w->addr + w->len < access->addr + access->len ? w->addr + w->len
                                                              : access->addr + access->len;
    uint8_t old[VM_PAGE_SIZE];
    size_t len;

    if (!(access->access & kind_access(w->kind)) ||
        !overlap(access->addr, access->len, w->addr, w->len))
        return false;
    *addr = access->addr > w->addr ? access->addr : w->addr;
    len = (size_t)(end - *addr);
    if (w->kind != POINT_WRITE || w->unchanged || vm_debug_read(vm, *addr, old, len) != len)
        return true;
    return memcmp(old, access->bytes + (*addr - access->addr), len) != 0;
}
