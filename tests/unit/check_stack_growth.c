/*
 * Stacks: how they begin, grow under running code, overflow, shrink when the guest sets a guard page, and move with the
 * TEB. _i is the architecture.
 */
#include <check.h>
#include <string.h>

#include "nt/context.h"
#include "service_caller.h"
#include "suite.h"
#include "target_fixture.h"
#include "vm_builder.h"

#define GUARDED   (PAGE_READWRITE | PAGE_GUARD)
#define OTHER     UINT64_C(0x40000000) /* a stack of the guest's own */
#define OTHER_END UINT64_C(0x40400000)

static struct caller c;

/* c.p may be the fixture's, which takes it away. */
static void tear_all_down(void)
{
    if (c.p == process)
        c.p = NULL;
    teardown();
    caller_fini(&c);
}

static uint64_t teb(enum nt_field field)
{
    uint64_t value = 0;

    ck_assert(nt_read(c.vm, c.p->arch, process_thread(c.p, 0)->teb, field, &value));
    return value;
}

static void set_teb(enum nt_field field, uint64_t value)
{
    ck_assert(nt_write(c.vm, c.p->arch, process_thread(c.p, 0)->teb, field, value));
}

static gva_t limit(void)
{
    return teb(NT_TEB_STACK_LIMIT);
}

static gva_t base(void)
{
    return teb(NT_TEB_STACK_BASE);
}

/* The run at addr has this state and protection, and ends there. */
static void expect_run(gva_t addr, uint32_t state, uint32_t protect, gva_t end)
{
    struct vm_region r = region_at(c.vm, addr);

    ck_assert_uint_eq(r.state, state);
    ck_assert_uint_eq(r.protect, protect);
    ck_assert_uint_eq(r.base + r.size, end);
    ck_assert_uint_eq(r.allocation_protect, PAGE_READWRITE);
}

/* From the bottom: reserved, one guard page, committed from the limit on. */
static void expect_layout(void)
{
    expect_run(teb(NT_TEB_DEALLOCATION_STACK), MEM_RESERVE, 0, limit() - 0x1000);
    expect_run(limit() - 0x1000, MEM_COMMIT, GUARDED, limit());
    expect_run(limit(), MEM_COMMIT, PAGE_READWRITE, base());
    ck_assert_uint_eq(process_thread(c.p, 0)->stack_limit, limit());
    ck_assert_uint_eq(process_thread(c.p, 0)->stack_base, base());
}

/* ---- How a stack begins ----------------------------------------------------------------------- */

static const struct beginning {
    uint64_t commit, reserve, want_commit, want_reserve;
} beginnings[] = {
    {0x3f00, 0x200000, 0x4000, 0x200000}, {0x4000, 0x200000, 0x4000, 0x200000},
    {0x1000, 0x200000, 0x2000, 0x200000}, {0, 0x200000, 0x2000, 0x200000},
    {0x1fff, 0x400000, 0x2000, 0x400000}, {0x11000, 0x140000, 0x11000, 0x140000},
};

START_TEST(S01_S02_S03_what_a_thread_starts_with)
{
    const struct beginning *b = &beginnings[_i / 2];
    struct pe_builder builder;

    pe_builder_init(&builder, (enum cpu_arch)(_i % 2));
    builder.stack_reserve = (uint32_t)b->reserve;
    builder.stack_commit = (uint32_t)b->commit;
    c.p = build_program(&builder, NULL);
    c.vm = process_vm(c.p);
    ck_assert_uint_eq(base() - limit(), b->want_commit);
    ck_assert_uint_eq(base() - teb(NT_TEB_DEALLOCATION_STACK), b->want_reserve);
    expect_layout();
}
END_TEST

/* Raw code in bare mode. */
static void start_bare(int arch, const void *code, size_t len)
{
    start(arch, code, len);
    c.p = process;
    c.vm = process_vm(c.p);
}

/* A thread's own stack: what is asked for, and how much is reserved and committed then. */
static const struct {
    struct stack_sizes wanted;
    uint64_t commit, reserve;
} stacks[] = {
    {{0x100000, 0, 0, 0}, 0x2000, 0x100000},
    {{0x20000, 0x20000, 0, 0}, 0x20000, 0x100000},
    {{0x100000, 0x1000, 0x110000, 0}, 0xfe000, 0x100000}, /* no larger for what it needs besides */
    {{0x400000, 0x1000, 0x110000, 0}, 0x110000, 0x400000},
    {{0x400000, 0x200000, 0x110000, 0}, 0x200000, 0x400000},
    {{0x10000, 0x1000, 0x110000, 0}, 0xfe000, 0x100000},
};

