/*
 * CPU events as Windows exceptions: which code, which parameters, and one line that says who, where, what
 * and how. The codes are those of the NT kernel's trap handlers; what the debugger is told about them
 * (signals) is decided in stub/stop_reply.c.
 */
#include "run/exception.h"

#include <string.h>

#include "winstub/buf.h"
#include "winstub/nt.h"

_Static_assert(sizeof((struct target_stop *)0)->info == sizeof((struct process_exception *)0)->info,
               "a stop shows every parameter of an exception");

#define NOTE_MAX 511
#define UNLISTED 0xe0000000u /* a code that no program gives a meaning to */

/* The bytes at pc, as far as they are there. */
static size_t fetch(struct process *process, gva_t pc, uint8_t bytes[DIS_MAX_LENGTH])
{
    return vm_debug_read(process_vm(process), pc, bytes, DIS_MAX_LENGTH);
}

static bool decode(struct process *process, struct dis *dis, gva_t pc, struct dis_insn *out)
{
    uint8_t bytes[DIS_MAX_LENGTH];
    size_t len = fetch(process, pc, bytes);

    return dis_decode(dis, process_cpu(process), pc, bytes, len, out);
}

/* Skip prefixes (REX included in 64-bit code); the offset of the opcode. */
static size_t opcode_at(enum cpu_arch arch, const uint8_t *bytes, size_t len)
{
    size_t i = 0;

    while (i < len && memchr("\x26\x2e\x36\x3e\x64\x65\x66\x67\xf0\xf2\xf3", bytes[i], 11))
        i++;
    if (arch == CPU_AMD64 && i < len && (bytes[i] & 0xf0) == 0x40)
        i++;
    return i;
}

/*
 * Instructions for which NT reports STATUS_PRIVILEGED_INSTRUCTION on #GP from user mode: hlt, cli, sti, in,
 * out, and the system instructions behind 0F.
 */
static bool is_privileged(enum cpu_arch arch, const uint8_t *bytes, size_t len)
{
    size_t i = opcode_at(arch, bytes, len);

    if (i >= len)
        return false;
    if (bytes[i] != 0x0f)
        return memchr("\xf4\xfa\xfb\xe4\xe5\xe6\xe7\xec\xed\xee\xef\x6c\x6d\x6e\x6f", bytes[i], 15);
    return i + 1 < len &&
           memchr("\x00\x01\x06\x07\x08\x09\x20\x21\x22\x23\x30\x32\x33\x35", bytes[i + 1], 14);
}

/* #DE is an overflow unless the divisor is zero; NT looks at the operand to tell them apart. */
static nt_status divide_status(struct process *process, const struct dis_insn *insn,
                               const uint8_t *bytes, size_t len)
{
    struct cpu *cpu = process_cpu(process);
    size_t op = opcode_at(cpu_get_arch(cpu), bytes, len);
    uint8_t rex = op ? bytes[op - 1] : 0;
    uint64_t divisor = 0;
    unsigned size;

    if (op + 1 >= len)
        return STATUS_INTEGER_DIVIDE_BY_ZERO;
    if (cpu_get_arch(cpu) != CPU_AMD64 || (rex & 0xf0) != 0x40)
        rex = 0;
    size = bytes[op] == 0xf6 ? 1 : rex & 8 ? 8 : memchr(bytes, 0x66, op) ? 2 : 4;
    if (bytes[op + 1] >= 0xc0) {
        static const enum cpu_reg numbered[16] = {
            CPU_RAX, CPU_RCX, CPU_RDX, CPU_RBX, CPU_RSP, CPU_RBP, CPU_RSI, CPU_RDI,
            CPU_R8,  CPU_R9,  CPU_R10, CPU_R11, CPU_R12, CPU_R13, CPU_R14, CPU_R15,
        };
        unsigned n = (bytes[op + 1] & 7u) | (rex & 1u) << 3;
        bool high_byte = size == 1 && !rex && n >= 4;

        divisor = cpu_get(cpu, numbered[high_byte ? n - 4 : n]) >> (high_byte ? 8 : 0);
    } else if (insn->access_count) {
        (void)vm_debug_read(process_vm(process), insn->accesses[0].address, &divisor, size);
    }
    if (size < 8)
        divisor &= (UINT64_C(1) << (8 * size)) - 1;
    return divisor ? STATUS_INTEGER_OVERFLOW : STATUS_INTEGER_DIVIDE_BY_ZERO;
}

