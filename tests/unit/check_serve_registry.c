/*
 * The registry's services, called as a guest calls them: handles, names, what each information class tells and how
 * much of it fits. _i is the architecture.
 */
#include <check.h>
#include <string.h>

#include "nt/guest.h"
#include "process_builder.h"
#include "service_caller.h"
#include "suite.h"
#include "vm_builder.h"

#define SOFTWARE  "\\Registry\\Machine\\Software"
#define KEY_ALL   0xf003fu
#define NO_CLASS  UINT32_MAX
#define NOT_THERE UINT64_C(0x40) /* no handle */

enum {
    HANDLE,
    LENGTH,
    NEW,
    ATTRIBUTES,
    NAME = ATTRIBUTES + 1,
    VALUE,
    DATA,
    ANSWER,
    PAST = ANSWER + 3
};

static struct caller c;

static void setup(int arch)
{
    caller_init(&c, (enum cpu_arch)arch, NULL, 0);
}

static void teardown(void)
{
    caller_fini(&c);
}

static nt_status create(uint64_t root, const char *name)
{
    return CALL(&c, "NtCreateKey", caller_slot(&c, HANDLE), KEY_ALL,
                caller_attributes(&c, ATTRIBUTES, root, name, 0x40), 0, 0, 0, caller_slot(&c, NEW));
}

static nt_status open(uint64_t root, const char *name)
{
    return CALL(&c, "NtOpenKey", caller_slot(&c, HANDLE), KEY_ALL,
                caller_attributes(&c, ATTRIBUTES, root, name, 0x40));
}

static uint64_t made(uint64_t root, const char *name)
{
    ck_succeeds(create(root, name));
    ck_assert_uint_eq(guest_u32(c.p, caller_slot(&c, NEW)), 1);
    return caller_get(&c, HANDLE);
}

static nt_status set(uint64_t key, const char *name, uint32_t type, const void *data, size_t len)
{
    ck_assert(vm_debug_write(c.vm, caller_slot(&c, DATA), data, len));
    return CALL(&c, "NtSetValueKey", key, caller_text(&c, VALUE, name), 0, type,
                caller_slot(&c, DATA), len);
}

/* 32 bits of the answer. */
static uint32_t answer(uint32_t offset)
{
    return guest_u32(c.p, caller_slot(&c, ANSWER) + offset);
}

static uint32_t length(void)
{
    return guest_u32(c.p, caller_slot(&c, LENGTH));
}

static nt_status query_value(uint64_t key, const char *name, uint32_t class, uint64_t room)
{
    return CALL(&c, "NtQueryValueKey", key, caller_text(&c, VALUE, name), class,
                caller_slot(&c, ANSWER), room, caller_slot(&c, LENGTH));
}

static nt_status enumerate(uint64_t key, uint32_t i, uint32_t class, uint64_t room)
{
    return CALL(&c, "NtEnumerateKey", key, i, class, caller_slot(&c, ANSWER), room,
                caller_slot(&c, LENGTH));
}

static nt_status query_key(uint64_t key, uint32_t class, uint64_t room)
{
    return CALL(&c, "NtQueryKey", key, class, caller_slot(&c, ANSWER), room,
                caller_slot(&c, LENGTH));
}

/* The answer holds that UTF-16 text at offset. */
static void ck_text(uint32_t offset, const char *text)
{
    for (size_t i = 0; text[i]; i++)
        ck_assert_uint_eq(guest_u16(c.p, caller_slot(&c, ANSWER) + offset + 2 * i),
                          (unsigned char)text[i]);
}

START_TEST(create_says_whether_the_key_is_new)
{
    uint64_t key;

    setup(_i);
    key = made(0, SOFTWARE "\\T");
    ck_succeeds(create(0, SOFTWARE "\\t"));
    ck_assert_uint_eq(guest_u32(c.p, caller_slot(&c, NEW)), 2);
    ck_assert_uint_ne(caller_get(&c, HANDLE), key);
    ck_succeeds(open(key, ""));
    ck_status(open(key, "nothing"), STATUS_OBJECT_NAME_NOT_FOUND);
    ck_status(create(key, "a\\b"), STATUS_OBJECT_NAME_NOT_FOUND);
    ck_status(open(NOT_THERE, "x"), STATUS_INVALID_HANDLE);
    ck_status(open(0, "Machine"), STATUS_OBJECT_PATH_SYNTAX_BAD);
}
END_TEST

START_TEST(a_handle_to_something_else_is_no_key)
{
    setup(_i);
    ck_succeeds(CALL(&c, "NtCreateEvent", caller_slot(&c, HANDLE), 0x1f0003, 0, 0, 0));
    ck_status(open(caller_get(&c, HANDLE), "x"), STATUS_OBJECT_TYPE_MISMATCH);
    ck_status(query_key(caller_get(&c, HANDLE), 3, 100), STATUS_OBJECT_TYPE_MISMATCH);
    REFUSED(&c, STATUS_OBJECT_TYPE_MISMATCH, "NtDeleteKey", caller_get(&c, HANDLE));
    REFUSED(&c, STATUS_INVALID_HANDLE, "NtFlushKey", NOT_THERE);
}
END_TEST

