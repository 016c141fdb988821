/* The command line: every form that is taken, every one that is refused and what is said about it. */
#include <check.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "suite.h"
#include "options.h"
#include "winstub/log.h"

#define MAX_WORDS   8
#define COUNT_OF(a) (sizeof(a) / sizeof *(a))

static struct options opts;
static struct diag why;

/* Parse "winstub" and these words. */
static enum err parse(const char *const *words)
{
    static char *argv[MAX_WORDS + 2];
    int argc = 1;

    argv[0] = (char *)(uintptr_t) "winstub";
    while (words[argc - 1]) {
        argv[argc] = (char *)(uintptr_t)words[argc - 1];
        argc++;
    }
    argv[argc] = NULL;
    optind = 0;
    why.text[0] = 0;
    return options_parse(argc, argv, &opts, &why);
}

static void teardown(void)
{
    options_fini(&opts);
    log_mask = 0;
}

static const struct {
    const char *words[MAX_WORDS];
    enum option_mode mode;
} modes[] = {
    {{"a.exe"}, OPTION_SERVE},
    {{"--gdb", "0", "a.exe"}, OPTION_SERVE},
    {{"--stdio", "a.exe"}, OPTION_STDIO},
    {{"--run", "a.exe"}, OPTION_RUN},
    {{"--help"}, OPTION_HELP},
    {{"--version"}, OPTION_VERSION},
    {{"--raw", "--arch", "x86", "a.bin"}, OPTION_SERVE},
};

START_TEST(modes_are_recognised)
{
    ck_assert_msg(parse(modes[_i].words) == ERR_OK, "%s", why.text);
    ck_assert_int_eq(opts.mode, modes[_i].mode);
}
END_TEST

static const struct {
    const char *words[MAX_WORDS];
    const char *says;
} refusals[] = {
    {{NULL}, "no FILE given"},
    {{"--nonsense", "a.exe"}, "--nonsense"},
    {{"--gdb"}, "--gdb"},
    {{"--raw", "a.bin"}, "--raw needs --arch"},
    {{"--arch", "x86", "a.exe"}, "go with --raw"},
    {{"--entry", "4", "a.exe"}, "go with --raw"},
    {{"--raw", "--arch", "arm", "a.bin"}, "'arm'"},
    {{"--base", "-1", "a.exe"}, "'-1'"},
    {{"--base", "12q", "a.exe"}, "'12q'"},
    {{"--base", "0x1ffffffffffffffff", "a.exe"}, "0x1ffffffffffffffff"},
    {{"--env", "novalue", "a.exe"}, "NAME=VALUE"},
    {{"--env", "=x", "a.exe"}, "NAME=VALUE"},
    {{"--log=rsp,nothing", "a.exe"}, "'nothing'"},
    {{"--memory-map", "narrow", "a.exe"}, "wide, exact or none, not 'narrow'"},
    {{"--persona", "mac", "a.exe"}, "auto, windows or linux, not 'mac'"},
    {{"--run", "--stdio", "a.exe"}, "exclude each other"},
    {{"--run", "--gdb", "1", "a.exe"}, "exclude each other"},
    {{"--stop", "end", "a.exe"}, "'end'"},
    {{"--drive", "work", "a.exe"}, "X=DIR"},
    {{"--bare", "--registry", "a.reg", "a.exe"}, "no registry"},
    {{"--drive", "C=a", "--drive", "c=b", "a.exe"}, "given twice"},
    {{"--stop", "main", "--run", "a.exe"}, "--run has none"},
    {{"--debug-child", "b.exe", "--run", "a.exe"}, "--run has none"},
    {{"--bare", "--debug-child=*", "a.exe"}, "nothing has children"},
    {{"--debug-child"}, "--debug-child"},
    {{"--stop", "none", "--stdio", "a.exe"}, "goes without --stdio"},
};

