/*
 * Agent expressions: what each opcode does, what is refused before it runs, and what goes wrong while it runs.
 * The numbers of opcodes are written out here, so that a slip in the table shows.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "run/agent.h"
#include "suite.h"

#define COUNT_OF(a) (sizeof(a) / sizeof *(a))
#define CODE(text)                                                                                 \
    {                                                                                              \
        (const uint8_t *)(text), sizeof(text) - 1                                                  \
    }

#define MEMORY      0x1000u
#define MEMORY_SIZE 16u

/* Big-endian constants. */
#define C8(n) "\x22" n
#define M1    C8("\xff") "\x16\x08" /* -1 */
#define MIN   "\x25\x80\0\0\0\0\0\0\0"
#define ADDR  "\x23\x10\x00"
#define END   "\x27"

static const struct target_reg regs[] = {
    {"r0", "f", "int64", 64, true},
    {"r1", "f", "int32", 32, true},
    {"st0", "f", "i387_ext", 80, false},
    {"broken", "f", "int64", 64, true}, /* cannot be read */
};

static const uint8_t memory[MEMORY_SIZE] = {0x81, 0x82, 0x83, 0x84, 0x85,
                                            0x86, 0x87, 0x88, 0x11, 0x12};
static char printed[4096];
static size_t printed_len;

static bool env_reg(void *ctx, unsigned reg, uint64_t *value)
{
    (void)ctx;
    *value = reg ? 0xfffffff1 : UINT64_C(0x8000000000000002);
    return reg < 2;
}

static bool env_read(void *ctx, gva_t addr, void *dst, size_t len)
{
    (void)ctx;
    if (addr < MEMORY || addr - MEMORY > MEMORY_SIZE || len > MEMORY + MEMORY_SIZE - addr)
        return false;
    memcpy(dst, memory + (addr - MEMORY), len);
    return true;
}

static void env_print(void *ctx, const char *text, size_t len)
{
    (void)ctx;
    ck_assert_uint_le(len, sizeof printed - printed_len);
    memcpy(printed + printed_len, text, len);
    printed_len += len;
}

static void count_text(void *ctx, const char *text, size_t len)
{
    (void)text;
    *(size_t *)ctx += len;
}

static const struct agent_env env = {NULL, env_reg, env_read, env_print};

static enum err compile(struct bytes code, enum agent_use use, struct agent **out, struct diag *why)
{
    return agent_compile(code, use, regs, COUNT_OF(regs), out, why);
}

/* ---- values ---- */

