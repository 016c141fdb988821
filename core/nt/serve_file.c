/*
 * File services: opening, reading, writing, asking. The guest's folders are read-only. Standard streams are pipes to
 * the guest; reading one does not hold up the run loop: the caller asks again until something is there.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nt/services.h"

#define IO_CHUNK    0x10000u
#define WAIT_OUTPUT 10 /* ms after which a reader that is slow is asked again */

/* CreateOptions and access rights that matter here. */
enum { FILE_DIRECTORY_FILE = 1, FILE_NON_DIRECTORY_FILE = 0x40 };
enum { FILE_OPEN = 1, FILE_OPEN_IF = 3, FILE_OPENED = 1 };
#define ACCESS_WRITES                                                                              \
    0x500d0156u /* data, append, EA, attributes, delete child, DELETE, WRITE_*, GENERIC_* */

enum { FS_DEVICE = 4 };
enum { DEVICE_DISK = 0x07, DEVICE_PIPE = 0x11, DEVICE_MOUNTED = 0x20 };
enum { INFO_STANDARD = 5, INFO_POSITION = 14 };
enum { ATTRIBUTE_READONLY = 1, ATTRIBUTE_DIRECTORY = 0x10, ATTRIBUTE_ARCHIVE = 0x20 };

#define EPOCH_1601 UINT64_C(116444736000000000)

static nt_status finish_io(struct call *call, gva_t iosb, nt_status st, uint64_t information)
{
    nt_status written = guest_put(call->process, iosb, NT_IO_STATUS, st);

    if (!written)
        written = guest_put(call->process, iosb, NT_IO_INFORMATION, information);
    return written ? written : st;
}

/* ---- Opening ---------------------------------------------------------------------------------- */

/* A name below an opened folder, or an absolute one. */
static nt_status full_name(struct call *call, const struct attributes *attributes, struct buf *out)
{
    struct file *folder;
    nt_status st;

    if (!attributes->root)
        return buf_text(out, attributes->name) ? STATUS_SUCCESS : STATUS_NO_MEMORY;
    st = files_get(&call->kernel->handles, attributes->root, &folder);
    if (st)
        return st;
    if (*attributes->name == '\\')
        return STATUS_OBJECT_PATH_SYNTAX_BAD;
    (void)buf_printf(out, "\\??\\%s", folder->path);
    if (*attributes->name)
        (void)buf_printf(out, "%s%s", buf_str(out)[out->len - 1] == '\\' ? "" : "\\",
                         attributes->name);
    return out->failed ? STATUS_NO_MEMORY : STATUS_SUCCESS;
}

/* Open what OBJECT_ATTRIBUTES at a guest address name. */
static nt_status open_named(struct call *call, gva_t at, struct file **out)
{
    struct attributes attributes;
    struct buf name;
    nt_status st = attributes_read(call->process, at, &attributes);

    if (st)
        return st;
    buf_init(&name, 4 * NT_STRING_MAX);
    st = full_name(call, &attributes, &name);
    if (!st)
        st = files_open(&call->kernel->volumes, buf_str(&name), out);
    buf_fini(&name);
    attributes_fini(&attributes);
    return st;
}

static nt_status check_options(const struct file *file, uint64_t access, uint64_t options)
{
    if (options & FILE_DIRECTORY_FILE && file->kind != FILE_FOLDER)
        return STATUS_NOT_A_DIRECTORY;
    if (options & FILE_NON_DIRECTORY_FILE && file->kind == FILE_FOLDER)
        return STATUS_FILE_IS_A_DIRECTORY;
    return access & ACCESS_WRITES ? STATUS_ACCESS_DENIED : STATUS_SUCCESS;
}

/* arg: 0 handle, 1 access, 2 attributes, 3 IO_STATUS_BLOCK. */
static nt_status open_file(struct call *call, uint64_t options)
{
    struct file *file = NULL;
    uint64_t handle = 0;
    nt_status st = open_named(call, call->arg[2], &file);

    if (!st)
        st = check_options(file, call->arg[1], options);
    if (!st)
        st = handles_add(&call->kernel->handles, &file->object, (uint32_t)call->arg[1], &handle);
    if (!st)
        st = guest_put_pointer(call->process, call->arg[0], handle);
    if (file)
        object_unref(&file->object);
    return st ? st : finish_io(call, call->arg[3], STATUS_SUCCESS, FILE_OPENED);
}

nt_status serve_NtOpenFile(struct call *call)
{
    return open_file(call, call->arg[5]);
}

nt_status serve_NtCreateFile(struct call *call)
{
    if (call->arg[7] != FILE_OPEN && call->arg[7] != FILE_OPEN_IF)
        return STATUS_ACCESS_DENIED;
    return open_file(call, call->arg[8]);
}

