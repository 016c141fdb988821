/*
 * core/cpu/hooks.c: who is told of which access, with which value, what a hook may change, and that a refused access
 * goes on once a hook has mended its cause.
 */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "guest_suite.h"
#include "winstub/foreign.h"
#include "winstub/hook.h"

#define FREE_PLACE  UINT64_C(0x700000)
#define COUNT_OF(a) (sizeof(a) / sizeof *(a))

static char heard[4096]; /* "r200000+4 w200008+4=11223344": what hooks were told */
static unsigned calls;

static void forget(void)
{
    heard[0] = 0;
    calls = 0;
}

static void hear(const struct cpu_access *x)
{
    size_t used = strlen(heard);

    used += (size_t)snprintf(heard + used, sizeof heard - used, "%s%c%" PRIx64 "+%u",
                             used ? " " : "", "?rw?x"[x->access], x -> address, x -> size);
    if (!x->value)
        return;
    used += (size_t)snprintf(heard + used, sizeof heard - used, "=");
    for (unsigned i = x->size; i-- > 0;)
        used += (size_t)snprintf(heard + used, sizeof heard - used, "%02x", x->value[i]);
}

static bool on_access(void *ctx, struct cpu *cpu, const struct cpu_access *x)
{
    (void)ctx;
    calls++;
    ck_assert_uint_eq(cpu_get(cpu, CPU_RIP), x->pc);
    hear(x);
    return true;
}

static unsigned add_hook(unsigned access, gva_t first, gva_t last, cpu_hook_fn *fn)
{
    struct cpu_hook hook = {.access = access, .first = first, .last = last, .fn = fn};
    unsigned id;

    ck_assert_int_eq(cpu_hook_add(g.cpu, &hook, &id), ERR_OK);
    return id;
}

static unsigned add_refused(unsigned access, cpu_hook_fn *fn)
{
    struct cpu_hook hook = {
        .access = access, .refused = true, .first = 0, .last = UINT64_MAX, .fn = fn};
    unsigned id;

    ck_assert_int_eq(cpu_hook_add(g.cpu, &hook, &id), ERR_OK);
    return id;
}

static const uint8_t some_code[] = {
    0x8b, 0x03,             /* 0: mov eax, [ebx] */
    0x01, 0x43, 0x08,       /* 2: add [ebx+8], eax */
    0xc6, 0x43, 0x20, 0x5a, /* 5: mov byte [ebx+0x20], 0x5a */
    0x51,                   /* 9: push ecx */
    0xcc,                   /* a */
};

static void put_some_code(void)
{
    uint32_t numbers[4] = {0x11111111, 0, 0x22222222};

    guest_write(&g, GUEST_DATA, numbers, sizeof numbers);
    guest_code(&g, GUEST_CODE, some_code, sizeof some_code);
    cpu_set(g.cpu, CPU_RBX, GUEST_DATA);
    cpu_set(g.cpu, CPU_RCX, 0x77);
}

/* ---- Allowed accesses ------------------------------------------------------------------------ */

START_TEST(each_kind_is_told_where_it_was_asked_for)
{
    static const struct {
        unsigned access;
        gva_t first, last;
        const char *heard;
    } cases[] = {
        {VM_READ, 0, UINT64_MAX, "r200000+4 r200008+4"},
        {VM_READ, GUEST_DATA + 11, GUEST_DATA + 11, "r200008+4"},
        {VM_READ, GUEST_DATA + 4, GUEST_DATA + 7, ""},
        {VM_WRITE, GUEST_DATA, GUEST_DATA + 0xfff, "w200008+4=33333333 w200020+1=5a"},
        {VM_READ | VM_WRITE, GUEST_DATA + 8, GUEST_DATA + 8, "r200008+4 w200008+4=33333333"},
        {VM_EXEC, GUEST_CODE + 2, GUEST_CODE + 8, "x10002+3 x10005+4"},
        {VM_EXEC, GUEST_CODE + 3, GUEST_CODE + 4, ""},
        {VM_READ | VM_WRITE | VM_EXEC, GUEST_CODE, GUEST_DATA + 7,
         "x10000+2 r200000+4 x10002+3 x10005+4 x10009+1 x1000a+1"},
    };

    for (int mode = 0; mode < 3; mode++) { /* run; run again, translated; step */
        for (size_t i = 0; i < COUNT_OF(cases); i++) {
            unsigned id;

            put_some_code();
            if (mode == 1) {
                guest_run(&g, CPU_EVENT_EXCEPTION, GUEST_CODE + 10);
                put_some_code();
            }
            id = add_hook(cases[i].access, cases[i].first, cases[i].last, on_access);
            forget();
            if (mode < 2) {
                guest_run(&g, CPU_EVENT_EXCEPTION, GUEST_CODE + 10);
            } else {
                guest_step(&g, CPU_EVENT_STEP, GUEST_CODE + 2);
                guest_step(&g, CPU_EVENT_STEP, GUEST_CODE + 5);
                guest_step(&g, CPU_EVENT_STEP, GUEST_CODE + 9);
                guest_step(&g, CPU_EVENT_STEP, GUEST_CODE + 10);
                guest_step(&g, CPU_EVENT_EXCEPTION, GUEST_CODE + 10);
            }
            ck_assert_msg(strcmp(heard, cases[i].heard) == 0, "case %zu, mode %d: heard %s", i,
                          mode, heard);
            ck_assert_uint_eq(guest_read(&g, GUEST_DATA + 8, 4), 0x33333333);
            ck_assert_uint_eq(guest_read(&g, GUEST_DATA + 0x20, 1), 0x5a);
            cpu_hook_remove(g.cpu, id);
        }
    }
}
END_TEST

