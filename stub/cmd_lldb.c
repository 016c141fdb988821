/*
 * What only LLDB asks for, and needs to find a Windows program: qHostInfo and qProcessInfo (the triple chooses
 * its Windows loader), qFileLoadAddress (where the program was placed), qModuleInfo, qMemoryRegionInfo; memory for its expressions
 * (_M, _m); attaching by name, leaving a guest stopped, errors with texts. Follows LLDB's
 * docs/resources/lldbgdbremote.md and what lldb 14 does with the answers.
 */
#include <string.h>
#include <strings.h>

#include "handlers.h"
#include "paths.h"
#include "region_text.h"
#include "stop_reply.h"
#include "winstub/nt.h"

#define PATH_BYTES 1024u /* of a path that LLDB asks about */

static bool is_wide(const struct stub *s)
{
    struct target_info info;

    s->target.ops->info(s->target.ctx, &info);
    return info.arch == TARGET_AMD64;
}

static void write_triple(const struct stub *s, struct reply *out)
{
    const char *triple = is_wide(s) ? "x86_64-pc-windows-msvc" : "i386-pc-windows-msvc";

    reply_text(out, "triple:");
    reply_hex(out, triple, strlen(triple));
    reply_byte(out, ';');
}

/* The pairs that host and process have in common. */
static void platform_pairs(const struct stub *s, struct reply *out)
{
    write_triple(s, out);
    reply_printf(out, "ostype:windows;endian:little;ptrsize:%d;", is_wide(s) ? 8 : 4);
}

enum verdict cmd_host_info(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    (void)in;
    platform_pairs(s, out);
    return ANSWER;
}

enum verdict cmd_process_info(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    (void)in;
    reply_printf(out, "pid:%x;", s->pid);
    platform_pairs(s, out);
    return ANSWER;
}

/* ---- Modules ---- */

/*
 * The program or library of that name: its path, and where it is. LLDB names the file as it has it on its own disk, so
 * only the last part can be compared. False when there is none.
 */
static bool find_module(const struct stub *s, const char *path, struct target_library *out)
{
    const char *name = path_name(path);

    for (size_t i = 0; session_module(s, i, out); i++) {
        if (strcasecmp(name, path_name(out->path)) == 0)
            return true;
    }
    return false;
}

/* A path in hex, up to the end or a semicolon. */
static enum rsp_errno read_path(struct rsp_reader *in, char path[PATH_BYTES + 1])
{
    struct bytes hex = rsp_until(in, ';');
    struct rsp_reader digits;

    if (hex.len / 2 > PATH_BYTES)
        return RSP_E2BIG;
    rsp_reader_init(&digits, hex.data, hex.len);
    memset(path, 0, PATH_BYTES + 1);
    rsp_hex_bytes(&digits, path, hex.len / 2);
    return rsp_end(&digits) ? 0 : RSP_EINVAL;
}

enum verdict cmd_load_address(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    char path[PATH_BYTES + 1];
    enum rsp_errno bad = read_path(in, path);
    struct target_library module;

    if (bad || !rsp_end(in))
        return reply_error(out, bad ? bad : RSP_EINVAL);
    return find_module(s, path, &module) && module.base ? reply_printf(out, "%" PRIx64, module.base)
                                                        : reply_error(out, RSP_ENOENT);
}

/* Bytes in the guest's file of that path; false when it cannot be opened. */
static bool file_size(const struct stub *s, const char *path, uint64_t *size)
{
    const struct target_ops *ops = s->target.ops;
    uint8_t byte;
    size_t got;
    void *file;
    enum err e;

    if (!ops->file_open || ops->file_open(s->target.ctx, path, 0, &file))
        return false;
    e = ops->file_read(s->target.ctx, file, 0, &byte, 1, &got, size);
    ops->file_close(s->target.ctx, file);
    return !e;
}

/* PATH;TRIPLE. The identity (UUID) stays unsaid: mingw's modules have none. */
enum verdict cmd_module_info(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    char path[PATH_BYTES + 1];
    enum rsp_errno bad = read_path(in, path);
    struct target_library module;
    uint64_t size;

    (void)rsp_take(in, rsp_left(in));
    if (bad)
        return reply_error(out, bad);
    if (!find_module(s, path, &module) || !file_size(s, module.path, &size))
        return reply_error(out, RSP_ENOENT);
    write_triple(s, out);
    reply_text(out, "file_path:");
    reply_hex(out, module.path, strlen(module.path));
    return reply_printf(out, ";file_offset:0;file_size:%" PRIx64 ";", size);
}

