/*
 * The services of virtual memory, called as a guest calls them: handles, pointers, extended parameters, what the
 * information classes answer and how much of it, copies between processes. _i is the architecture.
 */
#include <check.h>
#include <string.h>

#include "process_builder.h"
#include "service_caller.h"
#include "suite.h"
#include "vm_builder.h"

#define RC     (MEM_RESERVE | MEM_COMMIT)
#define SHARED UINT64_C(0x7ffe0000)

enum { BASE, SIZE, OLD, RESULT, PARAMS, REQUIREMENTS = PARAMS + 2, BUFFER }; /* slots */

static struct caller c;

static void setup(int arch)
{
    caller_init(&c, (enum cpu_arch)arch, NULL, 0);
}

static void teardown(void)
{
    caller_fini(&c);
}

static bool wide(void)
{
    return c.p->arch == CPU_AMD64;
}

/* Allocate by the plain service; the base. */
static gva_t allocate(uint64_t size, uint32_t type, uint32_t protect)
{
    ck_succeeds(CALL(&c, "NtAllocateVirtualMemory", THIS_PROCESS, caller_set(&c, BASE, 0), 0,
                     caller_set(&c, SIZE, size), type, protect));
    return caller_get(&c, BASE);
}

/* ---- Handles ---------------------------------------------------------------------------------- */

START_TEST(A29_F22_no_process)
{
    gva_t a;

    setup(_i);
    a = allocate(0x10000, RC, PAGE_READWRITE);
    (void)caller_set(&c, BASE, 0);
    REFUSED(&c, STATUS_INVALID_HANDLE, "NtAllocateVirtualMemory", 0, caller_slot(&c, BASE), 0,
            caller_slot(&c, SIZE), RC, PAGE_READWRITE);
    REFUSED(&c, STATUS_INVALID_HANDLE, "NtAllocateVirtualMemoryEx", 0, caller_slot(&c, BASE),
            caller_slot(&c, SIZE), RC, PAGE_READWRITE, 0, 0);
    (void)caller_set(&c, BASE, a);
    REFUSED(&c, STATUS_INVALID_HANDLE, "NtFreeVirtualMemory", 0, caller_slot(&c, BASE),
            caller_set(&c, SIZE, 0), MEM_RELEASE);
    REFUSED(&c, STATUS_INVALID_HANDLE, "NtProtectVirtualMemory", 0, caller_slot(&c, BASE),
            caller_set(&c, SIZE, 0x1000), PAGE_READONLY, caller_slot(&c, OLD));
}
END_TEST

START_TEST(A25_A26_zero_bits_as_a_mask)
{
    setup(_i);
    (void)caller_set(&c, BASE, 0);
    (void)caller_set(&c, SIZE, 0x10000);
    if (wide()) {
        ck_succeeds(CALL(&c, "NtAllocateVirtualMemory", THIS_PROCESS, caller_slot(&c, BASE),
                         0x1aaaaaaa, caller_slot(&c, SIZE), RC, PAGE_READWRITE));
        ck_assert_uint_lt(caller_get(&c, BASE) + 0xffff, 0x20000000);
        return;
    }
    REFUSED(&c, STATUS_INVALID_PARAMETER_3, "NtAllocateVirtualMemory", THIS_PROCESS,
            caller_slot(&c, BASE), 0x1aaaaaaa, caller_slot(&c, SIZE), RC, PAGE_READWRITE);
    REFUSED(&c, STATUS_INVALID_PARAMETER_3, "NtAllocateVirtualMemory", THIS_PROCESS,
            caller_slot(&c, BASE), 32, caller_slot(&c, SIZE), RC, PAGE_READWRITE);
    ck_succeeds(CALL(&c, "NtAllocateVirtualMemory", THIS_PROCESS, caller_slot(&c, BASE), 8,
                     caller_slot(&c, SIZE), RC, PAGE_READWRITE));
    ck_assert_uint_lt(caller_get(&c, BASE), 1u << 24);
}
END_TEST

