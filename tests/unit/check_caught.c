/*
 * Catches and hit counters in a running process: raw code and programs of
 * both widths in bare mode, driven through target_ops as the stub does. _i is the architecture throughout.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "run/wildcard.h"
#include "suite.h"
#include "target_fixture.h"
#include "winstub/bytes.h"
#include "winstub/nt.h"

#define COUNT_OF(a) (sizeof(a) / sizeof *(a))

static unsigned catch (struct target_catch what)
{
    struct diag why = {{0}};
    unsigned id = 0;

    if (!what.pattern)
        what.pattern = "";
    ck_assert_msg(target.ops->catch_add(target.ctx, &what, &id, &why) == ERR_OK, "%s", why.text);
    return id;
}

static struct target_catch listed(unsigned id)
{
    struct target_catch c;

    for (size_t i = 0; !target.ops->catch_at(target.ctx, i, &c); i++) {
        if (c.id == id)
            return c;
    }
    ck_abort_msg("catch %u is not listed", id);
}

/* ---- Names ------------------------------------------------------------------------------------ */

START_TEST(wildcards_match_whole_names)
{
    static const struct {
        const char *pattern, *name;
        bool match;
    } cases[] = {
        {"WinExec", "winexec", true},
        {"WinExec", "WinExecA", false},
        {"*", "", true},
        {"", "", true},
        {"", "a", false},
        {"a*c", "abbc", true},
        {"a*c", "abcd", false},
        {"?", "a", true},
        {"?", "", false},
        {"*a*b*", "xxaxxbxx", true},
        {"*ab", "aab", true},
        {"Create*W", "CreateFileW", true},
        {"Create*W", "CreateFileA", false},
        {"a**b", "ab", true},
        {"*.dll", "kernel32.DLL", true},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++)
        ck_assert_msg(wildcard_matches(cases[i].pattern, strlen(cases[i].pattern), cases[i].name) ==
                          cases[i].match,
                      "'%s' and '%s'", cases[i].pattern, cases[i].name);
    ck_assert(wildcard_matches_export("kernel32!WinExec", "KERNEL32.DLL", "WinExec"));
    ck_assert(wildcard_matches_export("kernel32.dll!*", "kernel32.dll", "x"));
    ck_assert(wildcard_matches_export("WinExec", "any.dll", "WinExec"));
    ck_assert(!wildcard_matches_export("kernel32!WinExec", "kernelbase.dll", "WinExec"));
    ck_assert(!wildcard_matches_export("kernel32!WinExec", "kernel32.exe", "WinExec"));
}
END_TEST

/* ---- Addresses and functions ------------------------------------------------------------------ */

static const char loop[] = "\xb9\x14\x00\x00\x00" /* mov ecx, 20 */
                           "\xff\xc9"             /* 5: dec ecx */
                           "\x90"                 /* 7: nop */
                           "\x75\xfb"             /* jnz 5 */
                           "\x31\xc0\xc3";        /* xor eax, eax; ret */

START_TEST(an_address_is_caught_until_it_is_removed)
{
    unsigned id;

    START(loop);
    id = catch ((struct target_catch){.kind = CATCH_ADDRESS, .addr = BASE + 7});
    for (unsigned i = 1; i <= 3; i++) {
        go_on();
        ck_assert_int_eq(stop.kind, STOP_CATCH);
        ck_assert_uint_eq(pc(), BASE + 7);
        ck_assert_ptr_nonnull(strstr(stop.note, "catch 1: reached 0x10000007"));
        ck_assert_uint_eq(listed(id).hits, i);
    }
    ck_assert_int_eq(target.ops->catch_remove(target.ctx, id), ERR_OK);
    ck_assert_int_eq(target.ops->catch_remove(target.ctx, id), ERR_NOT_FOUND);
    go_on();
    ends_with(0);
}
END_TEST

START_TEST(a_breakpoint_and_a_catch_share_an_address)
{
    unsigned id;

    START(loop);
    id = catch ((struct target_catch){.kind = CATCH_ADDRESS, .addr = BASE + 7});
    ck_assert_int_eq(target.ops->point(target.ctx, POINT_BREAK_SW, BASE + 7, 1, true), ERR_OK);
    go_on();
    ck_assert_int_eq(stop.kind, STOP_BREAK_SW);
    ck_assert_uint_eq(listed(id).hits, 1);
    ck_assert_int_eq(target.ops->point(target.ctx, POINT_BREAK_SW, BASE + 7, 1, false), ERR_OK);
    go_on();
    ck_assert_int_eq(stop.kind, STOP_CATCH);
    ck_assert_int_eq(target.ops->point(target.ctx, POINT_BREAK_SW, BASE + 7, 1, true), ERR_OK);
    ck_assert_int_eq(target.ops->catch_remove(target.ctx, 0), ERR_OK);
    go_on();
    ck_assert_int_eq(stop.kind, STOP_BREAK_SW);
}
END_TEST

