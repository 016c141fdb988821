/*
 * vFile: how gdb gets the program's and the DLLs' symbols, the synthetic /proc, and files out of and into the guest's
 * tree. Decides what a path means; what may be done to a file of the guest is the target's matter. Follows the GDB manual, "Host I/O Packets", and for numbers and struct stat
 * "File-I/O Remote Protocol Extension", "Constants".
 */
#include "vfile.h"

#include <string.h>

#include "handlers.h"
#include "paths.h"
#include "proc_files.h"

enum {
    FILEIO_ENOENT = 2,
    FILEIO_EIO = 9999, /* EUNKNOWN: there is no number for it */
    FILEIO_EBADF = 9,
    FILEIO_EEXIST = 17,
    FILEIO_EISDIR = 21,
    FILEIO_EINVAL = 22,
    FILEIO_EMFILE = 24,
    FILEIO_EROFS = 30,
    FILEIO_ENAMETOOLONG = 91
};
enum {
    FILEIO_O_WRITE = 0x3, /* WRONLY or RDWR */
    FILEIO_O_APPEND = 0x8,
    FILEIO_O_CREAT = 0x200,
    FILEIO_O_TRUNC = 0x400,
    FILEIO_O_EXCL = 0x800,
};

#define STAT_BYTES 64
#define STAT_MODE  0100444u /* a regular file, readable */

/* Give the target's part of a file back. */
static void let_go(struct vfile *file, const struct target *target)
{
    if (file->file)
        target->ops->file_close(target->ctx, file->file);
    file->file = NULL;
}

static void close_file(struct vfile *file, const struct target *target)
{
    let_go(file, target);
    if (file->made)
        buf_fini(&file->text);
    *file = (struct vfile){0};
}

void vfiles_close_all(struct vfiles *files, const struct target *target)
{
    for (size_t i = 0; i < VFILE_COUNT; i++)
        close_file(&files->list[i], target);
}

