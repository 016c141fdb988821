/*
 * Devices under the CPU (core/cpu/detour.c): every kind of instruction does on a device what it does on memory, and
 * asks the device as winstub/foreign.h says. Each instruction runs on memory first and then on a device that holds the
 * same bytes, at the same addresses; registers and bytes must end the same.
 */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "guest_suite.h"
#include "winstub/foreign.h"

#define BELOW       UINT64_C(0x600000) /* memory up to DEVICE */
#define DEVICE      UINT64_C(0x610000)
#define ABOVE       UINT64_C(0x620000) /* memory right behind the device */
#define SIZE        0x10000u
#define BYTES       (3 * SIZE)
#define COUNT_OF(a) (sizeof(a) / sizeof *(a))

/* A device that is a piece of memory and writes down what it is asked. */
struct fake {
    uint8_t bytes[SIZE];
    char log[4096];
    uint64_t refuse_read; /* offset at which it refuses; ~0: none */
    uint64_t refuse_write;
    unsigned gone;
};

static struct fake fake;

static void note(char what, uint64_t offset, size_t len)
{
    size_t used = strlen(fake.log);

    (void)snprintf(fake.log + used, sizeof fake.log - used, "%s%c%" PRIx64 "+%zu", used ? " " : "",
                   what, offset, len);
}

static bool fake_read(void *ctx, uint64_t offset, void *bytes, size_t len)
{
    struct fake *f = ctx;

    note('r', offset, len);
    ck_assert(offset < SIZE && len <= SIZE - offset);
    memcpy(bytes, f->bytes + offset, len);
    return f->refuse_read - offset >= len;
}

static bool fake_write(void *ctx, uint64_t offset, const void *bytes, size_t len)
{
    struct fake *f = ctx;

    note('w', offset, len);
    ck_assert(offset < SIZE && len <= SIZE - offset);
    if (f->refuse_write - offset < len)
        return false;
    memcpy(f->bytes + offset, bytes, len);
    return true;
}

static void fake_gone(void *ctx)
{
    ((struct fake *)ctx)->gone++;
}

static const struct vm_device fake_device = {&fake, fake_read, fake_write, fake_gone};

static uint8_t pattern(uint64_t at)
{
    return (uint8_t)(at * 7 + at / 256 + 1);
}

/* Memory below and above, and a device or memory in between, all with the pattern. */
static void lay_out(bool device)
{
    static uint8_t bytes[BYTES];

    for (size_t i = 0; i < BYTES; i++)
        bytes[i] = pattern(i);
    fake.refuse_read = fake.refuse_write = UINT64_MAX;
    fake.log[0] = 0;
    memcpy(fake.bytes, bytes + SIZE, SIZE);
    guest_map(&g, BELOW, SIZE, PAGE_READWRITE);
    guest_map(&g, ABOVE, SIZE, PAGE_READWRITE);
    guest_write(&g, BELOW, bytes, SIZE);
    guest_write(&g, ABOVE, bytes + 2 * SIZE, SIZE);
    if (device) {
        ck_assert_uint_eq(vm_map_device(g.vm, DEVICE, SIZE, &fake_device, "fake", NULL),
                          STATUS_SUCCESS);
    } else {
        guest_map(&g, DEVICE, SIZE, PAGE_READWRITE);
        guest_write(&g, DEVICE, bytes + SIZE, SIZE);
    }
}

static void release(gva_t base)
{
    uint64_t size = 0;

    ck_assert_uint_eq(vm_release(g.vm, &base, &size, MEM_RELEASE), STATUS_SUCCESS);
}

static void clear_away(bool device)
{
    release(BELOW);
    release(ABOVE);
    if (device)
        ck_assert_uint_eq(vm_unmap_view(g.vm, DEVICE + 0x1234), STATUS_SUCCESS);
    else
        release(DEVICE);
}

/* What is left after a run: every register, and the bytes. */
struct outcome_of {
    uint8_t regs[2048];
    size_t regs_len;
    uint8_t bytes[BYTES];
    uint8_t vector; /* of the exception that ended it */
};

