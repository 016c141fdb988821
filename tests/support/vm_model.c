/* The naive twin of the memory manager; see vm_model.h. Its rules are written out, not looked up. */
#include "vm_model_priv.h"

#include <stdlib.h>
#include <string.h>

#define PRESERVE (MEM_RELEASE | MEM_PRESERVE_PLACEHOLDER)
#define COALESCE (MEM_RELEASE | MEM_COALESCE_PLACEHOLDERS)

struct model *model_new(uint64_t commit_limit)
{
    struct model *m = calloc(1, sizeof *m);

    if (!m)
        abort();
    m->sections = calloc(MODEL_SECTIONS, sizeof *m->sections);
    if (!m->sections)
        abort();
    m->beside = m;
    m->commit_limit = commit_limit;
    m->dep = true;
    m->allocation_count = 1;
    return m;
}

struct model *model_new_beside(struct model *other)
{
    struct model *m = model_new(other->commit_limit);

    free(m->sections);
    m->sections = other->sections;
    m->beside = other->beside;
    other->beside = m;
    return m;
}

void model_free(struct model *m)
{
    struct model *before = m;

    while (m && before->beside != m)
        before = before->beside;
    if (m && before == m)
        free(m->sections);
    else if (m)
        before->beside = m->beside;
    free(m);
}

/* ---- Protections ----------------------------------------------------------------------------- */

bool mp_valid(uint32_t p, bool fresh)
{
    uint32_t value = p & ~PAGE_TARGETS_INVALID;
    uint32_t base = value & 0xff;
    uint32_t modifier = value & ~0xffu;

    if (base != 1 && base != 2 && base != 4 && base != 8 && base != 0x10 && base != 0x20 &&
        base != 0x40 && base != 0x80)
        return false;
    if (p != value && fresh && base < 0x10)
        return false;
    if (base == PAGE_NOACCESS)
        return modifier == 0;
    return modifier == 0 || modifier == PAGE_GUARD || modifier == PAGE_NOCACHE ||
           modifier == PAGE_WRITECOMBINE;
}

bool mp_is_copy(uint32_t p)
{
    return (p & 0xff) == PAGE_WRITECOPY || (p & 0xff) == PAGE_EXECUTE_WRITECOPY;
}

uint32_t mp_stored(uint32_t wanted, uint32_t initial)
{
    uint32_t p = wanted & ~(PAGE_TARGETS_INVALID | MODEL_CACHING);

    return p == PAGE_NOACCESS || p & PAGE_GUARD ? p : p | (initial & MODEL_CACHING);
}

bool mp_writes(uint32_t p)
{
    return (p & 0xff) == PAGE_READWRITE || (p & 0xff) == PAGE_EXECUTE_READWRITE;
}

/* What a protection lets anybody do, as bits: 4 read, 2 write, 1 execute. */
static unsigned rights(uint32_t p)
{
    switch (p & 0xff) {
    case PAGE_READONLY:
    case PAGE_WRITECOPY:
        return 4;
    case PAGE_READWRITE:
        return 6;
    case PAGE_EXECUTE:
        return 1;
    case PAGE_EXECUTE_READ:
    case PAGE_EXECUTE_WRITECOPY:
        return 5;
    case PAGE_EXECUTE_READWRITE:
        return 7;
    default:
        return 0;
    }
}

bool mp_fits(uint32_t wanted, uint32_t allowed)
{
    return !(rights(wanted) & ~rights(allowed));
}

static uint32_t swap_base(uint32_t p, uint32_t from, uint32_t to)
{
    return (p & 0xff) == from ? (p & ~0xffu) | to : p;
}

uint32_t mp_written(uint32_t p)
{
    p = swap_base(p, PAGE_WRITECOPY, PAGE_READWRITE);
    return swap_base(p, PAGE_EXECUTE_WRITECOPY, PAGE_EXECUTE_READWRITE);
}

