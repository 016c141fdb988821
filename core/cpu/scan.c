/*
 * Instruction lengths by table, and the traits of scan.h. Follows Intel's SDM volume 2, appendix
 * A; check_cpu_scan.c compares it with Capstone. Undefined opcodes have some length: the engine
 * ends its block there.
 */
#include "cpu/scan.h"

#define MAX_LENGTH 15

/* What follows an opcode byte. */
enum {
    M = 1,   /* modrm */
    I1 = 2,  /* an immediate byte */
    I2 = 4,  /* two bytes */
    IZ = 8,  /* 2 or 4 bytes, by operand size */
    IV = 16, /* 2, 4 or 8 bytes, by operand size */
    IA = 32, /* as wide as an address */
    P = 128  /* a prefix */
};

/* clang-format off */
static const uint8_t map1[256] = {
    /*       0    1    2    3    4    5    6    7     8    9    a    b    c    d    e    f */
    /* 0 */  M,   M,   M,   M,   I1,  IZ,  0,   0,    M,   M,   M,   M,   I1,  IZ,  0,   0,
    /* 1 */  M,   M,   M,   M,   I1,  IZ,  0,   0,    M,   M,   M,   M,   I1,  IZ,  0,   0,
    /* 2 */  M,   M,   M,   M,   I1,  IZ,  P,   0,    M,   M,   M,   M,   I1,  IZ,  P,   0,
    /* 3 */  M,   M,   M,   M,   I1,  IZ,  P,   0,    M,   M,   M,   M,   I1,  IZ,  P,   0,
    /* 4 */  0,   0,   0,   0,   0,   0,   0,   0,    0,   0,   0,   0,   0,   0,   0,   0,
    /* 5 */  0,   0,   0,   0,   0,   0,   0,   0,    0,   0,   0,   0,   0,   0,   0,   0,
    /* 6 */  0,   0,   M,   M,   P,   P,   P,   P,    IZ,  M|IZ,I1,  M|I1,0,   0,   0,   0,
    /* 7 */  I1,  I1,  I1,  I1,  I1,  I1,  I1,  I1,   I1,  I1,  I1,  I1,  I1,  I1,  I1,  I1,
    /* 8 */  M|I1,M|IZ,M|I1,M|I1,M,   M,   M,   M,    M,   M,   M,   M,   M,   M,   M,   M,
    /* 9 */  0,   0,   0,   0,   0,   0,   0,   0,    0,   0,   I2|IZ,0,  0,   0,   0,   0,
    /* a */  IA,  IA,  IA,  IA,  0,   0,   0,   0,    I1,  IZ,  0,   0,   0,   0,   0,   0,
    /* b */  I1,  I1,  I1,  I1,  I1,  I1,  I1,  I1,   IV,  IV,  IV,  IV,  IV,  IV,  IV,  IV,
    /* c */  M|I1,M|I1,I2,  0,   M,   M,   M|I1,M|IZ, I2|I1,0,  I2,  0,   0,   I1,  0,   0,
    /* d */  M,   M,   M,   M,   I1,  I1,  0,   0,    M,   M,   M,   M,   M,   M,   M,   M,
    /* e */  I1,  I1,  I1,  I1,  I1,  I1,  I1,  I1,   IZ,  IZ,  I2|IZ,I1, 0,   0,   0,   0,
    /* f */  P,   0,   P,   P,   0,   0,   M,   M,    0,   0,   0,   0,   0,   0,   M,   M,
};

