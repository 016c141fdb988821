/* Services about the machine: figures, processes, time, language. */
#include <string.h>

#include "nt/machine.h"
#include "nt/processes.h"
#include "nt/services.h"
#include "nt/shared.h"
#include "nt/text.h"
#include "winstub/utf.h"

/* SYSTEM_INFORMATION_CLASS */
enum {
    SYSTEM_BASIC = 0,
    SYSTEM_PROCESSOR = 1,
    SYSTEM_TIME = 3,
    SYSTEM_PROCESSES = 5,
    SYSTEM_INTERRUPTS = 23,
    SYSTEM_WINE_VERSION = 1000,
};

#define ANSWER_MAX       (64u << 20) /* bytes: every thread of many processes */
#define LISTED_ALIGN     8u
#define SESSION          1
#define LOCALE_US        0x409
#define TIMER_RESOLUTION 156250 /* 100 ns: of a Windows that nobody has asked for more */
#define TIMER_FINEST     5000
#define PHYSICAL_PAGES   0x200000 /* as shared user data says */
#define QPC_FREQUENCY    10000000

static void put_basic(struct nt_block *out, const struct process *p)
{
    (void)nt_block_take(out, nt_size(out->arch, NT_STRUCT_SYSTEM));
    nt_put(out, 0, NT_SYSTEM_TIMER_RESOLUTION, TIMER_RESOLUTION);
    nt_put(out, 0, NT_SYSTEM_PAGE_SIZE, VM_PAGE_SIZE);
    nt_put(out, 0, NT_SYSTEM_PHYSICAL_PAGES, PHYSICAL_PAGES);
    nt_put(out, 0, NT_SYSTEM_LOWEST_PAGE, 1);
    nt_put(out, 0, NT_SYSTEM_HIGHEST_PAGE, PHYSICAL_PAGES);
    nt_put(out, 0, NT_SYSTEM_GRANULARITY, VM_GRANULARITY);
    nt_put(out, 0, NT_SYSTEM_LOWEST_ADDRESS, VM_LOWEST);
    nt_put(out, 0, NT_SYSTEM_HIGHEST_ADDRESS, p->user_limit - 1);
    nt_put(out, 0, NT_SYSTEM_AFFINITY, 1);
    nt_put(out, 0, NT_SYSTEM_PROCESSORS, 1);
}

/* SYSTEM_PROCESSOR_INFORMATION: architecture, level, revision, maximum, feature bits. */
static void put_processor(struct nt_block *out)
{
    uint8_t raw[12] = {0};

    put_u16(raw, out->arch == CPU_AMD64 ? 9 : 0);
    put_u16(raw + 2, 6);
    put_u16(raw + 4, 0x3c03);
    put_u16(raw + 6, 1);
    (void)buf_append(&out->bytes, raw, sizeof raw);
}

/* SYSTEM_INTERRUPT_INFORMATION: counters, from which Wine's DLLs take random numbers; so they are that. */
static void put_interrupts(struct nt_block *out, struct machine *m)
{
    for (size_t i = 0; i < 3; i++)
        service_put(out, 8, machine_random(m));
}

/* SYSTEM_TIMEOFDAY_INFORMATION: boot time, now, time zone bias and id. */
static void put_time(struct nt_block *out, struct process *p)
{
    struct shared_time now = clock_now(p->clock);
    uint8_t raw[0x30] = {0};

    put_u64(raw, now.system - now.interrupt);
    put_u64(raw + 8, now.system);
    (void)buf_append(&out->bytes, raw, sizeof raw);
}

/* Version, build, name and release of the host system: four strings. */
static void put_wine_version(struct nt_block *out)
{
    static const char text[] = "8.0\0winstub\0winstub\0"
                               "0";

    (void)buf_append(&out->bytes, text, sizeof text);
}

/* ---- The processes ---------------------------------------------------------------------------- */

