/*
 * One address space: its making and end, and the steps that all operations share. Every operation has
 * the same shape: check, reserve what may run short (space_prepare), change without failing.
 */
#include "vm/save.h"
#include "vm/section.h"
#include "vm/space.h"

#include <assert.h>
#include <stdlib.h>

#define DEFAULT_ARENA (UINT64_C(64) << 30)

enum err vm_new(const struct vm_config *config, struct vm **out)
{
    uint64_t arena_size = config->arena_size ? config->arena_size : DEFAULT_ARENA;
    struct physical *physical = NULL;
    struct vm *vm = calloc(1, sizeof *vm);
    enum err e = ERR_NOMEM;

    if (vm && config->beside)
        physical = physical_ref(config->beside->physical);
    else if (vm)
        e = physical_new(arena_size, config->commit_limit, &physical);
    if (!physical) {
        free(vm);
        return e;
    }
    physical_enter(physical, vm);
    pt_init(&vm->pages, &physical->tables);
    pool_init(&vm->allocation_pool, sizeof(struct allocation));
    pool_init(&vm->run_pool, sizeof(struct runs_chunk));
    pool_init(&vm->index_pool, sizeof(struct ranges_node));
    allocs_init(&vm->allocs, &vm->index_pool,
                config->user_limit ? config->user_limit : VM_USER_LIMIT_64);
    vm->dep = true;
    vm->default_base = VM_LOWEST;
    *out = vm;
    return ERR_OK;
}

void vm_free(struct vm *vm)
{
    if (!vm)
        return;
    vm_set_observer(vm, NULL);
    space_forget_saved(vm);
    space_discard_all(vm);
    foreigns_fini(&vm->foreign);
    pt_fini(&vm->pages);
    pool_fini(&vm->index_pool);
    pool_fini(&vm->allocation_pool);
    pool_fini(&vm->run_pool);
    physical_leave(vm);
    physical_unref(vm->physical);
    free(vm);
}

void vm_set_observer(struct vm *vm, const struct vm_observer *observer)
{
    vm->observer = observer ? *observer : (struct vm_observer){0};
}

uint8_t *vm_arena(const struct vm *vm, uint64_t *size)
{
    *size = (uint64_t)vm->physical->frames.limit * FRAME_SIZE;
    return vm->physical->frames.arena;
}

nt_status vm_frame_new(struct vm *vm, uint64_t *offset)
{
    frame_t frame;

    if (!frames_new(&vm->physical->frames, &frame))
        return STATUS_NO_MEMORY;
    vm->own_frames++;
    *offset = (uint64_t)frame * FRAME_SIZE;
    return STATUS_SUCCESS;
}

void vm_frame_free(struct vm *vm, uint64_t offset)
{
    vm->own_frames--;
    frames_unref(&vm->physical->frames, (frame_t)(offset / FRAME_SIZE));
}

uint64_t vm_layout_version(const struct vm *vm)
{
    return vm->layout;
}

/* Frames of s that more than one view shows, and nothing that was saved. */
static uint64_t shared_by_views(const struct vm_section *s)
{
    uint64_t page = 0, count = 0;
    pte_t e;

    if (!s->views || !s->views->next)
        return 0;
    for (; pt_next(&s->pages, &page, section_pages(s), &e); page++) {
        unsigned seen = 0;

        for (const struct view *v = s->views; v && seen < 2; v = v->next)
            seen += page >= v->first && page - v->first < page_number(v->a->end - v->a->base);
        count += seen > 1 && frames_refs(&s->physical->frames, pte_frame(e)) == 1;
    }
    return count;
}

void vm_get_stats(const struct vm *vm, struct vm_stats *out)
{
    const struct physical *p = vm->physical;
    uint64_t shared = p->frames.shared;

    for (const struct vm_section *s = p->sections; s; s = s->next)
        shared += shared_by_views(s);
    *out = (struct vm_stats){
        .reserved = vm->reserved,
        .own = vm->committed,
        .committed = p->committed,
        .resident = (uint64_t)p->frames.in_use * FRAME_SIZE,
        .shared = shared * FRAME_SIZE,
        .allocations = vm->allocs.tree.count,
    };
}

struct range range_of_pages(gva_t base, uint64_t size)
{
    return (struct range){page_down(base), page_up(base + size)};
}

void space_forget_saved(struct vm *vm)
{
    layout_unref(vm->known);
    vm->known = NULL;
}

void space_changed(struct vm *vm)
{
    vm->layout++;
    space_forget_saved(vm);
    assert(vm_valid(vm));
}

void space_revoke(const struct vm *vm, struct range r)
{
    if (vm->observer.revoked)
        vm->observer.revoked(vm->observer.ctx, r.start, r.end);
}

void space_charge(struct vm *vm, uint64_t bytes)
{
    vm->committed += bytes;
    vm->physical->committed += bytes;
}