/* ---- Reading ---------------------------------------------------------------------------------- */

/* Where a read of a regular file begins: the offset given, else the position. */
static nt_status read_offset(struct call *call, const struct file *file, uint64_t *offset)
{
    nt_status st = STATUS_SUCCESS;

    *offset = file->position;
    if (call->arg[7])
        st = guest_get_number(call->process, call->arg[7], 8, offset);
    if (!st && *offset == UINT64_C(0xfffffffffffffffe)) /* FILE_USE_FILE_POINTER_POSITION */
        *offset = file->position;
    return st ? st : (int64_t)*offset < 0 ? STATUS_INVALID_PARAMETER : STATUS_SUCCESS;
}

static nt_status read_regular(struct call *call, struct file *file, uint64_t *done)
{
    uint8_t chunk[IO_CHUNK];
    uint64_t offset, size = call->arg[6];
    nt_status st = read_offset(call, file, &offset);

    *done = 0;
    while (!st && *done < size) {
        uint64_t left = size - *done;
        ssize_t got = pread(file->fd, chunk, (size_t)(left < IO_CHUNK ? left : IO_CHUNK),
                            (off_t)(offset + *done));

        if (got < 0)
            return STATUS_IN_PAGE_ERROR;
        if (!got)
            break;
        st = guest_write(call->process, call->arg[5] + *done, chunk, (size_t)got);
        *done += st ? 0 : (uint64_t)got;
    }
    file->position = offset + *done;
    return st ? st : size && !*done ? STATUS_END_OF_FILE : STATUS_SUCCESS;
}

static nt_status read_stream(struct call *call, const struct file *file, uint64_t *done)
{
    struct pollfd ready = {.fd = file->fd, .events = POLLIN};
    uint8_t chunk[IO_CHUNK];
    uint64_t size = call->arg[6] < IO_CHUNK ? call->arg[6] : IO_CHUNK;
    nt_status st = guest_probe(call->process, call->arg[5], size, VM_WRITE);
    ssize_t got;

    *done = 0;
    if (st || !size)
        return st;
    if (file->fd < 0)
        return STATUS_PIPE_BROKEN;
    if (poll(&ready, 1, threads_host_wait(call->process)) <= 0) {
        call->end = CALL_AGAIN;
        return STATUS_PENDING;
    }
    got = read(file->fd, chunk, (size_t)size);
    if (got <= 0)
        return STATUS_PIPE_BROKEN;
    *done = (uint64_t)got;
    return guest_write(call->process, call->arg[5], chunk, (size_t)got);
}

nt_status serve_NtReadFile(struct call *call)
{
    struct file *file;
    uint64_t done = 0;
    nt_status st = files_get(&call->kernel->handles, call->arg[0], &file);

    if (st)
        return st;
    if (file->kind == FILE_FOLDER)
        return STATUS_INVALID_DEVICE_REQUEST;
    st = file->kind == FILE_STREAM ? read_stream(call, file, &done)
                                   : read_regular(call, file, &done);
    if (call->end == CALL_AGAIN || (st && st != STATUS_END_OF_FILE && st != STATUS_PIPE_BROKEN))
        return st;
    return finish_io(call, call->arg[4], st, done);
}

/* ---- Writing ---------------------------------------------------------------------------------- */

/* Give all of it to the host; what nobody reads is lost, as on a closed console. */
static void write_all(int fd, const uint8_t *data, size_t len)
{
    while (fd >= 0 && len) {
        ssize_t n = write(fd, data, len);

        if (n < 0 && errno == EAGAIN)
            (void)poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, WAIT_OUTPUT);
        else if (n < 0 && errno != EINTR)
            return;
        if (n > 0) {
            data += n;
            len -= (size_t)n;
        }
    }
}

static void print(const struct kernel *k, const struct file *file, const uint8_t *data, size_t len)
{
    if (k->output && file->fd >= 0)
        k->output(k->output_ctx, (const char *)data, len);
    else
        write_all(file->fd, data, len);
}

nt_status serve_NtWriteFile(struct call *call)
{
    uint8_t chunk[IO_CHUNK];
    uint64_t done = 0, size = call->arg[6];
    struct file *file;
    nt_status st = files_get(&call->kernel->handles, call->arg[0], &file);

    if (!st && file->kind != FILE_STREAM)
        st = STATUS_ACCESS_DENIED;
    while (!st && done < size) {
        size_t part = (size_t)(size - done < IO_CHUNK ? size - done : IO_CHUNK);

        st = guest_read(call->process, call->arg[5] + done, chunk, part);
        if (!st)
            print(call->kernel, file, chunk, part);
        done += part;
    }
    return st ? st : finish_io(call, call->arg[4], STATUS_SUCCESS, size);
}

