/* Finding and opening the folder with the DLLs; the contract is in root.h. */
#include "nt/root.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "winstub/log.h"

/* Where the DLLs lie below the folder that the user names, the first that has an ntdll.dll wins; by enum cpu_arch. */
static const char *const system_folders[2][8] = {
    {"Windows/SysWOW64", "SysWOW64", "i386-windows", "lib/i386-linux-gnu/wine/i386-windows",
     "lib/wine/i386-windows", "usr/lib/i386-linux-gnu/wine/i386-windows",
     "usr/lib/wine/i386-windows", "."},
    {"Windows/System32", "System32", "x86_64-windows", "lib/x86_64-linux-gnu/wine/x86_64-windows",
     "lib/wine/x86_64-windows", "usr/lib/x86_64-linux-gnu/wine/x86_64-windows",
     "usr/lib/wine/x86_64-windows", "."},
};
static const char *const nls_folders[] = {"Windows/System32", "System32",           "nls",
                                          "share/wine/nls",   "usr/share/wine/nls", "."};

#define COUNT_OF(a) (sizeof(a) / sizeof *(a))

/* The entry of folder that is called name without regard to case; false when there is none. */
static bool find_entry(int folder, const char *name, char found[NAME_MAX + 1])
{
    int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry;
    bool there = false;

    if (!dir) {
        if (fd >= 0)
            (void)close(fd);
        return false;
    }
    while (!there && (entry = readdir(dir)) != NULL) {
        there = strcasecmp(entry->d_name, name) == 0;
        if (there)
            memcpy(found, entry->d_name, strlen(entry->d_name) + 1);
    }
    (void)closedir(dir);
    return there;
}

bool root_find_entry(int folder, const char *name, char found[NAME_MAX + 1])
{
    struct stat st;

    if (!fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW)) {
        memmove(found, name, strlen(name) + 1);
        return true;
    }
    return errno == ENOENT && find_entry(folder, name, found);
}

int root_open_entry(int folder, const char *name, int flags)
{
    char found[NAME_MAX + 1];
    int fd = openat(folder, name, flags | O_NOFOLLOW | O_CLOEXEC);

    if (fd >= 0 || errno != ENOENT)
        return fd;
    if (!find_entry(folder, name, found)) {
        errno = ENOENT;
        return -1;
    }
    return openat(folder, found, flags | O_NOFOLLOW | O_CLOEXEC);
}

/* Open a path of several components below dir; links are followed: the user named the folder. */
static int open_below(int dir, const char *path)
{
    char found[NAME_MAX + 1];
    char part[NAME_MAX + 1];
    int at = fcntl(dir, F_DUPFD_CLOEXEC, 0);

    while (at >= 0 && *path) {
        size_t len = strcspn(path, "/");
        int next;

        memcpy(part, path, len);
        part[len] = 0;
        path += len + (path[len] == '/');
        next = openat(at, part, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (next < 0 && find_entry(at, part, found))
            next = openat(at, found, O_PATH | O_DIRECTORY | O_CLOEXEC);
        (void)close(at);
        at = next;
    }
    return at;
}

/* The first of these folders below dir that holds the file; -1 when none does. */
static int find_folder(int dir, const char *const *folders, size_t count, const char *file)
{
    for (size_t i = 0; i < count; i++) {
        int folder = open_below(dir, folders[i]);
        int fd = folder < 0 ? -1 : root_open_entry(folder, file, O_PATH);

        if (fd >= 0) {
            (void)close(fd);
            LOG(nt, "%s is in %s", file, folders[i]);
            return folder;
        }
        if (folder >= 0)
            (void)close(folder);
    }
    return -1;
}

static int find_system(int dir, enum cpu_arch arch)
{
    return find_folder(dir, system_folders[arch], COUNT_OF(system_folders[0]), "ntdll.dll");
}

/* No ntdll.dll for arch below dir; `other`, closed here, is the folder with one of the other width, or -1. */
static enum err no_system(const char *dir, enum cpu_arch arch, int other, struct diag *why)
{
    bool wide = arch == CPU_AMD64;

    if (other < 0)
        return diag_set(why, ERR_NOT_FOUND,
                        "DLL folder %s: no ntdll.dll in it, nor in %s, %s or the like", dir,
                        system_folders[arch][0], system_folders[arch][2]);
    (void)close(other);
    return diag_set(
        why, ERR_UNSUPPORTED,
        "DLL folder %s: it has only %s DLLs, and the program is a %s one that needs %s or %s", dir,
        wide ? "32-bit" : "64-bit", wide ? "64-bit" : "32-bit", system_folders[arch][0],
        system_folders[arch][2]);
}

enum err root_open(struct root *root, const char *dir, enum cpu_arch arch, struct diag *why)
{
    int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC), other;

    *root = (struct root){-1, -1};
    if (fd < 0)
        return diag_set(why, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "DLL folder %s: %s", dir,
                        strerror(errno));
    root->system = find_system(fd, arch);
    if (root->system >= 0)
        root->nls = find_folder(fd, nls_folders, COUNT_OF(nls_folders), "locale.nls");
    other = root->system < 0 ? find_system(fd, arch == CPU_AMD64 ? CPU_I386 : CPU_AMD64) : -1;
    (void)close(fd);
    if (root->system < 0)
        return no_system(dir, arch, other, why);
    if (root->nls >= 0)
        return ERR_OK;
    root_close(root);
    return diag_set(why, ERR_NOT_FOUND,
                    "DLL folder %s: no locale.nls in its System32, nls or share/wine/nls folder",
                    dir);
}

void root_close(struct root *root)
{
    if (root->system >= 0)
        (void)close(root->system);
    if (root->nls >= 0)
        (void)close(root->nls);
    *root = (struct root){-1, -1};
}

/* Append what the descriptor holds. */
static enum err read_all(int fd, const char *name, struct buf *out, struct diag *why)
{
    struct stat st;
    size_t size, done = 0;
    uint8_t *room;

    if (fstat(fd, &st) || !S_ISREG(st.st_mode))
        return diag_set(why, ERR_IO, "%s: not a file", name);
    size = (size_t)st.st_size;
    if (size > out->limit - out->len)
        return diag_set(why, ERR_LIMIT, "%s: larger than %zu bytes", name, out->limit);
    room = buf_extend(out, size);
    if (!room && size)
        return diag_set(why, ERR_NOMEM, "%s: the host is out of memory", name);
    while (done < size) {
        ssize_t got = pread(fd, room + done, size - done, (off_t)done);

        if (got <= 0)
            return diag_set(why, ERR_IO, "%s: cannot be read: %s", name,
                            got ? strerror(errno) : "it became shorter");
        done += (size_t)got;
    }
    return ERR_OK;
}

enum err root_read(int folder, const char *name, struct buf *out, struct diag *why)
{
    int fd = root_open_entry(folder, name, O_RDONLY);
    enum err e;

    if (fd < 0)
        return diag_set(why, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "%s: %s", name,
                        strerror(errno));
    e = read_all(fd, name, out, why);
    (void)close(fd);
    return e;
}
