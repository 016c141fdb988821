/*
 * KUSER_SHARED_DATA: the read-only page at 0x7ffe0000 that every process sees, and the clock in it.
 * Its layout is the same in both widths. Offsets: ntddk.h (mingw-w64); NT-PROCESS section 2, item 2.
 */
#ifndef CORE_NT_SHARED_H
#define CORE_NT_SHARED_H

#include <stdint.h>

#include "winstub/err.h"
#include "winstub/gva.h"
#include "winstub/vm.h"

#define SHARED_ADDRESS UINT64_C(0x7ffe0000)

enum shared_offset {
    SHARED_TICK_MULTIPLIER = 0x004,
    SHARED_INTERRUPT_TIME = 0x008,
    SHARED_SYSTEM_TIME = 0x014,
    SHARED_IMAGE_LOW = 0x02c,
    SHARED_IMAGE_HIGH = 0x02e,
    SHARED_SYSTEM_ROOT = 0x030,
    SHARED_BUILD = 0x260,
    SHARED_PRODUCT_TYPE = 0x264,
    SHARED_PRODUCT_VALID = 0x268,
    SHARED_MAJOR = 0x26c,
    SHARED_MINOR = 0x270,
    SHARED_FEATURES = 0x274,
    SHARED_SUITE_MASK = 0x2d0,
    SHARED_NX_POLICY = 0x2d5,
    SHARED_CONSOLE = 0x2d8,
    SHARED_PHYSICAL_PAGES = 0x2e8,
    SHARED_QPC_FREQUENCY = 0x300,
    SHARED_SYSTEM_CALL = 0x308,
    SHARED_TICK_COUNT = 0x320,
    SHARED_PROCESSORS = 0x3c0,
    SHARED_GROUPS = 0x3c4,
};

/* The Windows that is imitated: 10 22H2. The PEB repeats these. */
enum { SHARED_OS_MAJOR = 10, SHARED_OS_MINOR = 0, SHARED_OS_BUILD = 19045 };

/* The guest's clock, in units of 100 ns as NT counts. */
struct shared_time {
    uint64_t system;    /* since 1601, UTC */
    uint64_t interrupt; /* since the machine was started */
};

/* Map the page, filled in, at time now. ERR_NOMEM. */
MUST_USE enum err shared_map(struct vm *vm, const struct shared_time *now, struct diag *why);

/*
 * Store the time into the page at host address page, in NT's order: High2Time, LowPart, High1Time; a
 * reader that finds both highs equal has a time that was true. Every store is atomic; TickCount
 * follows from the interrupt time.
 */
void shared_publish(uint8_t *page, const struct shared_time *now);

#endif
