/*
 * Random operations on an address space and on its naive twin (vm_model.h), in some inputs on two spaces that lie beside each
 * other, where each operation says which one it is for. After each one: the same
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
#include "vm_fuzz.h"
#include "winstub/saved.h"

#define OPERATIONS_MAX 96u

/* ---- The CPU's side -------------------------------------------------------------------------- */

static void forget(struct space *s, gva_t start, gva_t end)
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
    gva_t page = page_down(next_addr(&s->in));
    uint8_t how = next_u8(&s->in);
    enum vm_access want = (enum vm_access)(1 << how % 3);
    struct vm_fill fill;
    enum vm_fault fault;
    uint64_t size;

    TRY(s, fault, VM_FAULT_NOMEM, vm_fill(s->vm, page, want, &fill));
    check(fault == model_fill(s->model, page, want), "fill");
    if (fault)
        return;
    check(fill.access & want, "access asked for");
    s->space->tlb[page / VM_PAGE_SIZE] = fill;
    if (want != VM_WRITE)
        return;
    model_store(s->model, page + how, how);
    vm_arena(s->vm, &size)[fill.offset + how] = how;
}

/* Nothing in the cache promises more than holds, and it names the right frame. */
static void check_tlb(const struct space *s)
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

/* ---- Spaces ---------------------------------------------------------------------------------- */

static void use_space(struct state *s, struct space *space)
{
    s->space = space;
    s->vm = space->vm;
    s->model = s->space->model;
    s->in.model = s->model;
}

/* A space at that place, beside the other one if there is one. False: memory is short. */
static bool make_space(struct state *s, unsigned place, struct vm_config config)
{
    struct space *space = &s->spaces[place], *other = &s->spaces[1 - place];
    struct vm_observer observer = {.ctx = space, .revoked = on_revoked};
    enum err e;

    config.beside = other->vm;
    ATTEMPT(s, e, ERR_NOMEM, vm_new(&config, &space->vm), (void)0);
    if (e)
        return false;
    vm_set_observer(space->vm, &observer);
    space->model = other->model ? model_new_beside(other->model) : model_new(config.commit_limit);
    forget(space, 0, MODEL_LIMIT);
    use_space(s, space);
    return true;
}

static void drop_saved(struct moment *m)
{
    vm_saved_free(m->vm);
    model_free(m->model);
    *m = (struct moment){0};
}

/* A space goes, with what was saved of it; another one, if there is one, is worked on from here. */
static void drop_space(struct state *s, struct space *space)
{
    struct space *other = &s->spaces[space == s->spaces];

    for (unsigned i = 0; i < MOMENTS; i++) {
        if (s->moments[i].space == space)
            drop_saved(&s->moments[i]);
    }
    vm_free(space->vm);
    space->vm = NULL;
    model_free(space->model);
    space->model = NULL;
    if (other->vm)
        use_space(s, other);
}

/* A space in the place of the one that is worked on. */
static void do_exchange(struct state *s)
{
    unsigned place = s->space == &s->spaces[1];

    drop_space(s, s->space);
    check(make_space(s, place, (struct vm_config){.user_limit = MODEL_LIMIT}), "a space beside");
}

void compare_layouts(const struct state *s)
{
    for (unsigned i = 0; i < SPACES; i++) {
        if (s->spaces[i].vm)
            compare_layout(s->spaces[i].vm, s->spaces[i].model);
    }
}

