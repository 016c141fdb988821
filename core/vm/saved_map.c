/*
 * The map of saved memory from bytes: foreign memory, allocations with their runs, and which page holds what. Only maps that
 * vm_valid would accept come out of here. The reader itself is saved_read.c's.
 */
#include <stdlib.h>

#include "vm/saved_read.h"

/* ---- Foreign memory -------------------------------------------------------------------------- */

/* The device or lent memory of the vm that a record means. */
static bool read_foreign_one(struct saved_reader *r)
{
    struct layout *l = r->saved->layout;
    gva_t base = saved_u64(r);
    uint64_t size = saved_u64(r);
    uint32_t kind = saved_u32(r);
    const struct foreign_row *row;
    struct label *label;

    if (!saved_label(r, &label))
        return false;
    row = foreigns_find(&r->vm->foreign, base);
    if (row && (row->base != base || row->size != size ||
                foreign_is_device(row->memory) != (kind == SAVED_DEVICE)))
        row = NULL;
    if (!row)
        r->error = diag_set(r->why, ERR_NOT_FOUND,
                            "saved memory has %s \"%.64s\" at 0x%" PRIx64 "+0x%" PRIx64
                            ": map one there before reading",
                            kind == SAVED_DEVICE ? "a device" : "lent memory", label_text(label),
                            base, size);
    label_unref(label);
    if (!row)
        return false;
    l->foreign[l->foreign_count] = *row;
    (void)foreign_ref(row->memory);
    l->foreign_count++;
    return true;
}

static bool read_foreign(struct saved_reader *r, uint32_t count)
{
    if (!saved_fits(r, count, SAVED_FOREIGN_SIZE))
        return false;
    r->saved->layout->foreign = calloc((size_t)count + 1, sizeof *r->saved->layout->foreign);
    if (!r->saved->layout->foreign)
        return saved_no_memory(r);
    while (r->saved->layout->foreign_count < count) {
        if (!read_foreign_one(r))
            return false;
    }
    return true;
}

/* ---- Allocations ----------------------------------------------------------------------------- */

/* What an allocation shows of a section; NULL: nothing. */
static const struct section_moment *moment_of(const struct saved_reader *r,
                                              const struct saved_allocation *a)
{
    for (size_t i = 0; a->section && i < r->saved->section_count; i++) {
        if (r->saved->sections[i].section == a->section)
            return &r->saved->sections[i];
    }
    return NULL;
}

/* Does it show the next piece of foreign memory, wholly? */
static bool is_next_foreign(const struct saved_reader *r, const struct saved_allocation *a,
                            size_t *seen)
{
    const struct layout *l = r->saved->layout;
    const struct foreign_row *row = &l->foreign[*seen];

    return *seen < l->foreign_count && ++*seen && row->base == a->base &&
           row->size == a->end - a->base && a->type == MEM_MAPPED && !a->section;
}

static bool check_view(struct saved_reader *r, const struct saved_allocation *a)
{
    const struct vm_section *s = a->section;
    uint64_t pages = section_pages(s);

    if (a->type != s->type || a->first > pages || page_number(a->end - a->base) > pages - a->first)
        return saved_bad(r, "a view that its section cannot have");
    if (s->type == MEM_IMAGE ? a->protect != PAGE_EXECUTE_WRITECOPY
                             : !protection_fits(a->protect, s->protect))
        return saved_bad(r, "a view with a protection that cannot be");
    return true;
}

/* What kind of allocation may say what of itself. */
static bool check_allocation(struct saved_reader *r, const struct saved_allocation *a, gva_t after,
                             size_t *foreign)
{
    if (a->base < VM_LOWEST || a->base < after || a->base >= a->end ||
        a->end > r->vm->allocs.limit || a->base % VM_PAGE_SIZE || a->end % VM_PAGE_SIZE)
        return saved_bad(r, "an allocation at a place that cannot be");
    if (protection_value(a->protect) != a->protect || !protection_valid(a->protect, false))
        return saved_bad(r, "an allocation with a protection that cannot be");
    if ((a->placeholder && (a->type != MEM_PRIVATE || a->replaced)) || (a->replaced && a->foreign))
        return saved_bad(r, "a placeholder that cannot be");
    if (a->foreign)
        return (is_next_foreign(r, a, foreign) && !protection_is_copy(a->protect)) ||
               saved_bad(r, "foreign memory that cannot be");
    if (a->section)
        return check_view(r, a);
    return (a->type == MEM_PRIVATE && !protection_is_copy(a->protect)) ||
           saved_bad(r, "private memory that cannot be");
}

/* ---- Runs ------------------------------------------------------------------------------------ */

