/*
 * Agent expressions from bytes to instructions: operands, registers, jump targets. What the stack does is checked by
 * agent_verify.c, formats by agent_format.c. Follows the GDB manual, "Bytecode Descriptions".
 */
#include "run/agent.h"

#include <stdlib.h>
#include <string.h>

#include "run/agent_code.h"

struct op_row {
    const char *name; /* NULL: there is no such opcode */
    uint8_t operand, pops, pushes;
    enum agent_shape shape;
};

static const struct op_row op_rows[256] = {
#define AGENT_ROW(name, opcode, operand, pops, pushes, shape)                                      \
    [opcode] = {#name, operand, pops, pushes, SHAPE_##shape},
    AGENT_OPS(AGENT_ROW)
#undef AGENT_ROW
};

const char *agent_op_name(enum agent_op op)
{
    return op_rows[op].name;
}

struct decoder {
    struct bytes code;
    size_t at;
    enum agent_use use;
    const struct target_reg *regs;
    size_t reg_count;
    struct agent *agent;
    uint32_t *index_at; /* 1 + number of the instruction that starts at an offset; 0: none does */
    struct diag *why;
};

/* Operands are stored with their most significant byte first, whatever the target is. */
static uint64_t big_endian(const uint8_t *p, size_t len)
{
    uint64_t value = 0;

    for (size_t i = 0; i < len; i++)
        value = value << 8 | p[i];
    return value;
}

static enum err decode_reg(const struct decoder *d, const struct agent_insn *insn)
{
    if (insn->operand >= d->reg_count)
        return diag_set(d->why, ERR_FORMAT, "reg at %u names register %u of %zu", insn->at,
                        (unsigned)insn->operand, d->reg_count);
    if (d->regs[insn->operand].bits > 64)
        return diag_set(d->why, ERR_UNSUPPORTED, "reg at %u names %s, which has %u bits", insn->at,
                        d->regs[insn->operand].name, d->regs[insn->operand].bits);
    return ERR_OK;
}

/* argument count, length with the NUL, text. */
static enum err decode_printf(struct decoder *d, struct agent_insn *insn)
{
    struct agent *a = d->agent;
    unsigned args = (unsigned)(insn->operand >> 16);
    size_t len = insn->operand & 0xffff;
    struct bytes text = bytes_slice(d->code, d->at, len);
    enum err e;

    if (!text.data || !len || text.data[len - 1] || memchr(text.data, 0, len - 1))
        return diag_set(d->why, ERR_FORMAT, "printf at %u has no format that ends in a NUL",
                        insn->at);
    d->at += len;
    text.len--;
    e = agent_format_parse(text, args, &a->formats[a->format_count], d->why);
    if (e)
        return e;
    insn->operand = a->format_count++;
    insn->pops = (uint16_t)(insn->pops + args);
    return ERR_OK;
}

/* What the operand means beyond its number. */
static enum err decode_operand(struct decoder *d, struct agent_insn *insn)
{
    if (insn->shape == SHAPE_REG)
        return decode_reg(d, insn);
    if (insn->shape == SHAPE_PRINT)
        return decode_printf(d, insn);
    if (insn->op == OP_pick) {
        insn->pops = (uint16_t)(insn->operand + 1);
        insn->pushes = (uint16_t)(insn->operand + 2);
    }
    if (insn->op == OP_ext && !insn->operand)
        return diag_set(d->why, ERR_FORMAT, "ext at %u extends a value of no bits", insn->at);
    return ERR_OK;
}

static enum err decode_one(struct decoder *d)
{
    struct agent_insn *insn = &d->agent->insns[d->agent->count];
    uint8_t opcode = d->code.data[d->at];
    const struct op_row *row = &op_rows[opcode];

    *insn = (struct agent_insn){.op = (enum agent_op)opcode,
                                .shape = row->shape,
                                .at = (uint32_t)d->at,
                                .pops = row->pops,
                                .pushes = row->pushes};
    if (!row->name)
        return diag_set(d->why, ERR_FORMAT, "byte %u of the expression, 0x%02x, is no instruction",
                        insn->at, opcode);
    if (row->shape == SHAPE_REFUSED)
        return diag_set(d->why, ERR_UNSUPPORTED, "%s at %u is not supported", row->name, insn->at);
    if (!bytes_has(d->code, d->at + 1, row->operand))
        return diag_set(d->why, ERR_FORMAT, "%s at %u is cut off", row->name, insn->at);
    insn->operand = big_endian(d->code.data + d->at + 1, row->operand);
    d->index_at[d->at] = (uint32_t)++d->agent->count;
    d->at += 1u + row->operand;
    return decode_operand(d, insn);
}

/* Turn the offsets of jumps into numbers of instructions. */
static enum err resolve_jumps(const struct decoder *d)
{
    for (size_t i = 0; i < d->agent->count; i++) {
        struct agent_insn *insn = &d->agent->insns[i];

        if (insn->shape != SHAPE_IF && insn->shape != SHAPE_GOTO)
            continue;
        if (insn->operand >= d->code.len || !d->index_at[insn->operand])
            return diag_set(d->why, ERR_FORMAT, "%s at %u leads to %u, where no instruction starts",
                            agent_op_name(insn->op), insn->at, (unsigned)insn->operand);
        insn->operand = d->index_at[insn->operand] - 1;
    }
    return ERR_OK;
}

static enum err decode(struct decoder *d)
{
    enum err e = ERR_OK;

    while (!e && d->at < d->code.len)
        e = decode_one(d);
    if (!e)
        e = resolve_jumps(d);
    return e ? e : agent_verify(d->agent, d->use, d->why);
}

/* Room for as many instructions as there are bytes, and as many formats as fit. */
static struct agent *agent_new(size_t len)
{
    struct agent *a = calloc(1, sizeof *a);

    if (!a)
        return NULL;
    a->insns = calloc(len, sizeof *a->insns);
    a->formats = calloc(len / 4 + 1, sizeof(struct agent_format *));
    if (a->insns && a->formats)
        return a;
    agent_free(a);
    return NULL;
}

/* Give back what the decoder took too much of. */
static void shrink(struct agent *a)
{
    struct agent_insn *insns = realloc(a->insns, a->count * sizeof *insns);

    if (insns)
        a->insns = insns;
}

enum err agent_compile(struct bytes code, enum agent_use use, const struct target_reg *regs,
                       size_t reg_count, struct agent **out, struct diag *why)
{
    struct decoder d = {.code = code, .use = use, .regs = regs, .reg_count = reg_count, .why = why};
    enum err e = ERR_NOMEM;

    if (!code.len)
        return diag_set(why, ERR_FORMAT, "the expression is empty");
    if (code.len > AGENT_CODE_MAX)
        return diag_set(why, ERR_LIMIT, "the expression has %zu bytes, over %u", code.len,
                        AGENT_CODE_MAX);
    d.agent = agent_new(code.len);
    d.index_at = calloc(code.len, sizeof *d.index_at);
    if (!d.agent || !d.index_at)
        goto out;
    e = decode(&d);
    if (e)
        goto out;
    shrink(d.agent);
    *out = d.agent;
    d.agent = NULL; /* the caller's from here */
out:
    free(d.index_at);
    agent_free(d.agent);
    return e == ERR_NOMEM ? diag_set(why, e, "%s", err_text(e)) : e;
}

void agent_free(struct agent *agent)
{
    if (!agent)
        return;
    for (size_t i = 0; i < agent->format_count; i++)
        agent_format_free(agent->formats[i]);
    free(agent->formats);
    free(agent->insns);
    free(agent);
}
