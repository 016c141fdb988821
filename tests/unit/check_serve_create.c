/*
 * NtCreateUserProcess, one sentence a test, over an ntdll that is just enough (tiny_dlls.h) and a drive with a few files. _i of most
 * tests counts the widths of both: the caller's in bit 0, the child's in bit 1.
 */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "alloc_fail.h"
#include "nt/files.h"
#include "nt/guest.h"
#include "nt/parameters.h"
#include "nt/services.h"
#include "process_builder.h"
#include "service_caller.h"
#include "suite.h"
#include "vm_builder.h"
#include "winstub/utf.h"

#define PATH "\\??\\C:\\child.exe"
#define ALL  0x1fffffu

/* Slots. Parameters and their texts are too large for one. */
enum {
    OUT_PROCESS,
    OUT_THREAD,
    LIST,
    IMAGE = 8,
    CLIENT_ID,
    INFORMATION,
    LENGTH,
    ATTRIBUTES,
    HANDLES,
    NAME
};
/* PS_ATTRIBUTE, process flags, thread flags. */
enum {
    PARENT = 0x60000,
    DEBUG_OBJECT = 0x60001,
    OUR_CLIENT_ID = 0x10003,
    TEB = 0x10004,
    IMAGE_NAME = 0x20005,
    IMAGE_INFORMATION = 6,
    STREAMS = 0x2000a,
    HANDLE_LIST = 0x2000b,
    JOBS = 0x20013,
    INHERIT = 4,
    SUSPENDED = 1,
};

static struct caller c;
static enum cpu_arch arch; /* the child's */
static char folder[64];
static gva_t parameters;
static size_t attributes; /* in the list */

/* ---- The caller's side ------------------------------------------------------------------------ */

static void write_file(const char *name, const void *bytes, size_t len)
{
    char path[128];
    FILE *f;

    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(bytes, 1, len, f), len);
    ck_assert_int_eq(fclose(f), 0);
}

static void write_program(const char *name, const struct pe_builder *program)
{
    struct buf bytes;

    buf_init(&bytes, 1 << 20);
    pe_builder_write(program, &bytes);
    write_file(name, bytes.data, bytes.len);
    buf_fini(&bytes);
}

static void put_string(enum nt_field field, const char *text, gva_t at)
{
    gva_t string = parameters + nt_offset(c.p->arch, field);
    struct buf utf16;

    buf_init(&utf16, 0x200);
    ck_assert(utf16_append(&utf16, text));
    ck_assert(vm_debug_write(c.vm, at, utf16.data, utf16.len));
    ck_succeeds(guest_put(c.p, string, NT_STRING_LENGTH, utf16.len));
    ck_succeeds(guest_put(c.p, string, NT_STRING_BUFFER, at));
    buf_fini(&utf16);
}

static void setup(int i)
{
    struct pe_builder program;

    caller_init(&c, (enum cpu_arch)(i & 1), NULL, 0);
    arch = (enum cpu_arch)(i >> 1 & 1);
    strcpy(folder, "/tmp/winstub-create-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(volumes_add(&c.machine->volumes,
                                 "C:", open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC), true),
                     ERR_OK);
    pe_builder_init(&program, arch);
    write_program("child.exe", &program);
    caller_dlls(&c);
    attributes = 0;
    parameters = build_committed(c.vm, 0, 0x2000);
    ck_succeeds(guest_put(c.p, parameters, NT_PARAMETERS_FLAGS, 1));
    put_string(NT_PARAMETERS_IMAGE_PATH, "C:\\child.exe", parameters + 0x1000);
    put_string(NT_PARAMETERS_COMMAND_LINE, "child one \"two\"", parameters + 0x1200);
    put_string(NT_PARAMETERS_DIRECTORY, "C:\\", parameters + 0x1400);
}

