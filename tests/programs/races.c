/*
 * Threads that race without any lock: who came when depends on every instruction at which they were switched. They also look at
 * the clocks, and fill memory by an instruction that repeats itself.
 */
#include <windows.h>

#include <intrin.h>
#include <stdio.h>

#define PLACES 4000

static volatile LONG next;
static volatile char order[PLACES];

struct racer {
    char name;
    unsigned times;
};

static void put(char who)
{
    LONG place = next;

    for (volatile int i = 0; i < 10; i++)
        ;
    if (place < PLACES)
        order[place] = who;
    next = place + 1; /* loses what others have put meanwhile */
}

static void look(struct racer *racer)
{
    unsigned char bytes[64];

    __stosb(bytes, (unsigned char)racer->times, (size_t)next % sizeof bytes);
    racer->times = racer->times * 31 + GetTickCount();
    racer->times = racer->times * 31 + (unsigned)__rdtsc();
}

static DWORD WINAPI run(void *arg)
{
    struct racer *racer = arg;

    while (next < PLACES) {
        put(racer->name);
        look(racer);
        for (volatile int i = 0; i < 500; i++)
            ;
    }
    return 0;
}

int main(void)
{
    struct racer racers[3] = {{'a', 1}, {'b', 1}, {'c', 1}};
    unsigned hash = 0, changes = 0;
    HANDLE threads[3];

    for (int i = 0; i < 3; i++)
        threads[i] = CreateThread(NULL, 0, run, &racers[i], 0, NULL);
    WaitForMultipleObjects(3, threads, TRUE, INFINITE);
    for (int i = 0; i < PLACES; i++) {
        hash = hash * 31 + (unsigned char)order[i];
        changes += i && order[i] != order[i - 1];
    }
    printf("order %08x, times %08x %08x %08x, %s, tick %lu\n", hash, racers[0].times,
           racers[1].times, racers[2].times, changes > 3 ? "mixed" : "one after the other",
           GetTickCount());
    return 16;
}
