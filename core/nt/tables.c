/*
 * The process-wide tables that user code reads: PEB, process parameters, environment, and the header of a heap
 * that nobody manages (anti-debugging code looks at its flags). Follows NT-PROCESS section 2, items 4 and 5.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "winstub/utf.h"
#include "nt/layout.h"
#include "nt/parts.h"
#include "nt/text.h"

#define ENVIRONMENT_BYTES_MAX (8u << 20)
#define PARAMETERS_BYTES_MAX  (1u << 20)
#define LINE_BYTES_MAX        (1u << 30) /* before it is known to be too long for Windows */
#define DIRECTORY_ROOM        520 /* bytes: MAX_PATH characters, as RtlCreateProcessParameters gives */
#define PARAMETERS_NORMALIZED 1
#define HEAP_BYTES            0x100000
#define HEAP_MARK             0xffeeffee
#define HEAP_GROWABLE         2
#define PEB_ROOM              0x3000 /* Wine's ntdll reads a table two pages behind it: empty */
#define SECTION_TIMEOUT       (INT64_C(30) * 24 * 60 * 60 * 10000000) /* 30 days in 100 ns */

/* Begin a block of at most limit bytes at the lowest free place above the plan's. */
static enum err begin(const struct process *p, struct nt_block *block, gva_t lowest, size_t limit,
                      struct diag *why)
{
    gva_t base = 0;
    enum err e = process_find(p, lowest, limit, &base, why);

    nt_block_init(block, p->arch, base, limit);
    return e;
}

/* ---- Environment and parameters --------------------------------------------------------------- */

static enum err make_environment(struct process *p, const struct process_options *options,
                                 gva_t *at, uint64_t *size, struct diag *why)
{
    struct nt_block block;
    enum err e = begin(p, &block, p->plan.heap, ENVIRONMENT_BYTES_MAX, why);

    if (!e)
        e = text_environment(&block.bytes, p->arch, options->env, options->env_count, why);
    if (!e)
        e = nt_block_store(&block, p->vm, "environment", why);
    *at = block.base;
    *size = block.bytes.len;
    nt_block_fini(&block);
    return e;
}

/* Convert text that may take at most `room` bytes in UTF-16. */
static enum err to_utf16(struct buf *out, const char *what, const char *utf8, size_t room,
                         struct diag *why)
{
    buf_init(out, 2 * strlen(utf8) + 2); /* a unit takes a byte of UTF-8 or more */
    if (!utf16_append(out, utf8))
        return diag_set(why, ERR_NOMEM, "the host is out of memory for the %s", what);
    if (out->len > room)
        return diag_set(why, ERR_LIMIT, "the %s has %zu characters; Windows takes %zu", what,
                        out->len / 2, room / 2);
    return ERR_OK;
}

/* Put UTF-8 text into a string field. */
static enum err put_utf8(struct nt_block *block, enum nt_field field, const char *what,
                         const char *utf8, struct diag *why)
{
    struct buf text;
    enum err e = to_utf16(&text, what, utf8, NT_STRING_MAX, why);

    if (!e)
        nt_put_text(block, 0, field, &text);
    buf_fini(&text);
    return e;
}

/* The current directory has room to change in place. */
static enum err put_directory(struct nt_block *block, const char *directory, struct diag *why)
{
    size_t at = nt_block_take(block, DIRECTORY_ROOM);
    struct buf text;
    enum err e = to_utf16(&text, "current directory", directory, DIRECTORY_ROOM - 2, why);

    if (!e && !block->bytes.failed)
        memcpy(block->bytes.data + at, text.data, text.len);
    nt_put_string(block, 0, NT_PARAMETERS_DIRECTORY, at, text.len, DIRECTORY_ROOM);
    buf_fini(&text);
    return e;
}

/* The arguments, the program named as the guest knows it: a host path's slashes would pass for options. malloc'd. */
static const char **guest_arguments(const struct process *p, const struct process_options *options,
                                    size_t *count)
{
    const char **argv = calloc(options->argc + 1, sizeof *argv);

    *count = options->argc ? options->argc : 1;
    for (size_t i = 0; argv && i < options->argc; i++)
        argv[i] = options->argv[i];
    if (argv && (!options->argc || strchr(argv[0], '/')))
        argv[0] = p->image_path;
    return argv;
}

