/*
 * The faulting byte of every operand form. The engine names only the page; without the decoding in
 * fault.c each of these reports the page's first byte and no size.
 */
#include <check.h>
#include <string.h>

#include "guest_suite.h"
#include "winstub/dis.h"

#define FREE        (GUEST_DATA + 2 * VM_PAGE_SIZE) /* the first byte that is not there */
#define COUNT_OF(a) (sizeof(a) / sizeof *(a))

enum { W32 = 1, W64 = 2, BOTH = 3 };

/*
 * An operand that rbx points at. Registers not named are 0 but rsp, rsi and rdi (= rbx), rcx (1).
 */
struct form {
    const char *name;
    uint8_t code[10];
    uint8_t widths;
    uint8_t access; /* reported when all of it is missing */
    uint16_t size;
};

#define R VM_READ
#define W VM_WRITE

static const struct form forms[] = {
    {"mov al, [rbx]", {0x8a, 0x03}, BOTH, R, 1},
    {"mov [rbx], al", {0x88, 0x03}, BOTH, W, 1},
    {"mov ax, [rbx]", {0x66, 0x8b, 0x03}, BOTH, R, 2},
    {"mov eax, [rbx]", {0x8b, 0x03}, BOTH, R, 4},
    {"mov [rbx], eax", {0x89, 0x03}, BOTH, W, 4},
    {"mov rax, [rbx]", {0x48, 0x8b, 0x03}, W64, R, 8},
    {"mov [rbx], rax", {0x48, 0x89, 0x03}, W64, W, 8},
    {"mov dword [rbx], imm", {0xc7, 0x03, 1, 2, 3, 4}, BOTH, W, 4},
    {"movzx eax, word [rbx]", {0x0f, 0xb7, 0x03}, BOTH, R, 2},
    {"movbe eax, [rbx]", {0x0f, 0x38, 0xf0, 0x03}, BOTH, R, 4},
    {"movbe [rbx], eax", {0x0f, 0x38, 0xf1, 0x03}, BOTH, W, 4},
    {"movnti [rbx], eax", {0x0f, 0xc3, 0x03}, BOTH, W, 4},
    {"add eax, [rbx]", {0x03, 0x03}, BOTH, R, 4},
    {"add [rbx], eax", {0x01, 0x03}, BOTH, W, 4},
    {"cmp [rbx], eax", {0x39, 0x03}, BOTH, R, 4},
    {"cmp byte [rbx], 1", {0x80, 0x3b, 1}, BOTH, R, 1},
    {"test [rbx], eax", {0x85, 0x03}, BOTH, R, 4},
    {"test dword [rbx], 1", {0xf7, 0x03, 1, 0, 0, 0}, BOTH, R, 4},
    {"inc dword [rbx]", {0xff, 0x03}, BOTH, W, 4},
    {"neg dword [rbx]", {0xf7, 0x1b}, BOTH, W, 4},
    {"not byte [rbx]", {0xf6, 0x13}, BOTH, W, 1},
    {"shl dword [rbx], 1", {0xd1, 0x23}, BOTH, W, 4},
    {"rcr byte [rbx], cl", {0xd2, 0x1b}, BOTH, W, 1},
    {"shld [rbx], eax, 3", {0x0f, 0xa4, 0x03, 3}, BOTH, W, 4},
    {"mul dword [rbx]", {0xf7, 0x23}, BOTH, R, 4},
    {"imul eax, [rbx]", {0x0f, 0xaf, 0x03}, BOTH, R, 4},
    {"div dword [rbx]", {0xf7, 0x33}, BOTH, R, 4},
    {"xchg [rbx], eax", {0x87, 0x03}, BOTH, W, 4},
    {"lock xadd [rbx], eax", {0xf0, 0x0f, 0xc1, 0x03}, BOTH, W, 4},
    {"cmpxchg [rbx], ecx", {0x0f, 0xb1, 0x0b}, BOTH, W, 4},
    {"lock cmpxchg8b [rbx]", {0xf0, 0x0f, 0xc7, 0x0b}, BOTH, W, 8},
    {"sete [rbx]", {0x0f, 0x94, 0x03}, BOTH, W, 1},
    {"cmove eax, [rbx]", {0x0f, 0x44, 0x03}, BOTH, R, 4},
    {"bt dword [rbx], 3", {0x0f, 0xba, 0x23, 3}, BOTH, R, 4},
    {"bts dword [rbx], 3", {0x0f, 0xba, 0x2b, 3}, BOTH, W, 4},
    {"btc [rbx], edx", {0x0f, 0xbb, 0x13}, BOTH, W, 4},
    {"bsf eax, [rbx]", {0x0f, 0xbc, 0x03}, BOTH, R, 4},
    {"popcnt eax, [rbx]", {0xf3, 0x0f, 0xb8, 0x03}, BOTH, R, 4},
    {"crc32 eax, byte [rbx]", {0xf2, 0x0f, 0x38, 0xf0, 0x03}, BOTH, R, 1},
    {"movsxd rax, [rbx]", {0x48, 0x63, 0x03}, W64, R, 4},
    {"push dword/qword [rbx]", {0xff, 0x33}, W32, R, 4},
    {"push qword [rbx]", {0xff, 0x33}, W64, R, 8},
    {"pop dword [rbx]", {0x8f, 0x03}, W32, W, 4},
    {"pop qword [rbx]", {0x8f, 0x03}, W64, W, 8},
    {"call dword [rbx]", {0xff, 0x13}, W32, R, 4},
    {"call qword [rbx]", {0xff, 0x13}, W64, R, 8},
    {"jmp qword [rbx]", {0xff, 0x23}, W64, R, 8},
    {"jmp far [rbx]", {0xff, 0x2b}, BOTH, R, 6},
    {"call far [rbx]", {0xff, 0x1b}, BOTH, R, 6},
    {"lfs eax, [rbx]", {0x0f, 0xb4, 0x03}, BOTH, R, 6},
    {"les eax, [ebx]", {0xc4, 0x03}, W32, R, 6},
    {"bound eax, [ebx]", {0x62, 0x03}, W32, R, 8},
    {"mov ds, [rbx]", {0x8e, 0x1b}, BOTH, R, 2},
    {"mov [rbx], ds", {0x8c, 0x1b}, BOTH, W, 2},
    {"movsb", {0xa4}, BOTH, R, 1},
    {"movsd", {0xa5}, BOTH, R, 4},
    {"rep movsq", {0xf3, 0x48, 0xa5}, W64, R, 8},
    {"cmpsb", {0xa6}, BOTH, R, 1},
    {"repe cmpsd", {0xf3, 0xa7}, BOTH, R, 4},
    {"stosb", {0xaa}, BOTH, W, 1},
    {"rep stosd", {0xf3, 0xab}, BOTH, W, 4},
    {"lodsw", {0x66, 0xad}, BOTH, R, 2},
    {"scasd", {0xaf}, BOTH, R, 4},
    {"repne scasb", {0xf2, 0xae}, BOTH, R, 1},
    {"xlatb", {0xd7}, BOTH, R, 1},
    {"fld dword [rbx]", {0xd9, 0x03}, BOTH, R, 4},
    {"fld qword [rbx]", {0xdd, 0x03}, BOTH, R, 8},
    {"fld tbyte [rbx]", {0xdb, 0x2b}, BOTH, R, 10},
    {"fstp dword [rbx]", {0xd9, 0x1b}, BOTH, W, 4},
    {"fstp tbyte [rbx]", {0xdb, 0x3b}, BOTH, W, 10},
    {"fild qword [rbx]", {0xdf, 0x2b}, BOTH, R, 8},
    {"fistp word [rbx]", {0xdf, 0x1b}, BOTH, W, 2},
    {"fadd dword [rbx]", {0xd8, 0x03}, BOTH, R, 4},
    {"fbld [rbx]", {0xdf, 0x23}, BOTH, R, 10},
    {"fnstcw [rbx]", {0xd9, 0x3b}, BOTH, W, 2},
    {"fldcw [rbx]", {0xd9, 0x2b}, BOTH, R, 2},
    {"fnstsw [rbx]", {0xdd, 0x3b}, BOTH, W, 2},
    {"fnstenv [rbx]", {0xd9, 0x33}, BOTH, W, 28},
    {"fnsave [rbx]", {0xdd, 0x33}, BOTH, W, 108},
    {"frstor [rbx]", {0xdd, 0x23}, BOTH, R, 108},
    {"stmxcsr [rbx]", {0x0f, 0xae, 0x1b}, BOTH, W, 4},
    {"ldmxcsr [rbx]", {0x0f, 0xae, 0x13}, BOTH, R, 4},
    {"movd xmm0, [rbx]", {0x66, 0x0f, 0x6e, 0x03}, BOTH, R, 4},
    {"movd [rbx], xmm0", {0x66, 0x0f, 0x7e, 0x03}, BOTH, W, 4},
    {"movq xmm0, [rbx]", {0xf3, 0x0f, 0x7e, 0x03}, BOTH, R, 8},
    {"movq [rbx], xmm0", {0x66, 0x0f, 0xd6, 0x03}, BOTH, W, 8},
    {"movss xmm0, [rbx]", {0xf3, 0x0f, 0x10, 0x03}, BOTH, R, 4},
    {"movsd [rbx], xmm0", {0xf2, 0x0f, 0x11, 0x03}, BOTH, W, 8},
    {"movups xmm0, [rbx]", {0x0f, 0x10, 0x03}, BOTH, R, 16},
    {"movups [rbx], xmm0", {0x0f, 0x11, 0x03}, BOTH, W, 16},
    {"movdqu [rbx], xmm0", {0xf3, 0x0f, 0x7f, 0x03}, BOTH, W, 16},
    {"lddqu xmm0, [rbx]", {0xf2, 0x0f, 0xf0, 0x03}, BOTH, R, 16},
    {"movhps [rbx], xmm0", {0x0f, 0x17, 0x03}, BOTH, W, 8},
    {"movlpd xmm0, [rbx]", {0x66, 0x0f, 0x12, 0x03}, BOTH, R, 8},
    {"addsd xmm0, [rbx]", {0xf2, 0x0f, 0x58, 0x03}, BOTH, R, 8},
    {"comisd xmm0, [rbx]", {0x66, 0x0f, 0x2f, 0x03}, BOTH, R, 8},
    {"cvtsi2sd xmm0, dword [rbx]", {0xf2, 0x0f, 0x2a, 0x03}, BOTH, R, 4},
    {"pextrb [rbx], xmm0, 1", {0x66, 0x0f, 0x3a, 0x14, 0x03, 1}, BOTH, W, 1},
    {"pinsrw xmm0, [rbx], 1", {0x66, 0x0f, 0xc4, 0x03, 1}, BOTH, R, 2},
    {"pmovzxbd xmm0, [rbx]", {0x66, 0x0f, 0x38, 0x31, 0x03}, BOTH, R, 4},
    {"leave", {0xc9}, W64, R, 8},
    {"leave", {0xc9}, W32, R, 4},
};

