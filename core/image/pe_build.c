/*
 * The bytes of a made-up DLL: headers, .text with one stub per export, .rdata with the export table.
 * Which functions there are and what reaching a stub means is decided elsewhere (core/nt). Follows
 * Microsoft's "PE Format"; names are sorted by byte value, as linkers leave them for binary search.
 */
#include "image/pe_build.h"

#include <stdlib.h>
#include <string.h>

#include "image/pe_format.h"

enum { LFANEW = 0x80, TEXT_RVA = 0x1000 };

/* Where the parts of .rdata are, as RVAs. The directory comes first. */
struct plan {
    const struct pe_dll_spec *spec;
    const struct pe_dll_export **by_name; /* the named exports, sorted */
    uint32_t *ordinals;                   /* of each export, in the caller's order */
    uint32_t ordinal_base;
    uint32_t name_count, function_count;
    uint32_t text_size, rdata_rva, functions, names, name_ordinals, strings, end;
};

static int compare_names(const void *a, const void *b)
{
    const struct pe_dll_export *const *left = a, *const *right = b;

    return strcmp((*left)->name, (*right)->name);
}

static int compare_numbers(const void *a, const void *b)
{
    const uint32_t *left = a, *right = b;

    return (*left > *right) - (*left < *right);
}

/* Is a number in the list twice? Sorts a copy; 0 repeats freely. */
static enum err check_distinct(const struct pe_dll_spec *spec)
{
    uint32_t *sorted = calloc(spec->export_count + 1, sizeof *sorted);
    enum err e = ERR_OK;

    if (!sorted)
        return ERR_NOMEM;
    for (size_t i = 0; i < spec->export_count; i++)
        sorted[i] = spec->exports[i].ordinal;
    qsort(sorted, spec->export_count, sizeof *sorted, compare_numbers);
    for (size_t i = 1; i < spec->export_count; i++) {
        if (sorted[i] && sorted[i] == sorted[i - 1])
            e = ERR_INVALID;
    }
    free(sorted);
    return e;
}

/* Give every export its ordinal; the function table covers the lowest to the highest. */
static enum err number_exports(struct plan *p)
{
    const struct pe_dll_spec *spec = p->spec;
    uint32_t lowest = PE_EXPORTS_MAX, highest = 0;

    for (size_t i = 0; i < spec->export_count; i++) {
        if (spec->exports[i].ordinal > highest)
            highest = spec->exports[i].ordinal;
    }
    for (size_t i = 0; i < spec->export_count; i++) {
        p->ordinals[i] = spec->exports[i].ordinal ? spec->exports[i].ordinal : ++highest;
        if (p->ordinals[i] < lowest)
            lowest = p->ordinals[i];
    }
    if (highest > PE_EXPORTS_MAX)
        return ERR_INVALID;
    p->ordinal_base = spec->export_count ? lowest : 1;
    p->function_count = spec->export_count ? highest - lowest + 1 : 0;
    return check_distinct(spec);
}

static void sort_names(struct plan *p)
{
    for (size_t i = 0; i < p->spec->export_count; i++) {
        if (p->spec->exports[i].name)
            p->by_name[p->name_count++] = &p->spec->exports[i];
    }
    if (p->name_count)
        qsort(p->by_name, p->name_count, sizeof *p->by_name, compare_names);
}

/* Fix every RVA. False when the image would pass the limit of any. */
static bool place_parts(struct plan *p)
{
    uint64_t size = round_up(PE_STUB_SIZE * (uint64_t)p->spec->export_count, VM_PAGE_SIZE);
    uint64_t strings = strlen(p->spec->name) + 1;

    if (!size)
        size = VM_PAGE_SIZE;
    for (uint32_t i = 0; i < p->name_count; i++)
        strings += strlen(p->by_name[i]->name) + 1;
    p->text_size = (uint32_t)size;
    p->rdata_rva = TEXT_RVA + p->text_size;
    p->functions = p->rdata_rva + EXPORT_DIR_SIZE;
    p->names = p->functions + 4 * p->function_count;
    p->name_ordinals = p->names + 4 * p->name_count;
    p->strings = p->name_ordinals + 2 * p->name_count;
    if (strings > PE_IMAGE_MAX - p->strings)
        return false;
    p->end = p->strings + (uint32_t)strings;
    return true;
}