nt_status serve_NtFlushBuffersFile(struct call *call)
{
    struct file *file;
    nt_status st = files_get(&call->kernel->handles, call->arg[0], &file);

    return st ? st : finish_io(call, call->arg[1], STATUS_SUCCESS, 0);
}

/* ---- Asking ----------------------------------------------------------------------------------- */

/* Answer with `size` bytes of raw. arg: 1 IO_STATUS_BLOCK, 2 buffer, 3 its length. */
static nt_status answer(struct call *call, const uint8_t *raw, size_t size)
{
    nt_status st;

    if (call->arg[3] < size)
        return STATUS_INFO_LENGTH_MISMATCH;
    st = guest_write(call->process, call->arg[2], raw, size);
    return st ? st : finish_io(call, call->arg[1], STATUS_SUCCESS, size);
}

nt_status serve_NtQueryVolumeInformationFile(struct call *call)
{
    uint8_t raw[8]; /* FILE_FS_DEVICE_INFORMATION: DeviceType, Characteristics */
    struct file *file;
    nt_status st = files_get(&call->kernel->handles, call->arg[0], &file);

    if (st)
        return st;
    if (call->arg[4] != FS_DEVICE)
        return STATUS_INVALID_INFO_CLASS;
    put_u32(raw, file->kind == FILE_STREAM ? DEVICE_PIPE : DEVICE_DISK);
    put_u32(raw + 4, file->kind == FILE_STREAM ? 0 : DEVICE_MOUNTED);
    return answer(call, raw, sizeof raw);
}

nt_status serve_NtQueryInformationFile(struct call *call)
{
    uint8_t raw[24] = {0};
    struct file *file;
    struct stat host = {0};
    nt_status st = files_get(&call->kernel->handles, call->arg[0], &file);

    if (st)
        return st;
    if (file->kind == FILE_REGULAR && fstat(file->fd, &host))
        return STATUS_IN_PAGE_ERROR;
    switch (call->arg[4]) {
    case INFO_STANDARD: /* AllocationSize, EndOfFile, NumberOfLinks, DeletePending, Directory */
        put_u64(raw, (uint64_t)host.st_size);
        put_u64(raw + 8, (uint64_t)host.st_size);
        put_u32(raw + 16, 1);
        raw[21] = file->kind == FILE_FOLDER;
        return answer(call, raw, 24);
    case INFO_POSITION:
        put_u64(raw, file->position);
        return answer(call, raw, 8);
    default:
        return STATUS_INVALID_INFO_CLASS;
    }
}

static uint64_t nt_time(struct timespec t)
{
    return EPOCH_1601 + (uint64_t)t.tv_sec * 10000000 + (uint64_t)t.tv_nsec / 100;
}

/* FILE_BASIC_INFORMATION or, with sizes, FILE_NETWORK_OPEN_INFORMATION of a name. */
static nt_status query_attributes(struct call *call, bool sizes)
{
    uint8_t raw[56] = {0};
    struct file *file;
    struct stat host = {0};
    nt_status st = open_named(call, call->arg[0], &file);
    uint32_t attributes;

    if (st)
        return st;
    if (file->fd >= 0 && fstat(file->fd, &host))
        st = STATUS_ACCESS_DENIED;
    attributes = file->kind == FILE_FOLDER ? ATTRIBUTE_DIRECTORY : ATTRIBUTE_ARCHIVE;
    object_unref(&file->object);
    if (st)
        return st;
    put_u64(raw, nt_time(host.st_ctim));
    put_u64(raw + 8, nt_time(host.st_atim));
    put_u64(raw + 16, nt_time(host.st_mtim));
    put_u64(raw + 24, nt_time(host.st_ctim));
    put_u64(raw + 32, (uint64_t)host.st_size);
    put_u64(raw + 40, (uint64_t)host.st_size);
    put_u32(raw + (sizes ? 48 : 32), attributes);
    if (!sizes)
        put_u32(raw + 36, 0);
    return guest_write(call->process, call->arg[1], raw, sizes ? 56 : 40);
}

nt_status serve_NtQueryAttributesFile(struct call *call)
{
    return query_attributes(call, false);
}

nt_status serve_NtQueryFullAttributesFile(struct call *call)
{
    return query_attributes(call, true);
}

/* ---- Control: there is no device behind a handle that would take any ------------------------- */

static nt_status refuse_control(struct call *call)
{
    struct file *file;
    nt_status st = files_get(&call->kernel->handles, call->arg[0], &file);

    return st ? st : STATUS_INVALID_DEVICE_REQUEST;
}

nt_status serve_NtFsControlFile(struct call *call)
{
    return refuse_control(call);
}

nt_status serve_NtDeviceIoControlFile(struct call *call)
{
    return refuse_control(call);
}
