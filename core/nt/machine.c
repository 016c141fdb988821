/* Making what processes share; the contract is in machine.h. */
#include "nt/machine.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "nt/drives.h"
#include "nt/mapped.h"
#include "nt/parts.h"
#include "nt/registry_file.h"

#define SYSTEM_VOLUME "C:\\Windows\\System32"
#define NARROW_VOLUME "C:\\Windows\\SysWOW64"
#define TEMP_VOLUME   "C:\\Users\\user\\AppData\\Local\\Temp" /* %TEMP% */

/*
 * Process and thread ids are multiples of four, and above what Linux gives out (PID_MAX_LIMIT is 4194304): a front end
 * that looks into the host's /proc by mistake finds nothing there.
 */
enum { IDS_ABOVE = 4194304, ID_STEP = 4 };

/* The machine has been up this long: some programs refuse to work right after a start. */
#define UPTIME (UINT64_C(4) * 60 * 60 * 10000000)

#define EPOCH_1601   UINT64_C(116444736000000000) /* 1970 in units of 100 ns since 1601 */
#define FIRST_MOMENT 1767268800                   /* 2026-01-01 12:00 UTC, in seconds since 1970 */

/* What is the same in every run begins at the same time in every run. */
static struct shared_time time_at_start(bool host)
{
    struct timespec t = {.tv_sec = FIRST_MOMENT};

    if (host)
        clock_gettime(CLOCK_REALTIME, &t);
    return (struct shared_time){
        .system = EPOCH_1601 + (uint64_t)t.tv_sec * 10000000 + (uint64_t)t.tv_nsec / 100,
        .interrupt = UPTIME,
    };
}

enum err machine_new(const struct process_options *options, struct machine **out, struct diag *why)
{
    static const int ours[] = {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO};
    struct machine *m = calloc(1, sizeof *m);

    if (!m)
        return diag_set(why, ERR_NOMEM, "the host is out of memory");
    m->last_id = IDS_ABOVE;
    m->host_time = options->host_time;
    m->placement = options->placement;
    memcpy(m->streams, options->streams ? options->streams : ours, sizeof m->streams);
    m->began = time_at_start(m->host_time);
    for (size_t i = 0; i < MACHINE_WIDTHS; i++) {
        m->dlls[i].root = (struct root){-1, -1};
        m->dlls[i].e = diag_set(&m->dlls[i].why, ERR_NOT_FOUND, "no DLLs are wanted");
    }
    object_init(&m->keyed.object, &keyed_event_class);
    *out = m;
    return ERR_OK;
}

/* ---- DLLs ------------------------------------------------------------------------------------- */

/* What to do about DLLs that are not there. */
static const char *remedy(enum cpu_arch arch)
{
    return arch == CPU_AMD64
               ? "run `make sysroot`, install the package libwine, or name a folder with --root"
               : "run `make sysroot`, install the package libwine:i386 (after dpkg "
                 "--add-architecture i386), or name a folder with --root";
}

/* Take the first of the usual folders that will do. */
static enum err open_usual_root(struct root *root, const char *const *roots, enum cpu_arch arch,
                                struct diag *why)
{
    const char *width = arch == CPU_AMD64 ? "64" : "32", *other = arch == CPU_AMD64 ? "32" : "64";
    struct diag unused;
    enum err e;

    (void)diag_set(why, ERR_NOT_FOUND, "no DLLs for %s-bit programs were found: %s", width,
                   remedy(arch));
    for (size_t i = 0; roots[i]; i++) {
        e = root_open(root, roots[i], arch, &unused);
        if (!e)
            return ERR_OK;
        if (e == ERR_UNSUPPORTED)
            (void)diag_set(why, e,
                           "no DLLs for %s-bit programs were found, only %s-bit ones in %.300s: %s",
                           width, other, roots[i], remedy(arch));
    }
    return ERR_NOT_FOUND;
}

void machine_find_dlls(struct machine *m, const struct process_options *options)
{
    for (size_t i = 0; i < MACHINE_WIDTHS; i++) {
        enum cpu_arch arch = (enum cpu_arch)i;

        m->dlls[i].e =
            options->root
                ? root_open(&m->dlls[i].root, options->root, arch, &m->dlls[i].why)
                : open_usual_root(&m->dlls[i].root, options->roots, arch, &m->dlls[i].why);
    }
}

enum err machine_root(const struct machine *m, enum cpu_arch arch, const struct root **out,
                      struct diag *why)
{
    if (m->dlls[arch].e) {
        if (why)
            *why = m->dlls[arch].why;
        return m->dlls[arch].e;
    }
    *out = &m->dlls[arch].root;
    return ERR_OK;
}

/* ---- Everything else -------------------------------------------------------------------------- */

static int dll_folder(const struct machine *m, enum cpu_arch width)
{
    return fcntl(m->dlls[width].root.system, F_DUPFD_CLOEXEC, 0);
}

/* Each width finds its own DLLs in System32; where there are both, the narrow ones are in SysWOW64 as well. */
static enum err add_systems(struct machine *m)
{
    bool narrow = !m->dlls[CPU_I386].e, wide = !m->dlls[CPU_AMD64].e;
    enum err e = ERR_OK;

    if (narrow)
        e = volumes_add_for(&m->volumes, CPU_I386, SYSTEM_VOLUME, dll_folder(m, CPU_I386));
    if (!e && wide)
        e = volumes_add_for(&m->volumes, CPU_AMD64, SYSTEM_VOLUME, dll_folder(m, CPU_AMD64));
    if (!e && narrow && wide)
        e = volumes_add(&m->volumes, NARROW_VOLUME, dll_folder(m, CPU_I386), false);
    return e;
}

enum err machine_furnish(struct machine *m, const struct process_options *options, struct diag *why)
{
    enum err e = drives_open(options, &m->volumes, why);

    if (!e && (volumes_add_temporary(&m->volumes, TEMP_VOLUME) || registry_new(&m->registry) ||
               add_systems(m)))
        e = diag_set(why, ERR_NOMEM, "the host is out of memory");
    if (!e && options->registry)
        e = registry_file_load(m->registry, options->registry, why);
    return e;
}

void machine_free(struct machine *m)
{
    if (!m)
        return;
    registry_free(m->registry);
    mapped_forget(&m->volumes);
    volumes_fini(&m->volumes);
    for (size_t i = 0; i < MACHINE_WIDTHS; i++)
        root_close(&m->dlls[i].root);
    events_watch(&m->events, false);
    free(m);
}

struct shared_time machine_now(const struct machine *m)
{
    return clock_now(m->running->clock);
}

uint32_t machine_id(struct machine *m)
{
    return m->last_id += ID_STEP;
}

/* Weyl's sequence, each number of it mixed as in splitmix64. */
uint64_t machine_random(struct machine *m)
{
    uint64_t x = m->began.system + ++m->drawn * 0x9e3779b97f4a7c15;

    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27) * 0x94d049bb133111eb;
    return x ^ x >> 31;
}
