/*
 * Where a process is laid out: the address space's limits, the program's base, the guest's names for its
 * file and folder. The addresses are fixed, so that two runs are alike, and look like Windows 10's.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image/pe_format.h"
#include "nt/drives.h"
#include "nt/files.h"
#include "nt/machine.h"
#include "nt/parts.h"
#include "nt/sections.h"
#include "nt/text.h"

#define RAW_BASE 0x10000000

/* Address spaces of 2 and 4 GiB, and of 128 TiB. */
static const struct plan small_plan = {
    .program = 0x00d50000,
    .dlls = 0x77efffff,
    .stack = 0x000a0000,
    .teb = 0x002f0000,
    .heap = 0x00580000,
};
static const struct plan large_plan = {
    .program = 0x7ff7a1b20000,
    .dlls = 0x7ffd5e7effff,
    .stack = 0x008f4de00000,
    .teb = 0x008f4df80000,
    .heap = 0x01c2b6a40000,
};

/*
 * Where images go when they shall not be at the same place in every run: up to 4 GiB above for a program, 256 MiB below
 * for DLLs; 16 MiB in the smaller spaces.
 */
static void move_images(struct plan *plan, uint32_t placement, bool large)
{
    uint32_t mixed =
        placement * 2654435761u; /* Knuth's multiplier: numbers in a row end up far apart */

    plan->program += (gva_t)(mixed >> 16 & (large ? 0xffff : 0xff)) * VM_GRANULARITY;
    plan->dlls -= (gva_t)(mixed >> 4 & (large ? 0xfff : 0xff)) * VM_GRANULARITY;
}

/* ---- Names ------------------------------------------------------------------------------------ */

/* The guest path: argv[0] when that is one, else where the drives have the file. Raw code runs in "NAME.exe". */
static enum err image_path(const struct process_options *options, char **out, struct diag *why)
{
    const char *name = text_base_name(options->path);
    const char *dot = strrchr(name, '.');
    int stem = dot && dot != name ? (int)(dot - name) : (int)strlen(name);

    if (options->argc && text_is_dos_path(options->argv[0]))
        *out = strdup(options->argv[0]);
    else if (!options->raw)
        return drives_program(options, out, why);
    else if (asprintf(out, "C:\\%.*s.exe", stem, name) < 0)
        *out = NULL;
    return *out ? ERR_OK : diag_set(why, ERR_NOMEM, "the host is out of memory");
}

static enum err names_from_options(struct process *p, const struct process_options *options,
                                   struct diag *why)
{
    const char *cwd = options->cwd;
    char root[4];
    enum err e = image_path(options, &p->image_path, why);
    int len;

    p->host_path = strdup(options->path);
    if (!e && !p->host_path)
        e = diag_set(why, ERR_NOMEM, "the host is out of memory");
    if (e)
        return e;
    if (!*text_base_name(p->image_path))
        return diag_set(why, ERR_INVALID, "'%s': the program's guest path names a folder",
                        p->image_path);
    if (cwd && !text_is_dos_path(cwd))
        return diag_set(why, ERR_INVALID, "current directory '%s': not of the form C:\\folder",
                        cwd);
    if (!cwd && options->drive_count) {
        (void)snprintf(root, sizeof root, "%c:\\", options->drives[0][0]);
        cwd = root;
    }
    len = cwd ? (int)strlen(cwd) : (int)(text_base_name(p->image_path) - p->image_path);
    cwd = cwd ? cwd : p->image_path;
    if (asprintf(&p->directory, "%.*s%s", len, cwd, cwd[len - 1] == '\\' ? "" : "\\") < 0) {
        p->directory = NULL;
        return diag_set(why, ERR_NOMEM, "the host is out of memory");
    }
    return ERR_OK;
}

/* A child's current directory is in its parameters. */
static enum err names_from_file(struct process *p, const struct file *file, struct diag *why)
{
    char host[PATH_MAX] = "";

    (void)files_host_path(file, host, sizeof host);
    p->image_path = strdup(file->path);
    p->host_path = strdup(host);
    return p->image_path && p->host_path ? ERR_OK
                                         : diag_set(why, ERR_NOMEM, "the host is out of memory");
}

enum err program_name(struct process *p, const struct program *program, struct diag *why)
{
    p->arch = program->image ? program->image->arch : program->options->arch;
    if (program->image && !program->image->entry_rva)
        return diag_set(why, ERR_UNSUPPORTED,
                        "the image has no entry point: there is nothing to run");
    return program->options ? names_from_options(p, program->options, why)
                            : names_from_file(p, program->from, why);
}

const char *program_path(const struct program *program)
{
    return program->options ? program->options->path : program->from->path;
}

/* ---- The file --------------------------------------------------------------------------------- */

enum err program_open(struct program *program, const struct process_options *options,
                      struct diag *why)
{
    enum err e;

    *program = (struct program){.options = options};
    buf_init(&program->file, PE_FILE_MAX);
    e = buf_read_file(&program->file, options->path, why);
    if (e)
        return e;
    if (!options->raw)
        return pe_parse((struct bytes){program->file.data, program->file.len}, &program->image,
                        why);
    if (program->file.len && options->entry >= program->file.len)
        return diag_set(why, ERR_RANGE,
                        "entry 0x%" PRIx64 ": behind the end of the code, which has 0x%zx bytes",
                        options->entry, program->file.len);
    return ERR_OK;
}

nt_status program_read(struct program *program, const struct file *file)
{
    *program = (struct program){.from = file};
    buf_init(&program->file, PE_FILE_MAX);
    return section_read_image(file, &program->file, &program->image);
}