static const struct value_case {
    const char *name;
    struct bytes code;
    int64_t value;
} values[] = {
    {"add", CODE(C8("\x05") C8("\x07") "\x02" END), 12},
    {"add wraps", CODE("\x25\x7f\xff\xff\xff\xff\xff\xff\xff" C8("\x01") "\x02" END), INT64_MIN},
    {"sub", CODE(C8("\x05") C8("\x07") "\x03" END), -2},
    {"mul", CODE(C8("\x05") M1 "\x04" END), -5},
    {"div_signed", CODE(M1 C8("\x07") "\x04" C8("\x02") "\x05" END), -3},
    {"div_signed overflows", CODE(MIN M1 "\x05" END), INT64_MIN},
    {"div_unsigned", CODE(M1 C8("\x10") "\x06" END), 0x0fffffffffffffff},
    {"rem_signed", CODE(M1 C8("\x07") "\x04" C8("\x04") "\x07" END), -3},
    {"rem_signed overflows", CODE(MIN M1 "\x07" END), 0},
    {"rem_unsigned", CODE(M1 C8("\x10") "\x08" END), 15},
    {"lsh", CODE(C8("\x03") C8("\x04") "\x09" END), 48},
    {"lsh to the top", CODE(C8("\x03") C8("\x3f") "\x09" END), INT64_MIN},
    {"lsh out", CODE(C8("\x03") C8("\x40") "\x09" END), 0},
    {"rsh_signed", CODE(MIN C8("\x04") "\x0a" END), INT64_MIN / 16},
    {"rsh_signed by nothing", CODE(MIN C8("\x00") "\x0a" END), INT64_MIN},
    {"rsh_signed out", CODE(MIN C8("\x40") "\x0a" END), -1},
    {"rsh_signed of a positive one", CODE(C8("\x30") C8("\x04") "\x0a" END), 3},
    {"rsh_signed by a negative number", CODE(C8("\x30") M1 "\x0a" END), 0},
    {"rsh_unsigned", CODE(MIN C8("\x3f") "\x0b" END), 1},
    {"rsh_unsigned out", CODE(MIN C8("\x40") "\x0b" END), 0},
    {"trace", CODE(C8("\x09") ADDR C8("\x04") "\x0c" END), 9},
    {"trace_quick", CODE(ADDR "\x0d\x04" END), MEMORY},
    {"log_not of 0", CODE(C8("\x00") "\x0e" END), 1},
    {"log_not of -1", CODE(M1 "\x0e" END), 0},
    {"bit_and", CODE(C8("\x0c") C8("\x0a") "\x0f" END), 8},
    {"bit_or", CODE(C8("\x0c") C8("\x0a") "\x10" END), 14},
    {"bit_xor", CODE(C8("\x0c") C8("\x0a") "\x11" END), 6},
    {"bit_not", CODE(C8("\x0c") "\x12" END), -13},
    {"equal", CODE(C8("\x0c") C8("\x0c") "\x13" END), 1},
    {"equal, not", CODE(C8("\x0c") C8("\x0d") "\x13" END), 0},
    {"less_signed", CODE(M1 C8("\x00") "\x14" END), 1},
    {"less_signed, not", CODE(C8("\x00") M1 "\x14" END), 0},
    {"less_signed of equals", CODE(M1 M1 "\x14" END), 0},
    {"less_unsigned", CODE(C8("\x00") M1 "\x15" END), 1},
    {"less_unsigned, not", CODE(M1 C8("\x00") "\x15" END), 0},
    {"ext 8",
     CODE("\x23\x01\x80"
          "\x16\x08" END),
     -128},
    {"ext 8 of a positive one",
     CODE("\x23\x01\x7f"
          "\x16\x08" END),
     127},
    {"ext 1", CODE(C8("\x01") "\x16\x01" END), -1},
    {"ext 63",
     CODE("\x25\x40\0\0\0\0\0\0\0"
          "\x16\x3f" END),
     INT64_MIN / 2},
    {"ext 64", CODE(MIN "\x16\x40" END), INT64_MIN},
    {"ext 255", CODE(C8("\xff") "\x16\xff" END), 255},
    {"ref8", CODE(ADDR "\x17" END), 0x81},
    {"ref16", CODE(ADDR "\x18" END), 0x8281},
    {"ref32", CODE(ADDR "\x19" END), 0x84838281},
    {"ref64", CODE(ADDR "\x1a" END), (int64_t)UINT64_C(0x8887868584838281)},
    {"ref16 at an odd address",
     CODE("\x23\x10\x07"
          "\x18" END),
     0x1188},
    {"if_goto taken", CODE(C8("\x01") "\x20\x00\x08" C8("\x05") END C8("\x06") END), 6},
    {"if_goto not taken", CODE(C8("\x00") "\x20\x00\x08" C8("\x05") END C8("\x06") END), 5},
    {"if_goto of a high bit", CODE(MIN "\x20\x00\x0f" C8("\x05") END C8("\x06") END), 6},
    {"goto", CODE("\x21\x00\x06" C8("\x05") END C8("\x06") END), 6},
    {"a loop", CODE(C8("\x0a") /* 2: */ C8("\x01") "\x03\x28\x20\x00\x02" END), 0},
    {"const8", CODE("\x22\xfe" END), 0xfe},
    {"const16", CODE("\x23\xfe\xdc" END), 0xfedc},
    {"const32", CODE("\x24\xfe\xdc\xba\x98" END), 0xfedcba98},
    {"const64", CODE("\x25\xfe\xdc\xba\x98\x76\x54\x32\x10" END),
     (int64_t)UINT64_C(0xfedcba9876543210)},
    {"reg", CODE("\x26\x00\x00" END), INT64_MIN + 2},
    {"reg of 32 bits is not extended", CODE("\x26\x00\x01" END), 0xfffffff1},
    {"dup", CODE(C8("\x03") "\x28\x04" END), 9},
    {"pop", CODE(C8("\x03") C8("\x04") "\x29" END), 3},
    {"zero_ext", CODE(M1 "\x2a\x10" END), 0xffff},
    {"zero_ext 0", CODE(M1 "\x2a\x00" END), 0},
    {"zero_ext 64", CODE(M1 "\x2a\x40" END), -1},
    {"swap", CODE(C8("\x03") C8("\x05") "\x2b\x03" END), 2},
    {"tracev", CODE(C8("\x03") "\x2e\x00\x01" END), 3},
    {"tracenz", CODE(C8("\x03") ADDR C8("\x05") "\x2f" END), 3},
    {"trace16", CODE(ADDR "\x30\x01\x00" END), MEMORY},
    {"pick 0", CODE(C8("\x03") C8("\x05") "\x32\x00\x04" END), 25},
    {"pick 1", CODE(C8("\x03") C8("\x05") "\x32\x01" END), 3},
    /* a b c becomes c a b: 2 3 7 gives 7 2 3, 2 - 3 is -1, 7 * -1 */
    {"rot", CODE(C8("\x02") C8("\x03") C8("\x07") "\x33\x03\x04" END), -7},
    {"printf", CODE(C8("\x03") C8("\x00") C8("\x00") "\x34\x00\x00\x01\x00" END), 3},
    {"the top counts", CODE(C8("\x03") C8("\x04") END), 4},
    {"code behind the end need not make sense", CODE(C8("\x03") END "\x02\x02" END), 3},
    {"n == 2, as gdb sends it",
     CODE("\x26\x00\x00\x29\x23\x10\x08\x22\x00\x02\x19\x16\x20\x22\x02\x13\x27"), 0},
};

