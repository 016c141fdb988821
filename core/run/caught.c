/* Catches at work; the contract is in caught.h. */
#include "run/caught.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "run/wildcard.h"
#include "winstub/bytes.h"
#include "winstub/log.h"

#define UNKNOWN_SERVICES "unknown"

/* ---- Setting and removing --------------------------------------------------------------------- */

struct placing {
    struct run *run;
    struct catch *c;
    const char *module;
    enum err e;
};

static enum err place(struct run *run, struct catch *c, gva_t addr, const char *name)
{
    bool fresh;
    enum err e = catches_place(&run->catches, c, addr, name, &fresh);

    if (!e)
        e = cpu_break_add(run->cpu, addr);
    return e;
}

static bool place_export(void *ctx, const struct process_export *export)
{
    struct placing *p = ctx;
    struct buf name;
    gva_t addr = export->addr;
    size_t len = strlen(p->module);

    if (!export->name || !wildcard_matches_export(p->c->what.pattern, p->module, export->name))
        return true;
    if (export->forwarder)
        addr = process_forwarded(p->run->process, export->forwarder);
    if (!addr)
        return true; /* leads to a module that is not loaded: this is looked at again when it is */
    if (len > 4 && wildcard_matches(".dll", 4, p->module + len - 4))
        len -= 4;
    buf_init(&name, 512);
    (void)buf_printf(&name, "%.*s!%s", (int)len, p->module, export->name);
    p->e = place(p->run, p->c, addr, buf_str(&name));
    buf_fini(&name);
    return !p->e;
}

static enum err place_exports(struct run *run, struct catch *c)
{
    struct placing p = {.run = run, .c = c};
    const struct process_module *m;

    for (size_t i = 0; !p.e && (m = process_module(run->process, i)); i++) {
        enum err e;

        p.module = m->name;
        e = process_exports(run->process, i, place_export, &p);
        if (e)
            return e;
    }
    return p.e;
}

/* Take away the places of one catch, or of all that are exports. */
static void unplace(struct run *run, unsigned id)
{
    for (size_t i = run->catches.place_count; i-- > 0;) {
        const struct catch_place *p = &run->catches.places[i];
        gva_t addr = p->addr;

        if (id ? p->id != id : !p->name)
            continue;
        catches_unplace(&run->catches, i);
        run_release_break(run, addr);
    }
}

static enum err set_watch(struct run *run, const struct target_catch *what, bool on)
{
    const struct watch_range range = {.addr = what->addr,
                                      .len = what->len,
                                      .kind = what->access,
                                      .owner = what->id,
                                      .unchanged = what->unchanged};

    return watches_set(&run->watches, run->cpu, &range, on);
}

/* Remember which modules there are. Without memory for it all of them are taken for new the next time. */
static void learn_modules(struct run *run)
{
    size_t count = 0;
    gva_t *grown;

    while (process_module(run->process, count))
        count++;
    grown = realloc(run->known, (count + 1) * sizeof *grown);
    run->known_count = 0;
    if (!grown)
        return;
    run->known = grown;
    for (; run->known_count < count; run->known_count++)
        run->known[run->known_count] = process_module(run->process, run->known_count)->base;
}

static enum err arm(struct run *run, struct catch *c)
{
    switch (c->what.kind) {
    case CATCH_ADDRESS:
        return place(run, c, c->what.addr, NULL);
    case CATCH_EXPORT:
        return place_exports(run, c);
    case CATCH_WATCH:
        return set_watch(run, &c->what, true);
    case CATCH_WRITTEN:
        return cpu_writes_begin(run->cpu, c->what.last ? CPU_WRITES_LAST : CPU_WRITES_FIRST);
    case CATCH_LOAD:
        learn_modules(run);
        break;
    case CATCH_SYSCALL:
        break;
    }
    return ERR_OK;
}

static void disarm(struct run *run, struct catch *c)
{
    if (c->what.kind == CATCH_WATCH)
        (void)set_watch(run, &c->what, false);
    if (c->what.kind == CATCH_WRITTEN)
        cpu_writes_end(run->cpu);
    unplace(run, c->what.id);
    catches_drop(&run->catches, c);
}

static enum err refuse_second(const struct run *run, const struct target_catch *what,
                              struct diag *why)
{
    for (size_t i = 0; what->kind == CATCH_WRITTEN && i < run->catches.count; i++) {
        if (run->catches.list[i].what.kind == CATCH_WRITTEN)
            return diag_set(why, ERR_EXISTS, "catch %u watches for written pages already",
                            run->catches.list[i].what.id);
    }
    if (what->kind == CATCH_SYSCALL && !process_has_dlls(run->process))
        return diag_set(why, ERR_UNSUPPORTED,
                        "there are no system services without DLLs (--root); every call stops");
    return ERR_OK;
}

