/*
 * vFile: how gdb gets the program's and the DLLs' symbols, and the synthetic /proc. Decides what a path means;
 * everything is read-only. Follows the GDB manual, "Host I/O Packets", and for numbers and struct stat
 * "File-I/O Remote Protocol Extension", "Constants".
 */
#include "vfile.h"

#include <string.h>

#include "handlers.h"
#include "paths.h"
#include "proc_files.h"

enum {
    FILEIO_ENOENT = 2,
    FILEIO_EBADF = 9,
    FILEIO_EINVAL = 22,
    FILEIO_EMFILE = 24,
    FILEIO_EROFS = 30,
    FILEIO_ENAMETOOLONG = 91
};
enum { FILEIO_O_WRITES = 0x3 | 0x8 | 0x200 | 0x400 }; /* WRONLY RDWR APPEND CREAT TRUNC */

#define STAT_BYTES 64
#define STAT_MODE  0100444u /* a regular file, readable */

void vfiles_close_all(struct vfiles *files)
{
    for (size_t i = 0; i < VFILE_COUNT; i++) {
        if (files->list[i].made)
            buf_fini(&files->list[i].text);
        files->list[i] = (struct vfile){0};
    }
}

static enum verdict failed(struct reply *out, unsigned code)
{
    return reply_printf(out, "F-1,%x", code);
}

/* A path in hex, up to a comma or the end; a NUL behind it is dropped. 0 or an errno. */
static unsigned read_path(struct rsp_reader *in, char path[VFILE_PATH])
{
    struct bytes hex = rsp_until(in, ',');
    struct rsp_reader digits;
    size_t len = hex.len / 2;

    if (len >= VFILE_PATH)
        return FILEIO_ENAMETOOLONG;
    rsp_reader_init(&digits, hex.data, hex.len);
    rsp_hex_bytes(&digits, path, len);
    if (!rsp_end(&digits))
        return FILEIO_EINVAL;
    path[len] = 0;
    while (len && !path[len - 1])
        len--;
    return strlen(path) == len ? 0 : FILEIO_ENOENT; /* no file has a NUL in its name */
}

/* The file that a path names; 0 or an errno. The caller closes it. */
static unsigned find_file(struct stub *s, const char *path, struct vfile *file)
{
    proc_file *make = proc_file_find(s, path);
    struct buf link;
    size_t got;

    *file = (struct vfile){.open = true, .made = make != NULL};
    if (make) {
        buf_init(&file->text, VFILE_TEXT_MAX);
        make(s, &file->text);
        file->size = file->text.len;
        return 0;
    }
    buf_init(&link, VFILE_PATH - 1);
    if (proc_link(s, path, &link))
        path = buf_str(&link);
    if (!s->target.ops->file || link.failed || !dos_path(path, file->path, sizeof file->path) ||
        s->target.ops->file(s->target.ctx, file->path, 0, s->scratch, 0, &got, &file->size))
        file->open = false;
    buf_fini(&link);
    return file->open ? 0 : FILEIO_ENOENT;
}

static void close_file(struct vfile *file)
{
    if (file->made)
        buf_fini(&file->text);
    *file = (struct vfile){0};
}

/* An open file by its number; NULL when it is none. */
static struct vfile *file_of(struct stub *s, uint32_t fd)
{
    return fd < VFILE_COUNT && s->files.list[fd].open ? &s->files.list[fd] : NULL;
}

enum verdict cmd_vfile_setfs(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    (void)s;
    (void)rsp_hex_u32(in); /* every process sees the same files */
    return rsp_end(in) ? reply_text(out, "F0") : failed(out, FILEIO_EINVAL);
}

enum verdict cmd_vfile_open(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    char path[VFILE_PATH];
    unsigned bad = read_path(in, path);
    uint32_t flags = rsp_hex_u32(in);
    size_t fd = 0;

    rsp_expect(in, ',');
    (void)rsp_hex_u32(in); /* the mode of a file that would be made */
    if (!rsp_end(in))
        return failed(out, FILEIO_EINVAL);
    while (fd < VFILE_COUNT && s->files.list[fd].open)
        fd++;
    if (!bad && fd == VFILE_COUNT)
        bad = FILEIO_EMFILE;
    if (!bad && flags & FILEIO_O_WRITES)
        bad = FILEIO_EROFS;
    if (!bad)
        bad = find_file(s, path, &s->files.list[fd]);
    return bad ? failed(out, bad) : reply_printf(out, "F%zx", fd);
}