uint32_t mp_unwritten(uint32_t p)
{
    p = swap_base(p, PAGE_READWRITE, PAGE_WRITECOPY);
    return swap_base(p, PAGE_EXECUTE_READWRITE, PAGE_EXECUTE_WRITECOPY);
}

unsigned mp_access(const struct model *m, uint32_t p)
{
    unsigned a = VM_READ;

    if (p & PAGE_GUARD || (p & 0xff) == PAGE_NOACCESS || p == 0)
        return 0;
    if ((p & 0xff) == PAGE_READWRITE || (p & 0xff) == PAGE_EXECUTE_READWRITE)
        a |= VM_WRITE;
    if ((p & 0xff) >= PAGE_EXECUTE || !m->dep)
        a |= VM_EXEC;
    return a;
}

/* ---- Pages ----------------------------------------------------------------------------------- */

unsigned model_first(const struct model *m, unsigned page)
{
    while (page > 0 && m->pages[page - 1].allocation == m->pages[page].allocation)
        page--;
    return page;
}

unsigned model_end(const struct model *m, unsigned page)
{
    unsigned allocation = m->pages[page].allocation;

    while (page < MODEL_PAGES && m->pages[page].allocation == allocation)
        page++;
    return page;
}

bool model_all_free(const struct model *m, unsigned start, unsigned end)
{
    for (unsigned p = start; p < end; p++) {
        if (m->pages[p].allocation)
            return false;
    }
    return true;
}

uint64_t model_own_committed(const struct model *m)
{
    uint64_t bytes = 0;

    for (unsigned p = 0; p < MODEL_PAGES; p++) {
        const struct model_allocation *a = model_allocation_at(m, p);

        if (m->pages[p].protect && (!a->section || mp_is_copy(a->protect)))
            bytes += VM_PAGE_SIZE;
    }
    return bytes;
}

uint64_t model_committed(const struct model *m)
{
    uint64_t bytes = model_section_charge(m);

    EACH_BESIDE(o, m)
    {
        bytes += model_own_committed(o);
    }
    return bytes;
}

bool model_may_commit(const struct model *m, uint64_t bytes)
{
    return !bytes || model_committed(m) + bytes <= m->commit_limit;
}

void model_wipe(struct model *m, unsigned start, unsigned end, unsigned allocation)
{
    for (unsigned p = start; p < end; p++) {
        m->pages[p] = (struct model_page){.allocation = allocation};
        memset(m->bytes[p], 0, VM_PAGE_SIZE);
    }
}

unsigned model_new_allocation(struct model *m, struct model_allocation a)
{
    if (m->allocation_count == sizeof m->allocations / sizeof *m->allocations)
        abort();
    m->allocations[m->allocation_count] = a;
    return m->allocation_count++;
}

const struct model_allocation *model_allocation_at(const struct model *m, unsigned page)
{
    return &m->allocations[m->pages[page].allocation];
}

unsigned model_page(gva_t addr)
{
    return (unsigned)(addr / VM_PAGE_SIZE);
}

/* ---- Allocate -------------------------------------------------------------------------------- */

nt_status model_requirements(const struct vm_request *q)
{
    if (!q->lowest && !q->highest && !q->alignment)
        return STATUS_SUCCESS;
    if (q->base || !(q->type & MEM_RESERVE || !(q->type & MEM_COMMIT)))
        return STATUS_INVALID_PARAMETER;
    if (q->lowest & 0xffff || q->lowest >= MODEL_LIMIT)
        return STATUS_INVALID_PARAMETER;
    if (q->highest &&
        ((q->highest & 0xfff) != 0xfff || q->highest > MODEL_LIMIT - 1 || q->highest <= q->lowest))
        return STATUS_INVALID_PARAMETER;
    for (uint64_t a = VM_GRANULARITY; q->alignment && a != q->alignment; a <<= 1) {
        if (!a)
            return STATUS_INVALID_PARAMETER;
    }
    return STATUS_SUCCESS;
}

