/*
 * Every kind of access under a watchpoint, in both widths: the stop comes behind the access, names the first watched
 * byte that was touched, and says of which kind the watchpoint is. _i counts through the cases, first in 64-bit code.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "suite.h"
#include "target_fixture.h"

#define DATA  (BASE + 0x1100)
#define EDGE  (BASE + 0x2000) /* where a page ends */
#define SIZE  0x3000
#define STACK (BASE + 0x1800)

#define COUNT_OF(a) (sizeof(a) / sizeof *(a))

/*
 * Before the instruction: rdi = at, rsi = DATA + 0x200, rsp = STACK, rax = 0x11111111, rbx = 0x22222222, rdx = 0,
 * rcx = count; all data bytes are 0x33. Behind it stands ret.
 */
struct access_case {
    const char *name;
    const char *code64, *code32;
    size_t len64, len32;
    gva_t at;
    uint64_t count;
    gva_t watch;
    uint64_t len;
    enum point_kind kind;
    gva_t hit;     /* 0: it must not stop */
    bool inside;   /* the pc stays: a rep that is not over */
    uint64_t left; /* rcx then */
};

#define BOTH(code)         code, code, sizeof(code) - 1, sizeof(code) - 1
#define EACH(wide, narrow) wide, narrow, sizeof(wide) - 1, sizeof(narrow) - 1

