/* Selectors, both widths in one engine, and what ring 3 cannot see of our descriptor table. */
#include <check.h>
#include <string.h>

#include "guest_suite.h"

/* As WOW64 does: far jump to 32-bit code, far return to 64-bit code. */
START_TEST(code_changes_width_and_back)
{
    static const uint8_t narrow[] = {0x40, 0xff, 0x2d, 0x40,
                                     0x00, 0x20, 0x00}; /* inc eax; jmp far [data+0x40] */
    static const uint8_t pointers[] = {0x10, 0, 1, 0, 0x23, 0};
    static const uint8_t back[] = {0x20, 0, 1, 0, 0x33, 0};

    guest_write(&g, GUEST_DATA, pointers, sizeof pointers);
    guest_write(&g, GUEST_DATA + 0x40, back, sizeof back);
    guest_write(&g, GUEST_CODE + 0x10, narrow, sizeof narrow);
    guest_write(&g, GUEST_CODE + 0x20, (const uint8_t[]){0x48, 0xff, 0xc0, 0xcc}, 4); /* inc rax */
    for (int i = 0; i < 3; i++) {
        GUEST_CODE_AT(&g, GUEST_CODE, 0xff, 0x2b); /* jmp far [rbx] */
        cpu_set(g.cpu, CPU_RBX, GUEST_DATA);
        cpu_set(g.cpu, CPU_RAX, 0xffffffff);
        if (i == 1) {
            guest_step(&g, CPU_EVENT_STEP, GUEST_CODE + 0x10);
            ck_assert_uint_eq(cpu_get(g.cpu, CPU_CS), 0x23);
            guest_step(&g, CPU_EVENT_STEP, GUEST_CODE + 0x11);
            guest_step(&g, CPU_EVENT_STEP, GUEST_CODE + 0x20);
            ck_assert_uint_eq(cpu_get(g.cpu, CPU_CS), 0x33);
        }
        guest_run(&g, CPU_EVENT_EXCEPTION, GUEST_CODE + 0x23);
        /* 0xffffffff + 1 in 32 bits is 0; in 64 bits 1 more */
        ck_assert_uint_eq(cpu_get(g.cpu, CPU_RAX), 1);
    }
}
END_TEST

START_TEST(a_debugger_changes_the_width)
{
    /* dec eax; inc ecx; mov eax, ... : 48 is dec in 32-bit code and REX.W in 64-bit code */
    GUEST_CODE_AT(&g, GUEST_CODE, 0x48, 0x90, 0xcc);
    for (int i = 0; i < 3; i++) {
        cpu_set(g.cpu, CPU_RAX, 5);
        cpu_set(g.cpu, CPU_RDX, 0x1234);
        cpu_set(g.cpu, CPU_FS_BASE, 0x5678);
        cpu_set(g.cpu, CPU_RIP, GUEST_CODE);
        cpu_set(g.cpu, CPU_CS, 0x23);
        ck_assert_uint_eq(cpu_get(g.cpu, CPU_RDX), 0x1234);
        ck_assert_uint_eq(cpu_get(g.cpu, CPU_FS_BASE), 0x5678);
        ck_assert_uint_eq(cpu_get(g.cpu, CPU_RIP), GUEST_CODE);
        guest_run(&g, CPU_EVENT_EXCEPTION, GUEST_CODE + 2);
        ck_assert_uint_eq(cpu_get(g.cpu, CPU_RAX), 4);
        cpu_set(g.cpu, CPU_CS, 0x33);
        cpu_set(g.cpu, CPU_RIP, GUEST_CODE);
        guest_run(&g, CPU_EVENT_EXCEPTION, GUEST_CODE + 2);
        ck_assert_uint_eq(cpu_get(g.cpu, CPU_RAX), 4);
        ck_assert_uint_eq(cpu_get(g.cpu, CPU_SS), 0x2b);
    }
}
END_TEST

