/* Sections' files on the host; the contract is in mapped.h. */
#include "nt/mapped.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nt/host_io.h"

struct mapped {
    int fd; /* of its own */
    bool writable;
    dev_t device;
    ino_t inode;
    struct vm_section *section;  /* which has it as its file; not referenced */
    struct mapped *next, **link; /* in the list of volumes; link NULL: in none */
};

/* ---- The section's side ----------------------------------------------------------------------- */

static enum err file_read(void *ctx, uint64_t offset, void *dst, size_t len)
{
    const struct mapped *m = ctx;
    size_t got;

    if (!host_read(m->fd, offset, dst, len, &got))
        return ERR_IO;
    memset((uint8_t *)dst + got, 0, len - got);
    return ERR_OK;
}

static enum err file_write(void *ctx, uint64_t offset, const void *src, size_t len)
{
    const struct mapped *m = ctx;

    return m->writable && host_write(m->fd, offset, src, len) ? ERR_OK : ERR_IO;
}

static void unlist(struct mapped *m)
{
    if (!m->link)
        return;
    *m->link = m->next;
    if (m->next)
        m->next->link = m->link;
    m->next = NULL;
    m->link = NULL;
}

static void file_release(void *ctx)
{
    struct mapped *m = ctx;

    unlist(m);
    (void)close(m->fd);
    free(m);
}

/* ---- Making ----------------------------------------------------------------------------------- */

static struct mapped *find(const struct file *file)
{
    struct mapped *m = file->volumes ? file->volumes->mapped : NULL;

    while (m && (m->device != file->device || m->inode != file->inode))
        m = m->next;
    return m;
}

/* A descriptor of the file by which m may write if anybody may: the first section may have been one that reads. */
static nt_status take_descriptor(struct mapped *m, const struct file *file)
{
    bool writable = (fcntl(file->fd, F_GETFL) & O_ACCMODE) == O_RDWR;
    int fd;

    if (m->fd >= 0 && (m->writable || !writable))
        return STATUS_SUCCESS;
    fd = fcntl(file->fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0)
        return STATUS_IN_PAGE_ERROR;
    if (m->fd >= 0)
        (void)close(m->fd);
    m->fd = fd;
    m->writable = writable;
    return STATUS_SUCCESS;
}

static void list(struct mapped *m, struct volumes *volumes)
{
    if (!volumes)
        return;
    m->next = volumes->mapped;
    m->link = &volumes->mapped;
    if (m->next)
        m->next->link = &m->next;
    volumes->mapped = m;
}

/* The section of a file that has none. Views are checked by what each section of NT's may, so that it allows all. */
static nt_status make(struct vm *vm, const struct file *file, uint64_t file_size,
                      const struct vm_section_config *config, struct vm_section **out)
{
    struct mapped *m = malloc(sizeof *m);
    struct vm_backing backing = {.ctx = m,
                                 .size = file_size,
                                 .read = file_read,
                                 .write = file_write,
                                 .release = file_release};
    struct vm_section_config all = {.protect = PAGE_EXECUTE_READWRITE,
                                    .attributes = config->attributes,
                                    .file = &backing,
                                    .path = config->path};
    nt_status st;

    if (!m)
        return STATUS_NO_MEMORY;
    *m = (struct mapped){.fd = -1, .device = file->device, .inode = file->inode};
    st = take_descriptor(m, file);
    if (!st)
        st = vm_section_new(vm, &all, &m->section);
    if (st) {
        if (m->fd >= 0)
            (void)close(m->fd);
        free(m);
        return st;
    }
    list(m, file->volumes);
    *out = m->section;
    return STATUS_SUCCESS;
}

nt_status mapped_open(struct vm *vm, const struct file *file, uint64_t file_size,
                      const struct vm_section_config *config, uint64_t *size,
                      struct vm_section **out)
{
    struct vm_backing backing = {
        .size = file_size, .read = file_read, .write = file->writable ? file_write : NULL};
    struct vm_section_config asked = *config;
    struct mapped *m = find(file);
    nt_status st;

    asked.file = &backing;
    st = vm_section_check(&asked, size);
    if (!st && !m)
        return make(vm, file, file_size, config, out);
    if (!st)
        st = take_descriptor(m, file);
    if (st)
        return st;
    vm_section_grow(m->section, file_size);
    *out = vm_section_ref(m->section);
    return STATUS_SUCCESS;
}

/* ---- Others who use the file ------------------------------------------------------------------ */

nt_status mapped_about_to_use(const struct file *file, uint64_t offset, uint64_t size)
{
    const struct mapped *m = find(file);

    return m ? vm_section_write_back(m->section, offset, size) : STATUS_SUCCESS;
}

nt_status mapped_was_written(const struct file *file, uint64_t offset, uint64_t size)
{
    const struct mapped *m = find(file);

    return m ? vm_section_reread(m->section, offset, size) : STATUS_SUCCESS;
}

bool mapped_may_be_cut(const struct file *file, uint64_t size)
{
    const struct mapped *m = find(file);

    return !m || size >= vm_section_size(m->section);
}

void mapped_forget(struct volumes *volumes)
{
    while (volumes->mapped)
        unlist(volumes->mapped);
}