static const struct access_case cases[] = {
    {"store", BOTH("\x89\x07"), DATA, 0, DATA, 4, POINT_WRITE, DATA, 0, 0},
    {"store beside", BOTH("\x89\x07"), DATA, 0, DATA + 4, 4, POINT_WRITE, 0, 0, 0},
    {"store before", BOTH("\x89\x07"), DATA, 0, DATA - 4, 4, POINT_WRITE, 0, 0, 0},
    {"store of a byte", BOTH("\x88\x07"), DATA, 0, DATA, 1, POINT_WRITE, DATA, 0, 0},
    {"store into the start of the range", BOTH("\x89\x07"), DATA, 0, DATA + 2, 8, POINT_WRITE,
     DATA + 2, 0, 0},
    {"store into the end of the range", BOTH("\x89\x07"), DATA, 0, DATA - 6, 8, POINT_WRITE, DATA,
     0, 0},
    {"store around the range", BOTH("\x89\x07"), DATA, 0, DATA + 1, 1, POINT_WRITE, DATA + 1, 0, 0},
    {"store across pages, watched behind", BOTH("\x89\x07"), EDGE - 2, 0, EDGE, 1, POINT_WRITE,
     EDGE, 0, 0},
    {"store across pages, watched before", BOTH("\x89\x07"), EDGE - 2, 0, EDGE - 1, 1, POINT_WRITE,
     EDGE - 1, 0, 0},
    {"store across pages and range", BOTH("\x89\x07"), EDGE - 2, 0, EDGE - 1, 2, POINT_WRITE,
     EDGE - 1, 0, 0},
    {"store under an access watch", BOTH("\x89\x07"), DATA, 0, DATA, 4, POINT_ACCESS, DATA, 0, 0},
    {"store under a read watch", BOTH("\x89\x07"), DATA, 0, DATA, 4, POINT_READ, 0, 0, 0},
    {"load", BOTH("\x8b\x07"), DATA, 0, DATA, 4, POINT_READ, DATA, 0, 0},
    {"load under an access watch", BOTH("\x8b\x07"), DATA, 0, DATA, 4, POINT_ACCESS, DATA, 0, 0},
    {"load under a write watch", BOTH("\x8b\x07"), DATA, 0, DATA, 4, POINT_WRITE, 0, 0, 0},
    {"load across pages", BOTH("\x8b\x07"), EDGE - 2, 0, EDGE, 4, POINT_READ, EDGE, 0, 0},
    {"add", BOTH("\x01\x07"), DATA, 0, DATA, 4, POINT_WRITE, DATA, 0, 0},
    {"add of which the upper half is watched", EACH("\x48\x01\x07", "\x01\x07"), DATA, 0, DATA + 2,
     6, POINT_WRITE, DATA + 2, 0, 0},
    {"add across pages, watched behind", BOTH("\x01\x07"), EDGE - 2, 0, EDGE + 1, 8, POINT_WRITE,
     EDGE + 1, 0, 0},
    {"add under a read watch", BOTH("\x01\x07"), DATA, 0, DATA, 4, POINT_READ, DATA, 0, 0},
    {"add under an access watch", BOTH("\x01\x07"), DATA, 0, DATA + 3, 1, POINT_ACCESS, DATA + 3, 0,
     0},
    {"rep movsb", BOTH("\xf3\xa4"), DATA, 8, DATA + 3, 1, POINT_ACCESS, DATA + 3, true, 4},
    {"rep movsb from", BOTH("\xf3\xa4"), DATA, 8, DATA + 0x203, 1, POINT_READ, DATA + 0x203, true,
     4},
    {"rep stosd", BOTH("\xf3\xab"), DATA, 8, DATA + 5, 1, POINT_WRITE, DATA + 5, true, 6},
    {"rep stosd to the end", BOTH("\xf3\xab"), DATA, 2, DATA + 5, 1, POINT_WRITE, DATA + 5, 0, 0},
    {"rep of nothing", BOTH("\xf3\xab"), DATA, 0, DATA, 16, POINT_WRITE, 0, 0, 0},
    {"repe cmpsb", BOTH("\xf3\xa6"), DATA, 8, DATA + 0x202, 1, POINT_READ, DATA + 0x202, true, 5},
    {"repne scasb", BOTH("\xf2\xae"), DATA, 8, DATA + 1, 1, POINT_READ, DATA + 1, true, 6},
    {"lock xadd", BOTH("\xf0\x0f\xc1\x07"), DATA, 0, DATA, 4, POINT_WRITE, DATA, 0, 0},
    {"lock cmpxchg that fails", BOTH("\xf0\x0f\xb1\x1f"), DATA, 0, DATA, 4, POINT_WRITE, 0, 0, 0},
    {"lock cmpxchg that fails, accessed", BOTH("\xf0\x0f\xb1\x1f"), DATA, 0, DATA, 4, POINT_ACCESS,
     DATA, 0, 0},
    {"lock cmpxchg that succeeds", BOTH("\xb8\x33\x33\x33\x33\xf0\x0f\xb1\x1f"), DATA, 0, DATA, 4,
     POINT_WRITE, DATA, 0, 0},
    {"xchg", BOTH("\x87\x07"), DATA, 0, DATA, 4, POINT_WRITE, DATA, 0, 0},
    {"lock inc", BOTH("\xf0\xff\x07"), DATA, 0, DATA, 1, POINT_WRITE, DATA, 0, 0},
    {"lock bts", BOTH("\xf0\x0f\xba\x2f\x02"), DATA, 0, DATA, 4, POINT_WRITE, DATA, 0, 0},
    /* mov eax, 0x33333333, widened; mov edx, eax; then cmpxchg16b or cmpxchg8b with ebx:ecx */
    {"lock cmpxchg of two words",
     EACH("\x48\xb8\x33\x33\x33\x33\x33\x33\x33\x33\x48\x89\xc2\xf0\x48\x0f\xc7\x0f",
          "\xb8\x33\x33\x33\x33\x89\xc2\xf0\x0f\xc7\x0f"),
     DATA, 5, DATA + 5, 1, POINT_WRITE, DATA + 5, 0, 5},
    {"movups", BOTH("\x0f\x11\x07"), DATA + 1, 0, DATA + 13, 4, POINT_WRITE, DATA + 13, 0, 0},
    {"movaps", BOTH("\x0f\x29\x07"), DATA, 0, DATA + 15, 8, POINT_WRITE, DATA + 15, 0, 0},
    {"movups across pages", BOTH("\x0f\x11\x07"), EDGE - 8, 0, EDGE + 7, 1, POINT_WRITE, EDGE + 7,
     0, 0},
    {"movups across pages, read", BOTH("\x0f\x10\x07"), EDGE - 8, 0, EDGE + 7, 1, POINT_READ,
     EDGE + 7, 0, 0},
    {"movntdq", BOTH("\x66\x0f\xe7\x07"), DATA, 0, DATA + 15, 1, POINT_WRITE, DATA + 15, 0, 0},
    {"maskmovdqu", BOTH("\x66\x0f\x76\xc0\x66\x0f\xf7\xc0"), DATA, 0, DATA + 15, 1, POINT_WRITE,
     DATA + 15, 0, 0},
    {"movups from", BOTH("\x0f\x10\x07"), DATA, 0, DATA + 15, 1, POINT_READ, DATA + 15, 0, 0},
    {"fxsave", BOTH("\x0f\xae\x07"), DATA, 0, DATA + 0x18, 4, POINT_WRITE, DATA + 0x18, 0, 0},
    {"fstp of ten bytes", BOTH("\xd9\xe8\xdb\x3f"), DATA, 0, DATA + 9, 1, POINT_WRITE, DATA + 9, 0,
     0},
    {"push", BOTH("\x50"), 0, 0, STACK - 4, 4, POINT_ACCESS, STACK - 4, 0, 0},
    {"pop", BOTH("\x58"), 0, 0, STACK, 1, POINT_READ, STACK, 0, 0},
    {"call", BOTH("\xe8\x00\x00\x00\x00"), 0, 0, STACK - 4, 4, POINT_WRITE, STACK - 4, 0, 0},
    {"push of memory, read", BOTH("\xff\x37"), DATA, 0, DATA, 1, POINT_READ, DATA, 0, 0},
    {"push of memory", BOTH("\xff\x37"), DATA, 0, STACK - 1, 1, POINT_ACCESS, STACK - 1, 0, 0},
    {"pop to memory", BOTH("\x8f\x07"), DATA, 0, DATA, 1, POINT_ACCESS, DATA, 0, 0},
    {"leave", BOTH("\x89\xe5\xc9"), 0, 0, STACK, 4, POINT_READ, STACK, 0, 0},
    {"call through memory, read", BOTH("\xff\x17"), EDGE + 0x10, 0, EDGE + 0x10, 4, POINT_READ,
     EDGE + 0x10, 0, 0},
    {"ret", BOTH("\xc3"), 0, 0, STACK + 0x20, 1, POINT_WRITE, 0, 0, 0},
    {"pushf", BOTH("\x9c"), 0, 0, STACK - 4, 4, POINT_WRITE, STACK - 4, 0, 0},
    {"enter", BOTH("\xc8\x10\x00\x00"), 0, 0, STACK - 4, 4, POINT_WRITE, STACK - 4, 0, 0},
    {"sete that stores", BOTH("\x0f\x94\x07"), DATA, 0, DATA, 1, POINT_WRITE, DATA, 0, 0},
    {"cmov that reads", BOTH("\x0f\x44\x07"), DATA, 0, DATA, 4, POINT_READ, DATA, 0, 0},
};

