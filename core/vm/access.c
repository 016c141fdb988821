/*
 * Who reads and writes guest memory: the CPU by way of vm_fill, the debugger by way of vm_debug_*. This
 * is where pages get their frames: on demand, zeroed, and copied when a write meets sharing.
 */
#include <assert.h>
#include <string.h>

#include "vm/space.h"

/* A committed run's page with its own frame. False, nothing changed: out of frames or nodes. */
static bool touch(struct vm *vm, gva_t page, const struct run *run, pte_t *out)
{
    frame_t frame;
    pte_t e;

    if (!frames_new(&vm->frames, &frame))
        return false;
    e = pte_make(frame, run->protect);
    if (!pt_put(&vm->pages, page_number(page), e)) {
        frames_unref(&vm->frames, frame);
        return false;
    }
    *out = e;
    return true;
}

/* Give a page whose frame is shared a copy of its own. False, nothing changed: out of frames or nodes. */
static bool unshare(struct vm *vm, gva_t page, pte_t *e)
{
    frame_t frame;
    pte_t own;

    if (!frames_new(&vm->frames, &frame))
        return false;
    memcpy(frames_bytes(&vm->frames, frame), frames_bytes(&vm->frames, pte_frame(*e)), FRAME_SIZE);
    own = pte_make(frame, pte_protect(*e));
    if (!pt_put(&vm->pages, page_number(page), own)) {
        frames_unref(&vm->frames, frame);
        return false;
    }
    *e = own;
    return true;
}

/*
 * The page of a view is private from now on: WRITECOPY becomes what a write makes of it (M24). Two run objects are
 * spare, and the entry, if there is one, is this table's own.
 */
static void mark_written(struct vm *vm, struct allocation *a, gva_t page)
{
    struct range r = {page, page + VM_PAGE_SIZE};
    struct run *run = space_cut(vm, a, runs_find(&a->runs, page), r);

    run->written = true;
    space_set_protect(vm, run, protection_after_write(run->protect));
    space_join(vm, a, run, r);
}

/* ---- The CPU --------------------------------------------------------------------------------- */

/* Why a committed page with this protection refuses an access. */
static enum vm_fault refusal(const struct vm *vm, uint32_t protect, enum vm_access want)
{
    unsigned access = protection_access(protect, vm->dep);

    if (access & want)
        return VM_FAULT_NONE;
    if (want == VM_WRITE && protection_access(protection_after_write(protect), vm->dep) & VM_WRITE)
        return VM_FAULT_NONE;
    if (protect & PAGE_GUARD)
        return VM_FAULT_GUARD;
    if (!access)
        return VM_FAULT_NOACCESS;
    return want == VM_WRITE ? VM_FAULT_READONLY : VM_FAULT_NOEXEC;
}

/* What the CPU may do without asking again: not write where a write has consequences. */
static void answer(const struct vm *vm, pte_t e, bool shared, struct vm_fill *out)
{
    unsigned access = protection_access(pte_protect(e), vm->dep);

    out->offset = (uint64_t)pte_frame(e) * FRAME_SIZE;
    out->access = shared ? access & ~(unsigned)VM_WRITE : access;
}

/* The first write to a WRITECOPY page. */
static bool first_write(struct vm *vm, gva_t page, pte_t *e)
{
    struct allocation *a = allocs_find(&vm->allocs, page);
    struct range r = {page, page + VM_PAGE_SIZE};

    if (space_prepare(vm, r, false) != STATUS_SUCCESS)
        return false;
    mark_written(vm, a, page);
    *e = pte_with_protect(*e, protection_after_write(pte_protect(*e)));
    space_changed(vm);
    return true;
}

/* An allowed access to a page that has a frame. */
static enum vm_fault fill_present(struct vm *vm, gva_t page, enum vm_access want, pte_t e,
                                  bool shared, struct vm_fill *out)
{
    if (want == VM_WRITE && shared) {
        if (!unshare(vm, page, &e))
            return VM_FAULT_NOMEM;
        shared = false;
    }
    if (want == VM_WRITE && protection_is_copy(pte_protect(e)) && !first_write(vm, page, &e))
        return VM_FAULT_NOMEM;
    answer(vm, e, shared, out);
    return VM_FAULT_NONE;
}

/* The run of a page that has no frame, NULL and why when it is not committed. */
static const struct run *find_committed(const struct vm *vm, gva_t page, enum vm_fault *why)
{
    const struct allocation *a = allocs_find(&vm->allocs, page);
    const struct run *run = a ? runs_find(&a->runs, page) : NULL;

    if (run && run->protect)
        return run;
    *why = run ? VM_FAULT_RESERVED : VM_FAULT_FREE;
    return NULL;
}

enum vm_fault vm_fill(struct vm *vm, gva_t page, enum vm_access want, struct vm_fill *out)
{
    enum vm_fault fault = VM_FAULT_NONE;
    const struct run *run;
    bool shared = false;
    pte_t e;

