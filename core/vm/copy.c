/*
 * Copies between the host and guest memory: for the debugger, who ignores protection and leaves no trace, and for a
 * system service, which obeys it as the kernel does when it touches a caller's buffer.
 */
#include <assert.h>
#include <string.h>

#include "vm/pages.h"

/* ---- The debugger ---------------------------------------------------------------------------- */

/*
 * Copy from pages of a that are committed; returns how many bytes, short when a file cannot be read, and none from a
 * device.
 */
static size_t read_run(const struct vm *vm, const struct allocation *a, gva_t addr, uint8_t *dst,
                       size_t len)
{
    const uint8_t *bytes;
    size_t done = 0;

    while (done < len && pages_shown(vm, a, page_down(addr + done), &bytes)) {
        size_t part = pages_within(addr + done, len - done);

        if (bytes)
            memcpy(dst + done, bytes + (addr + done) % VM_PAGE_SIZE, part);
        else
            memset(dst + done, 0, part);
        done += part;
    }
    return done;
}

size_t vm_debug_read(const struct vm *vm, gva_t addr, void *dst, size_t len)
{
    uint8_t *to = dst;
    size_t done = 0;
    enum vm_fault why;
    struct place at;

    while (done < len && pages_find(vm, addr + done, &at, &why)) {
        uint64_t part = at.run->end - (addr + done);
        size_t got;

        part = part < len - done ? part : len - done;
        got = read_run(vm, at.a, addr + done, to + done, (size_t)part);
        done += got;
        if (got < part)
            break;
    }
    return done;
}

static bool is_device(const struct vm *vm, const struct allocation *a)
{
    return a->foreign && foreign_is_device(foreigns_find(&vm->foreign, a->base)->memory);
}

/* Is all of [addr, addr + len) committed and no device's? *parts: pages of views that a write makes private. */
static bool is_committed(const struct vm *vm, gva_t addr, size_t len, size_t *parts)
{
    gva_t end = addr + len;
    enum vm_fault why;
    struct place at;

    *parts = 0;
    if (end < addr)
        return false;
    while (addr < end) {
        gva_t stop;

        if (!pages_find(vm, addr, &at, &why) || is_device(vm, at.a))
            return false;
        stop = at.run->end < end ? at.run->end : end;
        if (pages_part_on_write(&at))
            *parts += (size_t)(page_number(page_up(stop)) - page_number(addr));
        addr = stop;
    }
    return true;
}

/* Everything that making so many pages of views private may run short of. */
static bool reserve_parts(struct vm *vm, size_t parts)
{
    return pool_reserve(&vm->run_pool, 2 * parts + 2) &&
           pool_reserve(&vm->physical->tables.nodes, parts * PT_LEVELS);
}

/*
 * Make a page without an entry ready for a host write: its own gets a frame, a view's section has it ready; lent memory
 * is as it is.
 */
static bool own_absent_page(struct vm *vm, const struct place *at)
{
    const struct view *v = at->a->view;
    frame_t frame;
    pte_t e;

    if (at->a->foreign)
        return true;
    if (!v)
        return pages_touch(vm, at, &e);
    if (pages_part_on_write(at))
        return section_look(v->section, view_page(v, at->page), &frame) == VM_FAULT_NONE;
    return section_touch(v->section, view_page(v, at->page), true, &e) == VM_FAULT_NONE;
}

/* Make a committed page ready for a host write. */
static bool own_page(struct vm *vm, gva_t page)
{
    bool shared = false;
    pte_t e = pt_get(&vm->pages, page_number(page), &shared);
    enum vm_fault why;
    struct place at;

    if (!e)
        return pages_find(vm, page, &at, &why) && own_absent_page(vm, &at);
    if (!shared)
        return true;
    if (!pages_unshare(vm, page, &e))
        return false;
    space_revoke(vm, (struct range){page, page + VM_PAGE_SIZE});
    return true;
}

/* The entry of a page that a view shows of its section, made private if a write does that. */
static bool view_entry(struct vm *vm, const struct place *at, pte_t *e)
{
    struct vm_section *s = at->a->view->section;
    uint64_t page = view_page(at->a->view, at->page);
    struct range r = {at->page, at->page + VM_PAGE_SIZE};
    frame_t from;

    if (!pages_part_on_write(at))
        return section_touch(s, page, true, e) == VM_FAULT_NONE;
    if (section_look(s, page, &from) || !pages_part(vm, at, from, e))
        return false;
    space_revoke(vm, r);
    return true;
}

