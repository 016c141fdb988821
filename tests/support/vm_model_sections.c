/* Sections and views of the naive twin; see vm_model.h. */
#include "vm_model_priv.h"

#include <string.h>

struct vm_image model_image(uint8_t fill)
{
    static uint8_t bytes[6 * VM_PAGE_SIZE];
    static const struct vm_image_run runs[] = {
        {0x0000, 0x1000, PAGE_READONLY, "header"},
        {0x1000, 0x1000, PAGE_EXECUTE_READ, ".text"},
        {0x2000, 0x2000, PAGE_WRITECOPY, ".data"},
        {0x5000, 0x1000, PAGE_EXECUTE_WRITECOPY, ".both"},
    };

    memset(bytes, fill, 3 * VM_PAGE_SIZE);
    return (struct vm_image){
        .size = sizeof bytes,
        .bytes = bytes,
        .runs = runs,
        .run_count = sizeof runs / sizeof *runs,
        .label = "fuzz.exe",
        .path = "C:\\fuzz.exe",
    };
}

struct model_section *model_shown(struct model *m, unsigned page, unsigned *index)
{
    const struct model_allocation *a = model_allocation_at(m, page);

    *index = 0;
    if (!a->section)
        return NULL;
    *index = a->first + page - model_first(m, page);
    return &m->sections[a->section - 1];
}

bool model_shows(const struct model *m, unsigned number)
{
    for (unsigned p = 0; p < MODEL_PAGES; p++) {
        if (m->pages[p].allocation && model_allocation_at(m, p)->section == number + 1)
            return true;
    }
    return false;
}

static bool is_shown(const struct model *m, unsigned number)
{
    EACH_BESIDE(o, m)
    {
        if (model_shows(o, number))
            return true;
    }
    return false;
}

bool model_section_lives(const struct model *m, unsigned number)
{
    return m->sections[number].handle || is_shown(m, number);
}

static unsigned pages_of(const struct model_section *s)
{
    return (unsigned)((s->size + VM_PAGE_SIZE - 1) / VM_PAGE_SIZE);
}

uint64_t model_section_charge(const struct model *m)
{
    uint64_t bytes = 0;

    for (unsigned n = 0; n < MODEL_SECTIONS; n++) {
        const struct model_section *s = &m->sections[n];

        if (s->type != MEM_MAPPED || s->file || !model_section_lives(m, n))
            continue;
        for (unsigned p = 0; p < pages_of(s); p++)
            bytes += s->committed[p] ? VM_PAGE_SIZE : 0;
    }
    return bytes;
}

/* ---- Making ------------------------------------------------------------------------------------ */

static nt_status check_section(const struct vm_section_config *c)
{
    uint32_t kind = c->attributes & (SEC_COMMIT | SEC_RESERVE);
    uint32_t more = c->attributes - kind;

    if ((kind != SEC_COMMIT && kind != SEC_RESERVE) ||
        (more != 0 && more != SEC_NOCACHE && more != SEC_WRITECOMBINE))
        return STATUS_INVALID_PARAMETER_6;
    if (c->protect != PAGE_READONLY && c->protect != PAGE_READWRITE &&
        c->protect != PAGE_WRITECOPY && c->protect != PAGE_EXECUTE_READ &&
        c->protect != PAGE_EXECUTE_READWRITE && c->protect != PAGE_EXECUTE_WRITECOPY)
        return STATUS_INVALID_PAGE_PROTECTION;
    if (c->file && !c->file->write && mp_writes(c->protect))
        return STATUS_ACCESS_DENIED;
    if (!c->size && (!c->file || !c->file->size))
        return c->file ? STATUS_MAPPED_FILE_SIZE_ZERO : STATUS_INVALID_PARAMETER_4;
    if (c->file && c->size > c->file->size)
        return STATUS_SECTION_TOO_BIG;
    return STATUS_SUCCESS;
}

