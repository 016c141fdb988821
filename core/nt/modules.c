/*
 * Bare mode's DLLs: what the program imports, and the well-known names beside it, become the exports of made-up
 * images that the loader lists show like real ones. Each export is a stub where the CPU stops. What
 * stopping there means is decided by core/run; the bytes of an image are core/image/pe_build.c's.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image/pe_build.h"
#include "image/pe_format.h"
#include "nt/names.h"
#include "nt/parts.h"
#include "nt/text.h"

#define DLL_COUNT_MAX   512u
#define IMAGE_BYTES_MAX (64u << 20)
#define NAMES_BYTES_MAX (32u << 20)
#define NO_SLOT         UINT32_MAX
#define SYSTEM_FOLDER   "C:\\Windows\\System32\\"

/* The instruction of a stub that pops its arguments. */
enum { RET_N = 0xc2 };

/* One function that a DLL must export, and where its address goes. */
struct need {
    uint32_t name; /* offset in names; 0: by ordinal */
    uint16_t ordinal;
    uint8_t args;
    uint32_t slot; /* RVA of the program's import address; NO_SLOT: only listed */
};

/* A DLL while its exports are collected. */
struct dll {
    char *name; /* as the loader lists spell it */
    struct buf names;
    struct need *needs;
    size_t count, cap;
};

struct gather {
    struct process *p;
    struct dll *dlls;
    size_t count;
    size_t name_bytes;
    const char *last_name; /* imports come DLL by DLL: the one before, */
    size_t last;           /* and which it is */
    struct diag *why;
    enum err failed;
};

static enum err no_memory(struct diag *why)
{
    return diag_set(why, ERR_NOMEM, "the host is out of memory");
}

/* ---- Collecting ------------------------------------------------------------------------------- */

/* The DLL that Windows 10 puts behind an API set name; any other name is returned as it is. */
static const char *resolve_api_set(const char *name)
{
    static const struct {
        const char *prefix, *host;
    } sets[] = {
        {"api-ms-win-crt-", "ucrtbase.dll"},       {"api-ms-win-core-com-", "combase.dll"},
        {"api-ms-win-core-winrt-", "combase.dll"}, {"api-ms-win-core-rtlsupport-", "ntdll.dll"},
        {"api-ms-win-core-", "KERNELBASE.dll"},
    };

    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        if (strncasecmp(name, sets[i].prefix, strlen(sets[i].prefix)) == 0)
            return sets[i].host;
    }
    return name;
}

static struct dll *add_dll(struct gather *g, const char *name)
{
    struct dll *grown, *dll;

    if (g->count == DLL_COUNT_MAX) {
        g->failed = diag_set(g->why, ERR_LIMIT, "it imports from more than %u DLLs", DLL_COUNT_MAX);
        return NULL;
    }
    grown = reallocarray(g->dlls, g->count + 1, sizeof *grown);
    if (!grown) {
        g->failed = no_memory(g->why);
        return NULL;
    }
    g->dlls = grown;
    dll = &grown[g->count];
    *dll = (struct dll){0};
    buf_init(&dll->names, NAMES_BYTES_MAX);
    if (!buf_byte(&dll->names, 0) ||
        asprintf(&dll->name, "%s%s", name, strchr(name, '.') ? "" : ".dll") < 0) {
        buf_fini(&dll->names);
        g->failed = no_memory(g->why);
        return NULL;
    }
    g->count++;
    return dll;
}

/* The DLL of that name, with or without ".dll", new when it is not there yet. NULL: g failed. */
static struct dll *get_dll(struct gather *g, const char *name)
{
    size_t len;

    name = resolve_api_set(name);
    len = strlen(name);
    for (size_t i = 0; i < g->count; i++) {
        const char *have = g->dlls[i].name;

        if (text_same(have, name) ||
            (strlen(have) == len + 4 && !strchr(name, '.') && strncasecmp(have, name, len) == 0))
            return &g->dlls[i];
    }
    return add_dll(g, name);
}

