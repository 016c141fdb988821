/* The function before each block, as the machine code that it mostly is and in C: both must do the same. */
#include <check.h>

#include "cpu/meter.h"
#include "suite.h"

static struct {
    int calls;
    void *engine, *meter;
    uint64_t address;
    uint32_t size;
} seen;

static void spent(void *engine, uint64_t address, uint32_t size, void *meter)
{
    seen.calls++;
    seen.engine = engine;
    seen.address = address;
    seen.size = size;
    seen.meter = meter;
}

static struct meter *make(void)
{
    struct meter *m = meter_new();

    ck_assert_ptr_nonnull(m);
    ck_assert_int_eq(m->left, 0);
    m->spent = spent;
    seen.calls = 0;
    return m;
}

static meter_fn *function_of(const struct meter *m, int i)
{
    return i ? m->function : meter_in_c;
}

START_TEST(a_block_is_written_down_and_taken_off)
{
    struct meter *m = make();
    meter_fn *function = function_of(m, _i);
    int engine;

    m->left = 100;
    function(&engine, UINT64_C(0x7fff12345678), 60, m);
    ck_assert_int_eq(m->left, 40);
    ck_assert_uint_eq(m->block, UINT64_C(0x7fff12345678));
    ck_assert_uint_eq(m->size, 60);
    function(&engine, 0x1000, 40, m);
    ck_assert_int_eq(m->left, 0);
    ck_assert_uint_eq(m->block, 0x1000);
    ck_assert_uint_eq(m->size, 40);
    ck_assert_int_eq(seen.calls, 0);
    meter_free(m);
}
END_TEST

START_TEST(what_more_than_spends_it_is_told)
{
    struct meter *m = make();
    meter_fn *function = function_of(m, _i);
    int engine;

    m->left = 9;
    function(&engine, 0x2000, 10, m);
    ck_assert_int_eq(seen.calls, 1);
    ck_assert_ptr_eq(seen.engine, &engine);
    ck_assert_uint_eq(seen.address, 0x2000);
    ck_assert_uint_eq(seen.size, 10);
    ck_assert_ptr_eq(seen.meter, m);
    ck_assert_int_eq(m->left, -1);
    ck_assert_uint_eq(m->block, 0x2000);
    ck_assert_uint_eq(m->size, 10);
    function(&engine, 0x3000, 1, m); /* and each block from then on */
    ck_assert_int_eq(seen.calls, 2);
    ck_assert_int_eq(m->left, -2);
    meter_free(m);
}
END_TEST

START_TEST(more_than_32_bits_may_be_left)
{
    struct meter *m = make();

    m->left = INT64_C(0x100000000);
    function_of(m, _i)(NULL, 0, 1, m);
    ck_assert_int_eq(m->left, 0xffffffff);
    ck_assert_int_eq(seen.calls, 0);
    meter_free(m);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("meter");
    TCase *tc = tcase_create("meter");

    tcase_add_loop_test(tc, a_block_is_written_down_and_taken_off, 0, 2);
    tcase_add_loop_test(tc, what_more_than_spends_it_is_told, 0, 2);
    tcase_add_loop_test(tc, more_than_32_bits_may_be_left, 0, 2);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
