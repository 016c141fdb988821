/*
 * The program: options, wiring, what people read on the terminal, exit status. The one file that knows both
 * the core and the stub.
 */
#include <signal.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net.h"
#include "options.h"
#include "paths.h"
#include "serve.h"
#include "stop_reply.h"
#include "winstub/buf.h"
#include "winstub/nt.h"
#include "winstub/process.h"
#include "winstub/run.h"
#include "winstub/stub.h"

enum { EXIT_OURS = 2, EXIT_NOT_THERE = 125, EXIT_SIGNAL = 128 };

#define CHILD_LINE_MAX 0x20000u /* bytes; more than what is told of a child */

/* An exit code that is an NTSTATUS of an error: the program died of it. */
static bool is_fatal(uint32_t exit_code)
{
    return exit_code >= 0xc0000000u && exit_code < 0xd0000000u;
}

static int fail(const struct diag *why, enum err e)
{
    (void)fprintf(stderr, "winstub: %s\n", why->text[0] ? why->text : err_text(e));
    return EXIT_OURS;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* Where DLLs lie when nobody says: beside a built winstub, beside an installed one, an installed Wine's. */
struct roots {
    char built[PATH_MAX + 32], installed[PATH_MAX + 32];
    const char *list[6];
};

static void find_roots(struct roots *roots)
{
    char self[PATH_MAX + 1];
    ssize_t len = readlink("/proc/self/exe", self, PATH_MAX);
    char *slash;

    self[len > 0 ? len : 0] = 0;
    slash = strrchr(self, '/');
    if (slash)
        *slash = 0;
    (void)snprintf(roots->built, sizeof roots->built, "%s/../sysroot", self);
    (void)snprintf(roots->installed, sizeof roots->installed, "%s/../share/winstub/sysroot", self);
    roots->list[0] = roots->built;
    roots->list[1] = roots->installed;
    roots->list[2] = "/usr";
    roots->list[3] = "/opt/wine-stable";
    roots->list[4] = NULL;
}

/* The program and what it starts; a client of extended mode may have it replaced. */
struct guest {
    const struct options *options;
    struct process *process; /* the first one */
    struct target target;    /* the one that is debugged */
    struct stub *stub;       /* NULL: no debugger, or not yet */
    uint32_t starts;         /* how often it was started anew */
};

/* Name of the file of the program that is debugged. */
static const char *debugged_name(const struct guest *g)
{
    struct target_info info;

    g->target.ops->info(g->target.ctx, &info);
    return g->options->child ? path_name(info.exec_path) : base_name(g->options->file);
}

static struct process *debugged_process(const struct guest *g)
{
    struct process *p = process_next(g->process, NULL);
    struct target_info info;

    g->target.ops->info(g->target.ctx, &info);
    while (p && process_pid(p) != info.pid)
        p = process_next(g->process, p);
    return p ? p : g->process;
}

/* ---- Other processes -------------------------------------------------------------------------- */

/* "exit code 3", "0xc0000005 (STATUS_ACCESS_VIOLATION)". */
static void append_code(struct buf *out, uint32_t code)
{
    if (is_fatal(code))
        (void)buf_printf(out, "0x%08" PRIx32 " (%s)", code, nt_text(code));
    else
        (void)buf_printf(out, "exit code %" PRIu32, code);
}

static void describe_child(const struct target_child *child, struct buf *out)
{
    if (!child->pid) {
        (void)buf_printf(out, "process %" PRIu32 " cannot start %s: %s", child->parent, child->path,
                         child->note);
        return;
    }
    (void)buf_printf(out, "%sprocess %" PRIu32, child->parent ? "child " : "", child->pid);
    if (child->begun) {
        (void)buf_printf(out, " began: %s", child->command_line);
        return;
    }
    if (child->left || !child->parent) /* it may be the only line about it */
        (void)buf_printf(out, " (%s)", child->path);
    if (child->left) {
        (void)buf_text(out, " was ended");
    } else {
        (void)buf_text(out, " ended with ");
        append_code(out, child->exit_code);
    }
    if (*child->note)
        (void)buf_printf(out, ": %s", child->note);
}

/* Does one who only runs a program want to know? */
static bool is_bad(const struct target_child *child)
{
    return !child->begun && (child->left || *child->note || is_fatal(child->exit_code));
}

/*
 * A process that is not debugged has begun, or ended. Who debugs hears it on the debugger's console while the guest runs for
 * it; who only runs a program is told of bad ends.
 */
static void tell_of_child(void *ctx, const struct target_child *child)
{
    const struct guest *g = ctx;
    struct buf line;

    if (g->options->mode == OPTION_RUN && !is_bad(child))
        return;
    buf_init(&line, CHILD_LINE_MAX);
    describe_child(child, &line);
    (void)buf_byte(&line, '\n');
    if (!g->stub || !stub_print(g->stub, buf_str(&line)))
        (void)fprintf(stderr, "winstub: %s", buf_str(&line));
    buf_fini(&line);
}

/* ---- Loading ---------------------------------------------------------------------------------- */

/* Two lists after each other; NULL when memory is short. The caller frees it. */
static const char **join(const char *const *a, size_t a_count, const char *const *b, size_t b_count)
{
    const char **list = calloc(a_count + b_count + 1, sizeof *list);

    if (list && a_count)
        memcpy(list, a, a_count * sizeof *list);
    if (list && b_count)
        memcpy(list + a_count, b, b_count * sizeof *list);
    return list;
}

/* What was asked for on the command line, and by the client that starts it anew (NULL: nobody). */
static enum err load(const struct guest *g, const struct stub_launch *anew, struct process **out,
                     struct diag *why)
{
    /* With --stdio standard output belongs to gdb's protocol, and input too. */
    static const int streams[2][3] = {{STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO},
                                      {-1, STDERR_FILENO, STDERR_FILENO}};
    static const struct stub_launch nobody = {.cwd = ""};
    const struct stub_launch *l = anew ? anew : &nobody;
    const struct options *o = g->options;
    const char *const *given = (const char *const *)o->argv;
    const char **argv =
        l->arg_count ? join(given, 1, l->args, l->arg_count) : join(given, o->argc, NULL, 0);
    const char **env = join(o->env, o->env_count, l->env, l->env_count);
    struct roots roots;
    struct process_options p = {
        .path = o->file,
        .argv = argv,
        .argc = l->arg_count ? 1 + l->arg_count : o->argc,
        .env = env,
        .env_count = o->env_count + l->env_count,
        .cwd = *l->cwd ? l->cwd : o->cwd,
        .drives = o->drives,
        .drive_count = o->drive_count,
        .registry = o->registry,
        .raw = o->raw,
        .arch = (enum cpu_arch)o->arch,
        .base = o->base,
        .entry = o->entry,
        .placement = l->elsewhere ? g->starts : 0,
        .root = o->root,
        .host_time = o->fast,
        .roots = o->root || o->bare ? NULL : roots.list,
        .streams = streams[o->mode == OPTION_STDIO],
    };
    enum err e = ERR_NOMEM;

    find_roots(&roots);
    if (argv && env)
        e = process_new(&p, out, why);
    free(argv);
    free(env);
    return e;
}

static void guest_close(struct guest *g)
{
    target_fini(&g->target);
    process_free(g->process);
}

static enum err guest_open(struct guest *g, const struct stub_launch *anew, struct diag *why)
{
    enum err e = load(g, anew, &g->process, why);

    if (e)
        return e;
    e = target_init(&g->target, g->process);
    if (e)
        process_free(g->process);
    else
        target_watch_children(&g->target, tell_of_child, g);
    return e;
}

/* ---- Announcing ------------------------------------------------------------------------------- */

/* "hello.exe: PE32+ for x86-64 at 0x7ff600000000, entry 0x7ff600001000". */
static void announce_program(const struct guest *g)
{
    struct process *process = debugged_process(g);
    bool wide = cpu_get_arch(process_cpu(process)) == CPU_AMD64;
    const struct process_module *m = process_has_image(process) ? process_module(process, 0) : NULL;

    (void)fprintf(stderr, "winstub: %s: %s", debugged_name(g),
                  !m     ? wide ? "x86-64 code" : "x86 code"
                  : wide ? "PE32+ for x86-64"
                         : "PE32 for x86");
    if (m)
        (void)fprintf(stderr, " at 0x%" PRIx64, m->base);
    (void)fprintf(stderr, ", entry 0x%" PRIx64 "%s\n", process_entry(process),
                  process_has_dlls(process) ? "" : "; without DLLs: imports stop in the debugger");
}

/* Does the word stand in a shell command as it is? */
static bool is_plain(const char *word)
{
    return word[strspn(word,
                       "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./+-")] == 0;
}

/* What gdb is to read the symbols of the debugged program from; NULL: nothing is known. */
static const char *symbol_file(const struct guest *g, char *path, size_t size)
{
    struct target_info info;

    if (!g->options->child)
        return g->options->raw ? NULL : g->options->file;
    g->target.ops->info(g->target.ctx, &info);
    return g->target.ops->host_path(g->target.ctx, info.exec_path, path, size) ? NULL : path;
}

/* The exact command to paste, and where we listen. */
static void announce_server(const struct guest *g, const struct net_listener *l)
{
    bool v6 = strchr(l->host, ':') != NULL;
    char where[96], path[PATH_MAX];
    const char *file = symbol_file(g, path, sizeof path);
    const char *quote = file && !is_plain(file) ? "\"" : "";

    if (strcmp(l->host, "127.0.0.1") == 0)
        (void)snprintf(where, sizeof where, ":%u", l->port);
    else
        (void)snprintf(where, sizeof where, v6 ? "[%s]:%u" : "%s:%u", l->host, l->port);
    if (!l->loopback)
        (void)fprintf(stderr,
                      "winstub: warning: whoever reaches %s port %u controls this guest: the "
                      "protocol knows no "
                      "passwords\n",
                      l->host, l->port);
    (void)fprintf(stderr, "winstub: waiting for gdb on %s%s%s:%u; connect with: gdb ",
                  v6 ? "[" : "", l->host, v6 ? "]" : "", l->port);
    if (file)
        (void)fprintf(stderr, "%s%s%s ", quote, file, quote);
    (void)fprintf(stderr, "-ex 'target remote %s'\n", where);
}

static int serve_socket(struct guest *g, struct stub *stub)
{
    const struct options *o = g->options;
    struct net_listener listener;
    struct target_stop last;
    struct diag why = {{0}};
    enum err e = net_listen(o->listen, &listener, &why);

    if (e)
        return fail(&why, e);
    announce_program(g);
    announce_server(g, &listener);
    e = serve(stub, &g->target, &listener, o->stop == OPTION_STOP_NONE, &last);
    net_close(listener.fd);
    if (e)
        return fail(&why, e);
    (void)fprintf(stderr, "winstub: %s ended with exit code %u\n", debugged_name(g),
                  last.exit_code);
    return 0;
}

static enum err configure(const struct options *o, struct stub *stub, struct diag *why)
{
    stub_set_map(stub, o->map);
    stub_set_persona(stub, o->persona);
    stub_set_version(stub, "winstub " WINSTUB_VERSION);
    for (size_t i = 0; i < o->disabled_count; i++) {
        if (stub_disable(stub, o->disabled[i]))
            return diag_set(why, ERR_INVALID,
                            "--disable-packet takes a packet such as X, vCont or "
                            "qXfer:threads:read, or a feature such as swbreak, not '%s'",
                            o->disabled[i]);
    }
    return ERR_OK;
}

/* Take the process to where its debugger shall see it first; what is not there is replaced by the entry point. */
static enum err start(struct guest *g, struct target_stop *stop)
{
    static const enum target_place places[] = {
        [OPTION_STOP_ENTRY] = PLACE_ENTRY, [OPTION_STOP_MAIN] = PLACE_MAIN,
        [OPTION_STOP_TLS] = PLACE_TLS,     [OPTION_STOP_LOADER] = PLACE_LOADER,
        [OPTION_STOP_NONE] = PLACE_LOADER,
    };
    enum option_stop place = g->options->stop;
    enum err e = target_start(&g->target, places[place], stop);

    if (e != ERR_NOT_FOUND)
        return e;
    (void)fprintf(stderr, "winstub: %s: %s; stopping at the entry point\n", debugged_name(g),
                  place == OPTION_STOP_MAIN ? "no symbol says where main is"
                                            : "no TLS callback runs in it");
    return target_start(&g->target, PLACE_ENTRY, stop);
}

/* Let the program run until it starts the one that is to be debugged. ERR_NOT_FOUND: it never does. */
static enum err follow(struct guest *g, struct diag *why)
{
    const struct options *o = g->options;
    struct target_stop stop;

    if (!o->child)
        return ERR_OK;
    (void)fprintf(stderr, "winstub: %s runs until it starts %s\n", base_name(o->file),
                  strcmp(o->child, "*") == 0 ? "another program" : o->child);
    return target_follow(&g->target, o->child, &stop, why);
}

/* A client wants the program from its start: stub_launcher. */
static enum err start_anew(void *ctx, const struct stub_launch *what, struct target *out,
                           struct diag *why)
{
    struct guest *g = ctx;
    struct guest next = {.options = g->options, .stub = g->stub, .starts = g->starts + 1};
    struct target_stop stop;
    enum err e = guest_open(&next, what, why);

    if (e)
        return e;
    e = follow(&next, why);
    if (!e)
        e = start(&next, &stop);
    if (e) {
        guest_close(&next);
        return e;
    }
    guest_close(g);
    *g = next;
    target_watch_children(&g->target, tell_of_child, g);
    *out = g->target;
    return ERR_OK;
}

static int debug(struct guest *g)
{
    const struct options *o = g->options;
    struct target_stop last;
    struct stub *stub;
    struct diag why = {{0}};
    int status = 0;
    enum err e = stub_new(&g->target, &stub);

    if (e)
        return fail(&why, e);
    g->stub = stub;
    stub_set_launcher(stub, start_anew, g);
    e = configure(o, stub, &why);
    if (e) {
        status = fail(&why, e);
    } else if (o->mode == OPTION_SERVE) {
        status = serve_socket(g, stub);
    } else {
        stub_set_output(stub, true); /* standard output is the protocol's */
        e = serve(stub, &g->target, NULL, false, &last);
        if (e)
            status = fail(&why, e);
    }
    stub_free(stub);
    g->stub = NULL;
    return status;
}

/* The debugger first sees the program where the user wants, or what kept it from getting there. */
static int debug_from_start(struct guest *g)
{
    struct target_stop stop;
    struct diag why = {{0}};
    enum err e = follow(g, &why);

    if (e) {
        (void)fail(&why, e);
        return e == ERR_NOT_FOUND ? EXIT_NOT_THERE : EXIT_OURS;
    }
    e = start(g, &stop);
    if (e)
        return fail(&why, e);
    if (stop.kind == STOP_EXIT) {
        (void)fprintf(stderr,
                      "winstub: %s ended before a debugger could see it, with 0x%08" PRIx32 "\n",
                      debugged_name(g), stop.exit_code);
        return EXIT_OURS;
    }
    return debug(g);
}

/* Exit status of --run, from why the guest stopped. */
static int run_status(const struct target_stop *stop)
{
    struct target_stop fault = {.kind = STOP_EXCEPTION, .code = stop->exit_code};

    if (stop->kind == STOP_EXIT && is_fatal(stop->exit_code))
        return EXIT_SIGNAL + (int)stop_signal(&fault);
    if (stop->kind == STOP_EXIT)
        return (int)(stop->exit_code & 0xff);
    if (stop->kind == STOP_EXCEPTION)
        return EXIT_SIGNAL + (int)stop_signal(stop);
    return stop->kind == STOP_IMPORT ? EXIT_NOT_THERE : EXIT_OURS;
}

/* What to tell about the end: the exception that it came from, when there was one. */
static void say_end(const struct target_stop *stop, const struct target_stop *exception)
{
    if (stop->note[0])
        (void)fprintf(stderr, "winstub: %s\n", stop->note);
    if (stop->kind != STOP_EXIT || !is_fatal(stop->exit_code))
        return;
    if (exception->code == stop->exit_code)
        (void)fprintf(stderr, "winstub: %s\n", exception->note);
    (void)fprintf(stderr, "winstub: the program ended with 0x%08" PRIx32 " (%s)\n", stop->exit_code,
                  nt_text(stop->exit_code));
}

/* The program has ended: what it has started has its time too. */
static int run_others(struct target *target, int status)
{
    struct target_stop last;
    struct diag why = {{0}};
    enum err e = target_run_others(target, &last);

    if (e)
        return fail(&why, e);
    if (last.kind != STOP_EXIT && last.note[0])
        (void)fprintf(stderr, "winstub: %s\n", last.note);
    return status;
}

static int run(struct target *target)
{
    struct target_action on = {.kind = ACTION_CONTINUE};
    struct target_stop stop, exception = {0};
    struct diag why = {{0}};
    enum err e;

    do {
        e = target->ops->resume(target->ctx, &on, 1);
        if (!e)
            e = target->ops->run(target->ctx, &stop);
        if (e)
            return fail(&why, e);
        on.pass = stop.kind == STOP_EXCEPTION;
        if (on.pass)
            exception = stop;
    } while (serve_passes(&stop));
    say_end(&stop, &exception);
    return stop.kind == STOP_EXIT ? run_others(target, run_status(&stop)) : run_status(&stop);
}

static int with_process(const struct options *o)
{
    struct guest g = {.options = o};
    struct diag why = {{0}};
    int status;
    enum err e = guest_open(&g, NULL, &why);

    if (e)
        return fail(&why, e);
    if (*process_missing_dlls(g.process))
        (void)fprintf(stderr, "winstub: %s: %s\n", base_name(o->file),
                      process_missing_dlls(g.process));
    status = o->mode == OPTION_RUN ? run(&g.target) : debug_from_start(&g);
    guest_close(&g);
    return status;
}

int main(int argc, char **argv)
{
    struct options options;
    struct diag why = {{0}};
    int status = 0;
    enum err e = options_parse(argc, argv, &options, &why);

    (void)signal(SIGPIPE, SIG_IGN); /* a lost client is noticed by write's result */
    if (e)
        status = fail(&why, e);
    else if (options.mode == OPTION_HELP)
        (void)fputs(options_help(), stdout);
    else if (options.mode == OPTION_VERSION)
        (void)printf("winstub " WINSTUB_VERSION " (%s)\n", cpu_engine_version());
    else
        status = with_process(&options);
    options_fini(&options);
    return status;
}