static void check_memory(const struct state *s)
{
    for (unsigned i = 0; i < SPACES; i++) {
        if (!s->spaces[i].vm)
            continue;
        compare_memory(s->spaces[i].vm, s->spaces[i].model);
        check_tlb(&s->spaces[i]);
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
    uint8_t how = next_u8(&s->in);
    struct vm_request req = {.type = how == 0xff ? next_u16(&s->in) : types[next_u8(&s->in) % 11],
                             .base = how & 8 ? next_addr(&s->in) : 0};
    gva_t base[2] = {1, 1};
    uint64_t size[2] = {2, 2};
    nt_status st;

    req.size = next_size(&s->in);
    req.protect =
        req.type & MEM_RESERVE_PLACEHOLDER && how & 1 ? PAGE_NOACCESS : next_protect(&s->in);
    req.extended = how & 2;
    if (how & 4)
        req.zero_bits = how & 1 ? next_u8(&s->in) % 34 : (uint64_t)next_u8(&s->in) << 13;
    if (how & 16) {
        req.lowest = next_addr(&s->in);
        req.highest = how & 32 ? next_addr(&s->in) - 1 : 0;
        req.alignment = how & 64 ? UINT64_C(1) << (next_u8(&s->in) & 31) : 0;
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
    struct vm_request req = {.base = taken_page(&s->in, next_u16(&s->in)),
                             .size = next_size(&s->in) + 1,
                             .type = MEM_COMMIT};
    gva_t base[2] = {1, 1};
    uint64_t size[2] = {2, 2};
    nt_status st;

    req.protect = protects[next_u8(&s->in) % 4];
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
    uint32_t type = types[next_u8(&s->in) % 7];
    gva_t base[2];
    uint64_t size[2];
    nt_status st;

    base[0] = base[1] = next_addr(&s->in);
    size[0] = size[1] = next_size(&s->in);
    TRY(s, st, STATUS_NO_MEMORY, vm_release(s->vm, &base[0], &size[0], type));
    check(st == model_release(s->model, &base[1], &size[1], type), "status of release");
    check(base[0] == base[1] && size[0] == size[1], "output of release");
}

static void do_protect(struct state *s)
{
    uint32_t protect = next_protect(&s->in);
    uint32_t old[2] = {3, 3};
    gva_t base[2];
    uint64_t size[2];
    nt_status st;

    base[0] = base[1] = next_addr(&s->in);
    size[0] = size[1] = next_size(&s->in);
    TRY(s, st, STATUS_NO_MEMORY, vm_protect(s->vm, &base[0], &size[0], protect, &old[0]));
    check(st == model_protect(s->model, &base[1], &size[1], protect, &old[1]), "status of protect");
    check(base[0] == base[1] && size[0] == size[1] && old[0] == old[1], "output of protect");
}

static void do_map(struct state *s)
{
    gva_t base = next_addr(&s->in);
    struct vm_image image = model_image(next_u8(&s->in));
    nt_status st;

    image.base = base;
    TRY(s, st, STATUS_NO_MEMORY, vm_map_image(s->vm, &image));
    check(st == model_map_image(s->model, &image), "status of map");
}

static void do_unmap(struct state *s)
{
    gva_t addr = next_addr(&s->in);
    nt_status st;

    TRY(s, st, STATUS_NO_MEMORY, vm_unmap_view(s->vm, addr));
    check(st == model_unmap(s->model, addr), "status of unmap");
}

static void do_write(struct state *s)
{
    static uint8_t bytes[3 * VM_PAGE_SIZE];
    gva_t addr = next_addr(&s->in);
    size_t len = next_size(&s->in) % sizeof bytes;
    bool done;

    memset(bytes, next_u8(&s->in), len);
    TRY(s, done, false, vm_debug_write(s->vm, addr, bytes, len));
    check(done == model_write(s->model, addr, bytes, len), "result of write");
}

static void do_kernel_write(struct state *s)
{
    static uint8_t bytes[3 * VM_PAGE_SIZE];
    gva_t addr = next_addr(&s->in);
    size_t len = next_size(&s->in) % sizeof bytes;
    nt_status st;

    memset(bytes, next_u8(&s->in), len);
    /* Pages that it touched before it failed stay touched. */
    ATTEMPT(s, st, STATUS_NO_MEMORY, vm_write(s->vm, addr, bytes, len), (void)0);
    check(st == model_kernel_write(s->model, addr, bytes, len), "status of a service's write");
}

static void do_get_watch(struct state *s)
{
    uint8_t how = next_u8(&s->in);
    gva_t base = next_addr(&s->in);
    uint64_t size = next_size(&s->in);
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
    gva_t base = next_addr(&s->in);
    uint64_t size = next_size(&s->in);
    nt_status st;

    TRY(s, st, STATUS_NO_MEMORY, vm_reset_write_watch(s->vm, base, size));
    check(st == model_reset_write_watch(s->model, base, size), "status of reset");
}

static void do_guard(struct state *s)
{
    gva_t addr = next_addr(&s->in);

    check(vm_clear_guard(s->vm, addr) == model_clear_guard(s->model, addr), "result of guard");
}

static void do_dep(struct state *s)
{
    s->model->dep = next_u8(&s->in) & 1;
    vm_set_dep(s->vm, s->model->dep);
}

static void do_save(struct state *s)
{
    struct moment *m = &s->moments[next_u8(&s->in) % MOMENTS];

    drop_saved(m);
    TRY(s, m->vm, NULL, vm_save(s->vm));
    check(m->vm != NULL, "save");
    m->model = model_save(s->model);
    m->space = s->space;
}

/* Back to a moment; rarely to none at all. */
static void do_restore(struct state *s)
{
    uint8_t which = next_u8(&s->in);
    const struct moment *m = &s->moments[which % MOMENTS];
    bool done;

    if (which >= 0xf8) {
        vm_unmap_all(s->vm);
        model_unmap_all(s->model);
        return;
    }
    if (!m->vm)
        return;
    use_space(s, m->space);
    TRY(s, done, false, vm_restore(s->vm, m->vm));
    check(done, "restore");
    model_restore(s->model, m->model);
}

/* ---- Labels ---------------------------------------------------------------------------------- */

static void do_label(struct state *s)
{
    gva_t addr = next_addr(&s->in);
    uint8_t how = next_u8(&s->in);
    struct vm_region r;
    bool there = model_query(s->model, addr, &r) == STATUS_SUCCESS && r.state != MEM_FREE, done;

    TRY(s, done, false, vm_set_label(s->vm, addr, how & 2 ? "label" : "", how & 1));
    check(done == there, "result of label");
}

static void run(struct state *s)
{
    static void (*const operations[])(struct state *) = {
        do_allocate,  do_allocate,      do_allocate,     do_release,    do_release,
        do_protect,   do_protect,       do_fill,         do_fill,       do_fill,
        do_map,       do_unmap,         do_write,        do_guard,      do_dep,
        do_save,      do_label,         do_kernel_write, do_get_watch,  do_reset_watch,
        do_restore,   do_new_section,   do_new_section,  do_map_view,   do_map_view,
        do_map_view,  do_close_section, do_flush,        do_commit,     do_commit,
        do_new_image, do_replace,       do_replace,      do_unmap_back, do_write_file,
        do_grow};

    for (unsigned n = 0; n < OPERATIONS_MAX && s->in.at < s->in.bytes.len; n++) {
        uint8_t which = next_u8(&s->in);

        if (s->spaces[1].vm) {
            use_space(s, &s->spaces[which >> 7]);
            which &= 0x7f;
        }
        if (s->spaces[1].vm && which >= 0x7e)
            do_exchange(s);
        else
            operations[which % (sizeof operations / sizeof *operations)](s);
        compare_layouts(s);
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

/* What the first byte of an input says beside being the first operation. */
enum { LOW_LIMIT = 1, WITH_VIEWS = 2, STARVED = 4, TWO_SPACES = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned how = data && size ? data[0] : 0;
    struct vm_config config = {.user_limit = MODEL_LIMIT,
                               .arena_size = 8 * MODEL_LIMIT,
                               .commit_limit = how & LOW_LIMIT ? MODEL_LIMIT / 3 : MODEL_LIMIT * 2};
    struct state s = {.in = {.bytes = {data, size}}};

    if (how & TWO_SPACES && !make_space(&s, 1, config))
        return 0;
    if (!make_space(&s, 0, config)) {
        drop_space(&s, &s.spaces[1]);
        return 0;
    }
    if (how & WITH_VIEWS)
        start_with_sections(&s);
    for (unsigned i = SPACES; i-- > 0;) {
        if (how & WITH_VIEWS && s.spaces[i].vm) {
            use_space(&s, &s.spaces[i]);
            start_with_views(&s);
        }
    }
    s.starved = how & STARVED;
    run(&s);
    for (unsigned i = 0; i < MOMENTS; i++)
        drop_saved(&s.moments[i]);
    drop_sections(&s);
    if (how & TWO_SPACES)
        drop_space(&s, &s.spaces[how >> 4 & 1]);
    check_memory(&s);
    check_bytes(&s, &config);
    vm_unmap_all(s.vm);
    drop_space(&s, s.space);
    return 0;
}