/* KTHREAD_STATE, KWAIT_REASON */
enum { STATE_READY = 1, STATE_RUNNING = 2, STATE_WAITING = 5 };
enum {
    REASON_DELAY = 4,
    REASON_SUSPENDED = 5,
    REASON_USER = 6,
    REASON_QUEUE = 15,
    REASON_KEYED = 21,
    REASON_ALERT = 37,
};

static uint32_t wait_reason(const struct thread *thread)
{
    switch (thread->wait.kind) {
    case WAIT_NOTHING:
        return thread->suspended ? REASON_SUSPENDED : 0;
    case WAIT_OBJECTS:
        return thread->wait.count ? REASON_USER : REASON_DELAY;
    case WAIT_ALERT:
        return REASON_ALERT;
    case WAIT_KEYED:
    case WAIT_RELEASE:
        return REASON_KEYED;
    case WAIT_PORT:
        return REASON_QUEUE;
    case WAIT_REQUEST:
    case WAIT_TURN:
        break;
    }
    return REASON_USER;
}

/* SYSTEM_THREAD_INFORMATION */
static void put_thread(struct nt_block *out, const struct thread *thread, bool runs)
{
    size_t at = nt_block_take(out, nt_size(out->arch, NT_STRUCT_LISTED_THREAD));
    bool waits = thread->wait.kind || thread->suspended;
    unsigned priority = process_priority(thread->process->object);

    nt_put(out, at, NT_LISTED_THREAD_CREATED, thread->created);
    nt_put(out, at, NT_LISTED_THREAD_START, thread->process->kernel->entry_points.thread);
    nt_put(out, at, NT_LISTED_THREAD_PROCESS, thread->pid);
    nt_put(out, at, NT_LISTED_THREAD_ID, thread->info.tid);
    nt_put(out, at, NT_LISTED_THREAD_PRIORITY, priority + thread->priority);
    nt_put(out, at, NT_LISTED_THREAD_BASE, priority + thread->priority);
    nt_put(out, at, NT_LISTED_THREAD_STATE,
           runs    ? STATE_RUNNING
           : waits ? STATE_WAITING
                   : STATE_READY);
    nt_put(out, at, NT_LISTED_THREAD_REASON, wait_reason(thread));
}

/* SYSTEM_PROCESS_INFORMATION's numbers. */
static void put_figures(struct nt_block *out, size_t at, const struct process *p)
{
    struct vm_stats stats;

    vm_get_stats(p->vm, &stats);
    nt_put(out, at, NT_LISTED_THREADS, p->threads.count);
    nt_put(out, at, NT_LISTED_CREATED, p->object->created);
    nt_put(out, at, NT_LISTED_USED, clock_used(p->clock));
    nt_put(out, at, NT_LISTED_PRIORITY, process_priority(p->object));
    nt_put(out, at, NT_LISTED_ID, process_pid(p));
    nt_put(out, at, NT_LISTED_PARENT, p->object->parent);
    nt_put(out, at, NT_LISTED_HANDLES, p->kernel->handles.used);
    nt_put(out, at, NT_LISTED_SESSION, SESSION);
    nt_put(out, at, NT_LISTED_VIRTUAL, stats.reserved);
    nt_put(out, at, NT_LISTED_PRIVATE, stats.own);
}

/* It, its threads, its name; then the next one's place. */
static void put_process(struct nt_block *out, gva_t to, const struct process *p)
{
    size_t at = nt_block_take(out, nt_size(out->arch, NT_STRUCT_LISTED)), text;
    const struct machine *m = p->machine;
    struct buf name;

    put_figures(out, at, p);
    for (size_t i = 0; i < p->threads.count; i++)
        put_thread(out, p->threads.list[i],
                   p == m->running && p->threads.list[i] == p->threads.on_cpu);
    buf_init(&name, NT_STRING_MAX);
    (void)utf16_append(&name, text_base_name(p->image_path));
    text = nt_block_text(out, &name);
    nt_put(out, at + nt_offset(out->arch, NT_LISTED_NAME), NT_STRING_LENGTH, name.len);
    nt_put(out, at + nt_offset(out->arch, NT_LISTED_NAME), NT_STRING_ROOM, name.len + 2);
    nt_put(out, at + nt_offset(out->arch, NT_LISTED_NAME), NT_STRING_BUFFER, to + text);
    buf_fini(&name);
    (void)nt_block_take(out, 0);
    (void)nt_block_take(out, out->bytes.len % LISTED_ALIGN);
    if (process_next(p, p))
        nt_put(out, at, NT_LISTED_NEXT, out->bytes.len - at);
}

