/*
 * The tables that code walks to find modules and functions by itself, as they lie in the guest's memory: PEB, loader
 * data, export directories. Nothing in them is trusted. Offsets are layout.h's; export directories follow Microsoft's
 * "PE Format".
 */
#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "image/pe_format.h"
#include "nt/layout.h"
#include "nt/parts.h"
#include "winstub/bytes.h"

#define ENTRIES_MAX 4096 /* of a loader list that may be a ring without end */

typedef void table_fn(void *ctx, const struct process_table *table);

struct walk {
    const struct process *p;
    table_fn *fn;
    void *ctx;
};

/* Tell of a table; "" is nobody's. */
static void tell(const struct walk *w, enum process_table_kind kind, gva_t addr, uint64_t len,
                 const char *module)
{
    struct process_table table = {.kind = kind, .addr = addr, .len = len};

    if (!len || addr + len < addr)
        return;
    for (size_t i = 0; i + 1 < sizeof table.module && module[i]; i++)
        table.module[i] = isprint((unsigned char)module[i]) ? module[i] : '?';
    w->fn(w->ctx, &table);
}

/* ---- Loader data ------------------------------------------------------------------------------ */

/* The name of the module that a loader entry is about: the list's, not the entry's own, which is the guest's. */
static const char *entry_module(const struct process *p, gva_t entry)
{
    uint64_t base = 0;

    (void)nt_read(p->vm, p->arch, entry, NT_ENTRY_BASE, &base);
    for (size_t i = 0; i < p->module_count; i++) {
        if (p->modules[i].info.base == base)
            return p->modules[i].name;
    }
    return "an unknown module";
}

/* A UNICODE_STRING's text. */
static void walk_name(const struct walk *w, gva_t string, const char *module)
{
    uint64_t length = 0, text = 0;

    if (nt_read(w->p->vm, w->p->arch, string, NT_STRING_LENGTH, &length) &&
        nt_read(w->p->vm, w->p->arch, string, NT_STRING_BUFFER, &text))
        tell(w, PROCESS_TABLE_ENTRY_NAME, text, length, module);
}

static void walk_loader(const struct walk *w)
{
    const enum cpu_arch arch = w->p->arch;
    uint64_t ldr = 0, entry = 0;
    gva_t head;

    if (!nt_read(w->p->vm, arch, w->p->peb, NT_PEB_LDR, &ldr) || !ldr)
        return;
    tell(w, PROCESS_TABLE_LDR, ldr, nt_size(arch, NT_STRUCT_LDR), "");
    head = ldr + nt_offset(arch, NT_LDR_LOAD_ORDER);
    for (int i = 0; i < ENTRIES_MAX; i++) {
        uint8_t raw[8] = {0};
        const char *module;

        if (vm_debug_read(w->p->vm, i ? entry : head, raw, nt_pointer(arch)) != nt_pointer(arch))
            return;
        entry = get_u64(raw); /* the links stand first in an entry */
        if (!entry || entry == head)
            return;
        module = entry_module(w->p, entry);
        tell(w, PROCESS_TABLE_ENTRY, entry, nt_size(arch, NT_STRUCT_ENTRY), module);
        walk_name(w, entry + nt_offset(arch, NT_ENTRY_BASE_NAME), module);
    }
}

/* ---- Export directories ----------------------------------------------------------------------- */

static void walk_exports(const struct walk *w, const struct module *m)
{
    uint8_t dir[EXPORT_DIR_SIZE];
    uint64_t functions, names;
    uint32_t rva, size;
    gva_t at;

    if (!exports_directory(w->p, &m->info, &rva, &size))
        return;
    at = m->info.base + rva;
    if (vm_debug_read(w->p->vm, at, dir, sizeof dir) != sizeof dir)
        return;
    functions = get_u32(dir + EXPORT_FUNCTION_COUNT);
    names = get_u32(dir + EXPORT_NAME_COUNT);
    if (functions > EXPORT_COUNT_MAX || names > EXPORT_COUNT_MAX)
        return;
    tell(w, PROCESS_TABLE_EXPORTS, at, sizeof dir, m->name);
    tell(w, PROCESS_TABLE_EXPORT_FUNCTIONS, m->info.base + get_u32(dir + EXPORT_FUNCTIONS),
         4 * functions, m->name);
    tell(w, PROCESS_TABLE_EXPORT_NAMES, m->info.base + get_u32(dir + EXPORT_NAMES), 4 * names,
         m->name);
    tell(w, PROCESS_TABLE_EXPORT_ORDINALS, m->info.base + get_u32(dir + EXPORT_NAME_ORDINALS),
         2 * names, m->name);
}

void process_tables(const struct process *p, table_fn *fn, void *ctx)
{
    const struct walk w = {p, fn, ctx};

    tell(&w, PROCESS_TABLE_PEB, p->peb, nt_size(p->arch, NT_STRUCT_PEB), "");
    walk_loader(&w);
    for (size_t i = 0; i < p->module_count; i++)
        walk_exports(&w, &p->modules[i]);
}

