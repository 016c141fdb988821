/*
 * The run loop over a real process: raw code of both widths, driven through target_ops as the stub does.
 * _i is the architecture throughout.
 */
#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "suite.h"
#include "target_fixture.h"
#include "winstub/nt.h"

#define COUNT_OF(a) (sizeof(a) / sizeof *(a))

static void set_break(enum point_kind kind, gva_t addr, bool on)
{
    ck_assert_int_eq(target.ops->point(target.ctx, kind, addr, 1, on), ERR_OK);
}

START_TEST(first_stop_is_at_the_entry)
{
    START("\x90\xc3");
    target.ops->last_stop(target.ctx, &stop);
    ck_assert_int_eq(stop.kind, STOP_STEP);
    ck_assert_uint_ne(stop.tid, 0);
    ck_assert_uint_eq(pc(), BASE);
}
END_TEST

START_TEST(step_runs_one_instruction)
{
    START("\x90\x90\xc3");
    go((struct target_action){.kind = ACTION_STEP});
    ck_assert_int_eq(stop.kind, STOP_STEP);
    ck_assert_uint_eq(pc(), BASE + 1);
}
END_TEST

START_TEST(break_stops_before_its_instruction_and_is_invisible)
{
    uint8_t byte;
    size_t got;

    START("\x31\xc0\xff\xc0\xff\xc0\xc3"); /* xor eax,eax; inc eax; inc eax; ret */
    set_break(POINT_BREAK_SW, BASE + 4, true);
    go_on();
    ck_assert_int_eq(stop.kind, STOP_BREAK_SW);
    ck_assert_uint_eq(pc(), BASE + 4);
    ck_assert_uint_eq(cpu_get(process_cpu(process), CPU_RAX), 1);
    ck_assert_int_eq(target.ops->read(target.ctx, BASE + 4, &byte, 1, &got), ERR_OK);
    ck_assert_uint_eq(byte, 0xff);
    go_on(); /* passes the break it stands on */
    ck_assert_int_eq(stop.kind, STOP_EXIT);
    ck_assert_uint_eq(stop.exit_code, 2);
}
END_TEST

START_TEST(both_kinds_of_break_share_an_address)
{
    START("\x90\x90\xeb\xfc"); /* a loop */
    set_break(POINT_BREAK_HW, BASE + 1, true);
    go_on();
    ck_assert_int_eq(stop.kind, STOP_BREAK_HW);
    set_break(POINT_BREAK_SW, BASE + 1, true);
    go_on();
    ck_assert_int_eq(stop.kind, STOP_BREAK_SW);
    set_break(POINT_BREAK_SW, BASE + 1, false);
    go_on();
    ck_assert_int_eq(stop.kind, STOP_BREAK_HW);
}
END_TEST

static const char count_loop[] = "\xb9\x40\x00\x00\x00" /* mov ecx, 64 */
                                 "\xff\xc9"             /* dec ecx */
                                 "\x75\xfc"             /* jnz */
                                 "\x90\xc3";

START_TEST(range_is_left_in_one_run)
{
    START(count_loop);
    go((struct target_action){.kind = ACTION_RANGE, .lo = BASE, .hi = BASE + 9});
    ck_assert_int_eq(stop.kind, STOP_STEP);
    ck_assert_uint_eq(pc(), BASE + 9);
    ck_assert_uint_eq(cpu_get(process_cpu(process), CPU_RCX), 0);
}
END_TEST

START_TEST(range_stops_at_a_break_inside)
{
    START(count_loop);
    set_break(POINT_BREAK_SW, BASE + 7, true);
    go((struct target_action){.kind = ACTION_RANGE, .lo = BASE, .hi = BASE + 9});
    ck_assert_int_eq(stop.kind, STOP_BREAK_SW);
    ck_assert_uint_eq(pc(), BASE + 7);
}
END_TEST

START_TEST(range_steps_at_least_once)
{
    START("\x90\x90\xc3");
    go((struct target_action){.kind = ACTION_RANGE, .lo = 0x1000, .hi = 0x2000});
    ck_assert_uint_eq(pc(), BASE + 1);
}
END_TEST

START_TEST(interrupt_before_the_run_stops_it)
{
    struct target_action on = {.kind = ACTION_CONTINUE};

    START("\xeb\xfe");
    ck_assert_int_eq(target.ops->resume(target.ctx, &on, 1), ERR_OK);
    target.ops->interrupt(target.ctx);
    ck_assert_int_eq(target.ops->run(target.ctx, &stop), ERR_OK);
    ck_assert_int_eq(stop.kind, STOP_INTERRUPT);
    ck_assert_uint_eq(pc(), BASE);
}
END_TEST

