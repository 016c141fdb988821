/*
 * Devices and lent memory; see foreign.h and winstub/foreign.h. How an instruction reaches a device is decided by
 * core/cpu; here is what lives where, and who is asked.
 */
#include "vm/foreign.h"

#include <stdlib.h>
#include <string.h>

#include "vm/pages.h"
#include "winstub/log.h"

struct foreign {
    unsigned refs;
    uint64_t size;
    struct vm_device device;
    uint8_t *bytes;       /* lent memory; NULL for a device */
    uint64_t offset;      /* lent memory: as vm_fill counts */
    struct foreign *next; /* lent memory: the next one by offset */
};

/* ---- The table ------------------------------------------------------------------------------- */

void foreigns_fini(struct foreigns *f)
{
    free(f->rows);
    *f = (struct foreigns){0};
}

bool foreigns_reserve(struct foreigns *f, size_t count)
{
    struct foreign_row *rows;

    if (count <= f->cap)
        return true;
    rows = realloc(f->rows, 2 * count * sizeof *rows);
    if (!rows)
        return false;
    f->rows = rows;
    f->cap = 2 * count;
    return true;
}

/* The number of rows that start at or below addr. */
static size_t rows_up_to(const struct foreigns *f, gva_t addr)
{
    size_t low = 0, high = f->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (f->rows[middle].base <= addr)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void foreigns_insert(struct foreigns *f, struct foreign_row row)
{
    size_t at = rows_up_to(f, row.base);

    memmove(f->rows + at + 1, f->rows + at, (f->count - at) * sizeof *f->rows);
    f->rows[at] = row;
    f->count++;
    f->devices += foreign_is_device(row.memory);
}

void foreigns_remove(struct vm *vm, gva_t base)
{
    struct foreigns *f = &vm->foreign;
    size_t at = rows_up_to(f, base) - 1;
    struct foreign *memory = f->rows[at].memory;

    f->count--;
    f->devices -= foreign_is_device(memory);
    memmove(f->rows + at, f->rows + at + 1, (f->count - at) * sizeof *f->rows);
    foreign_unref(vm, memory);
}

const struct foreign_row *foreigns_find(const struct foreigns *f, gva_t addr)
{
    size_t n = rows_up_to(f, addr);

    return n && addr - f->rows[n - 1].base < f->rows[n - 1].size ? &f->rows[n - 1] : NULL;
}

bool foreigns_valid(const struct vm *vm)
{
    const struct foreigns *f = &vm->foreign;
    size_t flagged = 0;

    for (size_t i = 0; i < f->count; i++) {
        const struct foreign_row *row = &f->rows[i];
        const struct allocation *a = allocs_find(&vm->allocs, row->base);

        if (!a || !a->foreign || a->base != row->base || a->end - a->base != row->size ||
            row->skip > row->memory->size || row->memory->size - row->skip < row->size)
            return false;
    }
    for (const struct allocation *a = allocs_above(&vm->allocs, 0); a;
         a = allocs_above(&vm->allocs, a->base))
        flagged += a->foreign;
    return flagged == f->count;
}

/* ---- References ------------------------------------------------------------------------------ */

struct foreign *foreign_ref(struct foreign *m)
{
    m->refs++;
    return m;
}

/* Nobody sees this lent memory any more. */
static void take_back(struct vm *vm, struct foreign *m)
{
    struct foreign **link = &vm->physical->lent;

    while (*link != m)
        link = &(*link)->next;
    *link = m->next;
    physical_lent_gone(vm->physical, m->offset, m->size);
}

void foreign_unref(struct vm *vm, struct foreign *m)
{
    if (--m->refs)
        return;
    if (m->bytes)
        take_back(vm, m);
    else if (m->device.gone)
        m->device.gone(m->device.ctx);
    free(m);
}

bool foreign_is_device(const struct foreign *m)
{
    return !m->bytes;
}

uint8_t *foreign_bytes(const struct foreigns *f, gva_t addr, uint64_t *offset)
{
    const struct foreign_row *row = f->count ? foreigns_find(f, addr) : NULL;

    if (!row || !row->memory->bytes)
        return NULL;
    *offset = row->memory->offset + row->skip + (addr - row->base);
    return row->memory->bytes + row->skip + (addr - row->base);
}

/* ---- Mapping --------------------------------------------------------------------------------- */

/* Where foreign memory is asked to go, and what it looks like there. */
struct wish {
    gva_t base;
    uint64_t size;
    uint32_t protect;
    const char *label;
    uint64_t skip;
};

/* Where it goes. */
static nt_status place(const struct vm *vm, const struct wish *w, struct range *out)
{
    struct vm_request req = {.size = w->size, .type = MEM_RESERVE};
    nt_status st = STATUS_SUCCESS;

    *out = (struct range){w->base, w->base + w->size};
    if (w->base % VM_GRANULARITY)
        return STATUS_MAPPED_ALIGNMENT;
    if (!w->size || w->size % VM_PAGE_SIZE || w->base >= vm->allocs.limit ||
        w->size > vm->allocs.limit - w->base)
        return STATUS_INVALID_PARAMETER;
    if (!w->base)
        st = vm_find_free(vm, &req, &out->start);
    else if (w->base < VM_LOWEST || !allocs_is_free(&vm->allocs, out->start, out->end))
        st = STATUS_CONFLICTING_ADDRESSES;
    out->end = out->start + w->size;
    if (st == STATUS_SUCCESS && !physical_may_commit(vm->physical, w->size))
        st = STATUS_COMMITMENT_LIMIT;
    return st;
}

/* Enter the allocation that shows memory, whose reference it takes over on success. */
static nt_status show(struct vm *vm, const struct wish *w, struct foreign *memory, gva_t *out)
{
    struct allocation *a;
    struct range r;
    nt_status st = place(vm, w, &r);

    if (st != STATUS_SUCCESS)
        return st;
    if (!foreigns_reserve(&vm->foreign, vm->foreign.count + 1))
        return STATUS_NO_MEMORY;
    a = space_new_allocation(vm, r, w->label);
    if (!a)
        return STATUS_NO_MEMORY;
    a->type = MEM_MAPPED;
    a->foreign = true;
    a->protect = (uint16_t)w->protect;
    runs_first(&a->runs)->protect = w->protect;
    foreigns_insert(&vm->foreign, (struct foreign_row){r.start, w->size, memory, w->skip});
    space_enter(vm, a);
    space_changed(vm);
    if (out)
        *out = r.start;
    return STATUS_SUCCESS;
}

nt_status vm_map_device(struct vm *vm, gva_t base, uint64_t size, const struct vm_device *device,
                        const char *label, gva_t *out)
{
    uint32_t access = device->write ? PAGE_READWRITE : PAGE_READONLY;
    struct wish w = {base, size, access | PAGE_NOCACHE, label, 0};
    struct foreign *m;
    nt_status st;

    if (!device->read && !device->write)
        return STATUS_INVALID_PARAMETER;
    m = calloc(1, sizeof *m);
    if (!m)
        return STATUS_NO_MEMORY;
    *m = (struct foreign){.refs = 1, .size = size, .device = *device};
    st = show(vm, &w, m, out);
    if (st != STATUS_SUCCESS)
        free(m);
    LOG(vm, "map device %s at 0x%" PRIx64 "+0x%" PRIx64 " -> %s", label ? label : "", base, size,
        nt_text(st));
    return st;
}

/* Enter m into the list of lent memory at the lowest free offset; false when there is none. */
static bool lend(struct vm *vm, struct foreign *m)
{
    uint64_t start = (uint64_t)vm->physical->frames.limit * FRAME_SIZE;
    uint64_t end = start + VM_LENT_SPACE;
    struct foreign **link = &vm->physical->lent;

    m->offset = start;
    for (; *link && (*link)->offset - m->offset < m->size; link = &(*link)->next)
        m->offset = (*link)->offset + (*link)->size;
    if (m->size > end - m->offset)
        return false;
    m->next = *link;
    *link = m;
    return true;
}

/*
 * One byte has one offset, or translated code would be missed by stores through another: the memory that holds
 * [bytes, bytes + size) already, with one more reference, or new memory, NULL when there is no room for it.
 */
static nt_status find_lent(struct vm *vm, uint8_t *bytes, uint64_t size, struct foreign **out)
{
    uintptr_t start = (uintptr_t)bytes;

    for (struct foreign *m = vm->physical->lent; m; m = m->next) {
        uintptr_t at = (uintptr_t)m->bytes;

        if (start - at < m->size && size <= m->size - (start - at)) {
            *out = foreign_ref(m);
            return STATUS_SUCCESS;
        }
        if (start - at < m->size || at - start < size)
            return STATUS_CONFLICTING_ADDRESSES;
    }
    *out = calloc(1, sizeof **out);
    if (!*out)
        return STATUS_NO_MEMORY;
    **out = (struct foreign){.refs = 1, .size = size, .bytes = bytes};
    if (lend(vm, *out))
        return STATUS_SUCCESS;
    free(*out);
    return STATUS_NO_MEMORY;
}

nt_status vm_map_host(struct vm *vm, gva_t base, uint64_t size, void *memory, uint32_t protect,
                      const char *label, gva_t *out)
{
    struct wish w = {base, size, protection_value(protect), label, 0};
    struct foreign *m;
    nt_status st;

    if (!protection_valid(protect, true) || protection_is_copy(protect))
        return STATUS_INVALID_PAGE_PROTECTION;
    if (!memory || !size || (uintptr_t)memory % VM_PAGE_SIZE || size % VM_PAGE_SIZE)
        return STATUS_INVALID_PARAMETER;
    st = find_lent(vm, memory, size, &m);
    if (st == STATUS_SUCCESS) {
        w.skip = (uintptr_t)memory - (uintptr_t)m->bytes;
        st = show(vm, &w, m, out);
        if (st != STATUS_SUCCESS)
            foreign_unref(vm, m);
    }
    LOG(vm, "map host memory %s at 0x%" PRIx64 "+0x%" PRIx64 " -> %s", label ? label : "", base,
        size, nt_text(st));
    return st;
}

/* ---- Asking ---------------------------------------------------------------------------------- */

/* The device at addr; *len is cut to what lies inside it. */
static const struct foreign_row *device_at(const struct vm *vm, gva_t addr, size_t *len)
{
    const struct foreign_row *row = foreigns_find(&vm->foreign, addr);
    uint64_t room;

    if (!row || !foreign_is_device(row->memory))
        return NULL;
    room = row->size - (addr - row->base);
    *len = *len < room ? *len : (size_t)room;
    return row;
}

size_t vm_device_read(const struct vm *vm, gva_t addr, void *dst, size_t len)
{
    const struct foreign_row *row = device_at(vm, addr, &len);
    struct vm_device d;

    if (!row || !row->memory->device.read || !len)
        return 0;
    d = row->memory->device;
    return d.read(d.ctx, addr - row->base, dst, len) ? len : 0;
}

size_t vm_device_write(const struct vm *vm, gva_t addr, const void *src, size_t len)
{
    const struct foreign_row *row = device_at(vm, addr, &len);
    struct vm_device d;

    if (!row || !row->memory->device.write || !len)
        return 0;
    d = row->memory->device;
    return d.write(d.ctx, addr - row->base, src, len) ? len : 0;
}

bool vm_has_devices(const struct vm *vm)
{
    return vm->foreign.devices > 0;
}

bool vm_lent_is_gone(const struct vm *vm, const void *memory, uint64_t size)
{
    uintptr_t start = (uintptr_t)memory;

    for (const struct foreign *m = vm->physical->lent; m; m = m->next) {
        uintptr_t at = (uintptr_t)m->bytes;

        if (at < start + size && start < at + m->size)
            return false;
    }
    return true;
}

void vm_lent_changed(struct vm *vm, gva_t addr, uint64_t size)
{
    gva_t limit = vm->allocs.limit;
    gva_t end = addr < limit && size < limit - addr ? addr + size : limit;
    uint64_t offset;

    for (gva_t page = page_down(addr); page < end; page += VM_PAGE_SIZE) {
        if (foreign_bytes(&vm->foreign, page, &offset))
            physical_bytes_changed(vm->physical, offset);
    }
}

bool vm_lent_at(const struct vm *vm, uint64_t offset, struct vm_lent *out)
{
    for (const struct foreign *m = vm->physical->lent; m; m = m->next) {
        if (offset - m->offset < m->size) {
            *out = (struct vm_lent){m->offset, m->size, m->bytes};
            return true;
        }
    }
    return false;
}
