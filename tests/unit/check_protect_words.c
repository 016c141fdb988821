/* Every word for a protection, alone and in company, and what is none. */
#include <check.h>
#include <string.h>

#include "protect_words.h"
#include "region_text.h"
#include "suite.h"
#include "winstub/nt.h"

static bool parse(const char *text, uint32_t *out)
{
    return protect_from_words((struct bytes){(const uint8_t *)text, strlen(text)}, out);
}

static const struct {
    const char *text;
    uint32_t protect;
} good[] = {
    {"none", PAGE_NOACCESS},
    {"r", PAGE_READONLY},
    {"rw", PAGE_READWRITE},
    {"RWX", PAGE_EXECUTE_READWRITE},
    {"rx", PAGE_EXECUTE_READ},
    {"x", PAGE_EXECUTE},
    {"wc", PAGE_WRITECOPY},
    {"xwc", PAGE_EXECUTE_WRITECOPY},
    {"rw+guard", PAGE_READWRITE | PAGE_GUARD},
    {"PAGE_READWRITE|PAGE_GUARD|PAGE_NOCACHE", PAGE_READWRITE | PAGE_GUARD | PAGE_NOCACHE},
    {"guard+r", PAGE_READONLY | PAGE_GUARD},
};

START_TEST(words)
{
    uint32_t protect;

    ck_assert_msg(parse(good[_i].text, &protect), "%s", good[_i].text);
    ck_assert_msg(protect == good[_i].protect, "%s gives %#x", good[_i].text, protect);
}
END_TEST

/* What the map prints can be typed again. */
START_TEST(each_protection_comes_back)
{
    for (uint32_t bit = PAGE_NOACCESS; bit <= PAGE_WRITECOMBINE; bit <<= 1) {
        char text[96];
        uint32_t protect;

        region_protect(bit, text, sizeof text);
        ck_assert_msg(parse(text, &protect) && protect == bit, "%s", text);
    }
}
END_TEST

START_TEST(no_words)
{
    static const char *const bad[] = {"",      "+",   "rw+",       "+rw", "rwz",
                                      "page_", "r w", "rw++guard", "0x40"};
    uint32_t protect;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(!parse(bad[i], &protect), "'%s' is taken", bad[i]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("protect_words");
    TCase *tc = tcase_create("words");

    tcase_add_loop_test(tc, words, 0, sizeof good / sizeof *good);
    tcase_add_test(tc, each_protection_comes_back);
    tcase_add_test(tc, no_words);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
