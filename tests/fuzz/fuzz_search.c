/*
 * Any layout of memory, any contents and any pattern: vm_search against a search that looks at every byte of every
 * place, one after the other. Few different bytes are used, so that hits are many and lie everywhere.
 */
#include <stdlib.h>
#include <string.h>

#include "winstub/bytes.h"
#include "winstub/extent.h"
#include "winstub/search.h"

#define BASE      UINT64_C(0x20000)
#define GRANULES  3u
#define SPAN      (GRANULES * VM_GRANULARITY)
#define PAGES     (SPAN / VM_PAGE_SIZE)
#define LONGEST   (2u * VM_PAGE_SIZE)
#define STEPS_MAX 64u
#define SEARCHES  4u /* per input */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool promise)
{
    if (!promise)
        abort();
}

/* The input; zeros when it is used up. */
struct input {
    struct bytes left;
};

static unsigned next_number(struct input *in)
{
    uint8_t raw[2] = {0, 0};

    for (size_t i = 0; i < sizeof raw && in->left.len; i++) {
        raw[i] = *in->left.data;
        in->left = bytes_slice(in->left, 1, in->left.len - 1);
    }
    return get_u16(raw);
}

/* ---- Layout ---------------------------------------------------------------------------------- */

/* What the vm refuses changes nothing: the layout is then another one. */
static nt_status allocate(struct vm *vm, struct input *in, uint32_t type)
{
    struct vm_request req = {.base = BASE + next_number(in) % PAGES * VM_PAGE_SIZE,
                             .size = (1 + next_number(in) % 20) * VM_PAGE_SIZE,
                             .type = type,
                             .protect = next_number(in) % 2 ? PAGE_READWRITE : PAGE_NOACCESS};

    if (req.base + req.size > BASE + SPAN)
        return STATUS_INVALID_PARAMETER;
    return vm_allocate(vm, &req, NULL, NULL);
}

static nt_status release(struct vm *vm, struct input *in, uint32_t type)
{
    gva_t base = BASE + next_number(in) % PAGES * VM_PAGE_SIZE;
    uint64_t size = (next_number(in) % 4) * VM_PAGE_SIZE;

    return vm_release(vm, &base, &size, type);
}

/* Three different bytes, zeros among them, in runs of any length around the edge of a page. */
static bool write(struct vm *vm, struct input *in)
{
    static const uint8_t letters[] = {0x00, 0x41, 0x4f};
    gva_t addr = BASE + next_number(in) % PAGES * VM_PAGE_SIZE;
    unsigned shape = next_number(in);
    uint8_t text[64];
    size_t len = 1 + shape % sizeof text;

    for (size_t i = 0; i < len; i++)
        text[i] = letters[(shape >> (6 + i % 5)) % 3];
    return vm_debug_write(vm, addr - shape / 64 % len, text, len);
}

/* Allocations that touch, committed as far as one number says. */
static void start_with(struct vm *vm, unsigned committed)
{
    for (unsigned i = 0; i < GRANULES; i++) {
        struct vm_request req = {.base = BASE + i * VM_GRANULARITY,
                                 .size = VM_GRANULARITY,
                                 .type =
                                     committed >> i & 1 ? MEM_RESERVE | MEM_COMMIT : MEM_RESERVE,
                                 .protect = PAGE_READWRITE};

        if (committed >> (GRANULES + i) & 1)
            require(vm_allocate(vm, &req, NULL, NULL) == STATUS_SUCCESS);
    }
}

static void lay_out(struct vm *vm, struct input *in)
{
    start_with(vm, next_number(in));
    for (unsigned n = next_number(in) % STEPS_MAX; n; n--) {
        switch (next_number(in) % 8) {
        case 0:
            (void)allocate(vm, in, MEM_RESERVE);
            break;
        case 1:
            (void)allocate(vm, in, MEM_COMMIT);
            break;
        case 2:
            (void)release(vm, in, MEM_DECOMMIT);
            break;
        case 3:
            (void)allocate(vm, in, MEM_RESERVE | MEM_COMMIT);
            break;
        default:
            (void)write(vm, in);
        }
    }
}

/* ---- The slow search ------------------------------------------------------------------------- */

struct twin {
    uint8_t bytes[SPAN];
    bool there[SPAN];
    uint8_t value[LONGEST];
    uint8_t mask[LONGEST];
    size_t len;
    size_t at;  /* places below it are behind us */
    size_t end; /* of the range */
    size_t hits;
    size_t last; /* the hit at which the search is told to end */
};

