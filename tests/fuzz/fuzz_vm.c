/*
 * Random operations on an address space and on its naive twin (vm_model.h). After each one: the same
 * status and outputs, the same answer to a query of every page; after some, the same bytes, nothing promised to a CPU that
 * does not hold any more, and every invariant. Both are saved and restored at random moments. In some inputs each
 * operation first runs short of memory at each of its allocations: it must refuse, and nothing may have changed.
 */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "alloc_fail.h"
#include "vm/space.h"
#include "vm_compare.h"
#include "vm_model.h"
#include "winstub/bytes.h"
#include "winstub/saved.h"

#define OPERATIONS_MAX 96u
#define NO_OFFSET      UINT64_MAX
#define MOMENTS        3u

/* The address space and its twin as they were; NULL when not used. */
struct moment {
    struct vm_saved *vm;
    struct model *model;
};

/* What the file of a section is asked for: it holds its number, and must get what the twin holds. */
struct file {
    struct state *state;
    unsigned number;
};

struct state {
    struct bytes input;
    uint64_t at;
    struct vm *vm;
    struct model *model;
    struct vm_fill tlb[MODEL_PAGES]; /* what a CPU may have cached; offset NO_OFFSET: nothing */
    struct moment moments[MOMENTS];
    struct vm_section *sections[MODEL_SECTIONS]; /* by the twin's numbers; NULL: no handle */
    struct file files[MODEL_SECTIONS];
    bool starved; /* allocations fail before they succeed */
};

/* result = call. Starved, it is first tried with allocation 1, 2, ... failing; look is done after each refusal. */
#define ATTEMPT(s, result, refusal, call, look)                                                    \
    for (unsigned long nth = 1;; nth++) {                                                          \
        alloc_fail_at((s)->starved ? nth : 0);                                                     \
        (result) = (call);                                                                         \
        if (!alloc_fail_stop() || (result) != (refusal))                                           \
            break;                                                                                 \
        look;                                                                                      \
    }
/* The same; a refusal leaves the layout as it was. The bytes are looked at after the operation. */
#define TRY(s, result, refusal, call)                                                              \
    ATTEMPT(s, result, refusal, call, compare_layout((s)->vm, (s)->model))

/* ---- Input ----------------------------------------------------------------------------------- */

static uint8_t next_u8(struct state *s)
{
    uint8_t v = 0;

    if (bytes_u8(s->input, s->at, &v))
        s->at++;
    return v;
}

static uint16_t next_u16(struct state *s)
{
    uint8_t low = next_u8(s);

    return (uint16_t)(low | next_u8(s) << 8);
}

/* A page that is taken, if one is. */
static gva_t taken_page(const struct state *s, unsigned which)
{
    unsigned count = 0;

    for (unsigned p = 0; p < MODEL_PAGES; p++)
        count += s->model->pages[p].allocation != 0;
    for (unsigned p = 0; p < MODEL_PAGES && count; p++) {
        if (s->model->pages[p].allocation && which-- % count == 0)
            return (gva_t)p * VM_PAGE_SIZE;
    }
    return 0;
}

/* Mostly a page boundary or a byte beside one, often of taken memory, sometimes far outside. */
static gva_t next_addr(struct state *s)
{
    uint16_t v = next_u16(s);
    gva_t page = (gva_t)(v % (MODEL_PAGES + 4)) * VM_PAGE_SIZE;

    switch (v >> 13) {
    case 0:
        return page + 1;
    case 1:
        return page + VM_PAGE_SIZE - 1;
    case 2:
        return page / VM_GRANULARITY * VM_GRANULARITY;
    case 3:
        return (v & 0xff) == 0 ? UINT64_MAX - (v & 0xfff) : page;
    case 4:
    case 5:
        return taken_page(s, v & 0x1fff);
    case 6:
        return taken_page(s, v & 0x1fff) + VM_PAGE_SIZE - 1;
    default:
        return page;
    }
}

static uint64_t next_size(struct state *s)
{
    uint8_t v = next_u8(s);

    if (v < 8)
        return v;
    if (v == 255)
        return UINT64_MAX - 5;
    return (uint64_t)(v % (v & 0x80 ? 48 : 6)) * VM_PAGE_SIZE + (v & 0x40 ? 1 : 0);
}

static uint32_t next_protect(struct state *s)
{
    static const uint32_t modifiers[] = {
        0, 0, 0, PAGE_GUARD, PAGE_NOCACHE, PAGE_WRITECOMBINE, PAGE_TARGETS_INVALID, 0x300};
    uint8_t v = next_u8(s);

    if (v >= 0xf0)
        return v;
    return 1u << (v & 7) | modifiers[v >> 3 & 7];
}

