/* The tree of keys and values: finding, making, deleting, what a guest may take of the host's memory. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc_fail.h"
#include "nt/registry.h"
#include "suite.h"
#include "vm_builder.h"

#define SOFTWARE "\\Registry\\Machine\\Software"

static struct registry *registry;

static void setup(void)
{
    ck_assert_int_eq(registry_new(&registry), ERR_OK);
}

static void teardown(void)
{
    registry_free(registry);
    registry = NULL;
}

static struct key *find(const char *path)
{
    struct key *key = NULL;
    bool created;

    ck_succeeds(registry_find(registry, NULL, path, REGISTRY_OPEN, &key, &created));
    ck_assert(!created);
    return key;
}

static struct key *make(const char *path)
{
    struct key *key = NULL;
    bool created;

    ck_succeeds(registry_find(registry, NULL, path, REGISTRY_CREATE_DEEP, &key, &created));
    ck_assert(created);
    return key;
}

static nt_status try(struct key *from, const char *path, enum registry_open how)
{
    struct key *key = NULL;
    bool created;

    return registry_find(registry, from, path, how, &key, &created);
}

START_TEST(names_have_no_case_and_paths_may_end_in_a_separator)
{
    struct key *key = make(SOFTWARE "\\Test\\Inner");

    ck_assert_ptr_eq(find("\\REGISTRY\\machine\\SOFTWARE\\tEST\\inner"), key);
    ck_assert_ptr_eq(find(SOFTWARE "\\Test\\Inner\\"), key);
    ck_assert_str_eq(key->name, "Inner");
    ck_status(try(NULL, SOFTWARE "\\Tes", REGISTRY_OPEN), STATUS_OBJECT_NAME_NOT_FOUND);
    ck_status(try(NULL, SOFTWARE "\\Testing", REGISTRY_OPEN), STATUS_OBJECT_NAME_NOT_FOUND);
}
END_TEST

START_TEST(what_is_no_path)
{
    static const struct {
        const char *path;
        nt_status status;
    } cases[] = {
        {"", STATUS_OBJECT_PATH_SYNTAX_BAD},
        {"Registry\\Machine", STATUS_OBJECT_PATH_SYNTAX_BAD},
        {"\\", STATUS_OBJECT_NAME_NOT_FOUND},
        {"\\RegistryMachine", STATUS_OBJECT_NAME_NOT_FOUND},
        {"\\Registry\\\\Machine", STATUS_INVALID_PARAMETER},
    };
    char long_name[1024] = SOFTWARE "\\";

    ck_status(try(NULL, cases[_i].path, REGISTRY_CREATE_DEEP), cases[_i].status);
    ck_status(try(find(SOFTWARE), "\\Test", REGISTRY_CREATE), STATUS_OBJECT_PATH_SYNTAX_BAD);
    memset(long_name + strlen(long_name), 'n', 3 * REGISTRY_NAME_MAX + 1);
    ck_status(try(NULL, long_name, REGISTRY_CREATE), STATUS_INVALID_PARAMETER);
}
END_TEST

START_TEST(only_the_last_component_is_made_unless_deep)
{
    struct key *software = find(SOFTWARE);
    size_t before = software->key_count;

    ck_status(try(software, "A\\B", REGISTRY_CREATE), STATUS_OBJECT_NAME_NOT_FOUND);
    ck_assert_uint_eq(software->key_count, before);
    ck_succeeds(try(software, "A", REGISTRY_CREATE));
    ck_succeeds(try(software, "A\\B", REGISTRY_CREATE));
    ck_assert_uint_eq(software->key_count, before + 1);
    ck_assert_ptr_eq(find(SOFTWARE "\\A\\B")->parent, find(SOFTWARE "\\A"));
}
END_TEST

START_TEST(values_are_set_replaced_and_unset)
{
    struct key *key = make(SOFTWARE "\\V");

    ck_succeeds(registry_set(registry, key, "Name", REG_SZ, "ab", 2));
    ck_succeeds(registry_set(registry, key, "", REG_DWORD, "\1\0\0", 4));
    ck_succeeds(registry_set(registry, key, "NAME", REG_BINARY, "xyz", 3));
    ck_assert_uint_eq(key->value_count, 2);
    ck_assert_str_eq(registry_value(key, "name")->name, "Name");
    ck_assert_uint_eq(registry_value(key, "name")->type, REG_BINARY);
    ck_assert_mem_eq(registry_value(key, "name")->data, "xyz", 3);
    ck_assert_uint_eq(registry_value(key, "")->size, 4);
    ck_succeeds(registry_unset(registry, key, "nAME"));
    ck_assert_ptr_null(registry_value(key, "Name"));
    ck_assert_ptr_nonnull(registry_value(key, ""));
    ck_status(registry_unset(registry, key, "Name"), STATUS_OBJECT_NAME_NOT_FOUND);
}
END_TEST

START_TEST(keys_with_subkeys_and_the_first_levels_stay)
{
    struct key *key = make(SOFTWARE "\\D\\E");

    ck_status(registry_delete(registry, key->parent), STATUS_CANNOT_DELETE);
    ck_status(registry_delete(registry, &registry->root), STATUS_CANNOT_DELETE);
    ck_status(registry_delete(registry, make("\\Registry\\Other")), STATUS_CANNOT_DELETE);
    ck_succeeds(registry_delete(registry, key));
    ck_status(try(NULL, SOFTWARE "\\D\\E", REGISTRY_OPEN), STATUS_OBJECT_NAME_NOT_FOUND);
    ck_succeeds(registry_delete(registry, find(SOFTWARE "\\D")));
    ck_status(try(NULL, SOFTWARE "\\D", REGISTRY_OPEN), STATUS_OBJECT_NAME_NOT_FOUND);
}
END_TEST

START_TEST(siblings_keep_their_order_when_one_goes)
{
    struct key *key = make(SOFTWARE "\\S\\a")->parent;

    (void)make(SOFTWARE "\\S\\b");
    (void)make(SOFTWARE "\\S\\c");
    ck_succeeds(registry_delete(registry, find(SOFTWARE "\\S\\a")));
    ck_assert_uint_eq(key->key_count, 2);
    ck_assert_str_eq(key->keys[0]->name, "b");
    ck_assert_str_eq(key->keys[1]->name, "c");
}
END_TEST

START_TEST(a_deleted_key_lives_while_somebody_has_it_open)
{
    struct key *key = make(SOFTWARE "\\Open");
    struct key_object *one = key_object_new(key), *two = key_object_new(key);

    ck_succeeds(registry_set(registry, key, "v", REG_SZ, "ab", 2));
    ck_succeeds(registry_delete(registry, key));
    ck_assert(key->deleted);
    ck_assert_ptr_ne(make(SOFTWARE "\\Open"), key); /* the name is free again */
    object_unref(&one->object);
    ck_assert_str_eq(registry_value(key, "v")->name, "v");
    object_unref(&two->object);
}
END_TEST

