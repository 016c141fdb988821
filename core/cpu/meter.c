/*
 * Each block of counted code pays for what is here, so a part of it is machine code. Translated code calls what is
 * within 2 GiB directly, and anything further away, as this program is, through a word in memory; measured, that call alone
 * costs twice what a loop of two instructions does. So a copy lies in a page of its own, which the host puts where it
 * has put the engine's buffer: among the libraries.
 */
#include "cpu/meter.h"

#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE 4096u

/* What meter_new maps: a page that is executed, and behind it one that is written. */
#define SIZE (2 * PAGE)

void meter_in_c(void *engine, uint64_t address, uint32_t size, void *meter)
{
    struct meter *m = meter;

    m->block = address;
    m->size = size;
    m->left -= size;
    if (m->left < 0)
        m->spent(engine, address, size, meter);
}

#if defined(__x86_64__) && !defined(__ILP32__)

/* System V's calling convention: rsi the address, edx the size, rcx the meter. */
/* clang-format off */
static const uint8_t code[] = {
    0x48, 0x89, 0x71, offsetof(struct meter, block), /*        mov [rcx + block], rsi */
    0x89, 0x51, offsetof(struct meter, size),        /*        mov [rcx + size], edx */
    0x89, 0xd2,                                      /*        mov edx, edx */
    0x48, 0x29, 0x11,                                /*        sub [rcx], rdx */
    0x78, 0x01,                                      /*        js spent */
    0xc3,                                            /*        ret */
    0xff, 0x61, offsetof(struct meter, spent),       /* spent: jmp [rcx + spent] */
};
/* clang-format on */
_Static_assert(offsetof(struct meter, left) == 0, "the code relies on it");

/* Put the code into a page; NULL when it may not be executed there. */
static meter_fn *place(uint8_t *page)
{
    union {
        uint8_t *page;
        meter_fn *function;
    } as = {page};

    memcpy(page, code, sizeof code);
    return mprotect(page, PAGE, PROT_READ | PROT_EXEC) ? NULL : as.function;
}

#else

static meter_fn *place(uint8_t *page)
{
    (void)page;
    return NULL;
}

#endif

struct meter *meter_new(void)
{
    uint8_t *at = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct meter *m;

    if (at == MAP_FAILED)
        return NULL;
    m = (struct meter *)(void *)(at + PAGE);
    m->function = place(at);
    if (!m->function)
        m->function = meter_in_c;
    return m;
}

void meter_free(struct meter *m)
{
    if (m)
        (void)munmap((uint8_t *)m - PAGE, SIZE);
}
