/* What sections are made of and how their views are mapped; the contract is in sections.h. */
#include "nt/sections.h"

#include <stdlib.h>
#include <string.h>

#include "nt/kernel.h"
#include "nt/parts.h"
#include "nt/text.h"
#include "winstub/log.h"

#define VIEW_LABEL "view of "

static void free_section(struct object *object)
{
    struct section *section = (struct section *)object;

    pe_free(section->image);
    buf_fini(&section->bytes);
    free(section->path);
    free(section);
}

const struct object_class section_class = {.name = "Section", .free = free_section};

struct section *section_new(enum section_kind kind, const char *path)
{
    struct section *section = calloc(1, sizeof *section);

    if (section)
        section->path = strdup(path);
    if (!section || !section->path) {
        free(section);
        return NULL;
    }
    object_init(&section->object, &section_class);
    section->kind = kind;
    buf_init(&section->bytes, PE_FILE_MAX);
    return section;
}

/* ---- Data ------------------------------------------------------------------------------------- */

/* Commit a view's memory and copy the file's part of it there. */
static nt_status fill_view(struct process *p, const struct section *section, uint64_t offset,
                           uint32_t protect, const struct vm_request *req)
{
    struct bytes file = {section->bytes.data, section->bytes.len};
    uint64_t left = offset < file.len ? file.len - offset : 0, size = req->size;
    gva_t base = req->base;
    uint32_t old;

    if (left > size)
        left = size;
    if (left && !vm_debug_write(p->vm, base, file.data + offset, (size_t)left))
        return STATUS_NO_MEMORY;
    return vm_protect(p->vm, &base, &size, protect, &old);
}

static nt_status map_data(struct process *p, const struct section *section, uint64_t offset,
                          uint32_t protect, gva_t *base, uint64_t *size)
{
    struct vm_request req = {
        .base = *base, .type = MEM_RESERVE | MEM_COMMIT, .protect = PAGE_READWRITE};
    struct buf label;
    nt_status st;

    if (offset % VM_GRANULARITY || *base % VM_GRANULARITY)
        return STATUS_MAPPED_ALIGNMENT;
    if (offset >= section->size || *size > section->size - offset)
        return STATUS_INVALID_VIEW_SIZE;
    req.size = *size ? *size : section->size - offset;
    buf_init(&label, strlen(section->path) + 64);
    (void)buf_printf(&label, VIEW_LABEL "%s",
                     *section->path ? text_base_name(section->path) : "the page file");
    req.label = buf_str(&label);
    st = vm_allocate(p->vm, &req, &req.base, &req.size);
    buf_fini(&label);
    if (st)
        return st;
    st = fill_view(p, section, offset, protect, &req);
    if (st) {
        nt_status undone = vm_release(p->vm, &req.base, &req.size, MEM_RELEASE);

        return undone ? undone : st;
    }
    *base = req.base;
    *size = req.size;
    return STATUS_SUCCESS;
}

static nt_status unmap_data(struct process *p, const struct vm_region *region)
{
    gva_t base = region->allocation_base;
    uint64_t size = 0;

    if (region->state == MEM_FREE || strncmp(region->label, VIEW_LABEL, strlen(VIEW_LABEL)) != 0)
        return STATUS_NOT_MAPPED_VIEW;
    return vm_release(p->vm, &base, &size, MEM_RELEASE);
}

/* ---- Images ----------------------------------------------------------------------------------- */

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

static nt_status map_image(struct process *p, const struct section *section, gva_t *base,
                           uint64_t *size)
{
    nt_status st = images_map(p, section->image, section->path, *base, base);

    if (!NT_SUCCESS(st))
        return st;
    *size = section->image->image_size;
    open_win32u(p, section, *base);
    return st;
}

nt_status section_map(struct process *p, const struct section *section, uint64_t offset,
                      uint32_t protect, gva_t *base, uint64_t *size)
{
    if (section->kind == SECTION_IMAGE)
        return map_image(p, section, base, size);
    return map_data(p, section, offset, protect, base, size);
}

nt_status section_unmap(struct process *p, gva_t addr)
{
    struct vm_region region;

    if (vm_query(p->vm, addr, &region) || region.state == MEM_FREE)
        return STATUS_NOT_MAPPED_VIEW;
    if (region.type == MEM_PRIVATE)
        return unmap_data(p, &region);
    images_forget(p, region.allocation_base);
    p->kernel->modules_changed = true;
    return vm_unmap_view(p->vm, addr);
}
