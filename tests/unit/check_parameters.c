/*
 * Process parameters: what a guest hands over for a child arrives in a process of either width as it was given; what cannot be
 * read is refused. _i counts the widths of both: giver in bit 0, receiver in bit 1.
 */
#include <check.h>
#include <string.h>

#include "alloc_fail.h"
#include "nt/guest.h"
#include "nt/parameters.h"
#include "process_builder.h"
#include "service_caller.h"
#include "suite.h"
#include "vm_builder.h"
#include "winstub/utf.h"

#define ROOM       0x4000u /* of the giver's structure and its texts */
#define NORMALIZED 1u

static const char *const texts[PARAMETERS_TEXTS] = {"C:\\folder\\",
                                                    "C:\\dlls",
                                                    "C:\\folder\\child.exe",
                                                    "child.exe \"one two\"",
                                                    "A title",
                                                    "WinSta0\\Default",
                                                    "shell",
                                                    "runtime"};
static const enum nt_field fields[PARAMETERS_TEXTS] = {
    NT_PARAMETERS_DIRECTORY,    NT_PARAMETERS_DLL_PATH, NT_PARAMETERS_IMAGE_PATH,
    NT_PARAMETERS_COMMAND_LINE, NT_PARAMETERS_TITLE,    NT_PARAMETERS_DESKTOP,
    NT_PARAMETERS_SHELL,        NT_PARAMETERS_RUNTIME};

static struct caller giver, receiver;
static struct parameters got;
static gva_t given; /* the structure */

static void setup(int i)
{
    caller_init(&giver, (enum cpu_arch)(i & 1), NULL, 0);
    caller_init(&receiver, (enum cpu_arch)(i >> 1), NULL, 0);
    given = build_committed(giver.vm, 0, ROOM);
    parameters_init(&got);
}

static void teardown(void)
{
    parameters_fini(&got);
    caller_fini(&giver);
    caller_fini(&receiver);
}

/* A structure with every text, an environment at its end, and numbers that tell each other apart. */
static void give(uint32_t flags)
{
    static const char environment[] =
        "A\0=\0001\0\0\0B\0=\0\0\0\0"; /* its own NUL is the last byte */
    gva_t origin = flags & NORMALIZED ? 0 : given, at = given + 0x1000;
    enum cpu_arch arch = giver.p->arch;

    ck_succeeds(guest_put(giver.p, given, NT_PARAMETERS_FLAGS, flags));
    for (size_t i = 0; i < PARAMETERS_TEXTS; i++, at += 0x100) {
        gva_t string = given + nt_offset(arch, fields[i]);
        struct buf utf16;

        buf_init(&utf16, 0x100);
        ck_assert(utf16_append(&utf16, texts[i]));
        ck_assert(vm_debug_write(giver.vm, at, utf16.data, utf16.len));
        ck_succeeds(guest_put(giver.p, string, NT_STRING_LENGTH, utf16.len));
        ck_succeeds(guest_put(giver.p, string, NT_STRING_BUFFER, at - origin));
        buf_fini(&utf16);
    }
    ck_succeeds(guest_put(giver.p, given, NT_PARAMETERS_STDOUT, 0x54));
    ck_succeeds(guest_put(giver.p, given, NT_PARAMETERS_X, 11));
    ck_succeeds(guest_put(giver.p, given, NT_PARAMETERS_WINDOW_FLAGS, 0x101));
    ck_succeeds(guest_put(giver.p, given, NT_PARAMETERS_SHOW, 5));
    ck_succeeds(guest_put(giver.p, given, NT_PARAMETERS_GROUP, 0x1234));
    at = given + ROOM - sizeof environment;
    ck_assert(vm_debug_write(giver.vm, at, environment, sizeof environment));
    ck_succeeds(guest_put(giver.p, given, NT_PARAMETERS_ENVIRONMENT, at));
}

static uint64_t number(gva_t at, enum nt_field field)
{
    uint64_t value = 0;

    ck_assert(nt_read(receiver.vm, receiver.p->arch, at, field, &value));
    return value;
}