START_TEST(pointers_are_checked_before_anything_happens)
{
    gva_t a;

    setup(_i);
    a = allocate(0x10000, RC, PAGE_READONLY);
    REFUSED(&c, STATUS_ACCESS_VIOLATION, "NtAllocateVirtualMemory", THIS_PROCESS, 0, 0,
            caller_slot(&c, SIZE), RC, PAGE_READWRITE);
    REFUSED(&c, STATUS_ACCESS_VIOLATION, "NtAllocateVirtualMemory", THIS_PROCESS,
            caller_slot(&c, BASE), 0, a, RC, PAGE_READWRITE);
    REFUSED(&c, STATUS_ACCESS_VIOLATION, "NtProtectVirtualMemory", THIS_PROCESS,
            caller_slot(&c, BASE), caller_set(&c, SIZE, 0x1000), PAGE_READWRITE, 0);
}
END_TEST

/* ---- NtFreeVirtualMemory ---------------------------------------------------------------------- */

/* The function of ntdll that makes the next call will return there. */
static void called_from(gva_t caller)
{
    uint8_t raw[8];
    gva_t sp = cpu_get(c.p->cpu, CPU_RSP);

    put_u64(raw, caller);
    ck_assert(vm_debug_write(c.vm, wide() ? sp : sp + 4, raw, nt_pointer(c.p->arch)));
}

/* List a module of 64 KiB. */
static void list_module(const char *path, gva_t base)
{
    const struct pe_image image = {.image_size = 0x10000};

    ck_assert_int_eq(images_list(c.p, &image, path, base), ERR_OK);
}

static nt_status free_part(gva_t base, uint64_t size, uint32_t type)
{
    return CALL(&c, "NtFreeVirtualMemory", THIS_PROCESS, caller_set(&c, BASE, base),
                caller_set(&c, SIZE, size), type);
}

START_TEST(F09_a_size_that_wines_kernelbase_hands_on)
{
    gva_t kernelbase, other, a;

    setup(_i);
    kernelbase = allocate(0x20000, MEM_RESERVE, PAGE_NOACCESS);
    other = kernelbase + 0x10000;
    a = allocate(0x10000, RC, PAGE_READWRITE);
    list_module("C:\\Windows\\System32\\KernelBase.dll", kernelbase);
    list_module("C:\\own.dll", other);
    called_from(kernelbase + 0xffff);
    ck_succeeds(
        free_part(a, 0x1000, MEM_RELEASE)); /* DLLs that are not Wine's refuse it themselves */
    c.kernel.wine = true;
    ck_status(free_part(a + 0x1000, 0x1000, MEM_RELEASE), STATUS_INVALID_PARAMETER);
    ck_succeeds(free_part(a + 0x1000, 0x1000, MEM_DECOMMIT));
    ck_status(free_part(a + 0x1000, 0x1000, MEM_RELEASE | MEM_PRESERVE_PLACEHOLDER),
              STATUS_CONFLICTING_ADDRESSES); /* the memory manager's answer: it was asked */
    called_from(other);
    ck_succeeds(free_part(a + 0x1000, 0x1000, MEM_RELEASE));
    called_from(0);
    ck_succeeds(free_part(a + 0x2000, 0x1000, MEM_RELEASE));
    called_from(kernelbase);
    ck_succeeds(free_part(a + 0x3000, 0, MEM_RELEASE));
}
END_TEST

/* ---- NtAllocateVirtualMemoryEx ---------------------------------------------------------------- */

/* MEM_EXTENDED_PARAMETER number i: type and value. */
static void put_parameter(unsigned i, uint64_t type, uint64_t value)
{
    uint8_t raw[16];

    put_u64(raw, type);
    put_u64(raw + 8, value);
    ck_assert(vm_debug_write(c.vm, caller_slot(&c, PARAMS) + sizeof raw * i, raw, sizeof raw));
}