static nt_status vector_status(struct process *process, const struct cpu_event *event,
                               const struct dis_insn *insn)
{
    enum cpu_arch arch = cpu_get_arch(process_cpu(process));
    uint8_t bytes[DIS_MAX_LENGTH];
    size_t len = fetch(process, event->pc, bytes);

    switch (event->vector) {
    case CPU_VEC_DE:
        return divide_status(process, insn, bytes, len);
    case CPU_VEC_DB:
        return STATUS_SINGLE_STEP;
    case CPU_VEC_BP:
    case 0x2d: /* the debug service interrupt */
        return STATUS_BREAKPOINT;
    case CPU_VEC_OF:
        return STATUS_INTEGER_OVERFLOW;
    case CPU_VEC_BR:
        return STATUS_ARRAY_BOUNDS_EXCEEDED;
    case CPU_VEC_UD:
        return STATUS_ILLEGAL_INSTRUCTION;
    case CPU_VEC_MF:
        return STATUS_FLOAT_INVALID_OPERATION;
    case CPU_VEC_XM:
        return STATUS_FLOAT_MULTIPLE_TRAPS;
    case 0x29: /* __fastfail */
        return STATUS_STACK_BUFFER_OVERRUN;
    default:
        return is_privileged(arch, bytes, len) ? STATUS_PRIVILEGED_INSTRUCTION
                                               : STATUS_ACCESS_VIOLATION;
    }
}

/* The parameters that NT gives to exceptions which are no page faults. */
static void vector_parameters(struct process *process, struct target_stop *stop)
{
    switch (stop->code) {
    case STATUS_ACCESS_VIOLATION:
        stop->info[1] = UINT64_MAX; /* a #GP has no address */
        stop->info_count = 2;
        break;
    case STATUS_BREAKPOINT: /* BREAKPOINT_BREAK */
        stop->info_count = 1;
        break;
    case STATUS_STACK_BUFFER_OVERRUN: /* the code of __fastfail */
        stop->info[0] = cpu_get(process_cpu(process), CPU_RCX) & UINT32_MAX;
        stop->info_count = 1;
        break;
    default:
        break;
    }
}

static uint64_t access_parameter(enum vm_access access)
{
    return access == VM_EXEC ? 8 : access == VM_WRITE ? 1 : 0;
}

/* A page fault: what was tried, and where; of an error of the file also what the file system said. */
static void fault_parameters(const struct cpu_event *event, struct target_stop *stop)
{
    stop->code = event->fault == VM_FAULT_GUARD     ? STATUS_GUARD_PAGE_VIOLATION
                 : event->fault == VM_FAULT_IN_PAGE ? STATUS_IN_PAGE_ERROR
                                                    : STATUS_ACCESS_VIOLATION;
    stop->info[0] = access_parameter(event->access);
    stop->info[1] = event->address;
    stop->info_count = 2;
    if (event->fault == VM_FAULT_IN_PAGE)
        stop->info[stop->info_count++] = STATUS_IO_DEVICE_ERROR;
}

static const char *access_verb(enum vm_access access)
{
    return access == VM_EXEC ? "executes" : access == VM_WRITE ? "writes" : "reads";
}

/* "STATUS_ACCESS_VIOLATION at 0x1234 (hello.exe+0x34), thread 8". */
static void note_who(struct process *process, const struct target_stop *stop, struct buf *out)
{
    size_t before;

    if (strcmp(nt_text(stop->code), nt_text(UNLISTED)) != 0)
        (void)buf_text(out, nt_text(stop->code));
    else
        (void)buf_printf(out, "exception 0x%08" PRIx32, stop->code);
    (void)buf_printf(out, " at 0x%" PRIx64, stop->addr);
    before = out->len;
    (void)buf_text(out, " (");
    process_where(process, stop->addr, out);
    if (out->len == before + 2)
        out->len = before;
    else
        (void)buf_byte(out, ')');
    (void)buf_printf(out, ", thread %" PRIu32, stop->tid);
}

/* After a jump into nowhere: where it may have come from, when the top of the stack is a code address. */
static void note_origin(struct process *process, struct buf *out)
{
    struct cpu *cpu = process_cpu(process);
    size_t width = cpu_get_arch(cpu) == CPU_AMD64 ? 8 : 4;
    struct vm_region region;
    gva_t top = 0;

    if (vm_debug_read(process_vm(process), cpu_get(cpu, CPU_RSP), &top, width) != width ||
        vm_query(process_vm(process), top, &region) != STATUS_SUCCESS ||
        !(region.protect &
          (PAGE_EXECUTE | PAGE_EXECUTE_READ | PAGE_EXECUTE_READWRITE | PAGE_EXECUTE_WRITECOPY)))
        return;
    (void)buf_printf(out, "; the top of the stack is the code address 0x%" PRIx64 " (", top);
    process_where(process, top, out);
    (void)buf_byte(out, ')');
}