/* ---- The CPU's side -------------------------------------------------------------------------- */

static void forget(struct state *s, gva_t start, gva_t end)
{
    for (gva_t page = start; page < end; page += VM_PAGE_SIZE)
        s->tlb[page / VM_PAGE_SIZE].offset = NO_OFFSET;
}

static void on_revoked(void *ctx, gva_t start, gva_t end)
{
    forget(ctx, start, end);
}

static void do_fill(struct state *s)
{
    gva_t page = page_down(next_addr(s));
    uint8_t how = next_u8(s);
    enum vm_access want = (enum vm_access)(1 << how % 3);
    struct vm_fill fill;
    enum vm_fault fault;
    uint64_t size;

    TRY(s, fault, VM_FAULT_NOMEM, vm_fill(s->vm, page, want, &fill));
    check(fault == model_fill(s->model, page, want), "fill");
    if (fault)
        return;
    check(fill.access & want, "access asked for");
    s->tlb[page / VM_PAGE_SIZE] = fill;
    if (want != VM_WRITE)
        return;
    model_store(s->model, page + how, how);
    vm_arena(s->vm, &size)[fill.offset + how] = how;
}

/* Nothing in the cache promises more than holds, and it names the right frame. */
static void check_tlb(const struct state *s)
{
    for (unsigned i = 0; i < MODEL_PAGES; i++) {
        const struct vm_fill *f = &s->tlb[i];
        uint64_t size;

        if (f->offset == NO_OFFSET)
            continue;
        check(!(f->access & ~model_access(s->model, (gva_t)i * VM_PAGE_SIZE)), "a cached promise");
        check(memcmp(vm_arena(s->vm, &size) + f->offset, model_bytes(s->model, i), VM_PAGE_SIZE) ==
                  0,
              "a cached frame");
    }
}

/* ---- Operations ------------------------------------------------------------------------------ */

static void do_allocate(struct state *s)
{
    static const uint32_t types[] = {MEM_RESERVE,
                                     MEM_RESERVE | MEM_COMMIT,
                                     MEM_COMMIT,
                                     MEM_RESERVE | MEM_TOP_DOWN,
                                     MEM_COMMIT | MEM_TOP_DOWN,
                                     MEM_RESET,
                                     MEM_RESERVE | MEM_WRITE_WATCH,
                                     MEM_RESERVE | MEM_COMMIT | MEM_WRITE_WATCH,
                                     MEM_RESERVE | MEM_RESERVE_PLACEHOLDER,
                                     MEM_RESERVE | MEM_COMMIT | MEM_REPLACE_PLACEHOLDER,
                                     MEM_RESET | MEM_COMMIT};
    uint8_t how = next_u8(s);
    struct vm_request req = {.type = how == 0xff ? next_u16(s) : types[next_u8(s) % 11],
                             .base = how & 8 ? next_addr(s) : 0};
    gva_t base[2] = {1, 1};
    uint64_t size[2] = {2, 2};
    nt_status st;

    req.size = next_size(s);
    req.protect = req.type & MEM_RESERVE_PLACEHOLDER && how & 1 ? PAGE_NOACCESS : next_protect(s);
    req.extended = how & 2;
    if (how & 4)
        req.zero_bits = how & 1 ? next_u8(s) % 34 : (uint64_t)next_u8(s) << 13;
    if (how & 16) {
        req.lowest = next_addr(s);
        req.highest = how & 32 ? next_addr(s) - 1 : 0;
        req.alignment = how & 64 ? UINT64_C(1) << (next_u8(s) & 31) : 0;
    }
    TRY(s, st, STATUS_NO_MEMORY, vm_allocate(s->vm, &req, &base[0], &size[0]));
    check(st == model_allocate(s->model, &req, &base[1], &size[1]), "status of allocate");
    check(base[0] == base[1] && size[0] == size[1], "output of allocate");
}