START_TEST(interrupt_before_the_resume_is_forgotten)
{
    START("\xb8\x2a\x00\x00\x00\xc3");
    target.ops->interrupt(target.ctx);
    go_on();
    ck_assert_int_eq(stop.kind, STOP_EXIT);
}
END_TEST

static void *interrupt_later(void *arg)
{
    (void)arg;
    (void)nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    target.ops->interrupt(target.ctx);
    return NULL;
}

static void interrupt_during(struct target_action action)
{
    pthread_t thread;

    ck_assert_int_eq(pthread_create(&thread, NULL, interrupt_later, NULL), 0);
    go(action);
    (void)pthread_join(thread, NULL);
    ck_assert_int_eq(stop.kind, STOP_INTERRUPT);
}

START_TEST(interrupt_from_another_thread_stops_an_endless_loop)
{
    START("\xff\xc0\xeb\xfc");
    interrupt_during((struct target_action){.kind = ACTION_CONTINUE});
    ck_assert(pc() == BASE || pc() == BASE + 2);
    interrupt_during((struct target_action){.kind = ACTION_RANGE, .lo = BASE, .hi = BASE + 4});
}
END_TEST

START_TEST(returning_from_the_entry_ends_the_process)
{
    START("\xb8\x2a\x00\x00\x00\xc3");
    go_on();
    ck_assert_int_eq(stop.kind, STOP_EXIT);
    ck_assert_uint_eq(stop.exit_code, 42);
    ck_assert_int_eq(
        target.ops->resume(target.ctx, &(struct target_action){.kind = ACTION_STEP}, 1), ERR_STATE);
    ck_assert_int_eq(target.ops->thread(target.ctx, 0, &(struct target_thread){0}), ERR_RANGE);
}
END_TEST

START_TEST(kill_ends_the_process)
{
    START("\x90\xc3");
    target.ops->kill(target.ctx);
    target.ops->last_stop(target.ctx, &stop);
    ck_assert_int_eq(stop.kind, STOP_EXIT);
}
END_TEST

START_TEST(resume_refuses_what_does_not_exist)
{
    struct target_action unknown = {.kind = ACTION_STEP, .tid = 0xabcdef};

    START("\x90\xc3");
    ck_assert_int_eq(target.ops->resume(target.ctx, &unknown, 1), ERR_NOT_FOUND);
    ck_assert_int_eq(target.ops->resume(target.ctx, NULL, 0), ERR_INVALID);
    ck_assert_int_eq(target.ops->run(target.ctx, &stop), ERR_STATE);
}
END_TEST

static const struct fault_case {
    const char *code;
    size_t len;
    uint32_t status;
    unsigned offset; /* of the faulting instruction */
    uint64_t info[2];
    const char *says[3];
} faults[] = {
#define CODE(bytes) bytes, sizeof(bytes) - 1
    {CODE("\x90\xb8\x10\x00\x00\x00\x8b\x00"),
     STATUS_ACCESS_VIOLATION,
     6,
     {0, 0x10},
     {"reads 4 bytes at 0x10", "free", "mov"}},
    {CODE("\xb8\x20\x00\x00\x00\x89\x18"),
     STATUS_ACCESS_VIOLATION,
     5,
     {1, 0x20},
     {"writes 4 bytes at 0x20", "free", "mov"}},
    {CODE("\xb8\x00\x00\xfe\x7f\xc6\x00\x01"),
     STATUS_ACCESS_VIOLATION,
     5,
     {1, 0x7ffe0000},
     {"writes 1 byte at 0x7ffe0000", "read-only", "mov"}},
    {CODE("\x0f\x0b"),
     STATUS_ILLEGAL_INSTRUCTION,
     0,
     {0, 0},
     {"ILLEGAL_INSTRUCTION", "ud2", "thread"}},
    {CODE("\x90\xcc"), STATUS_BREAKPOINT, 1, {0, 0}, {"BREAKPOINT", "int3", "thread"}},
    {CODE("\x31\xc9\xf7\xf1"),
     STATUS_INTEGER_DIVIDE_BY_ZERO,
     2,
     {0, 0},
     {"DIVIDE_BY_ZERO", "div ecx", "thread"}},
    {CODE("\xb9\x01\x00\x00\x00\xba\x05\x00\x00\x00\xf7\xf1"),
     STATUS_INTEGER_OVERFLOW,
     10,
     {0, 0},
     {"INTEGER_OVERFLOW", "div ecx", "thread"}},
    {CODE("\xb5\x01\xb8\xff\xff\x00\x00\xf6\xf5"),
     STATUS_INTEGER_OVERFLOW,
     7,
     {0, 0},
     {"INTEGER_OVERFLOW", "div ch", "thread"}},
    {CODE("\xf4"), STATUS_PRIVILEGED_INSTRUCTION, 0, {0, 0}, {"PRIVILEGED", "hlt", "thread"}},
    {CODE("\xfa"), STATUS_PRIVILEGED_INSTRUCTION, 0, {0, 0}, {"PRIVILEGED", "cli", "thread"}},
    {CODE("\xe4\x60"), STATUS_PRIVILEGED_INSTRUCTION, 0, {0, 0}, {"PRIVILEGED", "in", "thread"}},
    {CODE("\x0f\x20\xc0"), STATUS_PRIVILEGED_INSTRUCTION, 0, {0, 0}, {"PRIVILEGED", "mov", "cr0"}},
    {CODE("\xf1"), STATUS_SINGLE_STEP, 0, {0, 0}, {"SINGLE_STEP", "thread", "at"}},
#undef CODE
};