START_TEST(a_log_goes_on_and_counts)
{
    unsigned id, lines = 0;

    START(loop);
    id = catch ((struct target_catch){.kind = CATCH_ADDRESS, .addr = BASE + 7, .log = true});
    go_on();
    ends_with(0);
    ck_assert_uint_eq(listed(id).hits, 20);
    for (size_t i = 0; i < console.len; i++)
        lines += console.data[i] == '\n';
    ck_assert_uint_eq(lines, 20);
}
END_TEST

START_TEST(hits_outlive_their_breakpoint)
{
    /* $ecx == 3 */
    const uint8_t code[] = {0x26, 0,   (uint8_t)(_i == CPU_AMD64 ? 2 : 1), 0x2a, 32, 0x22, 3,
                            0x13, 0x27};
    const struct bytes condition = {code, sizeof code};
    const struct target_agent agent = {.conditions = &condition, .condition_count = 1};
    struct target_hits hits;
    struct diag why = {{0}};

    START(loop);
    ck_assert_int_eq(target.ops->hits(target.ctx, 0, &hits), ERR_RANGE);
    ck_assert_int_eq(target.ops->point(target.ctx, POINT_BREAK_SW, BASE + 7, 1, true), ERR_OK);
    ck_assert_msg(!target.ops->point_agent(target.ctx, POINT_BREAK_SW, BASE + 7, &agent, &why),
                  "%s", why.text);
    go_on();
    ck_assert_int_eq(stop.kind, STOP_BREAK_SW);
    ck_assert_int_eq(target.ops->point(target.ctx, POINT_BREAK_SW, BASE + 7, 1, false), ERR_OK);
    ck_assert_int_eq(target.ops->hits(target.ctx, 0, &hits), ERR_OK);
    ck_assert_uint_eq(hits.addr, BASE + 7);
    ck_assert_uint_eq(hits.reached, 17);
    ck_assert_uint_eq(hits.counted, 1);
    ck_assert_int_eq(target.ops->hits(target.ctx, 1, &hits), ERR_RANGE);
}
END_TEST

/* A program whose import of ExitProcess is called with 5 from its entry point. */
static void start_caller(int arch)
{
    struct pe_builder b;
    uint8_t code[32];
    size_t len = 0;

    pe_builder_init(&b, (enum cpu_arch)arch);
    if (arch == CPU_AMD64) { /* mov ecx, 5; call [rip + slot] */
        memcpy(code, "\xb9\x05\x00\x00\x00\xff\x15", 7);
        len = 7;
        code[len++] = (uint8_t)(PB_SLOTS - PB_TEXT - 11);
        code[len++] = (uint8_t)((PB_SLOTS - PB_TEXT - 11) >> 8);
        code[len++] = 0;
        code[len++] = 0;
    } else { /* push 5; call [slot], which is relocated to nowhere: load it from the builder's base */
        memcpy(code, "\x6a\x05\xe8\x00\x00\x00\x00\x58\xff\x90", 10);
        len = 10;
        code[len++] = (uint8_t)(PB_SLOTS - PB_TEXT - 7);
        code[len++] = (uint8_t)((PB_SLOTS - PB_TEXT - 7) >> 8);
        code[len++] = 0;
        code[len++] = 0;
    }
    code[len++] = 0xc3;
    pe_builder_code(&b, code, len);
    adopt(build_program(&b, NULL));
}

START_TEST(a_function_is_caught_by_its_name)
{
    unsigned id;

    start_caller(_i);
    id = catch ((struct target_catch){.kind = CATCH_EXPORT, .pattern = "kernel32!exitproc*"});
    ck_assert_uint_eq(listed(id).places, 1);
    go_on();
    ck_assert_int_eq(stop.kind, STOP_IMPORT);
    ck_assert_msg(strstr(stop.note, "catch 1: KERNEL32!ExitProcess(0x5,") != NULL ||
                      strstr(stop.note, "catch 1: kernel32!ExitProcess(0x5,") != NULL,
                  "%s", stop.note);
    ck_assert_ptr_nonnull(strstr(stop.note, "called from 0x"));
    ck_assert_ptr_nonnull(strstr(stop.note, "test.exe+0x10"));
    ck_assert_uint_eq(listed(id).hits, 1);
}
END_TEST

