/*
 * Image views: a laid-out PE as the guest sees it right after mapping. What is in the bytes and which
 * protections follow from it is decided by core/image. NT-MEMORY-RULES M16, M24..M27.
 */
#include <string.h>

#include "vm/space.h"
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

    if (image->base % VM_GRANULARITY)
        return STATUS_MAPPED_ALIGNMENT;
    if (image->base < VM_LOWEST || image->base >= vm->allocs.limit || !image->size ||
        image->size > vm->allocs.limit - image->base)
        return STATUS_INVALID_PARAMETER;
    for (size_t i = 0; i < image->run_count; i++) {
        if (!run_fits(&image->runs[i], from, page_up(image->size)))
            return STATUS_INVALID_PARAMETER;
        from = image->runs[i].offset + image->runs[i].size;
    }
    if (!allocs_is_free(&vm->allocs, image->base, page_up(image->base + image->size)))
        return STATUS_CONFLICTING_ADDRESSES;
    if (page_up(image->size) > vm->commit_limit - vm->committed)
        return STATUS_COMMITMENT_LIMIT;
    return STATUS_SUCCESS;
}

static bool all_zero(const uint8_t *bytes, size_t len)
{
    return !len || (bytes[0] == 0 && memcmp(bytes, bytes + 1, len - 1) == 0);
}

/* Give one page of the image its bytes; its protection comes later. */
static bool fill_page(struct vm *vm, gva_t page, const uint8_t *bytes, size_t len)
{
    frame_t frame;

    if (all_zero(bytes, len))
        return true;
    if (!frames_new(&vm->frames, &frame))
        return false;
    memcpy(frames_bytes(&vm->frames, frame), bytes, len);
    if (pt_put(&vm->pages, page_number(page), pte_make(frame, PAGE_NOACCESS)))
        return true;
    frames_unref(&vm->frames, frame);
    return false;
}

static bool fill_pages(struct vm *vm, const struct vm_image *image)
{
    for (uint64_t at = 0; at < image->size; at += VM_PAGE_SIZE) {
        uint64_t left = image->size - at;
        size_t len = left < VM_PAGE_SIZE ? (size_t)left : VM_PAGE_SIZE;

        if (!fill_page(vm, image->base + at, image->bytes + at, len))
            return false;
    }
    return true;
}

/* Cut out one run and name it. The pool has objects for two cuts. */
static bool set_run(struct vm *vm, struct allocation *a, const struct vm_image_run *from)
{
    gva_t start = a->base + from->offset;
    struct range r = {start, start + from->size};
    struct label *label;
    struct run *run;

    if (!label_new(from->label, &label))
        return false;
    run = space_cut(vm, a, runs_find(&a->runs, start), r);
    run->label = label;
    run->protect = protection_for_page(from->protect, a->protect);
    return true;
}

static bool set_runs(struct vm *vm, struct allocation *a, const struct vm_image *image)
{
    runs_first(&a->runs)->protect = PAGE_NOACCESS;
    for (size_t i = 0; i < image->run_count; i++) {
        if (!pool_reserve(&vm->run_pool, 2) || !set_run(vm, a, &image->runs[i]))
            return false;
    }
    runs_join(&a->runs, &vm->run_pool, runs_first(&a->runs), a->end);
    return true;
}

static nt_status map(struct vm *vm, const struct vm_image *image)
{
    struct range r = {image->base, page_up(image->base + image->size)};
    struct allocation *a = space_new_allocation(vm, r, image->label, image->path);

    if (!a)
        return STATUS_NO_MEMORY;
    a->type = MEM_IMAGE;
    a->protect = PAGE_EXECUTE_WRITECOPY;
    if (!set_runs(vm, a, image) || space_prepare(vm, r, true) != STATUS_SUCCESS) {
        space_discard(vm, a);
        return STATUS_NO_MEMORY;
    }
    if (!fill_pages(vm, image)) {
        pt_clear(&vm->pages, page_number(r.start), page_number(r.end));
        space_discard(vm, a);
        return STATUS_NO_MEMORY;
    }
    for (const struct run *run = runs_first(&a->runs); run; run = run_next(run))
        pt_change(&vm->pages, page_number(run_start(run)), page_number(run->end), PTE_PROTECT,
                  run->protect);
    space_enter(vm, a);
    return STATUS_SUCCESS;
}

nt_status vm_map_image(struct vm *vm, const struct vm_image *image)
{
    nt_status st = check(vm, image);

    if (st == STATUS_SUCCESS)
        st = map(vm, image);
    LOG(vm, "map image %s at 0x%" PRIx64 "+0x%" PRIx64 " -> %s", image->label ? image->label : "",
        image->base, image->size, nt_text(st));
    if (st == STATUS_SUCCESS)
        space_changed(vm);
    return st;
}