/* Is every page of the run committed in the section, or none, as it says itself? */
static bool agrees_with_section(const struct section_moment *m, const struct saved_allocation *a,
                                const struct saved_run *run)
{
    uint64_t page = a->first + page_number(run->start - a->base);

    if (!m->committed)
        return run->protect;
    for (gva_t at = run->start; at < run->end; at += VM_PAGE_SIZE, page++) {
        if (pageset_has(m->committed, page * VM_PAGE_SIZE) != !!run->protect)
            return false;
    }
    return true;
}

static bool check_view_run(struct saved_reader *r, const struct saved_allocation *a,
                           const struct saved_run *run)
{
    const struct section_moment *m = moment_of(r, a);
    bool writes = run->protect & (PAGE_READWRITE | PAGE_EXECUTE_READWRITE);

    if (!agrees_with_section(m, a, run))
        return saved_bad(r, "pages that are committed unlike their section's");
    if (run->written && (!run->protect || protection_is_copy(run->protect)))
        return saved_bad(r, "a written page that cannot be");
    if (a->type == MEM_IMAGE && writes && !run->written && !m->section->writable)
        return saved_bad(r, "a writable page of an image that cannot be");
    return true;
}

static bool check_run(struct saved_reader *r, const struct saved_allocation *a,
                      const struct saved_run *run, const struct saved_run *before)
{
    if (run->end <= run->start || run->end > a->end || run->end % VM_PAGE_SIZE)
        return saved_bad(r, "pages outside of their allocation");
    if (run->protect &&
        (protection_value(run->protect) != run->protect || !protection_valid(run->protect, false)))
        return saved_bad(r, "pages with a protection that cannot be");
    if (before && before->protect == run->protect && before->written == run->written &&
        before->label == run->label)
        return saved_bad(r, "pages that are alike and apart");
    if (a->section)
        return check_view_run(r, a, run);
    if (run->written || protection_is_copy(run->protect) || (a->placeholder && run->protect) ||
        (a->foreign && !run->protect))
        return saved_bad(r, "pages that such an allocation cannot have");
    return true;
}

static bool read_run(struct saved_reader *r, const struct saved_allocation *a, bool first)
{
    struct layout *l = r->saved->layout;
    const struct saved_run *before = first ? NULL : &l->runs[l->run_count - 1];
    struct saved_run *run = &l->runs[l->run_count];
    uint32_t flags;

    *run = (struct saved_run){.start = before ? before->end : a->base, .end = saved_u64(r)};
    run->protect = saved_u32(r);
    if (!saved_label(r, &run->label))
        return false;
    l->run_count++;
    flags = saved_u32(r);
    run->written = flags;
    if (r->error || flags > SAVED_RUN_WRITTEN)
        return saved_bad(r, "pages with unknown flags");
    return check_run(r, a, run, before);
}

static bool read_runs(struct saved_reader *r, struct saved_allocation *a, size_t *cap)
{
    struct layout *l = r->saved->layout;
    uint32_t count = saved_u32(r);
    uint64_t committed = 0;

    if (!count)
        return saved_bad(r, "an allocation without pages");
    if (!saved_fits(r, count, SAVED_RUN_SIZE))
        return false;
    if (l->run_count + count > *cap) {
        size_t more = 2 * (l->run_count + count);
        struct saved_run *runs = realloc(l->runs, more * sizeof *runs);

        if (!runs)
            return saved_no_memory(r);
        l->runs = runs;
        *cap = more;
    }
    for (; a->run_count < count; a->run_count++) {
        if (!read_run(r, a, !a->run_count))
            return false;
        if (l->runs[l->run_count - 1].protect)
            committed += l->runs[l->run_count - 1].end - l->runs[l->run_count - 1].start;
    }
    if (l->runs[l->run_count - 1].end != a->end)
        return saved_bad(r, "an allocation that its pages do not cover");
    return (a->section && !protection_is_copy(a->protect)) || saved_charge(r, committed);
}