static nt_status check_type(const struct vm_request *q)
{
    uint32_t t = q->type;
    uint32_t holders = t & (MEM_RESERVE_PLACEHOLDER | MEM_REPLACE_PLACEHOLDER);
    uint32_t known = MEM_COMMIT | MEM_RESERVE | MEM_RESET | MEM_TOP_DOWN | MEM_WRITE_WATCH;

    if (holders && !q->extended)
        return STATUS_INVALID_PARAMETER;
    if ((t & ~holders) & ~known || !(t & (MEM_COMMIT | MEM_RESERVE | MEM_RESET)))
        return STATUS_INVALID_PARAMETER_5;
    if (t & MEM_RESET && t != MEM_RESET)
        return STATUS_INVALID_PARAMETER_5;
    if (t & MEM_WRITE_WATCH && !(t & MEM_RESERVE))
        return STATUS_INVALID_PARAMETER_5;
    if (t & MEM_RESERVE_PLACEHOLDER) {
        if ((t & ~(uint32_t)MEM_TOP_DOWN) != (MEM_RESERVE | MEM_RESERVE_PLACEHOLDER) ||
            q->protect != PAGE_NOACCESS)
            return STATUS_INVALID_PARAMETER;
    }
    if (t & MEM_REPLACE_PLACEHOLDER && !(q->base && t & MEM_RESERVE))
        return STATUS_INVALID_PARAMETER;
    return STATUS_SUCCESS;
}

/* May the pages asked for be copied when written? */
static bool takes_copy(const struct model *m, const struct vm_request *q)
{
    return !(q->type & MEM_RESERVE) && q->base && q->base < MODEL_LIMIT &&
           m->pages[model_page(q->base)].allocation &&
           model_allocation_at(m, model_page(q->base))->type != MEM_PRIVATE;
}

static nt_status check_request(const struct model *m, const struct vm_request *q)
{
    nt_status st = model_requirements(q);

    if (st)
        return st;
    if (q->zero_bits >= 22 && q->zero_bits <= 31)
        return STATUS_INVALID_PARAMETER_3;
    st = check_type(q);
    if (st)
        return st;
    if (!mp_valid(q->protect, true) || (mp_is_copy(q->protect) && !takes_copy(m, q)))
        return STATUS_INVALID_PAGE_PROTECTION;
    if (q->base >= MODEL_LIMIT)
        return STATUS_INVALID_PARAMETER_2;
    if (!q->size || q->size > MODEL_LIMIT - q->base)
        return STATUS_INVALID_PARAMETER_4;
    return STATUS_SUCCESS;
}

gva_t model_zero_end(uint64_t zero_bits)
{
    gva_t end = UINT64_MAX;

    if (zero_bits && zero_bits < 32)
        return UINT64_C(1) << (32 - zero_bits);
    for (unsigned bit = 0; zero_bits && bit < 63; bit++) {
        if (zero_bits >> bit)
            end = UINT64_C(2) << bit;
    }
    return end;
}

/* Try every granule, from below or from above. */
bool model_search(const struct model *m, const struct vm_request *q, unsigned pages, unsigned *at)
{
    gva_t end = q->highest ? q->highest + 1 : MODEL_LIMIT;
    gva_t zero_end = model_zero_end(q->zero_bits);
    bool found = false;

    end = zero_end < end ? zero_end : end;

    for (gva_t a = VM_GRANULARITY; a + (gva_t)pages * VM_PAGE_SIZE <= end; a += VM_GRANULARITY) {
        if (a < q->lowest || (q->alignment && a % q->alignment) ||
            !model_all_free(m, model_page(a), model_page(a) + pages))
            continue;
        *at = model_page(a);
        found = true;
        if (!(q->type & MEM_TOP_DOWN))
            break;
    }
    return found;
}

