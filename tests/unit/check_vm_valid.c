/* core/vm/valid.c sees each broken invariant; and every operation, failing at its n-th allocation, changes nothing. */
#include <check.h>
#include <string.h>

#include "alloc_fail.h"
#include "suite.h"
#include "vm/space.h"
#include "vm_builder.h"

#define A     UINT64_C(0x200000)
#define B     UINT64_C(0x300000)
#define IMAGE UINT64_C(0x140000000)
#define RW    PAGE_READWRITE

static struct vm *vm;

static void setup(void)
{
    vm = build_vm(0);
    build_committed(vm, A, 0x10000);
    ck_assert(vm_debug_write(vm, A + 0x2000, "abc", 3));
    build_reserved(vm, B, 0x10000);
    ck_succeeds(build_image(vm, IMAGE));
}

static void teardown(void)
{
    ck_assert(vm_valid(vm));
    vm_free(vm);
}

/* Change a field for a moment: not valid meanwhile. */
#define ck_breaks(field, value)                                                                    \
    do {                                                                                           \
        __typeof__(field) saved = (field);                                                         \
        (field) = (value);                                                                         \
        ck_assert_msg(!vm_valid(vm), "%s = %s is not noticed", #field, #value);                    \
        (field) = saved;                                                                           \
        ck_assert(vm_valid(vm));                                                                   \
    } while (0)

START_TEST(sums)
{
    ck_breaks(vm->committed, vm->committed + VM_PAGE_SIZE);
    ck_breaks(vm->reserved, vm->reserved - VM_PAGE_SIZE);
    ck_breaks(vm->own_frames, 1);
    ck_breaks(vm->physical->tables.entries, 0);
    ck_breaks(vm->physical->frames.references, 0);
    ck_breaks(vm->physical->frames.in_use, 0);
    ck_breaks(vm->physical->frames.shared, 1);
}
END_TEST

START_TEST(allocations)
{
    struct allocation *a = allocs_find(&vm->allocs, A);

    ck_breaks(a->end, a->end + VM_PAGE_SIZE);
    ck_breaks(a->base, a->base + VM_PAGE_SIZE);
    ck_breaks(vm->allocs.tree.count, 1);
    a->placeholder = true; /* and something in a placeholder's place, which cannot be both */
    a->replaced = true;
    ck_assert(!vm_valid(vm));
    a->placeholder = false;
    ck_assert(vm_valid(vm));
    a->replaced = false;
}
END_TEST

START_TEST(runs)
{
    struct allocation *a = allocs_find(&vm->allocs, A);
    struct run *first;

    ck_succeeds(try_protect(vm, A + 0x1000, 0x1000, PAGE_READONLY));
    first = runs_first(&a->runs);
    ck_breaks(first->end, first->end + VM_PAGE_SIZE);
    ck_breaks(first->protect, (uint32_t)PAGE_READONLY); /* equal to its neighbour */
    ck_breaks(first->protect, 0u);                      /* not committed */
    ck_breaks(first->start, first->start + 1);
    ck_breaks(first->last, true);
}
END_TEST

START_TEST(pages)
{
    struct run *run = runs_first(&allocs_find(&vm->allocs, A)->runs);

    ck_breaks(run->protect,
              (uint32_t)PAGE_READONLY); /* its page has an entry that says otherwise */
    frames_ref(&vm->physical->frames, 0);
    ck_assert(!vm_valid(vm));
    frames_unref(&vm->physical->frames, 0);
}
END_TEST

START_TEST(a_frame_outside_allocations)
{
    frame_t f;

    ck_assert(frames_new(&vm->physical->frames, &f));
    ck_assert(!vm_valid(vm)); /* a frame that nobody owns */
    ck_assert(pt_put(&vm->pages, page_number(B), pte_make(f, RW)));
    ck_assert(!vm_valid(vm)); /* and one on a reserved page */
    pt_clear(&vm->pages, page_number(B), page_number(B) + 1);
}
END_TEST

/* ---- Failing allocations --------------------------------------------------------------------- */

static bool reserve(void)
{
    struct vm_request req = {.size = 0x10000, .type = MEM_RESERVE, .protect = RW, .label = "new"};

    return vm_allocate(vm, &req, NULL, NULL) == STATUS_SUCCESS;
}

static bool commit(void)
{
    return try_allocate(vm, B + 0x3000, 0x2000, MEM_COMMIT, RW) == STATUS_SUCCESS;
}

static bool commit_again(void)
{
    return try_allocate(vm, A + 0x1000, 0x3000, MEM_COMMIT, PAGE_READONLY) == STATUS_SUCCESS;
}

static bool decommit(void)
{
    return try_release(vm, A + 0x1000, 0x3000, MEM_DECOMMIT) == STATUS_SUCCESS;
}

static bool release_middle(void)
{
    return try_release(vm, A + 0x1000, 0x3000, MEM_RELEASE) == STATUS_SUCCESS;
}

static bool release_whole(void)
{
    return try_release(vm, A, 0, MEM_RELEASE) == STATUS_SUCCESS;
}

static bool protect(void)
{
    return try_protect(vm, A + 0x1000, 0x3000, PAGE_READONLY) == STATUS_SUCCESS;
}

static bool map_image(void)
{
    return build_image(vm, IMAGE + 0x100000) == STATUS_SUCCESS;
}

static bool unmap(void)
{
    return vm_unmap_view(vm, IMAGE) == STATUS_SUCCESS;
}

static bool debug_write(void)
{
    return vm_debug_write(vm, IMAGE + 0x1ffe, "abcdefgh", 8);
}

static bool debug_write_absent(void)
{
    return vm_debug_write(vm, A + 0x7ffe, "abcdefgh", 8);
}

static bool set_label(void)
{
    return vm_set_label(vm, A, "another", true);
}

static bool fill_absent(void)
{
    struct vm_fill fill;

    return vm_fill(vm, A + 0x8000, VM_WRITE, &fill) == VM_FAULT_NONE;
}

static bool fill_writecopy(void)
{
    struct vm_fill fill;

    return vm_fill(vm, IMAGE + 0x2000, VM_WRITE, &fill) == VM_FAULT_NONE;
}

static bool fill_shared(void)
{
    struct vm_fill fill;

    return vm_fill(vm, A + 0x2000, VM_WRITE, &fill) == VM_FAULT_NONE;
}

static bool clear_guard(void)
{
    return vm_clear_guard(vm, A + 0x9000);
}

static bool (*const operations[])(void) = {
    reserve,        commit,      commit_again, decommit,          release_middle, release_whole,
    protect,        map_image,   unmap,        debug_write,       set_label,      fill_absent,
    fill_writecopy, fill_shared, clear_guard,  debug_write_absent};

/* The pools' spare objects hide failures: use them all up. */
static void drain(struct pool *p)
{
    while (p->spare)
        (void)pool_take(p);
}

static void drain_pools(void)
{
    drain(&vm->physical->tables.nodes);
    drain(&vm->index_pool);
    drain(&vm->allocation_pool);
    drain(&vm->run_pool);
}

/* With and without a checkpoint that shares every page. */
START_TEST(nothing_changes_without_memory)
{
    bool (*operation)(void) = operations[_i / 2];
    struct pagetable checkpoint;
    bool failed = true;
    bool ok = false;

    pt_init(&checkpoint, &vm->physical->tables);
    ck_succeeds(try_protect(vm, A + 0x9000, 0x1000, RW | PAGE_GUARD));
    if (_i % 2)
        pt_share(&vm->pages, &checkpoint);
    for (unsigned long n = 1; failed; n++) {
        struct memory_of *before = remember(vm);

        drain_pools();
        alloc_fail_at(n);
        ok = operation();
        failed = alloc_fail_stop();
        if (failed)
            ck_assert(unchanged(before, vm));
        else
            forget_memory(before);
        ck_assert(vm_valid(vm));
        ck_assert_int_eq(ok, !failed);
    }
    pt_fini(&checkpoint);
}
END_TEST

START_TEST(no_vm_without_memory)
{
    struct vm_config config = {.arena_size = 0x100000};
    struct vm *another;
    enum err e;

    ALLOC_FAIL_EACH(e, vm_new(&config, &another), ERR_NOMEM, ERR_OK);
    vm_free(another);
    config.arena_size = UINT64_MAX;
    ck_assert_int_eq(vm_new(&config, &another), ERR_NOMEM);
    vm_free(NULL);
}
END_TEST

/* An arena of n frames: mapping an image that needs more fails cleanly. */
START_TEST(image_in_a_full_arena)
{
    struct vm_config config = {.arena_size = 2 * VM_PAGE_SIZE, .commit_limit = 0x100000};
    struct vm_stats stats;

    vm_free(vm);
    ck_assert_int_eq(vm_new(&config, &vm), ERR_OK);
    ck_refused(build_image(vm, IMAGE), STATUS_NO_MEMORY);
    vm_get_stats(vm, &stats);
    ck_assert_uint_eq(stats.resident, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("vm_valid");
    TCase *valid = tcase_create("invariants");
    TCase *torture = tcase_create("no memory");

    tcase_add_checked_fixture(valid, setup, teardown);
    tcase_add_checked_fixture(torture, setup, teardown);
    tcase_add_test(valid, sums);
    tcase_add_test(valid, allocations);
    tcase_add_test(valid, runs);
    tcase_add_test(valid, pages);
    tcase_add_test(valid, a_frame_outside_allocations);
    tcase_add_loop_test(torture, nothing_changes_without_memory, 0, 2 * (int)COUNT_OF(operations));
    tcase_add_test(torture, no_vm_without_memory);
    tcase_add_test(torture, image_in_a_full_arena);
    suite_add_tcase(s, valid);
    suite_add_tcase(s, torture);
    return suite_main(s);
}
