/* Names of files that go and come: deleting and renaming; the contract is in files.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "nt/files.h"
#include "nt/listing.h"
#include "nt/notices.h"

#define MODE_WRITE 0222

/* Find the entry by which the file was opened. STATUS_OBJECT_NAME_NOT_FOUND: another file has its name now. */
static nt_status find_own(const struct file *file, struct place *out)
{
    struct stat host;
    char *path;
    nt_status st;

    if (asprintf(&path, "\\??\\%s", file->path) < 0)
        return STATUS_NO_MEMORY;
    st = volumes_find(file->volumes, file->width, path, out);
    free(path);
    if (st)
        return st;
    if (out->volume && out->exists && *out->name &&
        !fstatat(out->folder, out->name, &host, AT_SYMLINK_NOFOLLOW) &&
        host.st_dev == file->device && host.st_ino == file->inode)
        return STATUS_SUCCESS;
    place_fini(out);
    return STATUS_OBJECT_NAME_NOT_FOUND;
}

void files_take_away(const struct file *file)
{
    struct place place;

    if (find_own(file, &place))
        return;
    if (!unlinkat(place.folder, place.name, file->kind == FILE_FOLDER ? AT_REMOVEDIR : 0))
        notices_tell(file->volumes, file->path, notices_name(file), NOTICE_REMOVED);
    place_fini(&place);
}

/* Is there an opened file below that folder? */
static bool has_open_below(const struct file *folder)
{
    size_t len = strlen(folder->path);

    for (const struct file *at = folder->volumes->open; at; at = at->next) {
        if (strncasecmp(at->path, folder->path, len) == 0 && at->path[len] == '\\')
            return true;
    }
    return false;
}

/* Take the name away while the file is open: what is not empty stays. */
static nt_status take_name(struct file *file)
{
    struct place place;
    nt_status st = find_own(file, &place);

    if (st)
        return st == STATUS_OBJECT_NAME_NOT_FOUND ? STATUS_ACCESS_DENIED : st;
    if (unlinkat(place.folder, place.name, file->kind == FILE_FOLDER ? AT_REMOVEDIR : 0))
        st = volumes_refusal(errno, true);
    else
        notices_tell(file->volumes, file->path, notices_name(file), NOTICE_REMOVED);
    place_fini(&place);
    return st;
}

nt_status files_doom(struct file *file, bool doomed, bool at_once)
{
    struct stat host;
    bool empty = true;
    nt_status st = STATUS_SUCCESS;

    if (!file->writable || (file->kind != FILE_REGULAR && file->kind != FILE_FOLDER))
        return STATUS_ACCESS_DENIED;
    if (doomed)
        st = files_stat(file, &host);
    if (!st && doomed && !(host.st_mode & MODE_WRITE))
        st = STATUS_CANNOT_DELETE;
    if (!st && doomed && file->kind == FILE_FOLDER)
        st = listing_is_empty(file->fd, &empty);
    if (!st && !empty)
        st = STATUS_DIRECTORY_NOT_EMPTY;
    if (!st && doomed && at_once)
        return take_name(file);
    if (!st) {
        file->doomed = doomed;
        for (struct file *at = files_first_same(file); at; at = files_next_same(file, at->next)) {
            if (strcasecmp(at->path, file->path) != 0)
                continue;
            at->doomed = doomed;
            if (doomed)
                notices_end(at, STATUS_DELETE_PENDING);
        }
    }
    return st;
}

/* May what is there be replaced by a rename? */
static nt_status check_target(const struct file *file, const struct place *to, bool replace,
                              bool *same)
{
    struct file target = {.volumes = file->volumes};
    struct stat host;

    *same = false;
    if (!to->exists)
        return STATUS_SUCCESS;
    if (!to->volume || !*to->name)
        return STATUS_ACCESS_DENIED;
    if (fstatat(to->folder, to->name, &host, AT_SYMLINK_NOFOLLOW))
        return volumes_refusal(errno, true);
    *same = host.st_dev == file->device && host.st_ino == file->inode;
    if (*same)
        return STATUS_SUCCESS;
    if (!replace)
        return STATUS_OBJECT_NAME_COLLISION;
    target.device = host.st_dev;
    target.inode = host.st_ino;
    if (!S_ISREG(host.st_mode) || file->kind == FILE_FOLDER || !(host.st_mode & MODE_WRITE) ||
        files_first_same(&target))
        return STATUS_ACCESS_DENIED;
    return STATUS_SUCCESS;
}

/* The guest path of the place, whose last component is spelled like that; malloc'd, NULL when memory is short. */
static char *path_at(const struct place *to, const char *last)
{
    size_t stem = strlen(to->path) - strlen(to->name);
    char *path;

    return asprintf(&path, "%.*s%s", (int)stem, to->path, last) < 0 ? NULL : path;
}

/* All who have it open know it by its new name from now on. */
static nt_status take_path(struct file *file, const struct place *to, const char *last)
{
    for (struct file *at = file->volumes->open; at; at = at->next) {
        char *path;

        if (at->inode != file->inode || at->device != file->device)
            continue;
        path = path_at(to, last);
        if (!path)
            return STATUS_NO_MEMORY;
        free(at->path);
        at->path = path;
    }
    return STATUS_SUCCESS;
}

/* Tell who watches the folder that the file has one more name there. */
static nt_status tell_of_link(const struct file *file, const struct place *to, const char *last)
{
    char *path = path_at(to, last);

    if (!path)
        return STATUS_NO_MEMORY;
    notices_tell(file->volumes, path, NOTICE_FILE_NAME, NOTICE_ADDED);
    free(path);
    return STATUS_SUCCESS;
}

static nt_status move(struct file *file, const struct place *from, const struct place *to,
                      const char *last, bool replace, bool link)
{
    bool same;
    nt_status st = check_target(file, to, replace, &same);

    if (st)
        return st;
    if (link && to->exists && !same && unlinkat(to->folder, to->name, 0))
        return volumes_refusal(errno, true);
    if (link && linkat(from->folder, from->name, to->folder, last, 0))
        return volumes_refusal(errno, true);
    if (link)
        return tell_of_link(file, to, last);
    if (renameat(from->folder, from->name, to->folder, last))
        return volumes_refusal(errno, true);
    if (to->exists && !same && strcmp(to->name, last) != 0) /* it was there in another case */
        (void)unlinkat(to->folder, to->name, 0);
    st = take_path(file, to, last);
    notices_tell_move(file->volumes, from->path, file->path, notices_name(file));
    return st;
}

nt_status files_rename(struct file *file, const char *to, bool replace, bool link)
{
    const char *slash = strrchr(to, '\\');
    const char *last = slash ? slash + 1 : to;
    struct place source, target;
    nt_status st;

    if (!file->writable || (file->kind == FILE_FOLDER && (link || has_open_below(file))))
        return STATUS_ACCESS_DENIED;
    if (!volumes_is_name(last))
        return STATUS_OBJECT_NAME_INVALID;
    st = find_own(file, &source);
    if (st)
        return st;
    st = volumes_find(file->volumes, file->width, to, &target);
    if (!st) {
        if (!target.volume || !target.volume->writable)
            st = STATUS_ACCESS_DENIED;
        else
            st = move(file, &source, &target, last, replace, link);
        place_fini(&target);
    }
    place_fini(&source);
    return st;
}