START_TEST(values_in_each_form)
{
    uint64_t key;

    setup(_i);
    key = made(0, SOFTWARE "\\V");
    ck_succeeds(set(key, "Nm", 4, "\x78\x56\x34\x12", 4));
    ck_succeeds(query_value(key, "NM", 2, 16)); /* partial: TitleIndex, Type, DataLength, Data */
    ck_assert_uint_eq(length(), 16);
    ck_assert_uint_eq(answer(4), 4);
    ck_assert_uint_eq(answer(8), 4);
    ck_assert_uint_eq(answer(12), 0x12345678);
    ck_succeeds(query_value(key, "nm", 0, 64)); /* basic: TitleIndex, Type, NameLength, Name */
    ck_assert_uint_eq(length(), 16);
    ck_assert_uint_eq(answer(8), 4);
    ck_text(12, "Nm");
    ck_succeeds(
        query_value(key, "nm", 1, 64)); /* full: + DataOffset, DataLength before NameLength */
    ck_assert_uint_eq(length(), 28);
    ck_assert_uint_eq(answer(8), 24);
    ck_assert_uint_eq(answer(12), 4);
    ck_assert_uint_eq(answer(16), 4);
    ck_text(20, "Nm");
    ck_assert_uint_eq(answer(24), 0x12345678);
    ck_status(query_value(key, "nm", 9, 64), STATUS_INVALID_PARAMETER);
    ck_status(query_value(key, "no", 2, 64), STATUS_OBJECT_NAME_NOT_FOUND);
}
END_TEST

START_TEST(an_answer_that_does_not_fit_says_how_long_it_is)
{
    uint64_t key;

    setup(_i);
    key = made(0, SOFTWARE "\\V");
    ck_succeeds(set(key, "v", 3, "0123456789", 10));
    ck_status(query_value(key, "v", 2, 11), STATUS_BUFFER_TOO_SMALL);
    ck_assert_uint_eq(length(), 22);
    (void)caller_set(&c, ANSWER, 0);
    ck_status(query_value(key, "v", 2, 14), STATUS_BUFFER_OVERFLOW);
    ck_assert_uint_eq(length(), 22);
    ck_assert_uint_eq(answer(8), 10);
    ck_assert_uint_eq(answer(12), '0' | '1' << 8);
    ck_succeeds(query_value(key, "v", 2, 22));
    ck_status(query_key(key, 2, 43), STATUS_BUFFER_TOO_SMALL); /* KEY_FULL_INFORMATION */
    ck_succeeds(query_key(key, 2, 44));
}
END_TEST

START_TEST(keys_in_each_form)
{
    uint64_t key;

    setup(_i);
    key = made(0, SOFTWARE "\\K");
    (void)made(key, "one");
    (void)made(key, "three");
    ck_succeeds(set(key, "value", 1, "abcdef", 6));
    ck_succeeds(enumerate(key, 1, 0, 64)); /* basic: LastWriteTime, TitleIndex, NameLength, Name */
    ck_assert_uint_eq(length(), 26);
    ck_assert_uint_eq(answer(12), 10);
    ck_text(16, "three");
    ck_succeeds(enumerate(key, 0, 1, 64)); /* node: + ClassOffset, ClassLength before NameLength */
    ck_assert_uint_eq(length(), 30);
    ck_assert_uint_eq(answer(12), NO_CLASS);
    ck_assert_uint_eq(answer(16), 0);
    ck_assert_uint_eq(answer(20), 6);
    ck_text(24, "one");
    ck_status(enumerate(key, 0, 1, 23), STATUS_BUFFER_TOO_SMALL);
    ck_status(enumerate(key, 0, 1, 24), STATUS_BUFFER_OVERFLOW);
    ck_succeeds(query_key(key, 2, 64)); /* full: how many there are, and how wide */
    ck_assert_uint_eq(answer(12), NO_CLASS);
    ck_assert_uint_eq(answer(20), 2);
    ck_assert_uint_eq(answer(24), 10);
    ck_assert_uint_eq(answer(32), 1);
    ck_assert_uint_eq(answer(36), 10);
    ck_assert_uint_eq(answer(40), 6);
    ck_succeeds(query_key(key, 3, 128)); /* name: its path */
    ck_text(4, "\\REGISTRY\\Machine\\Software\\K");
    ck_status(enumerate(key, 2, 0, 64), STATUS_NO_MORE_ENTRIES);
    ck_status(enumerate(key, 0, 77, 64), STATUS_INVALID_PARAMETER);
    ck_status(enumerate(NOT_THERE, 0, 0, 64), STATUS_INVALID_HANDLE);
}
END_TEST

