/*
 * Conditions and commands of breakpoints in a running process: raw code of both widths, driven through target_ops
 * as the stub does. _i is the architecture throughout.
 */
#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "alloc_fail.h"
#include "suite.h"
#include "target_fixture.h"

#define HIT   (BASE + 7)
#define TURNS 20

/* mov ecx, TURNS; 5: dec ecx; 7: nop; 8: jnz 5; 10: nop; 11: ret */
static const char loop[] = "\xb9\x14\x00\x00\x00\xff\xc9\x90\x75\xfb\x90\xc3";

static uint64_t ecx(void)
{
    return (uint32_t)cpu_get(process_cpu(process), CPU_RCX);
}

static void point(enum point_kind kind, gva_t addr, bool on)
{
    ck_assert_int_eq(target.ops->point(target.ctx, kind, addr, 1, on), ERR_OK);
}

/* Expressions, built byte by byte. */
struct code {
    uint8_t bytes[256];
    size_t len;
};

static void add(struct code *c, const void *bytes, size_t len)
{
    ck_assert_uint_le(len, sizeof c->bytes - c->len);
    memcpy(c->bytes + c->len, bytes, len);
    c->len += len;
}

#define ADD(c, text) add(c, text, sizeof(text) - 1)

/* Number of a register in the target's table. */
static uint8_t number_of(const char *name64, const char *name32)
{
    size_t count;
    const struct target_reg *regs = target.ops->regs(target.ctx, &count);

    for (size_t i = 0; i < count; i++) {
        if (strcmp(regs[i].name, name64) == 0 || strcmp(regs[i].name, name32) == 0)
            return (uint8_t)i;
    }
    ck_abort();
}

static void add_reg(struct code *c, const char *name64, const char *name32)
{
    const uint8_t code[] = {0x26, 0, number_of(name64, name32)};

    add(c, code, sizeof code);
}

/* $ecx == value */
static struct code ecx_is(uint8_t value)
{
    struct code c = {.len = 0};
    const uint8_t rest[] = {0x2a, 32, 0x22, value, 0x13, 0x27};

    add_reg(&c, "rcx", "ecx");
    add(&c, rest, sizeof rest);
    return c;
}

/* printf("%d\n", $ecx) */
static struct code print_ecx(void)
{
    struct code c = {.len = 0};

    add_reg(&c, "rcx", "ecx");
    ADD(&c, "\x22\x00\x22\x00\x34\x01\x00\x05%d\\n\0\x27");
    return c;
}

static enum err give(enum point_kind kind, gva_t addr, const struct code *condition,
                     const struct code *other, const struct code *command, struct diag *why)
{
    struct bytes conditions[2];
    struct bytes commands[1];
    struct target_agent agent = {.conditions = conditions, .commands = commands};

    if (condition)
        conditions[agent.condition_count++] = (struct bytes){condition->bytes, condition->len};
    if (other)
        conditions[agent.condition_count++] = (struct bytes){other->bytes, other->len};
    if (command)
        commands[agent.command_count++] = (struct bytes){command->bytes, command->len};
    return target.ops->point_agent(target.ctx, kind, addr, &agent, why);
}

/* A breakpoint at HIT with these. */
static void set_hit(const struct code *condition, const struct code *other,
                    const struct code *command)
{
    struct diag why = {{0}};

    point(POINT_BREAK_SW, HIT, true);
    ck_assert_msg(give(POINT_BREAK_SW, HIT, condition, other, command, &why) == ERR_OK, "%s",
                  why.text);
}

START_TEST(a_false_condition_never_stops)
{
    struct code never;

    START(loop);
    never = ecx_is(99);
    set_hit(&never, NULL, NULL);
    go_on();
    ck_assert_int_eq(stop.kind, STOP_EXIT);
    ck_assert_str_eq(stop.note, "");
}
END_TEST

START_TEST(a_true_condition_stops_where_it_is_true)
{
    struct code three;

    START(loop);
    three = ecx_is(3);
    set_hit(&three, NULL, NULL);
    go_on();
    ck_assert_int_eq(stop.kind, STOP_BREAK_SW);
    ck_assert_uint_eq(cpu_get(process_cpu(process), CPU_RIP), HIT);
    ck_assert_uint_eq(ecx(), 3);
    ck_assert_str_eq(stop.note, "");
    go_on();
    ck_assert_int_eq(stop.kind, STOP_EXIT);
}
END_TEST

