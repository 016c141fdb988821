/*
 * Cutting and joining runs; see runs.h. What a run means is decided by those who set its fields. Runs lie in
 * sorted arrays: one inside struct runs, or the chunks, which are split when they are full and joined when two
 * neighbours got sparse.
 */
#include "vm/runs.h"

#include <assert.h>
#include <string.h>

/* Two neighbours that together have no more than this are joined. */
#define JOIN_MOST (RUNS_IN_CHUNK * 3 / 4)

static struct runs_chunk *chunk_of_node(const struct tree_node *node)
{
    return node ? (struct runs_chunk *)((char *)node - offsetof(struct runs_chunk, node)) : NULL;
}

/* The chunk that holds r, which is not at home. */
static struct runs_chunk *chunk_of(const struct run *r)
{
    return (struct runs_chunk *)((char *)(r - r->index) - offsetof(struct runs_chunk, run));
}

struct run *run_next(const struct run *r)
{
    struct runs_chunk *next;

    if (!r->last)
        return (struct run *)r + 1;
    next = r->home ? NULL : chunk_of_node(tree_next(&chunk_of(r)->node));
    return next ? &next->run[0] : NULL;
}

struct run *run_prev(const struct run *r)
{
    struct runs_chunk *prev;

    if (r->index)
        return (struct run *)r - 1;
    prev = r->home ? NULL : chunk_of_node(tree_prev(&chunk_of(r)->node));
    return prev ? &prev->run[prev->count - 1] : NULL;
}

struct run *runs_first(const struct runs *runs)
{
    struct runs_chunk *c = chunk_of_node(tree_first(&runs->chunks));

    if (c)
        return &c->run[0];
    return runs->count ? (struct run *)&runs->home[0] : NULL;
}

static struct run *runs_last(const struct runs *runs)
{
    struct runs_chunk *c = chunk_of_node(tree_last(&runs->chunks));

    return c ? &c->run[c->count - 1] : (struct run *)&runs->home[runs->count - 1];
}

/* Let the runs of an array, which are count, say where they are. */
static void number(struct run *array, unsigned from, size_t count, bool home)
{
    if (from > 0)
        array[from - 1].last = from == count;
    for (unsigned i = from; i < count; i++) {
        array[i].index = (uint8_t)i;
        array[i].last = i + 1 == count;
        array[i].home = home;
    }
}

void runs_init(struct runs *runs, gva_t start, gva_t end)
{
    *runs = (struct runs){.count = 1};
    runs->home[0] = (struct run){.start = start, .end = end};
    number(runs->home, 0, 1, true);
}

static void give_chunk(struct runs *runs, struct pool *pool, struct runs_chunk *c)
{
    tree_remove(&runs->chunks, &c->node);
    if (runs->recent == c)
        runs->recent = NULL;
    pool_give(pool, c);
}

void runs_fini(struct runs *runs, struct pool *pool)
{
    for (struct run *r = runs_first(runs); r; r = run_next(r))
        label_unref(r->label);
    while (runs->chunks.root)
        give_chunk(runs, pool, chunk_of_node(runs->chunks.root));
    runs->count = 0;
}

/* The last of the runs of an array that starts at or below addr; the first one does. */
static struct run *find_in(const struct run *array, size_t count, gva_t addr)
{
    size_t base = 0;

    while (count > 1) {
        size_t half = count / 2;

        base += half & (0u - (size_t)(array[base + half].start <= addr));
        count -= half;
    }
    return (struct run *)&array[base];
}

/* The run that holds addr when it is the one behind the last cut: most changes are next to the one before. */
static struct run *find_recent(const struct runs *runs, gva_t addr)
{
    struct runs_chunk *c = runs->recent;
    struct run *r = c && c->recent < c->count ? &c->run[c->recent] : NULL;

    return r && r->start <= addr && addr < r->end ? r : NULL;
}

struct run *runs_find(const struct runs *runs, gva_t addr)
{
    struct run *recent = find_recent(runs, addr);
    const struct runs_chunk *c;

    if (recent)
        return recent;
    c = chunk_of_node(tree_floor(&runs->chunks, addr));
    return c ? find_in(c->run, c->count, addr) : find_in(runs->home, runs->count, addr);
}

