/*
 * Where a pattern lies in guest memory; see search.h. Every piece of memory is searched in place for the hits that
 * lie inside it. The hits that start in it and end behind it are searched in a copy of the bytes around its end.
 */
#include "winstub/search.h"

#include <stdlib.h>

#include "vm/pattern.h"
#include "vm/peek.h"
#include "winstub/extent.h"

struct search {
    const struct vm *vm;
    const struct vm_pattern *pattern;
    gva_t end;
    vm_hit_fn *hit;
    void *ctx;
    uint8_t *seam; /* room for what hits across the end of a piece can cover */
};

/* Report the hits inside len bytes that stand for those at addr. False: hit has ended the search. */
static bool scan(const struct search *s, const uint8_t *bytes, size_t len, gva_t addr)
{
    const struct vm_pattern *p = s->pattern;
    size_t last;

    if (len < p->len)
        return true;
    last = len - p->len;
    for (size_t at = 0; at <= last; at++) {
        at = pattern_candidate(p, bytes, at, last);
        if (at <= last && pattern_matches(p, bytes + at) && !s->hit(s->ctx, addr + at))
            return false;
    }
    return true;
}

/* The same inside len bytes of zeros. */
static bool scan_zeros(const struct search *s, size_t len, gva_t addr)
{
    if (!s->pattern->zero)
        return true;
    for (; len >= s->pattern->len; len--, addr++) {
        if (!s->hit(s->ctx, addr))
            return false;
    }
    return true;
}

/* Report the hits that start in [start, stop) and end behind it. */
static bool scan_seam(const struct search *s, gva_t start, gva_t stop)
{
    uint64_t reach = s->pattern->len - 1;
    gva_t from = stop - start < reach ? start : stop - reach;
    gva_t to = s->end - stop < reach ? s->end : stop + reach;

    if (to == stop)
        return true;
    return scan(s, s->seam, vm_debug_read(s->vm, from, s->seam, (size_t)(to - from)), from);
}

static void scan_all(const struct search *s, gva_t start)
{
    struct peek p;
    bool more = true;

    peek_init(&p, s->vm, start, s->end);
    while (more && peek_next(&p)) {
        more = p.bytes ? scan(s, p.bytes, p.len, p.addr) : scan_zeros(s, p.len, p.addr);
        more = more && scan_seam(s, p.addr, p.addr + p.len);
    }
}

enum err vm_search(const struct vm *vm, const struct vm_pattern *pattern, gva_t start, gva_t end,
                   vm_hit_fn *hit, void *ctx, struct diag *why)
{
    gva_t limit = vm_user_limit(vm);
    struct search s = {vm, pattern, end && end < limit ? end : limit, hit, ctx, NULL};

    if (end && start >= end)
        return diag_set(why, ERR_INVALID, "search: 0x%" PRIx64 " is not below 0x%" PRIx64, start,
                        end);
    s.seam = malloc(2 * pattern->len);
    if (!s.seam)
        return diag_set(why, ERR_NOMEM, "no memory to search for %zu bytes", pattern->len);
    scan_all(&s, start);
    free(s.seam);
    return ERR_OK;
}

struct list {
    gva_t *hits;
    size_t cap;
    size_t count;
};

static bool add_hit(void *ctx, gva_t addr)
{
    struct list *l = ctx;

    l->hits[l->count++] = addr;
    return l->count < l->cap;
}

enum err vm_search_list(const struct vm *vm, const struct vm_pattern *pattern, gva_t start,
                        gva_t end, gva_t *hits, size_t cap, size_t *count, struct diag *why)
{
    struct list l = {hits, cap, 0};
    enum err e;

    if (!cap)
        return diag_set(why, ERR_INVALID, "search: no room for a hit");
    e = vm_search(vm, pattern, start, end, add_hit, &l, why);
    if (!e)
        *count = l.count;
    return e;
}
