/* Guest paths against a real folder: what they find, and that none of them leads out of it. Handles beside them. */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nt/files.h"
#include "suite.h"

static char folder[64];
static struct volumes volumes;

static void make_file(const char *name)
{
    char path[160];
    int fd;

    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    fd = open(path, O_CREAT | O_WRONLY, 0600);
    ck_assert_int_ge(fd, 0);
    (void)close(fd);
}

static void make_link(const char *to, const char *name)
{
    char path[160];

    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    ck_assert_int_eq(symlink(to, path), 0);
}

static void setup(void)
{
    char path[160];

    memcpy(folder, "/tmp/winstub-files-XXXXXX", 26);
    ck_assert_ptr_nonnull(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/Drive", folder);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    make_file("secret");
    make_file("Drive/Program.EXE");
    make_link("/etc", "Drive/etc");
    make_link("../secret", "Drive/link");
    (void)snprintf(path, sizeof path, "%s/Drive/fifo", folder);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    (void)snprintf(path, sizeof path, "%s/Drive", folder);
    ck_assert_int_eq(volumes_add(&volumes, "C:", open(path, O_PATH | O_DIRECTORY), true), ERR_OK);
    ck_assert_int_eq(volumes_add(&volumes, "C:\\Windows\\System32", -1, false), ERR_OK);
    ck_assert_int_eq(volumes_add(&volumes, "R:", open(path, O_PATH | O_DIRECTORY), false), ERR_OK);
    ck_assert_int_eq(volumes_add_temporary(&volumes, "C:\\Temp"), ERR_OK);
}

static void teardown(void)
{
    char command[100];

    volumes_fini(&volumes);
    (void)snprintf(command, sizeof command, "rm -r '%s'", folder);
    ck_assert_int_eq(system(command), 0);
}

static const struct {
    const char *path;
    nt_status status;
    enum file_kind kind;
} cases[] = {
    {"\\??\\C:\\Program.EXE", STATUS_SUCCESS, FILE_REGULAR},
    {"\\??\\c:\\pROGRAM.exe", STATUS_SUCCESS, FILE_REGULAR},
    {"\\DosDevices\\C:\\program.exe", STATUS_SUCCESS, FILE_REGULAR},
    {"\\??\\C:\\", STATUS_SUCCESS, FILE_FOLDER},
    {"\\??\\C:\\windows", STATUS_SUCCESS, FILE_FOLDER},
    {"\\??\\C:\\windows\\system32\\", STATUS_SUCCESS, FILE_FOLDER},
    {"\\??\\C:\\other", STATUS_OBJECT_NAME_NOT_FOUND, 0},
    {"\\??\\C:\\other\\more", STATUS_OBJECT_PATH_NOT_FOUND, 0},
    {"\\??\\C:\\Program.EXE\\more", STATUS_OBJECT_PATH_NOT_FOUND, 0},
    {"\\??\\D:\\x", STATUS_OBJECT_PATH_NOT_FOUND, 0},
    {"\\??\\C:\\..\\secret", STATUS_OBJECT_NAME_INVALID, 0},
    {"\\??\\C:\\.\\Program.EXE", STATUS_OBJECT_NAME_INVALID, 0},
    {"\\??\\C:\\../secret", STATUS_OBJECT_NAME_INVALID, 0},
    {"\\??\\C:\\\\Program.EXE", STATUS_OBJECT_NAME_INVALID, 0},
    {"\\??\\C:\\Program.EXE:stream", STATUS_OBJECT_NAME_INVALID, 0},
    {"\\??\\C:\\Program.*", STATUS_OBJECT_NAME_INVALID, 0},
    {"\\??\\C:\\link", STATUS_ACCESS_DENIED, 0},
    {"\\??\\C:\\fifo", STATUS_ACCESS_DENIED, 0},
    {"\\??\\C:\\etc\\passwd", STATUS_OBJECT_PATH_NOT_FOUND, 0},
    {"\\Device\\Afd", STATUS_OBJECT_NAME_NOT_FOUND, 0},
    {"Program.EXE", STATUS_OBJECT_PATH_SYNTAX_BAD, 0},
    {"", STATUS_OBJECT_PATH_SYNTAX_BAD, 0},
};

START_TEST(paths_stay_in_their_folder)
{
    struct file *file = NULL;
    nt_status st = files_look(&volumes, CPU_AMD64, cases[_i].path, &file);

    ck_assert_msg(st == cases[_i].status, "%s: %s, not %s", cases[_i].path, nt_text(st),
                  nt_text(cases[_i].status));
    if (st)
        return;
    ck_assert_int_eq(file->kind, cases[_i].kind);
    object_unref(&file->object);
}
END_TEST

START_TEST(names_too_long_for_the_host_are_refused)
{
    char path[400] = "\\??\\C:\\";
    struct file *file;

    memset(path + 7, 'a', 300);
    path[307] = 0;
    ck_assert_uint_eq(files_look(&volumes, CPU_AMD64, path, &file), STATUS_OBJECT_NAME_INVALID);
}
END_TEST

START_TEST(handles_are_multiples_of_four_and_reused)
{
    struct handles handles = {0};
    struct file *file = files_stream(-1);
    struct object *found;
    uint64_t a, b, c;

    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(handles_add(&handles, &file->object, 1, &a), STATUS_SUCCESS);
    ck_assert_uint_eq(handles_add(&handles, &file->object, 1, &b), STATUS_SUCCESS);
    ck_assert_uint_eq(a, 4);
    ck_assert_uint_eq(b, 8);
    ck_assert_uint_eq(handles_close(&handles, a), STATUS_SUCCESS);
    ck_assert_uint_eq(handles_close(&handles, a), STATUS_INVALID_HANDLE);
    ck_assert_uint_eq(handles_add(&handles, &file->object, 1, &c), STATUS_SUCCESS);
    ck_assert_uint_eq(c, a);
    ck_assert_uint_eq(handles_put(&handles, &file->object, 1, 0x400), STATUS_SUCCESS);
    ck_assert_uint_eq(handles_get(&handles, 0x402, &file_class, &found), STATUS_SUCCESS);
    ck_assert_uint_eq(handles_get(&handles, 0x404, NULL, &found), STATUS_INVALID_HANDLE);
    ck_assert_uint_eq(handles_get(&handles, 0, NULL, &found), STATUS_INVALID_HANDLE);
    ck_assert_uint_eq(handles_get(&handles, UINT64_MAX, NULL, &found), STATUS_INVALID_HANDLE);
    ck_assert_uint_eq(
        handles_get(&handles, b, &(const struct object_class){.name = "Other"}, &found),
        STATUS_OBJECT_TYPE_MISMATCH);
    ck_assert_uint_eq(file->object.references, 4);
    handles_fini(&handles);
    ck_assert_uint_eq(file->object.references, 1);
    object_unref(&file->object);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("files");
    TCase *paths = tcase_create("paths"), *handles = tcase_create("handles");

    tcase_add_checked_fixture(paths, setup, teardown);
    tcase_add_loop_test(paths, paths_stay_in_their_folder, 0, (int)(sizeof cases / sizeof *cases));
    tcase_add_test(paths, names_too_long_for_the_host_are_refused);
    tcase_add_test(handles, handles_are_multiples_of_four_and_reused);
    suite_add_tcase(s, paths);
    suite_add_tcase(s, handles);
    return suite_main(s);
}
