/* Services about the user, called as a guest calls them. _i is the architecture. */
#include <check.h>

#include "nt/guest.h"
#include "nt/token.h"
#include "process_builder.h"
#include "service_caller.h"
#include "suite.h"
#include "vm_builder.h"

#define NO_HANDLE UINT64_C(0x400)
#define TOKEN_ALL 0xf01ffu

enum { HANDLE, NEEDED, INFO }; /* slots */

static struct caller c;

static void setup(int arch)
{
    caller_init(&c, (enum cpu_arch)arch, NULL, 0);
}

static void teardown(void)
{
    caller_fini(&c);
}

static nt_status query(const char *service, uint64_t handle, uint32_t class, uint32_t length)
{
    return CALL(&c, service, handle, class, caller_slot(&c, INFO), length, caller_slot(&c, NEEDED));
}

static uint32_t info(unsigned i)
{
    return guest_u32(c.p, caller_slot(&c, INFO) + 4 * i);
}

static uint32_t needed(void)
{
    return guest_u32(c.p, caller_slot(&c, NEEDED));
}

START_TEST(the_user_is_known_by_his_sid)
{
    uint32_t pointer, size;
    gva_t sid;

    setup(_i);
    pointer = nt_pointer(c.p->arch);
    size = nt_size(c.p->arch, NT_STRUCT_SID_AND_ATTRIBUTES) + 28;
    ck_succeeds(CALL(&c, "NtOpenProcessToken", THIS_PROCESS, TOKEN_ALL, caller_slot(&c, HANDLE)));
    ck_status(query("NtQueryInformationToken", caller_get(&c, HANDLE), 1, size - 1),
              STATUS_BUFFER_TOO_SMALL);
    ck_assert_uint_eq(needed(), size);
    ck_succeeds(query("NtQueryInformationToken", caller_get(&c, HANDLE), 1, size));
    sid = guest_word(c.p, caller_slot(&c, INFO));
    ck_assert_uint_eq(sid, caller_slot(&c, INFO) + 2 * pointer);
    ck_assert_uint_eq(guest_u32(c.p, sid) & 0xffff, 0x0501); /* revision, parts */
    ck_assert_uint_eq(guest_u32(c.p, sid + 8), 21);
    ck_assert_uint_eq(guest_u32(c.p, sid + 24), 1000);
    ck_succeeds(query("NtQueryInformationToken", HANDLE_PROCESS_TOKEN, 1, size));
    ck_succeeds(query("NtQueryInformationToken", HANDLE_EITHER_TOKEN, 20, 4));
    ck_assert_uint_eq(info(0), 0); /* not elevated */
}
END_TEST

START_TEST(tokens_that_are_not_there)
{
    setup(_i);
    ck_status(query("NtQueryInformationToken", HANDLE_THREAD_TOKEN, 1, 64), STATUS_NO_TOKEN);
    ck_status(query("NtQueryInformationToken", NO_HANDLE, 1, 64), STATUS_INVALID_HANDLE);
    ck_status(query("NtQueryInformationToken", HANDLE_PROCESS_TOKEN, 999, 64),
              STATUS_INVALID_INFO_CLASS);
    REFUSED(&c, STATUS_NO_TOKEN, "NtOpenThreadToken", HANDLE_CURRENT_THREAD, TOKEN_ALL, 0,
            caller_slot(&c, HANDLE));
    REFUSED(&c, STATUS_INVALID_HANDLE, "NtOpenProcessTokenEx", NO_HANDLE, TOKEN_ALL, 0,
            caller_slot(&c, HANDLE));
    REFUSED(&c, STATUS_OBJECT_TYPE_MISMATCH, "NtOpenThreadTokenEx", HANDLE_CURRENT_PROCESS,
            TOKEN_ALL, 0, 0, caller_slot(&c, HANDLE));
}
END_TEST

/* TOKEN_PRIVILEGES of one or two, to be switched on. */
static nt_status adjust(uint64_t handle, uint32_t count, uint32_t first, uint32_t second)
{
    const uint32_t words[] = {count, first, 0, 2, second, 0, 2};

    for (unsigned i = 0; i < COUNT_OF(words); i++)
        ck_succeeds(guest_put_number(c.p, caller_slot(&c, INFO) + 4 * i, 4, words[i]));
    return CALL(&c, "NtAdjustPrivilegesToken", handle, 0, caller_slot(&c, INFO), 0, 0, 0);
}

START_TEST(privileges_are_those_of_a_plain_user)
{
    setup(_i);
    ck_succeeds(adjust(HANDLE_PROCESS_TOKEN, 1, 23, 0));
    ck_succeeds(adjust(HANDLE_PROCESS_TOKEN, 2, 19, 34));
    ck_status(adjust(HANDLE_PROCESS_TOKEN, 2, 19, 20), STATUS_NOT_ALL_ASSIGNED); /* debugging */
    ck_status(adjust(HANDLE_PROCESS_TOKEN, 65, 19, 19), STATUS_INVALID_PARAMETER);
    ck_status(adjust(NO_HANDLE, 1, 19, 0), STATUS_INVALID_HANDLE);
    ck_succeeds(CALL(&c, "NtAdjustPrivilegesToken", HANDLE_PROCESS_TOKEN, 1, 0, 16,
                     caller_slot(&c, INFO), caller_slot(&c, NEEDED)));
    ck_assert_uint_eq(info(0), 0); /* nothing that would be switched back */
    ck_assert_uint_eq(needed(), 4);
    REFUSED(&c, STATUS_ACCESS_VIOLATION, "NtAdjustPrivilegesToken", HANDLE_PROCESS_TOKEN, 0, 8, 0,
            0, 0);
    ck_status(CALL(&c, "NtAdjustPrivilegesToken", HANDLE_PROCESS_TOKEN, 1, 0, 3,
                   caller_slot(&c, INFO), caller_slot(&c, NEEDED)),
              STATUS_BUFFER_TOO_SMALL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("serve_token");
    TCase *tc = tcase_create("serve_token");

    tcase_add_checked_fixture(tc, NULL, teardown);
    tcase_add_loop_test(tc, the_user_is_known_by_his_sid, 0, 2);
    tcase_add_loop_test(tc, tokens_that_are_not_there, 0, 2);
    tcase_add_loop_test(tc, privileges_are_those_of_a_plain_user, 0, 2);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
