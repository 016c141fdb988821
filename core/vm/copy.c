/*
 * Copies between the host and guest memory: for the debugger, who ignores protection and leaves no trace, and for a
 * system service, which obeys it as the kernel does when it touches a caller's buffer.
 */
#include <string.h>

#include "vm/pages.h"

/* ---- The debugger ---------------------------------------------------------------------------- */

/*
 * The byte at addr, whose page is committed and no device's, and its offset as vm_fill counts. NULL: the page has no
 * frame.
 */
static uint8_t *bytes_at(const struct vm *vm, gva_t addr, uint64_t *offset)
{
    bool shared;
    pte_t e = pt_get(&vm->pages, page_number(addr), &shared);

    if (!e)
        return foreign_bytes(&vm->foreign, addr, offset);
    *offset = (uint64_t)pte_frame(e) * FRAME_SIZE;
    return pages_bytes(vm, e, addr);
}

/* Copy from the pages of one committed run; pages without a frame are zero. */
static void read_run(const struct vm *vm, gva_t addr, uint8_t *dst, size_t len)
{
    while (len) {
        size_t part = pages_within(addr, len);
        uint64_t offset;
        const uint8_t *bytes = bytes_at(vm, addr, &offset);

        if (bytes)
            memcpy(dst, bytes, part);
        else
            memset(dst, 0, part);
        addr += part;
        dst += part;
        len -= part;
    }
}

/* The committed page that holds addr, when it is no device's. */
static bool find_readable(const struct vm *vm, gva_t addr, struct place *out)
{
    enum vm_fault why;
    uint64_t offset;

    return pages_find(vm, addr, out, &why) &&
           (!out->a->foreign || foreign_bytes(&vm->foreign, addr, &offset));
}

size_t vm_debug_read(const struct vm *vm, gva_t addr, void *dst, size_t len)
{
    uint8_t *to = dst;
    size_t done = 0;
    struct place at;

    while (done < len && find_readable(vm, addr + done, &at)) {
        uint64_t part = at.run->end - (addr + done);

        part = part < len - done ? part : len - done;
        read_run(vm, addr + done, to + done, (size_t)part);
        done += (size_t)part;
    }
    return done;
}

/* Does a host write make this page of a view private? */
static bool becomes_private(const struct place *at)
{
    return at->a->type == MEM_IMAGE && !at->run->written;
}

/* Is all of [addr, addr + len) committed and no device's? *marks: pages of views that a write makes private. */
static bool is_committed(const struct vm *vm, gva_t addr, size_t len, size_t *marks)
{
    gva_t end = addr + len;
    struct place at;

    *marks = 0;
    if (end < addr)
        return false;
    while (addr < end) {
        gva_t stop;

        if (!find_readable(vm, addr, &at))
            return false;
        stop = at.run->end < end ? at.run->end : end;
        if (becomes_private(&at))
            *marks += (size_t)(page_number(page_up(stop)) - page_number(addr));
        addr = stop;
    }
    return true;
}

/* Make a committed page ready for a host write. */
static bool own_page(struct vm *vm, gva_t page)
{
    bool shared = false;
    pte_t e = pt_get(&vm->pages, page_number(page), &shared);
    enum vm_fault why;
    struct place at;

    if (!e)
        return pages_find(vm, page, &at, &why) && (at.a->foreign || pages_touch(vm, &at, &e));
    if (!shared)
        return true;
    if (!pages_unshare(vm, page, &e))
        return false;
    space_revoke(vm, (struct range){page, page + VM_PAGE_SIZE});
    return true;
}

/* Write into a page that own_page made ready. */
static void write_page(struct vm *vm, gva_t addr, const uint8_t *src, size_t len)
{
    enum vm_fault why;
    uint64_t offset;
    struct place at;

    memcpy(bytes_at(vm, addr, &offset), src, len);
    space_bytes_changed(vm, page_down(offset));
    if (pages_find(vm, addr, &at, &why) && becomes_private(&at))
        pages_mark_written(vm, at.a, at.page);
}

bool vm_debug_write(struct vm *vm, gva_t addr, const void *src, size_t len)
{
    const uint8_t *from = src;
    size_t marks;

    if (!len)
        return true;
    if (!is_committed(vm, addr, len, &marks) || !pool_reserve(&vm->run_pool, 2 * marks))
        return false;
    for (gva_t page = page_down(addr); page < addr + len; page += VM_PAGE_SIZE) {
        if (!own_page(vm, page))
            return false;
    }
    for (size_t done = 0; done < len;) {
        size_t part = pages_within(addr + done, len - done);

        write_page(vm, addr + done, from + done, part);
        done += part;
    }
    if (marks)
        space_changed(vm);
    return true;
}

/* ---- System services ------------------------------------------------------------------------- */

/* Touch one page as the kernel would: a guard is used up (G09), sharing is broken, a write is recorded. */
static nt_status touch_as_kernel(struct vm *vm, gva_t page, enum vm_access want)
{
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
        return STATUS_ACCESS_VIOLATION;
    if (shared && want == VM_WRITE) /* the page has another frame now */
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

static void tell_served(const struct vm *vm, const struct vm_served *access)
{
    if (vm->observer.served)
        vm->observer.served(vm->observer.ctx, access);
}

nt_status vm_read(struct vm *vm, gva_t addr, void *dst, size_t len)
{
    nt_status st = vm_probe(vm, addr, len, VM_READ);

    if (st != STATUS_SUCCESS || !len)
        return st;
    read_run(vm, addr, dst, len);
    for (size_t done = 0; done < len;) {
        size_t part = pages_within(addr + done, len - done);

        tell_served(vm, &(struct vm_served){.addr = addr + done, .len = part, .access = VM_READ});
        done += part;
    }
    return st;
}

nt_status vm_write(struct vm *vm, gva_t addr, const void *src, size_t len)
{
    const uint8_t *from = src;
    nt_status st = vm_probe(vm, addr, len, VM_WRITE);

    if (st != STATUS_SUCCESS)
        return st;
    for (size_t done = 0; done < len;) {
        size_t part = pages_within(addr + done, len - done);
        uint64_t offset;
        uint8_t *to = bytes_at(vm, addr + done, &offset);

        tell_served(vm, &(struct vm_served){.addr = addr + done,
                                            .len = part,
                                            .access = VM_WRITE,
                                            .bytes = from + done,
                                            .offset = page_down(offset)});
        memcpy(to, from + done, part);
        space_bytes_changed(vm, page_down(offset));
        done += part;
    }
    return STATUS_SUCCESS;
}