static void check_round_trip(uint32_t flags)
{
    struct diag why = {{0}};
    char text[512];
    gva_t at = 0;

    give(flags);
    ck_succeeds(parameters_from_guest(&got, giver.p, given));
    ck_assert_msg(!parameters_store(&got, receiver.p, &at, &why), "%s", why.text);
    for (size_t i = 0; i < PARAMETERS_TEXTS; i++) {
        gva_t string = at + nt_offset(receiver.p->arch, fields[i]);

        ck_assert_str_eq(guest_string(receiver.p, string, text), texts[i]);
    }
    ck_assert_uint_eq(number(at, NT_PARAMETERS_FLAGS), NORMALIZED);
    ck_assert_uint_eq(number(at, NT_PARAMETERS_STDIN), 0);
    ck_assert_uint_eq(number(at, NT_PARAMETERS_STDOUT), 0x54);
    ck_assert_uint_eq(number(at, NT_PARAMETERS_X), 11);
    ck_assert_uint_eq(number(at, NT_PARAMETERS_WINDOW_FLAGS), 0x101);
    ck_assert_uint_eq(number(at, NT_PARAMETERS_SHOW), 5);
    ck_assert_uint_eq(number(at, NT_PARAMETERS_GROUP), 0x1234);
    ck_assert_uint_eq(number(at, NT_PARAMETERS_ENVIRONMENT_SIZE), 16);
    ck_assert_uint_eq(guest_u32(receiver.p, number(at, NT_PARAMETERS_ENVIRONMENT)), 0x003d0041);
    ck_assert_uint_eq(guest_u32(receiver.p, number(at, NT_PARAMETERS_ENVIRONMENT) + 12), 0);
}

START_TEST(everything_arrives_as_it_was_given)
{
    setup(_i);
    check_round_trip(NORMALIZED);
}
END_TEST

START_TEST(texts_may_be_offsets)
{
    setup(_i);
    check_round_trip(0);
}
END_TEST

/* The environment ends at its two NULs: what lies behind them, here nothing at all, is not read. */
START_TEST(an_environment_is_given_whole_or_not_at_all)
{
    setup(_i);
    give(NORMALIZED);
    ck_assert(vm_debug_write(giver.vm, given + ROOM - 4, "B", 2));
    ck_status(parameters_from_guest(&got, giver.p, given), STATUS_ACCESS_VIOLATION);
    parameters_fini(&got);
    ck_succeeds(guest_put(giver.p, given, NT_PARAMETERS_ENVIRONMENT, 0));
    ck_succeeds(parameters_from_guest(&got, giver.p, given));
    ck_assert_uint_eq(got.environment.len, 4);
}
END_TEST

START_TEST(what_cannot_be_read_is_refused)
{
    gva_t string;

    setup(_i);
    ck_status(parameters_from_guest(&got, giver.p, 8), STATUS_ACCESS_VIOLATION);
    give(NORMALIZED);
    string = given + nt_offset(giver.p->arch, NT_PARAMETERS_COMMAND_LINE);
    ck_succeeds(guest_put(giver.p, string, NT_STRING_LENGTH, 3));
    ck_status(parameters_from_guest(&got, giver.p, given), STATUS_INVALID_PARAMETER);
    ck_succeeds(guest_put(giver.p, string, NT_STRING_LENGTH, 4));
    ck_succeeds(guest_put(giver.p, string, NT_STRING_BUFFER, given + ROOM - 2));
    ck_status(parameters_from_guest(&got, giver.p, given), STATUS_ACCESS_VIOLATION);
}
END_TEST

static nt_status read_again(void)
{
    parameters_fini(&got);
    parameters_init(&got);
    return parameters_from_guest(&got, giver.p, given);
}

START_TEST(memory_may_run_out_at_any_time)
{
    nt_status st;

    setup(_i);
    give(NORMALIZED);
    ALLOC_FAIL_EACH(st, read_again(), STATUS_NO_MEMORY, STATUS_SUCCESS);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("parameters");
    TCase *tc = tcase_create("parameters");

    tcase_add_checked_fixture(tc, NULL, teardown);
    tcase_add_loop_test(tc, everything_arrives_as_it_was_given, 0, 4);
    tcase_add_loop_test(tc, texts_may_be_offsets, 0, 4);
    tcase_add_loop_test(tc, an_environment_is_given_whole_or_not_at_all, 0, 4);
    tcase_add_loop_test(tc, what_cannot_be_read_is_refused, 0, 4);
    tcase_add_loop_test(tc, memory_may_run_out_at_any_time, 0, 4);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