nt_status model_section_new(struct model *m, unsigned number, const struct vm_section_config *c)
{
    struct model_section *s = &m->sections[number];
    nt_status st = check_section(c);
    uint64_t size = c->size ? c->size : c->file ? c->file->size : 0;
    bool reserve = !c->file && c->attributes & SEC_RESERVE;

    if (!c->file)
        size = (size + VM_PAGE_SIZE - 1) / VM_PAGE_SIZE * VM_PAGE_SIZE;
    if (!st && !c->file && !reserve && !model_may_commit(m, size))
        st = STATUS_COMMITMENT_LIMIT;
    if (st)
        return st;
    memset(s, 0, sizeof *s);
    s->handle = true;
    s->type = MEM_MAPPED;
    s->protect = c->protect | (c->attributes & SEC_NOCACHE ? PAGE_NOCACHE : 0u) |
                 (c->attributes & SEC_WRITECOMBINE ? PAGE_WRITECOMBINE : 0u);
    s->size = size;
    s->file = c->file;
    for (unsigned p = 0; p < pages_of(s); p++) {
        s->committed[p] = !reserve;
        if (c->file &&
            c->file->read(c->file->ctx, p * (uint64_t)VM_PAGE_SIZE, s->bytes[p], VM_PAGE_SIZE))
            return STATUS_UNSUCCESSFUL;
    }
    return STATUS_SUCCESS;
}

void model_section_grow(struct model *m, unsigned number, uint64_t size,
                        const struct vm_backing *file)
{
    struct model_section *s = &m->sections[number];
    unsigned from = pages_of(s);

    if (!s->file || size <= s->size)
        return;
    s->size = size;
    for (unsigned p = from; p < pages_of(s); p++) {
        s->committed[p] = true;
        (void)file->read(file->ctx, p * (uint64_t)VM_PAGE_SIZE, s->bytes[p], VM_PAGE_SIZE);
    }
}

void model_section_new_image(struct model *m, unsigned number, const struct vm_image *image)
{
    struct model_section *s = &m->sections[number];

    memset(s, 0, sizeof *s);
    s->handle = true;
    s->type = MEM_IMAGE;
    s->size = image->size;
    for (unsigned p = 0; p < pages_of(s); p++) {
        s->committed[p] = true;
        s->parts[p] = PAGE_NOACCESS;
        memcpy(s->bytes[p], image->bytes + (size_t)p * VM_PAGE_SIZE, VM_PAGE_SIZE);
    }
    for (size_t i = 0; i < image->run_count; i++) {
        for (uint64_t at = 0; at < image->runs[i].size; at += VM_PAGE_SIZE)
            s->parts[model_page(image->runs[i].offset + at)] = image->runs[i].protect;
    }
}

/* ---- Mapping ----------------------------------------------------------------------------------- */

/* Where what may be seen through a view ends. */
static uint64_t shown_end(const struct model_section *s, const struct vm_view_request *q)
{
    return q->end && q->end < s->size && s->type != MEM_IMAGE ? q->end : s->size;
}

static nt_status check_view(const struct model_section *s, const struct vm_view_request *q)
{
    bool image = s->type == MEM_IMAGE, replace = q->type & MEM_REPLACE_PLACEHOLDER;
    bool rounds = q->type & AT_ROUND_TO_PAGE;
    uint64_t end = shown_end(s, q), unaligned = replace ? 0xfff : 0xffff;

    if (q->type & ~(uint32_t)(MEM_TOP_DOWN | MEM_REPLACE_PLACEHOLDER | AT_ROUND_TO_PAGE))
        return STATUS_INVALID_PARAMETER_9;
    if (q->zero_bits >= 22 && q->zero_bits <= 31)
        return STATUS_INVALID_PARAMETER_4;
    if (q->base >= MODEL_LIMIT)
        return STATUS_INVALID_PARAMETER_3;
    if (q->base >= model_zero_end(q->zero_bits))
        return STATUS_INVALID_PARAMETER_4;
    if (replace && !q->base)
        return STATUS_INVALID_PARAMETER;
    if ((!rounds && q->base & unaligned) || q->offset & unaligned)
        return STATUS_MAPPED_ALIGNMENT;
    if (image && replace)
        return STATUS_INVALID_PARAMETER;
    if (!image && !mp_valid(q->protect, false))
        return STATUS_INVALID_PAGE_PROTECTION;
    if (!image && !mp_fits(q->protect, s->protect))
        return STATUS_SECTION_PROTECTION;
    if (!image && q->most && (!mp_valid(q->most, false) || !mp_fits(q->protect, q->most)))
        return STATUS_SECTION_PROTECTION;
    if (image ? q->offset != 0 : q->offset >= end || q->size > end - q->offset)
        return STATUS_INVALID_VIEW_SIZE;
    return STATUS_SUCCESS;
}

