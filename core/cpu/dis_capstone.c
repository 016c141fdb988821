/*
 * Decoding on Capstone: the only file that includes capstone.h. Text and explicit operands are
 * Capstone's; sizes and implicit operands that it leaves out or gets wrong come from the table
 * here. Follows Intel's SDM volume 2.
 */
#include "winstub/dis.h"

#include "cpu/scan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <capstone/capstone.h>

#define SLOTS    64 /* power of two */
#define OPERANDS 8  /* Capstone's limit */

/*
 * An instruction that was decoded before: the same watched loop asks for the same few again and again, and all but the
 * addresses follows from the bytes.
 */
struct slot {
    cs_insn *insn; /* NULL: not used yet */
    bool code64;
    bool vex, rep, partial;
    bool forward; /* operands are read in the order in which they are written down */
    bool bits;    /* a bit number moves the address */
    unsigned access[OPERANDS];
    uint32_t size[OPERANDS];
    char text[sizeof((struct dis_insn *)0)->text];
};

struct dis {
    csh wide, narrow;
    struct slot slots[SLOTS]; /* by address */
};

static bool open_one(cs_mode mode, csh *handle)
{
    return !cs_open(CS_ARCH_X86, mode, handle) && !cs_option(*handle, CS_OPT_DETAIL, CS_OPT_ON);
}

struct dis *dis_new(void)
{
    struct dis *dis = calloc(1, sizeof *dis);

    if (!dis)
        return NULL;
    if (!open_one(CS_MODE_64, &dis->wide) || !open_one(CS_MODE_32, &dis->narrow)) {
        dis_free(dis);
        return NULL;
    }
    return dis;
}

void dis_free(struct dis *dis)
{
    if (!dis)
        return;
    for (size_t i = 0; i < SLOTS; i++) {
        if (dis->slots[i].insn)
            cs_free(dis->slots[i].insn, 1);
    }
    if (dis->wide)
        (void)cs_close(&dis->wide);
    if (dis->narrow)
        (void)cs_close(&dis->narrow);
    free(dis);
}

/* ---- Addresses ------------------------------------------------------------------------------- */

/* One instruction being described. */
struct view {
    const struct cpu *cpu;
    const struct slot *slot;
    const cs_insn *insn;
    const cs_x86 *x86;
    bool code64;
    struct dis_insn *out;
};

struct named_reg {
    x86_reg capstone;
    enum cpu_reg reg;
    uint8_t bytes;
};