static uint32_t image_size(const struct plan *p)
{
    return (uint32_t)round_up(p->end, VM_PAGE_SIZE);
}

static void write_optional_header(const struct plan *p, gva_t base, uint8_t *opt)
{
    bool wide = p->spec->arch == CPU_AMD64;
    size_t word = wide ? 8 : 4;
    uint8_t *reserves = opt + OPT_STACK_RESERVE;
    uint8_t *dirs = opt + opt_dir_count(p->spec->arch);

    put_u16(opt + OPT_MAGIC, wide ? OPT_MAGIC_PE32PLUS : OPT_MAGIC_PE32);
    put_u32(opt + OPT_SIZE_OF_CODE, p->text_size);
    put_u32(opt + OPT_BASE_OF_CODE, TEXT_RVA);
    put_u32(opt + opt_image_base(p->spec->arch), (uint32_t)base);
    if (wide)
        put_u64(opt + OPT64_IMAGE_BASE, base);
    put_u32(opt + OPT_SECTION_ALIGNMENT, VM_PAGE_SIZE);
    put_u32(opt + OPT_FILE_ALIGNMENT, VM_PAGE_SIZE);
    put_u16(opt + OPT_OS_VERSION, 10);
    put_u16(opt + OPT_SUBSYSTEM_VERSION, 10);
    put_u32(opt + OPT_IMAGE_SIZE, image_size(p));
    put_u32(opt + OPT_HEADERS_SIZE, TEXT_RVA);
    put_u16(opt + OPT_SUBSYSTEM, IMAGE_SUBSYSTEM_WINDOWS_CUI);
    put_u16(opt + OPT_DLL_CHARACTERISTICS,
            IMAGE_DLLCHARACTERISTICS_DYNAMIC_BASE | IMAGE_DLLCHARACTERISTICS_NX_COMPAT);
    put_u32(reserves, 0x40000);
    put_u32(reserves + word, 0x1000);
    put_u32(reserves + 2 * word, 0x100000);
    put_u32(reserves + 3 * word, 0x1000);
    put_u32(dirs, DIR_COUNT);
    put_u32(dirs + 4, p->rdata_rva);
    put_u32(dirs + 8, p->end - p->rdata_rva);
}

static void write_section(uint8_t *at, const char *name, uint32_t rva, uint32_t size,
                          uint32_t flags)
{
    uint32_t pages = (uint32_t)round_up(size, VM_PAGE_SIZE);

    memcpy(at, name, strlen(name));
    put_u32(at + 8, size);
    put_u32(at + SECTION_RVA, rva);
    put_u32(at + SECTION_FILE_SIZE, pages);
    put_u32(at + SECTION_FILE_OFFSET, rva);
    put_u32(at + SECTION_FLAGS, flags);
}

