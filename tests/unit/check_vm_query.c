/* core/vm/query.c and explain.c against rules Q01..Q12 of NT-MEMORY-RULES, named by row; labels; sentences. */
#include <check.h>
#include <string.h>

#include "alloc_fail.h"
#include "suite.h"
#include "vm_fixture.h"
#include "winstub/buf.h"

#define A     UINT64_C(0x200000)
#define IMAGE UINT64_C(0x140000000)

START_TEST(Q01_inside_a_run)
{
    struct vm_region r;

    build_committed(vm, A, 0x10000);
    r = region_at(vm, A + 0x3456);
    ck_assert_uint_eq(r.base, A + 0x3000);
    ck_assert_uint_eq(r.size, 0xD000);
    ck_assert_uint_eq(r.allocation_base, A);
    ck_assert_uint_eq(r.allocation_size, 0x10000);
}
END_TEST

START_TEST(Q02_adjacent_allocations)
{
    build_committed(vm, A, 0x10000);
    build_committed(vm, A + 0x10000, 0x10000);
    ck_assert_uint_eq(region_at(vm, A).size, 0x10000);
}
END_TEST

START_TEST(Q03_reserved)
{
    struct vm_region r;

    build_memory(vm, A, 0x10000, MEM_RESERVE, PAGE_EXECUTE_READ);
    r = region_at(vm, A);
    ck_assert_uint_eq(r.state, MEM_RESERVE);
    ck_assert_uint_eq(r.protect, 0);
    ck_assert_uint_eq(r.allocation_protect, PAGE_EXECUTE_READ);
    ck_assert_uint_eq(r.type, MEM_PRIVATE);
}
END_TEST

static void ck_free(const struct vm_region *r)
{
    ck_assert_uint_eq(r->state, MEM_FREE);
    ck_assert_uint_eq(r->protect, PAGE_NOACCESS);
    ck_assert_uint_eq(r->allocation_base, 0);
    ck_assert_uint_eq(r->allocation_protect, 0);
    ck_assert_uint_eq(r->type, 0);
    ck_assert_str_eq(r->label, "");
    ck_assert_str_eq(r->path, "");
}

START_TEST(Q04_free)
{
    struct vm_region r;

    build_committed(vm, A, 0x10000);
    r = region_at(vm, A - 0x4321);
    ck_free(&r);
    ck_assert_uint_eq(r.base, A - 0x5000);
    ck_assert_uint_eq(r.size, 0x5000);
    r = region_at(vm, A + 0x10000);
    ck_free(&r);
    ck_assert_uint_eq(r.base + r.size, VM_USER_LIMIT_64);
}
END_TEST

START_TEST(Q05_address_0)
{
    struct vm_region r;

    build_committed(vm, A, 0x10000);
    r = region_at(vm, 0);
    ck_free(&r);
    ck_assert_uint_eq(r.base, 0);
    ck_assert_uint_eq(r.size, A);
}
END_TEST

START_TEST(Q06_above_the_top)
{
    struct vm_region r;

    ck_status(vm_query(vm, VM_USER_LIMIT_64, &r), STATUS_INVALID_PARAMETER);
    ck_status(vm_query(vm, UINT64_MAX, &r), STATUS_INVALID_PARAMETER);
    ck_succeeds(vm_query(vm, VM_USER_LIMIT_64 - 1, &r));
}
END_TEST

START_TEST(Q10_two_protections)
{
    build_committed(vm, A, 0x2000);
    ck_succeeds(try_protect(vm, A, 0x1000, PAGE_READONLY));
    ck_assert_uint_eq(region_at(vm, A).size, 0x1000);
    ck_assert_uint_eq(region_at(vm, A + 0x1000).size, 0x1000);
}
END_TEST

START_TEST(Q11_allocation_protect_stays)
{
    build_memory(vm, A, 0x1000, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE | PAGE_GUARD);
    ck_succeeds(try_protect(vm, A, 0x1000, PAGE_READONLY));
    ck_assert_uint_eq(region_at(vm, A).allocation_protect, 0x104);
}
END_TEST

