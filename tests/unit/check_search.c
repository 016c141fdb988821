/* core/vm/pattern.c, peek.c and search.c: patterns as text, and hits in every place where memory comes in pieces. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "alloc_fail.h"
#include "suite.h"
#include "vm/pattern.h"
#include "vm/peek.h"
#include "vm_builder.h"
#include "winstub/search.h"

#define A UINT64_C(0x20000)
#define B UINT64_C(0x30000) /* directly behind A's allocation when that is full */

static struct vm *vm;
static struct vm_pattern *pattern;
static struct diag why;

static void setup(void)
{
    vm = build_vm(64);
    pattern = NULL;
    why.text[0] = 0;
}

static void teardown(void)
{
    ck_assert(vm_valid(vm));
    vm_pattern_free(pattern);
    vm_free(vm);
}

static void write_at(gva_t addr, const char *bytes, size_t len)
{
    ck_assert(vm_debug_write(vm, addr, bytes, len));
}

static void parse(const char *text)
{
    vm_pattern_free(pattern);
    pattern = NULL;
    ck_assert_msg(vm_pattern_parse(text, &pattern, &why) == ERR_OK, "%s", why.text);
}

#define MOST 64

/* Exactly these places match the pattern in text. */
#define FINDS_IN(text, start, end, ...)                                                            \
    do {                                                                                           \
        const gva_t wanted_[] = {__VA_ARGS__};                                                     \
        parse(text);                                                                               \
        expect(start, end, wanted_, COUNT_OF(wanted_));                                            \
    } while (0)
#define FINDS(text, ...) FINDS_IN(text, 0, 0, __VA_ARGS__)
#define FINDS_NONE(text) FINDS_NONE_IN(text, 0, 0)
#define FINDS_NONE_IN(text, start, end)                                                            \
    do {                                                                                           \
        parse(text);                                                                               \
        expect(start, end, NULL, 0);                                                               \
    } while (0)

static void expect(gva_t start, gva_t end, const gva_t *wanted, size_t count)
{
    gva_t hits[MOST];
    size_t got = 0;

    ck_assert_int_eq(vm_search_list(vm, pattern, start, end, hits, MOST, &got, &why), ERR_OK);
    for (size_t i = 0; i < got && i < count; i++)
        ck_assert_msg(hits[i] == wanted[i], "hit %zu at 0x%" PRIx64 ", wanted 0x%" PRIx64, i,
                      hits[i], wanted[i]);
    ck_assert_uint_eq(got, count);
}

/* ---- Patterns -------------------------------------------------------------------------------- */

static const struct {
    const char *text;
    size_t len;
    uint8_t value[8], mask[8];
} texts[] = {
    {"90", 1, {0x90}, {0xff}},
    {"48 8b ?? c3", 4, {0x48, 0x8b, 0, 0xc3}, {0xff, 0xff, 0, 0xff}},
    {"488B??C3", 4, {0x48, 0x8b, 0, 0xc3}, {0xff, 0xff, 0, 0xff}},
    {"488b ??c3", 4, {0x48, 0x8b, 0, 0xc3}, {0xff, 0xff, 0, 0xff}},
    {" \t48\n8b ? c3 ", 4, {0x48, 0x8b, 0, 0xc3}, {0xff, 0xff, 0, 0xff}},
    {"? ? e8", 3, {0, 0, 0xe8}, {0, 0, 0xff}},
    {"4? ?8 ?", 3, {0x40, 0x08, 0}, {0xf0, 0x0f, 0}},
    {"e8 ????????", 5, {0xe8, 0, 0, 0, 0}, {0xff, 0, 0, 0, 0}},
};

START_TEST(text_becomes_value_and_mask)
{
    parse(texts[_i].text);
    ck_assert_uint_eq(vm_pattern_size(pattern), texts[_i].len);
    ck_assert_mem_eq(pattern->value, texts[_i].value, texts[_i].len);
    ck_assert_mem_eq(pattern->mask, texts[_i].mask, texts[_i].len);
}
END_TEST