enum err caught_add(struct run *run, const struct target_catch *what, unsigned *id,
                    struct diag *why)
{
    struct catch *c;
    enum err e = refuse_second(run, what, why);

    if (e)
        return e;
    e = catches_add(&run->catches, what, &c);
    if (e)
        return diag_set(why, e, "%s", err_text(e));
    *id = c->what.id;
    e = arm(run, c);
    if (!e)
        return ERR_OK;
    disarm(run, c);
    return diag_set(why, e, "%s", err_text(e));
}

enum err caught_remove(struct run *run, unsigned id)
{
    struct catch *c = catches_find(&run->catches, id);

    if (!c && id)
        return ERR_NOT_FOUND;
    if (c)
        disarm(run, c);
    while (!id && run->catches.count)
        disarm(run, &run->catches.list[0]);
    return ERR_OK;
}

enum err caught_list(const struct run *run, size_t i, struct target_catch *out)
{
    if (i >= run->catches.count)
        return ERR_RANGE;
    *out = run->catches.list[i].what;
    return ERR_OK;
}

enum err caught_writer(const struct run *run, size_t i, struct target_writer *out)
{
    struct cpu_writer w;
    size_t at = 0;

    for (size_t n = 0; cpu_writer_next(run->cpu, &at, &w); n++) {
        if (n < i)
            continue;
        *out = (struct target_writer){.page = w.page,
                                      .pc = w.who & RUN_OUTSIDE ? 0 : w.pc,
                                      .tid = w.who & ~RUN_OUTSIDE,
                                      .service = w.service};
        return ERR_OK;
    }
    return ERR_RANGE;
}

void caught_fini(struct run *run)
{
    catches_fini(&run->catches);
    free(run->known);
}

/* ---- Words ------------------------------------------------------------------------------------ */

#define STRING_SHOWN 48 /* characters of a text that an argument points at */

static void where(const struct run *run, gva_t addr, struct buf *out)
{
    (void)buf_printf(out, "0x%" PRIx64 " (", addr);
    process_where(run->process, addr, out);
    (void)buf_byte(out, ')');
}

static bool is_plain(uint8_t byte)
{
    return byte >= 0x20 && byte < 0x7f && byte != '"';
}

/* A number, and the text that it points at when that looks like one: four characters or more, of one or two bytes. */
static void show_value(const struct run *run, uint64_t value, struct buf *out)
{
    uint8_t raw[2 * STRING_SHOWN + 2] = {0};
    size_t got = vm_debug_read(process_vm(run->process), value, raw, sizeof raw - 2);
    size_t step = got > 1 && is_plain(raw[0]) && !raw[1] ? 2 : 1;
    size_t len = 0;

    while (len * step + step <= got && is_plain(raw[len * step]) &&
           (step == 1 || !raw[len * step + 1]))
        len++;
    (void)buf_printf(out, "0x%" PRIx64, value);
    if (len < 4)
        return;
    (void)buf_text(out, step == 2 ? " L\"" : " \"");
    for (size_t i = 0; i < len; i++)
        (void)buf_byte(out, raw[i * step]);
    (void)buf_text(out, len * step < got && !raw[len * step] ? "\"" : "...\"");
}

/* Argument i of a function at its first instruction. */
static uint64_t argument(const struct run *run, size_t i)
{
    static const enum cpu_reg regs[] = {CPU_RCX, CPU_RDX, CPU_R8, CPU_R9};
    uint8_t raw[4] = {0};

    if (cpu_get_arch(run->cpu) == CPU_AMD64)
        return cpu_get(run->cpu, regs[i]);
    (void)vm_debug_read(process_vm(run->process), cpu_get(run->cpu, CPU_RSP) + 4 + 4 * i, raw, 4);
    return get_u32(raw);
}

static void show_function(struct run *run, const char *name, struct buf *out)
{
    size_t width = cpu_get_arch(run->cpu) == CPU_AMD64 ? 8 : 4;
    uint8_t raw[8] = {0};

    (void)buf_printf(out, "%s(", name);
    for (size_t i = 0; i < 4; i++) {
        (void)buf_text(out, i ? ", " : "");
        show_value(run, argument(run, i), out);
    }
    (void)buf_text(out, ", ...), called from ");
    (void)vm_debug_read(process_vm(run->process), cpu_get(run->cpu, CPU_RSP), raw, width);
    where(run, get_u64(raw), out);
}

