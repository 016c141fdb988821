/* core/vm/pool.c: what is reserved is there, objects are distinct, aligned and writable, failure changes nothing. */
#include <check.h>
#include <stdint.h>
#include <string.h>

#include "alloc_fail.h"
#include "suite.h"
#include "vm/pool.h"

static struct pool pool;

static void setup(void)
{
    pool_init(&pool, 100);
}

static void teardown(void)
{
    pool_fini(&pool);
}

START_TEST(objects_are_distinct)
{
    unsigned char *object[200];

    for (int i = 0; i < 200; i++) {
        object[i] = pool_new(&pool);
        ck_assert_ptr_nonnull(object[i]);
        ck_assert_uint_eq((uintptr_t)object[i] % 64, 0);
        memset(object[i], i, 100);
    }
    for (int i = 0; i < 200; i++) {
        ck_assert_uint_eq(object[i][0], (unsigned char)i);
        ck_assert_uint_eq(object[i][99], (unsigned char)i);
    }
}
END_TEST

START_TEST(objects_of_two_lines_start_a_pair)
{
    struct pool pairs;

    pool_init(&pairs, 128);
    for (int i = 0; i < 50; i++)
        ck_assert_uint_eq((uintptr_t)pool_new(&pairs) % 128, 0);
    pool_fini(&pairs);
}
END_TEST

START_TEST(reserve_counts_spares)
{
    void *first;

    ck_assert(pool_reserve(&pool, 5));
    ck_assert_uint_ge(pool.spare, 5);
    first = pool_take(&pool);
    pool_give(&pool, first);
    ck_assert_ptr_eq(pool_take(&pool), first);
}
END_TEST

START_TEST(fresh_objects_survive_growth)
{
    unsigned char *object[40];

    ck_assert(pool_reserve(&pool, 10));
    for (int i = 0; i < 5; i++)
        object[i] = pool_take(&pool);
    ck_assert(pool_reserve(&pool, 35)); /* another slab, while some of the last were never taken */
    for (int i = 5; i < 40; i++)
        object[i] = pool_take(&pool);
    for (int i = 0; i < 40; i++)
        memset(object[i], i, 100);
    for (int i = 0; i < 40; i++)
        ck_assert_int_eq(object[i][50], i);
}
END_TEST

START_TEST(grows_to_large_slabs)
{
    ck_assert(pool_reserve(&pool, 100000));
    for (int i = 0; i < 100000; i++)
        memset(pool_take(&pool), 1, 100);
    ck_assert_uint_le(pool.growth * pool.object_size, 8u << 20);
}
END_TEST

START_TEST(no_memory)
{
    bool ok;

    ALLOC_FAIL_EACH(ok, pool_reserve(&pool, pool.spare + 10), false, true);
    pool_fini(&pool);
    alloc_fail_at(1);
    ck_assert_ptr_null(pool_new(&pool));
    ck_assert(alloc_fail_stop());
    ck_assert_uint_eq(pool.spare, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("pool");
    TCase *tc = tcase_create("objects");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, objects_are_distinct);
    tcase_add_test(tc, objects_of_two_lines_start_a_pair);
    tcase_add_test(tc, reserve_counts_spares);
    tcase_add_test(tc, fresh_objects_survive_growth);
    tcase_add_test(tc, grows_to_large_slabs);
    tcase_add_test(tc, no_memory);
    suite_add_tcase(s, tc);
    return suite_main(s);
}