static enum err put_command_line(struct nt_block *block, const struct process *p,
                                 const struct process_options *options, struct diag *why)
{
    size_t count;
    const char **argv = guest_arguments(p, options, &count);
    struct buf line;
    enum err e;

    buf_init(&line, LINE_BYTES_MAX);
    e = argv ? text_command_line(&line, argv, count, why)
             : diag_set(why, ERR_NOMEM, "the host is out of memory");
    free(argv);
    if (!e)
        e = put_utf8(block, NT_PARAMETERS_COMMAND_LINE, "command line", buf_str(&line), why);
    buf_fini(&line);
    return e;
}

static enum err fill_parameters(struct process *p, const struct process_options *options,
                                struct nt_block *block, struct diag *why)
{
    enum err e;

    (void)nt_block_take(block, nt_size(p->arch, NT_STRUCT_PARAMETERS));
    nt_put(block, 0, NT_PARAMETERS_FLAGS, PARAMETERS_NORMALIZED);
    nt_put(block, 0, NT_PARAMETERS_STDIN, HANDLE_STDIN);
    nt_put(block, 0, NT_PARAMETERS_STDOUT, HANDLE_STDOUT);
    nt_put(block, 0, NT_PARAMETERS_STDERR, HANDLE_STDERR);
    e = put_directory(block, p->directory, why);
    if (!e)
        e = put_utf8(block, NT_PARAMETERS_IMAGE_PATH, "program's path", p->image_path, why);
    if (!e)
        e = put_command_line(block, p, options, why);
    if (!e)
        e = put_utf8(block, NT_PARAMETERS_TITLE, "program's path", p->image_path, why);
    if (!e)
        e = put_utf8(block, NT_PARAMETERS_DESKTOP, "desktop", "WinSta0\\Default", why);
    return e;
}

static enum err make_parameters(struct process *p, const struct process_options *options, gva_t *at,
                                struct diag *why)
{
    uint64_t environment_size;
    struct nt_block block;
    gva_t environment;
    enum err e = make_environment(p, options, &environment, &environment_size, why);

    if (e)
        return e;
    e = begin(p, &block, p->plan.heap, PARAMETERS_BYTES_MAX, why);
    if (!e)
        e = fill_parameters(p, options, &block, why);
    if (!e) {
        nt_put(&block, 0, NT_PARAMETERS_ENVIRONMENT, environment);
        nt_put(&block, 0, NT_PARAMETERS_ENVIRONMENT_SIZE, environment_size);
        nt_put(&block, 0, NT_PARAMETERS_MAXIMUM_LENGTH, block.bytes.len);
        nt_put(&block, 0, NT_PARAMETERS_LENGTH, block.bytes.len);
        e = nt_block_store(&block, p->vm, "process parameters", why);
    }
    *at = block.base;
    nt_block_fini(&block);
    return e;
}

/* ---- Heap ------------------------------------------------------------------------------------- */

/* A header with flags as without a debugger, in a reserve of Windows' size. */
static enum err make_heap(struct process *p, gva_t *at, struct diag *why)
{
    struct vm_request reserve = {.size = HEAP_BYTES,
                                 .type = MEM_RESERVE,
                                 .protect = PAGE_READWRITE,
                                 .label = "heap (header only)"};
    nt_status st = STATUS_SUCCESS;
    struct vm_request commit;
    enum err e = process_find(p, p->plan.heap, HEAP_BYTES, &reserve.base, why);

    if (e)
        return e;
    commit = reserve;
    commit.type = MEM_COMMIT;
    commit.size = VM_PAGE_SIZE;
    st = vm_allocate(p->vm, &reserve, NULL, NULL);
    if (NT_SUCCESS(st))
        st = vm_allocate(p->vm, &commit, NULL, NULL);
    if (!NT_SUCCESS(st) || !nt_write(p->vm, p->arch, reserve.base, NT_HEAP_SIGNATURE, HEAP_MARK) ||
        !nt_write(p->vm, p->arch, reserve.base, NT_HEAP_FLAGS, HEAP_GROWABLE))
        return diag_set(why, ERR_NOMEM, "the guest's heap: no memory is left (%s)", nt_text(st));
    *at = reserve.base;
    return ERR_OK;
}

