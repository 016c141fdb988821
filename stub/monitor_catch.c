/*
 * `monitor` commands about stops that GDB has no words for: break, watch, catch, break-on, and the list of them. What a
 * stop does is the target's matter (target_catch); they belong to the process, not to one client.
 */
#include <string.h>

#include "monitor.h"
#include "tables.h"
#include "winstub/nt.h"

#define WORD_MAX   256
#define NO_CATCHES "this target has no such stops"

/* The catch with that number; false when there is none. */
static bool find(const struct stub *s, unsigned id, struct target_catch *out)
{
    for (size_t i = 0; !s->target.ops->catch_at(s->target.ctx, i, out); i++) {
        if (out->id == id)
            return true;
    }
    return false;
}

/* Set a catch and tell the user about it. */
static void add(struct stub *s, const struct monitor_line *line, const struct target_catch *what)
{
    struct diag why = {{0}};
    struct target_catch set;
    unsigned id = 0;

    if (!s->target.ops->catch_add)
        monitor_refuse(s, line, NO_CATCHES);
    else if (s->target.ops->catch_add(s->target.ctx, what, &id, &why))
        monitor_refuse(s, line, "%s", why.text);
    else if (!find(s, id, &set) || set.kind != CATCH_EXPORT)
        monitor_done(s, line, "catch %u", id);
    else if (set.places)
        monitor_done(s, line, "catch %u: %zu place%s", id, set.places, set.places == 1 ? "" : "s");
    else
        monitor_done(s, line, "catch %u: no such function yet", id);
}

/* Words from i on that are options; false after telling the user about one that is none. */
static bool read_options(struct stub *s, const struct monitor_line *line, size_t i,
                         struct target_catch *what)
{
    for (; i < line->count; i++) {
        if (monitor_says(line, i, "log"))
            what->log = true;
        else if (what->kind == CATCH_WATCH && monitor_says(line, i, "any"))
            what->unchanged = true;
        else if (what->kind == CATCH_WATCH && monitor_says(line, i, "read"))
            what->access = POINT_READ;
        else if (what->kind == CATCH_WATCH && monitor_says(line, i, "write"))
            what->access = POINT_WRITE;
        else if (what->kind == CATCH_WATCH && monitor_says(line, i, "access"))
            what->access = POINT_ACCESS;
        else if (what->kind == CATCH_WRITTEN && monitor_says(line, i, "first"))
            what->last = false;
        else if (what->kind == CATCH_WRITTEN && monitor_says(line, i, "image"))
            what->types |= MEM_IMAGE;
        else if (what->kind == CATCH_WRITTEN && monitor_says(line, i, "private"))
            what->types |= MEM_PRIVATE;
        else if (what->kind == CATCH_WRITTEN && monitor_says(line, i, "mapped"))
            what->types |= MEM_MAPPED;
        else {
            monitor_refuse(s, line, "'%.*s' is no option of it", (int)line->words[i].len,
                           (const char *)line->words[i].data);
            return false;
        }
    }
    return true;
}

MONITOR(monitor_break)
{
    struct target_catch what = {.kind = CATCH_EXPORT};
    char name[WORD_MAX];

    monitor_word(line, 1, name, sizeof name);
    what.pattern = name;
    if (!strchr(name, '!')) {
        what.kind = CATCH_ADDRESS;
        what.pattern = "";
        if (strncmp(name, "0x", 2) != 0) {
            monitor_refuse(s, line,
                           "'%s' is neither MODULE!NAME nor an address such as 0x140001000; "
                           "'monitor catch api %s' takes it from any module",
                           name, name);
            return;
        }
        if (!monitor_address(s, line, 1, &what.addr))
            return;
    }
    if (read_options(s, line, 2, &what))
        add(s, line, &what);
}

MONITOR(monitor_watch)
{
    struct target_catch what = {.kind = CATCH_WATCH, .pattern = "", .access = POINT_WRITE};

    if (monitor_address(s, line, 1, &what.addr) && monitor_address(s, line, 2, &what.len) &&
        read_options(s, line, 3, &what))
        add(s, line, &what);
}

MONITOR(monitor_catch)
{
    struct target_catch what = {0};
    char name[WORD_MAX];

    monitor_word(line, 2, name, sizeof name);
    what.pattern = name;
    if (monitor_says(line, 1, "syscall")) {
        what.kind = CATCH_SYSCALL;
    } else if (monitor_says(line, 1, "load")) {
        what.kind = CATCH_LOAD;
    } else if (monitor_says(line, 1, "api")) {
        what.kind = CATCH_EXPORT;
    } else {
        monitor_refuse(s, line, "catch: syscall, load or api?");
        return;
    }
    if (read_options(s, line, 3, &what))
        add(s, line, &what);
}

MONITOR(monitor_break_on)
{
    struct target_catch what = {.kind = CATCH_WRITTEN, .pattern = "", .last = true};

    if (!monitor_says(line, 1, "exec-after-write"))
        monitor_refuse(s, line, "break-on: exec-after-write is all there is");
    else if (read_options(s, line, 2, &what))
        add(s, line, &what);
}