/* The page is shared until the guest writes to it right before the break: its copy has the break as well. */
START_TEST(a_break_in_an_image_page_outlives_the_copy_on_write)
{
    /* mov byte [rip + 0x100], 1; nop; ret */
    static const uint8_t wide[] = {0xc6, 0x05, 0xf9, 0, 0, 0, 1, 0x90, 0xc3};
    /* call 5; pop eax; mov byte [eax + 0x100], 1; nop; ret */
    static const uint8_t narrow[] = {0xe8, 0, 0, 0, 0, 0x58, 0xc6, 0x80, 0, 1, 0, 0, 1, 0x90, 0xc3};
    struct pe_builder b;
    gva_t page, at;
    uint64_t size = VM_PAGE_SIZE;
    uint32_t old;

    pe_builder_init(&b, (enum cpu_arch)_i);
    if (_i == CPU_AMD64)
        pe_builder_code(&b, wide, sizeof wide);
    else
        pe_builder_code(&b, narrow, sizeof narrow);
    adopt(build_program(&b, NULL));
    page = pc() & ~(gva_t)(VM_PAGE_SIZE - 1);
    at = pc() + (_i == CPU_AMD64 ? sizeof wide : sizeof narrow) - 2;
    ck_assert_uint_eq(vm_protect(process_vm(process), &page, &size, PAGE_EXECUTE_WRITECOPY, &old),
                      0);
    ck_assert_int_eq(target.ops->point(target.ctx, POINT_BREAK_SW, at, 1, true), ERR_OK);
    go_on();
    ck_assert_int_eq(stop.kind, STOP_BREAK_SW);
    ck_assert_uint_eq(pc(), at);
    go_on();
    ck_assert_int_eq(stop.kind, STOP_EXIT);
}
END_TEST

START_TEST(a_function_that_is_nowhere_waits)
{
    unsigned id;

    start_caller(_i);
    id = catch ((struct target_catch){.kind = CATCH_EXPORT, .pattern = "later!*"});
    ck_assert_uint_eq(listed(id).places, 0);
    go_on();
    ck_assert_int_eq(stop.kind, STOP_IMPORT);
    ck_assert_ptr_null(strstr(stop.note, "catch"));
}
END_TEST

START_TEST(services_cannot_be_caught_where_there_are_none)
{
    const struct target_catch what = {.kind = CATCH_SYSCALL, .pattern = "NtClose"};
    struct diag why = {{0}};
    unsigned id;

    START(loop);
    ck_assert_int_eq(target.ops->catch_add(target.ctx, &what, &id, &why), ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(why.text, "--root"));
}
END_TEST

/* ---- Written pages ---------------------------------------------------------------------------- */

#define UNPACKED (BASE + 0x1000)
#define FIRST_AT (BASE + 5)  /* the first store, */
#define LAST_AT  (BASE + 14) /* and the last */

/* 0: mov edi, UNPACKED; 5, 8, 14: store nop, then "mov eax, 7; ret" over it; 21, 23: call edi; 25: ret */
static void start_unpacker(int arch, bool last)
{
    static const char program[] = "\xbf\x00\x10\x00\x10\xc6\x07\x90\xc7\x07\xb8\x07\x00\x00"
                                  "\xc7\x47\x04\x00\xc3\x00\x00\xff\xd7\xff\xd7\xc3";
    char code[0x1100] = {0};

    memcpy(code, program, sizeof program);
    start(arch, code, sizeof code);
    (void)catch ((struct target_catch){.kind = CATCH_WRITTEN, .last = last});
}

/* Is stores' pc exact with this engine? Before 2.1.4 it may be that of an earlier one in the block. */
static bool is_exact(void)
{
    return strcmp(cpu_engine_version(), "Unicorn 2.1.4") >= 0;
}