void space_discharge(struct vm *vm, uint64_t bytes)
{
    vm->committed -= bytes;
    vm->physical->committed -= bytes;
}

bool space_is_charged(const struct allocation *a)
{
    return !a->view || protection_is_copy(a->protect);
}

uint64_t space_committed(const struct run *at, struct range r)
{
    uint64_t bytes = 0;

    for (;; at = run_next(at)) {
        gva_t start = run_start(at) > r.start ? run_start(at) : r.start;
        gva_t end = at->end < r.end ? at->end : r.end;

        if (at->protect)
            bytes += end - start;
        if (at->end >= r.end)
            return bytes;
    }
}

nt_status space_prepare(struct vm *vm, struct range r, bool clear)
{
    if (!pool_reserve(&vm->run_pool, RUNS_CUT_MOST + 1) ||
        !pt_own(&vm->pages, page_number(r.start), page_number(r.end), clear))
        return STATUS_NO_MEMORY;
    return STATUS_SUCCESS;
}

struct run *space_cut(struct vm *vm, struct allocation *a, struct run *at, struct range r)
{
    return runs_cut(&a->runs, &vm->run_pool, at, r.start, r.end);
}

void space_join(struct vm *vm, struct allocation *a, struct run *first, struct range r)
{
    runs_join(&a->runs, &vm->run_pool, first, r.end);
    allocs_update(&vm->allocs, a);
}

void space_set_protect(struct vm *vm, struct run *run, uint32_t protect)
{
    unsigned before = protection_access(run->protect, vm->dep);

    if (run->protect == protect)
        return;
    run->protect = protect;
    pt_change(&vm->pages, page_number(run_start(run)), page_number(run->end), PTE_PROTECT, protect);
    if (before & ~protection_access(protect, vm->dep))
        space_revoke(vm, (struct range){run_start(run), run->end});
}

/* What a run of a shows after a protect with `wanted`. */
static uint32_t shown(const struct allocation *a, const struct run *run, uint32_t wanted)
{
    uint32_t value = protection_for_page(wanted, a->protect);

    if (!a->view)
        return value;
    if (run->written)
        return protection_after_write(value);
    return a->type == MEM_IMAGE ? protection_before_write(value) : value;
}

void space_protect(struct vm *vm, struct allocation *a, struct run *at, struct range r,
                   uint32_t protect)
{
    struct run *first = space_cut(vm, a, at, r);

    for (struct run *run = first; run && run_start(run) < r.end; run = run_next(run))
        space_set_protect(vm, run, shown(a, run, protect));
    space_join(vm, a, first, r);
}

void space_clear(struct vm *vm, struct range r)
{
    space_revoke(vm, r);
    pt_clear(&vm->pages, page_number(r.start), page_number(r.end));
}

struct allocation *space_new_allocation(struct vm *vm, struct range r, const char *label)
{
    struct allocation *a;

    if (!pool_reserve(&vm->allocation_pool, 1) || !allocs_reserve(&vm->allocs, 1))
        return NULL;
    a = pool_take(&vm->allocation_pool);
    *a = (struct allocation){.base = r.start, .end = r.end};
    if (label_new(label, &a->label)) {
        runs_init(&a->runs, r.start, r.end);
        return a;
    }
    space_discard(vm, a);
    return NULL;
}

void space_discard(struct vm *vm, struct allocation *a)
{
    runs_fini(&a->runs, &vm->run_pool);
    pageset_unref(a->writes);
    label_unref(a->label);
    view_free(a->view);
    pool_give(&vm->allocation_pool, a);
}

void space_enter(struct vm *vm, struct allocation *a)
{
    struct range all = {a->base, a->end};

    allocs_insert(&vm->allocs, a);
    vm->reserved += all.end - all.start;
    if (space_is_charged(a))
        space_charge(vm, space_committed(runs_first(&a->runs), all));
}

void space_leave(struct vm *vm, struct allocation *a)
{
    struct range all = {a->base, a->end};

    if (space_is_charged(a))
        space_discharge(vm, space_committed(runs_first(&a->runs), all));
    vm->reserved -= all.end - all.start;
    allocs_remove(&vm->allocs, a);
    if (a->foreign)
        foreigns_remove(vm, a->base);
}

void space_drop(struct vm *vm, struct allocation *a)
{
    space_leave(vm, a);
    space_discard(vm, a);
}

struct allocation *space_placeholder(const struct vm *vm, struct range r)
{
    struct allocation *a = allocs_find(&vm->allocs, r.start);

    return a && a->placeholder && a->base == r.start && a->end == r.end ? a : NULL;
}

void space_discard_all(struct vm *vm)
{
    for (struct allocation *a; (a = allocs_above(&vm->allocs, 0)) != NULL;)
        space_drop(vm, a);
}
