/*
 * The length decoder against Capstone, over random instructions: where both know an instruction
 * they must agree on its length, or marks would land between instructions. And its traits, and the
 * hash table beside it.
 */
#include <check.h>
#include <string.h>

#include "cpu/pagemap.h"
#include "cpu/scan.h"
#include "guest.h"
#include "suite.h"
#include "winstub/dis.h"

#define ROUNDS 300000

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Random bytes that are more often an instruction than chance has it: prefixes, 0f maps. */
static void random_insn(uint64_t *state, bool code64, uint8_t *bytes)
{
    static const uint8_t prefixes[] = {0x66, 0x67, 0xf2, 0xf3, 0x2e, 0x64, 0xf0, 0x66};
    unsigned shape = (unsigned)next_random(state);
    size_t at = 0;

    for (size_t i = 0; i < 16; i++)
        bytes[i] = (uint8_t)next_random(state);
    if ((shape & 3) == 0)
        bytes[at++] = prefixes[shape >> 8 & 7];
    if (code64 && (shape & 0xc) == 0)
        bytes[at++] = 0x40 | (shape >> 16 & 15);
    if ((shape & 0x30) == 0) {
        bytes[at++] = 0x0f;
        if ((shape & 0xc0) == 0)
            bytes[at++] = shape & 0x100 ? 0x38 : 0x3a;
    }
}

/* Undefined instructions, and piled-up prefixes, where Capstone goes its own ways. */
static bool is_odd(const uint8_t *bytes, bool code64, const char *text)
{
    unsigned legacy = 0;
    unsigned rex = 0;

    for (;; bytes++) {
        if (code64 && (*bytes & 0xf0) == 0x40)
            rex++;
        else if (memchr("\x66\x67\xf2\xf3\xf0\x2e\x36\x3e\x26\x64\x65", *bytes, 11))
            legacy += 1 + rex;
        else
            break;
    }
    return legacy > 1 || rex > 1 || strncmp(text, "ud", 2) == 0 ||
           (legacy && (strncmp(text, "call", 4) == 0 || strncmp(text, "ret", 3) == 0));
}

static void compare(enum cpu_arch arch)
{
    struct guest g;
    struct dis *dis = dis_new();
    uint64_t state = 88172645463325252u;
    unsigned known = 0;

    guest_init(&g, arch);
    ck_assert_ptr_nonnull(dis);
    for (int i = 0; i < ROUNDS; i++) {
        uint8_t bytes[16];
        struct scan_insn scan;
        struct dis_insn insn;
        bool ok;

        random_insn(&state, arch == CPU_AMD64, bytes);
        if (!dis_decode(dis, g.cpu, 0x1000, bytes, 15, &insn))
            continue;
        ok = scan_insn(bytes, 15, arch == CPU_AMD64, &scan);
        if ((ok && (scan.traits & SCAN_ILLEGAL)) || is_odd(bytes, arch == CPU_AMD64, insn.text))
            continue;
        known++;
        ck_assert_msg(ok && scan.length == insn.length,
                      "%02x %02x %02x %02x %02x %02x %02x %02x (%s): %d, Capstone %d", bytes[0],
                      bytes[1], bytes[2], bytes[3], bytes[4], bytes[5], bytes[6], bytes[7],
                      insn.text, ok ? scan.length : -1, insn.length);
    }
    ck_assert_uint_gt(known, ROUNDS / 3);
    dis_free(dis);
    guest_fini(&g);
}

START_TEST(lengths_agree_with_capstone_in_64_bit_code)
{
    compare(CPU_AMD64);
}
END_TEST

START_TEST(lengths_agree_with_capstone_in_32_bit_code)
{
    compare(CPU_I386);
}
END_TEST

START_TEST(an_instruction_that_is_cut_off_has_no_length)
{
    static const uint8_t code[] = {0x48, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8};
    static const uint8_t prefixes[16] = {0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
                                         0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x90};
    struct scan_insn insn;

    for (size_t len = 0; len < sizeof code; len++)
        ck_assert(!scan_insn(code, len, true, &insn));
    ck_assert(scan_insn(code, sizeof code, true, &insn));
    ck_assert_uint_eq(insn.length, sizeof code);
    ck_assert(!scan_insn(prefixes, sizeof prefixes, true, &insn));
}
END_TEST

struct trait_case {
    uint8_t code[6];
    uint16_t traits64, traits32;
};

