/* Stop replies: the signal of each stop and exception, and the fields each client gets. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "fake_target.h"
#include "stop_reply.h"
#include "suite.h"
#include "winstub/nt.h"

#define COUNT_OF(a) (sizeof(a) / sizeof *(a))

static const struct {
    uint32_t code;
    unsigned signal;
} exceptions[] = {
    {STATUS_ACCESS_VIOLATION, 11},
    {STATUS_STACK_OVERFLOW, 11},
    {STATUS_GUARD_PAGE_VIOLATION, 11},
    {STATUS_BREAKPOINT, 5},
    {STATUS_SINGLE_STEP, 5},
    {0x4000001E, 5}, /* WX86_SINGLE_STEP */
    {0x4000001F, 5}, /* WX86_BREAKPOINT */
    {STATUS_ILLEGAL_INSTRUCTION, 4},
    {STATUS_PRIVILEGED_INSTRUCTION, 4},
    {STATUS_NONCONTINUABLE_EXCEPTION, 4},
    {STATUS_INTEGER_DIVIDE_BY_ZERO, 8},
    {STATUS_INTEGER_OVERFLOW, 8},
    {STATUS_FLOAT_DIVIDE_BY_ZERO, 8},
    {STATUS_FLOAT_INVALID_OPERATION, 8},
    {0xC000008C, 8}, /* array bounds */
    {0xC000008D, 8}, /* float denormal operand */
    {0xC0000093, 8}, /* float underflow */
    {STATUS_DATATYPE_MISALIGNMENT, 10},
    {0xC0000006, 10},   /* in-page error */
    {0x40010005, 2},    /* Ctrl-C */
    {0x40010008, 2},    /* Ctrl-Break */
    {0xE06D7363, 0x8f}, /* C++ throw */
    {0xC000008B, 0x8f},
    {0xC0000097, 0x8f},
    {0, 0x8f},
};

START_TEST(exception_signal)
{
    struct target_stop stop = {.kind = STOP_EXCEPTION, .code = exceptions[_i].code};

    ck_assert_msg(stop_signal(&stop) == exceptions[_i].signal, "0x%x gives signal %u",
                  exceptions[_i].code, stop_signal(&stop));
}
END_TEST

static struct fake_target *fake;
static struct stub *s;
static uint8_t data[4096];
static struct reply out;

static void setup(void)
{
    s = calloc(1, sizeof *s);
    ck_assert(s != NULL);
    fake = fake_target_new(TARGET_AMD64);
    fake->ops.regs = NULL; /* without registers replies are short */
    s->target = fake_target_ref(fake);
    s->pid = FAKE_PID;
    s->stop = (struct target_stop){.kind = STOP_STEP, .tid = FAKE_TID};
    buf_init(&s->console, 1000);
    reply_init(&out, data, sizeof data, false);
}

static void teardown(void)
{
    buf_fini(&s->console);
    free(s);
    fake_target_free(fake);
}

static void says(const char *text)
{
    out.len = 0;
    ck_assert_int_eq(stop_reply(s, &out), ANSWER);
    ck_assert_msg(out.len == strlen(text) && memcmp(out.data, text, out.len) == 0,
                  "wanted '%s', got '%.*s'", text, (int)out.len, (const char *)out.data);
}

