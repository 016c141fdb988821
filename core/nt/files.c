/* Opened files, and the host files behind them; the contract is in files.h. */
#include "nt/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "nt/listing.h"
#include "nt/locks.h"
#include "nt/mapped.h"
#include "nt/notices.h"
#include "nt/pipes.h"
#include "nt/ports.h"

#define GENERIC_READ_BIT    0x80000000u
#define GENERIC_WRITE_BIT   0x40000000u
#define GENERIC_EXECUTE_BIT 0x20000000u
#define GENERIC_ALL_BIT     0x10000000u
#define MAXIMUM_BIT         0x02000000u

#define MAPPED_READ    0x120089u
#define MAPPED_WRITE   0x120116u
#define MAPPED_EXECUTE 0x1200a0u

/* What changes the file, its name or its folder. */
#define CHANGES                                                                                    \
    (ACCESS_WRITE_DATA | ACCESS_APPEND_DATA | ACCESS_WRITE_EA | ACCESS_DELETE_CHILD |              \
     ACCESS_WRITE_ATTRIBUTES | ACCESS_DELETE | ACCESS_WRITE_DAC | ACCESS_WRITE_OWNER)

#define MODE_FILE   0666
#define MODE_FOLDER 0777
#define MODE_WRITE  0222

/* ---- Objects ---------------------------------------------------------------------------------- */

struct file *files_next_same(const struct file *file, struct file *at)
{
    while (at && (at == file || at->inode != file->inode || at->device != file->device))
        at = at->next;
    return at;
}

struct file *files_first_same(const struct file *file)
{
    return files_next_same(file, file->volumes->open);
}

/* The last one who has it open by that name takes the name away; others are left to do that. */
static void let_go(struct file *file)
{
    bool last = true;

    for (struct file *at = files_first_same(file); at; at = files_next_same(file, at->next)) {
        if (strcasecmp(at->path, file->path) == 0) {
            at->doomed = true;
            last = false;
        }
    }
    if (last)
        files_take_away(file);
}

static void leave_list(struct file *file)
{
    if (!file->link)
        return;
    *file->link = file->next;
    if (file->next)
        file->next->link = file->link;
    file->link = NULL;
}

static void free_file(struct object *object)
{
    struct file *file = (struct file *)object;

    if (file->doomed)
        let_go(file);
    leave_list(file);
    if (file->fd >= 0 && file->kind != FILE_STREAM)
        (void)close(file->fd);
    listing_free(file->listing);
    locks_free(file->locks);
    pipe_free(file->pipe);
    notices_free(file);
    object_unref(file->port ? &file->port->object : NULL);
    free(file->path);
    free(file);
}

static void close_file(struct object *object)
{
    struct file *file = (struct file *)object;

    if (file->pipe)
        pipe_close(file->pipe);
    notices_end(file, STATUS_NOTIFY_CLEANUP);
}

static bool file_signaled(struct object *object, const struct thread *by)
{
    (void)by;
    return ((struct file *)object)->signaled;
}

const struct object_class file_class = {
    .name = "File",
    .free = free_file,
    .closed = close_file,
    .signaled = file_signaled,
};

struct file *files_new(enum file_kind kind, int fd, char *path)
{
    struct file *file = path ? calloc(1, sizeof *file) : NULL;

    if (!file) {
        free(path);
        if (fd >= 0 && kind != FILE_STREAM)
            (void)close(fd);
        return NULL;
    }
    object_init(&file->object, &file_class);
    file->kind = kind;
    file->fd = fd;
    file->path = path;
    file->access = ACCESS_ALL_OF_FILE;
    file->signaled = true;
    return file;
}

struct file *files_stream(int fd)
{
    return files_new(FILE_STREAM, fd, strdup(""));
}

nt_status files_get(const struct handles *handles, uint64_t handle, struct file **out)
{
    struct object *object = NULL;
    nt_status st = handle == HANDLE_CURRENT_PROCESS || handle == HANDLE_CURRENT_THREAD
                       ? STATUS_OBJECT_TYPE_MISMATCH
                       : handles_get(handles, handle, &file_class, &object);

    *out = (struct file *)object;
    return st;
}

nt_status files_use(const struct handles *handles, uint64_t handle, uint32_t access,
                    struct file **out)
{
    nt_status st = files_get(handles, handle, out);

    if (!st && (*out)->kind != FILE_STREAM && !(handles_entry(handles, handle)->access & access))
        st = STATUS_ACCESS_DENIED;
    return st;
}

