/* What the services about files share; the contract is in io.h. */
#include "nt/io.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EPOCH_1601 UINT64_C(116444736000000000)
#define PER_SECOND 10000000u

nt_status io_finish(struct call *call, gva_t iosb, nt_status st, uint64_t information)
{
    nt_status written =
        iosb ? guest_put_iosb(call->process, iosb, st, information) : STATUS_SUCCESS;

    return written ? written : st;
}

nt_status io_answer(struct call *call, const uint8_t *raw, size_t size)
{
    nt_status st;

    if (call->arg[3] < size)
        return STATUS_INFO_LENGTH_MISMATCH;
    st = guest_write(call->process, call->arg[2], raw, size);
    return st ? st : io_finish(call, call->arg[1], STATUS_SUCCESS, size);
}

nt_status io_path(struct call *call, uint64_t root, const char *name, char **out)
{
    struct file *folder = NULL;
    size_t len;
    nt_status st;

    *out = NULL;
    if (!root) {
        *out = strdup(name);
        return *out ? STATUS_SUCCESS : STATUS_NO_MEMORY;
    }
    st = files_get(&call->kernel->handles, root, &folder);
    if (st)
        return st;
    if (*name == '\\')
        return STATUS_OBJECT_PATH_SYNTAX_BAD;
    len = strlen(folder->path);
    if (asprintf(out, "\\??\\%s%s%s", folder->path,
                 !*name || (len && folder->path[len - 1] == '\\') ? "" : "\\", name) < 0)
        return STATUS_NO_MEMORY;
    return STATUS_SUCCESS;
}

nt_status io_attributes_path(struct call *call, gva_t at, char **out)
{
    struct attributes attributes;
    nt_status st = attributes_read(call->process, at, &attributes);

    *out = NULL;
    if (st)
        return st;
    st = io_path(call, attributes.root, attributes.name, out);
    attributes_fini(&attributes);
    return st;
}

uint64_t io_time(struct timespec t)
{
    return EPOCH_1601 + (uint64_t)t.tv_sec * PER_SECOND + (uint64_t)t.tv_nsec / 100;
}

struct timespec io_timespec(uint64_t time)
{
    uint64_t since = time > EPOCH_1601 ? time - EPOCH_1601 : 0;

    return (struct timespec){.tv_sec = (time_t)(since / PER_SECOND),
                             .tv_nsec = (long)(since % PER_SECOND) * 100};
}

uint64_t io_allocated(const struct stat *host)
{
    return S_ISREG(host->st_mode)
               ? ((uint64_t)host->st_size + VM_PAGE_SIZE - 1) & ~(uint64_t)(VM_PAGE_SIZE - 1)
               : 0;
}

void io_put_basic(uint8_t raw[40], const struct stat *host)
{
    uint64_t written = io_time(host->st_mtim);

    put_u64(raw, written); /* the host keeps no time of creation that could be set */
    put_u64(raw + 8, io_time(host->st_atim));
    put_u64(raw + 16, written);
    put_u64(raw + 24, io_time(host->st_ctim));
    put_u32(raw + 32, files_attributes(host));
    put_u32(raw + 36, 0);
}
