/*
 * The memory manager against its budgets (DESIGN.md section 3). Figures of the host kernel, of memcpy and of a
 * bare binary search come from the same run; ratios above 1 mean that we are faster. The argument is the number of batches.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "winstub/vm.h"

#define BATCH     64u
#define HOST_MAPS 10000u
#define FEW       100u
#define MANY      100000u
#define BULK      (UINT64_C(64) << 20)
#define ALTERNATE 4000u

static double now(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* A small generator of our own: the same places in every run. */
static uint32_t next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

static void report(const char *name, double value, const char *unit)
{
    printf("%s %.3g %s\n", name, value, unit);
}

/* A ratio with its goal. */
static void at_least(const char *name, double value, double goal)
{
    printf("%s %.3g ratio, goal >= %g: %s\n", name, value, goal, value >= goal ? "met" : "MISSED");
}

static void at_most(const char *name, double value, double goal)
{
    printf("%s %.3g times, goal <= %g: %s\n", name, value, goal, value <= goal ? "met" : "MISSED");
}

static void need(bool ok, const char *what)
{
    if (ok)
        return;
    (void)fprintf(stderr, "bench_vm: %s failed\n", what);
    exit(EXIT_FAILURE);
}

/*
 * Seconds of each round of something. Its figure is the median: a round in which the machine did something else
 * does not count.
 */
struct rounds {
    double *seconds;
    unsigned count;
};

static void rounds_init(struct rounds *r, unsigned most)
{
    *r = (struct rounds){.seconds = calloc(most, sizeof *r->seconds)};
    need(r->seconds != NULL, "calloc");
}