static void remember_outcome(struct outcome_of *o, bool device)
{
    size_t count;
    const struct target_reg *regs = cpu_regs(cpu_get_arch(g.cpu), &count);

    memset(o, 0, sizeof *o);
    for (size_t i = 0; i < count; i++) {
        size_t len = regs[i].bits / 8;

        ck_assert_uint_le(o->regs_len + len, sizeof o->regs);
        ck_assert_int_eq(cpu_reg_read(g.cpu, i, o->regs + o->regs_len, len), ERR_OK);
        o->regs_len += len;
    }
    ck_assert_uint_eq(vm_debug_read(g.vm, BELOW, o->bytes, SIZE), SIZE);
    ck_assert_uint_eq(vm_debug_read(g.vm, ABOVE, o->bytes + 2 * SIZE, SIZE), SIZE);
    if (device)
        memcpy(o->bytes + SIZE, fake.bytes, SIZE);
    else
        ck_assert_uint_eq(vm_debug_read(g.vm, DEVICE, o->bytes + SIZE, SIZE), SIZE);
}

struct insn_case {
    const char *text; /* ebx: the place; esi, edi: it and 0x200 further; ecx 3 */
    uint8_t code[12];
    uint8_t len;
    uint8_t widths;    /* bit 0: 64-bit code, bit 1: 32-bit code */
    const char *asked; /* of the device when ebx is at its offset 0x100 */
};

#define BOTH  3
#define WIDE  1
#define SHORT 2

