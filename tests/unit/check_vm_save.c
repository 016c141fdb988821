/* core/vm/save.c: everything comes back, nothing else stays, both sides are free to change, failure changes nothing. */
#include <check.h>
#include <string.h>

#include "alloc_fail.h"
#include "suite.h"
#include "vm/space.h"
#include "vm_builder.h"
#include "winstub/buf.h"

#define A     UINT64_C(0x200000)
#define B     UINT64_C(0x300000)
#define W     UINT64_C(0x400000)
#define IMAGE UINT64_C(0x140000000)
#define RC    (MEM_RESERVE | MEM_COMMIT)
#define RW    PAGE_READWRITE

static struct vm *vm;
static struct buf before;
static unsigned revoked;

static void on_revoked(void *ctx, gva_t start, gva_t end)
{
    (void)ctx;
    revoked += start == 0 && end == VM_USER_LIMIT_64;
}

static void setup(void)
{
    struct vm_observer observer = {.revoked = on_revoked};

    vm = build_vm(0);
    vm_set_observer(vm, &observer);
    build_committed(vm, A, 0x10000);
    ck_assert(vm_debug_write(vm, A + 0x2ffe, "saved", 6));
    build_reserved(vm, B, 0x10000);
    build_memory(vm, W, 0x10000, RC | MEM_WRITE_WATCH, RW);
    ck_succeeds(vm_write(vm, W + 0x1000, "w", 1));
    ck_succeeds(build_image(vm, IMAGE));
    ck_assert(vm_set_label(vm, A, "heap", false));
    ck_assert(vm_set_label(vm, A, "first", true));
    ck_succeeds(try_protect(vm, A + 0x8000, 0x1000, RW | PAGE_GUARD));
    buf_init(&before, 1u << 20);
    picture(vm, &before);
}

static void teardown(void)
{
    ck_assert(vm_valid(vm));
    vm_free(vm);
    buf_fini(&before);
}

/* The map and contents are those of setup. */
static void ck_as_before(void)
{
    struct buf now;
    struct vm_stats stats;

    buf_init(&now, 1u << 20);
    picture(vm, &now);
    ck_assert_str_eq(buf_str(&now), buf_str(&before));
    buf_fini(&now);
    vm_get_stats(vm, &stats);
    ck_assert_uint_eq(stats.allocations, 4);
    ck_assert(vm_valid(vm));
}

/* Change something of every kind. */
static void change_everything(void)
{
    ck_assert(vm_debug_write(vm, A + 0x2ffe, "other", 6));
    ck_succeeds(try_protect(vm, A + 0x1000, 0x1000, PAGE_NOACCESS));
    ck_assert(vm_clear_guard(vm, A + 0x8000));
    ck_succeeds(try_release(vm, A + 0x4000, 0x2000, MEM_DECOMMIT));
    ck_succeeds(try_release(vm, B, 0, MEM_RELEASE));
    ck_succeeds(vm_unmap_view(vm, IMAGE));
    build_committed(vm, IMAGE, 0x100000);
    ck_assert(vm_set_label(vm, A, "other", false));
    ck_succeeds(vm_write(vm, W + 0x3000, "w", 1));
    vm_set_dep(vm, false);
}

START_TEST(everything_comes_back)
{
    struct vm_saved *saved = vm_save(vm);
    gva_t written[4];
    uint64_t count = 4;
    uint32_t granularity;
    struct vm_fill fill;

    ck_assert_ptr_nonnull(saved);
    for (int i = 0; i < 3; i++) {
        change_everything();
        ck_assert(vm_restore(vm, saved));
        ck_as_before();
    }
    ck_succeeds(vm_get_write_watch(vm, 0, W, 0x10000, written, &count, &granularity));
    ck_assert_uint_eq(count, 1);
    ck_assert_uint_eq(written[0], W + 0x1000);
    ck_assert_int_eq(vm_fill(vm, A, VM_EXEC, &fill), VM_FAULT_NOEXEC);
    vm_saved_free(saved);
    ck_as_before();
}
END_TEST

START_TEST(writes_after_a_save_are_the_vms_own)
{
    struct vm_saved *saved = vm_save(vm);
    struct vm_fill fill;
    uint64_t size;

    ck_assert_int_eq(vm_fill(vm, A + 0x2000, VM_READ, &fill), VM_FAULT_NONE);
    ck_assert_uint_eq(fill.access, VM_READ);
    ck_assert_int_eq(vm_fill(vm, A + 0x2000, VM_WRITE, &fill), VM_FAULT_NONE);
    vm_arena(vm, &size)[fill.offset + 0xffe] = 'S';
    ck_assert(vm_restore(vm, saved));
    ck_as_before();
    vm_saved_free(saved);
}
END_TEST

START_TEST(several_saves)
{
    struct vm_saved *first = vm_save(vm);
    struct vm_saved *second;
    char got[6];

    ck_assert(vm_debug_write(vm, A + 0x2ffe, "later", 6));
    second = vm_save(vm);
    change_everything();
    ck_assert(vm_restore(vm, first));
    ck_as_before();
    ck_assert(vm_restore(vm, second));
    ck_assert_uint_eq(vm_debug_read(vm, A + 0x2ffe, got, 6), 6);
    ck_assert_str_eq(got, "later");
    vm_saved_free(second);
    ck_assert(vm_restore(vm, first));
    vm_saved_free(first);
    ck_as_before();
}
END_TEST