START_TEST(value)
{
    const struct value_case *c = &values[_i];
    struct agent *agent = NULL;
    struct diag why = {{0}};
    int64_t got = 0;

    ck_assert_msg(compile(c->code, AGENT_CONDITION, &agent, &why) == ERR_OK, "%s: %s", c->name,
                  why.text);
    ck_assert_msg(agent_eval(agent, &env, &got, &why) == ERR_OK, "%s: %s", c->name, why.text);
    ck_assert_msg(got == c->value, "%s: wanted %lld, got %lld", c->name, (long long)c->value,
                  (long long)got);
    agent_free(agent);
}
END_TEST

/* Every opcode that is served has a case that bears its name. */
START_TEST(every_opcode_has_a_case)
{
    bool seen[256] = {false};

    for (size_t i = 0; i < COUNT_OF(values); i++) {
        for (size_t at = 0; at < values[i].code.len; at++)
            seen[values[i].code.data[at]] = true;
    }
    for (unsigned op = 0x02; op <= 0x34; op++) {
        bool refused = (op >= 0x1b && op <= 0x1f) || op == 0x2c || op == 0x2d || op == 0x31;

        ck_assert_msg(refused || seen[op], "no case for opcode 0x%02x", op);
    }
}
END_TEST

/* ---- refusals ---- */

