/*
 * How NT starts a process that runs on DLLs: ntdll and the program are mapped, everything else is the loader's work
 * in user mode, which begins at LdrInitializeThunk. Follows NT-PROCESS section 2.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "nt/context.h"
#include "nt/guest.h"
#include "nt/kernel.h"
#include "nt/parts.h"
#include "winstub/bytes.h"
#include "winstub/log.h"

#define NTDLL_PATH   "C:\\Windows\\System32\\ntdll.dll"
#define API_SET_FILE "apisetschema.dll"
#define API_SET_NAME ".apiset"
#define API_SET_MAX  (4u << 20)
#define FRAMES       0x28     /* bytes above the stack pointer that a thread starts with */
#define WINE_COMMIT  0x110000 /* Wine's ntdll clears 0xf0000 bytes of stack before the entry point */
#define ENTRY_FRAME  0x28     /* below the first CONTEXT: return address and room for arguments */

/* A DLL's file while it is looked at. */
struct dll_file {
    struct buf bytes;
    struct pe_image *image;
};

static void dll_fini(struct dll_file *dll)
{
    pe_free(dll->image);
    buf_fini(&dll->bytes);
}

static enum err dll_open(struct dll_file *dll, int folder, const char *name, struct diag *why)
{
    struct diag what = {{0}};
    enum err e;

    *dll = (struct dll_file){0};
    buf_init(&dll->bytes, PE_FILE_MAX);
    e = root_read(folder, name, &dll->bytes, why);
    if (e)
        return e;
    e = pe_parse((struct bytes){dll->bytes.data, dll->bytes.len}, &dll->image, &what);
    return e ? diag_set(why, e, "%s: %.400s", name, what.text) : ERR_OK;
}

/* ---- ntdll ------------------------------------------------------------------------------------ */

struct entry_scan {
    struct entry_points *points;
    gva_t base;
};

static bool on_export(void *ctx, const struct pe_export *export)
{
    struct entry_scan *scan = ctx;
    const struct {
        const char *name;
        gva_t *to;
    } wanted[] = {
        {"LdrInitializeThunk", &scan->points->start},
        {"RtlUserThreadStart", &scan->points->thread},
        {"KiUserExceptionDispatcher", &scan->points->exception},
        {"KiUserApcDispatcher", &scan->points->apc},
        {"RtlRaiseException", &scan->points->raise},
    };

    for (size_t i = 0; export->name && i < sizeof wanted / sizeof *wanted; i++) {
        if (strcmp(export->name, wanted[i].name) == 0)
            *wanted[i].to = scan->base + export->rva;
    }
    return true;
}

/* Does KiUserApcDispatcher pop a return address (add rsp, 8) or look for arguments (lea ecx, [esp + 4]) first? */
static bool apc_takes_arguments(const struct kernel *k, enum cpu_arch arch, struct bytes mapped)
{
    static const uint8_t begins[][4] = {
        [CPU_I386] = {0x8d, 0x4c, 0x24, 0x04}, [CPU_AMD64] = {0x48, 0x83, 0xc4, 0x08}};
    struct bytes code = bytes_slice(mapped, (size_t)(k->entry_points.apc - k->ntdll), 4);

    return k->entry_points.apc && code.len == 4 && memcmp(code.data, begins[arch], 4) == 0;
}

/* Take what the kernel must know of ntdll from its exports. */
static enum err study_ntdll(struct process *p, const struct pe_image *image, struct diag *why)
{
    struct kernel *k = p->kernel;
    struct entry_scan scan = {&k->entry_points, k->ntdll};
    uint8_t *laid_out = NULL;
    struct bytes mapped;
    size_t count = 0;
    enum err e = pe_layout(image, k->ntdll, &laid_out, why);

