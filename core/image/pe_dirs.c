/*
 * Following the directories of a mapped image: imports, exports, TLS callbacks. The bytes may come from
 * the guest's memory, changed since the image was parsed, so every offset, count and string is bounded
 * here, and every walk ends. Follows Microsoft's "PE Format"; where NT's loader is more lenient than
 * that document, the loader is followed and a comment says so.
 */
#include "image/pe_format.h"

#include <string.h>

enum {
    DLL_NAME_MAX = 255,
    SYMBOL_NAME_MAX = 4096,
    IMPORTS_MAX = 1 << 18, /* over all DLLs; tables that overlap could name far more */
    DESCRIPTOR_SIZE = 20,  /* IMAGE_IMPORT_DESCRIPTOR */
};

/* The NUL-terminated text at rva, of at most max bytes; NULL when it is longer or leaves the image. */
static const char *text_at(struct bytes mapped, uint64_t rva, size_t max)
{
    size_t room;

    if (rva >= mapped.len)
        return NULL;
    room = mapped.len - (size_t)rva;
    if (room > max + 1)
        room = max + 1;
    return memchr(mapped.data + rva, 0, room) ? (const char *)mapped.data + rva : NULL;
}

/* A pointer-sized number. */
static bool word_at(const struct pe_image *image, struct bytes mapped, uint64_t rva, uint64_t *out)
{
    uint32_t narrow = 0;

    if (image->arch == CPU_AMD64)
        return bytes_u64(mapped, rva, out);
    if (!bytes_u32(mapped, rva, &narrow))
        return false;
    *out = narrow;
    return true;
}

static unsigned word_size(const struct pe_image *image)
{
    return image->arch == CPU_AMD64 ? 8 : 4;
}

/* ---- Imports ---------------------------------------------------------------------------------- */

struct import_walk {
    const struct pe_image *image;
    struct bytes mapped;
    pe_import_fn *fn;
    void *ctx;
    struct diag *why;
    size_t count; /* reported so far */
    bool ended;   /* by the callback */
};

/* Report one entry of a lookup table. */
static enum err report_import(struct import_walk *w, const char *dll, uint64_t word, uint64_t slot)
{
    uint64_t by_ordinal = UINT64_C(1) << (8 * word_size(w->image) - 1);
    struct pe_import import = {.dll = dll, .slot_rva = (uint32_t)slot};

    if (w->count++ == IMPORTS_MAX)
        return diag_set(w->why, ERR_LIMIT, "the program imports more than %d functions",
                        IMPORTS_MAX);
    if (!bytes_has(w->mapped, slot, word_size(w->image)))
        return diag_set(w->why, ERR_FORMAT,
                        "the import address table of %s leaves the image at RVA 0x%" PRIx64, dll,
                        slot);
    if (word & by_ordinal) {
        import.ordinal = (uint16_t)word;
    } else {
        import.name = text_at(w->mapped, word + 2, SYMBOL_NAME_MAX);
        if (!import.name || !bytes_u16(w->mapped, word, &import.ordinal))
            return diag_set(w->why, ERR_FORMAT,
                            "an import from %s (slot at RVA 0x%" PRIx64
                            ") has its name at RVA 0x%" PRIx64
                            ", which holds no text inside the image",
                            dll, slot, word);
    }
    w->ended = !w->fn(w->ctx, &import);
    return ERR_OK;
}

/* The functions imported from one DLL: two parallel tables, the second is where addresses go. */
static enum err walk_dll(struct import_walk *w, const char *dll, uint32_t lookup, uint32_t slots)
{
    unsigned step = word_size(w->image);

    /* Linkers of old left the first table out, or something small in its place; so NT takes it: */
    if (lookup < w->image->headers_size || !bytes_has(w->mapped, lookup, step))
        lookup = slots;
    for (uint64_t i = 0; !w->ended; i += step) {
        uint64_t word = 0;
        enum err e;

        if (!word_at(w->image, w->mapped, lookup + i, &word))
            return diag_set(w->why, ERR_FORMAT,
                            "the import lookup table of %s at RVA 0x%x has no end inside the image",
                            dll, lookup);
        if (!word)
            break;
        e = report_import(w, dll, word, slots + i);
        if (e)
            return e;
    }
    return ERR_OK;
}

