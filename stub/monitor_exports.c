/*
 * `monitor exports`: what a module in the guest's memory exports. The module may be anything that the guest left there:
 * every table is bounded and read whole, every name is read by itself. Follows the PE format specification.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "peek.h"
#include "monitor.h"

#define EXPORTS_MAX 0x10000u
#define NAME_BYTES  256u

struct exports {
    gva_t base;                          /* of the module */
    uint32_t at, size;                   /* of the directory; addresses inside it are forwarders */
    uint32_t ordinal_base, count, names; /* how many */
    uint8_t *functions;                  /* count times 4 bytes */
    uint8_t *name_rvas;                  /* names times 4 bytes */
    uint8_t *ordinals;                   /* names times 2 bytes */
    struct buf tables;
};

/* Where the export directory is, by the headers in memory. */
static bool find_directory(const struct stub *s, struct exports *e)
{
    gva_t header = e->base + peek_number(s, e->base + 0x3c, 4);
    bool wide = peek_number(s, header + 24, 2) == 0x20b;
    gva_t entry = header + 24 + (wide ? 112 : 96);

    if (peek_number(s, e->base, 2) != 0x5a4d || peek_number(s, header, 4) != 0x4550)
        return false;
    e->at = (uint32_t)peek_number(s, entry, 4);
    e->size = (uint32_t)peek_number(s, entry + 4, 4);
    return e->at && e->size >= 40;
}

static uint8_t *read_table(const struct stub *s, struct exports *e, uint32_t rva, size_t bytes)
{
    size_t from = e->tables.len;

    if (!buf_extend(&e->tables, bytes) || !peek(s, e->base + rva, e->tables.data + from, bytes))
        return NULL;
    return e->tables.data + from;
}

/* The three tables; the caller frees e->tables whatever comes of it. */
static bool read_exports(const struct stub *s, struct exports *e)
{
    uint8_t head[40];
    size_t functions, names;

    buf_init(&e->tables, 10u * EXPORTS_MAX);
    if (!find_directory(s, e) || !peek(s, e->base + e->at, head, sizeof head))
        return false;
    e->ordinal_base = get_u32(head + 16);
    e->count = get_u32(head + 20);
    e->names = get_u32(head + 24);
    if (!e->count || e->count > EXPORTS_MAX || e->names > EXPORTS_MAX)
        return false;
    functions = e->count * 4u;
    names = e->names * 4u;
    /* the buffer moves while it grows, so addresses are taken at the end */
    if ((functions && !read_table(s, e, get_u32(head + 28), functions)) ||
        (names && !read_table(s, e, get_u32(head + 32), names)) ||
        (names && !read_table(s, e, get_u32(head + 36), e->names * 2u)))
        return false;
    e->functions = e->tables.data;
    e->name_rvas = e->tables.data + functions;
    e->ordinals = e->tables.data + functions + names;
    return true;
}

/* A NUL-terminated text of printable characters; "" when it is not there. */
static void read_name(const struct stub *s, gva_t addr, char out[NAME_BYTES])
{
    size_t got = 0;

    out[0] = 0;
    if (s->target.ops->read(s->target.ctx, addr, out, NAME_BYTES - 1, &got))
        got = 0;
    out[got] = 0;
    for (char *c = out; *c; c++) {
        if (!isprint((unsigned char)*c))
            *c = '?';
    }
}

static void export_row(const struct stub *s, const struct exports *e, struct table *t,
                       uint32_t index, const char *name)
{
    uint32_t rva = get_u32(e->functions + 4u * index);
    char forward[NAME_BYTES] = "";

    if (rva - e->at < e->size)
        read_name(s, e->base + rva, forward);
    table_row(t);
    table_hex(t, "Address", forward[0] ? 0 : e->base + rva, monitor_digits(s));
    table_number(t, "Ordinal", (uint64_t)e->ordinal_base + index, 7);
    table_text(t, "Name", name, 32);
    table_text(t, "Forward", forward, 0);
}

/* Does the name hold the pattern? Case does not matter. */
static bool matches(const char *name, const char *pattern)
{
    return !pattern[0] || strcasestr(name, pattern);
}

static void named_rows(const struct stub *s, const struct exports *e, struct table *t,
                       const char *pattern)
{
    for (uint32_t i = 0; i < e->names; i++) {
        uint32_t index = get_u16(e->ordinals + 2u * i);
        char name[NAME_BYTES];

        if (index >= e->count)
            continue;
        read_name(s, e->base + get_u32(e->name_rvas + 4u * i), name);
        if (matches(name, pattern))
            export_row(s, e, t, index, name);
    }
}

static bool is_named(const struct exports *e, uint32_t index)
{
    for (uint32_t i = 0; i < e->names; i++) {
        if (get_u16(e->ordinals + 2u * i) == index)
            return true;
    }
    return false;
}

/* What has only an ordinal, when every export is wanted. */
static void nameless_rows(const struct stub *s, const struct exports *e, struct table *t)
{
    for (uint32_t index = 0; index < e->count && index < 0x1000; index++) {
        if (get_u32(e->functions + 4u * index) && !is_named(e, index))
            export_row(s, e, t, index, "");
    }
}

/* The base of the module with that name ("ntdll", "ntdll.dll", in any case) or at that address; 0 for none. */
static gva_t find_module(const struct stub *s, const char *word)
{
    struct target_library lib;
    struct target_info info;
    size_t len = strlen(word);

    s->target.ops->info(s->target.ctx, &info);
    for (size_t i = 0;; i++) {
        const char *path = info.exec_path, *name;
        gva_t base = info.exec_base;

        if (i) {
            if (!s->target.ops->library || s->target.ops->library(s->target.ctx, i - 1, &lib))
                return 0;
            path = lib.path;
            base = lib.base;
        }
        name = strrchr(path, '\\');
        name = name ? name + 1 : path;
        if (len && strncasecmp(name, word, len) == 0 && (!name[len] || name[len] == '.'))
            return base;
    }
}

MONITOR(monitor_exports)
{
    char module[NAME_BYTES], pattern[NAME_BYTES];
    struct exports e = {0};
    struct table t;
    struct buf text;

    monitor_word(line, 1, module, sizeof module);
    monitor_word(line, 2, pattern, sizeof pattern);
    e.base = find_module(s, module);
    if (!e.base) {
        session_sayf(s, "exports: there is no module '%s'; 'monitor modules' lists them\n", module);
        return;
    }
    monitor_table(&t, &text, line, TABLE_TEXT);
    if (read_exports(s, &e)) {
        named_rows(s, &e, &t, pattern);
        if (!pattern[0])
            nameless_rows(s, &e, &t);
    }
    buf_fini(&e.tables);
    if (!t.rows && !line->json)
        session_sayf(s, "%s exports nothing%s\n", module, pattern[0] ? " of that name" : "");
    monitor_table_say(s, &t, &text);
}
