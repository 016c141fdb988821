/*
 * Guard pages and access violations as a guest meets them: which exception, which parameters, what is left behind.
 * _i is the architecture.
 */
#include <check.h>
#include <string.h>

#include "run/exception.h"
#include "service_caller.h"
#include "suite.h"
#include "target_fixture.h"
#include "vm_builder.h"

#define RC      (MEM_RESERVE | MEM_COMMIT)
#define GUARDED (PAGE_READWRITE | PAGE_GUARD)
#define PAGE    0x30000000u /* two pages */

/* Code of both widths; eax is the address. */
#define LOAD_EAX(low) "\xb8" low "\x00\x00\x30" /* mov eax, PAGE + low */
#define STORE         "\xc6\x00\x01"            /* mov byte [eax], 1 */
#define LOAD          "\x0f\xb6\x00"            /* movzx eax, byte [eax] */
#define CALL_EAX      "\xff\xd0"                /* call eax */
#define RET           "\xc3"

static struct vm *vm;
static struct caller c;

/* Raw code with data execution prevention. */
static void start_dep(int arch, const void *code, size_t len)
{
    start(arch, code, len);
    vm = process_vm(process);
    vm_set_dep(vm, true);
}

#define START_DEP(bytes) start_dep(_i, bytes, sizeof(bytes) - 1)

static void tear_all_down(void)
{
    teardown();
    caller_fini(&c);
}

/* Go on into an exception. */
static void expect(uint32_t code, uint64_t kind, gva_t address, gva_t pc)
{
    go_on();
    ck_assert_int_eq(stop.kind, STOP_EXCEPTION);
    ck_status(stop.code, code);
    ck_assert_uint_eq(stop.addr, pc);
    ck_assert_uint_eq(cpu_get(process_cpu(process), CPU_RIP), pc);
    ck_assert_uint_eq(stop.info_count, 2);
    ck_assert_uint_eq(stop.info[0], kind);
    ck_assert_uint_eq(stop.info[1], address);
}

static void expect_exit(uint32_t code)
{
    go_on();
    ends_with(code);
}

static void expect_page(gva_t addr, uint32_t protect, uint32_t allocation_protect)
{
    struct vm_region r = region_at(vm, addr);

    ck_assert_uint_eq(r.protect, protect);
    ck_assert_uint_eq(r.allocation_protect, allocation_protect);
}

START_TEST(G01_G04_writing_to_a_guard_page)
{
    START_DEP(LOAD_EAX("\x08") STORE LOAD RET);
    (void)build_memory(vm, PAGE, 0x2000, RC, GUARDED);
    expect(STATUS_GUARD_PAGE_VIOLATION, 1, PAGE + 8, BASE + 5);
    ck_assert_uint_eq(guest_u32(process, PAGE + 8), 0);
    expect_exit(1); /* one exception only */
    expect_page(PAGE, PAGE_READWRITE, GUARDED);
    expect_page(PAGE + 0x1000, GUARDED, GUARDED);
}
END_TEST

START_TEST(G02_reading_a_guard_page)
{
    START_DEP(LOAD_EAX("\x08") LOAD RET);
    (void)build_memory(vm, PAGE, 0x1000, RC, GUARDED);
    expect(STATUS_GUARD_PAGE_VIOLATION, 0, PAGE + 8, BASE + 5);
    expect_exit(0);
    expect_page(PAGE, PAGE_READWRITE, GUARDED);
}
END_TEST

START_TEST(G03_executing_a_guard_page)
{
    static const uint8_t code[] = {0xb8, 7, 0, 0, 0, 0xc3}; /* mov eax, 7; ret */

    START_DEP(LOAD_EAX("\x20") CALL_EAX RET);
    (void)build_memory(vm, PAGE, 0x1000, RC, PAGE_EXECUTE_READ | PAGE_GUARD);
    ck_assert(vm_debug_write(vm, PAGE + 0x20, code, sizeof code));
    expect(STATUS_GUARD_PAGE_VIOLATION, 8, PAGE + 0x20, PAGE + 0x20);
    expect_exit(7);
    expect_page(PAGE, PAGE_EXECUTE_READ, PAGE_EXECUTE_READ | PAGE_GUARD);
}
END_TEST