static void check_unpacker(gva_t writer)
{
    struct target_writer w;
    size_t code_page = SIZE_MAX;

    go_on();
    ck_assert_int_eq(stop.kind, STOP_CATCH);
    ck_assert_uint_eq(pc(), UNPACKED);
    for (size_t i = 0; !target.ops->writer(target.ctx, i, &w); i++) {
        if (w.page == UNPACKED)
            code_page = i;
    }
    ck_assert_uint_ne(code_page, SIZE_MAX);
    ck_assert_int_eq(target.ops->writer(target.ctx, code_page, &w), ERR_OK);
    ck_assert_uint_eq(w.tid, stop.tid);
    ck_assert(!w.service);
    if (is_exact())
        ck_assert_uint_eq(w.pc, writer);
    ck_assert_uint_le(w.pc, LAST_AT);
    go_on(); /* the second call is not the first execution */
    ends_with(7);
}

START_TEST(the_first_execution_of_a_written_page_stops)
{
    start_unpacker(_i, true);
    check_unpacker(LAST_AT);
}
END_TEST

START_TEST(at_full_speed_the_first_writer_is_known)
{
    start_unpacker(_i, false);
    check_unpacker(FIRST_AT);
}
END_TEST

START_TEST(stepping_meets_the_written_page_too)
{
    start_unpacker(_i, false);
    for (int i = 0; i < 5; i++)
        go((struct target_action){.kind = ACTION_STEP});
    ck_assert_int_eq(stop.kind, STOP_STEP);
    ck_assert_uint_eq(pc(), UNPACKED);
    go((struct target_action){.kind = ACTION_STEP});
    ck_assert_int_eq(stop.kind, STOP_CATCH);
    ck_assert_uint_eq(pc(), UNPACKED);
    go((struct target_action){.kind = ACTION_STEP});
    ck_assert_int_eq(stop.kind, STOP_STEP);
    ck_assert_uint_eq(pc(), UNPACKED + 5);
}
END_TEST

START_TEST(pages_of_another_type_are_passed)
{
    struct target_catch what = {.kind = CATCH_WRITTEN, .pattern = "", .types = MEM_IMAGE};
    struct diag why = {{0}};
    unsigned id;

    start_unpacker(_i, false);
    ck_assert_int_eq(target.ops->catch_add(target.ctx, &what, &id, &why), ERR_EXISTS);
    ck_assert_int_eq(target.ops->catch_remove(target.ctx, 1), ERR_OK);
    ck_assert_int_eq(target.ops->catch_add(target.ctx, &what, &id, &why), ERR_OK);
    go_on();
    ends_with(7);
}
END_TEST

START_TEST(what_the_debugger_writes_is_not_the_guests)
{
    start_unpacker(_i, true);
    ck_assert_int_eq(target.ops->catch_remove(target.ctx, 0), ERR_OK);
    (void)catch ((struct target_catch){.kind = CATCH_WRITTEN});
    ck_assert_int_eq(target.ops->write(target.ctx, BASE, "\xb8\x08\x00\x00\x00\xc3", 6), ERR_OK);
    go_on();
    ends_with(8);
}
END_TEST

/* Each turn rewrites the nop behind the store in the page that runs: told once, then never again. */
START_TEST(code_that_writes_its_own_page_is_told_once)
{
    /* mov ecx, 3; 5: mov byte [BASE + 0xe], 0x90; ...: nop; dec ecx; jnz 5; xor eax, eax; ret */
    static const char narrow[] = "\xb9\x03\x00\x00\x00\xc6\x05\x0e\x00\x00\x10\x90\x90\x90\x90"
                                 "\xff\xc9\x75\xf2\x31\xc0\xc3";
    static const char wide[] = "\xb9\x03\x00\x00\x00\xc6\x05\x02\x00\x00\x00\x90\x90\x90\x90"
                               "\xff\xc9\x75\xf2\x31\xc0\xc3";

    start(_i, _i == CPU_AMD64 ? wide : narrow, sizeof narrow - 1);
    (void)catch ((struct target_catch){.kind = CATCH_WRITTEN});
    go_on();
    ck_assert_int_eq(stop.kind, STOP_CATCH);
    ck_assert_uint_eq(pc(), BASE + 12);
    go_on();
    ends_with(0);
}
END_TEST

/* ---- Watches that catches set ----------------------------------------------------------------- */

/* mov edi, BASE + 0x100; 5: mov byte [edi], 0; 8: mov byte [edi], 1; 11: mov al, [edi]; 13: xor eax, eax; 15: ret */
static const char writes[0x110] =
    "\xbf\x00\x01\x00\x10\xc6\x07\x00\xc6\x07\x01\x8a\x07\x31\xc0\xc3";

