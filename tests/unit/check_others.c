/*
 * Processes that nobody debugs beside the one that is: they take turns with it, deal with their own exceptions, are told of,
 * and end with the session. Most tests are loops over the widths: of the debugged one in bit 0 of _i, of the other in bit 1.
 */
#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "alloc_fail.h"
#include "nt/context.h"
#include "nt/guest.h"
#include "nt/processes.h"
#include "peers.h"
#include "suite.h"
#include "vm_builder.h"
#include "winstub/nt.h"

#define SERVICE 0x80 /* the number of a service that a test gives a process */

#define CODE(text) ((struct peer_code){.bytes = text, .len = sizeof(text) - 1})

static void told_begin(size_t i, uint32_t pid)
{
    ck_assert_uint_lt(i, told_count);
    ck_assert(told[i].begun);
    ck_assert_uint_eq(told[i].pid, pid);
    ck_assert_uint_eq(told[i].parent, process_pid(process));
}

/* ---- Turns ------------------------------------------------------------------------------------ */

START_TEST(another_process_runs_beside_and_ends)
{
    struct process *other;
    uint32_t pid;

    peers_start(mine(_i), peer_works(5, 7), false);
    other = peer_new(theirs(_i), peer_works(2, 42));
    pid = process_pid(other);
    go_on();
    ends_with(7);
    ck_assert_uint_eq(told_count, 2);
    told_begin(0, pid);
    told_end(1, pid, 42, false);
    ck_assert_str_eq(told_notes[1], "");
}
END_TEST

START_TEST(the_end_of_the_debugged_one_ends_the_session)
{
    struct process *other;
    struct target_action on = {.kind = ACTION_CONTINUE};
    uint32_t pid;

    peers_start(mine(_i), peer_works(2, 7), false);
    other = peer_new(theirs(_i), peer_spins);
    pid = process_pid(other);
    go_on();
    ends_with(7);
    ck_assert_int_eq(target.ops->resume(target.ctx, &on, 1), ERR_STATE);
    ck_assert_uint_eq(told_count, 1);
    target_fini(&target);
    ck_assert_uint_eq(told_count, 2);
    told_end(1, pid, 1, true);
}
END_TEST

START_TEST(killing_ends_the_others)
{
    peers_start(mine(_i), peer_spins, false);
    (void)peer_new(theirs(_i), peer_spins);
    (void)peer_new(theirs(_i), peer_spins);
    target.ops->kill(target.ctx);
    ck_assert_uint_eq(told_count, 4);
    ck_assert(told[2].left && told[3].left);
    ck_assert_ptr_null(process_next(process, process));
}
END_TEST

/* Three processes read the time stamp counter for ever, and end with 99 when it goes back. */
static const struct peer_code reads_time = {
    /* xor ebx, ebx; xor esi, esi; again: rdtsc; cmp edx, esi; jb bad; ja good; cmp eax, ebx; jb bad;
     * good: mov ebx, eax; mov esi, edx; jmp again; bad: mov eax, 99; ret */
    .bytes = {0x31, 0xdb, 0x31, 0xf6, 0x0f, 0x31, 0x39, 0xf2, 0x72, 0x0c, 0x77, 0x04, 0x39, 0xd8,
              0x72, 0x06, 0x89, 0xc3, 0x89, 0xd6, 0xeb, 0xee, 0xb8, 99,   0,    0,    0,    0xc3},
    .len = 28,
};

static uint64_t time_of(const struct process *p)
{
    return machine_now(p->machine).interrupt;
}

START_TEST(time_only_goes_forward_in_all_of_them)
{
    uint64_t before;

    peers_start(mine(_i), peer_works(12, 7), false);
    for (int i = 0; i < 3; i++)
        (void)peer_new(theirs(_i), reads_time);
    before = time_of(process);
    go_on();
    ends_with(7);
    ck_assert_uint_eq(told_count, 3); /* none of them has ended */
    /* four of them for twelve slices of 1 ms each, in units of 100 ns */
    ck_assert_uint_ge(time_of(process) - before, 4 * 11 * 10000);
    ck_assert_uint_le(time_of(process) - before, 4 * 13 * 10000);
}
END_TEST

