/* The handle table: values, rights, references, how full it may get. */
#include <check.h>

#include "alloc_fail.h"
#include "nt/handles.h"
#include "suite.h"
#include "vm_builder.h"

#define READ            0x80000000u
#define WRITE           0x40000000u
#define EXECUTE         0x20000000u
#define ALL             0x10000000u
#define MAXIMUM_ALLOWED 0x02000000u
#define PROTECT_CLOSE   1u

static unsigned freed;

static void count_free(struct object *object)
{
    (void)object;
    freed++;
}

static const struct object_class sort = {
    .name = "Sort", .free = count_free, .rights = {0x01, 0x02, 0x04, 0xff}};
static const struct object_class other_sort = {.name = "Other", .free = count_free};

static struct handles handles;
static struct object object, other;

static void setup(void)
{
    handles = (struct handles){0};
    freed = 0;
    object_init(&object, &sort);
    object_init(&other, &other_sort);
}

static void teardown(void)
{
    handles_fini(&handles);
}

static uint64_t add(struct object *what, uint32_t access)
{
    uint64_t handle = 0;

    ck_succeeds(handles_add(&handles, what, access, &handle));
    return handle;
}

START_TEST(values_are_multiples_of_four_and_the_lowest_is_used_again)
{
    uint64_t a = add(&object, 0), b = add(&object, 0), d = add(&object, 0);

    ck_assert_uint_eq(a, 4);
    ck_assert_uint_eq(b, 8);
    ck_assert_uint_eq(d, 12);
    ck_succeeds(handles_close(&handles, b));
    ck_succeeds(handles_close(&handles, a));
    ck_assert_uint_eq(add(&object, 0), 4);
    ck_assert_uint_eq(add(&object, 0), 8);
    ck_assert_uint_eq(add(&object, 0), 16);
}
END_TEST

START_TEST(the_lowest_two_bits_are_the_guests)
{
    uint64_t handle = add(&object, 0);
    struct object *found = NULL;

    ck_succeeds(handles_get(&handles, handle | 3, NULL, &found));
    ck_assert_ptr_eq(found, &object);
    ck_succeeds(handles_close(&handles, handle | 1));
    ck_status(handles_close(&handles, handle), STATUS_INVALID_HANDLE);
}
END_TEST

START_TEST(what_is_no_handle)
{
    static const uint64_t values[] = {0, 3, 8, 0x1000, UINT32_MAX, UINT64_MAX, UINT64_MAX - 3};
    struct object *found = &other;

    ck_assert_uint_eq(add(&object, 0), 4);
    ck_assert_ptr_null(handles_entry(&handles, values[_i]));
    ck_status(handles_get(&handles, values[_i], NULL, &found), STATUS_INVALID_HANDLE);
    ck_status(handles_close(&handles, values[_i]), STATUS_INVALID_HANDLE);
    ck_assert_ptr_eq(found, &other);
}
END_TEST

START_TEST(the_last_reference_frees)
{
    uint64_t a = add(&object, 0), b = add(&object, 0);

    object_unref(&object); /* the maker's */
    ck_succeeds(handles_close(&handles, a));
    ck_assert_uint_eq(freed, 0);
    ck_succeeds(handles_close(&handles, b));
    ck_assert_uint_eq(freed, 1);
    object_unref(NULL);
}
END_TEST

START_TEST(the_end_closes_everything)
{
    (void)add(&object, 0);
    (void)add(&other, 0);
    handles_entry(&handles, 4)->attributes = PROTECT_CLOSE;
    object_unref(&object);
    object_unref(&other);
    handles_fini(&handles);
    ck_assert_uint_eq(freed, 2);
    ck_assert_ptr_null(handles_entry(&handles, 4));
}
END_TEST

START_TEST(a_protected_handle_stays)
{
    uint64_t handle = add(&object, 0);

    handles_entry(&handles, handle)->attributes = PROTECT_CLOSE;
    ck_status(handles_close(&handles, handle), STATUS_HANDLE_NOT_CLOSABLE);
    handles_entry(&handles, handle)->attributes = 0;
    ck_succeeds(handles_close(&handles, handle));
}
END_TEST