/* MEM_ADDRESS_REQUIREMENTS. */
static gva_t put_requirements(uint64_t lowest, uint64_t highest, uint64_t alignment)
{
    uint32_t width = nt_pointer(c.p->arch);
    uint64_t members[] = {lowest, highest, alignment};

    for (size_t i = 0; i < COUNT_OF(members); i++) {
        uint8_t raw[8];

        put_u64(raw, members[i]);
        ck_assert(vm_debug_write(c.vm, caller_slot(&c, REQUIREMENTS) + width * i, raw, width));
    }
    return caller_slot(&c, REQUIREMENTS);
}

/* How the service answers with that many of the parameters. */
static nt_status extended(uint64_t size, uint32_t type, uint32_t protect, gva_t params,
                          uint64_t count)
{
    return CALL(&c, "NtAllocateVirtualMemoryEx", THIS_PROCESS, caller_set(&c, BASE, 0),
                caller_set(&c, SIZE, size), type, protect, params, count);
}

static void extended_refused(gva_t params, uint64_t count)
{
    (void)caller_set(&c, BASE, 0);
    REFUSED(&c, STATUS_INVALID_PARAMETER, "NtAllocateVirtualMemoryEx", THIS_PROCESS,
            caller_slot(&c, BASE), caller_set(&c, SIZE, 0x10000), RC, PAGE_READWRITE, params,
            count);
}

START_TEST(extended_without_parameters_is_the_plain_one)
{
    setup(_i);
    ck_succeeds(extended(0x1000, RC, PAGE_EXECUTE_READWRITE, 0, 0));
    ck_assert_uint_eq(caller_get(&c, BASE) % VM_GRANULARITY, 0);
    ck_assert_uint_eq(caller_get(&c, SIZE), 0x1000);
    ck_assert_uint_eq(region_at(c.vm, caller_get(&c, BASE)).protect, PAGE_EXECUTE_READWRITE);
    /* and knows placeholders, which the plain one refuses (A50) */
    ck_succeeds(extended(0x10000, MEM_RESERVE | MEM_RESERVE_PLACEHOLDER, PAGE_NOACCESS, 0, 0));
}
END_TEST

START_TEST(A51_a_count_without_parameters)
{
    setup(_i);
    extended_refused(0, 1);
    ck_succeeds(extended(0x1000, RC, PAGE_READWRITE, caller_slot(&c, PARAMS), 0));
}
END_TEST

START_TEST(A52_types_of_parameters)
{
    static const uint64_t bad[] = {0, 7, 8, 255};

    setup(_i);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        put_parameter(0, bad[i], put_requirements(0, 0, 0));
        extended_refused(caller_slot(&c, PARAMS), 1);
    }
    put_parameter(0, 1, put_requirements(0, 0, 0));
    ck_succeeds(extended(0x1000, RC, PAGE_READWRITE, caller_slot(&c, PARAMS), 1));
    put_parameter(0, 2, 0); /* a NUMA node */
    ck_succeeds(extended(0x1000, RC, PAGE_READWRITE, caller_slot(&c, PARAMS), 1));
}
END_TEST

START_TEST(A54_requirements_twice)
{
    setup(_i);
    put_parameter(0, 1, put_requirements(0, 0, 0));
    put_parameter(1, 1, caller_slot(&c, REQUIREMENTS));
    extended_refused(caller_slot(&c, PARAMS), 2);
    ck_succeeds(extended(0x1000, RC, PAGE_READWRITE, caller_slot(&c, PARAMS), 1));
}
END_TEST