#define CASES ((int)COUNT_OF(cases))

static void make(const struct access_case *c, enum cpu_arch arch)
{
    bool wide = arch == CPU_AMD64;
    uint8_t *code = malloc(SIZE);

    ck_assert_ptr_nonnull(code);
    memset(code, 0x33, SIZE);
    memset(code, 0xc3, 0x100);
    memcpy(code, wide ? c->code64 : c->code32, wide ? c->len64 : c->len32);
    memset(code + 0x2010, 0, 8); /* where a call through memory leads: to the ret at BASE + 0x80 */
    memcpy(code + 0x2010, "\x80\x00\x00\x10", 4);
    start((int)arch, code, SIZE);
    free(code);
}

static void set_registers(const struct access_case *c)
{
    struct cpu *cpu = process_cpu(process);

    cpu_set(cpu, CPU_RDI, c->at);
    cpu_set(cpu, CPU_RSI, DATA + 0x200);
    cpu_set(cpu, CPU_RSP, STACK);
    cpu_set(cpu, CPU_RBP, 0);
    cpu_set(cpu, CPU_RAX, 0x11111111);
    cpu_set(cpu, CPU_RBX, 0x22222222);
    cpu_set(cpu, CPU_RDX, 0);
    cpu_set(cpu, CPU_RCX, c->count);
}

