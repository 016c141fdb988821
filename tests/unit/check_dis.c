/*
 * Decoding: text, lengths, flags, and that it never reads past what it is given. Operands:
 * check_cpu_fault.c.
 */
#include <check.h>
#include <string.h>

#include "guest.h"
#include "suite.h"
#include "winstub/dis.h"

static struct guest g;
static struct dis *dis;

static void setup64(void)
{
    guest_init(&g, CPU_AMD64);
    dis = dis_new();
    ck_assert_ptr_nonnull(dis);
}

static void setup32(void)
{
    guest_init(&g, CPU_I386);
    dis = dis_new();
    ck_assert_ptr_nonnull(dis);
}

static void teardown(void)
{
    dis_free(dis);
    guest_fini(&g);
}

START_TEST(text_and_length_are_those_of_the_width)
{
    static const uint8_t code[] = {0x48, 0x8b, 0x01}; /* 64: mov rax, [rcx]; 32: dec eax */
    struct dis_insn insn;

    ck_assert(dis_decode(dis, g.cpu, 0x1000, code, sizeof code, &insn));
    if (cpu_get_arch(g.cpu) == CPU_AMD64) {
        ck_assert_str_eq(insn.text, "mov rax, qword ptr [rcx]");
        ck_assert_uint_eq(insn.length, 3);
        ck_assert_uint_eq(insn.access_count, 1);
    } else {
        ck_assert_str_eq(insn.text, "dec eax");
        ck_assert_uint_eq(insn.length, 1);
        ck_assert_uint_eq(insn.access_count, 0);
    }
}
END_TEST

START_TEST(bytes_that_end_too_early_are_no_instruction)
{
    static const uint8_t code[] = {0xc7, 0x05, 1, 2, 3, 4, 5, 6, 7, 8};
    struct dis_insn insn;

    for (size_t len = 0; len < sizeof code; len++)
        ck_assert(!dis_decode(dis, g.cpu, 0x1000, code, len, &insn));
    ck_assert(dis_decode(dis, g.cpu, 0x1000, code, sizeof code, &insn));
    ck_assert(!dis_decode(dis, g.cpu, 0x1000, (const uint8_t[]){0x0f, 0xff}, 1, &insn));
}
END_TEST

START_TEST(rip_relative_operands_count_from_the_next_instruction)
{
    static const uint8_t code[] = {0x8b, 0x05, 0x10, 0, 0, 0};
    struct dis_insn insn;

    ck_assert(dis_decode(dis, g.cpu, 0x1000, code, sizeof code, &insn));
    ck_assert_uint_eq(insn.access_count, 1);
    ck_assert_uint_eq(insn.accesses[0].address, cpu_get_arch(g.cpu) == CPU_AMD64 ? 0x1016 : 0x10);
}
END_TEST

START_TEST(flags_tell_rep_and_vex)
{
    static const struct {
        uint8_t code[5];
        bool rep, vex;
    } cases[] = {
        {{0xf3, 0xa4}, true, false},
        {{0xf2, 0xae}, true, false},
        {{0xa4}, false, false},
        {{0xf3, 0x90}, false, false},             /* pause */
        {{0xf2, 0x0f, 0x10, 0x03}, false, false}, /* movsd xmm0, [rbx] */
        {{0xf3, 0xc3}, false, false},             /* rep ret */
        {{0xc5, 0xf0, 0x58, 0xc2}, false, true},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct dis_insn insn;

        ck_assert(dis_decode(dis, g.cpu, 0x1000, cases[i].code, 5, &insn));
        ck_assert_msg(insn.rep == cases[i].rep && insn.vex == cases[i].vex, "%s: rep %d vex %d",
                      insn.text, insn.rep, insn.vex);
    }
}
END_TEST

START_TEST(accesses_come_in_the_processors_order)
{
    static const uint8_t movs[] = {0xa4};
    static const uint8_t push[] = {0xff, 0x33};
    static const uint8_t pop[] = {0x8f, 0x44, 0x24, 0x10}; /* pop [esp + 16]: from the new esp */
    unsigned word = cpu_get_arch(g.cpu) == CPU_AMD64 ? 8 : 4;
    struct dis_insn insn;

    cpu_set(g.cpu, CPU_RSI, 0x1111);
    cpu_set(g.cpu, CPU_RDI, 0x2222);
    cpu_set(g.cpu, CPU_RBX, 0x3333);
    cpu_set(g.cpu, CPU_RSP, 0x4000);
    ck_assert(dis_decode(dis, g.cpu, 0x1000, movs, sizeof movs, &insn));
    ck_assert_uint_eq(insn.access_count, 2);
    ck_assert_uint_eq(insn.accesses[0].address, 0x1111);
    ck_assert_uint_eq(insn.accesses[0].access, VM_READ);
    ck_assert_uint_eq(insn.accesses[1].address, 0x2222);
    ck_assert_uint_eq(insn.accesses[1].access, VM_WRITE);
    ck_assert(dis_decode(dis, g.cpu, 0x1000, push, sizeof push, &insn));
    ck_assert_uint_eq(insn.accesses[0].address, 0x3333);
    ck_assert_uint_eq(insn.accesses[1].address, 0x4000 - word);
    ck_assert(dis_decode(dis, g.cpu, 0x1000, pop, sizeof pop, &insn));
    ck_assert_uint_eq(insn.accesses[0].address, 0x4000);
    ck_assert_uint_eq(insn.accesses[1].address, 0x4010 + word);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, text_and_length_are_those_of_the_width);
    tcase_add_test(tc, bytes_that_end_too_early_are_no_instruction);
    tcase_add_test(tc, rip_relative_operands_count_from_the_next_instruction);
    tcase_add_test(tc, flags_tell_rep_and_vex);
    tcase_add_test(tc, accesses_come_in_the_processors_order);
}

int main(void)
{
    Suite *suite = suite_create("dis");
    TCase *amd64 = tcase_create("amd64");
    TCase *i386 = tcase_create("i386");

    tcase_add_checked_fixture(amd64, setup64, teardown);
    add_tests(amd64);
    suite_add_tcase(suite, amd64);
    tcase_add_checked_fixture(i386, setup32, teardown);
    add_tests(i386);
    suite_add_tcase(suite, i386);
    return suite_main(suite);
}
