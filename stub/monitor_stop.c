/* `monitor` commands about the present stop and the run after it: why, exception, output. */
#include <stdio.h>

#include "monitor.h"
#include "stop_reply.h"
#include "winstub/nt.h"

static const char *stop_word(enum target_stop_kind kind)
{
    switch (kind) {
    case STOP_STEP:
        return "step";
    case STOP_BREAK_SW:
    case STOP_BREAK_HW:
        return "breakpoint";
    case STOP_WATCH:
        return "watchpoint";
    case STOP_EXCEPTION:
        return "exception";
    case STOP_INTERRUPT:
        return "interrupt";
    case STOP_LIBRARY:
        return "library";
    case STOP_BEGUN:
        return "thread begun";
    case STOP_ENDED:
    case STOP_NOBODY:
        return "thread ended";
    case STOP_STUCK:
        return "stuck";
    case STOP_IMPORT:
        return "missing function";
    case STOP_EXIT:
        return "exit";
    case STOP_CATCH:
        return "catch";
    case STOP_ENGINE:
        return "engine";
    }
    return "?";
}

MONITOR(monitor_why)
{
    const struct target_stop *stop = &s->stop;
    struct table t;
    struct buf text;

    monitor_table(&t, &text, line, TABLE_RECORD);
    table_row(&t);
    table_text(&t, "reason", stop_word(stop->kind), 0);
    if (stop->kind == STOP_EXIT)
        table_hex(&t, "exit code", stop->exit_code, 0);
    else
        table_hex(&t, "thread", session_current_thread(s), 0);
    if (stop->kind == STOP_WATCH)
        table_hex(&t, "address", stop->addr, 0);
    if (stop->kind == STOP_EXCEPTION)
        table_text(&t, "exception", nt_text(stop->code), 0);
    if (stop->note[0])
        table_text(&t, "note", stop->note, 0);
    monitor_table_say(s, &t, &text);
}

/* What an access violation's first parameter says. */
static const char *access_word(const struct target_stop *stop)
{
    bool in_page = stop->code == STATUS_IN_PAGE_ERROR;
    bool access = in_page || stop->code == STATUS_ACCESS_VIOLATION ||
                  stop->code == STATUS_GUARD_PAGE_VIOLATION || stop->code == STATUS_STACK_OVERFLOW;

    if (!access || stop->info_count != (in_page ? 3 : 2))
        return NULL;
    return stop->info[0] == 8 ? "execute" : stop->info[0] == 1 ? "write" : "read";
}

/* Which first chances stop. */
static void choose_exceptions(struct stub *s, const struct monitor_line *line)
{
    bool all = bytes_is_text(line->words[1], "all");
    struct table t;
    struct buf text;

    if (!all && !bytes_is_text(line->words[1], "faults")) {
        session_say(s, "usage: monitor exception [all|faults]\n");
        return;
    }
    s->stops_at_private = all;
    monitor_table(&t, &text, line, TABLE_RECORD);
    table_row(&t);
    table_text(&t, "stops at", all ? "all" : "faults", 0);
    monitor_table_say(s, &t, &text);
}

MONITOR(monitor_exception)
{
    const struct target_stop *stop = &s->stop;
    const char *access = access_word(stop);
    struct table t;
    struct buf text;

    if (line->count > 1) {
        choose_exceptions(s, line);
        return;
    }
    if (stop->kind != STOP_EXCEPTION) {
        session_say(s, line->json ? "null\n" : "the program is not stopped at an exception\n");
        return;
    }
    monitor_table(&t, &text, line, TABLE_RECORD);
    table_row(&t);
    table_hex(&t, "code", stop->code, 0);
    table_text(&t, "name", nt_text(stop->code), 0);
    table_hex(&t, "address", stop->addr, 0);
    table_hex(&t, "thread", stop->tid, 0);
    table_number(&t, "signal", stop_signal(stop), 0);
    if (access)
        table_text(&t, "access", access, 0);
    for (uint32_t i = 0; i < stop->info_count; i++) {
        char name[24];

        (void)snprintf(name, sizeof name, "parameter %u", (unsigned)i);
        table_hex(&t, name, stop->info[i], 0);
    }
    if (stop->note[0])
        table_text(&t, "note", stop->note, 0);
    monitor_table_say(s, &t, &text);
}

MONITOR(monitor_output)
{
    bool set = line->count > 1;
    bool gdb = set && bytes_is_text(line->words[1], "gdb");
    struct table t;
    struct buf text;

    if (!s->target.ops->set_output || (set && !gdb && !bytes_is_text(line->words[1], "here"))) {
        session_say(s, s->target.ops->set_output ? "usage: monitor output [gdb|here]\n"
                                                 : "output: the program prints nothing\n");
        return;
    }
    if (set)
        s->shows_output = gdb;
    monitor_table(&t, &text, line, TABLE_RECORD);
    table_row(&t);
    table_text(&t, "output", s->shows_output ? "gdb" : "here", 0);
    monitor_table_say(s, &t, &text);
}