/* Operands that must be aligned to 16 bytes cannot lie across two pages. */
static const struct form aligned_forms[] = {
    {"movaps xmm0, [rbx]", {0x0f, 0x28, 0x03}, BOTH, R, 16},
    {"movaps [rbx], xmm0", {0x0f, 0x29, 0x03}, BOTH, W, 16},
    {"movntdq [rbx], xmm0", {0x66, 0x0f, 0xe7, 0x03}, BOTH, W, 16},
    {"paddd xmm0, [rbx]", {0x66, 0x0f, 0xfe, 0x03}, BOTH, R, 16},
    {"lock cmpxchg16b [rbx]", {0xf0, 0x48, 0x0f, 0xc7, 0x0b}, W64, W, 16},
    {"maskmovdqu xmm0, xmm1", {0x66, 0x0f, 0xf7, 0xc1}, BOTH, W, 16},
};

/* xmm1 is what maskmovdqu selects its bytes by. */
static void set_every_mask_byte(void)
{
    uint8_t ones[16];
    size_t count;
    const struct target_reg *regs = cpu_regs(cpu_get_arch(g.cpu), &count);

    memset(ones, 0xff, sizeof ones);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(regs[i].name, "xmm1") == 0)
            ck_assert_int_eq(cpu_reg_write(g.cpu, i, ones, sizeof ones), ERR_OK);
    }
}

