/*
 * Two CPUs over one arena, each with an address space of its own and of the other width: what one of them stores, and what
 * the host changes in either space, is what the other one executes, and nobody translates code again for nothing.
 */
#include <check.h>
#include <string.h>

#include "alloc_fail.h"
#include "cpu/cpu_priv.h"
#include "guest_suite.h"
#include "vm_builder.h"
#include "winstub/foreign.h"

#define RX  UINT64_C(0x400000) /* a view that executes */
#define RW  UINT64_C(0x500000) /* one that writes */
#define RWX UINT64_C(0x600000) /* one that does both */
#define X   PAGE_EXECUTE_READWRITE

static struct guest h; /* beside g */
static struct vm_section *s;
static unsigned translated; /* blocks of h's in the section */

static void on_block(void *ctx, gva_t address, uint32_t size)
{
    (void)ctx;
    (void)size;
    translated += address >= RX && address < RWX + 0x10000;
}

/* call rbx; the end */
static void be_caller(struct guest *guest)
{
    GUEST_CODE_AT(guest, GUEST_CODE, 0xff, 0xd3, 0x90);
    ck_assert_int_eq(cpu_break_add(guest->cpu, GUEST_CODE + 2), ERR_OK);
}

/* mov [rdx], al; the end */
static void be_writer(struct guest *guest)
{
    GUEST_CODE_AT(guest, GUEST_CODE, 0x88, 0x02, 0x90);
    ck_assert_int_eq(cpu_break_add(guest->cpu, GUEST_CODE + 2), ERR_OK);
}

/* g, which stores, and h, which calls: two views of a section with mov al, 1; ret in each. */
static void begin(void)
{
    guest_init_beside(&h, cpu_get_arch(g.cpu) == CPU_AMD64 ? CPU_I386 : CPU_AMD64, &g);
    s = build_section(g.vm, 0x10000, X, SEC_COMMIT);
    build_view(g.vm, s, RX, 0, 0, PAGE_EXECUTE_READ);
    build_view(g.vm, s, RW, 0, 0, PAGE_READWRITE);
    build_view(h.vm, s, RX, 0, 0, PAGE_EXECUTE_READ);
    build_view(h.vm, s, RWX, 0, 0, X);
    guest_write(&g, RW, (const uint8_t[]){0xb0, 0x01, 0xc3}, 3);
    be_writer(&g);
    be_caller(&h);
    translated = 0;
    cpu_on_block(h.cpu, on_block, NULL);
}

static void end(void)
{
    ck_assert(vm_valid(g.vm) && vm_valid(h.vm));
    guest_fini(&h);
    vm_section_unref(s);
}

static void store(struct guest *guest, gva_t addr, uint8_t value)
{
    cpu_set(guest->cpu, CPU_RIP, GUEST_CODE);
    cpu_set(guest->cpu, CPU_RDX, addr);
    cpu_set(guest->cpu, CPU_RAX, value);
    guest_run(guest, CPU_EVENT_BREAK, GUEST_CODE + 2);
}

/* What the code at pc answers. */
static unsigned call(struct guest *guest, gva_t pc)
{
    cpu_set(guest->cpu, CPU_RIP, GUEST_CODE);
    cpu_set(guest->cpu, CPU_RBX, pc);
    guest_run(guest, CPU_EVENT_BREAK, GUEST_CODE + 2);
    return (unsigned)cpu_get(guest->cpu, CPU_RAX) & 0xff;
}

/* ---- Stores ----------------------------------------------------------------------------------- */

START_TEST(a_store_of_one_is_executed_by_the_other)
{
    begin();
    ck_assert_uint_eq(call(&h, RX), 1);
    for (uint8_t i = 2; i < 8; i++) {
        store(&g, RW + 1, i);
        ck_assert_uint_eq(call(&h, RX), i);
        ck_assert_uint_eq(call(&h, RX), i);
    }
    end();
}
END_TEST