START_TEST(what_cannot_be_hooked)
{
    struct cpu_hook hook = {.access = VM_READ, .first = 1, .last = 0, .fn = on_access};
    unsigned id = 5;

    ck_assert_int_eq(cpu_hook_add(g.cpu, &hook, &id), ERR_INVALID);
    hook.first = 0;
    hook.fn = NULL;
    ck_assert_int_eq(cpu_hook_add(g.cpu, &hook, &id), ERR_INVALID);
    hook.fn = on_access;
    hook.access = 0;
    ck_assert_int_eq(cpu_hook_add(g.cpu, &hook, &id), ERR_INVALID);
    ck_assert_uint_eq(id, 5);
    cpu_hook_remove(g.cpu, 17);
    (void)add_hook(VM_READ, 0, UINT64_MAX, on_access);
    (void)add_hook(VM_WRITE, 0, UINT64_MAX, on_access);
    put_some_code();
    cpu_hook_clear(g.cpu);
    forget();
    guest_run(&g, CPU_EVENT_EXCEPTION, GUEST_CODE + 10);
    ck_assert_str_eq(heard, "");
}
END_TEST

/* Every iteration of a rep, pushes and pops, wide operands; across pages only once. */
START_TEST(values_of_many_kinds)
{
    static const struct {
        uint8_t code[8];
        uint8_t len;
        const char *heard;
    } cases[] = {
        {{0xf3, 0xab}, 2, "w200ffe+4=87654321 w201002+4=87654321 w201006+4=87654321"},
        {{0x86, 0x03}, 2, "w200000+1=21"},
        {{0x0f, 0x11, 0x03}, 3, "w200000+16=00000000000000000000000000000000"},
        {{0xd9, 0xe8, 0xdd, 0x1b}, 4, "w200000+8=3ff0000000000000"},
        {{0x0f, 0xb1, 0x0b}, 3, "w200000+4=00000000"},
    };

    (void)add_hook(VM_WRITE, 0, UINT64_MAX, on_access);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        uint8_t code[9] = {0};

        memcpy(code, cases[i].code, cases[i].len);
        code[cases[i].len] = 0xcc;
        guest_write(&g, GUEST_DATA, (const uint8_t[16]){0}, 16);
        guest_code(&g, GUEST_CODE, code, sizeof code);
        cpu_set(g.cpu, CPU_RAX, 0x87654321);
        cpu_set(g.cpu, CPU_RBX, GUEST_DATA);
        cpu_set(g.cpu, CPU_RCX, 3);
        cpu_set(g.cpu, CPU_RDI, GUEST_DATA + 0xffe);
        forget();
        guest_run(&g, CPU_EVENT_EXCEPTION, GUEST_CODE + cases[i].len);
        ck_assert_str_eq(heard, cases[i].heard);
    }
}
END_TEST

static bool on_read_change(void *ctx, struct cpu *cpu, const struct cpu_access *x)
{
    uint32_t value = 0x12345678;

    (void)ctx;
    (void)cpu;
    guest_write(&g, x->address, &value, sizeof value);
    return true;
}