static void check_fault(int arch, const struct fault_case *f)
{
    start(arch, f->code, f->len);
    go_on();
    ck_assert_int_eq(stop.kind, STOP_EXCEPTION);
    ck_assert_msg(stop.code == f->status, "%s instead of %s: %s", nt_text(stop.code),
                  nt_text(f->status), stop.note);
    ck_assert_uint_eq(stop.addr, BASE + f->offset);
    ck_assert_uint_eq(pc(), BASE + f->offset);
    ck_assert_uint_eq(stop.info[0], f->info[0]);
    ck_assert_uint_eq(stop.info[1], f->info[1]);
    for (size_t i = 0; i < COUNT_OF(f->says); i++)
        ck_assert_msg(strstr(stop.note, f->says[i]), "'%s' lacks '%s'", stop.note, f->says[i]);
    teardown();
}

START_TEST(faults_stop_at_the_instruction_and_explain_themselves)
{
    check_fault(CPU_I386, &faults[_i]);
    check_fault(CPU_AMD64, &faults[_i]);
}
END_TEST

START_TEST(wild_jump_stops_at_its_target)
{
    START("\xb8\x78\x56\x34\x12\xff\xe0"); /* mov eax, 0x12345678; jmp eax */
    go_on();
    ck_assert_uint_eq(stop.code, STATUS_ACCESS_VIOLATION);
    ck_assert_uint_eq(stop.info[0], 8);
    ck_assert_uint_eq(stop.info[1], 0x12345678);
    ck_assert_uint_eq(pc(), 0x12345678);
    ck_assert_ptr_nonnull(strstr(stop.note, "executes 0x12345678: free"));
}
END_TEST

START_TEST(wild_call_names_its_caller)
{
    START("\xb8\x78\x56\x34\x12\xff\xd0"); /* mov eax, 0x12345678; call eax */
    go_on();
    ck_assert_uint_eq(pc(), 0x12345678);
    ck_assert_msg(strstr(stop.note, "the top of the stack is the code address 0x10000007"), "%s",
                  stop.note);
}
END_TEST

START_TEST(a_handled_int3_is_passed)
{
    START("\xcc\xb8\x07\x00\x00\x00\xc3");
    go_on();
    ck_assert_uint_eq(stop.code, STATUS_BREAKPOINT);
    go_on();
    ck_assert_int_eq(stop.kind, STOP_EXIT);
    ck_assert_uint_eq(stop.exit_code, 7);
}
END_TEST

START_TEST(a_handled_fault_is_tried_again)
{
    START("\x31\xc0\x8b\x00\xc3");
    go_on();
    ck_assert_uint_eq(stop.code, STATUS_ACCESS_VIOLATION);
    go_on();
    ck_assert_uint_eq(stop.code, STATUS_ACCESS_VIOLATION);
    ck_assert_uint_eq(pc(), BASE + 2);
    cpu_set(process_cpu(process), CPU_RAX, BASE);
    go_on();
    ck_assert_int_eq(stop.kind, STOP_EXIT);
}
END_TEST

START_TEST(an_exception_passed_to_the_guest_ends_it)
{
    START("\x0f\x0b");
    go_on();
    go((struct target_action){.kind = ACTION_CONTINUE, .pass = true});
    ck_assert_int_eq(stop.kind, STOP_EXIT);
    ck_assert_uint_eq(stop.exit_code, STATUS_ILLEGAL_INSTRUCTION);
}
END_TEST

