/* The host's time as a guest's clock, read as the guest reads it, and the end of runs by it. */
#include <check.h>
#include <stdatomic.h>
#include <time.h>

#include "guest.h"
#include "nt/ticker.h"
#include "suite.h"

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

START_TEST(time_passes_only_while_running)
{
    static struct page page;
    uint64_t before, after;
    struct ticker *ticker;

    ck_assert_int_eq(ticker_new(&start, NULL, &ticker, NULL), ERR_OK);
    shared_publish(page.bytes, &start);
    sleep_ms(5);
    ck_assert_uint_eq(read_time(page.bytes + 0x8), start.interrupt);
    ticker_start(ticker, page.bytes);
    before = host_ns(CLOCK_MONOTONIC);
    while (host_ns(CLOCK_MONOTONIC) - before < 30000000)
        ;
    ticker_stop(ticker);
    after = read_time(page.bytes + 0x8);
    ck_assert_uint_ge(after - start.interrupt, 28 * MS);
    ck_assert_uint_eq(read_time(page.bytes + 0x14) - start.system, after - start.interrupt);
    ck_assert_uint_eq(read_time(page.bytes + 0x320), after / 10000);
    sleep_ms(5);
    ck_assert_uint_eq(read_time(page.bytes + 0x8), after);
    ticker_free(ticker);
}
END_TEST

START_TEST(a_spinning_reader_sees_time_pass)
{
    static struct page page;
    uint64_t last = start.interrupt, began = host_ns(CLOCK_MONOTONIC);
    struct ticker *ticker;
    int changes = 0;

    ck_assert_int_eq(ticker_new(&start, NULL, &ticker, NULL), ERR_OK);
    shared_publish(page.bytes, &start);
    ticker_start(ticker, page.bytes);
    while (changes < 20) {
        uint64_t now = read_time(page.bytes + 0x8);

        ck_assert_uint_ge(now, last);
        ck_assert_uint_ge(read_time(page.bytes + 0x14), start.system);
        changes += now != last;
        last = now;
        ck_assert_msg(host_ns(CLOCK_MONOTONIC) - began < 3000000000u, "%d changes in three seconds",
                      changes);
    }
    ticker_stop(ticker);
    ticker_free(ticker);
}
END_TEST

START_TEST(many_short_runs_add_up)
{
    static struct page page;
    uint64_t inside = 0;
    struct ticker *ticker;

    ck_assert_int_eq(ticker_new(&start, NULL, &ticker, NULL), ERR_OK);
    shared_publish(page.bytes, &start);
    for (int i = 0; i < 5000; i++) {
        uint64_t began = host_ns(CLOCK_MONOTONIC);

        ticker_start(ticker, page.bytes);
        while (host_ns(CLOCK_MONOTONIC) - began < 3000)
            ;
        ticker_stop(ticker);
        inside += host_ns(CLOCK_MONOTONIC) - began;
    }
    ck_assert_uint_ge(read_time(page.bytes + 0x8), start.interrupt + 13 * MS);
    ck_assert_uint_le(read_time(page.bytes + 0x8), start.interrupt + inside / 100);
    ticker_free(ticker);
}
END_TEST

START_TEST(nothing_wakes_while_nothing_runs)
{
    static struct page page;
    struct ticker *ticker;
    uint64_t before;

    ck_assert_int_eq(ticker_new(&start, NULL, &ticker, NULL), ERR_OK);
    ticker_start(ticker, page.bytes);
    ticker_stop(ticker);
    sleep_ms(150);
    before = host_ns(CLOCK_PROCESS_CPUTIME_ID);
    sleep_ms(200);
    ck_assert_uint_lt(host_ns(CLOCK_PROCESS_CPUTIME_ID) - before, 1000000);
    ticker_start(ticker, page.bytes); /* and it wakes again */
    while (read_time(page.bytes + 0x8) < start.interrupt + 3 * MS)
        ;
    ticker_stop(ticker);
    ticker_free(ticker);
}
END_TEST

START_TEST(the_alarm_ends_a_run)
{
    struct ticker *ticker;
    struct guest g;

    guest_init(&g, CPU_AMD64);
    ck_assert_int_eq(ticker_new(&start, g.cpu, &ticker, NULL), ERR_OK);
    GUEST_CODE_AT(&g, GUEST_CODE, 0xeb, 0xfe); /* jmp $ */
    for (uint64_t i = 1; i <= 3; i++) {
        ticker_start(ticker, NULL);
        ticker_alarm(ticker, 5 * i * 1000000);
        guest_run(&g, CPU_EVENT_STOP, GUEST_CODE);
        ck_assert_uint_ge(ticker_ns(ticker), 5 * i * 1000000);
        ticker_stop(ticker);
    }
    ticker_free(ticker);
    guest_fini(&g);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ticker");
    TCase *tc = tcase_create("ticker");

    tcase_set_timeout(tc, 30);
    tcase_add_test(tc, time_passes_only_while_running);
    tcase_add_test(tc, a_spinning_reader_sees_time_pass);
    tcase_add_test(tc, many_short_runs_add_up);
    tcase_add_test(tc, nothing_wakes_while_nothing_runs);
    tcase_add_test(tc, the_alarm_ends_a_run);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
