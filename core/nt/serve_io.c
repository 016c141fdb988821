/*
 * Reading, writing, locking. Standard streams are pipes to the guest; reading one does not hold up the run loop: the caller
 * asks again until something is there.
 */
#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "nt/io.h"
#include "nt/locks.h"
#include "nt/machine.h"
#include "nt/mapped.h"
#include "nt/notices.h"
#include "nt/serve_pipe.h"
#include "nt/threads.h"

#define IO_CHUNK    0x10000u
#define WAIT_OUTPUT 10 /* ms after which a reader that is slow is asked again */

/* Offsets that are none. */
#define AT_END      UINT64_MAX
#define AT_POSITION (UINT64_MAX - 1)

/* A transfer's arguments: 4 IO_STATUS_BLOCK, 5 buffer, 6 length, 7 offset, 8 key. */
struct transfer {
    struct file *file;
    gva_t buffer;
    uint64_t size, offset, done; /* bytes */
};

static uint64_t size_of(const struct file *file)
{
    struct stat host;

    return files_stat(file, &host) ? 0 : (uint64_t)host.st_size;
}

/* Where in a regular file it begins: the offset given, else the position. */
static nt_status find_offset(struct call *call, struct transfer *t, bool write)
{
    struct file *file = t->file;
    bool only_append =
        write && !(handles_entry(&call->kernel->handles, call->arg[0])->access & ACCESS_WRITE_DATA);
    nt_status st = STATUS_SUCCESS;

    if (call->arg[7])
        st = guest_get_number(call->process, call->arg[7], 8, &t->offset);
    else if (file_is_synchronous(file) || only_append)
        t->offset = AT_POSITION;
    else
        st = STATUS_INVALID_PARAMETER;
    if (st)
        return st;
    if (t->offset == AT_POSITION && file_is_synchronous(file))
        t->offset = file->position;
    if (only_append || (write && t->offset == AT_END))
        t->offset = size_of(file);
    return (int64_t)t->offset < 0 || t->offset + t->size > INT64_MAX ? STATUS_INVALID_PARAMETER
                                                                     : STATUS_SUCCESS;
}

static nt_status check_lock(struct call *call, const struct transfer *t, bool write)
{
    uint64_t key = 0;
    nt_status st = STATUS_SUCCESS;

    if (call->arg[8])
        st = guest_get_number(call->process, call->arg[8], 4, &key);
    return st ? st : locks_check(t->file, t->offset, t->size, (uint32_t)key, write);
}

/* Begin a transfer. access: rights of which the handle must have one. */
static nt_status begin(struct call *call, uint32_t access, bool write, struct transfer *t)
{
    nt_status st = files_use(&call->kernel->handles, call->arg[0], access, &t->file);

    t->buffer = call->arg[5];
    t->size = call->arg[6];
    t->offset = t->done = 0;
    if (!st && t->file->kind == FILE_FOLDER)
        st = STATUS_INVALID_DEVICE_REQUEST;
    if (!st && t->file->kind == FILE_REGULAR)
        st = find_offset(call, t, write);
    if (!st)
        st = guest_probe(call->process, t->buffer, t->size, write ? VM_READ : VM_WRITE);
    if (!st && t->file->kind == FILE_REGULAR)
        st = check_lock(call, t, write);
    if (!st && t->file->kind == FILE_REGULAR)
        st = mapped_about_to_use(t->file, t->offset, t->size);
    return st;
}

static nt_status end(struct call *call, struct transfer *t, nt_status st)
{
    if (t->file->kind == FILE_REGULAR && file_is_synchronous(t->file))
        t->file->position = t->offset + t->done;
    return request_served(call, t->file, call->arg[4], st, t->done);
}

/* ---- Reading ---------------------------------------------------------------------------------- */

