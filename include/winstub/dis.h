/* Decoding of single x86 instructions: their text, and the memory they touch. Names no library. */
#ifndef WINSTUB_DIS_H
#define WINSTUB_DIS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "winstub/cpu.h"
#include "winstub/gva.h"

#define DIS_MAX_LENGTH   15 /* bytes of the longest x86 instruction */
#define DIS_MAX_ACCESSES 8

/* One memory operand, explicit or implicit (push, call, movs, fxsave, enter ...). */
struct dis_access {
    gva_t address;
    uint32_t size;
    unsigned access; /* VM_READ and/or VM_WRITE */
};

struct dis_insn {
    uint8_t length; /* bytes */
    char text[96];  /* "mov rax, qword ptr [rcx]" */
    bool vex;       /* VEX, EVEX, XOP and their kin: stops as #UD; no accesses are listed */
    bool rep;       /* has an effective rep prefix */
    bool partial;   /* may leave some of the bytes alone that it is said to write */
    size_t access_count;
    struct dis_access accesses
        [DIS_MAX_ACCESSES]; /* in the order the CPU performs them; none of a rep whose count is 0 */
};

struct dis;                /* a decoder; one per thread */
struct dis *dis_new(void); /* NULL when memory is short */
void dis_free(struct dis *dis);

/*
 * Decode the instruction at pc. cpu gives the registers that addresses are computed from, and its
 * cs the width of the code. False when the bytes are no instruction or end before it does.
 */
bool dis_decode(struct dis *dis, const struct cpu *cpu, gva_t pc, const uint8_t *bytes, size_t len,
                struct dis_insn *out);

#endif
