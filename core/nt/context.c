/* Registers as CONTEXT and back; the contract is in context.h. */
#include "nt/context.h"

#include <assert.h>
#include <string.h>

#include "winstub/bytes.h"

#define COUNT_OF(a) (sizeof(a) / sizeof *(a))

/* Flags that user code may set: the status flags, TF, DF, AC, ID; the rest is as the CPU has it. */
#define EFLAGS_USER 0x00240dd5u

struct slot {
    uint8_t reg;  /* enum cpu_reg */
    uint8_t part; /* CONTEXT_* */
    uint8_t size; /* bytes */
    uint16_t offset;
};

static const struct slot slots_64[] = {
    {CPU_MXCSR, CONTEXT_FLOATING, 4, 0x34}, {CPU_CS, CONTEXT_CONTROL, 2, 0x38},
    {CPU_DS, CONTEXT_SEGMENTS, 2, 0x3a},    {CPU_ES, CONTEXT_SEGMENTS, 2, 0x3c},
    {CPU_FS, CONTEXT_SEGMENTS, 2, 0x3e},    {CPU_GS, CONTEXT_SEGMENTS, 2, 0x40},
    {CPU_SS, CONTEXT_CONTROL, 2, 0x42},     {CPU_EFLAGS, CONTEXT_CONTROL, 4, 0x44},
    {CPU_DR0, CONTEXT_DEBUG, 8, 0x48},      {CPU_DR1, CONTEXT_DEBUG, 8, 0x50},
    {CPU_DR2, CONTEXT_DEBUG, 8, 0x58},      {CPU_DR3, CONTEXT_DEBUG, 8, 0x60},
    {CPU_DR6, CONTEXT_DEBUG, 8, 0x68},      {CPU_DR7, CONTEXT_DEBUG, 8, 0x70},
    {CPU_RAX, CONTEXT_INTEGER, 8, 0x78},    {CPU_RCX, CONTEXT_INTEGER, 8, 0x80},
    {CPU_RDX, CONTEXT_INTEGER, 8, 0x88},    {CPU_RBX, CONTEXT_INTEGER, 8, 0x90},
    {CPU_RSP, CONTEXT_CONTROL, 8, 0x98},    {CPU_RBP, CONTEXT_INTEGER, 8, 0xa0},
    {CPU_RSI, CONTEXT_INTEGER, 8, 0xa8},    {CPU_RDI, CONTEXT_INTEGER, 8, 0xb0},
    {CPU_R8, CONTEXT_INTEGER, 8, 0xb8},     {CPU_R9, CONTEXT_INTEGER, 8, 0xc0},
    {CPU_R10, CONTEXT_INTEGER, 8, 0xc8},    {CPU_R11, CONTEXT_INTEGER, 8, 0xd0},
    {CPU_R12, CONTEXT_INTEGER, 8, 0xd8},    {CPU_R13, CONTEXT_INTEGER, 8, 0xe0},
    {CPU_R14, CONTEXT_INTEGER, 8, 0xe8},    {CPU_R15, CONTEXT_INTEGER, 8, 0xf0},
    {CPU_RIP, CONTEXT_CONTROL, 8, 0xf8},
};
static const struct slot slots_32[] = {
    {CPU_DR0, CONTEXT_DEBUG, 4, 0x04},   {CPU_DR1, CONTEXT_DEBUG, 4, 0x08},
    {CPU_DR2, CONTEXT_DEBUG, 4, 0x0c},   {CPU_DR3, CONTEXT_DEBUG, 4, 0x10},
    {CPU_DR6, CONTEXT_DEBUG, 4, 0x14},   {CPU_DR7, CONTEXT_DEBUG, 4, 0x18},
    {CPU_GS, CONTEXT_SEGMENTS, 4, 0x8c}, {CPU_FS, CONTEXT_SEGMENTS, 4, 0x90},
    {CPU_ES, CONTEXT_SEGMENTS, 4, 0x94}, {CPU_DS, CONTEXT_SEGMENTS, 4, 0x98},
    {CPU_RDI, CONTEXT_INTEGER, 4, 0x9c}, {CPU_RSI, CONTEXT_INTEGER, 4, 0xa0},
    {CPU_RBX, CONTEXT_INTEGER, 4, 0xa4}, {CPU_RDX, CONTEXT_INTEGER, 4, 0xa8},
    {CPU_RCX, CONTEXT_INTEGER, 4, 0xac}, {CPU_RAX, CONTEXT_INTEGER, 4, 0xb0},
    {CPU_RBP, CONTEXT_CONTROL, 4, 0xb4}, {CPU_RIP, CONTEXT_CONTROL, 4, 0xb8},
    {CPU_CS, CONTEXT_CONTROL, 4, 0xbc},  {CPU_EFLAGS, CONTEXT_CONTROL, 4, 0xc0},
    {CPU_RSP, CONTEXT_CONTROL, 4, 0xc4}, {CPU_SS, CONTEXT_CONTROL, 4, 0xc8},
};

