/* core/nt/notices.c: who hears of which change, and how much of it. */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nt/files.h"
#include "nt/notices.h"
#include "nt/requests.h"
#include "process_builder.h"
#include "service_caller.h"
#include "suite.h"
#include "vm_builder.h"
#include "winstub/bytes.h"

enum { IOSB, BUFFER, ELSEWHERE };
#define UNTOUCHED 0x55555555u

static struct caller c;
static char host[64];

static void setup(void)
{
    caller_init(&c, CPU_AMD64, NULL, 0);
    memcpy(host, "/tmp/winstub-notices-XXXXXX", 28);
    ck_assert_ptr_nonnull(mkdtemp(host));
    ck_assert_int_eq(volumes_add(&c.machine->volumes, "C:", open(host, O_PATH | O_DIRECTORY), true),
                     ERR_OK);
}

static void teardown(void)
{
    char command[100];

    requests_drop_all(c.p->threads.list[0]);
    handles_fini(&c.kernel.handles);
    ck_assert_uint_eq(c.machine->volumes.watched, 0);
    volumes_fini(&c.machine->volumes);
    caller_fini(&c);
    (void)snprintf(command, sizeof command, "rm -r '%s'", host);
    ck_assert_int_eq(system(command), 0);
}

/* Open or make a file, or a folder; its handle. */
static uint64_t open_path(const char *path, uint32_t options)
{
    const struct file_request request = {.access = ACCESS_ALL_OF_FILE,
                                         .share = SHARE_READ | SHARE_WRITE | SHARE_DELETE,
                                         .disposition = DISPOSE_OPEN_IF,
                                         .options = options};
    struct file *file = NULL;
    uint64_t handle;
    uint32_t how;

    ck_succeeds(files_create(&c.machine->volumes, path, &request, &file, &how));
    ck_succeeds(handles_add(&c.kernel.handles, &file->object, file->access, &handle));
    object_unref(&file->object);
    return handle;
}

static nt_status watch(uint64_t folder, uint64_t size, uint32_t what, bool below)
{
    ck_assert(nt_write(c.vm, c.p->arch, caller_slot(&c, IOSB), NT_IO_STATUS, UNTOUCHED));
    return CALL(&c, "NtNotifyChangeDirectoryFile", folder, 0, 0, 0, caller_slot(&c, IOSB),
                caller_slot(&c, BUFFER), size, what, below);
}

static nt_status status(void)
{
    return guest_u32(c.p, caller_slot(&c, IOSB));
}

/* The records as "1:name 2:other". */
static void expect(const char *text)
{
    uint64_t size = guest_word(c.p, caller_slot(&c, IOSB) + 8);
    gva_t at = caller_slot(&c, BUFFER);
    char said[200] = "";

    ck_status(status(), size ? STATUS_SUCCESS : STATUS_NOTIFY_ENUM_DIR);
    while (size) {
        uint32_t next = guest_u32(c.p, at), length = guest_u32(c.p, at + 8);
        size_t len = strlen(said);

        len += (size_t)snprintf(said + len, sizeof said - len, "%s%u:", len ? " " : "",
                                guest_u32(c.p, at + 4));
        for (uint32_t i = 0; i < length / 2; i++)
            said[len++] = (char)guest_u16(c.p, at + 12 + 2 * i);
        if (!next)
            break;
        at += next;
    }
    ck_assert_str_eq(said, text);
}

static void tell(const char *path, uint32_t what, enum notice action)
{
    notices_tell(&c.machine->volumes, path, what, action);
}

START_TEST(who_asks_for_nothing_is_refused)
{
    uint64_t folder = open_path("\\??\\C:\\", OPTION_DIRECTORY), file = open_path("\\??\\C:\\a", 0);

    ck_status(watch(folder, 64, 0, false), STATUS_INVALID_PARAMETER);
    ck_status(watch(folder, 64, 0x1000, false), STATUS_INVALID_PARAMETER);
    ck_status(watch(file, 64, NOTICE_SIZE, false), STATUS_INVALID_PARAMETER);
}
END_TEST