/* Count a hit; text says what was met. True: that is a stop. */
static bool meet(struct run *run, struct catch *c, const struct buf *text)
{
    struct buf line;
    bool log = c->what.log;

    c->what.hits++;
    buf_init(&line, 2048);
    (void)buf_printf(&line, "catch %u: %s", c->what.id, buf_str(text));
    if (log) {
        (void)buf_byte(&line, '\n');
        session_print(run->session, buf_str(&line), line.len);
    } else if (run->stop.kind == STOP_STEP) { /* else the first one's words stand */
        run_stop(run, STOP_CATCH, &line);
    }
    buf_fini(&line);
    return !log;
}

/* ---- Addresses -------------------------------------------------------------------------------- */

bool caught_at(struct run *run, gva_t pc)
{
    bool stopped = false;
    struct buf text;

    buf_init(&text, 1024);
    for (size_t i = catches_places(&run->catches, pc);
         i < run->catches.place_count && run->catches.places[i].addr == pc; i++) {
        const struct catch_place *p = &run->catches.places[i];

        buf_clear(&text);
        if (p->name) {
            show_function(run, p->name, &text);
        } else {
            (void)buf_text(&text, "reached ");
            where(run, pc, &text);
        }
        stopped = meet(run, catches_find(&run->catches, p->id), &text) || stopped;
    }
    buf_clear(&text);
    if (stopped && process_import_at(run->process, pc, &text))
        run->stop.kind = STOP_IMPORT; /* so that going on leaves it as it leaves any other */
    buf_fini(&text);
    return stopped;
}

/* ---- Services --------------------------------------------------------------------------------- */

static void show_call(const struct run *run, const struct process_call *call, struct buf *out)
{
    if (call->name)
        (void)buf_printf(out, "%s(", call->name);
    else
        (void)buf_printf(out, "system service 0x%" PRIx32 "(", call->number);
    for (size_t i = 0; i < call->arg_count; i++)
        (void)buf_printf(out, "%s0x%" PRIx64, i ? ", " : "", call->arg[i]);
    (void)buf_printf(out, ")%s, returning to ", call->known ? "" : ", which winstub does not have");
    where(run, cpu_get(run->cpu, CPU_RIP), out);
}

static bool wants_call(const struct target_catch *what, const struct process_call *call)
{
    if (what->kind != CATCH_SYSCALL)
        return false;
    if (strcmp(what->pattern, UNKNOWN_SERVICES) == 0)
        return !call->known;
    return wildcard_matches(what->pattern, strlen(what->pattern), call->name ? call->name : "");
}

bool caught_call(struct run *run)
{
    gva_t pc = cpu_get(run->cpu, CPU_RIP);
    bool told = run->thread->told_pc == pc;
    struct process_call call;
    bool stopped = false;
    struct buf text;

    run->thread->told_pc = 0;
    if (told || !run->catches.count || !process_call(run->process, &call))
        return false;
    buf_init(&text, 1024);
    show_call(run, &call, &text);
    for (size_t i = 0; i < run->catches.count; i++) {
        if (wants_call(&run->catches.list[i].what, &call))
            stopped = meet(run, &run->catches.list[i], &text) || stopped;
    }
    buf_fini(&text);
    if (!stopped)
        return false;
    run->thread->told_pc = pc;
    cpu_set(run->cpu, CPU_RIP, pc - 2); /* syscall and int n have two bytes */
    return true;
}

/* ---- Modules ---------------------------------------------------------------------------------- */

static bool is_known(const struct run *run, gva_t base)
{
    for (size_t i = 0; i < run->known_count; i++) {
        if (run->known[i] == base)
            return true;
    }
    return false;
}

static void meet_module(struct run *run, const struct process_module *m)
{
    struct target_stop stop = run->stop;
    struct buf text;

    buf_init(&text, 1024);
    (void)buf_printf(&text, "%s loaded at 0x%" PRIx64, m->name, m->base);
    for (size_t i = 0; i < run->catches.count; i++) {
        struct catch *c = &run->catches.list[i];

        if (c->what.kind != CATCH_LOAD ||
            !wildcard_matches(c->what.pattern, strlen(c->what.pattern), m->name) ||
            !meet(run, c, &text))
            continue;
        memcpy(run->load_note, run->stop.note, sizeof run->load_note);
        run->load_caught = true;
        run->stop = stop; /* the client must read the list of modules first: see caught_load */
    }
    buf_fini(&text);
}

void caught_modules(struct run *run)
{
    bool exports = false;

    for (size_t i = 0; i < run->catches.count; i++) {
        struct catch *c = &run->catches.list[i];

        if (c->what.kind != CATCH_EXPORT)
            continue;
        if (!exports)
            unplace(run, 0);
        exports = true;
        if (place_exports(run, c))
            LOG(bp, "catch %u has no memory for its places", c->what.id);
    }
    for (size_t i = 0; process_module(run->process, i); i++) {
        if (!is_known(run, process_module(run->process, i)->base) && run->known_count)
            meet_module(run, process_module(run->process, i));
    }
    learn_modules(run);
}