nt_status files_stat(const struct file *file, struct stat *out)
{
    *out = (struct stat){.st_mode = file->kind == FILE_FOLDER ? S_IFDIR | MODE_FOLDER
                                                              : S_IFREG | MODE_FILE};
    if (file->fd < 0 || file->kind == FILE_STREAM)
        return STATUS_SUCCESS;
    return fstat(file->fd, out) ? STATUS_ACCESS_DENIED : STATUS_SUCCESS;
}

bool files_host_path(const struct file *file, char *out, size_t size)
{
    char link[64];
    ssize_t len;

    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", file->fd);
    len = readlink(link, out, size);
    if (len <= 0 || (size_t)len == size)
        return false;
    out[len] = 0;
    return true;
}

uint32_t files_attributes(const struct stat *host)
{
    uint32_t attributes = host->st_mode & MODE_WRITE ? 0 : ATTRIBUTE_READONLY;

    return attributes | (S_ISDIR(host->st_mode) ? ATTRIBUTE_DIRECTORY : ATTRIBUTE_ARCHIVE);
}

/* ---- Opening ---------------------------------------------------------------------------------- */

uint32_t files_map_access(uint32_t access, bool writable)
{
    uint32_t mapped = access & ACCESS_ALL_OF_FILE;

    if (access & GENERIC_READ_BIT)
        mapped |= MAPPED_READ;
    if (access & GENERIC_WRITE_BIT)
        mapped |= MAPPED_WRITE;
    if (access & GENERIC_EXECUTE_BIT)
        mapped |= MAPPED_EXECUTE;
    if (access & GENERIC_ALL_BIT)
        mapped |= ACCESS_ALL_OF_FILE;
    if (access & MAXIMUM_BIT)
        mapped |= writable ? ACCESS_ALL_OF_FILE : ACCESS_ALL_OF_FILE & ~CHANGES;
    return mapped;
}

static bool replaces(uint32_t disposition)
{
    return disposition == DISPOSE_SUPERSEDE || disposition == DISPOSE_OVERWRITE ||
           disposition == DISPOSE_OVERWRITE_IF;
}

static nt_status check_request(const struct file_request *r, uint32_t access)
{
    if (r->disposition > DISPOSE_OVERWRITE_IF || r->share & ~7u ||
        (r->options & OPTION_SYNC && r->options & OPTION_SYNC_ALERT))
        return STATUS_INVALID_PARAMETER;
    if (r->options & (OPTION_SYNC | OPTION_SYNC_ALERT) && !(access & ACCESS_SYNCHRONIZE))
        return STATUS_INVALID_PARAMETER;
    if (r->options & OPTION_DELETE_ON_CLOSE && !(access & ACCESS_DELETE))
        return STATUS_INVALID_PARAMETER;
    if (r->options & OPTION_DIRECTORY &&
        (r->options & OPTION_NO_DIRECTORY || replaces(r->disposition)))
        return STATUS_INVALID_PARAMETER;
    return r->options & OPTION_BY_ID ? STATUS_NOT_IMPLEMENTED : STATUS_SUCCESS;
}

static bool wants_to_write(uint32_t access)
{
    return access & (ACCESS_WRITE_DATA | ACCESS_APPEND_DATA);
}

/* May a file with these rights and this sharing be open beside the one that is? */
static bool goes_beside(const struct file *open, uint32_t access, uint32_t share)
{
    static const struct {
        uint32_t access, share;
    } pairs[] = {
        {ACCESS_READ_DATA | ACCESS_EXECUTE, SHARE_READ},
        {ACCESS_WRITE_DATA | ACCESS_APPEND_DATA, SHARE_WRITE},
        {ACCESS_DELETE, SHARE_DELETE},
    };
    uint32_t all =
        ACCESS_READ_DATA | ACCESS_EXECUTE | ACCESS_WRITE_DATA | ACCESS_APPEND_DATA | ACCESS_DELETE;

    if (!(access & all) || !(open->access & all))
        return true;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        if ((access & pairs[i].access && !(open->share & pairs[i].share)) ||
            (open->access & pairs[i].access && !(share & pairs[i].share)))
            return false;
    }
    return true;
}

/* Does who has it open already stand in the way? */
static nt_status check_sharing(const struct file *file)
{
    for (struct file *at = files_first_same(file); at; at = files_next_same(file, at->next)) {
        if (at->doomed && strcasecmp(at->path, file->path) == 0)
            return STATUS_DELETE_PENDING;
        if (!goes_beside(at, file->access, file->share))
            return STATUS_SHARING_VIOLATION;
    }
    return STATUS_SUCCESS;
}

