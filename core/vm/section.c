/*
 * Sections as objects: how long they live, how their pages get frames, when those are read and written back. Views are
 * view.c's, images are image.c's. DESIGN.md section 3, NT-MEMORY-RULES M09..M31.
 */
#include "vm/section.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "winstub/log.h"

#define ENTRY    PAGE_READWRITE /* what entries say; views have protections of their own */
#define WRITABLE (PAGE_READWRITE | PAGE_EXECUTE_READWRITE)

/* ---- Life ------------------------------------------------------------------------------------- */

struct vm_section *section_make(struct physical *p, uint64_t size, uint32_t type, const char *path)
{
    struct vm_section *s = calloc(1, sizeof *s);

    if (!s || !label_new(path, &s->path)) {
        free(s);
        return NULL;
    }
    s->physical = physical_ref(p);
    s->users = 1;
    s->size = size;
    s->type = type;
    pt_init(&s->pages, &p->tables);
    s->next = p->sections;
    s->link = &p->sections;
    if (s->next)
        s->next->link = &s->next;
    p->sections = s;
    return s;
}

static void unmake(struct vm_section *s)
{
    *s->link = s->next;
    if (s->next)
        s->next->link = s->link;
    for (size_t i = 0; i < s->part_count; i++)
        label_unref(s->parts[i].label);
    free(s->parts);
    pageset_unref(s->committed);
    label_unref(s->path);
    if (s->file.release)
        s->file.release(s->file.ctx);
    physical_unref(s->physical);
    free(s);
}

/* The last user is gone. */
static void close_section(struct vm_section *s)
{
    enum err e = section_flush(s, 0, section_pages(s));

    if (e) /* nobody is left to be told */
        LOG(vm, "%s: what was written to a view is lost: %s", label_text(s->path), err_text(e));
    pt_fini(&s->pages);
    s->physical->committed -= s->charge;
    s->charge = 0;
    if (!s->moments)
        unmake(s);
}

struct vm_section *vm_section_ref(struct vm_section *section)
{
    section->users++;
    return section;
}

void vm_section_unref(struct vm_section *section)
{
    if (section && --section->users == 0)
        close_section(section);
}

struct vm_section *section_keep(struct vm_section *s)
{
    s->moments++;
    return s;
}

void section_forget(struct vm_section *s)
{
    if (s && --s->moments == 0 && !s->users)
        unmake(s);
}

/* ---- Making ------------------------------------------------------------------------------------ */

static uint32_t caching(uint32_t attributes)
{
    return (attributes & SEC_NOCACHE ? PAGE_NOCACHE : 0u) |
           (attributes & SEC_WRITECOMBINE ? PAGE_WRITECOMBINE : 0u);
}

static nt_status check_attributes(uint32_t attributes)
{
    uint32_t kind = attributes & (SEC_COMMIT | SEC_RESERVE);
    uint32_t more = attributes & ~kind;

    if ((kind != SEC_COMMIT && kind != SEC_RESERVE) ||
        (more && more != SEC_NOCACHE && more != SEC_WRITECOMBINE))
        return STATUS_INVALID_PARAMETER_6;
    return STATUS_SUCCESS;
}

/* How large the section is to be: M19, M29, M30. */
static nt_status find_size(const struct vm_section_config *c, uint64_t *size)
{
    *size = c->size;
    if (c->file && !c->size)
        *size = c->file->size;
    if (!*size)
        return c->file ? STATUS_MAPPED_FILE_SIZE_ZERO : STATUS_INVALID_PARAMETER_4;
    if ((c->file && *size > c->file->size) || *size > PT_PAGES * VM_PAGE_SIZE)
        return STATUS_SECTION_TOO_BIG;
    if (!c->file)
        *size = page_up(*size);
    return STATUS_SUCCESS;
}

nt_status vm_section_check(const struct vm_section_config *config, uint64_t *size)
{
    nt_status st = check_attributes(config->attributes);

    if (st != STATUS_SUCCESS)
        return st;
    if (!protection_valid(config->protect, false) || config->protect >= PAGE_GUARD ||
        config->protect == PAGE_NOACCESS || config->protect == PAGE_EXECUTE)
        return STATUS_INVALID_PAGE_PROTECTION;
    if (config->file && !config->file->write && config->protect & WRITABLE)
        return STATUS_ACCESS_DENIED;
    return find_size(config, size);
}

static nt_status make(struct physical *p, const struct vm_section_config *c, uint64_t size,
                      struct vm_section **out)
{
    bool reserve = !c->file && c->attributes & SEC_RESERVE;
    uint64_t charge = c->file || reserve ? 0 : size;
    struct vm_section *s;

    if (!physical_may_commit(p, charge))
        return STATUS_COMMITMENT_LIMIT;
    s = section_make(p, size, MEM_MAPPED, c->path);
    if (s && reserve)
        s->committed = pageset_new(0, size);
    if (!s || (reserve && !s->committed)) {
        vm_section_unref(s);
        return STATUS_NO_MEMORY;
    }
    s->protect = c->protect | caching(c->attributes);
    s->writable = c->protect & WRITABLE;
    s->charge = charge;
    p->committed += charge;
    if (c->file)
        s->file = *c->file;
    *out = s;
    return STATUS_SUCCESS;
}

