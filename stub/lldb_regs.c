/*
 * LLDB's attributes of registers: how a value is printed, what number debug information and unwind tables give it, and
 * what it is for by Windows' calling convention. Follows LLDB's docs/resources/lldbgdbremote.md and the DWARF numbers
 * of the System V ABI supplements for AMD64 and i386, which Windows' compilers use too.
 */
#include "lldb_regs.h"

#include <string.h>

/* Registers by DWARF number, from the one given on. */
struct series {
    unsigned first;
    const char *names[20];
};

static const struct series amd64[] = {
    {0,
     {"rax", "rdx", "rcx", "rbx", "rsi", "rdi", "rbp", "rsp", "r8", "r9", "r10", "r11", "r12",
      "r13", "r14", "r15", "rip"}},
    {17,
     {"xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",
      "xmm11", "xmm12", "xmm13", "xmm14", "xmm15"}},
    {33, {"st0", "st1", "st2", "st3", "st4", "st5", "st6", "st7"}},
    {49, {"eflags", "es", "cs", "ss", "ds", "fs", "gs"}},
    {58, {"fs_base", "gs_base"}},
    {64, {"mxcsr", "fctrl", "fstat"}},
};

static const struct series i386[] = {
    {0, {"eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi", "eip", "eflags"}},
    {11, {"st0", "st1", "st2", "st3", "st4", "st5", "st6", "st7"}},
    {21, {"xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7"}},
    {37, {"fctrl", "fstat", "mxcsr", "es", "cs", "ss", "ds", "fs", "gs"}},
};

static const struct {
    const char *name, *use;
} uses[] = {
    {"rip", "pc"},  {"rsp", "sp"},  {"rbp", "fp"},       {"eip", "pc"},
    {"esp", "sp"},  {"ebp", "fp"},  {"rcx", "arg1"},     {"rdx", "arg2"},
    {"r8", "arg3"}, {"r9", "arg4"}, {"eflags", "flags"},
};

#define COUNT_OF(a) (sizeof(a) / sizeof *(a))

/* False when debug information has no number for it. */
static bool dwarf_number(const struct series *s, size_t count, const char *name, unsigned *number)
{
    for (; count; count--, s++) {
        for (unsigned i = 0; i < COUNT_OF(s->names) && s->names[i]; i++) {
            if (strcmp(s->names[i], name) == 0) {
                *number = s->first + i;
                return true;
            }
        }
    }
    return false;
}

static void looks(struct buf *doc, const struct target_reg *reg)
{
    if (reg->bits == 128)
        buf_text(doc, " encoding=\"vector\" format=\"vector-uint8\"");
    else if (reg->bits == 80)
        buf_text(doc, " encoding=\"ieee754\" format=\"float\"");
    else
        buf_text(doc, " encoding=\"uint\" format=\"hex\"");
}

void lldb_reg_attributes(struct buf *doc, enum target_arch arch, const struct target_reg *reg)
{
    bool wide = arch == TARGET_AMD64;
    unsigned number;

    looks(doc, reg);
    if (dwarf_number(wide ? amd64 : i386, wide ? COUNT_OF(amd64) : COUNT_OF(i386), reg->name,
                     &number))
        buf_printf(doc, " ehframe_regnum=\"%u\" dwarf_regnum=\"%u\"", number, number);
    for (size_t i = 0; i < COUNT_OF(uses); i++) {
        if (strcmp(uses[i].name, reg->name) == 0)
            buf_printf(doc, " generic=\"%s\" altname=\"%s\"", uses[i].use, uses[i].use);
    }
}
