/* Services about the machine: figures, time, language. What they tell agrees with what the process has. _i is the architecture. */
#include <check.h>

#include "nt/guest.h"
#include "nt/layout.h"
#include "process_builder.h"
#include "service_caller.h"
#include "suite.h"
#include "vm_builder.h"

enum {
    BASIC = 0,
    PROCESSOR = 1,
    TIME_OF_DAY = 3,
    INTERRUPTS = 23,
    WINE_VERSION = 1000
};                            /* SYSTEM_INFORMATION_CLASS */
enum { INFO, NEEDED, OTHER }; /* slots */

static struct caller c;

static void setup(int arch)
{
    caller_init(&c, (enum cpu_arch)arch, NULL, 0);
}

static void teardown(void)
{
    caller_fini(&c);
}

static nt_status query(uint32_t class, uint32_t length)
{
    return CALL(&c, "NtQuerySystemInformation", class, caller_slot(&c, INFO), length,
                caller_slot(&c, NEEDED));
}

static uint64_t field(enum nt_field member)
{
    uint64_t value = 0;

    ck_succeeds(guest_get(c.p, caller_slot(&c, INFO), member, &value));
    return value;
}

static uint64_t time_at(unsigned slot, unsigned offset)
{
    uint64_t value = 0;

    ck_succeeds(guest_get_number(c.p, caller_slot(&c, slot) + offset, 8, &value));
    return value;
}

START_TEST(figures_agree_with_the_address_space)
{
    uint32_t size;

    setup(_i);
    size = nt_size(c.p->arch, NT_STRUCT_SYSTEM);
    ck_succeeds(query(BASIC, size));
    ck_assert_uint_eq(guest_u32(c.p, caller_slot(&c, NEEDED)), size);
    ck_assert_uint_eq(field(NT_SYSTEM_PAGE_SIZE), VM_PAGE_SIZE);
    ck_assert_uint_eq(field(NT_SYSTEM_GRANULARITY), VM_GRANULARITY);
    ck_assert_uint_eq(field(NT_SYSTEM_HIGHEST_ADDRESS), c.p->user_limit - 1);
    ck_assert_uint_eq(field(NT_SYSTEM_PROCESSORS), 1);
    ck_status(query(BASIC, size - 1), STATUS_INFO_LENGTH_MISMATCH);
    ck_succeeds(query(PROCESSOR, 12));
    ck_assert_uint_eq(guest_u16(c.p, caller_slot(&c, INFO)), _i == CPU_AMD64 ? 9 : 0);
}
END_TEST

START_TEST(all_clocks_show_the_same_time)
{
    struct shared_time now;

    setup(_i);
    ck_assert(clock_idle(c.p->clock, clock_now(c.p->clock).interrupt + 12345678));
    now = clock_now(c.p->clock);
    ck_succeeds(CALL(&c, "NtQuerySystemTime", caller_slot(&c, OTHER)));
    ck_assert_uint_eq(time_at(OTHER, 0), now.system);
    ck_succeeds(
        CALL(&c, "NtQueryPerformanceCounter", caller_slot(&c, OTHER), caller_slot(&c, NEEDED)));
    ck_assert_uint_eq(time_at(OTHER, 0), now.interrupt);
    ck_assert_uint_eq(time_at(NEEDED, 0), 10000000); /* of them a second */
    ck_succeeds(query(TIME_OF_DAY, 0x30));
    ck_assert_uint_eq(time_at(INFO, 8), now.system);
    ck_assert_uint_eq(time_at(INFO, 0), now.system - now.interrupt); /* when it was booted */
    ck_succeeds(CALL(&c, "NtQueryPerformanceCounter", caller_slot(&c, OTHER), 0));
    REFUSED(&c, STATUS_ACCESS_VIOLATION, "NtQueryPerformanceCounter", caller_slot(&c, OTHER), 8);
    REFUSED(&c, STATUS_ACCESS_VIOLATION, "NtQuerySystemTime", 8);
}
END_TEST

