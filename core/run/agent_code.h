/* Agent expressions as decoded: the opcode table, and instructions whose operands and jumps are resolved. */
#ifndef CORE_RUN_AGENT_CODE_H
#define CORE_RUN_AGENT_CODE_H

#include "run/agent.h"
#include "run/agent_format.h"

/* What instructions have in common for whoever executes or checks them. */
enum agent_shape {
    SHAPE_CONST,
    SHAPE_REG,
    SHAPE_REF,     /* reads memory at the top */
    SHAPE_UNARY,   /* replaces the top */
    SHAPE_BINARY,  /* replaces the top two */
    SHAPE_SHUFFLE, /* moves values */
    SHAPE_DROP,    /* takes values away and does nothing with them: tracing has no buffer here */
    SHAPE_IF,
    SHAPE_GOTO,
    SHAPE_PRINT,
    SHAPE_END,
    SHAPE_REFUSED /* known, but there is nothing here that it could work on */
};

/* O(name, opcode, bytes of operand, values popped, values pushed, shape); printf's operand is longer and its pops more. */
/* clang-format off */
#define AGENT_OPS(O)                              \
    O(float,           0x01, 0, 0, 0, REFUSED)    \
    O(add,             0x02, 0, 2, 1, BINARY)     \
    O(sub,             0x03, 0, 2, 1, BINARY)     \
    O(mul,             0x04, 0, 2, 1, BINARY)     \
    O(div_signed,      0x05, 0, 2, 1, BINARY)     \
    O(div_unsigned,    0x06, 0, 2, 1, BINARY)     \
    O(rem_signed,      0x07, 0, 2, 1, BINARY)     \
    O(rem_unsigned,    0x08, 0, 2, 1, BINARY)     \
    O(lsh,             0x09, 0, 2, 1, BINARY)     \
    O(rsh_signed,      0x0a, 0, 2, 1, BINARY)     \
    O(rsh_unsigned,    0x0b, 0, 2, 1, BINARY)     \
    O(trace,           0x0c, 0, 2, 0, DROP)       \
    O(trace_quick,     0x0d, 1, 1, 1, DROP)       \
    O(log_not,         0x0e, 0, 1, 1, UNARY)      \
    O(bit_and,         0x0f, 0, 2, 1, BINARY)     \
    O(bit_or,          0x10, 0, 2, 1, BINARY)     \
    O(bit_xor,         0x11, 0, 2, 1, BINARY)     \
    O(bit_not,         0x12, 0, 1, 1, UNARY)      \
    O(equal,           0x13, 0, 2, 1, BINARY)     \
    O(less_signed,     0x14, 0, 2, 1, BINARY)     \
    O(less_unsigned,   0x15, 0, 2, 1, BINARY)     \
    O(ext,             0x16, 1, 1, 1, UNARY)      \
    O(ref8,            0x17, 0, 1, 1, REF)        \
    O(ref16,           0x18, 0, 1, 1, REF)        \
    O(ref32,           0x19, 0, 1, 1, REF)        \
    O(ref64,           0x1a, 0, 1, 1, REF)        \
    O(ref_float,       0x1b, 0, 0, 0, REFUSED)    \
    O(ref_double,      0x1c, 0, 0, 0, REFUSED)    \
    O(ref_long_double, 0x1d, 0, 0, 0, REFUSED)    \
    O(l_to_d,          0x1e, 0, 0, 0, REFUSED)    \
    O(d_to_l,          0x1f, 0, 0, 0, REFUSED)    \
    O(if_goto,         0x20, 2, 1, 0, IF)         \
    O(goto,            0x21, 2, 0, 0, GOTO)       \
    O(const8,          0x22, 1, 0, 1, CONST)      \
    O(const16,         0x23, 2, 0, 1, CONST)      \
    O(const32,         0x24, 4, 0, 1, CONST)      \
    O(const64,         0x25, 8, 0, 1, CONST)      \
    O(reg,             0x26, 2, 0, 1, REG)        \
    O(end,             0x27, 0, 0, 0, END)        \
    O(dup,             0x28, 0, 1, 2, SHUFFLE)    \
    O(pop,             0x29, 0, 1, 0, DROP)       \
    O(zero_ext,        0x2a, 1, 1, 1, UNARY)      \
    O(swap,            0x2b, 0, 2, 2, SHUFFLE)    \
    O(getv,            0x2c, 2, 0, 0, REFUSED)    \
    O(setv,            0x2d, 2, 0, 0, REFUSED)    \
    O(tracev,          0x2e, 2, 0, 0, DROP)       \
    O(tracenz,         0x2f, 0, 2, 0, DROP)       \
    O(trace16,         0x30, 2, 1, 1, DROP)       \
    O(pick,            0x32, 1, 0, 1, SHUFFLE)    \
    O(rot,             0x33, 0, 3, 3, SHUFFLE)    \
    O(printf,          0x34, 3, 2, 0, PRINT)
/* clang-format on */

enum agent_op {
#define AGENT_ENUM(name, opcode, operand, pops, pushes, shape) OP_##name = opcode,
    AGENT_OPS(AGENT_ENUM)
#undef AGENT_ENUM
};

struct agent_insn {
    enum agent_op op;
    enum agent_shape shape;
    uint32_t at;   /* offset in the bytecode */
    uint16_t pops; /* values that must be there; those of pick stay */
    uint16_t pushes;
    uint64_t operand; /* of a jump: index of the instruction; of printf: index of the format */
};

struct agent {
    struct agent_insn *insns;
    size_t count;
    struct agent_format **formats;
    size_t format_count;
};

/* The name of an opcode, "div_signed". */
const char *agent_op_name(enum agent_op op);

/*
 * Walk all ways through the decoded instructions: the stack neither runs dry nor over, is equally high on
 * all ways to an instruction, and nothing runs past the last one. Errors as of agent_compile.
 */
MUST_USE enum err agent_verify(const struct agent *agent, enum agent_use use, struct diag *why);

#endif