/* Run up to a stop; the ret behind leads into 0x33333333..., which is nowhere. */
static void run_case(const struct access_case *c, enum cpu_arch arch)
{
    make(c, arch);
    set_registers(c);
    ck_assert_int_eq(target.ops->point(target.ctx, c->kind, c->watch, (size_t)c->len, true),
                     ERR_OK);
    go_on();
}

START_TEST(an_access_stops_behind_itself)
{
    const struct access_case *c = &cases[_i % CASES];
    enum cpu_arch arch = _i < CASES ? CPU_AMD64 : CPU_I386;
    gva_t behind = BASE + (arch == CPU_AMD64 ? c->len64 : c->len32);
    gva_t hit = c->hit;
    gva_t pc;

    run_case(c, arch);
    pc = cpu_get(process_cpu(process), CPU_RIP);
    if (!hit) {
        ck_assert_msg(stop.kind != STOP_WATCH, "%s: stopped at 0x%llx", c->name,
                      (unsigned long long)pc);
        return;
    }
    ck_assert_msg(stop.kind == STOP_WATCH, "%s, case %d: stop %d at 0x%llx: %s", c->name, _i,
                  (int)stop.kind, (unsigned long long)pc, stop.note);
    ck_assert_msg(stop.watch == c->kind, "%s: kind %d", c->name, (int)stop.watch);
    ck_assert_msg(stop.addr == hit, "%s: 0x%llx", c->name, (unsigned long long)stop.addr);
    if (c->inside) {
        ck_assert_msg(pc == BASE, "%s: at 0x%llx", c->name, (unsigned long long)pc);
        ck_assert_msg(cpu_get(process_cpu(process), CPU_RCX) == c->left, "%s: %llu left", c->name,
                      (unsigned long long)cpu_get(process_cpu(process), CPU_RCX));
    } else {
        bool call = c->len32 == 2 && memcmp(c->code32, "\xff\x17", 2) == 0;

        ck_assert_msg(pc == (call ? BASE + 0x80 : behind), "%s: at 0x%llx", c->name,
                      (unsigned long long)pc);
    }
}
END_TEST

/* The same, with the instruction stepped over by a range step, as gdb's next does it. */
START_TEST(an_access_stops_a_range_step)
{
    const struct access_case *c = &cases[_i % CASES];
    enum cpu_arch arch = _i < CASES ? CPU_AMD64 : CPU_I386;
    const struct target_action range = {.kind = ACTION_RANGE, .lo = BASE, .hi = BASE + 0x100};

    make(c, arch);
    set_registers(c);
    ck_assert_int_eq(target.ops->point(target.ctx, c->kind, c->watch, (size_t)c->len, true),
                     ERR_OK);
    ck_assert_int_eq(target.ops->resume(target.ctx, &range, 1), ERR_OK);
    ck_assert_int_eq(target.ops->run(target.ctx, &stop), ERR_OK);
    ck_assert_msg((stop.kind == STOP_WATCH) == (c->hit != 0), "%s: stop %d", c->name,
                  (int)stop.kind);
    if (c->hit)
        ck_assert_msg(stop.addr == c->hit && stop.watch == c->kind, "%s: 0x%llx", c->name,
                      (unsigned long long)stop.addr);
}
END_TEST

