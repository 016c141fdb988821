/*
 * Searching guest memory against memmem over the same bytes in one host buffer; no needle is found. Ratios above 1
 * mean that we are faster. The argument is the number of rounds; the budget is 0.5.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "winstub/search.h"

#define BASE  UINT64_C(0x10000000)
#define BYTES (UINT64_C(64) << 20)
#define PAGES (BYTES / VM_PAGE_SIZE)
#define LARGE (UINT64_C(16) << 30)

static double now(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void need(bool ok, const char *what)
{
    if (ok)
        return;
    (void)fprintf(stderr, "bench_search: %s failed\n", what);
    exit(EXIT_FAILURE);
}

/* Bytes without 0xfe, which every needle holds; a small generator of our own. */
static uint8_t *host_bytes(void)
{
    uint64_t state = 1;
    uint8_t *bytes = malloc(BYTES);

    need(bytes != NULL, "malloc");
    for (size_t i = 0; i < BYTES; i++) {
        state = state * UINT64_C(6364136223846793005) + 1442695040888963407u;
        bytes[i] = (uint8_t)((state >> 33) % 0xfe);
    }
    return bytes;
}

static struct vm *commit(uint64_t size)
{
    struct vm_request req = {
        .base = BASE, .size = size, .type = MEM_RESERVE | MEM_COMMIT, .protect = PAGE_READWRITE};
    struct vm *vm;

    need(vm_new(&(struct vm_config){0}, &vm) == ERR_OK, "vm_new");
    need(vm_allocate(vm, &req, NULL, NULL) == STATUS_SUCCESS, "vm_allocate");
    return vm;
}

/* The host's bytes in a guest, page after page or so that no two neighbours have frames in a row. */
static struct vm *fill(const uint8_t *bytes, uint64_t stride)
{
    struct vm *vm = commit(BYTES);

    for (uint64_t first = 0; first < stride; first++) {
        for (uint64_t page = first; page < PAGES; page += stride) {
            uint64_t at = page * VM_PAGE_SIZE;

            need(vm_debug_write(vm, BASE + at, bytes + at, VM_PAGE_SIZE), "vm_debug_write");
        }
    }
    return vm;
}

static bool unexpected(void *ctx, gva_t addr)
{
    (void)ctx;
    (void)addr;
    need(false, "finding nothing");
    return false;
}

/* Seconds for one search, the best of several. */
static double search(const struct vm *vm, const struct vm_pattern *p, unsigned rounds)
{
    double best = 1e9;

    for (unsigned i = 0; i < rounds; i++) {
        double start = now();

        need(vm_search(vm, p, 0, 0, unexpected, NULL, NULL) == ERR_OK, "vm_search");
        start = now() - start;
        best = start < best ? start : best;
    }
    return best;
}

static double host_search(const uint8_t *bytes, const uint8_t *needle, size_t len, unsigned rounds)
{
    double best = 1e9;

    for (unsigned i = 0; i < rounds; i++) {
        double start = now();

        need(memmem(bytes, BYTES, needle, len) == NULL, "memmem");
        start = now() - start;
        best = start < best ? start : best;
    }
    return best;
}

static void report(const char *what, size_t len, double seconds, double host)
{
    printf("%s_%zu %.3g GB/s\n", what, len, (double)BYTES / seconds * 1e-9);
    printf("%s_%zu_to_memmem %.2f ratio\n", what, len, host / seconds);
}

static void measure(const uint8_t *bytes, struct vm *const vm[2], size_t len, unsigned rounds)
{
    uint8_t needle[256];
    struct vm_pattern *p;
    double host;

    for (size_t i = 0; i < len; i++)
        needle[i] = i == len / 2 ? 0xfe : bytes[1000 + i]; /* part of it is there */
    host = host_search(bytes, needle, len, rounds);
    printf("memmem_%zu %.3g GB/s\n", len, (double)BYTES / host * 1e-9);
    need(vm_pattern_new(needle, NULL, len, &p, NULL) == ERR_OK, "vm_pattern_new");
    report("search", len, search(vm[0], p, rounds), host);
    report("search_scattered", len, search(vm[1], p, rounds), host);
    vm_pattern_free(p);
}

/* The same literal stretch with wildcards around it. */
static void measure_wild(const uint8_t *bytes, const struct vm *vm, unsigned rounds)
{
    static const uint8_t needle[] = {0x48, 0x8b, 0xfe, 0x0d};
    double host = host_search(bytes, needle, sizeof needle, rounds);
    struct vm_pattern *p;

    need(vm_pattern_parse("e8 ?? ?? 48 8b fe 0d ?? c3", &p, NULL) == ERR_OK, "vm_pattern_parse");
    report("search_wildcards", sizeof needle, search(vm, p, rounds), host);
    vm_pattern_free(p);
}

static void measure_untouched(unsigned rounds)
{
    struct vm *vm = commit(LARGE);
    struct vm_pattern *p;

    need(vm_pattern_parse("00 00 48 8b", &p, NULL) == ERR_OK, "vm_pattern_parse");
    printf("search_untouched_16_GiB %.3g us\n", search(vm, p, rounds) * 1e6);
    vm_pattern_free(p);
    vm_free(vm);
}

int main(int argc, char **argv)
{
    static const size_t lengths[] = {1, 2, 4, 16, 64, 256};
    unsigned rounds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 5;
    uint8_t *bytes = host_bytes();
    struct vm *vm[2] = {fill(bytes, 1), fill(bytes, 7)};

    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        measure(bytes, vm, lengths[i], rounds);
    measure_wild(bytes, vm[0], rounds);
    measure_untouched(rounds);
    vm_free(vm[0]);
    vm_free(vm[1]);
    free(bytes);
    return EXIT_SUCCESS;
}
