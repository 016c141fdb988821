/* Breaks and traps: few and many, in code that is there, not there yet, or gone and back. */
#include <check.h>
#include <string.h>

#include "cpu/cpu_priv.h"
#include "guest.h"
#include "suite.h"

#define FUNCTIONS  UINT64_C(0x1000000) /* many small functions, one every 16 bytes */
#define FUNCTION_N 1024u
#define LATER      UINT64_C(0x2000000)

static struct guest g;

static void setup(void)
{
    guest_init(&g, CPU_AMD64);
}

/* The block filter takes over at the third armed break. */
static void setup_few(void)
{
    guest_init(&g, CPU_AMD64);
    g.cpu->hook_limit = 2;
}

static void teardown(void)
{
    guest_fini(&g);
}

static gva_t function(unsigned n)
{
    return FUNCTIONS + 16 * (gva_t)n;
}

/* FUNCTION_N functions, each "add eax, 1; add ecx, 2; jmp next", the last one int3. */
static void make_functions(void)
{
    static const uint8_t body[16] = {0x83, 0xc0, 1, 0x83, 0xc1, 2, 0xeb, 8};
    const uint8_t int3 = 0xcc;

    guest_map(&g, FUNCTIONS, 16 * FUNCTION_N, PAGE_EXECUTE_READ);
    for (unsigned i = 0; i + 1 < FUNCTION_N; i++)
        guest_write(&g, function(i), body, sizeof body);
    guest_write(&g, function(FUNCTION_N - 1), &int3, 1);
    cpu_set(g.cpu, CPU_RIP, FUNCTIONS);
}

static void add_break(gva_t addr)
{
    ck_assert_int_eq(cpu_break_add(g.cpu, addr), ERR_OK);
}

START_TEST(every_break_of_many_is_hit_once_in_order)
{
    make_functions();
    for (unsigned i = 0; i + 1 < FUNCTION_N; i += 3)
        add_break(function(i) + 3);
    for (unsigned i = 0; i + 1 < FUNCTION_N; i += 3) {
        guest_run(&g, CPU_EVENT_BREAK, function(i) + 3);
        ck_assert_uint_eq(cpu_get(g.cpu, CPU_RAX), i + 1);
        ck_assert_uint_eq(cpu_get(g.cpu, CPU_RCX), 2 * i);
        guest_step(&g, CPU_EVENT_STEP, function(i) + 6);
    }
    guest_run(&g, CPU_EVENT_EXCEPTION, function(FUNCTION_N - 1));
    /* and again, now that all are armed, with pass_break */
    cpu_set(g.cpu, CPU_RIP, FUNCTIONS);
    for (unsigned i = 0; i + 1 < FUNCTION_N; i += 3)
        guest_run_on(&g, CPU_EVENT_BREAK, function(i) + 3);
}
END_TEST

START_TEST(removed_breaks_are_forgotten)
{
    make_functions();
    for (unsigned i = 0; i + 1 < FUNCTION_N; i++)
        add_break(function(i));
    for (unsigned i = 0; i < 40; i++)
        guest_run_on(&g, CPU_EVENT_BREAK, function(i + 1));
    for (unsigned i = 0; i + 1 < FUNCTION_N; i++) {
        if (i != 500)
            cpu_break_remove(g.cpu, function(i));
    }
    guest_run_on(&g, CPU_EVENT_BREAK, function(500));
    add_break(function(20));
    cpu_set(g.cpu, CPU_RIP, FUNCTIONS);
    guest_run(&g, CPU_EVENT_BREAK, function(20));
    cpu_break_remove(g.cpu, function(500));
    cpu_break_remove(g.cpu, function(20));
    guest_run(&g, CPU_EVENT_EXCEPTION, function(FUNCTION_N - 1));
    ck_assert_uint_eq(g.cpu->armed_count, 0);
}
END_TEST

START_TEST(a_second_add_is_the_same_break)
{
    make_functions();
    add_break(function(3));
    add_break(function(3));
    guest_run(&g, CPU_EVENT_BREAK, function(3));
    cpu_break_remove(g.cpu, function(3));
    guest_run(&g, CPU_EVENT_EXCEPTION, function(FUNCTION_N - 1));
}
END_TEST

/* Both in one block, and one on the instruction that is run from. */
START_TEST(neighbouring_breaks_are_each_hit)
{
    make_functions();
    for (unsigned i = 0; i < 4; i++) {
        add_break(function(i));
        add_break(function(i) + 3);
        add_break(function(i) + 6);
    }
    guest_run(&g, CPU_EVENT_BREAK, function(0));
    for (unsigned i = 0; i < 3; i++) {
        guest_run_on(&g, CPU_EVENT_BREAK, function(i) + 3);
        guest_run_on(&g, CPU_EVENT_BREAK, function(i) + 6);
        guest_run_on(&g, CPU_EVENT_BREAK, function(i + 1));
    }
}
END_TEST