START_TEST(guard_page_fires_once)
{
    struct vm_request req = {.base = 0x30000000,
                             .size = VM_PAGE_SIZE,
                             .type = MEM_RESERVE | MEM_COMMIT,
                             .protect = PAGE_READWRITE | PAGE_GUARD};

    START("\xb8\x08\x00\x00\x30\xc6\x00\x01\x0f\xb6\x00\xc3"); /* byte [0x30000008] = 1; eax = it */
    ck_assert_uint_eq(vm_allocate(process_vm(process), &req, NULL, NULL), STATUS_SUCCESS);
    go_on();
    ck_assert_uint_eq(stop.code, STATUS_GUARD_PAGE_VIOLATION);
    ck_assert_uint_eq(stop.info[0], 1);
    ck_assert_uint_eq(stop.info[1], 0x30000008);
    ck_assert_ptr_nonnull(strstr(stop.note, "guard"));
    go_on();
    ck_assert_int_eq(stop.kind, STOP_EXIT);
    ck_assert_uint_eq(stop.exit_code, 1);
}
END_TEST

START_TEST(a_system_call_stops_and_the_user_may_answer_it)
{
    START("\xb8\x55\x00\x00\x00\x0f\x05\xc3"); /* syscall */
    go_on();
    ck_assert_int_eq(stop.kind, STOP_IMPORT);
    ck_assert_ptr_nonnull(strstr(stop.note, "0x55"));
    cpu_set(process_cpu(process), CPU_RAX, 9);
    go_on();
    ck_assert_int_eq(stop.kind, STOP_EXIT);
    ck_assert_uint_eq(stop.exit_code, 9);
}
END_TEST

#define DATA 0x30000000u

/* Two pages of data; the code finds their address in rax. */
static void start_with_data(int arch, const void *code, size_t len)
{
    struct vm_request req = {.base = DATA,
                             .size = 2 * VM_PAGE_SIZE,
                             .type = MEM_RESERVE | MEM_COMMIT,
                             .protect = PAGE_READWRITE};

    start(arch, code, len);
    ck_assert_uint_eq(vm_allocate(process_vm(process), &req, NULL, NULL), STATUS_SUCCESS);
    cpu_set(process_cpu(process), CPU_RAX, DATA);
}

static const struct watch_case {
    const char *code;
    size_t code_len;
    enum point_kind kind;
    gva_t at;
    unsigned len;
    unsigned pc;  /* offset behind the instruction that stops; 0: nothing stops */
    gva_t access; /* first watched byte that was accessed */
} watch_cases[] = {
#define CODE(bytes) bytes, sizeof(bytes) - 1
    {CODE("\x90\xc7\x00\x01\x00\x00\x00\xc3"), POINT_WRITE, DATA, 4, 7, DATA},
    {CODE("\xc7\x00\x00\x00\x00\x00\xc3"), POINT_WRITE, DATA, 4, 0, 0}, /* unchanged */
    {CODE("\xc7\x00\x00\x00\x00\x00\xc3"), POINT_ACCESS, DATA, 4, 6, DATA},
    {CODE("\x8b\x08\xc3"), POINT_WRITE, DATA, 4, 0, 0}, /* a read */
    {CODE("\x8b\x08\xc3"), POINT_READ, DATA, 4, 2, DATA},
    {CODE("\x8b\x08\xc3"), POINT_ACCESS, DATA + 3, 1, 2, DATA + 3},
    {CODE("\x8b\x08\xc3"), POINT_ACCESS, DATA + 4, 1, 0, 0}, /* beside it */
    {CODE("\xc6\x40\x05\x07\xc3"), POINT_WRITE, DATA + 4, 8, 4, DATA + 5},
    {CODE("\xc7\x80\xfe\x0f\x00\x00\x01\x02\x03\x04\xc3"), POINT_WRITE, DATA + 0x1000, 1, 10,
     DATA + 0x1000},                                       /* across pages */
    {CODE("\xff\x00\xc3"), POINT_WRITE, DATA, 4, 2, DATA}, /* inc [rax] */
    {CODE("\xb9\x01\x00\x00\x00\xf0\x0f\xc1\x08\xc3"), POINT_WRITE, DATA, 8, 9,
     DATA}, /* lock xadd */
#undef CODE
};

