/* What a folder holds, and what its volume is: NtQueryDirectoryFile, FS_INFORMATION_CLASS. Structures as in ntifs.h. */
#include <stdlib.h>
#include <string.h>

#include "nt/io.h"
#include "nt/listing.h"
#include "nt/notices.h"
#include "winstub/utf.h"

/* ---- Entries ---------------------------------------------------------------------------------- */

enum {
    CLASS_DIRECTORY = 1,
    CLASS_FULL = 2,
    CLASS_BOTH = 3,
    CLASS_NAMES = 12,
    CLASS_ID_BOTH = 37,
    CLASS_ID_FULL = 38,
    CLASS_ID_EXTENDED = 60,
};

#define NAME_BYTES_MAX 1024u /* of UTF-16: a host's name has at most 255 bytes */
#define HEAD_MAX       104u

/* Where in an entry the name begins and where its id is, 0: it has none; by class. */
struct entry_form {
    uint32_t class;
    uint8_t name, id;
};

static const struct entry_form forms[] = {
    {CLASS_DIRECTORY, 64, 0},    {CLASS_FULL, 68, 0},      {CLASS_BOTH, 94, 0},
    {CLASS_NAMES, 12, 0},        {CLASS_ID_BOTH, 104, 96}, {CLASS_ID_FULL, 80, 72},
    {CLASS_ID_EXTENDED, 88, 72},
};

static const struct entry_form *find_form(uint64_t class)
{
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if (forms[i].class == class)
            return &forms[i];
    }
    return NULL;
}

/* Everything before the name. */
static void fill_head(uint8_t head[HEAD_MAX], const struct entry_form *form,
                      const struct listing_entry *entry, size_t name_bytes)
{
    uint8_t basic[40];

    memset(head, 0, HEAD_MAX);
    if (form->class == CLASS_NAMES) {
        put_u32(head + 8, (uint32_t)name_bytes);
        return;
    }
    io_put_basic(basic, &entry->host);
    memcpy(head + 8, basic, 32);
    put_u64(head + 40, S_ISREG(entry->host.st_mode) ? (uint64_t)entry->host.st_size : 0);
    put_u64(head + 48, io_allocated(&entry->host));
    put_u32(head + 56, files_attributes(&entry->host));
    put_u32(head + 60, (uint32_t)name_bytes);
    if (form->id)
        put_u64(head + form->id, entry->host.st_ino);
}

/* Entries so far: how many bytes, and where the last one begins. */
struct answer {
    gva_t at;
    uint64_t room, used, last;
    size_t count;
};

/* Append one entry. STATUS_BUFFER_OVERFLOW: it does not fit. */
static nt_status put_entry(struct call *call, const struct entry_form *form,
                           const struct listing_entry *entry, struct answer *a)
{
    uint8_t head[HEAD_MAX];
    uint64_t start = (a->used + 7) & ~UINT64_C(7), fits;
    struct buf name;
    nt_status st = STATUS_SUCCESS;

    buf_init(&name, NAME_BYTES_MAX);
    (void)utf16_append(&name, entry->name);
    fill_head(head, form, entry, name.len);
    fits = start < a->room ? a->room - start : 0;
    if (fits < form->name + name.len) {
        st = STATUS_BUFFER_OVERFLOW;
    } else {
        st = guest_write(call->process, a->at + start, head, form->name);
        if (!st)
            st = guest_write(call->process, a->at + start + form->name, name.data, name.len);
        if (!st && a->count)
            st = guest_put_number(call->process, a->at + a->last, 4, start - a->last);
        a->last = start;
        a->used = start + form->name + name.len;
        a->count++;
    }
    buf_fini(&name);
    return st;
}

/* The entries that fit, or one. */
static nt_status put_entries(struct call *call, const struct entry_form *form, struct file *file,
                             struct answer *a)
{
    struct listing *l = file->listing;
    nt_status st = STATUS_SUCCESS;

    while (!st && l->next < l->count && !(call->arg[8] && a->count)) {
        st = put_entry(call, form, &l->entries[l->next], a);
        if (!st)
            l->next++;
    }
    return st == STATUS_BUFFER_OVERFLOW && a->count ? STATUS_SUCCESS : st;
}