/* What a hook writes is what the guest reads. */
START_TEST(a_hook_may_change_what_is_read)
{
    put_some_code();
    (void)add_hook(VM_READ, GUEST_DATA, GUEST_DATA + 3, on_read_change);
    guest_run(&g, CPU_EVENT_EXCEPTION, GUEST_CODE + 10);
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_RAX), 0x12345678);
}
END_TEST

static bool on_write_skip(void *ctx, struct cpu *cpu, const struct cpu_access *x)
{
    (void)ctx;
    hear(x);
    cpu_set(cpu, CPU_RIP, x->pc + 4);
    return true;
}

START_TEST(a_hook_may_leave_the_instruction_out)
{
    put_some_code();
    forget();
    (void)add_hook(VM_WRITE, GUEST_DATA + 0x20, GUEST_DATA + 0x20, on_write_skip);
    guest_run(&g, CPU_EVENT_EXCEPTION, GUEST_CODE + 10);
    ck_assert_str_eq(heard, "w200020+1=5a");
    ck_assert_uint_eq(guest_read(&g, GUEST_DATA + 0x20, 1), 0);
    ck_assert_uint_eq(guest_read(&g, cpu_get(g.cpu, CPU_RSP), 4), 0x77);
}
END_TEST

static bool on_write_protect(void *ctx, struct cpu *cpu, const struct cpu_access *x)
{
    (void)ctx;
    (void)cpu;
    (void)x;
    calls++;
    guest_protect(&g, GUEST_DATA, VM_PAGE_SIZE, PAGE_READONLY);
    return true;
}

/* A protection that a hook changes holds for the very access that it heard of. */
START_TEST(a_hook_may_forbid_the_access)
{
    put_some_code();
    forget();
    (void)add_hook(VM_WRITE, GUEST_DATA + 8, GUEST_DATA + 8, on_write_protect);
    guest_run(&g, CPU_EVENT_FAULT, GUEST_CODE + 2);
    ck_assert_int_eq(g.event.fault, VM_FAULT_READONLY);
    ck_assert_uint_eq(calls, 1);
    ck_assert_uint_eq(guest_read(&g, GUEST_DATA + 8, 4), 0x22222222);
}
END_TEST

static bool on_access_stop(void *ctx, struct cpu *cpu, const struct cpu_access *x)
{
    (void)ctx;
    (void)cpu;
    hear(x);
    return ++calls > 1;
}

START_TEST(a_hook_may_stop_the_run)
{
    put_some_code();
    forget();
    (void)add_hook(VM_WRITE, GUEST_DATA + 0x20, GUEST_DATA + 0x20, on_access_stop);
    guest_run(&g, CPU_EVENT_HOOK, GUEST_CODE + 5);
    ck_assert_uint_eq(g.event.address, GUEST_DATA + 0x20);
    ck_assert_int_eq(g.event.access, VM_WRITE);
    ck_assert_uint_eq(g.event.size, 1);
    ck_assert_uint_eq(guest_read(&g, GUEST_DATA + 0x20, 1), 0);
    guest_run(&g, CPU_EVENT_EXCEPTION, GUEST_CODE + 10); /* asked again, it lets it go on */
    ck_assert_uint_eq(calls, 2);
    ck_assert_uint_eq(guest_read(&g, GUEST_DATA + 0x20, 1), 0x5a);
}
END_TEST

static bool on_access_leave_out(void *ctx, struct cpu *cpu, const struct cpu_access *x)
{
    (void)ctx;
    calls++;
    cpu_set(cpu, CPU_RIP, x->pc + x->size);
    return true;
}

/* A hook that executes nothing of a long piece of code, in a run and in steps. */
START_TEST(a_hook_may_leave_everything_out)
{
    uint8_t code[3000];

    for (size_t i = 0; i < sizeof code; i += 2)
        memcpy(code + i, "\xff\xc0", 2); /* inc eax */
    guest_code(&g, GUEST_CODE, code, sizeof code);
    guest_write(&g, GUEST_CODE + sizeof code, "\xcc", 1);
    cpu_set(g.cpu, CPU_RAX, 7);
    (void)add_hook(VM_EXEC, GUEST_CODE, GUEST_CODE + sizeof code - 1, on_access_leave_out);
    forget();
    guest_run(&g, CPU_EVENT_EXCEPTION, GUEST_CODE + sizeof code);
    ck_assert_uint_eq(calls, sizeof code / 2);
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_RAX), 7);
    cpu_set(g.cpu, CPU_RIP, GUEST_CODE);
    guest_step(&g, CPU_EVENT_STEP, GUEST_CODE + 2);
    guest_step(&g, CPU_EVENT_STEP, GUEST_CODE + 4);
}
END_TEST