/* A break set while its block is translated and hot. */
START_TEST(a_break_in_hot_code_is_hit)
{
    /* 0: add eax, 1; 3: cmp eax, ebx; 5: jne 0; 7: int3 */
    GUEST_CODE_AT(&g, GUEST_CODE, 0x83, 0xc0, 1, 0x39, 0xd8, 0x75, 0xf9, 0xcc);
    cpu_set(g.cpu, CPU_RBX, 100000);
    guest_run(&g, CPU_EVENT_EXCEPTION, GUEST_CODE + 7);
    add_break(GUEST_CODE + 3);
    cpu_set(g.cpu, CPU_RAX, 0);
    cpu_set(g.cpu, CPU_RIP, GUEST_CODE);
    guest_run(&g, CPU_EVENT_BREAK, GUEST_CODE + 3);
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_RAX), 1);
    for (unsigned i = 2; i < 10; i++) {
        guest_run_on(&g, CPU_EVENT_BREAK, GUEST_CODE + 3);
        ck_assert_uint_eq(cpu_get(g.cpu, CPU_RAX), i);
    }
    cpu_break_remove(g.cpu, GUEST_CODE + 3);
    guest_run(&g, CPU_EVENT_EXCEPTION, GUEST_CODE + 7);
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_RAX), 100000);
}
END_TEST

/*
 * An instruction whose middle bytes are a break address is not stopped at: execution never gets
 * there.
 */
START_TEST(a_break_inside_an_instruction_is_never_hit)
{
    make_functions();
    for (unsigned i = 0; i < 8; i++)
        add_break(function(i) + 1);
    guest_run(&g, CPU_EVENT_EXCEPTION, function(FUNCTION_N - 1));
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_RAX), FUNCTION_N - 1);
}
END_TEST

static void map_later(uint8_t first)
{
    const uint8_t code[] = {0xb0, first, 0x90, 0xcc};

    guest_map(&g, LATER, VM_PAGE_SIZE, PAGE_EXECUTE_READ);
    guest_write(&g, LATER, code, sizeof code);
}

START_TEST(a_break_survives_its_page)
{
    gva_t base = LATER;
    uint64_t size = 0;

    add_break(LATER + 2);
    for (uint8_t i = 1; i < 4; i++) {
        map_later(i);
        cpu_set(g.cpu, CPU_RIP, LATER);
        guest_run(&g, CPU_EVENT_BREAK, LATER + 2);
        ck_assert_uint_eq(cpu_get(g.cpu, CPU_RAX), i);
        guest_run_on(&g, CPU_EVENT_EXCEPTION, LATER + 3);
        ck_assert_uint_eq(vm_release(g.vm, &base, &size, MEM_RELEASE), STATUS_SUCCESS);
        size = 0;
    }
    /* set while there is nothing at its address */
    cpu_break_remove(g.cpu, LATER + 2);
    add_break(LATER);
    map_later(9);
    cpu_set(g.cpu, CPU_RIP, GUEST_CODE);
    guest_write(&g, GUEST_CODE, (const uint8_t[]){0xff, 0xe3}, 2); /* jmp ebx */
    cpu_set(g.cpu, CPU_RBX, LATER);
    guest_run(&g, CPU_EVENT_BREAK, LATER);
}
END_TEST

/* The block is translated anew in each turn, from its middle on: breaks before and behind what changes are hit in each. */
START_TEST(breaks_in_code_that_rewrites_its_own_block_are_hit)
{
    const gva_t code = LATER;

    /* 0: mov ecx, 3; 5: mov [rdi], cl; 7: nop; 8: mov eax, 0; 13: dec ecx; 15: jnz 5; 17: int3 */
    guest_map(&g, code, VM_PAGE_SIZE, PAGE_EXECUTE_READWRITE);
    GUEST_CODE_AT(&g, code, 0xb9, 3, 0, 0, 0, 0x88, 0x0f, 0x90, 0xb8, 0, 0, 0, 0, 0xff, 0xc9, 0x75,
                  0xf4, 0xcc);
    cpu_set(g.cpu, CPU_RDI, code + 9); /* the immediate of mov eax */
    add_break(code + 7);
    add_break(code + 13);
    for (unsigned left = 3; left > 0; left--) {
        guest_run_on(&g, CPU_EVENT_BREAK, code + 7);
        ck_assert_uint_eq(guest_read(&g, code + 9, 1), left);
        guest_run_on(&g, CPU_EVENT_BREAK, code + 13);
        ck_assert_uint_eq(cpu_get(g.cpu, CPU_RAX), left);
    }
    guest_run_on(&g, CPU_EVENT_EXCEPTION, code + 17);
}
END_TEST