/* Run form with its operand at addr and expect a fault at byte. */
static void check_form(const struct form *f, gva_t addr, gva_t byte)
{
    guest_code(&g, GUEST_CODE, f->code, sizeof f->code);
    cpu_set(g.cpu, CPU_RBX, addr);
    cpu_set(g.cpu, CPU_RSI, addr);
    cpu_set(g.cpu, CPU_RDI, addr);
    cpu_set(g.cpu, CPU_RBP, addr);
    cpu_set(g.cpu, CPU_RCX, 1);
    cpu_set(g.cpu, CPU_RAX, 0);
    cpu_set(g.cpu, CPU_RDX, 0);
    cpu_set(g.cpu, CPU_RSP, GUEST_STACK + 0x800);
    set_every_mask_byte();
    ck_assert_int_eq(cpu_run(g.cpu, false, &g.event), ERR_OK);
    ck_assert_msg(g.event.kind == CPU_EVENT_FAULT && g.event.pc == GUEST_CODE &&
                      g.event.address == byte && g.event.size == f->size &&
                      (unsigned)g.event.access == f->access && g.event.fault == VM_FAULT_FREE,
                  "%s at 0x%" PRIx64 ": event %d vector %d at 0x%" PRIx64 ", byte 0x%" PRIx64
                  " (wanted 0x%" PRIx64 "), size %u (wanted %u), access %d (wanted %u), fault %d",
                  f->name, addr, (int)g.event.kind, g.event.vector, g.event.pc, g.event.address,
                  byte, g.event.size, f->size, (int)g.event.access, f->access, (int)g.event.fault);
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_RCX), 1);
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_RSI), addr);
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_RDI), addr);
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_RSP), GUEST_STACK + 0x800);
}

