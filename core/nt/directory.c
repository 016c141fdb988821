/* Names of objects; the contract is in directory.h. */
#include "nt/directory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "nt/text.h"

#define OBJECTS "\\BaseNamedObjects"

static void free_folder(struct object *object)
{
    free(((struct folder *)object)->path);
    free(object);
}

const struct object_class folder_class = {
    .name = "Directory",
    .free = free_folder,
    .rights = {0x020003, 0x02000c, 0x020003, 0x0f000f},
};

/* The folders that there are; SESSION's number is any. */
static bool is_folder(const char *path)
{
    static const char *const known[] = {"\\", OBJECTS, "\\Device", "\\??", "\\DosDevices"};
    static const char sessions[] = "\\Sessions\\";

    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (text_same(path, known[i]))
            return true;
    }
    if (strncasecmp(path, sessions, sizeof sessions - 1) != 0)
        return false;
    path += sizeof sessions - 1;
    return *path >= '0' && *path <= '9' && text_same(path + strspn(path, "0123456789"), OBJECTS);
}

nt_status directory_open(const char *path, struct folder **out)
{
    struct folder *folder;

    if (!is_folder(path))
        return STATUS_OBJECT_NAME_NOT_FOUND;
    folder = calloc(1, sizeof *folder);
    if (folder)
        folder->path = strdup(path);
    if (!folder || !folder->path) {
        free(folder);
        return STATUS_NO_MEMORY;
    }
    object_init(&folder->object, &folder_class);
    *out = folder;
    return STATUS_SUCCESS;
}

char *directory_path(const char *folder, const char *name)
{
    static const char local[] = "Local\\", global[] = "Global\\";
    char *path = NULL;

    if (strncasecmp(name, local, sizeof local - 1) == 0) {
        name += sizeof local - 1;
    } else if (strncasecmp(name, global, sizeof global - 1) == 0) {
        name += sizeof global - 1;
        folder = OBJECTS;
    }
    return asprintf(&path, "%s\\%s", folder, name) < 0 ? NULL : path;
}

struct object *directory_find(const struct directory *directory, const char *path, bool any_case)
{
    for (const struct object_name *name = directory->names; name; name = name->next) {
        if (any_case ? text_same(name->path, path) : strcmp(name->path, path) == 0)
            return name->object;
    }
    return NULL;
}

nt_status directory_add(struct directory *directory, const char *path, struct object *object)
{
    struct object_name *name = calloc(1, sizeof *name);

    if (name)
        name->path = strdup(path);
    if (!name || !name->path) {
        free(name);
        return STATUS_NO_MEMORY;
    }
    name->object = object;
    name->next = directory->names;
    name->link = &directory->names;
    if (name->next)
        name->next->link = &name->next;
    directory->names = name;
    object->name = name;
    return STATUS_SUCCESS;
}

void directory_remove(struct object *object)
{
    struct object_name *name = object->name;

    if (!name)
        return;
    *name->link = name->next;
    if (name->next)
        name->next->link = name->link;
    object->name = NULL;
    free(name->path);
    free(name);
}
