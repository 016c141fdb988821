/*
 * Traps on some bytes of a page: stores beside them are done without a stop, stores to them stop before anything has
 * happened, whatever the instruction and wherever it begins, and what the guest computes is the same as without traps.
 */
#include <check.h>
#include <inttypes.h>
#include <string.h>

#include "cpu/cpu_priv.h"
#include "guest_suite.h"
#include "vm_builder.h"
#include "winstub/bytes.h"

#define PAGE   GUEST_DATA
#define BEFORE (GUEST_DATA - VM_PAGE_SIZE) /* mapped where a test wants it */

/* Trap stores to [from, end) of the page at addr. */
static void trap(gva_t addr, uint32_t from, uint32_t end)
{
    struct cpu_trap_bytes bytes = {{0}};

    for (; from < end; from++)
        bytes.bits[from / 64] |= UINT64_C(1) << (from & 63);
    ck_assert_int_eq(cpu_trap_set(g.cpu, addr, VM_WRITE), ERR_OK);
    cpu_trap_narrow(g.cpu, addr, &bytes);
}

/* Run up to pc, letting every trap through; how many there were. Without guards each store to the page is one. */
static unsigned traps_up_to(gva_t pc)
{
    unsigned traps = 0;

    ck_assert_int_eq(cpu_break_add(g.cpu, pc), ERR_OK);
    for (;;) {
        ck_assert_int_eq(cpu_run(g.cpu, false, &g.event), ERR_OK);
        if (g.event.kind == CPU_EVENT_BREAK)
            break;
        ck_assert_int_eq(g.event.kind, CPU_EVENT_TRAP);
        ck_assert_int_eq(cpu_step(g.cpu, true, &g.event), ERR_OK);
        traps++;
    }
    ck_assert_uint_eq(g.event.pc, pc);
    cpu_break_remove(g.cpu, pc);
    return g.cpu->guards ? traps : 0;
}

/* 0: mov [rdi], ecx; 2: add [rdi], ecx; 4: add eax, [rdi]; 6: dec ecx, in two bytes; 8: jnz 0; 10: the end */
static void store_in_turns(gva_t addr)
{
    GUEST_CODE_AT(&g, GUEST_CODE, 0x89, 0x0f, 0x01, 0x0f, 0x03, 0x07, 0xff, 0xc9, 0x75, 0xf6, 0x90);
    cpu_set(g.cpu, CPU_RDI, addr);
    cpu_set(g.cpu, CPU_RCX, 10);
    cpu_set(g.cpu, CPU_RAX, 0);
}

START_TEST(stores_beside_trapped_bytes_do_not_stop)
{
    static const uint32_t beside[] = {0x100, 0x1f7, 0x1fc, 0x204, 0x205, 0xffc};

    trap(PAGE, 0x200, 0x204);
    for (size_t i = 0; i < COUNT_OF(beside); i++) {
        store_in_turns(PAGE + beside[i]);
        ck_assert_uint_eq(traps_up_to(GUEST_CODE + 10), 0);
        ck_assert_uint_eq(cpu_get(g.cpu, CPU_RAX), 110);
        ck_assert_uint_eq(guest_read(&g, PAGE + beside[i], 4), 2);
    }
}
END_TEST

START_TEST(stores_to_trapped_bytes_stop_each_time)
{
    static const uint32_t at[] = {0x1fd, 0x200, 0x203};

    trap(PAGE, 0x200, 0x204);
    for (size_t i = 0; i < COUNT_OF(at); i++) {
        store_in_turns(PAGE + 0x300);
        (void)traps_up_to(GUEST_CODE + 10);
        store_in_turns(PAGE + at[i]);
        guest_run(&g, CPU_EVENT_TRAP, GUEST_CODE);
        ck_assert_uint_eq(g.event.address, PAGE + at[i]);
        ck_assert_uint_eq(g.event.size, 4);
        ck_assert_int_eq(g.event.access, VM_WRITE);
        if (g.cpu->guards)
            ck_assert_uint_eq(traps_up_to(GUEST_CODE + 10), 20);
        else
            (void)traps_up_to(GUEST_CODE + 10);
        ck_assert_uint_eq(cpu_get(g.cpu, CPU_RAX), 110);
    }
}
END_TEST