static const uint8_t map2[256] = {
    /*       0    1    2    3    4    5    6    7     8    9    a    b    c    d    e    f */
    /* 0 */  M,   M,   M,   M,   0,   0,   0,   0,    0,   0,   0,   0,   0,   M,   0,   M|I1,
    /* 1 */  M,   M,   M,   M,   M,   M,   M,   M,    M,   M,   M,   M,   M,   M,   M,   M,
    /*
     * 2 */  I1,  I1,  I1,  I1,  I1,  I1,  I1,  I1,   M,   M,   M,   M,   M,   M,   M,   M, /* mov
     * cr, dr: registers whatever modrm says
     */
    /* 3 */  0,   0,   0,   0,   0,   0,   0,   0,    0,   0,   0,   0,   0,   0,   0,   0,
    /* 4 */  M,   M,   M,   M,   M,   M,   M,   M,    M,   M,   M,   M,   M,   M,   M,   M,
    /* 5 */  M,   M,   M,   M,   M,   M,   M,   M,    M,   M,   M,   M,   M,   M,   M,   M,
    /* 6 */  M,   M,   M,   M,   M,   M,   M,   M,    M,   M,   M,   M,   M,   M,   M,   M,
    /* 7 */  M|I1,M|I1,M|I1,M|I1,M,   M,   M,   0,    M,   M,   M,   M,   M,   M,   M,   M,
    /* 8 */  IZ,  IZ,  IZ,  IZ,  IZ,  IZ,  IZ,  IZ,   IZ,  IZ,  IZ,  IZ,  IZ,  IZ,  IZ,  IZ,
    /* 9 */  M,   M,   M,   M,   M,   M,   M,   M,    M,   M,   M,   M,   M,   M,   M,   M,
    /* a */  0,   0,   0,   M,   M|I1,M,   M,   M,    0,   0,   0,   M,   M|I1,M,   M,   M,
    /* b */  M,   M,   M,   M,   M,   M,   M,   M,    M,   M,   M|I1,M,   M,   M,   M,   M,
    /* c */  M,   M,   M|I1,M,   M|I1,M|I1,M|I1,M,    0,   0,   0,   0,   0,   0,   0,   0,
    /* d */  M,   M,   M,   M,   M,   M,   M,   M,    M,   M,   M,   M,   M,   M,   M,   M,
    /* e */  M,   M,   M,   M,   M,   M,   M,   M,    M,   M,   M,   M,   M,   M,   M,   M,
    /* f */  M,   M,   M,   M,   M,   M,   M,   M,    M,   M,   M,   M,   M,   M,   M,   M,
};
/* clang-format on */

/* One decoding in progress. */
struct cursor {
    const uint8_t *bytes;
    size_t len;
    size_t at;
    bool code64;
    bool operand16; /* 66 */
    bool address;   /* 67 */
    bool rex_w;
    uint8_t repeat; /* f2, f3; 0: neither */
};

/* The byte at c->at + ahead; 0 past the end, where decoding fails in any case. */
static uint8_t peek(const struct cursor *c, size_t ahead)
{
    return c->at + ahead < c->len ? c->bytes[c->at + ahead] : 0;
}

/* A REX prefix counts only right before the opcode. */
static void skip_prefixes(struct cursor *c)
{
    for (; c->at < c->len; c->at++) {
        uint8_t byte = peek(c, 0);
        bool rex = c->code64 && (byte & 0xf0) == 0x40;

        if (!rex && map1[byte] != P)
            return;
        c->rex_w = rex && (byte & 8);
        c->operand16 |= byte == 0x66;
        c->address |= byte == 0x67;
        if (byte == 0xf2 || byte == 0xf3)
            c->repeat = byte;
    }
}

/* Bytes of a modrm byte with what belongs to it. */
static size_t modrm_length(const struct cursor *c)
{
    unsigned mod = peek(c, 0) >> 6;
    unsigned rm = peek(c, 0) & 7u;

    if (mod == 3)
        return 1;
    if (!c->code64 && c->address)
        return 1 + (mod == 1 ? 1u : mod == 2 || rm == 6 ? 2u : 0u);
    if (rm == 4 && mod == 0)
        return 2 + ((peek(c, 1) & 7u) == 5 ? 4u : 0u);
    if (mod == 0)
        return 1 + (rm == 5 ? 4u : 0u);
    return 1 + (rm == 4 ? 1u : 0u) + (mod == 1 ? 1u : 4u);
}

static size_t immediate_length(const struct cursor *c, uint8_t follows)
{
    size_t z = c->operand16 && !c->rex_w ? 2 : 4;
    size_t n = 0;

    n += follows & I1 ? 1 : 0;
    n += follows & I2 ? 2 : 0;
    n += follows & IZ ? z : 0;
    n += follows & IV ? (c->rex_w ? 8 : z) : 0;
    if (follows & IA)
        n += c->code64 ? (c->address ? 4 : 8) : (c->address ? 2 : 4);
    return n;
}

