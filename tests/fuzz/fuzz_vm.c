/*
 * Random operations on an address space and on its naive twin (vm_model.h). After each one: the same
 * status and outputs, the same answer to a query of every page, the same bytes, nothing promised to a CPU that
 * does not hold any more, and every invariant. A page table shared as a checkpoint shares it keeps its contents.
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

struct state {
    struct bytes input;
    uint64_t at;
    struct vm *vm;
    struct model *model;
    struct vm_fill tlb[MODEL_PAGES]; /* what a CPU may have cached; offset NO_OFFSET: nothing */
    struct pagetable checkpoint;
    struct model *remembered; /* NULL: no checkpoint */
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
                                     MEM_RESET | MEM_COMMIT,
                                     MEM_COMMIT};
    uint8_t how = next_u8(s);
    struct vm_request req = {.type = how == 0xff ? next_u16(s) : types[how % 8],
                             .base = how & 8 ? next_addr(s) : 0};
    gva_t base[2] = {1, 1};
    uint64_t size[2] = {2, 2};
    nt_status st;

    req.size = next_size(s);
    req.protect = next_protect(s);
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
    static const uint32_t types[] = {MEM_RELEASE, MEM_DECOMMIT, MEM_RELEASE, MEM_DECOMMIT,
                                     MEM_RELEASE | MEM_DECOMMIT};
    uint32_t type = types[next_u8(s) % 5];
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

static void drop_checkpoint(struct state *s)
{
    if (!s->remembered)
        return;
    pt_fini(&s->checkpoint);
    model_free(s->remembered);
    s->remembered = NULL;
}

/* Share the page table as a checkpoint does; the CPU must ask again before it writes. */
static void do_checkpoint(struct state *s)
{
    drop_checkpoint(s);
    if (next_u8(s) & 1)
        return;
    s->remembered = model_new(0);
    *s->remembered = *s->model;
    pt_share(&s->vm->pages, &s->checkpoint);
    forget(s, 0, MODEL_LIMIT);
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

static void check_page(const struct state *s, gva_t addr)
{
    struct vm_region a;
    struct vm_region b = {0};
    uint8_t bytes[VM_PAGE_SIZE];
    size_t len = s->model->pages[addr / VM_PAGE_SIZE].protect ? sizeof bytes : 0;

    check(vm_query(s->vm, addr, &a) == model_query(s->model, addr, &b), "status of query");
    check(a.base == b.base && a.size == b.size, "extent of query");
    check(a.allocation_base == b.allocation_base && a.allocation_size == b.allocation_size,
          "allocation of query");
    check(a.allocation_protect == b.allocation_protect && a.state == b.state &&
              a.protect == b.protect && a.type == b.type,
          "attributes of query");
    check(a.label_size <= a.size && (a.state == MEM_FREE) == (a.label_size == 0), "label's size");
    check(vm_debug_read(s->vm, addr, bytes, sizeof bytes) >= len, "length of read");
    check(memcmp(bytes, s->model->bytes[addr / VM_PAGE_SIZE], len) == 0, "contents");
}

/* The checkpoint's table holds what memory held when it was taken. */
static void check_checkpoint(const struct state *s)
{
    uint64_t page = 0;
    pte_t e;

    if (!s->remembered)
        return;
    check(pt_valid(&s->checkpoint), "checkpoint");
    for (; pt_next(&s->checkpoint, &page, MODEL_PAGES, &e); page++) {
        const uint8_t *bytes = s->remembered->bytes[page];

        check(pte_protect(e) == s->remembered->pages[page].protect, "protection in a checkpoint");
        check(memcmp(frames_bytes(&s->vm->frames, pte_frame(e)), bytes, VM_PAGE_SIZE) == 0,
              "contents of a checkpoint");
    }
}

static void check_all(const struct state *s)
{
    check(vm_valid(s->vm), "an invariant");
    for (gva_t addr = 0; addr < MODEL_LIMIT; addr += VM_PAGE_SIZE)
        check_page(s, addr);
    check_tlb(s);
    check_checkpoint(s);
}

static void run(struct state *s)
{
    static void (*const operations[])(struct state *) = {
        do_allocate, do_allocate, do_allocate, do_release,    do_release, do_protect,
        do_protect,  do_fill,     do_fill,     do_fill,       do_map,     do_unmap,
        do_write,    do_guard,    do_dep,      do_checkpoint, do_label,   do_write};

    for (unsigned n = 0; n < OPERATIONS_MAX && s->at < s->input.len; n++) {
        operations[next_u8(s) % (sizeof operations / sizeof *operations)](s);
        check_all(s);
    }
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
    drop_checkpoint(&s);
    model_free(s.model);
    vm_free(s.vm);
    return 0;
}
