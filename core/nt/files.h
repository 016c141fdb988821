/*
 * Opened files: what CreateFile's arguments mean, who may open what beside whom, deleting and renaming. Where paths lead is
 * volumes.h's matter. Follows Microsoft's NtCreateFile and NtSetInformationFile.
 */
#ifndef CORE_NT_FILES_H
#define CORE_NT_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "nt/handles.h"
#include "nt/volumes.h"
#include "winstub/err.h"
#include "winstub/nt.h"

/* Access rights of files (winnt.h). */
enum {
    ACCESS_READ_DATA = 0x1, /* of a folder: to list it */
    ACCESS_WRITE_DATA = 0x2,
    ACCESS_APPEND_DATA = 0x4,
    ACCESS_READ_EA = 0x8,
    ACCESS_WRITE_EA = 0x10,
    ACCESS_EXECUTE = 0x20,
    ACCESS_DELETE_CHILD = 0x40,
    ACCESS_READ_ATTRIBUTES = 0x80,
    ACCESS_WRITE_ATTRIBUTES = 0x100,
    ACCESS_DELETE = 0x10000,
    ACCESS_WRITE_DAC = 0x40000,
    ACCESS_WRITE_OWNER = 0x80000,
    ACCESS_SYNCHRONIZE = 0x100000,
    ACCESS_ALL_OF_FILE = 0x1f01ff,
};
enum { SHARE_READ = 1, SHARE_WRITE = 2, SHARE_DELETE = 4 };
/* CreateDisposition, and what comes of it. */
enum {
    DISPOSE_SUPERSEDE,
    DISPOSE_OPEN,
    DISPOSE_CREATE,
    DISPOSE_OPEN_IF,
    DISPOSE_OVERWRITE,
    DISPOSE_OVERWRITE_IF,
};
enum { FILE_WAS_SUPERSEDED, FILE_WAS_OPENED, FILE_WAS_CREATED, FILE_WAS_OVERWRITTEN };
/* CreateOptions that matter here. */
enum {
    OPTION_DIRECTORY = 0x1,
    OPTION_SYNC_ALERT = 0x10,
    OPTION_SYNC = 0x20,
    OPTION_NO_DIRECTORY = 0x40,
    OPTION_DELETE_ON_CLOSE = 0x1000,
    OPTION_BY_ID = 0x2000,
};
enum {
    ATTRIBUTE_READONLY = 0x1,
    ATTRIBUTE_DIRECTORY = 0x10,
    ATTRIBUTE_ARCHIVE = 0x20,
    ATTRIBUTE_NORMAL = 0x80,
    ATTRIBUTE_TEMPORARY = 0x100,
};

/* FILE_IO_COMPLETION_NOTIFICATION_INFORMATION: what is not told of a request that succeeds at once. */
enum { NOTIFY_NOT_PORT = 1, NOTIFY_NOT_EVENT = 2 };

enum file_kind {
    FILE_REGULAR,
    FILE_FOLDER,      /* fd -1: a folder that exists only as part of volumes' names */
    FILE_STREAM,      /* standard input or output */
    FILE_NULL,        /* the device that swallows everything */
    FILE_PIPE,        /* an end of a pipe */
    FILE_PIPE_DEVICE, /* \Device\NamedPipe */
    FILE_PIPE_ROOT,   /* the folder below it */
};

struct listing;
struct notices;
struct port;
struct file_lock;
struct pipe_end;
struct request;

struct file {
    struct object object;
    enum file_kind kind;
    int fd;     /* of a stream: not owned, -1 when the process has none */
    char *path; /* "C:\Windows\System32\ntdll.dll", "\Device\NamedPipe\name"; "": it has none */
    uint64_t position; /* bytes, of a regular file */
    uint32_t access, share, options;
    bool writable;       /* it is on a volume that the guest may change */
    bool doomed;         /* it goes when nobody has it open any more */
    enum cpu_arch width; /* of the process that opened it: what it names others by */
    dev_t device;        /* which file of the host it is, of a regular file and a folder */
    ino_t inode;
    struct volumes *volumes; /* in whose list of opened files it is; NULL: in none */
    struct file *next, **link;
    struct listing *listing; /* of a folder that is being listed */
    struct file_lock *locks;
    struct pipe_end *pipe;    /* FILE_PIPE; owned */
    struct notices *notices;  /* of a folder that is watched */
    struct request *requests; /* that are pending, oldest first */
    bool signaled; /* no request has begun since the last one ended, NT's event in a file object */
    struct port *port;     /* referenced; who is told of what is done, NULL: nobody */
    uint64_t port_key;     /* what the port's packets say of the file */
    uint32_t notification; /* NOTIFY_* */
};

