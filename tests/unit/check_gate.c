/*
 * How 32-bit DLLs come to their services: a made-up ntdll whose stub jumps through a pointer, as Wine's and Windows'
 * do. It is a file that somebody gave us: stubs and pointers that lead nowhere are refused in a sentence.
 */
#include <check.h>
#include <string.h>

#include "process_builder.h"
#include "suite.h"
#include "tiny_dlls.h"
#include "winstub/bytes.h"
#include "winstub/nt.h"

#define CLOSE (TINY_STUBS + TINY_STUB_SIZE * (TINY_CLOSE - 1))

static struct tiny_dlls dlls;
static struct process *p;
static struct diag why;

static void setup(void)
{
    tiny_dlls_make(&dlls);
}

static void teardown(void)
{
    process_free(p);
    p = NULL;
    tiny_dlls_remove(&dlls);
}

/* Start an ordinary program on this ntdll. */
static enum err start(const struct pe_builder *ntdll)
{
    struct process_options options = {.root = dlls.folder};
    struct pe_builder program;

    tiny_dlls_replace(&dlls, ntdll);
    pe_builder_init(&program, CPU_I386);
    return try_program(&program, &options, &p, &why);
}

/* Both kinds of stub end their call 12 bytes from their beginning: the one above, and call fs:[0C0h]. */
START_TEST(a_call_of_a_stub_is_served_and_returns_to_it)
{
    static const uint8_t by_teb[] = {0x64, 0xff, 0x15, 0xc0, 0, 0, 0, 0xc2, 4, 0};
    uint32_t code = 0;
    struct process_exception exception;
    struct pe_builder ntdll;
    struct cpu_event event;
    struct cpu *cpu;
    gva_t sp;

    tiny_ntdll(&ntdll, CPU_I386);
    if (_i)
        memcpy(ntdll.sections[0].data + CLOSE + 5 - PB_TEXT, by_teb, sizeof by_teb);
    ck_assert_msg(start(&ntdll) == ERR_OK, "%s", why.text);
    cpu = process_cpu(p);
    sp = cpu_get(cpu, CPU_RSP) - 0x20;
    cpu_set(cpu, CPU_RSP, sp);
    cpu_set(cpu, CPU_RIP, TINY_BASE + CLOSE);
    ck_assert(vm_debug_write(process_vm(p), sp + 4, "\x66\x66\x66\x66", 4)); /* the handle */
    ck_assert_int_eq(cpu_run(cpu, false, &event), ERR_OK);
    ck_assert_int_eq(event.kind, CPU_EVENT_SYSCALL);
    ck_assert_int_eq(process_syscall(p, &code, &exception), PROCESS_SYSCALL_DONE);
    ck_assert_uint_eq(cpu_get(cpu, CPU_RAX), STATUS_INVALID_HANDLE);
    ck_assert_uint_eq(cpu_get(cpu, CPU_RIP), TINY_BASE + CLOSE + 12);
    ck_assert_uint_eq(cpu_get(cpu, CPU_RSP), sp);
}
END_TEST

START_TEST(ways_that_lead_nowhere_are_refused)
{
    static const struct {
        bool stubs;         /* each stub is damaged, else the thunk, */
        uint32_t at, value; /* at this offset in it */
        const char *text;
    } damages[] = {
        {true, 6, TINY_BASE + 0x6ffffff0, "through code at 0x7ffffff0"},
        {true, 6, TINY_BASE + PB_IMAGE_SIZE - 3, "through code at 0x10006ffd"},
        {true, 6, 0, "through code at 0x0"},
        {true, 6, TINY_BASE + CLOSE, "through code at 0x100010c0"},
        {false, 2, TINY_BASE + PB_IMAGE_SIZE - 3, "through a pointer at 0x10006ffd, outside"},
        {false, 2, 0x50, "through a pointer at 0x50, outside"},
        {true, 1, 0x2000, "no system services"},
    };
    struct pe_builder ntdll;

    tiny_ntdll(&ntdll, CPU_I386);
    for (uint32_t n = 0; damages[_i].stubs && n < TINY_NUMBERS - 1; n++)
        pe_builder_u32(&ntdll, TINY_STUBS + TINY_STUB_SIZE * n + damages[_i].at, damages[_i].value);
    if (!damages[_i].stubs)
        pe_builder_u32(&ntdll, TINY_THUNK + damages[_i].at, damages[_i].value);
    ck_assert_int_ne(start(&ntdll), ERR_OK);
    ck_assert_msg(strstr(why.text, damages[_i].text) != NULL, "'%s' does not contain '%s'",
                  why.text, damages[_i].text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("gate");
    TCase *tc = tcase_create("gate");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, a_call_of_a_stub_is_served_and_returns_to_it, 0, 2);
    tcase_add_loop_test(tc, ways_that_lead_nowhere_are_refused, 0, 7);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