START_TEST(a_break_at_a_wild_target_comes_before_the_fault)
{
    GUEST_CODE_AT(&g, GUEST_CODE, 0xff, 0xe3);
    cpu_set(g.cpu, CPU_RBX, 0x7000000);
    add_break(0x7000000);
    guest_run(&g, CPU_EVENT_BREAK, 0x7000000);
    guest_run_on(&g, CPU_EVENT_FAULT, 0x7000000);
}
END_TEST

/* TF takes us over pushf, rep and int3 with breaks on each. */
START_TEST(breaks_on_odd_instructions_work)
{
    /* 0: pushf; 1: pop rax; 2: rep stosb; 4: int3 */
    GUEST_CODE_AT(&g, GUEST_CODE, 0x9c, 0x58, 0xf3, 0xaa, 0xcc);
    cpu_set(g.cpu, CPU_RDI, GUEST_DATA);
    cpu_set(g.cpu, CPU_RCX, 5);
    for (unsigned i = 0; i < 5; i++)
        add_break(GUEST_CODE + i);
    guest_run(&g, CPU_EVENT_BREAK, GUEST_CODE);
    guest_run_on(&g, CPU_EVENT_BREAK, GUEST_CODE + 1);
    guest_run_on(&g, CPU_EVENT_BREAK, GUEST_CODE + 2);
    while (g.event.pc == GUEST_CODE + 2)
        ck_assert_int_eq(cpu_run(g.cpu, true, &g.event), ERR_OK);
    ck_assert_int_eq(g.event.kind, CPU_EVENT_BREAK);
    ck_assert_uint_eq(g.event.pc, GUEST_CODE + 4);
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_RCX), 0);
    guest_run_on(&g, CPU_EVENT_EXCEPTION, GUEST_CODE + 4);
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_RAX) & 0x100, 0);
}
END_TEST

/* ---- Traps ----------------------------------------------------------------------------------- */

START_TEST(a_trap_stops_the_access_and_an_open_step_lets_it_through)
{
    /* 0: mov eax, [rbx]; 2: mov [rbx+4], eax; 5: add dword [rbx], 1; 8: jmp 0 */
    GUEST_CODE_AT(&g, GUEST_CODE, 0x8b, 0x03, 0x89, 0x43, 4, 0x83, 0x03, 1, 0xeb, 0xf6);
    cpu_set(g.cpu, CPU_RBX, GUEST_DATA + 8);
    ck_assert_int_eq(cpu_trap_set(g.cpu, GUEST_DATA, VM_WRITE), ERR_OK);
    for (unsigned i = 0; i < 3; i++) {
        guest_run(&g, CPU_EVENT_TRAP, GUEST_CODE + 2);
        ck_assert_uint_eq(g.event.address, GUEST_DATA + 12);
        ck_assert_uint_eq(g.event.size, 4);
        ck_assert_int_eq(g.event.access, VM_WRITE);
        ck_assert_int_eq(cpu_step(g.cpu, true, &g.event), ERR_OK);
        ck_assert_int_eq(g.event.kind, CPU_EVENT_STEP);
        guest_run(&g, CPU_EVENT_TRAP, GUEST_CODE + 5);
        ck_assert_uint_eq(g.event.address, GUEST_DATA + 8);
        ck_assert_uint_eq(guest_read(&g, GUEST_DATA + 8, 4), i);
        guest_step(&g, CPU_EVENT_TRAP, GUEST_CODE + 5);
        ck_assert_int_eq(cpu_step(g.cpu, true, &g.event), ERR_OK);
        ck_assert_uint_eq(guest_read(&g, GUEST_DATA + 8, 4), i + 1);
    }
    ck_assert_int_eq(cpu_trap_set(g.cpu, GUEST_DATA, VM_READ), ERR_OK);
    guest_run(&g, CPU_EVENT_TRAP, GUEST_CODE);
    ck_assert_int_eq(g.event.access, VM_READ);
    ck_assert_int_eq(cpu_trap_set(g.cpu, GUEST_DATA, 0), ERR_OK);
    add_break(GUEST_CODE + 8);
    guest_run(&g, CPU_EVENT_BREAK, GUEST_CODE + 8);
    ck_assert_uint_eq(guest_read(&g, GUEST_DATA + 8, 4), 4);
}
END_TEST

