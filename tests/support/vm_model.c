/* The naive twin of the memory manager; see vm_model.h. Its rules are written out, not looked up. */
#include "vm_model.h"

#include <stdlib.h>
#include <string.h>

#define CACHING  (PAGE_NOCACHE | PAGE_WRITECOMBINE)
#define PRESERVE (MEM_RELEASE | MEM_PRESERVE_PLACEHOLDER)
#define COALESCE (MEM_RELEASE | MEM_COALESCE_PLACEHOLDERS)

struct model *model_new(uint64_t commit_limit)
{
    struct model *m = calloc(1, sizeof *m);

    if (!m)
        abort();
    m->commit_limit = commit_limit;
    m->dep = true;
    m->allocation_count = 1;
    return m;
}

void model_free(struct model *m)
{
    free(m);
}

/* ---- Protections ----------------------------------------------------------------------------- */

static bool valid_protection(uint32_t p, bool fresh)
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

static bool is_copy(uint32_t p)
{
    return (p & 0xff) == PAGE_WRITECOPY || (p & 0xff) == PAGE_EXECUTE_WRITECOPY;
}

static uint32_t stored(uint32_t wanted, uint32_t initial)
{
    uint32_t p = wanted & ~(PAGE_TARGETS_INVALID | CACHING);

    return p == PAGE_NOACCESS || p & PAGE_GUARD ? p : p | (initial & CACHING);
}

static uint32_t swap_base(uint32_t p, uint32_t from, uint32_t to)
{
    return (p & 0xff) == from ? (p & ~0xffu) | to : p;
}

static uint32_t written_form(uint32_t p)
{
    p = swap_base(p, PAGE_WRITECOPY, PAGE_READWRITE);
    return swap_base(p, PAGE_EXECUTE_WRITECOPY, PAGE_EXECUTE_READWRITE);
}

static uint32_t unwritten_form(uint32_t p)
{
    p = swap_base(p, PAGE_READWRITE, PAGE_WRITECOPY);
    return swap_base(p, PAGE_EXECUTE_READWRITE, PAGE_EXECUTE_WRITECOPY);
}

static unsigned access_of(const struct model *m, uint32_t p)
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

static unsigned first_of(const struct model *m, unsigned page)
{
    while (page > 0 && m->pages[page - 1].allocation == m->pages[page].allocation)
        page--;
    return page;
}

static unsigned end_of(const struct model *m, unsigned page)
{
    unsigned allocation = m->pages[page].allocation;

    while (page < MODEL_PAGES && m->pages[page].allocation == allocation)
        page++;
    return page;
}

static bool all_free(const struct model *m, unsigned start, unsigned end)
{
    for (unsigned p = start; p < end; p++) {
        if (m->pages[p].allocation)
            return false;
    }
    return true;
}

static uint64_t committed(const struct model *m)
{
    uint64_t bytes = 0;

    for (unsigned p = 0; p < MODEL_PAGES; p++)
        bytes += m->pages[p].protect ? VM_PAGE_SIZE : 0;
    return bytes;
}

static void wipe(struct model *m, unsigned start, unsigned end, unsigned allocation)
{
    for (unsigned p = start; p < end; p++) {
        m->pages[p] = (struct model_page){.allocation = allocation};
        memset(m->bytes[p], 0, VM_PAGE_SIZE);
    }
}

static unsigned new_allocation(struct model *m, struct model_allocation a)
{
    if (m->allocation_count == sizeof m->allocations / sizeof *m->allocations)
        abort();
    m->allocations[m->allocation_count] = a;
    return m->allocation_count++;
}

static const struct model_allocation *allocation_at(const struct model *m, unsigned page)
{
    return &m->allocations[m->pages[page].allocation];
}

static unsigned page_of(gva_t addr)
{
    return (unsigned)(addr / VM_PAGE_SIZE);
}

/* ---- Allocate -------------------------------------------------------------------------------- */

static nt_status check_requirements(const struct vm_request *q)
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

static nt_status check_request(const struct vm_request *q)
{
    nt_status st = check_requirements(q);

    if (st)
        return st;
    if (q->zero_bits >= 22 && q->zero_bits <= 31)
        return STATUS_INVALID_PARAMETER_3;
    st = check_type(q);
    if (st)
        return st;
    if (!valid_protection(q->protect, true) || is_copy(q->protect))
        return STATUS_INVALID_PAGE_PROTECTION;
    if (q->base >= MODEL_LIMIT)
        return STATUS_INVALID_PARAMETER_2;
    if (!q->size || q->size > MODEL_LIMIT - q->base)
        return STATUS_INVALID_PARAMETER_4;
    return STATUS_SUCCESS;
}

