/* Guests that run code and data through several views of one section: what one view is told, every other shows at once. */
#include <check.h>
#include <string.h>

#include "guest_suite.h"
#include "vm_builder.h"

#define RX UINT64_C(0x400000) /* a view that executes */
#define RW UINT64_C(0x500000) /* one that writes */
#define WC UINT64_C(0x600000) /* one that copies */

static struct vm_section *make_views(void)
{
    struct vm_section *s = build_section(g.vm, 0x10000, PAGE_EXECUTE_READWRITE, SEC_COMMIT);

    build_view(g.vm, s, RX, 0, 0, PAGE_EXECUTE_READ);
    build_view(g.vm, s, RW, 0, 0, PAGE_READWRITE);
    build_view(g.vm, s, WC, 0, 0, PAGE_EXECUTE_WRITECOPY);
    guest_write(&g, RW, (const uint8_t[]){0xb0, 0x01, 0xc3}, 3); /* mov al, 1; ret */
    return s;
}

/* call rbx; mov ecx, eax; mov byte [rdx], 2; call rbx; then the end */
static void code_of_caller(void)
{
    GUEST_CODE_AT(&g, GUEST_CODE, 0xff, 0xd3, 0x89, 0xc1, 0xc6, 0x02, 0x02, 0xff, 0xd3, 0x90);
    ck_assert_int_eq(cpu_break_add(g.cpu, GUEST_CODE + 9), ERR_OK);
}

/* Run the caller over code at pc, storing to addr; what al was after each call. */
static void run_caller(gva_t pc, gva_t addr, unsigned first, unsigned second)
{
    cpu_set(g.cpu, CPU_RIP, GUEST_CODE);
    cpu_set(g.cpu, CPU_RBX, pc);
    cpu_set(g.cpu, CPU_RDX, addr);
    guest_run(&g, CPU_EVENT_BREAK, GUEST_CODE + 9);
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_RCX) & 0xff, first);
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_RAX) & 0xff, second);
}

START_TEST(a_store_through_one_view_is_executed_through_another)
{
    struct vm_section *s = make_views();

    code_of_caller();
    run_caller(RX, RW + 1, 1, 2);
    guest_write(&g, RW + 1, "\x01", 1);
    run_caller(RX, RW + 1, 1, 2);
    ck_succeeds(vm_write(g.vm, RW + 1, "\x03", 1));
    run_caller(RX, RW + 1, 3, 2);
    vm_section_unref(s);
}
END_TEST

START_TEST(code_that_was_copied_stays_as_it_is)
{
    struct vm_section *s = make_views();

    code_of_caller();
    run_caller(WC, RW + 1, 1, 2); /* it still shows the section */
    guest_write(&g, RW + 1, "\x01", 1);
    run_caller(WC, WC + 1, 1, 2); /* its own from here on */
    run_caller(RX, RW + 0x80, 1, 1);
    guest_write(&g, RW + 1, "\x05", 1);
    run_caller(WC, RW + 0x80, 2, 2);
    run_caller(RX, RW + 0x80, 5, 5);
    vm_section_unref(s);
}
END_TEST

START_TEST(a_restored_section_runs_its_former_code)
{
    struct vm_section *s = make_views();
    struct vm_saved *saved;

    code_of_caller();
    run_caller(RX, RW + 1, 1, 2);
    saved = vm_save(g.vm);
    guest_write(&g, RW + 1, "\x07", 1);
    run_caller(RX, RW + 0x80, 7, 7);
    ck_assert(vm_restore(g.vm, saved));
    run_caller(RX, RW + 0x80, 2, 2);
    vm_saved_free(saved);
    run_caller(RX, RW + 1, 2, 2);
    vm_section_unref(s);
}
END_TEST

