/* Volumes: what is a name, which folders only exist as parts of names, the temporary one's life, limits. Paths: check_files.c. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "alloc_fail.h"
#include "nt/volumes.h"
#include "suite.h"
#include "vm_builder.h"

static struct volumes volumes;

static void setup(void)
{
    volumes = (struct volumes){0};
}

static void teardown(void)
{
    volumes_fini(&volumes);
}

static int folder(void)
{
    int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

    ck_assert_int_ge(fd, 0);
    return fd;
}

static const struct {
    const char *text;
    bool good;
} names[] = {
    {"a.txt", true}, {"..a", true},   {"a..b", true},  {"\xc3\xa4", true}, {"CON", true},
    {"", false},     {".", false},    {"..", false},   {"a\\b", false},    {"a/b", false},
    {"a:b", false},  {"a*", false},   {"a?", false},   {"a\"b", false},    {"<", false},
    {"a|b", false},  {"a\nb", false}, {"\x1f", false},
};

START_TEST(what_is_a_name)
{
    ck_assert_int_eq(volumes_is_name(names[_i].text), names[_i].good);
}
END_TEST

START_TEST(names_end_where_the_hosts_do)
{
    char name[NAME_MAX + 2];

    memset(name, 'n', sizeof name);
    name[NAME_MAX + 1] = 0;
    ck_assert(!volumes_is_name(name));
    name[NAME_MAX] = 0;
    ck_assert(volumes_is_name(name));
}
END_TEST

START_TEST(what_swallows_everything)
{
    ck_assert(volumes_is_null("\\??\\nul"));
    ck_assert(volumes_is_null("\\Device\\Null"));
    ck_assert(!volumes_is_null("\\??\\C:\\nul"));
    ck_assert(!volumes_is_null("\\??\\NUL\\x"));
}
END_TEST

static void collect(void *ctx, const char *name)
{
    strcat(strcat(ctx, name), " ");
}

START_TEST(parts_of_names_are_folders)
{
    static const struct {
        const char *path, *below;
    } cases[] = {
        {"C:", "Windows Temp "},
        {"c:\\", "Windows Temp "},
        {"C:\\windows", "System32 "},
        {"C:\\Win", ""},
        {"D:", ""},
        {"C:\\Windows\\System32", ""},
    };
    struct place place;

    ck_assert_int_eq(volumes_add(&volumes, "C:\\Windows\\System32", folder(), false), ERR_OK);
    ck_assert_int_eq(volumes_add(&volumes, "C:\\Temp", folder(), true), ERR_OK);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char below[64] = "";

        volumes_below(&volumes, CPU_AMD64, cases[i].path, collect, below);
        ck_assert_str_eq(below, cases[i].below);
    }
    ck_succeeds(volumes_find(&volumes, CPU_AMD64, "\\??\\C:\\Windows", &place));
    ck_assert_ptr_null(place.volume);
    ck_assert_int_eq(place.folder, -1);
    place_fini(&place);
    ck_succeeds(volumes_find(&volumes, CPU_AMD64, "\\SystemRoot\\System32\\", &place));
    ck_assert(place.as_folder && place.folder >= 0);
    ck_assert_str_eq(place.path, "C:\\Windows\\System32");
    place_fini(&place);
    ck_status(volumes_find(&volumes, CPU_AMD64, "\\??\\D:\\x", &place),
              STATUS_OBJECT_PATH_NOT_FOUND);
    ck_status(volumes_find(&volumes, CPU_AMD64, "\\??\\C:\\Nowhere\\x", &place),
              STATUS_OBJECT_PATH_NOT_FOUND);
}
END_TEST

START_TEST(there_is_a_most)
{
    for (int i = 0; i < VOLUMES_MAX; i++)
        ck_assert_int_eq(volumes_add(&volumes, "X:", folder(), true), ERR_OK);
    ck_assert_int_eq(volumes_add(&volumes, "Y:", folder(), true), ERR_LIMIT);
    ck_assert_int_eq(volumes_add_temporary(&volumes, "T:"), ERR_LIMIT);
    ck_assert_uint_eq(volumes.count, VOLUMES_MAX);
}
END_TEST

static int open_descriptors(void)
{
    int fd = dup(0);

    ck_assert_int_eq(close(fd), 0);
    return fd;
}

START_TEST(without_memory_the_folder_is_closed_all_the_same)
{
    int before = open_descriptors();
    enum err e;

    ALLOC_FAIL_EACH(e, volumes_add(&volumes, "C:", open("/", O_PATH | O_CLOEXEC), true), ERR_NOMEM,
                    ERR_OK);
    volumes_fini(&volumes);
    ck_assert_int_eq(open_descriptors(), before);
}
END_TEST

/* It is made when somebody looks for it, and goes with what is in it; links in it lead nowhere. */
START_TEST(the_temporary_one_comes_and_goes)
{
    char kept[] = "/tmp/winstub-kept-XXXXXX", path[200], *temporary;
    struct place place;
    int fd;

    ck_assert_int_eq(volumes_add_temporary(&volumes, "C:\\Temp"), ERR_OK);
    ck_assert(!volumes.list[0].made);
    ck_succeeds(volumes_find(&volumes, CPU_AMD64, "\\??\\C:\\Temp\\new", &place));
    ck_assert(volumes.list[0].made && !place.exists);
    ck_assert_int_eq(mkdirat(place.folder, "new", 0700), 0);
    ck_assert_ptr_nonnull(mkdtemp(kept));
    (void)snprintf(path, sizeof path, "%s/file", kept);
    fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    ck_assert_int_eq(close(fd), 0);
    ck_assert_int_eq(symlinkat(kept, place.folder, "new/link"), 0);
    ck_assert_int_eq(symlinkat(path, place.folder, "link"), 0);
    place_fini(&place);
    temporary = strdup(volumes.list[0].temporary);
    volumes_fini(&volumes);
    ck_assert_int_eq(access(temporary, F_OK), -1);
    free(temporary);
    ck_assert_int_eq(unlink(path), 0); /* what the links led to is still there */
    ck_assert_int_eq(rmdir(kept), 0);
}
END_TEST

