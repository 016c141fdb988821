/* core/vm/allocate.c against the rules A01..A66 of NT-MEMORY-RULES, each test named by its row. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "vm_builder.h"

#define A          UINT64_C(0x20000)
#define RC         (MEM_RESERVE | MEM_COMMIT)
#define GRANULE(x) ((x) % VM_GRANULARITY == 0)

static struct vm *vm;

static void setup(void)
{
    vm = build_vm(0);
}

static void teardown(void)
{
    ck_assert(vm_valid(vm));
    vm_free(vm);
}

/* The call is refused with this status and leaves no trace. */
#define REFUSED(status, call)                                                                      \
    do {                                                                                           \
        struct memory_of *before_ = remember(vm);                                                  \
        ck_assert_str_eq(nt_text(call), nt_text(status));                                          \
        ck_assert(unchanged(before_, vm));                                                         \
    } while (0)

#define SUCCEEDS(call) ck_assert_str_eq(nt_text(call), "STATUS_SUCCESS")

START_TEST(A01_anywhere)
{
    struct vm_request req = {.size = 0x1000, .type = RC, .protect = PAGE_EXECUTE_READWRITE};
    struct vm_region r;
    uint64_t size;
    gva_t base;

    SUCCEEDS(vm_allocate(vm, &req, &base, &size));
    ck_assert(GRANULE(base) && base >= VM_LOWEST);
    ck_assert_uint_eq(size, 0x1000);
    r = region_at(vm, base);
    ck_assert_uint_eq(r.size, 0x1000);
    ck_assert_uint_eq(r.protect, PAGE_EXECUTE_READWRITE);
}
END_TEST

START_TEST(A02_reserved_has_no_protection)
{
    struct vm_request req = {.size = 0xFFFC, .type = MEM_RESERVE, .protect = PAGE_NOACCESS};
    struct vm_region r;
    uint64_t size;
    gva_t base;

    SUCCEEDS(vm_allocate(vm, &req, &base, &size));
    ck_assert_uint_eq(size, 0x10000);
    r = region_at(vm, base);
    ck_assert_uint_eq(r.state, MEM_RESERVE);
    ck_assert_uint_eq(r.protect, 0);
    ck_assert_uint_eq(r.allocation_protect, PAGE_NOACCESS);
    ck_assert_uint_eq(r.type, MEM_PRIVATE);
}
END_TEST

START_TEST(A03_reserve_rounds_to_granularity)
{
    struct vm_request req = {
        .base = A + 0x1234, .size = 0x1000, .type = MEM_RESERVE, .protect = PAGE_READWRITE};
    uint64_t size;
    gva_t base;

    SUCCEEDS(vm_allocate(vm, &req, &base, &size));
    ck_assert_uint_eq(base, A);
    ck_assert_uint_eq(size, 0x3000);
}
END_TEST

START_TEST(A04_reserve_commit_rounds_into_neighbour)
{
    build_committed(vm, A, 0x1000);
    REFUSED(STATUS_CONFLICTING_ADDRESSES, try_allocate(vm, A + 0x1000, 0x1000, RC, PAGE_READWRITE));
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("vm_allocate");
    TCase *tc = tcase_create("place");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, A01_anywhere);
    tcase_add_test(tc, A02_reserved_has_no_protection);
    tcase_add_test(tc, A03_reserve_rounds_to_granularity);
    tcase_add_test(tc, A04_reserve_commit_rounds_into_neighbour);
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    SRunner *sr = srunner_create(suite());
    int failed;

    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
