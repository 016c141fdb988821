/* Write watches and hints, asked for as a guest asks, in both widths. _i is the architecture. */
#include <check.h>
#include <string.h>

#include "process_builder.h"
#include "service_caller.h"
#include "suite.h"
#include "vm_builder.h"

enum { BASE, SIZE, COUNT, GRANULARITY, RESULTS = 8, RANGES = 16, FLAGS = 24 }; /* slots */

static struct caller c;

static void setup(int arch)
{
    caller_init(&c, (enum cpu_arch)arch, NULL, 0);
}

static void teardown(void)
{
    caller_fini(&c);
}

static gva_t watched(uint64_t size)
{
    ck_succeeds(CALL(&c, "NtAllocateVirtualMemory", THIS_PROCESS, caller_set(&c, BASE, 0), 0,
                     caller_set(&c, SIZE, size), MEM_RESERVE | MEM_COMMIT | MEM_WRITE_WATCH,
                     PAGE_READWRITE));
    return caller_get(&c, BASE);
}

static nt_status get(uint32_t flags, gva_t base, uint64_t size, uint64_t room)
{
    return CALL(&c, "NtGetWriteWatch", THIS_PROCESS, flags, base, size, caller_slot(&c, RESULTS),
                caller_set(&c, COUNT, room), caller_slot(&c, GRANULARITY));
}

/* The i-th pointer-sized number from a slot on, which has room for more than one. */
static uint64_t *pointer(unsigned slot, unsigned i, uint64_t *value, bool write)
{
    uint32_t width = c.p->arch == CPU_AMD64 ? 8 : 4;
    gva_t at = caller_slot(&c, slot) + width * i;

    if (write)
        ck_assert(vm_debug_write(c.vm, at, value, width));
    else
        ck_assert_uint_eq(vm_debug_read(c.vm, at, value, width), width);
    return value;
}

static uint64_t result(unsigned i)
{
    uint64_t value = 0;

    return *pointer(RESULTS, i, &value, false);
}

static void touch(gva_t at)
{
    uint8_t byte = 1;

    ck_succeeds(vm_write(c.vm, at, &byte, 1));
}

START_TEST(W01_W02_W04_written_pages_are_listed_and_forgotten)
{
    gva_t a;

    setup(_i);
    a = watched(0x5000);
    touch(a + 0x1234);
    touch(a + 0x4000);
    ck_succeeds(get(0, a, 0x5000, 4));
    ck_assert_uint_eq(caller_get(&c, COUNT), 2);
    ck_assert_uint_eq(result(0), a + 0x1000);
    ck_assert_uint_eq(result(1), a + 0x4000);
    ck_assert_uint_eq((uint32_t)caller_get(&c, GRANULARITY), 0x1000);
    ck_succeeds(get(WRITE_WATCH_FLAG_RESET, a, 0x5000, 1));
    ck_assert_uint_eq(caller_get(&c, COUNT), 1);
    ck_succeeds(get(0, a, 0x5000, 4));
    ck_assert_uint_eq(caller_get(&c, COUNT), 1);
    ck_assert_uint_eq(result(0), a + 0x4000);
    ck_succeeds(CALL(&c, "NtResetWriteWatch", THIS_PROCESS, a + 0x4000, 0x1000));
    ck_succeeds(get(0, a, 0x5000, 4));
    ck_assert_uint_eq(caller_get(&c, COUNT), 0);
}
END_TEST