static unsigned width(void)
{
    return cpu_get_arch(g.cpu) == CPU_AMD64 ? W64 : W32;
}

START_TEST(an_operand_in_missing_memory_faults_at_its_first_byte)
{
    const struct form *f = &forms[_i];

    if (!(f->widths & width()))
        return;
    check_form(f, FREE + 0x123, FREE + 0x123);
    check_form(f, FREE, FREE);
}
END_TEST

START_TEST(an_operand_across_two_pages_faults_in_the_missing_one)
{
    const struct form *f = &forms[_i];

    if (!(f->widths & width()) || f->size == 1)
        return;
    check_form(f, FREE - 1, FREE);
    check_form(f, FREE - f->size + 1, FREE);
}
END_TEST

START_TEST(an_aligned_operand_faults_at_its_first_byte)
{
    const struct form *f = &aligned_forms[_i];

    if (!(f->widths & width()))
        return;
    check_form(f, FREE + 0x120, FREE + 0x120);
}
END_TEST

/* ---- The stack, and operands that are not at rbx --------------------------------------------- */

struct special {
    const char *name;
    uint8_t code[10];
    uint8_t widths;
    uint8_t access;
    uint16_t size;
    enum cpu_reg reg; /* that holds base */
    int base;         /* from FREE */
    int byte;         /* from FREE */
};

/*
 * The stack's pages end like the data's: FREE is above GUEST_DATA, and below GUEST_DATA there is
 * nothing either.
 */
#define BELOW (-2 * (int)VM_PAGE_SIZE) /* GUEST_DATA, from FREE */

