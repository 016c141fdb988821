/*
 * Save and restore in memory. Pages are shared by sharing the page table's root; what allocations and runs say is
 * written down in a flat copy, which later saves share while nothing changes it. DESIGN.md sections 3 and 5.
 */
#include <assert.h>
#include <stdlib.h>

#include "vm/save.h"

void layout_unref(struct layout *l)
{
    if (!l || --l->refs)
        return;
    for (size_t i = 0; i < l->allocation_count; i++) {
        pageset_unref(l->allocations[i].writes);
        label_unref(l->allocations[i].label);
        section_forget(l->allocations[i].section);
    }
    for (size_t i = 0; i < l->run_count; i++)
        label_unref(l->runs[i].label);
    for (size_t i = 0; i < l->foreign_count; i++)
        foreign_unref(l->vm, l->foreign[i].memory);
    free(l->allocations);
    free(l->runs);
    free(l->foreign);
    free(l);
}

static size_t count_runs(const struct vm *vm)
{
    size_t count = 0;

    for (const struct allocation *a = allocs_above(&vm->allocs, 0); a;
         a = allocs_above(&vm->allocs, a->base))
        count += a->runs.count;
    return count;
}

/* Write one allocation down behind those that l has; false when memory is short. */
static bool add_allocation(struct layout *l, const struct allocation *a)
{
    struct saved_allocation *to = &l->allocations[l->allocation_count];
    struct pageset *writes = NULL;

    if (a->writes && !(writes = pageset_copy(a->writes)))
        return false;
    *to = (struct saved_allocation){.base = a->base,
                                    .end = a->end,
                                    .type = a->type,
                                    .protect = a->protect,
                                    .placeholder = a->placeholder,
                                    .replaced = a->replaced,
                                    .foreign = a->foreign,
                                    .writes = writes,
                                    .label = label_ref(a->label),
                                    .section = a->view ? section_keep(a->view->section) : NULL,
                                    .first = a->view ? a->view->first : 0,
                                    .run_count = a->runs.count};
    l->allocation_count++;
    for (const struct run *r = runs_first(&a->runs); r; r = run_next(r))
        l->runs[l->run_count++] =
            (struct saved_run){run_start(r), r->end, r->protect, r->written, label_ref(r->label)};
    return true;
}

static void add_foreign(struct layout *l, const struct foreigns *f)
{
    for (; l->foreign_count < f->count; l->foreign_count++) {
        l->foreign[l->foreign_count] = f->rows[l->foreign_count];
        (void)foreign_ref(l->foreign[l->foreign_count].memory);
    }
}

static struct layout *layout_new(struct vm *vm)
{
    struct layout *l = calloc(1, sizeof *l);

    if (!l)
        return NULL;
    l->refs = 1;
    l->vm = vm;
    l->allocations = calloc(vm->allocs.tree.count + 1, sizeof *l->allocations);
    l->runs = calloc(count_runs(vm) + 1, sizeof *l->runs);
    l->foreign = calloc(vm->foreign.count + 1, sizeof *l->foreign);
    if (!l->allocations || !l->runs || !l->foreign)
        goto fail;
    add_foreign(l, &vm->foreign);
    for (const struct allocation *a = allocs_above(&vm->allocs, 0); a;
         a = allocs_above(&vm->allocs, a->base)) {
        if (!add_allocation(l, a))
            goto fail;
    }
    return l;
fail:
    layout_unref(l);
    return NULL;
}

struct vm_saved *saved_new(struct vm *vm)
{
    struct vm_saved *s = calloc(1, sizeof *s);

    if (!s)
        return NULL;
    s->layout = calloc(1, sizeof *s->layout);
    if (!s->layout) {
        free(s);
        return NULL;
    }
    s->layout->refs = 1;
    s->layout->vm = vm;
    pt_init(&s->pages, &vm->physical->tables);
    return s;
}

/* Does a moment of vm hold s: does vm show it, or nobody though it may be mapped? */
static bool is_held(const struct vm *vm, const struct vm_section *s)
{
    const struct view *v = s->views;

    while (v && v->vm != vm)
        v = v->next;
    return s->users && (v || !s->views);
}

static bool save_sections(const struct vm *vm, struct vm_saved *s)
{
    size_t count = 0;

    for (const struct vm_section *i = vm->physical->sections; i; i = i->next)
        count += is_held(vm, i);
    s->sections = calloc(count + 1, sizeof *s->sections);
    if (!s->sections)
        return false;
    for (struct vm_section *i = vm->physical->sections; i; i = i->next) {
        if (is_held(vm, i))
            section_save(i, &s->sections[s->section_count++]);
    }
    return true;
}

struct vm_saved *vm_save(struct vm *vm)
{
    struct vm_saved *s = calloc(1, sizeof *s);

    if (!s)
        return NULL;
    if (!vm->known)
        vm->known = layout_new(vm);
    if (!vm->known || !save_sections(vm, s)) {
        free(s);
        return NULL;
    }
    s->layout = vm->known;
    s->layout->refs++;
    s->dep = vm->dep;
    s->default_base = vm->default_base;
    pt_share(&vm->pages, &s->pages);
    space_revoke(vm, (struct range){0, vm->allocs.limit});
    return s;
}

void vm_saved_free(struct vm_saved *saved)
{
    if (!saved)
        return;
    for (size_t i = 0; i < saved->section_count; i++)
        section_drop(&saved->sections[i]);
    free(saved->sections);
    pt_fini(&saved->pages);
    layout_unref(saved->layout);
    free(saved);
}