/* What differs between the widths. */
struct layout {
    const struct slot *slots;
    size_t count;
    size_t size;
    uint32_t cpu;    /* the bit of ContextFlags that names this CPU */
    uint32_t all;    /* parts that a CONTEXT of an exception has */
    uint16_t flags;  /* offset of ContextFlags */
    uint16_t fxsave; /* offset of the FXSAVE area */
    uint8_t fx_part; /* which part it is */
    uint8_t xmm_count;
    uint16_t fsave; /* offset of the FSAVE area, which is CONTEXT_FLOATING; 0: none */
};

static const struct layout layouts[] = {
    [CPU_I386] = {slots_32, COUNT_OF(slots_32), 0x2cc, 0x10000, 0x3f, 0x00, 0xcc, CONTEXT_EXTENDED,
                  8, 0x1c},
    [CPU_AMD64] = {slots_64, COUNT_OF(slots_64), 0x4d0, 0x100000, 0x1f, 0x30, 0x100,
                   CONTEXT_FLOATING, 16, 0},
};

size_t context_size(enum cpu_arch arch)
{
    return layouts[arch].size;
}

static uint64_t get_sized(const uint8_t *at, unsigned size)
{
    return size == 8 ? get_u64(at) : size == 4 ? get_u32(at) : get_u16(at);
}

static void put_sized(uint8_t *at, unsigned size, uint64_t value)
{
    uint8_t raw[8];

    put_u64(raw, value);
    memcpy(at, raw, size);
}

static const struct slot *find_slot(const struct layout *l, enum cpu_reg reg)
{
    size_t i = 0;

    while (l->slots[i].reg != reg)
        i++;
    return &l->slots[i];
}

uint64_t context_get(enum cpu_arch arch, const uint8_t *raw, enum cpu_reg reg)
{
    const struct slot *slot = find_slot(&layouts[arch], reg);

    return get_sized(raw + slot->offset, slot->size);
}

void context_put(enum cpu_arch arch, uint8_t *raw, enum cpu_reg reg, uint64_t value)
{
    const struct slot *slot = find_slot(&layouts[arch], reg);

    put_sized(raw + slot->offset, slot->size, value);
}

/* ---- Floating point: the FXSAVE area ---------------------------------------------------------- */

/* In the register table st0..st7, then fctrl fstat ftag fiseg fioff foseg fooff fop; xmm0... stand in a row. */
enum { X87_COUNT = 8, X87_BYTES = 10, FX_ST = 0x20, FX_STEP = 16, FX_XMM = 0xa0 };
enum { FCTRL = 8, FSTAT, FTAG, FISEG, FIOFF, FOSEG, FOOFF, FOP };

/* The row of that name; every table has the names asked for here. */
static size_t row_of(enum cpu_arch arch, const char *name)
{
    size_t count, i = 0;
    const struct target_reg *regs = cpu_regs(arch, &count);

    while (i + 1 < count && strcmp(regs[i].name, name) != 0)
        i++;
    return i;
}

/* Rows and sizes here are the table's own: these cannot fail. */
static void read_row(const struct cpu *cpu, size_t row, uint8_t *raw, size_t len)
{
    enum err e = cpu_reg_read(cpu, row, raw, len);

    assert(!e);
    (void)e;
}

static void write_row(struct cpu *cpu, size_t row, const uint8_t *raw, size_t len)
{
    enum err e = cpu_reg_write(cpu, row, raw, len);

    assert(!e);
    (void)e;
}

