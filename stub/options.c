/* Options: their names, forms and the errors about them. What they do is decided in main.c. */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "winstub/log.h"

enum {
    OPT_GDB = 256,
    OPT_STDIO,
    OPT_RUN,
    OPT_STOP,
    OPT_CHILD,
    OPT_LOG,
    OPT_RAW,
    OPT_ARCH,
    OPT_BASE,
    OPT_ENTRY,
    OPT_ENV,
    OPT_CWD,
    OPT_DRIVE,
    OPT_REGISTRY,
    OPT_ROOT,
    OPT_BARE,
    OPT_FAST,
    OPT_MAP,
    OPT_PERSONA,
    OPT_DISABLE,
    OPT_VERSION,
    OPT_HELP
};

static const struct option long_options[] = {
    {"gdb", required_argument, NULL, OPT_GDB},
    {"stdio", no_argument, NULL, OPT_STDIO},
    {"run", no_argument, NULL, OPT_RUN},
    {"stop", required_argument, NULL, OPT_STOP},
    {"debug-child", required_argument, NULL, OPT_CHILD},
    {"log", required_argument, NULL, OPT_LOG},
    {"raw", no_argument, NULL, OPT_RAW},
    {"arch", required_argument, NULL, OPT_ARCH},
    {"base", required_argument, NULL, OPT_BASE},
    {"entry", required_argument, NULL, OPT_ENTRY},
    {"env", required_argument, NULL, OPT_ENV},
    {"cwd", required_argument, NULL, OPT_CWD},
    {"drive", required_argument, NULL, OPT_DRIVE},
    {"registry", required_argument, NULL, OPT_REGISTRY},
    {"root", required_argument, NULL, OPT_ROOT},
    {"bare", no_argument, NULL, OPT_BARE},
    {"fast", no_argument, NULL, OPT_FAST},
    {"memory-map", required_argument, NULL, OPT_MAP},
    {"persona", required_argument, NULL, OPT_PERSONA},
    {"disable-packet", required_argument, NULL, OPT_DISABLE},
    {"version", no_argument, NULL, OPT_VERSION},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

const char *options_help(void)
{
    return "usage: winstub [OPTIONS] FILE [ARGS...]\n"
           "Run a Windows program under emulation and let gdb attach to it, stopped at its entry "
           "point.\n"
           "How to debug\n"
           "  --gdb [HOST:]PORT  listen there (default 127.0.0.1:1234; port 0 picks a free one)\n"
           "  --stdio            speak with gdb on standard input and output:\n"
           "                     (gdb) target remote | winstub --stdio FILE\n"
           "  --run              no debugger: run FILE; the exit status is the program's\n"
           "                     (128 + signal after a fault, 125 at a function that is not "
           "there)\n"
           "  --memory-map wide|exact|none, --persona auto|windows|linux, --disable-packet NAME\n"
           "                     what the debugger is told; the README has more\n"
           "  --stop PLACE       where the program waits for gdb: entry (default), main, tls, "
           "loader, "
           "none\n"
           "  --debug-child NAME debug the first child process whose program has that name (*: "
           "any), "
           "not FILE\n"
           "What to run\n"
           "  --root DIR         folder with the DLLs: a Windows tree, Wine's packages, or `make "
           "sysroot`'s\n"
           "  --bare             no DLLs: a function of one stops in the debugger instead\n"
           "  --fast             time is the host's: runs faster, and not the same every time\n"
           "  --raw              FILE is machine code for --arch x86 or x86-64, begun --entry "
           "OFFSET "
           "bytes in\n"
           "  --base ADDRESS     where to place it (an .exe must be relocatable)\n"
           "  --drive X=DIR      give the program folder DIR as drive X:, which it may change; "
           "repeatable\n"
           "  --registry FILE    a .reg file, as regedit exports them, to furnish the registry "
           "with\n"
           "  --env NAME=VALUE   one more environment variable; repeatable. --cwd DIR: its current "
           "directory\n"
           "Other\n"
           "  --log=CHANNELS     log to standard error: rsp, vm, cpu, pe, bp, nt, net, all\n"
           "  --version, --help\n";
}

/* A C number in any base, whole; ERR_INVALID with why otherwise. */
static enum err parse_number(const char *option, const char *text, gva_t *out, struct diag *why)
{
    char *end;

    errno = 0;
    *out = strtoull(text, &end, 0);
    if (errno || end == text || *end || *text == '-')
        return diag_set(why, ERR_INVALID, "--%s takes a number such as 0x10000, not '%s'", option,
                        text);
    return ERR_OK;
}

static enum err parse_arch(const char *text, struct options *out, struct diag *why)
{
    static const struct {
        const char *name;
        enum target_arch arch;
    } names[] = {{"x86", TARGET_I386},  {"i386", TARGET_I386},   {"x86-64", TARGET_AMD64},
                 {"x64", TARGET_AMD64}, {"amd64", TARGET_AMD64}, {"x86_64", TARGET_AMD64}};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(names[i].name, text) == 0) {
            out->arch = names[i].arch;
            return ERR_OK;
        }
    }
    return diag_set(why, ERR_INVALID, "--arch takes x86 or x86-64, not '%s'", text);
}