START_TEST(watches_stop_behind_the_access)
{
    const struct watch_case *w = &watch_cases[_i / 2];

    start_with_data(_i % 2, w->code, w->code_len);
    ck_assert_int_eq(target.ops->point(target.ctx, w->kind, w->at, w->len, true), ERR_OK);
    go_on();
    if (!w->pc) {
        ck_assert_int_ne(stop.kind, STOP_WATCH);
        return;
    }
    ck_assert_int_eq(stop.kind, STOP_WATCH);
    ck_assert_int_eq(stop.watch, w->kind);
    ck_assert_uint_eq(stop.addr, w->access);
    ck_assert_uint_eq(pc(), BASE + w->pc);
    ck_assert_int_eq(target.ops->point(target.ctx, w->kind, w->at, w->len, false), ERR_OK);
    go_on();
    ck_assert_int_eq(stop.kind, STOP_EXIT);
}
END_TEST

START_TEST(watch_sees_pushes_calls_and_single_steps)
{
    gva_t sp;

    START("\x6a\x05\x59\xe8\x00\x00\x00\x00\x59\xc3"); /* push 5; pop; call next; pop; ret */
    sp = cpu_get(process_cpu(process), CPU_RSP);
    ck_assert_int_eq(target.ops->point(target.ctx, POINT_WRITE, sp - 8, 8, true), ERR_OK);
    go((struct target_action){.kind = ACTION_STEP});
    ck_assert_int_eq(stop.kind, STOP_WATCH);
    ck_assert_uint_eq(pc(), BASE + 2);
    go_on();
    ck_assert_int_eq(stop.kind, STOP_WATCH);
    ck_assert_uint_eq(pc(), BASE + 8);
    go_on();
    ck_assert_int_eq(stop.kind, STOP_EXIT);
}
END_TEST

START_TEST(watch_of_a_rep_stops_in_the_iteration)
{
    /* mov edi,eax; mov ecx,16; mov al,7; rep stosb; ret */
    static const char code[] = "\x89\xc7\xb9\x10\x00\x00\x00\xb0\x07\xf3\xaa\xc3";

    start_with_data(_i, code, sizeof code - 1);
    ck_assert_int_eq(target.ops->point(target.ctx, POINT_WRITE, DATA + 5, 1, true), ERR_OK);
    go_on();
    ck_assert_int_eq(stop.kind, STOP_WATCH);
    ck_assert_uint_eq(stop.addr, DATA + 5);
    ck_assert_uint_eq(pc(), BASE + 9);
    ck_assert_uint_eq(cpu_get(process_cpu(process), CPU_RCX), 10);
    go_on();
    ck_assert_int_eq(stop.kind, STOP_EXIT);
}
END_TEST

START_TEST(watch_lengths_are_checked)
{
    START("\xc3");
    ck_assert_int_eq(target.ops->point(target.ctx, POINT_WRITE, DATA, 0, true), ERR_RANGE);
    ck_assert_int_eq(target.ops->point(target.ctx, POINT_WRITE, UINT64_MAX - 3, 8, true),
                     ERR_RANGE);
    ck_assert_int_eq(target.ops->point(target.ctx, POINT_READ, DATA, 3 * VM_PAGE_SIZE, true),
                     ERR_OK);
    ck_assert_int_eq(target.ops->point(target.ctx, POINT_READ, DATA, 3 * VM_PAGE_SIZE, true),
                     ERR_OK);
    ck_assert_int_eq(target.ops->point(target.ctx, POINT_READ, DATA, 3 * VM_PAGE_SIZE, false),
                     ERR_OK);
    ck_assert_uint_eq(cpu_trap_get(process_cpu(process), DATA), 0);
}
END_TEST

/* The address of a made-up function by its name. */
static gva_t stub_of(const char *name)
{
    struct buf text;
    gva_t at = 0;

    buf_init(&text, 256);
    for (size_t i = 0; !at; i++) {
        const struct process_module *m = process_module(process, i);

        ck_assert_msg(m, "%s is in no module", name);
        for (gva_t a = m->base; m->made_up && a < m->base + m->size && !at; a += 16) {
            buf_clear(&text);
            if (process_import_at(process, a, &text) && strcmp(buf_str(&text), name) == 0)
                at = a;
        }
    }
    buf_fini(&text);
    return at;
}