static bool add_need(struct gather *g, struct dll *dll, const char *name, struct need need)
{
    if (dll->count == dll->cap) {
        size_t cap = dll->cap ? 2 * dll->cap : 64;
        struct need *grown = reallocarray(dll->needs, cap, sizeof *grown);

        if (!grown) {
            g->failed = no_memory(g->why);
            return false;
        }
        dll->needs = grown;
        dll->cap = cap;
    }
    if (name) {
        need.name = (uint32_t)dll->names.len;
        g->name_bytes += strlen(name) + 1;
        if (g->name_bytes > NAMES_BYTES_MAX)
            g->failed =
                diag_set(g->why, ERR_LIMIT, "the names of its imports have more than %u bytes",
                         NAMES_BYTES_MAX);
        else if (!buf_append(&dll->names, name, strlen(name) + 1))
            g->failed = no_memory(g->why);
    }
    dll->needs[dll->count++] = need;
    return !g->failed;
}

static bool on_import(void *ctx, const struct pe_import *import)
{
    struct gather *g = ctx;
    struct dll *dll = import->dll == g->last_name ? &g->dlls[g->last] : get_dll(g, import->dll);

    if (!dll)
        return false;
    g->last_name = import->dll;
    g->last = (size_t)(dll - g->dlls);
    return add_need(
        g, dll, import->name,
        (struct need){.ordinal = import->name ? 0 : import->ordinal, .slot = import->slot_rva});
}

/* The list of a DLL, by its lower-case name. */
static bool add_listed(struct gather *g, struct dll *dll)
{
    char lower[64] = "";
    const struct nt_name *list;
    size_t count;

    for (size_t i = 0; dll->name[i] && i < sizeof lower - 1; i++)
        lower[i] = (char)tolower((unsigned char)dll->name[i]);
    for (size_t part = 0; (list = nt_names(lower, g->p->arch, part, &count)) != NULL; part++) {
        for (size_t i = 0; i < count; i++) {
            struct need need = {.args = list[i].args, .slot = NO_SLOT};

            if (!add_need(g, dll, list[i].name, need))
                return false;
        }
    }
    return true;
}

/* Everything that will be exported; the three system DLLs come first, as Windows loads them. */
static enum err gather_needs(struct gather *g, const struct program *program)
{
    static const char *const system[] = {"ntdll.dll", "KERNEL32.DLL", "KERNELBASE.dll"};
    struct bytes mapped = {program->mapped, 0};
    enum err e = ERR_OK;

    for (size_t i = 0; i < sizeof system / sizeof *system; i++) {
        if (!add_dll(g, system[i]))
            return g->failed;
    }
    if (program->image) {
        mapped.len = program->image->image_size;
        e = pe_imports(program->image, mapped, on_import, g, g->why);
    }
    for (size_t i = 0; i < g->count && !e && !g->failed; i++)
        (void)add_listed(g, &g->dlls[i]);
    return g->failed ? g->failed : e;
}

static void gather_fini(struct gather *g)
{
    for (size_t i = 0; i < g->count; i++) {
        free(g->dlls[i].name);
        free(g->dlls[i].needs);
        buf_fini(&g->dlls[i].names);
    }
    free(g->dlls);
}

/* ---- From needs to stubs ---------------------------------------------------------------------- */

static int compare_needs(const void *a, const void *b, void *names)
{
    const struct need *left = a, *right = b;

    if (!left->name || !right->name)
        return left->name || right->name
                   ? (left->name > 0) - (right->name > 0)
                   : (left->ordinal > right->ordinal) - (left->ordinal < right->ordinal);
    return strcmp((const char *)names + left->name, (const char *)names + right->name);
}

/* One stub for every distinct need, in order. The sorted needs stay for the binding. */
static enum err make_stubs(struct module *m, struct dll *dll, struct diag *why)
{
    m->stubs = calloc(dll->count + 1, sizeof *m->stubs);
    if (!m->stubs)
        return no_memory(why);
    if (dll->count)
        qsort_r(dll->needs, dll->count, sizeof *dll->needs, compare_needs, dll->names.data);
    for (size_t i = 0; i < dll->count; i++) {
        const struct need *need = &dll->needs[i];
        bool same = i && compare_needs(need - 1, need, dll->names.data) == 0;

        if (!same)
            m->stubs[m->stub_count++] = (struct stub){.name = need->name, .ordinal = need->ordinal};
        if (need->args)
            m->stubs[m->stub_count - 1].args = need->args;
    }
    return ERR_OK;
}

