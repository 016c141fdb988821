/*
 * The ends of processes: what they leave to others, in what state, and when their memory goes. Two callers of services in one
 * machine; _i counts the widths: of the first process in bit 0, of the one that ends in bit 1.
 */
#include <check.h>
#include <string.h>

#include "nt/guest.h"
#include "nt/pipes.h"
#include "nt/processes.h"
#include "nt/sync.h"
#include "pipe_caller.h"
#include "process_builder.h"
#include "suite.h"
#include "vm_builder.h"

enum { KEY = 20, VALUE, PACKET_IOSB }; /* slots */

static struct caller c, other;

static void setup(int i)
{
    struct process *p;

    pipes_begin(&c, (enum cpu_arch)(i & 1));
    p = caller_beside(&c, (enum cpu_arch)(i >> 1));
    process_begin(p);
    caller_over(&other, p);
}

static void teardown(void)
{
    caller_fini(&c);
}

/* Give the other process a handle to what this one has. */
static uint64_t share(const struct caller *from, uint64_t handle, struct caller *to)
{
    const struct handle *entry = handles_entry(&from->p->kernel->handles, handle);
    uint64_t shared = 0;

    ck_assert_ptr_nonnull(entry);
    ck_succeeds(handles_add(&to->p->kernel->handles, entry->object, entry->access, &shared));
    return shared;
}

static void end(uint32_t code)
{
    process_end(other.p, code);
    other = (struct caller){0};
}

static bool waits(const struct thread *thread)
{
    return thread->wait.kind != WAIT_NOTHING;
}

/* A thread of the caller's that waits for that; the caller's first thread goes on. */
static struct thread *waiter(struct caller *by, uint64_t handle)
{
    struct thread *first = by->p->threads.on_cpu, *thread = caller_thread(by);

    caller_as(by, thread);
    (void)CALL(by, "NtWaitForSingleObject", handle, 0, 0);
    ck_assert(waits(thread));
    caller_as(by, first);
    return thread;
}

static uint64_t make_mutant(struct caller *by, bool owned)
{
    ck_succeeds(CALL(by, "NtCreateMutant", caller_slot(by, HANDLE), ALL, 0, owned));
    return caller_get(by, HANDLE);
}

START_TEST(a_mutant_of_its_threads_is_abandoned)
{
    uint64_t handle;
    struct thread *thread;

    setup(_i);
    handle = share(&other, make_mutant(&other, true), &c);
    thread = waiter(&c, handle);
    end(3);
    ck_status(caller_result(&c, thread), STATUS_ABANDONED_WAIT_0);
}
END_TEST

START_TEST(its_threads_wait_no_more_and_take_nothing)
{
    uint64_t event;
    struct object *object;

    setup(_i);
    ck_succeeds(CALL(&c, "NtCreateEvent", caller_slot(&c, HANDLE), ALL, 0, 0, 0));
    event = caller_get(&c, HANDLE);
    (void)waiter(&other, share(&c, event, &other));
    object = handles_entry(&c.kernel.handles, event)->object;
    ck_assert_uint_eq(object->waiters, 1);
    end(3);
    ck_assert_uint_eq(object->waiters, 0);
    ck_assert_uint_eq(object->handles, 1);
    ck_succeeds(CALL(&c, "NtSetEvent", event, 0));
    ck_assert(is_signaled(&c, event));
}
END_TEST

/* Threads of two processes at one event that wakes one at a time. */
START_TEST(who_came_first_wakes_first_whosever_thread_it_is)
{
    uint64_t event, theirs;
    struct thread *late, *early;

    setup(_i);
    ck_succeeds(CALL(&c, "NtCreateEvent", caller_slot(&c, HANDLE), ALL, 0, 1, 0));
    event = caller_get(&c, HANDLE);
    theirs = share(&c, event, &other);
    early = waiter(&other, theirs);
    late = waiter(&c, event);
    ck_succeeds(CALL(&c, "NtSetEvent", event, 0));
    ck_assert(!waits(early) && waits(late));
    ck_succeeds(CALL(&other, "NtSetEvent", theirs, 0));
    ck_assert(!waits(late));
    ck_status(caller_result(&other, early), STATUS_SUCCESS);
    ck_status(caller_result(&c, late), STATUS_SUCCESS);
}
END_TEST

START_TEST(its_end_of_a_pipe_is_closed)
{
    uint64_t server, client;

    setup(_i);
    server = make_server(&c, &bytes);
    client = make_client(&c);
    (void)share(&c, client, &other);
    close_handle(&c, client);
    ck_status(read_told(&c, server, 8, 0, 0), STATUS_PENDING);
    end(3);
    expect_iosb(&c, IOSB, STATUS_PIPE_BROKEN, 0);
}
END_TEST