/* Who ended when, and all work that was done. */
struct history {
    size_t count;
    uint32_t pids[PEERS_EVENTS];
    uint64_t times[PEERS_EVENTS];
    uint64_t work;
};
static struct history *history;

static void remember_end(const struct target_child *child)
{
    if (child->begun)
        return;
    history->pids[history->count] = child->pid;
    history->times[history->count++] = time_of(process);
}

static void play(struct history *h, unsigned steps)
{
    *h = (struct history){0};
    history = h;
    peers_start(CPU_AMD64, peer_works(9, 7), false);
    on_told = remember_end;
    for (uint8_t i = 0; i < 3; i++)
        (void)peer_new((enum cpu_arch)(i & 1), peer_works(5 - i, i));
    for (unsigned i = 0; i < steps; i++)
        go((struct target_action){.kind = ACTION_STEP});
    go_on();
    ends_with(7);
    h->work = cpu_work(process_cpu(process));
    peers_teardown();
}

static void check_same(const struct history *a, const struct history *b)
{
    ck_assert_uint_eq(a->count, b->count);
    for (size_t i = 0; i < a->count; i++) {
        ck_assert_uint_eq(a->pids[i], b->pids[i]);
        ck_assert_uint_eq(a->times[i], b->times[i]);
    }
    ck_assert_uint_eq(a->work, b->work);
}

START_TEST(turns_are_the_same_in_every_run)
{
    struct history first, again;

    play(&first, 0);
    ck_assert_uint_eq(first.count, 3);
    play(&again, 0);
    check_same(&first, &again);
    play(&again, 1000); /* steps change nothing of it */
    check_same(&first, &again);
}
END_TEST

START_TEST(who_begins_during_the_run_gets_turns)
{
    peers_start(mine(_i), peer_works(6, 7), false);
    go((struct target_action){.kind = ACTION_STEP});
    (void)peer_new(theirs(_i), peer_works(1, 1));
    go((struct target_action){.kind = ACTION_STEP});
    (void)peer_new(theirs(_i), peer_works(1, 2));
    go_on();
    ends_with(7);
    ck_assert_uint_eq(told_count, 4);
}
END_TEST

/* ---- What the debugger does ------------------------------------------------------------------- */

START_TEST(breakpoints_are_the_debugged_ones_alone)
{
    struct process *other;
    gva_t at;

    peers_start(mine(_i), peer_works(3, 7), false);
    at = process_entry(process) +
         9; /* behind the loop; the others have the same code at the same address */
    other = peer_new(mine(_i), peer_works(1, 42));
    ck_assert_uint_eq(process_entry(other), process_entry(process));
    ck_assert_int_eq(target.ops->point(target.ctx, POINT_BREAK_SW, at, 1, true), ERR_OK);
    go_on();
    ck_assert_int_eq(stop.kind, STOP_BREAK_SW);
    ck_assert_uint_eq(pc(), at);
    ck_assert_uint_eq(told_count, 2); /* the other one is through */
    go_on();
    ends_with(7);
}
END_TEST

START_TEST(a_step_is_one_instruction_and_nobody_else_runs)
{
    struct process *other;
    gva_t entry;

    peers_start(mine(_i), peer_works(3, 7), false);
    entry = process_entry(process);
    other = peer_new(theirs(_i), peer_spins);
    for (int i = 0; i < 200; i++) {
        go((struct target_action){.kind = ACTION_STEP});
        ck_assert_int_eq(stop.kind, STOP_STEP);
        ck_assert_uint_eq(pc(), entry + (i % 2 ? 7 : 5));
    }
    ck_assert_uint_eq(cpu_work(process_cpu(other)), 0);
}
END_TEST