/* The runs of a new allocation. */
static void make_runs(struct vm *vm, struct allocation *a, const struct saved_run *from, size_t n)
{
    runs_fini(&a->runs, &vm->run_pool);
    for (size_t i = 0; i < n; i++) {
        struct run r = {.start = from[i].start,
                        .end = from[i].end,
                        .label = from[i].label,
                        .protect = from[i].protect,
                        .written = from[i].written};

        runs_append(&a->runs, &vm->run_pool, &r);
    }
}

/* One allocation as it was, not yet entered; NULL when memory is short. Its runs were reserved. */
static struct allocation *make_allocation(struct vm *vm, const struct saved_allocation *from,
                                          const struct saved_run *runs)
{
    struct allocation *a = space_new_allocation(vm, (struct range){from->base, from->end}, NULL);

    if (!a)
        return NULL;
    if ((from->writes && !(a->writes = pageset_copy(from->writes))) ||
        (from->section && !(a->view = view_new(vm, from->section, from->first, a)))) {
        space_discard(vm, a);
        return NULL;
    }
    a->type = from->type;
    a->protect = from->protect;
    a->placeholder = from->placeholder;
    a->replaced = from->replaced;
    a->foreign = from->foreign;
    a->label = label_ref(from->label);
    make_runs(vm, a, runs, from->run_count);
    return a;
}

/* Make every allocation of l, in order; false when memory is short, and none is left. */
static bool make_all(struct vm *vm, const struct layout *l, struct allocation **made)
{
    const struct saved_run *runs = l->runs;

    for (size_t i = 0; i < l->allocation_count; i++) {
        made[i] = make_allocation(vm, &l->allocations[i], runs);
        runs += l->allocations[i].run_count;
        if (made[i])
            continue;
        while (i-- > 0)
            space_discard(vm, made[i]);
        return false;
    }
    return true;
}

/* Put the allocations that were made in the place of all that there are. */
static void exchange(struct vm *vm, struct allocation **made, const struct layout *l)
{
    space_discard_all(vm);
    for (size_t i = 0; i < l->allocation_count; i++)
        space_enter(vm, made[i]);
    for (size_t i = 0; i < l->foreign_count; i++) {
        (void)foreign_ref(l->foreign[i].memory);
        foreigns_insert(&vm->foreign, l->foreign[i]);
    }
}

/* How many objects of the run pool the runs of l take. */
static size_t chunks_of(const struct layout *l)
{
    size_t count = 0;

    for (size_t i = 0; i < l->allocation_count; i++)
        count += runs_append_cost(l->allocations[i].run_count);
    return count;
}

static bool restore_layout(struct vm *vm, struct layout *l)
{
    struct allocation **made;
    bool ok;

    if (vm->known == l)
        return true;
    made = calloc(l->allocation_count + 1, sizeof *made);
    ok = made && pool_reserve(&vm->run_pool, chunks_of(l)) &&
         allocs_reserve_ascending(&vm->allocs, l->allocation_count) &&
         foreigns_reserve(&vm->foreign, l->foreign_count) && make_all(vm, l, made);
    if (ok) {
        exchange(vm, made, l);
        layout_unref(vm->known);
        vm->known = l;
        l->refs++;
        vm->layout++;
    }
    free(made);
    return ok;
}

/* The views in spaces beside vm of a section of which pages may be reserved again; NULL after the last. */
static const struct view *next_beside(const struct vm *vm, const struct section_moment *m,
                                      const struct view *v)
{
    for (v = v ? v->next : m->section->views; v && m->committed; v = v->next) {
        if (v->vm != vm)
            return v;
    }
    return NULL;
}

/* Everything that views in spaces beside vm may run short of when they follow. *count: where they will. */
static bool prepare_beside(struct vm *vm, const struct vm_saved *saved, size_t *count)
{
    *count = 0;
    for (size_t i = 0; i < saved->section_count; i++) {
        const struct section_moment *m = &saved->sections[i];

        for (const struct view *v = NULL; (v = next_beside(vm, m, v)) != NULL;) {
            size_t differences = view_differences(v, m->committed);

            *count += differences;
            if (differences && space_prepare(v->vm, (struct range){v->a->base, v->a->end}, false))
                return false;
        }
    }
    for (struct vm *other = vm->physical->spaces; *count && other; other = other->next_space) {
        if (!pool_reserve(&other->run_pool, RUNS_CUT_MOST * *count))
            return false;
    }
    return true;
}

/* A section of a moment is what it was, for all that show it. */
static void restore_section(struct vm *vm, const struct section_moment *m)
{
    section_restore(m);
    for (const struct view *v = NULL; (v = next_beside(vm, m, v)) != NULL;)
        view_follow(v, m->committed);
}

static void tell_beside(const struct vm *vm)
{
    for (struct vm *other = vm->physical->spaces; other; other = other->next_space) {
        if (other != vm)
            space_changed(other);
    }
}

bool vm_restore(struct vm *vm, const struct vm_saved *saved)
{
    size_t beside;

    if (!prepare_beside(vm, saved, &beside) || !restore_layout(vm, saved->layout))
        return false;
    vm->dep = saved->dep;
    vm->default_base = saved->default_base;
    for (size_t i = 0; i < saved->section_count; i++)
        restore_section(vm, &saved->sections[i]);
    space_revoke(vm, (struct range){0, vm->allocs.limit});
    pt_fini(&vm->pages);
    pt_share(&saved->pages, &vm->pages);
    if (beside)
        tell_beside(vm);
    assert(vm_valid(vm));
    return true;
}
