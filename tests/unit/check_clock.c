/* Shared user data and the guest's clock, read as the guest reads it. */
#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "guest.h"
#include "nt/clock.h"
#include "suite.h"
#include "winstub/bytes.h"

#define MS         10000u   /* in units of 100 ns */
#define WORK_OF_MS 4000000u /* bytes of code that take so long */

static const struct shared_time start = {.system = 0x1d00fffffff0000, .interrupt = 0x2ffff0000};

struct page {
    _Alignas(4096) uint8_t bytes[4096];
};

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
    ck_assert_uint_eq(get_u32(page + 0x4), 0x01000000);
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
    ck_assert_uint_eq(read_time(page + 0x320), start.interrupt / 10000);
    ck_assert(NT_SUCCESS(vm_query(vm, SHARED_ADDRESS, &region)));
    ck_assert_uint_eq(region.protect, PAGE_READONLY);
    ck_assert_uint_eq(region.size, 4096);
    vm_free(vm);
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

/* Counted time: a guest, and a clock over its CPU. */
struct counted {
    struct guest g;
    struct clock *clock;
    struct page *page;
};

static void counted_init(struct counted *c)
{
    static struct page page;

    guest_init(&c->g, CPU_AMD64);
    ck_assert_int_eq(clock_new(&start, c->g.cpu, false, &c->clock, NULL), ERR_OK);
    c->page = &page;
    shared_publish(page.bytes, &start);
    GUEST_CODE_AT(&c->g, GUEST_CODE, 0x90, 0x90, 0xeb, 0xfc); /* nop; nop; jmp back: 4 bytes */
}

static void counted_fini(struct counted *c)
{
    clock_free(c->clock);
    guest_fini(&c->g);
}

/* Run to the alarm; it is set anew each time that the run ends before, to show the time. */
static void run_until(struct counted *c, uint64_t at)
{
    do {
        clock_alarm(c->clock, at, false);
        guest_run(&c->g, CPU_EVENT_LIMIT, GUEST_CODE);
    } while (clock_now(c->clock).interrupt < at);
}

START_TEST(counted_time_follows_from_what_was_executed)
{
    struct counted c;

    counted_init(&c);
    ck_assert_uint_eq(clock_now(c.clock).interrupt, start.interrupt);
    clock_start(c.clock, c.page->bytes);
    run_until(&c, start.interrupt + 3 * MS);
    ck_assert_uint_eq(cpu_work(c.g.cpu), 3 * WORK_OF_MS);
    ck_assert_uint_eq(clock_now(c.clock).interrupt, start.interrupt + 3 * MS);
    ck_assert_uint_eq(clock_now(c.clock).system, start.system + 3 * MS);
    clock_stop(c.clock);
    ck_assert_uint_eq(read_time(c.page->bytes + 0x8), start.interrupt + 3 * MS);
    counted_fini(&c);
}
END_TEST

static void expect_shown(const struct counted *c)
{
    ck_assert_uint_eq(read_time(c->page->bytes + 0x8),
                      start.interrupt + cpu_work(c->g.cpu) / WORK_OF_MS * MS);
}

/* A debugger may stop the guest anywhere: what it sees of the time must not depend on that. */
START_TEST(the_time_shown_does_not_depend_on_stops)
{
    struct counted c;

    counted_init(&c);
    for (int ms = 0; ms < 3; ms++) {
        clock_start(c.clock, c.page->bytes);
        clock_alarm(c.clock, start.interrupt + 3 * MS, false);
        expect_shown(&c);
        for (int steps = 0; steps < 7; steps++)
            ck_assert_int_eq(cpu_step(c.g.cpu, false, &c.g.event), ERR_OK);
        clock_stop(c.clock); /* the debugger's stop */
        clock_start(c.clock, c.page->bytes);
        clock_alarm(c.clock, start.interrupt + 3 * MS, false);
        expect_shown(&c);
        guest_run(&c.g, CPU_EVENT_LIMIT, GUEST_CODE);
        ck_assert_uint_eq(cpu_work(c.g.cpu) % WORK_OF_MS, 0);
        clock_stop(c.clock);
        expect_shown(&c);
    }
    counted_fini(&c);
}
END_TEST

START_TEST(time_in_which_nobody_runs_is_skipped)
{
    struct counted c;

    counted_init(&c);
    clock_start(c.clock, c.page->bytes);
    ck_assert(clock_idle(c.clock, start.interrupt + 5000 * MS));
    ck_assert_uint_eq(clock_now(c.clock).interrupt, start.interrupt + 5000 * MS);
    clock_alarm(c.clock, start.interrupt + 5002 * MS, true);
    ck_assert_uint_eq(read_time(c.page->bytes + 0x8), start.interrupt + 5000 * MS);
    run_until(&c, start.interrupt + 5002 * MS);
    ck_assert_uint_eq(cpu_work(c.g.cpu), 2 * WORK_OF_MS);
    clock_alarm(c.clock, start.interrupt, true); /* long ago: nothing runs */
    guest_run(&c.g, CPU_EVENT_LIMIT, GUEST_CODE);
    ck_assert_uint_eq(cpu_work(c.g.cpu), 2 * WORK_OF_MS);
    clock_stop(c.clock);
    counted_fini(&c);
}
END_TEST

START_TEST(the_time_stamp_counter_is_the_same_time)
{
    struct counted c;

    counted_init(&c);
    GUEST_CODE_AT(&c.g, GUEST_CODE, 0x0f, 0x31, 0xcc); /* rdtsc; int3 */
    ck_assert(clock_idle(c.clock, start.interrupt + 7 * MS));
    guest_run(&c.g, CPU_EVENT_EXCEPTION, GUEST_CODE + 2);
    ck_assert_uint_eq(cpu_get(c.g.cpu, CPU_RDX) << 32 | cpu_get(c.g.cpu, CPU_RAX),
                      (start.interrupt + 7 * MS) * 100);
    counted_fini(&c);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("clock");
    TCase *tc = tcase_create("clock");

    tcase_set_timeout(tc, 30);
    tcase_add_test(tc, the_page_describes_windows_10);
    tcase_add_test(tc, a_reader_never_sees_a_torn_time);
    tcase_add_test(tc, counted_time_follows_from_what_was_executed);
    tcase_add_test(tc, the_time_shown_does_not_depend_on_stops);
    tcase_add_test(tc, time_in_which_nobody_runs_is_skipped);
    tcase_add_test(tc, the_time_stamp_counter_is_the_same_time);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
