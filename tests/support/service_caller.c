/* Calls of services for tests: registers and stack as a caller in ntdll leaves them. */
#include "service_caller.h"

#include <check.h>
#include <fcntl.h>
#include <string.h>

#include "nt/files.h"
#include "nt/guest.h"
#include "nt/parameters.h"
#include "process_builder.h"
#include "vm_builder.h"
#include "winstub/bytes.h"

#define FIRST_STACK 0x28 /* where a 64-bit caller's fifth argument is, from rsp */

void caller_init(struct caller *c, enum cpu_arch arch, const void *code, size_t len)
{
    static const uint8_t idle[] = {0xeb, 0xfe};
    static const uint8_t zeros[CALLER_SLOTS * CALLER_SLOT_SIZE];

    *c = (struct caller){0};
    c->p = build_code(arch, code ? code : idle, code ? len : sizeof idle, NULL);
    c->vm = process_vm(c->p);
    c->memory = build_committed(c->vm, 0, sizeof zeros);
    ck_assert(vm_debug_write(c->vm, c->memory, zeros, sizeof zeros));
    c->machine = c->p->machine;
    ck_assert_int_eq(registry_new(&c->machine->registry), ERR_OK);
    c->p->kernel = &c->kernel;
}

void caller_fini(struct caller *c)
{
    if (c->p) {
        threads_fini(c->p);
        c->p->kernel = NULL;
    }
    handles_fini(&c->kernel.handles);
    numbers_fini(&c->kernel.numbers);
    process_free(c->p);
    tiny_dlls_remove(&c->dlls);
    *c = (struct caller){0};
}

/* An opened file of the guest's with that program in it, which is nowhere else. */
static struct file *program_file(const struct pe_builder *program)
{
    struct guest_file on_host;
    struct file *file;
    struct buf bytes;

    buf_init(&bytes, 1 << 20);
    pe_builder_write(program, &bytes);
    guest_file_make(&on_host, "child.exe", bytes.data, bytes.len);
    file =
        files_new(FILE_REGULAR, open(on_host.path, O_RDONLY | O_CLOEXEC), strdup("C:\\child.exe"));
    ck_assert_ptr_nonnull(file);
    guest_file_remove(&on_host);
    buf_fini(&bytes);
    return file;
}

void caller_dlls(struct caller *c)
{
    if (*c->dlls.folder)
        return;
    tiny_dlls_make(&c->dlls);
    machine_find_dlls(c->machine, &(struct process_options){.root = c->dlls.folder});
}

struct process *caller_child(struct caller *c, const struct pe_builder *builder)
{
    struct file *file = program_file(builder);
    struct process *child = NULL;
    struct diag why = {{0}};
    struct parameters parameters;
    struct program program;

    caller_dlls(c);
    parameters_init(&parameters);
    ck_assert(buf_append(&parameters.environment, "\0\0\0", 4));
    ck_succeeds(program_read(&program, file));
    program.parameters = &parameters;
    ck_assert_msg(process_new_beside(c->p, &program, &child, &why) == ERR_OK, "%s", why.text);
    program_fini(&program);
    parameters_fini(&parameters);
    object_unref(&file->object);
    return child;
}

struct process *caller_beside(struct caller *c, enum cpu_arch arch)
{
    struct pe_builder program;

    pe_builder_init(&program, arch);
    return caller_child(c, &program);
}

void caller_over(struct caller *c, struct process *p)
{
    *c = (struct caller){.p = p,
                         .vm = process_vm(p),
                         .machine = p->machine,
                         .before = TINY_NUMBERS,
                         .numbers = TINY_NUMBERS};
    c->memory = build_committed(c->vm, 0, CALLER_SLOTS * CALLER_SLOT_SIZE);
    cpu_set(p->cpu, CPU_RSP, build_committed(c->vm, 0, 0x1000) + 0x800);
}

uint32_t caller_number(struct caller *c, const char *service)
{
    for (uint32_t n = c->before + 1; n <= c->numbers; n++) {
        if (strcmp(numbers_get(&c->p->kernel->numbers, n)->name, service) == 0)
            return n;
    }
    ck_assert_int_eq(numbers_add(&c->p->kernel->numbers, ++c->numbers, service), ERR_OK);
    return c->numbers;
}

gva_t caller_slot(const struct caller *c, unsigned i)
{
    ck_assert_uint_lt(i, CALLER_SLOTS);
    return c->memory + (gva_t)i * CALLER_SLOT_SIZE;
}