/* Also where nothing is mapped, and when a block runs on into the page. */
START_TEST(an_execution_trap_stops_at_the_first_instruction)
{
    gva_t code = LATER + VM_PAGE_SIZE - 4;

    ck_assert_int_eq(cpu_trap_set(g.cpu, 0x9000000, VM_EXEC), ERR_OK);
    GUEST_CODE_AT(&g, GUEST_CODE, 0xff, 0xd3); /* call rbx */
    cpu_set(g.cpu, CPU_RBX, 0x9000010);
    guest_run(&g, CPU_EVENT_TRAP, 0x9000010);
    ck_assert_int_eq(g.event.access, VM_EXEC);
    ck_assert_uint_eq(g.event.address, 0x9000010);
    ck_assert_uint_eq(guest_read(&g, cpu_get(g.cpu, CPU_RSP), 8), GUEST_CODE + 2);

    guest_map(&g, LATER, 2 * VM_PAGE_SIZE, PAGE_EXECUTE_READ);
    /* three instructions up to the page's end, then one in the next */
    guest_code(&g, code, (const uint8_t[]){0x90, 0xb0, 7, 0x90, 0xb1, 8, 0xcc}, 7);
    ck_assert_int_eq(cpu_trap_set(g.cpu, LATER + VM_PAGE_SIZE, VM_EXEC), ERR_OK);
    guest_run(&g, CPU_EVENT_TRAP, code + 4);
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_RAX) & 0xff, 7);
    ck_assert_int_eq(cpu_step(g.cpu, true, &g.event), ERR_OK);
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_RCX) & 0xff, 8);
    guest_run(&g, CPU_EVENT_TRAP, code + 6);
}
END_TEST

/*
 * A block that runs into a page without execute permission faults there, with all before it done.
 */
START_TEST(running_into_a_page_without_execution_faults_in_it)
{
    gva_t code = LATER + VM_PAGE_SIZE - 3;

    guest_map(&g, LATER, 2 * VM_PAGE_SIZE, PAGE_EXECUTE_READWRITE);
    guest_code(&g, code, (const uint8_t[]){0xb0, 7, 0x90, 0x90}, 4);
    guest_protect(&g, LATER + VM_PAGE_SIZE, VM_PAGE_SIZE, PAGE_READWRITE);
    guest_run(&g, CPU_EVENT_FAULT, code + 3);
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_RAX) & 0xff, 7);
    ck_assert_uint_eq(g.event.address, LATER + VM_PAGE_SIZE);
    ck_assert_int_eq(g.event.fault, VM_FAULT_NOEXEC);
    /* an instruction that lies across faults at its own address, for the byte that it misses */
    guest_code(&g, code, (const uint8_t[]){0xb0, 9, 0xb0, 0x90}, 4);
    guest_run(&g, CPU_EVENT_FAULT, code + 2);
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_RAX) & 0xff, 9);
    ck_assert_uint_eq(g.event.address, LATER + VM_PAGE_SIZE);
    ck_assert_int_eq(g.event.access, VM_EXEC);
}
END_TEST

static void add_break_tests(TCase *tc)
{
    tcase_add_test(tc, every_break_of_many_is_hit_once_in_order);
    tcase_add_test(tc, removed_breaks_are_forgotten);
    tcase_add_test(tc, a_second_add_is_the_same_break);
    tcase_add_test(tc, neighbouring_breaks_are_each_hit);
    tcase_add_test(tc, a_break_in_hot_code_is_hit);
    tcase_add_test(tc, a_break_inside_an_instruction_is_never_hit);
    tcase_add_test(tc, a_break_survives_its_page);
    tcase_add_test(tc, breaks_in_code_that_rewrites_its_own_block_are_hit);
    tcase_add_test(tc, a_break_at_a_wild_target_comes_before_the_fault);
    tcase_add_test(tc, breaks_on_odd_instructions_work);
}

int main(void)
{
    Suite *suite = suite_create("cpu breaks");
    TCase *hooks = tcase_create("hooked");
    TCase *filter = tcase_create("filtered");
    TCase *traps = tcase_create("traps");

    tcase_add_checked_fixture(hooks, setup, teardown);
    add_break_tests(hooks);
    suite_add_tcase(suite, hooks);
    tcase_add_checked_fixture(filter, setup_few, teardown);
    add_break_tests(filter);
    suite_add_tcase(suite, filter);
    tcase_add_checked_fixture(traps, setup, teardown);
    tcase_add_test(traps, a_trap_stops_the_access_and_an_open_step_lets_it_through);
    tcase_add_test(traps, an_execution_trap_stops_at_the_first_instruction);
    tcase_add_test(traps, running_into_a_page_without_execution_faults_in_it);
    suite_add_tcase(suite, traps);
    return suite_main(suite);
}