static const struct trait_case trait_cases[] = {
    {{0xc5, 0xf8, 0x77}, SCAN_ILLEGAL, SCAN_ILLEGAL},
    {{0xc5, 0x03}, SCAN_ILLEGAL, SCAN_LOADS_SEGMENT}, /* lds eax, [ebx] */
    {{0x62, 0x03}, SCAN_ILLEGAL, 0},                  /* bound */
    {{0x8f, 0x03}, 0, 0},                             /* pop */
    {{0x8f, 0xe8, 0x70, 0xa2, 0xc2}, SCAN_ILLEGAL, SCAN_ILLEGAL},
    {{0x83, 0xc4, 0x28}, 0, 0}, /* add esp, 0x28 */
    {{0x66, 0x0f, 0xc7, 0xf0}, SCAN_ILLEGAL, SCAN_ILLEGAL},
    {{0x0f, 0xc7, 0x0b}, /* cmpxchg8b */
     SCAN_STORES_UNSEEN | SCAN_KEEPS_FLAGS,
     SCAN_STORES_UNSEEN | SCAN_KEEPS_FLAGS},
    {{0x0f, 0xae, 0x03}, SCAN_STORES_UNSEEN, SCAN_STORES_UNSEEN},       /* fxsave */
    {{0x0f, 0xae, 0x23}, SCAN_STORES_UNSEEN, SCAN_STORES_UNSEEN},       /* xsave */
    {{0x0f, 0xae, 0x1b}, 0, 0},                                         /* stmxcsr */
    {{0x0f, 0xae, 0xf0}, 0, 0},                                         /* mfence */
    {{0x66, 0x0f, 0xf7, 0xc1}, SCAN_STORES_UNSEEN, SCAN_STORES_UNSEEN}, /* maskmovdqu */
    {{0xdb, 0x3b}, SCAN_STORES_UNSEEN, SCAN_STORES_UNSEEN},             /* fstp of ten bytes */
    {{0xdf, 0x33}, SCAN_STORES_UNSEEN, SCAN_STORES_UNSEEN},             /* fbstp */
    {{0xd9, 0x33}, SCAN_STORES_UNSEEN, SCAN_STORES_UNSEEN},             /* fnstenv */
    {{0xdd, 0x33}, SCAN_STORES_UNSEEN, SCAN_STORES_UNSEEN},             /* fnsave */
    {{0xdd, 0x3b}, 0, 0},                                               /* fnstsw */
    {{0xdb, 0xf1}, 0, 0},                                               /* fcomi */
    {{0xff, 0x1b},
     SCAN_LOADS_SEGMENT | SCAN_STORES_UNSEEN,
     SCAN_LOADS_SEGMENT | SCAN_STORES_UNSEEN}, /* far call */
    {{0x66, 0x0f, 0x3a, 0x61, 0xc1}, SCAN_ILLEGAL, SCAN_ILLEGAL},
    {{0x66, 0x0f, 0x3a, 0x0f, 0xc1}, 0, 0}, /* palignr */
    {{0xe4, 0x10}, SCAN_PRIVILEGED, SCAN_PRIVILEGED},
    {{0xf3, 0x6e}, SCAN_PRIVILEGED, SCAN_PRIVILEGED},
    {{0x0f, 0x31}, SCAN_TSC, SCAN_TSC},
    {{0x0f, 0x01, 0xf9}, SCAN_TSC, SCAN_TSC},
    {{0x0f, 0x01, 0xd0}, 0, 0}, /* xgetbv */
    {{0x66, 0x9c}, SCAN_PUSHES_FLAGS, SCAN_PUSHES_FLAGS},
    {{0x9d}, SCAN_LOADS_FLAGS, SCAN_LOADS_FLAGS},
    {{0x48, 0xcf}, SCAN_LOADS_FLAGS | SCAN_LOADS_SEGMENT, 0},
    {{0xff, 0x2b}, SCAN_LOADS_SEGMENT, SCAN_LOADS_SEGMENT},
    {{0xff, 0x23}, 0, 0},
    {{0xcd, 0x01}, SCAN_INT1, SCAN_INT1},
    {{0xcd, 0x2d}, 0, 0},
    {{0x0f, 0x34}, SCAN_SYSENTER, SCAN_SYSENTER},
    {{0x0f, 0x94, 0x03}, SCAN_STORES_CONDITION, SCAN_STORES_CONDITION},
    {{0x0f, 0x94, 0xc0}, 0, 0},                                   /* sete al */
    {{0xd1, 0x13}, SCAN_ROTATES_CARRY, SCAN_ROTATES_CARRY},       /* rcl [rbx], 1 */
    {{0xc0, 0x1b, 0x02}, SCAN_ROTATES_CARRY, SCAN_ROTATES_CARRY}, /* rcr byte [rbx], 2 */
    {{0xd1, 0xd3}, 0, 0},                                         /* rcl ebx, 1 */
    {{0xd1, 0x03}, 0, 0},                                         /* rol [rbx], 1 */
    {{0xf3, 0xa4}, 0, 0},                                         /* rep movsb */
    {{0xf3, 0xa7}, SCAN_WHILE_EQUAL, SCAN_WHILE_EQUAL},           /* repe cmpsd */
    {{0xf2, 0xae}, SCAN_WHILE_UNEQUAL, SCAN_WHILE_UNEQUAL},       /* repne scasb */
    {{0xae}, 0, 0},                                               /* scasb */
    {{0xf3, 0x0f, 0xae, 0xf0}, 0, 0},                             /* behind 0f they are others */
};

