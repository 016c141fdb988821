/*
 * From the CPU at a system call to the service and back: number, arguments, checks, status. What each service does is
 * in the serve_*.c files; numbers are numbers.c's.
 *
 * Arguments: 64-bit callers give r10, rdx, r8, r9 and the stack, 32-bit ones in edx the address of all of them.
 * Letters of the argument lists:
 *   h  HANDLE                                   p  pointer or size; a pointer is the service's to check
 *   d  ULONG and other 32-bit numbers           b  BOOLEAN
 *   q  LARGE_INTEGER by value
 * and pointers that are checked before the service begins:
 *   P  to a pointer-sized number, written       D  to a ULONG, written
 *   W  to a LARGE_INTEGER, written              R  to a LARGE_INTEGER, read
 *   I  to an IO_STATUS_BLOCK, written           S  to a UNICODE_STRING, read
 *   A  to OBJECT_ATTRIBUTES, read               B  to a BOOLEAN, written
 */
#include "nt/services.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "nt/processes.h"
#include "winstub/bytes.h"
#include "winstub/log.h"
#include "winstub/utf.h"

#define REGISTER_ARGS 4        /* of 64-bit callers */
#define CALL_SIZE     2        /* bytes of syscall and int n */
#define FIRST_STACK   0x28     /* the fifth argument, from the stack pointer at the syscall */
#define ANSWER_MAX    0x20000u /* bytes of a query's answer */
#define VOLUME_DEVICE "\\Device\\HarddiskVolume1"
#define DRIVE         2  /* characters of "C:" */
#define ID_BITS       3u /* of a number, which do not count */
#define NAME_BYTES    (3u * NT_STRING_MAX / 2 + 1)

static const struct service services[] = {
#define SERVICE_ROW(name, args) {#name, args, serve_##name},
    SERVICES(SERVICE_ROW)
#undef SERVICE_ROW
};

const struct service *service_find(const char *name)
{
    for (size_t i = 0; i < sizeof services / sizeof *services; i++) {
        if (strcmp(services[i].name, name) == 0)
            return &services[i];
    }
    return NULL;
}

/* ---- Arguments -------------------------------------------------------------------------------- */

/* What an argument is, and the memory behind it when it is a pointer that is checked here. */
struct parameter {
    char letter;
    bool optional;
};

static bool next_parameter(const char **args, struct parameter *out)
{
    while (**args == ' ')
        ++*args;
    out->optional = **args == '?';
    *args += out->optional;
    out->letter = **args;
    *args += out->letter != 0;
    return out->letter != 0;
}

/* Bytes behind a pointer of that kind, and how they are used; 0: not checked here. */
static uint32_t pointee(enum cpu_arch arch, char letter, enum vm_access *want)
{
    *want = strchr("RSA", letter) ? VM_READ : VM_WRITE;
    switch (letter) {
    case 'P':
        return nt_pointer(arch);
    case 'D':
        return 4;
    case 'B':
        return 1;
    case 'W':
    case 'R':
        return 8;
    case 'I':
        return nt_size(arch, NT_STRUCT_IO);
    case 'S':
        return nt_size(arch, NT_STRUCT_STRING);
    case 'A':
        return nt_size(arch, NT_STRUCT_ATTRIBUTES);
    default:
        return 0;
    }
}

/* The bits of a slot that an argument of this kind has. */
static uint64_t mask(enum cpu_arch arch, char letter, uint64_t value)
{
    if (letter == 'b')
        return value & 0xff;
    if (letter == 'd' || (arch == CPU_I386 && letter != 'q' && letter != 'h'))
        return (uint32_t)value;
    if (arch == CPU_I386 && letter == 'h') /* pseudo handles are negative */
        return (uint64_t)(int64_t)(int32_t)value;
    return value;
}

/* Slot i of a 64-bit caller's arguments. */
static nt_status fetch_64(struct process *p, size_t i, uint64_t *value)
{
    static const enum cpu_reg regs[REGISTER_ARGS] = {CPU_R10, CPU_RDX, CPU_R8, CPU_R9};

    if (i < REGISTER_ARGS) {
        *value = cpu_get(p->cpu, regs[i]);
        return STATUS_SUCCESS;
    }
    return guest_get_number(
        p, cpu_get(p->cpu, CPU_RSP) + FIRST_STACK + 8 * (uint64_t)(i - REGISTER_ARGS), 8, value);
}