/* Commit where something is. */
static void do_commit(struct state *s)
{
    static const uint32_t protects[] = {PAGE_READWRITE, PAGE_READONLY, PAGE_EXECUTE_READ,
                                        PAGE_EXECUTE_READWRITE};
    struct vm_request req = {
        .base = taken_page(s, next_u16(s)), .size = next_size(s) + 1, .type = MEM_COMMIT};
    gva_t base[2] = {1, 1};
    uint64_t size[2] = {2, 2};
    nt_status st;

    req.protect = protects[next_u8(s) % 4];
    TRY(s, st, STATUS_NO_MEMORY, vm_allocate(s->vm, &req, &base[0], &size[0]));
    check(st == model_allocate(s->model, &req, &base[1], &size[1]), "status of commit");
    check(base[0] == base[1] && size[0] == size[1], "output of commit");
}

static void do_release(struct state *s)
{
    static const uint32_t types[] = {MEM_RELEASE,
                                     MEM_DECOMMIT,
                                     MEM_RELEASE,
                                     MEM_DECOMMIT,
                                     MEM_RELEASE | MEM_DECOMMIT,
                                     MEM_RELEASE | MEM_PRESERVE_PLACEHOLDER,
                                     MEM_RELEASE | MEM_COALESCE_PLACEHOLDERS};
    uint32_t type = types[next_u8(s) % 7];
    gva_t base[2];
    uint64_t size[2];
    nt_status st;

    base[0] = base[1] = next_addr(s);
    size[0] = size[1] = next_size(s);
    TRY(s, st, STATUS_NO_MEMORY, vm_release(s->vm, &base[0], &size[0], type));
    check(st == model_release(s->model, &base[1], &size[1], type), "status of release");
    check(base[0] == base[1] && size[0] == size[1], "output of release");
}

static void do_protect(struct state *s)
{
    uint32_t protect = next_protect(s);
    uint32_t old[2] = {3, 3};
    gva_t base[2];
    uint64_t size[2];
    nt_status st;

    base[0] = base[1] = next_addr(s);
    size[0] = size[1] = next_size(s);
    TRY(s, st, STATUS_NO_MEMORY, vm_protect(s->vm, &base[0], &size[0], protect, &old[0]));
    check(st == model_protect(s->model, &base[1], &size[1], protect, &old[1]), "status of protect");
    check(base[0] == base[1] && size[0] == size[1] && old[0] == old[1], "output of protect");
}

static void do_map(struct state *s)
{
    gva_t base = next_addr(s);
    struct vm_image image = model_image(next_u8(s));
    nt_status st;

    image.base = base;
    TRY(s, st, STATUS_NO_MEMORY, vm_map_image(s->vm, &image));
    check(st == model_map_image(s->model, &image), "status of map");
}

static void do_unmap(struct state *s)
{
    gva_t addr = next_addr(s);
    nt_status st;

    TRY(s, st, STATUS_NO_MEMORY, vm_unmap_view(s->vm, addr));
    check(st == model_unmap(s->model, addr), "status of unmap");
}

static void do_write(struct state *s)
{
    static uint8_t bytes[3 * VM_PAGE_SIZE];
    gva_t addr = next_addr(s);
    size_t len = next_size(s) % sizeof bytes;
    bool done;

    memset(bytes, next_u8(s), len);
    TRY(s, done, false, vm_debug_write(s->vm, addr, bytes, len));
    check(done == model_write(s->model, addr, bytes, len), "result of write");
}

static void do_kernel_write(struct state *s)
{
    static uint8_t bytes[3 * VM_PAGE_SIZE];
    gva_t addr = next_addr(s);
    size_t len = next_size(s) % sizeof bytes;
    nt_status st;

    memset(bytes, next_u8(s), len);
    /* Pages that it touched before it failed stay touched. */
    ATTEMPT(s, st, STATUS_NO_MEMORY, vm_write(s->vm, addr, bytes, len), (void)0);
    check(st == model_kernel_write(s->model, addr, bytes, len), "status of a service's write");
}

static void do_get_watch(struct state *s)
{
    uint8_t how = next_u8(s);
    gva_t base = next_addr(s);
    uint64_t size = next_size(s);
    gva_t list[2][64] = {{0}};
    uint64_t count[2] = {how >> 2, how >> 2};
    uint32_t granularity;
    nt_status st;

    TRY(s, st, STATUS_NO_MEMORY,
        vm_get_write_watch(s->vm, how & 3, base, size, list[0], &count[0], &granularity));
    check(st == model_get_write_watch(s->model, how & 3, base, size, list[1], &count[1]),
          "status of write watch");
    check(count[0] == count[1] && memcmp(list[0], list[1], sizeof list[0]) == 0, "write watch");
}

