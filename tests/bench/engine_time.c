/*
 * Stands between winstub and the engine (LD_PRELOAD) and says at the end, on standard error, how much CPU time the engine took
 * for the guest's instructions: all of uc_emu_start, translation included, without the time in which it called winstub
 * back. And how many blocks were translated, and how many of them were different ones: were code translated twice
 * because of us, that would be no time of the guest's. For hello.py.
 */
#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <unicorn/unicorn.h>

#define KNOWN (1u << 18)

static struct {
    uint64_t run, away; /* ns */
    uint64_t translated, different;
    uint64_t known[KNOWN]; /* addresses of blocks, hashed; 0: free */
    uc_cb_tlbevent_t fill;
    uc_hook_edge_gen_t edge;
} seen;

static uint64_t cpu_ns(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Functions and data pointers, which ISO C does not convert. */
union pointer {
    void *data;
    uc_err (*start)(uc_engine *, uint64_t, uint64_t, uint64_t, size_t);
    uc_err (*add)(uc_engine *, uc_hook *, int, void *, void *, uint64_t, uint64_t, ...);
    uc_cb_tlbevent_t fill;
    uc_hook_edge_gen_t edge;
};

static union pointer next(const char *name)
{
    return (union pointer){.data = dlsym(RTLD_NEXT, name)};
}

static bool on_fill(uc_engine *uc, uint64_t page, uc_mem_type type, uc_tlb_entry *out, void *user)
{
    uint64_t began = cpu_ns();
    bool filled = seen.fill(uc, page, type, out, user);

    seen.away += cpu_ns() - began;
    return filled;
}

static void note_block(uint64_t address)
{
    uint64_t at = address * UINT64_C(0x9e3779b97f4a7c15) >> 46;

    seen.translated++;
    while (seen.known[at] && seen.known[at] != address)
        at = (at + 1) % KNOWN;
    seen.different += !seen.known[at];
    seen.known[at] = address;
}

static void on_edge(uc_engine *uc, uc_tb *block, uc_tb *previous, void *user)
{
    uint64_t began = cpu_ns();

    seen.edge(uc, block, previous, user);
    note_block(block->pc);
    seen.away += cpu_ns() - began;
}

uc_err uc_emu_start(uc_engine *uc, uint64_t begin, uint64_t until, uint64_t timeout, size_t count)
{
    uint64_t began = cpu_ns();
    uc_err e = next("uc_emu_start").start(uc, begin, until, timeout, count);

    seen.run += cpu_ns() - began;
    return e;
}

uc_err uc_hook_add(uc_engine *uc, uc_hook *hook, int type, void *callback, void *user,
                   uint64_t begin, uint64_t end, ...)
{
    union pointer to = {.data = callback};
    int insn = 0;
    va_list args;

    if (type == UC_HOOK_INSN) {
        va_start(args, end);
        insn = va_arg(args, int);
        va_end(args);
    } else if (type == UC_HOOK_TLB_FILL) {
        seen.fill = to.fill;
        to.fill = on_fill;
    } else if (type == UC_HOOK_EDGE_GENERATED) {
        seen.edge = to.edge;
        to.edge = on_edge;
    }
    return next("uc_hook_add").add(uc, hook, type, to.data, user, begin, end, insn);
}

__attribute__((destructor)) static void tell(void)
{
    (void)fprintf(stderr, "engine_time %.3f %llu %llu\n", (double)(seen.run - seen.away) * 1e-6,
                  (unsigned long long)seen.translated, (unsigned long long)seen.different);
}