static const struct insn_case cases[] = {
    {"mov al, [ebx]", {0x8a, 0x03}, 2, BOTH, "r100+1"},
    {"mov ax, [ebx]", {0x66, 0x8b, 0x03}, 3, BOTH, "r100+2"},
    {"mov eax, [ebx]", {0x8b, 0x03}, 2, BOTH, "r100+4"},
    {"mov rax, [rbx]", {0x48, 0x8b, 0x03}, 3, WIDE, "r100+8"},
    {"movzx eax, word [ebx]", {0x0f, 0xb7, 0x03}, 3, BOTH, "r100+2"},
    {"movsx eax, byte [ebx]", {0x0f, 0xbe, 0x03}, 3, BOTH, "r100+1"},
    {"mov [ebx], al", {0x88, 0x03}, 2, BOTH, "w100+1"},
    {"mov [ebx], ax", {0x66, 0x89, 0x03}, 3, BOTH, "w100+2"},
    {"mov [ebx], eax", {0x89, 0x03}, 2, BOTH, "w100+4"},
    {"mov [rbx], rax", {0x48, 0x89, 0x03}, 3, WIDE, "w100+8"},
    {"mov dword [ebx], 0x11223344", {0xc7, 0x03, 0x44, 0x33, 0x22, 0x11}, 6, BOTH, "w100+4"},
    {"add [ebx], eax", {0x01, 0x03}, 2, BOTH, "r100+4 w100+4"},
    {"adc [ebx], eax after stc", {0xf9, 0x11, 0x03}, 3, BOTH, "r100+4 w100+4"},
    {"add eax, [ebx]", {0x03, 0x03}, 2, BOTH, "r100+4"},
    {"cmp [ebx], eax", {0x39, 0x03}, 2, BOTH, "r100+4"},
    {"test byte [ebx], 1", {0xf6, 0x03, 0x01}, 3, BOTH, "r100+1"},
    {"inc byte [ebx]", {0xfe, 0x03}, 2, BOTH, "r100+1 w100+1"},
    {"neg dword [ebx]", {0xf7, 0x1b}, 2, BOTH, "r100+4 w100+4"},
    {"shl dword [ebx], cl", {0xd3, 0x23}, 2, BOTH, "r100+4 w100+4"},
    {"rcl dword [ebx], 1 after stc", {0xf9, 0xd1, 0x13}, 3, BOTH, "r100+4 w100+4"},
    {"setc [ebx] after stc", {0xf9, 0x0f, 0x92, 0x03}, 4, BOTH, "w100+1"},
    {"cmovz eax, [ebx]", {0x0f, 0x44, 0x03}, 3, BOTH, "r100+4"},
    {"lock xadd [ebx], eax", {0xf0, 0x0f, 0xc1, 0x03}, 4, BOTH, "r100+4 w100+4"},
    {"xchg [ebx], eax", {0x87, 0x03}, 2, BOTH, "r100+4 w100+4"},
    {"cmpxchg [ebx], ecx, unequal", {0x0f, 0xb1, 0x0b}, 3, BOTH, "r100+4 w100+4"},
    {"cmpxchg [ebx], ecx, equal", {0x8b, 0x03, 0x0f, 0xb1, 0x0b}, 5, BOTH, "r100+4 r100+4 w100+4"},
    {"cmpxchg8b [ebx]", {0x0f, 0xc7, 0x0b}, 3, BOTH, "r100+8 w100+8"},
    {"bts dword [ebx], 3", {0x0f, 0xba, 0x2b, 0x03}, 4, BOTH, "r100+4 w100+4"},
    {"bt [ebx], ecx", {0x0f, 0xa3, 0x0b}, 3, BOTH, "r100+4"},
    {"push [ebx], 64 bits", {0xff, 0x33}, 2, WIDE, "r100+8"},
    {"push [ebx], 32 bits", {0xff, 0x33}, 2, SHORT, "r100+4"},
    {"pop [ebx], 64 bits", {0x8f, 0x03}, 2, WIDE, "w100+8"},
    {"pop [ebx], 32 bits", {0x8f, 0x03}, 2, SHORT, "w100+4"},
    {"push eax on it, 64 bits", {0x48, 0x89, 0xdc, 0x50}, 4, WIDE, "wf8+8"},
    {"push eax on it, 32 bits", {0x89, 0xdc, 0x50}, 3, SHORT, "wfc+4"},
    {"pop eax from it", {0x48, 0x89, 0xdc, 0x58}, 4, WIDE, "r100+8"},
    {"pushf on it", {0x48, 0x89, 0xdc, 0x9c}, 4, WIDE, "wf8+8"},
    {"popf from it, masked", {0x89, 0xdc, 0x66, 0x9c, 0x66, 0x9d}, 6, SHORT, "wfe+2 rfe+2"},
    {"pusha on it",
     {0x89, 0xdc, 0x60},
     3,
     SHORT,
     "wfc+4 wf8+4 wf4+4 wf0+4 wec+4 we8+4 we4+4 we0+4"},
    {"call, with the stack on it", {0x48, 0x89, 0xdc, 0xe8, 0, 0, 0, 0}, 8, WIDE, "wf8+8"},
    {"stosb", {0xaa}, 1, BOTH, "w300+1"},
    {"rep stosd", {0xf3, 0xab}, 2, BOTH, "w300+4 w304+4 w308+4"},
    {"rep stosb, count 0", {0x31, 0xc9, 0xf3, 0xaa}, 4, BOTH, ""},
    {"lodsw", {0x66, 0xad}, 2, BOTH, "r100+2"},
    {"rep movsb", {0xf3, 0xa4}, 2, BOTH, "r100+1 w300+1 r101+1 w301+1 r102+1 w302+1"},
    {"rep movsq", {0xf3, 0x48, 0xa5}, 3, WIDE, "r100+8 w300+8 r108+8 w308+8 r110+8 w310+8"},
    {"movsd onto itself, shifted", {0x8d, 0x7e, 0x02, 0xa5}, 4, BOTH, "r100+4 w102+4"},
    {"cmpsb", {0xa6}, 1, BOTH, "r100+1 r300+1"},
    {"repne scasb", {0xf2, 0xae}, 2, BOTH, "r300+1 r301+1 r302+1"},
    {"xlatb", {0xb0, 0x05, 0xd7}, 3, BOTH, "r105+1"},
    {"movups xmm1, [ebx]", {0x0f, 0x10, 0x0b}, 3, BOTH, "r100+16"},
    {"movups [ebx], xmm0", {0x0f, 0x11, 0x03}, 3, BOTH, "w100+16"},
    {"movq [ebx], xmm0", {0x66, 0x0f, 0xd6, 0x03}, 4, BOTH, "w100+8"},
    {"movhps xmm0, [ebx]", {0x0f, 0x16, 0x03}, 3, BOTH, "r100+8"},
    {"paddd xmm0, [ebx]", {0x66, 0x0f, 0xfe, 0x03}, 4, BOTH, "r100+16"},
    {"cvtsi2sd xmm0, [ebx]", {0xf2, 0x0f, 0x2a, 0x03}, 4, BOTH, "r100+4"},
    {"fld tbyte [ebx]", {0xdb, 0x2b}, 2, BOTH, "r100+10"},
    {"fld1; fstp tbyte [ebx]", {0xd9, 0xe8, 0xdb, 0x3b}, 4, BOTH, "w100+10"},
    {"fild qword [ebx]", {0xdf, 0x2b}, 2, BOTH, "r100+8"},
    {"fnstcw [ebx]", {0xd9, 0x3b}, 2, BOTH, "w100+2"},
    {"fnstenv [ebx]", {0xd9, 0x33}, 2, BOTH, "w100+28"},
    {"fxsave [ebx]", {0x0f, 0xae, 0x03}, 3, BOTH, "r100+512 w100+512"},
    {"stmxcsr [ebx]", {0x0f, 0xae, 0x1b}, 3, BOTH, "w100+4"},
    {"maskmovdqu [edi], xmm0, xmm2", {0x66, 0x0f, 0xf7, 0xc2}, 4, BOTH, "r300+16 w300+16"},
    {"popcnt eax, [ebx]", {0xf3, 0x0f, 0xb8, 0x03}, 4, BOTH, "r100+4"},
    {"imul eax, [ebx], 3", {0x6b, 0x03, 0x03}, 3, BOTH, "r100+4"},
    {"mul byte [ebx]", {0xf6, 0x23}, 2, BOTH, "r100+1"},
    {"enter 16, 2 on it",
     {0x89, 0xdc, 0x8d, 0x6b, 0x40, 0xc8, 0x10, 0, 2},
     9,
     SHORT,
     "r13c+4 wfc+4 wf4+8"},
    {"leave from it", {0x89, 0xdd, 0xc9}, 3, SHORT, "r100+4"},
};

