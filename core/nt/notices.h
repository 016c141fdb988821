/*
 * Notices of changes in folders: who watches which folder, what has happened there since, and the requests that wait for it. Only what
 * the guest itself does is seen. Follows NtNotifyChangeDirectoryFile's documentation.
 */
#ifndef CORE_NT_NOTICES_H
#define CORE_NT_NOTICES_H

#include <stdbool.h>
#include <stdint.h>

#include "nt/volumes.h"

struct file;
struct notices; /* of an opened folder that is watched */
struct request;

/* FILE_NOTIFY_CHANGE_*: what can be watched. */
enum {
    NOTICE_FILE_NAME = 0x1,
    NOTICE_FOLDER_NAME = 0x2,
    NOTICE_ATTRIBUTES = 0x4,
    NOTICE_SIZE = 0x8,
    NOTICE_WRITTEN = 0x10,
    NOTICE_ACCESSED = 0x20,
    NOTICE_CREATED = 0x40,
    NOTICE_VALID = 0xfff,
};
/* FILE_ACTION_* */
enum notice {
    NOTICE_ADDED = 1,
    NOTICE_REMOVED,
    NOTICE_MODIFIED,
    NOTICE_RENAMED_FROM,
    NOTICE_RENAMED_TO,
};

/*
 * Wait for the next change: end the request or keep it; its buffer gets the FILE_NOTIFY_INFORMATIONs. What is watched the
 * first request of a folder says: filter (NOTICE_*), whether folders below it are too, and by its buffer how much is kept.
 */
void notices_wait(struct file *folder, struct request *r, uint32_t filter, bool below);
/* The entry with that guest path has changed; what: NOTICE_*. */
void notices_tell(struct volumes *volumes, const char *path, uint32_t what, enum notice action);
/* It has another name, perhaps in another folder: two changes, of which is told at once. what: NOTICE_FILE_NAME or _FOLDER_NAME. */
void notices_tell_move(struct volumes *volumes, const char *from, const char *to, uint32_t what);
/* Which name has changed: a file's or a folder's. */
uint32_t notices_name(const struct file *file);
/* Nobody will be told any more: STATUS_NOTIFY_CLEANUP, STATUS_DELETE_PENDING. */
void notices_end(struct file *folder, nt_status st);
void notices_free(struct file *folder);

#endif
