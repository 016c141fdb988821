/*
 * The guest sees each change of its memory at once: on the very next access, also when that is the next instruction of a
 * block which was translated long ago and has run many times. The change is made by a guest that asks for it: by a store
 * to a device, by a store that a hook hears of, and by a system call.
 */
#include <check.h>
#include <string.h>

#include "guest_suite.h"
#include "winstub/foreign.h"
#include "winstub/hook.h"
#include "winstub/section.h"

#define DEVICE      UINT64_C(0x600000)
#define PLACE       UINT64_C(0x700000) /* what changes: four pages */
#define CODE        UINT64_C(0x800000) /* one page, and it may be written */
#define ROUNDS      40                 /* of the loop; it is translated in the first */
#define CHANGE_AT   5                  /* ecx in the round that changes something */
#define COUNT_OF(a) (sizeof(a) / sizeof *(a))

enum how { BY_DEVICE, BY_HOOK, BY_SYSCALL, HOWS };

struct change {
    const char *name;
    void (*act)(void);
    enum vm_fault fault; /* of the next access; NONE: it is fine, and reads value */
    enum vm_access
        access; /* WRITE: the next access is a store; READ: a load; EXEC: the next instruction's fetch */
    uint32_t value;
};

static const struct change *now; /* what is to change */
static bool changed;
static struct vm_saved *moment;

/* 0: store to PLACE; 2: ask; 4: access PLACE; 6: dec ecx; 8: jnz 0; a: int3 */
static void put_code(enum how how, enum vm_access access)
{
    uint8_t code[] = {0x89, 0x03, 0x89, 0x0e, 0x89, 0x03, 0xff, 0xc9, 0x75, 0xf6, 0xcc};

    if (how == BY_SYSCALL)
        memcpy(code + 2, "\x0f\x05", 2);
    if (access != VM_WRITE)
        memcpy(code + 4, "\x8b\x13", 2); /* mov edx, [ebx] */
    guest_code(&g, CODE, code, sizeof code);
}

static void ask(uint64_t ecx)
{
    if (ecx != CHANGE_AT || changed)
        return;
    changed = true;
    now->act();
}

static bool on_write(void *ctx, uint64_t offset, const void *bytes, size_t len)
{
    uint32_t ecx;

    (void)ctx;
    (void)offset;
    ck_assert_uint_eq(len, sizeof ecx);
    memcpy(&ecx, bytes, len);
    ask(ecx);
    return true;
}

static bool on_access(void *ctx, struct cpu *cpu, const struct cpu_access *access)
{
    (void)ctx;
    (void)access;
    ask(cpu_get(cpu, CPU_RCX));
    return true;
}

/* ---- Changes --------------------------------------------------------------------------------- */

static void release(gva_t base)
{
    uint64_t size = 0;

    ck_assert_uint_eq(vm_release(g.vm, &base, &size, MEM_RELEASE), STATUS_SUCCESS);
}

static void be_readonly(void)
{
    guest_protect(&g, PLACE, VM_PAGE_SIZE, PAGE_READONLY);
}

static void be_noaccess(void)
{
    guest_protect(&g, PLACE, 4 * VM_PAGE_SIZE, PAGE_NOACCESS);
}

static void be_guarded(void)
{
    guest_protect(&g, PLACE, VM_PAGE_SIZE, PAGE_READWRITE | PAGE_GUARD);
}

static void be_decommitted(void)
{
    gva_t base = PLACE;
    uint64_t size = VM_PAGE_SIZE;

    ck_assert_uint_eq(vm_release(g.vm, &base, &size, MEM_DECOMMIT), STATUS_SUCCESS);
}

static void be_free(void)
{
    release(PLACE);
}

static void be_fresh(void)
{
    release(PLACE);
    guest_map(&g, PLACE, 4 * VM_PAGE_SIZE, PAGE_READWRITE);
}

static void be_written(void)
{
    guest_write(&g, PLACE, &(uint32_t){0x5555}, 4);
}