static const struct {
    const char *text;
    enum err e;
    const char *says;
} bad[] = {
    {"", ERR_INVALID, "matches everything"},
    {"  ", ERR_INVALID, "matches everything"},
    {"?? ?", ERR_INVALID, "matches everything"},
    {"4", ERR_FORMAT, "character 1, '4'"},
    {"48 8", ERR_FORMAT, "character 4, '8'"},
    {"48 8b0", ERR_FORMAT, "character 6, '0'"},
    {"48 xyzxyzxyz", ERR_FORMAT, "character 4, 'xyzxyzxy'"},
    {"0x48", ERR_FORMAT, "character 1"},
    {"48,8b", ERR_FORMAT, "character 3"},
    {"48?", ERR_FORMAT, "character 3, '?'"},
    {"48 ??? c3", ERR_FORMAT, "character 6, '? c3'"},
};

START_TEST(other_text_is_refused)
{
    ck_assert_int_eq(vm_pattern_parse(bad[_i].text, &pattern, &why), bad[_i].e);
    ck_assert_msg(strstr(why.text, bad[_i].says) != NULL, "'%s' says: %s", bad[_i].text, why.text);
    ck_assert_ptr_null(pattern);
    ck_assert_int_eq(vm_pattern_parse(bad[_i].text, &pattern, NULL), bad[_i].e);
}
END_TEST

START_TEST(patterns_have_bounds)
{
    uint8_t *bytes = calloc(1, VM_PATTERN_MAX + 1);

    ck_assert_ptr_nonnull(bytes);
    ck_assert_int_eq(vm_pattern_new(bytes, NULL, 0, &pattern, &why), ERR_INVALID);
    ck_assert_int_eq(vm_pattern_new(bytes, bytes, 8, &pattern, &why), ERR_INVALID);
    ck_assert_int_eq(vm_pattern_new(bytes, NULL, VM_PATTERN_MAX + 1, &pattern, &why), ERR_LIMIT);
    ck_assert_int_eq(vm_pattern_new(bytes, NULL, VM_PATTERN_MAX, &pattern, &why), ERR_OK);
    free(bytes);
}
END_TEST

/* Where memmem is asked: the longest stretch without wildcards, but zeros only when there is nothing else. */
static const struct {
    const char *text;
    size_t anchor, len;
} anchors[] = {
    {"48 8b ?? c3", 0, 2},    {"48 ?? 8b c3", 2, 2},    {"48 ?? 8b", 0, 1},
    {"00 00 00 ?? 41", 4, 1}, {"41 ?? 00 00 00", 0, 1}, {"4? 00 ?8 00 00", 3, 2},
    {"4? ?8", 0, 0},
};

START_TEST(a_pattern_is_anchored_where_it_says_most)
{
    parse(anchors[_i].text);
    ck_assert_uint_eq(pattern->anchor, anchors[_i].anchor);
    ck_assert_uint_eq(pattern->anchor_len, anchors[_i].len);
}
END_TEST

/* ---- Pieces of memory ------------------------------------------------------------------------ */

#define PIECE(walk, at, size, is_zero)                                                             \
    do {                                                                                           \
        ck_assert(peek_next(walk));                                                                \
        ck_assert_uint_eq((walk)->addr, at);                                                       \
        ck_assert_uint_eq((walk)->len, size);                                                      \
        ck_assert_int_eq((walk)->bytes == NULL, is_zero);                                          \
    } while (0)

START_TEST(pieces_are_as_large_as_they_lie_together)
{
    struct peek walk;

    build_committed(vm, A, 0x6000);
    write_at(A + 0x1fff, "12", 2); /* pages 1 and 2: frames in a row */
    write_at(A + 0x4000, "4", 1);  /* page 4 */
    write_at(A + 0x3000, "3", 1);  /* page 3: its frame is behind that of page 4 */
    build_committed(vm, B, 0x1000);
    peek_init(&walk, vm, 0, UINT64_MAX);
    PIECE(&walk, A, 0x1000, true);
    PIECE(&walk, A + 0x1000, 0x2000, false);
    ck_assert_mem_eq(walk.bytes + 0xfff, "12", 2);
    PIECE(&walk, A + 0x3000, 0x1000, false);
    PIECE(&walk, A + 0x4000, 0x1000, false);
    PIECE(&walk, A + 0x5000, 0x1000, true);
    PIECE(&walk, B, 0x1000, true);
    ck_assert(!peek_next(&walk));
    ck_assert(!peek_next(&walk));
}
END_TEST