START_TEST(any_condition_will_do)
{
    struct code three, seven;

    START(loop);
    three = ecx_is(3);
    seven = ecx_is(7);
    set_hit(&three, &seven, NULL);
    go_on();
    ck_assert_uint_eq(ecx(), 7);
    go_on();
    ck_assert_uint_eq(ecx(), 3);
    go_on();
    ck_assert_int_eq(stop.kind, STOP_EXIT);
}
END_TEST

START_TEST(conditions_are_replaced_and_taken_away)
{
    struct code three, seven, never;
    struct diag why = {{0}};

    START(loop);
    three = ecx_is(3);
    seven = ecx_is(7);
    never = ecx_is(99);
    set_hit(&never, NULL, NULL);
    set_hit(&seven, NULL, NULL);
    never.bytes[0] = 0xff;
    ck_assert_int_eq(give(POINT_BREAK_SW, HIT, &three, &never, NULL, &why), ERR_FORMAT);
    ck_assert_ptr_nonnull(strstr(why.text, "condition 2: byte 0 of the expression, 0xff"));
    go_on();
    ck_assert_uint_eq(ecx(), 7); /* the refused ones have changed nothing */
    ck_assert_int_eq(give(POINT_BREAK_SW, HIT, NULL, NULL, NULL, &why), ERR_OK);
    go_on();
    ck_assert_uint_eq(ecx(), 6);
    set_hit(&three, NULL, NULL);
    point(POINT_BREAK_SW, HIT, false);
    point(POINT_BREAK_SW, HIT, true); /* a new point is a plain one */
    go_on();
    ck_assert_uint_eq(ecx(), 5);
}
END_TEST

START_TEST(only_breakpoints_that_are_there)
{
    struct code three;
    struct diag why = {{0}};

    START(loop);
    three = ecx_is(3);
    ck_assert_int_eq(give(POINT_BREAK_SW, HIT, &three, NULL, NULL, &why), ERR_NOT_FOUND);
    ck_assert_str_eq(why.text, "there is no breakpoint at 0x10000007");
    point(POINT_BREAK_SW, HIT, true);
    ck_assert_int_eq(give(POINT_BREAK_HW, HIT, &three, NULL, NULL, &why), ERR_NOT_FOUND);
    ck_assert_int_eq(target.ops->point(target.ctx, POINT_WRITE, HIT, 4, true), ERR_OK);
    ck_assert_int_eq(give(POINT_WRITE, HIT, &three, NULL, NULL, &why), ERR_NOT_FOUND);
}
END_TEST

START_TEST(a_condition_that_cannot_be_evaluated_stops_and_says_so)
{
    static const struct {
        const char *code;
        size_t len;
        const char *text;
    } cases[] = {
        {"\x22\x01\x22\x00\x05\x27", 6, "the condition cannot be evaluated: division by zero"},
        {"\x22\x07\x19\x27", 4, "the condition cannot be evaluated: memory at 0x7 cannot be read"},
        {"\x21\x00\x00", 3, "the condition cannot be evaluated: more than 100000 instructions"},
    };

    START(loop);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct code c = {.len = 0};

        add(&c, cases[i].code, cases[i].len);
        set_hit(&c, NULL, NULL);
        go_on();
        ck_assert_int_eq(stop.kind, STOP_BREAK_SW);
        ck_assert_str_eq(stop.note, cases[i].text);
    }
}
END_TEST

/* Lines of the numbers from..to, downwards. */
static void check_numbers(int from, int to)
{
    struct buf wanted;

    buf_init(&wanted, 1u << 20);
    for (int i = from; i >= to; i--)
        ck_assert(buf_printf(&wanted, "%d\n", i));
    ck_assert_str_eq(buf_str(&console), buf_str(&wanted));
    buf_fini(&wanted);
}

START_TEST(commands_print_and_the_guest_goes_on)
{
    struct code print;

    START(loop);
    print = print_ecx();
    set_hit(NULL, NULL, &print);
    go_on();
    ck_assert_int_eq(stop.kind, STOP_EXIT);
    check_numbers(TURNS - 1, 0);
}
END_TEST

START_TEST(commands_behind_conditions)
{
    struct code print, three, seven;

    START(loop);
    print = print_ecx();
    three = ecx_is(3);
    seven = ecx_is(7);
    set_hit(&three, &seven, &print);
    go_on();
    ck_assert_int_eq(stop.kind, STOP_EXIT);
    ck_assert_str_eq(buf_str(&console), "7\n3\n");
}
END_TEST

