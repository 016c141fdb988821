/*
 * A harness's hooks: which there are, and calling them; see winstub/hook.h. When an instruction is to be executed
 * under them is decided by memory.c, and how by detour.c.
 */
#include "cpu/cpu_priv.h"

#include <stdlib.h>
#include <string.h>

enum err cpu_hook_add(struct cpu *cpu, const struct cpu_hook *hook, unsigned *id)
{
    struct hooks *h = &cpu->harness;
    struct hook_entry *list;

    if (!hook->fn || !(hook->access & (VM_READ | VM_WRITE | VM_EXEC)) || hook->first > hook->last)
        return ERR_INVALID;
    list = realloc(h->list, (h->count + 1) * sizeof *list);
    if (!list)
        return ERR_NOMEM;
    h->list = list;
    *id = ++h->last_id;
    list[h->count++] = (struct hook_entry){*id, *hook};
    if (!hook->refused)
        h->kinds |= hook->access;
    cpu->flush = true;
    memory_be_careful(cpu);
    return ERR_OK;
}

void cpu_hook_remove(struct cpu *cpu, unsigned id)
{
    struct hooks *h = &cpu->harness;
    size_t at = 0;

    while (at < h->count && h->list[at].id != id)
        at++;
    if (at == h->count)
        return;
    h->count--;
    memmove(h->list + at, h->list + at + 1, (h->count - at) * sizeof *h->list);
    h->kinds = 0;
    for (size_t i = 0; i < h->count; i++)
        h->kinds |= h->list[i].hook.refused ? 0 : h->list[i].hook.access;
    cpu->flush = true;
}

void cpu_hook_clear(struct cpu *cpu)
{
    cpu->harness.count = 0;
    cpu->harness.kinds = 0;
    cpu->flush = true;
}

void hooks_fini(struct cpu *cpu)
{
    free(cpu->harness.list);
    cpu->harness = (struct hooks){0};
}

static bool overlaps(const struct cpu_hook *hook, gva_t first, gva_t last)
{
    return hook->first <= last && first <= hook->last;
}

unsigned hooks_on_page(const struct cpu *cpu, gva_t page)
{
    unsigned kinds = 0;

    for (size_t i = 0; cpu->harness.kinds && i < cpu->harness.count; i++) {
        const struct cpu_hook *hook = &cpu->harness.list[i].hook;

        if (!hook->refused && overlaps(hook, page, page + PAGE_MASK))
            kinds |= hook->access;
    }
    return kinds;
}

/* Is this hook to hear of the access? */
static bool concerns(const struct cpu_hook *hook, const struct cpu_access *access)
{
    bool refused = access->fault != VM_FAULT_NONE;
    gva_t last = access->address;

    if (access->access != VM_EXEC && access->size)
        last += access->size - 1;
    return hook->refused == refused && (hook->access & access->access) &&
           overlaps(hook, access->address, last);
}

bool hooks_concern(const struct cpu *cpu, const struct cpu_access *access)
{
    for (size_t i = 0; i < cpu->harness.count; i++) {
        if (concerns(&cpu->harness.list[i].hook, access))
            return true;
    }
    return false;
}

/* The next hook behind the one with that id; hooks may come and go while others are called. */
static bool next_hook(const struct cpu *cpu, unsigned *id, struct cpu_hook *out)
{
    for (size_t i = 0; i < cpu->harness.count; i++) {
        if (cpu->harness.list[i].id > *id) {
            *id = cpu->harness.list[i].id;
            *out = cpu->harness.list[i].hook;
            return true;
        }
    }
    return false;
}

bool hooks_call(struct cpu *cpu, const struct cpu_access *access)
{
    bool refused = access->fault != VM_FAULT_NONE;
    struct cpu_hook hook;
    unsigned id = 0;

    while (next_hook(cpu, &id, &hook)) {
        if (concerns(&hook, access) && hook.fn(hook.ctx, cpu, access) == refused)
            return refused;
    }
    return !refused;
}
