/* Services about the user that processes act for: one who is no administrator. */
#include <stdlib.h>

#include "nt/processes.h"
#include "nt/services.h"
#include "nt/token.h"

/* TOKEN_INFORMATION_CLASS */
enum { TOKEN_USER = 1, TOKEN_SESSION = 12, TOKEN_ELEVATION_TYPE = 18, TOKEN_ELEVATION = 20 };

/* The privileges that such a user has, by their numbers: shut down, traverse folders, undock, grow the working set, set the time zone. */
static const uint8_t privileges[] = {19, 23, 25, 33, 34};

enum { PRIVILEGES_MAX = 64, PRIVILEGE_SIZE = 12 }; /* LUID_AND_ATTRIBUTES */

static void free_token(struct object *object)
{
    free(object);
}

const struct object_class token_class = {.name = "Token", .free = free_token};

static nt_status open_token(struct call *call, gva_t out)
{
    struct object *token = malloc(sizeof *token);
    uint64_t handle = 0;
    nt_status st;

    if (!token)
        return STATUS_NO_MEMORY;
    object_init(token, &token_class);
    st = handles_add(&call->kernel->handles, token, (uint32_t)call->arg[1], &handle);
    object_unref(token);
    return st ? st : guest_put_pointer(call->process, out, handle);
}

nt_status serve_NtOpenProcessToken(struct call *call)
{
    struct process *target;
    nt_status st = service_process(call, call->arg[0], PROCESS_RIGHT_QUERY_LIMITED, &target);

    return st ? st : open_token(call, call->arg[2]);
}

nt_status serve_NtOpenProcessTokenEx(struct call *call)
{
    struct process *target;
    nt_status st = service_process(call, call->arg[0], PROCESS_RIGHT_QUERY_LIMITED, &target);

    return st ? st : open_token(call, call->arg[3]);
}

/* No thread acts for another user. */
nt_status serve_NtOpenThreadToken(struct call *call)
{
    struct thread *thread;
    nt_status st = service_thread(call, call->arg[0], THREAD_RIGHT_QUERY_LIMITED, &thread);

    return st ? st : STATUS_NO_TOKEN;
}

nt_status serve_NtOpenThreadTokenEx(struct call *call)
{
    return serve_NtOpenThreadToken(call);
}

/* TOKEN_USER and the SID behind it: revision, count of parts, authority, parts. */
static void put_user(struct nt_block *out, gva_t at)
{
    static const struct {
        uint8_t count;
        uint32_t parts[5];
    } sid = {TOKEN_SID_PARTS};
    size_t head = nt_size(out->arch, NT_STRUCT_SID_AND_ATTRIBUTES);
    uint8_t raw[8 + 4 * 5] = {1, sid.count, 0, 0, 0, 0, 0, 5};

    for (size_t i = 0; i < sid.count; i++)
        put_u32(raw + 8 + 4 * i, sid.parts[i]);
    (void)nt_block_take(out, head);
    nt_put(out, 0, NT_SID_AND_ATTRIBUTES_SID, at + head);
    (void)buf_append(&out->bytes, raw, sizeof raw);
}

static nt_status query_token(struct call *call, struct nt_block *out)
{
    switch (call->arg[1]) {
    case TOKEN_USER:
        put_user(out, call->arg[2]);
        return STATUS_SUCCESS;
    case TOKEN_SESSION:
    case TOKEN_ELEVATION_TYPE:
        service_put(out, 4, 1);
        return STATUS_SUCCESS;
    case TOKEN_ELEVATION:
        service_put(out, 4, 0);
        return STATUS_SUCCESS;
    default:
        return STATUS_INVALID_INFO_CLASS;
    }
}

static bool is_token(const struct call *call, uint64_t handle)
{
    struct object *object;

    return handle == HANDLE_PROCESS_TOKEN || handle == HANDLE_EITHER_TOKEN ||
           !handles_get(&call->kernel->handles, handle, &token_class, &object);
}

nt_status serve_NtQueryInformationToken(struct call *call)
{
    nt_status st;

    if (!is_token(call, call->arg[0]))
        return call->arg[0] == HANDLE_THREAD_TOKEN ? STATUS_NO_TOKEN : STATUS_INVALID_HANDLE;
    st = service_query(call, query_token);
    return st == STATUS_INFO_LENGTH_MISMATCH ? STATUS_BUFFER_TOO_SMALL : st;
}

/* ---- Privileges ------------------------------------------------------------------------------- */

static bool has_privilege(uint64_t luid)
{
    for (size_t i = 0; i < sizeof privileges; i++) {
        if (privileges[i] == luid)
            return true;
    }
    return false;
}

/* Does the user have all that the TOKEN_PRIVILEGES at a guest address name? They are always on. */
static nt_status check_privileges(struct process *p, gva_t at, bool *all)
{
    uint64_t count = 0, luid = 0;
    nt_status st = guest_get_number(p, at, 4, &count);

    *all = true;
    if (!st && count > PRIVILEGES_MAX)
        st = STATUS_INVALID_PARAMETER;
    for (uint64_t i = 0; !st && i < count; i++) {
        st = guest_get_number(p, at + 4 + PRIVILEGE_SIZE * i, 8, &luid);
        *all = *all && has_privilege(luid);
    }
    return st;
}

/* arg: 0 token, 1 disable all, 2 privileges, 3 room for, 4 those that were changed, 5 length. None is. */
nt_status serve_NtAdjustPrivilegesToken(struct call *call)
{
    struct process *p = call->process;
    bool all = true;
    nt_status st = is_token(call, call->arg[0]) ? STATUS_SUCCESS : STATUS_INVALID_HANDLE;

    if (!st && !call->arg[1])
        st = check_privileges(p, call->arg[2], &all);
    if (!st && call->arg[5])
        st = guest_put_number(p, call->arg[5], 4, 4);
    if (!st && call->arg[4] && call->arg[3] < 4)
        st = STATUS_BUFFER_TOO_SMALL;
    if (!st && call->arg[4])
        st = guest_put_number(p, call->arg[4], 4, 0);
    return !st && !all ? STATUS_NOT_ALL_ASSIGNED : st;
}
