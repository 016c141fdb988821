/* Reading and choosing the entries of a folder; the contract is in listing.h. */
#include "nt/listing.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "nt/files.h"
#include "winstub/utf.h"

#define ENTRIES_MAX (1u << 20)

/* ---- Patterns --------------------------------------------------------------------------------- */

/* Bytes of the character at text. */
static size_t character(const char *text)
{
    size_t len = 1;

    while (((unsigned char)text[len] & 0xc0) == 0x80)
        len++;
    return len;
}

static bool same_character(const char *a, const char *b)
{
    size_t len = character(a);

    if (len == 1)
        return tolower((unsigned char)*a) == tolower((unsigned char)*b);
    return len == character(b) && memcmp(a, b, len) == 0;
}

/* Has the rest of a name no dot after its first character? Then DOS_STAR may end before it. */
static bool is_last_dot(const char *name)
{
    return *name == '.' && !strchr(name + 1, '.');
}

/*
 * One character of the pattern that stands for one of the name or, at the end or before a dot, for none:
 * '?' any, '>' (DOS_QM) also nothing before a dot and at the end, '"' (DOS_DOT) a dot or the end.
 * 1: takes a character; 0: takes none; -1: does not match.
 */
static int match_one(char pattern, const char *name)
{
    switch (pattern) {
    case '?':
        return *name ? 1 : -1;
    case '>':
        return *name && *name != '.' ? 1 : 0;
    case '"':
        return *name == '.' ? 1 : *name ? -1 : 0;
    default:
        return -1;
    }
}

/*
 * '*' may take anything; '<' (DOS_STAR) anything up to the last dot, or all. Only the last star of each kind is ever
 * taken up again, so that the work stays within length times length.
 */
bool listing_matches(const char *pattern, const char *name)
{
    const char *star = NULL, *resume = NULL;

    for (;;) {
        int taken = -1;

        if (*pattern == '*' || *pattern == '<') {
            star = pattern++;
            resume = name;
            continue;
        }
        if (!*pattern && !*name)
            return true;
        if (*pattern)
            taken = strchr("?>\"", *pattern)                 ? match_one(*pattern, name)
                    : *name && same_character(pattern, name) ? 1
                                                             : -1;
        if (taken >= 0) {
            pattern += character(pattern);
            name += taken ? character(name) : 0;
            continue;
        }
        if (!star || !*resume || (*star == '<' && is_last_dot(resume)))
            return false;
        resume += character(resume);
        name = resume;
        pattern = star + 1;
    }
}

void listing_dos_pattern(char *pattern)
{
    size_t len = strlen(pattern);

    if (strpbrk(pattern, "<>\""))
        return;
    if (strcmp(pattern, "*.*") == 0) {
        pattern[1] = 0;
        return;
    }
    if (len >= 2 && pattern[len - 1] == '.' && pattern[len - 2] == '*') {
        pattern[len - 2] = '<';
        pattern[len - 1] = 0;
    }
    for (char *c = pattern; *c; c++) {
        if (*c == '.' && (c[1] == '?' || c[1] == '*'))
            *c = '"';
        else if (*c == '?')
            *c = '>';
    }
}

/* ---- Reading ---------------------------------------------------------------------------------- */

struct reader {
    struct listing *listing;
    const char *pattern;
    int fd;
    size_t room;
    bool failed;
};

static bool is_chosen(const struct reader *r, const char *name)
{
    return !r->pattern || !*r->pattern || strcmp(r->pattern, "*") == 0 ||
           listing_matches(r->pattern, name);
}

static bool has_entry(const struct listing *listing, const char *name)
{
    for (size_t i = 0; i < listing->count; i++) {
        if (strcasecmp(listing->entries[i].name, name) == 0)
            return true;
    }
    return false;
}

