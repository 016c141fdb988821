/* core/vm/transfer.c and strings.c: values in and out of guest memory, and what is said when one cannot be moved. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "alloc_fail.h"
#include "suite.h"
#include "vm_builder.h"
#include "winstub/buf.h"
#include "winstub/transfer.h"

#define A   UINT64_C(0x20000) /* [A, END) committed, two allocations that touch; free behind */
#define END (A + 0x20000)

static struct vm *vm;
static struct vm_denial denial;
static struct buf out;

static void setup(void)
{
    vm = build_vm(64);
    build_committed(vm, A, 0x10000);
    build_committed(vm, A + 0x10000, 0x10000);
    buf_init(&out, 4096);
    memset(&denial, 0, sizeof denial);
}

static void teardown(void)
{
    ck_assert(vm_valid(vm));
    buf_fini(&out);
    vm_free(vm);
}

#define OK(call) ck_assert_int_eq(call, ERR_OK)
#define DENIED(e, at, call)                                                                        \
    do {                                                                                           \
        ck_assert_int_eq(call, e);                                                                 \
        ck_assert_uint_eq(denial.address, at);                                                     \
    } while (0)

/* ---- Ranges ---------------------------------------------------------------------------------- */

START_TEST(a_range_may_lie_in_several_allocations)
{
    uint8_t in[0x2000], back[sizeof in];

    memset(in, 0xa5, sizeof in);
    OK(vm_write_bytes(vm, A + 0xf000, in, sizeof in, &denial));
    OK(vm_read_bytes(vm, A + 0xf000, back, sizeof back, &denial));
    ck_assert_mem_eq(in, back, sizeof in);
    OK(vm_read_bytes(vm, END, back, 0, &denial));
    OK(vm_write_bytes(vm, END, in, 0, &denial));
}
END_TEST

START_TEST(protection_does_not_count)
{
    uint8_t byte = 0x5a;

    ck_assert_uint_eq(try_protect(vm, A, 0x1000, PAGE_NOACCESS), STATUS_SUCCESS);
    OK(vm_write_bytes(vm, A, &byte, 1, NULL));
    byte = 0;
    OK(vm_read_bytes(vm, A, &byte, 1, NULL));
    ck_assert_uint_eq(byte, 0x5a);
}
END_TEST

START_TEST(a_read_past_the_end_reads_nothing)
{
    char back[8] = "before";

    DENIED(ERR_FAULT, END, vm_read_bytes(vm, END - 4, back, 8, &denial));
    ck_assert_str_eq(back, "before");
    ck_assert_str_eq(denial.why.text, "cannot read 8 bytes at 0x3fffc: 0x40000 is free, 0x0 past "
                                      "the end of private allocation 0x30000");
    ck_assert_int_eq(vm_read_bytes(vm, END - 4, back, 8, NULL), ERR_FAULT);
    DENIED(ERR_FAULT, VM_USER_LIMIT_64, vm_read_bytes(vm, VM_USER_LIMIT_64, back, 8, &denial));
    DENIED(ERR_FAULT, UINT64_MAX - 3, vm_read_bytes(vm, UINT64_MAX - 3, back, 8, &denial));
}
END_TEST

START_TEST(a_write_past_the_end_writes_nothing)
{
    struct memory_of *before = remember(vm);

    DENIED(ERR_FAULT, END, vm_write_bytes(vm, END - 4, "12345678", 8, &denial));
    ck_assert_ptr_ne(strstr(denial.why.text, "cannot write 8 bytes at 0x3fffc"), NULL);
    ck_assert_int_eq(vm_write_bytes(vm, END - 4, "12345678", 8, NULL), ERR_FAULT);
    ck_assert(unchanged(before, vm));
}
END_TEST

START_TEST(a_full_arena_is_no_memory)
{
    struct vm_config config = {.arena_size = 0x1000, .commit_limit = 0x10000};
    struct memory_of *before;
    struct vm *full;

    OK(vm_new(&config, &full));
    build_committed(full, A, 0x2000);
    OK(vm_write_bytes(full, A, "x", 1, NULL));
    before = remember(full);
    DENIED(ERR_NOMEM, A + 0xfff, vm_write_bytes(full, A + 0xfff, "yz", 2, &denial));
    ck_assert_ptr_ne(strstr(denial.why.text, "larger arena"), NULL);
    ck_assert(unchanged(before, full));
    vm_free(full);
}
END_TEST

/* ---- Numbers --------------------------------------------------------------------------------- */

static const struct {
    unsigned size;
    uint64_t plain;
    int64_t with_sign;
} numbers[] = {
    {1, 0xf8, -8},
    {2, 0xf7f8, -2056},
    {4, 0xf5f6f7f8, -168364040},
    {8, 0xf1f2f3f4f5f6f7f8, -1012478732780767240},
    {VM_POINTER, 0xf1f2f3f4f5f6f7f8, -1012478732780767240},
};

