/*
 * What a thread is given at its start: stack and TEB; in bare mode the TLS block and registers too, which stand where
 * BaseThreadInitThunk has just called the program's entry point. How a stack grows is stack_growth.c's.
 *
 * Follows NT-PROCESS section 2 (items 3, 7, 9) and 6, and for TLS Microsoft's "PE Format".
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "image/pe_format.h"
#include "nt/kernel.h"
#include "nt/layout.h"
#include "nt/parts.h"
#include "nt/stack_growth.h"
#include "winstub/log.h"

#define STACK_RESERVE   0x100000 /* when the image asks for nothing */
#define STACK_COMMIT    0x2000   /* the least (S02) */
#define TIB_VERSION     0x1e00
#define LOCALE_US       0x0409
#define STATIC_ROOM     522 /* bytes of TEB.StaticUnicodeBuffer */
#define TLS_POINTERS    64  /* room in ThreadLocalStoragePointer for modules loaded later */
#define TLS_ALIGN_SHIFT 20  /* IMAGE_SCN_ALIGN_* in the directory's Characteristics */
#define DLL_ATTACH      1   /* DLL_PROCESS_ATTACH */
#define TEB_ROOM        0x4000
#define SEH_END         0xffffffff
#define LABEL_ROOM      24

/*
 * Above the stack pointer at an entry point lie the frames of BaseThreadInitThunk and RtlUserThreadStart; on
 * Windows 10 they take this many bytes, the return address included.
 */
enum { FRAMES_64 = 0xa8, FRAMES_32 = 0x8c, SEH_32 = 0x24, ENTRY_EBP_32 = 0xc };

/* ---- Stack ------------------------------------------------------------------------------------ */

/*
 * What the thread needs beyond what was asked for is no reason for a larger reserve than Windows' own. It is taken away when
 * the thread begins (stack_trim).
 */
static void commit_least(struct thread *thread, struct stack_sizes *sizes)
{
    uint64_t least = round_up(sizes->least, VM_PAGE_SIZE), most;

    if (!least)
        return;
    if (sizes->reserve < STACK_RESERVE)
        sizes->reserve = STACK_RESERVE;
    most = sizes->reserve - 2 * VM_PAGE_SIZE;
    least = least < most ? least : most;
    if (sizes->commit >= least)
        return;
    thread->stack_commit = sizes->commit;
    sizes->commit = least;
}

/* Reserve and commit as RtlCreateUserStack rounds them, and always room for a guard page and one below it. */
static enum err round_sizes(struct stack_sizes *sizes, struct diag *why)
{
    uint64_t reserve = sizes->reserve ? sizes->reserve : STACK_RESERVE;
    uint64_t commit = sizes->commit;

    if (reserve > VM_USER_LIMIT_64 || commit > VM_USER_LIMIT_64)
        return diag_set(why, ERR_LIMIT,
                        "a stack of 0x%" PRIx64 " bytes, 0x%" PRIx64
                        " of them committed, is more than there are addresses",
                        reserve, commit);
    commit = round_up(commit > STACK_COMMIT ? commit : STACK_COMMIT, VM_PAGE_SIZE);
    if (commit + 2 * VM_PAGE_SIZE > reserve)
        reserve = round_up(commit + 2 * VM_PAGE_SIZE, STACK_RESERVE);
    sizes->reserve = round_up(reserve, VM_GRANULARITY);
    sizes->commit = commit;
    return ERR_OK;
}

/* "stack 1" is the first thread's. The thread is the last one that was made. */
static void label(const struct thread *thread, const char *what, char text[LABEL_ROOM])
{
    (void)snprintf(text, LABEL_ROOM, "%s %" PRIu32, what, thread->process->threads.made);
}

enum err thread_stack(struct thread *thread, struct stack_sizes sizes, struct diag *why)
{
    struct process *p = thread->process;
    char name[LABEL_ROOM];
    struct vm_request req = {.type = MEM_RESERVE,
                             .protect = PAGE_READWRITE,
                             .zero_bits = sizes.zero_bits,
                             .label = name};
    nt_status st;
    enum err e = round_sizes(&sizes, why);

