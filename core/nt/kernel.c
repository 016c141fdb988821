/* Making the kernel's side of a process; standard handles. */
#include "nt/kernel.h"

#include <stdlib.h>
#include <unistd.h>

#include "nt/machine.h"
#include "nt/parts.h"

enum err kernel_streams(struct kernel *k, const int streams[3], struct diag *why)
{
    static const int ours[3] = {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO};
    static const uint32_t handles[3] = {HANDLE_STDIN, HANDLE_STDOUT, HANDLE_STDERR};

    for (size_t i = 0; i < 3; i++) {
        struct file *file = files_stream(streams ? streams[i] : ours[i]);
        nt_status st = STATUS_NO_MEMORY;

        if (file) {
            st = handles_put(&k->handles, &file->object, GENERIC_ALL, handles[i]);
            object_unref(&file->object);
        }
        if (st)
            return diag_set(why, ERR_NOMEM, "the host is out of memory");
        handles_entry(&k->handles, handles[i])->attributes = OBJ_INHERIT;
    }
    return ERR_OK;
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
