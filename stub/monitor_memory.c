/* `monitor` commands about memory: map. Words and columns are Windows' own (winnt.h). */
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