    if (!e)
        commit_least(thread, &sizes);
    if (!e && !req.zero_bits)
        e = process_find(p, p->plan.stack, sizes.reserve, &req.base, why);
    if (e)
        return e;
    label(thread, "stack", name);
    req.size = sizes.reserve;
    st = vm_allocate(p->vm, &req, &req.base, NULL);
    if (NT_SUCCESS(st)) {
        thread->stack_bottom = req.base;
        thread->info.stack_base = req.base + req.size;
        thread->info.stack_limit = thread->info.stack_base - sizes.commit;
        st = stack_commit(p, thread->info.stack_limit, sizes.commit, PAGE_READWRITE);
    }
    if (NT_SUCCESS(st))
        st = stack_commit(p, thread->info.stack_limit - VM_PAGE_SIZE, VM_PAGE_SIZE,
                          PAGE_READWRITE | PAGE_GUARD);
    if (!NT_SUCCESS(st))
        return diag_set(why, ERR_NOMEM,
                        "no memory for a stack of 0x%" PRIx64 " bytes, 0x%" PRIx64 " committed: %s",
                        sizes.reserve, sizes.commit, nt_text(st));
    return ERR_OK;
}

static void release(struct process *p, gva_t *base)
{
    uint64_t all = 0;

    if (*base && vm_release(p->vm, base, &all, MEM_RELEASE))
        LOG(nt, "0x%" PRIx64 " of a thread is not its own any more", *base);
    *base = 0;
}

void thread_release(struct thread *thread)
{
    release(thread->process, &thread->stack_bottom);
    release(thread->process, &thread->info.teb);
}

enum process_guard process_guard_hit(struct process *p, gva_t addr)
{
    return stack_guard_hit(p, &p->threads.on_cpu->info, addr);
}

/* ---- TLS -------------------------------------------------------------------------------------- */

/* IMAGE_TLS_DIRECTORY, with RVAs where it has addresses. */
struct tls {
    uint32_t start, size, index;
    uint32_t zeros; /* bytes behind the template */
    uint32_t align;
};

static bool read_pointer(const struct program *program, uint32_t at, size_t i, uint64_t *value)
{
    struct bytes mapped = {program->mapped, program->image->image_size};
    uint32_t narrow = 0;

    if (program->image->arch == CPU_AMD64)
        return bytes_u64(mapped, at + 8 * i, value);
    if (!bytes_u32(mapped, at + 4 * i, &narrow))
        return false;
    *value = narrow;
    return true;
}

/* The RVA of len bytes at an address of the image; 0 for nothing at address 0. */
static bool to_rva(const struct program *program, gva_t addr, uint64_t len, uint32_t *rva)
{
    struct bytes mapped = {program->mapped, program->image->image_size};

    *rva = (uint32_t)(addr - program->base);
    if (bytes_has(mapped, addr - program->base, len))
        return true;
    *rva = 0;
    return addr == 0 && len == 0;
}

/*
 * Read the directory. False when it or what it names does not lie in the image. Without addresses it is a directory of
 * callbacks only; those do not run in bare mode: the program stands at its entry point.
 */
static bool read_tls(const struct program *program, struct tls *out)
{
    const struct pe_image *image = program->image;
    struct bytes mapped = {program->mapped, image->image_size};
    uint32_t at = image->dirs[DIR_TLS].rva, numbers = at + 4 * nt_pointer(image->arch), flags;
    uint64_t start, end, index;

    if (!read_pointer(program, at, 0, &start) || !read_pointer(program, at, 1, &end) ||
        !read_pointer(program, at, 2, &index) || !bytes_u32(mapped, numbers, &out->zeros) ||
        !bytes_u32(mapped, numbers + 4, &flags))
        return false;
    if (!to_rva(program, start, end - start, &out->start) ||
        !to_rva(program, index, index ? 4 : 0, &out->index))
        return false;
    out->size = (uint32_t)(end - start);
    flags = flags >> TLS_ALIGN_SHIFT & 0xf;
    out->align = flags > 5 ? 1u << (flags - 1) : 16;
    return true;
}

/* The array of pointers and, behind it, the program's block. Index 0 is the program's. */
static enum err make_tls(struct process *p, const struct program *program, gva_t *pointers,
                         struct diag *why)
{
    uint64_t array = TLS_POINTERS * (uint64_t)nt_pointer(p->arch);
    struct vm_request req = {
        .type = MEM_RESERVE | MEM_COMMIT, .protect = PAGE_READWRITE, .label = "tls 1"};
    uint8_t raw[8] = {0};
    struct tls tls;
    gva_t block;
    enum err e;

