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
#include "serve.h"
#include "stop_reply.h"
#include "winstub/buf.h"
#include "winstub/nt.h"
#include "winstub/process.h"
#include "winstub/run.h"
#include "winstub/stub.h"

enum { EXIT_OURS = 2, EXIT_NOT_THERE = 125, EXIT_SIGNAL = 128 };

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

/* The process that is being debugged; a client of extended mode may have it replaced. */
struct guest {
    const struct options *options;
    struct process *process;
    struct target target;
    uint32_t starts; /* how often it was started anew */
};

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
    return e;
}

/* "hello.exe: PE32+ for x86-64 at 0x7ff600000000, entry 0x7ff600001000". */
static void announce_program(const struct options *o, struct process *process)
{
    bool wide = cpu_get_arch(process_cpu(process)) == CPU_AMD64;
    const struct process_module *m = process_has_image(process) ? process_module(process, 0) : NULL;

    (void)fprintf(stderr, "winstub: %s: %s", base_name(o->file),
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

/* The exact command to paste, and where we listen. */
static void announce_server(const struct options *o, const struct net_listener *l)
{
    bool v6 = strchr(l->host, ':') != NULL;
    const char *quote = is_plain(o->file) ? "" : "\"";
    char where[96];

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
    if (!o->raw)
        (void)fprintf(stderr, "%s%s%s ", quote, o->file, quote);
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
    announce_program(o, g->process);
    announce_server(o, &listener);
    e = serve(stub, &g->target, &listener, o->stop == OPTION_STOP_NONE, &last);
    net_close(listener.fd);
    if (e)
        return fail(&why, e);
    (void)fprintf(stderr, "winstub: %s ended with exit code %u\n", base_name(o->file),
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
static enum err start(const struct options *o, struct target *target, struct target_stop *stop)
{
    static const enum target_place places[] = {
        [OPTION_STOP_ENTRY] = PLACE_ENTRY, [OPTION_STOP_MAIN] = PLACE_MAIN,
        [OPTION_STOP_TLS] = PLACE_TLS,     [OPTION_STOP_LOADER] = PLACE_LOADER,
        [OPTION_STOP_NONE] = PLACE_LOADER,
    };
    enum err e = target_start(target, places[o->stop], stop);

    if (e != ERR_NOT_FOUND)
        return e;
    (void)fprintf(stderr, "winstub: %s: %s; stopping at the entry point\n", base_name(o->file),
                  o->stop == OPTION_STOP_MAIN ? "no symbol says where main is"
                                              : "no TLS callback runs in it");
    return target_start(target, PLACE_ENTRY, stop);
}

/* A client wants the program from its start: stub_launcher. */
static enum err start_anew(void *ctx, const struct stub_launch *what, struct target *out,
                           struct diag *why)
{
    struct guest *g = ctx;
    struct guest next = {.options = g->options, .starts = g->starts + 1};
    struct target_stop stop;
    enum err e = guest_open(&next, what, why);

    if (e)
        return e;
    e = start(g->options, &next.target, &stop);
    if (e) {
        guest_close(&next);
        return e;
    }
    guest_close(g);
    *g = next;
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
    return status;
}

/* The debugger first sees the program where the user wants, or what kept it from getting there. */
static int debug_from_start(struct guest *g)
{
    const struct options *o = g->options;
    struct target_stop stop;
    struct diag why = {{0}};
    enum err e = start(o, &g->target, &stop);

    if (e)
        return fail(&why, e);
    if (stop.kind == STOP_EXIT) {
        (void)fprintf(stderr,
                      "winstub: %s ended before a debugger could see it, with 0x%08" PRIx32 "\n",
                      base_name(o->file), stop.exit_code);
        return EXIT_OURS;
    }
    return debug(g);
}

/* An exit code that is an NTSTATUS of an error: the program died of it. */
static bool is_fatal(const struct target_stop *stop)
{
    return stop->kind == STOP_EXIT && stop->exit_code >= 0xc0000000u &&
           stop->exit_code < 0xd0000000u;
}

/* Exit status of --run, from why the guest stopped. */
static int run_status(const struct target_stop *stop)
{
    struct target_stop fault = {.kind = STOP_EXCEPTION, .code = stop->exit_code};

    if (is_fatal(stop))
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
    if (!is_fatal(stop))
        return;
    if (exception->code == stop->exit_code)
        (void)fprintf(stderr, "winstub: %s\n", exception->note);
    (void)fprintf(stderr, "winstub: the program ended with 0x%08" PRIx32 " (%s)\n", stop->exit_code,
                  nt_text(stop->exit_code));
}

static int run(const struct target *target)
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
    return run_status(&stop);
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