    if (e)
        return e;
    mapped = (struct bytes){laid_out, image->image_size};
    e = gate_open(p, image, k->ntdll, mapped, &count, why);
    if (!e)
        e = pe_exports(image, mapped, on_export, &scan, why);
    if (p->arch == CPU_I386) /* its RtlRaiseException asks the kernel */
        k->entry_points.raise = 0;
    if (!e && k->entry_points.raise && cpu_break_add(p->cpu, k->entry_points.raise))
        e = diag_set(why, ERR_NOMEM, "the host is out of memory");
    if (!e)
        e = wine_prepare(p, image, mapped, why);
    k->apc_takes_arguments = apc_takes_arguments(k, p->arch, mapped);
    free(laid_out);
    LOG(nt, "ntdll.dll at 0x%" PRIx64 ", %zu system services%s", k->ntdll, count,
        k->wine ? ", Wine's" : "");
    if (!e &&
        (!count || !k->entry_points.start || !k->entry_points.thread || !k->entry_points.exception))
        return diag_set(why, ERR_UNSUPPORTED,
                        "ntdll.dll: no system services or entry points in it that winstub knows");
    return e;
}

static enum err map_ntdll(struct process *p, struct diag *why)
{
    struct image_views views = {0};
    struct dll_file dll;
    nt_status st;
    enum err e = dll_open(&dll, p->kernel->root->system, "ntdll.dll", why);

    if (!e && dll.image->arch != p->arch)
        e = diag_set(why, ERR_UNSUPPORTED, "ntdll.dll: it is for %s programs, and this is a %s one",
                     p->arch == CPU_AMD64 ? "32-bit" : "64-bit",
                     p->arch == CPU_AMD64 ? "64-bit" : "32-bit");
    if (!e) {
        st = images_map(p, &views, dll.image, NTDLL_PATH, 0, &p->kernel->ntdll);
        image_views_fini(&views);
        if (!NT_SUCCESS(st))
            e = diag_set(why, ERR_NOMEM, "ntdll.dll cannot be mapped: %s", nt_text(st));
    }
    if (!e)
        e = study_ntdll(p, dll.image, why);
    dll_fini(&dll);
    return e;
}

/* ---- API sets --------------------------------------------------------------------------------- */

/* The section of apisetschema.dll that is the map; empty when there is none. */
static struct bytes api_set_section(const struct dll_file *dll)
{
    struct bytes file = {dll->bytes.data, dll->bytes.len};

    for (size_t i = 0; i < dll->image->section_count; i++) {
        const struct pe_section *s = &dll->image->sections[i];

        if (strcmp(s->name, API_SET_NAME) == 0)
            return bytes_slice(file, s->file_offset, s->file_size);
    }
    return (struct bytes){0};
}

/* Put the map of API set names into the guest; *at 0 when the folder has none: programs that need it will say so. */
static enum err map_api_sets(struct process *p, gva_t *at, struct diag *why)
{
    struct vm_request req = {
        .type = MEM_RESERVE | MEM_COMMIT, .protect = PAGE_READONLY, .label = "API set map"};
    struct diag unused = {{0}};
    struct dll_file dll;
    struct bytes map = {0};
    enum err e = dll_open(&dll, p->kernel->root->system, API_SET_FILE, &unused);

    *at = 0;
    if (!e)
        map = api_set_section(&dll);
    e = ERR_OK;
    if (map.len && map.len <= API_SET_MAX) {
        req.size = map.len;
        e = process_find(p, p->plan.heap, req.size, &req.base, why);
        if (!e && (!NT_SUCCESS(vm_allocate(p->vm, &req, NULL, NULL)) ||
                   !vm_debug_write(p->vm, req.base, map.data, map.len)))
            e = diag_set(why, ERR_NOMEM, "the guest's memory is full");
        *at = req.base;
    }
    dll_fini(&dll);
    return e;
}

/* ---- Threads ---------------------------------------------------------------------------------- */

/* What RtlUserThreadStart gets when the loader is done. */
void start_enter(struct thread *thread, gva_t start, uint64_t argument)
{
    struct process *p = thread->process;
    bool wide = p->arch == CPU_AMD64;

    cpu_set(p->cpu, wide ? CPU_GS_BASE : CPU_FS_BASE, thread->info.teb);
    cpu_set(p->cpu, CPU_RIP, p->kernel->entry_points.thread);
    cpu_set(p->cpu, wide ? CPU_RCX : CPU_RAX, start);
    cpu_set(p->cpu, wide ? CPU_RDX : CPU_RBX, argument);
    cpu_set(p->cpu, CPU_RSP, thread->info.stack_base - FRAMES);
    thread->start = start;
    thread->begins = true;
}