    if (!read_tls(program, &tls))
        return diag_set(why, ERR_FORMAT,
                        "the TLS directory at RVA 0x%" PRIx32
                        " or what it names lies outside the image",
                        program->image->dirs[DIR_TLS].rva);
    req.size = array + tls.align + tls.size + tls.zeros;
    e = process_find(p, p->plan.heap, req.size, &req.base, why);
    if (e)
        return e;
    block = round_up(req.base + array, tls.align);
    if (!NT_SUCCESS(vm_allocate(p->vm, &req, NULL, NULL)) ||
        !vm_debug_write(p->vm, block, program->mapped + tls.start, tls.size) ||
        (tls.index && !vm_debug_write(p->vm, program->base + tls.index, raw, 4)))
        return diag_set(why, ERR_NOMEM, "no memory for 0x%" PRIx64 " bytes of thread-local data",
                        req.size);
    put_u64(raw, block);
    *pointers = req.base;
    return vm_debug_write(p->vm, req.base, raw, nt_pointer(p->arch))
               ? ERR_OK
               : diag_set(why, ERR_NOMEM, "the guest's memory is full");
}

/* ---- TEB -------------------------------------------------------------------------------------- */

static void fill_teb(const struct thread *thread, struct nt_block *block, gva_t tls)
{
    const struct process *p = thread->process;
    bool wide = p->arch == CPU_AMD64;
    size_t text = nt_offset(p->arch, NT_TEB_STATIC_BUFFER);

    (void)nt_block_take(block, nt_size(p->arch, NT_STRUCT_TEB));
    nt_put(block, 0, NT_TEB_EXCEPTION_LIST,
           p->kernel ? UINT64_MAX
           : wide    ? 0
                     : thread->info.stack_base - SEH_32);
    nt_put(block, 0, NT_TEB_STACK_BASE, thread->info.stack_base);
    nt_put(block, 0, NT_TEB_STACK_LIMIT, thread->info.stack_limit);
    nt_put(block, 0, NT_TEB_FIBER_VERSION, TIB_VERSION);
    nt_put(block, 0, NT_TEB_SELF, block->base);
    nt_put(block, 0, NT_TEB_PROCESS_ID, process_pid(p));
    nt_put(block, 0, NT_TEB_THREAD_ID, thread->info.tid);
    nt_put(block, 0, NT_TEB_TLS_POINTER, tls);
    nt_put(block, 0, NT_TEB_PEB, p->peb);
    if (p->kernel && !wide) /* how 32-bit code enters the kernel: call fs:[0C0h] */
        nt_put(block, 0, NT_TEB_WOW32_RESERVED, p->kernel->gate);
    nt_put(block, 0, NT_TEB_CURRENT_LOCALE, LOCALE_US);
    nt_put(block, 0, NT_TEB_REAL_PROCESS_ID, process_pid(p));
    nt_put(block, 0, NT_TEB_REAL_THREAD_ID, thread->info.tid);
    nt_put_string(block, 0, NT_TEB_STATIC_STRING, text, 0, STATIC_ROOM);
    nt_put(block, 0, NT_TEB_DEALLOCATION_STACK, thread->stack_bottom);
    nt_list_init(block, nt_offset(p->arch, NT_TEB_TLS_LINKS));
    text = nt_offset(p->arch, NT_TEB_ACTIVATION_STACK);
    nt_put(block, 0, NT_TEB_ACTIVATION_POINTER, block->base + text);
    nt_list_init(block, text + nt_offset(p->arch, NT_ACTIVATION_FRAMES));
}

enum err thread_teb(struct thread *thread, gva_t tls, struct diag *why)
{
    struct process *p = thread->process;
    char name[LABEL_ROOM];
    struct nt_block block;
    gva_t at;
    enum err e = process_find(p, p->plan.teb, VM_GRANULARITY, &at, why);

    if (e)
        return e;
    label(thread, "teb", name);
    nt_block_init(&block, p->arch, at, VM_GRANULARITY);
    fill_teb(thread, &block, tls);
    if (p->kernel && !block.bytes.failed) /* Wine's ntdll keeps data of its own behind the TEB */
        (void)buf_extend(&block.bytes, TEB_ROOM - block.bytes.len);
    e = nt_block_store(&block, p->vm, name, why);
    nt_block_fini(&block);
    if (!e)
        thread->info.teb = at;
    return e;
}

