/*
 * The services of sections and views, called as a guest calls them: zero bits and rounding of each width, extended
 * parameters, placeholders and back. _i is the architecture.
 */
#include <check.h>
#include <string.h>

#include "service_caller.h"
#include "suite.h"
#include "vm_builder.h"

#define RW PAGE_READWRITE

enum { SECTION, BASE, OFFSET, SIZE, PARAMS, REQUIREMENTS }; /* slots */

static struct caller c;
static uint64_t section; /* of two granules and a page, of the page file */

static void setup(int arch)
{
    caller_init(&c, (enum cpu_arch)arch, NULL, 0);
    ck_assert(vm_debug_write(c.vm, caller_slot(&c, OFFSET), "\0\0\0\0\0\0\0\0", 8));
    ck_assert(vm_debug_write(c.vm, caller_slot(&c, SIZE), "\0\x10\2\0\0\0\0\0", 8));
    ck_succeeds(CALL(&c, "NtCreateSection", caller_slot(&c, SECTION), 0xf001f, 0,
                     caller_slot(&c, SIZE), RW, SEC_COMMIT, 0));
    section = caller_get(&c, SECTION);
}

static void teardown(void)
{
    caller_fini(&c);
}

static bool wide(void)
{
    return c.p->arch == CPU_AMD64;
}

static nt_status map(gva_t base, uint64_t zero_bits, uint32_t type)
{
    return CALL(&c, "NtMapViewOfSection", section, THIS_PROCESS, caller_set(&c, BASE, base),
                zero_bits, 0, 0, caller_set(&c, SIZE, 0), 1, type, RW);
}

static nt_status map_more(gva_t base, uint64_t size, uint32_t type, unsigned parameters)
{
    return CALL(&c, "NtMapViewOfSectionEx", section, THIS_PROCESS, caller_set(&c, BASE, base),
                caller_slot(&c, OFFSET), caller_set(&c, SIZE, size), type, RW,
                caller_slot(&c, PARAMS), parameters);
}

static nt_status unmap_more(gva_t at, uint64_t flags)
{
    return CALL(&c, "NtUnmapViewOfSectionEx", THIS_PROCESS, at, flags);
}

START_TEST(M05_zero_bits_of_each_width)
{
    setup(_i);
    ck_status(map(0, 22, 0), STATUS_INVALID_PARAMETER_4);
    ck_succeeds(map(0, 8, 0));
    ck_assert_uint_lt(caller_get(&c, BASE), 1u << 24);
    /* a mask is nothing that a 32-bit Windows knows, as in A26 */
    ck_status(map(0, 0x1aaaaaaa, 0), wide() ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER_4);
}
END_TEST

START_TEST(M07_M08_round_to_page)
{
    gva_t first;

    setup(_i);
    ck_succeeds(map(0, 0, 0));
    first = caller_get(&c, BASE);
    if (wide()) {
        ck_status(map(first + 0x21000, 0, AT_ROUND_TO_PAGE), STATUS_INVALID_PARAMETER_9);
        ck_status(map_more(first + 0x21000, 0, AT_ROUND_TO_PAGE, 0), STATUS_INVALID_PARAMETER_9);
        return;
    }
    ck_status(map(first + 42, 0, AT_ROUND_TO_PAGE), STATUS_CONFLICTING_ADDRESSES);
    ck_succeeds(map(first + 0x21abc, 0, AT_ROUND_TO_PAGE));
    ck_assert_uint_eq(caller_get(&c, BASE), first + 0x21000);
    ck_succeeds(CALL(&c, "NtUnmapViewOfSection", THIS_PROCESS, first + 0x21000));
    ck_succeeds(map_more(first + 0x21abc, 0, AT_ROUND_TO_PAGE, 0));
    ck_assert_uint_eq(caller_get(&c, BASE), first + 0x21000);
}
END_TEST

START_TEST(requirements_of_views)
{
    uint32_t width = nt_pointer((enum cpu_arch)_i);
    uint8_t raw[24] = {0};

    setup(_i);
    put_u64(raw, 1);
    put_u64(raw + 8, caller_slot(&c, REQUIREMENTS));
    ck_assert(vm_debug_write(c.vm, caller_slot(&c, PARAMS), raw, 16));
    memset(raw, 0, sizeof raw);
    put_u32(raw + width, 0x2fffffff);
    put_u32(raw + 2 * width, 0x1000000);
    ck_assert(vm_debug_write(c.vm, caller_slot(&c, REQUIREMENTS), raw, 3 * width));
    ck_succeeds(map_more(0, 0, 0, 1));
    ck_assert_uint_eq(caller_get(&c, BASE) % 0x1000000, 0);
    ck_assert_uint_lt(caller_get(&c, BASE), 0x30000000);
    ck_assert_uint_eq(caller_get(&c, SIZE), 0x21000);
    ck_status(map_more(0x20000000, 0, 0, 1), STATUS_INVALID_PARAMETER);
    ck_status(map_more(0, 0, 0, 2), STATUS_INVALID_PARAMETER); /* the second is of type 0 */
}
END_TEST