/* LdrInitializeThunk(context, ntdll), as if called. */
static bool call_loader(struct process *p, gva_t context)
{
    gva_t sp = context - ENTRY_FRAME;
    uint8_t frame[12] = {0};

    put_u32(frame + 4, (uint32_t)context);
    put_u32(frame + 8, (uint32_t)p->kernel->ntdll);
    if (p->arch == CPU_I386 && vm_write(p->vm, sp, frame, sizeof frame))
        return false;
    if (p->arch == CPU_AMD64) {
        cpu_set(p->cpu, CPU_RCX, context);
        cpu_set(p->cpu, CPU_RDX, p->kernel->ntdll);
    }
    cpu_set(p->cpu, CPU_RSP, sp);
    cpu_set(p->cpu, CPU_RIP, p->kernel->entry_points.start);
    return true;
}

bool start_begin(struct thread *thread)
{
    struct process *p = thread->process;
    uint8_t raw[CONTEXT_MAX];
    gva_t context = (cpu_get(p->cpu, CPU_RSP) - context_size(p->arch)) & ~(gva_t)15;

    thread->begins = false;
    if (thread->start == p->kernel->program_entry) /* unless somebody has sent it elsewhere */
        p->kernel->program_start = cpu_get(p->cpu, p->arch == CPU_AMD64 ? CPU_RCX : CPU_RAX);
    context_save(p->cpu, raw);
    if (!vm_write(p->vm, context, raw, context_size(p->arch)) && call_loader(p, context))
        return true;
    LOG(nt, "thread %" PRIu32 " begins without the loader: no stack at 0x%" PRIx64,
        thread->info.tid, context);
    return false;
}

uint64_t start_commit(const struct kernel *kernel)
{
    return kernel->wine ? WINE_COMMIT : 0;
}

static enum err start_thread(struct process *p, const struct program *program, struct diag *why)
{
    struct thread *thread = NULL;
    enum err e = thread_first(p, program->image, start_commit(p->kernel), &thread, why);

    if (!e)
        e = thread_teb(thread, 0, why);
    if (!e)
        start_enter(thread, program->entry, p->peb);
    return e;
}

/* Where the program's own code begins, and what a debugger may want to stop at instead. */
static void find_places(struct process *p, const struct program *program)
{
    struct bytes mapped = {program->mapped, program->image->image_size};
    uint32_t rva = 0;

    p->kernel->program_entry = p->kernel->program_start = program->entry;
    if (pe_symbol(program->image, program->image->arch == CPU_AMD64 ? "main" : "_main", &rva) ||
        pe_symbol(program->image, program->image->arch == CPU_AMD64 ? "wmain" : "_wmain", &rva))
        p->kernel->program_main = program->base + rva;
    if (pe_tls_callbacks(program->image, mapped, program->base, &rva, 1))
        p->kernel->program_tls = program->base + rva;
}

enum err start_make(struct process *p, struct program *program, struct diag *why)
{
    gva_t api_set = 0;
    enum err e = ERR_OK;

    find_places(p, program);
    p->kernel->program = (struct program_facts){
        .stack_reserve = program->image->stack_reserve,
        .stack_commit = program->image->stack_commit,
        .subsystem = program->image->subsystem,
        .characteristics = program->image->characteristics,
        .dll_characteristics = program->image->dll_characteristics,
        .machine = program->image->machine,
    };
    p->kernel->execute_flags = program_wants_dep(program) ? EXECUTE_NEVER_DATA : EXECUTE_DATA;
    p->exit_stub = UINT64_MAX; /* exits are system calls */
    if (images_list(p, program->image, p->image_path, program->base))
        return diag_set(why, ERR_NOMEM, "the host is out of memory");
    e = map_ntdll(p, why);
    if (!e)
        e = map_api_sets(p, &api_set, why);
    if (!e)
        e = tables_make(p, program, api_set, why);
    if (!e)
        e = start_thread(p, program, why);
    p->kernel->modules_changed = false;
    return e;
}