START_TEST(pieces_end_where_the_range_does)
{
    struct peek walk;

    build_committed(vm, A, 0x3000);
    write_at(A + 0x1000, "x", 1);
    peek_init(&walk, vm, A + 0x234, A + 0x1235);
    PIECE(&walk, A + 0x234, 0xdcc, true);
    PIECE(&walk, A + 0x1000, 0x235, false);
    ck_assert(!peek_next(&walk));
    peek_init(&walk, vm, A + 0x1001, A + 0x1003);
    PIECE(&walk, A + 0x1001, 2, false);
    ck_assert_int_eq(walk.bytes[-1], 'x');
    ck_assert(!peek_next(&walk));
    peek_init(&walk, vm, A, A);
    ck_assert(!peek_next(&walk));
}
END_TEST

/* ---- Searching ------------------------------------------------------------------------------- */

START_TEST(hits_overlap)
{
    build_committed(vm, A, 0x1000);
    write_at(A + 0x10, "aaaa", 4);
    FINDS("61 61", A + 0x10, A + 0x11, A + 0x12);
    FINDS("61 ?? 61", A + 0x10, A + 0x11);
    FINDS("61 61 61 61", A + 0x10);
    FINDS_NONE("61 61 61 61 61");
}
END_TEST

START_TEST(wildcards_and_masks_are_obeyed)
{
    build_committed(vm, A, 0x1000);
    write_at(A + 0x10, "\x48\x8b\x05\xc3\x48\x8b\x0d\xc4\x4f\x8b\x05\xc3", 12);
    FINDS("48 8b ?? c3", A + 0x10);
    FINDS("4? 8b ? c3", A + 0x10, A + 0x18);
    FINDS("48 8b ?? c?", A + 0x10, A + 0x14);
    FINDS("?? ?b ?5 c3", A + 0x10, A + 0x18);
    FINDS("?? ?? 0? c3", A + 0x10, A + 0x18);
    FINDS("48 8b ?? c3 ?? ?? ?? ?? ?? ?? ?? c3", A + 0x10);
    FINDS_NONE("48 8b ?? c3 ?? ?? ?? ?? ?? ?? ?? c2");
}
END_TEST

START_TEST(any_bit_may_count)
{
    static const uint8_t value[] = {0xff, 0x01}, mask[] = {0x80, 0x81};

    build_committed(vm, A, 0x1000);
    write_at(A + 0x10, "\x80\x01\xff\x7f\x80\x02\x80\x81", 8);
    ck_assert_int_eq(vm_pattern_new(value, mask, 2, &pattern, &why), ERR_OK);
    expect(0, 0, (const gva_t[]){A + 0x10, A + 0x12}, 2);
}
END_TEST

START_TEST(hits_cross_pages_and_allocations_that_touch)
{
    build_committed(vm, A, 0x10000);
    build_committed(vm, B, 0x10000);
    write_at(B - 3, "needle", 6);      /* two allocations */
    write_at(A + 0x2fff, "needle", 6); /* two pages, their frames not in a row */
    write_at(A + 0x7ffe, "needle", 6); /* in a row */
    FINDS("6e 65 65 64 6c 65", A + 0x2fff, A + 0x7ffe, B - 3);
    FINDS("6e 65 ?? ?? 6c 65", A + 0x2fff, A + 0x7ffe, B - 3);
    FINDS("64 6c 65", A + 0x3002, A + 0x8001, B);
}
END_TEST

START_TEST(a_hit_may_cover_many_pages)
{
    static uint8_t wide[0x3800];

    build_committed(vm, A, 0x10000);
    for (size_t i = 0; i < sizeof wide; i++)
        wide[i] = (uint8_t)(1 + i % 251);
    for (gva_t at = 0x9000; at > 0; at -= 0x1000) /* frames in the wrong order */
        write_at(A + at, "\0", 1);
    write_at(A + 0x1801, (const char *)wide, sizeof wide);
    ck_assert_int_eq(vm_pattern_new(wide, NULL, sizeof wide, &pattern, &why), ERR_OK);
    expect(0, 0, (const gva_t[]){A + 0x1801}, 1);
    write_at(A + 0x1801 + 0x3000, "\0", 1);
    expect(0, 0, NULL, 0);
}
END_TEST

