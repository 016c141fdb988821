/*
 * What an agent expression does to its stack, found out before it runs: every instruction that can be reached is
 * visited once with the height it finds, and no other way may bring another height. So the evaluation needs no
 * checks of its own.
 */
#include <stdlib.h>

#include "run/agent_code.h"

#define UNSEEN UINT16_MAX

struct walk {
    const struct agent *agent;
    uint16_t *height; /* at the start of each instruction; UNSEEN */
    uint32_t *queue;  /* instructions to visit, each once */
    size_t queued;
    struct diag *why;
};

/* Instruction `from` goes on at `to` with this height. */
static enum err reach(struct walk *w, const struct agent_insn *from, size_t to, uint16_t height)
{
    if (to == w->agent->count)
        return diag_set(w->why, ERR_FORMAT, "%s at %u is the last instruction, and no end",
                        agent_op_name(from->op), from->at);
    if (w->height[to] == UNSEEN) {
        w->height[to] = height;
        w->queue[w->queued++] = (uint32_t)to;
        return ERR_OK;
    }
    if (w->height[to] == height)
        return ERR_OK;
    return diag_set(w->why, ERR_FORMAT, "%s at %u is reached with %u values and with %u",
                    agent_op_name(w->agent->insns[to].op), w->agent->insns[to].at, w->height[to],
                    height);
}

static enum err visit(struct walk *w, size_t i, enum agent_use use)
{
    const struct agent_insn *insn = &w->agent->insns[i];
    uint16_t height = w->height[i];
    enum err e = ERR_OK;

    if (height < insn->pops)
        return diag_set(w->why, ERR_FORMAT, "%s at %u takes %u values and finds %u",
                        agent_op_name(insn->op), insn->at, insn->pops, height);
    if (insn->shape == SHAPE_END)
        return use == AGENT_COMMAND || height
                   ? ERR_OK
                   : diag_set(w->why, ERR_FORMAT, "end at %u leaves no value", insn->at);
    height = (uint16_t)(height - insn->pops + insn->pushes);
    if (height > AGENT_STACK_MAX)
        return diag_set(w->why, ERR_LIMIT, "%s at %u needs a stack of more than %u values",
                        agent_op_name(insn->op), insn->at, AGENT_STACK_MAX);
    if (insn->shape == SHAPE_IF || insn->shape == SHAPE_GOTO)
        e = reach(w, insn, insn->operand, height);
    if (!e && insn->shape != SHAPE_GOTO)
        e = reach(w, insn, i + 1, height);
    return e;
}

enum err agent_verify(const struct agent *agent, enum agent_use use, struct diag *why)
{
    struct walk w = {.agent = agent, .why = why};
    enum err e = ERR_NOMEM;

    w.height = malloc(agent->count * sizeof *w.height);
    w.queue = malloc(agent->count * sizeof *w.queue);
    if (!w.height || !w.queue)
        goto out;
    for (size_t i = 0; i < agent->count; i++)
        w.height[i] = UNSEEN;
    w.height[0] = 0;
    w.queue[w.queued++] = 0;
    e = ERR_OK;
    while (!e && w.queued)
        e = visit(&w, w.queue[--w.queued], use);
out:
    free(w.height);
    free(w.queue);
    return e;
}
