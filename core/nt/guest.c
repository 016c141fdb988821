/* Checked access to guest memory for system services; the contract is in guest.h. */
#include "nt/guest.h"

#include <string.h>

#include "nt/parts.h"
#include "nt/stack_growth.h"
#include "winstub/bytes.h"

/*
 * A stack grows under a service as under the guest: its guard page is taken before the memory manager would take it for
 * any other (G08, G09). A range that begins below the guard page does not reach it.
 */
static nt_status grow_stack(struct process *p, gva_t addr, uint64_t len)
{
    if (!len || !p->threads.on_cpu || !stack_at_guard(p, &p->threads.on_cpu->info, addr))
        return STATUS_SUCCESS;
    return process_guard_hit(p, addr) == PROCESS_GUARD_OVERFLOW ? STATUS_STACK_OVERFLOW
                                                                : STATUS_SUCCESS;
}

nt_status guest_read(struct process *p, gva_t from, void *to, size_t len)
{
    nt_status st = grow_stack(p, from, len);

    return st ? st : vm_read(p->vm, from, to, len);
}

nt_status guest_write(struct process *p, gva_t to, const void *from, size_t len)
{
    nt_status st = grow_stack(p, to, len);

    return st ? st : vm_write(p->vm, to, from, len);
}

nt_status guest_probe(struct process *p, gva_t addr, uint64_t len, enum vm_access want)
{
    nt_status st = grow_stack(p, addr, len);

    return st ? st : vm_probe(p->vm, addr, len, want);
}

nt_status guest_get_number(struct process *p, gva_t at, uint32_t size, uint64_t *value)
{
    uint8_t raw[8] = {0};
    nt_status st = guest_read(p, at, raw, size);

    if (!st)
        *value = get_u64(raw);
    return st;
}

nt_status guest_put_number(struct process *p, gva_t at, uint32_t size, uint64_t value)
{
    uint8_t raw[8];

    put_u64(raw, value);
    return guest_write(p, at, raw, size);
}

nt_status guest_get(struct process *p, gva_t at, enum nt_field field, uint64_t *value)
{
    return guest_get_number(p, at + nt_offset(p->arch, field), nt_width(p->arch, field), value);
}

nt_status guest_put(struct process *p, gva_t at, enum nt_field field, uint64_t value)
{
    return guest_put_number(p, at + nt_offset(p->arch, field), nt_width(p->arch, field), value);
}

nt_status guest_put_iosb(struct process *p, gva_t at, nt_status status, uint64_t information)
{
    nt_status st = guest_put(p, at, NT_IO_STATUS, status);

    return st ? st : guest_put(p, at, NT_IO_INFORMATION, information);
}

nt_status guest_get_pointer(struct process *p, gva_t at, uint64_t *value)
{
    return guest_get_number(p, at, nt_pointer(p->arch), value);
}

nt_status guest_put_pointer(struct process *p, gva_t at, uint64_t value)
{
    return guest_put_number(p, at, nt_pointer(p->arch), value);
}

nt_status guest_put_machine_frame(struct process *p, gva_t at, uint64_t eflags)
{
    static const enum cpu_reg regs[] = {CPU_RIP, CPU_CS, CPU_EFLAGS, CPU_RSP, CPU_SS};
    nt_status st = STATUS_SUCCESS;

    for (size_t i = 0; i < sizeof regs / sizeof *regs && !st; i++)
        st = guest_put_number(p, at + 8 * i, 8,
                              regs[i] == CPU_EFLAGS ? eflags : cpu_get(p->cpu, regs[i]));
    return st;
}

nt_status guest_append(struct process *p, gva_t at, size_t size, struct buf *out)
{
    uint8_t *room;

    if (!size)
        return STATUS_SUCCESS;
    room = buf_extend(out, size);
    return room ? guest_read(p, at, room, size) : STATUS_NO_MEMORY;
}

nt_status guest_answer(struct process *p, const struct nt_block *block, gva_t at, uint64_t room,
                       gva_t needed)
{
    nt_status st = STATUS_SUCCESS;

    if (block->bytes.failed)
        return STATUS_NO_MEMORY;
    if (needed)
        st = guest_put_number(p, needed, 4, block->bytes.len);
    if (st)
        return st;
    if (room < block->bytes.len)
        return STATUS_INFO_LENGTH_MISMATCH;
    return guest_write(p, at, block->bytes.data, block->bytes.len);
}
