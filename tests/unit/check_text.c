/* Guest text: command lines against a reader written after Microsoft's rules, environment blocks. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "nt/text.h"
#include "suite.h"
#include "winstub/bytes.h"

#define COUNT_OF(a) (sizeof(a) / sizeof *(a))

static const struct {
    const char *argv[4];
    size_t argc;
    const char *line;
} lines[] = {
    {{"a.exe"}, 1, "a.exe"},
    {{"C:\\Program Files\\a.exe", "b"}, 2, "\"C:\\Program Files\\a.exe\" b"},
    {{"C:\\dir\\", "x"}, 2, "C:\\dir\\ x"},
    {{"", ""}, 2, "\"\" \"\""},
    {{"a", "b c", "d"}, 3, "a \"b c\" d"},
    {{"a", "say \"hi\""}, 2, "a \"say \\\"hi\\\"\""},
    {{"a", "b\\\\c"}, 2, "a b\\\\c"},
    {{"a", "b c\\"}, 2, "a \"b c\\\\\""},
    {{"a", "b\\\"c"}, 2, "a \"b\\\\\\\"c\""},
    {{NULL}, 0, ""},
};

START_TEST(arguments_become_a_command_line)
{
    struct buf out;

    buf_init(&out, 1000);
    ck_assert_int_eq(text_command_line(&out, lines[_i].argv, lines[_i].argc, NULL), ERR_OK);
    ck_assert_str_eq(buf_str(&out), lines[_i].line);
    buf_fini(&out);
}
END_TEST

/* Take one argument off *line, as the C runtime does: 2n slashes before a mark are n, 2n + 1 make it literal. */
static void read_argument(const char **line, bool program, char *out)
{
    bool quoted = false;

    for (; **line && (quoted || (**line != ' ' && **line != '\t')); ++*line) {
        size_t slashes = 0;

        while (!program && (*line)[slashes] == '\\')
            slashes++;
        if (slashes && (*line)[slashes] == '"') {
            memset(out, '\\', slashes / 2);
            out += slashes / 2;
            *line += slashes;
            if (slashes % 2) {
                *out++ = '"';
                continue;
            }
        }
        if (**line == '"')
            quoted = !quoted;
        else
            *out++ = **line;
    }
    *out = 0;
    while (**line == ' ' || **line == '\t')
        ++*line;
}

START_TEST(any_arguments_survive_the_command_line)
{
    static const char alphabet[] = "a\\\" \tb\\\\";
    char text[4][16], back[64];
    const char *argv[4];
    uint32_t random = 7;
    struct buf out;

    buf_init(&out, 1000);
    for (int round = 0; round < 20000; round++) {
        const char *rest;

        for (size_t i = 0; i < 4; i++) {
            size_t len = (random >> 5) % 12, at = 0;

            for (; at < len; at++) {
                random = random * 1664525u + 1013904223u;
                text[i][at] = alphabet[(random >> 20) % (sizeof alphabet - 1)];
                if (i == 0 && text[i][at] == '"')
                    text[i][at] = 'q';
            }
            text[i][at] = 0;
            argv[i] = text[i];
        }
        buf_clear(&out);
        ck_assert_int_eq(text_command_line(&out, argv, 4, NULL), ERR_OK);
        rest = buf_str(&out);
        for (size_t i = 0; i < 4; i++) {
            read_argument(&rest, i == 0, back);
            ck_assert_msg(strcmp(back, argv[i]) == 0, "argument %zu of <%s>: <%s>, not <%s>", i,
                          buf_str(&out), back, argv[i]);
        }
        ck_assert_str_eq(rest, "");
    }
    buf_fini(&out);
}
END_TEST

START_TEST(a_program_name_cannot_hold_a_quotation_mark)
{
    const char *argv[] = {"a\"b"};
    struct diag why;
    struct buf out;

    buf_init(&out, 100);
    ck_assert_int_eq(text_command_line(&out, argv, 1, &why), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(why.text, "a\"b"));
    buf_fini(&out);
}
END_TEST

/* The value of a variable of an all-ASCII block, as text in value; also checks the order of names. */
static bool find_variable(const struct buf *block, const char *name, char *value)
{
    char previous[256] = "", entry[256];
    bool found = false;
    size_t at = 0;

    while (get_u16(block->data + at)) {
        size_t len = 0;

        for (; get_u16(block->data + at); at += 2)
            entry[len++] = (char)block->data[at];
        entry[len] = 0;
        at += 2;
        ck_assert_msg(strcasecmp(previous, entry) < 0, "%s before %s", previous, entry);
        strcpy(previous, entry);
        len = strlen(name);
        if (strncmp(entry, name, len) == 0 && entry[len] == '=') {
            strcpy(value, entry + len + 1);
            found = true;
        }
    }
    ck_assert_uint_eq(at + 2, block->len);
    return found;
}

START_TEST(the_environment_is_sorted_and_overridden_by_name)
{
    const char *env[] = {"zed=1",       "SYSTEMROOT=D:\\W", "empty=", "zed=2",
                         "=C:=C:\\dir", "windir",           "gone=1", "GONE"};
    char value[256];
    struct buf out;

    buf_init(&out, 65536);
    ck_assert_int_eq(text_environment(&out, CPU_AMD64, env, COUNT_OF(env), NULL), ERR_OK);
    ck_assert(find_variable(&out, "zed", value));
    ck_assert_str_eq(value, "2");
    ck_assert(find_variable(&out, "SYSTEMROOT", value));
    ck_assert_str_eq(value, "D:\\W");
    ck_assert(!find_variable(&out, "SystemRoot", value));
    ck_assert(find_variable(&out, "empty", value));
    ck_assert_str_eq(value, "");
    ck_assert(find_variable(&out, "=C:", value));
    ck_assert(!find_variable(&out, "windir", value));
    ck_assert(!find_variable(&out, "gone", value));
    ck_assert(find_variable(&out, "PROCESSOR_ARCHITECTURE", value));
    ck_assert_str_eq(value, "AMD64");
    buf_fini(&out);
}
END_TEST

START_TEST(a_bad_environment_entry_is_named)
{
    static const char *const bad[] = {"", "=novalue", "="};
    struct diag why;
    struct buf out;

    buf_init(&out, 65536);
    ck_assert_int_eq(text_environment(&out, CPU_I386, &bad[_i], 1, &why), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(why.text, "NAME=value"));
    buf_fini(&out);
}
END_TEST

START_TEST(paths_are_taken_apart)
{
    ck_assert(text_is_dos_path("C:\\a"));
    ck_assert(text_is_dos_path("z:\\"));
    ck_assert(!text_is_dos_path("C:a"));
    ck_assert(!text_is_dos_path("/a"));
    ck_assert(!text_is_dos_path(""));
    ck_assert_str_eq(text_base_name("C:\\a\\b.exe"), "b.exe");
    ck_assert_str_eq(text_base_name("/home/x/b.exe"), "b.exe");
    ck_assert_str_eq(text_base_name("b.exe"), "b.exe");
    ck_assert(text_same("KERNEL32.dll", "kernel32.DLL"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("text");
    TCase *tc = tcase_create("text");

    tcase_add_loop_test(tc, arguments_become_a_command_line, 0, COUNT_OF(lines));
    tcase_add_test(tc, any_arguments_survive_the_command_line);
    tcase_add_test(tc, a_program_name_cannot_hold_a_quotation_mark);
    tcase_add_test(tc, the_environment_is_sorted_and_overridden_by_name);
    tcase_add_loop_test(tc, a_bad_environment_entry_is_named, 0, 3);
    tcase_add_test(tc, paths_are_taken_apart);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
