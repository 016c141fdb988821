/* What can be asked of an opened file, and set: FILE_INFORMATION_CLASS. Structures as in the WDK's ntifs.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nt/io.h"
#include "nt/mapped.h"
#include "nt/notices.h"
#include "nt/ports.h"
#include "nt/serve_pipe.h"
#include "winstub/utf.h"

/* Flags of INFO_DISPOSITION_EX; the first of INFO_RENAME_EX. */
enum { DELETE_IT = 1, DELETE_AT_ONCE = 2, DELETE_READONLY_TOO = 0x10 };
enum { RENAME_REPLACES = 1 };

#define ANSWER_MAX (2u * 0x10000u)
#define TIME_KEEP                                                                                  \
    UINT64_MAX /* and the one below: times of FILE_BASIC_INFORMATION that are not set */
#define MODE_BITS                                                                                  \
    0x1032u /* write through, sequential, both kinds of synchronous, delete on close */

/* ---- Asking ----------------------------------------------------------------------------------- */

/* What the answers are made of. */
struct facts {
    const struct file *file;
    uint32_t access; /* of the handle */
    struct stat host;
    struct buf *out;
};

static void put(struct buf *out, uint64_t value, size_t size)
{
    uint8_t raw[8];

    put_u64(raw, value);
    (void)buf_append(out, raw, size);
}

static void put_basic(const struct facts *f)
{
    uint8_t raw[40];

    io_put_basic(raw, &f->host);
    (void)buf_append(f->out, raw, sizeof raw);
}

/* AllocationSize, EndOfFile, NumberOfLinks, DeletePending, Directory. */
static void put_standard(const struct facts *f)
{
    bool folder = f->file->kind == FILE_FOLDER;

    put(f->out, io_allocated(&f->host), 8);
    put(f->out, folder ? 0 : (uint64_t)f->host.st_size, 8);
    put(f->out, folder || !f->host.st_nlink ? 1 : f->host.st_nlink, 4);
    put(f->out, f->file->doomed, 1);
    put(f->out, folder, 1);
    put(f->out, 0, 2);
}

/* The path without its drive, behind its length. */
static void put_name(const struct facts *f)
{
    const char *path = f->file->path;
    struct buf text;

    buf_init(&text, ANSWER_MAX);
    (void)utf16_append(&text, *path ? path + 2 : path);
    put(f->out, text.len, 4);
    (void)buf_append(f->out, text.data, text.len);
    buf_fini(&text);
}

static void put_network(const struct facts *f)
{
    uint8_t raw[40];

    io_put_basic(raw, &f->host);
    (void)buf_append(f->out, raw, 32);
    put(f->out, io_allocated(&f->host), 8);
    put(f->out, f->file->kind == FILE_FOLDER ? 0 : (uint64_t)f->host.st_size, 8);
    put(f->out, files_attributes(&f->host), 4);
    put(f->out, 0, 4);
}

static void put_all(const struct facts *f)
{
    put_basic(f);
    put_standard(f);
    put(f->out, f->host.st_ino, 8);
    put(f->out, 0, 4); /* size of extended attributes */
    put(f->out, f->access, 4);
    put(f->out, f->file->position, 8);
    put(f->out, f->file->options & MODE_BITS, 4);
    put(f->out, 0, 4); /* alignment */
    put_name(f);
}

/* The one stream that a file has: next entry, length of the name, size, allocation, name. */
static void put_stream(const struct facts *f)
{
    if (f->file->kind == FILE_FOLDER)
        return;
    put(f->out, 0, 4);
    put(f->out, 14, 4);
    put(f->out, (uint64_t)f->host.st_size, 8);
    put(f->out, io_allocated(&f->host), 8);
    (void)utf16_append(f->out, "::$DATA");
}

