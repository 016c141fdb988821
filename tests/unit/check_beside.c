/*
 * Processes made beside another one: what a child has of its own and what it shares, and that one which cannot be made leaves
 * nothing behind. _i counts the widths of both: the parent's in bit 0, the child's in bit 1.
 */
#include <check.h>
#include <fcntl.h>
#include <string.h>

#include "alloc_fail.h"
#include "nt/files.h"
#include "nt/parameters.h"
#include "process_builder.h"
#include "service_caller.h"
#include "suite.h"
#include "vm_builder.h"

static struct caller c;
static enum cpu_arch arch; /* the child's */

static void setup(int i)
{
    caller_init(&c, (enum cpu_arch)(i & 1), NULL, 0);
    arch = (enum cpu_arch)(i >> 1);
}

static void teardown(void)
{
    caller_fini(&c);
}

/* Execute a process up to its next system call, and serve that. */
static enum process_syscall serve_next(struct process *p, uint32_t *exit_code)
{
    struct process_exception exception;
    struct cpu_event event;

    ck_assert_int_eq(cpu_run(p->cpu, false, &event), ERR_OK);
    ck_assert_int_eq(event.kind, CPU_EVENT_SYSCALL);
    return process_syscall(p, exit_code, &exception);
}

START_TEST(a_child_runs_from_the_loader_to_its_end)
{
    static const uint8_t code[] = {0xb8, 42, 0, 0, 0, 0xc3}; /* mov eax, 42; ret */
    struct pe_builder program;
    uint32_t exit_code = 0;
    struct process *child;

    setup(_i);
    pe_builder_init(&program, arch);
    pe_builder_code(&program, code, sizeof code);
    child = caller_child(&c, &program);
    ck_assert_uint_eq(cpu_get(child->cpu, CPU_RIP), TINY_BASE + TINY_START); /* as others see it */
    ck_assert(start_begin(child->threads.on_cpu));
    ck_assert_uint_eq(cpu_get(child->cpu, CPU_RIP), TINY_BASE + TINY_LOADER);
    ck_assert_int_eq(serve_next(child, &exit_code), PROCESS_SYSCALL_DONE);
    ck_assert_uint_eq(cpu_get(child->cpu, CPU_RIP), TINY_BASE + TINY_START);
    ck_assert_int_eq(serve_next(child, &exit_code), PROCESS_SYSCALL_EXIT);
    ck_assert_uint_eq(exit_code, 42);
}
END_TEST

START_TEST(a_child_has_numbers_addresses_and_handles_of_its_own)
{
    struct process_about about;
    struct process *child, *other;

    setup(_i);
    child = caller_beside(&c, arch);
    other = caller_beside(&c, arch);
    process_about(child, &about);
    ck_assert_uint_eq(about.parent, process_pid(c.p));
    ck_assert_uint_ne(about.pid, process_pid(c.p));
    ck_assert_uint_ne(about.pid, process_pid(other));
    ck_assert_uint_eq(about.pid % 4, 0);
    ck_assert_uint_eq(about.thread_count, 1);
    ck_assert_str_eq(about.path, "C:\\child.exe");
    ck_assert_int_eq(child->arch, arch);
    ck_assert_uint_eq(child->kernel->handles.used, 0);
    ck_assert_uint_eq(child->modules[0].info.base, other->modules[0].info.base);
    ck_assert(vm_debug_write(child->vm, child->peb, "\x55", 1));
    ck_assert_uint_ne(guest_u16(other, child->peb) & 0xff, 0x55);
}
END_TEST

/* It is not shown, and has no turn, until it begins; then its time is the machine's. */
START_TEST(nothing_of_a_child_runs_before_it_begins)
{
    struct process *child;

    setup(_i);
    child = caller_beside(&c, arch);
    ck_assert_ptr_null(process_next(c.p, c.p));
    ck_assert_ptr_eq(processes_find(c.machine, process_pid(child)), child->object);
    process_begin(child);
    ck_assert_ptr_eq(process_next(c.p, c.p), child);
    ck_assert_uint_eq(clock_now(child->clock).interrupt, clock_now(c.p->clock).interrupt);
}
END_TEST

