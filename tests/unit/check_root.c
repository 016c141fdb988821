/* Which folder of DLLs is found for which width, and what is said when there is none. */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nt/root.h"
#include "suite.h"

static char folder[64];

static void make(const char *name, bool is_folder)
{
    char path[160];

    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    if (is_folder) {
        ck_assert_int_eq(mkdir(path, 0700), 0);
    } else {
        int fd = open(path, O_CREAT | O_WRONLY, 0600);

        ck_assert_int_ge(fd, 0);
        (void)close(fd);
    }
}

static void setup(void)
{
    memcpy(folder, "/tmp/winstub-root-XXXXXX", 25);
    ck_assert_ptr_nonnull(mkdtemp(folder));
    make("nls", true);
    make("nls/locale.nls", false);
}

static void teardown(void)
{
    char command[100];

    (void)snprintf(command, sizeof command, "rm -r '%s'", folder);
    ck_assert_int_eq(system(command), 0);
}

static void check_open(enum cpu_arch arch, enum err wanted, const char *text)
{
    struct diag why = {{0}};
    struct root root;

    ck_assert_int_eq(root_open(&root, folder, arch, &why), wanted);
    ck_assert_msg(strstr(why.text, text) != NULL, "'%s' does not contain '%s'", why.text, text);
    ck_assert_int_eq(root.system >= 0, !wanted);
    root_close(&root);
}

START_TEST(each_width_finds_its_own_dlls)
{
    make("x86_64-windows", true);
    make("x86_64-windows/ntdll.dll", false);
    make("Windows", true);
    make("Windows/SysWOW64", true);
    make("Windows/SysWOW64/NTDLL.DLL", false);
    check_open(CPU_AMD64, ERR_OK, "");
    check_open(CPU_I386, ERR_OK, "");
}
END_TEST

START_TEST(dlls_of_the_other_width_are_named)
{
    make("i386-windows", true);
    make("i386-windows/ntdll.dll", false);
    check_open(CPU_I386, ERR_OK, "");
    check_open(CPU_AMD64, ERR_UNSUPPORTED, "only 32-bit DLLs, and the program is a 64-bit one");
}
END_TEST

START_TEST(a_folder_without_dlls_is_not_one)
{
    check_open(CPU_AMD64, ERR_NOT_FOUND, "no ntdll.dll in it");
    check_open(CPU_I386, ERR_NOT_FOUND, "no ntdll.dll in it");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("root");
    TCase *tc = tcase_create("root");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, each_width_finds_its_own_dlls);
    tcase_add_test(tc, dlls_of_the_other_width_are_named);
    tcase_add_test(tc, a_folder_without_dlls_is_not_one);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