void vfiles_let_go(struct vfiles *files, const struct target *target)
{
    for (size_t i = 0; i < VFILE_COUNT; i++)
        let_go(&files->list[i], target);
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

/* File-I/O's number for what the target says. */
static unsigned errno_of(enum err e)
{
    switch (e) {
    case ERR_OK:
        return 0;
    case ERR_NOT_FOUND:
        return FILEIO_ENOENT;
    case ERR_EXISTS:
        return FILEIO_EEXIST;
    case ERR_INVALID:
        return FILEIO_EISDIR;
    case ERR_STATE:
        return FILEIO_EROFS;
    default:
        return FILEIO_EIO;
    }
}

static unsigned target_flags(uint32_t flags)
{
    return (flags & (FILEIO_O_WRITE | FILEIO_O_APPEND) ? TARGET_FILE_WRITE : 0) |
           (flags & FILEIO_O_CREAT ? TARGET_FILE_CREATE : 0) |
           (flags & FILEIO_O_EXCL ? TARGET_FILE_NEW : 0) |
           (flags & FILEIO_O_TRUNC ? TARGET_FILE_EMPTY : 0);
}

/* Open the target's part, anew when it had to be let go. 0 or an errno. */
static unsigned take_hold(struct stub *s, struct vfile *file)
{
    enum err e;

    if (file->file || file->made)
        return 0;
    e = s->target.ops->file_open(s->target.ctx, file->path, file->flags, &file->file);
    file->flags &= TARGET_FILE_WRITE; /* it is made, and emptied, once */
    return errno_of(e);
}

/* Look at its size; 0 or an errno. */
static unsigned measure(struct stub *s, struct vfile *file)
{
    size_t got;
    unsigned bad = take_hold(s, file);

    if (bad || file->made)
        return bad;
    return errno_of(
        s->target.ops->file_read(s->target.ctx, file->file, 0, s->scratch, 0, &got, &file->size));
}

/* The guest path that a client's path means, links of /proc followed. */
static bool target_path(struct stub *s, const char *path, char out[VFILE_PATH])
{
    struct buf link;
    bool good;

    buf_init(&link, VFILE_PATH - 1);
    if (proc_link(s, path, &link))
        path = buf_str(&link);
    good = s->target.ops->file_open && !link.failed && dos_path(path, out, VFILE_PATH);
    buf_fini(&link);
    return good;
}

/* Open the file that a path names; 0 or an errno. The caller closes it. */
static unsigned find_file(struct stub *s, const char *path, uint32_t flags, struct vfile *file)
{
    proc_file *make = proc_file_find(s, path);
    unsigned bad;

    *file = (struct vfile){.open = true, .made = make != NULL, .flags = target_flags(flags)};
    if (make && file->flags) {
        *file = (struct vfile){0};
        return FILEIO_EROFS;
    }
    if (make) {
        buf_init(&file->text, VFILE_TEXT_MAX);
        make(s, &file->text);
        file->size = file->text.len;
        return 0;
    }
    bad = target_path(s, path, file->path) ? measure(s, file) : FILEIO_ENOENT;
    if (bad)
        close_file(file, &s->target);
    return bad;
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
    if (!bad)
        bad = find_file(s, path, flags, &s->files.list[fd]);
    return bad ? failed(out, bad) : reply_printf(out, "F%zx", fd);
}

enum verdict cmd_vfile_close(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    struct vfile *file = file_of(s, rsp_hex_u32(in));

    if (!rsp_end(in) || !file)
        return failed(out, FILEIO_EBADF);
    close_file(file, &s->target);
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
    if (take_hold(s, file) || s->target.ops->file_read(s->target.ctx, file->file, offset,
                                                       s->scratch, len, &got, &file->size))
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

enum verdict cmd_vfile_pwrite(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    struct vfile *file = file_of(s, rsp_hex_u32(in));
    uint64_t offset;
    struct bytes data;
    unsigned bad;

    rsp_expect(in, ',');
    offset = rsp_hex_u64(in);
    rsp_expect(in, ',');
    data = rsp_take(in, rsp_left(in));
    if (!rsp_end(in))
        return failed(out, FILEIO_EINVAL);
    if (!file || !(file->flags & TARGET_FILE_WRITE))
        return failed(out, FILEIO_EBADF);
    bad = take_hold(s, file);
    if (!bad)
        bad = errno_of(
            s->target.ops->file_write(s->target.ctx, file->file, offset, data.data, data.len));
    return bad ? failed(out, bad) : reply_printf(out, "F%zx", data.len);
}

enum verdict cmd_vfile_unlink(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    char path[VFILE_PATH], guest[VFILE_PATH];
    unsigned bad = read_path(in, path);

    if (!bad && rsp_left(in))
        bad = FILEIO_EINVAL;
    if (!bad && (proc_file_find(s, path) || !s->target.ops->file_remove))
        bad = FILEIO_EROFS;
    if (!bad && !dos_path(path, guest, sizeof guest))
        bad = FILEIO_ENOENT;
    if (!bad)
        bad = errno_of(s->target.ops->file_remove(s->target.ctx, guest));
    return bad ? failed(out, bad) : reply_text(out, "F0");
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

    if (!rsp_end(in) || !file || measure(s, file))
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
        bad = rsp_left(in) ? FILEIO_EINVAL : find_file(s, path, 0, &file);
    if (bad)
        return failed(out, bad);
    size = file.size;
    close_file(&file, &s->target);
    return send_stat(out, size);
}

enum verdict cmd_vfile_readlink(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    char path[VFILE_PATH];
    unsigned bad = read_path(in, path);
    struct vfile file = {0};
    struct buf link;

    if (!bad && rsp_left(in))
        bad = FILEIO_EINVAL;
    if (bad)
        return failed(out, bad);
    buf_init(&link, STUB_PACKET_MAX / 4);
    if (proc_link(s, path, &link))
        attach(out, (struct bytes){link.data, link.len});
    else if ((bad = find_file(s, path, 0, &file)))
        failed(out, bad);
    else
        failed(out, FILEIO_EINVAL); /* a file, but no link */
    close_file(&file, &s->target);
    buf_fini(&link);
    return ANSWER;
}