static void teardown(void)
{
    char command[100];

    caller_fini(&c);
    (void)snprintf(command, sizeof command, "rm -r '%s'", folder);
    ck_assert_int_eq(system(command), 0);
}

/* One more attribute in the list, which begins with the program's name. */
static void attribute(uint64_t which, uint64_t size, uint64_t value)
{
    uint32_t pointer = nt_pointer(c.p->arch);
    gva_t at = caller_slot(&c, LIST) + pointer + 4 * (gva_t)pointer * attributes++;

    ck_succeeds(guest_put_pointer(c.p, at, which));
    ck_succeeds(guest_put_pointer(c.p, at + pointer, size));
    ck_succeeds(guest_put_pointer(c.p, at + 2 * (gva_t)pointer, value));
    ck_succeeds(guest_put_pointer(c.p, at + 3 * (gva_t)pointer, caller_slot(&c, LENGTH)));
    ck_succeeds(guest_put_pointer(c.p, caller_slot(&c, LIST),
                                  pointer + 4 * (uint64_t)pointer * attributes));
}

static void name(const char *path)
{
    caller_text(&c, NAME, path);
    attribute(IMAGE_NAME, 2 * strlen(path),
              caller_slot(&c, NAME) + nt_size(c.p->arch, NT_STRUCT_STRING));
}

static nt_status create(uint64_t process_flags, uint64_t thread_flags)
{
    return CALL(&c, "NtCreateUserProcess", caller_slot(&c, OUT_PROCESS),
                caller_slot(&c, OUT_THREAD), ALL, ALL, 0, 0, process_flags, thread_flags,
                parameters, 0, caller_slot(&c, LIST));
}

static struct process *child(void)
{
    return c.machine->processes->next;
}

/* It must be refused so, and nothing of it be left: no process, no handle, no byte. */
static void check_refused(nt_status status)
{
    size_t used = c.kernel.handles.used;
    uint64_t before = caller_get(&c, OUT_PROCESS);

    ck_status(create(INHERIT, 0), status);
    ck_assert_ptr_null(child());
    ck_assert_uint_eq(c.kernel.handles.used, used);
    ck_assert_uint_eq(caller_get(&c, OUT_PROCESS), before);
    attributes = 0;
}

/* ---- Making ----------------------------------------------------------------------------------- */

START_TEST(a_child_begins_as_it_was_asked_for)
{
    struct process_about about;

    setup(_i);
    name(PATH);
    ck_succeeds(create(0, 0));
    ck_assert_ptr_nonnull(child());
    ck_assert_int_eq(child()->arch, arch);
    ck_assert(child()->begun);
    ck_assert_uint_eq(child()->threads.list[0]->suspended, 0);
    process_about(child(), &about);
    ck_assert_uint_eq(about.parent, process_pid(c.p));
    ck_assert_str_eq(about.path, "C:\\child.exe");
    ck_assert_str_eq(about.command_line, "child one \"two\"");
}
END_TEST

START_TEST(the_caller_gets_handles_numbers_and_facts_of_the_image)
{
    uint32_t pointer;
    gva_t info;

    setup(_i);
    pointer = nt_pointer(c.p->arch);
    name(PATH);
    attribute(OUR_CLIENT_ID, 2 * pointer, caller_slot(&c, CLIENT_ID));
    attribute(TEB, pointer, caller_slot(&c, HANDLES));
    attribute(IMAGE_INFORMATION, nt_size(c.p->arch, NT_STRUCT_IMAGE), caller_slot(&c, INFORMATION));
    ck_succeeds(create(0, 0));
    ck_assert_ptr_eq(handles_entry(&c.kernel.handles, caller_get(&c, OUT_PROCESS))->object,
                     &child()->object->object);
    ck_assert_ptr_eq(handles_entry(&c.kernel.handles, caller_get(&c, OUT_THREAD))->object,
                     &child()->threads.list[0]->object);
    ck_assert_uint_eq(caller_get(&c, CLIENT_ID), process_pid(child()));
    ck_assert_uint_eq(guest_word(c.p, caller_slot(&c, CLIENT_ID) + pointer),
                      child()->threads.list[0]->info.tid);
    ck_assert_uint_eq(caller_get(&c, HANDLES),
                      (uint32_t)child()->threads.list[0]->info.teb |
                          (pointer == 8 ? child()->threads.list[0]->info.teb : 0));
    info = caller_slot(&c, INFORMATION);
    ck_assert_uint_eq(guest_u16(c.p, info + nt_offset(c.p->arch, NT_IMAGE_MACHINE)),
                      arch == CPU_AMD64 ? 0x8664 : 0x14c);
    ck_assert_uint_eq(caller_get(&c, LENGTH), nt_size(c.p->arch, NT_STRUCT_IMAGE));
}
END_TEST