START_TEST(nobody_listens)
{
    const struct target_action on = {.kind = ACTION_CONTINUE};
    struct code print;

    START(loop);
    print = print_ecx();
    set_hit(NULL, NULL, &print);
    target.ops->set_console(target.ctx, NULL, NULL);
    ck_assert_int_eq(target.ops->resume(target.ctx, &on, 1), ERR_OK);
    ck_assert_int_eq(target.ops->run(target.ctx, &stop), ERR_OK);
    ck_assert_int_eq(stop.kind, STOP_EXIT);
}
END_TEST

START_TEST(what_fails_on_the_way_is_said)
{
    struct code broken = {.len = 0}, three;

    START(loop);
    three = ecx_is(3);
    ADD(&broken, "\x22\x07\x19\x29\x27");
    set_hit(&three, NULL, &broken);
    go_on();
    ck_assert_int_eq(stop.kind, STOP_EXIT);
    ck_assert_str_eq(buf_str(&console), "[winstub: breakpoint at 0x10000007: the command cannot be "
                                        "carried out: memory at 0x7 cannot be read]\n");
}
END_TEST

START_TEST(a_failing_condition_lets_commands_run)
{
    struct code print, broken = {.len = 0};

    START("\x31\xc9\x90\xc3");
    print = print_ecx();
    ADD(&broken, "\x22\x07\x19\x27");
    point(POINT_BREAK_HW, BASE + 2, true);
    ck_assert_int_eq(give(POINT_BREAK_HW, BASE + 2, &broken, NULL, &print, NULL), ERR_OK);
    go_on();
    ck_assert_int_eq(stop.kind, STOP_EXIT);
    ck_assert_str_eq(buf_str(&console), "0\n[winstub: breakpoint at 0x10000002: the condition "
                                        "cannot be evaluated: memory at 0x7 cannot be read]\n");
}
END_TEST

/* Of two kinds at one address the plain one stops, and the other prints all the same. */
START_TEST(both_kinds_do_their_work)
{
    struct code print, never;

    START(loop);
    print = print_ecx();
    never = ecx_is(99);
    set_hit(NULL, NULL, &print);
    point(POINT_BREAK_HW, HIT, true);
    go_on();
    ck_assert_int_eq(stop.kind, STOP_BREAK_HW);
    check_numbers(TURNS - 1, TURNS - 1);
    ck_assert_int_eq(give(POINT_BREAK_HW, HIT, &never, NULL, NULL, NULL), ERR_OK);
    go_on();
    ck_assert_int_eq(stop.kind, STOP_EXIT);
    check_numbers(TURNS - 1, 0);
}
END_TEST

START_TEST(memory_is_the_guests)
{
    struct code c = {.len = 0};
    const uint8_t rest[] = {0x25, 0xff, 0xff, 0xff, 0xff, 0,    0,   0,
                            0,    0x02, 0x19, 0x22, 5,    0x13, 0x27};

    START("\x6a\x05\x90\x58\xc3"); /* push 5; nop; pop rax; ret */
    add_reg(&c, "rsp", "esp");
    add(&c, rest, sizeof rest); /* *(int *)($sp + 0xffffffff00000000) == 5 */
    point(POINT_BREAK_SW, BASE + 2, true);
    ck_assert_int_eq(give(POINT_BREAK_SW, BASE + 2, &c, NULL, NULL, NULL), ERR_OK);
    go_on();
    ck_assert_int_eq(stop.kind, STOP_BREAK_SW);
    ck_assert_int_eq(stop.note[0] != 0,
                     _i == CPU_AMD64); /* 32-bit addresses wrap, others are not there */
}
END_TEST

START_TEST(ranges_go_on_over_what_does_not_stop)
{
    const struct target_action range = {.kind = ACTION_RANGE, .lo = BASE, .hi = BASE + 10};
    struct code print, three;

    START(loop);
    print = print_ecx();
    three = ecx_is(3);
    set_hit(&three, NULL, NULL);
    point(POINT_BREAK_HW, HIT, true);
    ck_assert_int_eq(give(POINT_BREAK_HW, HIT, NULL, NULL, &print, NULL), ERR_OK);
    go(range);
    ck_assert_int_eq(stop.kind, STOP_BREAK_SW);
    check_numbers(TURNS - 1, 3);
    go(range);
    ck_assert_int_eq(stop.kind, STOP_STEP);
    ck_assert_uint_eq(cpu_get(process_cpu(process), CPU_RIP), BASE + 10);
    check_numbers(TURNS - 1, 0);
}
END_TEST