START_TEST(a_range_is_left_however_many_turns_that_takes)
{
    /* mov ebx, 5; again: mov eax, SERVICE; syscall; dec ebx; jnz again; ret */
    const struct peer_code yields = CODE("\xbb\x05\x00\x00\x00\xb8\x80\x00\x00\x00\x0f\x05\xff"
                                         "\xcb\x75\xf5\xc3");
    gva_t entry;

    peers_start(CPU_AMD64, yields, false);
    peer_service(process, SERVICE, "NtYieldExecution");
    entry = process_entry(process);
    (void)peer_new((enum cpu_arch)_i, peer_works(2, 42));
    go((struct target_action){.kind = ACTION_RANGE, .lo = entry, .hi = entry + 16});
    ck_assert_int_eq(stop.kind, STOP_STEP);
    ck_assert_uint_eq(pc(), entry + 16);
    ck_assert_uint_eq(told_count, 2);
}
END_TEST

START_TEST(a_step_over_a_wait_lets_the_other_come_to_its_end)
{
    struct process *other;
    gva_t syscall;

    peers_start_waiting(&other, peer_works(2, 42));
    syscall = process_entry(process) + 16;
    for (int i = 0; i < 5; i++)
        go((struct target_action){.kind = ACTION_STEP});
    ck_assert_uint_eq(pc(), syscall + 2);
    ck_assert_uint_eq(cpu_get(process_cpu(process), CPU_RAX), STATUS_SUCCESS);
    ck_assert_uint_eq(told_count, 2);
    told_end(1, told[0].pid, 42, false);
    go_on();
    ends_with(0);
}
END_TEST

START_TEST(who_waits_for_one_that_waits_is_stuck)
{
    struct process *other;

    peers_start(CPU_AMD64, peer_waits, false);
    other = peer_build(CPU_AMD64, peer_waits);
    peer_awaits(process, other);
    peer_awaits(other, process);
    process_begin(other);
    go_on();
    ck_assert_int_eq(stop.kind, STOP_STUCK);
    ck_assert_ptr_nonnull(strstr(stop.note, "waiting for Process"));
}
END_TEST

START_TEST(a_halted_process_waits_for_nobody)
{
    peers_start(mine(_i), peer_spins, false);
    (void)peer_new(theirs(_i), peer_spins);
    go((struct target_action){.kind = ACTION_HALT});
    ck_assert_int_eq(stop.kind, STOP_NOBODY);
}
END_TEST

static void end_the_debugged_one(const struct target_child *child)
{
    if (!child->begun)
        process_end(process, 9);
}

/* As a service of the other process would. */
START_TEST(another_process_may_end_the_debugged_one)
{
    struct target_thread thread;

    peers_start(mine(_i), peer_spins, false);
    (void)peer_new(theirs(_i), peer_works(1, 42));
    on_told = end_the_debugged_one;
    go_on();
    ends_with(9);
    ck_assert_int_eq(target.ops->thread(target.ctx, 0, &thread), ERR_RANGE);
}
END_TEST

static void write_to_the_debugged_one(const struct target_child *child)
{
    if (!child->begun)
        ck_succeeds(guest_put_number(process, process_entry(process) + PB_DATA - PB_TEXT, 4, 0x55));
}

START_TEST(what_the_services_of_others_write_is_watched)
{
    gva_t data;

    peers_start(mine(_i), peer_spins, false);
    data = process_entry(process) + PB_DATA - PB_TEXT;
    (void)peer_new(theirs(_i), peer_works(1, 42));
    ck_assert_int_eq(target.ops->point(target.ctx, POINT_WRITE, data, 4, true), ERR_OK);
    on_told = write_to_the_debugged_one;
    go_on();
    ck_assert_int_eq(stop.kind, STOP_WATCH);
    ck_assert_uint_eq(stop.addr, data);
    ck_assert_uint_eq(stop.tid, process_current(process));
    ck_assert_uint_eq(guest_u32(process, data), 0x55);
    ck_assert_ptr_nonnull(strstr(stop.note, "by a system service of process "));
}
END_TEST

static gva_t written_code;

/* Put "mov eax, 5; ret" into its memory. */
static void inject_into_the_debugged_one(const struct target_child *child)
{
    if (!child->begun)
        ck_succeeds(guest_put_number(process, written_code, 8, 0xc300000005b8));
}

