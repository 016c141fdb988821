/* Opening and running the machines of machines.h. */
#include "machines.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

_Noreturn void die(const char *what)
{
    (void)fprintf(stderr, "bench: %s failed\n", what);
    exit(1);
}

double now(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

double median(double *values, int n)
{
    qsort(values, (size_t)n, sizeof *values, compare_doubles);
    return values[n / 2];
}

/* ---- The bare engine ------------------------------------------------------------------------- */

#define ARENA_STACK 0x10000u
#define ARENA_DATA  0x20000u
#define ARENA_SIZE  (ARENA_DATA + DATA_SIZE)

static bool bare_fill(uc_engine *uc, uint64_t page, uc_mem_type type, uc_tlb_entry *out, void *user)
{
    (void)uc;
    (void)type;
    (void)user;
    if (page >= CODE && page < CODE + CODE_SIZE)
        *out = (uc_tlb_entry){page - CODE, UC_PROT_READ | UC_PROT_EXEC};
    else if (page >= STACK && page < STACK + STACK_SIZE)
        *out = (uc_tlb_entry){ARENA_STACK + page - STACK, UC_PROT_READ | UC_PROT_WRITE};
    else if (page >= DATA && page < DATA + DATA_SIZE)
        *out = (uc_tlb_entry){ARENA_DATA + page - DATA, UC_PROT_READ | UC_PROT_WRITE};
    else
        return false;
    return true;
}

static void bare_open(struct bare *b)
{
    b->arena = mmap(NULL, ARENA_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (b->arena == MAP_FAILED || uc_open(UC_ARCH_X86, UC_MODE_64, &b->uc) ||
        uc_ctl_set_cpu_model(b->uc, UC_CPU_X86_HASWELL) ||
        uc_ctl_set_tcg_buffer_size(b->uc, 32u << 20)) /* or it pushes the next engine's far away */
        die("uc_open");
}

void bare_open_virtual(struct bare *b)
{
    union {
        uc_cb_tlbevent_t fill;
        void *pointer;
    } callback = {.fill = bare_fill};
    uc_hook hook;

    bare_open(b);
    if (uc_ctl_tlb_mode(b->uc, UC_TLB_VIRTUAL) ||
        uc_mem_map_ptr(b->uc, 0, ARENA_SIZE, UC_PROT_ALL, b->arena) ||
        uc_hook_add(b->uc, &hook, UC_HOOK_TLB_FILL, callback.pointer, NULL, 1, 0))
        die("virtual TLB");
}

void bare_open_regions(struct bare *b)
{
    bare_open(b);
    if (uc_mem_map_ptr(b->uc, CODE, CODE_SIZE, UC_PROT_READ | UC_PROT_EXEC, b->arena) ||
        uc_mem_map_ptr(b->uc, STACK, STACK_SIZE, UC_PROT_READ | UC_PROT_WRITE,
                       b->arena + ARENA_STACK))
        die("uc_mem_map_ptr");
    for (uint64_t at = 0; at < DATA_SIZE; at += REGION_SIZE) {
        if (uc_mem_map_ptr(b->uc, DATA + at, REGION_SIZE, UC_PROT_READ | UC_PROT_WRITE,
                           b->arena + ARENA_DATA + at))
            die("uc_mem_map_ptr");
    }
}

void bare_close(struct bare *b)
{
    (void)uc_close(b->uc);
    (void)munmap(b->arena, ARENA_SIZE);
}

static void bare_set(struct bare *b, int reg, uint64_t value)
{
    if (uc_reg_write(b->uc, reg, &value))
        die("uc_reg_write");
}

void bare_load(struct bare *b, const struct loop *loop)
{
    memcpy(b->arena, loop->code, loop->size);
    (void)uc_ctl_flush_tb(b->uc);
}

double bare_run(struct bare *b, const struct loop *loop)
{
    double start;

    bare_set(b, UC_X86_REG_RAX, 1);
    bare_set(b, UC_X86_REG_RCX, loop->iterations);
    bare_set(b, UC_X86_REG_RSI, DATA);
    bare_set(b, UC_X86_REG_RDI, DATA + 0x20000);
    bare_set(b, UC_X86_REG_RSP, STACK + STACK_SIZE);
    start = now();
    if (uc_emu_start(b->uc, CODE, 0, 0, 0))
        die("uc_emu_start");
    return now() - start;
}

/* ---- Our CPU --------------------------------------------------------------------------------- */

void ours_map(struct ours *o, gva_t base, uint64_t size, uint32_t protect)
{
    struct vm_request req = {
        .base = base, .size = size, .type = MEM_RESERVE | MEM_COMMIT, .protect = protect};

    if (vm_allocate(o->vm, &req, NULL, NULL))
        die("vm_allocate");
}

void ours_open(struct ours *o)
{
    struct vm_config config = {.arena_size = UINT64_C(1) << 32};
    struct diag why;

    if (vm_new(&config, &o->vm) || cpu_new(o->vm, CPU_AMD64, &o->cpu, &why))
        die("cpu_new");
    ours_map(o, CODE, CODE_SIZE, PAGE_EXECUTE_READ);
    ours_map(o, DATA, DATA_SIZE, PAGE_READWRITE);
    ours_map(o, STACK, STACK_SIZE, PAGE_READWRITE);
}

void ours_close(struct ours *o)
{
    cpu_free(o->cpu);
    vm_free(o->vm);
}

void ours_load(struct ours *o, const struct loop *loop)
{
    if (!vm_debug_write(o->vm, CODE, loop->code, loop->size))
        die("vm_debug_write");
}

void ours_start(struct ours *o, const struct loop *loop)
{
    cpu_set(o->cpu, CPU_RAX, 1);
    cpu_set(o->cpu, CPU_RCX, loop->iterations);
    cpu_set(o->cpu, CPU_RSI, DATA);
    cpu_set(o->cpu, CPU_RDI, DATA + 0x20000);
    cpu_set(o->cpu, CPU_RSP, STACK + STACK_SIZE);
    cpu_set(o->cpu, CPU_RIP, CODE);
}

double ours_run(struct ours *o, const struct loop *loop)
{
    struct cpu_event event;
    double start;

    ours_start(o, loop);
    start = now();
    if (cpu_run(o->cpu, false, &event) || event.kind != CPU_EVENT_EXCEPTION)
        die("cpu_run");
    return now() - start;
}