START_TEST(a_step_only_arrives)
{
    const struct target_action step = {.kind = ACTION_STEP};
    struct code print;

    START(loop);
    print = print_ecx();
    set_hit(NULL, NULL, &print);
    go(step);
    go(step);
    ck_assert_uint_eq(cpu_get(process_cpu(process), CPU_RIP), HIT);
    go(step);
    ck_assert_uint_eq(cpu_get(process_cpu(process), CPU_RIP), HIT + 1);
    ck_assert_uint_eq(console.len, 0);
}
END_TEST

/* A million hits take about a second; a round trip each would take minutes. */
START_TEST(a_million_hits)
{
    static const char million[] = "\xb9\x40\x42\x0f\x00\xff\xc9\x90\x75\xfb\x90\xc3";
    struct code at_last;

    START(million);
    at_last = ecx_is(0);
    set_hit(&at_last, NULL, NULL);
    go_on();
    ck_assert_int_eq(stop.kind, STOP_BREAK_SW);
    ck_assert_uint_eq(ecx(), 0);
}
END_TEST

static void *interrupt_soon(void *unused)
{
    const struct timespec soon = {.tv_nsec = 20000000};

    (void)nanosleep(&soon, NULL);
    target.ops->interrupt(target.ctx);
    return unused;
}

/* jmp to itself, hit for ever: an interrupt ends it all the same. */
START_TEST(hits_can_be_interrupted)
{
    struct code never;
    pthread_t thread;

    START("\x90\xeb\xfe");
    never = ecx_is(99);
    point(POINT_BREAK_SW, BASE + 1, true);
    ck_assert_int_eq(give(POINT_BREAK_SW, BASE + 1, &never, NULL, NULL, NULL), ERR_OK);
    ck_assert_int_eq(pthread_create(&thread, NULL, interrupt_soon, NULL), 0);
    go_on();
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_int_eq(stop.kind, STOP_INTERRUPT);
}
END_TEST

START_TEST(short_memory_changes_nothing)
{
    struct code print, three;
    enum err e;

    START(loop);
    print = print_ecx();
    three = ecx_is(3);
    set_hit(NULL, NULL, &print);
    for (unsigned n = 1;; n++) {
        alloc_fail_at(n);
        e = give(POINT_BREAK_SW, HIT, &three, &three, &print, NULL);
        if (!alloc_fail_stop())
            break;
        if (e) /* else it was memory that would only have been nice to have */
            ck_assert_int_eq(e, ERR_NOMEM);
        else
            ck_assert_int_eq(give(POINT_BREAK_SW, HIT, NULL, NULL, &print, NULL), ERR_OK);
    }
    ck_assert_int_eq(e, ERR_OK);
    ck_assert_int_eq(give(POINT_BREAK_SW, HIT, NULL, NULL, &print, NULL), ERR_OK);
    go_on();
    ck_assert_int_eq(stop.kind, STOP_EXIT);
    check_numbers(TURNS - 1, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("hits");
    TCase *tc = tcase_create("hits");

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, NULL, teardown);
    tcase_add_loop_test(tc, a_false_condition_never_stops, 0, 2);
    tcase_add_loop_test(tc, a_true_condition_stops_where_it_is_true, 0, 2);
    tcase_add_loop_test(tc, any_condition_will_do, 0, 2);
    tcase_add_loop_test(tc, conditions_are_replaced_and_taken_away, 0, 2);
    tcase_add_loop_test(tc, only_breakpoints_that_are_there, 0, 2);
    tcase_add_loop_test(tc, a_condition_that_cannot_be_evaluated_stops_and_says_so, 0, 2);
    tcase_add_loop_test(tc, commands_print_and_the_guest_goes_on, 0, 2);
    tcase_add_loop_test(tc, commands_behind_conditions, 0, 2);
    tcase_add_loop_test(tc, nobody_listens, 0, 2);
    tcase_add_loop_test(tc, what_fails_on_the_way_is_said, 0, 2);
    tcase_add_loop_test(tc, a_failing_condition_lets_commands_run, 0, 2);
    tcase_add_loop_test(tc, both_kinds_do_their_work, 0, 2);
    tcase_add_loop_test(tc, memory_is_the_guests, 0, 2);
    tcase_add_loop_test(tc, ranges_go_on_over_what_does_not_stop, 0, 2);
    tcase_add_loop_test(tc, a_step_only_arrives, 0, 2);
    tcase_add_loop_test(tc, a_million_hits, 0, 2);
    tcase_add_loop_test(tc, hits_can_be_interrupted, 0, 2);
    tcase_add_loop_test(tc, short_memory_changes_nothing, 0, 2);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