START_TEST(Q12_walk_ends)
{
    struct vm_region r;
    gva_t at = 0;
    unsigned steps = 0;

    for (gva_t base = A; base < A + 0x500000; base += 0x30000)
        build_committed(vm, base, 0x11000);
    while (vm_query(vm, at, &r) == STATUS_SUCCESS) {
        ck_assert_uint_eq(r.base, at);
        ck_assert_uint_gt(r.size, 0);
        at += r.size;
        ck_assert_uint_le(++steps, 1000);
    }
    ck_assert_uint_eq(at, VM_USER_LIMIT_64);
}
END_TEST

/* ---- Labels ---------------------------------------------------------------------------------- */

START_TEST(labels_of_allocations_and_runs)
{
    struct vm_request req = {.base = A,
                             .size = 0x4000,
                             .type = MEM_RESERVE | MEM_COMMIT,
                             .protect = PAGE_READWRITE,
                             .label = "heap"};

    ck_succeeds(vm_allocate(vm, &req, NULL, NULL));
    ck_succeeds(try_protect(vm, A + 0x1000, 0x1000, PAGE_READONLY));
    ck_assert(vm_set_label(vm, A + 0x1000, "constants", true));
    ck_assert_str_eq(region_at(vm, A).label, "heap");
    ck_assert_str_eq(region_at(vm, A + 0x1000).label, "constants");
    ck_assert(vm_set_label(vm, A + 0x3000, "", false));
    ck_assert_str_eq(region_at(vm, A).label, "");
    ck_assert_str_eq(region_at(vm, A + 0x1000).label, "constants");
    ck_assert(!vm_set_label(vm, A + 0x4000, "free", false));
    ck_assert(!vm_set_label(vm, UINT64_MAX, "kernel", true));
}
END_TEST

START_TEST(alike_sections_are_one_region_with_two_labels)
{
    static const struct vm_image_run runs[] = {{0, 0x1000, PAGE_READONLY, "a .rdata"},
                                               {0x1000, 0x1000, PAGE_READONLY, "a .rsrc"}};
    static const uint8_t bytes[0x2000];
    struct vm_image image = {
        .base = IMAGE, .size = 0x2000, .bytes = bytes, .runs = runs, .run_count = 2};
    struct vm_region r;

    ck_succeeds(vm_map_image(vm, &image));
    r = region_at(vm, IMAGE);
    ck_assert_uint_eq(r.size, 0x2000);
    ck_assert_uint_eq(r.label_size, 0x1000);
    ck_assert_str_eq(r.label, "a .rdata");
    r = region_at(vm, IMAGE + 0x1000);
    ck_assert_uint_eq(r.label_size, 0x1000);
    ck_assert_str_eq(r.label, "a .rsrc");
}
END_TEST

START_TEST(label_without_memory)
{
    struct memory_of *before;

    build_committed(vm, A, 0x1000);
    before = remember(vm);
    alloc_fail_at(1);
    (void)vm_set_label(vm, A, "label", true);
    ck_assert(alloc_fail_stop());
    ck_assert(unchanged(before, vm));
}
END_TEST

START_TEST(version_counts_changes)
{
    uint64_t version = vm_layout_version(vm);

#define CK_CHANGES(call)                                                                           \
    do {                                                                                           \
        ck_succeeds(call);                                                                         \
        ck_assert_uint_gt(vm_layout_version(vm), version);                                         \
        version = vm_layout_version(vm);                                                           \
    } while (0)
    CK_CHANGES(try_allocate(vm, A, 0x10000, MEM_RESERVE, PAGE_READWRITE));
    CK_CHANGES(try_allocate(vm, A, 0x4000, MEM_COMMIT, PAGE_READWRITE));
    CK_CHANGES(try_protect(vm, A, 0x1000, PAGE_READWRITE | PAGE_GUARD));
    CK_CHANGES(vm_clear_guard(vm, A) ? STATUS_SUCCESS : STATUS_UNSUCCESSFUL);
    CK_CHANGES(try_release(vm, A, 0x1000, MEM_DECOMMIT));
    CK_CHANGES(vm_set_label(vm, A, "x", false) ? STATUS_SUCCESS : STATUS_UNSUCCESSFUL);
    CK_CHANGES(try_release(vm, A, 0, MEM_RELEASE));
    CK_CHANGES(build_image(vm, IMAGE));
    CK_CHANGES(vm_unmap_view(vm, IMAGE));
}
END_TEST

