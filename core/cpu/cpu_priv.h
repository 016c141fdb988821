/*
 * Inside core/cpu: the CPU's state and what its files ask of each other. One file each decides
 *   memory.c    what a TLB miss is answered: traps, write-or-execute (over CPUs beside each other too), private addresses
 *   guard.c     which stores into trapped pages need not stop
 *   breaks.c    where to stop: breaks, and instructions that the engine must not run
 *   segments.c  the GDT and the selectors
 *   fault.c     what a stop means: which byte, which exception
 *   exec.c      running and stepping
 *   work.c      counting what is executed
 *   meter.c     what that costs each block
 *   detour.c    how an instruction reaches devices, and hooks hear of it
 *   hooks.c     which hooks there are
 *   cpuid.c     what cpuid answers
 *   writes.c    which pages the guest has written, and who did
 *   reg.c       the register table
 *   probe.c     whether the engine behaves as all this relies on
 */
#ifndef WINSTUB_CORE_CPU_PRIV_H
#define WINSTUB_CORE_CPU_PRIV_H

#include <stdatomic.h>

#include "cpu/engine.h"
#include "cpu/meter.h"
#include "cpu/pagemap.h"
#include "cpu/scan.h"
#include "winstub/cpu.h"
#include "winstub/dis.h"
#include "winstub/hook.h"

#define CPU_TF UINT64_C(0x100) /* EFLAGS.TF */

/*
 * More armed breaks than this are filtered per block instead of hooked one by one
 * (facts/UNICORN.md section 4).
 */
#define CPU_HOOK_LIMIT 128

#define CPU_ARMED_WORDS 64

#define PAGE_MASK       ((gva_t)(VM_PAGE_SIZE - 1))
#define PAGE_OF(addr)   ((addr) & ~PAGE_MASK)
#define OFFSET_OF(addr) ((uint32_t)((addr)&PAGE_MASK))

/* Who may touch what when the engine asks. */
enum fill_mode {
    FILL_NOTHING, /* between runs: the engine's own probes get nothing */
    FILL_GUEST,   /* the guest runs */
    FILL_PRIVATE, /* our own code runs: only the private frame */
    FILL_WINDOW   /* translated code is being removed: the arena by offset */
};

/* Why a fill was refused. */
enum refusal {
    REFUSED_FAULT,   /* the vm says no */
    REFUSED_TRAP,    /* cpu_trap_set */
    REFUSED_FLIP,    /* the frame is in the other state, writable or code */
    REFUSED_AGAIN,   /* flush and try again */
    REFUSED_LENT,    /* the engine does not know this lent memory yet */
    REFUSED_DETOUR,  /* a device or a hook: detour.c is to execute the instruction */
    REFUSED_WRITTEN, /* execution of a page that the guest has written */
    REFUSED_GDT,     /* the descriptor table, closed */
    REFUSED_PRIVATE  /* our own code touched something else; its way to stop */
};

/* What stopped the engine, left by the callbacks for the code behind engine_run. */
enum note_kind {
    NOTE_NONE,
    NOTE_INTERRUPT, /* vector */
    NOTE_SYSCALL,   /* at address */
    NOTE_CODE,      /* a hook at address */
    NOTE_WALK,      /* a block [address, end) holds something to stop at */
    NOTE_ARM        /* a block [address, end) was translated that holds something new */
};

struct note {
    enum note_kind kind;
    uint32_t vector;
    gva_t address;
    gva_t end;
};

struct refused {
    enum refusal why;
    gva_t page;
    enum vm_access want;
    enum vm_fault fault;
    uint64_t offset; /* FLIP, LENT: of the frame */
};

/* What a turn of the engine came to. */
enum outcome {
    OUTCOME_AGAIN,   /* an obstacle was cleared away; nothing was executed or all was */
    OUTCOME_STEPPED, /* one instruction was executed */
    OUTCOME_EVENT,   /* the event is filled in */
    OUTCOME_BROKEN,  /* the engine failed */
    OUTCOME_NOMEM
};

#define DETOUR_MOST 576u /* bytes of the largest operand */

struct detour_page {
    gva_t page;      /* of the guest's */
    uint64_t offset; /* of the scratch frame that stands for it */
};

struct detour {
    bool active;                                    /* an instruction runs on scratch pages */
    bool storing;                                   /* what it wrote goes to devices and memory */
    size_t count;                                   /* pages in use */
    size_t made;                                    /* pages that have a frame */
    struct detour_page pages[2 * DIS_MAX_ACCESSES]; /* an operand may lie in two pages */
    struct engine_context *before, *after;          /* the instruction */
};

