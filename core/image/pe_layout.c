/*
 * A parsed image as it looks in memory: headers and sections at their RVAs, the rest zero, relocated.
 * Where the bytes of a section are was settled by pe_parse.c; this file trusts it, and trusts nothing
 * that it reads from the image itself. Follows Microsoft's "PE Format", .reloc.
 */
#include "image/pe_format.h"

#include <stdlib.h>
#include <string.h>

enum { REL_ABSOLUTE = 0, REL_HIGH = 1, REL_LOW = 2, REL_HIGHLOW = 3, REL_DIR64 = 10 };

enum { BLOCK_HEADER = 8 };

/* An image being moved by delta. */
struct relocator {
    uint8_t *mapped;
    struct bytes view; /* the same bytes, for bounded reads */
    uint64_t delta;
    struct diag *why;
};

static void copy_parts(const struct pe_image *image, uint8_t *mapped)
{
    size_t headers = image->headers_size;

    if (image->flat)
        headers = image->file.len < image->image_size ? image->file.len : image->image_size;
    memcpy(mapped, image->file.data, headers);
    for (size_t i = 0; i < image->section_count && !image->flat; i++) {
        const struct pe_section *s = &image->sections[i];

        if (s->file_size)
            memcpy(mapped + s->rva, image->file.data + s->file_offset, s->file_size);
    }
}

/* Windows writes the address where it put the image into the mapped header. */
static void update_image_base(const struct pe_image *image, gva_t base, uint8_t *mapped)
{
    struct bytes view = {mapped, image->image_size};
    uint64_t at = (uint64_t)get_u32(image->file.data + DOS_E_LFANEW) + NT_OPTIONAL +
                  opt_image_base(image->arch);

    if (!bytes_has(view, at, 8))
        return;
    if (image->arch == CPU_AMD64)
        put_u64(mapped + at, base);
    else
        put_u32(mapped + at, (uint32_t)base);
}

/* Apply one entry at rva. */
static enum err relocate_one(const struct relocator *r, unsigned type, uint64_t rva)
{
    static const uint8_t widths[16] = {
        [REL_HIGH] = 2, [REL_LOW] = 2, [REL_HIGHLOW] = 4, [REL_DIR64] = 8};
    uint8_t *at = r->mapped + rva;

    if (type == REL_ABSOLUTE)
        return ERR_OK;
    if (!widths[type])
        return diag_set(r->why, ERR_FORMAT,
                        "the relocation of RVA 0x%" PRIx64
                        " has type %u; expected 0, 1, 2, 3 or 10 in a program for x86 or x64",
                        rva, type);
    if (!bytes_has(r->view, rva, widths[type]))
        return diag_set(r->why, ERR_FORMAT,
                        "a relocation names RVA 0x%" PRIx64 ", past the image's end at 0x%zx", rva,
                        r->view.len);
    switch (type) {
    case REL_HIGH:
        put_u16(at, (uint16_t)(get_u16(at) + (r->delta >> 16)));
        break;
    case REL_LOW:
        put_u16(at, (uint16_t)(get_u16(at) + r->delta));
        break;
    case REL_HIGHLOW:
        put_u32(at, (uint32_t)(get_u32(at) + r->delta));
        break;
    default:
        put_u64(at, get_u64(at) + r->delta);
        break;
    }
    return ERR_OK;
}

/* One block: the entries of one page. [at, at + size) was checked. */
static enum err relocate_block(const struct relocator *r, uint64_t at, uint32_t size)
{
    uint32_t page = get_u32(r->mapped + at);

    for (uint64_t i = BLOCK_HEADER; i + 2 <= size; i += 2) {
        uint16_t entry = get_u16(r->mapped + at + i);
        enum err e = relocate_one(r, entry >> 12, (uint64_t)page + (entry & 0xFFF));

        if (e)
            return e;
    }
    return ERR_OK;
}

/* Every block of the directory. A block of size 0 ends it: some linkers pad with zeros. */
static enum err relocate(const struct relocator *r, const struct pe_dir *dir)
{
    uint64_t end = (uint64_t)dir->rva + dir->size;
    uint64_t at = dir->rva;

    if (end > r->view.len)
        return diag_set(
            r->why, ERR_FORMAT,
            "the relocation directory spans RVA 0x%x, size 0x%x; the image ends at 0x%zx", dir->rva,
            dir->size, r->view.len);
    while (at + BLOCK_HEADER <= end) {
        uint32_t size = get_u32(r->mapped + at + 4);
        enum err e;

        if (!size)
            break;
        if (size < BLOCK_HEADER || size > end - at)
            return diag_set(r->why, ERR_FORMAT,
                            "the relocation block at RVA 0x%" PRIx64
                            " has SizeOfBlock 0x%x; expected 8 to 0x%" PRIx64,
                            at, size, end - at);
        e = relocate_block(r, at, size);
        if (e)
            return e;
        at += size;
    }
    return ERR_OK;
}

/* Can the image live at base at all? */
static enum err check_base(const struct pe_image *image, gva_t base, struct diag *why)
{
    uint64_t limit = image->arch == CPU_AMD64 ? VM_USER_LIMIT_64 : UINT64_C(1) << 32;

    if (base > limit || image->image_size > limit - base)
        return diag_set(why, ERR_RANGE,
                        "an image of 0x%x bytes does not fit at 0x%" PRIx64
                        "; addresses of this program end at 0x%" PRIx64,
                        image->image_size, base, limit);
    if (base != image->image_base && image->characteristics & IMAGE_FILE_RELOCS_STRIPPED)
        return diag_set(why, ERR_UNSUPPORTED,
                        "the image cannot be moved to 0x%" PRIx64
                        ": its relocations are stripped, so it runs only at 0x%" PRIx64,
                        base, image->image_base);
    return ERR_OK;
}

enum err pe_layout(const struct pe_image *image, gva_t base, uint8_t **out, struct diag *why)
{
    struct relocator r = {.delta = base - image->image_base, .why = why};
    const struct pe_dir *dir = &image->dirs[DIR_RELOC];
    enum err e;

    e = check_base(image, base, why);
    if (e)
        return e;
    r.mapped = calloc(1, image->image_size);
    if (!r.mapped)
        return diag_set(why, ERR_NOMEM, "the host is out of memory for an image of 0x%x bytes",
                        image->image_size);
    r.view = (struct bytes){r.mapped, image->image_size};
    copy_parts(image, r.mapped);
    update_image_base(image, base, r.mapped);
    if (r.delta && dir->rva && dir->size)
        e = relocate(&r, dir);
    if (e) {
        free(r.mapped);
        return e;
    }
    *out = r.mapped;
    return ERR_OK;
}