static nt_status start_listing(struct call *call, struct file *file)
{
    char *pattern = NULL;
    nt_status st = STATUS_SUCCESS;

    if (call->arg[9])
        st = service_text(call->process, call->arg[9], &pattern);
    if (pattern &&
        call->kernel->wine) /* whose kernel32 leaves that to the kernel, before version 9 */
        listing_dos_pattern(pattern);
    if (!st) {
        listing_free(file->listing);
        file->listing = NULL;
        st = listing_new(file, pattern, &file->listing);
    }
    free(pattern);
    return st;
}

/* arg: 4 IO_STATUS_BLOCK, 5 buffer, 6 length, 7 class, 8 one entry only, 9 pattern, 10 from the start. */
nt_status serve_NtQueryDirectoryFile(struct call *call)
{
    const struct entry_form *form = find_form(call->arg[7]);
    struct answer a = {.at = call->arg[5], .room = call->arg[6]};
    struct file *file;
    bool first;
    nt_status st = files_use(&call->kernel->handles, call->arg[0], ACCESS_READ_DATA, &file);

    if (st)
        return st;
    if (file->kind != FILE_FOLDER)
        return STATUS_INVALID_PARAMETER;
    if (!form)
        return STATUS_INVALID_INFO_CLASS;
    if (a.room < ((form->name + 2u + 7u) & ~7u))
        return STATUS_INFO_LENGTH_MISMATCH;
    first = !file->listing || call->arg[10];
    if (first)
        st = start_listing(call, file);
    if (!st)
        st = put_entries(call, form, file, &a);
    if (!st && !a.count)
        st = first ? STATUS_NO_SUCH_FILE : STATUS_NO_MORE_FILES;
    return st ? st : request_served(call, file, call->arg[4], STATUS_SUCCESS, a.used);
}

/* ---- Changes ---------------------------------------------------------------------------------- */

/*
 * arg: 5 buffer, 6 length, 7 what is watched, 8 folders below it as well. Wine's FindFirstChangeNotification opens the folder for
 * synchronous use and expects to go on.
 */
nt_status serve_NtNotifyChangeDirectoryFile(struct call *call)
{
    struct request *r;
    struct file *folder;
    nt_status st;

    if (!call->arg[7] || call->arg[7] & ~(uint64_t)NOTICE_VALID)
        return STATUS_INVALID_PARAMETER;
    st = files_use(&call->kernel->handles, call->arg[0], ACCESS_READ_DATA, &folder);
    if (!st && folder->kind != FILE_FOLDER)
        st = STATUS_INVALID_PARAMETER;
    if (!st)
        st = guest_probe(call->process, call->arg[5], call->arg[6], VM_WRITE);
    if (st)
        return st;
    if (!call->kernel->wine && request_waits_its_turn(call, folder))
        return STATUS_PENDING;
    st = request_new(call, folder, REQUEST_NOTIFY, &r);
    if (st)
        return st;
    r->buffer = call->arg[5];
    r->size = call->arg[6];
    notices_wait(folder, r, (uint32_t)call->arg[7], call->arg[8]);
    return call->kernel->wine ? request_leave(r) : request_finish(call, r);
}

/* ---- Volumes ---------------------------------------------------------------------------------- */

enum {
    FS_VOLUME = 1,
    FS_LABEL = 2,
    FS_SIZE = 3,
    FS_DEVICE = 4,
    FS_ATTRIBUTE = 5,
    FS_FULL_SIZE = 7,
    FS_SECTOR_SIZE = 11,
};
enum { DEVICE_DISK = 0x07, DEVICE_PIPE = 0x11, DEVICE_NULL = 0x15, DEVICE_MOUNTED = 0x20 };

/* The guest's disk, which is the same everywhere: 64 GiB, half of them free. */
#define DISK_UNITS        (UINT64_C(64) << 18)
#define DISK_FREE         (UINT64_C(32) << 18)
#define DISK_UNIT_SECTORS 8
#define DISK_SECTOR       512
#define DISK_CREATED      UINT64_C(132223104000000000) /* 1 January 2020 */
#define DISK_ATTRIBUTES   0x00000006u                  /* keeps the case of names, Unicode */
#define DISK_NAME_MAX     255