START_TEST(only_wine_is_told_its_version)
{
    setup(_i);
    ck_status(query(WINE_VERSION, 100), STATUS_INVALID_INFO_CLASS);
    c.kernel.wine = true;
    ck_succeeds(query(WINE_VERSION, 100));
    ck_assert_uint_gt(guest_u32(c.p, caller_slot(&c, NEEDED)), 8);
    ck_status(query(999, 100), STATUS_INVALID_INFO_CLASS);
    REFUSED(&c, STATUS_ACCESS_VIOLATION, "NtQuerySystemInformation", BASIC, 8, 0x40, 0);
    REFUSED(&c, STATUS_ACCESS_VIOLATION, "NtQuerySystemInformation", BASIC, caller_slot(&c, INFO),
            0x40, 8);
}
END_TEST

START_TEST(counters_of_interrupts_are_never_the_same)
{
    uint64_t first;

    setup(_i);
    ck_succeeds(query(INTERRUPTS, 0x18));
    first = time_at(INFO, 0);
    ck_assert_uint_ne(time_at(INFO, 8), first);
    ck_succeeds(query(INTERRUPTS, 0x18));
    ck_assert_uint_ne(time_at(INFO, 0), first);
    teardown();
    setup(_i); /* another run draws the same */
    ck_succeeds(query(INTERRUPTS, 0x18));
    ck_assert_uint_eq(time_at(INFO, 0), first);
    ck_status(query(INTERRUPTS, 0x17), STATUS_INFO_LENGTH_MISMATCH);
}
END_TEST

START_TEST(the_language_is_american_english)
{
    setup(_i);
    ck_succeeds(CALL(&c, "NtQueryDefaultLocale", 0, caller_slot(&c, INFO)));
    ck_assert_uint_eq(guest_u32(c.p, caller_slot(&c, INFO)), 0x409);
    ck_succeeds(guest_put_number(c.p, caller_slot(&c, INFO), 4, UINT32_MAX));
    ck_succeeds(CALL(&c, "NtQueryDefaultUILanguage", caller_slot(&c, INFO)));
    ck_assert_uint_eq(guest_u32(c.p, caller_slot(&c, INFO)), 0xffff0409); /* two bytes */
    ck_succeeds(CALL(&c, "NtQueryInstallUILanguage", caller_slot(&c, INFO)));
    ck_status(CALL(&c, "NtQueryInstallUILanguage", 8), STATUS_ACCESS_VIOLATION);
}
END_TEST

START_TEST(timers_are_as_fine_as_they_get)
{
    setup(_i);
    ck_succeeds(CALL(&c, "NtQueryTimerResolution", caller_slot(&c, INFO), caller_slot(&c, NEEDED),
                     caller_slot(&c, OTHER)));
    ck_assert_uint_gt(guest_u32(c.p, caller_slot(&c, INFO)),
                      guest_u32(c.p, caller_slot(&c, NEEDED)));
    ck_succeeds(CALL(&c, "NtSetTimerResolution", 10000, 1, caller_slot(&c, OTHER)));
    ck_assert_uint_eq(guest_u32(c.p, caller_slot(&c, OTHER)),
                      guest_u32(c.p, caller_slot(&c, NEEDED)));
    ck_assert_uint_eq(CALL(&c, "NtGetCurrentProcessorNumber"), 0);
    ck_succeeds(CALL(&c, "NtFlushProcessWriteBuffers"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("serve_system");
    TCase *tc = tcase_create("serve_system");

    tcase_add_checked_fixture(tc, NULL, teardown);
    tcase_add_loop_test(tc, figures_agree_with_the_address_space, 0, 2);
    tcase_add_loop_test(tc, all_clocks_show_the_same_time, 0, 2);
    tcase_add_loop_test(tc, only_wine_is_told_its_version, 0, 2);
    tcase_add_loop_test(tc, counters_of_interrupts_are_never_the_same, 0, 2);
    tcase_add_loop_test(tc, the_language_is_american_english, 0, 2);
    tcase_add_loop_test(tc, timers_are_as_fine_as_they_get, 0, 2);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
