/* core/vm/view.c: where views go, what they may ask for, commitment for all of them. Rules M01..M31 of NT-MEMORY-RULES. */
#include <check.h>
#include <string.h>

#include "alloc_fail.h"
#include "suite.h"
#include "vm/section.h"
#include "view_fixture.h"

#define A  UINT64_C(0x200000)
#define B  UINT64_C(0x400000)
#define C  UINT64_C(0x600000)
#define RW PAGE_READWRITE

static nt_status map(struct vm_view_request req)
{
    req.protect = req.protect ? req.protect : RW;
    return vm_section_map(vm, s, &req, NULL, NULL);
}

/* ---- Where ------------------------------------------------------------------------------------ */

START_TEST(M01_anywhere)
{
    struct vm_view_request req = {.protect = RW};
    gva_t base;
    uint64_t size;

    ck_succeeds(vm_section_map(vm, s, &req, &base, &size));
    ck_assert_uint_eq(base % VM_GRANULARITY, 0);
    ck_assert_uint_eq(size, 0x30000);
    req.type = MEM_TOP_DOWN;
    ck_succeeds(vm_section_map(vm, s, &req, &base, NULL));
    ck_assert_uint_eq(base, VM_USER_LIMIT_64 - 0x30000);
    req = (struct vm_view_request){
        .protect = RW, .lowest = 0x10000000, .highest = 0x2fffffff, .alignment = 0x1000000};
    ck_succeeds(vm_section_map(vm, s, &req, &base, NULL));
    ck_assert_uint_eq(base, 0x10000000);
}
END_TEST

START_TEST(M02_occupied)
{
    build_committed(vm, A + 0x20000, 0x1000);
    ck_refused(map((struct vm_view_request){.base = A}), STATUS_CONFLICTING_ADDRESSES);
    ck_succeeds(map((struct vm_view_request){.base = B}));
    ck_refused(map((struct vm_view_request){.base = B}), STATUS_CONFLICTING_ADDRESSES);
}
END_TEST

START_TEST(M03_offset)
{
    ck_refused(map((struct vm_view_request){.offset = 1}), STATUS_MAPPED_ALIGNMENT);
    ck_refused(map((struct vm_view_request){.offset = 0x1000}), STATUS_MAPPED_ALIGNMENT);
}
END_TEST

START_TEST(M04_base)
{
    ck_refused(map((struct vm_view_request){.base = A + 42}), STATUS_MAPPED_ALIGNMENT);
    ck_refused(map((struct vm_view_request){.base = A + 0x1000}), STATUS_MAPPED_ALIGNMENT);
}
END_TEST

START_TEST(M05_zero_bits)
{
    gva_t base;
    struct vm_view_request req = {.protect = RW, .zero_bits = 8};

    ck_refused(map((struct vm_view_request){.zero_bits = 21}), STATUS_NO_MEMORY);
    ck_refused(map((struct vm_view_request){.zero_bits = 22}), STATUS_INVALID_PARAMETER_4);
    ck_refused(map((struct vm_view_request){.zero_bits = 31}), STATUS_INVALID_PARAMETER_4);
    ck_succeeds(vm_section_map(vm, s, &req, &base, NULL));
    ck_assert_uint_lt(base, 1u << 24);
}
END_TEST

START_TEST(M06_base_violates_zero_bits)
{
    ck_refused(map((struct vm_view_request){.base = 0x1000000, .zero_bits = 8}),
               STATUS_INVALID_PARAMETER_4);
    ck_refused(map((struct vm_view_request){.base = 0xff0000, .zero_bits = 8}),
               STATUS_INVALID_PARAMETER_4);
    ck_succeeds(map((struct vm_view_request){.base = 0xfd0000, .zero_bits = 8}));
    /* before it is asked how the base is aligned */
    ck_refused(map((struct vm_view_request){.base = 0x1001000, .zero_bits = 8}),
               STATUS_INVALID_PARAMETER_4);
    ck_refused(map((struct vm_view_request){.base = 0x101000, .zero_bits = 8}),
               STATUS_MAPPED_ALIGNMENT);
}
END_TEST

