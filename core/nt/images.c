/*
 * Images in a process that runs on DLLs: where they go, and the list of them that the debugger sees. What a section
 * is and who asks for a view is serve_section.c's.
 */
#include <stdlib.h>
#include <string.h>

#include "image/pe_format.h"
#include "nt/kernel.h"
#include "nt/parts.h"
#include "nt/text.h"
#include "winstub/log.h"

/* Append an empty module with that path. NULL: no memory. */
static struct module *append_module(struct process *p, const char *path)
{
    struct module *grown = reallocarray(p->modules, p->module_count + 1, sizeof *grown), *m;

    if (!grown)
        return NULL;
    p->modules = grown;
    m = &grown[p->module_count];
    *m = (struct module){.path = strdup(path), .name = strdup(text_base_name(path))};
    if (!m->path || !m->name) {
        free(m->path);
        free(m->name);
        return NULL;
    }
    p->module_count++;
    return m;
}

enum err images_list(struct process *p, const struct pe_image *image, const char *path, gva_t base)
{
    struct module *m = append_module(p, path);

    if (!m)
        return ERR_NOMEM;
    m->timestamp = image->timestamp;
    m->has_tls = image->dirs[DIR_TLS].size != 0;
    m->info = (struct process_module){
        .name = m->name,
        .path = m->path,
        .base = base,
        .size = image->image_size,
        .entry = image->entry_rva ? base + image->entry_rva : 0,
        .first_section = base + pe_first_section(image),
        .preferred = image->image_base,
    };
    return ERR_OK;
}

/* The program stays in the list: what takes its place (hollowing) goes by its name, and is found where it was. */
void images_forget(struct process *p, gva_t base)
{
    for (size_t i = p->has_image; i < p->module_count; i++) {
        struct module *m = &p->modules[i];

        if (m->info.base != base)
            continue;
        free(m->path);
        free(m->name);
        p->module_count--;
        memmove(m, m + 1, (p->module_count - i) * sizeof *m);
        return;
    }
}

static bool is_free(const struct process *p, gva_t base, uint64_t size)
{
    struct vm_region region;

    return base && base % VM_GRANULARITY == 0 && NT_SUCCESS(vm_query(p->vm, base, &region)) &&
           region.state == MEM_FREE && region.size >= size;
}

/* Where the image goes: a place asked for, else like on Windows below the DLLs before it, else its own. */
static nt_status choose_base(const struct process *p, const struct pe_image *image, gva_t want,
                             gva_t *base)
{
    bool movable = !(image->characteristics & IMAGE_FILE_RELOCS_STRIPPED);
    bool random = image->dll_characteristics & IMAGE_DLLCHARACTERISTICS_DYNAMIC_BASE;
    struct vm_request req = {.size = image->image_size,
                             .type = MEM_RESERVE | MEM_TOP_DOWN,
                             .protect = PAGE_READWRITE,
                             .highest = p->plan.dlls};

    *base = want ? want : image->image_base;
    if (want && !is_free(p, want, image->image_size))
        return STATUS_CONFLICTING_ADDRESSES;
    if (want || (!(random && movable) && is_free(p, *base, image->image_size)))
        return want && want != image->image_base && !movable ? STATUS_CONFLICTING_ADDRESSES
                                                             : STATUS_SUCCESS;
    return movable ? vm_find_free(p->vm, &req, base) : STATUS_CONFLICTING_ADDRESSES;
}

nt_status images_map(struct process *p, struct image_views *views, const struct pe_image *image,
                     const char *path, gva_t want, gva_t *base)
{
    struct diag why = {{0}};
    nt_status st = choose_base(p, image, want, base);
    enum err e;

    if (st)
        return st;
    e = image_map_view(p->vm, views, image, *base, text_base_name(path), path, &why);
    if (e)
        LOG(nt, "%s at 0x%llx: %s", path, (unsigned long long)*base, why.text);
    if (e)
        return e == ERR_NOMEM    ? STATUS_NO_MEMORY
               : e == ERR_EXISTS ? STATUS_CONFLICTING_ADDRESSES
                                 : STATUS_INVALID_IMAGE_FORMAT;
    if (images_list(p, image, path, *base)) {
        st = vm_unmap_view(p->vm, *base);
        return st ? st : STATUS_NO_MEMORY;
    }
    p->kernel->modules_changed = true;
    return *base == image->image_base ? STATUS_SUCCESS : STATUS_IMAGE_NOT_AT_BASE;
}