/* One of a few words, the list ends with NULL; *out is its index. takes is how the error lists them. */
static enum err parse_word(const char *option, const char *takes, const char *text,
                           const char *const *words, unsigned *out, struct diag *why)
{
    for (unsigned i = 0; words[i]; i++) {
        if (strcmp(words[i], text) == 0) {
            *out = i;
            return ERR_OK;
        }
    }
    return diag_set(why, ERR_INVALID, "--%s takes %s, not '%s'", option, takes, text);
}

static enum err parse_map(const char *text, struct options *out, struct diag *why)
{
    static const char *const words[] = {
        [STUB_MAP_WIDE] = "wide", [STUB_MAP_EXACT] = "exact", [STUB_MAP_NONE] = "none", NULL};
    unsigned which = out->map;
    enum err e = parse_word("memory-map", "wide, exact or none", text, words, &which, why);

    out->map = (enum stub_map)which;
    return e;
}

static enum err parse_persona(const char *text, struct options *out, struct diag *why)
{
    static const char *const words[] = {[STUB_PERSONA_AUTO] = "auto",
                                        [STUB_PERSONA_WINDOWS] = "windows",
                                        [STUB_PERSONA_LINUX] = "linux",
                                        NULL};
    unsigned which = out->persona;
    enum err e = parse_word("persona", "auto, windows or linux", text, words, &which, why);

    out->persona = (enum stub_persona)which;
    return e;
}

static enum err parse_stop(const char *text, struct options *out, struct diag *why)
{
    static const char *const words[] = {
        [OPTION_STOP_ENTRY] = "entry",   [OPTION_STOP_MAIN] = "main", [OPTION_STOP_TLS] = "tls",
        [OPTION_STOP_LOADER] = "loader", [OPTION_STOP_NONE] = "none", NULL};
    unsigned which = out->stop;
    enum err e = parse_word("stop", "entry, main, tls, loader or none", text, words, &which, why);

    out->stop = (enum option_stop)which;
    return e;
}

static enum err parse_env(const char *text, struct options *out, struct diag *why)
{
    if (*text == '=' || !strchr(text, '='))
        return diag_set(why, ERR_INVALID, "--env takes NAME=VALUE, not '%s'", text);
    out->env[out->env_count++] = text; /* room for argc entries was made */
    return ERR_OK;
}

static enum err parse_drive(const char *text, struct options *out, struct diag *why)
{
    bool letter = (*text >= 'A' && *text <= 'Z') || (*text >= 'a' && *text <= 'z');

    if (!letter || text[1] != '=' || !text[2])
        return diag_set(why, ERR_INVALID, "--drive takes a letter and a folder, X=DIR, not '%s'",
                        text);
    for (size_t i = 0; i < out->drive_count; i++) {
        if ((*out->drives[i] | 0x20) == (*text | 0x20))
            return diag_set(why, ERR_INVALID, "--drive %c is given twice", *text);
    }
    out->drives[out->drive_count++] = text; /* as with env */
    return ERR_OK;
}

struct given {
    bool arch, entry, run, stdio, gdb, stop;
};