/* Would the bytes from here be VEX, EVEX or XOP on a newer processor? */
static bool is_vector_prefix(const struct cursor *c, uint8_t opcode)
{
    bool register_form = peek(c, 0) >= 0xc0;

    switch (opcode) {
    case 0xc4:
    case 0xc5:
    case 0x62:
        return c->code64 || register_form; /* else les, lds, bound */
    case 0x8f:
        return peek(c, 0) & 0x38; /* else pop */
    default:
        return false;
    }
}

static unsigned traits_of_group5(uint8_t modrm)
{
    unsigned reg = modrm >> 3 & 7u;

    if (reg == 3)
        return SCAN_LOADS_SEGMENT | SCAN_STORES_UNSEEN; /* far call */
    return reg == 5 ? SCAN_LOADS_SEGMENT : 0;           /* far jmp */
}

/* fnstenv, fnsave, fstp of ten bytes, fbstp */
static unsigned traits_of_x87(uint8_t opcode, uint8_t modrm)
{
    unsigned reg = modrm >> 3 & 7u;

    if (modrm >= 0xc0)
        return 0;
    return reg == (opcode == 0xdb ? 7 : 6) ? SCAN_STORES_UNSEEN : 0;
}

/* Groups 9 and 15: cmpxchg8b, cmpxchg16b; fxsave, xsave, xsaveopt */
static unsigned traits_of_groups(uint8_t opcode, uint8_t modrm)
{
    unsigned reg = modrm >> 3 & 7u;

    if (opcode == 0xc7 && modrm >= 0xf0)
        return SCAN_ILLEGAL; /* rdrand, rdseed */
    if (modrm >= 0xc0)
        return 0;
    if (opcode == 0xc7)
        return reg == 1 ? SCAN_STORES_UNSEEN | SCAN_KEEPS_FLAGS : 0;
    return reg == 0 || reg == 4 || reg == 6 ? SCAN_STORES_UNSEEN : 0;
}

static unsigned traits_of_group2(uint8_t modrm)
{
    bool through_carry = (modrm & 0x30) == 0x10;

    return through_carry && modrm < 0xc0 ? SCAN_ROTATES_CARRY : 0;
}

/* Traits of a one-byte opcode; c is behind it. */
static unsigned traits_of_map1(const struct cursor *c, uint8_t opcode)
{
    if (is_vector_prefix(c, opcode))
        return SCAN_ILLEGAL;
    switch (opcode) {
    case 0x6c:
    case 0x6d:
    case 0x6e:
    case 0x6f: /* ins, outs */
    case 0xe4:
    case 0xe5:
    case 0xe6:
    case 0xe7:
    case 0xec:
    case 0xed:
    case 0xee:
    case 0xef: /* in, out */
        return SCAN_PRIVILEGED;
    case 0x9c:
        return SCAN_PUSHES_FLAGS;
    case 0x9d:
        return SCAN_LOADS_FLAGS;
    case 0xcf:
        return SCAN_LOADS_FLAGS | SCAN_LOADS_SEGMENT;
    case 0xcd:
        return peek(c, 0) == 1 ? SCAN_INT1 : 0;
    case 0x07:
    case 0x17:
    case 0x1f:
    case 0x8e: /* pop and mov */
    case 0xea:
    case 0xca:
    case 0xcb: /* far jmp, ret */
    case 0xc4:
    case 0xc5: /* les, lds */
        return SCAN_LOADS_SEGMENT;
    case 0x9a: /* far call */
        return SCAN_LOADS_SEGMENT | SCAN_STORES_UNSEEN;
    case 0xff:
        return traits_of_group5(peek(c, 0));
    case 0xd9:
    case 0xdb:
    case 0xdd:
    case 0xdf:
        return traits_of_x87(opcode, peek(c, 0));
    case 0xc0:
    case 0xc1:
    case 0xd0:
    case 0xd1:
    case 0xd2:
    case 0xd3:
        return traits_of_group2(peek(c, 0));
    default:
        return 0;
    }
}

