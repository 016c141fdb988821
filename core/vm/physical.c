/*
 * What address spaces beside each other have in common; see physical.h. A change of what is here concerns them all: each
 * observer hears of it, whichever space the change came through.
 */
#include "vm/physical.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "vm/section.h"

/* ---- Life ------------------------------------------------------------------------------------- */

/* A frame has no references any more. */
static void frame_freed(void *ctx, frame_t frame)
{
    const struct physical *p = ctx;
    uint64_t offset = (uint64_t)frame * FRAME_SIZE;

    for (const struct vm *vm = p->spaces; vm; vm = vm->next_space) {
        const struct vm_observer *o = &vm->observer;

        if (o->frame_freed)
            o->frame_freed(o->ctx, offset);
        else if (o->frame_changed)
            o->frame_changed(o->ctx, offset);
    }
}

enum err physical_new(uint64_t arena_size, uint64_t commit_limit, struct physical **out)
{
    struct physical *p = calloc(1, sizeof *p);
    enum err e;

    if (!p)
        return ERR_NOMEM;
    e = frames_init(&p->frames, arena_size);
    if (e) {
        free(p);
        return e;
    }
    p->users = 1;
    p->frames.on_free = frame_freed;
    p->frames.on_free_ctx = p;
    pt_space_init(&p->tables, &p->frames);
    p->commit_limit = commit_limit ? commit_limit : arena_size;
    *out = p;
    return ERR_OK;
}

struct physical *physical_ref(struct physical *p)
{
    p->users++;
    return p;
}

void physical_unref(struct physical *p)
{
    if (--p->users)
        return;
    pt_space_fini(&p->tables);
    frames_fini(&p->frames);
    free(p);
}

void physical_enter(struct physical *p, struct vm *vm)
{
    vm->physical = p;
    vm->next_space = p->spaces;
    p->spaces = vm;
}

void physical_leave(struct vm *vm)
{
    struct vm **link = &vm->physical->spaces;

    while (*link != vm)
        link = &(*link)->next_space;
    *link = vm->next_space;
}

/* ---- Commitment and news ---------------------------------------------------------------------- */

bool physical_may_commit(const struct physical *p, uint64_t bytes)
{
    return !bytes || (p->committed <= p->commit_limit && bytes <= p->commit_limit - p->committed);
}

void physical_bytes_changed(const struct physical *p, uint64_t offset)
{
    for (const struct vm *vm = p->spaces; vm; vm = vm->next_space) {
        if (vm->observer.frame_changed)
            vm->observer.frame_changed(vm->observer.ctx, offset);
    }
}

void physical_lent_gone(const struct physical *p, uint64_t offset, uint64_t size)
{
    for (const struct vm *vm = p->spaces; vm; vm = vm->next_space) {
        if (vm->observer.lent_gone)
            vm->observer.lent_gone(vm->observer.ctx, offset, size);
    }
}

/* ---- Validity --------------------------------------------------------------------------------- */

static bool sums_valid(const struct physical *p)
{
    uint64_t committed = 0;
    size_t users = 0;

    for (const struct vm *vm = p->spaces; vm; vm = vm->next_space, users++) {
        if (vm->physical != p)
            return false;
        committed += vm->committed;
    }
    for (const struct vm_section *s = p->sections; s; s = s->next, users++) {
        if (s->physical != p || !section_valid(s))
            return false;
        committed += s->charge;
    }
    return committed == p->committed && users == p->users;
}

/* uses[frame] counts the entries of each frame in pt, *count all of them. */
static bool count_uses(const struct physical *p, const struct pagetable *pt, uint32_t *uses,
                       uint64_t *count)
{
    uint64_t page = 0;
    pte_t e;

    for (; pt_next(pt, &page, PT_PAGES, &e); page++, ++*count) {
        if (pte_frame(e) >= p->frames.fresh)
            return false;
        uses[pte_frame(e)]++;
    }
    return true;
}

/* The same over all spaces and sections. */
static bool count_all_uses(const struct physical *p, uint32_t *uses, uint64_t *count)
{
    for (const struct vm *vm = p->spaces; vm; vm = vm->next_space) {
        if (!count_uses(p, &vm->pages, uses, count))
            return false;
    }
    for (const struct vm_section *s = p->sections; s; s = s->next) {
        if (!count_uses(p, &s->pages, uses, count))
            return false;
    }
    return true;
}

/* No frame is used more often than its references say, and none but vm_frame_new's has references left. */
static bool references_valid(const struct physical *p, const uint32_t *uses, uint64_t count)
{
    uint64_t unused = 0, own = 0;

    for (const struct vm *vm = p->spaces; vm; vm = vm->next_space)
        own += vm->own_frames;
    for (frame_t i = 0; i < p->frames.fresh; i++) {
        if (uses[i] > frames_refs(&p->frames, i))
            return false;
        unused += frames_refs(&p->frames, i) - uses[i];
    }
    if (p->frames.references != p->tables.entries + own)
        return false;
    return count < p->tables.entries || unused == own;
}

/* The counters live in a mapping of their own, so that a check never disturbs a test of failing allocations. */
static bool frames_are_used(const struct physical *p)
{
    size_t size = ((size_t)p->frames.fresh + 1) * sizeof(uint32_t);
    uint32_t *uses = mmap(NULL, size, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    uint64_t count = 0;
    bool ok;

    if (uses == MAP_FAILED)
        return true;
    ok = count_all_uses(p, uses, &count) && references_valid(p, uses, count);
    (void)munmap(uses, size);
    return ok;
}

bool physical_valid(const struct physical *p)
{
    return frames_valid(&p->frames) && sums_valid(p) && frames_are_used(p);
}