/* The next thing is that the instruction at pc faults. Without guards the trap comes first. */
static void faults_at(gva_t pc)
{
    if (!g.cpu->guards) {
        guest_run(&g, CPU_EVENT_TRAP, pc);
        ck_assert_int_eq(cpu_step(g.cpu, true, &g.event), ERR_OK);
        ck_assert_int_eq(g.event.kind, CPU_EVENT_FAULT);
    } else {
        guest_run(&g, CPU_EVENT_FAULT, pc);
    }
}

/* The page's answer changes under a store that was let through: each change counts from the next store on. */
START_TEST(a_guarded_page_stays_what_the_vm_says)
{
    trap(PAGE, 0x200, 0x204);
    store_in_turns(PAGE + 0x300);
    ck_assert_uint_eq(traps_up_to(GUEST_CODE + 10), 0);
    guest_protect(&g, PAGE, VM_PAGE_SIZE, PAGE_READONLY);
    store_in_turns(PAGE + 0x300);
    faults_at(GUEST_CODE);
    guest_protect(&g, PAGE, VM_PAGE_SIZE, PAGE_READWRITE);
    ck_assert_uint_eq(traps_up_to(GUEST_CODE + 10), 0);
    ck_assert_int_eq(cpu_trap_set(g.cpu, PAGE, VM_WRITE), ERR_OK);
    store_in_turns(PAGE + 0x300);
    guest_run(&g, CPU_EVENT_TRAP, GUEST_CODE);
    ck_assert_int_eq(cpu_trap_set(g.cpu, PAGE, 0), ERR_OK);
    ck_assert_uint_eq(traps_up_to(GUEST_CODE + 10), 0);
    ck_succeeds(try_release(g.vm, PAGE, 0, MEM_RELEASE));
    trap(PAGE, 0x200, 0x204);
    store_in_turns(PAGE + 0x300);
    faults_at(GUEST_CODE);
    guest_map(&g, PAGE, VM_PAGE_SIZE, PAGE_READWRITE);
    ck_assert_uint_eq(traps_up_to(GUEST_CODE + 10), 0);
    ck_assert_uint_eq(guest_read(&g, PAGE + 0x300, 4), 2);
}
END_TEST

/* A store that begins in the page before must not be half done when its second half is trapped. */
START_TEST(a_store_from_the_page_before_is_done_once)
{
    guest_map(&g, BEFORE, VM_PAGE_SIZE, PAGE_READWRITE);
    for (uint32_t at = 0; at < 4; at++) {
        trap(PAGE, at, at + 1);
        guest_write(&g, PAGE - 2, "\xff\xff\0\0\0\0", 6);
        store_in_turns(PAGE + 0x300);
        (void)traps_up_to(GUEST_CODE + 10);
        GUEST_CODE_AT(&g, GUEST_CODE, 0x83, 0x07, 1, 0x90); /* add dword [rdi], 1 */
        cpu_set(g.cpu, CPU_RDI, PAGE - 2);
        (void)traps_up_to(GUEST_CODE + 3);
        ck_assert_uint_eq(guest_read(&g, PAGE - 2, 4), 0x10000);
    }
}
END_TEST