START_TEST(a_pipe_goes_on_when_somebody_else_has_the_end_too)
{
    uint64_t server, client;

    setup(_i);
    server = make_server(&c, &bytes);
    client = make_client(&c);
    (void)share(&c, client, &other);
    ck_status(read_told(&c, server, 8, 0, 0), STATUS_PENDING);
    end(3);
    expect_iosb(&c, IOSB, UNTOUCHED, UNTOUCHED);
    ck_succeeds(write_text(&c, client, "on"));
    expect_read(&c, "on", STATUS_SUCCESS);
}
END_TEST

/* A pipe between both: who writes into one process's memory what another one's service has brought. */
START_TEST(what_one_writes_the_other_reads)
{
    uint64_t server, client;

    setup(_i);
    server = make_server(&c, &bytes);
    client = make_client(&c);
    client = share(&c, client, &other);
    ck_status(read_told(&other, client, 8, 0, 0), STATUS_PENDING);
    ck_succeeds(write_text(&c, server, "hello"));
    expect_read(&other, "hello", STATUS_SUCCESS);
}
END_TEST

START_TEST(what_it_has_asked_for_is_cancelled_and_told)
{
    uint64_t server, event;

    setup(_i);
    server = make_server(&c, &bytes);
    (void)make_client(&c);
    event = make_event(&c);
    ck_status(read_told(&other, share(&c, server, &other), 8, share(&c, event, &other), 0),
              STATUS_PENDING);
    ck_assert(!is_signaled(&c, event));
    end(3);
    ck_assert(is_signaled(&c, event));
    ck_assert_ptr_null(end_of(&c, server)->file->requests);
}
END_TEST

/* Its threads leave behind what a completion port is told of; the process does not. */
START_TEST(a_port_of_others_is_told_what_was_cancelled)
{
    uint64_t server, port, theirs;
    struct file *file;

    setup(_i);
    ck_succeeds(CALL(&c, "NtCreateIoCompletion", caller_slot(&c, HANDLE), ALL, 0, 0));
    port = caller_get(&c, HANDLE);
    server = make_server(&c, &bytes);
    (void)make_client(&c);
    ck_succeeds(files_get(&c.kernel.handles, server, &file));
    theirs = share(&c, server, &other);
    (void)caller_set(&c, KEY, port);
    (void)caller_set(&c, KEY + 1, 0);
    ck_succeeds(guest_put_pointer(c.p, caller_slot(&c, KEY), port));
    ck_succeeds(guest_put_pointer(c.p, caller_slot(&c, KEY) + nt_pointer(c.p->arch), 0x77));
    ck_succeeds(CALL(&c, "NtSetInformationFile", server, caller_slot(&c, IOSB),
                     caller_slot(&c, KEY), 2 * nt_pointer(c.p->arch), 30));
    ck_assert_ptr_nonnull(file->port);
    ck_status(read_told(&other, theirs, 8, 0, 0x55), STATUS_PENDING);
    end(3);
    ck_succeeds(CALL(&c, "NtRemoveIoCompletion", port, caller_slot(&c, KEY), caller_slot(&c, VALUE),
                     caller_slot(&c, PACKET_IOSB), 0));
    ck_assert_uint_eq(caller_get(&c, KEY), 0x77);
    ck_assert_uint_eq(caller_get(&c, VALUE), 0x55);
    expect_iosb(&c, PACKET_IOSB, STATUS_CANCELLED, 0);
}
END_TEST

START_TEST(objects_that_only_it_had_go_with_it)
{
    setup(_i);
    ck_succeeds(CALL(&other, "NtCreateEvent", caller_slot(&other, HANDLE), ALL,
                     caller_attributes(&other, NAME, 0, "\\BaseNamedObjects\\its", 0), 0, 0));
    ck_succeeds(CALL(&c, "NtOpenEvent", caller_slot(&c, HANDLE), ALL,
                     caller_attributes(&c, NAME, 0, "\\BaseNamedObjects\\its", 0)));
    close_handle(&c, caller_get(&c, HANDLE));
    end(3);
    ck_status(CALL(&c, "NtOpenEvent", caller_slot(&c, HANDLE), ALL,
                   caller_attributes(&c, NAME, 0, "\\BaseNamedObjects\\its", 0)),
              STATUS_OBJECT_NAME_NOT_FOUND);
}
END_TEST

