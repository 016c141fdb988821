/* The first thread at its entry point: registers, stack, TLS; and how its stack grows. */
#include <check.h>

#include "process_fixture.h"
#include "suite.h"

#define COUNT_OF(a) (sizeof(a) / sizeof *(a))

START_TEST(the_cpu_stands_at_the_entry_point)
{
    const struct process_module *program;
    gva_t sp, ret;

    fixture_start(_i, NULL);
    program = process_module(f.p, 0);
    sp = cpu_get(f.cpu, CPU_RSP);
    ck_assert_uint_eq(cpu_get(f.cpu, CPU_RIP), program->entry);
    ck_assert_uint_eq(program->entry, program->base + PB_TEXT);
    ret = guest_word(f.p, sp);
    ck_assert(process_is_exit(f.p, ret));
    ck_assert(!process_is_exit(f.p, program->entry));
    ck_assert_uint_lt(ret - process_module(f.p, 2)->base, process_module(f.p, 2)->size);
    if (f.wide) {
        ck_assert_uint_eq(sp % 16, 8);
        ck_assert_uint_eq(cpu_get(f.cpu, CPU_RCX), f.peb);
        ck_assert_uint_eq(cpu_get(f.cpu, CPU_RDX), program->entry);
    } else {
        gva_t seh = guest_u32(f.p, f.teb);

        ck_assert_uint_eq(guest_u32(f.p, sp + 4), f.peb);
        ck_assert_uint_eq(cpu_get(f.cpu, CPU_RBX), f.peb);
        ck_assert_uint_eq(guest_u32(f.p, cpu_get(f.cpu, CPU_RBP)), 0);
        ck_assert_uint_eq(guest_u32(f.p, seh), 0xffffffff);
        ck_assert_uint_lt(guest_u32(f.p, seh + 4) - process_module(f.p, 1)->base,
                          process_module(f.p, 1)->size);
    }
}
END_TEST

START_TEST(a_dll_is_entered_as_dllmain)
{
    const struct process_module *program;
    struct pe_builder b;
    gva_t sp;

    pe_builder_init(&b, archs[_i]);
    b.characteristics |= 0x2000;
    fixture_adopt(build_program(&b, NULL));
    program = process_module(f.p, 0);
    sp = cpu_get(f.cpu, CPU_RSP);
    if (f.wide) {
        ck_assert_uint_eq(cpu_get(f.cpu, CPU_RCX), program->base);
        ck_assert_uint_eq(cpu_get(f.cpu, CPU_RDX), 1);
    } else {
        ck_assert_uint_eq(guest_u32(f.p, sp + 4), program->base);
        ck_assert_uint_eq(guest_u32(f.p, sp + 8), 1);
    }
}
END_TEST

START_TEST(tls_data_of_the_program_is_set_up)
{
    enum { START = PB_DATA + 0x40, INDEX = PB_DATA + 0x80, SIZE = 0x14, ZEROS = 0x30 };
    struct pe_builder b;
    gva_t pointers, block;
    uint32_t word = archs[_i] == CPU_AMD64 ? 8 : 4;

    pe_builder_init(&b, archs[_i]);
    b.characteristics |= 1; /* stays at its base: no relocations are written for these addresses */
    b.dll_characteristics &= (uint16_t)~0x40;
    pe_builder_word(&b, PB_TLS, b.image_base + START);
    pe_builder_word(&b, PB_TLS + word, b.image_base + START + SIZE);
    pe_builder_word(&b, PB_TLS + 2 * word, b.image_base + INDEX);
    pe_builder_u32(&b, PB_TLS + 4 * word, ZEROS);
    pe_builder_u32(&b, START, 0x600df00d);
    pe_builder_u32(&b, INDEX, 77);
    fixture_adopt(build_program(&b, NULL));
    ck_assert_uint_eq(guest_u32(f.p, process_module(f.p, 0)->base + INDEX), 0);
    pointers = guest_word(f.p, f.teb + pick(0x2c, 0x58));
    block = guest_word(f.p, pointers);
    ck_assert_uint_eq(block % 16, 0);
    ck_assert_uint_eq(guest_u32(f.p, block), 0x600df00d);
    ck_assert_uint_eq(guest_u32(f.p, block + SIZE + ZEROS - 4), 0);
}
END_TEST

