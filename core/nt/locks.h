/* Locked ranges of files: who holds one, and who must not read or write there. Follows NtLockFile. */
#ifndef CORE_NT_LOCKS_H
#define CORE_NT_LOCKS_H

#include <stdbool.h>
#include <stdint.h>

#include "winstub/err.h"
#include "winstub/nt.h"

struct file;

/* One range of one opened file. */
struct file_lock {
    struct file_lock *next;
    uint64_t start, length; /* bytes */
    uint32_t key;
    bool exclusive;
};

/* STATUS_LOCK_NOT_GRANTED: somebody else's lies in the way; STATUS_INVALID_LOCK_RANGE; STATUS_NO_MEMORY */
MUST_USE nt_status locks_add(struct file *file, uint64_t start, uint64_t length, uint32_t key,
                             bool exclusive);
/* STATUS_RANGE_NOT_LOCKED: this file has no such lock. */
MUST_USE nt_status locks_remove(struct file *file, uint64_t start, uint64_t length, uint32_t key);
/* May the file read, or write, there? STATUS_FILE_LOCK_CONFLICT */
MUST_USE nt_status locks_check(const struct file *file, uint64_t start, uint64_t length,
                               uint32_t key, bool write);
void locks_free(struct file_lock *locks); /* takes NULL */

#endif