/* A timer of its thread's, with a call that will never be made. */
START_TEST(a_timer_outlives_the_thread_that_it_was_to_call)
{
    static const uint8_t due[8] = {0xf0, 0xd8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}; /* 1 ms */
    uint64_t timer;

    setup(_i);
    ck_succeeds(CALL(&c, "NtCreateTimer", caller_slot(&c, HANDLE), ALL, 0, 0));
    timer = caller_get(&c, HANDLE);
    ck_assert(vm_debug_write(other.vm, caller_slot(&other, INFO), due, sizeof due));
    ck_succeeds(CALL(&other, "NtSetTimer", share(&c, timer, &other), caller_slot(&other, INFO),
                     0x1000, 0, 0, 0, 0));
    (void)waiter(&c, timer);
    end(3);
    process_hold(c.p, c.p->threads.list[0]->info.tid, true);
    ck_assert_int_eq(process_schedule(c.p), PROCESS_TURN_RUNS); /* time went on to the timer's */
    ck_assert(!waits(c.p->threads.list[1]));
}
END_TEST

/* ---- Its memory ------------------------------------------------------------------------------- */

static unsigned gone;
static struct cpu *gone_cpu;

static void count_gone(void *data)
{
    ck_assert_ptr_eq(data, &gone);
    ck_assert_uint_ne(cpu_get(gone_cpu, CPU_CS), 0); /* it is still there */
    gone++;
}

static void attach(struct process *p)
{
    gone = 0;
    gone_cpu = p->cpu;
    process_attach(p, &gone, count_gone);
}

START_TEST(its_memory_goes_with_the_next_turn_and_its_object_with_the_last_handle)
{
    struct process_object *object;
    uint64_t handle = 0;
    uint32_t code = 0;

    setup(_i);
    object = other.p->object;
    ck_succeeds(handles_add(&c.kernel.handles, &object->object, 0x1fffff, &handle));
    attach(other.p);
    ck_assert(!process_has_ended(other.p, &code));
    process_end(other.p, 3);
    process_end(other.p, 4); /* it has ended */
    ck_assert(process_has_ended(other.p, &code));
    ck_assert_uint_eq(code, 3);
    ck_assert_ptr_null(process_next(c.p, c.p));
    ck_assert_ptr_null(object->process);
    ck_assert_uint_eq(gone, 0);
    ck_assert_int_eq(process_schedule(c.p), PROCESS_TURN_RUNS);
    ck_assert_uint_eq(gone, 1);
    ck_assert_ptr_null(c.machine->processes->next);
    ck_assert_uint_eq(object->exit_code, 3);
    ck_assert_str_eq(object->image_path, "C:\\child.exe");
    ck_assert_uint_eq(object->object.references, 1);
    close_handle(&c, handle);
}
END_TEST

START_TEST(one_that_is_kept_stays)
{
    struct process *p;

    setup(_i);
    p = other.p;
    attach(p);
    process_keep(p, true);
    end(3);
    ck_assert_int_eq(process_schedule(c.p), PROCESS_TURN_RUNS);
    ck_assert_uint_eq(gone, 0);
    process_keep(p, false);
    c.machine->gone = 1;
    ck_assert_int_eq(process_schedule(c.p), PROCESS_TURN_RUNS);
    ck_assert_uint_eq(gone, 1);
}
END_TEST

START_TEST(what_goes_with_the_machine_is_told_once)
{
    setup(_i);
    attach(other.p);
    if (_i & 1)
        end(3);
    pipes_end(&c);
    ck_assert_uint_eq(gone, 1);
}
END_TEST

static gva_t show(struct caller *by, uint64_t section)
{
    (void)caller_set(by, INFO, 0);
    (void)caller_set(by, INFO + 1, 0);
    ck_succeeds(CALL(by, "NtMapViewOfSection", section, UINT64_MAX, caller_slot(by, INFO), 0, 0, 0,
                     caller_slot(by, INFO + 1), 2, 0, PAGE_READWRITE));
    return caller_get(by, INFO);
}

START_TEST(what_it_has_stored_into_a_section_stays)
{
    gva_t mine, theirs;
    uint64_t section;

    setup(_i);
    ck_succeeds(guest_put_number(c.p, caller_slot(&c, INFO), 8, 0x10000));
    ck_succeeds(CALL(&c, "NtCreateSection", caller_slot(&c, HANDLE), 0xf001f, 0,
                     caller_slot(&c, INFO), PAGE_READWRITE, SEC_COMMIT, 0));
    section = caller_get(&c, HANDLE);
    mine = show(&c, section);
    theirs = show(&other, share(&c, section, &other));
    ck_assert(vm_debug_write(other.vm, theirs + 0x5000, "text", 4));
    end(3);
    ck_assert_int_eq(process_schedule(c.p), PROCESS_TURN_RUNS);
    ck_assert_uint_eq(guest_u32(c.p, mine + 0x5000), 0x74786574);
    ck_assert(vm_valid(c.vm));
}
END_TEST

/* ---- Turns ------------------------------------------------------------------------------------ */