START_TEST(gaps_are_not_crossed)
{
    build_committed(vm, A, 0x1000);
    build_reserved(vm, B, 0x10000);
    build_memory(vm, B, 0x1000, MEM_COMMIT, PAGE_READWRITE);
    build_memory(vm, B + 0x2000, 0x1000, MEM_COMMIT, PAGE_READWRITE);
    write_at(A + 0xffd, "nee", 3);
    write_at(B + 0xffd, "nee", 3);
    write_at(B + 0x2000, "dle", 3);
    FINDS_NONE("6e 65 65 64 6c 65");
    FINDS_NONE("6e 65 65 ??");
    FINDS("6e 65 65", A + 0xffd, B + 0xffd);
}
END_TEST

START_TEST(untouched_memory_is_zero_and_stays_untouched)
{
    struct vm_stats before, after;

    build_committed(vm, A, 0x10000);
    write_at(A + 0x5000, "x", 1);
    vm_get_stats(vm, &before);
    FINDS("00 00 00 00 78", A + 0x4ffc); /* starts in an untouched page */
    FINDS("78 00 ?? 00", A + 0x5000);
    FINDS_IN("00 00 00", A + 0x1ffe, A + 0x2003, A + 0x1ffe, A + 0x1fff, A + 0x2000);
    FINDS_IN("0? 00", A, A + 3, A, A + 1);
    FINDS_IN("00", A + 0x4ffe, A + 0x5002, A + 0x4ffe, A + 0x4fff, A + 0x5001);
    FINDS_NONE("00 01");
    vm_get_stats(vm, &after);
    ck_assert_uint_eq(before.resident, after.resident);
}
END_TEST

START_TEST(a_gigabyte_never_touched_costs_nothing)
{
    struct vm *large = build_vm(0);

    vm_free(vm);
    vm = large;
    build_committed(vm, 0x10000000, UINT64_C(8) << 30);
    write_at(0x10000000 + (UINT64_C(5) << 30), "needle", 6);
    FINDS("6e 65 65 64 6c 65", 0x10000000 + (UINT64_C(5) << 30));
    FINDS("00 6e 65 65 64", 0x10000000 + (UINT64_C(5) << 30) - 1);
    FINDS_NONE("4? ?8 01");
}
END_TEST

START_TEST(protection_does_not_count)
{
    build_committed(vm, A, 0x3000);
    write_at(A + 0x0fff, "needle", 6);
    write_at(A + 0x1fff, "needle", 6);
    ck_assert_uint_eq(try_protect(vm, A, 0x1000, PAGE_NOACCESS), STATUS_SUCCESS);
    ck_assert_uint_eq(try_protect(vm, A + 0x1000, 0x1000, PAGE_READWRITE | PAGE_GUARD),
                      STATUS_SUCCESS);
    FINDS("6e 65 65 64 6c 65", A + 0xfff, A + 0x1fff);
    ck_assert_uint_eq(region_at(vm, A + 0x1000).protect, PAGE_READWRITE | PAGE_GUARD);
}
END_TEST

START_TEST(a_range_bounds_whole_hits)
{
    build_committed(vm, A, 0x10000);
    write_at(A + 0xffe, "abcd", 4);
    FINDS_IN("61 62 63 64", A + 0xffe, A + 0x1002, A + 0xffe);
    FINDS_NONE_IN("61 62 63 64", A + 0xfff, A + 0x1002);
    FINDS_NONE_IN("61 62 63 64", A + 0xffe, A + 0x1001);
    FINDS_IN("61", A, UINT64_MAX, A + 0xffe);
    FINDS_IN("61", A, 0, A + 0xffe);
    FINDS_NONE_IN("61", VM_USER_LIMIT_64, 0);
    FINDS_NONE_IN("61", VM_USER_LIMIT_64, UINT64_MAX);
}
END_TEST

START_TEST(a_range_the_wrong_way_is_refused)
{
    gva_t hit;
    size_t count = 7;

    parse("61");
    ck_assert_int_eq(vm_search_list(vm, pattern, 5, 5, &hit, 1, &count, &why), ERR_INVALID);
    ck_assert_int_eq(vm_search_list(vm, pattern, 6, 5, &hit, 1, &count, &why), ERR_INVALID);
    ck_assert_str_eq(why.text, "search: 0x6 is not below 0x5");
    ck_assert_int_eq(vm_search_list(vm, pattern, 0, 0, &hit, 0, &count, &why), ERR_INVALID);
    ck_assert_uint_eq(count, 7);
}
END_TEST

