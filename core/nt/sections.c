/*
 * What sections are made of: the host's files behind core/vm's sections, and images. The contract is in sections.h, who
 * asks is serve_section.c. NT-MEMORY-RULES M18..M32.
 */
#include "nt/sections.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/pe_format.h"
#include "nt/host_io.h"
#include "nt/kernel.h"
#include "nt/mapped.h"
#include "nt/parts.h"
#include "nt/text.h"
#include "winstub/log.h"

#define WRITABLE (PAGE_READWRITE | PAGE_EXECUTE_READWRITE)

static void free_section(struct object *object)
{
    struct section *section = (struct section *)object;

    vm_section_unref(section->memory);
    image_views_fini(&section->views);
    pe_free(section->image);
    buf_fini(&section->bytes);
    free(section->path);
    free(section);
}

const struct object_class section_class = {
    .name = "Section",
    .free = free_section,
    .rights = {0x020005, 0x020002, 0x020008, 0x0f001f},
};

static struct section *make(const char *path, uint32_t attributes)
{
    struct section *section = calloc(1, sizeof *section);

    if (section)
        section->path = strdup(path);
    if (!section || !section->path) {
        free(section);
        return NULL;
    }
    object_init(&section->object, &section_class);
    section->attributes = attributes;
    buf_init(&section->bytes, PE_FILE_MAX);
    return section;
}

uint64_t section_size(const struct section *section)
{
    if (section->image)
        return section->image->image_size;
    return section->size ? section->size : vm_section_size(section->memory);
}

/* ---- Host files ------------------------------------------------------------------------------- */

/* The size that a file has, or gets because a section that writes is to be larger (M29). */
static nt_status find_file_size(const struct file *file, const struct section_request *request,
                                uint64_t *size)
{
    struct stat host;

    if (file->kind != FILE_REGULAR)
        return STATUS_INVALID_FILE_FOR_SECTION;
    if (fstat(file->fd, &host))
        return STATUS_IN_PAGE_ERROR;
    *size = (uint64_t)host.st_size;
    if (request->size <= *size || !(request->protect & WRITABLE) || !file->writable)
        return STATUS_SUCCESS;
    if (ftruncate(file->fd, (off_t)request->size))
        return STATUS_SECTION_TOO_BIG;
    *size = request->size;
    return STATUS_SUCCESS;
}

/* ---- Data ------------------------------------------------------------------------------------- */

static nt_status make_data(struct process *p, struct section *section,
                           const struct section_request *request)
{
    uint32_t kept = SEC_COMMIT | SEC_RESERVE | SEC_NOCACHE | SEC_WRITECOMBINE;
    struct vm_section_config config = {.size = request->size,
                                       .protect = request->protect,
                                       .attributes = request->attributes & kept,
                                       .path = section->path};
    uint64_t size;
    nt_status st;

    if (!request->file)
        return vm_section_new(p->vm, &config, &section->memory);
    st = find_file_size(request->file, request, &size);
    if (!st)
        st = mapped_open(p->vm, request->file, size, &config, &section->size, &section->memory);
    section->protect = request->protect;
    return st;
}

/* ---- Images ----------------------------------------------------------------------------------- */

static nt_status read_file(const struct file *file, struct buf *out)
{
    struct stat host;
    uint8_t *room;
    size_t size, got;

    if (file->kind != FILE_REGULAR)
        return STATUS_INVALID_FILE_FOR_SECTION;
    if (fstat(file->fd, &host) || (uint64_t)host.st_size > out->limit)
        return STATUS_SECTION_TOO_BIG;
    size = (size_t)host.st_size;
    room = buf_extend(out, size);
    if (size && !room)
        return STATUS_NO_MEMORY;
    return host_read(file->fd, 0, room, size, &got) && got == size ? STATUS_SUCCESS
                                                                   : STATUS_IN_PAGE_ERROR;
}

/* What a file that begins like a program, but is no image, says that it is: of Windows 3, of OS/2, of DOS, or a damaged one. */
static nt_status kind_status(struct bytes file)
{
    struct bytes kind;
    uint32_t at = 0;

    if (!bytes_u32(file, DOS_E_LFANEW, &at))
        return STATUS_INVALID_IMAGE_NOT_MZ;
    kind = bytes_slice(file, at, 2);
    if (kind.len && memcmp(kind.data, "PE", 2) == 0)
        return STATUS_INVALID_IMAGE_FORMAT;
    if (kind.len && memcmp(kind.data, "NE", 2) == 0)
        return STATUS_INVALID_IMAGE_WIN_16;
    if (kind.len && memcmp(kind.data, "LE", 2) == 0)
        return STATUS_INVALID_IMAGE_LE_FORMAT;
    return STATUS_INVALID_IMAGE_PROTECT;
}

/* What a file that is no image is to NT (M28). */
static nt_status image_status(enum err e, const struct buf *bytes)
{
    if (e == ERR_NOMEM)
        return STATUS_NO_MEMORY;
    if (bytes->len < 2 || bytes->data[0] != 'M' || bytes->data[1] != 'Z')
        return bytes->len ? STATUS_INVALID_IMAGE_NOT_MZ : STATUS_INVALID_FILE_FOR_SECTION;
    return kind_status((struct bytes){bytes->data, bytes->len});
}

