/* Stacks that grow and shrink; NT-MEMORY-RULES S04..S09 and NT-PROCESS section 6. */
#include "nt/stack_growth.h"

#include <inttypes.h>

#include "nt/layout.h"
#include "winstub/log.h"

#define SPARE_PAGES 3u /* a stack with no more is exhausted (Wine's test_stack_commit) */

/* What the TEB says. */
struct stack {
    gva_t base, limit; /* high end, low end of the committed part */
    gva_t bottom;      /* of the reserve */
};

static bool read_stack(const struct process *p, const struct process_thread *thread,
                       struct stack *out)
{
    return nt_read(p->vm, p->arch, thread->teb, NT_TEB_STACK_BASE, &out->base) &&
           nt_read(p->vm, p->arch, thread->teb, NT_TEB_STACK_LIMIT, &out->limit) &&
           nt_read(p->vm, p->arch, thread->teb, NT_TEB_DEALLOCATION_STACK, &out->bottom);
}

static bool set_limit(struct process *p, struct process_thread *thread, const struct stack *stack,
                      gva_t limit)
{
    thread->stack_base = stack->base;
    thread->stack_limit = limit;
    return nt_write(p->vm, p->arch, thread->teb, NT_TEB_STACK_LIMIT, limit);
}

nt_status stack_commit(struct process *p, gva_t base, uint64_t size, uint32_t protect)
{
    struct vm_request req = {.base = base, .size = size, .type = MEM_COMMIT, .protect = protect};

    return vm_allocate(p->vm, &req, NULL, NULL);
}

void stack_trim(struct process *p, struct process_thread *thread, uint64_t commit)
{
    struct stack stack;
    gva_t limit, from;
    uint64_t size;

    if (!read_stack(p, thread, &stack))
        return;
    limit = stack.base - commit;
    from = stack.bottom;
    size = limit - VM_PAGE_SIZE - from;
    if (limit <= stack.limit || vm_release(p->vm, &from, &size, MEM_DECOMMIT) ||
        stack_commit(p, limit - VM_PAGE_SIZE, VM_PAGE_SIZE, PAGE_READWRITE | PAGE_GUARD))
        return;
    (void)set_limit(p, thread, &stack, limit);
}

/* The guard page was the last that there could be: what lies below it is committed. */
static enum process_guard overflow(struct process *p, struct process_thread *thread,
                                   const struct stack *stack, gva_t page)
{
    gva_t last = stack->bottom + VM_PAGE_SIZE; /* the lowest page is never committed */

    if (page <= last || !stack_commit(p, last, page - last, PAGE_READWRITE))
        (void)set_limit(p, thread, stack, last);
    return PROCESS_GUARD_OVERFLOW;
}

enum process_guard stack_guard_hit(struct process *p, struct process_thread *thread, gva_t addr)
{
    gva_t page = addr - addr % VM_PAGE_SIZE;
    struct stack stack;
    bool exhausted;

    if (!read_stack(p, thread, &stack) || addr < stack.bottom || addr >= stack.base ||
        !vm_clear_guard(p->vm, addr))
        return PROCESS_GUARD_OTHER;
    exhausted = page - stack.bottom < (SPARE_PAGES + 1) * VM_PAGE_SIZE;
    LOG(nt, "stack guard 0x%" PRIx64 " touched%s", page, exhausted ? ", stack exhausted" : "");
    if (exhausted)
        return overflow(p, thread, &stack, page);
    if (stack_commit(p, page - VM_PAGE_SIZE, VM_PAGE_SIZE, PAGE_READWRITE | PAGE_GUARD) ||
        !set_limit(p, thread, &stack, page))
        return PROCESS_GUARD_OVERFLOW;
    return PROCESS_GUARD_GROWN;
}

bool stack_at_guard(const struct process *p, const struct process_thread *thread, gva_t addr)
{
    gva_t limit;

    return nt_read(p->vm, p->arch, thread->teb, NT_TEB_STACK_LIMIT, &limit) && addr < limit &&
           limit - addr <= VM_PAGE_SIZE;
}

void stack_guard_set(struct process *p, struct process_thread *thread, gva_t start, gva_t end)
{
    struct stack stack;

    if (!read_stack(p, thread, &stack) || start < stack.limit || end > stack.base)
        return;
    LOG(nt, "stack ends at 0x%" PRIx64 " now, above a guard page of the guest's", end);
    (void)set_limit(p, thread, &stack, end);
}