static nt_status reserve(struct model *m, const struct vm_request *q, unsigned *start,
                         unsigned *end)
{
    unsigned pages = model_page(q->size + VM_PAGE_SIZE - 1);
    unsigned id;

    if (!q->base) {
        if (!model_search(m, q, pages, start))
            return STATUS_NO_MEMORY;
        *end = *start + pages;
    } else {
        *start = model_page(q->base) / 16 * 16;
        *end = model_page(q->base + q->size + VM_PAGE_SIZE - 1);
        if (q->type & MEM_REPLACE_PLACEHOLDER) {
            *start = model_page(q->base);
            if (!model_allocation_at(m, *start)->placeholder || *start != model_first(m, *start) ||
                *end != model_end(m, *start))
                return STATUS_CONFLICTING_ADDRESSES;
        } else if (*start == 0) {
            return STATUS_INVALID_PARAMETER_2;
        } else if (!model_all_free(m, *start, *end)) {
            return STATUS_CONFLICTING_ADDRESSES;
        }
    }
    if (q->type & MEM_COMMIT && !model_may_commit(m, (*end - *start) * 4096ull))
        return STATUS_COMMITMENT_LIMIT;
    id = model_new_allocation(
        m, (struct model_allocation){.protect = q->protect & ~PAGE_TARGETS_INVALID,
                                     .type = MEM_PRIVATE,
                                     .watch = q->type & MEM_WRITE_WATCH,
                                     .placeholder = q->type & MEM_RESERVE_PLACEHOLDER,
                                     .replaced = q->type & MEM_REPLACE_PLACEHOLDER});
    model_wipe(m, *start, *end, id);
    for (unsigned p = *start; p < *end && q->type & MEM_COMMIT; p++)
        m->pages[p].protect = q->protect & ~PAGE_TARGETS_INVALID;
    return STATUS_SUCCESS;
}

static nt_status commit(struct model *m, const struct vm_request *q, unsigned start, unsigned end)
{
    uint64_t added = 0;

    if (!m->pages[start].allocation || end > model_end(m, start) ||
        model_allocation_at(m, start)->placeholder)
        return STATUS_CONFLICTING_ADDRESSES;
    if (model_allocation_at(m, start)->type != MEM_PRIVATE)
        return model_view_commit(m, q, start, end);
    if (q->type & MEM_RESET)
        return STATUS_SUCCESS;
    for (unsigned p = start; p < end; p++)
        added += m->pages[p].protect ? 0 : VM_PAGE_SIZE;
    if (!model_may_commit(m, added))
        return STATUS_COMMITMENT_LIMIT;
    for (unsigned p = start; p < end; p++)
        m->pages[p].protect = mp_stored(q->protect, model_allocation_at(m, p)->protect);
    return STATUS_SUCCESS;
}

nt_status model_allocate(struct model *m, const struct vm_request *q, gva_t *base, uint64_t *size)
{
    unsigned start = model_page(q->base);
    unsigned end = 0;
    nt_status st = check_request(m, q);

    if (st)
        return st;
    if (q->type & MEM_RESERVE || (q->type & MEM_COMMIT && !q->base)) {
        st = reserve(m, q, &start, &end);
    } else {
        end = model_page(q->base + q->size + VM_PAGE_SIZE - 1);
        st = commit(m, q, start, end);
    }
    if (st)
        return st;
    *base = (gva_t)start * VM_PAGE_SIZE;
    *size = (uint64_t)(end - start) * VM_PAGE_SIZE;
    return STATUS_SUCCESS;
}

/* ---- Release --------------------------------------------------------------------------------- */