/* A decimal number from 1 on; 0 when it is none. */
static unsigned read_number(struct bytes word)
{
    unsigned value = 0;

    for (size_t i = 0; i < word.len; i++) {
        unsigned digit = word.data[i] - (unsigned)'0';

        if (digit > 9 || value > UINT32_MAX / 10 - 1)
            return 0;
        value = 10 * value + digit;
    }
    return value;
}

MONITOR(monitor_delete)
{
    unsigned id = read_number(line->words[1]);

    if (!s->target.ops->catch_remove)
        monitor_refuse(s, line, NO_CATCHES);
    else if ((!id && !monitor_says(line, 1, "all")) ||
             s->target.ops->catch_remove(s->target.ctx, id))
        monitor_refuse(s, line, "there is no '%.*s'; 'monitor breaks' lists them",
                       (int)line->words[1].len, (const char *)line->words[1].data);
    else
        monitor_done(s, line, "%s", "");
}

/* ---- Lists ------------------------------------------------------------------------------------ */

static void where(const struct stub *s, gva_t addr, struct buf *out)
{
    if (s->target.ops->where)
        s->target.ops->where(s->target.ctx, addr, out);
}

static const char *kind_word(const struct target_catch *what)
{
    switch (what->kind) {
    case CATCH_ADDRESS:
        return "address";
    case CATCH_EXPORT:
        return "function";
    case CATCH_SYSCALL:
        return "service";
    case CATCH_LOAD:
        return "module";
    case CATCH_WATCH:
        return what->access == POINT_WRITE  ? what->unchanged ? "any write" : "write"
               : what->access == POINT_READ ? "read"
                                            : "access";
    case CATCH_WRITTEN:
        return "exec-after-write";
    }
    return "?";
}

static void catch_row(struct stub *s, struct table *t, const struct target_catch *what)
{
    struct buf place;

    buf_init(&place, WORD_MAX);
    if (what->kind == CATCH_WATCH)
        (void)buf_printf(&place, "%" PRIu64 " bytes", what->len);
    else if (what->kind == CATCH_ADDRESS)
        where(s, what->addr, &place);
    else
        (void)buf_text(&place, what->pattern);
    table_row(t);
    table_number(t, "Number", what->id, 6);
    table_text(t, "Kind", kind_word(what), 16);
    table_hex(t, "Address", what->addr, monitor_digits(s));
    table_number(t, "Places", what->places, 6);
    table_number(t, "Reached", what->hits, 10);
    table_number(t, "Hits", what->hits, 10);
    table_text(t, "Action", what->log ? "log" : "stop", 6);
    table_text(t, "What", buf_str(&place), 0);
    buf_fini(&place);
}

static void hits_row(struct stub *s, struct table *t, const struct target_hits *hits)
{
    struct buf place;

    buf_init(&place, WORD_MAX);
    where(s, hits->addr, &place);
    table_row(t);
    table_number(t, "Number", 0, 6);
    table_text(t, "Kind", "breakpoint", 16);
    table_hex(t, "Address", hits->addr, monitor_digits(s));
    table_number(t, "Places", 1, 6);
    table_number(t, "Reached", hits->reached, 10);
    table_number(t, "Hits", hits->counted, 10);
    table_text(t, "Action", "gdb's", 6);
    table_text(t, "What", buf_str(&place), 0);
    buf_fini(&place);
}

MONITOR(monitor_breaks)
{
    const struct target_ops *ops = s->target.ops;
    struct target_catch what;
    struct target_hits hits;
    struct table t;
    struct buf text;

    monitor_table(&t, &text, line, TABLE_TEXT);
    for (size_t i = 0; ops->catch_at && !ops->catch_at(s->target.ctx, i, &what); i++)
        catch_row(s, &t, &what);
    for (size_t i = 0; ops->hits && !ops->hits(s->target.ctx, i, &hits); i++)
        hits_row(s, &t, &hits);
    monitor_table_say(s, &t, &text);
}

MONITOR(monitor_writers)
{
    const struct target_ops *ops = s->target.ops;
    struct target_writer writer;
    struct table t;
    struct buf text;

    monitor_table(&t, &text, line, TABLE_TEXT);
    for (size_t i = 0; ops->writer && !ops->writer(s->target.ctx, i, &writer); i++) {
        struct buf place;

        buf_init(&place, WORD_MAX);
        where(s, writer.pc, &place);
        table_row(&t);
        table_hex(&t, "Page", writer.page, monitor_digits(s));
        table_text(&t, "By", writer.service ? "service" : "code", 7);
        table_hex(&t, "PC", writer.pc, monitor_digits(s));
        table_number(&t, "Thread", writer.tid, 8);
        table_text(&t, "Where", buf_str(&place), 0);
        buf_fini(&place);
    }
    monitor_table_say(s, &t, &text);
}
