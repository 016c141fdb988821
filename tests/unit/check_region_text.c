/* Windows' words for pages: every protection, and no buffer too short. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "region_text.h"
#include "suite.h"
#include "winstub/nt.h"

#define COUNT_OF(a) (sizeof(a) / sizeof *(a))

static const struct {
    uint32_t protect;
    const char *text, *permissions;
} protections[] = {
    {0, "", ""},
    {PAGE_NOACCESS, "NOACCESS", ""},
    {PAGE_READONLY, "READONLY", "r"},
    {PAGE_READWRITE, "READWRITE", "rw"},
    {PAGE_WRITECOPY, "WRITECOPY", "rw"},
    {PAGE_EXECUTE, "EXECUTE", "x"},
    {PAGE_EXECUTE_READ, "EXECUTE_READ", "rx"},
    {PAGE_EXECUTE_READWRITE, "EXECUTE_READWRITE", "rwx"},
    {PAGE_EXECUTE_WRITECOPY, "EXECUTE_WRITECOPY", "rwx"},
    {PAGE_READWRITE | PAGE_GUARD, "READWRITE|GUARD", ""},
    {PAGE_EXECUTE_READWRITE | PAGE_GUARD | PAGE_NOCACHE | PAGE_WRITECOMBINE,
     "EXECUTE_READWRITE|GUARD|NOCACHE|WRITECOMBINE", ""},
    {PAGE_READWRITE | PAGE_NOCACHE, "READWRITE|NOCACHE", "rw"},
};

START_TEST(protection)
{
    char text[96];

    region_protect(protections[_i].protect, text, sizeof text);
    ck_assert_str_eq(text, protections[_i].text);
    ck_assert_str_eq(region_permissions(protections[_i].protect), protections[_i].permissions);
}
END_TEST

/* All bits at once, into every length. */
START_TEST(cut)
{
    char text[200];

    for (size_t size = 1; size < sizeof text; size++) {
        memset(text, '!', sizeof text);
        region_protect(UINT32_MAX, text, size);
        ck_assert_uint_lt(strlen(text), size);
        ck_assert_int_eq(text[size], '!');
    }
}
END_TEST

START_TEST(words)
{
    struct target_region r = {.state = MEM_FREE};
    char text[96];

    region_words(&r, text, sizeof text);
    ck_assert_str_eq(text, "free");
    r.state = MEM_RESERVE;
    region_words(&r, text, sizeof text);
    ck_assert_str_eq(text, "reserved, not committed");
    r.state = MEM_COMMIT;
    r.protect = PAGE_READWRITE | PAGE_GUARD;
    region_words(&r, text, sizeof text);
    ck_assert_str_eq(text, "committed READWRITE|GUARD");
    ck_assert_str_eq(region_state(MEM_FREE), "FREE");
    ck_assert_str_eq(region_state(MEM_RESERVE), "RESERVE");
    ck_assert_str_eq(region_state(MEM_COMMIT), "COMMIT");
    ck_assert_str_eq(region_state(0), "?");
    ck_assert_str_eq(region_type(MEM_PRIVATE), "PRIVATE");
    ck_assert_str_eq(region_type(MEM_MAPPED), "MAPPED");
    ck_assert_str_eq(region_type(MEM_IMAGE), "IMAGE");
    ck_assert_str_eq(region_type(0), "");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("region_text");
    TCase *tc = tcase_create("words");

    tcase_add_loop_test(tc, protection, 0, COUNT_OF(protections));
    tcase_add_test(tc, cut);
    tcase_add_test(tc, words);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
