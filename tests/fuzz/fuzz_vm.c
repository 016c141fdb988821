/*
 * Random operations on an address space and on its naive twin (vm_model.h). After each one: the same
 * status and outputs, the same answer to a query of every page; after some, the same bytes, nothing promised to a CPU that
 * does not hold any more, and every invariant. Both are saved and restored at random moments.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vm/space.h"
#include "vm_model.h"
#include "winstub/bytes.h"

#define OPERATIONS_MAX 96u
#define NO_OFFSET      UINT64_MAX
#define MOMENTS        3u

/* The address space and its twin as they were; NULL when not used. */
struct moment {
    struct vm_saved *vm;
    struct model *model;
};

struct state {
    struct bytes input;
    uint64_t at;
    struct vm *vm;
    struct model *model;
    struct vm_fill tlb[MODEL_PAGES]; /* what a CPU may have cached; offset NO_OFFSET: nothing */
    struct moment moments[MOMENTS];
};

static void check(bool ok, const char *what)
{
    if (ok)
        return;
    (void)fprintf(stderr, "fuzz_vm: %s differs\n", what);
    abort();
}

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

/* Mostly a page boundary or a byte beside one, sometimes far outside. */
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
    return (uint64_t)(v % 48) * VM_PAGE_SIZE + (v & 0x40 ? 1 : 0);
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
    enum vm_fault fault = vm_fill(s->vm, page, want, &fill);
    uint64_t size;

    check(fault == model_fill(s->model, page, want), "fill");
    if (fault)
        return;
    check(fill.access & want, "access asked for");
    s->tlb[page / VM_PAGE_SIZE] = fill;
    if (want != VM_WRITE)
        return;
    s->model->bytes[page / VM_PAGE_SIZE][how] = how;
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
        check(memcmp(vm_arena(s->vm, &size) + f->offset, s->model->bytes[i], VM_PAGE_SIZE) == 0,
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
    st = vm_allocate(s->vm, &req, &base[0], &size[0]);
    check(st == model_allocate(s->model, &req, &base[1], &size[1]), "status of allocate");
    check(base[0] == base[1] && size[0] == size[1], "output of allocate");
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
    st = vm_release(s->vm, &base[0], &size[0], type);
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
    st = vm_protect(s->vm, &base[0], &size[0], protect, &old[0]);
    check(st == model_protect(s->model, &base[1], &size[1], protect, &old[1]), "status of protect");
    check(base[0] == base[1] && size[0] == size[1] && old[0] == old[1], "output of protect");
}

static void do_map(struct state *s)
{
    static uint8_t bytes[6 * VM_PAGE_SIZE];
    static const struct vm_image_run runs[] = {
        {0x0000, 0x1000, PAGE_READONLY, "header"},
        {0x1000, 0x1000, PAGE_EXECUTE_READ, ".text"},
        {0x2000, 0x2000, PAGE_WRITECOPY, ".data"},
        {0x5000, 0x1000, PAGE_EXECUTE_WRITECOPY, ".both"},
    };
    struct vm_image image = {
        .base = next_addr(s),
        .size = sizeof bytes,
        .bytes = bytes,
        .runs = runs,
        .run_count = sizeof runs / sizeof *runs,
        .label = "fuzz.exe",
        .path = "C:\\fuzz.exe",
    };
    nt_status st;

    memset(bytes, next_u8(s), 3 * VM_PAGE_SIZE);
    st = vm_map_image(s->vm, &image);
    check(st == model_map_image(s->model, &image), "status of map");
}

static void do_unmap(struct state *s)
{
    gva_t addr = next_addr(s);

    check(vm_unmap_view(s->vm, addr) == model_unmap(s->model, addr), "status of unmap");
}

static void do_write(struct state *s)
{
    static uint8_t bytes[3 * VM_PAGE_SIZE];
    gva_t addr = next_addr(s);
    size_t len = next_size(s) % sizeof bytes;

    memset(bytes, next_u8(s), len);
    check(vm_debug_write(s->vm, addr, bytes, len) == model_write(s->model, addr, bytes, len),
          "result of write");
}

