/*
 * What a folder holds, as NtQueryDirectoryFile shows it: sorted without regard to case, chosen by a pattern. Only files and
 * folders are there; links, devices and names that are no UTF-8 or no guest names are not.
 */
#ifndef CORE_NT_LISTING_H
#define CORE_NT_LISTING_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "nt/volumes.h"
#include "winstub/err.h"
#include "winstub/nt.h"

struct file;

struct listing_entry {
    char *name;
    struct stat host; /* of a volume's name: a folder with nothing else */
};

struct listing {
    struct listing_entry *entries;
    size_t count;
    size_t next; /* which one is shown next */
};

/*
 * Read an opened folder, as who opened it sees it. pattern: UTF-8, NULL or "" for all; it knows
 * * and ? and the DOS forms < > " of them. STATUS_ACCESS_DENIED, STATUS_NO_MEMORY
 */
MUST_USE nt_status listing_new(const struct file *folder, const char *pattern,
                               struct listing **out);
void listing_free(struct listing *listing); /* takes NULL */

/* Does the host's folder hold nothing at all? */
MUST_USE nt_status listing_is_empty(int fd, bool *empty);

/*
 * Turn a pattern as FindFirstFile takes it into the form that Windows' kernel32 would pass on: "*.*" is all, a ? at the end may be
 * nothing, "*." is a name without a dot. In place; a pattern in that form stays as it is.
 */
void listing_dos_pattern(char *pattern);

/* FsRtlIsNameInExpression, without regard to the case of ASCII letters. */
bool listing_matches(const char *pattern, const char *name);

#endif