static void write_headers(const struct plan *p, gva_t base, uint8_t *image)
{
    bool wide = p->spec->arch == CPU_AMD64;
    uint32_t opt_size = opt_dir_count(p->spec->arch) + 4 + 8 * DIR_COUNT;
    uint8_t *nt = image + LFANEW;
    uint8_t *table = nt + NT_OPTIONAL + opt_size;

    put_u16(image, DOS_MAGIC);
    put_u16(image + DOS_E_LFARLC, DOS_HEADER_SIZE);
    put_u32(image + DOS_E_LFANEW, LFANEW);
    put_u32(nt, PE_SIGNATURE);
    put_u16(nt + NT_MACHINE, wide ? IMAGE_FILE_MACHINE_AMD64 : IMAGE_FILE_MACHINE_I386);
    put_u16(nt + NT_SECTION_COUNT, 2);
    put_u16(nt + NT_OPTIONAL_SIZE, (uint16_t)opt_size);
    put_u16(nt + NT_CHARACTERISTICS,
            (uint16_t)(IMAGE_FILE_EXECUTABLE_IMAGE | IMAGE_FILE_DLL |
                       (wide ? IMAGE_FILE_LARGE_ADDRESS_AWARE : IMAGE_FILE_32BIT_MACHINE)));
    write_optional_header(p, base, nt + NT_OPTIONAL);
    write_section(table, ".text", TEXT_RVA, p->text_size,
                  IMAGE_SCN_CNT_CODE | IMAGE_SCN_MEM_EXECUTE | IMAGE_SCN_MEM_READ);
    write_section(table + SECTION_HEADER_SIZE, ".rdata", p->rdata_rva, p->end - p->rdata_rva,
                  IMAGE_SCN_CNT_INITIALIZED_DATA | IMAGE_SCN_MEM_READ);
}

/* Every stub returns at once; int3 fills the space behind it. */
static void write_stubs(const struct plan *p, uint8_t *image)
{
    memset(image + TEXT_RVA, 0xCC, p->text_size);
    for (size_t i = 0; i < p->spec->export_count; i++)
        image[TEXT_RVA + PE_STUB_SIZE * i] = 0xC3;
}

static void write_exports(const struct plan *p, uint8_t *image)
{
    uint8_t *dir = image + p->rdata_rva;
    uint32_t string = p->strings;
    size_t len = strlen(p->spec->name) + 1;

    put_u32(dir + EXPORT_NAME, string);
    put_u32(dir + EXPORT_BASE, p->ordinal_base);
    put_u32(dir + EXPORT_FUNCTION_COUNT, p->function_count);
    put_u32(dir + EXPORT_NAME_COUNT, p->name_count);
    put_u32(dir + EXPORT_FUNCTIONS, p->functions);
    put_u32(dir + EXPORT_NAMES, p->names);
    put_u32(dir + EXPORT_NAME_ORDINALS, p->name_ordinals);
    memcpy(image + string, p->spec->name, len);
    string += (uint32_t)len;
    for (size_t i = 0; i < p->spec->export_count; i++)
        put_u32(image + p->functions + 4 * (p->ordinals[i] - p->ordinal_base),
                TEXT_RVA + PE_STUB_SIZE * (uint32_t)i);
    for (uint32_t i = 0; i < p->name_count; i++) {
        size_t index = (size_t)(p->by_name[i] - p->spec->exports);

        len = strlen(p->by_name[i]->name) + 1;
        put_u32(image + p->names + 4 * i, string);
        put_u16(image + p->name_ordinals + 2 * i, (uint16_t)(p->ordinals[index] - p->ordinal_base));
        memcpy(image + string, p->by_name[i]->name, len);
        string += (uint32_t)len;
    }
}

enum err pe_build_dll(const struct pe_dll_spec *spec, gva_t base, struct buf *mapped,
                      struct pe_built *out)
{
    struct plan p = {.spec = spec};
    uint8_t *image;
    enum err e = ERR_NOMEM;

    if (spec->export_count > PE_EXPORTS_MAX)
        return ERR_INVALID;
    p.by_name = calloc(spec->export_count + 1, sizeof *p.by_name);
    p.ordinals = calloc(spec->export_count + 1, sizeof *p.ordinals);
    if (!p.by_name || !p.ordinals)
        goto out;
    e = number_exports(&p);
    if (e)
        goto out;
    sort_names(&p);
    e = ERR_NOMEM;
    if (!place_parts(&p))
        goto out;
    image = buf_extend(mapped, image_size(&p));
    if (!image)
        goto out;
    write_headers(&p, base, image);
    write_stubs(&p, image);
    write_exports(&p, image);
    *out = (struct pe_built){.text_rva = TEXT_RVA, .image_size = image_size(&p)};
    e = ERR_OK;
out:
    free(p.ordinals);
    free(p.by_name);
    return e;
}