START_TEST(a_view_in_a_placeholders_place_and_back)
{
    gva_t at, plain;

    setup(_i);
    ck_succeeds(CALL(&c, "NtAllocateVirtualMemoryEx", THIS_PROCESS, caller_set(&c, BASE, 0),
                     caller_set(&c, SIZE, 0x10000), MEM_RESERVE | MEM_RESERVE_PLACEHOLDER,
                     PAGE_NOACCESS, 0, 0));
    at = caller_get(&c, BASE);
    ck_status(map(at, 0, MEM_REPLACE_PLACEHOLDER), STATUS_INVALID_PARAMETER_9);
    ck_status(map_more(at, 0x8000, MEM_REPLACE_PLACEHOLDER, 0), STATUS_CONFLICTING_ADDRESSES);
    ck_succeeds(map_more(at, 0x10000, MEM_REPLACE_PLACEHOLDER, 0));
    ck_assert_uint_eq(region_at(c.vm, at).type, MEM_MAPPED);
    ck_succeeds(map(0, 0, 0));
    plain = caller_get(&c, BASE);
    ck_status(unmap_more(at, 4), STATUS_INVALID_PARAMETER);
    ck_status(unmap_more(plain, MEM_PRESERVE_PLACEHOLDER), STATUS_CONFLICTING_ADDRESSES);
    ck_succeeds(unmap_more(at + 0x1234, MEM_PRESERVE_PLACEHOLDER));
    ck_assert_uint_eq(region_at(c.vm, at).state, MEM_RESERVE);
    ck_succeeds(unmap_more(plain, 1)); /* a hint */
    ck_assert_uint_eq(region_at(c.vm, plain).state, MEM_FREE);
    ck_status(unmap_more(at, MEM_PRESERVE_PLACEHOLDER), STATUS_NOT_MAPPED_VIEW);
}
END_TEST

/* What NtQuerySection says of the section behind that handle. */
static nt_status query(uint64_t handle, uint32_t class, uint64_t room)
{
    return CALL(&c, "NtQuerySection", handle, class, caller_slot(&c, REQUIREMENTS), room, 0);
}

START_TEST(who_asks_needs_the_right_to)
{
    uint32_t size = nt_size((enum cpu_arch)_i, NT_STRUCT_SECTION);
    uint64_t read_only;

    setup(_i);
    ck_succeeds(query(section, 0, size));
    ck_status(query(section, 0, size - 1), STATUS_INFO_LENGTH_MISMATCH);
    ck_status(query(section, 1, 8), STATUS_INFO_LENGTH_MISMATCH);
    ck_status(query(section, 1, 0x40), STATUS_SECTION_NOT_IMAGE);
    ck_status(query(section, 0, 0x10000000), STATUS_ACCESS_VIOLATION); /* more room than there is */
    ck_succeeds(CALL(&c, "NtDuplicateObject", THIS_PROCESS, section, THIS_PROCESS,
                     caller_slot(&c, SECTION), 4, 0, 0));
    read_only = caller_get(&c, SECTION);
    ck_status(query(read_only, 0, size), STATUS_ACCESS_DENIED);
    section = read_only;
    ck_status(map(0, 0, 0), STATUS_ACCESS_DENIED); /* which writes */
}
END_TEST

START_TEST(views_of_no_file_are_the_same_as_none)
{
    gva_t at;

    setup(_i);
    ck_succeeds(map(0, 0, 0));
    at = caller_get(&c, BASE);
    ck_status(CALL(&c, "NtAreMappedFilesTheSame", at, at), STATUS_CONFLICTING_ADDRESSES);
    ck_status(CALL(&c, "NtAreMappedFilesTheSame", c.memory, at), STATUS_CONFLICTING_ADDRESSES);
    ck_status(CALL(&c, "NtAreMappedFilesTheSame", 0, at), STATUS_INVALID_ADDRESS);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("serve_section");
    TCase *tc = tcase_create("views");

    tcase_add_checked_fixture(tc, NULL, teardown);
    tcase_add_loop_test(tc, M05_zero_bits_of_each_width, 0, 2);
    tcase_add_loop_test(tc, M07_M08_round_to_page, 0, 2);
    tcase_add_loop_test(tc, requirements_of_views, 0, 2);
    tcase_add_loop_test(tc, a_view_in_a_placeholders_place_and_back, 0, 2);
    tcase_add_loop_test(tc, who_asks_needs_the_right_to, 0, 2);
    tcase_add_loop_test(tc, views_of_no_file_are_the_same_as_none, 0, 2);
    suite_add_tcase(s, tc);
    return suite_main(s);
}
