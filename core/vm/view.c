/*
 * Views: what is asked when one is mapped, which pages it starts with, and what a commit through it does to the others.
 * NT-MEMORY-RULES M01..M14, M22; the order of the checks is ReactOS'.
 */
#include <stdlib.h>

#include "vm/section.h"
#include "winstub/log.h"

/* ---- Life ------------------------------------------------------------------------------------- */

struct view *view_new(struct vm *vm, struct vm_section *s, uint64_t first, struct allocation *a)
{
    struct view *v = malloc(sizeof *v);

    if (!v)
        return NULL;
    *v = (struct view){vm_section_ref(s), first, vm, a, s->views, &s->views};
    if (v->next)
        v->next->link = &v->next;
    s->views = v;
    return v;
}

void view_free(struct view *view)
{
    if (!view)
        return;
    *view->link = view->next;
    if (view->next)
        view->next->link = view->link;
    vm_section_unref(view->section);
    free(view);
}

/* ---- Mapping ---------------------------------------------------------------------------------- */

static bool replaces(const struct vm_view_request *req)
{
    return req->type & MEM_REPLACE_PLACEHOLDER;
}

/* M03, M04, M08. What takes the place of a placeholder may lie at any page, and begin at any of the section. */
static nt_status check_alignment(const struct vm_view_request *req)
{
    uint64_t unit = replaces(req) ? VM_PAGE_SIZE : VM_GRANULARITY;

    if ((req->base % unit && !(req->type & AT_ROUND_TO_PAGE)) || req->offset % unit)
        return STATUS_MAPPED_ALIGNMENT;
    return STATUS_SUCCESS;
}

/* What does not depend on the section: M03..M08. A base that zero_bits do not allow is no question of alignment any more. */
static nt_status check_place(const struct vm *vm, const struct vm_view_request *req)
{
    gva_t highest;

    if (req->type & ~(uint32_t)(MEM_TOP_DOWN | MEM_REPLACE_PLACEHOLDER | AT_ROUND_TO_PAGE) ||
        (req->type & AT_ROUND_TO_PAGE && vm->allocs.limit > UINT32_MAX))
        return STATUS_INVALID_PARAMETER_9;
    if (space_zero_bits(vm, req->zero_bits, &highest) != STATUS_SUCCESS)
        return STATUS_INVALID_PARAMETER_4;
    if (req->base >= vm->allocs.limit)
        return STATUS_INVALID_PARAMETER_3;
    if (req->base > highest)
        return STATUS_INVALID_PARAMETER_4;
    if (replaces(req) && !req->base)
        return STATUS_INVALID_PARAMETER;
    return check_alignment(req);
}

static nt_status check_protect(const struct vm_section *s, const struct vm_view_request *req)
{
    if (s->type == MEM_IMAGE)
        return replaces(req) ? STATUS_INVALID_PARAMETER : STATUS_SUCCESS;
    if (!protection_valid(req->protect, false))
        return STATUS_INVALID_PAGE_PROTECTION;
    if (!protection_fits(req->protect, s->protect) ||
        (req->most && !protection_fits(req->protect, req->most)))
        return STATUS_SECTION_PROTECTION;
    return STATUS_SUCCESS;
}

/* How much is to be mapped: M09. */
static nt_status find_size(const struct vm_section *s, const struct vm_view_request *req,
                           uint64_t *size)
{
    uint64_t end = req->end && req->end < s->size ? req->end : s->size;

    if (s->type == MEM_IMAGE) {
        *size = s->size;
        return req->offset ? STATUS_INVALID_VIEW_SIZE : STATUS_SUCCESS;
    }
    if (req->offset >= end || req->size > end - req->offset)
        return STATUS_INVALID_VIEW_SIZE;
    *size = req->size ? req->size : end - req->offset;
    return STATUS_SUCCESS;
}

/* Any place: M01, M05. */
static nt_status find_room(const struct vm *vm, const struct vm_view_request *req, uint64_t size,
                           struct range *out)
{
    struct vm_request room = {.size = size,
                              .type = req->type,
                              .lowest = req->lowest,
                              .highest = req->highest,
                              .alignment = req->alignment,
                              .zero_bits = req->zero_bits};
    nt_status st = vm_find_free(vm, &room, &out->start);

    out->end = out->start + page_up(size);
    return st;
}

/* Where the view goes: M01, M02, M05, M06. */
static nt_status find_range(const struct vm *vm, const struct vm_view_request *req, uint64_t size,
                            struct range *out)
{
    gva_t base = page_down(req->base), highest;
    nt_status st;

    if (!req->base)
        return find_room(vm, req, size, out);
    if (req->lowest || req->highest || req->alignment)
        return STATUS_INVALID_PARAMETER;
    st = space_zero_bits(vm, req->zero_bits, &highest);
    if (st != STATUS_SUCCESS)
        return st;
    if (size - 1 > highest - base)
        return STATUS_INVALID_PARAMETER_4;
    *out = range_of_pages(base, size);
    if (replaces(req))
        return space_placeholder(vm, *out) ? STATUS_SUCCESS : STATUS_CONFLICTING_ADDRESSES;
    if (base < VM_LOWEST)
        return STATUS_CONFLICTING_ADDRESSES;
    return allocs_is_free(&vm->allocs, out->start, out->end) ? STATUS_SUCCESS
                                                             : STATUS_CONFLICTING_ADDRESSES;
}