static uint32_t read_u32(const struct cpu *cpu, size_t row)
{
    uint8_t raw[4] = {0};

    read_row(cpu, row, raw, sizeof raw);
    return get_u32(raw);
}

static void write_u32(struct cpu *cpu, size_t row, uint32_t value)
{
    uint8_t raw[4];

    put_u32(raw, value);
    write_row(cpu, row, raw, sizeof raw);
}

/* FXSAVE keeps one bit for each x87 register, "not empty", the tag word two. */
static uint8_t shorten_tags(uint32_t tags)
{
    uint8_t bits = 0;

    for (unsigned i = 0; i < X87_COUNT; i++) {
        if ((tags >> (2 * i) & 3) != 3)
            bits = (uint8_t)(bits | 1u << i);
    }
    return bits;
}

static uint32_t lengthen_tags(uint8_t bits)
{
    uint32_t tags = 0;

    for (unsigned i = 0; i < X87_COUNT; i++) {
        if (!(bits >> i & 1))
            tags |= 3u << (2 * i);
    }
    return tags;
}

static void save_floating(const struct cpu *cpu, uint8_t *fx)
{
    enum cpu_arch arch = cpu_get_arch(cpu);
    const struct layout *l = &layouts[arch];
    size_t st = row_of(arch, "st0"), xmm = row_of(arch, "xmm0"), high = row_of(arch, "xmm8");

    put_u16(fx, (uint16_t)read_u32(cpu, st + FCTRL));
    put_u16(fx + 2, (uint16_t)read_u32(cpu, st + FSTAT));
    fx[4] = shorten_tags(read_u32(cpu, st + FTAG));
    put_u16(fx + 6, (uint16_t)read_u32(cpu, st + FOP));
    put_u32(fx + 8, read_u32(cpu, st + FIOFF));
    put_u32(fx + 0x10, read_u32(cpu, st + FOOFF));
    put_u32(fx + 0x18, (uint32_t)cpu_get(cpu, CPU_MXCSR));
    put_u32(fx + 0x1c, 0xffff);
    for (size_t i = 0; i < X87_COUNT; i++)
        read_row(cpu, st + i, fx + FX_ST + FX_STEP * i, X87_BYTES);
    for (size_t i = 0; i < l->xmm_count; i++)
        read_row(cpu, i < 8 ? xmm + i : high + i - 8, fx + FX_XMM + FX_STEP * i, FX_STEP);
}

static void load_floating(struct cpu *cpu, enum cpu_arch width, const uint8_t *fx)
{
    enum cpu_arch arch = cpu_get_arch(cpu);
    const struct layout *l = &layouts[arch];
    size_t st = row_of(arch, "st0"), xmm = row_of(arch, "xmm0"), high = row_of(arch, "xmm8");

    write_u32(cpu, st + FCTRL, get_u16(fx));
    write_u32(cpu, st + FSTAT, get_u16(fx + 2));
    write_u32(cpu, st + FTAG, lengthen_tags(fx[4]));
    if (width == CPU_I386) /* the other CONTEXT has a field of its own for it */
        cpu_set(cpu, CPU_MXCSR, get_u32(fx + 0x18) & 0xffff);
    for (size_t i = 0; i < X87_COUNT; i++)
        write_row(cpu, st + i, fx + FX_ST + FX_STEP * i, X87_BYTES);
    for (size_t i = 0; i < l->xmm_count; i++)
        write_row(cpu, i < 8 ? xmm + i : high + i - 8, fx + FX_XMM + FX_STEP * i, FX_STEP);
}

/* ---- Floating point: the FSAVE area, x87 registers alone -------------------------------------- */

enum { FS_WORDS = 7, FS_ST = 4 * FS_WORDS, FS_RESERVED = 0xffff0000u };

