/*
 * The register tables of both architectures in GDB's order, and their bytes. Follows
 * gdb/i386-tdep.c and gdb/features/i386. On i386 GDB takes org.gnu.gdb.i386.segments for x32's
 * fs_base and gs_base only, so the bases have a feature of our own there. The last feature is Linux' and the only one
 * that the stub may leave out.
 */
#include "cpu/cpu_priv.h"

#include <string.h>

#include "winstub/bytes.h"

#define CORE     "org.gnu.gdb.i386.core"
#define SSE      "org.gnu.gdb.i386.sse"
#define SEGMENTS "org.gnu.gdb.i386.segments"
#define OURS     "org.winstub.segments"
#define LINUX    "org.gnu.gdb.i386.linux"

#define COUNT_OF(a) (sizeof(a) / sizeof *(a))

/*
 * What is behind orig_rax, which a GDB that takes the guest for a Linux process insists on: the number of a system
 * call that may be restarted. There never is one (all ones), and GDB's saying so is ignored.
 */
#define NO_REGISTER 0xff

/* Rows: R(name, feature, type, bits, expedite, enum cpu_reg or enum engine_reg). */
/* clang-format off */
#define ROWS_SHARED(R)                                                                             \
    R("eflags", CORE, "i386_eflags", 32, true, CPU_EFLAGS)                                         \
    R("cs", CORE, "int32", 32, true, CPU_CS)                                                       \
    R("ss", CORE, "int32", 32, true, CPU_SS)                                                       \
    R("ds", CORE, "int32", 32, true, CPU_DS)                                                       \
    R("es", CORE, "int32", 32, true, CPU_ES)                                                       \
    R("fs", CORE, "int32", 32, true, CPU_FS)                                                       \
    R("gs", CORE, "int32", 32, true, CPU_GS)                                                       \
    R("st0", CORE, "i387_ext", 80, false, ENGINE_ST0)                                              \
    R("st1", CORE, "i387_ext", 80, false, ENGINE_ST0 + 1)                                          \
    R("st2", CORE, "i387_ext", 80, false, ENGINE_ST0 + 2)                                          \
    R("st3", CORE, "i387_ext", 80, false, ENGINE_ST0 + 3)                                          \
    R("st4", CORE, "i387_ext", 80, false, ENGINE_ST0 + 4)                                          \
    R("st5", CORE, "i387_ext", 80, false, ENGINE_ST0 + 5)                                          \
    R("st6", CORE, "i387_ext", 80, false, ENGINE_ST0 + 6)                                          \
    R("st7", CORE, "i387_ext", 80, false, ENGINE_ST0 + 7)                                          \
    R("fctrl", CORE, "int", 32, false, CPU_FCW)                                                    \
    R("fstat", CORE, "int", 32, false, ENGINE_FSTAT)                                               \
    R("ftag", CORE, "int", 32, false, ENGINE_FTAG)                                                 \
    R("fiseg", CORE, "int", 32, false, ENGINE_FISEG)                                               \
    R("fioff", CORE, "int", 32, false, ENGINE_FIOFF)                                               \
    R("foseg", CORE, "int", 32, false, ENGINE_FOSEG)                                               \
    R("fooff", CORE, "int", 32, false, ENGINE_FOOFF)                                               \
    R("fop", CORE, "int", 32, false, ENGINE_FOP)                                                   \
    R("xmm0", SSE, "vec128", 128, false, ENGINE_XMM0)                                              \
    R("xmm1", SSE, "vec128", 128, false, ENGINE_XMM0 + 1)                                          \
    R("xmm2", SSE, "vec128", 128, false, ENGINE_XMM0 + 2)                                          \
    R("xmm3", SSE, "vec128", 128, false, ENGINE_XMM0 + 3)                                          \
    R("xmm4", SSE, "vec128", 128, false, ENGINE_XMM0 + 4)                                          \
    R("xmm5", SSE, "vec128", 128, false, ENGINE_XMM0 + 5)                                          \
    R("xmm6", SSE, "vec128", 128, false, ENGINE_XMM0 + 6)                                          \
    R("xmm7", SSE, "vec128", 128, false, ENGINE_XMM0 + 7)