/* Where the bytes of a case are, and what a run of it has left there. */
struct trace {
    uint8_t bytes[SIZE];
    uint64_t regs[CPU_EFLAGS + 1];
};

static void look(struct trace *out)
{
    struct cpu *cpu = process_cpu(process);

    ck_assert_uint_eq(vm_debug_read(process_vm(process), BASE, out->bytes, SIZE), SIZE);
    for (unsigned r = CPU_RAX; r <= CPU_EFLAGS; r++)
        out->regs[r] = cpu_get(cpu, (enum cpu_reg)r);
}

/* mov byte [rsi + 0xc00], 1 and mov byte [rsi + 0x1c00], 1: stores into every page that a case watches, beside what it watches */
#define BESIDE     "\xc6\x86\x00\x0c\x00\x00\x01\xc6\x86\x00\x1c\x00\x00\x01"
#define BESIDE_LEN 14

static void make_beside(const struct access_case *c, enum cpu_arch arch)
{
    bool wide = arch == CPU_AMD64;

    make(c, arch);
    set_registers(c);
    ck_assert(vm_debug_write(process_vm(process), BASE, BESIDE, BESIDE_LEN));
    ck_assert(vm_debug_write(process_vm(process), BASE + BESIDE_LEN, wide ? c->code64 : c->code32,
                             wide ? c->len64 : c->len32));
}

/* The page was stored to before, beside the watched bytes: the access still stops, and is done exactly once. */
START_TEST(an_access_stops_behind_stores_beside_it)
{
    const struct access_case *c = &cases[_i % CASES];
    enum cpu_arch arch = _i < CASES ? CPU_AMD64 : CPU_I386;
    const struct target_action on = {.kind = ACTION_CONTINUE}, step = {.kind = ACTION_STEP};
    struct trace watched, stepped;

    if (!c->hit)
        return;
    make_beside(c, arch);
    ck_assert_int_eq(target.ops->point(target.ctx, c->kind, c->watch, (size_t)c->len, true),
                     ERR_OK);
    ck_assert_int_eq(target.ops->resume(target.ctx, &on, 1), ERR_OK);
    ck_assert_int_eq(target.ops->run(target.ctx, &stop), ERR_OK);
    ck_assert_msg(stop.kind == STOP_WATCH && stop.addr == c->hit, "%s: stop %d at 0x%llx", c->name,
                  (int)stop.kind, (unsigned long long)stop.addr);
    look(&watched);
    teardown();
    make_beside(c, arch);
    for (int steps = 0; steps < 40; steps++) {
        ck_assert_int_eq(target.ops->resume(target.ctx, &step, 1), ERR_OK);
        ck_assert_int_eq(target.ops->run(target.ctx, &stop), ERR_OK);
        look(&stepped);
        if (stepped.regs[CPU_RIP] == watched.regs[CPU_RIP] &&
            (!c->inside || stepped.regs[CPU_RCX] == watched.regs[CPU_RCX]))
            break;
    }
    for (unsigned r = CPU_RAX; r <= CPU_EFLAGS; r++)
        ck_assert_msg(watched.regs[r] == stepped.regs[r], "%s: register %u", c->name, r);
    ck_assert_msg(!memcmp(watched.bytes, stepped.bytes, SIZE), "%s: bytes", c->name);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("watches");
    TCase *tc = tcase_create("kinds of access");

    tcase_add_checked_fixture(tc, NULL, teardown);
    tcase_add_loop_test(tc, an_access_stops_behind_itself, 0, 2 * CASES);
    tcase_add_loop_test(tc, an_access_stops_a_range_step, 0, 2 * CASES);
    tcase_add_loop_test(tc, an_access_stops_behind_stores_beside_it, 0, 2 * CASES);
    suite_add_tcase(s, tc);
    return suite_main(s);
}