#define THREE(r64, r32, r16, reg)                                                                  \
    {X86_REG_##r64, reg, 8}, {X86_REG_##r32, reg, 4},                                              \
    {                                                                                              \
        X86_REG_##r16, reg, 2                                                                      \
    }

static const struct named_reg named_regs[] = {
    THREE(RAX, EAX, AX, CPU_RAX),    THREE(RBX, EBX, BX, CPU_RBX),
    THREE(RCX, ECX, CX, CPU_RCX),    THREE(RDX, EDX, DX, CPU_RDX),
    THREE(RSI, ESI, SI, CPU_RSI),    THREE(RDI, EDI, DI, CPU_RDI),
    THREE(RBP, EBP, BP, CPU_RBP),    THREE(RSP, ESP, SP, CPU_RSP),
    THREE(R8, R8D, R8W, CPU_R8),     THREE(R9, R9D, R9W, CPU_R9),
    THREE(R10, R10D, R10W, CPU_R10), THREE(R11, R11D, R11W, CPU_R11),
    THREE(R12, R12D, R12W, CPU_R12), THREE(R13, R13D, R13W, CPU_R13),
    THREE(R14, R14D, R14W, CPU_R14), THREE(R15, R15D, R15W, CPU_R15),
};

static uint64_t cut(uint64_t value, unsigned bytes)
{
    return bytes >= 8 ? value : value & ((UINT64_C(1) << 8 * bytes) - 1);
}

static uint64_t reg_value(const struct view *v, x86_reg reg, uint8_t *bytes)
{
    if (reg == X86_REG_RIP || reg == X86_REG_EIP) {
        *bytes = 8;
        return v->insn->address + v->insn->size;
    }
    for (size_t i = 0; i < sizeof named_regs / sizeof *named_regs; i++) {
        if (named_regs[i].capstone != reg)
            continue;
        *bytes = named_regs[i].bytes;
        return cut(cpu_get(v->cpu, named_regs[i].reg), *bytes);
    }
    *bytes = 0; /* none, or riz */
    return 0;
}

static uint64_t segment_base(const struct view *v, x86_reg segment)
{
    if (segment == X86_REG_FS)
        return cpu_get(v->cpu, CPU_FS_BASE);
    return segment == X86_REG_GS ? cpu_get(v->cpu, CPU_GS_BASE) : 0;
}

static gva_t linear(const struct view *v, uint64_t address)
{
    return v->code64 ? address : (uint32_t)address;
}

static gva_t effective_address(const struct view *v, const x86_op_mem *mem)
{
    uint8_t bytes;
    uint64_t address = (uint64_t)mem->disp;

    address += reg_value(v, mem->base, &bytes);
    address += reg_value(v, mem->index, &bytes) * (uint64_t)mem->scale;
    address = cut(address, v->x86->addr_size);
    return linear(v, address + segment_base(v, mem->segment));
}

static void add(const struct view *v, gva_t address, uint64_t size, unsigned access)
{
    struct dis_insn *out = v->out;

    if (out->access_count == DIS_MAX_ACCESSES || !size)
        return;
    out->accesses[out->access_count++] =
        (struct dis_access){linear(v, address), (uint32_t)size, access};
}

/* The stack: n bytes below rsp are written, or at rsp are read. */
static void add_push(const struct view *v, uint64_t size)
{
    add(v, cpu_get(v->cpu, CPU_RSP) - size, size, VM_WRITE);
}

static void add_pop(const struct view *v, uint64_t size)
{
    add(v, cpu_get(v->cpu, CPU_RSP), size, VM_READ);
}

/* ---- Explicit operands ----------------------------------------------------------------------- */

static bool begins(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* The mnemonic behind "lock", "rep" and their kin. */
static const char *bare_mnemonic(const cs_insn *insn)
{
    const char *last = strrchr(insn->mnemonic, ' ');

    return last ? last + 1 : insn->mnemonic;
}

/*
 * What instructions do to a memory operand that comes first; the first row whose prefix fits
 * counts. Later operands are always read. Capstone's own access flags are wrong for most stores.
 */
static const struct first_access {
    const char *mnemonic;
    unsigned access; /* vm_access bits */
} first_accesses[] = {
    {"nop", 0},
    {"prefetch", 0},
    {"clflush", 0},
    {"clwb", 0},
    {"invlpg", 0},
    {"ins", 0},
    {"outs", 0},
    {"cmpxchg", VM_READ | VM_WRITE},
    {"btc", VM_READ | VM_WRITE},
    {"btr", VM_READ | VM_WRITE},
    {"bts", VM_READ | VM_WRITE},
    {"mov", VM_WRITE},
    {"set", VM_WRITE},
    {"stos", VM_WRITE},
    {"pop", VM_WRITE},
    {"fst", VM_WRITE},
    {"fist", VM_WRITE},
    {"fbstp", VM_WRITE},
    {"fnst", VM_WRITE},
    {"fnsave", VM_WRITE},
    {"fxsave", VM_WRITE},
    {"xsave", VM_READ | VM_WRITE}, /* its header is read first */
    {"stmxcsr", VM_WRITE},
    {"pextr", VM_WRITE},
    {"extractps", VM_WRITE},
    {"sgdt", VM_WRITE},
    {"sidt", VM_WRITE},
    {"sldt", VM_WRITE},
    {"str", VM_WRITE},
    {"smsw", VM_WRITE},
    {"cmp", VM_READ},
    {"test", VM_READ},
    {"push", VM_READ},
    {"call", VM_READ},
    {"jmp", VM_READ},
    {"lcall", VM_READ},
    {"ljmp", VM_READ},
    {"mul", VM_READ},
    {"imul", VM_READ},
    {"div", VM_READ},
    {"idiv", VM_READ},
    {"bt", VM_READ},
    {"f", VM_READ},
    {"xrstor", VM_READ},
    {"ldmxcsr", VM_READ},
    {"ver", VM_READ},
    {"lldt", VM_READ},
    {"ltr", VM_READ},
    {"lmsw", VM_READ},
    {"", VM_READ | VM_WRITE},
};

static unsigned operand_access(const struct view *v, size_t index)
{
    const char *mnemonic = bare_mnemonic(v->insn);
    const struct first_access *row = first_accesses;

    if (index > 0)
        return begins(mnemonic, "lea") || begins(mnemonic, "outs") ? 0 : VM_READ;
    while (!begins(mnemonic, row->mnemonic))
        row++;
    return row->access;
}

static bool has_operand16(const struct view *v)
{
    return v->x86->prefix[2] == 0x66;
}

static bool has_rex_w(const struct view *v)
{
    return v->code64 && (v->x86->rex & 8);
}

/* Bytes of a far pointer in memory. */
static uint32_t far_size(const struct view *v)
{
    return has_rex_w(v) ? 10 : has_operand16(v) ? 4 : 6;
}

/* Where Capstone's operand size is not what is accessed. */
static uint32_t operand_size(const struct view *v, const cs_x86_op *op)
{
    const char *mnemonic = bare_mnemonic(v->insn);

    switch (v->insn->id) {
    case X86_INS_LCALL:
    case X86_INS_LJMP:
    case X86_INS_LES:
    case X86_INS_LDS:
    case X86_INS_LSS:
    case X86_INS_LFS:
    case X86_INS_LGS:
        return far_size(v);
    case X86_INS_FNSAVE:
    case X86_INS_FRSTOR:
        return has_operand16(v) ? 94 : 108;
    case X86_INS_FNSTENV:
    case X86_INS_FLDENV:
        return has_operand16(v) ? 14 : 28;
    case X86_INS_SGDT:
    case X86_INS_SIDT:
        return v->code64 ? 10 : 6;
    case X86_INS_FNSTSW:
        return 2;
    case X86_INS_BOUND:
        return has_operand16(v) ? 4 : 8;
    case X86_INS_COMISS:
        return 4;
    case X86_INS_COMISD:
        return 8;
    case X86_INS_CMPXCHG8B:
        return 8;
    case X86_INS_CMPXCHG16B:
        return 16;
    default:
        break;
    }
    if (begins(mnemonic, "fxsave") || begins(mnemonic, "fxrstor"))
        return 512;
    return begins(mnemonic, "xsave") || begins(mnemonic, "xrstor") ? 576 : op->size;
}

/* A bit number in a register reaches beyond the operand: the bytes it moves the address by. */
static uint64_t bit_displacement(const struct view *v, uint32_t size)
{
    const cs_x86_op *bit = &v->x86->operands[1];
    uint8_t bytes;
    int64_t number;

    if (!v->slot->bits || bit->type != X86_OP_REG)
        return 0;
    number = (int64_t)(reg_value(v, bit->reg, &bytes) << (64 - 8 * size)) >> (64 - 8 * size);
    return (uint64_t)(number >> (size == 8 ? 6 : size == 4 ? 5 : 4)) * size;
}

static void add_operand(const struct view *v, size_t index)
{
    const cs_x86_op *op = &v->x86->operands[index];
    unsigned access;
    uint32_t size;
    gva_t address;

    if (op->type != X86_OP_MEM)
        return;
    access = v->slot->access[index];
    if (!access)
        return;
    size = v->slot->size[index];
    address = effective_address(v, &op->mem) + bit_displacement(v, size);
    if (v->insn->id == X86_INS_POP && op->mem.base == X86_REG_RSP)
        address += op->size; /* computed after the pop */
    if (v->insn->id == X86_INS_POP && op->mem.base == X86_REG_ESP)
        address += op->size;
    add(v, address, size, access);
}

/* Sources are read before the destination is written; cmps names its first source first. */
static void add_operands(const struct view *v)
{
    size_t count = v->x86->op_count;

    for (size_t i = 0; i < count; i++)
        add_operand(v, v->slot->forward ? i : count - 1 - i);
}

/* ---- Implicit operands ----------------------------------------------------------------------- */

/* Bytes that push, pop and their kin move. */
static uint64_t stack_size(const struct view *v)
{
    if (has_operand16(v))
        return 2;
    return v->code64 ? 8 : 4;
}

/* Bytes of a slot of retf and iret, whose default is 32 bits in 64-bit code too. */
static uint64_t far_slot(const struct view *v)
{
    return has_rex_w(v) ? 8 : has_operand16(v) ? 2 : 4;
}

/* enter: rbp, then level - 1 older frame pointers, then the new one. */
static void add_enter(const struct view *v)
{
    uint64_t size = stack_size(v);
    uint64_t level = (uint64_t)v->x86->operands[1].imm & 31;
    uint64_t rsp = cpu_get(v->cpu, CPU_RSP);

    add(v, rsp - size, size, VM_WRITE);
    if (level > 1)
        add(v, cpu_get(v->cpu, CPU_RBP) - size * (level - 1), size * (level - 1), VM_READ);
    if (level)
        add(v, rsp - size - size * level, size * level, VM_WRITE);
}

static void add_pushes(const struct view *v, unsigned count, uint64_t size)
{
    for (unsigned i = 1; i <= count; i++)
        add(v, cpu_get(v->cpu, CPU_RSP) - i * size, size, VM_WRITE);
}

static void add_xlat(const struct view *v)
{
    x86_op_mem mem = {.base = v->code64 ? X86_REG_RBX : X86_REG_EBX, .scale = 1};

    mem.disp = (int64_t)(cpu_get(v->cpu, CPU_RAX) & 0xff);
    if (v->x86->prefix[1] == X86_PREFIX_FS)
        mem.segment = X86_REG_FS;
    if (v->x86->prefix[1] == X86_PREFIX_GS)
        mem.segment = X86_REG_GS;
    add(v, effective_address(v, &mem), 1, VM_READ);
}

/* Accesses that come before the explicit operands. */
static void add_implicit_before(const struct view *v)
{
    switch (v->insn->id) {
    case X86_INS_POP:
    case X86_INS_POPF:
    case X86_INS_POPFD:
    case X86_INS_POPFQ:
        add_pop(v, stack_size(v));
        break;
    case X86_INS_RET:
        add_pop(v, v->code64 ? 8 : stack_size(v));
        break;
    case X86_INS_RETF:
    case X86_INS_RETFQ:
        add_pop(v, 2 * far_slot(v));
        break;
    case X86_INS_IRET:
    case X86_INS_IRETD:
        add_pop(v, (v->code64 ? 5 : 3) * far_slot(v));
        break;
    case X86_INS_IRETQ:
        add_pop(v, 40);
        break;
    case X86_INS_POPAL:
        add_pop(v, 32);
        break;
    case X86_INS_POPAW:
        add_pop(v, 16);
        break;
    case X86_INS_LEAVE:
        add(v, cpu_get(v->cpu, CPU_RBP), stack_size(v), VM_READ);
        break;
    case X86_INS_XLATB:
        add_xlat(v);
        break;
    default:
        break;
    }
}

/* Accesses that come after them. */
static void add_implicit_after(const struct view *v)
{
    switch (v->insn->id) {
    case X86_INS_PUSH:
    case X86_INS_PUSHF:
    case X86_INS_PUSHFD:
    case X86_INS_PUSHFQ:
        add_push(v, stack_size(v));
        break;
    case X86_INS_CALL:
        add_push(v, v->code64 ? 8 : stack_size(v));
        break;
    case X86_INS_LCALL:
        add_pushes(v, 2, far_slot(v));
        break;
    case X86_INS_PUSHAL:
        add_pushes(v, 8, 4);
        break;
    case X86_INS_PUSHAW:
        add_pushes(v, 8, 2);
        break;
    case X86_INS_ENTER:
        add_enter(v);
        break;
    case X86_INS_MASKMOVDQU:
        add(v, cpu_get(v->cpu, CPU_RDI), 16, VM_WRITE);
        break;
    case X86_INS_MASKMOVQ:
        add(v, cpu_get(v->cpu, CPU_RDI), 8, VM_WRITE);
        break;
    default:
        break;
    }
}

/* ---- The whole ------------------------------------------------------------------------------- */

static bool is_string(const cs_insn *insn)
{
    static const char *const names[] = {"movs", "cmps", "stos", "lods", "scas", "ins", "outs"};
    const char *mnemonic = bare_mnemonic(insn);
    size_t len = strlen(mnemonic);

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (begins(mnemonic, names[i]) && len == strlen(names[i]) + 1)
            return insn->detail->x86.opcode[0] != 0x0f; /* movsd and cmpsd are SSE's as well */
    }
    return false;
}

/* Is its count register 0, so that it does nothing? */
static bool is_over(const struct view *v)
{
    return v->out->rep && cut(cpu_get(v->cpu, CPU_RCX), v->x86->addr_size) == 0;
}

/* Does it write some of its bytes only when a mask or the format says so? */
static bool is_partial(const cs_insn *insn)
{
    return begins(bare_mnemonic(insn), "maskmov") || begins(bare_mnemonic(insn), "fxsave");
}

/* What follows from the bytes alone. */
static void describe(struct slot *slot)
{
    const cs_insn *insn = slot->insn;
    const cs_x86 *x86 = &insn->detail->x86;
    const struct view v = {.insn = insn, .x86 = x86, .code64 = slot->code64};
    uint8_t rep = x86->prefix[0];
    struct scan_insn scan;

    slot->vex =
        scan_insn(insn->bytes, insn->size, slot->code64, &scan) && (scan.traits & SCAN_ILLEGAL);
    slot->rep = is_string(insn) && (rep == X86_PREFIX_REP || rep == X86_PREFIX_REPNE);
    slot->partial = is_partial(insn);
    slot->forward = begins(bare_mnemonic(insn), "cmps");
    slot->bits = begins(bare_mnemonic(insn), "bt");
    (void)snprintf(slot->text, sizeof slot->text, "%.31s%s%.63s", insn->mnemonic,
                   *insn->op_str ? " " : "", insn->op_str);
    for (size_t i = 0; i < x86->op_count && i < OPERANDS; i++) {
        slot->access[i] = operand_access(&v, i);
        slot->size[i] = operand_size(&v, &x86->operands[i]);
    }
}

/* The slot that holds the instruction at pc, decoded now or before; NULL when it is none, or memory is short. */
static const struct slot *find_slot(struct dis *dis, bool code64, gva_t pc, const uint8_t *bytes,
                                    size_t len)
{
    struct slot *slot = &dis->slots[pc % SLOTS];
    csh handle = code64 ? dis->wide : dis->narrow;
    const cs_insn *insn = slot->insn;
    uint64_t address = pc;

    if (insn && insn->size && insn->address == pc && slot->code64 == code64 && insn->size <= len &&
        memcmp(insn->bytes, bytes, insn->size) == 0)
        return slot;
    if (!slot->insn)
        slot->insn = cs_malloc(handle);
    if (!slot->insn)
        return NULL;
    if (!cs_disasm_iter(handle, &bytes, &len, &address, slot->insn)) {
        slot->insn->size = 0;
        return NULL;
    }
    slot->code64 = code64;
    describe(slot);
    return slot;
}

bool dis_decode(struct dis *dis, const struct cpu *cpu, gva_t pc, const uint8_t *bytes, size_t len,
                struct dis_insn *out)
{
    bool code64 = cpu_get(cpu, CPU_CS) == 0x33;
    const struct slot *slot =
        find_slot(dis, code64, pc, bytes, len < DIS_MAX_LENGTH ? len : DIS_MAX_LENGTH);
    struct view v = {.cpu = cpu, .slot = slot, .code64 = code64, .out = out};

    if (!slot)
        return false;
    v.insn = slot->insn;
    v.x86 = &slot->insn->detail->x86;
    out->length = (uint8_t)slot->insn->size;
    out->vex = slot->vex;
    out->rep = slot->rep;
    out->partial = slot->partial;
    out->access_count = 0;
    memcpy(out->text, slot->text, sizeof out->text);
    if (out->vex || is_over(&v))
        return true;
    add_implicit_before(&v);
    add_operands(&v);
    add_implicit_after(&v);
    return true;
}