START_TEST(selectors_that_windows_lacks_are_refused)
{
    size_t count;
    const struct target_reg *regs = cpu_regs(cpu_get_arch(g.cpu), &count);
    const uint8_t bad[4] = {0x08, 0, 0, 0};

    cpu_set(g.cpu, CPU_CS, 0x10);
    ck_assert_uint_ne(cpu_get(g.cpu, CPU_CS), 0x10);
    cpu_set(g.cpu, CPU_SS, 0);
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_SS), 0x2b);
    cpu_set(g.cpu, CPU_DS, 0);
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_DS), 0);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(regs[i].name, "ss") == 0)
            ck_assert_int_eq(cpu_reg_write(g.cpu, i, bad, 4), ERR_INVALID);
    }
}
END_TEST

START_TEST(the_guest_loads_segments)
{
    /* mov ds, eax; mov es, ecx; mov edx, ds; int3 */
    GUEST_CODE_AT(&g, GUEST_CODE, 0x8e, 0xd8, 0x8e, 0xc1, 0x8c, 0xda, 0xcc);
    cpu_set(g.cpu, CPU_RAX, 0x53);
    cpu_set(g.cpu, CPU_RCX, 0x2b);
    guest_run(&g, CPU_EVENT_EXCEPTION, GUEST_CODE + 6);
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_RDX) & 0xffff, 0x53);
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_DS), 0x53);
    /* a selector beyond the table */
    cpu_set(g.cpu, CPU_RAX, 0x63);
    cpu_set(g.cpu, CPU_RIP, GUEST_CODE);
    guest_run(&g, CPU_EVENT_EXCEPTION, GUEST_CODE);
    ck_assert_uint_eq(g.event.vector, CPU_VEC_GP);
}
END_TEST

/* Without the descriptor's base, "mov fs, ax" would lose the TEB. */
START_TEST(reloading_fs_keeps_the_teb)
{
    const uint32_t magic = 0xfeedbeef;

    guest_write(&g, GUEST_DATA + 0x18, &magic, 4);
    cpu_set(g.cpu, CPU_FS_BASE, GUEST_DATA);
    /* push 0; pop fs; mov fs, eax; mov ecx, fs:[0x18]; int3 */
    GUEST_CODE_AT(&g, GUEST_CODE, 0x6a, 0, 0x0f, 0xa1, 0x8e, 0xe0, 0x64, 0x8b, 0x0d, 0x18, 0, 0, 0,
                  0xcc);
    cpu_set(g.cpu, CPU_RAX, 0x53);
    guest_run(&g, CPU_EVENT_EXCEPTION, GUEST_CODE + 13);
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_RCX), magic);
}
END_TEST

/* Without closing the table again, ring 3 could read it once somebody has loaded a segment. */
START_TEST(the_descriptor_table_stays_hidden)
{
    gva_t gdt = UINT64_C(0xFFFFF80000001000);

    /* mov ds, eax; mov rcx, [rbx] */
    GUEST_CODE_AT(&g, GUEST_CODE, 0x8e, 0xd8, 0x48, 0x8b, 0x0b);
    cpu_set(g.cpu, CPU_RAX, 0x2b);
    cpu_set(g.cpu, CPU_RBX, gdt + 0x30);
    guest_run(&g, CPU_EVENT_FAULT, GUEST_CODE + 2);
    ck_assert_uint_eq(g.event.address, gdt + 0x30);
    ck_assert_int_eq(g.event.fault, VM_FAULT_KERNEL);
    /* and as the operand of a segment load */
    GUEST_CODE_AT(&g, GUEST_CODE, 0x8e, 0x1b);
    guest_run(&g, CPU_EVENT_FAULT, GUEST_CODE);
    ck_assert_uint_eq(g.event.address, gdt + 0x30);
}
END_TEST

