/* Guest paths as either side writes them, there and back. */
#include <check.h>
#include <string.h>

#include "paths.h"
#include "suite.h"

static const struct {
    const char *from, *dos, *posix;
} good[] = {
    {"C:\\app\\prog.exe", "C:\\app\\prog.exe", "/c/app/prog.exe"},
    {"C:/app/prog.exe", "C:\\app\\prog.exe", "/c/app/prog.exe"},
    {"/c/app/prog.exe", "C:\\app\\prog.exe", "/c/app/prog.exe"},
    {"d:", "d:", "/d"},
    {"/z/", "Z:\\", "/z/"},
};

START_TEST(both_ways)
{
    char dos[64];
    struct buf posix;

    buf_init(&posix, 64);
    ck_assert(dos_path(good[_i].from, dos, sizeof dos));
    ck_assert_str_eq(dos, good[_i].dos);
    unix_path(dos, &posix);
    ck_assert_str_eq(buf_str(&posix), good[_i].posix);
    buf_fini(&posix);
}
END_TEST

START_TEST(no_paths)
{
    static const char *const bad[] = {
        "", "/", "/c", "app\\prog.exe", "/etc/passwd", "\\\\?\\C:\\x", "1:\\x"};
    char dos[64];

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(!dos_path(bad[i], dos, sizeof dos), "%s", bad[i]);
    ck_assert(dos_path("C:\\x", dos, 5));
    ck_assert(!dos_path("C:\\x", dos, 4));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("paths");
    TCase *tc = tcase_create("paths");

    tcase_add_loop_test(tc, both_ways, 0, sizeof good / sizeof *good);
    tcase_add_test(tc, no_paths);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
