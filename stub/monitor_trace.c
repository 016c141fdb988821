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
        session_say(s, "usage: monitor trace reads peb,ldr,exports on|off\n");
        return;
    }
    if (!s->target.ops->trace) {
        session_say(s, "this target has no tables to trace\n");
        return;
    }
    s->traced = on ? s->traced | bits : s->traced & ~bits;
    if (s->target.ops->trace(s->target.ctx, s->traced))
        session_say(s, "trace: not every table can be traced, the host is out of memory\n");
}

MONITOR(monitor_coverage)
{
    const struct target_ops *ops = s->target.ops;
    bool start = monitor_says(line, 1, "start");
    bool save = monitor_says(line, 1, "save") && line->count == 3;
    struct diag why = {{0}};
    char file[WORD_MAX];
    enum err e = ERR_OK;

    monitor_word(line, 2, file, sizeof file);
    if (!ops->coverage)
        session_say(s, "this target records no coverage\n");
    else if (start || (monitor_says(line, 1, "stop") && line->count == 2))
        e = ops->coverage(s->target.ctx, start, file[0] ? file : NULL, &why);
    else if (save)
        e = ops->coverage_save(s->target.ctx, file, &why);
    else
        session_say(s, "usage: monitor coverage start [FILE]|stop|save FILE\n");
    if (e)
        session_sayf(s, "coverage: %s\n", why.text);
    else if (save && ops->coverage)
        session_sayf(s, "coverage saved in %s\n", file);
}

MONITOR(monitor_step)
{
    if (monitor_says(line, 1, "over"))
        s->next_step = NEXT_STEP_OVER;
    else if (monitor_says(line, 1, "out"))
        s->next_step = NEXT_STEP_OUT;
    else
        session_say(s, "usage: monitor step over|out\n");
}