START_TEST(M07_round_to_page)
{
    ck_refused(map((struct vm_view_request){.type = AT_ROUND_TO_PAGE}), STATUS_INVALID_PARAMETER_9);
    ck_refused(map((struct vm_view_request){.type = MEM_COMMIT}), STATUS_INVALID_PARAMETER_9);
}
END_TEST

/* Everything below asks a 32-bit address space. */
static void use_32_bits(void)
{
    struct vm_config config = {.user_limit = VM_USER_LIMIT_32};

    view_teardown();
    ck_assert_int_eq(vm_new(&config, &vm), ERR_OK);
    s = build_section(vm, 0x1000, RW, SEC_COMMIT);
}

START_TEST(M08_round_to_page_on_32_bits)
{
    struct vm_view_request req = {.protect = RW, .type = AT_ROUND_TO_PAGE, .base = A + 0x1fff};
    gva_t base;

    use_32_bits();
    build_view(vm, s, A, 0, 0, RW);
    ck_refused(map((struct vm_view_request){.base = A, .type = AT_ROUND_TO_PAGE}),
               STATUS_CONFLICTING_ADDRESSES);
    ck_refused(map((struct vm_view_request){.base = A + 42, .type = AT_ROUND_TO_PAGE}),
               STATUS_CONFLICTING_ADDRESSES);
    ck_refused(map((struct vm_view_request){.base = 42, .type = AT_ROUND_TO_PAGE}),
               STATUS_CONFLICTING_ADDRESSES);
    ck_refused(map((struct vm_view_request){.base = B, .offset = 1, .type = AT_ROUND_TO_PAGE}),
               STATUS_MAPPED_ALIGNMENT);
    ck_succeeds(vm_section_map(vm, s, &req, &base, NULL));
    ck_assert_uint_eq(base, A + 0x1000);
    ck_assert_uint_eq(region_at(vm, A + 0x1000).allocation_base, A + 0x1000);
    ck_succeeds(vm_unmap_view(vm, A + 0x1000));
    ck_assert_uint_eq(region_at(vm, A).size, 0x1000);
}
END_TEST

START_TEST(beyond_the_user_range)
{
    ck_refused(map((struct vm_view_request){.base = VM_USER_LIMIT_64}), STATUS_INVALID_PARAMETER_3);
    ck_refused(map((struct vm_view_request){.base = VM_USER_LIMIT_64 - VM_GRANULARITY}),
               STATUS_INVALID_PARAMETER_4);
    ck_refused(map((struct vm_view_request){.base = A, .lowest = 0x10000}),
               STATUS_INVALID_PARAMETER);
}
END_TEST

START_TEST(M09_size_past_the_section)
{
    ck_refused(map((struct vm_view_request){.size = 0x30001}), STATUS_INVALID_VIEW_SIZE);
    ck_refused(map((struct vm_view_request){.offset = 0x20000, .size = 0x10001}),
               STATUS_INVALID_VIEW_SIZE);
    ck_refused(map((struct vm_view_request){.offset = 0x30000}), STATUS_INVALID_VIEW_SIZE);
    ck_refused(map((struct vm_view_request){.size = UINT64_MAX, .offset = 0x10000}),
               STATUS_INVALID_VIEW_SIZE);
    use(build_file_section(vm, &file, PAGE_READONLY));
    ck_refused(map((struct vm_view_request){.size = 0x12801, .protect = PAGE_READONLY}),
               STATUS_INVALID_VIEW_SIZE);
    ck_succeeds(map((struct vm_view_request){.size = 0x12800, .protect = PAGE_READONLY}));
}
END_TEST