START_TEST(only_what_is_watched_is_told)
{
    uint64_t folder = open_path("\\??\\C:\\", OPTION_DIRECTORY);

    ck_status(watch(folder, 64, NOTICE_FILE_NAME, false), STATUS_PENDING);
    tell("C:\\a", NOTICE_SIZE, NOTICE_MODIFIED);
    tell("C:\\sub\\a", NOTICE_FILE_NAME, NOTICE_ADDED);
    tell("D:\\a", NOTICE_FILE_NAME, NOTICE_ADDED);
    ck_status(status(), UNTOUCHED);
    (void)open_path("\\??\\C:\\name", 0);
    expect("1:name");
}
END_TEST

START_TEST(folders_below_are_told_of_when_asked_for)
{
    uint64_t folder = open_path("\\??\\C:\\sub", OPTION_DIRECTORY);

    ck_status(watch(folder, 64, NOTICE_SIZE, true), STATUS_PENDING);
    tell("C:\\subs\\a", NOTICE_SIZE, NOTICE_MODIFIED);
    ck_status(status(), UNTOUCHED);
    tell("c:\\SUB\\x\\a", NOTICE_SIZE, NOTICE_MODIFIED);
    expect("3:x\\a");
}
END_TEST

START_TEST(what_happens_between_requests_is_kept)
{
    uint64_t folder = open_path("\\??\\C:\\", OPTION_DIRECTORY);

    ck_status(watch(folder, 64, NOTICE_FILE_NAME, false), STATUS_PENDING);
    tell("C:\\a", NOTICE_FILE_NAME, NOTICE_ADDED);
    expect("1:a");
    notices_tell_move(&c.machine->volumes, "C:\\a", "C:\\bc", NOTICE_FILE_NAME);
    notices_tell_move(&c.machine->volumes, "C:\\bc", "C:\\d\\bc", NOTICE_FILE_NAME);
    ck_status(watch(folder, 64, NOTICE_FILE_NAME, false), STATUS_SUCCESS);
    expect("4:a 5:bc 2:bc");
    for (unsigned i = 0; i < 5; i++)
        tell("C:\\a name of 16 B", NOTICE_FILE_NAME, NOTICE_ADDED);
    ck_status(watch(folder, 64, NOTICE_FILE_NAME, false), STATUS_NOTIFY_ENUM_DIR);
    expect("");
    ck_status(watch(folder, 64, NOTICE_FILE_NAME, false), STATUS_PENDING);
}
END_TEST

START_TEST(without_room_there_is_only_a_hint)
{
    uint64_t folder = open_path("\\??\\C:\\", OPTION_DIRECTORY);

    ck_status(watch(folder, 0, NOTICE_FILE_NAME, false), STATUS_PENDING);
    tell("C:\\a", NOTICE_FILE_NAME, NOTICE_ADDED);
    expect("");
    ck_status(watch(folder, 64, NOTICE_FILE_NAME, false), STATUS_PENDING);
    tell("C:\\a", NOTICE_FILE_NAME, NOTICE_ADDED);
    expect("");
}
END_TEST

START_TEST(the_end_of_the_folder_is_told)
{
    uint64_t folder = open_path("\\??\\C:\\sub", OPTION_DIRECTORY), other;
    struct file *file;

    ck_status(watch(folder, 64, NOTICE_FILE_NAME, false), STATUS_PENDING);
    other = open_path("\\??\\C:\\sub", OPTION_DIRECTORY);
    ck_succeeds(files_get(&c.kernel.handles, other, &file));
    ck_succeeds(files_doom(file, true, false));
    ck_status(status(), STATUS_DELETE_PENDING);
    ck_status(watch(folder, 64, NOTICE_FILE_NAME, false), STATUS_PENDING);
    ck_succeeds(CALL(&c, "NtClose", folder));
    ck_status(status(), STATUS_NOTIFY_CLEANUP);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("notices");
    TCase *tc = tcase_create("notices");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, who_asks_for_nothing_is_refused);
    tcase_add_test(tc, only_what_is_watched_is_told);
    tcase_add_test(tc, folders_below_are_told_of_when_asked_for);
    tcase_add_test(tc, what_happens_between_requests_is_kept);
    tcase_add_test(tc, without_room_there_is_only_a_hint);
    tcase_add_test(tc, the_end_of_the_folder_is_told);
    suite_add_tcase(s, tc);
    return suite_main(s);
}