START_TEST(a_made_up_function_stops_once_per_call)
{
    START("\xff\xd0\xff\xd3\xc3"); /* call rax; call rbx; ret */
    cpu_set(process_cpu(process), CPU_RAX, stub_of("KERNEL32!GetLastError"));
    cpu_set(process_cpu(process), CPU_RBX, stub_of("KERNEL32!GetTickCount"));
    go_on();
    ck_assert_int_eq(stop.kind, STOP_IMPORT);
    ck_assert_ptr_nonnull(strstr(stop.note, "KERNEL32!GetLastError called from 0x10000002"));
    ck_assert_ptr_nonnull(strstr(stop.note, "run without DLLs"));
    cpu_set(process_cpu(process), CPU_RAX, 0x123);
    go_on();
    ck_assert_int_eq(stop.kind, STOP_IMPORT);
    ck_assert_ptr_nonnull(strstr(stop.note, "KERNEL32!GetTickCount called from 0x10000004"));
    ck_assert_uint_eq(cpu_get(process_cpu(process), CPU_RAX), 0x123);
    go_on();
    ck_assert_int_eq(stop.kind, STOP_EXIT);
}
END_TEST

START_TEST(stepping_into_a_made_up_function_says_so)
{
    START("\xff\xd0\xc3");
    cpu_set(process_cpu(process), CPU_RAX, stub_of("KERNEL32!Sleep"));
    go((struct target_action){.kind = ACTION_STEP});
    ck_assert_int_eq(stop.kind, STOP_IMPORT);
    ck_assert_ptr_nonnull(strstr(stop.note, "KERNEL32!Sleep"));
    go((struct target_action){.kind = ACTION_STEP});
    ck_assert_int_eq(stop.kind, STOP_STEP);
    ck_assert_uint_eq(pc(), BASE + 2);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("run");
    TCase *tc = tcase_create("run");
    TCase *table = tcase_create("faults");

    tcase_add_checked_fixture(tc, NULL, teardown);
    tcase_add_loop_test(tc, first_stop_is_at_the_entry, 0, 2);
    tcase_add_loop_test(tc, step_runs_one_instruction, 0, 2);
    tcase_add_loop_test(tc, break_stops_before_its_instruction_and_is_invisible, 0, 2);
    tcase_add_loop_test(tc, both_kinds_of_break_share_an_address, 0, 2);
    tcase_add_loop_test(tc, range_is_left_in_one_run, 0, 2);
    tcase_add_loop_test(tc, range_stops_at_a_break_inside, 0, 2);
    tcase_add_loop_test(tc, range_steps_at_least_once, 0, 2);
    tcase_add_loop_test(tc, interrupt_before_the_run_stops_it, 0, 2);
    tcase_add_loop_test(tc, interrupt_before_the_resume_is_forgotten, 0, 2);
    tcase_add_loop_test(tc, interrupt_from_another_thread_stops_an_endless_loop, 0, 2);
    tcase_add_loop_test(tc, returning_from_the_entry_ends_the_process, 0, 2);
    tcase_add_loop_test(tc, kill_ends_the_process, 0, 2);
    tcase_add_loop_test(tc, resume_refuses_what_does_not_exist, 0, 2);
    tcase_add_loop_test(tc, wild_jump_stops_at_its_target, 0, 2);
    tcase_add_loop_test(tc, wild_call_names_its_caller, 0, 2);
    tcase_add_loop_test(tc, a_handled_int3_is_passed, 0, 2);
    tcase_add_loop_test(tc, a_handled_fault_is_tried_again, 0, 2);
    tcase_add_loop_test(tc, an_exception_passed_to_the_guest_ends_it, 0, 2);
    tcase_add_loop_test(tc, guard_page_fires_once, 0, 2);
    tcase_add_loop_test(tc, a_system_call_stops_and_the_user_may_answer_it, 0, 2);
    tcase_add_loop_test(tc, a_made_up_function_stops_once_per_call, 0, 2);
    tcase_add_loop_test(tc, stepping_into_a_made_up_function_says_so, 0, 2);
    tcase_add_loop_test(tc, watches_stop_behind_the_access, 0, (int)COUNT_OF(watch_cases) * 2);
    tcase_add_loop_test(tc, watch_sees_pushes_calls_and_single_steps, 0, 2);
    tcase_add_loop_test(tc, watch_of_a_rep_stops_in_the_iteration, 0, 2);
    tcase_add_loop_test(tc, watch_lengths_are_checked, 0, 2);
    suite_add_tcase(s, tc);
    tcase_add_loop_test(table, faults_stop_at_the_instruction_and_explain_themselves, 0,
                        (int)COUNT_OF(faults));
    suite_add_tcase(s, table);
    return suite_main(s);
}