/* The slot or, for a LARGE_INTEGER in 32-bit code, the two slots from *slot on, which then is the next one. */
static nt_status fetch(struct process *p, char letter, size_t *slot, uint64_t *value)
{
    size_t first = *slot, count = p->arch == CPU_I386 && letter == 'q' ? 2 : 1;

    *slot += count;
    if (p->arch == CPU_AMD64)
        return fetch_64(p, first, value);
    return guest_get_number(p, cpu_get(p->cpu, CPU_RDX) + 4 * first, (uint32_t)(4 * count), value);
}

static nt_status check(struct process *p, const struct parameter *parameter, uint64_t value)
{
    enum vm_access want;
    uint32_t size = pointee(p->arch, parameter->letter, &want);

    if (!size || (!value && parameter->optional))
        return STATUS_SUCCESS;
    return guest_probe(p, value, size, want);
}

static nt_status fetch_arguments(struct call *call, const struct service *service)
{
    const char *args = service->args;
    struct parameter parameter;
    nt_status st = STATUS_SUCCESS;
    size_t slot = 0;

    for (size_t i = 0; !st && next_parameter(&args, &parameter); i++) {
        st = fetch(call->process, parameter.letter, &slot, &call->arg[i]);
        if (st)
            break;
        call->arg[i] = mask(call->process->arch, parameter.letter, call->arg[i]);
        st = check(call->process, &parameter, call->arg[i]);
    }
    return st;
}

/* ---- The call --------------------------------------------------------------------------------- */

static void log_call(const struct call *call, const struct service *service, nt_status st)
{
    const char *args = service->args;
    struct parameter parameter;
    struct buf text;

    if (!(log_mask & 1u << LOG_nt))
        return;
    buf_init(&text, 1024);
    for (size_t i = 0; next_parameter(&args, &parameter); i++)
        (void)buf_printf(&text, "%s0x%" PRIx64, i ? ", " : "", call->arg[i]);
    LOG(nt, "%s(%s) -> 0x%08" PRIx32 " %s", service->name, buf_str(&text), st,
        call->end == CALL_AGAIN || call->end == CALL_WAITS || call->end == CALL_RETRIES
            ? "waits"
            : nt_text(st));
    buf_fini(&text);
}

/* A number that we serve nothing under: say so once. */
static nt_status serve_unknown(struct number *number, uint32_t which)
{
    if (!number)
        LOG(nt, "system call 0x%" PRIx32 ": no such service in ntdll or win32u", which);
    else if (!number->reported)
        LOG(nt, "%s: winstub has no such service", number->name);
    if (number)
        number->reported = true;
    return number ? STATUS_NOT_IMPLEMENTED : STATUS_INVALID_SYSTEM_SERVICE;
}

static nt_status serve(struct call *call, uint32_t which)
{
    struct number *number = numbers_get(&call->kernel->numbers, which);
    nt_status st;

    if (!number || !number->service)
        return serve_unknown(number, which);
    st = fetch_arguments(call, number->service);
    if (!st)
        st = number->service->serve(call);
    log_call(call, number->service, st);
    return st;
}

enum process_syscall process_syscall(struct process *p, uint32_t *exit_code,
                                     struct process_exception *exception)
{
    struct call call = {.process = p, .kernel = p->kernel, .thread = p->threads.on_cpu};
    gva_t pc = cpu_get(p->cpu, CPU_RIP), sp = cpu_get(p->cpu, CPU_RSP);
    nt_status st;

    if (!p->kernel)
        return PROCESS_SYSCALL_NONE;
    gate_leave(p);
    st = serve(&call, (uint32_t)cpu_get(p->cpu, CPU_RAX));
    switch (call.end) {
    case CALL_RETURNS:
        threads_answer(call.thread, st);
        return PROCESS_SYSCALL_DONE;
    case CALL_CONTINUES:
    case CALL_WAITS:
    case CALL_GONE:
        return PROCESS_SYSCALL_DONE;
    case CALL_AGAIN:
        cpu_set(p->cpu, CPU_RIP, pc - CALL_SIZE);
        cpu_set(p->cpu, CPU_RSP, sp);
        call.thread->asks_again = true;
        clock_waited(p->clock, (unsigned)threads_host_wait(p->machine));
        return PROCESS_SYSCALL_WAITS;
    case CALL_RETRIES:
        cpu_set(p->cpu, CPU_RIP, pc - CALL_SIZE);
        cpu_set(p->cpu, CPU_RSP, sp);
        return PROCESS_SYSCALL_WAITS;
    case CALL_ENDS:
        *exit_code = call.exit_code;
        return PROCESS_SYSCALL_EXIT;
    case CALL_RAISES:
        *exception = call.exception;
        break;
    }
    return PROCESS_SYSCALL_RAISE;
}