/* Two views of one frame, both trapped, each at bytes of its own; a third one is not. */
START_TEST(views_of_one_frame_are_trapped_apart)
{
    struct vm_section *s = build_section(g.vm, VM_PAGE_SIZE, PAGE_READWRITE, SEC_COMMIT);
    const gva_t views[] = {UINT64_C(0x400000), UINT64_C(0x500000), UINT64_C(0x600000)};
    unsigned traps[3];

    for (unsigned i = 0; i < 3; i++)
        build_view(g.vm, s, views[i], 0, 0, PAGE_READWRITE);
    trap(views[0], 0x200, 0x204);
    trap(views[1], 0x300, 0x304);
    for (unsigned turn = 0; turn < 2; turn++) {
        for (unsigned i = 0; i < 3; i++) {
            store_in_turns(views[i] + 0x200);
            traps[i] = traps_up_to(GUEST_CODE + 10);
            store_in_turns(views[i] + 0x300);
            traps[i] += traps_up_to(GUEST_CODE + 10);
        }
        ck_assert_uint_ge(traps[0], g.cpu->guards ? 20 : 0);
        ck_assert_uint_ge(traps[1], g.cpu->guards ? 20 : 0);
        ck_assert_uint_eq(traps[2], 0);
        ck_assert_uint_eq(guest_read(&g, views[2] + 0x200, 4), 2);
    }
    vm_section_unref(s);
}
END_TEST

/* Code in a page that it writes itself, beside trapped bytes: what it writes runs at once. */
START_TEST(code_in_a_guarded_page_may_change_itself)
{
    const gva_t code = UINT64_C(0x700000);

    guest_map(&g, code, VM_PAGE_SIZE, PAGE_EXECUTE_READWRITE);
    trap(code, 0x800, 0x804);
    /* 0: mov [rdi], cl; 2: nop; 3: mov al, 0; 5: add edx, eax; 7: dec ecx; 9: jnz 0; 11: the end */
    GUEST_CODE_AT(&g, code, 0x88, 0x0f, 0x90, 0xb0, 0, 0x01, 0xc2, 0xff, 0xc9, 0x75, 0xf5, 0x90);
    cpu_set(g.cpu, CPU_RDI, code + 4);
    cpu_set(g.cpu, CPU_RAX, 0);
    cpu_set(g.cpu, CPU_RDX, 0);
    cpu_set(g.cpu, CPU_RCX, 10);
    (void)traps_up_to(code + 11);
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_RDX), 55);
}
END_TEST

/* ---- Everything that stores, at random ------------------------------------------------------- */

/* Each is followed by [rdi + disp32], with this reg field, and then by these bytes. */
struct store_form {
    uint8_t opcode[4];
    uint8_t length, reg;
    uint8_t tail, tail_length;
    uint8_t align;
    uint16_t size;
};

static const struct store_form forms[] = {
    {{0x88}, 1, 1, 0, 0, 1, 1},             /* mov byte, cl */
    {{0x66, 0x89}, 2, 0, 0, 0, 1, 2},       /* mov word, ax */
    {{0x89}, 1, 0, 0, 0, 1, 4},             /* mov dword, eax */
    {{0xc7}, 1, 0, 0, 0, 1, 4},             /* mov dword, imm: see below */
    {{0x01}, 1, 0, 0, 0, 1, 4},             /* add dword, eax */
    {{0xf7}, 1, 3, 0, 0, 1, 4},             /* neg dword */
    {{0x83}, 1, 2, 7, 1, 1, 4},             /* adc dword, 7 */
    {{0xd1}, 1, 2, 0, 0, 1, 4},             /* rcl dword, 1 */
    {{0x0f, 0x92}, 2, 0, 0, 0, 1, 1},       /* setb */
    {{0x87}, 1, 0, 0, 0, 1, 4},             /* xchg dword, eax */
    {{0xf0, 0x0f, 0xc1}, 3, 0, 0, 0, 1, 4}, /* lock xadd dword, eax */
    {{0xf0, 0x0f, 0xb1}, 3, 1, 0, 0, 1, 4}, /* lock cmpxchg dword, ecx */
    {{0xf0, 0x0f, 0xc7}, 3, 1, 0, 0, 1, 8}, /* lock cmpxchg8b */
    {{0x0f, 0x11}, 2, 0, 0, 0, 1, 16},      /* movups, xmm0 */
    {{0x0f, 0x29}, 2, 0, 0, 0, 16, 16},     /* movaps, xmm0 */
    {{0x0f, 0x13}, 2, 0, 0, 0, 1, 8},       /* movlps, xmm0 */
    {{0x0f, 0x10}, 2, 0, 0, 0, 1, 16},      /* movups xmm0, from there */
    {{0xdd}, 1, 2, 0, 0, 1, 8},             /* fst qword */
    {{0xd9}, 1, 6, 0, 0, 1, 28},            /* fnstenv */
    {{0x0f, 0xae}, 2, 0, 0, 0, 16, 512},    /* fxsave */
    {{0x8f}, 1, 0, 0, 0, 1, 8},             /* pop */
    {{0xff}, 1, 6, 0, 0, 1, 8},             /* push */
    {{0x03}, 1, 0, 0, 0, 1, 4},             /* add eax, from there */
};

