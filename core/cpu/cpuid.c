/*
 * What the guest's cpuid answers: one fixed processor, the same on every host and engine version.
 * It is a Haswell without what the engine lacks (AVX, AVX2, FMA, F16C), gets wrong (SSE4.2, BMI1,
 * BMI2) or cannot make repeatable (RDRAND), and without the hypervisor bit. Follows Intel's SDM
 * volume 2, CPUID.
 */
#include "cpu/cpu_priv.h"

#include <stddef.h>

#define ANY_SUBLEAF UINT32_MAX

#define BIT(n) (1u << (n))

enum {
    /* leaf 1, ecx */
    SSE3 = BIT(0),
    PCLMULQDQ = BIT(1),
    SSSE3 = BIT(9),
    CMPXCHG16B = BIT(13),
    SSE41 = BIT(19),
    MOVBE = BIT(22),
    POPCNT = BIT(23),
    AES = BIT(25),
    XSAVE = BIT(26),
    OSXSAVE = BIT(27),
    /* leaf 7, ebx */
    FSGSBASE = BIT(0),
    ERMS = BIT(9),
    /* leaf 0x80000001, ecx and edx */
    LAHF64 = BIT(0),
    LZCNT = BIT(5),
    SYSCALL = BIT(11),
    NX = BIT(20),
    RDTSCP = BIT(27),
    LONG_MODE = BIT(29)
};

/*
 * fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush mmx fxsr sse
 * sse2
 */
#define LEAF1_EDX 0x078bfbffu

struct cpuid_row {
    uint32_t leaf;
    uint32_t subleaf;
    uint32_t eax, ebx, ecx, edx;
};

#define MAX_LEAF          0xdu
#define MAX_EXTENDED_LEAF 0x80000008u

static const struct cpuid_row rows[] = {
    {0, ANY_SUBLEAF, MAX_LEAF, 0x756e6547, 0x6c65746e, 0x49656e69}, /* GenuineIntel */
    {1, ANY_SUBLEAF, 0x000306c3, 0x00010800,
     SSE3 | PCLMULQDQ | SSSE3 | CMPXCHG16B | SSE41 | MOVBE | POPCNT | AES | XSAVE | OSXSAVE,
     LEAF1_EDX},
    {2, ANY_SUBLEAF, 0x76036301, 0x00f0b5ff, 0, 0x00c10000},
    /* 32 KiB data, 32 KiB code, 256 KiB, 8 MiB */
    {4, 0, 0x1c000121, 0x01c0003f, 0x0000003f, 0},
    {4, 1, 0x1c000122, 0x01c0003f, 0x0000003f, 0},
    {4, 2, 0x1c000143, 0x01c0003f, 0x000001ff, 0},
    {4, 3, 0x1c000163, 0x03c0003f, 0x00001fff, 6},
    {7, 0, 0, FSGSBASE | ERMS, 0, 0},
    /* XCR0 may hold x87 and SSE; the save area ends behind its header */
    {0xd, 0, 3, 0x240, 0x240, 0},
    {0xd, 1, 0, 0, 0, 0},
    {0x80000000, ANY_SUBLEAF, MAX_EXTENDED_LEAF, 0, 0, 0},
    {0x80000001, ANY_SUBLEAF, 0, 0, LAHF64 | LZCNT, SYSCALL | NX | RDTSCP | LONG_MODE},
    /* "Intel Core Processor (Haswell)" */
    {0x80000002, ANY_SUBLEAF, 0x65746e49, 0x6f43206c, 0x50206572, 0x65636f72},
    {0x80000003, ANY_SUBLEAF, 0x726f7373, 0x61482820, 0x6c657773, 0x0000296c},
    {0x80000006, ANY_SUBLEAF, 0, 0, 0x01006040, 0},
    {0x80000008, ANY_SUBLEAF, 0x00003027, 0, 0, 0},
};

void cpu_on_cpuid(void *ctx)
{
    struct cpu *cpu = ctx;
    uint32_t leaf = (uint32_t)engine_get(cpu->engine, CPU_RAX);
    uint32_t subleaf = (uint32_t)engine_get(cpu->engine, CPU_RCX);
    struct cpuid_row row = {0};

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].leaf == leaf && (rows[i].subleaf == ANY_SUBLEAF || rows[i].subleaf == subleaf))
            row = rows[i];
    }
    engine_set(cpu->engine, CPU_RAX, row.eax);
    engine_set(cpu->engine, CPU_RBX, row.ebx);
    engine_set(cpu->engine, CPU_RCX, row.ecx);
    engine_set(cpu->engine, CPU_RDX, row.edx);
}