START_TEST(S01_S10_what_another_thread_starts_with)
{
    struct thread *thread;
    struct diag why;

    start_bare(CPU_AMD64, "\xcc", 1);
    ck_succeeds(threads_new(c.p, &thread));
    ck_assert_int_eq(thread_stack(thread, stacks[_i].wanted, &why), ERR_OK);
    ck_assert_uint_eq(thread->info.stack_base - thread->info.stack_limit, stacks[_i].commit);
    ck_assert_uint_eq(thread->info.stack_base - thread->stack_bottom, stacks[_i].reserve);
    threads_discard(thread);
}
END_TEST

START_TEST(A22_A25_a_stack_below_zero_bits)
{
    struct stack_sizes sizes = {.zero_bits = 4};
    struct thread *thread;
    struct diag why;

    start_bare(CPU_AMD64, "\xcc", 1);
    ck_succeeds(threads_new(c.p, &thread));
    ck_assert_int_eq(thread_stack(thread, sizes, &why), ERR_OK);
    ck_assert_uint_le(thread->info.stack_base, 1u << 28);
    threads_discard(thread);
    ck_succeeds(threads_new(c.p, &thread));
    sizes.zero_bits = 0xfffff; /* a mask; there is no room */
    ck_assert_int_eq(thread_stack(thread, sizes, &why), ERR_NOMEM);
    threads_discard(thread);
}
END_TEST

/* ---- Growth under running code ---------------------------------------------------------------- */

/* mov rbp, rsp; mov ecx, COUNT; push: push rax; dec ecx; jnz push; mov rsp, rbp; xor eax, eax; ret */
#define PUSHES(count) "\x48\x89\xe5\xb9" count "\x50\xff\xc9\x75\xfb\x48\x89\xec\x31\xc0\xc3"
/* The same on the other stack: mov esp, OTHER_END after the first instruction. */
#define PUSHES_ELSEWHERE                                                                           \
    "\x48\x89\xe5\xbc\x00\x00\x40\x40\xb9\x00\x08\x00\x00\x50\xff\xc9\x75\xfb\x48\x89\xec\x31"     \
    "\xc0\xc3"

#define START_BARE(bytes) start_bare(_i, bytes, sizeof(bytes) - 1)

/* Bytes that 0x800 pushes take. */
static uint64_t pushed(void)
{
    return 0x800u * nt_pointer(c.p->arch);
}

START_TEST(S04_touching_the_guard_page)
{
    gva_t sp, before;

    START_BARE(PUSHES("\x00\x08\x00\x00"));
    sp = cpu_get(c.p->cpu, CPU_RSP);
    before = limit();
    go_on();
    ck_assert_int_eq(stop.kind, STOP_EXIT); /* no exception was seen */
    ck_assert_uint_lt(limit(), before);
    ck_assert_uint_eq(limit(), (sp - pushed()) & ~(gva_t)0xfff);
    expect_layout();
}
END_TEST

START_TEST(S05_overflow)
{
    gva_t bottom;

    START_BARE(PUSHES("\xff\xff\xff\x7f"));
    bottom = teb(NT_TEB_DEALLOCATION_STACK);
    go_on();
    ck_assert_int_eq(stop.kind, STOP_EXCEPTION);
    ck_status(stop.code, STATUS_STACK_OVERFLOW);
    ck_assert_uint_eq(stop.info[0], 1);
    ck_assert_uint_ge(stop.info[1], bottom + 0x1000);
    ck_assert_uint_eq(limit(), bottom + 0x1000);
    expect_run(bottom, MEM_RESERVE, 0, bottom + 0x1000);
    expect_run(bottom + 0x1000, MEM_COMMIT, PAGE_READWRITE, base());
    go_on(); /* the pages that were left for the handler end, too */
    ck_status(stop.code, STATUS_ACCESS_VIOLATION);
    ck_assert_uint_lt(stop.info[1], bottom + 0x1000);
}
END_TEST

START_TEST(S09_a_stack_that_the_guest_made)
{
    START_BARE(PUSHES_ELSEWHERE);
    (void)build_reserved(c.vm, OTHER, OTHER_END - OTHER);
    ck_succeeds(try_allocate(c.vm, OTHER_END - 0x1000, 0x1000, MEM_COMMIT, GUARDED));
    set_teb(NT_TEB_STACK_BASE, OTHER_END);
    set_teb(NT_TEB_STACK_LIMIT, OTHER_END);
    set_teb(NT_TEB_DEALLOCATION_STACK, OTHER);
    go_on();
    ck_assert_int_eq(stop.kind, STOP_EXIT);
    ck_assert_uint_eq(limit(), OTHER_END - pushed());
    expect_layout();
}
END_TEST

