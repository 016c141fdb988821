/*
 * Image sections: a laid-out PE as every view shows it right after mapping. What is in the bytes and which
 * protections follow from it is decided by core/image. NT-MEMORY-RULES M16, M24..M27.
 */
#include <stdlib.h>
#include <string.h>

#include "vm/section.h"
#include "winstub/log.h"

static bool run_fits(const struct vm_image_run *run, uint64_t from, uint64_t size)
{
    return run->offset >= from && run->size && run->offset % VM_PAGE_SIZE == 0 &&
           run->size % VM_PAGE_SIZE == 0 && run->offset < size && run->size <= size - run->offset &&
           protection_valid(run->protect, false);
}

static nt_status check(const struct vm *vm, const struct vm_image *image)
{
    uint64_t from = 0;

    if (!image->size || image->size > vm->allocs.limit)
        return STATUS_INVALID_PARAMETER;
    for (size_t i = 0; i < image->run_count; i++) {
        if (!run_fits(&image->runs[i], from, page_up(image->size)))
            return STATUS_INVALID_PARAMETER;
        from = image->runs[i].offset + image->runs[i].size;
    }
    return STATUS_SUCCESS;
}

static bool all_zero(const uint8_t *bytes, size_t len)
{
    return !len || (bytes[0] == 0 && memcmp(bytes, bytes + 1, len - 1) == 0);
}

/* Give one page its bytes. False when memory is short. */
static bool fill_page(struct vm_section *s, uint64_t page, const struct vm_section *like,
                      const uint8_t *bytes, size_t len)
{
    pte_t e;

    if (all_zero(bytes, len) || (like && section_share(s, page, like, bytes, len)))
        return true;
    if (section_touch(s, page, false, &e))
        return false;
    memcpy(frames_bytes(&s->physical->frames, pte_frame(e)), bytes, len);
    return true;
}

static bool fill_pages(struct vm_section *s, const struct vm_image *image)
{
    for (uint64_t at = 0; at < image->size; at += VM_PAGE_SIZE) {
        uint64_t left = image->size - at;
        size_t len = left < VM_PAGE_SIZE ? (size_t)left : VM_PAGE_SIZE;

        if (!fill_page(s, page_number(at), image->like, image->bytes + at, len))
            return false;
    }
    return true;
}

static bool copy_runs(struct vm_section *s, const struct vm_image *image)
{
    s->parts = calloc(image->run_count + 1, sizeof *s->parts);
    if (!s->parts)
        return false;
    for (; s->part_count < image->run_count; s->part_count++) {
        const struct vm_image_run *run = &image->runs[s->part_count];
        struct image_part *part = &s->parts[s->part_count];

        part->start = run->offset;
        part->end = run->offset + run->size;
        part->protect = protection_for_page(run->protect, PAGE_EXECUTE_WRITECOPY);
        s->writable |= (part->protect & (PAGE_READWRITE | PAGE_EXECUTE_READWRITE)) != 0;
        if (!label_new(run->label, &part->label))
            return false;
    }
    return true;
}

nt_status vm_section_new_image(struct vm *vm, const struct vm_image *image, struct vm_section **out)
{
    nt_status st = check(vm, image);
    struct vm_section *s = NULL;

    if (st == STATUS_SUCCESS) {
        s = section_make(vm->physical, page_up(image->size), MEM_IMAGE, image->path);
        st = s && copy_runs(s, image) && fill_pages(s, image) ? STATUS_SUCCESS : STATUS_NO_MEMORY;
    }
    LOG(vm, "new section of image %s, 0x%" PRIx64 " bytes -> %s", image->path ? image->path : "",
        image->size, nt_text(st));
    if (st == STATUS_SUCCESS)
        *out = s;
    else
        vm_section_unref(s);
    return st;
}

nt_status vm_map_image(struct vm *vm, const struct vm_image *image)
{
    struct vm_view_request req = {.base = image->base, .label = image->label};
    struct vm_section *s;
    nt_status st;

    if (!image->base)
        return STATUS_INVALID_PARAMETER;
    st = vm_section_new_image(vm, image, &s);
    if (st != STATUS_SUCCESS)
        return st;
    st = vm_section_map(vm, s, &req, NULL, NULL);
    vm_section_unref(s);
    return st;
}