/* Store the stubs' addresses in the program's import address table. */
static enum err bind_slots(struct process *p, const struct module *m, const struct dll *dll,
                           gva_t base, struct diag *why)
{
    size_t width = p->arch == CPU_AMD64 ? 8 : 4, stub = 0;

    for (size_t i = 0; i < dll->count; i++) {
        const struct need *need = &dll->needs[i];
        uint8_t raw[8];

        if (i && compare_needs(need - 1, need, m->names.data) != 0)
            stub++;
        if (need->slot == NO_SLOT)
            continue;
        if (vm_debug_read(p->vm, base + need->slot, raw, width) != width)
            return diag_set(why, ERR_FORMAT,
                            "the import address of %s at RVA 0x%" PRIx32
                            " lies outside every section",
                            dll->name, need->slot);
        put_u64(raw, m->stubs_at + PE_STUB_SIZE * stub);
        if (!vm_debug_write(p->vm, base + need->slot, raw, width))
            return no_memory(why);
    }
    return ERR_OK;
}

/* ---- Images ----------------------------------------------------------------------------------- */

/* Let stubs of known functions pop their arguments, as stdcall demands. */
static void write_returns(const struct process *p, const struct module *m, uint8_t *text)
{
    for (size_t i = 0; i < m->stub_count && p->arch == CPU_I386; i++) {
        if (m->stubs[i].args) {
            text[PE_STUB_SIZE * i] = RET_N;
            put_u16(text + PE_STUB_SIZE * i + 1, m->stubs[i].args);
        }
    }
}

static enum err build_image(const struct process *p, const struct module *m, gva_t base,
                            struct buf *mapped, struct pe_built *built, struct diag *why)
{
    struct pe_dll_export *exports = calloc(m->stub_count + 1, sizeof *exports);
    struct pe_dll_spec spec = {
        .arch = p->arch, .name = text_base_name(m->path), .exports = exports};
    enum err e;

    if (!exports)
        return no_memory(why);
    spec.export_count = m->stub_count;
    for (size_t i = 0; i < m->stub_count; i++) {
        if (m->stubs[i].name)
            exports[i].name = buf_str(&m->names) + m->stubs[i].name;
        else
            exports[i].ordinal = m->stubs[i].ordinal;
    }
    buf_clear(mapped);
    e = pe_build_dll(&spec, base, mapped, built);
    free(exports);
    if (e == ERR_INVALID)
        return diag_set(why, ERR_LIMIT, "%s would need more than %u exports", m->name,
                        PE_EXPORTS_MAX);
    if (e)
        return no_memory(why);
    write_returns(p, m, mapped->data + built->text_rva);
    return ERR_OK;
}

/* DLLs go below each other from the plan's highest address, as Windows stacks them. */
static enum err find_dll_base(const struct process *p, uint64_t size, gva_t *base, struct diag *why)
{
    struct vm_request req = {.size = size,
                             .type = MEM_RESERVE | MEM_TOP_DOWN,
                             .protect = PAGE_READWRITE,
                             .highest = p->plan.dlls};
    nt_status st = vm_find_free(p->vm, &req, base);

    if (!NT_SUCCESS(st))
        return diag_set(why, ERR_NOMEM, "no room for DLLs in the guest: %s", nt_text(st));
    return ERR_OK;
}

/* Build the image, for the second time where it will be, and map it. */
static enum err map_module(struct process *p, struct module *m, struct diag *why)
{
    bool is_dll = p->module_count > 0;
    struct pe_image *image = NULL;
    struct pe_built built;
    struct buf mapped;
    gva_t base = 0;
    enum err e;

    buf_init(&mapped, IMAGE_BYTES_MAX);
    e = build_image(p, m, 0, &mapped, &built, why);
    if (!e && is_dll)
        e = find_dll_base(p, built.image_size, &base, why);
    else if (!e)
        e = process_find(p, p->plan.program, built.image_size, &base, why);
    if (!e)
        e = build_image(p, m, base, &mapped, &built, why);
    if (!e)
        e = pe_parse((struct bytes){mapped.data, mapped.len}, &image, why);
    if (!e)
        e = image_map(p->vm, image, base, m->name, m->path, why);
    if (!e) {
        m->info.base = m->info.preferred = base;
        m->info.size = built.image_size;
        m->info.first_section = base + pe_first_section(image);
        m->info.made_up = true;
        m->stubs_at = base + built.text_rva;
    }
    pe_free(image);
    buf_fini(&mapped);
    return e;
}

