/*
 * Extended mode: !, vRun, R, vAttach, and what is said about the next start: QEnvironment*, QSetWorkingDir,
 * QStartupWithShell, QDisableRandomization. Who starts a process is the server's matter. Only the program that the
 * server was given can be started: a client is not to choose files of the host. Follows the GDB manual, "Packets" and
 * "General Query Packets".
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "handlers.h"
#include "kept_catches.h"
#include "paths.h"
#include "stop_reply.h"

#define ARGS_MAX 4096u /* of one vRun */

enum verdict cmd_extended(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    (void)in;
    s->extended = s->stays = true;
    return reply_ok(out);
}

bool stub_extended(const struct stub *s)
{
    return s->stays;
}

bool stub_left_alone(const struct stub *s)
{
    return s->left_alone;
}

void stub_set_launcher(struct stub *s, stub_launcher launch, void *ctx)
{
    s->launcher = launch;
    s->launcher_ctx = ctx;
}

/* ---- Lists of texts ---- */

/* Append the text in hex that comes up to a semicolon or the end, with a NUL behind it. False: malformed, or too long. */
static bool read_text(struct rsp_reader *in, struct buf *texts)
{
    struct bytes hex = rsp_until(in, ';');
    struct rsp_reader digits;
    size_t len = hex.len / 2;
    uint8_t *text = buf_extend(texts, len + 1);

    if (!text)
        return false;
    rsp_reader_init(&digits, hex.data, hex.len);
    rsp_hex_bytes(&digits, text, len);
    text[len] = 0;
    return rsp_end(&digits) && !memchr(text, 0, len);
}

static size_t count_texts(const struct buf *texts)
{
    size_t count = 0;

    for (size_t i = 0; i < texts->len; i++)
        count += !texts->data[i];
    return count;
}

/* An array of texts that lie behind each other; NULL when memory is short. The caller frees it. */
static const char **list_texts(const char *at, size_t count)
{
    const char **list = calloc(count + 1, sizeof *list);

    for (size_t i = 0; list && i < count; i++) {
        list[i] = at;
        at += strlen(at) + 1;
    }
    return list;
}

/* ---- Starting ---- */

/* The new process takes the place of the old one: nothing that was known of that is true. What the user wants to be told stays. */
static void take_over(struct stub *s, const struct target *target)
{
    struct target_info info;

    client_points_forget(&s->points);
    s->target = *target;
    s->target.ops->info(s->target.ctx, &info);
    s->target.ops->last_stop(s->target.ctx, &s->stop);
    s->pid = info.pid;
    s->general_tid = 0;
    s->continue_tid = 0;
    s->left_alone = false;
    s->launch.has_begun = true;
    session_drop_document(s);
    session_drop_saved(s);
    if (s->traced && s->target.ops->trace(s->target.ctx, s->traced))
        session_say(s, "not every table can be traced: the host is out of memory\n");
}

/* args: texts that lie behind each other. */
static enum err start(struct stub *s, const char *args, size_t arg_count, struct diag *why)
{
    size_t env_count = count_texts(&s->launch.env);
    const char **arg_list = list_texts(args, arg_count);
    const char **env = list_texts(buf_str(&s->launch.env), env_count);
    struct stub_launch what = {
        .args = arg_list,
        .arg_count = arg_count,
        .env = env,
        .env_count = env_count,
        .cwd = buf_str(&s->launch.cwd),
        .elsewhere = s->launch.elsewhere,
    };
    struct kept_catches catches;
    struct target target;
    enum err e = kept_catches_take(&catches, &s->target);

    vfiles_let_go(&s->files, &s->target);
    if (!arg_list || !env)
        e = ERR_NOMEM;
    if (!e)
        e = s->launcher(s->launcher_ctx, &what, &target, why);
    if (!e) {
        take_over(s, &target);
        kept_catches_set(&catches, s);
    }
    kept_catches_fini(&catches);
    free(arg_list);
    free(env);
    return e;
}

/* Is it the program that runs here, by any path? The empty name is, too. */
static bool is_program(const struct stub *s, const char *name)
{
    struct target_info info;

    s->target.ops->info(s->target.ctx, &info);
    return !name[0] || strcasecmp(path_name(name), path_name(info.exec_path)) == 0;
}

/* ;NAME;ARG... in hex. Without arguments they are those that the server was given. */
static enum verdict run(struct stub *s, struct rsp_reader *in, struct reply *out, struct buf *texts)
{
    struct diag why = {{0}};
    const char *name;
    size_t count;
    enum err e;