static const struct {
    uint32_t asked, granted;
} rights[] = {
    {0, 0},
    {0x12, 0x12},
    {READ, 0x01},
    {WRITE, 0x02},
    {EXECUTE, 0x04},
    {ALL, 0xff},
    {READ | WRITE | 0x10, 0x13},
    {MAXIMUM_ALLOWED, 0xff},
};

START_TEST(generic_rights_become_the_classs)
{
    uint64_t handle = add(&object, rights[_i].asked);

    ck_assert_uint_eq(handles_entry(&handles, handle)->access, rights[_i].granted);
}
END_TEST

START_TEST(every_right_is_needed)
{
    uint64_t handle = add(&object, 0x05), plain = add(&other, 0);
    struct object *found = NULL;

    ck_succeeds(handles_use(&handles, handle, &sort, 0x05, &found));
    ck_succeeds(handles_use(&handles, handle, &sort, 0, &found));
    ck_status(handles_use(&handles, handle, &sort, 0x07, &found), STATUS_ACCESS_DENIED);
    ck_status(handles_use(&handles, handle, &other_sort, 0, &found), STATUS_OBJECT_TYPE_MISMATCH);
    ck_status(handles_use(&handles, 0x1000, &sort, 0, &found), STATUS_INVALID_HANDLE);
    /* a class without rights is not checked */
    ck_succeeds(handles_use(&handles, plain, &other_sort, 0xff, &found));
}
END_TEST

START_TEST(a_value_can_be_chosen)
{
    struct object *found = NULL;

    ck_succeeds(handles_put(&handles, &object, 0x03, 0x400));
    ck_succeeds(handles_get(&handles, 0x400, &sort, &found));
    ck_assert_ptr_null(handles_entry(&handles, 0x3fc));
    ck_assert_uint_eq(add(&object, 0), 4);
    ck_status(handles_put(&handles, &object, 0, 4 * (uint64_t)HANDLES_MAX + 4),
              STATUS_INSUFFICIENT_RESOURCES);
}
END_TEST

START_TEST(a_full_table_says_so)
{
    uint64_t handle = 0;

    for (unsigned i = 0; i < HANDLES_MAX; i++)
        ck_succeeds(handles_add(&handles, &object, 0, &handle));
    ck_assert_uint_eq(handle, 4 * (uint64_t)HANDLES_MAX);
    ck_status(handles_add(&handles, &object, 0, &handle), STATUS_INSUFFICIENT_RESOURCES);
    ck_assert_uint_eq(object.references, HANDLES_MAX + 1);
    ck_succeeds(handles_close(&handles, 0x8000));
    ck_assert_uint_eq(add(&object, 0), 0x8000);
}
END_TEST

START_TEST(without_memory_nothing_is_entered)
{
    uint64_t handle = 0;
    nt_status st;

    ALLOC_FAIL_EACH(st, handles_add(&handles, &object, 0, &handle), STATUS_INSUFFICIENT_RESOURCES,
                    STATUS_SUCCESS);
    ck_assert_uint_eq(object.references, 2);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("handles");
    TCase *tc = tcase_create("handles");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, values_are_multiples_of_four_and_the_lowest_is_used_again);
    tcase_add_test(tc, the_lowest_two_bits_are_the_guests);
    tcase_add_loop_test(tc, what_is_no_handle, 0, 7);
    tcase_add_test(tc, the_last_reference_frees);
    tcase_add_test(tc, the_end_closes_everything);
    tcase_add_test(tc, a_protected_handle_stays);
    tcase_add_loop_test(tc, generic_rights_become_the_classs, 0, COUNT_OF(rights));
    tcase_add_test(tc, every_right_is_needed);
    tcase_add_test(tc, a_value_can_be_chosen);
    tcase_add_test(tc, a_full_table_says_so);
    tcase_add_test(tc, without_memory_nothing_is_entered);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
