/* Guest paths and the host folders behind them; the contract is in volumes.h. */
#include "nt/volumes.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nt/root.h"
#include "winstub/log.h"

#define DEPTH_MAX 64 /* of folders in a temporary one that is taken away */

/* ---- The list --------------------------------------------------------------------------------- */

static enum err add(struct volumes *volumes, const struct volume *volume)
{
    if (volumes->count == VOLUMES_MAX || !volume->name) {
        if (volume->folder >= 0)
            (void)close(volume->folder);
        free(volume->name);
        free(volume->temporary);
        return volume->name ? ERR_LIMIT : ERR_NOMEM;
    }
    volumes->list[volumes->count++] = *volume;
    return ERR_OK;
}

enum err volumes_add(struct volumes *volumes, const char *name, int folder, bool writable)
{
    return add(volumes,
               &(struct volume){.name = strdup(name), .folder = folder, .writable = writable});
}

enum err volumes_add_for(struct volumes *volumes, enum cpu_arch width, const char *name, int folder)
{
    struct volume volume = {.name = strdup(name), .folder = folder, .hidden = {true, true}};

    volume.hidden[width] = false;
    return add(volumes, &volume);
}

enum err volumes_add_temporary(struct volumes *volumes, const char *name)
{
    const char *where = getenv("TMPDIR");
    char *folder;

    if (asprintf(&folder, "%s/winstub-XXXXXX", where && *where ? where : "/tmp") < 0)
        return ERR_NOMEM;
    return add(volumes,
               &(struct volume){
                   .name = strdup(name), .folder = -1, .writable = true, .temporary = folder});
}

/* Make the folder of a temporary volume when it is first needed. */
static void make_temporary(struct volume *volume)
{
    if (!volume->temporary || volume->made)
        return;
    volume->made = mkdtemp(volume->temporary) != NULL;
    if (volume->made)
        volume->folder = open(volume->temporary, O_PATH | O_DIRECTORY | O_CLOEXEC);
    LOG(nt, "%s is %s", volume->name, volume->made ? volume->temporary : "not to be had");
}

/* Empty a folder without following links; takes over fd. */
static void remove_entries(int fd, unsigned depth)
{
    DIR *dir = fdopendir(fd);
    const struct dirent *entry;

    if (!dir) {
        (void)close(fd);
        return;
    }
    while ((entry = readdir(dir)) != NULL) {
        int below;

        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
            !unlinkat(fd, entry->d_name, 0) || !depth)
            continue;
        below = openat(fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (below >= 0)
            remove_entries(below, depth - 1);
        (void)unlinkat(fd, entry->d_name, AT_REMOVEDIR);
    }
    (void)closedir(dir);
}

static void remove_temporary(const struct volume *volume)
{
    int fd = open(volume->temporary, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd >= 0)
        remove_entries(fd, DEPTH_MAX);
    if (rmdir(volume->temporary))
        LOG(nt, "%s cannot be removed: %s", volume->temporary, strerror(errno));
}

void volumes_fini(struct volumes *volumes)
{
    for (size_t i = 0; i < volumes->count; i++) {
        struct volume *volume = &volumes->list[i];

        if (volume->folder >= 0)
            (void)close(volume->folder);
        if (volume->made)
            remove_temporary(volume);
        free(volume->temporary);
        free(volume->name);
    }
    volumes->count = 0;
}

/* ---- Names ------------------------------------------------------------------------------------ */

/* What stands before a DOS path, and for what it stands. */
static const struct {
    const char *prefix, *with;
} prefixes[] = {
    {"\\??\\", ""},
    {"\\DosDevices\\", ""},
    {"\\GLOBAL??\\", ""},
    {"\\SystemRoot\\", "C:\\Windows\\"},
};