static void do_reset_watch(struct state *s)
{
    gva_t base = next_addr(s);
    uint64_t size = next_size(s);
    nt_status st;

    TRY(s, st, STATUS_NO_MEMORY, vm_reset_write_watch(s->vm, base, size));
    check(st == model_reset_write_watch(s->model, base, size), "status of reset");
}

static void do_guard(struct state *s)
{
    gva_t addr = next_addr(s);

    check(vm_clear_guard(s->vm, addr) == model_clear_guard(s->model, addr), "result of guard");
}

static void do_dep(struct state *s)
{
    s->model->dep = next_u8(s) & 1;
    vm_set_dep(s->vm, s->model->dep);
}

static void drop_saved(struct moment *m)
{
    vm_saved_free(m->vm);
    model_free(m->model);
    *m = (struct moment){0};
}

static void do_save(struct state *s)
{
    struct moment *m = &s->moments[next_u8(s) % MOMENTS];

    drop_saved(m);
    TRY(s, m->vm, NULL, vm_save(s->vm));
    check(m->vm != NULL, "save");
    m->model = model_new(0);
    *m->model = *s->model;
}

/* Back to a moment; rarely to none at all. */
static void do_restore(struct state *s)
{
    uint8_t which = next_u8(s);
    const struct moment *m = &s->moments[which % MOMENTS];
    bool done;

    if (which >= 0xf8) {
        vm_unmap_all(s->vm);
        model_unmap_all(s->model);
        return;
    }
    if (!m->vm)
        return;
    TRY(s, done, false, vm_restore(s->vm, m->vm));
    check(done, "restore");
    model_restore(s->model, m->model);
}

/* ---- Sections -------------------------------------------------------------------------------- */

static enum err read_file(void *ctx, uint64_t offset, void *dst, size_t len)
{
    const struct file *f = ctx;

    memset(dst, (int)(f->number + offset / VM_PAGE_SIZE), len);
    return ERR_OK;
}

/* What is written back is dirty, and is what the twin holds. */
static enum err write_file(void *ctx, uint64_t offset, const void *src, size_t len)
{
    const struct file *f = ctx;
    struct model_section *m = &f->state->model->sections[f->number];
    uint64_t page = offset / VM_PAGE_SIZE;

    check(offset % VM_PAGE_SIZE == 0 && m->file && offset + len <= m->size && m->dirty[page],
          "a page that was written back");
    check(memcmp(src, m->bytes[page], len) == 0, "what was written back");
    m->dirty[page] = false;
    return ERR_OK;
}

/* The twin's number of a section to come; MODEL_SECTIONS when all live on, here or in what was saved. */
static unsigned free_number(const struct state *s)
{
    unsigned n = 0;

    for (; n < MODEL_SECTIONS; n++) {
        bool lives = model_section_lives(s->model, n);

        for (unsigned i = 0; i < MOMENTS; i++)
            lives |= s->moments[i].model && model_section_lives(s->moments[i].model, n);
        if (!lives)
            break;
    }
    return n;
}

static uint32_t next_section_protect(struct state *s)
{
    static const uint32_t protects[] = {PAGE_READWRITE,   PAGE_EXECUTE_READWRITE, PAGE_READWRITE,
                                        PAGE_WRITECOPY,   PAGE_EXECUTE_WRITECOPY, PAGE_READONLY,
                                        PAGE_EXECUTE_READ};
    uint8_t v = next_u8(s);

    return v >= 0xf0 ? v : protects[v % 7];
}

/* A section of both; number is free. */
static void new_section(struct state *s, unsigned number, struct vm_section_config config,
                        struct vm_backing file)
{
    nt_status st;

    s->files[number] = (struct file){s, number};
    file.ctx = &s->files[number];
    file.read = read_file;
    config.file = config.file ? &file : NULL;
    TRY(s, st, STATUS_NO_MEMORY, vm_section_new(s->vm, &config, &s->sections[number]));
    check(st == model_section_new(s->model, number, &config), "status of a new section");
}

static void do_new_section(struct state *s)
{
    static const uint32_t attributes[] = {SEC_COMMIT,
                                          SEC_RESERVE,
                                          SEC_COMMIT,
                                          SEC_RESERVE | SEC_NOCACHE,
                                          SEC_COMMIT | SEC_WRITECOMBINE,
                                          SEC_RESERVE,
                                          SEC_NOCACHE,
                                          SEC_COMMIT | SEC_RESERVE};
    unsigned n = free_number(s);
    uint8_t how = next_u8(s);
    struct vm_backing file = {.size = how & 1 ? 0x22800 : 0x1800,
                              .write = how & 2 ? write_file : NULL};
    struct vm_section_config config = {.protect = next_section_protect(s),
                                       .attributes = attributes[how >> 2 & 7],
                                       .file = how & 0x80 ? &file : NULL};

    config.size = next_size(s) % (MODEL_SECTION_PAGES * VM_PAGE_SIZE);
    if (n < MODEL_SECTIONS)
        new_section(s, n, config, file);
}