enum err pe_imports(const struct pe_image *image, struct bytes mapped, pe_import_fn *fn, void *ctx,
                    struct diag *why)
{
    struct import_walk w = {image, mapped, fn, ctx, why, 0, false};
    uint64_t at = image->dirs[DIR_IMPORT].rva;

    for (; at && !w.ended; at += DESCRIPTOR_SIZE) {
        struct bytes d = bytes_slice(mapped, at, DESCRIPTOR_SIZE);
        const char *dll;
        enum err e;

        if (!d.data)
            return diag_set(why, ERR_FORMAT,
                            "the import directory at RVA 0x%x has no end inside the image",
                            image->dirs[DIR_IMPORT].rva);
        if (!get_u32(d.data + 12) || !get_u32(d.data + 16))
            break; /* no name or no slots: the end, whatever the directory's size says */
        dll = text_at(mapped, get_u32(d.data + 12), DLL_NAME_MAX);
        if (!dll)
            return diag_set(why, ERR_FORMAT,
                            "the import descriptor at RVA 0x%" PRIx64
                            " has its DLL's name at RVA 0x%x, which holds no text inside the image",
                            at, get_u32(d.data + 12));
        e = walk_dll(&w, dll, get_u32(d.data), get_u32(d.data + 16));
        if (e)
            return e;
    }
    return ERR_OK;
}

/* ---- Exports ---------------------------------------------------------------------------------- */

struct export_walk {
    struct bytes mapped;
    struct pe_dir dir;
    uint32_t ordinal_base;
    uint32_t function_count;
    uint32_t name_count;
    const uint8_t *functions, *names, *name_ordinals; /* tables of that many entries */
    uint8_t named[EXPORT_COUNT_MAX / 8];              /* a bit for each function that has a name */
    pe_export_fn *fn;
    void *ctx;
    struct diag *why;
    bool ended;
};

/* A table of count entries of size bytes at rva; NULL sets *bad. */
static const uint8_t *table_at(struct bytes mapped, uint32_t rva, uint32_t count, unsigned size,
                               bool *bad)
{
    struct bytes table = bytes_slice(mapped, rva, (uint64_t)count * size);

    if (!table.data && count)
        *bad = true;
    return table.data;
}

static enum err open_exports(struct export_walk *w)
{
    struct bytes d = bytes_slice(w->mapped, w->dir.rva, EXPORT_DIR_SIZE);
    bool bad = false;

    if (!d.data)
        return diag_set(w->why, ERR_FORMAT,
                        "the export directory at RVA 0x%x leaves the image, which ends at 0x%zx",
                        w->dir.rva, w->mapped.len);
    w->ordinal_base = get_u32(d.data + EXPORT_BASE);
    w->function_count = get_u32(d.data + EXPORT_FUNCTION_COUNT);
    w->name_count = get_u32(d.data + EXPORT_NAME_COUNT);
    if (w->function_count > EXPORT_COUNT_MAX || w->name_count > EXPORT_COUNT_MAX)
        return diag_set(w->why, ERR_FORMAT,
                        "the export directory at RVA 0x%x counts 0x%x functions and 0x%x names; at "
                        "most 0x10000 can be told apart",
                        w->dir.rva, w->function_count, w->name_count);
    w->functions =
        table_at(w->mapped, get_u32(d.data + EXPORT_FUNCTIONS), w->function_count, 4, &bad);
    w->names = table_at(w->mapped, get_u32(d.data + EXPORT_NAMES), w->name_count, 4, &bad);
    w->name_ordinals =
        table_at(w->mapped, get_u32(d.data + EXPORT_NAME_ORDINALS), w->name_count, 2, &bad);
    if (bad)
        return diag_set(w->why, ERR_FORMAT,
                        "a table of the export directory at RVA 0x%x leaves the image, which ends "
                        "at 0x%zx",
                        w->dir.rva, w->mapped.len);
    return ERR_OK;
}