/* A program that read_it has read; what it names is static. */
static struct program program;
static struct file *from;
static struct parameters parameters;

static void read_it(const struct pe_builder *b)
{
    struct guest_file file;
    struct buf bytes;

    buf_init(&bytes, 1 << 20);
    pe_builder_write(b, &bytes);
    guest_file_make(&file, "child.exe", bytes.data, bytes.len);
    from = files_new(FILE_REGULAR, open(file.path, O_RDONLY), strdup("C:\\child.exe"));
    guest_file_remove(&file);
    buf_fini(&bytes);
    ck_assert_ptr_nonnull(from);
    ck_succeeds(program_read(&program, from));
    parameters_init(&parameters);
    ck_assert(buf_append(&parameters.environment, "\0\0\0", 4));
    program.parameters = &parameters;
}

static void forget_it(void)
{
    program_fini(&program);
    parameters_fini(&parameters);
    object_unref(&from->object);
}

static void check_refused(const struct pe_builder *b, enum err expected, const char *text)
{
    struct process *child = NULL;
    struct diag why = {{0}};

    read_it(b);
    ck_assert_int_eq(process_new_beside(c.p, &program, &child, &why), expected);
    ck_assert_msg(strstr(why.text, text) == why.text, "'%s'", why.text);
    ck_assert_ptr_null(child);
    ck_assert_ptr_null(c.machine->processes->next);
    forget_it();
}

START_TEST(a_child_that_cannot_be_made_leaves_nothing_behind)
{
    struct pe_builder b;

    setup(_i);
    pe_builder_init(&b, arch);
    check_refused(&b, ERR_NOT_FOUND, "C:\\child.exe: no DLLs");
    process_discard(caller_beside(&c, arch));
    b.entry = 0;
    check_refused(&b, ERR_UNSUPPORTED, "C:\\child.exe: the image has no entry point");
    pe_builder_init(&b, arch);
    b.image_base = 0x7ffe0000; /* where shared user data lies */
    b.characteristics |= 1;    /* no relocations */
    check_refused(&b, ERR_EXISTS, "C:\\child.exe: the image can only live at 0x7ffe0000");
}
END_TEST

START_TEST(without_memory_a_child_is_not_made_and_with_it_then_is)
{
    struct process *child = NULL;
    struct diag why = {{0}};
    unsigned long failed = 1;
    struct pe_builder b;

    setup(_i);
    pe_builder_init(&b, arch);
    process_discard(caller_beside(&c, arch));
    for (unsigned long n = 1; failed; n += 1 + n / 8) {
        enum err e;

        read_it(&b);
        alloc_fail_at(n);
        e = process_new_beside(c.p, &program, &child, &why);
        failed = alloc_fail_stop();
        if (failed && !e) /* what went wrong was not needed */
            process_discard(child);
        else if (failed)
            ck_assert_ptr_null(c.machine->processes->next);
        forget_it();
    }
    ck_assert_ptr_eq(c.machine->processes->next, child);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("beside");
    TCase *tc = tcase_create("beside");

    tcase_add_checked_fixture(tc, NULL, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, a_child_runs_from_the_loader_to_its_end, 0, 4);
    tcase_add_loop_test(tc, a_child_has_numbers_addresses_and_handles_of_its_own, 0, 4);
    tcase_add_loop_test(tc, nothing_of_a_child_runs_before_it_begins, 0, 4);
    tcase_add_loop_test(tc, a_child_that_cannot_be_made_leaves_nothing_behind, 0, 4);
    tcase_add_loop_test(tc, without_memory_a_child_is_not_made_and_with_it_then_is, 0, 4);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