static void do_new_image(struct state *s)
{
    static struct vm_image_run runs[5];
    unsigned n = free_number(s);
    struct vm_image image = model_image(next_u8(s));
    nt_status st;

    if (n == MODEL_SECTIONS)
        return;
    memcpy(runs, image.runs, 4 * sizeof *runs);
    runs[4] = runs[3];
    runs[3] = (struct vm_image_run){0x4000, 0x1000, PAGE_READWRITE, ".shared"};
    image.runs = runs;
    image.run_count = 5;
    TRY(s, st, STATUS_NO_MEMORY, vm_section_new_image(s->vm, &image, &s->sections[n]));
    check(st == STATUS_SUCCESS, "a new image");
    model_section_new_image(s->model, n, &image);
}

/* Everything that was dirty has been written back. */
static void check_clean(const struct model_section *m, unsigned first, unsigned end)
{
    for (unsigned p = first; p < end; p++)
        check(!m->dirty[p], "what was left dirty");
}

static void do_close_section(struct state *s)
{
    unsigned n = next_u8(s) % MODEL_SECTIONS;

    vm_section_unref(s->sections[n]);
    s->sections[n] = NULL;
    s->model->sections[n].handle = false;
    if (!model_section_lives(s->model, n))
        check_clean(&s->model->sections[n], 0, MODEL_SECTION_PAGES);
}

/* A view of a section that has a handle. */
static void map_view(struct state *s, unsigned number, const struct vm_view_request *req)
{
    gva_t base[2] = {1, 1};
    uint64_t size[2] = {2, 2};
    nt_status st;

    TRY(s, st, STATUS_NO_MEMORY, vm_section_map(s->sections[number], req, &base[0], &size[0]));
    check(st == model_section_map(s->model, number, req, &base[1], &size[1]), "status of a view");
    check(base[0] == base[1] && size[0] == size[1], "output of a view");
}

static void do_map_view(struct state *s)
{
    unsigned n = next_u8(s) % MODEL_SECTIONS;
    uint8_t how = next_u8(s);
    struct vm_view_request req = {.base = how & 1 ? next_addr(s) : 0,
                                  .offset = how & 2 ? next_addr(s) % 0x30000 : 0,
                                  .size = how & 4 ? next_size(s) : 0,
                                  .type = how & 8 ? MEM_TOP_DOWN : 0};

    while (n < MODEL_SECTIONS && !s->sections[n]) /* one that there is */
        n++;
    req.protect = how & 16 ? next_protect(s) : next_section_protect(s);
    if ((how & 0xe0) == 0x20)
        req.zero_bits = next_u8(s) % 34;
    if ((how & 0xe0) == 0x40) {
        req.lowest = next_addr(s);
        req.alignment = UINT64_C(1) << (next_u8(s) & 31);
    }
    if (n < MODEL_SECTIONS)
        map_view(s, n, &req);
}

/* Start with overlapping views of a section of each kind, for what random operations rarely get to by themselves. */
static void start_with_views(struct state *s)
{
    static const struct {
        unsigned section;
        struct vm_view_request req;
    } views[] = {
        {0, {.base = 0x20000, .protect = PAGE_READWRITE}},
        {0, {.base = 0x40000, .offset = 0x10000, .protect = PAGE_EXECUTE_READWRITE}},
        {0, {.base = 0x50000, .size = 0x4000, .protect = PAGE_EXECUTE_WRITECOPY}},
        {1, {.base = 0x60000, .protect = PAGE_READWRITE}},
        {1, {.base = 0x70000, .size = 0x6000, .protect = PAGE_READONLY}},
        {2, {.base = 0x80000, .protect = PAGE_READWRITE}},
        {2, {.base = 0x90000, .size = 0x3000, .protect = PAGE_WRITECOPY}},
    };

    new_section(
        s, 0, (struct vm_section_config){0x18000, PAGE_EXECUTE_READWRITE, SEC_RESERVE, NULL, NULL},
        (struct vm_backing){0});
    new_section(s, 1, (struct vm_section_config){0x8000, PAGE_READWRITE, SEC_COMMIT, NULL, NULL},
                (struct vm_backing){0});
    new_section(
        s, 2,
        (struct vm_section_config){0, PAGE_READWRITE, SEC_COMMIT, &(struct vm_backing){0}, NULL},
        (struct vm_backing){.size = 0x5800, .write = write_file});
    for (unsigned i = 0; i < sizeof views / sizeof *views; i++)
        map_view(s, views[i].section, &views[i].req);
}

