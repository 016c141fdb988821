/*
 * Ring 3 as Windows sets it up: a descriptor table in a private frame, and how selectors get
 * loaded. The engine sets hidden segment state only when an instruction loads a selector, so we
 * run a few instructions of our own. Their addresses answer only while they run; the guest never
 * sees the frame.
 */
#include "cpu/cpu_priv.h"

#include <string.h>

#include "winstub/bytes.h"

#define SEL_CODE32 0x23
#define SEL_DATA   0x2b
#define SEL_CODE64 0x33
#define SEL_TEB    0x53
#define GDT_LIMIT  0x57

/* Flat, present, DPL 3, already accessed (so that loading one writes nothing). */
#define DESC_CODE32 UINT64_C(0x00cffb000000ffff)
#define DESC_CODE64 UINT64_C(0x00affb000000ffff)
#define DESC_DATA   UINT64_C(0x00cff3000000ffff)

/* Layout of the private frame. */
#define GDTR_AT    0x080u
#define BOOT_AT    0x100u
#define TO64_AT    0x140u
#define LOAD_AT    0x180u
#define STACK_AT   0x200u
#define PRIVATE(x) (PRIVATE_PAGE + (x))

/* lgdt [rsi]; mov cr4, rbx; xsetbv (XCR0 = edx:eax); jmp rdi */
static const uint8_t boot_code[] = {0x0f, 0x01, 0x16, 0x0f, 0x22, 0xe3,
                                    0x0f, 0x01, 0xd1, 0xff, 0xe7};
/* OSFXSR, OSXMMEXCPT, FSGSBASE, OSXSAVE: engines differ in what they start with. */
#define CR4 UINT64_C(0x50600)
/* ljmp 0x33:LOAD_AT, from 32-bit code */
static const uint8_t to64_code[] = {0xea, LOAD_AT & 0xff, 0xf0 | (LOAD_AT >> 8), 0xff, 0xff, 0x33,
                                    0};
/* mov ds, eax; mov es, ecx; mov fs, edx; mov gs, ebx; iretq */
static const uint8_t load_code[] = {0x8e, 0xd8, 0x8e, 0xc1, 0x8e, 0xe2, 0x8e, 0xeb, 0x48, 0xcf};

uint8_t *segments_private(const struct cpu *cpu, gva_t at)
{
    return cpu->arena + cpu->private_offset + (at - PRIVATE_PAGE);
}

static void put_descriptor(const struct cpu *cpu, unsigned selector, uint64_t descriptor)
{
    put_u64(cpu->arena + cpu->private_offset + (selector & ~7u), descriptor);
}

void segments_set_teb(struct cpu *cpu, uint32_t base)
{
    uint64_t low = base & 0xffffff;
    uint64_t high = base >> 24;

    cpu->teb_base = base;
    put_descriptor(cpu, SEL_TEB, DESC_DATA | low << 16 | high << 56);
}

bool segments_run_private(struct cpu *cpu, gva_t at)
{
    enum engine_exit exit;

    cpu->flush = true;
    engine_set(cpu->engine, CPU_RIP, at);
    do {
        exit = exec_engine(cpu, FILL_PRIVATE);
    } while (exit == ENGINE_STOPPED && cpu->note.kind == NOTE_NONE); /* a belated cpu_stop */
    cpu->flush = true;
    return exit == ENGINE_REFUSED && cpu->refused.why == REFUSED_PRIVATE &&
           cpu->refused.page == PRIVATE_EXIT;
}

bool segments_valid(enum cpu_reg reg, uint16_t selector)
{
    bool is_code = selector == SEL_CODE32 || selector == SEL_CODE64;
    bool is_data = selector == SEL_DATA || selector == SEL_TEB;

    if (reg == CPU_CS)
        return is_code;
    return is_data || (reg != CPU_SS && (is_code || selector <= 3));
}

/* The registers that load_code and the frame for iretq use up. */
static const enum cpu_reg borrowed[] = {CPU_RAX, CPU_RCX,    CPU_RDX,     CPU_RBX,    CPU_RSP,
                                        CPU_RIP, CPU_EFLAGS, CPU_FS_BASE, CPU_GS_BASE};
#define BORROWED (sizeof borrowed / sizeof *borrowed)