START_TEST(what_others_have_injected_is_theirs)
{
    const struct target_catch written = {.kind = CATCH_WRITTEN, .pattern = ""};
    struct target_writer writer;
    struct process *other;
    unsigned id;
    uint32_t tid;
    struct diag why;

    peers_start(mine(_i), peer_spins, false);
    written_code = build_memory(process_vm(process), 0, 0x1000, MEM_RESERVE | MEM_COMMIT,
                                PAGE_EXECUTE_READWRITE);
    other = peer_new(theirs(_i), peer_works(1, 42));
    tid = process_current(other);
    ck_assert_int_eq(target.ops->catch_add(target.ctx, &written, &id, &why), ERR_OK);
    on_told = inject_into_the_debugged_one;
    ck_assert_int_eq(target.ops->point(target.ctx, POINT_WRITE, written_code, 1, true), ERR_OK);
    go_on();
    ck_assert_int_eq(stop.kind, STOP_WATCH);
    ck_assert_int_eq(target.ops->point(target.ctx, POINT_WRITE, written_code, 1, false), ERR_OK);
    for (size_t i = 0; target.ops->writer(target.ctx, i, &writer) == ERR_OK; i++) {
        if (writer.page == written_code)
            break;
    }
    ck_assert_uint_eq(writer.page, written_code);
    ck_assert_uint_eq(writer.tid, tid);
    ck_assert_uint_eq(writer.pc, 0);
    ck_assert(writer.service);
    cpu_set(process_cpu(process), CPU_RIP, written_code);
    go_on();
    ck_assert_int_eq(stop.kind, STOP_CATCH);
    ck_assert_ptr_nonnull(strstr(stop.note, "by a system service of another process, thread"));
}
END_TEST

/* ---- Exceptions ------------------------------------------------------------------------------- */

START_TEST(what_nobody_takes_ends_the_other_with_its_code)
{
    const struct peer_code code = CODE("\x31\xe4\x0f\x0b"); /* xor esp, esp; ud2 */
    struct process *other;
    uint32_t pid;

    peers_start(mine(_i), peer_works(2, 7), false);
    other = peer_new(theirs(_i), code);
    pid = process_pid(other);
    go_on();
    ends_with(7);
    ck_assert_uint_eq(told_count, 2);
    told_end(1, pid, STATUS_ILLEGAL_INSTRUCTION, false);
    ck_assert_msg(strncmp(told_notes[1], "STATUS_ILLEGAL_INSTRUCTION", 26) == 0, "%s",
                  told_notes[1]);
}
END_TEST

START_TEST(handlers_of_the_other_get_its_exceptions)
{
    const struct peer_code code = CODE("\x0f\x0b"); /* ud2 */
    struct process *other;

    peers_start(mine(_i), peer_works(2, 7), false);
    other = peer_new(theirs(_i), code);
    go_on();
    ends_with(7);
    ck_assert_uint_eq(cpu_get(process_cpu(other), CPU_RIP), TINY_BASE + TINY_EXCEPTION);
}
END_TEST

/* An EXCEPTION_RECORD and a CONTEXT that goes on at the program's entry, for NtRaiseException of a process that has not run. */
static void prepare_print(struct process *p, const char *text)
{
    gva_t data = process_entry(p) + PB_DATA - PB_TEXT, record = data + 0x100;
    uint64_t info[2] = {strlen(text) + 1, data};

    ck_assert(vm_debug_write(process_vm(p), data, text, strlen(text) + 1));
    ck_succeeds(guest_put(p, record, NT_RECORD_CODE, 0x40010006));
    ck_succeeds(guest_put(p, record, NT_RECORD_COUNT, 2));
    for (unsigned i = 0; i < 2; i++)
        ck_succeeds(guest_put_pointer(
            p, record + nt_offset(p->arch, NT_RECORD_INFORMATION) + i * nt_pointer(p->arch),
            info[i]));
}