START_TEST(A57_A61_requirements_reach_the_manager)
{
    setup(_i);
    put_parameter(0, 1, put_requirements(0, 0x20000fff, 0x40000));
    ck_succeeds(extended(0x40000, RC, PAGE_READWRITE, caller_slot(&c, PARAMS), 1));
    ck_assert_uint_eq(caller_get(&c, BASE) % 0x40000, 0);
    ck_assert_uint_le(caller_get(&c, BASE) + 0x40000, 0x20001000);
    put_requirements(0, 0x20000ffe, 0);
    extended_refused(caller_slot(&c, PARAMS), 1);
    put_parameter(0, 1, 0x10); /* they cannot be read */
    (void)caller_set(&c, BASE, 0);
    REFUSED(&c, STATUS_ACCESS_VIOLATION, "NtAllocateVirtualMemoryEx", THIS_PROCESS,
            caller_slot(&c, BASE), caller_slot(&c, SIZE), RC, PAGE_READWRITE,
            caller_slot(&c, PARAMS), 1);
    REFUSED(&c, STATUS_ACCESS_VIOLATION, "NtAllocateVirtualMemoryEx", THIS_PROCESS,
            caller_slot(&c, BASE), caller_slot(&c, SIZE), RC, PAGE_READWRITE, 0x10, 1);
}
END_TEST

/* ---- Queries ---------------------------------------------------------------------------------- */

enum { BASIC = 0, REGION = 3 };

/* Ask into the buffer, which was filled with 0x11; *len is the answer's length. */
static nt_status query(gva_t addr, uint32_t class, uint64_t room, uint64_t *len)
{
    uint8_t fill[CALLER_SLOT_SIZE];
    nt_status st;

    memset(fill, 0x11, sizeof fill);
    ck_assert(vm_debug_write(c.vm, caller_slot(&c, BUFFER), fill, sizeof fill));
    st = CALL(&c, "NtQueryVirtualMemory", THIS_PROCESS, addr, class, caller_slot(&c, BUFFER), room,
              caller_set(&c, RESULT, 0));
    *len = caller_get(&c, RESULT);
    return st;
}

static uint64_t answer(enum nt_field field)
{
    uint64_t value = 0;

    ck_assert_uint_eq(vm_debug_read(c.vm, caller_slot(&c, BUFFER) + nt_offset(c.p->arch, field),
                                    &value, nt_width(c.p->arch, field)),
                      nt_width(c.p->arch, field));
    return value;
}

static void query_refused(gva_t addr, uint32_t class, uint64_t room)
{
    (void)caller_set(&c, RESULT, 0);
    REFUSED(&c, STATUS_INFO_LENGTH_MISMATCH, "NtQueryVirtualMemory", THIS_PROCESS, addr, class,
            caller_slot(&c, BUFFER), room, caller_slot(&c, RESULT));
}

START_TEST(Q07_short_buffers)
{
    uint64_t size, len;
    gva_t a;

    setup(_i);
    a = allocate(0x10000, RC, PAGE_READWRITE);
    size = wide() ? 0x30 : 0x1c;
    ck_succeeds(query(a, BASIC, size, &len));
    ck_assert_uint_eq(len, size);
    ck_assert_uint_eq(answer(NT_MEMORY_SIZE), 0x10000);
    ck_assert_uint_eq(answer(NT_MEMORY_STATE), MEM_COMMIT);
    query_refused(a, BASIC, size - 1);
    query_refused(a, BASIC, 0);
    query_refused(a, REGION, 0);
    ck_succeeds(query(a, BASIC, 2 * size, &len));
    ck_assert_uint_eq(len, size);
}
END_TEST

START_TEST(Q08_lengths_of_the_region_class)
{
    uint64_t full, least, len;
    gva_t a;

    setup(_i);
    a = allocate(0x10000, MEM_RESERVE, PAGE_READWRITE);
    full = nt_size(c.p->arch, NT_STRUCT_REGION);
    least = nt_offset(c.p->arch, NT_REGION_COMMITTED); /* RegionSize is the last that must fit */
    for (uint64_t room = least; room <= full; room += nt_pointer(c.p->arch)) {
        ck_succeeds(query(a, REGION, room, &len));
        ck_assert_uint_eq(len, room);
        ck_assert_uint_eq(answer(NT_REGION_SIZE), 0x10000);
        if (room == least) /* nothing behind what fits was touched */
            ck_assert_uint_eq(answer(NT_REGION_COMMITTED) & 0xffffffff, 0x11111111);
    }
    ck_succeeds(query(a, REGION, full + 8, &len));
    ck_assert_uint_eq(len, full);
    query_refused(a, REGION, least - nt_pointer(c.p->arch));
    query_refused(a, REGION, least - 1);
}
END_TEST

