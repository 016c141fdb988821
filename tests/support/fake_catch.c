/* What the fake target does about catches, traces and coverage: it lists and logs them. */
#include <stdio.h>
#include <string.h>

#include "fake_target.h"

/* A catch whose pattern begins with "bad" is refused. */
enum err fake_catch_add(void *ctx, const struct target_catch *what, unsigned *id, struct diag *why)
{
    struct fake_target *f = ctx;
    struct target_catch *c = &f->catches[f->catch_count];

    if (f->catch_count == FAKE_CATCHES_MAX)
        return diag_set(why, ERR_NOMEM, "no room");
    if (strncmp(what->pattern, "bad", 3) == 0)
        return diag_set(why, ERR_INVALID, "the pattern is bad");
    *c = *what;
    (void)snprintf(f->patterns[f->catch_count], sizeof *f->patterns, "%s", what->pattern);
    c->pattern = f->patterns[f->catch_count++];
    f->last_catch = what->id > f->last_catch ? what->id : f->last_catch + 1;
    c->id = *id = f->last_catch;
    c->hits = 3;
    c->places = what->kind == CATCH_EXPORT ? strlen(what->pattern) % 3 : 1;
    return ERR_OK;
}

static void drop(struct fake_target *f, size_t at)
{
    f->catch_count--;
    for (size_t i = at; i < f->catch_count; i++) {
        memcpy(f->patterns[i], f->patterns[i + 1], sizeof *f->patterns);
        f->catches[i] = f->catches[i + 1];
        f->catches[i].pattern = f->patterns[i];
    }
}

enum err fake_catch_remove(void *ctx, unsigned id)
{
    struct fake_target *f = ctx;
    size_t i = 0;

    while (id && i < f->catch_count && f->catches[i].id != id)
        i++;
    if (id && i == f->catch_count)
        return ERR_NOT_FOUND;
    buf_printf(&f->log, "remove catch %u\n", id);
    if (id)
        drop(f, i);
    else
        f->catch_count = 0;
    return ERR_OK;
}

enum err fake_catch_at(void *ctx, size_t i, struct target_catch *out)
{
    const struct fake_target *f = ctx;

    if (i >= f->catch_count)
        return ERR_RANGE;
    *out = f->catches[i];
    return ERR_OK;
}

enum err fake_hits(void *ctx, size_t i, struct target_hits *out)
{
    (void)ctx;
    *out = (struct target_hits){.addr = FAKE_CODE, .reached = 1000000, .counted = 2};
    return i ? ERR_RANGE : ERR_OK;
}

enum err fake_writer(void *ctx, size_t i, struct target_writer *out)
{
    (void)ctx;
    *out = (struct target_writer){
        .page = FAKE_DATA, .pc = FAKE_CODE + 4, .tid = FAKE_TID2, .service = true};
    return i ? ERR_RANGE : ERR_OK;
}

enum err fake_trace(void *ctx, unsigned tables)
{
    struct fake_target *f = ctx;

    buf_printf(&f->log, "trace %x\n", tables);
    return ERR_OK;
}

enum err fake_coverage(void *ctx, bool on, const char *at_end, struct diag *why)
{
    struct fake_target *f = ctx;

    if (at_end && at_end[0] == '/')
        return diag_set(why, ERR_INVALID, "no such place");
    buf_printf(&f->log, "coverage %s %s\n", on ? "on" : "off", at_end ? at_end : "-");
    return ERR_OK;
}

enum err fake_coverage_save(void *ctx, const char *file, struct diag *why)
{
    struct fake_target *f = ctx;

    if (file[0] == '/')
        return diag_set(why, ERR_INVALID, "no such place");
    buf_printf(&f->log, "coverage in %s\n", file);
    return ERR_OK;
}

void fake_where(void *ctx, gva_t addr, struct buf *out)
{
    (void)ctx;
    buf_printf(out, "prog.exe+0x%" PRIx64, addr);
}