START_TEST(what_does_not_fit_is_cut)
{
    setup(_i);
    name(PATH);
    caller_set(&c, CLIENT_ID, 0);
    attribute(OUR_CLIENT_ID, 2, caller_slot(&c, CLIENT_ID));
    ck_succeeds(create(0, 0));
    ck_assert_uint_eq(caller_get(&c, CLIENT_ID), process_pid(child()) & 0xffff);
    ck_assert_uint_eq(caller_get(&c, LENGTH), 2);
}
END_TEST

START_TEST(a_suspended_child_waits_to_be_resumed)
{
    setup(_i);
    name(PATH);
    ck_succeeds(create(0, SUSPENDED));
    ck_assert_uint_eq(child()->threads.list[0]->suspended, 1);
    ck_succeeds(CALL(&c, "NtResumeThread", caller_get(&c, OUT_THREAD), caller_slot(&c, LENGTH)));
    ck_assert_uint_eq(caller_get(&c, LENGTH), 1);
    ck_assert_uint_eq(child()->threads.list[0]->suspended, 0);
}
END_TEST

START_TEST(handles_have_the_rights_and_flags_that_were_asked_for)
{
    struct handle *entry;

    setup(_i);
    name(PATH);
    caller_attributes(&c, ATTRIBUTES, 0, NULL, OBJ_INHERIT);
    ck_succeeds(CALL(&c, "NtCreateUserProcess", caller_slot(&c, OUT_PROCESS),
                     caller_slot(&c, OUT_THREAD), 0x400, 0x2000000, caller_slot(&c, ATTRIBUTES), 0,
                     0, 0, parameters, 0, caller_slot(&c, LIST)));
    entry = handles_entry(&c.kernel.handles, caller_get(&c, OUT_PROCESS));
    ck_assert_uint_eq(entry->access & 0x400, 0x400);
    ck_assert_uint_eq(entry->access & 0x20, 0);
    ck_assert_uint_eq(entry->attributes, OBJ_INHERIT);
    entry = handles_entry(&c.kernel.handles, caller_get(&c, OUT_THREAD));
    ck_assert_uint_eq(entry->access, ALL);
    ck_assert_uint_eq(entry->attributes, 0);
}
END_TEST

START_TEST(another_process_may_be_the_parent)
{
    struct process *other;
    uint64_t handle = 0;

    setup(_i);
    other = caller_beside(&c, arch);
    ck_succeeds(handles_add(&c.kernel.handles, &other->object->object, 0x400, &handle));
    name(PATH);
    attribute(PARENT, 0, handle);
    ck_status(create(0, 0), STATUS_ACCESS_DENIED);
    handles_entry(&c.kernel.handles, handle)->access = 0x80;
    ck_succeeds(create(0, 0));
    ck_assert_uint_eq(other->next->object->parent, process_pid(other));
    attributes = 0;
    name(PATH);
    attribute(PARENT, 0, THIS_PROCESS);
    ck_succeeds(create(0, 0));
    ck_assert_uint_eq(other->next->next->object->parent, process_pid(c.p));
}
END_TEST

