/*
 * Which pages the guest has written, by whom, and when one of them is executed for the first time since. A page
 * that may be written gets that right only by a write, so that no write escapes; who wrote it last is known only
 * while each store is looked at. Records belong to frames: code that is written at one address and executed at
 * another is found as well.
 */
#include "cpu/cpu_priv.h"

#include <sys/mman.h>

#include "winstub/foreign.h"

struct page_writer {
    gva_t page; /* where it was written last */
    gva_t pc;
    uint32_t who;
    bool written, service;
    bool told; /* its execution was reported */
};

static size_t writers_size(const struct cpu *cpu)
{
    return (cpu->arena_size + VM_LENT_SPACE) / VM_PAGE_SIZE * sizeof *cpu->writers;
}

static struct page_writer *writer_of(const struct cpu *cpu, uint64_t offset)
{
    return &cpu->writers[offset / VM_PAGE_SIZE];
}

void cpu_writes_end(struct cpu *cpu)
{
    if (cpu->store_hook)
        engine_unhook(cpu->engine, cpu->store_hook);
    if (cpu->writers)
        (void)munmap(cpu->writers, writers_size(cpu));
    cpu->store_hook = 0;
    cpu->writers = NULL;
    cpu->writes = CPU_WRITES_OFF;
    pagemap_clear(&cpu->written);
    memory_flush_code(cpu); /* and with it the TLB */
}

void writes_fini(struct cpu *cpu)
{
    if (cpu->writers)
        (void)munmap(cpu->writers, writers_size(cpu));
    pagemap_fini(&cpu->written);
}

enum err cpu_writes_begin(struct cpu *cpu, enum cpu_writes how)
{
    void *writers;

    cpu_writes_end(cpu);
    writers = mmap(NULL, writers_size(cpu), PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (writers == MAP_FAILED)
        return ERR_NOMEM;
    cpu->writers = writers;
    if (how == CPU_WRITES_LAST) {
        cpu->store_hook = engine_hook_stores(cpu->engine);
        if (!cpu->store_hook) {
            cpu_writes_end(cpu);
            return ERR_NOMEM;
        }
    }
    cpu->writes = how;
    return ERR_OK;
}

static void note(struct cpu *cpu, uint64_t offset, gva_t page, bool service)
{
    struct page_writer *w = writer_of(cpu, offset);

    w->page = page;
    w->pc = engine_get(cpu->engine, CPU_RIP);
    w->who = cpu->who;
    w->written = true;
    w->service = service;
    (void)pagemap_put(&cpu->written, page, offset); /* without memory the page is not listed */
}

bool writes_admit(struct cpu *cpu, gva_t page, enum vm_access want, struct vm_fill *out)
{
    const struct page_writer *w = writer_of(cpu, out->offset);

    if (want == VM_WRITE) {
        if (!w->written || cpu->writes == CPU_WRITES_LAST)
            note(cpu, out->offset, page, false);
        return true;
    }
    if (!w->written || w->page != page)
        out->access &= ~(unsigned)VM_WRITE;
    return want != VM_EXEC || !w->written || w->told;
}

void writes_told(struct cpu *cpu)
{
    struct vm_fill fill;

    if (vm_fill(cpu->vm, cpu->refused.page, VM_EXEC, &fill) == VM_FAULT_NONE)
        writer_of(cpu, fill.offset)->told = true;
}

/* A store may reach into the next page, whose frame is anywhere. */
void writes_on_store(void *ctx, uint64_t offset, uint32_t size)
{
    struct cpu *cpu = ctx;
    gva_t page = writer_of(cpu, offset)->page;
    const uint64_t *next;

    note(cpu, offset, page, false);
    if (OFFSET_OF(offset) + size <= VM_PAGE_SIZE)
        return;
    next = pagemap_get(&cpu->written, page + VM_PAGE_SIZE);
    if (next)
        note(cpu, *next, page + VM_PAGE_SIZE, false);
}

void writes_on_served(void *ctx, const struct vm_served *access)
{
    struct cpu *cpu = ctx;

    if (cpu->writes && access->access == VM_WRITE &&
        (!writer_of(cpu, access->offset)->written || cpu->writes == CPU_WRITES_LAST))
        note(cpu, access->offset, PAGE_OF(access->addr), !cpu->detour.storing);
    if (cpu->on_served && !cpu->detour.storing)
        cpu->on_served(cpu->on_served_ctx, access);
}

void writes_on_freed(struct cpu *cpu, uint64_t offset)
{
    struct page_writer *w = cpu->writers ? writer_of(cpu, offset) : NULL;

    if (w && w->written)
        *w = (struct page_writer){0};
}

static struct cpu_writer describe(const struct page_writer *w)
{
    return (struct cpu_writer){.page = w->page, .pc = w->pc, .who = w->who, .service = w->service};
}

bool cpu_writer_at(const struct cpu *cpu, gva_t addr, struct cpu_writer *out)
{
    const uint64_t *known = pagemap_get(&cpu->written, PAGE_OF(addr));
    struct vm_fill fill;

    if (!cpu->writers)
        return false;
    if (known && writer_of(cpu, *known)->page == PAGE_OF(addr))
        fill.offset = *known;
    else if (vm_fill(cpu->vm, PAGE_OF(addr), VM_READ, &fill) != VM_FAULT_NONE)
        return false;
    *out = describe(writer_of(cpu, fill.offset));
    return writer_of(cpu, fill.offset)->written;
}

bool cpu_writer_next(const struct cpu *cpu, size_t *at, struct cpu_writer *out)
{
    uint64_t page, offset;

    while (cpu->writers && pagemap_next(&cpu->written, at, &page, &offset)) {
        const struct page_writer *w = writer_of(cpu, offset);

        if (!w->written || w->page != page)
            continue; /* freed since, or written elsewhere later */
        *out = describe(w);
        return true;
    }
    return false;
}