/* FILE_STAT_INFORMATION. */
static void put_stat(const struct facts *f)
{
    uint8_t raw[40];

    io_put_basic(raw, &f->host);
    put(f->out, f->host.st_ino, 8);
    (void)buf_append(f->out, raw, 32);
    put(f->out, io_allocated(&f->host), 8);
    put(f->out, f->file->kind == FILE_FOLDER ? 0 : (uint64_t)f->host.st_size, 8);
    put(f->out, files_attributes(&f->host), 4);
    put(f->out, 0, 4); /* no reparse point */
    put(f->out, f->file->kind == FILE_FOLDER ? 1 : f->host.st_nlink, 4);
    put(f->out, f->access, 4);
}

static nt_status put_class(const struct facts *f, uint64_t class)
{
    switch (class) {
    case INFO_BASIC:
        put_basic(f);
        return STATUS_SUCCESS;
    case INFO_STANDARD:
        put_standard(f);
        return STATUS_SUCCESS;
    case INFO_INTERNAL:
        put(f->out, f->host.st_ino, 8);
        return STATUS_SUCCESS;
    case INFO_ACCESS:
        put(f->out, f->access, 4);
        return STATUS_SUCCESS;
    case INFO_EA:
    case INFO_ALIGNMENT:
    case INFO_REMOTE_DEVICE:
        put(f->out, 0, class == INFO_REMOTE_DEVICE ? 1 : 4);
        return STATUS_SUCCESS;
    case INFO_NAME:
    case INFO_NORMALIZED_NAME:
        put_name(f);
        return STATUS_SUCCESS;
    case INFO_POSITION:
        put(f->out, f->file->position, 8);
        return STATUS_SUCCESS;
    case INFO_MODE:
        put(f->out, f->file->options & MODE_BITS, 4);
        return STATUS_SUCCESS;
    case INFO_ALL:
        put_all(f);
        return STATUS_SUCCESS;
    case INFO_STAT:
        put_stat(f);
        return STATUS_SUCCESS;
    case INFO_STREAM:
        put_stream(f);
        return STATUS_SUCCESS;
    case INFO_NETWORK_OPEN:
        put_network(f);
        return STATUS_SUCCESS;
    case INFO_NOTIFICATION:
        put(f->out, f->file->notification, 4);
        return STATUS_SUCCESS;
    case INFO_ATTRIBUTE_TAG:
        put(f->out, files_attributes(&f->host), 4);
        put(f->out, 0, 4);
        return STATUS_SUCCESS;
    case INFO_ID:
        put(f->out, IO_VOLUME_SERIAL, 8);
        put(f->out, f->host.st_ino, 8);
        put(f->out, 0, 8);
        return STATUS_SUCCESS;
    default:
        return STATUS_INVALID_INFO_CLASS;
    }
}

/* The bytes before a name, which alone may be cut. 0: nothing may. */
static size_t fixed_size(uint64_t class)
{
    switch (class) {
    case INFO_NAME:
    case INFO_NORMALIZED_NAME:
        return 4;
    case INFO_ALL:
        return 100;
    default:
        return 0;
    }
}

static nt_status answer(struct call *call, const struct buf *out)
{
    size_t fixed = fixed_size(call->arg[4]), len = out->len;
    nt_status st;

    if (out->failed)
        return STATUS_NO_MEMORY;
    if (call->arg[3] >= len)
        return io_answer(call, out->data, len);
    /* The structures end with room for one letter, and alignment. */
    if (!fixed || call->arg[3] < fixed + 4)
        return STATUS_INFO_LENGTH_MISMATCH;
    st = guest_write(call->process, call->arg[2], out->data, (size_t)call->arg[3]);
    return st ? st : io_finish(call, call->arg[1], STATUS_BUFFER_OVERFLOW, call->arg[3]);
}

