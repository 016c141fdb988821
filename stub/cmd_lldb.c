/*
 * What only LLDB asks for, and needs to find a Windows program: qHostInfo and qProcessInfo (the triple chooses
 * its Windows loader), qFileLoadAddress (where the program was placed), qMemoryRegionInfo. Follows LLDB's
 * docs/resources/lldbgdbremote.md and what lldb 14 does with the answers.
 */
#include <string.h>
#include <strings.h>

#include "handlers.h"
#include "region_text.h"
#include "winstub/nt.h"

#define PATH_BYTES 1024u /* of a path that LLDB asks about */

/* The pairs that host and process have in common. */
static void platform_pairs(const struct stub *s, struct reply *out)
{
    struct target_info info;
    const char *triple;

    s->target.ops->info(s->target.ctx, &info);
    triple = info.arch == TARGET_AMD64 ? "x86_64-pc-windows-msvc" : "i386-pc-windows-msvc";
    reply_text(out, "triple:");
    reply_hex(out, triple, strlen(triple));
    reply_printf(out, ";ostype:windows;endian:little;ptrsize:%d;",
                 info.arch == TARGET_AMD64 ? 8 : 4);
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

/* What follows the last separator of a Windows or Unix path. */
static const char *base_name(const char *path)
{
    const char *name = path;

    for (; *path; path++) {
        if (*path == '\\' || *path == '/')
            name = path + 1;
    }
    return name;
}

/* LLDB names the file as it has it on its own disk, so only the last part can be compared. */
static gva_t load_address(const struct stub *s, const char *path)
{
    const char *name = base_name(path);
    struct target_info info;
    struct target_library lib;

    s->target.ops->info(s->target.ctx, &info);
    if (strcasecmp(name, base_name(info.exec_path)) == 0)
        return info.exec_base;
    for (size_t i = 0; s->target.ops->library && !s->target.ops->library(s->target.ctx, i, &lib);
         i++) {
        if (strcasecmp(name, base_name(lib.path)) == 0)
            return lib.base;
    }
    return 0;
}

enum verdict cmd_load_address(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    char path[PATH_BYTES + 1] = "";
    size_t len = rsp_left(in) / 2;
    gva_t base;

    if (len > PATH_BYTES)
        return reply_error(out, RSP_E2BIG);
    rsp_hex_bytes(in, path, len);
    if (!rsp_end(in))
        return reply_error(out, RSP_EINVAL);
    base = load_address(s, path);
    return base ? reply_printf(out, "%" PRIx64, base) : reply_error(out, RSP_ENOENT);
}

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
