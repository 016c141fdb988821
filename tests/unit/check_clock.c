/* Shared user data and the guest's clock, read as the guest reads it. */
#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "nt/clock.h"
#include "suite.h"
#include "winstub/bytes.h"

#define MS 10000u /* in units of 100 ns */

static const struct shared_time start = {.system = 0x1d00fffffff0000, .interrupt = 0x2ffff0000};

struct page {
    _Alignas(4096) uint8_t bytes[4096];
};

static uint64_t host_ns(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void sleep_ms(long ms)
{
    struct timespec t = {.tv_nsec = ms * 1000000};

    nanosleep(&t, NULL);
}

static uint32_t load(const uint8_t *at)
{
    return atomic_load_explicit((const _Atomic uint32_t *)(const void *)at, memory_order_acquire);
}

/* As user code reads a KSYSTEM_TIME: High1Time, LowPart, then High2Time must equal the first. */
static uint64_t read_time(const uint8_t *at)
{
    uint32_t high, low;

    do {
        high = load(at + 4);
        low = load(at);
    } while (high != load(at + 8));
    return (uint64_t)high << 32 | low;
}

START_TEST(the_page_describes_windows_10)
{
    struct vm_config config = {.arena_size = 1 << 24};
    struct vm_region region;
    uint8_t page[4096];
    struct vm *vm;

    ck_assert_int_eq(vm_new(&config, &vm), ERR_OK);
    ck_assert_int_eq(shared_map(vm, &start, NULL), ERR_OK);
    ck_assert_uint_eq(vm_debug_read(vm, SHARED_ADDRESS, page, sizeof page), sizeof page);
    ck_assert_uint_eq(get_u32(page + 0x4), 0x0fa00000);
    ck_assert_mem_eq(page + 0x30, "C\0:\0\\\0W\0i\0n\0d\0o\0w\0s\0\0", 22);
    ck_assert_uint_eq(get_u32(page + 0x260), 19045);
    ck_assert_uint_eq(get_u32(page + 0x264), 1);
    ck_assert_uint_eq(get_u32(page + 0x26c), 10);
    ck_assert_uint_eq(page[0x274 + 10], 1); /* SSE2 */
    ck_assert_uint_eq(page[0x274 + 39], 0); /* AVX */
    ck_assert_uint_eq(get_u64(page + 0x300), 10000000);
    ck_assert_uint_eq(get_u32(page + 0x308), 0);
    ck_assert_uint_eq(read_time(page + 0x14), start.system);
    ck_assert_uint_eq(read_time(page + 0x08), start.interrupt);
    ck_assert_uint_eq(read_time(page + 0x320), start.interrupt / 156250);
    ck_assert(NT_SUCCESS(vm_query(vm, SHARED_ADDRESS, &region)));
    ck_assert_uint_eq(region.protect, PAGE_READONLY);
    ck_assert_uint_eq(region.size, 4096);
    vm_free(vm);
}
END_TEST

START_TEST(time_passes_only_while_running)
{
    static struct page page;
    uint64_t before, after;
    struct clock *clock;

    ck_assert_int_eq(clock_new(&start, &clock, NULL), ERR_OK);
    shared_publish(page.bytes, &start);
    sleep_ms(5);
    ck_assert_uint_eq(read_time(page.bytes + 0x8), start.interrupt);
    clock_start(clock, page.bytes);
    before = host_ns(CLOCK_MONOTONIC);
    while (host_ns(CLOCK_MONOTONIC) - before < 30000000)
        ;
    clock_stop(clock);
    after = read_time(page.bytes + 0x8);
    ck_assert_uint_ge(after - start.interrupt, 28 * MS);
    ck_assert_uint_eq(read_time(page.bytes + 0x14) - start.system, after - start.interrupt);
    ck_assert_uint_eq(read_time(page.bytes + 0x320), after / 156250);
    sleep_ms(5);
    ck_assert_uint_eq(read_time(page.bytes + 0x8), after);
    clock_free(clock);
}
END_TEST

START_TEST(a_spinning_reader_sees_time_pass)
{
    static struct page page;
    uint64_t last = start.interrupt, began = host_ns(CLOCK_MONOTONIC);
    struct clock *clock;
    int changes = 0;

    ck_assert_int_eq(clock_new(&start, &clock, NULL), ERR_OK);
    shared_publish(page.bytes, &start);
    clock_start(clock, page.bytes);
    while (changes < 20) {
        uint64_t now = read_time(page.bytes + 0x8);

        ck_assert_uint_ge(now, last);
        ck_assert_uint_ge(read_time(page.bytes + 0x14), start.system);
        changes += now != last;
        last = now;
        ck_assert_msg(host_ns(CLOCK_MONOTONIC) - began < 3000000000u, "%d changes in three seconds",
                      changes);
    }
    clock_stop(clock);
    clock_free(clock);
}
END_TEST

/* A reader that checks High1 against High2 never sees a time that was not there, also when all 32 bits roll over. */
static void *publish_around_the_rollover(void *arg)
{
    uint8_t *page = arg;

    for (uint64_t i = 0; i < 400000; i++) {
        struct shared_time now = {(i << 31) + 1, (i << 31) + 1};

        shared_publish(page, &now);
    }
    return NULL;
}

START_TEST(a_reader_never_sees_a_torn_time)
{
    static struct page page;
    struct shared_time zero = {1, 1};
    uint64_t last = 0;
    pthread_t writer;

    shared_publish(page.bytes, &zero);
    ck_assert_int_eq(pthread_create(&writer, NULL, publish_around_the_rollover, page.bytes), 0);
    while (last < (UINT64_C(399999) << 31) + 1) {
        uint64_t now = read_time(page.bytes + 0x14);

        ck_assert_msg(now >= last, "%llx after %llx", (unsigned long long)now,
                      (unsigned long long)last);
        ck_assert_msg((uint32_t)now == 1 || (uint32_t)now == 0x80000001u, "%llx",
                      (unsigned long long)now);
        last = now;
    }
    pthread_join(writer, NULL);
}
END_TEST

START_TEST(many_short_runs_add_up)
{
    static struct page page;
    uint64_t inside = 0;
    struct clock *clock;

    ck_assert_int_eq(clock_new(&start, &clock, NULL), ERR_OK);
    shared_publish(page.bytes, &start);
    for (int i = 0; i < 5000; i++) {
        uint64_t began = host_ns(CLOCK_MONOTONIC);

        clock_start(clock, page.bytes);
        while (host_ns(CLOCK_MONOTONIC) - began < 3000)
            ;
        clock_stop(clock);
        inside += host_ns(CLOCK_MONOTONIC) - began;
    }
    ck_assert_uint_ge(read_time(page.bytes + 0x8), start.interrupt + 13 * MS);
    ck_assert_uint_le(read_time(page.bytes + 0x8), start.interrupt + inside / 100);
    clock_free(clock);
}
END_TEST

START_TEST(nothing_wakes_while_nothing_runs)
{
    static struct page page;
    struct clock *clock;
    uint64_t before;

    ck_assert_int_eq(clock_new(&start, &clock, NULL), ERR_OK);
    clock_start(clock, page.bytes);
    clock_stop(clock);
    sleep_ms(150);
    before = host_ns(CLOCK_PROCESS_CPUTIME_ID);
    sleep_ms(200);
    ck_assert_uint_lt(host_ns(CLOCK_PROCESS_CPUTIME_ID) - before, 1000000);
    clock_start(clock, page.bytes); /* and it wakes again */
    while (read_time(page.bytes + 0x8) < start.interrupt + 3 * MS)
        ;
    clock_stop(clock);
    clock_free(clock);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("clock");
    TCase *tc = tcase_create("clock");

    tcase_set_timeout(tc, 30);
    tcase_add_test(tc, the_page_describes_windows_10);
    tcase_add_test(tc, time_passes_only_while_running);
    tcase_add_test(tc, a_spinning_reader_sees_time_pass);
    tcase_add_test(tc, a_reader_never_sees_a_torn_time);
    tcase_add_test(tc, many_short_runs_add_up);
    tcase_add_test(tc, nothing_wakes_while_nothing_runs);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
