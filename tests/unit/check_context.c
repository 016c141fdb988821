/* CONTEXT: what is saved comes back, part by part, and no more of it than user code may have. */
#include <check.h>
#include <string.h>

#include "guest_suite.h"
#include "nt/context.h"
#include "suite.h"
#include "winstub/bytes.h"

#define TF 0x100u

static bool is_wide(void)
{
    return cpu_get_arch(g.cpu) == CPU_AMD64;
}

/* Where ContextFlags is, and the bit that names the CPU. */
static uint8_t *flags_of(uint8_t *raw)
{
    return raw + (is_wide() ? 0x30 : 0x00);
}

static void ask_for(uint8_t *raw, uint32_t parts)
{
    put_u32(flags_of(raw), parts | (is_wide() ? 0x100000 : 0x10000));
}

/* fld1; fldpi; movd xmm1, eax; hlt */
static void use_floating_point(void)
{
    GUEST_CODE_AT(&g, GUEST_CODE, 0xd9, 0xe8, 0xd9, 0xeb, 0x66, 0x0f, 0x6e, 0xc8, 0xf4);
    guest_run(&g, CPU_EVENT_EXCEPTION, GUEST_CODE + 8);
}

static size_t row_of(const char *name)
{
    size_t count;
    const struct target_reg *regs = cpu_regs(cpu_get_arch(g.cpu), &count);

    for (size_t i = 0; i < count; i++) {
        if (strcmp(regs[i].name, name) == 0)
            return i;
    }
    ck_abort_msg("no register %s", name);
}

static uint64_t read_row(const char *name, size_t len)
{
    uint8_t raw[16] = {0};

    ck_assert_int_eq(cpu_reg_read(g.cpu, row_of(name), raw, len), ERR_OK);
    return get_u64(raw);
}

static void clear_row(const char *name, size_t len)
{
    const uint8_t raw[16] = {0};

    ck_assert_int_eq(cpu_reg_write(g.cpu, row_of(name), raw, len), ERR_OK);
}

static void clear_floating_point(void)
{
    clear_row("st0", 10);
    clear_row("st1", 10);
    clear_row("xmm1", 16);
    clear_row("fctrl", 4);
    cpu_set(g.cpu, CPU_MXCSR, 0x1f00);
}

#define PI UINT64_C(0xc90fdaa22168c235)

START_TEST(everything_comes_back)
{
    uint8_t raw[CONTEXT_MAX];

    cpu_set(g.cpu, CPU_RAX, 0x12345678);
    cpu_set(g.cpu, CPU_RDI, 0x87654321);
    cpu_set(g.cpu, CPU_RBP, GUEST_STACK);
    use_floating_point();
    context_save(g.cpu, raw);
    cpu_set(g.cpu, CPU_RAX, 0);
    cpu_set(g.cpu, CPU_RDI, 0);
    cpu_set(g.cpu, CPU_RBP, 0);
    cpu_set(g.cpu, CPU_RSP, 0);
    cpu_set(g.cpu, CPU_RIP, 0);
    clear_floating_point();
    ck_assert(context_load(g.cpu, cpu_get_arch(g.cpu), raw));
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_RAX), 0x12345678);
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_RDI), 0x87654321);
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_RBP), GUEST_STACK);
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_RSP), GUEST_STACK + 0x1000);
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_RIP), GUEST_CODE + 8);
    ck_assert_uint_eq(read_row("st0", 10), PI);
    ck_assert_uint_eq(read_row("xmm1", 16), 0x12345678);
    ck_assert_uint_eq(read_row("fctrl", 4), 0x27f);
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_MXCSR), 0x1f80);
}
END_TEST

START_TEST(only_the_parts_asked_for_are_touched)
{
    uint8_t raw[CONTEXT_MAX];

    cpu_set(g.cpu, CPU_RAX, 1);
    context_save(g.cpu, raw);
    cpu_set(g.cpu, CPU_RAX, 2);
    cpu_set(g.cpu, CPU_RIP, 0x1234);
    ask_for(raw, CONTEXT_INTEGER);
    ck_assert(context_load(g.cpu, cpu_get_arch(g.cpu), raw));
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_RAX), 1);
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_RIP), 0x1234);
    context_put(cpu_get_arch(g.cpu), raw, CPU_RIP, 0x5678);
    ask_for(raw, CONTEXT_CONTROL);
    context_put(cpu_get_arch(g.cpu), raw, CPU_RAX, 3);
    ck_assert(context_load(g.cpu, cpu_get_arch(g.cpu), raw));
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_RAX), 1);
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_RIP), 0x5678);
}
END_TEST

START_TEST(another_cpus_context_is_refused)
{
    uint8_t raw[CONTEXT_MAX] = {0};

    put_u32(flags_of(raw), CONTEXT_PARTS | (is_wide() ? 0x10000 : 0x100000));
    ck_assert(!context_load(g.cpu, cpu_get_arch(g.cpu), raw));
}
END_TEST

START_TEST(user_code_stays_in_ring_3_with_its_own_flags)
{
    enum cpu_arch arch = cpu_get_arch(g.cpu);
    uint64_t cs = cpu_get(g.cpu, CPU_CS);
    uint8_t raw[CONTEXT_MAX];

    context_save(g.cpu, raw);
    context_put(arch, raw, CPU_CS, 0x10);
    context_put(arch, raw, CPU_EFLAGS, 0xffffffff);
    ck_assert(context_load(g.cpu, cpu_get_arch(g.cpu), raw));
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_CS), cs);
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_EFLAGS) & (3u << 12 | 1u << 17), 0); /* IOPL, VM */
    ck_assert_uint_eq(cpu_get(g.cpu, CPU_EFLAGS) & TF, TF);
}
END_TEST

/* A 32-bit CONTEXT has the x87 registers twice; without the newer area the older one counts. */
START_TEST(the_older_floating_point_area_is_filled_and_taken)
{
    uint8_t raw[CONTEXT_MAX];

    use_floating_point();
    context_save(g.cpu, raw);
    ck_assert_uint_eq(get_u32(raw + 0x1c), 0xffff027f);
    ck_assert_uint_eq(get_u64(raw + 0x38), PI);
    clear_floating_point();
    ask_for(raw, CONTEXT_FLOATING);
    ck_assert(context_load(g.cpu, cpu_get_arch(g.cpu), raw));
    ck_assert_uint_eq(read_row("st0", 10), PI);
    ck_assert_uint_eq(read_row("fctrl", 4), 0x27f);
    ck_assert_uint_eq(read_row("xmm1", 16), 0);
}
END_TEST

static void add_shared(TCase *tc)
{
    tcase_add_test(tc, everything_comes_back);
    tcase_add_test(tc, only_the_parts_asked_for_are_touched);
    tcase_add_test(tc, another_cpus_context_is_refused);
    tcase_add_test(tc, user_code_stays_in_ring_3_with_its_own_flags);
}

static void add_32(TCase *tc)
{
    add_shared(tc);
    tcase_add_test(tc, the_older_floating_point_area_is_filled_and_taken);
}

int main(void)
{
    return guest_suite("context", add_shared, add_32);
}
