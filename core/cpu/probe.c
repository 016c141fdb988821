/*
 * Whether the engine behaves as this folder relies on, asked of the very engine that will be used:
 * exact rip at a refused access, TF, and the place of its exception-in-flight field, which has no
 * name outside of it (upstream issue 1883). The snippets run in the private frame at ring 3 and
 * mean the same in 32-bit and 64-bit code.
 */
#include "cpu/cpu_priv.h"

#include <string.h>

#include "winstub/bytes.h"

#define SNIPPETS_AT (PRIVATE_PAGE + 0x400)
#define SNIPPET_MAX 0x20u

static const uint8_t divide_error[] = {0x31, 0xc9, 0xf7, 0xf1};   /* xor ecx, ecx; div ecx */
static const uint8_t privileged[] = {0xf4};                       /* hlt */
static const uint8_t bad_load[] = {0x83, 0xc0, 0x01, 0x8b, 0x03}; /* add eax, 1; mov eax, [ebx] */
static const uint8_t nothing[] = {0x90};

struct probe {
    struct cpu *cpu;
    struct engine_context *start;
    gva_t next; /* where the next snippet goes: never twice to one place */
};

/* Run a snippet at p->next from the registers that p started with. */
static enum engine_exit run(struct probe *p, const uint8_t *code, size_t len, uint64_t flags)
{
    struct engine *engine = p->cpu->engine;

    p->next += SNIPPET_MAX;
    memcpy(segments_private(p->cpu, p->next), code, len);
    engine_context_load(engine, p->start);
    engine_set(engine, CPU_EFLAGS, flags);
    engine_set(engine, CPU_RAX, 0);
    engine_set(engine, CPU_RBX, PRIVATE_EXIT);
    engine_set(engine, CPU_RIP, p->next);
    p->cpu->flush = true;
    return exec_engine(p->cpu, FILL_PRIVATE);
}

/* Did the last snippet raise vector, with rip this far into it? */
static bool raised(const struct probe *p, enum engine_exit exit, uint32_t vector, unsigned at)
{
    return exit == ENGINE_STOPPED && p->cpu->note.kind == NOTE_INTERRUPT &&
           p->cpu->note.vector == vector && engine_get(p->cpu->engine, CPU_RIP) == p->next + at;
}

static bool load_is_exact(struct probe *p)
{
    enum engine_exit exit = run(p, bad_load, sizeof bad_load, 0x202);

    return exit == ENGINE_REFUSED && p->cpu->refused.page == PRIVATE_EXIT &&
           p->cpu->refused.want == VM_READ && engine_get(p->cpu->engine, CPU_RIP) == p->next + 3 &&
           engine_get(p->cpu->engine, CPU_RAX) == 1;
}

static bool tf_steps(struct probe *p)
{
    return raised(p, run(p, nothing, sizeof nothing, 0x202 | CPU_TF), CPU_VEC_DB, 1);
}

/*
 * Find the only field that was "none" before, held 0 after a division error and 13 after a
 * privileged instruction. False when there is none or several.
 */
static bool find_in_flight(struct probe *p, struct engine_context *divided,
                           struct engine_context *refused)
{
    struct engine *engine = p->cpu->engine;
    size_t found = 0;
    size_t len;
    const uint8_t *before = engine_context_bytes(engine, p->start, &len);
    const uint8_t *after_de = engine_context_bytes(engine, divided, &len);
    const uint8_t *after_gp = engine_context_bytes(engine, refused, &len);

    if (!raised(p, run(p, divide_error, sizeof divide_error, 0x202), CPU_VEC_DE, 2))
        return false;
    engine_context_save(engine, divided);
    if (!raised(p, run(p, privileged, sizeof privileged, 0x202), CPU_VEC_GP, 0))
        return false;
    engine_context_save(engine, refused);
    for (size_t at = 0; at + 4 <= len; at += 4) {
        if (get_u32(before + at) != UINT32_MAX || get_u32(after_de + at) != CPU_VEC_DE ||
            get_u32(after_gp + at) != CPU_VEC_GP)
            continue;
        p->cpu->in_flight = at;
        found++;
    }
    return found == 1;
}

static bool in_flight_is_unique(struct probe *p)
{
    struct engine_context *divided = engine_context_new(p->cpu->engine);
    struct engine_context *refused = engine_context_new(p->cpu->engine);
    bool ok = divided && refused && find_in_flight(p, divided, refused);

    engine_context_free(divided);
    engine_context_free(refused);
    return ok;
}

static const char *first_failure(struct probe *p)
{
    if (!load_is_exact(p))
        return "does not stop exactly at a faulting instruction";
    if (!tf_steps(p))
        return "does not single-step";
    if (!in_flight_is_unique(p))
        return "hides which exception is in flight";
    return NULL;
}

enum err probe_engine(struct cpu *cpu, struct diag *why)
{
    struct probe p = {cpu, engine_context_new(cpu->engine), SNIPPETS_AT};
    const char *failure;

    if (!p.start)
        return diag_set(why, ERR_NOMEM, "no memory for the CPU");
    engine_context_save(cpu->engine, p.start);
    failure = first_failure(&p);
    engine_context_load(cpu->engine, p.start);
    engine_context_free(p.start);
    cpu->flush = true;
    if (failure)
        return diag_set(why, ERR_UNSUPPORTED,
                        "%s %s; run `make deps` to get an engine that is known to work",
                        engine_version(), failure);
    return ERR_OK;
}
