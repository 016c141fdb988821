/* core/vm/extent.c: questions about ranges at every edge of an allocation, and memory by name. */
#include <check.h>

#include "suite.h"
#include "vm_builder.h"
#include "winstub/extent.h"

#define A UINT64_C(0x20000) /* [A, A + 0x3000) committed, up to the granule's end unusable */
#define B UINT64_C(0x30000) /* [B, B + 0x10000) reserved, its second page committed */
#define C UINT64_C(0x40000) /* [C, C + 0x10000) committed, directly behind */
#define D UINT64_C(0x50000) /* [D, D + 0x10000) committed, directly behind that */
#define E UINT64_C(0x60000) /* free from here on, up to the image at F */
#define F UINT64_C(0x100000)

static struct vm *vm;

static void setup(void)
{
    vm = build_vm(64);
    build_committed(vm, A, 0x3000);
    build_reserved(vm, B, 0x10000);
    build_memory(vm, B + 0x1000, 0x1000, MEM_COMMIT, PAGE_NOACCESS);
    build_committed(vm, C, 0x10000);
    build_committed(vm, D, 0x10000);
    ck_assert_uint_eq(build_image(vm, F), STATUS_SUCCESS);
}

static void teardown(void)
{
    ck_assert(vm_valid(vm));
    vm_free(vm);
}

#define ANY     UINT64_MAX
#define LIMIT   VM_USER_LIMIT_64
#define NOTHING 0 /* the question has no address for an answer */

static const struct {
    gva_t addr;
    uint64_t size;
    gva_t free;     /* first byte that is not free; 0: all are */
    gva_t overlaps; /* first byte that is allocated; 0: none is */
    gva_t mapped;   /* first byte that is not committed; 0: all are */
} ranges[] = {
    {A, 0, NOTHING, NOTHING, NOTHING},
    {A, 1, A, A, NOTHING},
    {A, 0x3000, A, A, NOTHING},
    {A, 0x3001, A, A, A + 0x3000},
    {A + 0x2fff, 1, A + 0x2fff, A + 0x2fff, NOTHING},
    {A + 0x3000, 0xd000, NOTHING, NOTHING, A + 0x3000},
    {A + 0x3000, 0xd001, B, B, A + 0x3000},
    {A - 1, 1, NOTHING, NOTHING, A - 1},
    {A - 1, 2, A, A, A - 1},
    {0, A, NOTHING, NOTHING, ANY},
    {0, A + 1, A, A, ANY},
    {B, 1, B, B, B},
    {B + 0x1000, 0x1000, B + 0x1000, B + 0x1000, NOTHING},
    {B + 0x1fff, 2, B + 0x1fff, B + 0x1fff, B + 0x2000},
    {C, 0x20000, C, C, NOTHING}, /* two allocations that touch */
    {C + 0xffff, 2, C + 0xffff, C + 0xffff, NOTHING},
    {C, 0x20001, C, C, E},
    {E, F - E, NOTHING, NOTHING, E},
    {E, ANY, F, F, E}, /* past 2^64 */
    {F, 0x4000, F, F, NOTHING},
    {F + 0x4000, LIMIT - F - 0x4000, NOTHING, NOTHING, F + 0x4000},
    {F + 0x4000, LIMIT - F - 0x3fff, LIMIT, NOTHING, F + 0x4000},
    {LIMIT, 1, LIMIT, NOTHING, LIMIT},
    {ANY, 1, ANY, NOTHING, ANY},
    {ANY - 1, 8, ANY - 1, NOTHING, ANY - 1},
};

START_TEST(a_range_is_free_overlaps_or_is_mapped)
{
    gva_t addr = ranges[_i].addr, at = 1;
    uint64_t size = ranges[_i].size;
    gva_t missing = ranges[_i].mapped == ANY && addr == 0 ? 0 : ranges[_i].mapped;
    bool unmapped = ranges[_i].mapped != NOTHING;

    ck_assert_int_eq(vm_is_free(vm, addr, size, NULL), ranges[_i].free == NOTHING);
    ck_assert(vm_is_free(vm, addr, size, &at) || at == ranges[_i].free);
    ck_assert_int_eq(vm_overlaps(vm, addr, size, NULL), ranges[_i].overlaps != NOTHING);
    ck_assert(!vm_overlaps(vm, addr, size, &at) || at == ranges[_i].overlaps);
    ck_assert_int_eq(vm_is_mapped(vm, addr, size, NULL), !unmapped);
    ck_assert(vm_is_mapped(vm, addr, size, &at) || at == missing);
}
END_TEST