/* ---- Refusing --------------------------------------------------------------------------------- */

START_TEST(what_is_no_program_is_refused_as_what_it_is)
{
    static const struct {
        const char *path;
        nt_status status;
    } paths[] = {
        {"\\??\\C:\\none.exe", STATUS_OBJECT_NAME_NOT_FOUND},
        {"\\??\\C:\\none\\child.exe", STATUS_OBJECT_PATH_NOT_FOUND},
        {"\\??\\C:\\folder", STATUS_FILE_IS_A_DIRECTORY},
        {"\\??\\C:\\text.exe", STATUS_INVALID_IMAGE_NOT_MZ},
        {"\\??\\C:\\empty.exe", STATUS_INVALID_FILE_FOR_SECTION},
        {"\\??\\C:\\dos.exe", STATUS_INVALID_IMAGE_PROTECT},
        {"\\??\\C:\\library.dll", STATUS_INVALID_IMAGE_FORMAT},
        {"\\??\\C:\\nothing.exe", STATUS_INVALID_IMAGE_FORMAT},
        {"C:\\child.exe", STATUS_OBJECT_PATH_SYNTAX_BAD},
    };
    uint8_t dos[0x48] = {'M', 'Z', [0x3c] = 0x40};
    struct pe_builder program;
    char path[128];

    setup(_i);
    (void)snprintf(path, sizeof path, "%s/folder", folder);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    write_file("text.exe", "some text", 9);
    write_file("empty.exe", "", 0);
    write_file("dos.exe", dos, sizeof dos);
    pe_builder_init(&program, arch);
    program.entry = 0;
    write_program("nothing.exe", &program);
    pe_builder_init(&program, arch);
    program.characteristics |= 0x2000;
    write_program("library.dll", &program);
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        name(paths[i].path);
        check_refused(paths[i].status);
    }
}
END_TEST

START_TEST(without_dlls_of_its_width_a_child_is_refused)
{
    struct process_event event;

    setup(_i);
    c.machine->dlls[arch].e = ERR_NOT_FOUND;
    strcpy(c.machine->dlls[arch].why.text, "what helps");
    process_watch_processes(c.p, true);
    name(PATH);
    check_refused(arch == CPU_AMD64 ? STATUS_INVALID_IMAGE_WIN_64 : STATUS_INVALID_IMAGE_FORMAT);
    ck_assert(process_event(c.p, &event));
    ck_assert(!event.begun);
    ck_assert_uint_eq(event.pid, 0);
    ck_assert_uint_eq(event.parent, process_pid(c.p));
    ck_assert_str_eq(event.path, "C:\\child.exe");
    ck_assert_str_eq(event.why.text, "what helps");
    ck_assert(!process_event(c.p, &event));
}
END_TEST

START_TEST(a_program_that_is_being_written_is_refused)
{
    const struct file_request request = {
        .access = ACCESS_WRITE_DATA, .share = SHARE_READ, .disposition = DISPOSE_OPEN};
    struct file *file;
    uint32_t how;

    setup(_i);
    ck_succeeds(files_create(&c.machine->volumes, PATH, &request, &file, &how));
    name(PATH);
    check_refused(STATUS_SHARING_VIOLATION);
    object_unref(&file->object);
}
END_TEST