static void copy_memory(struct twin *t, const struct vm *vm)
{
    for (size_t at = 0; at < SPAN; at += VM_PAGE_SIZE) {
        size_t got = vm_debug_read(vm, BASE + at, t->bytes + at, VM_PAGE_SIZE);

        require(got == VM_PAGE_SIZE || got == 0);
        require((got != 0) == vm_is_mapped(vm, BASE + at, VM_PAGE_SIZE, NULL));
        memset(t->there + at, got != 0, VM_PAGE_SIZE);
    }
}

static uint8_t next_mask(struct input *in)
{
    static const uint8_t masks[] = {0xff, 0xff, 0xff, 0x00, 0xf0, 0x0f, 0xff, 0x80};

    return masks[next_number(in) % sizeof masks];
}

/* What lies at some place, or something of few letters. */
static void make_pattern(struct twin *t, struct input *in)
{
    size_t period = 1 + next_number(in) % 7;
    unsigned length = next_number(in);
    unsigned place = next_number(in);
    size_t at = place / 32 % PAGES * VM_PAGE_SIZE - place % 32;

    t->len = 1 + (length % 32 ? length / 32 % 16 : length / 32 * 4u % LONGEST);
    for (size_t i = 0; i < t->len; i++) {
        bool copied = place % 4 && at + i < SPAN;

        t->value[i] = i < period ? (uint8_t)(next_number(in) % 3 * 0x41) : t->value[i - period];
        t->value[i] = copied ? t->bytes[at + i] : t->value[i];
        t->mask[i] = i < period ? next_mask(in) : t->mask[i - period];
    }
}

static bool matches(const struct twin *t, size_t at)
{
    for (size_t i = 0; i < t->len; i++) {
        if (at + i >= t->end || !t->there[at + i] ||
            (t->bytes[at + i] & t->mask[i]) != (t->value[i] & t->mask[i]))
            return false;
    }
    return true;
}

/* Move on to the next place that matches; false when there is none. */
static bool next_hit(struct twin *t)
{
    while (t->at < t->end && !matches(t, t->at))
        t->at++;
    return t->at < t->end;
}

static bool see(void *ctx, gva_t addr)
{
    struct twin *t = ctx;

    require(next_hit(t) && addr == BASE + t->at);
    t->at++;
    return ++t->hits != t->last;
}

static bool matches_everything(const struct twin *t)
{
    for (size_t i = 0; i < t->len; i++) {
        if (t->mask[i])
            return false;
    }
    return true;
}

/* ---- One input ------------------------------------------------------------------------------- */

/* Where to search: mostly a few pages, because the slow search is slow. */
static void choose_range(struct twin *t, struct input *in)
{
    unsigned shape = next_number(in);

    t->at = 0;
    t->end = SPAN;
    if (shape % 32 == 31)
        return;
    t->at = next_number(in) * 3u;
    t->end = t->at + 1 + next_number(in) % (3 * VM_PAGE_SIZE);
    t->end = t->end < SPAN ? t->end : SPAN;
}

static void compare(const struct vm *vm, struct twin *t, struct input *in)
{
    struct vm_pattern *p = NULL;
    struct diag why = {""};
    size_t start;
    enum err e;

    choose_range(t, in);
    make_pattern(t, in);
    if (t->len > 64 && t->at < t->end && t->end - t->at > t->len + 64)
        t->end = t->at + t->len + 64; /* else the slow search would take seconds */
    start = t->at;
    t->last = next_number(in) % 2 ? 1 + next_number(in) % 50 : 0;
    t->hits = 0;
    e = vm_pattern_new(t->value, t->mask, t->len, &p, &why);
    require(e == (matches_everything(t) ? ERR_INVALID : ERR_OK));
    if (e || start >= t->end) {
        vm_pattern_free(p);
        return;
    }
    require(vm_search(vm, p, BASE + start, BASE + t->end, see, t, &why) == ERR_OK);
    require((t->last && t->hits == t->last) || !next_hit(t));
    vm_pattern_free(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vm_config config = {.arena_size = UINT64_C(1) << 20};
    struct input in = {{data, size}};
    struct twin *twin = calloc(1, sizeof *twin);
    struct vm *vm = NULL;

    require(twin && vm_new(&config, &vm) == ERR_OK);
    lay_out(vm, &in);
    copy_memory(twin, vm);
    for (unsigned n = 0; n < SEARCHES && in.left.len; n++)
        compare(vm, twin, &in);
    vm_free(vm);
    free(twin);
    return 0;
}