/* Try every granule, from below or from above. */
static bool search(const struct model *m, const struct vm_request *q, unsigned pages, unsigned *at)
{
    gva_t end = q->highest ? q->highest + 1 : MODEL_LIMIT;
    gva_t zero_end = q->zero_bits && q->zero_bits < 32 ? (UINT64_C(1) << (32 - q->zero_bits)) : end;
    bool found = false;

    for (unsigned bit = 0; q->zero_bits >= 32 && bit < 63; bit++) {
        if (q->zero_bits >> bit)
            zero_end = UINT64_C(2) << bit;
    }
    end = zero_end < end ? zero_end : end;

    for (gva_t a = VM_GRANULARITY; a + (gva_t)pages * VM_PAGE_SIZE <= end; a += VM_GRANULARITY) {
        if (a < q->lowest || (q->alignment && a % q->alignment) ||
            !all_free(m, page_of(a), page_of(a) + pages))
            continue;
        *at = page_of(a);
        found = true;
        if (!(q->type & MEM_TOP_DOWN))
            break;
    }
    return found;
}

static nt_status reserve(struct model *m, const struct vm_request *q, unsigned *start,
                         unsigned *end)
{
    unsigned pages = page_of(q->size + VM_PAGE_SIZE - 1);
    unsigned id;

    if (!q->base) {
        if (!search(m, q, pages, start))
            return STATUS_NO_MEMORY;
        *end = *start + pages;
    } else {
        *start = page_of(q->base) / 16 * 16;
        *end = page_of(q->base + q->size + VM_PAGE_SIZE - 1);
        if (q->type & MEM_REPLACE_PLACEHOLDER) {
            *start = page_of(q->base);
            if (!allocation_at(m, *start)->placeholder || *start != first_of(m, *start) ||
                *end != end_of(m, *start))
                return STATUS_CONFLICTING_ADDRESSES;
        } else if (*start == 0) {
            return STATUS_INVALID_PARAMETER_2;
        } else if (!all_free(m, *start, *end)) {
            return STATUS_CONFLICTING_ADDRESSES;
        }
    }
    if (q->type & MEM_COMMIT && committed(m) + (*end - *start) * 4096ull > m->commit_limit)
        return STATUS_COMMITMENT_LIMIT;
    id = new_allocation(
        m, (struct model_allocation){.protect = q->protect & ~PAGE_TARGETS_INVALID,
                                     .type = MEM_PRIVATE,
                                     .watch = q->type & MEM_WRITE_WATCH,
                                     .placeholder = q->type & MEM_RESERVE_PLACEHOLDER});
    wipe(m, *start, *end, id);
    for (unsigned p = *start; p < *end && q->type & MEM_COMMIT; p++)
        m->pages[p].protect = q->protect & ~PAGE_TARGETS_INVALID;
    return STATUS_SUCCESS;
}

static nt_status commit(struct model *m, const struct vm_request *q, unsigned start, unsigned end)
{
    uint64_t added = 0;

    if (!m->pages[start].allocation || end > end_of(m, start) ||
        allocation_at(m, start)->placeholder)
        return STATUS_CONFLICTING_ADDRESSES;
    if (allocation_at(m, start)->type != MEM_PRIVATE)
        return STATUS_ALREADY_COMMITTED;
    if (q->type & MEM_RESET)
        return STATUS_SUCCESS;
    for (unsigned p = start; p < end; p++)
        added += m->pages[p].protect ? 0 : VM_PAGE_SIZE;
    if (committed(m) + added > m->commit_limit)
        return STATUS_COMMITMENT_LIMIT;
    for (unsigned p = start; p < end; p++)
        m->pages[p].protect = stored(q->protect, allocation_at(m, p)->protect);
    return STATUS_SUCCESS;
}

