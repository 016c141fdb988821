/*
 * Pages of views, as fill.c, copy.c, peek.c and protect.c treat them: shared, copied when written, searched, explained.
 * Rules M10, M23..M27 of NT-MEMORY-RULES.
 */
#include <check.h>
#include <string.h>

#include "suite.h"
#include "vm/section.h"
#include "view_fixture.h"
#include "winstub/buf.h"
#include "winstub/extent.h"
#include "winstub/search.h"

#define A  UINT64_C(0x200000)
#define B  UINT64_C(0x400000)
#define C  UINT64_C(0x600000)
#define RW PAGE_READWRITE

static struct {
    unsigned revoked;
    unsigned changed;
} heard;

static void on_revoked(void *ctx, gva_t start, gva_t end)
{
    (void)ctx;
    heard.revoked += start < end;
}

static void on_changed(void *ctx, uint64_t offset)
{
    (void)ctx;
    (void)offset;
    heard.changed++;
}

static void setup(void)
{
    struct vm_observer observer = {.revoked = on_revoked, .frame_changed = on_changed};

    view_setup();
    vm_set_observer(vm, &observer);
}

static struct vm_fill filled(gva_t page, enum vm_access want)
{
    struct vm_fill f;

    ck_assert_int_eq(vm_fill(vm, page, want, &f), VM_FAULT_NONE);
    return f;
}

/* ---- Sharing ---------------------------------------------------------------------------------- */

START_TEST(M10_two_views_same_bytes)
{
    build_view(vm, s, A, 0, 0, RW);
    build_view(vm, s, B, 0, 0, RW);
    store_byte(vm, A + 0x12345, 'a');
    ck_assert_uint_eq(byte_at(vm, B + 0x12345), 'a');
    ck_succeeds(vm_write(vm, B + 0x12346, "b", 1));
    ck_assert_uint_eq(byte_at(vm, A + 0x12346), 'b');
    ck_assert(vm_debug_write(vm, A + 0x2fff, "cd", 2));
    ck_assert_uint_eq(byte_at(vm, B + 0x3000), 'd');
    ck_assert_uint_eq(filled(A + 0x12000, VM_READ).offset, filled(B + 0x12000, VM_WRITE).offset);
    ck_assert_uint_eq(filled(A + 0x7000, VM_READ).access, VM_READ | VM_WRITE);
    ck_assert_uint_eq(heard.revoked, 0); /* nothing was promised that does not hold */
}
END_TEST

START_TEST(partial_views)
{
    build_view(vm, s, A, 0x10000, 0x10000, RW);
    build_view(vm, s, B, 0x20000, 1, RW);
    build_view(vm, s, C, 0, 0, RW);
    store_byte(vm, C + 0x1ffff, 'x');
    store_byte(vm, C + 0x20000, 'y');
    ck_assert_uint_eq(byte_at(vm, A + 0xffff), 'x');
    ck_assert_uint_eq(byte_at(vm, B), 'y');
    ck_assert_uint_eq(region_at(vm, A).allocation_size, 0x10000);
    ck_assert_uint_eq(region_at(vm, B).allocation_size, 0x1000);
    ck_assert_uint_eq(region_at(vm, B).type, MEM_MAPPED);
    ck_assert_uint_eq(region_at(vm, A + 0x10000).state, MEM_FREE);
}
END_TEST

START_TEST(host_writes_through_a_readonly_view_stay_there)
{
    use(build_file_section(vm, &file, RW));
    build_view(vm, s, A, 0, 0, RW);
    build_view(vm, s, B, 0, 0, PAGE_READONLY);
    ck_assert(vm_debug_write(vm, B, "dbg", 3));
    ck_assert_uint_eq(byte_at(vm, B), 'd');
    ck_assert_uint_eq(byte_at(vm, A), 'f');
    ck_assert_uint_eq(protect_at(B), PAGE_READONLY);
    store_byte(vm, A + 1, 'g'); /* the page of B is its own by now */
    ck_assert_uint_eq(byte_at(vm, B + 1), 'b');
    ck_succeeds(try_protect(vm, A + 0x1000, 0x1000, PAGE_READONLY));
    ck_assert(vm_debug_write(vm, A + 0x1000, "x", 1)); /* a view that writes keeps doing so */
    ck_assert_uint_eq(byte_at(vm, B + 0x1000), 'x');
}
END_TEST

