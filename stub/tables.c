/* What is in each table. */
#include "tables.h"

#include "region_text.h"
#include "winstub/nt.h"

static void vad_row(struct table *t, const struct target_region *run, int digits)
{
    char protect[96];

    region_protect(run->protect, protect, sizeof protect);
    table_row(t);
    table_hex(t, "Start", run->base, digits);
    table_hex(t, "End", run->base + run->size, digits);
    table_text(t, "State", region_state(run->state), 7);
    table_text(t, "Type", region_type(run->type), 7);
    table_text(t, "Protect", protect, 20);
    table_hex(t, "Allocation", run->allocation_base, digits);
    table_text(t, "Label", run->label, 20);
    table_text(t, "Path", run->path, 0);
}

void table_vads(const struct stub *s, struct table *t)
{
    int digits = monitor_digits(s);
    struct target_region run;

    if (!s->target.ops->region || s->target.ops->region(s->target.ctx, 0, &run))
        return;
    do {
        if (run.state != MEM_FREE)
            vad_row(t, &run, digits);
    } while (session_next_region(s, &run));
}

void table_threads(const struct stub *s, struct table *t)
{
    struct target_thread thread;

    for (size_t i = 0; !s->target.ops->thread(s->target.ctx, i, &thread); i++) {
        table_row(t);
        table_number(t, "Id", thread.tid, 8);
        table_text(t, "Name", thread.name, 20);
        table_text(t, "State", thread.state, 24);
        table_hex(t, "TEB", thread.teb, monitor_digits(s));
    }
}

void table_modules(const struct stub *s, struct table *t)
{
    int digits = monitor_digits(s);
    struct target_library lib;

    for (size_t i = 0; session_module(s, i, &lib); i++) {
        if (!lib.path[0])
            continue;
        table_row(t);
        table_hex(t, "Base", lib.base, digits);
        table_hex(t, "Size", lib.size, 8);
        table_text(t, "Path", lib.path, 0);
    }
}

void table_processes(const struct stub *s, struct table *t)
{
    const struct target_ops *ops = s->target.ops;
    struct target_process process;

    for (size_t i = 0; ops->process && !ops->process(s->target.ctx, i, &process); i++) {
        table_row(t);
        table_number(t, "pid", process.pid, 8); /* named as in GDB's own table */
        table_number(t, "parent", process.parent, 8);
        table_text(t, "state", process.state, 10);
        table_text(t, "program", process.program, 28);
        table_text(t, "command", process.command, 0);
    }
}

void table_handles(const struct stub *s, struct table *t)
{
    struct target_handle handle = {0};

    while (s->target.ops->handle && !s->target.ops->handle(s->target.ctx, handle.value, &handle)) {
        table_row(t);
        table_hex(t, "Handle", handle.value, 4);
        table_text(t, "Type", handle.type, 12);
        table_hex(t, "Access", handle.access, 8);
        table_text(t, "Name", handle.name, 0);
    }
}

static void say_table(struct stub *s, const struct monitor_line *line, table_fill *fill)
{
    struct table t;
    struct buf text;

    fill(s, monitor_table(&t, &text, line, TABLE_TEXT));
    monitor_table_say(s, &t, &text);
}

MONITOR(monitor_vads)
{
    say_table(s, line, table_vads);
}

MONITOR(monitor_processes)
{
    say_table(s, line, table_processes);
}

MONITOR(monitor_threads)
{
    say_table(s, line, table_threads);
}

MONITOR(monitor_modules)
{
    say_table(s, line, table_modules);
}

MONITOR(monitor_handles)
{
    say_table(s, line, table_handles);
}

static const struct {
    const char *name;
    const char *about;
    table_fill *fill;
} tables[] = {
    {"processes", "The processes", table_processes},
    {"threads", "The threads of the one that is debugged", table_threads},
    {"modules", "The program and its DLLs", table_modules},
    {"handles", "Its handles", table_handles},
    {"vads", "Its memory, in Windows' words", table_vads},
};

static void table_of_tables(const struct stub *s, struct table *t)
{
    (void)s;
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        table_row(t);
        table_text(t, "Type", tables[i].name, 0);
        table_text(t, "Description", tables[i].about, 0);
        table_text(t, "Title", tables[i].name, 0);
    }
}

enum err document_osdata(struct stub *s, struct bytes annex, struct buf *doc)
{
    table_fill *fill = annex.len ? NULL : table_of_tables;
    const char *name = "types";
    struct table t;

    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        if (bytes_is_text(annex, tables[i].name)) {
            fill = tables[i].fill;
            name = tables[i].name;
        }
    }
    if (!fill)
        return ERR_NOT_FOUND;
    table_begin(&t, doc, TABLE_OSDATA, name);
    fill(s, &t);
    table_end(&t);
    return ERR_OK;
}
