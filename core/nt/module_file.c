/*
 * The files behind a process's modules, as a debugger wants to read them by the guest's paths: the program's
 * own file on the host, the DLLs' in the folders that the guest sees, and made-up DLLs, whose file is what
 * lies in memory.
 */
#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nt/files.h"
#include "nt/kernel.h"
#include "nt/parts.h"

/* As NT compares paths; either separator will do. ASCII only: modules' names have no other letters. */
static bool same_path(const char *a, const char *b)
{
    for (; *a && *b; a++, b++) {
        char x = *a == '/' ? '\\' : (char)tolower((unsigned char)*a);
        char y = *b == '/' ? '\\' : (char)tolower((unsigned char)*b);

        if (x != y)
            return false;
    }
    return *a == *b;
}

/* Pages that are not there read as zeros. */
static void read_mapped(const struct vm *vm, const struct process_module *m, uint64_t offset,
                        uint8_t *dst, size_t len)
{
    size_t done = 0;

    memset(dst, 0, len);
    while (done < len) {
        gva_t at = m->base + offset + done;
        size_t got = vm_debug_read(vm, at, dst + done, len - done);

        done += got ? got : (size_t)(VM_PAGE_SIZE - at % VM_PAGE_SIZE);
    }
}

static enum err read_fd(int fd, uint64_t offset, void *dst, size_t len, size_t *got, uint64_t *size)
{
    struct stat st;
    ssize_t n = -1;

    if (!fstat(fd, &st) && offset <= INT64_MAX)
        n = pread(fd, dst, len, (off_t)offset);
    if (n < 0)
        return ERR_IO;
    *got = (size_t)n;
    *size = (uint64_t)st.st_size;
    return ERR_OK;
}

static enum err read_host(const char *path, uint64_t offset, void *dst, size_t len, size_t *got,
                          uint64_t *size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    enum err e;

    if (fd < 0)
        return ERR_NOT_FOUND;
    e = read_fd(fd, offset, dst, len, got, size);
    (void)close(fd);
    return e;
}

/* A DLL's file, as the guest itself would open it; the caller unrefs it. ERR_NOT_FOUND, ERR_NOMEM. */
static enum err open_guest(const struct process *p, const char *path, struct file **out)
{
    struct file *file;
    char *name;
    enum err e = ERR_NOT_FOUND;

    if (!p->kernel)
        return ERR_NOT_FOUND;
    if (asprintf(&name, "\\??\\%s", path) < 0)
        return ERR_NOMEM;
    if (!files_look(&p->kernel->volumes, name, &file)) {
        if (file->kind == FILE_REGULAR) {
            *out = file;
            e = ERR_OK;
        } else {
            object_unref(&file->object);
        }
    }
    free(name);
    return e;
}

static enum err read_guest(const struct process *p, const char *path, uint64_t offset, void *dst,
                           size_t len, size_t *got, uint64_t *size)
{
    struct file *file;
    enum err e = open_guest(p, path, &file);

    if (e)
        return e;
    e = read_fd(file->fd, offset, dst, len, got, size);
    object_unref(&file->object);
    return e;
}

enum err process_file(const struct process *p, const char *path, uint64_t offset, void *dst,
                      size_t len, size_t *got, uint64_t *size)
{
    for (size_t i = 0; i < p->module_count; i++) {
        const struct process_module *m = &p->modules[i].info;

        if (!same_path(m->path, path))
            continue;
        if (!m->made_up)
            return i == 0 ? read_host(p->host_path, offset, dst, len, got, size)
                          : read_guest(p, m->path, offset, dst, len, got, size);
        *size = m->size;
        *got = offset >= m->size ? 0 : len < m->size - offset ? len : (size_t)(m->size - offset);
        read_mapped(p->vm, m, offset, dst, *got);
        return ERR_OK;
    }
    return ERR_NOT_FOUND;
}

/* Is it the path of a module that has a file? */
static bool has_file(const struct process *p, const char *path)
{
    for (size_t i = 0; i < p->module_count; i++) {
        if (same_path(p->modules[i].info.path, path))
            return !p->modules[i].info.made_up;
    }
    return false;
}

enum err process_host_path(const struct process *p, const char *path, char *out, size_t size)
{
    struct file *file;
    char link[64];
    ssize_t len;
    enum err e = has_file(p, path) ? open_guest(p, path, &file) : ERR_NOT_FOUND;

    if (e)
        return e;
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", file->fd);
    len = readlink(link, out, size);
    object_unref(&file->object);
    if (len <= 0 || (size_t)len == size)
        return ERR_NOT_FOUND;
    out[len] = 0;
    return ERR_OK;
}
