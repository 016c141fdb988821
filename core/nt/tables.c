/*
 * The process-wide tables that user code reads: PEB, what parameters.c makes, and the header of a heap
 * that nobody manages (anti-debugging code looks at its flags). Follows NT-PROCESS section 2, items 4 and 5.
 */
#include <inttypes.h>

#include "nt/layout.h"
#include "nt/parameters.h"
#include "nt/parts.h"

#define HEAP_BYTES      0x100000
#define HEAP_MARK       0xffeeffee
#define HEAP_GROWABLE   2
#define PEB_ROOM        0x3000 /* Wine's ntdll reads a table two pages behind it: empty */
#define SECTION_TIMEOUT (INT64_C(30) * 24 * 60 * 60 * 10000000) /* 30 days in 100 ns */

/* ---- Parameters ------------------------------------------------------------------------------- */

/* As the program has been given them, or else as the options say. */
static enum err make_parameters(struct process *p, const struct program *program, gva_t *at,
                                struct diag *why)
{
    struct parameters own;
    enum err e = ERR_OK;

    if (program->parameters)
        return parameters_store(program->parameters, p, at, why);
    parameters_init(&own);
    e = parameters_from_options(&own, p, program->options, why);
    if (!e)
        e = parameters_store(&own, p, at, why);
    parameters_fini(&own);
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
    gva_t base = 0;
    enum err e = process_find(p, p->plan.teb, size, &base, why);

    nt_block_init(&block, p->arch, base, size);
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
        e = make_parameters(p, program, &tables.parameters, why);
    if (!e && bare)
        e = loader_make(p, &tables.ldr, why);
    if (!e)
        e = make_peb(p, program, &tables, why);
    return e;
}
