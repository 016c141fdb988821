/*
 * What counting costs programs that only compute: loops as a compiler makes them of hashing, sorting, copying, calling and
 * searching, against the bare engine with no hooks, and against our CPU that counts nothing (--fast). How much a loop pays
 * follows from how much it does between two jumps, since each block that begins costs the same: the engine's call of its hook.
 * `tight` is the worst there can be, one instruction and its jump; it and `rep`, whose every iteration is a block, have
 * no goal. Rounds are interleaved, timed in CPU time, and medians taken. Argument: rounds (default 5).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "machines.h"

/* ---- What the guest runs: it lies in a section of its own, and is copied to CODE ------------------ */

#define GUEST          __attribute__((section("guest_code"), noinline))
#define BARRIER(value) __asm__ volatile("" : "+r"(value) : : "memory") /* the loop stays one */

GUEST static uint64_t tight(uint8_t *data, uint64_t n)
{
    (void)data;
    __asm__ volatile("1: dec %0; jnz 1b" : "+r"(n));
    return n;
}

GUEST static uint64_t xorshift(uint8_t *data, uint64_t n)
{
    uint64_t x = 88172645463325252;

    (void)data;
    while (n--) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        BARRIER(x);
    }
    return x;
}

/* FNV-1a over bytes. */
GUEST static uint64_t hash(uint8_t *data, uint64_t n)
{
    uint64_t h = 14695981039346656037u;

    for (uint64_t i = 0; i < n; i++)
        h = (h ^ data[i & 0xffff]) * 1099511628211u;
    return h;
}

GUEST static uint64_t crc(uint8_t *data, uint64_t n)
{
    uint32_t *table = (uint32_t *)(void *)(data + 0x10000), sum = ~0u;

    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;

        for (int k = 0; k < 8; k++)
            c = c & 1 ? 0xedb88320 ^ c >> 1 : c >> 1;
        table[i] = c;
    }
    for (uint64_t i = 0; i < n; i++)
        sum = table[(sum ^ data[i & 0xffff]) & 255] ^ sum >> 8;
    return sum;
}

GUEST static uint64_t sha(uint8_t *data, uint64_t n)
{
    uint32_t *w = (uint32_t *)(void *)data, a = 1, b = 2, c = 3, d = 4, e = 5;

    while (n--) {
        for (int i = 16; i < 80; i++) {
            uint32_t x = w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16];

            w[i] = x << 1 | x >> 31;
        }
        for (int i = 0; i < 80; i++) {
            uint32_t f = i < 20 ? (b & c) | (~b & d) : b ^ c ^ d;
            uint32_t t = (a << 5 | a >> 27) + f + e + w[i] + 0x5a827999;

            e = d;
            d = c;
            c = b << 30 | b >> 2;
            b = a;
            a = t;
        }
    }
    return a + b + c + d + e;
}

GUEST static uint64_t copy_words(uint8_t *data, uint64_t n)
{
    uint64_t *words = (uint64_t *)(void *)data;

    for (uint64_t i = 0; i < n; i++) {
        words[0x2000 + (i & 0x1fff)] = words[i & 0x1fff];
        BARRIER(words);
    }
    return words[0x2000];
}

/* As memcpy does it that knows nothing better than SSE2: 64 bytes a round. */
GUEST static uint64_t copy_memory(uint8_t *data, uint64_t n)
{
    while (n--) {
        const uint8_t *from = data;
        uint8_t *to = data + 0x10000;

        for (int i = 0; i < 1024; i++, from += 64, to += 64)
            __asm__ volatile("movups (%0), %%xmm0; movups 16(%0), %%xmm1\n"
                             "movups 32(%0), %%xmm2; movups 48(%0), %%xmm3\n"
                             "movups %%xmm0, (%1); movups %%xmm1, 16(%1)\n"
                             "movups %%xmm2, 32(%1); movups %%xmm3, 48(%1)"
                             :
                             : "r"(from), "r"(to)
                             : "memory", "xmm0", "xmm1", "xmm2", "xmm3");
    }
    return data[0x10000];
}