static nt_status check_release(const struct model *m, gva_t base, uint64_t size, uint32_t type,
                               unsigned *end)
{
    unsigned start = model_page(base);

    if (type != MEM_RELEASE && type != MEM_DECOMMIT && type != PRESERVE && type != COALESCE)
        return STATUS_INVALID_PARAMETER_4;
    if (base >= MODEL_LIMIT)
        return STATUS_INVALID_PARAMETER_2;
    if (size > MODEL_LIMIT - base)
        return STATUS_INVALID_PARAMETER_3;
    if (!m->pages[start].allocation)
        return STATUS_MEMORY_NOT_ALLOCATED;
    *end = model_page(base + size + VM_PAGE_SIZE - 1);
    if (size && *end > model_end(m, start) && type != COALESCE)
        return STATUS_UNABLE_TO_FREE_VM;
    if (model_allocation_at(m, start)->type != MEM_PRIVATE)
        return STATUS_UNABLE_TO_DELETE_SECTION;
    if (!size && start != model_first(m, start))
        return STATUS_FREE_VM_NOT_AT_BASE;
    if (!size)
        *end = model_end(m, start);
    return STATUS_SUCCESS;
}

/* The pages of [start, end) get an allocation of their own with these properties. */
static void give(struct model *m, unsigned start, unsigned end, struct model_allocation a)
{
    unsigned id = start < end ? model_new_allocation(m, a) : 0;

    for (unsigned p = start; p < end; p++)
        m->pages[p].allocation = id;
}

/* What lies behind the released part becomes an allocation of its own. */
static void release(struct model *m, unsigned start, unsigned end)
{
    give(m, end, model_end(m, start), *model_allocation_at(m, start));
    model_wipe(m, start, end, 0);
}

static void decommit(struct model *m, unsigned start, unsigned end)
{
    for (unsigned p = start; p < end; p++) {
        bool watched = m->pages[p].watched;

        model_wipe(m, p, p + 1, m->pages[p].allocation);
        m->pages[p].watched = watched;
    }
}

static nt_status preserve(struct model *m, unsigned start, unsigned end)
{
    struct model_allocation old = *model_allocation_at(m, start);

    if (!old.placeholder &&
        (!old.replaced || start != model_first(m, start) || end != model_end(m, start)))
        return STATUS_CONFLICTING_ADDRESSES;
    if (!old.placeholder) {
        decommit(m, start, end);
        m->allocations[m->pages[start].allocation].placeholder = true;
        m->allocations[m->pages[start].allocation].replaced = false;
        m->allocations[m->pages[start].allocation].watch = false;
        return STATUS_SUCCESS;
    }
    give(m, end, model_end(m, start), old);
    give(m, start, end, old);
    return STATUS_SUCCESS;
}

static nt_status coalesce(struct model *m, unsigned start, unsigned end)
{
    if (start != model_first(m, start) || model_end(m, start) >= end ||
        model_end(m, end - 1) != end)
        return STATUS_CONFLICTING_ADDRESSES;
    for (unsigned p = start; p < end; p++) {
        if (!model_allocation_at(m, p)->placeholder)
            return STATUS_CONFLICTING_ADDRESSES;
    }
    for (unsigned p = start; p < end; p++)
        m->pages[p].allocation = m->pages[start].allocation;
    return STATUS_SUCCESS;
}

nt_status model_release(struct model *m, gva_t *base, uint64_t *size, uint32_t type)
{
    unsigned start = model_page(*base);
    unsigned end = 0;
    nt_status st = check_release(m, *base, *size, type, &end);

    if (!st && type == PRESERVE)
        st = preserve(m, start, end);
    else if (!st && type == COALESCE)
        st = coalesce(m, start, end);
    else if (!st && type == MEM_DECOMMIT)
        decommit(m, start, end);
    else if (!st)
        release(m, start, end);
    if (st)
        return st;
    *base = (gva_t)start * VM_PAGE_SIZE;
    if (*size || type != MEM_DECOMMIT)
        *size = (uint64_t)(end - start) * VM_PAGE_SIZE;
    return STATUS_SUCCESS;
}

/* ---- Protect --------------------------------------------------------------------------------- */