/* The run at addr: its end, after checking state and protection. */
static gva_t expect_run(gva_t addr, uint32_t state, uint32_t protect)
{
    struct vm_region r;

    ck_assert(NT_SUCCESS(vm_query(process_vm(f.p), addr, &r)));
    ck_assert_uint_eq(r.state, state);
    ck_assert_uint_eq(r.protect, protect);
    ck_assert_str_eq(r.label, "stack 1");
    return r.base + r.size;
}

START_TEST(the_stack_has_reserve_guard_and_committed_part)
{
    const struct process_thread *t;
    struct pe_builder b;
    gva_t bottom;

    pe_builder_init(&b, archs[_i]);
    b.stack_reserve = 0x180000;
    b.stack_commit = 0x2345;
    fixture_adopt(build_program(&b, NULL));
    t = process_thread(f.p, 0);
    bottom = guest_word(f.p, f.teb + pick(0xe0c, 0x1478));
    ck_assert_uint_eq(t->stack_base - bottom, 0x180000);
    ck_assert_uint_eq(t->stack_base - t->stack_limit, 0x3000);
    ck_assert_uint_eq(expect_run(bottom, MEM_RESERVE, 0), t->stack_limit - 0x1000);
    ck_assert_uint_eq(expect_run(t->stack_limit - 0x1000, MEM_COMMIT, PAGE_READWRITE | PAGE_GUARD),
                      t->stack_limit);
    ck_assert_uint_eq(expect_run(t->stack_limit, MEM_COMMIT, PAGE_READWRITE), t->stack_base);
}
END_TEST

START_TEST(the_stack_grows_until_it_is_exhausted)
{
    const struct process_thread *t;
    struct pe_builder b;
    gva_t bottom, guard;
    int grown = 0;

    pe_builder_init(&b, archs[_i]);
    b.stack_reserve = 0x20000;
    b.stack_commit = 0x1000;
    fixture_adopt(build_program(&b, NULL));
    t = process_thread(f.p, 0);
    bottom = t->stack_base - 0x20000;
    ck_assert_int_eq(process_guard_hit(f.p, t->stack_limit), PROCESS_GUARD_OTHER);
    ck_assert_int_eq(process_guard_hit(f.p, t->stack_limit - 0x1001), PROCESS_GUARD_OTHER);
    for (;;) {
        enum process_guard g;

        guard = t->stack_limit - 0x1000;
        g = process_guard_hit(f.p, guard + 0x123);
        if (g != PROCESS_GUARD_GROWN) {
            ck_assert_int_eq(g, PROCESS_GUARD_OVERFLOW);
            break;
        }
        grown++;
        ck_assert_uint_eq(t->stack_limit, guard);
        ck_assert_uint_eq(guest_word(f.p, f.teb + pick(8, 16)), guard);
        (void)expect_run(guard - 0x1000, MEM_COMMIT, PAGE_READWRITE | PAGE_GUARD);
        ck_assert_uint_eq(expect_run(guard, MEM_COMMIT, PAGE_READWRITE), t->stack_base);
    }
    ck_assert_int_eq(grown, 26); /* guards at pages 29 to 4; at 3 the stack is exhausted */
    ck_assert_uint_eq(t->stack_limit, bottom + 0x1000);
    ck_assert_uint_eq(expect_run(bottom, MEM_RESERVE, 0), bottom + 0x1000);
    ck_assert_uint_eq(expect_run(bottom + 0x1000, MEM_COMMIT, PAGE_READWRITE), t->stack_base);
    ck_assert_int_eq(process_guard_hit(f.p, bottom + 0x800), PROCESS_GUARD_OTHER);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        the_cpu_stands_at_the_entry_point,     a_dll_is_entered_as_dllmain,
        tls_data_of_the_program_is_set_up,     the_stack_has_reserve_guard_and_committed_part,
        the_stack_grows_until_it_is_exhausted,
    };
    Suite *suite = suite_create("thread");
    TCase *tc = tcase_create("thread");

    tcase_add_checked_fixture(tc, NULL, fixture_teardown);
    for (size_t i = 0; i < COUNT_OF(tests); i++)
        tcase_add_loop_test(tc, tests[i], 0, ARCHS);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
