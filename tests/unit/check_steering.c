/*
 * Steps over and out, traced reads and coverage in a running process: raw code and programs of
 * both widths in bare mode, driven through target_ops as the stub does. _i is the architecture throughout.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "suite.h"
#include "target_fixture.h"
#include "winstub/bytes.h"
#include "winstub/nt.h"

#define COUNT_OF(a) (sizeof(a) / sizeof *(a))

/* ---- Over and out ----------------------------------------------------------------------------- */

/*
 * 0: mov ecx, 3; 5: call 18; 10: add eax, 1; 13: ret; 14: nops; 18: dec ecx; 20: jz 27; 22: call 18; 27: mov eax, 41;
 * 32: ret: a function that calls itself.
 */
static const char recursion[] =
    "\xb9\x03\x00\x00\x00\xe8\x08\x00\x00\x00\x83\xc0\x01\xc3\x90\x90\x90\x90"
    "\xff\xc9\x74\x05\xe8\xf7\xff\xff\xff\xb8\x29\x00\x00\x00\xc3";

static void step(enum target_action_kind kind, bool over)
{
    go((struct target_action){.kind = kind, .over = over});
}

START_TEST(a_call_is_one_step)
{
    START(recursion);
    step(ACTION_STEP, true);
    step(ACTION_STEP, true);
    ck_assert_int_eq(stop.kind, STOP_STEP);
    ck_assert_uint_eq(pc(), BASE + 10);
    ck_assert_uint_eq(cpu_get(process_cpu(process), CPU_RAX), 41);
    step(ACTION_STEP, true);
    ck_assert_uint_eq(pc(), BASE + 13);
}
END_TEST

START_TEST(recursion_does_not_end_a_call_early)
{
    START(recursion);
    for (int i = 0; i < 4; i++) /* into the function, to its call of itself */
        step(ACTION_STEP, false);
    ck_assert_uint_eq(pc(), BASE + 22);
    step(ACTION_STEP, true);
    ck_assert_int_eq(stop.kind, STOP_STEP);
    ck_assert_uint_eq(pc(), BASE + 27);
    ck_assert_uint_eq(cpu_get(process_cpu(process), CPU_RCX), 0);
}
END_TEST

START_TEST(out_ends_behind_the_callers_call)
{
    START(recursion);
    step(ACTION_STEP, false);
    step(ACTION_STEP, false);
    ck_assert_uint_eq(pc(), BASE + 18);
    step(ACTION_OUT, false);
    ck_assert_int_eq(stop.kind, STOP_STEP);
    ck_assert_uint_eq(pc(), BASE + 10);
    ck_assert_uint_eq(cpu_get(process_cpu(process), CPU_RAX), 41);
}
END_TEST

START_TEST(a_range_goes_over_its_calls)
{
    START(recursion);
    go((struct target_action){.kind = ACTION_RANGE, .lo = BASE, .hi = BASE + 13, .over = true});
    ck_assert_int_eq(stop.kind, STOP_STEP);
    ck_assert_uint_eq(pc(), BASE + 13);
    ck_assert_uint_eq(cpu_get(process_cpu(process), CPU_RAX), 42);
}
END_TEST

START_TEST(a_breakpoint_inside_ends_over_and_out)
{
    START(recursion);
    ck_assert_int_eq(target.ops->point(target.ctx, POINT_BREAK_SW, BASE + 27, 1, true), ERR_OK);
    step(ACTION_STEP, false);
    step(ACTION_STEP, true);
    ck_assert_int_eq(stop.kind, STOP_BREAK_SW);
    ck_assert_uint_eq(pc(), BASE + 27);
    for (int depth = 2; depth > 0; depth--) {
        step(ACTION_OUT, false);
        ck_assert_int_eq(stop.kind, STOP_STEP);
        ck_assert_uint_eq(pc(), BASE + 27); /* of its caller, which is the same function */
    }
    step(ACTION_OUT, false);
    ck_assert_uint_eq(pc(), BASE + 10);
    go_on();
    ends_with(42);
}
END_TEST

START_TEST(a_push_and_ret_is_no_way_out)
{
    /* call 6; nop; 6: push BASE + 12; 11: ret; 12: mov eax, 3; 17: ret */
    START("\xe8\x01\x00\x00\x00\xc3\x68\x0c\x00\x00\x10\xc3\xb8\x03\x00\x00\x00\xc3");
    step(ACTION_STEP, false);
    step(ACTION_OUT, false);
    ck_assert_int_eq(stop.kind, STOP_STEP);
    ck_assert_uint_eq(pc(), BASE + 5);
    ck_assert_uint_eq(cpu_get(process_cpu(process), CPU_RAX), 3);
}
END_TEST