/* Slot i of the caller's arguments as a debugger sees it, without a trace in the guest; 0 where nothing is. */
static uint64_t peek_argument(const struct process *p, size_t i)
{
    static const enum cpu_reg regs[] = {CPU_R10, CPU_RDX, CPU_R8, CPU_R9};
    const size_t in_regs = p->arch == CPU_AMD64 ? sizeof regs / sizeof *regs : 0;
    gva_t at = p->arch == CPU_AMD64 ? cpu_get(p->cpu, CPU_RSP) + FIRST_STACK + 8 * (i - in_regs)
                                    : cpu_get(p->cpu, CPU_RDX) + 4 * i;
    uint8_t raw[8] = {0};

    if (i < in_regs)
        return cpu_get(p->cpu, regs[i]);
    (void)vm_debug_read(p->vm, at, raw, nt_pointer(p->arch));
    return get_u64(raw);
}

/* The arguments that a debugger is shown: the first ones of a service that winstub lacks. */
static void show_arguments(const struct process *p, const struct service *service,
                           struct process_call *out)
{
    const char *args = service ? service->args : "p p p p";
    struct parameter parameter;

    while (out->arg_count < SERVICE_ARGS_MAX && next_parameter(&args, &parameter)) {
        uint64_t slot = peek_argument(p, out->arg_count);

        out->arg[out->arg_count++] = mask(p->arch, parameter.letter, slot);
    }
}

bool process_call(const struct process *p, struct process_call *out)
{
    const struct number *number;

    if (!p->kernel)
        return false;
    *out = (struct process_call){.number = (uint32_t)cpu_get(p->cpu, CPU_RAX)};
    number = numbers_get(&p->kernel->numbers, out->number);
    out->name = number ? number->name : NULL;
    out->known = number && number->service;
    show_arguments(p, number ? number->service : NULL, out);
    return true;
}

/* ---- What many services need ------------------------------------------------------------------ */

nt_status service_object(const struct call *call, uint64_t handle, const struct object_class *class,
                         uint32_t access, struct object **out)
{
    if (handle == HANDLE_CURRENT_PROCESS)
        *out = &call->process->object->object;
    else if (handle == HANDLE_CURRENT_THREAD)
        *out = &call->thread->object;
    else
        return handles_use(&call->kernel->handles, handle, class, access, out);
    return class && (*out)->class != class ? STATUS_OBJECT_TYPE_MISMATCH : STATUS_SUCCESS;
}

nt_status service_process(const struct call *call, uint64_t handle, uint32_t access,
                          struct process **out)
{
    struct object *object;
    nt_status st = service_object(call, handle, &process_class, access, &object);

    if (st)
        return st;
    *out = ((struct process_object *)object)->process;
    return *out ? STATUS_SUCCESS : STATUS_PROCESS_IS_TERMINATING;
}

nt_status service_thread(const struct call *call, uint64_t handle, uint32_t access,
                         struct thread **out)
{
    struct object *thread = NULL;
    nt_status st = service_object(call, handle, &thread_class, access, &thread);

    if (!st)
        *out = (struct thread *)thread;
    return st;
}

nt_status service_client_id(const struct call *call, struct client_id *id, uint32_t *flags)
{
    struct process *p = call->process;
    uint64_t process = 0, thread = 0, name = 0;
    nt_status st = service_flags(call, call->arg[2], flags);

    if (!st)
        st = guest_get(p, call->arg[2], NT_ATTRIBUTES_NAME, &name);
    if (!st && (name || !call->arg[3]))
        st = STATUS_INVALID_PARAMETER_MIX;
    if (!st)
        st = guest_get_pointer(p, call->arg[3], &process);
    if (!st)
        st = guest_get_pointer(p, call->arg[3] + nt_pointer(p->arch), &thread);
    *id = (struct client_id){(uint32_t)process & ~ID_BITS, (uint32_t)thread & ~ID_BITS};
    return st;
}

void service_end(struct call *call, struct process *p, uint32_t exit_code)
{
    if (p != call->process) {
        process_end(p, exit_code);
        return;
    }
    call->end = CALL_ENDS;
    call->exit_code = exit_code;
}

