/* Patterns of names, and what a folder shows of what it holds. */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nt/files.h"
#include "nt/listing.h"
#include "suite.h"

#define COUNT_OF(a) (sizeof(a) / sizeof *(a))

static const struct {
    const char *pattern, *name;
    bool matches;
} patterns[] = {
    {"*", "", true},
    {"*", "a.b", true},
    {"a*", "ABC", true},
    {"a*", "bac", false},
    {"*.txt", "a.b.txt", true},
    {"*.txt", "a.txt.b", false},
    {"a?c", "abc", true},
    {"a?c", "ac", false},
    {"a?", "a", false},
    {"a>", "a", true},
    {"a>>.c", "ab.c", true},
    {"a>>.c", "abcd.c", false},
    {"<", "plain", true},
    {"<.b", "a.b", true},
    {"<.c", "a.b.c", true},
    {"a\"", "a", true},
    {"a\"", "a.", true},
    {"a\"", "ab", false},
    {"a\"*", "a", true},
    {"*a*b*c", "xaybzc", true},
    {"*a*b*c", "xaybz", false},
    {"?", "\xc3\xa9", true},
    {"??", "\xc3\xa9", false},
    {"\xc3\xa9", "\xc3\xa9", true},
    {"", "a", false},
    {"", "", true},
};

START_TEST(patterns_match_as_in_windows)
{
    ck_assert_msg(listing_matches(patterns[_i].pattern, patterns[_i].name) == patterns[_i].matches,
                  "'%s' and '%s'", patterns[_i].pattern, patterns[_i].name);
}
END_TEST

START_TEST(patterns_that_grow_do_not_take_for_ever)
{
    char pattern[202] = {0}, name[252] = {0};

    for (size_t i = 0; i < 200; i += 2)
        memcpy(pattern + i, "*a", 2);
    memset(name, 'a', 250);
    pattern[200] = 'b';
    ck_assert(!listing_matches(pattern, name));
}
END_TEST

static const struct {
    const char *given, *wanted;
} forms[] = {
    {"*.*", "*"},   {"*.", "<"}, {"a?.txt", "a>.txt"}, {"a.*", "a\"*"}, {"*", "*"},
    {"<.?", "<.?"}, {"", ""},
};

START_TEST(patterns_take_the_form_that_windows_gives_them)
{
    char text[16];

    (void)snprintf(text, sizeof text, "%s", forms[_i].given);
    listing_dos_pattern(text);
    ck_assert_str_eq(text, forms[_i].wanted);
}
END_TEST

START_TEST(a_folder_shows_files_folders_and_volumes_in_order)
{
    static const char *const wanted[] = {"a", "B", "c", "Windows"};
    char folder[] = "/tmp/winstub-listing-XXXXXX", path[64];
    struct volumes volumes = {0};
    struct file opened = {.path = (char *)"C:\\", .volumes = &volumes, .width = CPU_AMD64};
    struct listing *listing = NULL;
    bool empty = false;
    int fd;

    ck_assert_ptr_nonnull(mkdtemp(folder));
    fd = open(folder, O_RDONLY | O_DIRECTORY);
    ck_assert_int_eq(listing_is_empty(fd, &empty), STATUS_SUCCESS);
    ck_assert(empty);
    ck_assert_int_eq(mkdirat(fd, "c", 0700), 0);
    (void)close(openat(fd, "B", O_CREAT | O_WRONLY, 0600));
    (void)close(openat(fd, "a", O_CREAT | O_WRONLY, 0600));
    (void)close(openat(fd, "a:stream", O_CREAT | O_WRONLY, 0600));
    (void)close(openat(fd, "no\xffutf8", O_CREAT | O_WRONLY, 0600));
    ck_assert_int_eq(symlinkat("/etc", fd, "link"), 0);
    ck_assert_int_eq(mkfifoat(fd, "fifo", 0600), 0);
    ck_assert_int_eq(volumes_add(&volumes, "C:\\Windows\\System32", -1, false), ERR_OK);
    ck_assert_int_eq(volumes_add(&volumes, "C:\\Windows\\Fonts", -1, false), ERR_OK);
    ck_assert_int_eq(volumes_add_for(&volumes, CPU_I386, "C:\\Other", -1), ERR_OK);
    opened.fd = fd;
    ck_assert_int_eq(listing_new(&opened, NULL, &listing), STATUS_SUCCESS);
    ck_assert_uint_eq(listing->count, COUNT_OF(wanted));
    for (size_t i = 0; i < COUNT_OF(wanted); i++)
        ck_assert_str_eq(listing->entries[i].name, wanted[i]);
    listing_free(listing);
    opened.path = (char *)"C:\\x";
    ck_assert_int_eq(listing_new(&opened, "?", &listing), STATUS_SUCCESS);
    ck_assert_uint_eq(listing->count, 4); /* a, B, c and the folder itself */
    listing_free(listing);
    ck_assert_int_eq(listing_is_empty(fd, &empty), STATUS_SUCCESS);
    ck_assert(!empty);
    (void)close(fd);
    volumes_fini(&volumes);
    (void)snprintf(path, sizeof path, "rm -r '%s'", folder);
    ck_assert_int_eq(system(path), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("listing");
    TCase *tc = tcase_create("listing");

    tcase_add_loop_test(tc, patterns_match_as_in_windows, 0, (int)COUNT_OF(patterns));
    tcase_add_test(tc, patterns_that_grow_do_not_take_for_ever);
    tcase_add_loop_test(tc, patterns_take_the_form_that_windows_gives_them, 0,
                        (int)COUNT_OF(forms));
    tcase_add_test(tc, a_folder_shows_files_folders_and_volumes_in_order);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
