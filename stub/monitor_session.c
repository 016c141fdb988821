/* `monitor` commands about winstub itself: log, version. */
#include <string.h>

#include "monitor.h"
#include "winstub/log.h"

#define CHANNELS_BYTES 128u

static void say_channels(struct stub *s, const struct monitor_line *line)
{
#define NAME(name) #name,
    static const char *const names[] = {LOG_CHANNELS(NAME)};
#undef NAME
    struct table t;
    struct buf text;

    monitor_table(&t, &text, line, TABLE_TEXT);
    for (size_t i = 0; i < LOG_COUNT; i++) {
        table_row(&t);
        table_text(&t, "Channel", names[i], 8);
        table_text(&t, "State", log_mask & (1u << i) ? "on" : "off", 0);
    }
    monitor_table_say(s, &t, &text);
}

/* The channels that the list names, and no others. */
MONITOR(monitor_log)
{
    char list[CHANNELS_BYTES];
    unsigned before = log_mask;
    struct diag why;

    monitor_word(line, 1, list, sizeof list);
    if (line->count > 1) {
        log_mask = 0;
        if (strcmp(list, "off") != 0 && log_enable(list, &why)) {
            log_mask = before;
            session_sayf(s, "log: %s\n", why.text);
            return;
        }
    }
    say_channels(s, line);
}

MONITOR(monitor_version)
{
    struct table t;
    struct buf text;

    monitor_table(&t, &text, line, TABLE_RECORD);
    table_row(&t);
    table_text(&t, "version", s->version, 0);
    monitor_table_say(s, &t, &text);
}