nt_status serve_NtQueryInformationFile(struct call *call)
{
    struct file *file;
    struct buf out;
    struct facts facts = {.out = &out};
    nt_status st = files_get(&call->kernel->handles, call->arg[0], &file);

    if (st)
        return st;
    facts.file = file;
    facts.access = handles_entry(&call->kernel->handles, call->arg[0])->access;
    st = files_stat(file, &facts.host);
    if (st)
        return st;
    if (pipe_is_file(file) && request_waits_its_turn(call, file))
        return STATUS_PENDING;
    buf_init(&out, ANSWER_MAX);
    st = pipe_is_file(file) ? pipe_query(call, file, &out) : STATUS_INVALID_INFO_CLASS;
    if (st == STATUS_INVALID_INFO_CLASS)
        st = put_class(&facts, call->arg[4]);
    if (!st)
        st = answer(call, &out);
    buf_fini(&out);
    return st;
}

/* ---- Setting ---------------------------------------------------------------------------------- */

/* A time of FILE_BASIC_INFORMATION as futimens wants it. */
static struct timespec time_to_set(uint64_t time)
{
    if (!time || time >= TIME_KEEP - 1)
        return (struct timespec){.tv_nsec = UTIME_OMIT};
    return io_timespec(time);
}

/* Times of access and of writing, and whether it is read-only; the host keeps nothing else. */
static nt_status set_basic(struct file *file, const uint8_t *raw)
{
    struct timespec times[2] = {time_to_set(get_u64(raw + 8)), time_to_set(get_u64(raw + 16))};
    uint32_t attributes = get_u32(raw + 32);
    struct stat host;
    mode_t mode;
    nt_status st = files_stat(file, &host);

    if (st)
        return st;
    if (attributes & ATTRIBUTE_DIRECTORY && file->kind != FILE_FOLDER)
        return STATUS_INVALID_PARAMETER;
    if (futimens(file->fd, times))
        return volumes_refusal(errno, true);
    if (!attributes || file->kind == FILE_FOLDER)
        return STATUS_SUCCESS;
    mode = host.st_mode & 07777;
    mode = attributes & ATTRIBUTE_READONLY ? mode & ~(mode_t)0222
           : mode & 0222                   ? mode
                                           : mode | 0200;
    return fchmod(file->fd, mode) ? volumes_refusal(errno, true) : STATUS_SUCCESS;
}

static nt_status set_size(struct file *file, uint64_t size, bool only_less)
{
    struct stat host;
    nt_status st = files_stat(file, &host);

    if (st || (only_less && size >= (uint64_t)host.st_size))
        return st;
    if (file->kind != FILE_REGULAR || size > INT64_MAX)
        return STATUS_INVALID_PARAMETER;
    if (!mapped_may_be_cut(file, size))
        return STATUS_USER_MAPPED_FILE;
    return ftruncate(file->fd, (off_t)size) ? volumes_refusal(errno, true) : STATUS_SUCCESS;
}

static nt_status set_disposition(struct file *file, uint32_t flags)
{
    struct stat host;

    if (flags & DELETE_READONLY_TOO && file->writable && !files_stat(file, &host) &&
        !(host.st_mode & 0222))
        (void)fchmod(file->fd, (host.st_mode & 07777) | 0200);
    return files_doom(file, flags & DELETE_IT, flags & DELETE_AT_ONCE);
}