static enum err take_option(int option, struct options *out, struct given *given, struct diag *why)
{
    switch (option) {
    case OPT_GDB:
        given->gdb = true;
        out->listen = optarg;
        return ERR_OK;
    case OPT_STDIO:
        given->stdio = true;
        out->mode = OPTION_STDIO;
        return ERR_OK;
    case OPT_RUN:
        given->run = true;
        out->mode = OPTION_RUN;
        return ERR_OK;
    case OPT_STOP:
        given->stop = true;
        return parse_stop(optarg, out, why);
    case OPT_CHILD:
        out->child = optarg;
        return ERR_OK;
    case OPT_LOG:
        return log_enable(optarg, why);
    case OPT_RAW:
        out->raw = true;
        return ERR_OK;
    case OPT_ARCH:
        given->arch = true;
        return parse_arch(optarg, out, why);
    case OPT_BASE:
        return parse_number("base", optarg, &out->base, why);
    case OPT_ENTRY:
        given->entry = true;
        return parse_number("entry", optarg, &out->entry, why);
    case OPT_ENV:
        return parse_env(optarg, out, why);
    case OPT_DRIVE:
        return parse_drive(optarg, out, why);
    case OPT_REGISTRY:
        out->registry = optarg;
        return ERR_OK;
    case OPT_CWD:
        out->cwd = optarg;
        return ERR_OK;
    case OPT_ROOT:
        out->root = optarg;
        return ERR_OK;
    case OPT_FAST:
        out->fast = true;
        return ERR_OK;
    case OPT_BARE:
        out->bare = true;
        return ERR_OK;
    case OPT_MAP:
        return parse_map(optarg, out, why);
    case OPT_PERSONA:
        return parse_persona(optarg, out, why);
    case OPT_DISABLE:
        out->disabled[out->disabled_count++] = optarg; /* as with env */
        return ERR_OK;
    default:
        return diag_set(why, ERR_INVALID, "unknown option; try winstub --help");
    }
}

/* Do the options fit together? */
static enum err check_options(const struct options *o, const struct given *given, struct diag *why)
{
    if (given->gdb + given->stdio + given->run > 1)
        return diag_set(why, ERR_INVALID,
                        "--gdb, --stdio and --run exclude each other: give one of them");
    if (given->run && given->stop)
        return diag_set(why, ERR_INVALID, "--stop is for a debugger, and --run has none");
    if (given->run && o->child)
        return diag_set(why, ERR_INVALID, "--debug-child is for a debugger, and --run has none");
    if (o->child && (o->bare || o->raw))
        return diag_set(why, ERR_INVALID,
                        "--debug-child is for programs on DLLs: nothing has children with --bare "
                        "or --raw");
    if (given->stdio && o->stop == OPTION_STOP_NONE)
        return diag_set(why, ERR_INVALID,
                        "--stop none leaves gdb nothing to wait for: it goes without --stdio");
    if (!o->file)
        return diag_set(why, ERR_INVALID,
                        "no FILE given: name the Windows program to run; try winstub --help");
    if (o->bare && o->root)
        return diag_set(why, ERR_INVALID, "--bare and --root exclude each other");
    if (o->registry && (o->bare || o->raw))
        return diag_set(why, ERR_INVALID,
                        "--registry is for programs on DLLs: there is no "
                        "registry with --bare or --raw");
    if (o->raw && !given->arch)
        return diag_set(why, ERR_INVALID, "--raw needs --arch x86 or --arch x86-64");
    if (!o->raw && (given->arch || given->entry))
        return diag_set(why, ERR_INVALID,
                        "--arch and --entry go with --raw; an .exe says these itself");
    return ERR_OK;
}

enum err options_parse(int argc, char **argv, struct options *out, struct diag *why)
{
    struct given given = {0};
    int option;
    enum err e;

    *out = (struct options){.mode = OPTION_SERVE, .listen = "1234"};
    out->env = calloc((size_t)argc + 1, sizeof *out->env);
    out->drives = calloc((size_t)argc + 1, sizeof *out->drives);
    out->disabled = calloc((size_t)argc + 1, sizeof *out->disabled);
    if (!out->env || !out->drives || !out->disabled)
        return ERR_NOMEM;
    opterr = 0;
    while ((option = getopt_long(argc, argv, "+", long_options, NULL)) != -1) {
        if (option == OPT_HELP || option == OPT_VERSION) {
            out->mode = option == OPT_HELP ? OPTION_HELP : OPTION_VERSION;
            return ERR_OK;
        }
        if (option == '?' || option == ':')
            return diag_set(why, ERR_INVALID,
                            "%s: no such option, or its value is missing; try winstub --help",
                            argv[optind - 1]);
        e = take_option(option, out, &given, why);
        if (e)
            return e;
    }
    if (optind < argc) {
        out->file = argv[optind];
        out->argv = argv + optind;
        out->argc = (size_t)(argc - optind);
    }
    return check_options(out, &given, why);
}

void options_fini(struct options *options)
{
    free(options->env);
    options->env = NULL;
    free(options->drives);
    options->drives = NULL;
    free(options->disabled);
    options->disabled = NULL;
}