START_TEST(guards_elsewhere_are_no_stack)
{
    START_BARE(PUSHES("\x00\x08\x00\x00"));
    (void)build_memory(c.vm, OTHER, 0x2000, MEM_RESERVE | MEM_COMMIT, GUARDED);
    ck_assert_int_eq(process_guard_hit(c.p, OTHER), PROCESS_GUARD_OTHER);
    ck_assert_uint_eq(region_at(c.vm, OTHER).protect, GUARDED);
    ck_assert_int_eq(process_guard_hit(c.p, base()), PROCESS_GUARD_OTHER);
    set_teb(NT_TEB_STACK_BASE, 0); /* a guest that lies about its stack has none */
    ck_assert_int_eq(process_guard_hit(c.p, limit() - 0x1000), PROCESS_GUARD_OTHER);
}
END_TEST

/* ---- Guard pages that the guest sets ---------------------------------------------------------- */

/* A stack of nine committed pages. */
static void start_deep(int arch)
{
    caller_init(&c, (enum cpu_arch)arch, NULL, 0);
    while (base() - limit() < 0x9000)
        ck_assert_int_eq(process_guard_hit(c.p, limit() - 1), PROCESS_GUARD_GROWN);
}

/* NtContinue to that place, with the registers as they are. */
static void continue_at(gva_t at)
{
    gva_t context = build_committed(c.vm, 0, 0x1000);
    uint8_t raw[CONTEXT_MAX];

    context_save(c.p->cpu, raw);
    context_put(c.p->arch, raw, CPU_RIP, at);
    ck_assert(vm_debug_write(c.vm, context, raw, context_size(c.p->arch)));
    (void)CALL(&c, "NtContinue", context, 0);
    ck_assert_uint_eq(cpu_get(c.p->cpu, CPU_RIP), at);
    ck_succeeds(try_release(c.vm, context, 0, MEM_RELEASE));
}

/* What a loader that clears its stack needed committed. */
START_TEST(S01_S03_room_goes_when_the_thread_begins)
{
    gva_t before;

    start_deep(_i);
    c.kernel.entry_points.thread = 0x12340000;
    continue_at(0x12340000);
    ck_assert_uint_eq(base() - limit(), 0x9000); /* it was given no more than it asked for */
    c.p->threads.on_cpu->stack_commit = 0x3000;
    before = limit();
    ck_assert(vm_debug_write(c.vm, base() - 0x3000, "kept", 4));
    continue_at(0x12345678); /* the loader has met an exception */
    ck_assert_uint_eq(limit(), before);
    continue_at(0x12340000);
    ck_assert_uint_eq(base() - limit(), 0x3000);
    expect_layout();
    ck_assert_uint_eq(byte_at(c.vm, limit()), 'k');
    while (base() - limit() < 0x9000) /* and it grows as any other */
        ck_assert_int_eq(process_guard_hit(c.p, limit() - 1), PROCESS_GUARD_GROWN);
    continue_at(0x12340000);
    ck_assert_uint_eq(limit(), before);
}
END_TEST

static void set_guard(gva_t at)
{
    ck_succeeds(CALL(&c, "NtAllocateVirtualMemory", THIS_PROCESS, caller_set(&c, 0, at), 0,
                     caller_set(&c, 1, 0x1000), MEM_COMMIT, GUARDED));
}

static uint32_t protect(gva_t at, uint32_t value)
{
    ck_succeeds(CALL(&c, "NtProtectVirtualMemory", THIS_PROCESS, caller_set(&c, 0, at),
                     caller_set(&c, 1, 0x1000), value, caller_slot(&c, 2)));
    return guest_u32(c.p, caller_slot(&c, 2));
}