/* An empty chunk behind `before` (NULL: the first), for runs from start on. */
static struct runs_chunk *add_chunk(struct runs *runs, struct pool *pool, struct runs_chunk *before,
                                    gva_t start)
{
    struct runs_chunk *c = pool_take(pool);

    c->node.key = start;
    c->count = 0;
    tree_insert(&runs->chunks, before ? &before->node : NULL, &c->node);
    return c;
}

/* Move n runs, from index i on, from one chunk to the front or the end of another. */
static void move_runs(struct runs_chunk *from, unsigned i, unsigned n, struct runs_chunk *to,
                      unsigned at)
{
    memmove(&to->run[at + n], &to->run[at], (to->count - at) * sizeof *to->run);
    memcpy(&to->run[at], &from->run[i], n * sizeof *to->run);
    memmove(&from->run[i], &from->run[i + n], (from->count - i - n) * sizeof *from->run);
    to->count += n;
    from->count -= n;
    number(to->run, at, to->count, false);
    number(from->run, i, from->count, false);
}

/* Runs that are more than fit at home move out, to one chunk. */
static void leave_home(struct runs *runs, struct pool *pool)
{
    struct runs_chunk *c = add_chunk(runs, pool, NULL, runs->home[0].start);

    memcpy(c->run, runs->home, sizeof runs->home);
    c->count = RUNS_AT_HOME;
    number(c->run, 0, c->count, false);
}

/* Runs that fit at home again move in. */
static void go_home(struct runs *runs, struct pool *pool)
{
    struct runs_chunk *c = chunk_of_node(tree_first(&runs->chunks));
    size_t count = 0;

    while (c) {
        struct runs_chunk *next = chunk_of_node(tree_next(&c->node));

        memcpy(&runs->home[count], c->run, c->count * sizeof *c->run);
        count += c->count;
        give_chunk(runs, pool, c);
        c = next;
    }
    assert(count == runs->count);
    number(runs->home, 0, count, true);
}

/* Room for n runs in an array before the i-th of its count: where they go, their fields not yet set. */
static struct run *open_array(struct run *array, unsigned i, unsigned n, size_t count, bool home)
{
    memmove(&array[i + n], &array[i], (count - i) * sizeof *array);
    number(array, i, count + n, home);
    return &array[i];
}

/* Room for one run behind run i of a full chunk. Runs that are cut in ascending order leave full chunks behind. */
static struct run *open_full(struct runs *runs, struct pool *pool, struct runs_chunk *c, unsigned i,
                             gva_t start)
{
    struct runs_chunk *next = chunk_of_node(tree_next(&c->node));

    if (i + 1 == RUNS_IN_CHUNK) {
        if (!next || next->count == RUNS_IN_CHUNK)
            next = add_chunk(runs, pool, c, start);
        next->node.key = start;
        return open_array(next->run, 0, 1, next->count++, false);
    }
    next = add_chunk(runs, pool, c, c->run[RUNS_IN_CHUNK / 2].start);
    move_runs(c, RUNS_IN_CHUNK / 2, RUNS_IN_CHUNK - RUNS_IN_CHUNK / 2, next, 0);
    if (i >= c->count) {
        i -= c->count;
        c = next;
    }
    return open_array(c->run, i + 1, 1, c->count++, false);
}

/* Room for one run, which will start at start, behind r. */
static struct run *open_behind(struct runs *runs, struct pool *pool, const struct run *r,
                               gva_t start)
{
    unsigned i = r->index;
    struct runs_chunk *c;

    if (r->home && runs->count < RUNS_AT_HOME)
        return open_array(runs->home, i + 1, 1, runs->count++, true);
    if (r->home)
        leave_home(runs, pool);
    c = r->home ? chunk_of_node(runs->chunks.root) : chunk_of(r);
    runs->count++;
    if (c->count == RUNS_IN_CHUNK)
        return open_full(runs, pool, c, i, start);
    return open_array(c->run, i + 1, 1, c->count++, false);
}