/* A placeholder of exactly these pages. */
static bool is_placeholder(const struct model *m, unsigned start, unsigned end)
{
    return start < MODEL_PAGES && model_allocation_at(m, start)->placeholder &&
           model_first(m, start) == start && model_end(m, start) == end;
}

static nt_status place_view(const struct model *m, const struct vm_view_request *q, uint64_t size,
                            unsigned *start)
{
    struct vm_request room = {.type = q->type,
                              .lowest = q->lowest,
                              .highest = q->highest,
                              .alignment = q->alignment,
                              .zero_bits = q->zero_bits};
    gva_t end = model_zero_end(q->zero_bits);
    unsigned pages = model_page(size + VM_PAGE_SIZE - 1);
    nt_status st = STATUS_SUCCESS;

    if (!q->base) {
        st = model_requirements(&room);
        if (!st && !model_search(m, &room, pages, start))
            st = STATUS_NO_MEMORY;
        return st;
    }
    if (q->lowest || q->highest || q->alignment)
        return STATUS_INVALID_PARAMETER;
    end = end < MODEL_LIMIT ? end : MODEL_LIMIT;
    *start = model_page(q->base);
    if (size > end - *start * (uint64_t)VM_PAGE_SIZE)
        return STATUS_INVALID_PARAMETER_4;
    if (q->type & MEM_REPLACE_PLACEHOLDER
            ? !is_placeholder(m, *start, *start + pages)
            : *start < VM_LOWEST / VM_PAGE_SIZE || !model_all_free(m, *start, *start + pages))
        return STATUS_CONFLICTING_ADDRESSES;
    return STATUS_SUCCESS;
}

nt_status model_section_map(struct model *m, unsigned number, const struct vm_view_request *req,
                            gva_t *base, uint64_t *size)
{
    const struct model_section *s = &m->sections[number];
    struct model_allocation a = {
        .type = s->type, .section = number + 1, .first = model_page(req->offset)};
    uint64_t bytes =
        req->size && s->type != MEM_IMAGE ? req->size : shown_end(s, req) - req->offset;
    nt_status st = check_view(s, req);
    unsigned start = 0, pages, committed = 0, id;

    if (!st)
        st = place_view(m, req, bytes, &start);
    if (st)
        return st;
    pages = model_page(bytes + VM_PAGE_SIZE - 1);
    a.replaced = req->type & MEM_REPLACE_PLACEHOLDER;
    a.protect = s->type == MEM_IMAGE ? PAGE_EXECUTE_WRITECOPY : mp_stored(req->protect, s->protect);
    for (unsigned p = 0; p < pages; p++)
        committed += s->committed[a.first + p];
    if (mp_is_copy(a.protect) && !model_may_commit(m, committed * 4096ull))
        return STATUS_COMMITMENT_LIMIT;
    id = model_new_allocation(m, a);
    model_wipe(m, start, start + pages, id);
    for (unsigned p = 0; p < pages; p++) {
        if (s->committed[a.first + p])
            m->pages[start + p].protect = s->type == MEM_IMAGE ? s->parts[p] : a.protect;
    }
    *base = (gva_t)start * VM_PAGE_SIZE;
    *size = (uint64_t)pages * VM_PAGE_SIZE;
    return STATUS_SUCCESS;
}

