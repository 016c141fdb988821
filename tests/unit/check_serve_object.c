/* Services about handles of any kind: closing, duplicating, what each information class tells. _i is the architecture. */
#include <check.h>

#include "nt/guest.h"
#include "nt/threads.h"
#include "process_builder.h"
#include "service_caller.h"
#include "suite.h"
#include "vm_builder.h"

#define ALL       0x1f0003u
#define NO_HANDLE UINT64_C(0x400)

enum { CLOSE_SOURCE = 1, SAME_ACCESS = 2 };     /* DuplicateHandle */
enum { BASIC, NAME_OF, TYPE, FLAGS = 4 };       /* OBJECT_INFORMATION_CLASS */
enum { HANDLE, NEEDED, INFO, LAST = INFO + 2 }; /* slots */

static struct caller c;
static uint64_t event;

static void setup(int arch)
{
    caller_init(&c, (enum cpu_arch)arch, NULL, 0);
    ck_succeeds(CALL(&c, "NtCreateEvent", caller_slot(&c, HANDLE), 3, 0, 0, 0));
    event = caller_get(&c, HANDLE);
}

static void teardown(void)
{
    caller_fini(&c);
}

static nt_status duplicate(uint64_t source, uint32_t access, uint32_t options)
{
    return CALL(&c, "NtDuplicateObject", THIS_PROCESS, source, THIS_PROCESS,
                caller_slot(&c, HANDLE), access, 0, options);
}

static nt_status query(uint64_t handle, uint32_t class, uint32_t length)
{
    return CALL(&c, "NtQueryObject", handle, class, caller_slot(&c, INFO), length,
                caller_slot(&c, NEEDED));
}

static uint32_t access_of(uint64_t handle)
{
    return handles_entry(&c.kernel.handles, handle)->access;
}

START_TEST(a_handle_is_closed_once)
{
    setup(_i);
    ck_succeeds(CALL(&c, "NtClose", event));
    REFUSED(&c, STATUS_INVALID_HANDLE, "NtClose", event);
    REFUSED(&c, STATUS_INVALID_HANDLE, "NtClose", 0);
}
END_TEST

START_TEST(closing_a_pseudo_handle_has_no_effect)
{
    setup(_i);
    for (uint64_t handle = HANDLE_EITHER_TOKEN; handle; handle++)
        ck_succeeds(CALL(&c, "NtClose", handle));
    REFUSED(&c, STATUS_INVALID_HANDLE, "NtClose", HANDLE_EITHER_TOKEN - 1);
}
END_TEST

START_TEST(a_duplicate_has_the_rights_that_were_asked_for)
{
    setup(_i);
    ck_succeeds(duplicate(event, 0x100000, 0));
    ck_assert_uint_ne(caller_get(&c, HANDLE), event);
    ck_assert_uint_eq(access_of(caller_get(&c, HANDLE)), 0x100000);
    ck_succeeds(duplicate(event, 0x100000, SAME_ACCESS));
    ck_assert_uint_eq(access_of(caller_get(&c, HANDLE)), 3);
    ck_succeeds(CALL(&c, "NtSetEvent", caller_get(&c, HANDLE), 0));
    ck_succeeds(CALL(&c, "NtQueryEvent", event, 0, caller_slot(&c, INFO), 8, 0));
    ck_assert_uint_eq(guest_u32(c.p, caller_slot(&c, INFO) + 4), 1); /* one event */
}
END_TEST

START_TEST(a_duplicate_may_take_the_place_of_its_source)
{
    setup(_i);
    ck_succeeds(duplicate(event, 0, CLOSE_SOURCE | SAME_ACCESS));
    ck_assert_uint_ne(caller_get(&c, HANDLE), event);
    REFUSED(&c, STATUS_INVALID_HANDLE, "NtClose", event);
    /* without a target process the source is only closed */
    event = caller_get(&c, HANDLE);
    ck_succeeds(CALL(&c, "NtDuplicateObject", THIS_PROCESS, event, 0, 0, 0, 0, CLOSE_SOURCE));
    REFUSED(&c, STATUS_INVALID_HANDLE, "NtClose", event);
}
END_TEST

START_TEST(a_pseudo_handle_becomes_a_real_one)
{
    struct object *object = NULL;

    setup(_i);
    ck_succeeds(duplicate(HANDLE_CURRENT_THREAD, 0, SAME_ACCESS | CLOSE_SOURCE));
    ck_succeeds(handles_get(&c.kernel.handles, caller_get(&c, HANDLE), &thread_class, &object));
    ck_assert_ptr_eq(object, &c.p->threads.list[0]->object);
    ck_assert_uint_eq(access_of(caller_get(&c, HANDLE)), 0x1fffff);
    ck_succeeds(duplicate(HANDLE_CURRENT_PROCESS, 0, SAME_ACCESS));
    ck_succeeds(handles_get(&c.kernel.handles, caller_get(&c, HANDLE), &process_class, &object));
}
END_TEST