START_TEST(attributes_that_make_no_sense_are_refused)
{
    gva_t list;

    setup(_i);
    list = caller_slot(&c, LIST);
    ck_succeeds(guest_put_pointer(c.p, list, nt_pointer(c.p->arch)));
    check_refused(STATUS_INVALID_PARAMETER); /* no name */
    name(PATH);
    name(PATH);
    check_refused(STATUS_INVALID_PARAMETER); /* two */
    name(PATH);
    attribute(0x20033, 8, 1);
    check_refused(STATUS_INVALID_PARAMETER); /* unknown */
    name(PATH);
    ck_succeeds(guest_put_pointer(c.p, list, 5 * (uint64_t)nt_pointer(c.p->arch) + 1));
    check_refused(STATUS_INVALID_PARAMETER); /* a part of one */
    name(PATH);
    ck_succeeds(guest_put_pointer(c.p, list, 0));
    check_refused(STATUS_INVALID_PARAMETER);
    name(PATH);
    attribute(DEBUG_OBJECT, 8, 0x44);
    check_refused(STATUS_NOT_SUPPORTED);
    name(PATH);
    attribute(JOBS, 8, caller_slot(&c, HANDLES));
    check_refused(STATUS_NOT_SUPPORTED);
    attribute(IMAGE_NAME, 3, caller_slot(&c, NAME));
    check_refused(STATUS_INVALID_PARAMETER);
    attribute(IMAGE_NAME, 8, 0x10);
    check_refused(STATUS_ACCESS_VIOLATION);
    name(PATH);
    ck_status(create(0, 4), STATUS_INVALID_PARAMETER); /* hidden from debuggers */
    ck_assert_ptr_null(child());
}
END_TEST

START_TEST(what_cannot_be_answered_leaves_nothing)
{
    setup(_i);
    name(PATH);
    attribute(OUR_CLIENT_ID, 2 * nt_pointer(c.p->arch), 0x10);
    check_refused(STATUS_ACCESS_VIOLATION);
    parameters = 0x10;
    name(PATH);
    check_refused(STATUS_ACCESS_VIOLATION);
}
END_TEST

START_TEST(there_are_only_so_many)
{
    unsigned made = 1;

    setup(_i);
    name(PATH);
    while (made < PROCESSES_MAX) {
        ck_succeeds(create(0, SUSPENDED));
        made++;
    }
    ck_status(create(0, SUSPENDED), STATUS_INSUFFICIENT_RESOURCES);
    process_discard(child());
    ck_succeeds(create(0, SUSPENDED));
}
END_TEST

START_TEST(without_memory_a_child_is_not_made_and_with_it_then_is)
{
    unsigned long failed = 1;
    struct call call;

    setup(_i);
    name(PATH);
    call = (struct call){.process = c.p,
                         .kernel = &c.kernel,
                         .thread = c.p->threads.on_cpu,
                         .arg = {caller_slot(&c, OUT_PROCESS), caller_slot(&c, OUT_THREAD), ALL,
                                 ALL, 0, 0, 0, 0, parameters, 0, caller_slot(&c, LIST)}};
    for (unsigned long n = 1; failed; n += 1 + n / 8) {
        nt_status st;

        alloc_fail_at(n);
        st = serve_NtCreateUserProcess(&call);
        failed = alloc_fail_stop();
        if (st) {
            ck_assert_ptr_null(child());
            ck_assert_uint_eq(c.kernel.handles.used, 0);
        } else if (failed) { /* what went wrong was not needed */
            process_discard(child());
            handles_fini(&c.kernel.handles);
        }
    }
    ck_assert_ptr_nonnull(child());
}
END_TEST

/* ---- Handles ---------------------------------------------------------------------------------- */

static uint64_t event(uint32_t attributes_of_it)
{
    struct object *object = (struct object *)files_new(FILE_NULL, -1, strdup(""));
    uint64_t handle = 0;

    ck_assert_ptr_nonnull(object);
    ck_succeeds(handles_add(&c.kernel.handles, object, 1, &handle));
    handles_entry(&c.kernel.handles, handle)->attributes = attributes_of_it;
    object_unref(object);
    return handle;
}

static struct handle *inherited(uint64_t handle)
{
    return handles_entry(&child()->kernel->handles, handle);
}