/* Run one case at ebx = at, on a device or not. */
static void run_case(const struct insn_case *c, gva_t at, bool device, struct outcome_of *o)
{
    uint8_t code[16] = {0};
    static const uint8_t ones[16] = {0xff, 0, 0x80, 0x7f, 0xff, 1, 2, 3,
                                     0x90, 4, 5,    6,    7,    8, 9, 0xff};
    size_t count;
    const struct target_reg *regs = cpu_regs(cpu_get_arch(g.cpu), &count);

    lay_out(device);
    memcpy(code, c->code, c->len);
    code[c->len] = 0xcc;
    for (enum cpu_reg r = CPU_RAX; r <= CPU_RBP; r++)
        cpu_set(g.cpu, r, 0);
    cpu_set(g.cpu, CPU_RAX, 0x8765432187654321);
    cpu_set(g.cpu, CPU_RDX, 0x1122334455667788);
    cpu_set(g.cpu, CPU_RCX, 3);
    cpu_set(g.cpu, CPU_RBX, at);
    cpu_set(g.cpu, CPU_RSI, at);
    cpu_set(g.cpu, CPU_RDI, at + 0x200);
    cpu_set(g.cpu, CPU_RSP, GUEST_STACK + VM_PAGE_SIZE);
    cpu_set(g.cpu, CPU_EFLAGS, 0x202);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(regs[i].name, "xmm2") == 0)
            ck_assert_int_eq(cpu_reg_write(g.cpu, i, ones, sizeof ones), ERR_OK);
    }
    guest_code(&g, GUEST_CODE, code, sizeof code);
    ck_assert_int_eq(cpu_run(g.cpu, false, &g.event), ERR_OK);
    ck_assert_int_eq(g.event.kind, CPU_EVENT_EXCEPTION);
    remember_outcome(o, device);
    o->vector = g.event.vector; /* fxsave ends by one where it is not aligned */
    clear_away(device);
}

