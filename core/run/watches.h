/*
 * Watchpoints: ranges of bytes whose accesses stop the guest behind the instruction. Pages that hold watched bytes are
 * CPU traps; an instruction that touches one is decoded, stepped with the page open, and compared. Code that
 * never touches such a page pays nothing.
 */
#ifndef CORE_RUN_WATCHES_H
#define CORE_RUN_WATCHES_H

#include <stdbool.h>
#include <stddef.h>

#include "winstub/cpu.h"
#include "winstub/dis.h"
#include "winstub/target.h"
#include "winstub/vm.h"

struct watch_range {
    gva_t addr;
    uint64_t len;
    enum point_kind kind; /* POINT_WRITE, POINT_READ, POINT_ACCESS */
};

struct watches {
    struct watch_range *list;
    size_t count;
    size_t cap;
};

/*
 * Add or remove a watch and set the CPU's traps accordingly. len is at least 1.
 * ERR_RANGE  addr + len wraps or is over WATCH_MAX bytes; ERR_NOMEM. O(watches + pages of the range).
 */
#define WATCH_MAX (UINT64_C(1) << 32)
MUST_USE enum err watches_set(struct watches *watches, struct cpu *cpu,
                              const struct watch_range *range, bool on);
void watches_fini(struct watches *watches);

/* What an instruction is about to do to watched bytes. */
#define WATCH_BYTES_MAX 512 /* fxsave, the largest operand */
struct watch_probe {
    size_t count;
    struct {
        struct watch_range watch;
        gva_t addr; /* the accessed part of the watch */
        size_t len;
        size_t old_at; /* into old: written bytes as they were */
        bool write;
    } hits[DIS_MAX_ACCESSES];
    size_t old_len;
    uint8_t old[WATCH_BYTES_MAX * 2];
};

/* Before the instruction at the CPU's pc runs: which watches its operands overlap. */
void watches_probe(const struct watches *watches, const struct vm *vm, const struct cpu *cpu,
                   struct dis *dis, struct watch_probe *out);

/*
 * After it ran: the watch that stops the guest, its kind and first accessed byte; false when none does. A
 * POINT_WRITE stops only when the bytes changed, as GDB's watch command means it.
 */
bool watches_hit(const struct watch_probe *probe, const struct vm *vm, enum point_kind *kind,
                 gva_t *addr);

#endif