nt_status section_read_image(const struct file *file, struct buf *bytes, struct pe_image **out)
{
    nt_status st = read_file(file, bytes);
    enum err e = st ? ERR_OK : pe_parse((struct bytes){bytes->data, bytes->len}, out, NULL);

    return e ? image_status(e, bytes) : st;
}

static nt_status make_image(struct process *p, struct section *section, const struct file *file)
{
    nt_status st = file ? section_read_image(file, &section->bytes, &section->image)
                        : STATUS_INVALID_FILE_FOR_SECTION;

    if (!st && section->image->arch != p->arch)
        st = STATUS_INVALID_IMAGE_FORMAT;
    return st;
}

/* What NtQuerySection says: a file is always committed, and an image always cached. */
static uint32_t shown_attributes(const struct section_request *request)
{
    if (request->attributes & SEC_IMAGE)
        return SEC_FILE | SEC_IMAGE;
    if (request->file)
        return SEC_FILE | (request->attributes & (SEC_NOCACHE | SEC_WRITECOMBINE));
    return request->attributes;
}

nt_status section_new(struct process *p, const struct section_request *request,
                      struct section **out)
{
    struct section *section =
        make(request->file ? request->file->path : "", shown_attributes(request));
    nt_status st;

    if (!section)
        return STATUS_NO_MEMORY;
    st = request->attributes & SEC_IMAGE ? make_image(p, section, request->file)
                                         : make_data(p, section, request);
    if (st)
        object_unref(&section->object);
    else
        *out = section;
    return st;
}

/* ---- Bytes of the kernel's ---------------------------------------------------------------------- */

static enum err bytes_read(void *ctx, uint64_t offset, void *dst, size_t len)
{
    const struct buf *bytes = ctx;
    size_t there = offset < bytes->len ? bytes->len - (size_t)offset : 0;

    there = there < len ? there : len;
    memset(dst, 0, len);
    if (there)
        memcpy(dst, bytes->data + offset, there);
    return ERR_OK;
}

static void bytes_release(void *ctx)
{
    buf_fini(ctx);
    free(ctx);
}

nt_status section_of_bytes(struct process *p, const char *path, struct bytes bytes,
                           struct section **out)
{
    struct vm_backing backing = {.size = bytes.len, .read = bytes_read, .release = bytes_release};
    struct vm_section_config config = {
        .protect = PAGE_READONLY, .attributes = SEC_COMMIT, .file = &backing, .path = path};
    struct section *section = make(path, SEC_FILE);
    struct buf *copy = malloc(sizeof *copy);
    nt_status st = STATUS_NO_MEMORY;

    if (!section || !copy)
        goto fail;
    buf_init(copy, bytes.len);
    backing.ctx = copy;
    if (!bytes.len || buf_append(copy, bytes.data, bytes.len))
        st = vm_section_new(p->vm, &config, &section->memory);
    if (!st) {
        *out = section;
        return st;
    }
    buf_fini(copy);
fail:
    free(copy);
    if (section)
        object_unref(&section->object);
    return st;
}

/* ---- Views ------------------------------------------------------------------------------------ */

/* win32u's services have numbers of their own, which are in its code. */
static void open_win32u(struct process *p, const struct section *section, gva_t base)
{
    uint8_t *laid_out = NULL;
    struct diag why = {{0}};
    size_t count = 0;

    if (!text_same(text_base_name(section->path), "win32u.dll") ||
        pe_layout(section->image, base, &laid_out, &why))
        return;
    if (gate_open(p, section->image, base, (struct bytes){laid_out, section->image->image_size},
                  &count, &why))
        LOG(nt, "%s: %s", section->path, why.text);
    free(laid_out);
}

static nt_status map_image(struct process *p, struct section *section, gva_t want, gva_t *base,
                           uint64_t *size)
{
    nt_status st = images_map(p, &section->views, section->image, section->path, want, base);

    if (!NT_SUCCESS(st))
        return st;
    *size = section->image->image_size;
    open_win32u(p, section, *base);
    return st;
}

nt_status section_map(struct process *p, struct section *section,
                      const struct vm_view_request *request, gva_t *base, uint64_t *size)
{
    struct vm_view_request named = *request;
    struct buf label;
    nt_status st;

    if (section->image)
        return request->type & MEM_REPLACE_PLACEHOLDER
                   ? STATUS_INVALID_PARAMETER
                   : map_image(p, section, request->base, base, size);
    named.end = section->size;
    named.most = section->protect;
    buf_init(&label, strlen(section->path) + 64);
    (void)buf_printf(&label, "view of %s",
                     *section->path ? text_base_name(section->path) : "the page file");
    named.label = buf_str(&label);
    st = vm_section_map(p->vm, section->memory, &named, base, size);
    buf_fini(&label);
    return st;
}

nt_status section_unmap(struct process *p, gva_t addr, bool to_placeholder)
{
    struct vm_region region;

    if (to_placeholder) /* which an image never took the place of */
        return vm_unmap_to_placeholder(p->vm, addr);
    if (NT_SUCCESS(vm_query(p->vm, addr, &region)) && region.type == MEM_IMAGE) {
        images_forget(p, region.allocation_base);
        p->kernel->modules_changed = true;
    }
    return vm_unmap_view(p->vm, addr);
}