/* The bytes of a page that is ready for a host write, and their offset as vm_fill counts. */
static uint8_t *ready_page(struct vm *vm, gva_t page, uint64_t *offset)
{
    bool shared;
    pte_t e = pt_get(&vm->pages, page_number(page), &shared);
    enum vm_fault why;
    struct place at;

    if (!e && pages_find(vm, page, &at, &why)) {
        if (at.a->foreign)
            return foreign_bytes(&vm->foreign, page, offset);
        if (!view_entry(vm, &at, &e))
            return NULL;
    }
    *offset = (uint64_t)pte_frame(e) * FRAME_SIZE;
    return frames_bytes(&vm->physical->frames, pte_frame(e));
}

static void tell_served(const struct vm *vm, const struct vm_served *access)
{
    if (vm->observer.served)
        vm->observer.served(vm->observer.ctx, access);
}

/* Write into a page that is ready for it. */
static void write_page(struct vm *vm, gva_t addr, const uint8_t *src, size_t len, bool service)
{
    uint64_t offset = 0;
    uint8_t *bytes = ready_page(vm, page_down(addr), &offset);

    assert(bytes);
    if (!bytes)
        return;
    if (service)
        tell_served(vm, &(struct vm_served){.addr = addr,
                                            .len = len,
                                            .access = VM_WRITE,
                                            .bytes = src,
                                            .offset = page_down(offset)});
    memcpy(bytes + addr % VM_PAGE_SIZE, src, len);
    physical_bytes_changed(vm->physical, page_down(offset));
}

static void write_pages(struct vm *vm, gva_t addr, const uint8_t *src, size_t len, bool service)
{
    for (size_t done = 0; done < len;) {
        size_t part = pages_within(addr + done, len - done);

        write_page(vm, addr + done, src + done, part, service);
        done += part;
    }
}

bool vm_debug_write(struct vm *vm, gva_t addr, const void *src, size_t len)
{
    size_t parts;

    if (!len)
        return true;
    if (!is_committed(vm, addr, len, &parts))
        return false;
    for (gva_t page = page_down(addr); page < addr + len; page += VM_PAGE_SIZE) {
        if (!own_page(vm, page))
            return false;
    }
    /* Last, because making pages ready takes from the same pools. */
    if (parts > frames_room(&vm->physical->frames) || !reserve_parts(vm, parts))
        return false;
    write_pages(vm, addr, src, len, false);
    if (parts)
        space_changed(vm);
    return true;
}

/* ---- System services ------------------------------------------------------------------------- */

/* Touch one page as the kernel would: a guard is used up (G09), sharing is broken, a write is recorded. */
static nt_status touch_as_kernel(struct vm *vm, gva_t page, enum vm_access want)
{
    uint64_t layout = vm->layout;
    struct vm_fill fill;
    bool shared = false;
    enum vm_fault fault;

    if (page < vm->allocs.limit)
        (void)pt_get(&vm->pages, page_number(page), &shared);
    fault = vm_fill(vm, page, want, &fill);
    if (fault == VM_FAULT_GUARD)
        return vm_clear_guard(vm, page) ? STATUS_GUARD_PAGE_VIOLATION : STATUS_NO_MEMORY;
    if (fault == VM_FAULT_NOMEM)
        return STATUS_NO_MEMORY;
    if (fault)
        return fault == VM_FAULT_IN_PAGE ? STATUS_IN_PAGE_ERROR : STATUS_ACCESS_VIOLATION;
    if (want == VM_WRITE && (shared || vm->layout != layout)) /* the page has another frame now */
        space_revoke(vm, (struct range){page, page + VM_PAGE_SIZE});
    return STATUS_SUCCESS;
}

nt_status vm_probe(struct vm *vm, gva_t addr, uint64_t len, enum vm_access want)
{
    gva_t end = addr + len;

    if (!len)
        return STATUS_SUCCESS;
    if (end < addr || end > vm->allocs.limit)
        return STATUS_ACCESS_VIOLATION;
    for (gva_t page = page_down(addr); page < end; page += VM_PAGE_SIZE) {
        nt_status st = touch_as_kernel(vm, page, want);

        if (st != STATUS_SUCCESS)
            return st;
    }
    return STATUS_SUCCESS;
}

nt_status vm_read(struct vm *vm, gva_t addr, void *dst, size_t len)
{
    nt_status st = vm_probe(vm, addr, len, VM_READ);

    if (st != STATUS_SUCCESS)
        return st;
    if (vm_debug_read(vm, addr, dst, len) != len)
        return STATUS_IN_PAGE_ERROR;
    for (size_t done = 0; done < len;) {
        size_t part = pages_within(addr + done, len - done);

        tell_served(vm, &(struct vm_served){.addr = addr + done, .len = part, .access = VM_READ});
        done += part;
    }
    return STATUS_SUCCESS;
}

nt_status vm_write(struct vm *vm, gva_t addr, const void *src, size_t len)
{
    nt_status st = vm_probe(vm, addr, len, VM_WRITE);

    if (st == STATUS_SUCCESS)
        write_pages(vm, addr, src, len, true);
    return st;
}