/* mov [rbx], eax; add eax, [rdx]; add eax, [rsi]; the end */
START_TEST(a_store_is_loaded_through_every_view_at_once)
{
    struct vm_section *s = make_views();

    GUEST_CODE_AT(&g, GUEST_CODE, 0x89, 0x03, 0x03, 0x02, 0x03, 0x06, 0x90);
    ck_assert_int_eq(cpu_break_add(g.cpu, GUEST_CODE + 6), ERR_OK);
    for (unsigned i = 0; i < 3; i++) {
        struct vm_saved *saved = vm_save(g.vm);

        cpu_set(g.cpu, CPU_RIP, GUEST_CODE);
        cpu_set(g.cpu, CPU_RAX, 100 + i);
        cpu_set(g.cpu, CPU_RBX, RW + 0x2000);
        cpu_set(g.cpu, CPU_RDX, RX + 0x2000);
        cpu_set(g.cpu, CPU_RSI, WC + 0x2000);
        guest_run(&g, CPU_EVENT_BREAK, GUEST_CODE + 6);
        ck_assert_uint_eq(cpu_get(g.cpu, CPU_RAX), 3 * (100 + i));
        vm_saved_free(saved);
    }
    vm_section_unref(s);
}
END_TEST

/* Call code at pc; it stops at its ret when it should. */
static void call_view(gva_t pc, bool stops, unsigned al)
{
    cpu_set(g.cpu, CPU_RIP, GUEST_CODE);
    cpu_set(g.cpu, CPU_RBX, pc);
    if (stops)
        guest_run(&g, CPU_EVENT_BREAK, pc + 2);
    guest_run_on(&g, CPU_EVENT_BREAK, GUEST_CODE + 2);
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_RAX) & 0xff, al);
}

/*
 * A break belongs to an address: the other view of its page runs freely, copying the page leaves it where it is, and so
 * does taking the view away and mapping it again.
 */
START_TEST(a_break_in_a_shared_page_is_one_views)
{
    struct vm_section *s = make_views();

    GUEST_CODE_AT(&g, GUEST_CODE, 0xff, 0xd3, 0x90); /* call rbx; the end */
    ck_assert_int_eq(cpu_break_add(g.cpu, GUEST_CODE + 2), ERR_OK);
    call_view(RX, false, 1);
    call_view(WC, false, 1);
    ck_assert_int_eq(cpu_break_add(g.cpu, RX + 2), ERR_OK);
    call_view(RX, true, 1);
    call_view(WC, false, 1);
    ck_assert_int_eq(cpu_break_add(g.cpu, WC + 2), ERR_OK);
    cpu_break_remove(g.cpu, RX + 2);
    call_view(RX, false, 1);
    call_view(WC, true, 1);
    ck_assert_int_eq(cpu_break_add(g.cpu, RX + 2), ERR_OK);
    guest_write(&g, RW + 1, "\x02", 1);
    call_view(RX, true, 2);
    call_view(WC, true, 2);
    guest_write(&g, WC + 1, "\x03", 1); /* its own page from here on */
    call_view(RX, true, 2);
    call_view(WC, true, 3);
    ck_succeeds(vm_unmap_view(g.vm, RX));
    call_view(WC, true, 3);
    cpu_set(g.cpu, CPU_RIP, GUEST_CODE);
    cpu_set(g.cpu, CPU_RBX, RX);
    guest_run(&g, CPU_EVENT_FAULT, RX);
    build_view(g.vm, s, RX, 0, 0, PAGE_EXECUTE_READ);
    call_view(RX, true, 2);
    ck_succeeds(vm_unmap_view(g.vm, WC));
    call_view(RX, true, 2);
    build_view(g.vm, s, WC, 0, 0, PAGE_EXECUTE_WRITECOPY);
    call_view(WC, true, 2);
    cpu_break_remove(g.cpu, WC + 2);
    call_view(WC, false, 2);
    call_view(RX, true, 2);
    vm_section_unref(s);
}
END_TEST

static void add_both(TCase *tc)
{
    tcase_add_test(tc, a_break_in_a_shared_page_is_one_views);
    tcase_add_test(tc, a_store_through_one_view_is_executed_through_another);
    tcase_add_test(tc, code_that_was_copied_stays_as_it_is);
    tcase_add_test(tc, a_restored_section_runs_its_former_code);
    tcase_add_test(tc, a_store_is_loaded_through_every_view_at_once);
}

int main(void)
{
    return guest_suite("cpu_views", add_both, add_both);
}