/* ---- Names ------------------------------------------------------------------------------------ */

struct member {
    enum nt_field field;
    const char *name; /* as the headers call it */
    uint8_t pointers; /* its size in pointers; 0: nt_width's */
};

static const struct member peb_members[] = {
    {NT_PEB_BEING_DEBUGGED, "BeingDebugged", 0},
    {NT_PEB_IMAGE_BASE, "ImageBaseAddress", 0},
    {NT_PEB_LDR, "Ldr", 0},
    {NT_PEB_PARAMETERS, "ProcessParameters", 0},
    {NT_PEB_PROCESS_HEAP, "ProcessHeap", 0},
    {NT_PEB_API_SET, "ApiSetMap", 0},
    {NT_PEB_PROCESSORS, "NumberOfProcessors", 0},
    {NT_PEB_GLOBAL_FLAG, "NtGlobalFlag", 0},
    {NT_PEB_HEAPS, "ProcessHeaps", 0},
    {NT_PEB_OS_MAJOR, "OSMajorVersion", 0},
    {NT_PEB_OS_MINOR, "OSMinorVersion", 0},
    {NT_PEB_OS_BUILD, "OSBuildNumber", 0},
    {NT_PEB_OS_PLATFORM, "OSPlatformId", 0},
    {NT_PEB_SESSION, "SessionId", 0},
};
static const struct member ldr_members[] = {
    {NT_LDR_LOAD_ORDER, "InLoadOrderModuleList", 2},
    {NT_LDR_MEMORY_ORDER, "InMemoryOrderModuleList", 2},
    {NT_LDR_INIT_ORDER, "InInitializationOrderModuleList", 2},
};
static const struct member entry_members[] = {
    {NT_ENTRY_LOAD_ORDER, "InLoadOrderLinks", 2},
    {NT_ENTRY_MEMORY_ORDER, "InMemoryOrderLinks", 2},
    {NT_ENTRY_INIT_ORDER, "InInitializationOrderLinks", 2},
    {NT_ENTRY_BASE, "DllBase", 0},
    {NT_ENTRY_POINT, "EntryPoint", 0},
    {NT_ENTRY_IMAGE_SIZE, "SizeOfImage", 0},
    {NT_ENTRY_FULL_NAME, "FullDllName", 2},
    {NT_ENTRY_BASE_NAME, "BaseDllName", 2},
};
static const char *const export_members[] = {
    "Characteristics",
    "TimeDateStamp",
    "Version",
    "Name",
    "Base",
    "NumberOfFunctions",
    "NumberOfNames",
    "AddressOfFunctions",
    "AddressOfNames",
    "AddressOfNameOrdinals",
};

static void name_member(enum cpu_arch arch, const struct member *members, size_t count,
                        uint64_t offset, struct buf *out)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t size = members[i].pointers ? members[i].pointers * nt_pointer(arch)
                                            : nt_width(arch, members[i].field);

        if (offset - nt_offset(arch, members[i].field) < size) {
            (void)buf_printf(out, ".%s", members[i].name);
            return;
        }
    }
    (void)buf_printf(out, "+0x%" PRIx64, offset);
}

#define NAME_MEMBER(arch, members, offset, out)                                                    \
    name_member(arch, members, sizeof members / sizeof *members, offset, out)

void process_table_text(const struct process *p, const struct process_table *t, gva_t addr,
                        struct buf *out)
{
    uint64_t offset = addr - t->addr;

    switch (t->kind) {
    case PROCESS_TABLE_PEB:
        (void)buf_text(out, "PEB");
        NAME_MEMBER(p->arch, peb_members, offset, out);
        break;
    case PROCESS_TABLE_LDR:
        (void)buf_text(out, "PEB_LDR_DATA");
        NAME_MEMBER(p->arch, ldr_members, offset, out);
        break;
    case PROCESS_TABLE_ENTRY:
        (void)buf_printf(out, "loader entry of %s", t->module);
        NAME_MEMBER(p->arch, entry_members, offset, out);
        break;
    case PROCESS_TABLE_ENTRY_NAME:
        (void)buf_printf(out, "name in the loader entry of %s", t->module);
        break;
    case PROCESS_TABLE_EXPORTS:
        (void)buf_printf(out, "%s export directory.%s", t->module, export_members[offset / 4 % 10]);
        break;
    case PROCESS_TABLE_EXPORT_FUNCTIONS:
        (void)buf_printf(out, "%s export addresses, %" PRIu64 " functions", t->module, t->len / 4);
        break;
    case PROCESS_TABLE_EXPORT_NAMES:
        (void)buf_printf(out, "%s export names, %" PRIu64 " names", t->module, t->len / 4);
        break;
    case PROCESS_TABLE_EXPORT_ORDINALS:
        (void)buf_printf(out, "%s export ordinals, %" PRIu64 " names", t->module, t->len / 2);
        break;
    }
}
