/* Guest paths and opened files; the contract is in files.h. */
#include "nt/files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nt/root.h"

void volumes_add(struct volumes *volumes, const char *name, int folder)
{
    volumes->list[volumes->count++] = (struct volume){name, folder};
}

void volumes_fini(struct volumes *volumes)
{
    for (size_t i = 0; i < volumes->count; i++) {
        if (volumes->list[i].folder >= 0)
            (void)close(volumes->list[i].folder);
    }
    volumes->count = 0;
}

static void free_file(struct object *object)
{
    struct file *file = (struct file *)object;

    if (file->fd >= 0 && file->kind != FILE_STREAM)
        (void)close(file->fd);
    free(file->path);
    free(file);
}

/* Whatever was asked of a file is done when the service returns. */
static bool file_signaled(struct object *object, const struct thread *by)
{
    (void)object;
    (void)by;
    return true;
}

const struct object_class file_class = {
    .name = "File",
    .free = free_file,
    .signaled = file_signaled,
};

/* Takes over fd, also when it fails. */
static struct file *new_file(enum file_kind kind, int fd, const char *path)
{
    struct file *file = calloc(1, sizeof *file);

    if (file)
        file->path = strdup(path);
    if (!file || !file->path) {
        free(file);
        if (fd >= 0 && kind != FILE_STREAM)
            (void)close(fd);
        return NULL;
    }
    object_init(&file->object, &file_class);
    file->kind = kind;
    file->fd = fd;
    return file;
}

struct file *files_stream(int fd)
{
    return new_file(FILE_STREAM, fd, "");
}

nt_status files_get(const struct handles *handles, uint64_t handle, struct file **out)
{
    struct object *object = NULL;
    nt_status st = handles_get(handles, handle, &file_class, &object);

    *out = (struct file *)object;
    return st;
}

/* ---- Paths ------------------------------------------------------------------------------------ */

/* Cut off the part that names the DOS devices. NULL: the path has none. */
static const char *strip_devices(const char *path)
{
    static const char *const prefixes[] = {"\\??\\", "\\DosDevices\\", "\\GLOBAL??\\"};

    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        size_t len = strlen(prefixes[i]);

        if (strncasecmp(path, prefixes[i], len) == 0)
            return path + len;
    }
    return NULL;
}

/* Is folder, whole components, the beginning of path? Then *rest is what follows, without the separator. */
static bool begins_with(const char *path, const char *folder, const char **rest)
{
    size_t len = strlen(folder);

    if (strncasecmp(path, folder, len) != 0 || (path[len] && path[len] != '\\'))
        return false;
    *rest = path + len + (path[len] == '\\');
    return true;
}

/* Copy the next component of *rest. STATUS_OBJECT_NAME_INVALID: it is no file name, or too long for the host. */
static nt_status next_part(const char **rest, char part[NAME_MAX + 1])
{
    size_t len = strcspn(*rest, "\\");

    if (!len || len > NAME_MAX)
        return STATUS_OBJECT_NAME_INVALID;
    memcpy(part, *rest, len);
    part[len] = 0;
    *rest += len + ((*rest)[len] == '\\');
    if (strcmp(part, ".") == 0 || strcmp(part, "..") == 0)
        return STATUS_OBJECT_NAME_INVALID;
    for (const char *c = part; *c; c++) {
        if ((unsigned char)*c < 0x20 || strchr("/:*?\"<>|", *c))
            return STATUS_OBJECT_NAME_INVALID;
    }
    return STATUS_SUCCESS;
}

/* Why the host did not open a component. */
static nt_status refusal(bool last)
{
    switch (errno) {
    case ENOENT:
    case ENOTDIR:
        return last ? STATUS_OBJECT_NAME_NOT_FOUND : STATUS_OBJECT_PATH_NOT_FOUND;
    case ENAMETOOLONG:
        return STATUS_OBJECT_NAME_INVALID;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
        return STATUS_INSUFFICIENT_RESOURCES;
    default: /* a symbolic link (ELOOP) is not there for the guest to open, nor is what it may not read */
        return STATUS_ACCESS_DENIED;
    }
}

/* Open rest, component by component, below the folder. */
static nt_status walk(int folder, const char *rest, int *out)
{
    char part[NAME_MAX + 1];
    int at = folder < 0 ? -1 : openat(folder, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    nt_status st = at < 0 ? STATUS_OBJECT_PATH_NOT_FOUND : STATUS_SUCCESS;

    while (!st && *rest) {
        int next = -1;

        st = next_part(&rest, part);
        if (!st) {
            next = root_open_entry(at, part, *rest ? O_PATH | O_DIRECTORY : O_RDONLY | O_NONBLOCK);
            st = next < 0 ? refusal(!*rest) : STATUS_SUCCESS;
        }
        (void)close(at);
        at = next;
    }
    *out = at;
    return st;
}

/* Does a volume's name lie at or below path? Then path is a folder, whatever the host has. */
static bool leads_to_volume(const struct volumes *volumes, const char *path)
{
    const char *rest;
    char folder[64];
    size_t len = strlen(path);

    if (!len || len >= sizeof folder)
        return false;
    memcpy(folder, path, len + 1);
    if (folder[len - 1] == '\\')
        folder[len - 1] = 0;
    for (size_t i = 0; i < volumes->count; i++) {
        if (begins_with(volumes->list[i].name, folder, &rest))
            return true;
    }
    return false;
}

/* The volume with the longest name that path begins with. */
static const struct volume *find_volume(const struct volumes *volumes, const char *path,
                                        const char **rest)
{
    const struct volume *found = NULL;
    const char *after;

    for (size_t i = 0; i < volumes->count; i++) {
        if (begins_with(path, volumes->list[i].name, &after) &&
            (!found || strlen(found->name) < strlen(volumes->list[i].name))) {
            found = &volumes->list[i];
            *rest = after;
        }
    }
    return found;
}

static nt_status kind_of(int fd, enum file_kind *kind)
{
    struct stat st;

    if (fstat(fd, &st))
        return STATUS_ACCESS_DENIED;
    if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
        return STATUS_ACCESS_DENIED;
    *kind = S_ISREG(st.st_mode) ? FILE_REGULAR : FILE_FOLDER;
    return STATUS_SUCCESS;
}

nt_status files_open(const struct volumes *volumes, const char *path, struct file **out)
{
    const char *dos = strip_devices(path), *rest = "";
    const struct volume *volume;
    enum file_kind kind = FILE_FOLDER;
    nt_status st;
    int fd = -1;

    if (!dos)
        return *path == '\\' ? STATUS_OBJECT_NAME_NOT_FOUND : STATUS_OBJECT_PATH_SYNTAX_BAD;
    volume = find_volume(volumes, dos, &rest);
    st = volume ? walk(volume->folder, rest, &fd) : STATUS_OBJECT_PATH_NOT_FOUND;
    if (st && leads_to_volume(volumes, dos)) {
        st = STATUS_SUCCESS;
    } else if (!st) {
        st = kind_of(fd, &kind);
        if (st)
            (void)close(fd);
    }
    if (st)
        return st;
    *out = new_file(kind, fd, dos);
    return *out ? STATUS_SUCCESS : STATUS_NO_MEMORY;
}