START_TEST(values_are_enumerated_and_deleted)
{
    uint64_t key;

    setup(_i);
    key = made(0, SOFTWARE "\\E");
    ck_succeeds(set(key, "a", 4, "\1\0\0", 4));
    ck_succeeds(set(key, "b", 4, "\2\0\0", 4));
    ck_succeeds(CALL(&c, "NtEnumerateValueKey", key, 1, 1, caller_slot(&c, ANSWER), 64,
                     caller_slot(&c, LENGTH)));
    ck_text(20, "b");
    ck_succeeds(CALL(&c, "NtDeleteValueKey", key, caller_text(&c, VALUE, "A")));
    ck_status(CALL(&c, "NtDeleteValueKey", key, caller_text(&c, VALUE, "A")),
              STATUS_OBJECT_NAME_NOT_FOUND);
    ck_status(CALL(&c, "NtEnumerateValueKey", key, 1, 1, caller_slot(&c, ANSWER), 64,
                   caller_slot(&c, LENGTH)),
              STATUS_NO_MORE_ENTRIES);
    ck_succeeds(CALL(&c, "NtFlushKey", key));
}
END_TEST

START_TEST(a_deleted_key_answers_nothing_more)
{
    uint64_t outer, inner;

    setup(_i);
    outer = made(0, SOFTWARE "\\D");
    inner = made(outer, "E");
    REFUSED(&c, STATUS_CANNOT_DELETE, "NtDeleteKey", outer);
    ck_succeeds(CALL(&c, "NtDeleteKey", inner));
    REFUSED(&c, STATUS_KEY_DELETED, "NtDeleteKey", inner);
    ck_status(query_key(inner, 3, 128), STATUS_KEY_DELETED);
    ck_status(set(inner, "v", 1, "ab", 2), STATUS_KEY_DELETED);
    ck_status(create(inner, "x"), STATUS_KEY_DELETED);
    ck_status(open(outer, "E"), STATUS_OBJECT_NAME_NOT_FOUND);
    ck_succeeds(CALL(&c, "NtClose", inner));
    ck_succeeds(CALL(&c, "NtDeleteKey", outer));
}
END_TEST

START_TEST(wrong_pointers_and_sizes)
{
    uint64_t key;
    gva_t gone;

    setup(_i);
    key = made(0, SOFTWARE "\\P");
    ck_succeeds(set(key, "v", 3, "0123456789", 10));
    gone = build_memory(c.vm, 0, 0x1000, MEM_RESERVE, PAGE_NOACCESS);
    REFUSED(&c, STATUS_ACCESS_VIOLATION, "NtCreateKey", gone, KEY_ALL,
            caller_attributes(&c, ATTRIBUTES, 0, SOFTWARE "\\New", 0x40), 0, 0, 0, 0);
    REFUSED(&c, STATUS_ACCESS_VIOLATION, "NtOpenKey", caller_slot(&c, HANDLE), KEY_ALL, gone);
    REFUSED(&c, STATUS_ACCESS_VIOLATION, "NtQueryValueKey", key, gone, 2, caller_slot(&c, ANSWER),
            64, caller_slot(&c, LENGTH));
    REFUSED(&c, STATUS_ACCESS_VIOLATION, "NtQueryValueKey", key, caller_text(&c, VALUE, "v"), 2,
            caller_slot(&c, ANSWER), 64, gone);
    ck_status(CALL(&c, "NtQueryValueKey", key, caller_text(&c, VALUE, "v"), 2, gone, 64,
                   caller_slot(&c, LENGTH)),
              STATUS_ACCESS_VIOLATION);
    REFUSED(&c, STATUS_ACCESS_VIOLATION, "NtSetValueKey", key, caller_text(&c, VALUE, "v"), 0, 3,
            gone, 10);
    REFUSED(&c, STATUS_INSUFFICIENT_RESOURCES, "NtSetValueKey", key, caller_text(&c, VALUE, "v"), 0,
            3, caller_slot(&c, DATA), UINT32_MAX);
    ck_succeeds(query_value(key, "v", 2, 64));
    ck_assert_uint_eq(answer(8), 10);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("serve_registry");
    TCase *tc = tcase_create("serve_registry");

    tcase_add_checked_fixture(tc, NULL, teardown);
    tcase_add_loop_test(tc, create_says_whether_the_key_is_new, 0, 2);
    tcase_add_loop_test(tc, a_handle_to_something_else_is_no_key, 0, 2);
    tcase_add_loop_test(tc, values_in_each_form, 0, 2);
    tcase_add_loop_test(tc, an_answer_that_does_not_fit_says_how_long_it_is, 0, 2);
    tcase_add_loop_test(tc, keys_in_each_form, 0, 2);
    tcase_add_loop_test(tc, values_are_enumerated_and_deleted, 0, 2);
    tcase_add_loop_test(tc, a_deleted_key_answers_nothing_more, 0, 2);
    tcase_add_loop_test(tc, wrong_pointers_and_sizes, 0, 2);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