START_TEST(M09_size_past_what_is_to_be_seen)
{
    struct vm_view_request req = {.protect = RW, .end = 0x12345, .offset = 0x10000};
    uint64_t size;

    ck_succeeds(vm_section_map(vm, s, &req, NULL, &size));
    ck_assert_uint_eq(size, 0x3000);
    ck_refused(map((struct vm_view_request){.end = 0x12345, .size = 0x12346}),
               STATUS_INVALID_VIEW_SIZE);
    ck_refused(map((struct vm_view_request){.end = 0x10000, .offset = 0x10000}),
               STATUS_INVALID_VIEW_SIZE);
    ck_refused(map((struct vm_view_request){.end = UINT64_MAX, .size = 0x30001}),
               STATUS_INVALID_VIEW_SIZE);
}
END_TEST

START_TEST(M22_beyond_what_may_be_asked_for)
{
    struct vm_view_request req = {.base = A, .protect = PAGE_READONLY, .most = PAGE_WRITECOPY};

    ck_refused(map((struct vm_view_request){.protect = RW, .most = PAGE_WRITECOPY}),
               STATUS_SECTION_PROTECTION);
    ck_refused(map((struct vm_view_request){.protect = PAGE_EXECUTE_READ, .most = 0x40}),
               STATUS_SECTION_PROTECTION); /* the section does not execute */
    ck_succeeds(vm_section_map(vm, s, &req, NULL, NULL));
    ck_assert_uint_eq(region_at(vm, A).allocation_protect, PAGE_READONLY);
}
END_TEST

START_TEST(M22_beyond_the_sections_protection)
{
    static const struct {
        uint32_t section, view;
        nt_status status;
    } rows[] = {
        {PAGE_READONLY, PAGE_READONLY, STATUS_SUCCESS},
        {PAGE_READONLY, PAGE_NOACCESS, STATUS_SUCCESS},
        {PAGE_READONLY, PAGE_WRITECOPY, STATUS_SUCCESS},
        {PAGE_READONLY, RW, STATUS_SECTION_PROTECTION},
        {PAGE_READONLY, PAGE_EXECUTE_READ, STATUS_SECTION_PROTECTION},
        {PAGE_WRITECOPY, RW, STATUS_SECTION_PROTECTION},
        {PAGE_WRITECOPY, PAGE_WRITECOPY, STATUS_SUCCESS},
        {RW, RW, STATUS_SUCCESS},
        {RW, PAGE_EXECUTE_READWRITE, STATUS_SECTION_PROTECTION},
        {PAGE_EXECUTE_READ, PAGE_EXECUTE_READ, STATUS_SUCCESS},
        {PAGE_EXECUTE_READ, PAGE_EXECUTE_WRITECOPY, STATUS_SUCCESS},
        {PAGE_EXECUTE_READ, RW, STATUS_SECTION_PROTECTION},
        {PAGE_EXECUTE_READWRITE, PAGE_EXECUTE_READWRITE, STATUS_SUCCESS},
        {PAGE_EXECUTE_READWRITE, RW, STATUS_SUCCESS},
        {RW, 0x1000, STATUS_INVALID_PAGE_PROTECTION},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        use(build_section(vm, 0x1000, rows[i].section, SEC_COMMIT));
        ck_status(try_view(vm, s, 0, 0, 0, rows[i].view), rows[i].status);
    }
}
END_TEST

/* ---- Commitment ------------------------------------------------------------------------------- */

START_TEST(M11_reserved_view)
{
    struct vm_region r;

    use(build_section(vm, 0x30000, RW, SEC_RESERVE));
    build_view(vm, s, A, 0, 0, RW);
    r = region_at(vm, A);
    ck_assert_uint_eq(r.state, MEM_RESERVE);
    ck_assert_uint_eq(r.type, MEM_MAPPED);
    ck_assert_uint_eq(r.protect, 0);
    ck_assert_uint_eq(r.allocation_protect, RW);
}
END_TEST