static void compare(const struct insn_case *c, gva_t at)
{
    static struct outcome_of memory, device;
    struct cpu_context *start = cpu_context_new(g.cpu);

    run_case(c, at, false, &memory);
    cpu_context_load(g.cpu, start);
    run_case(c, at, true, &device);
    cpu_context_load(g.cpu, start);
    cpu_context_free(start);
    ck_assert_msg(memory.regs_len == device.regs_len && memory.vector == device.vector &&
                      memcmp(memory.regs, device.regs, memory.regs_len) == 0,
                  "%s at 0x%" PRIx64 ": other registers (%s)", c->text, at, fake.log);
    for (size_t i = 0; i < BYTES; i++) {
        if (memory.bytes[i] != device.bytes[i]) /* an assertion is a system call */
            ck_abort_msg("%s at 0x%" PRIx64 ": byte 0x%zx is 0x%02x, not 0x%02x (%s)", c->text, at,
                         i, device.bytes[i], memory.bytes[i], fake.log);
    }
}

static void try_case(const struct insn_case *c)
{
    /* in the middle, unaligned, across pages, across both ends, and with the operand half outside at each */
    static const gva_t places[] = {DEVICE + 0x108, DEVICE + 0x103, DEVICE + 0xffd, DEVICE + 0x1ff9,
                                   ABOVE - 1,      ABOVE - 3,      ABOVE - 9,      DEVICE - 1,
                                   DEVICE - 2,     DEVICE - 5,     ABOVE - 0x201,  DEVICE - 0x1ff,
                                   DEVICE - 0x1fd, ABOVE + 4};

    compare(c, DEVICE + 0x100);
    ck_assert_uint_eq(g.event.vector, CPU_VEC_BP);
    ck_assert_msg(strcmp(fake.log, c->asked) == 0, "%s: asked %s, wanted %s", c->text, fake.log,
                  c->asked);
    for (size_t i = 0; i < COUNT_OF(places); i++)
        compare(c, places[i]);
}

START_TEST(does_what_it_does_on_memory)
{
    unsigned width = cpu_get_arch(g.cpu) == CPU_AMD64 ? WIDE : SHORT;

    if (cases[_i].widths & width)
        try_case(&cases[_i]);
}
END_TEST

/* ---- Splits, order, errors ------------------------------------------------------------------- */

/* An operand across the end of the device: the device is asked for its part only, in one piece. */
START_TEST(operands_are_split_at_the_end_only)
{
    lay_out(true);
    GUEST_CODE_AT(&g, GUEST_CODE, 0x8b, 0x03, 0x89, 0x41, 0xfe,
                  0xcc); /* mov eax,[ebx]; mov [ecx-2],eax */
    cpu_set(g.cpu, CPU_RBX, DEVICE + 0xffe);
    cpu_set(g.cpu, CPU_RCX, ABOVE - 1);
    guest_run(&g, CPU_EVENT_EXCEPTION, GUEST_CODE + 5);
    ck_assert_str_eq(fake.log, "rffe+4 wfffd+3");
    ck_assert_uint_eq(guest_read(&g, ABOVE, 1), cpu_get(g.cpu, CPU_RAX) >> 24);
    ck_assert_uint_eq(guest_read(&g, ABOVE + 1, 1), pattern(2 * SIZE + 1));
}
END_TEST

/* The page behind the device refuses: the device must not have been asked. */
START_TEST(nothing_is_asked_when_another_page_refuses)
{
    lay_out(true);
    guest_protect(&g, ABOVE, VM_PAGE_SIZE, PAGE_READONLY);
    GUEST_CODE_AT(&g, GUEST_CODE, 0x01, 0x03, 0xcc); /* add [ebx], eax */
    cpu_set(g.cpu, CPU_RBX, ABOVE - 2);
    guest_run(&g, CPU_EVENT_FAULT, GUEST_CODE);
    ck_assert_uint_eq(g.event.address, ABOVE);
    ck_assert_int_eq(g.event.access, VM_WRITE);
    ck_assert_int_eq(g.event.fault, VM_FAULT_READONLY);
    ck_assert_str_eq(fake.log, "");
    release(ABOVE);
    guest_run(&g, CPU_EVENT_FAULT, GUEST_CODE);
    ck_assert_int_eq(g.event.fault, VM_FAULT_FREE);
    ck_assert_str_eq(fake.log, "");
}
END_TEST