START_TEST(unchanged_writes_stop_when_asked_for)
{
    start(_i, writes, sizeof writes);
    (void)catch ((struct target_catch){.kind = CATCH_WATCH,
                                       .addr = BASE + 0x100,
                                       .len = 1,
                                       .access = POINT_WRITE,
                                       .unchanged = true});
    go_on();
    ck_assert_int_eq(stop.kind, STOP_CATCH);
    ck_assert_uint_eq(pc(), BASE + 8);
    ck_assert_msg(strstr(stop.note, "writes 1 byte at 0x10000100: 0x00 -> 0x00"), "%s", stop.note);
    go_on();
    ck_assert_uint_eq(pc(), BASE + 11);
    ck_assert_msg(strstr(stop.note, "0x00 -> 0x01"), "%s", stop.note);
    go_on();
    ends_with(0);
}
END_TEST

START_TEST(unchanged_writes_do_not_stop_otherwise)
{
    unsigned id;

    start(_i, writes, sizeof writes);
    id = catch ((struct target_catch){
        .kind = CATCH_WATCH, .addr = BASE + 0x100, .len = 1, .access = POINT_WRITE});
    ck_assert_int_eq(target.ops->point(target.ctx, POINT_READ, BASE + 0x100, 1, true), ERR_OK);
    go_on();
    ck_assert_int_eq(stop.kind, STOP_CATCH);
    ck_assert_uint_eq(pc(), BASE + 11);
    go_on();
    ck_assert_int_eq(stop.kind, STOP_WATCH);
    ck_assert_uint_eq(pc(), BASE + 13);
    ck_assert_int_eq(target.ops->catch_remove(target.ctx, id), ERR_OK);
    go_on();
    ends_with(0);
}
END_TEST

START_TEST(a_watch_that_wraps_is_refused)
{
    const struct target_catch what = {.kind = CATCH_WATCH,
                                      .pattern = "",
                                      .addr = UINT64_MAX - 3,
                                      .len = 8,
                                      .access = POINT_WRITE};
    struct diag why = {{0}};
    struct target_catch c;
    unsigned id;

    START(loop);
    ck_assert_int_eq(target.ops->catch_add(target.ctx, &what, &id, &why), ERR_RANGE);
    ck_assert_int_eq(target.ops->catch_at(target.ctx, 0, &c), ERR_RANGE);
}
END_TEST

#define EACH_WIDTH(tc, test) tcase_add_loop_test(tc, test, CPU_I386, CPU_AMD64 + 1)

static TCase *family(Suite *s, const char *name)
{
    TCase *tc = tcase_create(name);

    tcase_add_checked_fixture(tc, NULL, teardown);
    suite_add_tcase(s, tc);
    return tc;
}

static void add_places(Suite *s)
{
    TCase *tc = family(s, "places");

    EACH_WIDTH(tc, an_address_is_caught_until_it_is_removed);
    EACH_WIDTH(tc, a_breakpoint_and_a_catch_share_an_address);
    EACH_WIDTH(tc, a_log_goes_on_and_counts);
    EACH_WIDTH(tc, hits_outlive_their_breakpoint);
    EACH_WIDTH(tc, a_function_is_caught_by_its_name);
    EACH_WIDTH(tc, a_break_in_an_image_page_outlives_the_copy_on_write);
    EACH_WIDTH(tc, a_function_that_is_nowhere_waits);
    EACH_WIDTH(tc, services_cannot_be_caught_where_there_are_none);
}

static void add_writes(Suite *s)
{
    TCase *tc = family(s, "written pages");

    EACH_WIDTH(tc, the_first_execution_of_a_written_page_stops);
    EACH_WIDTH(tc, at_full_speed_the_first_writer_is_known);
    EACH_WIDTH(tc, stepping_meets_the_written_page_too);
    EACH_WIDTH(tc, pages_of_another_type_are_passed);
    EACH_WIDTH(tc, what_the_debugger_writes_is_not_the_guests);
    EACH_WIDTH(tc, code_that_writes_its_own_page_is_told_once);
    tc = family(s, "watches");
    EACH_WIDTH(tc, unchanged_writes_stop_when_asked_for);
    EACH_WIDTH(tc, unchanged_writes_do_not_stop_otherwise);
    EACH_WIDTH(tc, a_watch_that_wraps_is_refused);
}

int main(void)
{
    Suite *s = suite_create("caught");
    TCase *names = tcase_create("names");

    tcase_add_test(names, wildcards_match_whole_names);
    suite_add_tcase(s, names);
    add_places(s);
    add_writes(s);
    return suite_main(s);
}