START_TEST(S06_a_guard_page_inside_the_stack)
{
    gva_t guard;

    start_deep(_i);
    guard = limit() + 0x2000;
    set_guard(guard);
    ck_assert_uint_eq(limit(), guard + 0x1000);
    ck_assert_uint_eq(base() - limit(), 0x6000);
    expect_run(guard - 0x2000, MEM_COMMIT, PAGE_READWRITE, guard);
    expect_run(guard, MEM_COMMIT, GUARDED, guard + 0x1000);
    expect_run(limit(), MEM_COMMIT, PAGE_READWRITE, base());
    /* guard pages come back as the stack grows again, over what is still committed */
    guard = limit() + 0x4000;
    set_guard(guard);
    ck_assert_uint_eq(base() - limit(), 0x1000);
    expect_run(guard - 0x2000, MEM_COMMIT, PAGE_READWRITE, guard);
    ck_assert_int_eq(process_guard_hit(c.p, guard + 0x10), PROCESS_GUARD_GROWN);
    ck_assert_uint_eq(limit(), guard);
    expect_run(guard - 0x2000, MEM_COMMIT, PAGE_READWRITE, guard - 0x1000);
    expect_run(guard - 0x1000, MEM_COMMIT, GUARDED, guard);
    expect_run(guard, MEM_COMMIT, PAGE_READWRITE, base());
    /* a limit that the guest has put below the guard page follows at the next fault */
    set_teb(NT_TEB_STACK_LIMIT, guard - 0x2000);
    ck_assert_int_eq(process_guard_hit(c.p, guard - 1), PROCESS_GUARD_GROWN);
    ck_assert_uint_eq(limit(), guard - 0x1000);
}
END_TEST

START_TEST(S07_S08_by_protect_and_back)
{
    gva_t guard, after;

    start_deep(_i);
    guard = limit() + 0x2000;
    ck_assert_uint_eq(protect(guard, GUARDED), PAGE_READWRITE);
    ck_assert_uint_eq(limit(), guard + 0x1000);
    after = limit();
    ck_assert_uint_eq(protect(guard, PAGE_READWRITE), GUARDED);
    ck_assert_uint_eq(limit(), after); /* it does not move back */
    expect_run(guard, MEM_COMMIT, PAGE_READWRITE, base());
    /* nor does the stack grow there again: nothing faults */
    ck_assert_int_eq(process_guard_hit(c.p, guard), PROCESS_GUARD_OTHER);
    ck_succeeds(vm_probe(c.vm, guard, 0x1000, VM_WRITE));
    ck_assert_uint_eq(limit(), after);
}
END_TEST

START_TEST(other_changes_leave_the_limit_alone)
{
    gva_t before, own;

    start_deep(_i);
    before = limit();
    ck_assert_uint_eq(protect(before + 0x1000, PAGE_READONLY), PAGE_READWRITE);
    own = build_committed(c.vm, 0, 0x10000);
    ck_assert_uint_eq(protect(own, GUARDED), PAGE_READWRITE);
    set_guard(before - 0x1000); /* the stack's own */
    ck_assert_uint_eq(limit(), before);
    REFUSED(&c, STATUS_INVALID_PAGE_PROTECTION, "NtProtectVirtualMemory", THIS_PROCESS,
            caller_set(&c, 0, before), caller_set(&c, 1, 0x1000), PAGE_GUARD, caller_slot(&c, 2));
    ck_assert_uint_eq(limit(), before);
}
END_TEST

/* A service's buffer at the end of the stack: it grows, and no exception is raised. */
START_TEST(G09_S04_a_service_grows_the_stack)
{
    gva_t at, before;

    start_deep(_i);
    before = limit();
    at = before - 0x40;
    ck_succeeds(CALL(&c, "NtReadVirtualMemory", THIS_PROCESS, caller_slot(&c, 0), at, 8, 0));
    ck_assert_uint_eq(limit(), before - 0x1000);
    expect_layout();
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        S04_touching_the_guard_page,
        S05_overflow,
        S09_a_stack_that_the_guest_made,
        guards_elsewhere_are_no_stack,
        S06_a_guard_page_inside_the_stack,
        S07_S08_by_protect_and_back,
        other_changes_leave_the_limit_alone,
        G09_S04_a_service_grows_the_stack,
        S01_S03_room_goes_when_the_thread_begins,
    };
    Suite *s = suite_create("stack_growth");
    TCase *tc = tcase_create("both widths");

    tcase_add_checked_fixture(tc, NULL, tear_all_down);
    tcase_add_loop_test(tc, S01_S02_S03_what_a_thread_starts_with, 0,
                        2 * (int)COUNT_OF(beginnings));
    tcase_add_loop_test(tc, S01_S10_what_another_thread_starts_with, 0, (int)COUNT_OF(stacks));
    tcase_add_test(tc, A22_A25_a_stack_below_zero_bits);
    for (size_t i = 0; i < COUNT_OF(tests); i++)
        tcase_add_loop_test(tc, tests[i], 0, 2);
    suite_add_tcase(s, tc);
    return suite_main(s);
}