static const struct special specials[] = {
    {"push eax", {0x50}, W32, W, 4, CPU_RSP, BELOW, BELOW - 4},
    {"push rax", {0x50}, W64, W, 8, CPU_RSP, BELOW, BELOW - 8},
    {"push rax over the edge", {0x50}, W64, W, 8, CPU_RSP, BELOW + 3, BELOW - 5},
    {"push imm", {0x6a, 1}, W64, W, 8, CPU_RSP, BELOW, BELOW - 8},
    {"push ax", {0x66, 0x50}, BOTH, W, 2, CPU_RSP, BELOW, BELOW - 2},
    {"pushf", {0x9c}, W64, W, 8, CPU_RSP, BELOW, BELOW - 8},
    {"pushf", {0x9c}, W32, W, 4, CPU_RSP, BELOW, BELOW - 4},
    {"call rel", {0xe8, 0, 0, 0, 0}, W64, W, 8, CPU_RSP, BELOW, BELOW - 8},
    {"call rel", {0xe8, 0, 0, 0, 0}, W32, W, 4, CPU_RSP, BELOW, BELOW - 4},
    {"pop rax", {0x58}, W64, R, 8, CPU_RSP, 0, 0},
    {"pop eax over the edge", {0x58}, W32, R, 4, CPU_RSP, -3, 0},
    {"popf", {0x9d}, W64, R, 8, CPU_RSP, 0x10, 0x10},
    {"ret", {0xc3}, W64, R, 8, CPU_RSP, 0x10, 0x10},
    {"ret 8", {0xc2, 8, 0}, W32, R, 4, CPU_RSP, 0x10, 0x10},
    {"retf", {0xcb}, BOTH, R, 8, CPU_RSP, 0x10, 0x10},
    {"iretq", {0x48, 0xcf}, W64, R, 40, CPU_RSP, 0x10, 0x10},
    {"iretd", {0xcf}, W32, R, 12, CPU_RSP, 0x10, 0x10},
    {"pusha", {0x60}, W32, W, 4, CPU_RSP, BELOW, BELOW - 4},
    {"pusha, the last", {0x60}, W32, W, 4, CPU_RSP, BELOW + 28, BELOW - 4},
    {"popa", {0x61}, W32, R, 32, CPU_RSP, 8, 8},
    {"enter 16, 0", {0xc8, 16, 0, 0}, W64, W, 8, CPU_RSP, BELOW, BELOW - 8},
    {"far call", {0x9a, 0, 0, 1, 0, 0x23, 0}, W32, W, 4, CPU_RSP, BELOW, BELOW - 4},
    {"mov eax, [rbx+rcx*8+16]", {0x8b, 0x44, 0xcb, 16}, BOTH, R, 4, CPU_RBX, 0, 24},
    {"mov eax, [rbx-128]", {0x8b, 0x43, 0x80}, BOTH, R, 4, CPU_RBX, 256, 128},
    {"mov eax, [ebx] by 67", {0x67, 0x8b, 0x03}, W64, R, 4, CPU_RBX, 8, 8},
    {"mov eax, fs:[rbx]", {0x64, 0x8b, 0x03}, BOTH, R, 4, CPU_RBX, 0, 0x40},
    {"xlatb", {0xd7}, BOTH, R, 1, CPU_RBX, 0x10, 0x10},
    {"bt [rbx], edx = 100", {0x0f, 0xa3, 0x13}, BOTH, R, 4, CPU_RBX, 0, 12},
    {"movsb, the store", {0xa4}, BOTH, W, 1, CPU_RDI, 5, 5},
    {"movsd, the store over the edge", {0xa5}, BOTH, W, 4, CPU_RDI, -1, 0},
    {"cmpsb, the second", {0xa6}, BOTH, R, 1, CPU_RDI, 5, 5},
};

START_TEST(implicit_and_computed_operands_fault_at_their_byte)
{
    const struct special *s = &specials[_i];
    gva_t byte = FREE + (gva_t)(int64_t)s->byte;

    if (!(s->widths & width()))
        return;
    guest_code(&g, GUEST_CODE, s->code, sizeof s->code);
    cpu_set(g.cpu, CPU_RSI, GUEST_DATA);
    cpu_set(g.cpu, CPU_RDI, GUEST_DATA);
    cpu_set(g.cpu, CPU_RCX, 1);
    cpu_set(g.cpu, CPU_RDX, 100);
    cpu_set(g.cpu, CPU_FS_BASE, 0x40);
    cpu_set(g.cpu, s->reg, FREE + (gva_t)(int64_t)s->base);
    ck_assert_int_eq(cpu_run(g.cpu, false, &g.event), ERR_OK);
    ck_assert_msg(g.event.kind == CPU_EVENT_FAULT && g.event.pc == GUEST_CODE &&
                      g.event.address == byte && g.event.size == s->size &&
                      (unsigned)g.event.access == s->access,
                  "%s: event %d at 0x%" PRIx64 ", byte 0x%" PRIx64 " (wanted 0x%" PRIx64
                  "), size %u (wanted %u), access %d (wanted %u)",
                  s->name, (int)g.event.kind, g.event.pc, g.event.address, byte, g.event.size,
                  s->size, (int)g.event.access, s->access);
    ck_assert_uint_eq(cpu_get(g.cpu, s->reg), FREE + (gva_t)(int64_t)s->base);
}
END_TEST

START_TEST(rep_movs_stops_at_the_byte_that_is_missing)
{
    GUEST_CODE_AT(&g, GUEST_CODE, 0xf3, 0xa4);
    cpu_set(g.cpu, CPU_RSI, GUEST_DATA);
    cpu_set(g.cpu, CPU_RDI, FREE - 0x10);
    cpu_set(g.cpu, CPU_RCX, 0x40);
    guest_run(&g, CPU_EVENT_FAULT, GUEST_CODE);
    ck_assert_uint_eq(g.event.address, FREE);
    ck_assert_int_eq(g.event.access, VM_WRITE);
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_RCX), 0x30);
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_RDI), FREE);
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_RSI), GUEST_DATA + 0x10);
}
END_TEST