START_TEST(handles_are_inherited_when_they_and_the_caller_say_so)
{
    uint64_t kept, given, protected;
    struct handle *entry;

    setup(_i);
    kept = event(0);
    given = event(OBJ_INHERIT);
    protected = event(OBJ_INHERIT | OBJ_PROTECT_CLOSE);
    name(PATH);
    ck_succeeds(create(0, 0));
    ck_assert_uint_eq(child()->kernel->handles.used, 0);
    process_discard(child());
    ck_succeeds(create(INHERIT, 0));
    ck_assert_ptr_null(inherited(kept));
    entry = inherited(given);
    ck_assert_ptr_nonnull(entry);
    ck_assert_ptr_eq(entry->object, handles_entry(&c.kernel.handles, given)->object);
    ck_assert_uint_eq(entry->access, handles_entry(&c.kernel.handles, given)->access);
    ck_assert_uint_eq(entry->attributes, OBJ_INHERIT);
    ck_assert_uint_eq(inherited(protected)->attributes, OBJ_INHERIT | OBJ_PROTECT_CLOSE);
    ck_assert_uint_eq(child()->kernel->handles.used, 2);
}
END_TEST

START_TEST(a_list_says_which_handles_are_inherited)
{
    uint64_t kept, listed;
    uint32_t pointer;
    gva_t list;

    setup(_i);
    pointer = nt_pointer(c.p->arch);
    list = caller_slot(&c, HANDLES);
    kept = event(OBJ_INHERIT);
    listed = event(OBJ_INHERIT);
    ck_succeeds(guest_put_pointer(c.p, list, listed));
    ck_succeeds(guest_put_pointer(c.p, list + pointer, listed));
    name(PATH);
    attribute(HANDLE_LIST, 2 * pointer, list);
    ck_succeeds(create(INHERIT, 0));
    ck_assert_ptr_nonnull(inherited(listed));
    ck_assert_ptr_null(inherited(kept));
    process_discard(child());
    ck_succeeds(create(0, 0));
    ck_assert_ptr_null(inherited(listed));
    process_discard(child());
    ck_succeeds(guest_put_pointer(c.p, list + pointer, 0));
    ck_succeeds(create(INHERIT, 0));
    ck_assert_ptr_null(inherited(listed));
    process_discard(child());
    ck_succeeds(guest_put_pointer(c.p, list + pointer, event(0)));
    check_refused(STATUS_INVALID_PARAMETER);
}
END_TEST

/* Those that the parameters name: never, when the program is of a subsystem, or always; Wine's kernel gives them unasked. */
START_TEST(standard_handles_are_given_as_the_attribute_says)
{
    static const struct {
        uint32_t state, subsystem;
        bool wine, given;
    } cases[] = {{0, 3, true, false}, {1, 3, false, true},    {1, 2, false, false},
                 {2, 2, false, true}, {~0u, 0, false, false}, {~0u, 0, true, true}};
    uint64_t handle;

    setup(_i);
    handle = event(0);
    ck_succeeds(guest_put(c.p, parameters, NT_PARAMETERS_STDOUT, handle));
    ck_succeeds(guest_put(c.p, parameters, NT_PARAMETERS_STDIN, 0x7ffffff0));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        c.kernel.wine = cases[i].wine;
        name(PATH);
        ck_succeeds(guest_put_number(c.p, caller_slot(&c, HANDLES), 4, cases[i].state));
        ck_succeeds(guest_put_number(c.p, caller_slot(&c, HANDLES) + 4, 4, cases[i].subsystem));
        if (cases[i].state != ~0u)
            attribute(STREAMS, 8, caller_slot(&c, HANDLES));
        ck_succeeds(create(0, 0));
        ck_assert_msg(!inherited(handle) == !cases[i].given, "case %zu", i);
        if (cases[i].given)
            ck_assert_uint_eq(inherited(handle)->attributes, OBJ_INHERIT);
        process_discard(child());
        attributes = 0;
    }
}
END_TEST