static void be_section(void)
{
    struct vm_section_config config = {
        .size = 4 * VM_PAGE_SIZE, .protect = PAGE_READWRITE, .attributes = SEC_COMMIT};
    struct vm_view_request req = {.base = PLACE, .protect = PAGE_READWRITE};
    struct vm_section *s;
    gva_t other;

    release(PLACE);
    ck_assert_uint_eq(vm_section_new(g.vm, &config, &s), STATUS_SUCCESS);
    ck_assert_uint_eq(vm_section_map(g.vm, s, &req, NULL, NULL), STATUS_SUCCESS);
    req.base = 0;
    ck_assert_uint_eq(vm_section_map(g.vm, s, &req, &other, NULL), STATUS_SUCCESS);
    vm_section_unref(s);
    guest_write(&g, other, &(uint32_t){0x6666}, 4);
}

static uint8_t lent[VM_PAGE_SIZE] __attribute__((aligned(VM_PAGE_SIZE)));

static void be_lent(void)
{
    release(PLACE);
    memcpy(lent, &(uint32_t){0x7777}, 4);
    ck_assert_uint_eq(vm_map_host(g.vm, PLACE, sizeof lent, lent, PAGE_READWRITE, NULL, NULL),
                      STATUS_SUCCESS);
}

static bool on_read(void *ctx, uint64_t offset, void *bytes, size_t len)
{
    (void)ctx;
    (void)offset;
    memset(bytes, 0x88, len);
    return true;
}

static void be_device(void)
{
    struct vm_device device = {.read = on_read};

    release(PLACE);
    ck_assert_uint_eq(vm_map_device(g.vm, PLACE, VM_PAGE_SIZE, &device, NULL, NULL),
                      STATUS_SUCCESS);
}

static void be_restored(void)
{
    ck_assert(vm_restore(g.vm, moment));
}

static void be_not_code(void)
{
    guest_protect(&g, CODE, VM_PAGE_SIZE, PAGE_READWRITE);
}

/* The instruction that comes next becomes mov dl, 0x99. */
static void be_other_code(void)
{
    guest_write(&g, CODE + 4, "\xb2\x99", 2);
}

static void be_nowhere(void)
{
    release(CODE);
}

static const struct change changes[] = {
    {"a store to what became read-only", be_readonly, VM_FAULT_READONLY, VM_WRITE, 0},
    {"a load of what became read-only", be_readonly, VM_FAULT_NONE, VM_READ, 0x4444},
    {"a store to what became inaccessible", be_noaccess, VM_FAULT_NOACCESS, VM_WRITE, 0},
    {"a load of what became inaccessible", be_noaccess, VM_FAULT_NOACCESS, VM_READ, 0},
    {"a store to what became a guard", be_guarded, VM_FAULT_GUARD, VM_WRITE, 0},
    {"a load of what became a guard", be_guarded, VM_FAULT_GUARD, VM_READ, 0},
    {"a store to what was decommitted", be_decommitted, VM_FAULT_RESERVED, VM_WRITE, 0},
    {"a load of what was decommitted", be_decommitted, VM_FAULT_RESERVED, VM_READ, 0},
    {"a store to what was released", be_free, VM_FAULT_FREE, VM_WRITE, 0},
    {"a load of what was released", be_free, VM_FAULT_FREE, VM_READ, 0},
    {"a load of what was released and allocated", be_fresh, VM_FAULT_NONE, VM_READ, 0},
    {"a load of what was written by the host", be_written, VM_FAULT_NONE, VM_READ, 0x5555},
    {"a load of a view in its place", be_section, VM_FAULT_NONE, VM_READ, 0x6666},
    {"a load of lent memory in its place", be_lent, VM_FAULT_NONE, VM_READ, 0x7777},
    {"a load of a device in its place", be_device, VM_FAULT_NONE, VM_READ, 0x88888888},
    {"a store to a read-only device in its place", be_device, VM_FAULT_READONLY, VM_WRITE, 0},
    {"a load of what was restored", be_restored, VM_FAULT_NONE, VM_READ, 0x1111},
    {"code that may not be executed any more", be_not_code, VM_FAULT_NOEXEC, VM_EXEC, 0},
    {"code that is gone", be_nowhere, VM_FAULT_FREE, VM_EXEC, 0},
    {"code that is other code now", be_other_code, VM_FAULT_NONE, VM_EXEC, 0x99},
};