/* Open the host's entry; *kind as it is found. */
static nt_status open_entry(const struct place *place, uint32_t access, int *fd, struct stat *host)
{
    int flags = O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC;
    const char *name = *place->name ? place->name : ".";

    *fd = -1;
    if (fstatat(place->folder, name, host, AT_SYMLINK_NOFOLLOW))
        return volumes_refusal(errno, true);
    if (!S_ISREG(host->st_mode) && !S_ISDIR(host->st_mode))
        return STATUS_ACCESS_DENIED;
    if (S_ISREG(host->st_mode) && wants_to_write(access))
        *fd = openat(place->folder, name, flags | O_RDWR);
    else
        *fd = openat(place->folder, name, flags | O_RDONLY);
    if (*fd < 0)
        return volumes_refusal(errno, true);
    return fstat(*fd, host) ? volumes_refusal(errno, true) : STATUS_SUCCESS;
}

/* Do the request and what is there fit together? */
static nt_status check_existing(const struct place *place, const struct file_request *r,
                                uint32_t access, const struct stat *host)
{
    bool folder = S_ISDIR(host->st_mode);
    bool readonly = !(host->st_mode & MODE_WRITE);

    if (r->disposition == DISPOSE_CREATE)
        return STATUS_OBJECT_NAME_COLLISION;
    if (folder && r->options & OPTION_NO_DIRECTORY)
        return STATUS_FILE_IS_A_DIRECTORY;
    if (folder && replaces(r->disposition))
        return STATUS_OBJECT_NAME_COLLISION;
    if (!folder && r->options & OPTION_DIRECTORY)
        return STATUS_NOT_A_DIRECTORY;
    if (!folder && place->as_folder)
        return STATUS_OBJECT_NAME_INVALID;
    if (!place->volume->writable && (access & CHANGES || replaces(r->disposition)))
        return STATUS_ACCESS_DENIED;
    if (!folder && readonly && (wants_to_write(access) || replaces(r->disposition)))
        return STATUS_ACCESS_DENIED;
    if (readonly && r->options & OPTION_DELETE_ON_CLOSE)
        return STATUS_CANNOT_DELETE;
    return STATUS_SUCCESS;
}