START_TEST(a_32_bit_space_ends_at_its_limit)
{
    struct vm_config config = {.user_limit = VM_USER_LIMIT_32, .arena_size = 0x10000};
    struct vm *small;
    gva_t at;

    ck_assert_int_eq(vm_new(&config, &small), ERR_OK);
    ck_assert_uint_eq(vm_user_limit(small), VM_USER_LIMIT_32);
    ck_assert(vm_is_free(small, 0x7ffe0000, 0x10000, NULL));
    ck_assert(!vm_is_free(small, 0x7ffe0000, 0x10001, &at));
    ck_assert_uint_eq(at, VM_USER_LIMIT_32);
    ck_assert(!vm_overlaps(small, 0, UINT64_MAX, NULL));
    vm_free(small);
}
END_TEST

START_TEST(what_is_where_has_a_kind)
{
    ck_assert_str_eq(vm_kind_text(vm_kind_at(vm, 0)), "free");
    ck_assert_str_eq(vm_kind_text(vm_kind_at(vm, A + 0x2fff)), "private");
    ck_assert_str_eq(vm_kind_text(vm_kind_at(vm, A + 0x3000)), "free");
    ck_assert_str_eq(vm_kind_text(vm_kind_at(vm, B)), "private");
    ck_assert_str_eq(vm_kind_text(vm_kind_at(vm, F + 0x3fff)), "image");
    ck_assert_str_eq(vm_kind_text(vm_kind_at(vm, LIMIT)), "free");
    ck_assert_str_eq(vm_kind_text(VM_KIND_PAGEFILE_VIEW), "pagefile view");
    ck_assert_str_eq(vm_kind_text(VM_KIND_FILE_VIEW), "file view");
    ck_assert_str_eq(vm_kind_text((enum vm_kind)99), "unknown");
}
END_TEST

START_TEST(memory_anywhere_is_committed_and_named)
{
    struct vm_region r;
    gva_t base = 0;

    ck_assert_uint_eq(vm_commit_anywhere(vm, 0x1234, PAGE_EXECUTE_READ, "heap", &base),
                      STATUS_SUCCESS);
    ck_assert_uint_eq(base, VM_LOWEST);
    r = region_at(vm, base);
    ck_assert_uint_eq(r.size, 0x2000);
    ck_assert_uint_eq(r.state, MEM_COMMIT);
    ck_assert_uint_eq(r.protect, PAGE_EXECUTE_READ);
    ck_assert_str_eq(r.label, "heap");
    ck_assert_uint_eq(vm_commit_anywhere(vm, 0x1000, 0, NULL, &base),
                      STATUS_INVALID_PAGE_PROTECTION);
}
END_TEST

#define FINDS_LABEL(label, from, at, bytes)                                                        \
    do {                                                                                           \
        struct vm_extent x_ = {0, 0};                                                              \
        ck_assert(vm_find_label(vm, label, from, &x_));                                            \
        ck_assert_uint_eq(x_.base, at);                                                            \
        ck_assert_uint_eq(x_.size, bytes);                                                         \
    } while (0)

START_TEST(labels_lead_to_allocations_and_runs)
{
    struct vm_extent x;

    ck_assert(vm_set_label(vm, C, "heap", false));
    ck_assert(vm_set_label(vm, D, "heap", false));
    FINDS_LABEL("heap", 0, C, 0x10000);
    FINDS_LABEL("heap", C, C, 0x10000);
    FINDS_LABEL("heap", C + 1, D, 0x10000);
    FINDS_LABEL("heap", C + 0x10000, D, 0x10000);
    ck_assert(!vm_find_label(vm, "heap", D + 1, &x));
    FINDS_LABEL("demo.exe", 0, F, 0x4000);
    FINDS_LABEL("demo.exe .text", 0, F + 0x1000, 0x1000);
    FINDS_LABEL("demo.exe .data", F + 0x1234, F + 0x2000, 0x1000);
    ck_assert(!vm_find_label(vm, "demo.exe .text", F + 0x1001, &x));
    ck_assert(!vm_find_label(vm, "demo", 0, &x));
    ck_assert(!vm_find_label(vm, "", 0, &x));
    ck_assert(!vm_find_label(vm, "heap", LIMIT, &x));
}
END_TEST

START_TEST(a_label_covers_all_runs_that_carry_it)
{
    ck_assert(vm_set_label(vm, F + 0x2000, "data", true));
    ck_assert(vm_set_label(vm, F + 0x3000, "data", true));
    ck_assert(vm_debug_write(vm, F + 0x2000, "x", 1)); /* the pages are no longer alike */
    FINDS_LABEL("data", 0, F + 0x2000, 0x2000);
}
END_TEST