START_TEST(what_the_other_prints_for_a_debugger_comes_with_its_number)
{
    /* mov r10, rcx; mov rdx, rbx; mov r8d, 1; mov eax, SERVICE; syscall */
    const struct peer_code code =
        CODE("\x49\x89\xca\x48\x89\xda\x41\xb8\x01\x00\x00\x00\xb8\x80\x00"
             "\x00\x00\x0f\x05");
    char expected[64];
    struct process *other;
    uint8_t raw[CONTEXT_MAX];
    gva_t data;

    peers_start(mine(_i), peer_works(2, 7), false);
    other = peer_build(CPU_AMD64, code);
    data = process_entry(other) + PB_DATA - PB_TEXT;
    peer_service(other, SERVICE, "NtRaiseException");
    prepare_print(other, "hello\n");
    cpu_set(other->cpu, CPU_RIP, process_entry(other));
    cpu_set(other->cpu, CPU_RCX, data + 0x100);
    cpu_set(other->cpu, CPU_RBX, data + 0x400);
    context_save(other->cpu, raw);
    ck_assert(vm_debug_write(other->vm, data + 0x400, raw, context_size(other->arch)));
    process_begin(other);
    go_on();
    ends_with(7);
    (void)snprintf(expected, sizeof expected, "process %u: hello\n", process_pid(other));
    ck_assert_str_eq(buf_str(&console), expected);
    ck_assert_uint_eq(cpu_get(other->cpu, CPU_RIP),
                      TINY_BASE + TINY_EXCEPTION); /* its handlers saw it too */
}
END_TEST

/* ---- Interrupts ------------------------------------------------------------------------------- */

static void *interrupt_soon(void *us)
{
    const struct timespec nap = {.tv_nsec = 1000L * *(unsigned *)us};

    (void)nanosleep(&nap, NULL);
    target.ops->interrupt(target.ctx);
    return NULL;
}

/* Continue, and interrupt that us later. */
static void go_on_for(unsigned us)
{
    const struct target_action on = {.kind = ACTION_CONTINUE};
    pthread_t thread;

    ck_assert_int_eq(target.ops->resume(target.ctx, &on, 1), ERR_OK);
    ck_assert_int_eq(pthread_create(&thread, NULL, interrupt_soon, &us), 0);
    ck_assert_int_eq(target.ops->run(target.ctx, &stop), ERR_OK);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_int_eq(stop.kind, STOP_INTERRUPT);
    ck_assert_uint_eq(stop.tid, process_current(process));
}

START_TEST(an_interrupt_stops_whoever_runs)
{
    peers_start(CPU_AMD64, peer_spins, _i & 1);
    (void)peer_new(CPU_AMD64, peer_spins);
    (void)peer_new(CPU_I386, peer_spins);
    for (unsigned i = 0; i < 100; i++)
        go_on_for(i % 10 * 400);
}
END_TEST

START_TEST(an_interrupt_stops_the_other_while_the_debugged_one_waits)
{
    struct process *other;

    peers_start_waiting(&other, peer_spins);
    for (unsigned i = 0; i < 20; i++)
        go_on_for(i * 300);
    ck_assert_ptr_eq(process_running(process), other);
}
END_TEST

/* Many others end while interrupts come: their CPUs are freed. */
START_TEST(an_interrupt_finds_no_cpu_that_has_gone)
{
    peers_start(CPU_AMD64, peer_spins, _i & 1);
    for (unsigned i = 0; i < 12; i++) {
        (void)peer_new(CPU_AMD64, peer_works(0, 1)); /* 2 to the power of 32 turns */
        process_end(process_next(process, process), 3);
        go_on_for(i * 50);
    }
    ck_assert_ptr_null(process_next(process, process));
}
END_TEST

START_TEST(both_get_on_by_the_hosts_time)
{
    struct process *other;

    peers_start(CPU_AMD64, peer_spins, true);
    other = peer_new(CPU_I386, CODE("\xff\xc0\xeb\xfc")); /* inc eax; jmp back */
    go_on_for(30000);
    ck_assert_uint_gt(cpu_get(process_cpu(other), CPU_RAX), 1000);
}
END_TEST

