/*
 * `monitor`: what has no packet. One table holds each command's words, its help and its handler. What a
 * command says goes to the client's console, its result is OK. Follows the GDB manual, "General Query
 * Packets", qRcmd.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "handlers.h"
#include "json.h"
#include "monitor.h"
#include "tables.h"

#define COMMAND_MAX 256u        /* bytes of one command line */
#define ANSWER_MAX  8192u       /* bytes of one sentence as JSON */
#define TABLE_MAX   (16u << 20) /* bytes of one table */

struct monitor_command {
    const char *name;
    const char *args; /* for the help */
    size_t min, max;  /* words behind the name */
    const char *help;
    void (*run)(struct stub *s, const struct monitor_line *line);
};

static MONITOR(monitor_help);

static const struct monitor_command commands[] = {
    {"help", "[COMMAND]", 0, 1, "this list; every command takes --json", monitor_help},
    {"map", "[ADDRESS]", 0, 1, "the memory map, or the allocation that holds ADDRESS (hexadecimal)",
     monitor_map},
    {"query", "ADDRESS", 1, 1, "the run of pages that holds ADDRESS, as VirtualQuery says it",
     monitor_query},
    {"vm", "ACTION ADDRESS [SIZE [PROT]]", 1, 4,
     "change memory as the program itself could: reserve, commit, protect, decommit, release, "
     "reset",
     monitor_vm},
    {"info", "mem", 1, 1, "the memory map in the form of QEMU's monitor", monitor_info},
    {"exports", "MODULE [PART]", 1, 2, "what a module exports, or only names with PART in them",
     monitor_exports},
    {"hash", "VALUE", 1, 1,
     "which export or module has this hash (hexadecimal), by the algorithms of shellcode and "
     "loaders",
     monitor_hash},
    {"handles", "", 0, 0, "the handle table", monitor_handles},
    {"teb", "[THREAD]", 0, 1, "a thread's environment block", monitor_teb},
    {"peb", "", 0, 0, "the process environment block", monitor_peb},
    {"modules", "", 0, 0, "the program and its DLLs", monitor_modules},
    {"threads", "", 0, 0, "the threads", monitor_threads},
    {"processes", "", 0, 0, "the process that is debugged, its children, and theirs",
     monitor_processes},
    {"why", "", 0, 0, "why the program stands still", monitor_why},
    {"output", "[gdb|here]", 0, 1,
     "where the program's output goes: to gdb, or where winstub was started", monitor_output},
    {"exception", "[all|faults]", 0, 1,
     "the exception that it is stopped at; or whether to stop at all first chances, C++ throws and "
     "the like too, or at "
     "faults only (the default)",
     monitor_exception},
    {"break", "MODULE!NAME|0xADDRESS [log]", 1, 2,
     "stop at functions that modules export, also of modules to come (* and ? are wildcards), or "
     "at an address",
     monitor_break},
    {"watch", "ADDRESS LENGTH [read|write|access] [any] [log]", 2, 5,
     "stop behind accesses (numbers are hexadecimal); any: also writes that change nothing",
     monitor_watch},
    {"catch", "syscall|load|api NAME [log]", 2, 3,
     "stop before a system service (or `unknown` ones), when a module is loaded, at a function of "
     "any module",
     monitor_catch},
    {"break-on", "exec-after-write [first] [image|private|mapped] [log]", 1, 4,
     "stop where a page that was written runs, and say who wrote it last (first: at full speed, "
     "who wrote it first)",
     monitor_break_on},
    {"delete", "NUMBER|all", 1, 1, "remove what break, watch, catch and break-on have set",
     monitor_delete},
    {"breaks", "", 0, 0, "these, and how often each breakpoint was reached", monitor_breaks},
    {"writers", "", 0, 0, "who wrote which page, since break-on exec-after-write", monitor_writers},
    {"trace", "reads peb,ldr,exports on|off", 3, 3,
     "show who reads these tables, DLLs aside; each place once", monitor_trace},
    {"coverage", "start [FILE]|stop|save FILE", 1, 2,
     "record which blocks run; save them for drcov's readers as a new file where winstub runs, "
     "with start FILE when the program ends",
     monitor_coverage},
    {"step", "over|out", 1, 1,
     "the next step that gdb asks for runs calls to their end, or to the function's return",
     monitor_step},
    {"log", "[CHANNELS|off]", 0, 1, "what winstub logs to its standard error: rsp, vm, ..., all",
     monitor_log},
    {"version", "", 0, 0, "which winstub this is", monitor_version},
};

#define COMMAND_COUNT (sizeof commands / sizeof *commands)

const char *monitor_name(size_t i)
{
    return i < COMMAND_COUNT ? commands[i].name : NULL;
}