/* Cut out a stretch of a new view. False when memory is short. */
static bool set_part(struct vm *vm, struct allocation *a, struct range r, uint32_t protect,
                     struct label *label)
{
    struct run *run;

    if (!pool_reserve(&vm->run_pool, 2))
        return false;
    run = space_cut(vm, a, runs_find(&a->runs, r.start), r);
    run->protect = protect;
    run->label = label_ref(label);
    return true;
}

static bool set_image_parts(struct vm *vm, struct allocation *a)
{
    const struct vm_section *s = a->view->section;

    runs_first(&a->runs)->protect = PAGE_NOACCESS;
    for (size_t i = 0; i < s->part_count; i++) {
        const struct image_part *part = &s->parts[i];
        struct range r = {a->base + part->start, a->base + part->end};

        if (!set_part(vm, a, r, part->protect, part->label))
            return false;
    }
    return true;
}

/* The stretches of a view of a SEC_RESERVE section that are committed by now. */
static bool set_committed_parts(struct vm *vm, struct allocation *a)
{
    const struct vm_section *s = a->view->section;
    struct range r = {a->base, a->base};

    while (r.end < a->end) {
        bool in = section_is_committed(s, view_page(a->view, r.start));

        while (r.end < a->end && section_is_committed(s, view_page(a->view, r.end)) == in)
            r.end += VM_PAGE_SIZE;
        if (in && !set_part(vm, a, r, a->protect, NULL))
            return false;
        r.start = r.end;
    }
    return true;
}

/* Every page of a new view starts as the section says. False when memory is short. */
static bool set_parts(struct vm *vm, struct allocation *a)
{
    bool done = true;

    if (a->type == MEM_IMAGE)
        done = set_image_parts(vm, a);
    else if (a->view->section->committed)
        done = set_committed_parts(vm, a);
    else
        runs_first(&a->runs)->protect = a->protect;
    if (done)
        runs_join(&a->runs, &vm->run_pool, runs_first(&a->runs), a->end);
    return done;
}

/* A view as it is right after mapping, not yet entered; NULL when memory is short. */
static struct allocation *make(struct vm *vm, struct vm_section *s,
                               const struct vm_view_request *req, struct range r)
{
    struct allocation *a = space_new_allocation(vm, r, req->label);

    if (!a)
        return NULL;
    a->type = s->type;
    a->protect = s->type == MEM_IMAGE ? PAGE_EXECUTE_WRITECOPY
                                      : (uint16_t)protection_for_page(req->protect, s->protect);
    a->replaced = replaces(req);
    a->view = view_new(vm, s, page_number(req->offset), a);
    if (a->view && set_parts(vm, a))
        return a;
    space_discard(vm, a);
    return NULL;
}

static nt_status map(struct vm *vm, struct vm_section *s, const struct vm_view_request *req,
                     struct range *r)
{
    struct allocation *a;
    uint64_t size;
    nt_status st = check_place(vm, req);

    if (st == STATUS_SUCCESS)
        st = check_protect(s, req);
    if (st == STATUS_SUCCESS)
        st = find_size(s, req, &size);
    if (st == STATUS_SUCCESS)
        st = find_range(vm, req, size, r);
    if (st != STATUS_SUCCESS)
        return st;
    a = make(vm, s, req, *r);
    if (!a)
        return STATUS_NO_MEMORY;
    if (space_is_charged(a) &&
        !physical_may_commit(vm->physical, space_committed(runs_first(&a->runs), *r))) {
        space_discard(vm, a);
        return STATUS_COMMITMENT_LIMIT;
    }
    if (a->replaced)
        space_drop(vm, space_placeholder(vm, *r));
    space_enter(vm, a);
    return STATUS_SUCCESS;
}

nt_status vm_section_map(struct vm *vm, struct vm_section *section,
                         const struct vm_view_request *req, gva_t *base, uint64_t *size)
{
    struct range r = {0, 0};
    nt_status st = map(vm, section, req, &r);

    LOG(vm,
        "map 0x%" PRIx64 "+0x%" PRIx64 " of a section at 0x%" PRIx64 " protect 0x%x -> 0x%" PRIx64
        " %s",
        req->offset, req->size, req->base, req->protect, r.start, nt_text(st));
    if (st != STATUS_SUCCESS)
        return st;
    space_changed(vm);
    if (base)
        *base = r.start;
    if (size)
        *size = r.end - r.start;
    return st;
}

/* ---- Committing ------------------------------------------------------------------------------- */

/* What v shows of pages [first, end) of its section; empty: start is not below end. */
static struct range part_of(const struct view *v, uint64_t first, uint64_t end)
{
    uint64_t pages = page_number(v->a->end - v->a->base);
    uint64_t from = first > v->first ? first - v->first : 0;
    uint64_t to = end > v->first ? end - v->first : 0;