START_TEST(M12_commit_is_for_all_views)
{
    struct vm_stats stats;

    use(build_section(vm, 0x30000, RW, SEC_RESERVE));
    build_view(vm, s, A, 0, 0, RW);
    build_view(vm, s, B, 0x10000, 0x10000, RW);
    build_view(vm, s, C, 0x20000, 0, PAGE_WRITECOPY);
    ck_succeeds(try_allocate(vm, A + 0xf000, 0x3000, MEM_COMMIT, PAGE_READONLY));
    ck_assert_uint_eq(protect_at(A + 0xf000), PAGE_READONLY);
    ck_assert_uint_eq(region_at(vm, A + 0xf000).size, 0x3000);
    ck_assert_uint_eq(protect_at(B), RW);
    ck_assert_uint_eq(region_at(vm, B).size, 0x2000);
    ck_assert_uint_eq(region_at(vm, B + 0x2000).state, MEM_RESERVE);
    ck_assert_uint_eq(region_at(vm, C).state, MEM_RESERVE);
    vm_get_stats(vm, &stats);
    ck_assert_uint_eq(stats.committed, 0x3000);
    ck_succeeds(try_allocate(vm, B + 0x1000, 0x2000, MEM_COMMIT, RW));
    ck_assert_uint_eq(protect_at(A + 0x11000), PAGE_READONLY); /* was committed before */
    ck_assert_uint_eq(protect_at(A + 0x12000), RW);
    ck_succeeds(try_allocate(vm, A + 0x20000, 0x1000, MEM_COMMIT, RW));
    vm_get_stats(vm, &stats);
    ck_assert_uint_eq(protect_at(C), PAGE_WRITECOPY);
    ck_assert_uint_eq(stats.committed, 0x6000); /* once more for C, which may copy it */
    ck_succeeds(vm_unmap_view(vm, A));
    build_view(vm, s, A, 0x10000, 0, RW); /* views to come find what is committed */
    ck_assert_uint_eq(region_at(vm, A).size, 0x3000);
    ck_assert_uint_eq(region_at(vm, A + 0x10000).size, 0x1000);
}
END_TEST

START_TEST(M13_commit_acts_as_protect)
{
    build_view(vm, s, A, 0, 0, RW);
    store_byte(vm, A, 'x');
    ck_succeeds(try_allocate(vm, A, 0x1000, MEM_COMMIT, PAGE_READONLY));
    ck_assert_uint_eq(protect_at(A), PAGE_READONLY);
    ck_assert_uint_eq(byte_at(vm, A), 'x');
    ck_succeeds(try_allocate(vm, A + 0x1000, 0x1000, MEM_COMMIT, PAGE_WRITECOPY));
    ck_assert_uint_eq(protect_at(A + 0x1000), PAGE_WRITECOPY);
    ck_refused(try_allocate(vm, A, 0x1000, MEM_COMMIT, PAGE_EXECUTE_READ),
               STATUS_SECTION_PROTECTION);
    build_view(vm, s, B, 0, 0, PAGE_READONLY);
    ck_refused(try_allocate(vm, B, 0x1000, MEM_COMMIT, RW), STATUS_SECTION_PROTECTION);
}
END_TEST

START_TEST(M14_commit_on_a_file_view)
{
    use(build_file_section(vm, &file, RW));
    build_view(vm, s, A, 0, 0, RW);
    ck_refused(try_allocate(vm, A, 0x1000, MEM_COMMIT, RW), STATUS_ALREADY_COMMITTED);
    ck_refused(try_allocate(vm, A, 0x1000, MEM_COMMIT, PAGE_WRITECOPY), STATUS_ALREADY_COMMITTED);
    ck_succeeds(build_image(vm, B));
    ck_refused(try_allocate(vm, B, 0x1000, MEM_COMMIT, RW), STATUS_ALREADY_COMMITTED);
}
END_TEST