struct hook_entry {
    unsigned id;
    struct cpu_hook hook;
};

struct hooks {
    struct hook_entry *list; /* ids ascend */
    size_t count;
    unsigned last_id;
    unsigned kinds; /* vm_access bits of those on allowed accesses */
};

struct break_page;  /* breaks.c */
struct page_writer; /* writes.c */

struct cpu {
    struct vm *vm;
    struct engine *engine;
    struct meter *meter; /* the engine's */
    struct dis *dis;
    enum cpu_arch arch;

    /* memory.c */
    uint8_t *arena;
    uint64_t arena_size;
    uint8_t *frame_states;   /* one enum frame_state for each frame */
    struct pagemap traps;    /* page -> vm_access bits */
    size_t data_traps;       /* pages whose trap has more than VM_EXEC */
    struct pagemap executed; /* page -> frame last executed there; bit 0: not the only one */
    struct pagemap stale;    /* offsets of frames that are FRAME_STALE, unless memory was short */
    size_t stale_count;      /* how many became that since the last run */
    struct pagemap lent;     /* offset -> size of lent memory that the engine knows */
    bool careful;            /* stores of conditions are executed alone: SCAN_LOSES_FLAGS */
    bool executed_all;       /* memory was short: any page may have been executed anywhere */
    enum fill_mode fill_mode;
    bool flush;       /* the engine's TLB must be flushed before it runs */
    bool open;        /* traps do not apply */
    bool gdt_open;    /* the descriptor table answers */
    uint64_t both[4]; /* frames that may be written and executed for one step */
    size_t both_count;
    size_t fills;    /* since the last flush */
    size_t tlb_size; /* the least that the engine's TLB is believed to hold */
    struct refused refused;

    /* guard.c */
    bool guards;            /* the engine can guard */
    bool unguarded;         /* not now: the instruction's stores are SCAN_STORES_UNSEEN */
    struct pagemap narrow;  /* page -> struct cpu_trap_bytes *: those whose stores are trapped */
    struct pagemap guarded; /* frame -> page that has it guarded in the engine's TLB */

    /* breaks.c */
    struct pagemap break_pages; /* page -> struct break_page * */
    struct pagemap hooks;       /* address -> engine hook */
    size_t hook_limit;
    size_t armed_count;
    bool polls;        /* the block hook is over everything and stays */
    bool filters;      /* breaks are looked for in the block hook, not hooked one by one */
    size_t block_hook; /* 0: none */
    uint64_t armed_bits[CPU_ARMED_WORDS]; /* by page number, wrapped around */
    gva_t filter_first, filter_last;

    /* cpu.c */
    uint64_t debug[CPU_DEBUG_REGS];

    /* writes.c */
    enum cpu_writes writes;
    struct page_writer *writers; /* one for each frame; NULL while off */
    struct pagemap written;      /* page -> frame that was writable there */
    size_t store_hook;           /* 0: none */
    uint32_t who;

    /* what others want to hear */
    void (*on_block)(void *ctx, gva_t address, uint32_t size);
    void *on_block_ctx;
    void (*on_served)(void *ctx, const struct vm_served *access);
    void *on_served_ctx;

    /* segments.c */
    uint64_t private_offset; /* of the private frame in the arena; valid when has_private */
    bool has_private;
    uint32_t teb_base; /* base of selector 0x53 */

    /* fault.c */
    struct engine_context *scratch;
    size_t in_flight; /* of the exception-in-flight field in a context's bytes */

    struct detour detour; /* detour.c */
    struct hooks harness; /* hooks.c */

    /* exec.c */
    struct note note;
    bool done;               /* the last step executed its instruction */
    struct cpu_event mended; /* what a hook says it has mended; no instruction was executed since */
    bool stepping;           /* the engine runs one instruction */
    bool starting;           /* the engine runs the first instruction of a longer run */
    gva_t walk_first, walk_end; /* instructions here are stepped; empty: first == end */
    atomic_bool stop;           /* asked for, not yet honoured */
    atomic_bool running;        /* the engine may be stopped by another thread */
    bool counts;                /* work is counted: the block hook is over everything */
    uint64_t granted;           /* work when nothing is left on the meter */
    uint64_t work_limit;        /* where runs end */
    uint64_t (*tsc)(void *ctx);
    void *tsc_ctx;
    uint64_t tsc_reads;
};

/* ---- cpu.c ----------------------------------------------------------------------------------- */

/* As cpu_set; ERR_INVALID when a segment register cannot hold value. */
MUST_USE enum err cpu_set_checked(struct cpu *cpu, enum cpu_reg reg, uint64_t value);
/* Is the code that runs now 64-bit code? */
bool cpu_is_code64(const struct cpu *cpu);

