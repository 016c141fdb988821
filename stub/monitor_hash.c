/*
 * `monitor hash`: which export or module a value stands for by which code without imports looks functions up. Every
 * algorithm of name_hash.h is tried on every name, as it is, in upper and in lower case, with and without its end;
 * on each module's name; and on both, added up, as Metasploit's block_api and its descendants do.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>

#include "guest_exports.h"
#include "monitor.h"
#include "name_hash.h"
#include "paths.h"

enum spelling { AS_IS, UPPER, LOWER, SPELLINGS };

/* How a module's name is spelled, the first two as it stands in the loader's lists. */
static const struct module_form {
    const char *words;
    bool wide, ended;
    enum spelling spelling;
} module_forms[] = {
    {"module (UTF-16, upper case, NUL)", true, true, UPPER},
    {"module (UTF-16, upper case)", true, false, UPPER},
    {"module (UTF-16, lower case)", true, false, LOWER},
    {"module (upper case)", false, false, UPPER},
    {"module (lower case)", false, false, LOWER},
};

#define MODULE_FORMS (sizeof module_forms / sizeof *module_forms)

/* A search, and where it is. */
struct hunt {
    const struct stub *s;
    struct table *t;
    uint32_t wanted;
    char module[EXPORT_NAME_BYTES]; /* the name of its file, cut */
    gva_t base;
    uint32_t of_module[NAME_HASH_COUNT][MODULE_FORMS];
};

static char spell(char c, enum spelling how)
{
    if (how == UPPER)
        return (char)toupper((unsigned char)c);
    return how == LOWER ? (char)tolower((unsigned char)c) : c;
}

/* The name as bytes, its end behind them; returns how many without the end. */
static size_t spell_name(const char *name, enum spelling how, bool wide,
                         uint8_t out[2 * EXPORT_NAME_BYTES])
{
    size_t len = 0;

    for (; *name; name++) {
        out[len++] = (uint8_t)spell(*name, how);
        if (wide)
            out[len++] = 0;
    }
    out[len] = 0;
    out[len + 1] = 0;
    return len;
}

static void found(const struct hunt *h, gva_t addr, const char *name, size_t algorithm,
                  const char *of)
{
    char whole[2 * EXPORT_NAME_BYTES], words[NAME_HASH_WORDS];

    (void)snprintf(whole, sizeof whole, "%s%s%s", h->module, name[0] ? "!" : "", name);
    name_hash_describe(algorithm, words);
    table_row(h->t);
    table_hex(h->t, "Address", addr, monitor_digits(h->s));
    table_text(h->t, "Name", whole, 36);
    table_text(h->t, "Algorithm", words, 16);
    table_text(h->t, "Of", of, 0);
}

static void try_module(struct hunt *h)
{
    for (size_t form = 0; form < MODULE_FORMS; form++) {
        const struct module_form *f = &module_forms[form];
        uint8_t text[2 * EXPORT_NAME_BYTES];
        size_t len = spell_name(h->module, f->spelling, f->wide, text);

        len += f->ended ? (f->wide ? 2u : 1u) : 0;
        for (size_t i = 0; i < NAME_HASH_COUNT; i++) {
            struct name_hash hash = name_hash_at(i);
            uint32_t value =
                name_hash_feed(&hash, hash.start, (struct bytes){text, len}) ^ hash.last;

            h->of_module[i][form] = value;
            if (value == h->wanted)
                found(h, h->base, "", i, f->words);
        }
    }
}

/* One value of a name: is it the wanted one, alone or with the module's added? */
static void compare(const struct hunt *h, gva_t addr, const char *name, size_t algorithm,
                    uint32_t value, const char *of)
{
    char sum[96];

    if (value == h->wanted)
        found(h, addr, name, algorithm, of);
    for (size_t form = 0; form < MODULE_FORMS; form++) {
        if (h->of_module[algorithm][form] + value != h->wanted)
            continue;
        (void)snprintf(sum, sizeof sum, "%s + %s", module_forms[form].words, of);
        found(h, addr, name, algorithm, sum);
    }
}

static void try_name(const struct hunt *h, gva_t addr, const char *name)
{
    static const char *const words[SPELLINGS][2] = {
        {"name", "name (NUL)"},
        {"name (upper case)", "name (upper case, NUL)"},
        {"name (lower case)", "name (lower case, NUL)"},
    };

    for (enum spelling how = AS_IS; how < SPELLINGS; how++) {
        uint8_t text[2 * EXPORT_NAME_BYTES];
        size_t len = spell_name(name, how, false, text);

        for (size_t i = 0; i < NAME_HASH_COUNT; i++) {
            struct name_hash hash = name_hash_at(i);
            uint32_t state = name_hash_feed(&hash, hash.start, (struct bytes){text, len});

            compare(h, addr, name, i, state ^ hash.last, words[how][0]);
            state = name_hash_feed(&hash, state, (struct bytes){text + len, 1});
            compare(h, addr, name, i, state ^ hash.last, words[how][1]);
        }
    }
}

static void try_exports(const struct hunt *h)
{
    struct guest_exports e;

    if (guest_exports_read(h->s, h->base, &e)) {
        for (uint32_t i = 0; i < e.names; i++) {
            char name[EXPORT_NAME_BYTES];
            uint32_t index;

            if (guest_export_name(h->s, &e, i, name, &index) && name[0])
                try_name(h, guest_export_address(&e, index), name);
        }
    }
    guest_exports_free(&e);
}

MONITOR(monitor_hash)
{
    struct target_library module;
    struct hunt h = {.s = s};
    struct table t;
    struct buf text;
    uint64_t wanted;
    size_t modules = 0;

    if (!monitor_address(s, line, 1, &wanted))
        return;
    if (!wanted || wanted > UINT32_MAX) {
        monitor_refuse(s, line, "the hashes have 32 bits and are not 0: '%" PRIx64 "' can be none",
                       wanted);
        return;
    }
    h.wanted = (uint32_t)wanted;
    h.t = monitor_table(&t, &text, line, TABLE_TEXT);
    for (; session_module(s, modules, &module); modules++) {
        (void)snprintf(h.module, sizeof h.module, "%s", path_name(module.path));
        h.base = module.base;
        try_module(&h);
        try_exports(&h);
    }
    if (!t.rows && !line->json)
        session_sayf(s, "no export of the %zu modules has this hash by any of %u algorithms\n",
                     modules, NAME_HASH_COUNT);
    monitor_table_say(s, &t, &text);
}