/* ---- PEB -------------------------------------------------------------------------------------- */

/* Figures that every Windows 10 process starts with. */
static void put_constants(struct nt_block *block)
{
    nt_put(block, 0, NT_PEB_MUTANT, UINT64_MAX);
    nt_put(block, 0, NT_PEB_PROCESSORS, 1);
    nt_put(block, 0, NT_PEB_SECTION_TIMEOUT, (uint64_t)-SECTION_TIMEOUT);
    nt_put(block, 0, NT_PEB_HEAP_RESERVE, 0x100000);
    nt_put(block, 0, NT_PEB_HEAP_COMMIT, 0x2000);
    nt_put(block, 0, NT_PEB_HEAP_DECOMMIT_TOTAL, 0x10000);
    nt_put(block, 0, NT_PEB_HEAP_DECOMMIT_BLOCK, 0x1000);
    nt_put(block, 0, NT_PEB_OS_MAJOR, SHARED_OS_MAJOR);
    nt_put(block, 0, NT_PEB_OS_MINOR, SHARED_OS_MINOR);
    nt_put(block, 0, NT_PEB_OS_BUILD, SHARED_OS_BUILD);
    nt_put(block, 0, NT_PEB_OS_PLATFORM, 2); /* VER_PLATFORM_WIN32_NT */
    nt_put(block, 0, NT_PEB_AFFINITY, 1);
    nt_put(block, 0, NT_PEB_SESSION, 1);
}

/* The list of heaps lies behind the PEB, with room for what its page leaves. */
static void put_heap(struct nt_block *block, gva_t heap)
{
    enum { ROOM = 16 };
    size_t list = nt_block_take(block, ROOM * nt_pointer(block->arch));

    nt_put(block, 0, NT_PEB_PROCESS_HEAP, heap);
    nt_put(block, 0, NT_PEB_HEAP_COUNT, 1);
    nt_put(block, 0, NT_PEB_HEAP_CAPACITY, ROOM);
    nt_put(block, 0, NT_PEB_HEAPS, block->base + list);
    nt_put_pointer(block, list, 0, heap);
}

/* What the PEB points to; 0 for what is not there yet. */
struct tables {
    gva_t parameters, heap, ldr, api_set;
};

static enum err make_peb(struct process *p, const struct program *program,
                         const struct tables *tables, struct diag *why)
{
    const struct pe_image *image = program->image;
    struct nt_block block;
    size_t size = p->kernel ? PEB_ROOM : VM_PAGE_SIZE;
    enum err e = begin(p, &block, p->plan.teb, size, why);

    if (!e) {
        (void)nt_block_take(&block, nt_size(p->arch, NT_STRUCT_PEB));
        put_constants(&block);
        if (tables->heap)
            put_heap(&block, tables->heap);
        nt_put(&block, 0, NT_PEB_IMAGE_BASE, p->modules[0].info.base);
        nt_put(&block, 0, NT_PEB_LDR, tables->ldr);
        nt_put(&block, 0, NT_PEB_PARAMETERS, tables->parameters);
        nt_put(&block, 0, NT_PEB_API_SET, tables->api_set);
        nt_put(&block, 0, NT_PEB_SUBSYSTEM, image ? image->subsystem : 3);
        nt_put(&block, 0, NT_PEB_SUBSYSTEM_MAJOR, 6);
        if (!block.bytes.failed)
            (void)buf_extend(&block.bytes, size - block.bytes.len);
        e = nt_block_store(&block, p->vm, "peb", why);
    }
    p->peb = block.base;
    nt_block_fini(&block);
    return e;
}

enum err tables_make(struct process *p, const struct program *program, gva_t api_set,
                     struct diag *why)
{
    struct tables tables = {.api_set = api_set};
    bool bare = !p->kernel;
    enum err e = bare ? make_heap(p, &tables.heap, why) : ERR_OK;

    if (!e)
        e = make_parameters(p, program->options, &tables.parameters, why);
    if (!e && bare)
        e = loader_make(p, &tables.ldr, why);
    if (!e)
        e = make_peb(p, program, &tables, why);
    return e;
}
