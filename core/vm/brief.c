/* How a brief is packed: the count of runs, their protections, and the pages at which the second and third start. */
#include "vm/brief.h"

#include "vm/allocs.h"
#include "winstub/vm.h"

#define COUNT_BITS   2u
#define PROTECT_BITS 7u
#define CUT_BITS     17u
#define RUNS_AT      (COUNT_BITS + PROTECT_BITS)
#define CUTS_AT      (RUNS_AT + RUNS_AT_HOME * PROTECT_BITS)
_Static_assert(CUTS_AT + (RUNS_AT_HOME - 1) * CUT_BITS == 64, "a brief is one word");

#define BASE_BITS 4u /* which bit of PAGE_*, counted from 1; 0: not committed */

static uint64_t pack_protect(uint32_t protect)
{
    unsigned base = protect ? (unsigned)__builtin_ctz(protect) + 1 : 0;

    return base | protect >> 8 << BASE_BITS;
}

static uint32_t unpack_protect(uint64_t brief, unsigned at)
{
    uint32_t bits = (uint32_t)(brief >> at);
    uint32_t base = (UINT32_C(1) << (bits & ((1u << BASE_BITS) - 1))) >> 1;

    return base | (bits >> BASE_BITS & ((1u << (PROTECT_BITS - BASE_BITS)) - 1)) << 8;
}

static gva_t unpack_cut(uint64_t brief, unsigned i)
{
    return (brief >> (CUTS_AT + i * CUT_BITS) & ((1u << CUT_BITS) - 1)) * VM_PAGE_SIZE;
}

uint64_t brief_of(const struct allocation *a)
{
    uint64_t brief = a->runs.count | pack_protect(a->protect) << COUNT_BITS;
    unsigned i = 0;

    if (a->type != MEM_PRIVATE || a->foreign || a->label || a->view || a->runs.count > RUNS_AT_HOME)
        return 0;
    for (const struct run *r = runs_first(&a->runs); r; r = run_next(r), i++) {
        gva_t cut = (r->start - a->base) / VM_PAGE_SIZE;

        if (r->label || r->written || cut >> CUT_BITS)
            return 0;
        brief |= pack_protect(r->protect) << (RUNS_AT + i * PROTECT_BITS);
        if (i)
            brief |= cut << (CUTS_AT + (i - 1) * CUT_BITS);
    }
    return brief;
}

/* No step depends on a comparison's outcome: queries of many allocations never wait for a mispredicted one. */
struct brief brief_read(uint64_t brief, gva_t base, gva_t end, gva_t addr)
{
    unsigned count = brief & ((1u << COUNT_BITS) - 1);
    gva_t ends[RUNS_AT_HOME] = {base + unpack_cut(brief, 0), base + unpack_cut(brief, 1), end};
    unsigned i = ((count > 1) & (addr >= ends[0])) + ((count > 2) & (addr >= ends[1]));

    ends[count - 1] = end;
    return (struct brief){.allocation_protect = unpack_protect(brief, COUNT_BITS),
                          .protect = unpack_protect(brief, RUNS_AT + i * PROTECT_BITS),
                          .end = ends[i]};
}
