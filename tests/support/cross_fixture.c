/* A caller and another process; the contract is in cross_fixture.h. */
#include "cross_fixture.h"

#include <check.h>

#include "vm_builder.h"

enum { BASE = CALLER_SLOTS - 3, SIZE, BYTES }; /* slots */

struct process *cross_init(struct caller *c, int i)
{
    struct process *other;

    caller_init(c, (enum cpu_arch)(i & 1), NULL, 0);
    other = caller_beside(c, (enum cpu_arch)(i >> 1));
    process_keep(other, true);
    process_begin(other);
    return other;
}

uint64_t cross_handle(struct caller *c, struct object *object, uint64_t access)
{
    uint64_t handle = 0;

    ck_succeeds(handles_add(&c->kernel.handles, object, (uint32_t)access, &handle));
    return handle;
}

struct object *cross_behind(const struct caller *c, uint64_t handle)
{
    const struct handle *entry = handles_entry(&c->kernel.handles, handle);

    ck_assert_ptr_nonnull(entry);
    return entry->object;
}

gva_t cross_put(struct caller *c, uint64_t process, const void *bytes, size_t len)
{
    gva_t at;

    (void)caller_set(c, BASE, 0);
    (void)caller_set(c, SIZE, 0x1000);
    ck_succeeds(CALL(c, "NtAllocateVirtualMemory", process, caller_slot(c, BASE), 0,
                     caller_slot(c, SIZE), MEM_RESERVE | MEM_COMMIT, PAGE_EXECUTE_READWRITE));
    at = caller_get(c, BASE);
    ck_assert(vm_debug_write(c->vm, caller_slot(c, BYTES), bytes, len));
    ck_succeeds(CALL(c, "NtWriteVirtualMemory", process, at, caller_slot(c, BYTES), len, 0));
    return at;
}

void cross_run(struct caller *c)
{
    process_hold(c->p, c->p->threads.list[0]->info.tid, true);
    while (process_schedule(c->p) == PROCESS_TURN_RUNS) {
        struct process *p = process_running(c->p);
        struct process_exception exception;
        struct cpu_event event;
        uint32_t exit_code;

        ck_assert_int_eq(cpu_run(p->cpu, false, &event), ERR_OK);
        if (event.kind == CPU_EVENT_LIMIT)
            continue;
        ck_assert_int_eq(event.kind, CPU_EVENT_SYSCALL);
        if (process_syscall(p, &exit_code, &exception) == PROCESS_SYSCALL_EXIT)
            process_end(p, exit_code);
    }
    process_hold(c->p, c->p->threads.list[0]->info.tid, false);
}