START_TEST(refusals_name_the_option)
{
    ck_assert_int_ne(parse(refusals[_i].words), ERR_OK);
    ck_assert_msg(strstr(why.text, refusals[_i].says), "'%s' lacks '%s'", why.text,
                  refusals[_i].says);
}
END_TEST

START_TEST(everything_behind_the_file_is_the_programs)
{
    const char *words[] = {"--env", "A=1", "--env", "B=2", "a.exe", "--run", "x", NULL};

    ck_assert_int_eq(parse(words), ERR_OK);
    ck_assert_int_eq(opts.mode, OPTION_SERVE);
    ck_assert_str_eq(opts.file, "a.exe");
    ck_assert_uint_eq(opts.argc, 3);
    ck_assert_str_eq(opts.argv[1], "--run");
    ck_assert_uint_eq(opts.env_count, 2);
    ck_assert_str_eq(opts.env[1], "B=2");
}
END_TEST

START_TEST(numbers_and_channels_arrive)
{
    const char *words[] = {
        "--raw", "--arch=x86-64", "--base=0x400000", "--entry=16", "--log=rsp,vm", "a.bin", NULL};

    ck_assert_int_eq(parse(words), ERR_OK);
    ck_assert_int_eq(opts.arch, TARGET_AMD64);
    ck_assert_uint_eq(opts.base, 0x400000);
    ck_assert_uint_eq(opts.entry, 16);
    ck_assert_uint_eq(log_mask, 1u << LOG_rsp | 1u << LOG_vm);
}
END_TEST

START_TEST(a_child_is_named)
{
    const char *words[] = {"--debug-child", "b.exe", "--stop=main", "a.exe", NULL};
    const char *none[] = {"a.exe", NULL};

    ck_assert_int_eq(parse(words), ERR_OK);
    ck_assert_str_eq(opts.child, "b.exe");
    ck_assert_int_eq(opts.stop, OPTION_STOP_MAIN);
    options_fini(&opts);
    ck_assert_int_eq(parse(none), ERR_OK);
    ck_assert_ptr_null(opts.child);
}
END_TEST

START_TEST(what_the_debugger_is_told)
{
    const char *words[] = {"--memory-map=exact",
                           "--persona=linux",
                           "--disable-packet",
                           "X",
                           "--disable-packet",
                           "vCont",
                           "a.exe",
                           NULL};
    const char *none[] = {"a.exe", NULL};

    ck_assert_int_eq(parse(words), ERR_OK);
    ck_assert_int_eq(opts.map, STUB_MAP_EXACT);
    ck_assert_int_eq(opts.persona, STUB_PERSONA_LINUX);
    ck_assert_uint_eq(opts.disabled_count, 2);
    ck_assert_str_eq(opts.disabled[1], "vCont");
    options_fini(&opts);
    ck_assert_int_eq(parse(none), ERR_OK);
    ck_assert_int_eq(opts.map, STUB_MAP_WIDE);
    ck_assert_int_eq(opts.persona, STUB_PERSONA_AUTO);
}
END_TEST

START_TEST(help_fits_a_screen)
{
    size_t lines = 0;
    size_t width = 0;

    for (const char *at = options_help(); *at; at++) {
        width = *at == '\n' ? 0 : width + 1;
        lines += *at == '\n';
        ck_assert_uint_le(width, 100);
    }
    ck_assert_uint_le(lines, 24);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("options");
    TCase *tc = tcase_create("options");

    tcase_add_checked_fixture(tc, NULL, teardown);
    tcase_add_loop_test(tc, modes_are_recognised, 0, (int)COUNT_OF(modes));
    tcase_add_loop_test(tc, refusals_name_the_option, 0, (int)COUNT_OF(refusals));
    tcase_add_test(tc, everything_behind_the_file_is_the_programs);
    tcase_add_test(tc, numbers_and_channels_arrive);
    tcase_add_test(tc, a_child_is_named);
    tcase_add_test(tc, what_the_debugger_is_told);
    tcase_add_test(tc, help_fits_a_screen);
    suite_add_tcase(s, tc);
    return suite_main(s);
}