static void do_kernel_write(struct state *s)
{
    static uint8_t bytes[3 * VM_PAGE_SIZE];
    gva_t addr = next_addr(s);
    size_t len = next_size(s) % sizeof bytes;
    nt_status st;

    memset(bytes, next_u8(s), len);
    st = vm_write(s->vm, addr, bytes, len);
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
    nt_status st = vm_get_write_watch(s->vm, how & 3, base, size, list[0], &count[0], &granularity);

    check(st == model_get_write_watch(s->model, how & 3, base, size, list[1], &count[1]),
          "status of write watch");
    check(count[0] == count[1] && memcmp(list[0], list[1], sizeof list[0]) == 0, "write watch");
}

static void do_reset_watch(struct state *s)
{
    gva_t base = next_addr(s);
    uint64_t size = next_size(s);

    check(vm_reset_write_watch(s->vm, base, size) == model_reset_write_watch(s->model, base, size),
          "status of reset");
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
    m->vm = vm_save(s->vm);
    check(m->vm != NULL, "save");
    m->model = model_new(0);
    *m->model = *s->model;
}

/* Back to a moment; rarely to none at all. */
static void do_restore(struct state *s)
{
    uint8_t which = next_u8(s);
    const struct moment *m = &s->moments[which % MOMENTS];

    if (which >= 0xf8) {
        vm_unmap_all(s->vm);
        model_unmap_all(s->model);
        return;
    }
    if (!m->vm)
        return;
    check(vm_restore(s->vm, m->vm), "restore");
    *s->model = *m->model;
}

static void do_label(struct state *s)
{
    gva_t addr = next_addr(s);
    uint8_t how = next_u8(s);
    struct vm_region r;
    bool there = model_query(s->model, addr, &r) == STATUS_SUCCESS && r.state != MEM_FREE;

    check(vm_set_label(s->vm, addr, how & 2 ? "label" : "", how & 1) == there, "result of label");
}

/* ---- Comparison ------------------------------------------------------------------------------ */

static void check_query(const struct state *s, gva_t addr)
{
    struct vm_region a;
    struct vm_region b = {0};

    check(vm_query(s->vm, addr, &a) == model_query(s->model, addr, &b), "status of query");
    check(a.base == b.base && a.size == b.size, "extent of query");
    check(a.allocation_base == b.allocation_base && a.allocation_size == b.allocation_size,
          "allocation of query");
    check(a.allocation_protect == b.allocation_protect && a.state == b.state &&
              a.protect == b.protect && a.type == b.type,
          "attributes of query");
    check(a.label_size <= a.size && (a.state == MEM_FREE) == (a.label_size == 0), "label's size");
}

static void check_contents(const struct state *s, gva_t addr)
{
    uint8_t bytes[VM_PAGE_SIZE];
    size_t len = s->model->pages[addr / VM_PAGE_SIZE].protect ? sizeof bytes : 0;

    check(vm_debug_read(s->vm, addr, bytes, sizeof bytes) >= len, "length of read");
    check(memcmp(bytes, s->model->bytes[addr / VM_PAGE_SIZE], len) == 0, "contents");
}

static void check_layout(const struct state *s)
{
    check(vm_valid(s->vm), "an invariant");
    for (gva_t addr = 0; addr < MODEL_LIMIT; addr += VM_PAGE_SIZE)
        check_query(s, addr);
}

static void check_memory(const struct state *s)
{
    for (gva_t addr = 0; addr < MODEL_LIMIT; addr += VM_PAGE_SIZE)
        check_contents(s, addr);
    check_tlb(s);
}

static void run(struct state *s)
{
    static void (*const operations[])(struct state *) = {
        do_allocate,  do_allocate,    do_allocate, do_release, do_release, do_protect,
        do_protect,   do_fill,        do_fill,     do_fill,    do_map,     do_unmap,
        do_write,     do_guard,       do_dep,      do_save,    do_label,   do_kernel_write,
        do_get_watch, do_reset_watch, do_restore};

    for (unsigned n = 0; n < OPERATIONS_MAX && s->at < s->input.len; n++) {
        operations[next_u8(s) % (sizeof operations / sizeof *operations)](s);
        check_layout(s);
        if (n % 8 == 7) /* most of the time goes here */
            check_memory(s);
    }
    check_memory(s);
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
    run(&s);
    for (unsigned i = 0; i < MOMENTS; i++)
        drop_saved(&s.moments[i]);
    model_free(s.model);
    vm_free(s.vm);
    return 0;
}