START_TEST(services_obey_protection)
{
    build_view(vm, s, A, 0, 0, RW);
    build_view(vm, s, B, 0, 0, PAGE_READONLY);
    build_view(vm, s, C, 0, 0, PAGE_WRITECOPY);
    ck_status(vm_write(vm, B, "x", 1), STATUS_ACCESS_VIOLATION);
    heard.revoked = 0;
    ck_succeeds(vm_write(vm, C + 0xfff, "yz", 2));
    ck_assert_uint_eq(heard.revoked, 2); /* both pages have another frame now */
    ck_assert_uint_eq(byte_at(vm, A + 0xfff), 0);
    ck_assert_uint_eq(byte_at(vm, C + 0x1000), 'z');
    ck_assert_uint_eq(protect_at(C), RW);
    ck_assert_uint_eq(region_at(vm, C).size, 0x2000);
}
END_TEST

static bool count_hit(void *ctx, gva_t addr)
{
    (void)addr;
    ++*(unsigned *)ctx;
    return true;
}

START_TEST(search_sees_every_view)
{
    struct vm_pattern *p = NULL;
    unsigned hits = 0;

    build_view(vm, s, A, 0, 0, RW);
    build_view(vm, s, B, 0, 0, PAGE_WRITECOPY);
    ck_assert(vm_debug_write(vm, A + 0x1ffe, "needle", 6)); /* across frames */
    ck_assert(vm_debug_write(vm, B + 0x5ffe, "needle", 6)); /* in pages of its own */
    ck_assert_int_eq(vm_pattern_new((const uint8_t *)"needle", NULL, 6, &p, NULL), ERR_OK);
    ck_assert_int_eq(vm_search(vm, p, 0, 0, count_hit, &hits, NULL), ERR_OK);
    vm_pattern_free(p);
    ck_assert_uint_eq(hits, 3);
}
END_TEST

START_TEST(search_passes_pages_that_cannot_be_read)
{
    struct vm_pattern *p = NULL;
    unsigned hits = 0;

    use(build_file_section(vm, &file, RW));
    build_view(vm, s, A, 0, 0, RW);
    store_byte(vm, A + 0x3000, 'n');
    file.broken = true;
    ck_assert_int_eq(vm_pattern_new((const uint8_t *)"nff", NULL, 3, &p, NULL), ERR_OK);
    ck_assert_int_eq(vm_search(vm, p, 0, 0, count_hit, &hits, NULL), ERR_OK);
    vm_pattern_free(p);
    ck_assert_uint_eq(hits, 1);
}
END_TEST

START_TEST(explanations_name_the_kind)
{
    struct buf out;

    buf_init(&out, 4096);
    build_view(vm, s, A, 0, 0, PAGE_READONLY);
    vm_explain(vm, A, VM_WRITE, &out);
    ck_assert_str_eq(buf_str(&out), "read-only memory in pagefile view 0x200000 (view)");
    ck_assert_int_eq(vm_kind_at(vm, A), VM_KIND_PAGEFILE_VIEW);
    use(build_file_section(vm, &file, PAGE_READONLY));
    build_view(vm, s, B, 0, 0, PAGE_READONLY);
    buf_clear(&out);
    vm_explain(vm, B, VM_WRITE, &out);
    ck_assert_str_eq(buf_str(&out), "read-only memory in file view 0x400000 (view)");
    ck_assert_int_eq(vm_kind_at(vm, B), VM_KIND_FILE_VIEW);
    buf_fini(&out);
}
END_TEST

/* ---- Protection ------------------------------------------------------------------------------- */

