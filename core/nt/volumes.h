/*
 * The guest's file system as names: which host folders it sees under which guest paths, and the way from a guest path to
 * an entry of a host folder. A path cannot leave its folder: every component is opened by itself, links are not
 * followed, and names that mean something else to either side ("..", streams, devices) are refused.
 */
#ifndef CORE_NT_VOLUMES_H
#define CORE_NT_VOLUMES_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "winstub/cpu.h"
#include "winstub/err.h"
#include "winstub/nt.h"

#define VOLUMES_MAX 32

/* A host folder under a guest name such as "C:" or "C:\Windows\System32". */
struct volume {
    char *name;
    int folder; /* owned; -1: none, the name alone is a folder */
    bool writable;
    char *
        temporary; /* host path of a folder that is ours, and goes with the process; NULL: it is the user's */
    bool made;      /* the temporary one exists: it is made when first looked for */
    bool hidden[2]; /* from processes of that width (enum cpu_arch) */
};

struct file;
struct mapped;

struct volumes {
    struct volume list[VOLUMES_MAX];
    size_t count;
    struct file *open;     /* every opened file, files.h */
    unsigned watched;      /* how many of them are folders that are watched, notices.h */
    struct mapped *mapped; /* every mapped one, mapped.h */
};

/* Takes over the descriptor, also when it fails. ERR_NOMEM, ERR_LIMIT */
MUST_USE enum err volumes_add(struct volumes *volumes, const char *name, int folder, bool writable);
/* The same for a folder that may not be changed and that only processes of that width see. */
MUST_USE enum err volumes_add_for(struct volumes *volumes, enum cpu_arch width, const char *name,
                                  int folder);
/* A folder of the guest's own. ERR_NOMEM, ERR_LIMIT */
MUST_USE enum err volumes_add_temporary(struct volumes *volumes, const char *name);
void volumes_fini(struct volumes *volumes);

/* Where a path leads: to the entry `name` of a host folder, which need not be there. */
struct place {
    const struct volume *volume; /* NULL: a folder that is only part of volumes' names */
    int folder;                  /* owned, O_PATH; -1: none */
    char name[NAME_MAX + 1];     /* as the host spells it, if it is there; "": the folder itself */
    bool exists;
    bool as_folder; /* the path ends with a separator */
    char *path;     /* "C:\folder\file", as the host spells it */
};

/*
 * Find what an absolute NT path ("\??\C:\folder\file") names to a process of that width. The last component need not exist.
 * STATUS_OBJECT_NAME_NOT_FOUND  a device that is not there; STATUS_OBJECT_PATH_NOT_FOUND  an inner component, or the drive;
 * STATUS_OBJECT_NAME_INVALID; STATUS_OBJECT_PATH_SYNTAX_BAD  not absolute; STATUS_BAD_NETWORK_PATH; STATUS_ACCESS_DENIED;
 * STATUS_NO_MEMORY; STATUS_INSUFFICIENT_RESOURCES. After a failure there is nothing to free.
 */
MUST_USE nt_status volumes_find(struct volumes *volumes, enum cpu_arch width, const char *path,
                                struct place *out);
void place_fini(struct place *place);

/* Is it the device that swallows everything? */
bool volumes_is_null(const char *path);

/* Is the text a file name? Wildcards, separators, streams, "." and ".." are not. */
bool volumes_is_name(const char *text);

/*
 * Names of volumes that appear as entries of the folder with that guest path: call fn with each once. "C:" has "Windows" when
 * there is a C:\Windows\System32.
 */
void volumes_below(const struct volumes *volumes, enum cpu_arch width, const char *path,
                   void (*fn)(void *ctx, const char *name), void *ctx);

/* What a host's errno means for a file; `last`: of a path's last component. */
nt_status volumes_refusal(int error, bool last);

#endif