/* Every row round-trips, and only with its own size. */
START_TEST(the_register_table_reads_and_writes_every_row)
{
    size_t count;
    const struct target_reg *regs = cpu_regs(cpu_get_arch(g.cpu), &count);
    size_t bytes = 0;

    for (size_t i = 0; i < count; i++) {
        size_t len = regs[i].bits / 8u;
        uint8_t before[TARGET_REG_MAX_BYTES], after[TARGET_REG_MAX_BYTES];

        bytes += len;
        ck_assert_int_eq(cpu_reg_read(g.cpu, i, before, len), ERR_OK);
        ck_assert_int_eq(cpu_reg_read(g.cpu, i, before, len + 1), ERR_INVALID);
        if ((strcmp(regs[i].type, "int64") == 0 && regs[i].name[0] != 'o') ||
            strcmp(regs[i].type, "vec128") == 0 || strcmp(regs[i].type, "i387_ext") == 0 ||
            strncmp(regs[i].name, "fs_b", 4) == 0)
            memset(before, 0x5a, len);
        ck_assert_int_eq(cpu_reg_write(g.cpu, i, before, len), ERR_OK);
        ck_assert_int_eq(cpu_reg_read(g.cpu, i, after, len), ERR_OK);
        ck_assert_msg(memcmp(before, after, len) == 0, "%s", regs[i].name);
        ck_assert_int_eq(cpu_reg_write(g.cpu, i, before, len - 1), ERR_INVALID);
    }
    ck_assert_int_eq(cpu_reg_read(g.cpu, count, &bytes, 4), ERR_RANGE);
    /* GDB's g packet for the same features */
    ck_assert_uint_eq(bytes, cpu_get_arch(g.cpu) == CPU_AMD64
                                 ? 16 * 8 + 8 + 7 * 4 + 80 + 32 + 256 + 4 + 16 + 8
                                 : 9 * 4 + 7 * 4 + 80 + 32 + 128 + 4 + 8 + 4);
}
END_TEST

/* orig_rax and orig_eax say that no system call is to be restarted, whatever GDB writes there. */
START_TEST(there_is_no_system_call_to_restart)
{
    size_t count;
    const struct target_reg *regs = cpu_regs(cpu_get_arch(g.cpu), &count);
    size_t len = regs[count - 1].bits / 8u;
    uint8_t value[8] = {1}, none[8];

    memset(none, 0xff, sizeof none);
    ck_assert_str_eq(regs[count - 1].feature, "org.gnu.gdb.i386.linux");
    ck_assert_int_eq(cpu_reg_write(g.cpu, count - 1, value, len), ERR_OK);
    ck_assert_int_eq(cpu_reg_read(g.cpu, count - 1, value, len), ERR_OK);
    ck_assert_mem_eq(value, none, len);
}
END_TEST

/* GDB takes the feature of fs_base for x32's on i386 and gives up on the description. */
START_TEST(i386_has_no_segments_feature)
{
    size_t count;
    const struct target_reg *regs = cpu_regs(CPU_I386, &count);

    for (size_t i = 0; i < count; i++)
        ck_assert_str_ne(regs[i].feature, "org.gnu.gdb.i386.segments");
}
END_TEST

START_TEST(flags_that_ring_3_cannot_set_stay)
{
    cpu_set(g.cpu, CPU_EFLAGS, 0);
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_EFLAGS), 0x202);
    cpu_set(g.cpu, CPU_EFLAGS, 0xffffffff);
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_EFLAGS), 0x240fd7);
}
END_TEST

static void add_tests64(TCase *tc)
{
    tcase_add_test(tc, code_changes_width_and_back);
    tcase_add_test(tc, a_debugger_changes_the_width);
    tcase_add_test(tc, selectors_that_windows_lacks_are_refused);
    tcase_add_test(tc, the_guest_loads_segments);
    tcase_add_test(tc, the_descriptor_table_stays_hidden);
    tcase_add_test(tc, the_register_table_reads_and_writes_every_row);
    tcase_add_test(tc, there_is_no_system_call_to_restart);
    tcase_add_test(tc, flags_that_ring_3_cannot_set_stay);
}

static void add_tests32(TCase *tc)
{
    tcase_add_test(tc, a_debugger_changes_the_width);
    tcase_add_test(tc, the_guest_loads_segments);
    tcase_add_test(tc, reloading_fs_keeps_the_teb);
    tcase_add_test(tc, the_register_table_reads_and_writes_every_row);
    tcase_add_test(tc, there_is_no_system_call_to_restart);
    tcase_add_test(tc, i386_has_no_segments_feature);
}

int main(void)
{
    return guest_suite("cpu segments", add_tests64, add_tests32);
}