START_TEST(nothing_is_translated_again_for_nothing)
{
    begin();
    ck_assert_uint_eq(call(&h, RX), 1);
    ck_assert_uint_eq(translated, 1);
    for (unsigned i = 0; i < 4; i++) {
        store(&g, GUEST_DATA, 7);
        store(&g, RW + 0x1000, 7); /* another page of the section */
        ck_assert_uint_eq(call(&h, RX), 1);
    }
    ck_assert_uint_eq(translated, 1);
    store(&g, RW + 1, 2);
    store(&g, RW + 1, 3);
    ck_assert_uint_eq(translated, 1);
    ck_assert_uint_eq(call(&h, RX), 3);
    ck_assert_uint_eq(call(&h, RX), 3);
    ck_assert_uint_eq(translated, 2);
    store(&g, GUEST_DATA, 7);
    ck_assert_uint_eq(call(&h, RX), 3);
    ck_assert_uint_eq(translated, 2);
    end();
}
END_TEST

/* The writer has been writing to the page all the time when the other one comes to run it. */
START_TEST(what_is_being_written_begins_to_be_executed)
{
    begin();
    store(&g, RW + 1, 2);
    store(&g, RW + 1, 3);
    ck_assert_uint_eq(call(&h, RX), 3);
    store(&g, RW + 1, 4);
    ck_assert_uint_eq(call(&h, RX), 4);
    end();
}
END_TEST

/* mov byte [rip + 1], 9 (i386: by address); mov al, 1; ret: code that mends itself, run by both through their own views. */
START_TEST(code_that_changes_itself_is_executed_by_both)
{
    static const uint8_t code64[] = {0xc6, 0x05, 0x01, 0, 0, 0, 9, 0xb0, 0x01, 0xc3};
    const uint8_t code32[] = {0xc6, 0x05, (uint8_t)(RWX + 0x108), 0x01, 0x60, 0x00, 9, 0xb0,
                              1,    0xc3};
    bool wide;

    begin();
    wide = cpu_get_arch(h.cpu) == CPU_AMD64;
    guest_write(&g, RW + 0x100, wide ? code64 : code32, sizeof code64);
    be_caller(&g);
    ck_assert_uint_eq(call(&g, RX), 1); /* the same page, at another place */
    ck_assert_uint_eq(call(&h, RWX + 0x100), 9);
    guest_write(&g, RW + 0x107, (const uint8_t[]){0xb0, 0x01, 0xc3}, 3);
    ck_assert_uint_eq(call(&g, RX + 0x107), 1);
    ck_assert_uint_eq(call(&h, RWX + 0x100), 9);
    ck_assert_uint_eq(call(&g, RX + 0x107), 9);
    end();
}
END_TEST

START_TEST(both_write_what_both_execute)
{
    begin();
    for (uint8_t i = 1; i < 6; i++) {
        be_writer(&h);
        store(&h, RWX + 1, (uint8_t)(10 * i));
        be_caller(&g);
        ck_assert_uint_eq(call(&g, RX), 10u * i);
        be_writer(&g);
        store(&g, RW + 1, i);
        be_caller(&h);
        ck_assert_uint_eq(call(&h, RX), i);
        ck_assert_uint_eq(call(&h, RWX), i);
    }
    end();
}
END_TEST

/* Without memory to note what is stale, it is found all the same. */
START_TEST(a_store_without_memory_is_executed)
{
    begin();
    store(&g, RW + 0x1000, 1); /* what else a store needs is there */
    ck_assert_uint_eq(call(&h, RX), 1);
    alloc_fail_at(1);
    store(&g, RW + 1, 2);
    ck_assert(alloc_fail_stop());
    ck_assert_uint_eq(h.cpu->stale_count, 1);
    ck_assert_uint_eq(h.cpu->stale.count, 0);
    ck_assert_uint_eq(call(&h, RX), 2);
    ck_assert_uint_eq(h.cpu->stale_count, 0);
    store(&g, RW + 1, 3);
    ck_assert_uint_eq(h.cpu->stale.count, 1);
    ck_assert_uint_eq(call(&h, RX), 3);
    end();
}
END_TEST