static const struct {
    int error;
    nt_status of_last, of_inner;
} errors[] = {
    {ENOENT, STATUS_OBJECT_NAME_NOT_FOUND, STATUS_OBJECT_PATH_NOT_FOUND},
    {ENOTDIR, STATUS_OBJECT_NAME_NOT_FOUND, STATUS_OBJECT_PATH_NOT_FOUND},
    {EEXIST, STATUS_OBJECT_NAME_COLLISION, STATUS_OBJECT_NAME_COLLISION},
    {ENAMETOOLONG, STATUS_OBJECT_NAME_INVALID, STATUS_OBJECT_NAME_INVALID},
    {ENOTEMPTY, STATUS_DIRECTORY_NOT_EMPTY, STATUS_DIRECTORY_NOT_EMPTY},
    {EXDEV, STATUS_NOT_SAME_DEVICE, STATUS_NOT_SAME_DEVICE},
    {ENOSPC, STATUS_DISK_FULL, STATUS_DISK_FULL},
    {EMFILE, STATUS_INSUFFICIENT_RESOURCES, STATUS_INSUFFICIENT_RESOURCES},
    {ELOOP, STATUS_ACCESS_DENIED, STATUS_ACCESS_DENIED},
    {EACCES, STATUS_ACCESS_DENIED, STATUS_ACCESS_DENIED},
};

START_TEST(what_a_hosts_error_means)
{
    ck_status(volumes_refusal(errors[_i].error, true), errors[_i].of_last);
    ck_status(volumes_refusal(errors[_i].error, false), errors[_i].of_inner);
}
END_TEST

/* A folder that only one width has is not there for the other: not to be found, nor as a name, nor in its way. */
START_TEST(each_width_sees_its_own_folders)
{
    static const struct {
        const char *folder, *has;
    } hosts[] = {[CPU_I386] = {"/proc", "version"}, [CPU_AMD64] = {"/usr", "bin"}};
    struct place place;
    char path[64];

    for (size_t i = 0; i < COUNT_OF(hosts); i++)
        ck_assert_int_eq(volumes_add_for(&volumes, (enum cpu_arch)i, "C:\\Windows\\System32",
                                         open(hosts[i].folder, O_PATH | O_DIRECTORY | O_CLOEXEC)),
                         ERR_OK);
    ck_assert_int_eq(volumes_add_for(&volumes, CPU_AMD64, "C:\\Windows\\SysWOW64", folder()),
                     ERR_OK);
    for (size_t i = 0; i < 4; i++) {
        (void)snprintf(path, sizeof path, "\\SystemRoot\\System32\\%s", hosts[i >> 1].has);
        ck_succeeds(volumes_find(&volumes, (enum cpu_arch)(i & 1), path, &place));
        ck_assert_int_eq(place.exists, (i & 1) == i >> 1);
        place_fini(&place);
    }
    ck_status(volumes_find(&volumes, CPU_I386, "\\SystemRoot\\SysWOW64", &place),
              STATUS_OBJECT_PATH_NOT_FOUND);
    *path = 0;
    volumes_below(&volumes, CPU_I386, "C:\\Windows", collect, path);
    ck_assert_str_eq(path, "System32 ");
    volumes_below(&volumes, CPU_AMD64, "C:\\Windows", collect, path);
    ck_assert_str_eq(path, "System32 System32 SysWOW64 ");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("volumes");
    TCase *tc = tcase_create("volumes");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, what_is_a_name, 0, COUNT_OF(names));
    tcase_add_test(tc, names_end_where_the_hosts_do);
    tcase_add_test(tc, what_swallows_everything);
    tcase_add_test(tc, parts_of_names_are_folders);
    tcase_add_test(tc, each_width_sees_its_own_folders);
    tcase_add_test(tc, there_is_a_most);
    tcase_add_test(tc, without_memory_the_folder_is_closed_all_the_same);
    tcase_add_test(tc, the_temporary_one_comes_and_goes);
    tcase_add_loop_test(tc, what_a_hosts_error_means, 0, COUNT_OF(errors));
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