START_TEST(the_cpu_is_told)
{
    struct vm_saved *saved;

    revoked = 0;
    saved = vm_save(vm);
    ck_assert_uint_eq(revoked, 1);
    ck_assert(vm_restore(vm, saved));
    ck_assert_uint_eq(revoked, 2);
    vm_saved_free(saved);
}
END_TEST

START_TEST(version_moves_only_with_the_map)
{
    struct vm_saved *saved = vm_save(vm);
    uint64_t version = vm_layout_version(vm);

    ck_assert(vm_debug_write(vm, A + 0x2ffe, "other", 6));
    ck_assert(vm_restore(vm, saved));
    ck_assert_uint_eq(vm_layout_version(vm), version);
    change_everything();
    version = vm_layout_version(vm);
    ck_assert(vm_restore(vm, saved));
    ck_assert_uint_gt(vm_layout_version(vm), version);
    vm_saved_free(saved);
}
END_TEST

START_TEST(placeholders_and_pieces)
{
    struct vm_request req = {.base = 0x500000,
                             .size = 0x10000,
                             .type = MEM_RESERVE | MEM_RESERVE_PLACEHOLDER,
                             .protect = PAGE_NOACCESS,
                             .extended = true};
    struct vm_saved *saved;

    ck_succeeds(vm_allocate(vm, &req, NULL, NULL));
    ck_succeeds(try_release(vm, W + 0x4000, 0x1000, MEM_RELEASE));
    req.base = 0x600000;
    ck_succeeds(vm_allocate(vm, &req, NULL, NULL));
    req.type = MEM_RESERVE | MEM_REPLACE_PLACEHOLDER;
    ck_succeeds(vm_allocate(vm, &req, NULL, NULL));
    req.base = 0x500000;
    saved = vm_save(vm);
    ck_succeeds(try_release(vm, W, 0, MEM_RELEASE));
    ck_succeeds(try_release(vm, req.base, 0, MEM_RELEASE));
    ck_succeeds(try_release(vm, 0x600000, 0, MEM_RELEASE));
    ck_assert(vm_restore(vm, saved));
    vm_saved_free(saved);
    ck_succeeds(try_release(vm, 0x600000, 0x10000, MEM_RELEASE | MEM_PRESERVE_PLACEHOLDER));
    ck_status(try_allocate(vm, req.base, 0x1000, MEM_COMMIT, RW), STATUS_CONFLICTING_ADDRESSES);
    ck_succeeds(vm_reset_write_watch(vm, W + 0x5000, 0xB000));
    ck_succeeds(vm_write(vm, W + 0x5000, "w", 1));
}
END_TEST

START_TEST(many_allocations)
{
    struct vm_saved *saved;

    for (int i = 0; i < 300; i++)
        build_reserved(vm, 0, 0x10000);
    saved = vm_save(vm);
    for (gva_t at = 0; at < 0x800000; at += 0x20000)
        (void)try_release(vm, at, 0, MEM_RELEASE);
    ck_assert(vm_restore(vm, saved));
    vm_saved_free(saved);
    ck_assert_uint_eq(vm->allocs.tree.count, 304);
}
END_TEST

START_TEST(no_memory_to_save)
{
    struct vm_saved *saved = NULL;
    bool failed = true;

    for (unsigned long n = 1; failed; n++) {
        alloc_fail_at(n);
        saved = vm_save(vm);
        failed = alloc_fail_stop();
        ck_assert_int_eq(saved == NULL, failed);
        ck_as_before();
    }
    vm_saved_free(saved);
}
END_TEST

static void drain(struct pool *p)
{
    while (p->spare)
        (void)pool_take(p);
}

START_TEST(no_memory_to_restore)
{
    struct vm_saved *saved = vm_save(vm);
    bool failed = true;

    change_everything();
    for (unsigned long n = 1; failed; n++) {
        struct memory_of *changed = remember(vm);
        bool ok;

        drain(&vm->allocation_pool);
        drain(&vm->run_pool);
        drain(&vm->index_pool);
        alloc_fail_at(n);
        ok = vm_restore(vm, saved);
        failed = alloc_fail_stop();
        ck_assert_int_eq(ok, !failed);
        if (failed)
            ck_assert(unchanged(changed, vm));
        else
            forget_memory(changed);
    }
    ck_as_before();
    vm_saved_free(saved);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("vm_save");
    TCase *tc = tcase_create("moments");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, everything_comes_back);
    tcase_add_test(tc, writes_after_a_save_are_the_vms_own);
    tcase_add_test(tc, several_saves);
    tcase_add_test(tc, the_cpu_is_told);
    tcase_add_test(tc, version_moves_only_with_the_map);
    tcase_add_test(tc, placeholders_and_pieces);
    tcase_add_test(tc, many_allocations);
    tcase_add_test(tc, no_memory_to_save);
    tcase_add_test(tc, no_memory_to_restore);
    suite_add_tcase(s, tc);
    return suite_main(s);
}
