/* Names for addresses: modules, their stubs, and labels of allocations. */
#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "image/pe_build.h"
#include "nt/parts.h"

const struct module *modules_at(const struct process *p, gva_t addr)
{
    for (size_t i = 0; i < p->module_count; i++) {
        if (addr - p->modules[i].info.base < p->modules[i].info.size)
            return &p->modules[i];
    }
    return NULL;
}

/* The stub of m that holds addr, which lies `*offset` bytes into it; NULL when none does. */
static const struct stub *stub_at(const struct module *m, gva_t addr, uint64_t *offset)
{
    uint64_t distance = addr - m->stubs_at;

    *offset = distance % PE_STUB_SIZE;
    return distance / PE_STUB_SIZE < m->stub_count ? &m->stubs[distance / PE_STUB_SIZE] : NULL;
}

/* Append text from the image, which may be anything; what does not print becomes '?'. */
static void append_clean(struct buf *out, const char *text)
{
    for (; *text; text++)
        (void)buf_byte(out, isprint((unsigned char)*text) ? (uint8_t)*text : '?');
}

/* "KERNEL32!CreateFileA", "WS2_32!#115". */
static void append_stub(struct buf *out, const struct module *m, const struct stub *stub)
{
    size_t len = strlen(m->name), start = out->len;

    if (len > 4 && strcmp(m->name + len - 4, ".dll") == 0)
        len -= 4;
    append_clean(out, m->name);
    if (out->failed)
        return;
    out->len = start + len;
    for (size_t i = start; i < out->len; i++)
        out->data[i] = (uint8_t)toupper(out->data[i]);
    if (stub->name) {
        (void)buf_byte(out, '!');
        append_clean(out, buf_str(&m->names) + stub->name);
    } else {
        (void)buf_printf(out, "!#%u", stub->ordinal);
    }
}

bool process_import_at(const struct process *p, gva_t addr, struct buf *name)
{
    const struct module *m = modules_at(p, addr);
    uint64_t offset = 0;
    const struct stub *stub = m ? stub_at(m, addr, &offset) : NULL;

    if (!stub || offset)
        return false;
    append_stub(name, m, stub);
    return true;
}

bool process_is_exit(const struct process *p, gva_t addr)
{
    return addr == p->exit_stub;
}

void process_where(const struct process *p, gva_t addr, struct buf *out)
{
    const struct module *m = modules_at(p, addr);
    uint64_t offset = 0;
    const struct stub *stub = m ? stub_at(m, addr, &offset) : NULL;
    struct vm_region region;

    if (stub) {
        append_stub(out, m, stub);
        if (offset)
            (void)buf_printf(out, "+0x%" PRIx64, offset);
    } else if (m) {
        append_clean(out, m->name);
        (void)buf_printf(out, "+0x%" PRIx64, addr - m->info.base);
    } else if (NT_SUCCESS(vm_query(p->vm, addr, &region)) && region.state != MEM_FREE) {
        append_clean(out, region.label);
    }
}