START_TEST(without_memory_for_a_turn_the_session_stops_and_goes_on_with_it)
{
    const struct target_action on = {.kind = ACTION_CONTINUE};
    unsigned failures = 0;
    bool failed = true;

    peers_start(CPU_AMD64, peer_works(3, 7), false);
    (void)peer_new(CPU_I386, peer_works(1, 42));
    for (unsigned long n = 1; failed && failures < 1000; n++) {
        enum err e = target.ops->resume(target.ctx, &on, 1);

        ck_assert_int_eq(e, ERR_OK);
        alloc_fail_at(n);
        e = target.ops->run(target.ctx, &stop);
        failed = alloc_fail_stop();
        failures += failed;
        ck_assert(e == ERR_OK);
        if (stop.kind == STOP_EXIT)
            break;
        ck_assert_int_eq(stop.kind, STOP_ENGINE);
    }
    ck_assert_uint_gt(failures, 0);
    ends_with(7);
}
END_TEST

static void add_turns(Suite *suite)
{
    TCase *tc = tcase_create("turns");

    tcase_add_checked_fixture(tc, NULL, peers_teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, another_process_runs_beside_and_ends, 0, 4);
    tcase_add_loop_test(tc, the_end_of_the_debugged_one_ends_the_session, 0, 4);
    tcase_add_loop_test(tc, killing_ends_the_others, 0, 4);
    tcase_add_loop_test(tc, time_only_goes_forward_in_all_of_them, 0, 4);
    tcase_add_test(tc, turns_are_the_same_in_every_run);
    tcase_add_loop_test(tc, who_begins_during_the_run_gets_turns, 0, 4);
    tcase_add_test(tc, without_memory_for_a_turn_the_session_stops_and_goes_on_with_it);
    suite_add_tcase(suite, tc);
}

static void add_debugging(Suite *suite)
{
    TCase *tc = tcase_create("debugging");

    tcase_add_checked_fixture(tc, NULL, peers_teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, breakpoints_are_the_debugged_ones_alone, 0, 2);
    tcase_add_loop_test(tc, a_step_is_one_instruction_and_nobody_else_runs, 0, 4);
    tcase_add_loop_test(tc, a_range_is_left_however_many_turns_that_takes, 0, 2);
    tcase_add_test(tc, a_step_over_a_wait_lets_the_other_come_to_its_end);
    tcase_add_test(tc, who_waits_for_one_that_waits_is_stuck);
    tcase_add_loop_test(tc, a_halted_process_waits_for_nobody, 0, 4);
    tcase_add_loop_test(tc, another_process_may_end_the_debugged_one, 0, 4);
    tcase_add_loop_test(tc, what_the_services_of_others_write_is_watched, 0, 4);
    tcase_add_loop_test(tc, what_others_have_injected_is_theirs, 0, 4);
    tcase_add_loop_test(tc, what_nobody_takes_ends_the_other_with_its_code, 0, 4);
    tcase_add_loop_test(tc, handlers_of_the_other_get_its_exceptions, 0, 4);
    tcase_add_loop_test(tc, what_the_other_prints_for_a_debugger_comes_with_its_number, 0, 2);
    suite_add_tcase(suite, tc);
}

static void add_interrupts(Suite *suite)
{
    TCase *tc = tcase_create("interrupts");

    tcase_add_checked_fixture(tc, NULL, peers_teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, an_interrupt_stops_whoever_runs, 0, 2);
    tcase_add_test(tc, an_interrupt_stops_the_other_while_the_debugged_one_waits);
    tcase_add_loop_test(tc, an_interrupt_finds_no_cpu_that_has_gone, 0, 2);
    tcase_add_test(tc, both_get_on_by_the_hosts_time);
    suite_add_tcase(suite, tc);
}

int main(void)
{
    Suite *suite = suite_create("others");

    add_turns(suite);
    add_debugging(suite);
    add_interrupts(suite);
    return suite_main(suite);
}