    if (page >= vm->allocs.limit)
        return VM_FAULT_KERNEL;
    e = pt_get(&vm->pages, page_number(page), &shared);
    if (e) {
        fault = refusal(vm, pte_protect(e), want);
        return fault ? fault : fill_present(vm, page, want, e, shared, out);
    }
    run = find_committed(vm, page, &fault);
    if (!run)
        return fault;
    fault = refusal(vm, run->protect, want);
    if (fault)
        return fault;
    if (!touch(vm, page, run, &e))
        return VM_FAULT_NOMEM;
    return fill_present(vm, page, want, e, false, out);
}

/* ---- The debugger ---------------------------------------------------------------------------- */

/* The part of [addr, addr + len) that lies in addr's page. */
static size_t within_page(gva_t addr, size_t len)
{
    size_t room = VM_PAGE_SIZE - (size_t)(addr % VM_PAGE_SIZE);

    return len < room ? len : room;
}

/* Copy from the pages of one committed run; pages without a frame are zero. */
static void read_run(const struct vm *vm, gva_t addr, uint8_t *dst, size_t len)
{
    while (len) {
        size_t part = within_page(addr, len);
        bool shared;
        pte_t e = pt_get(&vm->pages, page_number(addr), &shared);

        if (e)
            memcpy(dst, frames_bytes(&vm->frames, pte_frame(e)) + addr % VM_PAGE_SIZE, part);
        else
            memset(dst, 0, part);
        addr += part;
        dst += part;
        len -= part;
    }
}

/* The committed run that holds addr, NULL when there is none; *a is its allocation. */
static struct run *committed_run(const struct vm *vm, gva_t addr, struct allocation **a)
{
    struct run *run;

    *a = addr < vm->allocs.limit ? allocs_find(&vm->allocs, addr) : NULL;
    run = *a ? runs_find(&(*a)->runs, addr) : NULL;
    return run && run->protect ? run : NULL;
}

size_t vm_debug_read(const struct vm *vm, gva_t addr, void *dst, size_t len)
{
    uint8_t *to = dst;
    size_t done = 0;

    while (done < len) {
        struct allocation *a;
        const struct run *run = committed_run(vm, addr + done, &a);
        uint64_t part;

        if (!run)
            break;
        part = run->end - (addr + done);
        part = part < len - done ? part : len - done;
        read_run(vm, addr + done, to + done, (size_t)part);
        done += (size_t)part;
    }
    return done;
}

/* Is all of [addr, addr + len) committed? *marks: pages of views that a write makes private. */
static bool writable_range(const struct vm *vm, gva_t addr, size_t len, size_t *marks)
{
    gva_t end = addr + len;

    *marks = 0;
    if (end < addr || end > vm->allocs.limit)
        return false;
    while (addr < end) {
        struct allocation *a;
        const struct run *run = committed_run(vm, addr, &a);
        gva_t stop;

        if (!run)
            return false;
        stop = run->end < end ? run->end : end;
        if (a->type == MEM_IMAGE && !run->written)
            *marks += (size_t)(page_number(page_up(stop)) - page_number(addr));
        addr = stop;
    }
    return true;
}

/* Make the page at addr ready for a host write. */
static bool own_page(struct vm *vm, gva_t page)
{
    bool shared = false;
    pte_t e = pt_get(&vm->pages, page_number(page), &shared);
    struct allocation *a;

    if (!e)
        return touch(vm, page, committed_run(vm, page, &a), &e);
    if (!shared)
        return true;
    if (!unshare(vm, page, &e))
        return false;
    space_revoke(vm, (struct range){page, page + VM_PAGE_SIZE});
    return true;
}

/* Write into a page that own_page made ready. */
static void write_page(struct vm *vm, gva_t addr, const uint8_t *src, size_t len)
{
    bool shared;
    pte_t e = pt_get(&vm->pages, page_number(addr), &shared);
    struct allocation *a;
    struct run *run = committed_run(vm, addr, &a);

    memcpy(frames_bytes(&vm->frames, pte_frame(e)) + addr % VM_PAGE_SIZE, src, len);
    space_frame_changed(vm, pte_frame(e));
    if (a->type == MEM_IMAGE && !run->written)
        mark_written(vm, a, page_down(addr));
}

bool vm_debug_write(struct vm *vm, gva_t addr, const void *src, size_t len)
{
    const uint8_t *from = src;
    size_t marks;

    if (!len)
        return true;
    if (!writable_range(vm, addr, len, &marks) || !pool_reserve(&vm->run_pool, 2 * marks))
        return false;
    for (gva_t page = page_down(addr); page < addr + len; page += VM_PAGE_SIZE) {
        if (!own_page(vm, page))
            return false;
    }
    for (size_t done = 0; done < len;) {
        size_t part = within_page(addr + done, len - done);

        write_page(vm, addr + done, from + done, part);
        done += part;
    }
    if (marks)
        space_changed(vm);
    return true;
}