static nt_status read_regular(struct call *call, struct transfer *t)
{
    uint8_t chunk[IO_CHUNK];
    nt_status st = STATUS_SUCCESS;

    while (!st && t->done < t->size) {
        uint64_t left = t->size - t->done;
        ssize_t got = pread(t->file->fd, chunk, (size_t)(left < IO_CHUNK ? left : IO_CHUNK),
                            (off_t)(t->offset + t->done));

        if (got < 0)
            return STATUS_IN_PAGE_ERROR;
        if (!got)
            break;
        st = guest_write(call->process, t->buffer + t->done, chunk, (size_t)got);
        t->done += st ? 0 : (uint64_t)got;
    }
    return st ? st : t->size && !t->done ? STATUS_END_OF_FILE : STATUS_SUCCESS;
}

static nt_status read_stream(struct call *call, struct transfer *t)
{
    struct pollfd ready = {.fd = t->file->fd, .events = POLLIN};
    uint8_t chunk[IO_CHUNK];
    ssize_t got;

    if (!t->size)
        return STATUS_SUCCESS;
    if (t->file->fd < 0)
        return STATUS_PIPE_BROKEN;
    if (poll(&ready, 1, threads_host_wait(call->process->machine)) <= 0) {
        call->end = CALL_AGAIN;
        return STATUS_PENDING;
    }
    got = read(t->file->fd, chunk, (size_t)(t->size < IO_CHUNK ? t->size : IO_CHUNK));
    if (got <= 0)
        return STATUS_PIPE_BROKEN;
    t->done = (uint64_t)got;
    return guest_write(call->process, t->buffer, chunk, (size_t)got);
}

