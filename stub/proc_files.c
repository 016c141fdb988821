/*
 * /proc/PID/maps and its kin, in the exact form of Linux: gdb, pwndbg, GEF and radare2 parse them. A process or
 * thread id, "self", and the id that gdb makes up for itself name the guest; task/TID/ may stand before the
 * name. Follows proc(5).
 */
#include "proc_files.h"

#include <ctype.h>
#include <string.h>

#include "guest_params.h"
#include "paths.h"
#include "region_text.h"
#include "winstub/nt.h"

#define GDB_MADE_UP_PID 42000u /* without multiprocess (gdb/remote.c, magic_null_ptid) */
#define NAME_COLUMN     73

static void map_line(struct buf *out, const struct target_region *run)
{
    const char *can = region_permissions(run->protect);
    uint64_t offset = run->type == MEM_IMAGE ? run->base - run->allocation_base : 0;
    size_t from = out->len;

    buf_printf(out, "%08" PRIx64 "-%08" PRIx64 " %c%c%cp %08" PRIx64 " 00:00 0 ", run->base,
               run->base + run->size, strchr(can, 'r') ? 'r' : '-', strchr(can, 'w') ? 'w' : '-',
               strchr(can, 'x') ? 'x' : '-', offset);
    if (run->path[0] || run->label[0])
        buf_printf(out, "%*s",
                   from + NAME_COLUMN > out->len ? (int)(from + NAME_COLUMN - out->len) : 0, "");
    if (run->path[0])
        unix_path(run->path, out);
    else if (run->label[0])
        buf_printf(out, "[%s]", run->label);
    buf_byte(out, '\n');
}

/* What core dumpers look at: reserved space is not to be dumped ("dd"). */
static void smap_lines(struct buf *out, const struct target_region *run)
{
    uint64_t kib = run->state == MEM_COMMIT ? run->size / 1024 : 0;

    buf_printf(out,
               "Size: %15" PRIu64 " kB\nRss: %16" PRIu64 " kB\nPrivate_Dirty: %6" PRIu64
               " kB\nAnonymous: %10" PRIu64 " kB\nVmFlags: %s\n",
               run->size / 1024, kib, kib, kib, run->state == MEM_COMMIT ? "rd mr mw me" : "dd");
}

static void write_maps(struct stub *s, struct buf *out, bool smaps)
{
    struct target_region run;

    if (!s->target.ops->region || s->target.ops->region(s->target.ctx, 0, &run))
        return;
    do {
        if (run.state == MEM_FREE)
            continue;
        map_line(out, &run);
        if (smaps)
            smap_lines(out, &run);
    } while (session_next_region(s, &run));
}

static void file_maps(struct stub *s, struct buf *out)
{
    write_maps(s, out, false);
}

static void file_smaps(struct stub *s, struct buf *out)
{
    write_maps(s, out, true);
}

static void file_cmdline(struct stub *s, struct buf *out)
{
    guest_text(s, GUEST_COMMAND_LINE, out);
    buf_byte(out, 0);
}

static const char *program_name(const struct stub *s)
{
    struct target_info info;
    const char *slash;

    s->target.ops->info(s->target.ctx, &info);
    slash = strrchr(info.exec_path, '\\');
    return slash ? slash + 1 : info.exec_path;
}

static void file_comm(struct stub *s, struct buf *out)
{
    buf_printf(out, "%.15s\n", program_name(s));
}

static unsigned thread_count(const struct stub *s)
{
    struct target_thread thread;
    unsigned count = 0;

    while (!s->target.ops->thread(s->target.ctx, count, &thread))
        count++;
    return count;
}

static void file_status(struct stub *s, struct buf *out)
{
    buf_printf(out,
               "Name:\t%.15s\nState:\tt (tracing stop)\nTgid:\t%u\nPid:\t%u\nPPid:\t0\n"
               "TracerPid:\t0\nUid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nThreads:\t%u\n",
               program_name(s), s->pid, s->pid, thread_count(s));
}

/* 52 fields; all that has no meaning here is 0. */
static void file_stat(struct stub *s, struct buf *out)
{
    buf_printf(out, "%u (%.15s) t", s->pid, program_name(s));
    for (int field = 4; field <= 52; field++)
        buf_printf(out, " %u", field == 20 ? thread_count(s) : 0);
    buf_byte(out, '\n');
}

static void auxv_entry(const struct stub *s, struct buf *out, uint64_t type, uint64_t value)
{
    struct target_info info;
    uint8_t entry[16];
    bool wide;

    s->target.ops->info(s->target.ctx, &info);
    wide = info.arch == TARGET_AMD64;
    put_u64(entry, type);
    put_u64(entry + (wide ? 8 : 4), value);
    buf_append(out, entry, wide ? 16 : 8);
}

void proc_auxv(struct stub *s, struct buf *out)
{
    auxv_entry(s, out, 6, 4096); /* AT_PAGESZ */
    auxv_entry(s, out, 0, 0);    /* AT_NULL */
}

static void file_coredump_filter(struct stub *s, struct buf *out)
{
    (void)s;
    buf_text(out, "00000033\n"); /* Linux' default: private and shared anonymous memory */
}

static const struct {
    const char *name;
    proc_file *make;
} files[] = {
    {"maps", file_maps},
    {"smaps", file_smaps},
    {"cmdline", file_cmdline},
    {"comm", file_comm},
    {"environ", guest_environment},
    {"status", file_status},
    {"stat", file_stat},
    {"auxv", proc_auxv},
    {"coredump_filter", file_coredump_filter},
};

static bool is_guest(const struct stub *s, uint32_t id)
{
    struct target_thread thread;

    return id == s->pid || (id == GDB_MADE_UP_PID && !s->features.multiprocess) ||
           !session_thread(s, id, &thread);
}

/* Skip "<id>/"; NULL when the id is not the guest's. */
static const char *skip_id(const struct stub *s, const char *at)
{
    uint64_t id = 0;

    if (strncmp(at, "self/", 5) == 0)
        return at + 5;
    if (!isdigit((unsigned char)*at))
        return NULL;
    for (; isdigit((unsigned char)*at) && id <= UINT32_MAX; at++)
        id = id * 10 + (uint64_t)(*at - '0');
    return *at == '/' && id <= UINT32_MAX && is_guest(s, (uint32_t)id) ? at + 1 : NULL;
}

/* The name behind /proc/<id>/ and /proc/<id>/task/<id>/; NULL when the path is another. */
static const char *proc_name(const struct stub *s, const char *path)
{
    const char *name;

    if (strncmp(path, "/proc/", 6) != 0)
        return NULL;
    name = skip_id(s, path + 6);
    return name && strncmp(name, "task/", 5) == 0 ? skip_id(s, name + 5) : name;
}

proc_file *proc_file_find(const struct stub *s, const char *path)
{
    const char *name = proc_name(s, path);

    for (size_t i = 0; name && i < sizeof files / sizeof *files; i++) {
        if (strcmp(files[i].name, name) == 0)
            return files[i].make;
    }
    return NULL;
}

bool proc_link(struct stub *s, const char *path, struct buf *out)
{
    const char *name = proc_name(s, path);
    struct target_info info;
    struct buf cwd;

    if (name && strcmp(name, "exe") == 0) {
        s->target.ops->info(s->target.ctx, &info);
        unix_path(info.exec_path, out);
        return info.exec_path[0];
    }
    if (!name || strcmp(name, "cwd") != 0)
        return false;
    buf_init(&cwd, out->limit);
    guest_text(s, GUEST_CWD, &cwd);
    unix_path(buf_str(&cwd), out);
    buf_fini(&cwd);
    return true;
}
