/*
 * Evaluating agent expressions. The stack needs no checks: agent_verify.c has made them. What remains to go wrong is
 * what only the machine knows: memory, division by zero, endless loops. Follows the GDB manual, "Bytecode
 * Descriptions"; where that is silent (shifts by 64 and more, the quotient that does not fit) the
 * result is what endless two's complement numbers would give, cut to 64 bits.
 */
#include "run/agent.h"

#include "run/agent_code.h"
#include "winstub/buf.h"

struct machine {
    const struct agent *agent;
    const struct agent_env *env;
    size_t pc;
    size_t height;
    size_t text_left; /* how much may still be printed */
    uint64_t stack[AGENT_STACK_MAX];
    struct diag *why;
};

static void push(struct machine *m, uint64_t value)
{
    m->stack[m->height++] = value;
}

/* a >> by with copies of the sign. */
static uint64_t shift_signed(uint64_t a, uint64_t by)
{
    uint64_t fill = a >> 63 ? UINT64_MAX : 0;

    if (by > 63)
        return fill;
    return by ? a >> by | fill << (64 - by) : a;
}

static uint64_t sign_extend(uint64_t a, uint64_t bits)
{
    uint64_t sign;

    if (bits > 63)
        return a;
    sign = UINT64_C(1) << (bits - 1);
    return ((a & (2 * sign - 1)) ^ sign) - sign;
}

static uint64_t zero_extend(uint64_t a, uint64_t bits)
{
    return bits > 63 ? a : a & ((UINT64_C(1) << bits) - 1);
}

static uint64_t unary(enum agent_op op, uint64_t operand, uint64_t a)
{
    switch (op) {
    case OP_log_not:
        return !a;
    case OP_bit_not:
        return ~a;
    case OP_ext:
        return sign_extend(a, operand);
    default:
        return zero_extend(a, operand);
    }
}

/* Signed division by b, not 0; the one quotient that overflows wraps. */
static uint64_t divide_signed(enum agent_op op, uint64_t a, uint64_t b)
{
    if (b == UINT64_MAX)
        return op == OP_div_signed ? 0 - a : 0;
    return op == OP_div_signed ? (uint64_t)((int64_t)a / (int64_t)b)
                               : (uint64_t)((int64_t)a % (int64_t)b);
}

static enum err divide(struct machine *m, enum agent_op op, uint64_t a, uint64_t b, uint64_t *out)
{
    if (!b)
        return diag_set(m->why, ERR_INVALID, "division by zero");
    if (op == OP_div_unsigned)
        *out = a / b;
    else if (op == OP_rem_unsigned)
        *out = a % b;
    else
        *out = divide_signed(op, a, b);
    return ERR_OK;
}

static enum err binary(struct machine *m, enum agent_op op)
{
    uint64_t b = m->stack[--m->height];
    uint64_t *top = &m->stack[m->height - 1];
    uint64_t a = *top;

    switch (op) {
    case OP_add:
        *top = a + b;
        break;
    case OP_sub:
        *top = a - b;
        break;
    case OP_mul:
        *top = a * b;
        break;
    case OP_lsh:
        *top = b > 63 ? 0 : a << b;
        break;
    case OP_rsh_signed:
        *top = shift_signed(a, b);
        break;
    case OP_rsh_unsigned:
        *top = b > 63 ? 0 : a >> b;
        break;
    case OP_bit_and:
        *top = a & b;
        break;
    case OP_bit_or:
        *top = a | b;
        break;
    case OP_bit_xor:
        *top = a ^ b;
        break;
    case OP_equal:
        *top = a == b;
        break;
    case OP_less_signed:
        *top = (int64_t)a < (int64_t)b;
        break;
    case OP_less_unsigned:
        *top = a < b;
        break;
    default:
        return divide(m, op, a, b, top);
    }
    return ERR_OK;
}