START_TEST(kinds)
{
    static const struct {
        enum target_stop_kind kind;
        const char *plain, *gdb, *lldb;
    } cases[] = {
        {STOP_STEP, "T05thread:4c;", "T05thread:p1234.4c;",
         "T05thread:p1234.4c;reason:trace;hexname:6d61696e;"},
        {STOP_BREAK_SW, "T05thread:4c;", "T05swbreak:;thread:p1234.4c;",
         "T05thread:p1234.4c;reason:breakpoint;hexname:6d61696e;"},
        {STOP_BREAK_HW, "T05thread:4c;", "T05hwbreak:;thread:p1234.4c;",
         "T05thread:p1234.4c;reason:breakpoint;hexname:6d61696e;"},
        {STOP_WATCH, "T05watch:1234;thread:4c;", "T05watch:1234;thread:p1234.4c;",
         "T05watch:1234;thread:p1234.4c;reason:watchpoint;hexname:6d61696e;"},
        {STOP_INTERRUPT, "T02thread:4c;", "T02thread:p1234.4c;",
         "T02thread:p1234.4c;reason:signal;hexname:6d61696e;"},
        {STOP_LIBRARY, "T05library:;thread:4c;", "T05library:;thread:p1234.4c;",
         "T05library:;thread:p1234.4c;reason:signal;hexname:6d61696e;"},
        {STOP_IMPORT, "T0cthread:4c;", "T0cthread:p1234.4c;",
         "T0cthread:p1234.4c;reason:signal;hexname:6d61696e;"},
        {STOP_ENGINE, "T06thread:4c;", "T06thread:p1234.4c;",
         "T06thread:p1234.4c;reason:signal;hexname:6d61696e;"},
        {STOP_STUCK, "T02thread:4c;", "T02thread:p1234.4c;",
         "T02thread:p1234.4c;reason:signal;hexname:6d61696e;"},
        {STOP_BEGUN, "T05create:;thread:4c;", "T05create:;thread:p1234.4c;",
         "T05create:;thread:p1234.4c;reason:signal;hexname:6d61696e;"},
        {STOP_NOBODY, "T00thread:4c;", "N", "T00thread:p1234.4c;reason:signal;hexname:6d61696e;"},
        {STOP_ENDED, "wc0000005;4c", "wc0000005;p1234.4c", "wc0000005;p1234.4c"},
        {STOP_EXIT, "Wc0000005", "Wc0000005;process:1234", "W05;process:1234"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        s->stop = (struct target_stop){.kind = cases[i].kind,
                                       .tid = FAKE_TID,
                                       .exit_code = 0xc0000005,
                                       .watch = POINT_WRITE,
                                       .addr = 0x1234};
        s->features = (struct features){0};
        says(cases[i].plain);
        s->features = (struct features){
            .multiprocess = true, .swbreak = true, .hwbreak = true, .no_resumed = true};
        says(cases[i].gdb);
        s->features = (struct features){.multiprocess = true, .lldb = true};
        says(cases[i].lldb);
    }
}
END_TEST

START_TEST(watch_kinds)
{
    s->stop = (struct target_stop){.kind = STOP_WATCH, .tid = 1, .addr = 0xffffffffffffffff};
    s->stop.watch = POINT_READ;
    says("T05rwatch:ffffffffffffffff;thread:1;");
    s->stop.watch = POINT_ACCESS;
    says("T05awatch:ffffffffffffffff;thread:1;");
}
END_TEST

START_TEST(without_a_thread)
{
    s->stop.tid = 0; /* the first one then */
    says("T05thread:4c;");
    fake->stop.kind = STOP_EXIT; /* no threads at all */
    says("T05");
}
END_TEST

START_TEST(what_the_user_is_told)
{
    stop_say(s);
    ck_assert_str_eq(buf_str(&s->console), "");
    strcpy(s->stop.note, "a \x1b[31mline");
    stop_say(s);
    ck_assert_str_eq(buf_str(&s->console), "a ?[31mline\n");
    buf_clear(&s->console);
    s->stop = (struct target_stop){.kind = STOP_EXIT, .exit_code = 0x100};
    stop_say(s);
    ck_assert_str_eq(buf_str(&s->console), "");
    s->features.lldb = true;
    stop_say(s);
    ck_assert_str_eq(buf_str(&s->console), "the process exited with code 0x100\n");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("stop_reply");
    TCase *tc = tcase_create("replies");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, exception_signal, 0, COUNT_OF(exceptions));
    tcase_add_test(tc, kinds);
    tcase_add_test(tc, watch_kinds);
    tcase_add_test(tc, without_a_thread);
    tcase_add_test(tc, what_the_user_is_told);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