gva_t caller_set(struct caller *c, unsigned i, uint64_t value)
{
    uint8_t raw[8];

    put_u64(raw, value);
    ck_assert(vm_debug_write(c->vm, caller_slot(c, i), raw, nt_pointer(c->p->arch)));
    return caller_slot(c, i);
}

uint64_t caller_get(struct caller *c, unsigned i)
{
    return guest_word(c->p, caller_slot(c, i));
}

struct thread *caller_thread(struct caller *c)
{
    struct thread *before = c->p->threads.on_cpu, *thread = NULL;
    gva_t stack = build_committed(c->vm, 0, 0x1000);

    ck_succeeds(threads_new(c->p, &thread));
    threads_load(thread);
    cpu_set(c->p->cpu, CPU_RSP, stack + 0x800);
    threads_load(before);
    return thread;
}

void caller_as(struct caller *c, struct thread *thread)
{
    (void)c;
    threads_load(thread);
}

nt_status caller_result(struct caller *c, struct thread *thread)
{
    ck_assert_int_eq(thread->wait.kind, WAIT_NOTHING);
    threads_load(thread);
    return (nt_status)cpu_get(c->p->cpu, CPU_RAX);
}

gva_t caller_text(struct caller *c, unsigned i, const char *text)
{
    uint32_t head = nt_size(c->p->arch, NT_STRUCT_STRING);
    size_t len = 2 * strlen(text);
    gva_t at = caller_slot(c, i);

    ck_assert_uint_le(head + len, CALLER_SLOT_SIZE);
    ck_succeeds(guest_put(c->p, at, NT_STRING_LENGTH, len));
    ck_succeeds(guest_put(c->p, at, NT_STRING_ROOM, len));
    ck_succeeds(guest_put(c->p, at, NT_STRING_BUFFER, at + head));
    for (size_t j = 0; text[j]; j++)
        ck_succeeds(guest_put_number(c->p, at + head + 2 * j, 2, (unsigned char)text[j]));
    return at;
}

gva_t caller_attributes(struct caller *c, unsigned i, uint64_t root, const char *name,
                        uint32_t flags)
{
    gva_t at = caller_slot(c, i);

    ck_succeeds(
        guest_put(c->p, at, NT_ATTRIBUTES_LENGTH, nt_size(c->p->arch, NT_STRUCT_ATTRIBUTES)));
    ck_succeeds(guest_put(c->p, at, NT_ATTRIBUTES_ROOT, root));
    ck_succeeds(guest_put(c->p, at, NT_ATTRIBUTES_FLAGS, flags));
    ck_succeeds(guest_put(c->p, at, NT_ATTRIBUTES_NAME, name ? caller_text(c, i + 1, name) : 0));
    return at;
}

/* Arguments where the service looks for them. */
static void place(struct caller *c, const uint64_t *args, size_t count)
{
    static const enum cpu_reg regs[] = {CPU_R10, CPU_RDX, CPU_R8, CPU_R9};
    gva_t sp = cpu_get(c->p->cpu, CPU_RSP);

    for (size_t i = 0; i < count; i++) {
        uint8_t raw[8];

        put_u64(raw, args[i]);
        if (c->p->arch == CPU_AMD64 && i < COUNT_OF(regs))
            cpu_set(c->p->cpu, regs[i], args[i]);
        else if (c->p->arch == CPU_AMD64)
            ck_assert(vm_debug_write(c->vm, sp + FIRST_STACK + 8 * (i - COUNT_OF(regs)), raw, 8));
        else
            ck_assert(vm_debug_write(c->vm, sp + 8 + 4 * i, raw, 4));
    }
    if (c->p->arch == CPU_I386)
        cpu_set(c->p->cpu, CPU_RDX, sp + 8);
}

nt_status caller_serve(struct caller *c, uint32_t number)
{
    struct process_exception exception;
    uint32_t exit_code = 0;

    cpu_set(c->p->cpu, CPU_RAX, number);
    ck_assert_int_eq(process_syscall(c->p, &exit_code, &exception), PROCESS_SYSCALL_DONE);
    return (nt_status)cpu_get(c->p->cpu, CPU_RAX);
}

nt_status caller_call(struct caller *c, const char *service, const uint64_t *args, size_t count)
{
    place(c, args, count);
    return caller_serve(c, caller_number(c, service));
}

void caller_refused(struct caller *c, const char *service, const uint64_t *args, size_t count,
                    nt_status status)
{
    uint32_t number = caller_number(c, service);
    struct memory_of *before;

    place(c, args, count);
    before = remember(c->vm);
    ck_status(caller_serve(c, number), status);
    ck_assert(unchanged(before, c->vm));
}