static void shuffle(struct machine *m, const struct agent_insn *insn)
{
    uint64_t *end = m->stack + m->height;
    uint64_t top = end[-1];

    switch (insn->op) {
    case OP_dup:
        push(m, top);
        break;
    case OP_swap:
        end[-1] = end[-2];
        end[-2] = top;
        break;
    case OP_rot: /* a b c -> c a b */
        end[-1] = end[-2];
        end[-2] = end[-3];
        end[-3] = top;
        break;
    default: /* pick */
        push(m, m->stack[m->height - 1 - insn->operand]);
        break;
    }
}

static enum err reference(struct machine *m, enum agent_op op)
{
    uint64_t *top = &m->stack[m->height - 1];
    uint8_t raw[8] = {0};

    if (!m->env->read(m->env->ctx, *top, raw, (size_t)1 << (op - OP_ref8)))
        return diag_set(m->why, ERR_FAULT, "memory at 0x%" PRIx64 " cannot be read", *top);
    *top = get_u64(raw);
    return ERR_OK;
}

static enum err read_register(struct machine *m, unsigned reg)
{
    uint64_t value;

    if (!m->env->reg(m->env->ctx, reg, &value))
        return diag_set(m->why, ERR_FAULT, "register %u cannot be read", reg);
    push(m, value);
    return ERR_OK;
}

/* On the stack, from the top: function and channel, which mean nothing here, and the values in order. */
static enum err print(struct machine *m, const struct agent_insn *insn)
{
    uint64_t args[AGENT_STACK_MAX];
    size_t count = insn->pops - 2u;
    struct buf text;
    enum err e = ERR_OK;

    for (size_t i = 0; i < count; i++)
        args[i] = m->stack[m->height - 3 - i];
    buf_init(&text, m->text_left);
    agent_format_print(m->agent->formats[insn->operand], args, m->env, &text);
    if (text.len)
        m->env->print(m->env->ctx, buf_str(&text), text.len);
    m->text_left -= text.len;
    if (text.failed)
        e = diag_set(m->why, ERR_LIMIT, "the text is longer than %u bytes, or host memory is short",
                     AGENT_TEXT_MAX);
    buf_fini(&text);
    m->height -= insn->pops;
    return e;
}

static enum err execute(struct machine *m, const struct agent_insn *insn)
{
    m->pc++;
    switch (insn->shape) {
    case SHAPE_CONST:
        push(m, insn->operand);
        return ERR_OK;
    case SHAPE_REG:
        return read_register(m, (unsigned)insn->operand);
    case SHAPE_REF:
        return reference(m, insn->op);
    case SHAPE_UNARY:
        m->stack[m->height - 1] = unary(insn->op, insn->operand, m->stack[m->height - 1]);
        return ERR_OK;
    case SHAPE_BINARY:
        return binary(m, insn->op);
    case SHAPE_SHUFFLE:
        shuffle(m, insn);
        return ERR_OK;
    case SHAPE_DROP:
        m->height = m->height - insn->pops + insn->pushes;
        return ERR_OK;
    case SHAPE_IF:
        if (m->stack[--m->height])
            m->pc = (size_t)insn->operand;
        return ERR_OK;
    case SHAPE_GOTO:
        m->pc = (size_t)insn->operand;
        return ERR_OK;
    case SHAPE_PRINT:
        return print(m, insn);
    case SHAPE_END:
    case SHAPE_REFUSED:
        break;
    }
    return ERR_OK;
}

enum err agent_eval(const struct agent *agent, const struct agent_env *env, int64_t *value,
                    struct diag *why)
{
    struct machine m; /* large: the stack is not cleared */

    m.agent = agent;
    m.env = env;
    m.pc = 0;
    m.height = 0;
    m.text_left = AGENT_TEXT_MAX;
    m.why = why;
    for (size_t steps = 0; steps < AGENT_STEPS_MAX; steps++) {
        const struct agent_insn *insn = &agent->insns[m.pc];
        enum err e;

        if (insn->shape == SHAPE_END) {
            *value = m.height ? (int64_t)m.stack[m.height - 1] : 0;
            return ERR_OK;
        }
        e = execute(&m, insn);
        if (e)
            return e;
    }
    return diag_set(why, ERR_LIMIT, "more than %u instructions", AGENT_STEPS_MAX);
}
