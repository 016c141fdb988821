/* Services about the machine: figures, time, language. */
#include <string.h>

#include "nt/services.h"
#include "nt/shared.h"

enum { SYSTEM_BASIC = 0, SYSTEM_PROCESSOR = 1, SYSTEM_TIME = 3, SYSTEM_WINE_VERSION = 1000 };

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

    nt_block_init(&out, call->process->arch, 0, 256);
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
