/* The list of threads: ids, registers that go with each, suspending, names, events, limits and memory that runs out. */
#include <check.h>
#include <string.h>

#include "alloc_fail.h"
#include "nt/apcs.h"
#include "nt/sync.h"
#include "nt/threads.h"
#include "service_caller.h"
#include "suite.h"
#include "vm_builder.h"

static struct caller c;
static struct thread *first;

static void setup(void)
{
    caller_init(&c, CPU_AMD64, NULL, 0);
    first = c.p->threads.on_cpu;
}

static void teardown(void)
{
    caller_fini(&c);
}

START_TEST(ids_are_multiples_of_four_and_never_come_again)
{
    struct thread *second = caller_thread(&c), *third;
    uint32_t id = second->info.tid;

    ck_assert_uint_eq(first->info.tid % 4, 0);
    ck_assert_uint_ne(first->info.tid, process_pid(c.p));
    ck_assert_uint_eq(id, first->info.tid + 4);
    ck_assert_ptr_eq(threads_find(c.p, id), second);
    threads_end(second, 0);
    ck_assert_ptr_null(threads_find(c.p, id));
    third = caller_thread(&c);
    ck_assert_uint_eq(third->info.tid, id + 4);
}
END_TEST

START_TEST(registers_go_with_their_thread)
{
    struct thread *second = caller_thread(&c);

    cpu_set(c.p->cpu, CPU_RBX, 1);
    threads_load(second);
    cpu_set(c.p->cpu, CPU_RBX, 2);
    threads_load(second);
    ck_assert_uint_eq(cpu_get(c.p->cpu, CPU_RBX), 2);
    threads_load(first);
    ck_assert_uint_eq(cpu_get(c.p->cpu, CPU_RBX), 1);
    threads_load(second);
    ck_assert_uint_eq(cpu_get(c.p->cpu, CPU_RBX), 2);
    threads_end(second, 0); /* while the CPU holds its registers */
    ck_assert_ptr_null(c.p->threads.on_cpu);
    threads_load(first);
    ck_assert_uint_eq(cpu_get(c.p->cpu, CPU_RBX), 1);
}
END_TEST

START_TEST(an_answer_waits_for_the_thread)
{
    struct thread *second = caller_thread(&c);

    cpu_set(c.p->cpu, CPU_RAX, 7);
    threads_answer(second, STATUS_TIMEOUT);
    ck_assert_uint_eq(cpu_get(c.p->cpu, CPU_RAX), 7);
    threads_load(second);
    ck_assert_uint_eq(cpu_get(c.p->cpu, CPU_RAX), STATUS_TIMEOUT);
    cpu_set(c.p->cpu, CPU_RAX, 9);
    threads_load(first);
    threads_load(second); /* it is given once */
    ck_assert_uint_eq(cpu_get(c.p->cpu, CPU_RAX), 9);
    threads_answer(second, STATUS_ALERTED);
    ck_assert_uint_eq(cpu_get(c.p->cpu, CPU_RAX), STATUS_ALERTED);
}
END_TEST

START_TEST(suspending_counts_up_to_its_limit)
{
    unsigned before = 99;

    for (unsigned i = 0; i < SUSPEND_MAX; i++) {
        ck_succeeds(threads_suspend(first, &before));
        ck_assert_uint_eq(before, i);
    }
    ck_status(threads_suspend(first, &before), STATUS_SUSPEND_COUNT_EXCEEDED);
    ck_assert(!threads_is_ready(first));
    for (unsigned i = SUSPEND_MAX; i; i--)
        ck_assert_uint_eq(threads_resume(first), i);
    ck_assert_uint_eq(threads_resume(first), 0);
    ck_assert(threads_is_ready(first));
}
END_TEST

START_TEST(a_thread_that_has_ended_cannot_be_suspended)
{
    struct thread *second = caller_thread(&c);
    unsigned before;

    object_ref(&second->object);
    threads_end(second, 3);
    ck_status(threads_suspend(second, &before), STATUS_THREAD_IS_TERMINATING);
    ck_assert_uint_eq(second->exit_code, 3);
    object_unref(&second->object);
}
END_TEST