START_TEST(M23_protect_within_the_views_access)
{
    build_view(vm, s, A, 0, 0, RW);
    ck_succeeds(try_protect(vm, A, 0x1000, PAGE_READONLY));
    ck_succeeds(try_protect(vm, A, 0x1000, PAGE_NOACCESS));
    ck_succeeds(try_protect(vm, A, 0x1000, RW));
    ck_assert_uint_eq(protect_at(A), RW);
    ck_refused(try_protect(vm, A, 0x1000, PAGE_EXECUTE_READ), STATUS_SECTION_PROTECTION);
    build_view(vm, s, B, 0, 0, PAGE_READONLY);
    ck_refused(try_protect(vm, B, 0x1000, RW), STATUS_SECTION_PROTECTION);
    ck_succeeds(try_protect(vm, B, 0x1000, PAGE_WRITECOPY));
    store_byte(vm, B, 'b');
    ck_assert_uint_eq(byte_at(vm, A), 0);
}
END_TEST

START_TEST(M24_first_write_of_a_writecopy_view)
{
    uint64_t version;

    use(build_file_section(vm, &file, PAGE_WRITECOPY));
    build_view(vm, s, A, 0, 0, PAGE_WRITECOPY);
    build_view(vm, s, B, 0, 0, PAGE_WRITECOPY);
    ck_assert_uint_eq(filled(A + 0x1000, VM_READ).access, VM_READ);
    version = vm_layout_version(vm);
    store_byte(vm, A + 0x1000, 'x');
    ck_assert_uint_gt(vm_layout_version(vm), version);
    ck_assert_uint_eq(protect_at(A), PAGE_WRITECOPY);
    ck_assert_uint_eq(protect_at(A + 0x1000), RW);
    ck_assert_uint_eq(protect_at(A + 0x2000), PAGE_WRITECOPY);
    ck_assert_uint_eq(byte_at(vm, A + 0x1001), 'f');
    ck_assert_uint_eq(byte_at(vm, B + 0x1000), 'f');
    ck_succeeds(vm_section_flush(vm, A, 0));
    ck_assert_uint_eq(file.bytes[0x1000], 'f');
    use(build_section(vm, 0x2000, PAGE_EXECUTE_READWRITE, SEC_COMMIT));
    build_view(vm, s, C, 0, 0, PAGE_EXECUTE_WRITECOPY);
    store_byte(vm, C, 1);
    ck_assert_uint_eq(protect_at(C), PAGE_EXECUTE_READWRITE);
    ck_assert_uint_eq(protect_at(C + 0x1000), PAGE_EXECUTE_WRITECOPY);
}
END_TEST

START_TEST(M25_writecopy_of_a_written_page)
{
    build_view(vm, s, A, 0, 0, PAGE_WRITECOPY);
    store_byte(vm, A, 1);
    ck_succeeds(try_protect(vm, A, 0x2000, PAGE_READONLY));
    ck_succeeds(try_protect(vm, A, 0x2000, PAGE_WRITECOPY));
    ck_assert_uint_eq(protect_at(A), RW);
    ck_assert_uint_eq(protect_at(A + 0x1000), PAGE_WRITECOPY);
    ck_assert_uint_eq(byte_at(vm, A), 1);
}
END_TEST

START_TEST(guards_are_a_views_own)
{
    struct vm_fill f;

    build_view(vm, s, A, 0, 0, RW);
    build_view(vm, s, B, 0, 0, RW);
    ck_succeeds(try_protect(vm, A, 0x1000, RW | PAGE_GUARD));
    ck_assert_int_eq(vm_fill(vm, A, VM_READ, &f), VM_FAULT_GUARD);
    store_byte(vm, B, 'b');
    ck_assert(vm_clear_guard(vm, A));
    ck_assert_uint_eq(byte_at(vm, A), 'b');
    store_byte(vm, A, 'a');
    ck_assert_uint_eq(byte_at(vm, B), 'a');
}
END_TEST

/* ---- Images ----------------------------------------------------------------------------------- */

static struct vm_section *image_section(void)
{
    static const struct vm_image_run runs[] = {{0, 0x1000, PAGE_READONLY, "header"},
                                               {0x1000, 0x1000, PAGE_WRITECOPY, ".data"},
                                               {0x2000, 0x1000, RW, ".shared"},
                                               {0x3000, 0x1000, PAGE_WRITECOPY, ".bss"}};
    static uint8_t bytes[0x4000];
    struct vm_image image = {
        .size = sizeof bytes, .bytes = bytes, .runs = runs, .run_count = 4, .path = "C:\\a.dll"};
    struct vm_section *section = NULL;