START_TEST(A46_reset_of_pagefile_views)
{
    build_view(vm, s, A, 0, 0, RW);
    ck_succeeds(try_allocate(vm, A, 0x2000, MEM_RESET, PAGE_NOACCESS));
    use(build_section(vm, 0x30000, RW, SEC_RESERVE));
    build_view(vm, s, B, 0, 0, RW);
    ck_succeeds(try_allocate(vm, B, 0x2000, MEM_RESET, PAGE_NOACCESS));
    ck_assert_uint_eq(region_at(vm, B).state, MEM_RESERVE);
}
END_TEST

START_TEST(A47_reset_of_a_file_view)
{
    use(build_file_section(vm, &file, RW));
    build_view(vm, s, A, 0, 0, RW);
    ck_refused(try_allocate(vm, A, 0x1000, MEM_RESET, RW), STATUS_USER_MAPPED_FILE);
}
END_TEST

START_TEST(M15_views_are_not_freed)
{
    build_view(vm, s, A, 0, 0, RW);
    ck_refused(try_release(vm, A, 0x1000, MEM_DECOMMIT), STATUS_UNABLE_TO_DELETE_SECTION);
    ck_refused(try_release(vm, A, 0, MEM_DECOMMIT), STATUS_UNABLE_TO_DELETE_SECTION);
    ck_refused(try_release(vm, A, 0, MEM_RELEASE), STATUS_UNABLE_TO_DELETE_SECTION);
}
END_TEST

START_TEST(F08_F23_free_of_a_view)
{
    use(build_section(vm, 0x30000, RW, SEC_RESERVE));
    build_view(vm, s, A, 0, 0, RW);
    ck_refused(try_release(vm, A + 0x1000, 0x1000, MEM_DECOMMIT), STATUS_UNABLE_TO_DELETE_SECTION);
    ck_refused(try_release(vm, A, 0, MEM_RELEASE), STATUS_UNABLE_TO_DELETE_SECTION);
}
END_TEST

START_TEST(M16_M17_unmap)
{
    build_view(vm, s, A, 0, 0, RW);
    build_committed(vm, B, 0x1000);
    ck_refused(vm_unmap_view(vm, B), STATUS_NOT_MAPPED_VIEW);
    ck_refused(vm_unmap_view(vm, C), STATUS_NOT_MAPPED_VIEW);
    ck_refused(vm_unmap_view(vm, UINT64_MAX), STATUS_NOT_MAPPED_VIEW);
    ck_succeeds(vm_unmap_view(vm, A + 0x2ffff));
    ck_assert_uint_eq(region_at(vm, A).state, MEM_FREE);
    ck_refused(vm_unmap_view(vm, A), STATUS_NOT_MAPPED_VIEW);
}
END_TEST

START_TEST(M31_nocache_sticks)
{
    use(build_section(vm, 0x30000, RW, SEC_RESERVE | SEC_NOCACHE));
    build_view(vm, s, A, 0, 0, RW);
    ck_assert_uint_eq(region_at(vm, A).allocation_protect, RW | PAGE_NOCACHE);
    ck_succeeds(try_allocate(vm, A, 0x1000, MEM_COMMIT, RW));
    ck_assert_uint_eq(protect_at(A), RW | PAGE_NOCACHE);
    ck_succeeds(try_allocate(vm, A, 0x1000, MEM_COMMIT, PAGE_READONLY));
    ck_assert_uint_eq(protect_at(A), PAGE_READONLY | PAGE_NOCACHE);
}
END_TEST

/* ---- In a placeholder's place ----------------------------------------------------------------- */

static void build_placeholder(gva_t base, uint64_t size)
{
    struct vm_request req = {.base = base,
                             .size = size,
                             .type = MEM_RESERVE | MEM_RESERVE_PLACEHOLDER,
                             .protect = PAGE_NOACCESS,
                             .extended = true};

    ck_succeeds(vm_allocate(vm, &req, NULL, NULL));
}