    while (rsp_left(in)) {
        if (!read_text(in, texts))
            return reply_error(out, RSP_EINVAL);
    }
    count = count_texts(texts);
    if (count > ARGS_MAX)
        return reply_error(out, RSP_E2BIG);
    if (count && !is_program(s, buf_str(texts)))
        return reply_error_text(out, RSP_ENOENT,
                                "only the program that winstub was given can be run");
    name = buf_str(texts);
    e = start(s, count ? name + strlen(name) + 1 : name, count ? count - 1 : 0, &why);
    if (e && why.text[0])
        return reply_error_text(out, RSP_EIO, why.text);
    return e ? reply_result(out, e) : stop_reply(s, out);
}

enum verdict cmd_run_program(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    struct buf texts;
    enum verdict verdict;

    buf_init(&texts, STUB_PACKET_MAX);
    verdict = run(s, in, out, &texts);
    buf_fini(&texts);
    return verdict;
}

/* R and an ignored number. It has no answer, so a failure can only be said. */
enum verdict cmd_restart(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    struct diag why = {{0}};
    enum err e = start(s, "", 0, &why);

    (void)in;
    (void)out;
    if (e)
        session_sayf(s, "the program cannot be started: %s\n",
                     why.text[0] ? why.text : err_text(e));
    return SILENT;
}

static bool runs_along(const struct stub *s, uint32_t pid)
{
    const struct target_ops *ops = s->target.ops;
    struct target_process process;

    for (size_t i = 0; ops->process && !ops->process(s->target.ctx, i, &process); i++) {
        if (process.pid == pid)
            return true;
    }
    return false;
}

/* The only process there is to attach to is the one that was left alone, or that the client is attached to. */
enum verdict cmd_attach(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    uint32_t pid = rsp_hex_u32(in);

    if (!rsp_end(in))
        return reply_error(out, RSP_EINVAL);
    if (session_exited(s) || (pid != s->pid && !runs_along(s, pid)))
        return reply_error_text(out, RSP_ESRCH, "there is no such process");
    if (pid != s->pid)
        return reply_error_text(out, RSP_EPERM,
                                "it runs undebugged: to debug it, start winstub with --debug-child "
                                "and the name of its program");
    s->left_alone = false;
    return stop_reply(s, out);
}

/* ---- What the next start shall be like ---- */

enum verdict cmd_environment_set(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    size_t before = s->launch.env.len;
    bool good = read_text(in, &s->launch.env) && !rsp_left(in);
    const char *text = good ? (const char *)s->launch.env.data + before : "";

    if (good && *text && strchr(text + 1, '='))
        return reply_ok(out);
    s->launch.env.len = before;
    s->launch.env.failed = false;
    return reply_error(out, RSP_EINVAL);
}

enum verdict cmd_environment_unset(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    struct buf *env = &s->launch.env;
    size_t before = env->len;
    bool good = read_text(in, env) && !rsp_left(in) && env->len > before + 1 &&
                !strchr((const char *)env->data + before, '=');

    if (good)
        return reply_ok(out);
    env->len = before;
    env->failed = false;
    return reply_error(out, RSP_EINVAL);
}

enum verdict cmd_environment_reset(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    (void)in;
    buf_clear(&s->launch.env);
    return reply_ok(out);
}

/* A guest path, or nothing for the first directory. */
enum verdict cmd_working_dir(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    char path[VFILE_PATH] = "";
    struct buf given;
    bool good;

    buf_init(&given, VFILE_PATH);
    good = read_text(in, &given) && !rsp_left(in) &&
           (!buf_str(&given)[0] || dos_path(buf_str(&given), path, sizeof path));
    buf_fini(&given);
    if (!good)
        return reply_error_text(out, RSP_EINVAL,
                                "the directory is a path such as C:\\folder or /c/folder");
    buf_clear(&s->launch.cwd);
    return reply_result(out, buf_text(&s->launch.cwd, path) ? ERR_OK : ERR_NOMEM);
}

static bool read_switch(struct rsp_reader *in, bool *on)
{
    uint32_t value = rsp_hex_u32(in);

    *on = value == 1;
    return rsp_end(in) && value <= 1;
}

/* There is no shell here, so any answer to whether to use one is right. */
enum verdict cmd_startup_shell(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    bool on;

    (void)s;
    return read_switch(in, &on) ? reply_ok(out) : reply_error(out, RSP_EINVAL);
}

enum verdict cmd_randomization(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    bool disabled;

    if (!read_switch(in, &disabled))
        return reply_error(out, RSP_EINVAL);
    s->launch.elsewhere = !disabled;
    return reply_ok(out);
}