/* A guest that makes and deletes for ever runs into no limit. */
START_TEST(what_goes_gives_back_what_it_took)
{
    uint64_t before = registry->total;
    struct key *key = make(SOFTWARE "\\Share");

    ck_succeeds(registry_set(registry, key, "one", REG_BINARY, "0123456789", 10));
    ck_succeeds(registry_set(registry, key, "two", REG_BINARY, "0123456789", 10));
    ck_succeeds(registry_set(registry, key, "TWO", REG_BINARY, "01", 2));
    ck_assert_uint_gt(registry->total, before + 12);
    ck_succeeds(registry_unset(registry, key, "one"));
    ck_succeeds(registry_delete(registry, key));
    ck_assert_uint_eq(registry->total, before);
}
END_TEST

START_TEST(a_guest_gets_its_share_and_no_more)
{
    struct key *key = make(SOFTWARE "\\Big");
    uint8_t *data = calloc(1, REGISTRY_VALUE_MAX);
    char name[16];
    nt_status st = STATUS_SUCCESS;
    uint64_t full;
    unsigned n = 0;

    for (; !st; n++) {
        (void)snprintf(name, sizeof name, "%u", n);
        full = registry->total;
        st = registry_set(registry, key, name, REG_BINARY, data, REGISTRY_VALUE_MAX);
    }
    ck_status(st, STATUS_INSUFFICIENT_RESOURCES);
    ck_assert_uint_eq(n, REGISTRY_TOTAL_MAX / REGISTRY_VALUE_MAX);
    ck_assert_uint_eq(registry->total, full);
    ck_assert_uint_eq(key->value_count, n - 1);
    ck_succeeds(registry_set(registry, key, name, REG_BINARY, data, 16));
    free(data);
}
END_TEST

START_TEST(without_memory_nothing_changes)
{
    struct key *key = make(SOFTWARE "\\M");
    uint64_t before = registry->total;
    nt_status st;

    for (unsigned long n = 1;; n++) {
        alloc_fail_at(n);
        st = registry_set(registry, key, "v", REG_SZ, "ab", 2);
        if (!alloc_fail_stop())
            break;
        ck_status(st, STATUS_NO_MEMORY);
        ck_assert_uint_eq(key->value_count, 0);
        ck_assert_uint_eq(registry->total, before);
    }
    ck_succeeds(st);
    before = registry->total;
    for (unsigned long n = 1;; n++) {
        alloc_fail_at(n);
        st = try(key, "child", REGISTRY_CREATE);
        if (!alloc_fail_stop())
            break;
        ck_status(st, STATUS_NO_MEMORY);
        ck_assert_uint_eq(key->key_count, 0);
        ck_assert_uint_eq(registry->total, before);
    }
    ck_succeeds(st);
}
END_TEST

START_TEST(a_registry_without_memory_is_none)
{
    struct registry *other = NULL;
    enum err e;

    for (unsigned long n = 1;; n++) {
        alloc_fail_at(n);
        e = registry_new(&other);
        if (!alloc_fail_stop())
            break;
        ck_assert_int_eq(e, ERR_NOMEM);
        ck_assert_ptr_null(other);
    }
    ck_assert_int_eq(e, ERR_OK);
    registry_free(other);
}
END_TEST

/* A tree deeper than any stack is freed without recursion. */
START_TEST(depth_costs_no_stack)
{
    struct key *key = find(SOFTWARE);
    bool created;

    for (unsigned i = 0; i < 200000; i++)
        ck_succeeds(registry_find(registry, key, "d", REGISTRY_CREATE, &key, &created));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("registry");
    TCase *tc = tcase_create("registry");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, names_have_no_case_and_paths_may_end_in_a_separator);
    tcase_add_loop_test(tc, what_is_no_path, 0, 5);
    tcase_add_test(tc, only_the_last_component_is_made_unless_deep);
    tcase_add_test(tc, values_are_set_replaced_and_unset);
    tcase_add_test(tc, keys_with_subkeys_and_the_first_levels_stay);
    tcase_add_test(tc, siblings_keep_their_order_when_one_goes);
    tcase_add_test(tc, a_deleted_key_lives_while_somebody_has_it_open);
    tcase_add_test(tc, what_goes_gives_back_what_it_took);
    tcase_add_test(tc, a_guest_gets_its_share_and_no_more);
    tcase_add_test(tc, without_memory_nothing_changes);
    tcase_add_test(tc, a_registry_without_memory_is_none);
    tcase_add_test(tc, depth_costs_no_stack);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