START_TEST(numbers_are_little_endian_with_and_without_sign)
{
    static const uint8_t raw[8] = {0xf8, 0xf7, 0xf6, 0xf5, 0xf4, 0xf3, 0xf2, 0xf1};
    gva_t at = A + 0xffff; /* across the seam, never aligned */
    uint64_t plain = 0;
    int64_t with_sign = 0;

    OK(vm_write_bytes(vm, at, raw, sizeof raw, &denial));
    OK(vm_read_unsigned(vm, at, numbers[_i].size, &plain, &denial));
    ck_assert_uint_eq(plain, numbers[_i].plain);
    OK(vm_read_signed(vm, at, numbers[_i].size, &with_sign, &denial));
    ck_assert_int_eq(with_sign, numbers[_i].with_sign);
}
END_TEST

START_TEST(a_number_written_is_the_number_read_and_no_byte_more)
{
    unsigned size = numbers[_i].size ? numbers[_i].size : 8;
    uint64_t plain = 0;
    int64_t with_sign = 0;

    OK(vm_write_unsigned(vm, A, numbers[_i].size, numbers[_i].plain, &denial));
    OK(vm_read_unsigned(vm, A, 8, &plain, &denial));
    ck_assert_uint_eq(plain, numbers[_i].plain);
    OK(vm_write_signed(vm, A, numbers[_i].size, numbers[_i].with_sign, &denial));
    OK(vm_read_signed(vm, A, numbers[_i].size, &with_sign, &denial));
    ck_assert_int_eq(with_sign, numbers[_i].with_sign);
    OK(vm_read_unsigned(vm, A + size, 8, &plain, &denial));
    ck_assert_uint_eq(plain, 0);
}
END_TEST

static const struct {
    unsigned size;
    int64_t least, most;
    uint64_t widest;
} bounds[] = {
    {1, INT8_MIN, INT8_MAX, UINT8_MAX},
    {2, INT16_MIN, INT16_MAX, UINT16_MAX},
    {4, INT32_MIN, INT32_MAX, UINT32_MAX},
};

START_TEST(a_number_too_large_is_refused)
{
    unsigned size = bounds[_i].size;
    int64_t back = 0;

    OK(vm_write_signed(vm, A, size, bounds[_i].least, &denial));
    OK(vm_read_signed(vm, A, size, &back, &denial));
    ck_assert_int_eq(back, bounds[_i].least);
    OK(vm_write_signed(vm, A, size, bounds[_i].most, &denial));
    DENIED(ERR_RANGE, A, vm_write_signed(vm, A, size, bounds[_i].least - 1, &denial));
    DENIED(ERR_RANGE, A, vm_write_signed(vm, A, size, bounds[_i].most + 1, &denial));
    OK(vm_read_signed(vm, A, size, &back, &denial));
    ck_assert_int_eq(back, bounds[_i].most);
    OK(vm_write_unsigned(vm, A, size, bounds[_i].widest, &denial));
    DENIED(ERR_RANGE, A, vm_write_unsigned(vm, A, size, bounds[_i].widest + 1, &denial));
    ck_assert_ptr_ne(strstr(denial.why.text, "does not fit"), NULL);
}
END_TEST

START_TEST(numbers_of_eight_bytes_take_everything)
{
    uint64_t plain = 0;

    OK(vm_write_signed(vm, A, 8, INT64_MIN, &denial));
    OK(vm_read_unsigned(vm, A, 8, &plain, &denial));
    ck_assert_uint_eq(plain, UINT64_C(1) << 63);
    OK(vm_write_signed(vm, A, 8, INT64_MAX, &denial));
    OK(vm_write_unsigned(vm, A, 8, UINT64_MAX, &denial));
}
END_TEST

START_TEST(other_sizes_are_refused)
{
    static const unsigned sizes[] = {3, 5, 6, 7, 9, 16, UINT32_MAX};
    uint64_t plain = 7;
    int64_t with_sign = 7;

    DENIED(ERR_INVALID, A, vm_read_unsigned(vm, A, sizes[_i], &plain, &denial));
    DENIED(ERR_INVALID, A, vm_read_signed(vm, A, sizes[_i], &with_sign, &denial));
    DENIED(ERR_INVALID, A, vm_write_unsigned(vm, A, sizes[_i], 0, &denial));
    DENIED(ERR_INVALID, A, vm_write_signed(vm, A, sizes[_i], 0, &denial));
    ck_assert_uint_eq(plain, 7);
    ck_assert_int_eq(with_sign, 7);
}
END_TEST

