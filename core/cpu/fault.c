/*
 * What a stop means. The engine names a page and an exact rip; the byte comes from decoding the
 * instruction. It moves rip behind software interrupts and knows icebp as an invalid instruction;
 * events have rip at the instruction in every case.
 */
#include "cpu/cpu_priv.h"

#include "winstub/bytes.h"

#define IN_FLIGHT_NONE UINT32_MAX

/* The bytes at pc; how many there are. */
static size_t code_at(const struct cpu *cpu, gva_t pc, uint8_t *bytes)
{
    return vm_debug_read(cpu->vm, pc, bytes, DIS_MAX_LENGTH);
}

bool fault_scan(const struct cpu *cpu, gva_t pc, struct scan_insn *insn)
{
    uint8_t bytes[DIS_MAX_LENGTH];

    return scan_insn(bytes, code_at(cpu, pc, bytes), cpu_is_code64(cpu), insn);
}

static bool decode(struct cpu *cpu, gva_t pc, struct dis_insn *insn)
{
    uint8_t bytes[DIS_MAX_LENGTH];

    return dis_decode(cpu->dis, cpu, pc, bytes, code_at(cpu, pc, bytes), insn);
}

/* Does access touch the page, and at which byte first? */
static bool touches(const struct dis_access *access, gva_t page, gva_t *first)
{
    gva_t last = access->address + access->size - 1;

    *first = access->address > page ? access->address : page;
    if (PAGE_OF(access->address) == page) {
        *first = access->address;
        return access->size != 0;
    }
    *first = page;
    return access->size && PAGE_OF(last) == page;
}

/* The operand of insn that the refused access belongs to; NULL when none fits. */
static const struct dis_access *find_access(const struct dis_insn *insn, gva_t page,
                                            enum vm_access want, gva_t *first)
{
    for (size_t i = 0; i < insn->access_count; i++) {
        const struct dis_access *access = &insn->accesses[i];

        if ((access->access & want) && touches(access, page, first))
            return access;
    }
    return NULL;
}

static void describe_fetch(gva_t pc, gva_t page, struct cpu_event *out)
{
    out->address = PAGE_OF(pc) == page ? pc : page;
}

void fault_describe(struct cpu *cpu, gva_t pc, struct cpu_event *out)
{
    struct refused refused = cpu->refused;
    struct dis_insn insn;
    const struct dis_access *access = NULL;
    struct vm_fill unused;

    *out =
        (struct cpu_event){.kind = refused.why == REFUSED_TRAP ? CPU_EVENT_TRAP : CPU_EVENT_FAULT,
                           .pc = pc,
                           .address = refused.page,
                           .access = refused.want,
                           .fault = refused.fault};
    if (refused.want == VM_EXEC) {
        describe_fetch(pc, refused.page, out);
        return;
    }
    if (decode(cpu, pc, &insn))
        access = find_access(&insn, refused.page, refused.want, &out->address);
    if (!access)
        return;
    out->size = access->size;
    if (refused.why == REFUSED_TRAP || refused.fault == VM_FAULT_DEVICE ||
        !(access->access & VM_WRITE))
        return;
    /* A processor asks for both at once, and reports a write. */
    out->access = VM_WRITE;
    out->fault = vm_fill(cpu->vm, refused.page, VM_WRITE, &unused);
    if (out->fault == VM_FAULT_NONE)
        out->fault = refused.fault;
}

bool fault_is_segment_load(struct cpu *cpu, gva_t pc)
{
    struct scan_insn traits;
    struct dis_insn insn;
    gva_t unused;

    if (cpu->refused.want != VM_READ || !fault_scan(cpu, pc, &traits) ||
        !(traits.traits & SCAN_LOADS_SEGMENT))
        return false;
    return decode(cpu, pc, &insn) && !find_access(&insn, GDT_PAGE, VM_READ, &unused);
}

/*
 * Take the exception that the engine believes in flight, IN_FLIGHT_NONE if none. It never clears
 * the field by itself; the next exception would become a double fault, the one after it nothing at
 * all.
 */
static uint32_t take_in_flight(struct cpu *cpu)
{
    size_t len;
    uint8_t *bytes;
    uint32_t vector;

    engine_context_save(cpu->engine, cpu->scratch);
    bytes = engine_context_bytes(cpu->engine, cpu->scratch, &len) + cpu->in_flight;
    vector = get_u32(bytes);
    if (vector == IN_FLIGHT_NONE)
        return vector;
    put_u32(bytes, IN_FLIGHT_NONE);
    engine_context_load(cpu->engine, cpu->scratch);
    return vector;
}

/*
 * The length of the software interrupt that ends at rip and raised vector; 0 when it was a fault
 * at rip.
 */
static uint8_t software_length(const struct cpu *cpu, gva_t rip, uint32_t vector)
{
    uint8_t bytes[2] = {0};

    if (vm_debug_read(cpu->vm, rip - 2, bytes, 2) != 2)
        (void)vm_debug_read(cpu->vm, rip - 1, bytes + 1, 1);
    if (vector == CPU_VEC_BP && bytes[1] == 0xcc)
        return 1;
    if (vector == CPU_VEC_OF && bytes[1] == 0xce)
        return 1;
    return bytes[0] == 0xcd && bytes[1] == vector ? 2 : 0;
}

void fault_interrupt(struct cpu *cpu, uint32_t vector, struct cpu_event *out)
{
    gva_t rip = engine_get(cpu->engine, CPU_RIP);
    bool in_flight = take_in_flight(cpu) != IN_FLIGHT_NONE;
    bool stepped = vector == CPU_VEC_DB && (engine_get(cpu->engine, CPU_EFLAGS) & CPU_TF);
    uint8_t length = in_flight || stepped ? 0 : software_length(cpu, rip, vector);

    if (length)
        engine_set(cpu->engine, CPU_RIP, rip - length);
    *out = (struct cpu_event){.kind = CPU_EVENT_EXCEPTION,
                              .pc = rip - length,
                              .vector = (uint8_t)vector,
                              .length = length};
}

void fault_invalid(struct cpu *cpu, struct cpu_event *out)
{
    uint8_t byte = 0;

    *out = (struct cpu_event){
        .kind = CPU_EVENT_EXCEPTION, .pc = engine_get(cpu->engine, CPU_RIP), .vector = CPU_VEC_UD};
    if (vm_debug_read(cpu->vm, out->pc, &byte, 1) == 1 && byte == 0xf1) {
        out->vector = CPU_VEC_DB;
        out->length = 1;
    }
}