/* ": mov eax, dword ptr [rcx] reads 4 bytes at 0x10: free, ...". */
static void note_what(struct process *process, const struct cpu_event *event,
                      const struct dis_insn *insn, struct buf *out)
{
    if (insn)
        (void)buf_printf(out, ": %s", insn->text);
    if (event->kind != CPU_EVENT_FAULT)
        return;
    (void)buf_printf(out, "%s %s", insn ? "" : ":", access_verb(event->access));
    if (event->access != VM_EXEC && event->size)
        (void)buf_printf(out, " %u byte%s at", event->size, event->size == 1 ? "" : "s");
    (void)buf_printf(out, " 0x%" PRIx64 ": ", event->address);
    vm_explain(process_vm(process), event->address, event->access, out);
    if (event->fault == VM_FAULT_IN_PAGE)
        (void)buf_text(out, ", whose file cannot be read");
    if (event->access == VM_EXEC)
        note_origin(process, out);
}

static void write_note(struct process *process, const struct cpu_event *event,
                       const struct dis_insn *insn, struct target_stop *stop)
{
    struct buf text;

    buf_init(&text, NOTE_MAX);
    note_who(process, stop, &text);
    note_what(process, event, insn, &text);
    memcpy(stop->note, buf_str(&text), text.len);
    stop->note[text.len] = 0;
    buf_fini(&text);
}

void exception_describe(struct process *process, struct dis *dis, const struct cpu_event *event,
                        struct target_stop *stop)
{
    struct dis_insn insn;
    bool decoded = decode(process, dis, event->pc, &insn);

    if (!decoded)
        insn = (struct dis_insn){0};
    stop->kind = STOP_EXCEPTION;
    stop->addr = event->pc;
    if (event->kind == CPU_EVENT_FAULT) {
        fault_parameters(event, stop);
    } else {
        stop->code = vector_status(process, event, &insn);
        vector_parameters(process, stop);
    }
    write_note(process, event, decoded ? &insn : NULL, stop);
}

void exception_describe_raised(struct process *process, const struct process_exception *raised,
                               struct target_stop *stop)
{
    struct buf text;

    stop->kind = STOP_EXCEPTION;
    stop->code = raised->code;
    stop->addr = raised->address;
    stop->info_count = raised->count;
    memcpy(stop->info, raised->info, sizeof stop->info);
    stop->first_chance = !raised->last_chance;
    buf_init(&text, NOTE_MAX);
    note_who(process, stop, &text);
    (void)buf_printf(&text, ": raised by the program%s",
                     raised->last_chance ? ", and no handler took it" : "");
    memcpy(stop->note, buf_str(&text), text.len);
    stop->note[text.len] = 0;
    buf_fini(&text);
}

bool exception_is_routine(const struct process_exception *raised)
{
    static const uint32_t codes[] = {
        0x20474343, 0x21474343, 0x22474343, /* GCC's C++: throw, unwind, forced unwind */
        0xe06d7363,                         /* Visual C++'s throw */
        0x406d1388,                         /* a thread is given a name */
        0x40010006, 0x4001000a,             /* OutputDebugString */
    };

    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        if (codes[i] == raised->code)
            return !raised->last_chance;
    }
    return false;
}

struct process_exception exception_of(const struct target_stop *stop)
{
    struct process_exception raised = {
        .code = stop->code, .address = stop->addr, .count = stop->info_count};

    memcpy(raised.info, stop->info, sizeof raised.info);
    return raised;
}

bool exception_is_fault(const struct cpu_event *event)
{
    return event->kind == CPU_EVENT_FAULT ||
           (event->kind == CPU_EVENT_EXCEPTION && !event->length && event->vector != CPU_VEC_DB);
}

void exception_rename(struct target_stop *stop, uint32_t code)
{
    const char *rest = stop->note + strlen(nt_text(stop->code));
    struct buf text;

    buf_init(&text, NOTE_MAX);
    (void)buf_printf(&text, "%s%s", nt_text(code), rest);
    memcpy(stop->note, buf_str(&text), text.len + 1);
    stop->code = code;
    buf_fini(&text);
}

gva_t exception_continue_pc(const struct cpu_event *event)
{
    return event->kind == CPU_EVENT_EXCEPTION ? event->pc + event->length : event->pc;
}
