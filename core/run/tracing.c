/* Tracing of reads; the contract is in tracing.h. Where the tables are is core/nt's matter. */
#include "run/tracing.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "winstub/buf.h"

static unsigned group_of(enum process_table_kind kind)
{
    switch (kind) {
    case PROCESS_TABLE_PEB:
        return TRACE_PEB;
    case PROCESS_TABLE_LDR:
    case PROCESS_TABLE_ENTRY:
    case PROCESS_TABLE_ENTRY_NAME:
        return TRACE_LDR;
    default:
        return TRACE_EXPORTS;
    }
}

static void on_table(void *ctx, const struct process_table *table)
{
    struct tracing *t = ctx;

    if (!(group_of(table->kind) & t->tables))
        return;
    if (t->count == t->cap) {
        size_t cap = t->cap ? 2 * t->cap : 64;
        struct process_table *grown = realloc(t->list, cap * sizeof *grown);

        if (!grown) {
            t->failed = true;
            return;
        }
        t->list = grown;
        t->cap = cap;
    }
    t->list[t->count++] = *table;
}

void tracing_fini(struct tracing *t)
{
    free(t->list);
    pagemap_fini(&t->seen);
    *t = (struct tracing){0};
}

static enum err watch_table(struct watches *watches, struct cpu *cpu,
                            const struct process_table *table, bool on)
{
    const struct watch_range range = {
        .addr = table->addr, .len = table->len, .kind = POINT_READ, .owner = WATCH_TRACE};

    return watches_set(watches, cpu, &range, on);
}

static bool same_tables(const struct process_table *a, const struct process_table *b, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (a[i].kind != b[i].kind || a[i].addr != b[i].addr || a[i].len != b[i].len ||
            strcmp(a[i].module, b[i].module) != 0)
            return false;
    }
    return true;
}

enum err tracing_set(struct tracing *t, struct watches *watches, const struct process *process,
                     struct cpu *cpu, unsigned tables)
{
    struct tracing before = *t;
    enum err e = ERR_OK;

    *t = (struct tracing){.tables = tables, .seen = before.seen};
    if (tables)
        process_tables(process, on_table, t);
    if (t->count == before.count && same_tables(t->list, before.list, t->count)) {
        free(before.list);
        return ERR_OK;
    }
    for (size_t i = 0; i < before.count; i++)
        (void)watch_table(watches, cpu, &before.list[i], false);
    free(before.list);
    for (size_t i = 0; i < t->count && !e; i++)
        e = watch_table(watches, cpu, &t->list[i], true);
    if (!tables)
        pagemap_clear(&t->seen);
    return t->failed ? ERR_NOMEM : e;
}

static const struct process_table *table_at(const struct tracing *t, gva_t addr)
{
    for (size_t i = 0; i < t->count; i++) {
        if (addr - t->list[i].addr < t->list[i].len)
            return &t->list[i];
    }
    return NULL;
}

/* Is it code of a DLL? Module 0 is the program. */
static bool is_dll_code(const struct process *process, gva_t pc)
{
    const struct process_module *m;

    for (size_t i = 1; (m = process_module(process, i)); i++) {
        if (pc - m->base < m->size)
            return true;
    }
    return false;
}

/* Was this place shown with this table before? The seen table keeps both in one key. */
static bool seen_before(struct tracing *t, gva_t pc, const struct process_table *table, gva_t addr)
{
    bool text = table->kind == PROCESS_TABLE_ENTRY_NAME || table->len > VM_PAGE_SIZE;
    uint64_t place = text ? table->addr : addr;
    uint64_t key = pc * UINT64_C(0x9E3779B97F4A7C15) ^ place;

    if (pagemap_get(&t->seen, key))
        return true;
    (void)pagemap_put(&t->seen, key, 1); /* without memory it is shown again */
    return false;
}

void tracing_line(struct tracing *t, const struct process *process, struct dis *dis, gva_t pc,
                  gva_t addr, struct buf *out)
{
    const struct process_table *table = table_at(t, addr);
    struct vm *vm = process_vm((struct process *)(uintptr_t)process);
    struct cpu *cpu = process_cpu((struct process *)(uintptr_t)process);
    uint8_t bytes[DIS_MAX_LENGTH];
    struct dis_insn insn;

    if (!table || is_dll_code(process, pc) || seen_before(t, pc, table, addr))
        return;
    (void)buf_printf(out, "pc 0x%" PRIx64 " reads ", pc);
    process_table_text(process, table, addr, out);
    (void)buf_printf(out, " (0x%" PRIx64 ")", addr);
    if (dis_decode(dis, cpu, pc, bytes, vm_debug_read(vm, pc, bytes, sizeof bytes), &insn))
        (void)buf_printf(out, "    %s", insn.text);
    (void)buf_byte(out, '\n');
}