/* Load all six selectors; every other register keeps its value, the bases of fs and gs included. */
static bool load_all(struct cpu *cpu, gva_t start, const uint16_t *selectors)
{
    uint8_t *stack = segments_private(cpu, PRIVATE(STACK_AT));
    uint64_t saved[BORROWED];
    bool ok;

    for (size_t i = 0; i < BORROWED; i++)
        saved[i] = engine_get(cpu->engine, borrowed[i]);
    put_u64(stack, PRIVATE_EXIT);
    put_u64(stack + 8, selectors[CPU_CS - CPU_CS]);
    put_u64(stack + 16, 0x202);
    put_u64(stack + 24, 0);
    put_u64(stack + 32, selectors[CPU_SS - CPU_CS]);
    engine_set(cpu->engine, CPU_RAX, selectors[CPU_DS - CPU_CS]);
    engine_set(cpu->engine, CPU_RCX, selectors[CPU_ES - CPU_CS]);
    engine_set(cpu->engine, CPU_RDX, selectors[CPU_FS - CPU_CS]);
    engine_set(cpu->engine, CPU_RBX, selectors[CPU_GS - CPU_CS]);
    engine_set(cpu->engine, CPU_RSP, PRIVATE(STACK_AT));
    engine_set(cpu->engine, CPU_EFLAGS, 0x202);
    ok = segments_run_private(cpu, start);
    for (size_t i = 0; i < BORROWED; i++)
        engine_set(cpu->engine, borrowed[i], saved[i]);
    return ok;
}

enum err segments_load(struct cpu *cpu, enum cpu_reg reg, uint16_t selector)
{
    uint16_t selectors[CPU_GS - CPU_CS + 1];

    for (unsigned i = 0; i < sizeof selectors / sizeof *selectors; i++)
        selectors[i] = (uint16_t)engine_get(cpu->engine, (enum cpu_reg)(CPU_CS + i));
    selectors[reg - CPU_CS] = selector;
    if (!load_all(cpu, PRIVATE(cpu_is_code64(cpu) ? LOAD_AT : TO64_AT), selectors))
        return ERR_ENGINE;
    return ERR_OK;
}

static void write_private_frame(struct cpu *cpu)
{
    uint8_t *page = segments_private(cpu, PRIVATE_PAGE);

    put_descriptor(cpu, SEL_CODE32, DESC_CODE32);
    put_descriptor(cpu, SEL_CODE64, DESC_CODE64);
    put_descriptor(cpu, SEL_DATA, DESC_DATA);
    segments_set_teb(cpu, 0);
    put_u16(page + GDTR_AT, GDT_LIMIT);
    put_u64(page + GDTR_AT + 2, GDT_PAGE);
    memcpy(page + BOOT_AT, boot_code, sizeof boot_code);
    memcpy(page + TO64_AT, to64_code, sizeof to64_code);
    memcpy(page + LOAD_AT, load_code, sizeof load_code);
}

enum err segments_init(struct cpu *cpu, struct diag *why)
{
    static const uint16_t selectors64[] = {SEL_CODE64, SEL_DATA, SEL_DATA,
                                           SEL_DATA,   SEL_TEB,  SEL_DATA};
    static const uint16_t selectors32[] = {SEL_CODE32, SEL_DATA, SEL_DATA,
                                           SEL_DATA,   SEL_TEB,  SEL_DATA};

    if (vm_frame_new(cpu->vm, &cpu->private_offset))
        return diag_set(why, ERR_NOMEM, "no memory for the CPU's descriptor table");
    cpu->has_private = true;
    write_private_frame(cpu);
    engine_set(cpu->engine, CPU_RSI, PRIVATE(GDTR_AT));
    engine_set(cpu->engine, CPU_RDI, PRIVATE_EXIT);
    engine_set(cpu->engine, CPU_RBX, CR4);
    engine_set(cpu->engine, CPU_RAX, 3);
    engine_set(cpu->engine, CPU_RCX, 0);
    engine_set(cpu->engine, CPU_RDX, 0);
    if (!segments_run_private(cpu, PRIVATE(BOOT_AT)) ||
        !load_all(cpu, PRIVATE(LOAD_AT), cpu->arch == CPU_AMD64 ? selectors64 : selectors32))
        return diag_set(why, ERR_UNSUPPORTED,
                        "%s does not reach ring 3; run `make deps` to get an engine that is known "
                        "to work",
                        engine_version());
    return ERR_OK;
}

void segments_fini(struct cpu *cpu)
{
    if (cpu->has_private)
        vm_frame_free(cpu->vm, cpu->private_offset);
}