START_TEST(numbers_past_the_end_are_denied)
{
    uint64_t plain = 7;
    int64_t with_sign = 7;

    DENIED(ERR_FAULT, END, vm_read_unsigned(vm, END - 1, 2, &plain, &denial));
    DENIED(ERR_FAULT, END, vm_read_signed(vm, END - 7, 8, &with_sign, &denial));
    DENIED(ERR_FAULT, END, vm_write_unsigned(vm, END - 3, 4, 1, &denial));
    DENIED(ERR_FAULT, END, vm_write_signed(vm, END, 1, 1, &denial));
    ck_assert_uint_eq(plain, 7);
    ck_assert_int_eq(with_sign, 7);
}
END_TEST

START_TEST(pointers_are_as_wide_as_the_guest)
{
    struct vm_config config = {.user_limit = VM_USER_LIMIT_32, .arena_size = 0x10000};
    struct vm *small;
    uint64_t value = 0;

    ck_assert_uint_eq(vm_pointer_size(vm), 8);
    OK(vm_new(&config, &small));
    ck_assert_uint_eq(vm_pointer_size(small), 4);
    build_committed(small, A, 0x1000);
    OK(vm_write_bytes(small, A, "\x11\x22\x33\x44\x55\x66\x77\x88", 8, &denial));
    OK(vm_read_unsigned(small, A, VM_POINTER, &value, &denial));
    ck_assert_uint_eq(value, 0x44332211);
    DENIED(ERR_RANGE, A, vm_write_unsigned(small, A, VM_POINTER, UINT64_C(1) << 32, &denial));
    vm_free(small);
}
END_TEST

/* ---- Texts ----------------------------------------------------------------------------------- */

START_TEST(texts_go_in_and_come_out)
{
    OK(vm_write_string(vm, A + 0xfffe, "hello", 6, &denial));
    OK(vm_read_string(vm, A + 0xfffe, 6, &out, &denial));
    OK(vm_read_string(vm, A, 1, &out, &denial)); /* empty */
    ck_assert_str_eq(buf_str(&out), "hello");
    OK(vm_read_string(vm, A + 0x10000, SIZE_MAX, &out, &denial)); /* appended */
    ck_assert_str_eq(buf_str(&out), "hellollo");
}
END_TEST

START_TEST(wide_texts_go_in_and_come_out)
{
    gva_t at = A + 0xfffd; /* a unit lies across the seam */
    uint8_t raw[10];

    OK(vm_write_string16(vm, at, "a\xe2\x82\xac\xf0\x9f\x98\x80", 5, &denial));
    OK(vm_read_bytes(vm, at, raw, sizeof raw, &denial));
    ck_assert_mem_eq(raw, "a\0\xac\x20\x3d\xd8\x00\xde\0\0", sizeof raw);
    OK(vm_read_string16(vm, at, 5, &out, &denial));
    OK(vm_read_string16(vm, A, 1, &out, &denial)); /* empty */
    ck_assert_str_eq(buf_str(&out), "a\xe2\x82\xac\xf0\x9f\x98\x80");
    OK(vm_write_bytes(vm, A, "\x00\xd8!\0\0\0", 6, &denial)); /* half a pair */
    OK(vm_read_string16(vm, A, SIZE_MAX, &out, &denial));
    ck_assert_str_eq(buf_str(&out), "a\xe2\x82\xac\xf0\x9f\x98\x80\xef\xbf\xbd!");
}
END_TEST

START_TEST(long_texts_cross_every_chunk)
{
    size_t len = (size_t)_i * 37;
    char *text = malloc(len + 1);
    gva_t at = A + 0x10000 - len;
    struct buf wide;

    ck_assert_ptr_nonnull(text);
    for (size_t i = 0; i < len; i++)
        text[i] = (char)('a' + i % 26);
    text[len] = 0;
    buf_init(&wide, 1u << 16);
    OK(vm_write_string(vm, at, text, len + 1, &denial));
    OK(vm_read_string(vm, at, len + 1, &out, &denial));
    ck_assert_str_eq(buf_str(&out), text);
    OK(vm_write_string16(vm, at, text, len + 1, &denial));
    OK(vm_read_string16(vm, at, len + 1, &wide, &denial));
    ck_assert_str_eq(buf_str(&wide), text);
    buf_fini(&wide);
    free(text);
}
END_TEST

