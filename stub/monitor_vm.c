/*
 * `monitor vm` and `monitor query`: the guest's memory as its own calls see and change it. Rules and statuses are
 * the target's; the words are those of winnt.h, MEMORY_BASIC_INFORMATION.
 */
#include <stdio.h>
#include <string.h>

#include "monitor.h"
#include "protect_words.h"
#include "region_text.h"
#include "winstub/nt.h"

MONITOR(monitor_query)
{
    struct target_region r;
    char protect[96];
    struct table t;
    struct buf text;
    gva_t addr;

    if (!monitor_address(s, line, line->count - 1, &addr))
        return;
    if (!s->target.ops->region || s->target.ops->region(s->target.ctx, addr, &r)) {
        session_sayf(s, "query: 0x%" PRIx64 " is above the user range\n", addr);
        return;
    }
    monitor_table(&t, &text, line, TABLE_RECORD);
    table_row(&t);
    table_hex(&t, "BaseAddress", r.base, 0);
    table_hex(&t, "AllocationBase", r.allocation_base, 0);
    region_protect(r.allocation_protect, protect, sizeof protect);
    table_text(&t, "AllocationProtect", protect, 0);
    table_hex(&t, "RegionSize", r.size, 0);
    table_text(&t, "State", region_state(r.state), 0);
    region_protect(r.protect, protect, sizeof protect);
    table_text(&t, "Protect", protect, 0);
    table_text(&t, "Type", region_type(r.type), 0);
    table_text(&t, "Label", r.label, 0);
    table_text(&t, "Path", r.path, 0);
    monitor_table_say(s, &t, &text);
}

/* A digit's value; 16 for what is none. */
static unsigned digit_value(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - (unsigned)'0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10u : 16;
}

static bool parse_digits(const uint8_t *at, size_t len, unsigned base, uint64_t *out)
{
    *out = 0;
    for (size_t i = 0; i < len; i++) {
        unsigned digit = digit_value(at[i]);

        if (digit >= base || *out > (UINT64_MAX - digit) / base)
            return false;
        *out = *out * base + digit;
    }
    return len > 0;
}

/* Number of bytes: 4096, 0x1000, 4K, 64M, 1G. */
static bool parse_size(struct bytes word, uint64_t *out)
{
    static const char units[] = "KMG";
    const char *unit = word.len ? memchr(units, word.data[word.len - 1] & 0xdf, 3) : NULL;
    unsigned shift = unit ? 10u * (unsigned)(unit - units + 1) : 0;

    if (word.len > 2 && word.data[0] == '0' && (word.data[1] | 0x20) == 'x')
        return parse_digits(word.data + 2, word.len - 2, 16, out);
    if (!parse_digits(word.data, word.len - (unit != NULL), 10, out) || *out > UINT64_MAX >> shift)
        return false;
    *out <<= shift;
    return true;
}

static const struct {
    const char *name, *usage;
    enum target_memory_kind kind;
    size_t min, max; /* words behind it */
    uint32_t protect;
} actions[] = {
    {"reserve", "ADDRESS SIZE [PROT]", MEMORY_RESERVE, 2, 3, PAGE_NOACCESS},
    {"commit", "ADDRESS SIZE [PROT]", MEMORY_COMMIT, 2, 3, PAGE_READWRITE},
    {"protect", "ADDRESS SIZE PROT", MEMORY_PROTECT, 3, 3, 0},
    {"decommit", "ADDRESS SIZE", MEMORY_DECOMMIT, 2, 2, 0},
    {"release", "ADDRESS [SIZE]", MEMORY_RELEASE, 1, 2, 0},
    {"reset", "ADDRESS SIZE", MEMORY_RESET, 2, 2, 0},
};

#define ACTION_COUNT (sizeof actions / sizeof *actions)

/* The words behind the action; false after telling the user. */
static bool read_change(struct stub *s, const struct monitor_line *line, size_t action,
                        struct target_memory *m)
{
    *m = (struct target_memory){.kind = actions[action].kind, .protect = actions[action].protect};
    if (line->count - 2 < actions[action].min || line->count - 2 > actions[action].max) {
        session_sayf(s, "usage: monitor vm %s %s\n", actions[action].name, actions[action].usage);
        return false;
    }
    if (!monitor_address(s, line, 2, &m->base))
        return false;
    if (line->count > 3 && !parse_size(line->words[3], &m->size)) {
        session_say(s, "vm: SIZE is a number of bytes such as 4096, 0x1000 or 64K\n");
        return false;
    }
    if (line->count > 4 && !protect_from_words(line->words[4], &m->protect)) {
        session_say(s, "vm: PROT is none, r, rw, rx, rwx, x, wc or xwc, and may have +guard\n");
        return false;
    }
    return true;
}

static void change(struct stub *s, const struct monitor_line *line, size_t action)
{
    struct target_memory m;
    char protect[96];
    struct table t;
    struct buf text;
    nt_status st;

    if (!read_change(s, line, action, &m))
        return;
    st = s->target.ops->memory(s->target.ctx, &m);
    session_drop_document(s);
    monitor_table(&t, &text, line, TABLE_RECORD);
    table_row(&t);
    table_text(&t, "Status", nt_text(st), 0);
    table_hex(&t, "Code", st, 8);
    if (!st) {
        table_hex(&t, "BaseAddress", m.base, 0);
        table_hex(&t, "RegionSize", m.size, 0);
    }
    if (!st && m.kind == MEMORY_PROTECT) {
        region_protect(m.protect, protect, sizeof protect);
        table_text(&t, "OldProtect", protect, 0);
    }
    monitor_table_say(s, &t, &text);
}

MONITOR(monitor_vm)
{
    if (line->count == 3 && bytes_is_text(line->words[1], "query")) {
        monitor_query(s, line);
        return;
    }
    for (size_t i = 0; i < ACTION_COUNT && s->target.ops->memory; i++) {
        if (bytes_is_text(line->words[1], actions[i].name)) {
            if (session_exited(s))
                session_say(s, "vm: the process has ended\n");
            else
                change(s, line, i);
            return;
        }
    }
    session_say(s, "vm: ACTION is query, reserve, commit, protect, decommit, release or reset\n");
}