#define ROWS_AMD64(R)                                                                              \
    R("rax", CORE, "int64", 64, true, CPU_RAX)                                                     \
    R("rbx", CORE, "int64", 64, true, CPU_RBX)                                                     \
    R("rcx", CORE, "int64", 64, true, CPU_RCX)                                                     \
    R("rdx", CORE, "int64", 64, true, CPU_RDX)                                                     \
    R("rsi", CORE, "int64", 64, true, CPU_RSI)                                                     \
    R("rdi", CORE, "int64", 64, true, CPU_RDI)                                                     \
    R("rbp", CORE, "data_ptr", 64, true, CPU_RBP)                                                  \
    R("rsp", CORE, "data_ptr", 64, true, CPU_RSP)                                                  \
    R("r8", CORE, "int64", 64, true, CPU_R8)                                                       \
    R("r9", CORE, "int64", 64, true, CPU_R9)                                                       \
    R("r10", CORE, "int64", 64, true, CPU_R10)                                                     \
    R("r11", CORE, "int64", 64, true, CPU_R11)                                                     \
    R("r12", CORE, "int64", 64, true, CPU_R12)                                                     \
    R("r13", CORE, "int64", 64, true, CPU_R13)                                                     \
    R("r14", CORE, "int64", 64, true, CPU_R14)                                                     \
    R("r15", CORE, "int64", 64, true, CPU_R15)                                                     \
    R("rip", CORE, "code_ptr", 64, true, CPU_RIP)                                                  \
    ROWS_SHARED(R)                                                                                 \
    R("xmm8", SSE, "vec128", 128, false, ENGINE_XMM0 + 8)                                          \
    R("xmm9", SSE, "vec128", 128, false, ENGINE_XMM0 + 9)                                          \
    R("xmm10", SSE, "vec128", 128, false, ENGINE_XMM0 + 10)                                        \
    R("xmm11", SSE, "vec128", 128, false, ENGINE_XMM0 + 11)                                        \
    R("xmm12", SSE, "vec128", 128, false, ENGINE_XMM0 + 12)                                        \
    R("xmm13", SSE, "vec128", 128, false, ENGINE_XMM0 + 13)                                        \
    R("xmm14", SSE, "vec128", 128, false, ENGINE_XMM0 + 14)                                        \
    R("xmm15", SSE, "vec128", 128, false, ENGINE_XMM0 + 15)                                        \
    R("mxcsr", SSE, "i386_mxcsr", 32, false, CPU_MXCSR)                                            \
    R("fs_base", SEGMENTS, "int", 64, true, CPU_FS_BASE)                                           \
    R("gs_base", SEGMENTS, "int", 64, true, CPU_GS_BASE)                                           \
    R("orig_rax", LINUX, "int64", 64, false, NO_REGISTER)

#define ROWS_I386(R)                                                                               \
    R("eax", CORE, "int32", 32, true, CPU_RAX)                                                     \
    R("ecx", CORE, "int32", 32, true, CPU_RCX)                                                     \
    R("edx", CORE, "int32", 32, true, CPU_RDX)                                                     \
    R("ebx", CORE, "int32", 32, true, CPU_RBX)                                                     \
    R("esp", CORE, "data_ptr", 32, true, CPU_RSP)                                                  \
    R("ebp", CORE, "data_ptr", 32, true, CPU_RBP)                                                  \
    R("esi", CORE, "int32", 32, true, CPU_RSI)                                                     \
    R("edi", CORE, "int32", 32, true, CPU_RDI)                                                     \
    R("eip", CORE, "code_ptr", 32, true, CPU_RIP)                                                  \
    ROWS_SHARED(R)                                                                                 \
    R("mxcsr", SSE, "i386_mxcsr", 32, false, CPU_MXCSR)                                            \
    R("fs_base", OURS, "int32", 32, true, CPU_FS_BASE)                                             \
    R("gs_base", OURS, "int32", 32, true, CPU_GS_BASE)                                             \
    R("orig_eax", LINUX, "int32", 32, false, NO_REGISTER)

#define PUBLIC(name, feature, type, bits, expedite, reg) {name, feature, type, bits, expedite},
#define SOURCE(name, feature, type, bits, expedite, reg) reg,
static const struct target_reg regs_amd64[] = {ROWS_AMD64(PUBLIC)};
static const struct target_reg regs_i386[] = {ROWS_I386(PUBLIC)};
static const uint8_t sources_amd64[] = {ROWS_AMD64(SOURCE)};
static const uint8_t sources_i386[] = {ROWS_I386(SOURCE)};
/* clang-format on */

const struct target_reg *cpu_regs(enum cpu_arch arch, size_t *count)
{
    *count = arch == CPU_AMD64 ? COUNT_OF(regs_amd64) : COUNT_OF(regs_i386);
    return arch == CPU_AMD64 ? regs_amd64 : regs_i386;
}

/* The row's source, checked: which register, and that len is its size. */
static enum err locate(const struct cpu *cpu, size_t index, size_t len, unsigned *reg)
{
    size_t count;
    const struct target_reg *regs = cpu_regs(cpu->arch, &count);

    if (index >= count)
        return ERR_RANGE;
    if (len != regs[index].bits / 8u)
        return ERR_INVALID;
    *reg = cpu->arch == CPU_AMD64 ? sources_amd64[index] : sources_i386[index];
    return ERR_OK;
}

enum err cpu_reg_read(const struct cpu *cpu, size_t index, void *dst, size_t len)
{
    uint8_t bytes[ENGINE_REG_BYTES];
    unsigned reg;
    enum err e = locate(cpu, index, len, &reg);

    if (e)
        return e;
    memset(bytes, 0xff, sizeof bytes);
    if (reg != NO_REGISTER)
        engine_reg_read(cpu->engine, reg, bytes);
    memcpy(dst, bytes, len);
    return ERR_OK;
}

enum err cpu_reg_write(struct cpu *cpu, size_t index, const void *src, size_t len)
{
    uint8_t bytes[ENGINE_REG_BYTES] = {0};
    unsigned reg;
    enum err e = locate(cpu, index, len, &reg);

    if (e)
        return e;
    if (reg == NO_REGISTER)
        return ERR_OK;
    memcpy(bytes, src, len);
    if (reg > CPU_FCW) {
        engine_reg_write(cpu->engine, reg, bytes);
        return ERR_OK;
    }
    return cpu_set_checked(cpu, (enum cpu_reg)reg, get_u64(bytes));
}
