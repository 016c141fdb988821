/*
 * Putting a parsed image into a guest: the protection and the label of each part. The bytes are
 * pe_layout.c's, the view is the memory manager's. Protections are those that NT gives the pages of an
 * image section before anything was written (MmImageProtectionArray). Sections marked shared are treated
 * as the others: there is one process.
 */
#include "image/pe_format.h"
#include "image/refuse.h"

#include <stdlib.h>
#include <string.h>

#include "winstub/buf.h"
#include "winstub/log.h"
#include "winstub/section.h"

/* The runs of one image, and the text of their labels. */
struct runs {
    struct vm_image_run *list;
    size_t *labels; /* where each label begins in text, which moves while it grows */
    size_t count;
    struct buf text;
};

static uint32_t section_protect(uint32_t flags)
{
    static const uint32_t protects[2][2][2] = {
        /* [write][execute][read] */
        {{PAGE_NOACCESS, PAGE_READONLY}, {PAGE_EXECUTE, PAGE_EXECUTE_READ}},
        {{PAGE_WRITECOPY, PAGE_WRITECOPY}, {PAGE_EXECUTE_WRITECOPY, PAGE_EXECUTE_WRITECOPY}},
    };

    return protects[!!(flags & IMAGE_SCN_MEM_WRITE)][!!(flags & IMAGE_SCN_MEM_EXECUTE)]
                   [!!(flags & IMAGE_SCN_MEM_READ)];
}

/* Add pages [start, start + size), labelled "name part". */
static void add_run(struct runs *r, uint64_t start, uint64_t size, uint32_t protect,
                    const char *name, const char *part)
{
    r->labels[r->count] = r->text.len;
    r->list[r->count++] = (struct vm_image_run){
        .offset = start, .size = round_up(size, VM_PAGE_SIZE), .protect = protect};
    (void)buf_text(&r->text, name); /* asked about at the end: a failure sticks */
    (void)buf_byte(&r->text, ' ');
    (void)buf_text(&r->text, part);
    (void)buf_byte(&r->text, 0);
}

static void add_sections(struct runs *r, const struct pe_image *image, const char *name)
{
    for (size_t i = 0; i < image->section_count; i++) {
        const struct pe_section *s = &image->sections[i];

        if (s->virtual_size)
            add_run(r, s->rva, s->virtual_size, section_protect(s->flags), name,
                    s->name[0] ? s->name : "(section without name)");
    }
}

/* A flat image is one run with every permission that any of its parts might want, as on Windows. */
static bool build_runs(struct runs *r, const struct pe_image *image, const char *name)
{
    r->list = calloc(image->section_count + 1, sizeof *r->list);
    r->labels = calloc(image->section_count + 1, sizeof *r->labels);
    if (!r->list || !r->labels)
        return false;
    if (image->flat) {
        add_run(r, 0, image->image_size, PAGE_EXECUTE_WRITECOPY, name, "image");
    } else {
        add_run(r, 0, image->headers_size, PAGE_READONLY, name, "headers");
        add_sections(r, image, name);
    }
    for (size_t i = 0; i < r->count; i++)
        r->list[i].label = buf_str(&r->text) + r->labels[i];
    return !r->text.failed;
}

static void free_runs(struct runs *r)
{
    free(r->list);
    free(r->labels);
    buf_fini(&r->text);
}

/* Make the section of an image relocated to base. Pages that `like` (NULL: none) has too are shared with it. */
static enum err make_section(struct vm *vm, const struct pe_image *image, gva_t base,
                             const char *name, const char *path, const struct vm_section *like,
                             struct vm_section **out, struct diag *why)
{
    struct runs runs = {0};
    uint8_t *bytes = NULL;
    struct vm_image laid_out;
    enum err e;

    buf_init(&runs.text, (image->section_count + 1) * (strlen(name) + 32));
    e = pe_layout(image, base, &bytes, why);
    if (!e && !build_runs(&runs, image, name))
        e = diag_set(why, ERR_NOMEM, "the host is out of memory for %zu sections",
                     image->section_count);
    laid_out = (struct vm_image){.size = image->image_size,
                                 .bytes = bytes,
                                 .runs = runs.list,
                                 .run_count = runs.count,
                                 .path = path,
                                 .like = like};
    if (!e)
        e = map_result(vm_section_new_image(vm, &laid_out, out), "an image", base,
                       image->image_size, why);
    free_runs(&runs);
    free(bytes);
    return e;
}

static enum err map_at(struct vm *vm, struct vm_section *section, gva_t base, const char *name,
                       struct diag *why)
{
    struct vm_view_request req = {.base = base, .label = name};
    nt_status st = base ? vm_section_map(vm, section, &req, NULL, NULL) : STATUS_INVALID_PARAMETER;

    return map_result(st, "an image", base, vm_section_size(section), why);
}

enum err image_map_view(struct vm *vm, struct image_views *views, const struct pe_image *image,
                        gva_t base, const char *name, const char *path, struct diag *why)
{
    struct vm_section *section = NULL;
    enum err e = ERR_OK;

    if (views->section && views->base == base)
        section = vm_section_ref(views->section);
    else
        e = make_section(vm, image, base, name, path, views->section, &section, why);
    if (!e)
        e = map_at(vm, section, base, name, why);
    if (!e && !views->section)
        *views = (struct image_views){vm_section_ref(section), base};
    vm_section_unref(section);
    LOG(pe, "%s at 0x%" PRIx64 ": %s", name, base, err_text(e));
    return e;
}

void image_views_fini(struct image_views *views)
{
    vm_section_unref(views->section);
    *views = (struct image_views){0};
}

enum err image_map(struct vm *vm, const struct pe_image *image, gva_t base, const char *name,
                   const char *path, struct diag *why)
{
    struct image_views views = {0};
    enum err e = image_map_view(vm, &views, image, base, name, path, why);

    image_views_fini(&views);
    return e;
}