static void do_flush(struct state *s)
{
    gva_t addr = next_addr(s);
    uint64_t size = next_size(s);
    struct model_section *m;
    unsigned first, end;

    check(vm_section_flush(s->vm, addr, size) ==
              model_flush(s->model, addr, size, &m, &first, &end),
          "status of flush");
    if (m)
        check_clean(m, first, end);
}

static void drop_sections(struct state *s)
{
    for (unsigned n = 0; n < MODEL_SECTIONS; n++) {
        vm_section_unref(s->sections[n]);
        s->model->sections[n].handle = false;
    }
}

/* ---- Labels ---------------------------------------------------------------------------------- */

static void do_label(struct state *s)
{
    gva_t addr = next_addr(s);
    uint8_t how = next_u8(s);
    struct vm_region r;
    bool there = model_query(s->model, addr, &r) == STATUS_SUCCESS && r.state != MEM_FREE, done;

    TRY(s, done, false, vm_set_label(s->vm, addr, how & 2 ? "label" : "", how & 1));
    check(done == there, "result of label");
}

static void check_memory(const struct state *s)
{
    compare_memory(s->vm, s->model);
    check_tlb(s);
}

static void run(struct state *s)
{
    static void (*const operations[])(struct state *) = {
        do_allocate, do_allocate,      do_allocate,     do_release,   do_release,
        do_protect,  do_protect,       do_fill,         do_fill,      do_fill,
        do_map,      do_unmap,         do_write,        do_guard,     do_dep,
        do_save,     do_label,         do_kernel_write, do_get_watch, do_reset_watch,
        do_restore,  do_new_section,   do_new_section,  do_map_view,  do_map_view,
        do_map_view, do_close_section, do_flush,        do_commit,    do_commit,
        do_new_image};

    for (unsigned n = 0; n < OPERATIONS_MAX && s->at < s->input.len; n++) {
        operations[next_u8(s) % (sizeof operations / sizeof *operations)](s);
        compare_layout(s->vm, s->model);
        if (n % 8 == 7) /* most of the time goes here */
            check_memory(s);
    }
    check_memory(s);
}

/* In another vm, from bytes, it is the same address space. */
static void check_bytes(const struct state *s, const struct vm_config *config)
{
    struct vm_saved *saved = vm_save(s->vm);
    struct diag why = {""};
    struct buf bytes;
    struct vm *other;
    enum err e;

    buf_init(&bytes, SIZE_MAX);
    check(saved && !vm_saved_write(saved, &bytes, &why), "writing bytes");
    vm_saved_free(saved);
    check(!vm_new(config, &other), "another vm");
    e = vm_saved_read(other, bytes.data, bytes.len, NULL, &saved, &why);
    check(!e || e == ERR_LIMIT, why.text); /* what was restored may be over the limit */
    if (!e) {
        check(vm_restore(other, saved), "restoring from bytes");
        vm_saved_free(saved);
        compare_layout(other, s->model);
        compare_memory(other, s->model);
    }
    vm_free(other);
    buf_fini(&bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vm_config config = {.user_limit = MODEL_LIMIT,
                               .arena_size = 4 * MODEL_LIMIT,
                               .commit_limit = (data && size && data[0] & 1) ? MODEL_LIMIT / 3
                                                                             : MODEL_LIMIT * 2};
    struct state s = {.input = {data, size}};
    struct vm_observer observer = {.ctx = &s, .revoked = on_revoked};

    if (vm_new(&config, &s.vm))
        return 0;
    s.model = model_new(config.commit_limit);
    vm_set_observer(s.vm, &observer);
    forget(&s, 0, MODEL_LIMIT);
    if (data && size && data[0] & 2)
        start_with_views(&s);
    s.starved = data && size && data[0] & 4;
    run(&s);
    for (unsigned i = 0; i < MOMENTS; i++)
        drop_saved(&s.moments[i]);
    drop_sections(&s);
    check_bytes(&s, &config);
    vm_unmap_all(s.vm);
    model_free(s.model);
    vm_free(s.vm);
    return 0;
}
