/*
 * The arena and its reference counts. Frames are handed out warm ones first (zeroed by hand), then
 * those that the host took back, then new ones; the host gets freed memory back in sorted batches, since
 * one madvise costs as much as zeroing several frames. DESIGN.md section 3.
 */
#include "vm/frames.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Where arenas are tried: in the middle of the host's address space, clear of sanitizers' own memory. */
#define ARENA_FIRST  UINT64_C(0x200000000000)
#define ARENA_LAST   UINT64_C(0x300000000000)
#define ARENA_STRIDE UINT64_C(0x10000000000)

static void *map_host(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                   -1, 0);

    return p == MAP_FAILED ? NULL : p;
}

/*
 * The arena goes far from where the host puts libraries: in between, it would push the CPU engine's code buffer more than
 * 2 GiB away from the functions that translated code calls, and make every such call a slower one.
 */
static void *map_arena(size_t size)
{
    for (uintptr_t at = ARENA_FIRST; at < ARENA_LAST; at += ARENA_STRIDE) {
        void *p = mmap((void *)at, size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);

        if (p == (void *)at)
            return p;
        if (p != MAP_FAILED) /* a kernel that takes the address for a hint */
            (void)munmap(p, size);
    }
    return map_host(size);
}

enum err frames_init(struct frames *f, uint64_t arena_size)
{
    uint64_t count = arena_size / FRAME_SIZE;

    *f = (struct frames){.returned = FRAME_NONE};
    if (!count || count > FRAME_MOST)
        return ERR_NOMEM;
    f->limit = (uint32_t)count;
    f->arena = map_arena((size_t)count * FRAME_SIZE);
    f->state = map_host((size_t)count * sizeof *f->state);
    if (f->arena && f->state)
        return ERR_OK;
    frames_fini(f);
    return ERR_NOMEM;
}

void frames_fini(struct frames *f)
{
    if (f->arena)
        (void)munmap(f->arena, (size_t)f->limit * FRAME_SIZE);
    if (f->state)
        (void)munmap(f->state, (size_t)f->limit * sizeof *f->state);
    *f = (struct frames){.returned = FRAME_NONE};
}

uint8_t *frames_bytes(const struct frames *f, frame_t frame)
{
    assert(frame < f->fresh);
    return f->arena + (size_t)frame * FRAME_SIZE;
}

/* A free frame; *dirty: it still holds old bytes, else it is zero. */
static bool take_free(struct frames *f, frame_t *out, bool *dirty)
{
    *dirty = f->dirty_count > 0;
    if (*dirty) {
        *out = f->dirty[--f->dirty_count];
        return true;
    }
    if (f->returned != FRAME_NONE) {
        *out = f->returned;
        f->returned = f->state[*out] & ~FRAME_IS_FREE;
        return true;
    }
    if (f->fresh == f->limit)
        return false;
    *out = f->fresh++;
    return true;
}

uint32_t frames_room(const struct frames *f)
{
    return f->limit - f->in_use;
}

static void put_in_use(struct frames *f, frame_t frame)
{
    f->state[frame] = 1;
    f->in_use++;
    f->references++;
}

bool frames_new(struct frames *f, frame_t *out)
{
    bool dirty;

    if (!take_free(f, out, &dirty))
        return false;
    if (dirty)
        memset(frames_bytes(f, *out), 0, FRAME_SIZE);
    put_in_use(f, *out);
    return true;
}

bool frames_copy(struct frames *f, frame_t from, frame_t *out)
{
    bool dirty;

    if (!take_free(f, out, &dirty))
        return false;
    memcpy(frames_bytes(f, *out), frames_bytes(f, from), FRAME_SIZE);
    put_in_use(f, *out);
    return true;
}

void frames_ref(struct frames *f, frame_t frame)
{
    assert(frames_refs(f, frame) > 0);
    f->references++;
    if (f->state[frame]++ == 1)
        f->shared++;
}

static int compare_frames(const void *a, const void *b)
{
    frame_t x = *(const frame_t *)a;
    frame_t y = *(const frame_t *)b;

    return (x > y) - (x < y);
}

/* Give the bytes of count frames from first on back to the host; they read as zero afterwards. */
static void return_range(struct frames *f, frame_t first, size_t count)
{
    uint8_t *bytes = frames_bytes(f, first);

    if (madvise(bytes, count * FRAME_SIZE, MADV_DONTNEED) != 0)
        memset(bytes, 0, count * FRAME_SIZE);
    for (size_t i = count; i-- > 0;) {
        f->state[first + i] = FRAME_IS_FREE | f->returned;
        f->returned = first + (frame_t)i;
    }
}

static void return_dirty(struct frames *f)
{
    size_t start = 0;

    qsort(f->dirty, f->dirty_count, sizeof *f->dirty, compare_frames);
    for (size_t i = 1; i <= f->dirty_count; i++) {
        if (i < f->dirty_count && f->dirty[i] == f->dirty[i - 1] + 1)
            continue;
        return_range(f, f->dirty[start], i - start);
        start = i;
    }
    f->dirty_count = 0;
}

static void free_frame(struct frames *f, frame_t frame)
{
    f->in_use--;
    if (f->on_free)
        f->on_free(f->on_free_ctx, frame);
    if (f->dirty_count == FRAME_BATCH)
        return_dirty(f);
    f->state[frame] = FRAME_IS_FREE | FRAME_NONE;
    f->dirty[f->dirty_count++] = frame;
}

void frames_unref(struct frames *f, frame_t frame)
{
    assert(frames_refs(f, frame) > 0);
    f->references--;
    if (--f->state[frame] == 0)
        free_frame(f, frame);
    else if (f->state[frame] == 1)
        f->shared--;
}

uint32_t frames_refs(const struct frames *f, frame_t frame)
{
    if (frame >= f->fresh || f->state[frame] & FRAME_IS_FREE)
        return 0;
    return f->state[frame];
}

/* How many free frames the two lists hold; more than fresh when a list is broken. */
static uint64_t count_free(const struct frames *f)
{
    uint64_t count = f->dirty_count;
    frame_t at = f->returned;

    for (size_t i = 0; i < f->dirty_count; i++) {
        if (f->dirty[i] >= f->fresh || frames_refs(f, f->dirty[i]))
            return UINT64_MAX;
    }
    while (at != FRAME_NONE && count <= f->fresh) {
        if (at >= f->fresh || !(f->state[at] & FRAME_IS_FREE))
            return UINT64_MAX;
        at = f->state[at] & ~FRAME_IS_FREE;
        count++;
    }
    return count;
}

bool frames_valid(const struct frames *f)
{
    uint64_t references = 0;
    uint32_t in_use = 0;
    uint32_t shared = 0;

    for (frame_t i = 0; i < f->fresh; i++) {
        uint32_t refs = frames_refs(f, i);

        references += refs;
        in_use += refs > 0;
        shared += refs > 1;
    }
    return f->fresh <= f->limit && references == f->references && in_use == f->in_use &&
           shared == f->shared && count_free(f) == f->fresh - in_use;
}
