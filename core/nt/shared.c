/* What shared user data says, and how its clock is stored. Who advances the clock: clock.c. */
#include "nt/shared.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>

#include "winstub/bytes.h"

/*
 * One tick of TickCount is 1 ms; the multiplier is that number in 8.24 fixed point, in ms. Windows' ticks are longer,
 * but Wine's DLLs take the count for milliseconds.
 */
#define TICK_LENGTH     10000u
#define TICK_MULTIPLIER 0x01000000u

#define QPC_FREQUENCY 10000000u /* as Windows 10 reports with a reliable TSC */

/* PF_* indices (winnt.h) that match what the CPU announces: no AVX, no SSE4.2, no XSAVE. */
static const uint8_t features[] = {
    2,  /* PF_COMPARE_EXCHANGE_DOUBLE */
    3,  /* PF_MMX_INSTRUCTIONS_AVAILABLE */
    6,  /* PF_XMMI_INSTRUCTIONS_AVAILABLE */
    8,  /* PF_RDTSC_INSTRUCTION_AVAILABLE */
    9,  /* PF_PAE_ENABLED */
    10, /* PF_XMMI64_INSTRUCTIONS_AVAILABLE */
    12, /* PF_NX_ENABLED */
    13, /* PF_SSE3_INSTRUCTIONS_AVAILABLE */
    14, /* PF_COMPARE_EXCHANGE128 */
    23, /* PF_FASTFAIL_AVAILABLE */
    36, /* PF_SSSE3_INSTRUCTIONS_AVAILABLE */
    37, /* PF_SSE4_1_INSTRUCTIONS_AVAILABLE */
};

/* Everything but the clock. Words that are left out are 0, SystemCall among them: "use syscall". */
static void fill_page(uint8_t page[VM_PAGE_SIZE])
{
    static const char root[] = "C:\\Windows";

    memset(page, 0, VM_PAGE_SIZE);
    put_u32(page + SHARED_TICK_MULTIPLIER, TICK_MULTIPLIER);
    put_u16(page + SHARED_IMAGE_LOW, 0x8664);  /* IMAGE_FILE_MACHINE_AMD64, */
    put_u16(page + SHARED_IMAGE_HIGH, 0x8664); /* the machine's; not the process's */
    for (size_t i = 0; i < sizeof root; i++)
        put_u16(page + SHARED_SYSTEM_ROOT + 2 * i, (uint8_t)root[i]);
    put_u32(page + SHARED_BUILD, SHARED_OS_BUILD);
    put_u32(page + SHARED_PRODUCT_TYPE, 1); /* NtProductWinNt */
    page[SHARED_PRODUCT_VALID] = 1;
    put_u32(page + SHARED_MAJOR, SHARED_OS_MAJOR);
    put_u32(page + SHARED_MINOR, SHARED_OS_MINOR);
    for (size_t i = 0; i < sizeof features; i++)
        page[SHARED_FEATURES + features[i]] = 1;
    put_u32(page + SHARED_SUITE_MASK, 0x110); /* VER_SUITE_TERMINAL | VER_SUITE_SINGLEUSERTS */
    page[SHARED_NX_POLICY] = 2;               /* NX_SUPPORT_POLICY_OPTIN */
    put_u32(page + SHARED_CONSOLE, 1);
    put_u32(page + SHARED_PHYSICAL_PAGES, 0x200000); /* 8 GiB */
    put_u64(page + SHARED_QPC_FREQUENCY, QPC_FREQUENCY);
    put_u32(page + SHARED_PROCESSORS, 1);
    put_u16(page + SHARED_GROUPS, 1);
}

enum err shared_map(struct vm *vm, const struct shared_time *now, struct diag *why)
{
    struct vm_request req = {
        .base = SHARED_ADDRESS,
        .size = VM_PAGE_SIZE,
        .type = MEM_RESERVE | MEM_COMMIT,
        .protect = PAGE_READONLY,
        .label = "shared user data",
    };
    _Alignas(8) uint8_t page[VM_PAGE_SIZE];
    nt_status st = vm_allocate(vm, &req, NULL, NULL);

    if (!NT_SUCCESS(st))
        return diag_set(why, ERR_NOMEM, "shared user data at 0x%" PRIx64 ": %s", SHARED_ADDRESS,
                        nt_text(st));
    fill_page(page);
    shared_publish(page, now);
    if (!vm_debug_write(vm, SHARED_ADDRESS, page, sizeof page))
        return diag_set(why, ERR_NOMEM, "shared user data: the guest's memory is full");
    return ERR_OK;
}

static void store_u32(uint8_t *at, uint32_t value)
{
    atomic_store_explicit((_Atomic uint32_t *)(void *)at, value, memory_order_release);
}

/*
 * One KSYSTEM_TIME. 64-bit code reads LowPart and High1Time with one load, so they are stored with
 * one where alignment allows; SystemTime lies at 4 modulo 8.
 */
static void store_time(uint8_t *at, uint64_t value)
{
    store_u32(at + 8, (uint32_t)(value >> 32));
    if (((uintptr_t)at & 7) == 0) {
        atomic_store_explicit((_Atomic uint64_t *)(void *)at, value, memory_order_release);
        return;
    }
    store_u32(at, (uint32_t)value);
    store_u32(at + 4, (uint32_t)(value >> 32));
}

void shared_publish(uint8_t *page, const struct shared_time *now)
{
    store_time(page + SHARED_SYSTEM_TIME, now->system);
    store_time(page + SHARED_INTERRUPT_TIME, now->interrupt);
    store_time(page + SHARED_TICK_COUNT, now->interrupt / TICK_LENGTH);
}