    memset(bytes, 'i', 0x3000);
    ck_succeeds(vm_section_new_image(vm, &image, &section));
    return section;
}

START_TEST(M26_views_of_one_image_share_frames)
{
    struct vm_stats stats;

    use(image_section());
    build_view(vm, s, A, 0, 0, 0);
    build_view(vm, s, B, 0, 0, 0);
    ck_assert_uint_eq(region_at(vm, B).type, MEM_IMAGE);
    ck_assert_uint_eq(region_at(vm, B).allocation_protect, PAGE_EXECUTE_WRITECOPY);
    ck_assert_uint_eq(region_at(vm, B).protect, PAGE_READONLY);
    ck_assert_str_eq(region_at(vm, B + 0x1000).label, ".data");
    ck_assert_uint_eq(filled(A, VM_READ).offset, filled(B, VM_READ).offset);
    vm_get_stats(vm, &stats);
    ck_assert_uint_eq(stats.resident, 0x3000);
    ck_assert_uint_eq(stats.shared, 0x3000);
    store_byte(vm, A + 0x1000, 'a');
    ck_assert_uint_eq(byte_at(vm, B + 0x1000), 'i');
    ck_assert_uint_eq(protect_at(A + 0x1000), RW);
    ck_assert_uint_eq(protect_at(B + 0x1000), PAGE_WRITECOPY);
    store_byte(vm, A + 0x3000, 'a'); /* a page of zeros */
    ck_assert_uint_eq(byte_at(vm, B + 0x3000), 0);
    ck_refused(try_view(vm, s, 0, 0x10000, 0, 0), STATUS_INVALID_VIEW_SIZE);
}
END_TEST

START_TEST(a_section_that_an_image_shares)
{
    use(image_section());
    build_view(vm, s, A, 0, 0, 0);
    build_view(vm, s, B, 0, 0, 0);
    store_byte(vm, A + 0x2000, 's');
    ck_assert_uint_eq(byte_at(vm, B + 0x2000), 's');
    ck_assert_uint_eq(protect_at(A + 0x2000), RW);
    ck_assert(vm_debug_write(vm, B + 0x2001, "t", 1));
    ck_assert_uint_eq(byte_at(vm, A + 0x2001), 't');
}
END_TEST

START_TEST(image_pages_follow_the_debugger)
{
    use(image_section());
    build_view(vm, s, A, 0, 0, 0);
    build_view(vm, s, B, 0, 0, 0);
    heard.revoked = heard.changed = 0;
    ck_assert(vm_debug_write(vm, A + 0xfff, "dd", 2));
    ck_assert_uint_eq(heard.revoked, 2);
    ck_assert_uint_eq(heard.changed, 2);
    ck_assert_uint_eq(byte_at(vm, B + 0xfff), 'i');
    ck_assert_uint_eq(protect_at(A), PAGE_READONLY);
    ck_assert_uint_eq(protect_at(A + 0x1000), RW);
}
END_TEST

static void add_sharing(TCase *tc)
{
    tcase_add_test(tc, M10_two_views_same_bytes);
    tcase_add_test(tc, partial_views);
    tcase_add_test(tc, host_writes_through_a_readonly_view_stay_there);
    tcase_add_test(tc, services_obey_protection);
    tcase_add_test(tc, search_sees_every_view);
    tcase_add_test(tc, search_passes_pages_that_cannot_be_read);
    tcase_add_test(tc, explanations_name_the_kind);
    tcase_add_test(tc, M26_views_of_one_image_share_frames);
    tcase_add_test(tc, a_section_that_an_image_shares);
    tcase_add_test(tc, image_pages_follow_the_debugger);
}

static void add_protection(TCase *tc)
{
    tcase_add_test(tc, M23_protect_within_the_views_access);
    tcase_add_test(tc, M24_first_write_of_a_writecopy_view);
    tcase_add_test(tc, M25_writecopy_of_a_written_page);
    tcase_add_test(tc, guards_are_a_views_own);
}

int main(void)
{
    Suite *suite = suite_create("view_pages");
    TCase *tc = tcase_create("views");

    tcase_add_checked_fixture(tc, setup, view_teardown);
    add_sharing(tc);
    add_protection(tc);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