START_TEST(a_store_into_lent_memory_is_executed_by_the_other)
{
    static _Alignas(VM_PAGE_SIZE) uint8_t lent[VM_PAGE_SIZE] = {0xb0, 0x01, 0xc3};

    begin();
    ck_succeeds(vm_map_host(g.vm, 0x700000, sizeof lent, lent, PAGE_READWRITE, NULL, NULL));
    ck_succeeds(vm_map_host(h.vm, 0x800000, sizeof lent, lent, PAGE_EXECUTE_READ, NULL, NULL));
    ck_assert_uint_eq(call(&h, 0x800000), lent[1]);
    for (uint8_t i = 2; i < 5; i++) {
        store(&g, 0x700001, i);
        ck_assert_uint_eq(call(&h, 0x800000), i);
    }
    ck_succeeds(vm_unmap_view(g.vm, 0x700000));
    ck_assert_uint_eq(call(&h, 0x800000), 4);
    ck_succeeds(vm_unmap_view(h.vm, 0x800000));
    ck_assert(vm_lent_is_gone(g.vm, lent, sizeof lent));
    end();
}
END_TEST

/* ---- The host --------------------------------------------------------------------------------- */

START_TEST(what_the_host_writes_in_one_space_is_executed_in_the_other)
{
    begin();
    ck_assert_uint_eq(call(&h, RX), 1);
    guest_write(&g, RW + 1, "\x05", 1);
    ck_assert_uint_eq(call(&h, RX), 5);
    ck_succeeds(vm_write(g.vm, RW + 1, "\x06", 1));
    ck_assert_uint_eq(call(&h, RX), 6);
    guest_write(&g, RX + 0x2001, "\x01", 1); /* another page */
    ck_assert_uint_eq(call(&h, RX), 6);
    end();
}
END_TEST

/* As WriteProcessMemory does between turns of the one it writes to. */
START_TEST(another_space_is_written_to)
{
    const uint8_t code[] = {0xb0, 0x07, 0xc3};
    uint8_t got[3];

    begin();
    guest_map(&h, 0x700000, VM_PAGE_SIZE, X);
    ck_succeeds(vm_write(h.vm, 0x700000, code, sizeof code));
    ck_assert_uint_eq(call(&h, 0x700000), 7);
    for (uint8_t i = 8; i < 11; i++) {
        store(&g, GUEST_DATA, i);
        ck_succeeds(vm_write(h.vm, 0x700001, &i, 1));
        ck_assert_uint_eq(call(&h, 0x700000), i);
        ck_succeeds(vm_read(h.vm, 0x700000, got, sizeof got));
        ck_assert_uint_eq(got[1], i);
    }
    end();
}
END_TEST

/* Code of an image that both run is written to in one of them: the page becomes its own. */
START_TEST(an_image_is_changed_in_one_space)
{
    static uint8_t bytes[0x2000] = {[0x1000] = 0xb0, 0x01, 0xc3};
    const struct vm_image_run text = {0x1000, 0x1000, PAGE_EXECUTE_READ, ".text"};
    const struct vm_image image = {
        .size = sizeof bytes, .bytes = bytes, .runs = &text, .run_count = 1};
    struct vm_view_request req = {.base = 0x10000000};
    gva_t code = req.base + 0x1000;
    struct vm_section *section;

    begin();
    be_caller(&g);
    ck_succeeds(vm_section_new_image(g.vm, &image, &section));
    ck_succeeds(vm_section_map(g.vm, section, &req, NULL, NULL));
    ck_succeeds(vm_section_map(h.vm, section, &req, NULL, NULL));
    vm_section_unref(section);
    ck_assert_uint_eq(call(&g, code), 1);
    ck_assert_uint_eq(call(&h, code), 1);
    guest_write(&h, code + 1, "\x02", 1);
    ck_assert_uint_eq(call(&g, code), 1);
    ck_assert_uint_eq(call(&h, code), 2);
    ck_succeeds(try_protect(g.vm, code, 0x1000, X));
    ck_succeeds(vm_write(g.vm, code + 1, "\x03", 1));
    ck_assert_uint_eq(call(&g, code), 3);
    ck_assert_uint_eq(call(&h, code), 2);
    end();
}
END_TEST