static struct process *whose_turn(void)
{
    ck_assert_int_eq(process_schedule(c.p), PROCESS_TURN_RUNS);
    return process_running(c.p);
}

/* The slice of whoever runs is over. */
static void pass_time(void)
{
    ck_assert(clock_idle(c.machine->running->clock, c.machine->slice_end));
}

START_TEST(turns_go_round_and_who_goes_gives_its_turn_to_the_next)
{
    struct process *third, *fourth;

    setup(_i);
    third = caller_beside(&c, CPU_AMD64);
    fourth = caller_beside(&c, CPU_I386);
    process_begin(third);
    ck_assert_ptr_eq(whose_turn(), other.p);
    pass_time();
    ck_assert_ptr_eq(whose_turn(), third);
    pass_time();
    ck_assert_ptr_eq(whose_turn(), c.p); /* the fourth has not begun */
    process_begin(fourth);
    pass_time();
    ck_assert_ptr_eq(whose_turn(), other.p);
    end(3);
    ck_assert_ptr_eq(whose_turn(), third);
    process_end(third, 3);
    ck_assert_ptr_eq(whose_turn(), fourth);
    process_end(fourth, 3);
    ck_assert_ptr_eq(whose_turn(), c.p);
}
END_TEST

START_TEST(time_goes_on_where_it_stands)
{
    uint64_t before;

    setup(_i);
    ck_assert_ptr_eq(whose_turn(), other.p);
    for (int i = 0; i < 6; i++) {
        before = machine_now(c.machine).interrupt;
        pass_time();
        ck_assert_uint_eq(machine_now(c.machine).interrupt, before + 10000);
        ck_assert_ptr_eq(whose_turn(), i % 2 ? other.p : c.p);
        ck_assert_uint_eq(machine_now(c.machine).interrupt, before + 10000);
    }
}
END_TEST

/* ---- Events ----------------------------------------------------------------------------------- */

START_TEST(beginnings_and_ends_are_told_in_their_order)
{
    struct process_event event;
    uint32_t pid;

    setup(_i);
    ck_assert(!process_event(c.p, &event)); /* nobody has asked */
    process_watch_processes(c.p, true);
    process_discard(caller_beside(&c, CPU_AMD64));
    process_begin(caller_beside(&c, CPU_AMD64));
    pid = process_pid(other.p);
    end(3);
    ck_assert(process_event(c.p, &event));
    ck_assert(event.begun);
    ck_assert_uint_eq(event.parent, process_pid(c.p));
    ck_assert_str_eq(event.path, "C:\\child.exe");
    ck_assert(process_event(c.p, &event));
    ck_assert(!event.begun);
    ck_assert_uint_eq(event.pid, pid);
    ck_assert_uint_eq(event.exit_code, 3);
    ck_assert(!process_event(c.p, &event));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("processes");
    TCase *tc = tcase_create("processes");

    tcase_add_checked_fixture(tc, NULL, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, a_mutant_of_its_threads_is_abandoned, 0, 4);
    tcase_add_loop_test(tc, its_threads_wait_no_more_and_take_nothing, 0, 4);
    tcase_add_loop_test(tc, who_came_first_wakes_first_whosever_thread_it_is, 0, 4);
    tcase_add_loop_test(tc, its_end_of_a_pipe_is_closed, 0, 4);
    tcase_add_loop_test(tc, a_pipe_goes_on_when_somebody_else_has_the_end_too, 0, 4);
    tcase_add_loop_test(tc, what_one_writes_the_other_reads, 0, 4);
    tcase_add_loop_test(tc, what_it_has_asked_for_is_cancelled_and_told, 0, 4);
    tcase_add_loop_test(tc, a_port_of_others_is_told_what_was_cancelled, 0, 4);
    tcase_add_loop_test(tc, objects_that_only_it_had_go_with_it, 0, 4);
    tcase_add_loop_test(tc, a_timer_outlives_the_thread_that_it_was_to_call, 0, 4);
    tcase_add_loop_test(tc, its_memory_goes_with_the_next_turn_and_its_object_with_the_last_handle,
                        0, 4);
    tcase_add_loop_test(tc, one_that_is_kept_stays, 0, 4);
    tcase_add_loop_test(tc, what_goes_with_the_machine_is_told_once, 0, 4);
    tcase_add_loop_test(tc, what_it_has_stored_into_a_section_stays, 0, 4);
    tcase_add_loop_test(tc, turns_go_round_and_who_goes_gives_its_turn_to_the_next, 0, 4);
    tcase_add_loop_test(tc, time_goes_on_where_it_stands, 0, 4);
    tcase_add_loop_test(tc, beginnings_and_ends_are_told_in_their_order, 0, 4);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
