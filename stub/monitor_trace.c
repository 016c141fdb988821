/* `monitor` commands about how the program runs: trace, coverage, step. The target does the work. */
#include <string.h>

#include "monitor.h"

#define WORD_MAX 256

/* "peb,ldr": bits of target_ops.trace; 0 when a word is none. */
static unsigned table_bits(struct bytes list)
{
    static const struct {
        const char *name;
        unsigned bit;
    } names[] = {{"peb", TRACE_PEB}, {"ldr", TRACE_LDR}, {"exports", TRACE_EXPORTS}};
    struct rsp_reader in;
    unsigned bits = 0;

    rsp_reader_init(&in, list.data, list.len);
    while (rsp_left(&in)) {
        struct bytes word = rsp_until(&in, ',');
        unsigned before = bits;

        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
            if (bytes_is_text(word, names[i].name))
                bits |= names[i].bit;
        }
        if (bits == before)
            return 0;
    }
    return bits;
}

MONITOR(monitor_trace)
{
    unsigned bits = table_bits(line->words[2]);
    bool on = monitor_says(line, 3, "on");

    if (!monitor_says(line, 1, "reads") || !bits || (!on && !monitor_says(line, 3, "off"))) {
        monitor_refuse(s, line, "usage: monitor trace reads peb,ldr,exports on|off");
        return;
    }
    if (!s->target.ops->trace) {
        monitor_refuse(s, line, "this target has no tables to trace");
        return;
    }
    s->traced = on ? s->traced | bits : s->traced & ~bits;
    if (s->target.ops->trace(s->target.ctx, s->traced))
        monitor_refuse(s, line, "not every table can be traced: the host is out of memory");
    else
        monitor_done(s, line, "%s", "");
}

/* Say how it ended; file: what was saved, "" nothing. */
static void tell(struct stub *s, const struct monitor_line *line, enum err e,
                 const struct diag *why, const char *file)
{
    if (e)
        monitor_refuse(s, line, "coverage: %s", why->text);
    else
        monitor_done(s, line, file[0] ? "coverage saved in %s" : "%s", file);
}

MONITOR(monitor_coverage)
{
    const struct target_ops *ops = s->target.ops;
    bool start = monitor_says(line, 1, "start");
    struct diag why = {{0}};
    char file[WORD_MAX];

    monitor_word(line, 2, file, sizeof file);
    if (!ops->coverage)
        monitor_refuse(s, line, "this target records no coverage");
    else if (start || (monitor_says(line, 1, "stop") && line->count == 2))
        tell(s, line, ops->coverage(s->target.ctx, start, file[0] ? file : NULL, &why), &why, "");
    else if (monitor_says(line, 1, "save") && line->count == 3)
        tell(s, line, ops->coverage_save(s->target.ctx, file, &why), &why, file);
    else
        monitor_refuse(s, line, "usage: monitor coverage start [FILE]|stop|save FILE");
}

MONITOR(monitor_step)
{
    if (monitor_says(line, 1, "over"))
        s->next_step = NEXT_STEP_OVER;
    else if (monitor_says(line, 1, "out"))
        s->next_step = NEXT_STEP_OUT;
    else {
        monitor_refuse(s, line, "usage: monitor step over|out");
        return;
    }
    monitor_done(s, line, "%s", "");
}