START_TEST(W09_W10_what_is_refused_forgets_nothing)
{
    gva_t a;

    setup(_i);
    a = watched(0x2000);
    touch(a);
    ck_status(get(0, a, 0x2000, 0), STATUS_INVALID_PARAMETER);
    ck_status(get(2, a, 0x2000, 4), STATUS_INVALID_PARAMETER);
    ck_status(get(0, a, 0, 4), STATUS_INVALID_PARAMETER);
    ck_status(get(0, a, 0x3000, 4), STATUS_INVALID_PARAMETER);
    ck_status(get(0, a, UINT64_C(0x7fffffff000), 4), STATUS_INVALID_PARAMETER);
    ck_status(get(0, caller_slot(&c, 0), 0x1000, 4), STATUS_INVALID_PARAMETER);
    REFUSED(&c, STATUS_ACCESS_VIOLATION, "NtGetWriteWatch", THIS_PROCESS, WRITE_WATCH_FLAG_RESET, a,
            0x2000, 0, caller_set(&c, COUNT, 4), caller_slot(&c, GRANULARITY));
    REFUSED(&c, STATUS_ACCESS_VIOLATION, "NtGetWriteWatch", THIS_PROCESS, WRITE_WATCH_FLAG_RESET, a,
            0x2000, caller_slot(&c, RESULTS), 0, caller_slot(&c, GRANULARITY));
    REFUSED(&c, STATUS_ACCESS_VIOLATION, "NtGetWriteWatch", THIS_PROCESS, WRITE_WATCH_FLAG_RESET, a,
            0x2000, caller_slot(&c, RESULTS), caller_set(&c, COUNT, 4), 0);
    REFUSED(&c, STATUS_INVALID_HANDLE, "NtGetWriteWatch", 0, 0, a, 0x2000, caller_slot(&c, RESULTS),
            caller_slot(&c, COUNT), caller_slot(&c, GRANULARITY));
    REFUSED(&c, STATUS_INVALID_HANDLE, "NtResetWriteWatch", 0, a, 0x1000);
    REFUSED(&c, STATUS_INVALID_PARAMETER, "NtResetWriteWatch", THIS_PROCESS, a, 0);
    ck_succeeds(get(0, a, 0x2000, 4));
    ck_assert_uint_eq(caller_get(&c, COUNT), 1);
}
END_TEST

/* class and the rest with one range, or as many as said. */
static nt_status prefetch(uint32_t class, uint64_t count, gva_t ranges, gva_t flags, uint32_t size)
{
    return CALL(&c, "NtSetInformationVirtualMemory", THIS_PROCESS, class, count, ranges, flags,
                size);
}

START_TEST(hints_are_checked_in_NTs_order)
{
    gva_t ranges, flags;
    uint64_t size = 0x1000;

    setup(_i);
    flags = caller_set(&c, FLAGS, 0);
    ranges = caller_set(&c, RANGES, 0x10000);
    (void)pointer(RANGES, 1, &size, true);
    ck_succeeds(prefetch(0, 1, ranges, flags, 4));
    ck_status(prefetch(77, 0, 0, 0, 0), STATUS_INVALID_PARAMETER_2);
    ck_status(prefetch(0, 0, 0, 0, 0), STATUS_INVALID_PARAMETER_5);
    ck_status(prefetch(0, 0, 0, flags, 8), STATUS_INVALID_PARAMETER_6);
    ck_status(prefetch(0, 0, ranges, flags, 4), STATUS_INVALID_PARAMETER_3);
    ck_status(prefetch(0, 1, 0, flags, 4), STATUS_ACCESS_VIOLATION);
    (void)caller_set(&c, RANGES, 0);
    size = 0;
    (void)pointer(RANGES, 1, &size, true);
    ck_status(prefetch(0, 1, ranges, flags, 4), STATUS_INVALID_PARAMETER_4);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        W01_W02_W04_written_pages_are_listed_and_forgotten,
        W09_W10_what_is_refused_forgets_nothing,
        hints_are_checked_in_NTs_order,
    };
    Suite *s = suite_create("serve_pages");
    TCase *tc = tcase_create("both widths");

    tcase_add_checked_fixture(tc, NULL, teardown);
    for (size_t i = 0; i < COUNT_OF(tests); i++)
        tcase_add_loop_test(tc, tests[i], 0, 2);
    suite_add_tcase(s, tc);
    return suite_main(s);
}