START_TEST(a_refused_read_is_a_fault_without_effect)
{
    lay_out(true);
    fake.refuse_read = 0x202;
    GUEST_CODE_AT(&g, GUEST_CODE, 0x90, 0xff, 0x33, 0xcc); /* nop; push [ebx] */
    cpu_set(g.cpu, CPU_RBX, DEVICE + 0x200);
    for (int i = 0; i < 3; i++) {
        uint64_t rsp = cpu_get(g.cpu, CPU_RSP);

        if (i == 1)
            guest_step(&g, CPU_EVENT_FAULT, GUEST_CODE + 1);
        else
            guest_run(&g, CPU_EVENT_FAULT, GUEST_CODE + 1);
        ck_assert_uint_eq(g.event.address, DEVICE + 0x200);
        ck_assert_int_eq(g.event.access, VM_READ);
        ck_assert_int_eq(g.event.fault, VM_FAULT_DEVICE);
        ck_assert_uint_eq(cpu_get(g.cpu, CPU_RSP), rsp);
    }
    fake.refuse_read = UINT64_MAX; /* mended: the same instruction goes on */
    guest_run(&g, CPU_EVENT_EXCEPTION, GUEST_CODE + 3);
}
END_TEST

/* pop [ebx] has popped and the store across the end has half happened when the device refuses: none of it is seen. */
START_TEST(a_refused_write_is_a_fault_without_effect)
{
    uint64_t flags;

    lay_out(true);
    fake.refuse_write = 0xffff;
    GUEST_CODE_AT(&g, GUEST_CODE, 0x8f, 0x03, 0xcc); /* pop [ebx] */
    cpu_set(g.cpu, CPU_RBX, ABOVE - 1);
    guest_run(&g, CPU_EVENT_FAULT, GUEST_CODE);
    ck_assert_uint_eq(g.event.address, ABOVE - 1);
    ck_assert_int_eq(g.event.access, VM_WRITE);
    ck_assert_int_eq(g.event.fault, VM_FAULT_DEVICE);
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_RSP), GUEST_STACK + VM_PAGE_SIZE);
    ck_assert_uint_eq(guest_read(&g, ABOVE, 1), pattern(2 * SIZE));
    /* add [ebx], eax: read, then refused; flags as before */
    GUEST_CODE_AT(&g, GUEST_CODE, 0x01, 0x03, 0xcc);
    cpu_set(g.cpu, CPU_RAX, 0xffffffff);
    cpu_set(g.cpu, CPU_EFLAGS, 0x202);
    flags = cpu_get(g.cpu, CPU_EFLAGS);
    guest_run(&g, CPU_EVENT_FAULT, GUEST_CODE);
    ck_assert_int_eq(g.event.access, VM_WRITE);
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_EFLAGS), flags);
    ck_assert_uint_eq(guest_read(&g, ABOVE, 1), pattern(2 * SIZE));
}
END_TEST

/* rep stosb towards a register that refuses stops at its iteration, as on memory that ends. */
START_TEST(rep_stops_at_the_iteration_that_is_refused)
{
    lay_out(true);
    fake.refuse_write = 0x302;
    GUEST_CODE_AT(&g, GUEST_CODE, 0xf3, 0xaa, 0xcc);
    cpu_set(g.cpu, CPU_RCX, 10);
    cpu_set(g.cpu, CPU_RDI, DEVICE + 0x300);
    guest_run(&g, CPU_EVENT_FAULT, GUEST_CODE);
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_RCX), 8);
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_RDI), DEVICE + 0x302);
    ck_assert_uint_eq(g.event.address, DEVICE + 0x302);
    ck_assert_str_eq(fake.log, "w300+1 w301+1 w302+1");
}
END_TEST