/* ---- memory.c -------------------------------------------------------------------------------- */

MUST_USE enum err memory_init(struct cpu *cpu);
void memory_fini(struct cpu *cpu);
bool memory_on_fill(void *ctx, gva_t page, enum vm_access want, struct vm_fill *out);
/* Drop what is stale of translated code, and flush the engine's TLB when something asked for it. */
void memory_settle(struct cpu *cpu);
/*
 * Drop translated blocks that hold [addr, addr + len), which lies in one page, in every frame that
 * it ever was.
 */
void memory_drop_code(struct cpu *cpu, gva_t addr, uint32_t len);
/* Was anything ever executed in this page? */
bool memory_was_executed(const struct cpu *cpu, gva_t page);
void memory_flush_code(struct cpu *cpu);
/* Answer the REFUSED_FLIP in cpu->refused for the instruction at pc. */
void memory_flip(struct cpu *cpu, gva_t pc);
/* Make the lent memory of the REFUSED_LENT in cpu->refused known to the engine. ERR_NOMEM */
MUST_USE enum err memory_map_lent(struct cpu *cpu);
/* From now on instructions are refused their stores in the middle of blocks: see SCAN_LOSES_FLAGS. */
void memory_be_careful(struct cpu *cpu);
/* Undo the "both" that memory_flip gave for one step. */
void memory_close_both(struct cpu *cpu);

/* Leave behind why a fill or a guarded store is refused: false. */
bool memory_refuse(struct cpu *cpu, enum refusal why, gva_t page, enum vm_access want);

/* ---- guard.c --------------------------------------------------------------------------------- */

void guard_fini(struct cpu *cpu);
/* May a store into this trapped page be answered by a guard? */
bool guard_serves(const struct cpu *cpu, gva_t page);
/* Make the answer to a store into page a guarded one; false: it must be refused. */
bool guard_answer(struct cpu *cpu, gva_t page, struct vm_fill *fill);
bool guard_on_store(void *ctx, uint64_t offset, uint32_t size, uint64_t value);
/* The page is trapped as a whole again. */
void guard_forget(struct cpu *cpu, gva_t page);

/* ---- breaks.c -------------------------------------------------------------------------------- */

void breaks_fini(struct cpu *cpu);
bool breaks_user_at(const struct cpu *cpu, gva_t addr);
/*
 * Is there an instruction at pc that the engine must not run? Forgets marks that have become
 * wrong.
 */
bool breaks_marked_at(struct cpu *cpu, gva_t pc, struct scan_insn *insn);
void breaks_on_translated(void *ctx, gva_t address, uint32_t size);
void breaks_on_code(void *ctx, gva_t address);
void breaks_on_block(void *ctx, gva_t address, uint32_t size);
/* Instrument what a NOTE_ARM names. ERR_NOMEM */
MUST_USE enum err breaks_arm(struct cpu *cpu, const struct note *note);
/* Meter every block: for counting, and to stop between blocks. ERR_NOMEM */
MUST_USE enum err breaks_poll(struct cpu *cpu);
/*
 * The same, and look for breaks in it for good: for engines that cannot be stopped otherwise. Those lose rip in a
 * block hook while there are single hooks. ERR_NOMEM
 */
MUST_USE enum err breaks_filter(struct cpu *cpu);

/* ---- writes.c -------------------------------------------------------------------------------- */

void writes_fini(struct cpu *cpu);
/*
 * The guest gets this answer for page. Notes a write; takes the right to write out of the answer to anything
 * else. False: the page was written and is about to be executed for the first time since.
 */
bool writes_admit(struct cpu *cpu, gva_t page, enum vm_access want, struct vm_fill *out);
/* A REFUSED_WRITTEN was told to the run loop: execution of the page is ordinary from here. */
void writes_told(struct cpu *cpu);
void writes_on_store(void *ctx, uint64_t offset, uint32_t size);
void writes_on_served(void *ctx, const struct vm_served *access);
void writes_on_freed(struct cpu *cpu, uint64_t offset);

/* ---- segments.c ------------------------------------------------------------------------------ */

#define GDT_PAGE     UINT64_C(0xFFFFF80000001000)
#define PRIVATE_PAGE UINT64_C(0xFFFFF000) /* below 4 GiB, so that 32-bit code reaches it */
#define PRIVATE_EXIT UINT64_C(0xFFFFE000)

