/* core/vm/brief.c: what is packed comes out again, and what does not fit is left out. */
#include <check.h>
#include <string.h>

#include "suite.h"
#include "vm/brief.h"
#include "vm/space.h"
#include "vm_fixture.h"

#define A UINT64_C(0x200000)

/* What the tree of allocations keeps for A. */
static uint64_t brief_at(gva_t addr)
{
    struct ranges_found at;

    ck_assert(allocs_look(&vm->allocs, addr, &at));
    return at.note;
}

/* Every page of A, whose brief exists, must be what its runs say. */
static void check_pages(void)
{
    const struct allocation *a = allocs_find(&vm->allocs, A);
    uint64_t brief = brief_at(A);

    ck_assert(brief != 0);
    for (gva_t page = a->base; page < a->end; page += VM_PAGE_SIZE) {
        struct brief b = brief_read(brief, a->base, a->end, page);
        const struct run *run = runs_find(&a->runs, page);

        ck_assert_uint_eq(b.protect, run->protect);
        ck_assert_uint_eq(b.end, run->end);
        ck_assert_uint_eq(b.allocation_protect, a->protect);
    }
}

static const uint32_t protections[] = {PAGE_NOACCESS,
                                       PAGE_READONLY,
                                       PAGE_READWRITE,
                                       PAGE_EXECUTE,
                                       PAGE_EXECUTE_READ,
                                       PAGE_EXECUTE_READWRITE,
                                       PAGE_GUARD | PAGE_READWRITE,
                                       PAGE_READWRITE | PAGE_NOCACHE,
                                       PAGE_EXECUTE_READ | PAGE_WRITECOMBINE};

START_TEST(every_protection)
{
    uint32_t other = protections[_i] == PAGE_READONLY ? PAGE_READWRITE : PAGE_READONLY;

    ck_succeeds(try_allocate(vm, A, 0x10000, MEM_RESERVE, protections[_i]));
    check_pages();
    ck_succeeds(try_allocate(vm, A, 0x10000, MEM_COMMIT, protections[_i]));
    check_pages();
    ck_succeeds(try_protect(vm, A + 0x3000, 0x2000, other));
    ck_assert_uint_eq(allocs_find(&vm->allocs, A)->runs.count, 3);
    check_pages();
    ck_succeeds(try_release(vm, A + 0x8000, 0x8000, MEM_DECOMMIT));
    ck_assert_uint_eq(brief_at(A), 0); /* four runs */
    ck_succeeds(try_release(vm, A, 0x3000, MEM_DECOMMIT));
    ck_succeeds(try_release(vm, A + 0x5000, 0x3000, MEM_DECOMMIT));
    check_pages();
}
END_TEST

START_TEST(names_and_distant_cuts_do_not_fit)
{
    uint64_t size = UINT64_C(4) << 30;

    ck_succeeds(try_allocate(vm, A, size, MEM_RESERVE, PAGE_READWRITE));
    ck_assert(brief_at(A + size - 1) != 0);
    ck_succeeds(try_allocate(vm, A, UINT64_C(0x1ffff000), MEM_COMMIT, PAGE_READWRITE));
    ck_assert(brief_at(A) != 0);
    ck_succeeds(try_allocate(vm, A, UINT64_C(0x20000000), MEM_COMMIT, PAGE_READWRITE));
    ck_assert_uint_eq(brief_at(A), 0);
    ck_succeeds(try_release(vm, A, size, MEM_DECOMMIT));
    ck_assert(brief_at(A) != 0);
    ck_assert(vm_set_label(vm, A, "heap", false));
    ck_assert_uint_eq(brief_at(A), 0);
    ck_assert(vm_set_label(vm, A, "", false));
    ck_assert(vm_set_label(vm, A, "part", true));
    ck_assert_uint_eq(brief_at(A), 0);
    ck_assert(vm_set_label(vm, A, "", true));
    ck_assert(brief_at(A) != 0);
}
END_TEST

START_TEST(images_have_none)
{
    ck_succeeds(build_image(vm, UINT64_C(0x140000000)));
    ck_assert_uint_eq(brief_at(UINT64_C(0x140000000)), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("brief");
    TCase *tc = tcase_create("brief");

    tcase_add_checked_fixture(tc, vm_setup, vm_teardown);
    tcase_add_loop_test(tc, every_protection, 0, (int)(sizeof protections / sizeof *protections));
    tcase_add_test(tc, names_and_distant_cuts_do_not_fit);
    tcase_add_test(tc, images_have_none);
    suite_add_tcase(s, tc);
    return suite_main(s);
}