static bool read_allocation(struct saved_reader *r, gva_t after, size_t *foreign, size_t *cap)
{
    struct layout *l = r->saved->layout;
    struct saved_allocation *a = &l->allocations[l->allocation_count];
    uint32_t protect, flags, section;

    *a = (struct saved_allocation){.base = saved_u64(r), .end = 0};
    a->end = saved_u64(r);
    a->type = saved_u32(r);
    protect = saved_u32(r);
    flags = saved_u32(r);
    if (!saved_label(r, &a->label))
        return false;
    l->allocation_count++;
    section = saved_u32(r);
    a->first = saved_u64(r);
    if (r->error || protect > UINT16_MAX || section > r->saved->section_count ||
        flags > (SAVED_PLACEHOLDER | SAVED_FOREIGN | SAVED_WATCHED | SAVED_REPLACED) ||
        (!section && a->first))
        return saved_bad(r, "an allocation that cannot be");
    a->protect = (uint16_t)protect;
    a->placeholder = flags & SAVED_PLACEHOLDER;
    a->replaced = flags & SAVED_REPLACED;
    a->foreign = flags & SAVED_FOREIGN;
    if (section)
        a->section = section_keep(r->saved->sections[section - 1].section);
    if (!check_allocation(r, a, after, foreign))
        return false;
    if (flags & SAVED_WATCHED) {
        if (a->type != MEM_PRIVATE || a->placeholder)
            return saved_bad(r, "a write watch that cannot be");
        a->writes = saved_set(r, a->base, a->end);
        if (!a->writes)
            return false;
    }
    return read_runs(r, a, cap);
}

static bool read_allocations(struct saved_reader *r, uint32_t count)
{
    struct layout *l = r->saved->layout;
    size_t foreign = 0, cap = 0;
    gva_t after = 0;

    if (!saved_fits(r, count, SAVED_ALLOCATION_SIZE))
        return false;
    l->allocations = calloc((size_t)count + 1, sizeof *l->allocations);
    if (!l->allocations)
        return saved_no_memory(r);
    while (l->allocation_count < count) {
        if (!read_allocation(r, after, &foreign, &cap))
            return false;
        after = l->allocations[l->allocation_count - 1].end;
    }
    return foreign == l->foreign_count || saved_bad(r, "foreign memory that nothing shows");
}

/* ---- Pages ----------------------------------------------------------------------------------- */

/* An allocation and a run of it, and what comes next. */
struct place_in {
    size_t allocation;
    size_t run; /* of all */
    size_t end; /* the first run of the next allocation */
};

/* Move on to the run that holds addr; false when none does. */
static bool find_run(const struct layout *l, gva_t addr, struct place_in *at)
{
    while (at->allocation < l->allocation_count && l->allocations[at->allocation].end <= addr) {
        at->allocation++;
        at->run = at->end;
        if (at->allocation < l->allocation_count)
            at->end += l->allocations[at->allocation].run_count;
    }
    if (at->allocation == l->allocation_count || addr < l->allocations[at->allocation].base)
        return false;
    while (l->runs[at->run].end <= addr)
        at->run++;
    return true;
}

static bool read_page(struct saved_reader *r, uint64_t *next, struct place_in *at)
{
    const struct layout *l = r->saved->layout;
    uint64_t page = saved_u64(r);
    uint32_t content = saved_u32(r);
    const struct saved_allocation *a;
    const struct saved_run *run;
    bool watch;

    if (r->error || page < *next || page >= page_number(r->vm->allocs.limit) ||
        !find_run(l, page * VM_PAGE_SIZE, at))
        return saved_bad(r, "a page in no allocation");
    a = &l->allocations[at->allocation];
    run = &l->runs[at->run];
    if (!run->protect || a->foreign || (a->section && !run->written))
        return saved_bad(r, "a page that cannot hold anything of its own");
    *next = page + 1;
    watch = a->writes && !pageset_has(a->writes, page * VM_PAGE_SIZE);
    return saved_page(r, &r->saved->pages, page, content, run->protect | (watch ? PTE_WATCH : 0));
}

/* Every page that became private has bytes of its own. */
static bool check_written(struct saved_reader *r)
{
    const struct layout *l = r->saved->layout;

    for (size_t i = 0; i < l->run_count; i++) {
        for (gva_t at = l->runs[i].start; l->runs[i].written && at < l->runs[i].end;
             at += VM_PAGE_SIZE) {
            bool shared;

            if (!pt_get(&r->saved->pages, page_number(at), &shared))
                return saved_bad(r, "a written page without bytes");
        }
    }
    return true;
}

static bool read_pages(struct saved_reader *r, uint64_t count)
{
    const struct layout *l = r->saved->layout;
    struct place_in at = {.end = l->allocation_count ? l->allocations[0].run_count : 0};
    uint64_t next = 0;

    if (!saved_fits(r, count, SAVED_PAGE_SIZE))
        return false;
    while (count--) {
        if (!read_page(r, &next, &at))
            return false;
    }
    return check_written(r);
}

bool saved_map_read(struct saved_reader *r)
{
    const uint8_t *h = r->in.data;

    return read_foreign(r, get_u32(h + SAVED_AT_FOREIGN)) &&
           read_allocations(r, get_u32(h + SAVED_AT_ALLOCATIONS)) &&
           read_pages(r, get_u64(h + SAVED_AT_PAGES));
}