static nt_status replace(gva_t base, uint64_t offset, uint64_t size)
{
    return map((struct vm_view_request){
        .base = base, .offset = offset, .size = size, .type = MEM_REPLACE_PLACEHOLDER});
}

START_TEST(a_view_takes_the_place_of_a_placeholder)
{
    build_placeholder(A, 0x10000);
    ck_succeeds(try_release(vm, A + 0x3000, 0x2000, MEM_RELEASE | MEM_PRESERVE_PLACEHOLDER));
    ck_assert(vm_debug_write(vm, build_view(vm, s, B, 0, 0, RW) + 0x7000, "seven", 5));
    ck_succeeds(replace(A + 0x3000, 0x7000, 0x2000));
    ck_assert_uint_eq(region_at(vm, A + 0x3000).type, MEM_MAPPED);
    ck_assert_uint_eq(region_at(vm, A + 0x3000).allocation_base, A + 0x3000);
    ck_assert_uint_eq(region_at(vm, A + 0x3000).size, 0x2000);
    ck_assert_uint_eq(byte_at(vm, A + 0x3000), 's');
    ck_assert_uint_eq(region_at(vm, A + 0x5000).state, MEM_RESERVE);
}
END_TEST

START_TEST(a_placeholder_is_replaced_as_a_whole)
{
    build_placeholder(A, 0x10000);
    build_committed(vm, C, 0x10000);
    ck_refused(replace(A, 0, 0xf000), STATUS_CONFLICTING_ADDRESSES);
    ck_refused(replace(A, 0, 0x11000), STATUS_CONFLICTING_ADDRESSES);
    ck_refused(replace(A + 0x1000, 0, 0xf000), STATUS_CONFLICTING_ADDRESSES);
    ck_refused(replace(B, 0, 0x10000), STATUS_CONFLICTING_ADDRESSES);
    ck_refused(replace(C, 0, 0x10000), STATUS_CONFLICTING_ADDRESSES);
    ck_refused(replace(A + 1, 0, 0x10000), STATUS_MAPPED_ALIGNMENT);
    ck_refused(replace(A, 0x10, 0x10000), STATUS_MAPPED_ALIGNMENT);
    ck_refused(replace(0, 0, 0x10000), STATUS_INVALID_PARAMETER);
    ck_refused(map((struct vm_view_request){.base = A}), STATUS_CONFLICTING_ADDRESSES);
    ck_succeeds(replace(A, 0x20000, 0));
}
END_TEST

START_TEST(a_view_becomes_a_placeholder_again)
{
    build_placeholder(A, 0x10000);
    ck_succeeds(replace(A, 0, 0x10000));
    build_view(vm, s, B, 0, 0, RW);
    build_committed(vm, C, 0x1000);
    store_byte(vm, A + 0x1234, 'x');
    ck_refused(vm_unmap_to_placeholder(vm, B), STATUS_CONFLICTING_ADDRESSES);
    ck_refused(vm_unmap_to_placeholder(vm, C), STATUS_NOT_MAPPED_VIEW);
    ck_refused(vm_unmap_to_placeholder(vm, A - 1), STATUS_NOT_MAPPED_VIEW);
    ck_refused(vm_unmap_to_placeholder(vm, UINT64_MAX), STATUS_NOT_MAPPED_VIEW);
    ck_succeeds(vm_unmap_to_placeholder(vm, A + 0x5000));
    ck_assert_uint_eq(region_at(vm, A).state, MEM_RESERVE);
    ck_assert_uint_eq(region_at(vm, A).type, MEM_PRIVATE);
    ck_assert_uint_eq(region_at(vm, A).allocation_protect, PAGE_NOACCESS);
    ck_assert_uint_eq(byte_at(vm, B + 0x1234), 'x');
    ck_refused(vm_unmap_to_placeholder(vm, A), STATUS_NOT_MAPPED_VIEW);
    ck_succeeds(replace(A, 0x10000, 0x10000));
    ck_succeeds(vm_unmap_view(vm, A));
    ck_assert_uint_eq(region_at(vm, A).state, MEM_FREE);
}
END_TEST