static uint64_t child_number(enum nt_field field)
{
    uint64_t at = 0, value = 0;

    ck_assert(nt_read(child()->vm, arch, child()->peb, NT_PEB_PARAMETERS, &at));
    ck_assert(nt_read(child()->vm, arch, at, field, &value));
    return value;
}

START_TEST(a_console_of_its_own_is_the_users_terminal)
{
    static const enum nt_field fields[] = {NT_PARAMETERS_STDIN, NT_PARAMETERS_STDOUT,
                                           NT_PARAMETERS_STDERR};

    setup(_i);
    c.kernel.wine = _i & 4;
    name(PATH);
    for (size_t i = 0; i < COUNT_OF(fields); i++)
        ck_succeeds(guest_put(c.p, parameters, fields[i], UINT64_MAX));
    ck_succeeds(create(0, 0));
    ck_assert_uint_eq(child()->kernel->handles.used, 0);
    process_discard(child());
    ck_succeeds(guest_put(c.p, parameters, NT_PARAMETERS_CONSOLE, UINT64_MAX - !(_i & 4)));
    ck_succeeds(create(0, 0));
    ck_assert_uint_eq(child()->kernel->handles.used, 3);
    ck_assert_int_eq(child_number(NT_PARAMETERS_CONSOLE) == 0, c.kernel.wine);
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        const struct handle *entry = inherited(child_number(fields[i]));

        ck_assert_ptr_nonnull(entry);
        ck_assert_int_eq(((struct file *)entry->object)->fd, (int)i);
        ck_assert_uint_eq(entry->attributes, OBJ_INHERIT);
    }
    process_discard(child());
    ck_succeeds(guest_put(c.p, parameters, NT_PARAMETERS_STDERR, event(OBJ_INHERIT)));
    ck_succeeds(create(INHERIT, 0));
    ck_assert_uint_eq(child()->kernel->handles.used, 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("serve_create");
    TCase *tc = tcase_create("making");

    tcase_add_checked_fixture(tc, NULL, teardown);
    tcase_add_loop_test(tc, a_child_begins_as_it_was_asked_for, 0, 4);
    tcase_add_loop_test(tc, the_caller_gets_handles_numbers_and_facts_of_the_image, 0, 4);
    tcase_add_loop_test(tc, what_does_not_fit_is_cut, 0, 2);
    tcase_add_loop_test(tc, a_suspended_child_waits_to_be_resumed, 0, 4);
    tcase_add_loop_test(tc, handles_have_the_rights_and_flags_that_were_asked_for, 0, 2);
    tcase_add_loop_test(tc, another_process_may_be_the_parent, 0, 4);
    suite_add_tcase(suite, tc);

    tc = tcase_create("refusing");
    tcase_add_checked_fixture(tc, NULL, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, what_is_no_program_is_refused_as_what_it_is, 0, 4);
    tcase_add_loop_test(tc, without_dlls_of_its_width_a_child_is_refused, 0, 4);
    tcase_add_loop_test(tc, a_program_that_is_being_written_is_refused, 0, 2);
    tcase_add_loop_test(tc, attributes_that_make_no_sense_are_refused, 0, 2);
    tcase_add_loop_test(tc, what_cannot_be_answered_leaves_nothing, 0, 2);
    tcase_add_loop_test(tc, there_are_only_so_many, 3, 4);
    tcase_add_loop_test(tc, without_memory_a_child_is_not_made_and_with_it_then_is, 0, 4);
    suite_add_tcase(suite, tc);

    tc = tcase_create("handles");
    tcase_add_checked_fixture(tc, NULL, teardown);
    tcase_add_loop_test(tc, handles_are_inherited_when_they_and_the_caller_say_so, 0, 4);
    tcase_add_loop_test(tc, a_list_says_which_handles_are_inherited, 0, 4);
    tcase_add_loop_test(tc, standard_handles_are_given_as_the_attribute_says, 0, 4);
    tcase_add_loop_test(tc, a_console_of_its_own_is_the_users_terminal, 0, 8);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