/* Instructions that the engine is kept from are heard of like others. */
START_TEST(hooks_hear_of_instructions_that_the_engine_must_not_run)
{
    /* nop; vaddps xmm0, xmm1, xmm2 */
    GUEST_CODE_AT(&g, GUEST_CODE, 0x90, 0xc5, 0xf0, 0x58, 0xc2);
    for (int i = 0; i < 2; i++) {
        cpu_set(g.cpu, CPU_RIP, GUEST_CODE);
        forget();
        if (i)
            (void)add_hook(VM_EXEC, GUEST_CODE, GUEST_CODE + 8, on_access);
        guest_run(&g, CPU_EVENT_EXCEPTION, GUEST_CODE + 1);
        ck_assert_uint_eq(g.event.vector, CPU_VEC_UD);
    }
    ck_assert_str_eq(heard, "x10000+1 x10001+4");
}
END_TEST

static unsigned self;

static bool on_access_once(void *ctx, struct cpu *cpu, const struct cpu_access *x)
{
    (void)ctx;
    hear(x);
    cpu_hook_remove(cpu, self);
    self = add_hook(VM_WRITE, 0, UINT64_MAX, on_access);
    return true;
}

START_TEST(hooks_may_come_and_go_in_hooks)
{
    put_some_code();
    forget();
    self = add_hook(VM_READ, 0, UINT64_MAX, on_access_once);
    guest_run(&g, CPU_EVENT_EXCEPTION, GUEST_CODE + 10);
    ck_assert_int_eq(strncmp(heard, "r200000+4 w200008+4=33333333 w200020+1=5a w300ff", 47), 0);
    cpu_hook_remove(g.cpu, self);
    put_some_code();
    forget();
    guest_run(&g, CPU_EVENT_EXCEPTION, GUEST_CODE + 10);
    ck_assert_str_eq(heard, "");
}
END_TEST

static bool yes(void *ctx, uint64_t offset, void *bytes, size_t len)
{
    (void)ctx;
    memset(bytes, (int)offset, len);
    calls += 100;
    return true;
}

/* movs from a device: the device is asked once, and the hook hears what it said. */
START_TEST(values_that_come_from_a_device)
{
    struct vm_device device = {.read = yes};

    ck_assert_uint_eq(vm_map_device(g.vm, FREE_PLACE, 0x1000, &device, NULL, NULL), STATUS_SUCCESS);
    (void)add_hook(VM_READ | VM_WRITE, 0, UINT64_MAX, on_access);
    GUEST_CODE_AT(&g, GUEST_CODE, 0xa5, 0xcc);
    cpu_set(g.cpu, CPU_RSI, FREE_PLACE + 0x42);
    cpu_set(g.cpu, CPU_RDI, GUEST_DATA);
    forget();
    guest_run(&g, CPU_EVENT_EXCEPTION, GUEST_CODE + 1);
    ck_assert_str_eq(heard, "r700042+4 w200000+4=42424242");
    ck_assert_uint_eq(calls, 102);
    ck_assert_uint_eq(guest_read(&g, GUEST_DATA, 4), 0x42424242);
}
END_TEST

/* A trap stops first; a break before everything; a hook on code hears of the instruction that was stopped at later. */
START_TEST(traps_and_breaks_come_first)
{
    put_some_code();
    forget();
    (void)add_hook(VM_WRITE | VM_EXEC, GUEST_CODE + 5, GUEST_DATA + 0xfff, on_access);
    ck_assert_int_eq(cpu_break_add(g.cpu, GUEST_CODE + 5), ERR_OK);
    ck_assert_int_eq(cpu_trap_set(g.cpu, GUEST_DATA, VM_WRITE), ERR_OK);
    guest_run(&g, CPU_EVENT_TRAP, GUEST_CODE + 2);
    ck_assert_str_eq(heard, "");
    ck_assert_int_eq(cpu_step(g.cpu, true, &g.event), ERR_OK);
    ck_assert_str_eq(heard, "w200008+4=33333333");
    guest_run(&g, CPU_EVENT_BREAK, GUEST_CODE + 5);
    ck_assert_int_eq(cpu_trap_set(g.cpu, GUEST_DATA, 0), ERR_OK);
    forget();
    guest_run_on(&g, CPU_EVENT_EXCEPTION, GUEST_CODE + 10);
    ck_assert_str_eq(heard, "x10005+4 w200020+1=5a x10009+1 x1000a+1");
}
END_TEST