START_TEST(G06_an_access_that_crosses_into_a_guard_page)
{
    static const uint8_t code[] = {0xb8, 0xfe, 0x0f, 0,    0x30, 0xc7,
                                   0,    0x44, 0x33, 0x22, 0x11, 0xc3};

    start_dep(_i, code, sizeof code); /* mov dword [PAGE + 0xffe], 0x11223344 */
    (void)build_memory(vm, PAGE, 0x2000, RC, PAGE_READWRITE);
    ck_succeeds(try_protect(vm, PAGE + 0x1000, 0x1000, GUARDED));
    expect(STATUS_GUARD_PAGE_VIOLATION, 1, PAGE + 0x1000, BASE + 5);
    ck_assert_uint_eq(guest_u32(process, PAGE + 0xffe), 0);
    expect_exit(PAGE + 0xffe);
    ck_assert_uint_eq(guest_u32(process, PAGE + 0xffe), 0x11223344);
    expect_page(PAGE + 0x1000, PAGE_READWRITE, PAGE_READWRITE);
}
END_TEST

START_TEST(G07_a_guard_comes_before_read_only)
{
    START_DEP(LOAD_EAX("\x08") STORE RET);
    (void)build_memory(vm, PAGE, 0x1000, RC, PAGE_READONLY | PAGE_GUARD);
    expect(STATUS_GUARD_PAGE_VIOLATION, 1, PAGE + 8, BASE + 5);
    expect(STATUS_ACCESS_VIOLATION, 1, PAGE + 8, BASE + 5);
    expect_page(PAGE, PAGE_READONLY, PAGE_READONLY | PAGE_GUARD);
}
END_TEST

/* The pages of [PAGE, PAGE + 0x2000) that were written to. */
static uint64_t written(gva_t *first)
{
    gva_t pages[2] = {0};
    uint64_t count = COUNT_OF(pages);
    uint32_t size;

    ck_succeeds(vm_get_write_watch(vm, 0, PAGE, 0x2000, pages, &count, &size));
    *first = pages[0];
    return count;
}

/* A handler writes to the page whose guard raised the exception, then the access is made again. */
START_TEST(G10_G11_guards_handlers_and_write_watch)
{
    gva_t first;

    START_DEP(LOAD_EAX("\x08")
                  STORE RET /* handler, at 9: */ "\xc6\x40\x04\x02" /* mov byte [eax+4], 2 */
                                                 "\xeb\xf6");       /* jmp to the store */
    (void)build_memory(vm, PAGE, 0x2000, RC | MEM_WRITE_WATCH, GUARDED);
    expect(STATUS_GUARD_PAGE_VIOLATION, 1, PAGE + 8, BASE + 5);
    ck_assert_uint_eq(written(&first), 0);
    cpu_set(process_cpu(process), CPU_RIP, BASE + 9);
    ck_assert_int_eq(target.ops->point(target.ctx, POINT_BREAK_HW, BASE + 13, 1, true), ERR_OK);
    go_on();
    ck_assert_int_eq(stop.kind, STOP_BREAK_HW);
    ck_assert_uint_eq(written(&first), 1); /* by the handler */
    ck_assert_uint_eq(first, PAGE);
    expect_exit(PAGE + 8);
    ck_assert_uint_eq(guest_u32(process, PAGE + 8) & 0xff, 1);
    ck_assert_uint_eq(guest_u32(process, PAGE + 12) & 0xff, 2);
    ck_assert_uint_eq(written(&first), 1);
}
END_TEST

/* ---- Access violations ------------------------------------------------------------------------ */

static const struct violation {
    uint32_t type, protect; /* of PAGE; type 0: nothing is there */
    char access;
    uint64_t kind;
} violations[] = {
    {0, 0, 'r', 0},
    {0, 0, 'w', 1},
    {0, 0, 'x', 8},
    {MEM_RESERVE, PAGE_READWRITE, 'r', 0},
    {MEM_RESERVE, PAGE_READWRITE, 'w', 1},
    {RC, PAGE_NOACCESS, 'r', 0},
    {RC, PAGE_NOACCESS, 'w', 1},
    {RC, PAGE_NOACCESS, 'x', 8},
    {RC, PAGE_READONLY, 'w', 1},
    {RC, PAGE_READWRITE, 'x', 8},
    {RC, PAGE_EXECUTE_READ, 'w', 1},
};