bool caught_load(struct run *run)
{
    if (!run->load_caught)
        return false;
    run->load_caught = false;
    run->stop.kind = STOP_CATCH;
    memcpy(run->stop.note, run->load_note, sizeof run->stop.note);
    return true;
}

/* ---- Bytes and pages -------------------------------------------------------------------------- */

/* Is the page of a type that the catch is about? */
static bool wants_page(const struct run *run, const struct target_catch *what, gva_t page)
{
    struct vm_region region;

    return !what->types ||
           (!vm_query(process_vm(run->process), page, &region) && (region.type & what->types));
}

static size_t count_written(const struct run *run)
{
    struct cpu_writer unused;
    size_t at = 0, count = 0;

    while (cpu_writer_next(run->cpu, &at, &unused))
        count++;
    return count;
}

static void show_writer(const struct run *run, gva_t page, bool last, struct buf *out)
{
    struct cpu_writer writer;

    if (!cpu_writer_at(run->cpu, page, &writer))
        return;
    (void)buf_printf(out, "; page 0x%" PRIx64 " was %s written %s", page, last ? "last" : "first",
                     writer.who & RUN_OUTSIDE ? "by a system service of another process"
                     : writer.service         ? "by a system service called from "
                                              : "by pc ");
    if (!(writer.who & RUN_OUTSIDE))
        where(run, writer.pc, out);
    (void)buf_printf(out, ", thread %" PRIu32 "; %zu pages written", writer.who & ~RUN_OUTSIDE,
                     count_written(run));
}

bool caught_written(struct run *run, gva_t pc, gva_t page)
{
    struct catch *c = NULL;
    struct buf text;
    bool stopped;

    for (size_t i = 0; i < run->catches.count && !c; i++) {
        if (run->catches.list[i].what.kind == CATCH_WRITTEN)
            c = &run->catches.list[i];
    }
    if (!c || !wants_page(run, &c->what, page))
        return false;
    buf_init(&text, 1024);
    (void)buf_text(&text, "first execution of a written page, at ");
    where(run, pc, &text);
    show_writer(run, page, c->what.last, &text);
    stopped = meet(run, c, &text);
    buf_fini(&text);
    return stopped;
}

static const char *verb(unsigned access)
{
    return access == (VM_READ | VM_WRITE) ? "changes" : access == VM_WRITE ? "writes" : "reads";
}

/* A few bytes as the number that they are. */
static void show_bytes(const uint8_t *bytes, size_t len, struct buf *out)
{
    (void)buf_text(out, "0x");
    for (size_t i = len; i-- > 0;)
        (void)buf_printf(out, "%02x", bytes[i]);
}

bool caught_watch(struct run *run, const struct watch_probe *probe, const struct watch_hit *hit)
{
    struct catch *c = catches_find(&run->catches, hit->watch.owner);
    uint8_t now[8];
    struct buf text;
    bool stopped;

    buf_init(&text, 1024);
    (void)buf_text(&text, "pc ");
    where(run, probe->pc, &text);
    (void)buf_printf(&text, " %s %zu byte%s at 0x%" PRIx64, verb(hit->access), hit->len,
                     hit->len == 1 ? "" : "s", hit->addr);
    if (hit->len <= sizeof now &&
        vm_debug_read(process_vm(run->process), hit->addr, now, hit->len) == hit->len) {
        (void)buf_text(&text, ": ");
        if (hit->access & VM_WRITE) {
            show_bytes(probe->old + hit->old_at, hit->len, &text);
            (void)buf_text(&text, " -> ");
        }
        show_bytes(now, hit->len, &text);
    }
    stopped = meet(run, c, &text);
    buf_fini(&text);
    return stopped;
}

bool caught_service(struct run *run, const struct watch_range *w, gva_t addr, enum vm_access access)
{
    struct catch *c = catches_find(&run->catches, w->owner);
    struct buf text;
    bool stopped;

    buf_init(&text, 1024);
    if (run->beside) {
        (void)buf_printf(&text, "a system service of process %" PRIu32, run->beside);
    } else {
        (void)buf_text(&text, "a system service called from ");
        where(run, cpu_get(run->cpu, CPU_RIP), &text);
    }
    (void)buf_printf(&text, " %s at 0x%" PRIx64, verb(access), addr);
    stopped = meet(run, c, &text);
    buf_fini(&text);
    return stopped;
}