GUEST static uint64_t rep(uint8_t *data, uint64_t n)
{
    while (n--) {
        uint8_t *from = data, *to = data + 0x10000;
        uint64_t count = 8192;

        __asm__ volatile("rep movsq" : "+S"(from), "+D"(to), "+c"(count) : : "memory");
    }
    return data[0x10000];
}

GUEST static uint64_t length(uint8_t *data, uint64_t n)
{
    uint64_t sum = 0;

    for (int i = 0; i < 4095; i++) {
        data[i] = 'a';
        BARRIER(data);
    }
    data[4095] = 0;
    while (n--) {
        const uint8_t *p = data;

        while (*p) {
            p++;
            BARRIER(p);
        }
        sum += (uint64_t)(p - data);
    }
    return sum;
}

GUEST static uint64_t fib(uint64_t n)
{
    return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

GUEST static uint64_t calls(uint8_t *data, uint64_t n)
{
    uint64_t sum = 0;

    while (n--) {
        sum += fib(20);
        BARRIER(data);
    }
    return sum;
}

GUEST static void sort_range(uint32_t *a, long low, long high)
{
    while (low < high) {
        uint32_t pivot = a[(low + high) / 2];
        long i = low, j = high;

        while (i <= j) {
            while (a[i] < pivot)
                i++;
            while (a[j] > pivot)
                j--;
            if (i <= j) {
                uint32_t other = a[i];

                a[i++] = a[j];
                a[j--] = other;
            }
        }
        sort_range(a, low, j);
        low = i;
    }
}

GUEST static uint64_t sort(uint8_t *data, uint64_t n)
{
    uint32_t *a = (uint32_t *)(void *)data;
    uint64_t x = 88172645463325252;

    while (n--) {
        for (int i = 0; i < 10000; i++) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            a[i] = (uint32_t)x;
        }
        sort_range(a, 0, 9999);
    }
    return a[5000];
}

struct node {
    struct node *next;
    uint64_t visits;
};

GUEST static uint64_t list(uint8_t *data, uint64_t n)
{
    struct node *nodes = (struct node *)(void *)data, *at = nodes;

    for (unsigned i = 0; i < 4096; i++)
        nodes[i] = (struct node){&nodes[(i * 1237 + 1) & 4095], 0};
    while (n--) {
        at->visits++;
        at = at->next;
    }
    return at->visits;
}

/* An interpreter of a small machine: short blocks, few of them alike one after the other. */
GUEST static uint64_t interpreter(uint8_t *data, uint64_t n)
{
    uint64_t a = 1, x = 3;

    for (int i = 0; i < 1024; i++) {
        data[i] = (uint8_t)((unsigned)i * 7 % 6);
        BARRIER(data);
    }
    for (uint64_t i = 0; i < n; i++) {
        uint8_t op = data[i & 1023];

        if (op == 0)
            a += x;
        else if (op == 1)
            a ^= x << 3;
        else if (op == 2)
            x = a >> 5;
        else if (op == 3)
            a *= 3;
        else if (op == 4)
            x -= a;
        else
            a = a >> 1 | a << 63;
        BARRIER(a);
    }
    return a + x;
}

GUEST static uint64_t matrices(uint8_t *data, uint64_t n)
{
    double *a = (double *)(void *)data, *b = a + 4096, *c = b + 4096;

    while (n--) {
        for (int i = 0; i < 64; i++) {
            for (int j = 0; j < 64; j++) {
                double sum = 0;

                for (int k = 0; k < 64; k++)
                    sum += a[i * 64 + k] * b[k * 64 + j];
                c[i * 64 + j] = sum;
            }
        }
        BARRIER(a);
    }
    return (uint64_t)c[77];
}

/* ---- Measuring ------------------------------------------------------------------------------- */

extern const uint8_t __start_guest_code[], __stop_guest_code[];