enum err thread_first(struct process *p, const struct pe_image *image, uint64_t least,
                      struct thread **out, struct diag *why)
{
    struct stack_sizes sizes = {.reserve = image ? image->stack_reserve : 0,
                                .commit = image ? image->stack_commit : 0,
                                .least = least};

    if (threads_new(p, out))
        return diag_set(why, ERR_NOMEM, "the host is out of memory");
    memcpy((*out)->name, "main", sizeof "main");
    p->threads.on_cpu = *out;
    return thread_stack(*out, sizes, why);
}

/* ---- Entry ------------------------------------------------------------------------------------ */

/* What the entry point is called with: a program with the PEB, a DLL as DllMain(base, attach, static). */
static void entry_arguments(const struct process *p, const struct program *program,
                            uint64_t args[3])
{
    bool is_dll = program->image && program->image->characteristics & IMAGE_FILE_DLL;

    args[0] = is_dll ? program->base : p->peb;
    args[1] = is_dll ? DLL_ATTACH : 0;
    args[2] = is_dll ? 1 : 0;
}

/*
 * x64: rcx = PEB, rdx = the entry point, r8 = PEB, as RtlUserThreadStart's rcx and rdx arrive by way of
 * BaseThreadInitThunk(0, entry, PEB); rsp is 8 modulo 16, as behind every call.
 */
static bool enter_64(struct process *p, const struct program *program, const uint64_t args[3])
{
    const struct process_thread *thread = &p->threads.on_cpu->info;
    gva_t rsp = thread->stack_base - FRAMES_64;
    uint8_t raw[8];

    put_u64(raw, p->exit_stub);
    cpu_set(p->cpu, CPU_RCX, args[0]);
    cpu_set(p->cpu, CPU_RDX, args[1] ? args[1] : program->entry);
    cpu_set(p->cpu, CPU_R8, args[2] ? args[2] : args[0]);
    cpu_set(p->cpu, CPU_RSP, rsp);
    cpu_set(p->cpu, CPU_GS_BASE, thread->teb);
    return vm_debug_write(p->vm, rsp, raw, sizeof raw);
}

/*
 * i386: arguments on the stack, ebx = PEB, edx = the entry point; ebp names the outermost frame, all zero. The last
 * handler of the exception chain lies in ntdll, where code looks for it that finds ntdll that way.
 */
static bool enter_32(struct process *p, const struct program *program, const uint64_t args[3])
{
    const struct process_thread *thread = &p->threads.on_cpu->info;
    gva_t esp = thread->stack_base - FRAMES_32;
    uint8_t call[16], handler[8];

    put_u32(call, (uint32_t)p->exit_stub);
    for (size_t i = 0; i < 3; i++)
        put_u32(call + 4 + 4 * i, (uint32_t)args[i]);
    put_u32(handler, SEH_END);
    put_u32(handler + 4, (uint32_t)modules_find(p, "ntdll.dll", "_except_handler4_common"));
    cpu_set(p->cpu, CPU_RBX, p->peb);
    cpu_set(p->cpu, CPU_RDX, program->entry);
    cpu_set(p->cpu, CPU_RBP, esp + sizeof call);
    cpu_set(p->cpu, CPU_RSP, esp);
    cpu_set(p->cpu, CPU_FS_BASE, thread->teb);
    return vm_debug_write(p->vm, esp, call, sizeof call) &&
           vm_debug_write(p->vm, thread->stack_base - SEH_32, handler, sizeof handler);
}

/* Return into the middle of BaseThreadInitThunk, like on Windows: code that looks for kernel32 there finds it. */
static gva_t return_address(const struct process *p)
{
    return modules_find(p, "kernel32.dll", "BaseThreadInitThunk") + 8;
}

enum err thread_make(struct process *p, const struct program *program, struct diag *why)
{
    struct thread *thread = NULL;
    uint64_t args[3];
    gva_t tls = 0;
    bool stored;
    enum err e = thread_first(p, program->image, 0, &thread, why);

    p->exit_stub = return_address(p);
    if (!e && program->image && program->image->dirs[DIR_TLS].size)
        e = make_tls(p, program, &tls, why);
    if (!e)
        e = thread_teb(thread, tls, why);
    if (e)
        return e;
    entry_arguments(p, program, args);
    cpu_set(p->cpu, CPU_RIP, program->entry);
    stored = p->arch == CPU_AMD64 ? enter_64(p, program, args) : enter_32(p, program, args);
    return stored ? ERR_OK : diag_set(why, ERR_NOMEM, "the guest's memory is full");
}