static void put_volume(struct buf *out)
{
    uint8_t raw[24] = {
        0}; /* creation, serial number, length of the label, supports objects, label */

    put_u64(raw, DISK_CREATED);
    put_u32(raw + 8, IO_VOLUME_SERIAL);
    (void)buf_append(out, raw, sizeof raw);
}

static void put_sizes(struct buf *out, bool full)
{
    uint8_t raw[32];
    size_t at = full ? 24 : 16;

    put_u64(raw, DISK_UNITS);
    put_u64(raw + 8, DISK_FREE);
    if (full)
        put_u64(raw + 16, DISK_FREE);
    put_u32(raw + at, DISK_UNIT_SECTORS);
    put_u32(raw + at + 4, DISK_SECTOR);
    (void)buf_append(out, raw, at + 8);
}

static void put_device(struct buf *out, const struct file *file)
{
    uint8_t raw[8]; /* DeviceType, Characteristics */
    bool disk = file->kind == FILE_REGULAR || file->kind == FILE_FOLDER;

    put_u32(raw, disk ? DEVICE_DISK : file->kind == FILE_NULL ? DEVICE_NULL : DEVICE_PIPE);
    put_u32(raw + 4, disk ? DEVICE_MOUNTED : 0);
    (void)buf_append(out, raw, sizeof raw);
}

static void put_attributes(struct buf *out)
{
    uint8_t raw[12];

    put_u32(raw, DISK_ATTRIBUTES);
    put_u32(raw + 4, DISK_NAME_MAX);
    put_u32(raw + 8, 8);
    (void)buf_append(out, raw, sizeof raw);
    (void)utf16_append(out, "NTFS");
}

/* FILE_FS_SECTOR_SIZE_INFORMATION: four sizes of sectors, flags, two offsets. */
static void put_sectors(struct buf *out)
{
    uint8_t raw[28] = {0};

    for (size_t i = 0; i < 4; i++)
        put_u32(raw + 4 * i, DISK_SECTOR);
    (void)buf_append(out, raw, sizeof raw);
}

static nt_status put_class(struct buf *out, const struct file *file, uint64_t class)
{
    if (class == FS_DEVICE) {
        put_device(out, file);
        return STATUS_SUCCESS;
    }
    if (file->kind != FILE_REGULAR && file->kind != FILE_FOLDER)
        return STATUS_INVALID_DEVICE_REQUEST;
    switch (class) {
    case FS_VOLUME:
        put_volume(out);
        return STATUS_SUCCESS;
    case FS_SIZE:
    case FS_FULL_SIZE:
        put_sizes(out, class == FS_FULL_SIZE);
        return STATUS_SUCCESS;
    case FS_ATTRIBUTE:
        put_attributes(out);
        return STATUS_SUCCESS;
    case FS_SECTOR_SIZE:
        put_sectors(out);
        return STATUS_SUCCESS;
    default:
        return STATUS_INVALID_INFO_CLASS;
    }
}

nt_status serve_NtQueryVolumeInformationFile(struct call *call)
{
    struct file *file;
    struct buf out;
    nt_status st = files_get(&call->kernel->handles, call->arg[0], &file);

    if (st)
        return st;
    buf_init(&out, 256);
    st = put_class(&out, file, call->arg[4]);
    if (!st)
        st = out.failed ? STATUS_NO_MEMORY : io_answer(call, out.data, out.len);
    buf_fini(&out);
    return st;
}

/* A volume's label is not the guest's to change. */
nt_status serve_NtSetVolumeInformationFile(struct call *call)
{
    struct file *file;
    nt_status st = files_get(&call->kernel->handles, call->arg[0], &file);

    if (st)
        return st;
    return call->arg[4] == FS_LABEL ? STATUS_ACCESS_DENIED : STATUS_INVALID_INFO_CLASS;
}
