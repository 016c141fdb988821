/* The commands of `monitor`, by the file that holds them, and what they share. */
#ifndef STUB_MONITOR_H
#define STUB_MONITOR_H

#include "session.h"
#include "table.h"

#define MONITOR_WORDS 8u /* of one command, its name included */

/* One command line. */
struct monitor_line {
    struct bytes words[MONITOR_WORDS]; /* words[0] is the command's name */
    size_t count;
    bool json; /* --json was among the words, which it is not counted as */
};

#define MONITOR(name) void name(struct stub *s, const struct monitor_line *line)

/* cmd_monitor.c */
/* Word i as text, cut at size; "" when there is none. */
void monitor_word(const struct monitor_line *line, size_t i, char *out, size_t size);
/*
 * Answer with one sentence, without a full stop; with --json as an object whose only member is named done or error.
 * Nothing at all is said for an empty one.
 */
void monitor_done(struct stub *s, const struct monitor_line *line, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
void monitor_refuse(struct stub *s, const struct monitor_line *line, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
/* Is word i this one? */
bool monitor_says(const struct monitor_line *line, size_t i, const char *word);
/* Word i as a number in hexadecimal; false after telling the user. */
bool monitor_address(struct stub *s, const struct monitor_line *line, size_t i, uint64_t *out);
/* Digits of an address of this target. */
int monitor_digits(const struct stub *s);
/* Say a table that is made for this line: JSON when it asks for that, else in the form given. */
struct table *monitor_table(struct table *t, struct buf *text, const struct monitor_line *line,
                            enum table_form form);
void monitor_table_say(struct stub *s, struct table *t, struct buf *text);

/* monitor_memory.c */
MONITOR(monitor_map);
MONITOR(monitor_info);

/* monitor_vm.c */
MONITOR(monitor_query);
MONITOR(monitor_vm);

/* monitor_blocks.c */
MONITOR(monitor_teb);
MONITOR(monitor_peb);

/* monitor_exports.c */
MONITOR(monitor_exports);

/* monitor_hash.c */
MONITOR(monitor_hash);

/* monitor_session.c */
MONITOR(monitor_log);
MONITOR(monitor_version);

/* monitor_catch.c */
MONITOR(monitor_break);
MONITOR(monitor_watch);
MONITOR(monitor_catch);
MONITOR(monitor_break_on);
MONITOR(monitor_delete);
MONITOR(monitor_breaks);
MONITOR(monitor_writers);

/* monitor_trace.c */
MONITOR(monitor_trace);
MONITOR(monitor_coverage);
MONITOR(monitor_step);

/* monitor_stop.c */
MONITOR(monitor_exception);
MONITOR(monitor_output);
MONITOR(monitor_why);

#endif