/* Counts hits, and ends the search at one of them. */
struct counter {
    size_t count;
    size_t last;
};

static bool count_hit(void *ctx, gva_t addr)
{
    struct counter *c = ctx;

    (void)addr;
    return ++c->count != c->last;
}

START_TEST(a_search_ends_when_the_caller_has_enough)
{
    build_committed(vm, A, 0x3000);
    for (gva_t at = 0; at < 0x10; at++)
        write_at(A + 0xff8 + at, "a", 1);
    parse("61 61");
    for (size_t last = 1; last <= 15; last++) { /* inside a piece, in the seam, behind it */
        struct counter c = {0, last};

        ck_assert_int_eq(vm_search(vm, pattern, 0, 0, count_hit, &c, &why), ERR_OK);
        ck_assert_uint_eq(c.count, last);
    }
    parse("00"); /* in untouched memory */
    for (size_t last = 0x1000; last < 0x1003; last++) {
        struct counter c = {0, last};

        ck_assert_int_eq(vm_search(vm, pattern, 0, 0, count_hit, &c, &why), ERR_OK);
        ck_assert_uint_eq(c.count, last);
    }
}
END_TEST

START_TEST(a_list_takes_no_more_than_fit)
{
    gva_t hits[3] = {0, 0, 7};
    size_t count = 0;

    build_committed(vm, A, 0x1000);
    write_at(A, "aaaa", 4);
    parse("61");
    ck_assert_int_eq(vm_search_list(vm, pattern, 0, 0, hits, 2, &count, &why), ERR_OK);
    ck_assert_uint_eq(count, 2);
    ck_assert_uint_eq(hits[1], A + 1);
    ck_assert_uint_eq(hits[2], 7);
}
END_TEST

static enum err parse_again(void)
{
    vm_pattern_free(pattern);
    pattern = NULL;
    return vm_pattern_parse("48 8b ?? c3", &pattern, NULL);
}

static enum err search_again(void)
{
    struct counter c = {0, 0};

    return vm_search(vm, pattern, 0, 0, count_hit, &c, NULL);
}

START_TEST(a_host_out_of_memory_is_told)
{
    enum err e;

    build_committed(vm, A, 0x1000);
    ALLOC_FAIL_EACH(e, parse_again(), ERR_NOMEM, ERR_OK);
    ALLOC_FAIL_EACH(e, search_again(), ERR_NOMEM, ERR_OK);
}
END_TEST

static void add_searches(TCase *tc)
{
    tcase_add_test(tc, hits_overlap);
    tcase_add_test(tc, wildcards_and_masks_are_obeyed);
    tcase_add_test(tc, any_bit_may_count);
    tcase_add_test(tc, hits_cross_pages_and_allocations_that_touch);
    tcase_add_test(tc, a_hit_may_cover_many_pages);
    tcase_add_test(tc, gaps_are_not_crossed);
    tcase_add_test(tc, untouched_memory_is_zero_and_stays_untouched);
    tcase_add_test(tc, a_gigabyte_never_touched_costs_nothing);
    tcase_add_test(tc, protection_does_not_count);
    tcase_add_test(tc, a_range_bounds_whole_hits);
    tcase_add_test(tc, a_range_the_wrong_way_is_refused);
    tcase_add_test(tc, a_search_ends_when_the_caller_has_enough);
    tcase_add_test(tc, a_list_takes_no_more_than_fit);
    tcase_add_test(tc, a_host_out_of_memory_is_told);
}

int main(void)
{
    Suite *suite = suite_create("search");
    TCase *tc = tcase_create("search");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, text_becomes_value_and_mask, 0, COUNT_OF(texts));
    tcase_add_loop_test(tc, other_text_is_refused, 0, COUNT_OF(bad));
    tcase_add_test(tc, patterns_have_bounds);
    tcase_add_loop_test(tc, a_pattern_is_anchored_where_it_says_most, 0, COUNT_OF(anchors));
    tcase_add_test(tc, pieces_are_as_large_as_they_lie_together);
    tcase_add_test(tc, pieces_end_where_the_range_does);
    add_searches(tc);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
