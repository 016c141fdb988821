/*
 * `monitor exports`: what a module in the guest's memory exports. guest_exports.h reads the tables, this chooses the rows.
 */
#include <string.h>
#include <strings.h>

#include "guest_exports.h"
#include "monitor.h"
#include "paths.h"

#define NAMELESS_MAX 0x1000u /* a table of ordinals that is longer than this is no use to anybody */

static void export_row(const struct stub *s, const struct guest_exports *e, struct table *t,
                       uint32_t index, const char *name)
{
    char forward[EXPORT_NAME_BYTES];

    guest_export_forward(s, e, index, forward);
    table_row(t);
    table_hex(t, "Address", guest_export_address(e, index), monitor_digits(s));
    table_number(t, "Ordinal", (uint64_t)e->ordinal_base + index, 7);
    table_text(t, "Name", name, 32);
    table_text(t, "Forward", forward, 0);
}

/* Does the name hold the pattern? Case does not matter. */
static bool matches(const char *name, const char *pattern)
{
    return !pattern[0] || strcasestr(name, pattern);
}

static void named_rows(const struct stub *s, const struct guest_exports *e, struct table *t,
                       const char *pattern)
{
    for (uint32_t i = 0; i < e->names; i++) {
        char name[EXPORT_NAME_BYTES];
        uint32_t index;

        if (guest_export_name(s, e, i, name, &index) && matches(name, pattern))
            export_row(s, e, t, index, name);
    }
}

static bool is_named(const struct guest_exports *e, uint32_t index)
{
    for (uint32_t i = 0; i < e->names; i++) {
        if (get_u16(e->ordinals + 2u * i) == index)
            return true;
    }
    return false;
}

/* What has only an ordinal, when every export is wanted. */
static void nameless_rows(const struct stub *s, const struct guest_exports *e, struct table *t)
{
    for (uint32_t index = 0; index < e->count && index < NAMELESS_MAX; index++) {
        if (guest_export_used(e, index) && !is_named(e, index))
            export_row(s, e, t, index, "");
    }
}

/* The base of the module with that name ("ntdll", "ntdll.dll", in any case); 0 for none. */
static gva_t find_module(const struct stub *s, const char *word)
{
    struct target_library module;
    size_t len = strlen(word);

    for (size_t i = 0; session_module(s, i, &module); i++) {
        const char *name = path_name(module.path);

        if (len && strncasecmp(name, word, len) == 0 && (!name[len] || name[len] == '.'))
            return module.base;
    }
    return 0;
}

MONITOR(monitor_exports)
{
    char module[EXPORT_NAME_BYTES], pattern[EXPORT_NAME_BYTES];
    struct guest_exports e;
    struct table t;
    struct buf text;
    gva_t base;

    monitor_word(line, 1, module, sizeof module);
    monitor_word(line, 2, pattern, sizeof pattern);
    base = find_module(s, module);
    if (!base) {
        session_sayf(s, "exports: there is no module '%s'; 'monitor modules' lists them\n", module);
        return;
    }
    monitor_table(&t, &text, line, TABLE_TEXT);
    if (guest_exports_read(s, base, &e)) {
        named_rows(s, &e, &t, pattern);
        if (!pattern[0])
            nameless_rows(s, &e, &t);
    }
    guest_exports_free(&e);
    if (!t.rows && !line->json)
        session_sayf(s, "%s exports nothing%s\n", module, pattern[0] ? " of that name" : "");
    monitor_table_say(s, &t, &text);
}