/* What a thread leaves: its mutants are free, its calls are gone, a timer of its calls nobody. */
START_TEST(the_end_lets_go_of_everything)
{
    static const struct apc_call call = {.routine = 0x1000};
    struct thread *second = caller_thread(&c);
    struct timer *timer = timer_new(c.machine, true);
    struct mutant mutant = {.count = 1};

    object_init(&mutant.object, &mutant_class);
    mutant_own(&mutant, second);
    ck_succeeds(apcs_queue(second, &call, false));
    object_ref(&second->object);
    timer->owner = second;
    timer->armed = true;
    object_ref(&second->object);
    threads_end(second, 0);
    ck_assert_ptr_null(mutant.owner);
    ck_assert(mutant.abandoned);
    ck_assert_ptr_null(second->apcs);
    timers_expire(c.machine, UINT64_MAX);
    ck_assert(timer->signaled);
    ck_assert_ptr_null(second->apcs);
    object_unref(&second->object);
    object_unref(&timer->object);
}
END_TEST

START_TEST(names_are_cut_between_characters)
{
    char name[THREAD_NAME_MAX + 10];

    threads_name(first, "worker");
    ck_assert_str_eq(first->info.name, "worker");
    memset(name, 'n', sizeof name);
    memcpy(name + THREAD_NAME_MAX - 2, "\xe2\x82\xac", 4); /* a character of three bytes */
    threads_name(first, name);
    ck_assert_uint_eq(strlen(first->name), THREAD_NAME_MAX - 2);
    process_name_thread(c.p, first->info.tid, "again");
    ck_assert_str_eq(first->name, "again");
    process_name_thread(c.p, 12345, "nobody");
}
END_TEST

START_TEST(beginnings_and_ends_are_told_to_who_watches)
{
    struct process_thread_event event;
    struct thread *second = caller_thread(&c);

    threads_begun(second);
    ck_assert(!process_thread_event(c.p, &event)); /* nobody watches */
    process_watch_threads(c.p, true);
    threads_begun(second);
    threads_end(second, 5);
    ck_assert(process_thread_event(c.p, &event));
    ck_assert(event.begun && event.tid == first->info.tid + 4);
    ck_assert(process_thread_event(c.p, &event));
    ck_assert(!event.begun && event.exit_code == 5);
    ck_assert(!process_thread_event(c.p, &event));
    for (unsigned i = 0; i < 100; i++)
        threads_begun(first);
    process_watch_threads(c.p, false);
    ck_assert(!process_thread_event(c.p, &event));
}
END_TEST

START_TEST(without_memory_there_is_no_thread)
{
    struct thread *thread = NULL;
    size_t before = c.p->threads.count;
    nt_status st;

    ALLOC_FAIL_EACH(st, threads_new(c.p, &thread), STATUS_NO_MEMORY, STATUS_SUCCESS);
    ck_assert_uint_eq(c.p->threads.count, before + 1);
    threads_discard(thread);
    ck_assert_uint_eq(c.p->threads.count, before);
}
END_TEST

START_TEST(there_is_a_most)
{
    struct thread *thread = NULL;

    while (c.p->threads.count < THREADS_MAX)
        ck_succeeds(threads_new(c.p, &thread));
    ck_status(threads_new(c.p, &thread), STATUS_INSUFFICIENT_RESOURCES);
    threads_discard(thread);
    ck_succeeds(threads_new(c.p, &thread));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("threads");
    TCase *tc = tcase_create("threads");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, ids_are_multiples_of_four_and_never_come_again);
    tcase_add_test(tc, registers_go_with_their_thread);
    tcase_add_test(tc, an_answer_waits_for_the_thread);
    tcase_add_test(tc, suspending_counts_up_to_its_limit);
    tcase_add_test(tc, a_thread_that_has_ended_cannot_be_suspended);
    tcase_add_test(tc, the_end_lets_go_of_everything);
    tcase_add_test(tc, names_are_cut_between_characters);
    tcase_add_test(tc, beginnings_and_ends_are_told_to_who_watches);
    tcase_add_test(tc, without_memory_there_is_no_thread);
    tcase_add_test(tc, there_is_a_most);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