nt_status vm_section_new(struct vm *vm, const struct vm_section_config *config,
                         struct vm_section **out)
{
    uint64_t size = 0;
    nt_status st = vm_section_check(config, &size);

    if (st == STATUS_SUCCESS)
        st = make(vm->physical, config, size, out);
    LOG(vm, "new section of 0x%" PRIx64 " bytes, protect 0x%x, attributes 0x%x -> %s", size,
        config->protect, config->attributes, nt_text(st));
    return st;
}

/* ---- Asking ------------------------------------------------------------------------------------ */

uint64_t vm_section_size(const struct vm_section *section)
{
    return section->size;
}

uint64_t section_pages(const struct vm_section *s)
{
    return page_number(page_up(s->size));
}

bool section_is_committed(const struct vm_section *s, uint64_t page)
{
    return !s->committed || pageset_has(s->committed, page * VM_PAGE_SIZE);
}

const char *view_path(const struct view *v)
{
    return v ? label_text(v->section->path) : "";
}

bool view_has_file(const struct view *v)
{
    return v->section->file.read || v->section->type == MEM_IMAGE;
}

bool view_shares_writes(const struct view *v, const struct run *run)
{
    if (run->written || protection_is_copy(run->protect))
        return false;
    return (v->section->type == MEM_MAPPED ? v->a->protect : run->protect) & WRITABLE;
}

/* ---- Frames ------------------------------------------------------------------------------------ */

/* Give a page its first frame. */
static enum vm_fault load(struct vm_section *s, uint64_t page, pte_t *out)
{
    struct frames *frames = s->pages.space->frames;
    bool from_file = s->file.read;
    frame_t frame;

    if (!frames_new(frames, &frame))
        return VM_FAULT_NOMEM;
    if (from_file &&
        s->file.read(s->file.ctx, page * VM_PAGE_SIZE, frames_bytes(frames, frame), VM_PAGE_SIZE)) {
        frames_unref(frames, frame);
        return VM_FAULT_IN_PAGE;
    }
    *out = pte_make(frame, ENTRY | (from_file ? PTE_WATCH : 0));
    if (pt_put(&s->pages, page, *out))
        return VM_FAULT_NONE;
    frames_unref(frames, frame);
    return VM_FAULT_NOMEM;
}

enum vm_fault section_look(struct vm_section *s, uint64_t page, frame_t *out)
{
    bool shared;
    pte_t e = pt_get(&s->pages, page, &shared);
    enum vm_fault fault = VM_FAULT_NONE;

    if (!e && s->file.read)
        fault = load(s, page, &e);
    *out = e ? pte_frame(e) : FRAME_NONE;
    return fault;
}

/* Exchange a page's frame, which what was saved keeps, for a copy. */
static bool unshare(struct vm_section *s, uint64_t page, pte_t *e)
{
    struct frames *frames = s->pages.space->frames;
    frame_t frame;
    pte_t own;

    if (!frames_copy(frames, pte_frame(*e), &frame))
        return false;
    own = pte_make(frame, (uint32_t)*e & (PTE_PROTECT | PTE_WATCH));
    if (!pt_put(&s->pages, page, own)) {
        frames_unref(frames, frame);
        return false;
    }
    *e = own;
    return true;
}

enum vm_fault section_touch(struct vm_section *s, uint64_t page, bool write, pte_t *out)
{
    bool shared = false;
    pte_t e = pt_get(&s->pages, page, &shared);
    enum vm_fault fault = e ? VM_FAULT_NONE : load(s, page, &e);

    assert(section_is_committed(s, page) && (!write || s->writable));
    if (fault)
        return fault;
    if (shared && s->writable && !unshare(s, page, &e))
        return VM_FAULT_NOMEM;
    if (write && e & PTE_WATCH) {
        e &= ~(pte_t)PTE_WATCH;
        if (!pt_put(&s->pages, page, e))
            return VM_FAULT_NOMEM;
    }
    *out = e;
    return VM_FAULT_NONE;
}

bool section_share(struct vm_section *s, uint64_t page, const struct vm_section *other,
                   const uint8_t *bytes, size_t len)
{
    struct frames *frames = s->pages.space->frames;
    bool shared;
    pte_t e = pt_get(&other->pages, page, &shared);

    if (!e || other->writable || memcmp(frames_bytes(frames, pte_frame(e)), bytes, len) != 0)
        return false;
    frames_ref(frames, pte_frame(e));
    if (pt_put(&s->pages, page, pte_make(pte_frame(e), ENTRY)))
        return true;
    frames_unref(frames, pte_frame(e));
    return false;
}

/* ---- Files -------------------------------------------------------------------------------------- */

static void revoke_views(const struct vm_section *s)
{
    for (const struct view *v = s->views; v; v = v->next)
        space_revoke(v->vm, (struct range){v->a->base, v->a->end});
}