START_TEST(a_text_without_end_says_where)
{
    OK(vm_write_bytes(vm, END - 4, "abcd", 4, &denial));
    DENIED(ERR_LIMIT, END - 1, vm_read_string(vm, END - 4, 3, &out, &denial));
    ck_assert_str_eq(denial.why.text, "the text at 0x3fffc has no end within 3 characters");
    DENIED(ERR_FAULT, END, vm_read_string(vm, END - 4, 5, &out, &denial));
    DENIED(ERR_LIMIT, END, vm_read_string(vm, END - 4, 4, &out, &denial));
    DENIED(ERR_LIMIT, END - 2, vm_read_string16(vm, END - 4, 1, &out, &denial));
    DENIED(ERR_LIMIT, END, vm_read_string16(vm, END - 4, 2, &out, &denial));
    DENIED(ERR_FAULT, END, vm_read_string16(vm, END - 4, 3, &out, &denial));
    DENIED(ERR_FAULT, END, vm_read_string16(vm, END - 3, 3, &out, &denial)); /* half a unit */
    DENIED(ERR_LIMIT, A, vm_read_string(vm, A, 0, &out, &denial));
    DENIED(ERR_FAULT, END, vm_read_string(vm, END, 9, &out, &denial));
    ck_assert_uint_eq(out.len, 0);
    ck_assert(!out.failed);
}
END_TEST

START_TEST(a_text_that_does_not_fit_changes_nothing)
{
    struct memory_of *before = remember(vm);

    DENIED(ERR_LIMIT, A + 5, vm_write_string(vm, A, "hello", 5, &denial));
    ck_assert_str_eq(denial.why.text,
                     "a text of 6 bytes with its NUL does not fit into the 5 at 0x20000");
    DENIED(ERR_LIMIT, A + 10, vm_write_string16(vm, A, "hello", 5, &denial));
    DENIED(ERR_LIMIT, A, vm_write_string(vm, A, "", 0, &denial));
    DENIED(ERR_FAULT, END, vm_write_string(vm, END - 5, "hello", 6, &denial));
    DENIED(ERR_FAULT, END, vm_write_string16(vm, END - 11, "hello", SIZE_MAX, &denial));
    ck_assert(unchanged(before, vm));
}
END_TEST

START_TEST(a_full_buffer_is_told)
{
    struct buf tiny;

    buf_init(&tiny, 4);
    OK(vm_write_string(vm, A, "hello", 6, &denial));
    DENIED(ERR_LIMIT, A, vm_read_string(vm, A, 6, &tiny, &denial));
    ck_assert(tiny.failed && !tiny.len);
    buf_clear(&tiny);
    OK(vm_write_string16(vm, A, "hello", 6, &denial));
    DENIED(ERR_LIMIT, A, vm_read_string16(vm, A, 6, &tiny, &denial));
    ck_assert(tiny.failed && !tiny.len);
    buf_fini(&tiny);
}
END_TEST

/* A read into a buffer that starts empty each time. */
static enum err read16(void)
{
    buf_fini(&out);
    return vm_read_string16(vm, A, 16, &out, NULL);
}

START_TEST(a_host_out_of_memory_is_told)
{
    enum err e;

    OK(vm_write_string16(vm, A, "hello", 6, &denial));
    ALLOC_FAIL_EACH(e, read16(), ERR_NOMEM, ERR_OK);
    ALLOC_FAIL_EACH(e, vm_write_string16(vm, A, "hello", 6, NULL), ERR_NOMEM, ERR_OK);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("transfer");
    TCase *tc = tcase_create("transfer");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_range_may_lie_in_several_allocations);
    tcase_add_test(tc, protection_does_not_count);
    tcase_add_test(tc, a_read_past_the_end_reads_nothing);
    tcase_add_test(tc, a_write_past_the_end_writes_nothing);
    tcase_add_test(tc, a_full_arena_is_no_memory);
    tcase_add_loop_test(tc, numbers_are_little_endian_with_and_without_sign, 0, COUNT_OF(numbers));
    tcase_add_loop_test(tc, a_number_written_is_the_number_read_and_no_byte_more, 0,
                        COUNT_OF(numbers));
    tcase_add_loop_test(tc, a_number_too_large_is_refused, 0, COUNT_OF(bounds));
    tcase_add_test(tc, numbers_of_eight_bytes_take_everything);
    tcase_add_loop_test(tc, other_sizes_are_refused, 0, 7);
    tcase_add_test(tc, numbers_past_the_end_are_denied);
    tcase_add_test(tc, pointers_are_as_wide_as_the_guest);
    tcase_add_test(tc, texts_go_in_and_come_out);
    tcase_add_test(tc, wide_texts_go_in_and_come_out);
    tcase_add_loop_test(tc, long_texts_cross_every_chunk, 0, 60);
    tcase_add_test(tc, a_text_without_end_says_where);
    tcase_add_test(tc, a_text_that_does_not_fit_changes_nothing);
    tcase_add_test(tc, a_full_buffer_is_told);
    tcase_add_test(tc, a_host_out_of_memory_is_told);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
