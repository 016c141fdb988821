/*
 * `monitor` commands that show memory: map, whose words and columns are Windows' own (winnt.h), and info mem, which is
 * QEMU's, because GEF and pwndbg read it.
 */
#include <string.h>

#include "monitor.h"
#include "region_text.h"
#include "tables.h"
#include "winstub/nt.h"

static void map_line(struct stub *s, const struct target_region *run, int digits)
{
    char protect[96];

    session_sayf(s, "%0*" PRIx64 "-%0*" PRIx64 " %12" PRIx64 " %s", digits, run->base, digits,
                 run->base + run->size, run->size, region_state(run->state));
    if (run->state != MEM_FREE) {
        region_protect(run->protect, protect, sizeof protect);
        session_sayf(s, "%*s %-7s %-20s %0*" PRIx64, (int)(7 - strlen(region_state(run->state))),
                     "", region_type(run->type), protect, digits, run->allocation_base);
        session_sayf(s, "%s%s%s%s", run->label[0] ? " " : "", run->label, run->path[0] ? " " : "",
                     run->path);
    }
    session_say(s, "\n");
}

/* Every run of the user range, or those of one allocation. */
static void map_lines(struct stub *s, const struct target_region *only)
{
    struct target_info info;
    struct target_region run;
    int digits;

    s->target.ops->info(s->target.ctx, &info);
    digits = info.arch == TARGET_AMD64 ? 16 : 8;
    session_sayf(s, "%-*s-%-*s %12s %-7s %-7s %-20s %-*s Label\n", digits, "Start", digits, "End",
                 "Size", "State", "Type", "Protect", digits, "Allocation");
    if (s->target.ops->region(s->target.ctx, only ? only->allocation_base : 0, &run))
        return;
    do {
        if (only && (run.state == MEM_FREE || run.allocation_base != only->allocation_base))
            break;
        map_line(s, &run, digits);
    } while (session_next_region(s, &run));
}

MONITOR(monitor_map)
{
    struct target_region region;
    gva_t addr;

    if (!s->target.ops->region) {
        session_say(s, "this target has no memory map\n");
        return;
    }
    if (line->json) {
        monitor_vads(s, line);
        return;
    }
    if (line->count < 2) {
        map_lines(s, NULL);
        return;
    }
    if (!monitor_address(s, line, 1, &addr))
        return;
    if (s->target.ops->region(s->target.ctx, addr, &region))
        session_sayf(s, "map: 0x%" PRIx64 " is above the user range\n", addr);
    else if (region.state == MEM_FREE)
        session_sayf(s, "0x%" PRIx64 " is free: 0x%" PRIx64 "-0x%" PRIx64 "\n", addr, region.base,
                     region.base + region.size);
    else
        map_lines(s, &region);
}

/* A run of pages with the same access, as QEMU's monitor prints one. */
struct mem_run {
    gva_t start, end;
    const char *access;
};

static void mem_row(struct stub *s, const struct mem_run *run, struct table *json)
{
    int digits = monitor_digits(s);

    if (run->end == run->start)
        return;
    if (json) {
        table_row(json);
        table_hex(json, "start", run->start, 0);
        table_hex(json, "end", run->end, 0);
        table_text(json, "access", run->access, 0);
    } else {
        session_sayf(s, "%0*" PRIx64 "-%0*" PRIx64 " %0*" PRIx64 " %s\n", digits, run->start,
                     digits, run->end, digits, run->end - run->start, run->access);
    }
}

/* u: user mode may access it; r, w: read, write. QEMU has no letter for execution. */
static const char *mem_access(const struct target_region *region)
{
    const char *can = region_permissions(region->protect);

    return strchr(can, 'w') ? "urw" : strchr(can, 'r') ? "ur-" : strchr(can, 'x') ? "u--" : NULL;
}

static void mem_rows(struct stub *s, struct table *json)
{
    struct mem_run run = {0};
    struct target_region region;

    if (s->target.ops->region(s->target.ctx, 0, &region))
        return;
    do {
        const char *access = region.state == MEM_COMMIT ? mem_access(&region) : NULL;

        if (!access)
            continue;
        if (region.base != run.end || access != run.access) {
            mem_row(s, &run, json);
            run = (struct mem_run){region.base, region.base, access};
        }
        run.end = region.base + region.size;
    } while (session_next_region(s, &region));
    mem_row(s, &run, json);
}

MONITOR(monitor_info)
{
    struct table t;
    struct buf text;

    if (!bytes_is_text(line->words[1], "mem") || !s->target.ops->region) {
        session_say(s, "info: only 'monitor info mem' is known\n");
        return;
    }
    if (!line->json) {
        mem_rows(s, NULL);
        return;
    }
    mem_rows(s, monitor_table(&t, &text, line, TABLE_TEXT));
    monitor_table_say(s, &t, &text);
}