/* Traits of an opcode behind 0f; c is behind it. */
static unsigned traits_of_map2(const struct cursor *c, uint8_t opcode)
{
    if ((opcode & 0xf0) == 0x90)
        return peek(c, 0) < 0xc0 ? SCAN_STORES_CONDITION : 0;
    switch (opcode) {
    case 0x34:
        return SCAN_SYSENTER;
    case 0x31:
        return SCAN_TSC;
    case 0x01:
        return peek(c, 0) == 0xf9 ? SCAN_TSC : 0;
    case 0x78:
    case 0x79:
        return SCAN_ILLEGAL; /* extrq, insertq; vmread, vmwrite */
    case 0xae:
    case 0xc7:
        return traits_of_groups(opcode, peek(c, 0));
    case 0xf7: /* maskmovq, maskmovdqu */
        return SCAN_STORES_UNSEEN;
    case 0x3a:
        return peek(c, 0) >= 0x60 && peek(c, 0) <= 0x63 ? SCAN_ILLEGAL : 0; /* pcmpXstrX */
    case 0x00: /* verr, verw and their kin */
    case 0x02:
    case 0x03:
    case 0xa1:
    case 0xa9: /* lar, lsl, pop fs, pop gs */
    case 0xb2:
    case 0xb4:
    case 0xb5: /* lss, lfs, lgs */
        return SCAN_LOADS_SEGMENT;
    default:
        return 0;
    }
}

/* cmps and scas */
static bool compares(uint8_t opcode)
{
    return (opcode & 0xfe) == 0xa6 || (opcode & 0xfe) == 0xae;
}

/* movs, cmps, stos, lods, scas */
static bool is_string(uint8_t opcode)
{
    return (opcode >= 0xa4 && opcode <= 0xa7) || (opcode >= 0xaa && opcode <= 0xaf);
}

/* See scan_insn.counter; for a one-byte opcode. */
static uint8_t counter_of(const struct cursor *c, uint8_t opcode)
{
    if (!c->repeat || !is_string(opcode))
        return 0;
    if (c->code64)
        return c->address ? 4 : 8;
    return c->address ? 2 : 4;
}

static unsigned traits_of_repeat(const struct cursor *c, uint8_t opcode)
{
    if (!c->repeat || !compares(opcode))
        return 0;
    return c->repeat == 0xf2 ? SCAN_WHILE_UNEQUAL : SCAN_WHILE_EQUAL;
}

/* Read the opcode and what it says about its tail. */
static uint8_t read_opcode(struct cursor *c, unsigned *traits, uint8_t *counter)
{
    uint8_t opcode = peek(c, 0);

    c->at++;
    *counter = counter_of(c, opcode);
    if (opcode != 0x0f) {
        *traits = traits_of_map1(c, opcode) | traits_of_repeat(c, opcode);
        if ((opcode & 0xfe) == 0xf6 && !(peek(c, 0) & 0x30))
            return opcode & 1 ? M | IZ : M | I1; /* test, of group 3 */
        return map1[opcode];
    }
    opcode = peek(c, 0);
    c->at++;
    *traits = traits_of_map2(c, opcode);
    if (opcode != 0x38 && opcode != 0x3a)
        return map2[opcode];
    c->at++;
    return opcode == 0x3a ? M | I1 : M;
}

bool scan_insn(const uint8_t *bytes, size_t len, bool code64, struct scan_insn *out)
{
    struct cursor c = {.bytes = bytes, .len = len, .code64 = code64};
    uint8_t follows, counter;
    unsigned traits;

    skip_prefixes(&c);
    follows = read_opcode(&c, &traits, &counter);
    if (traits & SCAN_ILLEGAL) {
        *out = (struct scan_insn){.length = 1, .traits = SCAN_ILLEGAL};
        return c.at <= len;
    }
    if (follows & M)
        c.at += modrm_length(&c);
    c.at += immediate_length(&c, follows);
    if (c.at > len || c.at > MAX_LENGTH)
        return false;
    *out = (struct scan_insn){(uint8_t)c.at, counter, (uint16_t)traits};
    return true;
}