enum verdict cmd_vfile_close(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    struct vfile *file = file_of(s, rsp_hex_u32(in));

    if (!rsp_end(in) || !file)
        return failed(out, FILEIO_EBADF);
    close_file(file);
    return reply_text(out, "F0");
}

/* Bytes of a file from offset on, at most len, which fits into scratch. */
static struct bytes file_bytes(struct stub *s, struct vfile *file, uint64_t offset, size_t len)
{
    size_t got = 0;

    if (file->made)
        return offset < file->size
                   ? (struct bytes){file->text.data + offset,
                                    len < file->size - offset ? len : (size_t)(file->size - offset)}
                   : (struct bytes){0};
    if (s->target.ops->file(s->target.ctx, file->path, offset, s->scratch, len, &got, &file->size))
        got = 0;
    return (struct bytes){s->scratch, got};
}

/* F, the count of bytes, a semicolon and the bytes: the count comes first, so the bytes are laid out twice. */
static enum verdict attach(struct reply *out, struct bytes data)
{
    struct reply trial = *out;
    size_t room = sizeof "Fffffffff;";
    size_t fits;

    trial.len = room;
    fits = reply_binary(&trial, data);
    reply_printf(out, "F%zx;", fits);
    (void)reply_binary(out, (struct bytes){data.data, fits});
    return ANSWER;
}

enum verdict cmd_vfile_pread(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    struct vfile *file = file_of(s, rsp_hex_u32(in));
    uint64_t len, offset;

    rsp_expect(in, ',');
    len = rsp_hex_u64(in);
    rsp_expect(in, ',');
    offset = rsp_hex_u64(in);
    if (!rsp_end(in))
        return failed(out, FILEIO_EINVAL);
    if (!file)
        return failed(out, FILEIO_EBADF);
    if (len > sizeof s->scratch)
        len = sizeof s->scratch;
    return attach(out, file_bytes(s, file, offset, (size_t)len));
}

/* Nothing can be open for writing. */
enum verdict cmd_vfile_pwrite(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    (void)s;
    (void)in;
    return failed(out, FILEIO_EBADF);
}

enum verdict cmd_vfile_unlink(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    (void)s;
    (void)in;
    return failed(out, FILEIO_EROFS);
}

/* struct stat of File-I/O: big-endian; size, blksize and blocks are eight bytes wide, the rest four. */
static enum verdict send_stat(struct reply *out, uint64_t size)
{
    uint8_t st[STAT_BYTES] = {0};

    for (unsigned i = 0; i < 8; i++) {
        st[28 + i] = (uint8_t)(size >> (56 - 8 * i));
        st[36 + i] = (uint8_t)(UINT64_C(4096) >> (56 - 8 * i));
        st[44 + i] = (uint8_t)((size + 511) / 512 >> (56 - 8 * i));
    }
    for (unsigned i = 0; i < 4; i++)
        st[8 + i] = (uint8_t)(STAT_MODE >> (24 - 8 * i));
    st[15] = 1; /* one link */
    return attach(out, (struct bytes){st, sizeof st});
}

enum verdict cmd_vfile_fstat(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    struct vfile *file = file_of(s, rsp_hex_u32(in));

    if (!rsp_end(in) || !file)
        return failed(out, FILEIO_EBADF);
    return send_stat(out, file->size);
}

/* stat and lstat: what a link names is what it is said to be. */
enum verdict cmd_vfile_stat(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    struct vfile file;
    char path[VFILE_PATH];
    unsigned bad = read_path(in, path);
    uint64_t size;

    if (!bad)
        bad = rsp_left(in) ? FILEIO_EINVAL : find_file(s, path, &file);
    if (bad)
        return failed(out, bad);
    size = file.size;
    close_file(&file);
    return send_stat(out, size);
}

enum verdict cmd_vfile_readlink(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    char path[VFILE_PATH];
    unsigned bad = read_path(in, path);
    struct buf link;

    if (!bad && rsp_left(in))
        bad = FILEIO_EINVAL;
    if (bad)
        return failed(out, bad);
    buf_init(&link, STUB_PACKET_MAX / 4);
    if (proc_link(s, path, &link))
        attach(out, (struct bytes){link.data, link.len});
    else
        failed(out, proc_file_find(s, path) ? FILEIO_EINVAL : FILEIO_ENOENT);
    buf_fini(&link);
    return ANSWER;
}
