/* Tables in each form, with texts that need escapes. */
#include <check.h>

#include "suite.h"
#include "table.h"

static const struct {
    enum table_form form;
    const char *wanted;
} forms[] = {
    {TABLE_TEXT, "Name     Base       Count Note\nprog.exe 0x00400000 3     a\"b\\\n"
                 "longer-than-its-column 0x00000000 12345678 <\x01\xff>\n"},
    {TABLE_RECORD,
     "Name                      prog.exe\nBase                      0x400000\nCount                "
     "     3\n"
     "Note                      a\"b\\\nName                      longer-than-its-column\n"
     "Base                      0x0\nCount                     12345678\nNote                      "
     "<\x01\xff>\n"},
    {TABLE_JSON, "[{\"Name\": \"prog.exe\", \"Base\": \"0x400000\", \"Count\": 3, "
                 "\"Note\": \"a\\\"b\\\\\"},\n"
                 "{\"Name\": \"longer-than-its-column\", \"Base\": \"0x0\", \"Count\": 12345678, "
                 "\"Note\": \"<\\u0001?>\"}]\n"},
    {TABLE_OSDATA,
     "<?xml version=\"1.0\"?>\n<osdata type=\"things\">\n"
     "<item><column name=\"Name\">prog.exe</column><column name=\"Base\">0x400000</column>"
     "<column name=\"Count\">3</column><column name=\"Note\">a&quot;b\\</column></item>\n"
     "<item><column name=\"Name\">longer-than-its-column</column><column name=\"Base\">0x0</column>"
     "<column name=\"Count\">12345678</column><column name=\"Note\">&lt;??&gt;</column></item>\n"
     "</osdata>\n"},
};

START_TEST(two_rows)
{
    struct table t;
    struct buf out;

    buf_init(&out, 4096);
    table_begin(&t, &out, forms[_i].form, "things");
    table_row(&t);
    table_text(&t, "Name", "prog.exe", 8);
    table_hex(&t, "Base", 0x400000, 8);
    table_number(&t, "Count", 3, 5);
    table_text(&t, "Note", "a\"b\\", 0);
    table_row(&t);
    table_text(&t, "Name", "longer-than-its-column", 8);
    table_hex(&t, "Base", 0, 8);
    table_number(&t, "Count", 12345678, 5);
    table_text(&t, "Note", "<\x01\xff>", 0);
    table_end(&t);
    ck_assert_str_eq(buf_str(&out), forms[_i].wanted);
    buf_fini(&out);
}
END_TEST

START_TEST(no_rows)
{
    static const char *const wanted[] = {
        "", "", "[]\n", "\n", "<?xml version=\"1.0\"?>\n<osdata type=\"things\">\n</osdata>\n"};
    struct table t;
    struct buf out;

    buf_init(&out, 4096);
    table_begin(&t, &out, (enum table_form)_i, "things");
    table_end(&t);
    ck_assert_str_eq(buf_str(&out), wanted[_i]);
    buf_fini(&out);
}
END_TEST

START_TEST(what_does_not_fit)
{
    struct table t;
    struct buf out;

    buf_init(&out, 16);
    table_begin(&t, &out, TABLE_RECORD, "things");
    table_row(&t);
    table_text(&t, "Name", "prog.exe", 8);
    table_end(&t);
    ck_assert(out.failed);
    buf_fini(&out);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("table");
    TCase *tc = tcase_create("forms");

    tcase_add_loop_test(tc, two_rows, 0, sizeof forms / sizeof *forms);
    tcase_add_loop_test(tc, no_rows, 0, 5);
    tcase_add_test(tc, what_does_not_fit);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