/* A hooked instruction that the engine must not run in the middle of a block keeps its flags. */
START_TEST(flags_survive_a_hooked_store_of_a_condition)
{
    GUEST_CODE_AT(&g, GUEST_CODE, 0x83, 0xf8, 5, 0x0f, 0x95, 0x03, 0x0f, 0x95, 0xc1, 0xcc);
    cpu_set(g.cpu, CPU_RBX, GUEST_DATA);
    guest_run(&g, CPU_EVENT_EXCEPTION, GUEST_CODE + 9);
    (void)add_hook(VM_WRITE, 0, UINT64_MAX, on_access);
    for (uint64_t value = 5; value < 7; value++) {
        cpu_set(g.cpu, CPU_RIP, GUEST_CODE);
        cpu_set(g.cpu, CPU_RAX, value);
        guest_run(&g, CPU_EVENT_EXCEPTION, GUEST_CODE + 9);
        ck_assert_uint_eq(guest_read(&g, GUEST_DATA, 1), value != 5);
        ck_assert_uint_eq(cpu_get(g.cpu, CPU_RCX) & 0xff, value != 5);
    }
}
END_TEST

/* ---- Refused accesses ------------------------------------------------------------------------ */

static bool on_refused_map(void *ctx, struct cpu *cpu, const struct cpu_access *x)
{
    (void)ctx;
    (void)cpu;
    calls++;
    hear(x);
    if (x->fault == VM_FAULT_FREE) {
        guest_map(&g, x->address & ~UINT64_C(0xffff), 0x10000, PAGE_EXECUTE_READWRITE);
        guest_write(&g, x->address & ~UINT64_C(0xffff), "\x90\xcc\x90\xcc\x90\xcc\x90\xcc", 8);
    }
    return x->fault == VM_FAULT_FREE;
}

/* Read, write and execute what is not there: mapped on demand, and the instruction goes on. */
START_TEST(a_hook_may_mend_what_was_refused)
{
    (void)add_refused(VM_READ | VM_WRITE | VM_EXEC, on_refused_map);
    /* 0: mov eax,[ebx]; 2: mov [ecx],eax; 4: push edx via esp; 5: jmp esi */
    GUEST_CODE_AT(&g, GUEST_CODE, 0x8b, 0x03, 0x89, 0x01, 0x52, 0xff, 0xe6);
    cpu_set(g.cpu, CPU_RBX, FREE_PLACE + 4);
    cpu_set(g.cpu, CPU_RCX, FREE_PLACE + 0x10000);
    cpu_set(g.cpu, CPU_RDX, 0x55);
    cpu_set(g.cpu, CPU_RSP, FREE_PLACE + 0x28000);
    cpu_set(g.cpu, CPU_RSI, FREE_PLACE + 0x30000);
    forget();
    guest_run(&g, CPU_EVENT_EXCEPTION, FREE_PLACE + 0x30001);
    ck_assert_uint_eq(calls, 4);
    if (cpu_get_arch(g.cpu) == CPU_AMD64)
        ck_assert_str_eq(heard,
                         "r700004+4 w710000+4=cc90cc90 w727ff8+8=0000000000000055 x730000+0");
    else
        ck_assert_str_eq(heard, "r700004+4 w710000+4=cc90cc90 w727ffc+4=00000055 x730000+0");
    ck_assert_uint_eq(guest_read(&g, FREE_PLACE + 0x10000, 4), 0xcc90cc90);
}
END_TEST

/* The value of an operand that lies half in the page that refuses, and of one that depends on what is not there. */
START_TEST(values_of_refused_writes)
{
    (void)add_refused(VM_WRITE, on_access);
    GUEST_CODE_AT(&g, GUEST_CODE, 0x89, 0x03, 0xcc);
    cpu_set(g.cpu, CPU_RAX, 0x11223344);
    cpu_set(g.cpu, CPU_RBX, GUEST_DATA + 0x1ffe);
    forget();
    guest_run(&g, CPU_EVENT_FAULT, GUEST_CODE);
    ck_assert_uint_eq(calls, 1); /* it claimed to have mended it, and is not asked again */
    ck_assert_str_eq(heard, "w202000+4=11223344");
    ck_assert_uint_eq(g.event.address, GUEST_DATA + 0x2000);
    ck_assert_uint_eq(guest_read(&g, GUEST_DATA + 0x1ffe, 2), 0);
    GUEST_CODE_AT(&g, GUEST_CODE, 0x01, 0x03,
                  0xcc); /* add [ebx], eax: what it adds to is unknown */
    cpu_set(g.cpu, CPU_RBX, FREE_PLACE);
    forget();
    guest_run(&g, CPU_EVENT_FAULT, GUEST_CODE);
    ck_assert_int_eq(strncmp(heard, "w700000+4", 9), 0);
    ck_assert_ptr_null(strchr(heard, '='));
}
END_TEST