static void check_region(gva_t a, uint32_t protect, uint64_t size)
{
    uint64_t len;

    ck_succeeds(query(a + 0x123, REGION, nt_size(c.p->arch, NT_STRUCT_REGION), &len));
    ck_assert_uint_eq(answer(NT_REGION_ALLOCATION), a);
    ck_assert_uint_eq(answer(NT_REGION_ALLOCATION_PROTECT), protect);
    ck_assert_uint_eq(answer(NT_REGION_SIZE), size);
    ck_assert_uint_eq(answer(NT_REGION_TYPE), 0);
}

START_TEST(Q09_the_region_class)
{
    struct vm_section *s;
    struct vm_view_request view = {.protect = PAGE_READONLY};
    gva_t a;

    setup(_i);
    a = allocate(0x20000, MEM_RESERVE, PAGE_READWRITE);
    check_region(a, PAGE_READWRITE, 0x20000);
    ck_assert_uint_eq(answer(NT_REGION_COMMITTED), 0);
    a = allocate(0x10000, RC, PAGE_EXECUTE_READ);
    ck_succeeds(try_protect(c.vm, a + 0x2000, 0x1000, PAGE_NOACCESS));
    check_region(a, PAGE_EXECUTE_READ, 0x10000);
    ck_assert_uint_eq(answer(NT_REGION_COMMITTED), 0x10000);
    s = build_section(c.vm, 0x1000, PAGE_READWRITE, SEC_COMMIT);
    ck_succeeds(vm_section_map(c.vm, s, &view, &a, NULL));
    vm_section_unref(s);
    check_region(a, PAGE_READONLY, 0x1000);
}
END_TEST

START_TEST(Q13_user_shared_data)
{
    uint64_t len;

    setup(_i);
    ck_succeeds(query(SHARED + 0x26c, BASIC, CALLER_SLOT_SIZE, &len));
    ck_assert_uint_eq(answer(NT_MEMORY_BASE), SHARED);
    ck_assert_uint_eq(answer(NT_MEMORY_SIZE), 0x1000);
    ck_assert_uint_eq(answer(NT_MEMORY_STATE), MEM_COMMIT);
    ck_assert_uint_eq(answer(NT_MEMORY_PROTECT), PAGE_READONLY);
    ck_assert_uint_eq(answer(NT_MEMORY_TYPE), MEM_PRIVATE); /* low: see nt_rules_chosen.txt */
    ck_assert_uint_eq(guest_u32(c.p, SHARED + 0x26c), 10);  /* NtMajorVersion */
    ck_assert_uint_ne(guest_u32(c.p, SHARED + 0x018), 0);   /* SystemTime */
}
END_TEST

/* ---- Copies between processes ----------------------------------------------------------------- */

/* Three pages, the middle one without access, all of it bytes of that value. */
static gva_t with_a_hole(uint8_t value)
{
    gva_t a = allocate(0x3000, RC, PAGE_READWRITE);
    uint8_t page[VM_PAGE_SIZE];

    memset(page, value, sizeof page);
    for (gva_t at = a; at < a + 0x3000; at += sizeof page)
        ck_assert(vm_debug_write(c.vm, at, page, sizeof page));
    ck_succeeds(try_protect(c.vm, a + 0x1000, 0x1000, PAGE_NOACCESS));
    return a;
}