static const struct refusal {
    const char *name;
    struct bytes code;
    enum err result;
    const char *text; /* somewhere in why */
} refusals[] = {
    {"nothing", {NULL, 0}, ERR_FORMAT, "empty"},
    {"opcode 0", CODE("\x00" END), ERR_FORMAT, "byte 0 of the expression, 0x00"},
    {"invalid2", CODE("\x31" END), ERR_FORMAT, "0x31"},
    {"opcode 35", CODE(C8("\x01") "\x35" END), ERR_FORMAT, "byte 2 of the expression, 0x35"},
    {"opcode ff", CODE("\xff"), ERR_FORMAT, "0xff"},
    {"float", CODE("\x01" END), ERR_UNSUPPORTED, "float at 0"},
    {"ref_float", CODE(ADDR "\x1b" END), ERR_UNSUPPORTED, "ref_float at 3"},
    {"ref_double", CODE(ADDR "\x1c" END), ERR_UNSUPPORTED, "ref_double"},
    {"ref_long_double", CODE(ADDR "\x1d" END), ERR_UNSUPPORTED, "ref_long_double"},
    {"l_to_d", CODE(ADDR "\x1e" END), ERR_UNSUPPORTED, "l_to_d"},
    {"d_to_l", CODE(ADDR "\x1f" END), ERR_UNSUPPORTED, "d_to_l"},
    {"getv", CODE("\x2c\x00\x01" END), ERR_UNSUPPORTED, "getv at 0"},
    {"setv", CODE(C8("\x01") "\x2d\x00\x01" END), ERR_UNSUPPORTED, "setv at 2"},
    {"no end", CODE(C8("\x01")), ERR_FORMAT, "const8 at 0 is the last instruction"},
    {"no end on one way", CODE(C8("\x01") C8("\x01") "\x20\x00\x08" END C8("\x01")), ERR_FORMAT,
     "const8 at 8 is the last"},
    {"const8 cut off", CODE("\x22"), ERR_FORMAT, "const8 at 0 is cut off"},
    {"const16 cut off", CODE("\x23\x00"), ERR_FORMAT, "cut off"},
    {"const32 cut off", CODE("\x24\x00\x00\x00"), ERR_FORMAT, "cut off"},
    {"const64 cut off", CODE("\x25\x00\x00\x00\x00\x00\x00\x00"), ERR_FORMAT, "cut off"},
    {"reg cut off", CODE("\x26\x00"), ERR_FORMAT, "cut off"},
    {"ext cut off", CODE(C8("\x01") "\x16"), ERR_FORMAT, "cut off"},
    {"goto cut off", CODE("\x21\x00"), ERR_FORMAT, "cut off"},
    {"trace16 cut off", CODE(ADDR "\x30\x00"), ERR_FORMAT, "cut off"},
    {"pick cut off", CODE(ADDR "\x32"), ERR_FORMAT, "cut off"},
    {"printf cut off", CODE(C8("\x00") C8("\x00") "\x34\x00\x00"), ERR_FORMAT, "cut off"},
    {"a jump past the end", CODE("\x21\x00\x04" END), ERR_FORMAT, "goto at 0 leads to 4"},
    {"a jump far past the end", CODE("\x21\xff\xff" END), ERR_FORMAT, "leads to 65535"},
    {"a jump into an operand", CODE("\x21\x00\x04" C8("\x01") END), ERR_FORMAT, "leads to 4"},
    {"a jump into an operand, not taken", CODE(C8("\x00") "\x20\x00\x01" C8("\x01") END),
     ERR_FORMAT, "if_goto at 2 leads to 1"},
    {"an empty stack", CODE("\x02" END), ERR_FORMAT, "add at 0 takes 2 values and finds 0"},
    {"one value of two", CODE(C8("\x01") "\x02" END), ERR_FORMAT, "takes 2 values and finds 1"},
    {"pop of nothing", CODE("\x29" END), ERR_FORMAT, "pop at 0"},
    {"dup of nothing", CODE("\x28" END), ERR_FORMAT, "dup at 0"},
    {"rot of two", CODE(C8("\x01") C8("\x02") "\x33" END), ERR_FORMAT, "rot at 4 takes 3"},
    {"pick below the stack", CODE(C8("\x01") "\x32\x01" END), ERR_FORMAT, "pick at 2 takes 2"},
    {"pick far below the stack", CODE(C8("\x01") "\x32\xff" END), ERR_FORMAT, "takes 256"},
    {"if_goto of nothing", CODE("\x20\x00\x03" END), ERR_FORMAT, "if_goto at 0"},
    {"no value", CODE(END), ERR_FORMAT, "end at 0 leaves no value"},
    {"no value on one way", CODE(C8("\x01") C8("\x01") "\x20\x00\x08" END "\x29" END), ERR_FORMAT,
     "end at 9 leaves no value"},
    {"two heights", CODE(C8("\x01") "\x20\x00\x07" C8("\x01") C8("\x01") END), ERR_FORMAT,
     "is reached with"},
    {"a loop that grows", CODE(C8("\x01") "\x21\x00\x00"), ERR_FORMAT, "is reached with"},
    {"ext of no bits", CODE(C8("\x01") "\x16\x00" END), ERR_FORMAT, "ext at 2"},
    {"a register too many", CODE("\x26\x00\x04" END), ERR_FORMAT, "names register 4 of 4"},
    {"a register that is no integer", CODE("\x26\x00\x02" END), ERR_UNSUPPORTED, "st0"},
    {"printf without function and channel", CODE("\x34\x00\x00\x01\x00" END), ERR_FORMAT,
     "takes 2 values"},
    {"printf without a format", CODE(C8("\x00") C8("\x00") "\x34\x00\x00\x00" END), ERR_FORMAT,
     "printf at 4 has no format"},
    {"printf with an endless format", CODE(C8("\x00") C8("\x00") "\x34\x00\x00\x02\x61\x62" END),
     ERR_FORMAT, "no format that ends in a NUL"},
    {"printf with a format that is cut off",
     CODE(C8("\x00") C8("\x00") "\x34\x00\x00\x09\x61\x00" END), ERR_FORMAT, "no format"},
    {"printf with two formats",
     CODE(C8("\x00") C8("\x00") "\x34\x00\x00\x04"
                                "a\0b\0" END),
     ERR_FORMAT, "no format"},
    {"printf with too few values",
     CODE(C8("\x00") C8("\x00") "\x34\x01\x00\x03"
                                "%d\0" END),
     ERR_FORMAT, "takes 3 values and finds 2"},
    {"printf with a value too many",
     CODE(C8("\x01") C8("\x00") C8("\x00") "\x34\x01\x00\x02"
                                           "a\0" END),
     ERR_FORMAT, "takes 0 values, and there are 1"},
};