/* ---- Traced reads ----------------------------------------------------------------------------- */

START_TEST(reads_of_the_tables_are_told_once_for_each_place)
{
    /* twice: peb = teb->peb; ldr = peb->Ldr; entry = ldr->InLoadOrderModuleList; base = entry->DllBase */
    static const char wide[] =
        "\xb9\x02\x00\x00\x00\x65\x48\x8b\x04\x25\x60\x00\x00\x00\x48\x8b\x40\x18"
        "\x48\x8b\x40\x10\x48\x8b\x58\x30\xff\xc9\x75\xe7\x31\xc0\xc3";
    static const char narrow[] = "\xb9\x02\x00\x00\x00\x64\xa1\x30\x00\x00\x00\x8b\x40\x0c"
                                 "\x8b\x40\x0c\x8b\x58\x18\x49\x75\xee\x31\xc0\xc3";
    const char *text;
    const char *first;

    if (_i == CPU_AMD64)
        START(wide);
    else
        START(narrow);
    ck_assert_int_eq(target.ops->trace(target.ctx, TRACE_PEB | TRACE_LDR), ERR_OK);
    go_on();
    ends_with(0);
    text = buf_str(&console);
    first = strstr(text, "reads PEB.Ldr (0x");
    ck_assert_msg(first != NULL, "%s", text);
    ck_assert_ptr_null(strstr(first + 1, "reads PEB.Ldr"));
    ck_assert_ptr_nonnull(strstr(text, "mov "));
    ck_assert_msg(strstr(text, "reads PEB_LDR_DATA.InLoadOrderModuleList (0x") != NULL, "%s", text);
    ck_assert_msg(strstr(text, ".DllBase (0x") != NULL, "%s", text);
}
END_TEST

START_TEST(a_trace_that_ended_is_silent)
{
    /* fs:[0x30] or gs:[0x60], then Ldr */
    static const char wide[] = "\x65\x48\x8b\x04\x25\x60\x00\x00\x00\x48\x8b\x40\x18\x31\xc0\xc3";
    static const char narrow[] = "\x64\xa1\x30\x00\x00\x00\x8b\x40\x0c\x31\xc0\xc3";

    if (_i == CPU_AMD64)
        START(wide);
    else
        START(narrow);
    ck_assert_int_eq(target.ops->trace(target.ctx, TRACE_PEB | TRACE_LDR | TRACE_EXPORTS), ERR_OK);
    ck_assert_int_eq(target.ops->trace(target.ctx, 0), ERR_OK);
    go_on();
    ends_with(0);
    ck_assert_uint_eq(console.len, 0);
}
END_TEST

#define UNPACKED (BASE + 0x1000)

/* 0: mov edi, UNPACKED; 5, 8, 14: store nop, then "mov eax, 7; ret" over it; 21, 23: call edi; 25: ret */
static void start_unpacker(int arch)
{
    static const char program[] = "\xbf\x00\x10\x00\x10\xc6\x07\x90\xc7\x07\xb8\x07\x00\x00"
                                  "\xc7\x47\x04\x00\xc3\x00\x00\xff\xd7\xff\xd7\xc3";
    char code[0x1100] = {0};

    memcpy(code, program, sizeof program);
    start(arch, code, sizeof code);
}

/* ---- Coverage --------------------------------------------------------------------------------- */

/* Save under a fresh name in a folder of its own, and read it back. */
static void save_coverage(struct buf *out)
{
    char folder[] = "/tmp/check_caught.XXXXXX";
    char here[4096];
    struct diag why = {{0}};

    ck_assert_ptr_nonnull(getcwd(here, sizeof here));
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(chdir(folder), 0);
    ck_assert_msg(!target.ops->coverage_save(target.ctx, "a.drcov", &why), "%s", why.text);
    ck_assert_int_eq(target.ops->coverage_save(target.ctx, "a.drcov", &why), ERR_EXISTS);
    ck_assert_int_eq(buf_read_file(out, "a.drcov", &why), ERR_OK);
    ck_assert_int_eq(unlink("a.drcov"), 0);
    ck_assert_int_eq(chdir(here), 0);
    ck_assert_int_eq(rmdir(folder), 0);
}

/* Is there a block at this offset of a region whose line ends with path? */
static bool covers(const struct buf *file, uint32_t offset, uint16_t size)
{
    const char *table = strstr(buf_str(file), "BB Table: ");
    const uint8_t *at;
    unsigned long count;

    ck_assert_ptr_nonnull(table);
    count = strtoul(table + strlen("BB Table: "), NULL, 10);
    at = (const uint8_t *)strchr(table, '\n') + 1;
    ck_assert_uint_eq((uint64_t)(file->data + file->len - at), 8 * count);
    for (unsigned long i = 0; i < count; i++, at += 8) {
        if (get_u32(at) == offset && get_u16(at + 4) == size)
            return true;
    }
    return false;
}

