/* Contents of the naive twin, and who may touch them; see vm_model.h. */
#include "vm_model_priv.h"

#include <string.h>

const uint8_t *model_bytes(const struct model *m, unsigned page)
{
    const struct model_allocation *a = model_allocation_at(m, page);
    unsigned index = a->first;

    if (!a->section || m->pages[page].written)
        return m->bytes[page];
    while (page > 0 && m->pages[page - 1].allocation == m->pages[page].allocation) {
        page--;
        index++;
    }
    return m->sections[a->section - 1].bytes[index];
}

/* Do writes to this page reach the section that it shows? */
static bool is_shared(const struct model *m, unsigned page)
{
    const struct model_allocation *a = model_allocation_at(m, page);
    uint32_t p = m->pages[page].protect;

    if (!a->section || m->pages[page].written || mp_is_copy(p))
        return false;
    return mp_writes(a->type == MEM_IMAGE ? p : a->protect);
}

/* A write to the page is about to happen: a view's becomes private, or its section dirty. */
static void prepare_write(struct model *m, unsigned page)
{
    unsigned index;
    struct model_section *s = model_shown(m, page, &index);

    if (is_shared(m, page)) {
        s->dirty[index] = s->file;
        return;
    }
    if (model_allocation_at(m, page)->type == MEM_PRIVATE || m->pages[page].written)
        return;
    if (s)
        memcpy(m->bytes[page], s->bytes[index], VM_PAGE_SIZE);
    m->pages[page].written = true;
    m->pages[page].protect = mp_written(m->pages[page].protect);
}

void model_store(struct model *m, gva_t addr, uint8_t value)
{
    unsigned page = model_page(addr), index;
    struct model_section *s = model_shown(m, page, &index);

    if (is_shared(m, page))
        s->bytes[index][addr % VM_PAGE_SIZE] = value;
    else
        m->bytes[page][addr % VM_PAGE_SIZE] = value;
}

bool model_write(struct model *m, gva_t addr, const uint8_t *src, size_t len)
{
    if (addr > MODEL_LIMIT || len > MODEL_LIMIT - addr)
        return len == 0;
    for (size_t i = 0; i < len; i++) {
        if (!m->pages[model_page(addr + i)].protect)
            return false;
    }
    for (size_t i = 0; i < len; i++) {
        prepare_write(m, model_page(addr + i));
        model_store(m, addr + i, src[i]);
    }
    return true;
}

size_t model_read(const struct model *m, gva_t addr, uint8_t *dst, size_t len)
{
    size_t done = 0;

    while (done < len && addr + done < MODEL_LIMIT && m->pages[model_page(addr + done)].protect) {
        dst[done] = model_bytes(m, model_page(addr + done))[(addr + done) % VM_PAGE_SIZE];
        done++;
    }
    return done;
}

unsigned model_access(const struct model *m, gva_t page)
{
    const struct model_page *p = &m->pages[model_page(page)];
    unsigned access = mp_access(m, p->protect);

    unsigned index;
    const struct model_section *s = model_shown((struct model *)m, model_page(page), &index);

    if (m->allocations[p->allocation].watch && !p->watched)
        access &= ~(unsigned)VM_WRITE;
    if (s && s->file && !p->written && !s->dirty[index])
        access &= ~(unsigned)VM_WRITE;
    return access;
}

enum vm_fault model_fill(struct model *m, gva_t page, enum vm_access want)
{
    const struct model_page *p = &m->pages[model_page(page) % MODEL_PAGES];

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
    if (want == VM_WRITE && mp_is_copy(p->protect)) {
        prepare_write(m, model_page(page));
        return VM_FAULT_NONE;
    }
    if (mp_access(m, p->protect) & want) {
        m->pages[model_page(page)].watched |= want == VM_WRITE;
        if (want == VM_WRITE)
            prepare_write(m, model_page(page));
        return VM_FAULT_NONE;
    }
    return want == VM_WRITE ? VM_FAULT_READONLY : VM_FAULT_NOEXEC;
}

/* ---- Write watch and system services --------------------------------------------------------- */

static bool is_watched(const struct model *m, gva_t base, uint64_t size)
{
    unsigned start = model_page(base);

    return base < MODEL_LIMIT && size && size <= MODEL_LIMIT - base && m->pages[start].allocation &&
           model_allocation_at(m, start)->watch &&
           model_page(base + size + VM_PAGE_SIZE - 1) <= model_end(m, start);
}

nt_status model_get_write_watch(struct model *m, uint32_t flags, gva_t base, uint64_t size,
                                gva_t *addresses, uint64_t *count)
{
    uint64_t found = 0;

    if (flags > 1 || !*count || !is_watched(m, base, size))
        return STATUS_INVALID_PARAMETER;
    for (unsigned p = model_page(base); p < model_page(base + size + VM_PAGE_SIZE - 1); p++) {
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
    for (unsigned p = model_page(base); p < model_page(base + size + VM_PAGE_SIZE - 1); p++)
        m->pages[p].watched = false;
    return STATUS_SUCCESS;
}

nt_status model_kernel_write(struct model *m, gva_t addr, const uint8_t *src, size_t len)
{
    if (!len)
        return STATUS_SUCCESS;
    if (addr > MODEL_LIMIT || len > MODEL_LIMIT - addr)
        return STATUS_ACCESS_VIOLATION;
    for (unsigned p = model_page(addr); p <= model_page(addr + len - 1); p++) {
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