START_TEST(refusal)
{
    const struct refusal *c = &refusals[_i];
    struct agent *agent = NULL;
    struct diag why = {{0}};
    enum err e = compile(c->code, AGENT_CONDITION, &agent, &why);

    ck_assert_msg(e == c->result, "%s: wanted %s, got %s (%s)", c->name, err_text(c->result),
                  err_text(e), why.text);
    ck_assert_msg(strstr(why.text, c->text) != NULL, "%s: '%s' does not say '%s'", c->name,
                  why.text, c->text);
    ck_assert_ptr_null(agent);
}
END_TEST

/* Cut anywhere, each valid expression is refused or, behind an end, still valid; never read past. */
START_TEST(cut_anywhere)
{
    const struct value_case *c = &values[_i];

    for (size_t len = 0; len < c->code.len; len++) {
        uint8_t *exact = malloc(len + 1);
        struct agent *agent = NULL;

        ck_assert_ptr_nonnull(exact);
        memcpy(exact, c->code.data, len);
        (void)!compile((struct bytes){exact, len}, AGENT_CONDITION, &agent, NULL);
        agent_free(agent);
        free(exact);
    }
}
END_TEST

START_TEST(a_command_need_not_leave_a_value)
{
    const struct bytes code = CODE(END);
    struct agent *agent = NULL;
    int64_t got = 7;

    ck_assert_int_eq(compile(code, AGENT_COMMAND, &agent, NULL), ERR_OK);
    ck_assert_int_eq(agent_eval(agent, &env, &got, NULL), ERR_OK);
    ck_assert_int_eq(got, 0);
    agent_free(agent);
}
END_TEST

START_TEST(the_stack_has_a_limit)
{
    uint8_t code[AGENT_STACK_MAX * 2 + 3];
    struct agent *agent = NULL;
    struct diag why = {{0}};

    for (size_t i = 0; i < sizeof code; i += 2) {
        code[i] = 0x22;
        code[i + 1 < sizeof code ? i + 1 : i] = 1;
    }
    code[2 * AGENT_STACK_MAX] = 0x27;
    ck_assert_int_eq(
        compile((struct bytes){code, 2 * AGENT_STACK_MAX + 1}, AGENT_CONDITION, &agent, &why),
        ERR_OK);
    agent_free(agent);
    code[2 * AGENT_STACK_MAX] = 0x22;
    code[2 * AGENT_STACK_MAX + 2] = 0x27;
    ck_assert_int_eq(compile((struct bytes){code, sizeof code}, AGENT_CONDITION, &agent, &why),
                     ERR_LIMIT);
    ck_assert_ptr_nonnull(strstr(why.text, "a stack of more than 128"));
}
END_TEST

START_TEST(the_code_has_a_limit)
{
    uint8_t *code = malloc(AGENT_CODE_MAX + 1);
    struct agent *agent = NULL;
    struct diag why = {{0}};
    int64_t got;

    ck_assert_ptr_nonnull(code);
    memset(code, 0x12, AGENT_CODE_MAX + 1); /* bit_not */
    code[0] = 0x22;
    code[1] = 0;
    code[AGENT_CODE_MAX - 1] = 0x27;
    ck_assert_int_eq(compile((struct bytes){code, AGENT_CODE_MAX}, AGENT_CONDITION, &agent, &why),
                     ERR_OK);
    ck_assert_int_eq(agent_eval(agent, &env, &got, &why), ERR_OK);
    ck_assert_int_eq(got, -1); /* an odd number of them */
    agent_free(agent);
    ck_assert_int_eq(
        compile((struct bytes){code, AGENT_CODE_MAX + 1}, AGENT_CONDITION, &agent, &why),
        ERR_LIMIT);
    free(code);
}
END_TEST

/* ---- failures ---- */