nt_status serve_NtReadFile(struct call *call)
{
    struct transfer t;
    nt_status st = begin(call, ACCESS_READ_DATA | ACCESS_EXECUTE, false, &t);

    if (st)
        return st;
    if (pipe_is_file(t.file))
        return pipe_transfer(call, t.file, REQUEST_READ);
    if (t.file->kind == FILE_REGULAR)
        st = read_regular(call, &t);
    else
        st = t.file->kind == FILE_NULL ? STATUS_END_OF_FILE : read_stream(call, &t);
    if (call->end == CALL_AGAIN || (st && st != STATUS_END_OF_FILE && st != STATUS_PIPE_BROKEN))
        return st;
    return end(call, &t, st);
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

static nt_status write_stream(const struct machine *m, const struct file *file, const uint8_t *data,
                              size_t len)
{
    if (m->output && file->fd >= 0)
        m->output(m->output_ctx, (const char *)data, len);
    else
        write_all(file->fd, data, len);
    return STATUS_SUCCESS;
}

static nt_status write_regular(const struct file *file, const uint8_t *data, size_t len,
                               uint64_t offset)
{
    while (len) {
        ssize_t n = pwrite(file->fd, data, len, (off_t)offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return volumes_refusal(n ? errno : ENOSPC, true);
        data += n;
        len -= (size_t)n;
        offset += (uint64_t)n;
    }
    return STATUS_SUCCESS;
}

nt_status serve_NtWriteFile(struct call *call)
{
    uint8_t chunk[IO_CHUNK];
    struct transfer t;
    nt_status st = begin(call, ACCESS_WRITE_DATA | ACCESS_APPEND_DATA, true, &t);

    if (st)
        return st;
    if (pipe_is_file(t.file))
        return pipe_transfer(call, t.file, REQUEST_WRITE);
    while (!st && t.done < t.size) {
        uint64_t left = t.size - t.done;
        size_t part = (size_t)(left < IO_CHUNK ? left : IO_CHUNK);

        st = guest_read(call->process, t.buffer + t.done, chunk, part);
        if (!st && t.file->kind == FILE_REGULAR)
            st = write_regular(t.file, chunk, part, t.offset + t.done);
        else if (!st && t.file->kind == FILE_STREAM)
            st = write_stream(call->process->machine, t.file, chunk, part);
        t.done += st ? 0 : part;
    }
    if (t.file->kind == FILE_REGULAR && mapped_was_written(t.file, t.offset, t.size) && !st)
        st = STATUS_NO_MEMORY;
    if (t.file->kind == FILE_REGULAR && t.done)
        notices_tell(t.file->volumes, t.file->path, NOTICE_SIZE | NOTICE_WRITTEN, NOTICE_MODIFIED);
    return st ? st : end(call, &t, st);
}

/* What the host was told, it has; what it writes to its disk when, is its business. */
static nt_status flush(struct call *call, gva_t iosb)
{
    struct file *file;
    nt_status st = files_get(&call->kernel->handles, call->arg[0], &file);

    if (!st && pipe_is_file(file))
        return pipe_serve_flush(call, file, iosb);
    return st ? st : io_finish(call, iosb, STATUS_SUCCESS, 0);
}

nt_status serve_NtFlushBuffersFile(struct call *call)
{
    return flush(call, call->arg[1]);
}

nt_status serve_NtFlushBuffersFileEx(struct call *call)
{
    return flush(call, call->arg[4]);
}

/* ---- Locking ---------------------------------------------------------------------------------- */

/* A range: two LARGE_INTEGERs. */
static nt_status get_range(struct call *call, gva_t start, gva_t length, uint64_t range[2])
{
    nt_status st = guest_get_number(call->process, start, 8, &range[0]);

    return st ? st : guest_get_number(call->process, length, 8, &range[1]);
}

/* arg: 4 IO_STATUS_BLOCK, 5 start, 6 length, 7 key, 8 at once or not at all, 9 exclusive. */
nt_status serve_NtLockFile(struct call *call)
{
    uint64_t range[2] = {0};
    struct file *file;
    nt_status st = files_use(&call->kernel->handles, call->arg[0],
                             ACCESS_READ_DATA | ACCESS_WRITE_DATA, &file);

    if (!st && file->kind != FILE_REGULAR)
        st = STATUS_INVALID_DEVICE_REQUEST;
    if (!st)
        st = get_range(call, call->arg[5], call->arg[6], range);
    if (!st)
        st = locks_add(file, range[0], range[1], (uint32_t)call->arg[7], call->arg[9]);
    if (st == STATUS_LOCK_NOT_GRANTED && !call->arg[8])
        call->end = CALL_AGAIN; /* until somebody has unlocked it */
    return st ? st : request_served(call, file, call->arg[4], STATUS_SUCCESS, 0);
}

/* arg: 1 IO_STATUS_BLOCK, 2 start, 3 length, 4 key. */
nt_status serve_NtUnlockFile(struct call *call)
{
    uint64_t range[2] = {0};
    struct file *file;
    nt_status st = files_get(&call->kernel->handles, call->arg[0], &file);

    if (!st && file->kind != FILE_REGULAR)
        st = STATUS_INVALID_DEVICE_REQUEST;
    if (!st)
        st = get_range(call, call->arg[2], call->arg[3], range);
    if (!st)
        st = locks_remove(file, range[0], range[1], (uint32_t)call->arg[4]);
    return st ? st : io_finish(call, call->arg[1], STATUS_SUCCESS, 0);
}

/* ---- Cancelling ------------------------------------------------------------------------------- */

/* What the caller itself has asked of the file, by whatever handle. */
nt_status serve_NtCancelIoFile(struct call *call)
{
    struct file *file;
    nt_status st = files_get(&call->kernel->handles, call->arg[0], &file);

    if (st)
        return st;
    (void)requests_cancel(file, call->thread, 0);
    return io_finish(call, call->arg[1], STATUS_SUCCESS, 0);
}

/* arg 1: the IO_STATUS_BLOCK of what is meant; 0: everything, whoever asked. */
nt_status serve_NtCancelIoFileEx(struct call *call)
{
    struct file *file;
    nt_status st = files_get(&call->kernel->handles, call->arg[0], &file);

    return st ? st : io_finish(call, call->arg[2], requests_cancel(file, NULL, call->arg[1]), 0);
}

nt_status serve_NtCancelSynchronousIoFile(struct call *call)
{
    struct thread *thread;
    nt_status st = service_thread(call, call->arg[0], THREAD_RIGHT_TERMINATE, &thread);

    return st ? st : io_finish(call, call->arg[2], requests_cancel_waited(thread, call->arg[1]), 0);
}
