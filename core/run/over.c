/*
 * Stepping over and out; the contract is in over.h. A call has returned when its thread is behind it with the stack
 * as high as before it; a function has returned when one of its return instructions has left the stack higher than it
 * was when we began (a `push; ret` that is a jump does not).
 */
#include "run/over.h"

#include <string.h>

#include "cpu/scan.h"
#include "run/turns.h"

enum flow { FLOW_PLAIN, FLOW_CALL, FLOW_RETURN };

/* Skip prefixes, REX included in 64-bit code; the opcode's offset. */
static size_t opcode_at(const uint8_t *bytes, size_t len, bool code64)
{
    size_t i = 0;

    while (i < len && memchr("\x26\x2e\x36\x3e\x64\x65\x66\x67\xf0\xf2\xf3", bytes[i], 11))
        i++;
    if (code64 && i < len && (bytes[i] & 0xf0) == 0x40)
        i++;
    return i;
}

/* What the instruction at pc does to the flow; *length is its own. */
static enum flow flow_at(const struct run *run, gva_t pc, uint8_t *length)
{
    uint8_t bytes[DIS_MAX_LENGTH + 2] = {0};
    size_t got = vm_debug_read(process_vm(run->process), pc, bytes, DIS_MAX_LENGTH);
    bool code64 = cpu_get(run->cpu, CPU_CS) == 0x33;
    struct scan_insn insn;
    size_t op;

    if (!scan_insn(bytes, got, code64, &insn))
        return FLOW_PLAIN;
    *length = insn.length;
    op = opcode_at(bytes, got, code64);
    switch (bytes[op]) {
    case 0xe8:
        return FLOW_CALL;
    case 0x9a:
        return code64 ? FLOW_PLAIN : FLOW_CALL;
    case 0xff:
        return (bytes[op + 1] & 0x30) == 0x10 ? FLOW_CALL : FLOW_PLAIN; /* /2 and /3 */
    case 0xc2:
    case 0xc3:
    case 0xca:
    case 0xcb:
        return FLOW_RETURN;
    default:
        return FLOW_PLAIN;
    }
}

/* Run the call at pc to its return. The call itself is a step, so that a break at its pc is passed. */
static enum err over_call(struct run *run, gva_t after, bool *stopped)
{
    gva_t stack = cpu_get(run->cpu, CPU_RSP);
    enum err e = run_step(run, stopped);
    gva_t pc = cpu_get(run->cpu, CPU_RIP);

    if (e || *stopped || pc == after)
        return e;
    if (run_breaks_at(run, pc) && run_hit(run, pc)) {
        *stopped = true;
        return ERR_OK;
    }
    e = cpu_break_add(run->cpu, after);
    if (e)
        return e;
    run->ret =
        (struct return_point){.set = true, .tid = run->stop.tid, .addr = after, .stack = stack};
    e = turns_continue(run);
    *stopped = run->stop.kind != STOP_STEP || !run->ret.reached;
    run->ret = (struct return_point){0};
    run_release_break(run, after);
    return e;
}

enum err over_step(struct run *run, bool *stopped)
{
    gva_t pc = cpu_get(run->cpu, CPU_RIP);
    uint8_t length = 0;

    if (flow_at(run, pc, &length) != FLOW_CALL)
        return run_step(run, stopped);
    return over_call(run, pc + length, stopped);
}

bool over_at_return(const struct run *run)
{
    uint8_t length = 0;

    return flow_at(run, cpu_get(run->cpu, CPU_RIP), &length) == FLOW_RETURN;
}