static void add_round(struct rounds *r, double seconds)
{
    r->seconds[r->count++] = seconds;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

/* The median in nanoseconds per call; frees r. */
static double rounds_fini(struct rounds *r, unsigned calls)
{
    double median = 0;

    if (r->count) {
        qsort(r->seconds, r->count, sizeof *r->seconds, compare);
        median = r->seconds[r->count / 2];
    }
    free(r->seconds);
    return median * 1e9 / calls;
}

enum op { RESERVE, TOP_DOWN, COMMIT, PROTECT, RELEASE, QUERY, QUERY_FAR, FIND, OPS };

/* Nanoseconds per call of each operation. */
struct rates {
    double ns[OPS];
};

static void start_rounds(struct rounds *r, unsigned batches)
{
    for (unsigned op = 0; op < OPS; op++)
        rounds_init(&r[op], batches);
}

static struct rates end_rounds(struct rounds *r)
{
    struct rates rates;

    for (unsigned op = 0; op < OPS; op++)
        rates.ns[op] = rounds_fini(&r[op], op == RESERVE || op == TOP_DOWN ? BATCH / 2 : BATCH);
    return rates;
}

/* ---- The host kernel ------------------------------------------------------------------------- */

/* Neighbours differ in protection, so that the kernel keeps every mapping apart. */
static void *host_map(unsigned i)
{
    void *p = mmap(NULL, VM_GRANULARITY, i % 2 ? PROT_READ : PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    need(p != MAP_FAILED, "mmap");
    return p;
}

static struct rates host_rates(unsigned batches)
{
    static void *maps[HOST_MAPS];
    struct rounds r[OPS];
    uint64_t seed = 1;

    start_rounds(r, batches);
    for (unsigned i = 0; i < HOST_MAPS; i++)
        maps[i] = host_map(i);
    for (unsigned b = 0; b < batches; b++) {
        unsigned first = next_random(&seed) % (HOST_MAPS - BATCH);
        double t[4];

        t[0] = now();
        for (unsigned i = first; i < first + BATCH; i++)
            (void)munmap(maps[i], VM_GRANULARITY);
        t[1] = now();
        for (unsigned i = first; i < first + BATCH; i++)
            maps[i] = host_map(i);
        t[2] = now();
        for (unsigned i = first; i < first + BATCH; i++)
            (void)mprotect(maps[i], VM_PAGE_SIZE, PROT_NONE);
        t[3] = now();
        add_round(&r[RELEASE], t[1] - t[0]);
        add_round(&r[RESERVE], (t[2] - t[1]) / 2); /* as if it were half a batch, as below */
        add_round(&r[PROTECT], t[3] - t[2]);
    }
    for (unsigned i = 0; i < HOST_MAPS; i++)
        (void)munmap(maps[i], VM_GRANULARITY);
    return end_rounds(r);
}

/* ---- The memory manager ---------------------------------------------------------------------- */

static gva_t reserve(struct vm *vm, uint32_t type)
{
    struct vm_request req = {
        .size = VM_GRANULARITY, .type = MEM_RESERVE | type, .protect = PAGE_READWRITE};
    gva_t base;

    need(vm_allocate(vm, &req, &base, NULL) == STATUS_SUCCESS, "reserve");
    return base;
}

static void commit(struct vm *vm, gva_t base, uint64_t size)
{
    struct vm_request req = {
        .base = base, .size = size, .type = MEM_COMMIT, .protect = PAGE_READWRITE};

    need(vm_allocate(vm, &req, NULL, NULL) == STATUS_SUCCESS, "commit");
}

static void protect(struct vm *vm, gva_t base, uint32_t value)
{
    uint64_t size = VM_PAGE_SIZE;
    uint32_t old;

    need(vm_protect(vm, &base, &size, value, &old) == STATUS_SUCCESS, "protect");
}

static void release(struct vm *vm, gva_t base)
{
    uint64_t size = 0;

    need(vm_release(vm, &base, &size, MEM_RELEASE) == STATUS_SUCCESS, "release");
}

static struct vm *new_vm(void)
{
    struct vm_config config = {0};
    struct vm *vm = NULL;

    need(vm_new(&config, &vm) == ERR_OK, "vm_new");
    return vm;
}

/* Seconds for a query of every place. */
static double query_batch(struct vm *vm, const gva_t *live, const unsigned *places)
{
    struct vm_region region;
    double start = now();

    for (unsigned i = 0; i < BATCH; i++)
        need(vm_query(vm, live[places[i]], &region) == STATUS_SUCCESS, "query");
    return now() - start;
}

/* One batch of every operation at neighbours among the live allocations. */
static void one_batch(struct vm *vm, gva_t *live, const unsigned *places, struct rounds *r)
{
    struct vm_request any = {.size = VM_GRANULARITY};
    double t[8];
    gva_t base;

    t[0] = now();
    for (unsigned i = 0; i < BATCH; i++)
        release(vm, live[places[i]]);
    t[1] = now();
    for (unsigned i = 0; i < BATCH / 2; i++)
        live[places[i]] = reserve(vm, 0);
    t[2] = now();
    for (unsigned i = BATCH / 2; i < BATCH; i++)
        live[places[i]] = reserve(vm, MEM_TOP_DOWN);
    t[3] = now();
    for (unsigned i = 0; i < BATCH; i++)
        commit(vm, live[places[i]], VM_GRANULARITY);
    t[4] = now();
    for (unsigned i = 0; i < BATCH; i++)
        protect(vm, live[places[i]], PAGE_READONLY);
    t[5] = now();
    add_round(&r[QUERY], query_batch(vm, live, places));
    t[6] = now();
    for (unsigned i = 0; i < BATCH; i++)
        need(vm_find_free(vm, &any, &base) == STATUS_SUCCESS, "find");
    t[7] = now();
    add_round(&r[RELEASE], t[1] - t[0]);
    add_round(&r[RESERVE], t[2] - t[1]);
    add_round(&r[TOP_DOWN], t[3] - t[2]);
    add_round(&r[COMMIT], t[4] - t[3]);
    add_round(&r[PROTECT], t[5] - t[4]);
    add_round(&r[FIND], t[7] - t[6]);
}

static void shuffle(unsigned *places, uint64_t *seed)
{
    for (unsigned i = BATCH - 1; i > 0; i--) {
        unsigned j = next_random(seed) % (i + 1);
        unsigned swap = places[i];

        places[i] = places[j];
        places[j] = swap;
    }
}

/* Places below count that are neighbours, as in host_rates. */
static void pick_near(unsigned *places, unsigned count, uint64_t *seed)
{
    unsigned first = next_random(seed) % (count - BATCH);

    for (unsigned i = 0; i < BATCH; i++)
        places[i] = first + i;
    shuffle(places, seed);
}

/* Places all over. */
static void pick_far(unsigned *places, unsigned count, uint64_t *seed)
{
    for (unsigned i = 0; i < BATCH; i++)
        places[i] = next_random(seed) % count;
}

static struct rates vm_rates(unsigned count, unsigned batches)
{
    gva_t *live = calloc(count, sizeof *live);
    struct vm *vm = new_vm();
    struct rounds r[OPS];
    unsigned places[BATCH];
    uint64_t seed = 1;

    need(live != NULL, "calloc");
    start_rounds(r, batches);
    for (unsigned i = 0; i < count; i++)
        live[i] = reserve(vm, 0);
    for (unsigned b = 0; b < batches; b++) {
        pick_near(places, count, &seed);
        one_batch(vm, live, places, r);
    }
    for (unsigned b = 0; b < batches; b++) {
        pick_far(places, count, &seed);
        add_round(&r[QUERY_FAR], query_batch(vm, live, places));
    }
    vm_free(vm);
    free(live);
    return end_rounds(r);
}

/* Nanoseconds per search of a sorted array of MANY keys. */
static double binary_search(unsigned batches)
{
    uint64_t *keys = calloc(MANY, sizeof *keys);
    uint64_t seed = 1;
    uint64_t sum = 0;
    struct rounds r;

    need(keys != NULL, "calloc");
    rounds_init(&r, batches);
    for (unsigned i = 0; i < MANY; i++)
        keys[i] = (uint64_t)i << 16;
    for (unsigned b = 0; b < batches; b++) {
        unsigned places[BATCH];
        double start;

        pick_far(places, MANY, &seed);
        start = now();
        for (unsigned i = 0; i < BATCH; i++) {
            size_t lo = 0;
            size_t hi = MANY;

            while (hi - lo > 1) {
                size_t mid = (lo + hi) / 2;

                if (keys[mid] <= (uint64_t)places[i] << 16)
                    lo = mid;
                else
                    hi = mid;
            }
            sum += lo;
        }
        add_round(&r, now() - start);
    }
    need(sum > 0, "binary search");
    free(keys);
    return rounds_fini(&r, BATCH);
}

static void report_rates(const struct rates *few, const struct rates *many,
                         const struct rates *host, double search)
{
    report("vm.reserve_at_100000", many->ns[RESERVE], "ns");
    report("vm.reserve_top_down_at_100000", many->ns[TOP_DOWN], "ns");
    report("vm.commit_at_100000", many->ns[COMMIT], "ns");
    report("vm.protect_at_100000", many->ns[PROTECT], "ns");
    report("vm.release_at_100000", many->ns[RELEASE], "ns");
    report("vm.query_at_100000", many->ns[QUERY], "ns");
    report("vm.query_far_at_100000", many->ns[QUERY_FAR], "ns");
    report("vm.find_free_at_100000", many->ns[FIND], "ns");
    at_least("vm.reserve_vs_host_mmap", host->ns[RESERVE] / many->ns[RESERVE], 2);
    at_least("vm.reserve_top_down_vs_host_mmap", host->ns[RESERVE] / many->ns[TOP_DOWN], 2);
    at_least("vm.find_free_vs_host_mmap", host->ns[RESERVE] / many->ns[FIND], 2);
    at_least("vm.commit_vs_host_mprotect", host->ns[PROTECT] / many->ns[COMMIT], 2);
    at_least("vm.protect_vs_host_mprotect", host->ns[PROTECT] / many->ns[PROTECT], 2);
    at_least("vm.release_vs_host_munmap", host->ns[RELEASE] / many->ns[RELEASE], 2);
    at_least("vm.query_vs_binary_search", search / many->ns[QUERY], 0.3);
    at_least("vm.query_far_vs_binary_search", search / many->ns[QUERY_FAR], 0.3);
    at_most("vm.reserve_100_vs_100000", many->ns[RESERVE] / few->ns[RESERVE], 3);
    at_most("vm.reserve_top_down_100_vs_100000", many->ns[TOP_DOWN] / few->ns[TOP_DOWN], 3);
    at_most("vm.commit_100_vs_100000", many->ns[COMMIT] / few->ns[COMMIT], 3);
    at_most("vm.protect_100_vs_100000", many->ns[PROTECT] / few->ns[PROTECT], 3);
    at_most("vm.release_100_vs_100000", many->ns[RELEASE] / few->ns[RELEASE], 3);
    at_most("vm.query_100_vs_100000", many->ns[QUERY] / few->ns[QUERY], 3);
    at_most("vm.find_free_100_vs_100000", many->ns[FIND] / few->ns[FIND], 3);
}

/* ---- Single figures -------------------------------------------------------------------------- */

static void bench_alternate(unsigned rounds)
{
    struct rounds together, apart;
    double ns;

    rounds_init(&together, rounds);
    rounds_init(&apart, rounds);
    for (unsigned round = 0; round < rounds; round++) {
        struct vm *vm = new_vm();
        static gva_t bases[ALTERNATE];
        gva_t one;
        double start;
        struct vm_request req = {
            .size = ALTERNATE * 2 * VM_PAGE_SIZE, .type = MEM_COMMIT, .protect = PAGE_READWRITE};

        need(vm_allocate(vm, &req, &one, NULL) == STATUS_SUCCESS, "allocate");
        for (unsigned i = 0; i < ALTERNATE; i++) {
            bases[i] = reserve(vm, 0);
            commit(vm, bases[i], VM_GRANULARITY);
        }
        start = now();
        for (unsigned i = 0; i < ALTERNATE; i++)
            protect(vm, one + (uint64_t)i * 2 * VM_PAGE_SIZE, PAGE_READONLY);
        add_round(&together, now() - start);
        start = now();
        for (unsigned i = 0; i < ALTERNATE; i++)
            protect(vm, bases[i], PAGE_READONLY);
        add_round(&apart, now() - start);
        vm_free(vm);
    }
    ns = rounds_fini(&together, ALTERNATE);
    report("vm.protect_alternate_pages", ns, "ns");
    /* "the same rate" */
    at_least("vm.protect_alternate_vs_separate", rounds_fini(&apart, ALTERNATE) / ns, 0.9);
}

static void bench_commit_gib(unsigned rounds)
{
    struct vm *vm = new_vm();
    struct vm_request req = {
        .size = UINT64_C(1) << 30, .type = MEM_RESERVE, .protect = PAGE_READWRITE};
    double spent = 0;

    for (unsigned i = 0; i < rounds; i++) {
        double start;
        gva_t base;

        need(vm_allocate(vm, &req, &base, NULL) == STATUS_SUCCESS, "reserve");
        start = now();
        commit(vm, base, req.size);
        spent += now() - start;
        release(vm, base);
    }
    report("vm.commit_1GiB", spent * 1e6 / rounds, "us");
    at_most("vm.commit_1GiB_vs_20us", spent * 1e6 / rounds / 20, 1);
    vm_free(vm);
}

static void bench_bulk(unsigned rounds)
{
    struct vm *vm = new_vm();
    uint8_t *from = malloc(BULK);
    uint8_t *to = malloc(BULK);
    struct vm_request req = {.size = BULK, .type = MEM_COMMIT, .protect = PAGE_READWRITE};
    double t_copy = 0;
    double t_read = 0;
    double t_write = 0;
    gva_t base = 0;

    need(from && to && vm_allocate(vm, &req, &base, NULL) == STATUS_SUCCESS, "bulk");
    memset(from, 1, BULK);
    memset(to, 2, BULK);
    need(vm_debug_write(vm, base, from, BULK), "write");
    for (unsigned i = 0; i < rounds; i++) {
        double t[4];

        t[0] = now();
        memcpy(to, from, BULK);
        t[1] = now();
        need(vm_debug_write(vm, base, to, BULK), "write");
        t[2] = now();
        need(vm_debug_read(vm, base, from, BULK) == BULK, "read");
        t[3] = now();
        t_copy += t[1] - t[0];
        t_write += t[2] - t[1];
        t_read += t[3] - t[2];
    }
    report("vm.bulk_read", (double)BULK * rounds / t_read / 1e9, "GB/s");
    at_least("vm.bulk_read_vs_memcpy", t_copy / t_read, 0.8);
    at_least("vm.bulk_write_vs_memcpy", t_copy / t_write, 0.8);
    free(from);
    free(to);
    vm_free(vm);
}

static void bench_fill(unsigned rounds)
{
    struct vm *vm = new_vm();
    struct vm_request req = {.size = BULK, .type = MEM_COMMIT, .protect = PAGE_READWRITE};
    struct vm_fill fill;
    double touch = 0;
    double again = 0;

    for (unsigned i = 0; i < rounds; i++) {
        double t[3];
        gva_t base;

        need(vm_allocate(vm, &req, &base, NULL) == STATUS_SUCCESS, "allocate");
        t[0] = now();
        for (uint64_t at = 0; at < BULK; at += VM_PAGE_SIZE)
            need(!vm_fill(vm, base + at, VM_WRITE, &fill), "fill");
        t[1] = now();
        for (uint64_t at = 0; at < BULK; at += VM_PAGE_SIZE)
            need(!vm_fill(vm, base + at, VM_WRITE, &fill), "fill");
        t[2] = now();
        release(vm, base);
        touch += t[1] - t[0];
        again += t[2] - t[1];
    }
    report("vm.fill_first_touch", touch * 1e9 / (rounds * (BULK / VM_PAGE_SIZE)), "ns");
    report("vm.fill_again", again * 1e9 / (rounds * (BULK / VM_PAGE_SIZE)), "ns");
    vm_free(vm);
}

/* Save, write 1 MiB of 64 MiB as a guest would, restore; against copying 1 MiB. */
static void bench_save(unsigned rounds)
{
    struct vm *vm = new_vm();
    struct vm_request req = {.size = BULK, .type = MEM_COMMIT, .protect = PAGE_READWRITE};
    static uint8_t from[1 << 20], to[1 << 20];
    struct vm_fill fill;
    uint64_t size;
    uint8_t *arena = vm_arena(vm, &size);
    struct rounds spent, copy;
    double ns;
    gva_t base;

    need(vm_allocate(vm, &req, &base, NULL) == STATUS_SUCCESS, "allocate");
    for (uint64_t at = 0; at < BULK; at += VM_PAGE_SIZE) {
        need(!vm_fill(vm, base + at, VM_WRITE, &fill), "fill");
        memset(arena + fill.offset, 1, VM_PAGE_SIZE);
    }
    memset(from, 1, sizeof from);
    rounds_init(&spent, rounds * 20);
    rounds_init(&copy, rounds * 20);
    for (unsigned i = 0; i < rounds * 20; i++) {
        double start = now();
        struct vm_saved *saved = vm_save(vm);

        for (uint64_t at = 0; at < sizeof from; at += VM_PAGE_SIZE)
            need(!vm_fill(vm, base + at * 16, VM_WRITE, &fill), "fill");
        need(saved && vm_restore(vm, saved), "restore");
        vm_saved_free(saved);
        add_round(&spent, now() - start);
        start = now();
        from[i % sizeof from]++;
        memcpy(to, from, sizeof to);
        add_round(&copy, now() - start);
        need(to[i % sizeof to] == from[i % sizeof from], "copy");
    }
    ns = rounds_fini(&spent, 1);
    report("vm.save_write_restore", ns / 1e3, "us");
    at_most("vm.save_write_restore_vs_copy", ns / rounds_fini(&copy, 1), 1.5);
    vm_free(vm);
}

int main(int argc, char **argv)
{
    unsigned batches = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 2000;
    unsigned rounds = batches / 200 + 1;
    struct rates host, few, many;

    if (!batches)
        batches = 1;
    host = host_rates(batches);
    few = vm_rates(FEW, batches);
    many = vm_rates(MANY, batches);
    report_rates(&few, &many, &host, binary_search(batches));
    bench_alternate(rounds * 10);
    bench_commit_gib(rounds);
    bench_bulk(rounds);
    bench_fill(rounds);
    bench_save(rounds);
    return EXIT_SUCCESS;
}
