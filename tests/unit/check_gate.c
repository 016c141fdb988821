/*
 * How 32-bit DLLs come to their services: a made-up ntdll whose stub jumps through a pointer, as Wine's and Windows'
 * do. It is a file that somebody gave us: stubs and pointers that lead nowhere are refused in a sentence.
 */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "process_builder.h"
#include "suite.h"
#include "winstub/bytes.h"
#include "winstub/nt.h"

enum {
    BASE = 0x10000000,
    CLOSE = PB_TEXT + 0x10,
    THUNK = PB_TEXT + 0x20,
    POINTER = PB_DATA + 0x20
};
enum { EXPORTS = PB_EXPORTS, FUNCTIONS = EXPORTS + 0x28, NUMBER = 0x16 };

static char folder[64];
static struct process *p;
static struct diag why;

static void path_of(const char *name, char path[160])
{
    (void)snprintf(path, 160, "%s/%s", folder, name);
}

static void make_folder(const char *name)
{
    char path[160];

    path_of(name, path);
    ck_assert_int_eq(mkdir(path, 0700), 0);
}

static void make_file(const char *name, const struct buf *bytes)
{
    char path[160];
    int fd;

    path_of(name, path);
    fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, bytes->data, bytes->len), (int)bytes->len);
    (void)close(fd);
}

static void setup(void)
{
    const struct buf none = {0};

    memcpy(folder, "/tmp/winstub-gate-XXXXXX", 25);
    ck_assert_ptr_nonnull(mkdtemp(folder));
    make_folder("nls");
    make_file("nls/locale.nls", &none);
    make_folder("i386-windows");
}

static void teardown(void)
{
    char command[100];

    process_free(p);
    p = NULL;
    (void)snprintf(command, sizeof command, "rm -r '%s'", folder);
    ck_assert_int_eq(system(command), 0);
}

/* mov eax, NUMBER; mov edx, THUNK; call edx; ret 4, and at THUNK jmp [POINTER]; all at their preferred addresses. */
static void put_code(struct pe_builder *b)
{
    uint8_t code[0x40] = {0xc3};
    uint8_t *close = code + CLOSE - PB_TEXT, *thunk = code + THUNK - PB_TEXT;

    close[0] = 0xb8;
    put_u32(close + 1, NUMBER);
    close[5] = 0xba;
    put_u32(close + 6, BASE + THUNK);
    memcpy(close + 10, "\xff\xd2\xc2\x04\x00", 5);
    thunk[0] = 0xff;
    thunk[1] = 0x25;
    put_u32(thunk + 2, BASE + POINTER);
    pe_builder_code(b, code, sizeof code);
}

static void make_ntdll(struct pe_builder *b)
{
    static const char *const names[] = {"KiUserExceptionDispatcher", "LdrInitializeThunk",
                                        "NtClose", "RtlUserThreadStart"};
    uint32_t texts = FUNCTIONS + 40;

    pe_builder_init(b, CPU_I386);
    b->image_base = BASE;
    b->dll_characteristics = 0x100;
    b->characteristics |= 0x2000;
    memset(b->dirs, 0, sizeof b->dirs);
    put_code(b);
    b->dirs[0].rva = EXPORTS;
    b->dirs[0].size = 0x100;
    pe_builder_u32(b, EXPORTS + 20, 4);
    pe_builder_u32(b, EXPORTS + 24, 4);
    pe_builder_u32(b, EXPORTS + 28, FUNCTIONS);
    pe_builder_u32(b, EXPORTS + 32, FUNCTIONS + 16);
    pe_builder_u32(b, EXPORTS + 36, FUNCTIONS + 32);
    for (uint32_t i = 0; i < 4; i++) {
        pe_builder_u32(b, FUNCTIONS + 4 * i, i == 2 ? CLOSE : PB_TEXT);
        pe_builder_u32(b, FUNCTIONS + 16 + 4 * i, texts);
        pe_builder_u16(b, FUNCTIONS + 32 + 2 * i, (uint16_t)i);
        pe_builder_text(b, texts, names[i]);
        texts += (uint32_t)strlen(names[i]) + 1;
    }
}

/* Start an ordinary program on this ntdll. */
static enum err start(const struct pe_builder *ntdll)
{
    struct process_options options = {.root = folder};
    struct pe_builder program;
    struct buf file;

    buf_init(&file, 1 << 20);
    pe_builder_write(ntdll, &file);
    make_file("i386-windows/ntdll.dll", &file);
    buf_fini(&file);
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

    make_ntdll(&ntdll);
    if (_i)
        memcpy(ntdll.sections[0].data + CLOSE + 5 - PB_TEXT, by_teb, sizeof by_teb);
    ck_assert_msg(start(&ntdll) == ERR_OK, "%s", why.text);
    cpu = process_cpu(p);
    sp = cpu_get(cpu, CPU_RSP) - 0x20;
    cpu_set(cpu, CPU_RSP, sp);
    cpu_set(cpu, CPU_RIP, BASE + CLOSE);
    ck_assert(vm_debug_write(process_vm(p), sp + 4, "\x66\x66\x66\x66", 4)); /* the handle */
    ck_assert_int_eq(cpu_run(cpu, false, &event), ERR_OK);
    ck_assert_int_eq(event.kind, CPU_EVENT_SYSCALL);
    ck_assert_int_eq(process_syscall(p, &code, &exception), PROCESS_SYSCALL_DONE);
    ck_assert_uint_eq(cpu_get(cpu, CPU_RAX), STATUS_INVALID_HANDLE);
    ck_assert_uint_eq(cpu_get(cpu, CPU_RIP), BASE + CLOSE + 12);
    ck_assert_uint_eq(cpu_get(cpu, CPU_RSP), sp);
}
END_TEST

START_TEST(ways_that_lead_nowhere_are_refused)
{
    static const struct {
        uint32_t at, value; /* in the image */
        const char *text;
    } damages[] = {
        {CLOSE + 6, BASE + 0x6ffffff0, "through code at 0x7ffffff0"},
        {CLOSE + 6, BASE + PB_IMAGE_SIZE - 3, "through code at 0x10006ffd"},
        {CLOSE + 6, 0, "through code at 0x0"},
        {CLOSE + 6, BASE + CLOSE, "through code at 0x10001010"},
        {THUNK + 2, BASE + PB_IMAGE_SIZE - 3, "through a pointer at 0x10006ffd, outside"},
        {THUNK + 2, 0x50, "through a pointer at 0x50, outside"},
        {CLOSE + 1, 0x2000, "no system services"},
    };
    struct pe_builder ntdll;

    make_ntdll(&ntdll);
    pe_builder_u32(&ntdll, damages[_i].at, damages[_i].value);
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
