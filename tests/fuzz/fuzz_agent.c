/*
 * Agent expressions: any bytes are refused with a sentence or evaluated within the limits, the same way twice. The
 * first byte of the input chooses the use and how the machine answers.
 */
#include <stdlib.h>
#include <string.h>

#include "run/agent.h"

#define CHECK(what)                                                                                \
    do {                                                                                           \
        if (!(what))                                                                               \
            abort();                                                                               \
    } while (0)

enum choice {
    CHOICE_COMMAND = 1 << 0,
    CHOICE_NO_MEMORY = 1 << 1, /* no address is readable, else half of the 4 KiB pages are */
    CHOICE_TEXT = 1 << 2,      /* memory is a string that ends, else one that does not */
};

struct machine {
    unsigned choice;
    size_t printed;
    uint32_t sum; /* of what was printed */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct target_reg regs[] = {
    {"rax", "core", "int64", 64, true},
    {"eflags", "core", "int32", 32, true},
    {"st0", "core", "i387_ext", 80, false},
    {"gone", "core", "int64", 64, true},
};

static bool machine_reg(void *ctx, unsigned reg, uint64_t *value)
{
    (void)ctx;
    CHECK(reg < sizeof regs / sizeof *regs && regs[reg].bits <= 64);
    *value = reg ? 0x246 : UINT64_C(0x7ff600001230);
    return reg != 3;
}

static bool machine_read(void *ctx, gva_t addr, void *dst, size_t len)
{
    const struct machine *m = ctx;
    uint8_t *bytes = dst;

    CHECK(len && len <= 64);
    if ((m->choice & CHOICE_NO_MEMORY) || (addr >> 12 & 1) || ((addr + len - 1) >> 12 & 1))
        return false;
    for (size_t i = 0; i < len; i++)
        bytes[i] = m->choice & CHOICE_TEXT && (addr + i) % 32 < 2 ? 0 : (uint8_t)(addr + i);
    return true;
}

static void machine_print(void *ctx, const char *text, size_t len)
{
    struct machine *m = ctx;

    m->printed += len;
    for (size_t i = 0; i < len; i++)
        m->sum = m->sum * 31 + (uint8_t)text[i];
}

static enum err evaluate(const struct agent *agent, struct machine *m, int64_t *value)
{
    const struct agent_env env = {m, machine_reg, machine_read, machine_print};
    struct diag why = {{0}};
    enum err e = agent_eval(agent, &env, value, &why);

    CHECK(!e == !why.text[0]);
    CHECK(!e || e == ERR_INVALID || e == ERR_FAULT || e == ERR_LIMIT);
    return e;
}

static void evaluate_twice(const struct agent *agent, unsigned choice)
{
    struct machine first = {.choice = choice};
    struct machine second = {.choice = choice};
    int64_t a = 1, b = 1;

    CHECK(evaluate(agent, &first, &a) == evaluate(agent, &second, &b));
    CHECK(a == b && first.sum == second.sum && first.printed == second.printed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct agent *agent = NULL;
    struct diag why = {{0}};
    struct bytes code;
    enum err e;

    if (!size || size > 4096) /* a long loop of long texts is slow and nothing else */
        return 0;
    code = (struct bytes){data + 1, size - 1};
    e = agent_compile(code, data[0] & CHOICE_COMMAND ? AGENT_COMMAND : AGENT_CONDITION, regs,
                      sizeof regs / sizeof *regs, &agent, &why);
    CHECK(!e == (agent != NULL) && !e == !why.text[0]);
    if (!e)
        evaluate_twice(agent, data[0]);
    else
        CHECK(e == ERR_FORMAT || e == ERR_UNSUPPORTED || e == ERR_LIMIT);
    agent_free(agent);
    return 0;
}