/* Report function index under name (NULL: none). An RVA inside the directory is the text of a forwarder. */
static enum err report_export(struct export_walk *w, uint32_t index, const char *name)
{
    struct pe_export export = {.name = name, .ordinal = w->ordinal_base + index};
    uint32_t rva = get_u32(w->functions + 4 * (size_t)index);

    if (!rva)
        return ERR_OK; /* an ordinal that is not in use */
    if (rva >= w->dir.rva && rva - w->dir.rva < w->dir.size) {
        export.forwarder = text_at(w->mapped, rva, SYMBOL_NAME_MAX);
        if (!export.forwarder)
            return diag_set(w->why, ERR_FORMAT,
                            "the forwarder of export ordinal %u at RVA 0x%x is no text inside the "
                            "image",
                            export.ordinal, rva);
    } else if (rva >= w->mapped.len) {
        return diag_set(w->why, ERR_FORMAT,
                        "export ordinal %u is at RVA 0x%x, past the image's end at 0x%zx",
                        export.ordinal, rva, w->mapped.len);
    } else {
        export.rva = rva;
    }
    w->ended = !w->fn(w->ctx, &export);
    return ERR_OK;
}

static enum err walk_names(struct export_walk *w)
{
    for (uint32_t i = 0; i < w->name_count && !w->ended; i++) {
        uint32_t rva = get_u32(w->names + 4 * (size_t)i);
        uint16_t index = get_u16(w->name_ordinals + 2 * (size_t)i);
        const char *name = text_at(w->mapped, rva, SYMBOL_NAME_MAX);
        enum err e;

        if (!name || index >= w->function_count)
            return diag_set(w->why, ERR_FORMAT,
                            "export name %u of %u (text at RVA 0x%x, function %u of %u) points "
                            "outside",
                            i, w->name_count, rva, index, w->function_count);
        w->named[index / 8] |= (uint8_t)(1u << index % 8);
        e = report_export(w, index, name);
        if (e)
            return e;
    }
    return ERR_OK;
}

static enum err walk_nameless(struct export_walk *w)
{
    for (uint32_t i = 0; i < w->function_count && !w->ended; i++) {
        enum err e;

        if (w->named[i / 8] & 1u << i % 8)
            continue;
        e = report_export(w, i, NULL);
        if (e)
            return e;
    }
    return ERR_OK;
}

enum err pe_exports(const struct pe_image *image, struct bytes mapped, pe_export_fn *fn, void *ctx,
                    struct diag *why)
{
    struct export_walk w = {
        .mapped = mapped, .dir = image->dirs[DIR_EXPORT], .fn = fn, .ctx = ctx, .why = why};
    enum err e;

    if (!w.dir.rva)
        return ERR_OK;
    e = open_exports(&w);
    if (e)
        return e;
    e = walk_names(&w);
    if (e)
        return e;
    return walk_nameless(&w);
}

/* ---- TLS -------------------------------------------------------------------------------------- */

size_t pe_tls_callbacks(const struct pe_image *image, struct bytes mapped, gva_t base,
                        uint32_t *rvas, size_t cap)
{
    const struct pe_dir *dir = &image->dirs[DIR_TLS];
    unsigned step = word_size(image);
    uint64_t list = 0, callback = 0;
    size_t count = 0;

    if (!dir->rva || !word_at(image, mapped, (uint64_t)dir->rva + 3 * step, &list) || !list)
        return 0;
    for (list -= base; list < mapped.len; list += step, count++) {
        if (!word_at(image, mapped, list, &callback))
            return 0;
        if (!callback)
            return count;
        if (callback - base >= mapped.len)
            return 0;
        if (count < cap)
            rvas[count] = (uint32_t)(callback - base);
    }
    return 0;
}