/* fxsave and xsave: aligned, longer than any gap to the page's end that tests above leave. */
START_TEST(long_operands_fault_at_their_byte)
{
    /* the engine does not read the end of fldenv's operand */
    static const struct form f[] = {
        {"fxsave [rbx]", {0x0f, 0xae, 0x03}, BOTH, W, 512},
        {"fxrstor [rbx]", {0x0f, 0xae, 0x0b}, BOTH, R, 512},
        {"xsave [rbx]", {0x0f, 0xae, 0x23}, BOTH, W, 576},
        {"fldenv [rbx]", {0xd9, 0x23}, BOTH, R, 28},
    };

    for (size_t i = 0; i < COUNT_OF(f); i++) {
        check_form(&f[i], FREE + 0x40, FREE + 0x40);
        if (i < 2)
            check_form(&f[i], FREE - 0x40, FREE);
    }
}
END_TEST

/* ---- Why ------------------------------------------------------------------------------------- */

START_TEST(the_reason_is_the_vms)
{
    static const struct {
        uint32_t protect;
        uint8_t code[2];
        enum vm_access access;
        enum vm_fault fault;
    } cases[] = {
        {PAGE_READONLY, {0x89, 0x03}, VM_WRITE, VM_FAULT_READONLY},
        {PAGE_READONLY, {0x01, 0x03}, VM_WRITE, VM_FAULT_READONLY},
        {PAGE_NOACCESS, {0x8b, 0x03}, VM_READ, VM_FAULT_NOACCESS},
        {PAGE_READWRITE, {0xff, 0xe3}, VM_EXEC, VM_FAULT_NOEXEC},
        {PAGE_READWRITE | PAGE_GUARD, {0x8b, 0x03}, VM_READ, VM_FAULT_GUARD},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        guest_protect(&g, GUEST_DATA, VM_PAGE_SIZE, cases[i].protect);
        guest_code(&g, GUEST_CODE, cases[i].code, 2);
        cpu_set(g.cpu, CPU_RBX, GUEST_DATA + 0x20);
        ck_assert_int_eq(cpu_run(g.cpu, false, &g.event), ERR_OK);
        ck_assert_int_eq(g.event.kind, CPU_EVENT_FAULT);
        ck_assert_int_eq(g.event.fault, cases[i].fault);
        ck_assert_int_eq(g.event.access, cases[i].access);
        ck_assert_uint_eq(g.event.address, GUEST_DATA + 0x20);
    }
}
END_TEST

/* The arch's kernel half, our private pages, and addresses that are not canonical. */
START_TEST(addresses_above_the_user_range_fault)
{
    static const gva_t addrs[] = {0xFFFFF80000001000, 0xFFFFA00000000000, 0x800000000000,
                                  0x7FFFFFFF0000,     0xFFFFFFFFFFFFFFF0, 0xFFFFE008,
                                  0xFFFFF010};

    for (size_t i = 0; i < COUNT_OF(addrs); i++) {
        GUEST_CODE_AT(&g, GUEST_CODE, 0x8b, 0x03);
        cpu_set(g.cpu, CPU_RBX, addrs[i]);
        guest_run(&g, CPU_EVENT_FAULT, GUEST_CODE);
        ck_assert_uint_eq(g.event.address, addrs[i]);
        ck_assert_int_eq(g.event.fault, addrs[i] >> 32 ? VM_FAULT_KERNEL : VM_FAULT_FREE);
    }
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, an_operand_in_missing_memory_faults_at_its_first_byte, 0,
                        (int)COUNT_OF(forms));
    tcase_add_loop_test(tc, an_operand_across_two_pages_faults_in_the_missing_one, 0,
                        (int)COUNT_OF(forms));
    tcase_add_loop_test(tc, an_aligned_operand_faults_at_its_first_byte, 0,
                        (int)COUNT_OF(aligned_forms));
    tcase_add_loop_test(tc, implicit_and_computed_operands_fault_at_their_byte, 0,
                        (int)COUNT_OF(specials));
    tcase_add_test(tc, rep_movs_stops_at_the_byte_that_is_missing);
    tcase_add_test(tc, long_operands_fault_at_their_byte);
    tcase_add_test(tc, the_reason_is_the_vms);
}

static void add_tests64(TCase *tc)
{
    add_tests(tc);
    tcase_add_test(tc, addresses_above_the_user_range_fault);
}

int main(void)
{
    return guest_suite("cpu faults", add_tests64, add_tests);
}