void program_fini(struct program *program)
{
    free(program->mapped);
    pe_free(program->image);
    buf_fini(&program->file);
}

/* ---- Address space ---------------------------------------------------------------------------- */

/* As Windows gives it: 2 GiB unless the image says it can stand more. Raw code is taken to stand it. */
static gva_t user_limit(const struct process *p, const struct program *program)
{
    bool large =
        !program->image || program->image->characteristics & IMAGE_FILE_LARGE_ADDRESS_AWARE;

    if (p->arch == CPU_AMD64)
        return large ? VM_USER_LIMIT_64 : VM_USER_LIMIT_32;
    return large ? VM_USER_LIMIT_32_LARGE : VM_USER_LIMIT_32;
}

bool program_wants_dep(const struct program *program)
{
    const struct pe_image *image = program->image;

    return !image || image->arch == CPU_AMD64 ||
           image->dll_characteristics & IMAGE_DLLCHARACTERISTICS_NX_COMPAT;
}

enum err process_space(struct process *p, const struct program *program,
                       const struct shared_time *now, struct diag *why)
{
    const struct process *first = p->machine->processes;
    struct vm_config config = {.user_limit = user_limit(p, program),
                               .beside = first == p ? NULL : first->vm};
    enum err e = vm_new(&config, &p->vm);

    if (e)
        return diag_set(why, e, "the guest's memory: %s", err_text(e));
    p->user_limit = config.user_limit;
    vm_set_dep(p->vm, program_wants_dep(program));
    p->plan = config.user_limit == VM_USER_LIMIT_64 ? large_plan : small_plan;
    move_images(&p->plan, p->machine->placement, config.user_limit == VM_USER_LIMIT_64);
    e = cpu_new(p->vm, p->arch, &p->cpu, why);
    if (e)
        return e;
    return shared_map(p->vm, now, why);
}

enum err process_find(const struct process *p, gva_t lowest, uint64_t size, gva_t *base,
                      struct diag *why)
{
    struct vm_request req = {.size = size, .type = MEM_RESERVE, .protect = PAGE_READWRITE};
    nt_status st;

    req.lowest = lowest;
    st = vm_find_free(p->vm, &req, base);
    req.lowest = 0;
    if (!NT_SUCCESS(st))
        st = vm_find_free(p->vm, &req, base);
    if (!NT_SUCCESS(st))
        return diag_set(why, ERR_NOMEM, "no room for 0x%" PRIx64 " bytes in the guest: %s", size,
                        nt_text(st));
    return ERR_OK;
}

/* ---- The program in it ------------------------------------------------------------------------ */

/* An image without a relocation directory moves as well, unless it says that relocations were taken out. */
static bool is_relocatable(const struct pe_image *image)
{
    return !(image->characteristics & IMAGE_FILE_RELOCS_STRIPPED);
}

/* Is [base, base + size) free and a place for an image? */
static bool is_possible(const struct process *p, gva_t base, uint64_t size)
{
    struct vm_region region;

    return base && base % VM_GRANULARITY == 0 && NT_SUCCESS(vm_query(p->vm, base, &region)) &&
           region.state == MEM_FREE && region.size >= size;
}

/* The base that the user, the header or address space randomization asks for. */
static enum err choose_base(const struct process *p, const struct program *program, gva_t *base,
                            struct diag *why)
{
    const struct pe_image *image = program->image;
    bool movable = is_relocatable(image);
    bool random = image->dll_characteristics & IMAGE_DLLCHARACTERISTICS_DYNAMIC_BASE;

    *base = program->options ? program->options->base : 0;
    if (*base && *base % VM_GRANULARITY)
        return diag_set(why, ERR_INVALID, "base 0x%" PRIx64 ": not a multiple of 0x10000", *base);
    if (*base && !is_possible(p, *base, image->image_size))
        return diag_set(why, ERR_EXISTS,
                        "base 0x%" PRIx64 ": no room for the 0x%" PRIx32
                        " bytes of the image there",
                        *base, image->image_size);
    if (*base)
        return ERR_OK;
    *base = image->image_base;
    if (!(random && movable) && is_possible(p, *base, image->image_size))
        return ERR_OK;
    if (!movable)
        return diag_set(why, ERR_EXISTS,
                        "the image can only live at 0x%" PRIx64
                        " (it has no relocations), and there is no room for it",
                        *base);
    return process_find(p, p->plan.program, image->image_size, base, why);
}

static enum err place_image(struct process *p, struct program *program, struct diag *why)
{
    enum err e = choose_base(p, program, &program->base, why);

    if (e)
        return e;
    e = pe_layout(program->image, program->base, &program->mapped, why);
    if (e)
        return e;
    program->entry = program->base + program->image->entry_rva;
    p->has_image = true;
    return image_map(p->vm, program->image, program->base, text_base_name(p->image_path),
                     p->image_path, why);
}

static enum err place_raw(struct process *p, struct program *program, struct diag *why)
{
    const struct process_options *options = program->options;
    struct bytes code = {program->file.data, program->file.len};
    enum err e;

    program->base = options->base ? options->base : RAW_BASE;
    program->entry = program->base + options->entry;
    e = raw_map(p->vm, code, program->base, why);
    if (!e && !vm_set_label(p->vm, program->base, text_base_name(options->path), false))
        e = diag_set(why, ERR_NOMEM, "the host is out of memory");
    return e;
}

enum err program_place(struct process *p, struct program *program, struct diag *why)
{
    return program->image ? place_image(p, program, why) : place_raw(p, program, why);
}