static nt_status check_protect(const struct model *m, gva_t base, uint64_t size, uint32_t protect)
{
    unsigned start = model_page(base);

    if (!mp_valid(protect, false))
        return STATUS_INVALID_PAGE_PROTECTION;
    if (base >= MODEL_LIMIT)
        return STATUS_INVALID_PARAMETER_2;
    if (!size || size > MODEL_LIMIT - base)
        return STATUS_INVALID_PARAMETER_3;
    if (!m->pages[start].allocation ||
        model_page(base + size + VM_PAGE_SIZE - 1) > model_end(m, start))
        return STATUS_CONFLICTING_ADDRESSES;
    if (model_allocation_at(m, start)->type == MEM_PRIVATE && mp_is_copy(protect))
        return STATUS_INVALID_PARAMETER_4;
    if (model_allocation_at(m, start)->type == MEM_MAPPED &&
        !mp_fits(protect, model_allocation_at(m, start)->protect))
        return STATUS_SECTION_PROTECTION;
    for (unsigned p = start; p < model_page(base + size + VM_PAGE_SIZE - 1); p++) {
        if (!m->pages[p].protect)
            return STATUS_NOT_COMMITTED;
    }
    return STATUS_SUCCESS;
}

void model_set_protect(struct model *m, unsigned page, uint32_t protect)
{
    const struct model_allocation *a = model_allocation_at(m, page);
    uint32_t value = mp_stored(protect, a->protect);

    if (m->pages[page].written)
        value = mp_written(value);
    else if (a->type == MEM_IMAGE)
        value = mp_unwritten(value);
    m->pages[page].protect = value;
}

nt_status model_protect(struct model *m, gva_t *base, uint64_t *size, uint32_t protect,
                        uint32_t *old)
{
    unsigned start = model_page(*base);
    unsigned end = model_page(*base + *size + VM_PAGE_SIZE - 1);
    nt_status st = check_protect(m, *base, *size, protect);

    if (st)
        return st;
    *old = m->pages[start].protect;
    for (unsigned p = start; p < end; p++)
        model_set_protect(m, p, protect);
    *base = (gva_t)start * VM_PAGE_SIZE;
    *size = (uint64_t)(end - start) * VM_PAGE_SIZE;
    return STATUS_SUCCESS;
}

bool model_clear_guard(struct model *m, gva_t addr)
{
    struct model_page *p = &m->pages[model_page(addr) % MODEL_PAGES];

    if (addr >= MODEL_LIMIT || !(p->protect & PAGE_GUARD))
        return false;
    p->protect =
        mp_stored(p->protect & ~(uint32_t)PAGE_GUARD, m->allocations[p->allocation].protect);
    return true;
}

/* ---- Query ---------------------------------------------------------------------- */

nt_status model_query(const struct model *m, gva_t addr, struct vm_region *out)
{
    unsigned page = model_page(addr);
    const struct model_page *p;
    unsigned end = page;
    unsigned last;

    if (addr >= MODEL_LIMIT)
        return STATUS_INVALID_PARAMETER;
    p = &m->pages[page];
    last = model_end(m, page);
    while (end < last && m->pages[end].protect == p->protect)
        end++;
    *out = (struct vm_region){.base = (gva_t)page * VM_PAGE_SIZE,
                              .size = (uint64_t)(end - page) * VM_PAGE_SIZE,
                              .state = MEM_FREE,
                              .protect = PAGE_NOACCESS};
    if (!p->allocation)
        return STATUS_SUCCESS;
    out->allocation_base = (gva_t)model_first(m, page) * VM_PAGE_SIZE;
    out->allocation_size = (gva_t)last * VM_PAGE_SIZE - out->allocation_base;
    out->allocation_protect = m->allocations[p->allocation].protect;
    out->type = m->allocations[p->allocation].type;
    out->state = p->protect ? MEM_COMMIT : MEM_RESERVE;
    out->protect = p->protect;
    return STATUS_SUCCESS;
}

void model_unmap_all(struct model *m)
{
    model_wipe(m, 0, MODEL_PAGES, 0);
}