static MONITOR(monitor_help)
{
    struct table t;
    struct buf text;

    monitor_table(&t, &text, line, TABLE_TEXT);
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (line->count > 1 && !bytes_is_text(line->words[1], commands[i].name))
            continue;
        table_row(&t);
        table_text(&t, "Command", commands[i].name, 9);
        table_text(&t, "Arguments", commands[i].args, 28);
        table_text(&t, "Help", commands[i].help, 0);
    }
    monitor_table_say(s, &t, &text);
}

void monitor_word(const struct monitor_line *line, size_t i, char *out, size_t size)
{
    size_t len = i < line->count ? line->words[i].len : 0;

    if (len >= size)
        len = size - 1;
    if (len)
        memcpy(out, line->words[i].data, len);
    out[len] = 0;
}

static void answer(struct stub *s, const struct monitor_line *line, const char *name,
                   const char *text)
{
    struct buf json;

    if (!line->json) {
        if (text[0])
            session_sayf(s, "%s\n", text);
        return;
    }
    buf_init(&json, ANSWER_MAX);
    (void)buf_printf(&json, "{\"%s\": ", name);
    json_text(&json, text);
    (void)buf_text(&json, "}\n");
    session_say(s, buf_str(&json));
    buf_fini(&json);
}

void monitor_done(struct stub *s, const struct monitor_line *line, const char *fmt, ...)
{
    char text[768];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    answer(s, line, "done", text);
}

void monitor_refuse(struct stub *s, const struct monitor_line *line, const char *fmt, ...)
{
    char text[768];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    answer(s, line, "error", text);
}

bool monitor_says(const struct monitor_line *line, size_t i, const char *word)
{
    return i < line->count && bytes_is_text(line->words[i], word);
}

bool monitor_address(struct stub *s, const struct monitor_line *line, size_t i, uint64_t *out)
{
    struct rsp_reader in;

    rsp_reader_init(&in, line->words[i].data, line->words[i].len);
    (void)(rsp_accept_text(&in, "0x") || rsp_accept_text(&in, "0X"));
    *out = rsp_hex_u64(&in);
    if (rsp_end(&in))
        return true;
    session_sayf(s, "%.*s: '%.*s' is no hexadecimal number, such as 0x140000000\n",
                 (int)line->words[0].len, (const char *)line->words[0].data,
                 (int)line->words[i].len, (const char *)line->words[i].data);
    return false;
}

int monitor_digits(const struct stub *s)
{
    struct target_info info;

    s->target.ops->info(s->target.ctx, &info);
    return info.arch == TARGET_AMD64 ? 16 : 8;
}

struct table *monitor_table(struct table *t, struct buf *text, const struct monitor_line *line,
                            enum table_form form)
{
    if (line->json)
        form = form == TABLE_RECORD ? TABLE_OBJECT : TABLE_JSON;
    buf_init(text, TABLE_MAX);
    table_begin(t, text, form, "");
    return t;
}

void monitor_table_say(struct stub *s, struct table *t, struct buf *text)
{
    table_end(t);
    session_say(s, buf_str(text));
    if (text->failed)
        session_say(s, "\n(cut here: the table is too long)\n");
    buf_fini(text);
}

/* The words of a command; false when there are too many. */
static bool split_line(struct bytes text, struct monitor_line *out)
{
    struct rsp_reader in;

    *out = (struct monitor_line){0};
    rsp_reader_init(&in, text.data, text.len);
    while (rsp_left(&in)) {
        struct bytes word = rsp_until(&in, ' ');

        if (bytes_is_text(word, "--json")) {
            out->json = true;
        } else if (word.len) {
            if (out->count == MONITOR_WORDS)
                return false;
            out->words[out->count++] = word;
        }
    }
    return true;
}

static void run_command(struct stub *s, struct bytes text)
{
    struct monitor_line line;
    bool fits = split_line(text, &line);

    if (!line.count) { /* nothing at all asks for help */
        monitor_help(s, &line);
        return;
    }
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        const struct monitor_command *c = &commands[i];

        if (!bytes_is_text(line.words[0], c->name))
            continue;
        if (!fits || line.count - 1 < c->min || line.count - 1 > c->max)
            session_sayf(s, "usage: monitor %s%s%s\n", c->name, c->args[0] ? " " : "", c->args);
        else
            c->run(s, &line);
        return;
    }
    session_sayf(s, "unknown command '%.*s'; 'monitor help' lists the commands\n",
                 (int)line.words[0].len, (const char *)line.words[0].data);
}

enum verdict cmd_monitor(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    uint8_t line[COMMAND_MAX];
    size_t len = rsp_left(in) / 2;

    if (len > sizeof line)
        return reply_error(out, RSP_E2BIG);
    rsp_hex_bytes(in, line, len);
    if (!rsp_end(in))
        return reply_error(out, RSP_EINVAL);
    run_command(s, (struct bytes){line, len});
    return reply_ok(out);
}
