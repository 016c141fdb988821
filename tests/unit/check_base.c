/* core/base: errors, logs, bounded bytes, growable buffers, NT names. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "suite.h"
#include "winstub/buf.h"
#include "winstub/bytes.h"
#include "winstub/log.h"
#include "winstub/nt.h"

static const uint8_t sample[] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
static const struct bytes view = {sample, sizeof sample};

START_TEST(every_error_has_a_text)
{
    for (unsigned e = 0; e < ERR_COUNT; e++)
        ck_assert_str_ne(err_text((enum err)e), "unknown error");
    ck_assert_str_eq(err_text((enum err)9999), "unknown error");
}
END_TEST

START_TEST(diag_is_cut_and_null_is_taken)
{
    char longer[2000];
    struct diag d;

    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = 0;
    ck_assert_int_eq(diag_set(&d, ERR_IO, "%s", longer), ERR_IO);
    ck_assert_uint_eq(strlen(d.text), sizeof d.text - 1);
    ck_assert_int_eq(diag_set(NULL, ERR_IO, "nobody reads this"), ERR_IO);
}
END_TEST

START_TEST(channels_switch_on_together_or_not_at_all)
{
    struct diag d;

    log_mask = 0;
    ck_assert_int_eq(log_enable("vm,nothing", &d), ERR_NOT_FOUND);
    ck_assert_uint_eq(log_mask, 0);
    ck_assert_int_eq(log_enable("vm,cpu", &d), ERR_OK);
    ck_assert_uint_eq(log_mask, 1u << LOG_vm | 1u << LOG_cpu);
    ck_assert_int_eq(log_enable("all", &d), ERR_OK);
    ck_assert_uint_eq(log_mask, (1u << LOG_COUNT) - 1);
    ck_assert_int_eq(log_enable("", &d), ERR_NOT_FOUND);
    log_mask = 0;
}
END_TEST

START_TEST(numbers_are_little_endian)
{
    uint8_t b;
    uint16_t h;
    uint32_t w;
    uint64_t d;

    ck_assert(bytes_u8(view, 8, &b) && b == 9);
    ck_assert(bytes_u16(view, 0, &h) && h == 0x0201);
    ck_assert(bytes_u32(view, 5, &w) && w == 0x09080706);
    ck_assert(bytes_u64(view, 1, &d) && d == 0x0908070605040302);
}
END_TEST

START_TEST(reads_past_the_end_fail_and_change_nothing)
{
    uint8_t b = 77;
    uint16_t h = 77;
    uint32_t w = 77;
    uint64_t d = 77;

    ck_assert(!bytes_u8(view, 9, &b) && b == 77);
    ck_assert(!bytes_u16(view, 8, &h) && h == 77);
    ck_assert(!bytes_u32(view, 6, &w) && w == 77);
    ck_assert(!bytes_u64(view, 2, &d) && d == 77);
    ck_assert(!bytes_u64(view, UINT64_MAX, &d) && d == 77);
}
END_TEST

START_TEST(ranges_do_not_wrap)
{
    ck_assert(bytes_has(view, 9, 0));
    ck_assert(!bytes_has(view, 10, 0));
    ck_assert(!bytes_has(view, 1, UINT64_MAX));
    ck_assert(!bytes_has(view, UINT64_MAX, 2));
    ck_assert_ptr_null(bytes_slice(view, 4, 6).data);
    ck_assert_uint_eq(bytes_slice(view, 4, 5).len, 5);
}
END_TEST

START_TEST(stores_round_trip)
{
    uint8_t at[8];

    put_u64(at, 0x1122334455667788);
    ck_assert_uint_eq(get_u64(at), 0x1122334455667788);
    ck_assert_uint_eq(get_u32(at), 0x55667788);
    ck_assert_uint_eq(get_u16(at + 6), 0x1122);
}
END_TEST

START_TEST(buffer_keeps_its_contents_when_the_limit_is_met)
{
    struct buf b;

    buf_init(&b, 10);
    ck_assert(buf_text(&b, "12345678"));
    ck_assert(!buf_text(&b, "abc"));
    ck_assert(b.failed);
    ck_assert_str_eq(buf_str(&b), "12345678");
    ck_assert(!buf_byte(&b, 'x')); /* sticky */
    buf_clear(&b);
    ck_assert(buf_text(&b, "1234567890"));
    ck_assert(!buf_printf(&b, "%d", 1));
    ck_assert_uint_eq(b.len, 10);
    buf_fini(&b);
}
END_TEST

START_TEST(buffer_formats_extends_and_consumes)
{
    struct buf b;
    uint8_t *room;

    buf_init(&b, 1000);
    ck_assert_str_eq(buf_str(&b), "");
    ck_assert(buf_printf(&b, "%03d|", 7));
    room = buf_extend(&b, 2);
    ck_assert_ptr_nonnull(room);
    ck_assert_uint_eq(room[0], 0);
    memcpy(room, "ab", 2);
    ck_assert_str_eq(buf_str(&b), "007|ab");
    buf_consume(&b, 4);
    ck_assert_str_eq(buf_str(&b), "ab");
    buf_consume(&b, 2);
    ck_assert_uint_eq(b.len, 0);
    buf_fini(&b);
}
END_TEST

START_TEST(files_are_read_whole_or_refused)
{
    struct diag why;
    struct buf b;

    buf_init(&b, 1 << 20);
    ck_assert_int_eq(buf_read_file(&b, TEST_DIR "/unit/check_base.c", &why), ERR_OK);
    ck_assert_ptr_nonnull(strstr(buf_str(&b), "files_are_read_whole_or_refused"));
    buf_clear(&b);
    ck_assert_int_eq(buf_read_file(&b, TEST_DIR "/no such file", &why), ERR_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(why.text, "no such file"));
    ck_assert_int_eq(buf_read_file(&b, TEST_DIR, &why), ERR_IO);
    ck_assert_ptr_nonnull(strstr(why.text, "directory"));
    buf_fini(&b);
    buf_init(&b, 100);
    ck_assert_int_eq(buf_read_file(&b, TEST_DIR "/unit/check_base.c", &why), ERR_LIMIT);
    buf_fini(&b);
}
END_TEST

START_TEST(statuses_have_names)
{
    ck_assert_str_eq(nt_text(STATUS_SUCCESS), "STATUS_SUCCESS");
    ck_assert_str_eq(nt_text(STATUS_CONFLICTING_ADDRESSES), "STATUS_CONFLICTING_ADDRESSES");
    ck_assert_str_eq(nt_text(0xdeadbeef), "NTSTATUS");
    ck_assert(NT_SUCCESS(STATUS_IMAGE_NOT_AT_BASE));
    ck_assert(!NT_SUCCESS(STATUS_GUARD_PAGE_VIOLATION));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("base");
    TCase *tc = tcase_create("base");

    tcase_add_test(tc, every_error_has_a_text);
    tcase_add_test(tc, diag_is_cut_and_null_is_taken);
    tcase_add_test(tc, channels_switch_on_together_or_not_at_all);
    tcase_add_test(tc, numbers_are_little_endian);
    tcase_add_test(tc, reads_past_the_end_fail_and_change_nothing);
    tcase_add_test(tc, ranges_do_not_wrap);
    tcase_add_test(tc, stores_round_trip);
    tcase_add_test(tc, buffer_keeps_its_contents_when_the_limit_is_met);
    tcase_add_test(tc, buffer_formats_extends_and_consumes);
    tcase_add_test(tc, files_are_read_whole_or_refused);
    tcase_add_test(tc, statuses_have_names);
    suite_add_tcase(s, tc);
    return suite_main(s);
}