START_TEST(an_image_takes_nobodys_place)
{
    static uint8_t bytes[0x1000];
    struct vm_image image = {.size = sizeof bytes, .bytes = bytes, .label = "", .path = ""};
    struct vm_section *made;

    ck_succeeds(vm_section_new_image(vm, &image, &made));
    use(made);
    build_placeholder(A, 0x1000);
    ck_refused(replace(A, 0, 0), STATUS_INVALID_PARAMETER);
}
END_TEST

/* ---- Failing ---------------------------------------------------------------------------------- */

static void drain(struct pool *p)
{
    while (p->spare)
        (void)pool_take(p);
}

static bool map_view(void)
{
    return try_view(vm, s, C, 0x10000, 0, PAGE_WRITECOPY) == STATUS_SUCCESS;
}

static bool commit_for_all(void)
{
    return try_allocate(vm, A + 0xf000, 0x3000, MEM_COMMIT, PAGE_READONLY) == STATUS_SUCCESS;
}

static bool write_shared(void)
{
    return vm_debug_write(vm, A + 0x1ffe, "four", 4);
}

static bool write_parting(void)
{
    return vm_debug_write(vm, B + 0x1ffe, "four", 4);
}

static bool store_shared(void)
{
    struct vm_fill f;

    return vm_fill(vm, A + 0x1000, VM_WRITE, &f) == VM_FAULT_NONE;
}

static bool store_parting(void)
{
    struct vm_fill f;

    return vm_fill(vm, B + 0x1000, VM_WRITE, &f) == VM_FAULT_NONE;
}

static bool unmap(void)
{
    return vm_unmap_view(vm, A) == STATUS_SUCCESS;
}

static bool replace_one(void)
{
    return replace(0x800000, 0, 0x10000) == STATUS_SUCCESS;
}

static bool unmap_to_placeholder(void)
{
    return vm_unmap_to_placeholder(vm, 0x900000) == STATUS_SUCCESS;
}

/* Each operation, with a saved moment that shares everything, fails at its n-th allocation, and nothing changes. */
START_TEST(no_memory_changes_nothing)
{
    static bool (*const operations[])(void) = {map_view,      commit_for_all, write_shared,
                                               write_parting, store_shared,   store_parting,
                                               unmap,         replace_one,    unmap_to_placeholder};
    struct vm_saved *saved;
    bool failed = true;

    use(build_section(vm, 0x30000, RW, SEC_RESERVE));
    build_view(vm, s, A, 0, 0, RW);
    build_view(vm, s, B, 0, 0, PAGE_WRITECOPY);
    ck_succeeds(try_allocate(vm, A, 0x8000, MEM_COMMIT, RW));
    ck_succeeds(try_allocate(vm, A + 0x10000, 0x1000, MEM_COMMIT, RW));
    ck_assert(vm_debug_write(vm, A + 0x1000, "abc", 3));
    build_placeholder(0x800000, 0x10000);
    build_placeholder(0x900000, 0x10000);
    ck_succeeds(replace(0x900000, 0, 0x10000));
    saved = vm_save(vm);
    for (unsigned long n = 1; failed; n++) {
        struct memory_of *before = remember(vm);
        bool ok;

        drain(&vm->allocation_pool);
        drain(&vm->run_pool);
        drain(&vm->index_pool);
        drain(&vm->physical->tables.nodes);
        alloc_fail_at(n);
        ok = operations[_i]();
        failed = alloc_fail_stop();
        ck_assert_int_eq(ok, !failed);
        if (failed)
            ck_assert(unchanged(before, vm));
        else
            forget_memory(before);
        ck_assert(vm_valid(vm));
    }
    ck_assert(vm_restore(vm, saved));
    vm_saved_free(saved);
}
END_TEST

