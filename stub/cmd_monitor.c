/*
 * `monitor`: what has no packet. One table holds each command's words, its help and its handler. What a
 * command says goes to the client's console, its result is OK. Follows the GDB manual, "General Query
 * Packets", qRcmd.
 */
#include <stdio.h>
#include <string.h>

#include "handlers.h"
#include "region_text.h"
#include "winstub/nt.h"

#define COMMAND_MAX 256u /* bytes of one command line */

struct monitor_command {
    const char *name;
    const char *args; /* for the help */
    const char *help;
    void (*run)(struct stub *s, struct bytes args);
};

static void monitor_help(struct stub *s, struct bytes args);
static void monitor_map(struct stub *s, struct bytes args);

static const struct monitor_command commands[] = {
    {"help", "", "this list", monitor_help},
    {"map", "[ADDRESS]", "the memory map, or the allocation that holds ADDRESS (hexadecimal)",
     monitor_map},
};

#define COMMAND_COUNT (sizeof commands / sizeof *commands)

const char *monitor_name(size_t i)
{
    return i < COMMAND_COUNT ? commands[i].name : NULL;
}

static void monitor_help(struct stub *s, struct bytes args)
{
    (void)args;
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        session_sayf(s, "%-6s %-10s %s\n", commands[i].name, commands[i].args, commands[i].help);
}

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

static void monitor_map(struct stub *s, struct bytes args)
{
    struct target_region region;
    struct rsp_reader in;
    gva_t addr;

    if (!s->target.ops->region) {
        session_say(s, "this target has no memory map\n");
        return;
    }
    if (!args.len) {
        map_lines(s, NULL);
        return;
    }
    rsp_reader_init(&in, args.data, args.len);
    (void)(rsp_accept_text(&in, "0x") || rsp_accept_text(&in, "0X"));
    addr = rsp_hex_u64(&in);
    if (!rsp_end(&in))
        session_say(s, "map: ADDRESS is a hexadecimal number, such as 0x140000000\n");
    else if (s->target.ops->region(s->target.ctx, addr, &region))
        session_sayf(s, "map: 0x%" PRIx64 " is above the user range\n", addr);
    else if (region.state == MEM_FREE)
        session_sayf(s, "0x%" PRIx64 " is free: 0x%" PRIx64 "-0x%" PRIx64 "\n", addr, region.base,
                     region.base + region.size);
    else
        map_lines(s, &region);
}

/* The next word, without the spaces around it. */
static struct bytes next_word(struct rsp_reader *in)
{
    struct bytes word = {0};

    while (!word.len && rsp_left(in))
        word = rsp_until(in, ' ');
    return word;
}

static void run_command(struct stub *s, struct bytes line)
{
    struct rsp_reader in;
    struct bytes name, args;

    rsp_reader_init(&in, line.data, line.len);
    name = next_word(&in);
    args = next_word(&in);
    if (next_word(&in).len) {
        session_say(s, "too many words; 'monitor help' lists the commands\n");
        return;
    }
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (!bytes_is_text(name, name.len ? commands[i].name : ""))
            continue; /* nothing at all is the first command, help */
        if (args.len && !commands[i].args[0])
            session_sayf(s, "%s takes no argument\n", commands[i].name);
        else
            commands[i].run(s, args);
        return;
    }
    session_sayf(s, "unknown command '%.*s'; 'monitor help' lists the commands\n", (int)name.len,
                 (const char *)name.data);
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