static const struct failure {
    const char *name;
    struct bytes code;
    enum err result;
    const char *text;
} failures[] = {
    {"div_signed", CODE(C8("\x01") C8("\x00") "\x05" END), ERR_INVALID, "division by zero"},
    {"div_unsigned", CODE(C8("\x01") C8("\x00") "\x06" END), ERR_INVALID, "division by zero"},
    {"rem_signed", CODE(C8("\x01") C8("\x00") "\x07" END), ERR_INVALID, "division by zero"},
    {"rem_unsigned", CODE(C8("\x01") C8("\x00") "\x08" END), ERR_INVALID, "division by zero"},
    {"ref8", CODE("\x23\x66\x66\x17" END), ERR_FAULT, "memory at 0x6666 cannot be read"},
    {"ref64 half there", CODE("\x23\x10\x09\x1a" END), ERR_FAULT, "memory at 0x1009"},
    {"ref32 at the end of the world", CODE(M1 "\x19" END), ERR_FAULT, "0xffffffffffffffff"},
    {"register", CODE("\x26\x00\x03" END), ERR_FAULT, "register 3"},
    {"an endless loop", CODE(C8("\x01") "\x28\x20\x00\x02" END), ERR_LIMIT, "100000 instructions"},
    {"goto itself", CODE("\x21\x00\x00"), ERR_LIMIT, "100000 instructions"},
};

START_TEST(failure)
{
    const struct failure *c = &failures[_i];
    struct agent *agent = NULL;
    struct diag why = {{0}};
    int64_t got = 1234;
    enum err e;

    ck_assert_msg(compile(c->code, AGENT_CONDITION, &agent, &why) == ERR_OK, "%s: %s", c->name,
                  why.text);
    e = agent_eval(agent, &env, &got, &why);
    ck_assert_msg(e == c->result, "%s: %s", c->name, err_text(e));
    ck_assert_msg(strstr(why.text, c->text) != NULL, "%s: '%s'", c->name, why.text);
    ck_assert_int_eq(got, 1234);
    agent_free(agent);
}
END_TEST

/* The first value is on top, below function and channel. */
START_TEST(printf_takes_its_values_in_order)
{
    const struct bytes code =
        CODE(C8("\x03") C8("\x02") C8("\x01") C8("\x77") C8("\x78") "\x34\x03\x00\x0b"
                                                                    "<%d,%d,%d>\0" END);
    struct agent *agent = NULL;
    struct diag why = {{0}};
    int64_t unused;

    ck_assert_msg(compile(code, AGENT_COMMAND, &agent, &why) == ERR_OK, "%s", why.text);
    ck_assert_int_eq(agent_eval(agent, &env, &unused, &why), ERR_OK);
    ck_assert_uint_eq(printed_len, 7);
    ck_assert_int_eq(memcmp(printed, "<1,2,3>", 7), 0);
    agent_free(agent);
}
END_TEST

/* Text has a limit too, or a loop could print for ever. */
START_TEST(a_loop_that_prints)
{
    const struct bytes code = CODE("\x22\x00\x22\x00\x34\x00\x00\x05"
                                   "text\0"
                                   "\x21\x00\x00");
    struct agent *agent = NULL;
    struct diag why = {{0}};
    size_t total = 0;
    struct agent_env counting = env;
    int64_t unused;

    counting.ctx = &total;
    counting.print = count_text;
    ck_assert_int_eq(compile(code, AGENT_COMMAND, &agent, &why), ERR_OK);
    ck_assert_int_eq(agent_eval(agent, &counting, &unused, &why), ERR_LIMIT);
    ck_assert_ptr_nonnull(strstr(why.text, "the text is longer than 65536 bytes"));
    ck_assert_uint_eq(total, AGENT_TEXT_MAX);
    agent_free(agent);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("agent");
    TCase *tc = tcase_create("agent");

    tcase_add_loop_test(tc, value, 0, COUNT_OF(values));
    tcase_add_test(tc, every_opcode_has_a_case);
    tcase_add_loop_test(tc, refusal, 0, COUNT_OF(refusals));
    tcase_add_loop_test(tc, cut_anywhere, 0, COUNT_OF(values));
    tcase_add_test(tc, a_command_need_not_leave_a_value);
    tcase_add_test(tc, the_stack_has_a_limit);
    tcase_add_test(tc, the_code_has_a_limit);
    tcase_add_loop_test(tc, failure, 0, COUNT_OF(failures));
    tcase_add_test(tc, printf_takes_its_values_in_order);
    tcase_add_test(tc, a_loop_that_prints);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