START_TEST(R01_writing_from_a_buffer_with_a_hole)
{
    gva_t to, from;

    setup(_i);
    to = allocate(0x3000, RC, PAGE_READWRITE);
    from = with_a_hole(0x5a);
    ck_status(CALL(&c, "NtWriteVirtualMemory", THIS_PROCESS, to, from, 0x3000,
                   caller_set(&c, RESULT, 77)),
              STATUS_ACCESS_VIOLATION);
    ck_assert_uint_eq(caller_get(&c, RESULT), 0);
    ck_succeeds(
        CALL(&c, "NtWriteVirtualMemory", THIS_PROCESS, to, from, 0x1000, caller_slot(&c, RESULT)));
    ck_assert_uint_eq(caller_get(&c, RESULT), 0x1000);
    ck_assert_uint_eq(guest_u32(c.p, to + 0xffc), 0x5a5a5a5a);
}
END_TEST

START_TEST(R02_reading_into_a_buffer_with_a_hole)
{
    gva_t to, from;

    setup(_i);
    from = allocate(0x3000, RC, PAGE_READWRITE);
    to = with_a_hole(0x5a);
    ck_status(
        CALL(&c, "NtReadVirtualMemory", THIS_PROCESS, from, to, 0x3000, caller_set(&c, RESULT, 77)),
        STATUS_ACCESS_VIOLATION);
    ck_assert_uint_eq(caller_get(&c, RESULT), 0);
    ck_assert_uint_eq(guest_u32(c.p, to + 0x1000), 0x5a5a5a5a);
    ck_assert_uint_eq(guest_u32(c.p, to + 0x2000), 0x5a5a5a5a);
    ck_succeeds(
        CALL(&c, "NtReadVirtualMemory", THIS_PROCESS, from, to, 0x1000, caller_slot(&c, RESULT)));
    ck_assert_uint_eq(caller_get(&c, RESULT), 0x1000);
    ck_assert_uint_eq(guest_u32(c.p, to), 0);
}
END_TEST

START_TEST(R03_reading_what_is_not_there)
{
    gva_t to, last;

    setup(_i);
    to = allocate(0x10000, RC, PAGE_READWRITE);
    (void)caller_set(&c, RESULT, 0);
    REFUSED(&c, STATUS_PARTIAL_COPY, "NtReadVirtualMemory", THIS_PROCESS, 0x10, to, 4,
            caller_slot(&c, RESULT));
    ck_status(
        CALL(&c, "NtReadVirtualMemory", THIS_PROCESS, 0x10, to, 4, caller_set(&c, RESULT, 77)),
        STATUS_PARTIAL_COPY);
    ck_assert_uint_eq(caller_get(&c, RESULT), 0);
    /* a range that ends behind the last page: the bytes before it arrive */
    last = allocate(0x1000, RC, PAGE_READWRITE);
    ck_status(
        CALL(&c, "NtReadVirtualMemory", THIS_PROCESS, last, to, 0x1800, caller_slot(&c, RESULT)),
        STATUS_PARTIAL_COPY);
    ck_assert_uint_eq(caller_get(&c, RESULT), 0x1000);
    /* a handle of another process is none */
    REFUSED(&c, STATUS_INVALID_HANDLE, "NtReadVirtualMemory", 0, last, to, 4, 0);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        A29_F22_no_process,
        A25_A26_zero_bits_as_a_mask,
        pointers_are_checked_before_anything_happens,
        F09_a_size_that_wines_kernelbase_hands_on,
        extended_without_parameters_is_the_plain_one,
        A51_a_count_without_parameters,
        A52_types_of_parameters,
        A54_requirements_twice,
        A57_A61_requirements_reach_the_manager,
        Q07_short_buffers,
        Q08_lengths_of_the_region_class,
        Q09_the_region_class,
        Q13_user_shared_data,
        R01_writing_from_a_buffer_with_a_hole,
        R02_reading_into_a_buffer_with_a_hole,
        R03_reading_what_is_not_there,
    };
    Suite *s = suite_create("serve_memory");
    TCase *tc = tcase_create("both widths");

    tcase_add_checked_fixture(tc, NULL, teardown);
    for (size_t i = 0; i < COUNT_OF(tests); i++)
        tcase_add_loop_test(tc, tests[i], 0, 2);
    suite_add_tcase(s, tc);
    return suite_main(s);
}
