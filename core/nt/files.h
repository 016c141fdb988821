/*
 * The guest's file system: which host folders it sees under which names, and opened files. A path cannot leave its
 * folder: every component is opened by itself, links are not followed, and names that mean something else to either
 * side ("..", streams, devices) are refused.
 */
#ifndef CORE_NT_FILES_H
#define CORE_NT_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nt/handles.h"
#include "winstub/err.h"
#include "winstub/nt.h"

/* A host folder under a guest name such as "C:\Windows\System32". */
struct volume {
    const char *name; /* static */
    int folder;       /* owned; -1 when it is not there: the name alone is a folder */
};

#define VOLUMES_MAX 4

struct volumes {
    struct volume list[VOLUMES_MAX];
    size_t count;
};

/* Takes over the descriptor. At most VOLUMES_MAX. */
void volumes_add(struct volumes *volumes, const char *name, int folder);
void volumes_fini(struct volumes *volumes);

enum file_kind {
    FILE_REGULAR,
    FILE_FOLDER, /* fd -1: a folder that exists only as part of a volume's name */
    FILE_STREAM, /* standard input or output */
};

struct file {
    struct object object;
    enum file_kind kind;
    int fd;            /* of a stream: not owned, -1 when the process has none */
    char *path;        /* "C:\Windows\System32\ntdll.dll"; "" for a stream */
    uint64_t position; /* bytes, of a regular file */
};

extern const struct object_class file_class;

/*
 * Open what an absolute NT path ("\??\C:\folder\file") names, for reading. *out has one reference.
 * STATUS_OBJECT_NAME_NOT_FOUND, STATUS_OBJECT_PATH_NOT_FOUND (an inner component), STATUS_OBJECT_NAME_INVALID,
 * STATUS_OBJECT_PATH_SYNTAX_BAD (no drive), STATUS_ACCESS_DENIED, STATUS_NO_MEMORY
 */
MUST_USE nt_status files_open(const struct volumes *volumes, const char *path, struct file **out);

/* A file object for a host stream; NULL when memory is short. */
struct file *files_stream(int fd);

/* The file behind a handle. The statuses of handles_get. */
MUST_USE nt_status files_get(const struct handles *handles, uint64_t handle, struct file **out);

#endif
