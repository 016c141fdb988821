/* Names of objects: which folders there are, who is found under which name, and for how long. */
#include <check.h>
#include <stdlib.h>

#include "nt/directory.h"
#include "suite.h"

static int freed;

static void free_thing(struct object *object)
{
    (void)object;
    freed++;
}

static const struct object_class thing_class = {.name = "Thing", .free = free_thing};

START_TEST(folders)
{
    static const struct {
        const char *path;
        nt_status st;
    } cases[] = {
        {"\\", STATUS_SUCCESS},
        {"\\BaseNamedObjects", STATUS_SUCCESS},
        {"\\basenamedobjects", STATUS_SUCCESS},
        {"\\Sessions\\1\\BaseNamedObjects", STATUS_SUCCESS},
        {"\\Sessions\\\\BaseNamedObjects", STATUS_OBJECT_NAME_NOT_FOUND},
        {"\\Sessions\\1", STATUS_OBJECT_NAME_NOT_FOUND},
        {"\\KnownDlls", STATUS_OBJECT_NAME_NOT_FOUND},
        {"", STATUS_OBJECT_NAME_NOT_FOUND},
    };
    struct folder *folder;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ck_assert_msg(directory_open(cases[i].path, &folder) == cases[i].st, "%s", cases[i].path);
        if (!cases[i].st)
            object_unref(&folder->object);
    }
}
END_TEST

START_TEST(names_below_a_folder)
{
    static const char *const cases[][3] = {
        {"\\Sessions\\1\\BaseNamedObjects", "x", "\\Sessions\\1\\BaseNamedObjects\\x"},
        {"\\Sessions\\1\\BaseNamedObjects", "Local\\x", "\\Sessions\\1\\BaseNamedObjects\\x"},
        {"\\Sessions\\1\\BaseNamedObjects", "GLOBAL\\x", "\\BaseNamedObjects\\x"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *path = directory_path(cases[i][0], cases[i][1]);

        ck_assert_str_eq(path, cases[i][2]);
        free(path);
    }
}
END_TEST

START_TEST(a_name_lives_as_long_as_its_object)
{
    struct directory directory = {0};
    struct object a, b;

    object_init(&a, &thing_class);
    object_init(&b, &thing_class);
    ck_assert_uint_eq(directory_add(&directory, "\\A", &a), STATUS_SUCCESS);
    ck_assert_uint_eq(directory_add(&directory, "\\B", &b), STATUS_SUCCESS);
    ck_assert_ptr_eq(directory_find(&directory, "\\a", true), &a);
    ck_assert_ptr_eq(directory_find(&directory, "\\A", false), &a);
    ck_assert_ptr_null(directory_find(&directory, "\\a", false));
    ck_assert_ptr_eq(directory_find(&directory, "\\B", true), &b);
    ck_assert_ptr_null(directory_find(&directory, "\\C", true));
    object_unref(&a);
    ck_assert_int_eq(freed, 1);
    ck_assert_ptr_null(directory_find(&directory, "\\A", true));
    ck_assert_ptr_eq(directory_find(&directory, "\\B", true), &b);
    object_unref(&b);
    ck_assert_ptr_null(directory.names);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("directory");
    TCase *tc = tcase_create("directory");

    tcase_add_test(tc, folders);
    tcase_add_test(tc, names_below_a_folder);
    tcase_add_test(tc, a_name_lives_as_long_as_its_object);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