START_TEST(code_does_not_run_in_a_device)
{
    lay_out(true);
    for (int dep = 0; dep < 2; dep++) {
        vm_set_dep(g.vm, dep);
        cpu_set(g.cpu, CPU_RIP, DEVICE + 0x10);
        guest_run(&g, CPU_EVENT_FAULT, DEVICE + 0x10);
        ck_assert_int_eq(g.event.access, VM_EXEC);
        ck_assert_int_eq(g.event.fault, VM_FAULT_NOEXEC);
    }
    ck_assert_str_eq(fake.log, "");
}
END_TEST

/* Protection comes before the device: a read-only one is written to, a page made inaccessible is read. */
START_TEST(protection_comes_first)
{
    struct vm_device d = fake_device;

    lay_out(true);
    guest_protect(&g, DEVICE + 0x1000, VM_PAGE_SIZE, PAGE_NOACCESS);
    GUEST_CODE_AT(&g, GUEST_CODE, 0x8b, 0x03, 0x89, 0x01, 0xcc); /* mov eax,[ebx]; mov [ecx],eax */
    cpu_set(g.cpu, CPU_RBX, DEVICE + 0x1000);
    guest_run(&g, CPU_EVENT_FAULT, GUEST_CODE);
    ck_assert_int_eq(g.event.fault, VM_FAULT_NOACCESS);
    d.write = NULL;
    ck_assert_uint_eq(vm_map_device(g.vm, 0x700000, 0x1000, &d, NULL, NULL), STATUS_SUCCESS);
    cpu_set(g.cpu, CPU_RBX, DEVICE);
    cpu_set(g.cpu, CPU_RCX, 0x700008);
    guest_run(&g, CPU_EVENT_FAULT, GUEST_CODE + 2);
    ck_assert_int_eq(g.event.fault, VM_FAULT_READONLY);
    ck_assert_str_eq(fake.log, "r0+4");
}
END_TEST

/* ---- Callbacks that do things ---------------------------------------------------------------- */

static bool meddling_write(void *ctx, uint64_t offset, const void *bytes, size_t len)
{
    (void)ctx;
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_RIP), GUEST_CODE);
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_RSP), GUEST_STACK + VM_PAGE_SIZE);
    cpu_set(g.cpu, CPU_RAX, 0);
    ck_assert_uint_eq(vm_unmap_view(g.vm, DEVICE), STATUS_SUCCESS);
    ck_assert_uint_eq(vm_map_device(g.vm, DEVICE, SIZE, &fake_device, "another", NULL),
                      STATUS_SUCCESS);
    guest_protect(&g, GUEST_DATA, VM_PAGE_SIZE, PAGE_READONLY);
    note('m', offset, len);
    (void)bytes;
    return true;
}

/* A callback sees the CPU at the instruction, may change the map under it, and cannot change registers. */
START_TEST(a_callback_may_change_the_map)
{
    struct vm_device d = {NULL, NULL, meddling_write, NULL};

    fake.log[0] = 0;
    fake.refuse_write = UINT64_MAX;
    ck_assert_uint_eq(vm_map_device(g.vm, DEVICE, SIZE, &d, NULL, NULL), STATUS_SUCCESS);
    /* push eax, onto the device; then a store that the callback forbade */
    GUEST_CODE_AT(&g, GUEST_CODE, 0x89, 0x03, 0x89, 0x03, 0x89, 0x01, 0xcc);
    cpu_set(g.cpu, CPU_RBX, DEVICE + 8);
    cpu_set(g.cpu, CPU_RCX, GUEST_DATA);
    cpu_set(g.cpu, CPU_RAX, 0x1234);
    guest_run(&g, CPU_EVENT_FAULT, GUEST_CODE + 4);
    ck_assert_int_eq(g.event.fault, VM_FAULT_READONLY);
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_RAX), 0x1234);
    ck_assert_str_eq(fake.log, "m8+4 w8+4");
}
END_TEST

