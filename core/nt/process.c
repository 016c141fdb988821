/* The life of a process: the order in which it is built, and what others may ask about it. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "nt/kernel.h"
#include "nt/machine.h"
#include "nt/parts.h"
#include "nt/processes.h"
#include "winstub/log.h"

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

/* The DLLs for the first process of a machine, or none: then it runs in bare mode. */
static enum err find_dlls(struct process *p, const struct process_options *options,
                          struct diag *why)
{
    const struct root *root;
    enum err e;

    if (!wants_dlls(options))
        return ERR_OK;
    machine_find_dlls(p->machine, options);
    e = machine_root(p->machine, p->arch, &root, why);
    if (e == ERR_NOT_FOUND && !options->root) {
        p->missing = *why;
        return ERR_OK;
    }
    if (!e)
        e = machine_furnish(p->machine, options, why);
    if (!e)
        e = kernel_new(p, why);
    return e ? e : kernel_streams(p, why);
}

/* parent NULL: it is the machine's first one. */
static enum err build(struct process *p, struct program *program, const struct process *parent,
                      struct diag *why)
{
    struct machine *m = p->machine;
    struct shared_time now = parent ? machine_now(m) : m->began;
    enum err e = program_name(p, program, why);

    if (!e)
        e = process_space(p, program, &now, why);
    if (!e)
        e = program_place(p, program, why);
    if (!e)
        e = parent ? kernel_new(p, why) : find_dlls(p, program->options, why);
    if (!e)
        e = p->kernel ? start_make(p, program, why) : bare_make(p, program, why);
    if (!e)
        e = clock_new(&m->began, p->cpu, m->host_time, &p->clock, why);
    if (!e && parent)
        clock_follow(p->clock, m->running->clock);
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

/* Put a process into the machine and build it there; after a failure it is still in the machine. */
static enum err make(struct machine *m, const struct process *parent, struct program *program,
                     struct process **out, struct diag *why)
{
    struct process *p = calloc(1, sizeof *p);
    enum err e = p ? processes_add(m, p, parent) : ERR_NOMEM;

    if (e) {
        free(p);
        return diag_set(why, e,
                        e == ERR_LIMIT ? "there are as many processes as there can be"
                                       : "the host is out of memory");
    }
    *out = p;
    e = build(p, program, parent, why);
    if (!e && processes_name(p))
        e = diag_set(why, ERR_NOMEM, "the host is out of memory");
    if (!e)
        report(p, program);
    return e;
}

enum err process_new(const struct process_options *options, struct process **out, struct diag *why)
{
    struct machine *m = NULL;
    struct process *p = NULL;
    struct program program;
    enum err e = program_open(&program, options, why);

    if (!e)
        e = machine_new(options, &m, why);
    if (!e)
        e = make(m, NULL, &program, &p, why);
    program_fini(&program);
    if (!e && p->kernel && !start_begin(p->threads.on_cpu))
        e = diag_set(why, ERR_NOMEM, "the guest's memory is full");
    if (e) {
        processes_free(m);
        return name_file(why, options->path, e);
    }
    p->kept = true;
    process_begin(p);
    *out = p;
    return ERR_OK;
}

enum err process_new_beside(struct process *parent, struct program *program, struct process **out,
                            struct diag *why)
{
    struct process *p = NULL;
    enum err e = make(parent->machine, parent, program, &p, why);

    if (!e)
        *out = p;
    else if (p)
        process_discard(p);
    return e ? name_file(why, program_path(program), e) : ERR_OK;
}

void process_free(struct process *p)
{
    if (p)
        processes_free(p->machine);
}

void process_dismantle(struct process *p)
{
    if (p->gone)
        p->gone(p->attached);
    p->gone = NULL;
    kernel_free(p->kernel);
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
    return p->kernel ? p->kernel->program_start : cpu_get(p->cpu, CPU_RIP);
}

gva_t process_place(const struct process *p, enum process_place place)
{
    if (!p->kernel)
        return 0;
    switch (place) {
    case PROCESS_MAIN:
        return p->kernel->program_main;
    case PROCESS_TLS:
        return p->kernel->program_tls;
    case PROCESS_LOADER:
        return p->kernel->entry_points.start;
    }
    return 0;
}

void process_set_output(struct process *p, void (*write)(void *ctx, const char *text, size_t len),
                        void *ctx)
{
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

/* Asked at each start: between runs its page may have got another frame, or none. */
uint8_t *process_shared_page(struct process *p)
{
    struct vm_fill fill;
    uint64_t size;

    if (vm_fill(p->vm, SHARED_ADDRESS, VM_READ, &fill) != VM_FAULT_NONE)
        return NULL;
    return vm_arena(p->vm, &size) + fill.offset;
}

void process_clock_start(struct process *p)
{
    struct process *running = p->machine->running;

    p->machine->clock_runs = true;
    clock_start(running->clock, process_shared_page(running));
}

void process_clock_stop(struct process *p)
{
    p->machine->clock_runs = false;
    clock_stop(p->machine->running->clock);
}
