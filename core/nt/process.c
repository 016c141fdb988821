/* The life of a process: the order in which it is built, and what others may ask about it. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "nt/kernel.h"
#include "nt/machine.h"
#include "nt/parts.h"
#include "winstub/log.h"

/* The machine has been up this long: some programs refuse to work right after a start. */
#define UPTIME (UINT64_C(4) * 60 * 60 * 10000000)

#define EPOCH_1601   UINT64_C(116444736000000000) /* 1970 in units of 100 ns since 1601 */
#define FIRST_MOMENT 1767268800                   /* 2026-01-01 12:00 UTC, in seconds since 1970 */

/* What is the same in every run begins at the same time in every run. */
static struct shared_time time_at_start(bool host)
{
    struct timespec t = {.tv_sec = FIRST_MOMENT};

    if (host)
        clock_gettime(CLOCK_REALTIME, &t);
    return (struct shared_time){
        .system = EPOCH_1601 + (uint64_t)t.tv_sec * 10000000 + (uint64_t)t.tv_nsec / 100,
        .interrupt = UPTIME,
    };
}

/* Raw code has no imports that would load DLLs. */
static bool wants_dlls(const struct process_options *options)
{
    return !options->raw && (options->root || options->roots);
}

static enum err bare_make(struct process *p, struct program *program, struct diag *why)
{
    enum err e = modules_make(p, program, why);

    if (!e)
        e = modules_trap(p, why);
    if (!e)
        e = tables_make(p, program, 0, why);
    if (!e)
        e = thread_make(p, program, why);
    return e;
}

static enum err build(struct process *p, struct program *program, struct diag *why)
{
    struct shared_time now = time_at_start(program->options->host_time);
    enum err e = program_open(p, program, why);

    p->host_path = strdup(program->options->path);
    if (!e && !p->host_path)
        e = diag_set(why, ERR_NOMEM, "the host is out of memory");
    if (!e)
        e = process_space(p, program, &now, why);
    if (!e)
        e = program_place(p, program, why);
    if (!e && wants_dlls(program->options)) {
        e = kernel_new(p, program->options, why);
        if (e == ERR_NOT_FOUND && !program->options->root) {
            p->missing = *why; /* bare mode then */
            e = ERR_OK;
        }
    }
    if (!e)
        e = p->kernel ? start_make(p, program, why) : bare_make(p, program, why);
    if (!e)
        e = clock_new(&now, p->cpu, program->options->host_time, &p->clock, why);
    return e;
}

/* One line for --log=nt about what was made, and about what Windows would have done besides. */
static void report(const struct process *p, const struct program *program)
{
    struct bytes mapped = {program->mapped, 0};
    size_t callbacks = 0;

    if (program->image) {
        mapped.len = program->image->image_size;
        callbacks = pe_tls_callbacks(program->image, mapped, program->base, NULL, 0);
    }
    LOG(nt,
        "%s at 0x%" PRIx64 ", entry 0x%" PRIx64 ", stack 0x%" PRIx64 "..0x%" PRIx64
        ", teb 0x%" PRIx64 ", peb 0x%" PRIx64 ", %zu modules; %zu TLS callbacks not run",
        p->image_path, program->base, program->entry, p->threads.on_cpu->stack_bottom,
        p->threads.on_cpu->info.stack_base, p->threads.on_cpu->info.teb, p->peb, p->module_count,
        callbacks);
}

/* Put the file's name before the sentence, unless it begins with it. */
static enum err name_file(struct diag *why, const char *path, enum err e)
{
    struct diag what;

    if (!why || strncmp(why->text, path, strlen(path)) == 0)
        return e;
    what = *why;
    return diag_set(why, e, "%.200s: %.300s", path, what.text);
}

enum err process_new(const struct process_options *options, struct process **out, struct diag *why)
{
    struct process *p = calloc(1, sizeof *p);
    struct program program = {.options = options};
    enum err e;

    if (!p)
        return diag_set(why, ERR_NOMEM, "%s: the host is out of memory", options->path);
    e = build(p, &program, why);
    if (!e)
        report(p, &program);
    program_fini(&program);
    if (e) {
        process_free(p);
        return name_file(why, options->path, e);
    }
    *out = p;
    return ERR_OK;
}

void process_free(struct process *p)
{
    if (!p)
        return;
    threads_fini(p);
    kernel_free(p->kernel);
    machine_free(p->machine);
    clock_free(p->clock);
    cpu_free(p->cpu);
    modules_free(p);
    vm_free(p->vm); /* after the kernel's sections */
    free(p->image_path);
    free(p->host_path);
    free(p->directory);
    free(p);
}

struct vm *process_vm(struct process *p)
{
    return p->vm;
}

struct cpu *process_cpu(struct process *p)
{
    return p->cpu;
}

const struct process_module *process_module(const struct process *p, size_t i)
{
    return i < p->module_count ? &p->modules[i].info : NULL;
}

bool process_has_image(const struct process *p)
{
    return p->has_image;
}

bool process_has_dlls(const struct process *p)
{
    return p->kernel != NULL;
}

const char *process_missing_dlls(const struct process *p)
{
    return p->missing.text;
}

gva_t process_entry(const struct process *p)
{
    return p->kernel ? p->kernel->program_entry : cpu_get(p->cpu, CPU_RIP);
}

gva_t process_place(const struct process *p, enum process_place place)
{
    if (!p->kernel)
        return 0;
    return place == PROCESS_MAIN ? p->kernel->program_main : p->kernel->program_tls;
}

void process_set_output(struct process *p, void (*write)(void *ctx, const char *text, size_t len),
                        void *ctx)
{
    if (!p->machine)
        return;
    p->machine->output = write;
    p->machine->output_ctx = ctx;
}

bool process_modules_changed(struct process *p)
{
    bool changed = p->kernel && p->kernel->modules_changed;

    if (changed)
        p->kernel->modules_changed = false;
    return changed;
}

const struct process_thread *process_thread(const struct process *p, size_t i)
{
    return i < p->threads.count ? &p->threads.list[i]->info : NULL;
}

/*
 * Where shared user data lies in the host now. Asked at each start: between runs its page may have got another
 * frame, or none.
 */
static uint8_t *shared_page(struct process *p)
{
    struct vm_fill fill;
    uint64_t size;

    if (vm_fill(p->vm, SHARED_ADDRESS, VM_READ, &fill) != VM_FAULT_NONE)
        return NULL;
    return vm_arena(p->vm, &size) + fill.offset;
}

void process_clock_start(struct process *p)
{
    clock_start(p->clock, shared_page(p));
}

void process_clock_stop(struct process *p)
{
    clock_stop(p->clock);
}