/* ---- Running --------------------------------------------------------------------------------- */

static void set_up(enum how how)
{
    struct vm_device device = {.write = on_write};
    struct cpu_hook hook = {.access = VM_WRITE,
                            .first = GUEST_STACK + 0x100,
                            .last = GUEST_STACK + 0x103,
                            .fn = on_access};
    unsigned id;

    guest_map(&g, PLACE, 4 * VM_PAGE_SIZE, PAGE_READWRITE);
    guest_map(&g, CODE, VM_PAGE_SIZE, PAGE_EXECUTE_READWRITE);
    if (how == BY_DEVICE)
        ck_assert_uint_eq(vm_map_device(g.vm, DEVICE, VM_PAGE_SIZE, &device, NULL, NULL),
                          STATUS_SUCCESS);
    if (how == BY_HOOK)
        ck_assert_int_eq(cpu_hook_add(g.cpu, &hook, &id), ERR_OK);
    cpu_set(g.cpu, CPU_RSI, how == BY_DEVICE ? DEVICE : GUEST_STACK + 0x100);
    cpu_set(g.cpu, CPU_RAX, 0x4444);
    cpu_set(g.cpu, CPU_RBX, PLACE);
    cpu_set(g.cpu, CPU_RCX, ROUNDS);
    changed = false;
}

/* Until something that is no system call. */
static void run_on(void)
{
    for (;;) {
        ck_assert_int_eq(cpu_run(g.cpu, false, &g.event), ERR_OK);
        if (g.event.kind != CPU_EVENT_SYSCALL)
            return;
        ask(cpu_get(g.cpu, CPU_RCX));
    }
}

/* A hook is asked before its own instruction, which is then the next one to be fetched. */
static gva_t next_access(const struct change *c, enum how how)
{
    if (!c->fault)
        return CODE + 6; /* the break behind it */
    return how == BY_HOOK && c->access == VM_EXEC ? CODE + 2 : CODE + 4;
}

static void try_change(const struct change *c, enum how how)
{
    now = c;
    set_up(how);
    put_code(how, c->access);
    guest_write(&g, PLACE, &(uint32_t){0x1111}, 4);
    moment = vm_save(g.vm);
    ck_assert_ptr_nonnull(moment);
    if (c->fault == VM_FAULT_NONE) /* seen before anything else happens */
        ck_assert_int_eq(cpu_break_add(g.cpu, CODE + 6), ERR_OK);
    do {
        run_on();
    } while (g.event.kind == CPU_EVENT_BREAK && !changed && !cpu_step(g.cpu, false, &g.event));
    ck_assert_msg(changed && g.event.pc == next_access(c, how), "%s: event %d at 0x%" PRIx64,
                  c->name, (int)g.event.kind, g.event.pc);
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_RCX) & 0xff, CHANGE_AT);
    if (c->fault) {
        ck_assert_int_eq(g.event.kind, CPU_EVENT_FAULT);
        ck_assert_int_eq(g.event.fault, c->fault);
        ck_assert_int_eq(g.event.access, c->access);
    } else {
        ck_assert_int_eq(g.event.kind, CPU_EVENT_BREAK);
        ck_assert_uint_eq(c->access == VM_EXEC ? cpu_get(g.cpu, CPU_RDX) & 0xff
                                               : cpu_get(g.cpu, CPU_RDX),
                          c->value);
    }
    vm_saved_free(moment);
}

START_TEST(the_next_access_sees_it)
{
    try_change(&changes[_i / HOWS], (enum how)(_i % HOWS));
}
END_TEST

static void add_both(TCase *tc)
{
    tcase_add_loop_test(tc, the_next_access_sees_it, 0, COUNT_OF(changes) * HOWS);
}

int main(void)
{
    return guest_suite("at once", add_both, add_both);
}
