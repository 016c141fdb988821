/* Ranges of files that are locked; the contract is in locks.h. */
#include "nt/locks.h"

#include <stdlib.h>

#include "nt/files.h"

static bool overlaps(const struct file_lock *lock, uint64_t start, uint64_t length)
{
    return lock->length && length && start <= lock->start + (lock->length - 1) &&
           lock->start <= start + (length - 1);
}

/*
 * Does a lock stand in the way of an access? One's own, taken with the same key, does not; a shared one keeps
 * everybody from writing, its owner too.
 */
static bool stands_in_way(const struct file_lock *lock, bool own, uint32_t key, bool write)
{
    return lock->exclusive ? !own || lock->key != key : write;
}

/* Is there a lock of the same file of the host in the way? locking: of another lock, which own shared ones are not. */
static bool is_blocked(const struct file *file, const struct file_lock *wanted, bool locking)
{
    for (const struct file *at = file->volumes ? file->volumes->open : NULL; at; at = at->next) {
        if (at->inode != file->inode || at->device != file->device)
            continue;
        for (const struct file_lock *lock = at->locks; lock; lock = lock->next) {
            if (!overlaps(lock, wanted->start, wanted->length))
                continue;
            if (locking ? lock->exclusive || wanted->exclusive
                        : stands_in_way(lock, at == file, wanted->key, wanted->exclusive))
                return true;
        }
    }
    return false;
}

nt_status locks_add(struct file *file, uint64_t start, uint64_t length, uint32_t key,
                    bool exclusive)
{
    struct file_lock wanted = {NULL, start, length, key, exclusive}, *lock;

    if (length && start + (length - 1) < start)
        return STATUS_INVALID_LOCK_RANGE;
    if (is_blocked(file, &wanted, true))
        return STATUS_LOCK_NOT_GRANTED;
    lock = malloc(sizeof *lock);
    if (!lock)
        return STATUS_NO_MEMORY;
    *lock = wanted;
    lock->next = file->locks;
    file->locks = lock;
    return STATUS_SUCCESS;
}

nt_status locks_remove(struct file *file, uint64_t start, uint64_t length, uint32_t key)
{
    for (struct file_lock **at = &file->locks; *at; at = &(*at)->next) {
        struct file_lock *lock = *at;

        if (lock->start == start && lock->length == length && lock->key == key) {
            *at = lock->next;
            free(lock);
            return STATUS_SUCCESS;
        }
    }
    return STATUS_RANGE_NOT_LOCKED;
}

nt_status locks_check(const struct file *file, uint64_t start, uint64_t length, uint32_t key,
                      bool write)
{
    const struct file_lock access = {NULL, start, length, key, write};

    return is_blocked(file, &access, false) ? STATUS_FILE_LOCK_CONFLICT : STATUS_SUCCESS;
}

void locks_free(struct file_lock *locks)
{
    while (locks) {
        struct file_lock *next = locks->next;

        free(locks);
        locks = next;
    }
}
