/* .reg files: every form of key and value, both encodings, what is refused and where. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "alloc_fail.h"
#include "nt/registry_file.h"
#include "process_builder.h"
#include "suite.h"
#include "vm_builder.h"
#include "winstub/utf.h"

#define HEADER "Windows Registry Editor Version 5.00\r\n\r\n"
#define TEST   "[HKEY_LOCAL_MACHINE\\Software\\Test]\r\n"

static struct registry *registry;
static struct diag why;

static void setup(void)
{
    ck_assert_int_eq(registry_new(&registry), ERR_OK);
}

static void teardown(void)
{
    registry_free(registry);
}

static enum err apply(const char *text)
{
    why.text[0] = 0;
    return registry_file_apply(registry, (struct bytes){(const uint8_t *)text, strlen(text)},
                               "x.reg", &why);
}

static void applies(const char *text)
{
    ck_assert_msg(apply(text) == ERR_OK, "%s", why.text);
}

/* The key of that name, or NULL. */
static struct key *find(const char *path)
{
    struct key *key;
    bool created;

    return registry_find(registry, NULL, path, REGISTRY_OPEN, &key, &created) ? NULL : key;
}

static const struct value *value(const char *name)
{
    const struct value *v = registry_value(find("\\Registry\\Machine\\Software\\Test"), name);

    ck_assert_msg(v != NULL, "there is no '%s'", name);
    return v;
}

static void ck_value(const char *name, uint32_t type, const char *data, uint32_t size)
{
    const struct value *v = value(name);

    ck_assert_uint_eq(v->type, type);
    ck_assert_uint_eq(v->size, size);
    ck_assert_mem_eq(v->data, data, size);
}

START_TEST(every_form_of_a_value)
{
    applies(HEADER "; a comment\r\n" TEST "@=\"own\"\r\n"
                   "\"Text\"=\"a\\\\b \\\"c\\\"\"  \r\n"
                   "\"Number\"=dword:00c0FFEE\r\n"
                   "\"Bytes\"=hex:01,02,\\\r\n  ff\r\n"
                   "\"List\" = hex(7):61,00,00,00\r\n"
                   "\"None\"=hex:\r\n"
                   "\"with \\\"marks\\\"\"=dword:1");
    ck_value("", REG_SZ, "o\0w\0n\0\0", 8);
    ck_value("text", REG_SZ, "a\0\\\0b\0 \0\"\0c\0\"\0\0", 16);
    ck_value("Number", REG_DWORD, "\xee\xff\xc0", 4);
    ck_value("Bytes", REG_BINARY, "\1\2\xff", 3);
    ck_value("List", 7, "a\0\0", 4);
    ck_value("None", REG_BINARY, "", 0);
    ck_value("with \"marks\"", REG_DWORD, "\1\0\0", 4);
}
END_TEST

START_TEST(every_root)
{
    applies(HEADER "[HKEY_CURRENT_USER\\Software\\A]\n[hkey_users\\.Default\\B]\n"
                   "[HKEY_CLASSES_ROOT\\.txt]\n[HKEY_LOCAL_MACHINE]\n");
    ck_assert_ptr_nonnull(find("\\Registry\\User\\S-1-5-21-1004336348-1177238915-682003330-1000"
                               "\\Software\\A"));
    ck_assert_ptr_nonnull(find("\\Registry\\User\\.Default\\B"));
    ck_assert_ptr_nonnull(find("\\Registry\\Machine\\Software\\Classes\\.txt"));
}
END_TEST

START_TEST(minus_deletes)
{
    applies(HEADER TEST "\"a\"=dword:1\n\"b\"=dword:2\n\"a\"=-\n\"never\"=-\n"
                        "[HKEY_LOCAL_MACHINE\\Software\\Test\\Sub\\Sub]\n"
                        "[HKEY_LOCAL_MACHINE\\Software\\Gone\\One]\n"
                        "[HKEY_LOCAL_MACHINE\\Software\\Gone\\Two]\n"
                        "[-HKEY_LOCAL_MACHINE\\Software\\Gone]\n"
                        "[-HKEY_LOCAL_MACHINE\\Software\\Never]\n");
    ck_assert_uint_eq(find("\\Registry\\Machine\\Software\\Test")->value_count, 1);
    ck_assert_ptr_null(find("\\Registry\\Machine\\Software\\Gone"));
    ck_assert_ptr_nonnull(find("\\Registry\\Machine\\Software\\Test\\Sub\\Sub"));
    ck_assert_int_eq(apply(HEADER "[-HKEY_LOCAL_MACHINE]\n"), ERR_FORMAT);
    ck_assert_ptr_nonnull(find("\\Registry\\Machine\\Software\\Test"));
}
END_TEST