/* ---- The list --------------------------------------------------------------------------------- */

/* A new last module of that path; not counted yet. Its name is the path's last part. */
static struct module *new_module(struct process *p, const char *folder, const char *name,
                                 struct diag *why)
{
    struct module *grown = reallocarray(p->modules, p->module_count + 1, sizeof *grown), *m;

    if (!grown) {
        (void)no_memory(why);
        return NULL;
    }
    p->modules = grown;
    m = &grown[p->module_count];
    *m = (struct module){0};
    if (asprintf(&m->path, "%s%s", folder, name) < 0)
        m->path = NULL;
    else
        m->name = strdup(text_base_name(m->path));
    if (m->name)
        return m;
    free(m->path);
    (void)no_memory(why);
    return NULL;
}

static void free_module(struct module *m)
{
    free(m->name);
    free(m->path);
    free(m->stubs);
    buf_fini(&m->names);
}

/* Count the new module, or free it when e says that it came to nothing. */
static enum err keep_module(struct process *p, struct module *m, enum err e)
{
    if (e) {
        free_module(m);
        return e;
    }
    m->info.name = m->name;
    m->info.path = m->path;
    p->module_count++;
    return ERR_OK;
}

/* The program's own module. */
static enum err list_program(struct process *p, const struct program *program, struct diag *why)
{
    const struct pe_image *image = program->image;
    struct module *m = new_module(p, "", p->image_path, why);

    if (!m)
        return ERR_NOMEM;
    if (!image)
        return keep_module(p, m, map_module(p, m, why));
    m->info.base = program->base;
    m->info.size = image->image_size;
    m->info.entry = program->entry;
    m->info.first_section = program->base + pe_first_section(image);
    m->info.preferred = image->image_base;
    m->timestamp = image->timestamp;
    m->has_tls = image->dirs[DIR_TLS].size != 0;
    return keep_module(p, m, ERR_OK);
}

/* Make up one DLL and bind the program to it. */
static enum err make_dll(struct process *p, const struct program *program, struct dll *dll,
                         struct diag *why)
{
    struct module *m = new_module(p, SYSTEM_FOLDER, dll->name, why);
    enum err e;

    if (!m)
        return ERR_NOMEM;
    for (char *c = m->name; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    e = make_stubs(m, dll, why);
    m->names = dll->names; /* moved */
    buf_init(&dll->names, 0);
    if (!e)
        e = map_module(p, m, why);
    if (!e)
        e = bind_slots(p, m, dll, program->base, why);
    return keep_module(p, m, e);
}

enum err modules_make(struct process *p, struct program *program, struct diag *why)
{
    struct gather g = {.p = p, .why = why};
    enum err e = list_program(p, program, why);

    if (!e)
        e = gather_needs(&g, program);
    for (size_t i = 0; i < g.count && !e; i++)
        e = make_dll(p, program, &g.dlls[i], why);
    gather_fini(&g);
    return e;
}

enum err modules_trap(struct process *p, struct diag *why)
{
    for (size_t i = 0; i < p->module_count; i++) {
        const struct module *m = &p->modules[i];
        gva_t end = m->stubs_at + PE_STUB_SIZE * m->stub_count;

        for (gva_t page = m->stubs_at; page < end; page += VM_PAGE_SIZE) {
            if (cpu_trap_set(p->cpu, page, VM_EXEC))
                return no_memory(why);
        }
    }
    return ERR_OK;
}

void modules_free(struct process *p)
{
    for (size_t i = 0; i < p->module_count; i++)
        free_module(&p->modules[i]);
    free(p->modules);
}

gva_t modules_find(const struct process *p, const char *dll, const char *name)
{
    for (size_t i = 0; i < p->module_count; i++) {
        const struct module *m = &p->modules[i];

        for (size_t j = 0; j < m->stub_count && strcmp(m->name, dll) == 0; j++) {
            if (strcmp(buf_str(&m->names) + m->stubs[j].name, name) == 0)
                return m->stubs_at + PE_STUB_SIZE * j;
        }
    }
    return 0;
}
