/* Making the kernel's side of a process; standard handles. */
#include "nt/kernel.h"

#include <stdlib.h>

#include "nt/machine.h"
#include "nt/parts.h"

/* A handle of stream i: at this value, or at any when it is 0. */
static nt_status add_stream(struct process *p, size_t i, uint64_t *handle)
{
    struct handles *handles = &p->kernel->handles;
    struct file *file = files_stream(p->machine->streams[i]);
    nt_status st;

    if (!file)
        return STATUS_NO_MEMORY;
    st = *handle ? handles_put(handles, &file->object, GENERIC_ALL, *handle)
                 : handles_add(handles, &file->object, GENERIC_ALL, handle);
    object_unref(&file->object);
    if (!st)
        handles_entry(handles, *handle)->attributes = OBJ_INHERIT;
    return st;
}

static nt_status add_streams(struct process *p, uint64_t handles[3])
{
    nt_status st = STATUS_SUCCESS;

    for (size_t i = 0; i < 3 && !st; i++)
        st = add_stream(p, i, &handles[i]);
    return st;
}

enum err kernel_streams(struct process *p, struct diag *why)
{
    uint64_t handles[] = {HANDLE_STDIN, HANDLE_STDOUT, HANDLE_STDERR};

    return add_streams(p, handles) ? diag_set(why, ERR_NOMEM, "the host is out of memory") : ERR_OK;
}

nt_status kernel_add_streams(struct process *p, uint64_t handles[3])
{
    for (size_t i = 0; i < 3; i++)
        handles[i] = 0;
    return add_streams(p, handles);
}

enum err kernel_new(struct process *p, struct diag *why)
{
    const struct root *root = NULL;
    enum err e = machine_root(p->machine, p->arch, &root, why);

    if (e)
        return e;
    p->kernel = calloc(1, sizeof *p->kernel);
    if (!p->kernel)
        return diag_set(why, ERR_NOMEM, "the host is out of memory");
    p->kernel->root = root;
    return ERR_OK;
}

void kernel_free(struct kernel *kernel)
{
    if (!kernel)
        return;
    handles_fini(&kernel->handles);
    numbers_fini(&kernel->numbers);
    free(kernel);
}