/* Set what the outside sees of a run. */
static void set_fields(struct run *r, const struct run *from)
{
    r->start = from->start;
    r->end = from->end;
    r->label = label_ref(from->label);
    r->protect = from->protect;
    r->written = from->written;
}

static void set_recent(struct runs *runs, const struct run *r)
{
    runs->recent = r->home ? NULL : chunk_of(r);
    if (runs->recent)
        runs->recent->recent = r->index;
}

/* Cut r in two at addr, strictly inside it; returns the upper part. The lower one may have moved. */
static struct run *split(struct runs *runs, struct pool *pool, struct run *r, gva_t addr)
{
    struct run upper = *r;
    struct run *to;

    upper.start = addr;
    r->end = addr;
    to = open_behind(runs, pool, r, addr);
    set_fields(to, &upper);
    set_recent(runs, to);
    return to;
}

/* Cut [start, end), strictly inside r, out of it when the array of r has room for two more; else NULL. */
static struct run *cut_inside(struct runs *runs, struct run *r, gva_t start, gva_t end)
{
    struct runs_chunk *c = r->home ? NULL : chunk_of(r);
    size_t count = c ? c->count : runs->count;
    struct run *middle;

    if (count + 2 > (c ? RUNS_IN_CHUNK : RUNS_AT_HOME))
        return NULL;
    middle = open_array(r - r->index, r->index + 1u, 2, count, !c);
    set_fields(&middle[0], r);
    set_fields(&middle[1], r);
    r->end = start;
    middle[0].start = start;
    middle[0].end = end;
    middle[1].start = end;
    runs->count += 2;
    if (c)
        c->count += 2;
    set_recent(runs, &middle[1]);
    return middle;
}

struct run *runs_cut(struct runs *runs, struct pool *pool, struct run *at, gva_t start, gva_t end)
{
    struct run *last = at;

    if (at->start < start && end < at->end) {
        struct run *middle = cut_inside(runs, at, start, end);

        if (middle)
            return middle;
    }
    while (last->end < end)
        last = run_next(last);
    if (last->end > end) {
        bool same = last == at;

        last = split(runs, pool, last, end);
        at = same ? run_prev(last) : runs_find(runs, start);
    }
    return at->start < start ? split(runs, pool, at, start) : at;
}

void runs_append(struct runs *runs, struct pool *pool, const struct run *r)
{
    struct run *to = runs->count ? open_behind(runs, pool, runs_last(runs), r->start)
                                 : open_array(runs->home, 0, 1, runs->count++, true);

    set_fields(to, r);
}

size_t runs_append_cost(size_t count)
{
    return count <= RUNS_AT_HOME ? 0 : (count + RUNS_IN_CHUNK - 1) / RUNS_IN_CHUNK;
}

bool runs_look_alike(const struct run *a, const struct run *b)
{
    return a->protect == b->protect;
}

static bool equal(const struct run *a, const struct run *b)
{
    return runs_look_alike(a, b) && a->written == b->written && a->label == b->label;
}

/* Take r out; returns the run behind it. Runs before it stay where they are. */
static struct run *take_out(struct runs *runs, struct pool *pool, struct run *r)
{
    struct runs_chunk *c = r->home ? NULL : chunk_of(r);
    struct run *array = r - r->index;
    struct run *next = r->last ? run_next(r) : r;
    unsigned i = r->index;
    size_t count = c ? --c->count : runs->count - 1;

    label_unref(r->label);
    runs->count--;
    memmove(r, r + 1, (count - i) * sizeof *r);
    number(array, i, count, !c);
    if (c && !count)
        give_chunk(runs, pool, c);
    else if (c)
        c->node.key = c->run[0].start;
    return next;
}

/* Join c with the chunk behind it when they are sparse. */
static void join_chunks(struct runs *runs, struct pool *pool, struct runs_chunk *c)
{
    struct runs_chunk *next = c ? chunk_of_node(tree_next(&c->node)) : NULL;

    if (!next || c->count + next->count > JOIN_MOST)
        return;
    move_runs(next, 0, next->count, c, c->count);
    give_chunk(runs, pool, next);
}

