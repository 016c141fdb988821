/* XML text: whatever a guest calls its files, the document stays well formed. */
#include <check.h>
#include <stdlib.h>

#include "suite.h"
#include "xml.h"

#define COUNT_OF(a) (sizeof(a) / sizeof *(a))

static const struct {
    const char *text, *xml;
} cases[] = {
    {"", ""},
    {"C:\\a.dll", "C:\\a.dll"},
    {"<a & b> \"c\" 'd'", "&lt;a &amp; b&gt; &quot;c&quot; &apos;d&apos;"},
    {"]]>", "]]&gt;"},
    {"tab\tline\nbell\a\x1b[0m\x7f", "tab?line?bell??[0m?"},
    {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"},
    {"\xff\xfe", "??"},
    {"\x80x", "?x"},
    {"\xc3", "?"},
    {"\xe2\x82", "??"},
    {"\xe2\x82<", "??&lt;"},
    {"\xc0\xaf", "??"},           /* overlong '/' */
    {"\xe0\x80\xaf", "???"},      /* overlong '/' */
    {"\xf0\x80\x80\xaf", "????"}, /* overlong '/' */
    {"\xed\xa0\x80", "???"},      /* a surrogate */
    {"\xef\xbf\xbf", "???"},      /* U+FFFF is no character */
    {"\xf4\x90\x80\x80", "????"}, /* above U+10FFFF */
    {"\xf5\x80\x80\x80", "????"},
};

START_TEST(text)
{
    struct buf doc;

    buf_init(&doc, 1000);
    xml_text(&doc, cases[_i].text);
    ck_assert_str_eq(buf_str(&doc), cases[_i].xml);
    buf_fini(&doc);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("xml");
    TCase *tc = tcase_create("text");

    tcase_add_loop_test(tc, text, 0, COUNT_OF(cases));
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