/* FILE_RENAME_INFORMATION: flags or a BOOLEAN, a folder's handle, the name's length in bytes, the name. */
static nt_status set_name(struct call *call, struct file *file, const struct buf *raw)
{
    uint32_t pointer = nt_pointer(call->process->arch);
    uint64_t root = pointer == 8 ? get_u64(raw->data + 8) : get_u32(raw->data + 4);
    uint32_t length = get_u32(raw->data + 2 * pointer);
    size_t at = 2 * (size_t)pointer + 4;
    bool replace = call->arg[4] == INFO_RENAME_EX ? raw->data[0] & RENAME_REPLACES : raw->data[0];
    struct buf name;
    char *path = NULL;
    nt_status st;

    if (!length || length % 2 || length > raw->len - at)
        return STATUS_INVALID_PARAMETER;
    buf_init(&name, ANSWER_MAX);
    if (!root && (raw->data[at] != '\\' || raw->data[at + 1])) { /* beside where it is */
        const char *slash = strrchr(file->path, '\\');

        (void)buf_printf(&name, "\\??\\%.*s", slash ? (int)(slash + 1 - file->path) : 0,
                         file->path);
    }
    (void)utf8_append_utf16(&name, raw->data + at, length / 2);
    if (name.failed)
        st = STATUS_NO_MEMORY;
    else if (memchr(buf_str(&name), 0, name.len))
        st = STATUS_OBJECT_NAME_INVALID;
    else
        st = io_path(call, root, buf_str(&name), &path);
    if (!st)
        st = files_rename(file, path, replace, call->arg[4] == INFO_LINK);
    free(path);
    buf_fini(&name);
    return st;
}

/* FILE_COMPLETION_INFORMATION: the port that is told of the file's requests, and its key there. */
static nt_status set_port(struct call *call, struct file *file, const uint8_t *raw)
{
    uint32_t pointer = nt_pointer(call->process->arch);
    uint64_t handle = pointer == 8 ? get_u64(raw) : get_u32(raw);
    struct object *port = NULL;
    nt_status st = service_object(call, handle, &port_class, 0, &port);

    if (st)
        return st;
    if (file->port || file->options & (OPTION_SYNC | OPTION_SYNC_ALERT))
        return STATUS_INVALID_PARAMETER;
    object_ref(port);
    file->port = (struct port *)port;
    file->port_key = pointer == 8 ? get_u64(raw + 8) : get_u32(raw + 4);
    return STATUS_SUCCESS;
}

/* What a class needs: bytes at least, and rights of which the handle must have one. */
static nt_status needs(const struct call *call, size_t *size, uint32_t *access)
{
    uint32_t pointer = nt_pointer(call->process->arch);

    *access = ACCESS_ALL_OF_FILE;
    *size = 8;
    switch (call->arg[4]) {
    case INFO_BASIC:
        *size = 40;
        if (!call->kernel->wine) /* whose SetFileAttributes asks for no right */
            *access = ACCESS_WRITE_ATTRIBUTES;
        return STATUS_SUCCESS;
    case INFO_LINK:
        *size = 2 * (size_t)pointer + 6;
        return STATUS_SUCCESS;
    case INFO_RENAME:
    case INFO_RENAME_EX:
        *size = 2 * (size_t)pointer + 6;
        *access = ACCESS_DELETE;
        return STATUS_SUCCESS;
    case INFO_DISPOSITION:
    case INFO_DISPOSITION_EX:
        *size = call->arg[4] == INFO_DISPOSITION ? 1 : 4;
        *access = ACCESS_DELETE;
        return STATUS_SUCCESS;
    case INFO_COMPLETION:
        *size = 2 * (size_t)pointer;
        return STATUS_SUCCESS;
    case INFO_POSITION:
        return STATUS_SUCCESS;
    case INFO_PIPE:
        *access = ACCESS_WRITE_ATTRIBUTES;
        return STATUS_SUCCESS;
    case INFO_NOTIFICATION:
    case INFO_MODE:
        *size = 4;
        return STATUS_SUCCESS;
    case INFO_ALLOCATION:
    case INFO_END_OF_FILE:
    case INFO_VALID_LENGTH:
        *access = ACCESS_WRITE_DATA;
        return STATUS_SUCCESS;
    default:
        return STATUS_INVALID_INFO_CLASS;
    }
}

static nt_status set_position(struct file *file, uint64_t position)
{
    if ((int64_t)position < 0)
        return STATUS_INVALID_PARAMETER;
    file->position = position;
    return STATUS_SUCCESS;
}