static uint64_t random_next(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return *state >> 33;
}

/* Code of so many of them over the two pages at GUEST_DATA, three times over; returns where it ends. */
static gva_t make_program(uint64_t seed)
{
    uint8_t code[VM_PAGE_SIZE] = {0xdb, 0xe3, 0x0f, 0x57, 0xc0}; /* fninit; xorps xmm0, xmm0 */
    size_t len = 5;
    const uint8_t tail[] = {0xff, 0xce, 0x0f, 0x85}; /* dec esi; jnz */

    for (unsigned i = 0; i < 60; i++) {
        const struct store_form *f = &forms[random_next(&seed) % COUNT_OF(forms)];
        bool edge = random_next(&seed) % 4 == 0; /* near the border of the pages */
        uint32_t at = edge ? VM_PAGE_SIZE - 40 + (uint32_t)(random_next(&seed) % 60)
                           : (uint32_t)(random_next(&seed) % (2 * VM_PAGE_SIZE - f->size));

        at &= ~(uint32_t)(f->align - 1);
        memcpy(code + len, f->opcode, f->length);
        len += f->length;
        code[len++] = (uint8_t)(0x87 | f->reg << 3);
        put_u32(code + len, at);
        len += 4;
        if (f->opcode[0] == 0xc7) {
            put_u32(code + len, (uint32_t)random_next(&seed));
            len += 4;
        }
        code[len] = f->tail;
        len += f->tail_length;
    }
    memcpy(code + len, tail, sizeof tail);
    len += sizeof tail;
    put_u32(code + len, (uint32_t) - (int32_t)(len + 4));
    len += 4;
    code[len] = 0x90;
    guest_code(&g, GUEST_CODE, code, len + 1);
    cpu_set(g.cpu, CPU_RDI, GUEST_DATA);
    cpu_set(g.cpu, CPU_RSI, 3);
    return GUEST_CODE + len;
}

struct picture_of_guest {
    uint8_t data[2 * VM_PAGE_SIZE], stack[2 * VM_PAGE_SIZE];
    uint64_t regs[CPU_EFLAGS + 1];
};

static void look(struct picture_of_guest *p)
{
    memset(p, 0, sizeof *p);
    ck_assert_uint_eq(vm_debug_read(g.vm, GUEST_DATA, p->data, sizeof p->data), sizeof p->data);
    ck_assert_uint_eq(vm_debug_read(g.vm, GUEST_STACK, p->stack, sizeof p->stack), sizeof p->stack);
    for (unsigned r = CPU_RAX; r <= CPU_EFLAGS; r++)
        p->regs[r] = cpu_get(g.cpu, (enum cpu_reg)r);
}