START_TEST(G12_G13_access_violations)
{
    const struct violation *v = &violations[_i / 2];
    bool exec = v->access == 'x';
    struct memory_of *before;
    gva_t pc = exec ? PAGE + 8 : BASE + 5;

    _i %= 2;
    if (exec)
        START_DEP(LOAD_EAX("\x08") CALL_EAX RET);
    else if (v->access == 'w')
        START_DEP(LOAD_EAX("\x08") STORE RET);
    else
        START_DEP(LOAD_EAX("\x08") LOAD RET);
    if (v->type)
        (void)build_memory(vm, PAGE, 0x1000, v->type, v->protect);
    expect(STATUS_ACCESS_VIOLATION, v->kind, PAGE + 8, pc);
    before = remember(vm);
    expect(STATUS_ACCESS_VIOLATION, v->kind, PAGE + 8, pc); /* again: nothing has changed */
    ck_assert(unchanged(before, vm));
}
END_TEST

static enum err read_file(void *ctx, uint64_t offset, void *dst, size_t len)
{
    const bool *broken = ctx;

    (void)offset;
    memset(dst, 'f', len);
    return *broken ? ERR_IO : ERR_OK;
}

START_TEST(an_error_of_a_mapped_file)
{
    bool broken = true;
    struct vm_backing file = {.ctx = &broken, .size = 0x1000, .read = read_file};
    struct vm_section_config config = {
        .protect = PAGE_READONLY, .attributes = SEC_COMMIT, .file = &file, .path = "C:\\data.bin"};
    struct vm_section *section;

    START_DEP(LOAD_EAX("\x08") LOAD RET);
    ck_succeeds(vm_section_new(vm, &config, &section));
    (void)build_view(vm, section, PAGE, 0, 0, PAGE_READONLY);
    vm_section_unref(section);
    go_on();
    ck_assert_int_eq(stop.kind, STOP_EXCEPTION);
    ck_status(stop.code, STATUS_IN_PAGE_ERROR);
    ck_assert_uint_eq(stop.addr, BASE + 5);
    ck_assert_uint_eq(stop.info_count, 3);
    ck_assert_uint_eq(stop.info[0], 0);
    ck_assert_uint_eq(stop.info[1], PAGE + 8);
    ck_assert_uint_eq(stop.info[2], STATUS_IO_DEVICE_ERROR);
    ck_assert_ptr_nonnull(strstr(stop.note, "whose file cannot be read"));
    broken = false;
    expect_exit('f');
}
END_TEST

/* The record that the guest's handlers get. */
START_TEST(G12_the_record_on_the_stack)
{
    struct process_exception e = {
        .code = STATUS_ACCESS_VIOLATION, .address = BASE + 5, .count = 2, .info = {1, PAGE + 8}};
    gva_t sp, record;

    caller_init(&c, (enum cpu_arch)_i, NULL, 0);
    c.kernel.entry_points.exception = BASE;
    ck_assert(process_raise(c.p, &e));
    ck_assert_uint_eq(cpu_get(c.p->cpu, CPU_RIP), BASE);
    sp = cpu_get(c.p->cpu, CPU_RSP);
    record = _i == CPU_AMD64 ? sp + 0x4f0 : guest_u32(c.p, sp);
    ck_assert_uint_eq(guest_u32(c.p, record + nt_offset(c.p->arch, NT_RECORD_CODE)), e.code);
    ck_assert_uint_eq(guest_u32(c.p, record + nt_offset(c.p->arch, NT_RECORD_FLAGS)), 0);
    ck_assert_uint_eq(guest_word(c.p, record + nt_offset(c.p->arch, NT_RECORD_ADDRESS)), BASE + 5);
    ck_assert_uint_eq(guest_u32(c.p, record + nt_offset(c.p->arch, NT_RECORD_COUNT)), 2);
    record += nt_offset(c.p->arch, NT_RECORD_INFORMATION);
    ck_assert_uint_eq(guest_word(c.p, record), 1);
    ck_assert_uint_eq(guest_word(c.p, record + nt_pointer(c.p->arch)), PAGE + 8);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        G01_G04_writing_to_a_guard_page,    G02_reading_a_guard_page,
        G03_executing_a_guard_page,         G06_an_access_that_crosses_into_a_guard_page,
        G07_a_guard_comes_before_read_only, G10_G11_guards_handlers_and_write_watch,
        G12_the_record_on_the_stack,        an_error_of_a_mapped_file,
    };
    Suite *s = suite_create("exception");
    TCase *tc = tcase_create("both widths");

    tcase_add_checked_fixture(tc, NULL, tear_all_down);
    for (size_t i = 0; i < COUNT_OF(tests); i++)
        tcase_add_loop_test(tc, tests[i], 0, 2);
    tcase_add_loop_test(tc, G12_G13_access_violations, 0, 2 * (int)COUNT_OF(violations));
    suite_add_tcase(s, tc);
    return suite_main(s);
}
