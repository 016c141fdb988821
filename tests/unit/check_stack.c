/* core/cpu/stack.c in both widths, against what the guest's own push and pop do. */
#include <check.h>
#include <string.h>

#include "guest.h"
#include "suite.h"
#include "winstub/stack.h"

#define TOP (GUEST_STACK + VM_PAGE_SIZE)

static struct guest g;
static struct vm_denial denial;

static void setup64(void)
{
    guest_init(&g, CPU_AMD64);
}

static void setup32(void)
{
    guest_init(&g, CPU_I386);
}

static void teardown(void)
{
    guest_fini(&g);
}

#define OK(call) ck_assert_int_eq(call, ERR_OK)
#define SP()     cpu_get(g.cpu, CPU_RSP)

static unsigned width(void)
{
    return cpu_get_arch(g.cpu) == CPU_AMD64 ? 8 : 4;
}

/* The largest word. */
static uint64_t widest(void)
{
    return width() == 8 ? UINT64_MAX : UINT32_MAX;
}

START_TEST(a_push_is_what_the_guest_pops)
{
    GUEST_CODE_AT(&g, GUEST_CODE, 0x58); /* pop rax */
    ck_assert_uint_eq(cpu_stack_word(g.cpu), width());
    OK(cpu_stack_push(g.cpu, widest() - 1, &denial));
    ck_assert_uint_eq(SP(), TOP - width());
    guest_step(&g, CPU_EVENT_STEP, GUEST_CODE + 1);
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_RAX), widest() - 1);
    ck_assert_uint_eq(SP(), TOP);
}
END_TEST

START_TEST(a_pop_is_what_the_guest_pushed)
{
    uint64_t value = 0;

    GUEST_CODE_AT(&g, GUEST_CODE, 0x50); /* push rax */
    cpu_set(g.cpu, CPU_RAX, widest() - 2);
    guest_step(&g, CPU_EVENT_STEP, GUEST_CODE + 1);
    OK(cpu_stack_pop(g.cpu, &value, &denial));
    ck_assert_uint_eq(value, widest() - 2);
    ck_assert_uint_eq(SP(), TOP);
}
END_TEST

START_TEST(words_are_reached_by_offset)
{
    uint64_t value = 0;

    OK(cpu_stack_write(g.cpu, 0, 0x11223344, &denial));
    OK(cpu_stack_write(g.cpu, 0x10, 0x55667788, &denial));
    OK(cpu_stack_write(g.cpu, -0x20, 0x99aabbcc, &denial));
    ck_assert_uint_eq(SP(), TOP);
    OK(cpu_stack_read(g.cpu, 0x10, &value, &denial));
    ck_assert_uint_eq(value, 0x55667788);
    OK(cpu_stack_read(g.cpu, -0x20, &value, &denial));
    ck_assert_uint_eq(value, 0x99aabbcc);
    OK(cpu_stack_read(g.cpu, 0, &value, &denial));
    ck_assert_uint_eq(value, 0x11223344);
    ck_assert_uint_eq(guest_read(&g, TOP, 8), 0x11223344); /* no more than a word was written */
}
END_TEST

START_TEST(a_push_off_the_stack_changes_nothing)
{
    uint64_t value = 7;

    cpu_set(g.cpu, CPU_RSP, GUEST_STACK);
    ck_assert_int_eq(cpu_stack_push(g.cpu, 1, &denial), ERR_FAULT);
    ck_assert_uint_eq(denial.address, GUEST_STACK - width());
    ck_assert_int_eq(cpu_stack_push(g.cpu, 1, NULL), ERR_FAULT);
    ck_assert_uint_eq(SP(), GUEST_STACK);
    cpu_set(g.cpu, CPU_RSP, GUEST_STACK + 2 * VM_PAGE_SIZE - 1);
    ck_assert_int_eq(cpu_stack_pop(g.cpu, &value, &denial), ERR_FAULT);
    ck_assert_uint_eq(denial.address, GUEST_STACK + 2 * VM_PAGE_SIZE);
    ck_assert_uint_eq(SP(), GUEST_STACK + 2 * VM_PAGE_SIZE - 1);
    ck_assert_uint_eq(value, 7);
}
END_TEST

START_TEST(the_stack_pointer_wraps_at_its_width)
{
    gva_t top = width() == 8 ? UINT64_MAX - 7 : UINT32_MAX - 3;

    cpu_set(g.cpu, CPU_RSP, 0);
    ck_assert_int_eq(cpu_stack_push(g.cpu, 1, &denial), ERR_FAULT);
    ck_assert_uint_eq(denial.address, top);
    ck_assert_uint_eq(SP(), 0);
}
END_TEST

START_TEST(words_of_32_bits_hold_32_bits)
{
    ck_assert_int_eq(cpu_stack_push(g.cpu, UINT64_C(1) << 32, &denial), ERR_RANGE);
    ck_assert_int_eq(cpu_stack_write(g.cpu, 0, UINT64_MAX, &denial), ERR_RANGE);
    ck_assert_uint_eq(SP(), TOP);
}
END_TEST

START_TEST(a_64_bit_cpu_in_32_bit_code_has_words_of_32_bits)
{
    uint64_t value = 0;

    cpu_set(g.cpu, CPU_CS, 0x23);
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_CS), 0x23);
    OK(cpu_stack_push(g.cpu, 5, &denial));
    ck_assert_uint_eq(SP(), TOP - 4);
    OK(cpu_stack_pop(g.cpu, &value, &denial));
    ck_assert_uint_eq(value, 5);
    ck_assert_uint_eq(SP(), TOP);
}
END_TEST

static void add_both(TCase *tc)
{
    tcase_add_test(tc, a_push_is_what_the_guest_pops);
    tcase_add_test(tc, a_pop_is_what_the_guest_pushed);
    tcase_add_test(tc, words_are_reached_by_offset);
    tcase_add_test(tc, a_push_off_the_stack_changes_nothing);
    tcase_add_test(tc, the_stack_pointer_wraps_at_its_width);
}

int main(void)
{
    Suite *suite = suite_create("stack");
    TCase *wide = tcase_create("64 bits"), *narrow = tcase_create("32 bits");

    tcase_add_checked_fixture(wide, setup64, teardown);
    tcase_add_checked_fixture(narrow, setup32, teardown);
    add_both(wide);
    add_both(narrow);
    tcase_add_test(wide, a_64_bit_cpu_in_32_bit_code_has_words_of_32_bits);
    tcase_add_test(narrow, words_of_32_bits_hold_32_bits);
    suite_add_tcase(suite, wide);
    suite_add_tcase(suite, narrow);
    return suite_main(suite);
}
