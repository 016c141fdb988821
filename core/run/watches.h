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

/* Whose a watch is; any other number is a catch's. */
enum {
    WATCH_DEBUGGER = 0,
    WATCH_TRACE = 0x7fffff00,
    WATCH_GUEST = 0x7fffff10, /* the guest's own debug register 0; 1, 2, 3 follow */
};

struct watch_range {
    gva_t addr;
    uint64_t len;
    enum point_kind kind; /* POINT_WRITE, POINT_READ, POINT_ACCESS */
    unsigned owner;
    bool unchanged; /* POINT_WRITE: also when the bytes stay as they were */
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
#define WATCH_HITS_MAX  32  /* of one instruction; what is over is not noticed */
struct watch_hit {
    struct watch_range watch;
    gva_t addr;      /* the accessed part of the watch */
    size_t len;      /* bytes of it */
    unsigned access; /* what the instruction does there: VM_READ, VM_WRITE bits */
    size_t old_at;   /* into old: the bytes as they were */
};
struct watch_probe {
    gva_t pc;
    size_t count;
    struct watch_hit hits[WATCH_HITS_MAX];
    size_t old_len;
    uint8_t old[WATCH_BYTES_MAX * 4];
};

/* Before the instruction at the CPU's pc runs: which watches its operands overlap. */
void watches_probe(const struct watches *watches, const struct vm *vm, const struct cpu *cpu,
                   struct dis *dis, struct watch_probe *out);

/*
 * After it ran: does hit i count? A POINT_WRITE does only when the bytes changed, as GDB's watch command means it,
 * or when its watch wants the others, too.
 */
bool watches_count(const struct watch_probe *probe, const struct vm *vm, size_t i);

/* Does an access by a system service, which has not happened yet, count for w? *addr: the first byte of w in it. */
bool watches_served(const struct watch_range *w, const struct vm *vm,
                    const struct vm_served *access, gva_t *addr);

#endif