nt_status model_allocate(struct model *m, const struct vm_request *q, gva_t *base, uint64_t *size)
{
    unsigned start = page_of(q->base);
    unsigned end = 0;
    nt_status st = check_request(q);

    if (st)
        return st;
    if (q->type & MEM_RESERVE || (q->type & MEM_COMMIT && !q->base)) {
        st = reserve(m, q, &start, &end);
    } else {
        end = page_of(q->base + q->size + VM_PAGE_SIZE - 1);
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
    unsigned start = page_of(base);

    if (type != MEM_RELEASE && type != MEM_DECOMMIT && type != PRESERVE && type != COALESCE)
        return STATUS_INVALID_PARAMETER_4;
    if (base >= MODEL_LIMIT)
        return STATUS_INVALID_PARAMETER_2;
    if (size > MODEL_LIMIT - base)
        return STATUS_INVALID_PARAMETER_3;
    if (!m->pages[start].allocation)
        return STATUS_MEMORY_NOT_ALLOCATED;
    *end = page_of(base + size + VM_PAGE_SIZE - 1);
    if (size && *end > end_of(m, start) && type != COALESCE)
        return STATUS_UNABLE_TO_FREE_VM;
    if (allocation_at(m, start)->type != MEM_PRIVATE)
        return STATUS_UNABLE_TO_DELETE_SECTION;
    if (!size && start != first_of(m, start))
        return STATUS_FREE_VM_NOT_AT_BASE;
    if (!size)
        *end = end_of(m, start);
    return STATUS_SUCCESS;
}

/* The pages of [start, end) get an allocation of their own with these properties. */
static void give(struct model *m, unsigned start, unsigned end, struct model_allocation a)
{
    unsigned id = start < end ? new_allocation(m, a) : 0;

    for (unsigned p = start; p < end; p++)
        m->pages[p].allocation = id;
}

/* What lies behind the released part becomes an allocation of its own. */
static void release(struct model *m, unsigned start, unsigned end)
{
    give(m, end, end_of(m, start), *allocation_at(m, start));
    wipe(m, start, end, 0);
}

static void decommit(struct model *m, unsigned start, unsigned end)
{
    for (unsigned p = start; p < end; p++) {
        bool watched = m->pages[p].watched;

        wipe(m, p, p + 1, m->pages[p].allocation);
        m->pages[p].watched = watched;
    }
}

static nt_status preserve(struct model *m, unsigned start, unsigned end)
{
    struct model_allocation old = *allocation_at(m, start);

    if (!old.placeholder && (start != first_of(m, start) || end != end_of(m, start)))
        return STATUS_CONFLICTING_ADDRESSES;
    if (!old.placeholder) {
        decommit(m, start, end);
        m->allocations[m->pages[start].allocation].placeholder = true;
        return STATUS_SUCCESS;
    }
    give(m, end, end_of(m, start), old);
    give(m, start, end, old);
    return STATUS_SUCCESS;
}

static nt_status coalesce(struct model *m, unsigned start, unsigned end)
{
    if (start != first_of(m, start) || end_of(m, start) >= end || end_of(m, end - 1) != end)
        return STATUS_CONFLICTING_ADDRESSES;
    for (unsigned p = start; p < end; p++) {
        if (!allocation_at(m, p)->placeholder)
            return STATUS_CONFLICTING_ADDRESSES;
    }
    for (unsigned p = start; p < end; p++)
        m->pages[p].allocation = m->pages[start].allocation;
    return STATUS_SUCCESS;
}

nt_status model_release(struct model *m, gva_t *base, uint64_t *size, uint32_t type)
{
    unsigned start = page_of(*base);
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

nt_status model_unmap(struct model *m, gva_t addr)
{
    unsigned page = page_of(addr);

    if (addr >= MODEL_LIMIT || !m->pages[page].allocation ||
        allocation_at(m, page)->type == MEM_PRIVATE)
        return STATUS_NOT_MAPPED_VIEW;
    wipe(m, first_of(m, page), end_of(m, page), 0);
    return STATUS_SUCCESS;
}

void model_unmap_all(struct model *m)
{
    wipe(m, 0, MODEL_PAGES, 0);
}

/* ---- Protect --------------------------------------------------------------------------------- */

static nt_status check_protect(const struct model *m, gva_t base, uint64_t size, uint32_t protect)
{
    unsigned start = page_of(base);

    if (!valid_protection(protect, false))
        return STATUS_INVALID_PAGE_PROTECTION;
    if (base >= MODEL_LIMIT)
        return STATUS_INVALID_PARAMETER_2;
    if (!size || size > MODEL_LIMIT - base)
        return STATUS_INVALID_PARAMETER_3;
    if (!m->pages[start].allocation || page_of(base + size + VM_PAGE_SIZE - 1) > end_of(m, start))
        return STATUS_CONFLICTING_ADDRESSES;
    if (allocation_at(m, start)->type == MEM_PRIVATE && is_copy(protect))
        return STATUS_INVALID_PARAMETER_4;
    for (unsigned p = start; p < page_of(base + size + VM_PAGE_SIZE - 1); p++) {
        if (!m->pages[p].protect)
            return STATUS_NOT_COMMITTED;
    }
    return STATUS_SUCCESS;
}

nt_status model_protect(struct model *m, gva_t *base, uint64_t *size, uint32_t protect,
                        uint32_t *old)
{
    unsigned start = page_of(*base);
    unsigned end = page_of(*base + *size + VM_PAGE_SIZE - 1);
    nt_status st = check_protect(m, *base, *size, protect);

    if (st)
        return st;
    *old = m->pages[start].protect;
    for (unsigned p = start; p < end; p++) {
        uint32_t value = stored(protect, allocation_at(m, p)->protect);

        if (allocation_at(m, p)->type == MEM_IMAGE)
            value = m->pages[p].written ? written_form(value) : unwritten_form(value);
        m->pages[p].protect = value;
    }
    *base = (gva_t)start * VM_PAGE_SIZE;
    *size = (uint64_t)(end - start) * VM_PAGE_SIZE;
    return STATUS_SUCCESS;
}

bool model_clear_guard(struct model *m, gva_t addr)
{
    struct model_page *p = &m->pages[page_of(addr) % MODEL_PAGES];

    if (addr >= MODEL_LIMIT || !(p->protect & PAGE_GUARD))
        return false;
    p->protect = stored(p->protect & ~(uint32_t)PAGE_GUARD, m->allocations[p->allocation].protect);
    return true;
}

/* ---- Query and contents ---------------------------------------------------------------------- */

nt_status model_query(const struct model *m, gva_t addr, struct vm_region *out)
{
    unsigned page = page_of(addr);
    const struct model_page *p;
    unsigned end = page;
    unsigned last;

    if (addr >= MODEL_LIMIT)
        return STATUS_INVALID_PARAMETER;
    p = &m->pages[page];
    last = end_of(m, page);
    while (end < last && m->pages[end].protect == p->protect)
        end++;
    *out = (struct vm_region){.base = (gva_t)page * VM_PAGE_SIZE,
                              .size = (uint64_t)(end - page) * VM_PAGE_SIZE,
                              .state = MEM_FREE,
                              .protect = PAGE_NOACCESS};
    if (!p->allocation)
        return STATUS_SUCCESS;
    out->allocation_base = (gva_t)first_of(m, page) * VM_PAGE_SIZE;
    out->allocation_size = (gva_t)last * VM_PAGE_SIZE - out->allocation_base;
    out->allocation_protect = m->allocations[p->allocation].protect;
    out->type = m->allocations[p->allocation].type;
    out->state = p->protect ? MEM_COMMIT : MEM_RESERVE;
    out->protect = p->protect;
    return STATUS_SUCCESS;
}

nt_status model_map_image(struct model *m, const struct vm_image *image)
{
    unsigned start = page_of(image->base);
    unsigned pages = page_of(image->size + VM_PAGE_SIZE - 1);
    unsigned id;

    if (!image->base)
        return STATUS_INVALID_PARAMETER;
    if (image->base % VM_GRANULARITY)
        return STATUS_MAPPED_ALIGNMENT;
    if (image->base >= MODEL_LIMIT)
        return STATUS_INVALID_PARAMETER_3;
    if (pages > MODEL_PAGES - start)
        return STATUS_INVALID_PARAMETER_4;
    if (!all_free(m, start, start + pages))
        return STATUS_CONFLICTING_ADDRESSES;
    if (committed(m) + pages * 4096ull > m->commit_limit)
        return STATUS_COMMITMENT_LIMIT;
    id = new_allocation(
        m, (struct model_allocation){.protect = PAGE_EXECUTE_WRITECOPY, .type = MEM_IMAGE});
    wipe(m, start, start + pages, id);
    for (unsigned p = 0; p < pages; p++) {
        m->pages[start + p].protect = PAGE_NOACCESS;
        memcpy(m->bytes[start + p], image->bytes + (size_t)p * VM_PAGE_SIZE, VM_PAGE_SIZE);
    }
    for (size_t i = 0; i < image->run_count; i++) {
        for (uint64_t at = 0; at < image->runs[i].size; at += VM_PAGE_SIZE)
            m->pages[start + page_of(image->runs[i].offset + at)].protect = image->runs[i].protect;
    }
    return STATUS_SUCCESS;
}

static void become_written(struct model *m, unsigned page)
{
    if (allocation_at(m, page)->type != MEM_IMAGE)
        return;
    m->pages[page].written = true;
    m->pages[page].protect = written_form(m->pages[page].protect);
}

bool model_write(struct model *m, gva_t addr, const uint8_t *src, size_t len)
{
    if (addr > MODEL_LIMIT || len > MODEL_LIMIT - addr)
        return len == 0;
    for (size_t i = 0; i < len; i++) {
        if (!m->pages[page_of(addr + i)].protect)
            return false;
    }
    for (size_t i = 0; i < len; i++) {
        m->bytes[page_of(addr + i)][(addr + i) % VM_PAGE_SIZE] = src[i];
        become_written(m, page_of(addr + i));
    }
    return true;
}

size_t model_read(const struct model *m, gva_t addr, uint8_t *dst, size_t len)
{
    size_t done = 0;

    while (done < len && addr + done < MODEL_LIMIT && m->pages[page_of(addr + done)].protect) {
        dst[done] = m->bytes[page_of(addr + done)][(addr + done) % VM_PAGE_SIZE];
        done++;
    }
    return done;
}

unsigned model_access(const struct model *m, gva_t page)
{
    const struct model_page *p = &m->pages[page_of(page)];
    unsigned access = access_of(m, p->protect);

    return m->allocations[p->allocation].watch && !p->watched ? access & ~(unsigned)VM_WRITE
                                                              : access;
}

enum vm_fault model_fill(struct model *m, gva_t page, enum vm_access want)
{
    const struct model_page *p = &m->pages[page_of(page) % MODEL_PAGES];

    if (page >= MODEL_LIMIT)
        return VM_FAULT_KERNEL;
    if (!p->allocation)
        return VM_FAULT_FREE;
    if (!p->protect)
        return VM_FAULT_RESERVED;
    if (p->protect & PAGE_GUARD)
        return VM_FAULT_GUARD;
    if ((p->protect & 0xff) == PAGE_NOACCESS)
        return VM_FAULT_NOACCESS;
    if (want == VM_WRITE && is_copy(p->protect)) {
        become_written(m, page_of(page));
        return VM_FAULT_NONE;
    }
    if (access_of(m, p->protect) & want) {
        m->pages[page_of(page)].watched |= want == VM_WRITE;
        return VM_FAULT_NONE;
    }
    return want == VM_WRITE ? VM_FAULT_READONLY : VM_FAULT_NOEXEC;
}

/* ---- Write watch and system services --------------------------------------------------------- */

static bool is_watched(const struct model *m, gva_t base, uint64_t size)
{
    unsigned start = page_of(base);

    return base < MODEL_LIMIT && size && size <= MODEL_LIMIT - base && m->pages[start].allocation &&
           allocation_at(m, start)->watch &&
           page_of(base + size + VM_PAGE_SIZE - 1) <= end_of(m, start);
}

nt_status model_get_write_watch(struct model *m, uint32_t flags, gva_t base, uint64_t size,
                                gva_t *addresses, uint64_t *count)
{
    uint64_t found = 0;

    if (flags > 1 || !*count || !is_watched(m, base, size))
        return STATUS_INVALID_PARAMETER;
    for (unsigned p = page_of(base); p < page_of(base + size + VM_PAGE_SIZE - 1); p++) {
        if (!m->pages[p].watched || found == *count)
            continue;
        addresses[found++] = (gva_t)p * VM_PAGE_SIZE;
        m->pages[p].watched = !flags;
    }
    *count = found;
    return STATUS_SUCCESS;
}

nt_status model_reset_write_watch(struct model *m, gva_t base, uint64_t size)
{
    if (!is_watched(m, base, size))
        return STATUS_INVALID_PARAMETER;
    for (unsigned p = page_of(base); p < page_of(base + size + VM_PAGE_SIZE - 1); p++)
        m->pages[p].watched = false;
    return STATUS_SUCCESS;
}

nt_status model_kernel_write(struct model *m, gva_t addr, const uint8_t *src, size_t len)
{
    if (!len)
        return STATUS_SUCCESS;
    if (addr > MODEL_LIMIT || len > MODEL_LIMIT - addr)
        return STATUS_ACCESS_VIOLATION;
    for (unsigned p = page_of(addr); p <= page_of(addr + len - 1); p++) {
        enum vm_fault fault = model_fill(m, (gva_t)p * VM_PAGE_SIZE, VM_WRITE);

        if (fault == VM_FAULT_GUARD) {
            (void)model_clear_guard(m, (gva_t)p * VM_PAGE_SIZE);
            return STATUS_GUARD_PAGE_VIOLATION;
        }
        if (fault)
            return STATUS_ACCESS_VIOLATION;
    }
    return model_write(m, addr, src, len) ? STATUS_SUCCESS : STATUS_UNSUCCESSFUL;
}