START_TEST(modules_are_found_by_file_name)
{
    struct vm_extent x = {0, 0};

    ck_assert_uint_eq(build_image(vm, F + 0x100000), STATUS_SUCCESS);
    ck_assert(vm_find_module(vm, "DEMO.EXE", 0, &x));
    ck_assert_uint_eq(x.base, F);
    ck_assert_uint_eq(x.size, 0x4000);
    ck_assert(vm_find_module(vm, "demo.exe", x.base + x.size, &x));
    ck_assert_uint_eq(x.base, F + 0x100000);
    ck_assert(!vm_find_module(vm, "demo.exe", x.base + 1, &x));
    ck_assert(!vm_find_module(vm, "C:\\demo.exe", 0, &x));
    ck_assert(!vm_find_module(vm, "demo", 0, &x));
    ck_assert(vm_set_label(vm, A, "demo.dll", false));
    ck_assert(!vm_find_module(vm, "demo.dll", 0, &x)); /* private memory is no module */
}
END_TEST

START_TEST(free_space_is_looked_for_from_the_default_base)
{
    struct vm_request req = {.size = 0x10000, .type = MEM_RESERVE};
    gva_t base;

    ck_assert_uint_eq(vm_default_base(vm), VM_LOWEST);
    ck_assert(!vm_set_default_base(vm, 0));
    ck_assert(!vm_set_default_base(vm, 0x12345000));
    ck_assert(!vm_set_default_base(vm, LIMIT));
    ck_assert(vm_set_default_base(vm, UINT64_C(0x100000000)));
    ck_succeeds(vm_find_free(vm, &req, &base));
    ck_assert_uint_eq(base, UINT64_C(0x100000000));
    ck_succeeds(vm_commit_anywhere(vm, 0x1000, PAGE_READWRITE, NULL, &base));
    ck_assert_uint_eq(base, UINT64_C(0x100000000));
    ck_succeeds(vm_find_free(vm, &req, &base));
    ck_assert_uint_eq(base, UINT64_C(0x100010000));
    req.lowest = VM_LOWEST;
    ck_succeeds(vm_find_free(vm, &req, &base));
    ck_assert_uint_lt(base, UINT64_C(0x100000000));
    req.lowest = 0;
    req.type |= MEM_TOP_DOWN;
    ck_succeeds(vm_find_free(vm, &req, &base));
    ck_assert_uint_eq(base, LIMIT - 0x10000);
    ck_assert(vm_set_default_base(vm, LIMIT - 0x10000));
    req.type = MEM_RESERVE;
    req.size = 0x20000; /* nothing fits above: from below after all */
    ck_succeeds(vm_find_free(vm, &req, &base));
    ck_assert_uint_lt(base, UINT64_C(0x100000000));
}
END_TEST

START_TEST(what_lies_in_a_range_is_taken_away)
{
    struct vm_stats stats;

    ck_succeeds(vm_unmap_range(vm, A, 0));
    ck_succeeds(vm_unmap_range(vm, LIMIT, 1));
    ck_assert(vm_is_mapped(vm, A, 0x3000, NULL));
    ck_succeeds(vm_unmap_range(vm, A + 0x1fff, 1)); /* a page out of the middle */
    ck_assert(vm_is_mapped(vm, A, 0x1000, NULL));
    ck_assert(vm_is_free(vm, A + 0x1000, 0x1000, NULL));
    ck_assert(vm_is_mapped(vm, A + 0x2000, 0x1000, NULL));
    ck_succeeds(vm_unmap_range(vm, A + 0x2000, F + 0x1001 - (A + 0x2000))); /* into the image */
    ck_assert(vm_is_free(vm, A + 0x1000, F + 0x4000 - (A + 0x1000), NULL));
    ck_succeeds(vm_unmap_range(vm, 0, UINT64_MAX));
    vm_get_stats(vm, &stats);
    ck_assert_uint_eq(stats.allocations, 0);
    ck_assert_uint_eq(vm_align_up(0x1001, 0x1000), 0x2000);
    ck_assert_uint_eq(vm_align_up(0x1000, 0x1000), 0x1000);
    ck_assert_uint_eq(vm_align_down(0x1fff, 0x1000), 0x1000);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("extent");
    TCase *tc = tcase_create("extent");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, a_range_is_free_overlaps_or_is_mapped, 0, COUNT_OF(ranges));
    tcase_add_test(tc, a_32_bit_space_ends_at_its_limit);
    tcase_add_test(tc, what_is_where_has_a_kind);
    tcase_add_test(tc, memory_anywhere_is_committed_and_named);
    tcase_add_test(tc, labels_lead_to_allocations_and_runs);
    tcase_add_test(tc, a_label_covers_all_runs_that_carry_it);
    tcase_add_test(tc, modules_are_found_by_file_name);
    tcase_add_test(tc, free_space_is_looked_for_from_the_default_base);
    tcase_add_test(tc, what_lies_in_a_range_is_taken_away);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