extern const struct object_class file_class;

struct file_request {
    enum cpu_arch width; /* of the process that asks */
    uint32_t access;     /* generic rights and MAXIMUM_ALLOWED included */
    uint32_t attributes, share, disposition, options;
};

/*
 * Create or open what an absolute NT path names. *out has one reference, *how says what happened. file->access is what the
 * handle may have. volumes_find's statuses, and
 * STATUS_INVALID_PARAMETER  options that do not go together; STATUS_OBJECT_NAME_COLLISION; STATUS_FILE_IS_A_DIRECTORY;
 * STATUS_NOT_A_DIRECTORY; STATUS_SHARING_VIOLATION; STATUS_DELETE_PENDING; STATUS_CANNOT_DELETE; STATUS_ACCESS_DENIED;
 * STATUS_DISK_FULL
 */
MUST_USE nt_status files_create(struct volumes *volumes, const char *path,
                                const struct file_request *request, struct file **out,
                                uint32_t *how);
/* The same for a look at what is there: nobody is kept from it by that. */
MUST_USE nt_status files_look(struct volumes *volumes, enum cpu_arch width, const char *path,
                              struct file **out);

/*
 * A file object of that kind; path is taken over, also when it fails, and so is fd unless it is a stream's. NULL when
 * memory is short, also for path.
 */
struct file *files_new(enum file_kind kind, int fd, char *path);
/* A file object for a host stream; NULL when memory is short. */
struct file *files_stream(int fd);

/* The host's name of an opened file. False: it has none, or one that does not fit. */
bool files_host_path(const struct file *file, char *out, size_t size);

/* The file behind a handle. The statuses of handles_get. */
MUST_USE nt_status files_get(const struct handles *handles, uint64_t handle, struct file **out);
/* The same, when the handle has one of these rights at least; else STATUS_ACCESS_DENIED. */
MUST_USE nt_status files_use(const struct handles *handles, uint64_t handle, uint32_t access,
                             struct file **out);

/* The rights that generic ones and MAXIMUM_ALLOWED stand for; on what must not change, the latter is less. */
uint32_t files_map_access(uint32_t access, bool writable);

/* What the host says of it; a folder without a host folder has times and size 0. STATUS_ACCESS_DENIED */
MUST_USE nt_status files_stat(const struct file *file, struct stat *out);
/* FILE_ATTRIBUTE_* of what the host says. */
uint32_t files_attributes(const struct stat *host);

/* The next opened file from `at` on (NULL: none) that is the same file of the host, and not this one; the first of all. */
struct file *files_next_same(const struct file *file, struct file *at);
struct file *files_first_same(const struct file *file);

/* ---- file_names.c ----------------------------------------------------------------------------- */

/* Take the name away by which the file was opened, if that is still its own. */
void files_take_away(const struct file *file);
/*
 * Let it go when it is closed, or no longer. at_once: the name is gone now, for who has it open the file lives on.
 * STATUS_CANNOT_DELETE; STATUS_DIRECTORY_NOT_EMPTY; STATUS_ACCESS_DENIED
 */
MUST_USE nt_status files_doom(struct file *file, bool doomed, bool at_once);
/*
 * Give it another name, or (link) one more. to: an absolute NT path. STATUS_OBJECT_NAME_COLLISION, STATUS_NOT_SAME_DEVICE,
 * STATUS_ACCESS_DENIED and volumes_find's.
 */
MUST_USE nt_status files_rename(struct file *file, const char *to, bool replace, bool link);

#endif