/* ---- Sentences ------------------------------------------------------------------------------- */

static void ck_says(gva_t addr, enum vm_access access, const char *text)
{
    struct buf out;

    buf_init(&out, 1000);
    vm_explain(vm, addr, access, &out);
    ck_assert_str_eq(buf_str(&out), text);
    buf_fini(&out);
}

START_TEST(explanations)
{
    build_memory(vm, A, 0x3000, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    ck_assert(vm_set_label(vm, A, "heap", false));
    ck_succeeds(try_protect(vm, A + 0x1000, 0x1000, PAGE_NOACCESS));
    ck_succeeds(try_protect(vm, A + 0x2000, 0x1000, PAGE_READWRITE | PAGE_GUARD));
    build_reserved(vm, A + 0x100000, 0x10000);
    ck_succeeds(build_image(vm, IMAGE));
    ck_says(0x10, VM_READ, "free, 0x10 above the null pointer");
    ck_says(A + 0x3010, VM_READ, "free, 0x10 past the end of private allocation 0x200000 (heap)");
    ck_says(A - 8, VM_WRITE, "free, 0x8 before the start of private allocation 0x200000 (heap)");
    ck_says(0x50000000, VM_READ, "free, with no allocation near");
    ck_says(A + 0x100000, VM_READ, "reserved, not committed, in private allocation 0x300000");
    ck_says(A + 0x1000, VM_READ, "a page without access in private allocation 0x200000 (heap)");
    ck_says(A + 0x2000, VM_READ, "a guard page of private allocation 0x200000 (heap)");
    ck_says(A, VM_EXEC, "memory that is not executable in private allocation 0x200000 (heap)");
    ck_says(A, VM_READ, "accessible memory in private allocation 0x200000 (heap)");
    ck_says(IMAGE + 0x1000, VM_WRITE, "read-only memory in image 0x140000000 (demo.exe .text)");
    ck_says(IMAGE + 0x2000, VM_WRITE, "accessible memory in image 0x140000000 (demo.exe .data)");
    ck_says(IMAGE + 0x4020, VM_READ, "free, 0x20 past the end of image 0x140000000 (demo.exe)");
    ck_says(VM_USER_LIMIT_64, VM_READ, "above the user range, which ends at 0x7fffffff0000");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("vm_query");
    TCase *rules = tcase_create("rules");
    TCase *names = tcase_create("names");

    tcase_add_checked_fixture(rules, vm_setup, vm_teardown);
    tcase_add_checked_fixture(names, vm_setup, vm_teardown);
    tcase_add_test(rules, Q01_inside_a_run);
    tcase_add_test(rules, Q02_adjacent_allocations);
    tcase_add_test(rules, Q03_reserved);
    tcase_add_test(rules, Q04_free);
    tcase_add_test(rules, Q05_address_0);
    tcase_add_test(rules, Q06_above_the_top);
    tcase_add_test(rules, Q10_two_protections);
    tcase_add_test(rules, Q11_allocation_protect_stays);
    tcase_add_test(rules, Q12_walk_ends);
    tcase_add_test(names, labels_of_allocations_and_runs);
    tcase_add_test(names, alike_sections_are_one_region_with_two_labels);
    tcase_add_test(names, label_without_memory);
    tcase_add_test(names, version_counts_changes);
    tcase_add_test(names, explanations);
    suite_add_tcase(s, rules);
    suite_add_tcase(s, names);
    return suite_main(s);
}
