/* Services that open files by name, or ask and delete by name; and those that devices would answer. */
#include <stdlib.h>

#include "nt/io.h"
#include "nt/machine.h"
#include "nt/serve_pipe.h"

/* FSCTL_* */
enum {
    CONTROL_GET_REPARSE_POINT = 0x900a8,
    CONTROL_SET_SPARSE = 0x900c4,
    CONTROL_SET_COMPRESSION = 0x9c040,
};

/* ---- Opening ---------------------------------------------------------------------------------- */

/* Open what the attributes name: a pipe or a file. */
static nt_status open_named(struct call *call, const struct attributes *attributes,
                            const struct file_request *request, struct file **out, uint32_t *how)
{
    char *path = NULL;
    bool mine;
    nt_status st = pipe_open(call, attributes, request, &mine, out);

    *how = FILE_WAS_OPENED;
    if (mine)
        return st;
    st = io_path(call, attributes->root, attributes->name, &path);
    if (!st)
        st = files_create(&call->process->machine->volumes, path, request, out, how);
    free(path);
    return st;
}

/* arg: 0 handle, 1 access, 2 attributes, 3 IO_STATUS_BLOCK. */
static nt_status open_file(struct call *call, struct file_request *request)
{
    struct attributes attributes;
    struct file *file = NULL;
    uint32_t how = 0;
    nt_status st = attributes_read(call->process, call->arg[2], &attributes);

    if (st)
        return st;
    request->access = (uint32_t)call->arg[1];
    st = open_named(call, &attributes, request, &file, &how);
    attributes_fini(&attributes);
    if (!st)
        st = service_add(call, call->arg[0], &file->object, file->access, attributes.flags);
    object_unref(file ? &file->object : NULL);
    return st ? st : io_finish(call, call->arg[3], STATUS_SUCCESS, how);
}

nt_status serve_NtOpenFile(struct call *call)
{
    struct file_request request = {.width = call->process->arch,
                                   .share = (uint32_t)call->arg[4],
                                   .disposition = DISPOSE_OPEN,
                                   .options = (uint32_t)call->arg[5]};

    return open_file(call, &request);
}

/* The size that arg 4 asks to set aside is the host's business; extended attributes are kept by nobody. */
nt_status serve_NtCreateFile(struct call *call)
{
    struct file_request request = {.width = call->process->arch,
                                   .attributes = (uint32_t)call->arg[5],
                                   .share = (uint32_t)call->arg[6],
                                   .disposition = (uint32_t)call->arg[7],
                                   .options = (uint32_t)call->arg[8]};

    return call->arg[10] ? STATUS_EAS_NOT_SUPPORTED : open_file(call, &request);
}

nt_status serve_NtDeleteFile(struct call *call)
{
    const struct file_request request = {.width = call->process->arch,
                                         .access = ACCESS_DELETE,
                                         .share = SHARE_READ | SHARE_WRITE | SHARE_DELETE,
                                         .disposition = DISPOSE_OPEN};
    struct file *file = NULL;
    char *path;
    uint32_t how;
    nt_status st = io_attributes_path(call, call->arg[0], &path);

    if (!st)
        st = files_create(&call->process->machine->volumes, path, &request, &file, &how);
    free(path);
    if (!st)
        st = files_doom(file, true, false);
    object_unref(file ? &file->object : NULL);
    return st;
}

/* ---- Asking by name --------------------------------------------------------------------------- */

/* FILE_BASIC_INFORMATION or, with sizes, FILE_NETWORK_OPEN_INFORMATION of a name. */
static nt_status query_attributes(struct call *call, bool sizes)
{
    uint8_t raw[56] = {0};
    struct file *file = NULL;
    struct stat host;
    char *path;
    nt_status st = io_attributes_path(call, call->arg[0], &path);

    if (!st)
        st = files_look(&call->process->machine->volumes, call->process->arch, path, &file);
    free(path);
    if (!st)
        st = files_stat(file, &host);
    object_unref(file ? &file->object : NULL);
    if (st)
        return st;
    io_put_basic(raw, &host);
    if (sizes) {
        uint64_t size = S_ISREG(host.st_mode) ? (uint64_t)host.st_size : 0;

        put_u32(raw + 48, get_u32(raw + 32));
        put_u64(raw + 32, io_allocated(&host));
        put_u64(raw + 40, size);
    }
    return guest_write(call->process, call->arg[1], raw, sizes ? 56 : 40);
}

nt_status serve_NtQueryAttributesFile(struct call *call)
{
    return query_attributes(call, false);
}

nt_status serve_NtQueryFullAttributesFile(struct call *call)
{
    return query_attributes(call, true);
}

/* ---- Extended attributes: there are none ------------------------------------------------------- */

nt_status serve_NtQueryEaFile(struct call *call)
{
    struct file *file;
    nt_status st = files_get(&call->kernel->handles, call->arg[0], &file);

    return st ? st : STATUS_NO_EAS_ON_FILE;
}

nt_status serve_NtSetEaFile(struct call *call)
{
    struct file *file;
    nt_status st = files_get(&call->kernel->handles, call->arg[0], &file);

    return st ? st : STATUS_EAS_NOT_SUPPORTED;
}

/* ---- Control ---------------------------------------------------------------------------------- */

/* Wishes about how the host stores a file are heard and have no effect. */
nt_status serve_NtFsControlFile(struct call *call)
{
    struct file *file;
    nt_status st = files_get(&call->kernel->handles, call->arg[0], &file);

    if (st)
        return st;
    if (pipe_is_file(file))
        return pipe_control(call, file);
    if (file->kind != FILE_REGULAR && file->kind != FILE_FOLDER)
        return STATUS_INVALID_DEVICE_REQUEST;
    switch (call->arg[5]) {
    case CONTROL_GET_REPARSE_POINT:
        return STATUS_NOT_A_REPARSE_POINT;
    case CONTROL_SET_SPARSE:
    case CONTROL_SET_COMPRESSION:
        return request_served(call, file, call->arg[4], STATUS_SUCCESS, 0);
    default:
        return STATUS_INVALID_DEVICE_REQUEST;
    }
}

/* There is no device behind a handle that would take any. */
nt_status serve_NtDeviceIoControlFile(struct call *call)
{
    struct file *file;
    nt_status st = files_get(&call->kernel->handles, call->arg[0], &file);

    return st ? st : STATUS_INVALID_DEVICE_REQUEST;
}