    to = to < pages ? to : pages;
    return (struct range){v->a->base + from * VM_PAGE_SIZE, v->a->base + to * VM_PAGE_SIZE};
}

static bool is_empty(struct range r)
{
    return r.start >= r.end;
}

/* Bytes that committing pages [first, end) adds to the charge of the section itself. */
static uint64_t added_to_section(const struct vm_section *s, uint64_t first, uint64_t end)
{
    uint64_t added = 0;

    for (uint64_t page = first; s->committed && page < end; page++)
        added += section_is_committed(s, page) ? 0 : VM_PAGE_SIZE;
    return added;
}

/* The same for one of its views. */
static uint64_t added_to_view(const struct view *v, uint64_t first, uint64_t end)
{
    struct range r = part_of(v, first, end);

    if (is_empty(r) || !space_is_charged(v->a))
        return 0;
    return r.end - r.start - space_committed(runs_find(&v->a->runs, r.start), r);
}

static uint64_t added_charge(const struct vm_section *s, uint64_t first, uint64_t end)
{
    uint64_t added = added_to_section(s, first, end);

    for (const struct view *v = s->views; v; v = v->next)
        added += added_to_view(v, first, end);
    return added;
}

static void charge(struct vm_section *s, uint64_t first, uint64_t end)
{
    uint64_t own = added_to_section(s, first, end);

    s->charge += own;
    s->physical->committed += own;
    for (const struct view *v = s->views; v; v = v->next)
        space_charge(v->vm, added_to_view(v, first, end));
}

/* Everything that committing r of a view of vm's, which is pages [first, end), may run short of, in all spaces. */
static bool prepare(struct vm *vm, struct vm_section *s, struct range r, uint64_t first,
                    uint64_t end)
{
    size_t views = 1;

    for (const struct view *v = s->views; v; v = v->next)
        views += !is_empty(part_of(v, first, end));
    for (const struct view *v = s->views; v; v = v->next) {
        if (!pool_reserve(&v->vm->run_pool, RUNS_CUT_MOST * views))
            return false;
    }
    return space_prepare(vm, r, false) == STATUS_SUCCESS &&
           (!s->committed || pageset_own(&s->committed));
}

/* Pages of another view were committed: those that were reserved show what the view was mapped as (M12). */
static void show_committed(const struct view *v, struct range r)
{
    struct run *first = space_cut(v->vm, v->a, runs_find(&v->a->runs, r.start), r);

    for (struct run *run = first; run && run_start(run) < r.end; run = run_next(run)) {
        if (!run->protect)
            run->protect = v->a->protect;
    }
    space_join(v->vm, v->a, first, r);
}

static void commit_pages(struct vm_section *s, uint64_t first, uint64_t end)
{
    if (!s->committed)
        return;
    for (uint64_t page = first; page < end; page++)
        pageset_set(s->committed, page * VM_PAGE_SIZE, true);
    for (const struct view *v = s->views; v; v = v->next) {
        struct range r = part_of(v, first, end);

        if (!is_empty(r))
            show_committed(v, r);
    }
}

/* Views of other spaces show other pages now. */
static void tell_beside(const struct vm *vm, const struct vm_section *s)
{
    for (const struct view *v = s->views; v; v = v->next) {
        if (v->vm != vm)
            space_changed(v->vm);
    }
}

nt_status view_commit(struct vm *vm, struct allocation *a, struct range r, uint32_t protect)
{
    struct vm_section *s = a->view->section;
    uint64_t first = view_page(a->view, r.start), end = first + page_number(r.end - r.start);

    if (view_has_file(a->view))
        return STATUS_ALREADY_COMMITTED;
    if (!protection_fits(protect, a->protect))
        return STATUS_SECTION_PROTECTION;
    if (!physical_may_commit(vm->physical, added_charge(s, first, end)))
        return STATUS_COMMITMENT_LIMIT;
    if (!prepare(vm, s, r, first, end))
        return STATUS_NO_MEMORY;
    charge(s, first, end);
    commit_pages(s, first, end);
    space_protect(vm, a, runs_find(&a->runs, r.start), r, protect);
    if (s->committed)
        tell_beside(vm, s);
    return STATUS_SUCCESS;
}

/* ---- Flushing --------------------------------------------------------------------------------- */

nt_status vm_section_flush(struct vm *vm, gva_t addr, uint64_t size)
{
    struct allocation *a = addr < vm->allocs.limit ? allocs_find(&vm->allocs, addr) : NULL;
    uint64_t first;

    if (!a || !a->view || size > a->end - addr)
        return STATUS_NOT_MAPPED_VIEW;
    first = view_page(a->view, page_down(addr));
    size = size ? size : a->end - addr;
    return section_flush(a->view->section, first, view_page(a->view, page_up(addr + size)))
               ? STATUS_IN_PAGE_ERROR
               : STATUS_SUCCESS;
}