nt_status model_map_image(struct model *m, const struct vm_image *image)
{
    unsigned start = model_page(image->base);
    unsigned pages = model_page(image->size + VM_PAGE_SIZE - 1);
    unsigned id;

    if (!image->base)
        return STATUS_INVALID_PARAMETER;
    if (image->base >= MODEL_LIMIT)
        return STATUS_INVALID_PARAMETER_3;
    if (image->base % VM_GRANULARITY)
        return STATUS_MAPPED_ALIGNMENT;
    if (pages > MODEL_PAGES - start)
        return STATUS_INVALID_PARAMETER_4;
    if (!model_all_free(m, start, start + pages))
        return STATUS_CONFLICTING_ADDRESSES;
    if (!model_may_commit(m, pages * 4096ull))
        return STATUS_COMMITMENT_LIMIT;
    id = model_new_allocation(
        m, (struct model_allocation){.protect = PAGE_EXECUTE_WRITECOPY, .type = MEM_IMAGE});
    model_wipe(m, start, start + pages, id);
    for (unsigned p = 0; p < pages; p++) {
        m->pages[start + p].protect = PAGE_NOACCESS;
        memcpy(m->bytes[start + p], image->bytes + (size_t)p * VM_PAGE_SIZE, VM_PAGE_SIZE);
    }
    for (size_t i = 0; i < image->run_count; i++) {
        for (uint64_t at = 0; at < image->runs[i].size; at += VM_PAGE_SIZE)
            m->pages[start + model_page(image->runs[i].offset + at)].protect =
                image->runs[i].protect;
    }
    return STATUS_SUCCESS;
}

nt_status model_unmap(struct model *m, gva_t addr)
{
    unsigned page = model_page(addr);

    if (addr >= MODEL_LIMIT || !m->pages[page].allocation ||
        model_allocation_at(m, page)->type == MEM_PRIVATE)
        return STATUS_NOT_MAPPED_VIEW;
    model_wipe(m, model_first(m, page), model_end(m, page), 0);
    return STATUS_SUCCESS;
}

nt_status model_unmap_to_placeholder(struct model *m, gva_t addr)
{
    unsigned page = model_page(addr);

    if (addr >= MODEL_LIMIT || !m->pages[page].allocation ||
        model_allocation_at(m, page)->type == MEM_PRIVATE)
        return STATUS_NOT_MAPPED_VIEW;
    if (!model_allocation_at(m, page)->replaced)
        return STATUS_CONFLICTING_ADDRESSES;
    model_wipe(m, model_first(m, page), model_end(m, page),
               model_new_allocation(m, (struct model_allocation){.protect = PAGE_NOACCESS,
                                                                 .type = MEM_PRIVATE,
                                                                 .placeholder = true}));
    return STATUS_SUCCESS;
}

/* ---- Changing ---------------------------------------------------------------------------------- */

/* What changes when a page of a section is committed, which was not, in one of those beside each other. */
static void show_page(struct model *m, const struct model_section *s, unsigned index)
{
    for (unsigned p = 0; p < MODEL_PAGES; p++) {
        unsigned i;

        if (m->pages[p].allocation && model_shown(m, p, &i) == s && i == index)
            m->pages[p].protect = model_allocation_at(m, p)->protect;
    }
}

static void commit_page(struct model *m, struct model_section *s, unsigned index)
{
    struct model *o = m;

    s->committed[index] = true;
    do {
        show_page(o, s, index);
        o = o->beside;
    } while (o != m);
}

/* Bytes that committing a page adds in one of those beside each other, where views copy it. */
static uint64_t added_in(const struct model *m, const struct model_section *s, unsigned index)
{
    uint64_t bytes = 0;

    for (unsigned p = 0; p < MODEL_PAGES; p++) {
        unsigned i;

        if (m->pages[p].allocation && model_shown((struct model *)m, p, &i) == s && i == index &&
            mp_is_copy(model_allocation_at(m, p)->protect))
            bytes += VM_PAGE_SIZE;
    }
    return bytes;
}