START_TEST(a_full_arena_changes_nothing)
{
    static const uint32_t protects[] = {PAGE_WRITECOPY, RW};
    struct vm_section *section;
    struct memory_of *before;
    struct vm_fill f;

    vm_section_unref(s);
    vm_free(vm);
    vm = build_vm(4);
    s = NULL;
    section = build_section(vm, 0x3000, RW, SEC_RESERVE);
    build_view(vm, section, A, 0, 0, protects[_i]);
    vm_section_unref(section);
    ck_succeeds(try_allocate(vm, A, _i ? 0x3000 : 0x2000, MEM_COMMIT, PAGE_READONLY));
    ck_succeeds(try_protect(vm, A, _i ? 0x3000 : 0x2000, protects[_i]));
    for (uint64_t used = 0; used < 4; used++) {
        uint64_t offset;

        ck_succeeds(vm_frame_new(vm, &offset));
    }
    before = remember(vm);
    ck_assert_int_eq(vm_fill(vm, A, VM_WRITE, &f), VM_FAULT_NOMEM);
    ck_assert(!vm_debug_write(vm, A + 0xfff, "ab", 2));
    ck_status(vm_write(vm, A, "a", 1), STATUS_NO_MEMORY);
    ck_assert(unchanged(before, vm));
    for (uint64_t used = 0; used < 4; used++)
        vm_frame_free(vm, used * VM_PAGE_SIZE);
}
END_TEST

static void add_mapping(TCase *tc)
{
    tcase_add_test(tc, M01_anywhere);
    tcase_add_test(tc, M02_occupied);
    tcase_add_test(tc, M03_offset);
    tcase_add_test(tc, M04_base);
    tcase_add_test(tc, M05_zero_bits);
    tcase_add_test(tc, M06_base_violates_zero_bits);
    tcase_add_test(tc, M07_round_to_page);
    tcase_add_test(tc, M08_round_to_page_on_32_bits);
    tcase_add_test(tc, beyond_the_user_range);
    tcase_add_test(tc, M09_size_past_the_section);
    tcase_add_test(tc, M09_size_past_what_is_to_be_seen);
    tcase_add_test(tc, M22_beyond_what_may_be_asked_for);
    tcase_add_test(tc, M22_beyond_the_sections_protection);
}

static void add_changing(TCase *tc)
{
    tcase_add_test(tc, M11_reserved_view);
    tcase_add_test(tc, M12_commit_is_for_all_views);
    tcase_add_test(tc, M13_commit_acts_as_protect);
    tcase_add_test(tc, M14_commit_on_a_file_view);
    tcase_add_test(tc, A46_reset_of_pagefile_views);
    tcase_add_test(tc, A47_reset_of_a_file_view);
    tcase_add_test(tc, M15_views_are_not_freed);
    tcase_add_test(tc, F08_F23_free_of_a_view);
    tcase_add_test(tc, M16_M17_unmap);
    tcase_add_test(tc, M31_nocache_sticks);
    tcase_add_test(tc, a_view_takes_the_place_of_a_placeholder);
    tcase_add_test(tc, a_placeholder_is_replaced_as_a_whole);
    tcase_add_test(tc, a_view_becomes_a_placeholder_again);
    tcase_add_test(tc, an_image_takes_nobodys_place);
    tcase_add_loop_test(tc, no_memory_changes_nothing, 0, 9);
    tcase_add_loop_test(tc, a_full_arena_changes_nothing, 0, 2);
}

int main(void)
{
    Suite *suite = suite_create("view");
    TCase *tc = tcase_create("views");

    tcase_add_checked_fixture(tc, view_setup, view_teardown);
    add_mapping(tc);
    add_changing(tc);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