static void save_x87(const struct cpu *cpu, uint8_t *fs)
{
    size_t st = row_of(cpu_get_arch(cpu), "st0");

    put_u32(fs, FS_RESERVED | read_u32(cpu, st + FCTRL));
    put_u32(fs + 4, FS_RESERVED | read_u32(cpu, st + FSTAT));
    put_u32(fs + 8, FS_RESERVED | read_u32(cpu, st + FTAG));
    put_u32(fs + 12, read_u32(cpu, st + FIOFF));
    put_u32(fs + 16, (read_u32(cpu, st + FISEG) & 0xffff) | read_u32(cpu, st + FOP) << 16);
    put_u32(fs + 20, read_u32(cpu, st + FOOFF));
    put_u32(fs + 24, FS_RESERVED | read_u32(cpu, st + FOSEG));
    for (size_t i = 0; i < X87_COUNT; i++)
        read_row(cpu, st + i, fs + FS_ST + X87_BYTES * i, X87_BYTES);
}

static void load_x87(struct cpu *cpu, const uint8_t *fs)
{
    size_t st = row_of(cpu_get_arch(cpu), "st0");

    write_u32(cpu, st + FCTRL, get_u16(fs));
    write_u32(cpu, st + FSTAT, get_u16(fs + 4));
    write_u32(cpu, st + FTAG, get_u16(fs + 8));
    for (size_t i = 0; i < X87_COUNT; i++)
        write_row(cpu, st + i, fs + FS_ST + X87_BYTES * i, X87_BYTES);
}

/* ---- The whole -------------------------------------------------------------------------------- */

/* A CONTEXT of 64 bits shows a CPU of 32 as well. */
static bool shows(const struct layout *l, enum cpu_arch width, const struct cpu *cpu,
                  const uint8_t *raw)
{
    return (width == CPU_AMD64 || cpu_get_arch(cpu) == CPU_I386) &&
           get_u32(raw + l->flags) & l->cpu;
}

static bool has_register(const struct cpu *cpu, enum cpu_reg reg)
{
    return cpu_get_arch(cpu) == CPU_AMD64 || reg < CPU_R8 || reg > CPU_R15;
}

bool context_fill(const struct cpu *cpu, enum cpu_arch width, uint8_t *raw)
{
    const struct layout *l = &layouts[width];
    uint32_t flags = get_u32(raw + l->flags);

    if (!shows(l, width, cpu, raw))
        return false;
    for (size_t i = 0; i < l->count; i++) {
        enum cpu_reg reg = (enum cpu_reg)l->slots[i].reg;

        if (flags & l->slots[i].part)
            put_sized(raw + l->slots[i].offset, l->slots[i].size,
                      has_register(cpu, reg) ? cpu_get(cpu, reg) : 0);
    }
    if (flags & l->fx_part)
        save_floating(cpu, raw + l->fxsave);
    if (l->fsave && flags & CONTEXT_FLOATING)
        save_x87(cpu, raw + l->fsave);
    return true;
}

void context_save(const struct cpu *cpu, uint8_t *raw)
{
    const struct layout *l = &layouts[cpu_get_arch(cpu)];

    memset(raw, 0, l->size);
    put_u32(raw + l->flags, l->cpu | l->all);
    (void)context_fill(cpu, cpu_get_arch(cpu), raw);
}

/* Registers that a CONTEXT does not change: the segments are the process's for good. */
static bool is_fixed(enum cpu_reg reg)
{
    return reg >= CPU_CS && reg <= CPU_GS;
}

bool context_load(struct cpu *cpu, enum cpu_arch width, const uint8_t *raw)
{
    const struct layout *l = &layouts[width];
    uint32_t flags = get_u32(raw + l->flags);

    if (!shows(l, width, cpu, raw))
        return false;
    for (size_t i = 0; i < l->count; i++) {
        enum cpu_reg reg = (enum cpu_reg)l->slots[i].reg;
        uint64_t value = get_sized(raw + l->slots[i].offset, l->slots[i].size);

        if (!(flags & l->slots[i].part) || is_fixed(reg) || !has_register(cpu, reg))
            continue;
        if (reg == CPU_EFLAGS)
            value = (value & EFLAGS_USER) | (cpu_get(cpu, CPU_EFLAGS) & ~(uint64_t)EFLAGS_USER);
        if (reg == CPU_MXCSR)
            value &= 0xffff;
        cpu_set(cpu, reg, value);
    }
    if (flags & l->fx_part)
        load_floating(cpu, width, raw + l->fxsave);
    else if (l->fsave && flags & CONTEXT_FLOATING)
        load_x87(cpu, raw + l->fsave);
    return true;
}
