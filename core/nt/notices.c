/* Changes in folders; the contract is in notices.h. */
#include "nt/notices.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "nt/files.h"
#include "nt/guest.h"
#include "nt/requests.h"
#include "nt/threads.h"
#include "winstub/buf.h"
#include "winstub/bytes.h"
#include "winstub/utf.h"

#define RECORDS_MAX                                                                                \
    0x10000u     /* bytes that are kept at most, however large the first request's buffer is */
#define HEAD 12u /* FILE_NOTIFY_INFORMATION: where the next one is, action, length of the name */

struct notices {
    uint32_t filter;
    bool below;
    bool lost;          /* there was more than is kept */
    struct buf records; /* FILE_NOTIFY_INFORMATION */
    size_t last;        /* where the last one begins */
};

/* ---- Records ---------------------------------------------------------------------------------- */

static void forget(struct notices *n)
{
    n->records.len = 0;
    n->records.failed = false;
    n->last = 0;
    n->lost = false;
}

static void add_record(struct notices *n, const char *name, enum notice action)
{
    size_t at = (n->records.len + 3) & ~(size_t)3;
    struct buf utf16;
    uint8_t *head;

    buf_init(&utf16, RECORDS_MAX);
    (void)utf16_append(&utf16, name);
    head = utf16.failed || n->lost ? NULL : buf_extend(&n->records, at - n->records.len + HEAD);
    n->lost = !head || !buf_append(&n->records, utf16.data, utf16.len);
    if (!n->lost) {
        head = n->records.data + at;
        put_u32(head, 0);
        put_u32(head + 4, action);
        put_u32(head + 8, (uint32_t)utf16.len);
        if (at)
            put_u32(n->records.data + n->last, (uint32_t)(at - n->last));
        n->last = at;
    }
    buf_fini(&utf16);
}

/* Give the first request what there is; without room for all of it, the guest must look for itself. */
static void deliver(struct file *folder)
{
    struct notices *n = folder->notices;
    struct request *r = folder->requests;
    nt_status st = STATUS_NOTIFY_ENUM_DIR;

    if (!r || !(n->records.len || n->lost))
        return;
    if (!n->lost && n->records.len <= r->size) {
        st = guest_write(r->process, r->buffer, n->records.data, n->records.len);
        r->done = st ? 0 : n->records.len;
    }
    forget(n);
    request_end(r, st);
}

/* ---- Watching --------------------------------------------------------------------------------- */

void notices_wait(struct file *folder, struct request *r, uint32_t filter, bool below)
{
    struct notices *n = folder->notices;

    if (!n) {
        n = calloc(1, sizeof *n);
        if (!n) {
            request_end(r, STATUS_NO_MEMORY);
            return;
        }
        n->filter = filter;
        n->below = below;
        buf_init(&n->records, r->size < RECORDS_MAX ? (size_t)r->size : RECORDS_MAX);
        folder->notices = n;
        folder->volumes->watched++;
    }
    deliver(folder);
}

void notices_end(struct file *folder, nt_status st)
{
    while (folder->notices && folder->requests)
        request_end(folder->requests, st);
}

void notices_free(struct file *folder)
{
    if (!folder->notices)
        return;
    folder->volumes->watched--;
    buf_fini(&folder->notices->records);
    free(folder->notices);
}

/* The path as it is named below the folder; NULL: it is not there, or deeper than is watched. */
static const char *name_below(const struct file *folder, const char *path)
{
    size_t len = strlen(folder->path);

    len -= len && folder->path[len - 1] == '\\';
    if (strncasecmp(path, folder->path, len) != 0 || path[len] != '\\' || !path[len + 1])
        return NULL;
    path += len + 1;
    return folder->notices->below || !strchr(path, '\\') ? path : NULL;
}

/* Keep it for who watches that. */
static void note(struct volumes *volumes, const char *path, uint32_t what, enum notice action)
{
    for (struct file *at = volumes->watched ? volumes->open : NULL; at; at = at->next) {
        const char *name = at->notices && at->notices->filter & what ? name_below(at, path) : NULL;

        if (name)
            add_record(at->notices, name, action);
    }
}

static void deliver_all(struct volumes *volumes)
{
    struct file *next;

    for (struct file *at = volumes->watched ? volumes->open : NULL; at; at = next) {
        next = at->next;
        if (at->notices)
            deliver(at);
    }
}

void notices_tell(struct volumes *volumes, const char *path, uint32_t what, enum notice action)
{
    note(volumes, path, what, action);
    deliver_all(volumes);
}

void notices_tell_move(struct volumes *volumes, const char *from, const char *to, uint32_t what)
{
    const char *last_from = strrchr(from, '\\'), *last_to = strrchr(to, '\\');
    bool stays =
        last_from - from == last_to - to && strncasecmp(from, to, (size_t)(last_to - to)) == 0;

    note(volumes, from, what, stays ? NOTICE_RENAMED_FROM : NOTICE_REMOVED);
    note(volumes, to, what, stays ? NOTICE_RENAMED_TO : NOTICE_ADDED);
    deliver_all(volumes);
}

uint32_t notices_name(const struct file *file)
{
    return file->kind == FILE_FOLDER ? NOTICE_FOLDER_NAME : NOTICE_FILE_NAME;
}