static void add(struct reader *r, const char *name, const struct stat *host)
{
    struct listing *l = r->listing;
    char *copy = strdup(name);

    if (copy && l->count == r->room && r->room < ENTRIES_MAX) {
        size_t room = r->room ? r->room * 2 : 64;
        struct listing_entry *grown = reallocarray(l->entries, room, sizeof *grown);

        if (grown) {
            l->entries = grown;
            r->room = room;
        }
    }
    if (!copy || l->count == r->room) {
        free(copy);
        r->failed = true;
        return;
    }
    l->entries[l->count++] = (struct listing_entry){copy, *host};
}

/* A volume's name that the folder holds, unless the host has an entry of that name. */
static void add_volume(void *ctx, const char *name)
{
    struct reader *r = ctx;
    const struct stat folder = {.st_mode = S_IFDIR | 0777};

    if (is_chosen(r, name) && !has_entry(r->listing, name))
        add(r, name, &folder);
}

/* Can the guest be shown it? */
static bool is_utf8(const char *name)
{
    while (*name) {
        if (utf8_next(&name) == UTF_REPLACEMENT)
            return false;
    }
    return true;
}

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static void add_entry(struct reader *r, const char *name)
{
    struct stat host;

    if (!is_chosen(r, name) || fstatat(r->fd, name, &host, AT_SYMLINK_NOFOLLOW))
        return;
    if (S_ISREG(host.st_mode) || S_ISDIR(host.st_mode))
        add(r, name, &host);
}

/* A stream of an opened folder's entries, which leaves fd as it is. */
static nt_status open_again(int fd, DIR **out)
{
    int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), error;

    *out = copy < 0 ? NULL : fdopendir(copy);
    if (*out)
        return STATUS_SUCCESS;
    error = errno;
    if (copy >= 0)
        (void)close(copy);
    return volumes_refusal(error, true);
}

static nt_status read_folder(struct reader *r, int fd, bool is_root)
{
    const struct dirent *entry;
    DIR *dir;
    nt_status st = open_again(fd, &dir);

    if (st)
        return st;
    while (!r->failed && (entry = readdir(dir)) != NULL) {
        if (is_dots(entry->d_name) ? !is_root
                                   : volumes_is_name(entry->d_name) && is_utf8(entry->d_name))
            add_entry(r, entry->d_name);
    }
    (void)closedir(dir);
    return STATUS_SUCCESS;
}

static int compare(const void *a, const void *b)
{
    const struct listing_entry *left = a, *right = b;
    int order = is_dots(right->name) - is_dots(left->name);

    if (!order)
        order = strcasecmp(left->name, right->name);
    return order ? order : strcmp(left->name, right->name);
}

nt_status listing_new(const struct file *folder, const char *pattern, struct listing **out)
{
    struct reader r = {
        .listing = calloc(1, sizeof *r.listing), .pattern = pattern, .fd = folder->fd};
    nt_status st = STATUS_SUCCESS;

    if (!r.listing)
        return STATUS_NO_MEMORY;
    if (folder->fd >= 0)
        st = read_folder(&r, folder->fd, strlen(folder->path) == 3);
    if (!st)
        volumes_below(folder->volumes, folder->width, folder->path, add_volume, &r);
    if (!st && r.failed)
        st = STATUS_NO_MEMORY;
    if (st) {
        listing_free(r.listing);
        return st;
    }
    if (r.listing->count)
        qsort(r.listing->entries, r.listing->count, sizeof *r.listing->entries, compare);
    *out = r.listing;
    return STATUS_SUCCESS;
}

void listing_free(struct listing *listing)
{
    if (!listing)
        return;
    for (size_t i = 0; i < listing->count; i++)
        free(listing->entries[i].name);
    free(listing->entries);
    free(listing);
}

nt_status listing_is_empty(int fd, bool *empty)
{
    const struct dirent *entry;
    DIR *dir;
    nt_status st = open_again(fd, &dir);

    if (st)
        return st;
    *empty = true;
    while (*empty && (entry = readdir(dir)) != NULL)
        *empty = is_dots(entry->d_name);
    (void)closedir(dir);
    return STATUS_SUCCESS;
}