/* Runs were taken out near addr: join chunks that got sparse, or all of them. */
static void tidy(struct runs *runs, struct pool *pool, gva_t addr)
{
    struct runs_chunk *c = chunk_of_node(tree_floor(&runs->chunks, addr));

    if (!runs->chunks.root)
        return;
    if (runs->count <= RUNS_AT_HOME) {
        go_home(runs, pool);
        return;
    }
    join_chunks(runs, pool, c);
    if (c)
        join_chunks(runs, pool, chunk_of_node(tree_prev(&c->node)));
}

void runs_join(struct runs *runs, struct pool *pool, struct run *first, gva_t end)
{
    struct run *r = run_prev(first);
    size_t before = runs->count;
    struct run *next;

    r = r ? r : first;
    while (r->end <= end && (next = run_next(r)) != NULL) {
        if (equal(r, next)) {
            r->end = next->end;
            (void)take_out(runs, pool, next);
        } else {
            r = next;
        }
    }
    if (runs->count < before)
        tidy(runs, pool, r->start);
}

struct run *runs_drop(struct runs *runs, struct pool *pool, struct run *first, gva_t end)
{
    while (first && first->start < end)
        first = take_out(runs, pool, first);
    tidy(runs, pool, end);
    return first ? runs_find(runs, end) : NULL;
}

/* The chunk whose first run is r, made by moving r and those behind it in its chunk to one of their own. */
static struct runs_chunk *cut_chunk(struct runs *runs, struct pool *pool, const struct run *r)
{
    struct runs_chunk *c = chunk_of(r);
    struct runs_chunk *upper;
    unsigned i = r->index;

    if (!i)
        return c;
    upper = add_chunk(runs, pool, c, r->start);
    move_runs(c, i, c->count - i, upper, 0);
    return upper;
}

/* Move the chunks from c on. */
static void move_chunks(struct runs *runs, struct runs_chunk *c, struct runs *to)
{
    struct runs_chunk *before = NULL;

    runs->recent = NULL;
    while (c) {
        struct runs_chunk *next = chunk_of_node(tree_next(&c->node));

        tree_remove(&runs->chunks, &c->node);
        tree_insert(&to->chunks, before ? &before->node : NULL, &c->node);
        to->count += c->count;
        before = c;
        c = next;
    }
}

void runs_move_tail(struct runs *runs, struct pool *pool, struct run *first, struct runs *to)
{
    gva_t cut = first->start;

    *to = (struct runs){0};
    if (first->home) {
        unsigned i = first->index;

        to->count = runs->count - i;
        memcpy(to->home, first, to->count * sizeof *first);
        number(to->home, 0, to->count, true);
        number(runs->home, i, i, true);
    } else {
        move_chunks(runs, cut_chunk(runs, pool, first), to);
    }
    runs->count -= to->count;
    tidy(runs, pool, cut - 1);
    tidy(to, pool, cut);
}

/* Do the runs of an array say where they are? */
static bool numbers_valid(const struct run *array, size_t count, bool home)
{
    for (size_t i = 0; i < count; i++) {
        if (array[i].index != i || array[i].last != (i + 1 == count) || array[i].home != home)
            return false;
    }
    return true;
}

static bool chunks_valid(const struct runs *runs)
{
    size_t count = 0;

    if (!runs->chunks.root)
        return runs->count <= RUNS_AT_HOME && numbers_valid(runs->home, runs->count, true);
    if (!tree_valid(&runs->chunks))
        return false;
    for (const struct tree_node *n = tree_first(&runs->chunks); n; n = tree_next(n)) {
        const struct runs_chunk *c = chunk_of_node(n);

        if (!c->count || c->count > RUNS_IN_CHUNK || c->node.key != c->run[0].start ||
            !numbers_valid(c->run, c->count, false))
            return false;
        count += c->count;
    }
    return count == runs->count && count > RUNS_AT_HOME;
}

bool runs_valid(const struct runs *runs, gva_t start, gva_t end)
{
    const struct run *last = NULL;
    gva_t at = start;

    if (!chunks_valid(runs))
        return false;
    for (const struct run *r = runs_first(runs); r; r = run_next(r)) {
        if (r->start != at || r->end <= at || (last && equal(last, r)))
            return false;
        at = r->end;
        last = r;
    }
    return at == end;
}