MUST_USE enum err segments_init(struct cpu *cpu, struct diag *why);
void segments_fini(struct cpu *cpu);
bool segments_valid(enum cpu_reg reg, uint16_t selector);
MUST_USE enum err segments_load(struct cpu *cpu, enum cpu_reg reg, uint16_t selector);
void segments_set_teb(struct cpu *cpu, uint32_t base);
/*
 * Put bytes into the private frame and run them until they leave it; true when they went to
 * PRIVATE_EXIT.
 */
bool segments_run_private(struct cpu *cpu, gva_t at);
uint8_t *segments_private(const struct cpu *cpu, gva_t at);

/* ---- fault.c --------------------------------------------------------------------------------- */

/* Fill out for the refusal in cpu->refused, FAULT or TRAP, by the instruction at pc. */
void fault_describe(struct cpu *cpu, gva_t pc, struct cpu_event *out);
/* Is it a segment load that the refused GDT access belongs to? */
bool fault_is_segment_load(struct cpu *cpu, gva_t pc);
/* Fill out for an exception or interrupt; moves rip back to a software interrupt's instruction. */
void fault_interrupt(struct cpu *cpu, uint32_t vector, struct cpu_event *out);
void fault_invalid(struct cpu *cpu, struct cpu_event *out);
/* Decode the instruction at pc for its traits; false when its bytes are not there. */
bool fault_scan(const struct cpu *cpu, gva_t pc, struct scan_insn *insn);

/* ---- work.c ---------------------------------------------------------------------------------- */

/* Let the engine run for a while without a look at its blocks, or with one at each where that is needed. */
void work_grant(struct cpu *cpu);
/* Work with the whole of the block that runs. */
uint64_t work_begun(const struct cpu *cpu);
/* The engine is told to stop before the block that began last. */
void work_undo(struct cpu *cpu);
/* The engine has stopped: take back what was counted and not executed. */
void work_settle(struct cpu *cpu);
/* What the counter of a rep holds. */
uint64_t work_counter(const struct cpu *cpu, const struct scan_insn *insn);
/*
 * The engine runs a rep once more than it iterates, to find the counter at its end, but steps it without that. Make that up
 * for a step, of the rep at pc, whose counter was not at its end before: count it, or leave it to be done when
 * the limit comes first.
 */
void work_finish_rep(struct cpu *cpu, gva_t pc, const struct scan_insn *insn);
/* What the engine has run was not the guest's, or was undone: work is again what it was. */
void work_forget(struct cpu *cpu, uint64_t before);

/* ---- detour.c, hooks.c ----------------------------------------------------------------------- */

/* Execute the instruction at pc, which a device or a hook is concerned with; as a step. */
enum outcome detour_run(struct cpu *cpu, gva_t pc, struct cpu_event *out);
/* While it runs: the scratch page for a page; false when none stands for it. */
bool detour_fill(struct cpu *cpu, gva_t page, enum vm_access want, struct vm_fill *out);
/* The scratch byte that stands for addr; NULL: none does. */
uint8_t *detour_bytes(const struct cpu *cpu, gva_t addr);
/* What the instruction at pc is about to write to the operand that holds addr; returns its size, 0 when unknown. */
size_t detour_value(struct cpu *cpu, gva_t pc, gva_t addr, uint8_t value[DETOUR_MOST],
                    gva_t *first);
void detour_fini(struct cpu *cpu);

/* The kinds of allowed accesses to a page that hooks want to hear of. */
unsigned hooks_on_page(const struct cpu *cpu, gva_t page);
bool hooks_concern(const struct cpu *cpu, const struct cpu_access *access);
/* Tell them of an access; true: go on, or, of a refused one, try again. */
bool hooks_call(struct cpu *cpu, const struct cpu_access *access);
void hooks_fini(struct cpu *cpu);

/* ---- exec.c, cpuid.c, probe.c ---------------------------------------------------------------- */

void exec_on_interrupt(void *ctx, uint32_t vector);
void exec_on_syscall(void *ctx);
void exec_on_tsc(void *ctx, bool with_aux);
/* Leave a note and stop the engine; a callback's way out. */
void exec_note(struct cpu *cpu, enum note_kind kind, gva_t address, gva_t end);
/* Run the engine once; flushes before, clears notes before. */
enum engine_exit exec_engine(struct cpu *cpu, enum fill_mode mode);

/* Execute one instruction, whatever obstacles there are. */
enum outcome exec_one(struct cpu *cpu, struct cpu_event *out);
/* The refusal in cpu->refused is what the guest gets, unless a hook mends it. */
enum outcome exec_refused(struct cpu *cpu, gva_t pc, struct cpu_event *out);

void cpu_on_cpuid(void *ctx);

MUST_USE enum err probe_engine(struct cpu *cpu, struct diag *why);

#endif
