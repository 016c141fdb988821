/*
 * Files as a debugger wants them by the guest's paths: the program's own on the host, made-up DLLs, whose file is what
 * lies in memory, and all that the guest itself could open; files.h decides what that is.
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
#include "nt/machine.h"
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
static void read_mapped(const struct vm *vm, gva_t base, uint64_t offset, uint8_t *dst, size_t len)
{
    size_t done = 0;

    memset(dst, 0, len);
    while (done < len) {
        gva_t at = base + offset + done;
        size_t got = vm_debug_read(vm, at, dst + done, len - done);

        done += got ? got : (size_t)(VM_PAGE_SIZE - at % VM_PAGE_SIZE);
    }
}

struct process_file {
    const struct vm *vm;
    bool made_up; /* what lies in memory */
    gva_t base;
    uint64_t size;       /* of that */
    struct file *guests; /* as the guest would open it; NULL: fd is ours */
    int fd;
    bool writable;
};

static enum err err_of(nt_status st)
{
    switch (st) {
    case STATUS_SUCCESS:
        return ERR_OK;
    case STATUS_OBJECT_NAME_NOT_FOUND:
    case STATUS_OBJECT_PATH_NOT_FOUND:
        return ERR_NOT_FOUND;
    case STATUS_OBJECT_NAME_COLLISION:
        return ERR_EXISTS;
    case STATUS_NO_MEMORY:
    case STATUS_INSUFFICIENT_RESOURCES:
        return ERR_NOMEM;
    case STATUS_ACCESS_DENIED:
    case STATUS_CANNOT_DELETE:
    case STATUS_SHARING_VIOLATION:
    case STATUS_DELETE_PENDING:
        return ERR_STATE;
    default:
        return ERR_INVALID;
    }
}

static uint32_t disposition(unsigned flags)
{
    if (flags & PROCESS_FILE_CREATE)
        return flags & PROCESS_FILE_NEW     ? DISPOSE_CREATE
               : flags & PROCESS_FILE_EMPTY ? DISPOSE_OVERWRITE_IF
                                            : DISPOSE_OPEN_IF;
    return flags & PROCESS_FILE_EMPTY ? DISPOSE_OVERWRITE : DISPOSE_OPEN;
}

/* A file of the guest's tree; the caller unrefs it. rights are beside reading; 0: only a look. */
static enum err open_guest(struct process *p, const char *path, unsigned flags, uint32_t rights,
                           struct file **out)
{
    struct file_request request = {
        .width = p->arch,
        .access = ACCESS_READ_DATA | ACCESS_READ_ATTRIBUTES | rights,
        .share = SHARE_READ | SHARE_WRITE | SHARE_DELETE,
        .disposition = disposition(flags),
        .options = OPTION_NO_DIRECTORY,
    };
    uint32_t how;
    char *name;
    nt_status st;

    if (!p->kernel)
        return ERR_NOT_FOUND;
    if (asprintf(&name, "\\??\\%s", path) < 0)
        return ERR_NOMEM;
    for (char *c = name; *c; c++) {
        if (*c == '/')
            *c = '\\';
    }
    st = rights ? files_create(&p->machine->volumes, name, &request, out, &how)
                : files_look(&p->machine->volumes, p->arch, name, out);
    free(name);
    if (st)
        return err_of(st);
    if ((*out)->kind == FILE_REGULAR)
        return ERR_OK;
    object_unref(&(*out)->object);
    return ERR_INVALID;
}

static const struct process_module *module_at(const struct process *p, const char *path)
{
    for (size_t i = 0; i < p->module_count; i++) {
        if (same_path(p->modules[i].info.path, path))
            return &p->modules[i].info;
    }
    return NULL;
}

static bool is_program(const struct process *p, const struct process_module *m)
{
    return m == &p->modules[0].info && !m->made_up;
}

/* The program's own file may lie outside all that the guest sees. */
static enum err open_program(const struct process *p, struct process_file *f)
{
    f->fd = open(p->host_path, O_RDONLY | O_CLOEXEC);
    return f->fd < 0 ? ERR_NOT_FOUND : ERR_OK;
}

static enum err open_any(struct process *p, const char *path, unsigned flags,
                         struct process_file *f)
{
    const struct process_module *m = module_at(p, path);
    enum err e;

    if (m && (m->made_up || is_program(p, m)) && flags)
        return ERR_STATE;
    if (m && m->made_up) {
        f->made_up = true;
        f->base = m->base;
        f->size = m->size;
        return ERR_OK;
    }
    if (m && is_program(p, m))
        return open_program(p, f);
    e = open_guest(p, path, flags, flags & PROCESS_FILE_WRITE ? ACCESS_WRITE_DATA : 0, &f->guests);
    if (!e)
        f->fd = f->guests->fd;
    return e;
}

enum err process_file_open(struct process *p, const char *path, unsigned flags,
                           struct process_file **out)
{
    struct process_file *f = calloc(1, sizeof *f);
    enum err e;

    if (!f)
        return ERR_NOMEM;
    f->vm = p->vm;
    f->fd = -1;
    f->writable = flags & PROCESS_FILE_WRITE;
    e = open_any(p, path, flags, f);
    if (e) {
        free(f);
        return e;
    }
    *out = f;
    return ERR_OK;
}

void process_file_close(struct process_file *f)
{
    if (!f)
        return;
    if (f->guests)
        object_unref(&f->guests->object);
    else if (f->fd >= 0)
        (void)close(f->fd);
    free(f);
}

enum err process_file_read(const struct process_file *f, uint64_t offset, void *dst, size_t len,
                           size_t *got, uint64_t *size)
{
    struct stat st;
    ssize_t n = -1;

    if (f->made_up) {
        *size = f->size;
        *got = offset >= f->size ? 0 : len < f->size - offset ? len : (size_t)(f->size - offset);
        read_mapped(f->vm, f->base, offset, dst, *got);
        return ERR_OK;
    }
    if (!fstat(f->fd, &st) && offset <= INT64_MAX)
        n = pread(f->fd, dst, len, (off_t)offset);
    if (n < 0)
        return ERR_IO;
    *got = (size_t)n;
    *size = (uint64_t)st.st_size;
    return ERR_OK;
}

enum err process_file_write(struct process_file *f, uint64_t offset, const void *src, size_t len)
{
    const uint8_t *at = src;

    if (!f->writable)
        return ERR_STATE;
    if (offset > INT64_MAX - len)
        return ERR_IO;
    while (len) {
        ssize_t n = pwrite(f->fd, at, len, (off_t)offset);

        if (n <= 0)
            return ERR_IO;
        at += n;
        offset += (uint64_t)n;
        len -= (size_t)n;
    }
    return ERR_OK;
}

enum err process_file_remove(struct process *p, const char *path)
{
    const struct process_module *m = module_at(p, path);
    struct file *file;
    nt_status st;
    enum err e = m ? ERR_STATE : open_guest(p, path, 0, ACCESS_DELETE, &file);

    if (e)
        return e;
    st = files_doom(file, true, true);
    object_unref(&file->object);
    return err_of(st);
}

enum err process_host_path(struct process *p, const char *path, char *out, size_t size)
{
    const struct process_module *m = module_at(p, path);
    struct file *file;
    bool known;
    enum err e = m && !m->made_up ? open_guest(p, path, 0, 0, &file) : ERR_NOT_FOUND;

    if (e)
        return e;
    known = files_host_path(file, out, size);
    object_unref(&file->object);
    return known ? ERR_OK : ERR_NOT_FOUND;
}