START_TEST(a_restored_section_runs_its_former_code)
{
    struct vm_saved *saved;

    begin();
    store(&g, RW + 1, 2);
    ck_assert_uint_eq(call(&h, RX), 2);
    saved = vm_save(g.vm);
    store(&g, RW + 1, 3);
    ck_assert_uint_eq(call(&h, RX), 3);
    ck_assert(vm_restore(g.vm, saved));
    ck_assert_uint_eq(call(&h, RX), 2);
    store(&g, RW + 1, 4);
    ck_assert_uint_eq(call(&h, RX), 4);
    ck_assert(vm_restore(g.vm, saved));
    vm_saved_free(saved);
    ck_assert_uint_eq(call(&h, RX), 2);
    be_writer(&h);
    store(&h, RWX + 1, 5);
    be_caller(&g);
    ck_assert_uint_eq(call(&g, RX), 5);
    end();
}
END_TEST

START_TEST(a_page_is_revoked_while_its_cpu_rests)
{
    begin();
    be_writer(&h);
    store(&h, RWX + 0x1000, 1);
    store(&g, GUEST_DATA, 1);
    ck_succeeds(try_protect(h.vm, RWX + 0x1000, 0x1000, PAGE_READONLY));
    cpu_set(h.cpu, CPU_RIP, GUEST_CODE);
    guest_run(&h, CPU_EVENT_FAULT, GUEST_CODE);
    ck_assert_int_eq(h.event.fault, VM_FAULT_READONLY);
    ck_succeeds(vm_unmap_view(h.vm, RWX));
    guest_run(&h, CPU_EVENT_FAULT, GUEST_CODE);
    ck_assert_int_eq(h.event.fault, VM_FAULT_FREE);
    end();
}
END_TEST

/* A frame with code of one space becomes one with code of the other. */
START_TEST(frames_change_hands)
{
    const uint8_t code[] = {0xb0, 0x00, 0xc3};
    struct guest *turn[] = {&g, &h};

    begin();
    be_caller(&g);
    for (uint8_t i = 0; i < 6; i++) {
        struct guest *guest = turn[i % 2];

        guest_map(guest, 0x700000, VM_PAGE_SIZE, X);
        guest_write(guest, 0x700000, code, sizeof code);
        guest_write(guest, 0x700001, &i, 1);
        ck_assert_uint_eq(call(guest, 0x700000), i);
        ck_succeeds(try_release(guest->vm, 0x700000, 0, MEM_RELEASE));
    }
    end();
}
END_TEST

START_TEST(a_guest_goes_on_without_the_one_it_was_beside)
{
    begin();
    ck_assert_uint_eq(call(&h, RX), 1);
    store(&g, RW + 1, 2);
    guest_fini(&g);
    ck_assert_uint_eq(call(&h, RX), 2);
    guest_init_beside(&g, CPU_AMD64, &h);
    build_view(g.vm, s, RW, 0, 0, PAGE_READWRITE);
    be_writer(&g);
    store(&g, RW + 1, 3);
    ck_assert_uint_eq(call(&h, RX), 3);
    end();
}
END_TEST

static void add_both(TCase *tc)
{
    tcase_add_test(tc, a_store_of_one_is_executed_by_the_other);
    tcase_add_test(tc, nothing_is_translated_again_for_nothing);
    tcase_add_test(tc, what_is_being_written_begins_to_be_executed);
    tcase_add_test(tc, code_that_changes_itself_is_executed_by_both);
    tcase_add_test(tc, both_write_what_both_execute);
    tcase_add_test(tc, a_store_without_memory_is_executed);
    tcase_add_test(tc, a_store_into_lent_memory_is_executed_by_the_other);
    tcase_add_test(tc, what_the_host_writes_in_one_space_is_executed_in_the_other);
    tcase_add_test(tc, another_space_is_written_to);
    tcase_add_test(tc, an_image_is_changed_in_one_space);
    tcase_add_test(tc, a_restored_section_runs_its_former_code);
    tcase_add_test(tc, a_page_is_revoked_while_its_cpu_rests);
    tcase_add_test(tc, frames_change_hands);
    tcase_add_test(tc, a_guest_goes_on_without_the_one_it_was_beside);
}

int main(void)
{
    return guest_suite("cpu_beside", add_both, add_both);
}