/* Make the entry that is not there. */
static nt_status make_entry(const struct place *place, const struct file_request *r, int *fd)
{
    bool folder = r->options & OPTION_DIRECTORY;
    mode_t mode = r->attributes & ATTRIBUTE_READONLY && !folder ? 0444 : MODE_FILE;

    *fd = -1;
    if (!volumes_is_name(place->name) || (place->as_folder && !folder))
        return STATUS_OBJECT_NAME_INVALID;
    if (!place->volume->writable)
        return STATUS_ACCESS_DENIED;
    if (folder && mkdirat(place->folder, place->name, MODE_FOLDER))
        return volumes_refusal(errno, true);
    if (folder)
        *fd = openat(place->folder, place->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    else
        *fd = openat(place->folder, place->name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                     mode);
    return *fd < 0 ? volumes_refusal(errno, true) : STATUS_SUCCESS;
}

/* Make the object over fd, which it takes, and enter it in the list. */
static nt_status adopt(struct volumes *volumes, struct place *place, int fd, uint32_t access,
                       const struct file_request *r, struct file **out)
{
    struct stat host = {.st_mode = S_IFDIR};
    struct file *file;

    if (fd >= 0 && fstat(fd, &host)) {
        (void)close(fd);
        return STATUS_ACCESS_DENIED;
    }
    file = files_new(S_ISDIR(host.st_mode) ? FILE_FOLDER : FILE_REGULAR, fd, place->path);
    place->path = NULL;
    if (!file)
        return STATUS_NO_MEMORY;
    file->access = access;
    file->share = r->share;
    file->options = r->options;
    file->writable = place->volume && place->volume->writable;
    file->device = host.st_dev;
    file->inode = host.st_ino;
    file->volumes = volumes;
    file->width = r->width;
    *out = file;
    return STATUS_SUCCESS;
}

static void enter_list(struct file *file)
{
    file->next = file->volumes->open;
    file->link = &file->volumes->open;
    if (file->next)
        file->next->link = &file->next;
    file->volumes->open = file;
}

/* A folder that is only part of volumes' names. */
static nt_status open_virtual(struct volumes *volumes, struct place *place,
                              const struct file_request *r, uint32_t access, struct file **out)
{
    if (r->disposition == DISPOSE_CREATE || replaces(r->disposition))
        return STATUS_OBJECT_NAME_COLLISION;
    if (r->options & OPTION_NO_DIRECTORY)
        return STATUS_FILE_IS_A_DIRECTORY;
    if (access & CHANGES)
        return STATUS_ACCESS_DENIED;
    return adopt(volumes, place, -1, access, r, out);
}

static nt_status open_existing(struct volumes *volumes, struct place *place,
                               const struct file_request *r, uint32_t access, struct file **out)
{
    struct stat host;
    int fd;
    nt_status st =
        open_entry(place, access | (replaces(r->disposition) ? ACCESS_WRITE_DATA : 0), &fd, &host);

    if (!st)
        st = check_existing(place, r, access, &host);
    if (st) {
        if (fd >= 0)
            (void)close(fd);
        return st;
    }
    st = adopt(volumes, place, fd, access, r, out);
    return st ? st : check_sharing(*out);
}

static nt_status create_new(struct volumes *volumes, struct place *place,
                            const struct file_request *r, uint32_t access, struct file **out)
{
    int fd;
    nt_status st = make_entry(place, r, &fd);

    return st ? st : adopt(volumes, place, fd, access, r, out);
}

/* Open or create at the place; the file is not in the list yet. */
static nt_status open_place(struct volumes *volumes, struct place *place,
                            const struct file_request *r, uint32_t access, struct file **out,
                            uint32_t *how)
{
    nt_status st;

    *how = FILE_WAS_OPENED;
    if (!place->volume)
        return open_virtual(volumes, place, r, access, out);
    if (!place->exists) {
        *how = FILE_WAS_CREATED;
        if (r->disposition == DISPOSE_OPEN || r->disposition == DISPOSE_OVERWRITE)
            return STATUS_OBJECT_NAME_NOT_FOUND;
        return create_new(volumes, place, r, access, out);
    }
    st = open_existing(volumes, place, r, access, out);
    if (!st && replaces(r->disposition)) {
        *how = r->disposition == DISPOSE_SUPERSEDE ? FILE_WAS_SUPERSEDED : FILE_WAS_OVERWRITTEN;
        if (!mapped_may_be_cut(*out, 0))
            st = STATUS_USER_MAPPED_FILE;
        else if (ftruncate((*out)->fd, 0))
            st = volumes_refusal(errno, true);
        else if (r->attributes & ATTRIBUTE_READONLY)
            (void)fchmod((*out)->fd, 0444);
    }
    return st;
}

static nt_status open_null(struct file **out)
{
    *out = files_new(FILE_NULL, -1, strdup(""));
    return *out ? STATUS_SUCCESS : STATUS_NO_MEMORY;
}

/* Tell who watches what has come, or lost what it held. */
static void tell_of(const struct file *file, uint32_t how)
{
    if (how == FILE_WAS_CREATED)
        notices_tell(file->volumes, file->path, notices_name(file), NOTICE_ADDED);
    else if (how != FILE_WAS_OPENED)
        notices_tell(file->volumes, file->path, NOTICE_SIZE | NOTICE_WRITTEN | NOTICE_ATTRIBUTES,
                     NOTICE_MODIFIED);
}

nt_status files_create(struct volumes *volumes, const char *path, const struct file_request *r,
                       struct file **out, uint32_t *how)
{
    struct file *file = NULL;
    struct place place;
    uint32_t access;
    nt_status st;

    *how = FILE_WAS_OPENED;
    if (volumes_is_null(path))
        return open_null(out);
    st = volumes_find(volumes, r->width, path, &place);
    if (st)
        return st;
    access = files_map_access(r->access, place.volume && place.volume->writable);
    st = check_request(r, access);
    if (!st)
        st = open_place(volumes, &place, r, access, &file, how);
    place_fini(&place);
    if (st) {
        object_unref(file ? &file->object : NULL);
        return st;
    }
    enter_list(file);
    file->doomed = r->options & OPTION_DELETE_ON_CLOSE;
    tell_of(file, *how);
    *out = file;
    return STATUS_SUCCESS;
}

nt_status files_look(struct volumes *volumes, enum cpu_arch width, const char *path,
                     struct file **out)
{
    const struct file_request look = {.width = width,
                                      .access = ACCESS_READ_ATTRIBUTES,
                                      .share = SHARE_READ | SHARE_WRITE | SHARE_DELETE,
                                      .disposition = DISPOSE_OPEN};
    uint32_t how;

    return files_create(volumes, path, &look, out, &how);
}