struct counter_case {
    uint8_t code[4];
    uint8_t counter64, counter32;
};

static const struct counter_case counter_cases[] = {
    {{0xf3, 0xa4}, 8, 4},             /* rep movsb */
    {{0xf2, 0xaf}, 8, 4},             /* repne scasd */
    {{0x66, 0xf3, 0xab}, 8, 4},       /* rep stosw */
    {{0xf3, 0x67, 0xad}, 4, 2},       /* rep lodsd, address size prefix */
    {{0xa4}, 0, 0},                   /* movsb */
    {{0xf3, 0x90}, 0, 0},             /* pause */
    {{0xf3, 0x0f, 0xa7, 0xc0}, 0, 0}, /* behind 0f they are others */
};

START_TEST(a_rep_counts_in_as_much_of_rcx_as_an_address_has)
{
    const struct counter_case *c = &counter_cases[_i];
    struct scan_insn insn;

    ck_assert(scan_insn(c->code, sizeof c->code, true, &insn));
    ck_assert_uint_eq(insn.counter, c->counter64);
    ck_assert(scan_insn(c->code, sizeof c->code, false, &insn));
    ck_assert_uint_eq(insn.counter, c->counter32);
}
END_TEST

START_TEST(traits_are_those_of_the_instruction)
{
    const struct trait_case *c = &trait_cases[_i];
    struct scan_insn insn;

    ck_assert(scan_insn(c->code, sizeof c->code, true, &insn));
    ck_assert_uint_eq(insn.traits, c->traits64);
    ck_assert(scan_insn(c->code, sizeof c->code, false, &insn));
    ck_assert_uint_eq(insn.traits, c->traits32);
}
END_TEST

START_TEST(a_pagemap_agrees_with_a_table)
{
    struct pagemap map = {0};
    uint64_t table[256] = {0};
    uint64_t state = 12345;
    size_t count = 0;

    for (int i = 0; i < 100000; i++) {
        uint64_t r = next_random(&state);
        unsigned n = r >> 8 & 255;
        uint64_t key = (uint64_t)n << 12;
        uint64_t *value = pagemap_get(&map, key);

        ck_assert_uint_eq(value ? *value : 0, table[n]);
        if (r & 1) {
            table[n] = r | 1;
            ck_assert(pagemap_put(&map, key, table[n]));
        } else {
            table[n] = 0;
            pagemap_remove(&map, key);
        }
    }
    for (unsigned n = 0; n < 256; n++)
        count += table[n] != 0;
    ck_assert_uint_eq(map.count, count);
    pagemap_clear(&map);
    ck_assert_ptr_null(pagemap_get(&map, 0x1000));
    pagemap_fini(&map);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cpu scan");
    TCase *tc = tcase_create("scan");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, lengths_agree_with_capstone_in_64_bit_code);
    tcase_add_test(tc, lengths_agree_with_capstone_in_32_bit_code);
    tcase_add_test(tc, an_instruction_that_is_cut_off_has_no_length);
    tcase_add_loop_test(tc, a_rep_counts_in_as_much_of_rcx_as_an_address_has, 0,
                        sizeof counter_cases / sizeof *counter_cases);
    tcase_add_loop_test(tc, traits_are_those_of_the_instruction, 0,
                        (int)(sizeof trait_cases / sizeof *trait_cases));
    tcase_add_test(tc, a_pagemap_agrees_with_a_table);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