/* ---- Memory ---- */

/* A run that is free has no permissions at all; behind the user range everything is one such run. */
enum verdict cmd_region_info(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    gva_t addr = rsp_hex_u64(in);
    struct target_region run;
    const char *name;

    if (!rsp_end(in))
        return reply_error(out, RSP_EINVAL);
    if (s->target.ops->region(s->target.ctx, addr, &run))
        return reply_printf(out, "start:%" PRIx64 ";size:%" PRIx64 ";", addr, UINT64_MAX - addr);
    reply_printf(out, "start:%" PRIx64 ";size:%" PRIx64 ";", run.base, run.size);
    if (run.state == MEM_FREE)
        return ANSWER;
    reply_printf(out, "permissions:%s;", region_permissions(run.protect));
    name = run.path[0] ? run.path : run.label;
    if (name[0]) {
        reply_text(out, "name:");
        reply_hex(out, name, strlen(name));
        reply_byte(out, ';');
    }
    return ANSWER;
}

/* ---- Memory for expressions ---- */

/* PAGE_* for LLDB's letters. */
static uint32_t protect_of(struct bytes letters)
{
    bool w = letters.len && memchr(letters.data, 'w', letters.len);
    bool x = letters.len && memchr(letters.data, 'x', letters.len);

    if (x)
        return w ? PAGE_EXECUTE_READWRITE : PAGE_EXECUTE_READ;
    return w ? PAGE_READWRITE : PAGE_READONLY;
}

enum verdict cmd_allocate(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    struct target_memory m = {.kind = MEMORY_COMMIT};

    m.size = rsp_hex_u64(in);
    rsp_expect(in, ',');
    m.protect = protect_of(rsp_take(in, rsp_left(in)));
    if (!rsp_end(in) || !m.size)
        return reply_error(out, RSP_EINVAL);
    if (s->target.ops->memory(s->target.ctx, &m))
        return reply_error(out, RSP_ENOMEM);
    return reply_printf(out, "%" PRIx64, m.base);
}

enum verdict cmd_deallocate(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    struct target_memory m = {.kind = MEMORY_RELEASE};

    m.base = rsp_hex_u64(in);
    if (!rsp_end(in) || s->target.ops->memory(s->target.ctx, &m))
        return reply_error(out, RSP_EINVAL);
    return reply_ok(out);
}

/* ---- The session ---- */

/* The version is "winstub 1.2.3". */
enum verdict cmd_server_version(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    size_t name = strcspn(s->version, " ");

    (void)in;
    return reply_printf(out, "name:%.*s;version:%s;", (int)name, s->version,
                        s->version + name + (s->version[name] == ' '));
}

enum verdict cmd_error_strings(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    (void)in;
    s->features.error_strings = true;
    return reply_ok(out);
}

/* A guest whose client is lost always stays as it is. */
enum verdict cmd_detach_on_error(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    (void)s;
    return rsp_hex_u32(in) <= 1 && rsp_end(in) ? reply_ok(out) : reply_error(out, RSP_EINVAL);
}

enum verdict cmd_can_stay_stopped(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    (void)s;
    (void)in;
    return reply_ok(out);
}

enum verdict cmd_can_attach_by_name(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    (void)s;
    (void)in;
    return reply_ok(out);
}

/* There is one process, which is there already: to wait for another would be to wait for ever. */
enum verdict cmd_attach_name(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    char name[PATH_BYTES + 1] = "";
    size_t len = rsp_left(in) / 2;
    struct target_info info;

    if (len > PATH_BYTES)
        return reply_error(out, RSP_E2BIG);
    rsp_hex_bytes(in, name, len);
    if (!rsp_end(in))
        return reply_error(out, RSP_EINVAL);
    s->target.ops->info(s->target.ctx, &info);
    if (session_exited(s) || strcasecmp(path_name(name), path_name(info.exec_path)) != 0)
        return reply_error(out, RSP_ESRCH);
    s->left_alone = false;
    return stop_reply(s, out);
}

/* As many as one client may set. */
enum verdict cmd_watchpoint_info(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    (void)s;
    (void)in;
    return reply_printf(out, "num:%u;", POINTS_MAX);
}
