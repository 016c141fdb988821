/* A CPU over a fresh address space, and bytes of guest code in it. */
#ifndef SUPPORT_GUEST_H
#define SUPPORT_GUEST_H

#include <stddef.h>
#include <stdint.h>

#include "winstub/cpu.h"
#include "winstub/vm.h"

struct guest {
    struct vm *vm;
    struct cpu *cpu;
    struct cpu_event event; /* of the last run or step */
};

#define GUEST_CODE  UINT64_C(0x10000)  /* one RX page at setup: guest_code fills it */
#define GUEST_DATA  UINT64_C(0x200000) /* two RW pages; 0x202000 on is free */
#define GUEST_STACK UINT64_C(0x300000) /* two RW pages; rsp starts at 0x301000 */

/* Aborts the test when anything fails. */
void guest_init(struct guest *g, enum cpu_arch arch);
/* The same, with an address space beside another guest's. */
void guest_init_beside(struct guest *g, enum cpu_arch arch, const struct guest *other);
void guest_fini(struct guest *g);

/* Commit size bytes at base with a PAGE_* protection. */
void guest_map(struct guest *g, gva_t base, uint64_t size, uint32_t protect);
void guest_protect(struct guest *g, gva_t base, uint64_t size, uint32_t protect);
/* Write as the debugger does. */
void guest_write(struct guest *g, gva_t addr, const void *bytes, size_t len);
uint64_t guest_read(const struct guest *g, gva_t addr, size_t len);

/* Put code at addr and rip there. */
#define GUEST_CODE_AT(g, addr, ...)                                                                \
    guest_code(g, addr, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))
void guest_code(struct guest *g, gva_t addr, const uint8_t *code, size_t len);

/* Run or step, and expect this kind of event at this rip. */
void guest_run(struct guest *g, enum cpu_event_kind kind, gva_t pc);
void guest_run_on(struct guest *g, enum cpu_event_kind kind, gva_t pc); /* pass_break */
void guest_step(struct guest *g, enum cpu_event_kind kind, gva_t pc);

#endif
