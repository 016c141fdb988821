/* Which drives the guest has, and where on them the program lies. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nt/drives.h"
#include "suite.h"
#include "vm_builder.h"

/* Below a fresh folder: work/sub/a.exe, workshop/b.exe, odd\name/c.exe. */
static const char *const folders[] = {"work", "work/sub", "workshop", "odd\\name"};
static const char *const files[] = {"work/sub/a.exe", "workshop/b.exe", "odd\\name/c.exe"};

static char top[] = "/tmp/winstub-drives-XXXXXX";
static struct volumes volumes;
static struct diag why;

static const char *host(const char *name, char path[128])
{
    ck_assert_int_lt(snprintf(path, 128, "%s/%s", top, name), 128);
    return path;
}

static void setup(void)
{
    char path[128];

    strcpy(top, "/tmp/winstub-drives-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(top));
    for (size_t i = 0; i < COUNT_OF(folders); i++)
        ck_assert_int_eq(mkdir(host(folders[i], path), 0700), 0);
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        FILE *file = fopen(host(files[i], path), "w");

        ck_assert_ptr_nonnull(file);
        ck_assert_int_eq(fclose(file), 0);
    }
    volumes = (struct volumes){0};
}

static void teardown(void)
{
    char path[128];

    volumes_fini(&volumes);
    for (size_t i = COUNT_OF(files); i--;)
        ck_assert_int_eq(unlink(host(files[i], path)), 0);
    for (size_t i = COUNT_OF(folders); i--;)
        ck_assert_int_eq(rmdir(host(folders[i], path)), 0);
    ck_assert_int_eq(rmdir(top), 0);
}

/* The program's path with these drives, of which %s is the top folder. */
static enum err with_drives(const char *program, const char *const *drives, size_t count,
                            bool open_them, char **out)
{
    char path[128], texts[26][160];
    const char *list[26];
    struct process_options options = {.drives = list, .drive_count = count};
    enum err e;

    options.path = host(program, path);
    for (size_t i = 0; i < count; i++) {
        (void)snprintf(texts[i], sizeof texts[i], drives[i], top);
        list[i] = texts[i];
    }
    e = drives_program(&options, out, &why);
    return e || !open_them ? e : drives_open(&options, &volumes, &why);
}

static const struct volume *volume(const char *name)
{
    for (size_t i = 0; i < volumes.count; i++) {
        if (strcmp(volumes.list[i].name, name) == 0)
            return &volumes.list[i];
    }
    return NULL;
}

static const struct {
    const char *program;
    const char *drives[2];
    const char *path;
    const char *own; /* the drive that is its own folder, read-only; NULL: none is made */
} cases[] = {
    {"work/sub/a.exe", {NULL}, "C:\\a.exe", "C:"},
    {"work/sub/a.exe", {"D=%s/workshop"}, "C:\\a.exe", "C:"},
    {"work/sub/a.exe", {"c=%s/workshop"}, "D:\\a.exe", "D:"},
    {"work/sub/a.exe", {"C=%s/workshop", "D=%s/workshop"}, "E:\\a.exe", "E:"},
    {"work/sub/a.exe", {"C=%s/work"}, "C:\\sub\\a.exe", NULL},
    {"work/sub/a.exe", {"X=%s/workshop", "y=%s/work/sub/.."}, "Y:\\sub\\a.exe", NULL},
    {"work/sub/../sub/a.exe", {"X=%s/work/sub"}, "X:\\a.exe", NULL},
    {"workshop/b.exe", {"X=%s/work"}, "C:\\b.exe", "C:"}, /* not below a folder of that beginning */
    {"odd\\name/c.exe", {"X=%s"}, "C:\\c.exe", "C:"},     /* no guest could name it there */
};

START_TEST(where_the_program_lies)
{
    size_t count = !cases[_i].drives[0] ? 0 : !cases[_i].drives[1] ? 1 : 2;
    char *path = NULL;

    ck_assert_int_eq(with_drives(cases[_i].program, cases[_i].drives, count, true, &path), ERR_OK);
    ck_assert_str_eq(path, cases[_i].path);
    free(path);
    ck_assert_uint_eq(volumes.count, count + (cases[_i].own != NULL));
    for (size_t i = 0; i < count; i++)
        ck_assert(volumes.list[i].writable);
    if (cases[_i].own)
        ck_assert(!volume(cases[_i].own)->writable);
}
END_TEST

START_TEST(the_whole_host_can_be_a_drive)
{
    static const char *const drives[] = {"Z=/"};
    char *path = NULL, wanted[160];

    ck_assert_int_eq(with_drives("workshop/b.exe", drives, 1, true, &path), ERR_OK);
    (void)snprintf(wanted, sizeof wanted, "Z:\\tmp\\%s\\workshop\\b.exe", strrchr(top, '/') + 1);
    ck_assert_str_eq(path, wanted);
    free(path);
}
END_TEST

START_TEST(letters_may_run_out)
{
    const char *drives[24];
    char texts[24][16], *path = NULL;

    for (size_t i = 0; i < 24; i++) {
        (void)snprintf(texts[i], sizeof texts[i], "%c=%%s/work", (char)('C' + (int)i));
        drives[i] = texts[i];
    }
    ck_assert_int_eq(with_drives("workshop/b.exe", drives, 24, false, &path), ERR_LIMIT);
    ck_assert_ptr_null(path);
    ck_assert_int_eq(with_drives("work/sub/a.exe", drives, 24, false, &path), ERR_OK);
    ck_assert_str_eq(path, "C:\\sub\\a.exe");
    free(path);
}
END_TEST

static const struct {
    const char *drive, *why;
} bad[] = {
    {"X=%s/nowhere", "No such file"},
    {"X=%s/workshop/b.exe", "Not a directory"},
    {"X=", "X=FOLDER"},
    {"1=%s", "X=FOLDER"},
    {"X", "X=FOLDER"},
    {"", "X=FOLDER"},
};

START_TEST(drives_that_are_none)
{
    char *path = NULL;

    ck_assert_int_eq(with_drives("workshop/b.exe", &bad[_i].drive, 1, true, &path), ERR_INVALID);
    ck_assert_msg(strstr(why.text, bad[_i].why) != NULL, "%s", why.text);
    free(path);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("drives");
    TCase *tc = tcase_create("drives");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, where_the_program_lies, 0, COUNT_OF(cases));
    tcase_add_test(tc, the_whole_host_can_be_a_drive);
    tcase_add_test(tc, letters_may_run_out);
    tcase_add_loop_test(tc, drives_that_are_none, 0, COUNT_OF(bad));
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