/* These stay on. A file that is signaled no more is not. */
static void set_notification(struct file *file, uint32_t flags)
{
    file->notification |= flags & (NOTIFY_NOT_PORT | NOTIFY_NOT_EVENT);
    if (flags & NOTIFY_NOT_EVENT)
        file->signaled = false;
}

/* Can that be set of a file of this kind? */
static bool can_set(const struct file *file, uint64_t class)
{
    if (file->kind == FILE_REGULAR || file->kind == FILE_FOLDER)
        return class != INFO_PIPE;
    return file->kind == FILE_PIPE && (class == INFO_PIPE || class == INFO_COMPLETION ||
                                       class == INFO_NOTIFICATION || class == INFO_MODE);
}

static nt_status set_class(struct call *call, struct file *file, const struct buf *raw)
{
    switch (call->arg[4]) {
    case INFO_BASIC:
        return file->writable ? set_basic(file, raw->data) : STATUS_ACCESS_DENIED;
    case INFO_LINK:
    case INFO_RENAME:
    case INFO_RENAME_EX:
        return set_name(call, file, raw);
    case INFO_DISPOSITION:
        return set_disposition(file, raw->data[0] ? DELETE_IT : 0);
    case INFO_DISPOSITION_EX:
        return set_disposition(file, get_u32(raw->data));
    case INFO_POSITION:
        return set_position(file, get_u64(raw->data));
    case INFO_COMPLETION:
        return set_port(call, file, raw->data);
    case INFO_NOTIFICATION:
        set_notification(file, get_u32(raw->data));
        return STATUS_SUCCESS;
    case INFO_PIPE:
        return pipe_set_modes(file->pipe, get_u32(raw->data), get_u32(raw->data + 4));
    case INFO_MODE:
        return STATUS_SUCCESS; /* how the host writes is not the guest's to say */
    case INFO_END_OF_FILE:
        return set_size(file, get_u64(raw->data), false);
    case INFO_ALLOCATION:
        return set_size(file, get_u64(raw->data), true);
    default: /* INFO_VALID_LENGTH: what was never written is zero here */
        return STATUS_SUCCESS;
    }
}

/* Tell who watches the folder what of the file has changed. */
static void tell_of(const struct file *file, uint64_t class)
{
    uint32_t what = 0;

    if (class == INFO_BASIC)
        what = NOTICE_ATTRIBUTES | NOTICE_WRITTEN | NOTICE_ACCESSED | NOTICE_CREATED;
    if (class == INFO_END_OF_FILE || class == INFO_ALLOCATION)
        what = NOTICE_SIZE | NOTICE_WRITTEN;
    if (what)
        notices_tell(file->volumes, file->path, what, NOTICE_MODIFIED);
}

nt_status serve_NtSetInformationFile(struct call *call)
{
    struct file *file = NULL;
    struct buf raw;
    uint8_t *room;
    size_t least;
    uint32_t access;
    nt_status st = needs(call, &least, &access);

    if (!st)
        st = files_use(&call->kernel->handles, call->arg[0], access, &file);
    if (!st && call->arg[3] < least)
        st = STATUS_INFO_LENGTH_MISMATCH;
    if (!st && !can_set(file, call->arg[4]))
        st = STATUS_INVALID_DEVICE_REQUEST;
    if (st)
        return st;
    if (pipe_is_file(file) && request_waits_its_turn(call, file))
        return STATUS_PENDING;
    buf_init(&raw, ANSWER_MAX);
    room = buf_extend(&raw, (size_t)(call->arg[3] < ANSWER_MAX ? call->arg[3] : ANSWER_MAX));
    st = room ? guest_read(call->process, call->arg[2], raw.data, raw.len) : STATUS_NO_MEMORY;
    if (!st)
        st = set_class(call, file, &raw);
    if (!st)
        tell_of(file, call->arg[4]);
    buf_fini(&raw);
    return st ? st : io_finish(call, call->arg[1], STATUS_SUCCESS, 0);
}
