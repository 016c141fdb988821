/*
 * How long an instruction is, and whether the engine must be kept from running it as it is. Much
 * faster than a disassembler, since every block is scanned once when it is translated.
 */
#ifndef WINSTUB_CORE_CPU_SCAN_H
#define WINSTUB_CORE_CPU_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* SCAN_ILLEGAL: cpuid hides it and the engine runs it wrongly: VEX, EVEX, XOP, SSE4a, rdrand ... */
enum {
    SCAN_ILLEGAL = 1,
    SCAN_PRIVILEGED = 2,     /* in, out, ins, outs: the engine forgets that ring 3 may not */
    SCAN_TSC = 4,            /* rdtsc, rdtscp */
    SCAN_PUSHES_FLAGS = 8,   /* pushf */
    SCAN_LOADS_FLAGS = 16,   /* popf, iret */
    SCAN_LOADS_SEGMENT = 32, /* reads a descriptor */
    SCAN_INT1 = 64,          /* int 1 in its two-byte form */
    SCAN_SYSENTER = 128,
    SCAN_ROTATES_CARRY = 256,    /* rcl, rcr in memory */
    SCAN_STORES_CONDITION = 512, /* setcc in memory */
    SCAN_WHILE_EQUAL = 1024,     /* repe cmps, scas: ends also when ZF is 0 */
    SCAN_WHILE_UNEQUAL = 2048,   /* repne cmps, scas: when it is 1 */
    /* fxsave, cmpxchg16b, far call ...: the engine has code of its own for them */
    SCAN_STORES_UNSEEN = 4096,
    SCAN_KEEPS_FLAGS = 8192 /* cmpxchg8b, cmpxchg16b */
};

/*
 * When these are refused their access in the middle of a block, the engine has destroyed the flags that
 * they read. Alone, right after the flags were set, they are fine.
 */
#define SCAN_LOSES_FLAGS (SCAN_ROTATES_CARRY | SCAN_STORES_CONDITION)

/*
 * Marked so that they are executed alone, and then as they are. Of the flags that cmpxchg8b keeps the engine makes
 * anything in the middle of a block.
 */
#define SCAN_ALONE (SCAN_LOSES_FLAGS | SCAN_STORES_UNSEEN | SCAN_KEEPS_FLAGS)

/* An illegal instruction is not decoded further: its length is 1 and no other trait is set. */
struct scan_insn {
    uint8_t length;  /* bytes */
    uint8_t counter; /* how many bytes of rcx a rep counts in; 0: it is none */
    uint16_t traits; /* SCAN_* bits */
};

/*
 * Look at the instruction at bytes, in 64-bit code or 32-bit code. False when it does not end
 * within len bytes or is longer than 15.
 */
bool scan_insn(const uint8_t *bytes, size_t len, bool code64, struct scan_insn *out);

#endif