START_TEST(coverage_has_the_blocks_that_ran)
{
    struct buf file;

    START(recursion);
    buf_init(&file, 1u << 20);
    ck_assert_int_eq(target.ops->coverage(target.ctx, true, NULL, NULL), ERR_OK);
    go_on();
    ends_with(42);
    ck_assert_int_eq(target.ops->coverage(target.ctx, false, NULL, NULL), ERR_OK);
    save_coverage(&file);
    ck_assert_int_eq(
        memcmp(file.data, "DRCOV VERSION: 2\nDRCOV FLAVOR: drcov\nModule Table: version 2, count ",
               68),
        0);
    ck_assert_ptr_nonnull(
        strstr(buf_str(&file), "\nColumns: id, base, end, entry, checksum, timestamp, path\n"));
    ck_assert(covers(&file, 10, 4)); /* add; ret */
    ck_assert(covers(&file, 18, 4)); /* dec; jz */
    ck_assert(covers(&file, 22, 5)); /* call */
    ck_assert(covers(&file, 27, 6)); /* mov; ret */
    ck_assert(!covers(&file, 14, 1));
    buf_fini(&file);
}
END_TEST

START_TEST(coverage_begins_where_it_is_switched_on)
{
    struct buf file;

    START(recursion);
    buf_init(&file, 1u << 20);
    ck_assert_int_eq(target.ops->point(target.ctx, POINT_BREAK_SW, BASE + 10, 1, true), ERR_OK);
    go_on();
    ck_assert_int_eq(target.ops->coverage(target.ctx, true, NULL, NULL), ERR_OK);
    go_on();
    ends_with(42);
    save_coverage(&file);
    ck_assert(!covers(&file, 18, 4));
    ck_assert(
        covers(&file, 13, 1)); /* behind the first instruction, which a resumption runs alone */
    buf_fini(&file);
}
END_TEST

START_TEST(coverage_sees_code_that_was_changed)
{
    struct buf file;

    start_unpacker(_i);
    buf_init(&file, 1u << 20);
    ck_assert_int_eq(target.ops->coverage(target.ctx, true, NULL, NULL), ERR_OK);
    go_on();
    ends_with(7);
    save_coverage(&file);
    ck_assert(covers(&file, 0x1000, 6));
    buf_fini(&file);
}
END_TEST

START_TEST(coverage_is_written_only_into_new_files_right_here)
{
    struct diag why = {{0}};

    START("\x31\xc0\xc3");
    ck_assert_int_eq(target.ops->coverage_save(target.ctx, "a", &why), ERR_STATE);
    ck_assert_int_eq(target.ops->coverage(target.ctx, true, NULL, NULL), ERR_OK);
    ck_assert_int_eq(target.ops->coverage_save(target.ctx, "/tmp/a", &why), ERR_INVALID);
    ck_assert_int_eq(target.ops->coverage_save(target.ctx, "../a", &why), ERR_INVALID);
    ck_assert_int_eq(target.ops->coverage_save(target.ctx, ".profile", &why), ERR_INVALID);
    ck_assert_int_eq(target.ops->coverage_save(target.ctx, "", &why), ERR_INVALID);
    ck_assert_int_eq(target.ops->coverage(target.ctx, true, "/tmp/a", &why), ERR_INVALID);
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

static void add_steps(Suite *s)
{
    TCase *tc = family(s, "over and out");

    EACH_WIDTH(tc, a_call_is_one_step);
    EACH_WIDTH(tc, recursion_does_not_end_a_call_early);
    EACH_WIDTH(tc, out_ends_behind_the_callers_call);
    EACH_WIDTH(tc, a_range_goes_over_its_calls);
    EACH_WIDTH(tc, a_breakpoint_inside_ends_over_and_out);
    EACH_WIDTH(tc, a_push_and_ret_is_no_way_out);
}

static void add_looking_on(Suite *s)
{
    TCase *tc = family(s, "trace and coverage");

    EACH_WIDTH(tc, reads_of_the_tables_are_told_once_for_each_place);
    EACH_WIDTH(tc, a_trace_that_ended_is_silent);
    EACH_WIDTH(tc, coverage_has_the_blocks_that_ran);
    EACH_WIDTH(tc, coverage_begins_where_it_is_switched_on);
    EACH_WIDTH(tc, coverage_sees_code_that_was_changed);
    EACH_WIDTH(tc, coverage_is_written_only_into_new_files_right_here);
}

int main(void)
{
    Suite *s = suite_create("steering");

    add_steps(s);
    add_looking_on(s);
    return suite_main(s);
}
