/* The guest of guest.h. */
#include "guest.h"

#include <check.h>
#include <string.h>

static void init(struct guest *g, enum cpu_arch arch, const struct vm_config *config)
{
    struct diag why = {""};

    memset(g, 0, sizeof *g);
    ck_assert_int_eq(vm_new(config, &g->vm), ERR_OK);
    ck_assert_msg(cpu_new(g->vm, arch, &g->cpu, &why) == ERR_OK, "%s", why.text);
    guest_map(g, GUEST_CODE, VM_PAGE_SIZE, PAGE_EXECUTE_READ);
    guest_map(g, GUEST_DATA, 2 * VM_PAGE_SIZE, PAGE_READWRITE);
    guest_map(g, GUEST_STACK, 2 * VM_PAGE_SIZE, PAGE_READWRITE);
    cpu_set(g->cpu, CPU_RSP, GUEST_STACK + VM_PAGE_SIZE);
}

void guest_init(struct guest *g, enum cpu_arch arch)
{
    init(g, arch, &(struct vm_config){.arena_size = UINT64_C(1) << 32});
}

void guest_init_beside(struct guest *g, enum cpu_arch arch, const struct guest *other)
{
    init(g, arch, &(struct vm_config){.beside = other->vm});
}

void guest_fini(struct guest *g)
{
    cpu_free(g->cpu);
    vm_free(g->vm);
}

void guest_map(struct guest *g, gva_t base, uint64_t size, uint32_t protect)
{
    struct vm_request req = {
        .base = base, .size = size, .type = MEM_RESERVE | MEM_COMMIT, .protect = protect};

    ck_assert_uint_eq(vm_allocate(g->vm, &req, NULL, NULL), STATUS_SUCCESS);
}

void guest_protect(struct guest *g, gva_t base, uint64_t size, uint32_t protect)
{
    uint32_t old;

    ck_assert_uint_eq(vm_protect(g->vm, &base, &size, protect, &old), STATUS_SUCCESS);
}

void guest_write(struct guest *g, gva_t addr, const void *bytes, size_t len)
{
    ck_assert(vm_debug_write(g->vm, addr, bytes, len));
}

uint64_t guest_read(const struct guest *g, gva_t addr, size_t len)
{
    uint64_t value = 0;

    ck_assert_uint_eq(vm_debug_read(g->vm, addr, &value, len), len);
    return value;
}

void guest_code(struct guest *g, gva_t addr, const uint8_t *code, size_t len)
{
    guest_write(g, addr, code, len);
    cpu_set(g->cpu, CPU_RIP, addr);
}

static void expect(const struct guest *g, enum err e, enum cpu_event_kind kind, gva_t pc)
{
    ck_assert_int_eq(e, ERR_OK);
    ck_assert_msg(g->event.kind == kind && g->event.pc == pc,
                  "event %d at 0x%" PRIx64 " (vector %d, access %d at 0x%" PRIx64
                  ", fault %d), wanted %d at 0x%" PRIx64,
                  (int)g->event.kind, g->event.pc, g->event.vector, (int)g->event.access,
                  g->event.address, (int)g->event.fault, (int)kind, pc);
    ck_assert_uint_eq(cpu_get(g->cpu, CPU_RIP), pc);
}

void guest_run(struct guest *g, enum cpu_event_kind kind, gva_t pc)
{
    expect(g, cpu_run(g->cpu, false, &g->event), kind, pc);
}

void guest_run_on(struct guest *g, enum cpu_event_kind kind, gva_t pc)
{
    expect(g, cpu_run(g->cpu, true, &g->event), kind, pc);
}

void guest_step(struct guest *g, enum cpu_event_kind kind, gva_t pc)
{
    expect(g, cpu_step(g->cpu, false, &g->event), kind, pc);
}