/* As regedit writes it: UTF-16 with a mark; and UTF-8 with one. */
START_TEST(both_encodings)
{
    static const char text[] = HEADER TEST "\"\xc3\xa4\"=\"\xe2\x82\xac\"\r\n";
    struct buf wide, marked;

    buf_init(&wide, 1000);
    buf_init(&marked, 1000);
    ck_assert(buf_append(&wide, "\xff\xfe", 2) && utf16_append(&wide, text));
    ck_assert_int_eq(registry_file_apply(registry, (struct bytes){wide.data, wide.len}, "x", &why),
                     ERR_OK);
    ck_value("\xc3\xa4", REG_SZ, "\xac\x20\0", 4);
    ck_assert(buf_text(&marked, "\xef\xbb\xbf") && buf_text(&marked, text));
    ck_assert_int_eq(
        registry_file_apply(registry, (struct bytes){marked.data, marked.len}, "x", &why), ERR_OK);
    buf_fini(&wide);
    buf_fini(&marked);
}
END_TEST

static const struct {
    const char *text;
    unsigned line;
} bad[] = {
    {"", 1},
    {"REGEDIT4\r\n", 1},
    {HEADER "\"a\"=dword:1\n", 3},
    {HEADER "[HKEY_LOCAL_MACHINE\\Software\n", 3},
    {HEADER "[\n", 3},
    {HEADER "[]\n", 3},
    {HEADER "[-]\n", 3},
    {HEADER "[HKEY_LOCAL_MACHINES\\Software]\n", 3},
    {HEADER "[HKEY_LOCAL_MACHINE\\\\Software]\n", 3},
    {HEADER "[C:\\Windows]\n", 3},
    {HEADER "[-HKEY_USERS]\n", 3},
    {HEADER "[-HKEY_LOCAL_MACHINE\\Software\\X]\n\"a\"=dword:1\n", 4},
    {HEADER TEST "\"a\n", 5},
    {HEADER TEST "\"a\"\n", 4},
    {HEADER TEST "\"a\"", 4}, /* and there the file ends */
    {HEADER TEST "\"a\"=\n", 4},
    {HEADER TEST "\"a\"=\"b\" c\n", 4},
    {HEADER TEST "\"a\"=dword:\n", 4},
    {HEADER TEST "\"a\"=dword:123456789\n", 4},
    {HEADER TEST "\"a\"=hex:1,,2\n", 4},
    {HEADER TEST "\"a\"=hex:123\n", 4},
    {HEADER TEST "\"a\"=hex(x):1\n", 4},
    {HEADER TEST "\"a\"=hex:1,\\ 2\n", 4},
    {HEADER TEST "\"a\"=-1\n", 4},
    {HEADER TEST "\n\n\na=1\n", 7},
};

START_TEST(what_is_refused_by_line)
{
    char line[32];

    (void)snprintf(line, sizeof line, "x.reg: line %u: ", bad[_i].line);
    ck_assert_int_eq(apply(bad[_i].text), ERR_FORMAT);
    ck_assert_msg(strncmp(why.text, line, strlen(line)) == 0, "%s", why.text);
}
END_TEST

START_TEST(binaries_are_refused)
{
    static const uint8_t nul[] = "Windows\0Registry";

    ck_assert_int_eq(registry_file_apply(registry, (struct bytes){nul, sizeof nul}, "x", &why),
                     ERR_FORMAT);
    ck_assert_ptr_nonnull(strstr(why.text, "NUL"));
}
END_TEST

START_TEST(a_guest_of_a_file_may_not_take_everything)
{
    struct buf text;

    buf_init(&text, 8u << 20);
    ck_assert(buf_text(&text, HEADER TEST "\"a\"=\""));
    while (text.len < REGISTRY_VALUE_MAX)
        ck_assert(buf_text(&text, "0123456789abcdef0123456789abcdef"));
    ck_assert(buf_text(&text, "\"\n"));
    ck_assert_int_eq(apply(buf_str(&text)), ERR_FORMAT); /* a value of twice the limit */
    buf_fini(&text);
}
END_TEST

START_TEST(without_memory_it_says_so)
{
    enum err e = ERR_OK;

    for (unsigned long n = 1;; n++) {
        alloc_fail_at(n);
        e = apply(HEADER TEST "\"a\"=\"b\"\n");
        if (!alloc_fail_stop())
            break;
        ck_assert_msg(e == ERR_NOMEM || e == ERR_FORMAT, "%s", why.text);
    }
    ck_assert_int_eq(e, ERR_OK);
}
END_TEST

START_TEST(files_of_the_host)
{
    static const char text[] = HEADER TEST "\"a\"=dword:5\n";
    struct guest_file file;

    guest_file_make(&file, "seed.reg", text, sizeof text - 1);
    ck_assert_int_eq(registry_file_load(registry, file.path, &why), ERR_OK);
    ck_value("a", REG_DWORD, "\5\0\0", 4);
    guest_file_remove(&file);
    ck_assert_int_ne(registry_file_load(registry, file.path, &why), ERR_OK);
    ck_assert_ptr_nonnull(strstr(why.text, "seed.reg"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("registry_file");
    TCase *tc = tcase_create("registry_file");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, every_form_of_a_value);
    tcase_add_test(tc, every_root);
    tcase_add_test(tc, minus_deletes);
    tcase_add_test(tc, both_encodings);
    tcase_add_loop_test(tc, what_is_refused_by_line, 0, COUNT_OF(bad));
    tcase_add_test(tc, binaries_are_refused);
    tcase_add_test(tc, a_guest_of_a_file_may_not_take_everything);
    tcase_add_test(tc, without_memory_it_says_so);
    tcase_add_test(tc, files_of_the_host);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