static void put_processes(struct nt_block *out, gva_t to, const struct process *any)
{
    const struct process *p = NULL;

    while ((p = process_next(any, p)) != NULL)
        put_process(out, to, p);
}

/* ---- Asking ----------------------------------------------------------------------------------- */

static nt_status query(struct call *call, struct nt_block *out)
{
    switch (call->arg[0]) {
    case SYSTEM_BASIC:
        put_basic(out, call->process);
        return STATUS_SUCCESS;
    case SYSTEM_PROCESSOR:
        put_processor(out);
        return STATUS_SUCCESS;
    case SYSTEM_TIME:
        put_time(out, call->process);
        return STATUS_SUCCESS;
    case SYSTEM_INTERRUPTS:
        put_interrupts(out, call->process->machine);
        return STATUS_SUCCESS;
    case SYSTEM_PROCESSES:
        put_processes(out, call->arg[1], call->process);
        return STATUS_SUCCESS;
    case SYSTEM_WINE_VERSION:
        if (!call->kernel->wine)
            return STATUS_INVALID_INFO_CLASS;
        put_wine_version(out);
        return STATUS_SUCCESS;
    default:
        return STATUS_INVALID_INFO_CLASS;
    }
}

nt_status serve_NtQuerySystemInformation(struct call *call)
{
    struct nt_block out;
    nt_status st;

    nt_block_init(&out, call->process->arch, 0, ANSWER_MAX);
    st = query(call, &out);
    if (!st)
        st = guest_answer(call->process, &out, call->arg[1], call->arg[2], call->arg[3]);
    nt_block_fini(&out);
    return st;
}

nt_status serve_NtQuerySystemTime(struct call *call)
{
    return guest_put_number(call->process, call->arg[0], 8, clock_now(call->process->clock).system);
}

nt_status serve_NtQueryPerformanceCounter(struct call *call)
{
    nt_status st =
        guest_put_number(call->process, call->arg[0], 8, clock_now(call->process->clock).interrupt);

    if (!st && call->arg[1])
        st = guest_put_number(call->process, call->arg[1], 8, QPC_FREQUENCY);
    return st;
}

nt_status serve_NtQueryDefaultLocale(struct call *call)
{
    return guest_put_number(call->process, call->arg[1], 4, LOCALE_US);
}

static nt_status language(struct call *call)
{
    return guest_put_number(call->process, call->arg[0], 2, LOCALE_US);
}

nt_status serve_NtQueryDefaultUILanguage(struct call *call)
{
    return language(call);
}

nt_status serve_NtQueryInstallUILanguage(struct call *call)
{
    return language(call);
}

static nt_status put_resolution(struct call *call, gva_t at, uint64_t value)
{
    return guest_put_number(call->process, at, 4, value);
}

nt_status serve_NtQueryTimerResolution(struct call *call)
{
    nt_status st = put_resolution(call, call->arg[0], TIMER_RESOLUTION);

    if (!st)
        st = put_resolution(call, call->arg[1], TIMER_FINEST);
    return st ? st : put_resolution(call, call->arg[2], TIMER_FINEST);
}

/* Timers are as exact as they can be anyway. */
nt_status serve_NtSetTimerResolution(struct call *call)
{
    return put_resolution(call, call->arg[2], TIMER_FINEST);
}
