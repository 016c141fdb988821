/* Making the kernel's side of a process: the DLL folder, standard handles. */
#include "nt/kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nt/machine.h"
#include "nt/parts.h"
#include "winstub/log.h"

#define SYSTEM_VOLUME "C:\\Windows\\System32"

static enum err add_streams(struct kernel *k, const int streams[3], struct diag *why)
{
    static const int ours[3] = {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO};
    static const uint32_t handles[3] = {HANDLE_STDIN, HANDLE_STDOUT, HANDLE_STDERR};

    for (size_t i = 0; i < 3; i++) {
        struct file *file = files_stream(streams ? streams[i] : ours[i]);
        nt_status st = STATUS_NO_MEMORY;

        if (file) {
            st = handles_put(&k->handles, &file->object, GENERIC_ALL, handles[i]);
            object_unref(&file->object);
        }
        if (st)
            return diag_set(why, ERR_NOMEM, "the host is out of memory");
    }
    return ERR_OK;
}

/* The process's own object is a part of the kernel and goes with it. */
static void free_process(struct object *object)
{
    (void)object;
}

/* As long as anything of the process runs, it has not ended. */
static bool process_signaled(struct object *object, const struct thread *by)
{
    (void)object;
    (void)by;
    return false;
}

const struct object_class process_class = {
    .name = "Process",
    .free = free_process,
    .signaled = process_signaled,
    .rights = {0x020410, 0x020bea, 0x121001, 0x1fffff},
};

/* What to do about DLLs that are not there. */
static const char *remedy(enum cpu_arch arch)
{
    return arch == CPU_AMD64
               ? "run `make sysroot`, install the package libwine, or name a folder with --root"
               : "run `make sysroot`, install the package libwine:i386 (after dpkg "
                 "--add-architecture i386), or name a folder with --root";
}

/* Take the first of the usual folders that will do. */
static enum err open_usual_root(struct kernel *k, const char *const *roots, enum cpu_arch arch,
                                struct diag *why)
{
    const char *width = arch == CPU_AMD64 ? "64" : "32", *other = arch == CPU_AMD64 ? "32" : "64";
    struct diag unused;
    enum err e;

    (void)diag_set(why, ERR_NOT_FOUND, "no DLLs for %s-bit programs were found: %s", width,
                   remedy(arch));
    for (size_t i = 0; roots[i]; i++) {
        e = root_open(&k->root, roots[i], arch, &unused);
        if (!e)
            return ERR_OK;
        if (e == ERR_UNSUPPORTED)
            (void)diag_set(why, e,
                           "no DLLs for %s-bit programs were found, only %s-bit ones in %.300s: %s",
                           width, other, roots[i], remedy(arch));
    }
    return ERR_NOT_FOUND;
}

static enum err open_root(struct kernel *k, const struct process_options *options,
                          enum cpu_arch arch, struct diag *why)
{
    return options->root ? root_open(&k->root, options->root, arch, why)
                         : open_usual_root(k, options->roots, arch, why);
}

enum err kernel_new(struct process *p, const struct process_options *options, struct diag *why)
{
    struct kernel *k = calloc(1, sizeof *k);
    enum err e;

    if (!k)
        return diag_set(why, ERR_NOMEM, "the host is out of memory");
    e = open_root(k, options, p->arch, why);
    if (e) {
        free(k);
        return e;
    }
    p->kernel = k;
    object_init(&k->process, &process_class);
    e = machine_new(options, &p->machine, why);
    if (e)
        return e;
    if (volumes_add(&p->machine->volumes, SYSTEM_VOLUME, fcntl(k->root.system, F_DUPFD_CLOEXEC, 0),
                    false))
        return diag_set(why, ERR_NOMEM, "the host is out of memory");
    return add_streams(k, options->streams, why);
}

void kernel_free(struct kernel *kernel)
{
    if (!kernel)
        return;
    handles_fini(&kernel->handles);
    numbers_fini(&kernel->numbers);
    root_close(&kernel->root);
    free(kernel);
}