static enum err flush_page(struct vm_section *s, uint64_t page, pte_t e)
{
    uint64_t offset = page * VM_PAGE_SIZE;
    uint64_t left = s->size - offset;
    const uint8_t *bytes = frames_bytes(s->pages.space->frames, pte_frame(e));
    enum err failure = s->file.write(s->file.ctx, offset, bytes,
                                     left < VM_PAGE_SIZE ? (size_t)left : VM_PAGE_SIZE);

    /* a page that cannot be marked is written back once more */
    if (!failure && pt_own(&s->pages, page, page + 1, false))
        pt_change(&s->pages, page, page + 1, 0, PTE_WATCH);
    return failure;
}

enum err section_flush(struct vm_section *s, uint64_t first, uint64_t end)
{
    enum err result = ERR_OK, failure;
    bool revoked = false;
    uint64_t page = first;
    pte_t e;

    for (; s->file.write && pt_next(&s->pages, &page, end, &e); page++) {
        if (e & PTE_WATCH)
            continue;
        if (!revoked) /* the next writes are to be noted */
            revoke_views(s);
        revoked = true;
        failure = flush_page(s, page, e);
        result = result ? result : failure;
    }
    return result;
}

/* The pages that hold bytes [offset, offset + size), as far as the section has them. */
static struct range pages_of(const struct vm_section *s, uint64_t offset, uint64_t size)
{
    uint64_t whole = section_pages(s) * VM_PAGE_SIZE;
    uint64_t start = offset < whole ? offset : whole;
    uint64_t len = size < whole - start ? size : whole - start;

    return (struct range){page_number(start), page_number(page_up(start + len))};
}

nt_status vm_section_write_back(struct vm_section *section, uint64_t offset, uint64_t size)
{
    struct range pages = pages_of(section, offset, size);

    return section_flush(section, pages.start, pages.end) ? STATUS_IN_PAGE_ERROR : STATUS_SUCCESS;
}

nt_status vm_section_reread(struct vm_section *section, uint64_t offset, uint64_t size)
{
    struct range pages = pages_of(section, offset, size);
    uint64_t page = pages.start;
    pte_t e;

    if (!section->file.read || !pt_next(&section->pages, &page, pages.end, &e))
        return STATUS_SUCCESS;
    if (!pt_own(&section->pages, page, pages.end, false))
        return STATUS_NO_MEMORY;
    revoke_views(section);
    for (; pt_next(&section->pages, &page, pages.end, &e); page++) {
        if (e & PTE_WATCH)
            pt_clear(&section->pages, page, page + 1);
    }
    return STATUS_SUCCESS;
}

void vm_section_grow(struct vm_section *section, uint64_t size)
{
    if (section->file.read && size > section->size && size <= PT_PAGES * VM_PAGE_SIZE)
        section->size = size;
}

/* ---- Moments ------------------------------------------------------------------------------------ */

void section_save(struct vm_section *s, struct section_moment *out)
{
    *out = (struct section_moment){
        .section = section_keep(s), .committed = pageset_ref(s->committed), .charge = s->charge};
    pt_share(&s->pages, &out->pages);
    revoke_views(s);
}

void section_restore(const struct section_moment *m)
{
    struct vm_section *s = m->section;

    if (!s->users)
        return;
    pt_fini(&s->pages);
    pt_share(&m->pages, &s->pages);
    pageset_unref(s->committed);
    s->committed = pageset_ref(m->committed);
    s->physical->committed += m->charge - s->charge;
    s->charge = m->charge;
    revoke_views(s);
}

void section_drop(struct section_moment *m)
{
    pt_fini(&m->pages);
    pageset_unref(m->committed);
    section_forget(m->section);
}

/* ---- Validity ----------------------------------------------------------------------------------- */

static bool entries_valid(const struct vm_section *s, uint64_t *committed)
{
    uint64_t page = 0, pages = section_pages(s);
    pte_t e;

    for (*committed = 0; page < pages && s->committed; page++)
        *committed += section_is_committed(s, page);
    for (page = 0; pt_next(&s->pages, &page, PT_PAGES, &e); page++) {
        if (page >= pages || !section_is_committed(s, page) || pte_protect(e) != ENTRY ||
            (e & PTE_WATCH && !s->file.read))
            return false;
    }
    return true;
}

static bool views_valid(const struct vm_section *s, uint64_t *count)
{
    const struct view *v = s->views;

    for (*count = 0; v; v = v->next, ++*count) {
        if (v->section != s || v->a->view != v || *v->link != v || v->a->type != s->type ||
            v->vm->physical != s->physical ||
            v->first + page_number(v->a->end - v->a->base) > section_pages(s))
            return false;
    }
    return true;
}

bool section_valid(const struct vm_section *s)
{
    uint64_t views, committed, whole = s->file.read || s->type == MEM_IMAGE ? 0 : s->size;

    if (*s->link != s || !pt_valid(&s->pages) || !views_valid(s, &views) || views > s->users ||
        !entries_valid(s, &committed))
        return false;
    if (!s->users)
        return s->moments && !s->pages.root && !s->charge;
    return s->charge == (s->committed ? committed * VM_PAGE_SIZE : whole);
}