struct computing {
    const char *name;
    uint64_t (*function)(uint8_t *data, uint64_t n);
    uint64_t n;
    double goal; /* of the bare engine's speed; 0: none */
};

static const struct computing all[] = {
    {"tight", tight, 60000000, 0},
    {"rep", rep, 1500, 0},
    {"xorshift", xorshift, 30000000, 0.6},
    {"hash", hash, 20000000, 0.6},
    {"crc", crc, 10000000, 0.6},
    {"sha", sha, 50000, 0.6},
    {"copy_words", copy_words, 8000000, 0.6},
    {"copy_memory", copy_memory, 1500, 0.6},
    {"length", length, 8000, 0.6},
    {"calls", calls, 150, 0.6},
    {"sort", sort, 25, 0.6},
    {"list", list, 8000000, 0.6},
    {"interpreter", interpreter, 8000000, 0.6},
    {"matrices", matrices, 20, 0.6},
};

#define ENTRY 13u /* bytes of what calls the function */

/* At CODE: mov rdi, rsi; mov rsi, rcx; call function; hlt. Behind it the section. */
static struct loop loop_of(const struct computing *c, uint8_t *code)
{
    static const uint8_t entry[ENTRY] = {0x48, 0x89, 0xf7, 0x48, 0x89, 0xce, 0xe8,
                                         0,    0,    0,    0,    0xf4, 0x90};
    size_t size = (size_t)(__stop_guest_code - __start_guest_code);
    union {
        uint64_t (*function)(uint8_t *data, uint64_t n);
        const uint8_t *bytes;
    } at = {c->function};
    int32_t to = (int32_t)(ENTRY + (at.bytes - __start_guest_code)) - 11;

    if (ENTRY + size > CODE_SIZE)
        die("the code's size");
    memcpy(code, entry, ENTRY);
    memcpy(code + 7, &to, sizeof to);
    memcpy(code + ENTRY, __start_guest_code, size);
    return (struct loop){c->name, code, ENTRY + size, c->n};
}

struct machines {
    struct bare bare;
    struct ours fast, counted;
    int rounds;
};

static void measure(struct machines *m, const struct computing *c)
{
    static uint8_t code[CODE_SIZE];
    struct loop loop = loop_of(c, code);
    double bare[ROUNDS_MAX], fast[ROUNDS_MAX], counted[ROUNDS_MAX], ratio;

    bare_load(&m->bare, &loop);
    ours_load(&m->fast, &loop);
    ours_load(&m->counted, &loop);
    for (int round = -1; round < m->rounds; round++) { /* the first warms up */
        int at = round < 0 ? 0 : round;

        bare[at] = bare_run(&m->bare, &loop);
        fast[at] = ours_run(&m->fast, &loop);
        counted[at] = ours_run(&m->counted, &loop);
    }
    printf("counted_%s_bare %.2f ms\n", c->name, median(bare, m->rounds) * 1e3);
    ratio = median(bare, m->rounds) / median(fast, m->rounds);
    printf("counted_%s_off_vs_bare %.3f ratio (goal 0.95: %s)\n", c->name, ratio,
           ratio >= 0.95 ? "met" : "missed");
    ratio = median(bare, m->rounds) / median(counted, m->rounds);
    printf("counted_%s_vs_bare %.3f ratio", c->name, ratio);
    if (c->goal > 0)
        printf(" (goal %.2f: %s)", c->goal, ratio >= c->goal ? "met" : "missed");
    printf("\n");
}

int main(int argc, char **argv)
{
    struct machines m = {.rounds = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 5};

    if (m.rounds < 1 || m.rounds > ROUNDS_MAX)
        die("the number of rounds (1 to 99)");
    bare_open_virtual(&m.bare);
    ours_open(&m.fast);
    ours_open(&m.counted);
    if (cpu_count(m.counted.cpu))
        die("cpu_count");
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        measure(&m, &all[i]);
    ours_close(&m.fast);
    ours_close(&m.counted);
    bare_close(&m.bare);
    return 0;
}