/* A condition stored in the middle of a block that was translated before there was any device. */
START_TEST(flags_survive_the_first_device)
{
    /* 0: cmp eax, 5; 3: setne [ebx]; 6: setne cl; 9: int3 */
    GUEST_CODE_AT(&g, GUEST_CODE, 0x83, 0xf8, 5, 0x0f, 0x95, 0x03, 0x0f, 0x95, 0xc1, 0xcc);
    cpu_set(g.cpu, CPU_RAX, 5);
    cpu_set(g.cpu, CPU_RBX, GUEST_DATA);
    guest_run(&g, CPU_EVENT_EXCEPTION, GUEST_CODE + 9);
    for (uint64_t value = 5; value < 7; value++) {
        if (value == 5)
            lay_out(true);
        cpu_set(g.cpu, CPU_RIP, GUEST_CODE);
        cpu_set(g.cpu, CPU_RAX, value);
        cpu_set(g.cpu, CPU_RBX, DEVICE + 3);
        guest_run(&g, CPU_EVENT_EXCEPTION, GUEST_CODE + 9);
        ck_assert_uint_eq(fake.bytes[3], value != 5);
        ck_assert_uint_eq(cpu_get(g.cpu, CPU_RCX) & 0xff, value != 5);
    }
}
END_TEST

/* A trap, as watchpoints set it, comes before the device is asked, and an open step asks it. */
START_TEST(traps_come_before_devices)
{
    lay_out(true);
    ck_assert_int_eq(cpu_trap_set(g.cpu, DEVICE, VM_WRITE), ERR_OK);
    GUEST_CODE_AT(&g, GUEST_CODE, 0x8b, 0x03, 0x01, 0x03, 0xcc); /* mov eax,[ebx]; add [ebx],eax */
    cpu_set(g.cpu, CPU_RBX, DEVICE);
    guest_run(&g, CPU_EVENT_TRAP, GUEST_CODE + 2);
    ck_assert_str_eq(fake.log, "r0+4");
    ck_assert_int_eq(cpu_step(g.cpu, true, &g.event), ERR_OK);
    ck_assert_int_eq(g.event.kind, CPU_EVENT_STEP);
    ck_assert_str_eq(fake.log, "r0+4 r0+4 w0+4");
}
END_TEST

/* The guest's own single steps: every instruction, the one on the device too, ends in its #DB. */
START_TEST(the_guests_own_tf_traps_behind_a_device)
{
    lay_out(true);
    GUEST_CODE_AT(&g, GUEST_CODE, 0x89, 0x03, 0x90, 0xcc);
    cpu_set(g.cpu, CPU_RBX, DEVICE);
    cpu_set(g.cpu, CPU_EFLAGS, 0x302);
    guest_run(&g, CPU_EVENT_EXCEPTION, GUEST_CODE + 2);
    ck_assert_uint_eq(g.event.vector, CPU_VEC_DB);
    ck_assert_str_eq(fake.log, "w0+4");
}
END_TEST

static void add_both(TCase *tc)
{
    tcase_add_loop_test(tc, does_what_it_does_on_memory, 0, COUNT_OF(cases));
    tcase_add_test(tc, operands_are_split_at_the_end_only);
    tcase_add_test(tc, nothing_is_asked_when_another_page_refuses);
    tcase_add_test(tc, a_refused_read_is_a_fault_without_effect);
    tcase_add_test(tc, a_refused_write_is_a_fault_without_effect);
    tcase_add_test(tc, rep_stops_at_the_iteration_that_is_refused);
    tcase_add_test(tc, code_does_not_run_in_a_device);
    tcase_add_test(tc, protection_comes_first);
    tcase_add_test(tc, a_callback_may_change_the_map);
    tcase_add_test(tc, flags_survive_the_first_device);
    tcase_add_test(tc, traps_come_before_devices);
    tcase_add_test(tc, the_guests_own_tf_traps_behind_a_device);
}

int main(void)
{
    return guest_suite("devices", add_both, add_both);
}
