/* The algorithms by which functions are looked up, against values that are published, and their descriptions. */
#include <check.h>
#include <string.h>

#include "name_hash.h"
#include "suite.h"

/* The algorithm that has this description. */
static size_t algorithm(const char *words)
{
    for (size_t i = 0; i < NAME_HASH_COUNT; i++) {
        char out[NAME_HASH_WORDS];

        name_hash_describe(i, out);
        if (strcmp(out, words) == 0)
            return i;
    }
    ck_abort_msg("no algorithm is described as '%s'", words);
}

#define TEXT(text) text, sizeof text - 1 /* NULs may be in it, for UTF-16 */

static const struct {
    const char *words;
    const char *text;
    size_t len;
    uint32_t value;
} known[] = {
    {"ror 13, add", TEXT("LoadLibraryA"), 0xec0e4e8e}, /* as Fewer's reflective loader has it */
    {"ror 13, add", TEXT("GetProcAddress"), 0x7c0dfcaa},
    {"ror 13, add",
     TEXT("K\0E\0R\0N\0E\0L\0"
          "3\0"
          "2\0.\0D\0L\0L\0"),
     0x6a4abc5b},
    {"djb2", TEXT(""), 5381},
    {"djb2", TEXT("a"), 177670},
    {"djb2, XOR", TEXT("a"), (5381 * 33) ^ 'a'},
    {"sdbm (times 65599, add)", TEXT("a"), 97},
    {"FNV-1", TEXT("a"), 0x050c5d7e}, /* RFC 9923 */
    {"FNV-1a", TEXT("a"), 0xe40c292c},
    {"FNV-1a", TEXT("foobar"), 0xbf9cf968},
    {"CRC-32", TEXT("123456789"), 0xcbf43926}, /* the check values of both */
    {"CRC-32C", TEXT("123456789"), 0xe3069283},
    {"rol 7, XOR", TEXT("ab"), 'a' << 7 ^ 'b'},
    {"XOR, rol 7", TEXT("a"), 'a' << 7},
    {"add, rol 1", TEXT("ab"), ('a' * 2 + 'b') * 2},
};

START_TEST(published_values)
{
    struct name_hash hash = name_hash_at(algorithm(known[_i].words));
    struct bytes text = {(const uint8_t *)known[_i].text, known[_i].len};

    ck_assert_uint_eq(name_hash_feed(&hash, hash.start, text) ^ hash.last, known[_i].value);
}
END_TEST

/* A text in two parts is the text. */
START_TEST(parts_make_the_whole)
{
    static const uint8_t text[] = "VirtualAlloc";

    for (size_t i = 0; i < NAME_HASH_COUNT; i++) {
        struct name_hash hash = name_hash_at(i);
        uint32_t part = name_hash_feed(&hash, hash.start, (struct bytes){text, 7});

        ck_assert_uint_eq(name_hash_feed(&hash, part, (struct bytes){text + 7, 5}),
                          name_hash_feed(&hash, hash.start, (struct bytes){text, 12}));
    }
}
END_TEST

/* Two algorithms that gave the same value for everything would be one; so would two with one description. */
START_TEST(no_two_are_the_same)
{
    static const uint8_t text[] = "NtProtectVirtualMemory";
    uint32_t values[NAME_HASH_COUNT];
    char words[NAME_HASH_COUNT][NAME_HASH_WORDS];

    for (size_t i = 0; i < NAME_HASH_COUNT; i++) {
        struct name_hash hash = name_hash_at(i);

        values[i] =
            name_hash_feed(&hash, hash.start, (struct bytes){text, sizeof text - 1}) ^ hash.last;
        name_hash_describe(i, words[i]);
        for (size_t j = 0; j < i; j++) {
            ck_assert_msg(values[i] != values[j], "%s and %s", words[i], words[j]);
            ck_assert_msg(strcmp(words[i], words[j]) != 0, "%s twice", words[i]);
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("name_hash");
    TCase *tc = tcase_create("values");

    tcase_add_loop_test(tc, published_values, 0, sizeof known / sizeof *known);
    tcase_add_test(tc, parts_make_the_whole);
    tcase_add_test(tc, no_two_are_the_same);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