/* As traps_up_to, and the trapped bytes change only in what a trap lets through. */
static void watch_up_to(gva_t pc, gva_t watched, uint32_t len)
{
    uint8_t known[16], now[16];

    ck_assert_int_eq(cpu_break_add(g.cpu, pc), ERR_OK);
    do {
        ck_assert_uint_eq(vm_debug_read(g.vm, watched, known, len), len);
        ck_assert_int_eq(cpu_run(g.cpu, false, &g.event), ERR_OK);
        ck_assert_uint_eq(vm_debug_read(g.vm, watched, now, len), len);
        ck_assert_msg(!memcmp(known, now, len), "changed before 0x%llx",
                      (unsigned long long)g.event.pc);
        if (g.event.kind == CPU_EVENT_TRAP)
            ck_assert_int_eq(cpu_step(g.cpu, true, &g.event), ERR_OK);
    } while (g.event.kind == CPU_EVENT_STEP);
    ck_assert_int_eq(g.event.kind, CPU_EVENT_BREAK);
    cpu_break_remove(g.cpu, pc);
}

/* Not compared where there are no guards: 2.1.1 carries over less from one instruction to the next when it stops in between. */
static void compare(const struct picture_of_guest *plain, const struct picture_of_guest *trapped,
                    uint64_t seed)
{
    if (!g.cpu->guards)
        return;
    for (uint32_t i = 0; i < sizeof plain->data; i++)
        ck_assert_msg(plain->data[i] == trapped->data[i], "data 0x%x of %d: %02x, trapped %02x", i,
                      (int)seed, plain->data[i], trapped->data[i]);
    ck_assert_msg(!memcmp(plain->stack, trapped->stack, sizeof plain->stack), "stack of %d",
                  (int)seed);
    for (unsigned r = CPU_RAX; r <= CPU_EFLAGS; r++)
        ck_assert_msg(plain->regs[r] == trapped->regs[r],
                      "register %u of %d: 0x%" PRIx64 ", trapped 0x%" PRIx64, r, (int)seed,
                      plain->regs[r], trapped->regs[r]);
}

START_TEST(a_program_computes_the_same_under_traps)
{
    static const struct picture_of_guest none;
    struct picture_of_guest plain, trapped;

    for (uint64_t seed = 1; seed <= 40; seed++) {
        uint32_t at = (uint32_t)(seed * 619 % (VM_PAGE_SIZE - 16));
        uint32_t len = 1 + (uint32_t)(seed % 16);

        for (int with = 0; with < 2; with++) {
            gva_t end;

            guest_write(&g, GUEST_DATA, none.data, sizeof none.data);
            guest_write(&g, GUEST_STACK, none.stack, sizeof none.stack);
            cpu_set(g.cpu, CPU_RSP, GUEST_STACK + VM_PAGE_SIZE);
            cpu_set(g.cpu, CPU_RAX, seed);
            cpu_set(g.cpu, CPU_RDX, 0);
            cpu_set(g.cpu, CPU_RBX, 77);
            cpu_set(g.cpu, CPU_RCX, 99);
            cpu_set(g.cpu, CPU_EFLAGS, 0x202);
            end = make_program(seed);
            if (with)
                trap(PAGE + seed % 2 * VM_PAGE_SIZE, at, at + len);
            watch_up_to(end, PAGE + seed % 2 * VM_PAGE_SIZE + at, with ? len : 0);
            look(with ? &trapped : &plain);
            ck_assert_int_eq(cpu_trap_set(g.cpu, PAGE + seed % 2 * VM_PAGE_SIZE, 0), ERR_OK);
        }
        compare(&plain, &trapped, seed);
    }
}
END_TEST

static void add_both(TCase *tc)
{
    tcase_add_test(tc, stores_beside_trapped_bytes_do_not_stop);
    tcase_add_test(tc, stores_to_trapped_bytes_stop_each_time);
    tcase_add_test(tc, a_guarded_page_stays_what_the_vm_says);
    tcase_add_test(tc, a_store_from_the_page_before_is_done_once);
    tcase_add_test(tc, views_of_one_frame_are_trapped_apart);
    tcase_add_test(tc, code_in_a_guarded_page_may_change_itself);
    tcase_add_test(tc, a_program_computes_the_same_under_traps);
}

int main(void)
{
    return guest_suite("cpu_guard", add_both, add_both);
}