nt_status service_text_at(struct process *p, gva_t text, uint64_t bytes, char **out)
{
    struct buf utf16, utf8;
    nt_status st;

    *out = NULL;
    if (bytes % 2 || bytes > NT_STRING_MAX + 2)
        return STATUS_INVALID_PARAMETER;
    buf_init(&utf16, NT_STRING_MAX + 2);
    buf_init(&utf8, NAME_BYTES);
    st = guest_append(p, text, (size_t)bytes, &utf16);
    if (!st && !utf8_append_utf16(&utf8, utf16.data, utf16.len / 2))
        st = STATUS_NO_MEMORY;
    if (!st && memchr(buf_str(&utf8), 0, utf8.len))
        st = STATUS_OBJECT_NAME_INVALID;
    if (!st) {
        *out = strdup(buf_str(&utf8));
        st = *out ? STATUS_SUCCESS : STATUS_NO_MEMORY;
    }
    buf_fini(&utf16);
    buf_fini(&utf8);
    return st;
}

nt_status service_text(struct process *p, gva_t at, char **out)
{
    uint64_t length = 0;
    gva_t text = 0;
    nt_status st = guest_get(p, at, NT_STRING_LENGTH, &length);

    *out = NULL;
    if (!st)
        st = guest_get(p, at, NT_STRING_BUFFER, &text);
    return st ? st : service_text_at(p, text, length, out);
}

/* What the kernel asks of a name before it reads it. */
static nt_status check_name(struct process *p, gva_t at)
{
    uint64_t length = 0, text = 0;
    nt_status st = guest_get(p, at, NT_STRING_LENGTH, &length);

    if (!st)
        st = guest_get(p, at, NT_STRING_BUFFER, &text);
    if (!st && length && text % 2)
        st = STATUS_DATATYPE_MISALIGNMENT;
    return !st && length % 2 ? STATUS_OBJECT_NAME_INVALID : st;
}

nt_status attributes_read(struct process *p, gva_t at, struct attributes *out)
{
    uint64_t length = 0, flags = 0;
    gva_t name = 0;
    nt_status st = guest_get(p, at, NT_ATTRIBUTES_LENGTH, &length);

    *out = (struct attributes){0};
    if (!st && length != nt_size(p->arch, NT_STRUCT_ATTRIBUTES))
        st = STATUS_INVALID_PARAMETER;
    if (!st)
        st = guest_get(p, at, NT_ATTRIBUTES_ROOT, &out->root);
    if (!st)
        st = guest_get(p, at, NT_ATTRIBUTES_FLAGS, &flags);
    if (!st)
        st = guest_get(p, at, NT_ATTRIBUTES_NAME, &name);
    if (st)
        return st;
    out->flags = (uint32_t)flags;
    if (name)
        st = check_name(p, name);
    if (name)
        return st ? st : service_text(p, name, &out->name);
    out->name = strdup("");
    return out->name ? STATUS_SUCCESS : STATUS_NO_MEMORY;
}

void attributes_fini(struct attributes *attributes)
{
    free(attributes->name);
}

void service_put(struct nt_block *out, uint32_t size, uint64_t value)
{
    uint8_t raw[8];

    put_u64(raw, value);
    (void)buf_append(&out->bytes, raw, size);
}

void service_put_string(struct nt_block *out, gva_t at, const struct buf *utf16)
{
    size_t head = nt_block_take(out, nt_size(out->arch, NT_STRUCT_STRING));
    size_t text = nt_block_text(out, utf16);

    nt_put(out, head, NT_STRING_LENGTH, utf16->len);
    nt_put(out, head, NT_STRING_ROOM, utf16->len + 2);
    nt_put(out, head, NT_STRING_BUFFER, at + text);
}

void service_put_device_path(struct nt_block *out, gva_t at, const char *path)
{
    struct buf text;

    buf_init(&text, NT_STRING_MAX);
    (void)utf16_append(&text, VOLUME_DEVICE);
    (void)utf16_append(&text, path + DRIVE);
    service_put_string(out, at, &text);
    buf_fini(&text);
}

nt_status service_query(struct call *call, nt_status (*query)(struct call *, struct nt_block *))
{
    struct nt_block out;
    nt_status st;

    nt_block_init(&out, call->process->arch, call->arg[2], ANSWER_MAX);
    st = query(call, &out);
    if (!st)
        st = guest_answer(call->process, &out, call->arg[2], call->arg[3], call->arg[4]);
    nt_block_fini(&out);
    return st;
}
