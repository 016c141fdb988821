/*
 * The two machines that benches compare: the engine alone, and our CPU over it. Both have the same code, stack and data at the
 * same addresses, and run the same loops.
 */
#ifndef BENCH_MACHINES_H
#define BENCH_MACHINES_H

#include <unicorn/unicorn.h>

#include "winstub/cpu.h"
#include "winstub/vm.h"

#define CODE        UINT64_C(0x140000000)
#define CODE_SIZE   0x4000u
#define DATA        UINT64_C(0x200000000)
#define DATA_SIZE   (64u << 20)
#define STACK       UINT64_C(0x300000000)
#define STACK_SIZE  0x10000u
#define REGION_SIZE (256u << 10) /* of the one-map-per-region engine's data */
#define ROUNDS_MAX  99

/* Begins at its first byte and ends in hlt: an exception at ring 3, the end of the run at ring 0. */
struct loop {
    const char *name;
    const uint8_t *code;
    size_t size;
    uint64_t iterations; /* in rcx; 20 to 200 ms */
};

struct bare {
    uc_engine *uc;
    uint8_t *arena; /* code, then stack, then data */
};

struct ours {
    struct vm *vm;
    struct cpu *cpu;
};

_Noreturn void die(const char *what);
/* CPU time of this thread, in seconds. */
double now(void);
/* Of n values, which it sorts. */
double median(double *values, int n);

void bare_open_virtual(struct bare *b); /* the virtual TLB, without any other hook */
void bare_open_regions(struct bare *b); /* one uc_mem_map for each region */
void bare_close(struct bare *b);
void bare_load(struct bare *b, const struct loop *loop);
double bare_run(struct bare *b, const struct loop *loop); /* seconds */

void ours_open(struct ours *o);
void ours_close(struct ours *o);
void ours_map(struct ours *o, gva_t base, uint64_t size, uint32_t protect);
void ours_load(struct ours *o, const struct loop *loop);
/* Set the registers that a loop begins with. */
void ours_start(struct ours *o, const struct loop *loop);
double ours_run(struct ours *o, const struct loop *loop); /* seconds */

#endif