static bool on_refused_no(void *ctx, struct cpu *cpu, const struct cpu_access *x)
{
    (void)ctx;
    (void)cpu;
    (void)x;
    calls++;
    return false;
}

static bool on_refused_skip(void *ctx, struct cpu *cpu, const struct cpu_access *x)
{
    (void)ctx;
    calls++;
    cpu_set(cpu, CPU_RIP, x->pc + 2);
    return true;
}

/* A hook that emulates: it leaves every refused instruction out, in a loop too. */
START_TEST(a_hook_may_leave_refused_instructions_out)
{
    unsigned id = add_refused(VM_READ, on_refused_no);

    (void)add_refused(VM_WRITE, on_refused_skip);
    /* 0: mov [ebx],eax; 2: sub ecx,1; 5: jnz 0; 7: mov eax,[ebx] */
    GUEST_CODE_AT(&g, GUEST_CODE, 0x89, 0x03, 0x83, 0xe9, 1, 0x75, 0xf9, 0x8b, 0x03, 0xcc);
    cpu_set(g.cpu, CPU_RBX, FREE_PLACE);
    cpu_set(g.cpu, CPU_RCX, 5);
    forget();
    guest_run(&g, CPU_EVENT_FAULT, GUEST_CODE + 7);
    ck_assert_uint_eq(calls, 6);
    ck_assert_int_eq(g.event.access, VM_READ);
    cpu_hook_remove(g.cpu, id);
    guest_step(&g, CPU_EVENT_FAULT, GUEST_CODE + 7);
    ck_assert_uint_eq(calls, 6);
}
END_TEST

static bool on_refused_guard(void *ctx, struct cpu *cpu, const struct cpu_access *x)
{
    (void)ctx;
    (void)cpu;
    ck_assert_int_eq(x->fault, VM_FAULT_GUARD);
    return vm_clear_guard(g.vm, x->address);
}

START_TEST(guard_pages_are_still_armed)
{
    guest_protect(&g, GUEST_DATA, VM_PAGE_SIZE, PAGE_READWRITE | PAGE_GUARD);
    put_some_code();
    (void)add_refused(VM_READ | VM_WRITE, on_refused_guard);
    guest_run(&g, CPU_EVENT_EXCEPTION, GUEST_CODE + 10);
    ck_assert_uint_eq(guest_read(&g, GUEST_DATA + 8, 4), 0x33333333);
}
END_TEST

static void add_both(TCase *tc)
{
    tcase_add_test(tc, each_kind_is_told_where_it_was_asked_for);
    tcase_add_test(tc, what_cannot_be_hooked);
    tcase_add_test(tc, values_of_many_kinds);
    tcase_add_test(tc, a_hook_may_change_what_is_read);
    tcase_add_test(tc, a_hook_may_leave_the_instruction_out);
    tcase_add_test(tc, a_hook_may_forbid_the_access);
    tcase_add_test(tc, a_hook_may_stop_the_run);
    tcase_add_test(tc, hooks_may_come_and_go_in_hooks);
    tcase_add_test(tc, a_hook_may_leave_everything_out);
    tcase_add_test(tc, hooks_hear_of_instructions_that_the_engine_must_not_run);
    tcase_add_test(tc, values_that_come_from_a_device);
    tcase_add_test(tc, traps_and_breaks_come_first);
    tcase_add_test(tc, flags_survive_a_hooked_store_of_a_condition);
    tcase_add_test(tc, a_hook_may_mend_what_was_refused);
    tcase_add_test(tc, values_of_refused_writes);
    tcase_add_test(tc, a_hook_may_leave_refused_instructions_out);
    tcase_add_test(tc, guard_pages_are_still_armed);
}

int main(void)
{
    return guest_suite("hooks", add_both, add_both);
}