START_TEST(what_cannot_be_duplicated)
{
    setup(_i);
    ck_status(duplicate(NO_HANDLE, 0, 0), STATUS_INVALID_HANDLE);
    REFUSED(&c, STATUS_OBJECT_TYPE_MISMATCH, "NtDuplicateObject", event, event, THIS_PROCESS,
            caller_slot(&c, HANDLE), 0, 0, 0);
    REFUSED(&c, STATUS_INVALID_HANDLE, "NtDuplicateObject", THIS_PROCESS, event, NO_HANDLE,
            caller_slot(&c, HANDLE), 0, 0, 0);
    REFUSED(&c, STATUS_ACCESS_VIOLATION, "NtDuplicateObject", THIS_PROCESS, event, THIS_PROCESS, 8,
            0, 0, 0);
    ck_assert_uint_eq(handles_entry(&c.kernel.handles, event)->object->references, 1);
}
END_TEST

START_TEST(flags_protect_from_closing)
{
    static const uint8_t inherit[2] = {1, 0}, protect[2] = {0, 1}, none[2] = {0, 0};

    setup(_i);
    ck_assert(vm_debug_write(c.vm, caller_slot(&c, INFO), protect, 2));
    ck_succeeds(CALL(&c, "NtSetInformationObject", event, FLAGS, caller_slot(&c, INFO), 2));
    REFUSED(&c, STATUS_HANDLE_NOT_CLOSABLE, "NtClose", event);
    ck_succeeds(query(event, FLAGS, 2));
    ck_assert_uint_eq(guest_u16(c.p, caller_slot(&c, INFO)), 0x100);
    ck_assert(vm_debug_write(c.vm, caller_slot(&c, INFO), inherit, 2));
    ck_succeeds(CALL(&c, "NtSetInformationObject", event, FLAGS, caller_slot(&c, INFO), 2));
    ck_succeeds(query(event, FLAGS, 2));
    ck_assert_uint_eq(guest_u16(c.p, caller_slot(&c, INFO)), 1);
    ck_assert(vm_debug_write(c.vm, caller_slot(&c, INFO), none, 2));
    REFUSED(&c, STATUS_INFO_LENGTH_MISMATCH, "NtSetInformationObject", event, FLAGS,
            caller_slot(&c, INFO), 1);
    REFUSED(&c, STATUS_INVALID_INFO_CLASS, "NtSetInformationObject", event, BASIC,
            caller_slot(&c, INFO), 2);
    REFUSED(&c, STATUS_INVALID_HANDLE, "NtSetInformationObject", NO_HANDLE, FLAGS,
            caller_slot(&c, INFO), 2);
    REFUSED(&c, STATUS_ACCESS_VIOLATION, "NtSetInformationObject", event, FLAGS, 8, 2);
    ck_succeeds(CALL(&c, "NtClose", event));
}
END_TEST

START_TEST(what_an_object_tells)
{
    char text[512];

    setup(_i);
    ck_succeeds(query(event, BASIC, 0x38));
    ck_assert_uint_eq(guest_u32(c.p, caller_slot(&c, INFO) + 4), 3); /* GrantedAccess */
    ck_assert_uint_eq(guest_u32(c.p, caller_slot(&c, NEEDED)), 0x38);
    ck_succeeds(query(event, TYPE, 2 * CALLER_SLOT_SIZE));
    ck_assert_str_eq(guest_string(c.p, caller_slot(&c, INFO), text), "Event");
    ck_succeeds(query(event, NAME_OF, 2 * CALLER_SLOT_SIZE));
    ck_assert_str_eq(guest_string(c.p, caller_slot(&c, INFO), text), "");
    ck_status(query(event, TYPE, 0x10), STATUS_INFO_LENGTH_MISMATCH);
    ck_assert_uint_gt(guest_u32(c.p, caller_slot(&c, NEEDED)), 0x10);
    ck_status(query(event, 3, 0x100), STATUS_INVALID_INFO_CLASS);
    ck_status(query(NO_HANDLE, BASIC, 0x38), STATUS_INVALID_HANDLE);
    REFUSED(&c, STATUS_ACCESS_VIOLATION, "NtQueryObject", event, BASIC, 8, 0x38, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("serve_object");
    TCase *tc = tcase_create("serve_object");

    tcase_add_checked_fixture(tc, NULL, teardown);
    tcase_add_loop_test(tc, a_handle_is_closed_once, 0, 2);
    tcase_add_loop_test(tc, closing_a_pseudo_handle_has_no_effect, 0, 2);
    tcase_add_loop_test(tc, a_duplicate_has_the_rights_that_were_asked_for, 0, 2);
    tcase_add_loop_test(tc, a_duplicate_may_take_the_place_of_its_source, 0, 2);
    tcase_add_loop_test(tc, a_pseudo_handle_becomes_a_real_one, 0, 2);
    tcase_add_loop_test(tc, what_cannot_be_duplicated, 0, 2);
    tcase_add_loop_test(tc, flags_protect_from_closing, 0, 2);
    tcase_add_loop_test(tc, what_an_object_tells, 0, 2);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