/* The path in DOS form, malloc'd; NULL when memory is short, "" when the path has none. */
static char *dos_path(const char *path)
{
    char *out = NULL;

    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        size_t len = strlen(prefixes[i].prefix);

        if (strncasecmp(path, prefixes[i].prefix, len) == 0)
            return asprintf(&out, "%s%s", prefixes[i].with, path + len) < 0 ? NULL : out;
    }
    return strdup("");
}

bool volumes_is_null(const char *path)
{
    return strcasecmp(path, "\\??\\NUL") == 0 || strcasecmp(path, "\\DosDevices\\NUL") == 0 ||
           strcasecmp(path, "\\Device\\Null") == 0;
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

/* The volume with the longest name that path begins with. */
static struct volume *find_volume(struct volumes *volumes, enum cpu_arch width, const char *path,
                                  const char **rest)
{
    struct volume *found = NULL;
    const char *after;

    for (size_t i = 0; i < volumes->count; i++) {
        struct volume *volume = &volumes->list[i];

        if (!volume->hidden[width] && begins_with(path, volume->name, &after) &&
            (!found || strlen(found->name) < strlen(volume->name))) {
            found = volume;
            *rest = after;
        }
    }
    if (found)
        make_temporary(found);
    return found;
}

void volumes_below(const struct volumes *volumes, enum cpu_arch width, const char *path,
                   void (*fn)(void *ctx, const char *name), void *ctx)
{
    char name[NAME_MAX + 1];
    size_t folder = strlen(path);

    folder -= folder && path[folder - 1] == '\\';
    for (size_t i = 0; i < volumes->count; i++) {
        const char *rest = volumes->list[i].name;
        size_t len;

        if (volumes->list[i].hidden[width] || strncasecmp(rest, path, folder) != 0 ||
            rest[folder] != '\\')
            continue;
        rest += folder + 1;
        len = strcspn(rest, "\\");
        if (len > NAME_MAX)
            continue;
        memcpy(name, rest, len);
        name[len] = 0;
        fn(ctx, name);
    }
}

static void note_name(void *ctx, const char *name)
{
    (void)name;
    *(bool *)ctx = true;
}

/* Does a volume's name lie below path? Then path is a folder, whatever the host has. */
static bool leads_to_volume(const struct volumes *volumes, enum cpu_arch width, const char *path)
{
    bool leads = false;

    volumes_below(volumes, width, path, note_name, &leads);
    return leads;
}

bool volumes_is_name(const char *text)
{
    if (!*text || strlen(text) > NAME_MAX || strcmp(text, ".") == 0 || strcmp(text, "..") == 0)
        return false;
    for (const char *c = text; *c; c++) {
        if ((unsigned char)*c < 0x20 || strchr("\\/:*?\"<>|", *c))
            return false;
    }
    return true;
}

/* ---- The way ---------------------------------------------------------------------------------- */

nt_status volumes_refusal(int error, bool last)
{
    switch (error) {
    case ENOENT:
    case ENOTDIR:
        return last ? STATUS_OBJECT_NAME_NOT_FOUND : STATUS_OBJECT_PATH_NOT_FOUND;
    case EEXIST:
        return STATUS_OBJECT_NAME_COLLISION;
    case ENAMETOOLONG:
        return STATUS_OBJECT_NAME_INVALID;
    case ENOTEMPTY:
        return STATUS_DIRECTORY_NOT_EMPTY;
    case EXDEV:
        return STATUS_NOT_SAME_DEVICE;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return STATUS_DISK_FULL;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
        return STATUS_INSUFFICIENT_RESOURCES;
    default: /* a symbolic link (ELOOP) is not there for the guest to open, nor is what it may not touch */
        return STATUS_ACCESS_DENIED;
    }
}

/* Take the next component of *rest. */
static nt_status next_part(const char **rest, char part[NAME_MAX + 1])
{
    size_t len = strcspn(*rest, "\\");

    if (!len || len > NAME_MAX)
        return STATUS_OBJECT_NAME_INVALID;
    memcpy(part, *rest, len);
    part[len] = 0;
    *rest += len + ((*rest)[len] == '\\');
    return volumes_is_name(part) ? STATUS_SUCCESS : STATUS_OBJECT_NAME_INVALID;
}

static nt_status append_path(struct place *place, const char *part)
{
    char *longer;

    if (asprintf(&longer, "%s\\%s", place->path, part) < 0)
        return STATUS_NO_MEMORY;
    free(place->path);
    place->path = longer;
    return STATUS_SUCCESS;
}

/* Go into the entry that was found last. */
static nt_status descend(struct place *place)
{
    int next = openat(place->folder, place->name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (next < 0)
        return volumes_refusal(errno == ELOOP ? ENOTDIR : errno, false);
    (void)close(place->folder);
    place->folder = next;
    return STATUS_SUCCESS;
}

/* Walk rest, component by component, from the place's folder on. */
static nt_status walk(struct place *place, const char *rest)
{
    nt_status st = STATUS_SUCCESS;

    place->exists = true;
    while (!st && *rest) {
        if (!place->exists)
            return STATUS_OBJECT_PATH_NOT_FOUND;
        st = *place->name ? descend(place) : STATUS_SUCCESS;
        if (!st)
            st = next_part(&rest, place->name);
        if (!st) {
            place->exists = root_find_entry(place->folder, place->name, place->name);
            st = append_path(place, place->name);
        }
    }
    return st;
}

/* A folder that is only part of volumes' names. */
static nt_status find_virtual(const char *dos, struct place *out)
{
    out->exists = true;
    out->path = strdup(dos);
    return out->path ? STATUS_SUCCESS : STATUS_NO_MEMORY;
}

/* The root of a drive has a path that ends with a separator. */
static nt_status name_root(struct place *place)
{
    return strlen(place->path) == 2 ? append_path(place, "") : STATUS_SUCCESS;
}

static nt_status find(struct volumes *volumes, enum cpu_arch width, char *dos, struct place *out)
{
    const struct volume *volume;
    const char *rest = "";
    size_t len = strlen(dos);
    nt_status st;

    if (strncasecmp(dos, "UNC\\", 4) == 0)
        return STATUS_BAD_NETWORK_PATH;
    if (!dos[0] || dos[1] != ':')
        return STATUS_OBJECT_NAME_NOT_FOUND;
    out->as_folder = dos[len - 1] == '\\';
    dos[len - out->as_folder] = 0;
    volume = find_volume(volumes, width, dos, &rest);
    if (!volume || volume->folder < 0)
        return leads_to_volume(volumes, width, dos) || (volume && !*rest)
                   ? find_virtual(dos, out)
                   : STATUS_OBJECT_PATH_NOT_FOUND;
    out->volume = volume;
    out->path = strdup(volume->name);
    out->folder = openat(volume->folder, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (!out->path || out->folder < 0)
        return out->path ? volumes_refusal(errno, false) : STATUS_NO_MEMORY;
    st = walk(out, rest);
    if ((st || !out->exists) && leads_to_volume(volumes, width, dos)) {
        place_fini(out);
        *out = (struct place){.folder = -1, .as_folder = out->as_folder};
        st = find_virtual(dos, out);
    }
    return st;
}

nt_status volumes_find(struct volumes *volumes, enum cpu_arch width, const char *path,
                       struct place *out)
{
    char *dos = dos_path(path);
    nt_status st;

    *out = (struct place){.folder = -1};
    if (!dos)
        return STATUS_NO_MEMORY;
    if (*dos)
        st = find(volumes, width, dos, out);
    else
        st = *path == '\\' ? STATUS_OBJECT_NAME_NOT_FOUND : STATUS_OBJECT_PATH_SYNTAX_BAD;
    if (!st)
        st = name_root(out);
    free(dos);
    if (st)
        place_fini(out);
    return st;
}

void place_fini(struct place *place)
{
    if (place->folder >= 0)
        (void)close(place->folder);
    free(place->path);
    place->folder = -1;
    place->path = NULL;
}