/* Bytes that committing a page adds. */
static uint64_t added_by(const struct model *m, const struct model_section *s, unsigned index)
{
    uint64_t bytes = VM_PAGE_SIZE;

    if (s->committed[index])
        return 0;
    EACH_BESIDE(o, m)
    {
        bytes += added_in(o, s, index);
    }
    return bytes;
}

nt_status model_view_commit(struct model *m, const struct vm_request *q, unsigned start,
                            unsigned end)
{
    unsigned index;
    struct model_section *s = model_shown(m, start, &index);
    uint64_t added = 0;

    if (!s || s->file || s->type == MEM_IMAGE)
        return q->type & MEM_RESET ? STATUS_USER_MAPPED_FILE : STATUS_ALREADY_COMMITTED;
    if (q->type & MEM_RESET)
        return STATUS_SUCCESS;
    if (!mp_fits(q->protect, model_allocation_at(m, start)->protect))
        return STATUS_SECTION_PROTECTION;
    for (unsigned p = start; p < end; p++)
        added += added_by(m, s, index + p - start);
    if (!model_may_commit(m, added))
        return STATUS_COMMITMENT_LIMIT;
    for (unsigned p = start; p < end; p++) {
        if (!s->committed[index + p - start])
            commit_page(m, s, index + p - start);
        model_set_protect(m, p, q->protect);
    }
    return STATUS_SUCCESS;
}

nt_status model_flush(struct model *m, gva_t addr, uint64_t size, struct model_section **section,
                      unsigned *first, unsigned *end)
{
    unsigned page = model_page(addr), last;
    gva_t top;

    *section = NULL;
    *first = *end = 0;
    if (addr >= MODEL_LIMIT || !m->pages[page].allocation ||
        model_allocation_at(m, page)->type == MEM_PRIVATE)
        return STATUS_NOT_MAPPED_VIEW;
    top = (gva_t)model_end(m, page) * VM_PAGE_SIZE;
    if (size > top - addr)
        return STATUS_NOT_MAPPED_VIEW;
    last = size ? model_page(addr + size + VM_PAGE_SIZE - 1) : model_page(top);
    *section = model_shown(m, page, first);
    *end = *first + last - page;
    return STATUS_SUCCESS;
}

/* ---- Moments ----------------------------------------------------------------------------------- */

static void copy_space(struct model *to, const struct model *from)
{
    memcpy(to->pages, from->pages, sizeof to->pages);
    memcpy(to->bytes, from->bytes, sizeof to->bytes);
    memcpy(to->allocations, from->allocations, sizeof to->allocations);
    to->allocation_count = from->allocation_count;
    to->dep = from->dep;
}

struct model *model_save(const struct model *m)
{
    struct model *moment = model_new(m->commit_limit);

    copy_space(moment, m);
    for (unsigned n = 0; n < MODEL_SECTIONS; n++) {
        if (model_shows(m, n) || !is_shown(m, n)) /* not those that others show alone */
            moment->sections[n] = m->sections[n];
    }
    return moment;
}

/* A section was restored through another one: what is committed of it is what the section says. */
static void follow(struct model *m, const struct model_section *s)
{
    for (unsigned p = 0; p < MODEL_PAGES; p++) {
        const struct model_allocation *a = model_allocation_at(m, p);
        unsigned i;

        if (!m->pages[p].allocation || model_shown(m, p, &i) != s || s->type != MEM_MAPPED)
            continue;
        if (!s->committed[i])
            model_wipe(m, p, p + 1, m->pages[p].allocation);
        else if (!m->pages[p].protect)
            m->pages[p].protect = a->protect;
    }
}

void model_restore(struct model *m, const struct model *moment)
{
    copy_space(m, moment);
    for (unsigned n = 0; n < MODEL_SECTIONS; n++) {
        bool handle = m->sections[n].handle;

        if (!model_section_lives(moment, n) || !model_section_lives(m, n))
            continue;
        m->sections[n] = moment->sections[n];
        m->sections[n].handle = handle;
        for (struct model *o = m->beside; o != m; o = o->beside)
            follow(o, &m->sections[n]);
    }
}
