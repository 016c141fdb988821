/*
 * What the modules of a running process export, read from the guest's own memory: a module that was mapped a moment
 * ago, or that the guest has changed, shows what is there. The bytes are not trusted. Follows Microsoft's "PE Format".
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "image/pe_format.h"
#include "nt/parts.h"
#include "winstub/bytes.h"
#include "winstub/log.h"

#define MODULE_MAX   (256u << 20) /* bytes of an image whose exports are read */
#define FORWARDS_MAX 8            /* from one forwarder to the next */

bool exports_directory(const struct process *p, const struct process_module *m, uint32_t *rva,
                       uint32_t *size)
{
    uint8_t raw[8];
    gva_t optional;
    uint16_t magic;

    if (vm_debug_read(p->vm, m->base + 0x3c, raw, 4) != 4 || get_u32(raw) >= m->size)
        return false;
    optional = m->base + get_u32(raw) + 0x18;
    if (vm_debug_read(p->vm, optional, raw, 2) != 2)
        return false;
    magic = get_u16(raw);
    optional += opt_dir_count(magic == OPT_MAGIC_PE32PLUS ? CPU_AMD64 : CPU_I386) + 4;
    if (vm_debug_read(p->vm, optional, raw, sizeof raw) != sizeof raw)
        return false;
    *rva = get_u32(raw);
    *size = get_u32(raw + 4);
    return *rva && *rva < m->size;
}

/* The module's bytes as the guest sees them, pages that are not there as zeros. NULL: no memory. */
static uint8_t *read_module(const struct process *p, const struct process_module *m)
{
    uint8_t *bytes = calloc(1, (size_t)m->size);

    for (uint64_t at = 0; bytes && at < m->size;) {
        size_t got = vm_debug_read(p->vm, m->base + at, bytes + at, (size_t)(m->size - at));

        at = (at + got + VM_PAGE_SIZE) & ~(uint64_t)(VM_PAGE_SIZE - 1);
    }
    return bytes;
}

struct export_walk {
    gva_t base;
    process_export_fn *fn;
    void *ctx;
};

static bool on_export(void *ctx, const struct pe_export *export)
{
    const struct export_walk *w = ctx;
    const struct process_export out = {.name = export->name,
                                       .ordinal = export->ordinal,
                                       .addr = export->rva ? w->base + export->rva : 0,
                                       .forwarder = export->forwarder};

    return w->fn(w->ctx, &out);
}

enum err process_exports(const struct process *p, size_t i, process_export_fn *fn, void *ctx)
{
    const struct process_module *m = process_module(p, i);
    struct export_walk walk = {m ? m->base : 0, fn, ctx};
    struct pe_image image = {.arch = p->arch};
    struct pe_dir *dir = &image.dirs[DIR_EXPORT];
    struct bytes mapped;
    struct diag why;
    uint8_t *bytes;

    if (!m)
        return ERR_RANGE;
    if (m->size > MODULE_MAX || !exports_directory(p, m, &dir->rva, &dir->size))
        return ERR_OK;
    bytes = read_module(p, m);
    if (!bytes)
        return ERR_NOMEM;
    mapped = (struct bytes){bytes, (size_t)m->size};
    if (pe_exports(&image, mapped, on_export, &walk, &why))
        LOG(pe, "%s: %s; what comes behind is not listed", m->name, why.text);
    free(bytes);
    return ERR_OK;
}

/* ---- Forwarders ------------------------------------------------------------------------------- */

struct export_search {
    const char *name;
    uint32_t ordinal; /* when name is NULL */
    gva_t addr;
    char forwarder[300]; /* "" unless the function is one; longer ones lead nowhere */
};

static bool on_candidate(void *ctx, const struct process_export *export)
{
    struct export_search *s = ctx;
    bool same = s->name ? export->name && strcmp(export->name, s->name) == 0
                        : export->ordinal == s->ordinal;

    if (!same)
        return true;
    s->addr = export->addr;
    if (export->forwarder && strlen(export->forwarder) < sizeof s->forwarder)
        memcpy(s->forwarder, export->forwarder, strlen(export->forwarder) + 1);
    return false;
}

/* The module called name, of that length, with or without ".dll"; SIZE_MAX when there is none. */
static size_t module_called(const struct process *p, const char *name, size_t len)
{
    for (size_t i = 0; i < p->module_count; i++) {
        const char *own = p->modules[i].name;

        if (strncasecmp(own, name, len) == 0 && (!own[len] || strcasecmp(own + len, ".dll") == 0))
            return i;
    }
    return SIZE_MAX;
}

gva_t process_forwarded(const struct process *p, const char *forwarder)
{
    char at[300];

    if (strlen(forwarder) >= sizeof at)
        return 0;
    memcpy(at, forwarder, strlen(forwarder) + 1);
    for (int i = 0; i < FORWARDS_MAX; i++) {
        const char *dot = strrchr(at, '.');
        size_t module = dot ? module_called(p, at, (size_t)(dot - at)) : SIZE_MAX;
        struct export_search search = {.name = dot ? dot + 1 : NULL};

        if (module == SIZE_MAX)
            return 0;
        if (dot[1] == '#') {
            search.name = NULL;
            search.ordinal = (uint32_t)strtoul(dot + 2, NULL, 10);
        }
        if (process_exports(p, module, on_candidate, &search) || !search.forwarder[0])
            return search.addr;
        memcpy(at, search.forwarder, sizeof at);
    }
    return 0;
}
